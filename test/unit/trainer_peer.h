/*-------------------------------------------------------------------------
 *
 * trainer_peer.h
 *	  For tests of mlops-trainer: starts the real program as the server does,
 *	  and speaks its protocol, well or badly.
 *
 * The program is ./mlops-trainer, or what MLOPS_TRAINER names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRAINER_PEER_H
#define TRAINER_PEER_H

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trainer/protocol.h"

/* a trainer that does not move for so many seconds hangs */
#define PATIENCE	120

static int	tests_run;
static int	tests_failed;

/* --- TAP --- */

__attribute__((format(printf, 2, 3)))
static inline bool
ok(bool good, const char *name,...)
{
	va_list		args;

	tests_run++;
	if (!good)
		tests_failed++;
	printf("%sok %d - ", good ? "" : "not ", tests_run);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return good;
}

__attribute__((format(printf, 1, 2), noreturn))
static inline void
bail_out(const char *why,...)
{
	va_list		args;

	printf("Bail out! ");
	va_start(args, why);
	vprintf(why, args);
	va_end(args);
	printf("\n");
	exit(1);
}

static inline int
done_testing(void)
{
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}

/* --- messages --- */

typedef struct Buffer
{
	size_t		length;
	char		bytes[1024 * 1024];
} Buffer;

static inline void
put(Buffer *buffer, const void *bytes, size_t length)
{
	if (buffer->length + length > sizeof(buffer->bytes))
		bail_out("a test's message is too long");
	memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
}

static inline void
put_u32(Buffer *buffer, uint32_t value)
{
	put(buffer, &value, sizeof(value));
}

static inline void
put_u64(Buffer *buffer, uint64_t value)
{
	put(buffer, &value, sizeof(value));
}

static inline void
put_string(Buffer *buffer, const char *string)
{
	put_u32(buffer, (uint32_t) strlen(string));
	put(buffer, string, strlen(string));
}

/* --- data --- */

/*
 * What a matrix's values are like.  Feature 0 has the codes 0 to 4, every
 * other one is in [0, 1); a fiftieth of all is missing.
 */
typedef struct Sample
{
	uint64_t	num_rows;
	uint32_t	num_features;
	uint32_t	seed;
	int			classes;		/* 0: the label is a quantity */
	bool		weighted;
} Sample;

static inline uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static inline void
fill_row(const Sample *sample, uint32_t *state, float *row)
{
	float		sum = 0;

	for (uint32_t j = 0; j < sample->num_features; j++)
	{
		uint32_t	number = next_random(state);

		row[j] = number / 16777216.0f;
		if (j < 4)
			sum += row[j];
		if (j == 0)
			row[j] = (float) (number % 5);
		if (number % 50 == 7)
			row[j] = NAN;
	}
	row[sample->num_features] = sample->classes == 0 ? sum :
		(float) ((int) (sum * sample->classes / 4.0f + next_random(state) % 2) % sample->classes);
	row[sample->num_features + 1] = sample->weighted ?
		1.0f + (float) (next_random(state) % 3) : 1.0f;
}

/*
 * The sample in a memory file.  The descriptor is the caller's.
 */
static inline int
make_file(const Sample *sample)
{
	size_t		row_size = (sample->num_features + 2) * sizeof(float);
	size_t		size = sample->num_rows * row_size;
	int			fd = memfd_create("sample", MFD_CLOEXEC);
	uint32_t	state = sample->seed;
	char	   *rows;

	if (fd < 0 || ftruncate(fd, size) != 0)
		bail_out("could not make a memory file: %s", strerror(errno));
	if (size == 0)
		return fd;
	rows = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (rows == MAP_FAILED)
		bail_out("could not map a memory file: %s", strerror(errno));
	for (uint64_t i = 0; i < sample->num_rows; i++)
		fill_row(sample, &state, (float *) (rows + i * row_size));
	munmap(rows, size);
	return fd;
}

/* --- the trainer --- */

typedef struct Peer
{
	pid_t		pid;
	int			socket;
} Peer;

typedef struct Reply
{
	uint32_t	type;			/* 0: the socket is closed */
	uint32_t	length;
	char	   *body;			/* malloc'd, with a NUL after it */
} Reply;

/* the address sanitizer reserves terabytes of addresses for itself */
#ifdef __SANITIZE_ADDRESS__
#define PEER_LIMITS_MEMORY	false
#else
#define PEER_LIMITS_MEMORY	true
#endif

/*
 * Start a trainer that may use so much address space; 0 means any.
 */
static inline Peer
peer_start(size_t memory)
{
	static char *const environment[] = {
		"LC_ALL=C", "OMP_NUM_THREADS=1", "OMP_THREAD_LIMIT=1", "OMP_WAIT_POLICY=passive",
		"MALLOC_ARENA_MAX=2", NULL
	};
	static char *const arguments[] = {"mlops-trainer", NULL};
	const char *path = getenv("MLOPS_TRAINER");
	struct rlimit limit = {memory, memory};
	Peer		peer;
	int			sockets[2];

	if (path == NULL)
		path = "./mlops-trainer";
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
		bail_out("could not make sockets: %s", strerror(errno));
	fflush(stdout);
	peer.socket = sockets[0];
	peer.pid = fork();
	if (peer.pid < 0)
		bail_out("could not fork: %s", strerror(errno));
	if (peer.pid == 0)
	{
		int			null = open("/dev/null", O_RDWR);
		int			socket = fcntl(sockets[1], F_DUPFD, 10);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		dup2(socket, MLOPS_TRAINER_SOCKET);
		for (int fd = MLOPS_TRAINER_SOCKET + 1; fd < 256; fd++)
			close(fd);
		if (PEER_LIMITS_MEMORY && memory > 0)
			setrlimit(RLIMIT_AS, &limit);
		execve(path, arguments, environment);
		_exit(127);
	}
	close(sockets[1]);
	return peer;
}

/*
 * Send bytes as they are, with descriptors at the first.  False if nobody
 * listens.
 */
static inline bool
peer_send_raw(const Peer *peer, const void *bytes, size_t length, const int *fds, int num_fds)
{
	const char *next = bytes;

	while (length > 0)
	{
		union
		{
			char		space[CMSG_SPACE(sizeof(int) * 8)];
			struct cmsghdr alignment;
		}			control = {{0}};
		struct iovec part = {.iov_base = (char *) next,.iov_len = length};
		struct msghdr message = {.msg_iov = &part,.msg_iovlen = 1};
		ssize_t		count;

		if (num_fds > 0)
		{
			message.msg_control = control.space;
			message.msg_controllen = CMSG_SPACE(sizeof(int) * num_fds);
			CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
			CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
			CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof(int) * num_fds);
			memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fds, sizeof(int) * num_fds);
		}
		count = sendmsg(peer->socket, &message, MSG_NOSIGNAL);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return false;
		next += count;
		length -= count;
		num_fds = 0;
	}
	return true;
}

/*
 * Send a message.
 */
static inline bool
peer_send(const Peer *peer, uint32_t type, const Buffer *body, const int *fds, int num_fds)
{
	MlopsWireHeader header = {.length = body != NULL ? body->length : 0,.type = type};

	return peer_send_raw(peer, &header, sizeof(header), fds, num_fds) &&
		(header.length == 0 || peer_send_raw(peer, body->bytes, header.length, NULL, 0));
}

/*
 * Read exactly so many bytes; false at the end of the stream.
 */
static inline bool
peer_read(const Peer *peer, void *to, size_t length)
{
	char	   *next = to;

	while (length > 0)
	{
		struct pollfd ready = {.fd = peer->socket,.events = POLLIN};
		ssize_t		count;

		if (poll(&ready, 1, PATIENCE * 1000) == 0)
			bail_out("the trainer hangs");
		count = recv(peer->socket, next, length, 0);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return false;
		next += count;
		length -= count;
	}
	return true;
}

/*
 * Receive a message.  Its body is to be freed.
 */
static inline Reply
peer_receive(const Peer *peer)
{
	MlopsWireHeader header;
	Reply		reply = {0};

	if (!peer_read(peer, &header, sizeof(header)))
		return reply;
	if (header.length > MLOPS_WIRE_MAX_MODEL)
		bail_out("the trainer sends %u bytes", header.length);
	reply.body = calloc(1, (size_t) header.length + 1);
	if (!peer_read(peer, reply.body, header.length))
	{
		free(reply.body);
		reply.body = NULL;
		return reply;
	}
	reply.type = header.type;
	reply.length = header.length;
	return reply;
}

/*
 * The number and the text of a message that has both; the text is the
 * message's.
 */
static inline uint32_t
reply_number(const Reply *reply)
{
	uint32_t	number = 0;

	if (reply->length >= sizeof(number))
		memcpy(&number, reply->body, sizeof(number));
	return number;
}

static inline const char *
reply_text(const Reply *reply)
{
	return reply->length >= 2 * sizeof(uint32_t) ? reply->body + 2 * sizeof(uint32_t) : "";
}

/*
 * Close the socket and wait for the process; its wait status.
 */
static inline int
peer_end(Peer *peer)
{
	int			status = 0;

	close(peer->socket);
	for (int i = 0; waitpid(peer->pid, &status, WNOHANG) == 0; i++)
	{
		if (i > PATIENCE * 100)
		{
			kill(peer->pid, SIGKILL);
			waitpid(peer->pid, &status, 0);
			bail_out("the trainer does not end");
		}
		usleep(10000);
	}
	return status;
}

static inline bool
exited(int status, int code)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

/* --- commands --- */

static inline Reply
peer_hello(const Peer *peer, uint32_t version)
{
	static Buffer body;

	body.length = 0;
	put_u32(&body, version);
	peer_send(peer, MLOPS_WIRE_HELLO, &body, NULL, 0);
	return peer_receive(peer);
}

/*
 * Start a trainer and greet it.
 */
static inline Peer
peer_ready(size_t memory)
{
	Peer		peer = peer_start(memory);
	Reply		reply = peer_hello(&peer, MLOPS_PROTOCOL_VERSION);

	if (reply.type != MLOPS_WIRE_GREETING)
		bail_out("the trainer does not greet: is ./mlops-trainer built?");
	free(reply.body);
	return peer;
}

/*
 * The body of a load command for these samples.  With kinds NULL all features
 * are quantities.
 */
static inline void
put_load(Buffer *body, const Sample *train, const Sample *validation, const char *kinds)
{
	body->length = 0;
	put_u32(body, train->num_features);
	put_u64(body, train->num_rows);
	put_u64(body, validation != NULL ? validation->num_rows : 0);
	for (uint32_t i = 0; i < train->num_features; i++)
	{
		char		name[32];

		snprintf(name, sizeof(name), "feature \"%u\"", i);
		put(body, kinds != NULL ? &kinds[i] : "q", 1);
		put_string(body, name);
	}
}

static inline Reply
peer_load(const Peer *peer, const Sample *train, const Sample *validation, const char *kinds)
{
	static Buffer body;
	int			fds[2] = {make_file(train), -1};

	if (validation != NULL)
		fds[1] = make_file(validation);
	put_load(&body, train, validation, kinds);
	peer_send(peer, MLOPS_WIRE_LOAD, &body, fds, validation != NULL ? 2 : 1);
	close(fds[0]);
	if (validation != NULL)
		close(fds[1]);
	return peer_receive(peer);
}

/*
 * The body of a train command; params are names and values, in turn, and
 * NULL.
 */
static inline void
put_train(Buffer *body, uint32_t rounds, uint32_t patience, const char *const *params)
{
	uint32_t	count = 0;

	while (params[2 * count] != NULL)
		count++;
	body->length = 0;
	put_u32(body, rounds);
	put_u32(body, patience);
	put_u32(body, count);
	for (uint32_t i = 0; i < 2 * count; i++)
		put_string(body, params[i]);
}

static inline void
peer_send_train(const Peer *peer, uint32_t rounds, uint32_t patience, const char *const *params)
{
	static Buffer body;

	put_train(&body, rounds, patience, params);
	peer_send(peer, MLOPS_WIRE_TRAIN, &body, NULL, 0);
}

#endif							/* TRAINER_PEER_H */
