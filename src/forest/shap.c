/*-------------------------------------------------------------------------
 *
 * shap.c
 *	  What each feature contributes to a margin: exact Shapley values.
 *
 * The game is that of TreeSHAP, path-dependent as XGBoost's pred_contribs: a
 * feature that is not known sends a row to both children of a split, to each
 * the part c that it had of the training rows (of their cover).  With the
 * features y known, 0 or 1 each, a leaf of value w counts
 *
 *		w * product over the features j of its path of r_j + y_j (o_j - r_j)
 *
 * where r_j is the product of the c of the splits on j, and o_j is 1 if the
 * row follows all of these splits, otherwise 0.  The Shapley value of j is
 * then the integral over t from 0 to 1 of
 *
 *		w * (o_j - r_j) * product over the others of r_i + t (o_i - r_i)
 *
 * a polynomial in t.  Gauss-Legendre quadrature with n points integrates it
 * without error up to degree 2n - 1: four points do for a path of eight
 * different features, and every factor is positive, so nothing cancels.  All
 * leaves share their sums as they share their paths.  With
 *
 *		f = r + t (1 - r)	of the splits above on the same feature; 1 if none
 *		b = t / f			if the row followed all of those, otherwise 0
 *		P					the product of the factors of the splits above
 *		S					the sum of the leaves below, without P
 *
 * a node on feature j that splits into left and right has, at each point,
 *
 *		P of a child = P * (c + b (o - c))
 *		A = c_left S_left + c_right S_right
 *		B = S of the child that the row goes to - A
 *		S = A + b B
 *
 * and adds the integral of (b / t)^2 r P B to the value of j.  That holds for
 * the first split on j of a path, where r is 1 and b is t, and for the others:
 * what they add is what the value changes if their leaves stop to have the
 * factor of the split above and get theirs.
 *
 * A subtree is worked on in two passes over its nodes, which stand in
 * preorder: P downwards, S upwards, four points side by side.  A path of more
 * than eight features takes more such passes, with other points.  What they
 * keep per node is bounded: a subtree of more than BLOCK nodes is divided.
 *
 * Cancellation and time: env->check is called for each tree, and for each
 * block of a large one.
 *
 * Rounding: all is computed in double.  Errors of the last digits would give a
 * feature that changes nothing a tiny contribution, and two features with equal
 * ones an order by chance, so values are rounded to decimals at the end.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>

#include "forest/forest_internal.h"
#include "forest/shap.h"
#include "forest/support.h"

/* points that are worked on side by side */
#define LANES			4

/* different features of a path that so many points are exact for */
#define LANES_FEATURES	(2 * LANES)

/* of the deepest path there can be */
#define MAX_PASSES		((MLOPS_MAX_DEPTH + LANES_FEATURES - 1) / LANES_FEATURES)

/* split nodes of a subtree that are worked on in two passes */
#define BLOCK			256

/* by how much a sum in double may differ, relative to the sum of what it adds */
#define TOLERANCE		1e-9

/* values are rounded to the decimal place where the same has so many digits */
#define DIGITS			1e12

/* a split that the row follows so far with its feature; otherwise 0 */
#define GOES_LEFT		1
#define GOES_RIGHT		2

/* both children of a node are leaves, or one of them is */
#define LEFT_LEAF		1
#define RIGHT_LEAF		2

/* a value at each of the points; loads and stores need no alignment */
#define PAIRS			(LANES / 2)

typedef double Pair __attribute__((vector_size(2 * sizeof(double)), aligned(8), may_alias));

typedef struct Lanes
{
	Pair		pair[PAIRS];
} Lanes;

/* a split, in the preorder of its tree */
typedef struct Split
{
	double		rest;			/* r of the splits above on the same feature */
	double		part;			/* c of the left child; the right one has the
								 * rest of 1 */
	float		threshold;		/* left if slot < threshold */
	uint32		slot;
	uint32		above;			/* the lowest split above on the same feature,
								 * counted from 1; or 0 */
	uint32		right;			/* the right child, unless it is a leaf */
	uint32		leaf;			/* of the first child that is a leaf */
	uint16		feature;		/* counted among those in use */
	uint8		side;			/* of the split above where this one is */
	uint8		leaves;			/* which children are leaves */
} Split;

typedef struct ShapTree
{
	uint32		first_split;
	uint32		num_splits;
	uint32		first_leaf;
	uint32		first_test;
	uint32		num_tests;
	int32		group;
	int32		passes;
} ShapTree;

struct MlopsShap
{
	size_t		size;			/* of the block */
	int32		num_features;
	int32		num_groups;
	int32		num_trees;
	int32		num_used;		/* features that splits read */
	uint32		max_splits;		/* of a tree */
	uint32		max_tests;		/* of a tree */
	double		points[LANES * MAX_PASSES * (MAX_PASSES + 1) / 2];
	double		weights[LANES * MAX_PASSES * (MAX_PASSES + 1) / 2];	/* over point^2 */
	double	   *bases;			/* per group */
	ShapTree   *trees;
	Split	   *splits;
	double	   *leaves;			/* values, in the order of their splits */
	uint32	   *tests;			/* nodes of the forest whose outcome is found
								 * before the passes: their slot is -1 or 1 */
	uint16	   *used;			/* features by their number among those in use */
};

/* the points of trees that need so many passes begin here */
#define FIRST_POINT(passes)	(LANES * (passes) * ((passes) - 1) / 2)

/* state of mlops_shap_create() while it arranges a tree */
typedef struct Arranger
{
	MlopsShap  *shap;
	const MlopsNode *nodes;		/* of the tree */
	uint32		first_node;		/* of the tree, in the forest */
	const uint16 *number;		/* per feature, among those in use */
	uint32	   *above;			/* per feature in use: the lowest split above */
	uint8	   *side;			/* and the side of it */
	Split	   *splits;			/* of the tree */
	double	   *leaves;
	uint32	   *tests;
	uint32		num_splits;
	uint32		num_leaves;
	uint32		num_tests;
	int			distinct;		/* features of the path */
	int			max_distinct;
	bool		weighted;
	float		weight;
	const MlopsForestEnv *env;
} Arranger;

/* what the passes over one tree read and write */
typedef struct Work
{
	const MlopsForestEnv *env;
	const Split *splits;
	const double *leaves;
	const float *slots;
	uint8	   *states;			/* per split, from 1 */
	Lanes	   *paths;			/* P per split of the block */
	Lanes	   *blends;			/* b */
	Lanes	   *sums;			/* S */
	Lanes	   *values;			/* per feature in use */
	Lanes		point;
	Lanes		weight;
} Work;

/*
 * The points and weights of Gauss-Legendre quadrature on 0 to 1.
 */
static void
gauss_legendre(int count, double *points, double *weights)
{
	for (int i = 0; i < count; i++)
	{
		double		x = cos(M_PI * (i + 0.75) / (count + 0.5));
		double		slope = 1;

		/* Newton's method doubles the correct digits with each step */
		for (int step = 0; step < 8; step++)
		{
			double		before = 1;
			double		value = x;

			for (int k = 2; k <= count; k++)
			{
				double		next = ((2 * k - 1) * x * value - (k - 1) * before) / k;

				before = value;
				value = next;
			}
			slope = count * (x * value - before) / (x * x - 1);
			x -= value / slope;
		}
		points[i] = (1 + x) / 2;
		weights[i] = 1 / ((1 - x * x) * slope * slope);
	}
}

/*
 * The part of a node's training rows that its left child had.  Where there
 * were none, half of a row goes to each.
 */
static double
left_part(const MlopsNode *nodes, const MlopsNode *node)
{
	double		left = (double) nodes[node->left].cover;
	double		right = (double) nodes[node->left + 1].cover;

	return left + right > 0 ? left / (left + right) : 0.5;
}

/*
 * Does a comparison with a slot of its feature find out where a row goes?  A
 * missing value that goes left is minus infinity there, less than all others.
 */
static inline bool
has_slot(const MlopsNode *node)
{
	return node->split == MLOPS_SPLIT_NUMERIC && node->u.value > -INFINITY;
}

/* the part of a child */
static inline double
part_of(const Split *split, int child)
{
	return child == 0 ? split->part : 1 - split->part;
}

/*
 * Add the subtree of a split; returns its mean.  It recurses as deep as the
 * tree is, at most MLOPS_MAX_DEPTH.
 */
static double
arrange(Arranger *a, uint32 index)
{
	const MlopsNode *node = &a->nodes[index];
	uint32		number = a->num_splits++;
	Split	   *split = &a->splits[number];
	uint16		feature = a->number[node->feature];
	uint32		above = a->above[feature];
	uint8		side = a->side[feature];
	double		mean = 0;

	if (number % BLOCK == 0 && a->env->check != NULL)
		a->env->check(a->env->arg);

	split->part = left_part(a->nodes, node);
	split->feature = feature;
	split->above = above;
	split->side = side;
	split->rest = 1;
	if (above > 0)
		split->rest = a->splits[above - 1].rest * part_of(&a->splits[above - 1], side != GOES_LEFT);
	else if (++a->distinct > a->max_distinct)
		a->max_distinct = a->distinct;

	if (has_slot(node))
	{
		split->threshold = node->u.value;
		split->slot = 2 * (uint32) feature + !node->default_left;
	}
	else
	{
		split->slot = 2 * (uint32) a->shap->num_used + a->num_tests;
		a->tests[a->num_tests++] = a->first_node + index;
	}

	split->leaf = a->num_leaves;
	for (int child = 0; child < 2; child++)
	{
		const MlopsNode *leaf = &a->nodes[node->left + child];

		if (leaf->left == 0)
		{
			split->leaves |= child == 0 ? LEFT_LEAF : RIGHT_LEAF;
			a->leaves[a->num_leaves++] = (double) mlops_leaf_value(leaf->u.value, a->weighted, a->weight);
		}
	}
	for (int child = 0, leaf = 0; child < 2; child++)
	{
		double		value;

		if (a->nodes[node->left + child].left == 0)
			value = a->leaves[split->leaf + leaf++];
		else
		{
			if (child == 1)
				split->right = a->num_splits;
			a->above[feature] = number + 1;
			a->side[feature] = child == 0 ? GOES_LEFT : GOES_RIGHT;
			value = arrange(a, node->left + child);
		}
		mean += part_of(split, child) * value;
	}

	a->above[feature] = above;
	a->side[feature] = side;
	a->distinct -= above == 0;
	return mean;
}

/*
 * Count what a forest needs; number the features that it reads.  False if its
 * covers are not what parts can be made of.
 */
static bool
measure(MlopsSupport *support, const MlopsForest *forest, MlopsShap *shap, uint16 *number,
		size_t *num_splits, size_t *num_leaves, size_t *num_tests)
{
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);

	*num_splits = *num_leaves = *num_tests = 0;
	for (int i = 0; i < forest->num_features; i++)
		number[i] = mlops_forest_feature_used(forest, i) ? (uint16) shap->num_used++ : 0;
	for (int t = 0; t < forest->num_trees; t++)
	{
		const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes) + trees[t].first_node;
		uint32		splits = 0;
		uint32		tests = 0;

		mlops_check(support);
		for (uint32 i = 0; i < trees[t].num_nodes; i++)
		{
			if (!(nodes[i].cover >= 0 && nodes[i].cover <= FLT_MAX))
				return mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, 0, NULL,
								  "tree %d has a node whose cover, the weight of its training rows, is %g",
								  t, (double) nodes[i].cover);
			splits += nodes[i].left != 0;
			tests += nodes[i].left != 0 && !has_slot(&nodes[i]);
		}
		shap->max_splits = Max(shap->max_splits, splits);
		shap->max_tests = Max(shap->max_tests, tests);
		*num_splits += splits;
		*num_leaves += splits + 1;
		*num_tests += tests;
	}
	return true;
}

/* reserve a part of the block; returns its offset */
static size_t
place(size_t *size, size_t element, size_t count)
{
	size_t		offset = *size;

	*size += TYPEALIGN(8, element * count);
	return offset;
}

/*
 * Arrange a forest for contributions.  The result is one block from
 * env->alloc, which the caller releases; NULL if there is no memory, or if the
 * model file does not say how many training rows there were in each node.
 */
MlopsShap *
mlops_shap_create(const MlopsForest *forest, const MlopsForestEnv *env, MlopsForestError *error)
{
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	const float *base_margins = mlops_part(forest, float, forest->base_margins);
	MlopsSupport support;
	MlopsShap	header = {0};
	MlopsShap  *shap = NULL;
	Arranger	arranger = {0};
	uint16	   *number;
	size_t		num_splits;
	size_t		num_leaves;
	size_t		num_tests;
	size_t		size = TYPEALIGN(8, sizeof(MlopsShap));
	size_t		bases_at;
	size_t		trees_at;
	size_t		splits_at;
	size_t		leaves_at;
	size_t		tests_at;
	size_t		used_at;

	mlops_support_init(&support, env, error);
	number = mlops_alloc(&support, forest->num_features * sizeof(uint16));
	if (number == NULL ||
		!measure(&support, forest, &header, number, &num_splits, &num_leaves, &num_tests))
		goto done;
	header.num_features = forest->num_features;
	header.num_groups = forest->num_groups;
	header.num_trees = forest->num_trees;

	bases_at = place(&size, sizeof(double), forest->num_groups);
	trees_at = place(&size, sizeof(ShapTree), forest->num_trees);
	splits_at = place(&size, sizeof(Split), num_splits);
	leaves_at = place(&size, sizeof(double), num_leaves);
	tests_at = place(&size, sizeof(uint32), num_tests);
	used_at = place(&size, sizeof(uint16), header.num_used);
	header.size = size;

	arranger.above = mlops_alloc(&support, Max(header.num_used, 1) * sizeof(uint32));
	arranger.side = mlops_alloc(&support, Max(header.num_used, 1));
	if (arranger.above == NULL || arranger.side == NULL)
		goto done;
	memset(arranger.above, 0, header.num_used * sizeof(uint32));
	memset(arranger.side, GOES_LEFT, header.num_used);

	/* the caller's own, so not on our list of working memory */
	shap = env->alloc(env->arg, size);
	if (shap == NULL)
	{
		mlops_fail(&support, MLOPS_FOREST_NO_MEMORY, 0, NULL,
				   "no memory for the contributions of %zu splits", num_splits);
		goto done;
	}
	memset(shap, 0, size);
	*shap = header;
	shap->bases = (double *) ((char *) shap + bases_at);
	shap->trees = (ShapTree *) ((char *) shap + trees_at);
	shap->splits = (Split *) ((char *) shap + splits_at);
	shap->leaves = (double *) ((char *) shap + leaves_at);
	shap->tests = (uint32 *) ((char *) shap + tests_at);
	shap->used = (uint16 *) ((char *) shap + used_at);

	for (int passes = 1; passes <= MAX_PASSES; passes++)
	{
		double	   *points = shap->points + FIRST_POINT(passes);
		double	   *weights = shap->weights + FIRST_POINT(passes);

		gauss_legendre(passes * LANES, points, weights);
		for (int i = 0; i < passes * LANES; i++)
			weights[i] /= points[i] * points[i];
	}
	for (int i = 0, k = 0; i < forest->num_features; i++)
	{
		if (mlops_forest_feature_used(forest, i) && k < shap->num_used)
			shap->used[k++] = (uint16) i;
	}
	for (int g = 0; g < forest->num_groups; g++)
		shap->bases[g] = (double) base_margins[g];

	arranger.shap = shap;
	arranger.number = number;
	arranger.weighted = forest->weighted;
	arranger.splits = shap->splits;
	arranger.leaves = shap->leaves;
	arranger.tests = shap->tests;
	arranger.env = env;
	for (int t = 0; t < forest->num_trees; t++)
	{
		ShapTree   *tree = &shap->trees[t];

		mlops_check(&support);
		tree->first_split = (uint32) (arranger.splits - shap->splits);
		tree->first_leaf = (uint32) (arranger.leaves - shap->leaves);
		tree->first_test = (uint32) (arranger.tests - shap->tests);
		tree->group = trees[t].group;
		arranger.nodes = mlops_part(forest, MlopsNode, forest->nodes) + trees[t].first_node;
		arranger.first_node = trees[t].first_node;
		arranger.weight = trees[t].weight;
		arranger.num_splits = arranger.num_leaves = arranger.num_tests = 0;
		arranger.max_distinct = 0;
		if (arranger.nodes->left == 0)
		{
			arranger.leaves[arranger.num_leaves++] =
				(double) mlops_leaf_value(arranger.nodes->u.value, arranger.weighted, arranger.weight);
			shap->bases[tree->group] += arranger.leaves[0];
		}
		else
			shap->bases[tree->group] += arrange(&arranger, 0);
		tree->num_splits = arranger.num_splits;
		tree->num_tests = arranger.num_tests;
		tree->passes = Max((arranger.max_distinct + LANES_FEATURES - 1) / LANES_FEATURES, 1);
		arranger.splits += arranger.num_splits;
		arranger.leaves += arranger.num_leaves;
		arranger.tests += arranger.num_tests;
	}

done:
	mlops_release_all(&support);
	return shap;
}

/*
 * The size of the block in bytes.
 */
size_t
mlops_shap_size(const MlopsShap *shap)
{
	return shap->size;
}

/* the parts of scratch memory */
typedef struct Scratch
{
	size_t		values;
	size_t		paths;
	size_t		blends;
	size_t		sums;
	size_t		slots;
	size_t		states;
	size_t		size;
} Scratch;

static Scratch
scratch_of(const MlopsShap *shap)
{
	Scratch		scratch = {0};
	size_t		block = Min(shap->max_splits, BLOCK);

	scratch.values = place(&scratch.size, sizeof(Lanes), shap->num_used);
	scratch.paths = place(&scratch.size, sizeof(Lanes), block);
	scratch.blends = place(&scratch.size, sizeof(Lanes), block);
	scratch.sums = place(&scratch.size, sizeof(Lanes), block);
	scratch.slots = place(&scratch.size, sizeof(float), 2 * (size_t) shap->num_used + shap->max_tests);
	scratch.states = place(&scratch.size, 1, (size_t) shap->max_splits + 1);
	return scratch;
}

/*
 * The size of the scratch memory that the contributions to a row need.
 */
size_t
mlops_shap_scratch_size(const MlopsShap *shap)
{
	return scratch_of(shap).size;
}

/*
 * Note where the row goes at a split, and find b.
 */
static inline void
go_down(const Work *work, uint32 number, Lanes *blend)
{
	const Split *split = &work->splits[number];
	bool		left = work->slots[split->slot] < split->threshold;
	bool		hot = work->states[split->above] == split->side;

	work->states[number + 1] = hot ? (left ? GOES_LEFT : GOES_RIGHT) : 0;
	if (split->above == 0)
		*blend = work->point;
	else
	{
		double		on = hot ? 1.0 : 0.0;
		double		rest = split->rest;

		for (int k = 0; k < PAIRS; k++)
			blend->pair[k] = on * work->point.pair[k] / (rest + (1 - rest) * work->point.pair[k]);
	}
}

/*
 * The path of a child.
 */
static inline void
extend_path(const Split *split, int child, bool here, const Lanes *blend, const Lanes *path, Lanes *result)
{
	double		part = part_of(split, child);
	double		change = (here ? 1.0 : 0.0) - part;

	for (int k = 0; k < PAIRS; k++)
		result->pair[k] = path->pair[k] * (part + change * blend->pair[k]);
}

/*
 * Sum up the children of a split, and add what the split gives to its feature.
 */
static inline void
go_up(const Work *work, uint32 number, const Lanes *path, const Lanes *blend,
	  const Lanes *left, const Lanes *right, Lanes *sum)
{
	const Split *split = &work->splits[number];
	const Lanes *here = work->states[number + 1] == GOES_LEFT ? left : right;
	Lanes	   *value = &work->values[split->feature];

	for (int k = 0; k < PAIRS; k++)
	{
		Pair		b = blend->pair[k];
		Pair		average = split->part * left->pair[k] + (1 - split->part) * right->pair[k];
		Pair		change = here->pair[k] - average;

		sum->pair[k] = average + b * change;
		value->pair[k] += path->pair[k] * change * (b * b) * (work->weight.pair[k] * split->rest);
	}
}

/* the sum of a leaf */
static inline void
set_leaf(Lanes *sum, double value)
{
	for (int k = 0; k < PAIRS; k++)
		sum->pair[k] = (Pair) {value, value};
}

/*
 * The same for a split whose children are leaves.
 */
static inline void
go_up_leaves(const Work *work, uint32 number, const Lanes *path, const Lanes *blend, Lanes *sum)
{
	const Split *split = &work->splits[number];
	const double *leaf = &work->leaves[split->leaf];
	Lanes	   *value = &work->values[split->feature];
	double		average = split->part * leaf[0] + (1 - split->part) * leaf[1];
	double		change = leaf[work->states[number + 1] != GOES_LEFT] - average;
	double		scaled = change * split->rest;

	for (int k = 0; k < PAIRS; k++)
	{
		Pair		b = blend->pair[k];

		sum->pair[k] = average + b * change;
		value->pair[k] += path->pair[k] * (b * b) * (work->weight.pair[k] * scaled);
	}
}

/*
 * A subtree of at most BLOCK splits.
 */
static void
work_block(const Work *work, uint32 first, uint32 end, const Lanes *path, Lanes *sum)
{
	Lanes	   *paths = work->paths;
	Lanes	   *blends = work->blends;
	Lanes	   *sums = work->sums;

	paths[0] = *path;
	for (uint32 i = first; i < end; i++)
	{
		const Split *split = &work->splits[i];
		Lanes	   *blend = &blends[i - first];
		uint8		state;

		go_down(work, i, blend);
		state = work->states[i + 1];
		if (!(split->leaves & LEFT_LEAF))
			extend_path(split, 0, state == GOES_LEFT, blend, &paths[i - first], &paths[i + 1 - first]);
		if (!(split->leaves & RIGHT_LEAF))
			extend_path(split, 1, state == GOES_RIGHT, blend, &paths[i - first], &paths[split->right - first]);
	}

	for (uint32 i = end; i-- > first;)
	{
		const Split *split = &work->splits[i];
		Lanes		leaf;

		switch (split->leaves)
		{
			case 0:
				go_up(work, i, &paths[i - first], &blends[i - first],
					  &sums[i + 1 - first], &sums[split->right - first], &sums[i - first]);
				break;
			case LEFT_LEAF:
				set_leaf(&leaf, work->leaves[split->leaf]);
				go_up(work, i, &paths[i - first], &blends[i - first],
					  &leaf, &sums[split->right - first], &sums[i - first]);
				break;
			case RIGHT_LEAF:
				set_leaf(&leaf, work->leaves[split->leaf]);
				go_up(work, i, &paths[i - first], &blends[i - first],
					  &sums[i + 1 - first], &leaf, &sums[i - first]);
				break;
			default:
				go_up_leaves(work, i, &paths[i - first], &blends[i - first], &sums[i - first]);
		}
	}
	*sum = sums[0];
}

/*
 * A subtree of any size.  It recurses as deep as the tree is, at most
 * MLOPS_MAX_DEPTH.
 */
static void
work_subtree(const Work *work, uint32 first, uint32 end, const Lanes *path, Lanes *sum)
{
	const Split *split = &work->splits[first];
	const double *leaf = &work->leaves[split->leaf];
	uint32		middle = split->leaves & RIGHT_LEAF ? end : split->right;
	uint8		state;
	Lanes		blend;
	Lanes		child;
	Lanes		left;
	Lanes		right;

	if (end - first <= BLOCK)
	{
		if (work->env->check != NULL)
			work->env->check(work->env->arg);
		work_block(work, first, end, path, sum);
		return;
	}

	go_down(work, first, &blend);
	state = work->states[first + 1];
	if (split->leaves & LEFT_LEAF)
		set_leaf(&left, *leaf++);
	else
	{
		extend_path(split, 0, state == GOES_LEFT, &blend, path, &child);
		work_subtree(work, first + 1, middle, &child, &left);
	}
	if (split->leaves & RIGHT_LEAF)
		set_leaf(&right, *leaf);
	else
	{
		extend_path(split, 1, state == GOES_RIGHT, &blend, path, &child);
		work_subtree(work, middle, end, &child, &right);
	}
	go_up(work, first, path, &blend, &left, &right, sum);
}

/*
 * Spread a row over the slots: each feature in use once with missing values
 * that go left, and once with those that go right.
 */
static void
fill_slots(const MlopsShap *shap, const float *row, float *slots)
{
	for (int i = 0; i < shap->num_used; i++)
	{
		float		value = row[shap->used[i]];

		/* a comparison with NaN is false: each picks the infinity for NaN */
		slots[2 * i] = value > -INFINITY ? value : -INFINITY;
		slots[2 * i + 1] = value < INFINITY ? value : INFINITY;
	}
}

/*
 * The value of the leaf that the row reaches, after the passes.
 */
static double
reached_leaf(const MlopsShap *shap, const ShapTree *tree, const float *slots)
{
	const Split *splits = shap->splits + tree->first_split;
	uint32		i = 0;

	if (tree->num_splits == 0)
		return shap->leaves[tree->first_leaf];
	for (;;)
	{
		const Split *split = &splits[i];
		bool		left = slots[split->slot] < split->threshold;

		if (left ? split->leaves & LEFT_LEAF : split->leaves & RIGHT_LEAF)
			return shap->leaves[tree->first_leaf + split->leaf +
								(!left && (split->leaves & LEFT_LEAF))];
		i = left ? i + 1 : split->right;
	}
}

/*
 * The contributions to a margin of a linear model: each product.  *exact gets
 * the margin in double, *mass the sum of the absolute values of its terms.
 */
static void
linear_contributions(const MlopsForest *forest, const float *row, int group,
					 double *values, double *exact, double *mass)
{
	const float *weights = mlops_part(forest, float, forest->weights);
	const float *base = mlops_part(forest, float, forest->base_margins);
	int			num_features = forest->num_features;
	double		bias = (double) weights[(size_t) num_features * forest->num_groups + group];

	/* that the first base margin serves for all groups is XGBoost's doing */
	values[num_features] = bias + (double) base[0];
	*exact = values[num_features];
	*mass = fabs(bias) + fabs((double) base[0]);
	for (int i = 0; i < num_features; i++)
	{
		values[i] = isnan(row[i]) ? 0 :
			(double) row[i] * (double) weights[(size_t) i * forest->num_groups + group] + 0.0;
		*exact += values[i];
		*mass += fabs(values[i]);
	}
}

/*
 * The same of trees.
 */
static void
tree_contributions(const MlopsShap *shap, const MlopsForest *forest, const float *row, int group,
				   void *scratch, const MlopsForestEnv *env, double *values, double *exact, double *mass)
{
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes);
	Scratch		at = scratch_of(shap);
	char	   *memory = scratch;
	float	   *slots = (float *) (memory + at.slots);
	Work		work;

	work.env = env;
	work.slots = slots;
	work.values = (Lanes *) (memory + at.values);
	work.paths = (Lanes *) (memory + at.paths);
	work.blends = (Lanes *) (memory + at.blends);
	work.sums = (Lanes *) (memory + at.sums);
	work.states = (uint8 *) (memory + at.states);
	work.states[0] = GOES_LEFT; /* what the first split on a feature has above */

	fill_slots(shap, row, slots);
	memset(work.values, 0, shap->num_used * sizeof(Lanes));
	*exact = (double) mlops_part(forest, float, forest->base_margins)[group];
	*mass = fabs(*exact);
	for (int t = 0; t < shap->num_trees; t++)
	{
		const ShapTree *tree = &shap->trees[t];
		double		leaf;

		if (tree->group != group)
			continue;
		for (uint32 i = 0; i < tree->num_tests; i++)
		{
			const MlopsNode *node = &nodes[shap->tests[tree->first_test + i]];

			slots[2 * shap->num_used + i] = mlops_node_left(forest, node, row[node->feature]) ? -1.0f : 1.0f;
		}
		work.splits = shap->splits + tree->first_split;
		work.leaves = shap->leaves + tree->first_leaf;
		for (int pass = 0; pass < tree->passes && tree->num_splits > 0; pass++)
		{
			Lanes		all;
			Lanes		sum;

			set_leaf(&all, 1.0);
			work.point = *(const Lanes *) (shap->points + FIRST_POINT(tree->passes) + pass * LANES);
			work.weight = *(const Lanes *) (shap->weights + FIRST_POINT(tree->passes) + pass * LANES);
			work_subtree(&work, 0, tree->num_splits, &all, &sum);
		}
		leaf = reached_leaf(shap, tree, slots);
		*exact += leaf;
		*mass += fabs(leaf);
	}

	memset(values, 0, shap->num_features * sizeof(double));
	for (int i = 0; i < shap->num_used; i++)
	{
		Pair		sum = {0, 0};

		for (int k = 0; k < PAIRS; k++)
			sum += work.values[i].pair[k];
		values[shap->used[i]] = sum[0] + sum[1];
	}
	values[shap->num_features] = shap->bases[group];
}

/*
 * Round to a decimal place, see DIGITS.  size is that of all values together.
 */
static void
round_values(double *values, int count, double size)
{
	double		up = 1;
	double		down = 1;

	while (size * up < DIGITS && up < 1e300)
		up *= 10;
	while (size >= DIGITS * 10 * down && down < 1e300)
		down *= 10;
	for (int i = 0; i < count; i++)
		values[i] = rint(values[i] * up / down) * down / up + 0.0;	/* no -0 */
}

/*
 * The contributions to one margin of a row, see shap.h.
 */
bool
mlops_shap_contributions(const MlopsShap *shap, const MlopsForest *forest, const float *row,
						 int group, float margin, void *scratch, const MlopsForestEnv *env,
						 double *values, MlopsForestError *error)
{
	bool		linear = forest->booster == MLOPS_BOOSTER_LINEAR;
	int			num_features = shap->num_features;
	double		exact;
	double		mass;
	double		sum = 0;
	double		size = 0;
	double		terms;

	if (linear)
		linear_contributions(forest, row, group, values, &exact, &mass);
	else
		tree_contributions(shap, forest, row, group, scratch, env, values, &exact, &mass);

	/* a linear model gives an infinite margin for an infinite value */
	if (linear && !isfinite(margin))
		return true;

	for (int i = 0; i <= num_features; i++)
	{
		sum += values[i];
		size += fabs(values[i]);
	}
	terms = linear ? num_features : shap->num_trees;
	if (fabs(sum - exact) <= TOLERANCE * (mass + size) &&
		fabs(exact - (double) margin) <= FLT_EPSILON * (terms + 2) * mass)
	{
		if (!linear)
			round_values(values, num_features + 1, mass + size);
		return true;
	}

	memset(error, 0, sizeof(*error));
	error->code = MLOPS_FOREST_INVALID;
	snprintf(error->message, sizeof(error->message),
			 "the contributions add up to %.9g, the margin is %.9g, or %.9g in double precision",
			 sum, (double) margin, exact);
	return false;
}
