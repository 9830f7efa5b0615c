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

extern void mlops_holdout_metrics(const MlopsForest *forest,
								  const MlopsTrainingSet *set, StringInfo json,
								  StringInfo details);

#endif							/* MLOPS_HOLDOUT_H */
