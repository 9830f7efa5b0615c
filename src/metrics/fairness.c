/*-------------------------------------------------------------------------
 *
 * fairness.c
 *	  Aggregates that describe how a group is treated: rates of decisions,
 *	  disparate impact, and the inequality of benefits.
 *
 * Rates are made of the four counts of decision.c, with which they share the
 * transition function, so that a query which asks for several of them counts
 * once.  The inequality of benefits needs three sums.  No state grows with
 * the number of rows.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "libpq/pqformat.h"
#include "utils/float.h"

#include "metrics/aggregate.h"

/* the terms of an index of inequality, whose alpha is the same in all rows */
typedef struct Inequality
{
	int64		n;
	double		alpha;
	MlopsSum	benefit;
	MlopsSum	term;			/* of b^alpha, b ln b or ln b */
} Inequality;

PG_FUNCTION_INFO_V1(mlops_share_add);
PG_FUNCTION_INFO_V1(mlops_share_add_number);
PG_FUNCTION_INFO_V1(mlops_share_final);
PG_FUNCTION_INFO_V1(mlops_true_negative_rate_final);
PG_FUNCTION_INFO_V1(mlops_false_positive_rate_final);
PG_FUNCTION_INFO_V1(mlops_false_negative_rate_final);
PG_FUNCTION_INFO_V1(mlops_negative_predictive_value_final);
PG_FUNCTION_INFO_V1(mlops_disparate_impact_final);
PG_FUNCTION_INFO_V1(mlops_parity_difference_final);
PG_FUNCTION_INFO_V1(mlops_inequality_add);
PG_FUNCTION_INFO_V1(mlops_inequality_add_decision);
PG_FUNCTION_INFO_V1(mlops_theil_add);
PG_FUNCTION_INFO_V1(mlops_theil_add_decision);
PG_FUNCTION_INFO_V1(mlops_inequality_combine);
PG_FUNCTION_INFO_V1(mlops_inequality_serialize);
PG_FUNCTION_INFO_V1(mlops_inequality_deserialize);
PG_FUNCTION_INFO_V1(mlops_inequality_final);

/*
 * Rates
 */

/*
 * Add one row (state, value) of a share: yes is counted as a true positive,
 * no as a true negative.
 */
static Datum
add_share(FunctionCallInfo fcinfo, MlopsLabelType type)
{
	MlopsConfusion *counts = mlops_aggregate_state(fcinfo, sizeof(MlopsConfusion));

	if (!PG_ARGISNULL(1))
	{
		if (mlops_label_arg(fcinfo, 1, type))
			counts->true_positive++;
		else
			counts->true_negative++;
	}
	PG_RETURN_POINTER(counts);
}

Datum
mlops_share_add(PG_FUNCTION_ARGS)
{
	return add_share(fcinfo, MLOPS_LABEL_BOOLEAN);
}

Datum
mlops_share_add_number(PG_FUNCTION_ARGS)
{
	return add_share(fcinfo, MLOPS_LABEL_NUMBER);
}

/*
 * A share of yes and no; NaN if there are none.
 */
static double
share(int64 yes, int64 no)
{
	return yes + no == 0 ? get_float8_nan() : (double) yes / (double) (yes + no);
}

static double
share_of_counts(const MlopsConfusion *c)
{
	return share(c->true_positive, c->true_negative);
}

static double
true_negative_rate(const MlopsConfusion *c)
{
	return share(c->true_negative, c->false_positive);
}

static double
false_positive_rate(const MlopsConfusion *c)
{
	return share(c->false_positive, c->true_negative);
}

static double
false_negative_rate(const MlopsConfusion *c)
{
	return share(c->false_negative, c->true_positive);
}

static double
negative_predictive_value(const MlopsConfusion *c)
{
	return share(c->true_negative, c->false_negative);
}

/*
 * The rates of selection of the others and of the privileged, where the label
 * of the counts is the selection and their decision the privilege.
 */
static double
rate_of_others(const MlopsConfusion *c)
{
	return share(c->false_negative, c->true_negative);
}

static double
rate_of_privileged(const MlopsConfusion *c)
{
	return share(c->true_positive, c->false_positive);
}

static double
disparate_impact(const MlopsConfusion *c)
{
	double		privileged = rate_of_privileged(c);

	return privileged == 0 ? get_float8_nan() : rate_of_others(c) / privileged;
}

static double
parity_difference(const MlopsConfusion *c)
{
	return rate_of_others(c) - rate_of_privileged(c);
}

/*
 * A measure of the counts; NULL without rows or where it is not defined.
 */
static Datum
counts_measure(FunctionCallInfo fcinfo, double (*measure) (const MlopsConfusion *c))
{
	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return mlops_measure_result(fcinfo, measure((MlopsConfusion *) PG_GETARG_POINTER(0)));
}

Datum
mlops_share_final(PG_FUNCTION_ARGS)
{
	return counts_measure(fcinfo, share_of_counts);
}

Datum
mlops_true_negative_rate_final(PG_FUNCTION_ARGS)
{
	return counts_measure(fcinfo, true_negative_rate);
}

Datum
mlops_false_positive_rate_final(PG_FUNCTION_ARGS)
{
	return counts_measure(fcinfo, false_positive_rate);
}

Datum
mlops_false_negative_rate_final(PG_FUNCTION_ARGS)
{
	return counts_measure(fcinfo, false_negative_rate);
}

Datum
mlops_negative_predictive_value_final(PG_FUNCTION_ARGS)
{
	return counts_measure(fcinfo, negative_predictive_value);
}

Datum
mlops_disparate_impact_final(PG_FUNCTION_ARGS)
{
	return counts_measure(fcinfo, disparate_impact);
}

Datum
mlops_parity_difference_final(PG_FUNCTION_ARGS)
{
	return counts_measure(fcinfo, parity_difference);
}

/*
 * Inequality of benefits
 */

/*
 * Add one benefit.  Error 22023 if it is negative or not finite, 22023 if
 * alpha changes.
 */
static void
add_benefit(Inequality *state, double benefit, double alpha)
{
	double		term;

	if (!(benefit >= 0) || isinf(benefit))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("benefit must be finite and not negative, not %s", float8out_internal(benefit))));
	if (isnan(alpha) || isinf(alpha) || (state->n > 0 && alpha != state->alpha))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alpha of an index of inequality must be finite and the same in all rows")));

	if (alpha == 1)
		term = benefit == 0 ? 0 : benefit * log(benefit);
	else if (alpha == 0)
		term = log(benefit);
	else
		term = pow(benefit, alpha);

	state->alpha = alpha;
	state->n++;
	mlops_sum_add(&state->benefit, benefit);
	mlops_sum_add(&state->term, term);
}

/*
 * Add one row (state, benefit, alpha).
 */
static Datum
add_benefit_row(FunctionCallInfo fcinfo, double alpha)
{
	Inequality *state = mlops_aggregate_state(fcinfo, sizeof(Inequality));

	if (!PG_ARGISNULL(1))
		add_benefit(state, PG_GETARG_FLOAT8(1), alpha);
	PG_RETURN_POINTER(state);
}

/*
 * Add one row (state, label, predicted, alpha), whose benefit is
 * predicted - label + 1.
 */
static Datum
add_decision_row(FunctionCallInfo fcinfo, double alpha)
{
	Inequality *state = mlops_aggregate_state(fcinfo, sizeof(Inequality));

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		add_benefit(state, PG_GETARG_BOOL(2) - PG_GETARG_BOOL(1) + 1, alpha);
	PG_RETURN_POINTER(state);
}

Datum
mlops_inequality_add(PG_FUNCTION_ARGS)
{
	mlops_require_arg(fcinfo, 2, "alpha");
	return add_benefit_row(fcinfo, PG_GETARG_FLOAT8(2));
}

Datum
mlops_inequality_add_decision(PG_FUNCTION_ARGS)
{
	mlops_require_arg(fcinfo, 3, "alpha");
	return add_decision_row(fcinfo, PG_GETARG_FLOAT8(3));
}

Datum
mlops_theil_add(PG_FUNCTION_ARGS)
{
	return add_benefit_row(fcinfo, 1);
}

Datum
mlops_theil_add_decision(PG_FUNCTION_ARGS)
{
	return add_decision_row(fcinfo, 1);
}

/*
 * Add the sums of the second state to the first.
 */
Datum
mlops_inequality_combine(PG_FUNCTION_ARGS)
{
	Inequality *state = mlops_aggregate_state(fcinfo, sizeof(Inequality));

	if (!PG_ARGISNULL(1))
	{
		Inequality *other = (Inequality *) PG_GETARG_POINTER(1);

		if (other->n > 0)
		{
			if (state->n > 0 && state->alpha != other->alpha)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("alpha of an index of inequality must be finite and the same in all rows")));
			state->alpha = other->alpha;
			state->n += other->n;
			mlops_sum_merge(&state->benefit, &other->benefit);
			mlops_sum_merge(&state->term, &other->term);
		}
	}
	PG_RETURN_POINTER(state);
}

Datum
mlops_inequality_serialize(PG_FUNCTION_ARGS)
{
	Inequality *state = (Inequality *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, sizeof(Inequality));
	pq_sendint64(&buf, state->n);
	pq_sendfloat8(&buf, state->alpha);
	mlops_state_send_sum(&buf, &state->benefit);
	mlops_state_send_sum(&buf, &state->term);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_inequality_deserialize(PG_FUNCTION_ARGS)
{
	Inequality *state = palloc0(sizeof(Inequality));
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	state->n = mlops_state_recv_count(&buf);
	state->alpha = pq_getmsgfloat8(&buf);
	mlops_state_recv_sum(&buf, &state->benefit);
	mlops_state_recv_sum(&buf, &state->term);
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(state);
}

/*
 * The index, from sums: with mean m it is
 *	  alpha 1	mean(b ln b) / m - ln m
 *	  alpha 0	ln m - mean(ln b)
 *	  else		(mean(b^alpha) / m^alpha - 1) / (alpha (alpha - 1))
 * NULL without rows, if all benefits are 0, or if one is and alpha is 0 or
 * less.
 */
Datum
mlops_inequality_final(PG_FUNCTION_ARGS)
{
	Inequality *state;
	double		alpha;
	double		mean;
	double		term;
	double		result;

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (Inequality *) PG_GETARG_POINTER(0);
	alpha = state->alpha;
	mean = mlops_sum_value(&state->benefit) / state->n;
	term = mlops_sum_value(&state->term) / state->n;
	if (state->n == 0 || mean == 0 || isinf(term))
		PG_RETURN_NULL();

	if (alpha == 1)
		result = term / mean - log(mean);
	else if (alpha == 0)
		result = log(mean) - term;
	else
		result = (term / pow(mean, alpha) - 1) / (alpha * (alpha - 1));
	/* equality is 0, whatever the rounding */
	return mlops_measure_result(fcinfo, Max(result, 0));
}
