/*-------------------------------------------------------------------------
 *
 * trainer_train.c
 *	  mlops-trainer trains what libxgboost trains: each model is compared, byte
 *	  by byte, with one that this program makes with the same library from
 *	  a matrix without gaps; and so are the margins that it gives to rows.
 *
 *-------------------------------------------------------------------------
 */
/* link: -lxgboost -lm */
#include "trainer_peer.h"

#include <xgboost/c_api.h>

#define CHECK_XGB(call) \
	do { if ((call) != 0) bail_out("%s: %s", #call, XGBGetLastError()); } while (0)

/* the answer to train, and what came before it */
typedef struct Training
{
	uint32_t	type;
	uint32_t	rounds;			/* or the kind of error */
	uint32_t	best;			/* round */
	char		error[1000];
	int			num_progress;	/* progress messages, whose rounds were 0, 1, ... */
	bool		in_order;
	double		values[1000];	/* the last metric of each */
	char		last_line[1000];
	int			num_warnings;
} Training;

static Training
receive_training(const Peer *peer)
{
	Training	training = {.in_order = true};

	for (;;)
	{
		Reply		reply = peer_receive(peer);

		if (reply.type == MLOPS_WIRE_PROGRESS && training.num_progress < 1000)
		{
			const char *colon = strrchr(reply_text(&reply), ':');

			training.in_order &= reply_number(&reply) == (uint32_t) training.num_progress;
			training.values[training.num_progress++] = colon != NULL ? atof(colon + 1) : NAN;
			snprintf(training.last_line, sizeof(training.last_line), "%s", reply_text(&reply));
		}
		else if (reply.type == MLOPS_WIRE_WARNING)
			training.num_warnings++;
		else
		{
			training.type = reply.type;
			training.rounds = reply_number(&reply);
			if (reply.type == MLOPS_WIRE_TRAINED && reply.length == 2 * sizeof(uint32_t))
				memcpy(&training.best, reply.body + sizeof(uint32_t), sizeof(uint32_t));
			if (reply.type == MLOPS_WIRE_ERROR)
				snprintf(training.error, sizeof(training.error), "%s", reply_text(&reply));
			free(reply.body);
			return training;
		}
		free(reply.body);
	}
}

/*
 * A matrix of the sample without gaps between features and label.
 */
static DMatrixHandle
make_matrix(const Sample *sample, const char *kinds)
{
	uint32_t	width = sample->num_features;
	float	   *features = malloc(sizeof(float) * width * sample->num_rows);
	float	   *labels = malloc(sizeof(float) * sample->num_rows);
	float	   *weights = malloc(sizeof(float) * sample->num_rows);
	float	   *row = malloc(sizeof(float) * (width + 2));
	const char **types = malloc(sizeof(char *) * width);
	uint32_t	state = sample->seed;
	DMatrixHandle matrix;

	for (uint64_t i = 0; i < sample->num_rows; i++)
	{
		fill_row(sample, &state, row);
		memcpy(features + i * width, row, sizeof(float) * width);
		labels[i] = row[width];
		weights[i] = row[width + 1];
	}
	for (uint32_t i = 0; i < width; i++)
		types[i] = kinds != NULL && kinds[i] == 'c' ? "c" : "q";
	CHECK_XGB(XGDMatrixCreateFromMat(features, sample->num_rows, width, NAN, &matrix));
	CHECK_XGB(XGDMatrixSetFloatInfo(matrix, "label", labels, sample->num_rows));
	if (sample->weighted)
		CHECK_XGB(XGDMatrixSetFloatInfo(matrix, "weight", weights, sample->num_rows));
	CHECK_XGB(XGDMatrixSetStrFeatureInfo(matrix, "feature_type", types, width));
	free(features);
	free(labels);
	free(weights);
	free(row);
	free(types);
	return matrix;
}

/*
 * The model's bytes that the library gives here.  To be freed.
 */
static char *
train_here(const Sample *sample, const char *kinds, uint32_t rounds,
		   const char *const *params, size_t *length)
{
	uint32_t	width = sample->num_features;
	DMatrixHandle matrix = make_matrix(sample, kinds);
	BoosterHandle booster;
	char	  **names = malloc(sizeof(char *) * width);
	const char **types = malloc(sizeof(char *) * width);
	bst_ulong	size;
	const char *bytes;
	char	   *copy;

	CHECK_XGB(XGBoosterCreate(&matrix, 1, &booster));
	/* as many as peer_start gives; some results depend on it */
	CHECK_XGB(XGBoosterSetParam(booster, "nthread", "1"));
	for (int i = 0; params[i] != NULL; i += 2)
		CHECK_XGB(XGBoosterSetParam(booster, params[i], params[i + 1]));
	for (uint32_t round = 0; round < rounds; round++)
		CHECK_XGB(XGBoosterUpdateOneIter(booster, round, matrix));
	for (uint32_t i = 0; i < width; i++)
	{
		names[i] = malloc(32);
		snprintf(names[i], 32, "feature \"%u\"", i);
		types[i] = kinds != NULL && kinds[i] == 'c' ? "c" : "q";
	}
	CHECK_XGB(XGBoosterSetStrFeatureInfo(booster, "feature_name", (const char **) names, width));
	CHECK_XGB(XGBoosterSetStrFeatureInfo(booster, "feature_type", types, width));
	CHECK_XGB(XGBoosterSaveModelToBuffer(booster, "{\"format\":\"ubj\"}", &size, &bytes));
	copy = malloc(size);
	memcpy(copy, bytes, size);
	*length = size;
	CHECK_XGB(XGBoosterFree(booster));
	CHECK_XGB(XGDMatrixFree(matrix));
	for (uint32_t i = 0; i < width; i++)
		free(names[i]);
	free(names);
	free(types);
	return copy;
}

/*
 * Is the model that the trainer has the one that the library makes here?
 */
static bool
same_model(const Peer *peer, const Sample *sample, const char *kinds, uint32_t rounds,
		   const char *const *params)
{
	size_t		length;
	char	   *expected = train_here(sample, kinds, rounds, params, &length);
	Reply		reply;
	bool		same;

	peer_send(peer, MLOPS_WIRE_SAVE, NULL, NULL, 0);
	reply = peer_receive(peer);
	same = reply.type == MLOPS_WIRE_MODEL && reply.length == length &&
		memcmp(reply.body, expected, length) == 0;
	free(reply.body);
	free(expected);
	return same;
}

/*
 * Are the margins that the trainer gives to these rows, bit for bit, those that
 * the library gives here with the trainer's model?
 */
static bool
same_margins(const Peer *peer, const Sample *sample, const char *kinds, uint32_t num_rows)
{
	static Buffer body;
	uint32_t	width = sample->num_features;
	const char **types = malloc(sizeof(char *) * width);
	float	   *row = malloc(sizeof(float) * (width + 2));
	uint32_t	state = 99;
	Reply		model;
	Reply		reply;
	BoosterHandle booster;
	DMatrixHandle matrix;
	const bst_ulong *shape;
	bst_ulong	num_dims;
	bst_ulong	count = 1;
	const float *margins;
	bool		same;

	body.length = 0;
	for (uint32_t i = 0; i < num_rows; i++)
	{
		fill_row(sample, &state, row);
		if (i == 0)
			row[0] = NAN;
		put(&body, row, sizeof(float) * width);
	}
	peer_send(peer, MLOPS_WIRE_PREDICT, &body, NULL, 0);
	reply = peer_receive(peer);
	peer_send(peer, MLOPS_WIRE_SAVE, NULL, NULL, 0);
	model = peer_receive(peer);
	if (model.type != MLOPS_WIRE_MODEL)
		bail_out("the trainer does not save");

	for (uint32_t i = 0; i < width; i++)
		types[i] = kinds != NULL && kinds[i] == 'c' ? "c" : "q";
	CHECK_XGB(XGBoosterCreate(NULL, 0, &booster));
	CHECK_XGB(XGBoosterLoadModelFromBuffer(booster, model.body, model.length));
	CHECK_XGB(XGBoosterSetParam(booster, "nthread", "1"));
	CHECK_XGB(XGDMatrixCreateFromMat((const float *) body.bytes, num_rows, width, NAN, &matrix));
	CHECK_XGB(XGDMatrixSetStrFeatureInfo(matrix, "feature_type", types, width));
	for (uint32_t i = 0; i < width; i++)
	{
		char	   *name = malloc(32);

		snprintf(name, 32, "feature \"%u\"", i);
		types[i] = name;
	}
	CHECK_XGB(XGDMatrixSetStrFeatureInfo(matrix, "feature_name", types, width));
	CHECK_XGB(XGBoosterPredictFromDMatrix(booster, matrix,
										  "{\"type\":1,\"training\":false,\"iteration_begin\":0,"
										  "\"iteration_end\":0,\"strict_shape\":true}",
										  &shape, &num_dims, &margins));
	for (bst_ulong i = 0; i < num_dims; i++)
		count *= shape[i];
	same = reply.type == MLOPS_WIRE_MARGINS && reply.length == count * sizeof(float) &&
		memcmp(reply.body, margins, reply.length) == 0;
	CHECK_XGB(XGDMatrixFree(matrix));
	CHECK_XGB(XGBoosterFree(booster));
	for (uint32_t i = 0; i < width; i++)
		free((char *) types[i]);
	free(types);
	free(row);
	free(reply.body);
	free(model.body);
	return same;
}

/*
 * How many splits by categories are in a model: the sizes of the arrays of
 * their nodes, "categories_nodes" [$l#L and eight bytes, most significant first.
 */
static uint64_t
count_categorical(const char *bytes, size_t length)
{
	static const char key[] = "categories_nodes[$l#L";
	const char *end = bytes + length;
	const char *at = bytes;
	uint64_t	count = 0;

	while ((at = memmem(at, end - at, key, sizeof(key) - 1)) != NULL)
	{
		uint64_t	size = 0;

		at += sizeof(key) - 1;
		for (int i = 0; i < 8 && at < end; i++)
			size = size << 8 | (unsigned char) *at++;
		count += size;
	}
	return count;
}

/*
 * One trainer, one training without validation.
 */
static void
test_model(const char *name, const Sample *sample, const char *kinds,
		   const char *const *params)
{
	Peer		peer = peer_ready(0);
	Reply		loaded = peer_load(&peer, sample, NULL, kinds);
	Training	training;

	ok(loaded.type == MLOPS_WIRE_LOADED, "%s: load", name);
	free(loaded.body);
	peer_send_train(&peer, 12, 0, params);
	training = receive_training(&peer);
	ok(training.type == MLOPS_WIRE_TRAINED && training.rounds == 12 &&
	   training.best == 11, "%s: train", name);
	ok(training.num_progress == 12 && training.in_order &&
	   strncmp(training.last_line, "[11]\ttrain-", strlen("[11]\ttrain-")) == 0 &&
	   strstr(training.last_line, "validation") == NULL,
	   "%s: progress of each round, of the training rows alone", name);
	ok(same_model(&peer, sample, kinds, 12, params), "%s: the library's own model", name);
	ok(same_margins(&peer, sample, kinds, 32) && same_margins(&peer, sample, kinds, MLOPS_WIRE_MAX_ROWS) &&
	   same_margins(&peer, sample, kinds, 1),
	   "%s: the library's own margins, one row or many", name);
	peer_send(&peer, MLOPS_WIRE_QUIT, NULL, NULL, 0);
	ok(exited(peer_end(&peer), 0), "%s: quit", name);
}

static void
test_models(void)
{
	Sample		binary = {.num_rows = 700,.num_features = 6,.seed = 1,.classes = 2};
	Sample		weighted = {.num_rows = 700,.num_features = 6,.seed = 1,.classes = 2,.weighted = true};
	Sample		multiclass = {.num_rows = 900,.num_features = 4,.seed = 2,.classes = 3};
	Sample		regression = {.num_rows = 500,.num_features = 5,.seed = 3};
	Sample		wide = {.num_rows = 50,.num_features = 1600,.seed = 4};
	Sample		one_row = {.num_rows = 1,.num_features = 1,.seed = 5};

	test_model("binary", &binary, NULL, (const char *const[])
			   {"objective", "binary:logistic", "tree_method", "hist", "seed", "7", NULL});
	test_model("binary, sampled", &binary, NULL, (const char *const[])
			   {"objective", "binary:logistic", "tree_method", "hist", "seed", "7",
				"subsample", "0.5", "colsample_bytree", "0.5", NULL});
	test_model("weighted", &weighted, NULL, (const char *const[])
			   {"objective", "binary:logistic", "tree_method", "hist", NULL});
	test_model("multiclass", &multiclass, NULL, (const char *const[])
			   {"objective", "multi:softprob", "num_class", "3", "tree_method", "hist", NULL});
	test_model("regression", &regression, NULL, (const char *const[])
			   {"objective", "reg:squarederror", "tree_method", "exact", "eta", "0.1", NULL});
	test_model("categorical", &binary, "cqqqqq", (const char *const[])
			   {"objective", "binary:logistic", "tree_method", "hist", NULL});
	test_model("categorical, approx", &binary, "cqqqqq", (const char *const[])
			   {"objective", "binary:logistic", "tree_method", "approx", NULL});
	test_model("dart", &binary, NULL, (const char *const[])
			   {"booster", "dart", "rate_drop", "0.3", "objective", "binary:logistic", "tree_method", "hist", NULL});
	test_model("gblinear", &regression, NULL, (const char *const[])
			   {"booster", "gblinear", "objective", "reg:squarederror", NULL});
	test_model("aliases of parameters", &regression, NULL, (const char *const[])
			   {"learning_rate", "0.1", "reg_lambda", "2", "reg_alpha", "1", "min_split_loss", "0.1",
				"random_state", "3", "tree_method", "hist", NULL});
	test_model("1600 features", &wide, NULL, (const char *const[])
			   {"objective", "reg:squarederror", "tree_method", "hist", NULL});
	test_model("one row", &one_row, NULL, (const char *const[])
			   {"objective", "reg:squarederror", "tree_method", "hist", NULL});
}

/*
 * Categories must be split as categories, and names be in the model.
 */
static void
test_contents(void)
{
	static const char name[] = "feature \"1\"";
	Sample		sample = {.num_rows = 700,.num_features = 2,.seed = 1,.classes = 2};
	static const char *const params[] = {"objective", "binary:logistic", "tree_method", "hist",
	"max_cat_to_onehot", "1", NULL};
	Peer		peer = peer_ready(0);
	Reply		reply = peer_load(&peer, &sample, NULL, "cq");
	Training	training;

	free(reply.body);
	peer_send_train(&peer, 3, 0, params);
	training = receive_training(&peer);
	peer_send(&peer, MLOPS_WIRE_SAVE, NULL, NULL, 0);
	reply = peer_receive(&peer);
	ok(training.type == MLOPS_WIRE_TRAINED && reply.length > 0 && reply.body[0] == '{' &&
	   memmem(reply.body, reply.length, name, sizeof(name) - 1) != NULL,
	   "the model is UBJSON and has the features' names");
	ok(count_categorical(reply.body, reply.length) > 0, "the model has splits by categories");
	free(reply.body);
	peer_end(&peer);
}

/*
 * Stop early, and compare with what the lines of evaluation say.
 */
static void
test_early_stopping(const char *name, const Sample *train, const Sample *validation,
					const char *const *params, uint32_t patience, bool maximize)
{
	Peer		peer = peer_ready(0);
	Reply		loaded = peer_load(&peer, train, validation, NULL);
	Training	training;
	int			best = 0;
	int			expected = -1;

	free(loaded.body);
	peer_send_train(&peer, 300, patience, params);
	training = receive_training(&peer);
	for (int i = 0; i < training.num_progress; i++)
	{
		if (maximize ? training.values[i] > training.values[best] : training.values[i] < training.values[best])
			best = i;
		if (i - best == (int) patience && expected < 0)
			expected = i + 1;
	}
	ok(training.type == MLOPS_WIRE_TRAINED && training.num_progress == expected &&
	   training.rounds == (uint32_t) expected,
	   "%s: stops %u rounds after the best", name, patience);
	ok(training.best == (uint32_t) best, "%s: says which was best", name);
	ok(strstr(training.last_line, "\tvalidation-") != NULL &&
	   strstr(training.last_line, "\ttrain-") != NULL,
	   "%s: lines of evaluation have both matrices", name);
	ok(same_model(&peer, train, NULL, best + 1, params), "%s: the model ends with the best round", name);
	peer_end(&peer);
}

static void
test_stopping(void)
{
	Sample		train = {.num_rows = 600,.num_features = 6,.seed = 1,.classes = 2};
	Sample		validation = {.num_rows = 300,.num_features = 6,.seed = 2,.classes = 2};
	Sample		classes = {.num_rows = 600,.num_features = 6,.seed = 1,.classes = 3};
	Sample		classes_too = {.num_rows = 300,.num_features = 6,.seed = 2,.classes = 3};
	Sample		one_class = {.num_rows = 300,.num_features = 6,.seed = 2,.classes = 1};

	test_early_stopping("default metric", &train, &validation, (const char *const[])
						{"objective", "binary:logistic", "tree_method", "hist", NULL}, 5, false);
	test_early_stopping("auc", &train, &validation, (const char *const[])
						{"objective", "binary:logistic", "tree_method", "hist", "eval_metric", "logloss",
						 "eval_metric", "auc", NULL}, 7, true);
	test_early_stopping("the last metric counts", &train, &validation, (const char *const[])
						{"objective", "binary:logistic", "tree_method", "hist", "eval_metric", "auc",
						 "eval_metric", "error@0.4", NULL}, 3, false);
	test_early_stopping("ndcg@20-", &train, &validation, (const char *const[])
						{"objective", "binary:logistic", "tree_method", "hist", "eval_metric", "ndcg@20-",
						 "max_depth", "2", NULL}, 4, true);
	test_early_stopping("multiclass", &classes, &classes_too, (const char *const[])
						{"objective", "multi:softprob", "num_class", "3", "tree_method", "hist", NULL}, 1, false);

	/* patience is not exhausted: all rounds, still cut to the best */
	{
		static const char *const params[] = {"objective", "binary:logistic", "tree_method", "hist", NULL};
		Peer		peer = peer_ready(0);
		Reply		reply = peer_load(&peer, &train, &validation, NULL);
		Training	training;

		free(reply.body);
		peer_send_train(&peer, 40, 1000, params);
		training = receive_training(&peer);
		ok(training.rounds == 40 && training.best < 39,
		   "the best round counts when patience outlasts the rounds");
		ok(same_model(&peer, &train, NULL, training.best + 1, params),
		   "and the model is cut to it");

		/* without early stopping nothing is cut */
		peer_send_train(&peer, 40, 0, params);
		training = receive_training(&peer);
		ok(training.rounds == 40 && training.best == 39 &&
		   training.num_progress == 40, "without early stopping all rounds are kept");
		ok(same_model(&peer, &train, NULL, 40, params), "and are in the model");
		peer_end(&peer);
	}

	/* a metric that is not a number */
	{
		static const char *const params[] = {"objective", "binary:logistic", "tree_method", "hist",
		"eval_metric", "auc", NULL};
		Peer		peer = peer_ready(0);
		Reply		reply = peer_load(&peer, &train, &one_class, NULL);
		Training	training;

		free(reply.body);
		peer_send_train(&peer, 40, 3, params);
		training = receive_training(&peer);
		ok(training.type == MLOPS_WIRE_ERROR &&
		   training.rounds == MLOPS_FAILURE_REFUSED,
		   "a metric that is not a number in any round is an error");
		printf("# %s\n", training.error);
		peer_end(&peer);
	}
}

int
main(void)
{
	alarm(10 * PATIENCE);
	test_models();
	test_contents();
	test_stopping();
	return done_testing();
}
