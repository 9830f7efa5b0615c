/*-------------------------------------------------------------------------
 *
 * importance.c
 *	  feature_importance(): how much a version as a whole uses each feature.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/tuplestore.h"

#include "errors.h"
#include "forest/importance.h"
#include "registry/model.h"
#include "registry/privilege.h"

PG_FUNCTION_INFO_V1(mlops_feature_importance);

/* words for kinds, by MlopsImportance */
static const char *const kind_names[] = {"weight", "gain", "cover", "total_gain", "total_cover"};

/*
 * A kind by its word.  Error 22023 for another word.
 */
static MlopsImportance
read_kind(const char *word)
{
	for (int i = 0; i < (int) lengthof(kind_names); i++)
		if (strcmp(word, kind_names[i]) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown kind of importance \"%s\"", word),
			 errhint("Kinds are weight, gain, cover, total_gain and total_cover.")));
	return 0;					/* keep compiler quiet */
}

/*
 * qsort_arg comparator of features: the most important first, of equal ones
 * the first in the signature.
 */
static int
compare_features(const void *a, const void *b, void *arg)
{
	const double *values = arg;
	int			i = *(const int *) a;
	int			k = *(const int *) b;
	int			result = float8_cmp_internal(fabs(values[k]), fabs(values[i]));

	return result != 0 ? result : i - k;
}

/*
 * SQL: the features that a version uses, by their importance.
 */
Datum
mlops_feature_importance(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MlopsImportance kind = read_kind(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	MlopsReference reference;
	MlopsResolved resolved;
	const MlopsModel *model;
	double	   *values;
	double	   *splits;
	int		   *order;
	int			count = 0;
	double		total = 0;

	mlops_modelref_split(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)), &reference);
	mlops_resolve(GetUserId(), &reference, MLOPS_READ, &resolved);
	model = mlops_model_hold(&resolved, CurrentMemoryContext);

	values = palloc(mul_size(sizeof(double), Max(model->info.num_features, 1)));
	splits = palloc(mul_size(sizeof(double), Max(model->info.num_features, 1)));
	order = palloc(mul_size(sizeof(int), Max(model->info.num_features, 1)));
	if (!mlops_forest_importance(model->forest, kind, mlops_forest_env(), values, splits))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_WRONG_TASK),
				 errmsg("version %d of model \"%s\" has no %s", model->version, model->name, kind_names[kind]),
				 model->info.wide ? errdetail("Its model file does not have that of every split.") :
				 errdetail("It is a linear model, which has no splits."),
				 errhint("Ask for its weights: kind => 'weight'.")));
	for (int i = 0; i < model->info.num_features; i++)
	{
		if (values[i] == 0 && splits[i] == 0)
			continue;
		order[count++] = i;
		total += fabs(values[i]);
	}
	qsort_arg(order, count, sizeof(int), compare_features, values);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
	{
		Datum		columns[4];
		bool		nulls[4] = {false, false, false, false};

		CHECK_FOR_INTERRUPTS();
		columns[0] = Int32GetDatum(i + 1);
		columns[1] = CStringGetTextDatum(model->signature->features[order[i]].name);
		columns[2] = Float8GetDatum(values[order[i]]);
		nulls[3] = total == 0;
		columns[3] = Float8GetDatum(total == 0 ? 0 : fabs(values[order[i]]) / total);
		tuplestore_putvalues(result->setResult, result->setDesc, columns, nulls);
	}
	return (Datum) 0;
}
