/*-------------------------------------------------------------------------
 *
 * artifact.h
 *	  The type mlops.artifact: a validated model file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_ARTIFACT_H
#define MLOPS_ARTIFACT_H

#include "postgres.h"

#include "compat.h"
#include "forest/forest.h"

#define MLOPS_SHA256_LENGTH	32

/* on disk; layout is 1, zero is for flags to come */
typedef struct MlopsArtifact
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	uint8		layout;
	uint8		format;			/* MlopsFormat */
	uint16		zero;
	uint8		sha256[MLOPS_SHA256_LENGTH];	/* of the bytes */
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} MlopsArtifact;

#define MlopsArtifactHeaderSize	offsetof(MlopsArtifact, bytes)

extern const MlopsForestEnv *mlops_forest_env(void);
extern Datum mlops_artifact_from_bytes(const void *bytes, size_t len);
extern size_t mlops_artifact_check(const MlopsArtifact *artifact, const uint8 *sha256);
pg_noreturn extern void mlops_artifact_error(const MlopsForestError *error);
extern MlopsForest *mlops_artifact_read(Datum artifact, const uint8 *sha256);

#endif							/* MLOPS_ARTIFACT_H */
