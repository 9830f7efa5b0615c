/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  What time it is for jobs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_WORKER_CLOCK_H
#define MLOPS_WORKER_CLOCK_H

#include "datatype/timestamp.h"
#include "utils/guc.h"

extern TimestampTz mlops_clock_now(void);
extern bool mlops_clock_is_stopped(void);

/* of the setting mlops.debug_clock */
extern bool mlops_clock_check(char **newval, void **extra, GucSource source);
extern void mlops_clock_assign(const char *newval, void *extra);

#endif							/* MLOPS_WORKER_CLOCK_H */
