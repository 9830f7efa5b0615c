/*-------------------------------------------------------------------------
 *
 * view.h
 *	  What tells one statement's view of the database from another's.
 *
 * A call site can live longer than a statement, in PL/pgSQL for one.  Whoever
 * keeps what it found out in a call site's fn_extra keeps the view with it, and
 * begins anew if that is not the present one.  Two snapshots of one session
 * that agree in all that is compared show the same rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_VIEW_H
#define MLOPS_VIEW_H

#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

typedef struct MlopsView
{
	TimestampTz statement;
	TransactionId xmin;
	TransactionId xmax;
	uint64		completions;
	CommandId	curcid;
	uint32		xcnt;
	int32		subxcnt;
	Oid			user;
} MlopsView;

/*
 * The view of the present statement.
 */
static inline MlopsView
mlops_view_present(void)
{
	MlopsView	view = {0};

	view.statement = GetCurrentStatementStartTimestamp();
	view.user = GetUserId();
	if (ActiveSnapshotSet())
	{
		Snapshot	snapshot = GetActiveSnapshot();

		view.xmin = snapshot->xmin;
		view.xmax = snapshot->xmax;
		view.completions = snapshot->snapXactCompletionCount;
		view.curcid = snapshot->curcid;
		view.xcnt = snapshot->xcnt;
		view.subxcnt = snapshot->subxcnt;
	}
	return view;
}

/*
 * Is a view that of the present statement?  Asked for each row.
 */
static inline bool
mlops_view_is_present(const MlopsView *view)
{
	Snapshot	snapshot;

	if (view->statement != GetCurrentStatementStartTimestamp() || view->user != GetUserId())
		return false;
	if (!ActiveSnapshotSet())
		return view->xmax == InvalidTransactionId;
	snapshot = GetActiveSnapshot();
	return view->xmin == snapshot->xmin && view->xmax == snapshot->xmax &&
		view->completions == snapshot->snapXactCompletionCount &&
		view->curcid == snapshot->curcid &&
		view->xcnt == snapshot->xcnt && view->subxcnt == snapshot->subxcnt;
}

#endif							/* MLOPS_VIEW_H */
