/*-------------------------------------------------------------------------
 *
 * snapshot.c
 *	  mlops.snapshot: which rows a query gave, and a copy of them if asked.
 *
 * The query runs as that of a training does: with the rights of the caller,
 * read-only, in the statement's snapshot.  Without a copy it becomes the
 * source of an aggregate, so that parallel workers hash what they read.  With
 * one, its tuples come to a DestReceiver, which hashes each and writes it to
 * a table of the extension's owner: the rights of the owner take no part in
 * the query, nor those of the caller in the writing.
 *
 * Later, mlops.verify_snapshot() and its like run the recorded query with the
 * rights of the role that made the snapshot, under its search_path, in a
 * security-restricted operation: whoever verifies a snapshot of others, the
 * superuser not least, executes nothing of theirs as himself.
 *
 * Who may see a snapshot: superusers, and members of the role that made it
 * who have SELECT on each relation on which the rights of the query's user
 * were checked.  Relations go by name, so that a dump can be restored; one
 * that is gone refuses nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#include "caller.h"
#include "errors.h"
#include "mlops.h"
#include "monitoring/profile.h"
#include "registry/privilege.h"
#include "registry/table.h"
#include "training/query.h"
#include "training/snapshot_content.h"

PG_FUNCTION_INFO_V1(mlops_snapshot);
PG_FUNCTION_INFO_V1(mlops_content_as);
PG_FUNCTION_INFO_V1(mlops_snapshot_readable);
PG_FUNCTION_INFO_V1(mlops_snapshot_readable_by);
PG_FUNCTION_INFO_V1(mlops_check_snapshot);

/* where copies are */
#define COPY_SCHEMA		"mlops_data"

/* the arguments of mlops.snapshot, in their order */
enum
{
	ARG_NAME,
	ARG_QUERY,
	ARG_KEY,
	ARG_MATERIALIZE,
	ARG_TAGS,
	ARG_LABEL,
	ARG_DESCRIPTION,
	ARG_PROFILE
};

/* a query that is read for a snapshot */
typedef struct Source
{
	const char *query;
	const char *key;			/* or NULL */
	const char *label;			/* or NULL */
	int64		copy;			/* number of the snapshot; 0: no copy */
	MlopsProfile *profile;		/* of its columns, to be filled, or NULL */
	MemoryContext context;		/* of the results */

	/* results, JSON */
	char	   *columns;
	char	   *relations;
	char	   *checked;
	char	   *content;
} Source;

/* where rows of a copy go */
typedef struct Copier
{
	DestReceiver receiver;		/* must be first */
	MlopsContent *content;
	MlopsProfile *profile;		/* or NULL */
	MemoryContext row_context;
	Relation	table;
	TupleTableSlot *slot;
	BulkInsertState bulk;
	CommandId	command;
} Copier;

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

static NullableDatum
text_datum(const char *string)
{
	NullableDatum result = {0};

	result.isnull = string == NULL;
	if (string != NULL)
		result.value = CStringGetTextDatum(string);
	return result;
}

static NullableDatum
jsonb_datum(const char *json)
{
	NullableDatum result = {0};

	result.value = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
	return result;
}

static char *
json_strings(const List *strings)
{
	StringInfoData json;
	ListCell   *cell;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	foreach(cell, strings)
	{
		if (foreach_current_index(cell) > 0)
			appendStringInfoString(&json, ", ");
		escape_json(&json, lfirst(cell));
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

/*
 * The columns as JSON: names and types, which are those of a copy too.
 */
static char *
json_columns(TupleDesc tupdesc)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		int32		typmod = attribute->atttypmod;
		Oid			type = getBaseTypeAndTypmod(attribute->atttypid, &typmod);

		appendStringInfoString(&json, i > 0 ? ", {\"name\": " : "{\"name\": ");
		escape_json(&json, NameStr(attribute->attname));
		appendStringInfoString(&json, ", \"type\": ");
		escape_json(&json, format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN |
												(type < FirstNormalObjectId ? 0 : FORMAT_TYPE_FORCE_QUALIFY)));
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

/*
 * Run a statement that wraps the query, as its user.  Rows are in SPI_tuptable.
 */
static void
execute(const char *statement, int nargs, Oid *types, Datum *values, const char *nulls)
{
	int			result = SPI_execute_with_args(statement, nargs, types, values, nulls, true, 0);

	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
}

/*
 * Error unless the key is a column that has a value of its own in every row.
 */
static void
check_key(const Source *source, const char *text, TupleDesc tupdesc)
{
	const char *key = quote_identifier(source->key);
	bool		found = false;
	bool		isnull;
	int64		rows;

	for (int i = 0; i < tupdesc->natts; i++)
		found = found || strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), source->key) == 0;
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("key \"%s\" is not a column of the query", source->key)));

	execute(psprintf("SELECT pg_catalog.count(*), pg_catalog.count(r.%s) FROM (%s\n) r GROUP BY r.%s"
					 " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 OR"
					 " pg_catalog.count(r.%s) OPERATOR(pg_catalog.=) 0 LIMIT 1",
					 key, text, key, key),
			0, NULL, NULL, NULL);
	if (SPI_processed == 0)
		return;
	rows = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key \"%s\" is NULL in a row", source->key)));
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("key \"%s\" does not tell rows apart", source->key),
			 errdetail("There are " INT64_FORMAT " rows with one value.", rows),
			 errhint("Name a column that is different in every row, or no key: without one rows can be compared, but not told what became of each.")));
}

/*
 * The aggregate that makes the sketch of a column, as the profile would.
 */
static char *
sketch_call(const MlopsProfileColumn *column)
{
	const char *type = column->type;

	if (MlopsConversionIsCategory(column->conversion) && column->conversion != MLOPS_CONVERT_ENUM)
		type = "pg_catalog.text";
	else if (column->conversion == MLOPS_CONVERT_INT2 || column->conversion == MLOPS_CONVERT_INT4 ||
			 column->conversion == MLOPS_CONVERT_INT8 || column->conversion == MLOPS_CONVERT_FLOAT4)
		type = "pg_catalog.float8";
	return psprintf(", mlops.sketch(r.%s::%s)", quote_identifier(column->name), type);
}

/*
 * Hash what the query gives, and make its profile, by parallel workers if the
 * planner wants them.
 */
static char *
hash_query(const Source *source, const char *text, TupleDesc tupdesc)
{
	Oid			types[] = {TEXTOID};
	NullableDatum label = text_datum(source->label);
	MlopsProfile *profile = source->profile;
	int			number = 1;
	StringInfoData statement;
	char	   *json;

	initStringInfo(&statement);
	appendStringInfoString(&statement, "SELECT mlops._content(r.*, $1)");
	for (int i = 0; profile != NULL && i < profile->num_columns; i++)
	{
		if (profile->columns[i].sketch != NULL)
			appendStringInfoString(&statement, sketch_call(&profile->columns[i]));
	}
	appendStringInfo(&statement, " FROM (%s\n) r", text);
	execute(statement.data, 1, types, &label.value, label.isnull ? "n" : NULL);
	json = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (json == NULL)			/* no rows: what there is of them is their columns */
		return mlops_content_json(mlops_content_create(tupdesc, source->label));

	for (int i = 0; profile != NULL && i < profile->num_columns; i++)
	{
		MlopsProfileColumn *column = &profile->columns[i];
		MemoryContext old = MemoryContextSwitchTo(profile->context);
		bool		isnull;

		if (column->sketch != NULL)
		{
			mlops_sketch_free(column->sketch);
			column->sketch = mlops_sketch_from_datum(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
																   ++number, &isnull));
		}
		MemoryContextSwitchTo(old);
	}
	return json;
}

/*
 * DestReceiver: a tuple for the copy.  A slot that is virtual has no toasted
 * value that would outlive its table: the heap stores them anew.
 */
static bool
receive_tuple(TupleTableSlot *slot, DestReceiver *self)
{
	Copier	   *copier = (Copier *) self;
	MemoryContext old;

	slot_getallattrs(slot);
	ExecClearTuple(copier->slot);
	memcpy(copier->slot->tts_values, slot->tts_values,
		   sizeof(Datum) * copier->slot->tts_tupleDescriptor->natts);
	memcpy(copier->slot->tts_isnull, slot->tts_isnull,
		   sizeof(bool) * copier->slot->tts_tupleDescriptor->natts);
	ExecStoreVirtualTuple(copier->slot);

	old = MemoryContextSwitchTo(copier->row_context);
	mlops_content_add(copier->content, copier->slot->tts_values, copier->slot->tts_isnull);
	if (copier->profile != NULL)
		mlops_profile_add_row(copier->profile, copier->slot->tts_values, copier->slot->tts_isnull);
	table_tuple_insert(copier->table, copier->slot, copier->command, 0, copier->bulk);
	MemoryContextSwitchTo(old);
	MemoryContextReset(copier->row_context);
	return true;
}

static void
receive_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	if (tupdesc->natts != ((Copier *) self)->slot->tts_tupleDescriptor->natts)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the columns of the query changed while it was prepared")));
}

static void
receive_nothing(DestReceiver *self)
{
}

/*
 * Copy what the query gives, and hash it.  The table was made for it.
 */
static char *
copy_query(const Source *source, SPIPlanPtr plan, TupleDesc tupdesc)
{
	SPIExecuteOptions options = {.read_only = true};
	Oid			namespace = get_namespace_oid(COPY_SCHEMA, false);
	Oid			table = get_relname_relid(psprintf("_snapshot_" INT64_FORMAT, source->copy), namespace);
	Copier		copier = {{0}};
	int			result;

	copier.receiver.receiveSlot = receive_tuple;
	copier.receiver.rStartup = receive_startup;
	copier.receiver.rShutdown = receive_nothing;
	copier.receiver.rDestroy = receive_nothing;
	copier.receiver.mydest = DestTuplestore;	/* SPI knows none of ours */
	copier.content = mlops_content_create(tupdesc, source->label);
	copier.profile = source->profile;
	copier.row_context = AllocSetContextCreate(CurrentMemoryContext, "mlops row",
											   ALLOCSET_DEFAULT_SIZES);
	copier.table = table_open(table, RowExclusiveLock);
	copier.slot = MakeSingleTupleTableSlot(RelationGetDescr(copier.table), &TTSOpsVirtual);
	copier.bulk = GetBulkInsertState();
	copier.command = GetCurrentCommandId(true);

	options.dest = &copier.receiver;
	result = SPI_execute_plan_extended(plan, &options);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan_extended failed: %s", SPI_result_code_string(result));

	FreeBulkInsertState(copier.bulk);
	table_finish_bulk_insert(copier.table, 0);
	ExecDropSingleTupleTableSlot(copier.slot);
	table_close(copier.table, NoLock);
	CommandCounterIncrement();
	return mlops_content_json(copier.content);
}

/*
 * Have the table for a copy made.
 */
static void
create_copy(int64 number, const char *columns)
{
	const Oid	types[] = {INT8OID, JSONBOID};
	NullableDatum args[lengthof(types)] = {{.value = Int64GetDatum(number)}, jsonb_datum(columns)};
	bool		isnull;

	mlops_call_private("_create_copy", lengthof(types), types, args, &isnull);
}

/*
 * Read the query of a snapshot, as the present user.  The results are in the
 * source's memory context.
 */
static void
read_source(Source *source)
{
	bool		save_read_only = XactReadOnly;
	SPIPlanPtr	plan;
	TupleDesc	tupdesc;
	char	   *text;
	char	   *content;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = mlops_query_prepare(source->query, "the query of a snapshot", CURSOR_OPT_PARALLEL_OK);
	tupdesc = CreateTupleDescCopy(((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc);
	if (tupdesc->natts == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query has no columns")));
	/* what has no canonical form is refused before anything is read */
	(void) mlops_content_create(tupdesc, source->label);
	text = mlops_query_text(plan);
	if (source->profile != NULL)
		mlops_profile_add_columns(source->profile, tupdesc);
	source->columns = MemoryContextStrdup(source->context, json_columns(tupdesc));
	source->relations = MemoryContextStrdup(source->context,
											json_strings(mlops_query_relations(plan, CurrentMemoryContext)));
	source->checked = MemoryContextStrdup(source->context,
										  json_strings(mlops_query_checked_relations(plan, CurrentMemoryContext)));
	if (source->copy != 0)
		create_copy(source->copy, source->columns);

	XactReadOnly = true;
	PG_TRY();
	{
		if (source->key != NULL)
			check_key(source, text, tupdesc);
		content = source->copy != 0 ? copy_query(source, plan, tupdesc) :
			hash_query(source, text, tupdesc);
	}
	PG_FINALLY();
	{
		XactReadOnly = save_read_only;
	}
	PG_END_TRY();
	source->content = MemoryContextStrdup(source->context, content);
	SPI_finish();
}

static void
require_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s cannot be NULL", name)));
}

/*
 * Keep the profile with the snapshot of this number.
 */
static void
store_profile(const MlopsProfile *profile, Datum number)
{
	Oid			types[1 + MLOPS_PROFILE_ARRAYS] = {INT8OID};
	NullableDatum args[1 + MLOPS_PROFILE_ARRAYS] = {{.value = number}};
	bool		isnull;

	mlops_profile_array_types(types + 1);
	mlops_profile_arrays(profile, args + 1);
	mlops_call_private("_store_snapshot_profile", lengthof(types), types, args, &isnull);
}

/*
 * SQL: mlops.snapshot(), the reference to the new snapshot.
 */
Datum
mlops_snapshot(PG_FUNCTION_ARGS)
{
	const Oid	begin_types[] = {TEXTOID};
	const Oid	types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BOOLOID,
	JSONBOID, JSONBOID, JSONBOID, JSONBOID, JSONBOID, TEXTOID};
	NullableDatum args[lengthof(types)] = {0};
	NullableDatum name;
	Source		source = {0};
	Datum		number;
	Datum		result;
	bool		isnull;

	require_argument(fcinfo, ARG_PROFILE, "profile");
	require_argument(fcinfo, ARG_NAME, "name");
	require_argument(fcinfo, ARG_QUERY, "query");
	require_argument(fcinfo, ARG_MATERIALIZE, "materialize");
	require_argument(fcinfo, ARG_TAGS, "tags");
	PreventCommandIfReadOnly("mlops.snapshot()");

	name = text_datum(text_argument(fcinfo, ARG_NAME));
	number = mlops_call_private("_begin_snapshot", lengthof(begin_types), begin_types, &name, &isnull);

	source.query = text_argument(fcinfo, ARG_QUERY);
	source.key = text_argument(fcinfo, ARG_KEY);
	source.label = text_argument(fcinfo, ARG_LABEL);
	source.copy = PG_GETARG_BOOL(ARG_MATERIALIZE) ? DatumGetInt64(number) : 0;
	source.context = CurrentMemoryContext;
	if (PG_GETARG_BOOL(ARG_PROFILE))
		source.profile = mlops_profile_create();
	read_source(&source);

	args[0].value = number;
	args[1] = name;
	args[2] = text_datum(source.query);
	args[3] = text_datum(namespace_search_path);
	args[4] = text_datum(source.key);
	args[5] = text_datum(source.label);
	args[6].value = BoolGetDatum(source.copy != 0);
	args[7] = jsonb_datum(source.columns);
	args[8] = jsonb_datum(source.relations);
	args[9] = jsonb_datum(source.checked);
	args[10] = jsonb_datum(source.content);
	args[11].value = PG_GETARG_DATUM(ARG_TAGS);
	args[12] = text_datum(text_argument(fcinfo, ARG_DESCRIPTION));
	result = mlops_call_private("_register_snapshot", lengthof(types), types, args, &isnull);
	if (source.profile != NULL)
	{
		store_profile(source.profile, number);
		MemoryContextDelete(source.profile->context);
	}
	PG_RETURN_DATUM(result);
}

/*
 * SQL, private: what a query gives that a role runs under a search_path, as
 * jsonb with columns, hash, rows and classes.
 */
Datum
mlops_content_as(PG_FUNCTION_ARGS)
{
	Oid			role = PG_GETARG_OID(0);
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Source		source = {0};
	Oid			save_user;
	int			save_context;
	int			nest_level;

	(void) mlops_caller();
	source.query = text_argument(fcinfo, 2);
	source.label = text_argument(fcinfo, 3);
	source.context = CurrentMemoryContext;

	GetUserIdAndSecContext(&save_user, &save_context);
	nest_level = NewGUCNestLevel();
	SetUserIdAndSecContext(role, save_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	(void) set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	/* an error ends both with its transaction or subtransaction */
	read_source(&source);
	AtEOXact_GUC(false, nest_level);
	SetUserIdAndSecContext(save_user, save_context);

	PG_RETURN_DATUM(jsonb_datum(psprintf("{\"columns\": %s, %s", source.columns,
										 source.content + 1)).value);
}

/*
 * May a user see a relation that a query read?  By table or by some column.
 */
static bool
may_select(Oid user, char *name)
{
	List	   *names = textToQualifiedNameList(cstring_to_text(name));
	Oid			relation = RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true);

	if (!OidIsValid(relation))
		return true;
	if (!DatumGetBool(DirectFunctionCall3(has_schema_privilege_id_id, ObjectIdGetDatum(user),
										  ObjectIdGetDatum(get_rel_namespace(relation)),
										  CStringGetTextDatum("USAGE"))))
		return false;
	return pg_class_aclcheck(relation, user, ACL_SELECT) == ACLCHECK_OK ||
		pg_attribute_aclcheck_all(relation, user, ACL_SELECT, ACLMASK_ANY) == ACLCHECK_OK;
}

/*
 * May a user see a snapshot?  False too if there is none.  Rows are read under
 * a snapshot of this moment, as privileges on models are (privilege.c).
 */
static bool
snapshot_readable(Oid user, int64 id)
{
	MlopsTableKey key = {"id", {.value = Int64GetDatum(id)}};
	MlopsTableKey name = {"name"};
	MlopsTableScan scan;
	HeapTuple	tuple;
	ArrayType  *relations = NULL;
	bool		result = false;
	bool		isnull;

	PushActiveSnapshot(GetCatalogSnapshot(InvalidOid));
	mlops_table_begin(&scan, "snapshot", "snapshot_pkey", GetActiveSnapshot(), &key, 1);
	tuple = mlops_table_next(&scan);
	if (tuple != NULL)
	{
		relations = DatumGetArrayTypePCopy(mlops_table_value(&scan, tuple, "checked_relations", &isnull));
		name.value.value = CStringGetTextDatum(TextDatumGetCString(mlops_table_value(&scan, tuple, "name", &isnull)));
	}
	mlops_table_end(&scan);

	if (relations != NULL && superuser_arg(user))
		result = true;
	else if (relations != NULL)
	{
		mlops_table_begin(&scan, "snapshot_name", "snapshot_name_pkey", GetActiveSnapshot(), &name, 1);
		tuple = mlops_table_next(&scan);
		if (tuple != NULL)
		{
			Oid			role = DatumGetObjectId(mlops_table_value(&scan, tuple, "role", &isnull));

			result = !isnull && has_privs_of_role(user, role);
		}
		mlops_table_end(&scan);
		if (result)
		{
			Datum	   *names;
			int			count;

			deconstruct_array(relations, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &count);
			for (int i = 0; result && i < count; i++)
				result = may_select(user, TextDatumGetCString(names[i]));
		}
	}
	PopActiveSnapshot();
	return result;
}

/*
 * SQL: whether the present user may see a snapshot.
 */
Datum
mlops_snapshot_readable(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(snapshot_readable(GetUserId(), PG_GETARG_INT64(0)));
}

/*
 * SQL, private: whether a role may see a snapshot.
 */
Datum
mlops_snapshot_readable_by(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(snapshot_readable(get_role_oid(NameStr(*PG_GETARG_NAME(1)), false),
									 PG_GETARG_INT64(0)));
}

/*
 * SQL: true, or error 42501 unless the present user may see a snapshot.  It
 * stands in the view of each copy.
 */
Datum
mlops_check_snapshot(PG_FUNCTION_ARGS)
{
	if (!snapshot_readable(GetUserId(), PG_GETARG_INT64(0)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the copy of a snapshot"),
				 errdetail("Role \"%s\" has to be a member of the role that made it, and to have SELECT on the relations that it was made from.",
						   GetUserNameFromId(GetUserId(), false))));
	PG_RETURN_BOOL(true);
}
