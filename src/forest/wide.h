/*-------------------------------------------------------------------------
 *
 * wide.h
 *	  Forests that compute in double: LightGBM's.
 *
 * XGBoost reads, compares and adds in float, LightGBM in double, and the two
 * also differ in what is missing and which way a category goes.  So a forest
 * of LightGBM's has nodes and a row kernel of its own, which are parts of the
 * same block; what is not about numbers (names, categories, trees, sets) is in
 * the same places for both.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_WIDE_H
#define MLOPS_FOREST_WIDE_H

#include "forest/forest.h"

/*
 * Grown leaf by leaf, a tree can be deep where the data are skewed: as deep as
 * it has leaves, in theory.  The limit bounds the time that a row takes.
 */
#define MLOPS_MAX_WIDE_DEPTH	4096

/* of all trees: more than a file below the limit has that LightGBM wrote */
#define MLOPS_MAX_WIDE_NODES	(8 * 1024 * 1024)
#define MLOPS_MAX_WIDE_TREES	(1024 * 1024)

/* what lies no farther from zero is zero to LightGBM, a float widened */
#define MLOPS_WIDE_ZERO			((double) 1e-35f)

/* which values of a feature are missing to a node, by the numbers in the file */
typedef enum MlopsMissing
{
	MLOPS_MISSING_NONE = 0,		/* none: NaN counts as zero */
	MLOPS_MISSING_ZERO = 1,		/* zero and NaN */
	MLOPS_MISSING_NAN = 2		/* NaN */
} MlopsMissing;

/* from margins to outputs */
typedef enum MlopsWideTransform
{
	MLOPS_WIDE_IDENTITY,
	MLOPS_WIDE_SIGMOID,			/* of each margin, with the factor sigmoid */
	MLOPS_WIDE_SOFTMAX,
	MLOPS_WIDE_EXP,
	MLOPS_WIDE_LOG1P_EXP,
	MLOPS_WIDE_LOG_EXP,			/* the same before LightGBM 3.3, rounded otherwise */
	MLOPS_WIDE_SIGNED_SQUARE
} MlopsWideTransform;

typedef enum MlopsWideSplit
{
	MLOPS_WIDE_LEAF,			/* value is the leaf's */
	MLOPS_WIDE_NUMERIC,			/* left if x <= value */
	MLOPS_WIDE_SET				/* left if x is a category of the set */
} MlopsWideSplit;

/*
 * A node.  Nodes stand breadth first: children come after their parent, the
 * right one follows the left.  The words of a set are sets[set] and those after
 * it, as many as its length says; category i is bit i % 32 of word i / 32.  One
 * more word, which is 0, follows each set.
 */
typedef struct MlopsWideNode
{
	double		value;			/* threshold, or value of the leaf */
	int32		left;			/* left child, counted within the tree; 0 in a leaf */
	uint32		set;			/* of a set: its first word; of a leaf of a
								 * linear tree: its equation */
	uint32		words;			/* of the set */
	int32		count;			/* rows of training that came here; -1 if the
								 * file has what cannot be such a count */
	float		gain;			/* of the split */
	uint16		feature;
	uint8		split;			/* an MlopsWideSplit */
	uint8		missing;		/* an MlopsMissing; of a numeric split */
	bool		default_left;	/* where a missing value goes; of a numeric split */
} MlopsWideNode;

/*
 * What a leaf of a linear tree gives, unless one of its features is NaN:
 * constant + the sum of coefficient * feature.
 */
typedef struct MlopsEquation
{
	double		constant;
	uint32		first_term;
	uint32		num_terms;
} MlopsEquation;

typedef struct MlopsTerm
{
	double		coefficient;
	uint32		feature;
	uint32		unused;
} MlopsTerm;

/*
 * How a slot of the row kernel is made of a feature; see wide_kernel.c.
 */
typedef enum MlopsRule
{
	MLOPS_RULE_NONE,			/* nothing is missing */
	MLOPS_RULE_ZERO_LEFT,		/* zero and NaN are, and go left */
	MLOPS_RULE_ZERO_RIGHT,
	MLOPS_RULE_NAN_LEFT,
	MLOPS_RULE_NAN_RIGHT,
	MLOPS_RULE_CATEGORY,
	MLOPS_NUM_RULES
} MlopsRule;

/* the rule by which a split reads its feature */
static inline MlopsRule
mlops_wide_rule(const MlopsWideNode *node)
{
	if (node->split == MLOPS_WIDE_SET)
		return MLOPS_RULE_CATEGORY;
	switch ((MlopsMissing) node->missing)
	{
		case MLOPS_MISSING_ZERO:
			return node->default_left ? MLOPS_RULE_ZERO_LEFT : MLOPS_RULE_ZERO_RIGHT;
		case MLOPS_MISSING_NAN:
			return node->default_left ? MLOPS_RULE_NAN_LEFT : MLOPS_RULE_NAN_RIGHT;
		default:
			return MLOPS_RULE_NONE;
	}
}

/* trees that are walked side by side */
#define MLOPS_WIDE_LANES	8

/*
 * A number as an integer of the same order, which is faster to compare.  It
 * must not be -0 or NaN.  No number has the least or the greatest integer.
 */
static inline uint64
mlops_wide_key(double number)
{
	uint64		bits;

	memcpy(&bits, &number, sizeof(bits));
	return bits ^ ((uint64) -(int64) (bits >> 63) | UINT64CONST(0x8000000000000000));
}

/* a node of a tree without categorical splits, as the kernel reads it */
typedef struct MlopsStep
{
	union
	{
		uint64		key;		/* left unless slot > key */
		double		value;		/* of a leaf */
	}			u;
	uint32		slot;			/* slot 0 in a leaf */
	uint32		step;			/* from this node to its left child; 0 in a leaf */
} MlopsStep;

/* a node of a tree with categorical splits */
typedef struct MlopsSetStep
{
	union
	{
		uint64		key;		/* 0 in a categorical split */
		double		value;
	}			u;
	uint32		slot;
	uint32		step;
	uint32		set;			/* in a numeric split and in a leaf: the empty */
	uint32		words;			/* set, which is sets[0], with no word */
} MlopsSetStep;

typedef struct MlopsWideBundle
{
	uint32		root[MLOPS_WIDE_LANES]; /* in steps or in set steps */
	uint32		depth;			/* of the deepest */
	bool		sets;			/* roots are in set steps */
} MlopsWideBundle;

/* the parts of a wide forest; offsets from the start of the block */
typedef struct MlopsWide
{
	bool		used;			/* this is a wide forest */
	bool		averaged;		/* outputs come of margins divided by rounds */
	bool		has_counts;		/* nodes have the rows of training */
	bool		has_sets;		/* there are categorical splits */
	bool		has_gains;		/* splits have their gain */
	int32		transform;		/* an MlopsWideTransform */
	double		sigmoid;
	uint32		num_slots;
	uint32		num_planes[MLOPS_NUM_RULES];
	uint32		num_bundles;
	uint32		num_walked;		/* trees in bundles */
	uint64		nodes;			/* MlopsWideNode, tree after tree */
	uint64		equations;		/* MlopsEquation */
	uint64		terms;			/* MlopsTerm */
	uint64		planes;			/* uint16: features of the slots from 1 on,
								 * in the order of the rules */
	uint64		bundles;		/* MlopsWideBundle */
	uint64		steps;			/* MlopsStep */
	uint64		set_steps;		/* MlopsSetStep */
	uint64		positions;		/* uint32 per tree: its place in bundles */
} MlopsWide;

struct MlopsTree;

/* wide_kernel.c */
extern bool mlops_wide_left(const MlopsForest *forest, const MlopsWideNode *node,
							double value);
extern void mlops_wide_fill_slots(const MlopsForest *forest, const double *row,
								  uint64 *slots, uint32 *codes);
extern const MlopsWideNode *mlops_wide_leaf(const MlopsForest *forest,
											const struct MlopsTree *tree,
											const double *row);
extern double mlops_wide_linear_value(const MlopsForest *forest,
									  const struct MlopsTree *tree, const double *row);
extern size_t mlops_wide_scratch_size(const MlopsForest *forest);

#endif							/* MLOPS_FOREST_WIDE_H */
