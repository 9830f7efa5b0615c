/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  Arguments of functions and of calls of private ones.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_ARGUMENTS_H
#define MLOPS_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

/*
 * A text argument, or NULL.
 */
static inline char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/*
 * Error if an argument that has no NULL is NULL.
 */
static inline void
require_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s cannot be NULL", name)));
}

/* a text as an argument of a private function; NULL is NULL */
static inline NullableDatum
text_datum(const char *string)
{
	NullableDatum result = {0};

	result.isnull = string == NULL;
	if (string != NULL)
		result.value = CStringGetTextDatum(string);
	return result;
}

static inline NullableDatum
jsonb_datum(const char *json)
{
	NullableDatum result = {0};

	result.value = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
	return result;
}

#endif							/* MLOPS_ARGUMENTS_H */
