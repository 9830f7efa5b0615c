/*-------------------------------------------------------------------------
 *
 * matrix.c
 *	  From memory files to libxgboost's matrices.
 *
 * A row in the file is its features, the label and the weight, as float32.
 * libxgboost reads all three in place, by strides, and copies them into a
 * form of its own; the file is unmapped before anything else happens, so
 * that it is never in memory together with what boosting needs.
 *
 *-------------------------------------------------------------------------
 */
#include "matrix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folds.h"
#include "library.h"

/*
 * Give libxgboost one float of every row, label or weight.
 */
static bool
set_column(DMatrixHandle matrix, const char *field, const float *first,
		   uint64_t num_rows, size_t stride, Failure *failure)
{
	char		array[256];

	snprintf(array, sizeof(array),
			 "{\"data\":[%zu,true],\"shape\":[%llu],\"strides\":[%zu],"
			 "\"typestr\":\"<f4\",\"version\":3}",
			 (size_t) first, (unsigned long long) num_rows, stride);
	if (XGDMatrixSetInfoFromInterface(matrix, field, array) != 0)
		return library_failed(failure);
	return true;
}

/*
 * Does any row weigh something else than 1?
 */
static bool
has_weights(const float *weights, uint64_t num_rows, size_t row_floats)
{
	for (uint64_t row = 0; row < num_rows; row++)
	{
		if (weights[row * row_floats] != 1.0f)
			return true;
	}
	return false;
}

/*
 * Tell a matrix the names and types of the features.
 */
bool
data_describe(const Data *data, DMatrixHandle matrix, Failure *failure)
{
	if (XGDMatrixSetStrFeatureInfo(matrix, "feature_name", (const char **) data->names,
								   data->num_features) != 0 ||
		XGDMatrixSetStrFeatureInfo(matrix, "feature_type", data->types,
								   data->num_features) != 0)
		return library_failed(failure);
	return true;
}

/*
 * Make a matrix of mapped rows.
 */
bool
data_make_matrix(const Data *data, const float *rows, uint64_t num_rows,
				 DMatrixHandle *matrix, Failure *failure)
{
	size_t		row_floats = (size_t) data->num_features + 2;
	size_t		stride = row_floats * sizeof(float);
	const float *labels = rows + data->num_features;
	const float *weights = labels + 1;
	char		array[256];

	snprintf(array, sizeof(array),
			 "{\"data\":[%zu,true],\"shape\":[%llu,%u],\"strides\":[%zu,%zu],"
			 "\"typestr\":\"<f4\",\"version\":3}",
			 (size_t) rows, (unsigned long long) num_rows, data->num_features,
			 stride, sizeof(float));
	if (XGDMatrixCreateFromDense(array, "{\"missing\":NaN}", matrix) != 0)
		return library_failed(failure);

	if (!set_column(*matrix, "label", labels, num_rows, stride, failure))
		return false;

	/*
	 * Weights that are all 1 are left out: they change no model, but some
	 * metrics of newer versions refuse a matrix in which rows have weights.
	 */
	if (has_weights(weights, num_rows, row_floats) &&
		!set_column(*matrix, "weight", weights, num_rows, stride, failure))
		return false;

	return data_describe(data, *matrix, failure);
}

/*
 * Map a memory file, which must hold exactly these rows, and make a matrix
 * of it.
 */
static bool
load_matrix(Data *data, int fd, uint64_t num_rows,
			DMatrixHandle *matrix, Failure *failure)
{
	struct stat status;
	uint64_t	size;
	void	   *rows;
	bool		made;

	if (__builtin_mul_overflow(num_rows, ((uint64_t) data->num_features + 2) * sizeof(float), &size) ||
		size > SIZE_MAX)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "a matrix of %llu rows is too large",
					(unsigned long long) num_rows);
	if (fstat(fd, &status) != 0)
		return fail(failure, MLOPS_FAILURE_SYSTEM, "could not read the size of a matrix: %s",
					strerror(errno));
	if (!S_ISREG(status.st_mode) || (uint64_t) status.st_size != size)
		return fail(failure, MLOPS_FAILURE_PROTOCOL,
					"a matrix has %lld bytes where %llu rows of %u features need %llu",
					(long long) status.st_size, (unsigned long long) num_rows,
					data->num_features, (unsigned long long) size);

	rows = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (rows == MAP_FAILED)
		return fail(failure, errno == ENOMEM ? MLOPS_FAILURE_MEMORY : MLOPS_FAILURE_SYSTEM,
					"could not map a matrix of %llu bytes: %s",
					(unsigned long long) size, strerror(errno));
	made = data_make_matrix(data, rows, num_rows, matrix, failure);
	munmap(rows, size);
	return made;
}

/*
 * Read the features' kinds and names.
 */
bool
data_read_features(Data *data, MlopsWireCursor *cursor, Failure *failure)
{
	data->names = calloc(data->num_features, sizeof(char *));
	data->types = calloc(data->num_features, sizeof(char *));
	if (data->names == NULL || data->types == NULL)
		return fail(failure, MLOPS_FAILURE_MEMORY, "out of memory for the names of features");

	for (uint32_t i = 0; i < data->num_features; i++)
	{
		char		kind;
		const char *name;
		uint32_t	length;

		if (!mlops_wire_get(cursor, &kind, 1) || (kind != 'q' && kind != 'c') ||
			!mlops_wire_get_string(cursor, &name, &length))
			return fail(failure, MLOPS_FAILURE_PROTOCOL, "feature %u is malformed", i);
		data->names[i] = strndup(name, length);
		if (data->names[i] == NULL)
			return fail(failure, MLOPS_FAILURE_MEMORY, "out of memory for the names of features");
		data->types[i] = kind == 'c' ? "c" : "q";
		data->categorical |= kind == 'c';
	}
	return true;
}

/*
 * Read the number of features, and of rows, which there are descriptors for.
 */
bool
data_read_sizes(Data *data, MlopsWireCursor *cursor, int num_fds, uint64_t *num_rows, Failure *failure)
{
	if (!mlops_wire_get(cursor, &data->num_features, sizeof(data->num_features)) ||
		!mlops_wire_get(cursor, &num_rows[0], sizeof(num_rows[0])) ||
		!mlops_wire_get(cursor, &num_rows[1], sizeof(num_rows[1])))
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "the load command is cut short");
	if (data->num_features == 0 || data->num_features > MLOPS_MAX_FEATURES)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "a matrix cannot have %u features",
					data->num_features);
	if (num_rows[0] == 0 || num_fds != (num_rows[1] > 0 ? 2 : 1))
		return fail(failure, MLOPS_FAILURE_PROTOCOL,
					"%d descriptors do not fit %llu training and %llu validation rows",
					num_fds, (unsigned long long) num_rows[0],
					(unsigned long long) num_rows[1]);
	return true;
}

/*
 * Do what a load command says.  The data is to be released also if it fails.
 */
bool
data_load(Data *data, Command *command, Failure *failure)
{
	MlopsWireCursor cursor = {command->body, command->body + command->length};
	uint64_t	num_rows[MLOPS_WIRE_MAX_FDS];
	DMatrixHandle *matrices[MLOPS_WIRE_MAX_FDS] = {&data->train, &data->validation};

	memset(data, 0, sizeof(*data));
	if (!data_read_sizes(data, &cursor, command->num_fds, num_rows, failure) ||
		!data_read_features(data, &cursor, failure))
		return false;
	if (cursor.next != cursor.end)
		return fail(failure, MLOPS_FAILURE_PROTOCOL, "the load command has bytes left over");

	for (int i = 0; i < command->num_fds; i++)
	{
		if (!load_matrix(data, command->fds[i], num_rows[i], matrices[i], failure))
			return false;
	}
	return true;
}

/*
 * Free the data, if there is any.
 */
void
data_release(Data *data)
{
	if (data->folds != NULL)
		folds_release(data);
	if (data->train != NULL)
		XGDMatrixFree(data->train);
	if (data->validation != NULL)
		XGDMatrixFree(data->validation);
	for (uint32_t i = 0; data->names != NULL && i < data->num_features; i++)
		free(data->names[i]);
	free(data->names);
	free(data->types);
	memset(data, 0, sizeof(*data));
}
