/*-------------------------------------------------------------------------
 *
 * profile_functions.c
 *	  SQL: profiles of a query, of a version, and of windows of time.
 *
 * Rows are read with the rights of the caller.  What is stored is stored by
 * private functions, which check the caller's privilege on the model; it is
 * asked for before anything is read, too.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "caller.h"
#include "errors.h"
#include "monitoring/profile.h"
#include "monitoring/profile_bins.h"
#include "monitoring/profile_query.h"
#include "registry/model.h"
#include "registry/privilege.h"

PG_FUNCTION_INFO_V1(mlops_profile);
PG_FUNCTION_INFO_V1(mlops_set_profile);
PG_FUNCTION_INFO_V1(mlops_profile_windows);

/* the shares of a profile's quantiles */
static const double shares[] = {0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99};

/* frequent values in a row of a profile */
#define TOP_VALUES		10

/* limits of windows */
#define MIN_GRANULARITY	USECS_PER_MINUTE
#define MAX_GRANULARITY	USECS_PER_DAY
#define MAX_WINDOWS		50000

/* rows that a cursor fetches at a time */
#define ROWS_PER_FETCH	1000

/* columns of mlops.profile() */
enum
{
	PROFILE_NAME,
	PROFILE_TYPE,
	PROFILE_KIND,
	PROFILE_ROWS,
	PROFILE_NULLS,
	PROFILE_NANS,
	PROFILE_INFINITIES,
	PROFILE_DISTINCT_COUNT,
	PROFILE_EXACT,
	PROFILE_MIN,
	PROFILE_MAX,
	PROFILE_MEAN,
	PROFILE_STDDEV,
	PROFILE_QUANTILES,
	PROFILE_TOP_VALUES,
	PROFILE_BINS,
	PROFILE_BIN_COUNTS,
	PROFILE_SKETCH,
	NUM_PROFILE_COLUMNS
};

/*
 * Error if an argument is NULL.
 */
static void
require_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s cannot be NULL", name)));
}

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/*
 * The most frequent values as JSON.
 */
static Datum
top_values(MlopsSketch *sketch)
{
	StringInfoData json;
	MlopsSketchEntry *entries;
	int			n;

	entries = mlops_sketch_top(sketch, TOP_VALUES, &n);
	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(&json, i > 0 ? ", {\"value\": " : "{\"value\": ");
		if (entries[i].text != NULL)
			escape_json(&json, entries[i].text);
		else
			appendStringInfoString(&json, float8out_internal(entries[i].number));
		appendStringInfo(&json, ", \"count\": " INT64_FORMAT "}", entries[i].count);
	}
	appendStringInfoChar(&json, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* set a column of a row that is NULL where it is not defined */
static void
set_number(Datum *values, bool *nulls, int column, double value)
{
	nulls[column] = isnan(value);
	values[column] = Float8GetDatum(value);
}

/*
 * One row of mlops.profile().
 */
static void
put_profile_row(ReturnSetInfo *result, const MlopsProfileColumn *column)
{
	MlopsSketch *sketch = column->sketch;
	Datum		values[NUM_PROFILE_COLUMNS] = {0};
	bool		nulls[NUM_PROFILE_COLUMNS] = {false};

	values[PROFILE_NAME] = CStringGetTextDatum(column->name);
	values[PROFILE_TYPE] = CStringGetTextDatum(column->type);
	values[PROFILE_KIND] = CStringGetTextDatum(column->kind);
	if (sketch == NULL)
	{
		values[PROFILE_ROWS] = Int64GetDatum(column->rows);
		values[PROFILE_NULLS] = Int64GetDatum(column->nulls);
		for (int i = PROFILE_NANS; i < NUM_PROFILE_COLUMNS; i++)
			nulls[i] = true;
	}
	else
	{
		MlopsSketchCounts counts = mlops_sketch_counts(sketch);
		MlopsBins  *bins = mlops_bins_make(sketch, 10);
		int64	   *bin_counts = mlops_bins_counts(bins, sketch);
		Datum	   *elements = palloc(sizeof(Datum) * Max(bins->num_bins, (int) lengthof(shares)));

		values[PROFILE_ROWS] = Int64GetDatum(counts.rows);
		values[PROFILE_NULLS] = Int64GetDatum(counts.nulls);
		values[PROFILE_NANS] = Int64GetDatum(counts.nans);
		values[PROFILE_INFINITIES] = Int64GetDatum(counts.negative_infinities +
												   counts.positive_infinities);
		values[PROFILE_DISTINCT_COUNT] = Float8GetDatum(mlops_sketch_distinct(sketch));
		values[PROFILE_EXACT] = BoolGetDatum(mlops_sketch_is_exact(sketch));
		set_number(values, nulls, PROFILE_MIN, mlops_sketch_min(sketch));
		set_number(values, nulls, PROFILE_MAX, mlops_sketch_max(sketch));
		set_number(values, nulls, PROFILE_MEAN, mlops_sketch_mean(sketch));
		set_number(values, nulls, PROFILE_STDDEV, mlops_sketch_stddev(sketch, false));
		if (mlops_sketch_ordered(sketch) == 0)
			nulls[PROFILE_QUANTILES] = true;
		else
		{
			for (int i = 0; i < (int) lengthof(shares); i++)
				elements[i] = Float8GetDatum(mlops_sketch_quantile(sketch, shares[i]));
			values[PROFILE_QUANTILES] =
				PointerGetDatum(construct_array(elements, lengthof(shares), FLOAT8OID,
												sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		}
		values[PROFILE_TOP_VALUES] = top_values(sketch);
		values[PROFILE_BINS] = mlops_bins_to_datum(bins);
		for (int i = 0; i < bins->num_bins; i++)
			elements[i] = Int64GetDatum(bin_counts[i]);
		values[PROFILE_BIN_COUNTS] =
			PointerGetDatum(construct_array(elements, bins->num_bins, INT8OID, sizeof(int64),
											FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		values[PROFILE_SKETCH] = mlops_sketch_to_datum(sketch);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * SQL: mlops.profile()
 */
Datum
mlops_profile(PG_FUNCTION_ARGS)
{
	MlopsProfile *profile = mlops_profile_create();
	MemoryContext old;

	InitMaterializedSRF(fcinfo, 0);
	mlops_profile_read(profile, text_to_cstring(PG_GETARG_TEXT_PP(0)), "the query to profile");

	/* what asking arranges belongs to the sketches */
	old = MemoryContextSwitchTo(profile->context);
	for (int i = 0; i < profile->num_columns; i++)
	{
		put_profile_row((ReturnSetInfo *) fcinfo->resultinfo, &profile->columns[i]);
		if (profile->columns[i].sketch != NULL)
			mlops_sketch_free(profile->columns[i].sketch);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(profile->context);
	return (Datum) 0;
}

/*
 * Versions
 */

/* the profile of a version, as it is read */
typedef struct VersionProfile
{
	MlopsProfile *profile;
	const MlopsModel *model;
	const char *label;			/* NULL: none */
	const char *score;			/* NULL: the last column */
} VersionProfile;

/*
 * The number of a column; error if there is none.
 */
static int
find_column(TupleDesc tupdesc, const char *name, const char *what)
{
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), name) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("%s \"%s\" is not a column of the query", what, name)));
}

static void
add_column(MlopsProfile *profile, TupleDesc tupdesc, const char *name, const char *role, int number)
{
	Oid			type = TupleDescAttr(tupdesc, number)->atttypid;
	MlopsProfileColumn *column = mlops_profile_add_column(profile, name, role, type, number);

	if (column->sketch == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s has no profile", name, column->type),
				 errhint("Cast it in the query to a numeric, boolean, text, enum, date or timestamp type.")));
}

static void
version_columns(void *arg, TupleDesc tupdesc)
{
	VersionProfile *version = arg;
	const MlopsSignature *signature = version->model->signature;

	for (int i = 0; i < signature->num_features; i++)
	{
		const char *name = signature->features[i].name;

		add_column(version->profile, tupdesc, name, MLOPS_ROLE_FEATURE,
				   find_column(tupdesc, name, "feature"));
	}
	if (version->score != NULL)
		add_column(version->profile, tupdesc, version->score, MLOPS_ROLE_SCORE,
				   find_column(tupdesc, version->score, "score"));
	else
		add_column(version->profile, tupdesc, MLOPS_ROLE_SCORE, MLOPS_ROLE_SCORE,
				   tupdesc->natts - 1);
	if (version->label != NULL)
		add_column(version->profile, tupdesc, version->label, MLOPS_ROLE_LABEL,
				   find_column(tupdesc, version->label, "label"));
}

static void
version_row(void *arg, const Datum *values, const bool *nulls)
{
	mlops_profile_add_row(((VersionProfile *) arg)->profile, values, nulls);
}

/*
 * Keep a profile with a version.  Error ML051 if it has one.
 */
void
mlops_profile_store(const MlopsProfile *profile, const char *model, int32 version,
					const char *source, const char *query)
{
	Oid			types[4 + MLOPS_PROFILE_ARRAYS] = {TEXTOID, INT4OID, TEXTOID, TEXTOID};
	NullableDatum args[4 + MLOPS_PROFILE_ARRAYS] = {0};
	bool		isnull;

	args[0].value = CStringGetTextDatum(model);
	args[1].value = Int32GetDatum(version);
	args[2].value = CStringGetTextDatum(source);
	args[3].value = CStringGetTextDatum(query);
	mlops_profile_array_types(types + 4);
	mlops_profile_arrays(profile, args + 4);
	mlops_call_private("_store_profile", lengthof(types), types, args, &isnull);
}

/*
 * SQL: mlops.set_profile()
 */
Datum
mlops_set_profile(PG_FUNCTION_ARGS)
{
	MlopsReference reference;
	MlopsResolved resolved;
	VersionProfile version = {0};
	MlopsRowReader reader = {version_columns, version_row, &version};
	const Oid	types[] = {TEXTOID, INT4OID};
	NullableDatum args[lengthof(types)] = {0};
	bool		isnull;
	char	   *query;
	char	   *source;
	int			num_columns;

	require_argument(fcinfo, 0, "model");
	require_argument(fcinfo, 1, "query");
	source = query = text_argument(fcinfo, 1);
	version.label = text_argument(fcinfo, 2);
	version.score = text_argument(fcinfo, 3);
	PreventCommandIfReadOnly("mlops.set_profile()");
	mlops_modelref_split(PG_GETARG_VARLENA_PP(0), &reference);
	mlops_resolve(GetUserId(), &reference, MLOPS_MANAGE, &resolved);
	args[0].value = CStringGetTextDatum(resolved.name);
	args[1].value = Int32GetDatum(resolved.version);
	mlops_call_private("_check_profile", lengthof(types), types, args, &isnull);

	version.profile = mlops_profile_create();
	version.model = mlops_model_hold(&resolved, CurrentMemoryContext);
	if (version.score == NULL)
	{
		char	   *name = psprintf("%s/%d", resolved.name, resolved.version);

		query = psprintf("SELECT q.*, mlops.%s(%s::mlops.modelref, q) FROM %s q",
						 version.model->info.task == MLOPS_TASK_MULTICLASS ?
						 "predict_class" : "predict", quote_literal_cstr(name),
						 mlops_query_as_table(query, "the query to profile"));
	}
	mlops_profile_query(query, "the query to profile", &reader);
	mlops_profile_store(version.profile, resolved.name, resolved.version, "set_profile", source);
	num_columns = version.profile->num_columns;
	MemoryContextDelete(version.profile->context);
	PG_RETURN_INT32(num_columns);
}

/*
 * Windows
 */

/* windows of a source, as they are read and stored */
typedef struct Windows
{
	const char *model;
	const char *source;
	Interval   *granularity;
	int64		length;			/* of one, in microseconds */
	TimestampTz at;				/* where the one begins that is read */
	int64		rows;			/* in it */
	MlopsProfile *profile;
	MemoryContext store_context;
	ReturnSetInfo *result;
} Windows;

/*
 * The length of a window.  Error 22023 unless it is from a minute to a day and
 * a part of a day.
 */
static int64
window_length(const Interval *granularity)
{
	int64		length = granularity->time;

	if (granularity->month == 0 && (granularity->day == 0 || granularity->day == 1))
		length += granularity->day * USECS_PER_DAY;
	else
		length = -1;
	if (length < MIN_GRANULARITY || length > MAX_GRANULARITY || USECS_PER_DAY % length != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("granularity must be from a minute to a day, and a day a multiple of it"),
				 errhint("Use 1 minute, 5 minutes, 1 hour, 1 day or the like.")));
	return length;
}

/*
 * Store the window that was read, and begin the next one.
 */
static void
store_window(Windows *windows)
{
	Oid			types[4 + MLOPS_PROFILE_ARRAYS] = {TEXTOID, TEXTOID, INTERVALOID, TIMESTAMPTZOID};
	NullableDatum args[4 + MLOPS_PROFILE_ARRAYS] = {0};
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	bool		isnull;
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	old = MemoryContextSwitchTo(windows->store_context);
	args[0].value = CStringGetTextDatum(windows->model);
	args[1].value = CStringGetTextDatum(windows->source);
	args[2].value = IntervalPGetDatum(windows->granularity);
	args[3].value = TimestampTzGetDatum(windows->at);
	mlops_profile_array_types(types + 4);
	mlops_profile_arrays(windows->profile, args + 4);
	mlops_call_private("_store_window", lengthof(types), types, args, &isnull);
	MemoryContextSwitchTo(old);
	MemoryContextReset(windows->store_context);

	values[0] = TimestampTzGetDatum(windows->at);
	values[1] = TimestampTzGetDatum(windows->at + windows->length);
	values[2] = Int64GetDatum(windows->rows);
	tuplestore_putvalues(windows->result->setResult, windows->result->setDesc, values, nulls);
	if (windows->rows > 0)
		mlops_profile_clear(windows->profile);
	windows->at += windows->length;
	windows->rows = 0;
}

/*
 * Read rows ordered by their window, which is their first column, and store
 * all windows until the end.
 */
static void
read_windows(Windows *windows, MlopsRowCursor *cursor, TimestampTz end)
{
	TupleDesc	tupdesc = cursor->portal->tupDesc;
	Datum	   *values = palloc(sizeof(Datum) * tupdesc->natts);
	bool	   *nulls = palloc(sizeof(bool) * tupdesc->natts);

	for (int i = 1; i < tupdesc->natts; i++)
		mlops_profile_add_column(windows->profile, NameStr(TupleDescAttr(tupdesc, i)->attname),
								 NULL, TupleDescAttr(tupdesc, i)->atttypid, i);
	while (mlops_cursor_fetch(cursor, ROWS_PER_FETCH))
	{
		for (uint64 i = 0; i < cursor->num_rows; i++)
		{
			heap_deform_tuple(cursor->batch->vals[i], tupdesc, values, nulls);
			while (windows->at < DatumGetTimestampTz(values[0]))
				store_window(windows);
			mlops_profile_add_row(windows->profile, values, nulls);
			windows->rows++;
		}
	}
	while (windows->at < end)
		store_window(windows);
}

/*
 * SQL: mlops.profile_windows()
 */
Datum
mlops_profile_windows(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"model", "query", "time_column", "granularity",
	"window_start", "window_end", "source"};
	Windows		windows = {0};
	MlopsRowCursor cursor;
	const Oid	types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, INTERVALOID, TIMESTAMPTZOID};
	Datum		args[lengthof(types)];
	TimestampTz end;
	char	   *query;
	const char *column;

	for (int i = 0; i < (int) lengthof(names); i++)
		require_argument(fcinfo, i, names[i]);
	PreventCommandIfReadOnly("mlops.profile_windows()");
	windows.model = text_argument(fcinfo, 0);
	query = text_argument(fcinfo, 1);
	column = quote_identifier(text_argument(fcinfo, 2));
	windows.granularity = PG_GETARG_INTERVAL_P(3);
	windows.at = PG_GETARG_TIMESTAMPTZ(4);
	end = PG_GETARG_TIMESTAMPTZ(5);
	windows.source = text_argument(fcinfo, 6);

	windows.length = window_length(windows.granularity);
	if (TIMESTAMP_NOT_FINITE(windows.at) || TIMESTAMP_NOT_FINITE(end) || windows.at >= end ||
		windows.at % windows.length != 0 || end % windows.length != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("window_start and window_end must be bounds of windows, in ascending order"),
				 errhint("Windows of a granularity follow each other from 2000-01-01 00:00 UTC; date_bin() gives their bounds.")));
	if ((end - windows.at) / windows.length > MAX_WINDOWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("one call can profile at most %d windows", MAX_WINDOWS),
				 errhint("Divide the time into several calls, or use a longer granularity.")));
	mlops_require(GetUserId(), windows.model, MLOPS_MANAGE);

	InitMaterializedSRF(fcinfo, 0);
	windows.result = (ReturnSetInfo *) fcinfo->resultinfo;
	windows.profile = mlops_profile_create();
	windows.store_context = AllocSetContextCreate(CurrentMemoryContext, "mlops window",
												  ALLOCSET_DEFAULT_SIZES);
	query = mlops_query_as_table(query, "the query to profile");
	query = psprintf("SELECT pg_catalog.date_bin($3, q.%s::pg_catalog.timestamptz, $4), q.*"
					 " FROM %s q WHERE q.%s OPERATOR(pg_catalog.>=) $1"
					 " AND q.%s OPERATOR(pg_catalog.<) $2 ORDER BY 1",
					 column, query, column, column);
	args[0] = TimestampTzGetDatum(windows.at);
	args[1] = TimestampTzGetDatum(end);
	args[2] = IntervalPGetDatum(windows.granularity);
	args[3] = TimestampTzGetDatum(0);

	SPI_connect();
	mlops_cursor_open(&cursor, query, lengthof(types), types, args);
	read_windows(&windows, &cursor, end);
	mlops_cursor_close(&cursor);
	SPI_finish();
	MemoryContextDelete(windows.profile->context);
	MemoryContextDelete(windows.store_context);
	return (Datum) 0;
}
