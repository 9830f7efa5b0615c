/*-------------------------------------------------------------------------
 *
 * interval_test.c
 *	  Intervals of two shares, random numbers, and the bootstrap against the
 *	  errors that theory gives.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "metrics/interval.h"

#define Z95		1.959963984540054

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
is_near(double value, double expected, double tolerance, const char *name)
{
	bool		passed = fabs(value - expected) <= tolerance;

	ok(passed, name);
	if (!passed)
		printf("# %.17g instead of %.17g\n", value, expected);
}

static MlopsShare
share(double successes, double n)
{
	MlopsShare	result = {successes, n};

	return result;
}

/*
 * The examples of Newcombe 1998, table II, method 10.
 */
static void
test_difference(void)
{
	static const struct
	{
		double		a,
					m,
					b,
					n,
					lower,
					upper;
	}			cases[] = {
		{56, 70, 48, 80, 0.0524, 0.3339},
		{9, 10, 3, 10, 0.1705, 0.8090},
		{6, 7, 2, 7, 0.0582, 0.8062},
		{5, 56, 0, 29, -0.0381, 0.1926},
		{0, 10, 0, 20, -0.1611, 0.2775},
		{10, 10, 0, 20, 0.6791, 1.0000},
		{10, 10, 0, 10, 0.6075, 1.0000}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		MlopsInterval d = mlops_share_difference(share(cases[i].a, cases[i].m),
												 share(cases[i].b, cases[i].n), Z95);
		char		name[64];

		snprintf(name, sizeof(name), "difference of %g/%g and %g/%g", cases[i].a, cases[i].m, cases[i].b, cases[i].n);
		ok(fabs(d.lower - cases[i].lower) < 5.1e-5 && fabs(d.upper - cases[i].upper) < 5.1e-5, name);
	}
	ok(isnan(mlops_share_difference(share(0, 0), share(1, 2), Z95).value), "no difference to nothing");
}

/*
 * The interval of a ratio is where the interval of a difference of the first
 * share and so many times the second holds 0.
 */
static void
test_ratio(void)
{
	static const double shares[][4] = {{56, 70, 48, 80}, {1, 10, 9, 10}, {10, 10, 10, 10}, {3, 1000, 900, 1000}, {900, 1000, 3, 1000}};

	for (int i = 0; i < (int) lengthof(shares); i++)
	{
		MlopsShare	a = share(shares[i][0], shares[i][1]);
		MlopsShare	b = share(shares[i][2], shares[i][3]);
		MlopsInterval r = mlops_share_ratio(a, b, Z95);
		double		p = a.successes / a.n,
					q = b.successes / b.n;
		double		l1,
					u1,
					l2,
					u2;
		char		name[64];

		mlops_wilson(a.successes, a.n, Z95, &l1, &u1);
		mlops_wilson(b.successes, b.n, Z95, &l2, &u2);
		snprintf(name, sizeof(name), "ratio of %g/%g and %g/%g", a.successes, a.n, b.successes, b.n);
		is_near(r.value, p / q, 1e-15 * p / q, name);
		is_near((p - r.lower * q) - hypot(p - l1, r.lower * (u2 - q)), 0, 1e-12, "its lower bound");
		is_near((p - r.upper * q) + hypot(u1 - p, r.upper * (q - l2)), 0, 1e-10 * Max(r.upper, 1), "its upper bound");
	}
	ok(mlops_share_ratio(share(0, 10), share(5, 10), Z95).lower == 0, "a ratio of 0 has the lower bound 0");
	ok(isfinite(mlops_share_ratio(share(0, 10), share(5, 10), Z95).upper), "and an upper one");
	ok(isnan(mlops_share_ratio(share(1, 10), share(0, 10), Z95).value), "no ratio to 0");
}

static void
test_random(void)
{
	static const int means[] = {1, 7, 64, 65, 100000};
	uint64		state = 0;

	ok(mlops_random_next(&state) == UINT64CONST(0xE220A8397B1DCDAF), "the first number of SplitMix64 from 0");
	for (int i = 0; i < (int) lengthof(means); i++)
	{
		double		sum = 0,
					squares = 0;
		int			n = 20000;
		char		name[64];

		for (int j = 0; j < n; j++)
		{
			double		x = (double) mlops_random_poisson(&state, means[i]) - means[i];

			sum += x;
			squares += x * x;
		}
		snprintf(name, sizeof(name), "Poisson numbers with the mean %d", means[i]);
		ok(fabs(sum / n) < 5 * sqrt(means[i] / (double) n) && fabs(squares / n / means[i] - 1) < 0.06, name);
	}
}

/*
 * A thousand rows: scores 0.05 to 0.95 whose label is as likely as they say.
 */
static size_t
make_rows(MlopsWeighted *rows, int each)
{
	size_t		n = 0;

	for (int i = 9; i >= 0; i--)
	{
		double		score = 0.05 + i * 0.1;

		rows[n++] = (MlopsWeighted)
		{
			0, score, (int64) rint(each * (1 - score))
		};
		rows[n++] = (MlopsWeighted)
		{
			1, score, (int64) rint(each * score)
		};
	}
	return n;
}

static void
test_bootstrap(void)
{
	MlopsWeighted rows[20];
	size_t		n = make_rows(rows, 100);
	double		errors[MLOPS_RESAMPLED_BINARY];
	double		again[MLOPS_RESAMPLED_BINARY];
	double		total = 0,
				mean = 0,
				squares = 0,
				log_mean = 0,
				log_squares = 0,
				right = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		loss = (rows[i].actual - rows[i].predicted) * (rows[i].actual - rows[i].predicted);
		double		log_loss = -log(rows[i].actual == 1 ? rows[i].predicted : 1 - rows[i].predicted);
		double		w = (double) rows[i].count;

		total += w;
		mean += w * loss;
		squares += w * loss * loss;
		log_mean += w * log_loss;
		log_squares += w * log_loss * log_loss;
		right += w * ((rows[i].predicted >= 0.5) == (rows[i].actual == 1));
	}
	mean /= total;
	log_mean /= total;
	right /= total;

	mlops_bootstrap_binary(rows, n, 0.5, 2000, 1, errors, NULL);
	mlops_bootstrap_binary(rows, n, 0.5, 2000, 1, again, NULL);
	ok(memcmp(errors, again, sizeof(errors)) == 0, "a seed gives the same errors");
	is_near(errors[MLOPS_RESAMPLED_BRIER] / sqrt((squares / total - mean * mean) / total), 1, 0.08, "error of a mean: brier");
	is_near(errors[MLOPS_RESAMPLED_LOG_LOSS] / sqrt((log_squares / total - log_mean * log_mean) / total), 1, 0.08,
			"error of a mean: log loss");
	is_near(errors[MLOPS_RESAMPLED_ACCURACY] / sqrt(right * (1 - right) / total), 1, 0.08, "error of a share: accuracy");

	/* DeLong's variance on the same rows */
	{
		static MlopsScored scored[1000];
		static double positive[1000],
					negative[1000];
		MlopsScores scores = {positive, negative, 0, 0};
		MlopsCurve	curve;
		size_t		k = 0;

		for (size_t i = 0; i < n; i++)
		{
			for (int64 j = 0; j < rows[i].count; j++)
			{
				scored[k].score = rows[i].predicted;
				scored[k++].label = rows[i].actual == 1;
				if (rows[i].actual == 1)
					positive[scores.num_positive++] = rows[i].predicted;
				else
					negative[scores.num_negative++] = rows[i].predicted;
			}
		}
		mlops_curve_start(&curve, &scores, NULL);
		is_near(errors[MLOPS_RESAMPLED_AUC] / sqrt(mlops_curve_auc_variance(&curve, mlops_auc(scored, k))), 1, 0.08,
				"DeLong's error of the AUC");
	}
	for (int i = 0; i < MLOPS_RESAMPLED_BINARY; i++)
		ok(errors[i] > 0 && errors[i] < 0.05, "every measure has an error");

	/* undefined where the measure is */
	rows[0] = (MlopsWeighted)
	{
		1, 2, 50
	};
	mlops_bootstrap_binary(rows, 1, 0.5, 100, 1, errors, NULL);
	ok(isnan(errors[MLOPS_RESAMPLED_AUC]) && isnan(errors[MLOPS_RESAMPLED_KS]) && isnan(errors[MLOPS_RESAMPLED_PR_AUC]), "one class");
	ok(isnan(errors[MLOPS_RESAMPLED_LOG_LOSS]) && isnan(errors[MLOPS_RESAMPLED_BRIER]) && isnan(errors[MLOPS_RESAMPLED_ECE]),
	   "scores that are no probabilities");
	ok(errors[MLOPS_RESAMPLED_RECALL] == 0, "a recall that is always 1");
}

static void
test_regression(void)
{
	MlopsWeighted rows[200];
	double		errors[MLOPS_RESAMPLED_REGRESSION];
	double		mean = 0,
				squares = 0;

	for (int i = 0; i < 200; i++)
	{
		double		error = ((i * 37) % 101 - 50) / 10.0;

		rows[i] = (MlopsWeighted)
		{
			i + 1e6, i + 1e6 + error, 3
		};
		mean += fabs(error) / 200;
		squares += error * error / 200;
	}
	mlops_bootstrap_regression(rows, 200, 2000, 3, errors, NULL);
	is_near(errors[MLOPS_RESAMPLED_MAE] / sqrt((squares - mean * mean) / 600), 1, 0.08, "error of the mean absolute error");
	ok(errors[MLOPS_RESAMPLED_RMSE] > 0 && errors[MLOPS_RESAMPLED_MAPE] > 0, "of the others");
	ok(errors[MLOPS_RESAMPLED_R2] > 0 && errors[MLOPS_RESAMPLED_R2] < 0.01, "far from 0 nothing cancels");

	for (int i = 0; i < 200; i++)
		rows[i].actual = 0;
	mlops_bootstrap_regression(rows, 200, 100, 3, errors, NULL);
	ok(isnan(errors[MLOPS_RESAMPLED_R2]) && isnan(errors[MLOPS_RESAMPLED_MAPE]), "a constant 0 has neither r2 nor mape");
}

int
main(void)
{
	test_difference();
	test_ratio();
	test_random();
	test_bootstrap();
	test_regression();
	printf("1..%d\n", ntests);
	return nfailures > 0;
}
