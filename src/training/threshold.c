/*-------------------------------------------------------------------------
 *
 * threshold.c
 *	  mlops.choose_threshold: from which score on an answer is positive.
 *
 * One statement scores the query's rows with mlops.predict() and goes through
 * their distinct scores from the highest down; each is a threshold, and so is
 * one above all.  It runs with the rights and the search_path of the caller,
 * read-only.  What was chosen is recorded with the version, or asked for in a
 * request if the version is in charge, by a private function.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "caller.h"
#include "training/query.h"

PG_FUNCTION_INFO_V1(mlops_choose_threshold);

/* the arguments of mlops.choose_threshold, in their order */
enum
{
	ARG_MODEL,
	ARG_QUERY,
	ARG_LABEL,
	ARG_COST,
	ARG_MAXIMIZE,
	ARG_AT_LEAST,
	ARG_REASON,
	ARG_CHANGE_REF
};

/* what can be asked of a threshold, as columns of the statement */
static const char *const measures[] = {"precision", "recall", "specificity", "f1", "accuracy"};
static const char *const cells[] = {"tp", "fp", "tn", "fn"};

static bool
is_word(const char *word, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Append, for each member of an object of numbers, its name and value by a
 * format of "%s ... %s".  Error if a name is none of the words.
 */
static void
append_numbers(StringInfo text, Jsonb *json, const char *argument, const char *const *words,
			   int count, bool cost)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be an object of numbers", argument)));
	iterator = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		if (token != WJB_VALUE)
			continue;
		if (!is_word(name, words, count) || item.type != jbvNumeric)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s has no number \"%s\"", argument, name),
					 cost ? errhint("It has costs of tp, fp, tn and fn.") :
					 errhint("It has least values of precision, recall, specificity, f1 and accuracy.")));
		appendStringInfo(text, cost ? " OPERATOR(pg_catalog.+) (c.%s::pg_catalog.float8 OPERATOR(pg_catalog.*) '%s'::pg_catalog.float8)" :
						 " AND m.%s OPERATOR(pg_catalog.>=) '%s'::pg_catalog.float8",
						 name, numeric_normalize(item.val.numeric));
	}
}

/*
 * SQL: mlops.choose_threshold(), one row.
 */
Datum
mlops_choose_threshold(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const Oid	find_types[] = {get_fn_expr_argtype(fcinfo->flinfo, ARG_MODEL)};
	const Oid	types[] = {find_types[0], TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID};
	NullableDatum args[lengthof(types)] = {0};
	bool		save_read_only = XactReadOnly;
	MemoryContext context = CurrentMemoryContext;
	StringInfoData cost;
	StringInfoData least;
	const char *order;
	char	   *maximize = NULL;
	char	   *label;
	char	   *positive;
	char	   *query;
	char	   *chosen = NULL;
	SPIPlanPtr	plan;
	bool		isnull;
	NullableDatum model;

	if (PG_ARGISNULL(ARG_MODEL) || PG_ARGISNULL(ARG_QUERY) || PG_ARGISNULL(ARG_LABEL))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model, query and label cannot be NULL")));
	if (PG_ARGISNULL(ARG_COST) == PG_ARGISNULL(ARG_MAXIMIZE))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a threshold is chosen either by cost or by what it maximizes"),
				 errhint("For example cost => '{\"fp\": 1, \"fn\": 5}', or maximize => 'recall', at_least => '{\"precision\": 0.8}'.")));
	PreventCommandIfReadOnly("mlops.choose_threshold()");

	initStringInfo(&cost);
	appendStringInfoString(&cost, "0::pg_catalog.float8");
	initStringInfo(&least);
	if (!PG_ARGISNULL(ARG_COST))
		append_numbers(&cost, PG_GETARG_JSONB_P(ARG_COST), "cost", cells, lengthof(cells), true);
	if (!PG_ARGISNULL(ARG_AT_LEAST))
		append_numbers(&least, PG_GETARG_JSONB_P(ARG_AT_LEAST), "at_least", measures, lengthof(measures), false);
	if (!PG_ARGISNULL(ARG_MAXIMIZE))
	{
		maximize = text_to_cstring(PG_GETARG_TEXT_PP(ARG_MAXIMIZE));
		if (!is_word(maximize, measures, lengthof(measures)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" cannot be maximized", maximize),
					 errhint("It is precision, recall, specificity, f1 or accuracy.")));
		order = psprintf("m.%s DESC NULLS LAST, m.threshold DESC", maximize);
	}
	else
		order = "m.cost, m.threshold DESC";

	/* resolved once, so that no promotion comes between */
	model.value = PG_GETARG_DATUM(ARG_MODEL);
	model.isnull = false;
	args[0].value = mlops_call_private("_threshold_version", 1, find_types, &model, &isnull);

	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = mlops_query_prepare(text_to_cstring(PG_GETARG_TEXT_PP(ARG_QUERY)), "the query of a threshold",
							   CURSOR_OPT_PARALLEL_OK);
	label = text_to_cstring(PG_GETARG_TEXT_PP(ARG_LABEL));
	query = mlops_query_text(plan);
	{
		NullableDatum class = {0};

		class.value = mlops_call_private("_positive_class", 1, find_types, &args[0], &isnull);
		positive = mlops_query_is_class(plan, "the query of a threshold", label, TextDatumGetCString(class.value));
	}

	XactReadOnly = true;
	PG_TRY();
	{
		const char *statement =
			psprintf("WITH s AS MATERIALIZED (SELECT %s AS y, mlops.predict($1, r.*) AS p FROM (%s\n) r WHERE r.%s IS NOT NULL),"
					 " g AS (SELECT s.p, pg_catalog.count(*) FILTER (WHERE s.y) AS pos, pg_catalog.count(*) FILTER (WHERE NOT s.y) AS neg"
					 " FROM s WHERE s.p IS NOT NULL GROUP BY s.p),"
					 " t AS (SELECT pg_catalog.sum(g.pos)::pg_catalog.int8 AS pos, pg_catalog.sum(g.neg)::pg_catalog.int8 AS neg FROM g),"
					 " c AS (SELECT a.threshold, a.tp, a.fp, t.neg OPERATOR(pg_catalog.-) a.fp AS tn, t.pos OPERATOR(pg_catalog.-) a.tp AS fn"
					 " FROM t, (SELECT g.p AS threshold, (pg_catalog.sum(g.pos) OVER w)::pg_catalog.int8 AS tp, (pg_catalog.sum(g.neg) OVER w)::pg_catalog.int8 AS fp"
					 " FROM g WINDOW w AS (ORDER BY g.p DESC)"
					 " UNION ALL SELECT 'Infinity'::pg_catalog.float8, 0::pg_catalog.int8, 0::pg_catalog.int8) a WHERE t.pos IS NOT NULL),"
					 " m AS (SELECT c.*, mlops._share(c.tp, c.tp OPERATOR(pg_catalog.+) c.fp) AS precision, mlops._share(c.tp, c.tp OPERATOR(pg_catalog.+) c.fn) AS recall,"
					 " mlops._share(c.tn, c.tn OPERATOR(pg_catalog.+) c.fp) AS specificity,"
					 " mlops._share(2::pg_catalog.int8 OPERATOR(pg_catalog.*) c.tp, 2::pg_catalog.int8 OPERATOR(pg_catalog.*) c.tp OPERATOR(pg_catalog.+) c.fp OPERATOR(pg_catalog.+) c.fn) AS f1,"
					 " mlops._share(c.tp OPERATOR(pg_catalog.+) c.tn, c.tp OPERATOR(pg_catalog.+) c.fp OPERATOR(pg_catalog.+) c.tn OPERATOR(pg_catalog.+) c.fn) AS accuracy,"
					 " %s AS cost FROM c)"
					 " SELECT m.threshold, m.tp, m.fp, m.tn, m.fn, m.precision, m.recall, m.specificity, m.f1, m.accuracy, %s AS cost,"
					 " pg_catalog.to_jsonb(m.*) FROM m WHERE true%s ORDER BY %s LIMIT 1",
					 positive, query, quote_identifier(label), cost.data,
					 maximize == NULL ? "m.cost" : "NULL::pg_catalog.float8", least.data, order);
		Oid			argtypes[1] = {types[0]};
		Datum		values[1] = {args[0].value};
		int			code = SPI_execute_with_args(statement, 1, argtypes, values, NULL, true, 0);

		if (code != SPI_OK_SELECT)
			elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(code));
	}
	PG_FINALLY();
	{
		XactReadOnly = save_read_only;
	}
	PG_END_TRY();

	if (SPI_processed == 1)
	{
		Datum		values[12];
		bool		nulls[12];
		MemoryContext old;

		heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		old = MemoryContextSwitchTo(context);
		chosen = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 12);
		MemoryContextSwitchTo(old);
		chosen = MemoryContextStrdup(context, chosen);
	}
	SPI_finish();
	if (chosen == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no threshold gives what at_least asks for"),
				 errdetail("The query has no rows with a label, or no score separates its classes so well.")));

	args[1].value = PG_GETARG_DATUM(ARG_QUERY);
	args[2].value = PG_GETARG_DATUM(ARG_LABEL);
	{
		StringInfoData record;

		initStringInfo(&record);
		appendStringInfo(&record, "{\"chosen\": %s, \"cost\": ", chosen);
		if (PG_ARGISNULL(ARG_COST))
			appendStringInfoString(&record, "null");
		else
			JsonbToCString(&record, &PG_GETARG_JSONB_P(ARG_COST)->root, VARSIZE(PG_GETARG_JSONB_P(ARG_COST)));
		appendStringInfo(&record, ", \"maximize\": %s%s%s, \"at_least\": ", maximize ? "\"" : "",
						 maximize ? maximize : "null", maximize ? "\"" : "");
		if (PG_ARGISNULL(ARG_AT_LEAST))
			appendStringInfoString(&record, "null");
		else
			JsonbToCString(&record, &PG_GETARG_JSONB_P(ARG_AT_LEAST)->root, VARSIZE(PG_GETARG_JSONB_P(ARG_AT_LEAST)));
		appendStringInfoChar(&record, '}');
		args[3].value = DirectFunctionCall1(jsonb_in, CStringGetDatum(record.data));
	}
	args[4] = (NullableDatum) {PG_GETARG_DATUM(ARG_REASON), PG_ARGISNULL(ARG_REASON)};
	args[5] = (NullableDatum) {PG_GETARG_DATUM(ARG_CHANGE_REF), PG_ARGISNULL(ARG_CHANGE_REF)};
	mlops_call_private("_register_threshold", lengthof(types), types, args, &isnull);
	return (Datum) 0;
}
