/*-------------------------------------------------------------------------
 *
 * binding.c
 *	  Which column of a row each feature reads, and the row as a vector.
 *
 * A feature reads the column that has its name, wherever in the row it
 * stands; other columns do not matter.  NULL is a missing value.  A category
 * that the model did not see in training is a missing value too, as it is for
 * libxgboost, so that one new category never aborts a batch.  Whoever asks for
 * vectors gets counts of both, and of missing columns.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "scoring/binding.h"

/* how the reference to a version is written in messages */
#define VERSION_FMT			"version %d of model \"%s\""
#define VERSION_ARGS(model)	(model)->version, (model)->name

/* what each conversion does, for mlops.bind() */
static const char *const conversion_names[] = {
	[MLOPS_CONVERT_NONE] = NULL,
	[MLOPS_CONVERT_BOOL] = "boolean as 0 or 1",
	[MLOPS_CONVERT_INT2] = "number",
	[MLOPS_CONVERT_INT4] = "number",
	[MLOPS_CONVERT_INT8] = "number",
	[MLOPS_CONVERT_FLOAT4] = "number",
	[MLOPS_CONVERT_FLOAT8] = "number",
	[MLOPS_CONVERT_NUMERIC] = "number, through double precision",
	[MLOPS_CONVERT_DATE] = "days since 1970-01-01",
	[MLOPS_CONVERT_TIMESTAMP] = "days since 1970-01-01, with a fraction",
	[MLOPS_CONVERT_TEXT] = "category",
	[MLOPS_CONVERT_BPCHAR] = "category, without trailing blanks",
	[MLOPS_CONVERT_NAME] = "category",
	[MLOPS_CONVERT_CHAR] = "category",
	[MLOPS_CONVERT_ENUM] = "category"
};

/* What a conversion does, as a few words, or NULL. */
const char *
mlops_conversion_name(MlopsConversion conversion)
{
	return conversion_names[conversion];
}

/*
 * Find the column of one feature.
 */
static void
bind_column(const MlopsFeature *feature, TupleDesc desc, MlopsColumn *column)
{
	const char *other_case = NULL;
	Oid			type;

	column->attribute = -1;
	column->conversion = MLOPS_CONVERT_NONE;
	column->problem = NULL;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped)
			continue;
		if (strcmp(NameStr(attribute->attname), feature->name) == 0)
		{
			if (column->attribute >= 0)
			{
				column->problem = "two columns have this name";
				return;
			}
			column->attribute = i;
		}
		else if (pg_strcasecmp(NameStr(attribute->attname), feature->name) == 0)
			other_case = NameStr(attribute->attname);
	}
	if (column->attribute < 0)
	{
		column->problem = other_case == NULL ? "no column has this name" :
			psprintf("no column has this name; column \"%s\" differs in case", other_case);
		return;
	}

	type = TupleDescAttr(desc, column->attribute)->atttypid;
	column->conversion = mlops_conversion(type);
	if (column->conversion == MLOPS_CONVERT_NONE)
		column->problem = psprintf("type %s cannot be read as a feature", format_type_be(type));
	else if (feature->kind == MLOPS_KIND_CATEGORICAL &&
			 !MlopsConversionIsCategory(column->conversion))
		column->problem = psprintf("the feature is categorical, the column has type %s: cast it to text",
								   format_type_be(type));
	else if (feature->kind != MLOPS_KIND_CATEGORICAL &&
			 MlopsConversionIsCategory(column->conversion))
		column->problem = psprintf("the feature is %s, the column has type %s",
								   feature->kind == MLOPS_KIND_BOOLEAN ? "boolean" : "numeric",
								   format_type_be(type));
}

/*
 * The columns of a row type that the features read, one element per feature,
 * in the current memory context.  What cannot be read has a problem.
 */
MlopsColumn *
mlops_bind_columns(const MlopsSignature *signature, TupleDesc desc)
{
	MlopsColumn *columns = palloc(mul_size(sizeof(MlopsColumn), Max(signature->num_features, 1)));

	for (int i = 0; i < signature->num_features; i++)
	{
		CHECK_FOR_INTERRUPTS();
		bind_column(&signature->features[i], desc, &columns[i]);
	}
	return columns;
}

/*
 * Error for the features that a row does not have, which are named.
 */
static void
missing_error(const MlopsModel *model, const char *names, int count, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_BINDING),
			 errmsg_plural("row lacks %d %s that " VERSION_FMT " reads",
						   "row lacks %d %ss that " VERSION_FMT " reads",
						   count, count, what, VERSION_ARGS(model)),
			 errdetail("Missing: %s.", names),
			 errhint("A feature reads the %s of its name; mlops.bind() shows what each feature reads.",
					 what)));
}

/*
 * Bind the features of a model to a row type, in the current memory context.
 * Error ML020 if a column is missing or cannot be read.
 */
MlopsBinding *
mlops_binding_create(const MlopsModel *model, TupleDesc desc, MlopsCounts *counts)
{
	MlopsBinding *binding = palloc(sizeof(MlopsBinding));
	StringInfoData missing;
	int			num_missing = 0;

	binding->columns = mlops_bind_columns(model->signature, desc);
	initStringInfo(&missing);
	for (int i = 0; i < model->signature->num_features; i++)
	{
		const MlopsColumn *column = &binding->columns[i];

		if (column->attribute < 0)
			appendStringInfo(&missing, "%s\"%s\"", num_missing++ > 0 ? ", " : "",
							 model->signature->features[i].name);
	}
	counts->missing_columns += num_missing;
	if (num_missing > 0)
		missing_error(model, missing.data, num_missing, "column");
	for (int i = 0; i < model->signature->num_features; i++)
		if (binding->columns[i].problem != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_BINDING),
					 errmsg("column \"%s\" cannot be read by " VERSION_FMT,
							model->signature->features[i].name, VERSION_ARGS(model)),
					 errdetail("Problem: %s.", binding->columns[i].problem)));

	/* with the defaults of columns that older rows lack */
	binding->desc = CreateTupleDescCopyConstr(desc);
	binding->values = palloc(mul_size(sizeof(Datum), Max(desc->natts, 1)));
	binding->nulls = palloc(mul_size(sizeof(bool), Max(desc->natts, 1)));
	return binding;
}

/*
 * Room for the vector of one row, in the current memory context.
 */
void *
mlops_vector_create(const MlopsModel *model)
{
	return palloc(mul_size(model->info.wide ? sizeof(double) : sizeof(float),
						   Max(model->info.num_features, 1)));
}

/*
 * Put a number into a vector, rounded to float unless the model is wide.
 */
static inline void
put_number(const MlopsModel *model, void *vector, int feature, double number)
{
	if (model->info.wide)
		((double *) vector)[feature] = number;
	else
		((float *) vector)[feature] = (float) number;
}

/*
 * Put a value that is a number, converted to what the model reads at once.
 */
static inline void
put_value(const MlopsModel *model, void *vector, int feature,
		  MlopsConversion conversion, Datum value)
{
	if (model->info.wide)
		((double *) vector)[feature] = mlops_convert_number64(conversion, value);
	else
		((float *) vector)[feature] = mlops_convert_number(conversion, value);
}

/*
 * Put the code of a category; NaN if the model did not see it in training.
 */
static void
put_category(const MlopsModel *model, void *vector, int feature, const char *text, int len,
			 MlopsCounts *counts)
{
	int			code = mlops_dictionary_lookup(model->signature->features[feature].categories,
											   text, len);

	counts->unseen_categories += code < 0;
	put_number(model, vector, feature, code >= 0 ? (double) code : NAN);
}

/*
 * Put the value of one feature from the column that it reads.
 */
static inline void
put_column(const MlopsModel *model, void *vector, int feature, const MlopsColumn *column,
		   Datum value, bool isnull, MlopsCounts *counts)
{
	if (isnull)
		put_number(model, vector, feature, NAN);
	else if (MlopsConversionIsCategory(column->conversion))
	{
		int			len;
		const char *text = mlops_convert_category(column->conversion, value, &len);

		put_category(model, vector, feature, text, len, counts);
	}
	else
		put_value(model, vector, feature, column->conversion, value);
}

/*
 * The vector of a row that has the bound type.
 */
void
mlops_vector_from_tuple(const MlopsModel *model, MlopsBinding *binding,
						HeapTuple tuple, void *vector, MlopsCounts *counts)
{
	int			num_features = model->signature->num_features;
	bool		has_null = false;

	heap_deform_tuple(tuple, binding->desc, binding->values, binding->nulls);
	for (int i = 0; i < num_features; i++)
	{
		const MlopsColumn *column = &binding->columns[i];

		put_column(model, vector, i, column, binding->values[column->attribute],
				   binding->nulls[column->attribute], counts);
		has_null |= binding->nulls[column->attribute] && model->used[i];
	}
	counts->null_rows += has_null;
}

/*
 * The vector of columns that stand side by side in the bound order.
 */
void
mlops_vector_from_columns(const MlopsModel *model, const MlopsBinding *binding,
						  const NullableDatum *columns, void *vector, MlopsCounts *counts)
{
	int			num_features = model->signature->num_features;
	bool		has_null = false;

	for (int i = 0; i < num_features; i++)
	{
		const MlopsColumn *column = &binding->columns[i];

		put_column(model, vector, i, column, columns[column->attribute].value,
				   columns[column->attribute].isnull, counts);
		has_null |= columns[column->attribute].isnull && model->used[i];
	}
	counts->null_rows += has_null;
}

/*
 * The vector of an array that has the features in the order of the signature;
 * a categorical feature stands there as its code.
 */
void
mlops_vector_from_array(const MlopsModel *model, ArrayType *array, void *vector,
						MlopsCounts *counts)
{
	int			num_features = model->signature->num_features;
	bool		has_null = false;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("features must be an array of one dimension")));
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &count);
	if (count != num_features)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_BINDING),
				 errmsg("array has %d elements, " VERSION_FMT " reads %d features",
						count, VERSION_ARGS(model), num_features),
				 errhint("Give the features in the order of the signature, NULL for a missing value; or score a row, where they are found by name.")));
	for (int i = 0; i < num_features; i++)
	{
		put_number(model, vector, i, nulls[i] ? NAN : DatumGetFloat8(values[i]));
		has_null |= nulls[i] && model->used[i];
	}
	counts->null_rows += has_null;
}

/*
 * Put the number of a string that stands for a date or a timestamp in JSON;
 * false if the feature is neither.
 */
static bool
put_string(const MlopsModel *model, void *vector, int i, const JsonbValue *value)
{
	const MlopsFeature *feature = &model->signature->features[i];
	char	   *string = pnstrdup(value->val.string.val, value->val.string.len);
	Datum		date;

	if (feature->type == NULL)
		return false;
	if (strcmp(feature->type, "date") == 0)
	{
		date = DirectFunctionCall1(date_in, CStringGetDatum(string));
		put_value(model, vector, i, MLOPS_CONVERT_DATE, date);
		return true;
	}
	if (strcmp(feature->type, "timestamp without time zone") == 0)
		date = DirectFunctionCall3(timestamp_in, CStringGetDatum(string),
								   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	else if (strcmp(feature->type, "timestamp with time zone") == 0)
		date = DirectFunctionCall3(timestamptz_in, CStringGetDatum(string),
								   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	else
		return false;
	put_value(model, vector, i, MLOPS_CONVERT_TIMESTAMP, date);
	return true;
}

/*
 * Put one member of a JSON object.  Error if the feature cannot be read from a
 * value of this kind.
 */
static void
put_json(const MlopsModel *model, void *vector, int i, const JsonbValue *value,
		 MlopsCounts *counts)
{
	const MlopsFeature *feature = &model->signature->features[i];
	bool		categorical = feature->kind == MLOPS_KIND_CATEGORICAL;

	if (value->type == jbvNull)
		put_number(model, vector, i, NAN);
	else if (value->type == jbvBool && !categorical)
		put_number(model, vector, i, value->val.boolean ? 1.0 : 0.0);
	else if (value->type == jbvNumeric && !categorical)
		put_value(model, vector, i, MLOPS_CONVERT_NUMERIC, NumericGetDatum(value->val.numeric));
	else if (value->type == jbvString && categorical)
		put_category(model, vector, i, value->val.string.val, value->val.string.len, counts);
	else if (value->type != jbvString || !put_string(model, vector, i, value))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_BINDING),
				 errmsg("key \"%s\" cannot be read by " VERSION_FMT, feature->name, VERSION_ARGS(model)),
				 errdetail("The feature is %s, the value is %s.",
						   categorical ? "categorical" : "numeric", JsonbTypeName(unconstify(JsonbValue *, value))),
				 errhint("Give a string for a category, a number or a boolean for a number, and null for a missing value.")));
}

/*
 * The vector of a JSON object that has the features as keys.
 */
void
mlops_vector_from_jsonb(const MlopsModel *model, Jsonb *json, void *vector, MlopsCounts *counts)
{
	int			num_features = model->signature->num_features;
	StringInfoData missing;
	int			num_missing = 0;
	bool		has_null = false;

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_BINDING),
				 errmsg("features must be a JSON object"),
				 errhint("Give an object whose keys are the names of the features.")));
	for (int i = 0; i < num_features; i++)
	{
		const MlopsFeature *feature = &model->signature->features[i];
		JsonbValue	buffer;
		JsonbValue *value = getKeyJsonValueFromContainer(&json->root, feature->name,
														 strlen(feature->name), &buffer);

		if (value != NULL)
		{
			put_json(model, vector, i, value, counts);
			has_null |= value->type == jbvNull && model->used[i];
		}
		else
		{
			if (num_missing == 0)
				initStringInfo(&missing);
			appendStringInfo(&missing, "%s\"%s\"", num_missing++ > 0 ? ", " : "", feature->name);
		}
	}
	counts->null_rows += has_null;
	counts->missing_columns += num_missing;
	if (num_missing > 0)
		missing_error(model, missing.data, num_missing, "key");
}
