/*-------------------------------------------------------------------------
 *
 * forest_reader.c
 *	  What is read from a model file, in whatever order and form it comes.
 *
 *-------------------------------------------------------------------------
 */
#include "forest_test.h"
#include "forest/forest_internal.h"

static MlopsForest *
read_bytes(const char *bytes, size_t len)
{
	MlopsForestError error;
	MlopsForest *forest = mlops_forest_read(bytes, len, &host, &error);

	if (forest == NULL)
		printf("# at %zu: %s\n", error.offset, error.message);
	return forest;
}

static MlopsForest *
read_item(const Item *root, bool binary)
{
	Bytes		file = written(root, binary);
	MlopsForest *forest = read_bytes(file.data, file.len);

	free(file.data);
	return forest;
}

/* is a file refused, with this in the message? */
static bool
refused(const Item *root, bool binary, const char *message)
{
	Bytes		file = written(root, binary);
	MlopsForestError error;
	MlopsForest *forest = mlops_forest_read(file.data, file.len, &host, &error);
	bool		good = forest == NULL && strstr(error.message, message) != NULL;

	if (!good)
		printf("# %s\n", forest ? "it was read" : error.message);
	free(file.data);
	return good;
}

/* the same forest but for the format it came from? */
static bool
same_forest(const MlopsForest *a, MlopsForest *b)
{
	b->format = a->format;
	return a->size == b->size && memcmp(a, b, a->size) == 0;
}

/* a model that has something of everything */
static Item *
rich_model(void)
{
	Item	   *root = new_model(4, "binary:logistic", "2.5E-1");
	Item	   *learner = find(root, "learner", NULL, NULL);
	Item	   *tree = new_tree(root, 0);

	add_leaf(tree, -1, 0);
	split_leaf(tree, 0, 3, 0.1, true, -0.25, 0.75);
	split_leaf(tree, 1, 1, 1e-45, false, 0.125, 2.5);
	split_leaf(tree, 2, 0, 0, true, 7, 8);
	add_categories(tree, 2, (int[]) {1, 3}, 2);
	add_leaf(new_tree(root, 0), -1, -1.0 / 3);
	for (int i = 0; i < 4; i++)
		append_item(member(learner, "feature_names", 13),
					text_item((const char *const[]) {"age", "in come", "tr\xc3\xa4ge\"\\", "\xf0\x9f\x98\x80"}[i]));
	for (int i = 0; i < 4; i++)
		append_item(member(learner, "feature_types", 13),
					text_item((const char *const[]) {"c", "float", "int", "q"}[i]));
	put(member(learner, "attributes", 10), "best_iteration", text_item("1"));
	put(member(learner, "attributes", 10), "scikit_learn", text_item("{\"a\": [1]}"));
	return root;
}

/* a model with categories that have names */
static Item *
named_model(void)
{
	Item	   *root = new_model(3, "reg:squarederror", "[0E0]");
	Item	   *model = find(root, "learner/gradient_booster/model", NULL, NULL);
	Item	   *cats = put(model, "cats", new_item(ITEM_OBJECT));
	Item	   *encodings = put(cats, "enc", new_item(ITEM_ARRAY));
	static const int ends[] = {0, 4, 8, 8, 11};
	static const int bytes[] = {'b', 'l', 'u', 'e', 'g', 'r', -61, -68, 'r', 'e', 'd'};
	static const double numbers[] = {0, -7, 2147483648.0};
	Item	   *one;

	add_leaf(new_tree(root, 0), -1, 1);
	one = append_item(encodings, new_item(ITEM_OBJECT));
	put(one, "offsets", new_item(ITEM_INTS));
	put(one, "values", new_item(ITEM_INTS));
	one = append_item(encodings, new_item(ITEM_OBJECT));
	put(one, "offsets", new_item(ITEM_INTS));
	for (int i = 0; i < (int) lengthof(ends); i++)
		add_number(column(one, "offsets"), ends[i]);
	put(one, "values", new_item(ITEM_INTS));
	for (int i = 0; i < (int) lengthof(bytes); i++)
		add_number(column(one, "values"), bytes[i]);
	one = append_item(encodings, new_item(ITEM_OBJECT));
	put(one, "type", number_item(ITEM_INT, 15));
	put(one, "values", new_item(ITEM_LONGS));
	for (int i = 0; i < (int) lengthof(numbers); i++)
		add_number(column(one, "values"), numbers[i]);
	put(cats, "feature_segments", new_item(ITEM_INTS));
	put(cats, "sorted_idx", new_item(ITEM_INTS));
	set_number(root, "version/0", 3);
	return root;
}

static void
test_contents(void)
{
	static const char *const names[] = {"age", "in come", "tr\xc3\xa4ge\"\\", "\xf0\x9f\x98\x80"};

	for (int binary = 0; binary <= 1; binary++)
	{
		Item	   *root = rich_model();
		MlopsForest *forest = read_item(root, binary);
		MlopsForestInfo info;
		bool		good = true;

		if (!ok(forest != NULL, "a rich model, %s", binary ? "UBJSON" : "JSON"))
			continue;
		mlops_forest_info(forest, &info);
		ok(info.format == (binary ? MLOPS_FORMAT_XGBOOST_UBJSON : MLOPS_FORMAT_XGBOOST_JSON) &&
		   info.task == MLOPS_TASK_BINARY && strcmp(info.objective, "binary:logistic") == 0 &&
		   strcmp(info.booster, "gbtree") == 0, "what it is");
		ok(info.library_version[0] == 1 && info.library_version[1] == 7 && info.library_version[2] == 4,
		   "the version that wrote it");
		ok(info.num_features == 4 && info.num_groups == 1 && info.num_outputs == 1 && info.num_targets == 1 &&
		   info.num_trees == 2 && info.num_rounds == 2 && info.num_nodes == 8 && info.max_depth == 2 &&
		   info.best_round == 1 && info.has_feature_names, "its numbers");
		for (int i = 0; i < 4; i++)
		{
			const char *name = mlops_forest_feature_name(forest, i);

			good = good && name != NULL && strcmp(name, names[i]) == 0;
		}
		ok(good, "names of features");
		ok(mlops_forest_feature_kind(forest, 0) == MLOPS_FEATURE_CATEGORICAL &&
		   mlops_forest_feature_kind(forest, 1) == MLOPS_FEATURE_NUMERIC &&
		   mlops_forest_feature_kind(forest, 3) == MLOPS_FEATURE_NUMERIC, "kinds of features");
		ok(mlops_forest_feature_used(forest, 0) && mlops_forest_feature_used(forest, 1) &&
		   !mlops_forest_feature_used(forest, 2) && mlops_forest_feature_used(forest, 3), "features in use");
		ok(mlops_forest_num_categories(forest, 0) == 0, "no names of categories");
		ok(mlops_forest_valid(forest, mlops_forest_size(forest)) &&
		   !mlops_forest_valid(forest, mlops_forest_size(forest) - 1) &&
		   !mlops_forest_valid(forest, 10) && !mlops_forest_valid(names, sizeof(names)), "a valid block");
		host_release(NULL, forest);
		free_item(root);
	}
}

/* the objects' members in another order */
static void
shuffle(Item *item)
{
	for (int i = 0; i < item->count; i++)
		shuffle(item->items[i]);
	if (item->kind != ITEM_OBJECT)
		return;
	for (int i = item->count - 1; i > 0; i--)
	{
		int			k = below(i + 1);
		Item	   *swap = item->items[i];

		item->items[i] = item->items[k];
		item->items[k] = swap;
	}
}

static void
test_order(void)
{
	Item	   *root = rich_model();
	MlopsForest *forest = read_item(root, false);
	MlopsForest *other = read_item(root, true);
	int			different = 0;

	ok(same_forest(forest, other), "the same forest from both formats");
	host_release(NULL, other);
	for (int i = 0; i < 40; i++)
	{
		shuffle(root);
		other = read_item(root, i % 2);
		if (other == NULL)
			different++;
		else
		{
			/* strings may be in another order */
			const MlopsNode *a = mlops_part(forest, MlopsNode, forest->nodes);
			const MlopsNode *b = mlops_part(other, MlopsNode, other->nodes);

			different += forest->size != other->size ||
				memcmp(a, b, forest->num_nodes * sizeof(MlopsNode)) != 0 ||
				strcmp(mlops_forest_feature_name(other, 2), mlops_forest_feature_name(forest, 2)) != 0;
			host_release(NULL, other);
		}
	}
	ok(different == 0, "the order of keys does not matter: %d of 40 differ", different);
	host_release(NULL, forest);
	free_item(root);
}

static void
test_names(void)
{
	Item	   *root = rich_model();
	Bytes		file = {0};
	MlopsForest *forest;

	/* as other writers escape */
	replace(root, "learner/feature_names/2", RAW("\"tr\\u00e4ge\\\"\\\\\"", ""));
	replace(root, "learner/feature_names/3", RAW("\"\\ud83d\\uDE00\\/\\b\\f\\n\\r\\t\"", ""));
	write_json(&file, root);
	forest = read_bytes(file.data, file.len);
	ok(forest != NULL && strcmp(mlops_forest_feature_name(forest, 2), "tr\xc3\xa4ge\"\\") == 0 &&
	   strcmp(mlops_forest_feature_name(forest, 3), "\xf0\x9f\x98\x80/\b\f\n\r\t") == 0, "escape sequences in names");
	if (forest != NULL)
		host_release(NULL, forest);
	free(file.data);
	free_item(root);

	root = rich_model();
	drop(root, "learner/feature_names/3");
	ok(refused(root, false, "feature_names has 3"), "too few names");
	free_item(root);
	root = rich_model();
	replace(root, "learner/feature_names/3", text_item("age"));
	ok(refused(root, true, "two features have the name \"age\""), "a name twice");
	free_item(root);
	root = rich_model();
	drop(root, "learner/feature_types/0");
	ok(refused(root, true, "feature_types has 3"), "too few types");
	free_item(root);

	root = rich_model();
	drop(root, "learner/feature_names");
	drop(root, "learner/feature_types");
	drop(root, "learner/attributes");
	forest = read_item(root, true);
	ok(forest != NULL && mlops_forest_feature_name(forest, 0) == NULL &&
	   mlops_forest_feature_kind(forest, 0) == MLOPS_FEATURE_CATEGORICAL, "no names, types, attributes");
	host_release(NULL, forest);
	free_item(root);
}

static void
test_categories(void)
{
	Item	   *root = named_model();

	for (int binary = 0; binary <= 1; binary++)
	{
		MlopsForest *forest = read_item(root, binary);

		ok(forest != NULL && mlops_forest_num_categories(forest, 0) == 0 &&
		   mlops_forest_num_categories(forest, 1) == 4 && mlops_forest_num_categories(forest, 2) == 3,
		   "numbers of categories");
		ok(strcmp(mlops_forest_category(forest, 1, 0), "blue") == 0 &&
		   strcmp(mlops_forest_category(forest, 1, 1), "gr\xc3\xbc") == 0 &&
		   strcmp(mlops_forest_category(forest, 1, 2), "") == 0 &&
		   strcmp(mlops_forest_category(forest, 1, 3), "red") == 0, "names of categories");
		ok(strcmp(mlops_forest_category(forest, 2, 0), "0") == 0 &&
		   strcmp(mlops_forest_category(forest, 2, 1), "-7") == 0 &&
		   strcmp(mlops_forest_category(forest, 2, 2), "2147483648") == 0, "categories that are integers");
		host_release(NULL, forest);
	}

	/* an unsigned type, stored as a signed one */
	set_number(root, "learner/gradient_booster/model/cats/enc/2/type", 14);
	set_number(root, "learner/gradient_booster/model/cats/enc/2/values/1", -1);
	{
		MlopsForest *forest = read_item(root, true);

		ok(forest != NULL && strcmp(mlops_forest_category(forest, 2, 1), "4294967295") == 0, "unsigned categories");
		host_release(NULL, forest);
	}
	set_number(root, "learner/gradient_booster/model/cats/enc/2/type", 7);
	ok(refused(root, true, "unknown type 7"), "categories of an unknown type");
	free_item(root);

	root = named_model();
	set_number(root, "learner/gradient_booster/model/cats/enc/1/offsets/4", 12);
	ok(refused(root, false, "do not fit"), "names of categories beyond their bytes");
	set_number(root, "learner/gradient_booster/model/cats/enc/1/offsets/4", 11);
	set_number(root, "learner/gradient_booster/model/cats/enc/1/offsets/1", 9);
	ok(refused(root, true, "do not ascend"), "names of categories in disorder");
	set_number(root, "learner/gradient_booster/model/cats/enc/1/offsets/1", 7);
	ok(refused(root, true, "not UTF-8"), "names of categories cut within a character");
	set_number(root, "learner/gradient_booster/model/cats/enc/1/offsets/1", 4);
	set_number(root, "learner/gradient_booster/model/cats/enc/1/values/0", 256);
	ok(refused(root, false, "a byte 256"), "names of categories of no bytes");
	set_number(root, "learner/learner_model_param/num_feature", 2);
	set_number(root, "learner/gradient_booster/model/cats/enc/1/values/0", 'b');
	ok(refused(root, false, "categories of 3 features"), "categories of too many features");
	free_item(root);
}

static void
test_boosters(void)
{
	Item	   *root = rich_model();
	Item	   *booster = find(root, "learner/gradient_booster", NULL, NULL);
	Item	   *model = find(booster, "model", NULL, NULL);
	Item	   *inner;
	Item	   *weights = new_item(ITEM_FLOATS);
	MlopsForest *forest;
	MlopsForestInfo info;

	/* since 3.3: within the model, and maybe fewer than trees */
	put(model, "weight_drop", weights);
	add_number(weights, 0.5);
	forest = read_item(root, true);
	ok(forest != NULL && forest->weighted &&
	   mlops_part(forest, MlopsTree, forest->trees)[0].weight == 0.5f &&
	   mlops_part(forest, MlopsTree, forest->trees)[1].weight == 1, "weights of trees within the model");
	host_release(NULL, forest);
	weights->items[0]->number = INFINITY;
	ok(refused(root, true, "weight of tree 0"), "an infinite weight");
	weights->items[0]->number = 3e38;
	ok(refused(root, true, "times its weight"), "a weight that takes a leaf to infinity");
	weights->items[0]->number = 0.5;
	add_number(weights, 2);
	add_number(weights, 2);
	ok(refused(root, false, "weight_drop has 3"), "too many weights");
	free_item(weights->items[--weights->count]);

	/* before: beside a booster within the booster */
	model->count--;
	inner = new_item(ITEM_OBJECT);
	memcpy(inner->key, "gbtree", 7);
	for (int i = 0; i < booster->count; i++)
		append_item(inner, booster->items[i]);
	booster->count = 0;
	put(booster, "weight_drop", weights);
	append_item(booster, inner);
	put(booster, "name", text_item("dart"));
	forest = read_item(root, false);
	mlops_forest_info(forest, &info);
	ok(forest->weighted && strcmp(info.booster, "dart") == 0 &&
	   mlops_part(forest, MlopsTree, forest->trees)[1].weight == 2, "weights of trees beside the model");
	host_release(NULL, forest);
	weights->count--;
	ok(refused(root, false, "weight_drop has 1"), "a tree without a weight");
	weights->count++;
	replace(booster, "name", text_item("gbtree"));
	ok(refused(root, true, "not \"dart\""), "a booster within a booster that is not dart");
	free_item(root);

	/* linear */
	root = new_model(2, "multi:softprob", "5E-1");
	set_number(root, "learner/learner_model_param/num_class", 3);
	replace(root, "learner/gradient_booster/name", text_item("gblinear"));
	model = find(root, "learner/gradient_booster/model", NULL, NULL);
	while (model->count > 0)
		free_item(model->items[--model->count]);
	weights = put(model, "weights", new_item(ITEM_FLOATS));
	for (int i = 0; i < 9; i++)
		add_number(weights, i == 1 || i > 2 ? i : 0);
	put(model, "boosted_rounds", number_item(ITEM_INT, 12));
	for (int binary = 0; binary <= 1; binary++)
	{
		float		row[2] = {NAN, 2};
		float		margins[3];
		char		scratch[64];

		forest = read_item(root, binary);
		mlops_forest_info(forest, &info);
		ok(strcmp(info.booster, "gblinear") == 0 && info.num_rounds == 12 && info.num_trees == 0 &&
		   mlops_forest_feature_used(forest, 0) && mlops_forest_scratch_size(forest) <= sizeof(scratch), "a linear model");
		mlops_forest_margin(forest, row, scratch, margins);
		ok(margins[0] == 12.5 && margins[1] == 15.5 && margins[2] == 18.5, "its margins");
		host_release(NULL, forest);

		/* XGBoost takes the first base score for all margins */
		replace(root, "learner/learner_model_param/base_score", text_item("[5E-1,7E0,9E0]"));
		forest = read_item(root, binary);
		mlops_forest_margin(forest, row, scratch, margins);
		ok(margins[0] == 12.5 && margins[1] == 15.5 && margins[2] == 18.5, "its base score");
		host_release(NULL, forest);
		replace(root, "learner/learner_model_param/base_score", text_item("5E-1"));
	}
	weights->items[4]->number = NAN;
	ok(refused(root, true, "weight 4"), "a weight that is no number");
	weights->items[4]->number = 4;
	free_item(weights->items[--weights->count]);
	ok(refused(root, false, "8 weights"), "a weight too few");
	free_item(root);
}

/* other ways to say the same in UBJSON */
static void
test_ubjson(void)
{
	Item	   *root = small_model();
	Item	   *tree = find(root, "trees/0", NULL, NULL);
	MlopsForest *forest = read_item(root, true);
	MlopsForest *other;

#define AS(path, bytes) replace(root, path, RAW("", bytes))

	AS("trees/0/id", "i\0");
	AS("trees/0/left_children", "[i\1i\xff" "U\3I\xff\xffL\xff\xff\xff\xff\xff\xff\xff\xff]");
	AS("trees/0/right_children", "[$i#i\5\2\xff\4\xff\xff");
	AS("trees/0/parents", "[#U\5l\x7f\xff\xff\xffi\0i\0i\2i\2");
	AS("trees/0/default_left", "[#I\0\5TFi\0U\0F");
	AS("trees/0/split_type", "[$i#L\0\0\0\0\0\0\0\5\0\0\0\0\0");
	AS("trees/0/loss_changes", "[i\1d\0\0\0\0D\x3f\xf0\0\0\0\0\0\0U\0I\0\0]");
	AS("trees/0/sum_hessian", "[$U#l\0\0\0\5\1\1\1\1\1");
	AS("learner/objective/name", "SI\0\x0f" "binary:logistic");
#undef AS
	other = read_item(root, true);
	ok(other != NULL && same_forest(forest, other), "the same in other types of UBJSON");
	host_release(NULL, other);
	host_release(NULL, forest);

	/* flags of other types than uint8 */
	replace(tree, "default_left", RAW("", "[$l#U\5\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
	other = read_item(root, true);
	ok(other != NULL, "flags as integers");
	host_release(NULL, other);
	replace(tree, "default_left", RAW("", "[$l#U\5\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
	ok(refused(root, true, "0 or 1"), "flags as integers, one of them 2");
	replace(tree, "default_left", RAW("", "[$U#U\5\2\0\0\0\0"));
	ok(refused(root, true, "0 or 1"), "a flag that is 2");
	replace(tree, "default_left", RAW("", "[$U#U\5\1\0\0\0\0"));
	replace(tree, "left_children", RAW("", "[$d#U\1\0\0\0\0"));
	ok(refused(root, true, "an integer"), "floats for integers");
	free_item(root);
}

static void
test_rounds(void)
{
	Item	   *root = new_model(1, "multi:softmax", "5E-1");
	Item	   *indptr;
	MlopsForest *forest;

	set_number(root, "learner/learner_model_param/num_class", 3);
	set_number(root, "learner/gradient_booster/model/gbtree_model_param/num_parallel_tree", 2);
	for (int i = 0; i < 24; i++)
		add_leaf(new_tree(root, i / 2 % 3), -1, i);
	forest = read_item(root, true);
	ok(forest->num_rounds == 4 && forest->num_trees == 24 && forest->num_groups == 3, "rounds, counted by trees");
	host_release(NULL, forest);
	indptr = put(find(root, "learner/gradient_booster/model", NULL, NULL), "iteration_indptr", new_item(ITEM_INTS));
	for (int i = 0; i <= 6; i++)
		add_number(indptr, 4 * i);
	forest = read_item(root, true);
	ok(forest->num_rounds == 6, "rounds, as the file counts them");
	host_release(NULL, forest);
	indptr->items[3]->number = 99;
	ok(refused(root, true, "iteration_indptr"), "rounds in disorder");
	indptr->items[3]->number = 12;
	indptr->items[6]->number = 25;
	ok(refused(root, false, "rounds have 25 trees"), "more trees in rounds than there are");
	indptr->items[6]->number = 24;
	put(put(find(root, "learner/objective", NULL, NULL), "softmax_multiclass_param", new_item(ITEM_OBJECT)),
		"num_class", parameter(3));
	forest = read_item(root, true);
	ok(forest != NULL, "classes of the objective");
	host_release(NULL, forest);
	set_number(root, "learner/objective/softmax_multiclass_param/num_class", 4);
	ok(refused(root, true, "num_class is 4 for the objective"), "other classes of the objective");
	free_item(root);

	/* no trees at all */
	root = new_model(3, "reg:squarederror", "1.5E0");
	forest = read_item(root, false);
	{
		float		row[3] = {1, 2, 3};
		float		margin = 0;
		char		scratch[64];

		ok(forest->num_trees == 0 && mlops_forest_scratch_size(forest) <= sizeof(scratch), "a model of no trees");
		mlops_forest_margin(forest, row, scratch, &margin);
		ok(margin == 1.5f, "its margin is the base score");
	}
	host_release(NULL, forest);
	free_item(root);
}

static void
test_formats(void)
{
	static const struct
	{
		const char *bytes;
		MlopsFormat format;
	}			cases[] = {
		{"{\"learner\":", MLOPS_FORMAT_XGBOOST_JSON},
		{" \n{ \t\"x", MLOPS_FORMAT_XGBOOST_JSON},
		{"{}", MLOPS_FORMAT_XGBOOST_JSON},
		{"{L", MLOPS_FORMAT_XGBOOST_UBJSON},
		{"{i\7learner", MLOPS_FORMAT_XGBOOST_UBJSON},
		{"tree\nversion=v4\n", MLOPS_FORMAT_LIGHTGBM},
		{"tree\r\nversion=v4\r\n", MLOPS_FORMAT_LIGHTGBM},
		{"trees", MLOPS_FORMAT_UNKNOWN},
		{"", MLOPS_FORMAT_UNKNOWN},
		{"{", MLOPS_FORMAT_UNKNOWN},
		{"   ", MLOPS_FORMAT_UNKNOWN},
		{"[{", MLOPS_FORMAT_UNKNOWN},
		{"{x", MLOPS_FORMAT_UNKNOWN}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
		ok(mlops_forest_format(cases[i].bytes, strlen(cases[i].bytes)) == cases[i].format, "format %d", i);
}

int
main(void)
{
	test_formats();
	test_contents();
	test_order();
	test_names();
	test_categories();
	test_boosters();
	test_ubjson();
	test_rounds();
	ok(host_held == 0, "all memory was given back");
	return finish();
}
