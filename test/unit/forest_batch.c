/*-------------------------------------------------------------------------
 *
 * forest_batch.c
 *	  The batch kernels against the row kernel: forests of random trees of many
 *	  shapes, and rows on and about their thresholds.
 *
 * The row kernel is compared with the plain definition of a model in
 * forest_kernel.c, and with libxgboost in others.
 *
 *-------------------------------------------------------------------------
 */
#include "forest_test.h"
#include "forest_batch_check.h"

#define ROWS	1100

/* sizes of batches about those of vectors and blocks */
static const int sizes[] = {
	1, 2, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 79, 80, 81, 127, 128, 129, 255, 256, 257, 300,
	511, 512, 513, 700, 1023, 1024, 1025, 1040, 1100
};

/* a size for every part of the dispatch, where rows are costly */
static const int few_sizes[] = {1, 17, 65, 130};

/* what kind of forest to make */
typedef struct Recipe
{
	const char *name;
	int			trees;
	int			leaves;			/* of a tree, at most */
	int			features;
	int			groups;
	int			thresholds;		/* distinct ones of a feature; 0: all differ */
	int			categorical;	/* of ten splits */
	int			max_code;
	int			set_size;
	bool		same_size;		/* all trees have that many leaves */
	bool		chain;			/* each tree one long path */
	bool		complete;		/* each tree level after level */
	bool		infinite;		/* thresholds of plus and minus infinity */
	bool		weighted;
	int			default_left;	/* 0: either way; 1: always; -1: never */
	const char *objective;
	int			version[3];
} Recipe;

static int
compare_int(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

static double
make_threshold(const Recipe *recipe)
{
	if (recipe->infinite && below(8) == 0)
		return below(2) ? INFINITY : -INFINITY;
	if (below(30) == 0)
		return below(2) ? -0.0 : 0.0;
	if (below(50) == 0)
		return (below(2) ? 1 : -1) * (below(2) ? 1e-45 : 3.4028234e38);
	if (recipe->thresholds > 0)
		return (below(recipe->thresholds) - recipe->thresholds / 2) * 0.125;
	return (float) normal();
}

/* one random tree, added to a model */
static void
make_tree(Item *root, const Recipe *recipe)
{
	Item	   *tree = new_tree(root, below(recipe->groups));
	int			num_leaves = recipe->same_size ? recipe->leaves : 1 + below(recipe->leaves);
	int			leaves[8192];
	int			depths[8192] = {0};
	int			count = 1;
	struct
	{
		int			node;
		int			codes[64];
		int			count;
	}		   *tests = calloc(num_leaves, sizeof(*tests));
	int			num_tests = 0;

	leaves[0] = add_leaf(tree, -1, normal());
	while (count < num_leaves)
	{
		int			pick = recipe->chain ? count - 1 : recipe->complete ? 0 : below(count);
		int			node = leaves[pick];
		int			depth = depths[pick];
		int			left;

		if (depth == MLOPS_MAX_DEPTH)
			break;
		left = split_leaf(tree, node, below(recipe->features), make_threshold(recipe),
						  recipe->default_left ? recipe->default_left > 0 : below(2),
						  below(20) ? normal() : -0.0, normal());
		if (below(10) < recipe->categorical)
		{
			int			wanted = 1 + below(recipe->set_size);
			int			kept = 0;

			for (int i = 0; i < wanted; i++)
				tests[num_tests].codes[i] = below(recipe->max_code + 1);
			qsort(tests[num_tests].codes, wanted, sizeof(int), compare_int);
			for (int i = 0; i < wanted; i++)
			{
				if (i == 0 || tests[num_tests].codes[i] != tests[num_tests].codes[kept - 1])
					tests[num_tests].codes[kept++] = tests[num_tests].codes[i];
			}
			tests[num_tests].count = kept;
			tests[num_tests++].node = node;
		}
		if (recipe->complete)
		{
			/* the oldest leaf is split first */
			memmove(leaves, leaves + 1, (count - 1) * sizeof(int));
			memmove(depths, depths + 1, (count - 1) * sizeof(int));
			leaves[count - 1] = left;
			depths[count - 1] = depth + 1;
		}
		else
		{
			leaves[pick] = left;
			depths[pick] = depth + 1;
		}
		leaves[count] = left + 1;
		depths[count++] = depth + 1;
	}

	/* sets in the order of their nodes */
	for (int node = 0; num_tests > 0 && node < 2 * num_leaves; node++)
	{
		for (int i = 0; i < num_tests; i++)
		{
			if (tests[i].node == node)
				add_categories(tree, node, tests[i].codes, tests[i].count);
		}
	}
	free(tests);
}

static MlopsForest *
make_forest(const Recipe *recipe)
{
	Item	   *root = new_model(recipe->features, recipe->objective ? recipe->objective :
								 "reg:squarederror", "[2.5E-1]");
	Bytes		file;
	MlopsForestError error;
	MlopsForest *forest;

	if (recipe->groups > 1)
		set_number(root, recipe->objective ? "learner/learner_model_param/num_class" :
				   "learner/learner_model_param/num_target", recipe->groups);
	if (recipe->version[0] > 0)
	{
		for (int i = 0; i < 3; i++)
			find(root, "version", NULL, NULL)->items[i]->number = recipe->version[i];
	}
	for (int t = 0; t < recipe->trees; t++)
		make_tree(root, recipe);
	if (recipe->weighted)
	{
		Item	   *drop = new_item(ITEM_FLOATS);
		Item	   *booster = find(root, "learner/gradient_booster", NULL, NULL);
		Item	   *copy = copy_item(booster);

		for (int t = 0; t < recipe->trees; t++)
			add_number(drop, uniform());
		replace(root, "learner/gradient_booster", new_item(ITEM_OBJECT));
		booster = find(root, "learner/gradient_booster", NULL, NULL);
		put(booster, "gbtree", copy);
		put(booster, "name", text_item("dart"));
		put(booster, "weight_drop", drop);
	}
	file = written(root, true);
	forest = mlops_forest_read(file.data, file.len, &host, &error);
	if (forest == NULL)
		printf("# %s\n", error.message);
	free(file.data);
	free_item(root);
	return forest;
}

/* rows of what meets the thresholds and sets of a forest */
static float *
make_rows(const MlopsForest *forest, const Recipe *recipe)
{
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes);
	float	   *rows = malloc((size_t) ROWS * recipe->features * sizeof(float));
	float		special[] = {-0.0f, 0.0f, INFINITY, -INFINITY, 1e-45f, -1e-45f, 3.4028234e38f, 16777216.0f, -1, -NAN};

	for (int i = 0; i < ROWS; i++)
	{
		float	   *row = rows + (size_t) i * recipe->features;

		for (int k = 0; k < recipe->features; k++)
		{
			if (below(8) == 0)
				row[k] = NAN;
			else if (below(12) == 0)
				row[k] = special[below(lengthof(special))];
			else if (below(10) < recipe->categorical)
				row[k] = (float) (below(recipe->max_code + 40) + (below(4) == 0 ? 0.75 : 0));
			else
				row[k] = (float) normal();
		}
		for (int k = 0; forest->num_nodes > 0 && k < 2 * recipe->features; k++)
		{
			const MlopsNode *node = &nodes[next_random() % forest->num_nodes];

			if (node->split != MLOPS_SPLIT_NUMERIC)
				continue;
			row[node->feature] = below(3) == 0 ? node->u.value :
				nextafterf(node->u.value, below(2) ? INFINITY : -INFINITY);
		}
	}
	return rows;
}

static void
test_recipe(const Recipe *recipe)
{
	MlopsForest *forest = make_forest(recipe);
	const MlopsBatchTree *trees;
	float	   *rows;
	long		differ;
	int			planes = 0;
	bool		large = recipe->trees * recipe->leaves > 20000 || recipe->features > 1000;

	if (forest == NULL)
	{
		ok(false, "%s is read", recipe->name);
		return;
	}
	rows = make_rows(forest, recipe);
	trees = mlops_part(forest, MlopsBatchTree, forest->batch.trees);
	for (int t = 0; t < forest->num_trees; t++)
		planes += trees[t].num_leaves > 0;
	differ = check_batch(forest, rows, large ? few_sizes : sizes,
						 large ? lengthof(few_sizes) : lengthof(sizes));
	ok(differ == 0, "%s: %ld margins differ; %d of %d trees by planes, %d of those", recipe->name,
	   differ, planes, forest->num_trees, forest->batch.num_planes);
	free(rows);
	host_release(NULL, forest);
}

/* the trees that are meant to be by planes are, within the limits */
static void
test_limits(void)
{
	Recipe		recipe = {"", 40, 64, 28, 1, .thresholds = 200, .same_size = true, .complete = true};
	MlopsForest *forest = make_forest(&recipe);
	const MlopsBatchTree *trees = mlops_part(forest, MlopsBatchTree, forest->batch.trees);
	int			planes = 0;

	for (int t = 0; t < forest->num_trees; t++)
		planes += trees[t].planes >> MLOPS_SIMD_AVX512 & trees[t].planes >> MLOPS_SIMD_AVX2 & 1;
	ok(planes == 40 && (forest->batch.blocks >> MLOPS_SIMD_AVX512 & 1) != 0,
	   "%d trees of depth 6 are evaluated by planes", planes);
	ok(mlops_forest_batch_scratch_size(forest) < 256 * 1024, "in %zu bytes of scratch memory",
	   mlops_forest_batch_scratch_size(forest));
	host_release(NULL, forest);

	recipe = (Recipe) {"", 4, 3000, 5000, 1, .thresholds = 0, .same_size = true};
	forest = make_forest(&recipe);
	ok(forest->batch.num_planes == 0 && mlops_forest_batch_scratch_size(forest) < 4 * 1024 * 1024,
	   "a forest of too many columns has no planes, and %zu bytes of scratch memory",
	   mlops_forest_batch_scratch_size(forest));
	host_release(NULL, forest);
}

static int	checks;

static void
count_check(void)
{
	checks++;
}

/* a long batch gives the host a chance to cancel, whatever the kernels */
static void
test_check(void)
{
	Recipe		recipe = {"", 120, 64, 28, 1, .thresholds = 200, .same_size = true, .complete = true};
	MlopsForest *forest = make_forest(&recipe);
	int			count = 30000;
	float	   *rows = calloc(count, 28 * sizeof(float));
	float	   *margins = malloc(count * sizeof(float));

	for (Choice choice = PLANES; choice <= PLAINLY; choice++)
	{
		void	   *scratch;

		choose_kernels(forest, choice);
		scratch = malloc(mlops_forest_batch_scratch_size(forest));
		checks = 0;
		mlops_forest_margin_batch(forest, rows, MLOPS_BATCH_ROWS, scratch, margins);
		mlops_forest_check_set(count_check);
		ok(checks == 0, "no check while none is set");
		mlops_forest_margin_batch(forest, rows, count, scratch, margins);
		ok(checks > 0, "a long batch is checked %d times", checks);
		mlops_forest_check_set(NULL);
		mlops_forest_margin_batch(forest, rows, count, scratch, margins);
		free(scratch);
	}
	forest->batch.blocks = 0;
	checks = 0;
	mlops_forest_check_set(count_check);
	{
		void	   *scratch = malloc(mlops_forest_batch_scratch_size(forest));

		mlops_forest_margin_batch(forest, rows, count, scratch, margins);
		ok(checks > 0, "and so it is row by row, %d times", checks);
		free(scratch);
	}
	mlops_forest_check_set(NULL);
	free(rows);
	free(margins);
	host_release(NULL, forest);
}

/* the choice of an instruction set */
static void
test_simd(void)
{
	MlopsSimd	best = mlops_forest_simd_best();

	ok(mlops_forest_simd() == best, "the process begins with the best instruction set, %s",
	   simd_names[best]);
	ok(mlops_forest_simd_supported(MLOPS_SIMD_PLAIN) && mlops_forest_simd_supported(best) &&
	   !mlops_forest_simd_supported(MLOPS_NUM_SIMD), "support is known");
	mlops_forest_simd_set(MLOPS_SIMD_PLAIN);
	ok(mlops_forest_simd() == MLOPS_SIMD_PLAIN, "another one can be set");
	mlops_forest_simd_set(best);
}

int
main(void)
{
	static const Recipe recipes[] = {
		{"one leaf", 1, 1, 1, 1, .same_size = true},
		{"leaves only", 20, 1, 3, 1, .same_size = true},
		{"one split", 1, 2, 1, 1, .same_size = true},
		{"stumps", 60, 2, 7, 1, .same_size = true},
		{"three leaves", 40, 3, 8, 1, .same_size = true},
		{"depth 4", 50, 16, 9, 1, .thresholds = 50, .same_size = true, .complete = true},
		{"depth 5", 50, 32, 17, 1, .thresholds = 100, .same_size = true, .complete = true},
		{"depth 6", 50, 64, 28, 1, .thresholds = 250, .same_size = true, .complete = true},
		{"depth 7", 20, 128, 28, 1, .thresholds = 250, .same_size = true, .complete = true},
		{"depth 8", 20, 256, 28, 1, .thresholds = 250, .same_size = true, .complete = true},
		{"257 leaves", 10, 257, 28, 1, .thresholds = 250, .same_size = true, .complete = true},
		{"257 leaves, random", 20, 257, 28, 1, .same_size = true},
		{"depth 9", 10, 512, 28, 1, .same_size = true, .complete = true},
		{"1000 leaves, random", 10, 1000, 28, 1, .same_size = true},
		{"too large for planes", 3, 5000, 28, 1, .same_size = true, .complete = true},
		{"all sizes", 60, 300, 28, 1},
		{"all sizes to 40", 200, 40, 12, 1},
		{"17 leaves", 30, 17, 5, 1, .same_size = true},
		{"33 leaves", 30, 33, 5, 1, .same_size = true},
		{"65 leaves", 30, 65, 5, 1, .same_size = true},
		{"129 leaves", 30, 129, 5, 1, .same_size = true},
		{"missing left", 40, 31, 6, 1, .default_left = 1},
		{"missing right", 40, 31, 6, 1, .default_left = -1},
		{"one feature, many thresholds", 60, 64, 1, 1},
		{"two features, 255 thresholds", 60, 64, 2, 1, .thresholds = 255},
		{"two features, 256 thresholds", 60, 64, 2, 1, .thresholds = 256},
		{"two features, 600 thresholds", 60, 64, 2, 1, .thresholds = 600},
		{"31 thresholds", 30, 31, 4, 1, .thresholds = 31},
		{"63 thresholds", 30, 31, 4, 1, .thresholds = 63},
		{"127 thresholds", 30, 31, 4, 1, .thresholds = 127},
		{"infinite thresholds", 40, 31, 6, 1, .infinite = true},
		{"infinite thresholds and few others", 40, 31, 6, 1, .thresholds = 6, .infinite = true},
		{"chains", 30, 65, 5, 1, .same_size = true, .chain = true},
		{"many features", 60, 64, 900, 1, .same_size = true},
		{"more features than planes", 30, 400, 5000, 1, .same_size = true},
		{"groups", 60, 31, 12, 5},
		{"groups, by name", 60, 31, 12, 3, .objective = "multi:softprob"},
		{"many groups", 200, 15, 12, 150, .objective = "multi:softprob"},
		{"weights", 40, 63, 12, 1, .weighted = true},
		{"weights and groups", 40, 63, 12, 3, .weighted = true},
		{"one-hot", 60, 32, 10, 1, .categorical = 5, .max_code = 20, .set_size = 1},
		{"sets", 60, 32, 10, 1, .categorical = 5, .max_code = 12, .set_size = 8},
		{"sets, large trees", 20, 400, 10, 1, .categorical = 2, .max_code = 40, .set_size = 12},
		{"sparse sets", 30, 16, 6, 1, .categorical = 5, .max_code = 20000, .set_size = 3},
		{"wide codes", 30, 16, 6, 1, .categorical = 5, .max_code = 16777215, .set_size = 4},
		{"sets, weights and groups", 60, 32, 10, 4, .categorical = 5, .max_code = 40, .set_size = 20, .weighted = true},
		{"only categories", 40, 16, 7, 1, .categorical = 10, .max_code = 9, .set_size = 4},
		{"sets of 1.6", 40, 32, 10, 1, .categorical = 5, .max_code = 60, .set_size = 20, .version = {1, 6, 2}},
		{"sums of 1.2", 40, 32, 10, 1, .version = {1, 2, 1}},
		{"sums of 1.2, groups", 40, 32, 10, 3, .version = {1, 2, 1}},
		{"no trees", 0, 1, 4, 1}
	};

	test_simd();
	for (int i = 0; i < (int) lengthof(recipes); i++)
		test_recipe(&recipes[i]);
	test_limits();
	test_check();
	return finish();
}
