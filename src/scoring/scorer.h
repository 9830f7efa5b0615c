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

#include "scoring/binding.h"

/* what argument 1 of a scoring function is */
typedef enum MlopsInput
{
	MLOPS_INPUT_ROW,
	MLOPS_INPUT_ARRAY,
	MLOPS_INPUT_JSONB,
	MLOPS_INPUT_COLUMNS			/* names; the values are the arguments after it */
} MlopsInput;

/* valid for the present call; the members belong to the scorer */
typedef struct MlopsScorer
{
	const MlopsModel *model;
	uint8		sha256[MLOPS_SHA256_LENGTH];	/* of its artifact */
	const MlopsBinding *binding;	/* of a row: its values are the present row's */
	float	   *vector;			/* the row: a value per feature, NaN is missing */
	void	   *scratch;		/* of the engine */
	float	   *margins;		/* room for one per group */
	float	   *outputs;		/* room for one per output */
	MemoryContext context;		/* reset when the call site begins anew */
	void	   *extra;			/* the caller's, in that context; NULL then */
} MlopsScorer;

extern MlopsScorer *mlops_scorer_read(FunctionCallInfo fcinfo, MlopsInput input, int privilege);

#endif							/* MLOPS_SCORER_H */
