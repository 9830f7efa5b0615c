/*-------------------------------------------------------------------------
 *
 * spill.h
 *	  Rows sorted by their hashes in little memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SPILL_H
#define MLOPS_SPILL_H

#include "postgres.h"

typedef struct MlopsSpill MlopsSpill;

extern MlopsSpill *mlops_spill_create(Size row_size, int kilobytes);
extern void mlops_spill_add(MlopsSpill *spill, uint64 hash, const void *row);
extern void mlops_spill_sort(MlopsSpill *spill);
extern bool mlops_spill_next(MlopsSpill *spill, void *row);
extern void mlops_spill_end(MlopsSpill *spill);

#endif							/* MLOPS_SPILL_H */
