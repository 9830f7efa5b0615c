/*-------------------------------------------------------------------------
 *
 * probability.c
 *	  Aggregates over the losses of probabilities: log_loss and brier.
 *
 * They share one state, so a query that asks for both computes it once.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "libpq/pqformat.h"

#include "metrics/aggregate.h"

PG_FUNCTION_INFO_V1(mlops_losses_add_row);
PG_FUNCTION_INFO_V1(mlops_losses_add_row_number);
PG_FUNCTION_INFO_V1(mlops_losses_combine);
PG_FUNCTION_INFO_V1(mlops_losses_serialize);
PG_FUNCTION_INFO_V1(mlops_losses_deserialize);
PG_FUNCTION_INFO_V1(mlops_log_loss_final);
PG_FUNCTION_INFO_V1(mlops_brier_final);

/*
 * Add one row (state, label, score).
 */
static Datum
add_row(FunctionCallInfo fcinfo, MlopsLabelType type)
{
	MlopsLosses *losses = mlops_aggregate_state(fcinfo, sizeof(MlopsLosses));

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		mlops_losses_add(losses, mlops_label_arg(fcinfo, 1, type),
						 mlops_probability_arg(fcinfo, 2));
	PG_RETURN_POINTER(losses);
}

Datum
mlops_losses_add_row(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, MLOPS_LABEL_BOOLEAN);
}

Datum
mlops_losses_add_row_number(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, MLOPS_LABEL_NUMBER);
}

/*
 * Add the rows of the second state to the first.
 */
Datum
mlops_losses_combine(PG_FUNCTION_ARGS)
{
	MlopsLosses *losses = mlops_aggregate_state(fcinfo, sizeof(MlopsLosses));

	if (!PG_ARGISNULL(1))
		mlops_losses_merge(losses, (MlopsLosses *) PG_GETARG_POINTER(1));
	PG_RETURN_POINTER(losses);
}

Datum
mlops_losses_serialize(PG_FUNCTION_ARGS)
{
	MlopsLosses *losses = (MlopsLosses *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, sizeof(MlopsLosses));
	pq_sendint64(&buf, losses->n);
	mlops_state_send_sum(&buf, &losses->log_loss);
	mlops_state_send_sum(&buf, &losses->brier);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_losses_deserialize(PG_FUNCTION_ARGS)
{
	MlopsLosses *losses = palloc0(sizeof(MlopsLosses));
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	losses->n = mlops_state_recv_count(&buf);
	mlops_state_recv_sum(&buf, &losses->log_loss);
	mlops_state_recv_sum(&buf, &losses->brier);
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(losses);
}

/*
 * A measure of the losses; NULL without rows.
 */
static Datum
losses_measure(FunctionCallInfo fcinfo, double (*measure) (const MlopsLosses *losses))
{
	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return mlops_measure_result(fcinfo, measure((MlopsLosses *) PG_GETARG_POINTER(0)));
}

Datum
mlops_log_loss_final(PG_FUNCTION_ARGS)
{
	return losses_measure(fcinfo, mlops_losses_log_loss);
}

Datum
mlops_brier_final(PG_FUNCTION_ARGS)
{
	return losses_measure(fcinfo, mlops_losses_brier);
}
