/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  What is running, and how far it is, for the view mlops.progress.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_PROGRESS_H
#define MLOPS_PROGRESS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* kinds of work */
typedef enum MlopsWork
{
	MLOPS_WORK_SCORE,
	MLOPS_WORK_TRAIN,
	MLOPS_WORK_MONITOR,
	MLOPS_WORK_CROSS_VALIDATE,
	MLOPS_WORK_TUNE
} MlopsWork;

/* what a work does now, and what is counted meanwhile */
typedef enum MlopsPhase
{
	MLOPS_PHASE_PREPARING,		/* nothing */
	MLOPS_PHASE_READING,		/* rows */
	MLOPS_PHASE_STORING,		/* nothing: the rows of a query, before a commit */
	MLOPS_PHASE_BOOSTING,		/* rounds */
	MLOPS_PHASE_SCORING,		/* rows */
	MLOPS_PHASE_MEASURING,		/* nothing */
	MLOPS_PHASE_CHECKING,		/* checks */
	MLOPS_PHASE_WAITING,		/* nothing: for a training process */
	MLOPS_PHASE_VALIDATING,		/* folds */
	MLOPS_PHASE_SEARCHING		/* trials */
} MlopsPhase;

typedef struct MlopsProgress MlopsProgress;

/* while the postmaster loads the library */
extern void mlops_progress_init(void);

/*
 * A work begins; it ends with the memory context, also after an error.  The
 * version is 0 if there is none yet.  Without preload nobody sees any of this,
 * and it does nothing.
 */
extern MlopsProgress *mlops_progress_begin(MlopsWork work, const char *model, int32 version,
										   MemoryContext context);

/* a phase begins with nothing done, of what is expected: -1 if not known */
extern void mlops_progress_phase(MlopsProgress *progress, MlopsPhase phase, int64 expected);

/* so much of the phase is done; cheap */
extern void mlops_progress_done(MlopsProgress *progress, int64 done);

/* how good it is by now, in words that are cut to some length */
extern void mlops_progress_metric(MlopsProgress *progress, const char *metric);

/* which check a monitor does now, and of which window */
extern void mlops_progress_check(MlopsProgress *progress, const char *monitor, int64 check,
								 TimestampTz window_start, TimestampTz window_end);

/* all work of this process from now on is that of a run of a job */
extern void mlops_progress_job(const char *job, int64 run);

#endif							/* MLOPS_PROGRESS_H */
