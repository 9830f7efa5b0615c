/*-------------------------------------------------------------------------
 *
 * golden.c
 *	  Rows that show whether a model still gives the scores that it gave.
 *
 * How they are made is said in golden.h.  Rows once made are kept with the
 * model, so nothing breaks if a later version of this file makes others.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/forest_internal.h"
#include "forest/golden.h"

/*
 * A number that looks random, of a row and a place.
 */
static uint64
draw(int number, uint64 place)
{
	uint64		x = ((uint64) number << 40) + place + UINT64CONST(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/*
 * A category from 0 to the one after the last of a bit set.
 */
static double
bit_category(const uint32 *words, uint32 num_words, uint64 chance)
{
	uint64		end = (uint64) num_words * 32;

	while (end > 0 && (words[(end - 1) / 32] >> (end - 1) % 32 & 1) == 0)
		end--;
	return (double) (chance % (end + 1));
}

/*
 * A category at which a split of XGBoost's goes one way or the other.
 */
static double
node_category(const MlopsForest *forest, const MlopsNode *node, uint64 chance)
{
	const uint32 *set;

	if (node->split == MLOPS_SPLIT_ONE)
		return (double) node->u.set + (double) (chance % 2);
	set = mlops_part(forest, uint32, forest->sets) + node->u.set;
	if (node->split == MLOPS_SPLIT_LIST)
		return set[0] == 0 ? 0 : (double) set[1 + (chance >> 1) % set[0]] + (double) (chance % 2);
	return bit_category(set + 1, set[0], chance);
}

/*
 * A value with which a row goes one way or the other at a split of XGBoost's,
 * left if it is less than the threshold.
 */
static float
propose(const MlopsForest *forest, const MlopsNode *node, uint64 chance)
{
	float		below = nextafterf(node->u.value, -INFINITY);

	if (chance % 8 == 0)
		return NAN;
	chance /= 8;
	if (node->split != MLOPS_SPLIT_NUMERIC)
		return (float) node_category(forest, node, chance);
	if (chance % 2 == 0 && isfinite(below))
		return below;
	return isfinite(node->u.value) ? node->u.value : 0;
}

/*
 * The same for LightGBM, left if it is not greater.
 */
static double
propose_wide(const MlopsForest *forest, const MlopsWideNode *node, uint64 chance)
{
	double		above = nextafter(node->value, INFINITY);

	if (chance % 8 == 0)
		return NAN;
	chance /= 8;
	if (node->split == MLOPS_WIDE_SET)
		return bit_category(mlops_part(forest, uint32, forest->sets) + node->set, node->words, chance);
	if (chance % 2 == 0 && isfinite(above))
		return above;
	return isfinite(node->value) ? node->value : 0;
}

/*
 * Lead a row through a tree; what it has not seen yet, it takes on the way.
 */
static void
follow(const MlopsForest *forest, const MlopsTree *tree, int number, bool *seen, float *row)
{
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes) + tree->first_node;
	const MlopsNode *node = nodes;

	while (node->split != MLOPS_SPLIT_LEAF)
	{
		if (!seen[node->feature])
		{
			seen[node->feature] = true;
			row[node->feature] = propose(forest, node, draw(number, tree->first_node + (uint64) (node - nodes)));
		}
		node = nodes + node->left + !mlops_node_left(forest, node, row[node->feature]);
	}
}

static void
follow_wide(const MlopsForest *forest, const MlopsTree *tree, int number, bool *seen, double *row)
{
	const MlopsWideNode *nodes = mlops_part(forest, MlopsWideNode, forest->wide.nodes) + tree->first_node;
	const MlopsWideNode *node = nodes;

	while (node->split != MLOPS_WIDE_LEAF)
	{
		if (!seen[node->feature])
		{
			seen[node->feature] = true;
			row[node->feature] = propose_wide(forest, node, draw(number, tree->first_node + (uint64) (node - nodes)));
		}
		node = nodes + node->left + !mlops_wide_left(forest, node, row[node->feature]);
	}
}

/*
 * Make one row, see golden.h.
 */
void
mlops_forest_golden_row(const MlopsForest *forest, int number, bool *seen, void *row)
{
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	uint64		first = draw(number, UINT64CONST(1) << 63);

	/* what it meets no split by: a weight or an equation may use it */
	for (int f = 0; f < forest->num_features; f++)
	{
		uint64		chance = draw(number, (uint64) f << 32);
		double		value = mlops_forest_feature_kind(forest, f) == MLOPS_FEATURE_CATEGORICAL ? 0
			: ((double) (chance / 8 % 33) - 16) / 8;

		seen[f] = number == 0;
		if (number == 0 || chance % 8 == 0)
			value = NAN;
		if (forest->wide.used)
			((double *) row)[f] = value;
		else
			((float *) row)[f] = (float) value;
	}

	for (int t = 0; t < forest->num_trees && number > 0; t++)
	{
		const MlopsTree *tree = &trees[(first + (uint64) t) % (uint64) forest->num_trees];

		if (forest->wide.used)
			follow_wide(forest, tree, number, seen, row);
		else
			follow(forest, tree, number, seen, row);
	}
}

/*
 * The size of the scratch memory that mlops_forest_golden_check() needs.
 */
size_t
mlops_forest_golden_scratch_size(const MlopsForest *forest)
{
	return Max(mlops_forest_scratch_size(forest), mlops_forest_batch_scratch_size(forest));
}

/*
 * The value at a place of an array of float or, if the model is wide, double.
 */
static double
value_at(const MlopsForest *forest, const void *values, size_t i)
{
	return forest->wide.used ? ((const double *) values)[i] : (double) ((const float *) values)[i];
}

/*
 * Do margins have the expected bits?  What is not a number has none to keep.
 */
static bool
same_margins(const MlopsForest *forest, const void *margins, const void *expected, int num_rows,
			 MlopsGoldenDifference *difference)
{
	size_t		count = (size_t) num_rows * forest->num_groups;

	for (size_t i = 0; i < count; i++)
	{
		double		actual = value_at(forest, margins, i);
		double		wanted = value_at(forest, expected, i);

		if (memcmp(&actual, &wanted, sizeof(double)) != 0 && !(isnan(actual) && isnan(wanted)))
		{
			difference->row = (int) (i / forest->num_groups);
			difference->group = (int) (i % forest->num_groups);
			difference->actual = actual;
			difference->expected = wanted;
			return false;
		}
	}
	return true;
}

/*
 * Compare the margins of rows with those that are expected, see golden.h.
 */
bool
mlops_forest_golden_check(const MlopsForest *forest, const void *rows, int num_rows,
						  const void *expected, void *scratch, void *margins,
						  MlopsGoldenDifference *difference)
{
	size_t		size = forest->wide.used ? sizeof(double) : sizeof(float);
	size_t		row_size = size * forest->num_features;

	mlops_forest_margin_batch(forest, rows, num_rows, scratch, margins);
	if (!same_margins(forest, margins, expected, num_rows, difference))
		return false;

	for (int i = 0; i < num_rows; i++)
	{
		const void *row = (const char *) rows + row_size * i;

		if (forest->wide.used)
			mlops_forest_margin64(forest, row, scratch, margins);
		else
			mlops_forest_margin(forest, row, scratch, margins);
		if (!same_margins(forest, margins, (const char *) expected + size * forest->num_groups * i,
						  1, difference))
		{
			difference->row = i;
			return false;
		}
	}
	return true;
}
