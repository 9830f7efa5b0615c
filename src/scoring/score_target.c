/*-------------------------------------------------------------------------
 *
 * score_target.c
 *	  The table that mlops.score() writes to.
 *
 * The table has the key's columns, model, version, scored_at, and some of the
 * columns of results.  One that does not exist is created; one that exists is
 * checked by names and types.  In both a unique constraint over the key, the
 * model and the version sees to it that a key has one score of a version,
 * whoever writes it.
 *
 * Everything is done by SQL with the rights of the caller: so triggers,
 * constraints, defaults, generated columns, partitions and policies are what
 * they are for any INSERT.  A batch is an ephemeral relation, as a trigger's
 * transition table is one, and one statement inserts it.  What the table has
 * of a batch already is found by another one, before the batch is scored.
 *
 * A row of the same run is not looked for: so a key that the query gives twice
 * is found by the constraint, whose error names it.  Rows of this run are
 * known by their scored_at.
 *
 * Lifetime.  A target belongs to the memory context that is current when it is
 * opened, which may outlive transactions.  Between mlops_target_begin() and
 * mlops_target_end() the table is locked against changes, and the two
 * statements are prepared; no transaction ends in between but by an error.
 * Each begin looks at the table anew: it must be the same one, and still fit.
 *
 * SPI leaves its own memory context as the current one, which lives as long as
 * a run; so whoever calls SPI here goes back to the one that was current.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

#include "scoring/score_target.h"

/* what a batch is called in our statements */
#define BATCH_NAME		"mlops_batch"

/* our columns besides the key's; results first, in the order of their enum */
enum
{
	COLUMN_MODEL = MLOPS_SCORE_COLUMNS,
	COLUMN_VERSION,
	COLUMN_SCORED_AT,
	NUM_COLUMNS
};

static const struct
{
	const char *name;
	Oid			type;
	const char *definition;		/* in a new table */
}			columns[NUM_COLUMNS] =
{
	[MLOPS_SCORE_SCORE] = {"score", FLOAT8OID, "double precision"},
	[MLOPS_SCORE_CLASS] = {"class", TEXTOID, "text"},
	[MLOPS_SCORE_PROBA] = {"proba", FLOAT8ARRAYOID, "double precision[]"},
	[MLOPS_SCORE_MARGIN] = {"margin", FLOAT8ARRAYOID, "double precision[]"},
	[COLUMN_MODEL] = {"model", TEXTOID, "text NOT NULL"},
	[COLUMN_VERSION] = {"version", INT4OID, "integer NOT NULL"},
	[COLUMN_SCORED_AT] = {"scored_at", TIMESTAMPTZOID, "timestamp with time zone NOT NULL"}
};

struct MlopsTarget
{
	MemoryContext context;
	MlopsTargetSpec spec;
	Oid			relid;
	char	   *schema;
	char	   *table;
	char	   *name;			/* both, quoted */
	bool		created;		/* by this run: nobody else has written to it */
	AttrNumber *key_numbers;	/* in the table */
	AttrNumber	numbers[NUM_COLUMNS];	/* likewise; 0: it has none */
	char	   *key_list;		/* names of the key's columns, quoted */

	/* the batch as a relation: row, the key's columns, the results */
	EphemeralNamedRelationData batch;
	Tuplestorestate *store;		/* NULL if it has no rows */
	Datum	   *values;			/* room for one row */
	bool	   *nulls;

	/* of the present transaction */
	SPIPlanPtr	look;
	SPIPlanPtr	insert;
};

/* the name of one of the key's columns */
static const char *
key_name(const MlopsTargetSpec *spec, int i)
{
	return NameStr(TupleDescAttr(spec->query, spec->keys[i])->attname);
}

/*
 * The names of the key's columns, as SQL has them.
 */
static char *
key_list(const MlopsTargetSpec *spec)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < spec->num_keys; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", quote_identifier(key_name(spec, i)));
	return list.data;
}

/*
 * Error unless the columns can be a key: values of the type are equal or not,
 * and the names are not those of our own columns.
 */
static void
check_keys(const MlopsTargetSpec *spec)
{
	for (int i = 0; i < spec->num_keys; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(spec->query, spec->keys[i]);
		TypeCacheEntry *type = lookup_type_cache(attribute->atttypid, TYPECACHE_BTREE_OPFAMILY);

		if (!OidIsValid(type->btree_opf) || get_typtype(attribute->atttypid) == TYPTYPE_PSEUDO)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of type %s cannot be the key",
							NameStr(attribute->attname), format_type_be(attribute->atttypid)),
					 errhint("Cast it in the query to a type that can have a unique index.")));
		for (int j = 0; j < NUM_COLUMNS; j++)
			if (strcmp(columns[j].name, NameStr(attribute->attname)) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("a key cannot be named \"%s\"", columns[j].name),
						 errdetail("The target has a column of this name for what is written."),
						 errhint("Give it another name in the query with AS.")));
	}
}

/*
 * The statement that makes a table for what is written.
 */
static char *
create_statement(const MlopsTargetSpec *spec, const char *name)
{
	static const int order[] = {COLUMN_MODEL, COLUMN_VERSION, MLOPS_SCORE_SCORE, MLOPS_SCORE_CLASS,
		MLOPS_SCORE_PROBA, MLOPS_SCORE_MARGIN, COLUMN_SCORED_AT};
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", name);
	for (int i = 0; i < spec->num_keys; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(spec->query, spec->keys[i]);

		appendStringInfo(&sql, "%s %s", quote_identifier(NameStr(attribute->attname)),
						 format_type_extended(attribute->atttypid, attribute->atttypmod,
											  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
		if (OidIsValid(attribute->attcollation) &&
			attribute->attcollation != get_typcollation(attribute->atttypid))
			appendStringInfo(&sql, " COLLATE %s", generate_collation_name(attribute->attcollation));
		appendStringInfoString(&sql, ", ");
	}
	for (int i = 0; i < (int) lengthof(order); i++)
		if (order[i] >= MLOPS_SCORE_COLUMNS || spec->wants[order[i]])
			appendStringInfo(&sql, "%s %s, ", columns[order[i]].name, columns[order[i]].definition);
	appendStringInfo(&sql, "PRIMARY KEY (%s, model, version))", key_list(spec));
	return sql.data;
}

/*
 * Does a column of a type keep all values of another one as they are, and
 * compare them so?  Blanks at the end do not count in char(n), but in text.
 */
static bool
keeps_values(Oid column, Oid type)
{
	column = getBaseType(column);
	type = getBaseType(type);
	return column == type || (column != BPCHAROID && IsBinaryCoercible(type, column)) ||
		(type == INT2OID && (column == INT4OID || column == INT8OID)) ||
		(type == INT4OID && column == INT8OID);
}

/*
 * The attribute number of a column in the table.  Error if it has none, unless
 * it is optional, and error if the type is not the one for the values of a
 * type that shall stand there.
 */
static AttrNumber
find_column(const MlopsTarget *target, TupleDesc desc, const char *name, Oid type, bool optional)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), name) != 0)
			continue;
		if (!keeps_values(attribute->atttypid, type))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of the target %s has type %s, not %s", name, target->name,
							format_type_be(attribute->atttypid), format_type_be(type)),
					 errhint("A target for this query can be made by: %s",
							 create_statement(&target->spec, target->name))));
		return attribute->attnum;
	}
	if (!optional)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the target %s has no column \"%s\"", target->name, name),
				 errhint("A target for this query can be made by: %s",
						 create_statement(&target->spec, target->name))));
	return InvalidAttrNumber;
}

/*
 * Is this an index that allows one row for each key, model and version?
 */
static bool
is_unique_for_us(const MlopsTarget *target, Relation index)
{
	Form_pg_index form = index->rd_index;
	int			found = 0;

	if (!form->indisunique || !form->indimmediate || !form->indisvalid ||
		form->indnkeyatts != target->spec.num_keys + 2 ||
		!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
		return false;
	for (int i = 0; i < form->indnkeyatts; i++)
	{
		AttrNumber	number = form->indkey.values[i];

		found += number == target->numbers[COLUMN_MODEL] || number == target->numbers[COLUMN_VERSION];
		for (int key = 0; key < target->spec.num_keys; key++)
			found += number == target->key_numbers[key];
	}
	return found == form->indnkeyatts;
}

/*
 * Check that the table is one that we can write to, and find its columns.
 */
static void
check_table(MlopsTarget *target)
{
	Relation	relation = table_open(target->relid, NoLock);
	TupleDesc	desc = RelationGetDescr(relation);
	bool		any = false;
	bool		unique = false;
	List	   *indexes;
	ListCell   *cell;

	if (relation->rd_rel->relkind != RELKIND_RELATION &&
		relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the target %s is not a table", target->name),
				 errdetail("Only a table of this server can have the unique constraint that keeps one score for each key.")));

	for (int i = 0; i < target->spec.num_keys; i++)
		target->key_numbers[i] = find_column(target, desc, key_name(&target->spec, i),
											 TupleDescAttr(target->spec.query, target->spec.keys[i])->atttypid,
											 false);
	for (int i = 0; i < NUM_COLUMNS; i++)
	{
		target->numbers[i] = find_column(target, desc, columns[i].name, columns[i].type,
										 i < MLOPS_SCORE_COLUMNS);
		any |= i < MLOPS_SCORE_COLUMNS && target->numbers[i] != InvalidAttrNumber && target->spec.gives[i];
	}
	if (!any)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the target %s has no column for what version %d of model \"%s\" gives",
						target->name, target->spec.version, target->spec.model),
				 errhint("A target for this query can be made by: %s",
						 create_statement(&target->spec, target->name))));

	indexes = RelationGetIndexList(relation);
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		unique |= is_unique_for_us(target, index);
		index_close(index, NoLock);
	}
	if (!unique)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the target %s does not keep one score for each key", target->name),
				 errhint("Make it do so: ALTER TABLE %s ADD UNIQUE (%s, model, version)",
						 target->name, target->key_list)));
	table_close(relation, NoLock);
}

/*
 * RangeVarGetRelidExtended callback: before the table is locked.
 */
static void
check_right(const RangeVar *relation, Oid relid, Oid old_relid, void *arg)
{
	AclResult	acl;

	if (!OidIsValid(relid))
		return;
	acl = pg_class_aclcheck(relid, GetUserId(), ACL_INSERT);
	if (acl != ACLCHECK_OK)
		acl = pg_attribute_aclcheck_all(relid, GetUserId(), ACL_INSERT, ACLMASK_ANY);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, get_relkind_objtype(get_rel_relkind(relid)), relation->relname);
}

/*
 * Find a table and lock it against changes; an invalid OID if there is none.
 */
static Oid
lock_table(RangeVar *name)
{
	return RangeVarGetRelidExtended(name, RowExclusiveLock, RVR_MISSING_OK, check_right, NULL);
}

/* error context callback: how a table that may not be created can be had */
static void
creating(void *arg)
{
	if (geterrcode() == ERRCODE_INSUFFICIENT_PRIVILEGE)
		errhint("Somebody with the right to do so can create it for you: %s", (char *) arg);
	errcontext("creating the target of scores");
}

static void
create_table(const char *statement)
{
	ErrorContextCallback callback = {.callback = creating,.arg = unconstify(char *, statement)};
	MemoryContext old = CurrentMemoryContext;

	callback.previous = error_context_stack;
	error_context_stack = &callback;
	if (SPI_execute(statement, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not create a table");
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(old);
}

/*
 * Describe a batch as a relation, and make it known to SPI, once.
 */
static void
describe_batch(MlopsTarget *target)
{
	Relation	relation = table_open(target->relid, NoLock);
	int			num_keys = target->spec.num_keys;
	int			width = 1 + num_keys + MLOPS_SCORE_COLUMNS;
	MemoryContext old = MemoryContextSwitchTo(target->context);
	TupleDesc	desc = CreateTemplateTupleDesc(width);

	TupleDescInitEntry(desc, 1, "row", INT4OID, -1, 0);
	for (int i = 0; i < num_keys; i++)
	{
		Form_pg_attribute query = TupleDescAttr(target->spec.query, target->spec.keys[i]);
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation), target->key_numbers[i] - 1);

		TupleDescInitEntry(desc, i + 2, psprintf("key%d", i + 1), query->atttypid, query->atttypmod, 0);
		/* what is compared has the collation that the constraint compares by */
		if (OidIsValid(column->attcollation))
			TupleDescInitEntryCollation(desc, i + 2, column->attcollation);
	}
	for (int i = 0; i < MLOPS_SCORE_COLUMNS; i++)
		TupleDescInitEntry(desc, num_keys + i + 2, columns[i].name, columns[i].type, -1,
						   columns[i].type == FLOAT8ARRAYOID ? 1 : 0);
	table_close(relation, NoLock);

	target->batch.md.name = BATCH_NAME;
	target->batch.md.reliddesc = InvalidOid;
	target->batch.md.tupdesc = desc;
	target->batch.md.enrtype = ENR_NAMED_TUPLESTORE;
	target->batch.md.enrtuples = target->spec.batch_rows;
	if (SPI_register_relation(&target->batch) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register a batch of rows");
	target->values = palloc0(mul_size(sizeof(Datum), width));
	target->nulls = palloc0(mul_size(sizeof(bool), width));
	MemoryContextSwitchTo(old);
}

/*
 * Open the table of this name, which is created if it does not exist, and
 * begin.  In the current memory context, which has to be SPI's or to live as
 * long.  Errors for a table that does not fit say how to make one that does.
 */
MlopsTarget *
mlops_target_open(const char *name, const MlopsTargetSpec *spec)
{
	MlopsTarget *target = palloc0(sizeof(MlopsTarget));
	RangeVar   *range = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name)));

	check_keys(spec);
	target->context = CurrentMemoryContext;
	target->spec = *spec;
	target->key_list = key_list(spec);
	target->key_numbers = palloc0(mul_size(sizeof(AttrNumber), spec->num_keys));
	target->relid = lock_table(range);
	if (!OidIsValid(target->relid))
	{
		const char *quoted = range->schemaname == NULL ? quote_identifier(range->relname) :
			quote_qualified_identifier(range->schemaname, range->relname);

		create_table(create_statement(spec, quoted));
		target->relid = lock_table(range);
		target->created = true;
	}
	target->schema = get_namespace_name(get_rel_namespace(target->relid));
	target->table = get_rel_name(target->relid);
	target->name = quote_qualified_identifier(target->schema, target->table);

	mlops_target_begin(target);
	return target;
}

/* append the equality of two expressions, by the operator of a type */
static void
append_equal(StringInfo sql, const char *left, Oid type, const char *right)
{
	TypeCacheEntry *entry = lookup_type_cache(getBaseType(type), TYPECACHE_EQ_OPR);
	HeapTuple	tuple;
	Form_pg_operator form;

	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(entry->eq_opr));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", entry->eq_opr);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	appendStringInfo(sql, "%s OPERATOR(%s.%s) %s", left,
					 quote_identifier(get_namespace_name(form->oprnamespace)),
					 NameStr(form->oprname), right);
	ReleaseSysCache(tuple);
}

/*
 * The statement that finds which rows of a batch the table has, but for those
 * that this run has written.  A subquery of this form is not made a join: it
 * looks into an index for each row, see mlops_target_look().
 */
static char *
look_statement(const MlopsTarget *target, TupleDesc desc)
{
	Form_pg_attribute time = TupleDescAttr(desc, target->numbers[COLUMN_SCORED_AT] - 1);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT b.\"row\" FROM " BATCH_NAME " b WHERE (SELECT true FROM %s t WHERE ",
					 target->name);
	for (int i = 0; i < target->spec.num_keys; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, target->key_numbers[i] - 1);

		append_equal(&sql, psprintf("t.%s", quote_identifier(NameStr(column->attname))),
					 column->atttypid, psprintf("b.key%d", i + 1));
		appendStringInfoString(&sql, " AND ");
	}
	append_equal(&sql, "t.model", TEXTOID, "$1");
	appendStringInfoString(&sql, " AND ");
	append_equal(&sql, "t.version", INT4OID, "$2");
	/* as it was stored: a column can have less precision */
	appendStringInfoString(&sql, " AND (");
	append_equal(&sql, "t.scored_at", TIMESTAMPTZOID,
				 psprintf("CAST($3 AS %s)", format_type_extended(time->atttypid, time->atttypmod,
																 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY)));
	appendStringInfoString(&sql, ") IS NOT TRUE LIMIT 1)");
	return sql.data;
}

/*
 * The statement that inserts a batch.
 */
static char *
insert_statement(const MlopsTarget *target)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (%s, model, version, scored_at", target->name, target->key_list);
	for (int i = 0; i < MLOPS_SCORE_COLUMNS; i++)
		if (mlops_target_has_column(target, i))
			appendStringInfo(&sql, ", %s", columns[i].name);
	appendStringInfoString(&sql, ") SELECT ");
	for (int i = 0; i < target->spec.num_keys; i++)
		appendStringInfo(&sql, "b.key%d, ", i + 1);
	appendStringInfoString(&sql, "$1, $2, $3");
	for (int i = 0; i < MLOPS_SCORE_COLUMNS; i++)
		if (mlops_target_has_column(target, i))
			appendStringInfo(&sql, ", b.%s", columns[i].name);
	appendStringInfoString(&sql, " FROM " BATCH_NAME " b");
	return sql.data;
}

static SPIPlanPtr
prepare(const char *statement, int options)
{
	Oid			types[] = {TEXTOID, INT4OID, TIMESTAMPTZOID};
	MemoryContext old = CurrentMemoryContext;
	SPIPlanPtr	plan = SPI_prepare_cursor(statement, lengthof(types), types, options);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	MemoryContextSwitchTo(old);
	return plan;
}

/*
 * A transaction begins in which the target is written to.  Error if it is not
 * the table any more that it was, or does not fit.
 */
void
mlops_target_begin(MlopsTarget *target)
{
	/* a run can have many transactions */
	MemoryContext scratch = AllocSetContextCreate(target->context, "mlops score target",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	Relation	relation;

	if (lock_table(makeRangeVar(target->schema, target->table, -1)) != target->relid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the target %s was dropped, renamed or replaced while it was written to",
						target->name)));
	check_table(target);
	if (target->batch.md.tupdesc == NULL)
		describe_batch(target);

	relation = table_open(target->relid, NoLock);
	target->insert = prepare(insert_statement(target), CURSOR_OPT_GENERIC_PLAN);
	if (mlops_target_may_have(target))
		target->look = prepare(look_statement(target, RelationGetDescr(relation)), CURSOR_OPT_GENERIC_PLAN);
	table_close(relation, NoLock);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

/*
 * The transaction ends.
 */
void
mlops_target_end(MlopsTarget *target)
{
	SPI_freeplan(target->insert);
	if (target->look != NULL)
		SPI_freeplan(target->look);
	target->insert = target->look = NULL;
}

/*
 * Can the table have rows that were not written by this run?
 */
bool
mlops_target_may_have(const MlopsTarget *target)
{
	return !target->created;
}

bool
mlops_target_has_column(const MlopsTarget *target, MlopsScoreColumn column)
{
	return target->numbers[column] != InvalidAttrNumber;
}

/*
 * Put a row into the batch: its number, key and results; what is only looked
 * for has none.  The values are copied.
 */
void
mlops_target_put(MlopsTarget *target, int row, const Datum *keys, const NullableDatum *results)
{
	int			column = 0;

	if (target->store == NULL)
		target->store = tuplestore_begin_heap(true, false, work_mem);
	target->values[column++] = Int32GetDatum(row);
	for (int i = 0; i < target->spec.num_keys; i++)
		target->values[column++] = keys[i];
	for (int i = 0; i < MLOPS_SCORE_COLUMNS; i++, column++)
	{
		target->nulls[column] = results == NULL || results[i].isnull;
		target->values[column] = target->nulls[column] ? (Datum) 0 : results[i].value;
	}
	tuplestore_putvalues(target->store, target->batch.md.tupdesc, target->values, target->nulls);
}

/*
 * Execute a statement on the batch, which is empty then.
 */
static int
execute(MlopsTarget *target, SPIPlanPtr plan)
{
	Datum		values[] = {CStringGetTextDatum(target->spec.model), Int32GetDatum(target->spec.version),
	TimestampTzGetDatum(target->spec.scored_at)};
	MemoryContext old = CurrentMemoryContext;
	int			result;

	target->batch.reldata = target->store;
	result = SPI_execute_plan(plan, values, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
	tuplestore_end(target->store);
	target->store = NULL;
	target->batch.reldata = NULL;
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Look for the rows of the batch: present[i] says whether the table has row i.
 *
 * The plan is made for the table as it is at first, perhaps empty, and must be
 * good when it has grown by millions of rows: so it may not scan all of it.
 */
void
mlops_target_look(MlopsTarget *target, bool *present)
{
	int			nest_level;

	if (target->store == NULL)
		return;
	nest_level = NewGUCNestLevel();
	(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	execute(target, target->look);
	AtEOXact_GUC(true, nest_level);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		present[DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull))] = true;
	}
	SPI_freetuptable(SPI_tuptable);
}

/* error context callback of the insertion */
static void
inserting(void *arg)
{
	const MlopsTarget *target = arg;

	errcontext("writing scores of version %d of model \"%s\" to %s, one for each (%s)",
			   target->spec.version, target->spec.model, target->name, target->key_list);
}

/*
 * Insert the batch.  Returns the number of rows that were inserted, which a
 * trigger can make smaller.  Error 23505 for a key that the table has.
 */
int64
mlops_target_insert(MlopsTarget *target)
{
	ErrorContextCallback callback = {.callback = inserting,.arg = target};
	int			result;

	if (target->store == NULL)
		return 0;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	result = execute(target, target->insert);
	error_context_stack = callback.previous;
	return result == SPI_OK_INSERT ? (int64) SPI_processed : 0;
}
