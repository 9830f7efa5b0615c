/*-------------------------------------------------------------------------
 *
 * quantile.h
 *	  From files of rows to libxgboost's quantised matrices, in batches.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_QUANTILE_H
#define MLOPS_QUANTILE_H

#include "matrix.h"

extern bool quantile_load(Data *data, Command *command, Failure *failure);

#endif							/* MLOPS_QUANTILE_H */
