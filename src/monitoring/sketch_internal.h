/*-------------------------------------------------------------------------
 *
 * sketch_internal.h
 *	  What a sketch is made of; for the files sketch*.c alone.
 *
 * A numeric sketch collects values in a buffer, which is sorted when it is
 * full, so that the parts below get ascending distinct values with counts.
 *
 *		exact			all distinct values with counts, until there are too
 *						many of them; then, instead of it:
 *		moments			the exact sums
 *		levels			quantiles: a value of level h stands for 2^h values
 *		frequent		counts of frequent values, each too small by at most
 *						count_error
 *		registers		a HyperLogLog of distinct values
 *
 * A categorical sketch has a table of texts with counts in both stages, and
 * registers in the second.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SKETCH_INTERNAL_H
#define MLOPS_SKETCH_INTERNAL_H

#include "c.h"

#include "monitoring/sketch_moments.h"
#include "monitoring/sketch.h"
#include "utils/palloc.h"

/* a count of 63 bits is spread over as many levels */
#define SKETCH_MAX_LEVELS	63

/* more halvings of a level than 2^63 rows lead to; all levels' weights add up */
#define SKETCH_MAX_HALVINGS(level)	((PG_INT64_MAX / 128) >> (level))

/* HyperLogLog: 2^12 registers, each of a rank from 0 to 53 */
#define SKETCH_REGISTER_BITS	12
#define SKETCH_REGISTERS		(1 << SKETCH_REGISTER_BITS)
#define SKETCH_MAX_RANK			(64 - SKETCH_REGISTER_BITS + 1)

typedef struct SketchLevel
{
	double	   *values;			/* ascending */
	int			num_values;		/* less than MLOPS_SKETCH_LEVEL between calls */
	int			allocated;

	/* halvings, by whether they made ranks too small or too large */
	int64		lowered;
	int64		raised;
} SketchLevel;

typedef struct SketchText
{
	char	   *text;			/* a zero at its end */
	int			len;
	uint64		hash;
	int64		count;
} SketchText;

struct MlopsSketch
{
	MlopsSketchKind kind;
	MlopsSketchCounts counts;
	bool		approximate;	/* the second stage */

	/* numeric: values that came last, as keys in the order of the values */
	uint64	   *buffer;
	int			num_buffered;
	int			buffer_size;

	/* numeric, first stage: ascending */
	MlopsSketchPoint *exact;
	int			num_exact;
	int			exact_size;

	/* numeric, second stage */
	double		min;
	double		max;
	MlopsExact *moments;
	SketchLevel *levels;		/* SKETCH_MAX_LEVELS of them */
	MlopsSketchPoint *frequent; /* ascending; MLOPS_SKETCH_FREQUENT of them */
	int			num_frequent;

	/* categorical: entries in any order, and where in them a hash is */
	SketchText *texts;
	int			num_texts;
	int			texts_size;
	int		   *slots;			/* a power of two of them; -1: none */
	int			num_slots;

	/* both, second stage */
	int64		count_error;
	uint8	   *registers;

	/* numeric: what was last asked for, or NULL */
	MlopsSketchPoint *points;
	int64	   *ranks;			/* sums of the points' weights */
	int			num_points;
};

/* sketch.c */
extern uint64 mlops_sketch_hash(uint64 bits);
extern void mlops_sketch_register(uint8 *registers, uint64 hash);
extern int64 mlops_sketch_cut(int64 *counts, int num_counts, int keep);

/* sketch_number.c */
extern void mlops_sketch_flush(MlopsSketch *sketch);
extern void mlops_sketch_merge_numbers(MlopsSketch *sketch, const MlopsSketch *other);
extern void mlops_sketch_approximate_numbers(MlopsSketch *sketch);

/* sketch_text.c */
extern SketchText *mlops_sketch_find_text(const MlopsSketch *sketch, const char *text, int len);
extern void mlops_sketch_put_text(MlopsSketch *sketch, const char *text, int len, int64 count);
extern void mlops_sketch_merge_texts(MlopsSketch *sketch, const MlopsSketch *other);
extern SketchText **mlops_sketch_sorted_texts(const MlopsSketch *sketch);
extern void mlops_sketch_free_texts(MlopsSketch *sketch);

#endif							/* MLOPS_SKETCH_INTERNAL_H */
