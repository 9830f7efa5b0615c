/*-------------------------------------------------------------------------
 *
 * measures_test.c
 *	  Measures against hand-made cases and against their plain definitions.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "metrics/measures.h"

static int	ntests = 0;
static int	nfailures = 0;

static void
ok(bool passed, const char *name)
{
	ntests++;
	if (!passed)
		nfailures++;
	printf("%sok %d - %s\n", passed ? "" : "not ", ntests, name);
}

static void
is_near(double value, double expected, const char *name)
{
	bool		passed = fabs(value - expected) <= 1e-12 * Max(fabs(expected), 1);

	ok(passed, name);
	if (!passed)
		printf("# %.17g instead of %.17g\n", value, expected);
}

/* a fixed sequence of numbers that look random (splitmix64) */
static uint64
next_random(void)
{
	static uint64 state = 20240607;
	uint64		z = (state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* from 0 to below 1 */
static double
uniform(void)
{
	return ldexp((double) (next_random() >> 11), -53);
}

static void
test_sum(void)
{
	MlopsSum	forward = {0, 0};
	MlopsSum	backward = {0, 0};
	MlopsSum	parts[3] = {{0, 0}, {0, 0}, {0, 0}};
	MlopsSum	infinite = {0, 0};
	double		terms[3000];

	for (int i = 0; i < 3000; i++)
		terms[i] = ldexp(uniform() - 0.5, (int) (next_random() % 80));
	for (int i = 0; i < 3000; i++)
	{
		mlops_sum_add(&forward, terms[i]);
		mlops_sum_add(&backward, terms[2999 - i]);
		mlops_sum_add(&parts[i % 3], terms[i]);
	}
	mlops_sum_merge(&parts[0], &parts[1]);
	mlops_sum_merge(&parts[2], &parts[0]);
	ok(mlops_sum_value(&forward) == mlops_sum_value(&backward), "a sum does not depend on the order");
	ok(mlops_sum_value(&forward) == mlops_sum_value(&parts[2]), "nor on the parts");

	mlops_sum_add(&forward, 1e300);
	mlops_sum_add(&forward, 1);
	mlops_sum_add(&forward, -1e300);
	ok(isfinite(mlops_sum_value(&forward)), "large terms that cancel");
	forward = (MlopsSum) {0, 0};
	mlops_sum_add(&forward, 1e16);
	mlops_sum_add(&forward, 1);
	mlops_sum_add(&forward, -1e16);
	ok(mlops_sum_value(&forward) == 1, "a small term beside large ones is not lost");

	forward = (MlopsSum) {0, 0};
	mlops_sum_add_product(&forward, 1e8 + 1, 1e8 - 1);
	mlops_sum_add_product(&forward, -1e8, 1e8);
	ok(mlops_sum_value(&forward) == -1, "a product is exact");

	mlops_sum_add(&infinite, 1e308);
	mlops_sum_add(&infinite, 1e308);
	mlops_sum_add(&infinite, 1);
	ok(isinf(mlops_sum_value(&infinite)), "an overflow stays");
}

static int	num_checks;

static void
count_checks(void)
{
	num_checks++;
}

/*
 * Sort n scores from the generator, both as scores and as rows.
 */
static bool
sorts(size_t n, double (*generator) (size_t i))
{
	double	   *scores = malloc(sizeof(double) * (n + 1));
	MlopsScored *rows = malloc(sizeof(MlopsScored) * (n + 1));
	MlopsSum	sum = {0, 0};
	MlopsSum	sorted_sum = {0, 0};
	size_t		wrong = 0;

	for (size_t i = 0; i < n; i++)
	{
		scores[i] = generator(i);
		rows[i].score = scores[i];
		rows[i].label = scores[i] > 0.25;
		if (isfinite(scores[i]))
			mlops_sum_add(&sum, scores[i]);
	}
	mlops_sort_scores(scores, n, count_checks);
	mlops_sort_scored(rows, n);
	for (size_t i = 0; i < n; i++)
	{
		if (isfinite(scores[i]))
			mlops_sum_add(&sorted_sum, scores[i]);
		if ((i > 0 && scores[i - 1] < scores[i]) || rows[i].score != scores[i] ||
			rows[i].label != (rows[i].score > 0.25))
			wrong++;
	}
	free(scores);
	free(rows);
	return wrong == 0 && mlops_sum_value(&sum) == mlops_sum_value(&sorted_sum);
}

static double
generate_uniform(size_t i)
{
	return uniform();
}

static double
generate_few(size_t i)
{
	return (double) (next_random() % 7) / 7;
}

static double
generate_constant(size_t i)
{
	return 0.5;
}

static double
generate_ascending(size_t i)
{
	return (double) i;
}

static double
generate_descending(size_t i)
{
	return -(double) i;
}

/* of any sign and size */
static double
generate_wild(size_t i)
{
	switch (next_random() % 8)
	{
		case 0:
			return INFINITY;
		case 1:
			return -INFINITY;
		case 2:
			return 0.0;
		case 3:
			return -0.0;
		case 4:
			return (uniform() - 0.5) * 1e-310;
		default:
			return ldexp(uniform() - 0.5, (int) (next_random() % 2000) - 1000);
	}
}

static void
test_sort(void)
{
	static const size_t sizes[] = {0, 1, 2, 39, 40, 41, 42, 255, 1000, 100000};
	bool		passed = true;

	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		passed = passed && sorts(sizes[i], generate_uniform) && sorts(sizes[i], generate_few) &&
			sorts(sizes[i], generate_constant) && sorts(sizes[i], generate_ascending) &&
			sorts(sizes[i], generate_descending);
	}
	ok(passed, "sorts ranges of any size");
	passed = true;
	for (size_t i = 0; i < 300; i++)
		passed = passed && sorts(next_random() % 2000, generate_wild);
	ok(passed, "sorts infinities, zeroes of both signs and the smallest numbers");
	ok(num_checks > 100, "looks for a cancel while it sorts");
}

/*
 * The measures of ranking against their definitions, from all pairs and from
 * each threshold apart.
 */
static void
test_ranking(void)
{
	bool		same = true;
	bool		defined = true;

	for (int round = 0; round < 400; round++)
	{
		MlopsScored rows[200];
		double		positive[200];
		double		negative[200];
		MlopsScores scores = {positive, negative, 0, 0};
		MlopsCurve	curve;
		size_t		n = 1 + next_random() % lengthof(rows);
		int			distinct = 1 + (int) (next_random() % 300);
		double		pairs = 0;
		double		won = 0;
		double		ks = 0;
		double		average_precision = 0;
		double		auc;

		for (size_t i = 0; i < n; i++)
		{
			rows[i].score = (double) (next_random() % distinct) / distinct;
			rows[i].label = uniform() < 0.2 + 0.6 * rows[i].score;
			if (rows[i].label)
				positive[scores.num_positive++] = rows[i].score;
			else
				negative[scores.num_negative++] = rows[i].score;
		}
		for (size_t i = 0; i < scores.num_positive; i++)
		{
			int64		true_positive = 0;
			int64		false_positive = 0;
			double		above = 0;

			for (size_t j = 0; j < scores.num_negative; j++)
			{
				pairs++;
				won += (positive[i] > negative[j]) ? 1 : (positive[i] == negative[j]) ? 0.5 : 0;
				above += negative[j] >= positive[i];
			}
			false_positive = (int64) above;
			for (size_t j = 0; j < scores.num_positive; j++)
				true_positive += positive[j] >= positive[i];
			average_precision += (double) true_positive / (double) (true_positive + false_positive);
		}
		for (size_t i = 0; i < n; i++)
		{
			MlopsConfusion c = mlops_confusion_at(rows, n, rows[i].score);
			double		tpr = (double) c.true_positive / (double) scores.num_positive;
			double		fpr = (double) c.false_positive / (double) scores.num_negative;

			ks = Max(ks, fabs(tpr - fpr));
		}

		mlops_sort_scored(rows, n);
		mlops_sort_scores(positive, scores.num_positive, NULL);
		mlops_sort_scores(negative, scores.num_negative, NULL);
		mlops_curve_start(&curve, &scores, NULL);
		auc = mlops_curve_auc(&curve);
		if (pairs == 0)
		{
			defined = defined && isnan(auc) && isnan(mlops_auc(rows, n)) &&
				isnan(mlops_pr_auc(rows, n)) && isnan(mlops_ks(rows, n));
			continue;
		}
		same = same && auc == won / pairs && auc == mlops_auc(rows, n);
		mlops_curve_start(&curve, &scores, NULL);
		same = same && mlops_curve_pr_auc(&curve) == mlops_pr_auc(rows, n) &&
			fabs(mlops_pr_auc(rows, n) - average_precision / (double) scores.num_positive) < 1e-12;
		mlops_curve_start(&curve, &scores, NULL);
		same = same && mlops_curve_ks(&curve) == ks && mlops_ks(rows, n) == ks;
	}
	ok(same, "auc, pr_auc and ks are what all pairs and thresholds say");
	ok(defined, "they are not defined for one class");
	ok(isnan(mlops_auc(NULL, 0)) && isnan(mlops_log_loss(NULL, 0)) && isnan(mlops_brier(NULL, 0)) &&
	   isnan(mlops_rmse(NULL, NULL, 0)) && isnan(mlops_mae(NULL, NULL, 0)) && isnan(mlops_r2(NULL, NULL, 0)) &&
	   isnan(mlops_mape(NULL, NULL, 0)), "nor is anything for no rows");
}

static void
test_published(void)
{
	MlopsScored ten[] = {
		{.91, true}, {.82, false}, {.73, false}, {.64, true}, {.55, true},
		{.46, true}, {.37, false}, {.28, true}, {.19, false}, {0, false}
	};
	MlopsScored extremes[] = {{0, true}, {1, false}, {1, true}, {0, false}};
	double		actual[] = {3, -.5, 2, 7};
	double		predicted[] = {2.5, 0, 2, 8};
	MlopsConfusion c = mlops_confusion_at(ten, 10, .7);

	is_near(mlops_accuracy(&c), .4, "accuracy");
	is_near(mlops_precision(&c), 1.0 / 3, "precision");
	is_near(mlops_recall(&c), .2, "recall");
	is_near(mlops_f1(&c), .25, "f1");
	is_near(mlops_auc(ten, 10), .64, "auc");
	is_near(mlops_pr_auc(ten, 10), .6783333333333333, "pr_auc");
	is_near(mlops_ks(ten, 10), .4, "ks");
	is_near(mlops_log_loss(ten, 10), .6884817487155065, "log_loss");
	is_near(mlops_brier(ten, 10), .25285, "brier");
	is_near(mlops_log_loss(extremes, 4), -log(1e-15) / 2, "log_loss is clipped alike for both labels");
	is_near(mlops_rmse(actual, predicted, 4), .6123724356957945, "rmse");
	is_near(mlops_mae(actual, predicted, 4), .5, "mae");
	is_near(mlops_r2(actual, predicted, 4), .9486081370449679, "r2");
	is_near(mlops_mape(actual, predicted, 4), .3273809523809524, "mape");
}

static void
test_decisions(void)
{
	MlopsConfusion none = {0};
	MlopsConfusion huge = {
		.true_positive = INT64CONST(4000000000000000), .true_negative = INT64CONST(4000000000000000),
		.false_positive = INT64CONST(4000000000000001), .false_negative = INT64CONST(3999999999999999)
	};
	const int64 cells[] = {
		4, 1, 0, -9,
		2, 5, 0, -9,
		0, 3, 0, -9
	};
	MlopsClassMatrix matrix = {cells, 3, 4};
	MlopsConfusion b = mlops_matrix_one_class(&matrix, mlops_matrix_total(&matrix), 1);
	int64		two[] = {7, 2, 3, 11};
	MlopsClassMatrix pair = {two, 2, 2};
	MlopsConfusion second = mlops_matrix_one_class(&pair, 23, 1);

	ok(isnan(mlops_accuracy(&none)) && isnan(mlops_precision(&none)) && isnan(mlops_recall(&none)) &&
	   isnan(mlops_f1(&none)) && isnan(mlops_mcc(&none)), "measures of no decisions are not defined");
	ok(mlops_mcc(&huge) > 0 && mlops_mcc(&huge) < 1e-30, "mcc of counts beyond what a double holds");
	ok(mlops_matrix_total(&matrix) == 15, "total of a matrix");
	ok(b.true_positive == 5 && b.false_positive == 4 && b.false_negative == 2 && b.true_negative == 4,
	   "one class against the others");
	is_near(mlops_matrix_precision(&matrix), (4.0 / 6 + 5.0 / 9 + 0) / 3, "a class that was never predicted counts as 0");
	is_near(mlops_matrix_recall(&matrix), (4.0 / 5 + 5.0 / 7 + 0) / 3, "mean recall");
	is_near(mlops_matrix_f1(&matrix), (8.0 / 11 + 10.0 / 16 + 0) / 3, "mean f1");
	is_near(mlops_matrix_mcc(&pair), mlops_mcc(&second), "the correlation of two classes");
}

static void
test_moments(void)
{
	MlopsMoments left = {1, {2.4, 0}, {2, 0}};
	MlopsMoments right = {2, {6.8, 0}, {4, 0}};
	MlopsMoments whole = {0};
	MlopsMoments parts[3] = {{0}};
	MlopsErrors errors = {0};
	MlopsErrors others = {0};
	double		actual[999];
	double		predicted[999];

	mlops_moments_merge(&left, &right);
	is_near(left.n, 3, "merged moments: rows");
	is_near(mlops_sum_value(&left.sum) / left.n, 9.2 / 3, "merged moments: mean");
	is_near(mlops_sum_value(&left.squares), 6 + 2.0 / 3, "merged moments: squared deviations");

	/* far from zero, where squares of the values would have lost the spread */
	for (int i = 0; i < 999; i++)
	{
		double		x = 1e12 + i % 3;

		mlops_moments_add(&whole, x);
		mlops_moments_add(&parts[i / 400], x);
	}
	mlops_moments_merge(&parts[0], &parts[1]);
	mlops_moments_merge(&parts[2], &parts[0]);
	is_near(mlops_sum_value(&whole.squares), 666, "spread far from zero");
	is_near(mlops_sum_value(&parts[2].squares), 666, "the same from parts");

	for (int i = 0; i < 999; i++)
	{
		actual[i] = uniform() * 1e6 - 3e5;
		predicted[i] = actual[i] + uniform();
		mlops_errors_add(i % 5 ? &errors : &others, actual[i], predicted[i]);
	}
	mlops_errors_merge(&errors, &others);
	is_near(mlops_errors_rmse(&errors), mlops_rmse(actual, predicted, 999), "rmse from parts");
	is_near(mlops_errors_mae(&errors), mlops_mae(actual, predicted, 999), "mae from parts");
	is_near(mlops_errors_r2(&errors), mlops_r2(actual, predicted, 999), "r2 from parts");
	is_near(mlops_errors_mape(&errors), mlops_mape(actual, predicted, 999), "mape from parts");
	for (int i = 0; i < 999; i++)
		actual[i] = 0.1;
	ok(isnan(mlops_r2(actual, predicted, 999)), "r2 of constant values is not defined");
}

static void
test_bins(void)
{
	MlopsBin	bins[64];
	bool		placed = true;
	bool		complete = true;

	for (int num_bins = 1; num_bins <= 64; num_bins++)
	{
		int64		n = 0;

		mlops_bins_equal_width(bins, num_bins);
		for (int i = 0; i <= num_bins; i++)
		{
			double		edge = (double) i / num_bins;
			int			above = Min(i, num_bins - 1);
			int64		before = bins[above].n;

			mlops_bins_equal_width_add(bins, num_bins, true, edge);
			placed = placed && bins[above].n == before + 1;
			if (i > 0)
			{
				before = bins[i - 1].n;
				mlops_bins_equal_width_add(bins, num_bins, false, nextafter(edge, 0));
				placed = placed && bins[i - 1].n == before + 1;
			}
		}
		for (int i = 0; i < num_bins; i++)
			n += bins[i].n;
		placed = placed && n == 2 * num_bins + 1;
	}
	ok(placed, "an edge belongs to the bin above, what is just below it to the one below");

	for (int round = 0; round < 500; round++)
	{
		double		positive[100];
		double		negative[100];
		MlopsScores scores = {positive, negative, next_random() % 100, next_random() % 100};
		MlopsCurve	curve;
		int			num_bins = 1 + (int) (next_random() % 64);
		int			distinct = 1 + (int) (next_random() % 200);
		int64		n = 0;
		int64		positives = 0;
		int			made;

		for (size_t i = 0; i < scores.num_positive; i++)
			positive[i] = (double) (next_random() % distinct);
		for (size_t i = 0; i < scores.num_negative; i++)
			negative[i] = (double) (next_random() % distinct);
		mlops_sort_scores(positive, scores.num_positive, NULL);
		mlops_sort_scores(negative, scores.num_negative, NULL);
		mlops_curve_start(&curve, &scores, NULL);
		made = mlops_bins_equal_frequency(bins, num_bins, &curve);
		complete = complete && made <= num_bins && made <= distinct;
		for (int i = 0; i < made; i++)
		{
			double		mean = mlops_sum_value(&bins[i].score) / (double) bins[i].n;

			n += bins[i].n;
			positives += bins[i].positives;
			complete = complete && bins[i].n > 0 && bins[i].lower <= mean && mean <= bins[i].upper &&
				(i == made - 1 || (bins[i].upper == bins[i + 1].lower && mean < bins[i].upper));
		}
		complete = complete && n == (int64) (scores.num_positive + scores.num_negative) &&
			positives == (int64) scores.num_positive;
	}
	ok(complete, "bins of equal frequency hold every row once, in order");
}

static void
test_intervals(void)
{
	double		lower;
	double		upper;
	bool		ends = true;

	is_near(mlops_normal_quantile(0.95), 1.959963984540054, "quantile of 95 %");
	is_near(mlops_normal_quantile(0.99), 2.5758293035489004, "quantile of 99 %");
	is_near(mlops_normal_quantile(0.5), 0.6744897501960817, "quantile of 50 %");
	is_near(mlops_normal_quantile(1e-6), 1.2533141373158303e-06, "quantile of almost nothing");
	ok(fabs(mlops_normal_quantile(1 - 1e-12) - 7.1305) < 1e-3, "quantile of almost everything");
	ok(isfinite(mlops_normal_quantile(nextafter(1, 0))), "quantile of the highest level");

	mlops_wilson(8, 10, mlops_normal_quantile(0.95), &lower, &upper);
	is_near(lower, 0.4901624715366418, "lower bound of Wilson");
	is_near(upper, 0.9433178485456248, "upper bound of Wilson");
	for (int n = 1; n <= 1000; n++)
	{
		double		z = 0.01 * n;
		double		other;

		mlops_wilson(0, n, z, &lower, &upper);
		ends = ends && lower == 0 && upper > 0 && upper < 1;
		mlops_wilson(n, n, z, &other, &lower);
		ends = ends && lower == 1 && fabs(other - (1 - upper)) < 1e-12;
	}
	ok(ends, "without successes the interval begins at 0, with nothing else it ends at 1");
}

int
main(void)
{
	test_sum();
	test_sort();
	test_ranking();
	test_published();
	test_decisions();
	test_moments();
	test_bins();
	test_intervals();
	printf("1..%d\n", ntests);
	return nfailures == 0 ? 0 : 1;
}
