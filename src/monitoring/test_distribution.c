/*-------------------------------------------------------------------------
 *
 * test_distribution.c
 *	  The distributions that tests need.
 *
 * Tails are computed as such and not as one minus the rest, so that small
 * probabilities keep their digits.  The relative error is some 1e-13, growing
 * with the logarithms involved to 1e-10 for a million degrees of freedom.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "monitoring/test.h"

#define MAX_STEPS			1000000
#define SMALLEST			1e-300

/* samples up to which the matrix of Durbin is used where it is needed */
#define DURBIN_MAX			20000
#define DURBIN_ORDER		80

/* terms of Smirnov's sum are added one by one up to here */
#define SMIRNOV_MAX			200000

/*
 * The normal distribution.
 */
double
mlops_normal_sf(double x)
{
	return 0.5 * erfc(x / M_SQRT2);
}

/*
 * The upper tail of the gamma distribution with shape a and scale 1: its
 * power series on one side of the mean, Lentz's continued fraction on the
 * other.
 */
double
mlops_gamma_sf(double a, double x)
{
	double		factor;

	if (isnan(x) || !(a > 0))
		return NAN;
	if (x <= 0)
		return 1;
	if (isinf(x))
		return 0;
	factor = exp(a * log(x) - x - lgamma(a));

	if (x < a + 1)
	{
		double		term = 1 / a;
		double		sum = term;

		for (int i = 1; i < MAX_STEPS && term > sum * DBL_EPSILON / 4; i++)
		{
			term *= x / (a + i);
			sum += term;
		}
		return Max(1 - sum * factor, 0);
	}
	else
	{
		double		b = x + 1 - a;
		double		c = 1 / SMALLEST;
		double		d = 1 / b;
		double		h = d;

		for (int i = 1; i < MAX_STEPS; i++)
		{
			double		an = -i * (i - a);
			double		change;

			b += 2;
			d = an * d + b;
			if (fabs(d) < SMALLEST)
				d = SMALLEST;
			c = b + an / c;
			if (fabs(c) < SMALLEST)
				c = SMALLEST;
			d = 1 / d;
			change = d * c;
			h *= change;
			if (fabs(change - 1) < DBL_EPSILON)
				break;
		}
		return factor * h;
	}
}

double
mlops_chi2_sf(double x, double df)
{
	if (df == 0)
		return isnan(x) ? NAN : x > 0 ? 0 : 1;
	return mlops_gamma_sf(df / 2, x / 2);
}

/*
 * The value that a chi-squared variable exceeds with probability 1 - p, by
 * bisection: it is asked for once in a result.
 */
double
mlops_chi2_quantile(double p, double df)
{
	double		low = 0;
	double		high = df + 10;

	if (df == 0)
		return 0;
	while (mlops_chi2_sf(high, df) > 1 - p)
		high *= 2;
	for (int i = 0; i < 200 && high - low > 1e-14 * high; i++)
	{
		double		middle = (low + high) / 2;

		if (mlops_chi2_sf(middle, df) > 1 - p)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

/*
 * The regularized incomplete beta function, by Lentz's continued fraction on
 * the side where it converges fast.
 */
static double
incomplete_beta(double a, double b, double x)
{
	double		factor;
	double		c = 1;
	double		d;
	double		h;

	if (x <= 0)
		return 0;
	if (x >= 1)
		return 1;
	if (x > (a + 1) / (a + b + 2))
		return 1 - incomplete_beta(b, a, 1 - x);

	factor = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a;
	d = 1 - (a + b) * x / (a + 1);
	if (fabs(d) < SMALLEST)
		d = SMALLEST;
	d = 1 / d;
	h = d;
	for (int i = 1; i < MAX_STEPS; i++)
	{
		double		term[2];
		double		change = 1;

		term[0] = i * (b - i) * x / ((a + 2 * i - 1) * (a + 2 * i));
		term[1] = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1));
		for (int j = 0; j < 2; j++)
		{
			d = 1 + term[j] * d;
			if (fabs(d) < SMALLEST)
				d = SMALLEST;
			c = 1 + term[j] / c;
			if (fabs(c) < SMALLEST)
				c = SMALLEST;
			d = 1 / d;
			change = d * c;
			h *= change;
		}
		if (fabs(change - 1) < DBL_EPSILON)
			break;
	}
	return factor * h;
}

/*
 * The probability of at least k successes in n trials of probability p.
 */
double
mlops_binomial_sf(int64 k, int64 n, double p)
{
	if (k <= 0)
		return 1;
	if (k > n)
		return 0;
	return incomplete_beta((double) k, (double) (n - k) + 1, p);
}

/*
 * The probability of at most k successes in n trials of probability p.
 */
double
mlops_binomial_cdf(int64 k, int64 n, double p)
{
	if (k < 0)
		return 0;
	if (k >= n)
		return 1;
	return incomplete_beta((double) (n - k), (double) k + 1, 1 - p);
}

/*
 * exp(-x) times the modified Bessel function K of order 1/4, from its integral
 * over exp(-x cosh t) cosh(t/4), for which the trapezoidal rule converges
 * faster than any power.
 */
static double
scaled_bessel_k(double x)
{
	const double step = 1.0 / 32;
	double		sum = 0.5;

	for (int i = 1;; i++)
	{
		double		t = i * step;
		double		term = exp(-x * (cosh(t) - 1)) * cosh(t / 4);

		sum += term;
		if (term < sum * DBL_EPSILON / 4)
			break;
	}
	return exp(-2 * x) * sum * step;
}

/*
 * The limit distribution of the Cramer-von Mises statistic of one sample
 * (Csorgo and Faraway 1996, equation 1.3).
 */
double
mlops_cramer_von_mises_cdf(double x)
{
	double		sum = 0;

	if (!(x >= 0.003))
		return isnan(x) ? NAN : 0;
	for (int k = 0; k < MAX_STEPS; k++)
	{
		double		y = 4.0 * k + 1;
		double		term = exp(lgamma(k + 0.5) - lgamma(k + 1.0)) / (pow(M_PI, 1.5) * sqrt(x)) *
			sqrt(y) * scaled_bessel_k(y * y / (16 * x));

		sum += term;
		if (term < 1e-17)
			break;
	}
	return Min(sum, 1);
}

/*
 * Kolmogorov's distribution.  Which formula is best where: Simard and L'Ecuyer
 * (2011).
 */

/*
 * The probability that the one-sided statistic of Smirnov exceeds d: his sum
 * of binomial terms, or for large samples its limit with the first correction.
 */
static double
smirnov_sf(int64 n, double d)
{
	double		size = (double) n;
	double		whole = lgamma(size + 1);
	double		sum = 0;
	int64		last;

	if (n > SMIRNOV_MAX)
	{
		double		t = 6 * size * d + 1;

		return exp(-t * t / (18 * size));
	}
	last = (int64) floor(size * (1 - d));
	for (int64 j = 0; j <= last; j++)
	{
		double		share = (double) j / size;
		double		rest = 1 - d - share;
		double		term;

		if (rest <= 0)
		{
			/* the last term, in which 0 to the power of 0 may stand */
			if (j == n)
				sum += pow(d + 1, size - 1);
			continue;
		}
		term = whole - lgamma((double) j + 1) - lgamma((double) (n - j) + 1) +
			(double) (n - j) * log(rest) + (double) (j - 1) * log(d + share);
		sum += exp(term);
	}
	return Min(sum * d, 1);
}

/*
 * The probability that the statistic is below d: Durbin's matrix in the form
 * of Marsaglia, Tsang and Wang (2003), applied to a vector n times.  Its inner
 * elements depend on the distance from the diagonal only.
 */
static double
durbin_cdf(int64 n, double d)
{
	int			k = (int) ((double) n * d) + 1;
	int			order = 2 * k - 1;
	double		h = k - (double) n * d;
	double		inverse[DURBIN_ORDER + 1];	/* 1 / i! */
	double		border[DURBIN_ORDER];	/* first column; last row, backwards */
	double		vector[DURBIN_ORDER] = {0};
	int			exponent = 0;

	/* the caller asks for no other; so compilers know that, too */
	if (order < 1 || order > DURBIN_ORDER)
		return NAN;
	inverse[0] = 1;
	for (int i = 1; i <= order; i++)
		inverse[i] = inverse[i - 1] / i;
	for (int i = 0; i < order; i++)
		border[i] = (1 - pow(h, i + 1)) * inverse[i + 1];
	border[order - 1] = (1 - 2 * pow(h, order) + (2 * h - 1 > 0 ? pow(2 * h - 1, order) : 0)) *
		inverse[order];

	vector[k - 1] = 1;
	for (int64 i = 1; i <= n; i++)
	{
		double		next[DURBIN_ORDER];
		double		largest = 0;

		for (int row = 0; row < order; row++)
		{
			double		sum = border[row] * vector[0];

			for (int column = 1; column < order && column <= row + 1; column++)
				sum += (row == order - 1 ? border[order - 1 - column] : inverse[row - column + 1]) *
					vector[column];
			next[row] = sum * ((double) i / (double) n);
			largest = Max(largest, next[row]);
		}
		memcpy(vector, next, sizeof(double) * order);
		if (largest < 1e-100 || largest > 1e100)
		{
			int			shift = largest < 1 ? 300 : -300;

			for (int row = 0; row < order; row++)
				vector[row] = ldexp(vector[row], shift);
			exponent -= shift;
		}
	}
	return ldexp(vector[k - 1], exponent);
}

/*
 * The probability that the statistic is below d, by the expansion of Pelz and
 * Good (1976) in powers of n to the -1/2, four terms.
 */
static double
pelz_good_cdf(double n, double d)
{
	const double pi2 = M_PI * M_PI;
	const double pi4 = pi2 * pi2;
	const double pi6 = pi4 * pi2;
	double		z = sqrt(n) * d;
	double		z2 = z * z;
	double		z4 = z2 * z2;
	double		z6 = z4 * z2;
	double		z8 = z4 * z4;
	double		sum[4] = {0};
	double		extra[2] = {0};
	double		scale = sqrt(2 * M_PI);
	int			last = (int) ceil(16 * z / M_PI);

	if (pi2 / (8 * z2) > 700)
		return 0;
	for (int k = last; k >= 1; k--)
	{
		double		m = 2.0 * k - 1;
		double		m2 = m * m;
		double		m4 = m2 * m2;
		double		q = exp(-pi2 * m2 / (8 * z2));

		sum[0] += q;
		sum[1] += q * (-z2 + pi2 * m2 / 4);
		sum[2] += q * (6 * z6 + 2 * z4 + pi2 * (2 * z4 - 5 * z2) * m2 / 4 +
					   pi4 * (1 - 2 * z2) * m4 / 16);
		sum[3] += q * (-30 * z6 - 90 * z8 + pi2 * (135 * z4 - 96 * z6) * m2 / 4 +
					   pi4 * (212 * z4 - 60 * z2) * m4 / 16 +
					   pi6 * (5 - 30 * z2) * m4 * m2 / 64);

		q = exp(-pi2 * k * (double) k / (2 * z2));
		extra[0] += q * k * (double) k;
		extra[1] += q * k * (double) k * (3 * z2 - pi2 * k * (double) k);
	}
	sum[0] /= z;
	sum[1] /= 6 * z4;
	sum[2] = sum[2] / (72 * z6 * z) - extra[0] * pi2 / (36 * z2 * z);
	sum[3] = sum[3] / (6480 * z8 * z2) + extra[1] * pi2 / (216 * z6);
	return scale * (sum[0] + sum[1] / sqrt(n) + sum[2] / n + sum[3] / (n * sqrt(n)));
}

/*
 * The probability that the two-sided statistic of a sample of n is d or more.
 */
double
mlops_kolmogorov_sf(int64 n, double d)
{
	double		size = (double) n;
	double		t = size * d;
	double		p;

	if (n <= 0 || isnan(d))
		return NAN;
	if (d >= 1)
		return 0;
	if (t <= 0.5)
		return 1;
	if (t <= 1)
		p = 1 - exp(lgamma(size + 1) + size * (log(2 * t - 1) - log(size)));
	else if (t >= size - 1)
		p = 2 * pow(1 - d, size);
	else if (d >= 0.5 || t * d > (n <= 140 ? 4 : 2.2))
		p = t * d >= 370 ? 0 : 2 * smirnov_sf(n, d);
	else if (n <= 140 || (n <= DURBIN_MAX && t * sqrt(d) <= 1.4))
		p = 1 - durbin_cdf(n, d);
	else
		p = 1 - pelz_good_cdf(size, d);
	return Min(Max(p, 0), 1);
}
