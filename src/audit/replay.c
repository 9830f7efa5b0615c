/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  What the events say the tables should hold, against what they hold.
 *
 * An event that changes the state of an object holds the whole state that it
 * has from then on.  The object is identified by its kind, which is what
 * stands before the dot of the action, and by the columns model, version,
 * alias and subject; the version counts only where there is no alias, since an
 * alias is the same object whichever version it points to.  An event with
 * neither a state before nor one after changes none.
 *
 * For each kind there is a function mlops._state_KIND(), which belongs to the
 * extension and gives the present states of all objects of the kind.  Events
 * of other kinds are not replayed.
 *
 * Of each object only the number of the last event is kept, by a hash of what
 * identifies it; the event is read again when the states are compared.  Two
 * objects whose hashes are the same would be reported, never hidden: who finds
 * an event compares what it is about.
 *
 * Events of this transaction that are not yet in the log count as its end.
 *
 * Memory: the table of objects is in a context of its own below the current
 * one, about 60 bytes for each.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "audit/audit.h"
#include "audit/replay.h"
#include "mlops.h"

/* rows that are fetched at a time */
#define BATCH	1000

/* the columns that identify an object of a kind, in this order */
static const MlopsAuditColumn key_columns[] = {
	AUDIT_MODEL, AUDIT_VERSION, AUDIT_ALIAS, AUDIT_SUBJECT
};
#define KEY_MODEL	0
#define KEY_VERSION 1
#define KEY_ALIAS	2
#define NKEYS		((int) lengthof(key_columns))

/* what identifies an object of a kind */
typedef struct ObjectName
{
	Datum		values[lengthof(key_columns)];
	bool		isnull[lengthof(key_columns)];
} ObjectName;

/* a hash of the kind and of what identifies the object */
typedef struct ObjectKey
{
	uint64		hash[2];
} ObjectKey;

typedef struct ObjectEntry
{
	ObjectKey	key;			/* must be first */
	int64		seq;			/* its last event; -1 - n is the n-th pending one */
	int16		kind;
	bool		intact;			/* whether that event is what was recorded */
	bool		exists;			/* whether it has a state since that event */
	bool		found;			/* whether the tables have it */
} ObjectEntry;

struct MlopsReplay
{
	MemoryContext context;
	MemoryContext scratch;
	bool		whole;			/* whether the events are read from the first on */
	int			nkinds;
	char	  **kinds;
	HTAB	   *objects;
	StringInfoData bytes;
};

/* a comparison in progress */
typedef struct Comparison
{
	MlopsReplay *replay;
	MlopsAuditReader *reader;
	MlopsReplayReport report;
	void	   *arg;
	int64		nobjects;
} Comparison;

/*
 * Become the owner of the table of events, who may read the private tables and
 * call the private functions, in a context in which nobody can gain by that;
 * until mlops_audit_private_end() or the end of the subtransaction.
 */
void
mlops_audit_private_begin(Oid *save_user, int *save_context)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(mlops_audit_relid(false)));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for the table of events");
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	GetUserIdAndSecContext(save_user, save_context);
	SetUserIdAndSecContext(owner, *save_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
}

/*
 * Become again who it was.
 */
void
mlops_audit_private_end(Oid save_user, int save_context)
{
	SetUserIdAndSecContext(save_user, save_context);
}

/*
 * Get ready to replay events: all of them, or only those from some number on.
 */
MlopsReplay *
mlops_replay_open(bool whole)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mlops audit replay",
												  ALLOCSET_DEFAULT_SIZES);
	MlopsReplay *replay = MemoryContextAllocZero(context, sizeof(MlopsReplay));
	HASHCTL		control = {.keysize = sizeof(ObjectKey), .entrysize = sizeof(ObjectEntry), .hcxt = context};
	MemoryContext save;

	replay->context = context;
	replay->scratch = AllocSetContextCreate(context, "mlops audit comparison",
											ALLOCSET_DEFAULT_SIZES);
	replay->whole = whole;
	replay->objects = hash_create("mlops audit objects", 1024, &control,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	SPI_connect();
	if (SPI_execute("SELECT pg_catalog.substr(p.proname::pg_catalog.text, 8)"
					" FROM pg_catalog.pg_proc p"
					" JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) p.tableoid"
					" AND d.objid OPERATOR(pg_catalog.=) p.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'"
					" JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid"
					" AND e.extname OPERATOR(pg_catalog.=) 'mlops'"
					" WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass"
					" AND pg_catalog.starts_with(p.proname::pg_catalog.text, '_state_')"
					" AND p.pronargs OPERATOR(pg_catalog.=) 0 ORDER BY p.proname",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the kinds of objects");
	save = MemoryContextSwitchTo(context);
	replay->nkinds = (int) SPI_processed;
	replay->kinds = palloc0(Max(replay->nkinds, 1) * sizeof(char *));
	for (int i = 0; i < replay->nkinds; i++)
		replay->kinds[i] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
	initStringInfo(&replay->bytes);
	MemoryContextSwitchTo(save);
	SPI_finish();
	return replay;
}

/*
 * The number of the kind of object that an event is about; -1 if it is not one
 * of a kind that is compared, or changes no state.
 */
static int
kind_of(const MlopsReplay *replay, const MlopsAuditEvent *event)
{
	text	   *action;
	const char *dot;
	int			length;

	if (event->isnull[AUDIT_ACTION] ||
		(event->isnull[AUDIT_STATE_BEFORE] && event->isnull[AUDIT_STATE_AFTER]))
		return -1;
	action = DatumGetTextPP(event->values[AUDIT_ACTION]);
	dot = memchr(VARDATA_ANY(action), '.', VARSIZE_ANY_EXHDR(action));
	if (dot == NULL)
		return -1;
	length = (int) (dot - VARDATA_ANY(action));
	for (int i = 0; i < replay->nkinds; i++)
		if (strncmp(replay->kinds[i], VARDATA_ANY(action), length) == 0 &&
			replay->kinds[i][length] == '\0')
			return i;
	return -1;
}

/*
 * Leave out the version of an object that has an alias.
 */
static void
settle_name(ObjectName *name)
{
	if (!name->isnull[KEY_ALIAS])
		name->isnull[KEY_VERSION] = true;
}

/*
 * What identifies the object of an event.
 */
static void
name_of(const MlopsAuditEvent *event, ObjectName *name)
{
	for (int i = 0; i < NKEYS; i++)
	{
		name->values[i] = event->values[key_columns[i]];
		name->isnull[i] = event->isnull[key_columns[i]];
	}
	settle_name(name);
}

/*
 * The bytes of a value of a key, detoasted where it is a text.
 */
static const char *
key_bytes(const ObjectName *name, int i, uint32 *number, int *length)
{
	text	   *value;

	if (i == KEY_VERSION)
	{
		*number = (uint32) DatumGetInt32(name->values[i]);
		*length = sizeof(*number);
		return (const char *) number;
	}
	value = DatumGetTextPP(name->values[i]);
	*length = VARSIZE_ANY_EXHDR(value);
	return VARDATA_ANY(value);
}

/*
 * The key of an object.
 */
static ObjectKey
make_key(MlopsReplay *replay, int kind, const ObjectName *name)
{
	StringInfo	bytes = &replay->bytes;
	ObjectKey	key;

	resetStringInfo(bytes);
	appendBinaryStringInfo(bytes, (const char *) &kind, sizeof(kind));
	for (int i = 0; i < NKEYS; i++)
	{
		int			length = -1;
		uint32		number;
		const char *value = name->isnull[i] ? NULL : key_bytes(name, i, &number, &length);

		appendBinaryStringInfo(bytes, (const char *) &length, sizeof(length));
		if (value != NULL)
			appendBinaryStringInfo(bytes, value, length);
	}
	key.hash[0] = hash_bytes_extended((const unsigned char *) bytes->data, bytes->len, 0);
	key.hash[1] = hash_bytes_extended((const unsigned char *) bytes->data, bytes->len,
									  UINT64CONST(0x9E3779B97F4A7C15));
	return key;
}

/*
 * Whether two objects of a kind are the same.
 */
static bool
same_name(const ObjectName *a, const ObjectName *b)
{
	for (int i = 0; i < NKEYS; i++)
	{
		uint32		numbers[2];
		int			lengths[2];
		const char *bytes[2];

		if (a->isnull[i] != b->isnull[i])
			return false;
		if (a->isnull[i])
			continue;
		bytes[0] = key_bytes(a, i, &numbers[0], &lengths[0]);
		bytes[1] = key_bytes(b, i, &numbers[1], &lengths[1]);
		if (lengths[0] != lengths[1] || memcmp(bytes[0], bytes[1], lengths[0]) != 0)
			return false;
	}
	return true;
}

/*
 * Note that an event, which has this number, was the last one of its object.
 */
static void
replay_as(MlopsReplay *replay, const MlopsAuditEvent *event, int64 seq, bool intact)
{
	int			kind = kind_of(replay, event);
	ObjectName	name;
	ObjectKey	key;
	ObjectEntry *entry;
	bool		found;

	if (kind < 0)
		return;
	name_of(event, &name);
	key = make_key(replay, kind, &name);
	entry = hash_search(replay->objects, &key, HASH_ENTER, &found);
	entry->seq = seq;
	entry->kind = (int16) kind;
	entry->intact = intact;
	entry->exists = !event->isnull[AUDIT_STATE_AFTER];
	entry->found = false;
}

/*
 * Replay an event, the next one in the order of their numbers.  One that is
 * not intact may say anything, also what cannot be read: its object is not
 * compared.  What is allocated is left in the current context, for the caller
 * to reset.
 */
void
mlops_replay_event(MlopsReplay *replay, const MlopsAuditEvent *event, bool intact)
{
	replay_as(replay, event, mlops_audit_seq(event), intact);
}

/*
 * What an object is called in a report.
 */
static char *
describe(const MlopsReplay *replay, int kind, const ObjectName *name)
{
	const char *word = replay->kinds[kind];
	StringInfoData result;

	initStringInfo(&result);
	appendStringInfoString(&result, word);
	for (int i = NKEYS - 1; i >= 0; i--)
	{
		if (name->isnull[i])
			continue;
		if (i == KEY_MODEL && strcmp(word, "model") != 0)
			appendStringInfoString(&result, " of model");
		if (i == KEY_VERSION)
			appendStringInfo(&result, " %d", DatumGetInt32(name->values[i]));
		else
			appendStringInfo(&result, " \"%s\"", TextDatumGetCString(name->values[i]));
	}
	return result.data;
}

/*
 * What differs between two states, as text.
 */
static char *
difference(Datum expected, Datum actual)
{
	Oid			types[] = {JSONBOID, JSONBOID};
	Datum		values[] = {expected, actual};
	char	   *result;

	if (SPI_execute_with_args("SELECT mlops._state_difference($1, $2)", 2, types, values,
							  NULL, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not compare two states");
	result = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	SPI_freetuptable(SPI_tuptable);
	return result;
}

/*
 * Whether an object that the tables do not have needs not be there.
 */
static bool
is_void(const MlopsReplay *replay, int kind, const ObjectName *name)
{
	Oid			types[] = {TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID};
	Datum		values[1 + lengthof(key_columns)] = {CStringGetTextDatum(replay->kinds[kind])};
	char		nulls[1 + lengthof(key_columns)] = {' '};
	bool		isnull;
	bool		result;

	for (int i = 0; i < NKEYS; i++)
	{
		values[i + 1] = name->values[i];
		nulls[i + 1] = name->isnull[i] ? 'n' : ' ';
	}
	if (SPI_execute_with_args("SELECT mlops._is_void($1, $2, $3, $4, $5)", lengthof(types), types,
							  values, nulls, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not ask whether an object is void");
	result = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) &&
		!isnull;
	SPI_freetuptable(SPI_tuptable);
	return result;
}

/*
 * Compare an object of the tables, or one that they do not have (state NULL),
 * with the last event about it.
 */
static void
compare_state(Comparison *comparison, const ObjectEntry *entry, const ObjectName *name,
			  NullableDatum state)
{
	MlopsReplay *replay = comparison->replay;
	MlopsAuditEvent event;
	ObjectName	event_name;
	SysScanDesc scan = NULL;
	int64		seq = 0;
	Datum		expected;

	if (entry->seq < 0)
		event = *mlops_audit_pending((int) (-1 - entry->seq));
	else
	{
		scan = mlops_audit_scan(comparison->reader, entry->seq);
		if (!mlops_audit_next(comparison->reader, scan, ForwardScanDirection, &event) ||
			mlops_audit_seq(&event) != entry->seq)
			elog(ERROR, "event " INT64_FORMAT " has gone", entry->seq);
		seq = entry->seq;
	}
	name_of(&event, &event_name);
	if (name == NULL)
		name = &event_name;

	if (kind_of(replay, &event) != entry->kind || !same_name(&event_name, name))
		comparison->report(comparison->arg, seq,
						   psprintf("The tables have the %s, which another event stands for: two objects have the same hash.",
									describe(replay, entry->kind, name)));
	else if (event.isnull[AUDIT_STATE_AFTER])
		comparison->report(comparison->arg, seq,
						   psprintf("The tables have the %s, which was removed according to the log.",
									describe(replay, entry->kind, name)));
	else if (state.isnull)
	{
		if (!is_void(replay, entry->kind, name))
			comparison->report(comparison->arg, seq,
							   psprintf("The tables do not have the %s.",
										describe(replay, entry->kind, name)));
	}
	else
	{
		expected = DirectFunctionCall1(jsonb_in,
									   CStringGetDatum(TextDatumGetCString(event.values[AUDIT_STATE_AFTER])));
		if (compareJsonbContainers(&DatumGetJsonbP(expected)->root,
								   &DatumGetJsonbP(state.value)->root) != 0)
			comparison->report(comparison->arg, seq,
							   psprintf("The %s is not what the log says: %s",
										describe(replay, entry->kind, name),
										difference(expected, state.value)));
	}
	if (scan != NULL)
		mlops_audit_scan_end(scan);
}

/*
 * Compare one row of a function mlops._state_KIND().
 */
static void
compare_row(Comparison *comparison, int kind, HeapTuple tuple, TupleDesc tupdesc)
{
	MlopsReplay *replay = comparison->replay;
	ObjectName	name;
	ObjectKey	key;
	ObjectEntry *entry;
	NullableDatum state;

	for (int i = 0; i < NKEYS; i++)
		name.values[i] = SPI_getbinval(tuple, tupdesc, i + 1, &name.isnull[i]);
	settle_name(&name);
	state.value = SPI_getbinval(tuple, tupdesc, NKEYS + 1, &state.isnull);
	if (state.isnull)
		return;
	comparison->nobjects++;
	key = make_key(replay, kind, &name);
	entry = hash_search(replay->objects, &key, HASH_FIND, NULL);
	if (entry != NULL)
	{
		entry->found = true;
		if (entry->intact)
			compare_state(comparison, entry, &name, state);
	}
	else if (replay->whole)
		comparison->report(comparison->arg, 0,
						   psprintf("The tables have the %s, of which the log knows nothing.",
									describe(replay, kind, &name)));
}

/*
 * Compare the objects of a kind that the tables have.
 */
static void
compare_kind(Comparison *comparison, int kind)
{
	MlopsReplay *replay = comparison->replay;
	const char *query = psprintf("SELECT model, version, alias, subject, state FROM mlops.%s()",
								 quote_identifier(psprintf("_state_%s", replay->kinds[kind])));
	SPIPlanPtr	plan = SPI_prepare(query, 0, NULL);
	Portal		portal;

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\"", query);
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	if (portal == NULL)
		elog(ERROR, "could not run \"%s\"", query);
	for (;;)
	{
		SPITupleTable *rows;

		SPI_cursor_fetch(portal, true, BATCH);
		if (SPI_processed == 0)
			break;
		rows = SPI_tuptable;
		if (rows->tupdesc->natts != NKEYS + 1 || TupleDescAttr(rows->tupdesc, NKEYS)->atttypid != JSONBOID)
			elog(ERROR, "\"%s\" gives rows of another type", query);
		for (uint64 i = 0; i < rows->numvals; i++)
		{
			MemoryContext save = MemoryContextSwitchTo(replay->scratch);

			CHECK_FOR_INTERRUPTS();
			compare_row(comparison, kind, rows->vals[i], rows->tupdesc);
			MemoryContextSwitchTo(save);
			MemoryContextReset(replay->scratch);
		}
		SPI_freetuptable(rows);
	}
	SPI_cursor_close(portal);
}

/*
 * Compare what was replayed with the tables, reporting every difference, and
 * free the replay.  Returns the number of objects that the tables have.
 */
int64
mlops_replay_compare(MlopsReplay *replay, MlopsAuditReader *reader,
					 MlopsReplayReport report, void *arg)
{
	Comparison	comparison = {replay, reader, report, arg, 0};
	const MlopsAuditEvent *event;
	HASH_SEQ_STATUS status;
	ObjectEntry *entry;
	Oid			save_user;
	int			save_context;

	for (int n = 0; (event = mlops_audit_pending(n)) != NULL; n++)
		replay_as(replay, event, -1 - (int64) n, true);

	mlops_audit_private_begin(&save_user, &save_context);
	SPI_connect();
	for (int kind = 0; kind < replay->nkinds; kind++)
		compare_kind(&comparison, kind);
	hash_seq_init(&status, replay->objects);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		MemoryContext save;

		CHECK_FOR_INTERRUPTS();
		if (entry->found || !entry->exists || !entry->intact)
			continue;
		save = MemoryContextSwitchTo(replay->scratch);
		compare_state(&comparison, entry, NULL, (NullableDatum) {.isnull = true});
		MemoryContextSwitchTo(save);
		MemoryContextReset(replay->scratch);
	}
	SPI_finish();
	mlops_audit_private_end(save_user, save_context);
	MemoryContextDelete(replay->context);
	return comparison.nobjects;
}
