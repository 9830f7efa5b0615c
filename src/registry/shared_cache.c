/*-------------------------------------------------------------------------
 *
 * shared_cache.c
 *	  Versions that are ready to score, one copy for all sessions.
 *
 * A copy is one chunk of the shared bulk area: the flat forest, and next to it
 * the signature, the classes and the calibration as the table has them, so that a session which
 * finds a copy reads nothing else.  A hash table finds it by the row of
 * mlops.version and the hash of the artifact.  These never change, so a copy
 * is never stale and there is no invalidation: what DROP EXTENSION, DROP
 * DATABASE or a transaction that rolls back leave behind is not found by
 * anybody, and ages out.  A copy is made only of what this session has itself
 * read from the table and validated; it does not change after it can be found.
 *
 * Pins.  A copy stays as long as somebody has pinned it.  To pin: find the
 * entry under the lock of its partition, count, release the lock.  An entry
 * is removed only under that lock held exclusively, and only with a count of
 * 0; so a pinned entry does not move or go, and to unpin is to count down,
 * without any lock.  A pin belongs to a memory context, whose reset ends it;
 * that covers errors.  The end of the process ends all of its pins in a
 * before_shmem_exit callback, before the transaction is rolled back: nothing
 * scores from then on.  A process that is killed takes the cluster's shared
 * memory with it, as always.
 *
 * Adding.  One process at a time, under the bulk lock, looks again whether the
 * copy is there (then its own work was for nothing), removes the least
 * recently used copies that nobody has pinned until there is room, and adds.
 * So there is never a second copy.  When there is no room the session keeps
 * its own copy in its own memory: model.c.
 *
 * The limit, mlops.shared_cache_size, counts the bytes of the copies, and
 * limits the area's segments too, which are somewhat larger.  A change of the
 * setting counts from the next attempt to add.
 *
 * Locks: the bulk lock, then a partition of the table.  Nothing is allocated
 * from a memory context, and no error is raised, with a partition locked,
 * except by the table itself, for which mlops_shared_try() is there.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "guc.h"
#include "registry/shared_cache.h"
#include "shared.h"

#define CHUNK_MAGIC		0x4d4c4331	/* "MLC1" */

/* a forest is read in whole cache lines */
#define CHUNK_ALIGN(offset)	TYPEALIGN(PG_CACHE_LINE_SIZE, (offset))

/* the begin of a chunk; offsets are from there */
typedef struct Chunk
{
	uint32		magic;
	int32		version;
	uint64		size;
	uint64		forest;
	uint64		forest_size;
	uint64		signature;
	uint64		classes;		/* 0 if there are none */
	uint64		calibration;	/* 0 if there is none */
	double		missing;
	char		name[MLOPS_NAME_MAX + 1];
} Chunk;

/* an entry of the table; all but the atomics never changes */
typedef struct Entry
{
	MlopsVersionKey key;
	dsa_pointer chunk;
	uint64		size;
	int32		version;
	pg_atomic_uint32 pins;
	pg_atomic_uint64 last_used; /* TimestampTz */
	pg_atomic_uint64 hits;
	pg_atomic_uint64 loads;		/* reads of the table for this copy */
	char		name[MLOPS_NAME_MAX + 1];
} Entry;

struct MlopsPin
{
	Entry	   *entry;			/* NULL if it holds nothing */
	const Chunk *chunk;
	dlist_node	node;			/* of the pins that hold something */
	MemoryContextCallback callback;
};

/* what an attempt to add needs and leaves */
typedef struct Attempt
{
	MlopsPin   *pin;
	const MlopsVersionKey *key;
	const MlopsImage *image;
	uint64		size;
	dsa_pointer chunk;			/* allocated, not yet found by others */
} Attempt;

static int	table = -1;
static dlist_head pins = DLIST_STATIC_INIT(pins);

/*
 * Ask for the table, while the postmaster loads the library.
 */
void
mlops_shared_cache_init(void)
{
	table = mlops_shared_add_table(sizeof(MlopsVersionKey), sizeof(Entry));
}

/*
 * Give a pin back, if it holds something.
 */
void
mlops_unpin(MlopsPin *pin)
{
	Entry	   *entry = pin->entry;

	if (entry == NULL)
		return;
	pin->entry = NULL;
	pin->chunk = NULL;
	dlist_delete(&pin->node);
	pg_atomic_fetch_sub_u32(&entry->pins, 1);
}

/* reset callback of a pin's memory context */
static void
unpin_at_reset(void *arg)
{
	mlops_unpin(arg);
}

/* before_shmem_exit callback */
static void
unpin_all(int code, Datum arg)
{
	while (!dlist_is_empty(&pins))
		mlops_unpin(dlist_head_element(MlopsPin, node, &pins));
}

/*
 * A pin that holds nothing yet, in a memory context whose reset ends it.
 */
MlopsPin *
mlops_pin_create(MemoryContext context)
{
	MlopsPin   *pin = MemoryContextAllocZero(context, sizeof(MlopsPin));

	pin->callback.func = unpin_at_reset;
	pin->callback.arg = pin;
	MemoryContextRegisterResetCallback(context, &pin->callback);
	return pin;
}

/* is there a shared cache? */
static bool
available(void)
{
	static bool registered = false;

	if (!mlops_shared_attach())
		return false;
	if (!registered)
	{
		before_shmem_exit(unpin_all, (Datum) 0);
		registered = true;
	}
	return true;
}

/*
 * Let a pin hold an entry, whose partition is locked; unlock it.
 */
static void
hold(MlopsPin *pin, Entry *entry)
{
	pg_atomic_fetch_add_u32(&entry->pins, 1);
	pin->entry = entry;
	dlist_push_head(&pins, &pin->node);
	dshash_release_lock(mlops_shared_table(table), entry);
	pg_atomic_write_u64(&entry->last_used, (uint64) GetCurrentStatementStartTimestamp());
}

/*
 * What a pin holds, as pointers into the shared copy.  What does not look like
 * one is an error: then memory was overwritten.
 */
static void
open_chunk(MlopsPin *pin, MlopsImage *image)
{
	Entry	   *entry = pin->entry;
	const Chunk *chunk = dsa_get_address(mlops_shared_bulk(), entry->chunk);

	if (chunk->magic != CHUNK_MAGIC || chunk->size != entry->size ||
		chunk->forest_size > chunk->size || chunk->forest > chunk->size - chunk->forest_size ||
		!mlops_forest_valid((const char *) chunk + chunk->forest, chunk->forest_size))
	{
		mlops_unpin(pin);
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("shared copy of a model is damaged"),
				 errdetail("Something has overwritten shared memory of the server."),
				 errhint("Restart the server.")));
	}
	pin->chunk = chunk;
	image->name = chunk->name;
	image->version = chunk->version;
	image->forest = (const MlopsForest *) ((const char *) chunk + chunk->forest);
	image->signature = (const Jsonb *) ((const char *) chunk + chunk->signature);
	image->classes = chunk->classes == 0 ? NULL :
		(const ArrayType *) ((const char *) chunk + chunk->classes);
	image->missing = chunk->missing;
	image->calibration = chunk->calibration == 0 ? NULL :
		(const Jsonb *) ((const char *) chunk + chunk->calibration);
}

/*
 * Find and pin the shared copy of a version; false if there is none.
 */
static bool
find(MlopsPin *pin, const MlopsVersionKey *key, MlopsImage *image)
{
	Entry	   *entry;

	mlops_unpin(pin);
	if (mlops_shared_cache_size == 0 || !available())
		return false;
	entry = dshash_find(mlops_shared_table(table), key, false);
	if (entry == NULL)
		return false;
	hold(pin, entry);
	open_chunk(pin, image);
	return true;
}

/*
 * Find and pin the shared copy of a version, to score with it; false if there
 * is none.  What *image then points to is valid until the pin ends.
 */
bool
mlops_pin(MlopsPin *pin, const MlopsVersionKey *key, MlopsImage *image)
{
	if (!find(pin, key, image))
		return false;
	pg_atomic_fetch_add_u64(&pin->entry->hits, 1);
	return true;
}

/*
 * What is known of a version that has a shared copy; false if it has none.
 * The strings of *info are not set.
 */
bool
mlops_shared_cache_info(const MlopsVersionKey *key, MlopsForestInfo *info)
{
	MlopsPin   *pin = mlops_pin_create(CurrentMemoryContext);
	MlopsImage	image;

	if (!find(pin, key, &image))
		return false;
	mlops_forest_info(image.forest, info);
	mlops_unpin(pin);
	info->objective = info->booster = NULL;
	return true;
}

/*
 * Remove the least recently used copy that nobody has pinned, if the copies
 * and another one of this size exceed the limit, or if force says so.  False
 * if that is not enough or there is nothing to remove.
 */
static bool
remove_oldest(uint64 size, bool force, bool *fits)
{
	dsa_area   *area = mlops_shared_bulk();
	dshash_table *entries = mlops_shared_table(table);
	uint64		limit = (uint64) mlops_shared_cache_size * 1024;
	uint64		total = 0;
	uint64		pinned = 0;
	uint64		oldest = PG_UINT64_MAX;
	MlopsVersionKey victim;
	dshash_seq_status status;
	Entry	   *entry;

	dshash_seq_init(&status, entries, false);
	while ((entry = dshash_seq_next(&status)) != NULL)
	{
		uint64		last_used = pg_atomic_read_u64(&entry->last_used);

		total += entry->size;
		if (pg_atomic_read_u32(&entry->pins) > 0)
			pinned += entry->size;
		else if (last_used < oldest)
		{
			oldest = last_used;
			victim = entry->key;
		}
	}
	dshash_seq_term(&status);

	*fits = total + size <= limit;
	if (*fits && !force)
		return false;
	if (oldest == PG_UINT64_MAX || (size > 0 && pinned + size > limit))
		return false;

	entry = dshash_find(entries, &victim, true);
	if (entry == NULL)
		return true;
	if (pg_atomic_read_u32(&entry->pins) > 0)
		dshash_release_lock(entries, entry);
	else
	{
		dsa_pointer chunk = entry->chunk;

		dshash_delete_entry(entries, entry);
		dsa_free(area, chunk);
	}
	return true;
}

/*
 * Make room for a copy and allocate it.  False if there is none: then what
 * exceeds a limit that was made smaller has been removed as far as it could.
 */
static bool
allocate(Attempt *attempt)
{
	dsa_area   *area = mlops_shared_bulk();
	bool		fits;

	dsa_set_size_limit(area, (Size) mlops_shared_cache_size * 1024);
	for (;;)
	{
		while (remove_oldest(attempt->size, false, &fits))
			;
		if (!fits)
			break;
		attempt->chunk = dsa_allocate_extended(area, attempt->size,
											   DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
		if (DsaPointerIsValid(attempt->chunk))
			return true;
		/* segments are larger than what is in them */
		if (!remove_oldest(attempt->size, true, &fits))
			return false;
	}
	while (remove_oldest(0, false, &fits))
		;
	return false;
}

/*
 * Write a copy.
 */
static void
fill(Chunk *chunk, const MlopsImage *image, uint64 size)
{
	Size		forest_size = mlops_forest_size(image->forest);

	chunk->magic = CHUNK_MAGIC;
	chunk->version = image->version;
	chunk->size = size;
	chunk->forest = CHUNK_ALIGN(sizeof(Chunk));
	chunk->forest_size = forest_size;
	chunk->signature = MAXALIGN(chunk->forest + forest_size);
	chunk->classes = image->classes == NULL ? 0 :
		MAXALIGN(chunk->signature + VARSIZE(image->signature));
	chunk->calibration = image->calibration == NULL ? 0 :
		size - MAXALIGN(VARSIZE(image->calibration));
	chunk->missing = image->missing;
	strlcpy(chunk->name, image->name, sizeof(chunk->name));
	memcpy((char *) chunk + chunk->forest, image->forest, forest_size);
	memcpy((char *) chunk + chunk->signature, image->signature, VARSIZE(image->signature));
	if (image->classes != NULL)
		memcpy((char *) chunk + chunk->classes, image->classes, VARSIZE(image->classes));
	if (image->calibration != NULL)
		memcpy((char *) chunk + chunk->calibration, image->calibration, VARSIZE(image->calibration));
}

/*
 * Add a copy and pin it, or pin the one that somebody has added meanwhile.
 */
static void
add(void *arg)
{
	Attempt    *attempt = arg;
	dshash_table *entries = mlops_shared_table(table);
	LWLock	   *lock = mlops_shared_bulk_lock();
	Entry	   *entry;
	bool		found;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	entry = mlops_shared_cache_size == 0 ? NULL : dshash_find(entries, attempt->key, false);
	if (entry != NULL)
	{
		hold(attempt->pin, entry);
		pg_atomic_fetch_add_u64(&entry->loads, 1);
	}
	else if (allocate(attempt))
	{
		fill(dsa_get_address(mlops_shared_bulk(), attempt->chunk), attempt->image, attempt->size);
		entry = dshash_find_or_insert(entries, attempt->key, &found);
		Assert(!found);
		entry->chunk = attempt->chunk;
		entry->size = attempt->size;
		entry->version = attempt->image->version;
		pg_atomic_init_u32(&entry->pins, 0);
		pg_atomic_init_u64(&entry->last_used, 0);
		pg_atomic_init_u64(&entry->hits, 0);
		pg_atomic_init_u64(&entry->loads, 1);
		strlcpy(entry->name, attempt->image->name, sizeof(entry->name));
		attempt->chunk = InvalidDsaPointer;
		hold(attempt->pin, entry);
	}
	LWLockRelease(lock);
}

/*
 * Share a version that this session has read: afterwards there is exactly one
 * copy, which is pinned, and *image points into it.  False if there is no
 * shared cache or no room; then *image stays as it is.
 */
bool
mlops_pin_share(MlopsPin *pin, const MlopsVersionKey *key, MlopsImage *image)
{
	static bool warned = false;
	Attempt		attempt = {.pin = pin,.key = key,.image = image,.chunk = InvalidDsaPointer};

	mlops_unpin(pin);
	if (!available())
		return false;

	attempt.size = add_size(CHUNK_ALIGN(sizeof(Chunk)), MAXALIGN(mlops_forest_size(image->forest)));
	attempt.size = add_size(attempt.size, MAXALIGN(VARSIZE(image->signature)));
	if (image->classes != NULL)
		attempt.size = add_size(attempt.size, MAXALIGN(VARSIZE(image->classes)));
	if (image->calibration != NULL)
		attempt.size = add_size(attempt.size, MAXALIGN(VARSIZE(image->calibration)));

	if (!mlops_shared_try(add, &attempt))
	{
		if (DsaPointerIsValid(attempt.chunk))
			dsa_free(mlops_shared_bulk(), attempt.chunk);
		if (!warned)
			ereport(LOG,
					(errmsg("could not get shared memory for version %d of model \"%s\"",
							image->version, image->name),
					 errhint("The system has less of it than mlops.shared_cache_size allows: enlarge /dev/shm, or lower the setting.")));
		warned = true;
	}
	if (pin->entry == NULL)
		return false;
	open_chunk(pin, image);
	return true;
}

/*
 * The size of the copy that a pin holds, in bytes; 0 if it holds none.
 */
Size
mlops_pin_size(const MlopsPin *pin)
{
	return pin->entry == NULL ? 0 : pin->entry->size;
}

/*
 * The shared copies, in the current memory context.
 */
MlopsCached *
mlops_shared_cache_list(int *count)
{
	MlopsCached *list;
	dshash_seq_status status;
	Entry	   *entry;
	int			allocated = 0;

	*count = 0;
	if (!available())
		return NULL;

	/* counted first, because nothing may be allocated while one looks */
	dshash_seq_init(&status, mlops_shared_table(table), false);
	while (dshash_seq_next(&status) != NULL)
		allocated++;
	dshash_seq_term(&status);

	list = palloc_extended(mul_size(sizeof(MlopsCached), Max(allocated, 1)), MCXT_ALLOC_HUGE);
	dshash_seq_init(&status, mlops_shared_table(table), false);
	while ((entry = dshash_seq_next(&status)) != NULL && *count < allocated)
	{
		MlopsCached *cached = &list[(*count)++];

		cached->key = entry->key;
		strlcpy(cached->name, entry->name, sizeof(cached->name));
		cached->version = entry->version;
		cached->size = entry->size;
		cached->pins = (int) pg_atomic_read_u32(&entry->pins);
		cached->hits = (int64) pg_atomic_read_u64(&entry->hits);
		cached->loads = (int64) pg_atomic_read_u64(&entry->loads);
		cached->last_used = (TimestampTz) pg_atomic_read_u64(&entry->last_used);
	}
	dshash_seq_term(&status);
	return list;
}
