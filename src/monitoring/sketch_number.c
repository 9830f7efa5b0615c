/*-------------------------------------------------------------------------
 *
 * sketch_number.c
 *	  The values of a numeric sketch.
 *
 * Quantiles beyond the exact limit are those of compactors, as in the summaries
 * of Manku, Rajagopalan and Lindsay (SIGMOD 1998) and of Karnin, Lang and
 * Liberty (FOCS 2016).  A value of level h stands for 2^h values.  A level that
 * has MLOPS_SKETCH_LEVEL values is halved: of each pair of neighbours one is
 * kept, and goes to the next level.  If it is the greater one, a rank becomes
 * too small by at most 2^h; if it is the lesser one, too large by at most
 * that.  Levels have one size, other than in the latter paper, because then the
 * number of halvings, and with it the error, is small for certain, and not
 * only for most outcomes of a coin.  Each level counts its halvings of both
 * kinds and chooses the kind of which there were fewer; so the errors cancel
 * in part, and the sketch knows a bound of its own error.
 *
 * With n finite values and L = floor(log2(n / K)) + 1 levels that were halved,
 * K being MLOPS_SKETCH_LEVEL, there are at most n / (K * 2^h) halvings of level
 * h, whatever was merged with whatever.  So no rank is wrong by more than
 * L * n / K, and by more than (L / 2 + 1) * n / K in one sketch that nothing
 * was merged into.
 *
 * A value that comes c times at once goes to the levels of the bits of c, by
 * which nothing is lost.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "monitoring/sketch_internal.h"

/* values that are collected before they are arranged */
#define BUFFER_MIN			32
#define BUFFER_MAX			2048

/* a radix sort of all bits costs as much for so few values as for some more */
#define INSERTION_SORT_MAX	32

/*
 * Keys: integers in the order of finite doubles.
 */
static inline uint64
key_of(double value)
{
	uint64		bits;

	memcpy(&bits, &value, sizeof(bits));
	return (bits >> 63) ? ~bits : bits | UINT64CONST(0x8000000000000000);
}

static inline double
value_of(uint64 key)
{
	uint64		bits = (key >> 63) ? key & UINT64CONST(0x7fffffffffffffff) : ~key;
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * Sort at most BUFFER_MAX keys.
 */
static void
sort_keys(uint64 *keys, int n)
{
	uint64		spare[BUFFER_MAX];
	uint32		places[8][256];
	uint64	   *from = keys;
	uint64	   *to = spare;

	if (n <= INSERTION_SORT_MAX)
	{
		for (int i = 1; i < n; i++)
		{
			uint64		key = keys[i];
			int			j = i;

			for (; j > 0 && keys[j - 1] > key; j--)
				keys[j] = keys[j - 1];
			keys[j] = key;
		}
		return;
	}

	memset(places, 0, sizeof(places));
	for (int i = 0; i < n; i++)
	{
		for (int byte = 0; byte < 8; byte++)
			places[byte][(keys[i] >> (8 * byte)) & 0xff]++;
	}
	for (int byte = 0; byte < 8; byte++)
	{
		uint32	   *place = places[byte];
		uint32		position = 0;
		uint64	   *swap;

		/* all keys have the same byte here */
		if (place[(from[0] >> (8 * byte)) & 0xff] == (uint32) n)
			continue;
		for (int i = 0; i < 256; i++)
		{
			uint32		count = place[i];

			place[i] = position;
			position += count;
		}
		for (int i = 0; i < n; i++)
			to[place[(from[i] >> (8 * byte)) & 0xff]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	if (from != keys)
		memcpy(keys, from, sizeof(uint64) * n);
}

/*
 * Halve a level that is full; returns the values for the next one, in
 * *num_values, in a palloc'ed array.
 */
static double *
halve(SketchLevel *level, int number, int *num_values)
{
	int64		most = SKETCH_MAX_HALVINGS(number);
	int			pairs = level->num_values / 2;
	double	   *kept = palloc(sizeof(double) * pairs);
	int			greater;

	/*
	 * The first of many sketches that are merged must not all choose alike.
	 * What they choose by has to be the same every time.
	 */
	if (level->lowered == level->raised)
	{
		uint64		bits;

		memcpy(&bits, &level->values[0], sizeof(bits));
		greater = (int) (mlops_sketch_hash(bits + (uint64) level->raised) & 1);
	}
	else
		greater = level->lowered < level->raised;

	for (int i = 0; i < pairs; i++)
		kept[i] = level->values[2 * i + greater];
	if (greater)
		level->lowered = Min(level->lowered + 1, most);
	else
		level->raised = Min(level->raised + 1, most);

	/* the last of an odd number stays */
	if (level->num_values % 2 == 1)
		level->values[0] = level->values[level->num_values - 1];
	level->num_values %= 2;
	*num_values = pairs;
	return kept;
}

/*
 * Merge ascending values into a level.
 */
static void
merge_level(SketchLevel *level, const double *values, int num_values)
{
	int			i = level->num_values - 1;
	int			j = num_values - 1;
	int			k = i + j + 1;

	if (level->allocated <= k)
	{
		/* a level that was never halved may stay small */
		level->allocated = Max(k + 1, Min(2 * level->allocated, MLOPS_SKETCH_LEVEL));
		level->values = level->values == NULL ?
			palloc(sizeof(double) * level->allocated) :
			repalloc(level->values, sizeof(double) * level->allocated);
	}
	level->num_values = k + 1;
	while (i >= 0 && j >= 0)
	{
		/* without a branch: which of them it is nobody can predict */
		double		left = level->values[i];
		double		right = values[j];
		int			from_level = left > right;

		level->values[k--] = from_level ? left : right;
		i -= from_level;
		j -= !from_level;
	}
	if (j >= 0)
		memcpy(level->values, values, sizeof(double) * (j + 1));
}

/*
 * Give a level ascending values, and the levels above what it halves.  The
 * last level is never full: there are less than 2^63 values.
 */
static void
push_values(MlopsSketch *sketch, int number, const double *values, int num_values)
{
	SketchLevel *level = &sketch->levels[number];
	double	   *kept = NULL;

	merge_level(level, values, num_values);
	while (level->num_values >= MLOPS_SKETCH_LEVEL)
	{
		double	   *next = halve(level, number++, &num_values);

		if (kept != NULL)
			pfree(kept);
		kept = next;
		merge_level(++level, kept, num_values);
	}
	if (kept != NULL)
		pfree(kept);
}

/*
 * Merge two ascending lists of points, adding the weights of equal values.
 * Returns the number of points.  The result may be NULL, for the number alone.
 */
static int
merge_points(const MlopsSketchPoint *a, int num_a, const MlopsSketchPoint *b, int num_b,
			 MlopsSketchPoint *result)
{
	int			n = 0;

	for (int i = 0, j = 0; i < num_a || j < num_b; n++)
	{
		MlopsSketchPoint point;

		if (j == num_b || (i < num_a && a[i].value < b[j].value))
			point = a[i++];
		else if (i == num_a || b[j].value < a[i].value)
			point = b[j++];
		else
		{
			point = a[i++];
			point.weight += b[j++].weight;
		}
		if (result != NULL)
			result[n] = point;
	}
	return n;
}

/*
 * Keep the most frequent of the values that are held and of new ones.
 */
static void
add_frequent(MlopsSketch *sketch, const MlopsSketchPoint *points, int num_points)
{
	MlopsSketchPoint *all;
	int64		cut = 0;
	int			kept = 0;
	int			n = 0;

	/* values that all differ push each other out */
	if (sketch->num_frequent == 0 && num_points > MLOPS_SKETCH_FREQUENT)
	{
		while (n < num_points && points[n].weight == 1)
			n++;
		if (n == num_points)
		{
			sketch->count_error++;
			return;
		}
	}

	all = palloc(sizeof(MlopsSketchPoint) * (sketch->num_frequent + num_points));
	n = merge_points(sketch->frequent, sketch->num_frequent, points, num_points, all);
	if (n > MLOPS_SKETCH_FREQUENT)
	{
		int			repeated = 0;

		for (int i = 0; i < n; i++)
			repeated += all[i].weight > 1;
		if (repeated <= MLOPS_SKETCH_FREQUENT)
			cut = 1;
		else
		{
			int64	   *counts = palloc(sizeof(int64) * n);

			for (int i = 0; i < n; i++)
				counts[i] = all[i].weight;
			cut = mlops_sketch_cut(counts, n, MLOPS_SKETCH_FREQUENT);
			pfree(counts);
		}
	}
	for (int i = 0; i < n; i++)
	{
		if (all[i].weight > cut)
		{
			sketch->frequent[kept] = all[i];
			sketch->frequent[kept++].weight -= cut;
		}
	}
	sketch->num_frequent = kept;
	sketch->count_error += cut;
	pfree(all);
}

/*
 * Add ascending distinct values with counts to a sketch of the second stage.
 */
static void
absorb_points(MlopsSketch *sketch, const MlopsSketchPoint *points, int num_points)
{
	double	   *values = palloc(sizeof(double) * num_points);
	uint64		remaining = 0;

	for (int i = 0; i < num_points; i++)
	{
		uint64		bits;

		memcpy(&bits, &points[i].value, sizeof(bits));
		mlops_sketch_register(sketch->registers, mlops_sketch_hash(bits));
		remaining |= (uint64) points[i].weight;
	}
	mlops_exact_add_points(sketch->moments, points, num_points);
	sketch->min = Min(sketch->min, points[0].value);
	sketch->max = Max(sketch->max, points[num_points - 1].value);

	for (int number = 0; remaining != 0; number++, remaining >>= 1)
	{
		int			n = 0;

		if (!(remaining & 1))
			continue;
		for (int i = 0; i < num_points; i++)
		{
			values[n] = points[i].value;
			n += (points[i].weight >> number) & 1;
		}
		push_values(sketch, number, values, n);
	}
	pfree(values);
	add_frequent(sketch, points, num_points);
}

/*
 * Begin the second stage.
 */
void
mlops_sketch_approximate_numbers(MlopsSketch *sketch)
{
	sketch->approximate = true;
	sketch->min = INFINITY;
	sketch->max = -INFINITY;
	sketch->moments = palloc0(sizeof(MlopsExact));
	sketch->levels = palloc0(sizeof(SketchLevel) * SKETCH_MAX_LEVELS);
	sketch->registers = palloc0(SKETCH_REGISTERS);
	sketch->frequent = palloc(sizeof(MlopsSketchPoint) * MLOPS_SKETCH_FREQUENT);
	if (sketch->num_exact > 0)
		absorb_points(sketch, sketch->exact, sketch->num_exact);
	if (sketch->exact != NULL)
		pfree(sketch->exact);
	sketch->exact = NULL;
	sketch->num_exact = 0;
	sketch->exact_size = 0;
}

/*
 * Add ascending distinct values with counts.
 */
static void
add_points(MlopsSketch *sketch, const MlopsSketchPoint *points, int num_points)
{
	if (num_points == 0)
		return;
	if (!sketch->approximate)
	{
		int			n = merge_points(sketch->exact, sketch->num_exact, points, num_points, NULL);
		MlopsSketchPoint *all;

		if (n == sketch->num_exact)
		{
			for (int i = 0, j = 0; j < num_points; i++)
			{
				if (sketch->exact[i].value == points[j].value)
					sketch->exact[i].weight += points[j++].weight;
			}
			return;
		}
		if (n <= MLOPS_SKETCH_EXACT)
		{
			int			size = Max(n, Min(2 * sketch->exact_size, MLOPS_SKETCH_EXACT));

			all = palloc(sizeof(MlopsSketchPoint) * size);
			merge_points(sketch->exact, sketch->num_exact, points, num_points, all);
			if (sketch->exact != NULL)
				pfree(sketch->exact);
			sketch->exact = all;
			sketch->num_exact = n;
			sketch->exact_size = size;
			return;
		}
		mlops_sketch_approximate_numbers(sketch);
	}
	absorb_points(sketch, points, num_points);
}

/*
 * Arrange the values that wait in the buffer.
 */
void
mlops_sketch_flush(MlopsSketch *sketch)
{
	MlopsSketchPoint *points;
	int			n = 0;

	if (sketch->num_buffered == 0)
		return;
	sort_keys(sketch->buffer, sketch->num_buffered);
	points = palloc(sizeof(MlopsSketchPoint) * sketch->num_buffered);
	for (int i = 0; i < sketch->num_buffered; i++)
	{
		if (i > 0 && sketch->buffer[i] == sketch->buffer[i - 1])
			points[n - 1].weight++;
		else
		{
			points[n].value = value_of(sketch->buffer[i]);
			points[n++].weight = 1;
		}
	}
	sketch->num_buffered = 0;
	add_points(sketch, points, n);
	pfree(points);
}

/* forget what was answered with */
static inline void
forget_points(MlopsSketch *sketch)
{
	if (unlikely(sketch->points != NULL))
	{
		pfree(sketch->points);
		pfree(sketch->ranks);
		sketch->points = NULL;
		sketch->ranks = NULL;
	}
}

/* a finite value, without counting it */
static inline void
buffer_key(MlopsSketch *sketch, uint64 key)
{
	if (unlikely(sketch->num_buffered == sketch->buffer_size))
	{
		if (sketch->buffer_size < BUFFER_MAX)
		{
			sketch->buffer_size = Max(4 * sketch->buffer_size, BUFFER_MIN);
			sketch->buffer_size = Min(sketch->buffer_size, BUFFER_MAX);
			sketch->buffer = sketch->buffer == NULL ?
				palloc(sizeof(uint64) * sketch->buffer_size) :
				repalloc(sketch->buffer, sizeof(uint64) * sketch->buffer_size);
		}
		else
			mlops_sketch_flush(sketch);
	}
	sketch->buffer[sketch->num_buffered++] = key;
}

void
mlops_sketch_add_number(MlopsSketch *sketch, double value)
{
	Assert(sketch->kind == MLOPS_SKETCH_NUMERIC);
	forget_points(sketch);
	sketch->counts.rows++;
	if (likely(isfinite(value)))
	{
		sketch->counts.values++;
		/* the sum makes a negative zero positive */
		buffer_key(sketch, key_of(value + 0.0));
	}
	else if (isnan(value))
		sketch->counts.nans++;
	else if (value < 0)
		sketch->counts.negative_infinities++;
	else
		sketch->counts.positive_infinities++;
}

/*
 * The values of another sketch, without counting them.
 */
void
mlops_sketch_merge_numbers(MlopsSketch *sketch, const MlopsSketch *other)
{
	forget_points(sketch);
	mlops_sketch_flush(sketch);
	if (other->approximate)
	{
		if (!sketch->approximate)
			mlops_sketch_approximate_numbers(sketch);
		sketch->min = Min(sketch->min, other->min);
		sketch->max = Max(sketch->max, other->max);
		mlops_exact_merge(sketch->moments, other->moments);
		for (int i = 0; i < SKETCH_REGISTERS; i++)
			sketch->registers[i] = Max(sketch->registers[i], other->registers[i]);
		for (int i = 0; i < SKETCH_MAX_LEVELS; i++)
		{
			const SketchLevel *level = &other->levels[i];

			/* what was read may claim any number */
			sketch->levels[i].lowered = Min(sketch->levels[i].lowered + level->lowered,
											SKETCH_MAX_HALVINGS(i));
			sketch->levels[i].raised = Min(sketch->levels[i].raised + level->raised,
										   SKETCH_MAX_HALVINGS(i));
			if (level->num_values > 0)
				push_values(sketch, i, level->values, level->num_values);
		}
		sketch->count_error += other->count_error;
		add_frequent(sketch, other->frequent, other->num_frequent);
	}
	else
		add_points(sketch, other->exact, other->num_exact);
	for (int i = 0; i < other->num_buffered; i++)
		buffer_key(sketch, other->buffer[i]);
}

/*
 * Asking
 */

static int
compare_points(const void *a, const void *b)
{
	double		left = ((const MlopsSketchPoint *) a)->value;
	double		right = ((const MlopsSketchPoint *) b)->value;

	return left < right ? -1 : left > right;
}

/*
 * Make the points and their ranks.
 */
static void
make_points(MlopsSketch *sketch)
{
	int			most = 2 + sketch->num_exact;
	int			n = 0;
	int			distinct = 0;
	int64		rank = 0;
	MlopsSketchPoint *points;

	mlops_sketch_flush(sketch);
	if (sketch->points != NULL)
		return;
	most = 2 + sketch->num_exact;
	if (sketch->approximate)
	{
		for (int i = 0; i < SKETCH_MAX_LEVELS; i++)
			most += sketch->levels[i].num_values;
	}
	points = palloc(sizeof(MlopsSketchPoint) * most);

	if (sketch->counts.negative_infinities > 0)
	{
		points[n].value = -INFINITY;
		points[n++].weight = sketch->counts.negative_infinities;
	}
	if (sketch->num_exact > 0)
		memcpy(points + n, sketch->exact, sizeof(MlopsSketchPoint) * sketch->num_exact);
	n += sketch->num_exact;
	if (sketch->approximate)
	{
		int			first = n;

		for (int i = 0; i < SKETCH_MAX_LEVELS; i++)
		{
			const SketchLevel *level = &sketch->levels[i];

			for (int j = 0; j < level->num_values; j++)
			{
				points[n].value = level->values[j];
				points[n++].weight = INT64CONST(1) << i;
			}
		}
		qsort(points + first, n - first, sizeof(MlopsSketchPoint), compare_points);
	}
	if (sketch->counts.positive_infinities > 0)
	{
		points[n].value = INFINITY;
		points[n++].weight = sketch->counts.positive_infinities;
	}

	sketch->ranks = palloc(sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		rank += points[i].weight;
		if (distinct > 0 && points[distinct - 1].value == points[i].value)
			points[distinct - 1].weight += points[i].weight;
		else
			points[distinct++] = points[i];
		sketch->ranks[distinct - 1] = rank;
	}
	sketch->points = points;
	sketch->num_points = distinct;
}

const MlopsSketchPoint *
mlops_sketch_points(MlopsSketch *sketch, int *num_points)
{
	make_points(sketch);
	*num_points = sketch->num_points;
	return sketch->points;
}

int64
mlops_sketch_ordered(const MlopsSketch *sketch)
{
	const MlopsSketchCounts *counts = &sketch->counts;

	if (sketch->kind != MLOPS_SKETCH_NUMERIC)
		return 0;
	return counts->negative_infinities + counts->values + counts->positive_infinities;
}

int64
mlops_sketch_rank(MlopsSketch *sketch, double x)
{
	int			first = 0;
	int			last;

	make_points(sketch);
	if (sketch->approximate && isfinite(x))
	{
		/* the ends are exact */
		if (x < sketch->min)
			return sketch->counts.negative_infinities;
		if (x >= sketch->max)
			return sketch->counts.negative_infinities + sketch->counts.values;
	}

	/* the number of points up to x */
	last = sketch->num_points;
	while (first < last)
	{
		int			middle = first + (last - first) / 2;

		if (sketch->points[middle].value <= x)
			first = middle + 1;
		else
			last = middle;
	}
	return first == 0 ? 0 : sketch->ranks[first - 1];
}

double
mlops_sketch_cdf(MlopsSketch *sketch, double x)
{
	int64		ordered = mlops_sketch_ordered(sketch);

	return ordered == 0 || isnan(x) ? NAN : (double) mlops_sketch_rank(sketch, x) / (double) ordered;
}

double
mlops_sketch_quantile(MlopsSketch *sketch, double p)
{
	int64		ordered = mlops_sketch_ordered(sketch);
	int64		before = sketch->counts.negative_infinities;
	double		target;
	int64		rank;
	int			first = 0;
	int			last;

	if (ordered == 0 || isnan(p))
		return NAN;
	make_points(sketch);

	/* as percentile_disc() has it */
	target = ceil(p * (double) ordered);
	rank = target <= 1 ? 1 : target >= (double) ordered ? ordered : (int64) target;

	if (sketch->approximate)
	{
		/* the ends are exact */
		if (rank == before + 1)
			return sketch->min;
		if (rank == before + sketch->counts.values)
			return sketch->max;
	}

	/* the first point whose rank is as great */
	last = sketch->num_points - 1;
	while (first < last)
	{
		int			middle = first + (last - first) / 2;

		if (sketch->ranks[middle] < rank)
			first = middle + 1;
		else
			last = middle;
	}
	return sketch->points[first].value;
}

int64
mlops_sketch_rank_error(MlopsSketch *sketch)
{
	int64		lowered = 0;
	int64		raised = 0;

	mlops_sketch_flush(sketch);
	if (sketch->levels == NULL)
		return 0;
	for (int i = 0; i < SKETCH_MAX_LEVELS; i++)
	{
		lowered += sketch->levels[i].lowered << i;
		raised += sketch->levels[i].raised << i;
	}
	return Min(Max(lowered, raised), sketch->counts.values);
}

void
mlops_sketch_histogram(MlopsSketch *sketch, const double *edges, int num_edges, int64 *counts)
{
	int64		before = 0;

	for (int i = 0; i < num_edges; i++)
	{
		int64		rank = mlops_sketch_rank(sketch, edges[i]);

		counts[i] = rank - before;
		before = rank;
	}
	counts[num_edges] = mlops_sketch_ordered(sketch) - before;
}

/*
 * Moments
 */

double
mlops_sketch_min(MlopsSketch *sketch)
{
	mlops_sketch_flush(sketch);
	if (sketch->kind != MLOPS_SKETCH_NUMERIC || sketch->counts.values == 0)
		return NAN;
	return sketch->approximate ? sketch->min : sketch->exact[0].value;
}

double
mlops_sketch_max(MlopsSketch *sketch)
{
	mlops_sketch_flush(sketch);
	if (sketch->kind != MLOPS_SKETCH_NUMERIC || sketch->counts.values == 0)
		return NAN;
	return sketch->approximate ? sketch->max : sketch->exact[sketch->num_exact - 1].value;
}

/*
 * The exact sums; of the first stage, made from the values.  The result is
 * either the sketch's own or *space.
 */
static MlopsExact *
moments_of(MlopsSketch *sketch, MlopsExact *space)
{
	mlops_sketch_flush(sketch);
	if (sketch->approximate)
		return sketch->moments;
	memset(space, 0, sizeof(MlopsExact));
	mlops_exact_add_points(space, sketch->exact, sketch->num_exact);
	return space;
}

double
mlops_sketch_mean(MlopsSketch *sketch)
{
	MlopsExact space;
	double		mean;

	if (sketch->kind != MLOPS_SKETCH_NUMERIC)
		return NAN;
	mean = mlops_exact_mean(moments_of(sketch, &space), sketch->counts.values);

	/* the last bit could be rounded beyond them */
	if (mean < mlops_sketch_min(sketch))
		mean = mlops_sketch_min(sketch);
	if (mean > mlops_sketch_max(sketch))
		mean = mlops_sketch_max(sketch);
	return mean;
}

double
mlops_sketch_variance(MlopsSketch *sketch, bool population)
{
	MlopsExact space;

	if (sketch->kind != MLOPS_SKETCH_NUMERIC)
		return NAN;
	return mlops_exact_variance(moments_of(sketch, &space), sketch->counts.values, population);
}

double
mlops_sketch_stddev(MlopsSketch *sketch, bool population)
{
	MlopsExact space;

	if (sketch->kind != MLOPS_SKETCH_NUMERIC)
		return NAN;
	return mlops_exact_stddev(moments_of(sketch, &space), sketch->counts.values, population);
}

bool
mlops_sketch_same_totals(MlopsSketch *a, MlopsSketch *b)
{
	MlopsExact space_a;
	MlopsExact space_b;
	MlopsExact *moments_a;
	MlopsExact *moments_b;

	if (a->kind != b->kind || memcmp(&a->counts, &b->counts, sizeof(MlopsSketchCounts)) != 0)
		return false;
	if (a->kind != MLOPS_SKETCH_NUMERIC || a->counts.values == 0)
		return true;
	moments_a = moments_of(a, &space_a);
	moments_b = moments_of(b, &space_b);
	mlops_exact_carry(moments_a);
	mlops_exact_carry(moments_b);
	return mlops_sketch_min(a) == mlops_sketch_min(b) &&
		mlops_sketch_max(a) == mlops_sketch_max(b) &&
		memcmp(moments_a, moments_b, sizeof(MlopsExact)) == 0;
}
