/*-------------------------------------------------------------------------
 *
 * booster.c
 *	  Training, asking and saving a model.
 *
 * Every parameter goes to libxgboost as it came.  None is ever ignored: what
 * libxgboost says it does not use is refused before the first round, as is
 * what it would ignore in silence.  How many threads it may use at most is in
 * the environment, which OpenMP reads.
 *
 *-------------------------------------------------------------------------
 */
#include "booster.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "library.h"

/* how the validation matrix is called in lines of evaluation */
#define VALIDATION	"validation"

typedef struct Parameter
{
	char	   *name;
	char	   *value;
} Parameter;

/* a train command */
typedef struct Request
{
	uint32_t	rounds;
	uint32_t	patience;		/* early stopping rounds, or 0 */
	uint32_t	num_params;
	Parameter  *params;
} Request;

/* the state of early stopping */
typedef struct Stopping
{
	bool		maximize;
	bool		any;			/* has any round had a number? */
	double		best;
	uint32_t	best_round;
} Stopping;

static void
request_release(Request *request)
{
	for (uint32_t i = 0; request->params != NULL && i < request->num_params; i++)
	{
		free(request->params[i].name);
		free(request->params[i].value);
	}
	free(request->params);
}

/*
 * Take a string out of a command.  The memory is the caller's.
 */
static bool
read_string(MlopsWireCursor *cursor, char **to, Failure *failure)
{
	const char *string;
	uint32_t	length;

	if (!mlops_wire_get_string(cursor, &string, &length))
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "a parameter is malformed");
	*to = strndup(string, length);
	if (*to == NULL)
		return fail(failure, MLOPS_FAILURE_MEMORY, "out of memory for parameters");
	return true;
}

/*
 * Read a train command.  The request is to be released also if it fails.
 */
static bool
request_read(Request *request, const Command *command, Failure *failure)
{
	MlopsWireCursor cursor = {command->body, command->body + command->length};

	memset(request, 0, sizeof(*request));
	if (!mlops_wire_get(&cursor, &request->rounds, sizeof(request->rounds)) ||
		!mlops_wire_get(&cursor, &request->patience, sizeof(request->patience)) ||
		!mlops_wire_get(&cursor, &request->num_params, sizeof(request->num_params)))
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "the train command is cut short");
	if (request->rounds == 0 || request->rounds > INT32_MAX ||
		request->patience > INT32_MAX || request->num_params > MLOPS_MAX_PARAMS)
		return fail(failure, MLOPS_FAILURE_PROTOCOL,
					"cannot train %u rounds with %u parameters and stop %u after the best",
					request->rounds, request->num_params, request->patience);

	request->params = calloc((size_t) request->num_params + 1, sizeof(Parameter));
	if (request->params == NULL)
		return fail(failure, MLOPS_FAILURE_MEMORY, "out of memory for parameters");
	for (uint32_t i = 0; i < request->num_params; i++)
	{
		if (!read_string(&cursor, &request->params[i].name, failure) ||
			!read_string(&cursor, &request->params[i].value, failure))
			return false;
	}
	if (cursor.next != cursor.end)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "the train command has bytes left over");
	return true;
}

/*
 * The value of a parameter, or NULL.
 */
static const char *
find_param(const Request *request, const char *name)
{
	for (uint32_t i = 0; i < request->num_params; i++)
	{
		if (strcmp(request->params[i].name, name) == 0)
			return request->params[i].value;
	}
	return NULL;
}

/*
 * Refuse a parameter that stands there twice, as one of them would be ignored
 * (metrics are a list), and those by which libxgboost could be told not to
 * say what it ignores.
 */
static bool
check_names(const Request *request, Failure *failure)
{
	for (uint32_t i = 0; i < request->num_params; i++)
	{
		const char *name = request->params[i].name;

		if (strcmp(name, "eval_metric") != 0 &&
			find_param(request, name) != request->params[i].value)
			return fail(failure, MLOPS_FAILURE_REFUSED,
						"Parameter %.100s is given more than once", name);
		if (strcmp(name, "validate_parameters") == 0 || strcmp(name, "verbosity") == 0)
			return fail(failure, MLOPS_FAILURE_REFUSED,
						"Parameter %s cannot be changed", name);
	}
	return true;
}

/*
 * Refuse what libxgboost would do without a word, but not as meant.
 */
static bool
check_combination(const Request *request, const Data *data, Failure *failure)
{
	const char *kind = find_param(request, "booster");
	const char *updater = find_param(request, "updater");
	const char *method = find_param(request, "tree_method");

	if (kind == NULL)
		kind = "gbtree";

	/* these would read the categories' codes as quantities */
	if (data->categorical && strcmp(kind, "gblinear") == 0)
		return fail(failure, MLOPS_FAILURE_REFUSED,
					"booster gblinear does not support categorical features");
	if (data->categorical && updater != NULL && strstr(updater, "colmaker") != NULL)
		return fail(failure, MLOPS_FAILURE_REFUSED,
					"updater %.100s does not support categorical features", updater);
	if (method == NULL)
		method = "auto";		/* exact, in libxgboost before 2.0 */
	if (data->categorical && updater == NULL &&
		(strcmp(method, "exact") == 0 || strcmp(method, "auto") == 0))
		return fail(failure, MLOPS_FAILURE_REFUSED,
					"tree_method %s does not support categorical features: use hist or approx",
					method);

	if (request->patience > 0 && data->validation == NULL)
		return fail(failure, MLOPS_FAILURE_REFUSED, "early stopping needs validation rows");

	/*
	 * gblinear has no rounds to cut, and in dart each round changes the
	 * weights of the trees before it.  Since 3.3 gbtree does so, too, if it is
	 * given what only dart had.
	 */
	if (find_param(request, "rate_drop") != NULL || find_param(request, "one_drop") != NULL)
		kind = "dart";
	if (request->patience > 0 && strcmp(kind, "gbtree") != 0)
		return fail(failure, MLOPS_FAILURE_REFUSED,
					"early stopping needs booster gbtree: a model of %.100s cannot be cut to its best round",
					kind);
	return true;
}

/*
 * Set all parameters and let libxgboost check them.
 */
static bool
configure(BoosterHandle booster, const Request *request, const Data *data,
		  Failure *failure)
{
	bst_ulong	length;
	const char *config;

	if (!check_names(request, failure) || !check_combination(request, data, failure))
		return false;
	library_begin();
	if (XGBoosterSetParam(booster, "validate_parameters", "true") != 0 ||
		XGBoosterSetParam(booster, "verbosity", "1") != 0)
		return library_failed(failure);
	for (uint32_t i = 0; i < request->num_params; i++)
	{
		if (XGBoosterSetParam(booster, request->params[i].name, request->params[i].value) != 0)
			return library_failed(failure);
	}

	/* parameters are read at first use, and asking for them is one */
	if (XGBoosterSaveJsonConfig(booster, &length, &config) != 0)
		return library_failed(failure);
	return library_check_unused(failure);
}

/*
 * Is more of this metric better?  Ranking metrics have suffixes: ndcg@5-.
 */
static bool
is_maximized(const char *metric, size_t length)
{
	static const char *const maximized[] = {"auc", "aucpr", "map", "ndcg", "pre"};

	for (size_t i = 0; i < length; i++)
	{
		if (metric[i] == '@' || metric[i] == '-')
			length = i;
	}
	for (size_t i = 0; i < sizeof(maximized) / sizeof(maximized[0]); i++)
	{
		if (strlen(maximized[i]) == length && memcmp(maximized[i], metric, length) == 0)
			return true;
	}
	return false;
}

/*
 * Look at the last metric of a line like "[7]\ttrain-auc:0.9\tvalidation-auc:0.8".
 * A value that is not a number is no improvement.
 */
static bool
judge(Stopping *stopping, uint32_t round, const char *line, Failure *failure)
{
	static const char prefix[] = VALIDATION "-";
	const char *field = strrchr(line, '\t');
	const char *colon = strrchr(line, ':');
	double		value;

	if (field == NULL || colon == NULL || colon < field ||
		strncmp(field + 1, prefix, sizeof(prefix) - 1) != 0)
		return fail(failure, MLOPS_FAILURE_REFUSED, "early stopping needs an evaluation metric");
	field += sizeof(prefix);
	value = strtod(colon + 1, NULL);
	stopping->maximize = is_maximized(field, colon - field);
	if (!isnan(value) &&
		(!stopping->any ||
		 (stopping->maximize ? value > stopping->best : value < stopping->best)))
	{
		stopping->any = true;
		stopping->best = value;
		stopping->best_round = round;
	}
	return true;
}

/*
 * Boost, round by round, until all rounds are done or the last metric has
 * been no better for as many rounds as the request has patience.
 */
static bool
boost(Model *model, const Request *request, const Data *data, Failure *failure)
{
	DMatrixHandle matrices[] = {data->train, data->validation};
	const char *names[] = {"train", VALIDATION};
	/* quantised rows are many: to evaluate them takes memory and time */
	int			first = data->quantised ? 1 : 0;
	int			last = data->validation != NULL ? 1 : 0;
	Stopping	stopping = {0};
	BoosterHandle cut;

	for (uint32_t round = 0; round < request->rounds; round++)
	{
		const char *line = "";

		if (XGBoosterUpdateOneIter(model->booster, (int) round, data->train) != 0)
			return library_failed(failure);
		if (!library_check_unused(failure))
			return false;
		model->rounds = round + 1;
		model->best_round = round;

		if (first <= last &&
			XGBoosterEvalOneIter(model->booster, (int) round, matrices + first, names + first,
								 last - first + 1, &line) != 0)
			return library_failed(failure);
		wire_send_text(MLOPS_WIRE_PROGRESS, round, line);

		if (request->patience > 0)
		{
			if (!judge(&stopping, round, line, failure))
				return false;
			if (round - stopping.best_round >= request->patience)
				break;
		}
	}

	if (request->patience == 0)
		return true;
	if (!stopping.any)
		return fail(failure, MLOPS_FAILURE_REFUSED,
					"the metric for early stopping was not a number in any round");
	model->best_round = stopping.best_round;
	if (model->best_round + 1 < model->rounds)
	{
		if (XGBoosterSlice(model->booster, 0, (int) model->best_round + 1, 1, &cut) != 0)
			return library_failed(failure);
		XGBoosterFree(model->booster);
		model->booster = cut;
	}
	return true;
}

/*
 * Do what a train command says.  The model is to be released also if it
 * fails.
 */
bool
model_train(Model *model, const Data *data, const Command *command,
			Failure *failure)
{
	DMatrixHandle matrices[] = {data->train, data->validation};
	Request		request;
	bool		trained;

	memset(model, 0, sizeof(*model));
	trained = request_read(&request, command, failure);
	if (trained &&
		XGBoosterCreate(matrices, data->validation != NULL ? 2 : 1, &model->booster) != 0)
		trained = library_failed(failure);
	trained = trained &&
		configure(model->booster, &request, data, failure) &&
		boost(model, &request, data, failure);
	request_release(&request);
	if (!trained)
		return false;

	/* the model does not take these from the matrix */
	if (XGBoosterSetStrFeatureInfo(model->booster, "feature_name",
								   (const char **) data->names, data->num_features) != 0 ||
		XGBoosterSetStrFeatureInfo(model->booster, "feature_type",
								   data->types, data->num_features) != 0)
		return library_failed(failure);
	return true;
}

/*
 * Send the margins of rows that come with a command.  The rows become a matrix
 * of their own: for one that it was trained with, libxgboost has kept sums.
 */
bool
model_predict(const Model *model, const Data *data, const Command *command,
			  Failure *failure)
{
	size_t		width = (size_t) data->num_features * sizeof(float);
	size_t		num_rows = command->length / width;
	DMatrixHandle matrix;
	const bst_ulong *shape;
	bst_ulong	num_dims;
	bst_ulong	count = 1;
	const float *margins;
	bool		predicted;

	if (num_rows == 0 || num_rows > MLOPS_WIRE_MAX_ROWS || command->length != num_rows * width)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "%u bytes are not rows of %u features",
					command->length, data->num_features);
	if (XGDMatrixCreateFromMat((const float *) command->body, num_rows, data->num_features,
							   NAN, &matrix) != 0)
		return library_failed(failure);
	predicted = data_describe(data, matrix, failure);
	if (predicted &&
		XGBoosterPredictFromDMatrix(model->booster, matrix,
									"{\"type\":1,\"training\":false,\"iteration_begin\":0,"
									"\"iteration_end\":0,\"strict_shape\":true}",
									&shape, &num_dims, &margins) != 0)
		predicted = library_failed(failure);
	if (predicted)
	{
		for (bst_ulong i = 0; i < num_dims; i++)
			count *= shape[i];
		if (count > (bst_ulong) MLOPS_WIRE_MAX_MARGINS / sizeof(float))
			predicted = fail(failure, MLOPS_FAILURE_REFUSED, "the rows have %llu margins",
							 (unsigned long long) count);
		else
			wire_send(MLOPS_WIRE_MARGINS, margins, count * sizeof(float));
	}
	XGDMatrixFree(matrix);
	return predicted;
}

/*
 * Send the model as UBJSON.
 */
bool
model_send(const Model *model, Failure *failure)
{
	bst_ulong	length;
	const char *bytes;

	if (XGBoosterSaveModelToBuffer(model->booster, "{\"format\":\"ubj\"}", &length, &bytes) != 0)
		return library_failed(failure);
	if (length > MLOPS_WIRE_MAX_MODEL)
		return fail(failure, MLOPS_FAILURE_REFUSED,
					"the model has %llu bytes, more than the %d that a model may have",
					(unsigned long long) length, MLOPS_WIRE_MAX_MODEL);
	wire_send(MLOPS_WIRE_MODEL, bytes, length);
	return true;
}

/*
 * Free the model, if there is one.
 */
void
model_release(Model *model)
{
	if (model->booster != NULL)
		XGBoosterFree(model->booster);
	memset(model, 0, sizeof(*model));
}
