/*-------------------------------------------------------------------------
 *
 * wide_build.c
 *	  Checks the trees of a LightGBM model, and lays out its forest.
 *
 * As in build.c, this is the one place where the structure is checked, and
 * everything computed from the forest trusts it.
 *
 * In the file, splits and leaves are numbered apart, and a child that is a
 * leaf is written as the complement of its number.  Every walk that can be
 * taken is followed here once, breadth first; a tree in which that meets each
 * split and each leaf exactly once is a tree, whatever the order of its nodes.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/batch_build.h"
#include "forest/wide_build.h"

/* decision_type: bits of a split */
#define DECISION_CATEGORICAL	1
#define DECISION_DEFAULT_LEFT	2
#define DECISION_MISSING(type)	((type) >> 2)

#define int32_at(column, i)		(((const int32 *) (column)->vector.data)[i])
#define uint32_at(column, i)	(((const uint32 *) (column)->vector.data)[i])
#define double_at(column, i)	(((const double *) (column)->vector.data)[i])
#define float_at(column, i)		(((const float *) (column)->vector.data)[i])

/* something is wrong with the tree that is being read */
#define bad_tree(build, column, ...) \
	mlops_fail((build)->support, MLOPS_FOREST_INVALID, (column)->offset, NULL, __VA_ARGS__)

/*
 * Begin to build.  Call with *wide uninitialized.
 */
bool
mlops_wide_init(MlopsWideBuild *wide, MlopsSupport *support)
{
	uint32	   *empty;

	memset(wide, 0, sizeof(*wide));
	if (!mlops_build_init(&wide->build, support) ||
		!mlops_vector_reserve(support, &wide->build.sets, sizeof(uint32), 1))
		return false;
	/* the set of no category, which is only the word after it */
	empty = wide->build.sets.data;
	empty[0] = 0;
	wide->build.sets.count = 1;
	return true;
}

/*
 * Are the sets of categories in order?
 */
static bool
check_sets(MlopsBuild *build, MlopsWideColumns *columns, int tree)
{
	if (columns->num_sets == 0)
		return true;
	if (int32_at(&columns->set_begins, 0) != 0)
		return bad_tree(build, &columns->set_begins,
						"the first set of categories of tree %d begins at %d",
						tree, int32_at(&columns->set_begins, 0));
	for (int64 i = 0; i < columns->num_sets; i++)
	{
		if (int32_at(&columns->set_begins, i + 1) < int32_at(&columns->set_begins, i))
			return bad_tree(build, &columns->set_begins,
							"set " INT64_FORMAT " of categories of tree %d ends before it begins",
							i, tree);
	}
	if ((size_t) int32_at(&columns->set_begins, columns->num_sets) != columns->sets.vector.count)
		return bad_tree(build, &columns->sets,
						"cat_threshold of tree %d has %zu values, cat_boundaries says %d",
						tree, columns->sets.vector.count,
						int32_at(&columns->set_begins, columns->num_sets));
	return true;
}

/*
 * Are the equations of a linear tree in order?
 */
static bool
check_equations(MlopsBuild *build, MlopsWideColumns *columns, int tree)
{
	size_t		num_terms = columns->term_features.vector.count;
	size_t		end = 0;

	for (int64 i = 0; i < columns->num_leaves; i++)
	{
		int32		count = int32_at(&columns->num_terms, i);

		if (count < 0 || (size_t) count > num_terms - end)
			return bad_tree(build, &columns->num_terms,
							"leaf " INT64_FORMAT " of tree %d has %d features", i, tree, count);
		if (!isfinite(double_at(&columns->constants, i)))
			return bad_tree(build, &columns->constants,
							"the constant of leaf " INT64_FORMAT " of tree %d is not a finite number",
							i, tree);
		end += count;
	}
	if (end != num_terms || columns->coefficients.vector.count != num_terms)
		return bad_tree(build, &columns->coefficients,
						"leaf_features and leaf_coeff of tree %d have %zu and %zu values, num_features says %zu",
						tree, num_terms, columns->coefficients.vector.count, end);
	for (size_t i = 0; i < num_terms; i++)
	{
		if (int32_at(&columns->term_features, i) < 0 ||
			int32_at(&columns->term_features, i) >= build->num_features)
			return bad_tree(build, &columns->term_features,
							"a leaf of tree %d reads feature %d, but there are " INT64_FORMAT " features",
							tree, int32_at(&columns->term_features, i), build->num_features);
		if (!isfinite(double_at(&columns->coefficients, i)))
			return bad_tree(build, &columns->coefficients,
							"a coefficient of a leaf of tree %d is not a finite number", tree);
	}
	return true;
}

/*
 * Fill in the node of a split, its children aside.  sets is where the sets of
 * the tree begin in those of the forest, each with one more word.
 */
static bool
fill_split(MlopsBuild *build, MlopsWideColumns *columns, int tree, int split,
		   size_t sets, MlopsWideNode *node)
{
	int32		feature = int32_at(&columns->features, split);
	int32		decision = int32_at(&columns->decision, split);
	double		threshold = double_at(&columns->threshold, split);
	int32		set;

	if (feature < 0 || feature >= build->num_features)
		return bad_tree(build, &columns->features,
						"split %d of tree %d reads feature %d, but there are " INT64_FORMAT " features",
						split, tree, feature, build->num_features);
	if (decision < 0 || DECISION_MISSING(decision) > MLOPS_MISSING_NAN)
		return bad_tree(build, &columns->decision,
						"split %d of tree %d has the decision type %d", split, tree, decision);
	if (isnan(threshold))
		return bad_tree(build, &columns->threshold,
						"the threshold of split %d of tree %d is not a number", split, tree);

	node->feature = (uint16) feature;
	if (columns->gain.seen && columns->gain.vector.count > 0)
		node->gain = float_at(&columns->gain, split);
	if (columns->count.seen && columns->count.vector.count > 0)
		node->count = int32_at(&columns->count, split);
	if ((decision & DECISION_CATEGORICAL) == 0)
	{
		node->split = MLOPS_WIDE_NUMERIC;
		node->value = threshold;
		node->missing = DECISION_MISSING(decision);
		node->default_left = (decision & DECISION_DEFAULT_LEFT) != 0;
		return true;
	}

	/* the threshold is the number of a set */
	if (!(threshold >= 0 && threshold < (double) columns->num_sets) ||
		threshold != floor(threshold))
		return bad_tree(build, &columns->threshold,
						"split %d of tree %d reads set %g of categories, but there are " INT64_FORMAT,
						split, tree, threshold, columns->num_sets);
	node->split = MLOPS_WIDE_SET;
	set = (int32) threshold;
	node->set = (uint32) (sets + int32_at(&columns->set_begins, set) + set);
	node->words = int32_at(&columns->set_begins, set + 1) - int32_at(&columns->set_begins, set);
	return true;
}

/*
 * Follow every path from the root; fill in the nodes, breadth first.
 */
static bool
fill_nodes(MlopsWideBuild *wide, int tree, size_t sets, size_t equations,
		   MlopsWideNode *nodes, int *max_depth, bool *categorical)
{
	MlopsBuild *build = &wide->build;
	MlopsWideColumns *columns = &wide->columns;
	int			num_leaves = (int) columns->num_leaves;
	int			num_splits = num_leaves - 1;
	int			num_nodes = num_splits + num_leaves;
	int32	   *queue = columns->queue.data;
	uint16	   *depth = columns->depth.data;
	bool	   *seen = columns->seen.data;
	int			tail = 1;

	memset(seen, 0, num_nodes);
	*max_depth = 0;
	*categorical = false;
	queue[0] = num_splits > 0 ? 0 : ~0;
	depth[0] = 0;
	seen[num_splits > 0 ? 0 : num_splits] = true;
	for (int head = 0; head < tail; head++)
	{
		MlopsWideNode *node = &nodes[head];
		int32		number = queue[head];

		memset(node, 0, sizeof(*node));
		*max_depth = Max(*max_depth, depth[head]);
		if (number < 0)
		{
			int32		leaf = ~number;

			node->split = MLOPS_WIDE_LEAF;
			node->value = double_at(&columns->leaf_value, leaf);
			if (columns->leaf_count.seen && columns->leaf_count.vector.count > 0)
				node->count = int32_at(&columns->leaf_count, leaf);
			if (columns->linear)
				node->set = (uint32) (equations + leaf);
			if (!isfinite(node->value))
				return bad_tree(build, &columns->leaf_value,
								"leaf %d of tree %d is not a finite number", leaf, tree);
			continue;
		}

		if (!fill_split(build, columns, tree, number, sets, node))
			return false;
		*categorical |= node->split == MLOPS_WIDE_SET;
		if (depth[head] >= MLOPS_MAX_WIDE_DEPTH)
			return mlops_fail(build->support, MLOPS_FOREST_LIMIT, columns->offset,
							  "Train with max_depth.",
							  "tree %d is deeper than %d", tree, MLOPS_MAX_WIDE_DEPTH);
		node->left = tail;
		for (int right = 0; right < 2; right++)
		{
			MlopsColumn *column = right ? &columns->right : &columns->left;
			int32		child = int32_at(column, number);
			int			place;

			if (child >= num_splits || child < -num_leaves)
				return bad_tree(build, column, "a child of split %d of tree %d is %d",
								number, tree, child);
			place = child >= 0 ? child : num_splits + ~child;
			if (seen[place])
				return bad_tree(build, column,
								"child %d of split %d of tree %d has another parent, or is the root",
								child, number, tree);
			seen[place] = true;
			depth[tail] = depth[head] + 1;
			queue[tail++] = child;
		}
	}
	if (tail != num_nodes)
		return mlops_fail(build->support, MLOPS_FOREST_INVALID, columns->offset, NULL,
						  "tree %d has %d splits and leaves that no path leads to",
						  tree, num_nodes - tail);
	return true;
}

/*
 * Keep the sets of the tree, each with a word more.  Their size is that of the
 * list in the file.
 */
static bool
keep_sets(MlopsBuild *build, MlopsWideColumns *columns)
{
	uint32	   *words;

	if (!mlops_vector_reserve(build->support, &build->sets, sizeof(uint32),
							  columns->sets.vector.count + columns->num_sets))
		return false;
	words = (uint32 *) build->sets.data + build->sets.count;
	for (int64 k = 0; k < columns->num_sets; k++)
	{
		int32		end = int32_at(&columns->set_begins, k + 1);

		for (int32 i = int32_at(&columns->set_begins, k); i < end; i++)
			*words++ = uint32_at(&columns->sets, i);
		*words++ = 0;
	}
	build->sets.count += columns->sets.vector.count + columns->num_sets;
	return true;
}

/*
 * Keep the equations of a linear tree.
 */
static bool
keep_equations(MlopsWideBuild *wide)
{
	MlopsSupport *support = wide->build.support;
	MlopsWideColumns *columns = &wide->columns;
	size_t		num_terms = columns->term_features.vector.count;
	MlopsEquation *equations;
	size_t		next = wide->terms.count;

	if (!mlops_vector_reserve(support, &wide->equations, sizeof(MlopsEquation),
							  columns->num_leaves) ||
		!mlops_vector_reserve(support, &wide->terms, sizeof(MlopsTerm), num_terms))
		return false;
	equations = (MlopsEquation *) wide->equations.data + wide->equations.count;
	for (int64 i = 0; i < columns->num_leaves; i++)
	{
		equations[i].constant = double_at(&columns->constants, i);
		equations[i].first_term = (uint32) next;
		equations[i].num_terms = int32_at(&columns->num_terms, i);
		next += equations[i].num_terms;
	}
	for (size_t i = 0; i < num_terms; i++)
	{
		MlopsTerm  *term = (MlopsTerm *) wide->terms.data + wide->terms.count + i;

		term->coefficient = double_at(&columns->coefficients, i);
		term->feature = int32_at(&columns->term_features, i);
		term->unused = 0;
	}
	wide->equations.count += columns->num_leaves;
	wide->terms.count += num_terms;
	return true;
}

/*
 * Check the tree in wide->columns, whose columns have the lengths that they
 * should have, and keep it.
 */
bool
mlops_wide_tree(MlopsWideBuild *wide)
{
	MlopsBuild *build = &wide->build;
	MlopsSupport *support = build->support;
	MlopsWideColumns *columns = &wide->columns;
	int			number = (int) build->trees.count;
	size_t		num_nodes = 2 * (size_t) columns->num_leaves - 1;
	size_t		sets = build->sets.count;
	size_t		equations = wide->equations.count;
	MlopsTree  *tree;
	int			max_depth;
	bool		categorical;

	mlops_check(support);
	if (num_nodes > MLOPS_MAX_WIDE_NODES - wide->nodes.count)
		return mlops_fail(support, MLOPS_FOREST_LIMIT, columns->offset, NULL,
						  "it has more than %d splits and leaves", MLOPS_MAX_WIDE_NODES);
	if (number >= MLOPS_MAX_WIDE_TREES)
		return mlops_fail(support, MLOPS_FOREST_LIMIT, columns->offset, NULL,
						  "it has more than %d trees", MLOPS_MAX_WIDE_TREES);
	columns->queue.count = columns->depth.count = columns->seen.count = 0;
	if (!mlops_vector_reserve(support, &columns->queue, sizeof(int32), num_nodes) ||
		!mlops_vector_reserve(support, &columns->depth, sizeof(uint16), num_nodes) ||
		!mlops_vector_reserve(support, &columns->seen, sizeof(bool), num_nodes) ||
		!mlops_vector_reserve(support, &wide->nodes, sizeof(MlopsWideNode), num_nodes) ||
		!mlops_vector_reserve(support, &build->trees, sizeof(MlopsTree), 1))
		return false;
	if (!check_sets(build, columns, number))
		return false;
	if (columns->linear && !check_equations(build, columns, number))
		return false;
	if (!fill_nodes(wide, number, sets, equations,
					(MlopsWideNode *) wide->nodes.data + wide->nodes.count,
					&max_depth, &categorical))
		return false;
	if (!keep_sets(build, columns))
		return false;
	if (columns->linear && !keep_equations(wide))
		return false;

	tree = (MlopsTree *) build->trees.data + build->trees.count;
	memset(tree, 0, sizeof(*tree));
	tree->first_node = (uint32) wide->nodes.count;
	tree->num_nodes = (uint32) num_nodes;
	tree->group = number % (int) wide->num_groups;
	tree->weight = 1.0f;
	tree->depth = max_depth;
	tree->categorical = categorical;
	tree->walked = !columns->linear;
	wide->lacks_counts |= num_nodes > 1 &&
		(columns->leaf_count.vector.count == 0 || columns->count.vector.count == 0);
	wide->lacks_gains |= num_nodes > 1 && columns->gain.vector.count == 0;
	wide->nodes.count += num_nodes;
	build->trees.count++;
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
put_features(MlopsWideBuild *wide, MlopsForest *forest)
{
	MlopsBuild *build = &wide->build;
	MlopsFeature *features = (MlopsFeature *) ((char *) forest + forest->features);
	const MlopsWideNode *nodes = wide->nodes.data;
	const MlopsTerm *terms = wide->terms.data;
	const uint32 *ends = build->category_ends.data;

	for (int i = 0; i < forest->num_features; i++)
	{
		features[i].name = ((uint32 *) build->names.data)[i];
		features[i].kind = ((uint8 *) build->kinds.data)[i];
		if (build->category_ends.count > 0)
		{
			features[i].first_category = i == 0 ? 0 : ends[i - 1];
			features[i].num_categories = ends[i] - features[i].first_category;
		}
	}
	for (size_t i = 0; i < wide->nodes.count; i++)
	{
		if (nodes[i].split == MLOPS_WIDE_LEAF)
			continue;
		features[nodes[i].feature].used = true;
		if (nodes[i].split == MLOPS_WIDE_SET)
			features[nodes[i].feature].kind = MLOPS_FEATURE_CATEGORICAL;
	}
	for (size_t i = 0; i < wide->terms.count; i++)
		features[terms[i].feature].used = true;
}

/*
 * Make the forest.  The block is the caller's; NULL if the model is not valid,
 * or there is no memory.
 */
MlopsForest *
mlops_wide_finish(MlopsWideBuild *wide)
{
	MlopsBuild *build = &wide->build;
	MlopsSupport *support = build->support;
	const MlopsTree *trees = build->trees.data;
	MlopsWideWalk walk;
	MlopsBatchSource source = {0};
	MlopsBatchPlan batch;
	MlopsForest header = {0};
	MlopsForest *forest;
	uint64		size = sizeof(MlopsForest);
	uint32		objective;

	if (!mlops_build_check_features(build) ||
		!mlops_wide_walk(wide, &walk) ||
		!mlops_build_string(build, wide->objective, strlen(wide->objective), &objective))
		return NULL;
	source.support = support;
	source.trees = trees;
	source.num_trees = build->trees.count;
	source.wide_nodes = wide->nodes.data;
	source.num_features = (uint32) build->num_features;
	source.num_groups = (uint32) wide->num_groups;
	source.num_slots = walk.parts.num_slots;
	source.positions = walk.positions.data;
	source.wide_bundles = walk.bundles.data;
	source.walk_size = walk.steps.count * sizeof(MlopsStep) + walk.set_steps.count * sizeof(MlopsSetStep);
	if (!mlops_batch_plan(&source, &batch))
		return NULL;

	header.magic = MLOPS_FOREST_MAGIC;
	header.layout = MLOPS_FOREST_LAYOUT;
	header.format = MLOPS_FORMAT_LIGHTGBM;
	header.task = wide->task;
	header.booster = wide->averaged ? MLOPS_BOOSTER_RF : MLOPS_BOOSTER_GBDT;
	memcpy(header.library_version, build->version, sizeof(header.library_version));
	header.num_features = (int32) build->num_features;
	header.num_groups = (int32) wide->num_groups;
	header.num_targets = 1;
	header.num_outputs = header.num_groups;
	header.num_trees = (int32) build->trees.count;
	header.num_rounds = header.num_trees / header.num_groups;
	header.best_round = -1;
	for (int i = 0; i < header.num_trees; i++)
		header.max_depth = Max(header.max_depth, trees[i].depth);
	header.has_feature_names = true;
	header.num_nodes = (int64) wide->nodes.count;

	header.trees = place(&size, sizeof(MlopsTree), build->trees.count);
	header.sets = place(&size, sizeof(uint32), build->sets.count);
	header.features = place(&size, sizeof(MlopsFeature), header.num_features);
	header.categories = place(&size, sizeof(uint32), build->categories.count);
	header.wide = walk.parts;
	header.wide.used = true;
	header.wide.averaged = wide->averaged;
	header.wide.has_counts = !wide->lacks_counts;
	header.wide.has_gains = !wide->lacks_gains;
	header.wide.transform = wide->transform;
	header.wide.sigmoid = wide->sigmoid;
	header.wide.nodes = place(&size, sizeof(MlopsWideNode), wide->nodes.count);
	header.wide.equations = place(&size, sizeof(MlopsEquation), wide->equations.count);
	header.wide.terms = place(&size, sizeof(MlopsTerm), wide->terms.count);
	header.wide.planes = place(&size, sizeof(uint16), walk.planes.count);
	header.wide.bundles = place(&size, sizeof(MlopsWideBundle), walk.bundles.count);
	header.wide.positions = place(&size, sizeof(uint32), walk.positions.count);
	header.wide.steps = size = TYPEALIGN64(64, size);
	(void) place(&size, sizeof(MlopsStep), walk.steps.count);
	header.wide.set_steps = size = TYPEALIGN64(64, size);
	(void) place(&size, sizeof(MlopsSetStep), walk.set_steps.count);
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
	put(forest, header.trees, &build->trees, sizeof(MlopsTree));
	put(forest, header.sets, &build->sets, sizeof(uint32));
	put(forest, header.categories, &build->categories, sizeof(uint32));
	put(forest, header.wide.nodes, &wide->nodes, sizeof(MlopsWideNode));
	put(forest, header.wide.equations, &wide->equations, sizeof(MlopsEquation));
	put(forest, header.wide.terms, &wide->terms, sizeof(MlopsTerm));
	put(forest, header.wide.planes, &walk.planes, sizeof(uint16));
	put(forest, header.wide.bundles, &walk.bundles, sizeof(MlopsWideBundle));
	put(forest, header.wide.positions, &walk.positions, sizeof(uint32));
	put(forest, header.wide.steps, &walk.steps, sizeof(MlopsStep));
	put(forest, header.wide.set_steps, &walk.set_steps, sizeof(MlopsSetStep));
	mlops_batch_put(&batch, forest);
	put(forest, header.strings, &build->strings, 1);
	put_features(wide, forest);
	return forest;
}
