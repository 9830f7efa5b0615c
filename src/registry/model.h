/*-------------------------------------------------------------------------
 *
 * model.h
 *	  From a reference to a version that is ready to score.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_MODEL_H
#define MLOPS_MODEL_H

#include "postgres.h"

#include "registry/artifact.h"
#include "registry/feature.h"
#include "registry/modelref.h"

/* what a reference means under the snapshot of the present statement */
typedef struct MlopsResolved
{
	Oid			table;			/* mlops.version: another after DROP EXTENSION */
	int64		version_id;
	int32		version;
	uint8		sha256[MLOPS_SHA256_LENGTH];
} MlopsResolved;

/* a version with all that scoring needs; never changes while it is held */
typedef struct MlopsModel
{
	char	   *name;
	int32		version;
	MlopsForest *forest;
	MlopsForestInfo info;
	MlopsSignature *signature;
	int			num_classes;	/* 0 if it has none */
	char	  **classes;
} MlopsModel;

extern void mlops_resolve(Oid user, const MlopsReference *reference, int privilege,
						  MlopsResolved *resolved);
extern const MlopsModel *mlops_model_hold(const MlopsResolved *resolved, MemoryContext holder);

#endif							/* MLOPS_MODEL_H */
