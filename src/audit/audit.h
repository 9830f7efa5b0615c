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

#include "audit/event.h"

/* register the callbacks that write queued events at the end of a transaction */
extern void mlops_audit_init(void);

/* the table of events */
extern Oid	mlops_audit_relid(bool missing_ok);

/* an event of this transaction that is not yet in the log */
extern const MlopsAuditEvent *mlops_audit_pending(int n);

/* make durable what this transaction has seen, and what it wrote */
extern void mlops_audit_flush(void);

#endif							/* MLOPS_AUDIT_H */
