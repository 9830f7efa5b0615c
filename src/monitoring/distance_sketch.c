/*-------------------------------------------------------------------------
 *
 * distance_sketch.c
 *	  SQL: comparisons of sketches.
 *
 * Two sketches are compared as two samples are, by the values that they hold
 * and the rows which these stand for.  While both are exact the result is that
 * of all rows.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "errors.h"
#include "metrics/aggregate.h"
#include "monitoring/distance_sketch.h"
#include "monitoring/profile_bins.h"
#include "monitoring/sketch_type.h"

/* rows that a text has, in what its count may lack, to have a bin of its own */
#define CERTAIN		20

PG_FUNCTION_INFO_V1(mlops_drift_sketches);
PG_FUNCTION_INFO_V1(mlops_drift_sketches_bins);

/*
 * The finite values of a numeric sketch as a sample.  Infinities stand at the
 * ends of its points.
 */
static void
finite_sample(MlopsSketch *sketch, MlopsSample *sample)
{
	int			count;
	const MlopsSketchPoint *points = mlops_sketch_points(sketch, &count);

	StaticAssertStmt(sizeof(MlopsSketchPoint) == sizeof(double) + sizeof(int64) &&
					 offsetof(MlopsSketchPoint, weight) == sizeof(double),
					 "points are as samples read them");
	if (count > 0 && isinf(points[0].value) && points[0].value < 0)
	{
		points++;
		count--;
	}
	if (count > 0 && isinf(points[count - 1].value))
		count--;
	mlops_sample_points(sample, points, count);
}

/*
 * The bins of the finite values of a reference.
 */
static MlopsBins *
finite_bins(const MlopsSample *reference, int num_bins)
{
	MlopsBins  *bins = palloc0(sizeof(MlopsBins));

	bins->numbers = palloc(sizeof(double) * (Max(num_bins, MLOPS_BINS_VALUES_MAX) + 1));
	bins->num_values = mlops_distinct_values(reference, NULL, bins->numbers, MLOPS_BINS_VALUES_MAX);
	bins->kind = bins->num_values <= MLOPS_BINS_VALUES_MAX ? MLOPS_BINS_NUMBERS : MLOPS_BINS_EDGES;
	if (bins->kind == MLOPS_BINS_EDGES)
		bins->num_values = mlops_quantile_edges(reference, NULL, num_bins, bins->numbers,
												mlops_check_interrupts);
	bins->num_bins = bins->num_values + 1;
	return bins;
}

/*
 * Rows per bin, of a sample of numbers or of a sketch of texts.
 */
static int64 *
count_bins(const MlopsBins *bins, const MlopsSample *sample, MlopsSketch *sketch)
{
	int64	   *rows = palloc0(sizeof(int64) * (Size) bins->num_bins);

	if (bins->kind == MLOPS_BINS_TEXTS)
		(void) mlops_bins_count(bins, sketch, rows);
	else if (bins->kind == MLOPS_BINS_EDGES)
		mlops_count_edges(sample, bins->numbers, bins->num_values, rows, mlops_check_interrupts);
	else
		mlops_count_values(sample, bins->numbers, bins->num_values, rows, mlops_check_interrupts);
	return rows;
}

/*
 * A text whose rows are few beside what its count may lack is one of all
 * others, so that what two summaries have forgotten is no difference.
 */
static void
join_uncertain(MlopsDriftBasis *basis, MlopsSketch *reference, MlopsSketch *current)
{
	double		n = (double) mlops_sketch_counts(reference).values;
	double		m = (double) mlops_sketch_counts(current).values;
	double		least = CERTAIN * Max((double) basis->rank_errors[MLOPS_REFERENCE],
									  m > 0 ? (double) basis->rank_errors[MLOPS_CURRENT] * n / m : 0);
	int			others = basis->num_bins - 1;

	for (int i = 0; i < others; i++)
	{
		if ((double) basis->reference[i] >= least)
			continue;
		basis->reference[others] += basis->reference[i];
		basis->current[others] += basis->current[i];
		basis->reference[i] = basis->current[i] = 0;
	}
}

/*
 * Compare two sketches; bins are made of the reference if there are none.
 * Error ML053 if one has numbers and the other texts, or if the method needs
 * numbers; ML054 if the bins are of another kind.
 */
void
mlops_drift_sketch(MlopsSketch *reference, MlopsSketch *current, const MlopsBins *bins,
				   const MlopsDriftOptions *options, MlopsDrift *drift, MlopsDriftBasis *basis,
				   MlopsSkipped *skipped)
{
	MlopsSketch *sketches[2] = {reference, current};
	MlopsSample samples[2] = {{0}};
	bool		is_text = mlops_sketch_kind(reference) == MLOPS_SKETCH_CATEGORICAL;

	memset(basis, 0, sizeof(*basis));
	basis->is_sketch = true;
	if (mlops_sketch_kind(reference) != mlops_sketch_kind(current))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_DRIFT_METHOD),
				 errmsg("a sketch of numbers cannot be compared with one of categories")));
	if (is_text && !mlops_method_is_binned(options->method))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_DRIFT_METHOD),
				 errmsg("method \"%s\" compares numbers, not texts", mlops_method_names[options->method]),
				 errhint("For categories use psi, js, hellinger, tvd, linf or chi2.")));
	if (bins != NULL && (bins->kind == MLOPS_BINS_TEXTS) != is_text)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_BINS_MISMATCH),
				 errmsg("bins are of another kind than the sketch"),
				 errhint("Compare a column with the bins of its own reference.")));

	for (int s = 0; s < 2; s++)
	{
		MlopsSketchCounts counts = mlops_sketch_counts(sketches[s]);

		skipped[s].nulls = counts.nulls;
		skipped[s].nans = counts.nans;
		skipped[s].infinities = counts.negative_infinities + counts.positive_infinities;
		basis->rank_errors[s] = is_text ? mlops_sketch_count_error(sketches[s]) :
			mlops_sketch_rank_error(sketches[s]);
		if (!is_text)
			finite_sample(sketches[s], &samples[s]);
	}

	if (mlops_method_is_binned(options->method))
	{
		int64	   *scratch[2];
		Size		size;

		if (bins == NULL)
			bins = is_text ? mlops_bins_make(reference, options->bins) :
				finite_bins(&samples[0], options->bins);
		basis->kind = bins->kind == MLOPS_BINS_EDGES ? "quantiles" : "values";
		basis->num_bins = bins->num_bins;
		basis->numbers = bins->numbers;
		basis->texts = bins->texts;
		basis->reference = count_bins(bins, &samples[0], reference);
		basis->current = count_bins(bins, &samples[1], current);
		if (is_text)
			join_uncertain(basis, reference, current);
		size = sizeof(int64) * (Size) bins->num_bins;
		scratch[0] = memcpy(palloc(size), basis->reference, size);
		scratch[1] = memcpy(palloc(size), basis->current, size);
		mlops_drift_counts(drift, options, scratch[0], scratch[1], bins->num_bins);
	}
	else
	{
		Size		size = mlops_drift_room(options->method, samples[0].rows, samples[1].rows);

		mlops_drift_samples(drift, options, &samples[0], &samples[1],
							size > 0 ? palloc(size) : NULL, mlops_check_interrupts);
	}
}

/*
 * SQL: mlops.drift(reference, current, [bins,] method, options).
 */
static Datum
drift_of_sketches(FunctionCallInfo fcinfo, const MlopsBins *bins, int argno)
{
	MlopsDriftOptions options;
	MlopsDrift	drift;
	MlopsDriftBasis basis;
	MlopsSkipped skipped[2];
	Datum		values[MLOPS_DRIFT_FIELDS];
	bool		nulls[MLOPS_DRIFT_FIELDS];

	mlops_drift_options(&options, mlops_method_of_name(text_to_cstring(PG_GETARG_TEXT_PP(argno))),
						PG_GETARG_JSONB_P(argno + 1));
	mlops_drift_sketch(mlops_sketch_from_datum(PG_GETARG_DATUM(0)),
					   mlops_sketch_from_datum(PG_GETARG_DATUM(1)), bins, &options,
					   &drift, &basis, skipped);
	mlops_drift_fields(&options, &drift, &basis, skipped, 0, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls)));
}

Datum
mlops_drift_sketches(PG_FUNCTION_ARGS)
{
	return drift_of_sketches(fcinfo, NULL, 2);
}

Datum
mlops_drift_sketches_bins(PG_FUNCTION_ARGS)
{
	return drift_of_sketches(fcinfo, mlops_bins_from_datum(PG_GETARG_DATUM(2)), 3);
}
