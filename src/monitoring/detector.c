/*-------------------------------------------------------------------------
 *
 * detector.c
 *	  Detectors of change in a stream of values: ADWIN, DDM and Page-Hinkley.
 *
 * Each starts anew with the value after an alarm.  Their state is of fixed
 * size, whatever the length of the stream, and holds no pointer.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "monitoring/detector.h"

/*
 * ADWIN
 *
 * The window is held as rows of buckets: one of row i stands for 2^i values by
 * their sum and their squared deviations.  A row that has more than
 * max_buckets joins its two oldest into one of the next row.  In a row the
 * oldest bucket comes first; the oldest row is the last one.
 */

/* 2^MAX_ROWS values are more than anybody has */
#define MAX_ROWS			48

typedef struct Bucket
{
	double		total;
	double		variance;		/* sum of squared deviations */
} Bucket;

struct MlopsAdwin
{
	MlopsAdwinOptions options;
	bool		restart;		/* at the next value */
	int			num_rows;
	int64		ticks;
	double		width;
	double		total;
	double		variance;
	int			num_buckets[MAX_ROWS];
	Bucket		buckets[FLEXIBLE_ARRAY_MEMBER]; /* max_buckets + 1 of each row */
};

void
mlops_adwin_defaults(MlopsAdwinOptions *options)
{
	options->delta = 0.002;
	options->clock = 32;
	options->max_buckets = 5;
	options->min_window = 5;
	options->grace_period = 10;
}

size_t
mlops_adwin_size(const MlopsAdwinOptions *options)
{
	return offsetof(MlopsAdwin, buckets) +
		sizeof(Bucket) * MAX_ROWS * ((size_t) options->max_buckets + 1);
}

void
mlops_adwin_init(MlopsAdwin *adwin, const MlopsAdwinOptions *options)
{
	MlopsAdwinOptions kept = *options;

	memset(adwin, 0, mlops_adwin_size(options));
	adwin->options = kept;
	adwin->num_rows = 1;
}

static inline Bucket *
bucket_row(MlopsAdwin *adwin, int row)
{
	return adwin->buckets + (size_t) row * ((size_t) adwin->options.max_buckets + 1);
}

/*
 * Forget the oldest buckets of a row.
 */
static void
forget(MlopsAdwin *adwin, int row, int count)
{
	Bucket	   *buckets = bucket_row(adwin, row);

	adwin->num_buckets[row] -= count;
	memmove(buckets, buckets + count, sizeof(Bucket) * adwin->num_buckets[row]);
}

/*
 * Squared deviations that come from the distance of two means.
 */
static inline double
between(double n0, double n1, double mean0, double mean1)
{
	return n0 * n1 * (mean0 - mean1) * (mean0 - mean1) / (n0 + n1);
}

/*
 * Take one value into the window.
 */
static void
insert_value(MlopsAdwin *adwin, double value)
{
	Bucket	   *first = bucket_row(adwin, 0);

	first[adwin->num_buckets[0]++] = (Bucket) {value, 0};
	adwin->width += 1;
	if (adwin->width > 1)
		adwin->variance += between(adwin->width - 1, 1, value, adwin->total / (adwin->width - 1));
	adwin->total += value;

	for (int row = 0; row < adwin->num_rows; row++)
	{
		Bucket	   *buckets = bucket_row(adwin, row);
		double		size = ldexp(1, row);
		Bucket		joined;

		if (adwin->num_buckets[row] <= adwin->options.max_buckets || row + 1 == MAX_ROWS)
			break;
		joined.total = buckets[0].total + buckets[1].total;
		joined.variance = buckets[0].variance + buckets[1].variance +
			between(size, size, buckets[0].total / size, buckets[1].total / size);
		forget(adwin, row, 2);
		if (row + 1 == adwin->num_rows)
			adwin->num_rows++;
		bucket_row(adwin, row + 1)[adwin->num_buckets[row + 1]++] = joined;
	}
}

/*
 * Drop the oldest bucket from the window.
 */
static void
drop_oldest(MlopsAdwin *adwin)
{
	int			row = adwin->num_rows - 1;
	Bucket		oldest = bucket_row(adwin, row)[0];
	double		size = ldexp(1, row);

	adwin->width -= size;
	adwin->total -= oldest.total;
	adwin->variance -= oldest.variance +
		between(size, adwin->width, oldest.total / size, adwin->total / adwin->width);
	forget(adwin, row, 1);
	while (adwin->num_rows > 1 && adwin->num_buckets[adwin->num_rows - 1] == 0)
		adwin->num_rows--;
}

/*
 * Do the means of the n0 oldest and the n1 newest values differ by more than
 * chance allows?
 */
static bool
is_cut(const MlopsAdwin *adwin, double n0, double n1, double gap)
{
	double		margin = (double) adwin->options.min_window - 1;
	double		log_term = log(2 * log(adwin->width) / adwin->options.delta);
	double		inverse = 1 / (n0 - margin) + 1 / (n1 - margin);
	double		variance = adwin->variance / adwin->width;

	return fabs(gap) > sqrt(2 * inverse * variance * log_term) + 2.0 / 3 * log_term * inverse;
}

/*
 * Is there a cut anywhere in the window?
 */
static bool
has_cut(MlopsAdwin *adwin)
{
	double		n0 = 0;
	double		n1 = adwin->width;
	double		total0 = 0;
	double		total1 = adwin->total;

	for (int row = adwin->num_rows - 1; row >= 0; row--)
	{
		double		size = ldexp(1, row);

		for (int i = 0; i < adwin->num_buckets[row]; i++)
		{
			double		total = bucket_row(adwin, row)[i].total;

			n0 += size;
			n1 -= size;
			total0 += total;
			total1 -= total;
			if (n1 < (double) adwin->options.min_window || n1 < 1)
				return false;
			if (n0 >= (double) adwin->options.min_window &&
				is_cut(adwin, n0, n1, total0 / n0 - total1 / n1))
				return true;
		}
	}
	return false;
}

/*
 * Take one finite value: an alarm if the mean has changed.
 */
MlopsSignal
mlops_adwin_add(MlopsAdwin *adwin, double value)
{
	MlopsSignal signal = MLOPS_SIGNAL_NONE;

	if (adwin->restart)
		mlops_adwin_init(adwin, &adwin->options);

	insert_value(adwin, value);
	adwin->ticks++;
	if (adwin->ticks % adwin->options.clock == 0 &&
		adwin->width > (double) adwin->options.grace_period)
	{
		while (adwin->width > 1 && has_cut(adwin))
		{
			signal = MLOPS_SIGNAL_ALARM;
			drop_oldest(adwin);
		}
	}
	adwin->restart = (signal == MLOPS_SIGNAL_ALARM);
	return signal;
}

/*
 * DDM
 */

void
mlops_ddm_defaults(MlopsDdmOptions *options)
{
	options->warm_start = 30;
	options->warning = 2;
	options->drift = 3;
}

void
mlops_ddm_init(MlopsDdm *ddm, const MlopsDdmOptions *options)
{
	MlopsDdmOptions kept = *options;

	memset(ddm, 0, sizeof(*ddm));
	ddm->options = kept;
	ddm->least_rate = ddm->least_deviation = INFINITY;
}

/*
 * Take one outcome: a warning or an alarm if errors have become more frequent
 * than when they were least.
 */
MlopsSignal
mlops_ddm_add(MlopsDdm *ddm, bool error)
{
	double		deviation;

	if (ddm->restart)
		mlops_ddm_init(ddm, &ddm->options);

	ddm->n++;
	ddm->rate += ((double) error - ddm->rate) / (double) ddm->n;
	deviation = sqrt(ddm->rate * (1 - ddm->rate) / (double) ddm->n);
	if (ddm->n <= ddm->options.warm_start)
		return MLOPS_SIGNAL_NONE;

	if (ddm->rate + deviation <= ddm->least_rate + ddm->least_deviation)
	{
		ddm->least_rate = ddm->rate;
		ddm->least_deviation = deviation;
	}
	if (ddm->rate + deviation > ddm->least_rate + ddm->options.drift * ddm->least_deviation)
	{
		ddm->restart = true;
		return MLOPS_SIGNAL_ALARM;
	}
	if (ddm->rate + deviation > ddm->least_rate + ddm->options.warning * ddm->least_deviation)
		return MLOPS_SIGNAL_WARNING;
	return MLOPS_SIGNAL_NONE;
}

/*
 * Page-Hinkley
 */

void
mlops_page_hinkley_defaults(MlopsPageHinkleyOptions *options)
{
	options->min_instances = 30;
	options->delta = 0.005;
	options->threshold = 50;
	options->alpha = 1 - 0.0001;
}

void
mlops_page_hinkley_init(MlopsPageHinkley *detector, const MlopsPageHinkleyOptions *options)
{
	MlopsPageHinkleyOptions kept = *options;

	memset(detector, 0, sizeof(*detector));
	detector->options = kept;
	detector->count = 1;
}

/*
 * Take one finite value: an alarm if values have stayed above their mean for
 * long enough.  The count starts at 1, so that with 30 instances the 29th
 * value is the first that can raise one.
 */
MlopsSignal
mlops_page_hinkley_add(MlopsPageHinkley *detector, double value)
{
	if (detector->restart)
		mlops_page_hinkley_init(detector, &detector->options);

	detector->mean += (value - detector->mean) / (double) detector->count;
	detector->sum = Max(0, detector->options.alpha * detector->sum +
						(value - detector->mean - detector->options.delta));
	detector->count++;
	if (detector->count >= detector->options.min_instances &&
		detector->sum >= detector->options.threshold)
	{
		detector->restart = true;
		return MLOPS_SIGNAL_ALARM;
	}
	return MLOPS_SIGNAL_NONE;
}
