/*-------------------------------------------------------------------------
 *
 * retrain.h
 *	  Plans of private functions, and statements that the caller executes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_RETRAIN_H
#define MLOPS_RETRAIN_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/resowner.h"

extern char *mlops_plan_text(Jsonb *object, const char *key);
extern Jsonb *mlops_plan_call(const char *name, int nargs, const Oid *types,
							  const NullableDatum *args);
extern int64 mlops_execute_as_caller(const char *statement, const char *path, bool read_only);
pg_noreturn extern void mlops_undo_and_rethrow(MemoryContext context, ResourceOwner owner);

#endif							/* MLOPS_RETRAIN_H */
