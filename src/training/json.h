/*-------------------------------------------------------------------------
 *
 * json.h
 *	  Members of the records of runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_TRAINING_JSON_H
#define MLOPS_TRAINING_JSON_H

#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

/* the record's members: a name, then a value */
static inline void
add_name(StringInfo json, const char *name)
{
	if (json->data[json->len - 1] != '{')
		appendStringInfoString(json, ", ");
	escape_json(json, name);
	appendStringInfoString(json, ": ");
}

static inline void
add_string(StringInfo json, const char *name, const char *value)
{
	add_name(json, name);
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, value);
}

static inline void
add_integer(StringInfo json, const char *name, int64 value)
{
	add_name(json, name);
	appendStringInfo(json, INT64_FORMAT, value);
}

static inline void
add_number(StringInfo json, const char *name, double value)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(value, digits);
	add_name(json, name);
	appendStringInfoString(json, digits);
}

static inline void
add_time(StringInfo json, const char *name, TimestampTz value)
{
	char		buffer[MAXDATELEN + 1];
	int			utc = 0;

	add_string(json, name,
			   JsonEncodeDateTime(buffer, TimestampTzGetDatum(value), TIMESTAMPTZOID, &utc));
}

static inline void
add_strings(StringInfo json, const char *name, const List *values)
{
	ListCell   *cell;

	add_name(json, name);
	appendStringInfoChar(json, '[');
	foreach(cell, values)
	{
		if (foreach_current_index(cell) > 0)
			appendStringInfoString(json, ", ");
		escape_json(json, lfirst(cell));
	}
	appendStringInfoChar(json, ']');
}

#endif							/* MLOPS_TRAINING_JSON_H */
