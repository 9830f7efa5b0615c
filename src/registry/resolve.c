/*-------------------------------------------------------------------------
 *
 * resolve.c
 *	  From a reference to the version that it means.
 *
 * Aliases are read from their table under the active snapshot, once per
 * statement.  Nothing is cached between statements, so nothing can be stale:
 * a promotion counts from the next statement on, a transaction in REPEATABLE
 * READ keeps the version that its snapshot shows, all parallel workers of a
 * query have their leader's snapshot and so its version, and a standby sees
 * what it has replayed.  It costs two index look-ups.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "caller.h"
#include "errors.h"
#include "mlops.h"
#include "registry/model.h"
#include "registry/privilege.h"

PG_FUNCTION_INFO_V1(mlops_resolve_sql);

/*
 * Look a version up by its number, or through an alias.  False if the model
 * does not have it.
 */
static bool
look_up(const MlopsReference *reference, MlopsResolved *resolved)
{
	static SPIPlanPtr plans[2] = {NULL, NULL};
	bool		by_alias = reference->version == 0;
	Datum		values[2];
	HeapTuple	tuple;
	TupleDesc	desc;
	bytea	   *sha256;
	bool		isnull;

	if (plans[by_alias] == NULL)
	{
		Oid			types[2] = {TEXTOID, by_alias ? TEXTOID : INT4OID};
		SPIPlanPtr	plan = SPI_prepare(by_alias ?
									   "SELECT v.id, v.version, v.artifact_sha256 FROM mlops.model m"
									   " JOIN mlops.alias a ON a.model_id OPERATOR(pg_catalog.=) m.id"
									   " JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) a.version_id"
									   " WHERE m.name OPERATOR(pg_catalog.=) $1"
									   " AND a.alias OPERATOR(pg_catalog.=) $2" :
									   "SELECT v.id, v.version, v.artifact_sha256 FROM mlops.model m"
									   " JOIN mlops.version v ON v.model_id OPERATOR(pg_catalog.=) m.id"
									   " WHERE m.name OPERATOR(pg_catalog.=) $1"
									   " AND v.version OPERATOR(pg_catalog.=) $2",
									   2, types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare the query of a reference");
		plans[by_alias] = plan;
	}

	values[0] = CStringGetTextDatum(reference->model);
	values[1] = by_alias ? CStringGetTextDatum(reference->alias) :
		Int32GetDatum(reference->version);
	if (SPI_execute_plan(plans[by_alias], values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look up a reference");
	if (SPI_processed == 0)
		return false;

	tuple = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	resolved->table = get_relname_relid("version", get_namespace_oid(MLOPS_SCHEMA, false));
	resolved->version_id = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
	resolved->version = DatumGetInt32(SPI_getbinval(tuple, desc, 2, &isnull));
	sha256 = DatumGetByteaPP(SPI_getbinval(tuple, desc, 3, &isnull));
	if (VARSIZE_ANY_EXHDR(sha256) != MLOPS_SHA256_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("stored hash of a model file is damaged")));
	memcpy(resolved->sha256, VARDATA_ANY(sha256), MLOPS_SHA256_LENGTH);
	return true;
}

/*
 * One line about the versions and aliases of a model, in a given context.
 */
static char *
what_exists(const char *model, MemoryContext context)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(model)};
	char	   *line;
	MemoryContext old;

	if (SPI_execute_with_args("SELECT m.last_version, (SELECT pg_catalog.string_agg("
							  "pg_catalog.format('%s (version %s)', a.alias, v.version), ', ' ORDER BY a.alias)"
							  " FROM mlops.alias a JOIN mlops.version v ON v.id OPERATOR(pg_catalog.=) a.version_id"
							  " WHERE a.model_id OPERATOR(pg_catalog.=) m.id)"
							  " FROM mlops.model m WHERE m.name OPERATOR(pg_catalog.=) $1",
							  1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not list the versions of a model");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_UNDEFINED_MODEL),
				 errmsg("model \"%s\" does not exist", model),
				 errdetail("It was created after the snapshot of this transaction.")));
	old = MemoryContextSwitchTo(context);
	{
		char	   *last = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		char	   *aliases = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);

		line = psprintf("Versions: %s%s. Aliases: %s.", strcmp(last, "0") == 0 ? "" : "1 to ",
						strcmp(last, "0") == 0 ? "none" : last, aliases ? aliases : "none");
	}
	MemoryContextSwitchTo(old);
	return line;
}

/*
 * The version that a reference means under the active snapshot, for a user
 * who needs a privilege on its model.  Errors ML001 to ML003 and 42501.
 */
void
mlops_resolve(Oid user, const MlopsReference *reference, int privilege,
			  MlopsResolved *resolved)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			save_user;
	int			save_context;
	bool		pushed = false;
	char	   *exists = NULL;

	mlops_require(user, reference->model, privilege);

	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(mlops_owner(), save_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (!look_up(reference, resolved))
		exists = what_exists(reference->model, context);
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
	if (pushed)
		PopActiveSnapshot();

	if (exists == NULL)
		return;
	if (reference->version > 0)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_UNDEFINED_VERSION),
				 errmsg("model \"%s\" has no version %d", reference->model, reference->version),
				 errdetail("%s", exists)));
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_UNDEFINED_ALIAS),
			 errmsg("model \"%s\" has no alias \"%s\"", reference->model, reference->alias),
			 errdetail("%s", exists),
			 errhint("Name a version, such as \"%s/1\", or promote one with mlops.promote().",
					 reference->model)));
}

/*
 * SQL, private: the row of mlops.version that a reference means for the
 * caller, who needs the named privilege.
 */
Datum
mlops_resolve_sql(PG_FUNCTION_ARGS)
{
	MlopsReference reference;
	MlopsResolved resolved;

	mlops_modelref_split(PG_GETARG_TEXT_PP(0), &reference);
	mlops_resolve(mlops_caller(), &reference,
				  mlops_privilege_bits(text_to_cstring(PG_GETARG_TEXT_PP(1))), &resolved);
	PG_RETURN_INT64(resolved.version_id);
}
