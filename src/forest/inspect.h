/*-------------------------------------------------------------------------
 *
 * inspect.h
 *	  A forest as it is, for whoever writes it down in another language.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_INSPECT_H
#define MLOPS_FOREST_INSPECT_H

#include "forest/forest.h"

/* what becomes of margins */
typedef enum MlopsOutput
{
	MLOPS_OUTPUT_MARGIN,
	MLOPS_OUTPUT_SIGMOID,		/* 1 / (1 + exp(-factor * margin)) */
	MLOPS_OUTPUT_STEP,			/* 1 if it is more than 0, else 0 */
	MLOPS_OUTPUT_EXP,
	MLOPS_OUTPUT_LOG1P_EXP,		/* log(1 + exp(margin)) */
	MLOPS_OUTPUT_SIGNED_SQUARE,
	MLOPS_OUTPUT_SOFTMAX,		/* a probability per class */
	MLOPS_OUTPUT_SORT,			/* ascending */
	MLOPS_OUTPUT_CUMULATE		/* each is that before + 1e-6 + log(1 + exp(margin)) */
} MlopsOutput;

typedef struct MlopsPlan
{
	bool		linear;			/* weights instead of trees */
	bool		base_last;		/* base margins are added after the trees */
	MlopsOutput output;
	double		factor;			/* of the sigmoid */
	double		divisor;		/* of margins, before they become outputs */
} MlopsPlan;

typedef struct MlopsTreePlan
{
	int			number;
	uint32		root;			/* its first node */
	uint32		num_nodes;		/* which follow each other */
	int			group;			/* the margin that it adds to */
	bool		linear_leaves;	/* which give more than a value */
} MlopsTreePlan;

/* a node, by its number in the forest; the children have greater numbers */
typedef struct MlopsNodePlan
{
	bool		leaf;
	double		value;			/* that a leaf adds to the margin */
	int			feature;
	bool		threshold;		/* left up to this value, missing by default_left */
	double		cut;			/* which is as the forest reads it; NaN: nothing goes left */
	bool		default_left;	/* where a missing value goes */
	uint32		left;
	uint32		right;
} MlopsNodePlan;

extern void mlops_forest_plan(const MlopsForest *forest, MlopsPlan *plan);
extern double mlops_forest_base(const MlopsForest *forest, int group);
extern double mlops_forest_weight(const MlopsForest *forest, int feature, int group);
extern void mlops_forest_tree(const MlopsForest *forest, int number, MlopsTreePlan *tree);
extern void mlops_forest_node(const MlopsForest *forest, const MlopsTreePlan *tree, uint32 number,
							  MlopsNodePlan *node);

#endif							/* MLOPS_FOREST_INSPECT_H */
