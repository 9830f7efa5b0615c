/*-------------------------------------------------------------------------
 *
 * profile_bins.c
 *	  The SQL type mlops.bins: bins that are kept with a reference.
 *
 * It is a row type, so that an auditor can read the edges: kind (intervals,
 * numbers or texts), numbers and texts.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "errors.h"
#include "mlops.h"
#include "monitoring/profile_bins.h"
#include "monitoring/sketch_type.h"

PG_FUNCTION_INFO_V1(mlops_bins_make_sql);
PG_FUNCTION_INFO_V1(mlops_bins_counts_sql);

/* most intervals that can be asked for */
#define MAX_BINS	1000

/* fields of mlops.bins */
enum
{
	FIELD_KIND,
	FIELD_NUMBERS,
	FIELD_TEXTS,
	NUM_FIELDS
};

static const char *const kind_names[] = {
	[MLOPS_BINS_EDGES] = "intervals",
	[MLOPS_BINS_NUMBERS] = "numbers",
	[MLOPS_BINS_TEXTS] = "texts",
};

/* what makes a row no bins */
static void
refuse(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid bins"),
			 errdetail_internal("%s", detail),
			 errhint("Bins are made by mlops.make_bins().")));
}

static void
read_numbers(MlopsBins *bins, Datum value)
{
	Datum	   *values;
	bool	   *nulls;

	deconstruct_array(DatumGetArrayTypeP(value), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &values, &nulls, &bins->num_values);
	bins->numbers = palloc(sizeof(double) * (bins->num_values + 1));
	for (int i = 0; i < bins->num_values; i++)
	{
		bins->numbers[i] = nulls[i] ? NAN : DatumGetFloat8(values[i]);
		if (isnan(bins->numbers[i]) || (i > 0 && bins->numbers[i] <= bins->numbers[i - 1]))
			refuse("Its numbers do not ascend.");
	}
}

static void
read_texts(MlopsBins *bins, Datum value)
{
	Datum	   *values;
	bool	   *nulls;

	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &bins->num_values);
	bins->texts = palloc(sizeof(char *) * (bins->num_values + 1));
	for (int i = 0; i < bins->num_values; i++)
	{
		if (nulls[i])
			refuse("One of its texts is NULL.");
		bins->texts[i] = TextDatumGetCString(values[i]);
		if (i > 0 && strcmp(bins->texts[i], bins->texts[i - 1]) <= 0)
			refuse("Its texts do not ascend by their bytes.");
	}
}

MlopsBins *
mlops_bins_from_datum(Datum value)
{
	HeapTupleHeader row = DatumGetHeapTupleHeader(value);
	MlopsBins  *bins = palloc0(sizeof(MlopsBins));
	Datum		fields[NUM_FIELDS];
	bool		nulls[NUM_FIELDS];
	const char *kind;

	for (int i = 0; i < NUM_FIELDS; i++)
		fields[i] = GetAttributeByNum(row, i + 1, &nulls[i]);
	kind = nulls[FIELD_KIND] ? "" : TextDatumGetCString(fields[FIELD_KIND]);
	if (strcmp(kind, kind_names[MLOPS_BINS_TEXTS]) == 0)
		bins->kind = MLOPS_BINS_TEXTS;
	else if (strcmp(kind, kind_names[MLOPS_BINS_NUMBERS]) == 0)
		bins->kind = MLOPS_BINS_NUMBERS;
	else if (strcmp(kind, kind_names[MLOPS_BINS_EDGES]) == 0)
		bins->kind = MLOPS_BINS_EDGES;
	else
		refuse("Its kind is not intervals, numbers or texts.");

	if (nulls[FIELD_NUMBERS] != (bins->kind == MLOPS_BINS_TEXTS) ||
		nulls[FIELD_TEXTS] == (bins->kind == MLOPS_BINS_TEXTS))
		refuse("It must have either numbers or texts, as its kind says.");
	if (bins->kind == MLOPS_BINS_TEXTS)
		read_texts(bins, fields[FIELD_TEXTS]);
	else
		read_numbers(bins, fields[FIELD_NUMBERS]);
	bins->num_bins = bins->num_values + 1;
	return bins;
}

Datum
mlops_bins_to_datum(const MlopsBins *bins)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("bins"),
									   ObjectIdGetDatum(get_namespace_oid(MLOPS_SCHEMA, false)));
	TupleDesc	tupdesc = lookup_rowtype_tupdesc_copy(type, -1);
	Datum		fields[NUM_FIELDS] = {0};
	bool		nulls[NUM_FIELDS] = {false};
	Datum	   *values = palloc(sizeof(Datum) * (bins->num_values + 1));

	fields[FIELD_KIND] = CStringGetTextDatum(kind_names[bins->kind]);
	for (int i = 0; i < bins->num_values; i++)
		values[i] = bins->kind == MLOPS_BINS_TEXTS ? CStringGetTextDatum(bins->texts[i]) :
			Float8GetDatum(bins->numbers[i]);
	if (bins->kind == MLOPS_BINS_TEXTS)
	{
		nulls[FIELD_NUMBERS] = true;
		fields[FIELD_TEXTS] = PointerGetDatum(construct_array(values, bins->num_values, TEXTOID,
															  -1, false, TYPALIGN_INT));
	}
	else
	{
		nulls[FIELD_TEXTS] = true;
		fields[FIELD_NUMBERS] =
			PointerGetDatum(construct_array(values, bins->num_values, FLOAT8OID, sizeof(float8),
											FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	}
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, fields, nulls));
}

int64 *
mlops_bins_counts(const MlopsBins *bins, MlopsSketch *sketch)
{
	int64	   *counts = palloc(sizeof(int64) * bins->num_bins);

	if (!mlops_bins_count(bins, sketch, counts))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_SKETCH_KIND),
				 errmsg("bins and sketch are of different kinds"),
				 errdetail("The bins are of %s, the sketch is %s.", kind_names[bins->kind],
						   mlops_sketch_kind(sketch) == MLOPS_SKETCH_NUMERIC ?
						   "numeric" : "categorical")));
	return counts;
}

/* SQL: mlops.make_bins() */
Datum
mlops_bins_make_sql(PG_FUNCTION_ARGS)
{
	int			num_bins = PG_GETARG_INT32(1);

	if (num_bins < 2 || num_bins > MAX_BINS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the number of bins must be between 2 and %d", MAX_BINS)));
	PG_RETURN_DATUM(mlops_bins_to_datum(mlops_bins_make(mlops_sketch_from_datum(PG_GETARG_DATUM(0)),
														num_bins)));
}

/* SQL: mlops.bin_counts() */
Datum
mlops_bins_counts_sql(PG_FUNCTION_ARGS)
{
	MlopsBins  *bins = mlops_bins_from_datum(PG_GETARG_DATUM(0));
	int64	   *counts = mlops_bins_counts(bins, mlops_sketch_from_datum(PG_GETARG_DATUM(1)));
	Datum	   *values = palloc(sizeof(Datum) * bins->num_bins);

	for (int i = 0; i < bins->num_bins; i++)
		values[i] = Int64GetDatum(counts[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, bins->num_bins, INT8OID, sizeof(int64),
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
