/*-------------------------------------------------------------------------
 *
 * trainer_fuzz.c
 *	  Whole conversations with mlops-trainer, damaged at random: it must end by
 *	  itself, never by a signal, and send whole messages until then.
 *
 * The seed is fixed; arguments can give another one and another number of
 * conversations.
 *
 *-------------------------------------------------------------------------
 */
#include "trainer_peer.h"

#define CONVERSATIONS	300

/* replies after which we have heard enough of a training with many rounds */
#define MAX_REPLIES		50

static uint32_t state = 20240711;

static uint32_t
any(uint32_t below)
{
	return next_random(&state) % below;
}

static void
put_message(Buffer *script, uint32_t type, const Buffer *body)
{
	put_u32(script, body != NULL ? (uint32_t) body->length : 0);
	put_u32(script, type);
	if (body != NULL)
		put(script, body->bytes, body->length);
}

/*
 * A conversation in which nothing is wrong.  Says where each message begins.
 */
static int
make_script(Buffer *script, const Sample *train, const Sample *validation, size_t *starts)
{
	static const char *const params[] = {
		"objective", "binary:logistic", "tree_method", "hist", "eval_metric", "auc",
		"max_depth", "3", "eta", "0.3", NULL
	};
	static Buffer body;
	int			n = 0;

	script->length = 0;
	starts[n++] = script->length;
	body.length = 0;
	put_u32(&body, MLOPS_PROTOCOL_VERSION);
	put_message(script, MLOPS_WIRE_HELLO, &body);
	starts[n++] = script->length;
	put_load(&body, train, validation, "cqq");
	put_message(script, MLOPS_WIRE_LOAD, &body);
	starts[n++] = script->length;
	put_train(&body, 5, 2, params);
	put_message(script, MLOPS_WIRE_TRAIN, &body);
	starts[n++] = script->length;
	put_message(script, MLOPS_WIRE_SAVE, NULL);
	starts[n++] = script->length;
	put_message(script, MLOPS_WIRE_QUIT, NULL);
	starts[n] = script->length;
	return n;
}

/*
 * Damage a script in one of several ways.
 */
static void
damage(Buffer *script, const size_t *starts, int num_messages)
{
	static const uint32_t numbers[] = {0, 1, 2, 3, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 256, 65536};
	static Buffer copy;
	size_t		place = any((uint32_t) script->length);
	int			from = any(num_messages);
	int			to = any(num_messages);
	uint32_t	number = numbers[any(sizeof(numbers) / sizeof(numbers[0]))];

	switch (any(7))
	{
		case 0:
			script->bytes[place] ^= (char) (1 << any(8));
			break;
		case 1:
			script->bytes[place] = (char) any(256);
			break;
		case 2:					/* a number becomes another */
			place = place / 4 * 4;
			if (place + sizeof(number) <= script->length)
				memcpy(script->bytes + place, &number, sizeof(number));
			break;
		case 3:					/* the end is missing */
			script->length = place + 1;
			break;
		case 4:					/* a piece is missing */
			number = any(16) + 1;
			if (place + number < script->length)
			{
				memmove(script->bytes + place, script->bytes + place + number,
						script->length - place - number);
				script->length -= number;
			}
			break;
		case 5:					/* a message comes once more, later or too soon */
			if (script->length < starts[num_messages])
				break;
			copy = *script;
			script->length = starts[to];
			put(script, copy.bytes + starts[from], starts[from + 1] - starts[from]);
			put(script, copy.bytes + starts[to], copy.length - starts[to]);
			break;
		case 6:					/* a message's length is wrong */
			number = any(2) ? number : any(64);
			if (starts[from] + sizeof(number) <= script->length)
				memcpy(script->bytes + starts[from], &number, sizeof(number));
			break;
	}
}

/*
 * Send a script, in pieces, with the descriptors anywhere.
 */
static void
send_script(const Peer *peer, const Buffer *script, size_t usual_place, const int *fds)
{
	size_t		place = any(8) == 0 ? any((uint32_t) script->length) : usual_place;
	int			num_fds = any(8) == 0 ? any(4) : 2;

	if (place > script->length)
		place = script->length;
	if (place > 0 && !peer_send_raw(peer, script->bytes, place, NULL, 0))
		return;
	if (place < script->length)
		peer_send_raw(peer, script->bytes + place, script->length - place, fds, num_fds);
}

int
main(int argc, char **argv)
{
	Sample		train = {.num_rows = 60,.num_features = 3,.seed = 1,.classes = 2};
	Sample		validation = {.num_rows = 30,.num_features = 3,.seed = 2,.classes = 2};
	int			fds[3] = {make_file(&train), make_file(&validation), make_file(&train)};
	int			conversations = argc > 2 ? atoi(argv[2]) : CONVERSATIONS;
	int			bad_ends = 0;
	int			bad_replies = 0;
	int			models = 0;
	int			errors = 0;

	alarm(10 * PATIENCE);
	if (argc > 1)
		state = (uint32_t) strtoul(argv[1], NULL, 10);
	for (int i = 0; i < conversations; i++)
	{
		static Buffer script;
		size_t		starts[8];
		int			num_messages = make_script(&script, &train, &validation, starts);
		uint32_t	seed = state;
		Peer		peer = peer_start((size_t) 512 * 1024 * 1024);
		int			status;

		/* the first few are sound, to see that they are */
		for (uint32_t n = i < 3 ? 0 : any(3) + 1; n > 0; n--)
			damage(&script, starts, num_messages);
		if (i < 3)
			peer_send_raw(&peer, script.bytes, starts[1], NULL, 0);
		if (i < 3)
			peer_send_raw(&peer, script.bytes + starts[1], script.length - starts[1], fds, 2);
		else
			send_script(&peer, &script, starts[1], fds);
		shutdown(peer.socket, SHUT_WR);
		for (int n = 0; n < MAX_REPLIES; n++)
		{
			Reply		reply = peer_receive(&peer);

			free(reply.body);
			if (reply.type == 0)
				break;
			models += reply.type == MLOPS_WIRE_MODEL;
			errors += reply.type == MLOPS_WIRE_ERROR;
			if (strchr("hlptmwe", (int) reply.type) == NULL)
				bad_replies++;
		}
		status = peer_end(&peer);
		if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		{
			printf("# conversation %d, state %u: wait status %d\n", i, seed, status);
			bad_ends++;
		}
	}
	ok(models >= 3, "sound conversations give models");
	ok(bad_replies == 0, "every reply is of a known type");
	ok(bad_ends == 0, "%d conversations end with status 0 or 1", conversations);
	printf("# %d models, %d errors\n", models, errors);
	return done_testing();
}
