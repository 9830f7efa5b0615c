/*-------------------------------------------------------------------------
 *
 * wire.c
 *	  The trainer's end of the socket: whole messages in, whole messages out.
 *
 * The socket blocks.  When the other end is gone there is nobody left to
 * work for or to report to, so reading or writing then ends the process,
 * with status 0: if the server's first process adopts us, it takes any
 * other for a crash of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Write down why something did not work.  Always false, for the caller to
 * return.
 */
bool
fail(Failure *failure, MlopsWireFailure kind, const char *format,...)
{
	va_list		args;

	failure->kind = kind;
	va_start(args, format);
	vsnprintf(failure->text, sizeof(failure->text), format, args);
	va_end(args);
	return false;
}

/*
 * Tell the server why we cannot go on, and end.
 */
void
wire_die(MlopsWireFailure kind, const char *format,...)
{
	Failure		failure;
	va_list		args;

	failure.kind = kind;
	va_start(args, format);
	vsnprintf(failure.text, sizeof(failure.text), format, args);
	va_end(args);
	wire_send_failure(&failure);
	_exit(1);
}

/*
 * The memory is the caller's; there is always some, or no return.
 */
static void *
allocate(size_t size)
{
	void	   *memory = malloc(size);

	if (memory == NULL)
		wire_die(MLOPS_FAILURE_MEMORY, "out of memory for a command of %zu bytes", size);
	return memory;
}

/*
 * Keep the descriptors that came with the bytes just read.
 */
static void
take_descriptors(struct msghdr *message, Command *command)
{
	bool		too_many = (message->msg_flags & MSG_CTRUNC) != 0;

	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL;
		 control = CMSG_NXTHDR(message, control))
	{
		size_t		count;
		int			fd;

		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++)
		{
			memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
			if (command->num_fds < MLOPS_WIRE_MAX_FDS)
				command->fds[command->num_fds++] = fd;
			else
			{
				close(fd);
				too_many = true;
			}
		}
	}
	if (too_many)
		wire_die(MLOPS_FAILURE_PROTOCOL, "too many descriptors with a command");
}

/*
 * Read size bytes of a command, and whatever descriptors come with them.  The
 * end of the stream ends the process; in the middle of a command it is no
 * different, because a server that was killed stops anywhere.
 */
static void
read_bytes(Command *command, void *to, size_t size)
{
	char	   *next = to;

	while (size > 0)
	{
		union
		{
			char		space[CMSG_SPACE(sizeof(int) * MLOPS_WIRE_MAX_FDS)];
			struct cmsghdr alignment;
		}			control;
		struct iovec part = {.iov_base = next,.iov_len = size};
		struct msghdr message = {
			.msg_iov = &part,.msg_iovlen = 1,
			.msg_control = control.space,.msg_controllen = sizeof(control.space)
		};
		ssize_t		count = recvmsg(MLOPS_TRAINER_SOCKET, &message, MSG_CMSG_CLOEXEC);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			_exit(0);
		take_descriptors(&message, command);
		next += count;
		size -= count;
	}
}

/*
 * Longest body that a command of this type may have.
 */
static uint32_t
longest_body(uint32_t type)
{
	switch (type)
	{
		case MLOPS_WIRE_HELLO:
			return sizeof(uint32_t);
		case MLOPS_WIRE_LOAD:
		case MLOPS_WIRE_KEEP:
		case MLOPS_WIRE_QUANTISE:
		case MLOPS_WIRE_TRAIN:
		case MLOPS_WIRE_PREDICT:
			return MLOPS_WIRE_MAX_COMMAND;
		case MLOPS_WIRE_FOLD:
			return 3 * sizeof(uint32_t);
		case MLOPS_WIRE_SAVE:
		case MLOPS_WIRE_QUIT:
			return 0;
		default:
			wire_die(MLOPS_FAILURE_PROTOCOL, "unknown command %u", type);
	}
}

/*
 * Wait for the next command.  To be given back with command_release.
 */
void
wire_receive(Command *command)
{
	MlopsWireHeader header;

	memset(command, 0, sizeof(*command));
	read_bytes(command, &header, sizeof(header));
	if (header.length > longest_body(header.type))
		wire_die(MLOPS_FAILURE_PROTOCOL, "command \"%c\" of %u bytes is too long",
				 (char) header.type, header.length);
	command->type = header.type;
	command->length = header.length;
	command->body = allocate(header.length + 1);
	read_bytes(command, command->body, header.length);
	if (command->num_fds > 0 && command->type != MLOPS_WIRE_LOAD &&
		command->type != MLOPS_WIRE_QUANTISE && command->type != MLOPS_WIRE_KEEP)
		wire_die(MLOPS_FAILURE_PROTOCOL, "unexpected descriptor with command \"%c\"",
				 (char) header.type);
}

/*
 * Free a command, with the descriptors that are still in it.
 */
void
command_release(Command *command)
{
	for (int i = 0; i < command->num_fds; i++)
		close(command->fds[i]);
	command->num_fds = 0;
	free(command->body);
	command->body = NULL;
}

static void
write_bytes(const void *from, size_t size)
{
	const char *next = from;

	while (size > 0)
	{
		ssize_t		count = send(MLOPS_TRAINER_SOCKET, next, size, MSG_NOSIGNAL);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			_exit(0);
		next += count;
		size -= count;
	}
}

/*
 * Send a message whose body is at hand.
 */
void
wire_send(MlopsWireType type, const void *body, size_t length)
{
	MlopsWireHeader header = {.length = (uint32_t) length,.type = type};

	write_bytes(&header, sizeof(header));
	write_bytes(body, length);
}

/*
 * Send what comes first in a body, if there is anything, and a string, which
 * is cut if it is very long.
 */
static void
send_string(MlopsWireType type, const void *first, size_t first_size, const char *text)
{
	size_t		room = MLOPS_WIRE_MAX_REPLY - first_size - sizeof(uint32_t);
	size_t		size = strlen(text);
	uint32_t	length = (uint32_t) (size < room ? size : room);
	MlopsWireHeader header = {
		.length = (uint32_t) (first_size + sizeof(length) + length),.type = type
	};

	write_bytes(&header, sizeof(header));
	write_bytes(first, first_size);
	write_bytes(&length, sizeof(length));
	write_bytes(text, length);
}

/*
 * Send a number and a text.
 */
void
wire_send_text(MlopsWireType type, uint32_t number, const char *text)
{
	send_string(type, &number, sizeof(number), text);
}

void
wire_send_warning(const char *text)
{
	send_string(MLOPS_WIRE_WARNING, NULL, 0, text);
}

void
wire_send_failure(const Failure *failure)
{
	wire_send_text(MLOPS_WIRE_ERROR, failure->kind, failure->text);
}
