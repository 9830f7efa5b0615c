/*-------------------------------------------------------------------------
 *
 * binding.h
 *	  Which column of a row each feature reads, and the row as a vector.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_BINDING_H
#define MLOPS_BINDING_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#include "registry/model.h"
#include "scoring/stat_models.h"

/* the column that one feature reads */
typedef struct MlopsColumn
{
	int			attribute;		/* index in the row, -1 if there is none */
	MlopsConversion conversion;
	const char *problem;		/* why it cannot be read, or NULL */
} MlopsColumn;

typedef struct MlopsBinding
{
	TupleDesc	desc;			/* of the row */
	MlopsColumn *columns;		/* one per feature */
	Datum	   *values;			/* room for one row */
	bool	   *nulls;
} MlopsBinding;

extern MlopsColumn *mlops_bind_columns(const MlopsSignature *signature, TupleDesc desc);
extern const char *mlops_conversion_name(MlopsConversion conversion);
extern MlopsBinding *mlops_binding_create(const MlopsModel *model, TupleDesc desc,
										  MlopsCounts *counts);

/*
 * The row as a vector, NaN where a value is missing: of float, or of double if
 * the model is wide.
 */
extern void *mlops_vector_create(const MlopsModel *model);
extern void mlops_vector_from_tuple(const MlopsModel *model, MlopsBinding *binding,
									HeapTuple tuple, void *vector, MlopsCounts *counts);
extern void mlops_vector_from_columns(const MlopsModel *model, const MlopsBinding *binding,
									  const NullableDatum *columns, void *vector,
									  MlopsCounts *counts);
extern void mlops_vector_from_array(const MlopsModel *model, ArrayType *array, void *vector,
									MlopsCounts *counts);
extern void mlops_vector_from_jsonb(const MlopsModel *model, Jsonb *json, void *vector,
									MlopsCounts *counts);

#endif							/* MLOPS_BINDING_H */
