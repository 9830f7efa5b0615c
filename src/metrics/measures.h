/*-------------------------------------------------------------------------
 *
 * measures.h
 *	  Measures of a model's performance, on arrays in memory.
 *
 * Plain C without a header of PostgreSQL but c.h: the aggregates use these,
 * and training uses them on its hold-out rows.  The definitions are those of
 * doc/metrics.md.  A measure that is not defined for its input (one class
 * only, no rows) is NaN.
 *
 * No score may be NaN, and no more than MLOPS_SCORES_MAX rows of a class are
 * ranked at once: the caller sees to both.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_MEASURES_H
#define MLOPS_MEASURES_H

#include "c.h"

#include "metrics/sum.h"

/* one scored row with a yes/no label */
typedef struct MlopsScored
{
	double		score;
	bool		label;
} MlopsScored;

/* counts at one threshold */
typedef struct MlopsConfusion
{
	int64		true_positive;
	int64		false_positive;
	int64		true_negative;
	int64		false_negative;
} MlopsConfusion;

/* by descending score; the measures of ranking below need rows in this order */
extern void mlops_sort_scored(MlopsScored *rows, size_t n);

extern double mlops_auc(const MlopsScored *sorted, size_t n);
extern double mlops_pr_auc(const MlopsScored *sorted, size_t n);
extern double mlops_ks(const MlopsScored *sorted, size_t n);

/* the order of rows does not matter to these */
extern double mlops_log_loss(const MlopsScored *rows, size_t n);
extern double mlops_brier(const MlopsScored *rows, size_t n);
extern MlopsConfusion mlops_confusion_at(const MlopsScored *rows, size_t n, double threshold);

extern double mlops_accuracy(const MlopsConfusion *c);
extern double mlops_precision(const MlopsConfusion *c);
extern double mlops_recall(const MlopsConfusion *c);
extern double mlops_f1(const MlopsConfusion *c);
extern double mlops_mcc(const MlopsConfusion *c);

extern double mlops_rmse(const double *actual, const double *predicted, size_t n);
extern double mlops_mae(const double *actual, const double *predicted, size_t n);
extern double mlops_r2(const double *actual, const double *predicted, size_t n);
extern double mlops_mape(const double *actual, const double *predicted, size_t n);

/*
 * Called from time to time by what can take long, so that the host can
 * cancel it by not returning; NULL to go on undisturbed.
 */
typedef void (*MlopsCheck) (void);

/* rows of one class, so that the pairs of a positive and a negative row fit into 64 bits */
#define MLOPS_SCORES_MAX	((size_t) PG_UINT32_MAX)

/* descending; in place, at most eight passes over the data for any input */
extern void mlops_sort_scores(double *scores, size_t n, MlopsCheck check);

/*
 * Values in order that are too many for memory, which the host brings in
 * parts: after a start, from the highest down or from the lowest up, next
 * gives one part after the other, and then NULL.
 */
typedef struct MlopsSource MlopsSource;

struct MlopsSource
{
	void		(*start) (MlopsSource *source, bool ascending);
	const double *(*next) (MlopsSource *source, size_t *count);
};

/*
 * The scores of the rows of each class, both descending: half the memory of
 * MlopsScored, and the order of rows with equal scores cannot matter.  A class
 * that has a source has no array.
 */
typedef struct MlopsScores
{
	const double *positive;
	const double *negative;
	size_t		num_positive;
	size_t		num_negative;
	MlopsSource *positive_source;
	MlopsSource *negative_source;
} MlopsScores;

/* a place among the values of one class */
typedef struct MlopsPlace
{
	const double *next;
	const double *end;
	MlopsSource *source;		/* of what comes after, or NULL */
} MlopsPlace;

/*
 * A walk from the highest score down.  One step takes all rows of one score,
 * so that ties need no rule.
 */
typedef struct MlopsCurve
{
	double		score;			/* of the step */
	int64		positives;		/* rows of the step */
	int64		negatives;
	int64		true_positive;	/* rows so far, with those of the step */
	int64		false_positive;
	int64		num_positive;	/* rows in all */
	int64		num_negative;

	/* where the rows come from: pairs, or the scores of each class */
	const MlopsScored *rows;
	MlopsPlace	positive;
	MlopsPlace	negative;
	MlopsCheck	check;
	uint64		steps;
} MlopsCurve;

/* a curve with a source is walked once, and is started again by starting it anew */
extern void mlops_curve_start(MlopsCurve *curve, const MlopsScores *scores, MlopsCheck check);
extern void mlops_curve_start_rows(MlopsCurve *curve, const MlopsScored *sorted, size_t n);
extern bool mlops_curve_next(MlopsCurve *curve);

/* these walk a curve that has just been started */
extern double mlops_curve_auc(MlopsCurve *curve);
extern double mlops_curve_pr_auc(MlopsCurve *curve);
extern double mlops_curve_ks(MlopsCurve *curve);

/* DeLong's variance of the AUC; NaN with fewer than two rows of a class */
extern double mlops_curve_auc_variance(MlopsCurve *curve, double auc);

/* losses of probabilities */
typedef struct MlopsLosses
{
	int64		n;
	MlopsSum	log_loss;
	MlopsSum	brier;
} MlopsLosses;

extern void mlops_losses_add(MlopsLosses *losses, bool label, double score);
extern void mlops_losses_merge(MlopsLosses *losses, const MlopsLosses *other);
extern double mlops_losses_log_loss(const MlopsLosses *losses);
extern double mlops_losses_brier(const MlopsLosses *losses);

/* one bin of a calibration curve */
typedef struct MlopsBin
{
	int64		n;
	int64		positives;
	MlopsSum	score;
	double		lower;			/* scores from here, inclusive, */
	double		upper;			/* to here; the last bin has it too */
} MlopsBin;

extern void mlops_bins_equal_width(MlopsBin *bins, int num_bins);
extern void mlops_bins_equal_width_add(MlopsBin *bins, int num_bins, bool label, double score);
extern int	mlops_bins_equal_frequency(MlopsBin *bins, int num_bins, MlopsCurve *curve);
extern double mlops_ece(const MlopsBin *bins, int num_bins);

/* number of rows, sum and sum of squared deviations from the mean */
typedef struct MlopsMoments
{
	double		n;
	MlopsSum	sum;
	MlopsSum	squares;
} MlopsMoments;

extern void mlops_moments_add(MlopsMoments *moments, double x);
extern void mlops_moments_merge(MlopsMoments *moments, const MlopsMoments *other);

/* errors of a regression */
typedef struct MlopsErrors
{
	int64		n;
	int64		num_relative;	/* rows whose actual value is not zero */
	MlopsSum	absolute;
	MlopsSum	squared;
	MlopsSum	relative;
	MlopsMoments actual;
	double		actual_min;
	double		actual_max;
} MlopsErrors;

extern void mlops_errors_add(MlopsErrors *errors, double actual, double predicted);
extern void mlops_errors_merge(MlopsErrors *errors, const MlopsErrors *other);
extern double mlops_errors_rmse(const MlopsErrors *errors);
extern double mlops_errors_mae(const MlopsErrors *errors);
extern double mlops_errors_r2(const MlopsErrors *errors);
extern double mlops_errors_mape(const MlopsErrors *errors);

/* counts of rows by actual (row) and predicted (column) class, which are in the same order */
typedef struct MlopsClassMatrix
{
	const int64 *cells;
	int			num_classes;
	int			stride;			/* cells from one row to the next */
} MlopsClassMatrix;

extern int64 mlops_matrix_total(const MlopsClassMatrix *matrix);
extern MlopsConfusion mlops_matrix_one_class(const MlopsClassMatrix *matrix, int64 total, int class);

/* the mean over classes; a class that was never predicted, or never occurred, counts as 0 */
extern double mlops_matrix_precision(const MlopsClassMatrix *matrix);
extern double mlops_matrix_recall(const MlopsClassMatrix *matrix);
extern double mlops_matrix_f1(const MlopsClassMatrix *matrix);
extern double mlops_matrix_mcc(const MlopsClassMatrix *matrix);

/* the two-sided quantile of the normal distribution: 1.96 for 0.95 */
extern double mlops_normal_quantile(double level);

extern void mlops_wilson(double successes, double n, double z, double *lower, double *upper);

#endif							/* MLOPS_MEASURES_H */
