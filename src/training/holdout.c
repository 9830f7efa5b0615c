/*-------------------------------------------------------------------------
 *
 * holdout.c
 *	  How well a new model does on the rows that it was not trained with.
 *
 * The test rows are scored where they lie, by the engine that will score for
 * SQL: mlops.predict() of the same rows gives the same numbers, and the
 * aggregates of them the same measures.
 *
 * Which members the metrics have depends on the task alone.  A measure that
 * is not defined, for want of test rows, of a second class among them or of
 * probabilities, is null.
 *
 * Beside them goes what reports draw: curves of at most CURVE_POINTS points,
 * counts in bins, intervals at 95 %, the confusion matrix of classes.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "metrics/measures.h"
#include "mlops.h"
#include "monitoring/profile.h"
#include "training/holdout.h"

/* most bytes of the rows that are scored together */
#define MAX_BATCH_BYTES		(8 * 1024 * 1024)

/* for plots */
#define CURVE_POINTS		100
#define SCORE_BINS			20
#define CALIBRATION_BINS	10
#define INTERVAL_LEVEL		0.95
#define MAX_MATRIX_CLASSES	50

/* probabilities are kept from 0 by this, as in the aggregate log_loss() */
#define MIN_PROBABILITY		1e-15

/* scoring of the test rows, some together, asked for one after the other */
typedef struct Scoring
{
	const MlopsForest *forest;
	MlopsForestInfo info;
	const MlopsTrainingSet *set;
	const float *rows;
	const int64 *numbers;		/* of the rows that are scored; NULL: all */
	const MlopsFolds *folds;	/* what a fold's model does not know is missing, or NULL */
	int			fold;
	Size		width;
	int			num_features;
	int64		num_rows;
	void	   *scratch;
	int			batch_rows;
	float	   *batch;			/* the features of so many rows, side by side */
	float	   *batch_margins;
	float	   *margins;		/* of the present row */
	float	   *outputs;
	MlopsProfile *profile;		/* or NULL */
	MlopsSketch *scores;		/* a column of it */
	float	   *kept;			/* mlops_score_width() for each row, or NULL */
	MlopsMeasures *measures;
	StringInfo	details;		/* what plots need, a JSON object that is begun, or NULL */
} Scoring;

static void
add_measure(Scoring *scoring, const char *name, double value)
{
	MlopsMeasures *measures = scoring->measures;

	Assert(measures->count < MLOPS_MAX_MEASURES);
	measures->list[measures->count++] = (MlopsMeasure) {.name = name,.value = value};
}

static const float *
row_at(const Scoring *scoring, int64 i)
{
	return scoring->rows + (scoring->numbers != NULL ? scoring->numbers[i] : i) * scoring->width;
}

/*
 * Score row i: margins and outputs hold the result, which is valid until the
 * next row.  Returns the row's label.
 */
static float
score(Scoring *scoring, int64 i)
{
	int			place = i % scoring->batch_rows;

	if (place == 0)
	{
		int			count = (int) Min(scoring->batch_rows, scoring->num_rows - i);

		CHECK_FOR_INTERRUPTS();
		for (int k = 0; k < count; k++)
		{
			float	   *features = scoring->batch + (Size) k * scoring->num_features;

			memcpy(features, row_at(scoring, i + k), sizeof(float) * scoring->num_features);
			if (scoring->folds != NULL)
				mlops_folds_forget(scoring->folds, scoring->fold, scoring->set, features);
		}
		mlops_forest_margin_batch(scoring->forest, scoring->batch, count, scoring->scratch,
								  scoring->batch_margins);
	}
	scoring->margins = scoring->batch_margins + (Size) place * scoring->info.num_groups;
	mlops_forest_transform(scoring->forest, scoring->margins, scoring->outputs);
	return row_at(scoring, i)[scoring->num_features];
}

/*
 * Note a score for the version's profile.
 */
static void
note_score(Scoring *scoring, MlopsConversion conversion, Datum value)
{
	if (scoring->profile != NULL)
		mlops_sketch_add_datum(scoring->scores, scoring->profile->context, conversion, value);
}

static void
add_regression(Scoring *scoring)
{
	Size		size = mul_size(sizeof(double), Max(scoring->num_rows, 1));
	double	   *actual = MemoryContextAllocHuge(CurrentMemoryContext, size);
	double	   *predicted = MemoryContextAllocHuge(CurrentMemoryContext, size);

	for (int64 i = 0; i < scoring->num_rows; i++)
	{
		actual[i] = score(scoring, i);
		predicted[i] = scoring->outputs[0];
		if (scoring->kept != NULL)
			scoring->kept[i] = scoring->outputs[0];
		note_score(scoring, MLOPS_CONVERT_FLOAT8, Float8GetDatum(predicted[i]));
	}
	add_measure(scoring, "rmse", mlops_rmse(actual, predicted, scoring->num_rows));
	add_measure(scoring, "mae", mlops_mae(actual, predicted, scoring->num_rows));
	add_measure(scoring, "r2", mlops_r2(actual, predicted, scoring->num_rows));
	pfree(actual);
	pfree(predicted);
}

static void
add_interval(StringInfo json, const char *name, double lower, double upper)
{
	if (isfinite(lower) && isfinite(upper))
		appendStringInfo(json, "\"%s\": [%.6g, %.6g], ", name, lower, upper);
}

static void
add_share_interval(StringInfo json, const char *name, int64 successes, int64 n)
{
	double		lower;
	double		upper;

	if (n == 0)
		return;
	mlops_wilson((double) successes, (double) n, mlops_normal_quantile(INTERVAL_LEVEL), &lower, &upper);
	add_interval(json, name, lower, upper);
}

/*
 * Intervals of what has one: DeLong's of the AUC, Wilson's of shares.
 */
static void
add_intervals(StringInfo json, const MlopsScored *rows, size_t n, double auc,
			  const MlopsConfusion *c)
{
	MlopsCurve	curve;
	double		half;

	mlops_curve_start_rows(&curve, rows, n);
	half = mlops_normal_quantile(INTERVAL_LEVEL) * sqrt(mlops_curve_auc_variance(&curve, auc));
	appendStringInfoString(json, "\"intervals\": {");
	add_interval(json, "auc", Max(auc - half, 0), Min(auc + half, 1));
	add_interval(json, "gini", 2 * Max(auc - half, 0) - 1, 2 * Min(auc + half, 1) - 1);
	add_share_interval(json, "precision", c->true_positive, c->true_positive + c->false_positive);
	add_share_interval(json, "recall", c->true_positive, c->true_positive + c->false_negative);
	add_share_interval(json, "base_rate", c->true_positive + c->false_negative, n);
	add_share_interval(json, "accuracy", c->true_positive + c->true_negative, n);
	if (json->data[json->len - 1] == ' ')
		json->len -= 2;
	appendStringInfoChar(json, '}');
}

/*
 * What plots of a yes/no model need: points of the curve from the highest
 * score down, as score, true and false positives; counts of both classes in
 * bins of equal width; and of probabilities the bins of the calibration.
 */
static void
add_plots(StringInfo json, const MlopsScored *rows, size_t n, bool is_probability)
{
	MlopsCurve	curve;
	double		from = is_probability ? 0 : rows[n - 1].score;
	double		to = is_probability ? 1 : rows[0].score;
	int64		counts[2][SCORE_BINS] = {{0}};
	int64		next = 0;

	mlops_curve_start_rows(&curve, rows, n);
	appendStringInfoString(json, ", \"points\": [");
	while (mlops_curve_next(&curve))
	{
		int64		so_far = curve.true_positive + curve.false_positive;

		if (so_far * CURVE_POINTS < next * (int64) n && so_far < (int64) n)
			continue;
		appendStringInfo(json, "%s[%.7g, " INT64_FORMAT ", " INT64_FORMAT "]", next > 0 ? ", " : "",
						 curve.score, curve.true_positive, curve.false_positive);
		next = so_far * CURVE_POINTS / (int64) n + 1;
	}
	appendStringInfo(json, "], \"distribution\": {\"from\": %.7g, \"to\": %.7g", from, to);
	for (size_t i = 0; i < n; i++)
	{
		double		place = to > from ? (rows[i].score - from) / (to - from) * SCORE_BINS : 0;

		counts[rows[i].label][(int) Min(Max(place, 0), SCORE_BINS - 1)]++;
	}
	for (int class = 0; class < 2; class++)
	{
		appendStringInfo(json, ", \"%s\": [", class == 0 ? "negative" : "positive");
		for (int i = 0; i < SCORE_BINS; i++)
			appendStringInfo(json, "%s" INT64_FORMAT, i > 0 ? ", " : "", counts[class][i]);
		appendStringInfoChar(json, ']');
	}
	appendStringInfoChar(json, '}');

	if (is_probability)
	{
		MlopsBin	bins[CALIBRATION_BINS];

		mlops_bins_equal_width(bins, CALIBRATION_BINS);
		for (size_t i = 0; i < n; i++)
			mlops_bins_equal_width_add(bins, CALIBRATION_BINS, rows[i].label, rows[i].score);
		appendStringInfoString(json, ", \"calibration\": [");
		for (int i = 0; i < CALIBRATION_BINS; i++)
			appendStringInfo(json, "%s{\"n\": " INT64_FORMAT ", \"positives\": " INT64_FORMAT ", \"score\": %.7g}",
							 i > 0 ? ", " : "", bins[i].n, bins[i].positives,
							 bins[i].n > 0 ? mlops_sum_value(&bins[i].score) / (double) bins[i].n : 0);
		appendStringInfoChar(json, ']');
	}
}

static void
add_binary(Scoring *scoring)
{
	size_t		n = scoring->num_rows;
	MlopsScored *rows = MemoryContextAllocHuge(CurrentMemoryContext,
											   mul_size(sizeof(MlopsScored), Max(n, 1)));
	bool		is_margin = strcmp(scoring->info.objective, "binary:logitraw") == 0;
	bool		is_probability = !is_margin &&
		strcmp(scoring->info.objective, "binary:hinge") != 0;
	MlopsConfusion confusion;
	int64		positives = 0;
	double		auc;

	for (size_t i = 0; i < n; i++)
	{
		rows[i].label = score(scoring, i) != 0;
		rows[i].score = scoring->outputs[0];
		if (scoring->kept != NULL)
			scoring->kept[i] = scoring->outputs[0];
		note_score(scoring, MLOPS_CONVERT_FLOAT8, Float8GetDatum(rows[i].score));
		positives += rows[i].label;
	}
	CHECK_FOR_INTERRUPTS();
	mlops_sort_scored(rows, n);
	CHECK_FOR_INTERRUPTS();

	auc = mlops_auc(rows, n);
	add_measure(scoring, "auc", auc);
	add_measure(scoring, "gini", 2 * auc - 1);
	add_measure(scoring, "ks", mlops_ks(rows, n));
	add_measure(scoring, "pr_auc", mlops_pr_auc(rows, n));
	add_measure(scoring, "log_loss", is_probability ? mlops_log_loss(rows, n) : NAN);
	add_measure(scoring, "brier", is_probability ? mlops_brier(rows, n) : NAN);

	/* as mlops.predict_class() decides */
	confusion = mlops_confusion_at(rows, n, is_margin ? 0 : MLOPS_THRESHOLD);
	add_measure(scoring, "accuracy", mlops_accuracy(&confusion));
	add_measure(scoring, "precision", mlops_precision(&confusion));
	add_measure(scoring, "recall", mlops_recall(&confusion));
	add_measure(scoring, "f1", mlops_f1(&confusion));
	add_measure(scoring, "mcc", mlops_mcc(&confusion));
	add_measure(scoring, "base_rate", n > 0 ? (double) positives / n : NAN);
	if (scoring->details != NULL && n > 0)
	{
		add_intervals(scoring->details, rows, n, auc, &confusion);
		add_plots(scoring->details, rows, n, is_probability);
	}
	pfree(rows);
}

/*
 * Rows by actual class and answer, of the classes that occur among them.
 */
static MlopsClassMatrix
occurring_classes(int64 *cells, int num_classes)
{
	int		   *occurring = palloc(sizeof(int) * num_classes);
	int			n = 0;

	for (int class = 0; class < num_classes; class++)
	{
		bool		occurs = false;

		for (int other = 0; other < num_classes && !occurs; other++)
			occurs = cells[class * num_classes + other] + cells[other * num_classes + class] > 0;
		if (occurs)
			occurring[n++] = class;
	}
	/* what is moved was read before: it never goes to the right or down */
	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < n; j++)
			cells[i * num_classes + j] = cells[occurring[i] * num_classes + occurring[j]];
	}
	pfree(occurring);
	return (MlopsClassMatrix) {.cells = cells,.num_classes = n,.stride = num_classes};
}

/*
 * The answer is the class with the greatest margin, the first of them if some
 * are equal.  Macro averages are over the classes that occur among labels or
 * answers; a class that is never right counts as 0.
 */
static void
add_multiclass(Scoring *scoring, const MlopsLabel *label)
{
	int			num_classes = scoring->info.num_groups;
	int64	   *cells = palloc0(mul_size(sizeof(int64) * num_classes, num_classes));
	float	   *probabilities = palloc(sizeof(float) * num_classes);
	Datum	   *names = palloc(sizeof(Datum) * num_classes);
	MlopsClassMatrix matrix;
	int64		right = 0;
	double		loss = 0;
	double		n = scoring->num_rows > 0 ? scoring->num_rows : NAN;

	for (int class = 0; class < num_classes; class++)
		names[class] = CStringGetTextDatum(label->classes[class].name);
	for (int64 i = 0; i < scoring->num_rows; i++)
	{
		int			actual = (int) score(scoring, i);
		int			answer = 0;

		for (int class = 1; class < num_classes; class++)
		{
			if (scoring->margins[class] > scoring->margins[answer])
				answer = class;
		}
		note_score(scoring, MLOPS_CONVERT_TEXT, names[answer]);
		cells[actual * num_classes + answer]++;
		right += answer == actual;
		mlops_forest_softmax(scoring->margins, num_classes, probabilities);
		if (scoring->kept != NULL)
			memcpy(scoring->kept + i * num_classes, probabilities, sizeof(float) * num_classes);
		loss -= log(Max((double) probabilities[actual], MIN_PROBABILITY));
	}
	if (scoring->details != NULL && num_classes <= MAX_MATRIX_CLASSES && scoring->num_rows > 0)
	{
		StringInfo	details = scoring->details;

		appendStringInfoString(details, "\"intervals\": {");
		add_share_interval(details, "accuracy", right, scoring->num_rows);
		details->len -= 2;
		appendStringInfoString(details, "}, \"confusion\": [");
		for (int i = 0; i < num_classes * num_classes; i++)
			appendStringInfo(details, "%s" INT64_FORMAT, i > 0 ? ", " : "", cells[i]);
		appendStringInfoChar(details, ']');
	}
	matrix = occurring_classes(cells, num_classes);

	add_measure(scoring, "accuracy", right / n);
	add_measure(scoring, "log_loss", loss / n);
	add_measure(scoring, "precision_macro", mlops_matrix_precision(&matrix));
	add_measure(scoring, "recall_macro", mlops_matrix_recall(&matrix));
	add_measure(scoring, "f1_macro", mlops_matrix_f1(&matrix));
	add_measure(scoring, "mcc", mlops_matrix_mcc(&matrix));
	pfree(cells);
	pfree(probabilities);
	pfree(names);
}

/*
 * Score rows, and measure the model by them.
 */
static void
measure(Scoring *scoring)
{
	const MlopsTrainingSet *set = scoring->set;

	mlops_forest_info(scoring->forest, &scoring->info);
	scoring->width = MlopsRowWidth(set);
	scoring->num_features = set->signature.num_features;
	scoring->scratch = MemoryContextAllocHuge(CurrentMemoryContext,
											  mlops_forest_batch_scratch_size(scoring->forest));
	scoring->batch_rows = (int) Min(MLOPS_BATCH_ROWS, Max(MAX_BATCH_BYTES / (sizeof(float) * scoring->width), 1));
	scoring->batch = palloc(mul_size(sizeof(float) * scoring->width, scoring->batch_rows));
	scoring->batch_margins = palloc(mul_size(sizeof(float) * scoring->info.num_groups, scoring->batch_rows));
	scoring->outputs = palloc(sizeof(float) * scoring->info.num_outputs);
	scoring->measures->count = 0;
	switch (set->label->task)
	{
		case MLOPS_TASK_REGRESSION:
			add_regression(scoring);
			break;
		case MLOPS_TASK_BINARY:
			add_binary(scoring);
			break;
		default:
			add_multiclass(scoring, set->label);
			break;
	}
	pfree(scoring->scratch);
	pfree(scoring->batch);
	pfree(scoring->batch_margins);
	pfree(scoring->outputs);
}

/*
 * How many numbers mlops_fold_measures() keeps of each row: its value or
 * probability, or the probabilities of all classes.
 */
int
mlops_score_width(const MlopsTrainingSet *set)
{
	return set->label->task == MLOPS_TASK_MULTICLASS ? set->label->num_classes : 1;
}

/*
 * Measure a model by the rows of a fold that it was not trained with.  Their
 * scores are kept, if scores is not NULL, in the order in which folds->held_out
 * has the rows.
 */
void
mlops_fold_measures(const MlopsForest *forest, const MlopsTrainingSet *set,
					const MlopsFolds *folds, int fold, float *scores, MlopsMeasures *measures)
{
	Scoring		scoring = {0};

	scoring.forest = forest;
	scoring.set = set;
	scoring.rows = mlops_memfile_map(set->parts[MLOPS_PART_TRAIN].file);
	scoring.numbers = folds->held_out + folds->starts[fold];
	scoring.num_rows = folds->starts[fold + 1] - folds->starts[fold];
	scoring.folds = folds;
	scoring.fold = fold;
	scoring.kept = scores;
	scoring.measures = measures;
	measure(&scoring);
}

/*
 * Append the metrics of a model on its test rows, a JSON object, and what
 * plots need beside them, another one, and add its scores of these rows to
 * the set's profile.  A measure that is not a number is null.
 */
void
mlops_holdout_metrics(const MlopsForest *forest, const MlopsTrainingSet *set,
					  StringInfo json, StringInfo details)
{
	const MlopsRows *test = &set->parts[MLOPS_PART_TEST];
	MlopsMeasures measures;
	Scoring		scoring = {0};

	scoring.forest = forest;
	scoring.set = set;
	scoring.rows = test->file != NULL ? mlops_memfile_map(test->file) : NULL;
	scoring.num_rows = test->num_rows;
	scoring.profile = set->profile;
	scoring.scores = mlops_profile_add_column(set->profile, MLOPS_ROLE_SCORE, MLOPS_ROLE_SCORE,
											  set->label->task == MLOPS_TASK_MULTICLASS ?
											  TEXTOID : FLOAT8OID, -1)->sketch;
	scoring.measures = &measures;
	scoring.details = details;
	appendStringInfoChar(details, '{');
	measure(&scoring);

	appendStringInfoChar(json, '{');
	for (int i = 0; i < measures.count; i++)
	{
		char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

		if (isfinite(measures.list[i].value))
			double_to_shortest_decimal_buf(measures.list[i].value, digits);
		else
			strlcpy(digits, "null", sizeof(digits));
		appendStringInfo(json, "\"%s\": %s, ", measures.list[i].name, digits);
	}
	if (test->file == NULL)
		appendStringInfoString(json, "\"note\": \"there are no test rows: split has no test part\", ");
	appendStringInfo(json, "\"n_train\": " INT64_FORMAT ", \"n_test\": " INT64_FORMAT "}",
					 set->parts[MLOPS_PART_TRAIN].num_rows, test->num_rows);
	appendStringInfoChar(details, '}');
}
