/*-------------------------------------------------------------------------
 *
 * shap.h
 *	  What each feature contributes to a margin: exact Shapley values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_SHAP_H
#define MLOPS_FOREST_SHAP_H

#include "forest/forest.h"

/*
 * A forest arranged for contributions.  It is made from a forest once, is one
 * block from env->alloc that the caller releases, and never changes; it does
 * not point into the forest, and serves every forest of the same file.
 */
typedef struct MlopsShap MlopsShap;

extern MlopsShap *mlops_shap_create(const MlopsForest *forest, const MlopsForestEnv *env,
									MlopsForestError *error);
extern size_t mlops_shap_size(const MlopsShap *shap);

/*
 * The contributions to one margin of a row: values gets num_features values
 * and then the base value, which is the margin of nobody in particular.  All
 * together they are the margin.  A feature that changes nothing has exactly 0.
 * row is as for mlops_forest_margin(), or mlops_forest_margin64() if the forest
 * is wide, and margin is what that has given for this group; scratch has
 * mlops_shap_scratch_size() bytes, aligned as by palloc, and its content does
 * not matter.  Of env only check is used.  False, and an error, if they do not
 * add up.
 */
extern size_t mlops_shap_scratch_size(const MlopsShap *shap);
extern bool mlops_shap_contributions(const MlopsShap *shap, const MlopsForest *forest,
									 const void *row, int group, double margin,
									 void *scratch, const MlopsForestEnv *env,
									 double *values, MlopsForestError *error);

#endif							/* MLOPS_FOREST_SHAP_H */
