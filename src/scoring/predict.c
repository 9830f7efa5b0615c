/*-------------------------------------------------------------------------
 *
 * predict.c
 *	  predict(), predict_class(), predict_proba() and predict_margin(), each
 *	  of a row, an array or a JSON object.
 *
 * Each function reads its input, has the engine compute the margins, and makes
 * of them what it returns.  Those of columns are what the planner makes of a
 * call on a row, see support.c.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "errors.h"
#include "mlops.h"
#include "registry/privilege.h"
#include "scoring/scorer.h"

PG_FUNCTION_INFO_V1(mlops_predict_row);
PG_FUNCTION_INFO_V1(mlops_predict_array);
PG_FUNCTION_INFO_V1(mlops_predict_jsonb);
PG_FUNCTION_INFO_V1(mlops_predict_columns);
PG_FUNCTION_INFO_V1(mlops_predict_class_row);
PG_FUNCTION_INFO_V1(mlops_predict_class_array);
PG_FUNCTION_INFO_V1(mlops_predict_class_jsonb);
PG_FUNCTION_INFO_V1(mlops_predict_class_columns);
PG_FUNCTION_INFO_V1(mlops_predict_proba_row);
PG_FUNCTION_INFO_V1(mlops_predict_proba_array);
PG_FUNCTION_INFO_V1(mlops_predict_proba_jsonb);
PG_FUNCTION_INFO_V1(mlops_predict_proba_columns);
PG_FUNCTION_INFO_V1(mlops_predict_margin_row);
PG_FUNCTION_INFO_V1(mlops_predict_margin_array);
PG_FUNCTION_INFO_V1(mlops_predict_margin_jsonb);
PG_FUNCTION_INFO_V1(mlops_predict_margin_columns);

/*
 * Error for a function that does not fit the task of a model.
 */
static void
wrong_task(const MlopsModel *model, const char *function, const char *hint)
{
	static const char *const tasks[] = {"", "regression", "binary", "multiclass", "ranking"};

	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_WRONG_TASK),
			 errmsg("%s cannot be used with version %d of model \"%s\"",
					function, model->version, model->name),
			 errdetail("Its task is %s, its objective %s.", tasks[model->info.task],
					   model->info.objective),
			 errhint("%s", hint)));
}

/*
 * One number: a value, or the probability of the positive class.
 */
static Datum
predict(MlopsScorer *scorer)
{
	if (scorer->model->info.num_groups > 1)
		wrong_task(scorer->model, "predict",
				   scorer->model->info.task == MLOPS_TASK_MULTICLASS ?
				   "Use predict_class for the class, or predict_proba for the probability of each." :
				   "Use predict_margin for the values of all targets.");
	mlops_scorer_transform(scorer);
	return Float8GetDatum(mlops_scorer_value(scorer, outputs, 0));
}

/*
 * The name of the likeliest class: of two, the positive one from a probability
 * of MLOPS_THRESHOLD on; of more, the one with the greatest margin, the first
 * of them if some are equal.
 */
static Datum
predict_class(MlopsScorer *scorer)
{
	const MlopsModel *model = scorer->model;
	int			class = 0;

	if (model->info.task == MLOPS_TASK_BINARY)
	{
		mlops_scorer_transform(scorer);
		/* this objective's output is the margin, whose middle is 0 */
		if (strcmp(model->info.objective, "binary:logitraw") == 0)
			class = mlops_scorer_value(scorer, outputs, 0) >= 0.0;
		else
			class = mlops_scorer_value(scorer, outputs, 0) >= MLOPS_THRESHOLD;
	}
	else if (model->info.task == MLOPS_TASK_MULTICLASS)
	{
		for (int i = 1; i < model->info.num_groups; i++)
			if (mlops_scorer_value(scorer, margins, i) > mlops_scorer_value(scorer, margins, class))
				class = i;
	}
	else
		wrong_task(model, "predict_class", "Use predict for the value.");

	if (class < model->num_classes)
		return CStringGetTextDatum(model->classes[class]);
	return CStringGetTextDatum(psprintf("%d", class));
}

/* an array of float8 from values that are double or float */
static Datum
array_of(const void *values, bool wide, int count)
{
	Datum	   *datums = palloc(sizeof(Datum) * count);

	for (int i = 0; i < count; i++)
		datums[i] = Float8GetDatum(wide ? ((const double *) values)[i]
								   : (double) ((const float *) values)[i]);
	return PointerGetDatum(construct_array(datums, count, FLOAT8OID, sizeof(float8),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * The probability of each class, in the order of the model's classes.
 */
static Datum
predict_proba(MlopsScorer *scorer)
{
	const MlopsModel *model = scorer->model;

	if (model->info.task == MLOPS_TASK_MULTICLASS)
	{
		float	   *probabilities;

		/* these are outputs; those of the other library may be a class */
		if (model->info.wide)
		{
			mlops_scorer_transform(scorer);
			return array_of(scorer->outputs, true, model->info.num_groups);
		}
		probabilities = palloc(sizeof(float) * model->info.num_groups);
		mlops_forest_softmax(scorer->margins, model->info.num_groups, probabilities);
		return array_of(probabilities, false, model->info.num_groups);
	}
	if (model->info.task == MLOPS_TASK_BINARY &&
		strcmp(model->info.objective, "binary:logitraw") != 0 &&
		strcmp(model->info.objective, "binary:hinge") != 0)
	{
		double		probabilities[2];
		double		positive;

		mlops_scorer_transform(scorer);
		positive = mlops_scorer_value(scorer, outputs, 0);
		probabilities[0] = model->info.wide ? 1.0 - positive : (double) (1.0f - (float) positive);
		probabilities[1] = positive;
		return array_of(probabilities, true, 2);
	}
	wrong_task(model, "predict_proba", "It does not give probabilities: use predict.");
	return (Datum) 0;			/* keep compiler quiet */
}

/*
 * The raw margins, one per class or target.
 */
static Datum
predict_margin(MlopsScorer *scorer)
{
	return array_of(scorer->margins, scorer->model->info.wide, scorer->model->info.num_groups);
}

/*
 * Read the row, compute its margins, and make of them what a function returns.
 */
static inline Datum
score(FunctionCallInfo fcinfo, MlopsInput input, Datum (*result_of) (MlopsScorer *scorer))
{
	MlopsScorer *scorer = mlops_scorer_read(fcinfo, input, MLOPS_SCORE,
											result_of == predict ? MLOPS_USE_VALUE : MLOPS_USE_SCORE);
	Datum		result;

	if (unlikely(scorer->constant != NULL))
		return Float8GetDatum(*scorer->constant);
	mlops_scorer_margin(scorer);
	result = result_of(scorer);
	mlops_scorer_done(scorer);
	return result;
}

Datum
mlops_predict_row(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_ROW, predict);
}

Datum
mlops_predict_array(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_ARRAY, predict);
}

Datum
mlops_predict_jsonb(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_JSONB, predict);
}

Datum
mlops_predict_columns(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	return score(fcinfo, MLOPS_INPUT_COLUMNS, predict);
}

Datum
mlops_predict_class_row(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_ROW, predict_class);
}

Datum
mlops_predict_class_array(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_ARRAY, predict_class);
}

Datum
mlops_predict_class_jsonb(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_JSONB, predict_class);
}

Datum
mlops_predict_class_columns(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	return score(fcinfo, MLOPS_INPUT_COLUMNS, predict_class);
}

Datum
mlops_predict_proba_row(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_ROW, predict_proba);
}

Datum
mlops_predict_proba_array(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_ARRAY, predict_proba);
}

Datum
mlops_predict_proba_jsonb(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_JSONB, predict_proba);
}

Datum
mlops_predict_proba_columns(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	return score(fcinfo, MLOPS_INPUT_COLUMNS, predict_proba);
}

Datum
mlops_predict_margin_row(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_ROW, predict_margin);
}

Datum
mlops_predict_margin_array(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_ARRAY, predict_margin);
}

Datum
mlops_predict_margin_jsonb(PG_FUNCTION_ARGS)
{
	return score(fcinfo, MLOPS_INPUT_JSONB, predict_margin);
}

Datum
mlops_predict_margin_columns(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	return score(fcinfo, MLOPS_INPUT_COLUMNS, predict_margin);
}
