/*-------------------------------------------------------------------------
 *
 * wide_kernel.c
 *	  The row kernel of wide forests: the margins of one row, in double, and
 *	  what is made of them.
 *
 * It works as that of kernel.c, with what LightGBM does otherwise:
 *
 * - A split sends x <= threshold to the left.  Both are compared as integers
 *   of the same order, see mlops_wide_key().
 * - What is missing depends on the split: nothing, NaN, or zero and NaN.  The
 *   row is spread over slots, one for each feature and rule that some split
 *   needs; there a missing value that goes left is less than any threshold, and
 *   one that goes right is greater, also than an infinite one.
 * - A categorical split sends the categories of its set to the left.  Its slot
 *   is greater than its threshold; a numeric split has the empty set; so both
 *   are evaluated in both, without a branch.  A category beyond the words of a
 *   set is looked up in the one after them, which is 0.
 * - Trees that grew leaf by leaf are deep at few places.  So the walk looks
 *   now and then whether all of the bundle have come to a leaf.
 *
 * What leaves give is added in the order of the trees in the file, from 0 on,
 * in double: the sum has the bits that LightGBM gives.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/forest_internal.h"

/* steps between two looks whether all have come to a leaf */
#define STEPS_PER_LOOK	2

/* keys of missing values */
#define GOES_LEFT		UINT64CONST(0)
#define GOES_RIGHT		PG_UINT64_MAX

/* the category code of a value that is none, and is in no set */
#define NO_CATEGORY		PG_UINT32_MAX

/* the value as LightGBM takes it: what is about zero is zero */
static inline double
clean(double value)
{
	return fabs(value) <= MLOPS_WIDE_ZERO ? 0.0 : value;
}

/* the category of a value, truncated as by LightGBM */
static inline uint32
category_code(double value)
{
	return value > -1.0 && value < 2147483648.0 ? (uint32) (int32) value : NO_CATEGORY;
}

/*
 * Does a row with this value of the node's feature go left?  The plain
 * definition of a model, which every kernel must agree with.
 */
bool
mlops_wide_left(const MlopsForest *forest, const MlopsWideNode *node, double value)
{
	value = clean(value);
	if (node->split == MLOPS_WIDE_SET)
	{
		const uint32 *set = mlops_part(forest, uint32, forest->sets) + node->set;
		uint32		code = category_code(value);

		return code / 32 < node->words && (set[code / 32] >> (code % 32) & 1) != 0;
	}
	if (isnan(value) && node->missing != MLOPS_MISSING_NAN)
		value = 0.0;
	if ((node->missing == MLOPS_MISSING_ZERO && value == 0.0) ||
		(node->missing == MLOPS_MISSING_NAN && isnan(value)))
		return node->default_left;
	return value <= node->value;
}

/*
 * The leaf that a row reaches in a tree.
 */
const MlopsWideNode *
mlops_wide_leaf(const MlopsForest *forest, const MlopsTree *tree, const double *row)
{
	const MlopsWideNode *nodes = mlops_part(forest, MlopsWideNode, forest->wide.nodes) +
		tree->first_node;
	const MlopsWideNode *node = nodes;

	while (node->split != MLOPS_WIDE_LEAF)
		node = nodes + node->left + !mlops_wide_left(forest, node, row[node->feature]);
	return node;
}

/*
 * What a linear tree gives for a row.
 */
double
mlops_wide_linear_value(const MlopsForest *forest, const MlopsTree *tree, const double *row)
{
	const MlopsWideNode *leaf = mlops_wide_leaf(forest, tree, row);
	const MlopsEquation *equation = mlops_part(forest, MlopsEquation, forest->wide.equations) +
		leaf->set;
	const MlopsTerm *terms = mlops_part(forest, MlopsTerm, forest->wide.terms) +
		equation->first_term;
	double		sum = equation->constant;

	for (uint32 i = 0; i < equation->num_terms; i++)
	{
		double		value = clean(row[terms[i].feature]);

		if (isnan(value))
			return leaf->value;
		sum += terms[i].coefficient * value;
	}
	return sum;
}

/*
 * Spread a row over the slots; codes, of as many elements, gets the categories
 * if there are categorical splits.
 */
void
mlops_wide_fill_slots(const MlopsForest *forest, const double *row, uint64 *slots, uint32 *codes)
{
	const MlopsWide *wide = &forest->wide;
	const uint16 *feature = mlops_part(forest, uint16, wide->planes);
	uint64	   *slot = slots;

	*slot++ = GOES_LEFT;
	for (uint32 i = 0; i < wide->num_planes[MLOPS_RULE_NONE]; i++)
	{
		double		value = row[*feature++];

		*slot++ = mlops_wide_key(fabs(value) > MLOPS_WIDE_ZERO ? value : 0.0);
	}
	for (uint32 i = 0; i < wide->num_planes[MLOPS_RULE_ZERO_LEFT]; i++)
	{
		double		value = row[*feature++];

		*slot++ = fabs(value) > MLOPS_WIDE_ZERO ? mlops_wide_key(value) : GOES_LEFT;
	}
	for (uint32 i = 0; i < wide->num_planes[MLOPS_RULE_ZERO_RIGHT]; i++)
	{
		double		value = row[*feature++];

		*slot++ = fabs(value) > MLOPS_WIDE_ZERO ? mlops_wide_key(value) : GOES_RIGHT;
	}
	for (uint32 i = 0; i < wide->num_planes[MLOPS_RULE_NAN_LEFT]; i++)
	{
		double		value = clean(row[*feature++]);

		*slot++ = isnan(value) ? GOES_LEFT : mlops_wide_key(value);
	}
	for (uint32 i = 0; i < wide->num_planes[MLOPS_RULE_NAN_RIGHT]; i++)
	{
		double		value = clean(row[*feature++]);

		*slot++ = isnan(value) ? GOES_RIGHT : mlops_wide_key(value);
	}
	if (!wide->has_sets)
		return;

	/* slots that hold no category are looked up in the empty set */
	memset(codes, 0, wide->num_slots * sizeof(uint32));
	for (uint32 i = 0; i < wide->num_planes[MLOPS_RULE_CATEGORY]; i++)
	{
		codes[slot - slots] = category_code(row[*feature++]);
		*slot++ = GOES_RIGHT;
	}
}

/* the eight lanes of a bundle: do this for each */
#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

#define BEGIN(k)	n[k] = nodes + bundle->root[k];
#define MOVES(k)	| n[k]->step
#define STORE(k)	leaves[k] = n[k]->u.value;

/*
 * Walk the trees of one bundle; leaves gets the value of each.
 */
static inline void
walk_bundle(const MlopsStep *nodes, const MlopsWideBundle *bundle,
			const uint64 *slots, double *leaves)
{
	const MlopsStep *n[MLOPS_WIDE_LANES];

#define STEP(k)		n[k] += n[k]->step + (slots[n[k]->slot] > n[k]->u.key);

	EACH(BEGIN)
	while ((0 EACH(MOVES)) != 0)
	{
		for (int i = 0; i < STEPS_PER_LOOK; i++)
		{
			EACH(STEP)
		}
	}
	EACH(STORE)

#undef STEP
}

/*
 * The same where splits may be categorical.
 */
static inline void
walk_set_bundle(const MlopsSetStep *nodes, const MlopsWideBundle *bundle,
				const uint64 *slots, const uint32 *codes, const uint32 *sets,
				double *leaves)
{
	const MlopsSetStep *n[MLOPS_WIDE_LANES];

#define STEP(k) \
	{ \
		uint32		code = codes[n[k]->slot]; \
		uint32		word = Min(code / 32, n[k]->words); \
		uint32		member = sets[n[k]->set + word] >> (code % 32) & 1; \
		\
		n[k] += n[k]->step + ((slots[n[k]->slot] > n[k]->u.key) & !member); \
	}

	EACH(BEGIN)
	while ((0 EACH(MOVES)) != 0)
	{
		for (int i = 0; i < STEPS_PER_LOOK; i++)
		{
			EACH(STEP)
		}
	}
	EACH(STORE)

#undef STEP
}

/* bytes that the slots take in scratch, the codes after them, and the leaves */
#define SLOTS_SIZE(wide)	((size_t) (wide)->num_slots * sizeof(uint64))
#define CODES_SIZE(wide)	MAXALIGN((size_t) (wide)->num_slots * sizeof(uint32))
#define LEAVES_SIZE(wide)	((size_t) (wide)->num_bundles * MLOPS_WIDE_LANES * sizeof(double))

/*
 * The size of the scratch memory that scoring a row needs.
 */
size_t
mlops_wide_scratch_size(const MlopsForest *forest)
{
	const MlopsWide *wide = &forest->wide;

	return SLOTS_SIZE(wide) + CODES_SIZE(wide) + LEAVES_SIZE(wide);
}

/*
 * The margins of one row.
 */
void
mlops_forest_margin64(const MlopsForest *forest, const double *row,
					  void *scratch, double *margins)
{
	const MlopsWide *wide = &forest->wide;
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	const MlopsWideBundle *bundles = mlops_part(forest, MlopsWideBundle, wide->bundles);
	const MlopsStep *steps = mlops_part(forest, MlopsStep, wide->steps);
	const MlopsSetStep *set_steps = mlops_part(forest, MlopsSetStep, wide->set_steps);
	const uint32 *sets = mlops_part(forest, uint32, forest->sets);
	const uint32 *positions = mlops_part(forest, uint32, wide->positions);
	uint64	   *slots = scratch;
	uint32	   *codes = (uint32 *) ((char *) scratch + SLOTS_SIZE(wide));
	double	   *leaves = (double *) ((char *) codes + CODES_SIZE(wide));

	Assert(wide->used);
	mlops_wide_fill_slots(forest, row, slots, codes);
	for (uint32 b = 0; b < wide->num_bundles; b++)
	{
		if (bundles[b].sets)
			walk_set_bundle(set_steps, &bundles[b], slots, codes, sets,
							leaves + b * MLOPS_WIDE_LANES);
		else
			walk_bundle(steps, &bundles[b], slots, leaves + b * MLOPS_WIDE_LANES);
	}

	/* the common case needs nothing but positions */
	if (forest->num_groups == 1 && wide->num_walked == (uint32) forest->num_trees)
	{
		double		sum = 0.0;

		for (int t = 0; t < forest->num_trees; t++)
			sum += leaves[positions[t]];
		margins[0] = sum;
		return;
	}

	for (int g = 0; g < forest->num_groups; g++)
		margins[g] = 0.0;
	for (int t = 0; t < forest->num_trees; t++)
		margins[trees[t].group] += trees[t].walked ? leaves[positions[t]] :
			mlops_wide_linear_value(forest, &trees[t], row);
}

/*
 * Margins to outputs; outputs may be margins.  Every expression has the
 * operations and their order as LightGBM has them.
 */
void
mlops_forest_transform64(const MlopsForest *forest, const double *margins, double *outputs)
{
	const MlopsWide *wide = &forest->wide;
	int			count = forest->num_groups;

	Assert(wide->used);
	for (int i = 0; i < count; i++)
		outputs[i] = wide->averaged ? margins[i] / forest->num_rounds : margins[i];

	switch ((MlopsWideTransform) wide->transform)
	{
		case MLOPS_WIDE_IDENTITY:
			break;
		case MLOPS_WIDE_SIGMOID:
			for (int i = 0; i < count; i++)
				outputs[i] = 1.0 / (1.0 + exp(-wide->sigmoid * outputs[i]));
			break;
		case MLOPS_WIDE_EXP:
			for (int i = 0; i < count; i++)
				outputs[i] = exp(outputs[i]);
			break;
		case MLOPS_WIDE_LOG1P_EXP:
			for (int i = 0; i < count; i++)
				outputs[i] = log1p(exp(outputs[i]));
			break;
		case MLOPS_WIDE_LOG_EXP:
			for (int i = 0; i < count; i++)
				outputs[i] = log(1.0 + exp(outputs[i]));
			break;
		case MLOPS_WIDE_SIGNED_SQUARE:
			for (int i = 0; i < count; i++)
			{
				double		sign = (outputs[i] > 0) - (outputs[i] < 0);

				outputs[i] = sign * outputs[i] * outputs[i];
			}
			break;
		case MLOPS_WIDE_SOFTMAX:
			{
				double		largest = outputs[0];
				double		sum = 0.0;

				for (int i = 1; i < count; i++)
					largest = outputs[i] < largest ? largest : outputs[i];
				for (int i = 0; i < count; i++)
				{
					outputs[i] = exp(outputs[i] - largest);
					sum += outputs[i];
				}
				for (int i = 0; i < count; i++)
					outputs[i] /= sum;
				break;
			}
	}
}
