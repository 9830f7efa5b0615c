/*-------------------------------------------------------------------------
 *
 * profile_query.c
 *	  The rows of a query, for a profile.
 *
 * The query runs by SPI with the rights, the search_path and the snapshot of
 * the caller.  It has to be one SELECT, and the transaction is read-only while
 * it runs, so that no function in it can write.  Rows come one by one and are
 * not collected; the executor looks for interrupts between them.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "tcop/dest.h"
#include "utils/memutils.h"

#include "monitoring/profile_query.h"
#include "training/query.h"

/* a DestReceiver for a reader */
typedef struct Receiver
{
	DestReceiver receiver;		/* must be first */
	const MlopsRowReader *reader;
	MemoryContext context;		/* of the caller */
} Receiver;

static void
receive_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	Receiver   *receiver = (Receiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->context);

	receiver->reader->columns(receiver->reader->arg, tupdesc);
	MemoryContextSwitchTo(old);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	const MlopsRowReader *reader = ((Receiver *) self)->reader;

	slot_getallattrs(slot);
	reader->row(reader->arg, slot->tts_values, slot->tts_isnull);
	return true;
}

static void
receive_nothing(DestReceiver *self)
{
}

/*
 * Run a query and give its rows to a reader.  What names it in errors.
 */
void
mlops_profile_query(const char *query, const char *what, const MlopsRowReader *reader)
{
	Receiver   *receiver = palloc0(sizeof(Receiver));
	SPIExecuteOptions execute = {.read_only = true,.dest = &receiver->receiver};
	bool		save_read_only = XactReadOnly;

	receiver->receiver.receiveSlot = receive_row;
	receiver->receiver.rStartup = receive_startup;
	receiver->receiver.rShutdown = receive_nothing;
	receiver->receiver.rDestroy = receive_nothing;
	receiver->receiver.mydest = DestTuplestore; /* SPI knows none of ours */
	receiver->reader = reader;
	receiver->context = CurrentMemoryContext;

	XactReadOnly = true;
	PG_TRY();
	{
		SPIPlanPtr	plan;
		int			result;

		SPI_connect();
		plan = mlops_query_prepare(query, what, CURSOR_OPT_PARALLEL_OK);
		result = SPI_execute_plan_extended(plan, &execute);
		if (result != SPI_OK_SELECT)
			elog(ERROR, "SPI_execute_plan_extended failed: %s", SPI_result_code_string(result));
		SPI_finish();
	}
	PG_FINALLY();
	{
		XactReadOnly = save_read_only;
	}
	PG_END_TRY();
	pfree(receiver);
}

/*
 * A query, checked, as text that can stand in FROM, in palloc'ed memory.
 */
char *
mlops_query_as_table(const char *query, const char *what)
{
	int			len = strlen(query);
	StringInfoData table;

	SPI_connect();
	mlops_query_prepare(query, what, 0);
	SPI_finish();

	while (len > 0 && strchr(" \t\r\n\f;", query[len - 1]) != NULL)
		len--;
	/* a comment may end it */
	initStringInfo(&table);
	appendStringInfo(&table, "(%.*s\n)", len, query);
	return table.data;
}

/*
 * Open a cursor for a query with parameters.  SPI is connected.
 */
void
mlops_cursor_open(MlopsRowCursor *cursor, const char *query, int num_args,
				  const Oid *types, const Datum *values)
{
	SPIPlanPtr	plan = SPI_prepare(query, num_args, unconstify(Oid *, types));

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	cursor->portal = SPI_cursor_open(NULL, plan, unconstify(Datum *, values), NULL, true);
	cursor->batch = NULL;
	cursor->num_rows = 0;
}

/*
 * The next rows, instead of those before; false if there are no more.
 */
bool
mlops_cursor_fetch(MlopsRowCursor *cursor, long most)
{
	bool		save_read_only = XactReadOnly;

	if (cursor->batch != NULL)
		SPI_freetuptable(cursor->batch);
	cursor->batch = NULL;

	XactReadOnly = true;
	PG_TRY();
	{
		SPI_cursor_fetch(cursor->portal, true, most);
	}
	PG_FINALLY();
	{
		XactReadOnly = save_read_only;
	}
	PG_END_TRY();

	cursor->batch = SPI_tuptable;
	cursor->num_rows = SPI_processed;
	return cursor->num_rows > 0;
}

void
mlops_cursor_close(MlopsRowCursor *cursor)
{
	if (cursor->batch != NULL)
		SPI_freetuptable(cursor->batch);
	SPI_cursor_close(cursor->portal);
}
