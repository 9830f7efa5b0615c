/*-------------------------------------------------------------------------
 *
 * space.c
 *	  The parameters that a search tries.
 *
 * A space is an object by the name of the parameter.  Each has a list of
 * values, or an object with low and high, and log, int and steps.  A point is
 * kept in numbers that the strategies need not interpret, and written as the
 * parameters that it stands for.
 *
 * Everything lives in the memory context that is current at the call.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "training/space.h"

/* digits of a number that is tried; more of them would only be hard to read */
#define DIGITS			6

/* widest range of integers, all of which a double has */
#define MAX_INTEGER		1e9

const char *const mlops_strategy_names[MLOPS_NUM_STRATEGIES] = {
	[MLOPS_STRATEGY_GRID] = "grid",
	[MLOPS_STRATEGY_RANDOM] = "random",
	[MLOPS_STRATEGY_TPE] = "tpe",
	[MLOPS_STRATEGY_HALVING] = "halving"
};

/*
 * The strategy of a name.
 */
MlopsStrategy
mlops_strategy_find(const char *name)
{
	for (int i = 0; i < MLOPS_NUM_STRATEGIES; i++)
	{
		if (strcmp(mlops_strategy_names[i], name) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown strategy \"%s\"", name),
			 errhint("The strategies are grid, random, tpe and halving.")));
}

/*
 * Report what is wrong with a dimension.
 */
pg_noreturn static void
refuse(const MlopsDimension *dimension, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("space has no usable values for parameter \"%s\"", dimension->name),
			 errdetail("%s", detail),
			 errhint("For example {\"max_depth\": {\"low\": 2, \"high\": 8, \"int\": true}, \"eta\": {\"low\": 0.01, \"high\": 0.3, \"log\": true}, \"grow_policy\": [\"depthwise\", \"lossguide\"]}.")));
}

/*
 * A value of a list as JSON; a string, a number or a boolean.
 */
static char *
scalar_json(const MlopsDimension *dimension, const JsonbValue *value)
{
	StringInfoData json;

	switch (value->type)
	{
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		case jbvString:
			initStringInfo(&json);
			escape_json(&json, pnstrdup(value->val.string.val, value->val.string.len));
			return json.data;
		default:
			refuse(dimension, "Its values must be strings, numbers or booleans.");
	}
}

/*
 * A list of values.
 */
static void
read_list(MlopsDimension *dimension, JsonbContainer *list)
{
	JsonbIterator *iterator = JsonbIteratorInit(list);
	JsonbIteratorToken token;
	JsonbValue	item;

	if (JsonContainerSize(list) == 0 || JsonContainerSize(list) > MLOPS_MAX_VALUES)
		refuse(dimension, psprintf("A list must have between 1 and %d values.", MLOPS_MAX_VALUES));
	dimension->values = palloc(sizeof(char *) * JsonContainerSize(list));
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		dimension->values[dimension->num_values] = scalar_json(dimension, &item);
		for (int i = 0; i < dimension->num_values; i++)
		{
			if (strcmp(dimension->values[i], dimension->values[dimension->num_values]) == 0)
				refuse(dimension, psprintf("The list has %s twice.", dimension->values[i]));
		}
		dimension->num_values++;
	}
}

/*
 * A range: low, high, and what else there is.
 */
static void
read_range(MlopsDimension *dimension, JsonbContainer *range)
{
	JsonbIterator *iterator = JsonbIteratorInit(range);
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	dimension->low = dimension->high = NAN;
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		bool		flag;

		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		if (token != WJB_VALUE)
			continue;
		flag = strcmp(name, "log") == 0 || strcmp(name, "int") == 0;
		if (flag && item.type == jbvBool)
			*(name[0] == 'l' ? &dimension->log : &dimension->integer) = item.val.boolean;
		else if (!flag && item.type == jbvNumeric)
		{
			double		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
																	NumericGetDatum(item.val.numeric)));

			if (strcmp(name, "low") == 0)
				dimension->low = number;
			else if (strcmp(name, "high") == 0)
				dimension->high = number;
			else if (strcmp(name, "steps") == 0 && number >= 2 && number <= MLOPS_MAX_VALUES &&
					 number == floor(number))
				dimension->steps = (int) number;
			else
				refuse(dimension, strcmp(name, "steps") == 0 ?
					   psprintf("\"steps\" must be an integer from 2 to %d.", MLOPS_MAX_VALUES) :
					   psprintf("A range has no member \"%s\".", name));
		}
		else
			refuse(dimension, psprintf("Member \"%s\" is not of a range, or of the wrong type.", name));
	}
	if (!isfinite(dimension->low) || !isfinite(dimension->high) || dimension->low >= dimension->high)
		refuse(dimension, "A range needs a number \"low\" and a larger number \"high\".");
	if (dimension->log && dimension->low <= 0)
		refuse(dimension, "With \"log\", \"low\" must be above 0.");
	if (dimension->integer && (dimension->low != floor(dimension->low) || dimension->high != floor(dimension->high) ||
							   fabs(dimension->low) > MAX_INTEGER || fabs(dimension->high) > MAX_INTEGER))
		refuse(dimension, "With \"int\", \"low\" and \"high\" must be integers, not beyond a billion.");
}

/*
 * Read a space.  Error if it is none.
 */
MlopsSpace *
mlops_space_read(const Jsonb *json)
{
	MlopsSpace *space = palloc0(sizeof(MlopsSpace));
	MlopsDimension *dimension = NULL;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;

	if (!JB_ROOT_IS_OBJECT(json) || JB_ROOT_COUNT(json) == 0 || JB_ROOT_COUNT(json) > MLOPS_MAX_DIMENSIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("space must be an object of 1 to %d parameters", MLOPS_MAX_DIMENSIONS),
				 errhint("For example {\"max_depth\": [2, 4, 6], \"eta\": {\"low\": 0.01, \"high\": 0.3, \"log\": true}}.")));
	iterator = JsonbIteratorInit(unconstify(JsonbContainer *, &json->root));
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			dimension = &space->dimensions[space->num_dimensions++];
			dimension->name = pnstrdup(item.val.string.val, item.val.string.len);
		}
		else if (token == WJB_VALUE)
		{
			if (item.type == jbvBinary && JsonContainerIsArray(item.val.binary.data))
				read_list(dimension, item.val.binary.data);
			else if (item.type == jbvBinary)
				read_range(dimension, item.val.binary.data);
			else
				refuse(dimension, "It has neither a list of values nor a range.");
		}
	}
	return space;
}

/*
 * How many points a grid has.  Error if a range does not say how many.
 */
int64
mlops_space_grid_size(const MlopsSpace *space)
{
	int64		size = 1;

	for (int i = 0; i < space->num_dimensions; i++)
	{
		const MlopsDimension *dimension = &space->dimensions[i];
		int			count = dimension->num_values > 0 ? dimension->num_values : dimension->steps;

		if (count == 0)
			refuse(dimension, "A grid needs a list of values, or \"steps\" in the range.");
		if (size > PG_INT32_MAX / count)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the grid has more than %d points", PG_INT32_MAX)));
		size *= count;
	}
	return size;
}

/*
 * The number that a position from 0 to 1 stands for.
 */
static double
value_at(const MlopsDimension *dimension, double position)
{
	/* each integer has the same share of the way, or of its logarithm */
	double		low = dimension->integer ? dimension->low - 0.5 : dimension->low;
	double		high = dimension->integer ? dimension->high + 0.5 : dimension->high;
	double		value = dimension->log ? exp(log(low) + position * (log(high) - log(low))) :
		low + position * (high - low);

	if (dimension->integer)
		value = rint(value);
	else
		value = strtod(psprintf("%.*g", DIGITS, value), NULL);
	return Min(Max(value, dimension->low), dimension->high);
}

/*
 * Append the parameters of a point, members of an object.
 */
void
mlops_space_put(const MlopsSpace *space, const double *point, StringInfo json)
{
	for (int i = 0; i < space->num_dimensions; i++)
	{
		const MlopsDimension *dimension = &space->dimensions[i];
		char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

		if (i > 0)
			appendStringInfoString(json, ", ");
		escape_json(json, dimension->name);
		if (dimension->num_values > 0)
			appendStringInfo(json, ": %s", dimension->values[(int) point[i]]);
		else if (dimension->integer)
			appendStringInfo(json, ": %d", (int) value_at(dimension, point[i]));
		else
		{
			double_to_shortest_decimal_buf(value_at(dimension, point[i]), digits);
			appendStringInfo(json, ": %s", digits);
		}
	}
}
