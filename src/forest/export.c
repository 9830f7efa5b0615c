/*-------------------------------------------------------------------------
 *
 * export.c
 *	  Writes a model file of XGBoost as JSON.
 *
 * Value by value as the file has them, not from a forest, which holds only
 * what scores need: so nothing is lost, neither order of keys, nor deleted
 * nodes, nor what the library keeps for itself.  The text is what XGBoost
 * itself would write: no white space, numbers of floating point in the fewest
 * digits that are read as the same bits, NaN and Infinity as such.
 *
 * Memory: some kilobytes, and what the reader takes to find a key that comes
 * twice.  The text goes piece by piece to the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/export.h"
#include "forest/number.h"
#include "forest/reader.h"

/* bytes of text that are passed on together */
#define PIECE			8192

/* values between two chances to cancel */
#define VALUES_PER_CHECK 4096

typedef struct Export
{
	MlopsReader reader;
	MlopsExportWrite write;
	void	   *arg;
	size_t		len;			/* of what is not passed on yet */
	char		piece[PIECE];
} Export;

/* add bytes to the text */
static void
put(Export *export, const void *bytes, size_t len)
{
	const char *from = bytes;

	while (len > 0)
	{
		size_t		part = Min(len, PIECE - export->len);

		memcpy(export->piece + export->len, from, part);
		export->len += part;
		from += part;
		len -= part;
		if (export->len == PIECE)
		{
			export->write(export->arg, export->piece, PIECE);
			export->len = 0;
		}
	}
}

static void
put_char(Export *export, char c)
{
	put(export, &c, 1);
}

/* add a string with its quotation marks */
static void
put_string(Export *export, const MlopsText *text)
{
	static const char hex[] = "0123456789abcdef";
	static const char plain[] = "\b\f\n\r\t\"\\";
	static const char letters[] = "bfnrt\"\\";
	size_t		done = 0;

	put_char(export, '"');
	for (size_t i = 0; i < text->len; i++)
	{
		uint8		c = text->bytes[i];
		const char *found;

		if (c >= ' ' && c != '"' && c != '\\')
			continue;
		put(export, text->bytes + done, i - done);
		done = i + 1;
		put_char(export, '\\');
		found = strchr(plain, c);
		if (found != NULL)
			put_char(export, letters[found - plain]);
		else
		{
			put(export, "u00", 3);
			put_char(export, hex[c >> 4]);
			put_char(export, hex[c & 15]);
		}
	}
	put(export, text->bytes + done, text->len - done);
	put_char(export, '"');
}

/* read and write a number */
static bool
copy_number(Export *export)
{
	char		text[MLOPS_NUMBER_TEXT];

	if (mlops_ubjson_is_float(&export->reader))
	{
		float		value;

		/* XGBoost, too, reads a number of JSON as float4 */
		if (!mlops_ubjson_float(&export->reader, &value))
			return false;
		put(export, text, mlops_format_float(value, text));
	}
	else
	{
		int64		value;

		if (!mlops_reader_integer(&export->reader, &value))
			return false;
		put(export, text, mlops_format_integer(value, text));
	}
	return true;
}

/* read and write a value that comes next; of an object or array its begin */
static bool
copy_value(Export *export)
{
	MlopsReader *reader = &export->reader;
	MlopsValueKind kind;
	MlopsText	text;
	uint8		flag;

	if (!mlops_reader_kind(reader, &kind))
		return false;
	switch (kind)
	{
		case MLOPS_VALUE_OBJECT:
			put_char(export, '{');
			return mlops_reader_enter_object(reader);
		case MLOPS_VALUE_ARRAY:
			put_char(export, '[');
			return mlops_reader_enter_array(reader);
		case MLOPS_VALUE_STRING:
			if (!mlops_reader_string(reader, &text))
				return false;
			put_string(export, &text);
			return true;
		case MLOPS_VALUE_BOOLEAN:
			if (!mlops_ubjson_flag(reader, &flag))
				return false;
			put(export, flag ? "true" : "false", flag ? 4 : 5);
			return true;
		case MLOPS_VALUE_NULL:
			put(export, "null", 4);
			return mlops_ubjson_scalar(reader);
		default:
			return copy_number(export);
	}
}

/* read and write the whole document */
static bool
copy_document(Export *export)
{
	MlopsReader *reader = &export->reader;
	bool		started[MLOPS_MAX_NESTING + 1] = {false};	/* has an item, by depth */
	int			values = 0;

	do
	{
		if (reader->depth > 0)
		{
			int			depth = reader->depth;
			bool		object = reader->level[depth - 1].object;
			MlopsText	key;
			bool		more;

			if (!(object ? mlops_reader_next_key(reader, &key, &more)
				  : mlops_reader_next_item(reader, &more)))
				return false;
			if (!more)
			{
				put_char(export, object ? '}' : ']');
				started[depth] = false;
				continue;
			}
			if (started[depth])
				put_char(export, ',');
			started[depth] = true;
			if (object)
			{
				put_string(export, &key);
				put_char(export, ':');
			}
		}
		if (++values % VALUES_PER_CHECK == 0)
			mlops_check(reader->support);
		if (!copy_value(export))
			return false;
	} while (reader->depth > 0);
	return mlops_reader_finish(reader);
}

/*
 * Write a model file of XGBoost as JSON: one of UBJSON value by value, one of
 * JSON byte by byte.  The text, in UTF-8, goes to write(arg, ...).  False, with
 * the reason in *error, if the file is of another format or damaged; what was
 * written then is of no use.
 */
bool
mlops_export_json(const void *bytes, size_t len, const MlopsForestEnv *env,
				  MlopsExportWrite write, void *arg, MlopsForestError *error)
{
	MlopsSupport support;
	Export		export;
	bool		done;

	mlops_support_init(&support, env, error);
	switch (mlops_forest_format(bytes, len))
	{
		case MLOPS_FORMAT_XGBOOST_JSON:
			write(arg, bytes, len);
			return true;
		case MLOPS_FORMAT_XGBOOST_UBJSON:
			break;
		default:
			return mlops_fail(&support, MLOPS_FOREST_UNSUPPORTED, 0, NULL,
							  "it is not a model file of XGBoost");
	}
	if (len > PG_UINT32_MAX)
		return mlops_fail(&support, MLOPS_FOREST_LIMIT, PG_UINT32_MAX, NULL,
						  "it has %zu bytes", len);

	mlops_reader_init(&export.reader, &support, bytes, len, true);
	export.write = write;
	export.arg = arg;
	export.len = 0;
	done = copy_document(&export);
	if (done && export.len > 0)
		write(arg, export.piece, export.len);
	mlops_release_all(&support);
	return done;
}
