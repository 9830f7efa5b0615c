/*-------------------------------------------------------------------------
 *
 * forest_speed.c
 *	  How long scoring takes, beside libxgboost in the same run.
 *
 * Usage: forest_speed [rows]
 *
 * Trains models on random numbers with noise, 28 columns, 2 % of them missing,
 * so that trees are as uneven as real ones; then scores other rows of the same
 * kind, all distinct, in three ways, each on one thread: libxgboost with all
 * rows at once, libxgboost with one call per row, and the row kernel with one
 * call per row.  The three take turns in slices, so that a machine that slows
 * down slows all of them; the fastest slice of each counts, in processor time.
 * Ratios above 1 mean that ours is faster.
 *
 *-------------------------------------------------------------------------
 */
/* link: -lxgboost */
#include "forest_rows.h"

#define SLICES		5

/* a function, since a macro would look at the clock twice */
static double
lesser(double a, double b)
{
	return a < b ? a : b;
}

/* one model: train, read, score, print a line */
static void
bench(DMatrixHandle train, int trees, int depth, const float *rows, int count,
	  double *batch_ratio, double *call_ratio)
{
	BoosterHandle booster;
	DMatrixHandle proxy;
	const char *bytes;
	bst_ulong	len;
	char		value[16];
	MlopsForest *forest = NULL;
	MlopsForestError error;
	MlopsForestInfo info;
	void	   *scratch;
	float	   *margins;
	float	   *expected;
	double		best_batch = 1e9;
	double		best_call = 1e9;
	double		best_ours = 1e9;
	double		read_theirs = 1e9;
	double		read_ours = 1e9;
	long		differ = 0;
	int			calls = Min(count, 500 + 2000000 / trees);

	CHECK(XGBoosterCreate(&train, 1, &booster));
	CHECK(XGBoosterSetParam(booster, "objective", "binary:logistic"));
	CHECK(XGBoosterSetParam(booster, "tree_method", "hist"));
	CHECK(XGBoosterSetParam(booster, "eta", "0.05"));
	CHECK(XGBoosterSetParam(booster, "verbosity", "0"));
	CHECK(XGBoosterSetParam(booster, "seed", "1"));
	snprintf(value, sizeof(value), "%d", depth);
	CHECK(XGBoosterSetParam(booster, "max_depth", value));
	for (int i = 0; i < trees; i++)
		CHECK(XGBoosterUpdateOneIter(booster, i, train));
	CHECK(XGBoosterSaveModelToBuffer(booster, "{\"format\":\"ubj\"}", &len, &bytes));
	bytes = memcpy(malloc(len), bytes, len);
	CHECK(XGBoosterFree(booster));

	/* read it; a new booster has nothing cached of the training */
	for (int slice = 0; slice < SLICES; slice++)
	{
		double		start;

		if (slice > 0)
		{
			CHECK(XGBoosterFree(booster));
			free(forest);
		}
		CHECK(XGBoosterCreate(NULL, 0, &booster));
		CHECK(XGBoosterSetParam(booster, "nthread", "1"));
		start = seconds();
		CHECK(XGBoosterLoadModelFromBuffer(booster, bytes, len));
		read_theirs = lesser(read_theirs, seconds() - start);
		CHECK(XGBoosterSetParam(booster, "nthread", "1"));
		start = seconds();
		forest = mlops_forest_read(bytes, len, &env, &error);
		read_ours = lesser(read_ours, seconds() - start);
		if (forest == NULL)
		{
			fprintf(stderr, "%s\n", error.message);
			exit(1);
		}
	}
	mlops_forest_info(forest, &info);
	scratch = malloc(mlops_forest_scratch_size(forest));
	margins = malloc(count * sizeof(float));
	expected = malloc(count * sizeof(float));
	CHECK(XGProxyDMatrixCreate(&proxy));

	for (int slice = 0; slice < SLICES; slice++)
	{
		char		array[200];
		const bst_ulong *shape;
		bst_ulong	dim;
		const float *result;
		double		start;

		snprintf(array, sizeof(array),
				 "{\"data\":[%zu,true],\"shape\":[%d,%d],\"typestr\":\"<f4\",\"version\":3}",
				 (size_t) rows, count, COLUMNS);
		start = seconds();
		CHECK(XGBoosterPredictFromDense(booster, array, config, proxy, &shape, &dim, &result));
		best_batch = lesser(best_batch, (seconds() - start) / count);
		memcpy(expected, result, count * sizeof(float));

		start = seconds();
		for (int i = 0; i < calls; i++)
		{
			snprintf(array, sizeof(array),
					 "{\"data\":[%zu,true],\"shape\":[1,%d],\"typestr\":\"<f4\",\"version\":3}",
					 (size_t) (rows + (size_t) i * COLUMNS), COLUMNS);
			CHECK(XGBoosterPredictFromDense(booster, array, config, proxy, &shape, &dim, &result));
		}
		best_call = lesser(best_call, (seconds() - start) / calls);

		start = seconds();
		for (int i = 0; i < count; i++)
			mlops_forest_margin(forest, rows + (size_t) i * COLUMNS, scratch, &margins[i]);
		best_ours = lesser(best_ours, (seconds() - start) / count);
	}
	for (int i = 0; i < count; i++)
		differ += memcmp(&margins[i], &expected[i], sizeof(float)) != 0;

	printf("%5d x %-2d  %9ld  %8.2f  %8.2f  %8.2f  %6.2f  %8.1f  %8.1f  %6.1f  %6ld\n",
		   trees, depth, (long) info.num_nodes, best_batch * 1e6, best_call * 1e6, best_ours * 1e6,
		   best_ours * 1e9 / trees, best_batch / best_ours, best_call / best_ours,
		   read_theirs / read_ours, differ);
	fflush(stdout);
	*batch_ratio = best_batch / best_ours;
	*call_ratio = best_call / best_ours;
	CHECK(XGDMatrixFree(proxy));
	CHECK(XGBoosterFree(booster));
	free(forest);
	free(scratch);
	free(margins);
	free(expected);
	free((void *) bytes);
}

int
main(int argc, char **argv)
{
	static const int models[][2] = {{100, 6}, {500, 6}, {500, 8}, {1000, 8}, {2000, 10}};
	/* the ratios that ours must reach; 0: any */
	static const double least_batch[] = {2, 2, 2, 1, 1};
	static const double least_call[] = {8, 0, 5, 0, 0};
	double		batch[lengthof(models)];
	double		call[lengthof(models)];
	int			count = argc > 1 ? atoi(argv[1]) : 50000;
	float	   *train_rows = malloc((size_t) TRAIN_ROWS * COLUMNS * sizeof(float));
	float	   *labels = malloc(TRAIN_ROWS * sizeof(float));
	float	   *rows = malloc((size_t) count * COLUMNS * sizeof(float));
	DMatrixHandle train;

	make_rows(train_rows, labels, TRAIN_ROWS);
	make_rows(rows, NULL, count);
	CHECK(XGDMatrixCreateFromMat(train_rows, TRAIN_ROWS, COLUMNS, NAN, &train));
	CHECK(XGDMatrixSetFloatInfo(train, "label", labels, TRAIN_ROWS));

	printf("microseconds per row, one thread, %d distinct rows of %d columns\n\n", count, COLUMNS);
	printf("%10s  %9s  %8s  %8s  %8s  %6s  %8s  %8s  %6s  %6s\n", "model", "nodes", "batch",
		   "call", "ours", "ns per", "batch", "call", "read", "rows");
	printf("%10s  %9s  %8s  %8s  %8s  %6s  %8s  %8s  %6s  %6s\n", "", "", "", "", "", "tree",
		   "/ ours", "/ ours", "/ ours", "differ");
	for (int i = 0; i < (int) lengthof(models); i++)
		bench(train, models[i][0], models[i][1], rows, count, &batch[i], &call[i]);
	printf("\n");
	for (int i = 0; i < (int) lengthof(models); i++)
	{
		if (least_call[i] > 0)
			printf("libxgboost, call per row / ours, %d x %d  %6.1f\t(at least %g)\n", models[i][0], models[i][1],
				   call[i], least_call[i]);
		printf("libxgboost, batch / ours, row by row, %d x %d  %6.1f\t(at least %g)\n", models[i][0], models[i][1],
			   batch[i], least_batch[i]);
	}
	CHECK(XGDMatrixFree(train));
	free(train_rows);
	free(labels);
	free(rows);
	return 0;
}
