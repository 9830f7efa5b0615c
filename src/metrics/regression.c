/*-------------------------------------------------------------------------
 *
 * regression.c
 *	  Aggregates over the errors of a regression: rmse, mae, r2 and mape.
 *
 * They share one state, so a query that asks for all of them computes it once.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "libpq/pqformat.h"
#include "utils/float.h"

#include "metrics/aggregate.h"

PG_FUNCTION_INFO_V1(mlops_errors_add_row);
PG_FUNCTION_INFO_V1(mlops_errors_combine);
PG_FUNCTION_INFO_V1(mlops_errors_serialize);
PG_FUNCTION_INFO_V1(mlops_errors_deserialize);
PG_FUNCTION_INFO_V1(mlops_rmse_final);
PG_FUNCTION_INFO_V1(mlops_mae_final);
PG_FUNCTION_INFO_V1(mlops_r2_final);
PG_FUNCTION_INFO_V1(mlops_mape_final);

/*
 * Read a value that is not NULL.  Error 22023 if it is not finite.
 */
static double
value_arg(FunctionCallInfo fcinfo, int argno, const char *what)
{
	double		value = PG_GETARG_FLOAT8(argno);

	if (unlikely(!isfinite(value)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s value must be finite, not %s", what, float8out_internal(value)),
				 errhint("Rows are skipped if the actual or the predicted value is NULL: to leave these out, use nullif.")));
	return value;
}

/*
 * Add one row (state, actual, predicted).
 */
Datum
mlops_errors_add_row(PG_FUNCTION_ARGS)
{
	MlopsErrors *errors = mlops_aggregate_state(fcinfo, sizeof(MlopsErrors));

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		mlops_errors_add(errors, value_arg(fcinfo, 1, "actual"),
						 value_arg(fcinfo, 2, "predicted"));
	PG_RETURN_POINTER(errors);
}

/*
 * Add the rows of the second state to the first.
 */
Datum
mlops_errors_combine(PG_FUNCTION_ARGS)
{
	MlopsErrors *errors = mlops_aggregate_state(fcinfo, sizeof(MlopsErrors));

	if (!PG_ARGISNULL(1))
		mlops_errors_merge(errors, (MlopsErrors *) PG_GETARG_POINTER(1));
	PG_RETURN_POINTER(errors);
}

Datum
mlops_errors_serialize(PG_FUNCTION_ARGS)
{
	MlopsErrors *errors = (MlopsErrors *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, sizeof(MlopsErrors));
	pq_sendint64(&buf, errors->n);
	pq_sendint64(&buf, errors->num_relative);
	mlops_state_send_sum(&buf, &errors->absolute);
	mlops_state_send_sum(&buf, &errors->squared);
	mlops_state_send_sum(&buf, &errors->relative);
	pq_sendfloat8(&buf, errors->actual.n);
	mlops_state_send_sum(&buf, &errors->actual.sum);
	mlops_state_send_sum(&buf, &errors->actual.squares);
	pq_sendfloat8(&buf, errors->actual_min);
	pq_sendfloat8(&buf, errors->actual_max);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_errors_deserialize(PG_FUNCTION_ARGS)
{
	MlopsErrors *errors = palloc0(sizeof(MlopsErrors));
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	errors->n = mlops_state_recv_count(&buf);
	errors->num_relative = mlops_state_recv_count(&buf);
	mlops_state_recv_sum(&buf, &errors->absolute);
	mlops_state_recv_sum(&buf, &errors->squared);
	mlops_state_recv_sum(&buf, &errors->relative);
	errors->actual.n = pq_getmsgfloat8(&buf);
	mlops_state_recv_sum(&buf, &errors->actual.sum);
	mlops_state_recv_sum(&buf, &errors->actual.squares);
	errors->actual_min = pq_getmsgfloat8(&buf);
	errors->actual_max = pq_getmsgfloat8(&buf);
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(errors);
}

/*
 * A measure of the errors; NULL without rows or where it is not defined.
 */
static Datum
errors_measure(FunctionCallInfo fcinfo, double (*measure) (const MlopsErrors *errors))
{
	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return mlops_measure_result(fcinfo, measure((MlopsErrors *) PG_GETARG_POINTER(0)));
}

Datum
mlops_rmse_final(PG_FUNCTION_ARGS)
{
	return errors_measure(fcinfo, mlops_errors_rmse);
}

Datum
mlops_mae_final(PG_FUNCTION_ARGS)
{
	return errors_measure(fcinfo, mlops_errors_mae);
}

Datum
mlops_r2_final(PG_FUNCTION_ARGS)
{
	return errors_measure(fcinfo, mlops_errors_r2);
}

Datum
mlops_mape_final(PG_FUNCTION_ARGS)
{
	return errors_measure(fcinfo, mlops_errors_mape);
}
