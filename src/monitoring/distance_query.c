/*-------------------------------------------------------------------------
 *
 * distance_query.c
 *	  SQL: the comparison of two queries column by column.
 *
 * Both queries run with the rights and the search path of the caller, see the
 * snapshot of the statement, and only read.  Rows come in batches; the numbers
 * of all columns together have work_mem, and are in temporary files beyond it;
 * so have the texts the memory of one table of hashes, and are sketches beyond
 * it, see distance_state.c.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "monitoring/distance_state.h"
#include "training/query.h"

#define BATCH_ROWS			1000

/* a column of either query */
typedef struct ComparedColumn
{
	const char *name;
	Oid			types[2];		/* invalid where it does not occur */
	bool		is_text;
	FmgrInfo	output;			/* of the type at hand, for texts */
	MlopsTwoSamples *samples;
} ComparedColumn;

typedef struct Comparison
{
	MemoryContext context;
	ComparedColumn *columns;
	int			num_columns;
} Comparison;

PG_FUNCTION_INFO_V1(mlops_drift_columns);

/*
 * Is a type compared as numbers?
 */
static bool
is_number(Oid type)
{
	switch (type)
	{
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return true;
		default:
			return false;
	}
}

/*
 * A value as a number: dates and times as days and seconds.
 */
static double
number_of(Datum value, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return (double) DatumGetInt64(value);
		case FLOAT4OID:
			return DatumGetFloat4(value);
		case FLOAT8OID:
			return DatumGetFloat8(value);
		case NUMERICOID:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
		case DATEOID:
			return DATE_NOT_FINITE(DatumGetDateADT(value)) ? get_float8_infinity() :
				(double) DatumGetDateADT(value);
		default:
			return TIMESTAMP_NOT_FINITE(DatumGetTimestamp(value)) ? get_float8_infinity() :
				(double) DatumGetTimestamp(value) / USECS_PER_SEC;
	}
}

/*
 * Add the columns of a query to those that are known.
 */
static void
add_columns(Comparison *comparison, int sample, TupleDesc tupdesc)
{
	MemoryContext old = MemoryContextSwitchTo(comparison->context);
	Size		size = sizeof(ComparedColumn) * (comparison->num_columns + tupdesc->natts + 1);

	comparison->columns = comparison->columns == NULL ? palloc(size) : repalloc(comparison->columns, size);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		ComparedColumn *column = NULL;

		for (int j = 0; j < comparison->num_columns; j++)
		{
			if (strcmp(comparison->columns[j].name, NameStr(attribute->attname)) == 0)
				column = &comparison->columns[j];
		}
		if (column == NULL)
		{
			column = &comparison->columns[comparison->num_columns++];
			memset(column, 0, sizeof(ComparedColumn));
			column->name = pstrdup(NameStr(attribute->attname));
			column->is_text = !is_number(attribute->atttypid);
			column->samples = mlops_two_samples_create(comparison->context, column->is_text);
		}
		else if (OidIsValid(column->types[sample]))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" occurs more than once in the query", column->name),
					 errhint("Give the columns of the query distinct names.")));
		column->types[sample] = attribute->atttypid;
	}
	for (int i = 0; i < comparison->num_columns; i++)
	{
		MlopsTwoSamples *samples = comparison->columns[i].samples;

		if (samples->texts != NULL)
			mlops_tally_share(samples->texts, comparison->num_columns);
	}
	MemoryContextSwitchTo(old);
}

/*
 * The columns of a query, by position in it; NULL for one that is not
 * compared, as it is a number in one query and none in the other.
 */
static ComparedColumn **
columns_in_order(Comparison *comparison, TupleDesc tupdesc)
{
	ComparedColumn **columns = palloc0(sizeof(ComparedColumn *) * Max(tupdesc->natts, 1));

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Oid			type = TupleDescAttr(tupdesc, i)->atttypid;

		for (int j = 0; j < comparison->num_columns; j++)
		{
			ComparedColumn *column = &comparison->columns[j];

			if (strcmp(column->name, NameStr(TupleDescAttr(tupdesc, i)->attname)) != 0 ||
				column->is_text == is_number(type))
				continue;
			if (column->is_text)
			{
				Oid			function;
				bool		is_varlena;

				getTypeOutputInfo(type, &function, &is_varlena);
				fmgr_info_cxt(function, &column->output, comparison->context);
			}
			columns[i] = column;
		}
	}
	return columns;
}

/*
 * Read all rows of a query into a sample.  SPI is connected.
 */
static void
read_rows(Comparison *comparison, int sample, const char *query, const char *what)
{
	SPIPlanPtr	plan;
	Portal		portal;
	ComparedColumn **columns;
	MemoryContext scratch;

	scratch = AllocSetContextCreate(CurrentMemoryContext, "mlops comparison row", ALLOCSET_DEFAULT_SIZES);
	plan = mlops_query_prepare(query, what, CURSOR_OPT_NO_SCROLL);
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	add_columns(comparison, sample, portal->tupDesc);
	columns = columns_in_order(comparison, portal->tupDesc);

	for (;;)
	{
		TupleDesc	tupdesc;

		SPI_cursor_fetch(portal, true, BATCH_ROWS);
		if (SPI_processed == 0)
			break;
		tupdesc = SPI_tuptable->tupdesc;
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			MemoryContext old = MemoryContextSwitchTo(scratch);

			CHECK_FOR_INTERRUPTS();
			for (int i = 0; i < tupdesc->natts; i++)
			{
				ComparedColumn *column = columns[i];
				Datum		value;
				bool		is_null;

				if (column == NULL)
					continue;
				value = SPI_getbinval(SPI_tuptable->vals[row], tupdesc, i + 1, &is_null);
				if (is_null)
					column->samples->skipped[sample].nulls++;
				else if (column->is_text)
				{
					char	   *text = OutputFunctionCall(&column->output, value);

					mlops_two_samples_add_text(column->samples, sample, text, (int) strlen(text));
				}
				else
					mlops_two_samples_add_number(column->samples, sample,
												 number_of(value, column->types[sample]));
			}
			MemoryContextSwitchTo(old);
			MemoryContextReset(scratch);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
}

/*
 * Read a query, which must not write through its functions either.
 */
static void
read_query(Comparison *comparison, int sample, const char *query, const char *what)
{
	bool		save_read_only = XactReadOnly;

	XactReadOnly = true;
	PG_TRY();
	{
		SPI_connect();
		read_rows(comparison, sample, query, what);
		SPI_finish();
	}
	PG_FINALLY();
	{
		XactReadOnly = save_read_only;
	}
	PG_END_TRY();
}

/*
 * Why a column cannot be compared, or NULL.
 */
static const char *
problem_of(const ComparedColumn *column, MlopsMethod method)
{
	if (!OidIsValid(column->types[MLOPS_REFERENCE]))
		return "not in the reference";
	if (!OidIsValid(column->types[MLOPS_CURRENT]))
		return "not in the current rows";
	if (is_number(column->types[MLOPS_REFERENCE]) != is_number(column->types[MLOPS_CURRENT]))
		return "a number in one query only";
	if (column->is_text && !mlops_method_is_binned(method))
		return "not a number, as the method needs";
	return NULL;
}

/*
 * SQL: mlops.drift_columns(reference, current, method, options) and mlops.csi.
 */
Datum
mlops_drift_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		is_csi = PG_NARGS() == 3;
	MlopsMethod method = is_csi ? MLOPS_PSI : mlops_method_of_name(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	Comparison	comparison = {0};
	MlopsDriftOptions options;

	InitMaterializedSRF(fcinfo, 0);
	mlops_drift_options(&options, method, PG_GETARG_JSONB_P(is_csi ? 2 : 3));
	comparison.context = AllocSetContextCreate(CurrentMemoryContext, "mlops comparison", ALLOCSET_DEFAULT_SIZES);
	read_query(&comparison, MLOPS_REFERENCE, text_to_cstring(PG_GETARG_TEXT_PP(0)), "the query of the reference");
	read_query(&comparison, MLOPS_CURRENT, text_to_cstring(PG_GETARG_TEXT_PP(1)), "the query of the current rows");

	for (int i = 0; i < comparison.num_columns; i++)
	{
		ComparedColumn *column = &comparison.columns[i];
		const char *problem = problem_of(column, method);
		MlopsDrift	drift = {0};
		MlopsDriftBasis basis = {0};
		Datum		values[MLOPS_DRIFT_FIELDS + 2];
		bool		nulls[MLOPS_DRIFT_FIELDS + 2];

		CHECK_FOR_INTERRUPTS();
		if (problem == NULL)
			mlops_two_samples_compare(column->samples, &options, &drift, &basis);
		else
		{
			drift.value = drift.p_value = drift.p_judged = drift.threshold = get_float8_nan();
			drift.verdict = MLOPS_VERDICT_INSUFFICIENT;
		}
		values[0] = CStringGetTextDatum(column->name);
		nulls[0] = false;
		mlops_drift_fields(&options, &drift, &basis, column->samples->skipped, 0, values + 1, nulls + 1);
		nulls[MLOPS_DRIFT_FIELDS + 1] = problem == NULL;
		values[MLOPS_DRIFT_FIELDS + 1] = problem ? CStringGetTextDatum(problem) : (Datum) 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	MemoryContextDelete(comparison.context);
	return (Datum) 0;
}
