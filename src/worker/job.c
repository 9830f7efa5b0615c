/*-------------------------------------------------------------------------
 *
 * job.c
 *	  The process that does one run of a job, as the job's owner.
 *
 * It is connected as the owner from the start: session_user and current_user
 * are that role, and its settings and those of the database are in force.  The
 * rows of mlops are written by private functions, which are called from here
 * and not by the command.
 *
 * Three transactions: the claim; the command together with its result, if it
 * succeeds; the result, if it does not.  Since the result is written where the
 * run is still this worker's, and otherwise an error undoes the command, there
 * is no way for the effects of a run to be committed twice.
 *
 * How it ends.  An error of the command is caught.  SIGINT cancels it: from
 * our own timeout, or from cancel_job() and its like, which differ by a flag.
 * SIGTERM ends the process by FATAL, in whose course at_exit() writes that the
 * run was interrupted.  Whatever ends the process without that leaves a run in
 * status running, which the scheduler finds.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <signal.h>
#include <sys/resource.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "caller.h"
#include "errors.h"
#include "mlops.h"
#include "progress.h"
#include "worker/clock.h"
#include "worker/execute.h"
#include "worker/job.h"
#include "worker/state.h"

PGDLLEXPORT void mlops_job_main(Datum arg);

PG_FUNCTION_INFO_V1(mlops_current_run);

/* what is passed in bgw_extra */
typedef struct JobArgs
{
	Oid			database;
	Oid			owner;
	int64		run;
	int			entry;
} JobArgs;

/* the run of this process; id is 0 in any other process, and until the claim */
static struct
{
	int64		id;
	bool		ended;			/* its result was written */
	char	   *job;
	char	   *command;
	TimestampTz scheduled_at;
	int			attempt;
	int64		timeout_ms;		/* 0 is none */
}			current;

static JobArgs args;

static volatile sig_atomic_t timed_out = false;
static volatile sig_atomic_t cancelled = false;
static volatile sig_atomic_t terminated = false;

/*
 * Register a worker for a run; false if there is none free.  The handle is
 * allocated in the current context.
 */
bool
mlops_job_register(Oid database, Oid owner, int64 run, int entry, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = {
		.bgw_type = MLOPS_JOB_TYPE,
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "mlops",
		.bgw_function_name = "mlops_job_main",
		.bgw_notify_pid = MyProcPid,
	};
	JobArgs		job = {.database = database,.owner = owner,.run = run,.entry = entry};

	StaticAssertStmt(sizeof(job) <= BGW_EXTRALEN, "bgw_extra is too small");
	snprintf(worker.bgw_name, BGW_MAXLEN, MLOPS_JOB_TYPE ", run " INT64_FORMAT, run);
	memcpy(worker.bgw_extra, &job, sizeof(job));
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/*
 * The entry in shared memory
 */

/*
 * before_shmem_exit callback.
 */
static void
leave(int code, Datum arg)
{
	MlopsEntry *entry;
	MlopsSlot  *slot;

	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	entry = &mlops_worker_state->entries[args.entry];
	if (entry->used && entry->pid == MyProcPid)
		mlops_entry_free(entry);
	/* one that did not start us is not told by the postmaster */
	slot = mlops_slot_of(args.database);
	if (slot != NULL)
	{
		slot->woken = true;
		if (slot->latch != NULL)
			SetLatch(slot->latch);
		else
			mlops_wake_launcher();
	}
	LWLockRelease(mlops_worker_state->lock);
}

/*
 * Take the entry that the scheduler reserved; false if it is not ours any
 * more, or nobody may enter the database.
 */
static bool
attach(void)
{
	MlopsEntry *entry;
	MlopsSlot  *slot;
	bool		result;
	TimestampTz now = GetCurrentTimestamp();

	if (args.entry < 0)
		return true;
	if (mlops_worker_state == NULL)
		return false;
	LWLockAcquire(mlops_worker_state->lock, LW_EXCLUSIVE);
	entry = &mlops_worker_state->entries[args.entry];
	slot = mlops_slot_of(args.database);
	result = entry->used && entry->run == args.run && entry->pid == 0 &&
		entry->database == args.database && slot != NULL && slot->hold_until <= now;
	if (result)
	{
		entry->pid = MyProcPid;
		entry->since = now;
	}
	LWLockRelease(mlops_worker_state->lock);
	if (result)
		before_shmem_exit(leave, (Datum) 0);
	return result;
}

/*
 * The rows
 */

/*
 * Take the run; false if it is not to be done any more.
 */
static bool
claim(void)
{
	Oid			types[3] = {INT8OID, INT4OID, TIMESTAMPTZOID};
	Datum		values[3] = {Int64GetDatum(args.run), Int32GetDatum(MyProcPid),
	TimestampTzGetDatum(mlops_clock_now())};
	Oid			save_user;
	int			save_context;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	XactReadOnly = false;

	/* the owner may not call private functions: this is the library's call */
	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, save_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute_with_args("SELECT job_name, command, scheduled_at, attempt, timeout_ms FROM mlops._claim_run($1, $2, $3)",
							  3, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not claim the run");
	if (SPI_processed == 1)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		Datum		timeout;

		current.job = MemoryContextStrdup(TopMemoryContext, SPI_getvalue(row, desc, 1));
		current.command = MemoryContextStrdup(TopMemoryContext, SPI_getvalue(row, desc, 2));
		current.scheduled_at = DatumGetTimestampTz(SPI_getbinval(row, desc, 3, &isnull));
		current.attempt = DatumGetInt32(SPI_getbinval(row, desc, 4, &isnull));
		timeout = SPI_getbinval(row, desc, 5, &isnull);
		/* without one of its own, what the owner's statements have */
		current.timeout_ms = isnull ? StatementTimeout : DatumGetInt64(timeout);
		current.id = args.run;
	}
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return current.id != 0;
}

static NullableDatum
text_or_null(const char *text)
{
	if (text == NULL)
		return (NullableDatum) {.value = (Datum) 0,.isnull = true};
	return (NullableDatum) {.value = CStringGetTextDatum(text),.isnull = false};
}

static NullableDatum
value(Datum datum)
{
	return (NullableDatum) {.value = datum,.isnull = false};
}

/*
 * Write how the run ended, within a transaction; false if the run is not ours
 * any more.
 */
static bool
write_result(const char *status, const int64 *rows, const char *message, const ErrorData *error)
{
	Oid			types[] = {INT8OID, INT4OID, TIMESTAMPTZOID, TEXTOID, INT8OID, TEXTOID, TEXTOID,
	TEXTOID, TEXTOID, TEXTOID, FLOAT8OID, INT8OID};
	NullableDatum values[lengthof(types)];
	struct rusage self;
	struct rusage children;
	double		cpu_ms;
	int64		memory;
	bool		isnull;
	bool		result;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	cpu_ms = 1000.0 * (self.ru_utime.tv_sec + self.ru_stime.tv_sec +
					   children.ru_utime.tv_sec + children.ru_stime.tv_sec) +
		(self.ru_utime.tv_usec + self.ru_stime.tv_usec +
		 children.ru_utime.tv_usec + children.ru_stime.tv_usec) / 1000.0;
	memory = Max(self.ru_maxrss, children.ru_maxrss) * INT64CONST(1024);

	values[0] = value(Int64GetDatum(current.id));
	values[1] = value(Int32GetDatum(MyProcPid));
	values[2] = value(TimestampTzGetDatum(mlops_clock_now()));
	values[3] = text_or_null(status);
	values[4] = value(Int64GetDatum(rows != NULL ? *rows : 0));
	values[4].isnull = rows == NULL;
	values[5] = text_or_null(message);
	values[6] = text_or_null(error != NULL ? unpack_sql_state(error->sqlerrcode) : NULL);
	values[7] = text_or_null(error != NULL ? error->detail : NULL);
	values[8] = text_or_null(error != NULL ? error->hint : NULL);
	values[9] = text_or_null(error != NULL ? error->context : NULL);
	values[10] = value(Float8GetDatum(cpu_ms));
	values[11] = value(Int64GetDatum(memory));

	/* the command, or the owner's settings, may have made it read-only */
	XactReadOnly = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	result = DatumGetBool(mlops_call_private("_end_run", lengthof(types), types, values, &isnull));
	PopActiveSnapshot();
	return result;
}

/*
 * Put the run back that we have not taken, within a transaction.
 */
static void
unstart(void)
{
	bool		isnull;
	NullableDatum run = value(Int64GetDatum(args.run));

	XactReadOnly = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) mlops_call_private("_unstart_run", 1, (Oid[]) {INT8OID}, &run, &isnull);
	PopActiveSnapshot();
}

/*
 * before_shmem_exit callback: the process ends in the middle of the run, or was
 * told to before it took it.  What failed in taking it is not tried for ever.
 * Waiting for a lock is not possible any more, so a locked table is left
 * alone; the scheduler will find the run.
 */
static void
at_exit(int code, Datum arg)
{
	Oid			relation;

	if (current.ended || (current.id == 0 && !terminated))
		return;
	current.ended = true;
	AbortOutOfAnyTransaction();
	StartTransactionCommand();
	relation = get_relname_relid("job_run", get_namespace_oid(MLOPS_SCHEMA, true));
	if (OidIsValid(relation) && ConditionalLockRelationOid(relation, RowExclusiveLock))
	{
		if (current.id == 0 ||
			(!write_result("interrupted", NULL, "the process was told to end", NULL) && terminated))
			unstart();
	}
	CommitTransactionCommand();
}

/*
 * The command
 */

static void
on_timeout(void)
{
	timed_out = true;
	kill(MyProcPid, SIGINT);
}

static void
on_cancel(SIGNAL_ARGS)
{
	cancelled = true;
	StatementCancelHandler(postgres_signal_arg);
}

static void
on_terminate(SIGNAL_ARGS)
{
	terminated = true;
	die(postgres_signal_arg);
}

/* error_context_stack callback */
static void
job_context(void *arg)
{
	errcontext("job \"%s\", run " INT64_FORMAT, current.job, current.id);
}

/*
 * Execute the command and write its result, both in one transaction.
 */
static void
run_command(MemoryContext context, TimeoutId timeout)
{
	MlopsExecuted executed;
	const char *tag;
	char	   *message;
	int64		rows;

	SetCurrentStatementStartTimestamp();
	debug_query_string = current.command;
	pgstat_report_activity(STATE_RUNNING, current.command);
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	if (current.timeout_ms > 0)
		enable_timeout_after(timeout, (int) current.timeout_ms);

	mlops_execute(current.command, &executed);

	/* from here on it is not too late, even if it was close */
	disable_timeout(timeout, false);
	CHECK_FOR_INTERRUPTS();
	tag = GetCommandTagName(executed.tag);
	rows = Min(executed.rows, PG_INT64_MAX);
	message = executed.tag == CMDTAG_UNKNOWN ? pstrdup("no statement") :
		executed.has_rows ? psprintf("%s " UINT64_FORMAT, tag, executed.rows) :
		pstrdup(tag);
	if (!write_result("succeeded", executed.has_rows ? &rows : NULL, message, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_LOST_RUN),
				 errmsg("run " INT64_FORMAT " of job \"%s\" was given to another process",
						current.id, current.job),
				 errdetail("What the command did is rolled back.")));
	CommitTransactionCommand();
	current.ended = true;
}

/*
 * Write the result of a command that failed.
 */
static void
record_failure(const ErrorData *error)
{
	const char *status = "failed";
	char	   *message = error->message;

	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED && timed_out)
	{
		status = "timeout";
		message = psprintf("the command did not end within " INT64_FORMAT " ms", current.timeout_ms);
	}
	else if (error->sqlerrcode == ERRCODE_QUERY_CANCELED && cancelled)
		status = "cancelled";

	/* the rest is not to be cancelled */
	pqsignal(SIGINT, SIG_IGN);
	QueryCancelPending = false;
	StartTransactionCommand();
	(void) write_result(status, NULL, message, error);
	CommitTransactionCommand();
	current.ended = true;
}

/*
 * The main function of the process.
 */
void
mlops_job_main(Datum arg)
{
	MemoryContext context;
	TimeoutId	timeout;
	ErrorContextCallback callback = {.callback = job_context};
	ErrorData  *volatile error = NULL;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	pqsignal(SIGTERM, on_terminate);
	pqsignal(SIGINT, on_cancel);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	if (!attach())
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(args.database, args.owner, 0);
	ProcessConfigFile(PGC_SIGHUP);

	before_shmem_exit(at_exit, (Datum) 0);
	if (!claim())
		proc_exit(0);
	mlops_progress_job(current.job, current.id);
	SetConfigOption("application_name", psprintf("mlops job %s", current.job), PGC_USERSET, PGC_S_SESSION);
	timeout = RegisterTimeout(USER_TIMEOUT, on_timeout);
	context = AllocSetContextCreate(TopMemoryContext, "mlops job", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);

	PG_TRY();
	{
		callback.previous = error_context_stack;
		error_context_stack = &callback;
		run_command(context, timeout);
		error_context_stack = callback.previous;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		disable_all_timeouts(false);
		QueryCancelPending = false;
		EmitErrorReport();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		debug_query_string = NULL;
		AbortCurrentTransaction();
		PortalErrorCleanup();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();

	if (error != NULL)
		record_failure(error);
	pgstat_report_activity(STATE_IDLE, NULL);
	proc_exit(0);
}

/*
 * SQL: the run in which it is called.
 */
Datum
mlops_current_run(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[4] = {0};
	bool		isnull[4] = {true, true, true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (current.id != 0)
	{
		values[0] = Int64GetDatum(current.id);
		values[1] = CStringGetTextDatum(current.job);
		values[2] = TimestampTzGetDatum(current.scheduled_at);
		values[3] = Int32GetDatum(current.attempt);
		memset(isnull, false, sizeof(isnull));
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, isnull)));
}
