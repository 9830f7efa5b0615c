/*-------------------------------------------------------------------------
 *
 * launcher.h
 *	  The process that starts a scheduler where there is something to do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_WORKER_LAUNCHER_H
#define MLOPS_WORKER_LAUNCHER_H

extern void mlops_launcher_init(void);

#endif							/* MLOPS_WORKER_LAUNCHER_H */
