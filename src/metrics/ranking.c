/*-------------------------------------------------------------------------
 *
 * ranking.c
 *	  Aggregates over the order of scores: auc, pr_auc, ks, gini, auc_ci, roc.
 *
 * The first four share one state, so a query that asks for all of them
 * collects and sorts the rows once.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "metrics/aggregate.h"
#include "metrics/scores.h"

/* fields of mlops.roc_point */
#define ROC_FPR				0
#define ROC_TPR				1
#define ROC_THRESHOLD		2
#define ROC_FIELDS			3

/* state of all of them */
typedef struct RankingState
{
	MlopsScoreState scores;
	double		option;			/* points of roc, level of auc_ci; else 0 */
} RankingState;

PG_FUNCTION_INFO_V1(mlops_ranking_add);
PG_FUNCTION_INFO_V1(mlops_ranking_add_number);
PG_FUNCTION_INFO_V1(mlops_roc_add);
PG_FUNCTION_INFO_V1(mlops_roc_add_number);
PG_FUNCTION_INFO_V1(mlops_auc_ci_add);
PG_FUNCTION_INFO_V1(mlops_auc_ci_add_number);
PG_FUNCTION_INFO_V1(mlops_auc_final);
PG_FUNCTION_INFO_V1(mlops_pr_auc_final);
PG_FUNCTION_INFO_V1(mlops_ks_final);
PG_FUNCTION_INFO_V1(mlops_gini_final);
PG_FUNCTION_INFO_V1(mlops_auc_ci_final);
PG_FUNCTION_INFO_V1(mlops_roc_final);

/*
 * A new state in the aggregate's memory context.
 */
static RankingState *
new_state(MemoryContext context, double option)
{
	RankingState *state = MemoryContextAllocZero(context, sizeof(RankingState));

	state->scores.context = context;
	state->option = option;
	return state;
}

/*
 * Add one row (state, label, score, ...).
 */
static Datum
add_row(FunctionCallInfo fcinfo, MlopsLabelType type, double option)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	RankingState *state = PG_ARGISNULL(0) ? NULL : (RankingState *) PG_GETARG_POINTER(0);
	MlopsScored row;

	if (state == NULL)
		state = new_state(context, option);
	else if (unlikely(state->option != option))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the third argument must be the same for all rows, not %s and then %s",
						float8out_internal(state->option), float8out_internal(option))));

	if (mlops_scored_args(fcinfo, type, &row))
		mlops_scores_add(&state->scores, &row);
	PG_RETURN_POINTER(state);
}

Datum
mlops_ranking_add(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, MLOPS_LABEL_BOOLEAN, 0);
}

Datum
mlops_ranking_add_number(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, MLOPS_LABEL_NUMBER, 0);
}

/*
 * The number of points to which roc is to be reduced.
 */
static double
points_arg(FunctionCallInfo fcinfo)
{
	mlops_require_arg(fcinfo, 3, "number of points");
	if (PG_GETARG_INT32(3) < 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of points must be at least 2"),
				 errhint("Leave the argument out for all points.")));
	return PG_GETARG_INT32(3);
}

Datum
mlops_roc_add(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, MLOPS_LABEL_BOOLEAN, points_arg(fcinfo));
}

Datum
mlops_roc_add_number(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, MLOPS_LABEL_NUMBER, points_arg(fcinfo));
}

Datum
mlops_auc_ci_add(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, MLOPS_LABEL_BOOLEAN, mlops_level_arg(fcinfo, 3));
}

Datum
mlops_auc_ci_add_number(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, MLOPS_LABEL_NUMBER, mlops_level_arg(fcinfo, 3));
}

/*
 * A measure of the curve; NULL without rows or where it is not defined.
 */
static Datum
curve_measure(FunctionCallInfo fcinfo, double (*measure) (MlopsCurve *curve))
{
	MlopsCurve	curve;

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	mlops_scores_walk(&((RankingState *) PG_GETARG_POINTER(0))->scores, &curve);
	return mlops_measure_result(fcinfo, measure(&curve));
}

Datum
mlops_auc_final(PG_FUNCTION_ARGS)
{
	return curve_measure(fcinfo, mlops_curve_auc);
}

Datum
mlops_pr_auc_final(PG_FUNCTION_ARGS)
{
	return curve_measure(fcinfo, mlops_curve_pr_auc);
}

Datum
mlops_ks_final(PG_FUNCTION_ARGS)
{
	return curve_measure(fcinfo, mlops_curve_ks);
}

static double
gini(MlopsCurve *curve)
{
	return 2 * mlops_curve_auc(curve) - 1;
}

Datum
mlops_gini_final(PG_FUNCTION_ARGS)
{
	return curve_measure(fcinfo, gini);
}

/*
 * The AUC with its interval; NULL where it is not defined, without bounds if
 * a class has a single row.
 */
Datum
mlops_auc_ci_final(PG_FUNCTION_ARGS)
{
	RankingState *state;
	MlopsCurve	curve;
	double		auc;
	double		half;

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (RankingState *) PG_GETARG_POINTER(0);

	mlops_scores_walk(&state->scores, &curve);
	auc = mlops_curve_auc(&curve);
	if (isnan(auc))
		PG_RETURN_NULL();
	mlops_scores_walk(&state->scores, &curve);
	half = mlops_normal_quantile(state->option) * sqrt(mlops_curve_auc_variance(&curve, auc));

	return mlops_estimate_result(fcinfo, auc, auc - half, auc + half);
}

/*
 * Write one point as an array element; returns its length, which is the same
 * for all points.
 */
static Size
write_point(TupleDesc tupdesc, char *target, const MlopsCurve *curve)
{
	Datum		values[ROC_FIELDS];
	bool		nulls[ROC_FIELDS] = {false};
	HeapTuple	tuple;
	Size		size;

	values[ROC_FPR] = Float8GetDatum((double) curve->false_positive / (double) curve->num_negative);
	values[ROC_TPR] = Float8GetDatum((double) curve->true_positive / (double) curve->num_positive);
	values[ROC_THRESHOLD] = Float8GetDatum(curve->score);
	tuple = heap_form_tuple(tupdesc, values, nulls);
	size = MAXALIGN(tuple->t_len);
	if (target)
		memcpy(target, tuple->t_data, tuple->t_len);
	heap_freetuple(tuple);
	return size;
}

/*
 * Whether the step at which a walk is belongs into a sample of so many
 * points: each is the first to reach the next one of so many places, which
 * are spaced evenly in the sum of both rates, 0 to 2.  The end of the curve
 * is exactly at the last place.
 */
static bool
in_sample(const MlopsCurve *curve, int points, int64 *next)
{
	double		along = (double) curve->true_positive / (double) curve->num_positive +
		(double) curve->false_positive / (double) curve->num_negative;
	double		place = along / 2 * (points - 1);

	if (place < (double) *next)
		return false;
	*next = (int64) place + 1;
	return true;
}

/*
 * The curve as an array of mlops.roc_point, from (0, 0) at infinity down.
 * The array is written in place, as it can have a point for each row.  Error
 * 54000 if it would be larger than an array can be.
 */
Datum
mlops_roc_final(PG_FUNCTION_ARGS)
{
	RankingState *state;
	TupleDesc	tupdesc;
	MlopsCurve	curve;
	int64		num_points = 1;
	int64		next = 1;
	int			sample;
	Size		point_size;
	Size		size;
	ArrayType  *result;
	char	   *target;

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (RankingState *) PG_GETARG_POINTER(0);
	sample = (int) state->option;
	mlops_scores_walk(&state->scores, &curve);
	if (curve.num_positive == 0 || curve.num_negative == 0)
		PG_RETURN_NULL();
	curve.score = get_float8_infinity();
	tupdesc = mlops_row_tupdesc(fcinfo);
	point_size = write_point(tupdesc, NULL, &curve);
	while (mlops_curve_next(&curve))
	{
		if (sample == 0 || in_sample(&curve, sample, &next))
			num_points++;
	}

	if (num_points > (int64) ((MaxAllocSize - ARR_OVERHEAD_NONULLS(1)) / point_size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a curve of %lld points is too large for an array", (long long) num_points),
				 errhint("Ask for fewer points, as in mlops.roc(label, score, 1000).")));
	size = ARR_OVERHEAD_NONULLS(1) + (Size) num_points * point_size;
	result = palloc0(size);
	SET_VARSIZE(result, size);
	result->ndim = 1;
	result->dataoffset = 0;
	result->elemtype = tupdesc->tdtypeid;
	ARR_DIMS(result)[0] = (int) num_points;
	ARR_LBOUND(result)[0] = 1;

	target = (char *) result + ARR_OVERHEAD_NONULLS(1);
	mlops_scores_walk(&state->scores, &curve);
	curve.score = get_float8_infinity();
	target += write_point(tupdesc, target, &curve);
	next = 1;
	while (mlops_curve_next(&curve))
	{
		if (sample == 0 || in_sample(&curve, sample, &next))
			target += write_point(tupdesc, target, &curve);
	}
	Assert(target == (char *) result + size);
	PG_RETURN_ARRAYTYPE_P(result);
}
