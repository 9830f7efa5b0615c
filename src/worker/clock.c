/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  What time it is for jobs.
 *
 * Everything that decides when a job runs asks this clock.  For tests of what
 * takes hours, or happens at a change of daylight saving time, a superuser can
 * stop it and set it by mlops.debug_clock; each reload with another value moves
 * it on.  How long a command may take, and how long a process waits for
 * another, goes by real time in any case.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "worker/clock.h"

PG_FUNCTION_INFO_V1(mlops_now);

/* the time at which the clock stands; DT_NOBEGIN if it goes */
static TimestampTz stopped_at = DT_NOBEGIN;

/*
 * Read a time of the form YYYY-MM-DD HH:MM:SS, in UTC.  The input function of
 * timestamps cannot be used in the postmaster.
 */
static bool
parse(const char *text, TimestampTz *at)
{
	struct pg_tm tm = {0};
	char		rest;

	return sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d%c", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
				  &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &rest) == 6 &&
		tm.tm_year >= 1 && tm.tm_mon >= 1 && tm.tm_mon <= 12 && tm.tm_mday >= 1 && tm.tm_mday <= 31 &&
		tm.tm_hour >= 0 && tm.tm_hour <= 23 && tm.tm_min >= 0 && tm.tm_min <= 59 &&
		tm.tm_sec >= 0 && tm.tm_sec <= 59 && tm2timestamp(&tm, 0, NULL, at) == 0;
}

bool
mlops_clock_check(char **newval, void **extra, GucSource source)
{
	TimestampTz at;

	if ((*newval)[0] == '\0' || parse(*newval, &at))
		return true;
	GUC_check_errdetail("It is empty, or a time of the form YYYY-MM-DD HH:MM:SS in UTC.");
	return false;
}

void
mlops_clock_assign(const char *newval, void *extra)
{
	if (!parse(newval, &stopped_at))
		stopped_at = DT_NOBEGIN;
}

bool
mlops_clock_is_stopped(void)
{
	return stopped_at != DT_NOBEGIN;
}

TimestampTz
mlops_clock_now(void)
{
	return stopped_at != DT_NOBEGIN ? stopped_at : GetCurrentTimestamp();
}

/*
 * SQL: the same.
 */
Datum
mlops_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(mlops_clock_now());
}
