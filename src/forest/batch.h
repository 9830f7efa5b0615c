/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  What the batch kernels read of a forest, and what they are.
 *
 * Rows are scored in blocks.  Within a block one tree after the other is
 * evaluated for all rows, by the cheapest kernel for the tree, and what its
 * leaves give is added to the rows' sums; so each margin gets the values of its
 * trees in the order of the file, and the bits of the row kernel.
 *
 * Byte planes (batch_plane.c).  A comparison with a threshold only asks how
 * many of the thresholds that the forest has for the feature are not above the
 * value.  That number, the rank, is found once per value; it is exact whatever
 * the numbers are, and of up to 255 thresholds it fits into a byte.  A feature
 * with more thresholds has them in several chunks, each with ranks of its own.
 * The ranks of one chunk for all rows of the block are a plane.  A missing
 * value has rank 0 in the plane of nodes that send it left, 255 in the plane of
 * nodes that send it right.  A categorical test is a plane of 0 and 1.
 *
 * The nodes of a tree, from the leaves up, become operations on planes: compare
 * a plane with a constant, and take for each row the left or the right child's
 * result.  A result is the number of the leaf, counted from the left within the
 * node's subtree: that of the right child plus the leaves of the left one.  There
 * are no branches, no misses, and 16, 32 or 64 rows per instruction; but all
 * nodes are evaluated, not just those on the row's path.
 *
 * Walk (batch_walk.c).  A tree that is too large for that is walked for sixteen
 * (wide: eight) rows side by side, over the nodes of the row kernel.  Its nodes
 * come to the cache once for all rows.
 *
 * Which of the two a tree gets, and if blocks are worth it at all, is decided
 * when the forest is built, by rough costs in cycles, for each instruction set.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_BATCH_H
#define MLOPS_FOREST_BATCH_H

#include "forest/forest.h"

/* rows of a block: at most, and what it is a multiple of */
#define MLOPS_BLOCK_MAX		1024
#define MLOPS_BLOCK_UNIT	64

/* planes of a forest, and slots of its walk in a block: bound the scratch memory */
#define MLOPS_MAX_PLANES		4096
#define MLOPS_MAX_WALK_SLOTS	4096

/* thresholds of a chunk */
#define MLOPS_CHUNK_KEYS	255

/* leaves that one byte tells apart, operations of a tree */
#define MLOPS_BUCKET_LEAVES	256
#define MLOPS_MAX_OPS		4096

/*
 * Results that a tree's operations keep: number 0 is that of a leaf, the others
 * are a stack, which needs one for each doubling of the operations.  The upper
 * half holds buckets.
 */
#define MLOPS_RESULTS		32
#define MLOPS_RESULT_BUCKET	16

/* a column of keys: a feature, and what is missing */
typedef struct MlopsBatchColumn
{
	uint16		feature;
	uint8		missing;		/* an MlopsMissing; in a wide forest */
	uint8		unused;
} MlopsBatchColumn;

/* columns that are read at a time; the last ones are filled up with the first */
#define MLOPS_KEY_COLUMNS	8

#define MLOPS_NO_PLANE	PG_UINT16_MAX

/*
 * Thresholds of a column, as a binary search tree of so many levels: the
 * children of key i, from 1 on, are 2 * i and 2 * i + 1.  Keys that there are
 * not are above all others.
 */
typedef struct MlopsBatchChunk
{
	uint32		column;
	uint32		first_key;		/* in keys: that of index 0, which is not used */
	uint32		levels;
	uint16		left_plane;		/* or MLOPS_NO_PLANE */
	uint16		right_plane;
} MlopsBatchChunk;

/* levels of a chunk: as many keys as two vectors hold at least */
#define MLOPS_MIN_LEVELS	5
#define MLOPS_MAX_LEVELS	8

/*
 * results[out] = plane > threshold ? results[right] + add : results[left].
 * Planes are signed bytes, 128 less than the rank.
 */
typedef struct MlopsPlaneOp
{
	uint16		plane;
	int8		threshold;
	uint8		add;
	uint8		left;
	uint8		right;
	uint8		out;
	uint8		unused;
} MlopsPlaneOp;

/*
 * What there is of a tree; num_leaves is 0 if it has no operations.  The result is in
 * results[1], or results[0] without operations.  A tree of more leaves than a
 * byte can number has them in buckets: that of a row is in
 * results[MLOPS_RESULT_BUCKET + 1].
 */
typedef struct MlopsBatchTree
{
	uint32		first_op;
	uint32		num_ops;
	uint32		first_leaf;		/* in leaves */
	uint32		num_leaves;
	uint32		first_bucket;	/* in buckets: the first leaf of each */
	uint32		num_buckets;	/* 1: numbers are those of leaves */
	uint32		root;			/* in the nodes of the walk */
	uint32		planes;			/* bit per MlopsSimd: by planes */
} MlopsBatchTree;

typedef struct MlopsBatch
{
	uint32		blocks;			/* bit per MlopsSimd: rows are scored in blocks */
	uint32		walks;			/* bit per MlopsSimd: some tree is walked then */
	uint32		block_rows[MLOPS_NUM_SIMD];
	uint32		num_columns;	/* a multiple of MLOPS_KEY_COLUMNS */
	uint32		num_chunks;
	uint32		num_planes;
	uint32		first_test;		/* plane of the first categorical test */
	uint32		num_tests;
	uint64		columns;		/* MlopsBatchColumn */
	uint64		chunks;			/* MlopsBatchChunk */
	uint64		keys;			/* uint32, or uint64 of a wide forest */
	uint64		trees;			/* MlopsBatchTree per tree */
	uint64		ops;			/* MlopsPlaneOp */
	uint64		leaves;			/* float, or double: per tree from left to right */
	uint64		buckets;		/* uint32 */
} MlopsBatch;

/*
 * A number as an unsigned integer of the same order; see mlops_wide_key() for
 * double.  It must not be NaN; 0 and the greatest integer are no number's.
 */
static inline uint32
mlops_narrow_key(float number)
{
	uint32		bits;

	/* -0 is 0 */
	number += 0.0f;
	memcpy(&bits, &number, sizeof(bits));
	return bits ^ ((uint32) -(int32) (bits >> 31) | 0x80000000);
}

/* the key of a missing value */
#define MLOPS_KEY_MISSING	0

/*
 * Instruction sets beyond the compiler's own are used function by function, so
 * that the library as a whole runs everywhere.
 */
#if defined(__x86_64__) && defined(__GNUC__)
#define MLOPS_SIMD_X86
#define MLOPS_TARGET_AVX2	__attribute__((target("avx2")))
#define MLOPS_TARGET_AVX512	__attribute__((target("avx512f,avx512bw")))
#endif

/*
 * The functions that exist once per instruction set.  rows is the number of
 * rows to do, a multiple of MLOPS_BLOCK_UNIT; stride is that of planes and
 * results from one to the next.  Planes, results, keys and sums are aligned to
 * 64 bytes; tables and leaves, which are in the forest, are not.
 */
typedef void (*MlopsRank) (const uint32 *table, uint32 levels, const uint32 *keys,
						   uint32 rows, int8 *left, int8 *right);
typedef void (*MlopsRankWide) (const uint64 *table, uint32 levels, const uint64 *keys,
							   uint32 rows, int8 *left, int8 *right);
typedef void (*MlopsEvaluate) (const MlopsPlaneOp *ops, uint32 num_ops, const int8 *planes,
							   uint8 *results, uint32 stride, uint32 rows);
typedef void (*MlopsAdd) (const float *leaves, uint32 num_leaves, const uint8 *numbers,
						  uint32 rows, float *sums);
typedef void (*MlopsAddWide) (const double *leaves, uint32 num_leaves, const uint8 *numbers,
							  uint32 rows, double *sums);

typedef struct MlopsBatchKernel
{
	MlopsRank	rank;
	MlopsRankWide rank_wide;
	MlopsEvaluate evaluate;
	MlopsAdd	add;
	MlopsAddWide add_wide;
} MlopsBatchKernel;

/* batch_rank.c */
extern void mlops_keys(const float *rows, uint32 num_features, uint32 num_rows,
					   const MlopsBatchColumn *columns, uint32 *keys,
					   uint32 stride, uint32 padded);
extern void mlops_keys_wide(const double *rows, uint32 num_features, uint32 num_rows,
							const MlopsBatchColumn *columns, uint64 *keys,
							uint32 stride, uint32 padded);
extern void mlops_rank_plain(const uint32 *table, uint32 levels, const uint32 *keys,
							 uint32 rows, int8 *left, int8 *right);
extern void mlops_rank_wide_plain(const uint64 *table, uint32 levels, const uint64 *keys,
								  uint32 rows, int8 *left, int8 *right);
#ifdef MLOPS_SIMD_X86
extern void mlops_rank_avx512(const uint32 *table, uint32 levels, const uint32 *keys,
							  uint32 rows, int8 *left, int8 *right);
#endif

/* batch_plane.c */
extern void mlops_evaluate_plain(const MlopsPlaneOp *ops, uint32 num_ops, const int8 *planes,
								 uint8 *results, uint32 stride, uint32 rows);
extern void mlops_add_plain(const float *leaves, uint32 num_leaves, const uint8 *numbers,
							uint32 rows, float *sums);
extern void mlops_add_wide_plain(const double *leaves, uint32 num_leaves, const uint8 *numbers,
								 uint32 rows, double *sums);
#ifdef MLOPS_SIMD_X86
extern void mlops_evaluate_avx2(const MlopsPlaneOp *ops, uint32 num_ops, const int8 *planes,
								uint8 *results, uint32 stride, uint32 rows);
extern void mlops_evaluate_avx512(const MlopsPlaneOp *ops, uint32 num_ops, const int8 *planes,
								  uint8 *results, uint32 stride, uint32 rows);
extern void mlops_add_avx512(const float *leaves, uint32 num_leaves, const uint8 *numbers,
							 uint32 rows, float *sums);
extern void mlops_add_wide_avx512(const double *leaves, uint32 num_leaves, const uint8 *numbers,
								  uint32 rows, double *sums);
#endif

/* batch_walk.c: lanes of the walk */
#define MLOPS_WALK_ROWS			16
#define MLOPS_WALK_ROWS_WIDE	8

extern size_t mlops_walk_slots_size(const MlopsForest *forest, uint32 rows);
extern void mlops_walk_spread(const MlopsForest *forest, const void *rows, uint32 num_rows,
							  uint32 padded, void *row_scratch, void *slots);
extern void mlops_walk_add(const MlopsForest *forest, int tree, uint32 root,
						   const void *slots, uint32 padded, void *sums);

#endif							/* MLOPS_FOREST_BATCH_H */
