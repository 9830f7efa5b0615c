/*-------------------------------------------------------------------------
 *
 * golden_found.c
 *	  How many changes of one node in a model its golden rows notice.
 *
 * Each node of a model is changed alone, in each of these ways: the value of a
 * leaf by a hundredth; a threshold by one float up; the direction of a missing
 * value.  A change is found if a golden row has another margin then.  Nothing
 * of this can happen to a stored model unnoticed, because its file has a hash:
 * what it shows is how much of a model the rows reach.
 *
 * Beside it the time that it takes to read the model's file, to make the rows,
 * which is done at registration, and to compare them, at every load.
 *
 *-------------------------------------------------------------------------
 */
#include <time.h>

#include <xgboost/c_api.h>

#include "forest_test.h"
#include "forest/forest_internal.h"
#include "forest/golden.h"

#define MUST(call) \
	do { if ((call) != 0) { fprintf(stderr, "%s\n", XGBGetLastError()); exit(2); } } while (0)

#define COLUMNS		28
#define TRAIN		20000

typedef struct Share
{
	long		found;
	long		all;
} Share;

static float *leaves;			/* of each row and tree */
static double reading;			/* ms to read the last model */

/* milliseconds of this process */
static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

/* train a model and read it */
static MlopsForest *
train(int rounds, int depth)
{
	float	   *rows = malloc(sizeof(float) * TRAIN * COLUMNS);
	float	   *labels = malloc(sizeof(float) * TRAIN);
	char		text[32];
	const char *bytes;
	bst_ulong	len;
	DMatrixHandle matrix;
	BoosterHandle booster;
	MlopsForest *forest;
	MlopsForestError error;

	random_state = 1;
	for (int i = 0; i < TRAIN; i++)
	{
		double		x = normal();

		for (int k = 0; k < COLUMNS; k++)
		{
			float	   *value = &rows[(size_t) i * COLUMNS + k];

			*value = below(50) == 0 ? NAN : (float) normal();
			x += isnan(*value) ? 0.3 : sin(*value * (k % 5 + 1)) / (k % 7 + 1);
		}
		labels[i] = x > 0;
	}
	MUST(XGDMatrixCreateFromMat(rows, TRAIN, COLUMNS, NAN, &matrix));
	MUST(XGDMatrixSetFloatInfo(matrix, "label", labels, TRAIN));
	MUST(XGBoosterCreate(&matrix, 1, &booster));
	MUST(XGBoosterSetParam(booster, "nthread", "1"));
	MUST(XGBoosterSetParam(booster, "objective", "binary:logistic"));
	MUST(XGBoosterSetParam(booster, "tree_method", "hist"));
	MUST(XGBoosterSetParam(booster, "eta", "0.1"));
	snprintf(text, sizeof(text), "%d", depth);
	MUST(XGBoosterSetParam(booster, "max_depth", text));
	for (int i = 0; i < rounds; i++)
		MUST(XGBoosterUpdateOneIter(booster, i, matrix));
	MUST(XGBoosterSaveModelToBuffer(booster, "{\"format\":\"ubj\"}", &len, &bytes));
	reading = now();
	forest = mlops_forest_read(bytes, len, &host, &error);
	reading = now() - reading;
	if (forest == NULL)
	{
		fprintf(stderr, "%s\n", error.message);
		exit(2);
	}
	MUST(XGBoosterFree(booster));
	MUST(XGDMatrixFree(matrix));
	free(rows);
	free(labels);
	return forest;
}

/* the margin of a row from the leaves that it reaches, with another in one tree */
static float
margin(const MlopsForest *forest, int row, int other, float value)
{
	const float *base = mlops_part(forest, float, forest->base_margins);
	float		sum = forest->base_last ? 0 : base[0];

	for (int t = 0; t < forest->num_trees; t++)
		sum += t == other ? value : leaves[(size_t) row * forest->num_trees + t];
	return forest->base_last ? base[0] + sum : sum;
}

/* is the present state of one tree found? */
static void
count(const MlopsForest *forest, const float *rows, int t, Share *share)
{
	const MlopsTree *tree = &mlops_part(forest, MlopsTree, forest->trees)[t];
	bool		found = false;

	for (int i = 0; i < MLOPS_GOLDEN_ROWS && !found; i++)
	{
		float		before = leaves[(size_t) i * forest->num_trees + t];
		float		after = mlops_tree_leaf(forest, tree, rows + (size_t) i * COLUMNS)->u.value;

		found = before != after && margin(forest, i, -1, 0) != margin(forest, i, t, after);
	}
	share->found += found;
	share->all++;
}

static void
measure(int rounds, int depth)
{
	MlopsForest *forest = train(rounds, depth);
	MlopsNode  *nodes = (MlopsNode *) ((char *) forest + forest->nodes);
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	float	   *rows = malloc(sizeof(float) * MLOPS_GOLDEN_ROWS * COLUMNS);
	bool		seen[COLUMNS];
	void	   *scratch = malloc(mlops_forest_golden_scratch_size(forest));
	float		expected[MLOPS_GOLDEN_ROWS];
	float		margins[MLOPS_GOLDEN_ROWS];
	MlopsGoldenDifference difference;
	double		making;
	double		comparing;
	Share		leaf = {0};
	Share		threshold = {0};
	Share		missing = {0};
	Share		tree = {0};

	making = now();
	for (int i = 0; i < MLOPS_GOLDEN_ROWS; i++)
		mlops_forest_golden_row(forest, i, seen, rows + (size_t) i * COLUMNS);
	making = now() - making;
	mlops_forest_margin_batch(forest, rows, MLOPS_GOLDEN_ROWS, scratch, expected);
	comparing = now();
	if (!mlops_forest_golden_check(forest, rows, MLOPS_GOLDEN_ROWS, expected, scratch, margins, &difference))
		exit(2);
	comparing = now() - comparing;

	leaves = malloc(sizeof(float) * MLOPS_GOLDEN_ROWS * forest->num_trees);
	for (int i = 0; i < MLOPS_GOLDEN_ROWS; i++)
	{
		for (int t = 0; t < forest->num_trees; t++)
			leaves[(size_t) i * forest->num_trees + t] =
				mlops_tree_leaf(forest, &trees[t], rows + (size_t) i * COLUMNS)->u.value;
	}
	for (int t = 0; t < forest->num_trees; t++)
	{
		long		before = threshold.found;

		for (uint32 i = 0; i < trees[t].num_nodes; i++)
		{
			MlopsNode  *node = &nodes[trees[t].first_node + i];
			MlopsNode	saved = *node;

			if (node->split == MLOPS_SPLIT_LEAF)
			{
				node->u.value *= 1.01f;
				count(forest, rows, t, &leaf);
			}
			else
			{
				node->u.value = nextafterf(node->u.value, INFINITY);
				count(forest, rows, t, &threshold);
				*node = saved;
				node->default_left = !node->default_left;
				count(forest, rows, t, &missing);
			}
			*node = saved;
		}
		tree.all++;
		tree.found += threshold.found > before;
	}
	printf("%5d x %d %8lld %8.1f %9.1f %7.1f %9.1f %9.2f %7.2f %9.2f\n", rounds, depth,
		   (long long) forest->num_nodes, 100.0 * leaf.found / leaf.all,
		   100.0 * threshold.found / threshold.all, 100.0 * missing.found / missing.all,
		   100.0 * tree.found / tree.all, reading, making, comparing);
	free(scratch);
	free(leaves);
	free(rows);
	host_release(NULL, forest);
}

int
main(void)
{
	printf("%30s  changes found, %%  %24s\n", "", "time, ms");
	printf("%9s %8s %8s %9s %7s %9s %9s %7s %9s\n", "trees", "nodes", "leaf", "threshold", "missing",
		   "any tree", "read file", "make", "compare");
	measure(10, 4);
	measure(100, 6);
	measure(500, 6);
	measure(500, 8);
	return 0;
}
