/*-------------------------------------------------------------------------
 *
 * thresholds.h
 *	  What the splits of a forest tell apart, and values on either side.
 *
 * To a forest, all values of a feature between two neighbouring thresholds are
 * the same.  The thresholds of all trees cut the numbers into cells, and what
 * a forest can be made to say by one feature, it says for one value per cell.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_THRESHOLDS_H
#define MLOPS_FOREST_THRESHOLDS_H

#include "forest/forest.h"

/*
 * The cells of one feature.  Cell i has the numbers above cuts[i - 1] up to
 * and with cuts[i], as the forest reads them (rounded to float, unless it is
 * wide); the first begins and the last ends with an infinity.
 */
typedef struct MlopsCells
{
	int			feature;
	int			num_cuts;		/* one less than cells */
	double	   *cuts;			/* ascending */
} MlopsCells;

extern bool mlops_cells_create(const MlopsForest *forest, const int *features, int count,
							   const MlopsForestEnv *env, MlopsCells *cells);
extern bool mlops_split_cells(const MlopsForest *forest, uint32 node, const MlopsForestEnv *env,
							  MlopsCells *cells);
extern bool mlops_split_left(const MlopsForest *forest, uint32 node, double value);
extern int	mlops_cell_of(const MlopsCells *cells, double value);

/* the values that a column can have */
typedef enum MlopsGridKind
{
	MLOPS_GRID_FLOAT,			/* those of float */
	MLOPS_GRID_DOUBLE,			/* those of double */
	MLOPS_GRID_STEPS			/* whole steps, see value below */
} MlopsGridKind;

typedef struct MlopsGrid
{
	MlopsGridKind kind;
	int64		multiple;		/* of a grid of steps: step k, which counts as */
	double		divisor;		/* k * multiple, has the value */
	double		offset;			/* k * multiple / divisor + offset */
	double		min;			/* no value below, nor above */
	double		max;
} MlopsGrid;

/* a value of a grid */
typedef struct MlopsGridValue
{
	double		value;
	int64		steps;			/* k * multiple, of a grid of steps */
} MlopsGridValue;

extern double mlops_forest_reads(const MlopsForest *forest, double value);
extern bool mlops_grid_above(const MlopsForest *forest, const MlopsGrid *grid, double cut,
							 MlopsGridValue *first);
extern bool mlops_cell_nearest(const MlopsForest *forest, const MlopsCells *cells, int cell,
							   const MlopsGrid *grid, double present, MlopsGridValue *nearest);

#endif							/* MLOPS_FOREST_THRESHOLDS_H */
