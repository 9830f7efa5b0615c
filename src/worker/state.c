/*-------------------------------------------------------------------------
 *
 * state.c
 *	  What launcher, schedulers and job workers know of each other.
 *
 * With preload there is a block of main shared memory with a slot for each
 * database and an entry for each job worker.  Nothing in it has to survive:
 * after a crash the launcher reads pg_database, and schedulers their tables.
 *
 * Locks.  One lightweight lock, held for a few instructions or a walk over the
 * arrays.  Under it no other lock is taken but a latch's, nothing is allocated
 * and nothing can fail, so that callbacks after a commit and at the end of a
 * process can use it.
 *
 * Latches.  A latch in the block is that of a process that set it there; the
 * process takes it away before it ends, under the lock.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "worker/scheduler.h"
#include "worker/state.h"

PG_FUNCTION_INFO_V1(mlops_wake_scheduler);

/* a hold that nobody released ends by itself */
#define HOLD_TIME_MS	10000

MlopsWorkerState *mlops_worker_state = NULL;

static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

/* this transaction has changed what the scheduler reads */
static bool wake_at_commit = false;

static void
request(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(sizeof(MlopsWorkerState));
	RequestNamedLWLockTranche("mlops_worker", 1);
}

static void
startup(void)
{
	bool		found;

	if (previous_startup)
		previous_startup();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	mlops_worker_state = ShmemInitStruct("mlops worker", sizeof(MlopsWorkerState), &found);
	if (!found)
	{
		memset(mlops_worker_state, 0, sizeof(MlopsWorkerState));
		mlops_worker_state->lock = &GetNamedLWLockTranche("mlops_worker")->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Wake the scheduler after the commit of a transaction that changed what it
 * reads.  Nothing here can fail, since the commit is done.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (wake_at_commit)
				mlops_wake_database(MyDatabaseId);
			wake_at_commit = false;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			wake_at_commit = false;
			break;
		default:
			break;
	}
}

/*
 * Ask for the block, when the postmaster loads the library.
 */
void
mlops_worker_state_init(void)
{
	previous_request = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
	RegisterXactCallback(at_transaction_end, NULL);
}

/*
 * The slot of a database, or NULL.
 */
MlopsSlot *
mlops_slot_of(Oid database)
{
	Assert(LWLockHeldByMe(mlops_worker_state->lock));
	for (int i = 0; i < MLOPS_MAX_DATABASES; i++)
		if (mlops_worker_state->slots[i].database == database)
			return &mlops_worker_state->slots[i];
	return NULL;
}

void
mlops_wake_launcher(void)
{
	Assert(LWLockHeldByMe(mlops_worker_state->lock));
	if (mlops_worker_state->launcher_latch != NULL)
		SetLatch(mlops_worker_state->launcher_latch);
}

/*
 * Make the scheduler of a database look at its tables.  A database that is not
 * known yet is looked for.
 */
void
mlops_wake_database(Oid database)
{
	MlopsSlot  *slot;

	if (mlops_worker_state == NULL)
		return;
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	slot = mlops_slot_of(database);
	if (slot != NULL)
		slot->woken = true;
	else
		mlops_worker_state->rescan = true;
	if (slot != NULL && slot->latch != NULL)
		SetLatch(slot->latch);
	else
		mlops_wake_launcher();
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * Make our processes leave a database and none enter it for a while.
 */
void
mlops_hold_database(Oid database)
{
	TimestampTz until;
	MlopsSlot  *slot;

	if (mlops_worker_state == NULL)
		return;
	until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), HOLD_TIME_MS);
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	slot = mlops_slot_of(database);
	if (slot != NULL)
	{
		slot->hold_until = until;
		if (slot->scheduler != 0)
			kill(slot->scheduler, SIGTERM);
	}
	for (int i = 0; i < MLOPS_MAX_JOB_WORKERS; i++)
	{
		MlopsEntry *entry = &mlops_worker_state->entries[i];

		/* a job may end its own database's connections, but not itself */
		if (entry->used && entry->database == database && entry->pid != 0 && entry->pid != MyProcPid)
			kill(entry->pid, SIGTERM);
	}
	LWLockRelease(mlops_worker_state->lock);
}

void
mlops_release_database(Oid database)
{
	MlopsSlot  *slot;

	if (mlops_worker_state == NULL)
		return;
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	slot = mlops_slot_of(database);
	if (slot != NULL)
	{
		slot->hold_until = 0;
		slot->woken = true;
	}
	mlops_worker_state->rescan = true;
	mlops_wake_launcher();
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * Make the scheduler of a database start anew, since its settings have changed.
 * It leaves as for a hold, which is over at once.
 */
void
mlops_restart_scheduler(Oid database)
{
	TimestampTz now = GetCurrentTimestamp();
	MlopsSlot  *slot;

	if (mlops_worker_state == NULL)
		return;
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	slot = mlops_slot_of(database);
	if (slot != NULL)
	{
		slot->woken = true;
		slot->hold_until = Max(slot->hold_until, now);
		if (slot->scheduler != 0)
			kill(slot->scheduler, SIGTERM);
		mlops_wake_launcher();
	}
	LWLockRelease(mlops_worker_state->lock);
}

bool
mlops_database_is_held(Oid database)
{
	TimestampTz now = GetCurrentTimestamp();
	MlopsSlot  *slot;
	bool		result;

	if (mlops_worker_state == NULL)
		return false;
	LWLockAcquire(mlops_worker_state->lock, LW_SHARED);
	slot = mlops_slot_of(database);
	result = slot != NULL && slot->hold_until > now;
	LWLockRelease(mlops_worker_state->lock);
	return result;
}

void
mlops_rescan_databases(void)
{
	if (mlops_worker_state == NULL)
		return;
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	mlops_worker_state->rescan = true;
	mlops_wake_launcher();
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * Reserve an entry for a job worker of a database within the limits: its
 * number, -1 if the database has as many as it may, -2 if all together have.
 */
int
mlops_entry_reserve(Oid database)
{
	int			all = 0;
	int			here = 0;
	int			free = -1;
	int			result;
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MLOPS_MAX_JOB_WORKERS; i++)
	{
		MlopsEntry *entry = &mlops_worker_state->entries[i];

		if (!entry->used)
			free = free < 0 ? i : free;
		else
		{
			all++;
			here += entry->database == database;
		}
	}
	if (here >= mlops_max_running_jobs_per_database)
		result = -1;
	else if (all >= mlops_max_running_jobs || free < 0)
	{
		MlopsSlot  *slot = mlops_slot_of(database);

		if (slot != NULL)
			slot->waiting = true;
		result = -2;
	}
	else
	{
		mlops_worker_state->entries[free] = (MlopsEntry) {
			.used = true,.database = database,.since = now
		};
		result = free;
	}
	LWLockRelease(mlops_worker_state->lock);
	return result;
}

/*
 * Free an entry, and wake the schedulers that have waited for one.
 */
void
mlops_entry_free(MlopsEntry *entry)
{
	Assert(LWLockHeldByMe(mlops_worker_state->lock));
	entry->used = false;
	entry->pid = 0;
	for (int i = 0; i < MLOPS_MAX_DATABASES; i++)
	{
		MlopsSlot  *slot = &mlops_worker_state->slots[i];

		if (slot->waiting && slot->latch != NULL)
			SetLatch(slot->latch);
		slot->waiting = false;
	}
}

void
mlops_entry_release(int number)
{
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	mlops_entry_free(&mlops_worker_state->entries[number]);
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * SQL: trigger of the tables that the scheduler reads.
 */
Datum
mlops_wake_scheduler(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function %s must be called as a trigger", "mlops._wake_scheduler")));
	/* the scheduler's own changes are no news to it */
	if (!mlops_is_scheduler())
		wake_at_commit = true;
	return PointerGetDatum(NULL);
}
