/*-------------------------------------------------------------------------
 *
 * table.c
 *	  Rows of the registry's tables by an index, without a query.
 *
 * Every scoring statement looks up a few rows, and in a new session the
 * parsing and planning of queries for them would take longer than all the
 * rest.  So they are fetched as PostgreSQL fetches rows of its catalogues.
 * Tables, indexes and columns are found by name.  Privileges of SQL do not
 * count here: whoever calls has checked the ones of mlops.
 *
 * A table stays locked until the end of the transaction, as by a query.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "mlops.h"
#include "registry/table.h"

/* the OID of a relation of ours */
static Oid
relation_oid(const char *name)
{
	Oid			oid = get_relname_relid(name, get_namespace_oid(MLOPS_SCHEMA, false));

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation %s.%s is missing from this installation of mlops",
						MLOPS_SCHEMA, name),
				 errhint("It was renamed or dropped, or the library and the extension's objects are of different versions.")));
	return oid;
}

/* the number of a column of ours */
static AttrNumber
column_number(Relation relation, const char *column)
{
	int			number = SPI_fnumber(RelationGetDescr(relation), column);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation %s.%s is missing from this installation of mlops",
						column, MLOPS_SCHEMA, RelationGetRelationName(relation)),
				 errhint("The library and the extension's objects are of different versions: run ALTER EXTENSION mlops UPDATE.")));
	return (AttrNumber) number;
}

/* the function behind = of a type that we look up by */
static RegProcedure
equality(Oid type)
{
	switch (type)
	{
		case INT4OID:
			return F_INT4EQ;
		case INT8OID:
			return F_INT8EQ;
		case TEXTOID:
			return F_TEXTEQ;
		default:
			elog(ERROR, "no look-up by type %u", type);
			return InvalidOid;	/* keep compiler quiet */
	}
}

/*
 * Begin to read the rows that a snapshot shows and that have these keys, the
 * first columns of an index.
 */
void
mlops_table_begin(MlopsTableScan *scan, const char *table, const char *index,
				  Snapshot snapshot, const MlopsTableKey *keys, int num_keys)
{
	ScanKeyData scan_keys[MLOPS_TABLE_MAX_KEYS];

	Assert(num_keys <= MLOPS_TABLE_MAX_KEYS);
	scan->relation = table_open(relation_oid(table), AccessShareLock);
	for (int i = 0; i < num_keys; i++)
	{
		AttrNumber	number = column_number(scan->relation, keys[i].column);
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(scan->relation), number - 1);

		/* not ScanKeyInit(), which is for the collation of catalogues */
		if (keys[i].value.isnull)
			ScanKeyEntryInitialize(&scan_keys[i], SK_ISNULL | SK_SEARCHNULL, number,
								   InvalidStrategy, InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
		else
			ScanKeyEntryInitialize(&scan_keys[i], 0, number, BTEqualStrategyNumber, InvalidOid,
								   attribute->attcollation, equality(attribute->atttypid),
								   keys[i].value.value);
	}
	scan->scan = systable_beginscan(scan->relation, relation_oid(index), true, snapshot,
									num_keys, scan_keys);
}

/*
 * The next row, or NULL; valid until the one after it.
 */
HeapTuple
mlops_table_next(MlopsTableScan *scan)
{
	return systable_getnext(scan->scan);
}

void
mlops_table_end(MlopsTableScan *scan)
{
	systable_endscan(scan->scan);
	table_close(scan->relation, NoLock);
}

/*
 * The value of a column in the present row; what is stored elsewhere is not
 * fetched.
 */
Datum
mlops_table_value(const MlopsTableScan *scan, HeapTuple tuple, const char *column, bool *isnull)
{
	return heap_getattr(tuple, column_number(scan->relation, column),
						RelationGetDescr(scan->relation), isnull);
}
