/*-------------------------------------------------------------------------
 *
 * batch_walk.c
 *	  A tree walked by many rows side by side, for trees that are too large for
 *	  byte planes.
 *
 * The nodes and slots are those of the row kernel (kernel.c, wide_kernel.c),
 * but where that walks some trees with one row, this walks one tree with some
 * rows.  So the slots of as many rows are interleaved: slot 0 of all of them
 * comes first, then slot 1 of all, and so on.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/forest_internal.h"

/* steps between two looks whether all rows have come to a leaf */
#define STEPS_PER_LOOK	4

/* bytes of the slots of a wide forest, before its codes */
#define KEYS_SIZE(forest, rows)	((size_t) (forest)->wide.num_slots * (rows) * sizeof(uint64))

/*
 * Bytes that the slots of so many rows take, a multiple of MLOPS_BLOCK_UNIT.
 */
size_t
mlops_walk_slots_size(const MlopsForest *forest, uint32 rows)
{
	if (forest->wide.used)
		return KEYS_SIZE(forest, rows) + (size_t) forest->wide.num_slots * rows * sizeof(uint32);
	return (size_t) forest->walk.num_slots * rows * sizeof(uint32);
}

/*
 * Spread the rows of a block over slots; those beyond num_rows are the last one
 * again.  row_scratch is the row kernel's scratch memory.
 */
void
mlops_walk_spread(const MlopsForest *forest, const void *rows, uint32 num_rows,
				  uint32 padded, void *row_scratch, void *slots)
{
	if (forest->wide.used)
	{
		uint32		num_slots = forest->wide.num_slots;
		uint64	   *row_keys = row_scratch;
		uint32	   *row_codes = (uint32 *) (row_keys + num_slots);
		uint64	   *keys = slots;
		uint32	   *codes = (uint32 *) ((char *) slots + KEYS_SIZE(forest, padded));

		for (uint32 i = 0; i < padded; i++)
		{
			size_t		first = (size_t) (i / MLOPS_WALK_ROWS_WIDE) * num_slots *
				MLOPS_WALK_ROWS_WIDE + i % MLOPS_WALK_ROWS_WIDE;

			if (i < num_rows)
				mlops_wide_fill_slots(forest, (const double *) rows +
									  (size_t) i * forest->num_features, row_keys, row_codes);
			for (uint32 k = 0; k < num_slots; k++)
				keys[first + k * MLOPS_WALK_ROWS_WIDE] = row_keys[k];
			for (uint32 k = 0; forest->wide.has_sets && k < num_slots; k++)
				codes[first + k * MLOPS_WALK_ROWS_WIDE] = row_codes[k];
		}
	}
	else
	{
		uint32		num_slots = forest->walk.num_slots;
		uint32	   *row_slots = row_scratch;
		uint32	   *all = slots;

		for (uint32 i = 0; i < padded; i++)
		{
			uint32	   *first = all + (size_t) (i / MLOPS_WALK_ROWS) * num_slots * MLOPS_WALK_ROWS +
				i % MLOPS_WALK_ROWS;

			if (i < num_rows)
				mlops_fill_slots(forest, (const float *) rows +
								 (size_t) i * forest->num_features, row_slots);
			for (uint32 k = 0; k < num_slots; k++)
				first[k * MLOPS_WALK_ROWS] = row_slots[k];
		}
	}
}

#define EACH8(DO)	DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define EACH16(DO)	EACH8(DO) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)

#define START(k)	n##k = root;
#define STEP_OF(k)	| n##k->step
#define ADD(k)		sums[k] += n##k->u.value;

/*
 * Walk a tree with the rows of one group, and add what their leaves give.  See
 * next_node() in kernel.c for the step.
 */
static void
walk_group(const MlopsWalkNode *root, int depth, const uint32 *slots, float *sums)
{
	const MlopsWalkNode *n0, *n1, *n2, *n3, *n4, *n5, *n6, *n7;
	const MlopsWalkNode *n8, *n9, *n10, *n11, *n12, *n13, *n14, *n15;

#define STEP(k) \
	n##k += (size_t) n##k->step + (slots[n##k->slot * MLOPS_WALK_ROWS + k] > n##k->u.key);

	EACH16(START)
	for (;;)
	{
		for (int i = Min(depth, STEPS_PER_LOOK); i > 0; i--)
		{
			EACH16(STEP)
		}
		depth -= STEPS_PER_LOOK;
		if (depth <= 0 || (0 EACH16(STEP_OF)) == 0)
			break;
	}
	EACH16(ADD)

#undef STEP
}

/* the same in a wide forest */
static void
walk_group_wide(const MlopsStep *root, const uint64 *keys, double *sums)
{
	const MlopsStep *n0, *n1, *n2, *n3, *n4, *n5, *n6, *n7;

#define STEP(k) \
	n##k += n##k->step + (keys[n##k->slot * MLOPS_WALK_ROWS_WIDE + k] > n##k->u.key);

	EACH8(START)
	while ((0 EACH8(STEP_OF)) != 0)
	{
		for (int i = 0; i < STEPS_PER_LOOK; i++)
		{
			EACH8(STEP)
		}
	}
	EACH8(ADD)

#undef STEP
}

/* the same where splits may be categorical */
static void
walk_group_sets(const MlopsSetStep *root, const uint64 *keys, const uint32 *codes,
				const uint32 *sets, double *sums)
{
	const MlopsSetStep *n0, *n1, *n2, *n3, *n4, *n5, *n6, *n7;

#define STEP(k) \
	{ \
		uint32		place = n##k->slot * MLOPS_WALK_ROWS_WIDE + k; \
		uint32		code = codes[place]; \
		uint32		word = Min(code / 32, n##k->words); \
		uint32		member = sets[n##k->set + word] >> (code % 32) & 1; \
		\
		n##k += n##k->step + ((keys[place] > n##k->u.key) & !member); \
	}

	EACH8(START)
	while ((0 EACH8(STEP_OF)) != 0)
	{
		for (int i = 0; i < STEPS_PER_LOOK; i++)
		{
			EACH8(STEP)
		}
	}
	EACH8(ADD)

#undef STEP
}

/*
 * Walk a tree, whose nodes begin at root, with all rows of a block, and add
 * what their leaves give to their sums.
 */
void
mlops_walk_add(const MlopsForest *forest, int tree, uint32 root,
			   const void *slots, uint32 padded, void *sums)
{
	const MlopsTree *t = mlops_part(forest, MlopsTree, forest->trees) + tree;

	if (!forest->wide.used)
	{
		const MlopsWalkNode *node = mlops_part(forest, MlopsWalkNode, forest->walk.nodes) + root;

		for (size_t i = 0; i < padded; i += MLOPS_WALK_ROWS)
			walk_group(node, t->depth, (const uint32 *) slots + i * forest->walk.num_slots,
					   (float *) sums + i);
	}
	else if (!t->categorical)
	{
		const MlopsStep *step = mlops_part(forest, MlopsStep, forest->wide.steps) + root;

		for (size_t i = 0; i < padded; i += MLOPS_WALK_ROWS_WIDE)
			walk_group_wide(step, (const uint64 *) slots + i * forest->wide.num_slots,
							(double *) sums + i);
	}
	else
	{
		const MlopsSetStep *step = mlops_part(forest, MlopsSetStep, forest->wide.set_steps) + root;
		const uint32 *codes = (const uint32 *) ((const char *) slots + KEYS_SIZE(forest, padded));
		const uint32 *sets = mlops_part(forest, uint32, forest->sets);

		for (size_t i = 0; i < padded; i += MLOPS_WALK_ROWS_WIDE)
			walk_group_sets(step, (const uint64 *) slots + i * forest->wide.num_slots,
							codes + i * forest->wide.num_slots, sets, (double *) sums + i);
	}
}
