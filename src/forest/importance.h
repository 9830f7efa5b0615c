/*-------------------------------------------------------------------------
 *
 * importance.h
 *	  How much a model as a whole uses each feature.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_IMPORTANCE_H
#define MLOPS_FOREST_IMPORTANCE_H

#include "forest/forest.h"

/*
 * The kinds that XGBoost's feature score has.  LightGBM calls the first "split"
 * and the total gain "gain", and has no more.
 */
typedef enum MlopsImportance
{
	MLOPS_IMPORTANCE_WEIGHT,	/* splits on the feature; of a linear model its
								 * weight */
	MLOPS_IMPORTANCE_GAIN,		/* mean gain of those splits */
	MLOPS_IMPORTANCE_COVER,		/* mean cover; of LightGBM's, rows of training */
	MLOPS_IMPORTANCE_TOTAL_GAIN,
	MLOPS_IMPORTANCE_TOTAL_COVER
} MlopsImportance;

/*
 * values and splits get num_features values each: the importance, and the
 * number of splits on the feature that count.  Both are 0 for a feature that is
 * not used.  Of env only check is used.  False for a linear model, which has no
 * splits, unless the kind is its weights; with several margins, their absolute
 * values are added.  False also for a model of LightGBM's whose file does not
 * say what is asked for.
 */
extern bool mlops_forest_importance(const MlopsForest *forest, MlopsImportance kind,
									const MlopsForestEnv *env, double *values,
									double *splits);

#endif							/* MLOPS_FOREST_IMPORTANCE_H */
