/*-------------------------------------------------------------------------
 *
 * sketch.c
 *	  Summaries of one column that can be merged: life, counts, distinct and
 *	  frequent values.
 *
 * Distinct values beyond the limit are counted with a HyperLogLog and the
 * estimator of Ertl (arXiv 1702.01284), which needs no correction by ranges.
 * Its registers are maxima, so that they depend on the values alone.
 *
 * Frequent values are those of Misra and Gries in the mergeable form of
 * Agarwal et al. (PODS 2012): when there are too many counters, all are
 * lowered by the greatest count that has no place.  Each lowering takes away
 * as many rows from at least one counter more than are kept, so that with n
 * rows no count is lowered by more than n / (MLOPS_SKETCH_FREQUENT + 1), in
 * whatever parts the rows came.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "common/int.h"
#include "port/pg_bitutils.h"

#include "monitoring/sketch_internal.h"

/*
 * An empty sketch.
 */
MlopsSketch *
mlops_sketch_create(MlopsSketchKind kind)
{
	MlopsSketch *sketch = palloc0(sizeof(MlopsSketch));

	sketch->kind = kind;
	return sketch;
}

/*
 * Free a sketch before its memory context is.
 */
void
mlops_sketch_free(MlopsSketch *sketch)
{
	void	   *parts[] = {sketch->buffer, sketch->exact, sketch->moments, sketch->frequent,
	sketch->registers, sketch->points, sketch->ranks};

	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		if (parts[i] != NULL)
			pfree(parts[i]);
	}
	if (sketch->levels != NULL)
	{
		for (int i = 0; i < SKETCH_MAX_LEVELS; i++)
		{
			if (sketch->levels[i].values != NULL)
				pfree(sketch->levels[i].values);
		}
		pfree(sketch->levels);
	}
	mlops_sketch_free_texts(sketch);
	pfree(sketch);
}

void
mlops_sketch_add_null(MlopsSketch *sketch)
{
	sketch->counts.rows++;
	sketch->counts.nulls++;
}

/*
 * Add a text of at most MLOPS_SKETCH_TEXT_MAX bytes.  How a longer one is
 * made shorter is for the caller to decide, who knows its encoding.
 */
void
mlops_sketch_add_text(MlopsSketch *sketch, const char *text, int len)
{
	Assert(sketch->kind == MLOPS_SKETCH_CATEGORICAL);
	Assert(len >= 0 && len <= MLOPS_SKETCH_TEXT_MAX);
	sketch->counts.rows++;
	sketch->counts.values++;
	mlops_sketch_put_text(sketch, text, len, 1);
}

/*
 * Add what another sketch has seen.
 */
bool
mlops_sketch_merge(MlopsSketch *sketch, const MlopsSketch *other)
{
	int64		rows;

	/* all other counts are parts of this one */
	if (sketch->kind != other->kind ||
		pg_add_s64_overflow(sketch->counts.rows, other->counts.rows, &rows))
		return false;

	if (sketch->kind == MLOPS_SKETCH_NUMERIC)
		mlops_sketch_merge_numbers(sketch, other);
	else
		mlops_sketch_merge_texts(sketch, other);
	sketch->counts.rows = rows;
	sketch->counts.nulls += other->counts.nulls;
	sketch->counts.nans += other->counts.nans;
	sketch->counts.negative_infinities += other->counts.negative_infinities;
	sketch->counts.positive_infinities += other->counts.positive_infinities;
	sketch->counts.values += other->counts.values;
	return true;
}

MlopsSketchKind
mlops_sketch_kind(const MlopsSketch *sketch)
{
	return sketch->kind;
}

MlopsSketchCounts
mlops_sketch_counts(const MlopsSketch *sketch)
{
	return sketch->counts;
}

bool
mlops_sketch_is_exact(MlopsSketch *sketch)
{
	mlops_sketch_flush(sketch);
	return !sketch->approximate;
}

/*
 * A hash whose every bit depends on every bit; the same on every machine.
 * Zero is the only number that it leaves alone.
 */
uint64
mlops_sketch_hash(uint64 bits)
{
	bits += UINT64CONST(0x9e3779b97f4a7c15);
	bits ^= bits >> 30;
	bits *= UINT64CONST(0xbf58476d1ce4e5b9);
	bits ^= bits >> 27;
	bits *= UINT64CONST(0x94d049bb133111eb);
	return bits ^ (bits >> 31);
}

/*
 * Note a distinct value: the first bits of its hash choose a register, which
 * keeps the greatest number of leading zeros, plus one, of the others.
 */
void
mlops_sketch_register(uint8 *registers, uint64 hash)
{
	uint64		rest = hash << SKETCH_REGISTER_BITS;
	int			number = (int) (hash >> (64 - SKETCH_REGISTER_BITS));
	int			rank = rest == 0 ? SKETCH_MAX_RANK : 64 - pg_leftmost_one_pos64(rest);

	if (rank > registers[number])
		registers[number] = (uint8) rank;
}

/* the terms of registers at their least and at their greatest rank */
static double
least_rank_term(double share)
{
	double		factor = 1;
	double		sum = share;
	double		previous;

	if (share == 1)
		return INFINITY;
	do
	{
		share *= share;
		previous = sum;
		sum += share * factor;
		factor += factor;
	} while (sum != previous);
	return sum;
}

static double
greatest_rank_term(double share)
{
	double		factor = 1;
	double		sum = 1 - share;
	double		previous;

	if (share == 0 || share == 1)
		return 0;
	do
	{
		share = sqrt(share);
		previous = sum;
		factor *= 0.5;
		sum -= (1 - share) * (1 - share) * factor;
	} while (sum != previous);
	return sum / 3;
}

double
mlops_sketch_distinct(MlopsSketch *sketch)
{
	int			ranks[SKETCH_MAX_RANK + 1] = {0};
	double		m = SKETCH_REGISTERS;
	double		sum;
	double		estimate;

	mlops_sketch_flush(sketch);
	if (!sketch->approximate)
		return sketch->kind == MLOPS_SKETCH_NUMERIC ? sketch->num_exact : sketch->num_texts;

	for (int i = 0; i < SKETCH_REGISTERS; i++)
		ranks[sketch->registers[i]]++;
	sum = m * greatest_rank_term((m - ranks[SKETCH_MAX_RANK]) / m);
	for (int rank = SKETCH_MAX_RANK - 1; rank >= 1; rank--)
		sum = 0.5 * (sum + ranks[rank]);
	sum += m * least_rank_term(ranks[0] / m);
	estimate = rint(m * m / (2 * log(2) * sum));

	/* that many there are for certain, and not more than rows */
	estimate = Max(estimate, MLOPS_SKETCH_EXACT + 1);
	return Min(estimate, (double) sketch->counts.values);
}

/*
 * What is to be subtracted from all counts so that at most so many remain
 * above zero.  The array is put into another order.
 */
int64
mlops_sketch_cut(int64 *counts, int num_counts, int keep)
{
	int			first = 0;
	int			last = num_counts - 1;

	if (num_counts <= keep)
		return 0;

	/* Hoare's selection of the count at position keep, by descending order */
	while (first < last)
	{
		int64		pivot = counts[first + (last - first) / 2];
		int			i = first;
		int			j = last;

		while (i <= j)
		{
			while (counts[i] > pivot)
				i++;
			while (counts[j] < pivot)
				j--;
			if (i <= j)
			{
				int64		swap = counts[i];

				counts[i++] = counts[j];
				counts[j--] = swap;
			}
		}
		if (keep <= j)
			last = j;
		else if (keep >= i)
			first = i;
		else
			break;
	}
	return counts[keep];
}

int64
mlops_sketch_count_error(MlopsSketch *sketch)
{
	mlops_sketch_flush(sketch);
	return sketch->count_error;
}

/* by descending count, and then ascending value */
static int
compare_entries(const void *a, const void *b)
{
	const MlopsSketchEntry *left = a;
	const MlopsSketchEntry *right = b;

	if (left->count != right->count)
		return left->count > right->count ? -1 : 1;
	if (left->text != NULL)
		return strcmp(left->text, right->text);
	return left->number < right->number ? -1 : left->number > right->number;
}

MlopsSketchEntry *
mlops_sketch_top(MlopsSketch *sketch, int limit, int *num_entries)
{
	MlopsSketchEntry *entries;
	int			n;

	mlops_sketch_flush(sketch);
	n = sketch->kind == MLOPS_SKETCH_CATEGORICAL ? sketch->num_texts :
		sketch->approximate ? sketch->num_frequent : sketch->num_exact;
	entries = palloc0(sizeof(MlopsSketchEntry) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (sketch->kind == MLOPS_SKETCH_CATEGORICAL)
		{
			entries[i].text = sketch->texts[i].text;
			entries[i].len = sketch->texts[i].len;
			entries[i].count = sketch->texts[i].count;
		}
		else
		{
			const MlopsSketchPoint *points = sketch->approximate ? sketch->frequent : sketch->exact;

			entries[i].number = points[i].value;
			entries[i].count = points[i].weight;
		}
	}
	qsort(entries, n, sizeof(MlopsSketchEntry), compare_entries);
	*num_entries = Min(n, Max(limit, 0));
	return entries;
}

int64
mlops_sketch_count_number(MlopsSketch *sketch, double value)
{
	const MlopsSketchPoint *points;
	int			first = 0;
	int			last;

	if (isnan(value))
		return sketch->counts.nans;
	if (isinf(value))
		return value < 0 ? sketch->counts.negative_infinities : sketch->counts.positive_infinities;

	mlops_sketch_flush(sketch);
	points = sketch->approximate ? sketch->frequent : sketch->exact;
	last = (sketch->approximate ? sketch->num_frequent : sketch->num_exact) - 1;
	while (first <= last)
	{
		int			middle = first + (last - first) / 2;

		if (points[middle].value == value)
			return points[middle].weight;
		if (points[middle].value < value)
			first = middle + 1;
		else
			last = middle - 1;
	}
	return 0;
}

int64
mlops_sketch_count_text(MlopsSketch *sketch, const char *text, int len)
{
	const SketchText *entry = mlops_sketch_find_text(sketch, text, len);

	return entry == NULL ? 0 : entry->count;
}
