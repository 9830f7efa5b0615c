/*-------------------------------------------------------------------------
 *
 * resolve.c
 *	  From a reference to the version that it means.
 *
 * Aliases, and the policies of a model, are read from their tables under the
 * active snapshot, once per statement.  Nothing is cached between statements, so nothing can be stale:
 * a promotion or another policy counts from the next statement on, a
 * transaction in REPEATABLE READ keeps what its snapshot shows, all parallel
 * workers of a query have their leader's snapshot and so its version, and a
 * standby sees what it has replayed.  It costs three index look-ups.
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
#include "registry/table.h"

PG_FUNCTION_INFO_V1(mlops_resolve_sql);

/* the words of policies, by their enums; the table allows no other */
static const char *const column_policies[] = {"error", "null", NULL};
static const char *const category_policies[] = {"missing", "error", "other", NULL};

/*
 * The number of the word that a policy's column has.
 */
static int
policy_of(const MlopsTableScan *scan, HeapTuple tuple, const char *column, const char *const *words)
{
	bool		isnull;
	Datum		value = mlops_table_value(scan, tuple, column, &isnull);
	char	   *word = isnull ? "" : TextDatumGetCString(value);
	int			number = 0;

	while (words[number] != NULL && strcmp(words[number], word) != 0)
		number++;
	if (words[number] == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("stored policy \"%s\" of a model is damaged", column)));
	return number;
}

/*
 * The id of a model and its policy; false if there is none of that name.
 */
static bool
find_model(const char *name, Datum *id, MlopsScoringPolicy *policy)
{
	MlopsTableKey key = {"name", {.value = CStringGetTextDatum(name)}};
	MlopsTableScan scan;
	HeapTuple	tuple;
	bool		isnull;

	mlops_table_begin(&scan, "model", "model_name_key", GetActiveSnapshot(), &key, 1);
	tuple = mlops_table_next(&scan);
	if (tuple != NULL)
	{
		*id = Int64GetDatum(DatumGetInt64(mlops_table_value(&scan, tuple, "id", &isnull)));
		policy->missing_columns = policy_of(&scan, tuple, "missing_columns", column_policies);
		policy->unseen_categories = policy_of(&scan, tuple, "unseen_categories", category_policies);
	}
	mlops_table_end(&scan);
	return tuple != NULL;
}

/*
 * The id of the version that an alias points to; false if there is no such
 * alias.
 */
static bool
find_alias(const MlopsTableKey *keys, Datum *id)
{
	MlopsTableScan scan;
	HeapTuple	tuple;
	bool		isnull;

	mlops_table_begin(&scan, "alias", "alias_pkey", GetActiveSnapshot(), keys, 2);
	tuple = mlops_table_next(&scan);
	if (tuple != NULL)
		*id = Int64GetDatum(DatumGetInt64(mlops_table_value(&scan, tuple, "version_id", &isnull)));
	mlops_table_end(&scan);
	return tuple != NULL;
}

/*
 * The OID of mlops.version, which tells one installation of the extension from
 * another in the same database; invalid if there is none.
 */
Oid
mlops_version_table(void)
{
	return get_relname_relid("version", get_namespace_oid(MLOPS_SCHEMA, true));
}

/*
 * Look a version up by its number, or through an alias, under the active
 * snapshot.  False if there is no such model, or the model does not have it.
 * Privileges are not looked at.
 */
bool
mlops_look_up(const MlopsReference *reference, MlopsResolved *resolved)
{
	MlopsTableKey key[2] = {{"model_id"}};
	MlopsTableScan scan;
	HeapTuple	tuple;
	bool		isnull;

	if (!find_model(reference->model, &key[0].value.value, &resolved->policy))
		return false;
	if (reference->version == 0)
	{
		MlopsTableKey id[1] = {{"id"}};

		key[1].column = "alias";
		key[1].value.value = CStringGetTextDatum(reference->alias);
		if (!find_alias(key, &id[0].value.value))
			return false;
		mlops_table_begin(&scan, "version", "version_pkey", GetActiveSnapshot(), id, 1);
	}
	else
	{
		key[1].column = "version";
		key[1].value.value = Int32GetDatum(reference->version);
		mlops_table_begin(&scan, "version", "version_model_id_version_key", GetActiveSnapshot(), key, 2);
	}

	tuple = mlops_table_next(&scan);
	if (tuple != NULL)
	{
		bytea	   *sha256 = DatumGetByteaPP(mlops_table_value(&scan, tuple, "artifact_sha256", &isnull));

		if (VARSIZE_ANY_EXHDR(sha256) != MLOPS_SHA256_LENGTH)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("stored hash of a model file is damaged")));
		memcpy(resolved->sha256, VARDATA_ANY(sha256), MLOPS_SHA256_LENGTH);
		resolved->name = reference->model;
		resolved->table = RelationGetRelid(scan.relation);
		resolved->model_id = DatumGetInt64(key[0].value.value);
		resolved->version_id = DatumGetInt64(mlops_table_value(&scan, tuple, "id", &isnull));
		resolved->version = DatumGetInt32(mlops_table_value(&scan, tuple, "version", &isnull));
	}
	mlops_table_end(&scan);
	return tuple != NULL;
}

/*
 * One line about the versions and aliases of a model, in the current context.
 */
static char *
what_exists(const char *model)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(model)};
	Oid			save_user;
	int			save_context;
	char	   *line;
	MemoryContext old;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(mlops_owner(), save_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
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
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
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
	bool		pushed = false;
	char	   *exists = NULL;

	mlops_require(user, reference->model, privilege);

	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	if (!mlops_look_up(reference, resolved))
		exists = what_exists(reference->model);
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
