/*-------------------------------------------------------------------------
 *
 * sketch_aggregate.c
 *	  The aggregates mlops.sketch(x) and mlops.merge(sketch).
 *
 * The state is a sketch in the aggregate's memory context; what adding and
 * merging allocate belongs to it, so they run in that context.  A worker hands
 * its state over as the bytes of a sketch, which have a version.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "errors.h"
#include "metrics/aggregate.h"
#include "monitoring/sketch_type.h"

PG_FUNCTION_INFO_V1(mlops_sketch_add);
PG_FUNCTION_INFO_V1(mlops_sketch_merge_add);
PG_FUNCTION_INFO_V1(mlops_sketch_combine);
PG_FUNCTION_INFO_V1(mlops_sketch_serialize);
PG_FUNCTION_INFO_V1(mlops_sketch_deserialize);
PG_FUNCTION_INFO_V1(mlops_sketch_final);

/*
 * How the argument's type converts; looked up once in a query.
 */
static MlopsConversion
argument_conversion(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra == NULL)
	{
		MlopsConversion *conversion = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(MlopsConversion));
		Oid			type = get_fn_expr_argtype(flinfo, 1);

		if (!OidIsValid(type))
			elog(ERROR, "could not determine the type of the argument");
		*conversion = mlops_conversion(getBaseType(type));
		if (*conversion == MLOPS_CONVERT_NONE)
			elog(ERROR, "type %u has no sketch", type);
		flinfo->fn_extra = conversion;
	}
	return *(MlopsConversion *) flinfo->fn_extra;
}

/*
 * Merge, in the present memory context; error ML050 if the kinds differ.
 */
static void
merge_into(MlopsSketch *sketch, const MlopsSketch *other)
{
	if (mlops_sketch_kind(sketch) != mlops_sketch_kind(other))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_SKETCH_KIND),
				 errmsg("a numeric and a categorical sketch cannot be merged"),
				 errhint("Merge sketches of one column only.")));
	if (!mlops_sketch_merge(sketch, other))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sketches have too many rows to be merged")));
}

/* SQL: a row of mlops.sketch(x) */
Datum
mlops_sketch_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	MlopsConversion conversion = argument_conversion(fcinfo);
	MlopsSketch *sketch = PG_ARGISNULL(0) ? NULL : (MlopsSketch *) PG_GETARG_POINTER(0);
	MemoryContext old;

	old = MemoryContextSwitchTo(context);
	if (sketch == NULL)
		sketch = mlops_sketch_create(mlops_sketch_kind_for(conversion));
	if (likely(conversion == MLOPS_CONVERT_FLOAT8 && !PG_ARGISNULL(1)))
	{
		/* most columns are of this type, and need no conversion */
		mlops_sketch_add_number(sketch, PG_GETARG_FLOAT8(1));
		MemoryContextSwitchTo(old);
		PG_RETURN_POINTER(sketch);
	}
	MemoryContextSwitchTo(old);
	if (PG_ARGISNULL(1))
		mlops_sketch_add_null(sketch);
	else
		mlops_sketch_add_datum(sketch, context, conversion, PG_GETARG_DATUM(1));
	PG_RETURN_POINTER(sketch);
}

/* SQL: a row of mlops.merge(sketch) */
Datum
mlops_sketch_merge_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	MlopsSketch *sketch = PG_ARGISNULL(0) ? NULL : (MlopsSketch *) PG_GETARG_POINTER(0);
	MlopsSketch *other;
	MemoryContext old;

	if (PG_ARGISNULL(1))
	{
		if (sketch == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(sketch);
	}
	other = mlops_sketch_from_datum(PG_GETARG_DATUM(1));
	old = MemoryContextSwitchTo(context);
	if (sketch == NULL)
		sketch = mlops_sketch_create(mlops_sketch_kind(other));
	merge_into(sketch, other);
	MemoryContextSwitchTo(old);
	mlops_sketch_free(other);
	PG_RETURN_POINTER(sketch);
}

Datum
mlops_sketch_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	MlopsSketch *sketch = PG_ARGISNULL(0) ? NULL : (MlopsSketch *) PG_GETARG_POINTER(0);
	MemoryContext old;

	if (!PG_ARGISNULL(1))
	{
		const MlopsSketch *other = (MlopsSketch *) PG_GETARG_POINTER(1);

		old = MemoryContextSwitchTo(context);
		if (sketch == NULL)
			sketch = mlops_sketch_create(mlops_sketch_kind(other));
		merge_into(sketch, other);
		MemoryContextSwitchTo(old);
	}
	if (sketch == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(sketch);
}

/*
 * The value of a state, which is arranged by that but says the same.  What
 * arranging allocates belongs to the state.
 */
static Datum
state_value(FunctionCallInfo fcinfo)
{
	MlopsSketch *sketch = (MlopsSketch *) PG_GETARG_POINTER(0);
	MemoryContext old = MemoryContextSwitchTo(mlops_aggregate_context(fcinfo));

	mlops_sketch_is_exact(sketch);
	MemoryContextSwitchTo(old);
	return mlops_sketch_to_datum(sketch);
}

Datum
mlops_sketch_serialize(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(state_value(fcinfo));
}

Datum
mlops_sketch_deserialize(PG_FUNCTION_ARGS)
{
	mlops_aggregate_context(fcinfo);
	PG_RETURN_POINTER(mlops_sketch_from_datum(PG_GETARG_DATUM(0)));
}

/* SQL: the sketch of no rows is NULL */
Datum
mlops_sketch_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(state_value(fcinfo));
}
