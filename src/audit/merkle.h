/*-------------------------------------------------------------------------
 *
 * merkle.h
 *	  The Merkle tree over the hashes of the events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_AUDIT_MERKLE_H
#define MLOPS_AUDIT_MERKLE_H

#include "common/cryptohash.h"

#include "audit/encode.h"

/* levels of the largest tree: events are numbered by an int64 */
#define MLOPS_MERKLE_LEVELS		63

/*
 * The right edge of a tree: the root of the perfect subtree of 2^n leaves for
 * each bit n of size, the only nodes that are needed to go on.
 */
typedef struct MlopsMerkle
{
	uint64		size;			/* number of leaves */
	uint8		nodes[MLOPS_MERKLE_LEVELS][MLOPS_HASH_SIZE];
	pg_cryptohash_ctx *sha256;
} MlopsMerkle;

extern void mlops_merkle_open(MlopsMerkle *tree);
extern void mlops_merkle_close(MlopsMerkle *tree);
extern void mlops_merkle_add(MlopsMerkle *tree, const uint8 *leaf);
extern void mlops_merkle_root(MlopsMerkle *tree, uint8 *root);
extern bytea *mlops_merkle_edge(const MlopsMerkle *tree);
extern bool mlops_merkle_continue(MlopsMerkle *tree, int64 size, const bytea *edge);

#endif							/* MLOPS_AUDIT_MERKLE_H */
