/*-------------------------------------------------------------------------
 *
 * forest_rows.h
 *	  What benchmarks of the engine beside libxgboost share: random rows, the
 *	  clock, memory for a forest.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FOREST_ROWS_H
#define FOREST_ROWS_H

#include "c.h"

#undef printf
#undef fprintf
#undef snprintf

#include <math.h>
#include <time.h>
#include <xgboost/c_api.h>

#include "forest/forest.h"

#define COLUMNS		28
#define TRAIN_ROWS	20000

#define CHECK(call) \
	do { \
		if ((call) != 0) \
		{ \
			fprintf(stderr, "%s\n", XGBGetLastError()); \
			exit(1); \
		} \
	} while (0)

static uint64 state = UINT64CONST(0x9E3779B97F4A7C15);

/* xorshift64* */
static uint64
next_random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64CONST(2685821657736338717);
}

static double
uniform(void)
{
	return (next_random() >> 11) * (1.0 / 9007199254740992.0);
}

static double
normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

/* random rows, and labels if wanted */
static void
make_rows(float *rows, float *labels, int count)
{
	for (int i = 0; i < count; i++)
	{
		float	   *row = rows + (size_t) i * COLUMNS;
		double		score = 0;

		for (int k = 0; k < COLUMNS; k++)
			row[k] = (float) normal();
		for (int k = 0; k + 2 < COLUMNS; k += 3)
			score += row[k] * row[k + 1] + sin(2 * row[k + 2]);
		if (labels)
			labels[i] = score + 3 * normal() > 0;
		for (int k = 0; k < COLUMNS; k++)
		{
			if (uniform() < 0.02)
				row[k] = NAN;
		}
	}
}

static void *
plain_alloc(void *arg, size_t size)
{
	return malloc(size);
}

static void
plain_release(void *arg, void *chunk)
{
	free(chunk);
}

static const MlopsForestEnv env = {plain_alloc, plain_release, NULL, NULL};

static const char *const config =
	"{\"type\":1,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
	"\"strict_shape\":false,\"missing\":NaN,\"cache_id\":0}";

#endif							/* FOREST_ROWS_H */
