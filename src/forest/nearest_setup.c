/*-------------------------------------------------------------------------
 *
 * nearest_setup.c
 *	  Prepares the search for the least change: points, cut down trees, the
 *	  margin that is wanted, and the slack.  See nearest.c for the search.
 *
 * All memory is working memory of the search.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>

#include "forest/nearest_internal.h"
#include "forest/thresholds.h"

/* memory that is zero */
static void *
alloc_zero(MlopsNearestSearch *search, size_t size)
{
	void	   *memory = mlops_alloc(&search->support, size);

	return memory == NULL ? NULL : memset(memory, 0, size);
}

/* the score that a margin becomes, of a model with one */
double
mlops_nearest_score(const MlopsNearest *nearest, double margin)
{
	float		narrow = (float) margin;

	if (nearest->score != NULL)
		return nearest->score(nearest->score_arg, margin);
	if (nearest->forest->wide.used)
	{
		mlops_forest_transform64(nearest->forest, &margin, &margin);
		return margin;
	}
	mlops_forest_transform(nearest->forest, &narrow, &narrow);
	return narrow;
}

/* number k, counted from zero, of the finite margins of a forest in their order */
static double
nth_margin(const MlopsForest *forest, int64 k)
{
	uint64		bits = (uint64) (k < 0 ? -k : k);
	uint32		narrow_bits = (uint32) bits;
	double		margin;
	float		narrow;

	memcpy(&margin, &bits, sizeof(margin));
	memcpy(&narrow, &narrow_bits, sizeof(narrow));
	if (!forest->wide.used)
		margin = narrow;
	return k < 0 ? -margin : margin;
}

/*
 * The least margin whose score is at least the threshold; infinite if all or
 * none are.  Scores do not fall as margins rise.
 */
static double
find_goal(const MlopsNearest *nearest)
{
	const MlopsForest *forest = nearest->forest;
	int64		infinity = forest->wide.used ? INT64CONST(0x7FF0000000000000) : 0x7F800000;
	int64		low = -infinity;
	int64		high = infinity;

	while (low < high)
	{
		int64		middle = low + (int64) (((uint64) high - (uint64) low) / 2);

		if (mlops_nearest_score(nearest, nth_margin(forest, middle)) >= nearest->threshold)
			high = middle;
		else
			low = middle + 1;
	}
	return nth_margin(forest, low);
}

/* the value of a feature in the row */
static inline double
get_value(const MlopsNearestSearch *search, int feature)
{
	return search->forest->wide.used ? ((const double *) search->nearest->row)[feature] :
		(double) ((const float *) search->nearest->row)[feature];
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* the number of points below a value */
static uint32
points_below(const MlopsNearestFeature *feature, double value)
{
	uint32		low = 0;
	uint32		high = feature->num_points;

	while (low < high)
	{
		uint32		middle = low + (high - low) / 2;

		if (feature->points[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* the number of points up to a value */
static uint32
points_up_to(const MlopsNearestFeature *feature, double value)
{
	uint32		count = points_below(feature, value);

	return count + (count < feature->num_points && feature->points[count] == value);
}

/*
 * Lay out the points of an option.
 */
static bool
init_feature(MlopsNearestSearch *search, MlopsNearestFeature *feature, const MlopsOption *option)
{
	double		present = get_value(search, option->feature);
	uint32		count = 0;

	feature->option = option;
	feature->present_value = present;
	feature->points = mlops_alloc(&search->support, ((size_t) option->num_choices + 1) * sizeof(double));
	feature->choice_points = mlops_alloc(&search->support, ((size_t) option->num_choices + 1) * sizeof(int32));
	if (feature->points == NULL || feature->choice_points == NULL)
		return false;

	feature->can_miss = isnan(present);
	if (!isnan(present))
		feature->points[feature->num_points++] = present;
	for (int i = 0; i < option->num_choices; i++)
	{
		if (isnan(option->choices[i].value))
			feature->can_miss = true;
		else
			feature->points[feature->num_points++] = option->choices[i].value;
	}
	qsort(feature->points, feature->num_points, sizeof(double), compare_doubles);
	for (uint32 i = 0; i < feature->num_points; i++)
	{
		if (i == 0 || feature->points[i] != feature->points[count - 1])
			feature->points[count++] = feature->points[i];
	}
	feature->num_points = count;
	for (int i = 0; i < option->num_choices; i++)
		feature->choice_points[i] = isnan(option->choices[i].value) ? -1 :
			(int32) points_up_to(feature, option->choices[i].value) - 1;
	feature->present = isnan(present) ? -1 : (int32) points_up_to(feature, present) - 1;
	feature->point = feature->present;
	search->max_points = Max(search->max_points, count);
	return true;
}

/*
 * Add a node of the forest, with what is below it, to the cut down trees;
 * *place gets where it is.  Splits that the row decides are left out, as are
 * those that no point of theirs can divide.  options has the option of each
 * feature, or -1.  What waits to be added is kept in pending, since a tree can
 * be deep.
 */
static bool
add_tree(MlopsNearestSearch *search, const MlopsTree *tree, const int32 *options, MlopsVector *pending,
		 uint32 *place)
{
	const MlopsForest *forest = search->forest;
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes) + tree->first_node;
	const MlopsWideNode *wide = mlops_part(forest, MlopsWideNode, forest->wide.nodes) + tree->first_node;
	uint32	   *entry;

	*place = (uint32) search->nodes.count;
	if (!mlops_vector_reserve(&search->support, &search->nodes, sizeof(MlopsNearestNode), 1) ||
		!mlops_vector_reserve(&search->support, pending, 2 * sizeof(uint32), 1))
		return false;
	search->nodes.count++;
	entry = pending->data;
	entry[0] = 0;
	entry[1] = *place;
	pending->count = 1;

	while (pending->count > 0)
	{
		MlopsNearestNode node = {0};
		uint32		at;
		uint32		i;

		pending->count--;
		entry = (uint32 *) pending->data + 2 * pending->count;
		i = entry[0];
		at = entry[1];

		for (;;)
		{
			bool		leaf = forest->wide.used ? wide[i].split == MLOPS_WIDE_LEAF : nodes[i].left == 0;
			int			number = forest->wide.used ? wide[i].feature : nodes[i].feature;
			uint32		left = (uint32) (forest->wide.used ? wide[i].left : nodes[i].left);
			MlopsNearestFeature *feature;

			if (leaf)
			{
				node.way = MLOPS_WAY_LEAF;
				node.value = forest->wide.used ? wide[i].value :
					(double) mlops_leaf_value(nodes[i].u.value, forest->weighted, tree->weight);
				break;
			}
			if (options[number] < 0)
			{
				i = left + !mlops_split_left(forest, tree->first_node + i, get_value(search, number));
				continue;
			}

			feature = &search->features[options[number]];
			node.option = (uint32) options[number];
			node.default_left = mlops_split_left(forest, tree->first_node + i, NAN);
			if (forest->wide.used ? wide[i].split == MLOPS_WIDE_NUMERIC && wide[i].missing != MLOPS_MISSING_ZERO :
				nodes[i].split == MLOPS_SPLIT_NUMERIC)
			{
				node.way = MLOPS_WAY_POINTS;
				node.points = forest->wide.used ? points_up_to(feature, wide[i].value) :
					points_below(feature, nodes[i].u.value);
				if ((node.points == 0 && !(feature->can_miss && node.default_left)) ||
					(node.points == feature->num_points && !(feature->can_miss && !node.default_left)))
				{
					i = left + (node.points == 0);
					continue;
				}
			}
			else
			{
				node.way = MLOPS_WAY_ASK;
				node.points = tree->first_node + i;
			}

			if (!mlops_vector_reserve(&search->support, &search->nodes, sizeof(MlopsNearestNode), 2) ||
				!mlops_vector_reserve(&search->support, pending, 2 * sizeof(uint32), 2))
				return false;
			node.left = (uint32) search->nodes.count++;
			node.right = (uint32) search->nodes.count++;
			entry = (uint32 *) pending->data + 2 * pending->count;
			entry[0] = left + 1;
			entry[1] = node.right;
			entry[2] = left;
			entry[3] = node.left;
			pending->count += 2;
			break;
		}
		((MlopsNearestNode *) search->nodes.data)[at] = node;
	}
	return true;
}

/* what a cut down tree gives with all features where they are */
double
mlops_nearest_leaf(const MlopsNearestSearch *search, uint32 root)
{
	const MlopsNearestNode *nodes = search->nodes.data;
	const MlopsNearestNode *node = nodes + root;

	while (node->way != MLOPS_WAY_LEAF)
	{
		const MlopsNearestFeature *feature = &search->features[node->option];
		bool		left;

		if (feature->point < 0)
			left = node->default_left;
		else if (node->way == MLOPS_WAY_POINTS)
			left = (uint32) feature->point < node->points;
		else
			left = mlops_split_left(search->forest, node->points, feature->points[feature->point]);
		node = nodes + (left ? node->left : node->right);
	}
	return node->value;
}

/*
 * Cut down the trees, and list those that each option occurs in.
 */
static bool
init_trees(MlopsNearestSearch *search)
{
	const MlopsForest *forest = search->forest;
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	const float *base = mlops_part(forest, float, forest->base_margins);
	MlopsSupport *support = &search->support;
	int			num_options = search->nearest->num_options;
	int32	   *options = mlops_alloc(support, ((size_t) forest->num_features + 1) * sizeof(int32));
	uint32	   *seen = alloc_zero(search, ((size_t) num_options + 1) * sizeof(uint32));
	MlopsVector pending = {0};
	double		size = 0;		/* of the margins, at most */
	double		total = 0;		/* of all that is added */

	search->trees = alloc_zero(search, ((size_t) forest->num_trees + 1) * sizeof(MlopsNearestTree));
	if (options == NULL || seen == NULL || search->trees == NULL)
		return false;
	for (int i = 0; i < forest->num_features; i++)
		options[i] = -1;
	for (int i = 0; i < num_options; i++)
		options[search->nearest->options[i].feature] = i;
	for (int g = 0; g < search->num_groups; g++)
	{
		search->fixed[g] = forest->wide.used ? 0.0 : base[g];
		size += fabs(search->fixed[g]);
	}

	for (int t = 0; t < forest->num_trees; t++)
	{
		MlopsNearestTree *tree = &search->trees[search->num_trees];
		size_t		first = search->nodes.count;
		double		largest = 0;
		const MlopsNearestNode *nodes;

		mlops_check(support);
		if (!add_tree(search, &trees[t], options, &pending, &tree->root))
			return false;
		nodes = search->nodes.data;
		for (size_t i = first; i < search->nodes.count; i++)
		{
			if (nodes[i].way == MLOPS_WAY_LEAF)
			{
				largest = Max(largest, fabs(nodes[i].value));
				total += fabs(nodes[i].value);
			}
			else if (seen[nodes[i].option] != (uint32) t + 1)
			{
				seen[nodes[i].option] = (uint32) t + 1;
				search->features[nodes[i].option].num_trees++;
			}
		}
		size += largest;
		tree->group = trees[t].group;
		tree->present = mlops_nearest_leaf(search, tree->root);
		search->fixed[tree->group] += tree->present;
		if (search->nodes.count == first + 1)
			search->nodes.count = first;
		else
			search->num_trees++;
	}

	for (int i = 0; i < num_options; i++)
	{
		MlopsNearestFeature *feature = &search->features[i];

		feature->trees = mlops_alloc(support, ((size_t) feature->num_trees + 1) * sizeof(uint32));
		if (feature->trees == NULL)
			return false;
		feature->num_trees = 0;
		seen[i] = 0;
	}
	for (uint32 t = 0; t < search->num_trees; t++)
	{
		size_t		end = t + 1 < search->num_trees ? search->trees[t + 1].root : search->nodes.count;
		const MlopsNearestNode *nodes = search->nodes.data;

		for (size_t i = search->trees[t].root; i < end; i++)
		{
			MlopsNearestFeature *feature = &search->features[nodes[i].option];

			if (nodes[i].way != MLOPS_WAY_LEAF && seen[nodes[i].option] != t + 1)
			{
				seen[nodes[i].option] = t + 1;
				feature->trees[feature->num_trees++] = t;
			}
		}
	}

	/*
	 * The slack.  The sum of n numbers, in any order, is off by at most n / (1 -
	 * n * e) times e, half the precision, times the sum of their absolute
	 * values.  The engine adds one leaf of each tree; here each leaf is added
	 * and taken away at most twice.
	 */
	{
		double		own = (4.0 * search->nodes.count + 4.0 * forest->num_trees + 8) * DBL_EPSILON / 2;
		double		theirs = (forest->num_trees + 4.0) * (forest->wide.used ? DBL_EPSILON : FLT_EPSILON) / 2;

		search->slack = 1.2 * (4 * own * (total + size) + theirs * size);
		if (theirs > 0.1 || size > FLT_MAX / 4)
			search->slack = INFINITY;
	}
	return true;
}

/*
 * Set everything up.
 */
bool
mlops_nearest_setup(MlopsNearestSearch *search)
{
	MlopsNearest *nearest = search->nearest;
	MlopsSupport *support = &search->support;

	search->num_groups = search->forest->num_groups;
	search->features = alloc_zero(search, ((size_t) nearest->num_options + 1) * sizeof(MlopsNearestFeature));
	search->fixed = mlops_alloc(support, search->num_groups * sizeof(double));
	search->signs = mlops_alloc(support, search->num_groups * sizeof(double));
	search->sums = mlops_alloc(support, search->num_groups * sizeof(double));
	search->scratch = mlops_alloc(support, mlops_forest_scratch_size(search->forest));
	if (search->features == NULL || search->fixed == NULL || search->signs == NULL ||
		search->sums == NULL || search->scratch == NULL)
		return false;
	for (int i = 0; i < nearest->num_options; i++)
	{
		if (!init_feature(search, &search->features[i], &nearest->options[i]))
			return false;
	}
	search->margins = mlops_alloc(support, (size_t) search->num_groups *
								  (search->max_points + 2) * sizeof(double));
	if (search->margins == NULL || !init_trees(search))
		return false;

	for (int g = 0; g < search->num_groups; g++)
		search->signs[g] = nearest->class >= 0 ? (g == nearest->class ? 1 : -1) : (nearest->up ? 1 : -1);
	if (nearest->class < 0)
	{
		search->goal = find_goal(nearest);

		/* exp() of the C library may be off by its last bit, either way */
		if (isfinite(search->goal))
			search->slack += search->forest->wide.used ? 1e-13 + fabs(search->goal) * 4 * DBL_EPSILON :
				1e-6 + fabs(search->goal) * 4 * FLT_EPSILON;
	}
	return true;
}
