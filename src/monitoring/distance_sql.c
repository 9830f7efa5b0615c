/*-------------------------------------------------------------------------
 *
 * distance_sql.c
 *	  SQL: comparisons of two arrays, of counts per bin, and aggregates over
 *	  a column with a flag.
 *
 * All aggregates over the same column and flag share one state in a query.
 * Final functions change nothing that another one would see.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "errors.h"
#include "metrics/aggregate.h"
#include "monitoring/distance_state.h"

/* elements of an array between two looks for a cancel */
#define CHECK_INTERVAL		65536

PG_FUNCTION_INFO_V1(mlops_drift_numbers);
PG_FUNCTION_INFO_V1(mlops_drift_texts);
PG_FUNCTION_INFO_V1(mlops_drift_of_counts);
PG_FUNCTION_INFO_V1(mlops_drift_add_number);
PG_FUNCTION_INFO_V1(mlops_drift_add_text);
PG_FUNCTION_INFO_V1(mlops_drift_combine);
PG_FUNCTION_INFO_V1(mlops_drift_serialize);
PG_FUNCTION_INFO_V1(mlops_drift_deserialize);
PG_FUNCTION_INFO_V1(mlops_drift_final);
PG_FUNCTION_INFO_V1(mlops_benjamini_hochberg_array);
PG_FUNCTION_INFO_V1(mlops_chunk_limits);

/*
 * Arguments
 */

/*
 * The method and options in arguments argno and the next, if there are any.
 */
static void
options_args(FunctionCallInfo fcinfo, int argno, MlopsDriftOptions *options)
{
	MlopsMethod method = MLOPS_PSI;
	Jsonb	   *given = NULL;

	if (PG_NARGS() > argno)
	{
		mlops_require_arg(fcinfo, argno, "method");
		method = mlops_method_of_name(text_to_cstring(PG_GETARG_TEXT_PP(argno)));
	}
	if (PG_NARGS() > argno + 1 && !PG_ARGISNULL(argno + 1))
		given = PG_GETARG_JSONB_P(argno + 1);
	mlops_drift_options(options, method, given);
}

/*
 * Add the elements of an array to a sample.
 */
static void
add_array(MlopsTwoSamples *state, int sample, ArrayType *array)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (state->is_text)
		deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	else
		deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
						  &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (i % CHECK_INTERVAL == 0)
			CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			state->skipped[sample].nulls++;
		else if (state->is_text)
		{
			text	   *value = DatumGetTextPP(elements[i]);

			mlops_two_samples_add_text(state, sample, VARDATA_ANY(value), (int) VARSIZE_ANY_EXHDR(value));
		}
		else
			mlops_two_samples_add_number(state, sample, DatumGetFloat8(elements[i]));
	}
	pfree(elements);
	pfree(nulls);
}

/*
 * Both arrays, arguments 0 and 1, as samples.
 */
static MlopsTwoSamples *
array_args(FunctionCallInfo fcinfo, bool is_text)
{
	MlopsTwoSamples *state = mlops_two_samples_create(CurrentMemoryContext, is_text);

	add_array(state, MLOPS_REFERENCE, PG_GETARG_ARRAYTYPE_P(0));
	add_array(state, MLOPS_CURRENT, PG_GETARG_ARRAYTYPE_P(1));
	return state;
}

/*
 * Counts per bin, argument argno.  Error 22004 or 22023 for what is no count.
 */
static int64 *
counts_arg(FunctionCallInfo fcinfo, int argno, int *num_bins)
{
	Datum	   *elements;
	bool	   *nulls;
	int64	   *counts;
	int64		sum = 0;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argno), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, &nulls, num_bins);
	counts = palloc(sizeof(int64) * Max(*num_bins, 1));
	for (int i = 0; i < *num_bins; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("counts per bin must not be null")));
		counts[i] = DatumGetInt64(elements[i]);
		if (counts[i] < 0 || pg_add_s64_overflow(sum, counts[i], &sum))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("counts per bin must not be negative, nor exceed a bigint together")));
	}
	return counts;
}

/*
 * Counts of both samples, arguments 0 and 1.  Error ML054 if they are not of
 * the same bins.
 */
static int
both_counts_args(FunctionCallInfo fcinfo, int64 **reference, int64 **current)
{
	int			n;
	int			m;

	*reference = counts_arg(fcinfo, 0, &n);
	*current = counts_arg(fcinfo, 1, &m);
	if (n != m)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_BINS_MISMATCH),
				 errmsg("counts are of different bins"),
				 errdetail("The reference has %d bins, the current sample %d.", n, m),
				 errhint("Count both with the bins that were frozen with the reference.")));
	return n;
}

/*
 * Results
 */

/*
 * A value as a result: NULL if it is not defined.
 */
static Datum
value_result(FunctionCallInfo fcinfo, double value)
{
	if (isnan(value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

/*
 * A comparison as mlops.drift_result.
 */
static Datum
drift_result(FunctionCallInfo fcinfo, const MlopsDriftOptions *options, const MlopsDrift *drift,
			 const MlopsDriftBasis *basis, const MlopsSkipped *skipped, int64 unassigned)
{
	Datum		values[MLOPS_DRIFT_FIELDS];
	bool		nulls[MLOPS_DRIFT_FIELDS];

	mlops_drift_fields(options, drift, basis, skipped, unassigned, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls)));
}

static Datum
drift_of_samples(FunctionCallInfo fcinfo, MlopsTwoSamples *state, const MlopsDriftOptions *options)
{
	MlopsDrift	drift;
	MlopsDriftBasis basis;

	mlops_two_samples_compare(state, options, &drift, &basis);
	return drift_result(fcinfo, options, &drift, &basis, state->skipped, state->unassigned);
}

/*
 * Functions
 */

static Datum
drift_of_arrays(FunctionCallInfo fcinfo, bool is_text)
{
	MlopsDriftOptions options;

	options_args(fcinfo, 2, &options);
	return drift_of_samples(fcinfo, array_args(fcinfo, is_text), &options);
}

/*
 * SQL: mlops.drift(reference float8[], current float8[], method, options).
 */
Datum
mlops_drift_numbers(PG_FUNCTION_ARGS)
{
	return drift_of_arrays(fcinfo, false);
}

/*
 * SQL: mlops.drift(reference text[], current text[], method, options).
 */
Datum
mlops_drift_texts(PG_FUNCTION_ARGS)
{
	return drift_of_arrays(fcinfo, true);
}

/*
 * SQL: mlops.drift_counts(reference_counts, current_counts, method, options).
 */
Datum
mlops_drift_of_counts(PG_FUNCTION_ARGS)
{
	MlopsDriftOptions options;
	MlopsDrift	drift;
	MlopsDriftBasis basis = {0};
	int64	   *scratch[2];

	options_args(fcinfo, 2, &options);
	if (!mlops_method_is_binned(options.method))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_DRIFT_METHOD),
				 errmsg("method \"%s\" compares values, not counts per bin",
						mlops_method_names[options.method]),
				 errhint("For counts use psi, js, js_divergence, kl, hellinger, tvd, linf, chi2 or chi2_gof.")));
	basis.kind = "given";
	basis.num_bins = both_counts_args(fcinfo, &basis.reference, &basis.current);
	(void) both_counts_args(fcinfo, &scratch[0], &scratch[1]);
	mlops_drift_counts(&drift, &options, scratch[0], scratch[1], basis.num_bins);
	return drift_result(fcinfo, &options, &drift, &basis, NULL, 0);
}

/*
 * The value of one method on counts per bin.
 */
static Datum
value_of_counts(FunctionCallInfo fcinfo, MlopsMethod method)
{
	MlopsDriftOptions options;
	MlopsDrift	drift;
	int64	   *reference;
	int64	   *current;
	int			num_bins = both_counts_args(fcinfo, &reference, &current);

	mlops_drift_defaults(&options, method);
	mlops_drift_counts(&drift, &options, reference, current, num_bins);
	return value_result(fcinfo, drift.value);
}

/*
 * The value of one method on two arrays.
 */
static Datum
value_of_arrays(FunctionCallInfo fcinfo, MlopsMethod method)
{
	MlopsDriftOptions options;
	MlopsDrift	drift;
	MlopsDriftBasis basis;

	mlops_drift_defaults(&options, method);
	mlops_two_samples_compare(array_args(fcinfo, false), &options, &drift, &basis);
	return value_result(fcinfo, drift.value);
}

/*
 * The value of one method as the result of an aggregate.
 */
static Datum
value_of_state(FunctionCallInfo fcinfo, MlopsMethod method)
{
	MlopsDriftOptions options;
	MlopsDrift	drift;
	MlopsDriftBasis basis;

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	mlops_drift_defaults(&options, method);
	mlops_two_samples_compare((MlopsTwoSamples *) PG_GETARG_POINTER(0), &options, &drift, &basis);
	return value_result(fcinfo, drift.value);
}

/*
 * SQL: for each method a function of two arrays, and the final function of an
 * aggregate.
 */
#define MEASURE(name, method, of_arrays) \
PG_FUNCTION_INFO_V1(mlops_##name##_function); \
PG_FUNCTION_INFO_V1(mlops_##name##_drift_final); \
Datum \
mlops_##name##_function(PG_FUNCTION_ARGS) \
{ \
	return of_arrays(fcinfo, method); \
} \
Datum \
mlops_##name##_drift_final(PG_FUNCTION_ARGS) \
{ \
	return value_of_state(fcinfo, method); \
} \
extern int	no_such_variable

MEASURE(psi, MLOPS_PSI, value_of_counts);
MEASURE(js, MLOPS_JS, value_of_counts);
MEASURE(js_divergence, MLOPS_JS_DIVERGENCE, value_of_counts);
MEASURE(kl, MLOPS_KL, value_of_counts);
MEASURE(hellinger, MLOPS_HELLINGER, value_of_counts);
MEASURE(tvd, MLOPS_TVD, value_of_counts);
MEASURE(linf, MLOPS_LINF, value_of_counts);
MEASURE(chi2, MLOPS_CHI2, value_of_counts);
MEASURE(chi2_gof, MLOPS_CHI2_GOF, value_of_counts);
MEASURE(ks, MLOPS_KS, value_of_arrays);
MEASURE(wasserstein, MLOPS_WASSERSTEIN, value_of_arrays);
MEASURE(wasserstein_norm, MLOPS_WASSERSTEIN_NORM, value_of_arrays);
MEASURE(energy, MLOPS_ENERGY, value_of_arrays);
MEASURE(anderson_darling, MLOPS_ANDERSON_DARLING, value_of_arrays);
MEASURE(cramer_von_mises, MLOPS_CRAMER_VON_MISES, value_of_arrays);

/*
 * Aggregates
 */

/*
 * Add one row (state, value, is_current, method, options); the last two may be
 * absent.  Those of the first row count.
 */
static Datum
add_row(FunctionCallInfo fcinfo, bool is_text)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	MlopsTwoSamples *state = PG_ARGISNULL(0) ? NULL : (MlopsTwoSamples *) PG_GETARG_POINTER(0);
	int			sample;

	if (state == NULL)
	{
		state = mlops_two_samples_create(context, is_text);
		if (PG_NARGS() > 3)
		{
			options_args(fcinfo, 3, &state->options);
			state->has_options = true;
		}
	}

	if (PG_ARGISNULL(2))
	{
		state->unassigned++;
		PG_RETURN_POINTER(state);
	}
	sample = PG_GETARG_BOOL(2) ? MLOPS_CURRENT : MLOPS_REFERENCE;
	if (PG_ARGISNULL(1))
		state->skipped[sample].nulls++;
	else if (is_text)
	{
		text	   *value = PG_GETARG_TEXT_PP(1);

		mlops_two_samples_add_text(state, sample, VARDATA_ANY(value), (int) VARSIZE_ANY_EXHDR(value));
	}
	else
		mlops_two_samples_add_number(state, sample, PG_GETARG_FLOAT8(1));
	PG_RETURN_POINTER(state);
}

Datum
mlops_drift_add_number(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, false);
}

Datum
mlops_drift_add_text(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, true);
}

Datum
mlops_drift_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	MlopsTwoSamples *state = PG_ARGISNULL(0) ? NULL : (MlopsTwoSamples *) PG_GETARG_POINTER(0);
	MlopsTwoSamples *other = PG_ARGISNULL(1) ? NULL : (MlopsTwoSamples *) PG_GETARG_POINTER(1);

	if (other != NULL)
	{
		if (state == NULL)
			state = mlops_two_samples_create(context, other->is_text);
		mlops_two_samples_merge(state, other);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

Datum
mlops_drift_serialize(PG_FUNCTION_ARGS)
{
	MlopsTwoSamples *state = (MlopsTwoSamples *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_two_samples_send(&buf, state, 0);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_drift_deserialize(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	MlopsTwoSamples *state;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	state = mlops_two_samples_recv(&buf);
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(state);
}

Datum
mlops_drift_final(PG_FUNCTION_ARGS)
{
	MlopsTwoSamples *state;
	MlopsDriftOptions options;

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (MlopsTwoSamples *) PG_GETARG_POINTER(0);
	if (state->has_options)
		options = state->options;
	else
		mlops_drift_defaults(&options, MLOPS_PSI);
	return drift_of_samples(fcinfo, state, &options);
}

/*
 * Many tests, many chunks
 */

/*
 * SQL: mlops.benjamini_hochberg(p_values).  NULL and NaN stay NULL.
 */
Datum
mlops_benjamini_hochberg_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	double	   *p;
	double	   *adjusted;

	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, &nulls, &n);
	p = palloc(sizeof(double) * Max(n, 1));
	adjusted = palloc(sizeof(double) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		p[i] = nulls[i] ? NAN : DatumGetFloat8(elements[i]);
		if (p[i] < 0 || p[i] > 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s is not a p-value", float8out_internal(p[i])),
					 errdetail("A p-value is from 0 to 1.")));
	}
	mlops_benjamini_hochberg(p, adjusted, palloc(sizeof(int) * Max(n, 1)), n);
	for (int i = 0; i < n; i++)
	{
		elements[i] = Float8GetDatum(adjusted[i]);
		nulls[i] = isnan(adjusted[i]);
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array),
											 ARR_LBOUND(array), FLOAT8OID, sizeof(float8),
											 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/*
 * SQL: mlops.chunk_limits(values, lower, upper, center).  The standard
 * deviation is that of the population.
 */
Datum
mlops_chunk_limits(PG_FUNCTION_ARGS)
{
	Datum	   *elements;
	bool	   *is_null;
	int			n;
	int			count = 0;
	double	   *sorted;
	MlopsSum	sum = {0};
	MlopsSum	squares = {0};
	double		mean;
	double		stddev;
	double		center;
	char	   *name;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	mlops_require_arg(fcinfo, 3, "center");
	name = text_to_cstring(PG_GETARG_TEXT_PP(3));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &elements, &is_null, &n);
	sorted = palloc(sizeof(double) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (is_null[i] || isnan(DatumGetFloat8(elements[i])))
			continue;
		sorted[count] = DatumGetFloat8(elements[i]);
		mlops_sum_add(&sum, sorted[count++]);
	}
	if (count == 0)
		PG_RETURN_NULL();
	qsort(sorted, count, sizeof(double), compare_doubles);
	mean = mlops_sum_value(&sum) / count;
	for (int i = 0; i < count; i++)
		mlops_sum_add(&squares, (sorted[i] - mean) * (sorted[i] - mean));
	stddev = sqrt(mlops_sum_value(&squares) / count);

	if (strcmp(name, "mean") == 0)
		center = mean;
	else if (strcmp(name, "median") == 0)
		center = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
	else if (strcmp(name, "min") == 0)
		center = sorted[0];
	else if (strcmp(name, "max") == 0)
		center = sorted[count - 1];
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown center \"%s\" of limits", name),
				 errhint("Centers are mean, median, min and max.")));

	for (int i = 0; i < 2; i++)
	{
		if (PG_ARGISNULL(i + 1))
			continue;
		values[i] = Float8GetDatum(center + (i == 0 ? -1 : 1) * PG_GETARG_FLOAT8(i + 1) * stddev);
		nulls[i] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls)));
}
