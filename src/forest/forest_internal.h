/*-------------------------------------------------------------------------
 *
 * forest_internal.h
 *	  The flat forest: layout of the block that mlops_forest_read() returns.
 *
 * The block begins with struct MlopsForest.  All else is found by offsets from
 * its start, each a multiple of 8, so a copy at another address works as well:
 *
 *		MlopsForest			header
 *		base margins		float per group
 *		trees				MlopsTree per tree, in the order of the file
 *		nodes				MlopsNode, tree after tree
 *		sets				uint32, the categories of categorical splits
 *		features			MlopsFeature per feature
 *		category texts		uint32 per category, an offset into strings
 *		weights				float, of a linear model
 *		walk				what the row kernel reads, see MlopsWalk
 *		batch				what the batch kernels read, see batch.h
 *		strings				names, each with a zero at its end
 *
 * Nodes hold the model as it is, for whatever is to be computed from it:
 * SHAP values, importance, other kernels.  The walk holds the trees once more,
 * arranged for speed.  A kernel beside the row kernel adds a section of its
 * own and leaves the others alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_INTERNAL_H
#define MLOPS_FOREST_INTERNAL_H

#include "forest/batch.h"
#include "forest/forest.h"
#include "forest/wide.h"

#define MLOPS_FOREST_MAGIC	UINT64CONST(0x7473657246736c4d)
#define MLOPS_FOREST_LAYOUT	3

/* limits; doc/forest.md gives the reasons */
#define MLOPS_MAX_FILE		(256 * 1024 * 1024)
#define MLOPS_MAX_FEATURES	65536
#define MLOPS_MAX_GROUPS	1024
#define MLOPS_MAX_DEPTH		64
#define MLOPS_MAX_CATEGORY	16777216	/* first category code that float4 blurs */

/* from the value in the file to a margin, per value */
typedef enum MlopsLink
{
	MLOPS_LINK_IDENTITY,
	MLOPS_LINK_LOGIT,
	MLOPS_LINK_LOG,
	MLOPS_LINK_GAPS				/* expectiles, kept as distances */
} MlopsLink;

/* from margins to outputs */
typedef enum MlopsTransform
{
	MLOPS_TRANSFORM_IDENTITY,
	MLOPS_TRANSFORM_SIGMOID,
	MLOPS_TRANSFORM_STEP,
	MLOPS_TRANSFORM_EXP,
	MLOPS_TRANSFORM_EXP_DOUBLE,	/* by exp() instead of expf() */
	MLOPS_TRANSFORM_SOFTMAX,	/* a probability per class */
	MLOPS_TRANSFORM_ARGMAX,		/* the number of the likeliest class */
	MLOPS_TRANSFORM_SORT,
	MLOPS_TRANSFORM_CUMULATE	/* expectiles from distances */
} MlopsTransform;

typedef struct MlopsObjective
{
	const char *name;
	MlopsTask	task;
	MlopsLink	link;
	MlopsTransform transform;
} MlopsObjective;

typedef enum MlopsBooster
{
	MLOPS_BOOSTER_TREES,
	MLOPS_BOOSTER_DART,
	MLOPS_BOOSTER_LINEAR,
	MLOPS_BOOSTER_GBDT,
	MLOPS_BOOSTER_RF
} MlopsBooster;

/* how a node splits */
typedef enum MlopsSplit
{
	MLOPS_SPLIT_LEAF,			/* not at all; value is the leaf's */
	MLOPS_SPLIT_NUMERIC,		/* left if x < value */
	MLOPS_SPLIT_ONE,			/* right if x is the category code set */
	MLOPS_SPLIT_BITS,			/* right if x is in the bit set at sets[set] */
	MLOPS_SPLIT_LIST			/* right if x is in the sorted list there */
} MlopsSplit;

/*
 * A node.  Children come after their parent; the right child follows the left
 * one.  A set in sets begins with the number of its uint32 words; the words of
 * a bit set hold category i in bit i % 32 of word i / 32, those of a list hold
 * category codes in ascending order.
 */
typedef struct MlopsNode
{
	union
	{
		float		value;		/* threshold, or value of the leaf */
		uint32		set;		/* category code, or index into sets */
	}			u;
	int32		left;			/* left child, counted within the tree; 0 in a leaf */
	uint16		feature;
	uint8		split;			/* an MlopsSplit */
	bool		default_left;	/* where a missing value goes */
	float		cover;			/* sum of the hessian of the training rows */
	float		gain;			/* of the loss by this split; 0 in a leaf */
} MlopsNode;

typedef struct MlopsTree
{
	uint32		first_node;		/* of this tree, in nodes */
	uint32		num_nodes;
	int32		group;			/* the margin that it adds to */
	float		weight;			/* of dart; otherwise 1 */
	int32		depth;			/* 0: just a leaf */
	bool		categorical;	/* has a categorical split */
	bool		walked;			/* is in the walk */
} MlopsTree;

typedef struct MlopsFeature
{
	uint32		name;			/* offset into strings, or 0 */
	uint32		first_category; /* in category texts */
	uint32		num_categories; /* that the file names */
	uint8		kind;			/* an MlopsFeatureKind */
	bool		used;			/* by a split, or by a weight that is not 0 */
} MlopsFeature;

/*
 * What the row kernel reads.  See kernel.c for how it works.
 *
 * Before the walk the row is spread over slots, as keys (see batch.h): slot 0
 * holds 0, then come the features that have thresholds, once with the least key
 * for a missing value and once with the greatest, then one slot per distinct
 * categorical test.
 */
typedef struct MlopsWalkNode
{
	union
	{
		uint32		key;		/* right if slot > key */
		float		value;		/* of a leaf */
	}			u;
	uint16		slot;			/* 0 in a leaf */
	uint16		step;			/* from this node to its left child; 0 in a leaf */
} MlopsWalkNode;

/* features that the kernel reads at a time */
#define MLOPS_COLUMN_BLOCK	8

/* trees that are walked side by side */
#define MLOPS_LANES		16

typedef struct MlopsBundle
{
	uint32		root[MLOPS_LANES];	/* in walk nodes */
	uint32		num_trees;		/* lanes that have a tree of their own */
	uint32		depth;			/* of the deepest */
} MlopsBundle;

/* the categorical tests of one feature, as the row kernel evaluates them */
typedef struct MlopsTests
{
	uint16		feature;
	uint16		unused;
	uint32		num_codes;		/* codes from this one on all go left */
	uint32		first_entry;	/* entry c says where the slots of code c begin
								 * in test slots, entry num_codes where those
								 * of a missing value do; one more ends them */
} MlopsTests;

typedef struct MlopsWalk
{
	uint32		num_slots;
	uint32		num_features;	/* with thresholds, filled up to a multiple of 8 */
	uint32		first_test;		/* slot of the first categorical test */
	uint32		num_tests;		/* features with categorical tests */
	uint32		num_bundles;
	uint32		num_walked;		/* trees in bundles */
	bool		ordered;		/* bundles hold the trees in order, and all */
	uint64		columns;		/* uint16: those features */
	uint64		tests;			/* MlopsTests per such feature */
	uint64		entries;		/* uint32: index into test slots */
	uint64		test_slots;		/* uint16: slots to set */
	uint64		bundles;		/* MlopsBundle */
	uint64		nodes;			/* MlopsWalkNode */
	uint64		positions;		/* uint32 per tree: its place in bundles */
} MlopsWalk;

struct MlopsForest
{
	uint64		magic;
	uint32		layout;
	uint32		unused;
	uint64		size;			/* of the whole block */

	int32		format;			/* an MlopsFormat */
	int32		task;			/* an MlopsTask */
	int32		booster;		/* an MlopsBooster */
	int32		transform;		/* an MlopsTransform */
	int32		library_version[3];
	int32		num_features;
	int32		num_groups;
	int32		num_targets;
	int32		num_outputs;
	int32		num_trees;
	int32		num_rounds;
	int32		best_round;		/* of early stopping, or -1 */
	int32		max_depth;
	bool		has_feature_names;
	bool		weighted;		/* trees have weights */
	bool		base_last;		/* add base margins after the trees */
	bool		unseen_default; /* categories beyond a split's set take its
								 * default, instead of going left */
	int64		num_nodes;

	/* offsets from the start of the block */
	uint64		objective;		/* string */
	uint64		base_margins;
	uint64		trees;
	uint64		nodes;
	uint64		sets;
	uint64		features;
	uint64		categories;
	uint64		weights;
	uint64		strings;
	MlopsWalk	walk;
	MlopsWide	wide;			/* of a wide forest, which has no nodes and walk */
	MlopsBatch	batch;
};

/* the part of a forest at an offset */
#define mlops_part(forest, type, offset) \
	((const type *) ((const char *) (forest) + (offset)))

extern const MlopsObjective *mlops_objective_find(const char *name, size_t len);
extern MlopsTransform mlops_objective_transform(const MlopsObjective *objective,
												const int *version);
extern bool mlops_version_base_last(const int *version);
extern bool mlops_version_unseen_default(const int *version);
extern bool mlops_objective_margins(const MlopsObjective *objective, const int *version,
									float *values, int count);

/*
 * What a leaf adds to its margin.  XGBoost adds a leaf to 0 before it applies a
 * weight, which turns -0 into +0.
 */
static inline float
mlops_leaf_value(float value, bool weighted, float weight)
{
	return weighted ? (value + 0.0f) * weight : value;
}

/* kernel.c */
extern bool mlops_node_left(const MlopsForest *forest, const MlopsNode *node, float value);
extern const MlopsNode *mlops_tree_leaf(const MlopsForest *forest, const MlopsTree *tree,
										const float *row);
extern void mlops_fill_slots(const MlopsForest *forest, const float *row, uint32 *slots);

#endif							/* MLOPS_FOREST_INTERNAL_H */
