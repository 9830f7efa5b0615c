/*-------------------------------------------------------------------------
 *
 * suspension.h
 *	  What a reference gives to scoring while its model may be suspended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SUSPENSION_H
#define MLOPS_SUSPENSION_H

#include "postgres.h"

#include "registry/model.h"

/* what a version is wanted for */
typedef enum MlopsUse
{
	MLOPS_USE_SCORE,			/* any score */
	MLOPS_USE_VALUE,			/* one number, for which a constant can stand */
	MLOPS_USE_EXPLAIN			/* a score that may be of the past */
} MlopsUse;

extern bool mlops_serve(Oid user, const MlopsReference *reference, int privilege, MlopsUse use,
						MlopsResolved *resolved, double *constant);

#endif							/* MLOPS_SUSPENSION_H */
