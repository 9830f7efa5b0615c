/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  What is running, and how far it is, for the view mlops.progress.
 *
 * Whoever works for long says so in an entry of a shared hash table, keyed by
 * the process and a number, because one work can contain another: a trigger
 * on the target of a scoring run may score, too.  More than MAX_NESTED of them
 * in one process are not shown.
 *
 * Lifetime.  A process makes an entry when it first needs it, keeps it for its
 * next work, and removes it when it ends.  So the beginning and the end of a
 * work are stores to the entry that cannot fail, and can be done during error
 * recovery: a work ends with a memory context.  A process that is killed takes
 * the cluster's shared memory with it, as always.
 *
 * Locks.  Only its process writes to an entry.  What is more than a number is
 * written with the entry's partition locked; numbers are atomics, which others
 * may see in a mixture of old and new.
 *
 * Without preload there is no shared memory, and nothing is reported.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "mlops.h"
#include "progress.h"
#include "shared.h"

PG_FUNCTION_INFO_V1(mlops_progress);

#define MAX_NESTED		8
#define METRIC_SIZE		128
#define JOB_SIZE		401		/* 100 characters */

static const char *const work_names[] = {
	[MLOPS_WORK_SCORE] = "score",
	[MLOPS_WORK_TRAIN] = "train",
	[MLOPS_WORK_MONITOR] = "monitor",
	[MLOPS_WORK_CROSS_VALIDATE] = "cross_validate",
	[MLOPS_WORK_TUNE] = "tune"
};

/* the words of a phase, and the unit of what is done, if anything is counted */
static const struct
{
	const char *name;
	const char *unit;
}			phases[] =
{
	[MLOPS_PHASE_PREPARING] = {"preparing", NULL},
	[MLOPS_PHASE_READING] = {"reading", "rows"},
	[MLOPS_PHASE_STORING] = {"storing", NULL},
	[MLOPS_PHASE_BOOSTING] = {"boosting", "rounds"},
	[MLOPS_PHASE_SCORING] = {"scoring", "rows"},
	[MLOPS_PHASE_MEASURING] = {"measuring", NULL},
	[MLOPS_PHASE_CHECKING] = {"checking", "checks"},
	[MLOPS_PHASE_WAITING] = {"waiting", NULL},
	[MLOPS_PHASE_VALIDATING] = {"validating", "folds"},
	[MLOPS_PHASE_SEARCHING] = {"searching", "trials"}
};

/* no padding, since it is compared byte by byte */
typedef struct Key
{
	int32		pid;
	int32		number;
} Key;

/* what changes only under the lock of the entry's partition */
typedef struct Facts
{
	Oid			database;
	Oid			role;			/* of the session */
	MlopsWork	work;
	int32		version;		/* 0: none yet */
	TimestampTz started_at;
	char		model[MLOPS_NAME_MAX + 1];
	char		metric[METRIC_SIZE];
	char		job[JOB_SIZE];
	int64		run;			/* 0: none */
	char		monitor[MLOPS_NAME_MAX + 1];
	int64		check;			/* 0: none */
	TimestampTz window_start;
	TimestampTz window_end;
} Facts;

typedef struct Entry
{
	Key			key;
	Facts		facts;
	pg_atomic_uint32 active;
	pg_atomic_uint32 phase;
	pg_atomic_uint64 done;
	pg_atomic_uint64 expected;	/* int64: -1 if not known */
} Entry;

/* an entry as one saw it */
typedef struct Seen
{
	int32		pid;
	Facts		facts;
	MlopsPhase	phase;
	int64		done;
	int64		expected;
} Seen;

struct MlopsProgress
{
	Entry	   *entry;			/* NULL if it is not shown, or over */
	MemoryContextCallback callback;
};

/* what making or changing an entry needs */
typedef struct Attempt
{
	int			number;
	const Facts *facts;
} Attempt;

static int	table = -1;

/* the run of a job that this process does */
static char current_job[JOB_SIZE];
static int64 current_run = 0;

/* this process's entries, by number; NULL until made */
static Entry *entries[MAX_NESTED];

/*
 * Ask for the table, while the postmaster loads the library.
 */
void
mlops_progress_init(void)
{
	table = mlops_shared_add_table(sizeof(Key), sizeof(Entry));
}

/*
 * before_shmem_exit callback: remove this process's entries.
 */
static void
at_exit(int code, Datum arg)
{
	dshash_table *shared = mlops_shared_table(table);

	for (int number = 0; number < MAX_NESTED; number++)
	{
		Key			key = {MyProcPid, number};

		if (entries[number] != NULL)
			dshash_delete_key(shared, &key);
		entries[number] = NULL;
	}
}

/* reset callback of the memory context of a work; fails never */
static void
end(void *arg)
{
	MlopsProgress *progress = arg;

	if (progress->entry != NULL)
		pg_atomic_write_u32(&progress->entry->active, 0);
	progress->entry = NULL;
}

/* work of mlops_shared_try(): the entry of this number, for a new work */
static void
make_entry(void *arg)
{
	Attempt    *attempt = arg;
	dshash_table *shared = mlops_shared_table(table);
	Key			key = {MyProcPid, attempt->number};
	bool		found;
	Entry	   *entry = dshash_find_or_insert(shared, &key, &found);

	if (!found)
	{
		pg_atomic_init_u32(&entry->active, 0);
		pg_atomic_init_u32(&entry->phase, MLOPS_PHASE_PREPARING);
		pg_atomic_init_u64(&entry->done, 0);
		pg_atomic_init_u64(&entry->expected, (uint64) -1);
	}
	entry->facts = *attempt->facts;
	pg_atomic_write_u32(&entry->phase, MLOPS_PHASE_PREPARING);
	pg_atomic_write_u64(&entry->done, 0);
	pg_atomic_write_u64(&entry->expected, (uint64) -1);
	pg_atomic_write_u32(&entry->active, 1);
	dshash_release_lock(shared, entry);
	entries[attempt->number] = entry;
}

/*
 * A work begins, see progress.h.
 */
MlopsProgress *
mlops_progress_begin(MlopsWork work, const char *model, int32 version, MemoryContext context)
{
	static bool registered = false;
	MlopsProgress *progress = MemoryContextAllocZero(context, sizeof(MlopsProgress));
	Facts		facts = {0};
	Attempt		attempt = {.facts = &facts};

	if (!mlops_shared_attach())
		return progress;
	if (!registered)
	{
		before_shmem_exit(at_exit, (Datum) 0);
		registered = true;
	}
	while (attempt.number < MAX_NESTED && entries[attempt.number] != NULL &&
		   pg_atomic_read_u32(&entries[attempt.number]->active) != 0)
		attempt.number++;
	if (attempt.number == MAX_NESTED)
		return progress;

	facts.database = MyDatabaseId;
	facts.role = GetSessionUserId();
	facts.work = work;
	facts.version = version;
	facts.started_at = GetCurrentTimestamp();
	strlcpy(facts.model, model, sizeof(facts.model));
	strlcpy(facts.job, current_job, sizeof(facts.job));
	facts.run = current_run;
	progress->callback.func = end;
	progress->callback.arg = progress;
	MemoryContextRegisterResetCallback(context, &progress->callback);
	if (mlops_shared_try(make_entry, &attempt))
		progress->entry = entries[attempt.number];
	return progress;
}

/*
 * A phase begins.
 */
void
mlops_progress_phase(MlopsProgress *progress, MlopsPhase phase, int64 expected)
{
	if (progress->entry == NULL)
		return;
	pg_atomic_write_u64(&progress->entry->done, 0);
	pg_atomic_write_u64(&progress->entry->expected, (uint64) expected);
	pg_atomic_write_u32(&progress->entry->phase, phase);
}

/*
 * So much of the phase is done.
 */
void
mlops_progress_done(MlopsProgress *progress, int64 done)
{
	if (progress->entry != NULL)
		pg_atomic_write_u64(&progress->entry->done, (uint64) done);
}

/*
 * How good it is by now.
 */
void
mlops_progress_metric(MlopsProgress *progress, const char *metric)
{
	dshash_table *shared;
	Entry	   *entry;
	size_t		length;

	if (progress->entry == NULL)
		return;
	length = pg_mbcliplen(metric, strlen(metric), METRIC_SIZE - 1);
	shared = mlops_shared_table(table);
	entry = dshash_find(shared, &progress->entry->key, true);
	if (entry == NULL)
		return;
	memcpy(entry->facts.metric, metric, length);
	entry->facts.metric[length] = '\0';
	dshash_release_lock(shared, entry);
}

/*
 * Which check a monitor does now.
 */
void
mlops_progress_check(MlopsProgress *progress, const char *monitor, int64 check,
					 TimestampTz window_start, TimestampTz window_end)
{
	dshash_table *shared;
	Entry	   *entry;

	if (progress->entry == NULL)
		return;
	shared = mlops_shared_table(table);
	entry = dshash_find(shared, &progress->entry->key, true);
	if (entry == NULL)
		return;
	strlcpy(entry->facts.monitor, monitor, sizeof(entry->facts.monitor));
	entry->facts.check = check;
	entry->facts.window_start = window_start;
	entry->facts.window_end = window_end;
	dshash_release_lock(shared, entry);
}

/*
 * This process does a run of a job, until it ends.
 */
void
mlops_progress_job(const char *job, int64 run)
{
	strlcpy(current_job, job, sizeof(current_job));
	current_run = run;
}

/*
 * The works of this database, in the current memory context.
 */
static Seen *
list_works(int *count)
{
	dshash_table *shared;
	dshash_seq_status status;
	Entry	   *entry;
	Seen	   *list;
	int			allocated = 0;

	*count = 0;
	if (!mlops_shared_attach())
		return NULL;
	shared = mlops_shared_table(table);

	/* counted first, because nothing may be allocated while one looks */
	dshash_seq_init(&status, shared, false);
	while (dshash_seq_next(&status) != NULL)
		allocated++;
	dshash_seq_term(&status);

	list = palloc(mul_size(sizeof(Seen), Max(allocated, 1)));
	dshash_seq_init(&status, shared, false);
	while ((entry = dshash_seq_next(&status)) != NULL && *count < allocated)
	{
		Seen	   *seen = &list[*count];

		if (pg_atomic_read_u32(&entry->active) == 0 || entry->facts.database != MyDatabaseId)
			continue;
		seen->pid = entry->key.pid;
		seen->facts = entry->facts;
		seen->phase = (MlopsPhase) pg_atomic_read_u32(&entry->phase);
		seen->done = (int64) pg_atomic_read_u64(&entry->done);
		seen->expected = (int64) pg_atomic_read_u64(&entry->expected);
		(*count)++;
	}
	dshash_seq_term(&status);
	return list;
}

/*
 * SQL: the works of this database that the user may see.
 */
Datum
mlops_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Seen	   *list;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	list = list_works(&count);
	for (int i = 0; i < count; i++)
	{
		const Seen *seen = &list[i];
		const char *unit = phases[seen->phase].unit;
		char	   *role;
		Datum		values[17] = {0};
		bool		nulls[17] = {false};

		if (!has_privs_of_role(GetUserId(), seen->facts.role) &&
			!has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
			continue;
		values[0] = Int32GetDatum(seen->pid);
		role = GetUserNameFromId(seen->facts.role, true);
		nulls[1] = role == NULL;
		if (role != NULL)
			values[1] = DirectFunctionCall1(namein, CStringGetDatum(role));
		values[2] = CStringGetTextDatum(work_names[seen->facts.work]);
		nulls[3] = seen->facts.model[0] == '\0';
		values[3] = CStringGetTextDatum(seen->facts.model);
		nulls[4] = seen->facts.version == 0;
		values[4] = Int32GetDatum(seen->facts.version);
		values[5] = CStringGetTextDatum(phases[seen->phase].name);
		nulls[6] = nulls[8] = unit == NULL;
		values[6] = Int64GetDatum(seen->done);
		nulls[7] = unit == NULL || seen->expected < 0;
		values[7] = Int64GetDatum(seen->expected);
		if (unit != NULL)
			values[8] = CStringGetTextDatum(unit);
		nulls[9] = seen->facts.metric[0] == '\0';
		values[9] = CStringGetTextDatum(seen->facts.metric);
		values[10] = TimestampTzGetDatum(seen->facts.started_at);
		nulls[11] = nulls[12] = seen->facts.run == 0;
		values[11] = CStringGetTextDatum(seen->facts.job);
		values[12] = Int64GetDatum(seen->facts.run);
		nulls[13] = nulls[14] = nulls[15] = nulls[16] = seen->facts.check == 0;
		values[13] = CStringGetTextDatum(seen->facts.monitor);
		values[14] = Int64GetDatum(seen->facts.check);
		values[15] = TimestampTzGetDatum(seen->facts.window_start);
		values[16] = TimestampTzGetDatum(seen->facts.window_end);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
