/*-------------------------------------------------------------------------
 *
 * suggest.h
 *	  What is known of the columns of a query while they are read, and after.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SUGGEST_H
#define MLOPS_SUGGEST_H

#include "postgres.h"

#include "metrics/sum.h"
#include "monitoring/sketch_type.h"
#include "monitoring/tally.h"
#include "training/association.h"

/* classes of a label that are told apart */
#define MLOPS_SUGGEST_CLASSES	100

/* bins of a number; up to MLOPS_BINS_VALUES_MAX values have one each */
#define MLOPS_SUGGEST_BINS		10

/* a feature that is a number with a label that is one */
typedef struct MlopsSuggestJoint
{
	double		n;
	double		x;				/* means */
	double		y;
	double		xx;				/* sums of products of deviations */
	double		yy;
	double		xy;
} MlopsSuggestJoint;

/* rows of a class, and the sum of the feature in them */
typedef struct MlopsSuggestClassSum
{
	int64		n;
	MlopsSum	sum;
} MlopsSuggestClassSum;

typedef struct MlopsSuggestFeature
{
	char	   *name;
	char	   *type;
	MlopsConversion conversion; /* none: no type for features */
	bool		category;
	int			number;			/* in a tuple, from 0 */
	int			place;			/* in a row of the sample; -1: none */
	uint64		hashes[2];		/* of its values in the order of the rows */
	int64		nulls[2];		/* by class; all in the first unless there are two */
	int64		nans[2];
	int64		infinities[2];
	MlopsSketch *classes[2];	/* of the rest; the second NULL unless there are two */
	MlopsSuggestJoint joint;			/* with a number */
	MlopsSuggestClassSum *sums;			/* with classes */
	MlopsTally *tally;			/* a category with a number; NULL: too many values */

	/* what was found */
	int64		missing;
	int64		values;
	double		distinct;
	bool		exact;
	double		rank_error;
	double		information;
	double		correlation;
	const char *method;
	double		auc;
	MlopsTrend	trend;
	MlopsTrendBin *bins;
	int			num_bins;
	const char *duplicate_of;
	char	   *leakage;
} MlopsSuggestFeature;

typedef struct MlopsSuggestSample
{
	int			width;			/* the label, then features that are numbers */
	int			allocated;
	int			num_rows;
	double	   *rows;
	uint64	   *hashes;
	uint64		limit;			/* of the hashes of rows that are kept */
} MlopsSuggestSample;

typedef struct MlopsSuggest
{
	MemoryContext context;
	MemoryContext row_context;
	const char *label;
	const char *key;			/* or NULL */
	const char *positive;		/* or NULL: the last of two */
	int			num_features;
	MlopsSuggestFeature *features;
	MlopsSuggestSample sample;

	int			key_number;		/* in a tuple; -1: none that can be hashed */
	MlopsConversion key_conversion;
	int			label_number;
	Oid			label_type;
	MlopsConversion label_conversion;
	bool		by_class;		/* is the label text or boolean? */
	MlopsDictionary *classes;	/* by class, in order of appearance */
	double		numbers[2];		/* if not: the first two */
	int			num_classes;	/* or numbers; at most three of these */
	bool		many;			/* are there more than two? */
	int			one;			/* which of two is the positive class */
	int64		rows[2];		/* by class; all in the first unless there are two */
	int64		rows_read;
} MlopsSuggest;

extern MlopsSketch *mlops_suggest_merge(const MlopsSuggestFeature *feature);
extern void mlops_suggest_study(MlopsSuggest *self, MlopsSuggestFeature *feature);
extern void mlops_suggest_duplicates(MlopsSuggest *self);

#endif							/* MLOPS_SUGGEST_H */
