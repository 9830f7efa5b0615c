/*-------------------------------------------------------------------------
 *
 * support.c
 *	  Errors and working memory of a read.  See support.h.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/support.h"

/* the C library's own: a test program has no libpgport to give another */
#undef vsnprintf

/* what stands before each piece of working memory */
struct MlopsChunk
{
	MlopsChunk *previous;
	MlopsChunk *next;
};

#define CHUNK_HEADER	MAXALIGN(sizeof(MlopsChunk))

/*
 * Start a read: no error, no memory held.
 */
void
mlops_support_init(MlopsSupport *support, const MlopsForestEnv *env,
				   MlopsForestError *error)
{
	support->env = env;
	support->error = error;
	support->chunks = NULL;
	memset(error, 0, sizeof(*error));
}

/*
 * Record an error, unless there is one already.  offset is the byte of the
 * file that it is about; hint is a sentence, or NULL.  Returns false.
 */
bool
mlops_fail(MlopsSupport *support, MlopsForestErrorCode code, size_t offset,
		   const char *hint, const char *format,...)
{
	MlopsForestError *error = support->error;
	va_list		args;

	if (error->code != MLOPS_FOREST_OK)
		return false;

	error->code = code;
	error->offset = offset;
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);

	/* words of the file may be cut within a character, or not be printable */
	for (char *p = error->message; *p != '\0'; p++)
	{
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	if (hint != NULL)
	{
		size_t		len = strlen(hint);

		if (len >= sizeof(error->hint))
			len = sizeof(error->hint) - 1;
		memcpy(error->hint, hint, len);
		error->hint[len] = '\0';
	}
	return false;
}

/*
 * Allocate working memory, aligned as by palloc.  NULL, and the error set, if
 * there is none.
 */
void *
mlops_alloc(MlopsSupport *support, size_t size)
{
	MlopsChunk *chunk = NULL;

	if (size <= SIZE_MAX - CHUNK_HEADER)
		chunk = support->env->alloc(support->env->arg, size + CHUNK_HEADER);
	if (chunk == NULL)
	{
		mlops_fail(support, MLOPS_FOREST_NO_MEMORY, 0, NULL,
				   "no memory for %zu bytes while reading it", size);
		return NULL;
	}
	chunk->previous = NULL;
	chunk->next = support->chunks;
	if (chunk->next != NULL)
		chunk->next->previous = chunk;
	support->chunks = chunk;
	return (char *) chunk + CHUNK_HEADER;
}

/*
 * Give back one piece of working memory.
 */
void
mlops_release(MlopsSupport *support, void *pointer)
{
	MlopsChunk *chunk;

	if (pointer == NULL)
		return;
	chunk = (MlopsChunk *) ((char *) pointer - CHUNK_HEADER);
	if (chunk->next != NULL)
		chunk->next->previous = chunk->previous;
	if (chunk->previous != NULL)
		chunk->previous->next = chunk->next;
	else
		support->chunks = chunk->next;
	support->env->release(support->env->arg, chunk);
}

/*
 * Give back all working memory.
 */
void
mlops_release_all(MlopsSupport *support)
{
	MlopsChunk *chunk = support->chunks;

	support->chunks = NULL;
	while (chunk != NULL)
	{
		MlopsChunk *next = chunk->next;

		support->env->release(support->env->arg, chunk);
		chunk = next;
	}
}

/*
 * Make room for extra more elements of the given size.  Grows by doubling, so
 * that a vector never takes more than three times what was put into it, the
 * old copy included.
 */
bool
mlops_vector_reserve(MlopsSupport *support, MlopsVector *vector,
					 size_t element, size_t extra)
{
	size_t		needed;
	size_t		capacity;
	void	   *data;

	if (extra <= vector->capacity - vector->count)
		return true;
	if (extra > SIZE_MAX / 4 / element - vector->count)
		return mlops_fail(support, MLOPS_FOREST_NO_MEMORY, 0, NULL,
						  "no memory for %zu elements while reading it", extra);
	needed = vector->count + extra;
	capacity = Max(vector->capacity * 2, 16);
	if (capacity < needed)
		capacity = needed;

	data = mlops_alloc(support, capacity * element);
	if (data == NULL)
		return false;
	if (vector->count > 0)
		memcpy(data, vector->data, vector->count * element);
	mlops_release(support, vector->data);
	vector->data = data;
	vector->capacity = capacity;
	return true;
}

/*
 * Are these bytes UTF-8?  Overlong forms, surrogates and what lies beyond
 * U+10FFFF are not.
 */
bool
mlops_utf8_valid(const uint8 *bytes, size_t len)
{
	size_t		i = 0;

	while (i < len)
	{
		uint8		lead = bytes[i];
		int			more;
		uint32		code;
		uint32		least;

		if (lead < 0x80)
		{
			i++;
			continue;
		}
		if (lead >= 0xC2 && lead <= 0xDF)
		{
			more = 1;
			code = lead & 0x1F;
			least = 0x80;
		}
		else if (lead >= 0xE0 && lead <= 0xEF)
		{
			more = 2;
			code = lead & 0x0F;
			least = 0x800;
		}
		else if (lead >= 0xF0 && lead <= 0xF4)
		{
			more = 3;
			code = lead & 0x07;
			least = 0x10000;
		}
		else
			return false;
		if ((size_t) more >= len - i)
			return false;
		for (int k = 1; k <= more; k++)
		{
			if ((bytes[i + k] & 0xC0) != 0x80)
				return false;
			code = (code << 6) | (bytes[i + k] & 0x3F);
		}
		if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
			return false;
		i += more + 1;
	}
	return true;
}

/*
 * Sort in place, in bounded time whatever the input: heap sort.
 */
void
mlops_sort_uint64(uint64 *values, size_t count)
{
	size_t		start = count / 2;
	size_t		end = count;

	while (end > 1)
	{
		size_t		root;
		uint64		value;

		if (start > 0)
			value = values[--start];
		else
		{
			value = values[--end];
			values[end] = values[0];
		}

		/* sift value down from start within the first end elements */
		root = start;
		for (;;)
		{
			size_t		child = root * 2 + 1;

			if (child >= end)
				break;
			if (child + 1 < end && values[child + 1] > values[child])
				child++;
			if (values[child] <= value)
				break;
			values[root] = values[child];
			root = child;
		}
		values[root] = value;
	}
}
