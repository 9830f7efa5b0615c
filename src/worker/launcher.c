/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The process that starts a scheduler where there is something to do.
 *
 * One for the cluster, static, only with preload and never on a standby: the
 * postmaster starts it when recovery has finished.  It reads pg_database and
 * nothing else; whether a database has the extension, its scheduler finds out
 * and notes in the slot (nothing due, ever).  README.md draws the states of a
 * slot; launch() and look_at() are its arrows.
 *
 * Only the launcher adds and removes slots and takes them to STARTING.  What
 * it knows beyond the slots (handles of schedulers that have not attached yet)
 * is lost with it: its successor waits START_TIME for those.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <signal.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "worker/clock.h"
#include "worker/launcher.h"
#include "worker/scheduler.h"
#include "worker/state.h"

PGDLLEXPORT void mlops_launcher_main(Datum arg);

/* in milliseconds */
#define LOOK_TIME		60000	/* pg_database is read at least as often */
#define LEAD_TIME		1000	/* a scheduler starts as long before it is needed */
#define START_TIME		60000	/* a scheduler that has not attached after it never will */
#define MAX_BACKOFF		60000
#define NO_WORKER_TIME	2000	/* until another try when there is no free worker */

/* schedulers that may be on their way at the same time */
#define MAX_STARTING	4

/* a scheduler that this process has started, until it attaches or ends */
typedef struct Starting
{
	Oid			database;
	BackgroundWorkerHandle *handle;
} Starting;

static Starting starting[MAX_STARTING];

static TimestampTz lacked_at = 0;	/* when last no worker was free */
static bool databases_reported = false;

/*
 * before_shmem_exit callback.
 */
static void
leave(int code, Datum arg)
{
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	if (mlops_worker_state->launcher == MyProcPid)
	{
		mlops_worker_state->launcher = 0;
		mlops_worker_state->launcher_latch = NULL;
	}
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * Read pg_database: the OIDs of databases that jobs can be in, in the current
 * context.
 */
static Oid *
read_databases(int *ndatabases)
{
	MemoryContext context = CurrentMemoryContext;
	Oid		   *result = palloc(sizeof(Oid) * MLOPS_MAX_DATABASES);
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	*ndatabases = 0;
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (!database->datallowconn || database->datistemplate)
			continue;
		if (*ndatabases == MLOPS_MAX_DATABASES)
		{
			if (!databases_reported)
				ereport(LOG,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("mlops runs jobs in no more than %d databases", MLOPS_MAX_DATABASES)));
			databases_reported = true;
			break;
		}
		result[(*ndatabases)++] = database->oid;
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	pgstat_report_stat(true);
	MemoryContextSwitchTo(context);
	return result;
}

static bool
contains(const Oid *databases, int n, Oid database)
{
	for (int i = 0; i < n; i++)
		if (databases[i] == database)
			return true;
	return false;
}

/*
 * Give each database a slot, and take those of databases that went.
 */
static void
look_for_databases(void)
{
	int			n;
	Oid		   *databases;
	TimestampTz now = GetCurrentTimestamp();

	/* first, so that what is told meanwhile is not lost */
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	mlops_worker_state->rescan = false;
	LWLockRelease(mlops_worker_state->lock);

	databases = read_databases(&n);

	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MLOPS_MAX_DATABASES; i++)
	{
		MlopsSlot  *slot = &mlops_worker_state->slots[i];

		if (OidIsValid(slot->database) && slot->scheduler == 0 &&
			slot->state != MLOPS_SLOT_STARTING && slot->hold_until <= now &&
			!contains(databases, n, slot->database))
			memset(slot, 0, sizeof(MlopsSlot));
	}
	for (int i = 0; i < n; i++)
	{
		MlopsSlot  *slot = mlops_slot_of(databases[i]);

		if (slot != NULL)
			continue;
		slot = mlops_slot_of(InvalidOid);
		if (slot == NULL)
			break;
		memset(slot, 0, sizeof(MlopsSlot));
		slot->database = databases[i];
		slot->state = MLOPS_SLOT_ASLEEP;
		slot->since = now;
		slot->next_due = DT_NOEND;
		slot->woken = true;
	}
	LWLockRelease(mlops_worker_state->lock);
	pfree(databases);
}

/*
 * Register a scheduler.  false if there is no free worker.
 */
static bool
launch(Oid database, Starting *place)
{
	if (!mlops_scheduler_register(database, true, &place->handle))
	{
		TimestampTz now = GetCurrentTimestamp();

		/* once, as long as it goes on */
		if (TimestampDifferenceExceeds(lacked_at, now, LOOK_TIME))
			ereport(LOG,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("no background worker is free for a scheduler of mlops"),
					 errhint("Consider increasing max_worker_processes.")));
		lacked_at = now;
		return false;
	}
	place->database = database;
	return true;
}

/*
 * Forget schedulers that have attached or ended.
 */
static void
look_at_starting(void)
{
	for (int i = 0; i < MAX_STARTING; i++)
	{
		pid_t		pid;
		BgwHandleStatus status;
		MlopsSlot  *slot;

		if (starting[i].handle == NULL)
			continue;
		status = GetBackgroundWorkerPid(starting[i].handle, &pid);
		LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
		slot = mlops_slot_of(starting[i].database);
		if (slot != NULL && slot->state == MLOPS_SLOT_STARTING && status == BGWH_STOPPED)
		{
			/* it could not even attach */
			slot->state = MLOPS_SLOT_FAILED;
			slot->since = GetCurrentTimestamp();
			slot->failures++;
		}
		if (slot == NULL || slot->state != MLOPS_SLOT_STARTING)
		{
			pfree(starting[i].handle);
			starting[i].handle = NULL;
		}
		LWLockRelease(mlops_worker_state->lock);
	}
}

/*
 * Look at a slot, whose lock is held: true if its scheduler is to be started
 * now.  Otherwise *wait is lowered to the milliseconds after which to look
 * again.
 */
static bool
look_at(MlopsSlot *slot, TimestampTz now, TimestampTz clock, long *wait)
{
	TimestampTz due = now;

	switch (slot->state)
	{
		case MLOPS_SLOT_RUNNING:
			return false;
		case MLOPS_SLOT_STARTING:
			due = TimestampTzPlusMilliseconds(slot->since, START_TIME);
			if (due <= now)
			{
				slot->state = MLOPS_SLOT_FAILED;
				slot->since = now;
				slot->failures++;
				due = TimestampTzPlusMilliseconds(now, MAX_BACKOFF);
			}
			*wait = Min(*wait, TimestampDifferenceMilliseconds(now, due));
			return false;
		case MLOPS_SLOT_FAILED:
			due = TimestampTzPlusMilliseconds(slot->since,
											  Min(MAX_BACKOFF, 1000 << Min(slot->failures, 6)));
			break;
		case MLOPS_SLOT_ASLEEP:
			if (slot->woken)
				break;
			if (slot->next_due == DT_NOEND)
				return false;
			/* a clock that stands brings nothing nearer */
			if (mlops_clock_is_stopped())
				due = slot->next_due <= clock ? now : DT_NOEND;
			else
				due = TimestampTzPlusMilliseconds(slot->next_due, -LEAD_TIME);
			break;
	}
	due = Max(due, slot->hold_until);
	if (due <= now)
		return true;
	if (due != DT_NOEND)
		*wait = Min(*wait, TimestampDifferenceMilliseconds(now, due) + 1);
	return false;
}

/*
 * Start the schedulers that are needed; the milliseconds until the next look.
 */
static long
launch_schedulers(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz clock = mlops_clock_now();
	long		wait = LOOK_TIME;

	look_at_starting();
	for (int i = 0; i < MLOPS_MAX_DATABASES; i++)
	{
		MlopsSlot  *slot = &mlops_worker_state->slots[i];
		Oid			database = InvalidOid;
		Starting   *place = NULL;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < MAX_STARTING && place == NULL; j++)
			if (starting[j].handle == NULL)
				place = &starting[j];

		LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
		if (OidIsValid(slot->database) && look_at(slot, now, clock, &wait) && place != NULL)
		{
			database = slot->database;
			slot->state = MLOPS_SLOT_STARTING;
			slot->since = now;
		}
		LWLockRelease(mlops_worker_state->lock);

		if (OidIsValid(database) && !launch(database, place))
		{
			LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
			slot->state = MLOPS_SLOT_ASLEEP;
			slot->woken = true;
			LWLockRelease(mlops_worker_state->lock);
			return NO_WORKER_TIME;
		}
	}
	return wait;
}

/*
 * Have databases looked at again that were read-only: the settings have changed.
 */
static void
wake_read_only(void)
{
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MLOPS_MAX_DATABASES; i++)
		if (mlops_worker_state->slots[i].told)
			mlops_worker_state->slots[i].woken = true;
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * The main function of the process.
 */
void
mlops_launcher_main(Datum arg)
{
	TimestampTz looked = 0;
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	/* a reload before the handler was there */
	ProcessConfigFile(PGC_SIGHUP);

	before_shmem_exit(leave, (Datum) 0);
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	mlops_worker_state->launcher = MyProcPid;
	mlops_worker_state->launcher_latch = MyLatch;
	mlops_worker_state->rescan = true;
	LWLockRelease(mlops_worker_state->lock);

	context = AllocSetContextCreate(TopMemoryContext, "mlops launcher", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz clock;
		long		wait = LOOK_TIME;
		bool		rescan;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			wake_read_only();
		}
		clock = mlops_clock_now();

		LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
		rescan = mlops_worker_state->rescan;
		mlops_worker_state->launcher_heartbeat = clock;
		LWLockRelease(mlops_worker_state->lock);
		if (rescan || TimestampDifferenceExceeds(looked, now, LOOK_TIME))
		{
			looked = now;
			look_for_databases();
		}
		if (mlops_scheduler)
			wait = launch_schedulers();

		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait,
						 PG_WAIT_EXTENSION);
	}
}

/*
 * Register the launcher, while the postmaster loads the library.
 */
void
mlops_launcher_init(void)
{
	BackgroundWorker worker = {
		.bgw_name = MLOPS_LAUNCHER_TYPE,
		.bgw_type = MLOPS_LAUNCHER_TYPE,
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 1,
		.bgw_library_name = "mlops",
		.bgw_function_name = "mlops_launcher_main",
	};

	RegisterBackgroundWorker(&worker);
}
