/*-------------------------------------------------------------------------
 *
 * sum.h
 *	  Sums that do not depend on the order of their terms.
 *
 * A sum is kept as a pair of doubles that holds about 106 bits, so that the
 * rounding of millions of additions stays far below the last bit of the
 * result, and a parallel plan gives what a serial one gives.  Once the total
 * leaves the range of a double, the sum is infinite and stays so.
 *
 * The compiler must round every operation as it is written: the Makefile's
 * -ffp-contract=off keeps it from fusing a product with an addition where the
 * processor could.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SUM_H
#define MLOPS_SUM_H

#include "c.h"

#include <math.h>

/* the value is high + low; low is at most half a unit in the last place of high */
typedef struct MlopsSum
{
	double		high;
	double		low;
} MlopsSum;

/*
 * Add one term: Knuth's exact addition, then the pair is made canonical again.
 */
static inline void
mlops_sum_add(MlopsSum *sum, double x)
{
	double		total = sum->high + x;
	double		shift = total - sum->high;
	double		error;

	if (unlikely(!isfinite(total)))
	{
		sum->high = total;
		sum->low = 0;
		return;
	}
	error = (sum->high - (total - shift)) + (x - shift) + sum->low;
	sum->high = total + error;
	sum->low = error - (sum->high - total);
}

/*
 * Add the exact product of two numbers.
 */
static inline void
mlops_sum_add_product(MlopsSum *sum, double a, double b)
{
	double		product = a * b;

	mlops_sum_add(sum, product);
	if (likely(isfinite(product)))
		mlops_sum_add(sum, fma(a, b, -product));
}

/*
 * Add another sum.
 */
static inline void
mlops_sum_merge(MlopsSum *sum, const MlopsSum *other)
{
	mlops_sum_add(sum, other->high);
	mlops_sum_add(sum, other->low);
}

static inline double
mlops_sum_value(const MlopsSum *sum)
{
	return sum->high + sum->low;
}

#endif							/* MLOPS_SUM_H */
