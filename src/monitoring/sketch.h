/*-------------------------------------------------------------------------
 *
 * sketch.h
 *	  Summaries of one column that can be merged.
 *
 * A sketch is numeric or categorical.  What it says exactly, whatever the
 * number of rows and in whatever parts and order they came: the counts of
 * rows, NULLs, NaN and infinities, least and greatest finite value, mean and
 * variance of the finite values.  While a column has at most
 * MLOPS_SKETCH_EXACT distinct values, a sketch holds them all with their
 * counts, and everything else that is asked of it is exact too.  Beyond that
 * limit it is approximate: quantiles within mlops_sketch_rank_error(), the
 * counts of frequent values within mlops_sketch_count_error(), the number of
 * distinct values with a standard error of MLOPS_SKETCH_DISTINCT_ERROR.
 * Which of the two it is depends on the values alone.
 *
 * A value that is ordered is one that is neither NULL nor NaN; infinities are
 * ordered and finite values are both ordered and finite.  Negative zero is
 * zero.  The values of a categorical sketch are texts.
 *
 * A sketch lives in the memory context that was current at its creation or
 * reading; adding to it and merging into it allocate in the context that is
 * current then, which must be the same.  A sketch is one object for
 * MemoryContextDelete or mlops_sketch_free().
 *
 * No PostgreSQL header beyond c.h is needed, and palloc of either the server
 * or libpgcommon.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SKETCH_H
#define MLOPS_SKETCH_H

#include "c.h"

/* distinct values that are held exactly */
#define MLOPS_SKETCH_EXACT			2048

/* values of a level of the quantile summary */
#define MLOPS_SKETCH_LEVEL			2048

/* frequent values that are held beyond the limit */
#define MLOPS_SKETCH_FREQUENT		256

/* relative standard error of the number of distinct values beyond the limit */
#define MLOPS_SKETCH_DISTINCT_ERROR	0.01625

/* longest text that is held as it is, in bytes; see mlops_sketch_add_text() */
#define MLOPS_SKETCH_TEXT_MAX		255

/* longest encoding of a sketch that is read */
#define MLOPS_SKETCH_MAX_BYTES		(16 * 1024 * 1024)

/* at most this many distinct values of a numeric column get a bin each */
#define MLOPS_BINS_VALUES_MAX		20

typedef enum MlopsSketchKind
{
	MLOPS_SKETCH_NUMERIC = 1,
	MLOPS_SKETCH_CATEGORICAL = 2
} MlopsSketchKind;

typedef struct MlopsSketch MlopsSketch;

/* what is exact whatever the size; rows is the sum of the others */
typedef struct MlopsSketchCounts
{
	int64		rows;
	int64		nulls;
	int64		nans;
	int64		negative_infinities;
	int64		positive_infinities;
	int64		values;			/* finite numbers, or texts */
} MlopsSketchCounts;

/* an ordered value and the rows that it stands for */
typedef struct MlopsSketchPoint
{
	double		value;
	int64		weight;
} MlopsSketchPoint;

/* a value with its count; text is NULL in a numeric sketch */
typedef struct MlopsSketchEntry
{
	double		number;
	const char *text;			/* in the sketch; no zero at its end */
	int			len;
	int64		count;
} MlopsSketchEntry;

/* why bytes are no sketch */
typedef struct MlopsSketchError
{
	size_t		offset;
	const char *message;		/* a constant */
} MlopsSketchError;

/*
 * Making
 */
extern MlopsSketch *mlops_sketch_create(MlopsSketchKind kind);
extern void mlops_sketch_free(MlopsSketch *sketch);
extern void mlops_sketch_add_null(MlopsSketch *sketch);
extern void mlops_sketch_add_number(MlopsSketch *sketch, double value);
extern void mlops_sketch_add_text(MlopsSketch *sketch, const char *text, int len);

/* of a text; the same on every machine */
extern uint64 mlops_sketch_hash_text(const char *text, int len);

/* other is as it was; false if the kinds differ or the counts overflow */
extern bool mlops_sketch_merge(MlopsSketch *sketch, const MlopsSketch *other);

/*
 * Bytes.  Equal content has equal bytes.  Reading checks everything and keeps
 * no pointer to the bytes; NULL and *error if they are no sketch.
 */
extern void *mlops_sketch_write(MlopsSketch *sketch, size_t reserve, size_t *len);
extern MlopsSketch *mlops_sketch_read(const void *bytes, size_t len, MlopsSketchError *error);

/*
 * Asking.  Functions take a sketch that is not const because values that came
 * last may still wait to be arranged; what they say does not change by it.
 */
extern MlopsSketchKind mlops_sketch_kind(const MlopsSketch *sketch);
extern MlopsSketchCounts mlops_sketch_counts(const MlopsSketch *sketch);

/* does it hold all distinct values with their counts? */
extern bool mlops_sketch_is_exact(MlopsSketch *sketch);

/* the number of distinct values that are finite numbers or texts */
extern double mlops_sketch_distinct(MlopsSketch *sketch);

/* of finite values; NaN of none, and of a categorical sketch */
extern double mlops_sketch_min(MlopsSketch *sketch);
extern double mlops_sketch_max(MlopsSketch *sketch);
extern double mlops_sketch_mean(MlopsSketch *sketch);

/* divided by n, or by n - 1, NaN of less than two values then */
extern double mlops_sketch_variance(MlopsSketch *sketch, bool population);
extern double mlops_sketch_stddev(MlopsSketch *sketch, bool population);

/*
 * Order, of a numeric sketch.  The rank of x is the number of ordered values
 * up to and including x.
 */
extern int64 mlops_sketch_ordered(const MlopsSketch *sketch);	/* all ranks */
extern int64 mlops_sketch_rank(MlopsSketch *sketch, double x);
extern double mlops_sketch_cdf(MlopsSketch *sketch, double x);	/* NaN of no values */

/* the least value of the column with a rank of at least p times all; NaN of none */
extern double mlops_sketch_quantile(MlopsSketch *sketch, double p);

/* no rank above is further from the truth than this many rows; 0 if exact */
extern int64 mlops_sketch_rank_error(MlopsSketch *sketch);

/*
 * Ordered values as points, ascending and distinct, whose weights add up to
 * all of them: the steps of the distribution function.  Valid until the sketch
 * is added to, merged into or freed.
 */
extern const MlopsSketchPoint *mlops_sketch_points(MlopsSketch *sketch, int *num_points);

/*
 * How many ordered values are in each interval: up to and including edges[0],
 * above it up to and including edges[1], and so on, and above the last.
 * counts has num_edges + 1 elements; edges ascend strictly.
 */
extern void mlops_sketch_histogram(MlopsSketch *sketch, const double *edges, int num_edges,
								   int64 *counts);

/*
 * The most frequent values, by descending count, equal counts by value; as
 * many as limit and as it holds.  Returned in a palloc'ed array.  A count is
 * at most mlops_sketch_count_error() rows too small and never too large; a
 * value that is not held has at most so many rows.
 */
extern MlopsSketchEntry *mlops_sketch_top(MlopsSketch *sketch, int limit, int *num_entries);
extern int64 mlops_sketch_count_error(MlopsSketch *sketch);	/* 0 if exact */
extern int64 mlops_sketch_count_number(MlopsSketch *sketch, double value);
extern int64 mlops_sketch_count_text(MlopsSketch *sketch, const char *text, int len);

/* same kind, counts, least and greatest value and moments, bit for bit */
extern bool mlops_sketch_same_totals(MlopsSketch *a, MlopsSketch *b);

/*
 * Bins, by which a column is compared with its reference.  They are made from
 * the reference once and never again.  NULL and NaN are in no bin.
 */
typedef enum MlopsBinsKind
{
	MLOPS_BINS_EDGES,			/* intervals, as of mlops_sketch_histogram() */
	MLOPS_BINS_NUMBERS,			/* a bin per number, and one for all others */
	MLOPS_BINS_TEXTS			/* a bin per text, and one for all others */
} MlopsBinsKind;

typedef struct MlopsBins
{
	MlopsBinsKind kind;
	int			num_bins;		/* num_values + 1 */
	int			num_values;		/* of numbers or texts */
	double	   *numbers;		/* edges or numbers, ascending, else NULL */
	const char **texts;			/* ascending as strcmp has it, else NULL */
} MlopsBins;

/*
 * The bins of a reference: at most num_bins intervals with edges at its
 * quantiles; of at most MLOPS_BINS_VALUES_MAX distinct numbers a bin each, of
 * texts a bin for each that the sketch holds.
 */
extern MlopsBins *mlops_bins_make(MlopsSketch *reference, int num_bins);

/* rows per bin, the last one being above the last edge, or all other values;
 * false if the sketch is not of the kind of the bins */
extern bool mlops_bins_count(const MlopsBins *bins, MlopsSketch *sketch, int64 *counts);

#endif							/* MLOPS_SKETCH_H */
