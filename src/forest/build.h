/*-------------------------------------------------------------------------
 *
 * build.h
 *	  What is known of a model while it is read, and what makes a forest of it.
 *
 * A reader of a format fills an MlopsBuild: facts as it meets them, and tree
 * after tree through mlops_build_tree(), which checks a tree's structure and
 * keeps what can be reached of it.  mlops_build_finish() checks what can only
 * be checked at the end, and lays out the forest.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_BUILD_H
#define MLOPS_FOREST_BUILD_H

#include "forest/forest_internal.h"
#include "forest/support.h"

/* an array of a tree as the file has it, and where it begins in the file */
typedef struct MlopsColumn
{
	MlopsVector vector;
	size_t		offset;
	bool		seen;
} MlopsColumn;

/*
 * One tree as the file has it.  Vectors are used again from tree to tree.
 */
typedef struct MlopsTreeColumns
{
	size_t		offset;			/* of the tree in the file */
	int64		num_nodes;
	int64		num_deleted;	/* -1: the file does not say */
	MlopsColumn left;			/* int32 */
	MlopsColumn right;			/* int32 */
	MlopsColumn parents;		/* int32 */
	MlopsColumn features;		/* int32 */
	MlopsColumn values;			/* float: thresholds and values of leaves */
	MlopsColumn default_left;	/* uint8 */
	MlopsColumn split_type;		/* uint8: 1 is categorical; may be missing */
	MlopsColumn gain;			/* float */
	MlopsColumn cover;			/* float */
	MlopsColumn weights;		/* float; read, checked for length, not used */
	MlopsColumn categories;		/* int32: codes of all sets, one after the other */
	MlopsColumn set_nodes;		/* int32: the nodes that have sets */
	MlopsColumn set_begins;		/* int32 */
	MlopsColumn set_sizes;		/* int32 */
	MlopsVector depth;			/* uint8 per node; working space */
	MlopsVector position;		/* int32 per node; working space */
} MlopsTreeColumns;

typedef struct MlopsBuild
{
	MlopsSupport *support;
	MlopsFormat format;
	int			version[3];
	MlopsBooster booster;
	const MlopsObjective *objective;
	int64		num_features;
	int64		num_classes;	/* 0: not a model of classes */
	int64		num_targets;
	int64		num_rounds;		/* -1: not known */
	int64		best_round;		/* -1: no early stopping */
	size_t		parameters_offset;	/* of these facts in the file */

	MlopsTreeColumns columns;	/* the tree being read */
	int			max_feature;	/* largest that a split reads; -1: none */

	MlopsVector base_values;	/* float, as in the file: of outputs */
	MlopsVector nodes;			/* MlopsNode */
	MlopsVector trees;			/* MlopsTree */
	MlopsVector sets;			/* uint32 */
	MlopsVector groups;			/* int32 per tree */
	MlopsVector weight_drop;	/* float per tree, or none */
	MlopsVector weights;		/* float: a linear model */
	MlopsVector strings;		/* char; begins with a zero */
	MlopsVector names;			/* uint32 per feature, or none */
	MlopsVector kinds;			/* uint8 per feature, or none */
	MlopsVector category_ends;	/* uint32 per feature, or none */
	MlopsVector categories;		/* uint32: texts of all features' categories */
	MlopsVector category_bytes; /* uint8 per feature: 1 if they are not all ASCII */
	size_t		not_utf8_offset;	/* where the first is that is not UTF-8, or 0 */
	size_t		groups_offset;	/* of these arrays in the file */
	size_t		weight_drop_offset;
	size_t		weights_offset;
	size_t		names_offset;
	size_t		kinds_offset;
	size_t		categories_offset;
} MlopsBuild;

extern bool mlops_build_init(MlopsBuild *build, MlopsSupport *support);
extern bool mlops_build_tree(MlopsBuild *build);
extern bool mlops_build_check_features(MlopsBuild *build);
extern MlopsForest *mlops_build_finish(MlopsBuild *build);
extern bool mlops_build_string(MlopsBuild *build, const char *bytes, size_t len,
							   uint32 *offset);

/* walk.c */
typedef struct MlopsWalkPlan
{
	MlopsWalk	walk;			/* offsets not yet set */
	MlopsVector columns;		/* uint16 */
	MlopsVector tests;			/* MlopsTests */
	MlopsVector entries;		/* uint32 */
	MlopsVector test_slots;		/* uint16 */
	MlopsVector bundles;		/* MlopsBundle */
	MlopsVector nodes;			/* MlopsWalkNode */
	MlopsVector positions;		/* uint32 */
	const uint32 *test_of;		/* per node of the forest: its categorical test */
} MlopsWalkPlan;

extern bool mlops_walk_plan(MlopsBuild *build, MlopsWalkPlan *plan);

/* xgboost.c */
extern bool mlops_xgboost_read(MlopsBuild *build, const void *bytes, size_t len);

#endif							/* MLOPS_FOREST_BUILD_H */
