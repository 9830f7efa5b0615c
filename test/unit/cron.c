/*-------------------------------------------------------------------------
 *
 * cron.c
 *	  Schedules: what is one, what it means, and what it means when the clocks
 *	  are put forward and back.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <time.h>

#include "worker/cron.h"

static int	ntests = 0;
static int	nfailures = 0;

__attribute__((format(printf, 2, 3)))
static void
ok(bool passed, const char *format,...)
{
	va_list		args;

	ntests++;
	if (!passed)
		nfailures++;
	printf("%sok %d - ", passed ? "" : "not ", ntests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/*
 * Zones: an offset before all changes, and the changes.
 */
typedef struct Change
{
	const char *at;				/* in UTC */
	int64		offset;
} Change;

typedef struct Zone
{
	int64		first;
	Change		changes[8];
} Zone;

static const Zone utc = {0};
static const Zone berlin = {3600, {
	{"2026-03-29 01:00", 7200}, {"2026-10-25 01:00", 3600},
	{"2027-03-28 01:00", 7200}, {"2027-10-31 01:00", 3600},
}};

/* half an hour */
static const Zone lord_howe = {39600, {
	{"2026-04-04 15:00", 37800}, {"2026-10-03 15:30", 39600},
}};

/* changes at midnight, and one whole day that there never was */
static const Zone havana = {-18000, {
	{"2026-03-08 05:00", -14400}, {"2026-11-01 05:00", -18000},
}};
static const Zone apia = {-36000, {
	{"2026-12-30 10:00", 50400},
}};
static const Zone kathmandu = {20700, {{NULL}}};

/* an instant in UTC, by the module's own reading of a time */
static int64
instant(const char *text)
{
	MlopsSchedule schedule;
	MlopsScheduleError error;
	char		buffer[64];

	snprintf(buffer, sizeof(buffer), "once at %sZ", text);
	if (!mlops_schedule_parse(buffer, &schedule, &error))
	{
		printf("Bail out! %s: %s\n", text, error.detail);
		exit(1);
	}
	return schedule.at;
}

static bool
change(const void *arg, int64 at, int64 *when, int64 *before, int64 *after)
{
	const Zone *zone = arg;

	*before = zone->first;
	for (int i = 0; i < 8 && zone->changes[i].at != NULL; i++)
	{
		int64		boundary = instant(zone->changes[i].at);

		if (boundary > at)
		{
			*when = boundary;
			*after = zone->changes[i].offset;
			return true;
		}
		*before = zone->changes[i].offset;
	}
	return false;
}

static MlopsZone
zone_of(const Zone *zone)
{
	return (MlopsZone) {.change = change,.arg = zone};
}

/* the times of a schedule after one, all in UTC */
static void
means(const char *text, const Zone *where, const char *after, ...)
{
	MlopsSchedule schedule;
	MlopsScheduleError error;
	MlopsZone	zone = zone_of(where);
	int64		at = instant(after);
	const char *expected;
	va_list		args;

	if (!mlops_schedule_parse(text, &schedule, &error))
	{
		ok(false, "%s: %s", text, error.detail);
		return;
	}
	va_start(args, after);
	while ((expected = va_arg(args, const char *)) != NULL)
	{
		int64		next = 0;
		bool		found = mlops_schedule_next(&schedule, &zone, at, &next);
		bool		good = expected[0] == '-' ? !found : found && next == instant(expected);

		ok(good, "%s: after %s comes %s", text, after, expected);
		if (!good && found)
			printf("# it is " INT64_FORMAT " minutes later\n", (next - at) / 60);
		if (!found)
			break;
		at = next;
		after = expected;
	}
	va_end(args);
}

static void
refused(const char *text, const char *why)
{
	MlopsSchedule schedule;
	MlopsScheduleError error;
	bool		result = mlops_schedule_parse(text, &schedule, &error);

	ok(!result && strstr(error.detail, why) != NULL, "refused: \"%.40s\"", text);
	if (!result && strstr(error.detail, why) == NULL)
		printf("# %s\n", error.detail);
}

static void
same(const char *a, const char *b)
{
	MlopsSchedule first;
	MlopsSchedule second;
	MlopsScheduleError error;

	ok(mlops_schedule_parse(a, &first, &error) && mlops_schedule_parse(b, &second, &error) &&
	   memcmp(&first, &second, sizeof(first)) == 0, "\"%s\" is \"%s\"", a, b);
}

/*
 * The straightforward definition, minute by minute, against the search.  In a
 * zone without changes every schedule means all minutes that match.
 */
static bool
matches(const MlopsSchedule *schedule, int64 local)
{
	time_t		t = (time_t) local;
	struct tm	tm;
	bool		day,
				weekday;

	gmtime_r(&t, &tm);
	day = (schedule->days & (1U << tm.tm_mday)) != 0;
	weekday = (schedule->weekdays & (1U << tm.tm_wday)) != 0;
	return (schedule->minutes & (UINT64CONST(1) << tm.tm_min)) &&
		(schedule->hours & (1U << tm.tm_hour)) && (schedule->months & (1U << (tm.tm_mon + 1))) &&
		(schedule->any_day || schedule->any_weekday ? day && weekday : day || weekday);
}

static uint32 random_state = 20260329;

static uint32
random_below(uint32 n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

static void
random_field(char *out, size_t room, int low, int high)
{
	int			a = low + (int) random_below((uint32) (high - low + 1));
	int			b = a + (int) random_below((uint32) (high - a + 1));

	switch (random_below(5))
	{
		case 0:
			snprintf(out, room, "*");
			break;
		case 1:
			snprintf(out, room, "*/%d", 1 + (int) random_below((uint32) high));
			break;
		case 2:
			snprintf(out, room, "%d", a);
			break;
		case 3:
			snprintf(out, room, "%d-%d/%d", a, b, 1 + (int) random_below(7));
			break;
		default:
			snprintf(out, room, "%d,%d", a, b);
	}
}

static void
compare_with_definition(void)
{
	static const int limits[5][2] = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}};
	MlopsZone	zone = zone_of(&kathmandu);
	int			wrong = 0;
	int			wrong_last = 0;
	int			compared = 0;

	for (int i = 0; i < 400; i++)
	{
		char		fields[5][32];
		char		text[200];
		MlopsSchedule schedule;
		MlopsScheduleError error;
		int64		from = instant("2026-01-01 00:00") + random_below(500000000);
		int64		at = from;
		int64		next = from;
		int64		last;
		int64		seen = from;

		for (int f = 0; f < 5; f++)
			random_field(fields[f], sizeof(fields[f]), limits[f][0], limits[f][1]);
		snprintf(text, sizeof(text), "%s %s %s %s %s", fields[0], fields[1], fields[2], fields[3], fields[4]);
		if (!mlops_schedule_parse(text, &schedule, &error))
			continue;			/* a date that does not exist */

		for (int n = 0; n < 3 && mlops_schedule_next(&schedule, &zone, at, &next); n++)
		{
			int64		expected = at - (at + kathmandu.first) % 60 + 60;

			while (expected < next && !matches(&schedule, expected + kathmandu.first))
				expected += 60;
			if (expected != next || !matches(&schedule, next + kathmandu.first))
			{
				wrong++;
				printf("# %s\n", text);
			}
			compared++;
			at = seen = next;
		}
		if (seen > from && (!mlops_schedule_last(&schedule, &zone, from, seen, &last) || last != seen ||
							(mlops_schedule_last(&schedule, &zone, from, seen - 1, &last) && last >= seen)))
			wrong_last++;
	}
	ok(wrong == 0 && compared > 500, "%d times of random expressions are those of the definition", compared);
	ok(wrong_last == 0, "and the last one before a time is found from behind");
}

/*
 * Hostile texts: nothing but true or false may come of them.
 */
static void
hostile(void)
{
	static const char alphabet[] = "0123456789*/-,@ :+TZ\tevryonceatmanualJFsun\377\n#";
	int			accepted = 0;
	bool		sane = true;

	for (int i = 0; i < 200000; i++)
	{
		char		text[80];
		size_t		length = random_below(sizeof(text) - 1);
		MlopsSchedule schedule;
		MlopsScheduleError error;
		MlopsZone	zone = zone_of(&berlin);
		int64		next;

		for (size_t j = 0; j < length; j++)
			text[j] = alphabet[random_below(sizeof(alphabet) - 1)];
		/* often nearly right */
		if (random_below(2) == 0 && length > 12)
			memcpy(text, random_below(2) ? "*/5 0 1-9 * " : "every 5 min", random_below(2) ? 12 : 11);
		text[length] = '\0';
		if (!mlops_schedule_parse(text, &schedule, &error))
			sane = sane && error.detail[0] != '\0' && strlen(error.detail) < sizeof(error.detail);
		else
		{
			accepted++;
			if (mlops_schedule_next(&schedule, &zone, 0, &next))
				sane = sane && next > 0;
		}
	}
	ok(sane, "200000 random texts: %d are schedules, the others are refused with a reason", accepted);
}

static void
last_of(const char *text, const Zone *where, const char *from, const char *upto, const char *expected)
{
	MlopsSchedule schedule;
	MlopsScheduleError error;
	MlopsZone	zone = zone_of(where);
	int64		last;
	bool		found;

	found = mlops_schedule_parse(text, &schedule, &error) &&
		mlops_schedule_last(&schedule, &zone, instant(from), instant(upto), &last);
	ok(expected == NULL ? !found : found && last == instant(expected), "%s: the last until %s", text, upto);
}

int
main(void)
{
	/* fields */
	means("*/15 * * * *", &utc, "2026-01-01 00:00", "2026-01-01 00:15", "2026-01-01 00:30", NULL);
	means("0 9 * * mon-fri", &utc, "2026-01-02 09:00", "2026-01-05 09:00", NULL);
	means("0 9 * * FRI-SUN", &utc, "2026-01-01 00:00", "2026-01-02 09:00", "2026-01-03 09:00", "2026-01-04 09:00", "2026-01-09 09:00", NULL);
	means("5,10-20/5,59 23 31 Dec *", &utc, "2026-01-01 00:00", "2026-12-31 23:05", "2026-12-31 23:10",
		  "2026-12-31 23:15", "2026-12-31 23:20", "2026-12-31 23:59", "2027-12-31 23:05", NULL);
	means("0 0 29 2 *", &utc, "2026-01-01 00:00", "2028-02-29 00:00", "2032-02-29 00:00", NULL);
	means("0 0 29 2 *", &utc, "2096-03-01 00:00", "2104-02-29 00:00", NULL);
	means("0 0 13 * 5", &utc, "2026-02-01 00:00", "2026-02-06 00:00", "2026-02-13 00:00", "2026-02-20 00:00",
		  "2026-02-27 00:00", "2026-03-06 00:00", "2026-03-13 00:00", NULL);
	means("0 0 */2 * 1", &utc, "2026-06-01 00:00", "2026-06-15 00:00", "2026-06-29 00:00", "2026-07-13 00:00", NULL);
	means("59 23 31 12 *", &utc, "9999-12-31 23:58", "9999-12-31 23:59", "-", NULL);
	means("0 0 1 1 *", &utc, "0001-01-01 00:00", "0002-01-01 00:00", NULL);
	same("@hourly", "0 * * * *");
	same("@Daily", "0 0 * * *");
	same("@midnight", "0 0 * * *");
	same(" @weekly ", "0 0 * * 7");
	same("@monthly", "0 0 1 * *");
	same("@annually", "0 0 1 jan *");
	same("@yearly", "\t0\t0  1 1 *\t");
	same("every minute", "every 60 seconds");
	same("Every 2 Hours", "every 120 minutes");
	same("every day", "every 24 hours");
	same("every 1 week", "every 7 days");

	/* periods and single times */
	means("every 5 minutes", &berlin, "2026-03-29 00:58", "2026-03-29 01:00", "2026-03-29 01:05", NULL);
	means("every 90 minutes", &utc, "2026-01-05 00:00", "2026-01-05 01:30", "2026-01-05 03:00", NULL);
	means("every week", &utc, "2026-01-01 00:00", "2026-01-05 00:00", "2026-01-12 00:00", NULL);
	means("once at 2026-07-01 12:00", &berlin, "2026-01-01 00:00", "2026-07-01 10:00", "-", NULL);
	means("once at 2026-07-01T12:00:30+05:30", &berlin, "2026-01-01 00:00", "2026-07-01 06:30:30", NULL);
	means("once at 2026-07-01 12:00-03", &berlin, "2026-01-01 00:00", "2026-07-01 15:00", NULL);
	means("once at 2026-07-01 12:00z", &berlin, "2026-07-01 12:00", "-", NULL);
	means("once at 2026-03-29 02:30", &berlin, "2026-01-01 00:00", "2026-03-29 01:00", NULL);
	means("once at 2026-10-25 02:30", &berlin, "2026-01-01 00:00", "2026-10-25 00:30", NULL);
	means("once at 2026-01-01 00:00", &kathmandu, "2025-01-01 00:00", "2025-12-31 18:15", NULL);
	means("manual", &utc, "2026-01-01 00:00", "-", NULL);

	/* clocks forward: from 2:00 to 3:00 on 29 March in Berlin */
	means("30 2 * * *", &berlin, "2026-03-28 00:00", "2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30", NULL);
	means("15,45 2 * * *", &berlin, "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 00:15", NULL);
	means("0 3 * * *", &berlin, "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 01:00", NULL);
	means("30 2,3 * * *", &berlin, "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-29 01:30", "2026-03-30 00:30", NULL);
	means("30 2 * * *", &berlin, "2026-03-29 00:59:59", "2026-03-29 01:00", NULL);
	means("30 2 * * *", &berlin, "2026-03-29 01:00", "2026-03-30 00:30", NULL);
	means("*/30 * * * *", &berlin, "2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 01:30", NULL);
	means("30 * * * *", &berlin, "2026-03-29 00:00", "2026-03-29 00:30", "2026-03-29 01:30", NULL);
	means("*/20 2 * * *", &berlin, "2026-03-28 12:00", "2026-03-30 00:00", NULL);

	/* clocks back: from 3:00 to 2:00 on 25 October in Berlin */
	means("30 2 * * *", &berlin, "2026-10-24 12:00", "2026-10-25 00:30", "2026-10-26 01:30", NULL);
	means("0 2 * * *", &berlin, "2026-10-24 12:00", "2026-10-25 00:00", "2026-10-26 01:00", NULL);
	means("0 3 * * *", &berlin, "2026-10-24 12:00", "2026-10-25 02:00", NULL);
	means("30 2 * * *", &berlin, "2026-10-25 01:15", "2026-10-26 01:30", NULL);
	means("0,59 2,3 * * *", &berlin, "2026-10-25 00:30", "2026-10-25 00:59", "2026-10-25 02:00", NULL);
	means("30 * * * *", &berlin, "2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30", NULL);
	means("*/30 2 * * *", &berlin, "2026-10-24 12:00", "2026-10-25 00:00", "2026-10-25 00:30",
		  "2026-10-25 01:00", "2026-10-25 01:30", "2026-10-26 01:00", NULL);

	/* other changes */
	means("15 2 * * *", &lord_howe, "2026-10-03 00:00", "2026-10-03 15:30", "2026-10-04 15:15", NULL);
	means("45 1 * * *", &lord_howe, "2026-04-04 00:00", "2026-04-04 14:45", "2026-04-05 15:15", NULL);
	means("0 0 * * *", &havana, "2026-03-07 12:00", "2026-03-08 05:00", "2026-03-09 04:00", NULL);
	means("30 0 * * *", &havana, "2026-10-31 12:00", "2026-11-01 04:30", "2026-11-02 05:30", NULL);
	means("0 12 30 12 *", &apia, "2026-12-29 12:00", "2027-12-29 22:00", NULL);
	means("0 0 * * *", &apia, "2026-12-29 12:00", "2026-12-30 10:00", "2026-12-31 10:00", NULL);

	/* the last before a time */
	last_of("30 2 * * *", &berlin, "2026-01-01 00:00", "2026-03-29 12:00", "2026-03-29 01:00");
	last_of("0 0 1 1 *", &utc, "2000-01-01 00:00", "2026-11-11 11:11", "2026-01-01 00:00");
	last_of("0 0 1 1 *", &utc, "2026-01-01 00:01", "2026-11-11 11:11", NULL);
	last_of("* * * * *", &utc, "2000-01-01 00:00", "2026-11-11 11:11:59", "2026-11-11 11:11");
	last_of("every 7 seconds", &utc, "2000-01-01 00:00", "1970-01-12 00:00", NULL);
	last_of("every 10 seconds", &utc, "2000-01-01 00:00", "2026-01-01 00:00:19", "2026-01-01 00:00:10");
	last_of("once at 2026-01-01 00:00", &utc, "2000-01-01 00:00", "2026-01-02 00:00", "2026-01-01 00:00");
	last_of("manual", &utc, "2000-01-01 00:00", "2026-01-02 00:00", NULL);

	/* refusals */
	refused("", "five fields");
	refused("* * * *", "five fields, here are 4");
	refused("* * * * * *", "five fields, here follows");
	refused("60 * * * *", "minute is from 0 to 59");
	refused("* 24 * * *", "hour is from 0 to 23");
	refused("* * 0 * *", "day of month is from 1 to 31");
	refused("* * 32 * *", "day of month is from 1 to 31");
	refused("* * * 13 *", "month is from 1 to 12");
	refused("* * * * 8", "day of week is from 0 to 7");
	refused("* * * * mom", "day of week has no valid value");
	refused("* * * january *", "month has no valid value");
	refused("5-1 * * * *", "ends before it begins");
	refused("1- * * * *", "range without an end");
	refused("-1 * * * *", "no valid value");
	refused("1,,2 * * * *", "no valid value");
	refused("1, * * * *", "no valid value");
	refused("5/10 * * * *", "step without a range");
	refused("*/0 * * * *", "step of the minute is from 1");
	refused("*/90 * * * *", "step of the minute is from 1 to 59");
	refused("*/5x * * * *", "followed by");
	refused("99999999999999999999 * * * *", "no valid value");
	refused("0 0 30 2 *", "no such date");
	refused("0 0 31 4,6,9,11 *", "no such date");
	refused("@reboot", "Nothing is known by the name");
	refused("@dailyx", "Nothing is known by the name");
	refused("every 0 minutes", "number of units");
	refused("every 5", "unit is");
	refused("every 5 fortnights", "unit is");
	refused("every 5 minutes or so", "followed by");
	refused("every 99999999999 days", "number of units");
	refused("every 4000 days", "longest period");
	refused("once", "form YYYY");
	refused("once at noon", "form YYYY");
	refused("once at 2026-02-29 00:00", "no such time");
	refused("once at 2026-13-01 00:00", "no such time");
	refused("once at 2026-01-01 24:00", "no such time");
	refused("once at 2026-01-01 00:00+99", "offset");
	refused("once at 2026-01-01 00:00 maybe", "followed by");
	refused("manually", "no valid value");
	refused("\xc3\xa4 * * * *", "no valid value at \"?? * * * *\"");
	{
		char		big[1000];

		memset(big, '1', sizeof(big) - 1);
		big[sizeof(big) - 1] = '\0';
		refused(big, "at most 256 bytes");
	}

	compare_with_definition();
	hostile();

	printf("1..%d\n", ntests);
	return nfailures > 0;
}
