/*-------------------------------------------------------------------------
 *
 * sketch_type.c
 *	  The SQL type mlops.sketch: input and output, and what SQL values mean.
 *
 * A value is a varlena around the encoding of sketch_bytes.c, which begins
 * with its version.  It is checked whenever it is read, so that a damaged one
 * leads to an error and never further.
 *
 * An SQL value means what it means as a feature of a model: numbers as double
 * precision, dates and timestamps as days since 1970-01-01, texts and enums as
 * themselves.  Booleans are the texts false and true.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "errors.h"
#include "monitoring/sketch_type.h"

PG_FUNCTION_INFO_V1(mlops_sketch_in);
PG_FUNCTION_INFO_V1(mlops_sketch_out);
PG_FUNCTION_INFO_V1(mlops_sketch_recv);
PG_FUNCTION_INFO_V1(mlops_sketch_send);

/* a text that is too long ends with this and 16 hexadecimal digits */
#define CUT_MARK		" #"
#define CUT_LEN			(MLOPS_SKETCH_TEXT_MAX - 2 - 16)

/*
 * Read the bytes of a sketch into the current memory context; NULL and *error
 * if they are none.
 */
static MlopsSketch *
read_sketch(const char *bytes, Size len, MlopsSketchError *error)
{
	MlopsSketch *sketch = mlops_sketch_read(bytes, len, error);
	MlopsSketchEntry *entries;
	int			n;

	if (sketch == NULL || mlops_sketch_kind(sketch) != MLOPS_SKETCH_CATEGORICAL)
		return sketch;

	/* it can come from a database with another encoding */
	entries = mlops_sketch_top(sketch, MLOPS_SKETCH_EXACT, &n);
	for (int i = 0; i < n; i++)
	{
		if (!pg_verify_mbstr(GetDatabaseEncoding(), entries[i].text, entries[i].len, true))
		{
			error->offset = 0;
			error->message = "a text is not valid in the encoding of the database";
			mlops_sketch_free(sketch);
			sketch = NULL;
			break;
		}
	}
	pfree(entries);
	return sketch;
}

/*
 * Read an SQL value.  The sketch lives in the current memory context.
 */
MlopsSketch *
mlops_sketch_from_datum(Datum value)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	MlopsSketchError error;
	MlopsSketch *sketch = mlops_sketch_read(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &error);

	if (sketch == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("stored sketch is damaged at byte %zu: %s", error.offset, error.message)));
	if ((Pointer) bytes != DatumGetPointer(value))
		pfree(bytes);
	return sketch;
}

/*
 * Make an SQL value, in the current memory context.
 */
Datum
mlops_sketch_to_datum(MlopsSketch *sketch)
{
	Size		len;
	struct varlena *result = mlops_sketch_write(sketch, VARHDRSZ, &len);

	SET_VARSIZE(result, VARHDRSZ + len);
	return PointerGetDatum(result);
}

MlopsSketchKind
mlops_sketch_kind_for(MlopsConversion conversion)
{
	return conversion == MLOPS_CONVERT_BOOL || MlopsConversionIsCategory(conversion) ?
		MLOPS_SKETCH_CATEGORICAL : MLOPS_SKETCH_NUMERIC;
}

/*
 * Add a text.  Of one that is too long the beginning and a hash of the whole
 * stand for it.
 */
static void
add_text(MlopsSketch *sketch, const char *text, int len)
{
	char		cut[MLOPS_SKETCH_TEXT_MAX + 1];
	int			cut_len;

	if (likely(len <= MLOPS_SKETCH_TEXT_MAX))
	{
		mlops_sketch_add_text(sketch, text, len);
		return;
	}
	cut_len = pg_mbcliplen(text, len, CUT_LEN);
	memcpy(cut, text, cut_len);
	snprintf(cut + cut_len, sizeof(cut) - cut_len, CUT_MARK "%016llx",
			 (unsigned long long) mlops_sketch_hash_text(text, len));
	mlops_sketch_add_text(sketch, cut, (int) strlen(cut));
}

void
mlops_sketch_add_datum(MlopsSketch *sketch, MemoryContext context,
					   MlopsConversion conversion, Datum value)
{
	MemoryContext old;

	if (conversion == MLOPS_CONVERT_BOOL || MlopsConversionIsCategory(conversion))
	{
		const char *text = "false";
		int			len = 5;

		if (conversion != MLOPS_CONVERT_BOOL)
			text = mlops_convert_category(conversion, value, &len);
		else if (DatumGetBool(value))
		{
			text = "true";
			len = 4;
		}
		old = MemoryContextSwitchTo(context);
		add_text(sketch, text, len);
	}
	else
	{
		double		number = mlops_convert_number64(conversion, value);

		old = MemoryContextSwitchTo(context);
		mlops_sketch_add_number(sketch, number);
	}
	MemoryContextSwitchTo(old);
}

void
mlops_sketch_require_numeric(MlopsSketch *sketch, const char *function)
{
	if (mlops_sketch_kind(sketch) != MLOPS_SKETCH_NUMERIC)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_SKETCH_KIND),
				 errmsg("%s needs a numeric sketch", function),
				 errdetail("The sketch is categorical: it is one of texts, enums or booleans."),
				 errhint("Texts have no order here; mlops.top_values() counts them.")));
}

/* the SQL value of bytes that come from a client; error if they are no sketch */
static Datum
from_client(FunctionCallInfo fcinfo, const char *bytes, Size len)
{
	MlopsSketchError error = {0};
	MlopsSketch *sketch = read_sketch(bytes, len, &error);
	Datum		result;

	if (sketch == NULL)
		mlops_ereturn(fcinfo,
					  (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					   errmsg("invalid sketch at byte %zu: %s", error.offset, error.message)));
	result = mlops_sketch_to_datum(sketch);
	mlops_sketch_free(sketch);
	return result;
}

/* text input: \x and the bytes in hexadecimal */
Datum
mlops_sketch_in(PG_FUNCTION_ARGS)
{
	const char *string = PG_GETARG_CSTRING(0);
	Size		len = strlen(string);
	char	   *bytes;

	if (len < 2 || string[0] != '\\' || string[1] != 'x' || len % 2 != 0 ||
		strspn(string + 2, "0123456789abcdefABCDEF") != len - 2)
		mlops_ereturn(fcinfo,
					  (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					   errmsg("invalid input syntax for type mlops.sketch"),
					   errdetail("A sketch is written as \\x and an even number of hexadecimal digits."),
					   errhint("Sketches are made by the aggregate mlops.sketch().")));
	bytes = palloc(len / 2);
	len = hex_decode(string + 2, len - 2, bytes);
	PG_RETURN_DATUM(from_client(fcinfo, bytes, len));
}

Datum
mlops_sketch_out(PG_FUNCTION_ARGS)
{
	struct varlena *bytes = PG_GETARG_VARLENA_PP(0);
	Size		len = VARSIZE_ANY_EXHDR(bytes);
	char	   *result = palloc(add_size(mul_size(len, 2), 3));

	result[0] = '\\';
	result[1] = 'x';
	result[2 + hex_encode(VARDATA_ANY(bytes), len, result + 2)] = '\0';
	PG_RETURN_CSTRING(result);
}

/* binary input: the bytes */
Datum
mlops_sketch_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int			len = buffer->len - buffer->cursor;

	PG_RETURN_DATUM(from_client(fcinfo, pq_getmsgbytes(buffer, len), len));
}

/* binary output: the bytes */
Datum
mlops_sketch_send(PG_FUNCTION_ARGS)
{
	struct varlena *bytes = PG_GETARG_VARLENA_PP(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbytes(&buffer, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}
