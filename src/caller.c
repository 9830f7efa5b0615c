/*-------------------------------------------------------------------------
 *
 * caller.c
 *	  Calls from public functions to private ones, and who made them.
 *
 * The tables of mlops can be written by nobody but the owner of the
 * extension.  What writes them is SQL that an auditor can read: private
 * functions, named as the public ones with a leading underscore, SECURITY
 * DEFINER and closed to everybody.  A public function is a call of
 * mlops_private_call() below, which finds the private one by its own name and
 * argument types, notes who the caller is and calls it.
 *
 * Why not SECURITY DEFINER alone: inside such a function neither current_user
 * (the owner) nor session_user (the login) is the role with whose rights the
 * call was made, when that call stands in a stored procedure with an owner of
 * its own.  mlops_caller() is that role, and checks of privileges go by it.
 * A private function that acts and is called in any other way has no caller
 * and ends with an error, also if somebody granted EXECUTE on all functions of
 * the schema.
 *
 * The caller is a static variable of the session, set and reset around each
 * call, also on error; parallel workers never run private functions.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "caller.h"
#include "mlops.h"

PG_FUNCTION_INFO_V1(mlops_private_call);
PG_FUNCTION_INFO_V1(mlops_caller_name);

/* the role that made the public call in progress, if there is one */
static Oid	current_caller = InvalidOid;

/*
 * The role with whose rights the public function in progress was called.
 * Error if no public function is in progress.
 */
Oid
mlops_caller(void)
{
	if (!OidIsValid(current_caller))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("private functions of mlops cannot be called directly"),
				 errhint("Call the public function, which has the same name without the leading underscore.")));
	return current_caller;
}

/*
 * The OID of the private function with this name and these argument types.
 * The one caller of a name that does not exist is a broken installation.
 */
static Oid
find_private(const char *name, oidvector *types)
{
	Oid			result;

	result = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
							 CStringGetDatum(name), PointerGetDatum(types),
							 ObjectIdGetDatum(get_namespace_oid(MLOPS_SCHEMA, false)));
	if (!OidIsValid(result))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s.%s is missing from this installation of mlops",
						MLOPS_SCHEMA, name),
				 errhint("The library and the extension's objects are of different versions: run ALTER EXTENSION mlops UPDATE.")));
	return result;
}

/*
 * Invoke a prepared call with the present user as its caller.
 */
static Datum
invoke(FunctionCallInfo fcinfo)
{
	Oid			save_caller = current_caller;
	Datum		result;

	current_caller = GetUserId();
	PG_TRY();
	{
		result = FunctionCallInvoke(fcinfo);
	}
	PG_FINALLY();
	{
		current_caller = save_caller;
	}
	PG_END_TRY();

	return result;
}

/*
 * Call a private function by its name and types for a public one, or for C if
 * resultinfo is NULL.
 */
static Datum
call_by_name(const char *name, int nargs, const Oid *types, const NullableDatum *args,
			 Node *resultinfo, bool *isnull)
{
	FmgrInfo	flinfo;
	Datum		result;
	FunctionCallInfo call = palloc(SizeForFunctionCallInfo(nargs));

	fmgr_info(find_private(name, buildoidvector(types, nargs)), &flinfo);
	InitFunctionCallInfoData(*call, &flinfo, nargs, InvalidOid, NULL, resultinfo);
	for (int i = 0; i < nargs; i++)
		call->args[i] = args[i];
	result = invoke(call);
	*isnull = call->isnull;
	return result;
}

/*
 * Call a private function from C.  The result lives in the caller's memory
 * context; *isnull says whether it is NULL.
 */
Datum
mlops_call_private(const char *name, int nargs, const Oid *types,
				   const NullableDatum *args, bool *isnull)
{
	return call_by_name(name, nargs, types, args, NULL, isnull);
}

/*
 * Let a private function give the rows of the public one in progress.
 */
Datum
mlops_call_private_set(FunctionCallInfo fcinfo, const char *name, int nargs, const Oid *types,
					   const NullableDatum *args)
{
	return call_by_name(name, nargs, types, args, fcinfo->resultinfo, &fcinfo->isnull);
}

/*
 * The body of every public function whose work is done by a private one.
 */
Datum
mlops_private_call(PG_FUNCTION_ARGS)
{
	FmgrInfo   *private = fcinfo->flinfo->fn_extra;
	FunctionCallInfo call;
	Datum		result;

	if (private == NULL)
	{
		HeapTuple	tuple;
		Form_pg_proc proc;
		Oid			function;

		tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
		proc = (Form_pg_proc) GETSTRUCT(tuple);
		function = find_private(psprintf("_%s", NameStr(proc->proname)),
								&proc->proargtypes);
		ReleaseSysCache(tuple);

		private = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(FmgrInfo));
		fmgr_info_cxt(function, private, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = private;
	}

	call = palloc(SizeForFunctionCallInfo(fcinfo->nargs));
	InitFunctionCallInfoData(*call, private, fcinfo->nargs, fcinfo->fncollation,
							 fcinfo->context, fcinfo->resultinfo);
	for (int i = 0; i < fcinfo->nargs; i++)
		call->args[i] = fcinfo->args[i];
	result = invoke(call);
	fcinfo->isnull = call->isnull;
	return result;
}

/*
 * SQL: the name of mlops_caller(), for private functions.
 */
Datum
mlops_caller_name(PG_FUNCTION_ARGS)
{
	Name		result = palloc0(NAMEDATALEN);

	namestrcpy(result, GetUserNameFromId(mlops_caller(), false));
	PG_RETURN_NAME(result);
}
