/*-------------------------------------------------------------------------
 *
 * encode.h
 *	  The bytes of a record of the audit log that its hash is taken of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_AUDIT_ENCODE_H
#define MLOPS_AUDIT_ENCODE_H

/* SHA-256, in bytes */
#define MLOPS_HASH_SIZE			32
/* the identity of a log: a uuid, in bytes */
#define MLOPS_LOG_ID_SIZE		16

/* Streams: what kind of records a log holds. */
#define MLOPS_STREAM_GOVERNANCE 0x01

/* Types of fields.  A number, once used, never gets another meaning. */
typedef enum MlopsFieldType
{
	MLOPS_FIELD_INTEGER = 1,	/* int64 */
	MLOPS_FIELD_TIME = 2,		/* int64, microseconds since 1970-01-01 UTC */
	MLOPS_FIELD_TEXT = 3,		/* UTF-8 */
	MLOPS_FIELD_JSON = 4,		/* UTF-8, as stored and not normalised */
	MLOPS_FIELD_BYTES = 5
} MlopsFieldType;

/*
 * A record under construction.  Bytes beyond the capacity are counted but not
 * written: if at the end length > capacity, give it more room and begin again.
 */
typedef struct MlopsEncoder
{
	unsigned char *data;
	size_t		capacity;
	size_t		length;
	unsigned int nfields;
} MlopsEncoder;

extern void mlops_encode_begin(MlopsEncoder *encoder, unsigned char *data, size_t capacity,
							   const unsigned char *log_id, unsigned char stream);
extern void mlops_encode_integer(MlopsEncoder *encoder, unsigned int field,
								 MlopsFieldType type, int64 value);
extern void mlops_encode_bytes(MlopsEncoder *encoder, unsigned int field,
							   MlopsFieldType type, const void *bytes, uint32 length);
extern void mlops_encode_end(MlopsEncoder *encoder);

#endif							/* MLOPS_AUDIT_ENCODE_H */
