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
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "caller.h"
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
 * SQL, private: (role, search_path, threads, statement, model), what is
 * compared of the version whose number the statement gives, a training that
 * the role runs in a subtransaction which leaves nothing.
 */
Datum
mlops_train_as(PG_FUNCTION_ARGS)
{
	Oid			role = PG_GETARG_OID(0);
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *threads = psprintf("%d", PG_GETARG_INT32(2));
	char	   *statement = text_to_cstring(PG_GETARG_TEXT_PP(3));
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Oid			save_user;
	int			save_context;
	const Oid	types[] = {TEXTOID, INT4OID};
	NullableDatum args[lengthof(types)] = {{.value = PG_GETARG_DATUM(4)}};
	Datum		result = (Datum) 0;
	bool		isnull = true;

	(void) mlops_caller();
	GetUserIdAndSecContext(&save_user, &save_context);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		set_for_now("mlops.train_threads", threads);
		set_for_now("mlops.experiment", "");
		set_for_now("search_path", path);
		SetUserIdAndSecContext(role, save_context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);

		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		if (SPI_execute(statement, false, 1) != SPI_OK_SELECT)
			elog(ERROR, "could not train again");
		if (SPI_processed == 1)
			args[1].value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		SPI_finish();
		SetUserIdAndSecContext(save_user, save_context);
		if (!isnull)
		{
			/* like SPI_finish() above, this leaves the memory context as it was */
			result = mlops_call_private("_repeated", lengthof(types), types, args, &isnull);
			if (!isnull)
				result = JsonbPGetDatum(DatumGetJsonbPCopy(result));
		}
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
