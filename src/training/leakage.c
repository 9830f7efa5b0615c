/*-------------------------------------------------------------------------
 *
 * leakage.c
 *	  mlops.leakage_report: what in the data looks as if it told the label.
 *
 * Each check is a query over the caller's query, which runs with the rights
 * and the search_path of the caller, read-only.  All of them see the same
 * rows, those of the statement's snapshot, unless the query is volatile.  What
 * is generated calls functions by their schema, and compares by IS NOT
 * DISTINCT FROM and GROUP BY, which go by the type's own equality.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"

#include "registry/feature.h"
#include "training/leakage.h"
#include "training/query.h"

PG_FUNCTION_INFO_V1(mlops_leakage_report);

typedef struct Report
{
	ReturnSetInfo *result;
	char	   *query;			/* without what ends it */
	TupleDesc	tupdesc;
	int			label;			/* numbers of columns; -1: none */
	int			part;
	int			key;
	int			decided_at;
	double		limit;
	/* expressions: one of them, or none if there are more than two classes */
	const char *positive;		/* true in one of two classes */
	const char *number;			/* the label itself */
} Report;

/*
 * Run a statement about the query; its rows are in SPI_tuptable.
 */
static void
ask(const char *statement)
{
	int			result = SPI_execute(statement, true, 0);

	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

static int64
int_of(int column, int64 missing)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? missing : DatumGetInt64(value);
}

static double
float_of(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NAN : DatumGetFloat8(value);
}

static void
report(const Report *self, const char *finding, const char *feature, double value,
	   int64 rows, const char *detail)
{
	Datum		values[5];
	bool		nulls[5] = {false};

	values[0] = CStringGetTextDatum(finding);
	nulls[1] = feature == NULL;
	if (feature != NULL)
		values[1] = CStringGetTextDatum(feature);
	nulls[2] = isnan(value);
	values[2] = Float8GetDatum(value);
	values[3] = Int64GetDatum(rows);
	values[4] = CStringGetTextDatum(detail);
	tuplestore_putvalues(self->result->setResult, self->result->setDesc, values, nulls);
}

static const char *
name_of(const Report *self, int column)
{
	return NameStr(TupleDescAttr(self->tupdesc, column)->attname);
}

static const char *
ident(const Report *self, int column)
{
	return quote_identifier(name_of(self, column));
}

static bool
is_feature(const Report *self, int column)
{
	return column != self->label && column != self->part && column != self->key &&
		column != self->decided_at;
}

/*
 * The number of the column that an argument names, or -1.
 */
static int
column_argument(FunctionCallInfo fcinfo, int number, const char *argument, TupleDesc tupdesc)
{
	char	   *name;

	if (PG_ARGISNULL(number))
		return -1;
	name = text_to_cstring(PG_GETARG_TEXT_PP(number));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), name) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("%s \"%s\" is not a column of the query", argument, name)));
}

/*
 * Keys, and rows whose features and label are equal, in more than one part.
 */
static void
check_parts(const Report *self)
{
	StringInfoData row;
	int64		groups;

	if (self->part < 0)
		return;
	if (self->key >= 0)
	{
		ask(psprintf("SELECT pg_catalog.count(*), pg_catalog.sum(g.n)::pg_catalog.int8 FROM (SELECT pg_catalog.count(*) AS n FROM (%s\n) r"
					 " WHERE r.%s IS NOT NULL GROUP BY r.%s HAVING pg_catalog.count(DISTINCT r.%s) OPERATOR(pg_catalog.>) 1) g",
					 self->query, ident(self, self->key), ident(self, self->key), ident(self, self->part)));
		groups = int_of(1, 0);
		if (groups > 0)
			report(self, "key in several parts", name_of(self, self->key), (double) groups,
				   int_of(2, 0), psprintf(INT64_FORMAT " keys have rows in more than one part", groups));
	}

	initStringInfo(&row);
	for (int i = 0; i < self->tupdesc->natts; i++)
	{
		if (is_feature(self, i) || i == self->label)
			appendStringInfo(&row, "%sr.%s", row.len > 0 ? ", " : "", ident(self, i));
	}
	ask(psprintf("SELECT pg_catalog.count(*), pg_catalog.sum(g.n)::pg_catalog.int8 FROM (SELECT pg_catalog.count(*) AS n FROM (%s\n) r"
				 " WHERE r.%s IS NOT NULL GROUP BY mlops.row_hash(ROW(%s)) HAVING pg_catalog.count(DISTINCT r.%s) OPERATOR(pg_catalog.>) 1) g",
				 self->query, ident(self, self->part), row.data, ident(self, self->part)));
	groups = int_of(1, 0);
	if (groups > 0)
		report(self, "equal rows in several parts", NULL, (double) groups, int_of(2, 0),
			   psprintf(INT64_FORMAT " different rows are in more than one part", groups));
}

/*
 * How many different values an expression has, up to limit.
 */
static int64
distinct_values(const Report *self, const char *expression, int limit)
{
	ask(psprintf("SELECT pg_catalog.count(*) FROM (SELECT DISTINCT %s AS v FROM (%s\n) r WHERE %s IS NOT NULL LIMIT %d) d",
				 expression, self->query, expression, limit));
	return int_of(1, 0);
}

/*
 * Find out what kind of label it is.
 */
static void
look_at_label(Report *self)
{
	const char *label = psprintf("r.%s", ident(self, self->label));
	MlopsConversion conversion = mlops_conversion(TupleDescAttr(self->tupdesc, self->label)->atttypid);

	if (conversion == MLOPS_CONVERT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot be the label", name_of(self, self->label),
						format_type_be(TupleDescAttr(self->tupdesc, self->label)->atttypid))));
	if (distinct_values(self, label, 3) == 2)
	{
		ask(psprintf("SELECT pg_catalog.max(mlops._as_text(%s) COLLATE \"C\") FROM (%s\n) r", label, self->query));
		self->positive = psprintf("(mlops._as_text(%s) OPERATOR(pg_catalog.=) %s)", label,
								  quote_literal_cstr(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)));
	}
	else if (conversion != MLOPS_CONVERT_BOOL && !MlopsConversionIsCategory(conversion))
		self->number = psprintf("%s::pg_catalog.float8", label);
}

/*
 * A feature that is a number, as an expression.
 */
static const char *
number_of(const Report *self, int column, MlopsConversion conversion)
{
	const char *feature = ident(self, column);

	if (conversion == MLOPS_CONVERT_BOOL)
		return psprintf("r.%s::pg_catalog.int4::pg_catalog.float8", feature);
	if (conversion == MLOPS_CONVERT_DATE || conversion == MLOPS_CONVERT_TIMESTAMP)
		return psprintf("pg_catalog.date_part('epoch', r.%s)::pg_catalog.float8", feature);
	return psprintf("r.%s::pg_catalog.float8", feature);
}

/*
 * How well one feature tells the label.  If that has two values it is the area
 * under the ROC curve, whichever way round: of a number itself, of a category
 * of the share of the positive class that each value has.  If the label is a
 * number it is the correlation.
 */
static void
check_feature(const Report *self, int column)
{
	MlopsConversion conversion = mlops_conversion(TupleDescAttr(self->tupdesc, column)->atttypid);
	const char *feature = psprintf("r.%s", ident(self, column));
	double		value;

	if (conversion == MLOPS_CONVERT_NONE || (self->positive == NULL && self->number == NULL))
		return;
	if (MlopsConversionIsCategory(conversion))
	{
		if (self->positive == NULL || distinct_values(self, feature, MLOPS_LEAKAGE_VALUES + 1) > MLOPS_LEAKAGE_VALUES)
			return;
		ask(psprintf("SELECT mlops.auc(s.y, s.p), pg_catalog.count(*) FROM (SELECT %s AS y,"
					 " pg_catalog.avg(CASE WHEN %s THEN 1.0::pg_catalog.float8 ELSE 0.0::pg_catalog.float8 END)"
					 " OVER (PARTITION BY %s) AS p FROM (%s\n) r WHERE r.%s IS NOT NULL AND %s IS NOT NULL) s",
					 self->positive, self->positive, feature, self->query, ident(self, self->label), feature));
	}
	else
	{
		/* a value that is not a number is as one that is not there */
		const char *x = number_of(self, column, conversion);

		ask(psprintf("SELECT %s(s.y, s.x), pg_catalog.count(*) FROM (SELECT %s AS y, %s AS x FROM (%s\n) r WHERE r.%s IS NOT NULL) s"
					 " WHERE s.x OPERATOR(pg_catalog.<>) 'NaN'::pg_catalog.float8",
					 self->positive != NULL ? "mlops.auc" : "pg_catalog.corr",
					 self->positive != NULL ? self->positive : self->number, x, self->query,
					 ident(self, self->label)));
	}
	value = float_of(1);
	if (self->positive != NULL)
		value = Max(value, 1 - value);
	else
		value = fabs(value);
	if (value >= self->limit)
		report(self, "feature tells the label", name_of(self, column), value, int_of(2, 0),
			   self->positive != NULL ? "AUC of this feature alone" : "correlation with the label, without its sign");
}

/*
 * Is a feature NULL in rows of one of two classes only, and more often than by
 * chance?
 */
bool
mlops_leakage_nulls(const int64 *rows, const int64 *nulls)
{
	int			one = nulls[1] > 0;

	if (nulls[one] == 0 || nulls[!one] > 0)
		return false;
	return pow((double) rows[one] / (double) (rows[0] + rows[1]), (double) nulls[one]) < MLOPS_LEAKAGE_CHANCE;
}

/*
 * Features that are NULL in rows of one class only.
 */
static void
check_nulls(const Report *self, int column)
{
	int64		rows[2];
	int64		nulls[2];
	int			one;

	if (self->positive == NULL)
		return;
	ask(psprintf("SELECT pg_catalog.count(*) FILTER (WHERE NOT %s), pg_catalog.count(*) FILTER (WHERE %s),"
				 " pg_catalog.count(*) FILTER (WHERE NOT %s AND r.%s IS NULL), pg_catalog.count(*) FILTER (WHERE %s AND r.%s IS NULL)"
				 " FROM (%s\n) r",
				 self->positive, self->positive, self->positive, ident(self, column),
				 self->positive, ident(self, column), self->query));
	for (int i = 0; i < 2; i++)
	{
		rows[i] = int_of(1 + i, 0);
		nulls[i] = int_of(3 + i, 0);
	}
	if (!mlops_leakage_nulls(rows, nulls))
		return;
	one = nulls[1] > 0;
	report(self, "null in one class only", name_of(self, column),
		   (double) nulls[one] / (double) rows[one], nulls[one],
		   psprintf("share of NULL in that class; the other, of " INT64_FORMAT " rows, has none",
					rows[!one]));
}

/*
 * Times that are after the one at which the answer is wanted.
 */
static void
check_times(const Report *self, int column)
{
	MlopsConversion conversion = mlops_conversion(TupleDescAttr(self->tupdesc, column)->atttypid);
	int64		rows;

	if (self->decided_at < 0 ||
		(conversion != MLOPS_CONVERT_DATE && conversion != MLOPS_CONVERT_TIMESTAMP))
		return;
	ask(psprintf("SELECT pg_catalog.count(*) FILTER (WHERE r.%s::pg_catalog.timestamptz OPERATOR(pg_catalog.>) r.%s::pg_catalog.timestamptz),"
				 " pg_catalog.count(*) FROM (%s\n) r",
				 ident(self, column), ident(self, self->decided_at), self->query));
	rows = int_of(1, 0);
	if (rows > 0)
		report(self, "time after the decision", name_of(self, column),
			   (double) rows / (double) int_of(2, 1), rows, "share of all rows");
}

/*
 * SQL: mlops.leakage_report(), a row for each finding.
 */
Datum
mlops_leakage_report(PG_FUNCTION_ARGS)
{
	Report		self = {0};
	bool		save_read_only = XactReadOnly;
	SPIPlanPtr	plan;
	TupleDesc	tupdesc;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(5))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("query, label and limit cannot be NULL")));
	self.limit = PG_GETARG_FLOAT8(5);
	if (!(self.limit >= 0.5 && self.limit <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the limit of a leakage report must be from 0.5 to 1")));
	InitMaterializedSRF(fcinfo, 0);
	self.result = (ReturnSetInfo *) fcinfo->resultinfo;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = mlops_query_prepare(text_to_cstring(PG_GETARG_TEXT_PP(0)), "the query of a report",
							   CURSOR_OPT_PARALLEL_OK);
	tupdesc = CreateTupleDescCopy(((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan)))->resultDesc);
	self.query = mlops_query_text(plan);
	self.tupdesc = tupdesc;
	self.label = column_argument(fcinfo, 1, "label", tupdesc);
	self.part = column_argument(fcinfo, 2, "part", tupdesc);
	self.key = column_argument(fcinfo, 3, "key", tupdesc);
	self.decided_at = column_argument(fcinfo, 4, "decided_at", tupdesc);

	XactReadOnly = true;
	PG_TRY();
	{
		look_at_label(&self);
		check_parts(&self);
		for (int i = 0; i < tupdesc->natts; i++)
		{
			if (!is_feature(&self, i))
				continue;
			check_feature(&self, i);
			check_nulls(&self, i);
			check_times(&self, i);
		}
	}
	PG_FINALLY();
	{
		XactReadOnly = save_read_only;
	}
	PG_END_TRY();
	SPI_finish();
	return (Datum) 0;
}
