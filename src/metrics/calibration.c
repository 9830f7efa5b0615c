/*-------------------------------------------------------------------------
 *
 * calibration.c
 *	  Aggregates that compare scores with shares, by bins: calibration and
 *	  ece; and the interval of a share, wilson.
 *
 * With bins of equal width the state is the bins themselves, whatever the
 * number of rows.  Bins of equal frequency need every row, see scores.c, so
 * that aggregates with a strategy have no combine function.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "metrics/aggregate.h"
#include "metrics/scores.h"

#define DEFAULT_BINS		10
#define MAX_BINS			10000

/* the level of the intervals of a calibration curve */
#define CALIBRATION_LEVEL	0.95

/* fields of mlops.calibration_bin */
#define BIN_NUMBER			0
#define BIN_LOWER			1
#define BIN_UPPER			2
#define BIN_N				3
#define BIN_MEAN_SCORE		4
#define BIN_RATE			5
#define BIN_RATE_LOWER		6
#define BIN_RATE_UPPER		7
#define BIN_FIELDS			8

typedef enum Strategy
{
	EQUAL_WIDTH,
	EQUAL_FREQUENCY
} Strategy;

typedef struct CalibrationState
{
	Strategy	strategy;
	int			num_bins;
	MlopsBin   *bins;			/* of equal width, or NULL */
	MlopsScoreState scores;		/* for bins of equal frequency */
} CalibrationState;

PG_FUNCTION_INFO_V1(mlops_calibration_add);
PG_FUNCTION_INFO_V1(mlops_calibration_add_number);
PG_FUNCTION_INFO_V1(mlops_calibration_combine);
PG_FUNCTION_INFO_V1(mlops_calibration_serialize);
PG_FUNCTION_INFO_V1(mlops_calibration_deserialize);
PG_FUNCTION_INFO_V1(mlops_calibration_final);
PG_FUNCTION_INFO_V1(mlops_ece_final);
PG_FUNCTION_INFO_V1(mlops_wilson_interval);

/*
 * A new state in the given memory context.
 */
static CalibrationState *
new_state(MemoryContext context, Strategy strategy, int num_bins)
{
	CalibrationState *state = MemoryContextAllocZero(context, sizeof(CalibrationState));

	state->strategy = strategy;
	state->num_bins = num_bins;
	state->scores.context = context;
	if (strategy == EQUAL_WIDTH)
	{
		state->bins = MemoryContextAlloc(context, sizeof(MlopsBin) * num_bins);
		mlops_bins_equal_width(state->bins, num_bins);
	}
	return state;
}

/*
 * The number of bins, argument 3 if the aggregate has it.
 */
static int
bins_arg(FunctionCallInfo fcinfo)
{
	if (PG_NARGS() <= 3)
		return DEFAULT_BINS;
	mlops_require_arg(fcinfo, 3, "number of bins");
	if (PG_GETARG_INT32(3) < 1 || PG_GETARG_INT32(3) > MAX_BINS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of bins must be between 1 and %d", MAX_BINS)));
	return PG_GETARG_INT32(3);
}

/*
 * How bins are made, argument 4 if the aggregate has it.
 */
static Strategy
strategy_arg(FunctionCallInfo fcinfo)
{
	char	   *name;

	if (PG_NARGS() <= 4)
		return EQUAL_WIDTH;
	mlops_require_arg(fcinfo, 4, "strategy");
	name = text_to_cstring(PG_GETARG_TEXT_PP(4));
	if (strcmp(name, "equal_width") == 0)
		return EQUAL_WIDTH;
	if (strcmp(name, "equal_frequency") == 0)
		return EQUAL_FREQUENCY;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown strategy \"%s\" for bins", name),
			 errhint("Strategies are equal_width and equal_frequency.")));
}

/*
 * Error 22023 if bins were asked for in two ways.
 */
static void
check_same(const CalibrationState *state, Strategy strategy, int num_bins)
{
	if (state->strategy != strategy || state->num_bins != num_bins)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of bins and strategy must be the same for all rows")));
}

/*
 * Add one row (state, label, score, bins, strategy); the last two may be
 * absent.
 */
static Datum
add_row(FunctionCallInfo fcinfo, MlopsLabelType type)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	CalibrationState *state = PG_ARGISNULL(0) ? NULL : (CalibrationState *) PG_GETARG_POINTER(0);
	int			num_bins = bins_arg(fcinfo);
	Strategy	strategy = strategy_arg(fcinfo);

	if (state == NULL)
		state = new_state(context, strategy, num_bins);
	else
		check_same(state, strategy, num_bins);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		MlopsScored row;

		row.label = mlops_label_arg(fcinfo, 1, type);
		row.score = mlops_probability_arg(fcinfo, 2);
		if (strategy == EQUAL_WIDTH)
			mlops_bins_equal_width_add(state->bins, num_bins, row.label, row.score);
		else
			mlops_scores_add(&state->scores, &row);
	}
	PG_RETURN_POINTER(state);
}

Datum
mlops_calibration_add(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, MLOPS_LABEL_BOOLEAN);
}

Datum
mlops_calibration_add_number(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, MLOPS_LABEL_NUMBER);
}

/*
 * Add the rows of the second state to the first; both have bins of equal width.
 */
Datum
mlops_calibration_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	CalibrationState *state = PG_ARGISNULL(0) ? NULL : (CalibrationState *) PG_GETARG_POINTER(0);
	CalibrationState *other = PG_ARGISNULL(1) ? NULL : (CalibrationState *) PG_GETARG_POINTER(1);

	if (other != NULL)
	{
		if (state == NULL)
			state = new_state(context, other->strategy, other->num_bins);
		else
			check_same(state, other->strategy, other->num_bins);

		for (int i = 0; i < state->num_bins; i++)
		{
			state->bins[i].n += other->bins[i].n;
			state->bins[i].positives += other->bins[i].positives;
			mlops_sum_merge(&state->bins[i].score, &other->bins[i].score);
		}
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

Datum
mlops_calibration_serialize(PG_FUNCTION_ARGS)
{
	CalibrationState *state = (CalibrationState *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, sizeof(int32) + sizeof(MlopsBin) * state->num_bins);
	pq_sendint32(&buf, state->num_bins);
	for (int i = 0; i < state->num_bins; i++)
	{
		pq_sendint64(&buf, state->bins[i].n);
		pq_sendint64(&buf, state->bins[i].positives);
		mlops_state_send_sum(&buf, &state->bins[i].score);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_calibration_deserialize(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	CalibrationState *state;
	int			num_bins;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	num_bins = pq_getmsgint(&buf, sizeof(int32));
	if (num_bins < 1 || num_bins > MAX_BINS)
		mlops_state_damaged();

	state = new_state(CurrentMemoryContext, EQUAL_WIDTH, num_bins);
	for (int i = 0; i < num_bins; i++)
	{
		state->bins[i].n = mlops_state_recv_count(&buf);
		state->bins[i].positives = mlops_state_recv_count(&buf);
		mlops_state_recv_sum(&buf, &state->bins[i].score);
	}
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(state);
}

/*
 * The bins of a state and how many there are; NULL if no row was added.  Bins
 * of equal frequency are made in the current memory context.
 */
static MlopsBin *
finished_bins(FunctionCallInfo fcinfo, int *num_bins)
{
	CalibrationState *state;
	int64		n = 0;

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		return NULL;
	state = (CalibrationState *) PG_GETARG_POINTER(0);

	if (state->strategy == EQUAL_FREQUENCY)
	{
		MlopsBin   *bins = palloc(sizeof(MlopsBin) * state->num_bins);
		MlopsCurve	curve;

		mlops_scores_walk(&state->scores, &curve);
		*num_bins = mlops_bins_equal_frequency(bins, state->num_bins, &curve);
		return *num_bins > 0 ? bins : NULL;
	}

	*num_bins = state->num_bins;
	for (int i = 0; i < state->num_bins; i++)
		n += state->bins[i].n;
	return n > 0 ? state->bins : NULL;
}

Datum
mlops_ece_final(PG_FUNCTION_ARGS)
{
	int			num_bins;
	MlopsBin   *bins = finished_bins(fcinfo, &num_bins);

	if (bins == NULL)
		PG_RETURN_NULL();
	return mlops_measure_result(fcinfo, mlops_ece(bins, num_bins));
}

/*
 * The bins as an array of mlops.calibration_bin.
 */
Datum
mlops_calibration_final(PG_FUNCTION_ARGS)
{
	int			num_bins;
	MlopsBin   *bins = finished_bins(fcinfo, &num_bins);
	double		z = mlops_normal_quantile(CALIBRATION_LEVEL);
	TupleDesc	tupdesc;
	Datum	   *elements;

	if (bins == NULL)
		PG_RETURN_NULL();
	tupdesc = mlops_row_tupdesc(fcinfo);
	elements = palloc(sizeof(Datum) * num_bins);
	for (int i = 0; i < num_bins; i++)
	{
		MlopsBin   *bin = bins + i;
		double		n = (double) bin->n;
		Datum		values[BIN_FIELDS] = {0};
		bool		nulls[BIN_FIELDS] = {false};

		values[BIN_NUMBER] = Int32GetDatum(i + 1);
		values[BIN_LOWER] = Float8GetDatum(bin->lower);
		values[BIN_UPPER] = Float8GetDatum(bin->upper);
		values[BIN_N] = Int64GetDatum(bin->n);
		if (bin->n > 0)
		{
			double		lower;
			double		upper;

			mlops_wilson((double) bin->positives, n, z, &lower, &upper);
			values[BIN_MEAN_SCORE] = Float8GetDatum(mlops_sum_value(&bin->score) / n);
			values[BIN_RATE] = Float8GetDatum((double) bin->positives / n);
			values[BIN_RATE_LOWER] = Float8GetDatum(lower);
			values[BIN_RATE_UPPER] = Float8GetDatum(upper);
		}
		else
			nulls[BIN_MEAN_SCORE] = nulls[BIN_RATE] =
				nulls[BIN_RATE_LOWER] = nulls[BIN_RATE_UPPER] = true;
		elements[i] = HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, num_bins, tupdesc->tdtypeid,
										  -1, false, TYPALIGN_DOUBLE));
}

/*
 * SQL: mlops.wilson(successes, n, level).
 */
Datum
mlops_wilson_interval(PG_FUNCTION_ARGS)
{
	int64		successes = PG_GETARG_INT64(0);
	int64		n = PG_GETARG_INT64(1);
	double		level = mlops_level_arg(fcinfo, 2);
	double		lower;
	double		upper;

	if (successes < 0 || successes > n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of successes must be between 0 and n"),
				 errdetail("It is %lld, and n is %lld.", (long long) successes, (long long) n)));
	if (n == 0)
		PG_RETURN_NULL();

	mlops_wilson((double) successes, (double) n, mlops_normal_quantile(level), &lower, &upper);
	return mlops_estimate_result(fcinfo, (double) successes / (double) n, lower, upper);
}
