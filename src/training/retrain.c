/*-------------------------------------------------------------------------
 *
 * retrain.c
 *	  Training again, now or as a job.
 *
 * What is to be done is read by private functions, and they record what was
 * done.  In between stands what runs with the rights of the caller, who may be
 * the owner of a job: the training itself, a look whether it could be done,
 * and the counting of new labels.  None of that runs inside a function with
 * the rights of the extension's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "caller.h"
#include "training/retrain.h"
#include "training/train.h"

PG_FUNCTION_INFO_V1(mlops_retrain);
PG_FUNCTION_INFO_V1(mlops_perform_retraining);

/*
 * A text or number in a JSON object as text, NULL if there is none.
 */
char *
mlops_plan_text(Jsonb *object, const char *key)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(&object->root, key, strlen(key), &value) == NULL)
		return NULL;
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	if (value.type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
	return NULL;
}

/*
 * What a private function gives, which is never NULL.
 */
Jsonb *
mlops_plan_call(const char *name, int nargs, const Oid *types, const NullableDatum *args)
{
	bool		isnull;
	Datum		result = mlops_call_private(name, nargs, types, args, &isnull);

	if (isnull)
		elog(ERROR, "%s() has no result", name);
	return DatumGetJsonbP(result);
}

/*
 * Execute a statement with the rights of the caller under a search_path (NULL:
 * that of the session), and return the first column of its one row as an
 * integer, 0 if there is no row.
 */
int64
mlops_execute_as_caller(const char *statement, const char *path, bool read_only)
{
	int			level = NewGUCNestLevel();
	bool		save_read_only = XactReadOnly;
	int64		result = 0;

	if (path != NULL)
		(void) set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* after an error, the end of the (sub)transaction sets it back */
	XactReadOnly |= read_only;
	if (SPI_execute(statement, read_only, 0) != SPI_OK_SELECT)
		elog(ERROR, "statement gives no rows");
	XactReadOnly = save_read_only;
	if (SPI_processed > 0)
	{
		char	   *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);

		result = value == NULL ? 0 : pg_strtoint64(value);
	}
	SPI_finish();
	AtEOXact_GUC(true, level);
	return result;
}

/*
 * After an error in an internal subtransaction: end it, and throw the error in
 * the transaction around it, whose context and resource owner these are.
 */
void
mlops_undo_and_rethrow(MemoryContext context, ResourceOwner owner)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	ReThrowError(error);
}

/*
 * Train as a plan says, and record it; the row of mlops.retrain().
 */
static Datum
carry_out(Jsonb *plan, bool *isnull)
{
	const Oid	types[] = {JSONBOID, INT4OID};
	NullableDatum args[lengthof(types)] = {{0}};

	char	   *statement = mlops_plan_text(plan, "statement");
	char	   *path = mlops_plan_text(plan, "path");

	mlops_train_follows(pg_strtoint64(mlops_plan_text(plan, "run")));
	PG_TRY();
	{
		args[1].value = Int32GetDatum((int32) mlops_execute_as_caller(statement, path, false));
	}
	PG_FINALLY();
	{
		mlops_train_follows(0);
	}
	PG_END_TRY();
	args[0].value = JsonbPGetDatum(plan);
	return mlops_call_private("_finish_retraining", lengthof(types), types, args, isnull);
}

/*
 * SQL: mlops.retrain(model, query, reason, change_ref).
 */
Datum
mlops_retrain(PG_FUNCTION_ARGS)
{
	Oid		   *types;
	int			nargs;

	PreventCommandIfReadOnly("mlops.retrain()");
	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &nargs);
	return carry_out(mlops_plan_call("_plan_retrain", nargs, types, fcinfo->args), &fcinfo->isnull);
}

/*
 * SQL: mlops.perform_retraining(retraining).
 */
Datum
mlops_perform_retraining(PG_FUNCTION_ARGS)
{
	const Oid	type = INT8OID;

	PreventCommandIfReadOnly("mlops.perform_retraining()");
	return carry_out(mlops_plan_call("_plan_retraining", 1, &type, fcinfo->args), &fcinfo->isnull);
}
