/*-------------------------------------------------------------------------
 *
 * feature.c
 *	  The features of a model: their signature, and from SQL values to the
 *	  numbers that a forest reads.
 *
 * Every conversion rounds once to float32, to the nearest, as libxgboost does
 * with a value of that type, or, for models that read double, at most once to
 * that; numeric goes through float8, as it does in every client that hands its
 * rows to the library.  A date is the number of days
 * since 1970-01-01 and a timestamp the same with a fraction, because seconds
 * would lose the minutes in 24 bits of mantissa.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "registry/feature.h"

/* days from 1970-01-01 to PostgreSQL's own epoch, 2000-01-01 */
#define EPOCH_DAYS	(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

/*
 * Texts in the order of their codes, and an open-addressing table of codes
 * (-1 is a free place) that is never more than half full.
 */
struct MlopsDictionary
{
	MemoryContext context;
	int			size;
	int			allocated;
	char	  **texts;
	int		   *lengths;
	int		   *table;
	uint32		mask;
};

static const char *const kind_names[] = {"numeric", "boolean", "categorical"};

/*
 * How values of a type become numbers; MLOPS_CONVERT_NONE if they do not.
 */
MlopsConversion
mlops_conversion(Oid type)
{
	type = getBaseType(type);
	switch (type)
	{
		case BOOLOID:
			return MLOPS_CONVERT_BOOL;
		case INT2OID:
			return MLOPS_CONVERT_INT2;
		case INT4OID:
			return MLOPS_CONVERT_INT4;
		case INT8OID:
			return MLOPS_CONVERT_INT8;
		case FLOAT4OID:
			return MLOPS_CONVERT_FLOAT4;
		case FLOAT8OID:
			return MLOPS_CONVERT_FLOAT8;
		case NUMERICOID:
			return MLOPS_CONVERT_NUMERIC;
		case DATEOID:
			return MLOPS_CONVERT_DATE;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return MLOPS_CONVERT_TIMESTAMP;
		case TEXTOID:
		case VARCHAROID:
			return MLOPS_CONVERT_TEXT;
		case BPCHAROID:
			return MLOPS_CONVERT_BPCHAR;
		case NAMEOID:
			return MLOPS_CONVERT_NAME;
		case CHAROID:
			return MLOPS_CONVERT_CHAR;
		default:
			return type_is_enum(type) ? MLOPS_CONVERT_ENUM : MLOPS_CONVERT_NONE;
	}
}

/*
 * The number of a value of a type that mlops_convert_number() does not convert
 * itself.
 */
float
mlops_convert_other(MlopsConversion conversion, Datum value)
{
	switch (conversion)
	{
		case MLOPS_CONVERT_NUMERIC:
			return (float) DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
															  value));
		case MLOPS_CONVERT_DATE:
			{
				DateADT		date = DatumGetDateADT(value);

				if (DATE_IS_NOBEGIN(date))
					return -INFINITY;
				if (DATE_IS_NOEND(date))
					return INFINITY;
				return (float) ((int64) date + EPOCH_DAYS);
			}
		case MLOPS_CONVERT_TIMESTAMP:
			{
				Timestamp	timestamp = DatumGetTimestamp(value);

				if (TIMESTAMP_IS_NOBEGIN(timestamp))
					return -INFINITY;
				if (TIMESTAMP_IS_NOEND(timestamp))
					return INFINITY;
				return (float) ((double) timestamp / (double) USECS_PER_DAY + EPOCH_DAYS);
			}
		default:
			elog(ERROR, "conversion %d does not give a number", (int) conversion);
			return 0;			/* keep compiler quiet */
	}
}

/*
 * The same for a model that reads double.
 */
double
mlops_convert_other64(MlopsConversion conversion, Datum value)
{
	switch (conversion)
	{
		case MLOPS_CONVERT_NUMERIC:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
		case MLOPS_CONVERT_DATE:
			{
				DateADT		date = DatumGetDateADT(value);

				if (DATE_IS_NOBEGIN(date) || DATE_IS_NOEND(date))
					break;
				return (double) ((int64) date + EPOCH_DAYS);
			}
		case MLOPS_CONVERT_TIMESTAMP:
			{
				Timestamp	timestamp = DatumGetTimestamp(value);

				if (TIMESTAMP_IS_NOBEGIN(timestamp) || TIMESTAMP_IS_NOEND(timestamp))
					break;
				return (double) timestamp / (double) USECS_PER_DAY + EPOCH_DAYS;
			}
		default:
			break;
	}
	/* what is left is infinite */
	return mlops_convert_other(conversion, value);
}

/*
 * The text of a category that is not NULL, not terminated, and its length.
 * It points into the value, or into memory of the current context.
 */
const char *
mlops_convert_category(MlopsConversion conversion, Datum value, int *len)
{
	switch (conversion)
	{
		case MLOPS_CONVERT_TEXT:
			{
				text	   *string = DatumGetTextPP(value);

				*len = VARSIZE_ANY_EXHDR(string);
				return VARDATA_ANY(string);
			}
		case MLOPS_CONVERT_BPCHAR:
			{
				BpChar	   *string = DatumGetBpCharPP(value);

				*len = bpchartruelen(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
				return VARDATA_ANY(string);
			}
		case MLOPS_CONVERT_NAME:
			*len = strlen(NameStr(*DatumGetName(value)));
			return NameStr(*DatumGetName(value));
		case MLOPS_CONVERT_CHAR:
			{
				char	   *string = DatumGetCString(DirectFunctionCall1(charout, value));

				*len = strlen(string);
				return string;
			}
		case MLOPS_CONVERT_ENUM:
			{
				HeapTuple	tuple = SearchSysCache1(ENUMOID, value);
				char	   *label;

				if (!HeapTupleIsValid(tuple))
					ereport(ERROR,
							(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
							 errmsg("invalid internal value for enum: %u",
									DatumGetObjectId(value))));
				label = pstrdup(NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel));
				ReleaseSysCache(tuple);
				*len = strlen(label);
				return label;
			}
		default:
			elog(ERROR, "conversion %d does not give a category", (int) conversion);
			return NULL;		/* keep compiler quiet */
	}
}

/*
 * An empty dictionary, in the current memory context for all its life.
 */
MlopsDictionary *
mlops_dictionary_create(void)
{
	MlopsDictionary *dictionary = palloc(sizeof(MlopsDictionary));

	dictionary->context = CurrentMemoryContext;
	dictionary->size = 0;
	dictionary->allocated = 8;
	dictionary->texts = palloc(sizeof(char *) * dictionary->allocated);
	dictionary->lengths = palloc(sizeof(int) * dictionary->allocated);
	dictionary->mask = 2 * dictionary->allocated - 1;
	dictionary->table = palloc(sizeof(int) * (dictionary->mask + 1));
	memset(dictionary->table, -1, sizeof(int) * (dictionary->mask + 1));
	return dictionary;
}

/* The number of texts, which have the codes from 0 on. */
int
mlops_dictionary_size(const MlopsDictionary *dictionary)
{
	return dictionary->size;
}

/*
 * The place of a text in the hash table: the one that holds its code, or the
 * free one where it belongs.
 */
static uint32
dictionary_place(const MlopsDictionary *dictionary, const char *text, int len)
{
	uint32		place = hash_bytes((const unsigned char *) text, len) & dictionary->mask;

	for (;;)
	{
		int			code = dictionary->table[place];

		if (code < 0 ||
			(dictionary->lengths[code] == len &&
			 memcmp(dictionary->texts[code], text, len) == 0))
			return place;
		place = (place + 1) & dictionary->mask;
	}
}

/* The code of a text, or -1 if the dictionary lacks it. */
int
mlops_dictionary_lookup(const MlopsDictionary *dictionary, const char *text, int len)
{
	return dictionary->table[dictionary_place(dictionary, text, len)];
}

/*
 * Double the room for texts and enter them into a larger hash table.
 */
static void
dictionary_grow(MlopsDictionary *dictionary)
{
	int			allocated = dictionary->allocated * 2;
	uint32		mask = 2 * allocated - 1;

	dictionary->texts = repalloc_huge(dictionary->texts, mul_size(sizeof(char *), allocated));
	dictionary->lengths = repalloc_huge(dictionary->lengths, mul_size(sizeof(int), allocated));
	dictionary->table = repalloc_huge(dictionary->table, mul_size(sizeof(int), (Size) mask + 1));
	dictionary->allocated = allocated;
	dictionary->mask = mask;
	memset(dictionary->table, -1, sizeof(int) * ((Size) mask + 1));
	for (int code = 0; code < dictionary->size; code++)
		dictionary->table[dictionary_place(dictionary, dictionary->texts[code],
										   dictionary->lengths[code])] = code;
}

/*
 * The code of a text, which is copied into the dictionary if it is new.
 */
int
mlops_dictionary_add(MlopsDictionary *dictionary, const char *text, int len)
{
	uint32		place = dictionary_place(dictionary, text, len);
	int			code = dictionary->table[place];

	if (code >= 0)
		return code;

	if (dictionary->size == dictionary->allocated)
	{
		dictionary_grow(dictionary);
		place = dictionary_place(dictionary, text, len);
	}
	code = dictionary->size++;
	dictionary->texts[code] = MemoryContextAlloc(dictionary->context, (Size) len + 1);
	memcpy(dictionary->texts[code], text, len);
	dictionary->texts[code][len] = '\0';
	dictionary->lengths[code] = len;
	dictionary->table[place] = code;
	return code;
}

/* The text of a code, terminated, and its length. */
const char *
mlops_dictionary_text(const MlopsDictionary *dictionary, int code, int *len)
{
	Assert(code >= 0 && code < dictionary->size);
	*len = dictionary->lengths[code];
	return dictionary->texts[code];
}

/*
 * The member of an object as a terminated copy, or NULL if it is absent.
 * Error if it is not a string.
 */
static char *
string_member(JsonbContainer *object, const char *key)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(object, key, strlen(key), &buffer);

	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("member \"%s\" of a feature in the signature must be a string", key)));
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * Read the categories of a feature: an array of distinct strings.
 */
static MlopsDictionary *
read_categories(const char *feature, JsonbContainer *object)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(object, "categories",
													 strlen("categories"), &buffer);
	MlopsDictionary *dictionary = mlops_dictionary_create();
	JsonbIterator *iterator;
	JsonbValue	item;
	JsonbIteratorToken token;

	if (value == NULL || value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("categorical feature \"%s\" has no array \"categories\" in the signature",
						feature),
				 errhint("List its texts in the order of their codes.")));

	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		int			size = dictionary->size;

		if (token != WJB_ELEM)
			continue;
		if (item.type != jbvString ||
			mlops_dictionary_add(dictionary, item.val.string.val, item.val.string.len) != size)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("categories of feature \"%s\" must be distinct strings", feature)));
	}
	return dictionary;
}

/*
 * A signature from its jsonb: an array of objects with the members name, type
 * (optional), kind and, for a categorical feature, categories.  Lives in the
 * current memory context.  Error if it is anything else.
 */
MlopsSignature *
mlops_signature_from_jsonb(Jsonb *json)
{
	MlopsSignature *signature = palloc0(sizeof(MlopsSignature));
	MlopsDictionary *names = mlops_dictionary_create();
	JsonbIterator *iterator;
	JsonbValue	item;
	JsonbIteratorToken token;

	if (!JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("signature must be an array of features"),
				 errhint("Each feature is an object such as {\"name\": \"age\", \"kind\": \"numeric\"}.")));

	signature->features = palloc0(mul_size(sizeof(MlopsFeature), Max(JB_ROOT_COUNT(json), 1)));
	iterator = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		MlopsFeature *feature = &signature->features[signature->num_features];
		char	   *kind;

		if (token != WJB_ELEM)
			continue;
		if (item.type != jbvBinary || !JsonContainerIsObject(item.val.binary.data))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("feature %d of the signature is not an object",
							signature->num_features + 1)));

		feature->name = string_member(item.val.binary.data, "name");
		if (feature->name == NULL || feature->name[0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("feature %d of the signature has no name",
							signature->num_features + 1)));
		if (mlops_dictionary_add(names, feature->name, strlen(feature->name)) !=
			signature->num_features)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("feature \"%s\" is twice in the signature", feature->name)));

		feature->type = string_member(item.val.binary.data, "type");
		kind = string_member(item.val.binary.data, "kind");
		feature->kind = MLOPS_KIND_NUMERIC;
		while (kind != NULL && strcmp(kind, kind_names[feature->kind]) != 0)
		{
			if (feature->kind == MLOPS_KIND_CATEGORICAL)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("feature \"%s\" has an unknown kind \"%s\"", feature->name, kind),
						 errhint("Kinds are numeric, boolean and categorical.")));
			feature->kind++;
		}
		if (feature->kind == MLOPS_KIND_CATEGORICAL)
			feature->categories = read_categories(feature->name, item.val.binary.data);
		signature->num_features++;
	}
	return signature;
}

/*
 * Append a key and a string to an object under construction.
 */
static void
push_string(JsonbParseState **state, const char *key, const char *string)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, key);
	value.val.string.len = strlen(key);
	pushJsonbValue(state, WJB_KEY, &value);
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = strlen(string);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/*
 * The jsonb of a signature, in the current memory context.
 */
Jsonb *
mlops_signature_to_jsonb(const MlopsSignature *signature)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < signature->num_features; i++)
	{
		const MlopsFeature *feature = &signature->features[i];

		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_string(&state, "name", feature->name);
		if (feature->type != NULL)
			push_string(&state, "type", feature->type);
		push_string(&state, "kind", kind_names[feature->kind]);
		if (feature->kind == MLOPS_KIND_CATEGORICAL)
		{
			JsonbValue	value;

			value.type = jbvString;
			value.val.string.val = "categories";
			value.val.string.len = strlen("categories");
			pushJsonbValue(&state, WJB_KEY, &value);
			pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
			for (int code = 0; code < feature->categories->size; code++)
			{
				value.val.string.val = feature->categories->texts[code];
				value.val.string.len = feature->categories->lengths[code];
				pushJsonbValue(&state, WJB_ELEM, &value);
			}
			pushJsonbValue(&state, WJB_END_ARRAY, NULL);
		}
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}
