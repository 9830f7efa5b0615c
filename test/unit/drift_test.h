/*
 * drift_test.h
 *	  What the tests of src/monitoring's plain C share.
 */
#ifndef DRIFT_TEST_H
#define DRIFT_TEST_H

#include "c.h"

#include <math.h>

static int	ntests = 0;
static int	nfailures = 0;

static void
ok(bool passed, const char *name)
{
	ntests++;
	if (!passed)
		nfailures++;
	printf("%sok %d - %s\n", passed ? "" : "not ", ntests, name);
}

static void
is_near(double value, double expected, double tolerance, const char *name)
{
	bool		passed = fabs(value - expected) <= tolerance * fabs(expected);

	ok(passed, name);
	if (!passed)
		printf("# %.17g instead of %.17g\n", value, expected);
}

/* a fixed sequence of numbers that look random (splitmix64), 0 to below 1 */
static double
uniform(void)
{
	static uint64 state = 20240607;
	uint64		z = (state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return ldexp((double) ((z ^ (z >> 31)) >> 11), -53);
}

#endif							/* DRIFT_TEST_H */
