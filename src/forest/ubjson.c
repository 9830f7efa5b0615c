/*-------------------------------------------------------------------------
 *
 * ubjson.c
 *	  The UBJSON side of the reader.
 *
 * UBJSON draft 12 as XGBoost writes it: objects are plain, arrays may be
 * counted ("#") and typed ("$").  Integers of any size serve as lengths.  Not
 * read, since XGBoost never writes them: high-precision numbers, no-ops, and
 * counted or typed objects.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/reader.h"

/* the type of the value that comes next, and whether a byte says so */
static bool
next_type(MlopsReader *reader, uint8 *type, bool *marked)
{
	if (reader->depth > 0 && reader->level[reader->depth - 1].type != 0)
	{
		*type = reader->level[reader->depth - 1].type;
		*marked = false;
		return true;
	}
	*marked = true;
	if (reader->pos >= reader->len)
	{
		*type = '\0';
		return mlops_reader_invalid(reader, "it ends in the middle of the document");
	}
	*type = reader->bytes[reader->pos];
	return true;
}

/* the bytes that a number of this type takes, or 0 if it is no number */
static int
number_size(uint8 type)
{
	switch (type)
	{
		case 'i':
		case 'U':
			return 1;
		case 'I':
			return 2;
		case 'l':
		case 'd':
			return 4;
		case 'L':
		case 'D':
			return 8;
		default:
			return 0;
	}
}

/* the bits of a number of this size at these bytes, most significant first */
static pg_attribute_always_inline uint64
load_bits(const uint8 *bytes, int size)
{
	uint64		bits = 0;

	for (int i = 0; i < size; i++)
		bits = bits << 8 | bytes[i];
	return bits;
}

/* take the bits of a number; *type gets its type */
static bool
take_number(MlopsReader *reader, uint8 *type, uint64 *bits)
{
	bool		marked;
	int			size;

	*bits = 0;
	if (!next_type(reader, type, &marked))
		return false;
	size = number_size(*type);
	if (size == 0)
		return mlops_reader_invalid(reader, "a number expected");
	if ((size_t) size > reader->len - reader->pos - marked)
	{
		reader->pos = reader->len;
		return mlops_reader_invalid(reader, "it ends in the middle of a number");
	}
	reader->pos += marked;
	*bits = load_bits(reader->bytes + reader->pos, size);
	reader->pos += size;
	return true;
}

/*
 * Read an integer.
 */
bool
mlops_ubjson_integer(MlopsReader *reader, int64 *value)
{
	size_t		start = reader->pos;
	uint8		type;
	uint64		bits;

	if (!take_number(reader, &type, &bits))
		return false;
	switch (type)
	{
		case 'i':
			*value = (int8) bits;
			return true;
		case 'U':
			*value = (uint8) bits;
			return true;
		case 'I':
			*value = (int16) bits;
			return true;
		case 'l':
			*value = (int32) bits;
			return true;
		case 'L':
			*value = (int64) bits;
			return true;
		default:
			reader->pos = start;
			return mlops_reader_invalid(reader, "an integer expected");
	}
}

/*
 * Read a number as float4.
 */
bool
mlops_ubjson_float(MlopsReader *reader, float *value)
{
	size_t		start = reader->pos;
	uint8		type;
	uint64		bits;
	uint32		bits4;
	double		value8;
	int64		integer;

	if (!take_number(reader, &type, &bits))
		return false;
	switch (type)
	{
		case 'd':
			bits4 = (uint32) bits;
			memcpy(value, &bits4, sizeof(bits4));
			return true;
		case 'D':
			memcpy(&value8, &bits, sizeof(value8));
			*value = (float) value8;
			return true;
		default:
			reader->pos = start;
			if (!mlops_ubjson_integer(reader, &integer))
				return false;
			*value = (float) integer;
			return true;
	}
}

/*
 * Is the number that comes next one of floating point?
 */
bool
mlops_ubjson_is_float(MlopsReader *reader)
{
	uint8		type;
	bool		marked;

	return next_type(reader, &type, &marked) && (type == 'd' || type == 'D');
}

/*
 * Read 0, 1, false or true.
 */
bool
mlops_ubjson_flag(MlopsReader *reader, uint8 *value)
{
	size_t		start = reader->pos;
	uint8		type;
	bool		marked;
	int64		integer;

	if (!next_type(reader, &type, &marked))
		return false;
	if (type == 'T' || type == 'F')
	{
		*value = type == 'T';
		reader->pos++;
		return true;
	}
	if (!mlops_ubjson_integer(reader, &integer))
		return false;
	if (integer != 0 && integer != 1)
	{
		reader->pos = start;
		return mlops_reader_invalid(reader, "0 or 1 expected");
	}
	*value = (uint8) integer;
	return true;
}

/* take the length of a string or the count of an array */
static bool
take_length(MlopsReader *reader, int64 *length)
{
	size_t		start = reader->pos;
	bool		marked;
	uint8		type;

	/* a length has a type of its own, also in a typed array */
	if (reader->depth > 0 && reader->level[reader->depth - 1].type != 0)
		return mlops_reader_invalid(reader, "a length expected");
	if (!next_type(reader, &type, &marked))
		return false;
	if (type == 'd' || type == 'D' || number_size(type) == 0)
		return mlops_reader_invalid(reader, "a length expected");
	if (!mlops_ubjson_integer(reader, length))
		return false;
	if (*length < 0)
	{
		reader->pos = start;
		return mlops_reader_invalid(reader, "a length is negative");
	}
	return true;
}

/*
 * What comes next?
 */
bool
mlops_ubjson_kind(MlopsReader *reader, MlopsValueKind *kind)
{
	uint8		type;
	bool		marked;

	if (!next_type(reader, &type, &marked))
		return false;
	switch (type)
	{
		case '{':
			*kind = MLOPS_VALUE_OBJECT;
			return true;
		case '[':
			*kind = MLOPS_VALUE_ARRAY;
			return true;
		case 'S':
			*kind = MLOPS_VALUE_STRING;
			return true;
		case 'T':
		case 'F':
			*kind = MLOPS_VALUE_BOOLEAN;
			return true;
		case 'Z':
			*kind = MLOPS_VALUE_NULL;
			return true;
		default:
			*kind = MLOPS_VALUE_NUMBER;
			return true;
	}
}

/*
 * Enter an object or an array.  What a counted array promises must fit into
 * the bytes that are left.
 */
bool
mlops_ubjson_enter(MlopsReader *reader, bool object)
{
	const uint8 *bytes = reader->bytes;
	MlopsLevel *level;
	uint8		type;
	bool		marked;
	uint8		item = 0;
	int64		count;

	if (!next_type(reader, &type, &marked))
		return false;
	if (!marked || type != (object ? '{' : '['))
		return mlops_reader_invalid(reader, object ? "an object expected" : "an array expected");
	reader->pos++;
	if (!mlops_reader_open(reader, object))
		return false;
	level = &reader->level[reader->depth - 1];

	if (reader->pos < reader->len && (bytes[reader->pos] == '$' || bytes[reader->pos] == '#'))
	{
		if (object)
			return mlops_reader_invalid(reader, "a counted object, which XGBoost never writes");
		if (bytes[reader->pos] == '$')
		{
			reader->pos++;
			if (reader->len - reader->pos < 2)
				return mlops_reader_invalid(reader, "it ends in the middle of an array");
			item = bytes[reader->pos];
			if (number_size(item) == 0)
				return mlops_reader_invalid(reader, "an array of a type that XGBoost never writes");
			reader->pos++;
			if (bytes[reader->pos] != '#')
				return mlops_reader_invalid(reader, "the count of a typed array expected");
		}
		reader->pos++;
		if (!take_length(reader, &count))
			return false;
		if ((uint64) count > (reader->len - reader->pos) / Max(number_size(item), 1))
			return mlops_fail(reader->support, MLOPS_FOREST_INVALID, reader->pos, NULL,
							  "an array of " INT64_FORMAT " items is longer than the rest of the file",
							  count);
		level->type = item;
		level->left = count;
	}
	return true;
}

/*
 * One item more in the innermost object or array?
 */
bool
mlops_ubjson_next(MlopsReader *reader, bool *more)
{
	MlopsLevel *level = &reader->level[reader->depth - 1];

	if (level->left < 0)
	{
		if (reader->pos >= reader->len)
			return mlops_reader_invalid(reader, "it ends in the middle of the document");
		*more = reader->bytes[reader->pos] != (level->object ? '}' : ']');
		if (!*more)
			reader->pos++;
	}
	else
		*more = level->left-- > 0;
	return *more || mlops_reader_close(reader);
}

/* read the length of a string, then its bytes */
static bool
take_text(MlopsReader *reader, MlopsText *text)
{
	int64		len;

	if (!take_length(reader, &len))
		return false;
	if ((uint64) len > reader->len - reader->pos)
		return mlops_fail(reader->support, MLOPS_FOREST_INVALID, reader->pos, NULL,
						  "a string of " INT64_FORMAT " bytes is longer than the rest of the file",
						  len);
	text->bytes = reader->bytes + reader->pos;
	text->len = (size_t) len;
	text->escaped = false;
	if (!mlops_utf8_valid(text->bytes, text->len))
		return mlops_reader_invalid(reader, "a string is not UTF-8");
	if (memchr(text->bytes, 0, text->len) != NULL)
		return mlops_reader_invalid(reader, "a string has a zero character");
	reader->pos += text->len;
	return true;
}

/*
 * Read a key.
 */
bool
mlops_ubjson_key(MlopsReader *reader, MlopsText *key)
{
	return take_text(reader, key);
}

/*
 * Read a string.
 */
bool
mlops_ubjson_string(MlopsReader *reader, MlopsText *text)
{
	uint8		type;
	bool		marked;

	if (!next_type(reader, &type, &marked))
		return false;
	if (!marked || type != 'S')
		return mlops_reader_invalid(reader, "a string expected");
	reader->pos++;
	return take_text(reader, text);
}

/*
 * Pass over a number, a boolean or null.
 */
bool
mlops_ubjson_scalar(MlopsReader *reader)
{
	uint8		type;
	bool		marked;
	uint64		bits;

	if (!next_type(reader, &type, &marked))
		return false;
	if (type == 'T' || type == 'F' || type == 'Z')
	{
		reader->pos++;
		return true;
	}
	return take_number(reader, &type, &bits);
}

/*
 * Take all items of the innermost array into a vector that has room for them,
 * if they are of the given type: 'U', flags, and 'd', 'l' and 'L', of 4, 4 and
 * 8 bytes.  Otherwise do nothing; items can always be taken one by one.
 */
void
mlops_ubjson_take_all(MlopsReader *reader, MlopsVector *vector, uint8 type)
{
	MlopsLevel *level = &reader->level[reader->depth - 1];
	const uint8 *bytes = reader->bytes + reader->pos;
	size_t		count = (size_t) level->left;

	if (level->type != type)
		return;
	if (type == 'U')
	{
		uint8		all = 0;

		for (size_t i = 0; i < count; i++)
			all |= bytes[i];
		if (all > 1)
			return;
		memcpy(vector->data, bytes, count);
	}
	else if (type == 'L')
	{
		for (size_t i = 0; i < count; i++)
			((uint64 *) vector->data)[i] = load_bits(bytes + 8 * i, 8);
	}
	else
	{
		for (size_t i = 0; i < count; i++)
			((uint32 *) vector->data)[i] = (uint32) load_bits(bytes + 4 * i, 4);
	}
	vector->count = count;
	reader->pos += count * number_size(type);
	level->left = 0;
}
