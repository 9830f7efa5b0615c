/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  Reading the table of events in the order of their numbers.
 *
 * The table is read by its primary key and not by a query, so that no rule,
 * policy or trigger can show the reader something else than what is stored.
 * The snapshot is the active one, which has to stay while a scan is open.
 *
 * The table and its index stay locked in AccessShareLock until the end of the
 * transaction, as by a query.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit/audit.h"
#include "audit/reader.h"
#include "mlops.h"

/*
 * Open the table.  Error if it has no usable primary key.
 */
void
mlops_audit_reader_open(MlopsAuditReader *reader)
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
void
mlops_audit_reader_close(MlopsAuditReader *reader)
{
	index_close(reader->index, NoLock);
	table_close(reader->table, NoLock);
}

/*
 * Begin to read the events from a number on, or all of them if that is 1 or
 * less, so that numbers below 1 are seen.
 */
SysScanDesc
mlops_audit_scan(MlopsAuditReader *reader, int64 from_seq)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(from_seq));
	return systable_beginscan_ordered(reader->table, reader->index, GetActiveSnapshot(),
									  from_seq > 1 ? 1 : 0, &key);
}

/*
 * The next event of a scan, which points into the page until the one after it
 * is read; false at the end.
 */
bool
mlops_audit_next(MlopsAuditReader *reader, SysScanDesc scan, ScanDirection direction,
				 MlopsAuditEvent *event)
{
	HeapTuple	tuple = systable_getnext_ordered(scan, direction);

	if (!HeapTupleIsValid(tuple))
		return false;
	heap_deform_tuple(tuple, RelationGetDescr(reader->table), reader->values, reader->isnull);
	mlops_audit_from_columns(&reader->map, reader->values, reader->isnull, event);
	return true;
}

/*
 * End a scan.
 */
void
mlops_audit_scan_end(SysScanDesc scan)
{
	systable_endscan_ordered(scan);
}

/*
 * The number of an event; 0 if it has none.
 */
int64
mlops_audit_seq(const MlopsAuditEvent *event)
{
	return event->isnull[AUDIT_SEQ] ? 0 : DatumGetInt64(event->values[AUDIT_SEQ]);
}
