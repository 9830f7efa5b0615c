/*-------------------------------------------------------------------------
 *
 * report.c
 *	  Reports over a query that a user gives as text.
 *
 * A report is a public function whose body is mlops_report_call().  The work
 * is done by a private function, in SQL that an auditor can read, with the
 * same name and a leading underscore and one argument before the others: the
 * caller's search_path.  The private function pins its own search_path, as
 * all of ours do, and sets the caller's only while the statement that holds
 * the caller's query runs.  Everything runs with the caller's rights, in the
 * caller's snapshot, and read-only: no function that the query calls can
 * write either.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "tcop/cmdtag.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/syscache.h"

#include "mlops.h"

PG_FUNCTION_INFO_V1(mlops_report_call);
PG_FUNCTION_INFO_V1(mlops_report_columns);
PG_FUNCTION_INFO_V1(mlops_as_text);

/*
 * The private function of a report: its name with an underscore, and text
 * before its arguments.
 */
static Oid
find_report(Oid public)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(public));
	Form_pg_proc proc;
	Oid			types[FUNC_MAX_ARGS];
	char	   *name;
	Oid			result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", public);
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	name = psprintf("_%s", NameStr(proc->proname));
	types[0] = TEXTOID;
	for (int i = 0; i < proc->pronargs; i++)
		types[i + 1] = proc->proargtypes.values[i];
	result = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
							 CStringGetDatum(name),
							 PointerGetDatum(buildoidvector(types, proc->pronargs + 1)),
							 ObjectIdGetDatum(get_namespace_oid(MLOPS_SCHEMA, false)));
	ReleaseSysCache(tuple);
	if (!OidIsValid(result))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s.%s is missing from this installation of mlops",
						MLOPS_SCHEMA, name),
				 errhint("The library and the extension's objects are of different versions: run ALTER EXTENSION mlops UPDATE.")));
	return result;
}

/*
 * Report the error in progress again, without the lines of the functions that
 * make the report, which tell its user nothing, and with those of whoever called
 * it.  An error that nobody foresaw keeps them.
 */
static void
rethrow(void)
{
	ErrorData  *error = CopyErrorData();

	FlushErrorState();
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_INTERNAL_ERROR)
		error->context = NULL;
	ThrowErrorData(error);
}

/*
 * The body of every report.
 */
Datum
mlops_report_call(PG_FUNCTION_ARGS)
{
	FmgrInfo   *private = fcinfo->flinfo->fn_extra;
	FunctionCallInfo call;
	bool		save_read_only = XactReadOnly;
	ErrorContextCallback *save_context_stack = error_context_stack;
	MemoryContext context = CurrentMemoryContext;
	Datum		result;

	if (private == NULL)
	{
		private = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(FmgrInfo));
		fmgr_info_cxt(find_report(fcinfo->flinfo->fn_oid), private, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = private;
	}

	call = palloc(SizeForFunctionCallInfo(fcinfo->nargs + 1));
	InitFunctionCallInfoData(*call, private, fcinfo->nargs + 1, fcinfo->fncollation,
							 fcinfo->context, fcinfo->resultinfo);
	call->args[0].value = CStringGetTextDatum(namespace_search_path);
	call->args[0].isnull = false;
	for (int i = 0; i < fcinfo->nargs; i++)
		call->args[i + 1] = fcinfo->args[i];

	/* the callbacks of whoever called us are for rethrow() */
	error_context_stack = NULL;
	PG_TRY();
	{
		XactReadOnly = true;
		result = FunctionCallInvoke(call);
	}
	PG_CATCH();
	{
		XactReadOnly = save_read_only;
		error_context_stack = save_context_stack;
		MemoryContextSwitchTo(context);
		rethrow();
	}
	PG_END_TRY();
	XactReadOnly = save_read_only;
	error_context_stack = save_context_stack;
	fcinfo->isnull = call->isnull;
	return result;
}

/*
 * Why a prepared query is none that a report can read; NULL if it is fine.
 */
static const char *
fault_of(SPIPlanPtr plan)
{
	List	   *sources = SPI_plan_get_plan_sources(plan);
	CachedPlanSource *source;
	Query	   *query;

	if (sources == NIL)
		return "It is empty.";
	if (list_length(sources) > 1)
		return psprintf("It has %d statements.", list_length(sources));
	source = linitial(sources);
	query = list_length(source->query_list) == 1 ? linitial_node(Query, source->query_list) : NULL;
	if (query == NULL || query->commandType != CMD_SELECT)
		return psprintf("It is %s.", GetCommandTagName(source->commandTag));
	if (query->hasModifyingCTE)
		return "Its WITH clause changes data.";
	if (query->rowMarks != NIL)
		return "It locks rows.";
	return NULL;
}

/*
 * SQL: (search_path, query) -> name and type of each column that the query
 * would return, in order; the query is parsed and not run.  Error 22023
 * unless it is one SELECT that only reads.
 */
Datum
mlops_report_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	SPIPlanPtr	plan;
	TupleDesc	desc;
	const char *fault;
	int			nest_level;

	InitMaterializedSRF(fcinfo, 0);

	nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare(query, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	fault = fault_of(plan);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query of a report must be one SELECT"),
				 errdetail("%s", fault),
				 errhint("Pass one statement that begins with SELECT, WITH, VALUES or TABLE and only reads.")));

	desc = ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = CStringGetTextDatum(NameStr(attribute->attname));
		values[1] = ObjectIdGetDatum(attribute->atttypid);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	SPI_finish();
	AtEOXact_GUC(true, nest_level);
	return (Datum) 0;
}

/*
 * SQL: a value as text, by the output function of its type.
 *
 * A cast to text may be a function of whoever owns the type, who needs no right
 * on the rows to have it run as the one who reads them; an output function is
 * none of his.  The types whose casts say something else than their output are
 * the server's own.
 */
Datum
mlops_as_text(PG_FUNCTION_ARGS)
{
	Oid			type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 0));
	FmgrInfo   *output = fcinfo->flinfo->fn_extra;

	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
			PG_RETURN_DATUM(PG_GETARG_DATUM(0));
		case BOOLOID:
			PG_RETURN_TEXT_P(cstring_to_text(PG_GETARG_BOOL(0) ? "true" : "false"));
		case BPCHAROID:
			return DirectFunctionCall1(rtrim1, PG_GETARG_DATUM(0));
	}
	if (output == NULL)
	{
		Oid			function;
		bool		is_varlena;

		getTypeOutputInfo(type, &function, &is_varlena);
		output = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(FmgrInfo));
		fmgr_info_cxt(function, output, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = output;
	}
	PG_RETURN_TEXT_P(cstring_to_text(OutputFunctionCall(output, PG_GETARG_DATUM(0))));
}
