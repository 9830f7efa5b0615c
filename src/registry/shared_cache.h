/*-------------------------------------------------------------------------
 *
 * shared_cache.h
 *	  Versions that are ready to score, one copy for all sessions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SHARED_CACHE_H
#define MLOPS_SHARED_CACHE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#include "mlops.h"
#include "registry/model.h"

/* all that scoring needs of a version, as it is stored */
typedef struct MlopsImage
{
	const char *name;			/* of the model */
	int32		version;
	const MlopsForest *forest;
	const Jsonb *signature;
	const ArrayType *classes;	/* text[], or NULL */
	double		missing;		/* NaN: none */
	const Jsonb *calibration;	/* or NULL */
} MlopsImage;

/* the use of a shared copy; ends with its memory context, also after an error */
typedef struct MlopsPin MlopsPin;

/* one shared copy, for the view */
typedef struct MlopsCached
{
	MlopsVersionKey key;
	char		name[MLOPS_NAME_MAX + 1];
	int32		version;
	Size		size;
	int			pins;
	int64		hits;
	int64		loads;
	TimestampTz last_used;
} MlopsCached;

extern void mlops_shared_cache_init(void);

extern MlopsPin *mlops_pin_create(MemoryContext context);
extern bool mlops_pin(MlopsPin *pin, const MlopsVersionKey *key, MlopsImage *image);
extern bool mlops_pin_share(MlopsPin *pin, const MlopsVersionKey *key, MlopsImage *image);
extern void mlops_unpin(MlopsPin *pin);
extern Size mlops_pin_size(const MlopsPin *pin);

extern bool mlops_shared_cache_info(const MlopsVersionKey *key, MlopsForestInfo *info);
extern MlopsCached *mlops_shared_cache_list(int *count);

#endif							/* MLOPS_SHARED_CACHE_H */
