/*-------------------------------------------------------------------------
 *
 * event.c
 *	  Events of the audit log: their columns, and their hashes.
 *
 * An event is a row of mlops.audit_event.  Here it is an array of values in
 * the order of MlopsAuditColumn; mlops_audit_map() finds the columns of the
 * table by name, so that neither an upgrade nor a restore, which may leave
 * them in another order, changes a hash.
 *
 * The hash of an event is that of all its other columns: see encode.c for the
 * bytes.  Text is converted to UTF-8 and instants are counted from 1970, so
 * that the hash depends on no setting, no encoding and no version of the
 * server.
 *
 * Memory: a hasher holds a buffer in the context in which it was opened and a
 * hash context of the current resource owner.  What computing one hash
 * allocates besides is left in the current context, for the caller to reset.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "audit/event.h"
#include "mlops.h"

PG_FUNCTION_INFO_V1(mlops_audit_bytes);

/* room for the bytes of an event to begin with */
#define BUFFER_SIZE		2048

/* the kind of values of a column: how they are encoded */
typedef struct AuditColumn
{
	const char *name;
	Oid			type;
	uint16		field;			/* 0 if it is not a field of the record */
	MlopsFieldType encoding;
} AuditColumn;

/*
 * The columns in the order of MlopsAuditColumn, and with ascending numbers of
 * fields.  A number is never used again for something else.
 */
static const AuditColumn columns[AUDIT_NCOLUMNS] = {
	[AUDIT_SEQ] = {"seq", INT8OID, 1, MLOPS_FIELD_INTEGER},
	[AUDIT_LOG_ID] = {"log_id", UUIDOID, 0},
	[AUDIT_INCARNATION] = {"incarnation", INT4OID, 2, MLOPS_FIELD_INTEGER},
	[AUDIT_PREV_HASH] = {"prev_hash", BYTEAOID, 3, MLOPS_FIELD_BYTES},
	[AUDIT_OCCURRED_AT] = {"occurred_at", TIMESTAMPTZOID, 4, MLOPS_FIELD_TIME},
	[AUDIT_STATEMENT_AT] = {"statement_at", TIMESTAMPTZOID, 5, MLOPS_FIELD_TIME},
	[AUDIT_TRANSACTION_AT] = {"transaction_at", TIMESTAMPTZOID, 6, MLOPS_FIELD_TIME},
	[AUDIT_XID] = {"xid", INT8OID, 7, MLOPS_FIELD_INTEGER},
	[AUDIT_LOGIN_ROLE] = {"login_role", TEXTOID, 8, MLOPS_FIELD_TEXT},
	[AUDIT_SESSION_USER_NAME] = {"session_user_name", TEXTOID, 9, MLOPS_FIELD_TEXT},
	[AUDIT_CALLER] = {"caller", TEXTOID, 10, MLOPS_FIELD_TEXT},
	[AUDIT_SYSTEM_USER_NAME] = {"system_user_name", TEXTOID, 11, MLOPS_FIELD_TEXT},
	[AUDIT_ASSERTED_USER] = {"asserted_user", TEXTOID, 12, MLOPS_FIELD_TEXT},
	[AUDIT_CLIENT_ADDR] = {"client_addr", TEXTOID, 13, MLOPS_FIELD_TEXT},
	[AUDIT_CLIENT_PORT] = {"client_port", INT4OID, 14, MLOPS_FIELD_INTEGER},
	[AUDIT_CLIENT_DN] = {"client_dn", TEXTOID, 15, MLOPS_FIELD_TEXT},
	[AUDIT_APPLICATION_NAME] = {"application_name", TEXTOID, 16, MLOPS_FIELD_TEXT},
	[AUDIT_BACKEND_PID] = {"backend_pid", INT4OID, 17, MLOPS_FIELD_INTEGER},
	[AUDIT_BACKEND_START] = {"backend_start", TIMESTAMPTZOID, 18, MLOPS_FIELD_TIME},
	[AUDIT_DATABASE_NAME] = {"database_name", TEXTOID, 19, MLOPS_FIELD_TEXT},
	[AUDIT_DATABASE_OID] = {"database_oid", OIDOID, 20, MLOPS_FIELD_INTEGER},
	[AUDIT_SYSTEM_IDENTIFIER] = {"system_identifier", INT8OID, 21, MLOPS_FIELD_INTEGER},
	[AUDIT_TIMELINE] = {"timeline", INT8OID, 22, MLOPS_FIELD_INTEGER},
	[AUDIT_EXTENSION_VERSION] = {"extension_version", TEXTOID, 23, MLOPS_FIELD_TEXT},
	[AUDIT_SERVER_VERSION] = {"server_version", TEXTOID, 24, MLOPS_FIELD_TEXT},
	[AUDIT_ACTION] = {"action", TEXTOID, 25, MLOPS_FIELD_TEXT},
	[AUDIT_MODEL] = {"model", TEXTOID, 26, MLOPS_FIELD_TEXT},
	[AUDIT_VERSION] = {"version", INT4OID, 27, MLOPS_FIELD_INTEGER},
	[AUDIT_ALIAS] = {"alias", TEXTOID, 28, MLOPS_FIELD_TEXT},
	[AUDIT_SUBJECT] = {"subject", TEXTOID, 29, MLOPS_FIELD_TEXT},
	[AUDIT_REASON] = {"reason", TEXTOID, 30, MLOPS_FIELD_TEXT},
	[AUDIT_CHANGE_REF] = {"change_ref", TEXTOID, 31, MLOPS_FIELD_TEXT},
	[AUDIT_ARTIFACT_SHA256] = {"artifact_sha256", BYTEAOID, 32, MLOPS_FIELD_BYTES},
	[AUDIT_STATE_BEFORE] = {"state_before", JSONOID, 33, MLOPS_FIELD_JSON},
	[AUDIT_STATE_AFTER] = {"state_after", JSONOID, 34, MLOPS_FIELD_JSON},
	[AUDIT_DETAIL] = {"detail", JSONOID, 35, MLOPS_FIELD_JSON},
	[AUDIT_RELIED_ON] = {"relied_on", JSONOID, 36, MLOPS_FIELD_JSON},
	[AUDIT_SIGNATURE_SHA256] = {"signature_sha256", BYTEAOID, 37, MLOPS_FIELD_BYTES},
	[AUDIT_POLICY_SHA256] = {"policy_sha256", BYTEAOID, 38, MLOPS_FIELD_BYTES},
	[AUDIT_LIBRARY_VERSION] = {"library_version", TEXTOID, 39, MLOPS_FIELD_TEXT},
	[AUDIT_RECORDED_AT] = {"recorded_at", TIMESTAMPTZOID, 40, MLOPS_FIELD_TIME},
	[AUDIT_HASH] = {"hash", BYTEAOID, 0},
};

/*
 * Find the columns of an event in a row type.  Error if one is missing or of
 * another type: then the library and the objects are of different versions.
 */
void
mlops_audit_map(MlopsAuditMap *map, TupleDesc tupdesc)
{
	for (int column = 0; column < AUDIT_NCOLUMNS; column++)
	{
		AttrNumber	found = InvalidAttrNumber;

		/* usually it stands at the same place as here */
		for (int i = 0; i < tupdesc->natts && found == InvalidAttrNumber; i++)
		{
			int			place = (column + i) % tupdesc->natts;
			Form_pg_attribute attribute = TupleDescAttr(tupdesc, place);

			if (!attribute->attisdropped &&
				attribute->atttypid == columns[column].type &&
				strcmp(NameStr(attribute->attname), columns[column].name) == 0)
				found = place + 1;
		}
		if (found == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("table %s.audit_event has no column \"%s\" of type %s",
							MLOPS_SCHEMA, columns[column].name,
							format_type_be(columns[column].type)),
					 errhint("The library and the extension's objects are of different versions, or the table was changed.")));
		map->attnum[column] = found;
	}
}

/*
 * Take an event out of the values of a row.  What is passed by reference stays
 * where it is.
 */
void
mlops_audit_from_columns(const MlopsAuditMap *map, const Datum *values,
						 const bool *isnull, MlopsAuditEvent *event)
{
	for (int column = 0; column < AUDIT_NCOLUMNS; column++)
	{
		event->values[column] = values[map->attnum[column] - 1];
		event->isnull[column] = isnull[map->attnum[column] - 1];
	}
}

/*
 * Put an event into the values of a row, leaving other columns alone.
 */
void
mlops_audit_to_columns(const MlopsAuditMap *map, const MlopsAuditEvent *event,
					   Datum *values, bool *isnull)
{
	for (int column = 0; column < AUDIT_NCOLUMNS; column++)
	{
		values[map->attnum[column] - 1] = event->values[column];
		isnull[map->attnum[column] - 1] = event->isnull[column];
	}
}

/*
 * Copy a hash out of a column of an event.  False, and zeros, if there is none
 * of the right length.
 */
bool
mlops_audit_get_hash(const MlopsAuditEvent *event, MlopsAuditColumn column, uint8 *hash)
{
	bytea	   *value;

	memset(hash, 0, MLOPS_HASH_SIZE);
	if (event->isnull[column])
		return false;
	value = DatumGetByteaPP(event->values[column]);
	if (VARSIZE_ANY_EXHDR(value) != MLOPS_HASH_SIZE)
		return false;
	memcpy(hash, VARDATA_ANY(value), MLOPS_HASH_SIZE);
	return true;
}

/*
 * A hash as a bytea in the current context.
 */
Datum
mlops_audit_hash_datum(const uint8 *hash)
{
	bytea	   *value = palloc(VARHDRSZ + MLOPS_HASH_SIZE);

	SET_VARSIZE(value, VARHDRSZ + MLOPS_HASH_SIZE);
	memcpy(VARDATA(value), hash, MLOPS_HASH_SIZE);
	return PointerGetDatum(value);
}

/*
 * Get ready to compute hashes, until mlops_audit_hasher_close() or the end of
 * the resource owner.
 */
void
mlops_audit_hasher_open(MlopsAuditHasher *hasher)
{
	hasher->encoder.capacity = BUFFER_SIZE;
	hasher->encoder.data = palloc(hasher->encoder.capacity);
	hasher->sha256 = pg_cryptohash_create(PG_SHA256);
	if (hasher->sha256 == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

/*
 * Release what a hasher holds.
 */
void
mlops_audit_hasher_close(MlopsAuditHasher *hasher)
{
	pg_cryptohash_free(hasher->sha256);
	pfree(hasher->encoder.data);
}

/*
 * The bytes of a text in UTF-8.  False if there are none, which happens only
 * to bytes that the encoding of the database does not have, or that Unicode
 * does not.  In a database in SQL_ASCII bytes are taken as they are.
 */
static bool
utf8_bytes(const char *bytes, int length, const char **result, int *result_length)
{
	int			encoding = GetDatabaseEncoding();
	Oid			conversion;
	Size		room;
	char	   *converted;

	*result = bytes;
	*result_length = length;
	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return true;
	for (int i = 0; i < length; i++)
	{
		if (IS_HIGHBIT_SET(bytes[i]))
			break;
		if (i == length - 1)
			return true;
	}
	if (length == 0)
		return true;

	conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	if (!OidIsValid(conversion))
		return false;
	room = (Size) length * MAX_CONVERSION_GROWTH + 1;
	if (room > INT_MAX)
		return false;
	converted = MemoryContextAllocHuge(CurrentMemoryContext, room);
	if (pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8,
									  (unsigned char *) unconstify(char *, bytes), length,
									  (unsigned char *) converted, (int) room,
									  true) != length)
		return false;
	*result = converted;
	*result_length = (int) strlen(converted);
	return true;
}

/*
 * A value of an integer type.
 */
static int64
integer_value(Oid type, Datum value)
{
	switch (type)
	{
		case INT4OID:
			return DatumGetInt32(value);
		case OIDOID:
			return DatumGetObjectId(value);
		default:
			return DatumGetInt64(value);
	}
}

/*
 * An instant in microseconds since 1970-01-01 UTC; the infinities, which no
 * function writes, stay what they are.
 */
static int64
unix_time(TimestampTz value)
{
	if (TIMESTAMP_NOT_FINITE(value))
		return value;
	return value + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/*
 * Encode an event once, with the room that there is.  False if it has no
 * encoding.
 */
static bool
encode_once(MlopsEncoder *encoder, const MlopsAuditEvent *event)
{
	mlops_encode_begin(encoder, encoder->data, encoder->capacity,
					   DatumGetUUIDP(event->values[AUDIT_LOG_ID])->data,
					   MLOPS_STREAM_GOVERNANCE);
	for (int column = 0; column < AUDIT_NCOLUMNS; column++)
	{
		const AuditColumn *definition = &columns[column];
		Datum		value = event->values[column];

		if (event->isnull[column] || definition->field == 0)
			continue;
		if (definition->encoding == MLOPS_FIELD_INTEGER)
			mlops_encode_integer(encoder, definition->field, definition->encoding,
								 integer_value(definition->type, value));
		else if (definition->encoding == MLOPS_FIELD_TIME)
			mlops_encode_integer(encoder, definition->field, definition->encoding,
								 unix_time(DatumGetTimestampTz(value)));
		else
		{
			struct varlena *varlena = PG_DETOAST_DATUM_PACKED(value);
			const char *bytes = VARDATA_ANY(varlena);
			int			length = VARSIZE_ANY_EXHDR(varlena);

			if (definition->encoding != MLOPS_FIELD_BYTES &&
				!utf8_bytes(bytes, length, &bytes, &length))
				return false;
			mlops_encode_bytes(encoder, definition->field, definition->encoding,
							   bytes, length);
		}
	}
	mlops_encode_end(encoder);
	return true;
}

/*
 * Encode an event, giving the encoder's buffer, which was palloc'ed, the room
 * that it takes.  An event that has no encoding (it has no log id, or its text
 * no form in UTF-8) is an error, or gives false if missing_ok.
 */
static bool
encode_event(MlopsEncoder *encoder, const MlopsAuditEvent *event, bool missing_ok)
{
	while (!event->isnull[AUDIT_LOG_ID] && encode_once(encoder, event))
	{
		if (encoder->length <= encoder->capacity)
			return true;
		encoder->capacity = encoder->length + encoder->length / 2;
		encoder->data = repalloc_huge(encoder->data, encoder->capacity);
	}
	if (!missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("audit event cannot be encoded"),
				 errdetail("It has no log id, or a text in it cannot be converted to UTF-8.")));
	return false;
}

/*
 * Compute the hash of an event into hash, which has MLOPS_HASH_SIZE bytes.  An
 * event that has no encoding is an error, or gives false if missing_ok.
 */
bool
mlops_audit_hash(MlopsAuditHasher *hasher, const MlopsAuditEvent *event,
				 bool missing_ok, uint8 *hash)
{
	if (!encode_event(&hasher->encoder, event, missing_ok))
		return false;
	if (pg_cryptohash_init(hasher->sha256) < 0 ||
		pg_cryptohash_update(hasher->sha256, hasher->encoder.data,
							 hasher->encoder.length) < 0 ||
		pg_cryptohash_final(hasher->sha256, hash, MLOPS_HASH_SIZE) < 0)
		elog(ERROR, "could not compute SHA-256 hash: %s",
			 pg_cryptohash_error(hasher->sha256));
	return true;
}

/*
 * SQL: the bytes that the hash of an event is taken of.
 */
Datum
mlops_audit_bytes(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc	tupdesc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
												 HeapTupleHeaderGetTypMod(header));
	Datum	   *values = palloc(tupdesc->natts * sizeof(Datum));
	bool	   *isnull = palloc(tupdesc->natts * sizeof(bool));
	HeapTupleData tuple;
	MlopsAuditMap map;
	MlopsAuditEvent event;
	MlopsEncoder encoder;
	bytea	   *result;

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	mlops_audit_map(&map, tupdesc);
	heap_deform_tuple(&tuple, tupdesc, values, isnull);
	mlops_audit_from_columns(&map, values, isnull, &event);
	ReleaseTupleDesc(tupdesc);

	encoder.capacity = BUFFER_SIZE;
	encoder.data = palloc(encoder.capacity);
	encode_event(&encoder, &event, false);
	result = palloc(VARHDRSZ + encoder.length);
	SET_VARSIZE(result, VARHDRSZ + encoder.length);
	memcpy(VARDATA(result), encoder.data, encoder.length);
	PG_RETURN_BYTEA_P(result);
}
