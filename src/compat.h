/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between the supported PostgreSQL versions, 15 to 18.
 *
 * Every test of PG_VERSION_NUM in the tree stands here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_COMPAT_H
#define MLOPS_COMPAT_H

#include "postgres.h"

#include "fmgr.h"

#if PG_VERSION_NUM < 150000
#error "mlops needs PostgreSQL 15 or newer"
#endif

/* stands before the declaration since 18, and behind it before */
#ifndef pg_noreturn
#define pg_noreturn __attribute__((noreturn))
#endif

/* varlena macros moved out of postgres.h (d952373a987) */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * The declaration of an SQL-callable function exports it since 16
 * (089480c0770); 15 exports what describes the function, but not itself.
 */
#if PG_VERSION_NUM < 160000
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_, funcname) (void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_, funcname) (void) \
{ \
	static const Pg_finfo_record info = {1}; \
	return &info; \
} \
extern int	no_such_variable
#endif

/*
 * Type input functions report errors softly since 16 (d9f7f5d32f2), so that
 * pg_input_is_valid() and COPY ... ON_ERROR work.
 */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#define mlops_ereturn(fcinfo, ...) ereturn((fcinfo)->context, (Datum) 0, __VA_ARGS__)
#else
#define mlops_ereturn(fcinfo, ...) ereport(ERROR, __VA_ARGS__)
#endif

/* a shared hash table is told how to copy a key since 17 (42a1de3013e) */
#if PG_VERSION_NUM >= 170000
#define MLOPS_DSHASH_COPY .copy_function = dshash_memcpy,
#else
#define MLOPS_DSHASH_COPY
#endif

/*
 * Does a Var mean its column as it is, not as an outer join (since 16) or as
 * RETURNING OLD or NEW (since 18) has it?
 */
#if PG_VERSION_NUM >= 180000
#define mlops_var_is_plain(var) \
	((var)->varreturningtype == VAR_RETURNING_DEFAULT && bms_is_empty((var)->varnullingrels))
#elif PG_VERSION_NUM >= 160000
#define mlops_var_is_plain(var) bms_is_empty((var)->varnullingrels)
#else
#define mlops_var_is_plain(var) true
#endif

/* one function checks the rights on all kinds of objects since 16 (c727f511bd7) */
#if PG_VERSION_NUM >= 160000
#define mlops_may_execute(function, user) \
	(object_aclcheck(ProcedureRelationId, function, user, ACL_EXECUTE) == ACLCHECK_OK)
#else
#define mlops_may_execute(function, user) \
	(pg_proc_aclcheck(function, user, ACL_EXECUTE) == ACLCHECK_OK)
#endif

/*
 * What a plan checks of whose rights on which relation: apart from the range
 * table since 16 (a61b1f74823).
 */
#if PG_VERSION_NUM >= 160000
#define mlops_plan_permissions(stmt) ((stmt)->permInfos)
#define MlopsPlanPermission RTEPermissionInfo
#else
#define mlops_plan_permissions(stmt) ((stmt)->rtable)
#define MlopsPlanPermission RangeTblEntry
#endif

/* a portal runs once in any case since 18 (15a79c73111) */
#if PG_VERSION_NUM >= 180000
#define mlops_portal_run(portal, toplevel, dest, qc) \
	PortalRun(portal, FETCH_ALL, toplevel, dest, dest, qc)
#else
#define mlops_portal_run(portal, toplevel, dest, qc) \
	PortalRun(portal, FETCH_ALL, toplevel, true, dest, dest, qc)
#endif

/* whether the present user owns a database */
#if PG_VERSION_NUM >= 160000
#define mlops_owns_database(database) \
	object_ownercheck(DatabaseRelationId, database, GetUserId())
#else
#define mlops_owns_database(database) pg_database_ownercheck(database, GetUserId())
#endif

/* the module can name itself since 18 (9324c8c5806) */
#ifdef PG_MODULE_MAGIC_EXT
#define MLOPS_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "mlops", .version = MLOPS_VERSION)
#else
#define MLOPS_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/*
 * How the client proved who it is, "method:identity", or NULL.  SYSTEM_USER is
 * of 16 (0823d061b0b).  Before, there is the identity in Port, for which the
 * caller includes libpq/libpq-be.h; the method is forgotten after the login,
 * although Port still points to where it was.
 */
#if PG_VERSION_NUM >= 160000
#define mlops_system_user() GetSystemUser()
#else
#define mlops_system_user() (MyProcPort != NULL ? MyProcPort->authn_id : NULL)
#endif

/* since 16 one says whether the value is to be a copy, which it always was before */
#if PG_VERSION_NUM >= 160000
#define mlops_tuplesort_getdatum(sort, value, isnull) \
	tuplesort_getdatum(sort, true, true, value, isnull, NULL)
#else
#define mlops_tuplesort_getdatum(sort, value, isnull) \
	tuplesort_getdatum(sort, true, value, isnull, NULL)
#endif

#endif							/* MLOPS_COMPAT_H */
