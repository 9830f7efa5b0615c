/*-------------------------------------------------------------------------
 *
 * sql_text.c
 *	  What a model reads and asks, as SQL that needs no extension.
 *
 * A condition here is true for the values that go to the other side of a split
 * than a missing one; for the others, and for NULL, it is false or NULL.  So
 * "CASE WHEN condition THEN other side ELSE side of a missing value END" is the
 * split.  NaN, which is missing to a model and the greatest number to
 * PostgreSQL, is excluded where it would pass.
 *
 * A model of XGBoost rounds a value to real and compares that.  A cast to real
 * would do so, but ends the query for a number beyond the range of real; so
 * numbers are compared in double precision with the limit that rounding puts
 * between them: that half way between the threshold and the number before it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "forest/thresholds.h"
#include "scoring/binding.h"
#include "scoring/sql_text.h"

/* what is no farther from zero is zero to LightGBM */
#define ZERO		((double) 1e-35f)

/* whole numbers up to this one are compared as such */
#define MAX_WHOLE	4e15

/* days from 1970-01-01 to PostgreSQL's own epoch */
#define EPOCH_DAYS	(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

/*
 * A name as an identifier, quoted always: what is a key word differs between
 * versions.
 */
char *
mlops_sql_identifier(const char *name)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoChar(&sql, '"');
	for (; *name != '\0'; name++)
	{
		if (*name == '"')
			appendStringInfoChar(&sql, '"');
		appendStringInfoChar(&sql, *name);
	}
	appendStringInfoChar(&sql, '"');
	return sql.data;
}

/*
 * Append a string as a constant.
 */
void
mlops_sql_string(StringInfo sql, const char *string, int len)
{
	char	   *copy = pnstrdup(string, len);
	char	   *quoted = quote_literal_cstr(copy);

	appendStringInfoString(sql, quoted);
	pfree(quoted);
	pfree(copy);
}

/*
 * Append a number as a constant without a type, with all its bits.
 */
void
mlops_sql_number(StringInfo sql, double number, bool narrow)
{
	char		text[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (isinf(number))
		strcpy(text, number > 0 ? "Infinity" : "-Infinity");
	else if (number == 0)
		strcpy(text, "0");		/* not -0 */
	else if (narrow)
		float_to_shortest_decimal_buf((float) number, text);
	else
		double_to_shortest_decimal_buf(number, text);
	appendStringInfo(sql, "'%s'", text);
}

/*
 * The number that a comparison with a cut uses: a value is read as more than
 * the cut if it is greater than the limit, or also if it is that itself.
 */
static double
limit_of(const MlopsModel *model, double cut, bool *itself)
{
	*itself = false;
	if (model->info.wide)
	{
		if (cut >= -ZERO && cut < 0)
		{
			*itself = true;
			return -ZERO;
		}
		return cut >= 0 && cut < ZERO ? ZERO : cut;
	}
	else
	{
		float		next = nextafterf((float) cut, INFINITY);
		uint32		bits;

		if (isinf(cut) && cut > 0)
			return cut;
		memcpy(&bits, &next, sizeof(bits));

		/* what lies in the middle is rounded to the even one */
		*itself = bits % 2 == 0;
		if (isinf(next))
			return cut + ldexp(1, 103);
		return (isinf(cut) ? next - ldexp(1, 104) : cut) / 2 + (double) next / 2;
	}
}

/*
 * Append a date or a timestamp, given in whole days or microseconds, as a
 * constant that every DateStyle reads alike.
 */
static void
append_time(StringInfo sql, MlopsSqlKind kind, int64 steps)
{
	struct pg_tm tm = {0};
	char		text[MAXDATELEN + 1];
	fsec_t		fraction = 0;

	if (kind == MLOPS_SQL_DATE)
	{
		j2date((int) (steps + POSTGRES_EPOCH_JDATE), &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
		EncodeDateOnly(&tm, USE_ISO_DATES, text);
	}
	else
	{
		if (timestamp2tm(steps, NULL, &tm, &fraction, NULL, NULL) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("timestamp out of range")));
		tm.tm_isdst = 0;		/* a zone is written only if this is known */
		EncodeDateTime(&tm, fraction, kind == MLOPS_SQL_TIMESTAMPTZ, 0, "UTC", USE_ISO_DATES, text);
	}
	appendStringInfo(sql, "'%s'", text);
}

/*
 * Append "column is more than the cut", or "is not", for values as the model
 * reads them.  False, and nothing is appended, if that is true of no value.
 */
static bool
append_comparison(StringInfo sql, const MlopsModel *model, const MlopsSqlColumn *column, double cut, bool above)
{
	MlopsGrid	grid = {MLOPS_GRID_STEPS, 1, 1, 0, -INFINITY, INFINITY};
	MlopsGridValue first;
	MlopsSqlKind kind = column->kind;
	bool		itself;
	double		limit;
	bool		any;

	if (above && cut == INFINITY)
		return false;

	/* beyond the whole numbers that double has */
	if (kind == MLOPS_SQL_INTEGER && fabs(cut) > MAX_WHOLE && cut != INFINITY)
		kind = MLOPS_SQL_NUMBER;
	switch (kind)
	{
		case MLOPS_SQL_NUMBER:
			limit = limit_of(model, cut, &itself);
			appendStringInfo(sql, "%s::float8 %s ", column->name,
							 above ? (itself ? ">=" : ">") : (itself ? "<" : "<="));
			mlops_sql_number(sql, limit, false);
			return true;
		case MLOPS_SQL_REAL:
			appendStringInfo(sql, "%s %s ", column->name, above ? ">=" : "<");
			mlops_sql_number(sql, nextafterf((float) cut, INFINITY), true);
			return true;
		case MLOPS_SQL_INTEGER:
			break;
		case MLOPS_SQL_DATE:
			grid.offset = EPOCH_DAYS;
			grid.min = DATETIME_MIN_JULIAN - UNIX_EPOCH_JDATE;
			grid.max = DATE_END_JULIAN - 1 - UNIX_EPOCH_JDATE;
			break;
		default:
			grid.divisor = (double) USECS_PER_DAY;
			grid.offset = EPOCH_DAYS;
			break;
	}

	/* whole steps: compare with the first that is above */
	any = mlops_grid_above(model->forest, &grid, cut, &first);
	if (!any && above && kind == MLOPS_SQL_INTEGER)
		return false;
	if (!any && kind == MLOPS_SQL_INTEGER)
	{
		appendStringInfo(sql, "%s IS NOT NULL", column->name);
		return true;
	}
	appendStringInfo(sql, "%s %s ", column->name, above ? ">=" : "<");
	if (kind == MLOPS_SQL_INTEGER)
		appendStringInfo(sql, INT64_FORMAT, first.steps);
	else if (any)
		append_time(sql, kind, first.steps);
	else
		appendStringInfoString(sql, "'infinity'");
	return true;
}

/*
 * Append one more of the categories that a column is compared with.
 */
static void
append_category(StringInfo sql, const MlopsSqlColumn *column, int code, bool is_in, bool first)
{
	int			len;
	const char *text = mlops_dictionary_text(column->feature->categories, code, &len);

	if (first)
		appendStringInfo(sql, "%s::text COLLATE \"C\" %s (", column->name, is_in ? "IN" : "NOT IN");
	else
		appendStringInfoChar(sql, ',');
	mlops_sql_string(sql, text, len);
}

/*
 * Append "column is one of these categories": those that go to one side of a
 * split.  If the unseen ones do, too, that is "none of the others".  False if
 * there are none.
 */
static bool
category_condition(StringInfo sql, const MlopsModel *model, const MlopsSqlColumn *column, uint32 split,
				   bool left)
{
	bool		unseen = column->other &&
		mlops_split_left(model->forest, split, MLOPS_OTHER_CATEGORY(model)) == left;
	int			count = 0;

	for (int code = 0; code < mlops_dictionary_size(column->feature->categories); code++)
		if ((mlops_split_left(model->forest, split, code) == left) != unseen)
			append_category(sql, column, code, !unseen, count++ == 0);
	if (count > 0)
		appendStringInfoChar(sql, ')');
	else if (unseen)
		appendStringInfo(sql, "%s IS NOT NULL", column->name);
	return count > 0 || unseen;
}

/*
 * Append "column has a category that the model does not know".
 */
void
mlops_sql_unseen(StringInfo sql, const MlopsSqlColumn *column)
{
	int			count = mlops_dictionary_size(column->feature->categories);

	for (int code = 0; code < count; code++)
		append_category(sql, column, code, false, code == 0);
	if (count > 0)
		appendStringInfoChar(sql, ')');
	else
		appendStringInfo(sql, "%s IS NOT NULL", column->name);
}

/*
 * The same of a boolean.
 */
static bool
boolean_condition(StringInfo sql, const MlopsModel *model, const MlopsSqlColumn *column, uint32 split,
				  bool left)
{
	bool		no = mlops_split_left(model->forest, split, 0) == left;
	bool		yes = mlops_split_left(model->forest, split, 1) == left;

	if (no && yes)
		appendStringInfo(sql, "%s IS NOT NULL", column->name);
	else if (yes)
		appendStringInfoString(sql, column->name);
	else if (no)
		appendStringInfo(sql, "NOT %s", column->name);
	return no || yes;
}

/*
 * Append "column is read as more than low and at most high", cuts or
 * infinities, both of which there may not be.  False if no value is.
 */
static bool
range_condition(StringInfo sql, const MlopsModel *model, const MlopsSqlColumn *column, const double *low,
				const double *high)
{
	bool		has_nan = column->kind == MLOPS_SQL_NUMBER || column->kind == MLOPS_SQL_REAL;
	const char *cast = column->kind == MLOPS_SQL_NUMBER ? "::float8" : "";

	if (low == NULL && high == NULL)
	{
		/* all but a missing value */
		appendStringInfo(sql, "%s%s %s", column->name, cast, has_nan ? "< 'NaN'" : "IS NOT NULL");
		return true;
	}
	if (low != NULL && !append_comparison(sql, model, column, *low, true))
		return false;
	if (high != NULL)
	{
		if (low != NULL)
			appendStringInfoString(sql, " AND ");
		append_comparison(sql, model, column, *high, false);
	}
	else if (has_nan)
		appendStringInfo(sql, " AND %s%s < 'NaN'", column->name, cast);
	return true;
}

/*
 * Make NULL of the values of a column that the model reads as the number which
 * stands for a missing one: what is written in the place of the column.
 */
void
mlops_sql_drop_missing(const MlopsModel *model, MlopsSqlColumn *column)
{
	double		missing = model->missing;
	double		below;
	StringInfoData sql;
	int			len;
	const char *text;

	if (isnan(missing))
		return;
	initStringInfo(&sql);
	switch (column->kind)
	{
		case MLOPS_SQL_BOOLEAN:
			if (missing != 0 && missing != 1)
				return;
			appendStringInfo(&sql, "NULLIF(%s, %s)", column->name, missing != 0 ? "true" : "false");
			break;
		case MLOPS_SQL_CATEGORY:
			if (!(missing >= 0 && missing < mlops_dictionary_size(column->feature->categories)) ||
				missing != (int) missing)
				return;
			text = mlops_dictionary_text(column->feature->categories, (int) missing, &len);
			appendStringInfo(&sql, "NULLIF(%s::text COLLATE \"C\", ", column->name);
			mlops_sql_string(&sql, text, len);
			appendStringInfoChar(&sql, ')');
			break;
		default:
			if (model->info.wide && column->kind == MLOPS_SQL_NUMBER)
			{
				/* compared before what is nearly zero becomes zero */
				appendStringInfo(&sql, "NULLIF(%s::float8, ", column->name);
				mlops_sql_number(&sql, missing, false);
				appendStringInfoChar(&sql, ')');
				break;
			}
			if (!model->info.wide)
				missing = (float) missing;
			below = model->info.wide ? nextafter(missing, -INFINITY) : nextafterf((float) missing, -INFINITY);
			appendStringInfoString(&sql, "(CASE WHEN ");
			if (!range_condition(&sql, model, column, missing == -INFINITY ? NULL : &below, &missing))
				return;
			appendStringInfo(&sql, " THEN NULL ELSE %s END)", column->name);
			break;
	}
	column->name = sql.data;
}

/*
 * Do the values of a cell go left at a split?  What is nearly zero, and below
 * it, is not read as that by a wide model: such a cell ends farther from zero.
 */
static bool
cell_left(const MlopsModel *model, uint32 split, const MlopsCells *cells, int cell)
{
	double		value = cell < cells->num_cuts ? cells->cuts[cell] : INFINITY;

	if (model->info.wide && value < 0 && value >= -ZERO)
		value = nextafter(-ZERO, -INFINITY);
	return mlops_split_left(model->forest, split, value);
}

/*
 * Append the condition of a split, given by its number in the forest.  False,
 * and nothing is appended, if every value goes the way of a missing one.
 */
bool
mlops_sql_condition(StringInfo sql, const MlopsModel *model, const MlopsSqlColumn *column, uint32 split,
					const MlopsNodePlan *node)
{
	bool		left = !node->default_left;
	MlopsCells	cells;
	int			count = 0;

	switch (column->kind)
	{
		case MLOPS_SQL_CATEGORY:
			return category_condition(sql, model, column, split, left);
		case MLOPS_SQL_BOOLEAN:
			return boolean_condition(sql, model, column, split, left);
		default:
			break;
	}
	if (node->threshold && isnan(node->cut))
		return !left && range_condition(sql, model, column, NULL, NULL);
	if (node->threshold)
		return range_condition(sql, model, column, left ? NULL : &node->cut, left ? &node->cut : NULL);

	/* runs of cells that go the way which is asked for */
	if (!mlops_split_cells(model->forest, split, mlops_forest_env(), &cells))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	for (int first = 0; first <= cells.num_cuts;)
	{
		int			last;
		int			before = sql->len;

		if (cell_left(model, split, &cells, first) != left)
		{
			first++;
			continue;
		}
		for (last = first; last < cells.num_cuts && cell_left(model, split, &cells, last + 1) == left;)
			last++;
		if (count > 0)
			appendStringInfoString(sql, " OR ");
		if (range_condition(sql, model, column, first > 0 ? &cells.cuts[first - 1] : NULL,
							last < cells.num_cuts ? &cells.cuts[last] : NULL))
			count++;
		else
		{
			sql->len = before;
			sql->data[before] = '\0';
		}
		first = last + 1;
	}
	pfree(cells.cuts);
	return count > 0;
}

/*
 * Append the number that a model reads of a column, as double precision; NULL
 * or NaN if it is missing.
 */
void
mlops_sql_value(StringInfo sql, const MlopsSqlColumn *column)
{
	switch (column->kind)
	{
		case MLOPS_SQL_NUMBER:
		case MLOPS_SQL_REAL:
		case MLOPS_SQL_INTEGER:
			appendStringInfo(sql, "%s::float8", column->name);
			break;
		case MLOPS_SQL_BOOLEAN:
			appendStringInfo(sql, "%s::integer::float8", column->name);
			break;
		case MLOPS_SQL_DATE:
			appendStringInfo(sql, "(%s - '1970-01-01'::date)::float8", column->name);
			break;
		case MLOPS_SQL_TIMESTAMP:
		case MLOPS_SQL_TIMESTAMPTZ:
			/* microseconds since 2000 are divided, and then moved to 1970 */
			appendStringInfo(sql, "(((extract(epoch FROM %s) - 946684800) * 1000000)::float8 / 86400000000 + 10957)",
							 column->name);
			break;
		case MLOPS_SQL_CATEGORY:
			appendStringInfo(sql, "(CASE %s::text COLLATE \"C\"", column->name);
			for (int code = 0; code < mlops_dictionary_size(column->feature->categories); code++)
			{
				int			len;
				const char *text = mlops_dictionary_text(column->feature->categories, code, &len);

				appendStringInfoString(sql, " WHEN ");
				mlops_sql_string(sql, text, len);
				appendStringInfo(sql, " THEN %d", code);
			}
			appendStringInfoString(sql, " END)::float8");
			break;
	}
}
