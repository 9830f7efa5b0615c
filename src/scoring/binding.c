/*-------------------------------------------------------------------------
 *
 * binding.c
 *	  Which column of a row each feature reads, and the row as a vector.
 *
 * A feature reads the column that has its name, wherever in the row it
 * stands; other columns do not matter.  NULL and NaN are missing values, and so
 * is the number that stands for one by the version's import option; that is
 * compared when all else is done, with what the model would read, a category's
 * code included, because that is where libxgboost compares it.
 *
 * What becomes of a feature without a column, and of a category that the model
 * did not see in training, is the policy of the model.  Both are counted under
 * every policy.
 *
 * Columns are read in runs of one conversion, so that the loop over a row has
 * nothing to decide for each of them.  The paths that are not for many rows,
 * arrays, JSON and rows with changes, go feature by feature.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "scoring/binding.h"

/* how the reference to a version is written in messages */
#define VERSION_FMT			"version %d of model \"%s\""
#define VERSION_ARGS(model)	(model)->version, (model)->name

/* bytes of a category that a message shows */
#define MAX_SHOWN				100

/* one row on its way into a vector, feature by feature */
typedef struct Row
{
	const MlopsReader *reader;
	void	   *vector;
	Jsonb	   *changes;		/* or NULL */
	uint32		num_changed;	/* members of it that are features */
	bool		has_null;		/* in a feature that a split uses */
	int			num_absent;
	StringInfoData absent;		/* their names, if they are an error */
} Row;

/* where the values of a row are: side by side, or in two arrays */
typedef struct Source
{
	const NullableDatum *columns;	/* or NULL */
	const Datum *values;
	const bool *nulls;
} Source;

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
absent_error(const MlopsReader *reader, const char *names, int count, const char *what)
{
	reader->counts->missing_columns += count;
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_BINDING),
			 errmsg_plural("row lacks %d %s that " VERSION_FMT " reads",
						   "row lacks %d %ss that " VERSION_FMT " reads",
						   count, count, what, VERSION_ARGS(reader->model)),
			 errdetail("Missing: %s.", names),
			 errhint("A feature reads the %s of its name; mlops.bind() shows what each feature reads.",
					 what)));
}

/* append a name to a list for a message */
static void
append_name(StringInfo names, const char *name, int len, int number)
{
	if (number == 0)
		initStringInfo(names);
	appendStringInfo(names, "%s\"%.*s\"", number > 0 ? ", " : "", len, name);
}

/*
 * Bind the features of a model to a row type, in the current memory context.
 * Error ML020 if a column cannot be read; one that is missing is the policy's.
 */
MlopsBinding *
mlops_binding_create(const MlopsModel *model, TupleDesc desc)
{
	int			num_features = model->signature->num_features;
	MlopsBinding *binding = palloc(sizeof(MlopsBinding));
	int			num_reads = 0;

	binding->columns = mlops_bind_columns(model->signature, desc);
	binding->absent = palloc(mul_size(sizeof(int), Max(num_features, 1)));
	binding->num_absent = 0;
	for (int i = 0; i < num_features; i++)
	{
		if (binding->columns[i].attribute < 0)
			binding->absent[binding->num_absent++] = i;
		else if (binding->columns[i].problem != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_BINDING),
					 errmsg("column \"%s\" cannot be read by " VERSION_FMT,
							model->signature->features[i].name, VERSION_ARGS(model)),
					 errdetail("Problem: %s.", binding->columns[i].problem)));
	}

	binding->reads = palloc(mul_size(sizeof(MlopsRead), Max(num_features, 1)));
	binding->num_runs = 0;
	for (int conversion = 0; conversion < MLOPS_NUM_CONVERSIONS; conversion++)
	{
		int			begin = num_reads;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < num_features; i++)
		{
			const MlopsColumn *column = &binding->columns[i];

			if (column->attribute < 0 || column->conversion != (MlopsConversion) conversion)
				continue;
			binding->reads[num_reads].feature = i;
			binding->reads[num_reads].attribute = column->attribute;
			binding->reads[num_reads].used = model->used[i];
			num_reads++;
		}
		if (num_reads > begin)
		{
			binding->runs[binding->num_runs].conversion = (MlopsConversion) conversion;
			binding->runs[binding->num_runs].end = num_reads;
			binding->num_runs++;
		}
	}

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
 * Put what the policy makes of a category that the model did not see in
 * training, given as a text or, if that is NULL, as a code.  Error ML020 if it
 * is an error.
 */
static void
put_unseen(const MlopsReader *reader, void *vector, int feature, const char *text, int len,
		   double code)
{
	const MlopsModel *model = reader->model;

	reader->counts->unseen_categories++;
	switch (reader->policy.unseen_categories)
	{
		case MLOPS_CATEGORIES_MISSING:
			put_number(model, vector, feature, NAN);
			break;
		case MLOPS_CATEGORIES_OTHER:
			put_number(model, vector, feature, MLOPS_OTHER_CATEGORY(model));
			break;
		case MLOPS_CATEGORIES_ERROR:
			{
				int			shown = text == NULL ? 0 : pg_mbcliplen(text, len, MAX_SHOWN);

				ereport(ERROR,
						(errcode(ERRCODE_MLOPS_BINDING),
						 errmsg("feature \"%s\" has a category that " VERSION_FMT " did not see in training",
								model->signature->features[feature].name, VERSION_ARGS(model)),
						 text == NULL ? errdetail("The code is %s.", float8out_internal(code)) :
						 errdetail("The category is \"%.*s%s\".", shown, text, shown < len ? "..." : ""),
						 errhint("The policy of the model makes this an error; see mlops.set_scoring_policy().")));
			}
			break;
	}
}

/*
 * Put the code of a category.
 */
static void
put_category(const MlopsReader *reader, void *vector, int feature, const char *text, int len)
{
	int			code = mlops_dictionary_lookup(reader->model->signature->features[feature].categories,
											   text, len);

	if (code >= 0)
		put_number(reader->model, vector, feature, code);
	else
		put_unseen(reader, vector, feature, text, len, 0);
}

/*
 * Put a category that was given as its code.
 */
static void
put_code(const MlopsReader *reader, void *vector, int feature, double code)
{
	const MlopsModel *model = reader->model;
	int			size = mlops_dictionary_size(model->signature->features[feature].categories);
	double		number = model->info.wide ? code : (float) code;
	double		missing = model->info.wide ? model->missing : (float) model->missing;

	/* a fraction is cut off; XGBoost asks for the sign before that */
	if (isnan(number) || number == missing ||
		(number < size && (model->info.wide ? number > -1.0 : number >= 0.0)))
		put_number(model, vector, feature, code);
	else
		put_unseen(reader, vector, feature, NULL, 0, code);
}

/*
 * Put the value of one feature from the column that it reads.
 */
static inline void
put_column(const MlopsReader *reader, void *vector, int feature, MlopsConversion conversion,
		   Datum value, bool isnull)
{
	if (isnull)
		put_number(reader->model, vector, feature, NAN);
	else if (MlopsConversionIsCategory(conversion))
	{
		int			len;
		const char *text = mlops_convert_category(conversion, value, &len);

		put_category(reader, vector, feature, text, len);
	}
	else
		put_value(reader->model, vector, feature, conversion, value);
}

/*
 * Make a missing value of the number that stands for one.
 */
static inline void
drop_missing(const MlopsModel *model, void *vector)
{
	int			num_features = model->info.num_features;

	if (likely(isnan(model->missing)))
		return;
	if (model->info.wide)
	{
		double	   *numbers = vector;

		for (int i = 0; i < num_features; i++)
			numbers[i] = numbers[i] == model->missing ? NAN : numbers[i];
	}
	else
	{
		float	   *numbers = vector;
		float		missing = (float) model->missing;

		for (int i = 0; i < num_features; i++)
			numbers[i] = numbers[i] == missing ? NAN : numbers[i];
	}
}

/* the value of a column of a row */
static inline NullableDatum
value_of(const Source *source, int attribute)
{
	NullableDatum result;

	if (source->columns != NULL)
		return source->columns[attribute];
	result.value = source->values[attribute];
	result.isnull = source->nulls[attribute];
	return result;
}

/*
 * Put the features of a run, all of one conversion that is known when this is
 * compiled.  Is one of them NULL that a split uses?
 */
static pg_attribute_always_inline bool
read_run(const MlopsRead *reads, const MlopsRead *end, MlopsConversion conversion, bool wide,
		 Source source, void *vector)
{
	bool		has_null = false;

	for (; reads < end; reads++)
	{
		NullableDatum column = value_of(&source, reads->attribute);

		if (wide)
			((double *) vector)[reads->feature] = column.isnull ? NAN :
				mlops_convert_number64(conversion, column.value);
		else
			((float *) vector)[reads->feature] = column.isnull ? NAN :
				mlops_convert_number(conversion, column.value);
		has_null |= column.isnull & reads->used;
	}
	return has_null;
}

/* the same for whatever conversion */
static bool
read_any(const MlopsReader *reader, const MlopsRead *reads, const MlopsRead *end,
		 MlopsConversion conversion, Source source, void *vector)
{
	bool		has_null = false;

	for (; reads < end; reads++)
	{
		NullableDatum column = value_of(&source, reads->attribute);

		put_column(reader, vector, reads->feature, conversion, column.value, column.isnull);
		has_null |= column.isnull & reads->used;
	}
	return has_null;
}

/*
 * Error ML020 for the features that have no column, if the policy makes one of
 * that; so whoever reads many rows can ask before the first of them.
 */
void
mlops_binding_check(const MlopsReader *reader, const MlopsBinding *binding)
{
	StringInfoData names;

	if (binding->num_absent == 0 || reader->policy.missing_columns != MLOPS_COLUMNS_ERROR)
		return;
	for (int i = 0; i < binding->num_absent; i++)
	{
		const char *name = reader->model->signature->features[binding->absent[i]].name;

		append_name(&names, name, strlen(name), i);
	}
	absent_error(reader, names.data, binding->num_absent, "column");
}

/*
 * What the policy makes of the features that have no column.  Is one of them
 * NULL that a split uses?
 */
static bool
read_absent(const MlopsReader *reader, const MlopsBinding *binding, void *vector)
{
	const MlopsModel *model = reader->model;
	bool		has_null = false;

	mlops_binding_check(reader, binding);
	for (int i = 0; i < binding->num_absent; i++)
	{
		put_number(model, vector, binding->absent[i], NAN);
		has_null |= model->used[binding->absent[i]];
	}
	reader->counts->missing_columns += binding->num_absent;
	return has_null;
}

/*
 * The vector of a row, as it is.
 */
static pg_attribute_always_inline void
read_row(const MlopsReader *reader, const MlopsBinding *binding, Source source, void *vector)
{
	const MlopsRead *read = binding->reads;
	bool		has_null = false;

#define READ_RUN(conversion) \
	(reader->model->info.wide ? read_run(read, end, (conversion), true, source, vector) \
	 : read_run(read, end, (conversion), false, source, vector))

	for (int i = 0; i < binding->num_runs; i++)
	{
		const MlopsRun *run = &binding->runs[i];
		const MlopsRead *end = binding->reads + run->end;

		switch (run->conversion)
		{
			case MLOPS_CONVERT_BOOL:
				has_null |= READ_RUN(MLOPS_CONVERT_BOOL);
				break;
			case MLOPS_CONVERT_INT2:
				has_null |= READ_RUN(MLOPS_CONVERT_INT2);
				break;
			case MLOPS_CONVERT_INT4:
				has_null |= READ_RUN(MLOPS_CONVERT_INT4);
				break;
			case MLOPS_CONVERT_INT8:
				has_null |= READ_RUN(MLOPS_CONVERT_INT8);
				break;
			case MLOPS_CONVERT_FLOAT4:
				has_null |= READ_RUN(MLOPS_CONVERT_FLOAT4);
				break;
			case MLOPS_CONVERT_FLOAT8:
				has_null |= READ_RUN(MLOPS_CONVERT_FLOAT8);
				break;
			default:
				has_null |= read_any(reader, read, end, run->conversion, source, vector);
				break;
		}
		read = end;
	}
	if (unlikely(binding->num_absent > 0))
		has_null |= read_absent(reader, binding, vector);
	drop_missing(reader->model, vector);
	reader->counts->null_rows += has_null;

#undef READ_RUN
}

/*
 * The vector of columns that stand side by side in the bound order.
 */
void
mlops_vector_from_columns(const MlopsReader *reader, const MlopsBinding *binding,
						  const NullableDatum *columns, void *vector)
{
	Source		source = {columns, NULL, NULL};

	read_row(reader, binding, source, vector);
}

/*
 * Begin a row that is read feature by feature.
 */
static Row
begin_row(const MlopsReader *reader, Jsonb *changes, void *vector)
{
	Row			row = {reader, vector, changes};

	if (changes != NULL && !JB_ROOT_IS_OBJECT(changes))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_BINDING),
				 errmsg("changes must be a JSON object"),
				 errhint("Give an object whose keys are the names of features.")));
	return row;
}

/*
 * A feature that the row does not have.
 */
static void
put_absent(Row *row, int feature)
{
	const MlopsReader *reader = row->reader;

	if (reader->policy.missing_columns == MLOPS_COLUMNS_ERROR)
	{
		const char *name = reader->model->signature->features[feature].name;

		append_name(&row->absent, name, strlen(name), row->num_absent);
	}
	row->num_absent++;
	put_number(reader->model, row->vector, feature, NAN);
	row->has_null |= reader->model->used[feature];
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
put_json(Row *row, int i, const JsonbValue *value)
{
	const MlopsModel *model = row->reader->model;
	const MlopsFeature *feature = &model->signature->features[i];
	bool		categorical = feature->kind == MLOPS_KIND_CATEGORICAL;

	if (value->type == jbvNull)
	{
		put_number(model, row->vector, i, NAN);
		row->has_null |= model->used[i];
	}
	else if (value->type == jbvBool && !categorical)
		put_number(model, row->vector, i, value->val.boolean ? 1.0 : 0.0);
	else if (value->type == jbvNumeric && !categorical)
		put_value(model, row->vector, i, MLOPS_CONVERT_NUMERIC, NumericGetDatum(value->val.numeric));
	else if (value->type == jbvString && categorical)
		put_category(row->reader, row->vector, i, value->val.string.val, value->val.string.len);
	else if (value->type != jbvString || !put_string(model, row->vector, i, value))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_BINDING),
				 errmsg("key \"%s\" cannot be read by " VERSION_FMT, feature->name, VERSION_ARGS(model)),
				 errdetail("The feature is %s, the value is %s.",
						   categorical ? "categorical" : "numeric", JsonbTypeName(unconstify(JsonbValue *, value))),
				 errhint("Give a string for a category, a number or a boolean for a number, and null for a missing value.")));
}

/* the member of an object that has the name of a feature, or NULL */
static JsonbValue *
member_of(const Row *row, Jsonb *object, int feature, JsonbValue *buffer)
{
	const char *name = row->reader->model->signature->features[feature].name;

	return getKeyJsonValueFromContainer(&object->root, name, strlen(name), buffer);
}

/*
 * Put the value that a feature has by a change; false if it has none.
 */
static bool
put_change(Row *row, int feature)
{
	JsonbValue	buffer;
	JsonbValue *value = member_of(row, row->changes, feature, &buffer);

	if (value == NULL)
		return false;
	row->num_changed++;
	put_json(row, feature, value);
	return true;
}

/*
 * Error for the members of the changes that are not features, which are named.
 */
static void
unknown_error(const Row *row)
{
	const MlopsModel *model = row->reader->model;
	JsonbIterator *iterator = JsonbIteratorInit(&row->changes->root);
	JsonbValue	item;
	JsonbIteratorToken token;
	StringInfoData names;
	int			count = 0;

	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		bool		known = false;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_KEY)
			continue;
		for (int i = 0; i < model->signature->num_features && !known; i++)
		{
			const char *name = model->signature->features[i].name;

			known = strlen(name) == (size_t) item.val.string.len &&
				memcmp(name, item.val.string.val, item.val.string.len) == 0;
		}
		if (!known)
			append_name(&names, item.val.string.val, item.val.string.len, count++);
	}
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_BINDING),
			 errmsg_plural("changes have %d key that " VERSION_FMT " does not read",
						   "changes have %d keys that " VERSION_FMT " does not read",
						   count, count, VERSION_ARGS(model)),
			 errdetail("Not features: %s.", names.data),
			 errhint("Keys are the names of features, as mlops.bind() shows them.")));
}

/*
 * The end of a row that was read feature by feature.
 */
static void
end_row(Row *row, const char *what)
{
	const MlopsReader *reader = row->reader;

	if (row->changes != NULL && row->num_changed < JB_ROOT_COUNT(row->changes))
		unknown_error(row);
	if (row->num_absent > 0 && reader->policy.missing_columns == MLOPS_COLUMNS_ERROR)
		absent_error(reader, row->absent.data, row->num_absent, what);
	reader->counts->missing_columns += row->num_absent;
	reader->counts->null_rows += row->has_null;
	drop_missing(reader->model, row->vector);
}

/*
 * The vector of a row that has the bound type.
 */
void
mlops_vector_from_tuple(const MlopsReader *reader, MlopsBinding *binding,
						HeapTuple tuple, Jsonb *changes, void *vector)
{
	const MlopsModel *model = reader->model;
	Row			row;

	heap_deform_tuple(tuple, binding->desc, binding->values, binding->nulls);
	if (changes == NULL)
	{
		Source		source = {NULL, binding->values, binding->nulls};

		read_row(reader, binding, source, vector);
		return;
	}

	row = begin_row(reader, changes, vector);
	for (int i = 0; i < model->signature->num_features; i++)
	{
		const MlopsColumn *column = &binding->columns[i];

		if (put_change(&row, i))
			continue;
		if (column->attribute < 0)
		{
			put_absent(&row, i);
			continue;
		}
		put_column(reader, vector, i, column->conversion, binding->values[column->attribute],
				   binding->nulls[column->attribute]);
		row.has_null |= binding->nulls[column->attribute] && model->used[i];
	}
	end_row(&row, "column");
}

/*
 * The vector of values of double precision that are the features in the order
 * of the signature; a categorical feature stands there as its code.
 */
void
mlops_vector_from_values(const MlopsReader *reader, const Datum *values, const bool *nulls,
						 int count, Jsonb *changes, void *vector)
{
	const MlopsModel *model = reader->model;
	int			num_features = model->signature->num_features;
	Row			row = begin_row(reader, changes, vector);

	if (count != num_features)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_BINDING),
				 errmsg("array has %d elements, " VERSION_FMT " reads %d features",
						count, VERSION_ARGS(model), num_features),
				 errhint("Give the features in the order of the signature, NULL for a missing value; or score a row, where they are found by name.")));
	for (int i = 0; i < num_features; i++)
	{
		if (changes != NULL && put_change(&row, i))
			continue;
		if (nulls[i])
		{
			put_number(model, vector, i, NAN);
			row.has_null |= model->used[i];
		}
		else if (model->signature->features[i].kind == MLOPS_KIND_CATEGORICAL)
			put_code(reader, vector, i, DatumGetFloat8(values[i]));
		else
			put_number(model, vector, i, DatumGetFloat8(values[i]));
	}
	end_row(&row, "element");
}

/*
 * The vector of an array of such values.
 */
void
mlops_vector_from_array(const MlopsReader *reader, ArrayType *array, Jsonb *changes, void *vector)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("features must be an array of one dimension")));
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &count);
	mlops_vector_from_values(reader, values, nulls, count, changes, vector);
}

/*
 * The vector of a JSON object that has the features as keys.
 */
void
mlops_vector_from_jsonb(const MlopsReader *reader, Jsonb *json, Jsonb *changes, void *vector)
{
	Row			row = begin_row(reader, changes, vector);

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_BINDING),
				 errmsg("features must be a JSON object"),
				 errhint("Give an object whose keys are the names of the features.")));
	for (int i = 0; i < reader->model->signature->num_features; i++)
	{
		JsonbValue	buffer;
		JsonbValue *value;

		if (changes != NULL && put_change(&row, i))
			continue;
		value = member_of(&row, json, i, &buffer);
		if (value != NULL)
			put_json(&row, i, value);
		else
			put_absent(&row, i);
	}
	end_row(&row, "key");
}
