/*-------------------------------------------------------------------------
 *
 * distance_state.c
 *	  Two samples of one column, and their comparison.
 *
 * Tests need every number: what does not fit into work_mem is in a temporary
 * file, see scores.c.  Texts cost the distinct ones, in a table of hashes; if
 * they do not fit into the memory of one, each sample becomes a sketch.  Values
 * that cannot be compared (NULL, NaN, infinities) are counted
 * apart for each sample.  A comparison changes nothing that anybody could see,
 * so rows may be added and compared again, as under a window.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "errors.h"
#include "metrics/aggregate.h"
#include "monitoring/distance_sketch.h"
#include "monitoring/sketch_type.h"

/* distinct numbers of a reference up to which each has a bin */
#define VALUES_MAX			20

/* values that a definition lists at most */
#define LISTED_MAX			256

#define BINS_MAX			10000

/* fields of mlops.drift_result */
#define DRIFT_METHOD		0
#define DRIFT_VALUE			1
#define DRIFT_P_VALUE		2
#define DRIFT_THRESHOLD		3
#define DRIFT_VERDICT		4
#define DRIFT_N_REFERENCE	5
#define DRIFT_N_CURRENT		6
#define DRIFT_SKIPPED		7
#define DRIFT_DEFINITION	8

/*
 * A new state in the given memory context.
 */
MlopsTwoSamples *
mlops_two_samples_create(MemoryContext context, bool is_text)
{
	MlopsTwoSamples *state = MemoryContextAllocZero(context, sizeof(MlopsTwoSamples));

	state->context = context;
	state->is_text = is_text;
	state->numbers.context = context;
	if (is_text)
		state->texts = mlops_tally_create(context);
	return state;
}

/*
 * Add a number to a sample, or count why it is not one.
 */
void
mlops_two_samples_add_number(MlopsTwoSamples *state, int sample, double value)
{
	if (likely(isfinite(value)))
	{
		MlopsScored row;

		/* one zero only, so that edges and lists of values have one */
		row.score = value == 0 ? 0 : value;
		row.label = (sample == MLOPS_CURRENT);
		mlops_scores_add(&state->numbers, &row);
	}
	else if (isnan(value))
		state->skipped[sample].nans++;
	else
		state->skipped[sample].infinities++;
}

/*
 * Add rows of a text to the sketch of a sample.
 */
static void
sketch_text(MlopsTwoSamples *state, int sample, const char *value, int len, int64 rows)
{
	text	   *copy = cstring_to_text_with_len(value, len);

	for (int64 i = 0; i < rows; i++)
		mlops_sketch_add_datum(state->sketches[sample], state->context, MLOPS_CONVERT_TEXT,
							   PointerGetDatum(copy));
	pfree(copy);
}

static void
sketch_texts(MlopsTwoSamples *state, const MlopsTally *texts)
{
	int			count = mlops_tally_count(texts);
	MlopsTallyEntry **entries = mlops_tally_sorted(texts);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int s = 0; s < 2; s++)
			sketch_text(state, s, entries[i]->key.data, entries[i]->key.len, entries[i]->rows[s]);
	}
	pfree(entries);
}

/*
 * Have sketches instead of texts from now on.
 */
static void
become_sketches(MlopsTwoSamples *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->context);

	for (int s = 0; s < 2; s++)
		state->sketches[s] = mlops_sketch_create(MLOPS_SKETCH_CATEGORICAL);
	MemoryContextSwitchTo(old);
	sketch_texts(state, state->texts);
	mlops_tally_free(state->texts);
	state->texts = NULL;
}

static void
check_room(MlopsTwoSamples *state)
{
	if (state->needs_texts)
		mlops_tally_check(state->texts);
	else if (mlops_tally_is_full(state->texts))
		become_sketches(state);
}

/*
 * Add a text to a sample.
 */
void
mlops_two_samples_add_text(MlopsTwoSamples *state, int sample, const char *value, int len)
{
	if (state->texts == NULL)
		sketch_text(state, sample, value, len, 1);
	else if (mlops_tally_at(state->texts, value, len)->rows[sample]++ == 0)
		check_room(state);
}

/*
 * Add the texts of another state, which stays as it is.
 */
void
mlops_two_samples_merge(MlopsTwoSamples *state, const MlopsTwoSamples *other)
{
	if (other->texts == NULL && state->texts != NULL)
		become_sketches(state);
	if (state->texts != NULL)
	{
		mlops_tally_merge(state->texts, other->texts);
		check_room(state);
	}
	else if (other->texts != NULL)
		sketch_texts(state, other->texts);
	else
	{
		MemoryContext old = MemoryContextSwitchTo(state->context);

		for (int s = 0; s < 2; s++)
		{
			if (!mlops_sketch_merge(state->sketches[s], other->sketches[s]))
				ereport(ERROR,
						(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						 errmsg("too many rows to be compared")));
		}
		MemoryContextSwitchTo(old);
	}
	for (int s = 0; s < 2; s++)
	{
		state->skipped[s].nulls += other->skipped[s].nulls;
		state->skipped[s].nans += other->skipped[s].nans;
		state->skipped[s].infinities += other->skipped[s].infinities;
	}
	state->unassigned += other->unassigned;
	if (other->has_options)
	{
		state->has_options = true;
		state->options = other->options;
	}
}

/*
 * Write a state of texts; reserve is room for what the caller writes besides.
 */
void
mlops_two_samples_send(StringInfo buf, MlopsTwoSamples *state, Size reserve)
{
	bytea	   *sketches[2] = {NULL, NULL};
	Size		size = 3 + 7 * sizeof(int64) + sizeof(MlopsDriftOptions);

	Assert(state->is_text);
	if (state->texts != NULL)
		size = add_size(size, mlops_tally_send_size(state->texts));
	for (int s = 0; s < 2 && state->texts == NULL; s++)
	{
		sketches[s] = DatumGetByteaP(mlops_sketch_to_datum(state->sketches[s]));
		size += sizeof(int32) + VARSIZE(sketches[s]);
	}

	mlops_state_begin(buf, add_size(size, reserve));
	pq_sendbyte(buf, state->needs_texts);
	pq_sendbyte(buf, state->has_options);
	if (state->has_options)
		pq_sendbytes(buf, (const char *) &state->options, sizeof(MlopsDriftOptions));
	for (int s = 0; s < 2; s++)
	{
		pq_sendint64(buf, state->skipped[s].nulls);
		pq_sendint64(buf, state->skipped[s].nans);
		pq_sendint64(buf, state->skipped[s].infinities);
	}
	pq_sendint64(buf, state->unassigned);
	pq_sendbyte(buf, state->texts != NULL);
	if (state->texts != NULL)
		mlops_tally_send(buf, state->texts);
	for (int s = 0; s < 2 && state->texts == NULL; s++)
	{
		pq_sendint32(buf, VARSIZE(sketches[s]));
		pq_sendbytes(buf, (const char *) sketches[s], VARSIZE(sketches[s]));
	}
}

/*
 * Read a state that was handed over, into the current memory context.
 */
MlopsTwoSamples *
mlops_two_samples_recv(StringInfo buf)
{
	MlopsTwoSamples *state = mlops_two_samples_create(CurrentMemoryContext, true);

	state->needs_texts = pq_getmsgbyte(buf) != 0;
	state->has_options = pq_getmsgbyte(buf) != 0;
	if (state->has_options)
		memcpy(&state->options, pq_getmsgbytes(buf, sizeof(MlopsDriftOptions)),
			   sizeof(MlopsDriftOptions));
	for (int s = 0; s < 2; s++)
	{
		state->skipped[s].nulls = mlops_state_recv_count(buf);
		state->skipped[s].nans = mlops_state_recv_count(buf);
		state->skipped[s].infinities = mlops_state_recv_count(buf);
	}
	state->unassigned = mlops_state_recv_count(buf);
	if (pq_getmsgbyte(buf) != 0)
	{
		mlops_tally_recv(buf, state->texts);
		return state;
	}
	mlops_tally_free(state->texts);
	state->texts = NULL;
	for (int s = 0; s < 2; s++)
	{
		int			size = (int) pq_getmsgint(buf, sizeof(int32));
		bytea	   *sketch;

		if (size < VARHDRSZ)
			mlops_state_damaged();
		sketch = memcpy(palloc(size), pq_getmsgbytes(buf, size), size);
		state->sketches[s] = mlops_sketch_from_datum(PointerGetDatum(sketch));
		pfree(sketch);
	}
	return state;
}

/*
 * The numbers of both samples in order; they refer to the state.
 */
void
mlops_two_samples_sort(MlopsTwoSamples *state, MlopsSample *reference, MlopsSample *current)
{
	MlopsScores scores;

	mlops_scores_sort(&state->numbers, &scores);
	if (scores.negative_source != NULL)
		mlops_sample_source(reference, scores.negative_source, scores.num_negative);
	else
		mlops_sample_descending(reference, scores.negative, scores.num_negative);
	if (scores.positive_source != NULL)
		mlops_sample_source(current, scores.positive_source, scores.num_positive);
	else
		mlops_sample_descending(current, scores.positive, scores.num_positive);
}

/*
 * Rows per text of the reference, and of all others behind them.
 */
static void
bin_texts(MlopsTwoSamples *state, MlopsDriftBasis *basis)
{
	int			count = mlops_tally_count(state->texts);
	MlopsTallyEntry **entries = mlops_tally_sorted(state->texts);
	int			num_values = 0;
	int64		others = 0;

	basis->kind = "values";
	basis->texts = palloc_extended(sizeof(char *) * ((Size) count + 1), MCXT_ALLOC_HUGE);
	basis->reference = palloc_extended(sizeof(int64) * ((Size) count + 1), MCXT_ALLOC_HUGE);
	basis->current = palloc_extended(sizeof(int64) * ((Size) count + 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
	{
		if (entries[i]->rows[MLOPS_REFERENCE] == 0)
		{
			others += entries[i]->rows[MLOPS_CURRENT];
			continue;
		}
		basis->texts[num_values] = entries[i]->key.data;
		basis->reference[num_values] = entries[i]->rows[MLOPS_REFERENCE];
		basis->current[num_values++] = entries[i]->rows[MLOPS_CURRENT];
	}
	basis->reference[num_values] = 0;
	basis->current[num_values] = others;
	basis->num_bins = num_values + 1;
}

/*
 * Rows per bin of numbers.
 */
static void
bin_numbers(const MlopsSample *reference, const MlopsSample *current, int bins,
			MlopsDriftBasis *basis)
{
	int			num;

	basis->numbers = palloc(sizeof(double) * (Max(bins, VALUES_MAX) + 1));
	num = mlops_distinct_values(reference, NULL, basis->numbers, VALUES_MAX);
	basis->kind = num <= VALUES_MAX ? "values" : "quantiles";
	if (num > VALUES_MAX)
		num = mlops_quantile_edges(reference, NULL, bins, basis->numbers, mlops_check_interrupts);
	basis->num_bins = num + 1;
	basis->reference = palloc(sizeof(int64) * basis->num_bins);
	basis->current = palloc(sizeof(int64) * basis->num_bins);
	if (strcmp(basis->kind, "values") == 0)
	{
		mlops_count_values(reference, basis->numbers, num, basis->reference, mlops_check_interrupts);
		mlops_count_values(current, basis->numbers, num, basis->current, mlops_check_interrupts);
	}
	else
	{
		mlops_count_edges(reference, basis->numbers, num, basis->reference, mlops_check_interrupts);
		mlops_count_edges(current, basis->numbers, num, basis->current, mlops_check_interrupts);
	}
}

/*
 * Compare both samples.  The basis lives in the current memory context and
 * refers to the state.  Error ML053 if the method needs numbers and these are
 * texts.
 */
void
mlops_two_samples_compare(MlopsTwoSamples *state, const MlopsDriftOptions *options,
						  MlopsDrift *drift, MlopsDriftBasis *basis)
{
	MlopsSample reference = {0};
	MlopsSample current = {0};

	memset(basis, 0, sizeof(*basis));
	if (state->is_text && !mlops_method_is_binned(options->method))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_DRIFT_METHOD),
				 errmsg("method \"%s\" compares numbers, not texts", mlops_method_names[options->method]),
				 errhint("For categories use psi, js, hellinger, tvd, linf or chi2.")));
	if (state->is_text && state->texts == NULL)
	{
		MlopsSkipped skipped[2];

		mlops_drift_sketch(state->sketches[MLOPS_REFERENCE], state->sketches[MLOPS_CURRENT], NULL,
						   options, drift, basis, skipped);
		return;
	}
	if (!state->is_text)
		mlops_two_samples_sort(state, &reference, &current);

	if (mlops_method_is_binned(options->method))
	{
		int64	   *scratch[2];
		Size		size;

		if (state->is_text)
			bin_texts(state, basis);
		else
			bin_numbers(&reference, &current, options->bins, basis);
		size = sizeof(int64) * (Size) basis->num_bins;
		scratch[0] = palloc_extended(size, MCXT_ALLOC_HUGE);
		scratch[1] = palloc_extended(size, MCXT_ALLOC_HUGE);
		memcpy(scratch[0], basis->reference, size);
		memcpy(scratch[1], basis->current, size);
		mlops_drift_counts(drift, options, scratch[0], scratch[1], basis->num_bins);
		pfree(scratch[0]);
		pfree(scratch[1]);
	}
	else
	{
		Size		size = mlops_drift_room(options->method, reference.rows, current.rows);
		void	   *room = size > 0 ? palloc(size) : NULL;

		mlops_drift_samples(drift, options, &reference, &current, room, mlops_check_interrupts);
		if (room)
			pfree(room);
	}
}

/*
 * Options
 */

/*
 * The method of a name.  Error 22023 if there is none.
 */
MlopsMethod
mlops_method_of_name(const char *name)
{
	for (int i = 0; i < MLOPS_NUM_METHODS; i++)
	{
		if (strcmp(name, mlops_method_names[i]) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown method \"%s\" of comparison", name),
			 errhint("Methods are psi, js, js_divergence, kl, hellinger, tvd, linf, chi2, chi2_gof, ks, wasserstein, wasserstein_norm, energy, anderson_darling and cramer_von_mises.")));
	return MLOPS_PSI;			/* not reached */
}

/*
 * A number, or with may_be_null a JSON null as NaN.  Error 22023 otherwise.
 */
static double
option_number(const char *name, const JsonbValue *value, double least, double greatest, bool may_be_null)
{
	double		number = NAN;

	if (value->type == jbvNull && may_be_null)
		return NAN;
	if (value->type == jbvNumeric)
		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
	if (!(number >= least && number <= greatest))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a number from %s to %s", name,
						float8out_internal(least), float8out_internal(greatest))));
	return number;
}

/*
 * The options of a method: its own, changed by those that were given, which
 * may be NULL.  Error 22023 for one that is unknown or out of range.
 */
void
mlops_drift_options(MlopsDriftOptions *options, MlopsMethod method, Jsonb *given)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	mlops_drift_defaults(options, method);
	if (given == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));

	iterator = JsonbIteratorInit(&given->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE)
			continue;

		if (strcmp(name, "bins") == 0)
		{
			double		bins = option_number(name, &value, 2, BINS_MAX, false);

			if (bins != floor(bins))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("option \"bins\" must be a whole number")));
			options->bins = (int) bins;
		}
		else if (strcmp(name, "zero") == 0)
			options->zero = option_number(name, &value, 1e-300, 1, false);
		else if (strcmp(name, "base") == 0)
		{
			if (value.type == jbvString && value.val.string.len == 1 && value.val.string.val[0] == 'e')
				options->base = M_E;
			else
				options->base = option_number(name, &value, 1.001, 1e6, false);
		}
		else if (strcmp(name, "correction") == 0)
			options->correction = option_number(name, &value, 0, 1e6, false);
		else if (strcmp(name, "merge") == 0)
		{
			if (value.type != jbvBool)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("option \"merge\" must be true or false")));
			options->merge = value.val.boolean;
		}
		else if (strcmp(name, "warn") == 0)
			options->warn = option_number(name, &value, 0, 1e300, true);
		else if (strcmp(name, "fail") == 0)
			options->fail = option_number(name, &value, 0, 1e300, true);
		else if (strcmp(name, "alpha") == 0)
			options->alpha = option_number(name, &value, 0, 1, false);
		else if (strcmp(name, "alpha_fail") == 0)
			options->alpha_fail = option_number(name, &value, 0, 1, false);
		else if (strcmp(name, "min_rows") == 0)
			options->min_rows = (int64) option_number(name, &value, 0, 1e15, false);
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown option \"%s\" of a comparison", name),
					 errhint("Options are bins, zero, base, correction, merge, warn, fail, alpha, alpha_fail and min_rows.")));
	}
}

/*
 * Evidence
 */

static void
append_number(StringInfo json, const char *name, double value)
{
	appendStringInfo(json, ", \"%s\": %s", name,
					 isfinite(value) ? float8out_internal(value) : "null");
}

static void
append_counts(StringInfo json, const char *name, const int64 *counts, int num_bins)
{
	appendStringInfo(json, ", \"%s\": [", name);
	for (int i = 0; i < num_bins; i++)
		appendStringInfo(json, "%s%lld", i > 0 ? ", " : "", (long long) counts[i]);
	appendStringInfoChar(json, ']');
}

static void
append_skipped(StringInfo json, const char *name, const MlopsSkipped *skipped)
{
	appendStringInfo(json, "\"%s\": {\"null\": %lld, \"nan\": %lld, \"infinite\": %lld}", name,
					 (long long) skipped->nulls, (long long) skipped->nans,
					 (long long) skipped->infinities);
}

/*
 * All that somebody needs to compute the same number again.
 */
Jsonb *
mlops_drift_definition(const MlopsDriftOptions *options, const MlopsDrift *drift,
					   const MlopsDriftBasis *basis, const MlopsSkipped *skipped,
					   int64 unassigned)
{
	MlopsMethod method = options->method;
	const char *test = NULL;
	const char *effect = NULL;
	StringInfoData json;

	switch (method)
	{
		case MLOPS_PSI:
			test = "chance";
			break;
		case MLOPS_CHI2:
		case MLOPS_CHI2_GOF:
			effect = "tvd";
			test = mlops_method_names[method];
			break;
		case MLOPS_JS:
		case MLOPS_JS_DIVERGENCE:
		case MLOPS_KL:
		case MLOPS_HELLINGER:
		case MLOPS_TVD:
		case MLOPS_LINF:
			test = "chi2";
			break;
		case MLOPS_KS:
		case MLOPS_WASSERSTEIN:
		case MLOPS_WASSERSTEIN_NORM:
			test = "ks";
			break;
		case MLOPS_ENERGY:
		case MLOPS_ANDERSON_DARLING:
		case MLOPS_CRAMER_VON_MISES:
			effect = "ks";
			test = mlops_method_names[method];
			break;
	}

	initStringInfo(&json);
	appendStringInfo(&json, "{\"method\": \"%s\", \"test\": \"%s\"", mlops_method_names[method], test);
	if (!mlops_method_is_binned(method))
		appendStringInfo(&json, ", \"exact\": %s", drift->exact ? "true" : "false");
	if (drift->df > 0)
		append_number(&json, "df", drift->df);
	if (drift->p_judged != drift->p_value && !isnan(drift->p_value))
		append_number(&json, "p_judged", drift->p_judged);
	if (effect)
	{
		appendStringInfo(&json, ", \"effect\": \"%s\"", effect);
		append_number(&json, "effect_value", drift->effect);
	}
	if (method == MLOPS_PSI || method == MLOPS_KL)
		append_number(&json, "zero", options->zero);
	if (method == MLOPS_JS || method == MLOPS_JS_DIVERGENCE)
		append_number(&json, "base", options->base);
	if (method == MLOPS_LINF)
		append_number(&json, "correction", options->correction);
	if (method == MLOPS_CHI2 || method == MLOPS_CHI2_GOF)
		appendStringInfo(&json, ", \"merge\": %s", options->merge ? "true" : "false");
	append_number(&json, "warn", options->warn);
	append_number(&json, "fail", options->fail);
	append_number(&json, "alpha", options->alpha);
	append_number(&json, "alpha_fail", options->alpha_fail);
	appendStringInfo(&json, ", \"min_rows\": %lld", (long long) options->min_rows);

	if (basis->is_sketch)
		appendStringInfo(&json, ", \"sketch\": {\"reference_rank_error\": %lld, \"current_rank_error\": %lld}",
						 (long long) basis->rank_errors[MLOPS_REFERENCE],
						 (long long) basis->rank_errors[MLOPS_CURRENT]);
	if (basis->kind)
	{
		appendStringInfo(&json, ", \"bins\": {\"kind\": \"%s\", \"count\": %d", basis->kind, basis->num_bins);
		if (basis->num_bins - 1 <= LISTED_MAX && (basis->numbers || basis->texts))
		{
			appendStringInfo(&json, ", \"%s\": [", strcmp(basis->kind, "quantiles") == 0 ? "edges" : "values");
			for (int i = 0; i < basis->num_bins - 1; i++)
			{
				if (i > 0)
					appendStringInfoString(&json, ", ");
				if (basis->texts)
					escape_json(&json, basis->texts[i]);
				else
					appendStringInfoString(&json, float8out_internal(basis->numbers[i]));
			}
			appendStringInfoChar(&json, ']');
		}
		if (basis->num_bins - 1 <= LISTED_MAX)
		{
			append_counts(&json, "reference", basis->reference, basis->num_bins);
			append_counts(&json, "current", basis->current, basis->num_bins);
		}
		appendStringInfoChar(&json, '}');
	}

	if (skipped)
	{
		appendStringInfoString(&json, ", \"skipped\": {");
		append_skipped(&json, "reference", &skipped[MLOPS_REFERENCE]);
		appendStringInfoString(&json, ", ");
		append_skipped(&json, "current", &skipped[MLOPS_CURRENT]);
		appendStringInfo(&json, ", \"unassigned\": %lld}", (long long) unassigned);
	}
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/*
 * A comparison as the fields of mlops.drift_result.  The number of skipped
 * values is the sum of what skipped has, which may be NULL, and of unassigned.
 */
void
mlops_drift_fields(const MlopsDriftOptions *options, const MlopsDrift *drift,
				   const MlopsDriftBasis *basis, const MlopsSkipped *skipped, int64 unassigned,
				   Datum *values, bool *nulls)
{
	int64		num_skipped = unassigned;

	memset(nulls, false, sizeof(bool) * MLOPS_DRIFT_FIELDS);
	for (int s = 0; skipped && s < 2; s++)
		num_skipped += skipped[s].nulls + skipped[s].nans + skipped[s].infinities;

	values[DRIFT_METHOD] = CStringGetTextDatum(mlops_method_names[options->method]);
	values[DRIFT_VALUE] = Float8GetDatum(drift->value);
	nulls[DRIFT_VALUE] = isnan(drift->value);
	values[DRIFT_P_VALUE] = Float8GetDatum(drift->p_value);
	nulls[DRIFT_P_VALUE] = isnan(drift->p_value);
	values[DRIFT_THRESHOLD] = Float8GetDatum(drift->threshold);
	nulls[DRIFT_THRESHOLD] = isnan(drift->threshold);
	nulls[DRIFT_VERDICT] = drift->verdict == MLOPS_VERDICT_NONE;
	values[DRIFT_VERDICT] = (Datum) 0;
	if (drift->verdict != MLOPS_VERDICT_NONE)
		values[DRIFT_VERDICT] = CStringGetTextDatum(mlops_verdict_names[drift->verdict]);
	values[DRIFT_N_REFERENCE] = Int64GetDatum(drift->n_reference);
	values[DRIFT_N_CURRENT] = Int64GetDatum(drift->n_current);
	values[DRIFT_SKIPPED] = Int64GetDatum(num_skipped);
	values[DRIFT_DEFINITION] = JsonbPGetDatum(mlops_drift_definition(options, drift, basis,
																	 skipped, unassigned));
}
