/*-------------------------------------------------------------------------
 *
 * dry_run.c
 *	  bind(): what each feature of a version would read.
 *
 * A source is a relation or a query.  A query is parsed, as the caller
 * would parse it, and not run.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <ctype.h>
#include <math.h>

#include "access/relation.h"
#include "catalog/objectaddress.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/plancache.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "registry/model.h"
#include "registry/privilege.h"
#include "scoring/binding.h"

PG_FUNCTION_INFO_V1(mlops_bind_relation);
PG_FUNCTION_INFO_V1(mlops_bind_source);

/* words for kinds, by MlopsKind */
static const char *const kind_names[] = {"numeric", "boolean", "categorical"};

/*
 * What becomes of the values of a column, in the current memory context.
 */
static char *
describe_conversion(const MlopsModel *model, MlopsConversion conversion, MlopsScoringPolicy policy)
{
	static const char *const unseen[] = {
		[MLOPS_CATEGORIES_MISSING] = "",
		[MLOPS_CATEGORIES_ERROR] = "; an unseen one is an error",
		[MLOPS_CATEGORIES_OTHER] = "; an unseen one is a category of its own",
	};
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, mlops_conversion_name(conversion));
	if (MlopsConversionIsCategory(conversion))
		appendStringInfoString(&text, unseen[policy.unseen_categories]);
	if (!isnan(model->missing))
		appendStringInfo(&text, "; %s%s is missing",
						 MlopsConversionIsCategory(conversion) ? "code " : "",
						 float8out_internal(model->missing));
	return text.data;
}

/*
 * Write one row per feature of a version, bound to a row type.
 */
static void
bind(FunctionCallInfo fcinfo, TupleDesc source)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MlopsReference reference;
	MlopsResolved resolved;
	const MlopsModel *model;
	MlopsColumn *columns;

	mlops_modelref_split(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)), &reference);
	mlops_resolve(GetUserId(), &reference, MLOPS_SCORE, &resolved);
	model = mlops_model_hold(&resolved, CurrentMemoryContext);
	columns = mlops_bind_columns(model->signature, source);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < model->signature->num_features; i++)
	{
		const MlopsFeature *feature = &model->signature->features[i];
		const MlopsColumn *column = &columns[i];
		const char *problem = column->problem;
		Datum		values[6] = {0};
		bool		nulls[6] = {false};

		values[0] = CStringGetTextDatum(feature->name);
		values[1] = CStringGetTextDatum(kind_names[feature->kind]);
		nulls[2] = nulls[3] = column->attribute < 0;
		if (column->attribute >= 0)
		{
			Form_pg_attribute attribute = TupleDescAttr(source, column->attribute);

			values[2] = CStringGetTextDatum(NameStr(attribute->attname));
			values[3] = CStringGetTextDatum(format_type_with_typemod(attribute->atttypid,
																	 attribute->atttypmod));
		}
		nulls[4] = problem != NULL;
		if (problem == NULL)
			values[4] = CStringGetTextDatum(describe_conversion(model, column->conversion, resolved.policy));
		else if (column->attribute < 0 && resolved.policy.missing_columns == MLOPS_COLUMNS_NULL)
			problem = psprintf("%s; by the policy of the model it is NULL", problem);
		nulls[5] = problem == NULL;
		if (problem != NULL)
			values[5] = CStringGetTextDatum(problem);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * Bind to a relation.  The caller needs a privilege to read it.
 */
static void
bind_relation(FunctionCallInfo fcinfo, Oid relid)
{
	Relation	relation = relation_open(relid, AccessShareLock);
	AclResult	acl = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);

	if (acl != ACLCHECK_OK)
		acl = pg_attribute_aclcheck_all(relid, GetUserId(), ACL_SELECT, ACLMASK_ANY);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, get_relkind_objtype(relation->rd_rel->relkind),
					   RelationGetRelationName(relation));
	bind(fcinfo, RelationGetDescr(relation));
	relation_close(relation, AccessShareLock);
}

/*
 * SQL: bind to a relation.
 */
Datum
mlops_bind_relation(PG_FUNCTION_ARGS)
{
	bind_relation(fcinfo, PG_GETARG_OID(1));
	return (Datum) 0;
}

/*
 * Does a text begin like a query, rather than like the name of a relation?
 */
static bool
is_query(const char *source)
{
	static const char *const words[] = {"select", "with", "values", "table"};

	while (isspace((unsigned char) *source))
		source++;
	if (*source == '(')
		return true;
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		size_t		len = strlen(words[i]);

		if (pg_strncasecmp(source, words[i], len) == 0 &&
			(isspace((unsigned char) source[len]) || source[len] == '('))
			return true;
	}
	return false;
}

/*
 * Bind to what a query would return.
 */
static void
bind_query(FunctionCallInfo fcinfo, const char *query)
{
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr	plan;
	CachedPlanSource *source;
	TupleDesc	desc = NULL;

	SPI_connect();
	plan = SPI_prepare(query, 0, NULL);
	if (plan != NULL && list_length(SPI_plan_get_plan_sources(plan)) == 1)
	{
		source = linitial(SPI_plan_get_plan_sources(plan));
		if (source->commandTag == CMDTAG_SELECT && source->resultDesc != NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			desc = CreateTupleDescCopy(source->resultDesc);
			MemoryContextSwitchTo(old);
		}
	}
	if (desc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source is not one query that returns rows"),
				 errhint("Give a SELECT, or the name of a table or view.")));
	SPI_finish();
	bind(fcinfo, desc);
}

/*
 * SQL: bind to a source given as text, a query or the name of a relation.
 */
Datum
mlops_bind_source(PG_FUNCTION_ARGS)
{
	char	   *source = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (is_query(source))
		bind_query(fcinfo, source);
	else
		bind_relation(fcinfo, DatumGetObjectId(DirectFunctionCall1(regclassin,
																   CStringGetDatum(source))));
	return (Datum) 0;
}
