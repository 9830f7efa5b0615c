/*-------------------------------------------------------------------------
 *
 * folds.c
 *	  Rows that stay, to train with some folds of them and look at another.
 *
 * The memory file stays mapped.  Of the rows that are chosen a copy without
 * gaps is made, in the order of the file, and libxgboost makes a matrix of
 * it, which is bit for bit the one that it would make of a file with these
 * rows alone; all rows need no copy.  The copy is freed before boosting.
 *
 * Matrices stay in their slot until other rows are chosen for it, with what
 * libxgboost has computed of them: the server gives each fold a slot of its
 * own if there is memory for that, and all of them one if not.
 *
 *-------------------------------------------------------------------------
 */
#include "folds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "library.h"

/* the matrices of one choice */
typedef struct Slot
{
	uint32_t	fold;
	uint32_t	past;			/* are only the folds before it for training? */
	DMatrixHandle train;		/* NULL: nothing is chosen */
	DMatrixHandle validation;	/* NULL: no row is left out */
} Slot;

typedef struct Folds
{
	uint64_t	num_rows;
	size_t		size;			/* of the rows, in bytes */
	const float *rows;
	const uint8_t *folds;		/* of each row */
	Slot		slots[MLOPS_MAX_FOLDS + 1];
} Folds;

/*
 * Map a memory file, which must have exactly so many bytes.
 */
static bool
map_file(int fd, uint64_t size, const void **bytes, Failure *failure)
{
	struct stat status;
	void	   *map;

	if (fstat(fd, &status) != 0)
		return fail(failure, MLOPS_FAILURE_SYSTEM, "could not read the size of a memory file: %s",
					strerror(errno));
	if (!S_ISREG(status.st_mode) || (uint64_t) status.st_size != size)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "a memory file has %lld bytes instead of %llu",
					(long long) status.st_size, (unsigned long long) size);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fail(failure, errno == ENOMEM ? MLOPS_FAILURE_MEMORY : MLOPS_FAILURE_SYSTEM,
					"could not map a matrix of %llu bytes: %s",
					(unsigned long long) size, strerror(errno));
	*bytes = map;
	return true;
}

/*
 * Do what a keep command says.  The data is to be released also if it fails.
 */
bool
folds_load(Data *data, Command *command, Failure *failure)
{
	MlopsWireCursor cursor = {command->body, command->body + command->length};
	const void *bytes;
	uint64_t	size;
	Folds	   *folds;

	memset(data, 0, sizeof(*data));
	folds = data->folds = calloc(1, sizeof(Folds));
	if (folds == NULL)
		return fail(failure, MLOPS_FAILURE_MEMORY, "out of memory for folds");
	if (!mlops_wire_get(&cursor, &data->num_features, sizeof(data->num_features)) ||
		!mlops_wire_get(&cursor, &folds->num_rows, sizeof(folds->num_rows)))
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "the keep command is cut short");
	if (data->num_features == 0 || data->num_features > MLOPS_MAX_FEATURES)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "a matrix cannot have %u features",
					data->num_features);
	if (folds->num_rows == 0 || command->num_fds != 2)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "%d descriptors do not fit %llu rows in folds",
					command->num_fds, (unsigned long long) folds->num_rows);
	if (!data_read_features(data, &cursor, failure))
		return false;
	if (cursor.next != cursor.end)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "the keep command has bytes left over");
	if (__builtin_mul_overflow(folds->num_rows,
							   ((uint64_t) data->num_features + 2) * sizeof(float), &size) ||
		size > SIZE_MAX)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "a matrix of %llu rows is too large",
					(unsigned long long) folds->num_rows);

	if (!map_file(command->fds[0], size, &bytes, failure))
		return false;
	folds->rows = bytes;
	folds->size = size;
	if (!map_file(command->fds[1], folds->num_rows, &bytes, failure))
		return false;
	folds->folds = bytes;
	return true;
}

/*
 * Is a row of this fold for training?
 */
static inline bool
is_trained(const Slot *slot, uint8_t fold)
{
	return slot->past != 0 ? fold < slot->fold : fold != slot->fold;
}

/*
 * Make a matrix of the rows that are for training, or of those of the fold.
 */
static bool
gather(const Data *data, const Slot *slot, bool training, DMatrixHandle *matrix, Failure *failure)
{
	const Folds *folds = data->folds;
	size_t		width = (size_t) data->num_features + 2;
	uint64_t	count = 0;
	float	   *rows;
	float	   *next;
	bool		made;

	for (uint64_t i = 0; i < folds->num_rows; i++)
		count += training ? is_trained(slot, folds->folds[i]) : folds->folds[i] == slot->fold;
	if (count == 0)
		return fail(failure, MLOPS_FAILURE_REFUSED, "fold %u leaves no rows for %s",
					slot->fold, training ? "training" : "validation");
	if (count == folds->num_rows)
		return data_make_matrix(data, folds->rows, count, matrix, failure);

	/* not more than the file has, whose size was checked */
	next = rows = malloc(count * width * sizeof(float));
	if (rows == NULL)
		return fail(failure, MLOPS_FAILURE_MEMORY, "out of memory for %llu rows of a fold",
					(unsigned long long) count);
	for (uint64_t i = 0; i < folds->num_rows; i++)
	{
		if (training ? is_trained(slot, folds->folds[i]) : folds->folds[i] == slot->fold)
		{
			memcpy(next, folds->rows + i * width, width * sizeof(float));
			next += width;
		}
	}
	made = data_make_matrix(data, rows, count, matrix, failure);
	free(rows);
	return made;
}

static void
slot_release(Slot *slot)
{
	if (slot->train != NULL)
		XGDMatrixFree(slot->train);
	if (slot->validation != NULL)
		XGDMatrixFree(slot->validation);
	memset(slot, 0, sizeof(*slot));
}

/*
 * Do what a fold command says: which rows the next training has.  If it
 * fails none are chosen.
 */
bool
folds_choose(Data *data, const Command *command, Failure *failure)
{
	MlopsWireCursor cursor = {command->body, command->body + command->length};
	Folds	   *folds = data->folds;
	uint32_t	number;
	uint32_t	fold;
	uint32_t	past;
	Slot	   *slot;

	data->train = NULL;
	data->validation = NULL;
	if (!mlops_wire_get(&cursor, &number, sizeof(number)) ||
		!mlops_wire_get(&cursor, &fold, sizeof(fold)) ||
		!mlops_wire_get(&cursor, &past, sizeof(past)) || cursor.next != cursor.end ||
		number > MLOPS_MAX_FOLDS || past > 1 ||
		(fold > MLOPS_MAX_FOLDS && (fold != MLOPS_NO_FOLD || past != 0)))
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "the fold command is malformed");

	slot = &folds->slots[number];
	if (slot->train == NULL || slot->fold != fold || slot->past != past)
	{
		slot_release(slot);
		slot->fold = fold;
		slot->past = past;
		if (!gather(data, slot, true, &slot->train, failure) ||
			(fold != MLOPS_NO_FOLD && !gather(data, slot, false, &slot->validation, failure)))
		{
			slot_release(slot);
			return false;
		}
	}
	data->train = slot->train;
	data->validation = slot->validation;
	return true;
}

/*
 * Free the rows and all matrices; the data has none then.
 */
void
folds_release(Data *data)
{
	Folds	   *folds = data->folds;

	for (uint32_t i = 0; i < sizeof(folds->slots) / sizeof(folds->slots[0]); i++)
		slot_release(&folds->slots[i]);
	if (folds->rows != NULL)
		munmap((void *) folds->rows, folds->size);
	if (folds->folds != NULL)
		munmap((void *) folds->folds, folds->num_rows);
	free(folds);
	data->folds = NULL;
	data->train = NULL;
	data->validation = NULL;
}
