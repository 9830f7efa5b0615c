/*-------------------------------------------------------------------------
 *
 * audit_encode.c
 *	  The encoding of audit events against its test vectors.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include "audit/encode.h"

#define VECTORS		"test/fixtures/audit_vectors.txt"
#define ROOM		4096

typedef struct Field
{
	unsigned int number;
	MlopsFieldType type;
	int64		integer;
	unsigned char bytes[1024];
	uint32		length;
} Field;

typedef struct Vector
{
	char		name[256];
	unsigned char log_id[MLOPS_LOG_ID_SIZE];
	Field		fields[64];
	int			nfields;
	unsigned char encoded[ROOM];
	size_t		length;
} Vector;

static int	ntests = 0;
static int	nfailures = 0;

static void
ok(bool passed, const char *name, const char *vector)
{
	ntests++;
	if (!passed)
		nfailures++;
	printf("%sok %d - %s: %s\n", passed ? "" : "not ", ntests, vector, name);
}

static void
fail(const char *message, const char *line)
{
	printf("Bail out! %s: %s: %s\n", VECTORS, message, line);
	exit(1);
}

/* hexadecimal digits, among which dashes may stand; the number of bytes */
static size_t
unhex(const char *text, unsigned char *bytes, size_t room)
{
	size_t		n = 0;
	unsigned int value;

	while (*text != '\0')
	{
		if (*text == '-')
		{
			text++;
			continue;
		}
		if (n == room || sscanf(text, "%2x", &value) != 1)
			fail("bad hexadecimal digits", text);
		bytes[n++] = (unsigned char) value;
		text += 2;
	}
	return n;
}

/* text with \n and \\ */
static uint32
unescape(const char *text, unsigned char *bytes, size_t room)
{
	uint32		n = 0;

	for (; *text != '\0'; text++)
	{
		if (n == room)
			fail("text too long", text);
		if (*text == '\\')
		{
			text++;
			bytes[n++] = *text == 'n' ? '\n' : (unsigned char) *text;
		}
		else
			bytes[n++] = (unsigned char) *text;
	}
	return n;
}

/* "NUMBER TYPE COLUMN VALUE" */
static void
read_field(const char *text, Field *field)
{
	static const char *const types[] = {"integer", "time", "text", "json", "bytes"};
	char		type[16];
	int			value;

	memset(field, 0, sizeof(Field));
	if (sscanf(text, "%u %15s %*s%n", &field->number, type, &value) != 2)
		fail("bad field", text);
	for (int i = 0; i < (int) lengthof(types); i++)
		if (strcmp(types[i], type) == 0)
			field->type = (MlopsFieldType) (i + 1);
	text += value;
	if (*text == ' ')
		text++;
	switch (field->type)
	{
		case MLOPS_FIELD_INTEGER:
		case MLOPS_FIELD_TIME:
			field->integer = strtoll(text, NULL, 10);
			break;
		case MLOPS_FIELD_TEXT:
		case MLOPS_FIELD_JSON:
			field->length = unescape(text, field->bytes, sizeof(field->bytes));
			break;
		case MLOPS_FIELD_BYTES:
			field->length = (uint32) unhex(text, field->bytes, sizeof(field->bytes));
			break;
		default:
			fail("unknown type", type);
	}
}

/* encode a vector into a buffer of a given size; the length that it needs */
static size_t
encode(const Vector *vector, unsigned char *data, size_t capacity)
{
	MlopsEncoder encoder;

	mlops_encode_begin(&encoder, data, capacity, vector->log_id, MLOPS_STREAM_GOVERNANCE);
	for (int i = 0; i < vector->nfields; i++)
	{
		const Field *field = &vector->fields[i];

		if (field->type == MLOPS_FIELD_INTEGER || field->type == MLOPS_FIELD_TIME)
			mlops_encode_integer(&encoder, field->number, field->type, field->integer);
		else
			mlops_encode_bytes(&encoder, field->number, field->type, field->bytes,
							   field->length);
	}
	mlops_encode_end(&encoder);
	return encoder.length;
}

static void
check_vector(const Vector *vector)
{
	unsigned char data[ROOM];
	bool		lengths = true;
	bool		guarded = true;

	ok(vector->nfields > 0 && vector->length > 0, "is complete", vector->name);
	ok(encode(vector, data, sizeof(data)) == vector->length &&
	   memcmp(data, vector->encoded, vector->length) == 0,
	   "has these bytes", vector->name);

	/* with less room it asks for as much, and leaves the rest of the memory alone */
	for (size_t capacity = 0; capacity <= vector->length; capacity++)
	{
		memset(data, 0xA5, sizeof(data));
		lengths &= encode(vector, data, capacity) == vector->length;
		for (size_t i = capacity; i < sizeof(data); i++)
			guarded &= data[i] == 0xA5;
	}
	ok(lengths, "asks for the room that it needs", vector->name);
	ok(guarded, "writes nothing beyond its room", vector->name);
	ok(memcmp(data, vector->encoded, vector->length) == 0, "fits exactly", vector->name);
}

int
main(void)
{
	static Vector vector;
	static char line[2 * ROOM + 64];
	int			nvectors = 0;
	FILE	   *file = fopen(VECTORS, "r");

	if (file == NULL)
		fail("cannot open", strerror(errno));
	while (fgets(line, sizeof(line), file) != NULL)
	{
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "vector ", 7) == 0)
		{
			memset(&vector, 0, sizeof(vector));
			snprintf(vector.name, sizeof(vector.name), "%s", line + 7);
			nvectors++;
		}
		else if (strncmp(line, "log_id ", 7) == 0)
			unhex(line + 7, vector.log_id, sizeof(vector.log_id));
		else if (strncmp(line, "field ", 6) == 0)
		{
			if (vector.nfields == (int) lengthof(vector.fields))
				fail("too many fields", line);
			read_field(line + 6, &vector.fields[vector.nfields++]);
		}
		else if (strncmp(line, "encoded ", 8) == 0)
			vector.length = unhex(line + 8, vector.encoded, sizeof(vector.encoded));
		else if (strncmp(line, "sha256 ", 7) == 0)
			check_vector(&vector);
		else if (line[0] != '#' && line[0] != '\0')
			fail("unknown line", line);
	}
	fclose(file);
	ok(nvectors >= 4, "all vectors were read", VECTORS);
	printf("1..%d\n", ntests);
	return nfailures == 0 ? 0 : 1;
}
