/*-------------------------------------------------------------------------
 *
 * inspect.c
 *	  A forest as it is, for whoever writes it down in another language.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/forest_internal.h"
#include "forest/inspect.h"
#include "forest/thresholds.h"

/*
 * What a forest is made of, and what becomes of its margins.  For classes that
 * is the probability of each, also where the objective gives a class.
 */
void
mlops_forest_plan(const MlopsForest *forest, MlopsPlan *plan)
{
	memset(plan, 0, sizeof(*plan));
	plan->linear = forest->booster == MLOPS_BOOSTER_LINEAR;
	plan->base_last = forest->base_last;
	plan->factor = 1;
	plan->divisor = 1;
	if (forest->wide.used)
	{
		static const MlopsOutput outputs[] = {
			[MLOPS_WIDE_IDENTITY] = MLOPS_OUTPUT_MARGIN,
			[MLOPS_WIDE_SIGMOID] = MLOPS_OUTPUT_SIGMOID,
			[MLOPS_WIDE_SOFTMAX] = MLOPS_OUTPUT_SOFTMAX,
			[MLOPS_WIDE_EXP] = MLOPS_OUTPUT_EXP,
			[MLOPS_WIDE_LOG1P_EXP] = MLOPS_OUTPUT_LOG1P_EXP,
			[MLOPS_WIDE_LOG_EXP] = MLOPS_OUTPUT_LOG1P_EXP,
			[MLOPS_WIDE_SIGNED_SQUARE] = MLOPS_OUTPUT_SIGNED_SQUARE
		};

		plan->output = outputs[forest->wide.transform];
		plan->factor = forest->wide.sigmoid;
		if (forest->wide.averaged)
			plan->divisor = forest->num_rounds;
	}
	else
	{
		static const MlopsOutput outputs[] = {
			[MLOPS_TRANSFORM_IDENTITY] = MLOPS_OUTPUT_MARGIN,
			[MLOPS_TRANSFORM_SIGMOID] = MLOPS_OUTPUT_SIGMOID,
			[MLOPS_TRANSFORM_STEP] = MLOPS_OUTPUT_STEP,
			[MLOPS_TRANSFORM_EXP] = MLOPS_OUTPUT_EXP,
			[MLOPS_TRANSFORM_EXP_DOUBLE] = MLOPS_OUTPUT_EXP,
			[MLOPS_TRANSFORM_SOFTMAX] = MLOPS_OUTPUT_SOFTMAX,
			[MLOPS_TRANSFORM_ARGMAX] = MLOPS_OUTPUT_SOFTMAX,
			[MLOPS_TRANSFORM_SORT] = MLOPS_OUTPUT_SORT,
			[MLOPS_TRANSFORM_CUMULATE] = MLOPS_OUTPUT_CUMULATE
		};

		plan->output = outputs[forest->transform];
	}
}

/*
 * The margin of a group before anything is known of a row; of a linear model
 * with its bias.
 */
double
mlops_forest_base(const MlopsForest *forest, int group)
{
	const float *base = mlops_part(forest, float, forest->base_margins);

	if (forest->wide.used)
		return 0;
	if (forest->booster == MLOPS_BOOSTER_LINEAR)
	{
		const float *bias = mlops_part(forest, float, forest->weights) +
			(size_t) forest->num_features * forest->num_groups;
		float		sum = bias[group] + base[0];

		return sum;
	}
	return base[group];
}

/*
 * The weight of a feature in a linear model.
 */
double
mlops_forest_weight(const MlopsForest *forest, int feature, int group)
{
	return mlops_part(forest, float, forest->weights)[(size_t) feature * forest->num_groups + group];
}

/*
 * One of the trees, in the order of the file.
 */
void
mlops_forest_tree(const MlopsForest *forest, int number, MlopsTreePlan *tree)
{
	const MlopsTree *t = mlops_part(forest, MlopsTree, forest->trees) + number;

	tree->number = number;
	tree->root = t->first_node;
	tree->num_nodes = t->num_nodes;
	tree->group = t->group;
	tree->linear_leaves = forest->wide.used && !t->walked;
}

/*
 * One of the nodes of a tree.
 */
void
mlops_forest_node(const MlopsForest *forest, const MlopsTreePlan *tree, uint32 number,
				  MlopsNodePlan *node)
{
	memset(node, 0, sizeof(*node));
	if (forest->wide.used)
	{
		const MlopsWideNode *n = mlops_part(forest, MlopsWideNode, forest->wide.nodes) + number;

		node->leaf = n->split == MLOPS_WIDE_LEAF;
		node->feature = n->feature;
		node->left = tree->root + (uint32) n->left;
		node->value = n->value;
		node->threshold = n->split == MLOPS_WIDE_NUMERIC && n->missing != MLOPS_MISSING_ZERO;
		node->cut = n->value;
	}
	else
	{
		const MlopsTree *t = mlops_part(forest, MlopsTree, forest->trees) + tree->number;
		const MlopsNode *n = mlops_part(forest, MlopsNode, forest->nodes) + number;

		node->leaf = n->left == 0;
		node->feature = n->feature;
		node->left = tree->root + (uint32) n->left;
		node->threshold = n->split == MLOPS_SPLIT_NUMERIC;
		if (node->leaf)
			node->value = mlops_leaf_value(n->u.value, forest->weighted, t->weight);
		else if (node->threshold)
			node->cut = n->u.value == -INFINITY ? NAN : nextafterf(n->u.value, -INFINITY);
	}
	if (!node->leaf)
	{
		node->right = node->left + 1;
		node->default_left = mlops_split_left(forest, number, NAN);
	}
}
