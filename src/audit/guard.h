/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  What stands between a superuser's statement and the records.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_AUDIT_GUARD_H
#define MLOPS_AUDIT_GUARD_H

extern void mlops_guard_init(void);

#endif							/* MLOPS_AUDIT_GUARD_H */
