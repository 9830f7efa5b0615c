/*-------------------------------------------------------------------------
 *
 * wide_walk.c
 *	  Arranges the trees of a wide forest for its row kernel.
 *
 * See wide_kernel.c for what the kernel does with the result.  Trees with
 * categorical splits go to bundles of their own, because their steps are
 * larger; linear trees are left out, and the kernel walks them plainly.
 *
 * Trees of about the same depth are bundled, as a bundle takes the time of its
 * deepest tree.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/wide_build.h"

/* append zeroed elements to a vector; returns the first, or NULL */
static void *
append(MlopsWideBuild *wide, MlopsVector *vector, size_t element, size_t count)
{
	char	   *added;

	if (!mlops_vector_reserve(wide->build.support, vector, element, count))
		return NULL;
	added = (char *) vector->data + vector->count * element;
	memset(added, 0, element * count);
	vector->count += count;
	return added;
}

/*
 * Give a slot to each pair of a feature and a rule that some walked tree
 * reads; slots has an element per rule and feature.
 */
static bool
assign_slots(MlopsWideBuild *wide, MlopsWideWalk *walk, uint32 *slots)
{
	const MlopsTree *trees = wide->build.trees.data;
	const MlopsWideNode *nodes = wide->nodes.data;
	size_t		num_features = (size_t) wide->build.num_features;
	uint32		next = 1;

	for (size_t t = 0; t < wide->build.trees.count; t++)
	{
		uint32		end = trees[t].first_node + trees[t].num_nodes;

		for (uint32 i = trees[t].first_node; trees[t].walked && i < end; i++)
		{
			if (nodes[i].split != MLOPS_WIDE_LEAF)
				slots[mlops_wide_rule(&nodes[i]) * num_features + nodes[i].feature] = 1;
		}
	}
	for (size_t k = 0; k < MLOPS_NUM_RULES * num_features; k++)
	{
		uint16	   *plane;

		if (slots[k] == 0)
			continue;
		slots[k] = next++;
		plane = append(wide, &walk->planes, sizeof(uint16), 1);
		if (plane == NULL)
			return false;
		*plane = (uint16) (k % num_features);
		walk->parts.num_planes[k / num_features]++;
	}
	walk->parts.num_slots = next;
	return true;
}

/*
 * Add one tree to the steps.
 */
static bool
add_steps(MlopsWideBuild *wide, MlopsWideWalk *walk, const MlopsTree *tree, const uint32 *slots)
{
	const MlopsWideNode *nodes = (const MlopsWideNode *) wide->nodes.data + tree->first_node;
	size_t		num_features = (size_t) wide->build.num_features;
	MlopsStep  *steps = append(wide, &walk->steps, sizeof(MlopsStep), tree->num_nodes);

	if (steps == NULL)
		return false;
	for (uint32 i = 0; i < tree->num_nodes; i++)
	{
		if (nodes[i].split == MLOPS_WIDE_LEAF)
		{
			steps[i].u.value = nodes[i].value;
			continue;
		}
		/* -0 is 0 */
		steps[i].u.key = mlops_wide_key(nodes[i].value + 0.0);
		steps[i].slot = slots[mlops_wide_rule(&nodes[i]) * num_features + nodes[i].feature];
		steps[i].step = nodes[i].left - i;
	}
	return true;
}

/*
 * Add one tree with categorical splits to the steps of such.
 */
static bool
add_set_steps(MlopsWideBuild *wide, MlopsWideWalk *walk, const MlopsTree *tree, const uint32 *slots)
{
	const MlopsWideNode *nodes = (const MlopsWideNode *) wide->nodes.data + tree->first_node;
	size_t		num_features = (size_t) wide->build.num_features;
	MlopsSetStep *steps = append(wide, &walk->set_steps, sizeof(MlopsSetStep), tree->num_nodes);

	if (steps == NULL)
		return false;
	for (uint32 i = 0; i < tree->num_nodes; i++)
	{
		if (nodes[i].split == MLOPS_WIDE_LEAF)
		{
			steps[i].u.value = nodes[i].value;
			continue;
		}
		/* -0 is 0 */
		steps[i].u.key = mlops_wide_key(nodes[i].value + 0.0);
		steps[i].slot = slots[mlops_wide_rule(&nodes[i]) * num_features + nodes[i].feature];
		steps[i].step = nodes[i].left - i;
		if (nodes[i].split == MLOPS_WIDE_SET)
		{
			steps[i].u.key = 0;
			steps[i].set = nodes[i].set;
			steps[i].words = nodes[i].words;
		}
	}
	return true;
}

/*
 * Bundle the trees with categorical splits, or those without, in the order
 * that order has.
 */
static bool
add_trees(MlopsWideBuild *wide, MlopsWideWalk *walk, const uint64 *order,
		  const uint32 *slots, bool sets)
{
	const MlopsTree *trees = wide->build.trees.data;
	uint32	   *positions = walk->positions.data;
	MlopsWideBundle *bundle = NULL;
	int			lane = MLOPS_WIDE_LANES;

	for (size_t k = 0; k < wide->build.trees.count; k++)
	{
		uint32		t = (uint32) order[k];

		if (!trees[t].walked || trees[t].categorical != sets)
			continue;
		mlops_check(wide->build.support);
		if (lane == MLOPS_WIDE_LANES)
		{
			/* a lane without a tree walks node 0, which is a leaf */
			if (append(wide, &walk->bundles, sizeof(MlopsWideBundle), 1) == NULL)
				return false;
			lane = 0;
		}
		bundle = (MlopsWideBundle *) walk->bundles.data + walk->bundles.count - 1;
		bundle->sets = sets;
		bundle->depth = Max(bundle->depth, (uint32) trees[t].depth);
		bundle->root[lane] = (uint32) (sets ? walk->set_steps.count : walk->steps.count);
		positions[t] = (uint32) (walk->bundles.count - 1) * MLOPS_WIDE_LANES + lane++;
		if (!(sets ? add_set_steps(wide, walk, &trees[t], slots)
			  : add_steps(wide, walk, &trees[t], slots)))
			return false;
		walk->parts.num_walked++;
		walk->parts.has_sets |= sets;
	}
	return true;
}

/*
 * Plan the walk.
 */
bool
mlops_wide_walk(MlopsWideBuild *wide, MlopsWideWalk *walk)
{
	MlopsSupport *support = wide->build.support;
	const MlopsTree *trees = wide->build.trees.data;
	size_t		num_trees = wide->build.trees.count;
	size_t		num_slots = MLOPS_NUM_RULES * (size_t) wide->build.num_features;
	uint32	   *slots = mlops_alloc(support, num_slots * sizeof(uint32));
	uint64	   *order = mlops_alloc(support, Max(num_trees, 1) * sizeof(uint64));
	uint32	   *positions;

	memset(walk, 0, sizeof(*walk));
	if (slots == NULL || order == NULL)
		return false;
	memset(slots, 0, num_slots * sizeof(uint32));
	if (!assign_slots(wide, walk, slots) ||
		append(wide, &walk->steps, sizeof(MlopsStep), 1) == NULL ||
		append(wide, &walk->set_steps, sizeof(MlopsSetStep), 1) == NULL)
		return false;
	if (num_trees > 0)
	{
		positions = append(wide, &walk->positions, sizeof(uint32), num_trees);
		if (positions == NULL)
			return false;
		memset(positions, 0xFF, num_trees * sizeof(uint32));
	}

	for (size_t t = 0; t < num_trees; t++)
		order[t] = (uint64) trees[t].depth << 32 | t;
	mlops_sort_uint64(order, num_trees);
	if (!add_trees(wide, walk, order, slots, false) ||
		!add_trees(wide, walk, order, slots, true))
		return false;
	walk->parts.num_bundles = (uint32) walk->bundles.count;
	mlops_release(support, slots);
	mlops_release(support, order);
	return true;
}
