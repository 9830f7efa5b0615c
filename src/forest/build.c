/*-------------------------------------------------------------------------
 *
 * build.c
 *	  Checks what a reader found, and lays out the forest.
 *
 * A model file may come from anywhere, and everything that is computed from a
 * forest trusts it blindly: no kernel checks an index.  So here is the one
 * place where a model's structure is checked, tree by tree as they are read,
 * and as a whole at the end.
 *
 * Pruning leaves deleted nodes behind, which no path leads to and which may
 * hold anything.  They are dropped, and the nodes that remain move together.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/batch_build.h"
#include "forest/build.h"

/* what a node that no path has led to has for a depth */
#define UNREACHED	255

/* names of features with one hash that are compared with each other */
#define MAX_SAME_HASH	64

/* the parent of a root, in files of different versions */
#define NO_PARENT(parent)	((parent) == PG_INT32_MAX || (parent) == -1)

StaticAssertDecl(MLOPS_MAX_DEPTH < UNREACHED, "depths fit into a byte");

/*
 * Begin to build.  Call with *build uninitialized.
 */
bool
mlops_build_init(MlopsBuild *build, MlopsSupport *support)
{
	uint32		none;

	memset(build, 0, sizeof(*build));
	build->support = support;
	build->num_targets = 1;
	build->num_rounds = -1;
	build->best_round = -1;
	build->max_feature = -1;
	/* offset 0 is no string */
	return mlops_build_string(build, "", 0, &none);
}

/*
 * Put a string into the pool; *offset gets its place.
 */
bool
mlops_build_string(MlopsBuild *build, const char *bytes, size_t len, uint32 *offset)
{
	char	   *pool;

	if (!mlops_vector_reserve(build->support, &build->strings, 1, len + 1))
		return false;
	pool = (char *) build->strings.data + build->strings.count;
	memcpy(pool, bytes, len);
	pool[len] = '\0';
	*offset = (uint32) build->strings.count;
	build->strings.count += len + 1;
	return true;
}

/* something is wrong with the tree that is being read */
#define bad_tree(build, column, ...) \
	mlops_fail((build)->support, MLOPS_FOREST_INVALID, (column)->offset, NULL, __VA_ARGS__)

#define int32_at(column, i)		(((const int32 *) (column)->vector.data)[i])
#define float_at(column, i)		(((const float *) (column)->vector.data)[i])
#define flag_at(column, i)		(((const uint8 *) (column)->vector.data)[i])

/* has every array one value per node? */
static bool
check_lengths(MlopsBuild *build, int tree)
{
	MlopsTreeColumns *columns = &build->columns;
	const struct
	{
		const char *name;
		const MlopsColumn *column;
	}			all[] = {
		{"left_children", &columns->left},
		{"right_children", &columns->right},
		{"parents", &columns->parents},
		{"split_indices", &columns->features},
		{"split_conditions", &columns->values},
		{"default_left", &columns->default_left},
		{"loss_changes", &columns->gain},
		{"sum_hessian", &columns->cover},
		{"base_weights", &columns->weights},
		{"split_type", &columns->split_type}
	};

	for (int i = 0; i < (int) lengthof(all); i++)
	{
		if (all[i].column->seen &&
			all[i].column->vector.count != (size_t) columns->num_nodes)
			return bad_tree(build, all[i].column,
							"%s of tree %d has %zu values for " INT64_FORMAT " nodes",
							all[i].name, tree, all[i].column->vector.count, columns->num_nodes);
	}
	return true;
}

/*
 * Do the sets of categories fit the nodes that are marked categorical?  Nodes
 * that were pruned to leaves, or deleted, may still have one.
 */
static bool
check_sets(MlopsBuild *build, int tree)
{
	MlopsTreeColumns *columns = &build->columns;
	size_t		num_sets = columns->set_nodes.vector.count;
	size_t		num_codes = columns->categories.vector.count;
	size_t		num_marked = 0;
	size_t		end = 0;

	if (columns->split_type.seen)
	{
		for (int64 i = 0; i < columns->num_nodes; i++)
			num_marked += flag_at(&columns->split_type, i);
	}
	if (num_sets != num_marked)
		return bad_tree(build, &columns->set_nodes,
						"categories_nodes of tree %d has %zu nodes, but %zu are categorical",
						tree, num_sets, num_marked);
	if (columns->set_begins.vector.count != num_sets ||
		columns->set_sizes.vector.count != num_sets)
		return bad_tree(build, &columns->set_nodes,
						"the arrays of categories of tree %d differ in length", tree);

	for (size_t k = 0; k < num_sets; k++)
	{
		int32		node = int32_at(&columns->set_nodes, k);
		int32		size = int32_at(&columns->set_sizes, k);

		if (node < 0 || node >= columns->num_nodes ||
			(k > 0 && node <= int32_at(&columns->set_nodes, k - 1)) ||
			flag_at(&columns->split_type, node) != 1)
			return bad_tree(build, &columns->set_nodes,
							"categories_nodes of tree %d has %d, which is out of order or not categorical",
							tree, node);
		if (int32_at(&columns->set_begins, k) != (int64) end)
			return bad_tree(build, &columns->set_begins,
							"the categories of node %d of tree %d do not begin where others end",
							node, tree);
		if (size <= 0 || (size_t) size > num_codes - end)
			return bad_tree(build, &columns->set_sizes,
							"node %d of tree %d has %d categories", node, tree, size);
		for (size_t i = end; i < end + size; i++)
		{
			int32		code = int32_at(&columns->categories, i);

			if (code < 0 || code >= MLOPS_MAX_CATEGORY ||
				(i > end && code <= int32_at(&columns->categories, i - 1)))
				return bad_tree(build, &columns->categories,
								"node %d of tree %d has the category %d, which is out of range or order",
								node, tree, code);
		}
		end += size;
	}
	if (end != num_codes)
		return bad_tree(build, &columns->categories,
						"tree %d has %zu categories of no node", tree, num_codes - end);
	return true;
}

/*
 * Does every path from the root lead forward, to a leaf, without meeting
 * another path?  No two can meet, since a child names its only parent.  Leaves
 * in columns->depth how deep each node lies.
 */
static bool
check_paths(MlopsBuild *build, int tree, int *num_reached, int *max_depth)
{
	MlopsTreeColumns *columns = &build->columns;
	int			num_nodes = (int) columns->num_nodes;
	uint8	   *depth = columns->depth.data;

	memset(depth, UNREACHED, num_nodes);
	depth[0] = 0;
	*num_reached = 0;
	*max_depth = 0;
	if (!NO_PARENT(int32_at(&columns->parents, 0)))
		return bad_tree(build, &columns->parents, "the root of tree %d has a parent", tree);

	for (int i = 0; i < num_nodes; i++)
	{
		int32		left = int32_at(&columns->left, i);
		int32		right = int32_at(&columns->right, i);
		int32		feature = int32_at(&columns->features, i);
		float		value = float_at(&columns->values, i);

		if (i > 0 && (int32_at(&columns->parents, i) < 0 ||
					  int32_at(&columns->parents, i) >= num_nodes))
			return bad_tree(build, &columns->parents,
							"the parent of node %d of tree %d is %d",
							i, tree, int32_at(&columns->parents, i));
		if (depth[i] == UNREACHED)
			continue;
		(*num_reached)++;
		*max_depth = Max(*max_depth, depth[i]);

		if (left == -1)
		{
			if (right != -1)
				return bad_tree(build, &columns->right,
								"node %d of tree %d has a right child only", i, tree);
			if (!isfinite(value))
				return bad_tree(build, &columns->values,
								"leaf %d of tree %d is not a finite number", i, tree);
			continue;
		}
		if (left <= i || left >= num_nodes - 1)
			return bad_tree(build, &columns->left,
							"the left child of node %d of tree %d is %d", i, tree, left);
		if (right != left + 1)
			return bad_tree(build, &columns->right,
							"the right child of node %d of tree %d is %d, not one more than the left, %d",
							i, tree, right, left);
		if (int32_at(&columns->parents, left) != i || int32_at(&columns->parents, right) != i)
			return bad_tree(build, &columns->parents,
							"the children of node %d of tree %d have another parent", i, tree);
		if (depth[i] >= MLOPS_MAX_DEPTH)
			return mlops_fail(build->support, MLOPS_FOREST_LIMIT, columns->offset, NULL,
							  "tree %d is deeper than %d", tree, MLOPS_MAX_DEPTH);
		if (feature < 0 || feature >= MLOPS_MAX_FEATURES)
			return bad_tree(build, &columns->features,
							"node %d of tree %d reads feature %d", i, tree, feature);
		if (isnan(value) && !(columns->split_type.seen && flag_at(&columns->split_type, i)))
			return bad_tree(build, &columns->values,
							"the threshold of node %d of tree %d is not a number", i, tree);
		depth[left] = depth[right] = depth[i] + 1;
		build->max_feature = Max(build->max_feature, feature);
	}

	if (num_nodes - *num_reached != Max(columns->num_deleted, 0))
	{
		/* the first versions did not write the number of deleted nodes */
		if (columns->num_deleted >= 0)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, columns->offset, NULL,
							  "tree %d has " INT64_FORMAT " deleted nodes, but %d cannot be reached",
							  tree, columns->num_deleted, num_nodes - *num_reached);
	}
	return true;
}

/*
 * Keep the set of categories number k of the tree: as a bit set, or, where
 * that would be much larger, as a list.  The space taken is at most a small
 * multiple of the list in the file.
 */
static bool
add_set(MlopsBuild *build, size_t k, MlopsNode *node)
{
	MlopsTreeColumns *columns = &build->columns;
	const int32 *codes = (const int32 *) columns->categories.vector.data +
		int32_at(&columns->set_begins, k);
	int			size = int32_at(&columns->set_sizes, k);
	size_t		num_words = codes[size - 1] / 32 + 1;
	uint32	   *set;

	if (size == 1)
	{
		node->split = MLOPS_SPLIT_ONE;
		node->u.set = codes[0];
		return true;
	}
	node->split = MLOPS_SPLIT_BITS;
	if (num_words > (size_t) size + 8)
	{
		node->split = MLOPS_SPLIT_LIST;
		num_words = size;
	}
	if (!mlops_vector_reserve(build->support, &build->sets, sizeof(uint32), num_words + 1))
		return false;
	set = (uint32 *) build->sets.data + build->sets.count;
	node->u.set = (uint32) build->sets.count;
	build->sets.count += num_words + 1;
	*set++ = (uint32) num_words;
	if (node->split == MLOPS_SPLIT_LIST)
	{
		for (int i = 0; i < size; i++)
			set[i] = codes[i];
		return true;
	}
	memset(set, 0, num_words * sizeof(uint32));
	for (int i = 0; i < size; i++)
		set[codes[i] / 32] |= (uint32) 1 << (codes[i] % 32);
	return true;
}

/*
 * Check the tree in build->columns, and keep what can be reached of it.
 */
bool
mlops_build_tree(MlopsBuild *build)
{
	MlopsTreeColumns *columns = &build->columns;
	int			number = (int) build->trees.count;
	int			num_reached;
	int			max_depth;
	int			kept = 0;
	size_t		next_set = 0;
	const uint8 *depth;
	int32	   *position;
	MlopsNode  *nodes;
	MlopsTree  *tree;

	mlops_check(build->support);
	if (!check_lengths(build, number) || !check_sets(build, number))
		return false;

	/* from here on, num_nodes is known to be the length of arrays in memory */
	columns->depth.count = columns->position.count = 0;
	if (!mlops_vector_reserve(build->support, &columns->depth, 1, columns->num_nodes) ||
		!mlops_vector_reserve(build->support, &columns->position, sizeof(int32), columns->num_nodes))
		return false;
	if (!check_paths(build, number, &num_reached, &max_depth))
		return false;
	if (!mlops_vector_reserve(build->support, &build->nodes, sizeof(MlopsNode), num_reached) ||
		!mlops_vector_reserve(build->support, &build->trees, sizeof(MlopsTree), 1))
		return false;

	depth = columns->depth.data;
	position = columns->position.data;
	for (int i = 0; i < columns->num_nodes; i++)
	{
		position[i] = kept;
		kept += depth[i] != UNREACHED;
	}

	nodes = (MlopsNode *) build->nodes.data + build->nodes.count;
	tree = (MlopsTree *) build->trees.data + build->trees.count;
	memset(tree, 0, sizeof(*tree));
	tree->first_node = (uint32) build->nodes.count;
	tree->num_nodes = num_reached;
	tree->depth = max_depth;

	for (int i = 0; i < columns->num_nodes; i++)
	{
		bool		categorical = columns->split_type.seen && flag_at(&columns->split_type, i);
		size_t		set = next_set;
		MlopsNode  *node;

		next_set += categorical;
		if (depth[i] == UNREACHED)
			continue;
		node = &nodes[position[i]];
		memset(node, 0, sizeof(*node));
		node->cover = float_at(&columns->cover, i);
		node->u.value = float_at(&columns->values, i);
		if (int32_at(&columns->left, i) == -1)
			continue;
		node->left = position[int32_at(&columns->left, i)];
		node->feature = (uint16) int32_at(&columns->features, i);
		node->default_left = flag_at(&columns->default_left, i);
		node->gain = float_at(&columns->gain, i);
		node->split = MLOPS_SPLIT_NUMERIC;
		if (categorical)
		{
			tree->categorical = true;
			if (!add_set(build, set, node))
				return false;
		}
	}
	build->nodes.count += num_reached;
	build->trees.count++;
	return true;
}

/*
 * Check what involves more than one part of the model; fill in what trees need
 * to know of it.
 */
static bool
check_model(MlopsBuild *build, int *num_groups)
{
	MlopsSupport *support = build->support;
	MlopsTree  *trees = build->trees.data;
	bool		classes = build->objective->task == MLOPS_TASK_MULTICLASS;
	float	   *base;

	if (build->num_features > MLOPS_MAX_FEATURES)
		return mlops_fail(support, MLOPS_FOREST_LIMIT, build->parameters_offset, NULL,
						  "it has " INT64_FORMAT " features, the limit is %d",
						  build->num_features, MLOPS_MAX_FEATURES);
	if (build->num_features < 1)
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->parameters_offset, NULL,
						  "it has no features");
	if (build->max_feature >= build->num_features)
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->parameters_offset, NULL,
						  "a node reads feature %d, but there are " INT64_FORMAT " features",
						  build->max_feature, build->num_features);

	if (build->num_classes > MLOPS_MAX_GROUPS || build->num_targets > MLOPS_MAX_GROUPS)
		return mlops_fail(support, MLOPS_FOREST_LIMIT, build->parameters_offset, NULL,
						  "it has " INT64_FORMAT " classes or targets, the limit is %d",
						  Max(build->num_classes, build->num_targets), MLOPS_MAX_GROUPS);
	if (classes && build->num_classes < 1)
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->parameters_offset, NULL,
						  "objective \"%s\" without classes", build->objective->name);
	if (!classes && build->num_classes > 1)
		return mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, build->parameters_offset,
						  "Train models of classes with multi:softprob.",
						  "objective \"%s\" with " INT64_FORMAT " classes",
						  build->objective->name, build->num_classes);
	if (build->num_classes > 1 && build->num_targets > 1)
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->parameters_offset, NULL,
						  "it has both classes and targets");
	*num_groups = (int) Max(Max(build->num_classes, build->num_targets), 1);

	/* one base score per margin */
	if (build->base_values.count != 1 && build->base_values.count != (size_t) *num_groups)
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->parameters_offset, NULL,
						  "base_score has %zu values for %d margins",
						  build->base_values.count, *num_groups);
	if (build->base_values.count < (size_t) *num_groups)
	{
		if (!mlops_vector_reserve(support, &build->base_values, sizeof(float), *num_groups))
			return false;
		base = build->base_values.data;
		for (int i = 1; i < *num_groups; i++)
			base[i] = base[0];
		build->base_values.count = *num_groups;
	}
	if (!mlops_objective_margins(build->objective, build->version,
								 build->base_values.data, *num_groups))
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->parameters_offset, NULL,
						  "base_score is out of the range of objective \"%s\"",
						  build->objective->name);

	/* trees: the margin that each adds to, and its weight */
	if (build->groups.count != build->trees.count)
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->groups_offset, NULL,
						  "tree_info has %zu values for %zu trees",
						  build->groups.count, build->trees.count);
	if (build->weight_drop.count > build->trees.count)
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->weight_drop_offset, NULL,
						  "weight_drop has %zu values for %zu trees",
						  build->weight_drop.count, build->trees.count);
	for (size_t i = 0; i < build->trees.count; i++)
	{
		const MlopsNode *nodes = (const MlopsNode *) build->nodes.data + trees[i].first_node;

		trees[i].group = ((int32 *) build->groups.data)[i];
		if (trees[i].group < 0 || trees[i].group >= *num_groups)
			return mlops_fail(support, MLOPS_FOREST_INVALID, build->groups_offset, NULL,
							  "tree %zu adds to margin %d, but there are %d",
							  i, trees[i].group, *num_groups);
		trees[i].weight = 1.0f;
		if (i >= build->weight_drop.count)
			continue;
		trees[i].weight = ((float *) build->weight_drop.data)[i];
		if (!isfinite(trees[i].weight))
			return mlops_fail(support, MLOPS_FOREST_INVALID, build->weight_drop_offset, NULL,
							  "the weight of tree %zu is not a finite number", i);
		for (uint32 k = 0; k < trees[i].num_nodes; k++)
		{
			if (nodes[k].left == 0 && !isfinite(nodes[k].u.value * trees[i].weight))
				return mlops_fail(support, MLOPS_FOREST_INVALID, build->weight_drop_offset, NULL,
								  "a leaf of tree %zu times its weight is not a finite number", i);
		}
	}

	/* a linear model: one weight per feature and margin, and the bias */
	if (build->booster == MLOPS_BOOSTER_LINEAR)
	{
		const float *weights = build->weights.data;

		if (build->weights.count != (build->num_features + 1) * (size_t) *num_groups)
			return mlops_fail(support, MLOPS_FOREST_INVALID, build->weights_offset, NULL,
							  "it has %zu weights for " INT64_FORMAT " features and %d margins",
							  build->weights.count, build->num_features, *num_groups);
		for (size_t i = 0; i < build->weights.count; i++)
		{
			if (!isfinite(weights[i]))
				return mlops_fail(support, MLOPS_FOREST_INVALID, build->weights_offset, NULL,
								  "weight %zu is not a finite number", i);
		}
	}
	return true;
}

/*
 * Check names, kinds and categories of features.
 */
bool
mlops_build_check_features(MlopsBuild *build)
{
	MlopsSupport *support = build->support;
	size_t		num_features = (size_t) build->num_features;
	const uint32 *names = build->names.data;
	const char *pool = build->strings.data;
	uint64	   *sorted;

	if (build->kinds.count != 0 && build->kinds.count != num_features)
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->kinds_offset, NULL,
						  "feature_types has %zu values for %zu features",
						  build->kinds.count, num_features);
	if (build->category_ends.count > num_features)
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->categories_offset, NULL,
						  "categories of %zu features are given, but there are %zu features",
						  build->category_ends.count, num_features);
	if (build->names.count == 0)
		return true;
	if (build->names.count != num_features)
		return mlops_fail(support, MLOPS_FOREST_INVALID, build->names_offset, NULL,
						  "feature_names has %zu values for %zu features",
						  build->names.count, num_features);

	/* columns are found by name, so no two features may share one */
	sorted = mlops_alloc(support, num_features * sizeof(uint64));
	if (sorted == NULL)
		return false;
	for (size_t i = 0; i < num_features; i++)
	{
		uint32		hash = 2166136261u;

		for (const char *p = pool + names[i]; *p != '\0'; p++)
			hash = (hash ^ (uint8) *p) * 16777619u;
		sorted[i] = (uint64) hash << 32 | i;
	}
	mlops_sort_uint64(sorted, num_features);
	for (size_t i = 1; i < num_features; i++)
	{
		for (size_t k = i; k > 0 && sorted[k - 1] >> 32 == sorted[i] >> 32; k--)
		{
			const char *name = pool + names[(uint32) sorted[i]];

			/* only a hostile file has many names of one hash */
			if (i - k >= MAX_SAME_HASH ||
				strcmp(name, pool + names[(uint32) sorted[k - 1]]) == 0)
				return mlops_fail(support, MLOPS_FOREST_INVALID, build->names_offset, NULL,
								  "two features have the name \"%.60s\"", name);
		}
	}
	mlops_release(support, sorted);
	return true;
}

/* reserve a part of the block; returns its offset */
static uint64
place(uint64 *size, uint64 element, uint64 count)
{
	uint64		offset = *size;

	*size += TYPEALIGN64(8, element * count);
	return offset;
}

/* fill a part of the block */
static void
put(MlopsForest *forest, uint64 offset, const MlopsVector *vector, size_t element)
{
	if (vector->count > 0)
		memcpy((char *) forest + offset, vector->data, vector->count * element);
}

/*
 * Fill in the features.
 */
static void
put_features(MlopsBuild *build, MlopsForest *forest)
{
	MlopsFeature *features = (MlopsFeature *) ((char *) forest + forest->features);
	const MlopsNode *nodes = build->nodes.data;
	const float *weights = build->weights.data;
	const uint32 *ends = build->category_ends.data;

	for (int i = 0; i < forest->num_features; i++)
	{
		features[i].kind = MLOPS_FEATURE_NUMERIC;
		if (build->names.count > 0)
			features[i].name = ((uint32 *) build->names.data)[i];
		if (build->kinds.count > 0)
			features[i].kind = ((uint8 *) build->kinds.data)[i];
		if ((size_t) i < build->category_ends.count &&
			!(build->category_bytes.count > 0 && ((uint8 *) build->category_bytes.data)[i]))
		{
			features[i].first_category = i == 0 ? 0 : ends[i - 1];
			features[i].num_categories = ends[i] - features[i].first_category;
		}
		for (int g = 0; build->booster == MLOPS_BOOSTER_LINEAR && g < forest->num_groups; g++)
		{
			if (weights[(size_t) i * forest->num_groups + g] != 0.0f)
				features[i].used = true;
		}
	}
	for (size_t i = 0; i < build->nodes.count; i++)
	{
		if (nodes[i].left == 0)
			continue;
		features[nodes[i].feature].used = true;
		if (nodes[i].split != MLOPS_SPLIT_NUMERIC)
			features[nodes[i].feature].kind = MLOPS_FEATURE_CATEGORICAL;
	}
}

/*
 * Make the forest.  The block is the caller's; NULL if the model is not valid,
 * or there is no memory.
 */
MlopsForest *
mlops_build_finish(MlopsBuild *build)
{
	MlopsSupport *support = build->support;
	MlopsTree  *trees = build->trees.data;
	MlopsWalkPlan plan;
	MlopsBatchSource source = {0};
	MlopsBatchPlan batch;
	MlopsForest header = {0};
	MlopsForest *forest;
	uint64		size = sizeof(MlopsForest);
	int			num_groups = 1;
	uint32		objective;

	if (!check_model(build, &num_groups) || !mlops_build_check_features(build) ||
		!mlops_walk_plan(build, &plan) ||
		!mlops_build_string(build, build->objective->name,
							strlen(build->objective->name), &objective))
		return NULL;
	source.support = support;
	source.trees = trees;
	source.num_trees = build->trees.count;
	source.nodes = build->nodes.data;
	source.num_features = (uint32) build->num_features;
	source.num_groups = num_groups;
	source.weighted = build->weight_drop.count > 0;
	source.num_slots = plan.walk.num_slots;
	source.first_test = plan.walk.first_test;
	source.test_of = plan.test_of;
	source.positions = plan.positions.data;
	source.bundles = plan.bundles.data;
	source.walk_size = plan.nodes.count * sizeof(MlopsWalkNode);
	if (!mlops_batch_plan(&source, &batch))
		return NULL;

	header.magic = MLOPS_FOREST_MAGIC;
	header.layout = MLOPS_FOREST_LAYOUT;
	header.format = build->format;
	header.task = build->objective->task;
	header.booster = build->booster;
	header.transform = mlops_objective_transform(build->objective, build->version);
	memcpy(header.library_version, build->version, sizeof(header.library_version));
	header.num_features = (int32) build->num_features;
	header.num_groups = num_groups;
	header.num_targets = (int32) build->num_targets;
	header.num_outputs = header.transform == MLOPS_TRANSFORM_ARGMAX ? 1 : num_groups;
	header.num_trees = (int32) build->trees.count;
	header.num_rounds = (int32) build->num_rounds;
	header.best_round = (int32) build->best_round;
	for (int i = 0; i < header.num_trees; i++)
		header.max_depth = Max(header.max_depth, trees[i].depth);
	header.has_feature_names = build->names.count > 0;
	header.weighted = build->weight_drop.count > 0;
	header.base_last = !header.weighted && mlops_version_base_last(build->version);
	header.unseen_default = mlops_version_unseen_default(build->version);
	header.num_nodes = (int64) build->nodes.count;

	header.base_margins = place(&size, sizeof(float), num_groups);
	header.trees = place(&size, sizeof(MlopsTree), build->trees.count);
	header.nodes = place(&size, sizeof(MlopsNode), build->nodes.count);
	header.sets = place(&size, sizeof(uint32), build->sets.count);
	header.features = place(&size, sizeof(MlopsFeature), header.num_features);
	header.categories = place(&size, sizeof(uint32), build->categories.count);
	header.weights = place(&size, sizeof(float), build->weights.count);
	header.walk = plan.walk;
	header.walk.columns = place(&size, sizeof(uint16), plan.columns.count);
	header.walk.tests = place(&size, sizeof(MlopsTests), plan.tests.count);
	header.walk.entries = place(&size, sizeof(uint32), plan.entries.count);
	header.walk.test_slots = place(&size, sizeof(uint16), plan.test_slots.count);
	header.walk.bundles = place(&size, sizeof(MlopsBundle), plan.bundles.count);
	header.walk.positions = place(&size, sizeof(uint32), plan.positions.count);
	header.walk.nodes = size = TYPEALIGN64(64, size);
	(void) place(&size, sizeof(MlopsWalkNode), plan.nodes.count);
	mlops_batch_place(&batch, &size);
	header.batch = batch.batch;
	header.strings = place(&size, 1, build->strings.count);
	header.objective = header.strings + objective;
	header.size = size;

	/* the caller's own, so not on our list of working memory */
	forest = size > SIZE_MAX ? NULL : support->env->alloc(support->env->arg, (size_t) size);
	if (forest == NULL)
	{
		mlops_fail(support, MLOPS_FOREST_NO_MEMORY, 0, NULL,
				   "no memory for a forest of " UINT64_FORMAT " bytes", size);
		return NULL;
	}
	memset(forest, 0, (size_t) size);
	*forest = header;
	put(forest, header.base_margins, &build->base_values, sizeof(float));
	put(forest, header.trees, &build->trees, sizeof(MlopsTree));
	put(forest, header.nodes, &build->nodes, sizeof(MlopsNode));
	put(forest, header.sets, &build->sets, sizeof(uint32));
	put(forest, header.categories, &build->categories, sizeof(uint32));
	put(forest, header.weights, &build->weights, sizeof(float));
	put(forest, header.walk.columns, &plan.columns, sizeof(uint16));
	put(forest, header.walk.tests, &plan.tests, sizeof(MlopsTests));
	put(forest, header.walk.entries, &plan.entries, sizeof(uint32));
	put(forest, header.walk.test_slots, &plan.test_slots, sizeof(uint16));
	put(forest, header.walk.bundles, &plan.bundles, sizeof(MlopsBundle));
	put(forest, header.walk.positions, &plan.positions, sizeof(uint32));
	put(forest, header.walk.nodes, &plan.nodes, sizeof(MlopsWalkNode));
	mlops_batch_put(&batch, forest);
	put(forest, header.strings, &build->strings, 1);
	put_features(build, forest);
	return forest;
}
