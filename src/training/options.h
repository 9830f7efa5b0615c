/*-------------------------------------------------------------------------
 *
 * options.h
 *	  The arguments of mlops.train, checked and in their parts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_OPTIONS_H
#define MLOPS_OPTIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#include "forest/forest.h"
#include "progress.h"
#include "registry/feature.h"
#include "training/folds.h"

/* what the objective that the user asked for says about the label */
typedef enum MlopsFamily
{
	MLOPS_FAMILY_BY_LABEL,		/* none was asked for */
	MLOPS_FAMILY_REGRESSION,
	MLOPS_FAMILY_BINARY,
	MLOPS_FAMILY_MULTICLASS
} MlopsFamily;

/* the parts that rows are split into */
typedef enum MlopsPart
{
	MLOPS_PART_TRAIN,
	MLOPS_PART_VALIDATION,		/* early stopping looks at it */
	MLOPS_PART_TEST				/* nothing but the metrics does */
} MlopsPart;

#define MLOPS_NUM_PARTS		3

typedef struct MlopsClassWeight
{
	char	   *class;
	double		weight;
} MlopsClassWeight;

typedef struct MlopsTrainOptions
{
	char	   *model;
	char	   *query;
	char	   *label;			/* column of the query */
	char	   *key;			/* column of the query; NULL: a row's content */
	char	   *positive;		/* class, or NULL */
	char	   *description;	/* or NULL */
	bool		all_features;	/* every column but label and key, or */
	List	   *features;		/* these, of char * */
	int			rounds;
	int			early_stopping_rounds;	/* 0: never */
	int64		seed;

	char	   *part;			/* column of the query that has the part, or NULL: */
	/* shares of the rows; the rest is for training */
	double		test_share;
	double		validation_share;
	bool		validation_is_implied;	/* by early stopping, not by split */

	char	   *objective;		/* or NULL */
	MlopsFamily family;
	List	   *params;			/* of MlopsParam *, as the user gave them */
	JsonbContainer *monotone;	/* object by name of feature, or NULL */
	JsonbContainer *interaction;	/* array of arrays of names, or NULL */

	bool		balanced;		/* weights so that classes weigh the same */
	List	   *class_weights;	/* or these, of MlopsClassWeight * */

	MlopsFolds *folds;			/* of the training part, or NULL */
	bool		no_profile;		/* none is needed: there will be no version */
	double		sample;			/* share of the training part that is trained with;
								 * 0: all of it */
	bool		quantile;		/* a quantised matrix, read in batches */

	MlopsProgress *progress;	/* once the training has begun */
} MlopsTrainOptions;

extern void mlops_options_rounds(MlopsTrainOptions *options, int rounds, int early_stopping_rounds);
extern void mlops_options_folds(MlopsTrainOptions *options, MlopsFolds *folds, int count, int least,
								char *group_column, char *time_column, char *stratify_column);
extern void mlops_options_params(MlopsTrainOptions *options, Jsonb *params);
extern void mlops_options_split(MlopsTrainOptions *options, Jsonb *split);
extern void mlops_options_class_weight(MlopsTrainOptions *options, Jsonb *class_weight);
extern void mlops_options_matrix(MlopsTrainOptions *options, double sample, const char *matrix);
extern bool mlops_options_is_hist(const MlopsTrainOptions *options);
extern int	mlops_options_max_bin(const MlopsTrainOptions *options);
extern void mlops_options_features(MlopsTrainOptions *options, ArrayType *features);

extern List *mlops_options_constraints(const MlopsTrainOptions *options,
									   const MlopsSignature *signature);
extern List *mlops_options_library_params(const MlopsTrainOptions *options,
										  MlopsTask task, int num_classes,
										  List *constraints);

#endif							/* MLOPS_OPTIONS_H */
