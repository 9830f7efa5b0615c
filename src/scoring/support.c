/*-------------------------------------------------------------------------
 *
 * support.c
 *	  What the planner should know of the scoring functions: their cost.
 *
 * With a reference that is known at planning the cost is that of the model it
 * means now, so that a large model is computed last in a WHERE and makes a
 * parallel plan worth its start.  The plan stays right if the alias moves
 * later: only its estimate ages.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "registry/modelref.h"
#include "registry/privilege.h"

PG_FUNCTION_INFO_V1(mlops_predict_support);

/*
 * Measured: an operator costs about 20 ns, one level of a tree about 1 ns, and
 * one feature's conversion as much as an operator.
 */
#define LEVEL_COST	0.05

/*
 * Levels and features of the version that a reference means now; false if it
 * means none.
 */
static bool
model_shape(const struct varlena *modelref, double *levels, double *features)
{
	Oid			types[3] = {TEXTOID, TEXTOID, INT4OID};
	Datum		values[3];
	char		nulls[3] = {' ', ' ', ' '};
	MlopsReference reference;
	Oid			save_user;
	int			save_context;
	bool		found;

	mlops_modelref_split(modelref, &reference);
	values[0] = CStringGetTextDatum(reference.model);
	values[1] = reference.alias ? CStringGetTextDatum(reference.alias) : (Datum) 0;
	if (reference.alias == NULL)
		nulls[1] = 'n';
	values[2] = Int32GetDatum(reference.version);

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(mlops_owner(), save_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute_with_args("SELECT (v.info OPERATOR(pg_catalog.->>) 'trees')::pg_catalog.float8"
							  " OPERATOR(pg_catalog.*) (v.info OPERATOR(pg_catalog.->>) 'depth')::pg_catalog.float8,"
							  " pg_catalog.jsonb_array_length(v.signature)::pg_catalog.float8"
							  " FROM mlops.model m JOIN mlops.version v ON v.model_id OPERATOR(pg_catalog.=) m.id"
							  " WHERE m.name OPERATOR(pg_catalog.=) $1 AND (v.version OPERATOR(pg_catalog.=) $3"
							  " OR v.id OPERATOR(pg_catalog.=) (SELECT a.version_id FROM mlops.alias a"
							  " WHERE a.model_id OPERATOR(pg_catalog.=) m.id AND a.alias OPERATOR(pg_catalog.=) $2))",
							  3, types, values, nulls, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the shape of a model");
	found = SPI_processed == 1;
	if (found)
	{
		bool		isnull;

		*levels = DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		*features = DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	}
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
	return found;
}

/*
 * Planner support of predict() and its kin.
 */
Datum
mlops_predict_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestCost))
	{
		SupportRequestCost *cost = (SupportRequestCost *) request;
		Node	   *argument;
		double		levels;
		double		features;

		if (cost->node == NULL || !IsA(cost->node, FuncExpr) || !ActiveSnapshotSet())
			PG_RETURN_POINTER(NULL);
		argument = linitial(((FuncExpr *) cost->node)->args);
		if (!IsA(argument, Const) || ((Const *) argument)->constisnull ||
			!model_shape(PG_DETOAST_DATUM_PACKED(((Const *) argument)->constvalue), &levels, &features))
			PG_RETURN_POINTER(NULL);

		cost->startup = 0;
		cost->per_tuple = cpu_operator_cost * (1 + features + levels * LEVEL_COST);
		PG_RETURN_POINTER(cost);
	}
	PG_RETURN_POINTER(NULL);
}
