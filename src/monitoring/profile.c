/*-------------------------------------------------------------------------
 *
 * profile.c
 *	  Profiles: a sketch for each column of some rows.
 *
 * A profile has a memory context of its own, whose size does not depend on
 * the number of rows: about 250 kB for each column at most.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "mlops.h"
#include "monitoring/profile.h"

MlopsProfile *
mlops_profile_create(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mlops profile",
												  ALLOCSET_DEFAULT_SIZES);
	MlopsProfile *profile = MemoryContextAllocZero(context, sizeof(MlopsProfile));

	profile->context = context;
	profile->row_context = AllocSetContextCreate(context, "mlops profile row",
												 ALLOCSET_SMALL_SIZES);
	return profile;
}

/*
 * Add a column of an SQL type.  The result is valid until the next is added.
 */
MlopsProfileColumn *
mlops_profile_add_column(MlopsProfile *profile, const char *name, const char *role,
						 Oid type, int number)
{
	MemoryContext old = MemoryContextSwitchTo(profile->context);
	MlopsProfileColumn *column;

	type = getBaseType(type);
	if (profile->num_columns == profile->allocated)
	{
		profile->allocated = Max(2 * profile->allocated, 16);
		if (profile->columns == NULL)
			profile->columns = palloc(sizeof(MlopsProfileColumn) * profile->allocated);
		else
			profile->columns = repalloc(profile->columns,
										sizeof(MlopsProfileColumn) * profile->allocated);
	}
	column = &profile->columns[profile->num_columns++];
	memset(column, 0, sizeof(MlopsProfileColumn));
	column->name = pstrdup(name);
	column->role = role;
	column->number = number;
	column->conversion = mlops_conversion(type);
	column->type = format_type_extended(type, -1, type < FirstNormalObjectId ?
										0 : FORMAT_TYPE_FORCE_QUALIFY);
	if (column->conversion == MLOPS_CONVERT_NONE)
		column->kind = "unsupported";
	else
	{
		column->kind = column->conversion == MLOPS_CONVERT_BOOL ? "boolean" :
			MlopsConversionIsCategory(column->conversion) ? "categorical" : "numeric";
		column->sketch = mlops_sketch_create(mlops_sketch_kind_for(column->conversion));
	}
	MemoryContextSwitchTo(old);
	return column;
}

/*
 * Add all columns of a row type.
 */
void
mlops_profile_add_columns(MlopsProfile *profile, TupleDesc tupdesc)
{
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		mlops_profile_add_column(profile, NameStr(attribute->attname), NULL,
								 attribute->atttypid, i);
	}
}

/*
 * Add a row: its values by the numbers of the columns.
 */
void
mlops_profile_add_row(MlopsProfile *profile, const Datum *values, const bool *nulls)
{
	MemoryContext old = MemoryContextSwitchTo(profile->row_context);

	for (int i = 0; i < profile->num_columns; i++)
	{
		MlopsProfileColumn *column = &profile->columns[i];

		if (column->number < 0)
			continue;
		if (unlikely(column->sketch == NULL))
		{
			column->rows++;
			column->nulls += nulls[column->number];
		}
		else if (nulls[column->number])
			mlops_sketch_add_null(column->sketch);
		else
			mlops_sketch_add_datum(column->sketch, profile->context, column->conversion,
								   values[column->number]);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(profile->row_context);
}

void
mlops_profile_clear(MlopsProfile *profile)
{
	MemoryContext old = MemoryContextSwitchTo(profile->context);

	for (int i = 0; i < profile->num_columns; i++)
	{
		MlopsProfileColumn *column = &profile->columns[i];

		column->rows = 0;
		column->nulls = 0;
		if (column->sketch != NULL)
		{
			MlopsSketchKind kind = mlops_sketch_kind(column->sketch);

			mlops_sketch_free(column->sketch);
			column->sketch = mlops_sketch_create(kind);
		}
	}
	MemoryContextSwitchTo(old);
}

static Oid
sketch_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("sketch"),
						   ObjectIdGetDatum(get_namespace_oid(MLOPS_SCHEMA, false)));
}

void
mlops_profile_array_types(Oid *types)
{
	for (int i = 0; i < MLOPS_PROFILE_ARRAYS - 1; i++)
		types[i] = TEXTARRAYOID;
	types[MLOPS_PROFILE_ARRAYS - 1] = get_array_type(sketch_type());
}

/*
 * The columns with a sketch as arrays, in the current memory context.
 */
void
mlops_profile_arrays(const MlopsProfile *profile, NullableDatum *arrays)
{
	Datum	   *elements[MLOPS_PROFILE_ARRAYS];
	bool	   *no_role = palloc(sizeof(bool) * (profile->num_columns + 1));
	int			n = 0;
	int			lower = 1;
	MemoryContext old = MemoryContextSwitchTo(profile->context);

	/* what this arranges belongs to the sketches */
	for (int i = 0; i < profile->num_columns; i++)
	{
		if (profile->columns[i].sketch != NULL)
			mlops_sketch_is_exact(profile->columns[i].sketch);
	}
	MemoryContextSwitchTo(old);

	for (int i = 0; i < MLOPS_PROFILE_ARRAYS; i++)
		elements[i] = palloc(sizeof(Datum) * (profile->num_columns + 1));
	for (int i = 0; i < profile->num_columns; i++)
	{
		const MlopsProfileColumn *column = &profile->columns[i];

		if (column->sketch == NULL)
			continue;
		no_role[n] = column->role == NULL;
		elements[0][n] = no_role[n] ? (Datum) 0 : CStringGetTextDatum(column->role);
		elements[1][n] = CStringGetTextDatum(column->name);
		elements[2][n] = CStringGetTextDatum(column->type);
		elements[3][n] = CStringGetTextDatum(column->kind);
		elements[4][n++] = mlops_sketch_to_datum(column->sketch);
	}
	for (int i = 0; i < MLOPS_PROFILE_ARRAYS; i++)
	{
		arrays[i].isnull = false;
		arrays[i].value =
			PointerGetDatum(construct_md_array(elements[i], i == 0 ? no_role : NULL, 1, &n, &lower,
											   i == MLOPS_PROFILE_ARRAYS - 1 ? sketch_type() : TEXTOID,
											   -1, false, TYPALIGN_INT));
	}
}
