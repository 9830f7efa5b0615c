/*-------------------------------------------------------------------------
 *
 * tune.c
 *	  mlops.tune: search for the parameters of a model, and train it with them.
 *
 * The rows are read once and go to one training process, which has them until
 * the end.  Each trial is cross-validated there and becomes a run, a child of
 * the search's own.  The best one's parameters are then trained with all rows
 * of the training part, by the same process, and the model is registered as
 * mlops.train() would have done it: the same rows in the same order give the
 * same file.
 *
 * Transactions.  mlops.tune() is a procedure.  Called by itself it commits when
 * the rows were read and after each trial, so that others see what is done and
 * nothing of it is lost, and it holds neither a snapshot nor a lock on anybody
 * else's rows while it boosts.  Inside a transaction block or a function it
 * commits nothing, and says so.  What it holds over the commits, memory, mapped
 * files, the training process and the lock below, belongs to a memory context
 * under the portal's, and ends with it, or in PG_FINALLY before.
 *
 * A search is locked, by an advisory lock of a kind that no function of SQL
 * can ask for, as long as somebody works on it.  View mlops.searches knows by
 * the lock whether it is running or was interrupted.  A search that was
 * interrupted is resumed from its record: what it was asked for, and what its
 * trials found; propose.c makes the next one of that.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "caller.h"
#include "guc.h"
#include "registry/modelref.h"
#include "training/arguments.h"
#include "training/json.h"
#include "training/search.h"
#include "training/space.h"

PG_FUNCTION_INFO_V1(mlops_tune);

/* fourth field of the advisory lock of a search; SQL uses 1 and 2 */
#define SEARCH_LOCK		0x4d52

/* most trials of a search, and how many there are if nobody says */
#define MAX_TRIALS		100000
#define DEFAULT_TRIALS	20

/* with one fold: a fifth of the rows is held out */
#define HOLDOUT_FOLDS	5

/* the arguments, in their order */
enum
{
	ARG_MODEL,
	ARG_QUERY,
	ARG_LABEL,
	ARG_SPACE,
	ARG_STRATEGY,
	ARG_TRIALS,
	ARG_METRIC,
	ARG_BUDGET,
	ARG_PARAMS,
	ARG_KEY,
	ARG_SPLIT,
	ARG_ROUNDS,
	ARG_FOLDS,
	ARG_GROUP,
	ARG_TIME,
	ARG_STRATIFY,
	ARG_EARLY_STOPPING_ROUNDS,
	ARG_SEED,
	ARG_CLASS_WEIGHT,
	ARG_POSITIVE,
	ARG_FEATURES,
	ARG_EXPERIMENT,
	ARG_DESCRIPTION,
	ARG_RESUME
};

typedef struct Search
{
	MemoryContext context;
	bool		commits;		/* may we? */
	MlopsTraining training;
	MlopsTrainOptions plain;	/* the options without params */
	MlopsFolds	folds;
	int			num_folds;		/* that are measured */
	MlopsPlan	plan;
	const MlopsMetric *metric;	/* NULL: that of the task */
	List	   *metrics;		/* all of the task */
	Jsonb	   *arguments;		/* as they were given */
	Jsonb	   *params;			/* of all trials */
	Jsonb	   *split;
	Jsonb	   *class_weight;	/* or NULL */
	double		budget;			/* seconds; infinity: any */
	char	   *experiment;
	MlopsValidator validator;
	MlopsProgress *progress;

	int64		run;			/* 0: none yet */
	bool		locked;
	int			allocated;
	int			num_trials;		/* done */
	MlopsTrial *trials;
	int			best;			/* -1: none */
} Search;

/* --- arguments ------------------------------------------------------------ */

static void
add_text(StringInfo json, FunctionCallInfo fcinfo, int number, const char *name)
{
	add_string(json, name, text_argument(fcinfo, number));
}

static void
add_json(StringInfo json, FunctionCallInfo fcinfo, int number, const char *name)
{
	add_name(json, name);
	if (PG_ARGISNULL(number))
		appendStringInfoString(json, "null");
	else
	{
		Jsonb	   *value = PG_GETARG_JSONB_P(number);

		JsonbToCString(json, &value->root, VARSIZE(value));
	}
}

static void
add_features(StringInfo json, ArrayType *features)
{
	MlopsTrainOptions options = {0};

	mlops_options_features(&options, features);
	add_strings(json, "features", options.features);
}

/*
 * The arguments as JSON: what is kept with the search, and read by this call
 * and by those that resume it.
 */
static Jsonb *
given_arguments(FunctionCallInfo fcinfo)
{
	StringInfoData json;

	require_argument(fcinfo, ARG_MODEL, "model");
	require_argument(fcinfo, ARG_QUERY, "query");
	require_argument(fcinfo, ARG_LABEL, "label");
	require_argument(fcinfo, ARG_SPACE, "space");
	require_argument(fcinfo, ARG_STRATEGY, "strategy");
	require_argument(fcinfo, ARG_PARAMS, "params");
	require_argument(fcinfo, ARG_SPLIT, "split");
	require_argument(fcinfo, ARG_ROUNDS, "rounds");
	require_argument(fcinfo, ARG_FOLDS, "folds");
	require_argument(fcinfo, ARG_EARLY_STOPPING_ROUNDS, "early_stopping_rounds");
	require_argument(fcinfo, ARG_SEED, "seed");

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	add_text(&json, fcinfo, ARG_MODEL, "model");
	add_text(&json, fcinfo, ARG_QUERY, "query");
	add_text(&json, fcinfo, ARG_LABEL, "label");
	add_json(&json, fcinfo, ARG_SPACE, "space");
	add_text(&json, fcinfo, ARG_STRATEGY, "strategy");
	if (!PG_ARGISNULL(ARG_TRIALS))
		add_integer(&json, "trials", PG_GETARG_INT32(ARG_TRIALS));
	add_text(&json, fcinfo, ARG_METRIC, "metric");
	if (!PG_ARGISNULL(ARG_BUDGET))
		add_number(&json, "budget",
				   DatumGetFloat8(DirectFunctionCall2(interval_part, CStringGetTextDatum("epoch"),
													  PG_GETARG_DATUM(ARG_BUDGET))));
	add_json(&json, fcinfo, ARG_PARAMS, "params");
	add_text(&json, fcinfo, ARG_KEY, "key");
	add_json(&json, fcinfo, ARG_SPLIT, "split");
	add_integer(&json, "rounds", PG_GETARG_INT32(ARG_ROUNDS));
	add_integer(&json, "folds", PG_GETARG_INT32(ARG_FOLDS));
	add_text(&json, fcinfo, ARG_GROUP, "group_column");
	add_text(&json, fcinfo, ARG_TIME, "time_column");
	add_text(&json, fcinfo, ARG_STRATIFY, "stratify_column");
	add_integer(&json, "early_stopping_rounds", PG_GETARG_INT32(ARG_EARLY_STOPPING_ROUNDS));
	/* a number could lose digits on its way */
	add_string(&json, "seed", psprintf(INT64_FORMAT, PG_GETARG_INT64(ARG_SEED)));
	add_json(&json, fcinfo, ARG_CLASS_WEIGHT, "class_weight");
	add_text(&json, fcinfo, ARG_POSITIVE, "positive");
	if (!PG_ARGISNULL(ARG_FEATURES))
		add_features(&json, PG_GETARG_ARRAYTYPE_P(ARG_FEATURES));
	add_text(&json, fcinfo, ARG_DESCRIPTION, "description");
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(jsonb_datum(json.data).value);
}

/*
 * A member of an object, or NULL if it is not there or null.
 */
static JsonbValue *
member(JsonbContainer *object, const char *name)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, name, strlen(name), NULL);

	return value != NULL && value->type == jbvNull ? NULL : value;
}

static char *
text_member(JsonbContainer *object, const char *name)
{
	JsonbValue *value = member(object, name);

	return value == NULL || value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

static double
number_member(JsonbContainer *object, const char *name, double otherwise)
{
	JsonbValue *value = member(object, name);

	return value == NULL || value->type != jbvNumeric ? otherwise :
		DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
}

static Jsonb *
json_member(JsonbContainer *object, const char *name)
{
	JsonbValue *value = member(object, name);

	return value == NULL ? NULL : JsonbValueToJsonb(value);
}

/*
 * An array of texts, as SQL has it; NULL if there is none.
 */
static ArrayType *
array_member(JsonbContainer *object, const char *name)
{
	JsonbValue *value = member(object, name);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	ArrayBuildState *state = initArrayResult(TEXTOID, CurrentMemoryContext, false);

	if (value == NULL)
		return NULL;
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			accumArrayResult(state, PointerGetDatum(cstring_to_text_with_len(item.val.string.val, item.val.string.len)),
							 false, TEXTOID, CurrentMemoryContext);
	}
	return DatumGetArrayTypeP(makeArrayResult(state, CurrentMemoryContext));
}

/*
 * Error if a parameter is in the space and has one value for all trials.
 */
static void
check_params(const Search *self)
{
	for (int i = 0; i < self->plan.space->num_dimensions; i++)
	{
		if (member(&self->params->root, self->plan.space->dimensions[i].name) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("parameter \"%s\" is in both params and space",
							self->plan.space->dimensions[i].name)));
	}
}

/*
 * The parameters of a point, with those of all trials.
 */
static Jsonb *
point_params(const Search *self, const double *point)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	mlops_space_put(self->plan.space, point, &json);
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(self->params),
											  jsonb_datum(json.data).value));
}

/*
 * Take the arguments apart, check them, and make of them what a search needs.
 */
static void
read_arguments(Search *self)
{
	JsonbContainer *given = &self->arguments->root;
	MlopsTrainOptions *options = &self->training.options;
	MlopsPlan  *plan = &self->plan;
	MlopsTrainOptions probe;
	MlopsTrial	first;
	int			folds = (int) number_member(given, "folds", 0);
	char	   *time_column = text_member(given, "time_column");
	char	   *metric = text_member(given, "metric");
	double		trials = number_member(given, "trials", NAN);

	options->model = text_member(given, "model");
	options->query = text_member(given, "query");
	options->label = text_member(given, "label");
	options->key = text_member(given, "key");
	options->positive = text_member(given, "positive");
	options->description = text_member(given, "description");
	options->seed = pg_strtoint64(text_member(given, "seed"));
	self->split = json_member(given, "split");
	mlops_options_split(options, self->split);
	if (options->validation_share > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the split of a search has no validation part"),
				 errhint("Trials are validated with folds of the training part.")));
	mlops_options_rounds(options, (int) number_member(given, "rounds", 0),
						 (int) number_member(given, "early_stopping_rounds", 0));
	self->class_weight = json_member(given, "class_weight");
	if (self->class_weight != NULL)
		mlops_options_class_weight(options, self->class_weight);
	mlops_options_features(options, array_member(given, "features"));
	if (folds == 1 && time_column != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("folds must be at least 2 with time_column")));
	mlops_options_folds(options, &self->folds, folds, 1, text_member(given, "group_column"),
						time_column, text_member(given, "stratify_column"));
	self->num_folds = folds;
	if (folds == 1)
		self->folds.count = HOLDOUT_FOLDS;

	if (metric != NULL)
		self->metric = mlops_metric_find(metric);
	self->params = json_member(given, "params");
	plan->space = mlops_space_read(json_member(given, "space"));
	plan->strategy = mlops_strategy_find(text_member(given, "strategy"));
	plan->seed = options->seed;
	plan->rounds = options->rounds;
	if (isnan(trials))
		trials = plan->strategy == MLOPS_STRATEGY_GRID ?
			(double) Min(mlops_space_grid_size(plan->space), MAX_TRIALS) : DEFAULT_TRIALS;
	else if (plan->strategy == MLOPS_STRATEGY_GRID)
		(void) mlops_space_grid_size(plan->space);
	if (trials < 1 || trials > MAX_TRIALS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("trials must be between 1 and %d", MAX_TRIALS)));
	plan->num_trials = (int) trials;
	self->budget = number_member(given, "budget", INFINITY);
	if (self->budget <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("budget must be longer than nothing")));

	/* what no trial could be given is refused by the first one, before data are read */
	self->plain = *options;
	mlops_options_params(options, self->params);
	check_params(self);
	probe = self->plain;
	(void) mlops_propose(plan, NULL, 0, &first);
	mlops_options_params(&probe, point_params(self, first.point));
	self->allocated = Min(plan->num_trials, 1024);
	self->trials = palloc(sizeof(MlopsTrial) * self->allocated);
	self->best = -1;
}

/* --- transactions ----------------------------------------------------------- */

/*
 * What writes needs a snapshot, which is not held for longer.
 */
static void
begin_writing(void)
{
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_writing(const Search *self)
{
	PopActiveSnapshot();
	if (self->commits)
		SPI_commit();
}

/*
 * Nobody else may work on this search now.
 */
static void
lock_search(Search *self)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (self->run >> 32), (uint32) self->run, SEARCH_LOCK);
	if (LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("search " INT64_FORMAT " is running", self->run),
				 errdetail("Another session works on it.")));
	self->locked = true;
}

static void
unlock_search(Search *self)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (self->run >> 32), (uint32) self->run, SEARCH_LOCK);
	if (self->locked)
		LockRelease(&tag, ExclusiveLock, true);
	self->locked = false;
}

/* --- the record --------------------------------------------------------------- */

static const char *const task_names[] = {
	[MLOPS_TASK_REGRESSION] = "regression",
	[MLOPS_TASK_BINARY] = "binary",
	[MLOPS_TASK_MULTICLASS] = "multiclass",
};

/* a trial's metric, as its record has it */
static double
metric_value(const Search *self, const MlopsTrial *trial)
{
	return self->metric->maximize ? -trial->value : trial->value;
}

/*
 * Record that the search has begun.
 */
static void
begin_search(Search *self)
{
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTOID, JSONBOID};
	NullableDatum args[lengthof(types)] = {0};
	const MlopsTraining *training = &self->training;
	StringInfoData json;
	bool		isnull;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	mlops_training_add_data(training, &json);
	mlops_record_folds(&json, &self->folds);
	add_name(&json, "search");
	JsonbToCString(&json, &self->arguments->root, VARSIZE(self->arguments));
	add_string(&json, "metric", self->metric->name);
	add_integer(&json, "trials", self->plan.num_trials);
	mlops_training_add_software(training, &json);
	appendStringInfoChar(&json, '}');
	args[0] = text_datum(training->options.model);
	args[1] = text_datum(task_names[training->set->label->task]);
	args[2] = text_datum(self->experiment);
	args[3] = jsonb_datum(json.data);
	self->run = DatumGetInt64(mlops_call_private("_begin_search", lengthof(types), types, args, &isnull));
	lock_search(self);
}

/*
 * Record a trial, which has just been measured.
 */
static void
record_trial(Search *self, MlopsTrial *trial, const MlopsTrainOptions *options,
			 const MlopsValidated *validated)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	mlops_training_add_data(&self->training, &json);
	mlops_record_folds(&json, &self->folds);
	mlops_record_validated(&json, options, validated);
	add_name(&json, "trial");
	appendStringInfoChar(&json, '{');
	add_integer(&json, "number", self->num_trials + 1);
	add_name(&json, "parameters");
	appendStringInfoChar(&json, '{');
	mlops_space_put(self->plan.space, trial->point, &json);
	appendStringInfoChar(&json, '}');
	add_name(&json, "point");
	for (int i = 0; i < self->plan.space->num_dimensions; i++)
	{
		char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

		double_to_shortest_decimal_buf(trial->point[i], digits);
		appendStringInfo(&json, "%s%s", i > 0 ? ", " : "[", digits);
	}
	appendStringInfoChar(&json, ']');
	add_integer(&json, "rounds", trial->rounds);
	add_integer(&json, "best_rounds", trial->best_rounds);
	add_string(&json, "metric", self->metric->name);
	if (!isnan(trial->value))
		add_number(&json, "value", metric_value(self, trial));
	appendStringInfoChar(&json, '}');
	mlops_training_add_software(&self->training, &json);
	appendStringInfoChar(&json, '}');
	trial->run = mlops_record_run("trial", options->model, self->experiment,
								  psprintf("trial %d", self->num_trials + 1), self->run,
								  mlops_metrics_json(validated, self->metrics), json.data);
}

/*
 * How the parameters of the version were found, for its record.
 */
static char *
search_json(const Search *self)
{
	const MlopsTrial *best = &self->trials[self->best];
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	add_integer(&json, "run", self->run);
	add_string(&json, "strategy", mlops_strategy_names[self->plan.strategy]);
	add_name(&json, "arguments");
	JsonbToCString(&json, &self->arguments->root, VARSIZE(self->arguments));
	add_string(&json, "metric", self->metric->name);
	add_integer(&json, "best_trial", self->best + 1);
	add_integer(&json, "best_run", best->run);
	add_number(&json, "value", metric_value(self, best));
	add_name(&json, "trials");
	for (int i = 0; i < self->num_trials; i++)
	{
		const MlopsTrial *trial = &self->trials[i];

		appendStringInfoString(&json, i > 0 ? ", {" : "[{");
		add_integer(&json, "run", trial->run);
		add_integer(&json, "rounds", trial->rounds);
		if (!isnan(trial->value))
			add_number(&json, "value", metric_value(self, trial));
		add_name(&json, "parameters");
		appendStringInfoChar(&json, '{');
		mlops_space_put(self->plan.space, trial->point, &json);
		appendStringInfoString(&json, "}}");
	}
	appendStringInfoString(&json, "]}");
	return json.data;
}

/* --- the trials ----------------------------------------------------------------- */

/*
 * Keep a trial that is done.
 */
static void
add_trial(Search *self, const MlopsTrial *trial)
{
	if (self->num_trials == self->allocated)
	{
		self->allocated *= 2;
		self->trials = repalloc_huge(self->trials, mul_size(sizeof(MlopsTrial), self->allocated));
	}
	self->trials[self->num_trials] = *trial;

	/* only one that had all rounds can be the best */
	if (!isnan(trial->value) && trial->rounds == self->plan.rounds &&
		(self->best < 0 || trial->value < self->trials[self->best].value))
		self->best = self->num_trials;
	self->num_trials++;
}

/*
 * Take up a search where it was left: its arguments, and the trials that are
 * done.
 */
static void
resume(Search *self, int64 run, FunctionCallInfo fcinfo)
{
	const Oid	types[] = {INT8OID};
	NullableDatum args[] = {{.value = Int64GetDatum(run)}};
	bool		isnull;
	Jsonb	   *found;
	JsonbContainer *trials;

	self->run = run;
	lock_search(self);
	found = DatumGetJsonbPCopy(mlops_call_private("_resume_search", lengthof(types), types, args, &isnull));
	self->experiment = text_member(&found->root, "experiment");
	self->arguments = json_member(&found->root, "arguments");
	if (!PG_ARGISNULL(ARG_TRIALS))
		self->arguments = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(self->arguments),
															 jsonb_datum(psprintf("{\"trials\": %d}", PG_GETARG_INT32(ARG_TRIALS))).value));
	read_arguments(self);
	if (!PG_ARGISNULL(ARG_BUDGET))
		self->budget = DatumGetFloat8(DirectFunctionCall2(interval_part, CStringGetTextDatum("epoch"),
														  PG_GETARG_DATUM(ARG_BUDGET)));
	self->metric = mlops_metric_find(text_member(&found->root, "metric"));

	trials = member(&found->root, "trials")->val.binary.data;
	for (uint32 i = 0; i < JsonContainerSize(trials); i++)
	{
		JsonbContainer *object = getIthJsonbValueFromContainer(trials, i)->val.binary.data;
		JsonbContainer *point = member(object, "point")->val.binary.data;
		MlopsTrial	trial = {0};

		for (int j = 0; j < self->plan.space->num_dimensions; j++)
			trial.point[j] = DatumGetFloat8(DirectFunctionCall1(numeric_float8,
																NumericGetDatum(getIthJsonbValueFromContainer(point, j)->val.numeric)));
		trial.rounds = (int) number_member(object, "rounds", 0);
		trial.best_rounds = (int) number_member(object, "best_rounds", 0);
		trial.run = (int64) number_member(object, "run", 0);
		trial.value = number_member(object, "value", NAN) * (self->metric->maximize ? -1 : 1);
		add_trial(self, &trial);
	}

	/* the same rows, or what the trials found is not comparable */
	self->training.arguments = text_member(&found->root, "data_hash");
}

/*
 * Measure one trial.
 */
static void
try_point(Search *self, MlopsTrial *trial)
{
	MlopsTraining *training = &self->training;
	MlopsTrainOptions options = self->plain;
	const MlopsLabel *label = training->set->label;
	MlopsValidated *validated = palloc(sizeof(MlopsValidated));
	double		values[MLOPS_FOLDS_MAX];

	mlops_options_params(&options, point_params(self, trial->point));
	options.rounds = trial->rounds;
	training->started_at = GetCurrentTimestamp();
	training->params = mlops_options_library_params(&options, label->task, label->num_classes,
													training->set->constraints);
	mlops_validate(&self->validator, training->params, trial->rounds, self->num_folds,
				   NULL, NULL, validated);
	trial->value = mlops_validated_values(validated, self->metric->name, values, NULL);
	if (self->metric->maximize)
		trial->value = -trial->value;
	trial->best_rounds = options.early_stopping_rounds > 0 ?
		mlops_validated_rounds(validated) : trial->rounds;
	begin_writing();
	record_trial(self, trial, &options, validated);
	end_writing(self);
}

/*
 * Show how far the search is.
 */
static void
show_progress(const Search *self)
{
	mlops_progress_done(self->progress, self->num_trials);
	if (self->best >= 0)
		mlops_progress_metric(self->progress,
							  psprintf("trial %d: %s %.6g", self->best + 1, self->metric->name,
									   metric_value(self, &self->trials[self->best])));
}

/*
 * Try one point after the other until there is no more to try or no more time.
 * There is one trial at least.
 */
static void
search(Search *self)
{
	TimestampTz start = GetCurrentTimestamp();
	MemoryContext trial_context = AllocSetContextCreate(self->context, "mlops trial",
														ALLOCSET_DEFAULT_SIZES);

	show_progress(self);
	for (;;)
	{
		MemoryContext old;
		MlopsTrial	trial;
		bool		more;

		if (self->num_trials > 0 && (GetCurrentTimestamp() - start) / 1e6 >= self->budget)
			break;
		old = MemoryContextSwitchTo(trial_context);
		more = mlops_propose(&self->plan, self->trials, self->num_trials, &trial);
		if (more)
			try_point(self, &trial);
		MemoryContextSwitchTo(old);
		if (!more)
			break;
		add_trial(self, &trial);
		MemoryContextSwitchTo(trial_context);
		show_progress(self);
		MemoryContextSwitchTo(old);
		MemoryContextReset(trial_context);
	}
	if (self->best < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no trial of the search had all %d rounds and a metric \"%s\"",
						self->plan.rounds, self->metric->name),
				 self->plan.strategy == MLOPS_STRATEGY_HALVING ?
				 errhint("Call mlops.tune(resume => " INT64_FORMAT ") with more trials or time.", self->run) : 0));
}

/*
 * Train the best parameters with all rows of the training part, and register
 * the model.  Returns the version's number.
 */
static int32
refit(Search *self)
{
	MlopsTraining *training = &self->training;
	MlopsTrainOptions *options = &training->options;
	const MlopsLabel *label = training->set->label;
	const MlopsTrial *best = &self->trials[self->best];
	Jsonb	   *params = point_params(self, best->point);
	const Oid	types[] = {INT8OID, TEXTOID, INT4OID};
	NullableDatum args[lengthof(types)] = {0};
	MlopsParam *array;
	bool		isnull;
	int32		version;

	*options = self->plain;
	mlops_options_params(options, params);
	options->rounds = best->best_rounds;
	options->early_stopping_rounds = 0;
	options->progress = self->progress;
	training->started_at = GetCurrentTimestamp();
	training->params = mlops_options_library_params(options, label->task, label->num_classes,
													training->set->constraints);
	training->arguments = mlops_record_arguments(params, self->split, self->class_weight, options->positive);
	training->search = search_json(self);
	array = palloc(sizeof(MlopsParam) * list_length(training->params));
	for (int i = 0; i < list_length(training->params); i++)
		array[i] = *(MlopsParam *) list_nth(training->params, i);

	mlops_trainer_fold(self->validator.trainer, 0, -1, false);
	mlops_progress_phase(self->validator.progress, MLOPS_PHASE_BOOSTING, options->rounds);
	mlops_trainer_train(self->validator.trainer, array, list_length(training->params),
						options->rounds, 0, &training->trained);
	training->boosting = (GetCurrentTimestamp() - training->started_at) / 1e6;
	/* which ends the training process: what follows may wait for locks */
	mlops_training_check(training, self->validator.trainer);

	begin_writing();
	version = mlops_training_finish(training);
	args[0].value = Int64GetDatum(self->run);
	args[1] = text_datum(options->model);
	args[2].value = Int32GetDatum(version);
	(void) mlops_call_private("_end_search", lengthof(types), types, args, &isnull);
	PopActiveSnapshot();
	return version;
}

/*
 * Do it; the current memory context holds all that is needed for it, also
 * over commits.  Returns the version's number.
 */
static int32
tune(FunctionCallInfo fcinfo, Search *self)
{
	MlopsTraining *training = &self->training;
	MlopsTrainOptions *options = &training->options;
	char	   *expected_hash = NULL;

	PreventCommandIfReadOnly("mlops.tune()");
	training->started_at = GetCurrentTimestamp();
	if (!PG_ARGISNULL(ARG_RESUME))
	{
		resume(self, PG_GETARG_INT64(ARG_RESUME), fcinfo);
		expected_hash = training->arguments;
	}
	else
	{
		self->arguments = given_arguments(fcinfo);
		read_arguments(self);
	}
	mlops_check_register(options->model, NULL);
	if (PG_ARGISNULL(ARG_RESUME))
		self->experiment = mlops_find_experiment(text_argument(fcinfo, ARG_EXPERIMENT), "tune");

	self->progress = options->progress = self->plain.progress =
		mlops_progress_begin(MLOPS_WORK_TUNE, options->model, 0, self->context);
	mlops_progress_phase(self->progress, MLOPS_PHASE_READING, -1);
	training->set = mlops_training_set_read(options);
	training->reading = (GetCurrentTimestamp() - training->started_at) / 1e6;
	mlops_check_register(options->model, task_names[training->set->label->task]);
	if (expected_hash != NULL && strcmp(expected_hash, training->set->data_hash) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("search " INT64_FORMAT " cannot go on: the rows of its query have changed", self->run),
				 errhint("Begin another search, with a snapshot of the rows if they change.")));
	if (self->metric == NULL)
		self->metric = mlops_metric_default(training->set->label->task);
	mlops_metric_check(self->metric, training->set->label->task);
	self->metrics = mlops_metrics_of(training->set->label->task);
	training->arguments = mlops_record_arguments(self->params, self->split, self->class_weight, options->positive);
	if (self->run == 0)
	{
		begin_writing();
		begin_search(self);
		PopActiveSnapshot();
	}
	if (self->commits)
		SPI_commit();
	else
		ereport(NOTICE,
				(errmsg("search " INT64_FORMAT " runs inside a transaction block or a function", self->run),
				 errdetail("Its trials are seen by others, and kept, when that commits.")));

	self->validator.training = training;
	self->validator.keep = true;
	self->validator.progress = mlops_progress_begin(MLOPS_WORK_TRAIN, options->model, 0, self->context);
	mlops_validator_start(&self->validator, self->context);
	mlops_trainer_outlive(self->validator.trainer);
	mlops_progress_phase(self->progress, MLOPS_PHASE_SEARCHING, self->plan.num_trials);
	search(self);
	return refit(self);
}

/*
 * SQL: the procedure mlops.tune(); its results are the arguments behind resume.
 */
Datum
mlops_tune(PG_FUNCTION_ARGS)
{
	MemoryContext old = CurrentMemoryContext;
	Search	   *self;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};
	bool		commits = fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!castNode(CallContext, fcinfo->context)->atomic;
	MemoryContext context;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "mlops.tune() has another declaration");
	desc = BlessTupleDesc(desc);
	context = AllocSetContextCreate(commits ? PortalContext : CurrentMemoryContext,
									"mlops search", ALLOCSET_DEFAULT_SIZES);
	if (SPI_connect_ext(commits ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	MemoryContextSwitchTo(context);
	self = palloc0(sizeof(Search));
	self->context = context;
	self->commits = commits;
	PG_TRY();
	{
		int32		version = tune(fcinfo, self);

		MemoryContextSwitchTo(old);
		values[0] = Int64GetDatum(self->run);
		values[1] = mlops_modelref_make(self->training.options.model, version);
		values[2] = Int32GetDatum(self->num_trials);
		values[3] = Float8GetDatum(metric_value(self, &self->trials[self->best]));
	}
	PG_FINALLY();
	{
		unlock_search(self);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
	PG_END_TRY();
	SPI_finish();
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}
