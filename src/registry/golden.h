/*-------------------------------------------------------------------------
 *
 * golden.h
 *	  The golden rows that are kept with a version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_REGISTRY_GOLDEN_H
#define MLOPS_REGISTRY_GOLDEN_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "forest/forest.h"

extern int	mlops_golden_check(int64 version_id, const char *model, int32 version,
							   const MlopsForest *forest, const Jsonb *calibration);
extern Datum mlops_golden_array(const void *values, bool wide, int count);

#endif							/* MLOPS_REGISTRY_GOLDEN_H */
