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
#include <math.h>

#include "forest/nearest_internal.h"
#include "forest/thresholds.h"

/* trees between two chances to cancel */
#define TREES_PER_CHECK		256

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
	score = mlops_nearest_score(nearest, wide[0]);
	return nearest->up ? score >= nearest->threshold : score < nearest->threshold;
}

/* set the value of a feature in the row */
static inline void
set_value(MlopsNearestSearch *search, int feature, double value)
{
	if (search->forest->wide.used)
		((double *) search->nearest->row)[feature] = value;
	else
		((float *) search->nearest->row)[feature] = (float) value;
}

/*
 * Can a row with these margins, or with the best that they stand for, be where
 * it is wanted?  The margin of group g is margins[g * stride].
 */
static bool
promising(const MlopsNearestSearch *search, const double *margins, size_t stride)
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
begin_evaluation(MlopsNearestSearch *search)
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
extreme(MlopsNearestSearch *search, uint32 root, double sign)
{
	const MlopsNearestNode *nodes = search->nodes.data;
	const MlopsNearestNode *node = nodes + root;

	while (node->way != MLOPS_WAY_LEAF)
	{
		MlopsNearestFeature *feature = &search->features[node->option];
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
			else if (node->way == MLOPS_WAY_POINTS)
				left = (uint32) feature->point < node->points;
			else
				left = mlops_split_left(search->forest, node->points, feature->points[feature->point]);
			node = nodes + (left ? node->left : node->right);
			continue;
		}
		if (node->way == MLOPS_WAY_ASK)
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

		if (node->way == MLOPS_WAY_POINTS)
			feature->high = Min(high, node->points);
		of_left = extreme(search, node->left, sign);
		feature->high = high;
		if (node->way == MLOPS_WAY_POINTS)
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
visit_trees(MlopsNearestSearch *search, const MlopsNearestFeature *feature, int swept,
			void (*visit) (MlopsNearestSearch *search, MlopsNearestTree *tree, int swept))
{
	for (uint32 i = 0; i < feature->num_trees; i++)
	{
		MlopsNearestTree *tree = &search->trees[feature->trees[i]];

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
add_extreme(MlopsNearestSearch *search, MlopsNearestTree *tree, int swept)
{
	search->sums[tree->group] += extreme(search, tree->root, search->signs[tree->group]);
}

/*
 * Could the row get where it is wanted, with the first depth features of the
 * chosen at the choices taken and the rest of size chosen ones free; and with
 * those from option free_from on free, too?
 */
static bool
within_bound(MlopsNearestSearch *search, int depth, int size, int free_from)
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
sweep_node(MlopsNearestSearch *search, uint32 root, double *margins, int swept, uint32 low, uint32 high)
{
	const MlopsNearestNode *nodes = search->nodes.data;
	const MlopsNearestNode *node = nodes + root;

	while (node->way != MLOPS_WAY_LEAF)
	{
		const MlopsNearestFeature *feature = &search->features[node->option];
		bool		left;

		if ((int) node->option != swept)
		{
			if (feature->point < 0)
				left = node->default_left;
			else if (node->way == MLOPS_WAY_POINTS)
				left = (uint32) feature->point < node->points;
			else
				left = mlops_split_left(search->forest, node->points, feature->points[feature->point]);
		}
		else if (node->way == MLOPS_WAY_POINTS)
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
sweep_tree(MlopsNearestSearch *search, MlopsNearestTree *tree, int swept)
{
	MlopsNearestFeature *feature = &search->features[swept];
	double	   *margins = search->margins + (size_t) tree->group * (search->max_points + 2);

	if (feature->num_points > 0)
		sweep_node(search, tree->root, margins, swept, 0, feature->num_points);
	if (feature->can_miss)
	{
		int32		point = feature->point;

		feature->point = -1;
		margins[feature->num_points + 1] += mlops_nearest_leaf(search, tree->root);
		feature->point = point;
	}
}

/*
 * Compute the margins of all points of an option, with the other size chosen
 * features where they are.  The last place of each group is that of a missing
 * value.
 */
static bool
sweep(MlopsNearestSearch *search, int size, int swept)
{
	const MlopsNearestFeature *feature = &search->features[swept];
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
swept_margins(const MlopsNearestSearch *search, const MlopsNearestFeature *feature, int choice)
{
	int32		point = feature->choice_points[choice];

	return search->margins + (point < 0 ? feature->num_points + 1 : (uint32) point);
}

/* put an option at one of its choices, or back where it was (-1) */
static void
take(MlopsNearestSearch *search, int option, int choice)
{
	MlopsNearestFeature *feature = &search->features[option];

	feature->point = choice < 0 ? feature->present : feature->choice_points[choice];
	set_value(search, feature->option->feature,
			  choice < 0 ? feature->present_value : feature->option->choices[choice].value);
}

/*
 * Does the engine find the row, as it is now, where it is wanted?
 */
static bool
reached(MlopsNearestSearch *search)
{
	return begin_evaluation(search) && mlops_nearest_reached(search->nearest, search->scratch);
}

/*
 * The row is where it is wanted, with the size chosen features at the choices
 * taken: keep that, if it is the best so far.
 */
static void
keep(MlopsNearestSearch *search, int size)
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
too_dear(const MlopsNearestSearch *search, int size, double cost)
{
	return search->found && search->nearest->num_changes == size &&
		cost > search->nearest->cost * (1 + 1e-12);
}

/*
 * Try all choices of the chosen features from the one at depth on, of size.
 * The one that is swept, with the most choices, is the last.
 */
static void
try_choices(MlopsNearestSearch *search, int depth, int size, double cost)
{
	int			option = search->chosen[depth];
	const MlopsNearestFeature *feature = &search->features[option];
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
try_sets(MlopsNearestSearch *search, int depth, int size)
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
try_greedily(MlopsNearestSearch *search)
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
			const MlopsNearestFeature *feature = &search->features[i];
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
search_all(MlopsNearestSearch *search)
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
	MlopsNearestSearch search = {0};
	bool		good;

	search.nearest = nearest;
	search.forest = nearest->forest;
	mlops_support_init(&search.support, env, error);
	nearest->num_changes = 0;
	nearest->cost = 0;
	nearest->evaluations = 0;
	good = mlops_nearest_setup(&search);
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
