/*-------------------------------------------------------------------------
 *
 * lightgbm_speed.c
 *	  How long scoring takes, beside LightGBM in the same run.
 *
 * Usage: lightgbm_speed LIBRARY [ROWS]; lightgbm_speed.sh builds and runs it.
 *
 * Has the library train models on random numbers with noise, 28 columns, 2 %
 * of them missing; then scores other rows of the same kind, all distinct, in
 * three ways, each on one thread: the library with all rows at once, the
 * library with one call per row by its fastest way for that
 * (LGBM_BoosterPredictForMatSingleRowFast), and the row kernel with one call
 * per row.  The three take turns; the fastest turn of each counts.  Ratios
 * above 1 mean that ours is faster.
 *
 * The contributions of fewer of these rows are compared likewise, those of the
 * library computed for all at once.  The difference is the largest of a value,
 * relative to the largest value of its row.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#undef printf
#undef fprintf
#undef snprintf
#undef sprintf

#include <math.h>
#include <time.h>

#include "lightgbm_library.h"
#include "forest/forest.h"
#include "forest/shap.h"

#define COLUMNS		28
#define TRAIN_ROWS	20000
#define TURNS		7
#define EXPLAINED_ROWS	500

static uint64 state = UINT64CONST(0x9E3779B97F4A7C15);

/* xorshift64* */
static uint64
next_random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64CONST(2685821657736338717);
}

/* about normal */
static double
normal(void)
{
	double		sum = 0;

	for (int i = 0; i < 12; i++)
		sum += ldexp((double) (next_random() >> 11), -53);
	return sum - 6;
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

/* rows; the last columns are categories, of which each has as many */
static double *
make_rows(int count, int categorical, int categories)
{
	double	   *rows = malloc((size_t) count * COLUMNS * sizeof(double));

	for (size_t i = 0; i < (size_t) count * COLUMNS; i++)
	{
		rows[i] = (int) (i % COLUMNS) >= COLUMNS - categorical ?
			(double) (next_random() % categories) : normal();
		if (next_random() % 50 == 0)
			rows[i] = NAN;
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

static const MlopsForestEnv env = {env_alloc, env_release, NULL, NULL};

/* the text of a model of this shape */
static char *
train(int trees, int leaves, int categorical, int categories, int64_t *len)
{
	double	   *rows = make_rows(TRAIN_ROWS, categorical, categories);
	float	   *labels = malloc(TRAIN_ROWS * sizeof(float));
	char		parameters[512];
	Handle		dataset;
	Handle		booster;
	char	   *text;
	int			finished;

	for (int i = 0; i < TRAIN_ROWS; i++)
	{
		const double *row = rows + (size_t) i * COLUMNS;
		double		sum = 2 * normal();

		for (int k = 0; k < COLUMNS; k++)
		{
			double		value = isnan(row[k]) ? 0.3 : row[k];

			if (k >= COLUMNS - categorical)
				value = sin(value * (k + 1));
			sum += k % 3 == 0 ? value * value * 0.4 : k % 3 == 1 ? value : fabs(value);
		}
		labels[i] = sum > COLUMNS / 3.0;
	}
	snprintf(parameters, sizeof(parameters),
			 "objective=binary verbosity=-1 num_threads=1 num_leaves=%d learning_rate=0.1 categorical_feature=",
			 leaves);
	for (int k = COLUMNS - categorical; k < COLUMNS; k++)
		sprintf(parameters + strlen(parameters), "%s%d", k > COLUMNS - categorical ? "," : "", k);
	CHECK(dataset_create(rows, TYPE_FLOAT64, TRAIN_ROWS, COLUMNS, 1, parameters, NULL, &dataset));
	CHECK(dataset_set_field(dataset, "label", labels, TRAIN_ROWS, TYPE_FLOAT32));
	CHECK(booster_create(dataset, parameters, &booster));
	for (int i = 0; i < trees; i++)
		CHECK(booster_update(booster, &finished));
	CHECK(booster_save(booster, 0, -1, 0, 0, len, NULL));
	text = malloc(*len);
	CHECK(booster_save(booster, 0, -1, 0, *len, len, text));
	CHECK(booster_free(booster));
	CHECK(dataset_free(dataset));
	free(rows);
	free(labels);
	return text;
}

/*
 * Compare the contributions of some rows.
 */
static void
compare_contributions(Handle booster, const MlopsForest *forest, const double *rows, int num_rows)
{
	MlopsForestError error;
	MlopsShap  *shap = mlops_shap_create(forest, &env, &error);
	double	   *theirs = malloc((size_t) num_rows * (COLUMNS + 1) * sizeof(double));
	double	   *ours = malloc((size_t) num_rows * (COLUMNS + 1) * sizeof(double));
	double		best[2] = {INFINITY, INFINITY};
	double		worst = 0;
	int64_t		count;
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));
	void	   *shap_scratch;

	if (shap == NULL)
	{
		fprintf(stderr, "%s\n", error.message);
		exit(1);
	}
	shap_scratch = malloc(mlops_shap_scratch_size(shap));
	for (int turn = 0; turn < TURNS; turn++)
	{
		double		start = now();

		CHECK(predict_batch(booster, rows, TYPE_FLOAT64, num_rows, COLUMNS, 1, PREDICT_CONTRIB, 0, -1,
							"num_threads=1", &count, theirs));
		best[0] = Min(best[0], now() - start);
		start = now();
		for (int i = 0; i < num_rows; i++)
		{
			const double *row = rows + (size_t) i * COLUMNS;
			double		margin;

			mlops_forest_margin64(forest, row, scratch, &margin);
			if (!mlops_shap_contributions(shap, forest, row, 0, margin, shap_scratch, &env,
										  ours + (size_t) i * (COLUMNS + 1), &error))
			{
				fprintf(stderr, "%s\n", error.message);
				exit(1);
			}
		}
		best[1] = Min(best[1], now() - start);
	}
	for (int i = 0; i < num_rows; i++)
	{
		const double *a = ours + (size_t) i * (COLUMNS + 1);
		const double *b = theirs + (size_t) i * (COLUMNS + 1);
		double		largest = 0;

		for (int k = 0; k <= COLUMNS; k++)
			largest = Max(largest, fabs(b[k]));
		for (int k = 0; k <= COLUMNS; k++)
			worst = Max(worst, fabs(a[k] - b[k]) / largest);
	}
	printf("     contributions                    %8.1f            %8.1f us  %6.2f          difference %.1g\n",
		   best[0] / num_rows * 1e6, best[1] / num_rows * 1e6, best[0] / best[1], worst);
	fflush(stdout);
	free(shap);
	free(shap_scratch);
	free(scratch);
	free(theirs);
	free(ours);
	if (!(worst < 1e-5))
		exit(1);
}

static void
compare(int trees, int leaves, int categorical, int categories, int num_rows)
{
	int64_t		len;
	char	   *text = train(trees, leaves, categorical, categories, &len);
	double	   *rows = make_rows(num_rows, categorical, categories);
	double	   *batch = malloc(num_rows * sizeof(double));
	double	   *single = malloc(num_rows * sizeof(double));
	double	   *ours = malloc(num_rows * sizeof(double));
	double		best[3] = {INFINITY, INFINITY, INFINITY};
	int			different = 0;
	int			iterations;
	int64_t		count;
	Handle		booster;
	Handle		fast;
	MlopsForest *forest;
	MlopsForestError error;
	MlopsForestInfo info;
	void	   *scratch;

	CHECK(booster_load(text, &iterations, &booster));
	CHECK(fast_init(booster, PREDICT_RAW, 0, -1, TYPE_FLOAT64, COLUMNS, "num_threads=1", &fast));
	forest = mlops_forest_read(text, len - 1, &env, &error);
	if (forest == NULL)
	{
		fprintf(stderr, "%s\n", error.message);
		exit(1);
	}
	mlops_forest_info(forest, &info);
	scratch = malloc(mlops_forest_scratch_size(forest));

	for (int turn = 0; turn < TURNS; turn++)
	{
		double		start = now();

		CHECK(predict_batch(booster, rows, TYPE_FLOAT64, num_rows, COLUMNS, 1, PREDICT_RAW, 0, -1,
							"num_threads=1", &count, batch));
		best[0] = Min(best[0], now() - start);
		start = now();
		for (int i = 0; i < num_rows; i++)
			CHECK(fast_predict(fast, rows + (size_t) i * COLUMNS, &count, &single[i]));
		best[1] = Min(best[1], now() - start);
		start = now();
		for (int i = 0; i < num_rows; i++)
			mlops_forest_margin64(forest, rows + (size_t) i * COLUMNS, scratch, &ours[i]);
		best[2] = Min(best[2], now() - start);
	}
	for (int i = 0; i < num_rows; i++)
		different += memcmp(&ours[i], &batch[i], sizeof(double)) != 0 ||
			memcmp(&ours[i], &single[i], sizeof(double)) != 0;
	printf("%4d x %3d leaves%s  depth %3d  %8.3f  %8.3f  %8.3f us  %6.2f  %6.2f  %d of %d differ\n",
		   trees, leaves, categorical > 0 ? ", 8 categorical" : "               ", info.max_depth,
		   best[0] / num_rows * 1e6, best[1] / num_rows * 1e6, best[2] / num_rows * 1e6,
		   best[0] / best[2], best[1] / best[2], different, num_rows);
	fflush(stdout);
	compare_contributions(booster, forest, rows, Min(num_rows, EXPLAINED_ROWS));
	CHECK(fast_free(fast));
	CHECK(booster_free(booster));
	free(forest);
	free(scratch);
	free(text);
	free(rows);
	free(batch);
	free(single);
	free(ours);
	if (different > 0)
		exit(1);
}

int
main(int argc, char **argv)
{
	int			num_rows = argc > 2 ? atoi(argv[2]) : 20000;

	if (argc < 2 || num_rows < 1)
	{
		fprintf(stderr, "usage: lightgbm_speed LIBRARY [ROWS]\n");
		return 2;
	}
	open_library(argv[1]);
	printf("time per row: the library with all rows, the library row by row, ours row by row;\n"
		   "then how many times faster ours is than the first and than the second\n");
	compare(100, 31, 0, 0, num_rows);
	compare(500, 31, 0, 0, num_rows);
	compare(500, 31, 8, 30, num_rows);
	compare(500, 127, 0, 0, num_rows);
	return 0;
}
