/*-------------------------------------------------------------------------
 *
 * sketch_functions.c
 *	  What SQL asks of a sketch.
 *
 * Each function reads the sketch anew: they are for one value or a few.  What
 * is not defined, such as a mean of no values, is NULL.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"

#include "monitoring/sketch_type.h"

PG_FUNCTION_INFO_V1(mlops_sketch_totals);
PG_FUNCTION_INFO_V1(mlops_sketch_row_count);
PG_FUNCTION_INFO_V1(mlops_sketch_null_count);
PG_FUNCTION_INFO_V1(mlops_sketch_min_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_max_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_mean_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_stddev_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_stddev_pop_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_distinct_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_is_exact_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_rank_error_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_quantile_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_quantiles);
PG_FUNCTION_INFO_V1(mlops_sketch_cdf_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_histogram_sql);
PG_FUNCTION_INFO_V1(mlops_sketch_top_values);
PG_FUNCTION_INFO_V1(mlops_sketch_same_totals_sql);

/* a sketch argument, read into the current memory context */
#define PG_GETARG_SKETCH(n)		mlops_sketch_from_datum(PG_GETARG_DATUM(n))

/* a number as a result, NULL if it is NaN */
#define PG_RETURN_DEFINED(value) \
	do { \
		double		value_ = (value); \
		if (isnan(value_)) \
			PG_RETURN_NULL(); \
		PG_RETURN_FLOAT8(value_); \
	} while (0)

/* a numeric sketch argument; error ML050 if it is categorical */
static MlopsSketch *
numeric_argument(FunctionCallInfo fcinfo, int number, const char *function)
{
	MlopsSketch *sketch = PG_GETARG_SKETCH(number);

	mlops_sketch_require_numeric(sketch, function);
	return sketch;
}

/*
 * The numbers of an array argument, without a dimension of more.  Error 22004
 * if one is NULL, 2202E if there are more dimensions.
 */
static double *
number_array(FunctionCallInfo fcinfo, int number, const char *name, int *n)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(number);
	Datum	   *values;
	double	   *numbers;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s must be an array of one dimension", name)));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not contain NULL", name)));
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, NULL, n);
	numbers = palloc(sizeof(double) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		numbers[i] = DatumGetFloat8(values[i]);
	return numbers;
}

/* SQL: all counts in one row */
Datum
mlops_sketch_totals(PG_FUNCTION_ARGS)
{
	MlopsSketchCounts counts = mlops_sketch_counts(PG_GETARG_SKETCH(0));
	const int64 fields[] = {counts.rows, counts.nulls, counts.nans, counts.negative_infinities,
	counts.positive_infinities, counts.values};
	Datum		values[lengthof(fields)];
	bool		nulls[lengthof(fields)] = {false};
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (int i = 0; i < (int) lengthof(fields); i++)
		values[i] = Int64GetDatum(fields[i]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}

Datum
mlops_sketch_row_count(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(mlops_sketch_counts(PG_GETARG_SKETCH(0)).rows);
}

Datum
mlops_sketch_null_count(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(mlops_sketch_counts(PG_GETARG_SKETCH(0)).nulls);
}

Datum
mlops_sketch_min_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_DEFINED(mlops_sketch_min(PG_GETARG_SKETCH(0)));
}

Datum
mlops_sketch_max_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_DEFINED(mlops_sketch_max(PG_GETARG_SKETCH(0)));
}

Datum
mlops_sketch_mean_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_DEFINED(mlops_sketch_mean(PG_GETARG_SKETCH(0)));
}

Datum
mlops_sketch_stddev_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_DEFINED(mlops_sketch_stddev(PG_GETARG_SKETCH(0), false));
}

Datum
mlops_sketch_stddev_pop_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_DEFINED(mlops_sketch_stddev(PG_GETARG_SKETCH(0), true));
}

Datum
mlops_sketch_distinct_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(mlops_sketch_distinct(PG_GETARG_SKETCH(0)));
}

Datum
mlops_sketch_is_exact_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(mlops_sketch_is_exact(PG_GETARG_SKETCH(0)));
}

/* SQL: the bound of the error of a rank, as a share of all ranks */
Datum
mlops_sketch_rank_error_sql(PG_FUNCTION_ARGS)
{
	MlopsSketch *sketch = numeric_argument(fcinfo, 0, "mlops.rank_error()");
	int64		ordered = mlops_sketch_ordered(sketch);

	if (ordered == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8((double) mlops_sketch_rank_error(sketch) / (double) ordered);
}

/* error 22003 unless it is a share */
static double
checked_share(double p)
{
	if (!(p >= 0 && p <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the share of a quantile must be between 0 and 1, not %s",
						float8out_internal(p))));
	return p;
}

Datum
mlops_sketch_quantile_sql(PG_FUNCTION_ARGS)
{
	MlopsSketch *sketch = numeric_argument(fcinfo, 0, "mlops.quantile()");

	PG_RETURN_DEFINED(mlops_sketch_quantile(sketch, checked_share(PG_GETARG_FLOAT8(1))));
}

Datum
mlops_sketch_quantiles(PG_FUNCTION_ARGS)
{
	MlopsSketch *sketch = numeric_argument(fcinfo, 0, "mlops.quantiles()");
	int			n;
	double	   *shares = number_array(fcinfo, 1, "p", &n);
	Datum	   *values = palloc(sizeof(Datum) * Max(n, 1));

	if (mlops_sketch_ordered(sketch) == 0)
		PG_RETURN_NULL();
	for (int i = 0; i < n; i++)
		values[i] = Float8GetDatum(mlops_sketch_quantile(sketch, checked_share(shares[i])));
	PG_RETURN_ARRAYTYPE_P(construct_array(values, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}

Datum
mlops_sketch_cdf_sql(PG_FUNCTION_ARGS)
{
	MlopsSketch *sketch = numeric_argument(fcinfo, 0, "mlops.cdf()");

	PG_RETURN_DEFINED(mlops_sketch_cdf(sketch, PG_GETARG_FLOAT8(1)));
}

Datum
mlops_sketch_histogram_sql(PG_FUNCTION_ARGS)
{
	MlopsSketch *sketch = numeric_argument(fcinfo, 0, "mlops.histogram()");
	int			n;
	double	   *edges = number_array(fcinfo, 1, "edges", &n);
	int64	   *counts = palloc(sizeof(int64) * (n + 1));
	Datum	   *values = palloc(sizeof(Datum) * (n + 1));

	for (int i = 0; i < n; i++)
	{
		if (isnan(edges[i]) || (i > 0 && edges[i] <= edges[i - 1]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("edges must ascend"),
					 errdetail("Edge %d is %s.", i + 1, float8out_internal(edges[i])),
					 errhint("Sort them and leave out equal ones.")));
	}
	mlops_sketch_histogram(sketch, edges, n, counts);
	for (int i = 0; i <= n; i++)
		values[i] = Int64GetDatum(counts[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, n + 1, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}

/* SQL: rows of value, count and what the count may lack */
Datum
mlops_sketch_top_values(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MlopsSketch *sketch = PG_GETARG_SKETCH(0);
	int64		error = mlops_sketch_count_error(sketch);
	int			limit = PG_GETARG_INT32(1);
	MlopsSketchEntry *entries;
	int			n;

	if (limit < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the number of values must not be negative")));
	InitMaterializedSRF(fcinfo, 0);
	entries = mlops_sketch_top(sketch, limit, &n);
	for (int i = 0; i < n; i++)
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		values[0] = entries[i].text != NULL ?
			PointerGetDatum(cstring_to_text_with_len(entries[i].text, entries[i].len)) :
			CStringGetTextDatum(float8out_internal(entries[i].number));
		values[1] = Int64GetDatum(entries[i].count);
		values[2] = Int64GetDatum(error);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
mlops_sketch_same_totals_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(mlops_sketch_same_totals(PG_GETARG_SKETCH(0), PG_GETARG_SKETCH(1)));
}
