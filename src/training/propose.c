/*-------------------------------------------------------------------------
 *
 * propose.c
 *	  Which parameters a search tries next.
 *
 * What is proposed is a function of the plan, its seed and the results of the
 * trials before: a search that was interrupted goes on as if nothing had
 * happened.  Each trial has random numbers of its own.
 *
 * Grid: all points, the last dimension fastest.  Random: every point by chance.
 *
 * TPE, the tree-structured Parzen estimator of Bergstra, Bardenet, Bengio and
 * Kegl (2011): the trials so far are divided into good and others; for each
 * dimension both give a density, a mixture of one that knows nothing and of
 * one kernel for each trial; of some points that are drawn from the good one,
 * that with the greatest quotient of the two is taken.
 *
 * Halving is Hyperband, of Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar
 * (2018), with rounds as the resource: many points with few rounds, the best
 * third of them with three times as many, and so on; then fewer points that
 * begin with more.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "common/hashfn.h"
#include "common/pg_prng.h"

#include "training/space.h"

/* TPE: trials by chance at first, points that are drawn, and the share of the good ones */
#define NUM_STARTUP			10
#define NUM_CANDIDATES		24
#define GOOD_SHARE			0.15

/* halving: the best of so many go on with so many times the rounds */
#define FACTOR				3
#define MOST_HALVINGS		3
#define LEAST_ROUNDS		4

/*
 * The random numbers of a trial.
 */
static void
seed_trial(const MlopsPlan *plan, int number, pg_prng_state *random)
{
	uint64		seed = (uint64) plan->seed;

	pg_prng_seed(random, hash_bytes_extended((unsigned char *) &number, sizeof(number), seed));
}

static void
draw_point(const MlopsPlan *plan, int number, double *point)
{
	pg_prng_state random;

	seed_trial(plan, number, &random);
	for (int i = 0; i < plan->space->num_dimensions; i++)
	{
		point[i] = pg_prng_double(&random);
		if (plan->space->dimensions[i].num_values > 0)
			point[i] = floor(point[i] * plan->space->dimensions[i].num_values);
	}
}

static bool
propose_grid(const MlopsPlan *plan, int number, double *point)
{
	int64		rest = number;

	for (int i = plan->space->num_dimensions - 1; i >= 0; i--)
	{
		const MlopsDimension *dimension = &plan->space->dimensions[i];

		if (dimension->num_values > 0)
		{
			point[i] = (double) (rest % dimension->num_values);
			rest /= dimension->num_values;
		}
		else
		{
			point[i] = (double) (rest % dimension->steps) / (dimension->steps - 1);
			rest /= dimension->steps;
		}
	}
	return rest == 0;
}

/* --- TPE -------------------------------------------------------------------- */

typedef struct Order
{
	double		value;
	int			number;
} Order;

/* the best first, and of equal ones the earlier */
static int
compare_orders(const void *a, const void *b)
{
	const Order *left = a;
	const Order *right = b;
	double		l = isnan(left->value) ? INFINITY : left->value;
	double		r = isnan(right->value) ? INFINITY : right->value;

	if (l != r)
		return l < r ? -1 : 1;
	return left->number - right->number;
}

/* the density of one dimension: a kernel for each trial, and one that knows nothing */
typedef struct Density
{
	int			num_values;		/* of a list, or 0 */
	int			count;			/* kernels */
	double	   *means;			/* or the weight of each value */
	double	   *widths;
} Density;

static int
compare_doubles(const void *a, const void *b)
{
	double		left = *(const double *) a;
	double		right = *(const double *) b;

	return left < right ? -1 : left > right;
}

/*
 * Make the density of a dimension from the trials of an order.  A kernel is as
 * wide as the way to its farther neighbour, within limits.
 */
static Density
make_density(const MlopsPlan *plan, const MlopsTrial *trials, const Order *order, int count, int dimension)
{
	Density		density = {.num_values = plan->space->dimensions[dimension].num_values};

	if (density.num_values > 0)
	{
		density.means = palloc(sizeof(double) * density.num_values);
		for (int i = 0; i < density.num_values; i++)
			density.means[i] = 1.0 / density.num_values;
		for (int i = 0; i < count; i++)
			density.means[(int) trials[order[i].number].point[dimension]]++;
		for (int i = 0; i < density.num_values; i++)
			density.means[i] /= count + 1;
		return density;
	}

	density.count = count + 1;
	density.means = palloc(sizeof(double) * density.count);
	density.widths = palloc(sizeof(double) * density.count);
	for (int i = 0; i < count; i++)
		density.means[i] = trials[order[i].number].point[dimension];
	qsort(density.means, count, sizeof(double), compare_doubles);
	for (int i = 0; i < count; i++)
	{
		double		before = i > 0 ? density.means[i - 1] : 0;
		double		after = i + 1 < count ? density.means[i + 1] : 1;
		double		width = Max(density.means[i] - before, after - density.means[i]);

		density.widths[i] = Min(Max(width, 1.0 / Min(100, count + 2)), 1.0);
	}
	density.means[count] = 0.5;
	density.widths[count] = 1;
	return density;
}

/* the share of a normal distribution below a point */
static double
normal_below(double x, double mean, double width)
{
	return 0.5 * erfc((mean - x) / width * M_SQRT1_2);
}

/*
 * The logarithm of the density at a point.
 */
static double
log_density(const Density *density, double x)
{
	double		sum = 0;

	if (density->num_values > 0)
		return log(density->means[(int) x]);
	for (int i = 0; i < density->count; i++)
	{
		double		distance = (x - density->means[i]) / density->widths[i];
		double		inside = normal_below(1, density->means[i], density->widths[i]) -
			normal_below(0, density->means[i], density->widths[i]);

		sum += exp(-0.5 * distance * distance) / (density->widths[i] * inside);
	}
	return log(sum / density->count);
}

/*
 * A point that is drawn from the density.
 */
static double
draw(const Density *density, pg_prng_state *random)
{
	if (density->num_values > 0)
	{
		double		rest = pg_prng_double(random);
		int			value = 0;

		while (value < density->num_values - 1 && rest >= density->means[value])
			rest -= density->means[value++];
		return value;
	}
	for (;;)
	{
		int			kernel = (int) (pg_prng_double(random) * density->count);
		double		radius = sqrt(-2 * log(1 - pg_prng_double(random)));
		double		x = density->means[kernel] +
			density->widths[kernel] * radius * cos(2 * M_PI * pg_prng_double(random));

		if (x >= 0 && x <= 1)
			return x;
	}
}

static void
propose_tpe(const MlopsPlan *plan, const MlopsTrial *trials, int number, double *point)
{
	pg_prng_state random;
	Order	   *order;
	int			good;

	if (number < NUM_STARTUP)
	{
		draw_point(plan, number, point);
		return;
	}
	seed_trial(plan, number, &random);
	order = palloc(sizeof(Order) * number);
	for (int i = 0; i < number; i++)
		order[i] = (Order) {.value = trials[i].value,.number = i};
	qsort(order, number, sizeof(Order), compare_orders);
	good = (int) ceil(GOOD_SHARE * number);

	for (int i = 0; i < plan->space->num_dimensions; i++)
	{
		Density		best = make_density(plan, trials, order, good, i);
		Density		others = make_density(plan, trials, order + good, number - good, i);
		double		most = -INFINITY;

		for (int j = 0; j < NUM_CANDIDATES; j++)
		{
			double		x = draw(&best, &random);
			double		quotient = log_density(&best, x) - log_density(&others, x);

			if (quotient > most)
			{
				most = quotient;
				point[i] = x;
			}
		}
	}
	pfree(order);
}

/* --- halving ------------------------------------------------------------------ */

/*
 * The rounds of a rung: so many times a third of all.
 */
static int
rung_rounds(const MlopsPlan *plan, int halvings)
{
	return Max((int) rint(plan->rounds * pow(FACTOR, -halvings)), 1);
}

/*
 * Go through the brackets, one after the other and again from the first, up to
 * this trial.
 */
static void
propose_halving(const MlopsPlan *plan, const MlopsTrial *trials, int number, MlopsTrial *next)
{
	int			most = 0;
	int			at = 0;			/* trials so far */
	int			drawn = 0;		/* points so far */

	while (most < MOST_HALVINGS && rung_rounds(plan, most + 1) >= LEAST_ROUNDS)
		most++;
	for (;;)
	{
		for (int bracket = most; bracket >= 0; bracket--)
		{
			int			count = (int) ceil((most + 1) * pow(FACTOR, bracket) / (bracket + 1));
			Order	   *order = palloc(sizeof(Order) * count);

			for (int rung = 0; rung <= bracket; rung++)
			{
				next->rounds = rung_rounds(plan, bracket - rung);
				if (number < at + count)
				{
					if (rung == 0)
						draw_point(plan, drawn + number - at, next->point);
					else
						memcpy(next->point, trials[order[number - at].number].point, sizeof(next->point));
					pfree(order);
					return;
				}
				if (rung == 0)
					drawn += count;
				for (int i = 0; i < count; i++)
					order[i] = (Order) {.value = trials[at + i].value,.number = at + i};
				qsort(order, count, sizeof(Order), compare_orders);
				at += count;
				count = Max(count / FACTOR, 1);
			}
			pfree(order);
		}
	}
}

/*
 * The point and the rounds of trial number, from 0, when all trials before it
 * are known.  False if there is none: the search has tried everything.
 */
bool
mlops_propose(const MlopsPlan *plan, const MlopsTrial *trials, int number, MlopsTrial *next)
{
	memset(next, 0, sizeof(*next));
	next->rounds = plan->rounds;
	if (number >= plan->num_trials)
		return false;
	switch (plan->strategy)
	{
		case MLOPS_STRATEGY_GRID:
			return propose_grid(plan, number, next->point);
		case MLOPS_STRATEGY_RANDOM:
			draw_point(plan, number, next->point);
			return true;
		case MLOPS_STRATEGY_TPE:
			propose_tpe(plan, trials, number, next->point);
			return true;
		default:
			propose_halving(plan, trials, number, next);
			return true;
	}
}
