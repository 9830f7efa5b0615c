/*-------------------------------------------------------------------------
 *
 * table.h
 *	  Rows of the registry's tables by an index, without a query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_TABLE_H
#define MLOPS_TABLE_H

#include "postgres.h"

#include "access/genam.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* most columns of an index that are looked up by */
#define MLOPS_TABLE_MAX_KEYS	2

/* a column and the value that it must have; a value of NULL is IS NULL */
typedef struct MlopsTableKey
{
	const char *column;
	NullableDatum value;
} MlopsTableKey;

typedef struct MlopsTableScan
{
	Relation	relation;
	SysScanDesc scan;
} MlopsTableScan;

extern void mlops_table_begin(MlopsTableScan *scan, const char *table, const char *index,
							  Snapshot snapshot, const MlopsTableKey *keys, int num_keys);
extern HeapTuple mlops_table_next(MlopsTableScan *scan);
extern void mlops_table_end(MlopsTableScan *scan);
extern Datum mlops_table_value(const MlopsTableScan *scan, HeapTuple tuple,
							   const char *column, bool *isnull);

#endif							/* MLOPS_TABLE_H */
