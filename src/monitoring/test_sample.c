/*-------------------------------------------------------------------------
 *
 * test_sample.c
 *	  Tests whether two samples come from the same distribution: of
 *	  Kolmogorov and Smirnov, Cramer and von Mises, Anderson and Darling, and
 *	  the energy test.
 *
 * All of them walk once or a few times through both samples in order, and
 * take equal values together, so ties and the order of rows cannot matter.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "monitoring/test.h"

/* steps of a walk between two looks for a cancel; a power of two */
#define CHECK_INTERVAL		65536

/*
 * Samples
 */

/*
 * A sample of rows whose values descend.
 */
void
mlops_sample_descending(MlopsSample *sample, const double *values, size_t count)
{
	sample->base = count > 0 ? (const char *) (values + count - 1) : NULL;
	sample->stride = -(ptrdiff_t) sizeof(double);
	sample->weighted = false;
	sample->count = count;
	sample->rows = (int64) count;
	sample->source = NULL;
}

/*
 * A sample of rows whose values ascend.
 */
void
mlops_sample_ascending(MlopsSample *sample, const double *values, size_t count)
{
	sample->base = (const char *) values;
	sample->stride = sizeof(double);
	sample->weighted = false;
	sample->count = count;
	sample->rows = (int64) count;
	sample->source = NULL;
}

/*
 * A sample of rows whose values a source brings.
 */
void
mlops_sample_source(MlopsSample *sample, MlopsSource *source, size_t count)
{
	mlops_sample_ascending(sample, NULL, count);
	sample->source = source;
}

static inline double
sample_value(const MlopsSample *sample, size_t i)
{
	return *(const double *) (sample->base + (ptrdiff_t) i * sample->stride);
}

static inline int64
sample_weight(const MlopsSample *sample, size_t i)
{
	if (!sample->weighted)
		return 1;
	return *(const int64 *) (sample->base + (ptrdiff_t) i * sample->stride + sizeof(double));
}

/*
 * A sample of values that ascend, each with the rows that it stands for.
 */
void
mlops_sample_points(MlopsSample *sample, const void *points, size_t count)
{
	sample->base = points;
	sample->stride = sizeof(double) + sizeof(int64);
	sample->weighted = true;
	sample->count = count;
	sample->rows = 0;
	sample->source = NULL;
	for (size_t i = 0; i < count; i++)
		sample->rows += sample_weight(sample, i);
}

/*
 * Start a walk through two samples from the least value up.
 */
void
mlops_pairs_start(MlopsPairs *pairs, const MlopsSample *reference,
				  const MlopsSample *current, MlopsCheck check)
{
	memset(pairs, 0, sizeof(*pairs));
	pairs->samples[0] = reference;
	pairs->samples[1] = current;
	pairs->check = check;
	for (int s = 0; s < 2; s++)
	{
		MlopsSource *source = pairs->samples[s]->source;

		if (source == NULL)
			continue;
		source->start(source, true);
		pairs->parts[s].source = source;
		pairs->samples[s] = &pairs->parts[s];
	}
}

/*
 * Is there another value in a sample?  Brings the next part if need be.
 */
static inline bool
has_value(MlopsPairs *pairs, int s)
{
	MlopsSample *part = &pairs->parts[s];
	const double *values;
	size_t		count;

	if (likely(pairs->next[s] < pairs->samples[s]->count))
		return true;
	if (part->source == NULL)
		return false;
	pairs->next[s] = 0;
	values = part->source->next(part->source, &count);
	if (values == NULL)
		count = 0;
	mlops_sample_source(part, values == NULL ? NULL : part->source, count);
	part->base = (const char *) values;
	return count > 0;
}

/*
 * Take all rows of the next value; false if there is none.
 */
bool
mlops_pairs_next(MlopsPairs *pairs)
{
	bool		found = false;
	int64		rows[2] = {0, 0};

	if (pairs->check && (++pairs->steps & (CHECK_INTERVAL - 1)) == 0)
		pairs->check();

	for (int s = 0; s < 2; s++)
	{
		if (has_value(pairs, s))
		{
			double		value = sample_value(pairs->samples[s], pairs->next[s]);

			if (!found || value < pairs->value)
				pairs->value = value;
			found = true;
		}
	}
	for (int s = 0; found && s < 2; s++)
	{
		const MlopsSample *sample = pairs->samples[s];

		for (; has_value(pairs, s) && sample_value(sample, pairs->next[s]) == pairs->value; pairs->next[s]++)
			rows[s] += sample_weight(sample, pairs->next[s]);
	}
	pairs->reference = rows[0];
	pairs->current = rows[1];
	pairs->reference_so_far += rows[0];
	pairs->current_so_far += rows[1];
	return found;
}

/*
 * Kolmogorov and Smirnov
 */

static int64
greatest_common_divisor(int64 a, int64 b)
{
	while (b != 0)
	{
		int64		rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/*
 * Bytes for mlops_test_ks: one row of its table.
 */
size_t
mlops_test_ks_room(int64 n, int64 m)
{
	if (Max(n, m) > MLOPS_KS_EXACT_MAX)
		return 0;
	return sizeof(double) * ((size_t) Min(n, m) + 1);
}

/*
 * The share of the orders of n and m rows in which the distributions come as
 * far apart as distance, which is the difference of the shares times the
 * least common multiple of n and m.
 *
 * An order is a path from (0, 0) to (n, m).  The table holds for each point
 * the share of the paths to it that have been too far apart somewhere: all,
 * if the point itself is, else the mean over the two points before it,
 * weighted with the share of paths that come through each.  Nothing is ever
 * subtracted, so small probabilities are as exact as large ones.
 */
static double
ks_exact(int64 n, int64 m, int64 distance, double *row, MlopsCheck check)
{
	int64		divisor = greatest_common_divisor(n, m);
	int64		across;
	int64		down;

	if (n > m)
	{
		int64		swap = n;

		n = m;
		m = swap;
	}
	across = m / divisor;
	down = n / divisor;

	/*
	 * Row j has the points (i, j).  Only those between first and last are not
	 * too far apart; the others are 1, and both ends only move up.
	 */
	for (int64 i = 0; i <= n; i++)
		row[i] = 1;
	for (int64 j = 0; j <= m; j++)
	{
		int64		middle = j * down;
		int64		first = middle < distance ? 0 : (middle - distance) / across + 1;
		int64		last = Min((middle + distance - 1) / across, n);

		if (check && (j & 255) == 0)
			check();
		if (first > 0)
			row[Min(first - 1, n)] = 1;
		for (int64 i = first; i <= last; i++)
		{
			if (i == 0)
				row[i] = j == 0 ? 0 : row[i];
			else if (j == 0)
				row[i] = row[i - 1];
			else
				row[i] = (row[i - 1] * (double) i + row[i] * (double) j) / (double) (i + j);
		}
	}
	return row[n];
}

/*
 * The test of Kolmogorov and Smirnov, two-sided.  p is exact while no sample
 * has more than MLOPS_KS_EXACT_MAX rows; beyond it is that of one sample of
 * nm/(n+m) rows.
 */
MlopsTest
mlops_test_ks(const MlopsSample *reference, const MlopsSample *current, void *room,
			  MlopsCheck check)
{
	MlopsTest	test = {NAN, NAN, 0, false, NAN};
	int64		n = reference->rows;
	int64		m = current->rows;
	MlopsPairs	pairs;

	if (n == 0 || m == 0)
		return test;

	mlops_pairs_start(&pairs, reference, current, check);
	if (room != NULL && Max(n, m) <= MLOPS_KS_EXACT_MAX)
	{
		int64		divisor = greatest_common_divisor(n, m);
		int64		distance = 0;

		while (mlops_pairs_next(&pairs))
		{
			int64		gap = pairs.reference_so_far * (m / divisor) -
				pairs.current_so_far * (n / divisor);

			distance = Max(distance, Max(gap, -gap));
		}
		test.statistic = (double) distance / (double) (n / divisor * m);
		test.p_value = distance == 0 ? 1 : ks_exact(n, m, distance, room, check);
		test.exact = true;
	}
	else
	{
		double		size = (double) n / (double) (n + m) * (double) m;

		test.statistic = 0;
		while (mlops_pairs_next(&pairs))
		{
			double		gap = fabs((double) pairs.reference_so_far / (double) n -
								   (double) pairs.current_so_far / (double) m);

			test.statistic = Max(test.statistic, gap);
		}
		test.p_value = mlops_kolmogorov_sf(Max((int64) rint(size), 1), test.statistic);
	}
	test.p_tied = test.p_value;
	return test;
}

/*
 * Quadratic statistics
 *
 * If both samples come from one distribution with function H, then nm/(n+m)
 * times the integral of the squared difference of their distribution
 * functions, over any measure, is in the limit a weighted sum of chi-squared
 * variables, whose first three cumulants are integrals over the kernel
 * H(x)(1-H(y)), x <= y.  In order of x and y these are products of sums that
 * one walk adds up, and H may have steps.  p is the tail of the gamma
 * distribution that has the same three cumulants.
 */
typedef struct Quadratic
{
	MlopsSum	integral;
	MlopsSum	mean;
	MlopsSum	second;
	MlopsSum	third;
	double		below;			/* integral so far of H^2 */
	double		product;		/* and of H(1-H) times the one so far */
} Quadratic;

/*
 * Add an interval or a point of the measure weight, where H is h.
 */
static void
quadratic_add(Quadratic *quadratic, double gap, double h, double weight)
{
	double		tail = 1 - h;

	mlops_sum_add(&quadratic->integral, gap * gap * weight);
	mlops_sum_add(&quadratic->mean, h * tail * weight);
	mlops_sum_add(&quadratic->second, tail * tail * weight * (2 * quadratic->below + h * h * weight));
	mlops_sum_add(&quadratic->third, tail * tail * weight *
				  (6 * quadratic->product + 3 * h * tail * weight * quadratic->below +
				   h * h * h * tail * weight * weight));
	quadratic->product += h * tail * weight * (quadratic->below + h * h * weight / 2);
	quadratic->below += h * h * weight;
}

static double
quadratic_p_value(const Quadratic *quadratic, double n, double m)
{
	double		all = n + m;
	double		k1 = mlops_sum_value(&quadratic->mean) * all / (all - 1);
	double		k2 = 2 * mlops_sum_value(&quadratic->second);
	double		k3 = 8 * mlops_sum_value(&quadratic->third);
	double		observed = n * m / all * mlops_sum_value(&quadratic->integral);
	double		shape = 4 * k2 * k2 * k2 / (k3 * k3);
	double		scale = k3 / (2 * k2);

	if (!(k2 > 0) || !(k3 > 0))
		return observed > 0 ? 0 : 1;
	return mlops_gamma_sf(shape, (observed - k1) / scale + shape);
}

/*
 * Cramer and von Mises
 */

/*
 * The greatest sum of Anderson's statistic over all orders of n and m rows,
 * in units of the greatest common divisor.
 */
static int64
cvm_greatest(int64 n, int64 m)
{
	return 2 * n * n * m * m / greatest_common_divisor(n, m);
}

/*
 * Bytes for mlops_test_cvm: the numbers of orders by the value of the sum.
 */
size_t
mlops_test_cvm_room(int64 n, int64 m)
{
	if (Max(n, m) > MLOPS_CVM_EXACT_MAX)
		return 0;
	return sizeof(double) * (size_t) (Min(n, m) + 1) * (size_t) (cvm_greatest(n, m) + 1);
}

/*
 * The share of the orders of n and m rows whose sum U (Anderson 1962, without
 * ties) is at least the given one.
 *
 * Along a path from (0, 0) to (n, m) a row of the first sample, met after j
 * of the second, adds n j^2, and one of the second, met after i of the first,
 * adds m i^2.  The table holds the number of paths to a point by their sum.
 */
static double
cvm_exact(int64 n, int64 m, int64 least, double *table, MlopsCheck check)
{
	int64		divisor = greatest_common_divisor(n, m);
	int64		width;
	double		all = 0;
	double		beyond = 0;
	double	   *last;

	if (n > m)
	{
		int64		swap = n;

		n = m;
		m = swap;
	}
	width = cvm_greatest(n, m) + 1;

	/* column i has the points (i, j) */
	memset(table, 0, sizeof(double) * (size_t) ((n + 1) * width));
	for (int64 j = 0; j <= m; j++)
	{
		for (int64 i = 0; i <= n; i++)
		{
			double	   *here = table + i * width;
			int64		step = m / divisor * i * i;

			if (check)
				check();
			if (j == 0 && i == 0)
			{
				here[0] = 1;
				continue;
			}

			/* from (i, j - 1): sums move up in place */
			if (j > 0 && step > 0)
			{
				memmove(here + step, here, sizeof(double) * (size_t) (width - step));
				memset(here, 0, sizeof(double) * (size_t) step);
			}
			if (i > 0)
			{
				const double *before = here - width;

				step = n / divisor * j * j;
				for (int64 u = step; u < width; u++)
					here[u] += before[u - step];
			}
		}
	}

	last = table + n * width;
	for (int64 u = 0; u < width; u++)
	{
		all += last[u];
		if (u * divisor >= least)
			beyond += last[u];
	}
	return beyond / all;
}

/*
 * The two-sample test of Cramer and von Mises, with midranks.  p is exact for
 * small samples without ties (with ties, as close as an order without them
 * comes), else from the limit distribution after Anderson (1962).  Midranks
 * within ties add to the statistic what is no difference at all, so that with
 * many ties p is far too small; p_tied is right then.
 */
MlopsTest
mlops_test_cvm(const MlopsSample *reference, const MlopsSample *current, void *room,
			   MlopsCheck check)
{
	MlopsTest	test = {NAN, NAN, 0, false, NAN};
	double		n = (double) reference->rows;
	double		m = (double) current->rows;
	double		all = n + m;
	double		product = n * m;
	MlopsSum	sum_n = {0};
	MlopsSum	sum_m = {0};
	Quadratic	quadratic = {{0}};
	bool		ties = false;
	MlopsPairs	pairs;
	double		sum;

	if (n < 2 || m < 2)
		return test;

	/*
	 * Rows a+1 to a+c of one sample have the midrank r; the sum over them of
	 * (r - i)^2 is c (r - mid)^2 + c (c^2 - 1) / 12, where mid is the mean of
	 * their i.
	 */
	mlops_pairs_start(&pairs, reference, current, check);
	while (mlops_pairs_next(&pairs))
	{
		double		c[2];
		double		so_far[2];
		double		rank;

		c[0] = (double) pairs.reference;
		c[1] = (double) pairs.current;
		so_far[0] = (double) pairs.reference_so_far - c[0];
		so_far[1] = (double) pairs.current_so_far - c[1];
		rank = so_far[0] + so_far[1] + (c[0] + c[1] + 1) / 2;
		for (int s = 0; s < 2; s++)
		{
			double		gap = rank - so_far[s] - (c[s] + 1) / 2;

			mlops_sum_add(s == 0 ? &sum_n : &sum_m,
						  c[s] * gap * gap + c[s] * (c[s] * c[s] - 1) / 12);
		}
		ties |= c[0] + c[1] > 1;
		quadratic_add(&quadratic,
					  (double) pairs.reference_so_far / n - (double) pairs.current_so_far / m,
					  (so_far[0] + so_far[1] + c[0] + c[1]) / all, (c[0] + c[1]) / all);
	}
	sum = n * mlops_sum_value(&sum_n) + m * mlops_sum_value(&sum_m);
	test.statistic = sum / (product * all) - (4 * product - 1) / (6 * all);

	if (room != NULL && Max(reference->rows, current->rows) <= MLOPS_CVM_EXACT_MAX)
	{
		/*
		 * Xiao, Gordon and Yakovlev (2006) compare (n + m) (6 U - c) / (6 g^2)
		 * with c = nm (4nm - 1), which is an integer for every order without
		 * ties; that of the rows is rounded down to one.
		 */
		int64		rows_n = reference->rows;
		int64		rows_m = current->rows;
		int64		whole = rows_n * rows_m;
		int64		divisor = greatest_common_divisor(rows_n, rows_m);
		int64		shift = whole * (4 * whole - 1);
		int64		units = 24 * divisor * divisor;
		int64		four = (int64) rint(4 * sum);
		int64		zeta = (rows_n + rows_m) * (6 * four - 4 * shift) / units;
		int64		least = (6 * divisor * divisor * zeta + (rows_n + rows_m) * shift +
							 6 * (rows_n + rows_m) - 1) / (6 * (rows_n + rows_m));

		test.p_value = cvm_exact(rows_n, rows_m, least, room, check);
		test.exact = true;
	}
	else
	{
		double		mean = (1 + 1 / all) / 6;
		double		variance = (all + 1) * (4 * product * all - 3 * (n * n + m * m) - 2 * product) /
			(45 * all * all * 4 * product);
		double		scaled = 1.0 / 6 + (test.statistic - mean) / sqrt(45 * variance);

		test.p_value = Max(1 - mlops_cramer_von_mises_cdf(scaled), 0);
	}
	test.p_tied = ties ? quadratic_p_value(&quadratic, n, m) : test.p_value;
	return test;
}

/*
 * Anderson and Darling
 */

/*
 * The test of Anderson and Darling for two samples in the form with midranks
 * (Scholz and Stephens 1987, equation 7), standardized.  p is interpolated in
 * their table and lies within 0.001 to 0.25; NaN with fewer than two distinct
 * values or four rows.
 */
MlopsTest
mlops_test_anderson_darling(const MlopsSample *reference, const MlopsSample *current,
							MlopsCheck check)
{
	/* the parabola through log p by least squares over their Table 2, for two samples */
	static const double fit[] = {-1.077770279820486, -1.0082265644652515, 0.018198094574111343};
	const double least = 0.325;
	const double greatest = 6.546;
	MlopsTest	test = {NAN, NAN, 0, false, NAN};
	double		sizes[2];
	double		all;
	MlopsSum	sums[2] = {{0}, {0}};
	int64		distinct = 0;
	bool		has_ties = false;
	double		distance = 0;
	MlopsPairs	pairs;
	MlopsSum	h = {0};
	MlopsSum	g = {0};
	double		inverse;
	double		a;
	double		b;
	double		c;
	double		d;
	double		variance;

	sizes[0] = (double) reference->rows;
	sizes[1] = (double) current->rows;
	all = sizes[0] + sizes[1];
	if (sizes[0] == 0 || sizes[1] == 0 || all < 4)
		return test;

	mlops_pairs_start(&pairs, reference, current, check);
	while (mlops_pairs_next(&pairs))
	{
		double		ties = (double) (pairs.reference + pairs.current);
		double		below = (double) (pairs.reference_so_far + pairs.current_so_far) - ties / 2;
		double		spread = below * (all - below) - all * ties / 4;

		distinct++;
		for (int s = 0; s < 2; s++)
		{
			double		own = s == 0 ?
				(double) pairs.reference_so_far - (double) pairs.reference / 2 :
				(double) pairs.current_so_far - (double) pairs.current / 2;
			double		gap = all * own - below * sizes[s];

			if (spread > 0)
				mlops_sum_add(&sums[s], ties / all * gap * gap / spread);
		}
		has_ties |= ties > 1;
		distance = Max(distance, fabs((double) pairs.reference_so_far / sizes[0] -
									  (double) pairs.current_so_far / sizes[1]));
	}
	if (distinct < 2)
		return test;
	test.statistic = (mlops_sum_value(&sums[0]) / sizes[0] + mlops_sum_value(&sums[1]) / sizes[1]) *
		(all - 1) / all;

	/* mean and variance of the statistic: their equation 4, of two samples */
	inverse = 1 / sizes[0] + 1 / sizes[1];
	for (int64 i = 2; i < (int64) all; i++)
	{
		if (check && (i & (CHECK_INTERVAL - 1)) == 0)
			check();
		mlops_sum_add(&h, 1 / (all + 1 - (double) i));
		mlops_sum_add(&g, mlops_sum_value(&h) / (double) i);
	}
	{
		double		hv = mlops_sum_value(&h) + 1;
		double		gv = mlops_sum_value(&g);

		a = (4 * gv - 6) + (10 - 6 * gv) * inverse;
		b = (2 * gv - 4) * 4 + 16 * hv + (2 * gv - 14 * hv - 4) * inverse - 8 * hv + 4 * gv - 6;
		c = (6 * hv + 2 * gv - 2) * 4 + (4 * hv - 4 * gv + 6) * 2 + (2 * hv - 6) * inverse + 4 * hv;
		d = (2 * hv + 6) * 4 - 8 * hv;
	}
	variance = (((a * all + b) * all + c) * all + d) / ((all - 1) * (all - 2) * (all - 3));
	test.statistic = (test.statistic - 1) / sqrt(variance);
	if (test.statistic < least)
		test.p_value = 0.25;
	else if (test.statistic > greatest)
		test.p_value = 0.001;
	else
		test.p_value = exp(fit[0] + test.statistic * (fit[1] + test.statistic * fit[2]));

	/*
	 * Their table is that of continuous distributions.  The test of Kolmogorov
	 * and Smirnov errs to the safe side where there are ties.
	 */
	test.p_tied = test.p_value;
	if (has_ties)
		test.p_tied = Max(test.p_value,
						  mlops_kolmogorov_sf(Max((int64) rint(sizes[0] / all * sizes[1]), 1), distance));
	return test;
}

/*
 * Energy
 */

/*
 * The energy distance of Szekely and Rizzo in the form of scipy, the root of
 * twice the integral of the squared difference of the distribution functions.
 */
MlopsTest
mlops_test_energy(const MlopsSample *reference, const MlopsSample *current, MlopsCheck check)
{
	MlopsTest	test = {NAN, NAN, 0, false, NAN};
	double		n = (double) reference->rows;
	double		m = (double) current->rows;
	Quadratic	quadratic = {{0}};
	double		before = 0;
	MlopsPairs	pairs;

	if (n == 0 || m == 0)
		return test;

	mlops_pairs_start(&pairs, reference, current, check);
	for (bool first = true; mlops_pairs_next(&pairs); first = false)
	{
		double		i = (double) (pairs.reference_so_far - pairs.reference);
		double		j = (double) (pairs.current_so_far - pairs.current);

		if (!first)
			quadratic_add(&quadratic, i / n - j / m, (i + j) / (n + m), pairs.value - before);
		before = pairs.value;
	}
	test.statistic = sqrt(2 * mlops_sum_value(&quadratic.integral));
	test.p_value = test.p_tied = quadratic_p_value(&quadratic, n, m);
	return test;
}
