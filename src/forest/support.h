/*-------------------------------------------------------------------------
 *
 * support.h
 *	  Errors and working memory of a read.
 *
 * A read reports its first error and no other: mlops_fail() fills the error
 * of the caller and always returns false, so that a function can end with
 * "return mlops_fail(...)".
 *
 * Working memory is taken from the host and kept on a list, so that all of it
 * can be given back at once however the read ends.  Every allocation is
 * bounded by the caller in terms of the size of the file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_SUPPORT_H
#define MLOPS_FOREST_SUPPORT_H

#include "forest/forest.h"

typedef struct MlopsChunk MlopsChunk;

typedef struct MlopsSupport
{
	const MlopsForestEnv *env;
	MlopsForestError *error;
	MlopsChunk *chunks;			/* all working memory that is held */
} MlopsSupport;

/* a growing array of fixed-size elements */
typedef struct MlopsVector
{
	void	   *data;
	size_t		count;			/* elements in use */
	size_t		capacity;
} MlopsVector;

extern void mlops_support_init(MlopsSupport *support, const MlopsForestEnv *env,
							   MlopsForestError *error);
extern bool mlops_fail(MlopsSupport *support, MlopsForestErrorCode code,
					   size_t offset, const char *hint,
					   const char *format,...) pg_attribute_printf(5, 6);

extern void *mlops_alloc(MlopsSupport *support, size_t size);
extern void mlops_release(MlopsSupport *support, void *pointer);
extern void mlops_release_all(MlopsSupport *support);
extern bool mlops_vector_reserve(MlopsSupport *support, MlopsVector *vector,
								 size_t element, size_t extra);

extern bool mlops_utf8_valid(const uint8 *bytes, size_t len);
extern void mlops_sort_uint64(uint64 *values, size_t count);

/* give the host a chance to cancel */
#define mlops_check(support) \
	do { \
		if ((support)->env->check != NULL) \
			(support)->env->check((support)->env->arg); \
	} while (0)

#endif							/* MLOPS_FOREST_SUPPORT_H */
