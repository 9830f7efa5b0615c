/*-------------------------------------------------------------------------
 *
 * calibrate.c
 *	  mlops.calibrate: a version whose scores are shares of positive rows.
 *
 * One statement has mlops.predict_margin() give the margins of a query's rows,
 * with how many rows of each class have each; it runs with the rights and the
 * search_path of the caller, read-only.  From these counts, in the order of the
 * margins, the calibration is fitted, so that neither the order of the rows nor
 * the plan changes a digit.  A calibrated score is another score: it belongs to
 * a version of its own, with the same model file, whose metrics are those of
 * the rows of another query, if there is one.
 *
 * Rows that the version was trained with are refused where that can be seen:
 * by the key, or the column, by which the training split its rows.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "caller.h"
#include "errors.h"
#include "registry/calibration.h"
#include "registry/modelref.h"
#include "training/query.h"

PG_FUNCTION_INFO_V1(mlops_calibrate);

/* groups that are fetched at a time */
#define BATCH			10000

/* most steps of a fit by Newton's method; some ten are the rule */
#define MAX_STEPS		200

/* the arguments of mlops.calibrate, in their order */
enum
{
	ARG_MODEL,
	ARG_QUERY,
	ARG_LABEL,
	ARG_METHOD,
	ARG_TEST,
	ARG_DESCRIPTION
};

/* rows of one margin, or of several that have one value */
typedef struct Level
{
	double		margin;			/* the least of them */
	double		last;			/* the greatest */
	int64		positive;
	int64		negative;
} Level;

typedef struct Counts
{
	Level	   *groups;			/* ascending by margin */
	int			num_groups;
	int			allocated;
	int64		positive;
	int64		negative;
	int64		trained;		/* rows that the version was trained with */
	bool		tells_trained;	/* can that be seen? */
	List	   *relations;		/* of char *: read by the query */
} Counts;

/* what is known of the version, see mlops._calibration_source() */
typedef struct Source
{
	Datum		model;			/* a reference to this very version */
	char	   *positive;		/* class */
	char	   *trained;		/* query of its training, or NULL: imported */
	char	   *relations;		/* that this reads, as a JSON array, or NULL */
	char	   *key;			/* by which training split its rows, or NULL */
	char	   *column;			/* that had the parts, or NULL */
	char	   *parts;			/* JSON: their shares; NULL: all rows */
	char	   *seed;
} Source;

/*
 * Text of a column of the present result, in the caller's memory context;
 * NULL is NULL.
 */
static char *
text_of(HeapTuple tuple, TupleDesc desc, int number, MemoryContext context)
{
	char	   *text = SPI_getvalue(tuple, desc, number);

	return text == NULL ? NULL : MemoryContextStrdup(context, text);
}

/*
 * What is known of the version to be calibrated; its model is the caller's to
 * manage.  Error ML021 unless it is binary.
 */
static void
read_source(FunctionCallInfo fcinfo, Source *source)
{
	const Oid	types[] = {get_fn_expr_argtype(fcinfo->flinfo, ARG_MODEL)};
	NullableDatum model = {.value = PG_GETARG_DATUM(ARG_MODEL)};
	char	  **members[] = {&source->positive, &source->trained, &source->relations, &source->key,
	&source->column, &source->parts, &source->seed};
	ArrayType  *known;
	Datum	   *values;
	bool	   *nulls;
	int			count;
	bool		isnull;

	/* resolved once, so that no promotion comes between */
	source->model = model.value = mlops_call_private("_threshold_version", 1, types, &model, &isnull);
	known = DatumGetArrayTypeP(mlops_call_private("_calibration_source", 1, types, &model, &isnull));
	deconstruct_array(known, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	Assert(count == lengthof(members));
	for (int i = 0; i < count; i++)
		*members[i] = nulls[i] ? NULL : TextDatumGetCString(values[i]);
}

/*
 * The statement that gives, of each row of a query with a label, whether it is
 * positive (y), its margin (m), and whether the version was trained with it
 * (t), NULL if that cannot be seen.  SPI is connected.
 */
static char *
rows_of(const Source *source, const char *query, const char *what, const char *label, Counts *counts)
{
	SPIPlanPtr	plan = mlops_query_prepare(query, what, CURSOR_OPT_PARALLEL_OK);
	const char *positive = mlops_query_is_class(plan, what, label, source->positive);
	const char *trained = "NULL::pg_catalog.bool";

	if (source->key != NULL && source->parts != NULL && mlops_query_column(plan, source->key) >= 0)
		trained = psprintf("(mlops.split(r.%s, %s, %s) OPERATOR(pg_catalog.=) 'train')",
						   quote_identifier(source->key), source->seed, quote_literal_cstr(source->parts));
	else if (source->column != NULL && mlops_query_column(plan, source->column) >= 0)
		trained = psprintf("(mlops._as_text(r.%s) OPERATOR(pg_catalog.=) 'train')",
						   quote_identifier(source->column));
	if (counts != NULL)
	{
		counts->tells_trained = trained[0] == '(';
		counts->relations = mlops_query_relations(plan, CurrentMemoryContext);
	}
	return psprintf("SELECT %s AS y,"
					" (mlops.predict_margin($1, r.*))[1] AS m, %s AS t FROM (%s\n) r WHERE r.%s IS NOT NULL",
					positive, trained,
					mlops_query_text(plan), quote_identifier(label));
}

/*
 * Run the query and count.  What counts holds is in its memory context.
 */
static void
count_rows(FunctionCallInfo fcinfo, const Source *source, Counts *counts, MemoryContext context)
{
	Oid			types[] = {get_fn_expr_argtype(fcinfo->flinfo, ARG_MODEL)};
	Datum		values[] = {source->model};
	char	   *statement = psprintf("SELECT s.m, pg_catalog.count(*) FILTER (WHERE s.y), pg_catalog.count(*) FILTER (WHERE NOT s.y),"
									 " pg_catalog.count(*) FILTER (WHERE s.t) FROM (%s) s GROUP BY s.m ORDER BY s.m",
									 rows_of(source, text_to_cstring(PG_GETARG_TEXT_PP(ARG_QUERY)),
											 "the query of a calibration",
											 text_to_cstring(PG_GETARG_TEXT_PP(ARG_LABEL)), counts));
	Portal		portal = SPI_cursor_open_with_args(NULL, statement, 1, types, values, NULL, true, 0);

	do
	{
		SPI_cursor_fetch(portal, true, BATCH);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			HeapTuple	tuple = SPI_tuptable->vals[i];
			TupleDesc	desc = SPI_tuptable->tupdesc;
			Level	   *group;
			bool		isnull;

			if (counts->num_groups == counts->allocated)
			{
				counts->allocated = Max(counts->allocated * 2, 1024);
				counts->groups = counts->groups == NULL ?
					MemoryContextAllocHuge(context, mul_size(sizeof(Level), counts->allocated)) :
					repalloc_huge(counts->groups, mul_size(sizeof(Level), counts->allocated));
			}
			group = &counts->groups[counts->num_groups++];
			group->margin = group->last = DatumGetFloat8(SPI_getbinval(tuple, desc, 1, &isnull));
			if (isnull || !isfinite(group->margin))
				ereport(ERROR,
						(errcode(ERRCODE_MLOPS_TRAINING_DATA),
						 errmsg("a row has a margin that is not a finite number")));
			group->positive = DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull));
			group->negative = DatumGetInt64(SPI_getbinval(tuple, desc, 3, &isnull));
			counts->positive += group->positive;
			counts->negative += group->negative;
			counts->trained += DatumGetInt64(SPI_getbinval(tuple, desc, 4, &isnull));
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
}

/*
 * Error if the rows cannot be calibrated with, or are those of the training;
 * a warning if it cannot be told.
 */
static void
check_rows(const Source *source, const char *query, const Counts *counts)
{
	bool		same_relations = false;
	ListCell   *cell;

	if (counts->positive == 0 || counts->negative == 0)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("the query of a calibration has rows of one class only"),
				 errdetail(INT64_FORMAT " rows with a label are positive, " INT64_FORMAT " negative.",
						   counts->positive, counts->negative)));
	if (counts->trained > 0)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("the version was trained with " INT64_FORMAT " of the " INT64_FORMAT " rows of the query",
						counts->trained, counts->positive + counts->negative),
				 errdetail("Its scores of rows that it has seen are too sure to calibrate with."),
				 source->key != NULL ?
				 errhint("Add to the query: WHERE mlops.split(%s, %s, '%s') <> 'train'.",
						 quote_identifier(source->key), source->seed, source->parts) :
				 errhint("Add to the query: WHERE %s <> 'train'.", quote_identifier(source->column))));
	if (counts->tells_trained)
		return;
	if (source->trained != NULL && strcmp(query, source->trained) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("the query of a calibration is the one that the version was trained with"),
				 errdetail("Its scores of rows that it has seen are too sure to calibrate with."),
				 errhint("Calibrate with rows that were kept apart: train with a key, and calibrate with those that mlops.split() does not give to training.")));
	foreach(cell, counts->relations)
	{
		StringInfoData name;

		initStringInfo(&name);
		escape_json(&name, lfirst(cell));
		if (source->relations != NULL && strstr(source->relations, name.data) != NULL)
			same_relations = true;
	}
	if (source->trained == NULL || same_relations)
		ereport(WARNING,
				(errmsg("it cannot be told whether the version was trained with rows of the query"),
				 source->trained == NULL ? errdetail("It was imported.") :
				 errdetail("Both read from the same relation, and the query has no column by which the training split its rows."),
				 errhint("A calibration with rows of the training promises too much.")));
}

/*
 * Isotonic regression by pooling adjacent violators: of all functions that do
 * not fall, the one nearest to the labels by least squares.  Only the points
 * where it bends are kept.  The groups are used up.
 */
static void
fit_isotonic(Counts *counts, MlopsCalibration *calibration)
{
	Level	   *blocks = counts->groups;
	int			num_blocks = 0;
	int			num_points = 0;

	for (int i = 0; i < counts->num_groups; i++)
	{
		Level		block = counts->groups[i];

		/* a block before that is not lower becomes one with this */
		while (num_blocks > 0)
		{
			const Level *before = &blocks[num_blocks - 1];

			if ((double) before->positive * (double) (block.positive + block.negative) <
				(double) block.positive * (double) (before->positive + before->negative))
				break;
			block.margin = before->margin;
			block.positive += before->positive;
			block.negative += before->negative;
			num_blocks--;
		}
		blocks[num_blocks++] = block;
		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
	}

	calibration->isotonic = true;
	calibration->margins = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(2 * sizeof(double), num_blocks));
	calibration->values = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(2 * sizeof(double), num_blocks));
	for (int i = 0; i < num_blocks; i++)
	{
		double		value = (double) blocks[i].positive / (double) (blocks[i].positive + blocks[i].negative);

		calibration->margins[num_points] = blocks[i].margin;
		calibration->values[num_points++] = value;
		if (blocks[i].last > blocks[i].margin)
		{
			calibration->margins[num_points] = blocks[i].last;
			calibration->values[num_points++] = value;
		}
	}
	calibration->num_points = num_points;
	if (num_blocks == 1)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("no margin separates the classes of the query"),
				 errdetail("The calibration would be the same score for every row.")));
	if (num_points > MLOPS_MAX_CALIBRATION_POINTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the calibration has %d points, more than %d", num_points, MLOPS_MAX_CALIBRATION_POINTS),
				 errhint("Use method => 'platt', or fewer rows.")));
}

/* -log of the logistic function of x, and of that of -x */
static inline double
minus_log_logistic(double x)
{
	return x > 0 ? log1p(exp(-x)) : log1p(exp(x)) - x;
}

/*
 * Platt's targets, which keep a class without exceptions from probabilities of
 * 0 and 1, and the negative log-likelihood of a slope and an intercept, with
 * its derivatives if there is room for them.
 */
static double
platt_loss(const Counts *counts, double slope, double intercept, double *gradient, double *hessian)
{
	double		high = ((double) counts->positive + 1) / ((double) counts->positive + 2);
	double		low = 1 / ((double) counts->negative + 2);
	double		loss = 0;

	if (gradient != NULL)
		memset(gradient, 0, 2 * sizeof(double));
	if (hessian != NULL)
		memset(hessian, 0, 3 * sizeof(double));
	for (int i = 0; i < counts->num_groups; i++)
	{
		const Level *group = &counts->groups[i];
		double		margin = group->margin;
		double		x = slope * margin + intercept;
		double		rows = (double) (group->positive + group->negative);
		double		target = (double) group->positive * high + (double) group->negative * low;

		loss += target * minus_log_logistic(x) + (rows - target) * minus_log_logistic(-x);
		if (gradient != NULL)
		{
			double		p = 1 / (1 + exp(-x));
			double		error = rows * p - target;
			double		weight = rows * p * (1 - p);

			gradient[0] += margin * error;
			gradient[1] += error;
			hessian[0] += margin * margin * weight;
			hessian[1] += margin * weight;
			hessian[2] += weight;
		}
		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	return loss;
}

/*
 * Platt scaling: the logistic function of greatest likelihood, by Newton's
 * method with steps that are halved until they help (Lin, Lin and Weng 2007).
 */
static void
fit_platt(const Counts *counts, MlopsCalibration *calibration)
{
	double		slope = 0;
	double		intercept = log(((double) counts->positive + 1) / ((double) counts->negative + 1));
	double		gradient[2];
	double		hessian[3];
	double		loss = platt_loss(counts, slope, intercept, gradient, hessian);

	for (int step = 0; step < MAX_STEPS; step++)
	{
		/* a little on the diagonal makes it invertible, also for one margin */
		double		a = hessian[0] + 1e-12;
		double		c = hessian[2] + 1e-12;
		double		determinant = a * c - hessian[1] * hessian[1];
		double		ds = -(c * gradient[0] - hessian[1] * gradient[1]) / determinant;
		double		di = -(a * gradient[1] - hessian[1] * gradient[0]) / determinant;
		double		descent = gradient[0] * ds + gradient[1] * di;
		double		length = 1;
		double		next = loss;

		if (!(descent < 0))
			break;
		while (length >= 1e-10)
		{
			next = platt_loss(counts, slope + length * ds, intercept + length * di, NULL, NULL);
			if (next <= loss + 1e-4 * length * descent)
				break;
			length /= 2;
		}
		/* at the end the loss no longer shows what a step gains; the step itself is right */
		if (length < 1e-10 && fabs(ds) + fabs(di) > 1e-7 * (1 + fabs(slope) + fabs(intercept)))
			break;
		if (length < 1e-10)
			length = 1;
		slope += length * ds;
		intercept += length * di;
		if (fabs(ds) + fabs(di) <= 1e-14 * (1 + fabs(slope) + fabs(intercept)))
			break;
		loss = platt_loss(counts, slope, intercept, gradient, hessian);
	}
	if (!(slope > 0) || !isfinite(slope) || !isfinite(intercept))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("the margins of positive rows are not greater than those of the others"),
				 errdetail("The calibration would turn the order of the scores round.")));
	calibration->slope = slope;
	calibration->intercept = intercept;
}

/*
 * What a version with this calibration does on the rows of another query, as
 * JSON in the current memory context.
 */
static char *
measure(FunctionCallInfo fcinfo, const Source *source, const char *calibration, MemoryContext context)
{
	Oid			types[] = {get_fn_expr_argtype(fcinfo->flinfo, ARG_MODEL)};
	Datum		values[] = {source->model};
	static const char *const scored[] = {"auc", "gini", "ks", "pr_auc", "log_loss", "brier"};
	static const char *const decided[] = {"accuracy", "precision", "recall", "f1"};
	StringInfoData statement;

	initStringInfo(&statement);
	appendStringInfoString(&statement, "SELECT pg_catalog.jsonb_build_object('base_rate', pg_catalog.avg(p.y::pg_catalog.int4)::pg_catalog.float8");
	for (int i = 0; i < (int) lengthof(scored); i++)
		appendStringInfo(&statement, ", '%s', mlops.%s(p.y, p.p)", scored[i], scored[i]);
	for (int i = 0; i < (int) lengthof(decided); i++)
		appendStringInfo(&statement, ", '%s', mlops.%s(p.y, p.p, 0.5)", decided[i], decided[i]);
	appendStringInfo(&statement, "), pg_catalog.count(*) FROM (SELECT s.y, mlops._calibrated(%s::pg_catalog.jsonb, s.m) AS p FROM (%s) s OFFSET 0) p",
					 quote_literal_cstr(calibration),
					 rows_of(source, text_to_cstring(PG_GETARG_TEXT_PP(ARG_TEST)), "the query of the test",
							 text_to_cstring(PG_GETARG_TEXT_PP(ARG_LABEL)), NULL));
	if (SPI_execute_with_args(statement.data, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	if (strcmp(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2), "0") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("the query of the test has no rows with a label")));
	return text_of(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, context);
}

/*
 * Fit and measure: the calibration with what it was made from, and the metrics
 * or NULL, as JSON.
 */
static char *
fit(FunctionCallInfo fcinfo, const Source *source, bool isotonic, char **metrics, MemoryContext context)
{
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(ARG_QUERY));
	Counts		counts = {0};
	MlopsCalibration calibration = {0};
	StringInfoData json;

	count_rows(fcinfo, source, &counts, CurrentMemoryContext);
	check_rows(source, query, &counts);
	if (isotonic)
		fit_isotonic(&counts, &calibration);
	else
		fit_platt(&counts, &calibration);

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	mlops_calibration_to_json(&calibration, &json);
	appendStringInfoString(&json, ", \"query\": ");
	escape_json(&json, query);
	appendStringInfoString(&json, ", \"label\": ");
	escape_json(&json, text_to_cstring(PG_GETARG_TEXT_PP(ARG_LABEL)));
	appendStringInfo(&json, ", \"rows\": " INT64_FORMAT ", \"positive\": " INT64_FORMAT ", \"training_rows\": %s",
					 counts.positive + counts.negative, counts.positive, counts.tells_trained ? "0" : "null");
	appendStringInfoString(&json, ", \"test\": ");
	if (PG_ARGISNULL(ARG_TEST))
		appendStringInfoString(&json, "null");
	else
		escape_json(&json, text_to_cstring(PG_GETARG_TEXT_PP(ARG_TEST)));
	appendStringInfoChar(&json, '}');
	if (!PG_ARGISNULL(ARG_TEST))
		*metrics = measure(fcinfo, source, json.data, context);
	return MemoryContextStrdup(context, json.data);
}

/*
 * SQL: mlops.calibrate(), one row with a reference to the new version, its
 * number and its metrics.
 */
Datum
mlops_calibrate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const Oid	types[] = {get_fn_expr_argtype(fcinfo->flinfo, ARG_MODEL), JSONBOID, JSONBOID, TEXTOID};
	NullableDatum args[lengthof(types)] = {0};
	MemoryContext context = CurrentMemoryContext;
	bool		save_read_only = XactReadOnly;
	Source		source = {0};
	MlopsReference made;
	char	   *method;
	char	   *calibration;
	char	   *metrics = NULL;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	bool		isnull;

	if (PG_ARGISNULL(ARG_MODEL) || PG_ARGISNULL(ARG_QUERY) || PG_ARGISNULL(ARG_LABEL) || PG_ARGISNULL(ARG_METHOD))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model, query, label and method cannot be NULL")));
	method = text_to_cstring(PG_GETARG_TEXT_PP(ARG_METHOD));
	if (strcmp(method, "isotonic") != 0 && strcmp(method, "platt") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown method of calibration \"%s\"", method),
				 errhint("Methods are isotonic and platt.")));
	PreventCommandIfReadOnly("mlops.calibrate()");
	InitMaterializedSRF(fcinfo, 0);
	read_source(fcinfo, &source);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	XactReadOnly = true;
	PG_TRY();
	{
		calibration = fit(fcinfo, &source, strcmp(method, "isotonic") == 0, &metrics, context);
	}
	PG_FINALLY();
	{
		XactReadOnly = save_read_only;
	}
	PG_END_TRY();
	SPI_finish();

	args[0].value = source.model;
	args[1].value = DirectFunctionCall1(jsonb_in, CStringGetDatum(calibration));
	args[2].isnull = metrics == NULL;
	if (metrics != NULL)
		args[2].value = DirectFunctionCall1(jsonb_in, CStringGetDatum(metrics));
	args[3].isnull = PG_ARGISNULL(ARG_DESCRIPTION);
	if (!args[3].isnull)
		args[3].value = PG_GETARG_DATUM(ARG_DESCRIPTION);
	values[0] = mlops_call_private("_register_calibration", lengthof(types), types, args, &isnull);
	mlops_modelref_split(PG_DETOAST_DATUM_PACKED(values[0]), &made);
	values[1] = Int32GetDatum(made.version);
	values[2] = args[2].value;
	nulls[2] = args[2].isnull;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}
