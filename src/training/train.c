/*-------------------------------------------------------------------------
 *
 * train.c
 *	  mlops.train: from a query to a registered version.
 *
 * The steps: check the arguments and the caller's privilege; read the query
 * into memory files (matrix.c); hand them to a training process and wait for
 * the model (client.c); read the model as scoring will, and compare its scores
 * with those of the training process; measure it on the test rows (holdout.c);
 * register model, metrics and the record of the run.
 *
 * What can be refused is refused before the step that takes time.  All that a
 * training holds, memory, descriptors, mappings and the process, belongs to
 * one memory context, which is deleted when the function ends in whatever
 * way; rows are written by the last step alone, in the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "caller.h"
#include "errors.h"
#include "forest/golden.h"
#include "guc.h"
#include "mlops.h"
#include "monitoring/profile.h"
#include "registry/artifact.h"
#include "registry/modelref.h"
#include "training/arguments.h"
#include "training/client.h"
#include "training/holdout.h"
#include "training/json.h"
#include "training/matrix.h"
#include "training/options.h"
#include "training/search.h"
#include "training/train.h"

PG_FUNCTION_INFO_V1(mlops_train);

/* the arguments of mlops.train, in their order */
enum
{
	ARG_MODEL,
	ARG_QUERY,
	ARG_LABEL,
	ARG_PARAMS,
	ARG_KEY,
	ARG_SPLIT,
	ARG_ROUNDS,
	ARG_EARLY_STOPPING_ROUNDS,
	ARG_SEED,
	ARG_CLASS_WEIGHT,
	ARG_POSITIVE,
	ARG_FEATURES,
	ARG_DESCRIPTION,
	ARG_SAMPLE,
	ARG_MATRIX
};

typedef MlopsTraining Training;

/* the run whose recipe the next training of this session follows; 0: none */
static int64 next_retrained_from = 0;

static const char *const task_names[] = {
	[MLOPS_TASK_REGRESSION] = "regression",
	[MLOPS_TASK_BINARY] = "binary",
	[MLOPS_TASK_MULTICLASS] = "multiclass",
};

static const char *const part_names[MLOPS_NUM_PARTS] = {
	[MLOPS_PART_TRAIN] = "train",
	[MLOPS_PART_VALIDATION] = "validation",
	[MLOPS_PART_TEST] = "test",
};

/*
 * The next training follows the recipe of this run, which its record is to
 * say; 0 takes that back.
 */
void
mlops_train_follows(int64 run)
{
	next_retrained_from = run;
}

/*
 * Take all arguments, into the current memory context.
 */
static void
read_arguments(FunctionCallInfo fcinfo, MlopsTrainOptions *options)
{
	require_argument(fcinfo, ARG_MODEL, "model");
	require_argument(fcinfo, ARG_QUERY, "query");
	require_argument(fcinfo, ARG_LABEL, "label");
	require_argument(fcinfo, ARG_PARAMS, "params");
	require_argument(fcinfo, ARG_SPLIT, "split");
	require_argument(fcinfo, ARG_ROUNDS, "rounds");
	require_argument(fcinfo, ARG_EARLY_STOPPING_ROUNDS, "early_stopping_rounds");
	require_argument(fcinfo, ARG_SEED, "seed");
	require_argument(fcinfo, ARG_SAMPLE, "sample");
	require_argument(fcinfo, ARG_MATRIX, "matrix");

	options->model = text_argument(fcinfo, ARG_MODEL);
	options->query = text_argument(fcinfo, ARG_QUERY);
	options->label = text_argument(fcinfo, ARG_LABEL);
	options->key = text_argument(fcinfo, ARG_KEY);
	options->positive = text_argument(fcinfo, ARG_POSITIVE);
	options->description = text_argument(fcinfo, ARG_DESCRIPTION);
	options->seed = PG_GETARG_INT64(ARG_SEED);
	mlops_options_rounds(options, PG_GETARG_INT32(ARG_ROUNDS),
						 PG_GETARG_INT32(ARG_EARLY_STOPPING_ROUNDS));
	mlops_options_params(options, DatumGetJsonbPCopy(PG_GETARG_DATUM(ARG_PARAMS)));
	mlops_options_matrix(options, PG_GETARG_FLOAT8(ARG_SAMPLE), text_argument(fcinfo, ARG_MATRIX));
	mlops_options_split(options, DatumGetJsonbPCopy(PG_GETARG_DATUM(ARG_SPLIT)));
	if (!PG_ARGISNULL(ARG_CLASS_WEIGHT))
		mlops_options_class_weight(options,
								   DatumGetJsonbPCopy(PG_GETARG_DATUM(ARG_CLASS_WEIGHT)));
	mlops_options_features(options, PG_ARGISNULL(ARG_FEATURES) ? NULL :
						   PG_GETARG_ARRAYTYPE_P(ARG_FEATURES));
}

/*
 * Error unless the caller may register a version of this task under the
 * model's name.  With no task, as long as it is not known, only the privilege
 * is asked for.
 */
void
mlops_check_register(const char *model, const char *task)
{
	const Oid	types[] = {TEXTOID, TEXTOID};
	NullableDatum args[] = {text_datum(model), text_datum(task)};
	bool		isnull;

	mlops_call_private("_check_register", lengthof(args), types, args, &isnull);
}

/*
 * Read the new model with the reader that scoring uses.
 */
MlopsForest *
mlops_training_read(const MlopsTraining *training)
{
	MlopsForestError error;
	MlopsForestInfo info;
	MlopsForest *forest;

	forest = mlops_forest_read(training->trained.model.data, training->trained.model.len,
							   mlops_forest_env(), &error);
	if (forest == NULL)
		ereport(ERROR,
				(errcode(error.code == MLOPS_FOREST_NO_MEMORY ? ERRCODE_OUT_OF_MEMORY :
						 error.code == MLOPS_FOREST_LIMIT ? ERRCODE_PROGRAM_LIMIT_EXCEEDED :
						 ERRCODE_MLOPS_UNSUPPORTED_ARTIFACT),
				 errmsg("the trained model cannot be scored with: %s", error.message),
				 error.hint[0] != '\0' ? errhint("%s", error.hint) : 0));

	mlops_forest_info(forest, &info);
	if (info.num_features != training->set->signature.num_features ||
		info.task != training->set->label->task ||
		(info.task == MLOPS_TASK_MULTICLASS && info.num_groups != training->set->label->num_classes))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINER),
				 errmsg("the trained model is not of the kind that was asked for"),
				 errdetail("It has %d features, %d groups and objective %s.",
						   info.num_features, info.num_groups, info.objective)));
	return forest;
}

/*
 * Before a model is registered, libxgboost itself scores the golden rows that
 * will be kept with it.  A margin that differs from ours in any bit ends the
 * training.
 */
static void
compare_scores(const MlopsForest *forest, MlopsTrainer *trainer)
{
	MlopsForestInfo info;
	float	   *rows;
	float	   *margins;
	const float *expected;
	bool	   *seen;
	MlopsGoldenDifference difference;

	mlops_forest_info(forest, &info);
	rows = MemoryContextAllocHuge(CurrentMemoryContext,
								  mul_size(mul_size(MLOPS_GOLDEN_ROWS, info.num_features), sizeof(float)));
	seen = palloc(mul_size(info.num_features, sizeof(bool)));
	for (int i = 0; i < MLOPS_GOLDEN_ROWS; i++)
	{
		CHECK_FOR_INTERRUPTS();
		mlops_forest_golden_row(forest, i, seen, rows + (Size) i * info.num_features);
	}
	expected = mlops_trainer_predict(trainer, rows, MLOPS_GOLDEN_ROWS, info.num_features, info.num_groups);
	margins = palloc(mul_size(mul_size(MLOPS_GOLDEN_ROWS, info.num_groups), sizeof(float)));
	if (!mlops_forest_golden_check(forest, rows, MLOPS_GOLDEN_ROWS, expected,
								   palloc(mlops_forest_golden_scratch_size(forest)), margins, &difference))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_GOLDEN),
				 errmsg("mlops and libxgboost give different scores with the trained model"),
				 errdetail("Margin %d of golden row %d is %.9g to mlops and %.9g to libxgboost.",
						   difference.group + 1, difference.row, difference.actual, difference.expected),
				 errhint("Nothing was registered. Please report this, with the versions of mlops and libxgboost and the parameters.")));
	pfree(rows);
}

/*
 * The training process has made the model: read and check it, and let the
 * process go.
 */
void
mlops_training_check(MlopsTraining *training, MlopsTrainer *trainer)
{
	training->forest = mlops_training_read(training);
	compare_scores(training->forest, trainer);
	mlops_trainer_stop(trainer);
}

/*
 * Have the training process make the model.
 */
static void
boost(Training *training, MemoryContext context)
{
	const MlopsTrainOptions *options = &training->options;
	const MlopsTrainingSet *set = training->set;
	const MlopsSignature *signature = &set->signature;
	const char **names = palloc(sizeof(char *) * signature->num_features);
	bool	   *categorical = palloc(sizeof(bool) * signature->num_features);
	MlopsParam *params = palloc(sizeof(MlopsParam) * list_length(training->params));
	MlopsMatrix matrices[2];
	MlopsMatrix *validation;
	MlopsTrainer *trainer;

	for (int i = 0; i < signature->num_features; i++)
	{
		names[i] = signature->features[i].name;
		categorical[i] = signature->features[i].kind == MLOPS_KIND_CATEGORICAL;
	}
	for (int i = 0; i < list_length(training->params); i++)
		params[i] = *(MlopsParam *) list_nth(training->params, i);
	for (int part = MLOPS_PART_TRAIN; part <= MLOPS_PART_VALIDATION; part++)
	{
		if (set->parts[part].file == NULL)
			continue;
		matrices[part].fd = mlops_memfile_fd(set->parts[part].file);
		matrices[part].num_rows = set->parts[part].num_rows;
	}

	trainer = mlops_trainer_start(context, options->progress);
	validation = set->parts[MLOPS_PART_VALIDATION].file != NULL ? &matrices[MLOPS_PART_VALIDATION] : NULL;
	if (options->quantile)
		mlops_trainer_quantise(trainer, &matrices[MLOPS_PART_TRAIN], validation, signature->num_features,
							   names, categorical, mlops_options_max_bin(options), set->label->weighted);
	else
		mlops_trainer_load(trainer, &matrices[MLOPS_PART_TRAIN], validation,
						   signature->num_features, names, categorical);
	/* the trainer has made its own form of the rows */
	for (int part = MLOPS_PART_TRAIN; part <= MLOPS_PART_VALIDATION; part++)
	{
		if (set->parts[part].file != NULL)
			mlops_memfile_close(set->parts[part].file);
	}
	mlops_progress_phase(options->progress, MLOPS_PHASE_BOOSTING, options->rounds);
	mlops_trainer_train(trainer, params, list_length(training->params),
						options->rounds, options->early_stopping_rounds, &training->trained);
	mlops_training_check(training, trainer);
}

/*
 * Measure the new model.
 */
static void
measure(Training *training)
{
	initStringInfo(&training->metrics);
	initStringInfo(&training->holdout);
	mlops_holdout_metrics(training->forest, training->set, &training->metrics, &training->holdout);
	mlops_forest_env()->release(mlops_forest_env()->arg, training->forest);
	training->forest = NULL;
}

/*
 * The parameters as the library got them.  Only eval_metric can stand there
 * more than once, and is an array then.
 */
static void
add_params(StringInfo json, const List *params)
{
	List	   *metrics = NIL;
	ListCell   *cell;

	add_name(json, "params");
	appendStringInfoChar(json, '{');
	foreach(cell, params)
	{
		MlopsParam *param = lfirst(cell);

		if (strcmp(param->name, "eval_metric") == 0)
			metrics = lappend(metrics, param->value);
		else
			add_string(json, param->name, param->value);
	}
	if (list_length(metrics) == 1)
		add_string(json, "eval_metric", linitial(metrics));
	else if (metrics != NIL)
		add_strings(json, "eval_metric", metrics);
	appendStringInfoChar(json, '}');
}

/*
 * The classes by code, with the rows that they have in each part and the
 * weight of each such row.
 */
static void
add_classes(StringInfo json, const MlopsLabel *label)
{
	add_name(json, "classes");
	if (label->num_classes == 0)
	{
		appendStringInfoString(json, "null");
		return;
	}
	appendStringInfoChar(json, '[');
	for (int code = 0; code < label->num_classes; code++)
	{
		const MlopsClass *class = &label->classes[code];

		appendStringInfoString(json, code > 0 ? ", {" : "{");
		add_string(json, "class", class->name);
		for (int part = 0; part < MLOPS_NUM_PARTS; part++)
			add_integer(json, part_names[part], class->rows[part]);
		add_number(json, "weight", class->weight);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
}

/*
 * The data and what was asked for, as members of a record.  The names of the
 * members are documented in doc/training.md and stay as they are.
 */
void
mlops_training_add_data(const MlopsTraining *training, StringInfo json)
{
	const MlopsTrainOptions *options = &training->options;
	const MlopsTrainingSet *set = training->set;
	List	   *features = NIL;

	for (int i = 0; i < set->signature.num_features; i++)
		features = lappend(features, set->signature.features[i].name);

	add_string(json, "query", options->query);
	add_strings(json, "relations", set->relations);
	add_string(json, "label", options->label);
	add_string(json, "label_type", format_type_be(set->label->type));
	add_string(json, "key", options->key);
	add_string(json, "data_hash", set->data_hash);
	add_name(json, "arguments");
	appendStringInfoString(json, training->arguments);
	if (training->retrained_from != 0)
		add_integer(json, "retrained_from", training->retrained_from);
	add_strings(json, "features", features);
	add_strings(json, "constant_features", set->constant_features);
	add_params(json, training->params);
	add_integer(json, "seed", options->seed);
	add_string(json, "positive",
			   set->label->task == MLOPS_TASK_BINARY ? set->label->classes[1].name : NULL);
	add_string(json, "class_weight",
			   !set->label->weighted ? NULL : options->balanced ? "balanced" : "given");
	add_classes(json, set->label);

	add_name(json, "rows");
	appendStringInfoChar(json, '{');
	add_integer(json, "read", set->rows_read);
	for (int part = 0; part < MLOPS_NUM_PARTS; part++)
		add_integer(json, part_names[part], set->parts[part].num_rows);
	add_integer(json, "skipped_null_label", set->rows_without_label);
	if (options->sample > 0)
		add_integer(json, "left_out_by_sample", set->rows_left_out);
	if (options->part != NULL)
		add_integer(json, "skipped_null_part", set->rows_without_part);
	appendStringInfoChar(json, '}');
}

/*
 * What trained, and when, as members of a record.
 */
void
mlops_training_add_software(const MlopsTraining *training, StringInfo json)
{
	const int  *version = training->trained.library_version;

	add_string(json, "library", "xgboost");
	add_string(json, "library_version", psprintf("%d.%d.%d", version[0], version[1], version[2]));
	add_string(json, "extension_version", MLOPS_VERSION);
	add_string(json, "server_version", PG_VERSION);
	add_integer(json, "threads", mlops_train_threads);
	add_time(json, "started_at", training->started_at);
	add_time(json, "finished_at", GetCurrentTimestamp());
}

/*
 * Everything that made the model, as JSON.
 */
static char *
make_record(const Training *training)
{
	const MlopsTrainOptions *options = &training->options;
	const MlopsTrained *trained = &training->trained;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	add_string(&json, "kind", "train");
	mlops_training_add_data(training, &json);

	add_name(&json, "split");
	appendStringInfoChar(&json, '{');
	if (options->part != NULL)
		add_string(&json, "column", options->part);
	else
	{
		add_number(&json, "test", options->test_share);
		add_number(&json, "validation", options->validation_share);
	}
	add_string(&json, "by", options->part != NULL ? "column" : options->key != NULL ? "key" : "content");
	appendStringInfoChar(&json, '}');

	add_number(&json, "sample", options->sample > 0 ? options->sample : 1);
	add_string(&json, "matrix", options->quantile ? "quantile" : "exact");

	add_name(&json, "rounds");
	appendStringInfoChar(&json, '{');
	add_integer(&json, "asked", options->rounds);
	add_integer(&json, "trained", trained->rounds);
	add_integer(&json, "best", trained->best_round);
	add_integer(&json, "early_stopping", options->early_stopping_rounds);
	appendStringInfoChar(&json, '}');
	add_strings(&json, "history", trained->history);
	add_name(&json, "hold_out");
	appendStringInfoString(&json, training->holdout.data);

	if (training->search != NULL)
	{
		add_name(&json, "search");
		appendStringInfoString(&json, training->search);
	}
	mlops_training_add_software(training, &json);
	add_name(&json, "seconds");
	appendStringInfoChar(&json, '{');
	add_number(&json, "reading", training->reading);
	add_number(&json, "boosting", training->boosting);
	add_number(&json, "scoring", training->scoring);
	appendStringInfoString(&json, "}}");
	return json.data;
}

/*
 * Write the version, its run and what else belongs to them.  Returns the
 * version's number.
 */
static int32
register_version(const Training *training)
{
	const MlopsLabel *label = training->set->label;
	Oid			artifact_type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
												CStringGetDatum("artifact"),
												ObjectIdGetDatum(get_namespace_oid(MLOPS_SCHEMA, false)));
	const Oid	types[] = {TEXTOID, TEXTOID, artifact_type, JSONBOID, TEXTARRAYOID,
	JSONBOID, TEXTOID, TEXTOID, JSONBOID, FLOAT8OID};
	NullableDatum args[lengthof(types)] = {0};
	bool		isnull;

	args[0] = text_datum(training->options.model);
	args[1] = text_datum(task_names[label->task]);
	args[2].value = mlops_artifact_from_bytes(training->trained.model.data,
											  training->trained.model.len);
	args[3].value = JsonbPGetDatum(mlops_signature_to_jsonb(&training->set->signature));
	if (label->num_classes == 0)
		args[4].isnull = true;
	else
	{
		Datum	   *classes = palloc(sizeof(Datum) * label->num_classes);

		for (int code = 0; code < label->num_classes; code++)
			classes[code] = CStringGetTextDatum(label->classes[code].name);
		args[4].value = PointerGetDatum(construct_array(classes, label->num_classes, TEXTOID,
														-1, false, TYPALIGN_INT));
	}
	args[5] = jsonb_datum(training->metrics.data);
	args[6] = text_datum("train");
	args[7] = text_datum(training->options.description);
	args[8] = jsonb_datum(make_record(training));
	args[9].isnull = true;		/* no number stands for a missing value */
	return DatumGetInt32(mlops_call_private("_register_version", lengthof(args), types,
											args, &isnull));
}

/*
 * The seconds since a time, which becomes the present.
 */
static double
lap(instr_time *since)
{
	instr_time	now;
	instr_time	elapsed;

	INSTR_TIME_SET_CURRENT(now);
	elapsed = now;
	INSTR_TIME_SUBTRACT(elapsed, *since);
	*since = now;
	return INSTR_TIME_GET_DOUBLE(elapsed);
}

/*
 * Measure the model and register it.  Returns the version's number.
 */
int32
mlops_training_finish(MlopsTraining *training)
{
	const MlopsTrainOptions *options = &training->options;
	instr_time	clock;
	int32		version;

	INSTR_TIME_SET_CURRENT(clock);
	mlops_progress_phase(options->progress, MLOPS_PHASE_MEASURING, -1);
	measure(training);
	training->scoring = lap(&clock);

	version = register_version(training);
	mlops_profile_store(training->set->profile, options->model, version, "train",
						options->query);
	return version;
}

/*
 * Train and register; the current memory context holds all that is needed for
 * it.  Returns the version's number.
 */
static int32
train(FunctionCallInfo fcinfo, Training *training)
{
	MlopsTrainOptions *options = &training->options;
	MemoryContext context = CurrentMemoryContext;
	instr_time	clock;

	training->started_at = GetCurrentTimestamp();
	/* not that of a training within the query */
	training->retrained_from = next_retrained_from;
	next_retrained_from = 0;
	read_arguments(fcinfo, options);
	training->arguments = mlops_record_arguments(PG_GETARG_JSONB_P(ARG_PARAMS), PG_GETARG_JSONB_P(ARG_SPLIT),
												 PG_ARGISNULL(ARG_CLASS_WEIGHT) ? NULL :
												 PG_GETARG_JSONB_P(ARG_CLASS_WEIGHT),
												 options->positive);
	PreventCommandIfReadOnly("mlops.train()");
	mlops_check_register(options->model, NULL);

	INSTR_TIME_SET_CURRENT(clock);
	options->progress = mlops_progress_begin(MLOPS_WORK_TRAIN, options->model, 0, context);
	mlops_progress_phase(options->progress, MLOPS_PHASE_READING, -1);
	training->set = mlops_training_set_read(options);
	mlops_check_register(options->model, task_names[training->set->label->task]);
	training->params = mlops_options_library_params(options, training->set->label->task,
													training->set->label->num_classes,
													training->set->constraints);
	training->reading = lap(&clock);

	boost(training, context);
	training->boosting = lap(&clock);
	return mlops_training_finish(training);
}

/*
 * SQL: mlops.train(), one row with a reference to the new version, its number
 * and its metrics.
 */
Datum
mlops_train(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context;
	MemoryContext old;

	InitMaterializedSRF(fcinfo, 0);
	context = AllocSetContextCreate(CurrentMemoryContext, "mlops training",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	PG_TRY();
	{
		Training   *training = palloc0(sizeof(Training));
		int32		version = train(fcinfo, training);
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		values[0] = mlops_modelref_make(training->options.model, version);
		values[1] = Int32GetDatum(version);
		values[2] = jsonb_datum(training->metrics.data).value;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_FINALLY();
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
	PG_END_TRY();

	return (Datum) 0;
}
