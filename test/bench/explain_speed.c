/*-------------------------------------------------------------------------
 *
 * explain_speed.c
 *	  The time of one row's contributions, as a ratio to libxgboost's
 *	  pred_contribs of a batch, on one thread, in one run.
 *
 * explain_speed [TREESxDEPTH...]: for each shape, trains a model on random
 * rows with realistic splits and 2 % missing values, and has both explain the
 * same rows, none twice, fewer of them the larger the model is.  Both take
 * turns, five times; the medians of the processor's time count.  The difference
 * is the largest of a value, relative to the largest value of its row, the base
 * included.  Ends with status 1 if a ratio is below 2 or a difference above
 * 1e-5.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#undef printf
#undef fprintf

#include <math.h>
#include <time.h>
#include <xgboost/c_api.h>

#include "forest/forest.h"
#include "forest/shap.h"

#define FEATURES	28
#define TRAINING	50000
#define ROWS		2000
#define MAX_MODELS	16
#define RUNS		5

static uint64 random_state = 1;

/* end with the library's words if a call failed */
static void
check(int result)
{
	if (result != 0)
	{
		fprintf(stderr, "%s\n", XGBGetLastError());
		exit(2);
	}
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
uniform(void)
{
	random_state = random_state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (double) (random_state >> 11) / 9007199254740992.0;
}

static double
normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
}

/*
 * Random rows, and labels that depend on products and waves of the features.
 */
static float *
make_rows(int count, float *labels)
{
	float	   *rows = malloc(sizeof(float) * FEATURES * count);

	for (int i = 0; i < count; i++)
	{
		float	   *row = rows + (size_t) i * FEATURES;
		double		sum = 3 * normal();

		for (int k = 0; k < FEATURES; k++)
			row[k] = (float) normal();
		for (int k = 0; k + 2 < FEATURES; k += 3)
			sum += row[k] * row[k + 1] + sin(2 * row[k + 2]);
		if (labels != NULL)
			labels[i] = sum > 0;
		for (int k = 0; k < FEATURES; k++)
			if (uniform() < 0.02)
				row[k] = NAN;
	}
	return rows;
}

static void *
env_alloc(void *arg, size_t size)
{
	return malloc(size);
}

static void
env_release(void *arg, void *chunk)
{
	free(chunk);
}

/*
 * Train and compare one shape: how much faster ours is, and the largest
 * difference of a contribution, relative to the largest of its row.
 */
static void
measure(int trees, int depth, DMatrixHandle training, const float *rows,
		double *ratio, double *difference)
{
	static const MlopsForestEnv env = {env_alloc, env_release, NULL, NULL};
	MlopsForestError error;
	int			num_rows = (int) Max(100, Min(ROWS, INT64CONST(64000000) / ((int64) trees << depth)));
	BoosterHandle booster;
	DMatrixHandle matrix;
	char		number[16];
	const char *bytes;
	bst_ulong	len;
	MlopsForest *forest;
	MlopsShap  *shap;
	void	   *scratch;
	void	   *shap_scratch;
	double		created;
	double		values[FEATURES + 1];
	double		theirs[RUNS];
	double		ours[RUNS];
	double		worst = 0;

	check(XGDMatrixCreateFromMat(rows, num_rows, FEATURES, NAN, &matrix));
	check(XGBoosterCreate(&training, 1, &booster));
	snprintf(number, sizeof(number), "%d", depth);
	check(XGBoosterSetParam(booster, "max_depth", number));
	check(XGBoosterSetParam(booster, "objective", "binary:logistic"));
	check(XGBoosterSetParam(booster, "tree_method", "hist"));
	check(XGBoosterSetParam(booster, "eta", "0.05"));
	check(XGBoosterSetParam(booster, "nthread", "1"));
	for (int i = 0; i < trees; i++)
		check(XGBoosterUpdateOneIter(booster, i, training));
	check(XGBoosterSetParam(booster, "nthread", "1"));
	check(XGBoosterSaveModelToBuffer(booster, "{\"format\": \"ubj\"}", &len, &bytes));
	forest = mlops_forest_read(bytes, len, &env, &error);
	created = now();
	shap = forest == NULL ? NULL : mlops_shap_create(forest, &env, &error);
	created = now() - created;
	if (shap == NULL)
	{
		fprintf(stderr, "%s\n", error.message);
		exit(2);
	}
	scratch = malloc(mlops_forest_scratch_size(forest));
	shap_scratch = malloc(mlops_shap_scratch_size(shap));

	for (int run = 0; run < RUNS; run++)
	{
		const bst_ulong *shape;
		bst_ulong	dimensions;
		const float *result;
		double		start = now();

		check(XGBoosterPredictFromDMatrix(booster, matrix,
										  "{\"type\": 2, \"iteration_begin\": 0, \"iteration_end\": 0,"
										  " \"strict_shape\": false, \"training\": false}",
										  &shape, &dimensions, &result));
		theirs[run] = now() - start;
		ours[run] = 0;
		for (int i = 0; i < num_rows; i++)
		{
			const float *row = rows + (size_t) i * FEATURES;
			const float *expected = result + (size_t) i * (FEATURES + 1);
			float		margin;
			double		largest = 0;

			start = now();
			mlops_forest_margin(forest, row, scratch, &margin);
			if (!mlops_shap_contributions(shap, forest, row, 0, margin, shap_scratch, &env, values, &error))
			{
				fprintf(stderr, "%s\n", error.message);
				exit(2);
			}
			ours[run] += now() - start;
			for (int k = 0; k <= FEATURES; k++)
				largest = Max(largest, fabs(values[k]));
			for (int k = 0; k <= FEATURES; k++)
				worst = Max(worst, fabs(values[k] - (double) expected[k]) / largest);
		}
	}
	qsort(theirs, RUNS, sizeof(double), compare);
	qsort(ours, RUNS, sizeof(double), compare);
	snprintf(number, sizeof(number), "%dx%d", trees, depth);
	printf("%-10s %12.1f %12.1f %8.1f %12.2g %10.1f %10.1f\n", number, theirs[RUNS / 2] / num_rows * 1e6,
		   ours[RUNS / 2] / num_rows * 1e6, theirs[RUNS / 2] / ours[RUNS / 2], worst,
		   created * 1e3, (double) mlops_shap_size(shap) / 1e6);
	fflush(stdout);

	free(shap_scratch);
	free(scratch);
	free(shap);
	free(forest);
	check(XGBoosterFree(booster));
	check(XGDMatrixFree(matrix));
	*ratio = theirs[RUNS / 2] / ours[RUNS / 2];
	*difference = worst;
}

int
main(int argc, char **argv)
{
	static char *usual[] = {"", "100x6", "500x6", "500x8"};
	float	   *labels = malloc(sizeof(float) * TRAINING);
	float	   *training_rows = make_rows(TRAINING, labels);
	float	   *rows = make_rows(ROWS, NULL);
	DMatrixHandle training;
	double		ratios[MAX_MODELS];
	double		worst = 0;
	bool		good = true;

	if (argc < 2)
	{
		argc = lengthof(usual);
		argv = usual;
	}
	check(XGDMatrixCreateFromMat(training_rows, TRAINING, FEATURES, NAN, &training));
	check(XGDMatrixSetFloatInfo(training, "label", labels, TRAINING));

	printf("%-10s %12s %12s %8s %12s %10s %10s\n", "model", "libxgboost", "mlops", "ratio", "difference",
		   "prepare", "size");
	printf("%-10s %12s %12s %8s %12s %10s %10s\n", "", "us per row", "us per row", "", "relative", "ms", "MB");
	for (int i = 1; i < argc; i++)
	{
		int			trees;
		int			depth;
		double		difference;

		if (sscanf(argv[i], "%dx%d", &trees, &depth) != 2 || i > MAX_MODELS)
		{
			fprintf(stderr, "usage: explain_speed [TREESxDEPTH...]\n");
			return 2;
		}
		measure(trees, depth, training, rows, &ratios[i - 1], &difference);
		worst = Max(worst, difference);
		good = good && ratios[i - 1] >= 2;
	}
	printf("\n");
	for (int i = 1; i < argc; i++)
		printf("libxgboost's contributions / ours, %s  %6.1f\t(at least 2)\n", argv[i], ratios[i - 1]);
	printf("largest relative difference  %.2g\t(at most 0.00001)\n", worst);
	good = good && worst <= 1e-5;
	return good ? 0 : 1;
}
