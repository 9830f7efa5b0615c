/*-------------------------------------------------------------------------
 *
 * test.h
 *	  Distributions and statistical tests.
 *
 * Plain C without a header of PostgreSQL but c.h.  Nothing here allocates
 * memory or keeps state; what needs room is given it.  A probability that is
 * not defined for its input is NaN.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_TEST_H
#define MLOPS_TEST_H

#include "c.h"

#include "metrics/measures.h"

/*
 * Distributions: the probability of a value beyond x (_sf), or up to x (_cdf)
 */
extern double mlops_normal_sf(double x);
extern double mlops_gamma_sf(double a, double x);
extern double mlops_chi2_sf(double x, double df);
extern double mlops_chi2_quantile(double p, double df);
extern double mlops_binomial_sf(int64 k, int64 n, double p);	/* k or more of n */
extern double mlops_binomial_cdf(int64 k, int64 n, double p);	/* k or fewer of n */
extern double mlops_cramer_von_mises_cdf(double x);

/* of the two-sided statistic of Kolmogorov for one sample of n */
extern double mlops_kolmogorov_sf(int64 n, double d);

/*
 * A sample: values in order, each a row, or for so many rows.  They are read
 * from base, stride bytes from one to the next, so that a descending array is
 * read from its end; a weight stands behind its value.  Values that are not in
 * memory come from a source, ascending.
 */
typedef struct MlopsSample
{
	const char *base;
	ptrdiff_t	stride;
	bool		weighted;
	size_t		count;			/* of values */
	int64		rows;
	MlopsSource *source;		/* instead of base, or NULL */
} MlopsSample;

extern void mlops_sample_descending(MlopsSample *sample, const double *values, size_t count);
extern void mlops_sample_ascending(MlopsSample *sample, const double *values, size_t count);
extern void mlops_sample_source(MlopsSample *sample, MlopsSource *source, size_t count);

/* as of a sketch: the value, and a weight of type int64 behind it */
extern void mlops_sample_points(MlopsSample *sample, const void *points, size_t count);

/* a walk through two samples; one step takes all rows of one value */
typedef struct MlopsPairs
{
	double		value;			/* of the step */
	int64		reference;		/* rows of the step */
	int64		current;
	int64		reference_so_far;	/* rows so far, with those of the step */
	int64		current_so_far;

	const MlopsSample *samples[2];
	size_t		next[2];		/* of the sample, or of the part of its source */
	MlopsSample parts[2];		/* of the sources */
	MlopsCheck	check;
	uint64		steps;
} MlopsPairs;

extern void mlops_pairs_start(MlopsPairs *pairs, const MlopsSample *reference,
							  const MlopsSample *current, MlopsCheck check);
extern bool mlops_pairs_next(MlopsPairs *pairs);

/* what a test found; df is 0 where there are none */
typedef struct MlopsTest
{
	double		statistic;
	double		p_value;
	double		df;
	bool		exact;
	double		p_tied;			/* of cvm, AD: p with regard to ties; else as p_value */
} MlopsTest;

/* both samples up to so many rows: p is counted, not approximated */
#define MLOPS_KS_EXACT_MAX		10000
#define MLOPS_CVM_EXACT_MAX		20

/* bytes that a test needs, 0 if none; at most 60 MB */
extern size_t mlops_test_ks_room(int64 n, int64 m);
extern size_t mlops_test_cvm_room(int64 n, int64 m);

extern MlopsTest mlops_test_ks(const MlopsSample *reference, const MlopsSample *current,
							   void *room, MlopsCheck check);
extern MlopsTest mlops_test_cvm(const MlopsSample *reference, const MlopsSample *current,
								void *room, MlopsCheck check);
extern MlopsTest mlops_test_anderson_darling(const MlopsSample *reference,
											 const MlopsSample *current, MlopsCheck check);
extern MlopsTest mlops_test_energy(const MlopsSample *reference, const MlopsSample *current,
								   MlopsCheck check);

/*
 * Tests on counts per category.  merge joins rare categories as doc/drift.md
 * says; the counts are overwritten then.
 */
extern MlopsTest mlops_test_chi2(int64 *reference, int64 *current, int num_bins, bool merge);
extern MlopsTest mlops_test_chi2_gof(int64 *reference, int64 *current, int num_bins, bool merge);

#endif							/* MLOPS_TEST_H */
