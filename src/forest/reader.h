/*-------------------------------------------------------------------------
 *
 * reader.h
 *	  A pull reader of JSON and UBJSON documents.
 *
 * The two formats carry the same documents, so whoever reads a model asks
 * this one interface: what comes next, enter it, take the next key, read a
 * whole array of numbers into a vector.  No tree of the document is ever
 * built, and a value is looked at once.
 *
 * Whatever the bytes are, the reader stays inside them, nests no deeper than
 * MLOPS_MAX_NESTING, allocates nothing that the bytes still to come cannot
 * fill, and refuses an object that has a key twice, also where the value is
 * skipped.  All functions return false after an error, which then is in
 * support->error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_READER_H
#define MLOPS_FOREST_READER_H

#include "forest/support.h"

/* deepest nesting of objects and arrays; a model needs 8 */
#define MLOPS_MAX_NESTING	32

/* what an integer array holds for a number beyond int32 */
#define MLOPS_OUT_OF_RANGE	PG_INT32_MIN

typedef enum MlopsValueKind
{
	MLOPS_VALUE_OBJECT,
	MLOPS_VALUE_ARRAY,
	MLOPS_VALUE_STRING,
	MLOPS_VALUE_NUMBER,
	MLOPS_VALUE_BOOLEAN,
	MLOPS_VALUE_NULL
} MlopsValueKind;

/* a string as it stands in the file, valid UTF-8 without a zero character */
typedef struct MlopsText
{
	const uint8 *bytes;
	size_t		len;
	bool		escaped;		/* JSON with escape sequences, to be resolved */
} MlopsText;

/* a key of an open object, kept to find duplicates */
typedef struct MlopsKey
{
	uint32		hash;
	uint32		len;
	uint32		offset;			/* in the file */
} MlopsKey;

/* an open object or array */
typedef struct MlopsLevel
{
	bool		object;
	bool		started;		/* JSON: a comma must come before the next item */
	uint8		type;			/* UBJSON: type of all items, or 0 */
	int64		left;			/* UBJSON: items still to come, or -1 */
	size_t		first_key;		/* index of the object's first key in keys */
} MlopsLevel;

typedef struct MlopsReader
{
	MlopsSupport *support;
	const uint8 *bytes;
	size_t		len;
	size_t		pos;
	bool		binary;			/* UBJSON */
	int			depth;			/* open objects and arrays */
	MlopsLevel	level[MLOPS_MAX_NESTING];
	MlopsVector keys;			/* of MlopsKey: those of the open objects */
} MlopsReader;

extern void mlops_reader_init(MlopsReader *reader, MlopsSupport *support,
							  const void *bytes, size_t len, bool binary);
extern bool mlops_reader_kind(MlopsReader *reader, MlopsValueKind *kind);
extern bool mlops_reader_enter_object(MlopsReader *reader);
extern bool mlops_reader_next_key(MlopsReader *reader, MlopsText *key, bool *more);
extern bool mlops_reader_enter_array(MlopsReader *reader);
extern bool mlops_reader_next_item(MlopsReader *reader, bool *more);
extern bool mlops_reader_string(MlopsReader *reader, MlopsText *text);
extern bool mlops_reader_integer(MlopsReader *reader, int64 *value);
extern bool mlops_reader_floats(MlopsReader *reader, MlopsVector *floats);
extern bool mlops_reader_integers(MlopsReader *reader, MlopsVector *integers);
extern bool mlops_reader_longs(MlopsReader *reader, MlopsVector *longs);
extern bool mlops_reader_flags(MlopsReader *reader, MlopsVector *flags);
extern bool mlops_reader_skip(MlopsReader *reader);
extern bool mlops_reader_finish(MlopsReader *reader);

extern bool mlops_text_is(const MlopsText *text, const char *word);
extern size_t mlops_text_copy(const MlopsText *text, char *target);

/* for json.c and ubjson.c */
extern bool mlops_reader_open(MlopsReader *reader, bool object);
extern bool mlops_reader_close(MlopsReader *reader);
extern bool mlops_reader_add_key(MlopsReader *reader, const MlopsText *key);
extern bool mlops_reader_invalid(MlopsReader *reader, const char *what);

extern bool mlops_json_kind(MlopsReader *reader, MlopsValueKind *kind);
extern bool mlops_json_enter(MlopsReader *reader, bool object);
extern bool mlops_json_next(MlopsReader *reader, bool *more);
extern bool mlops_json_key(MlopsReader *reader, MlopsText *key);
extern bool mlops_json_string(MlopsReader *reader, MlopsText *text);
extern bool mlops_json_integer(MlopsReader *reader, int64 *value);
extern bool mlops_json_float(MlopsReader *reader, float *value);
extern bool mlops_json_flag(MlopsReader *reader, uint8 *value);
extern bool mlops_json_scalar(MlopsReader *reader);
extern size_t mlops_json_decode(const uint8 *bytes, size_t len, char *target);

extern bool mlops_ubjson_kind(MlopsReader *reader, MlopsValueKind *kind);
extern bool mlops_ubjson_enter(MlopsReader *reader, bool object);
extern bool mlops_ubjson_next(MlopsReader *reader, bool *more);
extern bool mlops_ubjson_key(MlopsReader *reader, MlopsText *key);
extern bool mlops_ubjson_string(MlopsReader *reader, MlopsText *text);
extern bool mlops_ubjson_integer(MlopsReader *reader, int64 *value);
extern bool mlops_ubjson_float(MlopsReader *reader, float *value);
extern bool mlops_ubjson_is_float(MlopsReader *reader);
extern bool mlops_ubjson_flag(MlopsReader *reader, uint8 *value);
extern bool mlops_ubjson_scalar(MlopsReader *reader);
extern void mlops_ubjson_take_all(MlopsReader *reader, MlopsVector *vector, uint8 type);

#endif							/* MLOPS_FOREST_READER_H */
