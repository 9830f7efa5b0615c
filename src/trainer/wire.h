/*-------------------------------------------------------------------------
 *
 * wire.h
 *	  The trainer's end of the socket.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_WIRE_H
#define MLOPS_WIRE_H

#include "protocol.h"

/* a command as it arrived; the body and the descriptors are the receiver's */
typedef struct Command
{
	uint32_t	type;
	uint32_t	length;
	char	   *body;
	int			fds[MLOPS_WIRE_MAX_FDS];
	int			num_fds;
} Command;

/* why something did not work; text is one line */
typedef struct Failure
{
	MlopsWireFailure kind;
	char		text[4096];
} Failure;

extern bool fail(Failure *failure, MlopsWireFailure kind, const char *format,...)
			__attribute__((format(printf, 3, 4)));

extern void wire_receive(Command *command);
extern void command_release(Command *command);
extern void wire_send(MlopsWireType type, const void *body, size_t length);
extern void wire_send_text(MlopsWireType type, uint32_t number, const char *text);
extern void wire_send_warning(const char *text);
extern void wire_send_failure(const Failure *failure);
extern void wire_die(MlopsWireFailure kind, const char *format,...)
			__attribute__((format(printf, 2, 3), noreturn));

#endif							/* MLOPS_WIRE_H */
