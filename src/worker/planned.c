/*-------------------------------------------------------------------------
 *
 * planned.c
 *	  SQL: what jobs will do, tried when it is planned.
 *
 * A job that scores or trains fails at night if its owner has no right on a
 * table, or a column has another name.  So the statement of the job is tried
 * when the job, or the rule that will queue it, is made: with no rows, by the
 * caller, who is going to be the owner, under the search_path that a new
 * session of his begins with, and in a subtransaction which leaves nothing.
 * The rows of mlops are written by private functions before the trial; if it
 * fails, the statement does, and they are gone.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/resowner.h"

#include "caller.h"
#include "training/retrain.h"

PG_FUNCTION_INFO_V1(mlops_schedule_scoring);
PG_FUNCTION_INFO_V1(mlops_schedule_training);
PG_FUNCTION_INFO_V1(mlops_queue_retraining);
PG_FUNCTION_INFO_V1(mlops_add_retrain_rule);
PG_FUNCTION_INFO_V1(mlops_check_retrain_rules);

/*
 * error_context_stack callback; the argument is the name of the role
 */
static void
trial_context(void *arg)
{
	errcontext("trial of what a job will do, in a new session of role \"%s\"",
			   (const char *) arg);
}

/*
 * Execute a statement as the caller, and undo it.  Without a path it is the
 * one that a new session has.
 */
static void
try_statement(const char *statement, const char *path)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorContextCallback callback = {
		.callback = trial_context,
		.arg = GetUserNameFromId(GetUserId(), false),
		.previous = error_context_stack
	};

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		error_context_stack = &callback;
		(void) mlops_execute_as_caller(statement, path != NULL ? path :
									   GetConfigOptionResetString("search_path"), false);
		error_context_stack = callback.previous;
	}
	PG_CATCH();
	{
		mlops_undo_and_rethrow(context, owner);
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

/*
 * Error unless the caller could train a model again with a query, or with the
 * recorded one, in a job that calls these functions.
 */
static void
try_training(const NullableDatum *model, const NullableDatum *query, const char *functions)
{
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTOID};
	NullableDatum args[lengthof(types)] = {*model, *query, {.value = CStringGetTextDatum(functions)}};
	Jsonb	   *probe = mlops_plan_call("_probe_training", lengthof(types), types, args);

	try_statement(mlops_plan_text(probe, "statement"), mlops_plan_text(probe, "path"));
}

/*
 * SQL: mlops.schedule_scoring(name, schedule, model, source, target, keys, ...).
 */
Datum
mlops_schedule_scoring(PG_FUNCTION_ARGS)
{
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID};
	Datum		result = mlops_private_call(fcinfo);
	bool		isnull;
	Datum		probe = mlops_call_private("_probe_scoring", lengthof(types), types, &fcinfo->args[2], &isnull);

	try_statement(TextDatumGetCString(probe), NULL);
	return result;
}

/*
 * SQL: mlops.schedule_training(name, schedule, model, query, ...).
 */
Datum
mlops_schedule_training(PG_FUNCTION_ARGS)
{
	Datum		result = mlops_private_call(fcinfo);

	try_training(&fcinfo->args[2], &fcinfo->args[3], "retrain");
	return result;
}

/*
 * SQL: mlops.queue_retraining(model, query, ...).
 */
Datum
mlops_queue_retraining(PG_FUNCTION_ARGS)
{
	Datum		result = mlops_private_call(fcinfo);

	try_training(&fcinfo->args[0], &fcinfo->args[1], "perform_retraining");
	return result;
}

/*
 * The statements that count the new labels for the rules of a model, or for
 * one of them.
 */
static Jsonb *
label_statements(const NullableDatum *model, const NullableDatum *rule)
{
	const Oid	types[] = {TEXTOID, INT8OID};
	NullableDatum args[lengthof(types)] = {*model, *rule};

	return mlops_plan_call("_plan_retrain_rules", lengthof(types), types, args);
}

/*
 * SQL: mlops.add_retrain_rule(model, kind, arguments, query, ...).
 */
Datum
mlops_add_retrain_rule(PG_FUNCTION_ARGS)
{
	NullableDatum rule = {.value = mlops_private_call(fcinfo)};
	Jsonb	   *plans;

	try_training(&fcinfo->args[0], &fcinfo->args[3], "perform_retraining,check_retrain_rules");
	plans = label_statements(&fcinfo->args[0], &rule);
	for (uint32 i = 0; i < JB_ROOT_COUNT(plans); i++)
	{
		Jsonb	   *plan = JsonbValueToJsonb(getIthJsonbValueFromContainer(&plans->root, i));

		try_statement(psprintf("%s LIMIT 0", mlops_plan_text(plan, "statement")),
					  mlops_plan_text(plan, "path"));
	}
	return rule.value;
}

/*
 * SQL: mlops.check_retrain_rules(model, only_rule).
 */
Datum
mlops_check_retrain_rules(PG_FUNCTION_ARGS)
{
	const Oid	types[] = {TEXTOID, INT8OID, JSONBOID};
	NullableDatum args[lengthof(types)] = {fcinfo->args[0], fcinfo->args[1]};
	Jsonb	   *plans;
	StringInfoData counts;

	PreventCommandIfReadOnly("mlops.check_retrain_rules()");
	plans = label_statements(&args[0], &args[1]);
	initStringInfo(&counts);
	appendStringInfoChar(&counts, '{');
	for (uint32 i = 0; i < JB_ROOT_COUNT(plans); i++)
	{
		Jsonb	   *plan = JsonbValueToJsonb(getIthJsonbValueFromContainer(&plans->root, i));
		int64		count;

		CHECK_FOR_INTERRUPTS();
		count = mlops_execute_as_caller(mlops_plan_text(plan, "statement"),
										mlops_plan_text(plan, "path"), true);
		appendStringInfo(&counts, "%s\"%s\": " INT64_FORMAT, i > 0 ? ", " : "",
						 mlops_plan_text(plan, "rule"),
						 count - pg_strtoint64(mlops_plan_text(plan, "known")));
	}
	appendStringInfoChar(&counts, '}');
	args[2].value = DirectFunctionCall1(jsonb_in, CStringGetDatum(counts.data));
	return mlops_call_private_set(fcinfo, "_check_retrain_rules", lengthof(types), types, args);
}
