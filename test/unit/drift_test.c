/*-------------------------------------------------------------------------
 *
 * drift_test.c
 *	  Distributions against scipy's figures; tests and distances against their
 *	  plain definitions, by enumeration where there are few orders.
 *
 *-------------------------------------------------------------------------
 */
#include "drift_test.h"

#include "monitoring/distance.h"

static void
test_distributions(void)
{
	is_near(mlops_kolmogorov_sf(20, 0.3), 0.04306706665851623, 1e-11, "Kolmogorov, 20 rows");
	is_near(mlops_kolmogorov_sf(1000, 0.05), 0.013012074781090332, 1e-10, "Kolmogorov, by Smirnov's sum");
	is_near(mlops_kolmogorov_sf(1000, 0.02), 0.8108971656895577, 1e-10, "Kolmogorov, by Pelz and Good");
	is_near(mlops_kolmogorov_sf(12345, 0.01), 0.16811200440519358, 1e-10, "Kolmogorov, many rows");
	is_near(mlops_kolmogorov_sf(7, 0.6), 0.006140397691438094, 1e-12, "Kolmogorov, few rows");
	is_near(mlops_kolmogorov_sf(15000, 0.025), 1.4117511329499179e-08, 1e-9, "Kolmogorov, small p");
	is_near(mlops_chi2_sf(3.84, 1), 0.05004352124870519, 1e-12, "chi-squared");
	is_near(mlops_chi2_sf(1100, 1000), 0.014614408126295192, 1e-11, "chi-squared, 1000 degrees of freedom");
	is_near(mlops_chi2_sf(300, 9), 2.6102773472069844e-59, 1e-11, "chi-squared, small p");
	is_near(mlops_binomial_sf(15, 1000, 0.01), 0.0824123195160887, 1e-11, "binomial, at least");
	is_near(mlops_binomial_cdf(3, 20, 0.3), 0.10708680450373087, 1e-12, "binomial, at most");
	is_near(mlops_normal_sf(5), 2.866515718791933e-07, 1e-13, "normal");
	ok(mlops_binomial_sf(0, 10, 0.5) == 1 && mlops_binomial_cdf(10, 10, 0.5) == 1 &&
	   mlops_binomial_sf(11, 10, 0.5) == 0 && mlops_binomial_cdf(-1, 10, 0.5) == 0,
	   "binomial at the ends");
	is_near(mlops_chi2_sf(mlops_chi2_quantile(0.95, 9), 9), 0.05, 1e-12, "chi-squared there and back");
	ok(mlops_chi2_sf(0, 0) == 1 && mlops_chi2_sf(1, 0) == 0, "chi-squared without degrees of freedom");
}

/*
 * The share of all orders of n and m rows whose statistic is at least that of
 * the given one, by trying each.
 */
#define MAX_ROWS	12

static double
statistic_of(unsigned order, int rows, int n, bool is_cvm)
{
	double		m = rows - n;
	double		greatest = 0;
	double		sum = 0;
	int			i = 0;
	int			j = 0;

	for (int k = 0; k < rows; k++)
	{
		double		gap;

		if (order >> k & 1)
			i++;
		else
			j++;
		gap = (double) i / n - (double) j / m;
		greatest = Max(greatest, fabs(gap));
		sum += gap * gap;
	}
	return is_cvm ? sum * n * m / (rows * (double) rows) : greatest;
}

static void
test_exact(void)
{
	static double room[400000];
	bool		ks_right = true;
	bool		cvm_right = true;
	bool		statistic_right = true;

	for (int rows = 4; rows <= MAX_ROWS; rows += 2)
	{
		for (int n = 2; n <= rows - 2; n++)
		{
			unsigned	order;
			double		values[2][MAX_ROWS];
			int			count[2] = {0, 0};
			int			all = 0;
			int			beyond[2] = {0, 0};
			double		observed[2];
			MlopsSample samples[2];
			MlopsTest	test;

			/* an order with n rows of the first sample */
			do
				order = (unsigned) (uniform() * (1 << rows));
			while (__builtin_popcount(order) != n);
			for (int k = 0; k < rows; k++)
			{
				int			s = (order >> k & 1) ? 0 : 1;

				values[s][count[s]++] = k * k;
			}
			mlops_sample_ascending(&samples[0], values[0], count[0]);
			mlops_sample_ascending(&samples[1], values[1], count[1]);

			observed[0] = statistic_of(order, rows, n, false);
			observed[1] = statistic_of(order, rows, n, true);
			for (unsigned other = 0; other < 1u << rows; other++)
			{
				if (__builtin_popcount(other) != n)
					continue;
				all++;
				beyond[0] += statistic_of(other, rows, n, false) >= observed[0] - 1e-9;
				beyond[1] += statistic_of(other, rows, n, true) >= observed[1] - 1e-9;
			}

			Assert(mlops_test_cvm_room(n, rows - n) <= sizeof(room));
			test = mlops_test_ks(&samples[0], &samples[1], room, NULL);
			ks_right &= test.exact && fabs(test.p_value - (double) beyond[0] / all) < 1e-12;
			statistic_right &= fabs(test.statistic - observed[0]) < 1e-12;
			test = mlops_test_cvm(&samples[0], &samples[1], room, NULL);
			cvm_right &= test.exact && fabs(test.p_value - (double) beyond[1] / all) < 1e-12;
			statistic_right &= fabs(test.statistic - observed[1]) < 1e-12;
		}
	}
	ok(statistic_right, "statistics are their definition");
	ok(ks_right, "exact p of Kolmogorov and Smirnov is the share of orders");
	ok(cvm_right, "exact p of Cramer and von Mises is the share of orders");
}

/*
 * Samples in any form are the same sample.
 */
static void
test_samples(void)
{
	double		up[300];
	double		down[300];
	struct
	{
		double		value;
		int64		weight;
	}			points[300];
	int			num_points = 0;
	MlopsSample samples[3];
	double		other_values[] = {0.5, 3, 3, 7.25, 11};
	MlopsSample other;
	bool		same = true;

	for (int i = 0; i < 300; i++)
		up[i] = i / 7;
	for (int i = 0; i < 300; i++)
	{
		down[299 - i] = up[i];
		if (num_points > 0 && points[num_points - 1].value == up[i])
			points[num_points - 1].weight++;
		else
		{
			points[num_points].value = up[i];
			points[num_points++].weight = 1;
		}
	}
	mlops_sample_ascending(&samples[0], up, 300);
	mlops_sample_descending(&samples[1], down, 300);
	mlops_sample_points(&samples[2], points, num_points);
	mlops_sample_ascending(&other, other_values, lengthof(other_values));
	for (int i = 1; i < 3; i++)
	{
		double		edges[2][9];
		int64		counts[2][10];

		same &= samples[i].rows == 300;
		same &= mlops_wasserstein(&samples[0], &other, NULL) == mlops_wasserstein(&samples[i], &other, NULL);
		same &= mlops_sample_stddev(&samples[0], NULL) == mlops_sample_stddev(&samples[i], NULL);
		same &= mlops_test_energy(&samples[0], &other, NULL).p_value == mlops_test_energy(&samples[i], &other, NULL).p_value;
		same &= mlops_quantile_edges(&samples[0], NULL, 10, edges[0], NULL) == 9;
		same &= mlops_quantile_edges(&samples[i], NULL, 10, edges[1], NULL) == 9;
		same &= memcmp(edges[0], edges[1], sizeof(edges[0])) == 0;
		mlops_count_edges(&samples[0], edges[0], 9, counts[0], NULL);
		mlops_count_edges(&samples[i], edges[0], 9, counts[1], NULL);
		same &= memcmp(counts[0], counts[1], sizeof(counts[0])) == 0;
	}
	ok(same, "ascending, descending and weighted samples agree");
}

/*
 * Merging rare categories keeps rows, and stops where it should.
 */
static void
test_merging(void)
{
	bool		kept = true;

	for (int round = 0; round < 1000; round++)
	{
		int64		reference[40];
		int64		current[40];
		int			bins = 2 + (int) (uniform() * 38);
		int64		n = 0;
		int64		m = 0;
		int64		left_n = 0;
		int64		left_m = 0;
		MlopsTest	test;

		for (int i = 0; i < bins; i++)
		{
			reference[i] = (int64) pow(1000, uniform()) - 1;
			current[i] = (int64) pow(1000, uniform()) - 1;
			n += reference[i];
			m += current[i];
		}
		test = mlops_test_chi2(reference, current, bins, true);
		if (isnan(test.statistic))
			continue;
		for (int i = 0; i <= test.df; i++)
		{
			left_n += reference[i];
			left_m += current[i];
		}
		kept &= left_n == n && left_m == m;
		for (int i = 0, small = 0; i <= test.df; i++)
		{
			double		whole = (double) (reference[i] + current[i]);

			small += whole * (double) n / (double) (n + m) < 5;
			small += whole * (double) m / (double) (n + m) < 5;
			kept &= small <= 0.2 * 2 * (test.df + 1);
		}
	}
	ok(kept, "merging keeps all rows and leaves few small cells");
}

/*
 * How often a test rejects samples of one distribution.
 */
static void
test_levels(void)
{
	enum
	{
		ROUNDS = 2000, N = 150, M = 100
	};
	int			rejected[MLOPS_NUM_METHODS] = {0};
	static double room[MLOPS_KS_EXACT_MAX + 1];

	for (int round = 0; round < ROUNDS; round++)
	{
		double		values[2][N];
		MlopsSample samples[2];

		for (int s = 0; s < 2; s++)
		{
			int			n = s == 0 ? N : M;

			for (int i = 0; i < n; i++)
				values[s][i] = -log(1 - uniform());
			mlops_sort_scores(values[s], n, NULL);
			mlops_sample_descending(&samples[s], values[s], n);
		}
		rejected[MLOPS_KS] += mlops_test_ks(&samples[0], &samples[1], room, NULL).p_value < 0.05;
		rejected[MLOPS_CRAMER_VON_MISES] += mlops_test_cvm(&samples[0], &samples[1], NULL, NULL).p_value < 0.05;
		rejected[MLOPS_ANDERSON_DARLING] += mlops_test_anderson_darling(&samples[0], &samples[1], NULL).p_value < 0.05;
		rejected[MLOPS_ENERGY] += mlops_test_energy(&samples[0], &samples[1], NULL).p_value < 0.05;
	}
	printf("# of %d samples without drift were rejected at 0.05: ks %d, cramer_von_mises %d, anderson_darling %d, energy %d\n",
		   ROUNDS, rejected[MLOPS_KS], rejected[MLOPS_CRAMER_VON_MISES],
		   rejected[MLOPS_ANDERSON_DARLING], rejected[MLOPS_ENERGY]);

	/* 100 are expected, with a standard deviation of 10; ks rejects fewer */
	ok(rejected[MLOPS_KS] > 40 && rejected[MLOPS_KS] <= 130 &&
	   rejected[MLOPS_CRAMER_VON_MISES] > 70 && rejected[MLOPS_CRAMER_VON_MISES] <= 130 &&
	   rejected[MLOPS_ANDERSON_DARLING] > 70 && rejected[MLOPS_ANDERSON_DARLING] <= 130 &&
	   rejected[MLOPS_ENERGY] > 70 && rejected[MLOPS_ENERGY] <= 130,
	   "tests reject as often as they say");
}

int
main(void)
{
	test_distributions();
	test_exact();
	test_samples();
	test_merging();
	test_levels();
	printf("1..%d\n", ntests);
	return nfailures > 0;
}
