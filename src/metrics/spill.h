/*-------------------------------------------------------------------------
 *
 * spill.h
 *	  Values that are too many for memory: sorted runs in a temporary file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SPILL_H
#define MLOPS_SPILL_H

#include "postgres.h"

#include "metrics/measures.h"

/* values in a block of the file, which a run is made of */
#define MLOPS_SPILL_BLOCK	(BLCKSZ / sizeof(double))

typedef struct MlopsSpill MlopsSpill;

/* in the given memory context, whose reset removes the file */
extern MlopsSpill *mlops_spill_create(MemoryContext context);

/* descending values, whole blocks of them */
extern void mlops_spill_write(MlopsSpill *spill, const double *values, size_t count);

/*
 * All values of the runs and of an array in memory, which is descending, too.
 * The result is valid until more are written or the array changes, and has
 * one walk at a time.
 */
extern MlopsSource *mlops_spill_source(MlopsSpill *spill, const double *values, size_t count);

#endif							/* MLOPS_SPILL_H */
