/*-------------------------------------------------------------------------
 *
 * kernel.c
 *	  The row kernel: the margins of one row.
 *
 * The walk down a tree has no branch that depends on the row:
 *
 * - Missing values.  The row is spread over slots first.  A feature has one
 *   slot where missing is minus infinity, for the nodes that send missing
 *   values left, and one where it is plus infinity, for those that send them
 *   right; so a node just compares.
 * - Leaves.  A leaf compares its value with slot 0, which is minus infinity,
 *   and steps nowhere.  All trees of a bundle can so take the steps of the
 *   deepest, and the value is found where the walk ends.
 * - The right child follows the left one, so the outcome of the comparison is
 *   added to the step to the left child.
 *
 * A step waits for the one before it; eight trees are therefore walked side by
 * side.  What each leaf gives is then added in the order of the trees in the
 * file, starting from the base margin, in float: the sum has the bits that
 * XGBoost gives.  The compiler must not contract a product and a sum into one
 * operation here; the Makefile says -ffp-contract=off.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/forest_internal.h"

/*
 * Does the value of a feature, which is not missing, go left by a categorical
 * split?  Only categories in the set go right.
 */
static bool
category_left(const MlopsForest *forest, const MlopsNode *node, float value)
{
	const uint32 *set;
	uint32		code;

	if (value < 0 || value >= MLOPS_MAX_CATEGORY)
		return true;
	code = (uint32) value;
	if (node->split == MLOPS_SPLIT_ONE)
		return code != node->u.set;

	set = mlops_part(forest, uint32, forest->sets) + node->u.set;
	if (node->split == MLOPS_SPLIT_BITS)
		return code / 32 >= set[0] || (set[1 + code / 32] >> (code % 32) & 1) == 0;
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
 * The leaf that a row reaches in a tree, by the plain definition of the model.
 */
const MlopsNode *
mlops_tree_leaf(const MlopsForest *forest, const MlopsTree *tree, const float *row)
{
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes) + tree->first_node;
	const MlopsNode *node = nodes;

	while (node->left != 0)
	{
		float		value = row[node->feature];
		bool		left;

		if (isnan(value))
			left = node->default_left;
		else if (node->split == MLOPS_SPLIT_NUMERIC)
			left = value < node->u.value;
		else
			left = category_left(forest, node, value);
		node = nodes + node->left + !left;
	}
	return node;
}

/*
 * Spread a row over the slots.
 */
static void
fill_slots(const MlopsForest *forest, const float *row, float *slots)
{
	const MlopsWalk *walk = &forest->walk;
	const uint16 *feature = mlops_part(forest, uint16, walk->planes);
	float	   *slot = slots;

	*slot++ = -INFINITY;

	/* a comparison with NaN is false: each picks the infinity for NaN */
	for (uint32 i = 0; i < walk->num_left; i++)
	{
		float		value = row[*feature++];

		*slot++ = value > -INFINITY ? value : -INFINITY;
	}
	for (uint32 i = 0; i < walk->num_right; i++)
	{
		float		value = row[*feature++];

		*slot++ = value < INFINITY ? value : INFINITY;
	}
}

/*
 * Walk the trees of one bundle; leaves gets the value of each.
 */
static inline void
walk_bundle(const MlopsWalkNode *nodes, const MlopsBundle *bundle,
			const float *slots, float *leaves)
{
	const MlopsWalkNode *n0 = nodes + bundle->root[0];
	const MlopsWalkNode *n1 = nodes + bundle->root[1];
	const MlopsWalkNode *n2 = nodes + bundle->root[2];
	const MlopsWalkNode *n3 = nodes + bundle->root[3];
	const MlopsWalkNode *n4 = nodes + bundle->root[4];
	const MlopsWalkNode *n5 = nodes + bundle->root[5];
	const MlopsWalkNode *n6 = nodes + bundle->root[6];
	const MlopsWalkNode *n7 = nodes + bundle->root[7];

#define STEP(n) n += n->step + !(slots[n->slot] < n->value)

	for (uint32 depth = bundle->depth; depth > 0; depth--)
	{
		STEP(n0);
		STEP(n1);
		STEP(n2);
		STEP(n3);
		STEP(n4);
		STEP(n5);
		STEP(n6);
		STEP(n7);
	}

#undef STEP

	leaves[0] = n0->value;
	leaves[1] = n1->value;
	leaves[2] = n2->value;
	leaves[3] = n3->value;
	leaves[4] = n4->value;
	leaves[5] = n5->value;
	leaves[6] = n6->value;
	leaves[7] = n7->value;
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
#define SLOTS_SIZE(forest)	MAXALIGN((forest)->walk.num_slots * sizeof(float))
#define LEAVES_SIZE(forest) \
	((size_t) (forest)->walk.num_bundles * MLOPS_LANES * sizeof(float))

/*
 * The size of the scratch memory that scoring a row needs.
 */
size_t
mlops_forest_scratch_size(const MlopsForest *forest)
{
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
	float	   *slots = scratch;
	float	   *leaves = (float *) ((char *) scratch + SLOTS_SIZE(forest));

	if (forest->booster == MLOPS_BOOSTER_LINEAR)
	{
		linear_margin(forest, row, margins);
		return;
	}

	fill_slots(forest, row, slots);

	/* the common case: one margin, all trees walked; sum while walking on */
	if (walk->ordered && forest->num_groups == 1)
	{
		float		sum = forest->base_last ? 0.0f : base[0];
		uint32		whole = walk->num_walked / MLOPS_LANES;

		for (uint32 b = 0; b < whole; b++)
		{
			float		values[MLOPS_LANES];

			walk_bundle(nodes, &bundles[b], slots, values);
			for (int k = 0; k < MLOPS_LANES; k++)
				sum += values[k];
		}
		if (whole < walk->num_bundles)
		{
			walk_bundle(nodes, &bundles[whole], slots, leaves);
			for (uint32 k = 0; k < walk->num_walked % MLOPS_LANES; k++)
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
