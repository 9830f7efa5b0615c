/*-------------------------------------------------------------------------
 *
 * client.c
 *	  The server's end of the conversation with mlops-trainer.
 *
 * A trainer is a child process of this backend, in a process group of its
 * own, connected by a socket.  src/trainer/README.md has the conversation
 * and what either end does when the other is gone.
 *
 * Lifetime: a trainer belongs to the memory context it was started in and,
 * unless it is to outlive commits, to the resource owner that was current
 * then.  Whichever goes first kills and
 * reaps the process and closes the descriptors: the context in the course of
 * a normal statement, the resource owner when a (sub)transaction aborts,
 * which may be long before the context is reset.  The kernel kills it if
 * this backend goes without either.  Only its own pid is ever waited for.
 *
 * Locking: none is taken; the caller's transaction keeps what it has.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/ilist.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "errors.h"
#include "trainer/protocol.h"
#include "training/client.h"
#include "training/launch.h"
#include "training/turn.h"

/* room for what a trainer writes to its standard error */
#define WORDS_SIZE			(64 * 1024)

/* how much of the end of it we show */
#define LAST_WORDS_SIZE		1000

/* descriptors of ours that live as long as a trainer */
#define NUM_EXTERNAL_FDS	2

struct MlopsTrainer
{
	pid_t		pid;			/* 0: reaped, or never started */
	int			socket;			/* -1: closed */
	int			far_socket;		/* the child's end, until it has it; -1 */
	int			words;			/* its standard error, a memory file; -1 */
	int			num_external_fds;	/* that the server counts for us */
	bool		busy;			/* has a command without an answer */
	int			turn;			/* its place among all training processes; 0: none */
	int			library_version[3];
	MlopsProgress *progress;	/* of the training, not ours */
	ResourceOwner owner;
	dlist_node	node;			/* in trainers */
	MemoryContextCallback callback;
};

/* every trainer of this backend */
static dlist_head trainers = DLIST_STATIC_INIT(trainers);

static bool release_callback_registered = false;

/* --- the end of a trainer ------------------------------------------------ */

/*
 * Kill and reap the process and close the descriptors; harmless if that has
 * been done.  Returns the wait status of a process that had already ended,
 * or 0.  Raises nothing: it runs in the cleanup of errors.
 */
static int
end_trainer(MlopsTrainer *trainer)
{
	int			status = 0;

	if (trainer->pid > 0)
	{
		/* one that is ending keeps its own status */
		kill(-trainer->pid, SIGKILL);
		kill(trainer->pid, SIGKILL);
		while (waitpid(trainer->pid, &status, 0) < 0 && errno == EINTR)
			;
		trainer->pid = 0;
	}
	if (trainer->socket >= 0)
		close(trainer->socket);
	trainer->socket = -1;
	if (trainer->far_socket >= 0)
		close(trainer->far_socket);
	trainer->far_socket = -1;
	if (trainer->words >= 0)
		close(trainer->words);
	trainer->words = -1;
	for (; trainer->num_external_fds > 0; trainer->num_external_fds--)
		ReleaseExternalFD();
	if (trainer->turn > 0)
		mlops_turn_give_back(trainer->turn);
	trainer->turn = 0;
	if (trainer->owner != NULL)
		dlist_delete(&trainer->node);
	trainer->owner = NULL;
	return status;
}

/*
 * The trainer's memory context is going.
 */
static void
context_callback(void *arg)
{
	end_trainer(arg);
}

/*
 * A resource owner is going; after an abort its memory may stay for long.
 */
static void
owner_callback(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void *arg)
{
	dlist_mutable_iter iter;

	if (phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	dlist_foreach_modify(iter, &trainers)
	{
		MlopsTrainer *trainer = dlist_container(MlopsTrainer, node, iter.cur);

		if (trainer->owner == CurrentResourceOwner)
			end_trainer(trainer);
	}
}

/* --- texts ------------------------------------------------------------------ */

/*
 * A text of the trainer's in the server's encoding, palloc'd.  It is UTF-8 and
 * printable if all is well; what is not becomes question marks, as it goes to
 * clients and to the server's log.
 */
static char *
text_to_server(const char *text, size_t length)
{
	char	   *copy = pnstrdup(text, length);
	bool		is_utf8 = pg_verify_mbstr(PG_UTF8, copy, length, true);

	for (char *c = copy; *c != '\0'; c++)
	{
		if (IS_HIGHBIT_SET(*c) ? !is_utf8 : (*c < ' ' && *c != '\n' && *c != '\t') || *c == 127)
			*c = '?';
	}
	return pg_any_to_server(copy, strlen(copy), PG_UTF8);
}

/*
 * The end of what the trainer wrote to its standard error, palloc'd, or NULL.
 * To be called while the trainer has its descriptors.
 */
static char *
last_words(MlopsTrainer *trainer)
{
	char	   *words = palloc(WORDS_SIZE + 1);
	ssize_t		length = pread(trainer->words, words, WORDS_SIZE, 0);
	char	   *start;

	if (length < 0)
		return NULL;
	words[length] = '\0';
	/* the file is zeros behind what was written */
	length = strlen(words);
	while (length > 0 && isspace((unsigned char) words[length - 1]))
		length--;
	if (length == 0)
		return NULL;

	start = words;
	if (length > LAST_WORDS_SIZE)
	{
		/* from the start of a line, if there is one */
		char	   *line = memchr(words + length - LAST_WORDS_SIZE, '\n', LAST_WORDS_SIZE);

		start = line != NULL ? line + 1 : words + length - LAST_WORDS_SIZE;
	}
	while (isspace((unsigned char) *start))
		start++;
	return text_to_server(start, words + length - start);
}

/*
 * Do these last words say that memory could not be had?
 */
static bool
speaks_of_memory(const char *words)
{
	static const char *const signs[] = {
		"bad_alloc",
		"Cannot allocate memory",
		"out of memory",
		"Out of memory",
		"failed to map segment",	/* the dynamic loader */
		"Thread creation failed"	/* libgomp: no room for a stack */
	};

	for (size_t i = 0; i < lengthof(signs); i++)
	{
		if (strstr(words, signs[i]) != NULL)
			return true;
	}
	return false;
}

/*
 * The error for a trainer that could not get more memory.
 */
pg_noreturn static void
report_memory(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_TRAINER),
			 errmsg("training process ran out of memory"),
			 detail != NULL ? errdetail("Its last words were: %s", detail) : 0,
			 errhint("Raise mlops.train_memory_limit, which is %s, or train with fewer rows, columns or threads.",
					 GetConfigOptionByName("mlops.train_memory_limit", NULL, false))));
}

/*
 * The error for a trainer whose end of the socket is closed.
 */
pg_noreturn static void
report_death(MlopsTrainer *trainer)
{
	char	   *words = last_words(trainer);
	int			status = end_trainer(trainer);

	if (words != NULL && speaks_of_memory(words))
		report_memory(words);

	if (WIFSIGNALED(status))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINER),
				 errmsg("training process was killed by signal %d: %s",
						WTERMSIG(status), pg_strsignal(WTERMSIG(status))),
				 words != NULL ? errdetail("Its last words were: %s", words) : 0,
				 WTERMSIG(status) == SIGKILL ?
				 errhint("The kernel does that when the machine runs out of memory; mlops.train_memory_limit, which is %s, may be too high.",
						 GetConfigOptionByName("mlops.train_memory_limit", NULL, false)) : 0));
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_TRAINER),
			 errmsg("training process ended with exit code %d", WEXITSTATUS(status)),
			 words != NULL ? errdetail("Its last words were: %s", words) : 0));
}

/*
 * The error for a trainer that does not keep to the protocol.
 */
pg_noreturn static void
report_nonsense(MlopsTrainer *trainer, const char *detail)
{
	end_trainer(trainer);
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_TRAINER),
			 errmsg("training process sent an invalid message"),
			 errdetail_internal("%s", detail)));
}

/* --- the socket ------------------------------------------------------------- */

/*
 * Wait until the socket is ready, or something wants this backend's attention.
 */
static void
wait_for_socket(MlopsTrainer *trainer, int event)
{
	int			ready = WaitLatchOrSocket(MyLatch,
										  WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | event,
										  trainer->socket, -1L, PG_WAIT_EXTENSION);

	if (ready & WL_LATCH_SET)
		ResetLatch(MyLatch);
}

/*
 * Receive up to size bytes, at least one; 0 if the other end is closed.
 */
static size_t
receive_some(MlopsTrainer *trainer, void *to, size_t size)
{
	for (;;)
	{
		ssize_t		count = recv(trainer->socket, to, size, 0);
		int			error = errno;

		CHECK_FOR_INTERRUPTS();
		if (count >= 0)
			return count;
		errno = error;
		if (error == EAGAIN || error == EWOULDBLOCK)
			wait_for_socket(trainer, WL_SOCKET_READABLE);
		else if (error == ECONNRESET)
			return 0;
		else if (error != EINTR)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_TRAINER),
					 errmsg("could not receive from the training process: %m")));
	}
}

/*
 * Receive exactly size bytes.  Error if the trainer ends before.
 */
static void
receive_bytes(MlopsTrainer *trainer, void *to, size_t size)
{
	char	   *next = to;

	while (size > 0)
	{
		size_t		count = receive_some(trainer, next, size);

		if (count == 0)
			report_death(trainer);
		next += count;
		size -= count;
	}
}

/*
 * Longest body of a message from the trainer.
 */
static uint32
longest_body(uint32 type)
{
	switch (type)
	{
		case MLOPS_WIRE_MODEL:
			return MLOPS_WIRE_MAX_MODEL;
		case MLOPS_WIRE_MARGINS:
			return MLOPS_WIRE_MAX_MARGINS;
		default:
			return MLOPS_WIRE_MAX_REPLY;
	}
}

/*
 * Receive one whole message; the body replaces what is in the buffer.
 */
static uint32
receive_message(MlopsTrainer *trainer, StringInfo body)
{
	MlopsWireHeader header;

	receive_bytes(trainer, &header, sizeof(header));
	if (header.length > longest_body(header.type))
		report_nonsense(trainer, psprintf("A message of type %u has %u bytes.",
										  header.type, header.length));
	resetStringInfo(body);
	enlargeStringInfo(body, header.length);
	receive_bytes(trainer, body->data, header.length);
	body->len = header.length;
	body->data[body->len] = '\0';
	return header.type;
}

/*
 * Take a text off a message, which must end with it.  Palloc'd.
 */
static char *
take_text(MlopsTrainer *trainer, MlopsWireCursor *cursor)
{
	const char *text;
	uint32		length;

	if (!mlops_wire_get_string(cursor, &text, &length) || cursor->next != cursor->end)
		report_nonsense(trainer, "A text is malformed.");
	return text_to_server(text, length);
}

/*
 * Raise the failure that the trainer reports.
 */
pg_noreturn static void
report_failure(MlopsTrainer *trainer, MlopsWireType command, MlopsWireCursor *cursor)
{
	uint32		kind;
	char	   *text;

	if (!mlops_wire_get(cursor, &kind, sizeof(kind)))
		report_nonsense(trainer, "A failure is malformed.");
	text = take_text(trainer, cursor);

	if (kind == MLOPS_FAILURE_REFUSED)
	{
		/* ready for another command */
		trainer->busy = false;
		if (command == MLOPS_WIRE_LOAD || command == MLOPS_WIRE_KEEP || command == MLOPS_WIRE_FOLD)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_TRAINING_DATA),
					 errmsg("training data was refused: %s", text)));
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("training was refused: %s", text)));
	}
	end_trainer(trainer);
	if (kind == MLOPS_FAILURE_MEMORY)
		report_memory(text);
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_TRAINER),
			 errmsg("training process failed: %s", text)));
}

/*
 * Receive the answer to a command into the buffer, whose contents the cursor
 * is set to.  What comes before it is dealt with: warnings go to the client,
 * and lines of evaluation to the history, if there is to be one.
 */
static void
receive_answer(MlopsTrainer *trainer, MlopsWireType command, MlopsWireType answer,
			   StringInfo body, MlopsWireCursor *cursor, List **history)
{
	for (;;)
	{
		uint32		type = receive_message(trainer, body);
		uint32		round;
		char	   *text;

		cursor->next = body->data;
		cursor->end = body->data + body->len;
		if (type == answer)
		{
			trainer->busy = false;
			return;
		}
		switch (type)
		{
			case MLOPS_WIRE_ERROR:
				report_failure(trainer, command, cursor);
				break;
			case MLOPS_WIRE_WARNING:
				ereport(WARNING,
						(errmsg("libxgboost warns: %s", take_text(trainer, cursor))));
				break;
			case MLOPS_WIRE_PROGRESS:
				if (history == NULL || !mlops_wire_get(cursor, &round, sizeof(round)))
					report_nonsense(trainer, "Progress is malformed or unexpected.");
				text = take_text(trainer, cursor);
				mlops_progress_done(trainer->progress, (int64) round + 1);
				mlops_progress_metric(trainer->progress, text);
				if (text[0] != '\0')
					*history = lappend(*history, text);
				else
					pfree(text);
				break;
			default:
				report_nonsense(trainer, psprintf("A message has type %u instead of %u.",
												  type, answer));
		}
	}
}

/*
 * The trainer does not read any more: raise what it said about that.
 */
pg_noreturn static void
report_closed(MlopsTrainer *trainer, MlopsWireType command)
{
	StringInfoData body;
	MlopsWireCursor cursor;

	initStringInfo(&body);
	/* no answer can have this type: it ends by an error */
	receive_answer(trainer, command, 0, &body, &cursor, NULL);
	report_nonsense(trainer, "It does not listen.");
}

/*
 * Send bytes; descriptors go with the first of them.
 */
static void
send_bytes(MlopsTrainer *trainer, MlopsWireType command, const void *from, size_t size,
		   const int *fds, int num_fds)
{
	const char *next = from;

	while (size > 0)
	{
		union
		{
			char		space[CMSG_SPACE(sizeof(int) * MLOPS_WIRE_MAX_FDS)];
			struct cmsghdr alignment;
		}			control;
		struct iovec part = {.iov_base = unconstify(char *, next),.iov_len = size};
		struct msghdr message = {.msg_iov = &part,.msg_iovlen = 1};
		ssize_t		count;
		int			error;

		if (num_fds > 0)
		{
			memset(&control, 0, sizeof(control));
			message.msg_control = control.space;
			message.msg_controllen = CMSG_SPACE(sizeof(int) * num_fds);
			CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
			CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
			CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof(int) * num_fds);
			memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fds, sizeof(int) * num_fds);
		}
		count = sendmsg(trainer->socket, &message, MSG_NOSIGNAL);
		error = errno;
		CHECK_FOR_INTERRUPTS();
		errno = error;
		if (count >= 0)
		{
			next += count;
			size -= count;
			num_fds = 0;
		}
		else if (error == EAGAIN || error == EWOULDBLOCK)
			wait_for_socket(trainer, WL_SOCKET_WRITEABLE);
		else if (error == EPIPE || error == ECONNRESET)
			report_closed(trainer, command);
		else if (error != EINTR)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_TRAINER),
					 errmsg("could not send to the training process: %m")));
	}
}

/*
 * Send a command.  Its answer is to be received before the next one.
 */
static void
send_command(MlopsTrainer *trainer, MlopsWireType type, StringInfo body,
			 const int *fds, int num_fds)
{
	MlopsWireHeader header = {.length = body != NULL ? body->len : 0,.type = type};

	if (trainer->pid == 0 || trainer->busy)
		elog(ERROR, "training process is not ready for a command");
	if (header.length > MLOPS_WIRE_MAX_COMMAND)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("names and parameters of a training exceed %d bytes",
						MLOPS_WIRE_MAX_COMMAND)));
	trainer->busy = true;
	send_bytes(trainer, type, &header, sizeof(header), fds, num_fds);
	if (header.length > 0)
		send_bytes(trainer, type, body->data, body->len, NULL, 0);
}

static void
append_uint32(StringInfo body, uint32 value)
{
	appendBinaryStringInfo(body, (const char *) &value, sizeof(value));
}

static void
append_uint64(StringInfo body, uint64 value)
{
	appendBinaryStringInfo(body, (const char *) &value, sizeof(value));
}

static void
append_text(StringInfo body, const char *text)
{
	char	   *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);

	append_uint32(body, strlen(utf8));
	appendBinaryStringInfo(body, utf8, strlen(utf8));
}

/* --- the start of a trainer --------------------------------------------------- */

/*
 * Make the trainer's descriptors, the child's end of the socket among them.
 */
static void
open_descriptors(MlopsTrainer *trainer)
{
	int			sockets[2];

	while (trainer->num_external_fds < NUM_EXTERNAL_FDS)
	{
		if (!AcquireExternalFD())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("could not get a file descriptor for a training process: %m"),
					 errhint("Raise max_files_per_process.")));
		trainer->num_external_fds++;
	}

	trainer->words = memfd_create("mlops-trainer messages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (trainer->words < 0 || ftruncate(trainer->words, WORDS_SIZE) != 0 ||
		fcntl(trainer->words, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a memory file for a training process: %m")));

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not create a socket for a training process: %m")));
	trainer->socket = sockets[0];
	trainer->far_socket = sockets[1];
	if (!pg_set_noblock(trainer->socket))
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not set the socket of a training process to nonblocking mode: %m")));
}

/*
 * Exchange versions with the trainer.
 */
static void
greet(MlopsTrainer *trainer)
{
	StringInfoData body;
	MlopsWireCursor cursor;
	uint32		greeting[4];

	initStringInfo(&body);
	append_uint32(&body, MLOPS_PROTOCOL_VERSION);
	send_command(trainer, MLOPS_WIRE_HELLO, &body, NULL, 0);
	receive_answer(trainer, MLOPS_WIRE_HELLO, MLOPS_WIRE_GREETING, &body, &cursor, NULL);
	if (!mlops_wire_get(&cursor, greeting, sizeof(greeting)) || cursor.next != cursor.end)
		report_nonsense(trainer, "The greeting is malformed.");
	if (greeting[0] != MLOPS_PROTOCOL_VERSION)
	{
		end_trainer(trainer);
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINER),
				 errmsg("program \"%s\" is of another version of mlops", MLOPS_TRAINER_PROGRAM),
				 errdetail("It speaks version %u of the protocol, the server version %d.",
						   greeting[0], MLOPS_PROTOCOL_VERSION),
				 errhint("Install both from the same build, and reconnect.")));
	}
	for (int i = 0; i < 3; i++)
		trainer->library_version[i] = greeting[i + 1];
	pfree(body.data);
}

/* --- what others call --------------------------------------------------------- */

/*
 * Start a trainer, which lives at most as long as the memory context and the
 * current resource owner.  Rounds are reported to the progress.
 */
MlopsTrainer *
mlops_trainer_start(MemoryContext context, MlopsProgress *progress)
{
	MlopsTrainer *trainer;

	if (!release_callback_registered)
	{
		RegisterResourceReleaseCallback(owner_callback, NULL);
		release_callback_registered = true;
	}

	trainer = MemoryContextAllocZero(context, sizeof(MlopsTrainer));
	trainer->socket = -1;
	trainer->far_socket = -1;
	trainer->words = -1;
	trainer->progress = progress;
	trainer->owner = CurrentResourceOwner;
	dlist_push_head(&trainers, &trainer->node);
	trainer->callback.func = context_callback;
	trainer->callback.arg = trainer;
	MemoryContextRegisterResetCallback(context, &trainer->callback);

	trainer->turn = mlops_turn_take(progress);
	open_descriptors(trainer);
	trainer->pid = mlops_trainer_launch(trainer->far_socket, trainer->words);
	close(trainer->far_socket);
	trainer->far_socket = -1;
	greet(trainer);
	return trainer;
}

/*
 * From now on the trainer belongs to its memory context alone, so that it can
 * live longer than the transaction.
 */
void
mlops_trainer_outlive(MlopsTrainer *trainer)
{
	dlist_delete(&trainer->node);
	trainer->owner = NULL;
}

/* the kind and name of each feature */
static void
append_features(StringInfo body, int num_features, const char *const *names,
				const bool *categorical)
{
	for (int i = 0; i < num_features; i++)
	{
		appendStringInfoChar(body, categorical[i] ? 'c' : 'q');
		append_text(body, names[i]);
	}
}

/*
 * Send a command that is answered by nothing but that it was done.
 */
static void
do_command(MlopsTrainer *trainer, MlopsWireType type, StringInfo body, const int *fds, int num_fds)
{
	MlopsWireCursor cursor;

	send_command(trainer, type, body, fds, num_fds);
	receive_answer(trainer, type, MLOPS_WIRE_LOADED, body, &cursor, NULL);
	if (cursor.next != cursor.end)
		report_nonsense(trainer, "An answer is malformed.");
	pfree(body->data);
}

/*
 * Send a command that gives the trainer its data, whose body has begun.
 */
static void
load(MlopsTrainer *trainer, MlopsWireType command, StringInfo body, const MlopsMatrix *train,
	 const MlopsMatrix *validation, int num_features, const char *const *names, const bool *categorical)
{
	int			fds[MLOPS_WIRE_MAX_FDS];
	int			num_fds = 0;

	append_uint32(body, num_features);
	append_uint64(body, train->num_rows);
	append_uint64(body, validation != NULL ? validation->num_rows : 0);
	append_features(body, num_features, names, categorical);
	fds[num_fds++] = train->fd;
	if (validation != NULL)
		fds[num_fds++] = validation->fd;
	do_command(trainer, command, body, fds, num_fds);
}

/*
 * Give the trainer its data, in place of what it may have.  The memory files
 * may be closed afterwards.  Error if libxgboost refuses the data; the trainer
 * then has none, but can be given other.
 */
void
mlops_trainer_load(MlopsTrainer *trainer, const MlopsMatrix *train,
				   const MlopsMatrix *validation, int num_features,
				   const char *const *names, const bool *categorical)
{
	StringInfoData body;

	initStringInfo(&body);
	load(trainer, MLOPS_WIRE_LOAD, &body, train, validation, num_features, names, categorical);
}

/*
 * The same for quantised matrices with so many bins for each feature, whose
 * rows have weights or not.
 */
void
mlops_trainer_quantise(MlopsTrainer *trainer, const MlopsMatrix *train,
					   const MlopsMatrix *validation, int num_features,
					   const char *const *names, const bool *categorical, int max_bin, bool weighted)
{
	StringInfoData body;

	initStringInfo(&body);
	append_uint32(&body, max_bin);
	appendStringInfoChar(&body, weighted ? 1 : 0);
	load(trainer, MLOPS_WIRE_QUANTISE, &body, train, validation, num_features, names, categorical);
}

/*
 * Give the trainer rows to keep, in place of what it may have, with the fold of
 * each.  Which of them it trains with is to be chosen next.  The memory files
 * may be closed afterwards.
 */
void
mlops_trainer_keep(MlopsTrainer *trainer, const MlopsMatrix *rows, int folds, int num_features,
				   const char *const *names, const bool *categorical)
{
	StringInfoData body;
	int			fds[] = {rows->fd, folds};

	initStringInfo(&body);
	append_uint32(&body, num_features);
	append_uint64(&body, rows->num_rows);
	append_features(&body, num_features, names, categorical);
	do_command(trainer, MLOPS_WIRE_KEEP, &body, fds, lengthof(fds));
}

/*
 * Choose the rows of the next training: all but those of a fold, which it is
 * validated with, or those of the folds before it alone; with fold -1 all rows
 * and no validation.  What was made for the same choice in the same slot is
 * used again.
 */
void
mlops_trainer_fold(MlopsTrainer *trainer, int slot, int fold, bool past)
{
	StringInfoData body;

	initStringInfo(&body);
	append_uint32(&body, slot);
	append_uint32(&body, fold < 0 ? MLOPS_NO_FOLD : (uint32) fold);
	append_uint32(&body, past ? 1 : 0);
	do_command(trainer, MLOPS_WIRE_FOLD, &body, NULL, 0);
}

/*
 * Train on the data that were loaded.  The result is allocated in the current
 * memory context.  Error if libxgboost refuses a parameter; the trainer can
 * then be asked again.
 */
void
mlops_trainer_train(MlopsTrainer *trainer, const MlopsParam *params, int num_params,
					int rounds, int early_stopping_rounds, MlopsTrained *result)
{
	StringInfoData body;
	MlopsWireCursor cursor;
	uint32		trained[2];

	memset(result, 0, sizeof(*result));
	initStringInfo(&body);
	append_uint32(&body, rounds);
	append_uint32(&body, early_stopping_rounds);
	append_uint32(&body, num_params);
	for (int i = 0; i < num_params; i++)
	{
		append_text(&body, params[i].name);
		append_text(&body, params[i].value);
	}
	send_command(trainer, MLOPS_WIRE_TRAIN, &body, NULL, 0);
	receive_answer(trainer, MLOPS_WIRE_TRAIN, MLOPS_WIRE_TRAINED, &body, &cursor,
				   &result->history);
	if (!mlops_wire_get(&cursor, trained, sizeof(trained)) || cursor.next != cursor.end ||
		trained[0] > (uint32) rounds || trained[1] >= trained[0])
		report_nonsense(trainer, "The answer to train is malformed.");
	result->rounds = trained[0];
	result->best_round = trained[1];
	memcpy(result->library_version, trainer->library_version, sizeof(trainer->library_version));
	pfree(body.data);

	initStringInfo(&result->model);
	send_command(trainer, MLOPS_WIRE_SAVE, NULL, NULL, 0);
	receive_answer(trainer, MLOPS_WIRE_SAVE, MLOPS_WIRE_MODEL, &result->model, &cursor, NULL);
}

/*
 * The margins that libxgboost gives to rows with the model that was trained:
 * num_groups for each row, in the current memory context.
 */
const float *
mlops_trainer_predict(MlopsTrainer *trainer, const float *rows, int num_rows,
					  int num_features, int num_groups)
{
	StringInfoData body;
	MlopsWireCursor cursor;

	initStringInfo(&body);
	appendBinaryStringInfo(&body, (const char *) rows,
						   mul_size(mul_size(num_rows, num_features), sizeof(float)));
	send_command(trainer, MLOPS_WIRE_PREDICT, &body, NULL, 0);
	receive_answer(trainer, MLOPS_WIRE_PREDICT, MLOPS_WIRE_MARGINS, &body, &cursor, NULL);
	if ((Size) body.len != mul_size(mul_size(num_rows, num_groups), sizeof(float)))
		report_nonsense(trainer, "The answer to predict does not have a margin for each row.");
	return (const float *) body.data;
}

/*
 * Let the trainer go.  Nothing is expected of it any more, so how it ends is
 * of no interest.
 */
void
mlops_trainer_stop(MlopsTrainer *trainer)
{
	MlopsWireHeader quit = {.type = MLOPS_WIRE_QUIT};
	char		byte;

	if (trainer->pid > 0 && !trainer->busy &&
		send(trainer->socket, &quit, sizeof(quit), MSG_NOSIGNAL) == sizeof(quit))
	{
		while (receive_some(trainer, &byte, 1) > 0)
			;
	}
	end_trainer(trainer);
}
