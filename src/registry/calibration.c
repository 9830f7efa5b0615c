/*-------------------------------------------------------------------------
 *
 * calibration.c
 *	  What a version makes of its margin instead of the objective's transform.
 *
 * A calibration is stored as JSON next to the version's artifact, never changes,
 * and is read once per session and version.  Its numbers are written with all
 * their digits, so that what is read is what was fitted, bit for bit.
 *
 * Both kinds do not fall as the margin rises, also in floating point: whoever
 * looks for the margin of a value may halve intervals.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/numeric.h"

#include "registry/calibration.h"

PG_FUNCTION_INFO_V1(mlops_calibrated_sql);

/*
 * The end of what no writer of ours has made.
 */
static void
damaged(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stored calibration of a version is damaged")));
}

/*
 * A number of JSON, finite, with the bits that it was written from.
 */
static double
number_of(const JsonbValue *value)
{
	double		number;

	if (value == NULL || value->type != jbvNumeric)
		damaged();
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
	if (!isfinite(number))
		damaged();
	return number;
}

static JsonbValue *
member(const Jsonb *json, const char *name)
{
	return getKeyJsonValueFromContainer((JsonbContainer *) &json->root, name, strlen(name), NULL);
}

/*
 * The array of numbers that a member has; its length, at most that of an
 * isotonic calibration, in *count.
 */
static double *
numbers_of(const Jsonb *json, const char *name, int *count)
{
	JsonbValue *value = member(json, name);
	JsonbContainer *array;
	double	   *numbers;

	if (value == NULL || value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		damaged();
	array = value->val.binary.data;
	*count = JsonContainerSize(array);
	if (*count < 1 || *count > MLOPS_MAX_CALIBRATION_POINTS)
		damaged();
	numbers = palloc(sizeof(double) * *count);
	for (int i = 0; i < *count; i++)
		numbers[i] = number_of(getIthJsonbValueFromContainer(array, i));
	return numbers;
}

/*
 * A stored calibration, in the current memory context.  Error XX001 if it is
 * not one.
 */
MlopsCalibration *
mlops_calibration_from_jsonb(const Jsonb *json)
{
	MlopsCalibration *calibration = palloc0(sizeof(MlopsCalibration));
	JsonbValue *method;
	int			num_values;

	if (!JB_ROOT_IS_OBJECT(json))
		damaged();
	method = member(json, "method");
	if (method == NULL || method->type != jbvString)
		damaged();
	calibration->isotonic = method->val.string.len == 8 && memcmp(method->val.string.val, "isotonic", 8) == 0;
	if (!calibration->isotonic)
	{
		calibration->slope = number_of(member(json, "slope"));
		calibration->intercept = number_of(member(json, "intercept"));
		if (calibration->slope <= 0)
			damaged();
		return calibration;
	}
	calibration->margins = numbers_of(json, "margins", &calibration->num_points);
	calibration->values = numbers_of(json, "values", &num_values);
	if (num_values != calibration->num_points)
		damaged();
	for (int i = 0; i < num_values; i++)
	{
		if (calibration->values[i] < 0 || calibration->values[i] > 1 ||
			(i > 0 && (calibration->margins[i] <= calibration->margins[i - 1] ||
					   calibration->values[i] < calibration->values[i - 1])))
			damaged();
	}
	return calibration;
}

static void
append_number(StringInfo json, double number)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(number, digits);
	appendStringInfoString(json, digits);
}

static void
append_numbers(StringInfo json, const char *name, const double *numbers, int count)
{
	appendStringInfo(json, ", \"%s\": [", name);
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoString(json, ", ");
		append_number(json, numbers[i]);
	}
	appendStringInfoChar(json, ']');
}

/*
 * Append the members of the JSON object that a calibration is stored as.
 */
void
mlops_calibration_to_json(const MlopsCalibration *calibration, StringInfo json)
{
	if (calibration->isotonic)
	{
		appendStringInfo(json, "\"method\": \"isotonic\", \"points\": %d", calibration->num_points);
		append_numbers(json, "margins", calibration->margins, calibration->num_points);
		append_numbers(json, "values", calibration->values, calibration->num_points);
		return;
	}
	appendStringInfoString(json, "\"method\": \"platt\", \"slope\": ");
	append_number(json, calibration->slope);
	appendStringInfoString(json, ", \"intercept\": ");
	append_number(json, calibration->intercept);
}

/*
 * The probability of the positive class, 0 to 1.
 */
double
mlops_calibrated(const MlopsCalibration *calibration, double margin)
{
	const double *margins = calibration->margins;
	const double *values = calibration->values;
	int			low = 0;
	int			high = calibration->num_points - 1;

	if (!calibration->isotonic)
		return 1.0 / (1.0 + exp(-(calibration->slope * margin + calibration->intercept)));
	if (isnan(margin))
		return margin;
	if (margin <= margins[low])
		return values[low];
	if (margin >= margins[high])
		return values[high];
	while (high - low > 1)
	{
		int			middle = low + (high - low) / 2;

		if (margin < margins[middle])
			high = middle;
		else
			low = middle;
	}
	/* rounding does not lift it above the next point */
	return Min(values[low] + (margin - margins[low]) *
			   ((values[high] - values[low]) / (margins[high] - margins[low])), values[high]);
}

/* is the first argument of a call the same whenever it is made? */
static bool
is_constant(const Node *call)
{
	return call != NULL && IsA(call, FuncExpr) && IsA(linitial(((const FuncExpr *) call)->args), Const);
}

/*
 * SQL, private: what a stored calibration makes of a margin.
 */
Datum
mlops_calibrated_sql(PG_FUNCTION_ARGS)
{
	MlopsCalibration *calibration = fcinfo->flinfo->fn_extra;

	/* that of a statement over many rows is a constant in it */
	if (calibration == NULL || !is_constant(fcinfo->flinfo->fn_expr))
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		fcinfo->flinfo->fn_extra = calibration = mlops_calibration_from_jsonb(PG_GETARG_JSONB_P(0));
		MemoryContextSwitchTo(old);
	}
	PG_RETURN_FLOAT8(mlops_calibrated(calibration, PG_GETARG_FLOAT8(1)));
}
