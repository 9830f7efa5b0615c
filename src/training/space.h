/*-------------------------------------------------------------------------
 *
 * space.h
 *	  The parameters that a search tries, and which it tries next.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SPACE_H
#define MLOPS_SPACE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* most dimensions, and values of one that has a list of them */
#define MLOPS_MAX_DIMENSIONS	64
#define MLOPS_MAX_VALUES		1000

typedef struct MlopsDimension
{
	char	   *name;
	bool		integer;
	bool		log;
	double		low;			/* if it has no list */
	double		high;
	int			steps;			/* of a grid; 0: not said */
	int			num_values;		/* of a list; 0: none */
	char	  **values;			/* as JSON */
} MlopsDimension;

typedef struct MlopsSpace
{
	int			num_dimensions;
	MlopsDimension dimensions[MLOPS_MAX_DIMENSIONS];
} MlopsSpace;

typedef enum MlopsStrategy
{
	MLOPS_STRATEGY_GRID,
	MLOPS_STRATEGY_RANDOM,
	MLOPS_STRATEGY_TPE,
	MLOPS_STRATEGY_HALVING
} MlopsStrategy;

#define MLOPS_NUM_STRATEGIES	(MLOPS_STRATEGY_HALVING + 1)

extern const char *const mlops_strategy_names[];

/*
 * A trial.  A point has a number for each dimension: of a list the position,
 * else where the value is on the way from low to high, from 0 to 1.
 */
typedef struct MlopsTrial
{
	double		point[MLOPS_MAX_DIMENSIONS];
	int			rounds;
	double		value;			/* less is better: the metric, or its negative */
	int64		run;
	int			best_rounds;	/* to train all rows with */
} MlopsTrial;

/* a search, as the choice of the next trial needs it */
typedef struct MlopsPlan
{
	MlopsSpace *space;
	MlopsStrategy strategy;
	int64		seed;
	int			num_trials;		/* at most */
	int			rounds;			/* of a whole training */
} MlopsPlan;

extern MlopsSpace *mlops_space_read(const Jsonb *json);
extern MlopsStrategy mlops_strategy_find(const char *name);
extern int64 mlops_space_grid_size(const MlopsSpace *space);
extern void mlops_space_put(const MlopsSpace *space, const double *point, StringInfo json);
extern bool mlops_propose(const MlopsPlan *plan, const MlopsTrial *trials, int number, MlopsTrial *next);

#endif							/* MLOPS_SPACE_H */
