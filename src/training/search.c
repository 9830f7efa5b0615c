/*-------------------------------------------------------------------------
 *
 * search.c
 *	  What cross-validation and searches record of their runs.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/namespace.h"
#include "catalog/pg_type.h"

#include "caller.h"
#include "training/arguments.h"
#include "training/json.h"
#include "training/search.h"

/*
 * The name of the experiment that runs will be of, which is made if there is
 * none: the one that is asked for, the one of the session, or one of the
 * caller's own.  Error if it is somebody else's.
 */
char *
mlops_find_experiment(const char *experiment, const char *otherwise)
{
	const Oid	types[] = {TEXTOID, TEXTOID};
	NullableDatum args[] = {text_datum(experiment), text_datum(otherwise)};
	bool		isnull;

	return TextDatumGetCString(mlops_call_private("_use_experiment", lengthof(types), types, args, &isnull));
}

/*
 * Write a run; metrics and record are JSON.  Returns its number.
 */
int64
mlops_record_run(const char *kind, const char *model, const char *experiment, const char *name,
				 int64 parent, const char *metrics, const char *record)
{
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, JSONBOID, JSONBOID};
	NullableDatum args[lengthof(types)] = {0};
	bool		isnull;

	args[0] = text_datum(kind);
	args[1] = text_datum(model);
	args[2] = text_datum(experiment);
	args[3] = text_datum(name);
	args[4].isnull = parent == 0;
	args[4].value = Int64GetDatum(parent);
	args[5] = jsonb_datum(metrics);
	args[6] = jsonb_datum(record);
	return DatumGetInt64(mlops_call_private("_record_run", lengthof(types), types, args, &isnull));
}

static void
add_jsonb(StringInfo json, const char *name, Jsonb *value)
{
	add_name(json, name);
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		JsonbToCString(json, &value->root, VARSIZE(value));
}

/*
 * The arguments that the record has in another form, as they were given.
 */
char *
mlops_record_arguments(Jsonb *params, Jsonb *split, Jsonb *class_weight, const char *positive)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	add_jsonb(&json, "params", params);
	add_jsonb(&json, "split", split);
	add_jsonb(&json, "class_weight", class_weight);
	add_string(&json, "positive", positive);
	add_string(&json, "search_path", namespace_search_path);
	appendStringInfoChar(&json, '}');
	return json.data;
}

static void
add_integers(StringInfo json, const char *name, const int64 *values, int count)
{
	add_name(json, name);
	for (int i = 0; i < count; i++)
		appendStringInfo(json, "%s" INT64_FORMAT, i > 0 ? ", " : "[", values[i]);
	appendStringInfoChar(json, ']');
}

/*
 * How the rows came into folds, and how many each has.
 */
void
mlops_record_folds(StringInfo json, const MlopsFolds *folds)
{
	static const char *const kinds[] = {
		[MLOPS_FOLD_HASH] = "hash",
		[MLOPS_FOLD_GROUP] = "group",
		[MLOPS_FOLD_STRATIFY] = "stratify",
		[MLOPS_FOLD_TIME] = "time"
	};
	int			first = MlopsFirstFold(folds);
	int64		held_out[MLOPS_FOLDS_MAX];

	for (int fold = 0; fold < folds->count; fold++)
		held_out[fold] = folds->starts[first + fold + 1] - folds->starts[first + fold];
	add_name(json, "folds");
	appendStringInfoChar(json, '{');
	add_integer(json, "count", folds->count);
	add_string(json, "by", kinds[folds->kind]);
	add_string(json, "column", folds->column);
	add_integers(json, "held_out", held_out, folds->count);
	add_integers(json, "trained", folds->trained + first, folds->count);
	appendStringInfoChar(json, '}');
}

/*
 * What came of the folds: rounds, learning curves, and how long it took.
 */
void
mlops_record_validated(StringInfo json, const MlopsTrainOptions *options,
					   const MlopsValidated *validated)
{
	int64		trained[MLOPS_FOLDS_MAX];
	int64		best[MLOPS_FOLDS_MAX];

	for (int fold = 0; fold < validated->num_folds; fold++)
	{
		trained[fold] = validated->rounds[fold];
		best[fold] = validated->best[fold] - 1;
	}
	add_name(json, "rounds");
	appendStringInfoChar(json, '{');
	add_integer(json, "asked", options->rounds);
	add_integers(json, "trained", trained, validated->num_folds);
	add_integers(json, "best", best, validated->num_folds);
	add_integer(json, "early_stopping", options->early_stopping_rounds);
	appendStringInfoChar(json, '}');
	add_strings(json, "history", validated->history);
	add_name(json, "seconds");
	appendStringInfoChar(json, '{');
	add_number(json, "boosting", validated->boosting);
	appendStringInfoChar(json, '}');
}

/* null if it is not a number */
static void
add_measure(StringInfo json, const char *name, double value)
{
	if (isfinite(value))
		add_number(json, name, value);
	else
	{
		add_name(json, name);
		appendStringInfoString(json, "null");
	}
}

/*
 * The metrics of a run: the mean of each measure over the folds, and its
 * standard error.
 */
char *
mlops_metrics_json(const MlopsValidated *validated, const List *metrics)
{
	StringInfoData json;
	ListCell   *cell;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	foreach(cell, metrics)
	{
		const MlopsMetric *metric = lfirst(cell);
		double		values[MLOPS_FOLDS_MAX];
		double		error;

		add_measure(&json, metric->name,
					mlops_validated_values(validated, metric->name, values, &error));
		add_measure(&json, psprintf("%s_se", metric->name), error);
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}
