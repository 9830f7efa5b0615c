/*-------------------------------------------------------------------------
 *
 * forest_batch_wide.c
 *	  The batch kernels against the row kernel, in double: all models of
 *	  LightGBM that are kept with the tests, and trees of many leaves.
 *
 *-------------------------------------------------------------------------
 */
#include "lightgbm_model.h"

#include <dirent.h>

#include "forest_batch_check.h"

#define ROWS	1030

static int	ntests = 0;
static int	nfailures = 0;

static const int sizes[] = {1, 16, 31, 33, 63, 64, 65, 80, 127, 129, 511, 513, 1023, 1024, 1025, 1030};

static void ok(bool passed, const char *format,...) pg_attribute_printf(2, 3);

static void
ok(bool passed, const char *format,...)
{
	va_list		args;

	ntests++;
	nfailures += !passed;
	printf("%sok %d - ", passed ? "" : "not ", ntests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* rows of random and strange values, on thresholds and next to them */
static double *
make_rows(const MlopsForest *forest)
{
	const MlopsWideNode *nodes = mlops_part(forest, MlopsWideNode, forest->wide.nodes);
	double	   *rows = malloc((size_t) ROWS * forest->num_features * sizeof(double));

	for (int i = 0; i < ROWS; i++)
	{
		double	   *row = rows + (size_t) i * forest->num_features;

		for (int k = 0; k < forest->num_features; k++)
			row[k] = random_value();
		for (int k = 0; k < forest->num_features; k++)
		{
			const MlopsWideNode *node = &nodes[next_random() % forest->num_nodes];
			uint64		r = next_random();

			if (node->split == MLOPS_WIDE_NUMERIC && r % 2 == 0)
				row[node->feature] = r % 3 == 0 ? node->value :
					nextafter(node->value, r % 5 == 0 ? INFINITY : -INFINITY);
		}
	}
	return rows;
}

static void
test_forest(const char *name, const MlopsForest *forest)
{
	const MlopsBatchTree *trees = mlops_part(forest, MlopsBatchTree, forest->batch.trees);
	double	   *rows = make_rows(forest);
	int			planes = 0;
	long		differ = check_batch(forest, rows, sizes, lengthof(sizes));

	for (int t = 0; t < forest->num_trees; t++)
		planes += trees[t].num_leaves > 0;
	ok(differ == 0, "%s: %ld margins differ; %d of %d trees by planes, %d of those", name, differ,
	   planes, forest->num_trees, forest->batch.num_planes);
	free(rows);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* the models that the library wrote */
static void
test_fixtures(void)
{
	DIR		   *dir = opendir(FIXTURES);
	struct dirent *entry;
	char	   *names[100];
	int			count = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL && count < 100)
	{
		const char *dot = strchr(entry->d_name, '.');

		if (dot != NULL && strcmp(dot, ".txt") == 0)
			names[count++] = strdup(entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	qsort(names, count, sizeof(char *), compare_names);
	ok(count > 20, "there are %d models", count);
	for (int i = 0; i < count; i++)
	{
		size_t		len;
		char	   *text = read_file(names[i], &len);
		MlopsForest *forest = read_model(text, len);

		if (forest == NULL)
			ok(false, "%s is read", names[i]);
		else
		{
			test_forest(names[i], forest);
			memory_release(NULL, forest);
		}
		free(text);
		free(names[i]);
	}
}

/* a random tree of so many leaves, as LightGBM writes it */
static char *
write_tree(char *p, int number, int leaves, int features, bool chain)
{
	int		   *left = malloc(leaves * sizeof(int));
	int		   *right = malloc(leaves * sizeof(int));
	int		   *above = malloc(leaves * sizeof(int));	/* where a leaf hangs */

	/* as the library grows it: a leaf is split; the left child keeps its number */
	for (int i = 0; i < leaves - 1; i++)
	{
		int			leaf = chain ? i : (int) (next_random() % (i + 1));

		if (i > 0 && left[above[leaf]] == ~leaf)
			left[above[leaf]] = i;
		else if (i > 0)
			right[above[leaf]] = i;
		left[i] = ~leaf;
		right[i] = ~(i + 1);
		above[leaf] = above[i + 1] = i;
	}
#define ARRAY(key, count, format, expression) \
	p += sprintf(p, key "="); \
	for (int i = 0; i < (count); i++) \
		p += sprintf(p, "%s" format, i > 0 ? " " : "", expression); \
	p += sprintf(p, "\n")

	p += sprintf(p, "Tree=%d\nnum_leaves=%d\nnum_cat=0\n", number, leaves);
	ARRAY("split_feature", leaves - 1, "%d", (int) (next_random() % features));
	ARRAY("split_gain", leaves - 1, "%d", 1);
	ARRAY("threshold", leaves - 1, "%.17g", next_random() % 9 == 0 ?
		  ((double[]) {0.0, -0.0, 1e-35, -1e-300, 1e308, 1.0000000180025095e-35})[next_random() % 6] :
		  ldexp((double) (int64) next_random(), -62));
	ARRAY("decision_type", leaves - 1, "%d", ((int[]) {0, 2, 4, 6, 8, 10})[next_random() % 6]);
	ARRAY("left_child", leaves - 1, "%d", left[i]);
	ARRAY("right_child", leaves - 1, "%d", right[i]);
	ARRAY("leaf_value", leaves, "%.17g", ldexp((double) (int64) next_random(), -62));
	ARRAY("leaf_weight", leaves, "%d", 1);
	ARRAY("leaf_count", leaves, "%d", 1);
	ARRAY("internal_value", leaves - 1, "%d", 0);
	ARRAY("internal_weight", leaves - 1, "%d", 0);
	ARRAY("internal_count", leaves - 1, "%d", 2);
	p += sprintf(p, "is_linear=0\nshrinkage=1\n\n\n");
#undef ARRAY
	free(left);
	free(right);
	free(above);
	return p;
}

/* models of random trees, under the head and tail of one of the library's */
static void
test_random(int trees, int leaves, bool chain)
{
	size_t		len;
	char	   *text = read_file("binary.txt", &len);
	char	   *made = malloc(len + (size_t) trees * (leaves + 10) * 120);
	char	   *first = strstr(text, "Tree=0\n");
	char	   *last = strstr(text, "end of trees");
	char	   *p = made;
	Model	   *model = malloc(sizeof(Model));
	char	   *joined;
	MlopsForest *forest;
	const char *features = strstr(text, "max_feature_idx=");
	int			num_features = atoi(features + strlen("max_feature_idx=")) + 1;
	char		name[100];

	memcpy(p, text, first - text);
	p += first - text;
	for (int t = 0; t < trees; t++)
		p = write_tree(p, t, leaves, num_features, chain);
	strcpy(p, last);
	split_model(model, made, strlen(made));
	joined = join_model(model, true, &len);
	forest = read_model(joined, len);
	snprintf(name, sizeof(name), "%d %s of %d leaves", trees, chain ? "chains" : "trees", leaves);
	if (forest == NULL)
	{
		printf("# %s at %zu: %s\n", name, error.offset, error.message);
		ok(false, "%s are read", name);
	}
	else
	{
		test_forest(name, forest);
		memory_release(NULL, forest);
	}
	free(text);
	free(made);
	free(model);
	free(joined);
}

int
main(void)
{
	test_fixtures();
	for (int leaves = 2; leaves <= 4; leaves++)
		test_random(50, leaves, false);
	test_random(40, 31, false);
	test_random(40, 32, false);
	test_random(30, 33, false);
	test_random(20, 64, false);
	test_random(20, 65, false);
	test_random(10, 255, false);
	test_random(10, 256, false);
	test_random(10, 257, false);
	test_random(5, 1500, false);
	test_random(2, 6000, false);
	test_random(5, 300, true);
	test_random(2, 4000, true);
	ok(memory.held == 0, "all memory was given back");
	printf("1..%d\n", ntests);
	return nfailures > 0;
}
