/*-------------------------------------------------------------------------
 *
 * predict.c
 *	  predict(), predict_class(), predict_proba() and predict_margin(), each
 *	  of a row, an array or a JSON object, with changes or without, with the
 *	  version's calibration or without; and predict_batch() of an array of rows.
 *
 * Each function reads its input, has the engine compute the margins, and makes
 * of them what it returns.  Those of columns are what the planner makes of a
 * call on a row, see support.c.  A third argument of the others is an object of
 * changes, a fourth says whether the calibration counts.  Whoever has margins of many rows makes the same of them by
 * mlops_scorer_output().
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "errors.h"
#include "mlops.h"
#include "registry/privilege.h"
#include "scoring/scorer.h"

PG_FUNCTION_INFO_V1(mlops_predict_row);
PG_FUNCTION_INFO_V1(mlops_predict_array);
PG_FUNCTION_INFO_V1(mlops_predict_jsonb);
PG_FUNCTION_INFO_V1(mlops_predict_columns);
PG_FUNCTION_INFO_V1(mlops_predict_batch_rows);
PG_FUNCTION_INFO_V1(mlops_predict_batch_array);
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

/* most bytes of the rows that are kept for one call of the engine */
#define MAX_BATCH_BYTES		(8 * 1024 * 1024)

/* rows on their way into the engine together, and out of it */
typedef struct Batch
{
	int			allocated;		/* most rows */
	Size		row_size;
	char	   *rows;
	void	   *scratch;
	void	   *margins;
	int		   *places;			/* of the rows in the result */
	MemoryContext context;		/* reset for each batch: for what reading needs */
} Batch;

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
 * Error unless a model gives one number.
 */
static void
require_one_number(const MlopsModel *model, const char *function)
{
	if (model->info.num_groups > 1)
		wrong_task(model, function,
				   model->info.task == MLOPS_TASK_MULTICLASS ?
				   "Use predict_class for the class, or predict_proba for the probability of each." :
				   "Use predict_margin for the values of all targets.");
}

/*
 * One number: a value, or the probability of the positive class.
 */
static Datum
predict(MlopsScorer *scorer)
{
	require_one_number(scorer->model, "predict");
	return Float8GetDatum(mlops_scorer_prediction(scorer));
}

/*
 * The name of the likeliest class: of two, the positive one from the version's
 * threshold on; of more, the one with the greatest margin, the first
 * of them if some are equal.
 */
static Datum
predict_class(MlopsScorer *scorer)
{
	const MlopsModel *model = scorer->model;
	int			class = 0;

	if (model->info.task == MLOPS_TASK_BINARY)
		class = mlops_scorer_prediction(scorer) >= mlops_scorer_threshold(scorer);
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
 * Does a model of two classes give the probability of one?
 */
static bool
gives_probability(const MlopsModel *model)
{
	return model->info.task == MLOPS_TASK_BINARY &&
		(model->calibration != NULL ||
		 (strcmp(model->info.objective, "binary:logitraw") != 0 &&
		  strcmp(model->info.objective, "binary:hinge") != 0));
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
	if (gives_probability(model))
	{
		double		probabilities[2];
		double		positive;

		positive = mlops_scorer_prediction(scorer);
		probabilities[0] = model->info.wide || model->calibration != NULL ? 1.0 - positive :
			(double) (1.0f - (float) positive);
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
 * Does a model give this of a row?
 */
bool
mlops_model_gives(const MlopsModel *model, MlopsOutput output)
{
	switch (output)
	{
		case MLOPS_OUTPUT_VALUE:
			return model->info.num_groups == 1;
		case MLOPS_OUTPUT_CLASS:
			return model->info.task == MLOPS_TASK_BINARY || model->info.task == MLOPS_TASK_MULTICLASS;
		case MLOPS_OUTPUT_PROBA:
			return model->info.task == MLOPS_TASK_MULTICLASS || gives_probability(model);
		case MLOPS_OUTPUT_MARGIN:
			break;
	}
	return true;
}

/*
 * What the function of this name returns for the margins in a scorer, of which
 * nothing is needed but the model, the margins and room for the outputs.  In
 * the current memory context.  Error ML021 if the model does not give it.
 */
Datum
mlops_scorer_output(MlopsScorer *scorer, MlopsOutput output)
{
	switch (output)
	{
		case MLOPS_OUTPUT_VALUE:
			return predict(scorer);
		case MLOPS_OUTPUT_CLASS:
			return predict_class(scorer);
		case MLOPS_OUTPUT_PROBA:
			return predict_proba(scorer);
		case MLOPS_OUTPUT_MARGIN:
			break;
	}
	return predict_margin(scorer);
}

/*
 * What a function returns for the margins in a scorer if its version had no
 * calibration and no threshold of its own, which is one of calibrated scores.
 */
static pg_noinline Datum
without_calibration(MlopsScorer *scorer, Datum (*result_of) (MlopsScorer *scorer))
{
	MlopsScorer raw = *scorer;
	MlopsModel	model = *scorer->model;

	if (model.calibration == NULL)
		return result_of(scorer);
	model.calibration = NULL;
	raw.model = &model;
	raw.threshold = strcmp(model.info.objective, "binary:logitraw") == 0 ? 0.0 : MLOPS_THRESHOLD;
	return result_of(&raw);
}

/*
 * Read the row, compute its margins, and make of them what a function returns.
 */
static inline Datum
score(FunctionCallInfo fcinfo, MlopsInput input, Datum (*result_of) (MlopsScorer *scorer))
{
	Jsonb	   *changes = input != MLOPS_INPUT_COLUMNS && PG_NARGS() > 2 ? PG_GETARG_JSONB_P(2) : NULL;
	MlopsScorer *scorer = mlops_scorer_read_changed(fcinfo, input, MLOPS_SCORE,
													result_of == predict ? MLOPS_USE_VALUE : MLOPS_USE_SCORE,
													changes);
	Datum		result;

	if (unlikely(scorer->constant != NULL))
		return Float8GetDatum(*scorer->constant);
	mlops_scorer_margin(scorer);
	if (input != MLOPS_INPUT_COLUMNS && unlikely(PG_NARGS() > 3) && !PG_GETARG_BOOL(3))
		result = without_calibration(scorer, result_of);
	else
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

/*
 * The batch of a call site, made at its first use in a statement.
 */
static Batch *
get_batch(MlopsScorer *scorer)
{
	const MlopsModel *model = scorer->model;
	Size		number_size = model->info.wide ? sizeof(double) : sizeof(float);
	MemoryContext old;
	Batch	   *batch = scorer->extra;

	if (batch != NULL)
		return batch;
	old = MemoryContextSwitchTo(scorer->context);
	batch = palloc(sizeof(Batch));
	batch->row_size = mul_size(number_size, Max(model->info.num_features, 1));
	batch->allocated = (int) Min(MLOPS_BATCH_ROWS, Max(MAX_BATCH_BYTES / batch->row_size, 1));
	batch->rows = palloc(mul_size(batch->row_size, batch->allocated));
	batch->scratch = MemoryContextAllocHuge(scorer->context,
											mlops_forest_batch_scratch_size(model->forest));
	batch->margins = palloc(mul_size(number_size, batch->allocated));
	batch->places = palloc(mul_size(sizeof(int), batch->allocated));
	batch->context = AllocSetContextCreate(scorer->context, "mlops batch", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(old);
	scorer->extra = batch;
	return batch;
}

/*
 * Score the rows of a batch; each result goes to its place.
 */
static void
score_batch(MlopsScorer *scorer, Batch *batch, int count, Datum *results)
{
	const MlopsModel *model = scorer->model;
	Size		number_size = model->info.wide ? sizeof(double) : sizeof(float);

	mlops_forest_margin_batch(model->forest, batch->rows, count, batch->scratch, batch->margins);
	for (int i = 0; i < count; i++)
	{
		memcpy(scorer->margins, (char *) batch->margins + i * number_size, number_size);
		results[batch->places[i]] = Float8GetDatum(mlops_scorer_prediction(scorer));
	}
	MemoryContextReset(batch->context);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Score rows: values, or slices of so many values if by_columns.  A row that
 * is NULL has no result.
 */
static void
score_rows(MlopsScorer *scorer, const Datum *values, const bool *nulls, int count, int width,
		   bool by_columns, Datum *results, bool *null_results)
{
	Batch	   *batch = get_batch(scorer);
	int64		scored = 0;
	int			pending = 0;

	for (int i = 0; i < count; i++)
	{
		void	   *vector = batch->rows + pending * batch->row_size;
		MemoryContext old;

		if (!by_columns && nulls[i])
		{
			null_results[i] = true;
			continue;
		}
		old = MemoryContextSwitchTo(batch->context);
		if (by_columns)
			mlops_vector_from_values(&scorer->reader, values + (Size) i * width,
									 nulls + (Size) i * width, width, NULL, vector);
		else
			mlops_scorer_read_row(scorer, DatumGetHeapTupleHeader(values[i]), NULL, vector);
		MemoryContextSwitchTo(old);
		batch->places[pending++] = i;
		scored++;
		if (pending == batch->allocated)
		{
			score_batch(scorer, batch, pending, results);
			pending = 0;
		}
	}
	if (pending > 0)
		score_batch(scorer, batch, pending, results);
	mlops_call_batch_end(scorer->call, scored);
}

/*
 * predict() of each row of an array: of its elements, or, if by_columns, of its
 * slices, each the features in the order of the signature.
 */
static Datum
predict_batch(FunctionCallInfo fcinfo, bool by_columns)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	MlopsScorer *scorer = mlops_scorer_open(fcinfo, MLOPS_SCORE, MLOPS_USE_VALUE);
	Oid			type = ARR_ELEMTYPE(array);
	int			width = 1;
	int16		typlen;
	bool		typbyval;
	char		typalign;
	Datum	   *values;
	bool	   *nulls;
	Datum	   *results;
	bool	   *null_results;
	int			count;
	int			lower_bound = 1;

	if (scorer->constant == NULL)
	{
		mlops_call_batch_begin(scorer->call);
		require_one_number(scorer->model, "predict_batch");
	}
	if (ARR_NDIM(array) != (by_columns ? 2 : 1) && ARR_NDIM(array) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 by_columns ? errmsg("features of many rows must be an array of two dimensions") :
				 errmsg("rows must be an array of one dimension"),
				 by_columns ? errhint("The first dimension is that of the rows; mlops.predict() is for one.") : 0));

	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	deconstruct_array(array, type, typlen, typbyval, typalign, &values, &nulls, &count);
	if (by_columns && count > 0)
	{
		width = ARR_DIMS(array)[1];
		count = ARR_DIMS(array)[0];
	}
	results = palloc(mul_size(sizeof(Datum), Max(count, 1)));
	null_results = palloc0(mul_size(sizeof(bool), Max(count, 1)));

	if (scorer->constant == NULL)
		score_rows(scorer, values, nulls, count, width, by_columns, results, null_results);
	else
		for (int i = 0; i < count; i++)
		{
			results[i] = Float8GetDatum(*scorer->constant);
			null_results[i] = !by_columns && nulls[i];
		}

	PG_RETURN_ARRAYTYPE_P(count == 0 ? construct_empty_array(FLOAT8OID) :
						  construct_md_array(results, null_results, 1, &count, &lower_bound,
											 FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
											 TYPALIGN_DOUBLE));
}

Datum
mlops_predict_batch_rows(PG_FUNCTION_ARGS)
{
	return predict_batch(fcinfo, false);
}

Datum
mlops_predict_batch_array(PG_FUNCTION_ARGS)
{
	return predict_batch(fcinfo, true);
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
