/*-------------------------------------------------------------------------
 *
 * stat_models.c
 *	  How much, how fast and on what rows each version scores.
 *
 * A call counts in a struct of its own, two additions per row and no lock.
 * When it ends, it is added to the session's pending figures of the version;
 * and these, before the session's transaction commits, to the shared ones,
 * under the lock of the entry's partition: once per transaction and version,
 * some hundred additions.  A transaction that is rolled back leaves its
 * figures pending, to go with those of the next one or with the end of the
 * session: nothing that could fail is done while PostgreSQL cleans up.  For
 * the same reason a version gets its shared entry when the session first
 * scores with it, so that at the end it has only to be found.  What has been
 * counted is not undone by a rollback.
 *
 * Without preload there are no shared figures; the pending ones then are what
 * the session can see, and stay.
 *
 * Time is that of scoring alone, without the rest of the plan and without
 * waiting for the client.  It is sampled, because a clock costs as much as a
 * few features: the first row is timed, together with the resolution and the
 * loading before it; then the rows 1, 2, 4, ... 64, and every 64th from there
 * on.  The time of a call is the first row's, plus the mean of the others
 * times their number.  The times of the calls of a version are kept as a
 * histogram with four classes per doubling, so that a percentile of it is
 * within 9 % of the true one.
 *
 * When more versions are counted than MAX_VERSIONS, the one that has not been
 * used for the longest time is forgotten.  Nothing survives a restart.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "storage/ipc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "registry/privilege.h"
#include "registry/shared_cache.h"
#include "scoring/stat_models.h"
#include "shared.h"

PG_FUNCTION_INFO_V1(mlops_stat_models);
PG_FUNCTION_INFO_V1(mlops_stat_models_reset);

#define MAX_VERSIONS		5000

/* of these a session remembers so many */
#define MAX_PENDING			200

/*
 * Class 0 is below a microsecond, class i > 0 begins at 2 ^ ((i - 1) / 4)
 * microseconds, and the last one, from 4.5 minutes, has no end.
 */
#define CLASSES_PER_DOUBLING	4
#define NUM_CLASSES			(28 * CLASSES_PER_DOUBLING + 2)

/* after the first 64 rows, one of so many is timed */
#define TIMED_ROWS			64

typedef struct Figures
{
	int64		calls;
	int64		errors;
	MlopsCounts counts;
	double		seconds;
	TimestampTz since;			/* first of these figures */
	TimestampTz last_used;
	int64		histogram[NUM_CLASSES]; /* of the calls' times */
} Figures;

/* of one version; the key first, as hash tables have it */
typedef struct Statistics
{
	MlopsVersionKey key;
	int32		version;
	char		name[MLOPS_NAME_MAX + 1];
	Figures		figures;
} Statistics;

/* what the session has not yet added to the shared figures */
typedef struct MlopsPending
{
	Statistics	statistics;
	int			open_calls;
} MlopsPending;

static int	table = -1;
static HTAB *pending_table = NULL;
static bool pending_any = false;
static dlist_head open_calls = DLIST_STATIC_INIT(open_calls);

static void at_transaction(XactEvent event, void *arg);
static void at_exit(int code, Datum arg);

/*
 * Ask for the table, while the postmaster loads the library.
 */
void
mlops_stat_models_init(void)
{
	table = mlops_shared_add_table(sizeof(MlopsVersionKey), sizeof(Statistics));
}

static int
class_of(double seconds)
{
	double		microseconds = seconds * 1e6;

	if (!(microseconds >= 1))
		return 0;
	return (int) Min(1 + log2(microseconds) * CLASSES_PER_DOUBLING, NUM_CLASSES - 1);
}

/* the middle of a class, in seconds */
static double
middle_of(int class)
{
	return class == 0 ? 0.5e-6 : exp2((class - 0.5) / CLASSES_PER_DOUBLING) * 1e-6;
}

/*
 * The time below which a fraction of the calls lies, in seconds.
 */
static double
percentile(const Figures *figures, double fraction)
{
	int64		rank = (int64) ceil(fraction * (double) figures->calls);
	int64		below = 0;
	int			class = 0;

	while (class < NUM_CLASSES - 1 && (below += figures->histogram[class]) < rank)
		class++;
	return middle_of(class);
}

static void
add_counts(MlopsCounts *to, const MlopsCounts *from)
{
	to->rows += from->rows;
	to->null_rows += from->null_rows;
	to->missing_columns += from->missing_columns;
	to->unseen_categories += from->unseen_categories;
}

static void
add_figures(Figures *to, const Figures *from)
{
	to->calls += from->calls;
	to->errors += from->errors;
	add_counts(&to->counts, &from->counts);
	to->seconds += from->seconds;
	to->last_used = Max(to->last_used, from->last_used);
	for (int i = 0; i < NUM_CLASSES; i++)
		to->histogram[i] += from->histogram[i];
}

static void
clear_figures(Figures *figures, TimestampTz since)
{
	memset(figures, 0, sizeof(Figures));
	figures->since = since;
}

/*
 * Forget the shared figures that nobody has used for the longest time, if
 * there are too many.
 */
static void
forget_shared(dshash_table *shared)
{
	dshash_seq_status status;
	Statistics *statistics;
	MlopsVersionKey oldest = {0};
	TimestampTz last_used = DT_NOEND;
	int			count = 0;

	dshash_seq_init(&status, shared, false);
	while ((statistics = dshash_seq_next(&status)) != NULL)
	{
		count++;
		if (statistics->figures.last_used < last_used)
		{
			last_used = statistics->figures.last_used;
			oldest = statistics->key;
		}
	}
	dshash_seq_term(&status);
	if (count > MAX_VERSIONS)
		dshash_delete_key(shared, &oldest);
}

/*
 * The shared entry of a version, locked; made if it is not there.
 */
static Statistics *
shared_entry(dshash_table *shared, const Statistics *pending, bool *found)
{
	Statistics *statistics = dshash_find_or_insert(shared, &pending->key, found);

	if (!*found)
	{
		statistics->version = pending->version;
		strlcpy(statistics->name, pending->name, sizeof(statistics->name));
		clear_figures(&statistics->figures, pending->figures.since);
		statistics->figures.last_used = pending->figures.since;
	}
	return statistics;
}

/* work of mlops_shared_try(): make the shared entry */
static void
make_shared(void *arg)
{
	dshash_table *shared = mlops_shared_table(table);
	bool		found;

	dshash_release_lock(shared, shared_entry(shared, arg, &found));
	if (!found)
		forget_shared(shared);
}

/* work of mlops_shared_try(): add a version's pending figures */
static void
add_to_shared(void *arg)
{
	dshash_table *shared = mlops_shared_table(table);
	bool		found;
	Statistics *statistics = shared_entry(shared, arg, &found);

	add_figures(&statistics->figures, &((Statistics *) arg)->figures);
	dshash_release_lock(shared, statistics);
}

/*
 * Forget the version that the session has not used for the longest time, if
 * it remembers too many.
 */
static void
forget_pending(void)
{
	HASH_SEQ_STATUS status;
	MlopsPending *pending;
	MlopsPending *oldest = NULL;

	if (hash_get_num_entries(pending_table) < MAX_PENDING)
		return;
	hash_seq_init(&status, pending_table);
	while ((pending = hash_seq_search(&status)) != NULL)
		if (pending->open_calls == 0 &&
			(oldest == NULL ||
			 pending->statistics.figures.last_used < oldest->statistics.figures.last_used))
			oldest = pending;
	if (oldest != NULL)
		hash_search(pending_table, &oldest->statistics.key, HASH_REMOVE, NULL);
}

/*
 * Add what a call has counted since the last time to the pending figures.
 * Allocates nothing and fails never: it is called during error recovery.
 */
static void
collect(MlopsCall *call)
{
	Figures    *figures = &call->pending->statistics.figures;
	double		seconds = call->first_seconds;

	if (call->timed > 0)
		seconds += call->timed_seconds / (double) call->timed * (double) (call->counts.rows - 1);
	if (!call->ended)
	{
		figures->calls++;
		figures->histogram[class_of(seconds)]++;
		call->ended = true;
	}
	if (call->in_row)
		figures->errors++;
	add_counts(&figures->counts, &call->counts);
	figures->seconds += seconds;
	figures->last_used = GetCurrentStatementStartTimestamp();
	pending_any = true;

	memset(&call->counts, 0, sizeof(call->counts));
	call->in_row = false;
	call->next_timed = 0;
	call->timed = 0;
	call->first_seconds = call->timed_seconds = 0;
}

/* has a call counted something since it was collected? */
static bool
has_news(const MlopsCall *call)
{
	return !call->ended || call->counts.rows > 0 || call->in_row;
}

/* reset callback of the memory context of a call */
static void
end_call(void *arg)
{
	MlopsCall  *call = arg;

	if (has_news(call))
		collect(call);
	dlist_delete(&call->node);
	call->pending->open_calls--;
}

/*
 * Begin a call, of a version that was resolved since start; its first row is
 * being read.  It lives in a memory context, whose reset ends it.
 */
MlopsCall *
mlops_call_begin(const MlopsResolved *resolved, instr_time start, MemoryContext context)
{
	MlopsCall  *call = MemoryContextAllocZero(context, sizeof(MlopsCall));
	MlopsVersionKey key = mlops_version_key(resolved);
	MlopsPending *pending;

	if (pending_table == NULL)
	{
		HASHCTL		ctl = {0};

		RegisterXactCallback(at_transaction, NULL);
		if (mlops_shared_attach())
			before_shmem_exit(at_exit, (Datum) 0);
		ctl.keysize = sizeof(MlopsVersionKey);
		ctl.entrysize = sizeof(MlopsPending);
		ctl.hcxt = TopMemoryContext;
		pending_table = hash_create("mlops statistics", 16, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	pending = hash_search(pending_table, &key, HASH_FIND, NULL);
	if (pending == NULL)
	{
		forget_pending();
		pending = hash_search(pending_table, &key, HASH_ENTER, NULL);
		pending->statistics.version = resolved->version;
		strlcpy(pending->statistics.name, resolved->name, sizeof(pending->statistics.name));
		clear_figures(&pending->statistics.figures, GetCurrentStatementStartTimestamp());
		pending->open_calls = 0;
		if (mlops_shared_attach())
			(void) mlops_shared_try(make_shared, &pending->statistics);
	}

	call->pending = pending;
	call->in_row = true;
	call->timing = true;
	call->start = start;
	call->next_timed = 1;
	call->callback.func = end_call;
	call->callback.arg = call;
	pending->open_calls++;
	dlist_push_head(&open_calls, &call->node);
	MemoryContextRegisterResetCallback(context, &call->callback);
	return call;
}

/*
 * The end of a row that is timed.
 */
void
mlops_call_timed_row(MlopsCall *call)
{
	instr_time	now;
	int64		row = call->counts.rows;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, call->start);
	if (row == 0)
	{
		call->first_seconds = INSTR_TIME_GET_DOUBLE(now);
		call->next_timed = 1;
	}
	else
	{
		call->timed_seconds += INSTR_TIME_GET_DOUBLE(now);
		call->timed++;
		call->next_timed = row + Min(row, TIMED_ROWS);
	}
	call->timing = false;
}

/*
 * Add all pending figures to the shared ones, if there are any.  What finds no
 * memory there stays pending.
 */
static void
flush(void)
{
	HASH_SEQ_STATUS status;
	MlopsPending *pending;
	bool		all = true;

	if (!pending_any || !mlops_shared_attach())
		return;
	hash_seq_init(&status, pending_table);
	while ((pending = hash_seq_search(&status)) != NULL)
	{
		Statistics *statistics = &pending->statistics;

		if (statistics->figures.last_used == 0)
			continue;
		if (mlops_shared_try(add_to_shared, statistics))
			clear_figures(&statistics->figures, GetCurrentStatementStartTimestamp());
		else
			all = false;
	}
	pending_any = !all;
}

/* collect from the calls that are still open */
static void
collect_open(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &open_calls)
	{
		MlopsCall  *call = dlist_container(MlopsCall, node, iter.cur);

		if (has_news(call))
			collect(call);
	}
}

/*
 * Transaction callback.  A call site in PL/pgSQL is still open here; the
 * statement that it belongs to is over.
 */
static void
at_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			collect_open();
			flush();
			break;
		default:
			break;
	}
}

/*
 * before_shmem_exit callback: add what is pending where there is an entry.
 */
static void
at_exit(int code, Datum arg)
{
	dshash_table *shared = mlops_shared_table(table);
	HASH_SEQ_STATUS status;
	MlopsPending *pending;

	collect_open();
	if (!pending_any)
		return;
	hash_seq_init(&status, pending_table);
	while ((pending = hash_seq_search(&status)) != NULL)
	{
		Statistics *statistics;

		if (pending->statistics.figures.last_used == 0)
			continue;
		statistics = dshash_find(shared, &pending->statistics.key, true);
		if (statistics == NULL)
			continue;
		add_figures(&statistics->figures, &pending->statistics.figures);
		dshash_release_lock(shared, statistics);
	}
	pending_any = false;
}

/*
 * One row of stat_models, if it is of this database and installation, and the
 * present user may see it.
 */
static void
put_statistics(ReturnSetInfo *rsinfo, const Statistics *statistics)
{
	const Figures *figures = &statistics->figures;
	Datum		values[13];
	bool		nulls[13] = {false};
	int			i = 0;

	if (figures->calls == 0 || statistics->key.database != MyDatabaseId ||
		statistics->key.table != mlops_version_table() ||
		!mlops_may_see(&statistics->key, statistics->name))
		return;
	values[i++] = CStringGetTextDatum(statistics->name);
	values[i++] = Int32GetDatum(statistics->version);
	values[i++] = Int64GetDatum(figures->calls);
	values[i++] = Int64GetDatum(figures->counts.rows);
	values[i++] = Int64GetDatum(figures->errors);
	values[i++] = Int64GetDatum(figures->counts.null_rows);
	values[i++] = Int64GetDatum(figures->counts.missing_columns);
	values[i++] = Int64GetDatum(figures->counts.unseen_categories);
	values[i++] = Float8GetDatum(figures->seconds * 1000);
	values[i++] = Float8GetDatum(percentile(figures, 0.50) * 1000);
	values[i++] = Float8GetDatum(percentile(figures, 0.95) * 1000);
	values[i++] = Float8GetDatum(percentile(figures, 0.99) * 1000);
	values[i++] = TimestampTzGetDatum(figures->since);
	Assert(i == lengthof(values));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * The shared figures, or the session's own without preload, in the current
 * memory context.
 */
static Statistics *
list_statistics(int *count)
{
	Statistics *list;
	int			allocated = 0;

	*count = 0;
	if (mlops_shared_attach())
	{
		dshash_table *shared = mlops_shared_table(table);
		dshash_seq_status status;
		Statistics *statistics;

		/* counted first, because nothing may be allocated while one looks */
		dshash_seq_init(&status, shared, false);
		while (dshash_seq_next(&status) != NULL)
			allocated++;
		dshash_seq_term(&status);
		list = palloc_extended(mul_size(sizeof(Statistics), Max(allocated, 1)), MCXT_ALLOC_HUGE);
		dshash_seq_init(&status, shared, false);
		while ((statistics = dshash_seq_next(&status)) != NULL && *count < allocated)
			list[(*count)++] = *statistics;
		dshash_seq_term(&status);
	}
	else
	{
		HASH_SEQ_STATUS status;
		MlopsPending *pending;

		if (pending_table == NULL)
			return NULL;
		list = palloc_extended(mul_size(sizeof(Statistics), hash_get_num_entries(pending_table) + 1),
							   MCXT_ALLOC_HUGE);
		hash_seq_init(&status, pending_table);
		while ((pending = hash_seq_search(&status)) != NULL)
			if (pending->statistics.figures.last_used != 0)
				list[(*count)++] = pending->statistics;
	}
	return list;
}

/*
 * SQL: the figures of every version of this database that the user may see.
 */
Datum
mlops_stat_models(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Statistics *list;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	flush();
	list = list_statistics(&count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		put_statistics(rsinfo, &list[i]);
	}
	return (Datum) 0;
}

/*
 * SQL: forget the figures of every version of this database.
 */
Datum
mlops_stat_models_reset(PG_FUNCTION_ARGS)
{
	if (pending_table != NULL)
	{
		HASH_SEQ_STATUS status;
		MlopsPending *pending;

		hash_seq_init(&status, pending_table);
		while ((pending = hash_seq_search(&status)) != NULL)
			clear_figures(&pending->statistics.figures, GetCurrentStatementStartTimestamp());
	}
	if (mlops_shared_attach())
	{
		dshash_seq_status status;
		Statistics *statistics;

		dshash_seq_init(&status, mlops_shared_table(table), true);
		while ((statistics = dshash_seq_next(&status)) != NULL)
			if (statistics->key.database == MyDatabaseId)
				dshash_delete_current(&status);
		dshash_seq_term(&status);
	}
	PG_RETURN_VOID();
}
