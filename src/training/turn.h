/*-------------------------------------------------------------------------
 *
 * turn.h
 *	  Not more than mlops.train_max_processes training processes at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_TURN_H
#define MLOPS_TURN_H

#include "progress.h"

/* waits; the number is to be given back, also after an error */
extern int	mlops_turn_take(MlopsProgress *progress);
extern void mlops_turn_give_back(int number);

#endif							/* MLOPS_TURN_H */
