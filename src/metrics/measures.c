/*-------------------------------------------------------------------------
 *
 * measures.c
 *	  Measures of a model's performance, on arrays in memory.
 *
 * Ranking measures are computed from counts per distinct score, which are
 * integers; all other sums are of the kind of sum.h.  So the order in which
 * rows come, and the parts in which a parallel plan brings them, change
 * nothing.
 *
 * Nothing here allocates memory or keeps state.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "metrics/measures.h"

/* the least probability of what happened that log_loss counts with */
#define LOG_LOSS_CLIP		1e-15

/* a radix sort takes this many bits at a time */
#define RADIX_BITS			8
#define RADIX_SIZE			(1 << RADIX_BITS)

/* and leaves ranges of this size to an insertion sort */
#define INSERTION_SORT_MAX	40

/* steps of a walk, or of a sort, between two looks for a cancel; a power of two */
#define CHECK_INTERVAL		65536

/*
 * A share of a count, NaN of no rows.
 */
static inline double
share(double part, double whole)
{
	return whole == 0 ? NAN : part / whole;
}

/*
 * Sorting
 */

/*
 * An integer whose ascending order is the descending order of the doubles
 * that elements begin with.  A negative zero comes right after a positive one
 * and compares equal to it, so a walk takes them as one score.
 */
static inline uint64
descending_key(const char *element)
{
	uint64		bits;

	memcpy(&bits, element, sizeof(bits));
	return (bits >> 63) ? bits : (~bits & PG_INT64_MAX);
}

typedef void (*SortRange) (char *base, size_t n, MlopsCheck check);

/*
 * Sort a range in place: by insertion if it is short, else by the eight
 * highest bits in which its keys differ, and then each part by the bits
 * below, through recurse.  No level of recursion looks at a bit twice, so
 * there are at most eight.  Width is a constant in each inlined copy.  If
 * check does not return, the range has lost an element.
 */
static pg_attribute_always_inline void
sort_range(char *base, size_t n, const size_t width, SortRange recurse, MlopsCheck check)
{
	size_t		next[RADIX_SIZE];
	size_t		end[RADIX_SIZE];
	uint64		first;
	uint64		differing = 0;
	int			shift = 0;
	size_t		position = 0;
	size_t		moves = 0;

	if (n <= INSERTION_SORT_MAX)
	{
		for (size_t i = 1; i < n; i++)
		{
			char		element[sizeof(MlopsScored)];
			uint64		key = descending_key(base + i * width);
			size_t		j = i;

			memcpy(element, base + i * width, width);
			for (; j > 0 && descending_key(base + (j - 1) * width) > key; j--)
				memcpy(base + j * width, base + (j - 1) * width, width);
			memcpy(base + j * width, element, width);
		}
		return;
	}

	if (check)
		check();

	first = descending_key(base);
	for (size_t i = 1; i < n; i++)
		differing |= descending_key(base + i * width) ^ first;
	if (differing == 0)
		return;
	while ((differing >> shift) >= RADIX_SIZE)
		shift++;

#define DIGIT(element)	((descending_key(element) >> shift) & (RADIX_SIZE - 1))

	memset(end, 0, sizeof(end));
	for (size_t i = 0; i < n; i++)
		end[DIGIT(base + i * width)]++;
	for (int digit = 0; digit < RADIX_SIZE; digit++)
	{
		next[digit] = position;
		position += end[digit];
		end[digit] = position;
	}

	/* follow each chain of displaced elements until it closes */
	for (int digit = 0; digit < RADIX_SIZE; digit++)
	{
		while (next[digit] < end[digit])
		{
			char		element[sizeof(MlopsScored)];
			char	   *hole = base + next[digit] * width;
			size_t		target = DIGIT(hole);

			memcpy(element, hole, width);
			while (target != (size_t) digit)
			{
				char	   *slot = base + next[target]++ * width;
				char		displaced[sizeof(MlopsScored)];

				memcpy(displaced, slot, width);
				memcpy(slot, element, width);
				memcpy(element, displaced, width);
				target = DIGIT(element);
				if (check && (++moves & (CHECK_INTERVAL - 1)) == 0)
					check();
			}
			memcpy(hole, element, width);
			next[digit]++;
		}
	}

#undef DIGIT

	if (shift == 0)
		return;
	position = 0;
	for (int digit = 0; digit < RADIX_SIZE; digit++)
	{
		if (end[digit] - position > 1)
			recurse(base + position * width, end[digit] - position, check);
		position = end[digit];
	}
}

static void
sort_scores_range(char *base, size_t n, MlopsCheck check)
{
	sort_range(base, n, sizeof(double), sort_scores_range, check);
}

static void
sort_scored_range(char *base, size_t n, MlopsCheck check)
{
	StaticAssertStmt(offsetof(MlopsScored, score) == 0, "the score comes first");
	sort_range(base, n, sizeof(MlopsScored), sort_scored_range, check);
}

/*
 * Sort scores, the highest first.
 */
void
mlops_sort_scores(double *scores, size_t n, MlopsCheck check)
{
	sort_scores_range((char *) scores, n, check);
}

/*
 * Sort rows by score, the highest first.
 */
void
mlops_sort_scored(MlopsScored *rows, size_t n)
{
	sort_scored_range((char *) rows, n, NULL);
}

/*
 * The walk over distinct scores
 */

static void
start_place(MlopsPlace *place, const double *values, size_t n, MlopsSource *source)
{
	place->source = source;
	if (source != NULL)
		source->start(source, false);
	else if (n > 0)
	{
		place->next = values;
		place->end = values + n;
	}
}

/*
 * Is there another value at a place?  Brings the next ones if need be.
 */
static inline bool
has_value(MlopsPlace *place)
{
	size_t		count;

	if (likely(place->next < place->end))
		return true;
	if (place->source == NULL || (place->next = place->source->next(place->source, &count)) == NULL)
	{
		place->end = place->next = NULL;
		place->source = NULL;
		return false;
	}
	place->end = place->next + count;
	return true;
}

/*
 * Start a walk over the sorted scores of each class.
 */
void
mlops_curve_start(MlopsCurve *curve, const MlopsScores *scores, MlopsCheck check)
{
	memset(curve, 0, sizeof(*curve));
	curve->num_positive = (int64) scores->num_positive;
	curve->num_negative = (int64) scores->num_negative;
	start_place(&curve->positive, scores->positive, scores->num_positive, scores->positive_source);
	start_place(&curve->negative, scores->negative, scores->num_negative, scores->negative_source);
	curve->check = check;
}

/*
 * Start a walk over sorted rows.
 */
void
mlops_curve_start_rows(MlopsCurve *curve, const MlopsScored *sorted, size_t n)
{
	memset(curve, 0, sizeof(*curve));
	curve->rows = sorted;
	for (size_t i = 0; i < n; i++)
		curve->num_positive += sorted[i].label;
	curve->num_negative = (int64) n - curve->num_positive;
}

/*
 * Take the rows with the next lower score; false if there are none.
 */
bool
mlops_curve_next(MlopsCurve *curve)
{
	int64		i = curve->true_positive;
	int64		j = curve->false_positive;

	if (i + j == curve->num_positive + curve->num_negative)
		return false;
	if (curve->check && (++curve->steps & (CHECK_INTERVAL - 1)) == 0)
		curve->check();

	if (curve->rows)
	{
		const MlopsScored *row = curve->rows + i + j;
		const MlopsScored *end = curve->rows + curve->num_positive + curve->num_negative;

		curve->score = row->score;
		for (; row < end && row->score == curve->score; row++)
		{
			if (row->label)
				i++;
			else
				j++;
		}
	}
	else
	{
		MlopsPlace *positive = &curve->positive;
		MlopsPlace *negative = &curve->negative;
		bool		has_positive = has_value(positive);

		if (!has_value(negative) || (has_positive && *positive->next >= *negative->next))
			curve->score = *positive->next;
		else
			curve->score = *negative->next;
		for (; has_value(positive) && *positive->next == curve->score; positive->next++)
			i++;
		for (; has_value(negative) && *negative->next == curve->score; negative->next++)
			j++;
	}

	curve->positives = i - curve->true_positive;
	curve->negatives = j - curve->false_positive;
	curve->true_positive = i;
	curve->false_positive = j;
	return true;
}

/*
 * Measures of ranking
 */

static inline bool
has_both_classes(const MlopsCurve *curve)
{
	return curve->num_positive > 0 && curve->num_negative > 0;
}

/*
 * The share of pairs of a positive and a negative row in which the positive
 * one has the higher score; equal scores count half.
 */
double
mlops_curve_auc(MlopsCurve *curve)
{
	uint64		wins = 0;
	uint64		ties = 0;

	if (!has_both_classes(curve))
		return NAN;
	while (mlops_curve_next(curve))
	{
		wins += (uint64) curve->positives *
			(uint64) (curve->num_negative - curve->false_positive);
		ties += (uint64) curve->positives * (uint64) curve->negatives;
	}
	return ((double) wins + (double) ties / 2) /
		((double) curve->num_positive * (double) curve->num_negative);
}

/*
 * Average precision: the precision at each threshold, weighted by the recall
 * that this threshold adds.
 */
double
mlops_curve_pr_auc(MlopsCurve *curve)
{
	MlopsSum	sum = {0, 0};

	if (!has_both_classes(curve))
		return NAN;
	while (mlops_curve_next(curve))
	{
		if (curve->positives > 0)
			mlops_sum_add(&sum, (double) curve->positives * (double) curve->true_positive /
						  (double) (curve->true_positive + curve->false_positive));
	}
	return mlops_sum_value(&sum) / (double) curve->num_positive;
}

/*
 * The largest difference between true and false positive rate.
 */
double
mlops_curve_ks(MlopsCurve *curve)
{
	double		largest = 0;

	if (!has_both_classes(curve))
		return NAN;
	while (mlops_curve_next(curve))
	{
		double		difference = fabs((double) curve->true_positive / (double) curve->num_positive -
									  (double) curve->false_positive / (double) curve->num_negative);

		largest = Max(largest, difference);
	}
	return largest;
}

/*
 * The variance of an AUC: that of the share of negative rows which a positive
 * row beats, over the positive rows, and the other way round.
 */
double
mlops_curve_auc_variance(MlopsCurve *curve, double auc)
{
	double		num_positive = (double) curve->num_positive;
	double		num_negative = (double) curve->num_negative;
	MlopsSum	over_positive = {0, 0};
	MlopsSum	over_negative = {0, 0};

	if (curve->num_positive < 2 || curve->num_negative < 2)
		return NAN;
	while (mlops_curve_next(curve))
	{
		double		positives = (double) curve->positives;
		double		negatives = (double) curve->negatives;
		double		beaten = (num_negative - (double) curve->false_positive + negatives / 2) / num_negative;
		double		beating = ((double) curve->true_positive - positives / 2) / num_positive;

		mlops_sum_add(&over_positive, positives * (beaten - auc) * (beaten - auc));
		mlops_sum_add(&over_negative, negatives * (beating - auc) * (beating - auc));
	}
	return mlops_sum_value(&over_positive) / (num_positive - 1) / num_positive +
		mlops_sum_value(&over_negative) / (num_negative - 1) / num_negative;
}

double
mlops_auc(const MlopsScored *sorted, size_t n)
{
	MlopsCurve	curve;

	mlops_curve_start_rows(&curve, sorted, n);
	return mlops_curve_auc(&curve);
}

double
mlops_pr_auc(const MlopsScored *sorted, size_t n)
{
	MlopsCurve	curve;

	mlops_curve_start_rows(&curve, sorted, n);
	return mlops_curve_pr_auc(&curve);
}

double
mlops_ks(const MlopsScored *sorted, size_t n)
{
	MlopsCurve	curve;

	mlops_curve_start_rows(&curve, sorted, n);
	return mlops_curve_ks(&curve);
}

/*
 * Measures of probabilities
 */

/*
 * Add one row.  The logarithm of 1 - p is taken without rounding 1 - p, and
 * the clip is the same for both labels.
 */
void
mlops_losses_add(MlopsLosses *losses, bool label, double score)
{
	double		happened = label ? score : 1 - score;
	double		error = label ? 1 - score : score;
	double		log_probability;

	if (happened < LOG_LOSS_CLIP)
		log_probability = log(LOG_LOSS_CLIP);
	else if (label)
		log_probability = log(score);
	else
		log_probability = log1p(-score);

	losses->n++;
	mlops_sum_add(&losses->log_loss, -log_probability);
	mlops_sum_add(&losses->brier, error * error);
}

void
mlops_losses_merge(MlopsLosses *losses, const MlopsLosses *other)
{
	losses->n += other->n;
	mlops_sum_merge(&losses->log_loss, &other->log_loss);
	mlops_sum_merge(&losses->brier, &other->brier);
}

/* the mean cost of the probabilities given to what happened */
double
mlops_losses_log_loss(const MlopsLosses *losses)
{
	return share(mlops_sum_value(&losses->log_loss), (double) losses->n);
}

/* the mean squared error of the probabilities */
double
mlops_losses_brier(const MlopsLosses *losses)
{
	return share(mlops_sum_value(&losses->brier), (double) losses->n);
}

static MlopsLosses
losses_of(const MlopsScored *rows, size_t n)
{
	MlopsLosses losses = {0};

	for (size_t i = 0; i < n; i++)
		mlops_losses_add(&losses, rows[i].label, rows[i].score);
	return losses;
}

double
mlops_log_loss(const MlopsScored *rows, size_t n)
{
	MlopsLosses losses = losses_of(rows, n);

	return mlops_losses_log_loss(&losses);
}

double
mlops_brier(const MlopsScored *rows, size_t n)
{
	MlopsLosses losses = losses_of(rows, n);

	return mlops_losses_brier(&losses);
}

/*
 * Set up bins that divide the range 0 to 1 evenly.
 */
void
mlops_bins_equal_width(MlopsBin *bins, int num_bins)
{
	memset(bins, 0, sizeof(MlopsBin) * num_bins);
	for (int i = 0; i < num_bins; i++)
	{
		bins[i].lower = (double) i / num_bins;
		bins[i].upper = (double) (i + 1) / num_bins;
	}
}

/*
 * Add one row.  The product may be rounded across an edge; the edges decide.
 */
void
mlops_bins_equal_width_add(MlopsBin *bins, int num_bins, bool label, double score)
{
	int			i = Min((int) (score * num_bins), num_bins - 1);

	if (score < bins[i].lower)
		i--;
	else if (score >= bins[i].upper && i < num_bins - 1)
		i++;

	bins[i].n++;
	bins[i].positives += label;
	mlops_sum_add(&bins[i].score, score);
}

/*
 * Fill bins of about as many rows each; returns how many there are.  Bin k
 * begins at the score of row floor(k n / num_bins) in ascending order,
 * counted from 0.  Rows with equal scores are never divided, so bins that
 * would begin at the same score are one.
 */
int
mlops_bins_equal_frequency(MlopsBin *bins, int num_bins, MlopsCurve *curve)
{
	int64		n = curve->num_positive + curve->num_negative;
	double		highest = 0;
	int			result = 0;

	memset(bins, 0, sizeof(MlopsBin) * num_bins);
	for (int64 above = 0; mlops_curve_next(curve);
		 above = curve->true_positive + curve->false_positive)
	{
		/* rows with this score or a lower one: the last bin to begin among them */
		MlopsBin   *bin = bins + ((n - above) * num_bins - 1) / n;
		int64		rows = curve->positives + curve->negatives;

		if (above == 0)
			highest = curve->score;
		bin->n += rows;
		bin->positives += curve->positives;
		mlops_sum_add_product(&bin->score, (double) rows, curve->score);
		bin->lower = curve->score;
	}

	for (int i = 0; i < num_bins; i++)
	{
		if (bins[i].n > 0)
			bins[result++] = bins[i];
	}
	for (int i = 0; i < result; i++)
		bins[i].upper = (i < result - 1) ? bins[i + 1].lower : highest;
	return result;
}

/*
 * Expected calibration error: the mean over rows of the distance between
 * their bin's mean score and share of positive labels.
 */
double
mlops_ece(const MlopsBin *bins, int num_bins)
{
	MlopsSum	sum = {0, 0};
	int64		n = 0;

	for (int i = 0; i < num_bins; i++)
	{
		MlopsSum	difference = bins[i].score;

		mlops_sum_add(&difference, -(double) bins[i].positives);
		mlops_sum_add(&sum, fabs(mlops_sum_value(&difference)));
		n += bins[i].n;
	}
	return share(mlops_sum_value(&sum), (double) n);
}

/*
 * Measures of decisions
 */

/*
 * Count decisions: yes from the threshold upwards.
 */
MlopsConfusion
mlops_confusion_at(const MlopsScored *rows, size_t n, double threshold)
{
	MlopsConfusion c = {0};

	for (size_t i = 0; i < n; i++)
	{
		if (rows[i].score >= threshold)
		{
			if (rows[i].label)
				c.true_positive++;
			else
				c.false_positive++;
		}
		else
		{
			if (rows[i].label)
				c.false_negative++;
			else
				c.true_negative++;
		}
	}
	return c;
}

/* the share of right decisions */
double
mlops_accuracy(const MlopsConfusion *c)
{
	double		right = (double) c->true_positive + (double) c->true_negative;

	return share(right, right + (double) c->false_positive + (double) c->false_negative);
}

/* the share of positive rows among those decided yes */
double
mlops_precision(const MlopsConfusion *c)
{
	return share((double) c->true_positive,
				 (double) c->true_positive + (double) c->false_positive);
}

/* the share of rows decided yes among the positive ones */
double
mlops_recall(const MlopsConfusion *c)
{
	return share((double) c->true_positive,
				 (double) c->true_positive + (double) c->false_negative);
}

/* the harmonic mean of precision and recall, also where one of them is 0 / 0 */
double
mlops_f1(const MlopsConfusion *c)
{
	double		twice = 2 * (double) c->true_positive;

	return share(twice, twice + (double) c->false_positive + (double) c->false_negative);
}

/* the correlation of label and decision */
double
mlops_mcc(const MlopsConfusion *c)
{
	double		tp = (double) c->true_positive;
	double		fp = (double) c->false_positive;
	double		tn = (double) c->true_negative;
	double		fn = (double) c->false_negative;
	MlopsSum	covariance = {0, 0};

	mlops_sum_add_product(&covariance, tp, tn);
	mlops_sum_add_product(&covariance, -fp, fn);
	return share(mlops_sum_value(&covariance),
				 sqrt((tp + fp) * (tp + fn)) * sqrt((tn + fp) * (tn + fn)));
}

int64
mlops_matrix_total(const MlopsClassMatrix *matrix)
{
	int64		total = 0;

	for (int i = 0; i < matrix->num_classes; i++)
	{
		for (int j = 0; j < matrix->num_classes; j++)
			total += matrix->cells[(size_t) i * matrix->stride + j];
	}
	return total;
}

/*
 * One class against all the others.
 */
MlopsConfusion
mlops_matrix_one_class(const MlopsClassMatrix *matrix, int64 total, int class)
{
	MlopsConfusion c;
	int64		actual = 0;
	int64		predicted = 0;

	for (int i = 0; i < matrix->num_classes; i++)
	{
		actual += matrix->cells[(size_t) class * matrix->stride + i];
		predicted += matrix->cells[(size_t) i * matrix->stride + class];
	}
	c.true_positive = matrix->cells[(size_t) class * matrix->stride + class];
	c.false_positive = predicted - c.true_positive;
	c.false_negative = actual - c.true_positive;
	c.true_negative = total - actual - c.false_positive;
	return c;
}

/*
 * The mean over classes of a measure of one class; undefined ones are 0.
 */
static double
matrix_mean(const MlopsClassMatrix *matrix, double (*measure) (const MlopsConfusion *c))
{
	int64		total = mlops_matrix_total(matrix);
	MlopsSum	sum = {0, 0};

	for (int i = 0; i < matrix->num_classes; i++)
	{
		MlopsConfusion c = mlops_matrix_one_class(matrix, total, i);
		double		value = measure(&c);

		if (!isnan(value))
			mlops_sum_add(&sum, value);
	}
	return share(mlops_sum_value(&sum), matrix->num_classes);
}

double
mlops_matrix_precision(const MlopsClassMatrix *matrix)
{
	return matrix_mean(matrix, mlops_precision);
}

double
mlops_matrix_recall(const MlopsClassMatrix *matrix)
{
	return matrix_mean(matrix, mlops_recall);
}

double
mlops_matrix_f1(const MlopsClassMatrix *matrix)
{
	return matrix_mean(matrix, mlops_f1);
}

/*
 * Gorodkin's generalisation of the correlation to many classes; with two it
 * is that of mlops_mcc.
 */
double
mlops_matrix_mcc(const MlopsClassMatrix *matrix)
{
	int64		total = mlops_matrix_total(matrix);
	double		n = (double) total;
	MlopsSum	covariance = {0, 0};
	MlopsSum	actual = {0, 0};
	MlopsSum	predicted = {0, 0};

	mlops_sum_add_product(&actual, n, n);
	mlops_sum_add_product(&predicted, n, n);
	for (int i = 0; i < matrix->num_classes; i++)
	{
		MlopsConfusion c = mlops_matrix_one_class(matrix, total, i);
		double		as_actual = (double) (c.true_positive + c.false_negative);
		double		as_predicted = (double) (c.true_positive + c.false_positive);

		mlops_sum_add_product(&covariance, (double) c.true_positive, n);
		mlops_sum_add_product(&covariance, -as_actual, as_predicted);
		mlops_sum_add_product(&actual, -as_actual, as_actual);
		mlops_sum_add_product(&predicted, -as_predicted, as_predicted);
	}
	return share(mlops_sum_value(&covariance),
				 sqrt(mlops_sum_value(&actual)) * sqrt(mlops_sum_value(&predicted)));
}

/*
 * Measures of a regression
 */

/*
 * Add one value, by the method of Youngs and Cramer.  The deviation from the
 * sum of the values so far is computed without cancellation, so the spread of
 * values far from zero is as exact as that of values around it.
 */
void
mlops_moments_add(MlopsMoments *moments, double x)
{
	double		n = moments->n + 1;

	moments->n = n;
	mlops_sum_add(&moments->sum, x);
	if (n > 1)
	{
		double		product = n * x;
		double		deviation = (product - moments->sum.high) +
			(fma(n, x, -product) - moments->sum.low);

		mlops_sum_add(&moments->squares, (deviation / n) * (deviation / (n - 1)));
	}
}

/*
 * Add the values that another has seen.
 */
void
mlops_moments_merge(MlopsMoments *moments, const MlopsMoments *other)
{
	if (other->n == 0)
		return;
	if (moments->n == 0)
	{
		*moments = *other;
		return;
	}
	else
	{
		double		n = moments->n + other->n;
		MlopsSum	deviation = {0, 0};
		double		value;

		mlops_sum_add_product(&deviation, moments->sum.high, other->n);
		mlops_sum_add_product(&deviation, -other->sum.high, moments->n);
		mlops_sum_add_product(&deviation, moments->sum.low, other->n);
		mlops_sum_add_product(&deviation, -other->sum.low, moments->n);
		value = mlops_sum_value(&deviation);

		mlops_sum_merge(&moments->squares, &other->squares);
		mlops_sum_add(&moments->squares, (value / moments->n) * (value / other->n) / n);
		mlops_sum_merge(&moments->sum, &other->sum);
		moments->n = n;
	}
}

/*
 * Add one row; both values are finite.
 */
void
mlops_errors_add(MlopsErrors *errors, double actual, double predicted)
{
	double		error = fabs(actual - predicted);

	if (errors->n == 0 || actual < errors->actual_min)
		errors->actual_min = actual;
	if (errors->n == 0 || actual > errors->actual_max)
		errors->actual_max = actual;
	errors->n++;

	mlops_sum_add(&errors->absolute, error);
	mlops_sum_add(&errors->squared, error * error);
	mlops_moments_add(&errors->actual, actual);
	if (actual != 0)
	{
		errors->num_relative++;
		mlops_sum_add(&errors->relative, error / fabs(actual));
	}
}

/*
 * Add the rows that another has seen.
 */
void
mlops_errors_merge(MlopsErrors *errors, const MlopsErrors *other)
{
	if (other->n == 0)
		return;
	if (errors->n == 0 || other->actual_min < errors->actual_min)
		errors->actual_min = other->actual_min;
	if (errors->n == 0 || other->actual_max > errors->actual_max)
		errors->actual_max = other->actual_max;
	errors->n += other->n;
	errors->num_relative += other->num_relative;
	mlops_sum_merge(&errors->absolute, &other->absolute);
	mlops_sum_merge(&errors->squared, &other->squared);
	mlops_sum_merge(&errors->relative, &other->relative);
	mlops_moments_merge(&errors->actual, &other->actual);
}

/* the root of the mean squared error */
double
mlops_errors_rmse(const MlopsErrors *errors)
{
	return sqrt(share(mlops_sum_value(&errors->squared), (double) errors->n));
}

/* the mean absolute error */
double
mlops_errors_mae(const MlopsErrors *errors)
{
	return share(mlops_sum_value(&errors->absolute), (double) errors->n);
}

/*
 * The share of the spread of the actual values that is explained; not defined
 * where there is none, and infinite if a sum is.
 */
double
mlops_errors_r2(const MlopsErrors *errors)
{
	double		unexplained = mlops_sum_value(&errors->squared);
	double		spread = mlops_sum_value(&errors->actual.squares);

	if (errors->n == 0 || errors->actual_min == errors->actual_max)
		return NAN;
	if (!isfinite(unexplained) || !isfinite(spread))
		return -INFINITY;
	return 1 - unexplained / spread;
}

/* the mean absolute error in units of the actual value, where that is not 0 */
double
mlops_errors_mape(const MlopsErrors *errors)
{
	return share(mlops_sum_value(&errors->relative), (double) errors->num_relative);
}

static MlopsErrors
errors_of(const double *actual, const double *predicted, size_t n)
{
	MlopsErrors errors = {0};

	for (size_t i = 0; i < n; i++)
		mlops_errors_add(&errors, actual[i], predicted[i]);
	return errors;
}

double
mlops_rmse(const double *actual, const double *predicted, size_t n)
{
	MlopsErrors errors = errors_of(actual, predicted, n);

	return mlops_errors_rmse(&errors);
}

double
mlops_mae(const double *actual, const double *predicted, size_t n)
{
	MlopsErrors errors = errors_of(actual, predicted, n);

	return mlops_errors_mae(&errors);
}

double
mlops_r2(const double *actual, const double *predicted, size_t n)
{
	MlopsErrors errors = errors_of(actual, predicted, n);

	return mlops_errors_r2(&errors);
}

double
mlops_mape(const double *actual, const double *predicted, size_t n)
{
	MlopsErrors errors = errors_of(actual, predicted, n);

	return mlops_errors_mape(&errors);
}

/*
 * Intervals
 */

/*
 * The z for which a normal variable is within -z and z with the given
 * probability, which is above 0 and below 1.  The tail's probability is
 * convex in z, so Newton's method goes up to the root and never beyond it,
 * but for the rounding of the last steps.
 */
double
mlops_normal_quantile(double level)
{
	double		z = 0;

	for (int i = 0; i < 100; i++)
	{
		double		excess = erfc(z / M_SQRT2) - (1 - level);
		double		step = excess / (exp(-z * z / 2) * (M_2_SQRTPI / M_SQRT2));

		z += step;
		if (fabs(step) <= 1e-15 * z)
			break;
	}
	return z;
}

/*
 * Wilson's interval of a share.
 */
void
mlops_wilson(double successes, double n, double z, double *lower, double *upper)
{
	double		p = successes / n;
	double		spread = z * z / n;
	double		middle = (p + spread / 2) / (1 + spread);
	double		half = sqrt(p * (1 - p) * spread + spread * spread / 4) / (1 + spread);

	/* at the ends the interval begins or ends exactly there */
	*lower = (successes == 0) ? 0 : Max(middle - half, 0);
	*upper = (successes == n) ? 1 : Min(middle + half, 1);
}
