/*-------------------------------------------------------------------------
 *
 * json.c
 *	  The JSON side of the reader.
 *
 * JSON as RFC 8259 has it, and the number literals NaN, Infinity and -Infinity
 * where a floating-point number is read: XGBoost writes them.  Keys must be
 * written without escape sequences; two ways to write one key would let a file
 * mean one thing to us and another to the library that made it.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/number.h"
#include "forest/reader.h"

/* go to the next character that is not white space; '\0' at the end */
static inline uint8
next_character(MlopsReader *reader)
{
	while (reader->pos < reader->len)
	{
		uint8		c = reader->bytes[reader->pos];

		if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
			return c;
		reader->pos++;
	}
	return '\0';
}

/* if the given word is next, pass over it */
static bool
take_word(MlopsReader *reader, const char *word)
{
	size_t		len = strlen(word);

	if (len > reader->len - reader->pos ||
		memcmp(reader->bytes + reader->pos, word, len) != 0)
		return false;
	reader->pos += len;
	return true;
}

/* what ended too early, or is not what should be here */
static bool
unexpected(MlopsReader *reader, const char *wanted)
{
	if (reader->pos >= reader->len)
		return mlops_reader_invalid(reader, "it ends in the middle of the document");
	return mlops_fail(reader->support, MLOPS_FOREST_INVALID, reader->pos, NULL,
					  "%s expected", wanted);
}

/*
 * What comes next?
 */
bool
mlops_json_kind(MlopsReader *reader, MlopsValueKind *kind)
{
	switch (next_character(reader))
	{
		case '{':
			*kind = MLOPS_VALUE_OBJECT;
			return true;
		case '[':
			*kind = MLOPS_VALUE_ARRAY;
			return true;
		case '"':
			*kind = MLOPS_VALUE_STRING;
			return true;
		case 't':
		case 'f':
			*kind = MLOPS_VALUE_BOOLEAN;
			return true;
		case 'n':
			*kind = MLOPS_VALUE_NULL;
			return true;
		default:
			*kind = MLOPS_VALUE_NUMBER;
			return true;
	}
}

/*
 * Enter an object or an array.
 */
bool
mlops_json_enter(MlopsReader *reader, bool object)
{
	if (next_character(reader) != (object ? '{' : '['))
		return unexpected(reader, object ? "an object" : "an array");
	if (!mlops_reader_open(reader, object))
		return false;
	reader->pos++;
	return true;
}

/*
 * One item more in the innermost object or array?
 */
bool
mlops_json_next(MlopsReader *reader, bool *more)
{
	MlopsLevel *level = &reader->level[reader->depth - 1];
	uint8		c = next_character(reader);

	if (c == (level->object ? '}' : ']'))
	{
		reader->pos++;
		*more = false;
		return mlops_reader_close(reader);
	}
	if (level->started)
	{
		if (c != ',')
			return unexpected(reader, level->object ? "\",\" or \"}\"" : "\",\" or \"]\"");
		reader->pos++;
	}
	level->started = true;
	*more = true;
	return true;
}

/*
 * Read a key and the colon after it.
 */
bool
mlops_json_key(MlopsReader *reader, MlopsText *key)
{
	size_t		start;

	if (next_character(reader) != '"')
		return unexpected(reader, "a key");
	start = reader->pos;
	if (!mlops_json_string(reader, key))
		return false;
	if (key->escaped)
		return mlops_fail(reader->support, MLOPS_FOREST_UNSUPPORTED, start,
						  "Write keys without escape sequences.",
						  "a key is written with escape sequences");
	if (next_character(reader) != ':')
		return unexpected(reader, "\":\"");
	reader->pos++;
	return true;
}

/* the value of four hexadecimal digits, or -1 */
static int
four_digits(const uint8 *bytes)
{
	int			value = 0;

	for (int i = 0; i < 4; i++)
	{
		uint8		c = bytes[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			value = value << 4 | (c - 'A' + 10);
		else
			return -1;
	}
	return value;
}

/*
 * Check the escape sequence at pos, whose backslash has been seen; *len gets
 * its length, that of both halves of a surrogate pair.
 */
static bool
check_escape(MlopsReader *reader, size_t pos, size_t *len)
{
	const uint8 *bytes = reader->bytes + pos;
	size_t		rest = reader->len - pos;
	int			code;
	int			low;

	reader->pos = pos;
	if (rest < 2)
	{
		reader->pos = reader->len;
		return unexpected(reader, "an escape sequence");
	}
	*len = 2;
	if (bytes[1] != '\0' && strchr("\"\\/bfnrt", bytes[1]) != NULL)
		return true;
	if (bytes[1] != 'u' || rest < 6 || (code = four_digits(bytes + 2)) < 0)
		return mlops_reader_invalid(reader, "a string has an escape sequence that JSON does not know");
	*len = 6;
	if (code == 0)
		return mlops_reader_invalid(reader, "a string has a zero character");
	if (code >= 0xD800 && code <= 0xDFFF)
	{
		if (code > 0xDBFF || rest < 12 || bytes[6] != '\\' || bytes[7] != 'u' ||
			(low = four_digits(bytes + 8)) < 0xDC00 || low > 0xDFFF)
			return mlops_reader_invalid(reader, "a string has half of a surrogate pair");
		*len = 12;
	}
	return true;
}

/*
 * Read a string.  The text is what stands between the quotation marks.
 */
bool
mlops_json_string(MlopsReader *reader, MlopsText *text)
{
	const uint8 *bytes = reader->bytes;
	size_t		start;
	size_t		pos;

	if (next_character(reader) != '"')
		return unexpected(reader, "a string");
	start = pos = reader->pos + 1;
	text->escaped = false;
	for (;;)
	{
		if (pos >= reader->len)
		{
			reader->pos = reader->len;
			return unexpected(reader, "\"\"\"");
		}
		if (bytes[pos] == '"')
			break;
		if (bytes[pos] < ' ')
		{
			reader->pos = pos;
			return mlops_reader_invalid(reader, "a string has a control character");
		}
		if (bytes[pos] == '\\')
		{
			size_t		len = 2;

			if (!check_escape(reader, pos, &len))
				return false;
			text->escaped = true;
			pos += len;
		}
		else
			pos++;
	}
	text->bytes = bytes + start;
	text->len = pos - start;
	reader->pos = start;
	if (!mlops_utf8_valid(text->bytes, text->len))
		return mlops_reader_invalid(reader, "a string is not UTF-8");
	reader->pos = pos + 1;
	return true;
}

/*
 * Resolve the escape sequences of a string that mlops_json_string() has
 * accepted.  The result, whose length is returned, is never longer.
 */
size_t
mlops_json_decode(const uint8 *bytes, size_t len, char *target)
{
	char	   *out = target;
	size_t		i = 0;

	while (i < len)
	{
		uint32		code;

		if (bytes[i] != '\\')
		{
			*out++ = bytes[i++];
			continue;
		}
		i += 2;
		switch (bytes[i - 1])
		{
			case 'b':
				*out++ = '\b';
				continue;
			case 'f':
				*out++ = '\f';
				continue;
			case 'n':
				*out++ = '\n';
				continue;
			case 'r':
				*out++ = '\r';
				continue;
			case 't':
				*out++ = '\t';
				continue;
			case 'u':
				break;
			default:
				*out++ = bytes[i - 1];
				continue;
		}
		code = four_digits(bytes + i);
		i += 4;
		if (code >= 0xD800 && code <= 0xDBFF)
		{
			code = 0x10000 + ((code - 0xD800) << 10) + (four_digits(bytes + i + 2) - 0xDC00);
			i += 6;
		}
		if (code < 0x80)
			*out++ = code;
		else if (code < 0x800)
		{
			*out++ = 0xC0 | code >> 6;
			*out++ = 0x80 | (code & 0x3F);
		}
		else if (code < 0x10000)
		{
			*out++ = 0xE0 | code >> 12;
			*out++ = 0x80 | (code >> 6 & 0x3F);
			*out++ = 0x80 | (code & 0x3F);
		}
		else
		{
			*out++ = 0xF0 | code >> 18;
			*out++ = 0x80 | (code >> 12 & 0x3F);
			*out++ = 0x80 | (code >> 6 & 0x3F);
			*out++ = 0x80 | (code & 0x3F);
		}
	}
	return out - target;
}

/*
 * Read an integer.
 */
bool
mlops_json_integer(MlopsReader *reader, int64 *value)
{
	const char *end = (const char *) reader->bytes + reader->len;
	const char *next;

	(void) next_character(reader);
	next = mlops_parse_integer((const char *) reader->bytes + reader->pos, end, value);
	if (next == NULL)
		return unexpected(reader, "an integer");
	reader->pos = next - (const char *) reader->bytes;
	return true;
}

/*
 * Read a number, rounded to float4 exactly.
 */
bool
mlops_json_float(MlopsReader *reader, float *value)
{
	const char *end = (const char *) reader->bytes + reader->len;
	const char *next;

	(void) next_character(reader);
	next = mlops_parse_float((const char *) reader->bytes + reader->pos, end, value);
	if (next != NULL)
		reader->pos = next - (const char *) reader->bytes;
	else if (take_word(reader, "NaN"))
		*value = NAN;
	else if (take_word(reader, "Infinity"))
		*value = INFINITY;
	else if (take_word(reader, "-Infinity"))
		*value = -INFINITY;
	else
		return unexpected(reader, "a number");
	return true;
}

/*
 * Read 0, 1, false or true.
 */
bool
mlops_json_flag(MlopsReader *reader, uint8 *value)
{
	uint8		c = next_character(reader);
	int64		integer;

	if (c == 't' && take_word(reader, "true"))
		*value = 1;
	else if (c == 'f' && take_word(reader, "false"))
		*value = 0;
	else
	{
		size_t		start = reader->pos;

		if (!mlops_json_integer(reader, &integer))
			return false;
		if (integer != 0 && integer != 1)
		{
			reader->pos = start;
			return mlops_reader_invalid(reader, "0 or 1 expected");
		}
		*value = (uint8) integer;
	}
	return true;
}

/*
 * Pass over a number, a boolean or null.
 */
bool
mlops_json_scalar(MlopsReader *reader)
{
	float		number;

	switch (next_character(reader))
	{
		case 't':
			return take_word(reader, "true") || unexpected(reader, "a value");
		case 'f':
			return take_word(reader, "false") || unexpected(reader, "a value");
		case 'n':
			return take_word(reader, "null") || unexpected(reader, "a value");
		default:
			return mlops_json_float(reader, &number);
	}
}
