/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  How well parameters do: a model for each fold, measured by the rows that
 *	  it was not trained with.
 *
 * The training process has all rows once and trains a model for each fold;
 * its evaluations are the learning curves and decide on early stopping.  The
 * measures come from our own scores of the rows that the fold holds out, by
 * the functions that measure a model on its test rows.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "guc.h"
#include "registry/artifact.h"
#include "training/validate.h"

/* what libxgboost needs of a value of a matrix, roughly, with its bins */
#define MATRIX_VALUE_BYTES	16

static const MlopsMetric metrics[] = {
	{"auc", {[MLOPS_TASK_BINARY] = true}, true},
	{"gini", {[MLOPS_TASK_BINARY] = true}, true},
	{"ks", {[MLOPS_TASK_BINARY] = true}, true},
	{"pr_auc", {[MLOPS_TASK_BINARY] = true}, true},
	{"log_loss", {[MLOPS_TASK_BINARY] = true,[MLOPS_TASK_MULTICLASS] = true}, false},
	{"brier", {[MLOPS_TASK_BINARY] = true}, false},
	{"accuracy", {[MLOPS_TASK_BINARY] = true,[MLOPS_TASK_MULTICLASS] = true}, true},
	{"precision", {[MLOPS_TASK_BINARY] = true}, true},
	{"recall", {[MLOPS_TASK_BINARY] = true}, true},
	{"f1", {[MLOPS_TASK_BINARY] = true}, true},
	{"precision_macro", {[MLOPS_TASK_MULTICLASS] = true}, true},
	{"recall_macro", {[MLOPS_TASK_MULTICLASS] = true}, true},
	{"f1_macro", {[MLOPS_TASK_MULTICLASS] = true}, true},
	{"mcc", {[MLOPS_TASK_BINARY] = true,[MLOPS_TASK_MULTICLASS] = true}, true},
	{"rmse", {[MLOPS_TASK_REGRESSION] = true}, false},
	{"mae", {[MLOPS_TASK_REGRESSION] = true}, false},
	{"r2", {[MLOPS_TASK_REGRESSION] = true}, true}
};

/*
 * The names of the metrics that a task has, or of all, for a hint.
 */
static char *
metric_names(const MlopsTask *task)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(metrics); i++)
	{
		if (task == NULL || metrics[i].of_task[*task])
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", metrics[i].name);
	}
	return names.data;
}

/*
 * The metric of a name; error if there is none.
 */
const MlopsMetric *
mlops_metric_find(const char *name)
{
	for (int i = 0; i < (int) lengthof(metrics); i++)
	{
		if (strcmp(metrics[i].name, name) == 0)
			return &metrics[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown metric \"%s\"", name),
			 errhint("The metrics are %s.", metric_names(NULL))));
}

/*
 * Error unless models for a task are measured by the metric.
 */
void
mlops_metric_check(const MlopsMetric *metric, MlopsTask task)
{
	static const char *const names[] = {
		[MLOPS_TASK_REGRESSION] = "a regression",
		[MLOPS_TASK_BINARY] = "a binary label",
		[MLOPS_TASK_MULTICLASS] = "a label with several classes"
	};

	if (!metric->of_task[task])
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metric \"%s\" is not one for %s", metric->name, names[task]),
				 errhint("For it the metrics are %s.", metric_names(&task))));
}

/*
 * All metrics of a task, a list of const MlopsMetric *.
 */
List *
mlops_metrics_of(MlopsTask task)
{
	List	   *result = NIL;

	for (int i = 0; i < (int) lengthof(metrics); i++)
	{
		if (metrics[i].of_task[task])
			result = lappend(result, unconstify(MlopsMetric *, &metrics[i]));
	}
	return result;
}

/*
 * The metric by which a search goes if nobody says.
 */
const MlopsMetric *
mlops_metric_default(MlopsTask task)
{
	return mlops_metric_find(task == MLOPS_TASK_BINARY ? "auc" :
							 task == MLOPS_TASK_MULTICLASS ? "log_loss" : "rmse");
}

/*
 * Start a training process, which lives in the memory context at most, and
 * give it the rows.
 */
void
mlops_validator_start(MlopsValidator *validator, MemoryContext context)
{
	const MlopsTrainOptions *options = &validator->training->options;
	const MlopsTrainingSet *set = validator->training->set;
	const MlopsRows *rows = &set->parts[MLOPS_PART_TRAIN];
	int			num_features = set->signature.num_features;
	const char **names = palloc(sizeof(char *) * num_features);
	bool	   *categorical = palloc(sizeof(bool) * num_features);
	MlopsMatrix matrix = {.fd = mlops_memfile_fd(rows->file),.num_rows = rows->num_rows};
	double		bytes = (double) rows->num_rows * num_features * MATRIX_VALUE_BYTES;

	for (int i = 0; i < num_features; i++)
	{
		names[i] = set->signature.features[i].name;
		categorical[i] = set->signature.features[i].kind == MLOPS_KIND_CATEGORICAL;
	}
	validator->trainer = mlops_trainer_start(context, validator->progress);
	mlops_trainer_keep(validator->trainer, &matrix, mlops_memfile_fd(options->folds->file),
					   num_features, names, categorical);

	/* all folds, and boosting beside them, within half of what there is */
	if (bytes * (options->folds->count + 1) > mlops_train_memory_limit * 1024.0 / 2)
		validator->keep = false;
	pfree(names);
	pfree(categorical);
}

/*
 * Append what libxgboost said of each round, with the number of the fold
 * before each part's name: "[7]<tab>fold 1 train-auc:0.9".
 */
static void
add_history(MlopsValidated *result, List *lines)
{
	ListCell   *cell;

	foreach(cell, lines)
	{
		StringInfoData line;

		initStringInfo(&line);
		for (const char *c = lfirst(cell); *c != '\0'; c++)
		{
			appendStringInfoChar(&line, *c);
			if (*c == '\t')
				appendStringInfo(&line, "fold %d ", result->num_folds + 1);
		}
		result->history = lappend(result->history, line.data);
	}
	list_free_deep(lines);
}

/*
 * Train and measure a model for each of the first num_folds folds.  The result,
 * and the scores if scores is not NULL, are in the order of the folds.  The
 * progress counts folds.  Everything is allocated in the current memory
 * context.
 */
void
mlops_validate(MlopsValidator *validator, List *params, int rounds, int num_folds,
			   MlopsProgress *progress, float *scores, MlopsValidated *result)
{
	MlopsTraining *training = validator->training;
	const MlopsTrainOptions *options = &training->options;
	const MlopsFolds *folds = options->folds;
	int			first = MlopsFirstFold(folds);
	int			width = mlops_score_width(training->set);
	MlopsParam *array = palloc(sizeof(MlopsParam) * list_length(params));

	for (int i = 0; i < list_length(params); i++)
		array[i] = *(MlopsParam *) list_nth(params, i);
	memset(result, 0, sizeof(*result));
	for (int fold = first; fold < first + num_folds; fold++)
	{
		int			i = result->num_folds;
		MlopsForest *forest;
		instr_time	start;
		instr_time	end;

		mlops_trainer_fold(validator->trainer, validator->keep ? i : 0, fold,
						   folds->kind == MLOPS_FOLD_TIME);
		mlops_progress_phase(validator->progress, MLOPS_PHASE_BOOSTING, rounds);
		INSTR_TIME_SET_CURRENT(start);
		mlops_trainer_train(validator->trainer, array, list_length(params), rounds,
							options->early_stopping_rounds, &training->trained);
		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_SUBTRACT(end, start);
		result->boosting += INSTR_TIME_GET_DOUBLE(end);
		forest = mlops_training_read(training);
		mlops_fold_measures(forest, training->set, folds, fold,
							scores == NULL ? NULL :
							scores + (folds->starts[fold] - folds->starts[first]) * width,
							&result->measures[i]);
		mlops_forest_env()->release(mlops_forest_env()->arg, forest);
		pfree(training->trained.model.data);
		result->rounds[i] = training->trained.rounds;
		result->best[i] = training->trained.best_round + 1;
		add_history(result, training->trained.history);
		training->trained.history = NIL;
		result->num_folds++;
		if (progress != NULL)
			mlops_progress_done(progress, result->num_folds);
	}
	pfree(array);
}

/*
 * The mean of a measure over the folds, and with error not NULL its standard
 * error; values gets that of each fold.  What is not defined for a fold is NaN,
 * and the mean then, too.
 */
double
mlops_validated_values(const MlopsValidated *result, const char *name, double *values, double *error)
{
	int			n = result->num_folds;
	double		sum = 0;
	double		squares = 0;

	for (int fold = 0; fold < n; fold++)
	{
		const MlopsMeasures *measures = &result->measures[fold];

		values[fold] = NAN;
		for (int i = 0; i < measures->count; i++)
		{
			if (strcmp(measures->list[i].name, name) == 0)
				values[fold] = measures->list[i].value;
		}
		sum += values[fold];
	}
	for (int fold = 0; fold < n; fold++)
		squares += (values[fold] - sum / n) * (values[fold] - sum / n);
	if (error != NULL)
		*error = n > 1 ? sqrt(squares / (n - 1) / n) : NAN;
	return sum / n;
}

/*
 * With how many rounds to train on all rows: the mean of the best ones.
 */
int
mlops_validated_rounds(const MlopsValidated *result)
{
	int64		sum = 0;

	for (int fold = 0; fold < result->num_folds; fold++)
		sum += result->best[fold];
	return (int) ((sum + result->num_folds / 2) / result->num_folds);
}
