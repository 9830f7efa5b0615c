/*-------------------------------------------------------------------------
 *
 * sketch_moments.c
 *	  Counts and moments of sketches: exact, and the same bits whatever the
 *	  order and the parts; and their bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "sketch_test.h"

#include "monitoring/sketch_moments.h"

static void
near(double value, double expected, const char *name)
{
	bool		passed = fabs(value - expected) <= 4e-16 * fabs(expected);

	ok(passed, name);
	if (!passed)
		printf("# %.17g instead of %.17g\n", value, expected);
}

static MlopsSketch *
sketch_of(const double *values, int n)
{
	MlopsSketch *sketch = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);

	for (int i = 0; i < n; i++)
		mlops_sketch_add_number(sketch, values[i]);
	return sketch;
}

#define sketch_of_values(...) \
	sketch_of((const double[]) {__VA_ARGS__}, \
			  (int) (sizeof((const double[]) {__VA_ARGS__}) / sizeof(double)))

static void
test_cases(void)
{
	MlopsSketch *sketch = sketch_of_values(1e16, 1, -1e16);

	near(mlops_sketch_mean(sketch), 1.0 / 3, "a sum loses nothing");
	mlops_sketch_free(sketch);

	sketch = sketch_of_values(1e15, 1e15 + 1, 1e15 + 2);
	near(mlops_sketch_variance(sketch, false), 1, "a small variance of large values is exact");
	near(mlops_sketch_stddev(sketch, true), sqrt(2.0 / 3), "and so is that of a population");
	mlops_sketch_free(sketch);

	sketch = sketch_of_values(1e300, -1e300, 1e300, -1e300);
	ok(mlops_sketch_mean(sketch) == 0 && isinf(mlops_sketch_variance(sketch, true)),
	   "a variance can exceed the range of a double");
	near(mlops_sketch_stddev(sketch, true), 1e300, "where its root does not");
	mlops_sketch_free(sketch);

	sketch = sketch_of_values(DBL_MAX, DBL_MAX, DBL_MAX);
	ok(mlops_sketch_mean(sketch) == DBL_MAX && mlops_sketch_stddev(sketch, false) == 0,
	   "a mean of the greatest doubles does not overflow");
	mlops_sketch_free(sketch);

	sketch = sketch_of_values(4.9e-324, 4.9e-324 * 3);
	ok(mlops_sketch_mean(sketch) == 4.9e-324 * 2 && mlops_sketch_stddev(sketch, true) == 4.9e-324,
	   "nor does one of the least underflow");
	mlops_sketch_free(sketch);

	sketch = sketch_of_values(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1);
	ok(mlops_sketch_mean(sketch) == 0.1 && mlops_sketch_variance(sketch, false) == 0,
	   "equal values have themselves as mean and no variance");
	mlops_sketch_free(sketch);

	sketch = sketch_of_values(-0.0, 0.0);
	ok(mlops_sketch_distinct(sketch) == 1 && !signbit(mlops_sketch_min(sketch)),
	   "negative zero is zero");
	mlops_sketch_free(sketch);

	sketch = sketch_of_values(5);
	ok(mlops_sketch_mean(sketch) == 5 && isnan(mlops_sketch_variance(sketch, false)) &&
	   mlops_sketch_variance(sketch, true) == 0, "one value has no variance of a sample");
	mlops_sketch_free(sketch);

	sketch = sketch_of_values(NAN, INFINITY, -INFINITY, -INFINITY);
	mlops_sketch_add_null(sketch);
	ok(mlops_sketch_counts(sketch).rows == 5 && mlops_sketch_counts(sketch).values == 0 &&
	   mlops_sketch_counts(sketch).nans == 1 && mlops_sketch_counts(sketch).positive_infinities == 1 &&
	   mlops_sketch_counts(sketch).negative_infinities == 2 && isnan(mlops_sketch_min(sketch)) &&
	   isnan(mlops_sketch_mean(sketch)) && isnan(mlops_sketch_stddev(sketch, true)) &&
	   mlops_sketch_quantile(sketch, 1) == INFINITY,
	   "without finite values there are counts, but no mean");
	mlops_sketch_free(sketch);

	sketch = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
	ok(isnan(mlops_sketch_mean(sketch)) && isnan(mlops_sketch_quantile(sketch, 0.5)) &&
	   mlops_sketch_ordered(sketch) == 0 && mlops_sketch_rank_error(sketch) == 0,
	   "an empty sketch has neither");
	mlops_sketch_free(sketch);
}

/* the same numbers added one by one, and at once */
static void
test_counts(void)
{
	MlopsExact one = {0};
	MlopsExact many = {0};
	const double values[] = {3.7, -1e-310, 1e200, -12345.678, 2};

	for (int i = 0; i < (int) lengthof(values); i++)
	{
		for (int j = 0; j < 12345; j++)
			mlops_exact_add(&one, values[i], 1);
		mlops_exact_add(&many, values[i], 12345);
	}
	mlops_exact_carry(&one);
	mlops_exact_carry(&many);
	ok(memcmp(&one, &many, sizeof(MlopsExact)) == 0, "a value can be added many times at once");

	memset(&many, 0, sizeof(many));
	mlops_exact_add(&many, DBL_MAX, PG_INT64_MAX);
	ok(mlops_exact_mean(&many, PG_INT64_MAX) == DBL_MAX &&
	   mlops_exact_possible(&many, PG_INT64_MAX) && mlops_exact_stddev(&many, PG_INT64_MAX, true) == 0,
	   "the sums are wide enough for the most rows of the greatest values");
}

/* ascending values, neighbours of one exponent together, as one by one */
static void
test_points(void)
{
	enum {POINTS = 5000};
	MlopsSketchPoint *points = palloc(sizeof(MlopsSketchPoint) * POINTS);
	MlopsExact	one = {0};
	MlopsExact	together = {0};

	for (int i = 0; i < POINTS; i++)
	{
		int			exponent = i < 3000 ? 0 : (int) (next_random() % 2000) - 1070;

		points[i].value = i < 2500 ? nextafter(2, 0) : ldexp(uniform() - 0.5, exponent);
		points[i].weight = i % 500 == 499 ? 1 + (int64) (next_random() % 1000) : 1;
		mlops_exact_add(&one, points[i].value, points[i].weight);
	}
	mlops_exact_add_points(&together, points, POINTS);
	mlops_exact_carry(&one);
	mlops_exact_carry(&together);
	ok(memcmp(&one, &together, sizeof(MlopsExact)) == 0, "values of one exponent can be added together");
	pfree(points);
}

/* values of all sizes in random parts, orders and merges; few or many */
static void
test_splits(int n, int distinct, const char *name)
{
	MlopsSketch *first = NULL;
	bool		same = true;
	double	   *values = palloc(sizeof(double) * n);

	for (int i = 0; i < n; i++)
		values[i] = ldexp(uniform() - 0.5, (int) (next_random() % 1200) - 600);
	for (int i = distinct; i < n; i++)
		values[i] = values[next_random() % distinct];

	for (int round = 0; round < 6; round++)
	{
		MlopsSketch *parts[7];
		int			num_parts = 1 + round;

		for (int i = 0; i < num_parts; i++)
			parts[i] = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
		for (int i = n - 1; i > 0; i--)
		{
			int			j = (int) (next_random() % (i + 1));
			double		swap = values[i];

			values[i] = values[j];
			values[j] = swap;
		}
		for (int i = 0; i < n; i++)
		{
			MlopsSketch *part = parts[next_random() % num_parts];

			mlops_sketch_add_number(part, values[i]);
			if (i % 1000 == 0)
				mlops_sketch_add_null(part);
		}
		for (int i = 1; i < num_parts; i++)
		{
			/* from either side */
			if (next_random() & 1)
			{
				mlops_sketch_merge(parts[i], parts[0]);
				mlops_sketch_free(parts[0]);
				parts[0] = parts[i];
			}
			else
			{
				mlops_sketch_merge(parts[0], parts[i]);
				mlops_sketch_free(parts[i]);
			}
		}
		if (first == NULL)
			first = parts[0];
		else
		{
			same = same && mlops_sketch_same_totals(first, parts[0]) &&
				mlops_sketch_mean(first) == mlops_sketch_mean(parts[0]) &&
				mlops_sketch_stddev(first, true) == mlops_sketch_stddev(parts[0], true) &&
				mlops_sketch_distinct(first) == mlops_sketch_distinct(parts[0]) &&
				(!mlops_sketch_is_exact(first) || same_bytes(first, parts[0]));
			mlops_sketch_free(parts[0]);
		}
	}
	ok(same, name);
	mlops_sketch_free(first);
	pfree(values);
}

static void
test_bytes(int n, MlopsSketchKind kind, const char *name)
{
	MlopsSketch *sketch = mlops_sketch_create(kind);
	MlopsSketch *copy;
	MlopsSketchError error;
	char	   *bytes;
	size_t		len;
	bool		refused = true;
	bool		stable = true;
	int			accepted = 0;
	char		text[32];

	for (int i = 0; i < n; i++)
	{
		snprintf(text, sizeof(text), "%d", i);
		if (kind == MLOPS_SKETCH_NUMERIC)
			mlops_sketch_add_number(sketch, i % 3 == 0 ? -i : uniform());
		else
			mlops_sketch_add_text(sketch, text, (int) strlen(text));
	}
	mlops_sketch_add_null(sketch);
	copy = copy_sketch(sketch);
	ok(copy != NULL && same_bytes(sketch, copy) && mlops_sketch_same_totals(sketch, copy) &&
	   mlops_sketch_rank_error(sketch) == mlops_sketch_rank_error(copy), name);
	mlops_sketch_free(copy);

	bytes = mlops_sketch_write(sketch, 0, &len);
	for (size_t i = 0; i < len; i += 1 + len / 300)
	{
		copy = mlops_sketch_read(bytes, i, &error);
		refused = refused && copy == NULL && error.message != NULL;
	}
	ok(refused, "every part of it is refused");
	for (size_t i = 0; i < len; i += 1 + len / 2000)
	{
		char		kept = bytes[i];

		bytes[i] ^= (char) (1 << (next_random() % 8));
		copy = mlops_sketch_read(bytes, len, &error);
		if (copy != NULL)
		{
			size_t		len_again;
			char	   *again = mlops_sketch_write(copy, 0, &len_again);

			stable = stable && len_again == len && memcmp(again, bytes, len) == 0;
			accepted++;
			pfree(again);
			mlops_sketch_free(copy);
		}
		bytes[i] = kept;
	}
	ok(stable, "what is not refused has the same bytes again");
	printf("# %d of about 2000 changed sketches were possible ones\n", accepted);
	pfree(bytes);
	mlops_sketch_free(sketch);
}

int
main(void)
{
	test_cases();
	test_counts();
	test_points();
	test_splits(200, 200, "few values: the same bytes in any order and parts");
	test_splits(50000, 2000, "few distinct values: the same bytes in any order and parts");
	test_splits(2049, 2049, "just more than the limit: the same totals in any order and parts");
	test_splits(50000, 50000, "many values: the same totals in any order and parts");
	test_bytes(0, MLOPS_SKETCH_NUMERIC, "an empty sketch from its bytes");
	test_bytes(100, MLOPS_SKETCH_NUMERIC, "a small sketch from its bytes");
	test_bytes(100000, MLOPS_SKETCH_NUMERIC, "a large sketch from its bytes");
	test_bytes(100, MLOPS_SKETCH_CATEGORICAL, "a small categorical sketch from its bytes");
	test_bytes(100000, MLOPS_SKETCH_CATEGORICAL, "a large categorical sketch from its bytes");
	return done();
}
