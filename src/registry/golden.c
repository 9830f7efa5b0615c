/*-------------------------------------------------------------------------
 *
 * golden.c
 *	  The golden rows that are kept with a version.
 *
 * When a version is registered, rows made of its own splits are stored with
 * the margins that they get (forest/golden.h says how they are made); rows
 * with margins from elsewhere may be added.  Whoever reads the version from
 * its table computes the margins of all of them again before it scores with
 * it: so a score that the model would not have given when it was registered,
 * because of another release of mlops, another compiler or processor, a restore
 * or a change behind its back, is an error and never a score.
 *
 * Values are stored as double precision, which has every float exactly and
 * whose text is exact, too; NULL is a missing value.  The rows of a version are
 * numbered from 0 without gaps, those of the registration first, and are never
 * changed or deleted.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "errors.h"
#include "forest/golden.h"
#include "registry/artifact.h"
#include "registry/golden.h"
#include "registry/model.h"
#include "registry/table.h"

PG_FUNCTION_INFO_V1(mlops_golden_rows);
PG_FUNCTION_INFO_V1(mlops_golden_check_sql);

/* most that a calibrated score may differ from the stored one */
#define MAX_SCORE_DIFFERENCE	1e-12

/* rows of one version that are compared at a time, and room for what that needs */
typedef struct Batch
{
	const MlopsForest *forest;
	const char *model;
	int32		version;
	int			num_features;
	int			num_groups;
	bool		wide;
	Size		value_size;
	int			first;			/* number of the first row here */
	int			count;
	char	   *rows;
	char	   *expected;
	char	   *margins;
	char	   *scratch;
	MlopsCalibration *calibration;	/* or NULL */
} Batch;

static void
batch_init(Batch *batch, const MlopsForest *forest)
{
	MlopsForestInfo info;

	mlops_forest_info(forest, &info);
	batch->forest = forest;
	batch->num_features = info.num_features;
	batch->num_groups = info.num_groups;
	batch->wide = info.wide;
	batch->value_size = info.wide ? sizeof(double) : sizeof(float);
	batch->first = batch->count = 0;
	batch->calibration = NULL;
	batch->rows = palloc_extended(mul_size(mul_size(MLOPS_GOLDEN_ROWS, batch->value_size),
										   Max(info.num_features, 1)), MCXT_ALLOC_HUGE);
	batch->expected = palloc(mul_size(mul_size(MLOPS_GOLDEN_ROWS, batch->value_size), info.num_groups));
	batch->margins = palloc(mul_size(mul_size(MLOPS_GOLDEN_ROWS, batch->value_size), info.num_groups));
	batch->scratch = palloc_extended(mlops_forest_golden_scratch_size(forest), MCXT_ALLOC_HUGE);
}

/* row i of a batch */
static char *
batch_row(const Batch *batch, int i)
{
	return batch->rows + batch->value_size * batch->num_features * i;
}

/*
 * Values of the engine, float or double, as double precision[] in the current
 * memory context; what is not a number is NULL.
 */
Datum
mlops_golden_array(const void *values, bool wide, int count)
{
	Datum	   *elements = palloc(mul_size(sizeof(Datum), Max(count, 1)));
	bool	   *nulls = palloc(mul_size(sizeof(bool), Max(count, 1)));
	int			dims[1] = {count};
	int			lower[1] = {1};
	ArrayType  *array;

	for (int i = 0; i < count; i++)
	{
		double		value = wide ? ((const double *) values)[i] : (double) ((const float *) values)[i];

		nulls[i] = isnan(value);
		elements[i] = Float8GetDatum(value);
	}
	array = count == 0 ? construct_empty_array(FLOAT8OID) :
		construct_md_array(elements, nulls, 1, dims, lower, FLOAT8OID, sizeof(float8),
						   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	pfree(elements);
	pfree(nulls);
	return PointerGetDatum(array);
}

/*
 * The other way: a stored array of so many numbers as values of the engine.
 * False if it is something else, as no writer of ours makes it.
 */
static bool
read_array(const Batch *batch, Datum datum, int count, char *values)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	Datum	   *elements;
	bool	   *nulls;
	int			found;

	if (ARR_ELEMTYPE(array) != FLOAT8OID || ARR_NDIM(array) > 1)
		return false;
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, &nulls, &found);
	if (found != count)
		return false;
	for (int i = 0; i < count; i++)
	{
		double		value = nulls[i] ? NAN : DatumGetFloat8(elements[i]);

		if (batch->wide)
			((double *) values)[i] = value;
		else
		{
			((float *) values)[i] = (float) value;
			if ((double) (float) value != value && !isnan(value))
				return false;
		}
	}
	pfree(elements);
	pfree(nulls);
	if ((Pointer) array != DatumGetPointer(datum))
		pfree(array);
	return true;
}

/*
 * The end of all that is not as it was.
 */
static void
refuse(const Batch *batch, char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_MLOPS_GOLDEN),
			 errmsg("version %d of model \"%s\" does not give the scores that it gave when it was registered",
					batch->version, batch->model),
			 errdetail_internal("%s", detail),
			 errhint("Do not score with it. mlops.verify_model('%s/%d') says more; until the cause is found, promote or roll back to another version.",
					 batch->model, batch->version)));
}

/*
 * Compare the rows of a batch, and empty it.
 */
static void
compare(Batch *batch)
{
	MlopsGoldenDifference difference;

	CHECK_FOR_INTERRUPTS();
	if (!mlops_forest_golden_check(batch->forest, batch->rows, batch->count, batch->expected,
								   batch->scratch, batch->margins, &difference))
		refuse(batch, psprintf("Margin %d of golden row %d is %.*g and was %.*g.",
							   difference.group + 1, batch->first + difference.row,
							   batch->wide ? 17 : 9, difference.actual,
							   batch->wide ? 17 : 9, difference.expected));
	batch->first += batch->count;
	batch->count = 0;
}

/*
 * Compare what the calibration makes of the stored margin of row i with the
 * score that is stored beside it.  The mathematical functions of another
 * machine may differ in the last digit.
 */
static void
compare_score(const Batch *batch, int i, const NullableDatum *stored)
{
	const void *margin = batch->expected + batch->value_size * batch->num_groups * i;
	double		score;

	if (stored->isnull != (batch->calibration == NULL))
		refuse(batch, psprintf(stored->isnull ? "Golden row %d has no score, and the version a calibration." :
							   "Golden row %d has a score, and the version no calibration.", batch->first + i));
	if (stored->isnull)
		return;
	score = mlops_calibrated(batch->calibration, batch->wide ? *(const double *) margin : (double) *(const float *) margin);
	if (!(fabs(score - DatumGetFloat8(stored->value)) <= MAX_SCORE_DIFFERENCE))
		refuse(batch, psprintf("The calibrated score of golden row %d is %.17g and was %.17g.",
							   batch->first + i, score, DatumGetFloat8(stored->value)));
}

/*
 * Error ML013 unless a forest gives all golden rows of a version, which the
 * active snapshot shows, the margins that are stored with them, and its
 * calibration, or NULL, the scores.  Returns how many there are.  What it needs
 * stays in the current memory context.
 */
int
mlops_golden_check(int64 version_id, const char *model, int32 version, const MlopsForest *forest,
				   const Jsonb *calibration)
{
	MlopsTableKey key = {"version_id", {.value = Int64GetDatum(version_id)}};
	MlopsTableScan scan;
	HeapTuple	tuple;
	Batch		batch;

	batch_init(&batch, forest);
	batch.model = model;
	batch.version = version;
	if (calibration != NULL)
		batch.calibration = mlops_calibration_from_jsonb(calibration);

	mlops_table_begin(&scan, "golden_row", "golden_row_pkey", GetActiveSnapshot(), &key, 1);
	while ((tuple = mlops_table_next(&scan)) != NULL)
	{
		NullableDatum score;
		bool		isnull;
		int			i = batch.count;

		if (DatumGetInt32(mlops_table_value(&scan, tuple, "number", &isnull)) != batch.first + i)
			break;
		if (!read_array(&batch, mlops_table_value(&scan, tuple, "features", &isnull),
						batch.num_features, batch_row(&batch, i)) ||
			!read_array(&batch, mlops_table_value(&scan, tuple, "margins", &isnull),
						batch.num_groups, batch.expected + batch.value_size * batch.num_groups * i))
			refuse(&batch, psprintf("Golden row %d is damaged.", batch.first + i));
		score.value = mlops_table_value(&scan, tuple, "score", &score.isnull);
		compare_score(&batch, i, &score);
		if (++batch.count == MLOPS_GOLDEN_ROWS)
			compare(&batch);
	}
	if (tuple != NULL || batch.first < MLOPS_GOLDEN_ROWS)
		refuse(&batch, psprintf("Golden row %d is missing.", batch.first + batch.count));
	mlops_table_end(&scan);
	if (batch.count > 0)
		compare(&batch);
	return batch.first;
}

/*
 * SQL, private: the golden rows that an artifact gets at its registration.
 */
Datum
mlops_golden_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MlopsArtifact *artifact = (MlopsArtifact *) PG_DETOAST_DATUM(PG_GETARG_DATUM(0));
	MlopsForest *forest;
	Batch		batch;
	bool	   *seen;

	InitMaterializedSRF(fcinfo, 0);
	mlops_check_arithmetic();
	forest = mlops_artifact_read(PointerGetDatum(artifact), artifact->sha256);
	batch_init(&batch, forest);
	seen = palloc(mul_size(Max(batch.num_features, 1), sizeof(bool)));
	for (int i = 0; i < MLOPS_GOLDEN_ROWS; i++)
	{
		CHECK_FOR_INTERRUPTS();
		mlops_forest_golden_row(forest, i, seen, batch_row(&batch, i));
	}
	mlops_forest_margin_batch(forest, batch.rows, MLOPS_GOLDEN_ROWS, batch.scratch, batch.margins);
	for (int i = 0; i < MLOPS_GOLDEN_ROWS; i++)
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		values[0] = Int32GetDatum(i);
		values[1] = mlops_golden_array(batch_row(&batch, i), batch.wide, batch.num_features);
		values[2] = mlops_golden_array(batch.margins + batch.value_size * batch.num_groups * i,
									   batch.wide, batch.num_groups);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(DatumGetPointer(values[1]));
		pfree(DatumGetPointer(values[2]));
	}
	return (Datum) 0;
}

/*
 * SQL, private: read an artifact that should have a hash, and compare the
 * golden rows of its version; their number.
 */
Datum
mlops_golden_check_sql(PG_FUNCTION_ARGS)
{
	int64		version_id = PG_GETARG_INT64(0);
	char	   *model;
	int32		version = PG_GETARG_INT32(2);
	bytea	   *sha256;

	/* of the arguments only the calibration can be NULL */
	for (int i = 0; i < PG_NARGS() - 1; i++)
	{
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	}
	model = text_to_cstring(PG_GETARG_TEXT_PP(1));
	sha256 = PG_GETARG_BYTEA_PP(4);
	if (VARSIZE_ANY_EXHDR(sha256) != MLOPS_SHA256_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("stored hash of a model file is damaged")));
	mlops_check_arithmetic();
	PG_RETURN_INT32(mlops_golden_check(version_id, model, version,
									   mlops_artifact_read(PG_GETARG_DATUM(3),
														   (const uint8 *) VARDATA_ANY(sha256)),
									   PG_ARGISNULL(5) ? NULL : PG_GETARG_JSONB_P(5)));
}
