/*-------------------------------------------------------------------------
 *
 * walk.c
 *	  Arranges the trees of a forest for the row kernel.
 *
 * See kernel.c for what the kernel does with the result.  A tree that does not
 * fit the form is left out, and the kernel walks it plainly:
 *
 * - a threshold of minus infinity: a missing value that goes left is turned
 *   into minus infinity, which is not less than that;
 * - a node too far from its children, or more slots, than 16 bits can say;
 * - categorical splits.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/build.h"

/* largest slot, and largest step to a child */
#define MAX_COMPACT		PG_UINT16_MAX

/* append zeroed elements to a vector; returns the first, or NULL */
static void *
append(MlopsBuild *build, MlopsVector *vector, size_t element, size_t count)
{
	char	   *added;

	if (!mlops_vector_reserve(build->support, vector, element, count))
		return NULL;
	added = (char *) vector->data + vector->count * element;
	memset(added, 0, element * count);
	vector->count += count;
	return added;
}

/* can this tree be walked by the kernel, slots aside? */
static bool
fits(const MlopsNode *nodes, const MlopsTree *tree)
{
	if (tree->categorical)
		return false;
	for (uint32 i = 0; i < tree->num_nodes; i++)
	{
		if (nodes[i].split == MLOPS_SPLIT_NUMERIC && nodes[i].u.value == -INFINITY)
			return false;
	}
	return true;
}

/*
 * Give slots to the features that walked trees read.  slots[0 .. n) gets those
 * for missing values going left, slots[n .. 2n) those for going right.  False
 * if there are too many.
 */
static bool
assign_slots(MlopsBuild *build, MlopsWalkPlan *plan, uint16 *slots)
{
	const MlopsTree *trees = build->trees.data;
	int			num_features = (int) build->num_features;
	uint32		next = 1;

	for (size_t t = 0; t < build->trees.count; t++)
	{
		const MlopsNode *nodes = (const MlopsNode *) build->nodes.data + trees[t].first_node;

		for (uint32 i = 0; trees[t].walked && i < trees[t].num_nodes; i++)
		{
			if (nodes[i].left != 0)
				slots[nodes[i].feature + (nodes[i].default_left ? 0 : num_features)] = 1;
		}
	}
	for (int k = 0; k < 2 * num_features; k++)
	{
		uint16	   *plane;

		if (slots[k] == 0)
			continue;
		if (next > MAX_COMPACT)
			return false;
		slots[k] = (uint16) next++;
		plane = append(build, &plan->planes, sizeof(uint16), 1);
		if (plane == NULL)
			return false;
		*plane = k % num_features;
		if (k < num_features)
			plan->walk.num_left++;
		else
			plan->walk.num_right++;
	}
	plan->walk.num_slots = next;
	return true;
}

/*
 * Add one tree to the walk's nodes, breadth first.  *root gets its root.
 * False, and nothing added, if a child is too far away; or no memory.
 */
static bool
add_tree(MlopsBuild *build, MlopsWalkPlan *plan, const MlopsTree *tree,
		 const uint16 *slots, uint32 *queue, uint32 *root)
{
	const MlopsNode *nodes = (const MlopsNode *) build->nodes.data + tree->first_node;
	bool		weighted = build->weight_drop.count > 0;
	MlopsWalkNode *walk;
	uint32		tail = 1;

	*root = (uint32) plan->nodes.count;
	walk = append(build, &plan->nodes, sizeof(MlopsWalkNode), tree->num_nodes);
	if (walk == NULL)
		return false;
	queue[0] = 0;
	for (uint32 head = 0; head < tail; head++)
	{
		const MlopsNode *node = &nodes[queue[head]];

		if (node->left == 0)
		{
			walk[head].value = mlops_leaf_value(node->u.value, weighted, tree->weight);
			continue;
		}
		if (tail - head > MAX_COMPACT)
		{
			plan->nodes.count = *root;
			return false;
		}
		walk[head].value = node->u.value;
		walk[head].slot = slots[node->feature + (node->default_left ? 0 : build->num_features)];
		walk[head].step = (uint16) (tail - head);
		queue[tail++] = node->left;
		queue[tail++] = node->left + 1;
	}
	return true;
}

/*
 * Plan the walk.  Sets walked of each tree.
 */
bool
mlops_walk_plan(MlopsBuild *build, MlopsWalkPlan *plan)
{
	MlopsSupport *support = build->support;
	MlopsTree  *trees = build->trees.data;
	size_t		num_trees = build->trees.count;
	size_t		max_nodes = 1;
	uint16	   *slots;
	uint32	   *queue;
	uint32	   *positions;
	MlopsWalkNode *nothing;

	memset(plan, 0, sizeof(*plan));
	for (size_t t = 0; t < num_trees; t++)
	{
		trees[t].walked = fits((const MlopsNode *) build->nodes.data + trees[t].first_node, &trees[t]);
		max_nodes = Max(max_nodes, trees[t].num_nodes);
	}

	slots = mlops_alloc(support, 2 * (size_t) build->num_features * sizeof(uint16));
	queue = mlops_alloc(support, max_nodes * sizeof(uint32));
	if (slots == NULL || queue == NULL)
		return false;
	memset(slots, 0, 2 * (size_t) build->num_features * sizeof(uint16));
	if (!assign_slots(build, plan, slots))
	{
		if (support->error->code != MLOPS_FOREST_OK)
			return false;
		memset(plan, 0, sizeof(*plan));
		for (size_t t = 0; t < num_trees; t++)
			trees[t].walked = false;
	}

	/* node 0 is a leaf of value 0: what a lane without a tree walks */
	nothing = append(build, &plan->nodes, sizeof(MlopsWalkNode), 1);
	positions = append(build, &plan->positions, sizeof(uint32), num_trees);
	if (nothing == NULL || (positions == NULL && num_trees > 0))
		return false;

	for (size_t t = 0; t < num_trees; t++)
	{
		MlopsBundle *bundle;
		uint32		root;

		positions = plan->positions.data;
		positions[t] = PG_UINT32_MAX;
		if (!trees[t].walked)
			continue;
		mlops_check(support);
		if (!add_tree(build, plan, &trees[t], slots, queue, &root))
		{
			if (support->error->code != MLOPS_FOREST_OK)
				return false;
			trees[t].walked = false;
			continue;
		}
		if (plan->walk.num_walked % MLOPS_LANES == 0 &&
			append(build, &plan->bundles, sizeof(MlopsBundle), 1) == NULL)
			return false;
		bundle = (MlopsBundle *) plan->bundles.data + plan->walk.num_walked / MLOPS_LANES;
		bundle->root[plan->walk.num_walked % MLOPS_LANES] = root;
		bundle->depth = Max(bundle->depth, (uint32) trees[t].depth);
		positions[t] = plan->walk.num_walked++;
	}
	plan->walk.num_bundles = (uint32) plan->bundles.count;
	plan->walk.ordered = plan->walk.num_walked == num_trees;
	mlops_release(support, slots);
	mlops_release(support, queue);
	return true;
}
