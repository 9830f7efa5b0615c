/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Verification of the audit log.
 *
 * One pass over mlops.audit_event in the order of its numbers recomputes the
 * hash of every event and compares each link of the chain.  Every
 * inconsistency is a row of the result, so that an auditor sees the extent of
 * the damage and not only its beginning; an intact log gives one row, OK.
 *
 * The table is read by its primary key and not by a query, so that no rule,
 * policy or trigger can show the verifier something else than what is stored,
 * and then once more in the order of its pages, only counting: an index that
 * leads past rows is a finding too.  The snapshot is that of the statement.
 *
 * What the log itself can prove ends where somebody able to change the rows
 * computes all hashes anew or cuts off the tail.  Only a head that was kept
 * outside of the database shows that; without one the result says so.
 *
 * Memory is constant: scratch is reset for each event, findings go to a
 * tuplestore.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/audit.h"
#include "audit/event.h"
#include "mlops.h"

PG_FUNCTION_INFO_V1(mlops_verify_audit);
PG_FUNCTION_INFO_V1(mlops_audit_head);

/* the table of events, open for reading in the order of their numbers */
typedef struct AuditReader
{
	Relation	table;
	Relation	index;
	MlopsAuditMap map;
	Datum	   *values;
	bool	   *isnull;
} AuditReader;

/* what the next event is compared with */
typedef struct AuditLink
{
	int64		seq;
	bool		known;			/* false if that event is missing */
	bool		intact;			/* whether the two hashes are the same */
	pg_uuid_t	log_id;
	uint8		stored[MLOPS_HASH_SIZE];	/* its hash as it stands in the table */
	uint8		computed[MLOPS_HASH_SIZE];	/* its hash as it should be */
} AuditLink;

/* a verification in progress */
typedef struct AuditVerifier
{
	ReturnSetInfo *result;
	MlopsAuditHasher hasher;
	int64		from_seq;
	int64		expected_seq;	/* -1 if no head was given */
	const uint8 *expected_hash;
	AuditLink	previous;
	int64		nevents;		/* events whose hash was computed */
	int64		nrows;			/* rows that the index led to */
	int64		nfindings;
} AuditVerifier;

/*
 * Open the table.  Error if it has no usable primary key.
 */
static void
open_reader(AuditReader *reader)
{
	List	   *indexes;
	ListCell   *cell;

	reader->table = table_open(mlops_audit_relid(false), AccessShareLock);
	reader->index = NULL;
	mlops_audit_map(&reader->map, RelationGetDescr(reader->table));
	reader->values = palloc(RelationGetDescr(reader->table)->natts * sizeof(Datum));
	reader->isnull = palloc(RelationGetDescr(reader->table)->natts * sizeof(bool));

	indexes = RelationGetIndexList(reader->table);
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indisprimary && index->rd_index->indisvalid &&
			index->rd_index->indkey.values[0] == reader->map.attnum[AUDIT_SEQ])
			reader->index = index;
		else
			index_close(index, AccessShareLock);
	}
	if (reader->index == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s.audit_event\" has no valid primary key on \"seq\"",
						MLOPS_SCHEMA),
				 errhint("Restore it as this version of the extension installs it.")));
}

/*
 * Close the table, keeping its lock.
 */
static void
close_reader(AuditReader *reader)
{
	index_close(reader->index, NoLock);
	table_close(reader->table, NoLock);
}

/*
 * The next event of a scan, which points into the page until the one after it
 * is read; false at the end.
 */
static bool
next_event(AuditReader *reader, SysScanDesc scan, ScanDirection direction,
		   MlopsAuditEvent *event)
{
	HeapTuple	tuple = systable_getnext_ordered(scan, direction);

	if (!HeapTupleIsValid(tuple))
		return false;
	heap_deform_tuple(tuple, RelationGetDescr(reader->table),
					  reader->values, reader->isnull);
	mlops_audit_from_columns(&reader->map, reader->values, reader->isnull, event);
	return true;
}

/*
 * Add a row to the result.  Hashes may be NULL.
 */
static void
report(AuditVerifier *verifier, const char *status, int64 seq,
	   const uint8 *expected, const uint8 *actual, const char *detail)
{
	Datum		values[5];
	bool		isnull[5] = {false, false, expected == NULL, actual == NULL, false};

	values[0] = CStringGetTextDatum(status);
	values[1] = Int64GetDatum(seq);
	values[2] = expected ? mlops_audit_hash_datum(expected) : (Datum) 0;
	values[3] = actual ? mlops_audit_hash_datum(actual) : (Datum) 0;
	values[4] = CStringGetTextDatum(detail);
	tuplestore_putvalues(verifier->result->setResult, verifier->result->setDesc,
						 values, isnull);
	verifier->nfindings++;
}

static inline bool
same_hash(const uint8 *a, const uint8 *b)
{
	return memcmp(a, b, MLOPS_HASH_SIZE) == 0;
}

/*
 * Whether a hash is that of the previous event.  If that one was changed, both
 * of its hashes count: the change was reported where it is.
 */
static bool
follows(const AuditLink *previous, const uint8 *prev_hash)
{
	return same_hash(prev_hash, previous->stored) ||
		same_hash(prev_hash, previous->computed);
}

/*
 * Compare an event with the head that was given, if it is that one.
 */
static void
check_head(AuditVerifier *verifier, const AuditLink *link)
{
	if (link->seq == verifier->expected_seq && !follows(link, verifier->expected_hash))
		report(verifier, "FORKED", link->seq, verifier->expected_hash, link->stored,
			   "The event is another than the one with this number when the head was noted: the log was rewritten, or it comes from another copy of the database.");
}

/*
 * Check one event: its number, its own hash and its link to the one before.
 * An event before from_seq is only there to be linked to.
 */
static void
check_event(AuditVerifier *verifier, const MlopsAuditEvent *event)
{
	AuditLink  *previous = &verifier->previous;
	AuditLink	link;
	uint8		prev_hash[MLOPS_HASH_SIZE];
	bool		stored;
	bool		computed;
	bool		linked;
	int64		seq;
	int64		due = previous->seq + 1;

	seq = event->isnull[AUDIT_SEQ] ? 0 : DatumGetInt64(event->values[AUDIT_SEQ]);
	if (seq < due)
	{
		report(verifier, "ROW_EXTRA", seq, NULL, NULL,
			   seq < 1 ? "Numbers of events begin with 1." :
			   "There is another event with this number.");
		return;
	}

	link.seq = seq;
	link.known = true;
	memset(&link.log_id, 0, sizeof(link.log_id));
	if (!event->isnull[AUDIT_LOG_ID])
		link.log_id = *DatumGetUUIDP(event->values[AUDIT_LOG_ID]);
	stored = mlops_audit_get_hash(event, AUDIT_HASH, link.stored);
	computed = mlops_audit_hash(&verifier->hasher, event, true, link.computed);
	if (!computed)
		memcpy(link.computed, link.stored, MLOPS_HASH_SIZE);
	link.intact = stored && computed && same_hash(link.stored, link.computed);
	mlops_audit_get_hash(event, AUDIT_PREV_HASH, prev_hash);
	linked = previous->known && follows(previous, prev_hash);

	if (seq > due)
	{
		const char *detail = seq == due + 1 ?
			psprintf("Event " INT64_FORMAT " is missing.", due) :
			psprintf("Events " INT64_FORMAT " to " INT64_FORMAT " are missing.", due, seq - 1);

		if (linked)
			report(verifier, "CHAIN_GAP", due, NULL, NULL,
				   psprintf("%s The events around the gap are linked to each other.", detail));
		else
			report(verifier, "ROW_MISSING", due, prev_hash, NULL, detail);
	}

	if (seq >= verifier->from_seq)
	{
		verifier->nevents++;
		if (!link.intact)
			report(verifier, "ROW_CHANGED", seq, stored ? link.stored : NULL,
				   computed ? link.computed : NULL,
				   "The hash that is stored with the event is not that of its values.");
		if (seq == due && previous->known && !linked)
			report(verifier, "BLOCK_BROKEN", seq, previous->stored, prev_hash,
				   seq == 1 ? "The first event is linked to something before it." :
				   psprintf("The event is not linked to event " INT64_FORMAT ": one of the two was replaced.",
							previous->seq));
		else if (link.intact && previous->intact &&
				 memcmp(&link.log_id, &previous->log_id, sizeof(link.log_id)) != 0)
			report(verifier, "BLOCK_BROKEN", seq, NULL, NULL,
				   psprintf("The event belongs to another log than event " INT64_FORMAT ".",
							previous->seq));
	}
	check_head(verifier, &link);
	*previous = link;
}

/*
 * Check the head that was given against an event before those that are
 * verified.
 */
static void
check_early_head(AuditVerifier *verifier, AuditReader *reader)
{
	ScanKeyData key;
	SysScanDesc scan;
	MlopsAuditEvent event;
	AuditLink	link = {verifier->expected_seq, true};

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(verifier->expected_seq));
	scan = systable_beginscan_ordered(reader->table, reader->index, GetActiveSnapshot(), 1, &key);
	if (next_event(reader, scan, ForwardScanDirection, &event))
	{
		mlops_audit_get_hash(&event, AUDIT_HASH, link.stored);
		if (!mlops_audit_hash(&verifier->hasher, &event, true, link.computed))
			memcpy(link.computed, link.stored, MLOPS_HASH_SIZE);
		check_head(verifier, &link);
	}
	else
		report(verifier, "ROW_MISSING", verifier->expected_seq, verifier->expected_hash, NULL,
			   psprintf("Event " INT64_FORMAT " is missing.", verifier->expected_seq));
	systable_endscan_ordered(scan);
}

/*
 * Check all events that are to be verified, in the order of their numbers.
 */
static void
check_events(AuditVerifier *verifier, AuditReader *reader)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "mlops audit event",
												  ALLOCSET_DEFAULT_SIZES);
	MlopsAuditEvent event;
	ScanKeyData key;
	SysScanDesc scan;

	/* from the first on without a bound, so that numbers below 1 are seen */
	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(verifier->from_seq - 1));
	scan = systable_beginscan_ordered(reader->table, reader->index, GetActiveSnapshot(),
									  verifier->from_seq > 1 ? 1 : 0, &key);
	while (next_event(reader, scan, ForwardScanDirection, &event))
	{
		MemoryContext save = MemoryContextSwitchTo(scratch);

		CHECK_FOR_INTERRUPTS();
		verifier->nrows++;
		check_event(verifier, &event);
		MemoryContextSwitchTo(save);
		MemoryContextReset(scratch);
	}
	systable_endscan_ordered(scan);
	MemoryContextDelete(scratch);
}

/*
 * Compare the number of rows that the index led to with that in the table.
 */
static void
check_index(AuditVerifier *verifier, AuditReader *reader)
{
	TupleTableSlot *slot = table_slot_create(reader->table, NULL);
	TableScanDesc scan = table_beginscan(reader->table, GetActiveSnapshot(), 0, NULL);
	int64		nrows = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		nrows++;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	if (nrows != verifier->nrows)
		report(verifier, "INDEX_MISMATCH", verifier->previous.seq, NULL, NULL,
			   psprintf("The table has " INT64_FORMAT " rows, and its primary key leads to " INT64_FORMAT " of them.",
						nrows, verifier->nrows));
}

/*
 * Check that the log is not shorter than it was.
 */
static void
check_end(AuditVerifier *verifier)
{
	AuditLink  *last = &verifier->previous;
	const uint8 *hash = last->known ? last->stored : NULL;

	if (verifier->expected_seq > last->seq)
		report(verifier, "TRUNCATED", verifier->expected_seq, verifier->expected_hash, hash,
			   psprintf("The log ends with event " INT64_FORMAT ", before the head that was given.",
						last->seq));
	else if (verifier->from_seq > 1 && !last->known)
		report(verifier, "TRUNCATED", verifier->from_seq - 1, NULL, NULL,
			   "The log ends before the first event that was to be verified.");
}

/*
 * SQL: verify the log from an event on, against a head (number and hash of an
 * event) that was kept outside, if there is one.
 */
Datum
mlops_verify_audit(PG_FUNCTION_ARGS)
{
	AuditVerifier verifier = {.expected_seq = -1};
	AuditReader reader;

	if (PG_ARGISNULL(0) || PG_GETARG_INT64(0) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_seq must be at least 1")));
	verifier.from_seq = PG_GETARG_INT64(0);
	if (PG_ARGISNULL(1) != PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expected_seq and expected_hash must be given together")));
	if (!PG_ARGISNULL(1))
	{
		bytea	   *hash = PG_GETARG_BYTEA_PP(2);

		verifier.expected_seq = PG_GETARG_INT64(1);
		verifier.expected_hash = (const uint8 *) VARDATA_ANY(hash);
		if (verifier.expected_seq < 0 || VARSIZE_ANY_EXHDR(hash) != MLOPS_HASH_SIZE)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("expected_seq and expected_hash are not a head of the audit log"),
					 errhint("Give what mlops.audit_head() returned: a number from 0 and a hash of %d bytes.",
							 MLOPS_HASH_SIZE)));
	}

	InitMaterializedSRF(fcinfo, 0);
	verifier.result = (ReturnSetInfo *) fcinfo->resultinfo;
	open_reader(&reader);
	mlops_audit_hasher_open(&verifier.hasher);

	/* before event 1 there is a link of zeros; before a later one, an event */
	verifier.previous.known = verifier.from_seq == 1;
	verifier.previous.seq = Max(verifier.from_seq - 2, 0);
	if (verifier.expected_seq >= 0 && verifier.expected_seq <= verifier.previous.seq)
	{
		if (verifier.expected_seq == 0)
			check_head(&verifier, &(AuditLink) {.known = true});
		else
			check_early_head(&verifier, &reader);
	}
	check_events(&verifier, &reader);
	if (verifier.from_seq == 1)
		check_index(&verifier, &reader);
	check_end(&verifier);
	if (verifier.nfindings == 0)
		report(&verifier, "OK", verifier.previous.seq, NULL, verifier.previous.stored,
			   psprintf(INT64_FORMAT " events verified.%s", verifier.nevents,
						verifier.expected_seq > 0 ? "" :
						" Internal consistency only: without a head kept outside of the database, a tail cut off or a log rewritten as a whole cannot be detected."));

	mlops_audit_hasher_close(&verifier.hasher);
	close_reader(&reader);
	return (Datum) 0;
}

/*
 * SQL: the last event's number, hash and time: what to keep outside.
 */
Datum
mlops_audit_head(PG_FUNCTION_ARGS)
{
	AuditReader reader;
	SysScanDesc scan;
	MlopsAuditEvent event;
	TupleDesc	tupdesc;
	uint8		hash[MLOPS_HASH_SIZE] = {0};
	Datum		values[3] = {Int64GetDatum(0)};
	bool		isnull[3] = {false, false, true};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	open_reader(&reader);
	scan = systable_beginscan_ordered(reader.table, reader.index, GetActiveSnapshot(), 0, NULL);
	if (next_event(&reader, scan, BackwardScanDirection, &event))
	{
		values[0] = Int64GetDatum(DatumGetInt64(event.values[AUDIT_SEQ]));
		mlops_audit_get_hash(&event, AUDIT_HASH, hash);
		isnull[2] = event.isnull[AUDIT_OCCURRED_AT];
		if (!isnull[2])
			values[2] = TimestampTzGetDatum(DatumGetTimestampTz(event.values[AUDIT_OCCURRED_AT]));
	}
	systable_endscan_ordered(scan);
	close_reader(&reader);
	values[1] = mlops_audit_hash_datum(hash);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, isnull)));
}
