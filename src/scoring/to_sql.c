/*-------------------------------------------------------------------------
 *
 * to_sql.c
 *	  to_sql(): a model as one SQL expression that needs no extension.
 *
 * The expression adds what the trees give in the order and the precision of
 * the model itself, real or double precision, so its margin has the same bits.
 *
 * A tree is a CASE.  Where the side of a missing value is a split again, its
 * conditions follow in the same CASE, so that only the other sides are nested;
 * and of a deep tree the smaller side is.  So the depth of the expression stays
 * within what the parser's stack can hold.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <float.h>
#include <math.h>

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "errors.h"
#include "forest/inspect.h"
#include "registry/model.h"
#include "registry/privilege.h"
#include "scoring/binding.h"
#include "scoring/sql_text.h"

PG_FUNCTION_INFO_V1(mlops_to_sql);

/* an expression beyond this takes the server gigabytes to plan */
#define MAX_BYTES		(32 * 1024 * 1024)

/* a subtree of more levels has its smaller side nested */
#define MAX_LEVELS		24

/* trees that are added in one expression; more are added level by level */
#define TREES_PER_SUM	1000

/* how the reference to a version is written in messages */
#define VERSION_FMT		"version %d of model \"%s\""
#define VERSION_ARGS(model)	(model)->version, (model)->name

typedef struct Writer
{
	const MlopsModel *model;
	MlopsPlan	plan;
	MlopsSqlColumn *columns;
	const char *type;			/* of margins */
	char	   *alias;			/* a name that no column has */
	StringInfo	sql;
	StringInfoData condition;	/* working space */
	MlopsTreePlan tree;			/* being written */
	uint32	   *sizes;			/* by node of it: of the subtree, */
	uint16	   *levels;			/* and its depth */
	uint32		room;			/* in these */
} Writer;

/*
 * Error if the expression has become too long.
 */
static void
check_size(const Writer *writer)
{
	CHECK_FOR_INTERRUPTS();
	if (writer->sql->len > MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg(VERSION_FMT " is too large for an SQL expression", VERSION_ARGS(writer->model)),
				 errdetail("It has %d trees with " INT64_FORMAT " nodes; an expression has at most %d MB.",
						   writer->model->info.num_trees, writer->model->info.num_nodes, MAX_BYTES / 1024 / 1024)));
}

/*
 * A node of the tree being written, with its condition in condition; a split
 * that sends every value the same way is passed over.
 */
static uint32
next_node(Writer *writer, uint32 number, MlopsNodePlan *node)
{
	for (;;)
	{
		mlops_forest_node(writer->model->forest, &writer->tree, number, node);
		if (node->leaf)
			return number;
		resetStringInfo(&writer->condition);
		if (mlops_sql_condition(&writer->condition, writer->model, &writer->columns[node->feature],
								number, node))
			return number;
		number = node->default_left ? node->left : node->right;
	}
}

/*
 * Write what a tree gives from a node on.  The leaf that ends a CASE has its
 * type; the others take that.
 */
static void
write_node(Writer *writer, uint32 number, bool typed)
{
	StringInfo	sql = writer->sql;
	MlopsNodePlan node;
	bool		begun = false;

	for (;;)
	{
		uint32		nested;
		uint32		rest;
		bool		turned;

		number = next_node(writer, number, &node);
		if (node.leaf)
			break;
		check_size(writer);
		if (!begun)
			appendStringInfoString(sql, "CASE");
		begun = true;

		nested = node.default_left ? node.right : node.left;
		rest = node.default_left ? node.left : node.right;
		turned = writer->levels[nested - writer->tree.root] > MAX_LEVELS &&
			writer->sizes[nested - writer->tree.root] > writer->sizes[rest - writer->tree.root];
		if (turned)
		{
			appendStringInfo(sql, " WHEN (%s) IS NOT TRUE THEN ", writer->condition.data);
			write_node(writer, rest, false);
			number = nested;
		}
		else
		{
			appendStringInfo(sql, " WHEN %s THEN ", writer->condition.data);
			write_node(writer, nested, false);
			number = rest;
		}
	}
	if (begun)
		appendStringInfoString(sql, " ELSE ");
	mlops_sql_number(sql, node.value, !writer->model->info.wide);
	if (begun || typed)
		appendStringInfo(sql, "::%s", writer->type);
	if (begun)
		appendStringInfoString(sql, " END");
}

/*
 * Write one tree.  Error ML011 if its leaves are equations.
 */
static void
write_tree(Writer *writer, int number)
{
	const MlopsForest *forest = writer->model->forest;
	MlopsTreePlan *tree = &writer->tree;

	mlops_forest_tree(forest, number, tree);
	if (tree->linear_leaves)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_UNSUPPORTED_ARTIFACT),
				 errmsg(VERSION_FMT " cannot be written as SQL", VERSION_ARGS(writer->model)),
				 errdetail("It is a model of linear trees, whose leaves are equations.")));

	if (tree->num_nodes > writer->room)
	{
		writer->room = tree->num_nodes;
		writer->sizes = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(sizeof(uint32), writer->room));
		writer->levels = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(sizeof(uint16), writer->room));
	}
	for (uint32 i = tree->num_nodes; i-- > 0;)
	{
		MlopsNodePlan node;

		mlops_forest_node(forest, tree, tree->root + i, &node);
		writer->sizes[i] = 1;
		writer->levels[i] = 0;
		if (!node.leaf)
		{
			uint32		left = node.left - tree->root;
			uint32		right = node.right - tree->root;

			writer->sizes[i] += writer->sizes[left] + writer->sizes[right];
			writer->levels[i] = 1 + Max(writer->levels[left], writer->levels[right]);
		}
	}
	write_node(writer, tree->root, true);
	check_size(writer);
}

/*
 * Write one term of a linear model.  A product too small for real counts as
 * nothing, as it is in the library, instead of ending the query.
 */
static void
write_term(Writer *writer, int feature, double weight)
{
	StringInfo	sql = writer->sql;
	StringInfoData value;

	check_size(writer);
	initStringInfo(&value);
	mlops_sql_value(&value, &writer->columns[feature]);
	appendStringInfo(sql, " + CASE WHEN abs(%s) BETWEEN ", value.data);
	mlops_sql_number(sql, Max(FLT_MIN, FLT_MIN / fabs(weight)), false);
	appendStringInfo(sql, " AND 'Infinity' THEN %s::real * ", value.data);
	mlops_sql_number(sql, weight, true);
	appendStringInfoString(sql, "::real ELSE '0'::real END");
	pfree(value.data);
}

/*
 * Write a base and the first count trees of a group, as one sum.
 *
 * A sum nests as deep as it has terms.  One of many trees is therefore formed
 * by subqueries, each of which adds to what the one in it gives; OFFSET keeps
 * the planner from merging them.
 */
static void
write_sum(Writer *writer, double base, const int *trees, int count)
{
	StringInfo	sql = writer->sql;
	int			first = count <= TREES_PER_SUM ? 0 : (count - 1) / TREES_PER_SUM * TREES_PER_SUM;

	check_stack_depth();
	if (first > 0)
		appendStringInfo(sql, "(SELECT %s.%s", writer->alias, writer->alias);
	else
	{
		mlops_sql_number(sql, base, !writer->model->info.wide);
		appendStringInfo(sql, "::%s", writer->type);
	}
	for (int i = first; i < count; i++)
	{
		appendStringInfoString(sql, " + ");
		write_tree(writer, trees[i]);
	}
	if (first > 0)
	{
		appendStringInfoString(sql, " FROM (SELECT ");
		write_sum(writer, base, trees, first);
		appendStringInfo(sql, " AS %s OFFSET 0) AS %s)", writer->alias, writer->alias);
	}
}

/*
 * Write the margin of one group.
 */
static void
write_margin(Writer *writer, int group)
{
	const MlopsModel *model = writer->model;
	StringInfo	sql = writer->sql;
	double		base = mlops_forest_base(model->forest, group);
	int		   *trees;
	int			count = 0;

	if (writer->plan.linear)
	{
		mlops_sql_number(sql, base, true);
		appendStringInfo(sql, "::%s", writer->type);
		for (int i = 0; i < model->info.num_features; i++)
		{
			double		weight = mlops_forest_weight(model->forest, i, group);

			if (weight != 0)
				write_term(writer, i, weight);
		}
		return;
	}

	trees = palloc(mul_size(sizeof(int), Max(model->info.num_trees, 1)));
	for (int t = 0; t < model->info.num_trees; t++)
	{
		mlops_forest_tree(model->forest, t, &writer->tree);
		if (writer->tree.group == group)
			trees[count++] = t;
	}
	if (writer->plan.base_last)
	{
		mlops_sql_number(sql, base, true);
		appendStringInfo(sql, "::%s + (", writer->type);
		write_sum(writer, 0, trees, count);
		appendStringInfoChar(sql, ')');
	}
	else
		write_sum(writer, base, trees, count);
	pfree(trees);
}

/*
 * Write the margin, or an array of the margins of all groups.
 */
static void
write_margins(Writer *writer)
{
	int			count = writer->model->info.num_groups;

	appendStringInfoString(writer->sql, count > 1 ? "ARRAY[" : "(");
	for (int g = 0; g < count; g++)
	{
		if (g > 0)
			appendStringInfoString(writer->sql, ", ");
		write_margin(writer, g);
	}
	appendStringInfoChar(writer->sql, count > 1 ? ']' : ')');
}

/* write what one margin m becomes; it is there several times */
#define SOFTPLUS(m) \
	"CASE WHEN " m " > 0 THEN " m " + ln(1 + exp(greatest(-" m ", -700)))" \
	" WHEN " m " < -15 THEN exp(greatest(" m ", -700))" \
	" ELSE ln(1 + exp(" m ")) END"

/*
 * Write what the calibration makes of the margin.
 */
static void
write_calibrated(Writer *writer)
{
	const MlopsCalibration *calibration = writer->model->calibration;
	const double *margins = calibration->margins;
	const double *values = calibration->values;
	StringInfo	sql = writer->sql;
	int			last = calibration->num_points - 1;

	appendStringInfoString(sql, "(SELECT ");
	if (!calibration->isotonic)
	{
		appendStringInfoString(sql, "1 / (1 + exp(greatest(least(-(");
		mlops_sql_number(sql, calibration->slope, false);
		appendStringInfoString(sql, "::float8 * s.m + ");
		mlops_sql_number(sql, calibration->intercept, false);
		appendStringInfoString(sql, "::float8), 700), -700)))");
	}
	else
	{
		appendStringInfoString(sql, "CASE WHEN s.m <= ");
		mlops_sql_number(sql, margins[0], false);
		appendStringInfoString(sql, "::float8 THEN ");
		mlops_sql_number(sql, values[0], false);
		appendStringInfoString(sql, "::float8");
		for (int i = 0; i < last; i++)
		{
			check_size(writer);
			appendStringInfoString(sql, " WHEN s.m < ");
			mlops_sql_number(sql, margins[i + 1], false);
			appendStringInfoString(sql, "::float8 THEN least(");
			mlops_sql_number(sql, values[i], false);
			appendStringInfoString(sql, "::float8 + (s.m - ");
			mlops_sql_number(sql, margins[i], false);
			appendStringInfoString(sql, "::float8) * ");
			mlops_sql_number(sql, (values[i + 1] - values[i]) / (margins[i + 1] - margins[i]), false);
			appendStringInfoString(sql, "::float8, ");
			mlops_sql_number(sql, values[i + 1], false);
			appendStringInfoString(sql, "::float8)");
		}
		appendStringInfoString(sql, " WHEN s.m IS NOT NULL THEN ");
		mlops_sql_number(sql, values[last], false);
		appendStringInfoString(sql, "::float8 END");
	}
	appendStringInfoString(sql, " FROM (SELECT ");
	write_margins(writer);
	appendStringInfoString(sql, "::float8 AS m) AS s)");
}

/*
 * Write the output of a model of one margin.
 */
static void
write_output(Writer *writer)
{
	StringInfo	sql = writer->sql;
	const char *before;
	const char *after;

	if (writer->model->calibration != NULL)
	{
		write_calibrated(writer);
		return;
	}

	/* exp() ends the query where its result is too large or too small */
	switch (writer->plan.output)
	{
		case MLOPS_OUTPUT_SIGMOID:
			before = "1 / (1 + exp(greatest(least(-";
			after = writer->model->info.wide ? ", 700), -700)))" : ", 88.7), -700)))";
			break;
		case MLOPS_OUTPUT_STEP:
			before = "CASE WHEN ";
			after = " > 0 THEN 1 ELSE 0 END::float8";
			break;
		case MLOPS_OUTPUT_EXP:
			before = "exp(greatest(least(";
			after = ", 709), -700))";
			break;
		case MLOPS_OUTPUT_LOG1P_EXP:
			before = "(SELECT " SOFTPLUS("s.m") " FROM (SELECT ";
			after = " AS m) AS s)";
			break;
		case MLOPS_OUTPUT_SIGNED_SQUARE:
			before = "(SELECT sign(s.m) * s.m * s.m FROM (SELECT ";
			after = " AS m) AS s)";
			break;
		default:
			before = after = "";
			break;
	}
	appendStringInfoString(sql, before);
	if (writer->plan.output == MLOPS_OUTPUT_SIGMOID && writer->plan.factor != 1)
	{
		mlops_sql_number(sql, writer->plan.factor, false);
		appendStringInfoString(sql, "::float8 * ");
	}
	write_margins(writer);
	appendStringInfoString(sql, "::float8");
	if (writer->plan.divisor != 1)
		appendStringInfo(sql, " / %.0f", writer->plan.divisor);
	appendStringInfoString(sql, after);
}

/*
 * Write the array of the outputs of a model of several margins.
 */
static void
write_outputs(Writer *writer)
{
	StringInfo	sql = writer->sql;
	char		divisor[32] = "";
	const char *output;
	const char *inner = "j.m";
	const char *type = "::float8";
	const char *order = "o.n";

	if (writer->plan.divisor != 1)
		snprintf(divisor, sizeof(divisor), " / %.0f", writer->plan.divisor);
	switch (writer->plan.output)
	{
		case MLOPS_OUTPUT_SIGMOID:
			output = psprintf("1 / (1 + exp(greatest(least(-%.17g * i.m, %s), -700)))", writer->plan.factor,
							  writer->model->info.wide ? "700" : "88.7");
			break;
		case MLOPS_OUTPUT_STEP:
			output = "CASE WHEN i.m > 0 THEN 1 ELSE 0 END::float8";
			break;
		case MLOPS_OUTPUT_EXP:
			output = "exp(greatest(least(i.m, 709), -700))";
			break;
		case MLOPS_OUTPUT_LOG1P_EXP:
			output = SOFTPLUS("i.m");
			break;
		case MLOPS_OUTPUT_SIGNED_SQUARE:
			output = "sign(i.m) * i.m * i.m";
			break;
		case MLOPS_OUTPUT_SOFTMAX:
			output = "i.m / sum(i.m) OVER ()";
			/* the difference in the precision of the margins, as the model has it */
			inner = "exp(greatest((j.m - max(j.m) OVER ())::float8, -700))";
			type = "";
			break;
		case MLOPS_OUTPUT_CUMULATE:
			output = "sum(CASE WHEN i.n = 1 THEN i.m ELSE 1e-6 + " SOFTPLUS("i.m") " END) OVER (ORDER BY i.n)";
			break;
		default:
			output = "i.m";
			break;
	}
	if (writer->plan.output == MLOPS_OUTPUT_SORT)
		order = "o.m";
	appendStringInfo(sql, "(SELECT array_agg(o.m ORDER BY %s) FROM (SELECT %s AS m, i.n"
					 " FROM (SELECT %s AS m, j.n FROM (SELECT u.m%s%s AS m, u.n FROM unnest(",
					 order, output, inner, type, divisor);
	write_margins(writer);
	appendStringInfoString(sql, ") WITH ORDINALITY AS u(m, n)) AS j) AS i) AS o)");
}

/*
 * How the column of a feature is written, from what its type was when the
 * model was made.  Types of numbers are not relied on: what was an integer
 * then may be another number now.
 */
static MlopsSqlKind
kind_of_feature(const MlopsFeature *feature)
{
	if (feature->kind == MLOPS_KIND_CATEGORICAL)
		return MLOPS_SQL_CATEGORY;
	if (feature->kind == MLOPS_KIND_BOOLEAN)
		return MLOPS_SQL_BOOLEAN;
	if (feature->type == NULL)
		return MLOPS_SQL_NUMBER;
	if (strcmp(feature->type, "date") == 0)
		return MLOPS_SQL_DATE;
	if (strcmp(feature->type, "timestamp without time zone") == 0)
		return MLOPS_SQL_TIMESTAMP;
	if (strcmp(feature->type, "timestamp with time zone") == 0)
		return MLOPS_SQL_TIMESTAMPTZ;
	return MLOPS_SQL_NUMBER;
}

/*
 * The same, from a column.
 */
static MlopsSqlKind
kind_of_column(const MlopsModel *model, MlopsConversion conversion, Oid type)
{
	switch (conversion)
	{
		case MLOPS_CONVERT_BOOL:
			return MLOPS_SQL_BOOLEAN;
		case MLOPS_CONVERT_INT2:
		case MLOPS_CONVERT_INT4:
		case MLOPS_CONVERT_INT8:
			return MLOPS_SQL_INTEGER;
		case MLOPS_CONVERT_FLOAT4:
			return model->info.wide ? MLOPS_SQL_NUMBER : MLOPS_SQL_REAL;
		case MLOPS_CONVERT_DATE:
			return MLOPS_SQL_DATE;
		case MLOPS_CONVERT_TIMESTAMP:
			return getBaseType(type) == TIMESTAMPTZOID ? MLOPS_SQL_TIMESTAMPTZ : MLOPS_SQL_TIMESTAMP;
		default:
			return MlopsConversionIsCategory(conversion) ? MLOPS_SQL_CATEGORY : MLOPS_SQL_NUMBER;
	}
}

/*
 * A type of this kind.
 */
static const char *
type_of_kind(MlopsSqlKind kind)
{
	switch (kind)
	{
		case MLOPS_SQL_BOOLEAN:
			return "boolean";
		case MLOPS_SQL_DATE:
			return "date";
		case MLOPS_SQL_TIMESTAMP:
			return "timestamp";
		case MLOPS_SQL_TIMESTAMPTZ:
			return "timestamptz";
		case MLOPS_SQL_CATEGORY:
			return "text";
		default:
			return "float8";
	}
}

/*
 * The columns that the features read, those of a relation if there is one.
 * Error ML020 if that does not have what is read.
 */
static MlopsSqlColumn *
make_columns(const MlopsModel *model, MlopsScoringPolicy policy, const char *alias, Oid source)
{
	const MlopsSignature *signature = model->signature;
	MlopsSqlColumn *columns = palloc(mul_size(sizeof(MlopsSqlColumn), Max(signature->num_features, 1)));
	char	   *prefix = alias == NULL ? "" : psprintf("%s.", mlops_sql_identifier(alias));
	Relation	relation = OidIsValid(source) ? relation_open(source, AccessShareLock) : NULL;
	MlopsColumn *bound = relation == NULL ? NULL : mlops_bind_columns(signature, RelationGetDescr(relation));

	for (int i = 0; i < signature->num_features; i++)
	{
		columns[i].feature = &signature->features[i];
		columns[i].name = psprintf("%s%s", prefix, mlops_sql_identifier(signature->features[i].name));
		columns[i].other = policy.unseen_categories == MLOPS_CATEGORIES_OTHER;
		if (bound == NULL)
			columns[i].kind = kind_of_feature(&signature->features[i]);
		else if (bound[i].attribute < 0 && policy.missing_columns == MLOPS_COLUMNS_NULL)
		{
			columns[i].kind = kind_of_feature(&signature->features[i]);
			columns[i].name = psprintf("NULL::%s", type_of_kind(columns[i].kind));
		}
		else if (bound[i].problem != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_BINDING),
					 errmsg("column \"%s\" of \"%s\" cannot be read by " VERSION_FMT,
							signature->features[i].name, RelationGetRelationName(relation), VERSION_ARGS(model)),
					 errdetail("Problem: %s.", bound[i].problem)));
		else
			columns[i].kind = kind_of_column(model, bound[i].conversion,
											 TupleDescAttr(RelationGetDescr(relation), bound[i].attribute)->atttypid);
		mlops_sql_drop_missing(model, &columns[i]);
	}
	if (relation != NULL)
		relation_close(relation, AccessShareLock);
	return columns;
}

/*
 * Write what gives NULL, instead of an error, for a category that the model
 * does not know.  False if the model has no categories.
 */
static bool
write_refusal(Writer *writer)
{
	bool		any = false;

	resetStringInfo(&writer->condition);
	for (int i = 0; i < writer->model->signature->num_features; i++)
	{
		if (writer->columns[i].kind != MLOPS_SQL_CATEGORY)
			continue;
		appendStringInfoString(&writer->condition, any ? " OR " : "");
		mlops_sql_unseen(&writer->condition, &writer->columns[i]);
		any = true;
	}
	if (any)
		appendStringInfo(writer->sql, "(CASE WHEN %s THEN NULL ELSE ", writer->condition.data);
	return any;
}

/*
 * A name for subqueries that is neither that of a feature nor the alias.
 */
static char *
free_name(const MlopsSignature *signature, const char *alias)
{
	char	   *name = pstrdup("s");

	for (int i = -1; i < signature->num_features; i++)
	{
		const char *taken = i < 0 ? alias : signature->features[i].name;

		if (taken != NULL && strcmp(taken, name) == 0)
		{
			name = psprintf("%s_", name);
			i = -2;				/* look at all again */
		}
	}
	return name;
}

/*
 * SQL: to_sql(model, output, alias, source).
 */
Datum
mlops_to_sql(PG_FUNCTION_ARGS)
{
	Writer		writer = {0};
	StringInfoData sql;
	MlopsReference reference;
	MlopsResolved resolved;
	bool		refuses;
	char	   *output;
	char	   *alias = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	output = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (strcmp(output, "prediction") != 0 && strcmp(output, "margin") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown output \"%s\"", output),
				 errhint("Outputs are prediction and margin.")));

	mlops_modelref_split(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)), &reference);
	mlops_resolve(GetUserId(), &reference, MLOPS_READ, &resolved);
	writer.model = mlops_model_hold(&resolved, CurrentMemoryContext);
	writer.type = writer.model->info.wide ? "float8" : "real";
	writer.alias = free_name(writer.model->signature, alias);
	writer.columns = make_columns(writer.model, resolved.policy, alias, PG_ARGISNULL(3) ? InvalidOid : PG_GETARG_OID(3));
	writer.sql = &sql;
	initStringInfo(&sql);
	initStringInfo(&writer.condition);
	mlops_forest_plan(writer.model->forest, &writer.plan);

	refuses = resolved.policy.unseen_categories == MLOPS_CATEGORIES_ERROR && write_refusal(&writer);
	if (strcmp(output, "margin") == 0)
		write_margins(&writer);
	else if (writer.model->info.num_groups == 1)
		write_output(&writer);
	else
		write_outputs(&writer);
	if (refuses)
		appendStringInfoString(&sql, " END)");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(sql.data, sql.len));
}
