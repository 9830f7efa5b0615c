/*-------------------------------------------------------------------------
 *
 * stat_workers.c
 *	  The processes of jobs, as the view mlops.stat_workers shows them.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "worker/state.h"

PG_FUNCTION_INFO_V1(mlops_stat_workers);

#define NCOLUMNS	9

enum
{
	COLUMN_PROCESS,
	COLUMN_DATABASE,
	COLUMN_PID,
	COLUMN_STATE,
	COLUMN_RUN,
	COLUMN_SINCE,
	COLUMN_HEARTBEAT,
	COLUMN_NEXT_DUE,
	COLUMN_FAILURES
};

static void
set(Datum *values, bool *isnull, int column, Datum datum)
{
	values[column] = datum;
	isnull[column] = false;
}

static void
add_row(ReturnSetInfo *result, const char *process, Oid database, pid_t pid, const char *state,
		const MlopsSlot *slot, const MlopsEntry *entry, TimestampTz heartbeat)
{
	Datum		values[NCOLUMNS] = {0};
	bool		isnull[NCOLUMNS];

	memset(isnull, true, sizeof(isnull));
	set(values, isnull, COLUMN_PROCESS, CStringGetTextDatum(process));
	set(values, isnull, COLUMN_STATE, CStringGetTextDatum(state));
	if (OidIsValid(database))
		set(values, isnull, COLUMN_DATABASE, ObjectIdGetDatum(database));
	if (pid != 0)
		set(values, isnull, COLUMN_PID, Int32GetDatum(pid));
	if (heartbeat != 0)
		set(values, isnull, COLUMN_HEARTBEAT, TimestampTzGetDatum(heartbeat));
	if (slot != NULL)
	{
		set(values, isnull, COLUMN_SINCE, TimestampTzGetDatum(slot->since));
		set(values, isnull, COLUMN_FAILURES, Int32GetDatum(slot->failures));
		if (slot->state == MLOPS_SLOT_ASLEEP && slot->next_due != DT_NOEND)
			set(values, isnull, COLUMN_NEXT_DUE, TimestampTzGetDatum(slot->next_due));
	}
	if (entry != NULL)
	{
		set(values, isnull, COLUMN_SINCE, TimestampTzGetDatum(entry->since));
		set(values, isnull, COLUMN_RUN, Int64GetDatum(entry->run));
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
}

/*
 * SQL: a row for the launcher, for each database that it knows, and for each
 * job worker.  No row without preload.
 */
Datum
mlops_stat_workers(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		[MLOPS_SLOT_ASLEEP] = "asleep",
		[MLOPS_SLOT_STARTING] = "starting",
		[MLOPS_SLOT_RUNNING] = "running",
		[MLOPS_SLOT_FAILED] = "failed",
	};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MlopsWorkerState *copy;
	TimestampTz now = GetCurrentTimestamp();

	InitMaterializedSRF(fcinfo, 0);
	if (mlops_worker_state == NULL)
		PG_RETURN_NULL();

	/* nothing may be allocated under the lock */
	copy = palloc(sizeof(MlopsWorkerState));
	LWLockAcquire(mlops_worker_state->lock, LW_SHARED);
	memcpy(copy, mlops_worker_state, sizeof(MlopsWorkerState));
	LWLockRelease(mlops_worker_state->lock);

	add_row(result, "launcher", InvalidOid, copy->launcher, copy->launcher != 0 ? "running" : "stopped",
			NULL, NULL, copy->launcher_heartbeat);
	for (int i = 0; i < MLOPS_MAX_DATABASES; i++)
	{
		const MlopsSlot *slot = &copy->slots[i];

		if (OidIsValid(slot->database))
			add_row(result, "scheduler", slot->database, slot->scheduler,
					slot->hold_until > now ? "held" : names[slot->state], slot, NULL, slot->heartbeat);
	}
	for (int i = 0; i < MLOPS_MAX_JOB_WORKERS; i++)
	{
		const MlopsEntry *entry = &copy->entries[i];

		if (entry->used)
			add_row(result, "job", entry->database, entry->pid, entry->pid != 0 ? "running" : "starting",
					NULL, entry, 0);
	}
	pfree(copy);
	PG_RETURN_NULL();
}
