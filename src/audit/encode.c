/*-------------------------------------------------------------------------
 *
 * encode.c
 *	  The bytes of a record of the audit log that its hash is taken of.
 *
 * Version 1 of the encoding, which is frozen:
 *
 *		0x00 || "mlops/leaf/v1" || log id (16 bytes) || stream (1 byte)
 *		|| number of fields (2 bytes)
 *		|| for each field: number (2 bytes) || type (1 byte)
 *						   || length of the value (4 bytes) || value
 *
 * Integers are big-endian.  Fields come in ascending order of their numbers,
 * each at most once.  A field that is NULL is left out, so that a field which
 * a later version adds does not change the hash of records made before it.
 * The hash of a record is the SHA-256 of these bytes; the leading zero makes
 * it a leaf hash of RFC 6962, ready to stand in a Merkle tree.
 *
 * Nothing here needs a server, and no memory is allocated: the caller owns
 * the buffer.  test/fixtures/audit_vectors.txt holds records with their bytes
 * and hashes.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include "audit/encode.h"

static const char magic[] = "mlops/leaf/v1";

/* where the number of fields stands */
#define NFIELDS_OFFSET	(1 + sizeof(magic) - 1 + MLOPS_LOG_ID_SIZE + 1)

/*
 * Append bytes, as far as there is room.
 */
static inline void
put(MlopsEncoder *encoder, const void *bytes, size_t length)
{
	if (length > 0 && encoder->length <= encoder->capacity &&
		length <= encoder->capacity - encoder->length)
		memcpy(encoder->data + encoder->length, bytes, length);
	encoder->length += length;
}

/*
 * Append the number, type and length of a field.  The caller keeps the order of
 * the numbers.
 */
static inline void
put_field(MlopsEncoder *encoder, unsigned int field, MlopsFieldType type, uint32 length)
{
	unsigned char header[7];

	header[0] = (unsigned char) (field >> 8);
	header[1] = (unsigned char) field;
	header[2] = (unsigned char) type;
	header[3] = (unsigned char) (length >> 24);
	header[4] = (unsigned char) (length >> 16);
	header[5] = (unsigned char) (length >> 8);
	header[6] = (unsigned char) length;
	put(encoder, header, sizeof(header));
	encoder->nfields++;
}

/*
 * Begin a record in the given buffer.
 */
void
mlops_encode_begin(MlopsEncoder *encoder, unsigned char *data, size_t capacity,
				   const unsigned char *log_id, unsigned char stream)
{
	static const unsigned char zero[2] = {0, 0};

	encoder->data = data;
	encoder->capacity = capacity;
	encoder->length = 0;
	encoder->nfields = 0;
	put(encoder, zero, 1);
	put(encoder, magic, sizeof(magic) - 1);
	put(encoder, log_id, MLOPS_LOG_ID_SIZE);
	put(encoder, &stream, 1);
	put(encoder, zero, 2);
}

/*
 * Append a field of type integer or time.
 */
void
mlops_encode_integer(MlopsEncoder *encoder, unsigned int field, MlopsFieldType type,
					 int64 value)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char) ((uint64) value >> (56 - 8 * i));
	put_field(encoder, field, type, sizeof(bytes));
	put(encoder, bytes, sizeof(bytes));
}

/*
 * Append a field of type text, json or bytes.
 */
void
mlops_encode_bytes(MlopsEncoder *encoder, unsigned int field, MlopsFieldType type,
				   const void *bytes, uint32 length)
{
	put_field(encoder, field, type, length);
	put(encoder, bytes, length);
}

/*
 * End a record: its bytes are complete if length <= capacity.
 */
void
mlops_encode_end(MlopsEncoder *encoder)
{
	if (encoder->length <= encoder->capacity)
	{
		encoder->data[NFIELDS_OFFSET] = (unsigned char) (encoder->nfields >> 8);
		encoder->data[NFIELDS_OFFSET + 1] = (unsigned char) encoder->nfields;
	}
}
