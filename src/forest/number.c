/*-------------------------------------------------------------------------
 *
 * number.c
 *	  Decimal numbers to float4 and back, exactly, whatever the locale.
 *
 * A model file holds the shortest decimal that gives back each float4, and the
 * bits must come back.  Going through float8 is wrong: rounding twice can miss
 * by one.  strtof() is right, but asks the locale and is slow.
 *
 * Here a number is first computed in float8 with a known bound on its error.
 * Unless a boundary between two float4 values lies within that bound, both
 * ends of it round to the same float4, which then is the answer.  The few
 * numbers that are nearer to a boundary are compared with it exactly, in
 * integers.
 *
 * The way back looks for the fewest digits that are read as the same float4.
 * Between which two decimals of so many digits the number lies, float8 says
 * well enough: where it errs, one of the two is the number but for the last
 * bits of float8, and it is found all the same.  Which of the two is nearer is
 * again decided exactly where float8 cannot tell.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/number.h"

/* significant digits that fit into uint64 */
#define FAST_DIGITS		19

/*
 * Digits that decide any comparison with a boundary between two float4: no
 * boundary has more than 113 significant digits.
 */
#define EXACT_DIGITS	120

/* the largest power of ten in the table; beyond it lie only zero and infinity */
#define MAX_POWER		65

/* 2 ^ -50: more than the rounding of two conversions and one operation */
#define ERROR_BOUND		8.8817841970012523e-16

static const double power_of_ten[MAX_POWER + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
	1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
	1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30,
	1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40,
	1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47, 1e48, 1e49, 1e50,
	1e51, 1e52, 1e53, 1e54, 1e55, 1e56, 1e57, 1e58, 1e59, 1e60,
	1e61, 1e62, 1e63, 1e64, 1e65
};

/*
 * A natural number, least significant limb first.  The largest one needed is
 * 120 digits times 2 ^ 150: 549 bits; or a boundary times 10 ^ 166: 577 bits.
 */
#define NATURAL_LIMBS	32

typedef struct Natural
{
	int			count;
	uint32		limb[NATURAL_LIMBS];
} Natural;

/* n = n * factor + term */
static void
natural_multiply(Natural *n, uint32 factor, uint32 term)
{
	uint64		carry = term;

	for (int i = 0; i < n->count; i++)
	{
		carry += (uint64) n->limb[i] * factor;
		n->limb[i] = (uint32) carry;
		carry >>= 32;
	}
	if (carry > 0)
	{
		Assert(n->count < NATURAL_LIMBS);
		n->limb[n->count++] = (uint32) carry;
	}
}

/* n = n * base ^ power */
static void
natural_scale(Natural *n, uint32 base, int power)
{
	while (power-- > 0)
		natural_multiply(n, base, 0);
}

/* the sign of a - b */
static int
natural_compare(const Natural *a, const Natural *b)
{
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	for (int i = a->count - 1; i >= 0; i--)
	{
		if (a->limb[i] != b->limb[i])
			return a->limb[i] < b->limb[i] ? -1 : 1;
	}
	return 0;
}

/*
 * The sign of number * 10 ^ exponent - other * 2 ^ binary; changes both.
 */
static int
compare_scaled(Natural *number, int exponent, Natural *other, int binary)
{
	if (exponent >= 0)
		natural_scale(number, 10, exponent);
	else
		natural_scale(other, 10, -exponent);
	if (binary >= 0)
		natural_scale(other, 2, binary);
	else
		natural_scale(number, 2, -binary);
	return natural_compare(number, other);
}

/*
 * A positive float4 is significand * 2 ^ binary.
 */
static uint32
take_apart(float value, int *binary)
{
	uint32		bits;
	uint32		significand;

	memcpy(&bits, &value, sizeof(bits));
	significand = bits & 0x7FFFFF;
	*binary = (bits >> 23) & 0xFF;
	if (*binary == 0)
		*binary = 1;
	else
		significand |= 0x800000;
	*binary -= 127 + 23;
	return significand;
}

/*
 * Which of two neighbours is the number?  digits points to its digits, which
 * may have a point among them, from the first that is not zero; exponent is
 * the power of ten of that digit.  low may be the largest float4, high then is
 * infinity.
 */
static float
choose_exactly(const char *digits, const char *end, int exponent, float low, float high)
{
	Natural		number = {0};
	Natural		boundary = {0};
	int			count = 0;
	bool		more = false;
	int			binary;
	uint32		significand = take_apart(low, &binary);
	int			order;

	for (const char *p = digits; p < end; p++)
	{
		if (*p == '.')
			continue;
		if (count < EXACT_DIGITS)
		{
			natural_multiply(&number, 10, *p - '0');
			count++;
		}
		else if (*p != '0')
			more = true;
	}
	exponent -= count - 1;

	/* the boundary, (2 * significand + 1) * 2 ^ (binary - 1) */
	natural_multiply(&boundary, 1, 2 * significand + 1);
	order = compare_scaled(&number, exponent, &boundary, binary - 1);
	if (order == 0 && more)
		order = 1;
	if (order != 0)
		return order < 0 ? low : high;
	return significand % 2 == 0 ? low : high;
}

/*
 * Parse a number as JSON writes it.  Returns what follows it, or NULL if text
 * does not begin with a number.  Too large is infinity, too small is zero.
 */
const char *
mlops_parse_float(const char *text, const char *end, float *value)
{
	const char *p = text;
	const char *first = NULL;	/* the first digit that is not zero */
	const char *last;			/* after the last digit */
	uint64		significand = 0;
	int			taken = 0;		/* digits in significand */
	int64		dropped = 0;	/* further digits before the point */
	int64		fraction = 0;	/* digits of significand after the point */
	int64		written = 0;	/* the exponent as written */
	int64		exponent;
	bool		negative = false;
	double		approximate;
	float		low;
	float		high;
	float		result;

	if (p < end && *p == '-')
	{
		negative = true;
		p++;
	}
	if (p >= end || *p < '0' || *p > '9')
		return NULL;
	if (*p == '0' && p + 1 < end && p[1] >= '0' && p[1] <= '9')
		return NULL;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
	{
		if (taken < FAST_DIGITS)
		{
			significand = significand * 10 + (*p - '0');
			if (significand > 0)
			{
				if (taken == 0)
					first = p;
				taken++;
			}
		}
		else
			dropped++;
	}
	if (p < end && *p == '.')
	{
		p++;
		if (p >= end || *p < '0' || *p > '9')
			return NULL;
		for (; p < end && *p >= '0' && *p <= '9'; p++)
		{
			if (taken < FAST_DIGITS)
			{
				significand = significand * 10 + (*p - '0');
				fraction++;
				if (significand > 0)
				{
					if (taken == 0)
						first = p;
					taken++;
				}
			}
		}
	}
	last = p;
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		bool		down = false;

		p++;
		if (p < end && (*p == '+' || *p == '-'))
			down = *p++ == '-';
		if (p >= end || *p < '0' || *p > '9')
			return NULL;
		for (; p < end && *p >= '0' && *p <= '9'; p++)
		{
			if (written < PG_INT64_MAX / 100)
				written = written * 10 + (*p - '0');
		}
		if (down)
			written = -written;
	}

	exponent = written + dropped - fraction;
	if (significand == 0 || exponent < -MAX_POWER)
		result = 0.0f;
	else if (exponent > 38)
		result = INFINITY;
	else
	{
		if (exponent < 0)
			approximate = (double) significand / power_of_ten[-exponent];
		else
			approximate = (double) significand * power_of_ten[exponent];
		low = (float) (approximate * (1.0 - ERROR_BOUND));
		high = (float) (approximate * (1.0 + ERROR_BOUND));
		if (low == high)
			result = low;
		else
			result = choose_exactly(first, last, (int) exponent + taken - 1, low, high);
	}
	*value = negative ? -result : result;
	return p;
}

/*
 * Parse an integer as JSON writes it.  Returns what follows it, or NULL if
 * text does not begin with an integer that fits; a number with a fraction or
 * an exponent is none.
 */
const char *
mlops_parse_integer(const char *text, const char *end, int64 *value)
{
	const char *p = text;
	uint64		magnitude = 0;
	uint64		limit = PG_INT64_MAX;
	bool		negative = false;

	if (p < end && *p == '-')
	{
		negative = true;
		limit++;
		p++;
	}
	if (p >= end || *p < '0' || *p > '9')
		return NULL;
	if (*p == '0' && p + 1 < end && p[1] >= '0' && p[1] <= '9')
		return NULL;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
	{
		uint32		digit = *p - '0';

		if (magnitude > (limit - digit) / 10)
			return NULL;
		magnitude = magnitude * 10 + digit;
	}
	if (p < end && (*p == '.' || *p == 'e' || *p == 'E'))
		return NULL;
	*value = negative ? (int64) (0 - magnitude) : (int64) magnitude;
	return p;
}

/*
 * Write an integer, with a zero at its end.  Returns its length.
 */
int
mlops_format_integer(int64 value, char *text)
{
	char		digits[MLOPS_NUMBER_TEXT];
	char	   *first = digits + sizeof(digits);
	uint64		magnitude = value < 0 ? 0 - (uint64) value : (uint64) value;
	int			len;

	*--first = '\0';
	do
	{
		*--first = '0' + magnitude % 10;
		magnitude /= 10;
	} while (magnitude > 0);
	if (value < 0)
		*--first = '-';
	len = (int) (digits + sizeof(digits) - first) - 1;
	memcpy(text, first, len + 1);
	return len;
}

/* is digits * 10 ^ exponent read as this number? */
static bool
reads_as(uint32 digits, int exponent, float value)
{
	char		text[2 * MLOPS_NUMBER_TEXT];
	int			len = mlops_format_integer(digits, text);
	float		read;

	text[len++] = 'E';
	len += mlops_format_integer(exponent, text + len);
	(void) mlops_parse_float(text, text + len, &read);
	return read == value;
}

/*
 * Is a positive number nearer to (digits + 1) * 10 ^ exponent than to digits *
 * 10 ^ exponent?  If it is in the middle, the even one counts as the nearer.
 */
static bool
nearer_to_next(float value, uint32 digits, int exponent)
{
	Natural		middle = {0};
	Natural		number = {0};
	int			binary;
	int			order;

	natural_multiply(&number, 1, take_apart(value, &binary));
	natural_multiply(&middle, 1, digits);
	natural_multiply(&middle, 10, 5);
	order = compare_scaled(&middle, exponent - 1, &number, binary);
	return order < 0 || (order == 0 && digits % 2 == 1);
}

/* value * 10 ^ power, but for the last bits of float8 */
static double
scale(double value, int power)
{
	return power < 0 ? value / power_of_ten[-power] : value * power_of_ten[power];
}

/*
 * The decimal of at most count digits, the first of which has the given power
 * of ten, that is nearest to a number and read as it; 0 if there is none.
 */
static uint32
nearest_decimal(float value, int exponent, int count)
{
	int			last = exponent - count + 1;	/* the power of the last digit */
	double		scaled = scale(value, -last);
	uint32		low = (uint32) scaled;
	double		rest = scaled - low;
	bool		up = rest > 0.5;

	if (fabs(rest - 0.5) < 1e-6)
		up = nearer_to_next(value, low, last);

	/* if the nearer one is not, the farther one may still be: at powers of two */
	for (int try = 0; try < 2; try++)
	{
		uint32		digits = low + (up == (try == 0));

		if (reads_as(digits, last, value))
			return digits;
	}
	return 0;
}

/*
 * Write a number as XGBoost writes it: the fewest digits that are read as the
 * same bits, of several such decimals the nearest; "1.25E-1", "0E0", "NaN",
 * "-Infinity"; with a zero at its end.  Returns its length.
 */
int
mlops_format_float(float value, char *text)
{
	char	   *p = text;
	char		digits[MLOPS_NUMBER_TEXT];
	uint32		decimal = 0;
	int			exponent;
	int			few = 1;		/* the fewest digits there may have to be */
	int			many = 9;		/* so many always are enough */
	int			len;

	if (isnan(value))
		return strlen(strcpy(text, "NaN"));
	if (signbit(value))
		*p++ = '-';
	value = fabsf(value);
	if (isinf(value) || value == 0)
		return strlen(strcpy(p, value == 0 ? "0E0" : "Infinity")) + (p - text);

	/* the power of ten of the first digit */
	exponent = (int) floor(log10(value));
	if (scale(value, -exponent) < 1)
		exponent--;
	else if (scale(value, -exponent) >= 10)
		exponent++;

	/* what some digits can tell, more can */
	while (few < many)
	{
		int			count = (few + many) / 2;

		if (nearest_decimal(value, exponent, count) != 0)
			many = count;
		else
			few = count + 1;
	}
	decimal = nearest_decimal(value, exponent, many);
	Assert(decimal != 0);

	len = mlops_format_integer(decimal, digits);
	exponent += len - many;		/* rounding may have carried to one more */
	while (len > 1 && digits[len - 1] == '0')
		len--;
	*p++ = digits[0];
	if (len > 1)
	{
		*p++ = '.';
		memcpy(p, digits + 1, len - 1);
		p += len - 1;
	}
	*p++ = 'E';
	p += mlops_format_integer(exponent, p);
	return p - text;
}
