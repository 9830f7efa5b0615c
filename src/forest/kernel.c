/*-------------------------------------------------------------------------
 *
 * kernel.c
 *	  The row kernel: the margins of one row.
 *
 * The walk down a tree has no branch that depends on the row:
 *
 * - Missing values.  The row is spread over slots first, as keys: integers in
 *   the order of the numbers, which processors compare sooner.  A feature has
 *   one slot where missing is less than any number, for the nodes that send
 *   missing values left, and one where it is greater, for those that send them
 *   right; so a node just compares.
 * - Leaves.  A leaf compares its value with slot 0, which is greater than
 *   nothing, and steps to itself.  All trees of a bundle can so take the steps
 *   of the deepest, and the value is found where the walk ends.
 * - The left child stands before the right one, so the outcome of the
 *   comparison is added to the step to the left child.
 *
 * A step waits for the one before it; sixteen trees are therefore walked side
 * by side.  What each leaf gives is then added in the order of the trees in the
 * file, starting from the base margin, in float: the sum has the bits that
 * XGBoost gives.  The compiler must not contract a product and a sum into one
 * operation here; the Makefile says -ffp-contract=off.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/forest_internal.h"

/*
 * Does a value, which is not missing, go left by a categorical split?  Only
 * categories in the set go right.
 */
static bool
category_left(const MlopsForest *forest, const MlopsNode *node, float value)
{
	const uint32 *set = NULL;
	uint32		last = node->u.set;
	uint32		code;

	/* beyond the last category that a set of whole words has room for */
	if (node->split != MLOPS_SPLIT_ONE)
	{
		set = mlops_part(forest, uint32, forest->sets) + node->u.set;
		last = node->split == MLOPS_SPLIT_BITS ? set[0] * 32 - 1 : set[set[0]];
	}
	if (value < 0 || value >= (float) ((last | 31) + 1))
		return !forest->unseen_default || node->default_left;

	code = (uint32) value;
	if (node->split == MLOPS_SPLIT_ONE)
		return code != node->u.set;
	if (node->split == MLOPS_SPLIT_BITS)
		return (set[1 + code / 32] >> (code % 32) & 1) == 0;
	else
	{
		uint32		low = 1;
		uint32		high = set[0] + 1;

		while (low < high)
		{
			uint32		middle = low + (high - low) / 2;

			if (set[middle] == code)
				return false;
			if (set[middle] < code)
				low = middle + 1;
			else
				high = middle;
		}
		return true;
	}
}

/*
 * Does a row with this value of the node's feature go left?  The plain
 * definition of a model, which every kernel must agree with.
 */
bool
mlops_node_left(const MlopsForest *forest, const MlopsNode *node, float value)
{
	if (isnan(value))
		return node->default_left;
	if (node->split == MLOPS_SPLIT_NUMERIC)
		return value < node->u.value;
	return category_left(forest, node, value);
}

/*
 * The leaf that a row reaches in a tree.
 */
const MlopsNode *
mlops_tree_leaf(const MlopsForest *forest, const MlopsTree *tree, const float *row)
{
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes) + tree->first_node;
	const MlopsNode *node = nodes;

	while (node->left != 0)
		node = nodes + node->left + !mlops_node_left(forest, node, row[node->feature]);
	return node;
}

/*
 * Spread a row over the slots.
 */
void
mlops_fill_slots(const MlopsForest *forest, const float *row, uint32 *slots)
{
	const MlopsWalk *walk = &forest->walk;
	const uint16 *columns = mlops_part(forest, uint16, walk->columns);
	uint32	   *left = slots + 1;
	uint32	   *right = left + walk->num_features;

	slots[0] = MLOPS_KEY_MISSING;

	/* mlops_narrow_key(), in loops that a compiler makes vectors of */
	for (uint32 i = 0; i < walk->num_features; i += MLOPS_COLUMN_BLOCK)
	{
		float		values[MLOPS_COLUMN_BLOCK];
		uint32		keys[MLOPS_COLUMN_BLOCK];
		uint32		missing[MLOPS_COLUMN_BLOCK];

		/* columns ascend, but for those that only fill up the last block */
		if (columns[i + MLOPS_COLUMN_BLOCK - 1] == columns[i] + MLOPS_COLUMN_BLOCK - 1)
			memcpy(values, &row[columns[i]], sizeof(values));
		else
		{
			for (int k = 0; k < MLOPS_COLUMN_BLOCK; k++)
				values[k] = row[columns[i + k]];
		}
		for (int k = 0; k < MLOPS_COLUMN_BLOCK; k++)
			values[k] += 0.0f;
		memcpy(keys, values, sizeof(keys));
		for (int k = 0; k < MLOPS_COLUMN_BLOCK; k++)
			missing[k] = (int32) (keys[k] & 0x7FFFFFFF) > 0x7F800000 ? 0xFFFFFFFF : 0;
		for (int k = 0; k < MLOPS_COLUMN_BLOCK; k++)
			keys[k] ^= (uint32) ((int32) keys[k] >> 31) | 0x80000000;
		for (int k = 0; k < MLOPS_COLUMN_BLOCK; k++)
			keys[k] |= missing[k];
		memcpy(right + i, keys, sizeof(keys));
		for (int k = 0; k < MLOPS_COLUMN_BLOCK; k++)
			keys[k] &= ~missing[k];
		memcpy(left + i, keys, sizeof(keys));
	}

	/* categorical tests: 0 goes left, as most do, and 1 goes right */
	if (walk->num_tests > 0)
	{
		const MlopsTests *tests = mlops_part(forest, MlopsTests, walk->tests);
		const uint32 *all_entries = mlops_part(forest, uint32, walk->entries);
		const uint16 *test_slots = mlops_part(forest, uint16, walk->test_slots);

		memset(slots + walk->first_test, 0,
			   (walk->num_slots - walk->first_test) * sizeof(uint32));
		for (uint32 i = 0; i < walk->num_tests; i++, tests++)
		{
			const uint32 *entries = all_entries + tests->first_entry;
			float		value = row[tests->feature];
			uint32		code;

			if (isnan(value))
				code = tests->num_codes;
			else if (value >= 0 && value < tests->num_codes)
				code = (uint32) value;
			else
				continue;
			for (uint32 k = entries[code]; k < entries[code + 1]; k++)
				slots[test_slots[k]] = 1;
		}
	}
}

/* the lanes of a bundle, and of half a bundle */
#define HALF(DO)	DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define WHOLE(DO)	HALF(DO) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)

#define START(lane)		const MlopsWalkNode *n##lane = nodes + bundle->root[lane];
#define STEP(lane)		n##lane = next_node(n##lane, slots);
#define STORE(lane)		leaves[lane] = n##lane->u.value;

/*
 * The child that a row goes to.  Written so, it becomes one comparison and one
 * addition with carry.
 */
static inline const MlopsWalkNode *
next_node(const MlopsWalkNode *node, const uint32 *slots)
{
	return node + ((size_t) node->step + (slots[node->slot] > node->u.key));
}

/*
 * Walk the trees of one bundle; leaves gets the value of each.
 */
static void
walk_bundle(const MlopsWalkNode *nodes, const MlopsBundle *bundle,
			const uint32 *slots, float *leaves)
{
	if (bundle->num_trees > MLOPS_LANES / 2)
	{
		WHOLE(START)
		for (uint32 depth = bundle->depth; depth > 0; depth--)
		{
			WHOLE(STEP)
		}
		WHOLE(STORE)
	}
	else
	{
		HALF(START)
		for (uint32 depth = bundle->depth; depth > 0; depth--)
		{
			HALF(STEP)
		}
		HALF(STORE)
	}
}

/*
 * The margins of a linear model.  That the first base margin serves for all is
 * XGBoost's doing.
 */
static void
linear_margin(const MlopsForest *forest, const float *row, float *margins)
{
	const float *weights = mlops_part(forest, float, forest->weights);
	const float *base = mlops_part(forest, float, forest->base_margins);
	const float *bias = weights + (size_t) forest->num_features * forest->num_groups;

	for (int g = 0; g < forest->num_groups; g++)
	{
		float		sum = bias[g] + base[0];

		for (int i = 0; i < forest->num_features; i++)
		{
			if (!isnan(row[i]))
				sum += row[i] * weights[(size_t) i * forest->num_groups + g];
		}
		margins[g] = sum;
	}
}

/* bytes that the slots take in scratch, and those of the leaves after them */
#define SLOTS_SIZE(forest)	MAXALIGN((forest)->walk.num_slots * sizeof(uint32))
#define LEAVES_SIZE(forest) \
	((size_t) (forest)->walk.num_bundles * MLOPS_LANES * sizeof(float))

/*
 * The size of the scratch memory that scoring a row needs.
 */
size_t
mlops_forest_scratch_size(const MlopsForest *forest)
{
	if (forest->wide.used)
		return mlops_wide_scratch_size(forest);
	return SLOTS_SIZE(forest) + LEAVES_SIZE(forest) + sizeof(float);
}

/*
 * The margins of one row.
 */
void
mlops_forest_margin(const MlopsForest *forest, const float *row,
					void *scratch, float *margins)
{
	const MlopsWalk *walk = &forest->walk;
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	const MlopsBundle *bundles = mlops_part(forest, MlopsBundle, walk->bundles);
	const MlopsWalkNode *nodes = mlops_part(forest, MlopsWalkNode, walk->nodes);
	const float *base = mlops_part(forest, float, forest->base_margins);
	uint32	   *slots = scratch;
	float	   *leaves = (float *) ((char *) scratch + SLOTS_SIZE(forest));

	if (forest->booster == MLOPS_BOOSTER_LINEAR)
	{
		linear_margin(forest, row, margins);
		return;
	}

	mlops_fill_slots(forest, row, slots);

	/* the common case: one margin, all trees walked; sum while walking on */
	if (walk->ordered && forest->num_groups == 1)
	{
		float		sum = forest->base_last ? 0.0f : base[0];

		for (uint32 b = 0; b < walk->num_bundles; b++)
		{
			walk_bundle(nodes, &bundles[b], slots, leaves);
			for (uint32 k = 0; k < bundles[b].num_trees; k++)
				sum += leaves[k];
		}
		margins[0] = forest->base_last ? base[0] + sum : sum;
		return;
	}

	for (uint32 b = 0; b < walk->num_bundles; b++)
		walk_bundle(nodes, &bundles[b], slots, leaves + b * MLOPS_LANES);
	for (int g = 0; g < forest->num_groups; g++)
		margins[g] = forest->base_last ? 0.0f : base[g];
	if (walk->ordered)
	{
		for (int t = 0; t < forest->num_trees; t++)
			margins[trees[t].group] += leaves[t];
	}
	else
	{
		const uint32 *positions = mlops_part(forest, uint32, walk->positions);

		for (int t = 0; t < forest->num_trees; t++)
		{
			float		value;

			if (trees[t].walked)
				value = leaves[positions[t]];
			else
				value = mlops_leaf_value(mlops_tree_leaf(forest, &trees[t], row)->u.value,
										 forest->weighted, trees[t].weight);
			margins[trees[t].group] += value;
		}
	}
	for (int g = 0; forest->base_last && g < forest->num_groups; g++)
		margins[g] = base[g] + margins[g];
}
