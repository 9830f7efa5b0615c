/*-------------------------------------------------------------------------
 *
 * scorer.h
 *	  What a call site that scores knows: the version and the row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SCORER_H
#define MLOPS_SCORER_H

#include "postgres.h"

#include "fmgr.h"

#include "governance/suspension.h"
#include "scoring/binding.h"
#include "scoring/stat_models.h"

/* what argument 1 of a scoring function is */
typedef enum MlopsInput
{
	MLOPS_INPUT_ROW,
	MLOPS_INPUT_ARRAY,
	MLOPS_INPUT_JSONB,
	MLOPS_INPUT_COLUMNS			/* names; the values are the arguments after it */
} MlopsInput;

/* what can be made of margins, as predict() and its sisters do */
typedef enum MlopsOutput
{
	MLOPS_OUTPUT_VALUE,
	MLOPS_OUTPUT_CLASS,
	MLOPS_OUTPUT_PROBA,
	MLOPS_OUTPUT_MARGIN
} MlopsOutput;

/* valid for the present call; the members belong to the scorer */
typedef struct MlopsScorer
{
	const double *constant;		/* value of every row of a suspended model, or
								 * NULL; if set, the other members are not */
	const MlopsModel *model;
	uint8		sha256[MLOPS_SHA256_LENGTH];	/* of its artifact */
	int64		version_id;
	double		threshold;		/* mlops_scorer_threshold(); NaN: not looked up */
	MlopsReader reader;			/* how rows are read */
	const MlopsBinding *binding;	/* of a row: its values are the present row's */
	void	   *vector;			/* the row, see binding.h */
	void	   *scratch;		/* of the engine */
	void	   *margins;		/* room for one per group, float or double */
	void	   *outputs;		/* room for one per output, likewise */
	MemoryContext context;		/* reset when the call site begins anew */
	void	   *extra;			/* the caller's, in that context; NULL then */
	MlopsCall  *call;			/* what is counted of it */
} MlopsScorer;

extern MlopsScorer *mlops_scorer_open(FunctionCallInfo fcinfo, int privilege, MlopsUse use);
extern MlopsScorer *mlops_scorer_read(FunctionCallInfo fcinfo, MlopsInput input, int privilege,
									  MlopsUse use);
extern MlopsScorer *mlops_scorer_read_changed(FunctionCallInfo fcinfo, MlopsInput input,
											  int privilege, MlopsUse use, Jsonb *changes);
extern void mlops_scorer_read_row(MlopsScorer *scorer, HeapTupleHeader row, Jsonb *changes,
								  void *vector);
extern void mlops_scorer_margin(MlopsScorer *scorer);
extern void mlops_scorer_transform(MlopsScorer *scorer);
extern double mlops_scorer_threshold(MlopsScorer *scorer);

/* in predict.c */
extern bool mlops_model_gives(const MlopsModel *model, MlopsOutput output);
extern Datum mlops_scorer_output(MlopsScorer *scorer, MlopsOutput output);

/* a margin or an output; double has every float exactly */
#define mlops_scorer_value(scorer, values, i) \
	((scorer)->model->info.wide ? ((const double *) (scorer)->values)[i] \
	 : (double) ((const float *) (scorer)->values)[i])

/*
 * What predict() gives for the margin in a scorer of a model with one: what its
 * calibration makes of it, or else the objective's transform.
 */
static inline double
mlops_scorer_prediction(MlopsScorer *scorer)
{
	if (unlikely(scorer->model->calibration != NULL))
		return mlops_calibrated(scorer->model->calibration, mlops_scorer_value(scorer, margins, 0));
	mlops_scorer_transform(scorer);
	return mlops_scorer_value(scorer, outputs, 0);
}

/*
 * After mlops_scorer_read(): the row has its score.  Without it the row counts
 * as an error.
 */
static inline void
mlops_scorer_done(MlopsScorer *scorer)
{
	mlops_call_row_end(scorer->call);
}

#endif							/* MLOPS_SCORER_H */
