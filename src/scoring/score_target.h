/*-------------------------------------------------------------------------
 *
 * score_target.h
 *	  The table that mlops.score() writes to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SCORE_TARGET_H
#define MLOPS_SCORE_TARGET_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "datatype/timestamp.h"

/* the columns of results; a table has some of them */
typedef enum MlopsScoreColumn
{
	MLOPS_SCORE_SCORE,			/* double precision */
	MLOPS_SCORE_CLASS,			/* text */
	MLOPS_SCORE_PROBA,			/* double precision[] */
	MLOPS_SCORE_MARGIN			/* double precision[] */
} MlopsScoreColumn;

#define MLOPS_SCORE_COLUMNS	4

/* what is written */
typedef struct MlopsTargetSpec
{
	const char *model;
	int32		version;
	TimestampTz scored_at;		/* of the whole run */
	TupleDesc	query;
	int			num_keys;
	const int  *keys;			/* columns of the query, from 0 */
	bool		gives[MLOPS_SCORE_COLUMNS]; /* what the model gives, and */
	bool		wants[MLOPS_SCORE_COLUMNS]; /* what a new table shall have */
	int			batch_rows;
} MlopsTargetSpec;

typedef struct MlopsTarget MlopsTarget;

/* SPI is connected around all of these */
extern MlopsTarget *mlops_target_open(const char *name, const MlopsTargetSpec *spec);
extern void mlops_target_begin(MlopsTarget *target);
extern void mlops_target_end(MlopsTarget *target);

/* is there anything to look for, and which results are to be given? */
extern bool mlops_target_may_have(const MlopsTarget *target);
extern bool mlops_target_has_column(const MlopsTarget *target, MlopsScoreColumn column);

/*
 * Rows are put one after the other, and then looked for or inserted together.
 */
extern void mlops_target_put(MlopsTarget *target, int row, const Datum *keys,
							 const NullableDatum *results);
extern void mlops_target_look(MlopsTarget *target, bool *present);
extern int64 mlops_target_insert(MlopsTarget *target);

#endif							/* MLOPS_SCORE_TARGET_H */
