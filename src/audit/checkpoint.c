/*-------------------------------------------------------------------------
 *
 * checkpoint.c
 *	  Checkpoints of the audit log: what of it leaves the database.
 *
 * A checkpoint is a text in the form of C2SP tlog-checkpoint,
 *
 *		origin, a slash, the log's id, a slash, the incarnation
 *		number of events
 *		root of the Merkle tree over their hashes, in base64
 *
 * each with a line feed at its end: the part of a signed note that is signed.
 * It is signed outside of the database, whose administrators could sign
 * anything with a key in here.  A note that comes back for a verification may
 * have its signatures, after an empty line; they are checked outside, too.
 *
 * The tree of a checkpoint goes on from that of the one before, of which its
 * right edge is kept, so that only the events since then are read.  What is
 * kept is trusted for nothing else: the verifier computes everything anew.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/base64.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "audit/audit.h"
#include "audit/checkpoint.h"
#include "audit/reader.h"
#include "guc.h"

PG_FUNCTION_INFO_V1(mlops_checkpoint);

/* the root in base64 */
#define ROOT_LENGTH		44
#define UUID_TEXT_LENGTH	36

/*
 * Check the setting mlops.checkpoint_origin, the first part of the origin, by
 * what the form allows.
 */
bool
mlops_check_checkpoint_origin(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] == '\0')
	{
		GUC_check_errdetail("The origin of checkpoints cannot be empty.");
		return false;
	}
	for (const char *c = *newval; *c != '\0'; c++)
		if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 0x7F || *c == '+')
		{
			GUC_check_errdetail("The origin of checkpoints consists of printable ASCII characters without blanks and plus signs.");
			return false;
		}
	return true;
}

/*
 * SQL: the checkpoint of the log as the active snapshot shows it, and its
 * parts; NULL for an empty log.  The tree goes on from a given one, if its
 * right edge has the root that it is said to have.
 */
Datum
mlops_checkpoint(PG_FUNCTION_ARGS)
{
	MlopsAuditReader reader;
	MlopsAuditEvent event;
	MlopsMerkle tree;
	MemoryContext scratch;
	SysScanDesc scan;
	TupleDesc	tupdesc;
	pg_uuid_t	log_id = {{0}};
	int32		incarnation = 0;
	int64		from = 0;
	uint8		root[MLOPS_HASH_SIZE];
	char		base64[ROOT_LENGTH + 1];
	char	   *text;
	Datum		values[6];
	bool		isnull[6] = {false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	mlops_merkle_open(&tree);
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1) && !PG_ARGISNULL(2) && PG_GETARG_INT64(0) > 0)
	{
		bytea	   *known = PG_GETARG_BYTEA_PP(1);

		from = PG_GETARG_INT64(0);
		if (!mlops_merkle_continue(&tree, from, PG_GETARG_BYTEA_PP(2)))
			from = 0;
		else
		{
			mlops_merkle_root(&tree, root);
			if (VARSIZE_ANY_EXHDR(known) != MLOPS_HASH_SIZE ||
				memcmp(VARDATA_ANY(known), root, MLOPS_HASH_SIZE) != 0)
				tree.size = from = 0;
		}
	}

	/* the last event that is known already says whose log it is */
	mlops_audit_reader_open(&reader);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "mlops checkpoint",
									ALLOCSET_DEFAULT_SIZES);
	scan = mlops_audit_scan(&reader, from);
	while (mlops_audit_next(&reader, scan, ForwardScanDirection, &event))
	{
		MemoryContext save = MemoryContextSwitchTo(scratch);
		int64		seq = mlops_audit_seq(&event);
		uint8		hash[MLOPS_HASH_SIZE];

		CHECK_FOR_INTERRUPTS();
		if ((seq != from || from == 0) && seq != (int64) tree.size + 1)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("the audit log has no event " INT64_FORMAT, (int64) tree.size + 1),
					 errhint("See what mlops.verify_audit() reports.")));
		if (!mlops_audit_get_hash(&event, AUDIT_HASH, hash) ||
			event.isnull[AUDIT_LOG_ID] || event.isnull[AUDIT_INCARNATION])
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("event " INT64_FORMAT " of the audit log has no hash, log id or incarnation", seq),
					 errhint("See what mlops.verify_audit() reports.")));
		if (seq > (int64) tree.size)
			mlops_merkle_add(&tree, hash);
		log_id = *DatumGetUUIDP(event.values[AUDIT_LOG_ID]);
		incarnation = DatumGetInt32(event.values[AUDIT_INCARNATION]);
		MemoryContextSwitchTo(save);
		MemoryContextReset(scratch);
	}
	mlops_audit_scan_end(scan);
	MemoryContextDelete(scratch);
	mlops_audit_reader_close(&reader);
	if (incarnation == 0)
	{
		if (tree.size > 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("the audit log ends before event " INT64_FORMAT, (int64) tree.size),
					 errhint("See what mlops.verify_audit() reports.")));
		mlops_merkle_close(&tree);
		PG_RETURN_NULL();
	}

	mlops_merkle_root(&tree, root);
	if (pg_b64_encode((const void *) root, MLOPS_HASH_SIZE, base64, ROOT_LENGTH) != ROOT_LENGTH)
		elog(ERROR, "could not encode a hash in base64");
	base64[ROOT_LENGTH] = '\0';
	text = psprintf("%s/%s/%d\n" INT64_FORMAT "\n%s\n", mlops_checkpoint_origin,
					DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&log_id))),
					incarnation, (int64) tree.size, base64);
	values[0] = CStringGetTextDatum(text);
	values[1] = UUIDPGetDatum(&log_id);
	values[2] = Int32GetDatum(incarnation);
	values[3] = Int64GetDatum((int64) tree.size);
	values[4] = mlops_audit_hash_datum(root);
	values[5] = PointerGetDatum(mlops_merkle_edge(&tree));
	mlops_merkle_close(&tree);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, isnull)));
}

/*
 * The next line of a note: its beginning, with *length; NULL if no line feed
 * follows.
 */
static const char *
next_line(const char **position, int *length)
{
	const char *line = *position;
	const char *end = strchr(line, '\n');

	if (end == NULL)
		return NULL;
	*length = (int) (end - line);
	*position = end + 1;
	return line;
}

/*
 * A positive decimal number without leading zeros, up to the end of a line;
 * -1 if it is not one.
 */
static int64
read_number(const char *digits, const char *end)
{
	int64		value = 0;

	if (digits == end || *digits == '0')
		return -1;
	for (; digits < end; digits++)
	{
		if (*digits < '0' || *digits > '9' ||
			value > (PG_INT64_MAX - (*digits - '0')) / 10)
			return -1;
		value = value * 10 + (*digits - '0');
	}
	return value;
}

/*
 * Read one note.  False if it is not a checkpoint.
 */
static bool
parse_note(const char *note, MlopsCheckpoint *checkpoint)
{
	const char *position = note;
	const char *line;
	const char *slash;
	char		uuid[UUID_TEXT_LENGTH + 1];
	char		root[ROOT_LENGTH];
	int			length;
	int64		number;

	line = next_line(&position, &length);
	if (line == NULL)
		return false;
	for (slash = line + length; slash > line && slash[-1] != '/'; slash--)
		;
	number = read_number(slash, line + length);
	if (number < 1 || number > PG_INT32_MAX || slash - line < UUID_TEXT_LENGTH + 3 ||
		slash[-2 - UUID_TEXT_LENGTH] != '/')
		return false;
	checkpoint->incarnation = (int32) number;
	memcpy(uuid, slash - 1 - UUID_TEXT_LENGTH, UUID_TEXT_LENGTH);
	uuid[UUID_TEXT_LENGTH] = '\0';
	for (int i = 0; i < UUID_TEXT_LENGTH; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? uuid[i] != '-' : strchr("0123456789abcdef", uuid[i]) == NULL)
			return false;
	}
	checkpoint->log_id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(uuid)));

	line = next_line(&position, &length);
	if (line == NULL)
		return false;
	checkpoint->size = read_number(line, line + length);
	if (checkpoint->size < 1)
		return false;

	line = next_line(&position, &length);
	if (line == NULL || length != ROOT_LENGTH)
		return false;
	memcpy(root, line, ROOT_LENGTH);
	return pg_b64_decode(root, ROOT_LENGTH, (void *) checkpoint->root,
						 MLOPS_HASH_SIZE) == MLOPS_HASH_SIZE;
}

/* order of checkpoints: by their sizes */
static int
compare_sizes(const void *a, const void *b)
{
	int64		left = ((const MlopsCheckpoint *) a)->size;
	int64		right = ((const MlopsCheckpoint *) b)->size;

	return left < right ? -1 : left > right;
}

/*
 * Read the checkpoints in an array of texts, palloc'd in the order of their
 * sizes, with *number.  Error if one is not a checkpoint.
 */
MlopsCheckpoint *
mlops_checkpoint_parse(ArrayType *notes, int *number)
{
	MlopsCheckpoint *result;
	Datum	   *elements;
	bool	   *isnull;
	int			n;

	deconstruct_array(notes, TEXTOID, -1, false, TYPALIGN_INT, &elements, &isnull, &n);
	result = palloc0(mul_size(Max(n, 1), sizeof(MlopsCheckpoint)));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (isnull[i] || !parse_note(TextDatumGetCString(elements[i]), &result[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("element %d of checkpoints is not a checkpoint of an audit log", i + 1),
					 errdetail("It has three lines, each with a line feed at its end: the origin, which ends in the id of the log and its incarnation, the number of events, and the root in base64."),
					 errhint("Give what mlops.audit_checkpoint() returned, with or without signatures.")));
	}
	qsort(result, n, sizeof(MlopsCheckpoint), compare_sizes);
	*number = n;
	return result;
}
