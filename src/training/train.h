/*-------------------------------------------------------------------------
 *
 * train.h
 *	  What others tell mlops.train().
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_TRAIN_H
#define MLOPS_TRAIN_H

#include "postgres.h"

extern void mlops_train_follows(int64 run);

#endif							/* MLOPS_TRAIN_H */
