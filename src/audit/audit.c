/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  Writing the audit log.
 *
 * Events form one chain: they are numbered from 1 without gaps, and each holds
 * the hash of the one before it.  So they must be written one transaction
 * after the other, and a lock that is held from the number of an event to the
 * commit of its transaction would make all of them wait for the slowest.
 * Therefore mlops._audit() only notes the event, with who, when and where as
 * they are at the call, in a queue of this transaction; the queue is written
 * as the last thing before the commit, and the lock is held for no longer than
 * that and the commit itself.
 *
 * The queue.  A list in TopTransactionContext, in the order of the calls.
 * Each event carries the subtransaction in which it was noted: when one is
 * rolled back, the events since its start, which are the tail of the list, are
 * thrown away.  An event is in the log if and only if its transaction has
 * committed.
 *
 * Locks.  The table is locked in RowExclusiveLock when the first event is
 * queued, so that no other session can drop it under the queue.  At the
 * commit everything that may be needed is locked first (indexes, the TOAST
 * table), then the audit lock is taken: a lock on the table as an object, in
 * ExclusiveLock, which conflicts with nothing but itself.  After it no lock is
 * taken, so that writers of the log can wait for each other only in one
 * direction.  (PostgreSQL itself takes the lock of NOTIFY still later, in
 * every transaction in this order.)  The lock is released by the end of the
 * transaction, when its events are visible.
 *
 * The head of the chain is read under the lock with SnapshotSelf, which sees
 * what has committed by now, and not with the snapshot of the transaction: in
 * REPEATABLE READ that one does not see events committed since it was taken.
 * In SERIALIZABLE such a read also takes no predicate lock; the order of
 * writers is that of the lock, and needs no other check that could fail.
 *
 * Rows go in without triggers and as the owner of the table: no trigger that
 * somebody added stands between an event and the log.
 *
 * If the table is gone at the commit because this very transaction dropped the
 * extension, its events went with it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "commands/trigger.h"
#include "common/ip.h"
#include "executor/executor.h"

/*
 * Port without the headers of GSSAPI, which do not come with those of the
 * server; it keeps its layout without them for this purpose.
 */
#undef ENABLE_GSS
#undef ENABLE_SSPI
#include "libpq/libpq-be.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/audit.h"
#include "audit/event.h"
#include "caller.h"
#include "errors.h"
#include "guc.h"
#include "mlops.h"

PG_FUNCTION_INFO_V1(mlops_audit);
PG_FUNCTION_INFO_V1(mlops_refuse_change);

/* the action of an event that says that the database is another one than before */
#define ACTION_INCARNATION	"incarnation"

/* an event that waits for the commit */
typedef struct QueuedEvent
{
	Oid			relid;			/* the table that it is for */
	SubTransactionId subid;
	MlopsAuditEvent event;
} QueuedEvent;

/* the last event of the log, or the state before the first */
typedef struct AuditHead
{
	int64		seq;			/* 0 if there is none; then log_id is new */
	pg_uuid_t	log_id;
	int32		incarnation;
	int64		system_identifier;
	int64		timeline;
	Oid			database_oid;
	char	   *database_name;
	char	   *extension_version;
	char	   *server_version;
	uint8		hash[MLOPS_HASH_SIZE];
} AuditHead;

/* events of this transaction that are not yet written, in TopTransactionContext */
static List *queue = NIL;

/* whether the queue of this transaction was written, so that nothing can follow */
static bool written = false;

/*
 * The OID of mlops.audit_event.  If there is none: error, or InvalidOid if
 * missing_ok.
 */
Oid
mlops_audit_relid(bool missing_ok)
{
	Oid			schema = get_namespace_oid(MLOPS_SCHEMA, missing_ok);
	Oid			relid = InvalidOid;

	if (OidIsValid(schema))
		relid = get_relname_relid("audit_event", schema);
	if (!OidIsValid(relid) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.audit_event\" does not exist", MLOPS_SCHEMA)));
	return relid;
}

/*
 * Set a column of an event.
 */
static inline void
set_value(MlopsAuditEvent *event, MlopsAuditColumn column, Datum value)
{
	event->values[column] = value;
	event->isnull[column] = false;
}

/*
 * Set a column of an event to a text, copied to the current context; NULL if
 * there is none.  Names of roles and databases, which all databases share, may
 * be no text in the encoding of this one: then their bytes are spelt out, for
 * a log that can be dumped and restored.
 */
static void
set_text(MlopsAuditEvent *event, MlopsAuditColumn column, const char *value)
{
	StringInfoData spelt;

	if (value == NULL || value[0] == '\0')
		return;
	if (pg_verifymbstr(value, strlen(value), true))
	{
		set_value(event, column, CStringGetTextDatum(value));
		return;
	}
	initStringInfo(&spelt);
	for (const char *c = value; *c != '\0'; c++)
		appendStringInfo(&spelt, IS_HIGHBIT_SET(*c) ? "\\x%02x" : "%c", (unsigned char) *c);
	set_value(event, column, CStringGetTextDatum(spelt.data));
}

/*
 * The address of the client, the port and the subject of its certificate,
 * where there are such.
 */
static void
set_client(MlopsAuditEvent *event)
{
	char		host[NI_MAXHOST];
	char		port[NI_MAXSERV];

	if (MyProcPort == NULL)
		return;
	if ((MyProcPort->raddr.addr.ss_family == AF_INET ||
		 MyProcPort->raddr.addr.ss_family == AF_INET6) &&
		pg_getnameinfo_all(&MyProcPort->raddr.addr, MyProcPort->raddr.salen,
						   host, sizeof(host), port, sizeof(port),
						   NI_NUMERICHOST | NI_NUMERICSERV) == 0)
	{
		set_text(event, AUDIT_CLIENT_ADDR, host);
		set_value(event, AUDIT_CLIENT_PORT, Int32GetDatum(atoi(port)));
	}
	if (MyProcPort->peer_cert_valid)
		set_text(event, AUDIT_CLIENT_DN, MyProcPort->peer_dn);
}

/*
 * Note who, when and from where in an event, as it is now.
 */
static void
set_circumstances(MlopsAuditEvent *event)
{
	set_value(event, AUDIT_OCCURRED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
	set_value(event, AUDIT_STATEMENT_AT,
			  TimestampTzGetDatum(GetCurrentStatementStartTimestamp()));
	set_value(event, AUDIT_TRANSACTION_AT,
			  TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	set_text(event, AUDIT_LOGIN_ROLE, GetUserNameFromId(GetAuthenticatedUserId(), false));
	set_text(event, AUDIT_SESSION_USER_NAME, GetUserNameFromId(GetSessionUserId(), false));
	set_text(event, AUDIT_CALLER, GetUserNameFromId(mlops_caller(), false));
	set_text(event, AUDIT_SYSTEM_USER_NAME, mlops_system_user());
	set_text(event, AUDIT_ASSERTED_USER, mlops_asserted_user);
	set_client(event);
	set_text(event, AUDIT_APPLICATION_NAME, application_name);
	set_value(event, AUDIT_BACKEND_PID, Int32GetDatum(MyProcPid));
	set_value(event, AUDIT_BACKEND_START, TimestampTzGetDatum(MyStartTimestamp));
	set_text(event, AUDIT_EXTENSION_VERSION, MLOPS_VERSION);
	set_text(event, AUDIT_SERVER_VERSION, GetConfigOption("server_version", false, false));
}

/*
 * SQL: note an event of the audit log, to be written at the commit.  For
 * private functions of mlops; error if no public function is in progress.
 */
Datum
mlops_audit(PG_FUNCTION_ARGS)
{
	/* the columns that the arguments go to, in their order */
	static const MlopsAuditColumn arguments[] = {
		AUDIT_ACTION, AUDIT_MODEL, AUDIT_VERSION, AUDIT_ALIAS, AUDIT_SUBJECT, AUDIT_REASON,
		AUDIT_CHANGE_REF, AUDIT_ARTIFACT_SHA256, AUDIT_STATE_BEFORE, AUDIT_STATE_AFTER,
		AUDIT_DETAIL, AUDIT_RELIED_ON, AUDIT_SIGNATURE_SHA256, AUDIT_POLICY_SHA256,
		AUDIT_LIBRARY_VERSION
	};
	Relation	relation;
	MemoryContext save;
	QueuedEvent *queued;
	MlopsAuditEvent *event;

	PreventCommandIfReadOnly("mlops._audit()");
	PreventCommandIfParallelMode("mlops._audit()");
	PreventCommandDuringRecovery("mlops._audit()");
	if (written)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the events of this transaction are already in the audit log")));
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("an audit event must have an action")));

	relation = table_open(mlops_audit_relid(false), RowExclusiveLock);
	save = MemoryContextSwitchTo(TopTransactionContext);
	queued = palloc0(sizeof(QueuedEvent));
	queued->relid = RelationGetRelid(relation);
	queued->subid = GetCurrentSubTransactionId();
	event = &queued->event;
	memset(event->isnull, true, sizeof(event->isnull));
	set_circumstances(event);
	for (int i = 0; i < (int) lengthof(arguments); i++)
	{
		MlopsAuditColumn column = arguments[i];

		if (PG_ARGISNULL(i))
			continue;
		if (column == AUDIT_VERSION)
			set_value(event, column, PG_GETARG_DATUM(i));
		else if (column >= AUDIT_STATE_BEFORE && column <= AUDIT_RELIED_ON)
		{
			Jsonb	   *json;
			char	   *text;

			MemoryContextSwitchTo(save);
			json = PG_GETARG_JSONB_P(i);
			text = JsonbToCString(NULL, &json->root, VARSIZE(json));
			MemoryContextSwitchTo(TopTransactionContext);
			set_text(event, column, text);
		}
		else
			set_value(event, column, PointerGetDatum(PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(i))));
	}

	queue = lappend(queue, queued);
	MemoryContextSwitchTo(save);
	table_close(relation, NoLock);
	PG_RETURN_VOID();
}

/*
 * The primary key among the open indexes of the table: the order of events.
 */
static Relation
primary_key(ResultRelInfo *table)
{
	for (int i = 0; i < table->ri_NumIndices; i++)
	{
		Relation	index = table->ri_IndexRelationDescs[i];

		if (index->rd_index->indisprimary)
			return index;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("table \"%s.audit_event\" has no primary key", MLOPS_SCHEMA),
			 errhint("Restore it as this version of the extension installs it.")));
}

/*
 * A text of an event, palloc'd; empty if there is none.
 */
static char *
text_of(const MlopsAuditEvent *event, MlopsAuditColumn column)
{
	return event->isnull[column] ? pstrdup("") : TextDatumGetCString(event->values[column]);
}

/*
 * Read the head of the log.  The caller holds the audit lock.
 */
static void
read_head(ResultRelInfo *table, const MlopsAuditMap *map, AuditHead *head)
{
	Relation	relation = table->ri_RelationDesc;
	TupleDesc	tupdesc = RelationGetDescr(relation);
	SysScanDesc scan;
	HeapTuple	tuple;

	memset(head, 0, sizeof(AuditHead));
	scan = systable_beginscan_ordered(relation, primary_key(table), SnapshotSelf, 0, NULL);
	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	if (HeapTupleIsValid(tuple))
	{
		Datum	   *values = palloc(tupdesc->natts * sizeof(Datum));
		bool	   *isnull = palloc(tupdesc->natts * sizeof(bool));
		MlopsAuditEvent last;

		heap_deform_tuple(tuple, tupdesc, values, isnull);
		mlops_audit_from_columns(map, values, isnull, &last);
		if (!mlops_audit_get_hash(&last, AUDIT_HASH, head->hash) ||
			last.isnull[AUDIT_LOG_ID] || last.isnull[AUDIT_INCARNATION])
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("the last event of the audit log has no hash, log id or incarnation"),
					 errhint("Nothing can be recorded after it. See what mlops.verify_audit() reports.")));
		head->seq = DatumGetInt64(last.values[AUDIT_SEQ]);
		head->log_id = *DatumGetUUIDP(last.values[AUDIT_LOG_ID]);
		head->incarnation = DatumGetInt32(last.values[AUDIT_INCARNATION]);
		head->system_identifier = DatumGetInt64(last.values[AUDIT_SYSTEM_IDENTIFIER]);
		head->timeline = DatumGetInt64(last.values[AUDIT_TIMELINE]);
		head->database_oid = DatumGetObjectId(last.values[AUDIT_DATABASE_OID]);
		head->database_name = text_of(&last, AUDIT_DATABASE_NAME);
		head->extension_version = text_of(&last, AUDIT_EXTENSION_VERSION);
		head->server_version = text_of(&last, AUDIT_SERVER_VERSION);
	}
	else
	{
		head->log_id = *DatumGetUUIDP(OidFunctionCall0(F_GEN_RANDOM_UUID));
		head->database_name = head->extension_version = head->server_version = "";
	}
	systable_endscan_ordered(scan);
}

/*
 * Add the name of what changed to the list in an event of a new incarnation.
 */
static void
changed(StringInfo list, bool differs, const char *what)
{
	if (differs)
		appendStringInfo(list, "%s\"%s\"", list->len > 0 ? ", " : "", what);
}

/*
 * Whether the log is about to go on in another incarnation of the database
 * than that of its last event: another cluster, another branch of its history,
 * another database, or another version of the server or of mlops.  If so,
 * *detail gets what the event of the new incarnation says: what changed, and
 * where the log was written before.
 */
static bool
is_new_incarnation(const AuditHead *head, const char *server_version, char **detail)
{
	StringInfoData list;
	StringInfoData json;

	initStringInfo(&list);
	changed(&list, head->system_identifier != (int64) GetSystemIdentifier(), "system_identifier");
	changed(&list, head->timeline != GetWALInsertionTimeLine(), "timeline");
	changed(&list, head->database_oid != MyDatabaseId, "database_oid");
	changed(&list, strcmp(head->server_version, server_version) != 0, "server_version");
	changed(&list, strcmp(head->extension_version, MLOPS_VERSION) != 0, "extension_version");
	if (list.len == 0)
		return false;

	initStringInfo(&json);
	appendStringInfo(&json,
					 "{\"changed\": [%s], \"previous\": {\"seq\": " INT64_FORMAT
					 ", \"system_identifier\": \"" INT64_FORMAT
					 "\", \"timeline\": " INT64_FORMAT
					 ", \"database_oid\": %u, \"database_name\": ",
					 list.data, head->seq, head->system_identifier, head->timeline,
					 head->database_oid);
	escape_json(&json, head->database_name);
	appendStringInfoString(&json, ", \"server_version\": ");
	escape_json(&json, head->server_version);
	appendStringInfoString(&json, ", \"extension_version\": ");
	escape_json(&json, head->extension_version);
	appendStringInfoString(&json, "}}");
	*detail = json.data;
	return true;
}

/*
 * Append an event to the log, after head, which moves on to it.
 */
static void
append_event(ResultRelInfo *table, EState *estate, TupleTableSlot *slot,
			 const MlopsAuditMap *map, MlopsAuditHasher *hasher,
			 AuditHead *head, MlopsAuditEvent *event)
{
	head->seq++;
	set_value(event, AUDIT_SEQ, Int64GetDatum(head->seq));
	set_value(event, AUDIT_LOG_ID, UUIDPGetDatum(&head->log_id));
	set_value(event, AUDIT_INCARNATION, Int32GetDatum(head->incarnation));
	set_value(event, AUDIT_PREV_HASH, mlops_audit_hash_datum(head->hash));
	set_value(event, AUDIT_XID,
			  Int64GetDatum((int64) U64FromFullTransactionId(GetTopFullTransactionId())));
	set_text(event, AUDIT_DATABASE_NAME, get_database_name(MyDatabaseId));
	set_value(event, AUDIT_DATABASE_OID, ObjectIdGetDatum(head->database_oid));
	set_value(event, AUDIT_SYSTEM_IDENTIFIER, Int64GetDatum(head->system_identifier));
	set_value(event, AUDIT_TIMELINE, Int64GetDatum(head->timeline));
	set_value(event, AUDIT_RECORDED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
	mlops_audit_hash(hasher, event, false, head->hash);
	set_value(event, AUDIT_HASH, mlops_audit_hash_datum(head->hash));

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	mlops_audit_to_columns(map, event, slot->tts_values, slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
	ExecSimpleRelationInsert(table, estate, slot);
	ResetPerTupleExprContext(estate);
}

/*
 * Append the first event of a new incarnation, with the circumstances of the
 * event that is about to follow.
 */
static void
append_incarnation(ResultRelInfo *table, EState *estate, TupleTableSlot *slot,
				   const MlopsAuditMap *map, MlopsAuditHasher *hasher,
				   AuditHead *head, const MlopsAuditEvent *next, const char *detail)
{
	MlopsAuditEvent event = *next;

	for (int column = AUDIT_ACTION; column <= AUDIT_LIBRARY_VERSION; column++)
		event.isnull[column] = true;
	set_text(&event, AUDIT_ACTION, ACTION_INCARNATION);
	set_text(&event, AUDIT_DETAIL, detail);
	append_event(table, estate, slot, map, hasher, head, &event);
}

/*
 * Write the events of the queue that are for the given table, under the audit
 * lock, which stays until the end of the transaction.
 */
static void
write_events(Oid relid)
{
	Relation	relation = table_open(relid, RowExclusiveLock);
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *table = makeNode(ResultRelInfo);
	TupleTableSlot *slot = table_slot_create(relation, &estate->es_tupleTable);
	MlopsAuditMap map;
	MlopsAuditHasher hasher;
	AuditHead	head;
	Oid			save_user;
	int			save_context;
	char	   *server_version = pstrdup(GetConfigOption("server_version", false, false));
	char	   *detail;
	ListCell   *cell;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(relation->rd_rel->relowner,
						   save_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	PushActiveSnapshot(GetTransactionSnapshot());
	mlops_audit_map(&map, RelationGetDescr(relation));
	mlops_audit_hasher_open(&hasher);
	InitResultRelInfo(table, relation, 0, NULL, 0);
	table->ri_TrigDesc = NULL;
	ExecOpenIndices(table, false);
	if (OidIsValid(relation->rd_rel->reltoastrelid))
		LockRelationOid(relation->rd_rel->reltoastrelid, RowExclusiveLock);
	estate->es_output_cid = GetCurrentCommandId(true);

	LockDatabaseObject(RelationRelationId, relid, 0, ExclusiveLock);
	read_head(table, &map, &head);
	foreach(cell, queue)
	{
		QueuedEvent *queued = lfirst(cell);

		CHECK_FOR_INTERRUPTS();
		if (queued->relid != relid)
			continue;
		if (is_new_incarnation(&head, server_version, &detail))
		{
			/* the first event of a log says by itself where it began */
			bool		first = head.seq == 0;

			head.incarnation++;
			head.system_identifier = (int64) GetSystemIdentifier();
			head.timeline = GetWALInsertionTimeLine();
			head.database_oid = MyDatabaseId;
			head.extension_version = MLOPS_VERSION;
			head.server_version = server_version;
			if (!first)
				append_incarnation(table, estate, slot, &map, &hasher, &head,
								   &queued->event, detail);
		}
		append_event(table, estate, slot, &map, &hasher, &head, &queued->event);
	}

	ExecCloseIndices(table);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
	mlops_audit_hasher_close(&hasher);
	PopActiveSnapshot();
	SetUserIdAndSecContext(save_user, save_context);
	table_close(relation, NoLock);
}

/*
 * Write the queue, before the commit.
 */
static void
write_queue(void)
{
	Oid			relid = mlops_audit_relid(true);

	written = true;
	if (OidIsValid(relid))
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mlops audit",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext save = MemoryContextSwitchTo(context);

		write_events(relid);
		MemoryContextSwitchTo(save);
		MemoryContextDelete(context);
	}
}

/*
 * The events of this transaction that are not yet in the log, in their order:
 * the n-th one from 0, or NULL if there are not as many.  It lives until the
 * end of the subtransaction.
 */
const MlopsAuditEvent *
mlops_audit_pending(int n)
{
	return n < list_length(queue) ? &((QueuedEvent *) list_nth(queue, n))->event : NULL;
}

/*
 * Make durable what this transaction wrote, which is something, and with it
 * the events that others committed before, also with synchronous_commit = off.
 */
void
mlops_audit_flush(void)
{
	if (!XLogRecPtrIsInvalid(XactLastRecEnd))
		XLogFlush(XactLastRecEnd);
}

/*
 * SQL: trigger of tables whose rows never change.
 */
Datum
mlops_refuse_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "mlops_refuse_change: not called by trigger manager");
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_IMMUTABLE),
			 errmsg("rows of table \"%s.%s\" cannot be changed or deleted",
					get_namespace_name(RelationGetNamespace(trigger->tg_relation)),
					RelationGetRelationName(trigger->tg_relation)),
			 errdetail("They are a record of what happened.")));
}

/*
 * At the end of a transaction: write the queue, or forget it.
 */
static void
at_transaction(XactEvent event, void *arg)
{
	if (queue == NIL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			write_queue();
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has events for the audit log"),
					 errdetail("Until COMMIT PREPARED nobody else could write to the log."),
					 errhint("End the transaction with COMMIT.")));
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
			queue = NIL;
			written = false;
			break;
		default:
			break;
	}
}

/*
 * At the abort of a subtransaction: throw away the events since its start,
 * also those of subtransactions that it had.  Subtransactions are numbered in
 * the order in which they start, so these are the events with its number or a
 * higher one, and they are the last ones of the queue.
 */
static void
at_subtransaction(SubXactEvent event, SubTransactionId subid,
				  SubTransactionId parent, void *arg)
{
	int			n = list_length(queue);

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (n > 0 && ((QueuedEvent *) list_nth(queue, n - 1))->subid >= subid)
		n--;
	queue = list_truncate(queue, n);
}

/*
 * Register the callbacks that keep the queue and write it.
 */
void
mlops_audit_init(void)
{
	RegisterXactCallback(at_transaction, NULL);
	RegisterSubXactCallback(at_subtransaction, NULL);
}
