/*-------------------------------------------------------------------------
 *
 * distance_sketch.h
 *	  The comparison of two sketches.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_DISTANCE_SKETCH_H
#define MLOPS_DISTANCE_SKETCH_H

#include "monitoring/distance_state.h"
#include "monitoring/sketch.h"

/* over bins of the reference if there are none; skipped has an element for each */
extern void mlops_drift_sketch(MlopsSketch *reference, MlopsSketch *current, const MlopsBins *bins,
							   const MlopsDriftOptions *options, MlopsDrift *drift,
							   MlopsDriftBasis *basis, MlopsSkipped *skipped);

#endif							/* MLOPS_DISTANCE_SKETCH_H */
