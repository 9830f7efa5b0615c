/*-------------------------------------------------------------------------
 *
 * sketch.c
 *	  Fuzzes the reader of sketches, and all that can be done with one.
 *
 * Sketches of several kinds, changed at random; see fuzz.h for the arguments.
 * What is accepted is asked for everything, written, read again and merged
 * with others.
 *
 *-------------------------------------------------------------------------
 */
#include "../unit/sketch_test.h"
#include "fuzz.h"

#define RUNS		20000
#define NUM_SEEDS	8

static MlopsSketch *seeds[NUM_SEEDS];
static long accepted;

static MlopsSketch *
make_seed(int number)
{
	static const int rows[NUM_SEEDS] = {0, 5, 300, 2100, 30000, 4, 300, 4000};
	MlopsSketch *sketch = mlops_sketch_create(number < 5 ? MLOPS_SKETCH_NUMERIC :
											  MLOPS_SKETCH_CATEGORICAL);
	char		text[32];

	for (int i = 0; i < rows[number]; i++)
	{
		if (number < 5)
			mlops_sketch_add_number(sketch, i % 5 == 0 ? i % 100 : uniform());
		else
		{
			snprintf(text, sizeof(text), "%d", i * i);
			mlops_sketch_add_text(sketch, text, (int) strlen(text));
		}
	}
	mlops_sketch_add_null(sketch);
	if (number < 5)
		mlops_sketch_add_number(sketch, INFINITY);
	return sketch;
}

/* are these the bytes of the sketch? */
static bool
writes(MlopsSketch *sketch, const char *bytes, size_t len)
{
	size_t		len_again;
	char	   *again = mlops_sketch_write(sketch, 0, &len_again);
	bool		same = len_again == len && memcmp(again, bytes, len) == 0;

	pfree(again);
	return same;
}

/* ask for everything; false if an answer cannot be */
static bool
ask(MlopsSketch *sketch)
{
	const double edges[] = {-1, 0, 0.5, 99};
	int64		counts[5];
	int			n;
	bool		right = true;
	MlopsSketchCounts totals = mlops_sketch_counts(sketch);
	MlopsSketchEntry *top = mlops_sketch_top(sketch, 5, &n);
	MlopsBins  *bins = mlops_bins_make(sketch, 10);
	int64	   *in_bins = palloc(sizeof(int64) * bins->num_bins);
	int64		sum = 0;

	for (int i = 0; i < n; i++)
		right = right && top[i].count > 0 && top[i].count <= totals.values;
	pfree(top);

	mlops_bins_count(bins, sketch, in_bins);
	for (int i = 0; i < bins->num_bins; i++)
	{
		right = right && in_bins[i] >= 0;
		sum += in_bins[i];
	}
	right = right && sum == (mlops_sketch_kind(sketch) == MLOPS_SKETCH_NUMERIC ?
							 mlops_sketch_ordered(sketch) : totals.values);
	for (int i = 0; bins->texts != NULL && i < bins->num_values; i++)
		pfree(unconstify(char *, bins->texts[i]));
	if (bins->texts != NULL)
		pfree(bins->texts);
	if (bins->numbers != NULL)
		pfree(bins->numbers);
	pfree(bins);
	pfree(in_bins);

	right = right && mlops_sketch_distinct(sketch) >= 0 && mlops_sketch_count_error(sketch) >= 0;
	if (mlops_sketch_kind(sketch) == MLOPS_SKETCH_NUMERIC)
	{
		double		before = -INFINITY;

		mlops_sketch_histogram(sketch, edges, 4, counts);
		for (int i = 0; i < 5; i++)
			right = right && counts[i] >= 0;
		for (int i = 0; i <= 20 && mlops_sketch_ordered(sketch) > 0; i++)
		{
			double		quantile = mlops_sketch_quantile(sketch, i / 20.0);

			right = right && quantile >= before;
			before = quantile;
		}
		if (totals.values > 0)
			right = right && mlops_sketch_mean(sketch) >= mlops_sketch_min(sketch) &&
				mlops_sketch_mean(sketch) <= mlops_sketch_max(sketch) &&
				mlops_sketch_stddev(sketch, true) >= 0 && mlops_sketch_variance(sketch, true) >= 0;
		right = right && mlops_sketch_rank_error(sketch) >= 0;
	}
	return right;
}

/* read, and if it is a sketch, use it */
static void
try(const char *bytes, size_t len)
{
	MlopsSketchError error = {0};
	MlopsSketch *sketch = mlops_sketch_read(bytes, len, &error);
	MlopsSketch *copy;

	if (sketch == NULL)
	{
		MUST(error.message != NULL && error.offset <= len);
		return;
	}
	accepted++;
	MUST(writes(sketch, bytes, len));
	MUST(ask(sketch));
	for (int i = 0; i < 3; i++)
	{
		MlopsSketch *seed = seeds[next_random() % NUM_SEEDS];

		if (mlops_sketch_merge(sketch, seed))
			MUST(mlops_sketch_kind(sketch) == mlops_sketch_kind(seed));
	}
	copy = copy_sketch(sketch);
	MUST(copy != NULL && same_bytes(sketch, copy));
	MUST(ask(sketch));
	mlops_sketch_merge(copy, sketch);
	MUST(ask(copy));
	mlops_sketch_free(copy);
	mlops_sketch_free(sketch);
}

/* change some bytes anywhere, the first ones more often */
static size_t
change_bytes(char *bytes, size_t len)
{
	for (int i = 1 + next_random() % 3; i > 0 && len > 0; i--)
	{
		size_t		within = next_random() % 2 ? len : Min(len, 80);
		size_t		place = next_random() % within;
		size_t		count = next_random() % 16;

		count = Min(count, len - place);
		switch (next_random() % 6)
		{
			case 0:
			case 1:
				bytes[place] = (char) next_random();
				break;
			case 2:
				bytes[place] ^= (char) (1 << (next_random() % 8));
				break;
			case 3:
				memset(bytes + place, next_random() % 2 ? 0x7f : 0xff, count);
				break;
			case 4:
				memmove(bytes + place, bytes + place + count, len - place - count);
				len -= count;
				break;
			default:
				if (next_random() % 4 == 0)
					len = place;
		}
	}
	return len;
}

int
main(int argc, char **argv)
{
	for (int i = 0; i < NUM_SEEDS; i++)
		seeds[i] = make_seed(i);
	fuzz_init("sketch", RUNS, argc, argv);
	while (fuzz_next())
	{
		size_t		len;
		char	   *bytes = mlops_sketch_write(seeds[next_random() % NUM_SEEDS], 0, &len);
		char	   *exact;

		/* memory of just this size, so that a read beyond it is seen */
		len = change_bytes(bytes, len);
		exact = malloc(Max(len, 1));
		memcpy(exact, bytes, len);
		pfree(bytes);
		fuzz.input = exact;
		fuzz.len = len;
		try(exact, len);
		fuzz.input = NULL;
		free(exact);
	}
	printf("sketch: %ld runs of seed " UINT64_FORMAT ", %ld sketches accepted\n",
		   fuzz_runs(), fuzz.seed, accepted);
	for (int i = 0; i < NUM_SEEDS; i++)
		mlops_sketch_free(seeds[i]);
	return accepted > 0 ? 0 : 1;
}
