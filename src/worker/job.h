/*-------------------------------------------------------------------------
 *
 * job.h
 *	  The process that does one run of a job, as the job's owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_WORKER_JOB_H
#define MLOPS_WORKER_JOB_H

#include "postmaster/bgworker.h"

/* register one; entry is the reserved place in shared memory, or -1 */
extern bool mlops_job_register(Oid database, Oid owner, int64 run, int entry,
							   BackgroundWorkerHandle **handle);

#endif							/* MLOPS_WORKER_JOB_H */
