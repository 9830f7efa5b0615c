/*-------------------------------------------------------------------------
 *
 * explainer.c
 *	  The session's cache of forests that are arranged for contributions.
 *
 * Arranging a forest takes as long as explaining a few rows, so it is done once
 * per session and not once per statement.  An entry is found by the hash of the
 * artifact, from which alone it is made, so it is never stale, and versions
 * with the same file share it.  A caller holds an entry for as long as a memory
 * context of his lives; a reset callback on that context ends the hold, also
 * after an error.  When the entries need more than mlops.local_cache_size, the
 * least recently used ones that nobody holds are dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "errors.h"
#include "guc.h"
#include "scoring/explainer.h"

typedef struct Entry
{
	uint8		sha256[MLOPS_SHA256_LENGTH];	/* key */
	MlopsShap  *shap;
	MemoryContext context;
	Size		size;
	int			holds;
	uint64		last_used;
} Entry;

static HTAB *cache = NULL;
static MemoryContext cache_context = NULL;
static Size cache_size = 0;
static uint64 cache_clock = 0;

/*
 * Arrange the forest of a version, in the current memory context.  Error ML011
 * if its file does not say how many rows of training came where, or has trees
 * whose contributions are not defined.
 */
static MlopsShap *
create(const MlopsModel *model)
{
	MlopsForestError error;
	MlopsShap  *shap = mlops_shap_create(model->forest, mlops_forest_env(), &error);

	if (shap == NULL)
		ereport(ERROR,
				(errcode(error.code == MLOPS_FOREST_NO_MEMORY ? ERRCODE_OUT_OF_MEMORY :
						 ERRCODE_MLOPS_UNSUPPORTED_ARTIFACT),
				 errmsg("version %d of model \"%s\" cannot be explained", model->version, model->name),
				 errdetail("In its model file %s.", error.message),
				 error.hint[0] != '\0' ? errhint("%s", error.hint) : 0));
	return shap;
}

/*
 * Drop least recently used entries until the cache has its size or every
 * entry is held.
 */
static void
evict(void)
{
	while (cache_size > (Size) mlops_local_cache_size * 1024)
	{
		HASH_SEQ_STATUS status;
		Entry	   *entry;
		Entry	   *oldest = NULL;

		hash_seq_init(&status, cache);
		while ((entry = hash_seq_search(&status)) != NULL)
			if (entry->holds == 0 && (oldest == NULL || entry->last_used < oldest->last_used))
				oldest = entry;
		if (oldest == NULL)
			return;
		cache_size -= oldest->size;
		MemoryContextDelete(oldest->context);
		hash_search(cache, oldest->sha256, HASH_REMOVE, NULL);
	}
}

/* reset callback: the end of a hold */
static void
release(void *arg)
{
	Entry	   *entry = arg;

	Assert(entry->holds > 0);
	entry->holds--;
}

/*
 * The forest of a version, whose artifact has this hash, arranged for
 * contributions, for as long as the memory context lives.
 */
const MlopsShap *
mlops_explainer_hold(const MlopsModel *model, const uint8 *sha256, MemoryContext holder)
{
	Entry	   *entry;
	MemoryContextCallback *callback = MemoryContextAlloc(holder, sizeof(MemoryContextCallback));

	if (cache == NULL)
	{
		HASHCTL		ctl = {0};

		if (cache_context == NULL)
			cache_context = AllocSetContextCreate(TopMemoryContext, "mlops explainers",
												  ALLOCSET_DEFAULT_SIZES);
		ctl.keysize = MLOPS_SHA256_LENGTH;
		ctl.entrysize = sizeof(Entry);
		ctl.hcxt = cache_context;
		cache = hash_create("mlops explainers", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}

	entry = hash_search(cache, sha256, HASH_FIND, NULL);
	if (entry == NULL)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mlops explainer",
													  ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);
		MlopsShap  *shap = create(model);

		MemoryContextSwitchTo(old);
		entry = hash_search(cache, sha256, HASH_ENTER, NULL);
		entry->shap = shap;
		entry->context = context;
		entry->size = MemoryContextMemAllocated(context, true);
		entry->holds = 0;
		MemoryContextSetParent(context, cache_context);
		cache_size += entry->size;
	}

	entry->last_used = ++cache_clock;
	entry->holds++;
	callback->func = release;
	callback->arg = entry;
	MemoryContextRegisterResetCallback(holder, callback);

	evict();
	return entry->shap;
}
