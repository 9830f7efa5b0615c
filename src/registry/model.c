/*-------------------------------------------------------------------------
 *
 * model.c
 *	  The session's cache of versions that are ready to score.
 *
 * An entry is a version with its forest, signature and classes, in a memory
 * context of its own.  Its key is the row of mlops.version and the hash of
 * the artifact, which never change, so an entry is never stale.  A caller
 * holds an entry for as long as a memory context of his lives; a reset
 * callback on that context ends the hold, also after an error.  When the
 * entries need more than mlops.local_cache_size, the least recently used ones
 * that nobody holds are dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "errors.h"
#include "guc.h"
#include "mlops.h"
#include "registry/model.h"
#include "registry/privilege.h"

PG_FUNCTION_INFO_V1(mlops_check_signature);

typedef struct CacheKey
{
	int64		version_id;
	Oid			table;
	uint8		sha256[MLOPS_SHA256_LENGTH];
	uint32		zero;			/* no padding that a hash would see */
} CacheKey;

typedef struct CacheEntry
{
	CacheKey	key;
	MlopsModel *model;
	MemoryContext context;
	Size		size;
	int			holds;
	uint64		last_used;
} CacheEntry;

StaticAssertDecl(sizeof(CacheKey) == 48, "a cache key has no padding");

static HTAB *cache = NULL;
static MemoryContext cache_context = NULL;
static Size cache_size = 0;
static uint64 cache_clock = 0;

/*
 * Read a version into the current memory context, which is to keep it.
 */
static MlopsModel *
load(const MlopsResolved *resolved)
{
	MemoryContext keep = CurrentMemoryContext;
	MlopsModel *model = palloc0(sizeof(MlopsModel));
	MlopsForest *forest;
	MemoryContext scratch;
	Oid			save_user;
	int			save_context;
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum(resolved->version_id)};
	HeapTuple	tuple;
	TupleDesc	desc;
	Datum		datum;
	bool		isnull;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(mlops_owner(), save_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute_with_args("SELECT m.name, v.version, v.artifact, v.signature, v.classes"
							  " FROM mlops.version v JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) v.model_id"
							  " WHERE v.id OPERATOR(pg_catalog.=) $1",
							  1, types, values, NULL, true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not read version " INT64_FORMAT, resolved->version_id);
	tuple = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;

	/* the forest is built in SPI's context and copied: what reading needs goes */
	scratch = AllocSetContextCreate(CurrentMemoryContext, "mlops model load",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	forest = mlops_artifact_read(SPI_getbinval(tuple, desc, 3, &isnull), resolved->sha256);
	model->forest = MemoryContextAllocHuge(keep, mlops_forest_size(forest));
	memcpy(model->forest, forest, mlops_forest_size(forest));

	MemoryContextSwitchTo(keep);
	MemoryContextDelete(scratch);
	mlops_forest_info(model->forest, &model->info);
	model->name = TextDatumGetCString(SPI_getbinval(tuple, desc, 1, &isnull));
	model->version = DatumGetInt32(SPI_getbinval(tuple, desc, 2, &isnull));
	model->signature = mlops_signature_from_jsonb(DatumGetJsonbP(SPI_getbinval(tuple, desc, 4, &isnull)));
	datum = SPI_getbinval(tuple, desc, 5, &isnull);
	if (!isnull)
	{
		Datum	   *classes;

		deconstruct_array(DatumGetArrayTypeP(datum), TEXTOID, -1, false, TYPALIGN_INT,
						  &classes, NULL, &model->num_classes);
		model->classes = palloc(sizeof(char *) * model->num_classes);
		for (int i = 0; i < model->num_classes; i++)
			model->classes[i] = TextDatumGetCString(classes[i]);
	}
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
	MemoryContextSwitchTo(keep);

	if (model->signature->num_features != model->info.num_features)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("signature of version %d of model \"%s\" does not fit its model file",
						model->version, model->name)));
	return model;
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
		CacheEntry *entry;
		CacheEntry *oldest = NULL;

		hash_seq_init(&status, cache);
		while ((entry = hash_seq_search(&status)) != NULL)
			if (entry->holds == 0 && (oldest == NULL || entry->last_used < oldest->last_used))
				oldest = entry;
		if (oldest == NULL)
			return;
		cache_size -= oldest->size;
		MemoryContextDelete(oldest->context);
		hash_search(cache, &oldest->key, HASH_REMOVE, NULL);
	}
}

/* reset callback: the end of a hold */
static void
release(void *arg)
{
	CacheEntry *entry = arg;

	Assert(entry->holds > 0);
	entry->holds--;
}

/*
 * The version that was resolved, ready to score, for as long as the memory
 * context lives.
 */
const MlopsModel *
mlops_model_hold(const MlopsResolved *resolved, MemoryContext holder)
{
	CacheKey	key;
	CacheEntry *entry;
	MemoryContextCallback *callback = MemoryContextAlloc(holder, sizeof(MemoryContextCallback));

	if (cache == NULL)
	{
		HASHCTL		ctl = {0};

		if (cache_context == NULL)
			cache_context = AllocSetContextCreate(TopMemoryContext, "mlops models",
												  ALLOCSET_DEFAULT_SIZES);
		ctl.keysize = sizeof(CacheKey);
		ctl.entrysize = sizeof(CacheEntry);
		ctl.hcxt = cache_context;
		cache = hash_create("mlops models", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}

	memset(&key, 0, sizeof(key));
	key.version_id = resolved->version_id;
	key.table = resolved->table;
	memcpy(key.sha256, resolved->sha256, MLOPS_SHA256_LENGTH);

	entry = hash_search(cache, &key, HASH_FIND, NULL);
	if (entry == NULL)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mlops model",
													  ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);
		MlopsModel *model = load(resolved);

		MemoryContextSwitchTo(old);
		entry = hash_search(cache, &key, HASH_ENTER, NULL);
		entry->model = model;
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
	return entry->model;
}

/*
 * The categories of a feature as the file names them.  Error if it does not.
 */
static MlopsDictionary *
categories_of_file(const MlopsForest *forest, int feature, const char *name)
{
	MlopsDictionary *categories = mlops_dictionary_create();
	int			count = mlops_forest_num_categories(forest, feature);

	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model file has no texts for the categories of feature \"%s\"", name),
				 errhint("Give a signature in which this feature has the kind categorical and its categories in the order of their codes, or the kind numeric if its column holds the codes.")));
	for (int code = 0; code < count; code++)
	{
		const char *text = mlops_forest_category(forest, feature, code);

		text = pg_any_to_server(text, strlen(text), PG_UTF8);
		if (mlops_dictionary_add(categories, text, strlen(text)) != code)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_INVALID_ARTIFACT),
					 errmsg("model file names category \"%s\" of feature \"%s\" twice", text, name)));
	}
	return categories;
}

/*
 * The signature that the file itself has, in the current memory context.
 * Error if it lacks names or the texts of categories.
 */
static MlopsSignature *
signature_of_file(const MlopsForest *forest, const MlopsForestInfo *info)
{
	MlopsSignature *signature = palloc0(sizeof(MlopsSignature));

	if (!info->has_feature_names)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model file has no feature names"),
				 errhint("Give a signature: an array of %d objects such as {\"name\": \"age\", \"kind\": \"numeric\"}, in the order of training.",
						 info->num_features)));
	signature->num_features = info->num_features;
	signature->features = palloc0(mul_size(sizeof(MlopsFeature), Max(info->num_features, 1)));
	for (int i = 0; i < info->num_features; i++)
	{
		MlopsFeature *feature = &signature->features[i];

		feature->name = pstrdup(mlops_forest_feature_name(forest, i));
		feature->name = pg_any_to_server(feature->name, strlen(feature->name), PG_UTF8);
		feature->kind = MLOPS_KIND_NUMERIC;
		if (mlops_forest_feature_kind(forest, i) == MLOPS_FEATURE_CATEGORICAL)
		{
			feature->kind = MLOPS_KIND_CATEGORICAL;
			feature->categories = categories_of_file(forest, i, feature->name);
		}
	}
	return signature;
}

/*
 * SQL, private: the canonical signature of an artifact, from the given one or
 * from the file.  Error 22023 if the given one does not fit the file.
 */
Datum
mlops_check_signature(PG_FUNCTION_ARGS)
{
	MlopsArtifact *artifact;
	MlopsForest *forest;
	MlopsForestInfo info;
	MlopsSignature *signature;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	artifact = (MlopsArtifact *) PG_DETOAST_DATUM(PG_GETARG_DATUM(1));
	forest = mlops_artifact_read(PointerGetDatum(artifact), artifact->sha256);
	mlops_forest_info(forest, &info);

	if (PG_ARGISNULL(0))
		signature = signature_of_file(forest, &info);
	else
		signature = mlops_signature_from_jsonb(PG_GETARG_JSONB_P(0));

	if (signature->num_features != info.num_features)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("signature has %d features, the model file has %d",
						signature->num_features, info.num_features)));
	for (int i = 0; i < info.num_features; i++)
		if (signature->features[i].kind == MLOPS_KIND_CATEGORICAL &&
			mlops_forest_feature_used(forest, i) &&
			mlops_forest_feature_kind(forest, i) != MLOPS_FEATURE_CATEGORICAL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("feature \"%s\" is categorical in the signature and numeric in the model file",
							signature->features[i].name)));
	PG_RETURN_JSONB_P(mlops_signature_to_jsonb(signature));
}
