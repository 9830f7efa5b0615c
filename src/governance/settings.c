/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings that policies fall back to, as the configuration files have
 *	  them.
 *
 * They are PGC_SIGHUP, so that no session has its own.  The server keeps that
 * for settings that it knows, which it does from its start if mlops is in
 * shared_preload_libraries.  Otherwise a session that loads the library later
 * can have begun with another value for the name (the client's option -c, ALTER
 * ROLE), which took the place of the file's; the server refuses it when the
 * library defines the setting, and leaves the built-in default, which may ask
 * for less than the file.  Then we read the configuration files themselves,
 * once per statement.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <limits.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "guc.h"
#include "registry/privilege.h"

PG_FUNCTION_INFO_V1(mlops_settings);

/* a setting as an integer variable has it, or as a text */
typedef struct Setting
{
	const char *name;
	enum
	{
		INTEGER, BOOLEAN, TEXT
	}			type;
	int			flags;			/* units */
	int			default_value;
	int			min;
	int			max;
	int			value;
} Setting;

/* the columns of the result, in their order; defaults and ranges as in guc.c */
static Setting settings[] = {
	{"mlops.required_approvals", INTEGER, 0, 0, 0, 20},
	{"mlops.protected_aliases", TEXT},
	{"mlops.approval_lifetime", INTEGER, GUC_UNIT_S, 7 * SECS_PER_DAY, 1, INT_MAX},
	{"mlops.require_change_ref", BOOLEAN, 0, false},
	{"mlops.ratification_period", INTEGER, GUC_UNIT_S, SECS_PER_DAY, 1, INT_MAX}
};

/* of mlops.protected_aliases, in TopMemoryContext */
static char *protected_aliases = NULL;

/* the statement for which the above were read, 0 if for none */
static TimestampTz read_for = 0;

/*
 * Set a setting from a line of a configuration file.  Error if it is not
 * valid there: nobody shall get more than the file meant to give.
 */
static void
set_from_file(Setting *setting, const char *value)
{
	bool		valid = true;
	bool		flag;

	switch (setting->type)
	{
		case INTEGER:
			valid = parse_int(value, &setting->value, setting->flags, NULL) &&
				setting->value >= setting->min && setting->value <= setting->max;
			break;
		case BOOLEAN:
			valid = parse_bool(value, &flag);
			setting->value = valid && flag;
			break;
		case TEXT:
			protected_aliases = MemoryContextStrdup(TopMemoryContext, value);
			break;
	}
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("invalid value for parameter \"%s\" in the configuration: \"%s\"",
						setting->name, value)));
}

/*
 * Read the configuration files.
 */
static void
read_files(void)
{
	Oid			save_user;
	int			save_context;

	read_for = 0;
	if (protected_aliases != NULL)
		pfree(protected_aliases);
	protected_aliases = NULL;
	for (int i = 0; i < (int) lengthof(settings); i++)
		settings[i].value = settings[i].default_value;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(mlops_owner(), save_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute("SELECT pg_catalog.lower(f.name), f.setting FROM pg_catalog.pg_file_settings f"
					" WHERE f.seqno OPERATOR(pg_catalog.=) (SELECT pg_catalog.max(l.seqno)"
					" FROM pg_catalog.pg_file_settings l"
					" WHERE pg_catalog.lower(l.name) OPERATOR(pg_catalog.=) pg_catalog.lower(f.name))"
					" AND pg_catalog.lower(f.name) OPERATOR(pg_catalog.~) '^mlops\\.'",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the configuration files");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *name = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1);
		char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2);

		for (int i = 0; i < (int) lengthof(settings); i++)
			if (strcmp(name, settings[i].name) == 0)
				set_from_file(&settings[i], value ? value : "");
	}
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
	if (protected_aliases == NULL)
		protected_aliases = MemoryContextStrdup(TopMemoryContext, MLOPS_PROTECTED_ALIASES);
	read_for = GetCurrentStatementStartTimestamp();
}

/*
 * SQL, private: the settings as they hold for everybody, times in seconds.
 */
Datum
mlops_settings(PG_FUNCTION_ARGS)
{
	Datum		values[5];
	bool		nulls[5] = {false};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (mlops_preloaded)
	{
		values[0] = Int32GetDatum(mlops_required_approvals);
		values[1] = CStringGetTextDatum(mlops_protected_aliases);
		values[2] = Int32GetDatum(mlops_approval_lifetime);
		values[3] = BoolGetDatum(mlops_require_change_ref);
		values[4] = Int32GetDatum(mlops_ratification_period);
	}
	else
	{
		if (read_for != GetCurrentStatementStartTimestamp())
			read_files();
		for (int i = 0; i < (int) lengthof(settings); i++)
			values[i] = settings[i].type == TEXT ? CStringGetTextDatum(protected_aliases) :
				settings[i].type == BOOLEAN ? BoolGetDatum(settings[i].value != 0) :
				Int32GetDatum(settings[i].value);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
