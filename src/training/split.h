/*-------------------------------------------------------------------------
 *
 * split.h
 *	  Which part of the data a row belongs to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SPLIT_H
#define MLOPS_SPLIT_H

#include "postgres.h"

#include "registry/feature.h"

extern bool mlops_split_key_type(Oid type, MlopsConversion *conversion);
extern uint64 mlops_split_hash(MlopsConversion conversion, Datum key, int64 seed);

/* where a hash stands between 0 and 1 */
#define mlops_split_position(hash)	((double) ((hash) >> 11) * 0x1p-53)

#endif							/* MLOPS_SPLIT_H */
