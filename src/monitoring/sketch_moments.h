/*-------------------------------------------------------------------------
 *
 * sketch_moments.h
 *	  The exact sums of numbers and of their squares.
 *
 * Both sums are integers, counted in units of the least double and of its
 * square, and wide enough for 2^63 numbers of any size.  Nothing is ever
 * rounded away, so neither the order of the numbers nor the parts in which
 * they came leave a trace; a mean and a variance round once, at the end.
 * Numbers whose squares cancel, as a small variance of large values, lose no
 * digit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SKETCH_MOMENTS_H
#define MLOPS_SKETCH_MOMENTS_H

#include "c.h"

#include "monitoring/sketch.h"

/* digits of 32 bits: 2^63 times the greatest double, its square, and a sign */
#define MLOPS_SUM_DIGITS		70
#define MLOPS_SQUARES_DIGITS	136

/*
 * Digits have 64 bits and a sign of their own, so that carries wait until
 * there is no more room for them.
 */
typedef struct MlopsExact
{
	int64		sum[MLOPS_SUM_DIGITS];
	int64		squares[MLOPS_SQUARES_DIGITS];
	uint32		additions;		/* since carries were last moved up */
} MlopsExact;

/* a sum as a sign and digits of 32 bits, the least first */
typedef struct MlopsWide
{
	bool		negative;
	int			first;			/* of the digits that are not zero */
	int			num_digits;		/* from there to the last of them */
	uint32		digits[2 * MLOPS_SUM_DIGITS + 4];
} MlopsWide;

extern void mlops_exact_add(MlopsExact *moments, double value, int64 count);
extern void mlops_exact_add_points(MlopsExact *moments, const MlopsSketchPoint *points,
								   int num_points);
extern void mlops_exact_merge(MlopsExact *moments, const MlopsExact *other);
extern void mlops_exact_carry(MlopsExact *moments);

/* of count numbers; NaN where it is not defined */
extern double mlops_exact_mean(MlopsExact *moments, int64 count);
extern double mlops_exact_variance(MlopsExact *moments, int64 count, bool population);
extern double mlops_exact_stddev(MlopsExact *moments, int64 count, bool population);

/* is there a set of count numbers, all finite, that has these sums? */
extern bool mlops_exact_possible(MlopsExact *moments, int64 count);

/* digits in and out; put is false if they do not fit */
extern void mlops_wide_get(MlopsWide *wide, const int64 *sum, int num_digits);
extern bool mlops_wide_put(const MlopsWide *wide, int64 *sum, int num_digits);

#endif							/* MLOPS_SKETCH_MOMENTS_H */
