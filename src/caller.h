/*-------------------------------------------------------------------------
 *
 * caller.h
 *	  Calls from public functions to private ones, and who made them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_CALLER_H
#define MLOPS_CALLER_H

#include "fmgr.h"

extern Oid	mlops_caller(void);
extern Datum mlops_call_private(const char *name, int nargs,
								const Oid *types, const NullableDatum *args,
								bool *isnull);
extern Datum mlops_call_private_set(FunctionCallInfo fcinfo, const char *name, int nargs,
									const Oid *types, const NullableDatum *args);
extern PGDLLEXPORT Datum mlops_private_call(PG_FUNCTION_ARGS);

#endif							/* MLOPS_CALLER_H */
