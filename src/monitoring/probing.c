/*-------------------------------------------------------------------------
 *
 * probing.c
 *	  What the reports of poisoning and probing need that SQL has not.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "monitoring/test.h"

PG_FUNCTION_INFO_V1(mlops_normal_sf_sql);
PG_FUNCTION_INFO_V1(mlops_differences);

/*
 * SQL, private: the probability that a standard normal value is above z.
 */
Datum
mlops_normal_sf_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(mlops_normal_sf(PG_GETARG_FLOAT8(0)));
}

/*
 * The elements of a bigint[]; error if there are NULLs among them.
 */
static Datum *
elements(ArrayType *array, int *count)
{
	Datum	   *values;

	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("hashes of features cannot be NULL")));
	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, NULL, count);
	return values;
}

/*
 * SQL, private: in how many places two arrays of one length differ; NULL if
 * the lengths differ.
 */
Datum
mlops_differences(PG_FUNCTION_ARGS)
{
	int			count;
	int			other_count;
	Datum	   *values = elements(PG_GETARG_ARRAYTYPE_P(0), &count);
	Datum	   *others = elements(PG_GETARG_ARRAYTYPE_P(1), &other_count);
	int32		result = 0;

	if (count != other_count)
		PG_RETURN_NULL();
	for (int i = 0; i < count; i++)
		result += DatumGetInt64(values[i]) != DatumGetInt64(others[i]);
	PG_RETURN_INT32(result);
}
