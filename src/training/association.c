/*-------------------------------------------------------------------------
 *
 * association.c
 *	  How one feature goes with the label.
 *
 * No state; what needs room takes it from palloc and gives it back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "monitoring/test.h"
#include "training/association.h"

static int
compare_x(const void *a, const void *b, void *arg)
{
	double		left = ((const MlopsPoint *) a)->x;
	double		right = ((const MlopsPoint *) b)->x;

	return (left > right) - (left < right);
}

static int
compare_y(const void *a, const void *b, void *arg)
{
	double		left = ((const MlopsPoint *) a)->y;
	double		right = ((const MlopsPoint *) b)->y;

	return (left > right) - (left < right);
}

/*
 * Spearman's rank correlation; ties have the middle of their ranks.
 */
double
mlops_spearman(MlopsPoint *points, int64 n)
{
	double		mean = (n + 1) / 2.0;
	double		xx = 0;
	double		yy = 0;
	double		xy = 0;
	int64		next;

	qsort_interruptible(points, n, sizeof(MlopsPoint), compare_x, NULL);
	for (int64 i = 0; i < n; i = next)
	{
		for (next = i + 1; next < n && points[next].x == points[i].x;)
			next++;
		for (int64 k = i; k < next; k++)
			points[k].rank = (i + 1 + next) / 2.0 - mean;
	}
	qsort_interruptible(points, n, sizeof(MlopsPoint), compare_y, NULL);
	for (int64 i = 0; i < n; i = next)
	{
		for (next = i + 1; next < n && points[next].y == points[i].y;)
			next++;
		for (int64 k = i; k < next; k++)
		{
			double		rank = (i + 1 + next) / 2.0 - mean;

			xx += points[k].rank * points[k].rank;
			yy += rank * rank;
			xy += points[k].rank * rank;
		}
	}
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

/*
 * The same of a label with two classes, from the steps of both distributions:
 * it is the correlation of ranks with 0 and 1.
 */
void
mlops_class_ranks(MlopsSketch *const *classes, double *spearman, double *auc)
{
	const MlopsSketchPoint *points[2];
	int			count[2];
	int			next[2] = {0, 0};
	double		n[2];
	double		total;
	double		before = 0;		/* rows with lesser values */
	double		ties = 0;
	double		ranks = 0;		/* of positive rows */

	for (int i = 0; i < 2; i++)
	{
		points[i] = mlops_sketch_points(classes[i], &count[i]);
		n[i] = (double) mlops_sketch_ordered(classes[i]);
	}
	total = n[0] + n[1];
	while (next[0] < count[0] || next[1] < count[1])
	{
		double		value = next[0] == count[0] ? points[1][next[1]].value :
			next[1] == count[1] ? points[0][next[0]].value :
			Min(points[0][next[0]].value, points[1][next[1]].value);
		double		rows[2] = {0, 0};
		double		both;

		for (int i = 0; i < 2; i++)
		{
			if (next[i] < count[i] && points[i][next[i]].value == value)
				rows[i] = (double) points[i][next[i]++].weight;
		}
		both = rows[0] + rows[1];
		ranks += rows[1] * (before + (both + 1) / 2);
		ties += both * (both * both - 1);
		before += both;
	}

	*auc = n[0] > 0 && n[1] > 0 ? (ranks - n[1] * (n[1] + 1) / 2) / (n[0] * n[1]) : NAN;
	*spearman = NAN;
	if (n[0] > 0 && n[1] > 0)
	{
		double		xx = (total * (total * total - 1) - ties) / 12;
		double		yy = n[0] * n[1] / total;

		if (xx > 0)
			*spearman = (ranks - n[1] * (total + 1) / 2) / sqrt(xx * yy);
	}
}

/*
 * Is the trend one, and does it go one way?  The means of bins are set
 * against their isotonic regression in the direction of the rank correlation.
 *
 * Without association the variance of Spearman's correlation is 1 / (n - 1),
 * also with ties.  What the regression leaves of the variation between bins is
 * compared with the variation within them: chi-squared with as many degrees of
 * freedom as bins were pooled.
 */
void
mlops_trend_judge(const MlopsTrendBin *bins, int num_bins, MlopsTrend *trend)
{
	double	   *means = palloc(sizeof(double) * Max(num_bins, 1));
	double	   *weights = palloc(sizeof(double) * Max(num_bins, 1));
	int		   *first = palloc(sizeof(int) * (num_bins + 1));
	double		sign = trend->spearman < 0 ? -1 : 1;
	int			blocks = 0;
	double		n = 0;
	double		sum = 0;
	double		between = 0;
	double		within = 0;
	double		left = 0;

	trend->direction = 0;
	trend->explained = trend->p_departure = NAN;
	trend->p_value = trend->n > 1 && !isnan(trend->spearman) ?
		Min(2 * mlops_normal_sf(fabs(trend->spearman) * sqrt((double) trend->n - 1)), 1) : NAN;

	/* pool adjacent violators */
	for (int i = 0; i < num_bins; i++)
	{
		n += (double) bins[i].n;
		sum += (double) bins[i].n * bins[i].mean;
		within += bins[i].squares;
		means[blocks] = sign * bins[i].mean;
		weights[blocks] = (double) bins[i].n;
		first[blocks++] = i;
		while (blocks > 1 && means[blocks - 2] >= means[blocks - 1])
		{
			double		weight = weights[blocks - 2] + weights[blocks - 1];

			means[blocks - 2] = (means[blocks - 2] * weights[blocks - 2] +
								 means[blocks - 1] * weights[blocks - 1]) / weight;
			weights[blocks - 2] = weight;
			blocks--;
		}
	}
	first[blocks] = num_bins;
	for (int block = 0; block < blocks; block++)
	{
		for (int i = first[block]; i < first[block + 1]; i++)
		{
			between += (double) bins[i].n * pow(bins[i].mean - sum / n, 2);
			left += (double) bins[i].n * pow(bins[i].mean - sign * means[block], 2);
		}
	}
	if (num_bins > 1 && between > 0)
	{
		trend->explained = Max(1 - left / between, 0);
		if (blocks == num_bins)
			trend->p_departure = 1;
		else if (within > 0 && n > num_bins)
			trend->p_departure = mlops_chi2_sf(left / (within / (n - num_bins)), num_bins - blocks);
		else
			trend->p_departure = 0;
		if (trend->p_value < MLOPS_TREND_CHANCE &&
			(trend->explained >= MLOPS_TREND_EXPLAINED || trend->p_departure >= MLOPS_TREND_DEPARTURE))
			trend->direction = (int) sign;
	}
	pfree(means);
	pfree(weights);
	pfree(first);
}

/* by the share of positive rows */
static int
compare_shares(const void *a, const void *b)
{
	const int64 *left = ((const MlopsCategory *) a)->rows;
	const int64 *right = ((const MlopsCategory *) b)->rows;
	double		difference = (double) left[1] * (double) (right[0] + right[1]) -
		(double) right[1] * (double) (left[0] + left[1]);

	return (difference > 0) - (difference < 0);
}

/*
 * The AUC that the share of positive rows in each category has as a score.
 */
double
mlops_category_auc(MlopsCategory *categories, int num_categories)
{
	double		n[2] = {0, 0};
	double		pairs = 0;

	qsort(categories, num_categories, sizeof(MlopsCategory), compare_shares);
	for (int i = 0; i < num_categories;)
	{
		int64		same[2] = {0, 0};	/* rows of categories with one share */
		int			first = i;

		for (; i < num_categories && compare_shares(&categories[first], &categories[i]) == 0; i++)
		{
			same[0] += categories[i].rows[0];
			same[1] += categories[i].rows[1];
		}
		pairs += (double) same[1] * (n[0] + (double) same[0] / 2);
		n[0] += (double) same[0];
		n[1] += (double) same[1];
	}
	return n[0] > 0 && n[1] > 0 ? pairs / (n[0] * n[1]) : NAN;
}

/*
 * Cramer's V of categories and two classes.
 */
double
mlops_cramers_v(const MlopsCategory *categories, int num_categories)
{
	double		n[2] = {0, 0};
	double		chi2 = 0;

	for (int i = 0; i < num_categories; i++)
	{
		n[0] += (double) categories[i].rows[0];
		n[1] += (double) categories[i].rows[1];
	}
	if (num_categories < 2 || n[0] == 0 || n[1] == 0)
		return NAN;
	for (int i = 0; i < num_categories; i++)
	{
		for (int k = 0; k < 2; k++)
		{
			double		rows = (double) (categories[i].rows[0] + categories[i].rows[1]);
			double		expected = rows * n[k] / (n[0] + n[1]);

			chi2 += pow((double) categories[i].rows[k] - expected, 2) / expected;
		}
	}
	return sqrt(chi2 / (n[0] + n[1]));
}
