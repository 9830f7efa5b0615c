/*-------------------------------------------------------------------------
 *
 * training_ready.c
 *	  libxgboost's own training, as the peer of mlops.train().
 *
 * training_ready ROWS COLUMNS ROUNDS THREADS < floats: reads rows of COLUMNS
 * features and a label, as float32, and trains with the parameters of
 * training_overhead.sh.  Prints two times in seconds: from the matrix of
 * floats in memory to the model's bytes, and the boosting alone.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xgboost/c_api.h>

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

/* the array interface of some columns of the rows */
static const char *
interface(const float *first, size_t rows, size_t columns, size_t stride)
{
	static char array[256];

	if (columns == 1)
		snprintf(array, sizeof(array),
				 "{\"data\":[%zu,true],\"shape\":[%zu],\"strides\":[%zu],\"typestr\":\"<f4\",\"version\":3}",
				 (size_t) first, rows, stride);
	else
		snprintf(array, sizeof(array),
				 "{\"data\":[%zu,true],\"shape\":[%zu,%zu],\"strides\":[%zu,4],\"typestr\":\"<f4\",\"version\":3}",
				 (size_t) first, rows, columns, stride);
	return array;
}

int
main(int argc, char **argv)
{
	DMatrixHandle matrix;
	BoosterHandle booster;
	bst_ulong	length;
	const char *bytes;
	double		start;
	double		ready;

	if (argc != 5)
		return 2;

	size_t		rows = strtoul(argv[1], NULL, 10);
	size_t		columns = strtoul(argv[2], NULL, 10);
	int			rounds = atoi(argv[3]);
	size_t		stride = (columns + 1) * sizeof(float);
	float	   *floats = malloc(rows * stride);

	if (floats == NULL || fread(floats, stride, rows, stdin) != rows)
	{
		fprintf(stderr, "there are not %zu rows to read\n", rows);
		return 1;
	}

	start = now();
	check(XGDMatrixCreateFromDense(interface(floats, rows, columns, stride),
								   "{\"missing\":NaN}", &matrix));
	check(XGDMatrixSetInfoFromInterface(matrix, "label",
										interface(floats + columns, rows, 1, stride)));
	ready = now();
	check(XGBoosterCreate(&matrix, 1, &booster));
	check(XGBoosterSetParam(booster, "objective", "binary:logistic"));
	check(XGBoosterSetParam(booster, "tree_method", "hist"));
	check(XGBoosterSetParam(booster, "max_depth", "6"));
	check(XGBoosterSetParam(booster, "eta", "0.1"));
	check(XGBoosterSetParam(booster, "nthread", argv[4]));
	for (int round = 0; round < rounds; round++)
		check(XGBoosterUpdateOneIter(booster, round, matrix));
	check(XGBoosterSaveModelToBuffer(booster, "{\"format\":\"ubj\"}", &length, &bytes));
	printf("%.6f %.6f\n", now() - start, now() - ready);
	XGBoosterFree(booster);
	XGDMatrixFree(matrix);
	free(floats);
	return 0;
}
