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
 * After it the table is read once more in the order of its pages, only
 * counting: an index that leads past rows is a finding too.  The snapshot is
 * that of the statement.
 *
 * What the log itself can prove ends where somebody able to change the rows
 * computes all hashes anew or cuts off the tail.  Only what was kept outside
 * of the database shows that: a head, or checkpoints, for which the same pass
 * grows the Merkle tree.  Without any of them the result says so.
 *
 * In the same pass the events are replayed (replay.c), to be compared with the
 * tables that they are about.  Whether the guards of the tables are as they
 * were installed, and the model files as they were registered, is asked of
 * SQL functions.
 *
 * Memory: scratch is reset for each event, findings go to a tuplestore; what
 * grows is the table of objects in the replay.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/checkpoint.h"
#include "audit/reader.h"
#include "audit/replay.h"
#include "mlops.h"

PG_FUNCTION_INFO_V1(mlops_verify_audit);
PG_FUNCTION_INFO_V1(mlops_audit_head);

/* what is reported of no event; other values can stand in a table that was tampered with */
#define NO_EVENT	PG_INT64_MIN

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

/* checkpoints that were given, and the tree that they are compared with */
typedef struct AuditWitness
{
	MlopsCheckpoint *given;		/* in the order of their sizes */
	int64	   *left;			/* of each, the last event before a later incarnation; 0 if there is none */
	int			ngiven;
	int			next;			/* the first one that is not yet compared */
	int32		incarnation;	/* of the last event */
	int64		covered;		/* events under the last one that agrees */
	bool		whole;			/* whether the tree has all events so far */
	MlopsMerkle tree;
} AuditWitness;

/* a verification in progress */
typedef struct AuditVerifier
{
	ReturnSetInfo *result;
	MlopsAuditHasher hasher;
	int64		from_seq;
	int64		expected_seq;	/* -1 if no head was given */
	const uint8 *expected_hash;
	AuditLink	previous;
	AuditWitness witness;
	MlopsReplay *replay;		/* NULL if states are not compared */
	int64		nevents;		/* events whose hash was computed */
	int64		nrows;			/* rows that the index led to */
	int64		nfindings;
} AuditVerifier;

/*
 * Add a row to the result.  Hashes may be NULL; NO_EVENT is no event.
 */
static void
report(AuditVerifier *verifier, const char *status, int64 seq,
	   const uint8 *expected, const uint8 *actual, const char *detail)
{
	Datum		values[5];
	bool		isnull[5] = {false, seq == NO_EVENT, expected == NULL, actual == NULL, false};

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
 * Report a checkpoint that the log does not agree with.
 */
static void
report_checkpoint(AuditVerifier *verifier, int n, const uint8 *root)
{
	AuditWitness *witness = &verifier->witness;
	MlopsCheckpoint *checkpoint = &witness->given[n];

	if (witness->left[n] > 0)
		report(verifier, "RESTORED", witness->left[n], checkpoint->root, root,
			   psprintf("The log went on in a later incarnation after event " INT64_FORMAT ", before the checkpoint of " INT64_FORMAT " events in incarnation %d: the database was set back to an earlier state.",
						witness->left[n], checkpoint->size, checkpoint->incarnation));
	else if (root != NULL)
		report(verifier, "FORKED", checkpoint->size, checkpoint->root, root,
			   "The events up to this one are others than those of the checkpoint: the log was rewritten, or it comes from another copy of the database.");
	else
		report(verifier, "TRUNCATED", checkpoint->size, checkpoint->root, NULL,
			   psprintf("The log ends with event " INT64_FORMAT ", before the checkpoint that was given.",
						(int64) witness->tree.size));
}

/*
 * Let the tree grow by an event, and compare it with the checkpoints of its
 * size.  Where an event is missing there is no tree any more; that is reported
 * anyway.
 */
static void
witness_event(AuditVerifier *verifier, const MlopsAuditEvent *event, const AuditLink *link)
{
	AuditWitness *witness = &verifier->witness;
	int32		incarnation = event->isnull[AUDIT_INCARNATION] ? witness->incarnation :
		DatumGetInt32(event->values[AUDIT_INCARNATION]);
	uint8		root[MLOPS_HASH_SIZE];

	if (link->seq != (int64) witness->tree.size + 1)
		witness->whole = false;
	if (!witness->whole)
		return;
	if (incarnation != witness->incarnation)
		for (int i = 0; i < witness->ngiven; i++)
			if (witness->left[i] == 0 && witness->given[i].incarnation < incarnation)
				witness->left[i] = link->seq - 1;
	witness->incarnation = incarnation;
	mlops_merkle_add(&witness->tree, link->stored);
	if (witness->next == witness->ngiven ||
		witness->given[witness->next].size > link->seq)
		return;

	mlops_merkle_root(&witness->tree, root);
	for (; witness->next < witness->ngiven &&
		 witness->given[witness->next].size == link->seq; witness->next++)
	{
		MlopsCheckpoint *checkpoint = &witness->given[witness->next];

		if (memcmp(&checkpoint->log_id, &link->log_id, sizeof(link->log_id)) != 0)
			report(verifier, "FORKED", link->seq, checkpoint->root, root,
				   "The checkpoint is of another log.");
		else if (!same_hash(checkpoint->root, root))
			report_checkpoint(verifier, witness->next, root);
		else
			witness->covered = link->seq;
	}
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

	seq = mlops_audit_seq(event);
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
	if (verifier->witness.ngiven > 0)
		witness_event(verifier, event, &link);
	if (verifier->replay != NULL && seq >= verifier->from_seq)
		mlops_replay_event(verifier->replay, event, link.intact);
	*previous = link;
}

/*
 * Check the head that was given against an event before those that are
 * verified.
 */
static void
check_early_head(AuditVerifier *verifier, MlopsAuditReader *reader)
{
	MlopsAuditEvent event;
	AuditLink	link = {verifier->expected_seq, true};
	SysScanDesc scan = mlops_audit_scan(reader, verifier->expected_seq);

	if (mlops_audit_next(reader, scan, ForwardScanDirection, &event) &&
		mlops_audit_seq(&event) == verifier->expected_seq)
	{
		mlops_audit_get_hash(&event, AUDIT_HASH, link.stored);
		if (!mlops_audit_hash(&verifier->hasher, &event, true, link.computed))
			memcpy(link.computed, link.stored, MLOPS_HASH_SIZE);
		check_head(verifier, &link);
	}
	else
		report(verifier, "ROW_MISSING", verifier->expected_seq, verifier->expected_hash, NULL,
			   psprintf("Event " INT64_FORMAT " is missing.", verifier->expected_seq));
	mlops_audit_scan_end(scan);
}

/*
 * Let the tree grow by the events before those that are verified.
 */
static void
witness_early_events(AuditVerifier *verifier, MlopsAuditReader *reader)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "mlops audit event",
												  ALLOCSET_DEFAULT_SIZES);
	MlopsAuditEvent event;
	SysScanDesc scan = mlops_audit_scan(reader, 1);

	/* the one before the first is read again, to be linked to */
	while (mlops_audit_next(reader, scan, ForwardScanDirection, &event) &&
		   mlops_audit_seq(&event) < verifier->from_seq - 1)
	{
		MemoryContext save = MemoryContextSwitchTo(scratch);
		AuditLink	link = {mlops_audit_seq(&event), true};

		CHECK_FOR_INTERRUPTS();
		if (!event.isnull[AUDIT_LOG_ID])
			link.log_id = *DatumGetUUIDP(event.values[AUDIT_LOG_ID]);
		mlops_audit_get_hash(&event, AUDIT_HASH, link.stored);
		if (link.seq >= 1)
			witness_event(verifier, &event, &link);
		MemoryContextSwitchTo(save);
		MemoryContextReset(scratch);
	}
	mlops_audit_scan_end(scan);
	MemoryContextDelete(scratch);
}

/*
 * Check all events that are to be verified, in the order of their numbers.
 */
static void
check_events(AuditVerifier *verifier, MlopsAuditReader *reader)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "mlops audit event",
												  ALLOCSET_DEFAULT_SIZES);
	MlopsAuditEvent event;
	SysScanDesc scan = mlops_audit_scan(reader, verifier->from_seq - 1);

	while (mlops_audit_next(reader, scan, ForwardScanDirection, &event))
	{
		MemoryContext save = MemoryContextSwitchTo(scratch);

		CHECK_FOR_INTERRUPTS();
		verifier->nrows++;
		check_event(verifier, &event);
		MemoryContextSwitchTo(save);
		MemoryContextReset(scratch);
	}
	mlops_audit_scan_end(scan);
	MemoryContextDelete(scratch);
}

/*
 * Compare the number of rows that the index led to with that in the table.
 */
static void
check_index(AuditVerifier *verifier, MlopsAuditReader *reader)
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
 * Report the checkpoints of more events than there are.
 */
static void
check_late_checkpoints(AuditVerifier *verifier)
{
	AuditWitness *witness = &verifier->witness;

	for (int i = witness->next; witness->whole && i < witness->ngiven; i++)
		report_checkpoint(verifier, i, NULL);
}

/* report a difference between the log and the tables */
static void
report_state(void *arg, int64 seq, const char *detail)
{
	report(arg, "STATE_MISMATCH", seq > 0 ? seq : NO_EVENT, NULL, NULL, detail);
}

/*
 * Report every row of a query as a finding: two hashes, which may be NULL, and
 * the detail.  Runs with the rights of the owner of the tables.
 */
static void
check_query(AuditVerifier *verifier, const char *status, const char *query)
{
	Oid			save_user;
	int			save_context;

	mlops_audit_private_begin(&save_user, &save_context);
	SPI_connect();
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", query);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		const uint8 *hashes[2] = {NULL, NULL};

		for (int h = 0; h < 2; h++)
		{
			bool		isnull;
			Datum		value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
											  h + 1, &isnull);

			if (!isnull && VARSIZE_ANY_EXHDR(DatumGetByteaPP(value)) == MLOPS_HASH_SIZE)
				hashes[h] = (const uint8 *) VARDATA_ANY(DatumGetByteaPP(value));
		}
		report(verifier, status, NO_EVENT, hashes[0], hashes[1],
			   SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3));
	}
	SPI_finish();
	mlops_audit_private_end(save_user, save_context);
}

/*
 * The detail of a result without findings.
 */
static char *
verified(const AuditVerifier *verifier)
{
	const AuditWitness *witness = &verifier->witness;
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, INT64_FORMAT " events verified.", verifier->nevents);
	if (verifier->expected_seq <= 0 && witness->ngiven == 0)
		appendStringInfoString(&detail, " Internal consistency only: without a head kept outside of the database, a tail cut off or a log rewritten as a whole cannot be detected.");
	else if (Max(verifier->expected_seq, witness->covered) < verifier->previous.seq)
		appendStringInfo(&detail, " What was given covers the events up to " INT64_FORMAT ".",
						 Max(verifier->expected_seq, witness->covered));
	return detail.data;
}

/* what is to be checked besides the chain */
typedef struct AuditChecks
{
	bool		state;
	bool		guards;
	bool		artifacts;
} AuditChecks;

/*
 * Read the names of checks.  Error if one is unknown.
 */
static AuditChecks
read_checks(ArrayType *names)
{
	AuditChecks checks = {false, false, false};
	Datum	   *elements;
	bool	   *isnull;
	int			n;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements, &isnull, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *name = isnull[i] ? "" : TextDatumGetCString(elements[i]);

		if (strcmp(name, "state") == 0)
			checks.state = true;
		else if (strcmp(name, "guards") == 0)
			checks.guards = true;
		else if (strcmp(name, "artifacts") == 0)
			checks.artifacts = true;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown check \"%s\"", name),
					 errhint("Checks are state, guards and artifacts; the chain is always checked.")));
	}
	return checks;
}

/*
 * Read the arguments that are not the checks.  Errors if they are no events,
 * heads or checkpoints.
 */
static void
read_arguments(FunctionCallInfo fcinfo, AuditVerifier *verifier)
{
	if (PG_ARGISNULL(0) || PG_GETARG_INT64(0) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_seq must be at least 1")));
	verifier->from_seq = PG_GETARG_INT64(0);
	if (PG_ARGISNULL(1) != PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expected_seq and expected_hash must be given together")));
	if (!PG_ARGISNULL(1))
	{
		bytea	   *hash = PG_GETARG_BYTEA_PP(2);

		verifier->expected_seq = PG_GETARG_INT64(1);
		verifier->expected_hash = (const uint8 *) VARDATA_ANY(hash);
		if (verifier->expected_seq < 0 || VARSIZE_ANY_EXHDR(hash) != MLOPS_HASH_SIZE)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("expected_seq and expected_hash are not a head of the audit log"),
					 errhint("Give what mlops.audit_head() returned: a number from 0 and a hash of %d bytes.",
							 MLOPS_HASH_SIZE)));
	}
	if (!PG_ARGISNULL(3))
		verifier->witness.given = mlops_checkpoint_parse(PG_GETARG_ARRAYTYPE_P(3),
														 &verifier->witness.ngiven);
}

/*
 * SQL: verify the log from an event on, against what was kept outside of the
 * database: a head (number and hash of an event), and checkpoints.
 */
Datum
mlops_verify_audit(PG_FUNCTION_ARGS)
{
	AuditVerifier verifier = {.expected_seq = -1};
	AuditWitness *witness = &verifier.witness;
	AuditChecks checks = {true, true, false};
	MlopsAuditReader reader;

	read_arguments(fcinfo, &verifier);
	if (!PG_ARGISNULL(4))
		checks = read_checks(PG_GETARG_ARRAYTYPE_P(4));

	InitMaterializedSRF(fcinfo, 0);
	verifier.result = (ReturnSetInfo *) fcinfo->resultinfo;
	mlops_audit_reader_open(&reader);
	mlops_audit_hasher_open(&verifier.hasher);
	witness->left = palloc0(Max(witness->ngiven, 1) * sizeof(int64));
	witness->whole = true;
	mlops_merkle_open(&witness->tree);
	if (checks.state)
		verifier.replay = mlops_replay_open(verifier.from_seq == 1);

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
	if (witness->ngiven > 0 && verifier.from_seq > 1)
		witness_early_events(&verifier, &reader);
	check_events(&verifier, &reader);
	if (verifier.from_seq == 1)
		check_index(&verifier, &reader);
	check_end(&verifier);
	check_late_checkpoints(&verifier);
	if (verifier.replay != NULL)
		mlops_replay_compare(verifier.replay, &reader, report_state, &verifier);
	if (checks.guards)
		check_query(&verifier, "GUARD_DRIFT",
					"SELECT NULL::pg_catalog.bytea, NULL::pg_catalog.bytea, detail FROM mlops._check_guards()");
	if (checks.artifacts)
		check_query(&verifier, "ARTIFACT_MISMATCH",
					"SELECT expected, actual, detail FROM mlops._check_artifacts()");
	if (verifier.nfindings == 0)
		report(&verifier, "OK", verifier.previous.seq, NULL, verifier.previous.stored,
			   verified(&verifier));

	mlops_merkle_close(&witness->tree);
	mlops_audit_hasher_close(&verifier.hasher);
	mlops_audit_reader_close(&reader);
	return (Datum) 0;
}

/*
 * SQL: the last event's number, hash and time: what to keep outside.
 */
Datum
mlops_audit_head(PG_FUNCTION_ARGS)
{
	MlopsAuditReader reader;
	SysScanDesc scan;
	MlopsAuditEvent event;
	TupleDesc	tupdesc;
	uint8		hash[MLOPS_HASH_SIZE] = {0};
	Datum		values[3] = {Int64GetDatum(0)};
	bool		isnull[3] = {false, false, true};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	mlops_audit_reader_open(&reader);
	scan = mlops_audit_scan(&reader, 1);
	if (mlops_audit_next(&reader, scan, BackwardScanDirection, &event))
	{
		values[0] = Int64GetDatum(DatumGetInt64(event.values[AUDIT_SEQ]));
		mlops_audit_get_hash(&event, AUDIT_HASH, hash);
		isnull[2] = event.isnull[AUDIT_OCCURRED_AT];
		if (!isnull[2])
			values[2] = TimestampTzGetDatum(DatumGetTimestampTz(event.values[AUDIT_OCCURRED_AT]));
	}
	mlops_audit_scan_end(scan);
	mlops_audit_reader_close(&reader);
	values[1] = mlops_audit_hash_datum(hash);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, isnull)));
}
