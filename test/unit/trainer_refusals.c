/*-------------------------------------------------------------------------
 *
 * trainer_refusals.c
 *	  What mlops-trainer refuses, in which words, and that it then goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "trainer_peer.h"

static const Sample sample = {.num_rows = 300,.num_features = 4,.seed = 1,.classes = 2};
static const Sample validation = {.num_rows = 100,.num_features = 4,.seed = 2,.classes = 2};

/*
 * Train, and receive the answer that comes after progress and warnings.
 */
static Reply
train(const Peer *peer, uint32_t patience, const char *const *params)
{
	Reply		reply;

	peer_send_train(peer, 3, patience, params);
	while (reply = peer_receive(peer),
		   reply.type == MLOPS_WIRE_PROGRESS || reply.type == MLOPS_WIRE_WARNING)
		free(reply.body);
	return reply;
}

/*
 * Is it a refusal in one line, without what only a developer wants to see?
 */
static bool
is_refusal(const Reply *reply)
{
	const char *text = reply_text(reply);

	return reply->type == MLOPS_WIRE_ERROR && reply_number(reply) == MLOPS_FAILURE_REFUSED &&
		text[0] != '\0' && strchr(text, '\n') == NULL && strstr(text, "Stack trace") == NULL &&
		strstr(text, ".cc:") == NULL && strstr(text, ".h:") == NULL && strstr(text, ".cu:") == NULL &&
		text[0] != '[' && strstr(text, "Check failed") == NULL;
}

/*
 * These parameters are refused with a text that has all of the words.
 */
static void
test_refused(const Peer *peer, const char *name, uint32_t patience,
			 const char *const *params, const char *word1, const char *word2)
{
	Reply		reply = train(peer, patience, params);

	if (!ok(is_refusal(&reply) && strstr(reply_text(&reply), word1) != NULL &&
			strstr(reply_text(&reply), word2) != NULL, "%s is refused", name))
		printf("# type %c\n", (char) reply.type);
	printf("# %s\n", reply_text(&reply));
	free(reply.body);
}

static void
test_params(const Peer *peer)
{
#define PARAMS(...) (const char *const[]) {__VA_ARGS__, NULL}

	test_refused(peer, "a misspelt parameter", 0,
				 PARAMS("tree_method", "hist", "max_dept", "3"), "\"max_dept\"", "not used");
	test_refused(peer, "each of two misspelt parameters", 0,
				 PARAMS("tree_method", "hist", "foo", "3", "bar", "1"), "\"foo\"", "\"bar\"");
	test_refused(peer, "a parameter of another booster", 0,
				 PARAMS("tree_method", "hist", "feature_selector", "greedy"), "\"feature_selector\"", "not used");
	test_refused(peer, "a parameter of another objective", 0,
				 PARAMS("tree_method", "hist", "tweedie_variance_power", "1.5"),
				 "\"tweedie_variance_power\"", "not used");
	test_refused(peer, "a parameter twice", 0,
				 PARAMS("eta", "0.1", "tree_method", "hist", "eta", "0.2"), "eta", "more than once");
	test_refused(peer, "silence", 0, PARAMS("verbosity", "0", "foo", "1"), "verbosity", "changed");
	test_refused(peer, "carelessness", 0,
				 PARAMS("validate_parameters", "false", "foo", "1"), "validate_parameters", "changed");
	test_refused(peer, "an unknown objective", 0, PARAMS("objective", "foo"), "Unknown objective", "foo");
	test_refused(peer, "an unknown metric", 0,
				 PARAMS("eval_metric", "foo", "tree_method", "hist"), "Unknown metric", "foo");
	test_refused(peer, "an unknown tree method", 0, PARAMS("tree_method", "foo"), "foo", "hist");
	test_refused(peer, "an unknown booster", 0, PARAMS("booster", "foo"), "Unknown gbm type", "foo");
	test_refused(peer, "a value that is not a number", 0,
				 PARAMS("max_depth", "abc", "tree_method", "hist"), "max_depth", "abc");
	test_refused(peer, "a value out of range", 0,
				 PARAMS("max_depth", "-1", "tree_method", "hist"), "max_depth", "-1");
	test_refused(peer, "a value that does not fit", 0,
				 PARAMS("max_depth", "99999999999", "tree_method", "hist"), "max_depth", "99999999999");
	test_refused(peer, "an impossible base score", 0,
				 PARAMS("objective", "binary:logistic", "base_score", "2", "tree_method", "hist"),
				 "base_score must be in (0,1)", "logistic");
	test_refused(peer, "labels beyond the classes", 0,
				 PARAMS("objective", "multi:softprob", "num_class", "1", "tree_method", "hist"),
				 "label must be", "num_class");
	test_refused(peer, "malformed constraints", 0,
				 PARAMS("interaction_constraints", "xx", "tree_method", "hist"),
				 "interaction constraint", "xx");
	test_refused(peer, "an empty name", 0, PARAMS("", "1", "tree_method", "hist"), "", "");
	test_refused(peer, "early stopping without validation rows", 5,
				 PARAMS("tree_method", "hist"), "early stopping", "validation");
}

static void
test_stopping(void)
{
	Peer		peer = peer_ready(0);
	Reply		reply = peer_load(&peer, &sample, &validation, NULL);

	free(reply.body);
	test_refused(&peer, "early stopping of dart", 5,
				 PARAMS("booster", "dart", "tree_method", "hist"), "early stopping", "dart");
	test_refused(&peer, "early stopping with dropped trees", 5,
				 PARAMS("rate_drop", "0.1", "tree_method", "hist"), "early stopping", "dart");
	test_refused(&peer, "early stopping of gblinear", 5,
				 PARAMS("booster", "gblinear"), "early stopping", "gblinear");
	test_refused(&peer, "early stopping without a metric", 5,
				 PARAMS("tree_method", "hist", "disable_default_eval_metric", "1"),
				 "early stopping", "metric");
	peer_end(&peer);
}

static void
test_categorical(void)
{
	Peer		peer = peer_ready(0);
	Reply		reply = peer_load(&peer, &sample, NULL, "cqqq");

	free(reply.body);
	test_refused(&peer, "categories with tree_method exact", 0,
				 PARAMS("tree_method", "exact"), "exact", "categorical");
	test_refused(&peer, "categories with tree_method auto", 0,
				 PARAMS("tree_method", "auto"), "auto", "categorical");
	test_refused(&peer, "categories with the default tree_method", 0,
				 PARAMS("objective", "reg:squarederror"), "auto", "categorical");
	test_refused(&peer, "categories with grow_colmaker", 0,
				 PARAMS("updater", "grow_colmaker,prune"), "colmaker", "categorical");
	test_refused(&peer, "categories with gblinear", 0,
				 PARAMS("booster", "gblinear"), "gblinear", "categorical");
	reply = train(&peer, 0, PARAMS("tree_method", "hist"));
	ok(reply.type == MLOPS_WIRE_TRAINED, "categories with tree_method hist are not");
	free(reply.body);
	peer_end(&peer);
}

/*
 * A matrix with one bad value.
 */
static Reply
load_with(const Peer *peer, uint32_t column, float value)
{
	static Buffer body;
	int			fd = make_file(&sample);
	off_t		place = (5 * (sample.num_features + 2) + column) * sizeof(float);

	if (pwrite(fd, &value, sizeof(value), place) != sizeof(value))
		bail_out("could not spoil a memory file");
	put_load(&body, &sample, NULL, NULL);
	peer_send(peer, MLOPS_WIRE_LOAD, &body, &fd, 1);
	close(fd);
	return peer_receive(peer);
}

static void
test_data(void)
{
	Peer		peer = peer_ready(0);
	Reply		reply = load_with(&peer, 1, INFINITY);

	ok(is_refusal(&reply) && strstr(reply_text(&reply), "inf") != NULL, "infinity in a feature is refused");
	printf("# %s\n", reply_text(&reply));
	free(reply.body);
	reply = load_with(&peer, 4, NAN);
	ok(is_refusal(&reply) && strstr(reply_text(&reply), "abel") != NULL, "a label that is not a number is refused");
	printf("# %s\n", reply_text(&reply));
	free(reply.body);
	reply = load_with(&peer, 5, -1);
	ok(is_refusal(&reply) && strstr(reply_text(&reply), "eight") != NULL, "a negative weight is refused");
	printf("# %s\n", reply_text(&reply));
	free(reply.body);
	reply = peer_load(&peer, &sample, NULL, NULL);
	ok(reply.type == MLOPS_WIRE_LOADED, "the trainer then takes good data");
	free(reply.body);
	reply = train(&peer, 0, PARAMS("tree_method", "hist"));
	ok(reply.type == MLOPS_WIRE_TRAINED, "and trains on them");
	free(reply.body);

	/* data that were refused must not leave the older ones in place */
	reply = load_with(&peer, 1, INFINITY);
	free(reply.body);
	peer_send_train(&peer, 3, 0, PARAMS("tree_method", "hist"));
	reply = peer_receive(&peer);
	ok(reply.type == MLOPS_WIRE_ERROR && reply_number(&reply) == MLOPS_FAILURE_PROTOCOL,
	   "after data were refused there are none");
	free(reply.body);
	ok(exited(peer_end(&peer), 1), "and training on none ends the trainer");
}

/*
 * A category that is no whole number, or less than none.
 */
static void
test_codes(void)
{
	Peer		peer = peer_ready(0);
	int			fd = make_file(&sample);
	float		value = -3;
	static Buffer body;
	Reply		reply;

	if (pwrite(fd, &value, sizeof(value), 0) != sizeof(value))
		bail_out("could not spoil a memory file");
	put_load(&body, &sample, NULL, "cqqq");
	peer_send(&peer, MLOPS_WIRE_LOAD, &body, &fd, 1);
	close(fd);
	reply = peer_receive(&peer);
	if (reply.type == MLOPS_WIRE_LOADED)
	{
		free(reply.body);
		reply = train(&peer, 0, PARAMS("tree_method", "hist"));
	}
	ok(is_refusal(&reply) && strstr(reply_text(&reply), "ategor") != NULL, "a negative category is refused");
	printf("# %s\n", reply_text(&reply));
	free(reply.body);
	peer_end(&peer);
}

int
main(void)
{
	Peer		peer;
	Reply		reply;

	alarm(10 * PATIENCE);
	peer = peer_ready(0);
	reply = peer_load(&peer, &sample, NULL, NULL);
	free(reply.body);
	test_params(&peer);
	reply = train(&peer, 0, PARAMS("tree_method", "hist", "objective", "binary:logistic"));
	ok(reply.type == MLOPS_WIRE_TRAINED, "after all these refusals the same trainer trains");
	free(reply.body);
	peer_send(&peer, MLOPS_WIRE_SAVE, NULL, NULL, 0);
	reply = peer_receive(&peer);
	ok(reply.type == MLOPS_WIRE_MODEL && reply.length > 0, "and has a model");
	free(reply.body);
	test_refused(&peer, "one more", 0, PARAMS("foo", "1"), "foo", "");
	peer_send(&peer, MLOPS_WIRE_SAVE, NULL, NULL, 0);
	reply = peer_receive(&peer);
	ok(reply.type == MLOPS_WIRE_ERROR && reply_number(&reply) == MLOPS_FAILURE_PROTOCOL,
	   "a refused training leaves no older model behind");
	free(reply.body);
	ok(exited(peer_end(&peer), 1), "and saving none ends the trainer");

	test_stopping();
	test_categorical();
	test_data();
	test_codes();
	return done_testing();
}
