/*-------------------------------------------------------------------------
 *
 * nearest.c
 *	  The least change of a row that takes its score across a threshold.
 *
 * Least is: of the fewest features, then of the least sum of costs, then of
 * the first features, then of the first choices.  The search is exact: it
 * leaves out only what cannot be better, or cannot get there.
 *
 * - The trees are cut down to the splits on features that may change; the row
 *   decides the others.  Values of a feature are its points: those of all
 *   choices and the present one, in order; a split sends the first so many to
 *   the left.
 * - Sets of features are tried by their size.  For a set, and for each choice
 *   of its first features, a bound is computed: the sum of what each tree can
 *   give at best while the other features of the set are free.
 * - The last feature of a set is not tried value by value: one walk down each
 *   tree gives the margins for all its points at once.
 *
 * These margins and bounds are sums in double, and in another order than the
 * engine's.  The slack is a bound of the difference; what is within it is left
 * to the engine, which also confirms each row before it counts as found.
 *
 * Each such walk over the trees, each bound and each row that is scored is an
 * evaluation.  The budget is of those, and not of time, so that the same
 * question has the same answer.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>

#include "forest/forest_internal.h"
#include "forest/nearest.h"
#include "forest/support.h"
#include "forest/thresholds.h"

/* trees between two chances to cancel */
#define TREES_PER_CHECK		256

/* how a node of a cut down tree divides the points of its feature */
typedef enum Way
{
	WAY_LEAF,
	WAY_POINTS,					/* the first points go left */
	WAY_ASK						/* the forest's node decides for each */
} Way;

typedef struct Node
{
	double		value;			/* of a leaf */
	uint32		option;
	uint32		points;			/* that go left; or the forest's node */
	uint32		left;
	uint32		right;
	uint8		way;
	bool		default_left;	/* where a missing value goes */
} Node;

typedef struct Tree
{
	uint32		root;
	int32		group;
	double		present;		/* what it gives for the row as it is */
	uint32		stamp;			/* of the last evaluation that met it */
} Tree;

/* an option while it is searched */
typedef struct Feature
{
	const MlopsOption *option;
	double	   *points;			/* ascending */
	uint32		num_points;
	int32	   *choice_points;	/* by choice: its point, -1 for missing */
	uint32	   *trees;			/* that it occurs in */
	uint32		num_trees;
	double		present_value;
	int32		present;		/* point of the row, -1 if missing */
	bool		can_miss;		/* the row's value, or one of the choices */
	bool		free;			/* can be anything, else it is at: */
	int32		point;			/* where it is now, -1 if missing */
	uint32		low;			/* within a bound: the points that can come */
	uint32		high;			/* to a node, from low to before high */
} Feature;

typedef struct Search
{
	MlopsNearest *nearest;
	const MlopsForest *forest;
	MlopsSupport support;
	Feature    *features;
	MlopsVector nodes;			/* Node */
	Tree	   *trees;			/* those that an option occurs in */
	uint32		num_trees;
	uint32		stamp;
	int			num_groups;
	double	   *fixed;			/* by group: margin of the row as it is */
	double	   *signs;			/* by group: is a greater margin wanted, 1 or -1 */
	double	   *sums;			/* by group: working space */
	double	   *margins;		/* by group and point: working space */
	uint32		max_points;
	double		slack;
	double		goal;			/* the margin that is wanted, of one group */
	void	   *scratch;
	bool		found;
	bool		exhausted;		/* the budget is at its end */
	int			chosen[MLOPS_MAX_CHANGES];	/* set of features being tried */
	int			taken[MLOPS_MAX_CHANGES];	/* and choices */
} Search;

/* memory that is zero */
static void *
alloc_zero(Search *search, size_t size)
{
	void	   *memory = mlops_alloc(&search->support, size);

	return memory == NULL ? NULL : memset(memory, 0, size);
}

/*
 * Can this forest be searched?  A linear model, and a tree whose leaves are
 * linear, have no finite number of values.
 */
bool
mlops_nearest_possible(const MlopsForest *forest)
{
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);

	if (forest->booster == MLOPS_BOOSTER_LINEAR)
		return false;
	for (int t = 0; forest->wide.used && t < forest->num_trees; t++)
	{
		if (!trees[t].walked)
			return false;
	}
	return true;
}

/*
 * Is the row where it is wanted, by the engine's own score?
 */
bool
mlops_nearest_reached(const MlopsNearest *nearest, void *scratch)
{
	const MlopsForest *forest = nearest->forest;
	double		wide[MLOPS_MAX_GROUPS];
	float		narrow[MLOPS_MAX_GROUPS];
	double		score;

	if (forest->wide.used)
		mlops_forest_margin64(forest, nearest->row, scratch, wide);
	else
	{
		mlops_forest_margin(forest, nearest->row, scratch, narrow);
		for (int g = 0; g < forest->num_groups; g++)
			wide[g] = narrow[g];
	}
	if (nearest->class >= 0)
	{
		int			best = 0;

		for (int g = 1; g < forest->num_groups; g++)
		{
			if (wide[g] > wide[best])
				best = g;
		}
		return best == nearest->class;
	}
	if (forest->wide.used)
	{
		mlops_forest_transform64(forest, wide, wide);
		score = wide[0];
	}
	else
	{
		mlops_forest_transform(forest, narrow, narrow);
		score = narrow[0];
	}
	return nearest->up ? score >= nearest->threshold : score < nearest->threshold;
}

/* the output that a margin becomes, of a model with one */
static double
output_of(const MlopsForest *forest, double margin)
{
	float		narrow = (float) margin;

	if (forest->wide.used)
	{
		mlops_forest_transform64(forest, &margin, &margin);
		return margin;
	}
	mlops_forest_transform(forest, &narrow, &narrow);
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
 * The least margin whose output is at least the threshold; infinite if all or
 * none are.  Outputs do not fall as margins rise.
 */
static double
find_goal(const MlopsForest *forest, double threshold)
{
	int64		infinity = forest->wide.used ? INT64CONST(0x7FF0000000000000) : 0x7F800000;
	int64		low = -infinity;
	int64		high = infinity;

	while (low < high)
	{
		int64		middle = low + (int64) (((uint64) high - (uint64) low) / 2);

		if (output_of(forest, nth_margin(forest, middle)) >= threshold)
			high = middle;
		else
			low = middle + 1;
	}
	return nth_margin(forest, low);
}

/* the value of a feature in the row, and setting it */
static inline double
get_value(const Search *search, int feature)
{
	return search->forest->wide.used ? ((const double *) search->nearest->row)[feature] :
		(double) ((const float *) search->nearest->row)[feature];
}

static inline void
set_value(Search *search, int feature, double value)
{
	if (search->forest->wide.used)
		((double *) search->nearest->row)[feature] = value;
	else
		((float *) search->nearest->row)[feature] = (float) value;
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
points_below(const Feature *feature, double value)
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
points_up_to(const Feature *feature, double value)
{
	uint32		count = points_below(feature, value);

	return count + (count < feature->num_points && feature->points[count] == value);
}

/*
 * Lay out the points of an option.
 */
static bool
init_feature(Search *search, Feature *feature, const MlopsOption *option)
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
add_tree(Search *search, const MlopsTree *tree, const int32 *options, MlopsVector *pending,
		 uint32 *place)
{
	const MlopsForest *forest = search->forest;
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes) + tree->first_node;
	const MlopsWideNode *wide = mlops_part(forest, MlopsWideNode, forest->wide.nodes) + tree->first_node;
	uint32	   *entry;

	*place = (uint32) search->nodes.count;
	if (!mlops_vector_reserve(&search->support, &search->nodes, sizeof(Node), 1) ||
		!mlops_vector_reserve(&search->support, pending, 2 * sizeof(uint32), 1))
		return false;
	search->nodes.count++;
	entry = pending->data;
	entry[0] = 0;
	entry[1] = *place;
	pending->count = 1;

	while (pending->count > 0)
	{
		Node		node = {0};
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
			Feature    *feature;

			if (leaf)
			{
				node.way = WAY_LEAF;
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
				node.way = WAY_POINTS;
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
				node.way = WAY_ASK;
				node.points = tree->first_node + i;
			}

			if (!mlops_vector_reserve(&search->support, &search->nodes, sizeof(Node), 2) ||
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
		((Node *) search->nodes.data)[at] = node;
	}
	return true;
}

/* what a cut down tree gives with all features where they are */
static double
leaf_value(const Search *search, uint32 root)
{
	const Node *nodes = search->nodes.data;
	const Node *node = nodes + root;

	while (node->way != WAY_LEAF)
	{
		const Feature *feature = &search->features[node->option];
		bool		left;

		if (feature->point < 0)
			left = node->default_left;
		else if (node->way == WAY_POINTS)
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
init_trees(Search *search)
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

	search->trees = alloc_zero(search, ((size_t) forest->num_trees + 1) * sizeof(Tree));
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
		Tree	   *tree = &search->trees[search->num_trees];
		size_t		first = search->nodes.count;
		double		largest = 0;
		const Node *nodes;

		mlops_check(support);
		if (!add_tree(search, &trees[t], options, &pending, &tree->root))
			return false;
		nodes = search->nodes.data;
		for (size_t i = first; i < search->nodes.count; i++)
		{
			if (nodes[i].way == WAY_LEAF)
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
		tree->present = leaf_value(search, tree->root);
		search->fixed[tree->group] += tree->present;
		if (search->nodes.count == first + 1)
			search->nodes.count = first;
		else
			search->num_trees++;
	}

	for (int i = 0; i < num_options; i++)
	{
		Feature    *feature = &search->features[i];

		feature->trees = mlops_alloc(support, ((size_t) feature->num_trees + 1) * sizeof(uint32));
		if (feature->trees == NULL)
			return false;
		feature->num_trees = 0;
		seen[i] = 0;
	}
	for (uint32 t = 0; t < search->num_trees; t++)
	{
		size_t		end = t + 1 < search->num_trees ? search->trees[t + 1].root : search->nodes.count;
		const Node *nodes = search->nodes.data;

		for (size_t i = search->trees[t].root; i < end; i++)
		{
			Feature    *feature = &search->features[nodes[i].option];

			if (nodes[i].way != WAY_LEAF && seen[nodes[i].option] != t + 1)
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
static bool
init_search(Search *search)
{
	MlopsNearest *nearest = search->nearest;
	MlopsSupport *support = &search->support;

	search->num_groups = search->forest->num_groups;
	search->features = alloc_zero(search, ((size_t) nearest->num_options + 1) * sizeof(Feature));
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
		search->goal = find_goal(search->forest, nearest->threshold);

		/* exp() of the C library may be off by its last bit, either way */
		if (isfinite(search->goal))
			search->slack += search->forest->wide.used ? 1e-13 + fabs(search->goal) * 4 * DBL_EPSILON :
				1e-6 + fabs(search->goal) * 4 * FLT_EPSILON;
	}
	return true;
}

/*
 * Can a row with these margins, or with the best that they stand for, be where
 * it is wanted?  The margin of group g is margins[g * stride].
 */
static bool
promising(const Search *search, const double *margins, size_t stride)
{
	int			class = search->nearest->class;

	if (class < 0)
	{
		/* not comparable: let the engine decide */
		if (isnan(margins[0]) || isinf(search->slack))
			return true;
		return search->nearest->up ? margins[0] >= search->goal - search->slack :
			margins[0] <= search->goal + search->slack;
	}
	for (int g = 0; g < search->num_groups; g++)
	{
		if (g != class && margins[class * stride] < margins[g * stride] - 2 * search->slack)
			return false;
	}
	return true;
}

/*
 * Begin an evaluation; false if the budget is at its end.
 */
static bool
begin_evaluation(Search *search)
{
	if (search->nearest->evaluations >= search->nearest->budget)
	{
		search->exhausted = true;
		return false;
	}
	search->nearest->evaluations++;
	search->stamp++;
	mlops_check(&search->support);
	return true;
}

/*
 * The most (sign 1) or the least (sign -1) that a tree can give from a node
 * on.
 */
static double
extreme(Search *search, uint32 root, double sign)
{
	const Node *nodes = search->nodes.data;
	const Node *node = nodes + root;

	while (node->way != WAY_LEAF)
	{
		Feature    *feature = &search->features[node->option];
		uint32		low = feature->low;
		uint32		high = feature->high;
		bool		left;
		bool		right;
		double		of_left;
		double		of_right;

		if (!feature->free)
		{
			if (feature->point < 0)
				left = node->default_left;
			else if (node->way == WAY_POINTS)
				left = (uint32) feature->point < node->points;
			else
				left = mlops_split_left(search->forest, node->points, feature->points[feature->point]);
			node = nodes + (left ? node->left : node->right);
			continue;
		}
		if (node->way == WAY_ASK)
			left = right = true;
		else
		{
			left = low < high && low < node->points;
			right = low < high && high > node->points;
			if (feature->can_miss)
			{
				left = left || node->default_left;
				right = right || !node->default_left;
			}
		}
		if (!left || !right)
		{
			node = nodes + (left ? node->left : node->right);
			continue;
		}

		if (node->way == WAY_POINTS)
			feature->high = Min(high, node->points);
		of_left = extreme(search, node->left, sign);
		feature->high = high;
		if (node->way == WAY_POINTS)
			feature->low = Max(low, node->points);
		of_right = extreme(search, node->right, sign);
		feature->low = low;
		return (of_left - of_right) * sign > 0 ? of_left : of_right;
	}
	return node->value;
}

/*
 * Visit each tree that one of the features being tried, or a free one, occurs
 * in, once.  In sums is the margin without these trees; what is to be done with
 * a tree is left to visit().
 */
static void
visit_trees(Search *search, const Feature *feature, int swept,
			void (*visit) (Search *search, Tree *tree, int swept))
{
	for (uint32 i = 0; i < feature->num_trees; i++)
	{
		Tree	   *tree = &search->trees[feature->trees[i]];

		if (tree->stamp == search->stamp)
			continue;
		tree->stamp = search->stamp;
		if (i % TREES_PER_CHECK == 0)
			mlops_check(&search->support);
		search->sums[tree->group] -= tree->present;
		visit(search, tree, swept);
	}
}

/* add the best that a tree can give */
static void
add_extreme(Search *search, Tree *tree, int swept)
{
	search->sums[tree->group] += extreme(search, tree->root, search->signs[tree->group]);
}

/*
 * Could the row get where it is wanted, with the first depth features of the
 * chosen at the choices taken and the rest of size chosen ones free; and with
 * those from option free_from on free, too?
 */
static bool
within_bound(Search *search, int depth, int size, int free_from)
{
	int			num_options = search->nearest->num_options;

	if (!begin_evaluation(search))
		return false;
	memcpy(search->sums, search->fixed, search->num_groups * sizeof(double));
	for (int i = depth; i < size; i++)
		search->features[search->chosen[i]].free = true;
	for (int i = free_from; i < num_options; i++)
		search->features[i].free = true;
	for (int i = 0; i < size; i++)
		visit_trees(search, &search->features[search->chosen[i]], -1, add_extreme);
	for (int i = free_from; i < num_options; i++)
		visit_trees(search, &search->features[i], -1, add_extreme);
	for (int i = depth; i < size; i++)
		search->features[search->chosen[i]].free = false;
	for (int i = free_from; i < num_options; i++)
		search->features[i].free = false;
	return promising(search, search->sums, 1);
}

/*
 * Add what a tree gives from a node on to the margins of the points from low
 * to before high of the option swept, as differences between neighbours.
 */
static void
sweep_node(Search *search, uint32 root, double *margins, int swept, uint32 low, uint32 high)
{
	const Node *nodes = search->nodes.data;
	const Node *node = nodes + root;

	while (node->way != WAY_LEAF)
	{
		const Feature *feature = &search->features[node->option];
		bool		left;

		if ((int) node->option != swept)
		{
			if (feature->point < 0)
				left = node->default_left;
			else if (node->way == WAY_POINTS)
				left = (uint32) feature->point < node->points;
			else
				left = mlops_split_left(search->forest, node->points, feature->points[feature->point]);
		}
		else if (node->way == WAY_POINTS)
		{
			if (low < node->points && node->points < high)
			{
				sweep_node(search, node->left, margins, swept, low, node->points);
				low = node->points;
			}
			left = low < node->points;
		}
		else
		{
			/* runs of points that go the same way */
			left = mlops_split_left(search->forest, node->points, feature->points[low]);
			for (uint32 i = low + 1; i < high; i++)
			{
				bool		next = mlops_split_left(search->forest, node->points, feature->points[i]);

				if (next != left)
				{
					sweep_node(search, left ? node->left : node->right, margins, swept, low, i);
					low = i;
					left = next;
				}
			}
		}
		node = nodes + (left ? node->left : node->right);
	}
	margins[low] += node->value;
	margins[high] -= node->value;
}

/* add what a tree gives to the margins of the points of the option swept */
static void
sweep_tree(Search *search, Tree *tree, int swept)
{
	Feature    *feature = &search->features[swept];
	double	   *margins = search->margins + (size_t) tree->group * (search->max_points + 2);

	if (feature->num_points > 0)
		sweep_node(search, tree->root, margins, swept, 0, feature->num_points);
	if (feature->can_miss)
	{
		int32		point = feature->point;

		feature->point = -1;
		margins[feature->num_points + 1] += leaf_value(search, tree->root);
		feature->point = point;
	}
}

/*
 * Compute the margins of all points of an option, with the other size chosen
 * features where they are.  The last place of each group is that of a missing
 * value.
 */
static bool
sweep(Search *search, int size, int swept)
{
	const Feature *feature = &search->features[swept];
	size_t		stride = (size_t) search->max_points + 2;

	if (!begin_evaluation(search))
		return false;
	memset(search->margins, 0, search->num_groups * stride * sizeof(double));
	memcpy(search->sums, search->fixed, search->num_groups * sizeof(double));
	visit_trees(search, feature, swept, sweep_tree);
	for (int i = 0; i < size; i++)
		visit_trees(search, &search->features[search->chosen[i]], swept, sweep_tree);
	for (int g = 0; g < search->num_groups; g++)
	{
		double	   *margins = search->margins + g * stride;
		double		sum = search->sums[g];

		for (uint32 i = 0; i < feature->num_points; i++)
		{
			sum += margins[i];
			margins[i] = sum;
		}
		margins[feature->num_points + 1] += search->sums[g];
	}
	return true;
}

/* where sweep() left the margins of a choice; those of groups are apart by max_points + 2 */
static inline const double *
swept_margins(const Search *search, const Feature *feature, int choice)
{
	int32		point = feature->choice_points[choice];

	return search->margins + (point < 0 ? feature->num_points + 1 : (uint32) point);
}

/* put an option at one of its choices, or back where it was (-1) */
static void
take(Search *search, int option, int choice)
{
	Feature    *feature = &search->features[option];

	feature->point = choice < 0 ? feature->present : feature->choice_points[choice];
	set_value(search, feature->option->feature,
			  choice < 0 ? feature->present_value : feature->option->choices[choice].value);
}

/*
 * Does the engine find the row, as it is now, where it is wanted?
 */
static bool
reached(Search *search)
{
	return begin_evaluation(search) && mlops_nearest_reached(search->nearest, search->scratch);
}

/*
 * The row is where it is wanted, with the size chosen features at the choices
 * taken: keep that, if it is the best so far.
 */
static void
keep(Search *search, int size)
{
	MlopsNearest *nearest = search->nearest;
	int			options[MLOPS_MAX_CHANGES];
	int			choices[MLOPS_MAX_CHANGES];
	double		cost = 0;
	bool		better;

	for (int i = 0; i < size; i++)
	{
		int			k = i;

		for (; k > 0 && options[k - 1] > search->chosen[i]; k--)
		{
			options[k] = options[k - 1];
			choices[k] = choices[k - 1];
		}
		options[k] = search->chosen[i];
		choices[k] = search->taken[i];
	}
	for (int i = 0; i < size; i++)
		cost += nearest->options[options[i]].choices[choices[i]].cost;

	better = !search->found || size < nearest->num_changes || cost < nearest->cost;
	if (search->found && size == nearest->num_changes && cost == nearest->cost)
	{
		int			i = 0;

		while (i < size - 1 && options[i] == nearest->options_taken[i])
			i++;
		better = options[i] < nearest->options_taken[i];
		if (options[i] == nearest->options_taken[i])
		{
			for (i = 0; i < size - 1 && choices[i] == nearest->choices_taken[i];)
				i++;
			better = choices[i] < nearest->choices_taken[i];
		}
	}
	if (!better)
		return;
	search->found = true;
	nearest->num_changes = size;
	nearest->cost = cost;
	memcpy(nearest->options_taken, options, size * sizeof(int));
	memcpy(nearest->choices_taken, choices, size * sizeof(int));
}

/* is a set of choices with this sum of costs certainly worse than the best? */
static bool
too_dear(const Search *search, int size, double cost)
{
	return search->found && search->nearest->num_changes == size &&
		cost > search->nearest->cost * (1 + 1e-12);
}

/*
 * Try all choices of the chosen features from the one at depth on, of size.
 * The one that is swept, with the most choices, is the last.
 */
static void
try_choices(Search *search, int depth, int size, double cost)
{
	int			option = search->chosen[depth];
	const Feature *feature = &search->features[option];
	const MlopsChoice *choices = feature->option->choices;
	double		least = 0;

	if (depth == size - 1)
	{
		if (!sweep(search, size - 1, option))
			return;
		for (int i = 0; i < feature->option->num_choices; i++)
		{
			bool		there;

			if (too_dear(search, size, cost + choices[i].cost))
				return;
			if (!promising(search, swept_margins(search, feature, i), (size_t) search->max_points + 2))
				continue;
			search->taken[depth] = i;
			take(search, option, i);
			there = reached(search);
			take(search, option, -1);
			if (there)
			{
				keep(search, size);
				return;
			}
			if (search->exhausted)
				return;
		}
		return;
	}

	for (int i = depth + 1; i < size; i++)
		least += search->features[search->chosen[i]].option->choices[0].cost;
	for (int i = 0; i < feature->option->num_choices && !search->exhausted; i++)
	{
		if (too_dear(search, size, cost + choices[i].cost + least))
			return;
		search->taken[depth] = i;
		take(search, option, i);
		if (depth == size - 2 || within_bound(search, depth + 1, size, search->nearest->num_options))
			try_choices(search, depth + 1, size, cost + choices[i].cost);
		take(search, option, -1);
	}
}

/*
 * Try all sets of features of this size which begin with the first depth of
 * the chosen ones.
 */
static void
try_sets(Search *search, int depth, int size)
{
	int			num_options = search->nearest->num_options;
	int			first = depth == 0 ? 0 : search->chosen[depth - 1] + 1;

	if (depth == size)
	{
		int			set[MLOPS_MAX_CHANGES];
		int			widest = 0;

		/* the one to sweep goes last; one of a single feature needs no bound */
		if (size > 1 && !within_bound(search, 0, size, num_options))
			return;
		memcpy(set, search->chosen, sizeof(set));
		for (int i = 1; i < size; i++)
		{
			if (search->features[set[i]].option->num_choices > search->features[set[widest]].option->num_choices)
				widest = i;
		}
		memmove(search->chosen + widest, search->chosen + widest + 1, (size - widest - 1) * sizeof(int));
		search->chosen[size - 1] = set[widest];
		try_choices(search, 0, size, 0);
		memcpy(search->chosen, set, sizeof(set));
		return;
	}
	for (int i = first; i <= num_options - (size - depth) && !search->exhausted; i++)
	{
		search->chosen[depth] = i;

		/* is there any hope for these with all that can follow? */
		if (depth < size - 1 && i + 1 < num_options && !within_bound(search, 0, depth + 1, i + 1))
			continue;
		try_sets(search, depth + 1, size);
	}
}

/*
 * Find some change that gets there, if a simple way does: take the choice that
 * comes nearest, then the next of another feature.  It need not be the least.
 */
static void
try_greedily(Search *search)
{
	MlopsNearest *nearest = search->nearest;
	size_t		stride = (size_t) search->max_points + 2;
	int			size = 0;

	while (size < nearest->max_changes && !search->found && !search->exhausted)
	{
		double		best = -INFINITY;
		int			best_option = -1;
		int			best_choice = -1;

		for (int i = 0; i < nearest->num_options; i++)
		{
			const Feature *feature = &search->features[i];
			bool		used = false;

			for (int k = 0; k < size; k++)
				used |= search->chosen[k] == i;
			if (used)
				continue;
			if (!sweep(search, size, i))
				break;
			for (int k = 0; k < feature->option->num_choices; k++)
			{
				const double *margins = swept_margins(search, feature, k);
				double		gain = INFINITY;

				if (nearest->class < 0)
					gain = margins[0] * search->signs[0];
				for (int g = 0; nearest->class >= 0 && g < search->num_groups; g++)
				{
					if (g != nearest->class)
						gain = Min(gain, margins[nearest->class * stride] - margins[g * stride]);
				}
				if (gain > best)
				{
					best = gain;
					best_option = i;
					best_choice = k;
				}
			}
		}
		if (best_option < 0 || search->exhausted)
			break;
		search->chosen[size] = best_option;
		search->taken[size] = best_choice;
		take(search, best_option, best_choice);
		size++;
		if (reached(search))
			keep(search, size);
	}
	while (size > 0)
		take(search, search->chosen[--size], -1);
}

/*
 * The search proper.
 */
static void
search_all(Search *search)
{
	MlopsNearest *nearest = search->nearest;
	int			largest = Min(nearest->max_changes, nearest->num_options);

	if (largest == 0 || (!within_bound(search, 0, 0, 0) && !search->exhausted))
		return;
	try_greedily(search);
	for (int size = 1; size <= largest && !search->exhausted; size++)
	{
		if (search->found && nearest->num_changes < size)
			break;
		try_sets(search, 0, size);
	}
}

/*
 * Find the least change.  Memory comes from the host and goes back to it.
 * False if there is none; then error says so.
 */
bool
mlops_nearest_find(MlopsNearest *nearest, const MlopsForestEnv *env, MlopsForestError *error)
{
	Search		search = {0};
	bool		good;

	search.nearest = nearest;
	search.forest = nearest->forest;
	mlops_support_init(&search.support, env, error);
	nearest->num_changes = 0;
	nearest->cost = 0;
	nearest->evaluations = 0;
	good = init_search(&search);
	if (good)
	{
		for (int i = 0; i < nearest->num_options; i++)
			search.features[i].high = search.features[i].num_points;
		search_all(&search);
		nearest->result = search.found ? MLOPS_NEAREST_FOUND :
			search.exhausted ? MLOPS_NEAREST_UNKNOWN : MLOPS_NEAREST_NONE;
		nearest->proven = !search.exhausted;
	}
	mlops_release_all(&search.support);
	return good;
}
