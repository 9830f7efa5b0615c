/*-------------------------------------------------------------------------
 *
 * sketch_test.h
 *	  What the tests of sketches share: TAP, fixed data, exact answers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SKETCH_TEST_H
#define SKETCH_TEST_H

#include "c.h"

#include <float.h>
#include <math.h>

#include "common/fe_memutils.h"
#include "monitoring/sketch.h"

static int	ntests = 0;
static int	nfailures = 0;

static inline void
ok(bool passed, const char *name)
{
	ntests++;
	if (!passed)
		nfailures++;
	printf("%sok %d - %s\n", passed ? "" : "not ", ntests, name);
}

static inline int
done(void)
{
	printf("1..%d\n", ntests);
	return nfailures > 0;
}

static uint64 random_state = 20250311;

/* a fixed sequence of numbers that look random (splitmix64) */
static inline uint64
next_random(void)
{
	uint64		z = (random_state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* from 0 to below 1 */
static inline double
uniform(void)
{
	return ldexp((double) (next_random() >> 11), -53);
}

typedef enum Shape
{
	UNIFORM,
	SORTED,
	REVERSED,
	ZIPF,
	CONSTANT,
	NUM_SHAPES
} Shape;

static const char *const shape_names[] = {"uniform", "sorted", "reversed", "zipf", "constant"};

/* value i of n */
static inline double
shape_value(Shape shape, int i, int n)
{
	switch (shape)
	{
		case UNIFORM:
			return uniform();
		case SORTED:
			return i;
		case REVERSED:
			return n - i;
		case ZIPF:
			return floor(100 / (1 - uniform()));
		default:
			return 42.5;
	}
}

static inline int
compare_doubles(const void *a, const void *b)
{
	double		left = *(const double *) a;
	double		right = *(const double *) b;

	return left < right ? -1 : left > right;
}

/* how many of ascending values are up to x, or only below it */
static inline int64
true_rank(const double *values, int n, double x, bool below)
{
	int			first = 0;
	int			last = n;

	while (first < last)
	{
		int			middle = first + (last - first) / 2;

		if (below ? values[middle] < x : values[middle] <= x)
			first = middle + 1;
		else
			last = middle;
	}
	return first;
}

/* the greatest error of a rank, in rows; of ascending values */
static inline int64
worst_rank_error(MlopsSketch *sketch, const double *values, int n)
{
	int64		worst = 0;

	for (int i = 0; i <= 1000; i++)
	{
		double		p = i / 1000.0;
		int64		target = Max(1, (int64) ceil(p * n));
		double		quantile = mlops_sketch_quantile(sketch, p);
		int64		below = true_rank(values, n, quantile, true);
		int64		up_to = true_rank(values, n, quantile, false);
		double		x = values[Min((int64) (p * n), n - 1)];
		int64		error = llabs(mlops_sketch_rank(sketch, x) - true_rank(values, n, x, false));

		worst = Max(worst, error);
		/* the quantile's own ranks are from below + 1 to up_to */
		if (target > up_to)
			worst = Max(worst, target - up_to);
		if (target <= below)
			worst = Max(worst, below + 1 - target);
	}
	return worst;
}

static inline bool
same_bytes(MlopsSketch *a, MlopsSketch *b)
{
	size_t		len_a;
	size_t		len_b;
	void	   *bytes_a = mlops_sketch_write(a, 0, &len_a);
	void	   *bytes_b = mlops_sketch_write(b, 0, &len_b);
	bool		same = len_a == len_b && memcmp(bytes_a, bytes_b, len_a) == 0;

	pfree(bytes_a);
	pfree(bytes_b);
	return same;
}

/* what is read back from its bytes */
static inline MlopsSketch *
copy_sketch(MlopsSketch *sketch)
{
	size_t		len;
	void	   *bytes = mlops_sketch_write(sketch, 0, &len);
	MlopsSketchError error;
	MlopsSketch *copy = mlops_sketch_read(bytes, len, &error);

	if (copy == NULL)
		printf("# at %zu: %s\n", error.offset, error.message);
	pfree(bytes);
	return copy;
}

#endif							/* SKETCH_TEST_H */
