/*-------------------------------------------------------------------------
 *
 * forest_kernel.c
 *	  The row kernel beside a plain walk over the same random forests.
 *
 * The reference keeps trees as arrays of its own and knows nothing of the
 * engine but the file that it writes for it.
 *
 *-------------------------------------------------------------------------
 */
#include "forest_test.h"
#include "forest/forest_internal.h"

/* a tree as arrays */
typedef struct Tree
{
	int			num_nodes;
	int			room;
	int			group;
	float		weight;
	int		   *left;			/* -1: leaf */
	int		   *feature;
	float	   *value;
	bool	   *default_left;
	int		   *num_codes;		/* 0: numeric */
	int		  **codes;			/* ascending */
	int		   *depth;
	int		   *parent;
} Tree;

typedef struct Model
{
	int			num_features;
	int			num_groups;
	int			num_trees;
	int			version[3];
	bool		weighted;
	float		base[8];
	Tree	   *trees;
} Model;

/* what kind of forest to make */
typedef struct Recipe
{
	const char *name;
	int			trees;
	int			nodes;			/* of a tree, at most */
	int			features;
	int			groups;
	int			categorical;	/* of ten splits */
	int			max_code;
	int			set_size;
	bool		same_depth;
	bool		weighted;
	bool		infinite;		/* thresholds of plus and minus infinity */
	bool		chain;			/* each tree one long path */
	int			others;			/* nodes of all trees but the first, if not 0 */
	int			version[3];
	bool		walked;			/* we expect all trees in the walk */
} Recipe;

static int
add_node(Tree *tree, int parent)
{
	int			i = tree->num_nodes++;

	if (i >= tree->room)
	{
		tree->room = 2 * tree->room + 64;
#define MORE(array) tree->array = realloc(tree->array, tree->room * sizeof(*tree->array))
		MORE(left);
		MORE(feature);
		MORE(value);
		MORE(default_left);
		MORE(num_codes);
		MORE(codes);
		MORE(depth);
		MORE(parent);
#undef MORE
	}
	tree->left[i] = -1;
	tree->feature[i] = 0;
	tree->value[i] = below(20) == 0 ? -0.0f : (float) normal();
	tree->default_left[i] = false;
	tree->num_codes[i] = 0;
	tree->codes[i] = NULL;
	tree->depth[i] = parent < 0 ? 0 : tree->depth[parent] + 1;
	tree->parent[i] = parent;
	return i;
}

static int
compare_int(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

/* make a split of a leaf */
static void
grow(Tree *tree, int node, const Recipe *recipe, int num_features)
{
	int			left = add_node(tree, node);

	add_node(tree, node);
	tree->left[node] = left;
	tree->feature[node] = below(num_features);
	tree->default_left[node] = below(2);
	if (below(10) < recipe->categorical)
	{
		int			count = 1 + below(recipe->set_size);
		int		   *codes = malloc(count * sizeof(int));
		int			kept = 0;

		for (int i = 0; i < count; i++)
			codes[i] = below(recipe->max_code + 1);
		qsort(codes, count, sizeof(int), compare_int);
		for (int i = 0; i < count; i++)
		{
			if (i == 0 || codes[i] != codes[i - 1])
				codes[kept++] = codes[i];
		}
		tree->codes[node] = codes;
		tree->num_codes[node] = kept;
	}
	else if (recipe->infinite && below(6) == 0)
		tree->value[node] = below(2) ? INFINITY : -INFINITY;
	else
		tree->value[node] = below(10) == 0 ? 0.0f : (float) below(9) / 4 - 1;
}

static Model
make_model(const Recipe *recipe)
{
	Model		model = {0};

	model.num_features = recipe->features;
	model.num_groups = recipe->groups;
	model.num_trees = recipe->trees;
	model.weighted = recipe->weighted;
	memcpy(model.version, recipe->version, sizeof(model.version));
	if (model.version[0] == 0)
		model.version[0] = 3;
	for (int g = 0; g < recipe->groups; g++)
		model.base[g] = (float) normal();
	model.trees = calloc(recipe->trees, sizeof(Tree));
	for (int t = 0; t < recipe->trees; t++)
	{
		Tree	   *tree = &model.trees[t];
		int			nodes = t > 0 && recipe->others > 0 ? recipe->others : recipe->nodes;
		int			limit = recipe->same_depth ? nodes : 1 + below(nodes);

		tree->group = below(recipe->groups);
		tree->weight = below(4) == 0 ? 1 : (float) uniform();
		add_node(tree, -1);
		for (int node = 0; node < tree->num_nodes && tree->num_nodes + 2 <= limit; node++)
		{
			bool		chain = recipe->chain && (t > 0 || recipe->others == 0);

			if (chain ? node % 2 == 0 && tree->depth[node] < 64 : recipe->same_depth || below(5) > 0)
				grow(tree, node, recipe, recipe->features);
		}
	}
	return model;
}

static void
free_model(Model *model)
{
	for (int t = 0; t < model->num_trees; t++)
	{
		Tree	   *tree = &model->trees[t];

		for (int i = 0; i < tree->num_nodes; i++)
			free(tree->codes[i]);
		free(tree->left);
		free(tree->feature);
		free(tree->value);
		free(tree->default_left);
		free(tree->num_codes);
		free(tree->codes);
		free(tree->depth);
		free(tree->parent);
	}
	free(model->trees);
}

/* --- the file --- */

static void
add_number_text(Bytes *file, double number)
{
	if (isinf(number))
		add_text(file, "%sInfinity", number < 0 ? "-" : "");
	else
		add_text(file, "%.9g", number);
}

/* an array of a tree, by an expression over i */
#define ARRAY(key, format, expression) \
	do { \
		add_text(file, "\"" key "\":["); \
		for (int i = 0; i < tree->num_nodes; i++) \
			add_text(file, "%s" format, i > 0 ? "," : "", expression); \
		add_text(file, "],"); \
	} while (0)

static void
write_tree(Bytes *file, const Tree *tree, int number)
{
	int			begin = 0;
	bool		first = true;

	add_text(file, "{\"id\":%d,", number);
	ARRAY("left_children", "%d", tree->left[i]);
	ARRAY("right_children", "%d", tree->left[i] < 0 ? -1 : tree->left[i] + 1);
	ARRAY("parents", "%d", i == 0 ? 2147483647 : tree->parent[i]);
	ARRAY("split_indices", "%d", tree->feature[i]);
	ARRAY("default_left", "%d", tree->default_left[i]);
	ARRAY("split_type", "%d", tree->num_codes[i] > 0);
	ARRAY("base_weights", "%d", 0);
	ARRAY("loss_changes", "%d", i);
	ARRAY("sum_hessian", "%d", tree->num_nodes - i);
	add_text(file, "\"split_conditions\":[");
	for (int i = 0; i < tree->num_nodes; i++)
	{
		add_text(file, i > 0 ? "," : "");
		if (tree->num_codes[i] > 0)
			add_text(file, "NaN");
		else
			add_number_text(file, tree->value[i]);
	}
	add_text(file, "],\"categories\":[");
	for (int i = 0; i < tree->num_nodes; i++)
	{
		for (int k = 0; k < tree->num_codes[i]; k++, first = false)
			add_text(file, "%s%d", first ? "" : ",", tree->codes[i][k]);
	}

	/* the three arrays with one value per categorical node */
	for (int array = 0; array < 3; array++)
	{
		static const char *const keys[] = {"categories_nodes", "categories_segments", "categories_sizes"};

		add_text(file, "],\"%s\":[", keys[array]);
		first = true;
		for (int i = 0; i < tree->num_nodes; i++)
		{
			if (tree->num_codes[i] == 0)
				continue;
			add_text(file, "%s%d", first ? "" : ",",
					 array == 0 ? i : array == 1 ? begin : tree->num_codes[i]);
			begin += array == 1 ? tree->num_codes[i] : 0;
			first = false;
		}
	}
	add_text(file, "],\"tree_param\":{\"num_nodes\":\"%d\",\"num_deleted\":\"0\"}}", tree->num_nodes);
}

static Bytes
write_model(const Model *model)
{
	Bytes		file = {0};

	add_text(&file, "{\"version\":[%d,%d,%d],\"learner\":{\"objective\":{\"name\":\"%s\"},"
			 "\"learner_model_param\":{\"num_feature\":\"%d\",\"num_target\":\"%d\",\"base_score\":\"[",
			 model->version[0], model->version[1], model->version[2], "reg:squarederror",
			 model->num_features, model->num_groups);
	for (int g = 0; g < model->num_groups; g++)
		add_text(&file, "%s%.9g", g > 0 ? "," : "", model->base[g]);
	add_text(&file, "]\"},\"gradient_booster\":{");
	if (model->weighted)
	{
		add_text(&file, "\"weight_drop\":[");
		for (int t = 0; t < model->num_trees; t++)
			add_text(&file, "%s%.9g", t > 0 ? "," : "", model->trees[t].weight);
		add_text(&file, "],\"name\":\"dart\",\"gbtree\":{");
	}
	add_text(&file, "\"name\":\"gbtree\",\"model\":{\"gbtree_model_param\":{\"num_trees\":\"%d\"},\"tree_info\":[",
			 model->num_trees);
	for (int t = 0; t < model->num_trees; t++)
		add_text(&file, "%s%d", t > 0 ? "," : "", model->trees[t].group);
	add_text(&file, "],\"trees\":[");
	for (int t = 0; t < model->num_trees; t++)
	{
		add_text(&file, t > 0 ? "," : "");
		write_tree(&file, &model->trees[t], t);
	}
	add_text(&file, "]}%s}}}", model->weighted ? "}" : "");
	return file;
}

/* --- the reference --- */

/* does a value go left at a node? */
static bool
goes_left(const Model *model, const Tree *tree, int node, float value)
{
	int			last;

	if (isnan(value))
		return tree->default_left[node];
	if (tree->num_codes[node] == 0)
		return value < tree->value[node];
	last = tree->codes[node][tree->num_codes[node] - 1];
	if (model->version[0] == 1 && model->version[1] == 6 &&
		(value < 0 || value >= 16777216 || value >= (last / 32 + 1) * 32))
		return tree->default_left[node];
	if (value < 0 || value >= 16777216)
		return true;
	for (int k = 0; k < tree->num_codes[node]; k++)
	{
		if (tree->codes[node][k] == (int) value)
			return false;
	}
	return true;
}

static void
reference(const Model *model, const float *row, float *margins)
{
	for (int g = 0; g < model->num_groups; g++)
	{
		bool		old = model->version[0] == 1 && model->version[1] < 3 && !model->weighted;
		float		sum = old ? 0 : model->base[g];

		for (int t = 0; t < model->num_trees; t++)
		{
			const Tree *tree = &model->trees[t];
			int			node = 0;

			if (tree->group != g)
				continue;
			while (tree->left[node] >= 0)
				node = tree->left[node] + !goes_left(model, tree, node, row[tree->feature[node]]);
			if (model->weighted)
			{
				volatile float product = (0.0f + tree->value[node]) * tree->weight;

				sum += product;
			}
			else
				sum += tree->value[node];
		}
		margins[g] = old ? model->base[g] + sum : sum;
	}
}

/* a row that meets thresholds, sets, and what is neither */
static void
make_row(const Recipe *recipe, float *row)
{
	static const float special[] = {-0.0f, 0.0f, 1e-45f, -1e-45f, INFINITY, -INFINITY, 3.4e38f, 16777216.0f, -1, 0.5f};

	for (int i = 0; i < recipe->features; i++)
	{
		switch (below(6))
		{
			case 0:
				row[i] = NAN;
				break;
			case 1:
				row[i] = special[below(lengthof(special))];
				break;
			case 2:
				row[i] = (float) below(9) / 4 - 1;
				break;
			case 3:
				row[i] = (float) below(recipe->max_code + 40) + (below(4) == 0 ? 0.75f : 0);
				break;
			default:
				row[i] = (float) normal();
		}
	}
}

static void
test_recipe(const Recipe *recipe)
{
	Model		model = make_model(recipe);
	Bytes		file = write_model(&model);
	MlopsForestError error;
	MlopsForest *forest = mlops_forest_read(file.data, file.len, &host, &error);
	MlopsForest *copy;
	char	   *scratch;
	float	   *row = malloc(recipe->features * sizeof(float));
	float		expected[8];
	float		margins[8];
	int			differ = 0;
	int			plain = 0;
	size_t		guard;

	if (!ok(forest != NULL, "%s: read", recipe->name))
	{
		printf("# %s\n", error.message);
		return;
	}

	/* a copy elsewhere must do as well, and scratch may hold anything */
	copy = malloc(mlops_forest_size(forest) + 8);
	copy = memcpy((char *) copy + 8, forest, mlops_forest_size(forest));
	memset(forest, 0xA5, mlops_forest_size(forest));
	host_release(NULL, forest);
	guard = mlops_forest_scratch_size(copy);
	scratch = malloc(guard + 8);
	memset(scratch, 0xFF, guard + 8);
	for (int i = 0; i < 400; i++)
	{
		make_row(recipe, row);
		reference(&model, row, expected);
		mlops_forest_margin(copy, row, scratch, margins);
		differ += memcmp(margins, expected, recipe->groups * sizeof(float)) != 0;
	}
	for (int t = 0; t < copy->num_trees; t++)
		plain += !mlops_part(copy, MlopsTree, copy->trees)[t].walked;
	ok(differ == 0, "%s: %d of 400 rows differ; %d of %d trees walked plainly", recipe->name,
	   differ, plain, copy->num_trees);
	ok((plain == 0) == recipe->walked, "%s: walked as expected", recipe->name);
	ok(scratch[guard] == -1 && scratch[guard + 7] == -1, "%s: stays inside scratch", recipe->name);
	free((char *) copy - 8);
	free(scratch);
	free(row);
	free(file.data);
	free_model(&model);
}

int
main(void)
{
	static const Recipe recipes[] = {
		{"one leaf", 1, 1, 1, 1, .walked = true, .same_depth = true},
		{"one split", 1, 3, 1, 1, .walked = true, .same_depth = true},
		{"seven trees", 7, 31, 5, 1, .walked = true},
		{"eight trees", 8, 31, 5, 1, .walked = true, .same_depth = true},
		{"nine trees", 9, 31, 8, 1, .walked = true, .same_depth = true},
		{"sixteen trees", 16, 63, 9, 1, .walked = true, .same_depth = true},
		{"seventeen trees", 17, 63, 20, 1, .walked = true, .same_depth = true},
		{"many shallow trees", 333, 7, 30, 1, .walked = true, .same_depth = true},
		{"trees of all depths", 100, 255, 28, 1, .walked = true},
		{"groups", 50, 63, 12, 5, .walked = true, .same_depth = true},
		{"groups, all depths", 50, 127, 12, 3, .walked = true},
		{"weights", 40, 63, 12, 1, .walked = true, .weighted = true},
		{"weights and groups", 40, 63, 12, 3, .walked = true, .weighted = true},
		{"chains", 20, 127, 4, 1, .walked = true, .chain = true},
		{"deep trees", 3, 8191, 17, 1, .walked = true, .same_depth = true},
		{"a tree too large to be compact", 2, 200001, 17, 1, .walked = false, .same_depth = true},
		{"a large tree before small ones", 20, 200001, 17, 1, .others = 31, .walked = false, .same_depth = true},
		{"a large tree before chains", 20, 200001, 17, 1, .others = 101, .chain = true, .walked = false, .same_depth = true},
		{"too many features for slots", 100, 1001, 65536, 1, .walked = false, .same_depth = true},
		{"infinite thresholds", 40, 31, 6, 1, .walked = true, .infinite = true},
		{"one-hot", 60, 63, 10, 1, .categorical = 5, .max_code = 20, .set_size = 1, .walked = true},
		{"sets", 60, 63, 10, 1, .categorical = 5, .max_code = 12, .set_size = 8, .walked = true},
		{"many sets", 20, 2047, 10, 1, .categorical = 8, .max_code = 500, .set_size = 200, .walked = false, .same_depth = true},
		{"sparse sets", 30, 31, 6, 1, .categorical = 5, .max_code = 20000, .set_size = 3, .walked = false},
		{"wide codes", 30, 31, 6, 1, .categorical = 5, .max_code = 16777215, .set_size = 4, .walked = false},
		{"sets, weights and groups", 60, 63, 10, 4, .categorical = 5, .max_code = 40, .set_size = 20, .weighted = true, .walked = true},
		{"only categories", 40, 31, 7, 1, .categorical = 10, .max_code = 9, .set_size = 4, .walked = true},
		{"sets of 1.6", 40, 63, 10, 1, .categorical = 5, .max_code = 60, .set_size = 20, .version = {1, 6, 2}, .walked = false},
		{"numbers of 1.6", 20, 63, 10, 1, .version = {1, 6, 2}, .walked = true},
		{"sums of 1.2", 40, 63, 10, 1, .version = {1, 2, 1}, .walked = true},
		{"sums of 1.2, groups", 40, 63, 10, 3, .version = {1, 2, 1}, .walked = true},
		{"weights of 1.2", 40, 63, 10, 1, .weighted = true, .version = {1, 2, 1}, .walked = true}
	};

	for (int i = 0; i < (int) lengthof(recipes); i++)
		test_recipe(&recipes[i]);
	return finish();
}
