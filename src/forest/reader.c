/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  A pull reader of JSON and UBJSON documents: what the formats share.
 *
 * See reader.h.  The formats themselves are in json.c and ubjson.c.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/reader.h"

/* objects with more keys are checked for duplicates when they close */
#define FEW_KEYS	32

/* keys of one object with one hash; only a hostile file has more */
#define MAX_SAME_HASH	64

/* items of an array between two chances to cancel */
#define ITEMS_PER_CHECK	65536

/*
 * Begin to read a document of less than 4 GB.  The bytes must stay in place.
 */
void
mlops_reader_init(MlopsReader *reader, MlopsSupport *support,
				  const void *bytes, size_t len, bool binary)
{
	Assert(len <= PG_UINT32_MAX);
	memset(reader, 0, sizeof(*reader));
	reader->support = support;
	reader->bytes = bytes;
	reader->len = len;
	reader->binary = binary;
}

/*
 * The document is damaged here.  Returns false.
 */
bool
mlops_reader_invalid(MlopsReader *reader, const char *what)
{
	return mlops_fail(reader->support, MLOPS_FOREST_INVALID, reader->pos, NULL,
					  "%s", what);
}

/*
 * What comes next?  Does not move on.
 */
bool
mlops_reader_kind(MlopsReader *reader, MlopsValueKind *kind)
{
	return reader->binary ? mlops_ubjson_kind(reader, kind)
		: mlops_json_kind(reader, kind);
}

/*
 * An object or array opens.
 */
bool
mlops_reader_open(MlopsReader *reader, bool object)
{
	MlopsLevel *level;

	mlops_check(reader->support);
	if (reader->depth >= MLOPS_MAX_NESTING)
		return mlops_fail(reader->support, MLOPS_FOREST_LIMIT, reader->pos, NULL,
						  "it nests deeper than %d levels", MLOPS_MAX_NESTING);
	level = &reader->level[reader->depth++];
	level->object = object;
	level->started = false;
	level->type = 0;
	level->left = -1;
	level->first_key = reader->keys.count;
	return true;
}

/* the same key? */
static bool
same_key(const MlopsReader *reader, const MlopsKey *a, const MlopsKey *b)
{
	return a->hash == b->hash && a->len == b->len &&
		memcmp(reader->bytes + a->offset, reader->bytes + b->offset, a->len) == 0;
}

/* report a key that an object has twice */
static bool
duplicate_key(MlopsReader *reader, const MlopsKey *key)
{
	return mlops_fail(reader->support, MLOPS_FOREST_INVALID, key->offset, NULL,
					  "an object has the key \"%.*s\" twice",
					  (int) Min(key->len, 60), (const char *) reader->bytes + key->offset);
}

/*
 * Keep a key of the innermost object, which must not have it already.  In an
 * object of many keys that is found out when the object closes.
 */
bool
mlops_reader_add_key(MlopsReader *reader, const MlopsText *key)
{
	MlopsLevel *level = &reader->level[reader->depth - 1];
	MlopsKey   *keys;
	MlopsKey   *added;

	if (!mlops_vector_reserve(reader->support, &reader->keys, sizeof(MlopsKey), 1))
		return false;
	keys = reader->keys.data;
	added = &keys[reader->keys.count];
	added->len = (uint32) key->len;
	added->offset = (uint32) (key->bytes - reader->bytes);
	added->hash = 2166136261u;	/* FNV-1a */
	for (size_t i = 0; i < key->len; i++)
		added->hash = (added->hash ^ key->bytes[i]) * 16777619u;

	if (reader->keys.count - level->first_key < FEW_KEYS)
	{
		for (MlopsKey *other = keys + level->first_key; other < added; other++)
		{
			if (same_key(reader, other, added))
				return duplicate_key(reader, added);
		}
	}
	reader->keys.count++;
	return true;
}

/*
 * An object of many keys closes: has it one twice?
 */
static bool
check_many_keys(MlopsReader *reader, const MlopsKey *keys, size_t count)
{
	uint64	   *sorted;

	sorted = mlops_alloc(reader->support, count * sizeof(uint64));
	if (sorted == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		sorted[i] = (uint64) keys[i].hash << 32 | i;
	mlops_sort_uint64(sorted, count);

	for (size_t i = 1; i < count; i++)
	{
		const MlopsKey *key = &keys[(uint32) sorted[i]];

		for (size_t k = i; k > 0 && sorted[k - 1] >> 32 == key->hash; k--)
		{
			if (same_key(reader, &keys[(uint32) sorted[k - 1]], key))
				return duplicate_key(reader, key);
			if (i - k >= MAX_SAME_HASH)
				return mlops_fail(reader->support, MLOPS_FOREST_INVALID, key->offset, NULL,
								  "an object has too many keys of one hash");
		}
	}
	mlops_release(reader->support, sorted);
	return true;
}

/*
 * The innermost object or array closes.
 */
bool
mlops_reader_close(MlopsReader *reader)
{
	MlopsLevel *level = &reader->level[--reader->depth];

	if (level->object)
	{
		size_t		count = reader->keys.count - level->first_key;

		if (count > FEW_KEYS &&
			!check_many_keys(reader, (MlopsKey *) reader->keys.data + level->first_key, count))
			return false;
		reader->keys.count = level->first_key;
	}
	return true;
}

/*
 * Enter an object; read it with mlops_reader_next_key().
 */
bool
mlops_reader_enter_object(MlopsReader *reader)
{
	return reader->binary ? mlops_ubjson_enter(reader, true)
		: mlops_json_enter(reader, true);
}

/*
 * The next key of the innermost object; its value must be read or skipped
 * before the next call.  *more is false at the object's end, which is left.
 */
bool
mlops_reader_next_key(MlopsReader *reader, MlopsText *key, bool *more)
{
	if (!(reader->binary ? mlops_ubjson_next(reader, more)
		  : mlops_json_next(reader, more)))
		return false;
	if (!*more)
		return true;
	if (!(reader->binary ? mlops_ubjson_key(reader, key)
		  : mlops_json_key(reader, key)))
		return false;
	return mlops_reader_add_key(reader, key);
}

/*
 * Enter an array; read it with mlops_reader_next_item().
 */
bool
mlops_reader_enter_array(MlopsReader *reader)
{
	return reader->binary ? mlops_ubjson_enter(reader, false)
		: mlops_json_enter(reader, false);
}

/*
 * Is there one more item in the innermost array?  If so it must be read or
 * skipped before the next call; if not, the array is left.
 */
bool
mlops_reader_next_item(MlopsReader *reader, bool *more)
{
	return reader->binary ? mlops_ubjson_next(reader, more)
		: mlops_json_next(reader, more);
}

/*
 * Read a string.
 */
bool
mlops_reader_string(MlopsReader *reader, MlopsText *text)
{
	return reader->binary ? mlops_ubjson_string(reader, text)
		: mlops_json_string(reader, text);
}

/*
 * Read an integer.
 */
bool
mlops_reader_integer(MlopsReader *reader, int64 *value)
{
	return reader->binary ? mlops_ubjson_integer(reader, value)
		: mlops_json_integer(reader, value);
}

/*
 * Before an array is read into a vector: empty the vector, and where the
 * format says how many items come, make room for them.  Items of the given
 * type of UBJSON are taken at once.
 */
static bool
enter_vector(MlopsReader *reader, MlopsVector *vector, size_t element, uint8 type)
{
	int64		left;

	vector->count = 0;
	if (!mlops_reader_enter_array(reader))
		return false;
	left = reader->level[reader->depth - 1].left;
	if (left <= 0)
		return true;
	if (!mlops_vector_reserve(reader->support, vector, element, (size_t) left))
		return false;
	mlops_ubjson_take_all(reader, vector, type);
	return true;
}

/*
 * One item more for a vector?
 */
static bool
next_in_vector(MlopsReader *reader, MlopsVector *vector, size_t element, bool *more)
{
	if (!mlops_reader_next_item(reader, more))
		return false;
	if (!*more)
		return true;
	if (vector->count % ITEMS_PER_CHECK == ITEMS_PER_CHECK - 1)
		mlops_check(reader->support);
	return mlops_vector_reserve(reader->support, vector, element, 1);
}

/*
 * Read an array of numbers into a vector of float.
 */
bool
mlops_reader_floats(MlopsReader *reader, MlopsVector *floats)
{
	bool		more;

	if (!enter_vector(reader, floats, sizeof(float), 'd'))
		return false;
	for (;;)
	{
		float	   *item;

		if (!next_in_vector(reader, floats, sizeof(float), &more))
			return false;
		if (!more)
			return true;
		item = (float *) floats->data + floats->count;
		if (!(reader->binary ? mlops_ubjson_float(reader, item)
			  : mlops_json_float(reader, item)))
			return false;
		floats->count++;
	}
}

/*
 * Read an array of integers into a vector of int32.  What does not fit becomes
 * MLOPS_OUT_OF_RANGE: deleted nodes may hold such values.
 */
bool
mlops_reader_integers(MlopsReader *reader, MlopsVector *integers)
{
	bool		more;

	if (!enter_vector(reader, integers, sizeof(int32), 'l'))
		return false;
	for (;;)
	{
		int64		item;

		if (!next_in_vector(reader, integers, sizeof(int32), &more))
			return false;
		if (!more)
			return true;
		if (!mlops_reader_integer(reader, &item))
			return false;
		if (item < PG_INT32_MIN || item > PG_INT32_MAX)
			item = MLOPS_OUT_OF_RANGE;
		((int32 *) integers->data)[integers->count++] = (int32) item;
	}
}

/*
 * Read an array of integers into a vector of int64.
 */
bool
mlops_reader_longs(MlopsReader *reader, MlopsVector *longs)
{
	bool		more;

	if (!enter_vector(reader, longs, sizeof(int64), 'L'))
		return false;
	for (;;)
	{
		if (!next_in_vector(reader, longs, sizeof(int64), &more))
			return false;
		if (!more)
			return true;
		if (!mlops_reader_integer(reader, (int64 *) longs->data + longs->count))
			return false;
		longs->count++;
	}
}

/*
 * Read an array of 0 and 1, or false and true, into a vector of uint8.
 */
bool
mlops_reader_flags(MlopsReader *reader, MlopsVector *flags)
{
	bool		more;

	if (!enter_vector(reader, flags, sizeof(uint8), 'U'))
		return false;
	for (;;)
	{
		uint8	   *item;

		if (!next_in_vector(reader, flags, sizeof(uint8), &more))
			return false;
		if (!more)
			return true;
		item = (uint8 *) flags->data + flags->count;
		if (!(reader->binary ? mlops_ubjson_flag(reader, item)
			  : mlops_json_flag(reader, item)))
			return false;
		flags->count++;
	}
}

/*
 * Pass over a value of any kind, checking it all the same.
 */
bool
mlops_reader_skip(MlopsReader *reader)
{
	int			depth = reader->depth;

	do
	{
		MlopsValueKind kind;
		MlopsText	text;
		bool		more = true;

		/* within what is skipped: the next key or item, or the way out */
		if (reader->depth > depth)
		{
			if (!(reader->level[reader->depth - 1].object
				  ? mlops_reader_next_key(reader, &text, &more)
				  : mlops_reader_next_item(reader, &more)))
				return false;
			if (!more)
				continue;
		}
		if (!mlops_reader_kind(reader, &kind))
			return false;
		switch (kind)
		{
			case MLOPS_VALUE_OBJECT:
				if (!mlops_reader_enter_object(reader))
					return false;
				break;
			case MLOPS_VALUE_ARRAY:
				if (!mlops_reader_enter_array(reader))
					return false;
				break;
			case MLOPS_VALUE_STRING:
				if (!mlops_reader_string(reader, &text))
					return false;
				break;
			default:
				if (!(reader->binary ? mlops_ubjson_scalar(reader)
					  : mlops_json_scalar(reader)))
					return false;
		}
	} while (reader->depth > depth);
	return true;
}

/*
 * The document has been read: nothing may follow it.
 */
bool
mlops_reader_finish(MlopsReader *reader)
{
	if (!reader->binary)
	{
		while (reader->pos < reader->len && strchr(" \t\r\n", reader->bytes[reader->pos]) != NULL &&
			   reader->bytes[reader->pos] != '\0')
			reader->pos++;
	}
	if (reader->pos < reader->len)
		return mlops_reader_invalid(reader, "bytes follow the end of the document");
	return true;
}

/*
 * Is this the given word?  Text with escape sequences never is.
 */
bool
mlops_text_is(const MlopsText *text, const char *word)
{
	return !text->escaped && strlen(word) == text->len &&
		memcmp(text->bytes, word, text->len) == 0;
}

/*
 * Copy a text, its escape sequences resolved, to target, which has room for
 * text->len bytes.  Returns the length; adds no zero.
 */
size_t
mlops_text_copy(const MlopsText *text, char *target)
{
	if (text->escaped)
		return mlops_json_decode(text->bytes, text->len, target);
	memcpy(target, text->bytes, text->len);
	return text->len;
}
