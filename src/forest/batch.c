/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Many rows at once: block after block, tree after tree.
 *
 * See batch.h for how that works.  All here and below reads the forest, which
 * many processes may share, and writes nothing but the caller's scratch memory
 * and margins.  The scratch memory of a block is, each part on a boundary of
 * lines:
 *
 *		sums		float or double, per margin and row
 *		planes		a byte, per plane and row
 *		results		a byte, per result and row
 *		keys		of a few columns at a time
 *		slots		of the walk
 *		row			the row kernel's scratch memory
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/forest_internal.h"

/* what vectors are aligned to */
#define LINE			64

/* of the rows of a vector that is not full: fewer are scored one by one */
#define FEW_ROWS		16

static const MlopsBatchKernel kernels[MLOPS_NUM_SIMD] = {
	[MLOPS_SIMD_PLAIN] = {
		mlops_rank_plain, mlops_rank_wide_plain, mlops_evaluate_plain,
		mlops_add_plain, mlops_add_wide_plain
	},
#ifdef MLOPS_SIMD_X86
	[MLOPS_SIMD_AVX2] = {
		mlops_rank_plain, mlops_rank_wide_plain, mlops_evaluate_avx2,
		mlops_add_plain, mlops_add_wide_plain
	},
	[MLOPS_SIMD_AVX512] = {
		mlops_rank_avx512, mlops_rank_wide_plain, mlops_evaluate_avx512,
		mlops_add_avx512, mlops_add_wide_avx512
	}
#endif
};

/* the instruction set in use; -1 until it is known */
static int	simd_in_use = -1;

/* the host's function to be called now and then, or NULL */
static void (*host_check) (void) = NULL;

/* steps of trees between two calls: some tens of milliseconds */
#define CHECK_STEPS		(16 * 1024 * 1024)

/*
 * Does this machine have an instruction set?
 */
bool
mlops_forest_simd_supported(MlopsSimd simd)
{
	switch (simd)
	{
		case MLOPS_SIMD_PLAIN:
			return true;
#ifdef MLOPS_SIMD_X86
		case MLOPS_SIMD_AVX2:
			return __builtin_cpu_supports("avx2");
		case MLOPS_SIMD_AVX512:
			return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
#endif
		default:
			return false;
	}
}

/*
 * The best that this machine has.
 */
MlopsSimd
mlops_forest_simd_best(void)
{
	MlopsSimd	simd = MLOPS_NUM_SIMD - 1;

	while (!mlops_forest_simd_supported(simd))
		simd--;
	return simd;
}

/*
 * The instruction set in use.
 */
MlopsSimd
mlops_forest_simd(void)
{
	if (simd_in_use < 0)
		simd_in_use = mlops_forest_simd_best();
	return simd_in_use;
}

/*
 * Use an instruction set that is supported.
 */
void
mlops_forest_simd_set(MlopsSimd simd)
{
	Assert(mlops_forest_simd_supported(simd));
	simd_in_use = simd;
}

/*
 * Have a function called now and then during a long batch; it need not return.
 */
void
mlops_forest_check_set(void (*check) (void))
{
	host_check = check;
}

/* count steps of trees, and call the host's function if they are many */
static inline void
count_steps(uint64 *steps, uint64 more)
{
	*steps += more;
	if (*steps >= CHECK_STEPS)
	{
		*steps = 0;
		if (host_check != NULL)
			host_check();
	}
}

/* where the parts of scratch memory are, as offsets */
typedef struct Scratch
{
	size_t		sums;
	size_t		planes;
	size_t		results;
	size_t		keys;
	size_t		slots;
	size_t		row;
	size_t		size;
} Scratch;

/*
 * Lay out the scratch memory.
 */
static Scratch
lay_out(const MlopsForest *forest, MlopsSimd simd)
{
	const MlopsBatch *batch = &forest->batch;
	uint32		rows = batch->block_rows[simd];
	size_t		width = forest->wide.used ? sizeof(uint64) : sizeof(uint32);
	Scratch		scratch;

	/* every part is a multiple of 64 bytes, as rows are */
	scratch.sums = 0;
	scratch.planes = scratch.sums + (size_t) forest->num_groups * rows * width;
	scratch.results = scratch.planes + (size_t) batch->num_planes * rows;
	scratch.keys = scratch.results + MLOPS_RESULTS * rows;
	scratch.slots = scratch.keys + MLOPS_KEY_COLUMNS * rows * width;
	scratch.row = scratch.slots;
	if (batch->walks >> simd & 1)
		scratch.row += mlops_walk_slots_size(forest, rows);
	scratch.size = scratch.row + mlops_forest_scratch_size(forest);
	return scratch;
}

/*
 * Bytes of scratch memory that a batch needs, by whatever instruction set.
 */
size_t
mlops_forest_batch_scratch_size(const MlopsForest *forest)
{
	size_t		size = mlops_forest_scratch_size(forest);

	for (int simd = 0; simd < MLOPS_NUM_SIMD; simd++)
	{
		/* the caller's is aligned as by palloc, ours to lines */
		if (forest->batch.blocks >> simd & 1)
			size = Max(size, LINE - 1 + lay_out(forest, simd).size);
	}
	return size;
}

/*
 * Score rows one by one.
 */
static void
score_rows(const MlopsForest *forest, const void *rows, uint32 num_rows,
		   void *scratch, void *margins, uint64 *steps)
{
	size_t		num_features = forest->num_features;
	size_t		num_groups = forest->num_groups;

	for (uint32 i = 0; i < num_rows; i++)
	{
		count_steps(steps, num_features + (uint64) forest->num_trees * (forest->max_depth + 1));
		if (forest->wide.used)
			mlops_forest_margin64(forest, (const double *) rows + i * num_features,
								  scratch, (double *) margins + i * num_groups);
		else
			mlops_forest_margin(forest, (const float *) rows + i * num_features,
								scratch, (float *) margins + i * num_groups);
	}
}

/*
 * The planes of categorical tests, as mlops_fill_slots() has their slots.
 */
static void
fill_tests(const MlopsForest *forest, const float *rows, uint32 num_rows,
		   uint32 padded, int8 *planes, size_t stride)
{
	const MlopsBatch *batch = &forest->batch;
	const MlopsWalk *walk = &forest->walk;
	const MlopsTests *tests = mlops_part(forest, MlopsTests, walk->tests);
	const uint32 *all_entries = mlops_part(forest, uint32, walk->entries);
	const uint16 *test_slots = mlops_part(forest, uint16, walk->test_slots);

	planes += batch->first_test * stride;
	for (uint32 t = 0; t < batch->num_tests; t++)
		memset(planes + t * stride, -128, padded);
	for (uint32 k = 0; k < walk->num_tests; k++)
	{
		const uint32 *entries = all_entries + tests[k].first_entry;

		for (uint32 i = 0; i < num_rows; i++)
		{
			float		value = rows[(size_t) i * forest->num_features + tests[k].feature];
			uint32		code;

			if (isnan(value))
				code = tests[k].num_codes;
			else if (value >= 0 && value < tests[k].num_codes)
				code = (uint32) value;
			else
				continue;
			for (uint32 e = entries[code]; e < entries[code + 1]; e++)
				planes[(test_slots[e] - walk->first_test) * stride + i] = -127;
		}
	}
}

/*
 * The planes of a block.
 */
static void
fill_planes(const MlopsForest *forest, MlopsSimd simd, const void *rows,
			uint32 num_rows, uint32 padded, void *keys, int8 *planes)
{
	const MlopsBatch *batch = &forest->batch;
	const MlopsBatchKernel *kernel = &kernels[simd];
	const MlopsBatchColumn *columns = mlops_part(forest, MlopsBatchColumn, batch->columns);
	const MlopsBatchChunk *chunk = mlops_part(forest, MlopsBatchChunk, batch->chunks);
	const MlopsBatchChunk *end = chunk + batch->num_chunks;
	const uint32 *tables = mlops_part(forest, uint32, batch->keys);
	const uint64 *wide_tables = mlops_part(forest, uint64, batch->keys);
	size_t		stride = batch->block_rows[simd];

	for (uint32 first = 0; first < batch->num_columns; first += MLOPS_KEY_COLUMNS)
	{
		if (forest->wide.used)
			mlops_keys_wide(rows, forest->num_features, num_rows, columns + first,
							keys, stride, padded);
		else
			mlops_keys(rows, forest->num_features, num_rows, columns + first,
					   keys, stride, padded);
		for (; chunk < end && chunk->column < first + MLOPS_KEY_COLUMNS; chunk++)
		{
			size_t		offset = (chunk->column - first) * stride;
			int8	   *left = chunk->left_plane == MLOPS_NO_PLANE ? NULL :
				planes + chunk->left_plane * stride;
			int8	   *right = chunk->right_plane == MLOPS_NO_PLANE ? NULL :
				planes + chunk->right_plane * stride;

			if (forest->wide.used)
				kernel->rank_wide(wide_tables + chunk->first_key, chunk->levels,
								  (const uint64 *) keys + offset, padded, left, right);
			else
				kernel->rank(tables + chunk->first_key, chunk->levels,
							 (const uint32 *) keys + offset, padded, left, right);
		}
	}
	if (batch->num_tests > 0)
		fill_tests(forest, rows, num_rows, padded, planes, stride);
}

/*
 * Add what a tree gives by its byte planes.
 */
static void
add_planes(const MlopsForest *forest, MlopsSimd simd, const MlopsBatchTree *tree,
		   const int8 *planes, uint8 *results, uint32 padded, void *sums)
{
	const MlopsBatch *batch = &forest->batch;
	const MlopsBatchKernel *kernel = &kernels[simd];
	const MlopsPlaneOp *ops = mlops_part(forest, MlopsPlaneOp, batch->ops) + tree->first_op;
	const float *leaves = mlops_part(forest, float, batch->leaves) + tree->first_leaf;
	const double *wide_leaves = mlops_part(forest, double, batch->leaves) + tree->first_leaf;
	const uint32 *begins = mlops_part(forest, uint32, batch->buckets) + tree->first_bucket;
	size_t		stride = batch->block_rows[simd];
	const uint8 *numbers = results + (tree->num_ops > 0 ? stride : 0);
	const uint8 *buckets = results + (MLOPS_RESULT_BUCKET + 1) * stride;

	kernel->evaluate(ops, tree->num_ops, planes, results, stride, padded);
	if (tree->num_buckets > 1)
	{
		for (uint32 i = 0; i < padded; i++)
		{
			uint32		leaf = begins[buckets[i]] + numbers[i];

			if (forest->wide.used)
				((double *) sums)[i] += wide_leaves[leaf];
			else
				((float *) sums)[i] += leaves[leaf];
		}
	}
	else if (forest->wide.used)
		kernel->add_wide(wide_leaves, tree->num_leaves, numbers, padded, sums);
	else
		kernel->add(leaves, tree->num_leaves, numbers, padded, sums);
}

/*
 * Add what a tree gives that no batch kernel does.
 */
static void
add_plainly(const MlopsForest *forest, int t, const void *rows, uint32 num_rows, void *sums)
{
	const MlopsTree *tree = mlops_part(forest, MlopsTree, forest->trees) + t;

	for (uint32 i = 0; i < num_rows; i++)
	{
		if (forest->wide.used)
		{
			const double *row = (const double *) rows + (size_t) i * forest->num_features;

			((double *) sums)[i] += tree->walked ? mlops_wide_leaf(forest, tree, row)->value :
				mlops_wide_linear_value(forest, tree, row);
		}
		else
		{
			const float *row = (const float *) rows + (size_t) i * forest->num_features;

			((float *) sums)[i] += mlops_leaf_value(mlops_tree_leaf(forest, tree, row)->u.value,
													forest->weighted, tree->weight);
		}
	}
}

/*
 * Score the rows of one block.  padded is num_rows or a little more, and a
 * multiple of MLOPS_BLOCK_UNIT; what is computed for the rows between is
 * dropped.  scratch is aligned to lines.
 */
static void
score_block(const MlopsForest *forest, MlopsSimd simd, const void *rows, uint32 num_rows,
			uint32 padded, char *scratch, void *margins, uint64 *steps)
{
	const MlopsBatch *batch = &forest->batch;
	const MlopsTree *trees = mlops_part(forest, MlopsTree, forest->trees);
	const MlopsBatchTree *batch_trees = mlops_part(forest, MlopsBatchTree, batch->trees);
	const float *base = mlops_part(forest, float, forest->base_margins);
	Scratch		parts = lay_out(forest, simd);
	int8	   *planes = (int8 *) scratch + parts.planes;
	uint8	   *results = (uint8 *) scratch + parts.results;
	bool		walks = (batch->walks >> simd & 1) != 0;
	size_t		stride = batch->block_rows[simd];
	size_t		width = forest->wide.used ? sizeof(double) : sizeof(float);
	float	   *sums = (float *) (scratch + parts.sums);
	double	   *wide_sums = (double *) (scratch + parts.sums);
	size_t		num_groups = forest->num_groups;

	fill_planes(forest, simd, rows, num_rows, padded, scratch + parts.keys, planes);
	memset(results, 0, stride);
	if (walks)
		mlops_walk_spread(forest, rows, num_rows, padded, scratch + parts.row,
						  scratch + parts.slots);
	for (size_t g = 0; g < num_groups; g++)
	{
		for (uint32 i = 0; i < padded; i++)
		{
			if (forest->wide.used)
				wide_sums[g * stride + i] = 0.0;
			else
				sums[g * stride + i] = forest->base_last ? 0.0f : base[g];
		}
	}

	for (int t = 0; t < forest->num_trees; t++)
	{
		void	   *group_sums = scratch + parts.sums + trees[t].group * stride * width;

		count_steps(steps, (uint64) padded * (trees[t].depth + 1));
		if (batch_trees[t].planes >> simd & 1)
			add_planes(forest, simd, &batch_trees[t], planes, results, padded, group_sums);
		else if (walks && trees[t].walked)
			mlops_walk_add(forest, t, batch_trees[t].root, scratch + parts.slots, padded, group_sums);
		else
			add_plainly(forest, t, rows, num_rows, group_sums);
	}

	for (uint32 i = 0; i < num_rows; i++)
	{
		for (size_t g = 0; g < num_groups; g++)
		{
			if (forest->wide.used)
				((double *) margins)[i * num_groups + g] = wide_sums[g * stride + i];
			else
				((float *) margins)[i * num_groups + g] =
					forest->base_last ? base[g] + sums[g * stride + i] : sums[g * stride + i];
		}
	}
}

/*
 * Margins of num_rows rows, with the bits that each would get alone.
 */
void
mlops_forest_margin_batch(const MlopsForest *forest, const void *rows, int num_rows,
						  void *scratch, void *margins)
{
	MlopsSimd	simd = mlops_forest_simd();
	bool		blocks = (forest->batch.blocks >> simd & 1) != 0;
	size_t		width = forest->wide.used ? sizeof(double) : sizeof(float);
	size_t		row_size = forest->num_features * width;
	size_t		margin_size = forest->num_groups * width;
	char	   *lines = (char *) TYPEALIGN(LINE, scratch);
	uint64		steps = 0;

	if (!blocks)
	{
		score_rows(forest, rows, num_rows, scratch, margins, &steps);
		return;
	}
	while (num_rows > 0)
	{
		uint32		count = Min((uint32) num_rows, forest->batch.block_rows[simd]);
		uint32		few = count % MLOPS_BLOCK_UNIT;

		if (count < FEW_ROWS)
		{
			score_rows(forest, rows, num_rows, scratch, margins, &steps);
			return;
		}
		/* a few rows too many would cost as much as a unit of rows */
		if (few < FEW_ROWS && few < count)
			count -= few;
		score_block(forest, simd, rows, count, TYPEALIGN(MLOPS_BLOCK_UNIT, count), lines, margins,
					&steps);
		rows = (const char *) rows + count * row_size;
		margins = (char *) margins + count * margin_size;
		num_rows -= count;
	}
}
