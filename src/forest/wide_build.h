/*-------------------------------------------------------------------------
 *
 * wide_build.h
 *	  What is known of a model of LightGBM's while it is read, and what makes
 *	  a forest of it.
 *
 * The counterpart of build.h: lightgbm.c fills an MlopsWideBuild, tree after
 * tree through mlops_wide_tree(), and mlops_wide_finish() lays out the forest.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_WIDE_BUILD_H
#define MLOPS_FOREST_WIDE_BUILD_H

#include "forest/build.h"

/*
 * One tree as the file has it: num_leaves - 1 splits, num_leaves leaves.
 * Vectors are used again from tree to tree.
 */
typedef struct MlopsWideColumns
{
	size_t		offset;			/* of the tree in the file */
	int64		num_leaves;
	int64		num_sets;
	bool		linear;
	MlopsColumn features;		/* int32 per split */
	MlopsColumn gain;			/* float per split */
	MlopsColumn threshold;		/* double per split */
	MlopsColumn decision;		/* int32 per split */
	MlopsColumn left;			/* int32 per split */
	MlopsColumn right;			/* int32 per split */
	MlopsColumn leaf_value;		/* double per leaf */
	MlopsColumn leaf_count;		/* int32 per leaf */
	MlopsColumn count;			/* int32 per split */
	MlopsColumn set_begins;		/* int32 per set, and the end of the last */
	MlopsColumn sets;			/* uint32 */
	MlopsColumn constants;		/* double per leaf */
	MlopsColumn num_terms;		/* int32 per leaf */
	MlopsColumn term_features;	/* int32 */
	MlopsColumn coefficients;	/* double */
	MlopsVector queue;			/* int32 per node; working space */
	MlopsVector depth;			/* uint16 per node; working space */
	MlopsVector seen;			/* bool per split and leaf; working space */
} MlopsWideColumns;

typedef struct MlopsWideBuild
{
	MlopsBuild	build;			/* names, kinds, categories, trees and sets */
	const char *objective;
	MlopsTask	task;
	MlopsWideTransform transform;
	double		sigmoid;
	bool		averaged;
	bool		lacks_counts;	/* a tree had none */
	bool		lacks_gains;
	int64		num_groups;
	MlopsWideColumns columns;	/* the tree being read */
	MlopsVector nodes;			/* MlopsWideNode */
	MlopsVector equations;		/* MlopsEquation */
	MlopsVector terms;			/* MlopsTerm */
} MlopsWideBuild;

extern bool mlops_wide_init(MlopsWideBuild *wide, MlopsSupport *support);
extern bool mlops_wide_tree(MlopsWideBuild *wide);
extern MlopsForest *mlops_wide_finish(MlopsWideBuild *wide);

/* wide_walk.c */
typedef struct MlopsWideWalk
{
	MlopsWide	parts;			/* offsets not yet set */
	MlopsVector planes;			/* uint16 */
	MlopsVector bundles;		/* MlopsWideBundle */
	MlopsVector steps;			/* MlopsStep */
	MlopsVector set_steps;		/* MlopsSetStep */
	MlopsVector positions;		/* uint32 */
} MlopsWideWalk;

extern bool mlops_wide_walk(MlopsWideBuild *wide, MlopsWideWalk *walk);

/* lightgbm.c */
extern bool mlops_lightgbm_read(MlopsWideBuild *wide, const void *bytes, size_t len);

#endif							/* MLOPS_FOREST_WIDE_BUILD_H */
