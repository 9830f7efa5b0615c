/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  How the features of a row may change, and to which values.
 *
 * A number may change to one value in each of the cells between the model's
 * thresholds: that which is nearest to the present one among those that its
 * column can have, and that the caller allows.  So an integer stays one, a
 * date becomes a date, and a numeric(10,2) has two digits.
 *
 * All memory is of the current context.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "scoring/changes.h"

/* days from 1970-01-01 to PostgreSQL's own epoch */
#define EPOCH_DAYS	(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)

/* digits after the point with which a step is still a whole number */
#define MAX_DIGITS	15

/* Error for a rule that cannot be. */
static void
bad_rule(const char *feature, const char *key, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("rule \"%s\" for feature \"%s\" is invalid", key, feature),
			 errdetail("It %s.", problem),
			 errhint("Rules are min, max, step and weight (numbers), only (\"up\" or \"down\"), missing (true or false) and values (an array of categories).")));
}

static void
not_an_object(const char *feature)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("rules for feature \"%s\" must be a JSON object", feature),
			 errhint("They are such as {\"age\": {\"min\": 18, \"only\": \"up\"}}.")));
}

/*
 * A number of a rule.  For a date or a timestamp it may be given as a string,
 * and is the number that scoring makes of it.
 */
static double
rule_number(const char *feature, const char *key, const JsonbValue *value,
			MlopsConversion conversion)
{
	double		number = NAN;

	if (value->type == jbvNumeric)
		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													NumericGetDatum(value->val.numeric)));
	else if (value->type == jbvString && conversion == MLOPS_CONVERT_DATE)
	{
		char	   *string = pnstrdup(value->val.string.val, value->val.string.len);

		number = mlops_convert_number64(conversion, DirectFunctionCall1(date_in, CStringGetDatum(string)));
	}
	else if (value->type == jbvString && conversion == MLOPS_CONVERT_TIMESTAMP)
	{
		char	   *string = pnstrdup(value->val.string.val, value->val.string.len);

		number = mlops_convert_number64(conversion,
										DirectFunctionCall3(timestamp_in, CStringGetDatum(string),
															ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	}
	else
		bad_rule(feature, key, "must be a number");
	if (isnan(number))
		bad_rule(feature, key, "must be a number");
	return number;
}

/*
 * The categories that a rule allows.
 */
static bool *
rule_values(const MlopsFeature *feature, const char *key, const JsonbValue *value)
{
	bool	   *allowed;
	JsonbIterator *iterator;
	JsonbValue	item;
	JsonbIteratorToken token;

	if (feature->kind != MLOPS_KIND_CATEGORICAL)
		bad_rule(feature->name, key, "is for categories");
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		bad_rule(feature->name, key, "must be an array");
	allowed = palloc0(mul_size(sizeof(bool), Max(mlops_dictionary_size(feature->categories), 1)));
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		int			code;

		if (token != WJB_ELEM)
			continue;
		if (item.type != jbvString)
			bad_rule(feature->name, key, "must be an array of strings");
		code = mlops_dictionary_lookup(feature->categories, item.val.string.val, item.val.string.len);
		if (code < 0)
			bad_rule(feature->name, key, psprintf("has the category \"%s\", which the model does not know",
												  pnstrdup(item.val.string.val, item.val.string.len)));
		allowed[code] = true;
	}
	return allowed;
}

/*
 * Read one member of a feature's rules.
 */
static void
read_member(const MlopsFeature *feature, MlopsConversion conversion, const char *key,
			const JsonbValue *value, MlopsChangeRule *rule)
{
	bool		number = strcmp(key, "min") == 0 || strcmp(key, "max") == 0 ||
		strcmp(key, "step") == 0 || strcmp(key, "only") == 0;

	if (number && feature->kind == MLOPS_KIND_CATEGORICAL)
		bad_rule(feature->name, key, "is for numbers");
	if (strcmp(key, "min") == 0)
		rule->min = rule_number(feature->name, key, value, conversion);
	else if (strcmp(key, "max") == 0)
		rule->max = rule_number(feature->name, key, value, conversion);
	else if (strcmp(key, "weight") == 0)
	{
		rule->weight = rule_number(feature->name, key, value, MLOPS_CONVERT_NONE);
		if (!(rule->weight > 0) || isinf(rule->weight))
			bad_rule(feature->name, key, "must be more than 0");
	}
	else if (strcmp(key, "step") == 0)
	{
		if (!(rule_number(feature->name, key, value, MLOPS_CONVERT_NONE) > 0))
			bad_rule(feature->name, key, "must be more than 0");
		rule->step = value->val.numeric;
	}
	else if (strcmp(key, "only") == 0)
	{
		if (value->type == jbvString && value->val.string.len == 2 &&
			memcmp(value->val.string.val, "up", 2) == 0)
			rule->only = 1;
		else if (value->type == jbvString && value->val.string.len == 4 &&
				 memcmp(value->val.string.val, "down", 4) == 0)
			rule->only = -1;
		else
			bad_rule(feature->name, key, "must be \"up\" or \"down\"");
	}
	else if (strcmp(key, "missing") == 0)
	{
		if (value->type != jbvBool)
			bad_rule(feature->name, key, "must be true or false");
		rule->missing = value->val.boolean;
	}
	else if (strcmp(key, "values") == 0)
		rule->allowed = rule_values(feature, key, value);
	else
		bad_rule(feature->name, key, "is not known");
}

/*
 * The rules for all features, from an object of objects or NULL.  Error 22023
 * for one that is not understood, or that is for a feature which the model
 * does not have.
 */
MlopsChangeRule *
mlops_change_rules(const MlopsSignature *signature, Jsonb *json, const MlopsConversion *conversions)
{
	MlopsChangeRule *rules = palloc(mul_size(sizeof(MlopsChangeRule), Max(signature->num_features, 1)));
	JsonbIterator *iterator;
	JsonbValue	item;
	JsonbIteratorToken token;
	int			feature = -1;
	int			depth = 0;
	char	   *key = NULL;

	for (int i = 0; i < signature->num_features; i++)
		rules[i] = (MlopsChangeRule) {.min = -get_float8_infinity(), .max = get_float8_infinity(), .weight = 1};
	if (json == NULL)
		return rules;
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rules must be a JSON object"),
				 errhint("Its keys are features, its values their rules: {\"age\": {\"min\": 18, \"only\": \"up\"}}.")));

	iterator = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&iterator, &item, depth == 2)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		switch (token)
		{
			case WJB_BEGIN_OBJECT:
				depth++;
				break;
			case WJB_END_OBJECT:
				depth--;
				break;
			case WJB_KEY:
				key = pnstrdup(item.val.string.val, item.val.string.len);
				if (depth > 1)
					break;
				for (feature = 0; feature < signature->num_features; feature++)
					if (strcmp(signature->features[feature].name, key) == 0)
						break;
				if (feature == signature->num_features)
					ereport(ERROR,
							(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							 errmsg("there is a rule for feature \"%s\", which the model does not have", key)));
				break;
			case WJB_VALUE:
				if (depth == 1)
					not_an_object(key);
				read_member(&signature->features[feature], conversions[feature], key, &item, &rules[feature]);
				break;
			default:
				not_an_object(key);
		}
	}
	return rules;
}

/*
 * How a feature would be converted from the type that it had when the model
 * was made, as far as that is known.
 */
MlopsConversion
mlops_conversion_of_type_name(const MlopsFeature *feature)
{
	static const struct
	{
		const char *name;
		MlopsConversion conversion;
	}			types[] = {
		{"boolean", MLOPS_CONVERT_BOOL},
		{"smallint", MLOPS_CONVERT_INT2},
		{"integer", MLOPS_CONVERT_INT4},
		{"bigint", MLOPS_CONVERT_INT8},
		{"real", MLOPS_CONVERT_FLOAT4},
		{"date", MLOPS_CONVERT_DATE},
		{"timestamp without time zone", MLOPS_CONVERT_TIMESTAMP},
		{"timestamp with time zone", MLOPS_CONVERT_TIMESTAMP}
	};

	if (feature->kind == MLOPS_KIND_CATEGORICAL)
		return MLOPS_CONVERT_TEXT;
	for (int i = 0; feature->type != NULL && i < (int) lengthof(types); i++)
		if (strcmp(feature->type, types[i].name) == 0)
			return types[i].conversion;
	return feature->kind == MLOPS_KIND_BOOLEAN ? MLOPS_CONVERT_BOOL : MLOPS_CONVERT_FLOAT8;
}

/*
 * Make a grid of whole steps with so many digits after the point.
 */
static void
decimal_grid(MlopsGrid *grid, int digits)
{
	grid->kind = MLOPS_GRID_STEPS;
	grid->multiple = 1;
	grid->divisor = 1;
	for (int i = 0; i < digits; i++)
		grid->divisor *= 10;
}

/*
 * The values that a column can have; *digits gets those after the point, or
 * -1.
 */
static MlopsGrid
column_grid(const MlopsModel *model, const MlopsChange *change, int *digits)
{
	MlopsGrid	grid = {.kind = model->info.wide ? MLOPS_GRID_DOUBLE : MLOPS_GRID_FLOAT};

	grid.min = -get_float8_infinity();
	grid.max = get_float8_infinity();
	*digits = -1;
	switch (change->conversion)
	{
		case MLOPS_CONVERT_BOOL:
			decimal_grid(&grid, 0);
			grid.min = 0;
			grid.max = 1;
			break;
		case MLOPS_CONVERT_INT2:
			decimal_grid(&grid, 0);
			grid.min = PG_INT16_MIN;
			grid.max = PG_INT16_MAX;
			break;
		case MLOPS_CONVERT_INT4:
			decimal_grid(&grid, 0);
			grid.min = PG_INT32_MIN;
			grid.max = PG_INT32_MAX;
			break;
		case MLOPS_CONVERT_INT8:
			decimal_grid(&grid, 0);
			break;
		case MLOPS_CONVERT_FLOAT4:
			grid.kind = MLOPS_GRID_FLOAT;
			break;
		case MLOPS_CONVERT_DATE:
			decimal_grid(&grid, 0);
			grid.offset = EPOCH_DAYS;
			grid.min = DATETIME_MIN_JULIAN - UNIX_EPOCH_JDATE;
			grid.max = DATE_END_JULIAN - 1 - UNIX_EPOCH_JDATE;
			break;
		case MLOPS_CONVERT_TIMESTAMP:
			decimal_grid(&grid, 0);
			grid.divisor = (double) USECS_PER_DAY;
			grid.offset = EPOCH_DAYS;
			break;
		case MLOPS_CONVERT_NUMERIC:
			if (change->typmod >= (int32) VARHDRSZ)
			{
				int32		typmod = change->typmod - VARHDRSZ;
				int			precision = (typmod >> 16) & 0xFFFF;
				int			scale = ((typmod & 0x7FF) ^ 1024) - 1024;

				if (scale < 0 || scale > MAX_DIGITS)
					break;
				decimal_grid(&grid, *digits = scale);
				grid.max = pow(10, precision - scale) - 1 / grid.divisor;
				grid.min = -grid.max;
			}
			break;
		default:
			break;
	}
	return grid;
}

/*
 * Narrow a grid to the multiples of a step.  Error 22023 if the column has no
 * such values.
 */
static void
apply_step(const MlopsModel *model, const MlopsChange *change, Numeric step, MlopsGrid *grid, int *digits)
{
	const char *feature = model->signature->features[change->feature].name;
	double		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(step)));
	double		multiple;

	if (grid->kind != MLOPS_GRID_STEPS)
	{
		int			scale = DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(step)));

		if (scale > MAX_DIGITS)
			bad_rule(feature, "step", "has too many digits");
		decimal_grid(grid, *digits = scale);
	}
	multiple = rint(number * grid->divisor);
	if (multiple < 1 || multiple > 9e15 || fabs(multiple - number * grid->divisor) > 1e-9 * multiple)
		bad_rule(feature, "step", "is not a step of the column's type");
	grid->multiple = (int64) multiple;
}

/*
 * A value of float in a column that has more digits is written in as few as
 * tell it from others: 29.999998 for 29.999998092651367.  The model reads both
 * alike.
 */
static double
shorten(const MlopsGrid *grid, double value)
{
	char		text[FLOAT_SHORTEST_DECIMAL_LEN];
	double		shortened;

	float_to_shortest_decimal_buf((float) value, text);
	shortened = strtod(text, NULL);
	return (float) shortened == (float) value && shortened >= grid->min && shortened <= grid->max ?
		shortened : value;
}

/* add a choice */
static void
add_choice(MlopsChange *change, double read, double cost, MlopsGridValue value)
{
	change->choices[change->num_choices] = (MlopsChoice) {read, cost};
	change->values[change->num_choices++] = value;
}

/*
 * Does a number stand for a missing value, as the model reads it?
 */
static bool
stands_for_missing(const MlopsModel *model, double value)
{
	return model->info.wide ? value == model->missing : (float) value == (float) model->missing;
}

/*
 * The value of a grid in a cell that is nearest to the present one, and is not
 * read as a missing one.  False if there is none.
 */
static bool
nearest_in_cell(const MlopsModel *model, const MlopsCells *cells, int cell, const MlopsGrid *grid,
				double present, MlopsGridValue *nearest)
{
	double		missing = model->missing;
	double		from = isnan(present) ? 0.0 : present;
	MlopsGrid	below = *grid;
	MlopsGrid	above = *grid;
	MlopsGridValue other;
	bool		found;

	if (!mlops_cell_nearest(model->forest, cells, cell, grid, present, nearest))
		return false;
	if (!stands_for_missing(model, nearest->value))
		return true;
	below.max = Min(grid->max, model->info.wide ? nextafter(missing, -INFINITY) :
					nextafterf((float) missing, -INFINITY));
	above.min = Max(grid->min, model->info.wide ? nextafter(missing, INFINITY) :
					nextafterf((float) missing, INFINITY));
	found = mlops_cell_nearest(model->forest, cells, cell, &below, present, nearest);
	if (mlops_cell_nearest(model->forest, cells, cell, &above, present, &other) &&
		(!found || fabs(other.value - from) < fabs(nearest->value - from)))
	{
		*nearest = other;
		found = true;
	}
	return found;
}

/*
 * Add the choice of one cell, if the grid has a value there.
 */
static void
add_cell(const MlopsModel *model, const MlopsCells *cells, int cell, const MlopsGrid *grid,
		 double cost, MlopsChange *change)
{
	MlopsGridValue value;

	CHECK_FOR_INTERRUPTS();
	if (cell < 0 || cell > cells->num_cuts ||
		!nearest_in_cell(model, cells, cell, grid, change->present, &value))
		return;
	if (grid->kind == MLOPS_GRID_FLOAT && change->conversion != MLOPS_CONVERT_FLOAT4)
		value.value = shorten(grid, value.value);
	add_choice(change, mlops_forest_reads(model->forest, value.value), cost, value);
}

/*
 * Find the values that a feature may take, in the order of their costs: the
 * share of the feature's thresholds that lies between, times its weight.
 * change says what is there now, which the forest reads as read.
 */
void
mlops_change_choices(const MlopsModel *model, const MlopsCells *cells, const MlopsChangeRule *rule,
					 double read, MlopsChange *change)
{
	const MlopsFeature *feature = &model->signature->features[change->feature];
	bool		categorical = feature->kind == MLOPS_KIND_CATEGORICAL;
	int			room = (categorical ? mlops_dictionary_size(feature->categories) : cells->num_cuts + 1) + 1;

	change->num_choices = 0;
	change->digits = -1;
	change->choices = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(sizeof(MlopsChoice), room));
	change->values = MemoryContextAllocHuge(CurrentMemoryContext, mul_size(sizeof(MlopsGridValue), room));

	if (categorical)
	{
		for (int code = 0; code < room - 1; code++)
			if (read != code && !stands_for_missing(model, code) &&
				(rule->allowed == NULL || rule->allowed[code]))
				add_choice(change, code, rule->weight, (MlopsGridValue) {0});
	}
	else
	{
		MlopsGrid	grid = column_grid(model, change, &change->digits);

		if (rule->step != NULL)
			apply_step(model, change, rule->step, &grid, &change->digits);
		grid.min = Max(grid.min, rule->min);
		grid.max = Min(grid.max, rule->max);
		if (!isnan(read))
		{
			int			own = mlops_cell_of(cells, read);

			for (int distance = 1; distance <= cells->num_cuts; distance++)
			{
				double		cost = rule->weight * distance / cells->num_cuts;

				if (rule->only <= 0)
					add_cell(model, cells, own - distance, &grid, cost, change);
				if (rule->only >= 0)
					add_cell(model, cells, own + distance, &grid, cost, change);
			}
		}
		else if (rule->only == 0)
		{
			/* what is up or down of an unknown value is not known */
			for (int cell = 0; cell <= cells->num_cuts; cell++)
				add_cell(model, cells, cell, &grid, rule->weight, change);
		}
	}
	if (rule->missing && !isnan(read))
		add_choice(change, get_float8_nan(), rule->weight, (MlopsGridValue) {0});
}

/*
 * The value of a choice that is not a missing one, as its column has it; if
 * there is no column, as a number, a boolean, a date, a timestamp or a text.
 */
Datum
mlops_change_value(const MlopsModel *model, const MlopsChange *change, int choice)
{
	const MlopsGridValue *value = &change->values[choice];
	char	   *text;

	switch (change->conversion)
	{
		case MLOPS_CONVERT_BOOL:
			return BoolGetDatum(value->steps != 0);
		case MLOPS_CONVERT_INT2:
			return Int16GetDatum((int16) value->steps);
		case MLOPS_CONVERT_INT4:
			return Int32GetDatum((int32) value->steps);
		case MLOPS_CONVERT_INT8:
			return Int64GetDatum(value->steps);
		case MLOPS_CONVERT_FLOAT4:
			return Float4GetDatum((float) value->value);
		case MLOPS_CONVERT_FLOAT8:
			return Float8GetDatum(value->value);
		case MLOPS_CONVERT_NUMERIC:
			if (change->digits >= 0)
				text = psprintf("%.*f", change->digits, value->value);
			else
			{
				text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);
				double_to_shortest_decimal_buf(value->value, text);
			}
			return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
									   Int32GetDatum(change->typmod));
		case MLOPS_CONVERT_DATE:
			return DateADTGetDatum((DateADT) value->steps);
		case MLOPS_CONVERT_TIMESTAMP:
			return TimestampGetDatum(value->steps);
		default:
			{
				const MlopsFeature *feature = &model->signature->features[change->feature];
				const char *category;
				int			len;
				Oid			input;
				Oid			parameter;

				category = mlops_dictionary_text(feature->categories,
												 (int) change->choices[choice].value, &len);
				getTypeInputInfo(OidIsValid(change->type) ? change->type : TEXTOID, &input, &parameter);
				return OidInputFunctionCall(input, unconstify(char *, category), parameter, change->typmod);
			}
	}
}

/*
 * The type of the values that mlops_change_value() gives.
 */
Oid
mlops_change_type(const MlopsChange *change)
{
	if (OidIsValid(change->type))
		return change->type;
	switch (change->conversion)
	{
		case MLOPS_CONVERT_BOOL:
			return BOOLOID;
		case MLOPS_CONVERT_INT2:
			return INT2OID;
		case MLOPS_CONVERT_INT4:
			return INT4OID;
		case MLOPS_CONVERT_INT8:
			return INT8OID;
		case MLOPS_CONVERT_FLOAT4:
			return FLOAT4OID;
		case MLOPS_CONVERT_FLOAT8:
			return FLOAT8OID;
		case MLOPS_CONVERT_NUMERIC:
			return NUMERICOID;
		case MLOPS_CONVERT_DATE:
			return DATEOID;
		case MLOPS_CONVERT_TIMESTAMP:
			return TIMESTAMPOID;
		default:
			return TEXTOID;
	}
}

/*
 * Such a value as text; that of a floating-point number is always exact,
 * whatever extra_float_digits says, since the row must score as it is shown.
 */
char *
mlops_change_text(const MlopsChange *change, Datum value)
{
	char	   *text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);
	Oid			output;
	bool		is_varlena;

	switch (mlops_change_type(change))
	{
		case FLOAT4OID:
			float_to_shortest_decimal_buf(DatumGetFloat4(value), text);
			return text;
		case FLOAT8OID:
			double_to_shortest_decimal_buf(DatumGetFloat8(value), text);
			return text;
		default:
			getTypeOutputInfo(mlops_change_type(change), &output, &is_varlena);
			return OidOutputFunctionCall(output, value);
	}
}
