/*-------------------------------------------------------------------------
 *
 * interval.h
 *	  Intervals of measures: of two shares against each other, and by the
 *	  bootstrap.
 *
 * Plain C without a header of PostgreSQL but c.h.  Definitions:
 * doc/fairness.md and doc/performance.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_INTERVAL_H
#define MLOPS_INTERVAL_H

#include "c.h"

#include "metrics/measures.h"

/* a share: successes among n */
typedef struct MlopsShare
{
	double		successes;
	double		n;
} MlopsShare;

typedef struct MlopsInterval
{
	double		value;
	double		lower;
	double		upper;
} MlopsInterval;

/* a - b and a / b of independent shares; what is not defined is NaN */
extern MlopsInterval mlops_share_difference(MlopsShare a, MlopsShare b, double z);
extern MlopsInterval mlops_share_ratio(MlopsShare a, MlopsShare b, double z);

/* rows with the same values, of a binary model (label and score) or of a regression */
typedef struct MlopsWeighted
{
	double		actual;
	double		predicted;
	int64		count;
} MlopsWeighted;

/* measures whose standard errors are estimated; the order is that of mlops._bootstrap() */
typedef enum MlopsResampled
{
	MLOPS_RESAMPLED_AUC,
	MLOPS_RESAMPLED_PR_AUC,
	MLOPS_RESAMPLED_KS,
	MLOPS_RESAMPLED_LOG_LOSS,
	MLOPS_RESAMPLED_BRIER,
	MLOPS_RESAMPLED_ECE,
	MLOPS_RESAMPLED_ACCURACY,
	MLOPS_RESAMPLED_PRECISION,
	MLOPS_RESAMPLED_RECALL,
	MLOPS_RESAMPLED_F1,
	MLOPS_RESAMPLED_MCC,
	MLOPS_RESAMPLED_BINARY		/* their number */
} MlopsResampled;

enum
{
	MLOPS_RESAMPLED_RMSE,
	MLOPS_RESAMPLED_MAE,
	MLOPS_RESAMPLED_MAPE,
	MLOPS_RESAMPLED_R2,
	MLOPS_RESAMPLED_REGRESSION	/* their number */
};

/* pseudo-random numbers with a seed of their own: the same everywhere */
extern uint64 mlops_random_next(uint64 *state);
extern int64 mlops_random_poisson(uint64 *state, int64 mean);

/*
 * Standard errors by the bootstrap, each NaN if fewer than half of the
 * replicates define the measure.  The rows are distinct, in the order of
 * mlops_weighted_compare().
 */
extern int	mlops_weighted_compare(const void *a, const void *b);
extern void mlops_bootstrap_binary(const MlopsWeighted *rows, size_t n, double threshold,
								   int replicates, uint64 seed, double *errors, MlopsCheck check);
extern void mlops_bootstrap_regression(const MlopsWeighted *rows, size_t n,
									   int replicates, uint64 seed, double *errors, MlopsCheck check);

#endif							/* MLOPS_INTERVAL_H */
