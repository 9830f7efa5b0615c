/*-------------------------------------------------------------------------
 *
 * scheduler.h
 *	  The process that decides which jobs of a database run when.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_WORKER_SCHEDULER_H
#define MLOPS_WORKER_SCHEDULER_H

#include "postmaster/bgworker.h"

/* register one; of_launcher: it may leave when there is nothing to do */
extern bool mlops_scheduler_register(Oid database, bool of_launcher,
									 BackgroundWorkerHandle **handle);

/* whether this process is one */
extern bool mlops_is_scheduler(void);

#endif							/* MLOPS_WORKER_SCHEDULER_H */
