/*-------------------------------------------------------------------------
 *
 * privilege.c
 *	  Who may do what with which model.
 *
 * Privileges are rows of mlops.privilege.  The owner has every privilege but
 * approve, because who makes a version shall not be the one who approves it;
 * manage brings read and score with it; superusers have all.  A role has what
 * the roles have of which it is a member and whose rights it inherits, as
 * with any GRANT.
 *
 * They are read under a snapshot of this moment, not under that of the
 * transaction: a privilege that was revoked is gone from the next statement
 * on, in REPEATABLE READ too, as it is with PostgreSQL's own.  The snapshot is
 * one for catalogues, because GetLatestSnapshot() cannot be used while a
 * parallel query runs; asked for no relation in particular it is a new one.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "caller.h"
#include "errors.h"
#include "mlops.h"
#include "registry/privilege.h"
#include "registry/table.h"

PG_FUNCTION_INFO_V1(mlops_has_privilege_sql);
PG_FUNCTION_INFO_V1(mlops_require_sql);
PG_FUNCTION_INFO_V1(mlops_caller_has_sql);

/* words and what each of them brings with it */
static const struct
{
	const char *word;
	int			bit;
	int			brings;
}			words[] =
{
	{"own", MLOPS_OWN, MLOPS_OWN | MLOPS_MANAGE | MLOPS_READ | MLOPS_SCORE},
	{"manage", MLOPS_MANAGE, MLOPS_MANAGE | MLOPS_READ | MLOPS_SCORE},
	{"approve", MLOPS_APPROVE, MLOPS_APPROVE},
	{"read", MLOPS_READ, MLOPS_READ},
	{"score", MLOPS_SCORE, MLOPS_SCORE},
	{"any", MLOPS_ANY, 0}
};

/*
 * The owner of the extension's objects.
 */
Oid
mlops_owner(void)
{
	Oid			schema = get_namespace_oid(MLOPS_SCHEMA, false);
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for namespace %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * The bits that a user has by the rows of one model, or by those of all models
 * if isnull.
 */
static int
read_grants(Oid user, Snapshot snapshot, Datum model_id, bool isnull)
{
	MlopsTableKey key = {"model_id", {.value = model_id,.isnull = isnull}};
	MlopsTableScan scan;
	HeapTuple	tuple;
	int			result = 0;

	mlops_table_begin(&scan, "privilege", "privilege_key", snapshot, &key, 1);
	while ((tuple = mlops_table_next(&scan)) != NULL)
	{
		bool		null;
		Oid			role = DatumGetObjectId(mlops_table_value(&scan, tuple, "role", &null));
		char	   *word;

		if (OidIsValid(role) && !has_privs_of_role(user, role))
			continue;
		word = TextDatumGetCString(mlops_table_value(&scan, tuple, "privilege", &null));
		for (int i = 0; i < (int) lengthof(words); i++)
			if (strcmp(word, words[i].word) == 0)
				result |= words[i].brings;
	}
	mlops_table_end(&scan);
	return result;
}

/*
 * The privileges of a user on a model, as bits.  *exists says whether there is
 * such a model.
 */
int
mlops_privileges(Oid user, const char *model, bool *exists)
{
	MlopsTableKey key = {"name", {.value = CStringGetTextDatum(model)}};
	MlopsTableScan scan;
	HeapTuple	tuple;
	Snapshot	snapshot;
	Datum		model_id = (Datum) 0;
	bool		isnull;
	int			result = 0;

	PushActiveSnapshot(GetCatalogSnapshot(InvalidOid));
	snapshot = GetActiveSnapshot();
	mlops_table_begin(&scan, "model", "model_name_key", snapshot, &key, 1);
	tuple = mlops_table_next(&scan);
	*exists = tuple != NULL;
	if (*exists)
		model_id = mlops_table_value(&scan, tuple, "id", &isnull);
	mlops_table_end(&scan);

	if (*exists && superuser_arg(user))
		result = MLOPS_ANY;
	else if (*exists)
		result = read_grants(user, snapshot, model_id, false) |
			read_grants(user, snapshot, (Datum) 0, true);
	PopActiveSnapshot();
	return result;
}

/* the word of one privilege */
static const char *
privilege_word(int privilege)
{
	for (int i = 0; i < (int) lengthof(words); i++)
		if (words[i].bit == privilege)
			return words[i].word;
	elog(ERROR, "unknown privilege %d", privilege);
	return NULL;				/* keep compiler quiet */
}

/*
 * The bits that a word asks for.  Error for a word that is not a privilege.
 */
int
mlops_privilege_bits(const char *word)
{
	for (int i = 0; i < (int) lengthof(words); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].bit;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown privilege \"%s\"", word),
			 errhint("Privileges are own, manage, approve, read and score.")));
	return 0;					/* keep compiler quiet */
}

/*
 * The models on which a user has any privilege, for the detail of an error;
 * NULL if there are none.
 */
static char *
usable_models(Oid user)
{
	Oid			save_user;
	int			save_context;
	StringInfoData list;
	MemoryContext context = CurrentMemoryContext;
	int			listed = 0;
	List	   *names = NIL;
	ListCell   *cell;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(mlops_owner(), save_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute("SELECT m.name FROM mlops.model m ORDER BY m.name LIMIT 1000", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list models");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		names = lappend(names, SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);

	initStringInfo(&list);
	foreach(cell, names)
	{
		bool		exists;

		if ((mlops_privileges(user, lfirst(cell), &exists) & MLOPS_ANY) == 0)
			continue;
		if (listed++ == 10)
		{
			appendStringInfoString(&list, ", ...");
			break;
		}
		appendStringInfo(&list, "%s\"%s\"", listed > 1 ? ", " : "", (char *) lfirst(cell));
	}
	return listed > 0 ? list.data : NULL;
}

/*
 * Add to a list the roles that the rows of one model, or of all models if
 * isnull, give a privilege; number says how many it has.
 */
static void
list_holders(StringInfo list, int *number, int privilege, Snapshot snapshot, Datum model_id, bool isnull)
{
	MlopsTableKey key = {"model_id", {.value = model_id,.isnull = isnull}};
	MlopsTableScan scan;
	HeapTuple	tuple;

	mlops_table_begin(&scan, "privilege", "privilege_key", snapshot, &key, 1);
	while ((tuple = mlops_table_next(&scan)) != NULL && *number <= 10)
	{
		bool		null;
		Oid			role = DatumGetObjectId(mlops_table_value(&scan, tuple, "role", &null));
		char	   *word = TextDatumGetCString(mlops_table_value(&scan, tuple, "privilege", &null));
		char	   *name = OidIsValid(role) ? GetUserNameFromId(role, true) : "public";

		for (int i = 0; i < (int) lengthof(words); i++)
			if (name != NULL && strcmp(word, words[i].word) == 0 && (words[i].brings & privilege) != 0)
			{
				appendStringInfo(list, "%s%s", *number == 0 ? "" : ", ", *number == 10 ? "..." : name);
				(*number)++;
			}
	}
	mlops_table_end(&scan);
}

/*
 * The roles that have a privilege on a model, for the hint of an error; NULL
 * if there are none.
 */
static char *
holders(const char *model, int privilege)
{
	MlopsTableKey key = {"name", {.value = CStringGetTextDatum(model)}};
	MlopsTableScan scan;
	StringInfoData list;
	HeapTuple	tuple;
	Snapshot	snapshot;
	int			number = 0;
	bool		isnull;

	initStringInfo(&list);
	PushActiveSnapshot(GetCatalogSnapshot(InvalidOid));
	snapshot = GetActiveSnapshot();
	mlops_table_begin(&scan, "model", "model_name_key", snapshot, &key, 1);
	tuple = mlops_table_next(&scan);
	if (tuple != NULL)
	{
		Datum		model_id = mlops_table_value(&scan, tuple, "id", &isnull);

		list_holders(&list, &number, privilege, snapshot, model_id, false);
		list_holders(&list, &number, privilege, snapshot, (Datum) 0, true);
	}
	mlops_table_end(&scan);
	PopActiveSnapshot();
	return number > 0 ? list.data : NULL;
}

/*
 * Error unless a model exists and a user has a privilege on it.  To those who
 * have another one it says who may act instead.
 */
void
mlops_require(Oid user, const char *model, int privilege)
{
	bool		exists;
	int			has = mlops_privileges(user, model, &exists);

	if (!exists)
	{
		char	   *list = usable_models(user);

		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_UNDEFINED_MODEL),
				 errmsg("model \"%s\" does not exist", model),
				 list ? errdetail("You can use: %s.", list) :
				 errdetail("There is no model that you can use.")));
	}
	if ((has & privilege) == 0)
	{
		char	   *others = (has & MLOPS_ANY) != 0 &&
			(privilege == MLOPS_MANAGE || privilege == MLOPS_APPROVE) ? holders(model, privilege) : NULL;

		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for model \"%s\"", model),
				 errdetail("Role \"%s\" needs the privilege \"%s\" on it.",
						   GetUserNameFromId(user, false), privilege_word(privilege)),
				 privilege == MLOPS_OWN || privilege == MLOPS_ANY ? 0 :
				 errhint("Its owner can give it: SELECT mlops.grant_privilege('%s', %s, %s).%s%s%s",
						 privilege_word(privilege), quote_literal_cstr(model),
						 quote_literal_cstr(GetUserNameFromId(user, false)),
						 others ? " Roles that have it: " : "", others ? others : "", others ? "." : "")));
	}
}

/*
 * SQL: whether the present role has a privilege on a model.
 */
Datum
mlops_has_privilege_sql(PG_FUNCTION_ARGS)
{
	char	   *model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			privilege = mlops_privilege_bits(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	bool		exists;

	PG_RETURN_BOOL((mlops_privileges(GetUserId(), model, &exists) & privilege) != 0);
}

/*
 * SQL, private: error unless the caller has a privilege on a model.
 */
Datum
mlops_require_sql(PG_FUNCTION_ARGS)
{
	mlops_require(mlops_caller(), text_to_cstring(PG_GETARG_TEXT_PP(0)),
				  mlops_privilege_bits(text_to_cstring(PG_GETARG_TEXT_PP(1))));
	PG_RETURN_VOID();
}

/*
 * SQL, private: whether the caller has a privilege on a model.
 */
Datum
mlops_caller_has_sql(PG_FUNCTION_ARGS)
{
	char	   *model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			privilege = mlops_privilege_bits(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	bool		exists;

	PG_RETURN_BOOL((mlops_privileges(mlops_caller(), model, &exists) & privilege) != 0);
}
