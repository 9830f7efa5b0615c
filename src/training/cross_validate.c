/*-------------------------------------------------------------------------
 *
 * cross_validate.c
 *	  mlops.cross_validate: what to expect of a model with these parameters.
 *
 * The steps: check the arguments; read the query, with each row in a fold
 * (matrix.c, folds.c); train and measure a model for each fold (validate.c);
 * write the scores of the rows that were held out, if they are asked for; write
 * the run.  No model is kept.
 *
 * What can be refused is refused before a training process starts, the name of
 * the table and the right to make it included.  All memory belongs to one
 * context, which is deleted when the function ends in whatever way.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "caller.h"
#include "training/arguments.h"
#include "training/json.h"
#include "training/search.h"

PG_FUNCTION_INFO_V1(mlops_cross_validate);

/* the arguments, in their order */
enum
{
	ARG_QUERY,
	ARG_LABEL,
	ARG_PARAMS,
	ARG_ROUNDS,
	ARG_FOLDS,
	ARG_GROUP,
	ARG_TIME,
	ARG_STRATIFY,
	ARG_KEY,
	ARG_SEED,
	ARG_EARLY_STOPPING_ROUNDS,
	ARG_METRICS,
	ARG_SCORES,
	ARG_EXPERIMENT,
	ARG_NAME,
	ARG_CLASS_WEIGHT,
	ARG_POSITIVE,
	ARG_FEATURES
};

typedef struct CrossValidation
{
	MlopsTraining training;
	MlopsFolds	folds;
	List	   *metrics;		/* of const MlopsMetric *; NIL: all of the task */
	char	   *scores;			/* name of a table, or NULL */
	Oid			scores_relid;
	char	   *experiment;		/* or NULL */
	char	   *name;			/* or NULL */
	MlopsValidated validated;
} CrossValidation;

/*
 * Take the argument metrics, an array of names.
 */
static List *
read_metrics(ArrayType *array)
{
	List	   *metrics = NIL;
	Datum	   *names;
	bool	   *nulls;
	int			num_names;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &num_names);
	if (num_names == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metrics is empty")));
	for (int i = 0; i < num_names; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("metrics cannot contain NULL")));
		metrics = list_append_unique_ptr(metrics,
										 unconstify(MlopsMetric *, mlops_metric_find(TextDatumGetCString(names[i]))));
	}
	return metrics;
}

/*
 * Take all arguments, into the current memory context.
 */
static void
read_arguments(FunctionCallInfo fcinfo, CrossValidation *self)
{
	MlopsTrainOptions *options = &self->training.options;

	require_argument(fcinfo, ARG_QUERY, "query");
	require_argument(fcinfo, ARG_LABEL, "label");
	require_argument(fcinfo, ARG_PARAMS, "params");
	require_argument(fcinfo, ARG_ROUNDS, "rounds");
	require_argument(fcinfo, ARG_FOLDS, "folds");
	require_argument(fcinfo, ARG_SEED, "seed");
	require_argument(fcinfo, ARG_EARLY_STOPPING_ROUNDS, "early_stopping_rounds");

	options->query = text_argument(fcinfo, ARG_QUERY);
	options->label = text_argument(fcinfo, ARG_LABEL);
	options->key = text_argument(fcinfo, ARG_KEY);
	options->positive = text_argument(fcinfo, ARG_POSITIVE);
	options->seed = PG_GETARG_INT64(ARG_SEED);
	options->no_profile = true;
	mlops_options_rounds(options, PG_GETARG_INT32(ARG_ROUNDS),
						 PG_GETARG_INT32(ARG_EARLY_STOPPING_ROUNDS));
	mlops_options_params(options, DatumGetJsonbPCopy(PG_GETARG_DATUM(ARG_PARAMS)));
	if (!PG_ARGISNULL(ARG_CLASS_WEIGHT))
		mlops_options_class_weight(options,
								   DatumGetJsonbPCopy(PG_GETARG_DATUM(ARG_CLASS_WEIGHT)));
	mlops_options_features(options, PG_ARGISNULL(ARG_FEATURES) ? NULL :
						   PG_GETARG_ARRAYTYPE_P(ARG_FEATURES));
	mlops_options_folds(options, &self->folds, PG_GETARG_INT32(ARG_FOLDS), 2,
						text_argument(fcinfo, ARG_GROUP), text_argument(fcinfo, ARG_TIME),
						text_argument(fcinfo, ARG_STRATIFY));

	if (!PG_ARGISNULL(ARG_METRICS))
		self->metrics = read_metrics(PG_GETARG_ARRAYTYPE_P(ARG_METRICS));
	self->experiment = text_argument(fcinfo, ARG_EXPERIMENT);
	self->name = text_argument(fcinfo, ARG_NAME);
	self->scores = text_argument(fcinfo, ARG_SCORES);
	if (self->scores != NULL && options->key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a table of scores needs a key"),
				 errhint("Name the column that tells the rows apart with the argument key.")));
	self->folds.keep_keys = self->scores != NULL;
}

/*
 * Make the table for the scores, as the caller and in his search_path.  Error
 * if it exists.
 */
static void
create_scores(CrossValidation *self)
{
	const MlopsTrainOptions *options = &self->training.options;
	const MlopsLabel *label = self->training.set->label;
	RangeVar   *table = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(self->scores)));
	char	   *statement;

	statement = psprintf("CREATE TABLE %s (%s %s, fold pg_catalog.int4 NOT NULL, label %s NOT NULL, score %s NOT NULL)",
						 quote_qualified_identifier(table->schemaname, table->relname),
						 quote_identifier(options->key),
						 format_type_extended(self->folds.key_type, -1, FORMAT_TYPE_FORCE_QUALIFY),
						 label->task == MLOPS_TASK_BINARY ? "pg_catalog.bool" :
						 label->task == MLOPS_TASK_MULTICLASS ? "pg_catalog.text" : "pg_catalog.float8",
						 label->task == MLOPS_TASK_MULTICLASS ? "pg_catalog.float8[]" : "pg_catalog.float8");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(statement, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not create a table of scores");
	SPI_finish();
	self->scores_relid = RangeVarGetRelid(table, NoLock, false);
}

/*
 * Write the scores of the rows that were held out.
 */
static void
write_scores(CrossValidation *self, const float *scores)
{
	const MlopsFolds *folds = &self->folds;
	const MlopsTrainingSet *set = self->training.set;
	int			width = mlops_score_width(set);
	int			num_features = set->signature.num_features;
	const float *rows = mlops_memfile_map(set->parts[MLOPS_PART_TRAIN].file);
	Relation	relation = table_open(self->scores_relid, RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	BulkInsertState state = GetBulkInsertState();
	CommandId	command = GetCurrentCommandId(true);
	Datum	   *probabilities = palloc(sizeof(Datum) * width);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "mlops score",
													  ALLOCSET_SMALL_SIZES);

	for (int fold = MlopsFirstFold(folds); fold < MlopsEndFold(folds); fold++)
	{
		for (int64 i = folds->starts[fold]; i < folds->starts[fold + 1]; i++)
		{
			int64		number = folds->held_out[i];
			float		label = rows[number * MlopsRowWidth(set) + num_features];
			MemoryContext old = MemoryContextSwitchTo(row_context);

			CHECK_FOR_INTERRUPTS();
			ExecClearTuple(slot);
			memset(slot->tts_isnull, 0, sizeof(bool) * 4);
			slot->tts_values[0] = folds->keys[number];
			slot->tts_values[1] = Int32GetDatum(fold + 1 - MlopsFirstFold(folds));
			slot->tts_values[2] = set->label->task == MLOPS_TASK_BINARY ? BoolGetDatum(label != 0) :
				set->label->task == MLOPS_TASK_MULTICLASS ?
				CStringGetTextDatum(set->label->classes[(int) label].name) : Float8GetDatum(label);
			for (int j = 0; j < width; j++)
				probabilities[j] = Float8GetDatum(scores[j]);
			slot->tts_values[3] = set->label->task != MLOPS_TASK_MULTICLASS ? probabilities[0] :
				PointerGetDatum(construct_array(probabilities, width, FLOAT8OID, sizeof(float8),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
			ExecStoreVirtualTuple(slot);
			table_tuple_insert(relation, slot, command, 0, state);
			scores += width;
			MemoryContextSwitchTo(old);
			MemoryContextReset(row_context);
		}
	}
	FreeBulkInsertState(state);
	ExecDropSingleTupleTableSlot(slot);
	table_finish_bulk_insert(relation, 0);
	table_close(relation, NoLock);
}

/*
 * The run's record.
 */
static char *
make_record(const CrossValidation *self)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	add_string(&json, "kind", "cross_validation");
	mlops_training_add_data(&self->training, &json);
	mlops_record_folds(&json, &self->folds);
	mlops_record_validated(&json, &self->training.options, &self->validated);
	add_string(&json, "scores", self->scores);
	mlops_training_add_software(&self->training, &json);
	appendStringInfoChar(&json, '}');
	return json.data;
}

/*
 * A measure over the folds, as a row of the result.
 */
static void
put_row(ReturnSetInfo *result, int64 run, const char *name, int num_folds, double mean,
		double error, const double *folds)
{
	Datum		values[5];
	bool		nulls[5] = {false};
	Datum	   *elements = palloc(sizeof(Datum) * num_folds);
	bool	   *missing = palloc(sizeof(bool) * num_folds);
	int			lower = 1;

	for (int i = 0; i < num_folds; i++)
	{
		elements[i] = Float8GetDatum(folds[i]);
		missing[i] = isnan(folds[i]);
	}
	values[0] = CStringGetTextDatum(name);
	values[1] = Float8GetDatum(mean);
	nulls[1] = isnan(mean);
	values[2] = Float8GetDatum(error);
	nulls[2] = isnan(error);
	values[3] = PointerGetDatum(construct_md_array(elements, missing, 1, &num_folds, &lower, FLOAT8OID,
												   sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[4] = Int64GetDatum(run);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * Record the run and give its measures.
 */
static void
finish(CrossValidation *self, ReturnSetInfo *result)
{
	const MlopsValidated *validated = &self->validated;
	double		values[MLOPS_FOLDS_MAX];
	double		sum = 0;
	int64		run;
	ListCell   *cell;

	run = mlops_record_run("cross_validation", NULL, self->experiment, self->name, 0,
						   mlops_metrics_json(validated, self->metrics), make_record(self));
	foreach(cell, self->metrics)
	{
		const MlopsMetric *metric = lfirst(cell);
		double		error;
		double		mean = mlops_validated_values(validated, metric->name, values, &error);

		put_row(result, run, metric->name, validated->num_folds, mean, error, values);
	}
	/* how many rounds the best model of each fold has */
	if (self->training.options.early_stopping_rounds > 0)
	{
		for (int fold = 0; fold < validated->num_folds; fold++)
		{
			values[fold] = validated->best[fold];
			sum += values[fold];
		}
		put_row(result, run, "rounds", validated->num_folds, sum / validated->num_folds, NAN, values);
	}
}

/*
 * Do it; the current memory context holds all that is needed for it.
 */
static void
cross_validate(FunctionCallInfo fcinfo, CrossValidation *self)
{
	MlopsTraining *training = &self->training;
	MlopsTrainOptions *options = &training->options;
	MemoryContext context = CurrentMemoryContext;
	MlopsValidator validator = {.training = training};
	float	   *scores = NULL;
	ListCell   *cell;

	training->started_at = GetCurrentTimestamp();
	read_arguments(fcinfo, self);
	training->arguments = mlops_record_arguments(PG_GETARG_JSONB_P(ARG_PARAMS), NULL,
												 PG_ARGISNULL(ARG_CLASS_WEIGHT) ? NULL :
												 PG_GETARG_JSONB_P(ARG_CLASS_WEIGHT),
												 options->positive);
	PreventCommandIfReadOnly("mlops.cross_validate()");
	self->experiment = mlops_find_experiment(self->experiment, "cross_validation");

	options->progress = mlops_progress_begin(MLOPS_WORK_CROSS_VALIDATE, "", 0, context);
	mlops_progress_phase(options->progress, MLOPS_PHASE_READING, -1);
	training->set = mlops_training_set_read(options);
	if (self->metrics == NIL)
		self->metrics = mlops_metrics_of(training->set->label->task);
	foreach(cell, self->metrics)
		mlops_metric_check(lfirst(cell), training->set->label->task);
	training->params = mlops_options_library_params(options, training->set->label->task,
													training->set->label->num_classes,
													training->set->constraints);
	if (self->scores != NULL)
	{
		create_scores(self);
		scores = MemoryContextAllocHuge(context, mul_size(mul_size(sizeof(float), self->folds.num_rows),
														  mlops_score_width(training->set)));
	}

	validator.progress = mlops_progress_begin(MLOPS_WORK_TRAIN, "", 0, context);
	mlops_validator_start(&validator, context);
	mlops_progress_phase(options->progress, MLOPS_PHASE_VALIDATING, self->folds.count);
	mlops_validate(&validator, training->params, options->rounds, self->folds.count,
				   options->progress, scores, &self->validated);
	mlops_trainer_stop(validator.trainer);
	if (scores != NULL)
	{
		mlops_progress_phase(options->progress, MLOPS_PHASE_STORING, -1);
		write_scores(self, scores);
	}
}

/*
 * SQL: mlops.cross_validate(), a row for each measure.
 */
Datum
mlops_cross_validate(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext old;

	InitMaterializedSRF(fcinfo, 0);
	context = AllocSetContextCreate(CurrentMemoryContext, "mlops cross-validation",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	PG_TRY();
	{
		CrossValidation *self = palloc0(sizeof(CrossValidation));

		cross_validate(fcinfo, self);
		finish(self, (ReturnSetInfo *) fcinfo->resultinfo);
	}
	PG_FINALLY();
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
	PG_END_TRY();

	return (Datum) 0;
}
