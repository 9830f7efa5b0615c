/*-------------------------------------------------------------------------
 *
 * cron.c
 *	  Schedules: their text, and the instants that they mean.
 *
 * Four kinds: the five fields of cron, "every 5 minutes", "once at 2027-01-31
 * 18:00", and "manual", which means no time at all.  Nothing here knows PostgreSQL: instants are seconds since
 * 1970, and a time zone is a function that tells the changes of its offset.
 *
 * Daylight saving time is handled as vixie cron does.  A schedule is wild if
 * its minutes or hours begin with a star: it goes by the clock on the wall as
 * it is at each instant, so it runs once in each hour that passes, whatever
 * the hour is called.  Any other means certain times of the day: those which
 * a change of less than three hours skips come at the instant of the change,
 * and those which it repeats come the first time only.
 *
 * No function here allocates memory, keeps state or can fail, but for the
 * parser's refusal of a text.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <ctype.h>

#include "worker/cron.h"

#define MINUTE		60
#define HOUR		3600
#define DAY			86400

/* a change of the offset by as much is not daylight saving time */
#define LARGE_CHANGE	(3 * HOUR)

/* no two instants of a schedule are further apart than two leap days */
#define HORIZON			(INT64CONST(10) * 366 * DAY)

/* longest period of "every" */
#define PERIOD_MAX		(INT64CONST(3660) * DAY)

/* 1970 began on a Thursday, weeks begin on Monday */
#define FIRST_MONDAY	(4 * DAY)

/* a field of a cron expression */
typedef struct Field
{
	const char *name;
	int			low;
	int			high;
	const char *words;			/* names of the values, three letters each */
	int			first_word;		/* value of the first name */
} Field;

enum
{
	FIELD_MINUTE,
	FIELD_HOUR,
	FIELD_DAY,
	FIELD_MONTH,
	FIELD_WEEKDAY,
	NFIELDS
};

static const Field fields[NFIELDS] = {
	{"minute", 0, 59},
	{"hour", 0, 23},
	{"day of month", 1, 31},
	{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec", 1},
	{"day of week", 0, 7, "sunmontuewedthufrisat", 0},
};

static const struct
{
	const char *name;
	const char *meaning;
}			shorthands[] = {
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
	{"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"},
};

static const struct
{
	const char *name;
	int64		seconds;
}			units[] = {
	{"second", 1},
	{"minute", MINUTE},
	{"hour", HOUR},
	{"day", DAY},
	{"week", 7 * DAY},
};

/*
 * The calendar
 */

static int64
floor_div(int64 a, int64 b)
{
	return a / b - (a % b < 0);
}

/* days since 1970 of a date of the Gregorian calendar, any month from 1 to 12 */
static int64
days_of_date(int64 year, int month, int day)
{
	int64		era_years = year - (month <= 2);
	int64		era = floor_div(era_years, 400);
	int64		year_of_era = era_years - era * 400;
	int64		day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void
date_of_days(int64 days, int64 *year, int *month, int *day)
{
	int64		shifted = days + 719468;
	int64		era = floor_div(shifted, 146097);
	int64		day_of_era = shifted - era * 146097;
	int64		year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64		day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64		month_index = (5 * day_of_year + 2) / 153;

	*day = (int) (day_of_year - (153 * month_index + 2) / 5 + 1);
	*month = (int) (month_index + (month_index < 10 ? 3 : -9));
	*year = year_of_era + era * 400 + (*month <= 2);
}

static int
days_in_month(int64 year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/*
 * The parser
 */

static bool
refuse(MlopsScheduleError *error, const char *hint, const char *format,...) pg_attribute_printf(3, 4);

static bool
refuse(MlopsScheduleError *error, const char *hint, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(error->detail, sizeof(error->detail), format, args);
	va_end(args);
	/* what was quoted may have been cut within a character */
	for (char *p = error->detail; *p != '\0'; p++)
		if ((unsigned char) *p < ' ' || (unsigned char) *p > '~')
			*p = '?';
	error->hint = hint;
	return false;
}

static const char *
skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* the text behind a word that p begins with, whatever its case; or NULL */
static const char *
skip_word(const char *p, const char *word)
{
	size_t		length = strlen(word);

	for (size_t i = 0; i < length; i++)
		if (tolower((unsigned char) p[i]) != word[i])
			return NULL;
	p += length;
	return isalnum((unsigned char) *p) ? NULL : p;
}

/* a number of at most max_digits digits; the text behind it, or NULL */
static const char *
read_number(const char *p, int max_digits, int64 *number)
{
	int			digits = 0;

	*number = 0;
	while (isdigit((unsigned char) *p))
	{
		if (++digits > max_digits)
			return NULL;
		*number = *number * 10 + (*p++ - '0');
	}
	return digits > 0 ? p : NULL;
}

/* a value of a field, by number or name; the text behind it, or NULL */
static const char *
read_value(const char *p, const Field *field, int64 *value)
{
	if (isdigit((unsigned char) *p))
		return read_number(p, 4, value);

	for (int i = 0; field->words != NULL && field->words[i] != '\0'; i += 3)
		if (tolower((unsigned char) p[0]) == field->words[i] &&
			tolower((unsigned char) p[1]) == field->words[i + 1] &&
			tolower((unsigned char) p[2]) == field->words[i + 2] &&
			!isalnum((unsigned char) p[3]))
		{
			*value = field->first_word + i / 3;
			return p + 3;
		}
	return NULL;
}

/*
 * One field: a list of values, ranges and stars, the latter two with steps.
 * Sets a bit for each value; returns the text behind the field, or NULL.
 */
static const char *
read_field(const char *p, const Field *field, uint64 *bits, bool *star,
		   MlopsScheduleError *error)
{
	*bits = 0;
	*star = *p == '*';
	for (;;)
	{
		int64		first = field->low;
		int64		last = field->high;
		int64		step = 1;
		bool		range = true;

		if (*p == '*')
			p++;
		else
		{
			const char *end = read_value(p, field, &first);

			if (end == NULL)
			{
				refuse(error, NULL, "The %s has no valid value at \"%.20s\".", field->name, p);
				return NULL;
			}
			p = end;
			last = first;
			range = *p == '-';
			if (range)
			{
				end = read_value(p + 1, field, &last);
				if (end == NULL)
				{
					refuse(error, NULL, "The %s has a range without an end at \"%.20s\".", field->name, p);
					return NULL;
				}
				p = end;
				/* a week may end with Sunday */
				if (field == &fields[FIELD_WEEKDAY] && last == 0 && first > 0)
					last = 7;
			}
			if (first < field->low || last > field->high || first > field->high)
			{
				refuse(error, NULL, "The %s is from %d to %d.", field->name, field->low, field->high);
				return NULL;
			}
			if (first > last)
			{
				refuse(error, "Write a range that goes around as two, such as 22-23,0-6.",
					   "The %s has a range that ends before it begins.", field->name);
				return NULL;
			}
		}
		if (*p == '/')
		{
			if (!range)
			{
				refuse(error, "Write */5 or 10-59/5.", "The %s has a step without a range.", field->name);
				return NULL;
			}
			p = read_number(p + 1, 4, &step);
			if (p == NULL || step < 1 || step > field->high)
			{
				refuse(error, "For other periods write, for example, every 90 minutes.",
					   "A step of the %s is from 1 to %d.", field->name, field->high);
				return NULL;
			}
		}
		for (int64 value = first; value <= last; value += step)
			*bits |= UINT64CONST(1) << value;

		if (*p != ',')
			break;
		p++;
	}
	if (*p != '\0' && *p != ' ' && *p != '\t')
	{
		refuse(error, NULL, "The %s is followed by \"%.20s\".", field->name, p);
		return NULL;
	}
	return skip_blanks(p);
}

/* whether a cron expression has a date at all: 31 February is none */
static bool
has_date(const MlopsSchedule *schedule)
{
	if (!schedule->any_day && !schedule->any_weekday)
		return true;
	for (int month = 1; month <= 12; month++)
		if (schedule->months & (1U << month))
			for (int day = 1; day <= days_in_month(2000, month); day++)
				if (schedule->days & (1U << day))
					return true;
	return false;
}

static bool
parse_cron(const char *p, MlopsSchedule *schedule, MlopsScheduleError *error)
{
	uint64		bits[NFIELDS];
	bool		star[NFIELDS];

	for (int i = 0; i < NFIELDS; i++)
	{
		if (*p == '\0')
			return refuse(error, "The fields are minute, hour, day of month, month and day of week.",
						  "A cron expression has five fields, here are %d.", i);
		p = read_field(p, &fields[i], &bits[i], &star[i], error);
		if (p == NULL)
			return false;
	}
	if (*p != '\0')
		return refuse(error, "The fields are minute, hour, day of month, month and day of week.",
					  "A cron expression has five fields, here follows \"%.20s\".", p);

	schedule->kind = MLOPS_SCHEDULE_CRON;
	schedule->minutes = bits[FIELD_MINUTE];
	schedule->hours = (uint32) bits[FIELD_HOUR];
	schedule->days = (uint32) bits[FIELD_DAY];
	schedule->months = (uint32) bits[FIELD_MONTH];
	/* both 0 and 7 are Sunday */
	schedule->weekdays = (uint32) (bits[FIELD_WEEKDAY] | bits[FIELD_WEEKDAY] >> 7) & 0x7f;
	schedule->any_day = star[FIELD_DAY];
	schedule->any_weekday = star[FIELD_WEEKDAY];
	schedule->wild = star[FIELD_MINUTE] || star[FIELD_HOUR];
	if (!has_date(schedule))
		return refuse(error, NULL, "There is no such date in any year.");
	return true;
}

static bool
parse_every(const char *p, MlopsSchedule *schedule, MlopsScheduleError *error)
{
	static const char *const hint = "Write, for example, every 5 minutes.";
	int64		number = 1;

	if (isdigit((unsigned char) *p))
	{
		p = read_number(p, 9, &number);
		if (p == NULL || number == 0)
			return refuse(error, hint, "The number of units is from 1 to 999999999.");
		p = skip_blanks(p);
	}
	for (size_t i = 0; i < lengthof(units); i++)
	{
		char		plural[16];
		const char *end = skip_word(p, units[i].name);

		if (end == NULL)
		{
			snprintf(plural, sizeof(plural), "%ss", units[i].name);
			end = skip_word(p, plural);
		}
		if (end == NULL)
			continue;
		if (*skip_blanks(end) != '\0')
			return refuse(error, hint, "The period is followed by \"%.20s\".", skip_blanks(end));
		schedule->kind = MLOPS_SCHEDULE_EVERY;
		schedule->period = number * units[i].seconds;
		schedule->origin = FIRST_MONDAY;
		if (schedule->period > PERIOD_MAX)
			return refuse(error, NULL, "The longest period is 3660 days.");
		return true;
	}
	return refuse(error, hint, "The unit is second, minute, hour, day or week.");
}

static bool
parse_once(const char *p, MlopsSchedule *schedule, MlopsScheduleError *error)
{
	static const char *const hint = "Write, for example, once at 2027-01-31 18:00 or once at 2027-01-31 18:00+01.";
	int64		year,
				month,
				day,
				hour,
				minute,
				second = 0,
				zone_hour,
				zone_minute = 0;

	if ((p = read_number(p, 4, &year)) == NULL || *p++ != '-' ||
		(p = read_number(p, 2, &month)) == NULL || *p++ != '-' ||
		(p = read_number(p, 2, &day)) == NULL || (*p != ' ' && *p != 'T' && *p != 't') ||
		(p = read_number(skip_blanks(p + 1), 2, &hour)) == NULL || *p++ != ':' ||
		(p = read_number(p, 2, &minute)) == NULL ||
		(*p == ':' && (p = read_number(p + 1, 2, &second)) == NULL))
		return refuse(error, hint, "The time has not the form YYYY-MM-DD HH:MM.");
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, (int) month) ||
		hour > 23 || minute > 59 || second > 59)
		return refuse(error, NULL, "There is no such time.");

	schedule->kind = MLOPS_SCHEDULE_ONCE;
	schedule->at = days_of_date(year, (int) month, (int) day) * DAY + hour * HOUR + minute * MINUTE + second;
	schedule->at_is_local = false;

	p = skip_blanks(p);
	if (*p == 'Z' || *p == 'z')
		p++;
	else if (*p == '+' || *p == '-')
	{
		int			sign = *p == '+' ? 1 : -1;

		if ((p = read_number(p + 1, 2, &zone_hour)) == NULL ||
			(*p == ':' && (p = read_number(p + 1, 2, &zone_minute)) == NULL) ||
			zone_hour > 15 || zone_minute > 59)
			return refuse(error, hint, "The offset from UTC has not the form +HH:MM.");
		schedule->at -= sign * (zone_hour * HOUR + zone_minute * MINUTE);
	}
	else
		schedule->at_is_local = true;
	if (*skip_blanks(p) != '\0')
		return refuse(error, hint, "The time is followed by \"%.20s\".", skip_blanks(p));
	return true;
}

/*
 * Read a schedule.  If it is none, false and what is wrong with it.
 */
bool
mlops_schedule_parse(const char *text, MlopsSchedule *schedule, MlopsScheduleError *error)
{
	const char *p = skip_blanks(text);
	const char *end;

	memset(schedule, 0, sizeof(*schedule));
	memset(error, 0, sizeof(*error));
	if (strlen(text) > MLOPS_SCHEDULE_MAX)
		return refuse(error, NULL, "A schedule has at most %d bytes.", MLOPS_SCHEDULE_MAX);

	if ((end = skip_word(p, "every")) != NULL)
		return parse_every(skip_blanks(end), schedule, error);
	if ((end = skip_word(p, "once")) != NULL)
	{
		end = skip_word(skip_blanks(end), "at");
		return parse_once(end != NULL ? skip_blanks(end) : "", schedule, error);
	}
	if ((end = skip_word(p, "manual")) != NULL && *skip_blanks(end) == '\0')
	{
		schedule->kind = MLOPS_SCHEDULE_MANUAL;
		return true;
	}
	if (*p == '@')
	{
		for (size_t i = 0; i < lengthof(shorthands); i++)
			if ((end = skip_word(p, shorthands[i].name)) != NULL && *skip_blanks(end) == '\0')
				return parse_cron(shorthands[i].meaning, schedule, error);
		return refuse(error, "There are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually.",
					  "Nothing is known by the name \"%.20s\".", p);
	}
	return parse_cron(p, schedule, error);
}

/*
 * The search
 */

static bool
day_matches(const MlopsSchedule *schedule, int64 days, int day)
{
	bool		by_day = (schedule->days & (1U << day)) != 0;
	bool		by_weekday = (schedule->weekdays & (1U << (days + 4 - floor_div(days + 4, 7) * 7))) != 0;

	/* cron's rule: if both are limited, either will do */
	if (schedule->any_day || schedule->any_weekday)
		return by_day && by_weekday;
	return by_day || by_weekday;
}

/*
 * The first minute of local time in [from, upto) that a cron expression means.
 */
static bool
next_local(const MlopsSchedule *schedule, int64 from, int64 upto, int64 *found)
{
	int64		minute = floor_div(from + MINUTE - 1, MINUTE);
	int64		days = floor_div(minute, DAY / MINUTE);
	int			start = (int) (minute - days * (DAY / MINUTE));

	while (days * DAY < upto)
	{
		int64		year;
		int			month;
		int			day;

		date_of_days(days, &year, &month, &day);
		if (!(schedule->months & (1U << month)))
		{
			days += days_in_month(year, month) - day + 1;
			start = 0;
			continue;
		}
		if (day_matches(schedule, days, day))
			for (int hour = start / 60; hour < 24; hour++)
			{
				if (!(schedule->hours & (1U << hour)))
					continue;
				for (int m = hour == start / 60 ? start % 60 : 0; m < 60; m++)
					if (schedule->minutes & (UINT64CONST(1) << m))
					{
						*found = days * DAY + hour * HOUR + m * MINUTE;
						return *found < upto;
					}
			}
		days++;
		start = 0;
	}
	return false;
}

/*
 * The first instant at or after "from", and not after "upto", of a cron
 * expression.  The zone's time is a row of stretches with the same offset; the
 * search begins before "from" so that it knows of a change shortly before.
 */
static bool
next_cron(const MlopsSchedule *schedule, const MlopsZone *zone, int64 from, int64 upto, int64 *next)
{
	int64		begin = from - LARGE_CHANGE - HOUR;
	int64		repeated = PG_INT64_MIN;	/* local times before it were there already */

	while (begin <= upto)
	{
		int64		end;
		int64		offset;
		int64		later_offset;
		bool		changes = zone->change(zone->arg, begin, &end, &offset, &later_offset);
		int64		first = Max(Max(begin, from) + offset, repeated);
		int64		limit = changes ? Min(end, upto + 1) : upto + 1;
		int64		local;

		if (next_local(schedule, first, limit + offset, &local))
		{
			*next = local - offset;
			return true;
		}
		if (!changes)
			return false;

		/* certain times of the day that the change skips, and that it repeats */
		repeated = PG_INT64_MIN;
		if (!schedule->wild &&
			later_offset - offset < LARGE_CHANGE && offset - later_offset < LARGE_CHANGE)
		{
			if (later_offset > offset && end >= from && end <= upto &&
				next_local(schedule, end + offset, end + later_offset, &local))
			{
				*next = end;
				return true;
			}
			if (later_offset < offset)
				repeated = end + offset;
		}
		begin = end;
	}
	return false;
}

/*
 * The instant of a local time: the first if there are two, that of the change
 * if it is skipped.
 */
static int64
instant_of_local(const MlopsZone *zone, int64 local)
{
	int64		begin = local - 2 * DAY;

	for (;;)
	{
		int64		end;
		int64		offset;
		int64		later_offset;

		if (!zone->change(zone->arg, begin, &end, &offset, &later_offset) || local - offset < end)
			return local - offset;
		if (local - later_offset < end)
			return end;
		begin = end;
	}
}

/*
 * The first instant of a schedule in [from, upto].
 */
static bool
next_within(const MlopsSchedule *schedule, const MlopsZone *zone, int64 from, int64 upto, int64 *next)
{
	from = Max(from, MLOPS_INSTANT_MIN);
	upto = Min(upto, MLOPS_INSTANT_MAX);
	if (from > upto)
		return false;
	switch (schedule->kind)
	{
		case MLOPS_SCHEDULE_CRON:
			return next_cron(schedule, zone, from, upto, next);
		case MLOPS_SCHEDULE_EVERY:
			*next = schedule->origin - floor_div(schedule->origin - from, schedule->period) * schedule->period;
			return *next <= upto;
		case MLOPS_SCHEDULE_ONCE:
			*next = schedule->at_is_local ? instant_of_local(zone, schedule->at) : schedule->at;
			return *next >= from && *next <= upto;
		case MLOPS_SCHEDULE_MANUAL:
			break;
	}
	return false;
}

/*
 * The first instant of a schedule after one; false if there is none.
 */
bool
mlops_schedule_next(const MlopsSchedule *schedule, const MlopsZone *zone, int64 after, int64 *next)
{
	if (after < MLOPS_INSTANT_MIN)
		after = MLOPS_INSTANT_MIN - 1;
	if (after >= MLOPS_INSTANT_MAX)
		return false;
	return next_within(schedule, zone, after + 1,
					   schedule->kind == MLOPS_SCHEDULE_CRON ? after + HORIZON : MLOPS_INSTANT_MAX, next);
}

/*
 * The last instant of a schedule in [from, upto]; false if there is none.  It
 * looks back further and further, so that its cost does not depend on how much
 * was missed.
 */
bool
mlops_schedule_last(const MlopsSchedule *schedule, const MlopsZone *zone, int64 from, int64 upto, int64 *last)
{
	int64		back = HOUR;
	int64		begin;

	if (schedule->kind == MLOPS_SCHEDULE_EVERY)
	{
		*last = schedule->origin + floor_div(upto - schedule->origin, schedule->period) * schedule->period;
		return *last >= from;
	}
	do
	{
		int64		found;
		bool		any = false;

		begin = upto - back > from ? upto - back : from;
		for (int64 at = begin; next_within(schedule, zone, at, upto, &found); at = found + 1)
		{
			*last = found;
			any = true;
		}
		if (any)
			return true;
		back *= 8;
	} while (begin > from);
	return false;
}
