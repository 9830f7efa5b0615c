/*-------------------------------------------------------------------------
 *
 * distance.c
 *	  How far the distribution of a current sample is from a reference, and
 *	  what is to be thought of it.
 *
 * Sums are of the kind of sum.h and walks take equal values together, so the
 * order of rows and the parts of a parallel plan change nothing.
 *
 * Nothing here allocates memory or keeps state.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "monitoring/distance.h"

#define DEFAULT_BINS		10
#define DEFAULT_MIN_ROWS	100
#define ZERO_SHARE			0.0001
#define LEAST_STDDEV		0.001

/*
 * p below which chance is ruled out: of 1,000 windows without drift no more
 * than 10 may fail, which is nearly certain at a fifth of that
 */
#define DEFAULT_ALPHA_FAIL	0.002

const char *const mlops_method_names[MLOPS_NUM_METHODS] = {
	"psi", "js", "js_divergence", "kl", "hellinger", "tvd", "linf", "chi2", "chi2_gof",
	"ks", "wasserstein", "wasserstein_norm", "energy", "anderson_darling", "cramer_von_mises"
};

const char *const mlops_verdict_names[] = {
	NULL, "ok", "warn", "fail", "insufficient"
};

/*
 * Counts per bin
 */

static double
total(const int64 *counts, int num_bins)
{
	double		sum = 0;

	for (int i = 0; i < num_bins; i++)
		sum += (double) counts[i];
	return sum;
}

/*
 * The population stability index.
 */
double
mlops_psi(const int64 *reference, const int64 *current, int num_bins, double zero)
{
	double		n = total(reference, num_bins);
	double		m = total(current, num_bins);
	MlopsSum	sum = {0};

	if (n == 0 || m == 0)
		return NAN;
	for (int i = 0; i < num_bins; i++)
	{
		double		p = reference[i] > 0 ? (double) reference[i] / n : zero;
		double		q = current[i] > 0 ? (double) current[i] / m : zero;

		if (reference[i] > 0 || current[i] > 0)
			mlops_sum_add(&sum, (p - q) * log(p / q));
	}
	return mlops_sum_value(&sum);
}

/*
 * The divergence of Kullback and Leibler of the reference from the current
 * sample, natural logarithm.
 */
double
mlops_kl(const int64 *reference, const int64 *current, int num_bins, double zero)
{
	double		n = total(reference, num_bins);
	double		m = total(current, num_bins);
	MlopsSum	sum = {0};

	if (n == 0 || m == 0)
		return NAN;
	for (int i = 0; i < num_bins; i++)
	{
		double		p = reference[i] > 0 ? (double) reference[i] / n : zero;
		double		q = current[i] > 0 ? (double) current[i] / m : zero;

		if (reference[i] > 0 || current[i] > 0)
			mlops_sum_add(&sum, p * log(p / q));
	}
	return mlops_sum_value(&sum);
}

/*
 * The divergence of Jensen and Shannon.
 */
double
mlops_js_divergence(const int64 *reference, const int64 *current, int num_bins, double base)
{
	double		n = total(reference, num_bins);
	double		m = total(current, num_bins);
	MlopsSum	sum = {0};

	if (n == 0 || m == 0)
		return NAN;
	for (int i = 0; i < num_bins; i++)
	{
		double		p = (double) reference[i] / n;
		double		q = (double) current[i] / m;
		double		middle = (p + q) / 2;

		if (p > 0)
			mlops_sum_add(&sum, p * log(p / middle) / 2);
		if (q > 0)
			mlops_sum_add(&sum, q * log(q / middle) / 2);
	}
	return Max(mlops_sum_value(&sum) / log(base), 0);
}

/*
 * Hellinger's distance.
 */
double
mlops_hellinger(const int64 *reference, const int64 *current, int num_bins)
{
	double		n = total(reference, num_bins);
	double		m = total(current, num_bins);
	MlopsSum	sum = {0};

	if (n == 0 || m == 0)
		return NAN;

	/* 1 - sum(sqrt(pq)) is half of this sum, which cancels nothing */
	for (int i = 0; i < num_bins; i++)
	{
		double		gap = sqrt((double) reference[i] / n) - sqrt((double) current[i] / m);

		mlops_sum_add(&sum, gap * gap);
	}
	return Min(sqrt(mlops_sum_value(&sum) / 2), 1);
}

/*
 * The total variation distance.
 */
double
mlops_tvd(const int64 *reference, const int64 *current, int num_bins)
{
	double		n = total(reference, num_bins);
	double		m = total(current, num_bins);
	MlopsSum	sum = {0};

	if (n == 0 || m == 0)
		return NAN;
	for (int i = 0; i < num_bins; i++)
		mlops_sum_add(&sum, fabs((double) reference[i] / n - (double) current[i] / m));
	return mlops_sum_value(&sum) / 2;
}

/*
 * The greatest difference of shares.
 */
double
mlops_linf(const int64 *reference, const int64 *current, int num_bins)
{
	double		n = total(reference, num_bins);
	double		m = total(current, num_bins);
	double		greatest = 0;

	if (n == 0 || m == 0)
		return NAN;
	for (int i = 0; i < num_bins; i++)
	{
		double		gap = fabs((double) reference[i] / n - (double) current[i] / m);

		greatest = Max(greatest, gap);
	}
	return greatest;
}

/*
 * Samples
 */

/*
 * Wasserstein's distance of order 1: the area between both distribution
 * functions.
 */
double
mlops_wasserstein(const MlopsSample *reference, const MlopsSample *current, MlopsCheck check)
{
	double		n = (double) reference->rows;
	double		m = (double) current->rows;
	MlopsSum	sum = {0};
	double		gap = 0;
	double		before = 0;
	MlopsPairs	pairs;

	if (n == 0 || m == 0)
		return NAN;
	mlops_pairs_start(&pairs, reference, current, check);
	for (bool first = true; mlops_pairs_next(&pairs); first = false)
	{
		if (!first)
			mlops_sum_add(&sum, gap * (pairs.value - before));
		gap = fabs((double) pairs.reference_so_far / n - (double) pairs.current_so_far / m);
		before = pairs.value;
	}
	return mlops_sum_value(&sum);
}

/*
 * The standard deviation of a sample, divided by n; NaN of no rows.
 */
double
mlops_sample_stddev(const MlopsSample *sample, MlopsCheck check)
{
	static const MlopsSample none = {0};
	double		n = (double) sample->rows;
	MlopsSum	sum = {0};
	MlopsSum	squares = {0};
	MlopsPairs	pairs;
	double		mean;

	if (n == 0)
		return NAN;
	mlops_pairs_start(&pairs, sample, &none, check);
	while (mlops_pairs_next(&pairs))
		mlops_sum_add_product(&sum, pairs.value, (double) pairs.reference);
	mean = mlops_sum_value(&sum) / n;
	mlops_pairs_start(&pairs, sample, &none, check);
	while (mlops_pairs_next(&pairs))
		mlops_sum_add(&squares, (pairs.value - mean) * (pairs.value - mean) * (double) pairs.reference);
	return sqrt(mlops_sum_value(&squares) / n);
}

/*
 * Bins
 */

/*
 * The edges of bins with about equally many rows: the least values that have
 * at least a share i / bins of the rows up to them.  Equal edges are one, and
 * the last bin begins below the greatest value.
 */
int
mlops_quantile_edges(const MlopsSample *sample, const MlopsSample *other, int bins,
					 double *edges, MlopsCheck check)
{
	static const MlopsSample none = {0};
	int64		rows = sample->rows + (other ? other->rows : 0);
	int			num_edges = 0;
	int			i = 1;
	MlopsPairs	pairs;

	mlops_pairs_start(&pairs, sample, other ? other : &none, check);
	while (i < bins && mlops_pairs_next(&pairs))
	{
		bool		is_edge = false;

		/* rank / rows >= i / bins, in parts so that nothing overflows */
		while (i < bins &&
			   pairs.reference_so_far + pairs.current_so_far >=
			   rows / bins * i + (rows % bins * i + bins - 1) / bins)
		{
			is_edge = true;
			i++;
		}
		if (is_edge)
			edges[num_edges++] = pairs.value;
	}
	if (num_edges > 0 && !mlops_pairs_next(&pairs))
		num_edges--;
	return num_edges;
}

/*
 * The distinct values, ascending, if there are no more than limit.
 */
int
mlops_distinct_values(const MlopsSample *sample, const MlopsSample *other, double *values, int limit)
{
	static const MlopsSample none = {0};
	int			count = 0;
	MlopsPairs	pairs;

	mlops_pairs_start(&pairs, sample, other ? other : &none, NULL);
	while (mlops_pairs_next(&pairs))
	{
		if (count == limit)
			return limit + 1;
		values[count++] = pairs.value;
	}
	return count;
}

/*
 * Count the rows in each bin: up to and including its edge.
 */
void
mlops_count_edges(const MlopsSample *sample, const double *edges, int num_edges,
				  int64 *counts, MlopsCheck check)
{
	static const MlopsSample none = {0};
	int			bin = 0;
	MlopsPairs	pairs;

	memset(counts, 0, sizeof(int64) * ((size_t) num_edges + 1));
	mlops_pairs_start(&pairs, sample, &none, check);
	while (mlops_pairs_next(&pairs))
	{
		while (bin < num_edges && pairs.value > edges[bin])
			bin++;
		counts[bin] += pairs.reference;
	}
}

/*
 * Count the rows of each value, and of all others behind them.
 */
void
mlops_count_values(const MlopsSample *sample, const double *values, int num_values,
				   int64 *counts, MlopsCheck check)
{
	static const MlopsSample none = {0};
	int			bin = 0;
	MlopsPairs	pairs;

	memset(counts, 0, sizeof(int64) * ((size_t) num_values + 1));
	mlops_pairs_start(&pairs, sample, &none, check);
	while (mlops_pairs_next(&pairs))
	{
		while (bin < num_values && pairs.value > values[bin])
			bin++;
		if (bin < num_values && pairs.value == values[bin])
			counts[bin] += pairs.reference;
		else
			counts[num_values] += pairs.reference;
	}
}

/*
 * Verdicts
 */

/*
 * What a method does if nothing else is asked for.
 */
void
mlops_drift_defaults(MlopsDriftOptions *options, MlopsMethod method)
{
	memset(options, 0, sizeof(*options));
	options->method = method;
	options->bins = DEFAULT_BINS;
	options->zero = ZERO_SHARE;
	options->base = 2;
	options->merge = (method == MLOPS_CHI2);
	options->alpha = 0.05;
	options->alpha_fail = DEFAULT_ALPHA_FAIL;
	options->min_rows = DEFAULT_MIN_ROWS;
	switch (method)
	{
		case MLOPS_PSI:
			options->warn = 0.1;
			options->fail = 0.25;
			break;
		case MLOPS_JS:
		case MLOPS_HELLINGER:
		case MLOPS_TVD:
		case MLOPS_LINF:
		case MLOPS_WASSERSTEIN_NORM:
			options->warn = 0.1;
			options->fail = 0.2;
			break;
		case MLOPS_JS_DIVERGENCE:
			options->warn = 0.1 * 0.1;
			options->fail = 0.2 * 0.2;
			break;
		case MLOPS_CHI2:
		case MLOPS_KS:
		case MLOPS_ENERGY:
		case MLOPS_ANDERSON_DARLING:
		case MLOPS_CRAMER_VON_MISES:
			options->warn = 0.1;
			options->fail = 0.1;
			break;
		case MLOPS_KL:
		case MLOPS_CHI2_GOF:
		case MLOPS_WASSERSTEIN:
			options->warn = NAN;
			options->fail = NAN;
			break;
	}
}

/*
 * Judge: an effect at least as large as its limit, that chance does not
 * explain, of enough rows.
 */
static void
judge(MlopsDrift *drift, const MlopsDriftOptions *options)
{
	double		warn = options->warn;
	double		fail = options->fail;

	/* beyond what chance brings, psi alone knows its limit in its own unit */
	if (options->method == MLOPS_PSI && drift->n_reference > 0 && drift->n_current > 0)
	{
		double		unit = 1 / (double) drift->n_reference + 1 / (double) drift->n_current;
		double		chance = unit * mlops_chi2_quantile(1 - options->alpha, Max(drift->bins - 1, 0));

		warn = Max(warn, chance);
		fail = Max(fail, chance);
	}

	drift->threshold = isnan(warn) ? fail : warn;
	if (isnan(options->warn) && isnan(options->fail))
		drift->verdict = MLOPS_VERDICT_NONE;
	else if (isnan(drift->effect) ||
			 drift->n_reference < options->min_rows || drift->n_current < options->min_rows)
		drift->verdict = MLOPS_VERDICT_INSUFFICIENT;
	else if (!(drift->effect >= warn || drift->effect >= fail))
		drift->verdict = MLOPS_VERDICT_OK;
	else if (isnan(drift->p_judged))
		drift->verdict = MLOPS_VERDICT_INSUFFICIENT;
	else if (drift->effect >= fail && drift->p_judged < options->alpha_fail)
	{
		drift->verdict = MLOPS_VERDICT_FAIL;
		drift->threshold = fail;
	}
	else if (drift->effect >= warn && drift->p_judged < options->alpha)
		drift->verdict = MLOPS_VERDICT_WARN;
	else
		drift->verdict = MLOPS_VERDICT_OK;
}

/*
 * Compare counts per bin.
 */
void
mlops_drift_counts(MlopsDrift *drift, const MlopsDriftOptions *options,
				   int64 *reference, int64 *current, int num_bins)
{
	MlopsTest	test;

	memset(drift, 0, sizeof(*drift));
	for (int i = 0; i < num_bins; i++)
	{
		drift->n_reference += reference[i];
		drift->n_current += current[i];
		drift->bins += (reference[i] > 0 || current[i] > 0);
	}

	switch (options->method)
	{
		case MLOPS_PSI:
			drift->value = mlops_psi(reference, current, num_bins, options->zero);
			break;
		case MLOPS_KL:
			drift->value = mlops_kl(reference, current, num_bins, options->zero);
			break;
		case MLOPS_JS:
			drift->value = sqrt(mlops_js_divergence(reference, current, num_bins, options->base));
			break;
		case MLOPS_JS_DIVERGENCE:
			drift->value = mlops_js_divergence(reference, current, num_bins, options->base);
			break;
		case MLOPS_HELLINGER:
			drift->value = mlops_hellinger(reference, current, num_bins);
			break;
		case MLOPS_LINF:
			drift->value = mlops_linf(reference, current, num_bins);
			if (options->correction > 0)
				drift->value = Max(0, drift->value - options->correction *
								   sqrt(1 / (double) drift->n_reference +
										1 / (double) drift->n_current));
			break;
		default:
			drift->value = mlops_tvd(reference, current, num_bins);
			break;
	}
	drift->effect = drift->value;

	if (options->method == MLOPS_PSI)
	{
		drift->df = Max(drift->bins - 1, 0);
		drift->p_value = mlops_chi2_sf(drift->value / (1 / (double) drift->n_reference +
													   1 / (double) drift->n_current), drift->df);

		/*
		 * Bins with few rows make psi larger than its limit of chance knows,
		 * so chi2, which merges those that are nearly empty, must agree.
		 */
		test = mlops_test_chi2(reference, current, num_bins, true);
		drift->p_judged = drift->p_value;
		if (drift->df > 0)
			drift->p_judged = isnan(test.p_value) ? NAN : Max(drift->p_value, test.p_value);
	}
	else
	{
		if (options->method == MLOPS_CHI2_GOF)
			test = mlops_test_chi2_gof(reference, current, num_bins, options->merge);
		else
			test = mlops_test_chi2(reference, current, num_bins,
								   options->method != MLOPS_CHI2 || options->merge);
		drift->p_value = test.p_value;
		drift->df = test.df;
		if (options->method == MLOPS_CHI2 || options->method == MLOPS_CHI2_GOF)
			drift->value = test.statistic;
		else if (isnan(test.p_value) && drift->bins == 1)
			drift->p_value = 1; /* a constant that stayed as it was */
		drift->p_judged = drift->p_value;
	}
	judge(drift, options);
}

/*
 * Bytes that mlops_drift_samples needs for samples of n and m rows.
 */
size_t
mlops_drift_room(MlopsMethod method, int64 n, int64 m)
{
	switch (method)
	{
		case MLOPS_KS:
		case MLOPS_WASSERSTEIN:
		case MLOPS_WASSERSTEIN_NORM:
			return mlops_test_ks_room(n, m);
		case MLOPS_CRAMER_VON_MISES:
			return mlops_test_cvm_room(n, m);
		default:
			return 0;
	}
}

/*
 * Compare samples.
 */
void
mlops_drift_samples(MlopsDrift *drift, const MlopsDriftOptions *options,
					const MlopsSample *reference, const MlopsSample *current,
					void *room, MlopsCheck check)
{
	MlopsTest	test;

	memset(drift, 0, sizeof(*drift));
	drift->n_reference = reference->rows;
	drift->n_current = current->rows;

	switch (options->method)
	{
		case MLOPS_ENERGY:
			test = mlops_test_energy(reference, current, check);
			break;
		case MLOPS_ANDERSON_DARLING:
			test = mlops_test_anderson_darling(reference, current, check);
			break;
		case MLOPS_CRAMER_VON_MISES:
			test = mlops_test_cvm(reference, current, room, check);
			break;
		default:
			test = mlops_test_ks(reference, current, room, check);
			break;
	}
	drift->value = test.statistic;
	drift->p_value = test.p_value;
	drift->p_judged = test.p_tied;
	drift->exact = test.exact;

	/* the p-value of a Wasserstein distance is that of ks */
	if (options->method == MLOPS_WASSERSTEIN || options->method == MLOPS_WASSERSTEIN_NORM)
	{
		drift->value = mlops_wasserstein(reference, current, check);
		if (options->method == MLOPS_WASSERSTEIN_NORM)
			drift->value /= Max(mlops_sample_stddev(reference, check), LEAST_STDDEV);
	}
	drift->effect = drift->value;

	/* statistics that grow with the number of rows say nothing of the size of a shift */
	if (options->method == MLOPS_ENERGY || options->method == MLOPS_ANDERSON_DARLING ||
		options->method == MLOPS_CRAMER_VON_MISES)
	{
		MlopsPairs	pairs;

		drift->effect = drift->n_reference > 0 && drift->n_current > 0 ? 0 : NAN;
		mlops_pairs_start(&pairs, reference, current, check);
		while (mlops_pairs_next(&pairs))
			drift->effect = Max(drift->effect,
								fabs((double) pairs.reference_so_far / (double) reference->rows -
									 (double) pairs.current_so_far / (double) current->rows));
	}
	judge(drift, options);
}

/*
 * Adjust p-values.  Those that are NaN stay so and do not count.
 */
void
mlops_benjamini_hochberg(const double *p, double *adjusted, int *order, int n)
{
	int			count = 0;
	double		least = 1;

	for (int i = 0; i < n; i++)
	{
		adjusted[i] = p[i];
		if (!isnan(p[i]))
			order[count++] = i;
	}

	/* heap sort, the largest first */
	for (int start = count / 2 - 1, end = count; end > 1;)
	{
		int			root;

		if (start >= 0)
			root = start--;
		else
		{
			int			kept = order[0];

			order[0] = order[--end];
			order[end] = kept;
			root = 0;
		}
		for (;;)
		{
			int			child = 2 * root + 1;
			int			kept;

			if (child >= end)
				break;
			if (child + 1 < end && p[order[child + 1]] < p[order[child]])
				child++;
			if (p[order[child]] >= p[order[root]])
				break;
			kept = order[child];
			order[child] = order[root];
			order[root] = kept;
			root = child;
		}
	}

	for (int i = 0; i < count; i++)
	{
		least = Min(least, p[order[i]] * count / (count - i));
		adjusted[order[i]] = least;
	}
}
