/*-------------------------------------------------------------------------
 *
 * trainer_folds.c
 *	  Training with folds of rows that stay in mlops-trainer gives, byte by
 *	  byte, the models that come of loading these rows alone.
 *
 *-------------------------------------------------------------------------
 */
#include "trainer_peer.h"

#define NUM_ROWS	3000
#define NUM_FOLDS	4

static const Sample sample = {.num_rows = NUM_ROWS,.num_features = 6,.seed = 7,.classes = 2,.weighted = true};
static const char *const params[] = {
	"objective", "binary:logistic", "tree_method", "hist", "nthread", "1", "max_depth", "4",
	"subsample", "0.7", "seed", "3", NULL
};
static const size_t width = 8;	/* floats of a row */

/* the sample's rows, and the fold of each */
static float rows[NUM_ROWS * 8];
static uint8_t folds[NUM_ROWS];

static int
memory_file(const void *bytes, size_t size)
{
	int			fd = memfd_create("test", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t) size)
		bail_out("could not write a memory file: %s", strerror(errno));
	return fd;
}

static void
put_features(Buffer *body)
{
	for (uint32_t i = 0; i < sample.num_features; i++)
	{
		char		name[32];

		snprintf(name, sizeof(name), "feature \"%u\"", i);
		put(body, i == 0 ? "c" : "q", 1);
		put_string(body, name);
	}
}

/*
 * Send a command and two descriptors, which are closed; the type of the answer
 * and, if it is an error, its kind.
 */
static uint32_t
command(const Peer *peer, uint32_t type, const Buffer *body, int *fds, int num_fds, uint32_t *kind)
{
	Reply		reply;
	uint32_t	answer;

	peer_send(peer, type, body, fds, num_fds);
	for (int i = 0; i < num_fds; i++)
		close(fds[i]);
	reply = peer_receive(peer);
	answer = reply.type;
	*kind = answer == MLOPS_WIRE_ERROR ? reply_number(&reply) : 0;
	free(reply.body);
	return answer;
}

static uint32_t
keep(const Peer *peer, uint64_t num_rows, uint64_t num_folds, uint32_t *kind)
{
	static Buffer body;
	int			fds[] = {memory_file(rows, sizeof(rows)), memory_file(folds, num_folds)};

	body.length = 0;
	put_u32(&body, sample.num_features);
	put_u64(&body, num_rows);
	put_features(&body);
	return command(peer, MLOPS_WIRE_KEEP, &body, fds, 2, kind);
}

static uint32_t
choose(const Peer *peer, uint32_t slot, uint32_t fold, uint32_t past, uint32_t *kind)
{
	static Buffer body;

	body.length = 0;
	put_u32(&body, slot);
	put_u32(&body, fold);
	put_u32(&body, past);
	return command(peer, MLOPS_WIRE_FOLD, &body, NULL, 0, kind);
}

/*
 * Train with early stopping if there is a validation matrix; the model's bytes
 * behind the answer.
 */
static Reply
train(const Peer *peer, bool validated)
{
	Reply		reply;

	peer_send_train(peer, 20, validated ? 5 : 0, params);
	while ((reply = peer_receive(peer)).type == MLOPS_WIRE_PROGRESS)
		free(reply.body);
	if (reply.type != MLOPS_WIRE_TRAINED)
		bail_out("could not train: %s", reply_text(&reply));
	free(reply.body);
	peer_send(peer, MLOPS_WIRE_SAVE, NULL, NULL, 0);
	return peer_receive(peer);
}

/*
 * The model of a trainer that is given the rows of a choice as files.
 */
static Reply
train_apart(const Peer *peer, uint32_t fold, bool past)
{
	static float parts[2][NUM_ROWS * 8];
	static Buffer body;
	size_t		counts[2] = {0, 0};
	int			fds[2];
	uint32_t	kind;

	for (size_t i = 0; i < NUM_ROWS; i++)
	{
		int			part = folds[i] == fold ? 1 : past && folds[i] > fold ? -1 : 0;

		if (part >= 0)
			memcpy(parts[part] + width * counts[part]++, rows + width * i, width * sizeof(float));
	}
	body.length = 0;
	put_u32(&body, sample.num_features);
	put_u64(&body, counts[0]);
	put_u64(&body, counts[1]);
	put_features(&body);
	for (int part = 0; part < 2; part++)
		fds[part] = memory_file(parts[part], counts[part] * width * sizeof(float));
	if (counts[1] == 0)
		close(fds[1]);
	if (command(peer, MLOPS_WIRE_LOAD, &body, fds, counts[1] > 0 ? 2 : 1, &kind) != MLOPS_WIRE_LOADED)
		bail_out("could not load");
	return train(peer, counts[1] > 0);
}

static void
test_choice(const Peer *peer, uint32_t slot, uint32_t fold, bool past, const char *name)
{
	Peer		other = peer_ready(0);
	Reply		expected = train_apart(&other, fold, past);
	Reply		model;
	uint32_t	kind;

	if (!ok(choose(peer, slot, fold, past, &kind) == MLOPS_WIRE_LOADED, "%s: chosen", name))
		return;
	model = train(peer, fold != MLOPS_NO_FOLD);
	ok(model.type == MLOPS_WIRE_MODEL && model.length == expected.length &&
	   memcmp(model.body, expected.body, model.length) == 0, "%s: the same model", name);
	free(model.body);
	free(expected.body);
	peer_end(&other);
}

/*
 * A trainer that gets this is to say that it is malformed, and to end.
 */
static void
test_malformed(uint32_t slot, uint32_t fold, uint32_t past, const char *name)
{
	Peer		peer = peer_ready(0);
	uint32_t	kind;

	keep(&peer, NUM_ROWS, NUM_ROWS, &kind);
	ok(choose(&peer, slot, fold, past, &kind) == MLOPS_WIRE_ERROR && kind == MLOPS_FAILURE_PROTOCOL &&
	   exited(peer_end(&peer), 1), "%s", name);
}

int
main(void)
{
	uint32_t	state = sample.seed;
	uint32_t	kind;
	Peer		peer;

	for (size_t i = 0; i < NUM_ROWS; i++)
	{
		fill_row(&sample, &state, rows + width * i);
		folds[i] = next_random(&state) % NUM_FOLDS;
	}

	peer = peer_ready(0);
	ok(keep(&peer, NUM_ROWS, NUM_ROWS, &kind) == MLOPS_WIRE_LOADED, "rows are kept");
	test_choice(&peer, 0, 0, false, "all but the first fold");
	test_choice(&peer, 0, 3, false, "all but the last fold, in the same slot");
	test_choice(&peer, 1, 2, true, "the folds before one");
	test_choice(&peer, 0, 3, false, "the same choice again");
	test_choice(&peer, 1, 2, false, "the same fold, otherwise");
	test_choice(&peer, 0, MLOPS_NO_FOLD, false, "all rows");
	ok(choose(&peer, 0, 0, 1, &kind) == MLOPS_WIRE_ERROR && kind == MLOPS_FAILURE_REFUSED,
	   "nothing before the first fold");
	ok(choose(&peer, 0, NUM_FOLDS, 0, &kind) == MLOPS_WIRE_ERROR && kind == MLOPS_FAILURE_REFUSED,
	   "a fold without rows");
	test_choice(&peer, 0, 1, false, "after refusals");
	ok(exited(peer_end(&peer), 0), "it ends");

	test_malformed(MLOPS_MAX_FOLDS + 1, 0, 0, "a slot that there is not");
	test_malformed(0, MLOPS_MAX_FOLDS + 1, 0, "a fold that there cannot be");
	test_malformed(0, 0, 2, "a third way to choose");
	test_malformed(0, MLOPS_NO_FOLD, 1, "all rows before nothing");

	peer = peer_ready(0);
	ok(choose(&peer, 0, 0, 0, &kind) == MLOPS_WIRE_ERROR && kind == MLOPS_FAILURE_PROTOCOL &&
	   exited(peer_end(&peer), 1), "a fold of nothing");
	peer = peer_ready(0);
	ok(keep(&peer, NUM_ROWS, NUM_ROWS - 1, &kind) == MLOPS_WIRE_ERROR && kind == MLOPS_FAILURE_PROTOCOL &&
	   exited(peer_end(&peer), 1), "a row without a fold");
	peer = peer_ready(0);
	ok(keep(&peer, NUM_ROWS - 1, NUM_ROWS, &kind) == MLOPS_WIRE_ERROR && kind == MLOPS_FAILURE_PROTOCOL &&
	   exited(peer_end(&peer), 1), "a row too many");
	return done_testing();
}
