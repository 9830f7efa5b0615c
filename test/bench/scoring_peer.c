/*-------------------------------------------------------------------------
 *
 * scoring_peer.c
 *	  libxgboost's own batch prediction, as the peer of a query that scores.
 *
 * scoring_peer MODEL COLUMNS < rows as CSV: reads the rows, predicts all of
 * them five times on one thread, and prints the median in seconds.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xgboost/c_api.h>

#define RUNS 5

/* end with the library's words if a call failed */
static void
check(int result)
{
	if (result != 0)
	{
		fprintf(stderr, "%s\n", XGBGetLastError());
		exit(1);
	}
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	int			columns = argc == 3 ? atoi(argv[2]) : 0;
	size_t		count = 0;
	size_t		allocated = 1 << 20;
	float	   *values = malloc(allocated * sizeof(float));
	char		field[64];
	double		seconds[RUNS];
	double		sum = 0;
	BoosterHandle booster;
	DMatrixHandle proxy;
	char		array[256];
	size_t		rows;

	if (columns < 1)
	{
		fprintf(stderr, "usage: scoring_peer MODEL COLUMNS < rows.csv\n");
		return 2;
	}
	while (scanf("%63[^,\n]%*c", field) == 1)
	{
		if (count == allocated)
			values = realloc(values, (allocated *= 2) * sizeof(float));
		values[count++] = strtof(field, NULL);
	}
	rows = count / columns;
	if (rows == 0 || rows * columns != count)
	{
		fprintf(stderr, "%zu values are no rows of %d\n", count, columns);
		return 1;
	}

	check(XGBoosterCreate(NULL, 0, &booster));
	check(XGBoosterSetParam(booster, "nthread", "1"));
	check(XGBoosterLoadModel(booster, argv[1]));
	check(XGProxyDMatrixCreate(&proxy));
	snprintf(array, sizeof(array),
			 "{\"data\": [%zu, true], \"shape\": [%zu, %d], \"typestr\": \"<f4\", \"version\": 3}",
			 (size_t) (uintptr_t) values, rows, columns);
	for (int run = 0; run < RUNS; run++)
	{
		double		start = now();
		const bst_ulong *shape;
		bst_ulong	dimensions;
		const float *result;

		check(XGBoosterPredictFromDense(booster, array,
										"{\"type\": 0, \"iteration_begin\": 0, \"iteration_end\": 0,"
										" \"strict_shape\": false, \"training\": false, \"missing\": NaN,"
										" \"cache_id\": 0}",
										proxy, &shape, &dimensions, &result));
		seconds[run] = now() - start;
		sum = 0;
		for (size_t i = 0; i < rows; i++)
			sum += (double) result[i];
	}
	qsort(seconds, RUNS, sizeof(double), compare);
	printf("%.6f %.17g\n", seconds[RUNS / 2], sum);
	return 0;
}
