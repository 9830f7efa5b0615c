/*-------------------------------------------------------------------------
 *
 * suspension.c
 *	  What a reference gives to scoring while its model may be suspended.
 *
 * A suspension is a row of mlops.suspension without an end.  It is looked for
 * twice per statement, by an index of the rows without an end: under a
 * snapshot of this moment, as privileges are, so that it counts from the next
 * statement of every session on, also in REPEATABLE READ and for a cursor that
 * was opened before; and under the active snapshot.
 *
 * If the policy names a fallback, whether it is used is decided by the active
 * snapshot alone, so that the leader and the workers of a parallel query
 * cannot decide differently, and no statement has scores of two versions.  A
 * suspension that only the snapshot of this moment shows came after the
 * statement or transaction began; then there is an error, also if there is a
 * fallback.
 *
 *		active snapshot		this moment		a reference means
 *		not suspended		not suspended	its version
 *		not suspended		suspended		error ML004
 *		suspended			either			the fallback, or error ML004
 *
 * Nothing is cached, and no row is locked.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "errors.h"
#include "governance/suspension.h"
#include "registry/table.h"

/* the present suspension of a model, in the current memory context */
typedef struct Suspension
{
	char	   *by;
	char	   *reason;
} Suspension;

/*
 * Is a model suspended as a snapshot shows it?
 */
static bool
read_suspension(int64 model_id, Snapshot snapshot, Suspension *suspension)
{
	MlopsTableKey key = {"model_id", {.value = Int64GetDatum(model_id)}};
	MlopsTableScan scan;
	HeapTuple	tuple;
	bool		isnull;

	mlops_table_begin(&scan, "suspension", "suspension_present_idx", snapshot, &key, 1);
	tuple = mlops_table_next(&scan);
	if (tuple != NULL)
	{
		suspension->by = pstrdup(NameStr(*DatumGetName(mlops_table_value(&scan, tuple, "created_by", &isnull))));
		suspension->reason = TextDatumGetCString(mlops_table_value(&scan, tuple, "reason", &isnull));
	}
	mlops_table_end(&scan);
	return tuple != NULL;
}

/*
 * The fallback that the policy of an alias names, under the active snapshot:
 * an alias, or NULL; a value, if *has_value.
 */
static char *
read_fallback(int64 model_id, const char *alias, bool *has_value, double *value)
{
	MlopsTableKey key[2] = {
		{"model_id", {.value = Int64GetDatum(model_id)}},
		{"alias", {.value = CStringGetTextDatum(alias)}}
	};
	MlopsTableScan scan;
	HeapTuple	tuple;
	char	   *result = NULL;

	*has_value = false;
	mlops_table_begin(&scan, "policy", "policy_pkey", GetActiveSnapshot(), key, 2);
	tuple = mlops_table_next(&scan);
	if (tuple != NULL)
	{
		bool		isnull;
		Datum		datum = mlops_table_value(&scan, tuple, "fallback_alias", &isnull);

		if (!isnull)
			result = TextDatumGetCString(datum);
		datum = mlops_table_value(&scan, tuple, "fallback_value", &isnull);
		if (!isnull)
		{
			*has_value = true;
			*value = DatumGetFloat8(datum);
		}
	}
	mlops_table_end(&scan);
	return result;
}

/*
 * Use the fallback of an alias, if its policy names one that can be used: then
 * *resolved is the fallback's version, or *constant set and the result true.
 * Error ML004 otherwise.
 */
static bool
fall_back(const MlopsReference *reference, MlopsUse use, const Suspension *suspension,
		  bool before_statement, MlopsResolved *resolved, double *constant)
{
	MlopsReference fallback = {reference->model};
	bool		has_value = false;
	double		value = 0.0;

	if (before_statement && reference->version == 0)
		fallback.alias = read_fallback(resolved->model_id, reference->alias, &has_value, &value);
	if (fallback.alias != NULL && mlops_look_up(&fallback, resolved))
		return false;
	if (has_value && use == MLOPS_USE_VALUE)
	{
		*constant = value;
		return true;
	}
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_SUSPENDED),
			 errmsg("model \"%s\" is suspended", reference->model),
			 errdetail("\"%s\" suspended it: %s", suspension->by, suspension->reason),
			 fallback.alias != NULL ?
			 errhint("The fallback of its policy is the alias \"%s\", which the model does not have.", fallback.alias) :
			 has_value ?
			 errhint("The fallback of its policy is a constant, which is a value for mlops.predict() only.") :
			 !before_statement ?
			 errhint("That was after this statement or transaction began.") :
			 errhint("mlops.resume() ends the suspension.")));
	return false;				/* keep compiler quiet */
}

/*
 * The version that a reference gives to a user who needs a privilege on its
 * model, for a use: as mlops_resolve(), but for the suspension of the model.
 * If the result is true, there is no version but *constant.  Errors ML001 to
 * ML004 and 42501.
 */
bool
mlops_serve(Oid user, const MlopsReference *reference, int privilege, MlopsUse use,
			MlopsResolved *resolved, double *constant)
{
	Suspension	suspension;
	bool		pushed = false;
	bool		before;
	bool		now = false;
	bool		result = false;

	mlops_resolve(user, reference, privilege, resolved);
	/* what a version says can be explained for ever */
	if (use == MLOPS_USE_EXPLAIN && reference->version > 0)
		return false;

	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	before = read_suspension(resolved->model_id, GetActiveSnapshot(), &suspension);
	if (!before)
	{
		PushActiveSnapshot(GetCatalogSnapshot(InvalidOid));
		now = read_suspension(resolved->model_id, GetActiveSnapshot(), &suspension);
		PopActiveSnapshot();
	}
	if (before || now)
		result = fall_back(reference, use, &suspension, before, resolved, constant);
	if (pushed)
		PopActiveSnapshot();
	return result;
}
