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
#include "registry/calibration.h"
#include "registry/feature.h"
#include "registry/modelref.h"

/* what becomes of a feature that a row has no column for */
typedef enum MlopsColumnPolicy
{
	MLOPS_COLUMNS_ERROR,
	MLOPS_COLUMNS_NULL			/* it is NULL */
} MlopsColumnPolicy;

/* what becomes of a category that the model did not see in training */
typedef enum MlopsCategoryPolicy
{
	MLOPS_CATEGORIES_MISSING,	/* it is a missing value */
	MLOPS_CATEGORIES_ERROR,
	MLOPS_CATEGORIES_OTHER		/* it is a category that no split names */
} MlopsCategoryPolicy;

/* how rows are taken that are not as those of training; of a model */
typedef struct MlopsScoringPolicy
{
	MlopsColumnPolicy missing_columns;
	MlopsCategoryPolicy unseen_categories;
} MlopsScoringPolicy;

/* what a reference means under the snapshot of the present statement */
typedef struct MlopsResolved
{
	const char *name;			/* of the model; belongs to the reference */
	Oid			table;			/* mlops.version: another after DROP EXTENSION */
	int64		model_id;
	int64		version_id;
	int32		version;
	uint8		sha256[MLOPS_SHA256_LENGTH];
	MlopsScoringPolicy policy;
} MlopsResolved;

/* what never changes of a version; no padding, since it is a key */
typedef struct MlopsVersionKey
{
	int64		version_id;
	Oid			database;
	Oid			table;			/* mlops.version: another after DROP EXTENSION */
	uint8		sha256[MLOPS_SHA256_LENGTH];
} MlopsVersionKey;

StaticAssertDecl(sizeof(MlopsVersionKey) == 48, "a version's key has no padding");

/* a version with all that scoring needs; never changes while it is held */
typedef struct MlopsModel
{
	char	   *name;
	int32		version;
	const MlopsForest *forest;
	MlopsForestInfo info;
	MlopsSignature *signature;
	bool	   *used;			/* is the feature used by a split? */
	double		missing;		/* a number that stands for a missing value; NaN:
								 * none but NaN does */
	int			num_classes;	/* 0 if it has none */
	char	  **classes;
	MlopsCalibration *calibration;	/* NULL: the objective's transform */
} MlopsModel;

extern Oid	mlops_version_table(void);
extern bool mlops_look_up(const MlopsReference *reference, MlopsResolved *resolved);
extern void mlops_resolve(Oid user, const MlopsReference *reference, int privilege,
						  MlopsResolved *resolved);
extern void mlops_check_arithmetic(void);
extern const MlopsModel *mlops_model_hold(const MlopsResolved *resolved, MemoryContext holder);
extern MlopsVersionKey mlops_version_key(const MlopsResolved *resolved);
extern bool mlops_may_see(const MlopsVersionKey *key, const char *name);
extern bool mlops_model_peek(const MlopsResolved *resolved, MlopsForestInfo *info);

#endif							/* MLOPS_MODEL_H */
