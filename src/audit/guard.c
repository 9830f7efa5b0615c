/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  What stands between a superuser's statement and the records.
 *
 * Without this file the records are guarded by privileges, which do not hold a
 * superuser, and by triggers, which whoever owns a table can disable.  When
 * the library is preloaded, two hooks refuse what would take the guards away:
 *
 * Statements that define: everything that alters a table of the extension but
 * its physical properties; triggers, rules and policies on one; TRUNCATE; a
 * new definition, owner, name or schema for one of the extension's functions
 * or its schema; taking an object out of the extension.  The script of the
 * extension itself may do all that.
 *
 * Statements that change rows: UPDATE, DELETE and MERGE of a table that has
 * the trigger mlops._refuse_change(), also if that trigger is disabled.
 *
 * What remains possible is a restore, which creates the extension and inserts
 * rows; DROP EXTENSION, which takes everything away at once and is seen; and
 * what goes around statements: writing the catalogues, the files or the
 * configuration.  It is there to keep an administrator from a mistake or a
 * temptation, not to be proof against one: what is changed all the same is
 * found by the verifier.  doc/audit.md says so.
 *
 * pg_upgrade recreates the objects one by one and is let through.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "audit/guard.h"
#include "errors.h"
#include "guc.h"
#include "mlops.h"

static ProcessUtility_hook_type previous_utility = NULL;
static ExecutorStart_hook_type previous_start = NULL;

/*
 * Refuse a statement.
 */
pg_noreturn static void
refuse(const char *object)
{
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_IMMUTABLE),
			 errmsg("the guards of the records of mlops cannot be changed: %s", object),
			 errdetail("The table or function is a part of the extension, which alone changes it."),
			 errhint("See mlops.protect_records in doc/settings.md.")));
}

/*
 * Whether an object belongs to the extension mlops.
 */
static bool
is_ours(Oid classid, Oid objectid)
{
	Oid			extension;

	if (!OidIsValid(objectid))
		return false;
	extension = getExtensionOfObject(classid, objectid);
	return OidIsValid(extension) && extension == get_extension_oid(MLOPS_SCHEMA, true);
}

/*
 * Refuse a statement on a relation if that, or the table of that index, is
 * ours.  Cheap for relations in other schemas.
 */
static void
check_relation(Oid relid)
{
	if (!OidIsValid(relid))
		return;
	if (get_rel_relkind(relid) == RELKIND_INDEX)
		relid = IndexGetRelation(relid, true);
	if (OidIsValid(relid) &&
		get_rel_namespace(relid) == get_namespace_oid(MLOPS_SCHEMA, true) &&
		is_ours(RelationRelationId, relid))
		refuse(get_rel_name(relid));
}

/*
 * The same by name; a name that means nothing is left to the statement.
 */
static void
check_range(const RangeVar *range)
{
	if (range != NULL)
		check_relation(RangeVarGetRelid(range, NoLock, true));
}

/*
 * Refuse a statement on an object of one of the kinds that guard.
 */
static void
check_object(ObjectType type, Node *object)
{
	ObjectAddress address;
	Relation	relation = NULL;

	switch (type)
	{
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
		case OBJECT_AGGREGATE:
		case OBJECT_SCHEMA:
		case OBJECT_TABLE:
		case OBJECT_VIEW:
		case OBJECT_SEQUENCE:
		case OBJECT_TRIGGER:
		case OBJECT_RULE:
		case OBJECT_POLICY:
		case OBJECT_TABCONSTRAINT:
			break;
		default:
			return;
	}
	address = get_object_address(type, object, &relation, AccessShareLock, true);
	if (relation != NULL)
	{
		check_relation(RelationGetRelid(relation));
		table_close(relation, AccessShareLock);
	}
	if (!OidIsValid(address.objectId))
		return;
	if (address.classId == RelationRelationId)
		check_relation(address.objectId);
	else if (is_ours(address.classId, address.objectId))
		refuse(getObjectDescription(&address, false));
}

/*
 * Refuse to alter a table, but for what does not touch the meaning of its
 * rows nor who may change them.
 */
static void
check_alter_table(const AlterTableStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->cmds)
	{
		switch (lfirst_node(AlterTableCmd, cell)->subtype)
		{
			case AT_SetStatistics:
			case AT_SetOptions:
			case AT_ResetOptions:
			case AT_SetStorage:
			case AT_SetCompression:
			case AT_ClusterOn:
			case AT_DropCluster:
			case AT_SetTableSpace:
			case AT_SetRelOptions:
			case AT_ResetRelOptions:
			case AT_ReplicaIdentity:
			case AT_ValidateConstraint:
			case AT_EnableAlwaysTrig:
				break;
			default:
				check_range(statement->relation);
				return;
		}
	}
}

/*
 * Refuse to replace a function of ours.
 */
static void
check_create_function(CreateFunctionStmt *statement)
{
	char	   *name;
	char	   *schema;
	CatCList   *list;
	Oid			schema_oid;

	if (!statement->replace)
		return;
	DeconstructQualifiedName(statement->funcname, &schema, &name);
	schema_oid = get_namespace_oid(MLOPS_SCHEMA, true);
	if (!OidIsValid(schema_oid) || (schema != NULL && strcmp(schema, MLOPS_SCHEMA) != 0))
		return;
	if (schema == NULL && QualifiedNameGetCreationNamespace(statement->funcname, &name) != schema_oid)
		return;

	/* whatever its arguments are: nobody has a function of that name there but us */
	list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc function = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (function->pronamespace == schema_oid && is_ours(ProcedureRelationId, function->oid))
			refuse(name);
	}
	ReleaseSysCacheList(list);
}

/*
 * Refuse a statement that defines something, if it would change a guard.
 */
static void
check_utility(Node *parsetree)
{
	ListCell   *cell;

	switch (nodeTag(parsetree))
	{
		case T_AlterTableStmt:
			check_alter_table((AlterTableStmt *) parsetree);
			break;
		case T_TruncateStmt:
			foreach(cell, ((TruncateStmt *) parsetree)->relations)
				check_range(lfirst_node(RangeVar, cell));
			break;
		case T_CreateTrigStmt:
			check_range(((CreateTrigStmt *) parsetree)->relation);
			break;
		case T_RuleStmt:
			check_range(((RuleStmt *) parsetree)->relation);
			break;
		case T_CreatePolicyStmt:
			check_range(((CreatePolicyStmt *) parsetree)->table);
			break;
		case T_AlterPolicyStmt:
			check_range(((AlterPolicyStmt *) parsetree)->table);
			break;
		case T_CreateStmt:
			foreach(cell, ((CreateStmt *) parsetree)->inhRelations)
				check_range(lfirst_node(RangeVar, cell));
			break;
		case T_CreateFunctionStmt:
			check_create_function((CreateFunctionStmt *) parsetree);
			break;
		case T_AlterFunctionStmt:
			check_object(((AlterFunctionStmt *) parsetree)->objtype,
						 (Node *) ((AlterFunctionStmt *) parsetree)->func);
			break;
		case T_AlterOwnerStmt:
			check_object(((AlterOwnerStmt *) parsetree)->objectType,
						 ((AlterOwnerStmt *) parsetree)->object);
			break;
		case T_AlterObjectSchemaStmt:
			check_range(((AlterObjectSchemaStmt *) parsetree)->relation);
			if (((AlterObjectSchemaStmt *) parsetree)->object != NULL)
				check_object(((AlterObjectSchemaStmt *) parsetree)->objectType,
							 ((AlterObjectSchemaStmt *) parsetree)->object);
			break;
		case T_RenameStmt:
			{
				RenameStmt *rename = (RenameStmt *) parsetree;

				if (rename->renameType == OBJECT_SCHEMA)
				{
					if (strcmp(rename->subname, MLOPS_SCHEMA) == 0 &&
						OidIsValid(get_extension_oid(MLOPS_SCHEMA, true)))
						refuse(rename->subname);
				}
				else if (rename->relation != NULL)
					check_range(rename->relation);
				else if (rename->object != NULL)
					check_object(rename->renameType, rename->object);
				break;
			}
		case T_DropStmt:
			{
				DropStmt   *drop = (DropStmt *) parsetree;

				/* PostgreSQL itself does not drop parts of an extension */
				if (drop->removeType == OBJECT_TRIGGER || drop->removeType == OBJECT_RULE ||
					drop->removeType == OBJECT_POLICY)
					foreach(cell, drop->objects)
						check_object(drop->removeType, lfirst(cell));
				break;
			}
		case T_AlterExtensionContentsStmt:
			{
				AlterExtensionContentsStmt *alter = (AlterExtensionContentsStmt *) parsetree;

				if (alter->action < 0 && strcmp(alter->extname, MLOPS_SCHEMA) == 0)
					refuse(alter->extname);
				break;
			}
		default:
			break;
	}
}

/*
 * Whether the records are protected here and now.
 */
static bool
is_active(void)
{
	return mlops_protect_records && !IsBinaryUpgrade && IsTransactionState() &&
		!(creating_extension && CurrentExtensionObject == get_extension_oid(MLOPS_SCHEMA, true));
}

/* the hook that is called for every statement that is not planned */
static void
guard_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			  ProcessUtilityContext context, ParamListInfo params,
			  QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	if (is_active())
		check_utility(pstmt->utilityStmt);
	if (previous_utility)
		previous_utility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv,
								dest, qc);
}

/*
 * Whether the rows of a table are never to be changed in this way, as its
 * trigger says, also a disabled one.
 */
static bool
is_immutable(Oid relid, CmdType command)
{
	Relation	relation = table_open(relid, NoLock);
	TriggerDesc *triggers = relation->trigdesc;
	bool		result = false;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];
		bool		applies = command == CMD_UPDATE ? TRIGGER_FOR_UPDATE(trigger->tgtype) :
			command == CMD_DELETE ? TRIGGER_FOR_DELETE(trigger->tgtype) : true;
		char	   *function = applies ? get_func_name(trigger->tgfoid) : NULL;

		if (function != NULL && strcmp(function, "_refuse_change") == 0 &&
			is_ours(ProcedureRelationId, trigger->tgfoid))
			result = true;
	}
	table_close(relation, NoLock);
	return result;
}

/*
 * Refuse to change rows of a record by a plan or one of its subplans.
 */
static void
check_plan(const PlannedStmt *statement, const Plan *plan)
{
	const ModifyTable *modify = (const ModifyTable *) plan;
	CmdType		command;
	ListCell   *cell;

	if (plan == NULL || !IsA(plan, ModifyTable))
		return;
	command = modify->operation;
	if (command == CMD_INSERT && modify->onConflictAction == ONCONFLICT_UPDATE)
		command = CMD_UPDATE;
	if (command == CMD_INSERT)
		return;
	foreach(cell, modify->resultRelations)
	{
		Oid			relid = rt_fetch(lfirst_int(cell), statement->rtable)->relid;

		if (get_rel_namespace(relid) == get_namespace_oid(MLOPS_SCHEMA, true) &&
			is_ours(RelationRelationId, relid) && is_immutable(relid, command))
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_IMMUTABLE),
					 errmsg("rows of table \"%s.%s\" cannot be changed or deleted",
							MLOPS_SCHEMA, get_rel_name(relid)),
					 errdetail("They are a record of what happened.")));
	}
}

/* the hook that is called when the execution of a plan starts */
static void
guard_start(QueryDesc *queryDesc, int eflags)
{
	PlannedStmt *statement = queryDesc->plannedstmt;
	ListCell   *cell;

	if (statement->resultRelations != NIL && is_active())
	{
		check_plan(statement, statement->planTree);
		foreach(cell, statement->subplans)
			check_plan(statement, lfirst(cell));
	}
	if (previous_start)
		previous_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
}

/*
 * Install the hooks, when the postmaster loads the library.
 */
void
mlops_guard_init(void)
{
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = guard_utility;
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = guard_start;
}
