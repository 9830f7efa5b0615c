/*-------------------------------------------------------------------------
 *
 * hooks.c
 *	  Statements that our processes must make way for, or take note of.
 *
 * DROP DATABASE, CREATE DATABASE ... TEMPLATE, and ALTER DATABASE ... RENAME
 * or SET TABLESPACE fail while somebody is connected to the database.  Here
 * our processes are told to leave it, for a statement whose user may execute
 * it, before it looks; and it is released when the statement has ended in any way.
 * DROP DATABASE has a hook behind its check of privileges; for the others the
 * check is made here too, so that nobody else can stop a scheduler.
 *
 * The launcher is told when a database came, went or changed, and the scheduler
 * when the settings of its database did, one of which makes it read-only.  All
 * of it happens at the end of the transaction: before, they would see the
 * former state.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "worker/hooks.h"
#include "worker/state.h"

static ProcessUtility_hook_type previous_utility = NULL;
static object_access_hook_type previous_access = NULL;

/* the database that the statement in progress holds */
static Oid	held = InvalidOid;

/* the transaction in progress may change which databases there are */
static bool concerned = false;

/* the database whose settings it changes */
static Oid	changed = InvalidOid;

static void
hold(Oid database)
{
	if (OidIsValid(database) && database != held)
	{
		held = database;
		mlops_hold_database(database);
	}
}

static void
on_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (previous_access)
		previous_access(access, class, object, sub, arg);
	if (access == OAT_DROP && class == DatabaseRelationId)
		hold(object);
}

static bool
may_create_databases(void)
{
	HeapTuple	tuple;
	bool		result = superuser();

	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tuple))
	{
		result = result || ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return result;
}

static bool
is_template(Oid database)
{
	HeapTuple	tuple;
	bool		result = false;

	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		ReleaseSysCache(tuple);
	}
	return result;
}

/*
 * The value of an option of a list, or NULL.
 */
static char *
option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *element = lfirst_node(DefElem, cell);

		if (strcmp(element->defname, name) == 0 && element->arg != NULL)
			return defGetString(element);
	}
	return NULL;
}

/*
 * The database that a statement needs to itself, if the user may execute it.
 */
static Oid
needed_database(Node *statement)
{
	Oid			database = InvalidOid;

	switch (nodeTag(statement))
	{
		case T_CreatedbStmt:
			{
				char	   *name = option(((CreatedbStmt *) statement)->options, "template");

				database = get_database_oid(name != NULL ? name : "template1", true);
				if (OidIsValid(database) && may_create_databases() &&
					(is_template(database) || mlops_owns_database(database)))
					return database;
				return InvalidOid;
			}
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				database = get_database_oid(((RenameStmt *) statement)->subname, true);
			break;
		case T_AlterDatabaseStmt:
			if (option(((AlterDatabaseStmt *) statement)->options, "tablespace") != NULL)
				database = get_database_oid(((AlterDatabaseStmt *) statement)->dbname, true);
			break;
		default:
			break;
	}
	return OidIsValid(database) && mlops_owns_database(database) ? database : InvalidOid;
}

static bool
concerns_databases(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_AlterDatabaseStmt:
		case T_AlterDatabaseSetStmt:
			return true;
		case T_RenameStmt:
			return ((RenameStmt *) statement)->renameType == OBJECT_DATABASE;
		default:
			return false;
	}
}

static void
execute(PlannedStmt *pstmt, const char *query, bool read_only_tree,
		ProcessUtilityContext context, ParamListInfo params,
		QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *qc)
{
	if (previous_utility)
		previous_utility(pstmt, query, read_only_tree, context, params, environment, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, environment, dest, qc);
}

static void
on_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
		   ProcessUtilityContext context, ParamListInfo params,
		   QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *statement = pstmt->utilityStmt;

	if (!concerns_databases(statement) || !IsTransactionState())
	{
		execute(pstmt, query, read_only_tree, context, params, environment, dest, qc);
		return;
	}

	concerned = true;
	hold(needed_database(statement));
	if (IsA(statement, AlterDatabaseSetStmt))
		changed = get_database_oid(((AlterDatabaseSetStmt *) statement)->dbname, true);
	execute(pstmt, query, read_only_tree, context, params, environment, dest, qc);
}

/*
 * The transaction of such a statement has ended, in whatever way.  Nothing
 * here can fail.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	if (OidIsValid(held))
		mlops_release_database(held);
	else if (concerned)
		mlops_rescan_databases();
	if (OidIsValid(changed) && event == XACT_EVENT_COMMIT)
		mlops_restart_scheduler(changed);
	held = InvalidOid;
	changed = InvalidOid;
	concerned = false;
}

void
mlops_worker_hooks_init(void)
{
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = on_utility;
	previous_access = object_access_hook;
	object_access_hook = on_object_access;
	RegisterXactCallback(at_transaction_end, NULL);
}
