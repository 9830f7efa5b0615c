/*-------------------------------------------------------------------------
 *
 * shap_test.c
 *	  Contributions against their definition, as sums over all subsets of the
 *	  features of random trees; contributions and importances against those of
 *	  libxgboost for models that it has trained.
 *
 *-------------------------------------------------------------------------
 */
/* link: -lxgboost */
#include "c.h"

#undef printf
#undef fprintf
#undef vprintf
#undef snprintf

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <xgboost/c_api.h>

#include "forest/forest.h"
#include "forest/importance.h"
#include "forest/shap.h"

#define MAX_NODES		16384
#define MAX_FEATURES	64

/* --- TAP --- */

static int	tests_run;
static int	tests_failed;

static void
ok(bool good, const char *name,...) pg_attribute_printf(2, 3);

static void
ok(bool good, const char *name,...)
{
	va_list		args;

	tests_run++;
	if (!good)
		tests_failed++;
	printf("%sok %d - ", good ? "" : "not ", tests_run);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

/* --- the host of the engine --- */

static size_t held;				/* chunks */
static long checks_left = -1;	/* calls of check until it does not return */
static jmp_buf cancelled;

static void *
env_alloc(void *arg, size_t size)
{
	held++;
	return malloc(size);
}

static void
env_release(void *arg, void *chunk)
{
	held -= chunk != NULL;
	free(chunk);
}

static void
env_check(void *arg)
{
	if (checks_left >= 0 && checks_left-- == 0)
		longjmp(cancelled, 1);
}

static const MlopsForestEnv env = {env_alloc, env_release, env_check, NULL};

/* --- random models --- */

static uint64 random_state = 42;

static double
uniform(void)
{
	random_state = random_state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (double) (random_state >> 11) / 9007199254740992.0;
}

static int
below(int limit)
{
	return (int) (uniform() * limit);
}

/* a tree as its definition has it */
typedef struct Node
{
	int			left;			/* or -1 */
	int			right;
	int			parent;
	int			feature;
	bool		categorical;	/* the category value goes right */
	bool		default_left;
	float		value;			/* threshold, category or leaf */
	float		cover;
} Node;

typedef struct Tree
{
	Node		nodes[MAX_NODES];
	int			count;
	int			group;
	float		weight;
} Tree;

/* what random trees look like */
typedef struct Shape
{
	int			features;
	int			depth;
	double		stop;			/* chance of a leaf above the greatest depth */
	double		categorical;	/* chance */
	double		empty;			/* chance of a child without training rows */
	bool		chain;			/* every right child is a leaf, no feature twice */
	bool		dart;
	int			groups;
	int			trees;
	bool		grown;			/* the trees are there */
} Shape;

static void
grow(Tree *tree, const Shape *shape, int index, int depth)
{
	Node	   *node = &tree->nodes[index];

	node->left = -1;
	node->value = (float) (uniform() - 0.5);
	if (depth == shape->depth || (depth > 0 && uniform() < shape->stop) || tree->count + 2 > MAX_NODES)
		return;
	node->left = tree->count;
	node->right = tree->count + 1;
	tree->count += 2;
	node->feature = shape->chain ? depth : below(shape->features);
	node->categorical = uniform() < shape->categorical;
	node->default_left = below(2);
	node->value = node->categorical ? (float) below(4) : (float) (4 * uniform());
	for (int child = 0; child < 2; child++)
	{
		Node	   *below_node = &tree->nodes[node->left + child];

		below_node->parent = index;
		if (child == 0)
			below_node->cover = uniform() < shape->empty ? 0 : node->cover * (float) uniform();
		else
			below_node->cover = node->cover - tree->nodes[node->left].cover;
		if (shape->chain && child == 1)
		{
			below_node->left = -1;
			below_node->value = (float) (uniform() - 0.5);
		}
		else
			grow(tree, shape, node->left + child, depth + 1);
	}
}

/* a model file in the making */
static char *file;
static size_t file_len;
static size_t file_size;

static void
put(const char *format,...) pg_attribute_printf(1, 2);

static void
put(const char *format,...)
{
	va_list		args;

	if (file_size - file_len < 1000)
		file = realloc(file, file_size = 2 * file_size + 100000);
	va_start(args, format);
	file_len += vsnprintf(file + file_len, file_size - file_len, format, args);
	va_end(args);
}

#define PUT_ARRAY(name, format, expression) \
	do { \
		put("\"%s\":[", name); \
		for (int i = 0; i < tree->count; i++) \
		{ \
			const Node *node = &tree->nodes[i]; \
			bool		leaf = node->left < 0; \
			(void) node, (void) leaf; \
			put("%s" format, i > 0 ? "," : "", expression); \
		} \
		put("],"); \
	} while (0)

/* the categorical nodes of a tree, one value of each */
static void
put_categorical(const Tree *tree, const char *name, int what)
{
	int			number = 0;

	put("\"%s\":[", name);
	for (int i = 0; i < tree->count; i++)
	{
		const Node *node = &tree->nodes[i];
		int			values[] = {i, (int) node->value, number, 1};

		if (node->left < 0 || !node->categorical)
			continue;
		put("%s%d", number++ > 0 ? "," : "", values[what]);
	}
	put("]");
}

static void
put_tree(const Tree *tree, int id)
{
	put("{\"id\":%d,\"tree_param\":{\"num_nodes\":\"%d\",\"num_deleted\":\"0\",\"num_feature\":\"0\","
		"\"size_leaf_vector\":\"0\"},", id, tree->count);
	PUT_ARRAY("left_children", "%d", node->left);
	PUT_ARRAY("right_children", "%d", leaf ? -1 : node->right);
	PUT_ARRAY("parents", "%d", i == 0 ? 2147483647 : node->parent);
	PUT_ARRAY("split_indices", "%d", leaf ? 0 : node->feature);
	PUT_ARRAY("split_conditions", "%.9g", (double) node->value);
	PUT_ARRAY("split_type", "%d", !leaf && node->categorical);
	PUT_ARRAY("default_left", "%d", !leaf && node->default_left);
	PUT_ARRAY("base_weights", "%d", 0);
	PUT_ARRAY("loss_changes", "%d", leaf ? 0 : i + 1);
	PUT_ARRAY("sum_hessian", "%.9g", (double) node->cover);
	put_categorical(tree, "categories_nodes", 0);
	put(",");
	put_categorical(tree, "categories", 1);
	put(",");
	put_categorical(tree, "categories_segments", 2);
	put(",");
	put_categorical(tree, "categories_sizes", 3);
	put("}");
}

/*
 * The model file of random trees, read back.
 */
static MlopsForest *
make_forest(const Shape *shape, Tree *trees)
{
	MlopsForestError error;
	MlopsForest *forest;

	file_len = 0;
	put("{\"version\":[1,7,4],\"learner\":{\"attributes\":{},\"feature_names\":[],\"feature_types\":[],"
		"\"gradient_booster\":{");
	put(shape->dart ? "\"name\":\"dart\",\"gbtree\":{\"name\":\"gbtree\",\"model\":{" :
		"\"name\":\"gbtree\",\"model\":{");
	put("\"gbtree_model_param\":{\"num_trees\":\"%d\",\"num_parallel_tree\":\"1\",\"size_leaf_vector\":\"0\"},"
		"\"tree_info\":[", shape->trees);
	for (int t = 0; t < shape->trees; t++)
	{
		if (!shape->grown)
		{
			trees[t].group = t % shape->groups;
			trees[t].weight = shape->dart ? (float) uniform() : 1;
			trees[t].count = 1;
			trees[t].nodes[0].cover = 1000;
			grow(&trees[t], shape, 0, 0);
		}
		put("%s%d", t > 0 ? "," : "", trees[t].group);
	}
	put("],\"trees\":[");
	for (int t = 0; t < shape->trees; t++)
	{
		if (t > 0)
			put(",");
		put_tree(&trees[t], t);
	}
	put("]}}");
	if (shape->dart)
	{
		put(",\"weight_drop\":[");
		for (int t = 0; t < shape->trees; t++)
			put("%s%.9g", t > 0 ? "," : "", (double) trees[t].weight);
		put("]}");
	}
	if (shape->dart)
		file_len--;				/* the brace that closes it comes below */
	put("%s\"learner_model_param\":{\"base_score\":\"2.5E-1\",\"num_class\":\"%d\",\"num_feature\":\"%d\","
		"\"num_target\":\"1\"},\"objective\":{\"name\":\"%s\"}}}", shape->dart ? "}," : ",",
		shape->groups > 1 ? shape->groups : 0, shape->features,
		shape->groups > 1 ? "multi:softprob" : "reg:squarederror");

	forest = mlops_forest_read(file, file_len, &env, &error);
	if (forest == NULL)
	{
		printf("Bail out! %s at %zu\n", error.message, error.offset);
		exit(1);
	}
	return forest;
}

/* --- the definition --- */

static bool
goes_left(const Node *node, const float *row)
{
	float		value = row[node->feature];

	if (isnan(value))
		return node->default_left;
	if (node->categorical)
		return value < 0 || truncf(value) != node->value;
	return value < node->value;
}

static double
part(const Tree *tree, const Node *node, int child)
{
	double		sum = (double) tree->nodes[node->left].cover + (double) tree->nodes[node->right].cover;

	return sum > 0 ? (double) tree->nodes[child].cover / sum : 0.5;
}

/*
 * What a subtree gives with some features known.
 */
static double
expectation(const Tree *tree, int index, const float *row, uint64 known)
{
	const Node *node = &tree->nodes[index];

	if (node->left < 0)
		return (double) (tree->weight == 1 ? node->value : node->value * tree->weight);
	if (known >> node->feature & 1)
		return expectation(tree, goes_left(node, row) ? node->left : node->right, row, known);
	return part(tree, node, node->left) * expectation(tree, node->left, row, known) +
		part(tree, node, node->right) * expectation(tree, node->right, row, known);
}

/*
 * The Shapley values of one tree, added to values.
 */
static void
add_shapley(const Tree *tree, int features, const float *row, double *values)
{
	uint64		all = UINT64CONST(1) << features;
	double	   *known = malloc(sizeof(double) * all);

	for (uint64 set = 0; set < all; set++)
		known[set] = expectation(tree, 0, row, set);
	for (int j = 0; j < features; j++)
	{
		for (uint64 set = 0; set < all; set++)
		{
			int			size = __builtin_popcountll(set);

			/* |set|! (features - |set| - 1)! / features! */
			if ((set >> j & 1) == 0)
				values[j] += (known[set | UINT64CONST(1) << j] - known[set]) *
					exp(lgamma(size + 1) + lgamma(features - size) - lgamma(features + 1));
		}
	}
	values[features] += known[0];
	free(known);
}

/*
 * The same of a chain, on whose paths each feature stands once: leaf by leaf,
 * by the numbers of known features.
 */
static void
add_chain_shapley(const Tree *tree, int features, const float *row, double *values)
{
	double		rest[MAX_FEATURES];
	bool		on[MAX_FEATURES];
	const Node *node = &tree->nodes[0];

	for (int depth = 0;; depth++)
	{
		bool		end = node->left < 0;

		for (int side = 0; side < (end ? 1 : 2); side++)
		{
			int			length = depth + !end;
			double		value = (double) (end ? node->value : tree->nodes[node->right].value);
			double		mean = value;

			if (!end && side == 0)
				continue;		/* goes on below */
			if (!end)
			{
				rest[depth] = part(tree, node, node->right);
				on[depth] = !goes_left(node, row);
			}
			for (int i = 0; i < length; i++)
				mean *= rest[i];
			values[features] += mean;
			for (int j = 0; j < length; j++)
			{
				double		sums[MAX_FEATURES + 1] = {1};
				double		total = 0;
				int			count = 0;

				for (int i = 0; i < length; i++)
				{
					if (i == j)
						continue;
					count++;
					for (int k = count; k >= 0; k--)
						sums[k] = sums[k] * rest[i] + (k > 0 && on[i] ? sums[k - 1] : 0);
				}
				for (int k = 0; k <= count; k++)
					total += sums[k] * exp(lgamma(k + 1) + lgamma(length - k) - lgamma(length + 1));
				values[tree->nodes[0].feature + j] += value * ((on[j] ? 1 : 0) - rest[j]) * total;
			}
		}
		if (end)
			return;
		rest[depth] = part(tree, node, node->left);
		on[depth] = goes_left(node, row);
		node = &tree->nodes[node->left];
	}
}

static void
random_row(const Shape *shape, float *row)
{
	for (int i = 0; i < shape->features; i++)
		row[i] = uniform() < 0.1 ? NAN : (float) (uniform() < 0.5 ? below(5) : 5 * uniform() - 0.5);
}

/*
 * Random forests of a shape against the definition.
 */
static void
test_shape(const char *name, const Shape *shape, int models, int rows)
{
	Tree	   *trees = malloc(sizeof(Tree) * shape->trees);
	double		worst = 0;
	bool		added = true;

	for (int model = 0; model < models; model++)
	{
		MlopsForest *forest = make_forest(shape, trees);
		MlopsForestError error = {0};
		MlopsShap  *shap = mlops_shap_create(forest, &env, &error);
		void	   *scratch = malloc(mlops_forest_scratch_size(forest));
		void	   *shap_scratch = malloc(mlops_shap_scratch_size(shap));
		float		margins[8];

		for (int i = 0; i < rows; i++)
		{
			float		row[MAX_FEATURES];

			random_row(shape, row);
			mlops_forest_margin(forest, row, scratch, margins);
			for (int group = 0; group < shape->groups; group++)
			{
				double		values[MAX_FEATURES + 1];
				double		expected[MAX_FEATURES + 1] = {0};

				memset(shap_scratch, 0xff, mlops_shap_scratch_size(shap));
				added &= mlops_shap_contributions(shap, forest, row, group, margins[group],
												  shap_scratch, &env, values, &error);
				expected[shape->features] = 0.25;
				for (int t = group; t < shape->trees; t += shape->groups)
				{
					if (shape->chain)
						add_chain_shapley(&trees[t], shape->features, row, expected);
					else
						add_shapley(&trees[t], shape->features, row, expected);
				}
				for (int k = 0; k <= shape->features; k++)
				{
					double		difference = fabs(values[k] - expected[k]);

					if (!(difference <= worst))
						worst = difference;
				}
			}
		}
		free(shap_scratch);
		free(scratch);
		env_release(NULL, shap);
		env_release(NULL, forest);
	}
	ok(worst < 1e-11, "%s: the values are those of the definition", name);
	ok(added, "%s: they add up to the margin", name);
	if (!(worst < 1e-11))
		printf("# they differ by %g\n", worst);
	free(trees);
}

/*
 * Splits that change nothing, and features that do the same.
 */
static void
test_equal(void)
{
	Shape		shape = {.features = 3,.depth = 3,.groups = 1,.trees = 2,.grown = true};
	Tree	   *trees = malloc(sizeof(Tree) * shape.trees);
	bool		none = true;
	bool		equal = true;

	for (int model = 0; model < 100; model++)
	{
		MlopsForestError error;
		MlopsForest *forest;
		MlopsShap  *shap;
		void	   *scratch;
		void	   *shap_scratch;
		float		row[3];
		float		margin;
		double		values[4];

		/*
		 * Feature 2 splits between equal leaves; 0 and 1 do the same in two
		 * trees that differ in nothing else.
		 */
		for (int t = 0; t < 2; t++)
		{
			Tree	   *tree = &trees[t];
			float		value = (float) uniform();

			tree->count = 5;
			tree->weight = 1;
			tree->group = 0;
			if (t == 1)
			{
				*tree = trees[0];
				tree->nodes[0].feature = 1;
				continue;
			}
			tree->nodes[0] = (Node) {1, 2, 0, t, false, false, 2.5f, 1000};
			tree->nodes[1] = (Node) {-1, -1, 0, 0, false, false, (float) uniform(), (float) (1000 * uniform())};
			tree->nodes[2] = (Node) {3, 4, 0, 2, false, false, 2.5f, 1000 - tree->nodes[1].cover};
			tree->nodes[3] = (Node) {-1, -1, 2, 0, false, false, value, (float) uniform()};
			tree->nodes[4] = (Node) {-1, -1, 2, 0, false, false, value, (float) uniform()};
		}
		forest = make_forest(&shape, trees);
		shap = mlops_shap_create(forest, &env, &error);
		scratch = malloc(mlops_forest_scratch_size(forest));
		shap_scratch = malloc(mlops_shap_scratch_size(shap));
		random_row(&shape, row);
		row[1] = row[0];
		mlops_forest_margin(forest, row, scratch, &margin);
		if (!mlops_shap_contributions(shap, forest, row, 0, margin, shap_scratch, &env, values, &error))
			none = equal = false;
		none &= values[2] == 0 && !signbit(values[2]);
		equal &= values[0] == values[1];
		free(shap_scratch);
		free(scratch);
		env_release(NULL, shap);
		env_release(NULL, forest);
	}
	ok(none, "a feature that changes nothing has exactly 0");
	ok(equal, "two features that do the same have equal values");
	free(trees);
}

/*
 * Values that do not add up, and cancelling.
 */
static void
test_limits(void)
{
	Shape		shape = {.features = 60,.depth = 13,.groups = 1,.trees = 1};
	Tree	   *trees = malloc(sizeof(Tree) * 2);
	MlopsForest *forest = make_forest(&shape, trees);
	MlopsForestError error = {0};
	MlopsShap  *volatile shap = mlops_shap_create(forest, &env, &error);
	void	   *scratch = malloc(mlops_forest_scratch_size(forest));
	void	   *shap_scratch = malloc(mlops_shap_scratch_size(shap));
	float		row[MAX_FEATURES] = {0};
	double		values[MAX_FEATURES + 1];
	float		margin;
	volatile int stops = 0;

	mlops_forest_margin(forest, row, scratch, &margin);
	ok(!mlops_shap_contributions(shap, forest, row, 0, margin + 0.01f, shap_scratch, &env, values, &error) &&
	   error.code == MLOPS_FOREST_INVALID && strstr(error.message, "add up") != NULL,
	   "values that do not add up to the margin are an error");

	for (volatile int n = 0; n < 1000; n++)
	{
		checks_left = n;
		if (setjmp(cancelled) == 0)
		{
			mlops_shap_contributions(shap, forest, row, 0, margin, shap_scratch, &env, values, &error);
			checks_left = -1;
			break;
		}
		stops++;
	}
	ok(stops >= 32, "one tree of 8,191 splits can be cancelled in many places");
	ok(mlops_shap_scratch_size(shap) < 64 * 1024, "and its working memory is bounded");
	env_release(NULL, shap);
	free(shap_scratch);
	free(scratch);
	env_release(NULL, forest);
	free(trees);
}

/*
 * Covers that are no weights of rows.
 */
static void
test_covers(void)
{
	Shape		small = {.features = 3,.depth = 2,.groups = 1,.trees = 2};
	Tree	   *trees = malloc(sizeof(Tree) * 2);

	for (int k = 0; k < 3; k++)
	{
		MlopsForestError error = {0};
		MlopsForest *forest;
		static const float covers[] = {-1, INFINITY, NAN};
		char	   *found;

		forest = make_forest(&small, trees);
		env_release(NULL, forest);
		found = strstr(file, "\"sum_hessian\":[1000");
		memcpy(found + strlen("\"sum_hessian\":["), k == 0 ? "-100" : k == 1 ? "1e39" : "NaN ", 4);
		forest = mlops_forest_read(file, file_len, &env, &error);
		if (forest == NULL)
		{
			ok(true, "a cover of %g is refused when the file is read", (double) covers[k]);
			continue;
		}
		memset(&error, 0, sizeof(error));
		ok(mlops_shap_create(forest, &env, &error) == NULL && error.code == MLOPS_FOREST_UNSUPPORTED,
		   "a cover of %g is refused", (double) covers[k]);
		env_release(NULL, forest);
	}
	ok(held == 0, "all memory was given back");
	free(trees);
}

/* --- libxgboost --- */

static void
check(int result)
{
	if (result != 0)
	{
		printf("Bail out! %s\n", XGBGetLastError());
		exit(1);
	}
}

#define ROWS	600
#define WIDTH	9

/*
 * Train a model with these parameters (name, value, ... NULL), and compare
 * contributions and importances.
 */
static void
test_trained(const char *name, bool categorical, int groups, const char *const *parameters)
{
	static const char *const kinds[] = {"weight", "gain", "cover", "total_gain", "total_cover"};
	float	   *rows = malloc(sizeof(float) * ROWS * WIDTH);
	float	   *labels = malloc(sizeof(float) * ROWS);
	const char *types[WIDTH];
	DMatrixHandle matrix;
	BoosterHandle booster;
	const char *bytes;
	bst_ulong	len;
	const bst_ulong *shape;
	bst_ulong	dimensions;
	const float *result;
	MlopsForestError error = {0};
	MlopsForest *forest;
	MlopsForestInfo info;
	MlopsShap  *shap;
	void	   *scratch;
	void	   *shap_scratch;
	double		worst = 0;
	double		margin_worst = 0;
	bool		added = true;

	for (int i = 0; i < ROWS; i++)
	{
		float	   *row = rows + i * WIDTH;

		for (int k = 0; k < WIDTH; k++)
			row[k] = k < 3 && categorical ? (float) below(k == 0 ? 3 : 40) : (float) (4 * uniform() - 2);
		labels[i] = (float) ((int) (fabs(row[0]) + row[3] * row[4] + row[5] + 3 * uniform() + 40) % Max(groups, 2));
		for (int k = 0; k < WIDTH; k++)
			if (uniform() < 0.05)
				row[k] = NAN;
	}
	for (int k = 0; k < WIDTH; k++)
		types[k] = k < 3 && categorical ? "c" : "float";
	check(XGDMatrixCreateFromMat(rows, ROWS, WIDTH, NAN, &matrix));
	check(XGDMatrixSetFloatInfo(matrix, "label", labels, ROWS));
	check(XGDMatrixSetStrFeatureInfo(matrix, "feature_type", types, WIDTH));
	check(XGBoosterCreate(&matrix, 1, &booster));
	check(XGBoosterSetParam(booster, "nthread", "1"));
	check(XGBoosterSetParam(booster, "base_score", "0.3"));
	for (int i = 0; parameters[i] != NULL; i += 2)
		check(XGBoosterSetParam(booster, parameters[i], parameters[i + 1]));
	for (int i = 0; i < 20; i++)
		check(XGBoosterUpdateOneIter(booster, i, matrix));
	check(XGBoosterSaveModelToBuffer(booster, "{\"format\": \"ubj\"}", &len, &bytes));
	forest = mlops_forest_read(bytes, len, &env, &error);
	shap = forest == NULL ? NULL : mlops_shap_create(forest, &env, &error);
	if (shap == NULL)
	{
		printf("Bail out! %s\n", error.message);
		exit(1);
	}
	mlops_forest_info(forest, &info);
	scratch = malloc(mlops_forest_scratch_size(forest));
	shap_scratch = malloc(mlops_shap_scratch_size(shap));

	check(XGBoosterPredictFromDMatrix(booster, matrix,
									  "{\"type\": 2, \"iteration_begin\": 0, \"iteration_end\": 0,"
									  " \"strict_shape\": true, \"training\": false}",
									  &shape, &dimensions, &result));
	for (int i = 0; i < ROWS; i++)
	{
		const float *row = rows + i * WIDTH;
		float		margins[8];

		mlops_forest_margin(forest, row, scratch, margins);
		for (int group = 0; group < groups; group++)
		{
			const float *expected = result + (i * groups + group) * (WIDTH + 1);
			double		values[WIDTH + 1];
			double		largest = 0;
			double		sum = 0;

			added &= mlops_shap_contributions(shap, forest, row, group, margins[group],
											  shap_scratch, &env, values, &error);
			for (int k = 0; k <= WIDTH; k++)
			{
				largest = Max(largest, fabs(values[k]));
				sum += values[k];
			}
			for (int k = 0; k <= WIDTH; k++)
				worst = Max(worst, fabs(values[k] - (double) expected[k]) / largest);
			margin_worst = Max(margin_worst, fabs(sum - (double) margins[group]) / largest);
		}
	}
	ok(worst < 1e-5, "%s: libxgboost gives the same contributions", name);
	if (!(worst < 1e-5))
		printf("# they differ by %g of the largest\n", worst);
	ok(added && margin_worst < 1e-5, "%s: they add up", name);

	for (int kind = 0; kind < (int) lengthof(kinds); kind++)
	{
		double		values[WIDTH];
		double		splits[WIDTH];
		char		config[100];
		bst_ulong	count;
		const char **names;
		const float *scores;
		bool		same = true;
		int			used = 0;

		if (!mlops_forest_importance(forest, kind, &env, values, splits))
		{
			ok(strcmp(info.booster, "gblinear") == 0 && kind != MLOPS_IMPORTANCE_WEIGHT,
			   "%s: there is no %s", name, kinds[kind]);
			continue;
		}
		snprintf(config, sizeof(config), "{\"importance_type\": \"%s\"}", kinds[kind]);
		check(XGBoosterFeatureScore(booster, config, &count, &names, &dimensions, &shape, &scores));
		for (bst_ulong i = 0; i < count; i++)
		{
			int			feature = atoi(names[i] + 1);	/* "f3" */
			double		expected = (double) scores[i];

			/* a linear model has a score per feature and class */
			if (dimensions == 2)
			{
				expected = 0;
				for (bst_ulong k = 0; k < shape[1]; k++)
					expected += fabs((double) scores[i * shape[1] + k]);
			}
			same &= fabs(values[feature] - expected) <= 1e-5 * fabs(expected);
		}
		for (int i = 0; i < WIDTH; i++)
			used += values[i] != 0;
		ok(same && used == (int) count, "%s: libxgboost gives the same %s", name, kinds[kind]);
	}

	free(shap_scratch);
	free(scratch);
	env_release(NULL, shap);
	env_release(NULL, forest);
	free(rows);
	free(labels);
	check(XGBoosterFree(booster));
	check(XGDMatrixFree(matrix));
}

int
main(int argc, char **argv)
{
	test_shape("small trees", &(Shape) {.features = 4,.depth = 3,.groups = 1,.trees = 3}, 100, 10);
	test_shape("features that come again", &(Shape) {.features = 3,.depth = 7,.stop = 0.2,.groups = 1,.trees = 2}, 50, 10);
	test_shape("eight features", &(Shape) {.features = 8,.depth = 9,.stop = 0.1,.groups = 1,.trees = 1}, 20, 5);
	test_shape("more than one pass", &(Shape) {.features = 12,.depth = 13,.stop = 0.2,.groups = 1,.trees = 1}, 3, 2);
	test_shape("one pass and two", &(Shape) {.features = 12,.depth = 12,.stop = 0.3,.groups = 1,.trees = 4}, 4, 2);
	test_shape("more than one block", &(Shape) {.features = 9,.depth = 10,.stop = 0.01,.groups = 1,.trees = 1}, 3, 3);
	test_shape("categories", &(Shape) {.features = 5,.depth = 6,.stop = 0.2,.categorical = 0.5,.groups = 1,.trees = 3}, 50, 10);
	test_shape("children without rows", &(Shape) {.features = 5,.depth = 6,.stop = 0.1,.empty = 0.3,.groups = 1,.trees = 2}, 50, 10);
	test_shape("three margins", &(Shape) {.features = 5,.depth = 4,.stop = 0.2,.groups = 3,.trees = 7}, 30, 5);
	test_shape("weights of trees", &(Shape) {.features = 5,.depth = 4,.stop = 0.2,.dart = true,.groups = 1,.trees = 5}, 30, 5);
	test_shape("leaves alone", &(Shape) {.features = 2,.depth = 0,.groups = 1,.trees = 2}, 3, 2);
	test_shape("a path of 64 features", &(Shape) {.features = 64,.depth = 64,.chain = true,.groups = 1,.trees = 1}, 20, 20);
	test_equal();
	test_limits();
	test_covers();

	test_trained("trees", false, 1, (const char *const[]) {"objective", "binary:logistic", "max_depth", "6", NULL});
	test_trained("deep trees", false, 1, (const char *const[]) {"objective", "reg:squarederror", "max_depth", "14", "lambda", "0", NULL});
	test_trained("best first", false, 1, (const char *const[]) {"tree_method", "hist", "grow_policy", "lossguide", "max_leaves", "40", "max_depth", "0", NULL});
	test_trained("classes", false, 3, (const char *const[]) {"objective", "multi:softprob", "num_class", "3", "max_depth", "4", NULL});
	test_trained("dart", false, 1, (const char *const[]) {"booster", "dart", "objective", "binary:logistic", "rate_drop", "0.3", "max_depth", "5", NULL});
	test_trained("random forest", false, 1, (const char *const[]) {"num_parallel_tree", "3", "subsample", "0.6", "max_depth", "5", NULL});
	test_trained("one category against all", true, 1, (const char *const[]) {"tree_method", "hist", "objective", "binary:logistic", "max_cat_to_onehot", "100", NULL});
	test_trained("sets of categories", true, 1, (const char *const[]) {"tree_method", "hist", "objective", "binary:logistic", "max_cat_to_onehot", "1", NULL});
	test_trained("linear", false, 1, (const char *const[]) {"booster", "gblinear", "objective", "binary:logistic", NULL});
	test_trained("linear, classes", false, 3, (const char *const[]) {"booster", "gblinear", "objective", "multi:softprob", "num_class", "3", NULL});
	ok(held == 0, "all memory was given back at the end");

	printf("1..%d\n", tests_run);
	return tests_failed == 0 ? 0 : 1;
}
