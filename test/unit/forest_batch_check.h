/*-------------------------------------------------------------------------
 *
 * forest_batch_check.h
 *	  For tests of the batch kernels: every instruction set and every choice of
 *	  kernels beside the row kernel, bit for bit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FOREST_BATCH_CHECK_H
#define FOREST_BATCH_CHECK_H

#include <math.h>

#include "forest/forest_internal.h"

/* which kernels are used, whatever the cost model says */
typedef enum Choice
{
	AS_BUILT,
	PLANES,						/* planes for all trees that have them */
	WALKS,						/* no planes */
	PLAINLY,					/* neither planes nor walks */
	SMALL_BLOCKS,				/* as PLANES, in the smallest blocks */
	NUM_CHOICES
} Choice;

static const char *const simd_names[MLOPS_NUM_SIMD] = {"plain", "avx2", "avx512"};

/* make the choice in a forest of our own */
static inline void
choose_kernels(MlopsForest *forest, Choice choice)
{
	MlopsBatchTree *trees = (MlopsBatchTree *) ((char *) forest + forest->batch.trees);

	if (choice == AS_BUILT)
		return;
	forest->batch.blocks = forest->num_trees > 0 ? ~0 : 0;
	forest->batch.walks = choice == PLAINLY ? 0 : ~0;
	for (int t = 0; t < forest->num_trees; t++)
		trees[t].planes = (choice == PLANES || choice == SMALL_BLOCKS) && trees[t].num_leaves > 0 ? ~0 : 0;
	for (int simd = 0; simd < MLOPS_NUM_SIMD; simd++)
		forest->batch.block_rows[simd] = choice == SMALL_BLOCKS ? MLOPS_BLOCK_UNIT : 256;
}

/* the same bits, or no numbers both: what is left of infinities differs */
static inline bool
same_margins(const char *a, const char *b, size_t size, bool wide)
{
	size_t		width = wide ? sizeof(double) : sizeof(float);

	for (size_t i = 0; i < size; i += width)
	{
		if (memcmp(a + i, b + i, width) != 0 &&
			!(wide ? isnan(*(const double *) (a + i)) && isnan(*(const double *) (b + i)) :
			  isnan(*(const float *) (a + i)) && isnan(*(const float *) (b + i))))
			return false;
	}
	return true;
}

/*
 * Score rows by one choice and instruction set, in a batch of each of the given
 * sizes; rows whose margins differ from those of expected in any bit.  Memory is
 * as short and as badly aligned as it may be, and its content is arbitrary.
 */
static inline long
batch_differences(const MlopsForest *forest, MlopsSimd simd, const void *rows, const int *sizes,
				  int num_sizes, const void *expected)
{
	size_t		width = forest->wide.used ? sizeof(double) : sizeof(float);
	size_t		row_size = forest->num_features * width;
	size_t		margin_size = forest->num_groups * width;
	size_t		scratch_size = mlops_forest_batch_scratch_size(forest);
	long		differ = 0;

	mlops_forest_simd_set(simd);
	for (int k = 0; k < num_sizes; k++)
	{
		char	   *scratch = malloc(scratch_size + 8);
		char	   *margins = malloc(sizes[k] * margin_size);
		char	   *copy = malloc(sizes[k] * row_size);

		memcpy(copy, rows, sizes[k] * row_size);
		memset(scratch, 0xA5 + k, scratch_size + 8);
		memset(margins, 0xA5, sizes[k] * margin_size);
		mlops_forest_margin_batch(forest, copy, sizes[k], scratch + 8, margins);
		for (int i = 0; i < sizes[k]; i++)
			differ += !same_margins(margins + i * margin_size, (const char *) expected + i * margin_size,
									margin_size, forest->wide.used);
		for (int i = 0; i < 8; i++)
			differ += scratch[i] != (char) (0xA5 + k);
		free(scratch);
		free(margins);
		free(copy);
	}
	return differ;
}

/*
 * Compare all choices and instruction sets with the row kernel; the number of
 * margins that differ.
 */
static inline long
check_batch(const MlopsForest *forest, const void *rows, const int *sizes, int num_sizes)
{
	size_t		width = forest->wide.used ? sizeof(double) : sizeof(float);
	MlopsForest *copy = malloc(mlops_forest_size(forest));
	char	   *scratch = malloc(mlops_forest_scratch_size(forest));
	int			most = 0;
	char	   *expected;
	long		all = 0;

	for (int k = 0; k < num_sizes; k++)
		most = Max(most, sizes[k]);
	expected = malloc(most * forest->num_groups * width);
	for (size_t i = 0; i < (size_t) most; i++)
	{
		if (forest->wide.used)
			mlops_forest_margin64(forest, (const double *) rows + i * forest->num_features, scratch,
								  (double *) expected + i * forest->num_groups);
		else
			mlops_forest_margin(forest, (const float *) rows + i * forest->num_features, scratch,
								(float *) expected + i * forest->num_groups);
	}
	for (Choice choice = 0; choice < NUM_CHOICES; choice++)
	{
		memcpy(copy, forest, mlops_forest_size(forest));
		choose_kernels(copy, choice);
		for (int simd = 0; simd < MLOPS_NUM_SIMD; simd++)
		{
			long		differ;

			if (!mlops_forest_simd_supported(simd))
				continue;
			differ = batch_differences(copy, simd, rows, sizes, num_sizes, expected);
			if (differ > 0)
				printf("# choice %d, %s: %ld margins differ\n", choice, simd_names[simd], differ);
			all += differ;
		}
	}
	free(copy);
	free(scratch);
	free(expected);
	return all;
}

/*
 * Does a batch of rows get the margins that the row kernel gave them, by every
 * instruction set, as the forest was built and by either kernel alone?
 */
static inline bool
batches_agree(const MlopsForest *forest, const void *rows, int num_rows, const void *margins)
{
	static const Choice choices[] = {AS_BUILT, SMALL_BLOCKS, WALKS};
	MlopsForest *copy = malloc(mlops_forest_size(forest));
	MlopsSimd	before = mlops_forest_simd();
	long		differ = 0;

	for (int i = 0; i < (int) lengthof(choices); i++)
	{
		memcpy(copy, forest, mlops_forest_size(forest));
		choose_kernels(copy, choices[i]);
		for (int simd = 0; simd < MLOPS_NUM_SIMD; simd++)
		{
			if (mlops_forest_simd_supported(simd))
				differ += batch_differences(copy, simd, rows, &num_rows, 1, margins);
		}
	}
	mlops_forest_simd_set(before);
	free(copy);
	return differ == 0;
}

/*
 * The same for few rows, which batches would score one by one: they are
 * repeated.
 */
static inline bool
repeated_batches_agree(const MlopsForest *forest, const void *rows, int num_rows, const void *margins)
{
	size_t		width = forest->wide.used ? sizeof(double) : sizeof(float);
	size_t		row_size = forest->num_features * width;
	size_t		margin_size = forest->num_groups * width;
	int			count = (2 * MLOPS_BLOCK_UNIT / num_rows + 1) * num_rows;
	char	   *many = malloc(count * row_size);
	char	   *expected = malloc(count * margin_size);
	bool		same;

	for (int i = 0; i < count; i++)
	{
		memcpy(many + i * row_size, (const char *) rows + i % num_rows * row_size, row_size);
		memcpy(expected + i * margin_size, (const char *) margins + i % num_rows * margin_size, margin_size);
	}
	same = batches_agree(forest, many, count, expected);
	free(many);
	free(expected);
	return same;
}

#endif							/* FOREST_BATCH_CHECK_H */
