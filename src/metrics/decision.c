/*-------------------------------------------------------------------------
 *
 * decision.c
 *	  Aggregates over yes/no decisions: accuracy, precision, recall, f1, mcc.
 *
 * A decision is given as a boolean, or as a score with a threshold from which
 * it is yes.  All forms share one state, four counts; so a query that asks
 * for several measures counts once.  The forms for classes are in classes.c.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "libpq/pqformat.h"

#include "metrics/aggregate.h"
#include "mlops.h"

PG_FUNCTION_INFO_V1(mlops_decision_add);
PG_FUNCTION_INFO_V1(mlops_decision_add_score);
PG_FUNCTION_INFO_V1(mlops_decision_add_score_number);
PG_FUNCTION_INFO_V1(mlops_decision_add_threshold);
PG_FUNCTION_INFO_V1(mlops_decision_add_threshold_number);
PG_FUNCTION_INFO_V1(mlops_decision_combine);
PG_FUNCTION_INFO_V1(mlops_decision_serialize);
PG_FUNCTION_INFO_V1(mlops_decision_deserialize);
PG_FUNCTION_INFO_V1(mlops_accuracy_final);
PG_FUNCTION_INFO_V1(mlops_precision_final);
PG_FUNCTION_INFO_V1(mlops_recall_final);
PG_FUNCTION_INFO_V1(mlops_f1_final);
PG_FUNCTION_INFO_V1(mlops_mcc_final);

static inline void
count(MlopsConfusion *counts, bool label, bool decision)
{
	if (decision)
	{
		if (label)
			counts->true_positive++;
		else
			counts->false_positive++;
	}
	else
	{
		if (label)
			counts->false_negative++;
		else
			counts->true_negative++;
	}
}

/*
 * Add one row (state, label, predicted), both boolean.
 */
Datum
mlops_decision_add(PG_FUNCTION_ARGS)
{
	MlopsConfusion *counts = mlops_aggregate_state(fcinfo, sizeof(MlopsConfusion));

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		count(counts, PG_GETARG_BOOL(1), PG_GETARG_BOOL(2));
	PG_RETURN_POINTER(counts);
}

/*
 * Add one row (state, label, score, ...).
 */
static Datum
add_score(FunctionCallInfo fcinfo, MlopsLabelType type, double threshold)
{
	MlopsConfusion *counts = mlops_aggregate_state(fcinfo, sizeof(MlopsConfusion));
	MlopsScored row;

	if (mlops_scored_args(fcinfo, type, &row))
		count(counts, row.label, row.score >= threshold);
	PG_RETURN_POINTER(counts);
}

Datum
mlops_decision_add_score(PG_FUNCTION_ARGS)
{
	return add_score(fcinfo, MLOPS_LABEL_BOOLEAN, MLOPS_THRESHOLD);
}

Datum
mlops_decision_add_score_number(PG_FUNCTION_ARGS)
{
	return add_score(fcinfo, MLOPS_LABEL_NUMBER, MLOPS_THRESHOLD);
}

/*
 * The threshold of a row; rows may have different ones.
 */
static double
threshold_arg(FunctionCallInfo fcinfo)
{
	double		threshold;

	mlops_require_arg(fcinfo, 3, "threshold");
	threshold = PG_GETARG_FLOAT8(3);
	if (isnan(threshold))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold must not be NaN")));
	return threshold;
}

Datum
mlops_decision_add_threshold(PG_FUNCTION_ARGS)
{
	return add_score(fcinfo, MLOPS_LABEL_BOOLEAN, threshold_arg(fcinfo));
}

Datum
mlops_decision_add_threshold_number(PG_FUNCTION_ARGS)
{
	return add_score(fcinfo, MLOPS_LABEL_NUMBER, threshold_arg(fcinfo));
}

/*
 * Add the counts of the second state to the first.
 */
Datum
mlops_decision_combine(PG_FUNCTION_ARGS)
{
	MlopsConfusion *counts = mlops_aggregate_state(fcinfo, sizeof(MlopsConfusion));

	if (!PG_ARGISNULL(1))
	{
		MlopsConfusion *other = (MlopsConfusion *) PG_GETARG_POINTER(1);

		counts->true_positive += other->true_positive;
		counts->false_positive += other->false_positive;
		counts->true_negative += other->true_negative;
		counts->false_negative += other->false_negative;
	}
	PG_RETURN_POINTER(counts);
}

Datum
mlops_decision_serialize(PG_FUNCTION_ARGS)
{
	MlopsConfusion *counts = (MlopsConfusion *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, sizeof(MlopsConfusion));
	pq_sendint64(&buf, counts->true_positive);
	pq_sendint64(&buf, counts->false_positive);
	pq_sendint64(&buf, counts->true_negative);
	pq_sendint64(&buf, counts->false_negative);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_decision_deserialize(PG_FUNCTION_ARGS)
{
	MlopsConfusion *counts = palloc0(sizeof(MlopsConfusion));
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	counts->true_positive = mlops_state_recv_count(&buf);
	counts->false_positive = mlops_state_recv_count(&buf);
	counts->true_negative = mlops_state_recv_count(&buf);
	counts->false_negative = mlops_state_recv_count(&buf);
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(counts);
}

/*
 * A measure of the counts; NULL without rows or where it is not defined.
 */
static Datum
decision_measure(FunctionCallInfo fcinfo, double (*measure) (const MlopsConfusion *c))
{
	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return mlops_measure_result(fcinfo, measure((MlopsConfusion *) PG_GETARG_POINTER(0)));
}

Datum
mlops_accuracy_final(PG_FUNCTION_ARGS)
{
	return decision_measure(fcinfo, mlops_accuracy);
}

Datum
mlops_precision_final(PG_FUNCTION_ARGS)
{
	return decision_measure(fcinfo, mlops_precision);
}

Datum
mlops_recall_final(PG_FUNCTION_ARGS)
{
	return decision_measure(fcinfo, mlops_recall);
}

Datum
mlops_f1_final(PG_FUNCTION_ARGS)
{
	return decision_measure(fcinfo, mlops_f1);
}

Datum
mlops_mcc_final(PG_FUNCTION_ARGS)
{
	return decision_measure(fcinfo, mlops_mcc);
}
