/*-------------------------------------------------------------------------
 *
 * association.h
 *	  How one feature goes with the label.
 *
 * Two classes are numbered 0 and 1, and 1 is the positive one.  A measure that
 * is not defined for its input is NaN.  Definitions: doc/features.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_ASSOCIATION_H
#define MLOPS_ASSOCIATION_H

#include "c.h"

#include "monitoring/sketch.h"

/* a trend is one if chance would give it less often, */
#define MLOPS_TREND_CHANCE		0.001

/* and monotone if so much of the variation between bins is, or if the rest */
#define MLOPS_TREND_EXPLAINED	0.95

/* is one that chance gives at least this often */
#define MLOPS_TREND_DEPARTURE	0.05

/* rows whose feature is in one interval, and their labels */
typedef struct MlopsTrendBin
{
	double		upper;			/* greatest value; infinite: open */
	int64		n;
	double		mean;			/* of the label, 0 or 1 of two classes */
	double		squares;		/* sum of squared deviations from it */
} MlopsTrendBin;

typedef struct MlopsTrend
{
	int64		n;				/* rows with a value */
	double		spearman;
	double		p_value;		/* of no association, two-sided */
	double		explained;		/* share of the variation between bins */
	double		p_departure;	/* of what is not explained */
	int			direction;		/* of a monotone trend, else 0 */
} MlopsTrend;

/* numbers with their labels; both arrays are left in another order */
typedef struct MlopsPoint
{
	double		x;
	double		y;
	double		rank;
} MlopsPoint;

extern double mlops_spearman(MlopsPoint *points, int64 n);

/* Spearman's correlation and AUC of a number in rows of two classes */
extern void mlops_class_ranks(MlopsSketch *const *classes, double *spearman, double *auc);

/* bins, ascending, and spearman and n of the trend are given */
extern void mlops_trend_judge(const MlopsTrendBin *bins, int num_bins, MlopsTrend *trend);

/* rows of each class that have one category */
typedef struct MlopsCategory
{
	int64		rows[2];
} MlopsCategory;

/* categories are left in another order */
extern double mlops_category_auc(MlopsCategory *categories, int num_categories);
extern double mlops_cramers_v(const MlopsCategory *categories, int num_categories);

#endif							/* MLOPS_ASSOCIATION_H */
