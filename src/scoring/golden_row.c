/*-------------------------------------------------------------------------
 *
 * golden_row.c
 *	  A reference row from elsewhere: does a version give it the margins that
 *	  it has there?
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/float.h"

#include "errors.h"
#include "registry/golden.h"
#include "registry/privilege.h"
#include "scoring/scorer.h"

PG_FUNCTION_INFO_V1(mlops_golden_row);

/*
 * Error ML013 unless margins are the expected ones, as exact as the library
 * that trained the model has them: float for XGBoost, double for LightGBM.
 */
static void
compare(const MlopsScorer *scorer, ArrayType *expected)
{
	const MlopsModel *model = scorer->model;
	bool		wide = model->info.wide;
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(expected, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, &nulls, &count);
	if (ARR_NDIM(expected) != 1 || count != model->info.num_groups)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a row of version %d of model \"%s\" has %d margins",
						model->version, model->name, model->info.num_groups),
				 errdetail("%d were given.", count),
				 errhint("Give the raw margins: one, or one per class, before the sigmoid or softmax.")));
	for (int i = 0; i < count; i++)
	{
		double		actual = mlops_scorer_value(scorer, margins, i);
		double		wanted = nulls[i] ? get_float8_nan() : DatumGetFloat8(elements[i]);

		if (!wide)
			wanted = (double) (float) wanted;
		if (actual != wanted)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_GOLDEN),
					 errmsg("version %d of model \"%s\" gives the row other margins",
							model->version, model->name),
					 errdetail("Margin %d is %.*g and should be %.*g.", i + 1,
							   wide ? 17 : 9, actual, wide ? 17 : 9, wanted),
					 errhint("Compare the row, value by value, and the model file; give margins with all of their digits (%d), before the sigmoid or softmax.",
							 wide ? 17 : 9)));
	}
}

/*
 * SQL, private: the features and margins of a row, as a golden row has them.
 * Error ML013 if the margins are not the expected ones.
 */
Datum
mlops_golden_row(PG_FUNCTION_ARGS)
{
	MlopsScorer *scorer = mlops_scorer_read(fcinfo, MLOPS_INPUT_JSONB, MLOPS_MANAGE, MLOPS_USE_EXPLAIN);
	const MlopsForestInfo *info = &scorer->model->info;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	mlops_scorer_margin(scorer);
	compare(scorer, PG_GETARG_ARRAYTYPE_P(2));
	values[0] = mlops_golden_array(scorer->vector, info->wide, info->num_features);
	values[1] = mlops_golden_array(scorer->margins, info->wide, info->num_groups);
	mlops_scorer_done(scorer);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
