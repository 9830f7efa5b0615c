/*-------------------------------------------------------------------------
 *
 * snapshot_row.h
 *	  The bytes of a row that its hash is taken of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SNAPSHOT_ROW_H
#define MLOPS_SNAPSHOT_ROW_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "lib/stringinfo.h"

typedef struct MlopsRowEncoder MlopsRowEncoder;

extern MlopsRowEncoder *mlops_row_encoder_create(TupleDesc tupdesc);
extern void mlops_row_encode(const MlopsRowEncoder *encoder, const Datum *values,
							 const bool *isnull, StringInfo bytes);
extern void mlops_row_schema(const MlopsRowEncoder *encoder, StringInfo bytes);
extern char *mlops_row_label(const MlopsRowEncoder *encoder, int column, Datum value);

#endif							/* MLOPS_SNAPSHOT_ROW_H */
