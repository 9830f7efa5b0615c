/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  contributions(), explain() and reason_codes(): why a row has its score.
 *
 * What explaining needs beyond scoring (the arranged forest, room for the
 * contributions, the registered reasons) is found out once per statement and
 * kept with the scorer of the call site.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/tuplestore.h"

#include "errors.h"
#include "registry/privilege.h"
#include "scoring/explainer.h"
#include "scoring/scorer.h"

PG_FUNCTION_INFO_V1(mlops_contributions_row);
PG_FUNCTION_INFO_V1(mlops_contributions_array);
PG_FUNCTION_INFO_V1(mlops_contributions_jsonb);
PG_FUNCTION_INFO_V1(mlops_explain_row);
PG_FUNCTION_INFO_V1(mlops_explain_jsonb);
PG_FUNCTION_INFO_V1(mlops_reason_codes_row);
PG_FUNCTION_INFO_V1(mlops_reason_codes_jsonb);

/* what the name of the base value's row is */
#define BASE_NAME	"(base)"

/* which contributions are wanted */
typedef enum Direction
{
	DIRECTION_DOWN = -1,
	DIRECTION_BOTH = 0,
	DIRECTION_UP = 1
} Direction;

/* what a text was registered for */
typedef enum ReasonKind
{
	REASON_UP,					/* the feature raised the score */
	REASON_DOWN,
	REASON_MISSING				/* its value was missing, whatever that did */
} ReasonKind;

static const char *const reason_kinds[] = {"up", "down", "missing"};

typedef struct ReasonKey
{
	int			feature;
	ReasonKind	kind;
} ReasonKey;

typedef struct Reason
{
	ReasonKey	key;
	char	   *text;
} Reason;

/* kept with a scorer */
typedef struct Explainer
{
	const MlopsShap *shap;
	void	   *scratch;
	double	   *values;			/* a contribution per feature, and the base value */
	int		   *order;			/* room for the number of each feature */
	HTAB	   *reasons;		/* NULL until they are read, or if there are none */
	bool		reasons_read;
} Explainer;

/*
 * The explainer of a call site, made at the first row of a statement.
 */
static Explainer *
get_explainer(MlopsScorer *scorer)
{
	Explainer  *explainer = scorer->extra;
	MemoryContext old;
	int			num_features = scorer->model->info.num_features;

	if (explainer != NULL)
		return explainer;
	old = MemoryContextSwitchTo(scorer->context);
	explainer = palloc0(sizeof(Explainer));
	explainer->shap = mlops_explainer_hold(scorer->model, scorer->sha256, scorer->context);
	explainer->scratch = MemoryContextAllocHuge(scorer->context, mlops_shap_scratch_size(explainer->shap));
	explainer->values = palloc(mul_size(sizeof(double), add_size(num_features, 1)));
	explainer->order = palloc(mul_size(sizeof(int), Max(num_features, 1)));
	MemoryContextSwitchTo(old);
	scorer->extra = explainer;
	return explainer;
}

/*
 * The margin that a class, or a target by its number, stands for.  Without one
 * the class that would be predicted.
 */
static int
choose_margin(const MlopsScorer *scorer, const char *class)
{
	const MlopsModel *model = scorer->model;
	int			count = model->info.num_groups;
	bool		classes = model->info.task == MLOPS_TASK_MULTICLASS;
	int			chosen = 0;

	if (class == NULL)
	{
		if (count > 1 && !classes)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_WRONG_TASK),
					 errmsg("version %d of model \"%s\" has %d targets", model->version, model->name, count),
					 errhint("Choose one by its number, from class => '0' to class => '%d'.", count - 1)));
		for (int i = 1; i < count; i++)
			if (mlops_scorer_value(scorer, margins, i) > mlops_scorer_value(scorer, margins, chosen))
				chosen = i;
		return chosen;
	}

	if (count == 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version %d of model \"%s\" has no classes to choose from", model->version, model->name),
				 errhint("It has one margin: what raises it is direction => 'up', what lowers it 'down'.")));
	for (int i = 0; i < count; i++)
	{
		char		number[12];

		snprintf(number, sizeof(number), "%d", i);
		if (strcmp(class, i < model->num_classes ? model->classes[i] : number) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("version %d of model \"%s\" has no class \"%s\"", model->version, model->name, class),
			 errhint("The classes are in mlops.versions; those without names have their numbers, from 0.")));
	return 0;					/* keep compiler quiet */
}

/*
 * Read the row and compute its contributions to one margin.  The arguments 0
 * and 1, not NULL, are the reference and the row; class_argument is the number
 * of the argument that has the class.
 */
static Explainer *
explain(FunctionCallInfo fcinfo, MlopsInput input, int privilege, int class_argument,
		MlopsScorer **scorer_used)
{
	MlopsScorer *scorer = mlops_scorer_read(fcinfo, input, privilege, MLOPS_USE_EXPLAIN);
	const MlopsModel *model = scorer->model;
	Explainer  *explainer;
	const char *class = PG_ARGISNULL(class_argument) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(class_argument));
	MlopsForestError error;
	int			margin;

	explainer = get_explainer(scorer);
	mlops_scorer_margin(scorer);
	margin = choose_margin(scorer, class);
	if (!mlops_shap_contributions(explainer->shap, model->forest, scorer->vector, margin,
								  mlops_scorer_value(scorer, margins, margin), explainer->scratch, mlops_forest_env(),
								  explainer->values, &error))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("contributions of version %d of model \"%s\" do not add up to its margin",
						model->version, model->name),
				 errdetail("For this row %s.", error.message)));
	mlops_scorer_done(scorer);
	*scorer_used = scorer;
	return explainer;
}

/*
 * The contributions of all features in the order of the signature, then
 * the base value.
 */
static Datum
contributions(FunctionCallInfo fcinfo, MlopsInput input)
{
	MlopsScorer *scorer;
	Explainer  *explainer;
	Datum	   *datums;
	int			count;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	explainer = explain(fcinfo, input, MLOPS_READ, 2, &scorer);
	count = scorer->model->info.num_features + 1;
	datums = palloc(mul_size(sizeof(Datum), count));
	for (int i = 0; i < count; i++)
		datums[i] = Float8GetDatum(explainer->values[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(datums, count, FLOAT8OID, sizeof(float8),
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

Datum
mlops_contributions_row(PG_FUNCTION_ARGS)
{
	return contributions(fcinfo, MLOPS_INPUT_ROW);
}

Datum
mlops_contributions_array(PG_FUNCTION_ARGS)
{
	return contributions(fcinfo, MLOPS_INPUT_ARRAY);
}

Datum
mlops_contributions_jsonb(PG_FUNCTION_ARGS)
{
	return contributions(fcinfo, MLOPS_INPUT_JSONB);
}

/*
 * qsort_arg comparator of features by their contributions: the largest first,
 * of equal ones the first in the signature.
 */
static int
compare_features(const void *a, const void *b, void *arg)
{
	const double *values = arg;
	int			i = *(const int *) a;
	int			k = *(const int *) b;
	double		x = fabs(values[i]);
	double		y = fabs(values[k]);

	if (x != y)
		return x > y ? -1 : 1;
	return i < k ? -1 : 1;
}

/*
 * Put the features that contribute in a direction in order; how many there
 * are.
 */
static int
order_features(Explainer *explainer, int num_features, Direction direction)
{
	int			count = 0;

	for (int i = 0; i < num_features; i++)
	{
		double		value = explainer->values[i];

		if (direction == DIRECTION_BOTH ? value != 0 : value * direction > 0)
			explainer->order[count++] = i;
	}
	qsort_arg(explainer->order, count, sizeof(int), compare_features, explainer->values);
	return count;
}

/*
 * Read what is registered for the features of a model, by the rights of the
 * extension's owner: who may explain may see it.
 */
static void
read_reasons(MlopsScorer *scorer, Explainer *explainer)
{
	const MlopsSignature *signature = scorer->model->signature;
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(scorer->model->name)};
	Oid			save_user;
	int			save_context;
	HASHCTL		ctl = {0};
	MlopsDictionary *numbers;

	explainer->reasons_read = true;
	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(mlops_owner(), save_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute_with_args("SELECT r.feature, r.direction, r.text FROM mlops.reason_text r"
							  " JOIN mlops.model m ON m.id OPERATOR(pg_catalog.=) r.model_id"
							  " WHERE m.name OPERATOR(pg_catalog.=) $1",
							  1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the reasons of a model");
	if (SPI_processed > 0)
	{
		/* features by name, in SPI's memory; their codes are their numbers */
		numbers = mlops_dictionary_create();
		for (int i = 0; i < signature->num_features; i++)
			mlops_dictionary_add(numbers, signature->features[i].name, strlen(signature->features[i].name));

		ctl.keysize = sizeof(ReasonKey);
		ctl.entrysize = sizeof(Reason);
		ctl.hcxt = scorer->context;
		explainer->reasons = hash_create("mlops reasons", SPI_processed, &ctl,
										 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			HeapTuple	tuple = SPI_tuptable->vals[row];
			TupleDesc	desc = SPI_tuptable->tupdesc;
			char	   *name = SPI_getvalue(tuple, desc, 1);
			char	   *word = SPI_getvalue(tuple, desc, 2);
			ReasonKey	key = {.feature = mlops_dictionary_lookup(numbers, name, strlen(name))};
			Reason	   *reason;

			CHECK_FOR_INTERRUPTS();
			if (key.feature < 0)
				continue;		/* of another version */
			while (key.kind < REASON_MISSING && strcmp(word, reason_kinds[key.kind]) != 0)
				key.kind++;
			reason = hash_search(explainer->reasons, &key, HASH_ENTER, NULL);
			reason->text = MemoryContextStrdup(scorer->context, SPI_getvalue(tuple, desc, 3));
		}
	}
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
}

/*
 * Was a value of the row missing, or a category that the model does not know?
 */
static bool
is_missing(const MlopsScorer *scorer, int feature)
{
	return scorer->model->info.wide ? isnan(((const double *) scorer->vector)[feature]) :
		isnan(((const float *) scorer->vector)[feature]);
}

/*
 * The text that is registered for what a feature did, or NULL.  What is said
 * of a value that is too high or too low would not be true of none.
 */
static const char *
reason_text(MlopsScorer *scorer, Explainer *explainer, int feature)
{
	ReasonKey	key = {feature, explainer->values[feature] > 0 ? REASON_UP : REASON_DOWN};
	Reason	   *reason;

	if (is_missing(scorer, feature))
		key.kind = REASON_MISSING;
	if (!explainer->reasons_read)
		read_reasons(scorer, explainer);
	if (explainer->reasons == NULL)
		return NULL;
	reason = hash_search(explainer->reasons, &key, HASH_FIND, NULL);
	return reason == NULL ? NULL : reason->text;
}

/*
 * The value of a feature in the row of the present call as text, or NULL.
 */
static char *
row_value(const MlopsScorer *scorer, int feature)
{
	const MlopsBinding *binding = scorer->binding;
	int			attribute = binding->columns[feature].attribute;
	Oid			output;
	bool		is_varlena;

	if (attribute < 0 || binding->nulls[attribute])
		return NULL;
	getTypeOutputInfo(TupleDescAttr(binding->desc, attribute)->atttypid, &output, &is_varlena);
	return OidOutputFunctionCall(output, binding->values[attribute]);
}

/*
 * The same of a JSON object.
 */
static char *
json_value(const MlopsScorer *scorer, Jsonb *json, int feature)
{
	const char *name = scorer->model->signature->features[feature].name;
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&json->root, name, strlen(name), &buffer);

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
 * A direction by its word.  Error for another word, or for "both" where that
 * is no direction.
 */
static Direction
read_direction(FunctionCallInfo fcinfo, int argument, bool both)
{
	const char *word = PG_ARGISNULL(argument) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(argument));

	if (strcmp(word, "up") == 0)
		return DIRECTION_UP;
	if (strcmp(word, "down") == 0)
		return DIRECTION_DOWN;
	if (both && strcmp(word, "both") == 0)
		return DIRECTION_BOTH;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown direction \"%s\"", word),
			 both ? errhint("Directions are up, down and both.") :
			 errhint("Directions are up, which is towards the positive class, and down.")));
	return DIRECTION_BOTH;		/* keep compiler quiet */
}

/*
 * A greatest number of rows; NULL is no limit.
 */
static int
read_limit(FunctionCallInfo fcinfo, int argument, const char *name)
{
	int			limit;

	if (PG_ARGISNULL(argument))
		return PG_INT32_MAX;
	limit = PG_GETARG_INT32(argument);
	if (limit < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be at least 1", name),
				 errhint("NULL is no limit.")));
	return limit;
}

/*
 * explain(model, row, top, direction, class).
 */
static Datum
explain_rows(FunctionCallInfo fcinfo, MlopsInput input)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[5];
	bool		nulls[5] = {false, false, true, false, true};
	MlopsScorer *scorer;
	Explainer  *explainer;
	Direction	direction;
	int			top;
	int			count;
	Jsonb	   *json = NULL;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	top = read_limit(fcinfo, 2, "top");
	direction = read_direction(fcinfo, 3, true);
	explainer = explain(fcinfo, input, MLOPS_READ, 4, &scorer);
	if (input == MLOPS_INPUT_JSONB)
		json = PG_GETARG_JSONB_P(1);

	count = order_features(explainer, scorer->model->info.num_features, direction);
	values[0] = Int32GetDatum(0);
	values[1] = CStringGetTextDatum(BASE_NAME);
	values[3] = Float8GetDatum(explainer->values[scorer->model->info.num_features]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	for (int i = 0; i < count && i < top; i++)
	{
		int			feature = explainer->order[i];
		double		contribution = explainer->values[feature];
		char	   *value = json == NULL ? row_value(scorer, feature) : json_value(scorer, json, feature);
		const char *reason = reason_text(scorer, explainer, feature);

		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(i + 1);
		values[1] = CStringGetTextDatum(scorer->model->signature->features[feature].name);
		nulls[2] = value == NULL;
		if (value != NULL)
			values[2] = CStringGetTextDatum(value);
		values[3] = Float8GetDatum(contribution);
		nulls[4] = reason == NULL;
		if (reason != NULL)
			values[4] = CStringGetTextDatum(reason);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

Datum
mlops_explain_row(PG_FUNCTION_ARGS)
{
	return explain_rows(fcinfo, MLOPS_INPUT_ROW);
}

Datum
mlops_explain_jsonb(PG_FUNCTION_ARGS)
{
	return explain_rows(fcinfo, MLOPS_INPUT_JSONB);
}

/*
 * reason_codes(model, row, n, adverse, class).
 */
static Datum
reason_codes(FunctionCallInfo fcinfo, MlopsInput input)
{
	MlopsScorer *scorer;
	Explainer  *explainer;
	Direction	adverse;
	int			limit;
	int			count;
	int			num_given = 0;
	const char **given;
	Datum	   *datums;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	limit = read_limit(fcinfo, 2, "n");
	adverse = read_direction(fcinfo, 3, false);
	explainer = explain(fcinfo, input, MLOPS_SCORE, 4, &scorer);

	count = order_features(explainer, scorer->model->info.num_features, adverse);
	given = palloc(mul_size(sizeof(char *), Max(count, 1)));
	for (int i = 0; i < count && num_given < limit; i++)
	{
		int			feature = explainer->order[i];
		const char *text = reason_text(scorer, explainer, feature);
		int			same = 0;

		CHECK_FOR_INTERRUPTS();
		if (text == NULL)
			text = scorer->model->signature->features[feature].name;

		/* a text can stand for several features: it is given once */
		while (same < num_given && strcmp(given[same], text) != 0)
			same++;
		if (same == num_given)
			given[num_given++] = text;
	}

	datums = palloc(mul_size(sizeof(Datum), Max(num_given, 1)));
	for (int i = 0; i < num_given; i++)
		datums[i] = CStringGetTextDatum(given[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(datums, num_given, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
mlops_reason_codes_row(PG_FUNCTION_ARGS)
{
	return reason_codes(fcinfo, MLOPS_INPUT_ROW);
}

Datum
mlops_reason_codes_jsonb(PG_FUNCTION_ARGS)
{
	return reason_codes(fcinfo, MLOPS_INPUT_JSONB);
}
