/*-------------------------------------------------------------------------
 *
 * scores.h
 *	  The state of aggregates that need every row: the scores of each class.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SCORES_H
#define MLOPS_SCORES_H

#include "lib/stringinfo.h"
#include "utils/palloc.h"

#include "metrics/measures.h"

/* the scores of one class, in the order in which they came or descending */
typedef struct MlopsScoreList
{
	double	   *values;
	size_t		count;
	size_t		capacity;
	bool		sorted;
} MlopsScoreList;

typedef struct MlopsScoreState
{
	MemoryContext context;		/* of the lists */
	MlopsScoreList positive;
	MlopsScoreList negative;
} MlopsScoreState;

extern void mlops_scores_add(MlopsScoreState *state, const MlopsScored *row);
extern void mlops_scores_merge(MlopsScoreState *state, const MlopsScoreState *other);
extern void mlops_scores_walk(MlopsScoreState *state, MlopsCurve *curve);

extern Size mlops_scores_send_size(const MlopsScoreState *state);
extern void mlops_scores_send(StringInfo buf, const MlopsScoreState *state);
extern void mlops_scores_recv(StringInfo buf, MlopsScoreState *state);

#endif							/* MLOPS_SCORES_H */
