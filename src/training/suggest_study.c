/*-------------------------------------------------------------------------
 *
 * suggest_study.c
 *	  What follows from all that was read of a column.
 *
 * Everything is in the memory context that is current, that of the
 * suggestions, and goes with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "monitoring/bank.h"
#include "training/leakage.h"
#include "training/suggest.h"

/* most bins of a number */
#define MAX_BINS			(Max(MLOPS_SUGGEST_BINS, MLOPS_BINS_VALUES_MAX) + 1)

/*
 * Information value, correlation and trend of a number, by two classes.
 */
static void
number_by_class(MlopsSuggest *self, MlopsSuggestFeature *feature, MlopsSketch *both)
{
	MlopsSketch *const classes[2] = {feature->classes[!self->one], feature->classes[self->one]};
	MlopsBins  *bins = mlops_bins_make(both, MLOPS_SUGGEST_BINS);
	int64		counts[2][MAX_BINS];
	double		n[2];
	double		rows[2];
	double		iv;

	for (int i = 0; i < 2; i++)
	{
		mlops_bins_count(bins, classes[i], counts[i]);
		n[i] = (double) mlops_sketch_counts(classes[i]).values;
		rows[i] = (double) self->rows[i == 0 ? !self->one : self->one];
	}
	feature->information = 0;
	for (int i = 0; i < bins->num_bins; i++)
	{
		MlopsTrendBin *bin = &feature->bins[feature->num_bins];

		if (counts[0][i] + counts[1][i] == 0)
			continue;
		mlops_weight_of_evidence(counts[0][i], counts[1][i], rows[0], rows[1], &iv);
		feature->information += iv;
		bin->n = counts[0][i] + counts[1][i];
		bin->upper = i < bins->num_values ? bins->numbers[i] : INFINITY;
		bin->mean = (double) counts[1][i] / (double) bin->n;
		bin->squares = (double) bin->n * bin->mean * (1 - bin->mean);
		feature->num_bins++;
	}

	mlops_class_ranks(classes, &feature->trend.spearman, &feature->auc);
	feature->trend.n = feature->values;
	if (n[0] > 0 && n[1] > 0 && mlops_sketch_variance(both, true) > 0)
	{
		feature->method = "pearson";
		feature->correlation = (mlops_sketch_mean(classes[1]) - mlops_sketch_mean(classes[0])) *
			sqrt(n[0] * n[1]) / (n[0] + n[1]) / mlops_sketch_stddev(both, true);
	}
}

/*
 * The same of a category, if all its values are known.
 */
static void
category_by_class(MlopsSuggest *self, MlopsSuggestFeature *feature, MlopsSketch *both)
{
	MlopsSketch *const classes[2] = {feature->classes[!self->one], feature->classes[self->one]};
	const double rows[2] = {(double) self->rows[!self->one], (double) self->rows[self->one]};
	int			count;
	MlopsSketchEntry *entries;
	MlopsCategory *categories;

	if (!feature->exact)
		return;
	entries = mlops_sketch_top(both, MLOPS_SKETCH_EXACT, &count);
	categories = palloc(sizeof(MlopsCategory) * Max(count, 1));
	feature->information = 0;
	for (int i = 0; i < count; i++)
	{
		double		iv;

		for (int k = 0; k < 2; k++)
			categories[i].rows[k] = mlops_sketch_count_text(classes[k], entries[i].text, entries[i].len);
		mlops_weight_of_evidence(categories[i].rows[0], categories[i].rows[1], rows[0], rows[1], &iv);
		feature->information += iv;
	}
	feature->correlation = mlops_cramers_v(categories, count);
	feature->method = "cramers_v";
	if (count <= MLOPS_LEAKAGE_VALUES)
		feature->auc = mlops_category_auc(categories, count);
	pfree(entries);
	pfree(categories);
}

/*
 * The trend of a number with a label that is one, in the sample.
 */
static void
trend_of_sample(MlopsSuggest *self, MlopsSuggestFeature *feature)
{
	const MlopsSuggestSample *sample = &self->sample;
	MlopsPoint *points = palloc(sizeof(MlopsPoint) * Max(sample->num_rows, 1));
	MlopsSketch *sketch = mlops_sketch_create(MLOPS_SKETCH_NUMERIC);
	MlopsBins  *bins;
	int64		n = 0;

	for (int i = 0; i < sample->num_rows; i++)
	{
		const double *row = sample->rows + (Size) i * sample->width;

		if (isnan(row[feature->place]))
			continue;
		points[n].x = row[feature->place];
		points[n++].y = row[0];
		mlops_sketch_add_number(sketch, row[feature->place]);
	}
	feature->trend.n = n;
	feature->trend.spearman = mlops_spearman(points, n);
	bins = mlops_bins_make(sketch, MLOPS_SUGGEST_BINS);
	for (int i = 0; n > 0 && i < bins->num_bins; i++)
	{
		MlopsTrendBin *bin = &feature->bins[feature->num_bins];
		double		lower = i == 0 ? -INFINITY : bins->numbers[i - 1];

		bin->upper = i < bins->num_values ? bins->numbers[i] : INFINITY;
		for (int64 k = 0; k < n; k++)
		{
			double		deviation;

			if (points[k].x <= lower || points[k].x > bin->upper)
				continue;
			deviation = points[k].y - bin->mean;
			bin->mean += deviation / (double) ++bin->n;
			bin->squares += deviation * (points[k].y - bin->mean);
		}
		feature->num_bins += bin->n > 0;
	}
	mlops_sketch_free(sketch);
	pfree(points);
}

/*
 * Correlation of a feature with a label that is a number.
 */
static void
correlate_number(MlopsSuggestFeature *feature)
{
	const MlopsSuggestJoint *joint = &feature->joint;

	if (!feature->category)
	{
		feature->method = "pearson";
		if (joint->xx > 0 && joint->yy > 0)
			feature->correlation = joint->xy / sqrt(joint->xx * joint->yy);
	}
	else if (feature->tally != NULL)
	{
		MlopsTallyEntry **entries = mlops_tally_sorted(feature->tally);
		int			count = mlops_tally_count(feature->tally);
		double		between = 0;

		for (int i = 0; i < count; i++)
		{
			double		n = (double) entries[i]->rows[0];

			between += n * pow(mlops_sum_value(&entries[i]->sum) / n - joint->y, 2);
		}
		feature->method = "correlation_ratio";
		if (count > 1 && joint->yy > 0)
			feature->correlation = sqrt(Min(between / joint->yy, 1));
		pfree(entries);
	}
}

/*
 * Correlation of a number with many classes.
 */
static void
correlate_classes(const MlopsSuggest *self, MlopsSuggestFeature *feature, MlopsSketch *both)
{
	double		mean = mlops_sketch_mean(both);
	double		all = mlops_sketch_variance(both, true) * (double) feature->values;
	double		between = 0;

	if (feature->sums == NULL || self->num_classes > MLOPS_SUGGEST_CLASSES)
		return;
	for (int i = 0; i < self->num_classes; i++)
	{
		double		n = (double) feature->sums[i].n;

		if (n > 0)
			between += n * pow(mlops_sum_value(&feature->sums[i].sum) / n - mean, 2);
	}
	feature->method = "correlation_ratio";
	if (all > 0)
		feature->correlation = sqrt(Min(between / all, 1));
}

/*
 * Does the feature look as if it told the label?
 */
static void
suspect(const MlopsSuggest *self, MlopsSuggestFeature *feature)
{
	bool		binary = !self->many && self->num_classes == 2;
	double		auc = Max(feature->auc, 1 - feature->auc);
	StringInfoData text;

	initStringInfo(&text);
	if (binary && auc >= MLOPS_LEAKAGE_LIMIT)
		appendStringInfo(&text, "alone it ranks the classes with an AUC of %.3f", auc);
	if (!binary && fabs(feature->correlation) >= MLOPS_LEAKAGE_LIMIT)
		appendStringInfo(&text, "its correlation with the label is %.3f", feature->correlation);
	if (binary && mlops_leakage_nulls(self->rows, feature->nulls))
		appendStringInfo(&text, "%sit is NULL in one class only", text.len > 0 ? "; " : "");
	feature->leakage = text.len > 0 ? text.data : NULL;
}

/*
 * Find out all about a feature.
 */
void
mlops_suggest_study(MlopsSuggest *self, MlopsSuggestFeature *feature)
{
	bool		binary = !self->many && self->num_classes == 2;
	MlopsSketch *both;

	feature->information = feature->correlation = feature->auc = feature->trend.spearman = NAN;
	feature->distinct = NAN;
	feature->bins = palloc0(sizeof(MlopsTrendBin) * MAX_BINS);
	for (int i = 0; i < 2; i++)
		feature->missing += feature->nulls[i] + feature->nans[i] + feature->infinities[i];
	if (feature->conversion == MLOPS_CONVERT_NONE)
		return;

	both = mlops_suggest_merge(feature);
	feature->values = mlops_sketch_counts(both).values;
	feature->distinct = mlops_sketch_distinct(both);
	feature->exact = mlops_sketch_is_exact(both);
	feature->rank_error = feature->category || feature->values == 0 ? 0 :
		(double) mlops_sketch_rank_error(both) / (double) feature->values;
	if (binary)
	{
		if (feature->category)
			category_by_class(self, feature, both);
		else
			number_by_class(self, feature, both);
		if (feature->missing > 0)
		{
			double		iv;
			int64		missing[2];

			for (int i = 0; i < 2; i++)
				missing[i] = feature->nulls[i] + feature->nans[i] + feature->infinities[i];
			mlops_weight_of_evidence(missing[!self->one], missing[self->one], (double) self->rows[!self->one],
									 (double) self->rows[self->one], &iv);
			feature->information += iv;
		}
	}
	else if (self->many && !self->by_class)
	{
		correlate_number(feature);
		if (!feature->category)
			trend_of_sample(self, feature);
	}
	else if (self->many)
		correlate_classes(self, feature, both);
	mlops_trend_judge(feature->bins, feature->num_bins, &feature->trend);
	suspect(self, feature);
	mlops_sketch_free(both);
}

/*
 * Columns with the same values in all rows are duplicates of the first of
 * them.
 */
void
mlops_suggest_duplicates(MlopsSuggest *self)
{
	for (int i = 1; i < self->num_features; i++)
	{
		MlopsSuggestFeature *feature = &self->features[i];

		for (int k = 0; k < i && feature->duplicate_of == NULL; k++)
		{
			const MlopsSuggestFeature *other = &self->features[k];

			if (feature->conversion != MLOPS_CONVERT_NONE && other->conversion != MLOPS_CONVERT_NONE &&
				feature->values > 0 && feature->hashes[0] == other->hashes[0] &&
				feature->hashes[1] == other->hashes[1])
				feature->duplicate_of = other->name;
		}
		CHECK_FOR_INTERRUPTS();
	}
}
