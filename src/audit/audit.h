/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  The audit log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_AUDIT_H
#define MLOPS_AUDIT_H

#include "utils/relcache.h"

/* register the callbacks that write queued events at the end of a transaction */
extern void mlops_audit_init(void);

/* the table of events */
extern Oid	mlops_audit_relid(bool missing_ok);

#endif							/* MLOPS_AUDIT_H */
