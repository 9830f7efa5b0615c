/*-------------------------------------------------------------------------
 *
 * support.c
 *	  What the planner should know of the scoring functions.
 *
 * Their cost.  With a reference that is known at planning the cost is that of
 * the model that it means now, so that a large model is computed last in a
 * WHERE and makes a parallel plan worth its start.  The plan stays right if the
 * alias moves later: only its estimate ages.
 *
 * Their columns.  To pass a row the executor takes it apart, forms a composite
 * value of all columns, and we take that apart again: a third of the time of a
 * small model.  So a call on a row, such as predict(m, t), becomes one of the
 * private function of the same name on the row's columns with their names,
 * _predict(m, names, t.a, t.b, ...).  Nothing of the model goes into the plan:
 * columns are bound by name when it runs, as those of a row are.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "registry/model.h"
#include "registry/privilege.h"
#include "registry/table.h"

PG_FUNCTION_INFO_V1(mlops_predict_support);

/*
 * Measured: an operator costs about 20 ns, one level of a tree about 1 ns, and
 * one feature's conversion as much as an operator.
 */
#define LEVEL_COST	0.05

/* the number that info, an object, has under a key */
static double
number_of(Jsonb *info, const char *key)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&info->root, key, strlen(key), &buffer);

	if (value == NULL || value->type != jbvNumeric)
		return 0;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
}

/*
 * Levels and features of the version that a reference means now; false if it
 * means none.
 */
static bool
model_shape(const struct varlena *modelref, double *levels, double *features)
{
	MlopsReference reference;
	MlopsResolved resolved;
	MlopsForestInfo forest;
	MlopsTableKey key = {"id"};
	MlopsTableScan scan;
	HeapTuple	tuple;
	bool		exists;

	/* an estimate is no way to learn of a model that one may not use */
	mlops_modelref_split(modelref, &reference);
	if ((mlops_privileges(GetUserId(), reference.model, &exists) & MLOPS_SCORE) == 0 ||
		!mlops_look_up(&reference, &resolved))
		return false;
	if (mlops_model_peek(&resolved, &forest))
	{
		*levels = (double) forest.num_trees * forest.max_depth;
		*features = forest.num_features;
		return true;
	}

	key.value.value = Int64GetDatum(resolved.version_id);
	mlops_table_begin(&scan, "version", "version_pkey", GetActiveSnapshot(), &key, 1);
	tuple = mlops_table_next(&scan);
	if (tuple != NULL)
	{
		bool		isnull;
		Jsonb	   *info = DatumGetJsonbP(mlops_table_value(&scan, tuple, "info", &isnull));
		Jsonb	   *signature = DatumGetJsonbP(mlops_table_value(&scan, tuple, "signature", &isnull));

		*levels = number_of(info, "trees") * number_of(info, "depth");
		*features = JB_ROOT_COUNT(signature);
	}
	mlops_table_end(&scan);
	return tuple != NULL;
}

/*
 * The columns of a row of a table, and their names as text[]; NIL if the row
 * can be NULL as a whole, which columns cannot say.
 */
static List *
columns_of_table(PlannerInfo *root, Var *var, Datum **names)
{
	RangeTblEntry *rte;
	List	   *columns = NIL;
	ListCell   *cell;
	int			count = 0;

	if (root == NULL || var->varattno != InvalidAttrNumber || var->varlevelsup != 0 ||
		!mlops_var_is_plain(var) || root->parse->groupingSets != NIL)
		return NIL;
	rte = rt_fetch(var->varno, root->parse->rtable);
	if (rte->rtekind != RTE_RELATION || var->vartype != get_rel_type_id(rte->relid))
		return NIL;
	foreach(cell, root->parse->rtable)
	{
		RangeTblEntry *other = lfirst_node(RangeTblEntry, cell);

		if (other->rtekind == RTE_JOIN && other->jointype != JOIN_INNER)
			return NIL;
	}

	/* not by the names in rte, which a view has as they were at its creation */
	*names = palloc(sizeof(Datum) * MaxHeapAttributeNumber);
	for (AttrNumber number = 1;; number++)
	{
		char	   *name = get_attname(rte->relid, number, true);
		Oid			type;
		int32		typmod;
		Oid			collation;

		if (name == NULL)
			break;
		/* a dropped column keeps its number and has no type */
		if (get_atttype(rte->relid, number) == InvalidOid)
			continue;
		get_atttypetypmodcoll(rte->relid, number, &type, &typmod, &collation);
		columns = lappend(columns, makeVar(var->varno, number, type, typmod, collation, 0));
		(*names)[count++] = CStringGetTextDatum(name);
	}
	return columns;
}

/*
 * The same of a row that is written out, as that of a subquery is after the
 * planner has pulled it up.
 */
static List *
columns_of_expression(RowExpr *row, Datum **names)
{
	ListCell   *cell;

	if (row->row_typeid != RECORDOID || list_length(row->colnames) != list_length(row->args))
		return NIL;
	*names = palloc(sizeof(Datum) * Max(list_length(row->args), 1));
	foreach(cell, row->colnames)
		(*names)[foreach_current_index(cell)] = CStringGetTextDatum(strVal(lfirst(cell)));
	return row->args;
}

/*
 * A call on a row as a call on its columns, or NULL if it has to stay.
 */
static Node *
call_on_columns(PlannerInfo *root, FuncExpr *call)
{
	const Oid	types[] = {exprType(linitial(call->args)), TEXTARRAYOID, ANYOID};
	Node	   *row = lsecond(call->args);
	List	   *columns = NIL;
	Datum	   *names;
	Oid			function;
	ArrayType  *array;

	/* a row with changes is read by their names, not by its columns */
	if (list_length(call->args) != 2)
		return NULL;
	if (IsA(row, Var))
		columns = columns_of_table(root, (Var *) row, &names);
	else if (IsA(row, RowExpr))
		columns = columns_of_expression((RowExpr *) row, &names);
	if (columns == NIL || list_length(columns) + 2 > FUNC_MAX_ARGS)
		return NULL;

	function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
							   CStringGetDatum(psprintf("_%s", get_func_name(call->funcid))),
							   PointerGetDatum(buildoidvector(types, lengthof(types))),
							   ObjectIdGetDatum(get_func_namespace(call->funcid)));
	if (!OidIsValid(function) ||
		!mlops_may_execute(call->funcid, GetUserId()) || !mlops_may_execute(function, GetUserId()))
		return NULL;
	array = construct_array(names, list_length(columns), TEXTOID, -1, false, TYPALIGN_INT);
	return (Node *) makeFuncExpr(function, call->funcresulttype,
								 list_concat(list_make2(linitial(call->args),
														makeConst(TEXTARRAYOID, -1, DEFAULT_COLLATION_OID, -1,
																  PointerGetDatum(array), false, false)),
											 columns),
								 call->funccollid, call->inputcollid, COERCE_EXPLICIT_CALL);
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
		double		levels = 0;
		double		features = 0;

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
	if (IsA(request, SupportRequestSimplify))
	{
		SupportRequestSimplify *simplify = (SupportRequestSimplify *) request;

		PG_RETURN_POINTER(call_on_columns(simplify->root, simplify->fcall));
	}
	PG_RETURN_POINTER(NULL);
}
