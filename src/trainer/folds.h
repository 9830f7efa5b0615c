/*-------------------------------------------------------------------------
 *
 * folds.h
 *	  Rows that stay, to train with some folds of them and look at another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOLDS_H
#define MLOPS_FOLDS_H

#include "matrix.h"

extern bool folds_load(Data *data, Command *command, Failure *failure);
extern bool folds_choose(Data *data, const Command *command, Failure *failure);
extern void folds_release(Data *data);

#endif							/* MLOPS_FOLDS_H */
