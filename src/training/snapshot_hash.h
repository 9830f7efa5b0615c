/*-------------------------------------------------------------------------
 *
 * snapshot_hash.h
 *	  A hash of a multiset of rows that does not depend on their order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SNAPSHOT_HASH_H
#define MLOPS_SNAPSHOT_HASH_H

/* c.h or postgres.h comes before */

#define MLOPS_MULTISET_BITS		3072
#define MLOPS_MULTISET_BYTES	(MLOPS_MULTISET_BITS / 8)
#define MLOPS_BLAKE2B_BYTES		64
#define MLOPS_CONTENT_BYTES		32

#ifdef HAVE_INT128
typedef uint64 MlopsLimb;
#else
typedef uint32 MlopsLimb;
#endif

#define MLOPS_MULTISET_LIMBS	(MLOPS_MULTISET_BYTES / (int) sizeof(MlopsLimb))

/* the product of all rows, below 2^3072; the least significant limb first */
typedef struct MlopsMultiset
{
	MlopsLimb	limbs[MLOPS_MULTISET_LIMBS];
} MlopsMultiset;

typedef struct MlopsBlake2b
{
	uint64		h[8];
	uint64		length;			/* bytes so far, those of buffer included */
	uint8		buffer[128];
	uint32		buffered;
	uint32		size;			/* of the hash, in bytes */
} MlopsBlake2b;

extern void mlops_blake2b_init(MlopsBlake2b *state, uint32 size);
extern void mlops_blake2b_update(MlopsBlake2b *state, const void *data, size_t length);
extern void mlops_blake2b_final(MlopsBlake2b *state, uint8 *hash);

extern void mlops_multiset_init(MlopsMultiset *set);
extern void mlops_multiset_add(MlopsMultiset *set, const void *row, size_t length);
extern void mlops_multiset_combine(MlopsMultiset *set, const MlopsMultiset *other);
extern void mlops_multiset_bytes(const MlopsMultiset *set, uint8 *bytes);
extern void mlops_multiset_from_bytes(MlopsMultiset *set, const uint8 *bytes);

#endif							/* MLOPS_SNAPSHOT_HASH_H */
