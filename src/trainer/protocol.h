/*-------------------------------------------------------------------------
 *
 * protocol.h
 *	  What the server and mlops-trainer say to each other; README.md has the
 *	  order in which they say it.
 *
 * Included by both ends, so it knows neither PostgreSQL nor libxgboost.  Both
 * run on one machine and come from one build: integers are in host order.
 * Neither trusts the other: what arrives is read by the functions below,
 * which never leave the message.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_PROTOCOL_H
#define MLOPS_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mlops.h"

/* changes with every change of this file that the other end would notice */
#define MLOPS_PROTOCOL_VERSION	3

/* the descriptor at which the trainer finds its socket */
#define MLOPS_TRAINER_SOCKET	3

/* descriptors that may come with one message: both matrices of a load, rows and folds of a keep */
#define MLOPS_WIRE_MAX_FDS		2

/* most features of a matrix, beyond any table's and any sensible array's */
#define MLOPS_MAX_FEATURES		100000

/* most parameters of a training */
#define MLOPS_MAX_PARAMS		10000

/* most folds that rows are in, and the one that no row is in */
#define MLOPS_MAX_FOLDS			50
#define MLOPS_NO_FOLD			UINT32_MAX

/* most rows that can be asked about at once, and groups that a row can have */
#define MLOPS_WIRE_MAX_ROWS		64
#define MLOPS_WIRE_MAX_GROUPS	1024

/* longest body of a command, of replies, and of the one that is a model */
#define MLOPS_WIRE_MAX_COMMAND	(32 * 1024 * 1024)
#define MLOPS_WIRE_MAX_REPLY	(64 * 1024)
#define MLOPS_WIRE_MAX_MARGINS	(MLOPS_WIRE_MAX_ROWS * MLOPS_WIRE_MAX_GROUPS * sizeof(float))
#define MLOPS_WIRE_MAX_MODEL	MLOPS_ARTIFACT_MAX

/* every message: this, then length bytes of body */
typedef struct MlopsWireHeader
{
	uint32_t	length;
	uint32_t	type;
} MlopsWireHeader;

/*
 * The types.  Commands, and the greeting, are capitals; replies are small
 * letters.
 */
typedef enum MlopsWireType
{
	/* u32 protocol version */
	MLOPS_WIRE_HELLO = 'H',

	/*
	 * u32 features, u64 training rows, u64 validation rows or 0; for each
	 * feature u8 'q' (quantity) or 'c' (category) and a string, its name.
	 * One descriptor for each matrix that has rows.
	 */
	MLOPS_WIRE_LOAD = 'L',

	/*
	 * u32 features, u64 rows; for each feature as above.  Two descriptors: the
	 * rows, and a byte for each of them, the fold that it is in.
	 */
	MLOPS_WIRE_KEEP = 'K',

	/*
	 * u32 slot, u32 fold or MLOPS_NO_FOLD, u32 1 if only rows of the folds
	 * before it are for training, else 0
	 */
	MLOPS_WIRE_FOLD = 'F',

	/*
	 * The same as quantised matrices, whose rows are read from the files in
	 * batches: u32 most bins of a feature, u8 1 if rows have weights, else 0;
	 * then the body of load.
	 */
	MLOPS_WIRE_QUANTISE = 'B',

	/*
	 * u32 rounds, u32 early stopping rounds or 0, u32 parameters; for each a
	 * string, its name, and a string, its value
	 */
	MLOPS_WIRE_TRAIN = 'T',

	/* rows of float32, one after the other, NaN is missing; no label or weight */
	MLOPS_WIRE_PREDICT = 'P',

	/* empty */
	MLOPS_WIRE_SAVE = 'S',
	MLOPS_WIRE_QUIT = 'Q',

	/* u32 protocol version, u32 major, u32 minor, u32 patch of libxgboost */
	MLOPS_WIRE_GREETING = 'h',

	/* empty: the answer to load, keep and fold */
	MLOPS_WIRE_LOADED = 'l',

	/* u32 round from 0, string, empty without a validation matrix */
	MLOPS_WIRE_PROGRESS = 'p',

	/* string: a warning of libxgboost, at any time before the answer */
	MLOPS_WIRE_WARNING = 'w',

	/* u32 rounds trained, u32 best round from 0: the answer to train */
	MLOPS_WIRE_TRAINED = 't',

	/* float32 margins, row after row, nothing else: the answer to predict */
	MLOPS_WIRE_MARGINS = 'g',

	/* the model's bytes, nothing else: the answer to save */
	MLOPS_WIRE_MODEL = 'm',

	/* u32 MlopsWireFailure, string: the answer to any command */
	MLOPS_WIRE_ERROR = 'e'
} MlopsWireType;

typedef enum MlopsWireFailure
{
	/* what was asked is refused; the trainer takes the next command */
	MLOPS_FAILURE_REFUSED = 1,
	/* these three are the trainer's last message */
	MLOPS_FAILURE_MEMORY,
	MLOPS_FAILURE_PROTOCOL,
	MLOPS_FAILURE_SYSTEM
} MlopsWireFailure;

/* a place in a message that is being read */
typedef struct MlopsWireCursor
{
	const char *next;
	const char *end;
} MlopsWireCursor;

/*
 * Take size bytes; false, and nothing taken, if they are not there.
 */
static inline bool
mlops_wire_get(MlopsWireCursor *cursor, void *to, size_t size)
{
	if ((size_t) (cursor->end - cursor->next) < size)
		return false;
	memcpy(to, cursor->next, size);
	cursor->next += size;
	return true;
}

/*
 * Take a string: u32 length and its bytes, none of them NUL.  It points into
 * the message and is not terminated.
 */
static inline bool
mlops_wire_get_string(MlopsWireCursor *cursor, const char **string, uint32_t *length)
{
	MlopsWireCursor ahead = *cursor;

	if (!mlops_wire_get(&ahead, length, sizeof(*length)) ||
		(size_t) (ahead.end - ahead.next) < *length ||
		memchr(ahead.next, '\0', *length) != NULL)
		return false;
	*string = ahead.next;
	cursor->next = ahead.next + *length;
	return true;
}

#endif							/* MLOPS_PROTOCOL_H */
