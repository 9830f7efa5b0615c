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
 * keep per node is bounded: a subtree of more than MLOPS_SHAP_BLOCK nodes is
 * divided.
 *
 * Forests of LightGBM's play the same game, with counts of rows for covers, as
 * its pred_contrib does.  Their rows are spread over the slots of their own
 * kernel.
 *
 * Cancellation and time: env->check is called for each tree, and for each
 * block of a large one.
 *
 * Rounding: all is computed in double.  Errors of the last digits would give a
 * feature that changes nothing a tiny contribution, and two features with equal
 * ones an order by chance, so values are rounded to decimals at the end.
 *
 *-------------------------------------------------------------------------
 */#include <float.h>
#include <math.h>

#include "forest/shap_internal.h"

#define LANES			MLOPS_SHAP_LANES

/* by how much a sum in double may differ, relative to the sum of what it adds */
#define TOLERANCE		1e-9

/* values are rounded to the decimal place where the same has so many digits */
#define DIGITS			1e12

/* a value at each of the points; loads and stores need no alignment */
#define PAIRS			(LANES / 2)

typedef double Pair __attribute__((vector_size(2 * sizeof(double)), aligned(8), may_alias));

typedef struct Lanes
{
	Pair		pair[PAIRS];
} Lanes;

/* a split of more than MLOPS_SHAP_BLOCK nodes, on the way to a smaller one */
typedef struct Frame
{
	uint32		first;			/* split */
	uint32		end;			/* of its subtree */
	int			next;			/* child that is next */
	Lanes		path;
	Lanes		blend;
	Lanes		children[2];	/* their sums */
} Frame;

/* what the passes over one tree read and write */
typedef struct Work
{
	const MlopsForestEnv *env;
	const MlopsShapSplit *splits;
	const uint64 *keys;			/* of a wide forest, otherwise NULL */
	const double *leaves;
	float	   *slots;
	uint64	   *wide_slots;		/* of a wide forest */
	uint8	   *states;			/* per split, from 1 */
	Frame	   *frames;
	Lanes	   *paths;			/* P per split of the block */
	Lanes	   *blends;			/* b */
	Lanes	   *sums;			/* S */
	Lanes	   *values;			/* per feature in use */
	Lanes		point;
	Lanes		weight;
} Work;

/* the parts of scratch memory */
typedef struct Scratch
{
	size_t		values;
	size_t		frames;
	size_t		paths;
	size_t		blends;
	size_t		sums;
	size_t		slots;
	size_t		codes;
	size_t		states;
	size_t		size;
} Scratch;

/* reserve a part of scratch memory; returns its offset */
static size_t
place(size_t *size, size_t element, size_t count)
{
	size_t		offset = *size;

	*size += TYPEALIGN(8, element * count);
	return offset;
}

static Scratch
scratch_of(const MlopsShap *shap)
{
	Scratch		scratch = {0};
	bool		wide = shap->keys != NULL;
	size_t		block = Min(shap->max_splits, MLOPS_SHAP_BLOCK);

	scratch.values = place(&scratch.size, sizeof(Lanes), shap->num_used);
	scratch.frames = place(&scratch.size, sizeof(Frame), shap->max_frames);
	scratch.paths = place(&scratch.size, sizeof(Lanes), block);
	scratch.blends = place(&scratch.size, sizeof(Lanes), block);
	scratch.sums = place(&scratch.size, sizeof(Lanes), block);
	scratch.slots = place(&scratch.size, wide ? sizeof(uint64) : sizeof(float),
						  (size_t) shap->num_slots + shap->max_tests);
	scratch.codes = place(&scratch.size, sizeof(uint32), wide ? shap->num_slots : 0);
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
 * Does the row go left at a split?
 */
static inline bool
goes_left(const Work *work, uint32 number)
{
	const MlopsShapSplit *split = &work->splits[number];

	if (work->keys != NULL)
		return work->wide_slots[split->slot] <= work->keys[number];
	return work->slots[split->slot] < split->threshold;
}

/*
 * Note where the row goes at a split, and find b.
 */
static inline void
go_down(const Work *work, uint32 number, Lanes *blend)
{
	const MlopsShapSplit *split = &work->splits[number];
	bool		left = goes_left(work, number);
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
extend_path(const MlopsShapSplit *split, int child, bool here, const Lanes *blend, const Lanes *path, Lanes *result)
{
	double		part = mlops_shap_part(split, child);
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
	const MlopsShapSplit *split = &work->splits[number];
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
	const MlopsShapSplit *split = &work->splits[number];
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
 * A subtree of at most MLOPS_SHAP_BLOCK splits.
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
		const MlopsShapSplit *split = &work->splits[i];
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
		const MlopsShapSplit *split = &work->splits[i];
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
 * One pass over a whole tree, which has splits.  Of subtrees larger than a
 * block a frame is kept; a wide tree can be too deep for recursion.
 */
static void
work_tree(const Work *work, uint32 num_splits)
{
	Frame	   *frame = work->frames;
	Lanes		path;
	Lanes		sum;
	uint32		first = 0;
	uint32		end = num_splits;

	set_leaf(&path, 1.0);
	for (;;)
	{
		const MlopsShapSplit *split;
		int			child;

		/* a subtree begins: now or with its own children */
		if (end - first > MLOPS_SHAP_BLOCK)
		{
			frame->first = first;
			frame->end = end;
			frame->next = 0;
			frame->path = path;
			go_down(work, first, &frame->blend);
			frame++;
		}
		else
		{
			if (work->env->check != NULL)
				work->env->check(work->env->arg);
			work_block(work, first, end, &path, &sum);
			if (frame == work->frames)
				return;
			frame[-1].children[frame[-1].next++] = sum;
		}

		/* go on where there is a child that was not worked on */
		for (;;)
		{
			Frame	   *parent = frame - 1;

			split = &work->splits[parent->first];
			child = parent->next;
			if (child < 2 && (split->leaves & (child == 0 ? LEFT_LEAF : RIGHT_LEAF)) == 0)
				break;
			if (child < 2)
			{
				/* the only one: there are splits below this one */
				set_leaf(&parent->children[child], work->leaves[split->leaf]);
				parent->next++;
				continue;
			}
			go_up(work, parent->first, &parent->path, &parent->blend,
				  &parent->children[0], &parent->children[1], &sum);
			frame--;
			if (frame == work->frames)
				return;
			frame[-1].children[frame[-1].next++] = sum;
		}
		first = child == 0 ? frame[-1].first + 1 : split->right;
		end = child == 0 && (split->leaves & RIGHT_LEAF) == 0 ? split->right : frame[-1].end;
		extend_path(split, child,
					work->states[frame[-1].first + 1] == (child == 0 ? GOES_LEFT : GOES_RIGHT),
					&frame[-1].blend, &frame[-1].path, &path);
	}
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
 * Find the outcomes of the tests of a tree, and put them into their slots.
 */
static void
fill_tests(const MlopsShap *shap, const MlopsForest *forest, const MlopsShapTree *tree,
		   const void *row, const Work *work)
{
	const uint32 *tests = shap->tests + tree->first_test;

	for (uint32 i = 0; i < tree->num_tests; i++)
	{
		if (work->keys != NULL)
		{
			const MlopsWideNode *node = mlops_part(forest, MlopsWideNode, forest->wide.nodes) + tests[i];
			bool		left = mlops_wide_left(forest, node, ((const double *) row)[node->feature]);

			/* the key of such a split is 0 */
			work->wide_slots[shap->num_slots + i] = left ? 0 : 1;
		}
		else
		{
			const MlopsNode *node = mlops_part(forest, MlopsNode, forest->nodes) + tests[i];
			bool		left = mlops_node_left(forest, node, ((const float *) row)[node->feature]);

			/* and the threshold 0 */
			work->slots[shap->num_slots + i] = left ? -1.0f : 1.0f;
		}
	}
}

/*
 * The value of the leaf that the row reaches.
 */
static double
reached_leaf(const Work *work, uint32 num_splits)
{
	uint32		i = 0;

	if (num_splits == 0)
		return work->leaves[0];
	for (;;)
	{
		const MlopsShapSplit *split = &work->splits[i];
		bool		left = goes_left(work, i);

		if (left ? split->leaves & LEFT_LEAF : split->leaves & RIGHT_LEAF)
			return work->leaves[split->leaf + (!left && (split->leaves & LEFT_LEAF))];
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
tree_contributions(const MlopsShap *shap, const MlopsForest *forest, const void *row, int group,
				   void *scratch, const MlopsForestEnv *env, double *values, double *exact, double *mass)
{
	Scratch		at = scratch_of(shap);
	char	   *memory = scratch;
	Work		work;

	work.env = env;
	work.slots = (float *) (memory + at.slots);
	work.wide_slots = (uint64 *) (memory + at.slots);
	work.values = (Lanes *) (memory + at.values);
	work.frames = (Frame *) (memory + at.frames);
	work.paths = (Lanes *) (memory + at.paths);
	work.blends = (Lanes *) (memory + at.blends);
	work.sums = (Lanes *) (memory + at.sums);
	work.states = (uint8 *) (memory + at.states);
	work.states[0] = GOES_LEFT; /* what the first split on a feature has above */

	if (shap->keys != NULL)
		mlops_wide_fill_slots(forest, row, work.wide_slots, (uint32 *) (memory + at.codes));
	else
		fill_slots(shap, row, work.slots);
	memset(work.values, 0, shap->num_used * sizeof(Lanes));
	*exact = shap->keys != NULL ? 0 : (double) mlops_part(forest, float, forest->base_margins)[group];
	*mass = fabs(*exact);
	for (int t = 0; t < shap->num_trees; t++)
	{
		const MlopsShapTree *tree = &shap->trees[t];
		double		leaf;

		if (tree->group != group)
			continue;
		work.splits = shap->splits + tree->first_split;
		work.keys = shap->keys != NULL ? shap->keys + tree->first_split : NULL;
		work.leaves = shap->leaves + tree->first_leaf;
		fill_tests(shap, forest, tree, row, &work);
		for (int pass = 0; pass < tree->passes && tree->num_splits > 0; pass++)
		{
			work.point = *(const Lanes *) (shap->points + tree->first_point + pass * LANES);
			work.weight = *(const Lanes *) (shap->weights + tree->first_point + pass * LANES);
			work_tree(&work, tree->num_splits);
		}
		leaf = reached_leaf(&work, tree->num_splits);
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

	/* beyond the last of the powers of ten, there is nothing to round */
	if (size < 1e-280)
		return;
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
mlops_shap_contributions(const MlopsShap *shap, const MlopsForest *forest, const void *row,
						 int group, double margin, void *scratch, const MlopsForestEnv *env,
						 double *values, MlopsForestError *error)
{
	bool		linear = forest->booster == MLOPS_BOOSTER_LINEAR;
	double		epsilon = forest->wide.used ? DBL_EPSILON : FLT_EPSILON;
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
		fabs(exact - margin) <= epsilon * (terms + 2) * mass)
	{
		if (!linear)
			round_values(values, num_features + 1, mass + size);
		return true;
	}

	memset(error, 0, sizeof(*error));
	error->code = MLOPS_FOREST_INVALID;
	snprintf(error->message, sizeof(error->message),
			 "the contributions add up to %.9g, the margin is %.9g, or %.9g in double precision",
			 sum, margin, exact);
	return false;
}
