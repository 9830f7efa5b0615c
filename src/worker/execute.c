/*-------------------------------------------------------------------------
 *
 * execute.c
 *	  Execution of a command as if a client had sent it.
 *
 * The caller has started a transaction, and commits it.  Several statements
 * are one transaction, as in a message of a client; a single one may also be
 * what cannot run inside a transaction block, such as VACUUM or a procedure
 * that commits, after which the transaction is another one.  Statements that
 * begin or end transactions themselves are refused: the result of the run
 * could not be written together with what it did.
 *
 * Rows of a query go nowhere.  But how many rows a statement of mlops scored,
 * it says in a column rows_scored, and that counts then, not its one row.
 *
 * Memory: all of it in a context that outlives transactions, which the caller
 * resets.  Errors are the statement's own, and ML063.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "errors.h"
#include "worker/execute.h"

/*
 * A receiver that keeps of all rows the last value of a column rows_scored
 */
typedef struct Receiver
{
	DestReceiver pub;
	int			column;			/* from 0; -1: there is none */
	int64		rows;			/* -1: none */
} Receiver;

static void
receive_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	Receiver   *receiver = (Receiver *) self;

	receiver->column = -1;
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->atttypid == INT8OID &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), "rows_scored") == 0)
			receiver->column = i;
	}
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver   *receiver = (Receiver *) self;

	if (receiver->column >= 0)
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, receiver->column + 1, &isnull);

		if (!isnull)
			receiver->rows = DatumGetInt64(value);
	}
	return true;
}

static void
receive_nothing(DestReceiver *self)
{
}

/*
 * Execute one statement; alone: there is no other one in the command.
 */
static void
execute_statement(RawStmt *statement, const char *command, bool alone, MlopsExecuted *executed)
{
	CommandTag	tag = CreateCommandTag(statement->stmt);
	bool		snapshot_set = false;
	List	   *queries;
	List	   *plans;
	Portal		portal;
	QueryCompletion completion;
	Receiver	receiver = {
		.pub = {
			.receiveSlot = receive_row,
			.rStartup = receive_startup,
			.rShutdown = receive_nothing,
			.rDestroy = receive_nothing,
			.mydest = DestTuplestore	/* with DestNone some rows are not sent */
		},
		.column = -1,
		.rows = -1
	};

	if (IsA(statement->stmt, TransactionStmt))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_JOB_COMMAND),
				 errmsg("%s is not allowed in the command of a job", GetCommandTagName(tag)),
				 errdetail("A command is one transaction."),
				 errhint("Call a procedure, which may commit.")));

	if (analyze_requires_snapshot(statement))
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		snapshot_set = true;
	}
	queries = pg_analyze_and_rewrite_fixedparams(statement, command, NULL, 0, NULL);
	plans = pg_plan_queries(queries, command, CURSOR_OPT_PARALLEL_OK, NULL);
	if (snapshot_set)
		PopActiveSnapshot();
	CHECK_FOR_INTERRUPTS();

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, command, tag, plans, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	InitializeQueryCompletion(&completion);
	(void) mlops_portal_run(portal, alone, &receiver.pub, &completion);
	PortalDrop(portal, false);

	executed->tag = completion.commandTag;
	executed->has_rows = command_tag_display_rowcount(completion.commandTag) || receiver.rows >= 0;
	executed->rows = receiver.rows >= 0 ? (uint64) receiver.rows : completion.nprocessed;
	CommandCounterIncrement();
}

/*
 * Execute a command in the current memory context.
 */
void
mlops_execute(const char *command, MlopsExecuted *executed)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *statements = pg_parse_query(command);
	ListCell   *cell;

	executed->tag = CMDTAG_UNKNOWN;
	executed->has_rows = false;
	executed->rows = 0;
	foreach(cell, statements)
	{
		CHECK_FOR_INTERRUPTS();
		execute_statement(lfirst_node(RawStmt, cell), command, list_length(statements) == 1, executed);
		/* what commits switches to the context of the next transaction */
		MemoryContextSwitchTo(context);
	}
}
