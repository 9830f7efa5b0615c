/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *	  What all aggregates of measures share.
 *
 * Every aggregate of this folder has a state of type internal, which lives in
 * the aggregate's memory context and holds no pointer to anything outside of
 * it.  A row whose label or score is NULL is skipped, as aggregates do; a
 * value that cannot be meant (a label of 2, a score of NaN) is an error and
 * never skipped.
 *
 * Final functions do not change what a further row or a second final function
 * would see: aggregates that collect the same thing share one state, and can
 * be used as window functions.
 *
 * A state is handed over as a version byte and fields in network byte order.
 * It lives as long as one query, but the leader and a worker could be of
 * different builds if the library was replaced in between.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "metrics/aggregate.h"

/* what version, varlena header and the tuple around them add, and more */
#define STATE_OVERHEAD		1024

/* fields of mlops.estimate */
#define ESTIMATE_VALUE		0
#define ESTIMATE_LOWER		1
#define ESTIMATE_UPPER		2
#define ESTIMATE_FIELDS		3

/*
 * The memory context for states of the aggregate in progress.
 */
MemoryContext
mlops_aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "function %u was called outside of an aggregate",
			 fcinfo->flinfo->fn_oid);
	return context;
}

/*
 * The state of the aggregate in progress; a zeroed one if there is none yet.
 */
void *
mlops_aggregate_state(FunctionCallInfo fcinfo, size_t size)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);

	if (PG_ARGISNULL(0))
		return MemoryContextAllocZero(context, size);
	return PG_GETARG_POINTER(0);
}

/*
 * Error 22004 if an argument that is no part of the data is NULL.
 */
void
mlops_require_arg(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

/*
 * Read a label that is not NULL.  Error 22023 for a number that is neither 0
 * nor 1.
 */
bool
mlops_label_arg(FunctionCallInfo fcinfo, int argno, MlopsLabelType type)
{
	double		label;

	if (type == MLOPS_LABEL_BOOLEAN)
		return PG_GETARG_BOOL(argno);

	label = PG_GETARG_FLOAT8(argno);
	if (label != 0 && label != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("label must be 0 or 1, not %s", float8out_internal(label)),
				 errhint("For other labels compare with the positive one, as in label = 2.")));
	return label == 1;
}

/*
 * Read a score that is not NULL.  Error 22023 if it is NaN.
 */
double
mlops_score_arg(FunctionCallInfo fcinfo, int argno)
{
	double		score = PG_GETARG_FLOAT8(argno);

	if (unlikely(isnan(score)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("score must not be NaN"),
				 errhint("Rows are skipped if their score is NULL: to leave these out, use nullif(score, 'NaN').")));
	return score;
}

/*
 * Read a score that is not NULL and must be a probability.  Error 22023 if it
 * is not.
 */
double
mlops_probability_arg(FunctionCallInfo fcinfo, int argno)
{
	double		score = mlops_score_arg(fcinfo, argno);

	if (unlikely(score < 0 || score > 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("score %s is not a probability", float8out_internal(score)),
				 errdetail("This measure is defined for scores from 0 to 1."),
				 errhint("Give probabilities, such as those of mlops.predict. Measures of ranking, such as mlops.auc, take any score.")));
	return score;
}

/*
 * Read the level of an interval.  Error 22004 if it is NULL, 22023 if it is
 * not between 0 and 1.
 */
double
mlops_level_arg(FunctionCallInfo fcinfo, int argno)
{
	double		level;

	mlops_require_arg(fcinfo, argno, "level of an interval");
	level = PG_GETARG_FLOAT8(argno);
	if (!(level > 0 && level < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("level of an interval must be between 0 and 1"),
				 errhint("The level is a probability, such as 0.95.")));
	return level;
}

/*
 * Read (state, label, score, ...); false if the row is to be skipped.
 */
bool
mlops_scored_args(FunctionCallInfo fcinfo, MlopsLabelType type, MlopsScored *row)
{
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return false;
	row->label = mlops_label_arg(fcinfo, 1, type);
	row->score = mlops_score_arg(fcinfo, 2);
	return true;
}

/*
 * Begin the bytes of a state that is handed over; size is what follows the
 * version.
 */
void
mlops_state_begin(StringInfo buf, Size size)
{
	if (size > MaxAllocSize - STATE_OVERHEAD)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a parallel worker cannot hand over %zu bytes of rows for this aggregate", size),
				 errdetail("The limit is 1 GB for each worker."),
				 errhint("Set max_parallel_workers_per_gather to 0 for this query: a single process is limited by memory only.")));
	pq_begintypsend(buf);
	enlargeStringInfo(buf, size + 1);
	pq_sendbyte(buf, MLOPS_STATE_VERSION);
}

/*
 * The state that was handed over is not what this library writes.
 */
void
mlops_state_damaged(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid state of an aggregate from a parallel worker")));
}

/*
 * Open a state that was handed over, for the functions of pqformat.h.  The
 * bytes stay where they are.
 */
void
mlops_state_open(StringInfo buf, bytea *bytes)
{
	int			version;

	buf->data = VARDATA_ANY(bytes);
	buf->len = VARSIZE_ANY_EXHDR(bytes);
	buf->maxlen = 0;
	buf->cursor = 0;
	version = pq_getmsgbyte(buf);
	if (version != MLOPS_STATE_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("state of an aggregate has version %d instead of %d",
						version, MLOPS_STATE_VERSION),
				 errhint("The library was replaced while the query was running: run the query again.")));
}

void
mlops_state_send_sum(StringInfo buf, const MlopsSum *sum)
{
	pq_sendfloat8(buf, sum->high);
	pq_sendfloat8(buf, sum->low);
}

void
mlops_state_recv_sum(StringInfo buf, MlopsSum *sum)
{
	sum->high = pq_getmsgfloat8(buf);
	sum->low = pq_getmsgfloat8(buf);
}

int64
mlops_state_recv_count(StringInfo buf)
{
	int64		count = pq_getmsgint64(buf);

	if (count < 0)
		mlops_state_damaged();
	return count;
}

/*
 * A measure as the result of a final function: NULL where it is not defined.
 * Error 22003 if the sums left the range of a double.
 */
Datum
mlops_measure_result(FunctionCallInfo fcinfo, double value)
{
	if (isnan(value))
		PG_RETURN_NULL();
	if (unlikely(isinf(value)))
		float_overflow_error();
	PG_RETURN_FLOAT8(value);
}

/*
 * A share with its interval as the result of a function: mlops.estimate.
 * Bounds that are NaN are NULL.
 */
Datum
mlops_estimate_result(FunctionCallInfo fcinfo, double value, double lower, double upper)
{
	Datum		values[ESTIMATE_FIELDS];
	bool		nulls[ESTIMATE_FIELDS] = {false};
	HeapTuple	tuple;

	values[ESTIMATE_VALUE] = Float8GetDatum(value);
	values[ESTIMATE_LOWER] = Float8GetDatum(Max(lower, 0));
	values[ESTIMATE_UPPER] = Float8GetDatum(Min(upper, 1));
	nulls[ESTIMATE_LOWER] = isnan(lower);
	nulls[ESTIMATE_UPPER] = isnan(upper);
	tuple = heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}

/*
 * The row type that a function returns, or an array of which it returns.  It
 * is looked up once in a query.
 */
TupleDesc
mlops_row_tupdesc(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(flinfo->fn_mcxt);
		Oid			type = get_func_rettype(flinfo->fn_oid);
		Oid			element = get_element_type(type);

		flinfo->fn_extra = lookup_rowtype_tupdesc_copy(OidIsValid(element) ? element : type, -1);
		MemoryContextSwitchTo(old);
	}
	return flinfo->fn_extra;
}

/*
 * CHECK_FOR_INTERRUPTS for the plain C of measures.c.
 */
void
mlops_check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}
