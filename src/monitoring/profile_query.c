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
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

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

/* where the only row of the statement below goes */
typedef struct SketchRow
{
	MlopsProfile *profile;
	int			first;			/* the first column of the query */
} SketchRow;

static void
sketch_columns(void *arg, TupleDesc tupdesc)
{
}

static void
sketch_row(void *arg, const Datum *values, const bool *nulls)
{
	SketchRow  *row = arg;
	MlopsProfile *profile = row->profile;
	MemoryContext old = MemoryContextSwitchTo(profile->context);

	for (int i = row->first; i < profile->num_columns; i++)
	{
		MlopsProfileColumn *column = &profile->columns[i];
		int			number = 1 + i - row->first;

		if (column->sketch == NULL)
		{
			column->rows = DatumGetInt64(values[0]);
			column->nulls = column->rows - DatumGetInt64(values[number]);
		}
		else if (!nulls[number])
		{
			mlops_sketch_free(column->sketch);
			column->sketch = mlops_sketch_from_datum(values[number]);
		}
	}
	MemoryContextSwitchTo(old);
}

/*
 * The type to which a column is cast for the aggregate, which has none for
 * each type.
 */
static const char *
sketch_argument(MlopsConversion conversion, Oid type)
{
	switch (conversion)
	{
		case MLOPS_CONVERT_INT2:
		case MLOPS_CONVERT_INT4:
		case MLOPS_CONVERT_INT8:
		case MLOPS_CONVERT_FLOAT4:
		case MLOPS_CONVERT_FLOAT8:
			return "pg_catalog.float8";
		case MLOPS_CONVERT_TEXT:
		case MLOPS_CONVERT_BPCHAR:
		case MLOPS_CONVERT_NAME:
		case MLOPS_CONVERT_CHAR:
			return "pg_catalog.text";
		default:
			return format_type_extended(getBaseType(type), -1, FORMAT_TYPE_FORCE_QUALIFY);
	}
}

/*
 * Add all columns of a query and the sketches of its rows to a profile.  One
 * statement makes them, by the aggregate, so that its plan may be parallel.
 */
void
mlops_profile_read(MlopsProfile *profile, const char *query, const char *what)
{
	SketchRow	row = {profile, profile->num_columns};
	MlopsRowReader reader = {sketch_columns, sketch_row, &row};
	StringInfoData names;
	StringInfoData statement;
	char	   *table = mlops_query_as_table(query, what);
	TupleDesc	tupdesc;

	initStringInfo(&names);
	initStringInfo(&statement);
	SPI_connect();
	tupdesc = ((CachedPlanSource *) linitial(SPI_plan_get_plan_sources(mlops_query_prepare(query, what, 0))))->resultDesc;
	mlops_profile_add_columns(profile, tupdesc);

	/* columns may have equal names; domains are what they are made of */
	appendStringInfoString(&statement, "SELECT pg_catalog.count(*)");
	for (int i = 0; i < tupdesc->natts; i++)
	{
		const MlopsProfileColumn *column = &profile->columns[row.first + i];

		appendStringInfo(&names, "%sc%d", i > 0 ? ", " : "", i);
		if (column->sketch == NULL)
			appendStringInfo(&statement, ", pg_catalog.count(q.c%d)", i);
		else
			appendStringInfo(&statement, ", mlops.sketch(q.c%d::%s)", i,
							 sketch_argument(column->conversion, TupleDescAttr(tupdesc, i)->atttypid));
	}
	SPI_finish();

	appendStringInfo(&statement, " FROM %s q", table);
	if (names.len > 0)
		appendStringInfo(&statement, " (%s)", names.data);
	mlops_profile_query(statement.data, what, &reader);
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
