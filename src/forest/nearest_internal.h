/*-------------------------------------------------------------------------
 *
 * nearest_internal.h
 *	  The search for the least change: what its setup hands to the search.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_NEAREST_INTERNAL_H
#define MLOPS_FOREST_NEAREST_INTERNAL_H

#include "forest/forest_internal.h"
#include "forest/nearest.h"
#include "forest/support.h"

/* how a node of a cut down tree divides the points of its feature */
typedef enum MlopsNearestWay
{
	MLOPS_WAY_LEAF,
	MLOPS_WAY_POINTS,			/* the first points go left */
	MLOPS_WAY_ASK				/* the forest's node decides for each */
} MlopsNearestWay;

typedef struct MlopsNearestNode
{
	double		value;			/* of a leaf */
	uint32		option;
	uint32		points;			/* that go left; or the forest's node */
	uint32		left;
	uint32		right;
	uint8		way;
	bool		default_left;	/* where a missing value goes */
} MlopsNearestNode;

typedef struct MlopsNearestTree
{
	uint32		root;
	int32		group;
	double		present;		/* what it gives for the row as it is */
	uint32		stamp;			/* of the last evaluation that met it */
} MlopsNearestTree;

/* an option while it is searched */
typedef struct MlopsNearestFeature
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
} MlopsNearestFeature;

typedef struct MlopsNearestSearch
{
	MlopsNearest *nearest;
	const MlopsForest *forest;
	MlopsSupport support;
	MlopsNearestFeature *features;
	MlopsVector nodes;			/* MlopsNearestNode */
	MlopsNearestTree *trees;	/* those that an option occurs in */
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
} MlopsNearestSearch;

extern bool mlops_nearest_setup(MlopsNearestSearch *search);
extern double mlops_nearest_score(const MlopsNearest *nearest, double margin);
extern double mlops_nearest_leaf(const MlopsNearestSearch *search, uint32 root);

#endif							/* MLOPS_FOREST_NEAREST_INTERNAL_H */
