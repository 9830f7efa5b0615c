/*-------------------------------------------------------------------------
 *
 * sketch_quantile.c
 *	  Ranks, quantiles, counts of values and of distinct values of sketches
 *	  against the truth, within the bounds that sketches state.
 *
 *-------------------------------------------------------------------------
 */
#include "sketch_test.h"

#define ROWS	1000000

/* the bound that sketch_number.c derives, of one sketch or of merged ones */
static double
stated_bound(int n, bool merged)
{
	double		share = (double) n / MLOPS_SKETCH_LEVEL;
	double		levels = floor(log2(share)) + 1;

	return (merged ? levels : levels / 2 + 1) * share;
}

static void
check_ranks(const char *how, Shape shape, MlopsSketch *sketch, const double *sorted, int n,
			bool merged)
{
	int64		worst = worst_rank_error(sketch, sorted, n);
	int64		claimed = mlops_sketch_rank_error(sketch);
	double		stated = stated_bound(n, merged);
	char		name[200];

	snprintf(name, sizeof(name), "%s, %s: no rank is wrong by more than the sketch says",
			 shape_names[shape], how);
	ok(worst <= claimed && (claimed > 0 || mlops_sketch_is_exact(sketch)), name);
	printf("# %lld of %d rows (%.4f %%), claimed %lld (%.4f %%), stated %.0f\n",
		   (long long) worst, n, 100.0 * worst / n, (long long) claimed, 100.0 * claimed / n,
		   stated);
	snprintf(name, sizeof(name), "%s, %s: which is within the stated bound", shape_names[shape], how);
	ok(claimed <= stated, name);
	ok(mlops_sketch_quantile(sketch, 0) == sorted[0] &&
	   mlops_sketch_quantile(sketch, 1) == sorted[n - 1] &&
	   mlops_sketch_rank(sketch, sorted[n - 1]) == n, "its ends are exact");
}

static void
test_ranks(Shape shape)
{
	double	   *values = palloc(sizeof(double) * ROWS);
	MlopsSketch *whole = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
	MlopsSketch *merged = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
	MlopsSketch *tree[10];
	int			at = 0;

	for (int i = 0; i < ROWS; i++)
	{
		values[i] = shape_value(shape, i, ROWS);
		mlops_sketch_add_number(whole, values[i]);
	}

	/* parts of many sizes, through their bytes */
	while (at < ROWS)
	{
		MlopsSketch *part = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
		MlopsSketch *copy;
		int			size = 1 + (int) (next_random() % 5000);

		for (int end = Min(ROWS, at + size); at < end; at++)
			mlops_sketch_add_number(part, values[at]);
		copy = copy_sketch(part);
		mlops_sketch_merge(merged, copy);
		mlops_sketch_free(part);
		mlops_sketch_free(copy);
	}

	/* a tree of large parts */
	for (int i = 0; i < 10; i++)
	{
		tree[i] = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
		for (int j = i; j < ROWS; j += 10)
			mlops_sketch_add_number(tree[i], values[j]);
	}
	for (int step = 1; step < 10; step *= 2)
	{
		for (int i = 0; i + step < 10; i += 2 * step)
			mlops_sketch_merge(tree[i], tree[i + step]);
	}

	qsort(values, ROWS, sizeof(double), compare_doubles);
	check_ranks("in one", shape, whole, values, ROWS, false);
	check_ranks("many parts", shape, merged, values, ROWS, true);
	check_ranks("a tree", shape, tree[0], values, ROWS, true);
	ok(mlops_sketch_same_totals(whole, merged) && mlops_sketch_same_totals(whole, tree[0]),
	   "counts and moments are the same bits");
	ok(mlops_sketch_distinct(whole) == mlops_sketch_distinct(merged) &&
	   mlops_sketch_distinct(whole) == mlops_sketch_distinct(tree[0]) &&
	   mlops_sketch_is_exact(whole) == mlops_sketch_is_exact(merged),
	   "and so is the number of distinct values");

	mlops_sketch_free(whole);
	mlops_sketch_free(merged);
	for (int i = 0; i < 10; i++)
		mlops_sketch_free(tree[i]);
	pfree(values);
}

static void
test_distinct(void)
{
	MlopsSketch *sketch = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
	double		worst = 0;
	bool		exact = true;
	int			n = 0;

	for (; n < MLOPS_SKETCH_EXACT; n++)
	{
		mlops_sketch_add_number(sketch, n * 0.1);
		mlops_sketch_add_number(sketch, n * 0.1);
		if (n % 97 == 0)
			exact = exact && mlops_sketch_distinct(sketch) == n + 1;
	}
	ok(exact && mlops_sketch_is_exact(sketch) && mlops_sketch_distinct(sketch) == n,
	   "distinct values are counted exactly up to the limit");
	for (; n < 300000; n++)
	{
		mlops_sketch_add_number(sketch, n * 0.1);
		if (n == MLOPS_SKETCH_EXACT || n % 10000 == 0)
			worst = Max(worst, fabs(mlops_sketch_distinct(sketch) / (n + 1) - 1));
	}
	ok(!mlops_sketch_is_exact(sketch) && worst < 3 * MLOPS_SKETCH_DISTINCT_ERROR,
	   "and beyond it within three standard errors");
	printf("# worst relative error %.4f\n", worst);
	mlops_sketch_free(sketch);
}

/* zipf-like keys with a fixed count each, numeric or as text */
static void
test_frequent(MlopsSketchKind kind)
{
	enum {KEYS = 20000};
	int		   *count = palloc0(sizeof(int) * KEYS);
	MlopsSketch *parts[4];
	MlopsSketchEntry *top;
	int64		error;
	int			n;
	bool		right = true;
	char		text[32];
	int64		rows = 0;

	for (int i = 0; i < 4; i++)
		parts[i] = mlops_sketch_create(kind);
	for (int i = 0; i < 400000; i++)
	{
		double		zipf = 1 / (1 - uniform()) - 1;
		int			key = (int) Min(zipf, KEYS - 1);

		/* half of the rows are spread over all keys */
		if (i % 2)
			key = (int) (next_random() % KEYS);
		count[key]++;
		rows++;
		snprintf(text, sizeof(text), "key %d", key);
		if (kind == MLOPS_SKETCH_NUMERIC)
			mlops_sketch_add_number(parts[i % 4], key);
		else
			mlops_sketch_add_text(parts[i % 4], text, (int) strlen(text));
	}
	for (int i = 1; i < 4; i++)
		mlops_sketch_merge(parts[0], parts[i]);

	error = mlops_sketch_count_error(parts[0]);
	ok(error > 0 && error <= rows / (MLOPS_SKETCH_FREQUENT + 1),
	   kind == MLOPS_SKETCH_NUMERIC ? "the error of counts of numbers is within its bound" :
	   "the error of counts of texts is within its bound");
	printf("# %lld of %lld rows\n", (long long) error, (long long) rows);
	for (int key = 0; key < KEYS; key++)
	{
		int64		held;

		snprintf(text, sizeof(text), "key %d", key);
		held = kind == MLOPS_SKETCH_NUMERIC ? mlops_sketch_count_number(parts[0], key) :
			mlops_sketch_count_text(parts[0], text, (int) strlen(text));
		if (held > count[key] || count[key] > held + error)
			right = false;
	}
	ok(right, "and every count is within it");
	top = mlops_sketch_top(parts[0], 3, &n);
	ok(n == 3 && (kind == MLOPS_SKETCH_NUMERIC ? top[0].number == 0 :
				  strcmp(top[0].text, "key 0") == 0) &&
	   top[0].count >= top[1].count && top[1].count >= top[2].count,
	   "the most frequent value comes first");
	pfree(top);
	for (int i = 0; i < 4; i++)
		mlops_sketch_free(parts[i]);
	pfree(count);
}

static void
test_histogram(void)
{
	MlopsSketch *sketch = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
	const double edges[] = {1, 3, 10};
	int64		counts[4];
	const double values[] = {1, 1, 2, 3, 4, 10, 11, -INFINITY, INFINITY, INFINITY};
	int			n;
	const MlopsSketchPoint *points;

	for (int i = 0; i < (int) lengthof(values); i++)
		mlops_sketch_add_number(sketch, values[i]);
	mlops_sketch_add_null(sketch);
	mlops_sketch_add_number(sketch, NAN);
	mlops_sketch_histogram(sketch, edges, 3, counts);
	ok(counts[0] == 3 && counts[1] == 2 && counts[2] == 2 && counts[3] == 3,
	   "an edge belongs to the interval below it, and infinities to the ends");
	ok(mlops_sketch_cdf(sketch, 1) == 0.3 && mlops_sketch_cdf(sketch, 0) == 0.1 &&
	   mlops_sketch_cdf(sketch, INFINITY) == 1 && isnan(mlops_sketch_cdf(sketch, NAN)),
	   "the distribution function counts infinities");
	ok(mlops_sketch_quantile(sketch, 0) == -INFINITY && mlops_sketch_quantile(sketch, 0.5) == 3 &&
	   mlops_sketch_quantile(sketch, 0.51) == 4 && mlops_sketch_quantile(sketch, 0.9) == INFINITY,
	   "quantiles are those of percentile_disc");
	points = mlops_sketch_points(sketch, &n);
	ok(n == 8 && points[0].value == -INFINITY && points[1].weight == 2 && points[7].weight == 2,
	   "points are all ordered values with their counts");
	mlops_sketch_free(sketch);
}

static void
test_bins(void)
{
	MlopsSketch *sketch = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
	MlopsSketch *other = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
	MlopsBins  *bins;
	int64		counts[30];
	bool		even = true;

	for (int i = 0; i < 20; i++)
		mlops_sketch_add_number(sketch, i);
	bins = mlops_bins_make(sketch, 10);
	mlops_sketch_add_number(other, 19);
	mlops_sketch_add_number(other, 19.5);
	ok(bins->kind == MLOPS_BINS_NUMBERS && bins->num_bins == 21 &&
	   mlops_bins_count(bins, other, counts) && counts[19] == 1 && counts[20] == 1 && counts[0] == 0,
	   "20 distinct numbers have a bin each, and one for others");
	pfree(bins->numbers);
	pfree(bins);

	for (int i = 20; i < 1000; i++)
		mlops_sketch_add_number(sketch, i);
	bins = mlops_bins_make(sketch, 10);
	mlops_bins_count(bins, sketch, counts);
	for (int i = 0; i < bins->num_bins; i++)
		even = even && counts[i] == 100;
	ok(bins->kind == MLOPS_BINS_EDGES && bins->num_bins == 10 && even, "more have deciles");
	pfree(bins->numbers);
	pfree(bins);

	/* seven of ten deciles are one value, which is also the greatest */
	for (int i = 0; i < 3000; i++)
		mlops_sketch_add_number(sketch, 999);
	bins = mlops_bins_make(sketch, 10);
	mlops_bins_count(bins, sketch, counts);
	ok(bins->num_bins == 3 && bins->numbers[1] == 799 && counts[2] == 3200,
	   "equal edges are merged, also with the open end");
	pfree(bins->numbers);
	pfree(bins);
	mlops_sketch_free(sketch);
	mlops_sketch_free(other);

	sketch = mlops_sketch_create(MLOPS_SKETCH_CATEGORICAL);
	mlops_sketch_add_text(sketch, "b", 1);
	mlops_sketch_add_text(sketch, "a", 1);
	mlops_sketch_add_text(sketch, "", 0);
	mlops_sketch_add_null(sketch);
	bins = mlops_bins_make(sketch, 10);
	mlops_sketch_add_text(sketch, "c", 1);
	mlops_sketch_add_text(sketch, "b", 1);
	ok(bins->kind == MLOPS_BINS_TEXTS && bins->num_bins == 4 && strcmp(bins->texts[1], "a") == 0 &&
	   mlops_bins_count(bins, sketch, counts) && counts[0] == 1 && counts[1] == 1 &&
	   counts[2] == 2 && counts[3] == 1, "texts have a bin each, and one for others");
	for (int i = 0; i < bins->num_values; i++)
		pfree(unconstify(char *, bins->texts[i]));
	pfree(bins->texts);
	pfree(bins);
	mlops_sketch_free(sketch);

	sketch = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
	bins = mlops_bins_make(sketch, 10);
	ok(bins->num_bins == 1 && mlops_bins_count(bins, sketch, counts) && counts[0] == 0,
	   "a reference without values has one bin");
	pfree(bins->numbers);
	pfree(bins);
	mlops_sketch_free(sketch);
}

int
main(void)
{
	for (Shape shape = 0; shape < NUM_SHAPES; shape++)
		test_ranks(shape);
	test_distinct();
	test_frequent(MLOPS_SKETCH_NUMERIC);
	test_frequent(MLOPS_SKETCH_CATEGORICAL);
	test_histogram();
	test_bins();
	return done();
}
