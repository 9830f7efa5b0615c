/*-------------------------------------------------------------------------
 *
 * golden_rows.h
 *	  For tests: the golden rows of a model in memory.
 *
 * Each array has exactly the bytes that it needs, so that sanitizers see who
 * goes beyond them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOLDEN_ROWS_H
#define GOLDEN_ROWS_H

#include "forest/forest_internal.h"
#include "forest/golden.h"

/* the golden rows of one model, and what comparing them needs */
typedef struct Golden
{
	const MlopsForest *forest;
	size_t		value_size;
	size_t		rows_size;
	size_t		margins_size;
	char	   *rows;
	char	   *expected;		/* margins of the row kernel */
	char	   *margins;
	char	   *scratch;
	MlopsGoldenDifference difference;
} Golden;

static inline Golden
golden_make(const MlopsForest *forest)
{
	Golden		golden = {.forest = forest};
	bool	   *seen = malloc(forest->num_features);

	golden.value_size = forest->wide.used ? sizeof(double) : sizeof(float);
	golden.rows_size = golden.value_size * forest->num_features * MLOPS_GOLDEN_ROWS;
	golden.margins_size = golden.value_size * forest->num_groups * MLOPS_GOLDEN_ROWS;
	golden.rows = malloc(golden.rows_size);
	golden.expected = malloc(golden.margins_size);
	golden.margins = malloc(golden.margins_size);
	golden.scratch = malloc(mlops_forest_golden_scratch_size(forest));
	for (int i = 0; i < MLOPS_GOLDEN_ROWS; i++)
	{
		char	   *row = golden.rows + golden.rows_size / MLOPS_GOLDEN_ROWS * i;
		char	   *margins = golden.expected + golden.margins_size / MLOPS_GOLDEN_ROWS * i;

		mlops_forest_golden_row(forest, i, seen, row);
		if (forest->wide.used)
			mlops_forest_margin64(forest, (double *) row, golden.scratch, (double *) margins);
		else
			mlops_forest_margin(forest, (float *) row, golden.scratch, (float *) margins);
	}
	free(seen);
	return golden;
}

static inline void
golden_free(Golden *golden)
{
	free(golden->rows);
	free(golden->expected);
	free(golden->margins);
	free(golden->scratch);
}

static inline bool
golden_check(Golden *golden, const MlopsForest *forest, const void *expected)
{
	return mlops_forest_golden_check(forest, golden->rows, MLOPS_GOLDEN_ROWS, expected,
									 golden->scratch, golden->margins, &golden->difference);
}

/* do golden rows that are made have the margins that they get? */
static inline bool
golden_holds(const MlopsForest *forest)
{
	Golden		golden = golden_make(forest);
	bool		holds = golden_check(&golden, forest, golden.expected);

	golden_free(&golden);
	return holds;
}

#endif							/* GOLDEN_ROWS_H */
