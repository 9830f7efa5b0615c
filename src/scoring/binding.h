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

#include <math.h>

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

/* a feature that has a column, as the loop over a row needs it */
typedef struct MlopsRead
{
	int			feature;
	int			attribute;
	bool		used;			/* by a split */
} MlopsRead;

/* the features whose columns convert alike */
typedef struct MlopsRun
{
	MlopsConversion conversion;
	int			end;			/* in reads; it begins at the end of the run before */
} MlopsRun;

typedef struct MlopsBinding
{
	TupleDesc	desc;			/* of the row */
	MlopsColumn *columns;		/* one per feature */
	int			num_absent;		/* features that have no column */
	int		   *absent;
	MlopsRead  *reads;			/* all others, by runs */
	int			num_runs;
	MlopsRun	runs[MLOPS_NUM_CONVERSIONS];
	Datum	   *values;			/* room for one row */
	bool	   *nulls;
} MlopsBinding;

/*
 * The code of a category that no split can name.  Codes of XGBoost are below,
 * and those of LightGBM are not negative.  A linear model has no splits: what it
 * does not know adds nothing, as a missing value.
 */
#define MLOPS_OTHER_CATEGORY(model) \
	((model)->info.wide ? -1.0 : (model)->info.num_trees > 0 ? 16777216.0 : (double) NAN)

/* by what rules rows are read, and where that is counted */
typedef struct MlopsReader
{
	const MlopsModel *model;
	MlopsScoringPolicy policy;
	MlopsCounts *counts;
} MlopsReader;

extern MlopsColumn *mlops_bind_columns(const MlopsSignature *signature, TupleDesc desc);
extern const char *mlops_conversion_name(MlopsConversion conversion);
extern MlopsBinding *mlops_binding_create(const MlopsModel *model, TupleDesc desc);
extern void mlops_binding_check(const MlopsReader *reader, const MlopsBinding *binding);

/*
 * The row as a vector, NaN where a value is missing: of float, or of double if
 * the model is wide.  changes, or NULL, is an object with other values for
 * some features.
 */
extern void *mlops_vector_create(const MlopsModel *model);
extern void mlops_vector_from_tuple(const MlopsReader *reader, MlopsBinding *binding,
									HeapTuple tuple, Jsonb *changes, void *vector);
extern void mlops_vector_from_columns(const MlopsReader *reader, const MlopsBinding *binding,
									  const NullableDatum *columns, void *vector);
extern void mlops_vector_from_array(const MlopsReader *reader, ArrayType *array,
									Jsonb *changes, void *vector);
extern void mlops_vector_from_values(const MlopsReader *reader, const Datum *values,
									 const bool *nulls, int count, Jsonb *changes, void *vector);
extern void mlops_vector_from_jsonb(const MlopsReader *reader, Jsonb *json,
									Jsonb *changes, void *vector);

#endif							/* MLOPS_BINDING_H */
