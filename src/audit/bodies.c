/*-------------------------------------------------------------------------
 *
 * bodies.c
 *	  What the functions of the extension consist of.
 *
 * The library knows the body of each function that the installation script of
 * its version creates, by its SHA-256: bodies.pl collects them when it is
 * built.  So that a function which somebody replaced is found without trust
 * in anything that the database holds, but for the one that asks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(mlops_installed_bodies);

typedef struct FunctionBody
{
	const char *name;
	const char *sha256;			/* in hexadecimal digits */
} FunctionBody;

static const FunctionBody bodies[] = {
#include "audit/bodies.h"
};

/*
 * SQL: the names of the functions, without their schema, and the SHA-256 of
 * their bodies; several rows for a name with several forms.
 */
Datum
mlops_installed_bodies(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < (int) lengthof(bodies); i++)
	{
		Datum		values[2] = {CStringGetTextDatum(bodies[i].name), CStringGetTextDatum(bodies[i].sha256)};
		bool		isnull[2] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
	return (Datum) 0;
}
