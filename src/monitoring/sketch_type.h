/*-------------------------------------------------------------------------
 *
 * sketch_type.h
 *	  The SQL type mlops.sketch, for the C of other areas.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SKETCH_TYPE_H
#define MLOPS_SKETCH_TYPE_H

#include "postgres.h"

#include "monitoring/sketch.h"
#include "registry/feature.h"

/* a value of mlops.sketch, read into the current memory context, and back */
extern MlopsSketch *mlops_sketch_from_datum(Datum value);
extern Datum mlops_sketch_to_datum(MlopsSketch *sketch);

/* the kind of sketch for values that convert so; booleans are categorical */
extern MlopsSketchKind mlops_sketch_kind_for(MlopsConversion conversion);

/*
 * Add an SQL value that is not NULL to a sketch that lives in context.  What
 * the conversion allocates is in the current one, and may be reset after.
 */
extern void mlops_sketch_add_datum(MlopsSketch *sketch, MemoryContext context,
								   MlopsConversion conversion, Datum value);

/* error ML050 unless it is numeric */
extern void mlops_sketch_require_numeric(MlopsSketch *sketch, const char *function);

#endif							/* MLOPS_SKETCH_TYPE_H */
