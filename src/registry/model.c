/*-------------------------------------------------------------------------
 *
 * model.c
 *	  The session's cache of versions that are ready to score.
 *
 * An entry is a version with its signature and classes, in a memory context of
 * its own, and a forest: in shared memory if there is a shared cache with room
 * (shared_cache.c), else in that context, too.  Its key is the row of
 * mlops.version and the hash of the artifact, which never change, so an entry
 * is never stale.
 *
 * A caller holds an entry for as long as a memory context of his lives; a
 * reset callback on that context ends the hold, also after an error.  The
 * shared copy is pinned while the entry is held, and no longer: so an idle
 * session keeps nothing from being removed there, and looks for the copy again
 * at its next statement.
 *
 * When the entries need more memory of the session than
 * mlops.local_cache_size, the least recently used ones that nobody holds are
 * dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <fenv.h>
#include <float.h>

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "errors.h"
#include "guc.h"
#include "mlops.h"
#include "registry/golden.h"
#include "registry/model.h"
#include "registry/privilege.h"
#include "registry/shared_cache.h"
#include "registry/table.h"
#include "shared.h"

PG_FUNCTION_INFO_V1(mlops_check_signature);
PG_FUNCTION_INFO_V1(mlops_preload);
PG_FUNCTION_INFO_V1(mlops_stat_cache);

typedef struct CacheEntry
{
	MlopsVersionKey key;
	MlopsModel *model;
	MemoryContext context;
	Size		size;			/* of the context */
	MlopsPin   *pin;
	bool		shared;			/* the forest is what the pin holds, while held */
	int			holds;
	uint64		last_used;
	int64		hits;
	TimestampTz last_used_at;
} CacheEntry;

static HTAB *cache = NULL;
static MemoryContext cache_context = NULL;
static Size cache_size = 0;
static uint64 cache_clock = 0;

/*
 * What identifies a version among all of the cluster.
 */
MlopsVersionKey
mlops_version_key(const MlopsResolved *resolved)
{
	MlopsVersionKey key;

	key.version_id = resolved->version_id;
	key.database = MyDatabaseId;
	key.table = resolved->table;
	memcpy(key.sha256, resolved->sha256, MLOPS_SHA256_LENGTH);
	return key;
}

/*
 * Read a version from its table, into the current memory context, and check
 * its artifact and its golden rows.
 */
static void
read_version(const MlopsResolved *resolved, MlopsImage *image)
{
	MemoryContext keep = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(keep, "mlops model load", ALLOCSET_DEFAULT_SIZES);
	MlopsTableKey key = {"id", {.value = Int64GetDatum(resolved->version_id)}};
	MlopsTableScan scan;
	HeapTuple	tuple;
	MlopsForest *forest;
	MlopsForest *copy;
	Datum		datum;
	bool		isnull;
	bool		pushed = !ActiveSnapshotSet();

	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	mlops_table_begin(&scan, "version", "version_pkey", GetActiveSnapshot(), &key, 1);
	tuple = mlops_table_next(&scan);
	if (tuple == NULL)
		elog(ERROR, "could not read version " INT64_FORMAT, resolved->version_id);

	image->name = pstrdup(resolved->name);
	image->version = resolved->version;
	image->signature = DatumGetJsonbPCopy(mlops_table_value(&scan, tuple, "signature", &isnull));
	datum = mlops_table_value(&scan, tuple, "classes", &isnull);
	image->classes = isnull ? NULL : DatumGetArrayTypePCopy(datum);
	datum = mlops_table_value(&scan, tuple, "missing", &isnull);
	image->missing = isnull ? get_float8_nan() : DatumGetFloat8(datum);
	datum = mlops_table_value(&scan, tuple, "calibration", &isnull);
	image->calibration = isnull ? NULL : DatumGetJsonbPCopy(datum);

	/* what reading needs besides the forest goes with its context */
	MemoryContextSwitchTo(scratch);
	forest = mlops_artifact_read(mlops_table_value(&scan, tuple, "artifact", &isnull), resolved->sha256);
	mlops_golden_check(resolved->version_id, resolved->name, resolved->version, forest, image->calibration);
	copy = MemoryContextAllocHuge(keep, mlops_forest_size(forest));
	memcpy(copy, forest, mlops_forest_size(forest));
	image->forest = copy;
	MemoryContextSwitchTo(keep);
	MemoryContextDelete(scratch);
	mlops_table_end(&scan);
	if (pushed)
		PopActiveSnapshot();
}

/* the forest of a model is here from now on */
static void
use_forest(MlopsModel *model, const MlopsForest *forest)
{
	model->forest = forest;
	mlops_forest_info(forest, &model->info);
}

/*
 * The version that an image describes, in the current memory context, all but
 * the forest copied.
 */
static MlopsModel *
build_model(const MlopsImage *image)
{
	MlopsModel *model = palloc0(sizeof(MlopsModel));

	use_forest(model, image->forest);
	model->name = pstrdup(image->name);
	model->version = image->version;
	model->signature = mlops_signature_from_jsonb(unconstify(Jsonb *, image->signature));
	model->missing = image->missing;
	if (image->calibration != NULL)
		model->calibration = mlops_calibration_from_jsonb(image->calibration);
	if (image->classes != NULL)
	{
		Datum	   *classes;

		deconstruct_array(unconstify(ArrayType *, image->classes), TEXTOID, -1, false,
						  TYPALIGN_INT, &classes, NULL, &model->num_classes);
		model->classes = palloc(sizeof(char *) * model->num_classes);
		for (int i = 0; i < model->num_classes; i++)
			model->classes[i] = TextDatumGetCString(classes[i]);
	}

	if (model->signature->num_features != model->info.num_features)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("signature of version %d of model \"%s\" does not fit its model file",
						model->version, model->name)));
	model->used = palloc(mul_size(sizeof(bool), Max(model->info.num_features, 1)));
	for (int i = 0; i < model->info.num_features; i++)
		model->used[i] = mlops_forest_feature_used(model->forest, i);
	return model;
}

/* drop an entry that nobody holds */
static void
drop(CacheEntry *entry)
{
	Assert(entry->holds == 0);
	cache_size -= entry->size;
	MemoryContextDelete(entry->context);
	hash_search(cache, &entry->key, HASH_REMOVE, NULL);
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
		drop(oldest);
	}
}

/* reset callback: the end of a hold */
static void
release(void *arg)
{
	CacheEntry *entry = arg;

	Assert(entry->holds > 0);
	if (--entry->holds == 0)
		mlops_unpin(entry->pin);
}

/* the session's entry of a version, or NULL */
static CacheEntry *
find_entry(const MlopsVersionKey *key)
{
	if (cache == NULL)
	{
		HASHCTL		ctl = {0};

		if (cache_context == NULL)
			cache_context = AllocSetContextCreate(TopMemoryContext, "mlops models",
												  ALLOCSET_DEFAULT_SIZES);
		ctl.keysize = sizeof(MlopsVersionKey);
		ctl.entrysize = sizeof(CacheEntry);
		ctl.hcxt = cache_context;
		cache = hash_create("mlops models", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	return hash_search(cache, key, HASH_FIND, NULL);
}

/*
 * A new entry, from the shared copy if there is one, else from the table; then
 * a copy is shared if it can be.  Its pin holds what it has found or shared.
 */
static CacheEntry *
make_entry(const MlopsResolved *resolved, const MlopsVersionKey *key)
{
	/* the child of a context that an error resets, until the entry is whole */
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mlops model",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext load = NULL;
	MemoryContext old = MemoryContextSwitchTo(context);
	MlopsPin   *pin = mlops_pin_create(context);
	MlopsImage	image;
	bool		shared = mlops_pin(pin, key, &image);
	MlopsModel *model;
	CacheEntry *entry;

	if (!shared)
	{
		load = AllocSetContextCreate(context, "mlops model of table", ALLOCSET_SMALL_SIZES);
		MemoryContextSwitchTo(load);
		read_version(resolved, &image);
		shared = mlops_pin_share(pin, key, &image);
		MemoryContextSwitchTo(context);
	}
	model = build_model(&image);
	if (shared && load != NULL)
		MemoryContextDelete(load);
	MemoryContextSwitchTo(old);

	entry = hash_search(cache, key, HASH_ENTER, NULL);
	entry->model = model;
	entry->context = context;
	entry->size = MemoryContextMemAllocated(context, true);
	entry->pin = pin;
	entry->shared = shared;
	entry->holds = 0;
	entry->hits = 0;
	MemoryContextSetParent(context, cache_context);
	cache_size += entry->size;
	return entry;
}

/*
 * The session's entry of a version, whose forest is there.  Whoever gets it
 * holds it at once, because only the end of a hold ends the pin.
 */
static CacheEntry *
get_entry(const MlopsResolved *resolved)
{
	MlopsVersionKey key = mlops_version_key(resolved);
	CacheEntry *entry = find_entry(&key);

	if (entry != NULL && entry->shared && entry->holds == 0)
	{
		MlopsImage	image;

		if (mlops_pin(entry->pin, &key, &image))
			use_forest(entry->model, image.forest);
		else
		{
			/* the shared copy has gone */
			drop(entry);
			entry = NULL;
		}
	}
	if (entry == NULL)
		entry = make_entry(resolved, &key);
	else
		entry->hits++;
	entry->last_used = ++cache_clock;
	entry->last_used_at = GetCurrentStatementStartTimestamp();
	return entry;
}

/*
 * The session's entry of a version, ready to score, for as long as the memory
 * context lives.
 */
static CacheEntry *
hold(const MlopsResolved *resolved, MemoryContext holder)
{
	MemoryContextCallback *callback = MemoryContextAlloc(holder, sizeof(MemoryContextCallback));
	CacheEntry *entry = get_entry(resolved);

	entry->holds++;
	callback->func = release;
	callback->arg = entry;
	MemoryContextRegisterResetCallback(holder, callback);

	evict();
	return entry;
}

/*
 * Error if this process computes otherwise than the library that trained the
 * model: a library that is loaded can change that for the whole process, and
 * one that was linked with -ffast-math does.
 */
void
mlops_check_arithmetic(void)
{
	volatile float smallest = FLT_MIN;
	volatile float subnormal = smallest / 2;

	if (subnormal * 2 != smallest || fegetround() != FE_TONEAREST)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("floating-point arithmetic of this session is not that of IEEE 754"),
				 errdetail("Scores could differ from those of the library that trained the model: subnormal numbers count as zero, or results are not rounded to the nearest."),
				 errhint("A library that this session has loaded was linked with -ffast-math or has changed the rounding.")));
}

/*
 * The version that was resolved, ready to score, for as long as the memory
 * context lives.
 */
const MlopsModel *
mlops_model_hold(const MlopsResolved *resolved, MemoryContext holder)
{
	mlops_check_arithmetic();
	return hold(resolved, holder)->model;
}

/*
 * What is known of a version without reading its artifact: false if neither
 * this session nor the shared cache has it.  The strings of *info are not set.
 */
bool
mlops_model_peek(const MlopsResolved *resolved, MlopsForestInfo *info)
{
	MlopsVersionKey key = mlops_version_key(resolved);
	CacheEntry *entry = find_entry(&key);

	if (entry == NULL)
		return mlops_shared_cache_info(&key, info);
	*info = entry->model->info;
	info->objective = info->booster = NULL;
	return true;
}

/*
 * SQL: bring a version into the shared cache.  The result is the size of its
 * copy there in bytes; NULL, and a notice that says why, if there is none.
 */
Datum
mlops_preload(PG_FUNCTION_ARGS)
{
	MlopsReference reference;
	MlopsResolved resolved;
	MlopsVersionKey key;
	CacheEntry *entry;

	mlops_modelref_split(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)), &reference);
	mlops_resolve(GetUserId(), &reference, MLOPS_SCORE, &resolved);
	key = mlops_version_key(&resolved);

	/* what was kept in the session for want of room is tried once more */
	entry = find_entry(&key);
	if (entry != NULL && !entry->shared && entry->holds == 0)
		drop(entry);

	entry = hold(&resolved, CurrentMemoryContext);
	if (!entry->shared)
	{
		ereport(NOTICE,
				(errmsg("version %d of model \"%s\" was read, but not into a shared cache",
						resolved.version, resolved.name),
				 !mlops_shared_attach() ?
				 errdetail("There is none: mlops is not in shared_preload_libraries.") :
				 mlops_shared_cache_size == 0 ?
				 errdetail("It is off: mlops.shared_cache_size is 0.") :
				 errdetail("There is no room for it beside what is in use: mlops.shared_cache_size, or the shared memory of the system, is too small.")));
		PG_RETURN_NULL();
	}
	PG_RETURN_INT64((int64) mlops_pin_size(entry->pin));
}

/*
 * May the present user see which model this is?  One of another database can
 * only be seen with pg_read_all_stats.
 */
bool
mlops_may_see(const MlopsVersionKey *key, const char *name)
{
	bool		exists;

	if (has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
		return true;
	return key->database == MyDatabaseId && key->table == mlops_version_table() &&
		(mlops_privileges(GetUserId(), name, &exists) & MLOPS_ANY) != 0;
}

/*
 * One row of stat_cache.
 */
static void
put_cached(ReturnSetInfo *rsinfo, const char *place, const MlopsCached *cached)
{
	Datum		values[9] = {0};
	bool		nulls[9] = {false};
	char	   *database = get_database_name(cached->key.database);

	nulls[0] = database == NULL;
	if (database != NULL)
		values[0] = DirectFunctionCall1(namein, CStringGetDatum(database));
	nulls[1] = nulls[2] = !mlops_may_see(&cached->key, cached->name);
	if (!nulls[1])
	{
		values[1] = CStringGetTextDatum(cached->name);
		values[2] = Int32GetDatum(cached->version);
	}
	values[3] = CStringGetTextDatum(place);
	values[4] = Int64GetDatum((int64) cached->size);
	values[5] = Int32GetDatum(cached->pins);
	values[6] = Int64GetDatum(cached->hits);
	values[7] = Int64GetDatum(cached->loads);
	values[8] = TimestampTzGetDatum(cached->last_used);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * SQL: the copies of the shared cache, and those of this session's own memory.
 */
Datum
mlops_stat_cache(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MlopsCached *list;
	int			count;
	HASH_SEQ_STATUS status;
	CacheEntry *entry;

	InitMaterializedSRF(fcinfo, 0);
	list = mlops_shared_cache_list(&count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		put_cached(rsinfo, "shared", &list[i]);
	}

	/* copied first, because a look-up in a catalogue can end in an error */
	count = 0;
	list = cache == NULL ? NULL : palloc0(mul_size(sizeof(MlopsCached), hash_get_num_entries(cache) + 1));
	if (cache != NULL)
	{
		hash_seq_init(&status, cache);
		while ((entry = hash_seq_search(&status)) != NULL)
		{
			if (entry->shared)
				continue;
			list[count].key = entry->key;
			strlcpy(list[count].name, entry->model->name, sizeof(list[count].name));
			list[count].version = entry->model->version;
			list[count].size = entry->size;
			list[count].pins = entry->holds > 0;
			list[count].hits = entry->hits;
			list[count].loads = 1;
			list[count].last_used = entry->last_used_at;
			count++;
		}
	}
	for (int i = 0; i < count; i++)
		put_cached(rsinfo, "local", &list[i]);
	return (Datum) 0;
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
