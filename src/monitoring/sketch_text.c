/*-------------------------------------------------------------------------
 *
 * sketch_text.c
 *	  The table of texts of a categorical sketch.
 *
 * Texts are in an array and found by their hash in a table of positions,
 * probed linearly.  When a text comes that has no room, the sketch becomes
 * approximate if it was not, and counts are lowered as sketch.c describes.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include "monitoring/sketch_internal.h"

/*
 * The hash of a text, eight bytes at a time; the same on every machine.
 */
uint64
mlops_sketch_hash_text(const char *text, int len)
{
	const unsigned char *bytes = (const unsigned char *) text;
	uint64		hash = mlops_sketch_hash((uint64) len);

	for (; len > 0; len -= 8, bytes += 8)
	{
		uint64		word = 0;

		for (int i = Min(len, 8) - 1; i >= 0; i--)
			word = (word << 8) | bytes[i];
		hash = mlops_sketch_hash(hash ^ word);
	}
	return hash;
}

/* where a text is in the table of positions, or where it would be */
static int
find_slot(const MlopsSketch *sketch, const char *text, int len, uint64 hash)
{
	int			mask = sketch->num_slots - 1;
	int			slot = (int) (hash & mask);

	while (sketch->slots[slot] >= 0)
	{
		const SketchText *entry = &sketch->texts[sketch->slots[slot]];

		if (entry->hash == hash && entry->len == len && memcmp(entry->text, text, len) == 0)
			break;
		slot = (slot + 1) & mask;
	}
	return slot;
}

/*
 * Find all texts their slots again, of which there are twice as many at least.
 */
static void
arrange_slots(MlopsSketch *sketch)
{
	if (sketch->num_slots < 2 * sketch->texts_size)
	{
		if (sketch->slots != NULL)
			pfree(sketch->slots);
		sketch->num_slots = 2 * sketch->texts_size;
		sketch->slots = palloc(sizeof(int) * sketch->num_slots);
	}
	for (int i = 0; i < sketch->num_slots; i++)
		sketch->slots[i] = -1;
	for (int i = 0; i < sketch->num_texts; i++)
	{
		const SketchText *entry = &sketch->texts[i];

		sketch->slots[find_slot(sketch, entry->text, entry->len, entry->hash)] = i;
	}
}

/*
 * Lower all counts until few texts are left, and forget the others.
 */
static void
lower_counts(MlopsSketch *sketch)
{
	int64	   *counts = palloc(sizeof(int64) * sketch->num_texts);
	int			kept = 0;
	int64		cut;

	for (int i = 0; i < sketch->num_texts; i++)
		counts[i] = sketch->texts[i].count;
	cut = mlops_sketch_cut(counts, sketch->num_texts, MLOPS_SKETCH_FREQUENT);
	pfree(counts);

	for (int i = 0; i < sketch->num_texts; i++)
	{
		SketchText *entry = &sketch->texts[i];

		if (entry->count <= cut)
		{
			pfree(entry->text);
			continue;
		}
		entry->count -= cut;
		sketch->texts[kept++] = *entry;
	}
	sketch->num_texts = kept;
	sketch->count_error += cut;
	arrange_slots(sketch);
}

/*
 * Begin to estimate the number of distinct texts.
 */
static void
approximate(MlopsSketch *sketch)
{
	if (sketch->approximate)
		return;
	sketch->approximate = true;
	sketch->registers = palloc0(SKETCH_REGISTERS);
	for (int i = 0; i < sketch->num_texts; i++)
		mlops_sketch_register(sketch->registers, sketch->texts[i].hash);
}

SketchText *
mlops_sketch_find_text(const MlopsSketch *sketch, const char *text, int len)
{
	int			slot;

	if (sketch->num_slots == 0)
		return NULL;
	slot = find_slot(sketch, text, len, mlops_sketch_hash_text(text, len));
	return sketch->slots[slot] < 0 ? NULL : &sketch->texts[sketch->slots[slot]];
}

/*
 * Count a text, without counting rows.
 */
void
mlops_sketch_put_text(MlopsSketch *sketch, const char *text, int len, int64 count)
{
	uint64		hash = mlops_sketch_hash_text(text, len);
	int			slot = -1;
	SketchText *entry;

	if (sketch->num_slots > 0)
	{
		slot = find_slot(sketch, text, len, hash);
		if (likely(sketch->slots[slot] >= 0))
		{
			sketch->texts[sketch->slots[slot]].count += count;
			return;
		}
	}

	if (sketch->num_texts == MLOPS_SKETCH_EXACT)
	{
		approximate(sketch);
		lower_counts(sketch);
		slot = find_slot(sketch, text, len, hash);
	}
	else if (sketch->num_texts == sketch->texts_size)
	{
		sketch->texts_size = Max(2 * sketch->texts_size, 8);
		sketch->texts = sketch->texts == NULL ?
			palloc(sizeof(SketchText) * sketch->texts_size) :
			repalloc(sketch->texts, sizeof(SketchText) * sketch->texts_size);
		arrange_slots(sketch);
		slot = find_slot(sketch, text, len, hash);
	}
	if (sketch->approximate)
		mlops_sketch_register(sketch->registers, hash);

	entry = &sketch->texts[sketch->num_texts];
	entry->text = palloc(len + 1);
	memcpy(entry->text, text, len);
	entry->text[len] = '\0';
	entry->len = len;
	entry->hash = hash;
	entry->count = count;
	sketch->slots[slot] = sketch->num_texts++;
}

void
mlops_sketch_merge_texts(MlopsSketch *sketch, const MlopsSketch *other)
{
	if (other->approximate)
	{
		approximate(sketch);
		for (int i = 0; i < SKETCH_REGISTERS; i++)
			sketch->registers[i] = Max(sketch->registers[i], other->registers[i]);
		sketch->count_error += other->count_error;
	}
	for (int i = 0; i < other->num_texts; i++)
		mlops_sketch_put_text(sketch, other->texts[i].text, other->texts[i].len,
							  other->texts[i].count);
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp((*(SketchText *const *) a)->text, (*(SketchText *const *) b)->text);
}

/*
 * The texts in the order of their bytes, in a palloc'ed array.
 */
SketchText **
mlops_sketch_sorted_texts(const MlopsSketch *sketch)
{
	SketchText **result = palloc(sizeof(SketchText *) * Max(sketch->num_texts, 1));

	for (int i = 0; i < sketch->num_texts; i++)
		result[i] = &sketch->texts[i];
	qsort(result, sketch->num_texts, sizeof(SketchText *), compare_texts);
	return result;
}

void
mlops_sketch_free_texts(MlopsSketch *sketch)
{
	for (int i = 0; i < sketch->num_texts; i++)
		pfree(sketch->texts[i].text);
	if (sketch->texts != NULL)
		pfree(sketch->texts);
	if (sketch->slots != NULL)
		pfree(sketch->slots);
}
