/*-------------------------------------------------------------------------
 *
 * query.c
 *	  A query that a user gives as text, to read rows with.
 *
 * It is parsed under the caller's search_path and runs with the caller's
 * rights.  SPI is connected around everything here.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "tcop/cmdtag.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"

#include "training/query.h"

/*
 * Prepare the query.  Error unless it is one statement that reads rows and
 * does nothing else; it calls the query what it is for the user.  SPI is
 * connected.
 */
SPIPlanPtr
mlops_query_prepare(const char *query, const char *what, int cursor_options)
{
	SPIPrepareOptions options = {.cursorOptions = cursor_options};
	SPIPlanPtr	plan = SPI_prepare_extended(query, &options);
	List	   *sources;
	const char *fault = NULL;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_extended failed: %s", SPI_result_code_string(SPI_result));

	sources = SPI_plan_get_plan_sources(plan);
	if (sources == NIL)
		fault = "It is empty.";
	else if (list_length(sources) > 1)
		fault = psprintf("It has %d statements.", list_length(sources));
	else
	{
		CachedPlanSource *source = linitial(sources);
		Query	   *parsed = list_length(source->query_list) == 1 ?
			linitial_node(Query, source->query_list) : NULL;

		if (parsed != NULL && parsed->commandType == CMD_SELECT)
		{
			if (parsed->hasModifyingCTE)
				fault = "Its WITH clause changes data.";
			else if (parsed->rowMarks != NIL)
				fault = "It locks rows.";
		}
		else if (parsed != NULL && parsed->utilityStmt != NULL &&
				 IsA(parsed->utilityStmt, CreateTableAsStmt))
			fault = "It makes a table.";
		else
			fault = psprintf("It is %s.", GetCommandTagName(source->commandTag));
	}
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be one SELECT", what),
				 errdetail("%s", fault),
				 errhint("Pass one statement that begins with SELECT, WITH, VALUES or TABLE and only reads.")));
	return plan;
}

/*
 * Qualified names of relations, in the order of their OIDs.
 */
static List *
relation_names(List *oids, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	List	   *names = NIL;
	ListCell   *cell;

	list_sort(oids, list_oid_cmp);
	list_deduplicate_oid(oids);
	foreach(cell, oids)
	{
		char	   *name = get_rel_name(lfirst_oid(cell));

		if (name != NULL)
			names = lappend(names,
							quote_qualified_identifier(get_namespace_name_or_temp(get_rel_namespace(lfirst_oid(cell))),
													   name));
	}
	MemoryContextSwitchTo(old);
	return names;
}

/*
 * The relations that a prepared query reads, as a sorted list of qualified
 * names: what it names, what its views read, and what functions read that
 * the planner inlined.  Partitions go by the table that they are of.
 */
List *
mlops_query_relations(SPIPlanPtr plan, MemoryContext context)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	List	   *oids = list_copy(source->relationOids);

	if (cached != NULL)
	{
		ListCell   *statement;
		ListCell   *cell;

		foreach(statement, cached->stmt_list)
		{
			foreach(cell, lfirst_node(PlannedStmt, statement)->relationOids)
			{
				if (!get_rel_relispartition(lfirst_oid(cell)))
					oids = list_append_unique_oid(oids, lfirst_oid(cell));
			}
		}
		ReleaseCachedPlan(cached, NULL);	/* the plan is not saved */
	}
	return relation_names(oids, context);
}

/*
 * Those of the relations on which the rights of the query's own user are
 * checked: not what a view reads with the rights of its owner.
 */
List *
mlops_query_checked_relations(SPIPlanPtr plan, MemoryContext context)
{
	CachedPlan *cached = SPI_plan_get_cached_plan(plan);
	List	   *oids = NIL;

	if (cached != NULL)
	{
		ListCell   *statement;
		ListCell   *cell;

		foreach(statement, cached->stmt_list)
		{
			foreach(cell, mlops_plan_permissions(lfirst_node(PlannedStmt, statement)))
			{
				MlopsPlanPermission *permission = lfirst(cell);

				if (OidIsValid(permission->relid) && permission->requiredPerms != 0 &&
					!OidIsValid(permission->checkAsUser))
					oids = list_append_unique_oid(oids, permission->relid);
			}
		}
		ReleaseCachedPlan(cached, NULL);
	}
	return relation_names(oids, context);
}

/*
 * The text of a prepared query's one statement, without what may end it.
 */
char *
mlops_query_text(SPIPlanPtr plan)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));
	RawStmt    *raw = source->raw_parse_tree;

	if (raw->stmt_len == 0)
		return pstrdup(source->query_string + raw->stmt_location);
	return pnstrdup(source->query_string + raw->stmt_location, raw->stmt_len);
}

/*
 * The number of a column of a prepared query, from 0; -1 if there is none.
 */
int
mlops_query_column(SPIPlanPtr plan, const char *name)
{
	TupleDesc	tupdesc = ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), name) == 0)
			return i;
	}
	return -1;
}

/*
 * An expression that says of a row r of a prepared query whether its label is
 * this class.  A boolean label is the class itself unless the class has the
 * name of a boolean, as that of a model has which was trained with one.  Error
 * 42703 if the query has no such column.
 */
char *
mlops_query_is_class(SPIPlanPtr plan, const char *what, const char *label, const char *class)
{
	TupleDesc	tupdesc = ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc;
	int			number = mlops_query_column(plan, label);

	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("label \"%s\" is not a column of %s", label, what)));
	if (getBaseType(TupleDescAttr(tupdesc, number)->atttypid) == BOOLOID &&
		strcmp(class, "true") != 0 && strcmp(class, "false") != 0)
		return psprintf("r.%s::pg_catalog.bool", quote_identifier(label));
	return psprintf("(mlops._as_text(r.%s) OPERATOR(pg_catalog.=) %s)", quote_identifier(label),
					quote_literal_cstr(class));
}
