/*-------------------------------------------------------------------------
 *
 * sketch_moments.c
 *	  The exact sums of numbers and of their squares.
 *
 * A double is m * 2^(p - 1074), with an integer m of at most 53 bits and p from
 * 0 to 2045.  So it is m shifted left by p in the first sum, and m^2 shifted by
 * 2p in the second.
 *
 * The variance is (n * Q - S^2) / n^2 of the exact sums S and Q.  The
 * numerator is computed in integers, where the subtraction is exact, and
 * rounded once.
 *
 * Nothing here allocates memory.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "monitoring/sketch_moments.h"

/* an addition puts less than 2^34 into a digit: half of 2^63 is never reached */
#define MAX_ADDITIONS	(1U << 28)

/* values that are added up before their digits are moved to the sums */
#define MAX_RUN			2048

/* the weight of the last bit, as a power of two */
#define SUM_UNIT		(-1074)
#define SQUARES_UNIT	(-2148)

/* m^2 times a count */
#define PRODUCT_DIGITS	6

/*
 * Move carries up, so that all digits but the last are from 0 to 2^32 - 1.
 */
static void
carry(int64 *sum, int num_digits)
{
	for (int i = 0; i < num_digits - 1; i++)
	{
		int64		low = sum[i] & 0xffffffff;

		sum[i + 1] += (sum[i] - low) / INT64CONST(0x100000000);
		sum[i] = low;
	}
}

void
mlops_exact_carry(MlopsExact *moments)
{
	carry(moments->sum, MLOPS_SUM_DIGITS);
	carry(moments->squares, MLOPS_SQUARES_DIGITS);
	moments->additions = 0;
}

/*
 * Add digits, shifted left.
 */
static inline void
add_digits(int64 *sum, const uint32 *digits, int num_digits, int shift, int64 sign)
{
	int64	   *to = sum + shift / 32;
	int			bits = shift % 32;

	for (int i = 0; i < num_digits; i++)
	{
		uint64		shifted = (uint64) digits[i] << bits;

		to[i] += sign * (int64) (shifted & 0xffffffff);
		to[i + 1] += sign * (int64) (shifted >> 32);
	}
}

/*
 * The product of two numbers given by digits; it has as many as both together.
 */
static void
multiply(uint32 *product, const uint32 *a, int num_a, const uint32 *b, int num_b)
{
	memset(product, 0, sizeof(uint32) * (num_a + num_b));
	for (int i = 0; i < num_a; i++)
	{
		uint64		over = 0;

		for (int j = 0; j < num_b; j++)
		{
			over += (uint64) a[i] * b[j] + product[i + j];
			product[i + j] = (uint32) over;
			over >>= 32;
		}
		product[i + num_b] = (uint32) over;
	}
}

/*
 * Add a number of less than 2^62, shifted left.  It counts as one addition.
 */
static inline void
add_shifted(int64 *sum, uint64 number, int shift, int64 sign)
{
	int64	   *to = sum + shift / 32;
	int			bits = shift % 32;
	uint64		low = (number & 0xffffffff) << bits;
	uint64		high = (number >> 32) << bits;

	to[0] += sign * (int64) (low & 0xffffffff);
	to[1] += sign * (int64) ((low >> 32) + (high & 0xffffffff));
	to[2] += sign * (int64) (high >> 32);
}

/*
 * The parts of a finite number: the integer, which is returned, the shift and
 * the sign with which it stands in a sum.
 */
static inline uint64
parts_of(uint64 bits, int *shift, int64 *sign)
{
	uint64		mantissa = bits & UINT64CONST(0xfffffffffffff);

	*sign = (bits >> 63) ? -1 : 1;
	*shift = (int) (bits >> 52) & 0x7ff;
	if (*shift > 0)
	{
		mantissa |= UINT64CONST(0x10000000000000);
		(*shift)--;
	}
	return mantissa;
}

/*
 * Add finite numbers, each as often as its weight says.  Neighbours of one
 * sign and exponent, of which ascending numbers have many, are added up in
 * registers first.
 */
void
mlops_exact_add_points(MlopsExact *moments, const MlopsSketchPoint *points, int num_points)
{
	int			i = 0;

	while (i < num_points)
	{
		uint64		first;
		uint64		bits;
		uint64		low = 0;
		uint64		high = 0;
		uint64		squares[3] = {0};
		int			shift;
		int64		sign;
		int			end = Min(num_points, i + MAX_RUN);

		if (points[i].weight != 1)
		{
			mlops_exact_add(moments, points[i].value, points[i].weight);
			i++;
			continue;
		}
		memcpy(&first, &points[i].value, sizeof(first));
		(void) parts_of(first, &shift, &sign);
		for (; i < end && points[i].weight == 1; i++)
		{
			uint64		mantissa;
			uint64		square;
			uint64		product;
			int			ignored_shift;
			int64		ignored_sign;

			memcpy(&bits, &points[i].value, sizeof(bits));
			if ((bits ^ first) >> 52 != 0)
				break;
			mantissa = parts_of(bits, &ignored_shift, &ignored_sign);
			low += mantissa & 0xffffffff;
			high += mantissa >> 32;
			square = (mantissa & 0xffffffff) * (mantissa & 0xffffffff);
			product = 2 * ((mantissa & 0xffffffff) * (mantissa >> 32));
			squares[0] += square & 0xffffffff;
			squares[1] += (square >> 32) + (product & 0xffffffff);
			squares[2] += (product >> 32) + (mantissa >> 32) * (mantissa >> 32);
		}
		add_shifted(moments->sum, low, shift, sign);
		add_shifted(moments->sum, high, shift + 32, sign);
		for (int j = 0; j < 3; j++)
			add_shifted(moments->squares, squares[j], 2 * shift + 32 * j, 1);
		moments->additions += 3;
		if (unlikely(moments->additions >= MAX_ADDITIONS))
			mlops_exact_carry(moments);
	}
}

/*
 * Add a finite number as often as count says.
 */
void
mlops_exact_add(MlopsExact *moments, double value, int64 count)
{
	uint32		digits[2];
	uint32		square[4];
	uint64		bits;
	uint64		mantissa;
	uint64		middle;
	uint64		high;
	uint64		part;
	int			shift;
	int64		sign;

	memcpy(&bits, &value, sizeof(bits));
	mantissa = parts_of(bits, &shift, &sign);
	digits[0] = (uint32) mantissa;
	digits[1] = (uint32) (mantissa >> 32);
	part = (uint64) digits[0] * digits[0];
	middle = 2 * ((uint64) digits[0] * digits[1]);
	high = (uint64) digits[1] * digits[1];
	square[0] = (uint32) part;
	part = (part >> 32) + (middle & 0xffffffff);
	square[1] = (uint32) part;
	part = (part >> 32) + (middle >> 32) + (high & 0xffffffff);
	square[2] = (uint32) part;
	square[3] = (uint32) ((part >> 32) + (high >> 32));

	if (likely(count == 1))
	{
		add_digits(moments->sum, digits, 2, shift, sign);
		add_digits(moments->squares, square, 4, 2 * shift, 1);
	}
	else
	{
		uint32		times[2] = {(uint32) count, (uint32) ((uint64) count >> 32)};
		uint32		product[PRODUCT_DIGITS];

		multiply(product, digits, 2, times, 2);
		add_digits(moments->sum, product, 4, shift, sign);
		multiply(product, square, 4, times, 2);
		add_digits(moments->squares, product, 6, 2 * shift, 1);
	}
	if (unlikely(++moments->additions >= MAX_ADDITIONS))
		mlops_exact_carry(moments);
}

/*
 * Add the sums of other numbers.
 */
void
mlops_exact_merge(MlopsExact *moments, const MlopsExact *other)
{
	for (int i = 0; i < MLOPS_SUM_DIGITS; i++)
		moments->sum[i] += other->sum[i];
	for (int i = 0; i < MLOPS_SQUARES_DIGITS; i++)
		moments->squares[i] += other->squares[i];
	mlops_exact_carry(moments);
}

/*
 * The sign and the digits of a sum whose carries were moved up.
 */
void
mlops_wide_get(MlopsWide *wide, const int64 *sum, int num_digits)
{
	int64		over = 0;
	int			first = num_digits;
	int			last = -1;

	wide->negative = sum[num_digits - 1] < 0;
	for (int i = 0; i < num_digits; i++)
	{
		int64		digit = wide->negative ? over - sum[i] : sum[i];

		over = digit < 0 ? -1 : 0;
		wide->digits[i] = (uint32) digit;
		if (wide->digits[i] != 0)
		{
			first = Min(first, i);
			last = i;
		}
	}
	wide->num_digits = last < 0 ? 0 : last - first + 1;
	wide->first = last < 0 ? 0 : first;
	memmove(wide->digits, wide->digits + wide->first, sizeof(uint32) * wide->num_digits);
}

/*
 * A sum from sign and digits.
 */
bool
mlops_wide_put(const MlopsWide *wide, int64 *sum, int num_digits)
{
	/* the last digit is for the sign */
	if (wide->first < 0 || wide->num_digits < 0 ||
		wide->first + wide->num_digits > num_digits - 1)
		return false;
	memset(sum, 0, sizeof(int64) * num_digits);
	for (int i = 0; i < wide->num_digits; i++)
		sum[wide->first + i] = wide->negative ? -(int64) wide->digits[i] : (int64) wide->digits[i];
	carry(sum, num_digits);
	return true;
}

/*
 * Digits as a fraction from 0.5 to 1, rounded to the nearest double, and the
 * power of two that it is to be multiplied with.
 */
static double
wide_fraction(const MlopsWide *wide, int *exponent)
{
	int			top = wide->num_digits - 1;
	uint64		bits;
	uint32		next;
	int			shift;

	if (top < 0)
	{
		*exponent = 0;
		return 0;
	}

	/* the first 64 bits, the last of which says that something follows */
	bits = (uint64) wide->digits[top] << 32;
	bits |= top >= 1 ? wide->digits[top - 1] : 0;
	next = top >= 2 ? wide->digits[top - 2] : 0;
	shift = 0;
	while (!(bits >> 63))
	{
		bits = (bits << 1) | (next >> 31);
		next <<= 1;
		shift++;
	}
	for (int i = top - 3; next == 0 && i >= 0; i--)
		next = wide->digits[i];
	if (next != 0)
		bits |= 1;

	*exponent = 32 * (wide->first + top + 1) - shift;

	/* 64 bits become 53: the conversion rounds to nearest, ties to even */
	return ldexp((double) bits, -64);
}

/*
 * n * Q - S^2, which is never negative for numbers that exist.
 */
static void
spread(MlopsExact *moments, int64 count, MlopsWide *result)
{
	uint32		times[2] = {(uint32) count, (uint32) ((uint64) count >> 32)};
	uint32		left[MLOPS_SQUARES_DIGITS + 2];
	uint32		right[2 * MLOPS_SUM_DIGITS];
	int64		difference[2 * MLOPS_SUM_DIGITS + 1];
	MlopsWide	wide;

	mlops_exact_carry(moments);
	memset(difference, 0, sizeof(difference));
	mlops_wide_get(&wide, moments->squares, MLOPS_SQUARES_DIGITS);
	multiply(left, wide.digits, wide.num_digits, times, 2);
	for (int i = 0; i < wide.num_digits + 2 && wide.num_digits > 0; i++)
		difference[wide.first + i] = left[i];
	mlops_wide_get(&wide, moments->sum, MLOPS_SUM_DIGITS);
	multiply(right, wide.digits, wide.num_digits, wide.digits, wide.num_digits);
	for (int i = 0; i < 2 * wide.num_digits; i++)
		difference[2 * wide.first + i] -= right[i];
	carry(difference, lengthof(difference));
	mlops_wide_get(result, difference, lengthof(difference));
}

double
mlops_exact_mean(MlopsExact *moments, int64 count)
{
	MlopsWide	wide;
	double		fraction;
	int			exponent;

	if (count < 1)
		return NAN;
	mlops_exact_carry(moments);
	mlops_wide_get(&wide, moments->sum, MLOPS_SUM_DIGITS);
	fraction = wide_fraction(&wide, &exponent) / (double) count;
	return ldexp(wide.negative ? -fraction : fraction, exponent + SUM_UNIT);
}

/*
 * The variance as a fraction and a power of two, because the square of a
 * standard deviation can be out of a double's range.
 */
static double
variance_fraction(MlopsExact *moments, int64 count, bool population, int *exponent)
{
	MlopsWide	wide;
	double		fraction;

	if (count < 1 || (count < 2 && !population))
		return NAN;
	spread(moments, count, &wide);
	fraction = wide_fraction(&wide, exponent);
	*exponent += SQUARES_UNIT;
	return fraction / ((double) count * (double) (population ? count : count - 1));
}

double
mlops_exact_variance(MlopsExact *moments, int64 count, bool population)
{
	int			exponent = 0;
	double		fraction = variance_fraction(moments, count, population, &exponent);

	return ldexp(fraction, exponent);
}

double
mlops_exact_stddev(MlopsExact *moments, int64 count, bool population)
{
	int			exponent = 0;
	double		fraction = variance_fraction(moments, count, population, &exponent);

	if (exponent % 2 != 0)
	{
		fraction *= 2;
		exponent--;
	}
	return ldexp(sqrt(fraction), exponent / 2);
}

bool
mlops_exact_possible(MlopsExact *moments, int64 count)
{
	MlopsWide	wide;

	mlops_exact_carry(moments);
	mlops_wide_get(&wide, moments->squares, MLOPS_SQUARES_DIGITS);
	if (wide.negative)
		return false;
	if (count == 0)
	{
		if (wide.num_digits > 0)
			return false;
		mlops_wide_get(&wide, moments->sum, MLOPS_SUM_DIGITS);
		return wide.num_digits == 0;
	}
	spread(moments, count, &wide);
	return !wide.negative;
}
