/*-------------------------------------------------------------------------
 *
 * nearest.h
 *	  The least change of a row that takes its score across a threshold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_NEAREST_H
#define MLOPS_FOREST_NEAREST_H

#include "forest/forest.h"

/* features that are changed at once, at most */
#define MLOPS_MAX_CHANGES	16

/* another value of a feature */
typedef struct MlopsChoice
{
	double		value;			/* as the forest reads it; NaN: missing */
	double		cost;			/* of taking it, more than 0 */
} MlopsChoice;

/* a feature that may change, and to what: other values than it has */
typedef struct MlopsOption
{
	int			feature;
	int			num_choices;
	const MlopsChoice *choices; /* no two alike, in the order of their costs */
} MlopsOption;

typedef enum MlopsNearestResult
{
	MLOPS_NEAREST_FOUND,
	MLOPS_NEAREST_NONE,			/* proven: no change gets there */
	MLOPS_NEAREST_UNKNOWN		/* the budget ended before one was found */
} MlopsNearestResult;

/*
 * What is asked, and the answer.  Of a model of classes the changed row is to
 * be of a class: have the greatest margin there, and none as great before it.
 * Of another, which has one margin, its score is to be at least the threshold,
 * or below it.
 */
typedef struct MlopsNearest
{
	const MlopsForest *forest;
	void	   *row;			/* float, or double if the forest is wide; it is
								 * changed in the search, and back again */
	int			class;			/* -1: not a model of classes */
	bool		up;				/* the score is to be at least the threshold */
	double		threshold;
	/* the score of a margin, which does not fall; NULL: the forest's transform */
	double		(*score) (const void *arg, double margin);
	const void *score_arg;
	const MlopsOption *options;
	int			num_options;
	int			max_changes;	/* 1 to MLOPS_MAX_CHANGES */
	int64		budget;			/* evaluations */

	/* the answer */
	MlopsNearestResult result;
	bool		proven;			/* none is smaller; or there is none at all */
	int			num_changes;
	int			options_taken[MLOPS_MAX_CHANGES];	/* ascending */
	int			choices_taken[MLOPS_MAX_CHANGES];
	double		cost;			/* of all of them */
	int64		evaluations;
} MlopsNearest;

extern bool mlops_nearest_possible(const MlopsForest *forest);
extern bool mlops_nearest_reached(const MlopsNearest *nearest, void *scratch);
extern bool mlops_nearest_find(MlopsNearest *nearest, const MlopsForestEnv *env,
							   MlopsForestError *error);

#endif							/* MLOPS_FOREST_NEAREST_H */
