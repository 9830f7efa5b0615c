/*-------------------------------------------------------------------------
 *
 * suggest.c
 *	  mlops.suggest_features: what each column of a query is worth as a feature.
 *
 * The query runs once, with the rights of the caller, and its rows are not
 * kept.  Each column has a sketch of its values for each of two classes; from
 * the two follow its counts, its information value, its ranks and its
 * association with the label, over all rows.  The third value of the label
 * shows that it has not two classes: the sketches are joined, and what else is
 * needed from then on is computed from them as if it had been from the start.
 * With a label that is a number a sample of rows is kept too, for ranks: those
 * whose keys have the lowest hashes, whatever their order, or without a key
 * those whose numbers have.
 *
 * All of it is in a memory context of its own: about 500 kB for each column,
 * and 32 MB for the sample, at most.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/shortest_dec.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "monitoring/profile_query.h"
#include "training/label.h"
#include "training/leakage.h"
#include "training/split.h"
#include "training/suggest.h"

PG_FUNCTION_INFO_V1(mlops_suggest_features);

/* rows of the sample, and bytes that it takes */
#define SAMPLE_ROWS			50000
#define SAMPLE_BYTES		(32 * 1024 * 1024)

/* what makes a column worth a look */
#define MANY_MISSING		0.5
#define LITTLE_INFORMATION	0.02	/* Siddiqi: not predictive below it */
#define IDENTIFIER_SHARE	0.95	/* distinct values in rows that have one */
#define IDENTIFIER_ROWS		100
#define TOO_MANY_CATEGORIES	65536	/* mlops.train() refuses more */

/* what a NULL and a NaN are to the hash of a column */
#define HASH_NULL			UINT64CONST(0x9e3779b97f4a7c15)
#define HASH_NAN			UINT64CONST(0xc2b2ae3d27d4eb4f)

/*
 * Choose the columns; everything is in the context of the suggestions.
 */
static void
take_columns(void *arg, TupleDesc tupdesc)
{
	MlopsSuggest *self = arg;
	MemoryContext old = MemoryContextSwitchTo(self->context);
	bool		key = self->key == NULL;

	self->label_number = self->key_number = -1;
	self->features = palloc0(sizeof(MlopsSuggestFeature) * Max(tupdesc->natts, 1));
	self->sample.width = 1;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		Oid			type = getBaseType(attribute->atttypid);
		MlopsSuggestFeature *feature;

		if (self->label_number < 0 && strcmp(NameStr(attribute->attname), self->label) == 0)
		{
			self->label_number = i;
			self->label_type = type;
			self->label_conversion = mlops_conversion(type);
			continue;
		}
		if (self->key != NULL && strcmp(NameStr(attribute->attname), self->key) == 0)
		{
			key = true;
			if (mlops_split_key_type(type, &self->key_conversion))
				self->key_number = i;
			continue;
		}
		feature = &self->features[self->num_features++];
		feature->name = pstrdup(NameStr(attribute->attname));
		feature->type = format_type_extended(type, -1, type < FirstNormalObjectId ?
											 0 : FORMAT_TYPE_FORCE_QUALIFY);
		feature->number = i;
		feature->conversion = mlops_conversion(type);
		feature->category = MlopsConversionIsCategory(feature->conversion);
		feature->place = feature->category || feature->conversion == MLOPS_CONVERT_NONE ?
			-1 : self->sample.width++;
		for (int k = 0; k < 2 && feature->conversion != MLOPS_CONVERT_NONE; k++)
			feature->classes[k] = mlops_sketch_create(feature->category ? MLOPS_SKETCH_CATEGORICAL :
													  MLOPS_SKETCH_NUMERIC);
	}
	if (self->label_number < 0 || !key)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("%s \"%s\" is not a column of the query", self->label_number < 0 ? "label" : "key",
						self->label_number < 0 ? self->label : self->key)));
	if (self->label_conversion == MLOPS_CONVERT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot be the label", self->label,
						format_type_be(self->label_type))));

	self->by_class = MlopsConversionIsCategory(self->label_conversion) ||
		self->label_conversion == MLOPS_CONVERT_BOOL;
	if (self->by_class)
		self->classes = mlops_dictionary_create();
	else
	{
		self->sample.allocated = Min(SAMPLE_ROWS, SAMPLE_BYTES / (int) (sizeof(double) * self->sample.width));
		self->sample.rows = palloc(sizeof(double) * self->sample.width * self->sample.allocated);
		self->sample.hashes = palloc(sizeof(uint64) * self->sample.allocated);
		self->sample.limit = PG_UINT64_MAX;
	}
	MemoryContextSwitchTo(old);
}

/*
 * Two sketches as one.
 */
MlopsSketch *
mlops_suggest_merge(const MlopsSuggestFeature *feature)
{
	MlopsSketch *both = mlops_sketch_create(mlops_sketch_kind(feature->classes[0]));

	for (int i = 0; i < 2; i++)
	{
		if (feature->classes[i] != NULL && !mlops_sketch_merge(both, feature->classes[i]))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many rows")));
	}
	return both;
}

/*
 * A category's labels, from the rows of two of them; none if there are too
 * many values.
 */
static void
start_tally(MlopsSuggest *self, MlopsSuggestFeature *feature)
{
	feature->tally = mlops_tally_create(self->context);
	for (int i = 0; i < 2; i++)
	{
		int			count;
		MlopsSketchEntry *entries;

		entries = mlops_sketch_top(feature->classes[i], MLOPS_LEAKAGE_VALUES + 1, &count);
		for (int k = 0; k < count; k++)
		{
			MlopsTallyEntry *entry = mlops_tally_at(feature->tally, entries[k].text, entries[k].len);

			entry->rows[0] += entries[k].count;
			mlops_sum_add_product(&entry->sum, (double) entries[k].count, self->numbers[i]);
		}
		pfree(entries);
	}
}

/*
 * Add to what is known of two numbers.
 */
static void
add_joint(MlopsSuggestJoint *joint, double number, double label)
{
	double		x = number - joint->x;
	double		y = label - joint->y;

	joint->n++;
	joint->x += x / joint->n;
	joint->y += y / joint->n;
	joint->xx += x * (number - joint->x);
	joint->yy += y * (label - joint->y);
	joint->xy += x * (label - joint->y);
}

/*
 * The same from the rows of two labels.
 */
static void
start_joint(MlopsSuggest *self, MlopsSuggestFeature *feature, MlopsSketch *both)
{
	MlopsSuggestJoint	   *joint = &feature->joint;
	double		distance = self->numbers[1] - self->numbers[0];
	double		n[2];

	for (int i = 0; i < 2; i++)
		n[i] = (double) mlops_sketch_counts(feature->classes[i]).values;
	joint->n = n[0] + n[1];
	if (joint->n == 0)
		return;
	joint->y = (n[0] * self->numbers[0] + n[1] * self->numbers[1]) / joint->n;
	joint->yy = n[0] * n[1] / joint->n * distance * distance;
	if (feature->category)
		return;
	joint->x = mlops_sketch_mean(both);
	joint->xx = mlops_sketch_variance(both, true) * joint->n;
	if (n[0] > 0 && n[1] > 0)
		joint->xy = n[0] * n[1] / joint->n * distance *
			(mlops_sketch_mean(feature->classes[1]) - mlops_sketch_mean(feature->classes[0]));
}

/*
 * The label has a third value.
 */
static void
join_classes(MlopsSuggest *self)
{
	MemoryContext old = MemoryContextSwitchTo(self->context);

	self->many = true;
	for (int i = 0; i < self->num_features; i++)
	{
		MlopsSuggestFeature *feature = &self->features[i];
		MlopsSketch *both;

		feature->nulls[0] += feature->nulls[1];
		feature->nans[0] += feature->nans[1];
		feature->infinities[0] += feature->infinities[1];
		feature->nulls[1] = feature->nans[1] = feature->infinities[1] = 0;
		if (feature->conversion == MLOPS_CONVERT_NONE)
			continue;
		both = mlops_suggest_merge(feature);
		if (!self->by_class)
		{
			start_joint(self, feature, both);
			if (feature->category)
				start_tally(self, feature);
		}
		else if (!feature->category)
		{
			feature->sums = palloc0(sizeof(MlopsSuggestClassSum) * MLOPS_SUGGEST_CLASSES);
			for (int k = 0; k < 2; k++)
			{
				feature->sums[k].n = mlops_sketch_counts(feature->classes[k]).values;
				if (feature->sums[k].n > 0)
					mlops_sum_add_product(&feature->sums[k].sum, (double) feature->sums[k].n,
										  mlops_sketch_mean(feature->classes[k]));
			}
		}
		for (int k = 0; k < 2; k++)
			mlops_sketch_free(feature->classes[k]);
		feature->classes[0] = both;
		feature->classes[1] = NULL;
		CHECK_FOR_INTERRUPTS();
	}
	self->rows[0] += self->rows[1];
	self->rows[1] = 0;
	MemoryContextSwitchTo(old);
}

/*
 * Which class the label is of, in order of appearance, and the label as a
 * number; false if it has no value.
 */
static bool
read_label(MlopsSuggest *self, Datum value, int *class, double *number)
{
	if (self->by_class)
	{
		int			len = 5;
		const char *text = "false";

		if (self->label_conversion != MLOPS_CONVERT_BOOL)
			text = mlops_convert_category(self->label_conversion, value, &len);
		else if (DatumGetBool(value))
		{
			text = "true";
			len = 4;
		}
		*class = mlops_dictionary_lookup(self->classes, text, len);
		if (*class < 0 && self->num_classes <= MLOPS_SUGGEST_CLASSES)
		{
			MemoryContext old = MemoryContextSwitchTo(self->context);

			*class = mlops_dictionary_add(self->classes, text, len);
			self->num_classes = *class + 1;
			MemoryContextSwitchTo(old);
		}
		else if (*class < 0)
			*class = MLOPS_SUGGEST_CLASSES;
		*number = *class;
	}
	else
	{
		*number = mlops_convert_number64(self->label_conversion, value);
		if (!isfinite(*number))
			return false;
		for (*class = 0; *class < Min(self->num_classes, 2) && self->numbers[*class] != *number;)
			(*class)++;
		if (*class == self->num_classes)
		{
			if (*class < 2)
				self->numbers[*class] = *number;
			self->num_classes++;
		}
	}
	if (!self->many && self->num_classes > 2)
		join_classes(self);
	return true;
}

/*
 * Note a value of a feature; returns its hash.
 */
static uint64
add_value(MlopsSuggest *self, MlopsSuggestFeature *feature, Datum value, int class, double label, double *number)
{
	int			slot = self->many ? 0 : class;
	uint64		bits;

	if (feature->category)
	{
		int			len;
		const char *text = mlops_convert_category(feature->conversion, value, &len);

		mlops_sketch_add_datum(feature->classes[slot], self->context, feature->conversion, value);
		if (self->many && !self->by_class)
			add_joint(&feature->joint, 0, label);
		if (feature->tally != NULL)
		{
			MlopsTallyEntry *entry = mlops_tally_at(feature->tally, text, len);

			entry->rows[0]++;
			mlops_sum_add(&entry->sum, label);
			if (mlops_tally_count(feature->tally) > MLOPS_LEAKAGE_VALUES)
				feature->tally = NULL;
		}
		return hash_bytes_extended((const unsigned char *) text, len, 1);
	}

	*number = mlops_convert_number64(feature->conversion, value);
	if (isnan(*number))
	{
		feature->nans[slot]++;
		return HASH_NAN;
	}
	if (*number == 0)
		*number = 0;			/* also the negative one */
	if (isinf(*number))
		feature->infinities[slot]++;
	else
	{
		MemoryContext old = MemoryContextSwitchTo(self->context);

		mlops_sketch_add_number(feature->classes[slot], *number);
		MemoryContextSwitchTo(old);
	}
	if (!self->many || isinf(*number))
		;						/* the sketches have it all */
	else if (self->by_class)
	{
		if (class < MLOPS_SUGGEST_CLASSES)
		{
			feature->sums[class].n++;
			mlops_sum_add(&feature->sums[class].sum, *number);
		}
	}
	else
		add_joint(&feature->joint, *number, label);
	memcpy(&bits, number, sizeof(bits));
	return hash_bytes_extended((const unsigned char *) &bits, sizeof(bits), 0);
}

/*
 * Make room in a full sample: half of its rows go, by their hashes.
 */
static void
thin_sample(MlopsSuggestSample *sample)
{
	while (sample->num_rows == sample->allocated)
	{
		int			kept = 0;

		sample->limit /= 2;
		for (int i = 0; i < sample->num_rows; i++)
		{
			if (sample->hashes[i] > sample->limit)
				continue;
			sample->hashes[kept] = sample->hashes[i];
			memmove(sample->rows + (Size) kept++ * sample->width, sample->rows + (Size) i * sample->width,
					sizeof(double) * sample->width);
		}
		sample->num_rows = kept;
	}
}

static void
take_row(void *arg, const Datum *values, const bool *nulls)
{
	MlopsSuggest *self = arg;
	MlopsSuggestSample	   *sample = &self->sample;
	MemoryContext old;
	int			class;
	double		label;
	double	   *row = NULL;

	self->rows_read++;
	if (nulls[self->label_number])
		return;
	old = MemoryContextSwitchTo(self->row_context);
	if (read_label(self, values[self->label_number], &class, &label))
	{
		self->rows[self->many ? 0 : class]++;
		if (!self->by_class)
		{
			thin_sample(sample);
			row = sample->rows + (Size) sample->num_rows * sample->width;
			row[0] = label;
		}
		for (int i = 0; i < self->num_features; i++)
		{
			MlopsSuggestFeature *feature = &self->features[i];
			uint64		hash = HASH_NULL;
			double		number = NAN;

			if (nulls[feature->number])
				feature->nulls[self->many ? 0 : class]++;
			else if (feature->conversion != MLOPS_CONVERT_NONE)
				hash = add_value(self, feature, values[feature->number], class, label, &number);
			feature->hashes[0] = hash_combine64(feature->hashes[0], hash);
			feature->hashes[1] = feature->hashes[1] * UINT64CONST(0x5851f42d4c957f2d) + hash;
			if (row != NULL && feature->place >= 0)
				row[feature->place] = isinf(number) ? NAN : number;
		}
		if (row != NULL)
		{
			uint64		hash = self->key_number >= 0 && !nulls[self->key_number] ?
				mlops_split_hash(self->key_conversion, values[self->key_number], 0) :
				hash_bytes_extended((const unsigned char *) &self->rows_read, sizeof(self->rows_read), 0);

			if (hash <= sample->limit)
				sample->hashes[sample->num_rows++] = hash;
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(self->row_context);
}

/*
 * One of the first two labels as text.
 */
static char *
class_text(const MlopsSuggest *self, int class)
{
	int			len;
	const char *text;

	if (!self->by_class)
		return float8out_internal(self->numbers[class]);
	text = mlops_dictionary_text(self->classes, class, &len);
	return pnstrdup(text, len);
}

/*
 * Two classes: which is the positive one?
 */
static void
choose_positive(MlopsSuggest *self)
{
	int			wanted = -1;

	if (self->by_class && self->num_classes > 0)
		self->one = mlops_sorted_codes(self->classes, self->label_conversion,
									   self->label_type)[Min(self->num_classes, MLOPS_SUGGEST_CLASSES) - 1];
	else
		self->one = self->num_classes > 1 && self->numbers[1] > self->numbers[0];
	if (self->many)
		self->one = 1;
	if (self->positive == NULL)
		return;
	for (int i = 0; i < Min(self->num_classes, 2) && !self->many; i++)
	{
		if (strcmp(class_text(self, i), self->positive) == 0)
			wanted = i;
	}
	if (wanted < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("positive \"%s\" is not one of two values of label \"%s\"", self->positive, self->label)));
	self->one = wanted;
}

/* append a reason */
static void
add_reason(StringInfo reason, const char *text)
{
	appendStringInfo(reason, "%s%s", reason->len > 0 ? "; " : "", text);
}

/*
 * What to do with a feature, and why.
 */
static const char *
decide(const MlopsSuggest *self, const MlopsSuggestFeature *feature, StringInfo reason)
{
	int64		rows = self->rows[0] + self->rows[1];
	bool		unique = feature->values >= IDENTIFIER_ROWS &&
		feature->distinct >= IDENTIFIER_SHARE * (double) feature->values;
	bool		whole = feature->conversion == MLOPS_CONVERT_INT2 || feature->conversion == MLOPS_CONVERT_INT4 ||
		feature->conversion == MLOPS_CONVERT_INT8;

	if (feature->conversion == MLOPS_CONVERT_NONE)
		add_reason(reason, psprintf("type %s cannot be a feature: cast it in the query", feature->type));
	else if (rows == 0)
		add_reason(reason, "no row has a label");
	else if (feature->values == 0)
		add_reason(reason, "it has no value");
	else if (feature->distinct == 1 && feature->missing == 0)
		add_reason(reason, "it has the same value in all rows");
	else if (feature->duplicate_of != NULL)
		add_reason(reason, psprintf("it has the values of \"%s\"", feature->duplicate_of));
	else if (feature->category && (unique || feature->distinct > TOO_MANY_CATEGORIES))
		add_reason(reason, "it has about as many values as rows: it names rows rather than kinds of them");
	if (reason->len > 0)
		return "drop";

	if (feature->leakage != NULL)
		add_reason(reason, psprintf("leakage is suspected: %s", feature->leakage));
	if (feature->infinities[0] + feature->infinities[1] > 0)
		add_reason(reason, "it has infinite values, which mlops.train() refuses");
	if (unique && whole)
		add_reason(reason, "it has a value of its own in nearly every row, as an identifier has");
	if (feature->missing >= MANY_MISSING * (double) rows)
		add_reason(reason, "it is missing in half of the rows or more");
	if (feature->information < LITTLE_INFORMATION)
		add_reason(reason, "it says little about the label by itself");
	return reason->len > 0 ? "review" : "use";
}

/* append a member of a JSON object, null if it is not a number */
static void
add_number(StringInfo json, const char *name, double value)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (isfinite(value))
		double_to_shortest_decimal_buf(value, digits);
	else
		strlcpy(digits, "null", sizeof(digits));
	appendStringInfo(json, "%s\"%s\": %s", json->data[json->len - 1] == '{' ? "" : ", ", name, digits);
}

static Datum
jsonb_of(const StringInfo json)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json->data));
}

/*
 * The evidence for a trend.
 */
static Datum
trend_json(const MlopsSuggestFeature *feature)
{
	const MlopsTrend *trend = &feature->trend;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	add_number(&json, "n", (double) trend->n);
	add_number(&json, "spearman", trend->spearman);
	add_number(&json, "p_value", trend->p_value);
	add_number(&json, "explained", trend->explained);
	add_number(&json, "p_departure", trend->p_departure);
	appendStringInfoString(&json, ", \"bins\": [");
	for (int i = 0; i < feature->num_bins; i++)
	{
		appendStringInfoString(&json, i > 0 ? ", {" : "{");
		add_number(&json, "upper", feature->bins[i].upper);
		add_number(&json, "n", (double) feature->bins[i].n);
		add_number(&json, "mean", feature->bins[i].mean);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoString(&json, "]}");
	return jsonb_of(&json);
}

/*
 * What the figures of a feature mean.
 */
static Datum
definition_json(const MlopsSuggest *self, const MlopsSuggestFeature *feature)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	add_number(&json, "rows_read", (double) self->rows_read);
	add_number(&json, "rows_with_label", (double) (self->rows[0] + self->rows[1]));
	appendStringInfo(&json, ", \"label_kind\": \"%s\"", self->num_classes == 0 ? "none" : self->num_classes == 1 ? "one value" :
					 !self->many ? "two classes" : self->by_class ? "classes" : "number");
	if (!self->many && self->num_classes == 2)
	{
		appendStringInfoString(&json, ", \"positive\": ");
		escape_json(&json, class_text(self, self->one));
		add_number(&json, "positive_rows", (double) self->rows[self->one]);
	}
	else if (self->many && !self->by_class)
		add_number(&json, "trend_rows", (double) self->sample.num_rows);
	add_number(&json, "bins", MLOPS_SUGGEST_BINS);
	add_number(&json, "rank_error", feature->rank_error);
	add_number(&json, "trend_p_value", MLOPS_TREND_CHANCE);
	add_number(&json, "trend_explained", MLOPS_TREND_EXPLAINED);
	add_number(&json, "trend_p_departure", MLOPS_TREND_DEPARTURE);
	add_number(&json, "leakage_limit", MLOPS_LEAKAGE_LIMIT);
	add_number(&json, "leakage_chance", MLOPS_LEAKAGE_CHANCE);
	add_number(&json, "little_information", LITTLE_INFORMATION);
	add_number(&json, "many_missing", MANY_MISSING);
	appendStringInfoChar(&json, '}');
	return jsonb_of(&json);
}

/* the columns of the result */
enum
{
	SUGGEST_NAME,
	SUGGEST_TYPE,
	SUGGEST_KIND,
	SUGGEST_ROWS,
	SUGGEST_MISSING,
	SUGGEST_DISTINCT,
	SUGGEST_EXACT,
	SUGGEST_INFORMATION,
	SUGGEST_CORRELATION,
	SUGGEST_METHOD,
	SUGGEST_MONOTONE,
	SUGGEST_TREND,
	SUGGEST_CONSTANT,
	SUGGEST_DUPLICATE_OF,
	SUGGEST_LEAKAGE,
	SUGGEST_SUGGESTION,
	SUGGEST_REASON,
	SUGGEST_DEFINITION,
	NUM_SUGGEST_COLUMNS
};

static void
set_number(Datum *values, bool *nulls, int column, double number)
{
	values[column] = Float8GetDatum(number);
	nulls[column] = !isfinite(number);
}

static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

static void
put_feature(const MlopsSuggest *self, const MlopsSuggestFeature *feature, ReturnSetInfo *result)
{
	Datum		values[NUM_SUGGEST_COLUMNS] = {0};
	bool		nulls[NUM_SUGGEST_COLUMNS] = {false};
	bool		supported = feature->conversion != MLOPS_CONVERT_NONE;
	int64		rows = self->rows[0] + self->rows[1];
	StringInfoData reason;

	initStringInfo(&reason);
	set_text(values, nulls, SUGGEST_NAME, feature->name);
	set_text(values, nulls, SUGGEST_TYPE, feature->type);
	set_text(values, nulls, SUGGEST_KIND, !supported ? "unsupported" : feature->category ? "categorical" :
			 feature->conversion == MLOPS_CONVERT_BOOL ? "boolean" : "numeric");
	values[SUGGEST_ROWS] = Int64GetDatum(rows);
	set_number(values, nulls, SUGGEST_MISSING, rows > 0 ? (double) feature->missing / (double) rows : NAN);
	set_number(values, nulls, SUGGEST_DISTINCT, feature->distinct);
	values[SUGGEST_EXACT] = BoolGetDatum(feature->exact);
	nulls[SUGGEST_EXACT] = !supported;
	set_number(values, nulls, SUGGEST_INFORMATION, feature->information);
	set_number(values, nulls, SUGGEST_CORRELATION, feature->correlation);
	set_text(values, nulls, SUGGEST_METHOD, isfinite(feature->correlation) ? feature->method : NULL);
	nulls[SUGGEST_MONOTONE] = nulls[SUGGEST_TREND] = !isfinite(feature->trend.spearman);
	if (!nulls[SUGGEST_TREND])
	{
		values[SUGGEST_MONOTONE] = Int32GetDatum(feature->trend.direction);
		values[SUGGEST_TREND] = trend_json(feature);
	}
	values[SUGGEST_CONSTANT] = BoolGetDatum(feature->values > 0 ? feature->distinct == 1 : feature->missing == rows);
	nulls[SUGGEST_CONSTANT] = !supported || rows == 0;
	set_text(values, nulls, SUGGEST_DUPLICATE_OF, feature->duplicate_of);
	set_text(values, nulls, SUGGEST_LEAKAGE, feature->leakage);
	set_text(values, nulls, SUGGEST_SUGGESTION, decide(self, feature, &reason));
	set_text(values, nulls, SUGGEST_REASON, reason.len > 0 ? reason.data : NULL);
	values[SUGGEST_DEFINITION] = definition_json(self, feature);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/*
 * SQL: mlops.suggest_features(), a row for each column.
 */
Datum
mlops_suggest_features(PG_FUNCTION_ARGS)
{
	MlopsSuggest *self = palloc0(sizeof(MlopsSuggest));
	MlopsRowReader reader = {take_columns, take_row, self};
	MemoryContext old;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("query and label cannot be NULL")));
	self->label = text_argument(fcinfo, 1);
	self->key = text_argument(fcinfo, 2);
	self->positive = text_argument(fcinfo, 3);
	self->context = AllocSetContextCreate(CurrentMemoryContext, "mlops features", ALLOCSET_DEFAULT_SIZES);
	self->row_context = AllocSetContextCreate(self->context, "mlops features row", ALLOCSET_SMALL_SIZES);
	InitMaterializedSRF(fcinfo, 0);
	mlops_profile_query(text_to_cstring(PG_GETARG_TEXT_PP(0)), "the query of features", &reader);

	/* what asking arranges belongs to the sketches */
	old = MemoryContextSwitchTo(self->context);
	choose_positive(self);
	for (int i = 0; i < self->num_features; i++)
	{
		CHECK_FOR_INTERRUPTS();
		mlops_suggest_study(self, &self->features[i]);
	}
	mlops_suggest_duplicates(self);
	for (int i = 0; i < self->num_features; i++)
		put_feature(self, &self->features[i], (ReturnSetInfo *) fcinfo->resultinfo);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(self->context);
	return (Datum) 0;
}
