/*-------------------------------------------------------------------------
 *
 * forest_batch.c
 *	  How long scoring many rows takes, by each instruction set, beside
 *	  libxgboost in the same run.
 *
 * Usage: forest_batch [rows [folder]]
 *
 * Trains the models of forest_speed.c, or takes them from the folder, where it
 * also keeps them; then scores other rows of the same kind, all distinct, on one
 * thread: libxgboost with all rows at once, the row kernel with one call per row,
 * and the batch with MLOPS_BATCH_ROWS rows per call, by each instruction set that
 * the machine has.  They take turns, so that a machine that slows down slows all
 * of them; the medians of processor time count.  Ends with 1 if a row differs
 * from libxgboost's in any bit.
 *
 *-------------------------------------------------------------------------
 */
/* link: -lxgboost */
#include "forest_rows.h"

#define TURNS		7

/* besides the instruction sets */
#define BY_ROW		MLOPS_NUM_SIMD
#define THEIRS		(MLOPS_NUM_SIMD + 1)
#define NUM_WAYS	(MLOPS_NUM_SIMD + 2)

static const char *const names[NUM_WAYS] = {"plain", "avx2", "avx512", "row", "libxgboost"};

/* train a model; the file of it is the caller's */
static char *
train(int trees, int depth, bst_ulong *len)
{
	static DMatrixHandle matrix = NULL;
	BoosterHandle booster;
	const char *bytes;
	char	   *copy;
	char		value[16];

	if (matrix == NULL)
	{
		float	   *rows = malloc((size_t) TRAIN_ROWS * COLUMNS * sizeof(float));
		float	   *labels = malloc(TRAIN_ROWS * sizeof(float));

		make_rows(rows, labels, TRAIN_ROWS);
		CHECK(XGDMatrixCreateFromMat(rows, TRAIN_ROWS, COLUMNS, NAN, &matrix));
		CHECK(XGDMatrixSetFloatInfo(matrix, "label", labels, TRAIN_ROWS));
		free(rows);
		free(labels);
	}
	CHECK(XGBoosterCreate(&matrix, 1, &booster));
	CHECK(XGBoosterSetParam(booster, "objective", "binary:logistic"));
	CHECK(XGBoosterSetParam(booster, "tree_method", "hist"));
	CHECK(XGBoosterSetParam(booster, "eta", "0.05"));
	CHECK(XGBoosterSetParam(booster, "verbosity", "0"));
	CHECK(XGBoosterSetParam(booster, "seed", "1"));
	snprintf(value, sizeof(value), "%d", depth);
	CHECK(XGBoosterSetParam(booster, "max_depth", value));
	for (int i = 0; i < trees; i++)
		CHECK(XGBoosterUpdateOneIter(booster, i, matrix));
	CHECK(XGBoosterSaveModelToBuffer(booster, "{\"format\":\"ubj\"}", len, &bytes));
	copy = memcpy(malloc(*len), bytes, *len);
	CHECK(XGBoosterFree(booster));
	return copy;
}

/* a model from the folder, or trained and, if there is one, put there */
static char *
model_file(const char *folder, int trees, int depth, bst_ulong *len)
{
	char		path[1024];
	FILE	   *file = NULL;
	char	   *bytes;

	snprintf(path, sizeof(path), "%s/%dx%d.ubj", folder ? folder : "", trees, depth);
	if (folder != NULL)
		file = fopen(path, "rb");
	if (file != NULL)
	{
		fseek(file, 0, SEEK_END);
		*len = ftell(file);
		rewind(file);
		bytes = malloc(*len);
		*len = fread(bytes, 1, *len, file);
		fclose(file);
		return bytes;
	}
	bytes = train(trees, depth, len);
	if (folder != NULL && (file = fopen(path, "wb")) != NULL)
	{
		fwrite(bytes, 1, *len, file);
		fclose(file);
	}
	return bytes;
}

/* score all rows, in one of the ways */
static void
score(const MlopsForest *forest, int way, const float *rows, int count, void *scratch, float *margins)
{
	if (way == BY_ROW)
	{
		for (int i = 0; i < count; i++)
			mlops_forest_margin(forest, rows + (size_t) i * COLUMNS, scratch, &margins[i]);
		return;
	}
	mlops_forest_simd_set(way);
	for (int i = 0; i < count; i += MLOPS_BATCH_ROWS)
		mlops_forest_margin_batch(forest, rows + (size_t) i * COLUMNS,
								  Min(count - i, MLOPS_BATCH_ROWS), scratch, margins + i);
}

static int
compare_times(const void *a, const void *b)
{
	double		difference = *(const double *) a - *(const double *) b;

	return (difference > 0) - (difference < 0);
}

/*
 * One model: read, score, print a line for each way.  Returns how many rows
 * differ; ratios are libxgboost's time to ours, and 0 where the machine lacks
 * the instruction set.
 */
static long
bench(const char *folder, int trees, int depth, const float *rows, int count, double *ratios)
{
	BoosterHandle booster;
	DMatrixHandle proxy;
	bst_ulong	len;
	char	   *bytes = model_file(folder, trees, depth, &len);
	MlopsForestError error;
	MlopsForest *forest = mlops_forest_read(bytes, len, &env, &error);
	void	   *scratch;
	float	   *margins[NUM_WAYS];
	double		times[NUM_WAYS][TURNS];
	double		median[NUM_WAYS];
	long		all_differ = 0;

	if (forest == NULL)
	{
		fprintf(stderr, "%s\n", error.message);
		exit(1);
	}

	/* a new booster has nothing cached of the training */
	CHECK(XGBoosterCreate(NULL, 0, &booster));
	CHECK(XGBoosterSetParam(booster, "nthread", "1"));
	CHECK(XGBoosterLoadModelFromBuffer(booster, bytes, len));
	CHECK(XGBoosterSetParam(booster, "nthread", "1"));
	CHECK(XGProxyDMatrixCreate(&proxy));
	scratch = malloc(Max(mlops_forest_batch_scratch_size(forest), mlops_forest_scratch_size(forest)));
	for (int way = 0; way < NUM_WAYS; way++)
	{
		margins[way] = calloc(count, sizeof(float));
		median[way] = 0;
	}

	for (int turn = 0; turn < TURNS; turn++)
	{
		for (int way = 0; way < NUM_WAYS; way++)
		{
			double		start = seconds();

			if (way == THEIRS)
			{
				char		array[200];
				const bst_ulong *shape;
				bst_ulong	dim;
				const float *result;

				snprintf(array, sizeof(array),
						 "{\"data\":[%zu,true],\"shape\":[%d,%d],\"typestr\":\"<f4\",\"version\":3}",
						 (size_t) rows, count, COLUMNS);
				CHECK(XGBoosterPredictFromDense(booster, array, config, proxy, &shape, &dim, &result));
				memcpy(margins[way], result, count * sizeof(float));
			}
			else if (way == BY_ROW || mlops_forest_simd_supported(way))
				score(forest, way, rows, count, scratch, margins[way]);
			else
				continue;
			times[way][turn] = (seconds() - start) / count;
		}
	}

	for (int way = 0; way < NUM_WAYS; way++)
	{
		if (way < MLOPS_NUM_SIMD && !mlops_forest_simd_supported(way))
			continue;
		qsort(times[way], TURNS, sizeof(double), compare_times);
		median[way] = times[way][TURNS / 2];
	}
	for (int way = NUM_WAYS - 1; way >= 0; way--)
	{
		long		differ = 0;
		char		model[32] = "";

		ratios[way] = median[way] > 0 ? median[THEIRS] / median[way] : 0;

		if (way == THEIRS)
			snprintf(model, sizeof(model), "%d x %d", trees, depth);
		if (way < MLOPS_NUM_SIMD && !mlops_forest_simd_supported(way))
		{
			printf("%10s  %-10s  not on this machine\n", model, names[way]);
			continue;
		}
		for (int i = 0; i < count; i++)
			differ += memcmp(&margins[way][i], &margins[THEIRS][i], sizeof(float)) != 0;
		printf("%10s  %-10s  %8.3f  %7.2f  %8.1f  %6.1f  %6ld\n", model, names[way],
			   median[way] * 1e6, median[way] * 1e9 / trees, ratios[way],
			   median[BY_ROW] / median[way], differ);
		all_differ += differ;
	}
	fflush(stdout);
	CHECK(XGDMatrixFree(proxy));
	CHECK(XGBoosterFree(booster));
	for (int way = 0; way < NUM_WAYS; way++)
		free(margins[way]);
	free(scratch);
	free(forest);
	free(bytes);
	return all_differ;
}

int
main(int argc, char **argv)
{
	static const int models[][2] = {{100, 6}, {500, 6}, {500, 8}, {1000, 8}, {2000, 10}};
	/* what libxgboost's time must be, as a multiple of ours; 0: anything */
	static const double least[lengthof(models)][MLOPS_NUM_SIMD] = {{1.5, 4, 6}, {1.5}, {1.5, 3, 4}, {1.5}, {1.5}};
	double		ratios[lengthof(models)][NUM_WAYS];
	int			count = argc > 1 ? atoi(argv[1]) : 50000;
	const char *folder = argc > 2 ? argv[2] : NULL;
	float	   *rows = malloc((size_t) count * COLUMNS * sizeof(float));
	long		differ = 0;

	make_rows(rows, NULL, count);
	printf("one thread, %d distinct rows of %d columns\n\n", count, COLUMNS);
	printf("%10s  %-10s  %8s  %7s  %8s  %6s  %6s\n", "model", "by", "µs per ", "ns per", "times",
		   "times", "rows");
	printf("%10s  %-10s  %8s  %7s  %8s  %6s  %6s\n", "", "", "row", "tree", "libxgb.",
		   "row", "differ");
	for (int i = 0; i < (int) lengthof(models); i++)
		differ += bench(folder, models[i][0], models[i][1], rows, count, ratios[i]);
	printf("\n");
	for (int i = 0; i < (int) lengthof(models); i++)
	{
		for (int simd = MLOPS_NUM_SIMD - 1; simd >= 0; simd--)
		{
			if (least[i][simd] > 0 && ratios[i][simd] > 0)
				printf("libxgboost, batch / ours, batch by %s, %d x %d  %6.1f\t(at least %g)\n", names[simd],
					   models[i][0], models[i][1], ratios[i][simd], least[i][simd]);
		}
	}
	printf("rows whose margins differ  %ld\t(at most 0)\n", differ);
	free(rows);
	return differ > 0;
}
