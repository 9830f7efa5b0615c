/*-------------------------------------------------------------------------
 *
 * importance.c
 *	  How much a model as a whole uses each feature.
 *
 * The sums go over the splits of all trees, whatever the weights of trees are,
 * as XGBoost's and LightGBM's do; they are in double where XGBoost has float.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/forest_internal.h"
#include "forest/importance.h"

/*
 * The weights of a linear model.
 */
static void
linear_importance(const MlopsForest *forest, double *values)
{
	const float *weights = mlops_part(forest, float, forest->weights);
	int			num_groups = forest->num_groups;

	for (int i = 0; i < forest->num_features; i++)
	{
		const float *weight = weights + (size_t) i * num_groups;

		values[i] = num_groups == 1 ? (double) weight[0] : 0;
		for (int g = 0; num_groups > 1 && g < num_groups; g++)
			values[i] += fabs((double) weight[g]);
	}
}

/*
 * Add up what the splits of a tree have.
 */
static void
add_tree(const MlopsForest *forest, const MlopsTree *tree, bool gain, double *values, double *splits)
{
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes) + tree->first_node;

	for (uint32 i = 0; i < tree->num_nodes; i++)
	{
		if (nodes[i].left == 0)
			continue;
		splits[nodes[i].feature] += 1;
		values[nodes[i].feature] += gain ? (double) nodes[i].gain : (double) nodes[i].cover;
	}
}

/*
 * The same of a wide tree.  LightGBM does not count splits without a gain,
 * which it was made to do; where the file has no gains, all splits count.
 * False if a count is not one.
 */
static bool
add_wide_tree(const MlopsForest *forest, const MlopsTree *tree, MlopsImportance kind, bool gain,
			  double *values, double *splits)
{
	const MlopsWideNode *nodes = mlops_part(forest, MlopsWideNode, forest->wide.nodes) + tree->first_node;

	for (uint32 i = 0; i < tree->num_nodes; i++)
	{
		if (nodes[i].split == MLOPS_WIDE_LEAF ||
			(forest->wide.has_gains && !(nodes[i].gain > 0)))
			continue;
		if (kind != MLOPS_IMPORTANCE_WEIGHT && !gain && nodes[i].count < 0)
			return false;
		splits[nodes[i].feature] += 1;
		values[nodes[i].feature] += gain ? (double) nodes[i].gain : nodes[i].count;
	}
	return true;
}

/*
 * The importance of each feature, see importance.h.
 */
bool
mlops_forest_importance(const MlopsForest *forest, MlopsImportance kind,
						const MlopsForestEnv *env, double *values, double *splits)
{
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	bool		gain = kind == MLOPS_IMPORTANCE_GAIN || kind == MLOPS_IMPORTANCE_TOTAL_GAIN;
	bool		mean = kind == MLOPS_IMPORTANCE_GAIN || kind == MLOPS_IMPORTANCE_COVER;
	bool		wide = forest->wide.used;

	memset(values, 0, forest->num_features * sizeof(double));
	memset(splits, 0, forest->num_features * sizeof(double));
	if (forest->booster == MLOPS_BOOSTER_LINEAR)
	{
		if (kind != MLOPS_IMPORTANCE_WEIGHT)
			return false;
		linear_importance(forest, values);
		return true;
	}

	if (wide && kind != MLOPS_IMPORTANCE_WEIGHT &&
		!(gain ? forest->wide.has_gains : forest->wide.has_counts))
		return false;
	for (int t = 0; t < forest->num_trees; t++)
	{
		if (env->check != NULL)
			env->check(env->arg);
		if (!wide)
			add_tree(forest, &trees[t], gain, values, splits);
		else if (!add_wide_tree(forest, &trees[t], kind, gain, values, splits))
			return false;
	}
	for (int i = 0; i < forest->num_features; i++)
	{
		if (kind == MLOPS_IMPORTANCE_WEIGHT)
			values[i] = splits[i];
		else if (mean && splits[i] > 0)
			values[i] /= splits[i];
	}
	return true;
}
