/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  Schedules in SQL: when a job runs next, in a time zone of the server.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "worker/cron.h"

PG_FUNCTION_INFO_V1(mlops_next_run);
PG_FUNCTION_INFO_V1(mlops_last_run);

/* seconds between 1970 and 2000 */
#define EPOCH_DIFFERENCE	(INT64CONST(86400) * (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE))

/*
 * The changes of offset of a pg_tz; see MlopsZone.
 */
static bool
zone_change(const void *arg, int64 instant, int64 *when, int64 *before, int64 *after)
{
	pg_time_t	at = instant;
	pg_time_t	boundary;
	long int	before_offset = 0;
	long int	after_offset = 0;
	int			before_dst;
	int			after_dst;
	int			found;

	found = pg_next_dst_boundary(&at, &before_offset, &before_dst, &boundary,
								 &after_offset, &after_dst, (const pg_tz *) arg);
	*before = before_offset;
	if (found <= 0)
		return false;
	*when = boundary;
	*after = after_offset;
	return true;
}

static MlopsZone
zone_of(const text *name)
{
	pg_tz	   *tz = NULL;
	char	   *zone_name = text_to_cstring(name);

	if (strlen(zone_name) <= TZ_STRLEN_MAX)
		tz = pg_tzset(zone_name);
	if (tz == NULL || !pg_tz_acceptable(tz))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", zone_name),
				 errhint("View pg_timezone_names lists the names.")));
	return (MlopsZone) {.change = zone_change,.arg = tz};
}

/*
 * Read a schedule.  Error ML060 if it is none.
 */
static MlopsSchedule
schedule_of(const text *value)
{
	char	   *string = text_to_cstring(value);
	MlopsSchedule schedule;
	MlopsScheduleError error;

	if (!mlops_schedule_parse(string, &schedule, &error))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_INVALID_SCHEDULE),
				 errmsg("invalid schedule: \"%s\"", string),
				 errdetail_internal("%s", error.detail),
				 error.hint != NULL ? errhint("%s", error.hint) : 0));
	return schedule;
}

/* an instant in whole seconds since 1970; what is beyond any time is cut */
static int64
to_seconds(TimestampTz instant, bool up)
{
	int64		seconds;

	if (TIMESTAMP_IS_NOBEGIN(instant))
		return MLOPS_INSTANT_MIN - 1;
	if (TIMESTAMP_IS_NOEND(instant))
		return MLOPS_INSTANT_MAX;
	seconds = instant / USECS_PER_SEC;
	if (instant % USECS_PER_SEC < 0)
		seconds--;
	if (up && instant % USECS_PER_SEC != 0)
		seconds++;
	return seconds + EPOCH_DIFFERENCE;
}

static TimestampTz
from_seconds(int64 seconds)
{
	return (seconds - EPOCH_DIFFERENCE) * USECS_PER_SEC;
}

/*
 * SQL: the first time after another that a schedule means, or the nth.
 */
Datum
mlops_next_run(PG_FUNCTION_ARGS)
{
	MlopsSchedule schedule = schedule_of(PG_GETARG_TEXT_PP(0));
	int64		next = to_seconds(PG_GETARG_TIMESTAMPTZ(1), false);
	MlopsZone	zone = zone_of(PG_GETARG_TEXT_PP(2));
	int32		n = PG_GETARG_INT32(3);

	if (n < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the number of a run must be at least 1")));
	for (int32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!mlops_schedule_next(&schedule, &zone, next, &next))
			PG_RETURN_NULL();
	}
	PG_RETURN_TIMESTAMPTZ(from_seconds(next));
}

/*
 * SQL: the last time between two that a schedule means.
 */
Datum
mlops_last_run(PG_FUNCTION_ARGS)
{
	MlopsSchedule schedule = schedule_of(PG_GETARG_TEXT_PP(0));
	TimestampTz first = PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz upto = PG_GETARG_TIMESTAMPTZ(2);
	MlopsZone	zone = zone_of(PG_GETARG_TEXT_PP(3));
	int64		last;

	if (!mlops_schedule_last(&schedule, &zone, to_seconds(first, true), to_seconds(upto, false), &last))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(from_seconds(last));
}
