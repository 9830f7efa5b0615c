/*-------------------------------------------------------------------------
 *
 * interval.c
 *	  Intervals of measures: of two shares against each other, and by the
 *	  bootstrap.
 *
 * The bootstrap draws replicates of a sample.  Instead of drawing as many
 * rows as there are, each distinct row occurs a number of times that has the
 * Poisson distribution with its count as the mean; that is the same in the
 * limit and needs one pass.  Rows are drawn in the order of their values, so
 * that a seed gives the same figures in whatever order the rows came.
 *
 * Nothing here allocates: the caller gives the memory.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "metrics/interval.h"

/* above this mean a Poisson number is rounded from a normal one */
#define POISSON_NORMAL		64

#define ECE_BINS			10

/*
 * Two shares
 */

typedef struct Bounds
{
	double		share;
	double		lower;
	double		upper;
} Bounds;

static Bounds
bounds_of(MlopsShare s, double z)
{
	Bounds		b;

	b.share = s.successes / s.n;
	mlops_wilson(s.successes, s.n, z, &b.lower, &b.upper);
	return b;
}

static const MlopsInterval undefined = {NAN, NAN, NAN};

/*
 * The difference of two shares with Newcombe's hybrid score interval (1998,
 * method 10).
 */
MlopsInterval
mlops_share_difference(MlopsShare a, MlopsShare b, double z)
{
	MlopsInterval result;
	Bounds		p,
				q;

	if (a.n <= 0 || b.n <= 0)
		return undefined;
	p = bounds_of(a, z);
	q = bounds_of(b, z);
	result.value = p.share - q.share;
	result.lower = Max(result.value - hypot(p.share - p.lower, q.upper - q.share), -1);
	result.upper = Min(result.value + hypot(p.upper - p.share, q.share - q.lower), 1);
	return result;
}

/*
 * The ratio of two shares with the interval of Donner and Zou (2012), made of
 * the Wilson intervals of both.  Nothing is defined if b is 0.
 */
MlopsInterval
mlops_share_ratio(MlopsShare a, MlopsShare b, double z)
{
	MlopsInterval result;
	Bounds		p,
				q;
	double		product;
	double		disc;
	double		divisor;

	if (a.n <= 0 || b.n <= 0 || b.successes <= 0)
		return undefined;
	p = bounds_of(a, z);
	q = bounds_of(b, z);
	product = p.share * q.share;
	result.value = p.share / q.share;

	/* the smaller root of a quadratic equation, in the form that does not cancel */
	disc = product * product - p.lower * (2 * p.share - p.lower) * q.upper * (2 * q.share - q.upper);
	result.lower = p.lower <= 0 ? 0 :
		p.lower * (2 * p.share - p.lower) / (product + sqrt(Max(disc, 0)));

	divisor = q.lower * (2 * q.share - q.lower);
	disc = product * product - p.upper * (2 * p.share - p.upper) * divisor;
	result.upper = (product + sqrt(Max(disc, 0))) / divisor;
	return result;
}

/*
 * Random numbers
 */

/*
 * Steele, Lea and Flood's SplitMix64.
 */
uint64
mlops_random_next(uint64 *state)
{
	uint64		x = (*state += UINT64CONST(0x9E3779B97F4A7C15));

	x = (x ^ (x >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

/*
 * Above 0 and below 1.
 */
static double
random_uniform(uint64 *state)
{
	return ((double) (mlops_random_next(state) >> 11) + 0.5) / 9007199254740992.0;
}

/*
 * A number with the Poisson distribution, by Knuth's product of uniform
 * numbers; a rounded normal one if the mean is large.
 */
int64
mlops_random_poisson(uint64 *state, int64 mean)
{
	if (mean > POISSON_NORMAL)
	{
		double		radius = sqrt(-2 * log(random_uniform(state)));
		double		normal = radius * cos(2 * M_PI * random_uniform(state));

		return (int64) Max(rint((double) mean + sqrt((double) mean) * normal), 0);
	}
	else
	{
		double		limit = exp(-(double) mean);
		double		product = random_uniform(state);
		int64		result = 0;

		while (product > limit)
		{
			product *= random_uniform(state);
			result++;
		}
		return result;
	}
}

/*
 * The bootstrap
 */

/* mean and squared deviations of the values of a measure over replicates */
typedef struct Spread
{
	int			n;
	double		mean;
	double		squares;
} Spread;

static void
spread_add(Spread *spread, double value)
{
	double		delta = value - spread->mean;

	if (isnan(value) || isinf(value))
		return;
	spread->n++;
	spread->mean += delta / spread->n;
	spread->squares += delta * (value - spread->mean);
}

static double
spread_error(const Spread *spread, int replicates)
{
	if (spread->n < 2 || spread->n * 2 < replicates)
		return NAN;
	return sqrt(spread->squares / (spread->n - 1));
}

/*
 * Order of qsort(): by descending prediction, then by actual value.
 */
int
mlops_weighted_compare(const void *a, const void *b)
{
	const MlopsWeighted *x = a;
	const MlopsWeighted *y = b;

	if (x->predicted != y->predicted)
		return x->predicted > y->predicted ? -1 : 1;
	if (x->actual != y->actual)
		return x->actual < y->actual ? -1 : 1;
	return 0;
}

/*
 * The measures of one replicate.  Those that need probabilities are NaN if
 * there are other scores.
 */
static void
binary_replicate(const MlopsWeighted *rows, size_t n, double threshold, uint64 *random, double *values)
{
	double		positives = 0,
				negatives = 0,
				pairs = 0,
				precision_sum = 0,
				log_loss = 0,
				brier = 0,
				ece = 0;
	double		bin_rows[ECE_BINS] = {0},
				bin_gap[ECE_BINS] = {0};
	MlopsConfusion decided = {0};
	double		total;
	double		ks = 0;

	/*
	 * One walk from the highest score down; rows of one score are one step.
	 * The distance for ks needs the totals, so it is taken as a difference of
	 * counts in a second walk with the same random numbers.
	 */
	uint64		again = *random;
	double		above_positives = 0,
				above_negatives = 0;

	for (size_t i = 0; i < n;)
	{
		double		score = rows[i].predicted;
		double		step_positives = 0,
					step_negatives = 0;

		for (; i < n && rows[i].predicted == score; i++)
		{
			double		weight = (double) mlops_random_poisson(random, rows[i].count);

			if (rows[i].actual == 1)
				step_positives += weight;
			else
				step_negatives += weight;
		}

		pairs += step_negatives * (positives + step_positives / 2);
		positives += step_positives;
		negatives += step_negatives;
		if (step_positives > 0)
			precision_sum += step_positives * positives / (positives + negatives);
		if (score >= threshold)
		{
			decided.true_positive += (int64) step_positives;
			decided.false_positive += (int64) step_negatives;
		}
		else
		{
			decided.false_negative += (int64) step_positives;
			decided.true_negative += (int64) step_negatives;
		}

		if (score >= 0 && score <= 1)
		{
			int			bin = Min((int) (score * ECE_BINS), ECE_BINS - 1);

			if (step_positives > 0)
				log_loss -= step_positives * log(Max(score, 1e-15));
			if (step_negatives > 0)
				log_loss -= step_negatives * log(Max(1 - score, 1e-15));
			brier += step_positives * (1 - score) * (1 - score) + step_negatives * score * score;
			bin_rows[bin] += step_positives + step_negatives;
			bin_gap[bin] += step_positives - score * (step_positives + step_negatives);
		}
		else
			log_loss = brier = NAN;
	}

	total = positives + negatives;
	for (size_t i = 0; i < n;)
	{
		double		score = rows[i].predicted;

		for (; i < n && rows[i].predicted == score; i++)
		{
			double		weight = (double) mlops_random_poisson(&again, rows[i].count);

			if (rows[i].actual == 1)
				above_positives += weight;
			else
				above_negatives += weight;
		}
		ks = Max(ks, fabs(above_positives / positives - above_negatives / negatives));
	}
	for (int bin = 0; bin < ECE_BINS; bin++)
		ece += fabs(bin_gap[bin]);

	values[MLOPS_RESAMPLED_AUC] = pairs / (positives * negatives);
	values[MLOPS_RESAMPLED_PR_AUC] = negatives > 0 ? precision_sum / positives : NAN;
	values[MLOPS_RESAMPLED_KS] = positives > 0 && negatives > 0 ? ks : NAN;
	values[MLOPS_RESAMPLED_LOG_LOSS] = log_loss / total;
	values[MLOPS_RESAMPLED_BRIER] = brier / total;
	values[MLOPS_RESAMPLED_ECE] = isnan(brier) ? NAN : ece / total;
	values[MLOPS_RESAMPLED_ACCURACY] = mlops_accuracy(&decided);
	values[MLOPS_RESAMPLED_PRECISION] = mlops_precision(&decided);
	values[MLOPS_RESAMPLED_RECALL] = mlops_recall(&decided);
	values[MLOPS_RESAMPLED_F1] = mlops_f1(&decided);
	values[MLOPS_RESAMPLED_MCC] = mlops_mcc(&decided);
}

void
mlops_bootstrap_binary(const MlopsWeighted *rows, size_t n, double threshold,
					   int replicates, uint64 seed, double *errors, MlopsCheck check)
{
	Spread		spreads[MLOPS_RESAMPLED_BINARY] = {{0}};

	for (int replicate = 0; replicate < replicates; replicate++)
	{
		double		values[MLOPS_RESAMPLED_BINARY];

		if (check != NULL)
			check();
		binary_replicate(rows, n, threshold, &seed, values);
		for (int i = 0; i < MLOPS_RESAMPLED_BINARY; i++)
			spread_add(&spreads[i], values[i]);
	}
	for (int i = 0; i < MLOPS_RESAMPLED_BINARY; i++)
		errors[i] = spread_error(&spreads[i], replicates);
}

void
mlops_bootstrap_regression(const MlopsWeighted *rows, size_t n,
						   int replicates, uint64 seed, double *errors, MlopsCheck check)
{
	Spread		spreads[MLOPS_RESAMPLED_REGRESSION] = {{0}};
	double		centre = 0,
				rows_so_far = 0;

	/* sums of squares lose nothing if they are taken around the mean */
	for (size_t i = 0; i < n; i++)
	{
		rows_so_far += (double) rows[i].count;
		centre += (rows[i].actual - centre) * (double) rows[i].count / rows_so_far;
	}

	for (int replicate = 0; replicate < replicates; replicate++)
	{
		double		total = 0,
					relative_total = 0,
					absolute = 0,
					squared = 0,
					relative = 0,
					sum = 0,
					squares = 0,
					variation;

		if (check != NULL)
			check();
		for (size_t i = 0; i < n; i++)
		{
			double		weight = (double) mlops_random_poisson(&seed, rows[i].count);
			double		error = fabs(rows[i].predicted - rows[i].actual);
			double		deviation = rows[i].actual - centre;

			total += weight;
			absolute += weight * error;
			squared += weight * error * error;
			sum += weight * deviation;
			squares += weight * deviation * deviation;
			if (rows[i].actual != 0)
			{
				relative_total += weight;
				relative += weight * error / fabs(rows[i].actual);
			}
		}
		variation = squares - sum * sum / total;
		spread_add(&spreads[MLOPS_RESAMPLED_RMSE], sqrt(squared / total));
		spread_add(&spreads[MLOPS_RESAMPLED_MAE], absolute / total);
		spread_add(&spreads[MLOPS_RESAMPLED_MAPE], relative / relative_total);
		spread_add(&spreads[MLOPS_RESAMPLED_R2], variation > 0 ? 1 - squared / variation : NAN);
	}
	for (int i = 0; i < MLOPS_RESAMPLED_REGRESSION; i++)
		errors[i] = spread_error(&spreads[i], replicates);
}
