/*-------------------------------------------------------------------------
 *
 * shap_internal.h
 *	  A forest arranged for contributions: shap_create.c makes it, shap.c
 *	  computes with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_SHAP_INTERNAL_H
#define MLOPS_FOREST_SHAP_INTERNAL_H

#include "forest/forest_internal.h"
#include "forest/shap.h"

/* points that are worked on side by side */
#define MLOPS_SHAP_LANES	4

/* split nodes of a subtree that are worked on in two passes */
#define MLOPS_SHAP_BLOCK	256

/* a split that the row follows so far with its feature; otherwise 0 */
#define GOES_LEFT		1
#define GOES_RIGHT		2

/* both children of a node are leaves, or one of them is */
#define LEFT_LEAF		1
#define RIGHT_LEAF		2

/* a split, in the preorder of its tree */
typedef struct MlopsShapSplit
{
	double		rest;			/* r of the splits above on the same feature */
	double		part;			/* c of the left child; the right one has the
								 * rest of 1 */
	float		threshold;		/* left if slot < threshold; not of a wide forest */
	uint32		slot;
	uint32		above;			/* the lowest split above on the same feature,
								 * counted from 1; or 0 */
	uint32		right;			/* the right child, unless it is a leaf */
	uint32		leaf;			/* of the first child that is a leaf */
	uint16		feature;		/* counted among those in use */
	uint8		side;			/* of the split above where this one is */
	uint8		leaves;			/* which children are leaves */
} MlopsShapSplit;

typedef struct MlopsShapTree
{
	uint32		first_split;
	uint32		num_splits;
	uint32		first_leaf;
	uint32		first_test;
	uint32		num_tests;
	uint32		first_point;	/* of its passes */
	int32		passes;
	int32		group;
} MlopsShapTree;

struct MlopsShap
{
	size_t		size;			/* of the block */
	int32		num_features;
	int32		num_groups;
	int32		num_trees;
	int32		num_used;		/* features that splits read */
	uint32		num_slots;		/* of features; those of tests come after them */
	uint32		max_splits;		/* of a tree */
	uint32		max_tests;		/* of a tree */
	uint32		max_frames;		/* see work_tree() */
	double	   *points;			/* of quadrature, by the number of passes */
	double	   *weights;		/* over point^2 */
	double	   *bases;			/* per group */
	MlopsShapTree *trees;
	MlopsShapSplit *splits;
	uint64	   *keys;			/* of a wide forest, per split: left unless
								 * slot > key; otherwise NULL */
	double	   *leaves;			/* values, in the order of their splits */
	uint32	   *tests;			/* nodes of the forest whose outcome is found
								 * before the passes, and put into their slot */
	uint16	   *used;			/* features by their number among those in use */
};

/* the part of a child of a split */
static inline double
mlops_shap_part(const MlopsShapSplit *split, int child)
{
	return child == 0 ? split->part : 1 - split->part;
}

#endif							/* MLOPS_FOREST_SHAP_INTERNAL_H */
