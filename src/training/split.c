/*-------------------------------------------------------------------------
 *
 * split.c
 *	  Which part of the data a row belongs to.
 *
 * A part is a stretch of the way from 0 to 1, on which a row stands where the
 * hash of its key and a seed puts it.  mlops.train() and mlops.split() go by
 * the same functions, so that SQL can tell the part of a row that a training
 * had.  The hash is PostgreSQL's own extended hash of the key's text, which SQL
 * has as hashtextextended(): a table that is partitioned by the hash of a text
 * keeps its rows over pg_upgrade only because it is the same on all majors.  It
 * is the same on all little-endian platforms; test/pgtap/split.sql has values
 * that a program of its own made.  The text of a key depends on no setting, but
 * on the encoding of the database.
 *
 * The window function mlops.stratified_split() puts the same stretches over
 * the rows of each window partition in the order of their hashes, so that each
 * partition has its shares exactly, but for rounding and rows with one key.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "windowapi.h"

#include "training/split.h"

PG_FUNCTION_INFO_V1(mlops_split);
PG_FUNCTION_INFO_V1(mlops_split_time);
PG_FUNCTION_INFO_V1(mlops_stratified_split);

/* most parts of a split, that for training included */
#define MAX_PARTS		16

/* a share that is this near to what is left is all of it */
#define SHARE_TOLERANCE	1e-9

typedef struct Part
{
	text	   *name;
	double		end;			/* of its stretch */
} Part;

/* what a call site knows of its arguments */
typedef struct Splitter
{
	MlopsConversion conversion;
	Jsonb	   *json;			/* that the parts are of */
	int			num_parts;
	Part		parts[MAX_PARTS];
} Splitter;

/*
 * Can a value of this type be a key?  Only types whose text does not depend
 * on any setting, so that a row stays in its part for ever.
 */
bool
mlops_split_key_type(Oid type, MlopsConversion *conversion)
{
	*conversion = mlops_conversion(type);
	switch (*conversion)
	{
		case MLOPS_CONVERT_NONE:
			return getBaseType(type) == UUIDOID;
		case MLOPS_CONVERT_FLOAT4:
		case MLOPS_CONVERT_FLOAT8:
		case MLOPS_CONVERT_TIMESTAMP:
			return false;
		default:
			return true;
	}
}

/*
 * The hash of a key, which is that of its text.
 */
uint64
mlops_split_hash(MlopsConversion conversion, Datum key, int64 seed)
{
	char		buffer[MAXDATELEN + 1];
	const char *text = buffer;
	int			len = -1;

	switch (conversion)
	{
		case MLOPS_CONVERT_BOOL:
			text = DatumGetBool(key) ? "true" : "false";
			break;
		case MLOPS_CONVERT_INT2:
			pg_itoa(DatumGetInt16(key), buffer);
			break;
		case MLOPS_CONVERT_INT4:
			pg_ltoa(DatumGetInt32(key), buffer);
			break;
		case MLOPS_CONVERT_INT8:
			pg_lltoa(DatumGetInt64(key), buffer);
			break;
		case MLOPS_CONVERT_NUMERIC:
			text = DatumGetCString(DirectFunctionCall1(numeric_out, key));
			break;
		case MLOPS_CONVERT_DATE:
			{
				DateADT		date = DatumGetDateADT(key);
				struct pg_tm tm;

				if (DATE_NOT_FINITE(date))
					EncodeSpecialDate(date, buffer);
				else
				{
					j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
					EncodeDateOnly(&tm, USE_ISO_DATES, buffer);
				}
				break;
			}
		case MLOPS_CONVERT_NONE:
			text = DatumGetCString(DirectFunctionCall1(uuid_out, key));
			break;
		default:
			text = mlops_convert_category(conversion, key, &len);
			break;
	}
	if (len < 0)
		len = strlen(text);
	return hash_bytes_extended((const unsigned char *) text, len, (uint64) seed);
}

/* test first, then validation, then by name, so that a part that is added
 * after them moves no row into or out of them; train is what is left */
static int
compare_parts(const void *a, const void *b)
{
	static const char *const first[] = {"test", "validation"};
	const char *left = text_to_cstring(((const Part *) a)->name);
	const char *right = text_to_cstring(((const Part *) b)->name);

	for (int i = 0; i < (int) lengthof(first); i++)
	{
		bool		is_left = strcmp(left, first[i]) == 0;

		if (is_left || strcmp(right, first[i]) == 0)
			return is_left ? -1 : 1;
	}
	return strcmp(left, right);
}

/*
 * Read the parts with their shares: an object of numbers, in the current
 * memory context.
 */
static void
read_parts(Splitter *splitter, const Jsonb *json)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;
	double		train = -1;
	double		end = 0;

	splitter->num_parts = 0;
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parts must be an object"),
				 errhint("For example '{\"test\": 0.2, \"validation\": 0.1}'; other rows are for training.")));
	iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &json->root));
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		double		share;

		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		if (token != WJB_VALUE)
			continue;
		share = item.type != jbvNumeric ? -1 :
			DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(item.val.numeric)));
		if (!(share >= 0 && share <= 1))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the share of part \"%s\" must be a number from 0 to 1", name)));
		if (strcmp(name, "train") == 0)
		{
			train = share;
			continue;
		}
		if (splitter->num_parts == MAX_PARTS - 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a split cannot have more than %d parts", MAX_PARTS)));
		splitter->parts[splitter->num_parts].name = cstring_to_text(name);
		splitter->parts[splitter->num_parts++].end = share;
	}

	qsort(splitter->parts, splitter->num_parts, sizeof(Part), compare_parts);
	for (int i = 0; i < splitter->num_parts; i++)
	{
		end += splitter->parts[i].end;
		splitter->parts[i].end = end;
	}
	if (end > 1 + SHARE_TOLERANCE ||
		(train >= 0 && (end + train > 1 + SHARE_TOLERANCE || end + train < 1 - SHARE_TOLERANCE)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the shares of the parts must add up to 1"),
				 errhint("Leave \"train\" out: it has what the others leave.")));
	splitter->parts[splitter->num_parts].name = cstring_to_text("train");
	splitter->parts[splitter->num_parts++].end = 2;
}

/*
 * What this call site knows, with the parts of this call.
 */
static Splitter *
get_splitter(FunctionCallInfo fcinfo, Jsonb *parts)
{
	Splitter   *splitter = fcinfo->flinfo->fn_extra;
	MemoryContext context = fcinfo->flinfo->fn_mcxt;

	if (splitter == NULL)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);

		splitter = MemoryContextAllocZero(context, sizeof(Splitter));
		if (!mlops_split_key_type(type, &splitter->conversion))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("a value of type %s cannot be the key of a split", format_type_be(type)),
					 errhint("Cast it to text, an integer type, numeric, date or uuid.")));
	}
	if (splitter->json == NULL || VARSIZE(splitter->json) != VARSIZE(parts) ||
		memcmp(splitter->json, parts, VARSIZE(parts)) != 0)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		fcinfo->flinfo->fn_extra = NULL;	/* unless it is whole */
		read_parts(splitter, parts);
		splitter->json = (Jsonb *) palloc(VARSIZE(parts));
		memcpy(splitter->json, parts, VARSIZE(parts));
		MemoryContextSwitchTo(old);
	}
	fcinfo->flinfo->fn_extra = splitter;
	return splitter;
}

static int
part_at(const Splitter *splitter, double position)
{
	int			part = 0;

	while (position >= splitter->parts[part].end)
		part++;
	return part;
}

/*
 * SQL: (key, seed, parts), the name of the part.
 */
Datum
mlops_split(PG_FUNCTION_ARGS)
{
	Splitter   *splitter = get_splitter(fcinfo, PG_GETARG_JSONB_P(2));
	uint64		hash = mlops_split_hash(splitter->conversion, PG_GETARG_DATUM(0),
										PG_GETARG_INT64(1));

	PG_RETURN_TEXT_P(splitter->parts[part_at(splitter, mlops_split_position(hash))].name);
}

/*
 * The time that is a gap before another.
 */
static Timestamp
before(Timestamp time, Datum gap)
{
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_mi_interval,
												 TimestampGetDatum(time), gap));
}

/*
 * SQL: (time, start of the test part, start of the validation part or NULL,
 * gap), the name of the part or NULL for a row in a gap.  Times with time zone
 * are taken in UTC, so that months and days of a gap depend on no setting.
 */
Datum
mlops_split_time(PG_FUNCTION_ARGS)
{
	Timestamp	time;
	Timestamp	test;
	Timestamp	validation = DT_NOEND;
	Interval	none = {0};
	Interval   *gap = &none;
	const char *part;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the start of the test part cannot be NULL")));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	time = PG_GETARG_TIMESTAMP(0);
	test = PG_GETARG_TIMESTAMP(1);
	if (!PG_ARGISNULL(2))
		validation = PG_GETARG_TIMESTAMP(2);
	if (!PG_ARGISNULL(3))
		gap = PG_GETARG_INTERVAL_P(3);
	if (!PG_ARGISNULL(2) && validation > test)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the validation part cannot start after the test part")));
	if (before(test, IntervalPGetDatum(gap)) > test)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the gap of a split cannot be negative")));

	if (time >= test)
		part = "test";
	else if (time >= before(test, IntervalPGetDatum(gap)))
		part = NULL;
	else if (PG_ARGISNULL(2))
		part = "train";
	else if (time >= validation)
		part = "validation";
	else if (time >= before(validation, IntervalPGetDatum(gap)))
		part = NULL;
	else
		part = "train";
	if (part == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(part));
}

/* a row of a window partition */
typedef struct Ranked
{
	uint64		hash;
	int64		row;
} Ranked;

/* the parts of a window partition's rows; row by row, -1 is no part */
typedef struct Stratum
{
	bool		ready;
	int8	   *parts;
} Stratum;

static int
compare_ranked(const void *a, const void *b, void *argument)
{
	const Ranked *left = a;
	const Ranked *right = b;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return left->row < right->row ? -1 : left->row > right->row;
}

/*
 * SQL, window function: (key, seed, parts), the name of the part; of a row
 * whose key is NULL it is NULL.  Rows with one key have one part.
 */
Datum
mlops_stratified_split(PG_FUNCTION_ARGS)
{
	WindowObject window = PG_WINDOW_OBJECT();
	Stratum    *stratum = WinGetPartitionLocalMemory(window, sizeof(Stratum));
	Splitter   *splitter;
	int64		row = WinGetCurrentPosition(window);
	bool		isnull;
	Datum		parts = WinGetFuncArgCurrent(window, 2, &isnull);

	if (isnull)
		PG_RETURN_NULL();
	splitter = get_splitter(fcinfo, DatumGetJsonbP(parts));
	if (!stratum->ready)
	{
		int64		count = WinGetPartitionRowCount(window);
		MemoryContext context = GetMemoryChunkContext(stratum);
		MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "mlops split",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext keys = AllocSetContextCreate(scratch, "mlops split key",
												   ALLOCSET_SMALL_SIZES);
		Ranked	   *ranked = MemoryContextAllocHuge(scratch, mul_size(sizeof(Ranked), Max(count, 1)));
		int64		num_ranked = 0;
		MemoryContext old;

		stratum->parts = MemoryContextAllocHuge(context, Max(count, 1));
		for (int64 i = 0; i < count; i++)
		{
			bool		isout;
			Datum		key;
			Datum		seed;
			bool		noseed;

			CHECK_FOR_INTERRUPTS();
			stratum->parts[i] = -1;
			key = WinGetFuncArgInPartition(window, 0, i, WINDOW_SEEK_HEAD, false, &isnull, &isout);
			if (isnull)
				continue;
			old = MemoryContextSwitchTo(keys);
			seed = WinGetFuncArgCurrent(window, 1, &noseed);
			ranked[num_ranked].hash = mlops_split_hash(splitter->conversion, key,
													   noseed ? 0 : DatumGetInt64(seed));
			ranked[num_ranked++].row = i;
			MemoryContextSwitchTo(old);
			MemoryContextReset(keys);
		}
		qsort_interruptible(ranked, num_ranked, sizeof(Ranked), compare_ranked, NULL);
		for (int64 start = 0; start < num_ranked;)
		{
			int64		end = start + 1;
			int			part;

			while (end < num_ranked && ranked[end].hash == ranked[start].hash)
				end++;
			part = part_at(splitter, ((double) start + (double) end) / 2 / (double) num_ranked);
			for (; start < end; start++)
				stratum->parts[ranked[start].row] = (int8) part;
		}
		MemoryContextDelete(scratch);
		stratum->ready = true;
	}
	if (stratum->parts[row] < 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(splitter->parts[stratum->parts[row]].name);
}
