/*-------------------------------------------------------------------------
 *
 * quality.c
 *	  The aggregate of quality reports: what there is to say of one column of
 *	  numbers, in one pass.
 *
 * Its result is an array of ten: values, values that are not finite or beyond
 * MAGNITUDE_MAX in size, and of the others the least, the greatest, the mean
 * and the population standard deviation, whether there are two different
 * values, how many are out of the range, and how many are outliers.  The last
 * place is that of categories, which numbers have none of.
 *
 * Mean and deviation are those of a reference, which has no limits for
 * outliers yet; where these are given they are not computed, as nobody asks.
 *
 * States live in the aggregate's memory context and have a fixed size.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "utils/array.h"

#include "metrics/aggregate.h"

/* beyond it squares could not be added up */
#define MAGNITUDE_MAX	1e30

/* arguments of the transition function */
#define ARG_VALUE		1
#define ARG_LEAST		2
#define ARG_GREATEST	3
#define ARG_LOW			4
#define ARG_HIGH		5

#define NUM_FIGURES		10

typedef struct QualityState
{
	int64		filled;
	int64		not_finite;
	int64		out_of_range;
	int64		outliers;
	double		least;			/* of the finite values, if there are any */
	double		greatest;
	MlopsMoments moments;
} QualityState;

PG_FUNCTION_INFO_V1(mlops_quality_add);
PG_FUNCTION_INFO_V1(mlops_quality_combine);
PG_FUNCTION_INFO_V1(mlops_quality_serialize);
PG_FUNCTION_INFO_V1(mlops_quality_deserialize);
PG_FUNCTION_INFO_V1(mlops_quality_final);

/*
 * Is a value beyond either of two arguments that may be NULL?
 */
static inline bool
is_beyond(FunctionCallInfo fcinfo, double value, int lower, int upper)
{
	return (!PG_ARGISNULL(lower) && value < PG_GETARG_FLOAT8(lower)) ||
		(!PG_ARGISNULL(upper) && value > PG_GETARG_FLOAT8(upper));
}

/*
 * Add one row (state, value, least, greatest, low, high).
 */
Datum
mlops_quality_add(PG_FUNCTION_ARGS)
{
	QualityState *state = mlops_aggregate_state(fcinfo, sizeof(QualityState));
	double		value;

	if (PG_ARGISNULL(ARG_VALUE))
		PG_RETURN_POINTER(state);
	value = PG_GETARG_FLOAT8(ARG_VALUE);
	state->filled++;
	if (unlikely(!(fabs(value) <= MAGNITUDE_MAX)))
	{
		state->not_finite++;
		PG_RETURN_POINTER(state);
	}
	if (state->filled - state->not_finite == 1)
		state->least = state->greatest = value;
	state->least = Min(state->least, value);
	state->greatest = Max(state->greatest, value);
	state->out_of_range += is_beyond(fcinfo, value, ARG_LEAST, ARG_GREATEST);
	state->outliers += is_beyond(fcinfo, value, ARG_LOW, ARG_HIGH);
	if (PG_ARGISNULL(ARG_LOW))
		mlops_moments_add(&state->moments, value);
	PG_RETURN_POINTER(state);
}

/*
 * Add the rows of the second state to the first.
 */
Datum
mlops_quality_combine(PG_FUNCTION_ARGS)
{
	QualityState *state = mlops_aggregate_state(fcinfo, sizeof(QualityState));
	const QualityState *other = PG_ARGISNULL(1) ? NULL : (QualityState *) PG_GETARG_POINTER(1);

	if (other == NULL)
		PG_RETURN_POINTER(state);
	if (other->filled > other->not_finite)
	{
		bool		first = state->filled == state->not_finite;

		state->least = first ? other->least : Min(state->least, other->least);
		state->greatest = first ? other->greatest : Max(state->greatest, other->greatest);
	}
	state->filled += other->filled;
	state->not_finite += other->not_finite;
	state->out_of_range += other->out_of_range;
	state->outliers += other->outliers;
	mlops_moments_merge(&state->moments, &other->moments);
	PG_RETURN_POINTER(state);
}

Datum
mlops_quality_serialize(PG_FUNCTION_ARGS)
{
	const QualityState *state = (QualityState *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, sizeof(QualityState));
	pq_sendint64(&buf, state->filled);
	pq_sendint64(&buf, state->not_finite);
	pq_sendint64(&buf, state->out_of_range);
	pq_sendint64(&buf, state->outliers);
	pq_sendfloat8(&buf, state->least);
	pq_sendfloat8(&buf, state->greatest);
	pq_sendfloat8(&buf, state->moments.n);
	mlops_state_send_sum(&buf, &state->moments.sum);
	mlops_state_send_sum(&buf, &state->moments.squares);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_quality_deserialize(PG_FUNCTION_ARGS)
{
	QualityState *state = palloc0(sizeof(QualityState));
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	state->filled = mlops_state_recv_count(&buf);
	state->not_finite = mlops_state_recv_count(&buf);
	state->out_of_range = mlops_state_recv_count(&buf);
	state->outliers = mlops_state_recv_count(&buf);
	state->least = pq_getmsgfloat8(&buf);
	state->greatest = pq_getmsgfloat8(&buf);
	state->moments.n = pq_getmsgfloat8(&buf);
	mlops_state_recv_sum(&buf, &state->moments.sum);
	mlops_state_recv_sum(&buf, &state->moments.squares);
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(state);
}

/*
 * The figures; what is not defined is NULL.
 */
Datum
mlops_quality_final(PG_FUNCTION_ARGS)
{
	static const QualityState empty = {0};
	const QualityState *state = PG_ARGISNULL(0) ? &empty : (QualityState *) PG_GETARG_POINTER(0);
	int64		finite = state->filled - state->not_finite;
	double		n = state->moments.n;
	const double figures[NUM_FIGURES] = {
		(double) state->filled, (double) state->not_finite, state->least, state->greatest,
		mlops_sum_value(&state->moments.sum) / n,
		sqrt(Max(mlops_sum_value(&state->moments.squares), 0) / n),
		finite > 0 && (state->least != state->greatest || state->not_finite > 0),
		(double) state->out_of_range, (double) state->outliers, 0
	};
	Datum		elements[NUM_FIGURES];
	bool		nulls[NUM_FIGURES] = {false};
	int			dims = NUM_FIGURES;
	int			lower = 1;

	(void) mlops_aggregate_context(fcinfo);
	for (int i = 0; i < NUM_FIGURES; i++)
		elements[i] = Float8GetDatum(figures[i]);
	nulls[2] = nulls[3] = finite == 0;
	nulls[4] = nulls[5] = n == 0;
	PG_RETURN_ARRAYTYPE_P(construct_md_array(elements, nulls, 1, &dims, &lower, FLOAT8OID,
											 sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
