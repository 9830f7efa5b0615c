/*-------------------------------------------------------------------------
 *
 * cron.h
 *	  Schedules: their text, and the instants that they mean.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_WORKER_CRON_H
#define MLOPS_WORKER_CRON_H

#include "c.h"

/* longest text of a schedule, in bytes */
#define MLOPS_SCHEDULE_MAX	256

/* instants, in seconds since 1970, beyond which nothing is scheduled */
#define MLOPS_INSTANT_MIN	INT64CONST(-62135596800)	/* year 1 */
#define MLOPS_INSTANT_MAX	INT64CONST(253402300799)	/* year 9999 */

typedef enum MlopsScheduleKind
{
	MLOPS_SCHEDULE_CRON,		/* five fields or @daily and its kin */
	MLOPS_SCHEDULE_EVERY,		/* every N units */
	MLOPS_SCHEDULE_ONCE,		/* once at a time */
	MLOPS_SCHEDULE_MANUAL		/* never by itself */
} MlopsScheduleKind;

typedef struct MlopsSchedule
{
	MlopsScheduleKind kind;

	/* cron: one bit for each value of a field */
	uint64		minutes;		/* 0 to 59 */
	uint32		hours;			/* 0 to 23 */
	uint32		days;			/* 1 to 31 */
	uint32		months;			/* 1 to 12 */
	uint32		weekdays;		/* 0 to 6, 0 is Sunday */
	bool		any_day;		/* the field of days begins with a star */
	bool		any_weekday;	/* so does that of weekdays */
	bool		wild;			/* so does that of minutes or hours */

	/* every: period and one of the instants, in seconds */
	int64		period;
	int64		origin;

	/* once: seconds since 1970, of local time unless it had an offset */
	int64		at;
	bool		at_is_local;
} MlopsSchedule;

/* what is wrong with a text, as full sentences */
typedef struct MlopsScheduleError
{
	char		detail[160];
	const char *hint;			/* static, or NULL */
} MlopsScheduleError;

/*
 * A time zone: tells the first change of its offset after an instant, and the
 * offsets (seconds east of Greenwich) at the instant and from the change on;
 * false, and the offset at the instant alone, if there is no change any more.
 */
typedef struct MlopsZone
{
	bool		(*change) (const void *arg, int64 instant, int64 *when,
						   int64 *before, int64 *after);
	const void *arg;
} MlopsZone;

extern bool mlops_schedule_parse(const char *text, MlopsSchedule *schedule,
								 MlopsScheduleError *error);
extern bool mlops_schedule_next(const MlopsSchedule *schedule, const MlopsZone *zone,
								int64 after, int64 *next);
extern bool mlops_schedule_last(const MlopsSchedule *schedule, const MlopsZone *zone,
								int64 from, int64 upto, int64 *last);

#endif							/* MLOPS_WORKER_CRON_H */
