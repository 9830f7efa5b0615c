/*-------------------------------------------------------------------------
 *
 * explainer.h
 *	  The session's cache of forests that are arranged for contributions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_EXPLAINER_H
#define MLOPS_EXPLAINER_H

#include "postgres.h"

#include "forest/shap.h"
#include "registry/model.h"

extern const MlopsShap *mlops_explainer_hold(const MlopsModel *model, const uint8 *sha256,
											 MemoryContext holder);

#endif							/* MLOPS_EXPLAINER_H */
