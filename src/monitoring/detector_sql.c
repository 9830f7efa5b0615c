/*-------------------------------------------------------------------------
 *
 * detector_sql.c
 *	  SQL: detectors of change as aggregates over an ordered stream.
 *
 * The order is that of ORDER BY in the call, so there is no parallel form.  A
 * state costs less than 6 kB with the usual parameters, and 8 bytes an alarm.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "metrics/aggregate.h"
#include "monitoring/detector.h"

typedef enum Kind
{
	ADWIN,
	DDM,
	PAGE_HINKLEY
} Kind;

typedef struct DetectorState
{
	Kind		kind;
	int64		position;		/* of the next row */
	int64	   *positions[2];	/* of warnings, of alarms */
	int64		count[2];
	int64		capacity[2];
	MlopsDdm	ddm;
	MlopsPageHinkley page_hinkley;
	MlopsAdwin *adwin;
} DetectorState;

#define WARNINGS	0
#define ALARMS		1

PG_FUNCTION_INFO_V1(mlops_adwin_add_row);
PG_FUNCTION_INFO_V1(mlops_ddm_add_row);
PG_FUNCTION_INFO_V1(mlops_ddm_add_row_number);
PG_FUNCTION_INFO_V1(mlops_page_hinkley_add_row);
PG_FUNCTION_INFO_V1(mlops_detector_alarms);
PG_FUNCTION_INFO_V1(mlops_detector_warnings);

/* an option of a detector: a number, whole or not, within limits */
typedef struct Option
{
	const char *name;
	double		least;
	double		greatest;
	double	   *number;			/* where it goes: one of these */
	int64	   *whole;
} Option;

/*
 * Read options from a JSON object.  Error 22023 for one that is unknown or out
 * of range.
 */
static void
read_options(Jsonb *given, const Option *options, int num_options)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));

	iterator = JsonbIteratorInit(&given->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		const Option *option = NULL;
		double		number = NAN;

		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE)
			continue;

		for (int i = 0; i < num_options; i++)
		{
			if (strcmp(name, options[i].name) == 0)
				option = &options[i];
		}
		if (option == NULL)
		{
			StringInfoData names;

			initStringInfo(&names);
			for (int i = 0; i < num_options; i++)
				appendStringInfo(&names, "%s%s", i == 0 ? "" : i < num_options - 1 ? ", " : " and ",
								 options[i].name);
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown option \"%s\" of a detector", name),
					 errhint("Options are %s.", names.data)));
		}

		if (value.type == jbvNumeric)
			number = DatumGetFloat8(DirectFunctionCall1(numeric_float8,
														NumericGetDatum(value.val.numeric)));
		if (!(number >= option->least && number <= option->greatest) ||
			(option->whole && number != floor(number)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"%s\" must be a %snumber from %s to %s", name,
							option->whole ? "whole " : "", float8out_internal(option->least),
							float8out_internal(option->greatest))));
		if (option->whole)
			*option->whole = (int64) number;
		else
			*option->number = number;
	}
}

/*
 * A new state with the options of argument 2, if there is one.
 */
static DetectorState *
new_state(FunctionCallInfo fcinfo, MemoryContext context, Kind kind)
{
	DetectorState *state = MemoryContextAllocZero(context, sizeof(DetectorState));
	Jsonb	   *given = NULL;
	double		delta = NAN;

	if (PG_NARGS() > 2)
	{
		mlops_require_arg(fcinfo, 2, "options of a detector");
		if (get_fn_expr_argtype(fcinfo->flinfo, 2) == FLOAT8OID)
			delta = PG_GETARG_FLOAT8(2);
		else
			given = PG_GETARG_JSONB_P(2);
	}

	state->kind = kind;
	if (kind == ADWIN)
	{
		MlopsAdwinOptions options;
		int64		max_buckets;

		mlops_adwin_defaults(&options);
		max_buckets = options.max_buckets;
		if (given)
		{
			const Option names[] = {
				{"delta", 1e-300, 1, &options.delta, NULL},
				{"clock", 1, 1e9, NULL, &options.clock},
				{"max_buckets", 2, MLOPS_ADWIN_MAX_BUCKETS, NULL, &max_buckets},
				{"min_window_length", 1, 1e9, NULL, &options.min_window},
				{"grace_period", 0, 1e9, NULL, &options.grace_period},
			};

			read_options(given, names, lengthof(names));
		}
		else if (PG_NARGS() > 2)
		{
			if (!(delta > 0 && delta <= 1))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("delta must be above 0 and at most 1")));
			options.delta = delta;
		}
		options.max_buckets = (int) max_buckets;
		state->adwin = MemoryContextAlloc(context, mlops_adwin_size(&options));
		mlops_adwin_init(state->adwin, &options);
	}
	else if (kind == DDM)
	{
		MlopsDdmOptions options;

		mlops_ddm_defaults(&options);
		if (given)
		{
			const Option names[] = {
				{"warm_start", 0, 1e9, NULL, &options.warm_start},
				{"warning_threshold", 0, 1e9, &options.warning, NULL},
				{"drift_threshold", 0, 1e9, &options.drift, NULL},
			};

			read_options(given, names, lengthof(names));
		}
		mlops_ddm_init(&state->ddm, &options);
	}
	else
	{
		MlopsPageHinkleyOptions options;

		mlops_page_hinkley_defaults(&options);
		if (given)
		{
			const Option names[] = {
				{"min_instances", 0, 1e9, NULL, &options.min_instances},
				{"delta", 0, 1e300, &options.delta, NULL},
				{"threshold", 0, 1e300, &options.threshold, NULL},
				{"alpha", 0, 1, &options.alpha, NULL},
			};

			read_options(given, names, lengthof(names));
		}
		mlops_page_hinkley_init(&state->page_hinkley, &options);
	}
	return state;
}

/*
 * Remember a position.
 */
static void
append_position(DetectorState *state, MemoryContext context, int list)
{
	if (state->count[list] == state->capacity[list])
	{
		int64		capacity = Max(state->capacity[list] * 2, 8);

		if (state->positions[list] == NULL)
			state->positions[list] = MemoryContextAlloc(context, sizeof(int64) * capacity);
		else
			state->positions[list] = repalloc_huge(state->positions[list],
												   sizeof(int64) * (Size) capacity);
		state->capacity[list] = capacity;
	}
	state->positions[list][state->count[list]++] = state->position;
}

/*
 * Add one row (state, value, options); the last may be absent.  A row whose
 * value is NULL has a position and nothing else.
 */
static Datum
add_row(FunctionCallInfo fcinfo, Kind kind, bool is_boolean)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	DetectorState *state = PG_ARGISNULL(0) ? new_state(fcinfo, context, kind) :
		(DetectorState *) PG_GETARG_POINTER(0);
	MlopsSignal signal = MLOPS_SIGNAL_NONE;

	if (!PG_ARGISNULL(1))
	{
		if (kind == DDM)
		{
			bool		error = mlops_label_arg(fcinfo, 1, is_boolean ? MLOPS_LABEL_BOOLEAN : MLOPS_LABEL_NUMBER);

			signal = mlops_ddm_add(&state->ddm, error);
		}
		else
		{
			double		value = PG_GETARG_FLOAT8(1);

			if (!isfinite(value))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("value of a stream must be finite, not %s", float8out_internal(value)),
						 errhint("Rows are skipped if their value is NULL: to leave NaN out, use nullif(value, 'NaN').")));
			signal = kind == ADWIN ? mlops_adwin_add(state->adwin, value) :
				mlops_page_hinkley_add(&state->page_hinkley, value);
		}
	}
	if (signal == MLOPS_SIGNAL_ALARM)
		append_position(state, context, ALARMS);
	else if (signal == MLOPS_SIGNAL_WARNING)
		append_position(state, context, WARNINGS);
	state->position++;
	PG_RETURN_POINTER(state);
}

Datum
mlops_adwin_add_row(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, ADWIN, false);
}

Datum
mlops_ddm_add_row(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, DDM, true);
}

Datum
mlops_ddm_add_row_number(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, DDM, false);
}

Datum
mlops_page_hinkley_add_row(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, PAGE_HINKLEY, false);
}

/*
 * The positions of a list as bigint[]; NULL if no row was added.
 */
static Datum
positions_result(FunctionCallInfo fcinfo, int list)
{
	DetectorState *state;
	Datum	   *elements;

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (DetectorState *) PG_GETARG_POINTER(0);
	if (state->count[list] > (int64) (MaxAllocSize / sizeof(Datum)) - 64)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many positions for an array")));
	elements = palloc(sizeof(Datum) * Max(state->count[list], 1));
	for (int64 i = 0; i < state->count[list]; i++)
		elements[i] = Int64GetDatum(state->positions[list][i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, (int) state->count[list], INT8OID,
										  sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

Datum
mlops_detector_alarms(PG_FUNCTION_ARGS)
{
	return positions_result(fcinfo, ALARMS);
}

Datum
mlops_detector_warnings(PG_FUNCTION_ARGS)
{
	return positions_result(fcinfo, WARNINGS);
}
