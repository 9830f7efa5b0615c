/*-------------------------------------------------------------------------
 *
 * profile_bins.h
 *	  The SQL type mlops.bins, for the C of other areas.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_PROFILE_BINS_H
#define MLOPS_PROFILE_BINS_H

#include "postgres.h"

#include "monitoring/sketch.h"

/* in the current memory context; error 22023 if a value is not one of bins */
extern MlopsBins *mlops_bins_from_datum(Datum value);
extern Datum mlops_bins_to_datum(const MlopsBins *bins);

/* rows per bin; error ML050 if sketch and bins are of different kinds */
extern int64 *mlops_bins_counts(const MlopsBins *bins, MlopsSketch *sketch);

#endif							/* MLOPS_PROFILE_BINS_H */
