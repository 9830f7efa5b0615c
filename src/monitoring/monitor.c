/*-------------------------------------------------------------------------
 *
 * monitor.c
 *	  SQL: making, changing and running monitors.
 *
 * A run has five steps.  Of past windows that lacked labels, those are sought
 * to which labels have come.  Which windows, which version and which checks is
 * read by a private function with the rights of the extension's owner.  Then,
 * for each window, the checks run with the rights of the caller, who must be the owner
 * of the monitor, and read-only: they read the caller's rows and call reports,
 * and no query of anybody runs with the extension owner's rights.  What they
 * found is recorded by a private function, which cannot be called with
 * results of one's own; and what an alert asks for is done by the caller
 * again, through the public functions.
 *
 * The only lock is that of the monitor's row, which is held to the end of the
 * transaction, so that two runs of one monitor follow one another and no
 * window is recorded twice.
 *
 * Memory of a window is freed before the next one.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "caller.h"
#include "mlops.h"
#include "progress.h"

PG_FUNCTION_INFO_V1(mlops_create_monitor);
PG_FUNCTION_INFO_V1(mlops_alter_monitor);
PG_FUNCTION_INFO_V1(mlops_run_monitor);
PG_FUNCTION_INFO_V1(mlops_backfill_monitor);

/*
 * Call a private function that is not SECURITY DEFINER, with the rights of
 * the caller of the public one and without a caller's privilege on it.  The
 * result is in the present memory context.
 */
static Datum
call_as_caller(const char *name, int nargs, const Oid *types, const NullableDatum *args,
			   bool *isnull)
{
	FmgrInfo	flinfo;
	FunctionCallInfo call = palloc0(SizeForFunctionCallInfo(nargs));
	Oid			function;
	Datum		result;

	function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
							   PointerGetDatum(buildoidvector(types, nargs)),
							   ObjectIdGetDatum(get_namespace_oid(MLOPS_SCHEMA, false)));
	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s.%s is missing from this installation of mlops",
						MLOPS_SCHEMA, name),
				 errhint("The library and the extension's objects are of different versions: run ALTER EXTENSION mlops UPDATE.")));
	fmgr_info(function, &flinfo);
	InitFunctionCallInfoData(*call, &flinfo, nargs, DEFAULT_COLLATION_OID, NULL, NULL);
	for (int i = 0; i < nargs; i++)
		call->args[i] = args[i];
	result = FunctionCallInvoke(call);
	*isnull = call->isnull;
	return result;
}

/*
 * The common body of create and alter: the source, of which the first argument
 * is the given one, as the caller sees it now, is handed to the private
 * function after the arguments of the public one.
 */
static void
define_monitor(FunctionCallInfo fcinfo, const char *private, int source, Datum *result, bool *isnull)
{
	Oid			source_types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	NullableDatum source_args[lengthof(source_types)];
	Oid		   *declared;
	Oid			types[FUNC_MAX_ARGS];
	NullableDatum args[FUNC_MAX_ARGS];
	int			nargs;

	(void) get_func_signature(fcinfo->flinfo->fn_oid, &declared, &nargs);
	for (int i = 0; i < nargs; i++)
	{
		types[i] = declared[i];
		args[i] = fcinfo->args[i];
	}
	types[nargs] = JSONBOID;
	args[nargs].value = (Datum) 0;
	args[nargs].isnull = true;
	if (!args[source].isnull || !args[source + 1].isnull || source > 1)
	{
		source_args[0].value = CStringGetTextDatum(namespace_search_path);
		source_args[0].isnull = false;
		source_args[1] = args[0];
		/* a monitor that is to be made has nothing of an older one */
		if (source > 1)
			source_args[1].isnull = true;
		source_args[2] = args[source];
		source_args[3] = args[source + 1];
		args[nargs].value = call_as_caller("_monitor_source", lengthof(source_types), source_types,
										   source_args, &args[nargs].isnull);
	}
	*result = mlops_call_private(private, nargs + 1, types, args, isnull);
}

/*
 * SQL: mlops.create_monitor().
 */
Datum
mlops_create_monitor(PG_FUNCTION_ARGS)
{
	Datum		result;

	define_monitor(fcinfo, "_create_monitor", 2, &result, &fcinfo->isnull);
	return result;
}

/*
 * SQL: mlops.alter_monitor().
 */
Datum
mlops_alter_monitor(PG_FUNCTION_ARGS)
{
	Datum		result;

	define_monitor(fcinfo, "_alter_monitor", 1, &result, &fcinfo->isnull);
	PG_RETURN_VOID();
}

/* the value of a key of a JSON object, NULL if it has none; in the present context */
static Jsonb *
field(Jsonb *object, const char *key)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(&object->root, key, strlen(key), &value) == NULL ||
		value.type == jbvNull)
		return NULL;
	return JsonbValueToJsonb(&value);
}

/* a text in a JSON object, NULL if it has none */
static char *
text_field(Jsonb *object, const char *key)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(&object->root, key, strlen(key), &value) == NULL ||
		value.type != jbvString)
		return NULL;
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/*
 * What a private function of one plan reads with the rights of the caller, who
 * can do nothing but read.
 */
static Datum
read_as_caller(const char *name, Datum plan, bool *isnull)
{
	Oid			type = JSONBOID;
	NullableDatum arg = {.value = plan};
	bool		save_read_only = XactReadOnly;
	Datum		result;

	PG_TRY();
	{
		XactReadOnly = true;
		result = call_as_caller(name, 1, &type, &arg, isnull);
	}
	PG_FINALLY();
	{
		XactReadOnly = save_read_only;
	}
	PG_END_TRY();
	return result;
}

/* a time in a JSON object */
static TimestampTz
time_field(Jsonb *object, const char *key)
{
	return DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
												   CStringGetDatum(text_field(object, key)),
												   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/*
 * The rows that the checks of a window give, one check after the other, which
 * mlops.progress shows.  The work ends with the memory context.
 */
static Datum
measure(Jsonb *plan, MemoryContext context)
{
	Jsonb	   *checks = field(plan, "checks");
	char	   *model = text_field(plan, "model");
	char	   *slash = model == NULL ? NULL : strrchr(model, '/');
	Datum		result = DirectFunctionCall1(jsonb_in, CStringGetDatum("[]"));
	MlopsProgress *progress;
	bool		isnull;

	if (slash != NULL)
		*slash = '\0';
	progress = mlops_progress_begin(MLOPS_WORK_MONITOR, model == NULL ? "" : model,
									slash == NULL ? 0 : atoi(slash + 1), context);
	mlops_progress_phase(progress, MLOPS_PHASE_CHECKING, JB_ROOT_COUNT(checks));
	for (uint32 i = 0; i < JB_ROOT_COUNT(checks); i++)
	{
		Jsonb	   *check = JsonbValueToJsonb(getIthJsonbValueFromContainer(&checks->root, i));
		Datum		one;

		CHECK_FOR_INTERRUPTS();
		mlops_progress_done(progress, i);
		mlops_progress_check(progress, text_field(plan, "name"),
							 DatumGetInt64(DirectFunctionCall1(jsonb_int8, JsonbPGetDatum(field(check, "id")))),
							 time_field(plan, "start"), time_field(plan, "end"));
		one = DirectFunctionCall1(jsonb_in,
								  CStringGetDatum(psprintf("{\"checks\": [%s]}",
														   JsonbToCString(NULL, &check->root, VARSIZE(check)))));
		one = read_as_caller("_measure_window", DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(plan), one), &isnull);
		result = DirectFunctionCall2(jsonb_concat, result, one);
	}
	return result;
}

/*
 * The past windows to which labels have come, NULL if there are none.
 */
static Datum
find_late(const NullableDatum *name, bool *isnull)
{
	Oid			type = TEXTOID;
	Datum		plan = mlops_call_private("_plan_late", 1, &type, name, isnull);

	if (*isnull)
		return (Datum) 0;
	return read_as_caller("_find_late", plan, isnull);
}

/*
 * Do what the alerts of a window ask for, and note what became of it.
 */
static void
act(Jsonb *actions)
{
	Oid			type = JSONBOID;
	Oid			note_types[] = {JSONBOID, TEXTOID};

	for (uint32 i = 0; i < JB_ROOT_COUNT(actions); i++)
	{
		NullableDatum arg = {0};
		NullableDatum note_args[lengthof(note_types)] = {{0}};
		bool		isnull;

		arg.value = JsonbPGetDatum(JsonbValueToJsonb(getIthJsonbValueFromContainer(&actions->root, i)));
		note_args[0] = arg;
		note_args[1].value = call_as_caller("_act_on_alert", 1, &type, &arg, &note_args[1].isnull);
		(void) mlops_call_private("_note_outcome", lengthof(note_types), note_types, note_args, &isnull);
	}
}

/*
 * Run a monitor for the windows of a time, or without a beginning for the last
 * one before its end, or without any time for those that are due.  Returns how
 * many were new; the verdict of the last one, NULL if there was none, in the
 * present memory context.
 */
static int64
run_windows(const NullableDatum *name, const NullableDatum *since, const NullableDatum *until,
			bool again, char **verdict)
{
	Oid			plan_types[] = {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID, JSONBOID};
	NullableDatum plan_args[] = {*name, *since, *until, {BoolGetDatum(again), false}, {.isnull = true}};
	Oid			record_types[] = {JSONBOID, JSONBOID, BOOLOID};
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context;
	Jsonb	   *plans;
	int64		num_new = 0;
	bool		isnull;

	PreventCommandIfReadOnly("run_monitor");
	if (since->isnull && until->isnull)
		plan_args[4].value = find_late(name, &plan_args[4].isnull);
	plans = DatumGetJsonbP(mlops_call_private("_plan_monitor", lengthof(plan_types), plan_types,
											  plan_args, &isnull));
	*verdict = NULL;
	context = AllocSetContextCreate(outer, "mlops window of a monitor", ALLOCSET_DEFAULT_SIZES);
	for (uint32 i = 0; i < JB_ROOT_COUNT(plans); i++)
	{
		Jsonb	   *plan;
		Jsonb	   *recorded;
		char	   *found;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		MemoryContextSwitchTo(context);
		plan = JsonbValueToJsonb(getIthJsonbValueFromContainer(&plans->root, i));
		found = text_field(plan, "done");
		if (found == NULL)
		{
			Oid			ready_type = JSONBOID;
			NullableDatum args[lengthof(record_types)] = {{0}};

			args[0].value = JsonbPGetDatum(plan);
			args[0].value = mlops_call_private("_ready_window", 1, &ready_type, args, &isnull);
			args[1].value = measure(DatumGetJsonbP(args[0].value), context);
			args[2].value = BoolGetDatum(since->isnull);
			recorded = DatumGetJsonbP(mlops_call_private("_record_window", lengthof(record_types),
														 record_types, args, &isnull));
			found = text_field(recorded, "verdict");
			act(field(recorded, "actions"));
			num_new++;
		}
		MemoryContextSwitchTo(outer);
		*verdict = pstrdup(found);
	}
	MemoryContextDelete(context);
	return num_new;
}

/*
 * SQL: mlops.run_monitor(name, at, again).
 */
Datum
mlops_run_monitor(PG_FUNCTION_ARGS)
{
	NullableDatum since = {.isnull = true};
	char	   *verdict;

	(void) run_windows(&fcinfo->args[0], &since, &fcinfo->args[1],
					   !PG_ARGISNULL(2) && PG_GETARG_BOOL(2), &verdict);
	if (verdict == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(verdict));
}

/*
 * SQL: mlops.backfill_monitor(name, since, until).
 */
Datum
mlops_backfill_monitor(PG_FUNCTION_ARGS)
{
	char	   *verdict;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("since cannot be NULL")));
	PG_RETURN_INT64(run_windows(&fcinfo->args[0], &fcinfo->args[1], &fcinfo->args[2], false,
								&verdict));
}
