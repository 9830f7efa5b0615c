/*-------------------------------------------------------------------------
 *
 * validate.h
 *	  How well parameters do: a model for each fold, measured by the rows that
 *	  it was not trained with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_VALIDATE_H
#define MLOPS_VALIDATE_H

#include "postgres.h"

#include "training/holdout.h"
#include "training/train.h"

/* a measure that one can ask for */
typedef struct MlopsMetric
{
	const char *name;
	bool		of_task[MLOPS_TASK_MULTICLASS + 1];
	bool		maximize;		/* is more better? */
} MlopsMetric;

/* a training process that has the rows */
typedef struct MlopsValidator
{
	MlopsTraining *training;	/* its set is in folds */
	MlopsTrainer *trainer;
	MlopsProgress *progress;	/* of the rounds */
	bool		keep;			/* matrices of all folds: more than one run follows */
} MlopsValidator;

/* of each fold, the first one at 0 */
typedef struct MlopsValidated
{
	int			num_folds;		/* that were held out */
	MlopsMeasures measures[MLOPS_FOLDS_MAX];
	int			rounds[MLOPS_FOLDS_MAX];	/* trained */
	int			best[MLOPS_FOLDS_MAX];	/* rounds of the best model, at least 1 */
	double		boosting;		/* seconds of all trainings together */
	List	   *history;		/* of char *, a line for each round of each fold */
} MlopsValidated;

extern const MlopsMetric *mlops_metric_find(const char *name);
extern void mlops_metric_check(const MlopsMetric *metric, MlopsTask task);
extern List *mlops_metrics_of(MlopsTask task);
extern const MlopsMetric *mlops_metric_default(MlopsTask task);

extern void mlops_validator_start(MlopsValidator *validator, MemoryContext context);
extern void mlops_validate(MlopsValidator *validator, List *params, int rounds, int num_folds,
						   MlopsProgress *progress, float *scores, MlopsValidated *result);
extern double mlops_validated_values(const MlopsValidated *result, const char *name,
									 double *values, double *error);
extern int	mlops_validated_rounds(const MlopsValidated *result);

#endif							/* MLOPS_VALIDATE_H */
