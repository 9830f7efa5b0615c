/*-------------------------------------------------------------------------
 *
 * classes.c
 *	  Aggregates over actual and predicted classes: confusion, and the forms
 *	  of accuracy, precision, recall, f1 and mcc for any number of classes.
 *
 * Classes of any type are compared as text: booleans are true and false,
 * numbers lose trailing zeroes after the point, everything else is as its
 * type prints it.  Text that stands beside a boolean is read as one.
 *
 * The state is a square of counts, which grows with the number of distinct
 * classes and not with that of rows.  All of it lives in the aggregate's
 * memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "metrics/aggregate.h"

#define INITIAL_CAPACITY	4

/* more are scores or keys that somebody took for classes */
#define MAX_CLASSES			1000

typedef enum ClassKind
{
	CLASS_TEXT,
	CLASS_NUMBER,
	CLASS_BOOLEAN
} ClassKind;

/* one class as text, not terminated */
typedef struct ClassName
{
	const char *name;
	int			len;
} ClassName;

/* how one argument is turned into text */
typedef struct ClassArg
{
	Oid			type;			/* without its domain */
	ClassKind	kind;
	FmgrInfo	output;
} ClassArg;

/* what a transition function knows of its call, in fn_extra */
typedef struct ClassCall
{
	ClassKind	kind;			/* of the classes to compare */
	ClassArg	args[2];
} ClassCall;

typedef struct ClassState
{
	MemoryContext context;
	ClassKind	kind;
	int			num_classes;
	int			capacity;
	ClassName  *classes;		/* by number, in the order of appearance */
	int		   *sorted;			/* numbers of classes, in byte order */
	int64	   *cells;			/* capacity x capacity: [actual][predicted] */
} ClassState;

PG_FUNCTION_INFO_V1(mlops_classes_add);
PG_FUNCTION_INFO_V1(mlops_classes_match);
PG_FUNCTION_INFO_V1(mlops_classes_combine);
PG_FUNCTION_INFO_V1(mlops_classes_serialize);
PG_FUNCTION_INFO_V1(mlops_classes_deserialize);
PG_FUNCTION_INFO_V1(mlops_confusion_final);
PG_FUNCTION_INFO_V1(mlops_classes_precision_final);
PG_FUNCTION_INFO_V1(mlops_classes_recall_final);
PG_FUNCTION_INFO_V1(mlops_classes_f1_final);
PG_FUNCTION_INFO_V1(mlops_classes_mcc_final);

/*
 * Arguments
 */

static ClassKind
kind_of_type(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return CLASS_BOOLEAN;
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return CLASS_NUMBER;
		default:
			return CLASS_TEXT;
	}
}

/*
 * Types of scores, which are classes only where the label is of one, too.
 */
static bool
is_float(Oid type)
{
	return type == FLOAT4OID || type == FLOAT8OID;
}

/*
 * What is to be known of a call, looked up once in a query.  Error 42804 for
 * types that cannot hold the same classes.
 */
static ClassCall *
class_call(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	ClassCall  *call = flinfo->fn_extra;
	ClassKind	label;
	ClassKind	predicted;

	if (call != NULL)
		return call;

	call = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(ClassCall));
	for (int i = 0; i < 2; i++)
	{
		ClassArg   *arg = &call->args[i];
		Oid			output;
		bool		is_varlena;

		arg->type = getBaseType(get_fn_expr_argtype(flinfo, i + 1));
		arg->kind = kind_of_type(arg->type);
		getTypeOutputInfo(arg->type, &output, &is_varlena);
		fmgr_info_cxt(output, &arg->output, flinfo->fn_mcxt);
	}

	label = call->args[0].kind;
	predicted = call->args[1].kind;
	if ((label == CLASS_BOOLEAN && predicted == CLASS_NUMBER) ||
		(label == CLASS_NUMBER && predicted == CLASS_BOOLEAN) ||
		(is_float(call->args[1].type) && !is_float(call->args[0].type)))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a label of type %s cannot be compared with a prediction of type %s",
						format_type_be(call->args[0].type), format_type_be(call->args[1].type)),
				 errhint("Give classes, not scores: score >= 0.5 is a class of a boolean label, and label = 1 turns a number into one.")));
	call->kind = (label == CLASS_TEXT) ? predicted : label;

	flinfo->fn_extra = call;
	return call;
}

/*
 * Argument 1 or 2, which is not NULL, as text.  It may point into the
 * argument or to memory of the current context.
 */
static ClassName
class_arg(FunctionCallInfo fcinfo, ClassCall *call, int argno)
{
	ClassArg   *arg = &call->args[argno - 1];
	Datum		datum = PG_GETARG_DATUM(argno);
	ClassName	class;

	switch (arg->type)
	{
		case BOOLOID:
			class.name = DatumGetBool(datum) ? "true" : "false";
			class.len = strlen(class.name);
			return class;

		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			{
				text	   *string = DatumGetTextPP(datum);

				class.name = VARDATA_ANY(string);
				class.len = VARSIZE_ANY_EXHDR(string);
				if (arg->type == BPCHAROID)
					class.len = bpchartruelen((char *) class.name, class.len);
				break;
			}

		case NUMERICOID:
			class.name = numeric_normalize(DatumGetNumeric(datum));
			class.len = strlen(class.name);
			return class;

		default:
			class.name = OutputFunctionCall(&arg->output, datum);
			class.len = strlen(class.name);
			break;
	}

	if (call->kind == CLASS_BOOLEAN)
	{
		bool		value;

		if (!parse_bool_with_len(class.name, class.len, &value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("class \"%.*s\" is not a boolean", class.len, class.name),
					 errdetail("It stands beside a boolean, so it must be one as text.")));
		class.name = value ? "true" : "false";
		class.len = strlen(class.name);
	}
	return class;
}

/*
 * The state
 */

/*
 * Make the square of counts larger.
 */
static void
grow(ClassState *state)
{
	int			capacity = (state->capacity == 0) ? INITIAL_CAPACITY : state->capacity * 2;
	int64	   *cells = MemoryContextAllocZero(state->context,
											   sizeof(int64) * capacity * capacity);

	if (state->capacity == 0)
	{
		state->classes = MemoryContextAlloc(state->context, sizeof(ClassName) * capacity);
		state->sorted = MemoryContextAlloc(state->context, sizeof(int) * capacity);
	}
	else
	{
		for (int i = 0; i < state->num_classes; i++)
			memcpy(cells + (size_t) i * capacity,
				   state->cells + (size_t) i * state->capacity,
				   sizeof(int64) * state->num_classes);
		pfree(state->cells);
		state->classes = repalloc(state->classes, sizeof(ClassName) * capacity);
		state->sorted = repalloc(state->sorted, sizeof(int) * capacity);
	}
	state->cells = cells;
	state->capacity = capacity;
}

static int
compare_bytes(const ClassName *a, const ClassName *b)
{
	int			result = memcmp(a->name, b->name, Min(a->len, b->len));

	return result != 0 ? result : a->len - b->len;
}

/*
 * The number of a class, which is added with a copy of its name if it is new.
 * Error 54000 if there are too many.
 */
static int
class_number(ClassState *state, const ClassName *class)
{
	int			low = 0;
	int			high = state->num_classes;
	int			number = state->num_classes;
	char	   *name;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = compare_bytes(class, &state->classes[state->sorted[middle]]);

		if (order == 0)
			return state->sorted[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}

	if (number == MAX_CLASSES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d classes", MAX_CLASSES),
				 errhint("Give classes, not scores: compare a score with a threshold, as in score >= 0.5.")));
	if (number == state->capacity)
		grow(state);
	name = MemoryContextAlloc(state->context, Max(class->len, 1));
	memcpy(name, class->name, class->len);
	state->classes[number].name = name;
	state->classes[number].len = class->len;
	memmove(state->sorted + low + 1, state->sorted + low, sizeof(int) * (number - low));
	state->sorted[low] = number;
	state->num_classes++;
	return number;
}

/*
 * A new state in the given memory context.  Booleans always have both of
 * their classes.
 */
static ClassState *
new_state(MemoryContext context, ClassKind kind)
{
	static const ClassName booleans[] = {{"false", 5}, {"true", 4}};
	ClassState *state = MemoryContextAllocZero(context, sizeof(ClassState));

	state->context = context;
	state->kind = kind;
	if (kind == CLASS_BOOLEAN)
	{
		for (int i = 0; i < 2; i++)
			class_number(state, &booleans[i]);
	}
	return state;
}

static void
count(ClassState *state, const ClassName *actual, const ClassName *predicted, int64 rows)
{
	int			i = class_number(state, actual);
	int			j = class_number(state, predicted);

	state->cells[(size_t) i * state->capacity + j] += rows;
}

/*
 * Add one row (state, label, predicted) of any types.
 */
Datum
mlops_classes_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	ClassCall  *call = class_call(fcinfo);
	ClassState *state;

	if (PG_ARGISNULL(0))
		state = new_state(context, call->kind);
	else
		state = (ClassState *) PG_GETARG_POINTER(0);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		ClassName	actual = class_arg(fcinfo, call, 1);
		ClassName	predicted = class_arg(fcinfo, call, 2);

		count(state, &actual, &predicted, 1);
	}
	PG_RETURN_POINTER(state);
}

/*
 * For accuracy, which needs no more than to know whether the classes are the
 * same: counts as in decision.c.
 */
Datum
mlops_classes_match(PG_FUNCTION_ARGS)
{
	MlopsConfusion *counts = mlops_aggregate_state(fcinfo, sizeof(MlopsConfusion));
	ClassCall  *call = class_call(fcinfo);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		ClassName	actual = class_arg(fcinfo, call, 1);
		ClassName	predicted = class_arg(fcinfo, call, 2);

		if (compare_bytes(&actual, &predicted) == 0)
			counts->true_positive++;
		else
			counts->false_positive++;
	}
	PG_RETURN_POINTER(counts);
}

/*
 * Add the counts of the second state to the first.
 */
Datum
mlops_classes_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	ClassState *state = PG_ARGISNULL(0) ? NULL : (ClassState *) PG_GETARG_POINTER(0);
	ClassState *other = PG_ARGISNULL(1) ? NULL : (ClassState *) PG_GETARG_POINTER(1);

	if (other != NULL)
	{
		if (state == NULL)
			state = new_state(context, other->kind);
		for (int i = 0; i < other->num_classes; i++)
		{
			for (int j = 0; j < other->num_classes; j++)
			{
				int64		rows = other->cells[(size_t) i * other->capacity + j];

				if (rows > 0)
					count(state, &other->classes[i], &other->classes[j], rows);
			}
		}
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

Datum
mlops_classes_serialize(PG_FUNCTION_ARGS)
{
	ClassState *state = (ClassState *) PG_GETARG_POINTER(0);
	StringInfoData buf;
	Size		size = 1 + sizeof(int32);

	(void) mlops_aggregate_context(fcinfo);
	for (int i = 0; i < state->num_classes; i++)
		size += sizeof(int32) + state->classes[i].len;
	size += sizeof(int64) * state->num_classes * state->num_classes;

	mlops_state_begin(&buf, size);
	pq_sendbyte(&buf, state->kind);
	pq_sendint32(&buf, state->num_classes);
	for (int i = 0; i < state->num_classes; i++)
	{
		pq_sendint32(&buf, state->classes[i].len);
		pq_sendbytes(&buf, state->classes[i].name, state->classes[i].len);
	}
	for (int i = 0; i < state->num_classes; i++)
	{
		for (int j = 0; j < state->num_classes; j++)
			pq_sendint64(&buf, state->cells[(size_t) i * state->capacity + j]);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_classes_deserialize(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	ClassState *state;
	int			kind;
	int			num_classes;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	kind = pq_getmsgbyte(&buf);
	num_classes = pq_getmsgint(&buf, sizeof(int32));
	if ((kind != CLASS_TEXT && kind != CLASS_NUMBER && kind != CLASS_BOOLEAN) ||
		num_classes < 0 || num_classes > MAX_CLASSES)
		mlops_state_damaged();

	state = new_state(CurrentMemoryContext, kind);
	for (int i = 0; i < num_classes; i++)
	{
		ClassName	class;

		class.len = pq_getmsgint(&buf, sizeof(int32));
		class.name = pq_getmsgbytes(&buf, class.len);
		if (class_number(state, &class) != i)
			mlops_state_damaged();
	}
	for (int i = 0; i < num_classes; i++)
	{
		for (int j = 0; j < num_classes; j++)
			state->cells[(size_t) i * state->capacity + j] = mlops_state_recv_count(&buf);
	}
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(state);
}

/*
 * Results
 */

/*
 * A class as a number; what is none sorts as 0, and NaN last.
 */
static double
class_value(const ClassName *class)
{
	char	   *string = pnstrdup(class->name, class->len);
	double		value = strtod(string, NULL);

	pfree(string);
	return isnan(value) ? get_float8_infinity() : value;
}

/*
 * Order of classes in a result: numbers by value, others by bytes.
 */
static int
compare_classes(const void *a, const void *b, void *arg)
{
	const ClassState *state = arg;
	const ClassName *left = &state->classes[*(const int *) a];
	const ClassName *right = &state->classes[*(const int *) b];

	if (state->kind == CLASS_NUMBER)
	{
		double		x = class_value(left);
		double		y = class_value(right);

		if (x < y)
			return -1;
		if (x > y)
			return 1;
	}
	return compare_bytes(left, right);
}

static void
push_string(JsonbParseState **json, JsonbIteratorToken token, const char *string, int len)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = (char *) string;
	value.val.string.len = len;
	pushJsonbValue(json, token, &value);
}

static void
push_count(JsonbParseState **json, JsonbIteratorToken token, int64 count)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(count);
	pushJsonbValue(json, token, &value);
}

static void
push_field(JsonbParseState **json, const char *key, int64 count)
{
	push_string(json, WJB_KEY, key, strlen(key));
	push_count(json, WJB_VALUE, count);
}

/*
 * The state of a final function as a matrix; false without rows.
 */
static bool
finished_matrix(FunctionCallInfo fcinfo, ClassState **state, MlopsClassMatrix *matrix, int64 *total)
{
	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		return false;
	*state = (ClassState *) PG_GETARG_POINTER(0);
	matrix->cells = (*state)->cells;
	matrix->num_classes = (*state)->num_classes;
	matrix->stride = (*state)->capacity;
	*total = mlops_matrix_total(matrix);
	return *total > 0;
}

/*
 * The counts as jsonb: {"n", "classes", "matrix", "by_class"}.
 */
Datum
mlops_confusion_final(PG_FUNCTION_ARGS)
{
	ClassState *state;
	MlopsClassMatrix matrix;
	int64		total;
	int		   *order;
	JsonbParseState *json = NULL;

	if (!finished_matrix(fcinfo, &state, &matrix, &total))
		PG_RETURN_NULL();
	order = palloc(sizeof(int) * state->num_classes);
	memcpy(order, state->sorted, sizeof(int) * state->num_classes);
	qsort_arg(order, state->num_classes, sizeof(int), compare_classes, state);

	pushJsonbValue(&json, WJB_BEGIN_OBJECT, NULL);
	push_field(&json, "n", total);

	push_string(&json, WJB_KEY, "classes", strlen("classes"));
	pushJsonbValue(&json, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < state->num_classes; i++)
		push_string(&json, WJB_ELEM, state->classes[order[i]].name, state->classes[order[i]].len);
	pushJsonbValue(&json, WJB_END_ARRAY, NULL);

	push_string(&json, WJB_KEY, "matrix", strlen("matrix"));
	pushJsonbValue(&json, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < state->num_classes; i++)
	{
		pushJsonbValue(&json, WJB_BEGIN_ARRAY, NULL);
		for (int j = 0; j < state->num_classes; j++)
			push_count(&json, WJB_ELEM, matrix.cells[(size_t) order[i] * matrix.stride + order[j]]);
		pushJsonbValue(&json, WJB_END_ARRAY, NULL);
	}
	pushJsonbValue(&json, WJB_END_ARRAY, NULL);

	push_string(&json, WJB_KEY, "by_class", strlen("by_class"));
	pushJsonbValue(&json, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < state->num_classes; i++)
	{
		MlopsConfusion c = mlops_matrix_one_class(&matrix, total, order[i]);

		push_string(&json, WJB_KEY, state->classes[order[i]].name, state->classes[order[i]].len);
		pushJsonbValue(&json, WJB_BEGIN_OBJECT, NULL);
		push_field(&json, "tp", c.true_positive);
		push_field(&json, "fp", c.false_positive);
		push_field(&json, "fn", c.false_negative);
		push_field(&json, "tn", c.true_negative);
		pushJsonbValue(&json, WJB_END_OBJECT, NULL);
	}
	pushJsonbValue(&json, WJB_END_OBJECT, NULL);

	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&json, WJB_END_OBJECT, NULL)));
}

/*
 * A measure of classes: of the class true if they are booleans, else the mean
 * over all classes.  NULL without rows or where it is not defined.
 */
static Datum
class_measure(FunctionCallInfo fcinfo,
			  double (*one_class) (const MlopsConfusion *c),
			  double (*all_classes) (const MlopsClassMatrix *matrix))
{
	ClassState *state;
	MlopsClassMatrix matrix;
	int64		total;

	if (!finished_matrix(fcinfo, &state, &matrix, &total))
		PG_RETURN_NULL();
	if (state->kind == CLASS_BOOLEAN)
	{
		static const ClassName positive = {"true", 4};
		MlopsConfusion c = mlops_matrix_one_class(&matrix, total, class_number(state, &positive));

		return mlops_measure_result(fcinfo, one_class(&c));
	}
	return mlops_measure_result(fcinfo, all_classes(&matrix));
}

Datum
mlops_classes_precision_final(PG_FUNCTION_ARGS)
{
	return class_measure(fcinfo, mlops_precision, mlops_matrix_precision);
}

Datum
mlops_classes_recall_final(PG_FUNCTION_ARGS)
{
	return class_measure(fcinfo, mlops_recall, mlops_matrix_recall);
}

Datum
mlops_classes_f1_final(PG_FUNCTION_ARGS)
{
	return class_measure(fcinfo, mlops_f1, mlops_matrix_f1);
}

Datum
mlops_classes_mcc_final(PG_FUNCTION_ARGS)
{
	return class_measure(fcinfo, mlops_mcc, mlops_matrix_mcc);
}
