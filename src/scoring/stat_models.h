/*-------------------------------------------------------------------------
 *
 * stat_models.h
 *	  How much, how fast and on what rows each version scores.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_STAT_MODELS_H
#define MLOPS_STAT_MODELS_H

#include "postgres.h"

#include "lib/ilist.h"
#include "portability/instr_time.h"

#include "registry/model.h"

/* what is counted of the rows that a call reads */
typedef struct MlopsCounts
{
	int64		rows;			/* that have a score */
	int64		null_rows;		/* with NULL in a feature that a split uses */
	int64		missing_columns;	/* that rows did not have */
	int64		unseen_categories;	/* values */
} MlopsCounts;

/*
 * A call: what one call site scores with one version in one statement and one
 * process.  Begins when the version is resolved, and ends with a memory
 * context of the call site's.
 */
typedef struct MlopsCall
{
	MlopsCounts counts;
	bool		in_row;			/* if the call ends now, the row was an error */
	bool		timing;			/* this row is timed, since start */
	bool		ended;			/* is in the statistics as a call */
	int64		next_timed;		/* row, counted from 0 */
	int64		timed;			/* rows timed after the first */
	double		first_seconds;	/* the resolution and the first row, and all
								 * batches */
	double		timed_seconds;	/* those rows together */
	instr_time	start;
	struct MlopsPending *pending;
	dlist_node	node;			/* of the open calls */
	MemoryContextCallback callback;
} MlopsCall;

extern void mlops_stat_models_init(void);
extern MlopsCall *mlops_call_begin(const MlopsResolved *resolved, instr_time start,
								   MemoryContext context);
extern void mlops_call_timed_row(MlopsCall *call);

/* a row begins; of the row that is read while the call begins, it has begun */
static inline void
mlops_call_row_begin(MlopsCall *call)
{
	call->in_row = true;
	if (unlikely(call->counts.rows == call->next_timed))
	{
		call->timing = true;
		INSTR_TIME_SET_CURRENT(call->start);
	}
}

/* the row has its score */
static inline void
mlops_call_row_end(MlopsCall *call)
{
	if (unlikely(call->timing))
		mlops_call_timed_row(call);
	call->counts.rows++;
	call->in_row = false;
}

/*
 * After mlops_call_row_begin(): not one row is scored but several together.
 * All of this is timed.
 */
static inline void
mlops_call_batch_begin(MlopsCall *call)
{
	if (!call->timing)
		INSTR_TIME_SET_CURRENT(call->start);
	call->timing = true;
}

/* these rows have their scores */
static inline void
mlops_call_batch_end(MlopsCall *call, int64 rows)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, call->start);
	call->first_seconds += INSTR_TIME_GET_DOUBLE(now);
	call->counts.rows += rows;
	call->timing = false;
	call->in_row = false;
}

#endif							/* MLOPS_STAT_MODELS_H */
