/*-------------------------------------------------------------------------
 *
 * holdout.h
 *	  How well a new model does on the rows that it was not trained with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_HOLDOUT_H
#define MLOPS_HOLDOUT_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "forest/forest.h"
#include "training/matrix.h"

/* measures of a model, by name; NaN is one that is not defined */
typedef struct MlopsMeasure
{
	const char *name;
	double		value;
} MlopsMeasure;

#define MLOPS_MAX_MEASURES	16

typedef struct MlopsMeasures
{
	int			count;
	MlopsMeasure list[MLOPS_MAX_MEASURES];
} MlopsMeasures;

extern int	mlops_score_width(const MlopsTrainingSet *set);
extern void mlops_fold_measures(const MlopsForest *forest, const MlopsTrainingSet *set,
								const MlopsFolds *folds, int fold,
								float *scores, MlopsMeasures *measures);
extern void mlops_holdout_metrics(const MlopsForest *forest,
								  const MlopsTrainingSet *set, StringInfo json,
								  StringInfo details);

#endif							/* MLOPS_HOLDOUT_H */
