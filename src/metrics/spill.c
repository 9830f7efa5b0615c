/*-------------------------------------------------------------------------
 *
 * spill.c
 *	  Values that are too many for memory: sorted runs in a temporary file.
 *
 * A run is what fitted into memory, sorted, and takes whole blocks of the
 * file.  A walk merges all runs, and the values that are still in memory,
 * through a heap; it can go either way, since a run can be read from either
 * end.  Each run has a buffer of one block or more, and all buffers together
 * have work_mem; when there are more runs than work_mem has blocks, they are
 * merged into one.
 *
 * The file belongs to a memory context: a callback closes it, by which it is
 * removed, when that is reset or deleted, also after an error.  So it is not
 * one that the end of a transaction closes.  It counts for temp_file_limit.
 * It is no BufFile: to close one writes what it has in its buffer, which fails
 * where the limit or the disk was why the transaction is aborted, and there no
 * error must be.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "commands/tablespace.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "metrics/spill.h"

/* runs that are merged at once, whatever work_mem is */
#define MIN_RUNS		16

/* values that a walk gives at once */
#define PART			1024

/* values that are written at once, at most */
#define WRITE_VALUES	(128 * MLOPS_SPILL_BLOCK)

/* blocks that are read of a run at once, at most */
#define MAX_BLOCKS		32

typedef struct Run
{
	int64		block;			/* in the file, where it begins */
	size_t		count;			/* of values */
} Run;

/* a place in a run, or in the array */
typedef struct Place
{
	const double *values;		/* that are at hand, descending */
	size_t		from;			/* those between are not walked yet */
	size_t		to;
	size_t		first;			/* and these are not read yet, of the run */
	size_t		last;
	double	   *buffer;			/* NULL of the array */
} Place;

struct MlopsSpill
{
	MlopsSource source;			/* must be first */
	MemoryContext context;
	MemoryContextCallback callback;
	File		file;			/* 0 if there is none */
	int64		next_block;
	Run		   *runs;
	int			num_runs;
	int			max_runs;

	/* the walk */
	const double *array;
	size_t		array_count;
	MemoryContext walk;			/* of all below */
	bool		ascending;
	Place	   *places;			/* of the runs, and of the array behind them */
	size_t		room;			/* values of a buffer */
	binaryheap *heap;
	double	   *part;
};

/*
 * Close the file, before the memory of its description goes.
 */
static void
close_file(void *arg)
{
	MlopsSpill *spill = arg;

	if (spill->file > 0)
		FileClose(spill->file);
	spill->file = 0;
}

static File
new_file(void)
{
	PrepareTempTablespaces();
	return OpenTemporaryFile(true);
}

/* where in the file a value of a block, or behind it, is */
static off_t
offset_of(int64 block, size_t value)
{
	return (off_t) (block * MLOPS_SPILL_BLOCK + (int64) value) * (off_t) sizeof(double);
}

static double
head(const MlopsSpill *spill, int i)
{
	const Place *place = &spill->places[i];

	return place->values[spill->ascending ? place->to - 1 : place->from];
}

/*
 * Which of two places comes first?
 */
static int
compare_heads(Datum a, Datum b, void *arg)
{
	const MlopsSpill *spill = arg;
	double		x = head(spill, DatumGetInt32(a));
	double		y = head(spill, DatumGetInt32(b));

	if (spill->ascending)
		return x < y ? 1 : x > y ? -1 : 0;
	return x > y ? 1 : x < y ? -1 : 0;
}

/*
 * Read the next blocks of a run; false if there are none.
 */
static bool
read_run(MlopsSpill *spill, int i)
{
	Place	   *place = &spill->places[i];
	size_t		count = Min(place->last - place->first, spill->room);
	size_t		at = place->first;

	CHECK_FOR_INTERRUPTS();
	if (count == 0)
		return false;
	if (spill->ascending)
		at = place->last -= count;
	else
		place->first += count;
	if (FileRead(spill->file, (char *) place->buffer, (int) (count * sizeof(double)),
				 offset_of(spill->runs[i].block, at), WAIT_EVENT_BUFFILE_READ) != (int) (count * sizeof(double)))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read values from a temporary file: %m")));
	place->from = 0;
	place->to = count;
	return true;
}

/*
 * Start a walk.
 */
static void
start_walk(MlopsSource *source, bool ascending)
{
	MlopsSpill *spill = (MlopsSpill *) source;
	size_t		blocks = (size_t) work_mem * 1024 / BLCKSZ / Max(spill->num_runs, 1);
	MemoryContext old;

	if (spill->walk == NULL)
		spill->walk = AllocSetContextCreate(spill->context, "mlops walk", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(spill->walk);
	old = MemoryContextSwitchTo(spill->walk);
	spill->ascending = ascending;
	spill->room = Min(Max(blocks, 1), MAX_BLOCKS) * MLOPS_SPILL_BLOCK;
	spill->places = palloc0(sizeof(Place) * (spill->num_runs + 1));
	spill->part = palloc(sizeof(double) * PART);
	spill->heap = binaryheap_allocate(spill->num_runs + 1, compare_heads, spill);
	for (int i = 0; i < spill->num_runs; i++)
	{
		Place	   *place = &spill->places[i];

		place->last = spill->runs[i].count;
		place->values = place->buffer = palloc(sizeof(double) * spill->room);
		if (read_run(spill, i))
			binaryheap_add_unordered(spill->heap, Int32GetDatum(i));
	}
	spill->places[spill->num_runs].values = spill->array;
	spill->places[spill->num_runs].to = spill->array_count;
	if (spill->array_count > 0)
		binaryheap_add_unordered(spill->heap, Int32GetDatum(spill->num_runs));
	binaryheap_build(spill->heap);
	MemoryContextSwitchTo(old);
}

/*
 * The next values of the walk; at its end NULL, and the buffers are freed.
 */
static const double *
next_part(MlopsSource *source, size_t *count)
{
	MlopsSpill *spill = (MlopsSpill *) source;
	size_t		n = 0;

	if (spill->heap != NULL && binaryheap_empty(spill->heap))
	{
		spill->heap = NULL;
		MemoryContextReset(spill->walk);
	}
	if (spill->heap == NULL)
		return NULL;
	while (n < PART && !binaryheap_empty(spill->heap))
	{
		int			i = DatumGetInt32(binaryheap_first(spill->heap));
		Place	   *place = &spill->places[i];

		spill->part[n++] = head(spill, i);
		if (spill->ascending)
			place->to--;
		else
			place->from++;
		if (place->from < place->to || (place->buffer != NULL && read_run(spill, i)))
			binaryheap_replace_first(spill->heap, Int32GetDatum(i));
		else
			binaryheap_remove_first(spill->heap);
	}
	*count = n;
	return spill->part;
}

/*
 * Write values behind those that are in a file.
 */
static void
write_values(File file, const double *values, size_t count, off_t offset)
{
	while (count > 0)
	{
		size_t		n = Min(count, WRITE_VALUES);
		int			bytes = (int) (n * sizeof(double));

		CHECK_FOR_INTERRUPTS();
		errno = 0;
		if (FileWrite(file, (char *) unconstify(double *, values), bytes, offset, WAIT_EVENT_BUFFILE_WRITE) != bytes)
		{
			/* less than all was written: the disk is full */
			if (errno == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write values to a temporary file: %m")));
		}
		values += n;
		count -= n;
		offset += bytes;
	}
}

/*
 * Merge all runs into one, in a new file.
 */
static void
merge_runs(MlopsSpill *spill)
{
	File		file = new_file();
	File		merged = spill->file;
	size_t		total = 0;
	const double *values;
	size_t		count;

	PG_TRY();
	{
		spill->array_count = 0;
		start_walk(&spill->source, false);
		while ((values = next_part(&spill->source, &count)) != NULL)
		{
			write_values(file, values, count, offset_of(0, total));
			total += count;
		}
	}
	PG_CATCH();
	{
		FileClose(file);
		PG_RE_THROW();
	}
	PG_END_TRY();
	spill->file = file;
	FileClose(merged);
	spill->runs[0].block = 0;
	spill->runs[0].count = total;
	spill->num_runs = 1;
	spill->next_block = (int64) (total / MLOPS_SPILL_BLOCK);
}

MlopsSpill *
mlops_spill_create(MemoryContext context)
{
	MlopsSpill *spill = MemoryContextAllocZero(context, sizeof(MlopsSpill));

	spill->source.start = start_walk;
	spill->source.next = next_part;
	spill->context = context;
	spill->max_runs = Max(work_mem / (BLCKSZ / 1024), MIN_RUNS);
	spill->runs = MemoryContextAlloc(context, sizeof(Run) * spill->max_runs);
	spill->callback.func = close_file;
	spill->callback.arg = spill;
	MemoryContextRegisterResetCallback(context, &spill->callback);
	spill->file = new_file();
	return spill;
}

void
mlops_spill_write(MlopsSpill *spill, const double *values, size_t count)
{
	Assert(count % MLOPS_SPILL_BLOCK == 0);
	if (spill->num_runs == spill->max_runs)
		merge_runs(spill);
	write_values(spill->file, values, count, offset_of(spill->next_block, 0));
	spill->runs[spill->num_runs].block = spill->next_block;
	spill->runs[spill->num_runs++].count = count;
	spill->next_block += (int64) (count / MLOPS_SPILL_BLOCK);
}

MlopsSource *
mlops_spill_source(MlopsSpill *spill, const double *values, size_t count)
{
	spill->array = values;
	spill->array_count = count;
	return &spill->source;
}
