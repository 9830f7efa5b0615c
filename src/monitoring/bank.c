/*-------------------------------------------------------------------------
 *
 * bank.c
 *	  SQL: what a feature or a score says of good and bad, by bins: weight of
 *	  evidence, information value, score bands, the Hosmer-Lemeshow test.
 *
 * A label that is true means bad.  States are those of comparisons: the rows
 * of good and of bad loans are two samples of one column.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "metrics/aggregate.h"
#include "monitoring/bank.h"
#include "monitoring/distance_state.h"

#define DEFAULT_BINS		10
#define MAX_BINS			1000

/* distinct numbers up to which each has a bin */
#define VALUES_MAX			20

/* what an empty share counts as */
#define ZERO_SHARE			0.0001

/* fields of mlops.woe_bin */
#define WOE_BIN				0
#define WOE_CATEGORY		1
#define WOE_LOWER			2
#define WOE_UPPER			3
#define WOE_N				4
#define WOE_GOODS			5
#define WOE_BADS			6
#define WOE_BAD_RATE		7
#define WOE_WOE				8
#define WOE_IV				9
#define WOE_FIELDS			10

/* fields of mlops.score_band */
#define BAND_NUMBER			0
#define BAND_LOWER			1
#define BAND_UPPER			2
#define BAND_N				3
#define BAND_SHARE			4
#define BAND_BADS			5
#define BAND_BAD_RATE		6
#define BAND_SHARE_ABOVE	7
#define BAND_BADS_ABOVE		8
#define BAND_FIELDS			9

/* fields of mlops.test_result */
#define TEST_STATISTIC		0
#define TEST_DF				1
#define TEST_P_VALUE		2
#define TEST_N				3
#define TEST_FIELDS			4

typedef struct BankState
{
	MlopsTwoSamples *samples;	/* goods as reference, bads as current */
	int			num_bins;
	int			num_edges;		/* given ones, or 0 */
	double	   *edges;
} BankState;

/* one bin with its rows */
typedef struct BankBin
{
	const char *category;
	double		lower;			/* NaN if open */
	double		upper;
	int64		goods;
	int64		bads;
	bool		missing;
} BankBin;

PG_FUNCTION_INFO_V1(mlops_bank_add_number);
PG_FUNCTION_INFO_V1(mlops_bank_add_text);
PG_FUNCTION_INFO_V1(mlops_bank_add_probability);
PG_FUNCTION_INFO_V1(mlops_bank_combine);
PG_FUNCTION_INFO_V1(mlops_bank_serialize);
PG_FUNCTION_INFO_V1(mlops_bank_deserialize);
PG_FUNCTION_INFO_V1(mlops_woe_final);
PG_FUNCTION_INFO_V1(mlops_iv_final);
PG_FUNCTION_INFO_V1(mlops_score_bands_final);
PG_FUNCTION_INFO_V1(mlops_hosmer_lemeshow_final);

/*
 * A new state with the bins or edges of argument 3, if there is one.
 */
static BankState *
new_state(FunctionCallInfo fcinfo, MemoryContext context, bool is_text)
{
	BankState  *state = MemoryContextAllocZero(context, sizeof(BankState));

	state->samples = mlops_two_samples_create(context, is_text);
	state->samples->needs_texts = true; /* each is a bin of the result */
	state->num_bins = DEFAULT_BINS;
	if (PG_NARGS() <= 3)
		return state;

	mlops_require_arg(fcinfo, 3, "bins");
	if (get_fn_expr_argtype(fcinfo->flinfo, 3) == INT4OID)
	{
		state->num_bins = PG_GETARG_INT32(3);
		if (state->num_bins < 2 || state->num_bins > MAX_BINS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("number of bins must be between 2 and %d", MAX_BINS)));
	}
	else
	{
		Datum	   *elements;
		bool	   *nulls;

		deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
						  TYPALIGN_DOUBLE, &elements, &nulls, &state->num_edges);
		if (state->num_edges < 1 || state->num_edges >= MAX_BINS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("number of edges must be between 1 and %d", MAX_BINS - 1)));
		state->edges = MemoryContextAlloc(context, sizeof(double) * state->num_edges);
		for (int i = 0; i < state->num_edges; i++)
		{
			double		edge = nulls[i] ? NAN : DatumGetFloat8(elements[i]);

			if (!isfinite(edge) || (i > 0 && edge <= state->edges[i - 1]))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("edges of bins must be finite and ascend")));
			state->edges[i] = edge;
		}
	}
	return state;
}

/*
 * Add one row (state, label, value, bins); the last may be absent.  A row
 * whose label is NULL is skipped.
 */
static Datum
add_row(FunctionCallInfo fcinfo, bool is_text, bool is_probability)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	BankState  *state = PG_ARGISNULL(0) ? new_state(fcinfo, context, is_text) :
		(BankState *) PG_GETARG_POINTER(0);
	int			sample;

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(state);
	sample = PG_GETARG_BOOL(1) ? MLOPS_CURRENT : MLOPS_REFERENCE;
	if (PG_ARGISNULL(2))
		state->samples->skipped[sample].nulls++;
	else if (is_text)
	{
		text	   *value = PG_GETARG_TEXT_PP(2);

		mlops_two_samples_add_text(state->samples, sample, VARDATA_ANY(value),
								   (int) VARSIZE_ANY_EXHDR(value));
	}
	else
		mlops_two_samples_add_number(state->samples, sample,
									 is_probability ? mlops_probability_arg(fcinfo, 2) :
									 PG_GETARG_FLOAT8(2));
	PG_RETURN_POINTER(state);
}

Datum
mlops_bank_add_number(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, false, false);
}

Datum
mlops_bank_add_text(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, true, false);
}

Datum
mlops_bank_add_probability(PG_FUNCTION_ARGS)
{
	return add_row(fcinfo, false, true);
}

/*
 * Add the rows of the second state to the first; both are of texts, and have
 * no edges.
 */
Datum
mlops_bank_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	BankState  *state = PG_ARGISNULL(0) ? NULL : (BankState *) PG_GETARG_POINTER(0);
	BankState  *other = PG_ARGISNULL(1) ? NULL : (BankState *) PG_GETARG_POINTER(1);

	if (other != NULL)
	{
		if (state == NULL)
		{
			state = MemoryContextAllocZero(context, sizeof(BankState));
			state->samples = mlops_two_samples_create(context, true);
			state->samples->needs_texts = true;
			state->num_bins = other->num_bins;
		}
		mlops_two_samples_merge(state->samples, other->samples);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

Datum
mlops_bank_serialize(PG_FUNCTION_ARGS)
{
	BankState  *state = (BankState *) PG_GETARG_POINTER(0);
	StringInfoData buf;

	(void) mlops_aggregate_context(fcinfo);
	mlops_two_samples_send(&buf, state->samples, sizeof(int32));
	pq_sendint32(&buf, state->num_bins);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_bank_deserialize(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	BankState  *state = palloc0(sizeof(BankState));

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	state->samples = mlops_two_samples_recv(&buf);
	state->num_bins = (int) pq_getmsgint(&buf, sizeof(int32));
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(state);
}

/*
 * The bins of a state with their rows, in the current memory context: of
 * texts and of few distinct numbers one for each, else intervals at the edges
 * that were given or at quantiles of all rows.  What is missing, or no finite
 * number, comes last.  NULL if there are no rows.
 */
static BankBin *
make_bins(BankState *state, bool one_per_value, int *num_bins)
{
	MlopsTwoSamples *samples = state->samples;
	int64		missing[2];
	BankBin    *bins;
	int			count = 0;

	for (int s = 0; s < 2; s++)
		missing[s] = samples->skipped[s].nulls + samples->skipped[s].nans +
			samples->skipped[s].infinities;

	if (samples->is_text)
	{
		int			num_texts = mlops_tally_count(samples->texts);
		MlopsTallyEntry **entries = mlops_tally_sorted(samples->texts);

		bins = palloc_extended(sizeof(BankBin) * ((Size) num_texts + 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		for (int i = 0; i < num_texts; i++)
		{
			bins[i].category = entries[i]->key.data;
			bins[i].lower = bins[i].upper = NAN;
			bins[i].goods = entries[i]->rows[MLOPS_REFERENCE];
			bins[i].bads = entries[i]->rows[MLOPS_CURRENT];
		}
		count = num_texts;
	}
	else
	{
		MlopsSample goods;
		MlopsSample bads;
		double	   *edges = palloc(sizeof(double) * (MAX_BINS + VALUES_MAX + 1));
		int64	   *counts[2];
		int			num = VALUES_MAX + 1;
		bool		by_value = false;

		mlops_two_samples_sort(samples, &goods, &bads);
		if (state->num_edges > 0)
		{
			num = state->num_edges;
			memcpy(edges, state->edges, sizeof(double) * num);
		}
		else
		{
			if (one_per_value)
				num = mlops_distinct_values(&goods, &bads, edges, VALUES_MAX);
			by_value = num <= VALUES_MAX;
			if (!by_value)
				num = mlops_quantile_edges(&goods, &bads, state->num_bins, edges, mlops_check_interrupts);
		}
		for (int s = 0; s < 2; s++)
		{
			counts[s] = palloc(sizeof(int64) * (num + 1));
			mlops_count_edges(s == 0 ? &goods : &bads, edges, num, counts[s], mlops_check_interrupts);
		}

		bins = palloc0(sizeof(BankBin) * (num + 2));
		for (int i = 0; i <= num; i++)
		{
			/* nothing lies above the greatest value, be it an edge or not */
			if (state->num_edges == 0 && counts[0][i] + counts[1][i] == 0)
				continue;
			bins[count].lower = by_value ? edges[i] : i > 0 ? edges[i - 1] : NAN;
			bins[count].upper = i < num ? edges[i] : NAN;
			bins[count].goods = counts[0][i];
			bins[count++].bads = counts[1][i];
		}
		if (!by_value && state->num_edges == 0 && count > 0)
			bins[count - 1].upper = NAN;
	}

	if (missing[0] + missing[1] > 0)
	{
		bins[count].missing = true;
		bins[count].lower = bins[count].upper = NAN;
		bins[count].goods = missing[0];
		bins[count++].bads = missing[1];
	}
	*num_bins = count;
	return count > 0 ? bins : NULL;
}

/*
 * Weight of evidence of a bin and its part of the information value, by all
 * good and bad rows.  NaN without both.
 */
double
mlops_weight_of_evidence(int64 bin_goods, int64 bin_bads, double goods, double bads, double *iv)
{
	double		g = bin_goods > 0 ? (double) bin_goods / goods : ZERO_SHARE;
	double		b = bin_bads > 0 ? (double) bin_bads / bads : ZERO_SHARE;

	*iv = NAN;
	if (goods == 0 || bads == 0)
		return NAN;
	*iv = 0;
	if (bin_goods + bin_bads == 0)
		return 0;
	*iv = (g - b) * log(g / b);
	return log(g / b);
}

/*
 * The state of the aggregate in progress with its bins; false if it has none.
 */
static bool
finished_bins(FunctionCallInfo fcinfo, bool one_per_value, BankBin **bins, int *num_bins,
			  double *goods, double *bads)
{
	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		return false;
	*bins = make_bins((BankState *) PG_GETARG_POINTER(0), one_per_value, num_bins);
	*goods = *bads = 0;
	for (int i = 0; *bins && i < *num_bins; i++)
	{
		*goods += (double) (*bins)[i].goods;
		*bads += (double) (*bins)[i].bads;
	}
	return *bins != NULL;
}

static void
set_number(Datum *values, bool *nulls, int field, double number)
{
	values[field] = Float8GetDatum(number);
	nulls[field] = isnan(number);
}

/*
 * SQL: mlops.woe, an array of mlops.woe_bin.
 */
Datum
mlops_woe_final(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	BankBin    *bins;
	int			num_bins;
	double		goods;
	double		bads;
	Datum	   *elements;

	if (!finished_bins(fcinfo, true, &bins, &num_bins, &goods, &bads))
		PG_RETURN_NULL();
	tupdesc = mlops_row_tupdesc(fcinfo);
	elements = palloc_extended(sizeof(Datum) * (Size) num_bins, MCXT_ALLOC_HUGE);
	for (int i = 0; i < num_bins; i++)
	{
		BankBin    *bin = bins + i;
		Datum		values[WOE_FIELDS] = {0};
		bool		nulls[WOE_FIELDS] = {false};
		double		iv;
		double		woe = mlops_weight_of_evidence(bin->goods, bin->bads, goods, bads, &iv);
		double		n = (double) bin->goods + (double) bin->bads;

		values[WOE_BIN] = Int32GetDatum(bin->missing ? 0 : i + 1);
		nulls[WOE_CATEGORY] = bin->category == NULL;
		if (bin->category)
			values[WOE_CATEGORY] = CStringGetTextDatum(bin->category);
		set_number(values, nulls, WOE_LOWER, bin->lower);
		set_number(values, nulls, WOE_UPPER, bin->upper);
		values[WOE_N] = Int64GetDatum(bin->goods + bin->bads);
		values[WOE_GOODS] = Int64GetDatum(bin->goods);
		values[WOE_BADS] = Int64GetDatum(bin->bads);
		set_number(values, nulls, WOE_BAD_RATE, n > 0 ? (double) bin->bads / n : NAN);
		set_number(values, nulls, WOE_WOE, woe);
		set_number(values, nulls, WOE_IV, iv);
		elements[i] = HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, num_bins, tupdesc->tdtypeid, -1, false,
										  TYPALIGN_DOUBLE));
}

/*
 * SQL: mlops.iv.
 */
Datum
mlops_iv_final(PG_FUNCTION_ARGS)
{
	BankBin    *bins;
	int			num_bins;
	double		goods;
	double		bads;
	MlopsSum	sum = {0};

	if (!finished_bins(fcinfo, true, &bins, &num_bins, &goods, &bads) || goods == 0 || bads == 0)
		PG_RETURN_NULL();
	for (int i = 0; i < num_bins; i++)
	{
		double		iv;

		(void) mlops_weight_of_evidence(bins[i].goods, bins[i].bads, goods, bads, &iv);
		mlops_sum_add(&sum, iv);
	}
	PG_RETURN_FLOAT8(mlops_sum_value(&sum));
}

/*
 * SQL: mlops.score_bands, an array of mlops.score_band.  Rows without a score
 * are a band of number 0, and above nobody.
 */
Datum
mlops_score_bands_final(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	BankBin    *bins;
	int			num_bins;
	double		goods;
	double		bads;
	double		rows_above = 0;
	double		bads_above = 0;
	Datum	   *elements;

	if (!finished_bins(fcinfo, false, &bins, &num_bins, &goods, &bads))
		PG_RETURN_NULL();
	tupdesc = mlops_row_tupdesc(fcinfo);
	elements = palloc(sizeof(Datum) * num_bins);
	for (int i = num_bins - 1; i >= 0; i--)
	{
		BankBin    *bin = bins + i;
		Datum		values[BAND_FIELDS] = {0};
		bool		nulls[BAND_FIELDS] = {false};
		double		n = (double) bin->goods + (double) bin->bads;

		if (!bin->missing)
		{
			rows_above += n;
			bads_above += (double) bin->bads;
		}
		values[BAND_NUMBER] = Int32GetDatum(bin->missing ? 0 : i + 1);
		set_number(values, nulls, BAND_LOWER, bin->lower);
		set_number(values, nulls, BAND_UPPER, bin->upper);
		values[BAND_N] = Int64GetDatum(bin->goods + bin->bads);
		set_number(values, nulls, BAND_SHARE, n / (goods + bads));
		values[BAND_BADS] = Int64GetDatum(bin->bads);
		set_number(values, nulls, BAND_BAD_RATE, n > 0 ? (double) bin->bads / n : NAN);
		set_number(values, nulls, BAND_SHARE_ABOVE, bin->missing ? NAN : rows_above / (goods + bads));
		set_number(values, nulls, BAND_BADS_ABOVE, bin->missing || bads == 0 ? NAN : bads_above / bads);
		elements[i] = HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, num_bins, tupdesc->tdtypeid, -1, false,
										  TYPALIGN_DOUBLE));
}

/*
 * SQL: mlops.hosmer_lemeshow(label, probability, groups), over bins of equal
 * frequency, in which equal probabilities stay together.
 */
Datum
mlops_hosmer_lemeshow_final(PG_FUNCTION_ARGS)
{
	BankState  *state;
	MlopsCurve	curve;
	MlopsBin   *bins;
	int			num_bins;
	MlopsSum	sum = {0};
	int64		n = 0;
	bool		defined = true;
	Datum		values[TEST_FIELDS] = {0};
	bool		nulls[TEST_FIELDS] = {false};

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (BankState *) PG_GETARG_POINTER(0);
	bins = palloc(sizeof(MlopsBin) * state->num_bins);
	mlops_scores_walk(&state->samples->numbers, &curve);
	num_bins = mlops_bins_equal_frequency(bins, state->num_bins, &curve);
	for (int i = 0; i < num_bins; i++)
	{
		double		expected = mlops_sum_value(&bins[i].score);
		double		spread = expected * (1 - expected / (double) bins[i].n);
		double		gap = (double) bins[i].positives - expected;

		n += bins[i].n;
		if (spread > 0)
			mlops_sum_add(&sum, gap * gap / spread);
		else if (gap != 0)
			defined = false;	/* what was certain did not come */
	}
	if (n == 0)
		PG_RETURN_NULL();

	set_number(values, nulls, TEST_STATISTIC, defined ? mlops_sum_value(&sum) : INFINITY);
	values[TEST_DF] = Int32GetDatum(num_bins - 2);
	set_number(values, nulls, TEST_P_VALUE, num_bins <= 2 ? NAN : defined ?
			   mlops_chi2_sf(mlops_sum_value(&sum), num_bins - 2) : 0);
	values[TEST_N] = Int64GetDatum(n);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls)));
}
