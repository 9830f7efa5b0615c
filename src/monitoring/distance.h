/*-------------------------------------------------------------------------
 *
 * distance.h
 *	  How far the distribution of a current sample is from a reference, and
 *	  what is to be thought of it.  The definitions are those of doc/drift.md.
 *
 * Plain C without a header of PostgreSQL but c.h, over counts per bin and over
 * samples in order, wherever these come from.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_DISTANCE_H
#define MLOPS_DISTANCE_H

#include "c.h"

#include "monitoring/test.h"

typedef enum MlopsMethod
{
	/* on counts per bin */
	MLOPS_PSI,
	MLOPS_JS,
	MLOPS_JS_DIVERGENCE,
	MLOPS_KL,
	MLOPS_HELLINGER,
	MLOPS_TVD,
	MLOPS_LINF,
	MLOPS_CHI2,
	MLOPS_CHI2_GOF,
	/* on samples */
	MLOPS_KS,
	MLOPS_WASSERSTEIN,
	MLOPS_WASSERSTEIN_NORM,
	MLOPS_ENERGY,
	MLOPS_ANDERSON_DARLING,
	MLOPS_CRAMER_VON_MISES
} MlopsMethod;

#define MLOPS_NUM_METHODS	(MLOPS_CRAMER_VON_MISES + 1)

extern const char *const mlops_method_names[MLOPS_NUM_METHODS];

static inline bool
mlops_method_is_binned(MlopsMethod method)
{
	return method < MLOPS_KS;
}

/* what a user may choose; NaN where a limit does not apply */
typedef struct MlopsDriftOptions
{
	MlopsMethod method;
	int			bins;			/* at the quantiles of the reference */
	double		zero;			/* psi, kl: what an empty share counts as */
	double		base;			/* js: of the logarithm */
	double		correction;		/* linf: see doc/drift.md */
	bool		merge;			/* chi2, chi2_gof: join rare categories */
	double		warn;			/* limits of the effect */
	double		fail;
	double		alpha;			/* p must be below this to warn, */
	double		alpha_fail;		/* and to fail */
	int64		min_rows;		/* of each sample */
} MlopsDriftOptions;

extern void mlops_drift_defaults(MlopsDriftOptions *options, MlopsMethod method);

typedef enum MlopsVerdict
{
	MLOPS_VERDICT_NONE,			/* the method has none */
	MLOPS_VERDICT_OK,
	MLOPS_VERDICT_WARN,
	MLOPS_VERDICT_FAIL,
	MLOPS_VERDICT_INSUFFICIENT
} MlopsVerdict;

extern const char *const mlops_verdict_names[];

typedef struct MlopsDrift
{
	int64		n_reference;
	int64		n_current;
	double		value;			/* NaN if not defined */
	double		p_value;		/* NaN if there is none */
	double		p_judged;		/* what the verdict looks at, see doc/drift.md */
	double		effect;			/* what the limits are compared with */
	double		df;				/* of the test; 0 if it has none */
	bool		exact;			/* p was counted, not approximated */
	int			bins;			/* with rows in them; 0 if there are none */
	double		threshold;		/* the limit that was broken, or is next */
	MlopsVerdict verdict;
} MlopsDrift;

/* counts are overwritten, as the test may merge them */
extern void mlops_drift_counts(MlopsDrift *drift, const MlopsDriftOptions *options,
							   int64 *reference, int64 *current, int num_bins);

/* bytes that mlops_drift_samples needs, 0 if none */
extern size_t mlops_drift_room(MlopsMethod method, int64 n, int64 m);
extern void mlops_drift_samples(MlopsDrift *drift, const MlopsDriftOptions *options,
								const MlopsSample *reference, const MlopsSample *current,
								void *room, MlopsCheck check);

/*
 * Distances of counts per bin.  NaN if a sample is empty.
 */
extern double mlops_psi(const int64 *reference, const int64 *current, int num_bins, double zero);
extern double mlops_kl(const int64 *reference, const int64 *current, int num_bins, double zero);
extern double mlops_js_divergence(const int64 *reference, const int64 *current, int num_bins, double base);
extern double mlops_hellinger(const int64 *reference, const int64 *current, int num_bins);
extern double mlops_tvd(const int64 *reference, const int64 *current, int num_bins);
extern double mlops_linf(const int64 *reference, const int64 *current, int num_bins);

/*
 * Distances of samples.  NaN if one is empty.
 */
extern double mlops_wasserstein(const MlopsSample *reference, const MlopsSample *current,
								MlopsCheck check);

/* the standard deviation of a sample, divided by n */
extern double mlops_sample_stddev(const MlopsSample *sample, MlopsCheck check);

/*
 * Bins of a sample, or of two together: at most so many edges, ascending and
 * distinct, at its quantiles; bins reach up to and including an edge, the last
 * one beyond.  The other sample may be NULL.
 */
extern int	mlops_quantile_edges(const MlopsSample *sample, const MlopsSample *other, int bins,
								 double *edges, MlopsCheck check);

/* distinct values, at most limit of them; limit + 1 if there are more */
extern int	mlops_distinct_values(const MlopsSample *sample, const MlopsSample *other,
								  double *values, int limit);

/* rows per bin; num_edges + 1 bins */
extern void mlops_count_edges(const MlopsSample *sample, const double *edges, int num_edges,
							  int64 *counts, MlopsCheck check);

/* rows per value; num_values + 1 bins, the last one for all others */
extern void mlops_count_values(const MlopsSample *sample, const double *values, int num_values,
							   int64 *counts, MlopsCheck check);

/*
 * p-values of many tests, adjusted so that those below q have a share of at
 * most q false discoveries among them (Benjamini and Hochberg 1995).  order is
 * scratch for n elements.
 */
extern void mlops_benjamini_hochberg(const double *p, double *adjusted, int *order, int n);

#endif							/* MLOPS_DISTANCE_H */
