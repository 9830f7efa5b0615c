/*-------------------------------------------------------------------------
 *
 * scores.h
 *	  The state of aggregates that need every row: the scores of each class.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SCORES_H
#define MLOPS_SCORES_H

#include "postgres.h"

#include "metrics/spill.h"

/* the scores of one class, in the order in which they came or descending */
typedef struct MlopsScoreList
{
	double	   *values;
	size_t		count;
	size_t		capacity;
	bool		sorted;
	size_t		spilled;		/* those that are in a file */
	MlopsSpill *spill;			/* NULL: none */
} MlopsScoreList;

typedef struct MlopsScoreState
{
	MemoryContext context;		/* of the lists */
	MlopsScoreList positive;
	MlopsScoreList negative;
} MlopsScoreState;

extern void mlops_scores_add(MlopsScoreState *state, const MlopsScored *row);
extern void mlops_scores_sort(MlopsScoreState *state, MlopsScores *scores);
extern void mlops_scores_walk(MlopsScoreState *state, MlopsCurve *curve);

#endif							/* MLOPS_SCORES_H */
