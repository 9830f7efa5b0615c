/*-------------------------------------------------------------------------
 *
 * forest_hostile.c
 *	  Model files that are damaged or made to harm: each is refused, in both
 *	  formats, with an error that says why, and nothing is left behind; or it
 *	  is a model after all, which then scores the same in every way there is.
 *
 *-------------------------------------------------------------------------
 */
#include "forest_check.h"

static const char *const format_names[] = {"JSON", "UBJSON"};

/* bytes that the engine may hold while it reads a file */
#define MEMORY_ALLOWED(len)	(1000000 + 12 * (len))

/* what happened to a file */
typedef struct Verdict
{
	MlopsForestError error;
	bool		read;			/* accepted */
	bool		clean;			/* nothing left behind, the error filled in,
								 * little memory taken, scores that agree */
	bool		finite;			/* accepted, and scores are numbers */
} Verdict;

/* read a file, and score with it if it is accepted */
static Verdict
try_bytes(const void *bytes, size_t len)
{
	Verdict		verdict = {{0}};
	size_t		held = host_held;
	char	   *exact = malloc(Max(len, 1));
	MlopsForest *forest;
	bool		little;

	/* no byte more than the file, so that a tool sees a read beyond it */
	memcpy(exact, bytes, len);
	host_peak = host_held;
	forest = mlops_forest_read(exact, len, &host, &verdict.error);
	verdict.read = forest != NULL;
	little = host_peak - held <= MEMORY_ALLOWED(len);
	if (forest != NULL)
	{
		MlopsForestInfo info;
		float	   *row;
		float	   *margins;
		void	   *scratch;

		verdict.clean = mlops_forest_valid(forest, mlops_forest_size(forest)) &&
			verdict.error.code == MLOPS_FOREST_OK && check_forest(forest) == NULL;
		verdict.finite = true;
		mlops_forest_info(forest, &info);
		row = malloc(info.num_features * sizeof(float));
		margins = malloc(info.num_groups * sizeof(float));
		scratch = malloc(mlops_forest_scratch_size(forest));
		for (int i = 0; i < 20; i++)
		{
			for (int k = 0; k < info.num_features; k++)
				row[k] = i == 0 || below(4) == 0 ? NAN : below(5) == 0 ? INFINITY : (float) normal();
			mlops_forest_margin(forest, row, scratch, margins);
			for (int g = 0; g < info.num_groups; g++)
				verdict.finite = verdict.finite && isfinite(margins[g]);
			mlops_forest_transform(forest, margins, margins);
		}
		free(row);
		free(margins);
		free(scratch);
		host_release(NULL, forest);
	}
	else
		verdict.clean = verdict.error.code != MLOPS_FOREST_OK &&
			verdict.error.message[0] != '\0' && verdict.error.offset <= len;
	verdict.clean = verdict.clean && little && host_held == held;
	free(exact);
	return verdict;
}

static Verdict
try_item(const Item *root, bool binary)
{
	Bytes		bytes = written(root, binary);
	Verdict		verdict = try_bytes(bytes.data, bytes.len);

	free(bytes.data);
	return verdict;
}

/* --- single changes to a model --- */

typedef enum Change
{
	SET,						/* a number */
	TEXT,						/* a string */
	DROP,						/* a member or item */
	REPEAT,						/* a member or item comes twice */
	EMPTY,						/* an array or object */
	VALUE						/* other bytes */
} Change;

typedef struct Hostile
{
	const char *name;
	Change		change;
	const char *path;
	double		number;
	const char *text;			/* also JSON */
	const char *binary;			/* UBJSON, where it has no zero */
	MlopsForestErrorCode code;
	const char *message;		/* a part of it */
} Hostile;

#define INVALID		MLOPS_FOREST_INVALID
#define UNSUPPORTED MLOPS_FOREST_UNSUPPORTED
#define LIMIT		MLOPS_FOREST_LIMIT

#define PARAM "learner/learner_model_param/"
#define MODEL "learner/gradient_booster/model/"

static const Hostile hostiles[] = {
	/* children */
	{"left_99999", SET, "trees/0/left_children/0", 99999, .code = INVALID, .message = "left child"},
	{"left_2e9", SET, "trees/0/left_children/0", 2e9, .code = INVALID, .message = "left child"},
	{"left_plus1", SET, "trees/0/left_children/0", 2, .code = INVALID, .message = "right child"},
	{"left_neg5", SET, "trees/0/left_children/0", -5, .code = INVALID, .message = "left child"},
	{"left_last", SET, "trees/0/left_children/0", 4, .code = INVALID, .message = "left child"},
	{"left_only", SET, "trees/0/right_children/0", -1, .code = INVALID, .message = "right child"},
	{"right_only", SET, "trees/0/left_children/0", -1, .code = INVALID, .message = "right child only"},
	{"right_99999", SET, "trees/0/right_children/0", 99999, .code = INVALID, .message = "right child"},
	{"right_swapped", SET, "trees/0/right_children/2", 3, .code = INVALID, .message = "not one more"},
	{"cycle_self", SET, "trees/0/left_children/2", 2, .code = INVALID, .message = "left child"},
	{"cycle_parent", SET, "trees/0/left_children/2", 0, .code = INVALID, .message = "left child"},
	{"left_beyond_int32", SET, "trees/0/left_children/0", 4294967297.0, .code = INVALID, .message = "left child"},
	{"leaf_with_child", SET, "trees/0/left_children/1", 3, .code = INVALID, .message = "right child"},
	/* parents */
	{"parent_99999", SET, "trees/0/parents/1", 99999, .code = INVALID, .message = "parent"},
	{"parent_neg", SET, "trees/0/parents/1", -1, .code = INVALID, .message = "parent"},
	{"parent_other", SET, "trees/0/parents/4", 0, .code = INVALID, .message = "another parent"},
	{"parent_other_left", SET, "trees/0/parents/3", 0, .code = INVALID, .message = "another parent"},
	{"two_parents", SET, "trees/0/left_children/1", 3, .code = INVALID, .message = "right child"},
	{"root_with_parent", SET, "trees/0/parents/0", 1, .code = INVALID, .message = "root"},
	/* splits */
	{"split_idx_2", SET, "trees/0/split_indices/0", 2, .code = INVALID, .message = "feature 2"},
	{"split_idx_100000", SET, "trees/0/split_indices/0", 100000, .code = INVALID, .message = "feature 100000"},
	{"split_idx_2e9", SET, "trees/0/split_indices/0", 2e9, .code = INVALID, .message = "feature"},
	{"split_idx_neg", SET, "trees/0/split_indices/0", -1, .code = INVALID, .message = "feature -1"},
	{"split_idx_2e32", SET, "trees/0/split_indices/0", 4294967296.0, .code = INVALID, .message = "feature"},
	{"default_left_2", SET, "trees/0/default_left/0", 2, .code = INVALID, .message = "0 or 1"},
	{"default_left_neg", SET, "trees/0/default_left/0", -1, .code = INVALID, .message = "0 or 1"},
	{"split_type_2", SET, "trees/0/split_type/0", 2, .code = INVALID, .message = "0 or 1"},
	{"split_type_1", SET, "trees/0/split_type/0", 1, .code = INVALID, .message = "categorical"},
	{"threshold_nan", SET, "trees/0/split_conditions/0", NAN, .code = INVALID, .message = "not a number"},
	{"leaf_nan", SET, "trees/0/split_conditions/1", NAN, .code = INVALID, .message = "finite"},
	{"leaf_inf", SET, "trees/0/split_conditions/1", INFINITY, .code = INVALID, .message = "finite"},
	{"leaf_1e39", VALUE, "trees/0/split_conditions/1", .text = "1e39", .binary = "d\x7f\x80\x01\x01",
	.code = INVALID, .message = "finite"},
	/* counts */
	{"num_nodes_more", SET, "trees/0/tree_param/num_nodes", 6, .code = INVALID, .message = "5 values for 6 nodes"},
	{"num_nodes_less", SET, "trees/0/tree_param/num_nodes", 3, .code = INVALID, .message = "5 values for 3 nodes"},
	{"num_nodes_0", SET, "trees/0/tree_param/num_nodes", 0, .code = INVALID, .message = "num_nodes"},
	{"num_nodes_neg", SET, "trees/0/tree_param/num_nodes", -1, .code = INVALID, .message = "num_nodes"},
	{"num_nodes_2e9", SET, "trees/0/tree_param/num_nodes", 2e9, .code = INVALID, .message = "nodes"},
	{"num_nodes_1e18", TEXT, "trees/0/tree_param/num_nodes", .text = "1000000000000000000", .code = INVALID, .message = "num_nodes"},
	{"num_deleted_1", SET, "trees/0/tree_param/num_deleted", 1, .code = INVALID, .message = "deleted"},
	{"leaf_vector", SET, "trees/0/tree_param/size_leaf_vector", 3, .code = UNSUPPORTED, .message = "vectors in their leaves"},
	{"num_trees_more", SET, MODEL "gbtree_model_param/num_trees", 2, .code = INVALID, .message = "declares 2 trees"},
	{"num_trees_2e9", SET, MODEL "gbtree_model_param/num_trees", 2e9, .code = INVALID, .message = "declares"},
	{"num_trees_0", SET, MODEL "gbtree_model_param/num_trees", 0, .code = INVALID, .message = "declares 0"},
	{"tree_info_1e9", SET, "tree_info/0", 1e9, .code = INVALID, .message = "adds to margin"},
	{"tree_info_1", SET, "tree_info/0", 1, .code = INVALID, .message = "adds to margin 1"},
	{"tree_info_neg", SET, "tree_info/0", -1, .code = INVALID, .message = "adds to margin"},
	{"tree_info_empty", EMPTY, "tree_info", .code = INVALID, .message = "tree_info has 0"},
	{"tree_info_long", REPEAT, "tree_info/0", .code = INVALID, .message = "tree_info has 2"},
	{"tree_twice", REPEAT, "trees/0", .code = INVALID, .message = "id"},
	{"tree_id", SET, "trees/0/id", 7, .code = INVALID, .message = "has the id 7"},
	{"no_trees", EMPTY, "trees", .code = INVALID, .message = "declares 1 trees"},
	{"short_left", DROP, "trees/0/left_children/4", .code = INVALID, .message = "left_children"},
	{"short_split_type", DROP, "trees/0/split_type/4", .code = INVALID, .message = "split_type"},
	{"short_weights", DROP, "trees/0/base_weights/4", .code = INVALID, .message = "base_weights"},
	{"long_parents", REPEAT, "trees/0/parents/4", .code = INVALID, .message = "parents"},
	{"no_left_children", DROP, "trees/0/left_children", .code = INVALID, .message = "no left_children"},
	{"no_sum_hessian", DROP, "trees/0/sum_hessian", .code = INVALID, .message = "no sum_hessian"},
	{"no_tree_param", DROP, "trees/0/tree_param", .code = INVALID, .message = "tree_param"},
	/* the model's parameters */
	{"num_feature_1", SET, PARAM "num_feature", 1, .code = INVALID, .message = "feature 1"},
	{"num_feature_0", SET, PARAM "num_feature", 0, .code = INVALID, .message = "no features"},
	{"num_feature_neg", SET, PARAM "num_feature", -3, .code = INVALID, .message = "num_feature"},
	{"num_feature_1e9", SET, PARAM "num_feature", 1e9, .code = LIMIT, .message = "features"},
	{"num_feature_hex", TEXT, PARAM "num_feature", .text = "0x2", .code = INVALID, .message = "not an integer"},
	{"num_feature_space", TEXT, PARAM "num_feature", .text = " 2", .code = INVALID, .message = "not an integer"},
	{"num_class_1e9", SET, PARAM "num_class", 1e9, .code = LIMIT, .message = "classes"},
	{"num_class_3", SET, PARAM "num_class", 3, .code = UNSUPPORTED, .message = "3 classes"},
	{"num_class_neg", SET, PARAM "num_class", -1, .code = INVALID, .message = "num_class"},
	{"num_target_1e9", SET, PARAM "num_target", 1e9, .code = LIMIT, .message = "targets"},
	{"num_target_0", SET, PARAM "num_target", 0, .code = INVALID, .message = "num_target"},
	{"base_score_nan", TEXT, PARAM "base_score", .text = "NaN", .code = INVALID, .message = "base_score"},
	{"base_score_inf", TEXT, PARAM "base_score", .text = "1e39", .code = INVALID, .message = "base_score"},
	{"base_score_2", TEXT, PARAM "base_score", .text = "2", .code = INVALID, .message = "out of the range"},
	{"base_score_0", TEXT, PARAM "base_score", .text = "0", .code = INVALID, .message = "out of the range"},
	{"base_score_empty", TEXT, PARAM "base_score", .text = "", .code = INVALID, .message = "base_score"},
	{"base_score_list", TEXT, PARAM "base_score", .text = "[0.5,0.5]", .code = INVALID, .message = "2 values for 1"},
	{"base_score_open", TEXT, PARAM "base_score", .text = "[0.5", .code = INVALID, .message = "base_score"},
	{"base_score_mixed", TEXT, PARAM "base_score", .text = "[0.5)", .code = INVALID, .message = "base_score"},
	{"no_base_score", DROP, PARAM "base_score", .code = INVALID, .message = "base_score"},
	{"no_parameters", DROP, "learner/learner_model_param", .code = INVALID, .message = "learner_model_param"},
	{"parameter_number", VALUE, PARAM "num_class", .text = "0", .binary = "i\x01", .code = INVALID, .message = "a string"},
	/* what it is */
	{"objective_custom", TEXT, "learner/objective/name", .text = "my:objective", .code = UNSUPPORTED, .message = "my:objective"},
	{"objective_multi", TEXT, "learner/objective/name", .text = "multi:softprob", .code = INVALID, .message = "without classes"},
	{"no_objective", DROP, "learner/objective", .code = INVALID, .message = "objective"},
	{"no_objective_name", DROP, "learner/objective/name", .code = INVALID, .message = "objective"},
	{"booster_unknown", TEXT, "learner/gradient_booster/name", .text = "gbforest", .code = UNSUPPORTED, .message = "gbforest"},
	{"booster_linear", TEXT, "learner/gradient_booster/name", .text = "gblinear", .code = INVALID, .message = "name does not fit"},
	{"no_booster_name", DROP, "learner/gradient_booster/name", .code = INVALID, .message = "name of a booster"},
	{"no_model", DROP, "learner/gradient_booster/model", .code = INVALID, .message = "no model"},
	{"no_booster", DROP, "learner/gradient_booster", .code = INVALID, .message = "model"},
	{"no_learner", DROP, "learner", .code = INVALID, .message = "learner"},
	{"no_version", DROP, "version", .code = INVALID, .message = "version"},
	{"version_0", SET, "version/0", 0, .code = UNSUPPORTED, .message = "XGBoost 0.7.4"},
	{"version_4", SET, "version/0", 4, .code = UNSUPPORTED, .message = "XGBoost 4.7.4"},
	{"version_neg", SET, "version/1", -1, .code = INVALID, .message = "version"},
	{"version_short", DROP, "version/2", .code = INVALID, .message = "version"},
	/* bytes */
	{"string_for_array", TEXT, "trees/0/left_children", .text = "1", .code = INVALID, .message = "an array"},
	{"null_for_object", VALUE, "learner", .text = "null", .binary = "Z", .code = INVALID, .message = "an object"},
	{"fraction_for_integer", VALUE, "trees/0/left_children/0", .text = "1.0", .binary = "d\x3f\x80\x01\x01",
	.code = INVALID, .message = "an integer"},
	{"leading_zero", VALUE, "trees/0/left_children/0", .text = "01", .binary = "q", .code = INVALID, .message = "expected"},
	{"plus_sign", VALUE, "trees/0/left_children/0", .text = "+1", .binary = "H", .code = INVALID, .message = "expected"},
	{"bare_word", VALUE, "trees/0/split_conditions/0", .text = "nan", .binary = "N", .code = INVALID, .message = "expected"},
	{"huge_integer", VALUE, "trees/0/left_children/0", .text = "99999999999999999999", .binary = "C1",
	.code = INVALID, .message = "expected"},
	{"two_values", VALUE, "trees/0/id", .text = "0 0", .binary = "i\x01i\x01", .code = INVALID, .message = ""}
};

/* make the change */
static void
apply(Item *root, const Hostile *hostile)
{
	Item	   *parent = NULL;
	Item	   *item;
	int			place;

	switch (hostile->change)
	{
		case SET:
			set_number(root, hostile->path, hostile->number);
			break;
		case TEXT:
			replace(root, hostile->path, text_item(hostile->text));
			break;
		case DROP:
			drop(root, hostile->path);
			break;
		case REPEAT:
			item = find(root, hostile->path, &parent, &place);
			append_item(parent, copy_item(item));
			break;
		case EMPTY:
			item = find(root, hostile->path, NULL, NULL);
			while (item->count > 0)
				free_item(item->items[--item->count]);
			break;
		case VALUE:
			replace(root, hostile->path, raw_item(hostile->text, strlen(hostile->text),
												  hostile->binary, strlen(hostile->binary)));
			break;
	}
}

static void
test_single_changes(void)
{
	for (int i = 0; i < (int) lengthof(hostiles); i++)
	{
		for (int binary = 0; binary <= 1; binary++)
		{
			Item	   *root = small_model();
			Verdict		verdict;

			apply(root, &hostiles[i]);
			verdict = try_item(root, binary);
			if (!ok(!verdict.read && verdict.clean && verdict.error.code == hostiles[i].code &&
					strstr(verdict.error.message, hostiles[i].message) != NULL,
					"%s in %s", hostiles[i].name, format_names[binary]))
				printf("# read %d, code %d: %s\n", verdict.read, verdict.error.code, verdict.error.message);
			free_item(root);
		}
	}
}

/* --- categorical splits --- */

#define categorical_model() sample_model(1)

static void
test_categories(void)
{
	static const Hostile changes[] = {
		{"cat_seg_oob", SET, "trees/0/categories_segments/1", 99, .code = INVALID, .message = "begin"},
		{"cat_seg_neg", SET, "trees/0/categories_segments/0", -1, .code = INVALID, .message = "begin"},
		{"cat_seg_overlap", SET, "trees/0/categories_segments/1", 2, .code = INVALID, .message = "begin"},
		{"cat_seg_beyond_int32", SET, "trees/0/categories_segments/1", 4294967299.0, .code = INVALID, .message = "begin"},
		{"cat_size_0", SET, "trees/0/categories_sizes/1", 0, .code = INVALID, .message = "0 categories"},
		{"cat_size_neg", SET, "trees/0/categories_sizes/1", -1, .code = INVALID, .message = "categories"},
		{"cat_size_more", SET, "trees/0/categories_sizes/1", 2, .code = INVALID, .message = "2 categories"},
		{"cat_size_2e9", SET, "trees/0/categories_sizes/1", 2147483647, .code = INVALID, .message = "categories"},
		{"cat_size_less", SET, "trees/0/categories_sizes/0", 2, .code = INVALID, .message = "begin"},
		{"cat_left_over", REPEAT, "trees/0/categories/3", .code = INVALID, .message = "of no node"},
		{"cat_missing", DROP, "trees/0/categories/3", .code = INVALID, .message = "categories"},
		{"cat_neg", SET, "trees/0/categories/0", -1, .code = INVALID, .message = "category -1"},
		{"cat_2e24", SET, "trees/0/categories/3", 16777216, .code = INVALID, .message = "category 16777216"},
		{"cat_order", SET, "trees/0/categories/2", 2, .code = INVALID, .message = "order"},
		{"cat_node_numeric", SET, "trees/0/categories_nodes/1", 2, .code = INVALID, .message = "not categorical"},
		{"cat_node_oob", SET, "trees/0/categories_nodes/1", 99, .code = INVALID, .message = "categories_nodes"},
		{"cat_node_neg", SET, "trees/0/categories_nodes/0", -1, .code = INVALID, .message = "categories_nodes"},
		{"cat_node_twice", SET, "trees/0/categories_nodes/1", 0, .code = INVALID, .message = "categories_nodes"},
		{"cat_node_gone", DROP, "trees/0/categories_nodes/1", .code = INVALID, .message = "2 are categorical"},
		{"cat_sizes_short", DROP, "trees/0/categories_sizes/1", .code = INVALID, .message = "differ in length"},
		{"cat_unmarked", SET, "trees/0/split_type/1", 0, .code = INVALID, .message = "categorical"},
		{"cat_no_types", DROP, "trees/0/split_type", .code = INVALID, .message = "0 are categorical"}
	};

	for (int binary = 0; binary <= 1; binary++)
	{
		Item	   *root = categorical_model();
		Verdict		verdict = try_item(root, binary);

		ok(verdict.read && verdict.clean, "categorical splits are read from %s", format_names[binary]);
		free_item(root);
	}
	for (int i = 0; i < (int) lengthof(changes); i++)
	{
		for (int binary = 0; binary <= 1; binary++)
		{
			Item	   *root = categorical_model();
			Verdict		verdict;

			apply(root, &changes[i]);
			verdict = try_item(root, binary);
			if (!ok(!verdict.read && verdict.clean && verdict.error.code == changes[i].code &&
					strstr(verdict.error.message, changes[i].message) != NULL,
					"%s in %s", changes[i].name, format_names[binary]))
				printf("# read %d, code %d: %s\n", verdict.read, verdict.error.code, verdict.error.message);
			free_item(root);
		}
	}
}

/* --- deleted nodes --- */

static void
test_deleted(void)
{
	Item	   *root = small_model();
	Item	   *tree = find(root, "trees/0", NULL, NULL);
	Verdict		verdict;

	/* pruned: node 2 has become a leaf, its children are deleted */
	set_number(tree, "left_children/2", -1);
	set_number(tree, "right_children/2", -1);
	for (int i = 3; i <= 4; i++)
	{
		column(tree, "split_indices")->items[i]->number = 4294967295.0;
		column(tree, "split_conditions")->items[i]->number = NAN;
		column(tree, "left_children")->items[i]->number = 77;
	}
	set_number(tree, "tree_param/num_deleted", 2);
	for (int binary = 0; binary <= 1; binary++)
	{
		verdict = try_item(root, binary);
		ok(verdict.read && verdict.clean, "deleted nodes may hold anything in %s", format_names[binary]);
	}
	set_number(tree, "tree_param/num_deleted", 1);
	verdict = try_item(root, false);
	ok(!verdict.read && verdict.error.code == INVALID, "deleted nodes are counted");
	set_number(tree, "tree_param/num_deleted", 2);
	set_number(tree, "parents/3", 99);
	verdict = try_item(root, false);
	ok(!verdict.read && verdict.error.code == INVALID, "deleted nodes have parents in the tree");
	free_item(root);
}

/* --- every item of a model in turn --- */

typedef struct Place
{
	Item	   *parent;
	int			place;
	int			depth;
} Place;

static Place places[2000];
static int	num_places;

static void
collect(Item *item, int depth)
{
	for (int i = 0; i < item->count; i++)
	{
		places[num_places++] = (Place) {item, i, depth};
		collect(item->items[i], depth + 1);
	}
}

static void
collect_places(Item *root)
{
	num_places = 0;
	collect(root, 0);
}

/* every key of every object a second time */
static void
test_duplicate_keys(void)
{
	Item	   *root;
	int			tried = 0;
	int			refused = 0;
	int			depth = 0;

	for (int sample = 0; sample < NUM_SAMPLES; sample++)
	{
		root = sample_model(sample);
		collect_places(root);
		for (int i = 0; i < num_places; i++)
		{
			Item	   *parent = places[i].parent;

			if (parent->kind != ITEM_OBJECT)
				continue;
			parent->items = realloc(parent->items, (parent->count + 1) * sizeof(Item *));
			parent->items[parent->count++] = parent->items[places[i].place];
			for (int binary = 0; binary <= 1; binary++)
			{
				Verdict		verdict = try_item(root, binary);

				tried++;
				depth = Max(depth, places[i].depth);
				refused += !verdict.read && verdict.clean && verdict.error.code == INVALID &&
					strstr(verdict.error.message, "twice") != NULL;
			}
			parent->count--;
		}
		free_item(root);
	}
	ok(tried > 600 && refused == tried, "a key that comes twice: %d of %d refused, down to level %d",
	   refused, tried, depth);

	/* also among many keys, and where values are skipped */
	for (int many = 10; many <= 3000; many *= 17)
	{
		for (int binary = 0; binary <= 1; binary++)
		{
			Item	   *attributes;
			Verdict		verdict;

			root = small_model();
			attributes = put(find(root, "learner/objective", NULL, NULL), "extra", new_item(ITEM_OBJECT));
			for (int i = 0; i < many; i++)
			{
				char		key[20];

				snprintf(key, sizeof(key), "k%d", i);
				put(attributes, key, number_item(ITEM_INT, i));
			}
			verdict = try_item(root, binary);
			ok(verdict.read, "%d keys are read from %s", many, format_names[binary]);
			put(attributes, "k7", number_item(ITEM_INT, 0));
			verdict = try_item(root, binary);
			ok(!verdict.read && strstr(verdict.error.message, "\"k7\" twice") != NULL,
			   "one of %d keys comes twice in %s", many + 1, format_names[binary]);
			free_item(root);
		}
	}
}

/* a key that no version of XGBoost writes */
static void
test_unknown_keys(void)
{
	static const char *const strict[] = {"", "learner", "learner/gradient_booster", MODEL "gbtree_model_param",
		"learner/learner_model_param", "trees/0", "trees/0/tree_param", "learner/gradient_booster/model"};

	for (int i = 0; i < (int) lengthof(strict); i++)
	{
		Item	   *root = small_model();
		Verdict		verdict;

		put(find(root, strict[i], NULL, NULL), "invention", number_item(ITEM_INT, 1));
		verdict = try_item(root, i % 2);
		ok(!verdict.read && verdict.clean && verdict.error.code == UNSUPPORTED &&
		   strstr(verdict.error.message, "\"invention\"") != NULL && verdict.error.hint[0] != '\0',
		   "unknown key in \"%s\"", strict[i]);
		free_item(root);
	}
}

/* what a sweep over all kinds of models has found */
typedef struct Sweep
{
	int			tried;
	int			refused;
	int			harmless;		/* another model, and a sound one */
} Sweep;

static void
sweep(Sweep *found, const Item *root)
{
	for (int binary = 0; binary <= 1; binary++)
	{
		Verdict		verdict = try_item(root, binary);

		found->tried++;
		found->refused += !verdict.read && verdict.clean;
		found->harmless += verdict.read && verdict.clean;
	}
}

/* put another item in a place, sweep, and put the old one back */
static void
sweep_other(Sweep *found, const Item *root, Place place, Item *other)
{
	Item	   *old = place.parent->items[place.place];

	memcpy(other->key, old->key, sizeof(other->key));
	place.parent->items[place.place] = other;
	sweep(found, root);
	place.parent->items[place.place] = old;
	free_item(other);
}

/* every value as a value of another type */
static void
test_type_swaps(void)
{
	static const char *const texts[] = {"\"x\"", "7", "-1.5", "null", "true", "[]", "{}", "[[]]"};
	static const char *const binaries[] = {"SU\x01x", "U\x07", "d\xbf\xc1\x01\x01", "Z", "T", "[#U\x01Z", "{}", "[[]]"};
	Sweep		found = {0};

	for (int sample = 0; sample < NUM_SAMPLES; sample++)
	{
		Item	   *root = sample_model(sample);

		collect_places(root);
		for (int i = 0; i < num_places; i++)
		{
			for (int k = 0; k < (int) lengthof(texts); k++)
				sweep_other(&found, root, places[i],
							raw_item(texts[k], strlen(texts[k]), binaries[k], strlen(binaries[k])));
		}
		free_item(root);
	}
	ok(found.refused + found.harmless == found.tried && found.refused > found.tried * 8 / 10,
	   "values of other types: %d tried, %d refused, %d do no harm", found.tried, found.refused, found.harmless);
}

/* every integer, also in a string, with values at the edges */
static void
test_integer_edges(void)
{
	static const double edges[] = {
		-2147483648.0, -1, 0, 1, 2, 3, 4, 5, 6, 7, 2147483647.0, 2147483648.0, 4294967295.0, -9.2e18, 9.2e18
	};
	Sweep		found = {0};

	for (int sample = 0; sample < NUM_SAMPLES; sample++)
	{
		Item	   *root = sample_model(sample);

		collect_places(root);
		for (int i = 0; i < num_places; i++)
		{
			Item	   *item = places[i].parent->items[places[i].place];
			bool		text = item->kind == ITEM_STRING && item->text[0] >= '0' && item->text[0] <= '9';

			if (item->kind != ITEM_INT && !text)
				continue;
			for (int k = 0; k < (int) lengthof(edges); k++)
				sweep_other(&found, root, places[i],
							text ? parameter((long) edges[k]) : number_item(ITEM_INT, edges[k]));
		}
		free_item(root);
	}
	ok(found.refused + found.harmless == found.tried && found.refused > found.tried / 2,
	   "integers at the edges: %d tried, %d refused, %d do no harm", found.tried, found.refused, found.harmless);
}

/* every number of floating point with values at the edges */
static void
test_float_edges(void)
{
	static const double edges[] = {
		NAN, INFINITY, -INFINITY, -0.0, 1e-45, -1e-45, 1e-38, 3.4028234663852886e38, -3.4028234663852886e38, 1e39, 16777217
	};
	Sweep		found = {0};

	for (int sample = 0; sample < NUM_SAMPLES; sample++)
	{
		Item	   *root = sample_model(sample);

		collect_places(root);
		for (int i = 0; i < num_places; i++)
		{
			if (places[i].parent->items[places[i].place]->kind != ITEM_FLOAT)
				continue;
			for (int k = 0; k < (int) lengthof(edges); k++)
				sweep_other(&found, root, places[i], number_item(ITEM_FLOAT, edges[k]));
		}
		free_item(root);
	}
	ok(found.refused + found.harmless == found.tried && found.refused > 0 && found.harmless > 0,
	   "numbers at the edges: %d tried, %d refused, %d do no harm", found.tried, found.refused, found.harmless);
}

/* every array empty, shorter, longer, three times as long */
static void
test_array_lengths(void)
{
	Sweep		found = {0};

	for (int sample = 0; sample < NUM_SAMPLES; sample++)
	{
		Item	   *root = sample_model(sample);

		collect_places(root);
		for (int i = 0; i < num_places; i++)
		{
			Item	   *item = places[i].parent->items[places[i].place];
			int			count = item->count;
			const int	lengths[] = {0, count - 1, count + 1, 3 * count};

			if (item->kind == ITEM_OBJECT || count == 0)
				continue;
			item->items = realloc(item->items, 3 * count * sizeof(Item *));
			for (int k = count; k < 3 * count; k++)
				item->items[k] = item->items[k % count];
			for (int k = 0; k < (int) lengthof(lengths); k++)
			{
				item->count = lengths[k];
				sweep(&found, root);
			}
			item->count = count;
		}
		free_item(root);
	}
	/* names, types and categories may be left out, and rounds */
	ok(found.refused + found.harmless == found.tried && found.refused > found.tried * 9 / 10,
	   "arrays of other lengths: %d tried, %d refused, %d do no harm", found.tried, found.refused, found.harmless);
}

/* --- bytes --- */

/* the file ends after every byte of it */
static void
test_truncation(void)
{
	for (int binary = 0; binary <= 1; binary++)
	{
		size_t		tried = 0;
		size_t		refused = 0;
		Bytes		bytes = {0};

		for (int sample = 0; sample < NUM_SAMPLES; sample++)
		{
			Item	   *root = sample_model(sample);

			free(bytes.data);
			bytes = written(root, binary);
			for (size_t len = 0; len < bytes.len; len++)
			{
				Verdict		verdict = try_bytes(bytes.data, len);

				refused += !verdict.read && verdict.clean;
			}
			tried += bytes.len;
			free_item(root);
		}
		ok(refused == tried && try_bytes(bytes.data, bytes.len).read,
		   "%s cut short: %zu of %zu refused", format_names[binary], refused, tried);
		add_bytes(&bytes, " \n\t\r ", 5);
		ok(try_bytes(bytes.data, bytes.len).read == !binary, "white space after %s", format_names[binary]);
		add_bytes(&bytes, "}", 1);
		ok(!try_bytes(bytes.data, bytes.len).read, "more after %s", format_names[binary]);
		free(bytes.data);
	}
}

/* every byte is another one */
static void
test_flips(void)
{
	for (int binary = 0; binary <= 1; binary++)
	{
		long		tried = 0;
		long		read = 0;
		long		clean = 0;

		for (int sample = 0; sample < NUM_SAMPLES; sample++)
		{
			Item	   *root = sample_model(sample);
			Bytes		bytes = written(root, binary);

			for (size_t i = 0; i < bytes.len; i++)
			{
				static const uint8 masks[] = {0x01, 0x04, 0x20, 0x80, 0xff, 0x10};

				/* all of them in the first models, a few in the others, for time */
				for (int k = 0; k < (int) lengthof(masks); k += sample < 2 ? 1 : 3)
				{
					Verdict		verdict;

					bytes.data[i] ^= masks[k];
					verdict = try_bytes(bytes.data, bytes.len);
					bytes.data[i] ^= masks[k];
					tried++;
					read += verdict.read;
					clean += verdict.clean;
				}
			}
			free(bytes.data);
			free_item(root);
		}
		ok(clean == tried, "bytes of %s changed: %ld tried, %ld refused, %ld do no harm",
		   format_names[binary], tried, tried - read, read);
	}
}

/* files that are short and mean something long */
static void
test_bombs(void)
{
	static const struct
	{
		const char *name;
		const char *bytes;
		size_t		len;
		const char *message;
	}			bombs[] = {
#define BOMB(name, bytes, message) {name, bytes, sizeof(bytes) - 1, message}
		BOMB("ubj_keylen_1m", "{L\0\0\0\0\0\x0f\x42\x40x", "longer than the rest"),
		BOMB("ubj_keylen_max", "{L\x7f\xff\xff\xff\xff\xff\xff\xffx", "longer than the rest"),
		BOMB("ubj_keylen_neg", "{L\xff\xff\xff\xff\xff\xff\xff\xffx", "negative"),
		BOMB("ubj_arr_100m", "{U\x07learner{U\x0d" "feature_names[$d#L\0\0\0\0\x05\xf5\xe1\0", "longer than the rest"),
		BOMB("ubj_arr_max", "{U\x07version[$l#L\x7f\xff\xff\xff\xff\xff\xff\xff", "longer than the rest"),
		BOMB("ubj_arr_untyped", "{U\x07version[#L\x7f\xff\xff\xff\xff\xff\xff\xff", "longer than the rest"),
		BOMB("ubj_arr_of_nothing", "{U\x07version[$Z#L\0\0\0\0\x05\xf5\xe1\0", "type"),
		BOMB("ubj_arr_of_true", "{U\x07version[$T#L\x7f\xff\xff\xff\xff\xff\xff\xff", "type"),
		BOMB("ubj_arr_of_arrays", "{U\x07version[$[#L\0\0\0\0\0\0\0\1", "type"),
		BOMB("ubj_arr_neg", "{U\x07version[$l#l\xff\xff\xff\xff", "negative"),
		BOMB("ubj_counted_object", "{#U\1U\x07version", "counted object"),
		BOMB("ubj_no_count", "{U\x07version[$l", "middle"),
		BOMB("ubj_count_float", "{U\x07version[#d\0\0\0\0", "length"),
		BOMB("json_unclosed", "{\"version\":[1,7", "ends"),
		BOMB("json_open_string", "{\"version", "ends"),
		BOMB("json_half_escape", "{\"learner\":{\"feature_names\":[\"\\", "ends"),
		BOMB("json_two_documents", "{\"version\":[1,7,4]}{}", "follow"),
		BOMB("json_control", "{\"ver\nsion\":1}", "control character"),
		BOMB("json_not_utf8", "{\"ver\xc3(sion\":1}", "UTF-8"),
		BOMB("json_overlong", "{\"ver\xc0\xafsion\":1}", "UTF-8"),
		BOMB("json_overlong_3", "{\"ver\xe0\x80\xafsion\":1}", "UTF-8"),
		BOMB("json_overlong_4", "{\"ver\xf0\x80\x80\xafsion\":1}", "UTF-8"),
		BOMB("json_beyond_unicode", "{\"ver\xf4\x90\x80\x80sion\":1}", "UTF-8"),
		BOMB("json_cut_character", "{\"ver\xf0\x9f\x98\":1}", "UTF-8"),
		BOMB("json_surrogate", "{\"ver\xed\xa0\x80sion\":1}", "UTF-8"),
		BOMB("json_escaped_key", "{\"\\u0076ersion\":[1,7,4]}", "escape"),
		BOMB("json_half_surrogate", "{\"learner\":{\"feature_names\":[\"\\ud800\"]}}", "surrogate"),
		BOMB("json_low_surrogate", "{\"learner\":{\"feature_names\":[\"\\udc00\"]}}", "surrogate"),
		BOMB("json_zero", "{\"learner\":{\"feature_names\":[\"a\\u0000b\"]}}", "zero"),
		BOMB("ubj_zero", "{U\x07learner{U\x0d" "feature_names[SU\3a\0b]}}", "zero"),
		BOMB("json_bad_escape", "{\"learner\":{\"feature_names\":[\"\\x41\"]}}", "escape"),
		BOMB("json_comma", "{\"version\":[1,7,4],}", "a key"),
		BOMB("json_no_colon", "{\"version\" [1,7,4]}", "\":\""),
		BOMB("json_no_comma", "{\"version\":[1 7 4]}", "\",\""),
		BOMB("json_nul", "{\"version\":\0}", "expected")
#undef BOMB
	};

	for (int i = 0; i < (int) lengthof(bombs); i++)
	{
		Verdict		verdict;

		host_peak = host_held;
		verdict = try_bytes(bombs[i].bytes, bombs[i].len);
		if (!ok(!verdict.read && verdict.clean && strstr(verdict.error.message, bombs[i].message) != NULL &&
				host_peak < 65536, "%s", bombs[i].name))
			printf("# code %d at %zu: %s\n", verdict.error.code, verdict.error.offset, verdict.error.message);
	}
}

/* objects and arrays within each other, deeper than anything needs */
static void
test_nesting(void)
{
	for (int binary = 0; binary <= 1; binary++)
	{
		for (int object = 0; object <= 1; object++)
		{
			for (int k = 0; k < 3; k++)
			{
				static const int depths[] = {20, 100000, 1000000};
				int			depth = depths[k];
				Bytes		bytes = {0};
				Verdict		verdict;

				add_text(&bytes, binary ? "{U\x07learner{U\x09objective{U\x01x" :
						 "{\"learner\":{\"objective\":{\"x\":");
				for (int i = 0; i < depth; i++)
					add_text(&bytes, !object ? "[" : binary ? "{U\x01x" : "{\"x\":");
				add_text(&bytes, binary ? "Z" : "null");
				for (int i = 0; i < depth; i++)
					add_text(&bytes, object ? "}" : "]");
				add_text(&bytes, "}}}");
				verdict = try_bytes(bytes.data, bytes.len);
				ok(!verdict.read && verdict.clean &&
				   (depth > 32 ? verdict.error.code == LIMIT && strstr(verdict.error.message, "nests") != NULL
					: strstr(verdict.error.message, "nests") == NULL),
				   "%d %s within each other in %s", depth, object ? "objects" : "arrays", format_names[binary]);
				free(bytes.data);
			}
		}
	}
}

/* a tree that is too deep, and one that is just not */
static void
test_depth(void)
{
	for (int depth = 64; depth <= 65; depth++)
	{
		Item	   *root = new_model(1, "reg:squarederror", "0");
		Item	   *tree = new_tree(root, 0);
		int			node = add_leaf(tree, -1, 0);
		Verdict		verdict;

		for (int i = 0; i < depth; i++)
			node = split_leaf(tree, node, 0, -i, false, 1, 2);
		verdict = try_item(root, depth % 2);
		ok(depth == 64 ? verdict.read : !verdict.read && verdict.error.code == LIMIT, "a tree of depth %d", depth);
		free_item(root);
	}
}

/* files of other kinds */
static void
test_other_files(void)
{
	static const struct
	{
		const char *name;
		const char *bytes;
		size_t		len;
		const char *message;
	}			files[] = {
#define FILE(name, bytes, message) {name, bytes, sizeof(bytes) - 1, message}
		FILE("gzip", "\x1f\x8b\x08\0\0\0\0\0", "gzip"),
		FILE("zip", "PK\x03\x04\x14\0", "zip"),
		FILE("bzip2", "BZh91AY", "bzip2"),
		FILE("xz", "\xfd" "7zXZ\0", "xz"),
		FILE("zstd", "\x28\xb5\x2f\xfd\0", "zstd"),
		FILE("pickle", "\x80\x04\x95\x10\0\0", "pickle"),
		FILE("XGBoost binary", "binf\0\0\0\x3f", "old binary"),
		FILE("XGBoost base64", "bs64\tYmluZg==", "old binary"),
		FILE("booster snapshot", "{L\0\0\0\0\0\0\0\x06" "Config{}}", "snapshot"),
		FILE("booster snapshot in JSON", "{\"Config\":{}}", "snapshot"),
		FILE("R snapshot", "CONFIG-offset:12345", "snapshot"),
		FILE("ONNX", "\x08\x07\x12\x07skl2onnx", "ONNX"),
		FILE("HDF5", "\x89HDF\r\n\x1a\n", "HDF5"),
		FILE("ELF", "\x7f" "ELF\x02\x01", "program"),
		FILE("PMML", "<?xml version=\"1.0\"?><PMML/>", "PMML"),
		FILE("text", "hello", "not a model file"),
		FILE("an array", "[1,2,3]", "not a model file"),
		FILE("white space", "  \n", "not a model file")
#undef FILE
	};
	Verdict		verdict = try_bytes("", 0);

	ok(!verdict.read && verdict.error.code == INVALID && strstr(verdict.error.message, "empty"), "an empty file");
	verdict = try_bytes("{}", 2);
	ok(!verdict.read && verdict.error.code == INVALID, "an empty object");
	for (int i = 0; i < (int) lengthof(files); i++)
	{
		verdict = try_bytes(files[i].bytes, files[i].len);
		if (!ok(!verdict.read && verdict.clean && verdict.error.code == UNSUPPORTED &&
				strstr(verdict.error.message, files[i].message) != NULL, "refused by name: %s", files[i].name))
			printf("# code %d: %s\n", verdict.error.code, verdict.error.message);
	}
}

int
main(void)
{
	for (int sample = 0; sample < NUM_SAMPLES; sample++)
	{
		for (int binary = 0; binary <= 1; binary++)
		{
			Item	   *root = sample_model(sample);
			Verdict		verdict = try_item(root, binary);

			/* an infinite value makes the margin of a linear model infinite */
			ok(verdict.read && verdict.clean && (verdict.finite || sample == LINEAR_SAMPLE), "model %d itself is read from %s",
			   sample, format_names[binary]);
			free_item(root);
		}
	}
	test_single_changes();
	test_categories();
	test_deleted();
	test_duplicate_keys();
	test_unknown_keys();
	test_type_swaps();
	test_integer_edges();
	test_float_edges();
	test_array_lengths();
	test_truncation();
	test_flips();
	test_bombs();
	test_nesting();
	test_depth();
	test_other_files();
	return finish();
}
