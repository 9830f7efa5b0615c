/*-------------------------------------------------------------------------
 *
 * row_spill.h
 *	  Rows sorted by their hashes in little memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_ROW_SPILL_H
#define MLOPS_ROW_SPILL_H

#include "postgres.h"

typedef struct MlopsRowSpill MlopsRowSpill;

extern MlopsRowSpill *mlops_row_spill_create(Size row_size, int kilobytes);
extern void mlops_row_spill_add(MlopsRowSpill *spill, uint64 hash, const void *row);
extern void mlops_row_spill_sort(MlopsRowSpill *spill);
extern bool mlops_row_spill_next(MlopsRowSpill *spill, void *row);
extern void mlops_row_spill_end(MlopsRowSpill *spill);

#endif							/* MLOPS_ROW_SPILL_H */
