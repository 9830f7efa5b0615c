/*-------------------------------------------------------------------------
 *
 * golden.h
 *	  Rows that show whether a model still gives the scores that it gave.
 *
 * Golden rows are made of the model itself.  A row is made on its way through
 * all trees, from a drawn one on.  The first split by a feature that it comes
 * to gives it its value of that feature: one of the two neighbouring numbers
 * between which the split changes its mind, or a category up to the one after
 * the last that the split names; in one of eight cases the value is missing,
 * and in row 0 all are.  So every value lies where the slightest difference in
 * reading or comparing numbers leads the row to another leaf; what leaves give
 * is added up by the way.  Draws are hashes of the row's number and the place
 * of the split, and the same everywhere.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_GOLDEN_H
#define MLOPS_GOLDEN_H

#include "forest/forest.h"

/* rows per model */
#define MLOPS_GOLDEN_ROWS	32

/* a margin that is not what it was */
typedef struct MlopsGoldenDifference
{
	int			row;
	int			group;
	double		actual;
	double		expected;
} MlopsGoldenDifference;

/*
 * Make row number 0 to MLOPS_GOLDEN_ROWS - 1: num_features values, float or,
 * if the model is wide, double.  The same file gives the same rows everywhere.
 * seen has room for num_features flags, whose content does not matter.
 */
extern void mlops_forest_golden_row(const MlopsForest *forest, int number,
									bool *seen, void *row);

/*
 * Does each row have the expected margins, bit for bit, both when all are
 * scored at once and one at a time?  If not, *difference has the first one
 * that it has not.  scratch has mlops_forest_golden_scratch_size() bytes,
 * aligned as by palloc; margins has room for num_rows times num_groups values.
 */
extern size_t mlops_forest_golden_scratch_size(const MlopsForest *forest);
extern bool mlops_forest_golden_check(const MlopsForest *forest, const void *rows, int num_rows,
									  const void *expected, void *scratch, void *margins,
									  MlopsGoldenDifference *difference);

#endif							/* MLOPS_GOLDEN_H */
