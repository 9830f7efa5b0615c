/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  The process that decides which jobs of a database run when.
 *
 * It is connected as the bootstrap superuser and executes nothing but the
 * private functions of sql/90_schedule.sql, which make every decision.  Here
 * is what they cannot do: start processes and see whether they live, and wait.
 * One look is one transaction, after which the chosen workers are registered;
 * between looks there is none, and no lock but the session's lock that makes
 * it the only scheduler of the database.
 *
 * A worker that it has started it knows by a handle.  One that another
 * scheduler has started before it, it adopts by the process number that the
 * worker wrote into the row of its run.
 *
 * With preload it leaves when nothing is due for a while, and tells the
 * launcher when to start it again.  Without, it stays and looks every second,
 * since nobody can tell it about changes; and it leaves, together with its
 * workers, when a statement needs the database to itself.  Then the postmaster
 * starts it again, and its connection waits until that statement has ended.
 *
 * An error ends the process, be it that somebody holds a lock for long; the
 * launcher, or the postmaster, starts another one after a while.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "caller.h"
#include "errors.h"
#include "guc.h"
#include "worker/clock.h"
#include "worker/job.h"
#include "worker/scheduler.h"
#include "worker/state.h"

PGDLLEXPORT void mlops_scheduler_main(Datum arg);

PG_FUNCTION_INFO_V1(mlops_start_scheduler);

/* in milliseconds */
#define LONG_WAIT		60000	/* in which a clock that was set is noticed */
#define SHORT_WAIT		1000	/* for what nobody tells us */
#define STAY_TIME		10000	/* it stays for what is due within it */
#define PURGE_TIME		3600000 /* between deletions of old runs */

/* workers that are started in one look */
#define MAX_STARTS		16

/* not a number of SQL's advisory locks, which are 1 and 2 */
#define SCHEDULER_LOCK	0x6d6c

/* what is passed in bgw_extra */
typedef struct SchedulerArgs
{
	Oid			database;
	bool		of_launcher;
} SchedulerArgs;

/* a worker */
typedef struct Worker
{
	int64		run;
	BackgroundWorkerHandle *handle; /* NULL if it was adopted */
	pid_t		pid;			/* of an adopted one */
	int			entry;			/* -1 without shared memory, or if adopted */
} Worker;

/* the outcome of a look */
typedef struct Look
{
	bool		installed;		/* the extension is there */
	bool		again;			/* there is more to do at once */
	TimestampTz at;
	TimestampTz next;			/* when something is due */
	int			ready;			/* runs that could start */
	int			nplaces;		/* entries that were reserved for them */
	int			places[MAX_STARTS];
	int			nstarts;
	int64		runs[MAX_STARTS];
	Oid			owners[MAX_STARTS];
} Look;

static bool is_scheduler = false;
static bool of_launcher = false;
static bool published = false;
static bool connected = false;

static List *workers = NIL;
static List *gone = NIL;		/* of Worker: those that ended since the last look */
static bool recover = true;
static TimestampTz purged_at = DT_NOBEGIN;
static TimestampTz lacked_at = 0;	/* when last no worker was free */

bool
mlops_is_scheduler(void)
{
	return is_scheduler;
}

/*
 * Register a scheduler; false if there is no free worker.  The handle is
 * allocated in the current context.
 */
bool
mlops_scheduler_register(Oid database, bool by_launcher, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = {
		.bgw_type = MLOPS_SCHEDULER_TYPE,
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = by_launcher ? BGW_NEVER_RESTART : 5,
		.bgw_library_name = "mlops",
		.bgw_function_name = "mlops_scheduler_main",
		.bgw_notify_pid = MyProcPid,
	};
	SchedulerArgs args = {.database = database,.of_launcher = by_launcher};

	StaticAssertStmt(sizeof(args) <= BGW_EXTRALEN, "bgw_extra is too small");
	snprintf(worker.bgw_name, BGW_MAXLEN, MLOPS_SCHEDULER_TYPE " of database %u", database);
	memcpy(worker.bgw_extra, &args, sizeof(args));
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/*
 * The slot
 */

/*
 * before_shmem_exit callback: the launcher learns that we have gone.
 */
static void
leave(int code, Datum arg)
{
	MlopsSlot  *slot;

	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	slot = mlops_slot_of(DatumGetObjectId(arg));
	if (slot != NULL && slot->scheduler == MyProcPid)
	{
		slot->scheduler = 0;
		slot->latch = NULL;
		if (!published)
		{
			/* sent away, or failed */
			bool		held = slot->hold_until != 0;

			slot->state = held ? MLOPS_SLOT_ASLEEP : MLOPS_SLOT_FAILED;
			slot->woken = true;
			slot->failures += !held;
			slot->since = GetCurrentTimestamp();
		}
	}
	mlops_wake_launcher();
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * Take the slot, before connecting, so that a hold finds us.  false if we are
 * not to enter the database.
 */
static bool
attach(Oid database)
{
	MlopsSlot  *slot;
	bool		result = false;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz clock = mlops_clock_now();

	before_shmem_exit(leave, ObjectIdGetDatum(database));
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	slot = mlops_slot_of(database);
	if (slot != NULL && slot->scheduler == 0)
	{
		slot->scheduler = MyProcPid;
		slot->latch = MyLatch;
		slot->state = MLOPS_SLOT_RUNNING;
		slot->since = now;
		slot->heartbeat = clock;
		result = slot->hold_until <= now;
		if (result)
			slot->hold_until = 0;
		mlops_wake_launcher();
	}
	LWLockRelease(mlops_worker_state->lock);
	return result;
}

/*
 * Before a look: what changes from now on wakes us again.
 */
static void
note_look(void)
{
	MlopsSlot  *slot;
	TimestampTz clock = mlops_clock_now();

	if (!of_launcher)
		return;
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	slot = mlops_slot_of(MyDatabaseId);
	if (slot != NULL)
	{
		slot->woken = false;
		slot->told = slot->told && DefaultXactReadOnly;
		slot->heartbeat = clock;
	}
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * Tell the launcher when to start us again, and that nothing is wrong.  false
 * if something has changed since the last look, and force is not set.
 */
static bool
publish(TimestampTz next, bool force)
{
	MlopsSlot  *slot;
	TimestampTz now = GetCurrentTimestamp();

	if (!of_launcher)
		return true;
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	slot = mlops_slot_of(MyDatabaseId);
	if (slot != NULL && (force || !slot->woken))
	{
		slot->state = MLOPS_SLOT_ASLEEP;
		slot->since = now;
		slot->next_due = next;
		slot->failures = 0;
		published = true;
	}
	LWLockRelease(mlops_worker_state->lock);
	return published;
}

/*
 * Calls of private functions
 */

static NullableDatum
value(Datum datum)
{
	return (NullableDatum) {.value = datum,.isnull = false};
}

/* one that takes the time */
static Datum
call_at(const char *name, TimestampTz at)
{
	bool		isnull;
	NullableDatum arg = value(TimestampTzGetDatum(at));

	return mlops_call_private(name, 1, (Oid[]) {TIMESTAMPTZOID}, &arg, &isnull);
}

/*
 * A run that was found running, by a process that is not there.
 */
static void
call_crashed(int64 run, pid_t pid, TimestampTz at)
{
	bool		isnull;
	Oid			types[] = {INT8OID, INT4OID, TIMESTAMPTZOID, TEXTOID, INT8OID, TEXTOID, TEXTOID,
	TEXTOID, TEXTOID, TEXTOID, FLOAT8OID, INT8OID};
	NullableDatum args[lengthof(types)];

	for (size_t i = 0; i < lengthof(types); i++)
		args[i] = (NullableDatum) {.value = (Datum) 0,.isnull = true};
	args[0] = value(Int64GetDatum(run));
	args[1] = value(Int32GetDatum(pid));
	args[2] = value(TimestampTzGetDatum(at));
	args[3] = value(CStringGetTextDatum("crashed"));
	args[5] = value(CStringGetTextDatum("the process of the run ended without a result"));
	args[8] = value(CStringGetTextDatum("It may have crashed, or was stopped together with the server: see the log of the server."));
	(void) mlops_call_private("_end_run", lengthof(types), types, args, &isnull);
}

/*
 * Workers
 */

/*
 * Whether a process is a job worker of this database.
 */
static bool
is_job_worker(pid_t pid)
{
	PGPROC	   *proc = pid != 0 ? BackendPidGetProc(pid) : NULL;
	const char *type;

	if (proc == NULL || proc->databaseId != MyDatabaseId)
		return false;
	type = GetBackgroundWorkerTypeByPid(pid);
	return type != NULL && strcmp(type, MLOPS_JOB_TYPE) == 0;
}

static Worker *
find_worker(List *list, int64 run)
{
	ListCell   *cell;

	foreach(cell, list)
		if (((Worker *) lfirst(cell))->run == run)
			return lfirst(cell);
	return NULL;
}

/*
 * Give back the entry of a worker that has not done so, because it never
 * started.
 */
static void
release_entry(const Worker *worker)
{
	MlopsEntry *entry;

	if (worker->entry < 0)
		return;
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	entry = &mlops_worker_state->entries[worker->entry];
	/* by now it may be that of another database, whose runs have numbers of their own */
	if (entry->used && entry->database == MyDatabaseId && entry->run == worker->run)
		mlops_entry_free(entry);
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * Notice which workers have ended.
 */
static void
look_at_workers(void)
{
	ListCell   *cell;

	foreach(cell, workers)
	{
		Worker	   *worker = lfirst(cell);
		pid_t		pid;

		CHECK_FOR_INTERRUPTS();
		if (worker->handle != NULL ? GetBackgroundWorkerPid(worker->handle, &pid) != BGWH_STOPPED
			: is_job_worker(worker->pid))
			continue;
		release_entry(worker);
		if (worker->handle != NULL)
			pfree(worker->handle);
		worker->handle = NULL;
		workers = foreach_delete_current(workers, cell);
		gone = lappend(gone, worker);
		recover = true;
	}
}

/*
 * Reconcile the runs that should have a worker with the workers there are.
 * Within the transaction of a look.
 */
static void
reconcile(TimestampTz at)
{
	int			n;
	int64	   *runs;
	pid_t	   *pids;

	if (SPI_execute("SELECT run_id, worker FROM mlops._open_runs()", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the runs in progress");
	n = SPI_processed;
	runs = palloc(sizeof(int64) * (n + 1));
	pids = palloc(sizeof(pid_t) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		runs[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		pids[i] = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
		if (isnull)
			pids[i] = 0;
	}

	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		NullableDatum args[2] = {value(Int64GetDatum(runs[i])), value(TimestampTzGetDatum(at))};
		Oid			types[2] = {INT8OID, TIMESTAMPTZOID};

		CHECK_FOR_INTERRUPTS();
		if (find_worker(workers, runs[i]) != NULL)
			continue;
		if (pids[i] == 0)
		{
			if (find_worker(gone, runs[i]) != NULL)
				(void) mlops_call_private("_fail_start", 2, types, args, &isnull);
			else
				(void) mlops_call_private("_unstart_run", 1, types, args, &isnull);
		}
		else if (is_job_worker(pids[i]))
		{
			MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
			Worker	   *worker = palloc0(sizeof(Worker));

			worker->run = runs[i];
			worker->pid = pids[i];
			worker->entry = -1;
			workers = lappend(workers, worker);
			MemoryContextSwitchTo(old);
		}
		else
			call_crashed(runs[i], pids[i], at);
	}
}

/*
 * A look
 */

static void
choose_starts(Look *look, int room)
{
	Oid			types[2] = {TIMESTAMPTZOID, INT4OID};
	Datum		args[2] = {TimestampTzGetDatum(look->at), Int32GetDatum(room)};

	if (SPI_execute_with_args("SELECT run_id, run_owner FROM mlops._start_runs($1, $2)",
							  2, types, args, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not choose the runs to start");
	look->nstarts = (int) SPI_processed;
	Assert(look->nstarts <= room);
	for (int i = 0; i < look->nstarts; i++)
	{
		bool		isnull;

		look->runs[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		look->owners[i] = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
	}
}

/*
 * Places for workers: reserves up to wanted, whose numbers (-1 without shared
 * memory) it writes into entries.  No more than are needed now: the places are
 * those of all databases.
 */
static int
reserve_places(int wanted, int *entries)
{
	int			n = 0;

	while (n < Min(wanted, MAX_STARTS))
	{
		if (mlops_worker_state == NULL)
		{
			if (list_length(workers) + n >= Min(mlops_max_running_jobs, mlops_max_running_jobs_per_database))
				break;
			entries[n] = -1;
		}
		else
		{
			entries[n] = mlops_entry_reserve(MyDatabaseId);
			if (entries[n] < 0)
				break;
		}
		n++;
	}
	return n;
}

/*
 * One transaction in which everything that is due is decided.
 */
static void
look_around(Look *look)
{
	memset(look, 0, sizeof(*look));
	look->at = mlops_clock_now();
	look->next = DT_NOEND;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "looking at the jobs of mlops");
	look->installed = OidIsValid(get_extension_oid("mlops", true));
	if (look->installed)
	{
		int			settled;
		int			moved = 0;

		SPI_connect();
		if (recover)
			reconcile(look->at);
		settled = DatumGetInt32(call_at("_settle_runs", look->at));
		if (mlops_scheduler)
		{
			moved = DatumGetInt32(call_at("_queue_due", look->at));
			look->ready = DatumGetInt32(call_at("_ready_runs", look->at));
			look->nplaces = reserve_places(look->ready, look->places);
			if (look->nplaces > 0)
				choose_starts(look, look->nplaces);
		}
		if (purged_at == DT_NOBEGIN || TimestampDifferenceExceeds(purged_at, look->at, PURGE_TIME))
		{
			bool		isnull;

			(void) mlops_call_private("_follow_owners", 0, NULL, NULL, &isnull);
			if (DatumGetInt64(call_at("_purge_runs", look->at)) == 0)
				purged_at = look->at;
			else
				moved++;
		}
		look->again = settled > 0 || moved > 0;
		look->next = DatumGetTimestampTz(call_at("_next_wake", look->at));
		SPI_finish();
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);

	if (look->installed)
	{
		recover = false;
		list_free_deep(gone);
		gone = NIL;
	}
}

/*
 * Put a run whose worker could not be registered back into the queue.
 */
static void
unstart(int64 run)
{
	bool		isnull;
	NullableDatum arg = value(Int64GetDatum(run));

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) mlops_call_private("_unstart_run", 1, (Oid[]) {INT8OID}, &arg, &isnull);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Register a worker for a run; false if there is none free.
 */
static bool
start_worker(int64 run, Oid owner, int entry)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Worker	   *worker = palloc0(sizeof(Worker));
	bool		result;

	worker->run = run;
	worker->entry = entry;
	if (entry >= 0)
	{
		LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
		mlops_worker_state->entries[entry].run = run;
		LWLockRelease(mlops_worker_state->lock);
	}
	result = mlops_job_register(MyDatabaseId, owner, run, entry, &worker->handle);
	if (result)
		workers = lappend(workers, worker);
	else
	{
		TimestampTz now = GetCurrentTimestamp();

		/* once, as long as it goes on */
		if (TimestampDifferenceExceeds(lacked_at, now, LONG_WAIT))
			ereport(LOG,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("no background worker is free for a job of mlops"),
					 errhint("Consider increasing max_worker_processes, or lowering mlops.max_running_jobs.")));
		lacked_at = now;
		pfree(worker);
	}
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * The entries of workers that a scheduler before us reserved, and which did
 * not start: nobody else gives them back.
 */
static void
release_forgotten_entries(void)
{
	if (mlops_worker_state == NULL)
		return;
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MLOPS_MAX_JOB_WORKERS; i++)
	{
		MlopsEntry *entry = &mlops_worker_state->entries[i];

		if (entry->used && entry->database == MyDatabaseId && entry->pid == 0)
			mlops_entry_free(entry);
	}
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * Look, start what is to be started.  The result is how long to wait for the
 * next look, in milliseconds, or -1 to leave.
 */
static long
work(void)
{
	Look		look;
	bool		lack = false;
	bool		adopted = false;
	long		wait;
	ListCell   *cell;

	look_at_workers();
	look_around(&look);

	for (int i = 0; i < look.nplaces; i++)
	{
		if (i < look.nstarts && !lack && start_worker(look.runs[i], look.owners[i], look.places[i]))
			continue;
		if (i < look.nstarts)
		{
			lack = true;
			unstart(look.runs[i]);
		}
		if (look.places[i] >= 0)
			mlops_entry_release(look.places[i]);
	}

	if (!look.installed)
	{
		(void) publish(DT_NOEND, false);
		return -1;
	}
	if (look.again || look.nstarts == MAX_STARTS)
		return lack ? SHORT_WAIT : 0;

	foreach(cell, workers)
		if (((Worker *) lfirst(cell))->handle == NULL)
			adopted = true;

	if (!mlops_scheduler)
		wait = LONG_WAIT;
	else if (look.next <= look.at)
		wait = SHORT_WAIT;		/* a user's transaction has locked it */
	else if (mlops_clock_is_stopped() || look.next == DT_NOEND)
		wait = LONG_WAIT;
	else
		wait = Min(LONG_WAIT, TimestampDifferenceMilliseconds(mlops_clock_now(), look.next));
	if (lack || adopted || look.ready > look.nplaces || !of_launcher)
		return Min(wait, SHORT_WAIT);

	if (workers == NIL && wait > STAY_TIME)
	{
		/* when the setting is on again, somebody has to look */
		if (!mlops_scheduler ? publish(look.at, true) : publish(look.next, false))
			return -1;
		return 0;
	}
	return wait;
}

/*
 * Be the only scheduler of the database; false if there is one already.
 */
static bool
lock_database(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, SCHEDULER_LOCK);
	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Whether a statement of another session, such as DROP DATABASE, needs the
 * database to itself: it holds or waits for a lock on it that conflicts with
 * the one which every session takes while it connects.
 */
static bool
database_is_wanted(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, true);
	return false;
}

/*
 * Make way for such a statement, which waits for five seconds; what the
 * workers did is undone, and done again when we are back.
 */
static void
make_way(void)
{
	ListCell   *cell;

	foreach(cell, workers)
	{
		Worker	   *worker = lfirst(cell);

		if (worker->handle != NULL)
			TerminateBackgroundWorker(worker->handle);
		else if (is_job_worker(worker->pid))
			kill(worker->pid, SIGTERM);
	}
	ereport(LOG,
			(errmsg("the scheduler of mlops leaves database with OID %u for a statement that needs it alone",
					MyDatabaseId)));
	proc_exit(1);
}

/*
 * on_proc_exit callback.  The postmaster starts a process again that ends with
 * an error, also when the error is that the database is not there any more.
 */
static void
stay_away(int code, Datum arg)
{
	if (!connected && code != 0)
		proc_exit(0);
}

/*
 * A database whose administrator made it read-only is left alone; the log says
 * so once.
 */
static bool
is_read_only(void)
{
	static bool told = false;
	bool		tell = !told;

	told = DefaultXactReadOnly;
	if (!DefaultXactReadOnly)
		return false;
	if (of_launcher)
	{
		MlopsSlot  *slot;

		LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
		slot = mlops_slot_of(MyDatabaseId);
		tell = slot != NULL && !slot->told;
		if (slot != NULL)
			slot->told = true;
		LWLockRelease(mlops_worker_state->lock);
	}
	if (tell)
		ereport(LOG,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("no jobs of mlops run in database with OID %u: it is read-only", MyDatabaseId),
				 errhint("Setting default_transaction_read_only is on there; it is looked at again every minute.")));
	return true;
}

/*
 * The main function of the process.
 */
void
mlops_scheduler_main(Datum arg)
{
	SchedulerArgs args;
	static const char *const settings[][2] = {
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
		{"statement_timeout", "0"},
		{"lock_timeout", "500ms"},
		{"idle_in_transaction_session_timeout", "0"},
	};

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	is_scheduler = true;
	of_launcher = args.of_launcher;

	/* one that nobody starts again must end with success when it is told to */
	pqsignal(SIGTERM, of_launcher ? die : SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	if (of_launcher && (mlops_worker_state == NULL || !attach(args.database)))
		proc_exit(0);
	if (!of_launcher)
		on_proc_exit(stay_away, (Datum) 0);
	BackgroundWorkerInitializeConnectionByOid(args.database, InvalidOid, 0);
	connected = true;
	ProcessConfigFile(PGC_SIGHUP);

	if (!lock_database())
	{
		/* one that start_scheduler() started, or one that is about to end */
		(void) publish(TimestampTzPlusMilliseconds(mlops_clock_now(), LONG_WAIT), true);
		proc_exit(0);
	}

	/*
	 * The settings of the database are for its users.  We do not wait for a
	 * lock until the server looks for deadlocks: DROP EXTENSION takes the
	 * locks of our tables in an order of its own, and it would end the other
	 * session's statement instead of ours.
	 */
	for (size_t i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	release_forgotten_entries();

	while (!ShutdownRequestPending)
	{
		long		wait;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (!of_launcher && database_is_wanted())
			make_way();
		note_look();
		if (!is_read_only())
			wait = work();
		else if (!of_launcher)
			wait = SHORT_WAIT;
		else
			wait = publish(TimestampTzPlusMilliseconds(mlops_clock_now(), LONG_WAIT), false) ? -1 : 0;
		if (wait < 0)
			break;
		if (wait > 0 && !ShutdownRequestPending)
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait,
							 PG_WAIT_EXTENSION);
	}
	proc_exit(0);
}

/*
 * SQL: start a scheduler of this database, which stays.  false if one is there
 * or the launcher takes care of it.
 */
Datum
mlops_start_scheduler(PG_FUNCTION_ARGS)
{
	BackgroundWorkerHandle *handle;
	LOCKTAG		tag;
	pid_t		pid;

	if (mlops_worker_state != NULL)
		PG_RETURN_BOOL(false);
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_NO_WORKER),
				 errmsg("no scheduler can be started on a standby")));

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, SCHEDULER_LOCK);
	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		PG_RETURN_BOOL(false);
	LockRelease(&tag, ExclusiveLock, true);

	if (!mlops_scheduler_register(MyDatabaseId, false, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_NO_WORKER),
				 errmsg("no background worker is free for a scheduler"),
				 errhint("Consider increasing max_worker_processes.")));
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_NO_WORKER),
				 errmsg("the scheduler did not start"),
				 errhint("The log of the server says why.")));
	PG_RETURN_BOOL(true);
}
