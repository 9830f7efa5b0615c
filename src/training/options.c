/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The arguments of mlops.train, checked and in their parts.
 *
 * What can be refused without a look at the data is refused here, before the
 * query runs.  What libxgboost alone can judge, a depth of -1 or a name that
 * it does not know, passes and comes back in its own words.
 *
 * Everything lives in the memory context that is current at the call.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "guc.h"
#include "training/client.h"
#include "training/options.h"

/* share of the rows that watches over early stopping if split does not say */
#define IMPLIED_VALIDATION	0.1

/* most rounds of one training */
#define MAX_ROUNDS			100000

/* largest share of the rows that a part other than training may take */
#define MAX_SHARE			0.9

/*
 * The objectives whose models can be scored, by their label.
 */
static const struct
{
	const char *name;
	MlopsFamily family;
}			objectives[] = {
	{"reg:squarederror", MLOPS_FAMILY_REGRESSION},
	{"reg:squaredlogerror", MLOPS_FAMILY_REGRESSION},
	{"reg:logistic", MLOPS_FAMILY_REGRESSION},
	{"reg:pseudohubererror", MLOPS_FAMILY_REGRESSION},
	{"reg:absoluteerror", MLOPS_FAMILY_REGRESSION},
	{"reg:gamma", MLOPS_FAMILY_REGRESSION},
	{"reg:tweedie", MLOPS_FAMILY_REGRESSION},
	{"count:poisson", MLOPS_FAMILY_REGRESSION},
	{"binary:logistic", MLOPS_FAMILY_BINARY},
	{"binary:logitraw", MLOPS_FAMILY_BINARY},
	{"binary:hinge", MLOPS_FAMILY_BINARY},
	{"multi:softprob", MLOPS_FAMILY_MULTICLASS},
	{"multi:softmax", MLOPS_FAMILY_MULTICLASS},
};

/*
 * The parameters that are not the user's to pass, and what to use instead.
 */
static const struct
{
	const char *name;
	const char *hint;
}			reserved_params[] = {
	{"num_class", "The number of classes is that of the label's values."},
	{"seed", "Use the argument seed of mlops.train."},
	{"random_state", "Use the argument seed of mlops.train."},
	{"nthread", "The setting mlops.train_threads says how many threads a training uses."},
	{"n_jobs", "The setting mlops.train_threads says how many threads a training uses."},
	{"verbosity", "What the library warns of is always reported."},
	{"silent", "What the library warns of is always reported."},
	{"num_boost_round", "Use the argument rounds of mlops.train."},
	{"num_round", "Use the argument rounds of mlops.train."},
	{"nrounds", "Use the argument rounds of mlops.train."},
	{"n_estimators", "Use the argument rounds of mlops.train."},
	{"early_stopping_rounds", "Use the argument early_stopping_rounds of mlops.train."},
	{"device", "Training uses the processors of the server and nothing else."},
	{"gpu_id", "Training uses the processors of the server and nothing else."},
	{"n_gpus", "Training uses the processors of the server and nothing else."},
	{"predictor", "Training uses the processors of the server and nothing else."},
	{"feature_weights", "Weights of features are not supported."},
	{"feature_names", "Features have the names of the query's columns."},
	{"feature_types", "Features have the types of the query's columns."},
	{"enable_categorical", "Columns of text and enum types are always categorical."},
	{"missing", "NULL and NaN are missing values; use nullif() in the query to make others so."},
	{"process_type", "Training always starts from nothing."},
	{"validate_parameters", "Parameters are always validated."},
};

/*
 * A jsonb scalar as text; NULL for null, an array or an object.
 */
static char *
scalar_text(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

static bool
is_array(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data);
}

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

/*
 * The number of a jsonb value; false if it is none.
 */
static bool
number_value(const JsonbValue *value, double *number)
{
	if (value->type != jbvNumeric)
		return false;
	*number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												 NumericGetDatum(value->val.numeric)));
	return isfinite(*number);
}

/*
 * Append a parameter for the library.  Both strings are kept, not copied.
 */
static List *
add_param(List *params, char *name, char *value)
{
	MlopsParam *param = palloc(sizeof(MlopsParam));

	param->name = name;
	param->value = value;
	return lappend(params, param);
}

/*
 * The value of a parameter that the user gave, or NULL.
 */
static const char *
given_param(const MlopsTrainOptions *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options->params)
	{
		MlopsParam *param = lfirst(cell);

		if (strcmp(param->name, name) == 0)
			return param->value;
	}
	return NULL;
}

/*
 * Take the objective: the label has to fit it, and the engine has to know how
 * its models score.
 */
static void
set_objective(MlopsTrainOptions *options, const JsonbValue *value)
{
	StringInfoData known;

	options->objective = scalar_text(value);
	if (options->objective == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"objective\" must be a string")));

	if (strncmp(options->objective, "rank:", 5) == 0 ||
		strncmp(options->objective, "survival:", 9) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("objective \"%s\" is not supported", options->objective),
				 errdetail("This version trains regression, binary and multiclass models.")));

	initStringInfo(&known);
	for (int i = 0; i < (int) lengthof(objectives); i++)
	{
		if (strcmp(options->objective, objectives[i].name) == 0)
		{
			options->family = objectives[i].family;
			return;
		}
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", objectives[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown objective \"%s\"", options->objective),
			 errhint("The objectives are %s.", known.data)));
}

/*
 * Take one member of params.
 */
static void
set_param(MlopsTrainOptions *options, char *name, const JsonbValue *value)
{
	char	   *text = scalar_text(value);

	for (int i = 0; i < (int) lengthof(reserved_params); i++)
	{
		if (strcmp(name, reserved_params[i].name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("parameter \"%s\" cannot be given in params", name),
					 errhint("%s", reserved_params[i].hint)));
	}

	if (strcmp(name, "objective") == 0)
		set_objective(options, value);
	else if (strcmp(name, "monotone_constraints") == 0)
	{
		if (!is_object(value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("parameter \"monotone_constraints\" must be an object by name of feature"),
					 errhint("For example {\"income\": 1, \"age\": -1}.")));
		options->monotone = value->val.binary.data;
	}
	else if (strcmp(name, "interaction_constraints") == 0)
	{
		if (!is_array(value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("parameter \"interaction_constraints\" must be an array of arrays of names of features"),
					 errhint("For example [[\"income\", \"age\"], [\"amount\", \"duration\"]].")));
		options->interaction = value->val.binary.data;
	}
	else if (strcmp(name, "eval_metric") == 0 && is_array(value))
	{
		JsonbIterator *iterator = JsonbIteratorInit(value->val.binary.data);
		JsonbIteratorToken token;
		JsonbValue	item;

		while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
		{
			if (token != WJB_ELEM)
				continue;
			if (item.type != jbvString)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("parameter \"eval_metric\" must be a string or an array of strings")));
			options->params = add_param(options->params, name, scalar_text(&item));
		}
	}
	else if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" must be a string, a number or a boolean", name)));
	else if (strcmp(name, "booster") == 0 &&
			 strcmp(text, "gbtree") != 0 && strcmp(text, "dart") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("booster \"%s\" is not supported", text),
				 errdetail("This version trains models of trees, with the boosters gbtree and dart.")));
	else if (strncmp(text, "gpu_", 4) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("parameter \"%s\" cannot be \"%s\"", name, text),
				 errhint("Training uses the processors of the server and nothing else.")));
	else
		options->params = add_param(options->params, name, text);
}

/*
 * Take the arguments rounds and early_stopping_rounds.
 */
void
mlops_options_rounds(MlopsTrainOptions *options, int rounds, int early_stopping_rounds)
{
	if (rounds < 1 || rounds > MAX_ROUNDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rounds must be between 1 and %d", MAX_ROUNDS)));
	if (early_stopping_rounds < 0 || early_stopping_rounds > MAX_ROUNDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("early_stopping_rounds must be between 0 and %d", MAX_ROUNDS),
				 errhint("With 0, which is the default, all rounds are trained.")));
	options->rounds = rounds;
	options->early_stopping_rounds = early_stopping_rounds;
}

/*
 * Take the arguments that say how rows come into folds: at least so many, by at
 * most one column.
 */
void
mlops_options_folds(MlopsTrainOptions *options, MlopsFolds *folds, int count, int least,
					char *group_column, char *time_column, char *stratify_column)
{
	if (count < least || count >= MLOPS_FOLDS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("folds must be between %d and %d", least, MLOPS_FOLDS_MAX - 1)));
	if ((group_column != NULL) + (time_column != NULL) + (stratify_column != NULL) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("only one of group_column, time_column and stratify_column can be given")));
	folds->count = count;
	folds->kind = group_column != NULL ? MLOPS_FOLD_GROUP :
		time_column != NULL ? MLOPS_FOLD_TIME :
		stratify_column != NULL ? MLOPS_FOLD_STRATIFY : MLOPS_FOLD_HASH;
	folds->column = group_column != NULL ? group_column :
		time_column != NULL ? time_column : stratify_column;
	options->folds = folds;
}

/*
 * Take the argument params, an object.
 */
void
mlops_options_params(MlopsTrainOptions *options, Jsonb *params)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	if (!JB_ROOT_IS_OBJECT(params))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("params must be an object"),
				 errhint("For example '{\"max_depth\": 4, \"eta\": 0.1}'.")));

	iterator = JsonbIteratorInit(&params->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			set_param(options, name, &item);
	}
}

/*
 * Take the argument split.  Early stopping needs validation rows; if split has
 * no share for them, a default share goes from the training part, so that the
 * test part is the same with and without early stopping.
 */
void
mlops_options_split(MlopsTrainOptions *options, Jsonb *split)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;
	bool		has_validation = false;

	if (!JB_ROOT_IS_OBJECT(split))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("split must be an object"),
				 errhint("For example '{\"test\": 0.2, \"validation\": 0.1}', or '{}' to train with all rows.")));

	iterator = JsonbIteratorInit(&split->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		double		share;

		if (token == WJB_KEY)
		{
			name = pnstrdup(item.val.string.val, item.val.string.len);
			if (strcmp(name, "test") != 0 && strcmp(name, "validation") != 0 &&
				strcmp(name, "column") != 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("split has no part \"%s\"", name),
						 errhint("The parts are \"test\" and \"validation\"; all other rows are for training. Or \"column\" names a column that has the part of each row.")));
		}
		else if (token == WJB_VALUE && strcmp(name, "column") == 0)
		{
			if (item.type != jbvString || JB_ROOT_COUNT(split) != 1)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("\"column\" in split must be the name of a column, and stand alone"),
						 errhint("The column has train, validation, test or NULL for each row.")));
			options->part = pnstrdup(item.val.string.val, item.val.string.len);
		}
		else if (token == WJB_VALUE)
		{
			if (!number_value(&item, &share) || share < 0 || share > MAX_SHARE)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("the share of part \"%s\" in split must be a number from 0 to %g",
								name, MAX_SHARE)));
			if (strcmp(name, "test") == 0)
				options->test_share = share;
			else
			{
				options->validation_share = share;
				has_validation = share > 0;
			}
		}
	}

	if (options->early_stopping_rounds > 0 && !has_validation && options->part == NULL)
	{
		options->validation_share = IMPLIED_VALIDATION;
		options->validation_is_implied = true;
	}
	if (options->test_share + options->validation_share > 1 - 1e-9)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("split leaves no rows for training"),
				 errdetail("The test part has a share of %g, the validation part one of %g.",
						   options->test_share, options->validation_share),
				 options->validation_is_implied ?
				 errhint("Early stopping takes a validation part of %g if split does not give one.",
						 IMPLIED_VALIDATION) : 0));
}

/*
 * Take the argument class_weight: the string "balanced" or an object of
 * weights by class.
 */
void
mlops_options_class_weight(MlopsTrainOptions *options, Jsonb *class_weight)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	MlopsClassWeight *weight = NULL;

	if (JB_ROOT_IS_SCALAR(class_weight) &&
		JsonbExtractScalar(&class_weight->root, &item) &&
		item.type == jbvString &&
		item.val.string.len == strlen("balanced") &&
		memcmp(item.val.string.val, "balanced", strlen("balanced")) == 0)
	{
		options->balanced = true;
		return;
	}

	if (!JB_ROOT_IS_OBJECT(class_weight) || JB_ROOT_COUNT(class_weight) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("class_weight must be the string \"balanced\" or an object of weights by class"),
				 errhint("For example '\"balanced\"' or '{\"bad\": 5, \"good\": 1}'.")));

	iterator = JsonbIteratorInit(&class_weight->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			weight = palloc(sizeof(MlopsClassWeight));
			weight->class = pnstrdup(item.val.string.val, item.val.string.len);
			options->class_weights = lappend(options->class_weights, weight);
		}
		else if (token == WJB_VALUE)
		{
			if (!number_value(&item, &weight->weight) ||
				!isfinite((float) weight->weight) || (float) weight->weight <= 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("the weight of class \"%s\" must be a number above 0",
								weight->class)));
		}
	}
}

/*
 * Take the argument features, an array of names of columns.
 */
void
mlops_options_features(MlopsTrainOptions *options, ArrayType *features)
{
	Datum	   *names;
	bool	   *nulls;
	int			num_names;

	options->all_features = features == NULL;
	if (features == NULL)
		return;

	deconstruct_array(features, TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &num_names);
	for (int i = 0; i < num_names; i++)
	{
		ListCell   *cell;
		char	   *name;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("features cannot contain NULL")));
		name = TextDatumGetCString(names[i]);
		foreach(cell, options->features)
		{
			if (strcmp(lfirst(cell), name) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("features names column \"%s\" twice", name)));
		}
		options->features = lappend(options->features, name);
	}
}

/*
 * The position of a feature that a constraint names; error if there is none.
 */
static int
constrained_feature(const MlopsSignature *signature, const char *param,
					const JsonbValue *name)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < signature->num_features; i++)
	{
		const char *candidate = signature->features[i].name;

		if ((int) strlen(candidate) == name->val.string.len &&
			memcmp(candidate, name->val.string.val, name->val.string.len) == 0)
			return i;
		appendStringInfo(&known, "%s\"%s\"", i > 0 ? ", " : "", candidate);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("%s names a feature \"%.*s\" that the training does not have",
					param, name->val.string.len, name->val.string.val),
			 errhint("The features are %s.", known.data)));
}

/*
 * monotone_constraints by name as the library wants them, by position.
 */
static char *
monotone_text(JsonbContainer *constraints, const MlopsSignature *signature)
{
	int		   *directions = palloc0(sizeof(int) * signature->num_features);
	JsonbIterator *iterator = JsonbIteratorInit(constraints);
	JsonbIteratorToken token;
	JsonbValue	item;
	int			feature = 0;
	StringInfoData text;

	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			feature = constrained_feature(signature, "monotone_constraints", &item);
			if (signature->features[feature].kind == MLOPS_KIND_CATEGORICAL)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("monotone_constraints names the categorical feature \"%s\"",
								signature->features[feature].name),
						 errdetail("The categories of a feature have no order.")));
		}
		else if (token == WJB_VALUE)
		{
			double		direction;

			if (!number_value(&item, &direction) ||
				(direction != -1 && direction != 0 && direction != 1))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("the monotone constraint of feature \"%s\" must be 1, 0 or -1",
								signature->features[feature].name),
						 errhint("1: the answer never falls when the feature rises; -1: it never rises.")));
			directions[feature] = (int) direction;
		}
	}

	initStringInfo(&text);
	for (int i = 0; i < signature->num_features; i++)
		appendStringInfo(&text, "%c%d", i > 0 ? ',' : '(', directions[i]);
	appendStringInfoChar(&text, ')');
	return text.data;
}

/*
 * interaction_constraints by name as the library wants them, by position.
 */
static char *
interaction_text(JsonbContainer *constraints, const MlopsSignature *signature)
{
	JsonbIterator *iterator = JsonbIteratorInit(constraints);
	JsonbIteratorToken token;
	JsonbValue	item;
	StringInfoData text;
	int			depth = 0;
	bool		first = true;

	initStringInfo(&text);
	while ((token = JsonbIteratorNext(&iterator, &item, false)) != WJB_DONE)
	{
		switch (token)
		{
			case WJB_BEGIN_ARRAY:
				if (++depth > 2)
					break;
				appendStringInfoString(&text, first ? "[" : ", [");
				first = true;
				continue;
			case WJB_END_ARRAY:
				depth--;
				appendStringInfoChar(&text, ']');
				first = false;
				continue;
			case WJB_ELEM:
				if (depth != 2 || item.type != jbvString)
					break;
				appendStringInfo(&text, "%s%d", first ? "" : ", ",
								 constrained_feature(signature, "interaction_constraints", &item));
				first = false;
				continue;
			default:
				break;
		}
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"interaction_constraints\" must be an array of arrays of names of features"),
				 errhint("For example [[\"income\", \"age\"], [\"amount\", \"duration\"]].")));
	}
	return text.data;
}

/*
 * The constraints on features as parameters of the library, a list of
 * MlopsParam *.  Error if they name what is not a feature.
 */
List *
mlops_options_constraints(const MlopsTrainOptions *options,
						  const MlopsSignature *signature)
{
	List	   *params = NIL;

	if (options->monotone != NULL)
		params = add_param(params, "monotone_constraints",
						   monotone_text(options->monotone, signature));
	if (options->interaction != NULL)
		params = add_param(params, "interaction_constraints",
						   interaction_text(options->interaction, signature));
	return params;
}

/*
 * Are trees grown from histograms, which is what they are if nothing is said?
 */
bool
mlops_options_is_hist(const MlopsTrainOptions *options)
{
	const char *method = given_param(options, "tree_method");

	return method == NULL || strcmp(method, "hist") == 0;
}

/*
 * The most bins of a feature in these.
 */
int
mlops_options_max_bin(const MlopsTrainOptions *options)
{
	const char *max_bin = given_param(options, "max_bin");
	int			number = max_bin == NULL ? 256 : atoi(max_bin);

	return Max(number, 2);
}

/*
 * Take the arguments sample and matrix; the parameters were taken before.
 */
void
mlops_options_matrix(MlopsTrainOptions *options, double sample, const char *matrix)
{
	const char *booster = given_param(options, "booster");

	if (!(sample > 0 && sample <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample must be more than 0 and at most 1"),
				 errhint("It is the share of the training part that is trained with.")));
	options->sample = sample < 1 ? sample : 0;

	options->quantile = strcmp(matrix, "quantile") == 0;
	if (!options->quantile && strcmp(matrix, "exact") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown matrix \"%s\"", matrix),
				 errhint("It is exact, or quantile, which takes less memory.")));
	if (options->quantile &&
		(!mlops_options_is_hist(options) || (booster != NULL && strcmp(booster, "gblinear") == 0)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a quantised matrix is only for trees that are grown from histograms"),
				 errhint("Use tree_method hist, which is the default, and booster gbtree or dart, or matrix => 'exact'.")));
}

/*
 * All parameters for the library, a list of MlopsParam *: the user's, what we
 * set, and the constraints.
 */
List *
mlops_options_library_params(const MlopsTrainOptions *options, MlopsTask task,
							 int num_classes, List *constraints)
{
	List	   *params = NIL;
	char	   *objective = options->objective;

	if (objective == NULL)
		objective = task == MLOPS_TASK_REGRESSION ? "reg:squarederror" :
			task == MLOPS_TASK_BINARY ? "binary:logistic" : "multi:softprob";

	params = add_param(params, "objective", objective);
	if (task == MLOPS_TASK_MULTICLASS)
		params = add_param(params, "num_class", psprintf("%d", num_classes));
	params = add_param(params, "seed", psprintf(INT64_FORMAT, options->seed));
	params = add_param(params, "nthread", psprintf("%d", mlops_train_threads));
	if (given_param(options, "tree_method") == NULL)
		params = add_param(params, "tree_method", "hist");
	return list_concat(list_concat(params, options->params), constraints);
}
