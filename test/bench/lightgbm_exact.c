/*-------------------------------------------------------------------------
 *
 * lightgbm_exact.c
 *	  Scores beside LightGBM's, bit for bit, over a thousand models and ten
 *	  million pairs of a model and a row.
 *
 * Usage: lightgbm_exact LIBRARY [models [seed]]; lightgbm_exact.sh builds and
 * runs it.
 *
 * Has the library train models of all objectives and boosters, with parameters
 * drawn at random, and scores rows with it and with ours, one by one and in
 * batches: rows like those of training, values on thresholds and next to them,
 * what counts as zero and what just does not, infinities, denormals, missing
 * values, categories that training has not seen and what is no category.
 * Prints per objective how many rows differ, in margins and in outputs.  Exits
 * with 1 unless that is none.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#undef printf
#undef fprintf
#undef snprintf
#undef sprintf
#undef vsnprintf

#include <math.h>
#include <time.h>

#include "lightgbm_library.h"
#include "../unit/lightgbm_model.h"

#define MAX_COLUMNS		12
#define MAX_CLASSES		5
#define TRAIN_ROWS		600
#define ROWS			10000
#define MAX_CODE		400		/* categories of a column */

static const char *const objectives[] = {
	"binary", "regression", "multiclass", "multiclassova", "cross_entropy", "cross_entropy_lambda",
	"poisson", "gamma", "tweedie", "regression_l1", "huber", "fair", "quantile", "mape",
	"lambdarank", "rank_xendcg"
};

#define NUM_OBJECTIVES	((int) lengthof(objectives))

/* what was found of one objective */
typedef struct Count
{
	long		models;
	long		rows;
	long		untrained;		/* the library would not train them */
	long		refused;		/* by us */
	long		margins;
	long		outputs;
} Count;

/* one model to train */
typedef struct Setting
{
	const char *objective;
	int			columns;
	int			categorical;	/* columns that are categories: the last ones */
	int			codes;			/* of each of them */
	int			classes;
	int			rounds;
	char		parameters[800];
} Setting;

static int
below(int n)
{
	return (int) (next_random() % n);
}

static double
uniform(void)
{
	return ldexp((double) (next_random() >> 11), -53);
}

static double
normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
}

#define ONE_OF(...) (((const int[]) {__VA_ARGS__})[below(sizeof((int[]) {__VA_ARGS__}) / sizeof(int))])

__attribute__((format(printf, 2, 3)))
static void
add(Setting *setting, const char *format,...)
{
	size_t		len = strlen(setting->parameters);
	va_list		args;

	va_start(args, format);
	vsnprintf(setting->parameters + len, sizeof(setting->parameters) - len, format, args);
	va_end(args);
}

/* draw a model of an objective */
static void
draw_setting(Setting *setting, const char *objective)
{
	bool		classes = strncmp(objective, "multiclass", 10) == 0;
	int			booster = below(8);
	bool		linear = booster == 4 && strcmp(objective, "regression_l1") != 0 &&
		strcmp(objective, "quantile") != 0 && strcmp(objective, "mape") != 0;

	memset(setting, 0, sizeof(*setting));
	setting->objective = objective;
	setting->columns = 1 + below(MAX_COLUMNS);
	setting->categorical = below(2) ? below(Min(setting->columns, 4) + 1) : 0;
	setting->codes = ONE_OF(2, 5, 40, MAX_CODE);
	setting->classes = classes ? 2 + below(MAX_CLASSES - 1) : 1;
	setting->rounds = ONE_OF(1, 5, 20, 60);
	add(setting, "objective=%s verbosity=-1 num_threads=1 deterministic=true force_row_wise=true seed=%d",
		objective, below(1000000));
	add(setting, " num_leaves=%d max_depth=%d min_data_in_leaf=%d min_data_per_group=%d min_data_in_bin=1",
		ONE_OF(2, 3, 7, 31, 127), ONE_OF(-1, -1, 1, 2, 5, 20), ONE_OF(1, 5, 20), ONE_OF(1, 20));
	add(setting, " cat_smooth=1 cat_l2=1 max_cat_to_onehot=%d max_cat_threshold=%d",
		ONE_OF(1, 4, 64), ONE_OF(4, 32, 512));
	add(setting, " learning_rate=0.%d use_missing=%s zero_as_missing=%s", 1 + below(9),
		below(5) ? "true" : "false", linear || below(3) ? "false" : "true");
	if (classes)
		add(setting, " num_class=%d", setting->classes);
	if (strcmp(objective, "binary") == 0 || strcmp(objective, "multiclassova") == 0)
		add(setting, " sigmoid=%s", ((const char *[]) {"1", "0.7", "2.3", "0.123457"})[below(4)]);
	if (strncmp(objective, "regression", 10) == 0 && below(3) == 0)
		add(setting, " reg_sqrt=true");
	if (booster == 0)
		add(setting, " boosting=rf bagging_freq=1 bagging_fraction=0.6 feature_fraction=0.8");
	else if (booster == 1)
		add(setting, " boosting=dart drop_rate=0.5");
	else if (booster == 2)
		add(setting, " boosting=goss");
	else if (booster == 3)
		add(setting, " extra_trees=true");
	else if (linear)
		add(setting, " linear_tree=true");
	for (int k = setting->columns - setting->categorical; k < setting->columns; k++)
		add(setting, "%s%d", k == setting->columns - setting->categorical ? " categorical_feature=" : ",", k);
}

/* rows of training; how a column is spread depends on the model */
static double *
make_rows(const Setting *setting)
{
	double	   *rows = malloc((size_t) TRAIN_ROWS * setting->columns * sizeof(double));
	double		missing = ONE_OF(0, 2, 20) / 100.0;

	for (int k = 0; k < setting->columns; k++)
	{
		int			kind = below(5);
		double		scale = pow(10, below(60) - 30);

		for (int i = 0; i < TRAIN_ROWS; i++)
		{
			double	   *value = &rows[(size_t) i * setting->columns + k];

			*value = k >= setting->columns - setting->categorical ? (double) below(setting->codes) :
				kind == 0 ? floor(2 * normal()) :
				kind == 1 ? (double) (float) normal() :
				kind == 2 ? (below(3) ? normal() : 0) :
				kind == 3 ? normal() * scale : normal();
			if (uniform() < missing)
				*value = NAN;
		}
	}
	return rows;
}

/* labels that the objective accepts */
static float *
make_labels(const Setting *setting, const double *rows)
{
	const char *objective = setting->objective;
	float	   *labels = malloc(TRAIN_ROWS * sizeof(float));

	for (int i = 0; i < TRAIN_ROWS; i++)
	{
		const double *row = rows + (size_t) i * setting->columns;
		double		z = normal() * 0.3;

		for (int k = 0; k < setting->columns; k++)
			z += isnan(row[k]) ? 0.4 :
				k >= setting->columns - setting->categorical ? ((int) row[k] * 7 % 5 - 2) * 0.4 :
				sin(row[k] * (k + 1)) + (row[k] > 0) * 0.5;
		if (strcmp(objective, "binary") == 0)
			labels[i] = z > 0.5;
		else if (setting->classes > 1)
			labels[i] = (float) Min(Max((int) floor(z + setting->classes / 2.0), 0), setting->classes - 1);
		else if (strncmp(objective, "cross", 5) == 0)
			labels[i] = (float) (1 / (1 + exp(-z)));
		else if (strcmp(objective, "poisson") == 0 || strcmp(objective, "gamma") == 0 ||
				 strcmp(objective, "tweedie") == 0 || strcmp(objective, "mape") == 0)
			labels[i] = (float) (exp(z / 2) + 0.01);
		else if (strstr(objective, "rank") != NULL)
			labels[i] = (float) Min(Max((int) floor(z + 1), 0), 3);
		else
			labels[i] = (float) z;
	}
	return labels;
}

/* the text of a model, or NULL if the library would not train it */
static char *
train(const Setting *setting, const double *rows, int64_t *len)
{
	float	   *labels = make_labels(setting, rows);
	int32_t		groups[TRAIN_ROWS / 20];
	Handle		dataset;
	Handle		booster;
	char	   *text = NULL;
	int			finished = 0;
	bool		trained;

	CHECK(dataset_create(rows, TYPE_FLOAT64, TRAIN_ROWS, setting->columns, 1, setting->parameters, NULL, &dataset));
	CHECK(dataset_set_field(dataset, "label", labels, TRAIN_ROWS, TYPE_FLOAT32));
	for (int i = 0; i < (int) lengthof(groups); i++)
		groups[i] = 20;
	if (strstr(setting->objective, "rank") != NULL)
		CHECK(dataset_set_field(dataset, "group", groups, lengthof(groups), TYPE_INT32));
	trained = booster_create(dataset, setting->parameters, &booster) == 0;
	if (trained)
	{
		for (int i = 0; i < setting->rounds && trained && !finished; i++)
			trained = booster_update(booster, &finished) == 0;
		if (trained)
		{
			CHECK(booster_save(booster, 0, -1, 0, 0, len, NULL));
			text = malloc(*len);
			CHECK(booster_save(booster, 0, -1, 0, *len, len, text));
		}
		CHECK(booster_free(booster));
	}
	CHECK(dataset_free(dataset));
	free(labels);
	return text;
}

/* rows to score: like those of training, on thresholds, and strange ones */
static double *
make_score_rows(const Setting *setting, const MlopsForest *forest, const double *train_rows)
{
	const MlopsWideNode *nodes = mlops_part(forest, MlopsWideNode, forest->wide.nodes);
	double	   *rows = malloc((size_t) ROWS * setting->columns * sizeof(double));

	for (int i = 0; i < ROWS; i++)
	{
		double	   *row = rows + (size_t) i * setting->columns;

		memcpy(row, train_rows + (size_t) below(TRAIN_ROWS) * setting->columns, setting->columns * sizeof(double));
		for (int k = 0; k < setting->columns; k++)
		{
			if (k >= setting->columns - setting->categorical)
			{
				if (below(3) == 0)
					row[k] = below(setting->codes + 100) - 3 + (below(8) == 0 ? uniform() : 0);
			}
			else if (below(3) == 0)
				row[k] = normal() * pow(10, below(7) - 3);
			if (below(12) == 0)
				row[k] = random_value();
		}
		for (int k = 0; k < 4 && i % 2 && forest->num_nodes > 0; k++)
		{
			const MlopsWideNode *node = &nodes[next_random() % forest->num_nodes];

			if (node->split == MLOPS_WIDE_NUMERIC)
				row[node->feature] = k % 3 == 0 ? node->value :
					nextafter(node->value, k % 3 == 1 ? INFINITY : -INFINITY);
		}
	}
	return rows;
}

/* the library's scores of all rows */
static double *
library_scores(Handle booster, const Setting *setting, const double *rows, int type)
{
	double	   *scores = malloc((size_t) ROWS * setting->classes * sizeof(double));
	int64_t		count;

	CHECK(predict_batch(booster, rows, TYPE_FLOAT64, ROWS, setting->columns, 1, type, 0, -1,
						"num_threads=1", &count, scores));
	if (count != (int64_t) ROWS * setting->classes)
	{
		fprintf(stderr, "%ld scores of %d rows\n", (long) count, ROWS);
		exit(1);
	}
	return scores;
}

static void
compare(const Setting *setting, Count *count)
{
	double	   *train_rows = make_rows(setting);
	int64_t		len;
	char	   *text = train(setting, train_rows, &len);
	MlopsForest *forest;
	int			width = setting->classes;
	long		margins = 0;
	long		outputs = 0;

	if (text == NULL)
	{
		count->untrained++;
		free(train_rows);
		return;
	}
	forest = read_model(text, len - 1);
	if (forest == NULL)
	{
		/* what LightGBM writes where a leaf is not finite is no model to us */
		count->refused++;
		if (strstr(error.message, "finite") == NULL)
			fprintf(stderr, "%s: %s\n", setting->parameters, error.message);
	}
	else
	{
		double	   *rows = make_score_rows(setting, forest, train_rows);
		void	   *scratch = malloc(Max(mlops_forest_scratch_size(forest), mlops_forest_batch_scratch_size(forest)));
		double	   *batch = malloc((size_t) MLOPS_BATCH_ROWS * width * sizeof(double));
		double		values[MAX_CLASSES];
		double	   *raw;
		double	   *normal_scores;
		Handle		booster;
		int			iterations;

		CHECK(booster_load(text, &iterations, &booster));
		raw = library_scores(booster, setting, rows, PREDICT_RAW);
		normal_scores = library_scores(booster, setting, rows, PREDICT_NORMAL);
		for (int i = 0; i < ROWS; i++)
		{
			const double *row = rows + (size_t) i * setting->columns;
			int			place = i % MLOPS_BATCH_ROWS;
			bool		same = true;

			if (place == 0)
				mlops_forest_margin_batch(forest, row, Min(MLOPS_BATCH_ROWS, ROWS - i), scratch, batch);
			mlops_forest_margin64(forest, row, scratch, values);
			for (int g = 0; g < width; g++)
				same = same && same_bits(values[g], raw[(size_t) i * width + g]) &&
					same_bits(values[g], batch[(size_t) place * width + g]);
			margins += !same;
			mlops_forest_transform64(forest, values, values);
			same = true;
			for (int g = 0; g < width; g++)
				same = same && same_bits(values[g], normal_scores[(size_t) i * width + g]);
			outputs += !same;
		}
		if (margins + outputs > 0)
			fprintf(stderr, "%s: %ld margins and %ld outputs differ\n", setting->parameters, margins, outputs);
		count->models++;
		count->rows += ROWS;
		count->margins += margins;
		count->outputs += outputs;
		CHECK(booster_free(booster));
		memory_release(NULL, forest);
		free(rows);
		free(scratch);
		free(batch);
		free(raw);
		free(normal_scores);
	}
	free(text);
	free(train_rows);
}

static void
print_count(const char *name, const Count *count)
{
	printf("%-20s %6ld %10ld %8ld %8ld %8ld\n", name, count->models, count->rows, count->refused,
		   count->margins, count->outputs);
}

int
main(int argc, char **argv)
{
	int			models = argc > 2 ? atoi(argv[2]) : 1040;
	clock_t		start = clock();
	Count		counts[NUM_OBJECTIVES] = {{0}};
	Count		all = {0};

	if (argc < 2)
	{
		fprintf(stderr, "usage: lightgbm_exact LIBRARY [models [seed]]\n");
		return 2;
	}
	open_library(argv[1]);
	if (argc > 3)
		random_state = strtoull(argv[3], NULL, 10);
	for (int i = 0; i < models; i++)
	{
		Setting		setting;

		draw_setting(&setting, objectives[i % NUM_OBJECTIVES]);
		compare(&setting, &counts[i % NUM_OBJECTIVES]);
	}

	printf("%-20s %6s %10s %8s %8s %8s\n", "", "models", "rows", "refused", "margins", "outputs");
	for (int i = 0; i < NUM_OBJECTIVES; i++)
	{
		print_count(objectives[i], &counts[i]);
		all.models += counts[i].models;
		all.rows += counts[i].rows;
		all.untrained += counts[i].untrained;
		all.refused += counts[i].refused;
		all.margins += counts[i].margins;
		all.outputs += counts[i].outputs;
	}
	print_count("all", &all);
	if (all.untrained > 0)
		printf("\n%ld models that the library would not train\n", all.untrained);
	printf("\n%s, %.0f s\n", all.margins + all.outputs == 0 ? "no row differs" : "rows differ",
		   (double) (clock() - start) / CLOCKS_PER_SEC);
	printf("models compared          %10ld\t(at least 1000)\n", all.models);
	printf("pairs of model and row   %10ld\t(at least 10000000)\n", all.rows);
	printf("rows whose margins differ %9ld\t(at most 0)\n", all.margins);
	return all.margins + all.outputs == 0 && all.models > 0 ? 0 : 1;
}
