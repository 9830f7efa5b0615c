/*-------------------------------------------------------------------------
 *
 * quantile.c
 *	  From files of rows to libxgboost's quantised matrices, in batches.
 *
 * libxgboost asks for the rows several times: for their number, for the
 * quantiles of each feature, and to keep the number of each value's bin, which
 * is all that it keeps of a value.  Each time they are read from the file, some
 * megabytes at once, so that the rows as they are are never in memory.
 *
 * Its callbacks can only say that they failed; why is kept in the iterator.
 *
 *-------------------------------------------------------------------------
 */
#include "quantile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "library.h"

/* most bytes of rows that are read at once, unless one row has more */
#define BATCH_BYTES		((size_t) 16 * 1024 * 1024)

/* the rows of one file, in their order */
typedef struct Iterator
{
	const Data *data;
	DMatrixHandle proxy;
	int			fd;
	uint64_t	num_rows;
	bool		weighted;		/* do rows weigh something else than 1? */
	size_t		row_size;
	uint64_t	batch_rows;
	uint64_t	next;			/* row */
	char	   *rows;			/* room for a batch */
	Failure		failure;		/* of a callback, if failed */
	bool		failed;
} Iterator;

/*
 * Read bytes of the file; errno says why if that fails.
 */
static bool
read_at(int fd, char *to, size_t size, off_t offset)
{
	while (size > 0)
	{
		ssize_t		count = pread(fd, to, size, offset);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
		{
			if (count == 0)
				errno = EIO;
			return false;
		}
		to += count;
		size -= count;
		offset += count;
	}
	return true;
}

/*
 * Give libxgboost one float of every row of the batch, label or weight.
 */
static bool
set_column(const Iterator *iterator, const char *field, size_t offset, uint64_t num_rows)
{
	char		array[256];

	snprintf(array, sizeof(array),
			 "{\"data\":[%zu,true],\"shape\":[%llu],\"strides\":[%zu],\"typestr\":\"<f4\",\"version\":3}",
			 (size_t) iterator->rows + offset, (unsigned long long) num_rows, iterator->row_size);
	return XGDMatrixSetInfoFromInterface(iterator->proxy, field, array) == 0;
}

/* callback: begin with the first row again */
static void
reset(DataIterHandle handle)
{
	((Iterator *) handle)->next = 0;
}

/*
 * Callback: the next batch; 0 if there is none, also after a failure.
 */
static int
next(DataIterHandle handle)
{
	Iterator   *iterator = handle;
	const Data *data = iterator->data;
	size_t		label = (size_t) data->num_features * sizeof(float);
	uint64_t	num_rows = iterator->num_rows - iterator->next;
	char		array[256];

	if (num_rows > iterator->batch_rows)
		num_rows = iterator->batch_rows;
	if (iterator->failed || num_rows == 0)
		return 0;
	if (!read_at(iterator->fd, iterator->rows, num_rows * iterator->row_size,
				 (off_t) (iterator->next * iterator->row_size)))
	{
		iterator->failed = true;
		fail(&iterator->failure, MLOPS_FAILURE_SYSTEM, "could not read training data: %s", strerror(errno));
		return 0;
	}
	iterator->next += num_rows;

	snprintf(array, sizeof(array),
			 "{\"data\":[%zu,true],\"shape\":[%llu,%u],\"strides\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}",
			 (size_t) iterator->rows, (unsigned long long) num_rows, data->num_features,
			 iterator->row_size, sizeof(float));
	if (XGProxyDMatrixSetDataDense(iterator->proxy, array) != 0 ||
		!set_column(iterator, "label", label, num_rows) ||
		(iterator->weighted && !set_column(iterator, "weight", label + sizeof(float), num_rows)) ||
		XGDMatrixSetStrFeatureInfo(iterator->proxy, "feature_type", data->types, data->num_features) != 0)
	{
		iterator->failed = true;
		library_failed(&iterator->failure);
		return 0;
	}
	return 1;
}

/*
 * Is the file as large as its rows?
 */
static bool
check_size(const Iterator *iterator, Failure *failure)
{
	struct stat status;
	uint64_t	size;

	if (__builtin_mul_overflow(iterator->num_rows, iterator->row_size, &size) || size > INT64_MAX)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "a matrix of %llu rows is too large",
					(unsigned long long) iterator->num_rows);
	if (fstat(iterator->fd, &status) != 0)
		return fail(failure, MLOPS_FAILURE_SYSTEM, "could not read the size of a matrix: %s", strerror(errno));
	if (!S_ISREG(status.st_mode) || (uint64_t) status.st_size != size)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "a matrix has %lld bytes where %llu rows of %u features need %llu",
					(long long) status.st_size, (unsigned long long) iterator->num_rows,
					iterator->data->num_features, (unsigned long long) size);
	return true;
}

/*
 * Make the quantised matrix of a file; that of another part has the bins of
 * the training part, which is like.
 */
static bool
make_matrix(Iterator *iterator, uint32_t max_bin, DMatrixHandle like, DMatrixHandle *matrix, Failure *failure)
{
	char		config[128];
	bool		made;

	iterator->row_size = ((size_t) iterator->data->num_features + 2) * sizeof(float);

	/*
	 * libxgboost appends each batch to vectors, which double when they are full.
	 * With the rows halved so many times, they end as large as what is in them.
	 */
	iterator->batch_rows = iterator->num_rows;
	while (iterator->batch_rows > 1 && iterator->batch_rows > BATCH_BYTES / iterator->row_size)
		iterator->batch_rows = iterator->batch_rows / 2 + iterator->batch_rows % 2;
	if (!check_size(iterator, failure))
		return false;
	iterator->rows = malloc(iterator->batch_rows * iterator->row_size);
	if (iterator->rows == NULL)
		return fail(failure, MLOPS_FAILURE_MEMORY, "out of memory for a batch of rows");

	snprintf(config, sizeof(config), "{\"missing\":NaN,\"max_bin\":%u}", max_bin);
	made = XGProxyDMatrixCreate(&iterator->proxy) == 0 &&
		XGQuantileDMatrixCreateFromCallback(iterator, iterator->proxy, like, reset, next, config, matrix) == 0;
	if (!made)
		library_failed(failure);
	if (iterator->failed)
		*failure = iterator->failure;
	if (iterator->proxy != NULL)
		XGDMatrixFree(iterator->proxy);
	free(iterator->rows);
	return made && !iterator->failed && data_describe(iterator->data, *matrix, failure);
}

/*
 * Do what a quantise command says.  The data is to be released also if it fails.
 */
bool
quantile_load(Data *data, Command *command, Failure *failure)
{
	MlopsWireCursor cursor = {command->body, command->body + command->length};
	uint64_t	num_rows[MLOPS_WIRE_MAX_FDS];
	DMatrixHandle *matrices[MLOPS_WIRE_MAX_FDS] = {&data->train, &data->validation};
	uint32_t	max_bin;
	uint8_t		weighted;

	memset(data, 0, sizeof(*data));
	data->quantised = true;
	if (!mlops_wire_get(&cursor, &max_bin, sizeof(max_bin)) ||
		!mlops_wire_get(&cursor, &weighted, sizeof(weighted)))
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "the quantise command is cut short");
	if (max_bin < 2 || max_bin > INT32_MAX)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "a feature cannot have %u bins", max_bin);
	if (!data_read_sizes(data, &cursor, command->num_fds, num_rows, failure) ||
		!data_read_features(data, &cursor, failure))
		return false;
	if (cursor.next != cursor.end)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "the quantise command has bytes left over");

	for (int i = 0; i < command->num_fds; i++)
	{
		Iterator	iterator = {.data = data,.fd = command->fds[i],.num_rows = num_rows[i],.weighted = weighted != 0};

		if (!make_matrix(&iterator, max_bin, data->train, matrices[i], failure))
			return false;
	}
	return true;
}
