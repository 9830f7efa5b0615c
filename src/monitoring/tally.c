/*-------------------------------------------------------------------------
 *
 * tally.c
 *	  Counts by key, for aggregates over texts.
 *
 * A hash table in the aggregate's memory context, which frees it.  Keys are
 * bytes: two texts are one if they are so byte by byte, whatever the
 * collation, as in a deterministic one.  A key costs its bytes and some 100
 * more.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "metrics/aggregate.h"
#include "monitoring/tally.h"

#define INITIAL_SIZE		32

/* keys between two looks for a cancel */
#define CHECK_INTERVAL		4096

#define SH_PREFIX tally
#define SH_ELEMENT_TYPE MlopsTallyEntry
#define SH_KEY_TYPE MlopsTallyKey
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key).data, (key).len)
#define SH_EQUAL(tb, a, b) ((a).len == (b).len && memcmp((a).data, (b).data, (a).len) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct MlopsTally
{
	MemoryContext context;		/* of the keys, too */
	tally_hash *table;
	Size		limit;			/* of bytes */
};

/*
 * A new tally in a memory context of its own below the given one.
 */
MlopsTally *
mlops_tally_create(MemoryContext context)
{
	MlopsTally *tally = MemoryContextAlloc(context, sizeof(MlopsTally));

	tally->context = AllocSetContextCreate(context, "mlops tally", ALLOCSET_START_SMALL_SIZES);
	tally->table = tally_create(tally->context, INITIAL_SIZE, NULL);
	tally->limit = get_hash_memory_limit();
	return tally;
}

void
mlops_tally_free(MlopsTally *tally)
{
	MemoryContextDelete(tally->context);
	pfree(tally);
}

/*
 * Let it be one of so many in a query.
 */
void
mlops_tally_share(MlopsTally *tally, int count)
{
	tally->limit = get_hash_memory_limit() / count;
}

bool
mlops_tally_is_full(const MlopsTally *tally)
{
	return MemoryContextMemAllocated(tally->context, false) > tally->limit;
}

void
mlops_tally_check(const MlopsTally *tally)
{
	if (mlops_tally_is_full(tally))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %lld distinct values", (long long) tally->table->members),
				 errdetail("They take more memory than work_mem and hash_mem_multiplier allow."),
				 errhint("A column with so many values is no category: leave it out, or group its values. Otherwise raise work_mem.")));
}

/*
 * The entry of a key, made if there is none; valid until the next call.
 */
MlopsTallyEntry *
mlops_tally_at(MlopsTally *tally, const char *key, int len)
{
	MlopsTallyKey wanted = {key, len};
	bool		found;
	MlopsTallyEntry *entry = tally_insert(tally->table, wanted, &found);

	if (!found)
	{
		char	   *copy = MemoryContextAlloc(tally->context, (Size) len + 1);

		memcpy(copy, key, len);
		copy[len] = '\0';
		entry->key.data = copy;
		entry->rows[0] = entry->rows[1] = 0;
		entry->sum = (MlopsSum) {0, 0};
	}
	return entry;
}

/*
 * Add what another tally counted, which stays as it is.
 */
void
mlops_tally_merge(MlopsTally *tally, const MlopsTally *other)
{
	tally_iterator iterator;
	MlopsTallyEntry *from;
	uint64		steps = 0;

	tally_start_iterate(other->table, &iterator);
	while ((from = tally_iterate(other->table, &iterator)) != NULL)
	{
		MlopsTallyEntry *entry = mlops_tally_at(tally, from->key.data, from->key.len);

		if (++steps % CHECK_INTERVAL == 0)
			CHECK_FOR_INTERRUPTS();
		entry->rows[0] += from->rows[0];
		entry->rows[1] += from->rows[1];
		mlops_sum_merge(&entry->sum, &from->sum);
	}
}

/*
 * The number of keys.  Error 54000 beyond what an array can hold.
 */
int
mlops_tally_count(const MlopsTally *tally)
{
	if (tally->table->members > MaxAllocSize / sizeof(Datum))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %zu distinct values", MaxAllocSize / sizeof(Datum)),
				 errhint("A column with so many values is no category: leave it out, or group its values.")));
	return (int) tally->table->members;
}

static int
compare_entries(const void *a, const void *b)
{
	const MlopsTallyKey *x = &(*(MlopsTallyEntry *const *) a)->key;
	const MlopsTallyKey *y = &(*(MlopsTallyEntry *const *) b)->key;
	int			order = memcmp(x->data, y->data, Min(x->len, y->len));

	return order != 0 ? order : x->len - y->len;
}

/*
 * The entries in order.
 */
MlopsTallyEntry **
mlops_tally_sorted(const MlopsTally *tally)
{
	int			count = mlops_tally_count(tally);
	MlopsTallyEntry **entries = palloc(sizeof(MlopsTallyEntry *) * Max(count, 1));
	MlopsTallyEntry *entry;
	tally_iterator iterator;
	int			i = 0;

	tally_start_iterate(tally->table, &iterator);
	while ((entry = tally_iterate(tally->table, &iterator)) != NULL)
		entries[i++] = entry;
	qsort(entries, count, sizeof(MlopsTallyEntry *), compare_entries);
	return entries;
}

/*
 * The number of bytes that mlops_tally_send writes.
 */
Size
mlops_tally_send_size(const MlopsTally *tally)
{
	Size		size = sizeof(int64);
	MlopsTallyEntry *entry;
	tally_iterator iterator;

	tally_start_iterate(tally->table, &iterator);
	while ((entry = tally_iterate(tally->table, &iterator)) != NULL)
		size = add_size(size, sizeof(int32) + 2 * sizeof(int64) + sizeof(MlopsSum) + entry->key.len);
	return size;
}

/*
 * Write a tally; the buffer has been made large enough.
 */
void
mlops_tally_send(StringInfo buf, const MlopsTally *tally)
{
	MlopsTallyEntry *entry;
	tally_iterator iterator;

	pq_sendint64(buf, (int64) tally->table->members);
	tally_start_iterate(tally->table, &iterator);
	while ((entry = tally_iterate(tally->table, &iterator)) != NULL)
	{
		pq_sendint32(buf, entry->key.len);
		pq_sendbytes(buf, entry->key.data, entry->key.len);
		pq_sendint64(buf, entry->rows[0]);
		pq_sendint64(buf, entry->rows[1]);
		mlops_state_send_sum(buf, &entry->sum);
	}
}

/*
 * Read into a new tally.
 */
void
mlops_tally_recv(StringInfo buf, MlopsTally *tally)
{
	int64		count = mlops_state_recv_count(buf);

	for (int64 i = 0; i < count; i++)
	{
		int			len = (int) pq_getmsgint(buf, sizeof(int32));
		const char *key;
		MlopsTallyEntry *entry;

		if (i % CHECK_INTERVAL == 0)
			CHECK_FOR_INTERRUPTS();
		if (len < 0)
			mlops_state_damaged();
		key = pq_getmsgbytes(buf, len);
		entry = mlops_tally_at(tally, key, len);
		entry->rows[0] = mlops_state_recv_count(buf);
		entry->rows[1] = mlops_state_recv_count(buf);
		mlops_state_recv_sum(buf, &entry->sum);
	}
}
