/*-------------------------------------------------------------------------
 *
 * replay.h
 *	  What the events say the tables should hold, against what they hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_AUDIT_REPLAY_H
#define MLOPS_AUDIT_REPLAY_H

#include "audit/reader.h"

typedef struct MlopsReplay MlopsReplay;

/* called for each difference; seq is 0 if no event tells of the object */
typedef void (*MlopsReplayReport) (void *arg, int64 seq, const char *detail);

extern MlopsReplay *mlops_replay_open(bool whole);
extern void mlops_replay_event(MlopsReplay *replay, const MlopsAuditEvent *event, bool intact);
extern int64 mlops_replay_compare(MlopsReplay *replay, MlopsAuditReader *reader,
								  MlopsReplayReport report, void *arg);

extern void mlops_audit_private_begin(Oid *save_user, int *save_context);
extern void mlops_audit_private_end(Oid save_user, int save_context);

#endif							/* MLOPS_AUDIT_REPLAY_H */
