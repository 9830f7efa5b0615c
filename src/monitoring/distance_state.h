/*-------------------------------------------------------------------------
 *
 * distance_state.h
 *	  Two samples of one column, as an aggregate or two arrays bring them, and
 *	  their comparison.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_DISTANCE_STATE_H
#define MLOPS_DISTANCE_STATE_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "metrics/scores.h"
#include "monitoring/distance.h"
#include "monitoring/sketch.h"
#include "monitoring/tally.h"

/* values that are in no sample */
typedef struct MlopsSkipped
{
	int64		nulls;
	int64		nans;
	int64		infinities;
} MlopsSkipped;

/* index of a sample; a flag that is true means the current one */
#define MLOPS_REFERENCE		0
#define MLOPS_CURRENT		1

typedef struct MlopsTwoSamples
{
	MemoryContext context;
	bool		is_text;
	bool		needs_texts;	/* too many are an error, and no sketches */
	MlopsScoreState numbers;	/* negative: reference, positive: current */
	MlopsTally *texts;			/* rows of the reference, of the current sample; or */
	MlopsSketch *sketches[2];	/* of both, if there are too many texts; else NULL */
	MlopsSkipped skipped[2];
	int64		unassigned;		/* rows without a flag */
	bool		has_options;
	MlopsDriftOptions options;
} MlopsTwoSamples;

extern MlopsTwoSamples *mlops_two_samples_create(MemoryContext context, bool is_text);
extern void mlops_two_samples_add_number(MlopsTwoSamples *state, int sample, double value);
extern void mlops_two_samples_add_text(MlopsTwoSamples *state, int sample, const char *value, int len);

/* of texts only: numbers may be too many to be handed over */
extern void mlops_two_samples_merge(MlopsTwoSamples *state, const MlopsTwoSamples *other);
extern void mlops_two_samples_send(StringInfo buf, MlopsTwoSamples *state, Size reserve);
extern MlopsTwoSamples *mlops_two_samples_recv(StringInfo buf);

/* the samples in order; they refer to the state */
extern void mlops_two_samples_sort(MlopsTwoSamples *state, MlopsSample *reference,
								   MlopsSample *current);

/* how a comparison was made, as evidence beside its result */
typedef struct MlopsDriftBasis
{
	const char *kind;			/* of the bins: quantiles, values, given; NULL of none */
	int			num_bins;
	double	   *numbers;		/* num_bins - 1 edges or values, or NULL */
	const char **texts;			/* num_bins - 1 values, or NULL */
	int64	   *reference;		/* rows per bin, or NULL */
	int64	   *current;
	bool		is_sketch;		/* compared by summaries, */
	int64		rank_errors[2]; /* which are exact if these are 0 */
} MlopsDriftBasis;

extern void mlops_two_samples_compare(MlopsTwoSamples *state, const MlopsDriftOptions *options,
									  MlopsDrift *drift, MlopsDriftBasis *basis);

extern MlopsMethod mlops_method_of_name(const char *name);
extern void mlops_drift_options(MlopsDriftOptions *options, MlopsMethod method, Jsonb *given);
extern Jsonb *mlops_drift_definition(const MlopsDriftOptions *options, const MlopsDrift *drift,
									 const MlopsDriftBasis *basis, const MlopsSkipped *skipped,
									 int64 unassigned);

/* columns of mlops.drift_result */
#define MLOPS_DRIFT_FIELDS	9

extern void mlops_drift_fields(const MlopsDriftOptions *options, const MlopsDrift *drift,
							   const MlopsDriftBasis *basis, const MlopsSkipped *skipped,
							   int64 unassigned, Datum *values, bool *nulls);

#endif							/* MLOPS_DISTANCE_STATE_H */
