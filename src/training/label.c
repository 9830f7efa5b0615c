/*-------------------------------------------------------------------------
 *
 * label.c
 *	  What a model learns to say: from the values of the label's column to a
 *	  task, classes and numbers.
 *
 * The type of the column decides the task, and the objective where the type
 * leaves a choice:
 *
 *		boolean				binary
 *		text, enum			binary with two distinct values, else multiclass
 *		integer				binary if the values are 0 and 1, else regression;
 *							classes if objective, positive or class_weight
 *							speak of classes
 *		numeric, float		regression; binary if the objective is, and the
 *							values are 0 and 1
 *
 * Classes are numbered in an order that does not depend on the order of the
 * rows: an enum's own, that of numbers, else that of bytes.
 *
 * Everything lives in the memory context that was current when the label was
 * created.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "errors.h"
#include "training/label.h"

/* more classes than this are a mistake */
#define MAX_CLASSES			1000

/* longest name of a class, in bytes */
#define MAX_CLASS_LENGTH	1000

#define IsInteger(c)	((c) == MLOPS_CONVERT_INT2 || (c) == MLOPS_CONVERT_INT4 || \
						 (c) == MLOPS_CONVERT_INT8)

/* one text of a dictionary, to be sorted by the first of these that differs */
typedef struct SortedText
{
	int64		number;
	float4		enum_order;
	const char *text;
	int			len;
	int			code;
} SortedText;

static int
compare_texts(const void *a, const void *b)
{
	const SortedText *left = a;
	const SortedText *right = b;
	int			result;

	if (left->number != right->number)
		return left->number < right->number ? -1 : 1;
	if (left->enum_order != right->enum_order)
		return left->enum_order < right->enum_order ? -1 : 1;
	result = memcmp(left->text, right->text, Min(left->len, right->len));
	return result != 0 ? result : left->len - right->len;
}

/*
 * The place of a label in its enum's order.
 */
static float4
enum_order(Oid type, const char *label)
{
	HeapTuple	tuple = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(type),
										CStringGetDatum(label));
	float4		order;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("enum label \"%s\" was renamed while it was read", label)));
	order = ((Form_pg_enum) GETSTRUCT(tuple))->enumsortorder;
	ReleaseSysCache(tuple);
	return order;
}

/*
 * The codes of a dictionary in the order of the values that its texts came
 * from, in the current context.
 */
int *
mlops_sorted_codes(const MlopsDictionary *dictionary, MlopsConversion conversion,
				   Oid type)
{
	int			size = mlops_dictionary_size(dictionary);
	SortedText *texts = palloc0(mul_size(sizeof(SortedText), Max(size, 1)));
	int		   *codes = palloc(mul_size(sizeof(int), Max(size, 1)));

	for (int code = 0; code < size; code++)
	{
		SortedText *text = &texts[code];

		text->text = mlops_dictionary_text(dictionary, code, &text->len);
		text->code = code;
		if (conversion == MLOPS_CONVERT_ENUM)
			text->enum_order = enum_order(type, text->text);
		else if (IsInteger(conversion))
			text->number = strtoi64(text->text, NULL, 10);
	}
	qsort(texts, size, sizeof(SortedText), compare_texts);
	for (int i = 0; i < size; i++)
		codes[i] = texts[i].code;
	pfree(texts);
	return codes;
}

/*
 * Report that the objective is not one for this type of label.
 */
static void
refuse_objective(const MlopsTrainOptions *options, const MlopsLabel *label,
				 const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("objective \"%s\" does not fit label \"%s\" of type %s",
					options->objective, label->name, format_type_be(label->type)),
			 errhint("%s", hint)));
}

/*
 * A label of this column, before any row was read.  Error if it cannot be one
 * of the model that the options ask for.  The name is kept, not copied.
 */
MlopsLabel *
mlops_label_create(const MlopsTrainOptions *options, char *name, Oid type)
{
	MlopsLabel *label = palloc0(sizeof(MlopsLabel));
	bool		speaks_of_classes = options->positive != NULL || options->balanced ||
		options->class_weights != NIL;

	label->name = name;
	label->type = type;
	label->conversion = mlops_conversion(type);
	label->family = options->family;

	switch (label->conversion)
	{
		case MLOPS_CONVERT_BOOL:
			if (label->family == MLOPS_FAMILY_REGRESSION ||
				label->family == MLOPS_FAMILY_MULTICLASS)
				refuse_objective(options, label, "A boolean label is binary.");
			label->family = MLOPS_FAMILY_BINARY;
			break;
		case MLOPS_CONVERT_INT2:
		case MLOPS_CONVERT_INT4:
		case MLOPS_CONVERT_INT8:
			label->by_class = label->family == MLOPS_FAMILY_BINARY ||
				label->family == MLOPS_FAMILY_MULTICLASS ||
				(label->family == MLOPS_FAMILY_BY_LABEL && speaks_of_classes);
			break;
		case MLOPS_CONVERT_FLOAT4:
		case MLOPS_CONVERT_FLOAT8:
		case MLOPS_CONVERT_NUMERIC:
			if (label->family == MLOPS_FAMILY_MULTICLASS)
				refuse_objective(options, label, "Cast the label to integer or text in the query.");
			if (label->family == MLOPS_FAMILY_BY_LABEL)
				label->family = MLOPS_FAMILY_REGRESSION;
			break;
		case MLOPS_CONVERT_TEXT:
		case MLOPS_CONVERT_BPCHAR:
		case MLOPS_CONVERT_NAME:
		case MLOPS_CONVERT_CHAR:
		case MLOPS_CONVERT_ENUM:
			if (label->family == MLOPS_FAMILY_REGRESSION)
				refuse_objective(options, label, "Cast the label to a numeric type in the query.");
			label->by_class = true;
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of type %s cannot be the label",
							name, format_type_be(type)),
					 errhint("Cast it in the query to boolean, an integer or numeric type, text or an enum.")));
	}

	if (speaks_of_classes && label->family == MLOPS_FAMILY_REGRESSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is only for labels that are classes",
						options->positive != NULL ? "positive" : "class_weight"),
				 errdetail("With label \"%s\" of type %s%s%s this is a regression.",
						   name, format_type_be(type),
						   options->objective != NULL ? " and objective " : "",
						   options->objective != NULL ? options->objective : "")));
	if (options->positive != NULL && label->family == MLOPS_FAMILY_MULTICLASS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("positive is only for binary labels"),
				 errdetail("Objective %s is for more classes.", options->objective)));

	if (label->by_class)
	{
		label->appeared = mlops_dictionary_create();
		label->rows = palloc0(sizeof(int64) * MAX_CLASSES * MLOPS_NUM_PARTS);
	}
	else
		label->rows = palloc0(sizeof(int64) * MLOPS_LABEL_DISTINCT * MLOPS_NUM_PARTS);
	return label;
}

/*
 * The number that stands for a value, which is not NULL, while rows are read.
 */
float
mlops_label_read(MlopsLabel *label, Datum value)
{
	char		digits[32];
	const char *text;
	int			len;
	int			code;

	if (!label->by_class)
	{
		float		number = mlops_convert_number(label->conversion, value);

		if (!isfinite(number))
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_TRAINING_DATA),
					 errmsg("label \"%s\" has a value that is NaN, infinite or too large",
							label->name),
					 errdetail("Labels are kept as 32-bit floating point, up to about 3.4e38 in size."),
					 errhint("Leave such rows out of the query; rows with a NULL label are skipped.")));
		return number;
	}

	if (IsInteger(label->conversion))
	{
		len = pg_lltoa(label->conversion == MLOPS_CONVERT_INT2 ? DatumGetInt16(value) :
					   label->conversion == MLOPS_CONVERT_INT4 ? DatumGetInt32(value) :
					   DatumGetInt64(value), digits);
		text = digits;
	}
	else
		text = mlops_convert_category(label->conversion, value, &len);

	code = mlops_dictionary_lookup(label->appeared, text, len);
	if (code < 0)
	{
		if (mlops_dictionary_size(label->appeared) == MAX_CLASSES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("label \"%s\" has more than %d classes", label->name, MAX_CLASSES),
					 errhint("This looks like a regression: %s.",
							 IsInteger(label->conversion) ?
							 "leave out what speaks of classes, objective, positive or class_weight" :
							 "cast the label to a numeric type in the query")));
		if (len > MAX_CLASS_LENGTH)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("label \"%s\" has a class with a name of %d bytes, the limit is %d",
							label->name, len, MAX_CLASS_LENGTH)));
		code = mlops_dictionary_add(label->appeared, text, len);
	}
	return (float) code;
}

/*
 * Note that a row with this label, as it was read, goes to a part.
 */
void
mlops_label_count(MlopsLabel *label, float value, MlopsPart part)
{
	if (label->by_class)
		label->rows[(int) value * MLOPS_NUM_PARTS + part]++;
	else
	{
		int			i = 0;

		while (i < label->num_distinct && i < MLOPS_LABEL_DISTINCT &&
			   label->distinct[i] != value)
			i++;
		if (i < MLOPS_LABEL_DISTINCT)
		{
			label->distinct[i] = value;
			label->rows[i * MLOPS_NUM_PARTS + part]++;
		}
		label->num_distinct = Max(label->num_distinct, i + 1);
	}

	if (part == MLOPS_PART_TRAIN)
	{
		if (!label->in_training)
			label->first = value;
		else if (value != label->first)
			label->varies = true;
		label->in_training = true;
	}
}

/*
 * Is every value 0 or 1?
 */
static bool
is_zero_or_one(const MlopsLabel *label)
{
	for (int i = 0; i < label->num_distinct; i++)
	{
		if (i == MLOPS_LABEL_DISTINCT ||
			(label->distinct[i] != 0 && label->distinct[i] != 1))
			return false;
	}
	return true;
}

/*
 * Decide the task of a label that is not kept by class.  If it is binary, its
 * two classes are 0 and 1, whether or not both appeared.
 */
static void
finish_numbers(MlopsLabel *label)
{
	bool		boolean = label->conversion == MLOPS_CONVERT_BOOL;

	if (label->family == MLOPS_FAMILY_REGRESSION ||
		(label->family == MLOPS_FAMILY_BY_LABEL && !is_zero_or_one(label)))
	{
		label->task = MLOPS_TASK_REGRESSION;
		return;
	}

	if (!is_zero_or_one(label))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("label \"%s\" has values other than 0 and 1", label->name),
				 errdetail("A binary label of type %s has these two values.",
						   format_type_be(label->type)),
				 errhint("Cast it in the query to an integer type or to text, or compare it with a number.")));

	label->task = MLOPS_TASK_BINARY;
	label->num_classes = 2;
	label->classes = palloc0(sizeof(MlopsClass) * label->num_classes);
	label->recode = palloc(sizeof(int) * label->num_classes);
	for (int code = 0; code < label->num_classes; code++)
	{
		label->recode[code] = code;
		label->classes[code].name = boolean ? (code ? "true" : "false") : (code ? "1" : "0");
		for (int i = 0; i < Min(label->num_distinct, MLOPS_LABEL_DISTINCT); i++)
		{
			if (label->distinct[i] == code)
				memcpy(label->classes[code].rows, &label->rows[i * MLOPS_NUM_PARTS],
					   sizeof(label->classes[code].rows));
		}
	}
}

/*
 * Decide the task of a label that is kept by class, and number its classes.
 */
static void
finish_classes(MlopsLabel *label, const MlopsTrainOptions *options)
{
	int		   *order = mlops_sorted_codes(label->appeared, label->conversion, label->type);

	label->num_classes = mlops_dictionary_size(label->appeared);
	if (label->family == MLOPS_FAMILY_MULTICLASS)
		label->task = MLOPS_TASK_MULTICLASS;
	else if (label->num_classes == 2)
		label->task = MLOPS_TASK_BINARY;
	else if (label->family == MLOPS_FAMILY_BINARY || options->positive != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("label \"%s\" has %d classes where a binary model has 2",
						label->name, label->num_classes)));
	else
		label->task = MLOPS_TASK_MULTICLASS;

	label->classes = palloc0(sizeof(MlopsClass) * label->num_classes);
	label->recode = palloc(sizeof(int) * label->num_classes);
	for (int code = 0; code < label->num_classes; code++)
	{
		int			len;

		label->recode[order[code]] = code;
		label->classes[code].name =
			pstrdup(mlops_dictionary_text(label->appeared, order[code], &len));
		memcpy(label->classes[code].rows, &label->rows[order[code] * MLOPS_NUM_PARTS],
			   sizeof(label->classes[code].rows));
	}
}

/*
 * Report that a class is not one of the label's.
 */
static void
refuse_class(const MlopsLabel *label, const char *argument, const char *class)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int code = 0; code < label->num_classes; code++)
		appendStringInfo(&known, "%s\"%s\"", code > 0 ? ", " : "", label->classes[code].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s names a class \"%s\" that label \"%s\" does not have",
					argument, class, label->name),
			 errhint("The classes are %s.", known.data)));
}

/*
 * Make the class that the user calls positive the second of two.
 */
static void
set_positive(MlopsLabel *label, const char *positive)
{
	if (strcmp(label->classes[1].name, positive) == 0)
		return;
	if (strcmp(label->classes[0].name, positive) != 0)
		refuse_class(label, "positive", positive);

	MlopsClass	negative = label->classes[1];

	label->classes[1] = label->classes[0];
	label->classes[0] = negative;
	for (int i = 0; i < label->num_classes; i++)
		label->recode[i] = 1 - label->recode[i];
}

/*
 * Give the classes their weights.
 */
static void
set_weights(MlopsLabel *label, const MlopsTrainOptions *options)
{
	int64		total = 0;
	int			trained = 0;	/* classes with training rows */
	ListCell   *cell;

	for (int code = 0; code < label->num_classes; code++)
	{
		label->classes[code].weight = 1;
		total += label->classes[code].rows[MLOPS_PART_TRAIN];
		trained += label->classes[code].rows[MLOPS_PART_TRAIN] > 0;
	}

	if (options->balanced)
	{
		label->weighted = true;
		for (int code = 0; code < label->num_classes; code++)
		{
			MlopsClass *class = &label->classes[code];

			if (class->rows[MLOPS_PART_TRAIN] > 0)
				class->weight = (double) total /
					((double) trained * class->rows[MLOPS_PART_TRAIN]);
		}
	}

	foreach(cell, options->class_weights)
	{
		MlopsClassWeight *weight = lfirst(cell);
		int			code = 0;

		while (code < label->num_classes &&
			   strcmp(label->classes[code].name, weight->class) != 0)
			code++;
		if (code == label->num_classes)
			refuse_class(label, "class_weight", weight->class);
		label->classes[code].weight = weight->weight;
		label->weighted = true;
	}
}

/*
 * All rows were read: decide the task and number the classes.  Error if there
 * is nothing to learn.
 */
void
mlops_label_finish(MlopsLabel *label, const MlopsTrainOptions *options)
{
	if (!label->varies)
	{
		bool		others = label->by_class ?
			mlops_dictionary_size(label->appeared) > 1 : label->num_distinct > 1;

		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("label \"%s\" has the same value in all training rows", label->name),
				 others ?
				 errdetail("Other values are in the validation or test part only.") : 0,
				 errhint("A model needs rows with different labels to learn from.")));
	}

	if (label->by_class)
		finish_classes(label, options);
	else
		finish_numbers(label);

	if (label->task == MLOPS_TASK_REGRESSION)
	{
		if (label->num_distinct == 2 && options->objective == NULL)
			ereport(NOTICE,
					(errmsg("label \"%s\" has two distinct values and is trained as a regression",
							label->name),
					 errhint("For a binary model cast it to boolean or text in the query, or pass an objective.")));
		return;
	}
	if (options->positive != NULL)
		set_positive(label, options->positive);
	set_weights(label, options);
}
