/*-------------------------------------------------------------------------
 *
 * snapshot_content.c
 *	  What a snapshot records of the rows that it saw: how many, their hash,
 *	  and how often each class of the label occurs.
 *
 * The hash is BLAKE2b-256 of
 *
 *		"mlops/content/v1" || 0x00 || number of rows (8 bytes)
 *		|| the columns || the product of the rows (384 bytes, little-endian)
 *
 * with columns and rows as in snapshot_row.c, the product as in
 * snapshot_hash.c.  Version 1 is frozen.
 *
 * Rows come from an aggregate, mlops.content_hash() or the private
 * mlops._content(), in as many processes as the planner sees fit; or from the
 * executor while a copy is written.  A content lives in the memory context
 * that is current at its creation; it owns one buffer, which grows to the
 * longest row.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "metrics/aggregate.h"
#include "training/snapshot_content.h"
#include "training/snapshot_row.h"

PG_FUNCTION_INFO_V1(mlops_content_transition);
PG_FUNCTION_INFO_V1(mlops_content_combine);
PG_FUNCTION_INFO_V1(mlops_content_serialize);
PG_FUNCTION_INFO_V1(mlops_content_deserialize);
PG_FUNCTION_INFO_V1(mlops_content_hash);
PG_FUNCTION_INFO_V1(mlops_content_final);
PG_FUNCTION_INFO_V1(mlops_row_hash);

static const char magic[] = "mlops/content/v1";

/* with more distinct values a label has no classes */
#define MAX_CLASSES		100

typedef struct ClassCount
{
	char	   *class;			/* NULL: rows whose label is NULL */
	int64		rows;
} ClassCount;

struct MlopsContent
{
	MemoryContext context;
	MlopsMultiset product;
	int64		rows;
	StringInfoData schema;
	bool		counts_classes;
	int			num_classes;
	ClassCount	classes[MAX_CLASSES];

	/* of one that rows are added to */
	MlopsRowEncoder *encoder;
	TupleDesc	tupdesc;
	int			label;			/* attribute number from 0; -1: none */
	StringInfoData row;
	Datum	   *values;
	bool	   *isnull;
};

/*
 * Content to which rows of this description are added.  Error 42703 if there
 * is no such label, and those of mlops_row_encoder_create().
 */
MlopsContent *
mlops_content_create(TupleDesc tupdesc, const char *label)
{
	MlopsContent *content = palloc0(sizeof(MlopsContent));

	content->context = CurrentMemoryContext;
	mlops_multiset_init(&content->product);
	content->tupdesc = CreateTupleDescCopy(tupdesc);
	content->encoder = mlops_row_encoder_create(tupdesc);
	initStringInfo(&content->schema);
	mlops_row_schema(content->encoder, &content->schema);
	initStringInfo(&content->row);
	content->values = palloc(mul_size(sizeof(Datum), tupdesc->natts + 1));
	content->isnull = palloc(mul_size(sizeof(bool), tupdesc->natts + 1));
	content->label = -1;
	if (label != NULL)
	{
		for (int i = 0; i < tupdesc->natts; i++)
		{
			if (!TupleDescAttr(tupdesc, i)->attisdropped &&
				strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), label) == 0)
				content->label = i;
		}
		if (content->label < 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("label \"%s\" is not a column of the query", label)));
		content->counts_classes = true;
	}
	return content;
}

/*
 * Count rows of a class, or give up counting if there are too many classes.
 */
static void
count_class(MlopsContent *content, const char *class, int64 rows)
{
	ClassCount *entry;

	for (int i = 0; i < content->num_classes; i++)
	{
		entry = &content->classes[i];
		if (entry->class == NULL ? class == NULL : class != NULL && strcmp(entry->class, class) == 0)
		{
			entry->rows += rows;
			return;
		}
	}
	if (content->num_classes == MAX_CLASSES)
	{
		content->counts_classes = false;
		return;
	}
	entry = &content->classes[content->num_classes++];
	entry->class = class == NULL ? NULL : MemoryContextStrdup(content->context, class);
	entry->rows = rows;
}

/*
 * Add a row.  What it needs besides is left in the current memory context,
 * which the caller resets.
 */
void
mlops_content_add(MlopsContent *content, const Datum *values, const bool *isnull)
{
	resetStringInfo(&content->row);
	mlops_row_encode(content->encoder, values, isnull, &content->row);
	mlops_multiset_add(&content->product, content->row.data, content->row.len);
	content->rows++;

	if (content->counts_classes)
	{
		char	   *class = NULL;

		if (!isnull[content->label])
		{
			class = mlops_row_label(content->encoder, content->label, values[content->label]);
			if (class == NULL)
				content->counts_classes = false;
		}
		if (content->counts_classes)
			count_class(content, class, 1);
	}
}

/*
 * The hash of all rows.
 */
static void
finish_hash(const MlopsContent *content, uint8 *hash)
{
	MlopsBlake2b state;
	uint8		product[MLOPS_MULTISET_BYTES];
	uint8		rows[8];

	for (int i = 0; i < 8; i++)
		rows[i] = (uint8) ((uint64) content->rows >> (56 - 8 * i));
	mlops_multiset_bytes(&content->product, product);
	mlops_blake2b_init(&state, MLOPS_CONTENT_BYTES);
	mlops_blake2b_update(&state, magic, sizeof(magic));
	mlops_blake2b_update(&state, rows, sizeof(rows));
	mlops_blake2b_update(&state, content->schema.data, content->schema.len);
	mlops_blake2b_update(&state, product, sizeof(product));
	mlops_blake2b_final(&state, hash);
}

static int
compare_classes(const void *a, const void *b)
{
	const ClassCount *left = *(ClassCount *const *) a;
	const ClassCount *right = *(ClassCount *const *) b;

	if (left->class == NULL || right->class == NULL)
		return (left->class == NULL) - (right->class == NULL);
	return strcmp(left->class, right->class);
}

/*
 * What is recorded, as JSON: hash, rows, and classes as an array of class and
 * rows, null if they were not counted.
 */
char *
mlops_content_json(const MlopsContent *content)
{
	StringInfoData json;
	uint8		hash[MLOPS_CONTENT_BYTES];

	finish_hash(content, hash);
	initStringInfo(&json);
	appendStringInfoString(&json, "{\"hash\": \"");
	for (int i = 0; i < MLOPS_CONTENT_BYTES; i++)
		appendStringInfo(&json, "%02x", hash[i]);
	appendStringInfo(&json, "\", \"rows\": " INT64_FORMAT ", \"classes\": ", content->rows);
	if (content->counts_classes)
	{
		const ClassCount *sorted[MAX_CLASSES];

		for (int i = 0; i < content->num_classes; i++)
			sorted[i] = &content->classes[i];
		qsort(sorted, content->num_classes, sizeof(sorted[0]), compare_classes);
		appendStringInfoChar(&json, '[');
		for (int i = 0; i < content->num_classes; i++)
		{
			appendStringInfoString(&json, i > 0 ? ", {\"class\": " : "{\"class\": ");
			if (sorted[i]->class == NULL)
				appendStringInfoString(&json, "null");
			else
				escape_json(&json, sorted[i]->class);
			appendStringInfo(&json, ", \"rows\": " INT64_FORMAT "}", sorted[i]->rows);
		}
		appendStringInfoChar(&json, ']');
	}
	else
		appendStringInfoString(&json, "null");
	appendStringInfoChar(&json, '}');
	return json.data;
}

/*
 * SQL: (state, row [, label]), a row more.  A row that is NULL is skipped.
 */
Datum
mlops_content_transition(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	MlopsContent *content = PG_ARGISNULL(0) ? NULL : (MlopsContent *) PG_GETARG_POINTER(0);
	HeapTupleHeader header;
	HeapTupleData tuple;

	if (PG_ARGISNULL(1))
	{
		if (content == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(content);
	}
	header = PG_GETARG_HEAPTUPLEHEADER(1);
	if (content == NULL)
	{
		TupleDesc	tupdesc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
													 HeapTupleHeaderGetTypMod(header));
		char	   *label = PG_NARGS() > 2 && !PG_ARGISNULL(2) ?
			text_to_cstring(PG_GETARG_TEXT_PP(2)) : NULL;
		MemoryContext old = MemoryContextSwitchTo(context);

		content = mlops_content_create(tupdesc, label);
		MemoryContextSwitchTo(old);
		ReleaseTupleDesc(tupdesc);
	}

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	if (HeapTupleHeaderGetNatts(header) > content->tupdesc->natts)
		elog(ERROR, "row has more columns than its type");
	heap_deform_tuple(&tuple, content->tupdesc, content->values, content->isnull);
	mlops_content_add(content, content->values, content->isnull);
	PG_RETURN_POINTER(content);
}

/*
 * SQL: all rows of two states.  Rows are added to neither any more.
 */
Datum
mlops_content_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	MlopsContent *content = PG_ARGISNULL(0) ? NULL : (MlopsContent *) PG_GETARG_POINTER(0);
	const MlopsContent *other = PG_ARGISNULL(1) ? NULL : (MlopsContent *) PG_GETARG_POINTER(1);

	if (other == NULL)
	{
		if (content == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(content);
	}
	if (content == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		content = palloc0(sizeof(MlopsContent));
		content->context = context;
		mlops_multiset_init(&content->product);
		initStringInfo(&content->schema);
		appendBinaryStringInfo(&content->schema, other->schema.data, other->schema.len);
		content->counts_classes = other->counts_classes;
		MemoryContextSwitchTo(old);
	}
	else if (content->schema.len != other->schema.len ||
			 memcmp(content->schema.data, other->schema.data, other->schema.len) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("rows to hash have different columns")));
	mlops_multiset_combine(&content->product, &other->product);
	content->rows += other->rows;
	content->counts_classes = content->counts_classes && other->counts_classes;
	for (int i = 0; content->counts_classes && i < other->num_classes; i++)
		count_class(content, other->classes[i].class, other->classes[i].rows);
	PG_RETURN_POINTER(content);
}

/*
 * SQL: a state to be handed to the leader.
 */
Datum
mlops_content_serialize(PG_FUNCTION_ARGS)
{
	const MlopsContent *content = (MlopsContent *) PG_GETARG_POINTER(0);
	uint8		product[MLOPS_MULTISET_BYTES];
	StringInfoData buf;

	mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, MLOPS_MULTISET_BYTES);
	pq_sendint64(&buf, content->rows);
	mlops_multiset_bytes(&content->product, product);
	pq_sendbytes(&buf, (const char *) product, sizeof(product));
	pq_sendint32(&buf, content->schema.len);
	pq_sendbytes(&buf, content->schema.data, content->schema.len);
	pq_sendint8(&buf, content->counts_classes ? 1 : 0);
	pq_sendint32(&buf, content->num_classes);
	for (int i = 0; i < content->num_classes; i++)
	{
		const ClassCount *class = &content->classes[i];

		pq_sendint64(&buf, class->rows);
		pq_sendint8(&buf, class->class != NULL ? 1 : 0);
		if (class->class != NULL)
		{
			pq_sendint32(&buf, strlen(class->class));
			pq_sendbytes(&buf, class->class, strlen(class->class));
		}
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/*
 * SQL: a state that was handed over, in the current memory context.
 */
Datum
mlops_content_deserialize(PG_FUNCTION_ARGS)
{
	MlopsContent *content = palloc0(sizeof(MlopsContent));
	StringInfoData buf;
	int			length;

	mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	content->context = CurrentMemoryContext;
	content->rows = mlops_state_recv_count(&buf);
	mlops_multiset_from_bytes(&content->product,
							  (const uint8 *) pq_getmsgbytes(&buf, MLOPS_MULTISET_BYTES));
	length = pq_getmsgint(&buf, 4);
	initStringInfo(&content->schema);
	appendBinaryStringInfo(&content->schema, pq_getmsgbytes(&buf, length), length);
	content->counts_classes = pq_getmsgbyte(&buf) != 0;
	content->num_classes = pq_getmsgint(&buf, 4);
	if (content->num_classes < 0 || content->num_classes > MAX_CLASSES)
		mlops_state_damaged();
	for (int i = 0; i < content->num_classes; i++)
	{
		ClassCount *class = &content->classes[i];

		class->rows = mlops_state_recv_count(&buf);
		if (pq_getmsgbyte(&buf) != 0)
		{
			length = pq_getmsgint(&buf, 4);
			class->class = pnstrdup(pq_getmsgbytes(&buf, length), length);
		}
	}
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(content);
}

/*
 * SQL: the hash, NULL if there were no rows.
 */
Datum
mlops_content_hash(PG_FUNCTION_ARGS)
{
	bytea	   *result;

	mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	result = palloc(VARHDRSZ + MLOPS_CONTENT_BYTES);
	SET_VARSIZE(result, VARHDRSZ + MLOPS_CONTENT_BYTES);
	finish_hash((MlopsContent *) PG_GETARG_POINTER(0), (uint8 *) VARDATA(result));
	PG_RETURN_BYTEA_P(result);
}

/*
 * SQL: what is recorded, as jsonb; NULL if there were no rows.
 */
Datum
mlops_content_final(PG_FUNCTION_ARGS)
{
	mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in,
										CStringGetDatum(mlops_content_json((MlopsContent *) PG_GETARG_POINTER(0)))));
}

/* what a call of mlops.row_hash knows of its rows */
typedef struct RowHasher
{
	Oid			type;
	int32		typmod;
	TupleDesc	tupdesc;
	MlopsRowEncoder *encoder;
	Datum	   *values;
	bool	   *isnull;
} RowHasher;

/*
 * SQL: the hash of one row, by its values alone.
 */
Datum
mlops_row_hash(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	Oid			type = HeapTupleHeaderGetTypeId(header);
	int32		typmod = HeapTupleHeaderGetTypMod(header);
	RowHasher  *hasher = fcinfo->flinfo->fn_extra;
	HeapTupleData tuple;
	StringInfoData row;
	MlopsBlake2b state;
	uint8		hash[MLOPS_CONTENT_BYTES];
	char		hex[2 * MLOPS_CONTENT_BYTES + 1];

	if (hasher == NULL || hasher->type != type || hasher->typmod != typmod)
	{
		TupleDesc	tupdesc = lookup_rowtype_tupdesc(type, typmod);
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		hasher = palloc0(sizeof(RowHasher));
		hasher->type = type;
		hasher->typmod = typmod;
		hasher->tupdesc = CreateTupleDescCopy(tupdesc);
		hasher->encoder = mlops_row_encoder_create(tupdesc);
		hasher->values = palloc(mul_size(sizeof(Datum), tupdesc->natts + 1));
		hasher->isnull = palloc(mul_size(sizeof(bool), tupdesc->natts + 1));
		MemoryContextSwitchTo(old);
		ReleaseTupleDesc(tupdesc);
		fcinfo->flinfo->fn_extra = hasher;
	}
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, hasher->tupdesc, hasher->values, hasher->isnull);

	initStringInfo(&row);
	mlops_row_encode(hasher->encoder, hasher->values, hasher->isnull, &row);
	mlops_blake2b_init(&state, sizeof(hash));
	mlops_blake2b_update(&state, row.data, row.len);
	mlops_blake2b_final(&state, hash);
	for (int i = 0; i < (int) sizeof(hash); i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	PG_RETURN_TEXT_P(cstring_to_text(hex));
}
