/*-------------------------------------------------------------------------
 *
 * distance_report.c
 *	  SQL: mlops.drift_report(), rows against the frozen profile of a version.
 *
 * The query runs once, with the rights of the caller, into a sketch for each
 * column, so that memory is bounded whatever the number of rows.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/plancache.h"

#include "monitoring/distance_sketch.h"
#include "monitoring/profile.h"
#include "monitoring/profile_bins.h"
#include "monitoring/profile_query.h"
#include "registry/model.h"
#include "registry/privilege.h"
#include "registry/modelref.h"
#include "training/query.h"

/* fields of mlops.drift_report_row: role, feature, those of a result, problem */
#define REPORT_ROLE			0
#define REPORT_FEATURE		1
#define REPORT_RESULT		2
#define REPORT_PROBLEM		(REPORT_RESULT + MLOPS_DRIFT_FIELDS)
#define REPORT_FIELDS		(REPORT_PROBLEM + 1)

/* a data set has drifted if at least this share of its features has */
#define DATA_SET_SHARE		0.5

/* columns of the query for the profile */
#define PROFILE_ROLE		1
#define PROFILE_NAME		2
#define PROFILE_SKETCH		3
#define PROFILE_BINS		4

PG_FUNCTION_INFO_V1(mlops_drift_report);

static bool
has_column(TupleDesc tupdesc, const char *name)
{
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), name) == 0)
			return true;
	}
	return false;
}

/*
 * The query with the scores of the version, if it has none of its own and all
 * that a score needs, of types that the version can read.
 */
static char *
query_with_scores(char *query, const MlopsResolved *resolved, const MlopsModel *model)
{
	char	   *reference = quote_literal_cstr(psprintf("%s/%d", resolved->name, resolved->version));
	char	   *bind;
	CachedPlanSource *source;
	bool		complete;

	SPI_connect();
	source = linitial(SPI_plan_get_plan_sources(mlops_query_prepare(query, "the query to compare", 0)));
	complete = !has_column(source->resultDesc, MLOPS_ROLE_SCORE);
	for (int i = 0; i < model->signature->num_features; i++)
		complete &= has_column(source->resultDesc, model->signature->features[i].name);
	bind = psprintf("SELECT FROM mlops.bind(%s::mlops.modelref, %s) b WHERE b.problem IS NOT NULL LIMIT 1",
					reference, quote_literal_cstr(query));
	if (complete && SPI_execute(bind, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for the features of a version");
	complete = complete && SPI_processed == 0;
	SPI_finish();

	if (!complete)
		return query;
	return psprintf("SELECT q.*, mlops.%s(%s::mlops.modelref, q) AS " MLOPS_ROLE_SCORE " FROM %s q",
					model->info.task == MLOPS_TASK_MULTICLASS ? "predict_class" : "predict", reference,
					mlops_query_as_table(query, "the query to compare"));
}

/*
 * The column of a name, NULL if there is none.  Error if there are two.
 */
static MlopsProfileColumn *
column_of(const MlopsProfile *profile, const char *name)
{
	MlopsProfileColumn *found = NULL;

	for (int i = 0; i < profile->num_columns; i++)
	{
		if (strcmp(profile->columns[i].name, name) != 0)
			continue;
		if (found != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" occurs more than once in the query", name)));
		found = &profile->columns[i];
	}
	return found;
}

/*
 * Put the row of one column of the frozen profile.  Returns its verdict.
 */
static MlopsVerdict
put_column(ReturnSetInfo *result, const char *role, const char *name, MlopsSketch *reference,
		   const MlopsBins *bins, MlopsProfileColumn *column, MlopsMethod method, Jsonb *given)
{
	const char *problem = NULL;
	MlopsDriftOptions options;
	MlopsDrift	drift = {0};
	MlopsDriftBasis basis = {0};
	MlopsSkipped skipped[2] = {{0}};
	Datum		values[REPORT_FIELDS];
	bool		nulls[REPORT_FIELDS] = {false};

	/* categories have no order: their test is chi2 */
	if (!mlops_method_is_binned(method) && mlops_sketch_kind(reference) == MLOPS_SKETCH_CATEGORICAL)
		method = MLOPS_CHI2;
	mlops_drift_options(&options, method, given);

	if (column == NULL)
		problem = strcmp(role, MLOPS_ROLE_SCORE) == 0 ? "the version cannot read the features of the query" : "not in the query";
	else if (column->sketch == NULL)
		problem = "of a type that has no profile";
	else if (mlops_sketch_kind(column->sketch) != mlops_sketch_kind(reference))
		problem = "a number in the profile or in the query only";
	else if (mlops_sketch_counts(reference).values == 0)
		problem = strcmp(role, MLOPS_ROLE_SCORE) == 0 ?
			"no scores in the profile: there were no test rows when the version was trained" :
			"no values in the profile";

	if (problem == NULL)
		mlops_drift_sketch(reference, column->sketch, bins, &options, &drift, &basis, skipped);
	else
	{
		drift.value = drift.p_value = drift.p_judged = drift.threshold = NAN;
		drift.n_reference = mlops_sketch_counts(reference).values;
		drift.verdict = MLOPS_VERDICT_INSUFFICIENT;
	}
	values[REPORT_ROLE] = CStringGetTextDatum(role);
	values[REPORT_FEATURE] = CStringGetTextDatum(name);
	mlops_drift_fields(&options, &drift, &basis, skipped, 0, values + REPORT_RESULT, nulls + REPORT_RESULT);
	nulls[REPORT_PROBLEM] = problem == NULL;
	values[REPORT_PROBLEM] = problem ? CStringGetTextDatum(problem) : (Datum) 0;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return drift.verdict;
}

/*
 * Put the row of the data set: the share of its features that have drifted.
 */
static void
put_data_set(ReturnSetInfo *result, int judged, int drifted)
{
	Datum		values[REPORT_FIELDS] = {0};
	bool		nulls[REPORT_FIELDS];
	double		share = judged > 0 ? (double) drifted / judged : 0;
	const char *verdict = judged == 0 ? "insufficient" : share >= DATA_SET_SHARE ? "fail" : "ok";
	char	   *definition = psprintf("{\"features\": %d, \"failed\": %d, \"fail\": %.1f}",
									  judged, drifted, DATA_SET_SHARE);

	memset(nulls, true, sizeof(nulls));
	nulls[REPORT_ROLE] = nulls[REPORT_RESULT] = nulls[REPORT_RESULT + 3] =
		nulls[REPORT_RESULT + 4] = nulls[REPORT_RESULT + 8] = false;
	values[REPORT_ROLE] = CStringGetTextDatum("data set");
	values[REPORT_RESULT] = CStringGetTextDatum("share_of_features");
	nulls[REPORT_RESULT + 1] = judged == 0;
	values[REPORT_RESULT + 1] = Float8GetDatum(share);
	values[REPORT_RESULT + 3] = Float8GetDatum(DATA_SET_SHARE);
	values[REPORT_RESULT + 4] = CStringGetTextDatum(verdict);
	values[REPORT_RESULT + 8] = DirectFunctionCall1(jsonb_in, CStringGetDatum(definition));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * SQL: mlops.drift_report(model, query, method, options).
 */
Datum
mlops_drift_report(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	MlopsMethod method = mlops_method_of_name(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	Jsonb	   *given = PG_GETARG_JSONB_P(3);
	MlopsProfile *profile = mlops_profile_create();
	MlopsReference reference;
	MlopsResolved resolved;
	MlopsDriftOptions options;
	Oid			types[2] = {TEXTOID, INT4OID};
	Datum		args[2];
	int			judged = 0;
	int			drifted = 0;

	InitMaterializedSRF(fcinfo, 0);
	mlops_drift_options(&options, method, given);
	mlops_modelref_split(PG_GETARG_VARLENA_PP(0), &reference);
	mlops_resolve(GetUserId(), &reference, MLOPS_READ, &resolved);
	query = query_with_scores(query, &resolved, mlops_model_hold(&resolved, CurrentMemoryContext));
	mlops_profile_read(profile, query, "the query to compare");

	SPI_connect();
	args[0] = CStringGetTextDatum(resolved.name);
	args[1] = Int32GetDatum(resolved.version);
	if (SPI_execute_with_args("SELECT p.role, p.name, p.sketch, p.bins FROM mlops.profiles p "
							  "WHERE p.model OPERATOR(pg_catalog.=) $1::pg_catalog.name AND p.version OPERATOR(pg_catalog.=) $2 "
							  "ORDER BY p.position", 2, types, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the profile of a version");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s/%d has no profile", resolved.name, resolved.version),
				 errhint("Give it one of the rows that it was trained on, with mlops.set_profile().")));

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	tupdesc = SPI_tuptable->tupdesc;
		char	   *role = SPI_getvalue(row, tupdesc, PROFILE_ROLE);
		char	   *name = SPI_getvalue(row, tupdesc, PROFILE_NAME);
		MlopsVerdict verdict;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		verdict = put_column(result, role, name,
							 mlops_sketch_from_datum(SPI_getbinval(row, tupdesc, PROFILE_SKETCH, &isnull)),
							 mlops_bins_from_datum(SPI_getbinval(row, tupdesc, PROFILE_BINS, &isnull)),
							 column_of(profile, name), method, given);
		if (strcmp(role, MLOPS_ROLE_FEATURE) == 0 &&
			verdict != MLOPS_VERDICT_INSUFFICIENT && verdict != MLOPS_VERDICT_NONE)
		{
			judged++;
			drifted += verdict == MLOPS_VERDICT_FAIL;
		}
	}
	put_data_set(result, judged, drifted);
	SPI_finish();
	return (Datum) 0;
}
