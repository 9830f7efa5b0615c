/*-------------------------------------------------------------------------
 *
 * shap_create.c
 *	  Arranges a forest for contributions; see shap.c for what is done with it.
 *
 * Forests of both libraries become the same arrangement, but for how a row is
 * compared with a threshold.  What training rows there were in a node is its
 * cover in XGBoost's files, the sum of their hessians, and their count in
 * LightGBM's.  Only the two children of a split are compared with each other:
 * what their parent has does not matter, and a file in which the children do
 * not add up to it still describes a game whose values add up to the margin.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>

#include "forest/shap_internal.h"
#include "forest/support.h"

/* different features of a path that the points of one pass are exact for */
#define FEATURES_PER_PASS	(2 * MLOPS_SHAP_LANES)

/* as many passes have points of their own; more are rounded up */
#define EXACT_PASSES		16

/* leaves of greater trees, added up, might not be a number any more */
#define MAX_LEAF_SUM		1e290

/* a split on the way to the one that is being arranged */
typedef struct Frame
{
	uint32		node;
	uint32		split;
	uint32		above;			/* what was above on its feature */
	uint8		side;
	uint8		next;			/* child to be arranged next */
	uint8		leaf;			/* children seen that are leaves */
	double		mean;			/* of the children that were arranged */
} Frame;

/* state of mlops_shap_create() while it arranges a tree */
typedef struct Arranger
{
	MlopsShap  *shap;
	const MlopsForest *forest;
	const MlopsNode *nodes;		/* of the tree; or */
	const MlopsWideNode *wide_nodes;	/* those of a wide one */
	uint32		first_node;		/* of the tree, in the forest */
	const uint16 *number;		/* per feature, among those in use */
	const uint32 *slots;		/* of a wide forest, per rule and feature */
	uint32	   *above;			/* per feature in use: the lowest split above */
	uint8	   *side;			/* and the side of it */
	Frame	   *frames;			/* room for a path */
	MlopsShapSplit *splits;		/* of the tree */
	uint64	   *keys;
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

/* what measure() finds out */
typedef struct Sizes
{
	size_t		splits;
	size_t		leaves;
	size_t		tests;
	int			depth;
} Sizes;

/*
 * The points and weights of Gauss-Legendre quadrature on 0 to 1, the weights
 * over the squares of the points.
 */
static void
gauss_legendre(MlopsSupport *support, int count, double *points, double *weights)
{
	for (int i = 0; i < count; i++)
	{
		double		x = cos(M_PI * (i + 0.75) / (count + 0.5));
		double		slope = 1;

		mlops_check(support);
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
		weights[i] = 1 / ((1 - x * x) * slope * slope) / (points[i] * points[i]);
	}
}

/*
 * A number of passes that there are points for, at least this one: of the
 * numbers between two powers of two, eight.  A path of thousands of features,
 * which only a wide forest can have, so takes an eighth more passes at most.
 */
static int
round_passes(int passes)
{
	int			step = 1;

	while (passes > EXACT_PASSES * step)
		step *= 2;
	return (passes + step - 1) / step * step;
}

/* the first point of so many passes, a rounded number */
static uint32
first_point(int passes)
{
	uint32		first = 0;

	for (int before = 1; before < passes; before = round_passes(before + 1))
		first += before * MLOPS_SHAP_LANES;
	return first;
}

/* passes that paths of so many different features take */
static int
passes_for(int features)
{
	return round_passes(Max((features + FEATURES_PER_PASS - 1) / FEATURES_PER_PASS, 1));
}

/* of the nodes of a tree: the left child, or 0 in a leaf */
static inline uint32
left_of(const Arranger *a, uint32 node)
{
	return a->wide_nodes != NULL ? a->wide_nodes[node].left : a->nodes[node].left;
}

/* how much training rows weigh that came there */
static inline double
rows_of(const Arranger *a, uint32 node)
{
	return a->wide_nodes != NULL ? a->wide_nodes[node].count : (double) a->nodes[node].cover;
}

/* what a leaf gives */
static inline double
leaf_of(const Arranger *a, uint32 node)
{
	return a->wide_nodes != NULL ? a->wide_nodes[node].value :
		(double) mlops_leaf_value(a->nodes[node].u.value, a->weighted, a->weight);
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

/*
 * Set what a split compares a row by; number is its place among the splits.
 */
static void
set_comparison(Arranger *a, uint32 index, uint32 number)
{
	MlopsShapSplit *split = &a->splits[number];

	if (a->wide_nodes != NULL)
	{
		const MlopsWideNode *node = &a->wide_nodes[index];

		if (node->split == MLOPS_WIDE_NUMERIC)
		{
			/* -0 is 0 */
			a->keys[number] = mlops_wide_key(node->value + 0.0);
			split->slot = a->slots[mlops_wide_rule(node) * (size_t) a->shap->num_features + node->feature];
			return;
		}
	}
	else if (has_slot(&a->nodes[index]))
	{
		split->threshold = a->nodes[index].u.value;
		split->slot = 2 * (uint32) split->feature + !a->nodes[index].default_left;
		return;
	}
	split->slot = a->shap->num_slots + a->num_tests;
	a->tests[a->num_tests++] = a->first_node + index;
}

/*
 * Add a split, but for what is below it.
 */
static void
begin_split(Arranger *a, Frame *frame, uint32 node)
{
	uint32		number = a->num_splits++;
	MlopsShapSplit *split = &a->splits[number];
	uint32		left = left_of(a, node);
	double		left_rows = rows_of(a, left);
	double		rows = left_rows + rows_of(a, left + 1);

	if (number % MLOPS_SHAP_BLOCK == 0 && a->env->check != NULL)
		a->env->check(a->env->arg);

	/* where there were no rows, half of one goes to each side */
	split->part = rows > 0 ? left_rows / rows : 0.5;
	split->feature = a->number[a->wide_nodes != NULL ? a->wide_nodes[node].feature : a->nodes[node].feature];
	split->above = frame->above = a->above[split->feature];
	split->side = frame->side = a->side[split->feature];
	split->rest = 1;
	if (split->above > 0)
	{
		const MlopsShapSplit *above = &a->splits[split->above - 1];

		split->rest = above->rest * mlops_shap_part(above, split->side != GOES_LEFT);
	}
	else if (++a->distinct > a->max_distinct)
		a->max_distinct = a->distinct;
	set_comparison(a, node, number);

	split->leaf = a->num_leaves;
	for (int child = 0; child < 2; child++)
	{
		if (left_of(a, left + child) == 0)
		{
			split->leaves |= child == 0 ? LEFT_LEAF : RIGHT_LEAF;
			a->leaves[a->num_leaves++] = leaf_of(a, left + child);
		}
	}
	frame->node = node;
	frame->split = number;
	frame->next = 0;
	frame->leaf = 0;
	frame->mean = 0;
}

/*
 * Add the splits of a tree that has some, in preorder; returns its mean.  A
 * wide tree can be too deep for recursion.
 */
static double
arrange(Arranger *a)
{
	Frame	   *frame = a->frames;

	begin_split(a, frame, 0);
	for (;;)
	{
		MlopsShapSplit *split = &a->splits[frame->split];
		int			child = frame->next++;
		double		mean;

		if (child == 2)
		{
			a->above[split->feature] = frame->above;
			a->side[split->feature] = frame->side;
			a->distinct -= frame->above == 0;
			mean = frame->mean;
			if (frame == a->frames)
				return mean;
			frame--;
			frame->mean += mlops_shap_part(&a->splits[frame->split], frame->next - 1) * mean;
		}
		else if (split->leaves & (child == 0 ? LEFT_LEAF : RIGHT_LEAF))
			frame->mean += mlops_shap_part(split, child) * a->leaves[split->leaf + frame->leaf++];
		else
		{
			if (child == 1)
				split->right = a->num_splits;
			a->above[split->feature] = frame->split + 1;
			a->side[split->feature] = child == 0 ? GOES_LEFT : GOES_RIGHT;
			begin_split(a, frame + 1, left_of(a, frame->node) + child);
			frame++;
		}
	}
}

/*
 * Count what a tree of the usual kind needs.  False if its covers are not what
 * parts can be made of.
 */
static bool
measure_tree(MlopsSupport *support, const MlopsForest *forest, int number,
			 uint32 *splits, uint32 *tests)
{
	const MlopsTree *tree = mlops_part(forest, MlopsTree, forest->trees) + number;
	const MlopsNode *nodes = mlops_part(forest, MlopsNode, forest->nodes) + tree->first_node;

	for (uint32 i = 0; i < tree->num_nodes; i++)
	{
		if (!(nodes[i].cover >= 0 && nodes[i].cover <= FLT_MAX))
			return mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, 0, NULL,
							  "tree %d has a node whose cover, the weight of its training rows, is %g",
							  number, (double) nodes[i].cover);
		*splits += nodes[i].left != 0;
		*tests += nodes[i].left != 0 && !has_slot(&nodes[i]);
	}
	return true;
}

/*
 * The same of a wide tree.  False if its leaves are not values, or its counts
 * are not there or not what parts can be made of.  *sum is that of the largest
 * leaves of the trees.
 */
static bool
measure_wide_tree(MlopsSupport *support, const MlopsForest *forest, int number,
				  uint32 *splits, uint32 *tests, double *sum)
{
	const MlopsTree *tree = mlops_part(forest, MlopsTree, forest->trees) + number;
	const MlopsWideNode *nodes = mlops_part(forest, MlopsWideNode, forest->wide.nodes) + tree->first_node;
	double		largest = 0;

	if (!tree->walked)
		return mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, 0,
						  "LightGBM itself gives no contributions of such trees; train without linear_tree.",
						  "tree %d is linear: its leaves hold equations", number);
	for (uint32 i = 0; i < tree->num_nodes; i++)
	{
		if (tree->num_nodes > 1 && nodes[i].count < 0)
			return mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, 0, NULL,
							  "tree %d has a node whose count of training rows is negative or too large",
							  number);
		if (nodes[i].split == MLOPS_WIDE_LEAF)
			largest = Max(largest, fabs(nodes[i].value));
		*splits += nodes[i].split != MLOPS_WIDE_LEAF;
		*tests += nodes[i].split == MLOPS_WIDE_SET;
	}
	*sum += largest;
	if (!(*sum <= MAX_LEAF_SUM))
		return mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, 0, NULL,
						  "the leaves up to tree %d are too large to be added up", number);
	return true;
}

/*
 * Count what a forest needs; number the features that it reads.  False if its
 * contributions cannot be computed.
 */
static bool
measure(MlopsSupport *support, const MlopsForest *forest, MlopsShap *shap, uint16 *number,
		Sizes *sizes)
{
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	bool		wide = forest->wide.used;
	double		sum = 0;

	memset(sizes, 0, sizeof(*sizes));
	if (wide && !forest->wide.has_counts)
		return mlops_fail(support, MLOPS_FOREST_UNSUPPORTED, 0, NULL,
						  "there are no counts of training rows");
	for (int i = 0; i < forest->num_features; i++)
		number[i] = mlops_forest_feature_used(forest, i) ? (uint16) shap->num_used++ : 0;
	for (int t = 0; t < forest->num_trees; t++)
	{
		uint32		splits = 0;
		uint32		tests = 0;

		mlops_check(support);
		if (!(wide ? measure_wide_tree(support, forest, t, &splits, &tests, &sum)
			  : measure_tree(support, forest, t, &splits, &tests)))
			return false;
		shap->max_splits = Max(shap->max_splits, splits);
		shap->max_tests = Max(shap->max_tests, tests);
		if (splits > MLOPS_SHAP_BLOCK)
			shap->max_frames = Max(shap->max_frames, Min((uint32) trees[t].depth, splits - MLOPS_SHAP_BLOCK));
		sizes->depth = Max(sizes->depth, trees[t].depth);
		sizes->splits += splits;
		sizes->leaves += splits + 1;
		sizes->tests += tests;
	}
	shap->num_slots = wide ? forest->wide.num_slots : 2 * (uint32) shap->num_used;
	return true;
}

/*
 * The slots of a wide forest, by rule and feature, as working memory; NULL if
 * there is none.
 */
static uint32 *
find_slots(MlopsSupport *support, const MlopsForest *forest)
{
	size_t		num_features = (size_t) forest->num_features;
	const uint16 *feature = mlops_part(forest, uint16, forest->wide.planes);
	uint32	   *slots = mlops_alloc(support, MLOPS_NUM_RULES * num_features * sizeof(uint32));
	uint32		next = 1;

	if (slots == NULL)
		return NULL;
	memset(slots, 0, MLOPS_NUM_RULES * num_features * sizeof(uint32));
	for (int rule = 0; rule < MLOPS_NUM_RULES; rule++)
	{
		for (uint32 i = 0; i < forest->wide.num_planes[rule]; i++)
			slots[rule * num_features + *feature++] = next++;
	}
	return slots;
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
 * Lay out the block, which is the caller's own and so not on our list of
 * working memory.  NULL if there is no memory.
 */
static MlopsShap *
lay_out(MlopsSupport *support, const MlopsShap *header, bool wide, const Sizes *sizes)
{
	int			passes = passes_for(Min(sizes->depth, header->num_used));
	size_t		num_points = first_point(passes) + (size_t) passes * MLOPS_SHAP_LANES;
	size_t		size = TYPEALIGN(8, sizeof(MlopsShap));
	size_t		points = place(&size, sizeof(double), num_points);
	size_t		weights = place(&size, sizeof(double), num_points);
	size_t		bases = place(&size, sizeof(double), header->num_groups);
	size_t		trees = place(&size, sizeof(MlopsShapTree), header->num_trees);
	size_t		splits = place(&size, sizeof(MlopsShapSplit), sizes->splits);
	size_t		keys = place(&size, sizeof(uint64), wide ? sizes->splits : 0);
	size_t		leaves = place(&size, sizeof(double), sizes->leaves);
	size_t		tests = place(&size, sizeof(uint32), sizes->tests);
	size_t		used = place(&size, sizeof(uint16), header->num_used);
	MlopsShap  *shap = support->env->alloc(support->env->arg, size);

	if (shap == NULL)
	{
		mlops_fail(support, MLOPS_FOREST_NO_MEMORY, 0, NULL,
				   "no memory for the contributions of %zu splits", sizes->splits);
		return NULL;
	}
	memset(shap, 0, size);
	*shap = *header;
	shap->size = size;
	shap->points = (double *) ((char *) shap + points);
	shap->weights = (double *) ((char *) shap + weights);
	shap->bases = (double *) ((char *) shap + bases);
	shap->trees = (MlopsShapTree *) ((char *) shap + trees);
	shap->splits = (MlopsShapSplit *) ((char *) shap + splits);
	shap->keys = wide ? (uint64 *) ((char *) shap + keys) : NULL;
	shap->leaves = (double *) ((char *) shap + leaves);
	shap->tests = (uint32 *) ((char *) shap + tests);
	shap->used = (uint16 *) ((char *) shap + used);
	return shap;
}

/*
 * Arrange one tree behind those before it, and add its mean to its base.
 */
static void
add_tree(MlopsSupport *support, Arranger *a, int number)
{
	MlopsShap  *shap = a->shap;
	MlopsShapTree *tree = &shap->trees[number];
	const MlopsTree *source = mlops_part(a->forest, MlopsTree, a->forest->trees) + number;

	mlops_check(support);
	tree->first_split = (uint32) (a->splits - shap->splits);
	tree->first_leaf = (uint32) (a->leaves - shap->leaves);
	tree->first_test = (uint32) (a->tests - shap->tests);
	tree->group = source->group;
	if (a->forest->wide.used)
		a->wide_nodes = mlops_part(a->forest, MlopsWideNode, a->forest->wide.nodes) + source->first_node;
	else
		a->nodes = mlops_part(a->forest, MlopsNode, a->forest->nodes) + source->first_node;
	a->first_node = source->first_node;
	a->weight = source->weight;
	a->num_splits = a->num_leaves = a->num_tests = 0;
	a->max_distinct = 0;
	if (left_of(a, 0) == 0)
	{
		a->leaves[a->num_leaves++] = leaf_of(a, 0);
		shap->bases[tree->group] += a->leaves[0];
	}
	else
		shap->bases[tree->group] += arrange(a);

	tree->num_splits = a->num_splits;
	tree->num_tests = a->num_tests;
	tree->passes = passes_for(a->max_distinct);
	tree->first_point = first_point(tree->passes);
	if (shap->weights[tree->first_point] == 0)
		gauss_legendre(support, tree->passes * MLOPS_SHAP_LANES,
					   shap->points + tree->first_point, shap->weights + tree->first_point);
	a->splits += a->num_splits;
	if (a->keys != NULL)
		a->keys += a->num_splits;
	a->leaves += a->num_leaves;
	a->tests += a->num_tests;
}

/*
 * Arrange a forest for contributions.  The result is one block from
 * env->alloc, which the caller releases; NULL if there is no memory, or if the
 * model file does not have what contributions are made of.
 */
MlopsShap *
mlops_shap_create(const MlopsForest *forest, const MlopsForestEnv *env, MlopsForestError *error)
{
	const float *base_margins = mlops_part(forest, float, forest->base_margins);
	MlopsSupport support;
	MlopsShap	header = {0};
	MlopsShap  *shap = NULL;
	Arranger	arranger = {0};
	uint16	   *number;
	Sizes		sizes;

	mlops_support_init(&support, env, error);
	number = mlops_alloc(&support, forest->num_features * sizeof(uint16));
	if (number == NULL || !measure(&support, forest, &header, number, &sizes))
		goto done;
	header.num_features = forest->num_features;
	header.num_groups = forest->num_groups;
	header.num_trees = forest->num_trees;

	arranger.above = mlops_alloc(&support, Max(header.num_used, 1) * sizeof(uint32));
	arranger.side = mlops_alloc(&support, Max(header.num_used, 1));
	arranger.frames = mlops_alloc(&support, Max(sizes.depth, 1) * sizeof(Frame));
	if (arranger.above == NULL || arranger.side == NULL || arranger.frames == NULL)
		goto done;
	memset(arranger.above, 0, header.num_used * sizeof(uint32));
	memset(arranger.side, GOES_LEFT, header.num_used);
	if (forest->wide.used)
	{
		arranger.slots = find_slots(&support, forest);
		if (arranger.slots == NULL)
			goto done;
	}
	shap = lay_out(&support, &header, forest->wide.used, &sizes);
	if (shap == NULL)
		goto done;

	for (int i = 0, k = 0; i < forest->num_features; i++)
	{
		if (mlops_forest_feature_used(forest, i) && k < shap->num_used)
			shap->used[k++] = (uint16) i;
	}
	/* LightGBM has no base margins: what it began with is in the first leaves */
	for (int g = 0; g < forest->num_groups && !forest->wide.used; g++)
		shap->bases[g] = (double) base_margins[g];

	arranger.shap = shap;
	arranger.forest = forest;
	arranger.number = number;
	arranger.weighted = forest->weighted;
	arranger.splits = shap->splits;
	arranger.keys = shap->keys;
	arranger.leaves = shap->leaves;
	arranger.tests = shap->tests;
	arranger.env = env;
	for (int t = 0; t < forest->num_trees; t++)
		add_tree(&support, &arranger, t);

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
