/*-------------------------------------------------------------------------
 *
 * checkpoint.h
 *	  Checkpoints of the audit log: what of it leaves the database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_AUDIT_CHECKPOINT_H
#define MLOPS_AUDIT_CHECKPOINT_H

#include "utils/array.h"
#include "utils/guc.h"
#include "utils/uuid.h"

#include "audit/merkle.h"

/* what a checkpoint says: the root of the tree over the first size events */
typedef struct MlopsCheckpoint
{
	pg_uuid_t	log_id;
	int32		incarnation;	/* of the last of these events */
	int64		size;
	uint8		root[MLOPS_HASH_SIZE];
} MlopsCheckpoint;

extern MlopsCheckpoint *mlops_checkpoint_parse(ArrayType *notes, int *number);
extern bool mlops_check_checkpoint_origin(char **newval, void **extra, GucSource source);

#endif							/* MLOPS_AUDIT_CHECKPOINT_H */
