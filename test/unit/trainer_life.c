/*-------------------------------------------------------------------------
 *
 * trainer_life.c
 *	  mlops-trainer never outlives whoever started it, and its own death is
 *	  seen at once.
 *
 *-------------------------------------------------------------------------
 */
#include "trainer_peer.h"

static const char *const params[] = {"tree_method", "hist", NULL};

/*
 * Give a trainer work for hours, and see it begin.
 */
static void
begin_work(const Peer *peer)
{
	Sample		sample = {.num_rows = 20000,.num_features = 10,.seed = 1,.classes = 2};
	Reply		reply = peer_load(peer, &sample, NULL, NULL);

	if (reply.type != MLOPS_WIRE_LOADED)
		bail_out("could not load: %s", reply_text(&reply));
	free(reply.body);
	peer_send_train(peer, INT32_MAX, 0, params);
	reply = peer_receive(peer);
	if (reply.type != MLOPS_WIRE_PROGRESS)
		bail_out("could not train: %s", reply_text(&reply));
	free(reply.body);
}

static void
test_closed_socket(void)
{
	Peer		peer = peer_ready(0);

	begin_work(&peer);
	ok(exited(peer_end(&peer), 0), "it ends when its socket is closed during training");
}

static void
test_killed(void)
{
	Peer		peer = peer_ready(0);
	Reply		reply;
	int			status;

	begin_work(&peer);
	kill(peer.pid, SIGKILL);
	while (reply = peer_receive(&peer), reply.type == MLOPS_WIRE_PROGRESS)
		free(reply.body);
	ok(reply.type == 0, "the socket ends when it is killed");
	status = peer_end(&peer);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "and the signal is seen");
}

/*
 * Start a trainer from a process that is then killed.  This process inherits
 * the trainer.  Another one keeps the socket open, so that only the death of
 * the starter can end it.
 */
static void
test_orphan(const char *name, bool working, bool stopped)
{
	int			pipes[2];
	pid_t		starter;
	pid_t		pids[2] = {0, 0};	/* the trainer's and the keeper's */
	int			status;
	Peer		peer;

	if (pipe2(pipes, O_CLOEXEC) != 0)
		bail_out("could not make a pipe");
	fflush(stdout);
	starter = fork();
	if (starter == 0)
	{
		/* a session of its own, as a server process has */
		setsid();
		peer = peer_ready(0);
		if (working)
			begin_work(&peer);
		if (stopped)
		{
			kill(peer.pid, SIGSTOP);
			waitpid(peer.pid, &status, WUNTRACED);
		}
		pids[0] = peer.pid;
		pids[1] = fork();
		if (pids[1] == 0)
		{
			/* with more progress than it has room for, a trainer waits */
			for (;;)
			{
				Reply		reply = peer_receive(&peer);

				free(reply.body);
				if (reply.type == 0)
					pause();
			}
		}
		if (write(pipes[1], pids, sizeof(pids)) != sizeof(pids))
			_exit(1);
		for (;;)
			pause();
	}
	if (read(pipes[0], pids, sizeof(pids)) != sizeof(pids))
		bail_out("could not start a trainer");
	ok(kill(pids[0], 0) == 0, "%s: there is one", name);
	kill(starter, SIGKILL);
	waitpid(starter, &status, 0);
	for (int i = 0; waitpid(pids[0], &status, WNOHANG) == 0; i++)
	{
		if (i > PATIENCE * 100)
		{
			kill(pids[0], SIGKILL);
			bail_out("%s: the trainer outlives its parent", name);
		}
		usleep(10000);
	}
	ok(exited(status, 0), "%s: it ends with status 0", name);
	kill(pids[1], SIGKILL);
	waitpid(pids[1], &status, 0);
	close(pipes[0]);
	close(pipes[1]);
}

/*
 * With too little memory it either says so or dies of it, but ends.
 */
static void
test_memory(void)
{
	Sample		sample = {.num_rows = 1000000,.num_features = 20,.seed = 1,.classes = 2};
	Peer		peer = peer_ready((size_t) 200 * 1024 * 1024);
	Reply		reply = peer_load(&peer, &sample, NULL, NULL);

	if (reply.type == MLOPS_WIRE_LOADED)
	{
		free(reply.body);
		peer_send_train(&peer, 1, 0, params);
		reply = peer_receive(&peer);
	}
	ok(reply.type == MLOPS_WIRE_ERROR && reply_number(&reply) == MLOPS_FAILURE_MEMORY,
	   "it says when it needs more memory than it may use");
	printf("# %s\n", reply_text(&reply));
	free(reply.body);
	ok(exited(peer_end(&peer), 1), "and ends");
}

/*
 * A single allocation that cannot be had, in the library.
 */
static void
test_huge(void)
{
	static const char *const many[] = {"objective", "multi:softprob", "num_class", "2000000000",
	"tree_method", "hist", NULL};
	Sample		sample = {.num_rows = 100,.num_features = 3,.seed = 1,.classes = 2};
	Peer		peer = peer_ready((size_t) 1024 * 1024 * 1024);
	Reply		reply = peer_load(&peer, &sample, NULL, NULL);

	free(reply.body);
	peer_send_train(&peer, 1, 0, many);
	reply = peer_receive(&peer);
	ok(reply.type == MLOPS_WIRE_ERROR && reply_number(&reply) == MLOPS_FAILURE_MEMORY,
	   "two thousand million classes are too much for memory");
	free(reply.body);
	peer_end(&peer);
}

/*
 * Run by hand it says what it is, and does nothing.
 */
static void
test_by_hand(void)
{
	const char *path = getenv("MLOPS_TRAINER");
	char		command[1024];

	if (path == NULL)
		path = "./mlops-trainer";
	snprintf(command, sizeof(command), "'%s' 3>&- > /dev/null 2>&1", path);
	ok(exited(system(command), 2), "without a socket it does nothing, status 2");
	snprintf(command, sizeof(command), "'%s' 3< /dev/null > /dev/null 2>&1", path);
	ok(exited(system(command), 2), "nor with something that is no socket");
	snprintf(command, sizeof(command), "'%s' --version | grep -q '^mlops-trainer (mlops) [0-9.]*, libxgboost [0-9.]*$'", path);
	ok(exited(system(command), 0), "it says its version");
}

int
main(void)
{
	alarm(10 * PATIENCE);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		bail_out("could not become a subreaper");
	test_closed_socket();
	test_killed();
	test_orphan("the starter of an idle trainer is killed", false, false);
	test_orphan("the starter of a working trainer is killed", true, false);
	test_orphan("the starter of a stopped trainer is killed", true, true);
	if (PEER_LIMITS_MEMORY)
	{
		test_memory();
		test_huge();
	}
	test_by_hand();
	return done_testing();
}
