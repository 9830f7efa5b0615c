/*-------------------------------------------------------------------------
 *
 * snapshot_content.h
 *	  What a snapshot records of the rows that it saw.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SNAPSHOT_CONTENT_H
#define MLOPS_SNAPSHOT_CONTENT_H

#include "postgres.h"

#include "access/tupdesc.h"

#include "training/snapshot_hash.h"

typedef struct MlopsContent MlopsContent;

extern MlopsContent *mlops_content_create(TupleDesc tupdesc, const char *label);
extern void mlops_content_add(MlopsContent *content, const Datum *values, const bool *isnull);
extern char *mlops_content_json(const MlopsContent *content);

#endif							/* MLOPS_SNAPSHOT_CONTENT_H */
