/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What fuzz targets share: how many runs, which, and what to do if one
 *	  goes wrong.
 *
 * Usage of a target: NAME [runs [seed [first]]].  Each run follows from the
 * seed and its own number, so that NAME 1 SEED RUN does again what the message
 * of a failure names.  FUZZ_RUNS in the environment is another number of runs;
 * with FUZZ_SECONDS a target goes on for so long, from a seed of its own unless
 * one is given.
 *
 * A failed check, a sanitizer's complaint and a run that takes more than
 * RUN_SECONDS end the program, and the input is kept where it can be written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <signal.h>
#include <time.h>
#include <unistd.h>

/* far more than any run takes, on any machine */
#define RUN_SECONDS		60

typedef struct Fuzz
{
	const char *name;
	long		runs;			/* to do; -1: until the time is up */
	time_t		end;
	uint64		seed;
	long		first;
	long		number;			/* of the present run */
	const void *input;			/* of the present run */
	size_t		len;
} Fuzz;

static Fuzz fuzz;

/* say which run went wrong, keep its input */
static void
fuzz_report(void)
{
	char		path[200];
	FILE	   *file;

	fprintf(stderr, "%s: run %ld of seed " UINT64_FORMAT " went wrong\n", fuzz.name, fuzz.number, fuzz.seed);
	if (fuzz.input == NULL)
		return;
	snprintf(path, sizeof(path), "build/fuzz/%s.failed", fuzz.name);
	file = fopen(path, "wb");
	if (file != NULL)
	{
		fwrite(fuzz.input, 1, fuzz.len, file);
		fclose(file);
		fprintf(stderr, "its input is in %s\n", path);
	}
}

static void
fuzz_too_long(int signal_number)
{
	fprintf(stderr, "it takes more than %d seconds\n", RUN_SECONDS);
	abort();
}

static void
fuzz_aborted(int signal_number)
{
	signal(SIGABRT, SIG_DFL);
	fuzz_report();
}

/* a check that ends the program if it fails */
#define MUST(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: " #condition "\n", __FILE__, __LINE__); \
			abort(); \
		} \
	} while (0)

/* the same for what returns the reason, or NULL */
#define MUST_BE_RIGHT(call) \
	do { \
		const char *wrong = (call); \
\
		if (wrong != NULL) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, wrong); \
			abort(); \
		} \
	} while (0)

/* sanitizers ask for these; they, too, are to abort */
extern const char *__asan_default_options(void);
extern const char *__ubsan_default_options(void);

const char *
__asan_default_options(void)
{
	return "abort_on_error=1";
}

const char *
__ubsan_default_options(void)
{
	return "abort_on_error=1";
}

static inline void
fuzz_init(const char *name, long runs, int argc, char **argv)
{
	const char *text = getenv("FUZZ_SECONDS");
	int			seconds = text != NULL ? atoi(text) : 0;

	fuzz.name = name;
	fuzz.runs = runs;
	fuzz.seed = 20240607;
	if (seconds > 0)
	{
		fuzz.runs = -1;
		fuzz.end = time(NULL) + seconds;
		fuzz.seed = (uint64) time(NULL) * 1000003 + getpid();
	}
	text = getenv("FUZZ_RUNS");
	if (text != NULL && atol(text) > 0)
		fuzz.runs = atol(text);
	if (argc > 1)
		fuzz.runs = atol(argv[1]);
	if (argc > 2)
		fuzz.seed = strtoull(argv[2], NULL, 10);
	if (argc > 3)
		fuzz.first = atol(argv[3]);
	fuzz.number = fuzz.first - 1;
	signal(SIGABRT, fuzz_aborted);
	signal(SIGALRM, fuzz_too_long);
}

/* one more run?  If so, next_random() begins anew for it. */
static inline bool
fuzz_next(void)
{
	fuzz.number++;
	if (fuzz.runs >= 0 ? fuzz.number - fuzz.first >= fuzz.runs
		: fuzz.number % 256 == 255 && time(NULL) >= fuzz.end)
		return false;
	random_state = fuzz.seed ^ (uint64) fuzz.number * UINT64CONST(0xD1B54A32D192ED03);
	alarm(RUN_SECONDS);
	return true;
}

/* the runs that were done */
static inline long
fuzz_runs(void)
{
	alarm(0);
	return fuzz.number - fuzz.first;
}

#endif							/* FUZZ_H */
