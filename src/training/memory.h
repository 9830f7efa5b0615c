/*-------------------------------------------------------------------------
 *
 * memory.h
 *	  What a training will need of memory, before it begins.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_MEMORY_H
#define MLOPS_MEMORY_H

#include "postgres.h"

#include "executor/spi.h"

#include "training/options.h"

extern Size mlops_training_row_bytes(const MlopsTrainOptions *options, int num_features);
extern void mlops_training_memory_check(SPIPlanPtr plan, const MlopsTrainOptions *options,
										const MlopsSignature *signature);

#endif							/* MLOPS_MEMORY_H */
