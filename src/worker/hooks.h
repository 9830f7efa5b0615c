/*-------------------------------------------------------------------------
 *
 * hooks.h
 *	  Statements that our processes must make way for, or take note of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_WORKER_HOOKS_H
#define MLOPS_WORKER_HOOKS_H

extern void mlops_worker_hooks_init(void);

#endif							/* MLOPS_WORKER_HOOKS_H */
