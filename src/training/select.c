/*-------------------------------------------------------------------------
 *
 * select.c
 *	  mlops.select_features: which features a model needs.
 *
 * The query runs once, as for mlops.train(); the rows stay in memory files.  A
 * model is trained and measured on the rows of the test part.  A feature is
 * worth what the measure loses when the feature's values there change places
 * among the rows.  Elimination drops the features that are worth least and
 * trains again without them, from the same rows, in the same process, until
 * as few are left as was asked for.  No model is registered.
 *
 * All of it, memory, descriptors, mappings and the training process, belongs
 * to one memory context, which is deleted when the function ends in whatever
 * way.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "common/shortest_dec.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "errors.h"
#include "metrics/measures.h"
#include "mlops.h"
#include "registry/artifact.h"
#include "training/client.h"
#include "training/matrix.h"
#include "training/options.h"

PG_FUNCTION_INFO_V1(mlops_select_features);

#define MAX_ROUNDS			100000
#define MAX_REPEATS			1000

/* rows that are scored together hold so many bytes at most */
#define MAX_BATCH_BYTES		(8 * 1024 * 1024)

/* an importance is one if it is so many standard errors above none */
#define SIGNIFICANT			2

/* probabilities are kept from 0 by this, as in the aggregate log_loss() */
#define MIN_PROBABILITY		1e-15

/* the arguments, in their order */
enum
{
	ARG_QUERY,
	ARG_LABEL,
	ARG_PARAMS,
	ARG_KEY,
	ARG_SPLIT,
	ARG_ROUNDS,
	ARG_SEED,
	ARG_CLASS_WEIGHT,
	ARG_POSITIVE,
	ARG_FEATURES,
	ARG_METHOD,
	ARG_METRIC,
	ARG_REPEATS,
	ARG_STEP,
	ARG_KEEP,
	ARG_TOLERANCE
};

typedef enum Metric
{
	METRIC_AUC,
	METRIC_GINI,
	METRIC_KS,
	METRIC_PR_AUC,
	METRIC_LOG_LOSS,
	METRIC_BRIER,
	METRIC_ACCURACY,
	METRIC_F1,
	METRIC_RMSE,
	METRIC_MAE,
	METRIC_R2
} Metric;

static const struct
{
	const char *name;
	int			direction;		/* 1: more is better */
	bool		tasks[3];		/* by MlopsTask: regression, binary, multiclass */
	bool		probability;	/* does it ask for probabilities? */
}			metrics[] =
{
	[METRIC_AUC] = {"auc", 1, {false, true, false}, false},
	[METRIC_GINI] = {"gini", 1, {false, true, false}, false},
	[METRIC_KS] = {"ks", 1, {false, true, false}, false},
	[METRIC_PR_AUC] = {"pr_auc", 1, {false, true, false}, false},
	[METRIC_LOG_LOSS] = {"log_loss", -1, {false, true, true}, true},
	[METRIC_BRIER] = {"brier", -1, {false, true, false}, true},
	[METRIC_ACCURACY] = {"accuracy", 1, {false, true, true}, false},
	[METRIC_F1] = {"f1", 1, {false, true, false}, false},
	[METRIC_RMSE] = {"rmse", -1, {true, false, false}, false},
	[METRIC_MAE] = {"mae", -1, {true, false, false}, false},
	[METRIC_R2] = {"r2", 1, {true, false, false}, false},
};

/* what is known of a feature of the set */
typedef struct Candidate
{
	double		importance;		/* in the last model that had it */
	double		standard_error; /* NaN of one repetition */
	int			removed_at;		/* step, from 1; 0: never */
	bool		chosen;
} Candidate;

typedef struct Selection
{
	MlopsTrainOptions options;
	bool		eliminate;
	Metric		metric;
	int			repeats;
	int			step;			/* features that a step drops */
	int			keep;			/* features that are left at the end */
	double		tolerance;

	MlopsTrainingSet *set;
	const float *held_out;		/* rows of the test part */
	int64		num_rows;
	MlopsTrainer *trainer;
	Candidate  *candidates;		/* by feature of the set */
	int		   *columns;		/* features of the set that the model has, ascending */
	int			num_columns;
	double	   *measures;		/* of each step */
	int			num_steps;

	/* the present model */
	MlopsForest *forest;
	MlopsForestInfo info;
	void	   *scratch;
	int			batch_rows;
	float	   *batch;
	float	   *margins;
	float	   *outputs;
	MlopsScored *scored;		/* room for all held-out rows, or of a */
	double	   *actual;			/* regression these two */
	double	   *predicted;
	uint32	   *order;			/* of held-out rows */
} Selection;

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/*
 * An argument that is a whole number within bounds.
 */
static int
integer_argument(FunctionCallInfo fcinfo, int number, const char *name, int least, int most)
{
	int			value = PG_ARGISNULL(number) ? least - 1 : PG_GETARG_INT32(number);

	if (value < least || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %d and %d", name, least, most)));
	return value;
}

/*
 * Take all arguments but the metric, into the current memory context.
 */
static void
read_arguments(FunctionCallInfo fcinfo, Selection *self)
{
	MlopsTrainOptions *options = &self->options;
	const int	needed[] = {ARG_QUERY, ARG_LABEL, ARG_PARAMS, ARG_SPLIT, ARG_SEED, ARG_METHOD, ARG_TOLERANCE};
	char	   *method;

	for (int i = 0; i < (int) lengthof(needed); i++)
	{
		if (PG_ARGISNULL(needed[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("query, label, params, split, seed, method and tolerance cannot be NULL")));
	}
	options->query = text_argument(fcinfo, ARG_QUERY);
	options->label = text_argument(fcinfo, ARG_LABEL);
	options->key = text_argument(fcinfo, ARG_KEY);
	options->positive = text_argument(fcinfo, ARG_POSITIVE);
	options->rounds = integer_argument(fcinfo, ARG_ROUNDS, "rounds", 1, MAX_ROUNDS);
	options->seed = PG_GETARG_INT64(ARG_SEED);
	mlops_options_params(options, DatumGetJsonbPCopy(PG_GETARG_DATUM(ARG_PARAMS)));
	mlops_options_split(options, DatumGetJsonbPCopy(PG_GETARG_DATUM(ARG_SPLIT)));
	if (!PG_ARGISNULL(ARG_CLASS_WEIGHT))
		mlops_options_class_weight(options, DatumGetJsonbPCopy(PG_GETARG_DATUM(ARG_CLASS_WEIGHT)));
	mlops_options_features(options, PG_ARGISNULL(ARG_FEATURES) ? NULL : PG_GETARG_ARRAYTYPE_P(ARG_FEATURES));

	method = text_argument(fcinfo, ARG_METHOD);
	self->eliminate = strcmp(method, "elimination") == 0;
	if (!self->eliminate && strcmp(method, "permutation") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown method \"%s\"", method),
				 errhint("Methods are permutation and elimination.")));
	self->repeats = integer_argument(fcinfo, ARG_REPEATS, "repeats", 1, MAX_REPEATS);
	self->step = integer_argument(fcinfo, ARG_STEP, "step", 1, INT_MAX - 1);
	self->keep = integer_argument(fcinfo, ARG_KEEP, "keep", 1, INT_MAX - 1);
	self->tolerance = PG_GETARG_FLOAT8(ARG_TOLERANCE);
	if (!(self->tolerance >= 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tolerance must be 0 or more")));
	if (self->eliminate && options->interaction != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("elimination does not go with interaction_constraints"),
				 errdetail("They name features that it may drop.")));
}

/*
 * The measure that was asked for, or the usual one of the task.
 */
static void
choose_metric(Selection *self, const char *name)
{
	MlopsTask	task = self->set->label->task;
	const char *objective = self->options.objective;
	StringInfoData known;

	initStringInfo(&known);
	if (name == NULL)
		name = task == MLOPS_TASK_REGRESSION ? "rmse" : task == MLOPS_TASK_BINARY ? "auc" : "log_loss";
	for (int i = 0; i < (int) lengthof(metrics); i++)
	{
		if (!metrics[i].tasks[task == MLOPS_TASK_REGRESSION ? 0 : task == MLOPS_TASK_BINARY ? 1 : 2] ||
			(metrics[i].probability && objective != NULL &&
			 (strcmp(objective, "binary:logitraw") == 0 || strcmp(objective, "binary:hinge") == 0)))
			continue;
		if (strcmp(metrics[i].name, name) == 0)
		{
			self->metric = i;
			return;
		}
		appendStringInfo(&known, "%s%s", known.len > 0 ? ", " : "", metrics[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("metric \"%s\" is not one of this training", name),
			 errhint("Metrics for this label and objective are %s.", known.data)));
}

/*
 * The constraints on the features that a model has: those of the set by
 * position, without those that are gone.
 */
static List *
constraints_of(const Selection *self)
{
	List	   *result = NIL;
	ListCell   *cell;

	if (self->num_columns == self->set->signature.num_features)
		return list_copy(self->set->constraints);
	foreach(cell, self->set->constraints)
	{
		MlopsParam *param = palloc(sizeof(MlopsParam));
		const char *next = ((MlopsParam *) lfirst(cell))->value;
		int			position = 0;
		StringInfoData text;

		/* "(0,1,-1)": interaction constraints were refused */
		initStringInfo(&text);
		for (int i = 0; i < self->num_columns; i++)
		{
			for (; position < self->columns[i]; position++)
				next = strchr(next + 1, ',');
			appendStringInfo(&text, "%c%d", i > 0 ? ',' : '(', atoi(next + 1));
		}
		appendStringInfoChar(&text, ')');
		param->name = pstrdup(((MlopsParam *) lfirst(cell))->name);
		param->value = text.data;
		result = lappend(result, param);
	}
	return result;
}

/*
 * The training rows with the columns that are left, as a memory file in the
 * current memory context.
 */
static MlopsMemfile *
reduced_rows(const Selection *self)
{
	const MlopsRows *train = &self->set->parts[MLOPS_PART_TRAIN];
	int			num_features = self->set->signature.num_features;
	Size		width = MlopsRowWidth(self->set);
	const float *rows = mlops_memfile_map(train->file);
	MlopsMemfile *file = mlops_memfile_create("mlops training data");
	float	   *row = palloc(sizeof(float) * width);

	for (int64 i = 0; i < train->num_rows; i++)
	{
		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		for (int k = 0; k < self->num_columns; k++)
			row[k] = rows[i * width + self->columns[k]];
		memcpy(row + self->num_columns, rows + i * width + num_features, 2 * sizeof(float));
		mlops_memfile_append(file, row, sizeof(float) * (self->num_columns + 2));
	}
	mlops_memfile_map(file);
	mlops_memfile_seal(file);
	return file;
}

/*
 * Train with the columns that are left; all that belongs to the model is in
 * the current memory context.
 */
static void
train_model(Selection *self)
{
	const MlopsTrainOptions *options = &self->options;
	const MlopsSignature *signature = &self->set->signature;
	bool		whole = self->num_columns == signature->num_features;
	MlopsMemfile *file = whole ? self->set->parts[MLOPS_PART_TRAIN].file : reduced_rows(self);
	MlopsMatrix matrix = {mlops_memfile_fd(file), self->set->parts[MLOPS_PART_TRAIN].num_rows};
	const char **names = palloc(sizeof(char *) * self->num_columns);
	bool	   *categorical = palloc(sizeof(bool) * self->num_columns);
	List	   *list;
	MlopsParam *params;
	MlopsTrained trained;
	MlopsForestError error;

	for (int i = 0; i < self->num_columns; i++)
	{
		names[i] = signature->features[self->columns[i]].name;
		categorical[i] = signature->features[self->columns[i]].kind == MLOPS_KIND_CATEGORICAL;
	}
	list = mlops_options_library_params(options, self->set->label->task, self->set->label->num_classes,
										constraints_of(self));
	params = palloc(sizeof(MlopsParam) * list_length(list));
	for (int i = 0; i < list_length(list); i++)
		params[i] = *(MlopsParam *) list_nth(list, i);

	mlops_trainer_load(self->trainer, &matrix, NULL, self->num_columns, names, categorical);
	if (!whole)
		mlops_memfile_close(file);
	mlops_progress_phase(options->progress, MLOPS_PHASE_BOOSTING, options->rounds);
	mlops_trainer_train(self->trainer, params, list_length(list), options->rounds, 0, &trained);
	self->forest = mlops_forest_read(trained.model.data, trained.model.len, mlops_forest_env(), &error);
	if (self->forest == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_UNSUPPORTED_ARTIFACT),
				 errmsg("the trained model cannot be scored with: %s", error.message)));
	mlops_forest_info(self->forest, &self->info);
	self->scratch = MemoryContextAllocHuge(CurrentMemoryContext, mlops_forest_batch_scratch_size(self->forest));
	self->batch_rows = (int) Min(MLOPS_BATCH_ROWS,
								 Max(MAX_BATCH_BYTES / (sizeof(float) * self->num_columns), 1));
	self->batch = palloc(mul_size(sizeof(float) * self->num_columns, self->batch_rows));
	self->margins = palloc(mul_size(sizeof(float) * self->info.num_groups, self->batch_rows));
	self->outputs = palloc(sizeof(float) * Max(self->info.num_outputs, self->info.num_groups));
}

/*
 * Of several classes: is the answer right, and what is the loss?
 */
static void
add_multiclass(const Selection *self, const float *margins, int actual, double *right, double *loss)
{
	int			answer = 0;

	for (int class = 1; class < self->info.num_groups; class++)
	{
		if (margins[class] > margins[answer])
			answer = class;
	}
	*right += answer == actual;
	mlops_forest_softmax(margins, self->info.num_groups, self->outputs);
	*loss -= log(Max((double) self->outputs[actual], MIN_PROBABILITY));
}

/*
 * The measure of the scores of all held-out rows.
 */
static double
measure_of(const Selection *self, double right, double loss)
{
	bool		is_margin = strcmp(self->info.objective, "binary:logitraw") == 0;
	Size		n = self->num_rows;
	MlopsConfusion confusion;

	if (self->actual != NULL)
		return self->metric == METRIC_RMSE ? mlops_rmse(self->actual, self->predicted, n) :
			self->metric == METRIC_MAE ? mlops_mae(self->actual, self->predicted, n) :
			mlops_r2(self->actual, self->predicted, n);
	if (self->scored == NULL)
		return (self->metric == METRIC_ACCURACY ? right : loss) / (double) n;
	switch (self->metric)
	{
		case METRIC_LOG_LOSS:
			return mlops_log_loss(self->scored, n);
		case METRIC_BRIER:
			return mlops_brier(self->scored, n);
		case METRIC_ACCURACY:
		case METRIC_F1:
			confusion = mlops_confusion_at(self->scored, n, is_margin ? 0 : MLOPS_THRESHOLD);
			return self->metric == METRIC_F1 ? mlops_f1(&confusion) : mlops_accuracy(&confusion);
		default:
			break;
	}
	mlops_sort_scored(self->scored, n);
	CHECK_FOR_INTERRUPTS();
	switch (self->metric)
	{
		case METRIC_KS:
			return mlops_ks(self->scored, n);
		case METRIC_PR_AUC:
			return mlops_pr_auc(self->scored, n);
		case METRIC_GINI:
			return 2 * mlops_auc(self->scored, n) - 1;
		default:
			return mlops_auc(self->scored, n);
	}
}

/*
 * Measure the model on the held-out rows, where the column with the number
 * permuted (-1: none) has its values in another order.
 */
static double
measure(Selection *self, int permuted)
{
	Size		width = MlopsRowWidth(self->set);
	int			num_features = self->set->signature.num_features;
	double		right = 0;
	double		loss = 0;

	for (int64 start = 0; start < self->num_rows; start += self->batch_rows)
	{
		int			count = (int) Min(self->batch_rows, self->num_rows - start);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count; i++)
		{
			const float *row = self->held_out + (start + i) * width;
			float	   *to = self->batch + (Size) i * self->num_columns;

			for (int k = 0; k < self->num_columns; k++)
				to[k] = row[self->columns[k]];
			if (permuted >= 0)
				to[permuted] = self->held_out[self->order[start + i] * width + self->columns[permuted]];
		}
		mlops_forest_margin_batch(self->forest, self->batch, count, self->scratch, self->margins);
		for (int i = 0; i < count; i++)
		{
			const float *margins = self->margins + (Size) i * self->info.num_groups;
			float		label = self->held_out[(start + i) * width + num_features];

			if (self->actual == NULL && self->scored == NULL)
			{
				add_multiclass(self, margins, (int) label, &right, &loss);
				continue;
			}
			mlops_forest_transform(self->forest, margins, self->outputs);
			if (self->actual != NULL)
			{
				self->actual[start + i] = label;
				self->predicted[start + i] = self->outputs[0];
			}
			else
			{
				self->scored[start + i].label = label != 0;
				self->scored[start + i].score = self->outputs[0];
			}
		}
	}
	return measure_of(self, right, loss);
}

/*
 * Put the held-out rows into the order that a seed gives.
 */
static void
shuffle(Selection *self, uint64 seed)
{
	pg_prng_state state;

	pg_prng_seed(&state, seed);
	for (int64 i = 0; i < self->num_rows; i++)
		self->order[i] = (uint32) i;
	for (int64 i = self->num_rows - 1; i > 0; i--)
	{
		uint64		k = pg_prng_uint64_range(&state, 0, i);
		uint32		spare = self->order[i];

		self->order[i] = self->order[k];
		self->order[k] = spare;
	}
}

/*
 * What each feature of the model is worth, by the mean of some repetitions.
 * The order of a repetition is made of the seed and the feature's name, so
 * that it does not depend on other features.
 */
static void
permute(Selection *self, double base)
{
	for (int k = 0; k < self->num_columns; k++)
	{
		const char *name = self->set->signature.features[self->columns[k]].name;
		Candidate  *candidate = &self->candidates[self->columns[k]];
		uint64		seed = hash_bytes_extended((const unsigned char *) name, strlen(name),
											   (uint64) self->options.seed);
		double		sum = 0;
		double		squares = 0;

		candidate->importance = 0;
		candidate->standard_error = self->repeats > 1 ? 0 : NAN;
		if (!mlops_forest_feature_used(self->forest, k))
			continue;			/* nothing changes */
		for (int i = 0; i < self->repeats; i++)
		{
			double		loss;

			shuffle(self, hash_combine64(seed, (uint64) i));
			loss = metrics[self->metric].direction * (base - measure(self, k));
			/* Welford: sum is the mean */
			squares += (loss - sum) * (loss - sum) * i / (i + 1);
			sum += (loss - sum) / (i + 1);
		}
		candidate->importance = sum;
		if (self->repeats > 1)
			candidate->standard_error = sqrt(squares / (self->repeats - 1) / self->repeats);
	}
}

/*
 * qsort_arg comparator of features of the set: the least important first, of
 * equal ones the last in the query.
 */
static int
compare_importance(const void *a, const void *b, void *arg)
{
	const Candidate *candidates = arg;
	int			i = *(const int *) a;
	int			k = *(const int *) b;

	if (candidates[i].importance != candidates[k].importance)
		return candidates[i].importance < candidates[k].importance ? -1 : 1;
	return k - i;
}

static int
compare_columns(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

/*
 * Drop the least important features.
 */
static void
drop_features(Selection *self)
{
	int			count = Min(self->step, self->num_columns - self->keep);

	qsort_arg(self->columns, self->num_columns, sizeof(int), compare_importance, self->candidates);
	for (int i = 0; i < count; i++)
		self->candidates[self->columns[i]].removed_at = self->num_steps;
	self->num_columns -= count;
	memmove(self->columns, self->columns + count, sizeof(int) * self->num_columns);
	qsort(self->columns, self->num_columns, sizeof(int), compare_columns);
}

/*
 * Read the rows and make room for their scores.
 */
static void
read_rows(Selection *self, const char *metric, MemoryContext context)
{
	MlopsTrainOptions *options = &self->options;
	const MlopsRows *test;
	int			num_features;
	Size		n;

	options->progress = mlops_progress_begin(MLOPS_WORK_TRAIN, "", 0, context);
	mlops_progress_phase(options->progress, MLOPS_PHASE_READING, -1);
	self->set = mlops_training_set_read(options);
	choose_metric(self, metric);
	test = &self->set->parts[MLOPS_PART_TEST];
	if (test->file == NULL || test->num_rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are no rows to measure features with"),
				 errhint("Give split a test part.")));
	if (test->num_rows > PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the test part has more than %u rows", PG_UINT32_MAX)));
	self->held_out = mlops_memfile_map(test->file);
	self->num_rows = n = test->num_rows;
	self->order = MemoryContextAllocHuge(context, mul_size(sizeof(uint32), n));
	if (self->set->label->task == MLOPS_TASK_REGRESSION)
	{
		self->actual = MemoryContextAllocHuge(context, mul_size(sizeof(double), n));
		self->predicted = MemoryContextAllocHuge(context, mul_size(sizeof(double), n));
	}
	else if (self->set->label->task == MLOPS_TASK_BINARY)
		self->scored = MemoryContextAllocHuge(context, mul_size(sizeof(MlopsScored), n));

	num_features = self->set->signature.num_features;
	self->num_columns = num_features;
	self->columns = palloc(sizeof(int) * num_features);
	for (int i = 0; i < num_features; i++)
		self->columns[i] = i;
	self->candidates = palloc0(sizeof(Candidate) * num_features);
	self->measures = palloc(sizeof(double) * num_features);
	if (!self->eliminate)
		self->keep = num_features;
	self->keep = Min(self->keep, num_features);
}

/*
 * Train and measure, step after step.
 */
static void
run(Selection *self, MemoryContext context)
{
	int			num_features = self->set->signature.num_features;
	int			best = 0;
	int			chosen = 0;

	self->trainer = mlops_trainer_start(context, self->options.progress);
	for (;;)
	{
		MemoryContext step = AllocSetContextCreate(context, "mlops selection step", ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(step);
		double		base;

		train_model(self);
		mlops_progress_phase(self->options.progress, MLOPS_PHASE_MEASURING, -1);
		base = measure(self, -1);
		if (isnan(base))
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_TRAINING_DATA),
					 errmsg("metric \"%s\" is not defined on the rows of the test part", metrics[self->metric].name),
					 errdetail("There are " INT64_FORMAT " of them; some metrics need both classes.", self->num_rows)));
		permute(self, base);
		self->measures[self->num_steps++] = base;
		mlops_forest_env()->release(mlops_forest_env()->arg, self->forest);
		self->forest = NULL;
		MemoryContextSwitchTo(old);
		MemoryContextDelete(step);
		if (self->num_columns <= self->keep)
			break;
		drop_features(self);
	}
	mlops_trainer_stop(self->trainer);

	/* the fewest features that are as good as the best, but for the tolerance */
	for (int i = 1; i < self->num_steps; i++)
	{
		if (metrics[self->metric].direction * (self->measures[i] - self->measures[best]) > 0)
			best = i;
	}
	for (int i = 0; i < self->num_steps; i++)
	{
		if (metrics[self->metric].direction * (self->measures[best] - self->measures[i]) <= self->tolerance)
			chosen = i;
	}
	for (int i = 0; i < num_features; i++)
	{
		Candidate  *candidate = &self->candidates[i];

		if (self->eliminate)
			candidate->chosen = candidate->removed_at == 0 || candidate->removed_at > chosen;
		else
			candidate->chosen = candidate->importance >
				(isnan(candidate->standard_error) ? 0 : SIGNIFICANT * candidate->standard_error);
	}
}

/*
 * qsort_arg comparator of features: the last to go first, then by importance.
 */
static int
compare_rank(const void *a, const void *b, void *arg)
{
	const Candidate *candidates = arg;
	const Candidate *left = &candidates[*(const int *) a];
	const Candidate *right = &candidates[*(const int *) b];

	if (left->removed_at != right->removed_at)
		return left->removed_at == 0 || (right->removed_at != 0 && left->removed_at > right->removed_at) ? -1 : 1;
	return -compare_importance(a, b, arg);
}

/*
 * How it was done, as JSON.
 */
static Datum
definition_json(const Selection *self)
{
	StringInfoData json;
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(self->tolerance, digits);
	initStringInfo(&json);
	appendStringInfo(&json, "{\"method\": \"%s\", \"metric\": \"%s\", \"repeats\": %d, \"seed\": " INT64_FORMAT
					 ", \"rounds\": %d, \"n_train\": " INT64_FORMAT ", \"n_test\": " INT64_FORMAT ", \"steps\": %d, \"tolerance\": %s, \"data_hash\": \"%s\"}",
					 self->eliminate ? "elimination" : "permutation", metrics[self->metric].name, self->repeats,
					 self->options.seed, self->options.rounds, self->set->parts[MLOPS_PART_TRAIN].num_rows,
					 self->num_rows, self->num_steps, digits, self->set->data_hash);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

static void
put_rows(Selection *self, ReturnSetInfo *result)
{
	int			num_features = self->set->signature.num_features;
	int		   *order = palloc(sizeof(int) * num_features);
	Datum		definition = definition_json(self);

	for (int i = 0; i < num_features; i++)
		order[i] = i;
	qsort_arg(order, num_features, sizeof(int), compare_rank, self->candidates);
	for (int i = 0; i < num_features; i++)
	{
		const Candidate *candidate = &self->candidates[order[i]];
		Datum		values[8];
		bool		nulls[8] = {false};

		values[0] = Int32GetDatum(i + 1);
		values[1] = CStringGetTextDatum(self->set->signature.features[order[i]].name);
		values[2] = Float8GetDatum(candidate->importance);
		values[3] = Float8GetDatum(candidate->standard_error);
		nulls[3] = isnan(candidate->standard_error);
		values[4] = Int32GetDatum(candidate->removed_at);
		nulls[4] = candidate->removed_at == 0;
		values[5] = Float8GetDatum(self->measures[(candidate->removed_at == 0 ? self->num_steps : candidate->removed_at) - 1]);
		values[6] = BoolGetDatum(candidate->chosen);
		values[7] = definition;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/*
 * SQL: mlops.select_features(), a row for each feature, the best first.
 */
Datum
mlops_select_features(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext old;

	InitMaterializedSRF(fcinfo, 0);
	context = AllocSetContextCreate(CurrentMemoryContext, "mlops selection", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	PG_TRY();
	{
		Selection  *self = palloc0(sizeof(Selection));

		read_arguments(fcinfo, self);
		read_rows(self, text_argument(fcinfo, ARG_METRIC), context);
		run(self, context);
		put_rows(self, (ReturnSetInfo *) fcinfo->resultinfo);
	}
	PG_FINALLY();
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
	PG_END_TRY();
	return (Datum) 0;
}
