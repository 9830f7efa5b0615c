/*-------------------------------------------------------------------------
 *
 * snapshot_row.c
 *	  The bytes of a row that its hash is taken of.
 *
 * Version 1 of the encoding, which is frozen:
 *
 *		one bit per column, the first in the highest bit of the first byte,
 *		that says whether the value is there; then the values that are.
 *
 * Columns come in the order of their names' bytes, so that the order in which
 * a query gives them means nothing.  Integers are big-endian.  A text is the
 * number of its bytes (4 bytes) and these, in UTF-8 whatever the encoding of
 * the database (SQL_ASCII, which says nothing about bytes, is left as it is).
 *
 *		boolean, "char"				1 byte
 *		smallint, integer, bigint	2, 4, 8 bytes; oid 4, money 8
 *		real, double precision		4, 8 bytes of IEEE 754; one NaN, one zero
 *		numeric						text without trailing zeros
 *		date						4 bytes, days since 2000-01-01
 *		time, timestamp, timestamptz	8 bytes, microseconds; timestamps since
 *									2000-01-01, in UTC if with time zone
 *		text, varchar, name, json	text
 *		char(n)						text without trailing blanks
 *		enum						text, the label
 *		jsonb						text, as PostgreSQL writes it
 *		uuid						16 bytes
 *		bytea, and timetz, interval, inet, cidr, macaddr, macaddr8, bit, varbit
 *		in their binary format of COPY	as a text, with their length
 *		array of these				number of dimensions (4 bytes), for each its
 *									length and lower bound (4 bytes each), and
 *									for each element a byte, 0 for NULL and 1,
 *									and its value
 *
 * A domain is its base type.  Values that are equal have the same bytes
 * (numeric 1.0 and 1.00, 0 and -0), because it depends on the plan which of
 * them GROUP BY or DISTINCT gives; those of one column that are not equal
 * never have.  Neither text output nor any setting takes part.
 *
 * Encoders live in the memory context that is current at their creation.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/cash.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "training/snapshot_row.h"

typedef enum Format
{
	FORMAT_NONE,				/* no way to encode it */
	FORMAT_BOOL,
	FORMAT_CHAR,
	FORMAT_INT2,
	FORMAT_INT4,				/* date too */
	FORMAT_INT8,				/* money, time and timestamps too */
	FORMAT_FLOAT4,
	FORMAT_FLOAT8,
	FORMAT_NUMERIC,
	FORMAT_TEXT,
	FORMAT_BPCHAR,
	FORMAT_NAME,
	FORMAT_ENUM,
	FORMAT_JSONB,
	FORMAT_UUID,
	FORMAT_BYTES,
	FORMAT_SEND					/* the binary format of COPY */
} Format;

static const struct
{
	Oid			type;
	Format		format;
	const char *word;			/* in the encoding of a schema */
}			formats[] =
{
	{BOOLOID, FORMAT_BOOL, "boolean"},
	{CHAROID, FORMAT_CHAR, "char1"},
	{INT2OID, FORMAT_INT2, "smallint"},
	{INT4OID, FORMAT_INT4, "integer"},
	{INT8OID, FORMAT_INT8, "bigint"},
	{OIDOID, FORMAT_INT4, "oid"},
	{CASHOID, FORMAT_INT8, "money"},
	{FLOAT4OID, FORMAT_FLOAT4, "real"},
	{FLOAT8OID, FORMAT_FLOAT8, "double precision"},
	{NUMERICOID, FORMAT_NUMERIC, "numeric"},
	{DATEOID, FORMAT_INT4, "date"},
	{TIMEOID, FORMAT_INT8, "time"},
	{TIMETZOID, FORMAT_SEND, "timetz"},
	{TIMESTAMPOID, FORMAT_INT8, "timestamp"},
	{TIMESTAMPTZOID, FORMAT_INT8, "timestamptz"},
	{INTERVALOID, FORMAT_SEND, "interval"},
	{TEXTOID, FORMAT_TEXT, "text"},
	{VARCHAROID, FORMAT_TEXT, "varchar"},
	{BPCHAROID, FORMAT_BPCHAR, "char"},
	{NAMEOID, FORMAT_NAME, "name"},
	{JSONOID, FORMAT_TEXT, "json"},
	{JSONBOID, FORMAT_JSONB, "jsonb"},
	{UUIDOID, FORMAT_UUID, "uuid"},
	{BYTEAOID, FORMAT_BYTES, "bytea"},
	{INETOID, FORMAT_SEND, "inet"},
	{CIDROID, FORMAT_SEND, "cidr"},
	{MACADDROID, FORMAT_SEND, "macaddr"},
	{MACADDR8OID, FORMAT_SEND, "macaddr8"},
	{BITOID, FORMAT_SEND, "bit"},
	{VARBITOID, FORMAT_SEND, "varbit"}
};

typedef struct ColumnCode
{
	int			number;			/* of the attribute, from 0 */
	char	   *name;			/* in UTF-8 */
	Format		format;			/* of an element, if it is an array */
	const char *word;
	FmgrInfo	send;			/* of FORMAT_SEND */

	/* of an array, else invalid */
	Oid			element;
	int16		typlen;
	bool		typbyval;
	char		typalign;
} ColumnCode;

struct MlopsRowEncoder
{
	int			num_columns;	/* dropped ones left out */
	ColumnCode	columns[FLEXIBLE_ARRAY_MEMBER];
};

/*
 * How to encode a type.  Error if there is no way to.
 */
static void
choose_format(ColumnCode *column, Form_pg_attribute attribute)
{
	Oid			type = getBaseType(attribute->atttypid);
	Oid			element = get_element_type(type);

	/* oidvector and its like have elements, but no bytes of their own */
	if (OidIsValid(element) && type != NAMEOID && get_typlen(type) == -1)
	{
		column->element = getBaseType(element);
		get_typlenbyvalalign(column->element, &column->typlen, &column->typbyval,
							 &column->typalign);
		type = column->element;
	}
	for (int i = 0; i < (int) lengthof(formats); i++)
	{
		if (formats[i].type == type)
		{
			column->format = formats[i].format;
			column->word = formats[i].word;
		}
	}
	if (column->format == FORMAT_NONE && type_is_enum(type))
	{
		column->format = FORMAT_ENUM;
		column->word = "enum";
	}
	if (column->format == FORMAT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s has no canonical form",
						NameStr(attribute->attname), format_type_be(attribute->atttypid)),
				 errhint("Cast it in the query to text, a numeric type, boolean, date, timestamp, uuid, bytea or jsonb, or leave it out.")));
	if (column->format == FORMAT_SEND)
	{
		Oid			function;
		bool		is_varlena;

		getTypeBinaryOutputInfo(type, &function, &is_varlena);
		fmgr_info(function, &column->send);
	}
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const ColumnCode *) a)->name, ((const ColumnCode *) b)->name);
}

/*
 * An encoder of rows of this description.  Errors: a type that has no
 * canonical form, columns without a name or with one name.
 */
MlopsRowEncoder *
mlops_row_encoder_create(TupleDesc tupdesc)
{
	MlopsRowEncoder *encoder = palloc0(add_size(offsetof(MlopsRowEncoder, columns),
												mul_size(sizeof(ColumnCode), tupdesc->natts)));

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		ColumnCode *column = &encoder->columns[encoder->num_columns];
		char	   *name = NameStr(attribute->attname);

		if (attribute->attisdropped)
			continue;
		if (name[0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("column %d has no name", i + 1),
					 errhint("Name it with AS.")));
		encoder->num_columns++;
		column->number = i;
		column->name = pstrdup(pg_server_to_any(name, strlen(name), PG_UTF8));
		choose_format(column, attribute);
	}
	qsort(encoder->columns, encoder->num_columns, sizeof(ColumnCode), compare_names);
	for (int i = 1; i < encoder->num_columns; i++)
	{
		if (strcmp(encoder->columns[i - 1].name, encoder->columns[i].name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("two columns are both named \"%s\"",
							NameStr(TupleDescAttr(tupdesc, encoder->columns[i].number)->attname)),
					 errhint("Give each a name of its own with AS.")));
	}
	return encoder;
}

/* bytes with their length before them */
static void
put_bytes(StringInfo bytes, const char *data, int length)
{
	pq_sendint32(bytes, length);
	appendBinaryStringInfo(bytes, data, length);
}

/* text in the encoding of the database */
static void
put_text(StringInfo bytes, const char *data, int length)
{
	const char *converted = pg_server_to_any(data, length, PG_UTF8);

	put_bytes(bytes, converted, converted == data ? length : (int) strlen(converted));
}

static void
put_float8(StringInfo bytes, double value)
{
	uint64		bits;

	if (isnan(value))
		value = get_float8_nan();
	if (value == 0)
		value = 0;
	memcpy(&bits, &value, sizeof(bits));
	pq_sendint64(bytes, bits);
}

static void
put_float4(StringInfo bytes, float value)
{
	uint32		bits;

	if (isnan(value))
		value = get_float4_nan();
	if (value == 0)
		value = 0;
	memcpy(&bits, &value, sizeof(bits));
	pq_sendint32(bytes, bits);
}

/*
 * Append a value that is not NULL and not an array.
 */
static void
put_value(const ColumnCode *column, Datum value, StringInfo bytes)
{
	switch (column->format)
	{
		case FORMAT_BOOL:
			pq_sendint8(bytes, DatumGetBool(value) ? 1 : 0);
			break;
		case FORMAT_CHAR:
			pq_sendint8(bytes, (uint8) DatumGetChar(value));
			break;
		case FORMAT_INT2:
			pq_sendint16(bytes, (uint16) DatumGetInt16(value));
			break;
		case FORMAT_INT4:
			pq_sendint32(bytes, (uint32) DatumGetInt32(value));
			break;
		case FORMAT_INT8:
			pq_sendint64(bytes, (uint64) DatumGetInt64(value));
			break;
		case FORMAT_FLOAT4:
			put_float4(bytes, DatumGetFloat4(value));
			break;
		case FORMAT_FLOAT8:
			put_float8(bytes, DatumGetFloat8(value));
			break;
		case FORMAT_NUMERIC:
			{
				char	   *text = numeric_normalize(DatumGetNumeric(value));

				put_bytes(bytes, text, strlen(text));
				break;
			}
		case FORMAT_TEXT:
			{
				struct varlena *text = PG_DETOAST_DATUM_PACKED(value);

				put_text(bytes, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text));
				break;
			}
		case FORMAT_BPCHAR:
			{
				BpChar	   *text = DatumGetBpCharPP(value);

				put_text(bytes, VARDATA_ANY(text),
						 bpchartruelen(VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text)));
				break;
			}
		case FORMAT_NAME:
			put_text(bytes, NameStr(*DatumGetName(value)), strlen(NameStr(*DatumGetName(value))));
			break;
		case FORMAT_ENUM:
			{
				char	   *text = DatumGetCString(DirectFunctionCall1(enum_out, value));

				put_text(bytes, text, strlen(text));
				break;
			}
		case FORMAT_JSONB:
			{
				Jsonb	   *json = DatumGetJsonbP(value);
				char	   *text = JsonbToCString(NULL, &json->root, VARSIZE(json));

				put_text(bytes, text, strlen(text));
				break;
			}
		case FORMAT_UUID:
			appendBinaryStringInfo(bytes, (const char *) DatumGetUUIDP(value)->data, UUID_LEN);
			break;
		case FORMAT_BYTES:
			{
				bytea	   *data = DatumGetByteaPP(value);

				put_bytes(bytes, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
				break;
			}
		case FORMAT_SEND:
			{
				bytea	   *data = SendFunctionCall(unconstify(FmgrInfo *, &column->send), value);

				put_bytes(bytes, VARDATA(data), VARSIZE(data) - VARHDRSZ);
				break;
			}
		case FORMAT_NONE:
			elog(ERROR, "column without a format");
	}
}

static void
put_array(const ColumnCode *column, Datum value, StringInfo bytes)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *values;
	bool	   *isnull;
	int			count;

	pq_sendint32(bytes, ARR_NDIM(array));
	for (int i = 0; i < ARR_NDIM(array); i++)
	{
		pq_sendint32(bytes, ARR_DIMS(array)[i]);
		pq_sendint32(bytes, ARR_LBOUND(array)[i]);
	}
	deconstruct_array(array, column->element, column->typlen, column->typbyval,
					  column->typalign, &values, &isnull, &count);
	for (int i = 0; i < count; i++)
	{
		pq_sendint8(bytes, isnull[i] ? 0 : 1);
		if (!isnull[i])
			put_value(column, values[i], bytes);
	}
	pfree(values);
	pfree(isnull);
}

/*
 * Append the bytes of a row, of which values has one for each attribute.
 * What conversions need is left in the current memory context.
 */
void
mlops_row_encode(const MlopsRowEncoder *encoder, const Datum *values,
				 const bool *isnull, StringInfo bytes)
{
	int			bitmap = bytes->len;
	int			bitmap_bytes = (encoder->num_columns + 7) / 8;

	enlargeStringInfo(bytes, bitmap_bytes);
	memset(bytes->data + bitmap, 0, bitmap_bytes);
	bytes->len += bitmap_bytes;
	for (int i = 0; i < encoder->num_columns; i++)
	{
		const ColumnCode *column = &encoder->columns[i];

		if (isnull[column->number])
			continue;
		bytes->data[bitmap + i / 8] |= 0x80 >> (i % 8);
		if (OidIsValid(column->element))
			put_array(column, values[column->number], bytes);
		else
			put_value(column, values[column->number], bytes);
	}
}

/*
 * Append the bytes of the columns: their number, and for each its name and the
 * word for its type, as texts.
 */
void
mlops_row_schema(const MlopsRowEncoder *encoder, StringInfo bytes)
{
	pq_sendint32(bytes, encoder->num_columns);
	for (int i = 0; i < encoder->num_columns; i++)
	{
		const ColumnCode *column = &encoder->columns[i];

		put_bytes(bytes, column->name, strlen(column->name));
		pq_sendint32(bytes, strlen(column->word) + (OidIsValid(column->element) ? 2 : 0));
		appendStringInfoString(bytes, column->word);
		if (OidIsValid(column->element))
			appendStringInfoString(bytes, "[]");
	}
}

/*
 * The text of a value of attribute number column, which no setting changes, in
 * the current memory context; NULL if its type is none for classes.
 */
char *
mlops_row_label(const MlopsRowEncoder *encoder, int column, Datum value)
{
	for (int i = 0; i < encoder->num_columns; i++)
	{
		const ColumnCode *code = &encoder->columns[i];

		if (code->number != column || OidIsValid(code->element))
			continue;
		switch (code->format)
		{
			case FORMAT_BOOL:
				return pstrdup(DatumGetBool(value) ? "true" : "false");
			case FORMAT_CHAR:
				return DatumGetCString(DirectFunctionCall1(charout, value));
			case FORMAT_INT2:
				return psprintf("%d", DatumGetInt16(value));
			case FORMAT_INT4:
				return code->word[0] == 'i' ? psprintf("%d", DatumGetInt32(value)) : NULL;
			case FORMAT_INT8:
				return code->word[0] == 'b' ? psprintf(INT64_FORMAT, DatumGetInt64(value)) : NULL;
			case FORMAT_FLOAT4:
				{
					char		digits[FLOAT_SHORTEST_DECIMAL_LEN];

					float_to_shortest_decimal_buf(DatumGetFloat4(value), digits);
					return pstrdup(digits);
				}
			case FORMAT_FLOAT8:
				{
					char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

					double_to_shortest_decimal_buf(DatumGetFloat8(value), digits);
					return pstrdup(digits);
				}
			case FORMAT_NUMERIC:
				return numeric_normalize(DatumGetNumeric(value));
			case FORMAT_TEXT:
				return code->word[0] == 'j' ? NULL : TextDatumGetCString(value);
			case FORMAT_BPCHAR:
				{
					BpChar	   *text = DatumGetBpCharPP(value);

					return pnstrdup(VARDATA_ANY(text),
									bpchartruelen(VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text)));
				}
			case FORMAT_NAME:
				return pstrdup(NameStr(*DatumGetName(value)));
			case FORMAT_ENUM:
				return DatumGetCString(DirectFunctionCall1(enum_out, value));
			default:
				return NULL;
		}
	}
	return NULL;
}
