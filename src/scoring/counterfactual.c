/*-------------------------------------------------------------------------
 *
 * counterfactual.c
 *	  counterfactual(): the least change of a row that takes its score across
 *	  a threshold.
 *
 * What may change to which values is changes.c's, the search is the engine's
 * (forest/nearest.c).  Before an answer is given, the changed row is converted
 * and scored as any other row: what is shown is what predict() would give.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "errors.h"
#include "mlops.h"
#include "registry/privilege.h"
#include "scoring/changes.h"
#include "scoring/scorer.h"

PG_FUNCTION_INFO_V1(mlops_counterfactual_row);
PG_FUNCTION_INFO_V1(mlops_counterfactual_jsonb);

/* the arguments after the row */
enum
{
	ARG_CHANGEABLE = 2,
	ARG_THRESHOLD,
	ARG_DIRECTION,
	ARG_CLASS,
	ARG_MAX_CHANGES,
	ARG_RULES,
	ARG_BUDGET
};

/* one call */
typedef struct Call
{
	FunctionCallInfo fcinfo;
	MlopsScorer *scorer;
	const MlopsModel *model;
	Jsonb	   *json;			/* the row, unless it is one */
	MlopsNearest nearest;
	MlopsChange *changes;		/* per option */
} Call;

/* how the reference to a version is written in messages */
#define VERSION_FMT			"version %d of model \"%s\""
#define VERSION_ARGS(model)	(model)->version, (model)->name

/*
 * Error unless the model has what is searched.
 */
static void
check_model(const MlopsModel *model)
{
	if (!mlops_nearest_possible(model->forest))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_UNSUPPORTED_ARTIFACT),
				 errmsg(VERSION_FMT " has no counterfactuals", VERSION_ARGS(model)),
				 errdetail("It is a %s.  Counterfactuals are of models whose features have thresholds only.",
						   model->info.wide ? "model of linear trees" : "linear model")));
	if (model->info.num_groups > 1 && model->info.task != MLOPS_TASK_MULTICLASS)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_WRONG_TASK),
				 errmsg(VERSION_FMT " has no counterfactuals", VERSION_ARGS(model)),
				 errdetail("It has %d targets; counterfactuals are of models with one.", model->info.num_groups)));
}

/*
 * The class that is wanted, by its name or number.
 */
static int
read_class(const Call *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	const MlopsModel *model = call->model;
	char	   *class;

	if (PG_ARGISNULL(ARG_CLASS))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a counterfactual of " VERSION_FMT " needs the class that is wanted", VERSION_ARGS(model)),
				 errhint("Give it as class => 'name'; the classes are in mlops.versions, those without names have their numbers, from 0.")));
	class = text_to_cstring(PG_GETARG_TEXT_PP(ARG_CLASS));
	for (int i = 0; i < model->info.num_groups; i++)
	{
		char		number[12];

		snprintf(number, sizeof(number), "%d", i);
		if (strcmp(class, i < model->num_classes ? model->classes[i] : number) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(VERSION_FMT " has no class \"%s\"", VERSION_ARGS(model), class),
			 errhint("The classes are in mlops.versions; those without names have their numbers, from 0.")));
	return 0;					/* keep compiler quiet */
}

/*
 * The score of a row from its margins: what predict() gives, or of a model of
 * several classes the probability of the wanted one.
 */
static double
score_of(const Call *call)
{
	MlopsScorer *scorer = call->scorer;
	const MlopsModel *model = call->model;

	if (call->nearest.class >= 0 && !model->info.wide)
	{
		float	   *probabilities = palloc(mul_size(sizeof(float), model->info.num_groups));

		mlops_forest_softmax(scorer->margins, model->info.num_groups, probabilities);
		return probabilities[call->nearest.class];
	}
	if (call->nearest.class < 0)
		return mlops_scorer_prediction(scorer);
	mlops_scorer_transform(scorer);
	return mlops_scorer_value(scorer, outputs, call->nearest.class);
}

/* what the calibration of a version makes of a margin */
static double
calibrated_score(const void *calibration, double margin)
{
	return mlops_calibrated(calibration, margin);
}

/*
 * Read what is wanted, and the score of the row as it is.
 */
static double
read_goal(Call *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	const MlopsModel *model = call->model;
	MlopsNearest *nearest = &call->nearest;
	const char *direction = PG_ARGISNULL(ARG_DIRECTION) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(ARG_DIRECTION));
	double		score;

	if (direction != NULL && strcmp(direction, "up") != 0 && strcmp(direction, "down") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown direction \"%s\"", direction),
				 errhint("Directions are up, to a score of at least the threshold, and down, below it.")));
	if (model->info.task == MLOPS_TASK_MULTICLASS)
	{
		nearest->class = read_class(call);
		if (direction != NULL || !PG_ARGISNULL(ARG_THRESHOLD))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a counterfactual of " VERSION_FMT " has no threshold and no direction", VERSION_ARGS(model)),
					 errdetail("The changed row is one that predict_class gives the wanted class.")));
		mlops_scorer_margin(call->scorer);
		return score_of(call);
	}

	nearest->class = -1;
	if (!PG_ARGISNULL(ARG_CLASS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(VERSION_FMT " has no classes to choose from", VERSION_ARGS(model)),
				 errhint("Say on which side of the threshold the score is wanted: direction => 'up' or 'down'.")));
	if (!PG_ARGISNULL(ARG_THRESHOLD))
		nearest->threshold = PG_GETARG_FLOAT8(ARG_THRESHOLD);
	else if (model->info.task == MLOPS_TASK_BINARY)
		/* where predict_class() changes */
		nearest->threshold = mlops_scorer_threshold(call->scorer);
	else
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a counterfactual of " VERSION_FMT " needs a threshold", VERSION_ARGS(model)),
				 errhint("Give the score that is to be crossed as threshold => number.")));
	if (isnan(nearest->threshold))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold cannot be NaN")));
	mlops_scorer_margin(call->scorer);
	score = score_of(call);
	nearest->up = direction != NULL ? strcmp(direction, "up") == 0 : !(score >= nearest->threshold);
	return score;
}

/*
 * Which features may change.  Error for a name that the model does not have.
 */
static bool *
read_changeable(const Call *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	const MlopsSignature *signature = call->model->signature;
	bool	   *changeable = palloc0(mul_size(sizeof(bool), Max(signature->num_features, 1)));
	Datum	   *names;
	bool	   *nulls;
	int			count;

	if (PG_ARGISNULL(ARG_CHANGEABLE))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a counterfactual needs the features that may change"),
				 errhint("Give their names as an array: changeable => '{income,amount}'.")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(ARG_CHANGEABLE), TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = nulls[i] ? NULL : TextDatumGetCString(names[i]);
		int			feature = 0;

		CHECK_FOR_INTERRUPTS();
		if (name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("the name of a feature that may change is NULL")));
		while (feature < signature->num_features && strcmp(signature->features[feature].name, name) != 0)
			feature++;
		if (feature == signature->num_features)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg(VERSION_FMT " has no feature \"%s\"", VERSION_ARGS(call->model), name),
					 errhint("mlops.bind() shows the features of a version.")));
		changeable[feature] = true;
	}
	return changeable;
}

/*
 * An integer that must be within limits.
 */
static int
read_integer(const Call *call, int argument, const char *name, int most)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	int			value = PG_ARGISNULL(argument) ? 0 : PG_GETARG_INT32(argument);

	if (value < 1 || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be from 1 to %d", name, most)));
	return value;
}

/*
 * The member of the JSON object that a feature reads, as text, or NULL.
 */
static char *
json_text(const Call *call, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&call->json->root, name, strlen(name), &buffer);

	if (value == NULL)
		return NULL;
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

/*
 * What a feature has now: its column's type, and its number as precisely as it
 * is there.
 */
static void
describe_present(const Call *call, int feature, MlopsConversion conversion, double read, MlopsChange *change)
{
	const MlopsFeature *f = &call->model->signature->features[feature];

	change->feature = feature;
	change->conversion = conversion;
	change->type = InvalidOid;
	change->typmod = -1;
	change->present = read;
	if (call->json == NULL)
	{
		const MlopsBinding *binding = call->scorer->binding;
		int			attribute = binding->columns[feature].attribute;
		Form_pg_attribute column = TupleDescAttr(binding->desc, attribute);

		change->typmod = column->atttypmod;
		change->type = getBaseTypeAndTypmod(column->atttypid, &change->typmod);
		if (!isnan(read) && !MlopsConversionIsCategory(conversion))
			change->present = mlops_convert_number64(conversion, binding->values[attribute]);
	}
	else if (!isnan(read) && f->kind != MLOPS_KIND_CATEGORICAL)
	{
		JsonbValue	buffer;
		JsonbValue *value = getKeyJsonValueFromContainer(&call->json->root, f->name, strlen(f->name), &buffer);

		if (value->type == jbvNumeric)
			change->present = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
																 NumericGetDatum(value->val.numeric)));
		else if (value->type == jbvBool)
			change->conversion = MLOPS_CONVERT_BOOL;
	}
}

/*
 * Find what may change, and to what.
 */
static void
make_options(Call *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	const MlopsModel *model = call->model;
	const MlopsSignature *signature = model->signature;
	int			count = Max(signature->num_features, 1);
	bool	   *changeable = read_changeable(call);
	MlopsConversion *conversions = palloc(mul_size(sizeof(MlopsConversion), count));
	int		   *features = palloc(mul_size(sizeof(int), count));
	MlopsCells *cells = palloc(mul_size(sizeof(MlopsCells), count));
	MlopsOption *options = palloc(mul_size(sizeof(MlopsOption), count));
	MlopsChangeRule *rules;
	int			num_features = 0;

	for (int i = 0; i < signature->num_features; i++)
	{
		conversions[i] = call->json == NULL ? call->scorer->binding->columns[i].conversion :
			mlops_conversion_of_type_name(&signature->features[i]);
		if (changeable[i] && call->json == NULL && call->scorer->binding->columns[i].attribute < 0)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_BINDING),
					 errmsg("feature \"%s\" cannot change, as the row has no column of this name",
							signature->features[i].name)));
		if (changeable[i] && model->used[i])
			features[num_features++] = i;
	}
	rules = mlops_change_rules(signature, PG_ARGISNULL(ARG_RULES) ? NULL : PG_GETARG_JSONB_P(ARG_RULES), conversions);
	if (!mlops_cells_create(model->forest, features, num_features, mlops_forest_env(), cells))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));

	call->changes = palloc(mul_size(sizeof(MlopsChange), count));
	call->nearest.options = options;
	for (int i = 0; i < num_features; i++)
	{
		MlopsChange *change = &call->changes[call->nearest.num_options];
		double		read = mlops_scorer_value(call->scorer, vector, features[i]);

		if (model->info.wide)
			read = mlops_forest_reads(model->forest, read);
		describe_present(call, features[i], conversions[features[i]], read, change);
		mlops_change_choices(model, &cells[i], &rules[features[i]], read, change);
		if (change->num_choices > 0)
			options[call->nearest.num_options++] =
				(MlopsOption) {features[i], change->num_choices, change->choices};
	}
}

/*
 * The changed row as the model reads it, converted from SQL values as any row;
 * in the vector of the scorer.
 */
static void
convert_changed(const Call *call, const Datum *values, const bool *nulls)
{
	const MlopsNearest *nearest = &call->nearest;
	MlopsScorer *scorer = call->scorer;
	MlopsReader reader = scorer->reader;
	MlopsCounts counts = {0};	/* the row was counted when it was read */

	reader.counts = &counts;
	if (call->json == NULL)
	{
		const MlopsBinding *binding = scorer->binding;
		NullableDatum *columns = palloc(mul_size(sizeof(NullableDatum), Max(binding->desc->natts, 1)));

		for (int i = 0; i < binding->desc->natts; i++)
			columns[i] = (NullableDatum) {binding->values[i], binding->nulls[i]};
		for (int i = 0; i < nearest->num_changes; i++)
		{
			int			feature = call->changes[nearest->options_taken[i]].feature;

			columns[binding->columns[feature].attribute] = (NullableDatum) {values[i], nulls[i]};
		}
		mlops_vector_from_columns(&reader, binding, columns, scorer->vector);
	}
	else
	{
		JsonbParseState *state = NULL;
		JsonbValue *object;

		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		for (int i = 0; i < nearest->num_changes; i++)
		{
			const MlopsChange *change = &call->changes[nearest->options_taken[i]];
			char	   *name = call->model->signature->features[change->feature].name;
			JsonbValue	member = {.type = jbvString};

			member.val.string.val = name;
			member.val.string.len = strlen(name);
			pushJsonbValue(&state, WJB_KEY, &member);
			if (nulls[i])
				member.type = jbvNull;
			else if (change->conversion == MLOPS_CONVERT_BOOL)
			{
				member.type = jbvBool;
				member.val.boolean = DatumGetBool(values[i]);
			}
			else
			{
				member.val.string.val = mlops_change_text(change, values[i]);
				member.val.string.len = strlen(member.val.string.val);
				if (mlops_change_type(change) != TEXTOID && mlops_change_type(change) != DATEOID &&
					mlops_change_type(change) != TIMESTAMPOID)
				{
					member.type = jbvNumeric;
					member.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in,
																			 CStringGetDatum(member.val.string.val),
																			 ObjectIdGetDatum(InvalidOid),
																			 Int32GetDatum(-1)));
				}
			}
			pushJsonbValue(&state, WJB_VALUE, &member);
		}
		object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
		mlops_vector_from_jsonb(&reader, call->json, JsonbValueToJsonb(object), scorer->vector);
	}
}

/* put one row of the result */
static void
put_row(const Call *call, const char *status, int change, const Datum *value, bool isnull,
		double before, double after, bool proven)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[8] = {0};
	bool		nulls[8] = {false, true, true, true, true, false, true, false};

	values[0] = CStringGetTextDatum(status);
	values[5] = Float8GetDatum(before);
	values[7] = BoolGetDatum(proven);
	if (!isnan(after))
	{
		values[6] = Float8GetDatum(after);
		nulls[6] = false;
	}
	if (change >= 0)
	{
		const MlopsNearest *nearest = &call->nearest;
		const MlopsChange *c = &call->changes[nearest->options_taken[change]];
		int			choice = nearest->choices_taken[change];
		const char *name = call->model->signature->features[c->feature].name;
		char	   *old;

		if (call->json != NULL)
			old = json_text(call, name);
		else
		{
			const MlopsBinding *binding = call->scorer->binding;
			int			attribute = binding->columns[c->feature].attribute;

			old = binding->nulls[attribute] ? NULL : mlops_change_text(c, binding->values[attribute]);
		}
		values[1] = CStringGetTextDatum(name);
		nulls[1] = false;
		nulls[2] = old == NULL;
		if (old != NULL)
			values[2] = CStringGetTextDatum(old);
		nulls[3] = isnull;
		if (!isnull)
			values[3] = CStringGetTextDatum(mlops_change_text(c, *value));
		nulls[4] = isnull || isnan(c->present) || MlopsConversionIsCategory(c->conversion);
		if (!nulls[4])
			values[4] = Float8GetDatum(c->values[choice].value - c->present);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * Show what was found, after scoring the changed row as any row is scored.
 */
static void
put_found(Call *call, double before)
{
	MlopsNearest *nearest = &call->nearest;
	MlopsScorer *scorer = call->scorer;
	Datum		values[MLOPS_MAX_CHANGES];
	bool		nulls[MLOPS_MAX_CHANGES];
	double		after;

	for (int i = 0; i < nearest->num_changes; i++)
	{
		const MlopsChange *change = &call->changes[nearest->options_taken[i]];
		int			choice = nearest->choices_taken[i];

		nulls[i] = isnan(change->choices[choice].value);
		values[i] = nulls[i] ? (Datum) 0 : mlops_change_value(call->model, change, choice);
	}
	convert_changed(call, values, nulls);
	if (!mlops_nearest_reached(nearest, scorer->scratch))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("counterfactual of " VERSION_FMT " does not score as the search found", VERSION_ARGS(call->model))));
	mlops_scorer_margin(scorer);
	after = score_of(call);
	for (int i = 0; i < nearest->num_changes; i++)
		put_row(call, "found", i, &values[i], nulls[i], before, after, nearest->proven);
}

/*
 * counterfactual(model, row, changeable, threshold, direction, class,
 * max_changes, rules, budget).
 */
static Datum
counterfactual(FunctionCallInfo fcinfo, MlopsInput input)
{
	Call		state = {fcinfo};
	Call	   *call = &state;
	MlopsForestError error;
	double		score;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	call->scorer = mlops_scorer_read(fcinfo, input, MLOPS_READ, MLOPS_USE_EXPLAIN);
	call->model = call->scorer->model;
	call->json = input == MLOPS_INPUT_JSONB ? PG_GETARG_JSONB_P(1) : NULL;
	check_model(call->model);
	call->nearest.forest = call->model->forest;
	call->nearest.row = call->scorer->vector;
	if (call->model->calibration != NULL)
	{
		call->nearest.score = calibrated_score;
		call->nearest.score_arg = call->model->calibration;
	}
	call->nearest.max_changes = read_integer(call, ARG_MAX_CHANGES, "max_changes", MLOPS_MAX_CHANGES);
	call->nearest.budget = read_integer(call, ARG_BUDGET, "budget", PG_INT32_MAX);
	score = read_goal(call);
	make_options(call);

	if (mlops_nearest_reached(&call->nearest, call->scorer->scratch))
		put_row(call, "unneeded", -1, NULL, true, score, score, true);
	else
	{
		if (!mlops_nearest_find(&call->nearest, mlops_forest_env(), &error))
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory")));
		if (call->nearest.result == MLOPS_NEAREST_FOUND)
			put_found(call, score);
		else
			put_row(call, call->nearest.result == MLOPS_NEAREST_NONE ? "impossible" : "unknown", -1, NULL, true,
					score, get_float8_nan(), call->nearest.proven);
	}
	mlops_scorer_done(call->scorer);
	return (Datum) 0;
}

Datum
mlops_counterfactual_row(PG_FUNCTION_ARGS)
{
	return counterfactual(fcinfo, MLOPS_INPUT_ROW);
}

Datum
mlops_counterfactual_jsonb(PG_FUNCTION_ARGS)
{
	return counterfactual(fcinfo, MLOPS_INPUT_JSONB);
}
