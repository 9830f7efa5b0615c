/*-------------------------------------------------------------------------
 *
 * sketch_bytes.c
 *	  The bytes of a sketch: on disk, sent, and as text in hexadecimal.
 *
 * One encoding serves all.  Integers are in network byte order, floats are
 * their IEEE 754 bits as integers:
 *
 *		uint8		version, 1
 *		uint8		kind: 1 numeric, 2 categorical
 *		uint8		0, or 1 in the second stage
 *		uint8		0
 *		int64		rows, nulls, nans, negative and positive infinities
 *
 *	First stage, numeric:
 *		uint32		number of values, then each: float8 value, int64 count,
 *					ascending
 *	Both stages, categorical:
 *		uint32		number of texts, then each: uint8 length, bytes, int64
 *					count, ascending as bytes
 *	Second stage:
 *		int64		error of counts
 *		uint8[4096] registers
 *	Second stage, numeric:
 *		float8		min, max
 *		sum, sum of squares, each: uint8 negative, uint16 first digit, uint16
 *					number of digits, uint32 digits, the least first, the first
 *					and the last not zero
 *		uint32		number of frequent values, then each: float8, int64 count,
 *					ascending
 *		uint8		number of levels, the last not empty, then each: int64
 *					lowered, int64 raised, uint32 number of values, float8
 *					values, ascending
 *
 * What is read may come from anybody.  Everything is checked that could lead
 * to a result which cannot be, above all that parts add up to the totals; so
 * what was read can be merged and asked without a further check.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "port/pg_bswap.h"

#include "monitoring/sketch_internal.h"

#define SKETCH_VERSION		1

/* bytes being written; or none are, only their number counted */
typedef struct Writer
{
	char	   *data;			/* NULL while counting */
	size_t		len;
} Writer;

static void
put_bytes(Writer *writer, const void *bytes, size_t len)
{
	if (writer->data != NULL && len > 0)
		memcpy(writer->data + writer->len, bytes, len);
	writer->len += len;
}

static void
put_uint8(Writer *writer, uint8 value)
{
	put_bytes(writer, &value, 1);
}

static void
put_uint16(Writer *writer, uint16 value)
{
	value = pg_hton16(value);
	put_bytes(writer, &value, sizeof(value));
}

static void
put_uint32(Writer *writer, uint32 value)
{
	value = pg_hton32(value);
	put_bytes(writer, &value, sizeof(value));
}

static void
put_int64(Writer *writer, int64 value)
{
	uint64		bits = pg_hton64((uint64) value);

	put_bytes(writer, &bits, sizeof(bits));
}

static void
put_double(Writer *writer, double value)
{
	int64		bits;

	memcpy(&bits, &value, sizeof(bits));
	put_int64(writer, bits);
}

static void
put_points(Writer *writer, const MlopsSketchPoint *points, int n)
{
	put_uint32(writer, n);
	for (int i = 0; i < n; i++)
	{
		put_double(writer, points[i].value);
		put_int64(writer, points[i].weight);
	}
}

static void
put_sum(Writer *writer, const int64 *sum, int num_digits)
{
	MlopsWide	wide;

	mlops_wide_get(&wide, sum, num_digits);
	put_uint8(writer, wide.negative);
	put_uint16(writer, wide.first);
	put_uint16(writer, wide.num_digits);
	for (int i = 0; i < wide.num_digits; i++)
		put_uint32(writer, wide.digits[i]);
}

static void
put_levels(Writer *writer, const MlopsSketch *sketch)
{
	int			num_levels = SKETCH_MAX_LEVELS;

	while (num_levels > 0 && sketch->levels[num_levels - 1].num_values == 0 &&
		   sketch->levels[num_levels - 1].lowered == 0 &&
		   sketch->levels[num_levels - 1].raised == 0)
		num_levels--;
	put_uint8(writer, num_levels);
	for (int i = 0; i < num_levels; i++)
	{
		const SketchLevel *level = &sketch->levels[i];

		put_int64(writer, level->lowered);
		put_int64(writer, level->raised);
		put_uint32(writer, level->num_values);
		for (int j = 0; j < level->num_values; j++)
			put_double(writer, level->values[j]);
	}
}

static void
put_sketch(Writer *writer, const MlopsSketch *sketch, SketchText *const *texts)
{
	put_uint8(writer, SKETCH_VERSION);
	put_uint8(writer, sketch->kind);
	put_uint8(writer, sketch->approximate);
	put_uint8(writer, 0);
	put_int64(writer, sketch->counts.rows);
	put_int64(writer, sketch->counts.nulls);
	put_int64(writer, sketch->counts.nans);
	put_int64(writer, sketch->counts.negative_infinities);
	put_int64(writer, sketch->counts.positive_infinities);

	if (sketch->kind == MLOPS_SKETCH_CATEGORICAL)
	{
		put_uint32(writer, sketch->num_texts);
		for (int i = 0; i < sketch->num_texts; i++)
		{
			put_uint8(writer, texts[i]->len);
			put_bytes(writer, texts[i]->text, texts[i]->len);
			put_int64(writer, texts[i]->count);
		}
	}
	else if (!sketch->approximate)
		put_points(writer, sketch->exact, sketch->num_exact);
	if (!sketch->approximate)
		return;

	put_int64(writer, sketch->count_error);
	put_bytes(writer, sketch->registers, SKETCH_REGISTERS);
	if (sketch->kind == MLOPS_SKETCH_NUMERIC)
	{
		put_double(writer, sketch->min);
		put_double(writer, sketch->max);
		put_sum(writer, sketch->moments->sum, MLOPS_SUM_DIGITS);
		put_sum(writer, sketch->moments->squares, MLOPS_SQUARES_DIGITS);
		put_points(writer, sketch->frequent, sketch->num_frequent);
		put_levels(writer, sketch);
	}
}

/*
 * The bytes of a sketch, in palloc'ed memory, after as many bytes as the
 * caller reserves for itself; *len does not count those.
 */
void *
mlops_sketch_write(MlopsSketch *sketch, size_t reserve, size_t *len)
{
	Writer		writer = {0};
	SketchText **texts = NULL;
	char	   *result;

	mlops_sketch_flush(sketch);
	if (sketch->moments != NULL)
		mlops_exact_carry(sketch->moments);
	if (sketch->kind == MLOPS_SKETCH_CATEGORICAL)
		texts = mlops_sketch_sorted_texts(sketch);
	put_sketch(&writer, sketch, texts);
	*len = writer.len;
	result = palloc(reserve + writer.len);
	writer.data = result + reserve;
	writer.len = 0;
	put_sketch(&writer, sketch, texts);
	if (texts != NULL)
		pfree(texts);
	return result;
}

/* bytes being read, and what is wrong with them */
typedef struct Reader
{
	const char *data;
	size_t		len;
	size_t		at;
	const char *fault;			/* the first one */
	size_t		fault_at;
} Reader;

/* note a fault; always false */
static bool
fault(Reader *reader, const char *message)
{
	if (reader->fault == NULL)
	{
		reader->fault = message;
		reader->fault_at = reader->at;
	}
	return false;
}

/*
 * So many bytes, or a fault and zeros.
 */
static void
get_bytes(Reader *reader, void *bytes, size_t len)
{
	if (reader->fault != NULL || reader->len - reader->at < len)
	{
		fault(reader, "the bytes end too early");
		memset(bytes, 0, len);
		return;
	}
	memcpy(bytes, reader->data + reader->at, len);
	reader->at += len;
}

static uint8
get_uint8(Reader *reader)
{
	uint8		value;

	get_bytes(reader, &value, 1);
	return value;
}

static uint16
get_uint16(Reader *reader)
{
	uint16		value;

	get_bytes(reader, &value, sizeof(value));
	return pg_ntoh16(value);
}

static uint32
get_uint32(Reader *reader)
{
	uint32		value;

	get_bytes(reader, &value, sizeof(value));
	return pg_ntoh32(value);
}

static int64
get_int64(Reader *reader)
{
	uint64		value;

	get_bytes(reader, &value, sizeof(value));
	return (int64) pg_ntoh64(value);
}

/* a count that is not negative */
static int64
get_count(Reader *reader)
{
	int64		value = get_int64(reader);

	if (value < 0)
	{
		fault(reader, "a count is negative");
		return 0;
	}
	return value;
}

/* a finite number, and no negative zero */
static double
get_number(Reader *reader)
{
	int64		bits = get_int64(reader);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	if (!isfinite(value) || (value == 0 && signbit(value)))
	{
		fault(reader, "a value is not finite");
		return 0;
	}
	return value;
}

/*
 * Take from what remains of a total.
 */
static bool
take(Reader *reader, int64 *remaining, int64 count, int level)
{
	if (count > (*remaining >> level))
		return fault(reader, "counts exceed their total");
	*remaining -= count << level;
	return true;
}

/*
 * Ascending values with counts, at most so many; their counts are taken from
 * *remaining.
 */
static int
get_points(Reader *reader, MlopsSketchPoint **points, int most, int64 *remaining)
{
	uint32		n = get_uint32(reader);

	if (n > (uint32) most)
		fault(reader, "there are too many values");
	if (reader->fault != NULL)
		return 0;
	*points = palloc(sizeof(MlopsSketchPoint) * Max(n, 1));
	for (uint32 i = 0; i < n && reader->fault == NULL; i++)
	{
		MlopsSketchPoint *point = &(*points)[i];

		point->value = get_number(reader);
		point->weight = get_count(reader);
		if (point->weight == 0)
			fault(reader, "a value has no rows");
		if (i > 0 && point->value <= point[-1].value)
			fault(reader, "values are not in ascending order");
		take(reader, remaining, point->weight, 0);
	}
	return reader->fault == NULL ? (int) n : 0;
}

static void
get_texts(Reader *reader, MlopsSketch *sketch, int64 *remaining)
{
	uint32		n = get_uint32(reader);
	char		text[MLOPS_SKETCH_TEXT_MAX + 1];
	char		previous[MLOPS_SKETCH_TEXT_MAX + 1];

	if (n > MLOPS_SKETCH_EXACT)
		fault(reader, "there are too many values");
	for (uint32 i = 0; i < n && reader->fault == NULL; i++)
	{
		int			len = get_uint8(reader);
		int64		count;

		get_bytes(reader, text, len);
		text[len] = '\0';
		count = get_count(reader);
		if (strlen(text) != (size_t) len)
			fault(reader, "a text contains a zero byte");
		if (count == 0)
			fault(reader, "a value has no rows");
		if (i > 0 && strcmp(previous, text) >= 0)
			fault(reader, "values are not in ascending order");
		if (take(reader, remaining, count, 0) && reader->fault == NULL)
			mlops_sketch_put_text(sketch, text, len, count);
		memcpy(previous, text, len + 1);
	}
}

static void
get_sum(Reader *reader, int64 *sum, int num_digits)
{
	MlopsWide	wide = {0};
	uint8		negative = get_uint8(reader);

	wide.negative = negative != 0;
	wide.first = get_uint16(reader);
	wide.num_digits = get_uint16(reader);
	if (negative > 1 || wide.num_digits > (int) lengthof(wide.digits) ||
		(wide.num_digits == 0 && (wide.negative || wide.first != 0)))
	{
		fault(reader, "a sum is out of range");
		return;
	}
	for (int i = 0; i < wide.num_digits; i++)
		wide.digits[i] = get_uint32(reader);
	if (wide.num_digits > 0 && reader->fault == NULL &&
		(wide.digits[0] == 0 || wide.digits[wide.num_digits - 1] == 0))
		fault(reader, "a sum has superfluous digits");
	if (!mlops_wide_put(&wide, sum, num_digits))
		fault(reader, "a sum is out of range");
}

/*
 * Could so many numbers between min and max have these sums?
 */
static bool
check_moments(Reader *reader, const MlopsSketch *sketch)
{
	MlopsExact shifted = *sketch->moments;
	MlopsExact most = {0};
	MlopsWide	above;
	MlopsWide	below;
	MlopsWide	squares;

	mlops_exact_add(&shifted, -sketch->min, sketch->counts.values);
	mlops_exact_carry(&shifted);
	mlops_wide_get(&above, shifted.sum, MLOPS_SUM_DIGITS);
	shifted = *sketch->moments;
	mlops_exact_add(&shifted, -sketch->max, sketch->counts.values);
	mlops_exact_carry(&shifted);
	mlops_wide_get(&below, shifted.sum, MLOPS_SUM_DIGITS);
	mlops_exact_add(&most, Max(-sketch->min, sketch->max), sketch->counts.values);
	for (int i = 0; i < MLOPS_SQUARES_DIGITS; i++)
		most.squares[i] -= sketch->moments->squares[i];
	mlops_exact_carry(&most);
	mlops_wide_get(&squares, most.squares, MLOPS_SQUARES_DIGITS);
	if (above.negative || (below.num_digits > 0 && !below.negative) || squares.negative ||
		!mlops_exact_possible(sketch->moments, sketch->counts.values))
		return fault(reader, "no values have these sums");
	return true;
}

static void
get_levels(Reader *reader, MlopsSketch *sketch)
{
	int64		remaining = sketch->counts.values;
	int			num_levels = get_uint8(reader);

	if (num_levels > SKETCH_MAX_LEVELS)
		fault(reader, "there are too many levels");
	for (int i = 0; i < num_levels && reader->fault == NULL; i++)
	{
		SketchLevel *level = &sketch->levels[i];
		uint32		n;

		level->lowered = get_count(reader);
		level->raised = get_count(reader);
		if (Max(level->lowered, level->raised) > SKETCH_MAX_HALVINGS(i))
			fault(reader, "the error of ranks is out of range");
		n = get_uint32(reader);
		if (n >= MLOPS_SKETCH_LEVEL)
			fault(reader, "there are too many values");
		take(reader, &remaining, n, i);
		if (i == num_levels - 1 && n == 0 && level->lowered == 0 && level->raised == 0)
			fault(reader, "the last level is empty");
		if (reader->fault != NULL)
			return;
		level->values = palloc(sizeof(double) * Max(n, 1));
		level->allocated = Max(n, 1);
		for (uint32 j = 0; j < n; j++)
		{
			level->values[j] = get_number(reader);
			if (j > 0 && level->values[j] < level->values[j - 1])
				fault(reader, "values are not in ascending order");
			if (level->values[j] < sketch->min || level->values[j] > sketch->max)
				fault(reader, "a value is out of range");
		}
		level->num_values = n;
	}
	if (remaining != 0)
		fault(reader, "counts do not add up to their total");
}

static void
get_second_stage(Reader *reader, MlopsSketch *sketch, int64 *remaining)
{
	int64		error = get_count(reader);

	sketch->count_error = error;
	get_bytes(reader, sketch->registers, SKETCH_REGISTERS);
	for (int i = 0; i < SKETCH_REGISTERS; i++)
	{
		if (sketch->registers[i] > SKETCH_MAX_RANK)
			fault(reader, "a register is out of range");
	}
	if (sketch->kind != MLOPS_SKETCH_NUMERIC || reader->fault != NULL)
		return;

	sketch->min = get_number(reader);
	sketch->max = get_number(reader);
	if (sketch->min > sketch->max)
		fault(reader, "the least value is greater than the greatest");
	get_sum(reader, sketch->moments->sum, MLOPS_SUM_DIGITS);
	get_sum(reader, sketch->moments->squares, MLOPS_SQUARES_DIGITS);
	if (reader->fault != NULL || !check_moments(reader, sketch))
		return;
	if (sketch->frequent != NULL)
		pfree(sketch->frequent);
	sketch->frequent = NULL;
	sketch->num_frequent = get_points(reader, &sketch->frequent, MLOPS_SKETCH_FREQUENT,
									  remaining);
	if (sketch->frequent != NULL)
		sketch->frequent = repalloc(sketch->frequent,
									sizeof(MlopsSketchPoint) * MLOPS_SKETCH_FREQUENT);
	if (sketch->num_frequent > 0 &&
		(sketch->frequent[0].value < sketch->min ||
		 sketch->frequent[sketch->num_frequent - 1].value > sketch->max))
		fault(reader, "a value is out of range");
	get_levels(reader, sketch);
}

/*
 * Read the header; NULL if it is wrong.
 */
static MlopsSketch *
get_header(Reader *reader)
{
	MlopsSketch *sketch;
	MlopsSketchCounts counts;
	int64		remaining;
	uint8		version = get_uint8(reader);
	uint8		kind = get_uint8(reader);
	uint8		approximate = get_uint8(reader);
	uint8		reserved = get_uint8(reader);

	if (version != SKETCH_VERSION)
		fault(reader, "the version is not known");
	if (kind != MLOPS_SKETCH_NUMERIC && kind != MLOPS_SKETCH_CATEGORICAL)
		fault(reader, "the kind is not known");
	if (approximate > 1 || reserved != 0)
		fault(reader, "a flag is not known");
	counts.rows = remaining = get_count(reader);
	counts.nulls = get_count(reader);
	counts.nans = get_count(reader);
	counts.negative_infinities = get_count(reader);
	counts.positive_infinities = get_count(reader);
	if (take(reader, &remaining, counts.nulls, 0) && take(reader, &remaining, counts.nans, 0) &&
		take(reader, &remaining, counts.negative_infinities, 0))
		take(reader, &remaining, counts.positive_infinities, 0);
	counts.values = remaining;
	if (kind == MLOPS_SKETCH_CATEGORICAL &&
		(counts.nans | counts.negative_infinities | counts.positive_infinities) != 0)
		fault(reader, "a text is counted as a number");
	if (approximate && counts.values <= MLOPS_SKETCH_EXACT)
		fault(reader, "so few values are exact");
	if (reader->fault != NULL)
		return NULL;

	sketch = mlops_sketch_create(kind);
	sketch->counts = counts;
	if (approximate && kind == MLOPS_SKETCH_NUMERIC)
		mlops_sketch_approximate_numbers(sketch);
	else if (approximate)
	{
		sketch->approximate = true;
		sketch->registers = palloc0(SKETCH_REGISTERS);
	}
	return sketch;
}

MlopsSketch *
mlops_sketch_read(const void *bytes, size_t len, MlopsSketchError *error)
{
	Reader		reader = {.data = bytes,.len = len};
	MlopsSketch *sketch;
	int64		remaining;

	if (len > MLOPS_SKETCH_MAX_BYTES)
		fault(&reader, "there are too many bytes");
	sketch = get_header(&reader);
	if (sketch != NULL)
	{
		remaining = sketch->counts.values;
		if (sketch->kind == MLOPS_SKETCH_CATEGORICAL)
			get_texts(&reader, sketch, &remaining);
		else if (!sketch->approximate)
		{
			sketch->num_exact = get_points(&reader, &sketch->exact, MLOPS_SKETCH_EXACT,
										   &remaining);
			sketch->exact_size = sketch->num_exact;
		}
		if (reader.fault == NULL && sketch->approximate)
		{
			get_second_stage(&reader, sketch, &remaining);
			/* lowering by one took away a row of each that was kept, and of one more */
			if (sketch->count_error > remaining / (MLOPS_SKETCH_FREQUENT + 1))
				fault(&reader, "the error of counts is out of range");
		}
		else if (remaining != 0)
			fault(&reader, "counts do not add up to their total");
		if (reader.at != len)
			fault(&reader, "there are bytes behind the end");
		if (reader.fault != NULL)
		{
			mlops_sketch_free(sketch);
			sketch = NULL;
		}
	}
	if (error != NULL)
	{
		error->message = reader.fault;
		error->offset = reader.fault_at;
	}
	return sketch;
}
