/*-------------------------------------------------------------------------
 *
 * repeat.c
 *	  mlops.repeat_run: train again as a run did, and compare.
 *
 * The training is the real one, mlops.train() with the recorded arguments, in
 * a subtransaction that is rolled back when its results are known: neither
 * version nor run is left, only a number that is not used.  It runs with the
 * rights of the role that made the run, under its search_path, with as many
 * threads, in a security-restricted operation: the recorded query is somebody
 * else's text, and whoever repeats it does not execute it as himself.
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
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "caller.h"
#include "training/query.h"
#include "training/retrain.h"

PG_FUNCTION_INFO_V1(mlops_train_as);

/*
 * Set a setting for the subtransaction in progress.
 */
static void
set_for_now(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Run a statement as the present user, with the number of the new version if
 * there is one: the first value that it gives.  SPI is connected.
 */
static Datum
run_statement(const char *statement, Datum version, bool with_version, bool *isnull)
{
	Oid			types[] = {INT4OID};

	*isnull = true;
	if (SPI_execute_with_args(statement, with_version ? 1 : 0, types, &version, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not train again");
	return SPI_processed == 1 ? SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull) : (Datum) 0;
}

/*
 * Does what is compared have this hash of the model file?
 */
static bool
same_file(Datum repeated, text *sha256)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&DatumGetJsonbP(repeated)->root, "sha256", 6, &buffer);

	return value != NULL && value->type == jbvString && value->val.string.len == (int) VARSIZE_ANY_EXHDR(sha256) &&
		memcmp(value->val.string.val, VARDATA_ANY(sha256), value->val.string.len) == 0;
}

/*
 * Train within the subtransaction in progress, and compare; the result is in
 * the context, which is the present one again afterwards.
 */
static Datum
train_and_compare(FunctionCallInfo fcinfo, MemoryContext context, bool *isnull)
{
	Oid			role = PG_GETARG_OID(0);
	const Oid	types[] = {TEXTOID, INT4OID};
	NullableDatum args[lengthof(types)] = {{.value = PG_GETARG_DATUM(4)}};
	Datum		result = (Datum) 0;
	Datum		scores;
	bool		no_scores;
	char	   *query;
	Oid			save_user;
	int			save_context;

	GetUserIdAndSecContext(&save_user, &save_context);
	set_for_now("mlops.train_threads", psprintf("%d", PG_GETARG_INT32(2)));
	set_for_now("mlops.experiment", "");
	set_for_now("search_path", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	SetUserIdAndSecContext(role, save_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	args[1].value = run_statement(text_to_cstring(PG_GETARG_TEXT_PP(3)), (Datum) 0, false, isnull);
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
	if (*isnull)
		return result;

	/* like SPI_finish() above, this leaves the memory context as it was */
	result = mlops_call_private("_repeated", lengthof(types), types, args, isnull);
	if (*isnull)
		return result;
	result = JsonbPGetDatum(DatumGetJsonbPCopy(result));
	if (same_file(result, PG_GETARG_TEXT_PP(5)))
		return result;

	SetUserIdAndSecContext(role, save_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	query = mlops_query_text(mlops_query_prepare(text_to_cstring(PG_GETARG_TEXT_PP(7)), "the query of a run", 0));
	scores = run_statement(psprintf("WITH mlops_rows AS (%s\n) %s", query, text_to_cstring(PG_GETARG_TEXT_PP(6))),
						   args[1].value, true, &no_scores);
	if (!no_scores)
	{
		MemoryContext spi = MemoryContextSwitchTo(context);

		result = DirectFunctionCall2(jsonb_concat, result, scores);
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
	return result;
}

/*
 * SQL, private: (role, search_path, threads, statement, model, sha256,
 * comparison, query), what is compared of the version whose number the
 * statement gives, a training that the role runs in a subtransaction which
 * leaves nothing.  If its file is another, the comparison is run too, of the
 * query's rows and with the version's number, and gives the member scores.
 */
Datum
mlops_train_as(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile Datum result = (Datum) 0;
	bool		isnull = true;

	(void) mlops_caller();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		result = train_and_compare(fcinfo, context, &isnull);
	}
	PG_CATCH();
	{
		mlops_undo_and_rethrow(context, owner);
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
