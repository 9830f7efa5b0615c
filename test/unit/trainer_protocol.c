/*-------------------------------------------------------------------------
 *
 * trainer_protocol.c
 *	  What mlops-trainer does with messages that are malformed, out of place or
 *	  cut short: it says so and ends, or just ends if nobody is left to hear it.
 *
 *-------------------------------------------------------------------------
 */
#include "trainer_peer.h"

static const Sample sample = {.num_rows = 100,.num_features = 3,.seed = 1,.classes = 2};
static const Sample validation = {.num_rows = 50,.num_features = 3,.seed = 2,.classes = 2};

static Buffer body;

/*
 * The trainer's next message must be a failure of this kind, its last one,
 * and its status then 1.
 */
static void
expect_failure(Peer *peer, MlopsWireFailure kind, const char *name)
{
	Reply		reply;
	Reply		end;
	bool		good;
	int			status;

	/* one that is content would wait for the next command */
	shutdown(peer->socket, SHUT_WR);
	reply = peer_receive(peer);
	end = peer_receive(peer);
	good = reply.type == MLOPS_WIRE_ERROR && reply_number(&reply) == kind && end.type == 0;
	status = peer_end(peer);
	if (!ok(good && exited(status, 1), "%s", name))
		printf("# type %u, kind %u, then %u, status %d\n",
			   reply.type, reply_number(&reply), end.type, status);
	if (reply.type == MLOPS_WIRE_ERROR)
		printf("# %s\n", reply_text(&reply));
	free(reply.body);
	free(end.body);
}

/*
 * Send what is in the body as a message of this type to a trainer that is
 * just greeted.
 */
static void
test_message(const char *name, uint32_t type, const int *fds, int num_fds)
{
	Peer		peer = peer_ready(0);

	peer_send(&peer, type, &body, fds, num_fds);
	expect_failure(&peer, MLOPS_FAILURE_PROTOCOL, name);
}

/*
 * Send only a header.
 */
static void
test_header(const char *name, uint32_t type, uint32_t length)
{
	Peer		peer = peer_ready(0);
	MlopsWireHeader header = {.length = length,.type = type};

	peer_send_raw(&peer, &header, sizeof(header), NULL, 0);
	expect_failure(&peer, MLOPS_FAILURE_PROTOCOL, name);
}

static void
test_greeting(void)
{
	Peer		peer = peer_start(0);
	Reply		reply = peer_hello(&peer, MLOPS_PROTOCOL_VERSION);
	uint32_t	greeting[4] = {0};

	if (reply.length == sizeof(greeting))
		memcpy(greeting, reply.body, sizeof(greeting));
	ok(reply.type == MLOPS_WIRE_GREETING && greeting[0] == MLOPS_PROTOCOL_VERSION && greeting[1] >= 1,
	   "it greets with its versions");
	printf("# libxgboost %u.%u.%u\n", greeting[1], greeting[2], greeting[3]);
	free(reply.body);
	ok(exited(peer_end(&peer), 0), "the end of the socket ends it, status 0");

	peer = peer_start(0);
	reply = peer_hello(&peer, MLOPS_PROTOCOL_VERSION + 1);
	memset(greeting, 0, sizeof(greeting));
	if (reply.length == sizeof(greeting))
		memcpy(greeting, reply.body, sizeof(greeting));
	ok(reply.type == MLOPS_WIRE_GREETING && greeting[0] == MLOPS_PROTOCOL_VERSION,
	   "to another version it says its own");
	free(reply.body);
	reply = peer_receive(&peer);
	ok(reply.type == 0, "and no more");
	ok(exited(peer_end(&peer), 1), "and ends");

	peer = peer_start(0);
	peer_send(&peer, MLOPS_WIRE_QUIT, NULL, NULL, 0);
	expect_failure(&peer, MLOPS_FAILURE_PROTOCOL, "a command before hello");

	body.length = 0;
	peer = peer_start(0);
	peer_send(&peer, MLOPS_WIRE_HELLO, &body, NULL, 0);
	expect_failure(&peer, MLOPS_FAILURE_PROTOCOL, "an empty hello");
}

static void
test_order(void)
{
	static const char *const params[] = {"tree_method", "hist", NULL};

	body.length = 0;
	put_u32(&body, MLOPS_PROTOCOL_VERSION);
	test_message("hello twice", MLOPS_WIRE_HELLO, NULL, 0);
	put_train(&body, 1, 0, params);
	test_message("train before load", MLOPS_WIRE_TRAIN, NULL, 0);
	body.length = 0;
	test_message("save before train", MLOPS_WIRE_SAVE, NULL, 0);
	put_u32(&body, 0);
	test_message("predict before train", MLOPS_WIRE_PREDICT, NULL, 0);
	body.length = 0;
	test_message("an unknown command", 'X', NULL, 0);
	test_message("a reply as a command", MLOPS_WIRE_MODEL, NULL, 0);
	test_message("type 0", 0, NULL, 0);
	test_message("type 4294967295", UINT32_MAX, NULL, 0);
}

static void
test_lengths(void)
{
	test_header("a load of 4294967295 bytes", MLOPS_WIRE_LOAD, UINT32_MAX);
	test_header("a load of one byte more than allowed", MLOPS_WIRE_LOAD, MLOPS_WIRE_MAX_COMMAND + 1);
	test_header("a train of 2147483648 bytes", MLOPS_WIRE_TRAIN, 0x80000000u);
	test_header("a predict of one byte more than allowed", MLOPS_WIRE_PREDICT, MLOPS_WIRE_MAX_COMMAND + 1);
	test_header("a save with a body", MLOPS_WIRE_SAVE, 1);
	test_header("a quit with a body", MLOPS_WIRE_QUIT, 1);
	test_header("an unknown command of 4294967295 bytes", 'X', UINT32_MAX);
}

/*
 * A load command for one matrix whose head says what the arguments say and
 * whose file has the sample.
 */
static void
test_load(const char *name, uint32_t num_features, uint64_t num_rows, uint64_t num_validation,
		  int num_fds)
{
	int			fds[] = {make_file(&sample), make_file(&validation), make_file(&validation)};

	put_load(&body, &sample, NULL, NULL);
	memcpy(body.bytes, &num_features, sizeof(num_features));
	memcpy(body.bytes + 4, &num_rows, sizeof(num_rows));
	memcpy(body.bytes + 12, &num_validation, sizeof(num_validation));
	test_message(name, MLOPS_WIRE_LOAD, fds, num_fds);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void
test_loads(void)
{
	int			fds[2];
	int			fd = make_file(&sample);
	size_t		full;
	int			caught = 0;

	test_load("more rows than the file has", 3, 101, 0, 1);
	test_load("fewer rows than the file has", 3, 99, 0, 1);
	test_load("no rows", 3, 0, 0, 1);
	test_load("rows whose size overflows", 3, UINT64_MAX / 8, 0, 1);
	test_load("rows whose size wraps around to the file's", 3, 100 + (UINT64_C(1) << 62), 0, 1);
	test_load("18446744073709551615 rows", 3, UINT64_MAX, 0, 1);
	test_load("more features than follow", 4, 100, 0, 1);
	test_load("no features", 0, 100, 0, 1);
	test_load("too many features", MLOPS_MAX_FEATURES + 1, 100, 0, 1);
	test_load("4294967295 features", UINT32_MAX, 100, 0, 1);
	test_load("4294967294 features, which and 2 is 0", UINT32_MAX - 1, 100, 0, 1);
	test_load("more validation rows than the file has", 3, 100, 51, 2);
	test_load("no descriptor", 3, 100, 0, 0);
	test_load("a descriptor too few", 3, 100, 50, 1);
	test_load("a descriptor too many", 3, 100, 0, 2);
	test_load("three descriptors", 3, 100, 50, 3);

	put_load(&body, &sample, NULL, NULL);
	put(&body, "x", 1);
	test_message("a load with bytes left over", MLOPS_WIRE_LOAD, &fd, 1);
	put_load(&body, &sample, NULL, "qxq");
	test_message("a feature of an unknown kind", MLOPS_WIRE_LOAD, &fd, 1);
	put_load(&body, &sample, NULL, NULL);
	body.bytes[body.length - 1] = '\0';
	test_message("a NUL in a name", MLOPS_WIRE_LOAD, &fd, 1);
	put_load(&body, &sample, NULL, NULL);
	memset(body.bytes + 21, 0xff, 4);
	test_message("a name of 4294967295 bytes", MLOPS_WIRE_LOAD, &fd, 1);

	if (pipe2(fds, O_CLOEXEC) != 0)
		bail_out("could not make a pipe");
	put_load(&body, &sample, NULL, NULL);
	test_message("a pipe as a matrix", MLOPS_WIRE_LOAD, fds, 1);
	close(fds[0]);
	close(fds[1]);
	body.length = 0;
	test_message("a descriptor with save", MLOPS_WIRE_SAVE, &fd, 1);

	/* cut off anywhere, with a length that says so */
	put_load(&body, &sample, NULL, NULL);
	full = body.length;
	for (size_t length = 0; length < full; length++)
	{
		Peer		peer = peer_ready(0);
		Reply		reply;

		body.length = length;
		peer_send(&peer, MLOPS_WIRE_LOAD, &body, &fd, 1);
		reply = peer_receive(&peer);
		caught += reply.type == MLOPS_WIRE_ERROR && reply_number(&reply) == MLOPS_FAILURE_PROTOCOL;
		free(reply.body);
		caught += exited(peer_end(&peer), 1);
	}
	ok(caught == (int) (2 * full), "a load cut off at each of %zu places", full);
	close(fd);
}

/* the body of a quantise command for the sample */
static void
put_quantise(uint32_t max_bin)
{
	static Buffer load;

	put_load(&load, &sample, NULL, NULL);
	body.length = 0;
	put_u32(&body, max_bin);
	put(&body, "", 1);
	put(&body, load.bytes, load.length);
}

/*
 * A quantise command whose numbers of rows are what the arguments say.
 */
static void
test_quantise(const char *name, uint64_t num_rows, uint64_t num_validation, int num_fds)
{
	int			fds[] = {make_file(&sample), make_file(&validation)};

	put_quantise(256);
	memcpy(body.bytes + 9, &num_rows, sizeof(num_rows));
	memcpy(body.bytes + 17, &num_validation, sizeof(num_validation));
	test_message(name, MLOPS_WIRE_QUANTISE, fds, num_fds);
	close(fds[0]);
	close(fds[1]);
}

static void
test_quantises(void)
{
	int			fds[2];
	int			fd = make_file(&sample);
	size_t		full;
	int			caught = 0;

	test_quantise("quantise: more rows than the file has", 101, 0, 1);
	test_quantise("quantise: fewer rows than the file has", 99, 0, 1);
	test_quantise("quantise: no rows", 0, 0, 1);
	test_quantise("quantise: rows whose size overflows", UINT64_MAX / 8, 0, 1);
	test_quantise("quantise: rows whose size wraps around to the file's", 100 + (UINT64_C(1) << 62), 0, 1);
	test_quantise("quantise: more validation rows than the file has", 100, 51, 2);
	test_quantise("quantise: a descriptor too few", 100, 50, 1);
	put_quantise(1);
	test_message("quantise: a single bin", MLOPS_WIRE_QUANTISE, &fd, 1);
	put_quantise(UINT32_MAX);
	test_message("quantise: 4294967295 bins", MLOPS_WIRE_QUANTISE, &fd, 1);
	put_quantise(256);
	put(&body, "x", 1);
	test_message("quantise: bytes left over", MLOPS_WIRE_QUANTISE, &fd, 1);
	if (pipe2(fds, O_CLOEXEC) != 0)
		bail_out("could not make a pipe");
	put_quantise(256);
	test_message("quantise: a pipe as a matrix", MLOPS_WIRE_QUANTISE, fds, 1);
	close(fds[0]);
	close(fds[1]);

	put_quantise(256);
	full = body.length;
	for (size_t length = 0; length < full; length++)
	{
		Peer		peer = peer_ready(0);
		Reply		reply;

		body.length = length;
		peer_send(&peer, MLOPS_WIRE_QUANTISE, &body, &fd, 1);
		reply = peer_receive(&peer);
		caught += reply.type == MLOPS_WIRE_ERROR && reply_number(&reply) == MLOPS_FAILURE_PROTOCOL;
		free(reply.body);
		caught += exited(peer_end(&peer), 1);
	}
	ok(caught == (int) (2 * full), "a quantise command cut off at each of %zu places", full);
	close(fd);
}

static void
test_trains(void)
{
	static const char *const params[] = {"tree_method", "hist", NULL};
	struct
	{
		const char *name;
		uint32_t	rounds;
		uint32_t	patience;
		uint32_t	num_params;
	}			cases[] = {
		{"no rounds", 0, 0, 1},
		{"4294967295 rounds", UINT32_MAX, 0, 1},
		{"4294967295 rounds of patience", 1, UINT32_MAX, 1},
		{"more parameters than follow", 1, 0, 2},
		{"fewer parameters than follow", 1, 0, 0},
		{"4294967295 parameters", 1, 0, UINT32_MAX},
		{"2147483648 parameters", 1, 0, 0x80000000u}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Peer		peer = peer_ready(0);
		Reply		reply = peer_load(&peer, &sample, NULL, NULL);

		free(reply.body);
		put_train(&body, 1, 0, params);
		memcpy(body.bytes, &cases[i].rounds, 4);
		memcpy(body.bytes + 4, &cases[i].patience, 4);
		memcpy(body.bytes + 8, &cases[i].num_params, 4);
		peer_send(&peer, MLOPS_WIRE_TRAIN, &body, NULL, 0);
		expect_failure(&peer, MLOPS_FAILURE_PROTOCOL, cases[i].name);
	}
}

/*
 * Rows to predict must be whole, and not too many.
 */
static void
test_predicts(void)
{
	static const char *const params[] = {"tree_method", "hist", NULL};
	static const float row[3] = {1, 2, 3};
	struct
	{
		const char *name;
		int			rows;
		int			bytes;			/* more than that */
	}			cases[] = {
		{"no rows to predict", 0, 0},
		{"a row of one value", 0, 4},
		{"a row and a byte", 1, 1},
		{"a row but one byte", 0, 11},
		{"too many rows to predict", MLOPS_WIRE_MAX_ROWS + 1, 0}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Peer		peer = peer_ready(0);
		Reply		reply = peer_load(&peer, &sample, NULL, NULL);
		uint32_t	type;

		free(reply.body);
		peer_send_train(&peer, 1, 0, params);
		do
		{
			reply = peer_receive(&peer);
			type = reply.type;
			free(reply.body);
		} while (type == MLOPS_WIRE_PROGRESS);
		if (type != MLOPS_WIRE_TRAINED)
			bail_out("the trainer does not train");
		body.length = 0;
		for (int k = 0; k < cases[i].rows; k++)
			put(&body, row, sizeof(row));
		put(&body, row, cases[i].bytes);
		peer_send(&peer, MLOPS_WIRE_PREDICT, &body, NULL, 0);
		expect_failure(&peer, MLOPS_FAILURE_PROTOCOL, cases[i].name);
	}
}

/*
 * The server may stop anywhere in a conversation: the trainer then ends, with
 * status 0, and quietly.
 */
static void
test_ends(void)
{
	static const char *const params[] = {"tree_method", "hist", NULL};
	static Buffer whole;
	int			fd = make_file(&sample);
	int			ended = 0;
	int			places = 0;
	MlopsWireHeader header;

	whole.length = 0;
	put_load(&body, &sample, NULL, NULL);
	header = (MlopsWireHeader) {.length = body.length,.type = MLOPS_WIRE_LOAD};
	put(&whole, &header, sizeof(header));
	put(&whole, body.bytes, body.length);
	put_train(&body, 2, 0, params);
	header = (MlopsWireHeader) {.length = body.length,.type = MLOPS_WIRE_TRAIN};
	put(&whole, &header, sizeof(header));
	put(&whole, body.bytes, body.length);
	for (size_t length = 1; length < whole.length; length += 3)
	{
		Peer		peer = peer_ready(0);

		peer_send_raw(&peer, whole.bytes, length, &fd, 1);
		places++;
		ended += exited(peer_end(&peer), 0);
	}
	ok(ended == places, "the socket ends in the middle of a command, at %d places", places);
	close(fd);
}

int
main(void)
{
	alarm(10 * PATIENCE);
	test_greeting();
	test_order();
	test_lengths();
	test_loads();
	test_quantises();
	test_trains();
	test_predicts();
	test_ends();
	return done_testing();
}
