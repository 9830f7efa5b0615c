/*-------------------------------------------------------------------------
 *
 * row_spill.c
 *	  Rows sorted by their hashes in little memory.
 *
 * A row goes into a sort of the server's own as bytea: its hash, the greatest
 * byte first, and then its bytes, so that the order of the bytes is that of the
 * hashes, and of the bytes where these are equal.  Beyond its memory the sort
 * keeps the rows in temporary files, which count for temp_file_limit and go with
 * the transaction, if not before.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "port/pg_bswap.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "training/row_spill.h"

struct MlopsRowSpill
{
	Tuplesortstate *sort;
	Size		row_size;
	bytea	   *row;			/* room for one, with its hash */
};

/*
 * No rows yet, of this size each, to be sorted in so much memory.
 */
MlopsRowSpill *
mlops_row_spill_create(Size row_size, int kilobytes)
{
	MlopsRowSpill *spill = palloc(sizeof(MlopsRowSpill));
	TypeCacheEntry *type = lookup_type_cache(BYTEAOID, TYPECACHE_LT_OPR);

	spill->row_size = row_size;
	spill->row = palloc(VARHDRSZ + sizeof(uint64) + row_size);
	SET_VARSIZE(spill->row, VARHDRSZ + sizeof(uint64) + row_size);
	spill->sort = tuplesort_begin_datum(BYTEAOID, type->lt_opr, InvalidOid, false,
										Max(kilobytes, 64), NULL, TUPLESORT_NONE);
	return spill;
}

/*
 * Add a row.
 */
void
mlops_row_spill_add(MlopsRowSpill *spill, uint64 hash, const void *row)
{
	hash = pg_hton64(hash);
	memcpy(VARDATA(spill->row), &hash, sizeof(hash));
	memcpy(VARDATA(spill->row) + sizeof(hash), row, spill->row_size);
	tuplesort_putdatum(spill->sort, PointerGetDatum(spill->row), false);
}

/*
 * All rows were added.
 */
void
mlops_row_spill_sort(MlopsRowSpill *spill)
{
	tuplesort_performsort(spill->sort);
}

/*
 * The next row in order; false if there are no more.
 */
bool
mlops_row_spill_next(MlopsRowSpill *spill, void *row)
{
	Datum		value;
	bool		isnull;

	if (!mlops_tuplesort_getdatum(spill->sort, &value, &isnull))
		return false;
	memcpy(row, VARDATA_ANY(DatumGetPointer(value)) + sizeof(uint64), spill->row_size);
	pfree(DatumGetPointer(value));
	return true;
}

/*
 * Give back memory and files.
 */
void
mlops_row_spill_end(MlopsRowSpill *spill)
{
	tuplesort_end(spill->sort);
	pfree(spill->row);
	pfree(spill);
}
