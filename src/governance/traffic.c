/*-------------------------------------------------------------------------
 *
 * traffic.c
 *	  mlops.route(): which version is in charge of a key.
 *
 * The row of mlops.traffic and the version of the alias are read once per
 * statement, under its snapshot, and kept at the call site as a table of ready
 * references, in the order of the buckets.  Nothing is cached beyond that, and
 * no row is locked.
 *
 * The bucket of a key is a number that anybody can compute: 60 bits of a
 * SHA-256, which is the same on every platform and in every version of the
 * server.  The model and the alias are hashed with it, so that a key's luck with
 * one model says nothing about that with another.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "governance/suspension.h"
#include "registry/privilege.h"
#include "registry/table.h"
#include "registry/view.h"

PG_FUNCTION_INFO_V1(mlops_route);

#define NUM_BUCKETS		10000

/* a part of the buckets and its version */
typedef struct Share
{
	int			end;			/* the first bucket that is not in it */
	Datum		reference;
} Share;

typedef struct Site
{
	MemoryContext context;		/* of what follows; reset when it begins anew */
	MlopsView	view;
	struct varlena *reference;	/* NULL until it is resolved */
	char	   *salt;			/* what is hashed before a key, in UTF-8 */
	int			num_shares;
	Share	   *shares;			/* the last one ends at NUM_BUCKETS */
} Site;

/*
 * The shares of an alias, in the current memory context; the last one, of the
 * version of the alias, takes what is left.
 */
static void
read_shares(Site *site, const MlopsReference *reference, const MlopsResolved *resolved)
{
	MlopsTableKey key[2] = {
		{"model_id", {.value = Int64GetDatum(resolved->model_id)}},
		{"alias", {.value = CStringGetTextDatum(reference->alias)}}
	};
	MlopsTableScan scan;
	HeapTuple	tuple;
	Datum	   *versions = NULL;
	Datum	   *buckets = NULL;
	int			count = 0;
	int			end = 0;

	mlops_table_begin(&scan, "traffic", "traffic_pkey", GetActiveSnapshot(), key, 2);
	tuple = mlops_table_next(&scan);
	if (tuple != NULL)
	{
		bool		isnull;
		int			num_buckets;

		deconstruct_array(DatumGetArrayTypePCopy(mlops_table_value(&scan, tuple, "versions", &isnull)),
						  INT4OID, sizeof(int32), true, TYPALIGN_INT, &versions, NULL, &count);
		deconstruct_array(DatumGetArrayTypePCopy(mlops_table_value(&scan, tuple, "buckets", &isnull)),
						  INT4OID, sizeof(int32), true, TYPALIGN_INT, &buckets, NULL, &num_buckets);
		count = Min(count, num_buckets);
	}
	mlops_table_end(&scan);

	site->shares = palloc(mul_size(sizeof(Share), count + 1));
	for (int i = 0; i < count; i++)
	{
		end = Min(end + DatumGetInt32(buckets[i]), NUM_BUCKETS);
		site->shares[i].end = end;
		site->shares[i].reference = mlops_modelref_make(reference->model, DatumGetInt32(versions[i]));
	}
	site->shares[count].end = NUM_BUCKETS;
	site->shares[count].reference = mlops_modelref_make(reference->model, resolved->version);
	site->num_shares = count + 1;
}

/*
 * Begin anew: find out what the reference means to the present user and
 * statement.  Errors ML001 to ML003 and 42501.
 */
static void
resolve(Site *site, struct varlena *modelref)
{
	MlopsView	view = mlops_view_present();
	MlopsReference reference;
	MlopsResolved resolved;
	MemoryContext old;
	struct varlena *copy;
	bool		pushed = false;

	site->reference = NULL;
	MemoryContextReset(site->context);
	old = MemoryContextSwitchTo(site->context);
	copy = (struct varlena *) DatumGetPointer(datumCopy(PointerGetDatum(modelref), false, -1));
	mlops_modelref_split(copy, &reference);
	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	mlops_resolve(view.user, &reference, MLOPS_SCORE, &resolved);
	if (reference.version > 0 || mlops_is_suspended(resolved.model_id))
	{
		/* what a suspended model gives is the scoring functions' */
		site->shares = palloc(sizeof(Share));
		site->shares[0].end = NUM_BUCKETS;
		site->shares[0].reference = PointerGetDatum(copy);
		site->num_shares = 1;
	}
	else
		read_shares(site, &reference, &resolved);
	if (pushed)
		PopActiveSnapshot();
	if (site->num_shares > 1)
	{
		char	   *salt = psprintf("mlops/traffic/v1\n%s@%s\n", reference.model, reference.alias);

		site->salt = pg_server_to_any(salt, strlen(salt), PG_UTF8);
	}
	site->view = view;
	site->reference = copy;
	MemoryContextSwitchTo(old);
}

/*
 * The bucket of a key.
 */
static int
bucket_of(const Site *site, text *key)
{
	char	   *bytes = VARDATA_ANY(key);
	int			len = VARSIZE_ANY_EXHDR(key);
	char	   *converted = pg_server_to_any(bytes, len, PG_UTF8);
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	uint64		number = 0;

	if (converted != bytes)
		len = strlen(converted);
	if (context == NULL || pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) site->salt, strlen(site->salt)) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) converted, len) < 0 ||
		pg_cryptohash_final(context, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(context));
	pg_cryptohash_free(context);
	if (converted != bytes)
		pfree(converted);
	for (int i = 0; i < 8; i++)
		number = number << 8 | digest[i];
	return (int) ((number >> 4) % NUM_BUCKETS);
}

/*
 * SQL: route(model, key).
 */
Datum
mlops_route(PG_FUNCTION_ARGS)
{
	struct varlena *modelref = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	Site	   *site = fcinfo->flinfo->fn_extra;
	const Share *share;

	if (site == NULL)
	{
		site = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Site));
		site->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "mlops route", ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = site;
	}
	if (site->reference == NULL || !mlops_view_is_present(&site->view) ||
		VARSIZE_ANY_EXHDR(site->reference) != VARSIZE_ANY_EXHDR(modelref) ||
		memcmp(VARDATA_ANY(site->reference), VARDATA_ANY(modelref), VARSIZE_ANY_EXHDR(modelref)) != 0)
		resolve(site, modelref);

	share = site->shares;
	if (site->num_shares > 1)
	{
		int			bucket = bucket_of(site, PG_GETARG_TEXT_PP(1));

		while (bucket >= share->end)
			share++;
	}
	PG_RETURN_DATUM(datumCopy(share->reference, false, -1));
}
