/*-------------------------------------------------------------------------
 *
 * batch_build.h
 *	  What the batch kernels read, while a forest is built.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_BATCH_BUILD_H
#define MLOPS_FOREST_BATCH_BUILD_H

#include "forest/forest_internal.h"
#include "forest/support.h"

/* what is planned: the parts of a forest; vectors are working memory */
typedef struct MlopsBatchPlan
{
	MlopsBatch	batch;			/* offsets are set by mlops_batch_place() */
	bool		wide;
	MlopsVector columns;		/* MlopsBatchColumn */
	MlopsVector chunks;			/* MlopsBatchChunk */
	MlopsVector keys;			/* uint32, or uint64 of a wide forest */
	MlopsVector trees;			/* MlopsBatchTree */
	MlopsVector ops;			/* MlopsPlaneOp */
	MlopsVector leaves;			/* float, or double of a wide forest */
	MlopsVector buckets;		/* uint32 */
} MlopsBatchPlan;

/* what is known of the forest by then; exactly one of nodes and wide_nodes */
typedef struct MlopsBatchSource
{
	MlopsSupport *support;
	const MlopsTree *trees;
	size_t		num_trees;
	const MlopsNode *nodes;
	const MlopsWideNode *wide_nodes;
	uint32		num_features;
	uint32		num_groups;
	bool		weighted;
	uint32		num_slots;		/* of the walk */
	uint32		first_test;		/* slot of the first categorical test */
	const uint32 *test_of;		/* per node: its categorical test */
	const uint32 *positions;	/* per tree: its place in bundles */
	const MlopsBundle *bundles;
	const MlopsWideBundle *wide_bundles;
	size_t		walk_size;		/* bytes of the nodes of the walk */
} MlopsBatchSource;

extern bool mlops_batch_plan(const MlopsBatchSource *source, MlopsBatchPlan *plan);
extern void mlops_batch_place(MlopsBatchPlan *plan, uint64 *size);
extern void mlops_batch_put(const MlopsBatchPlan *plan, MlopsForest *forest);

#endif							/* MLOPS_FOREST_BATCH_BUILD_H */
