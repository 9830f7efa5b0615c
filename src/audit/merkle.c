/*-------------------------------------------------------------------------
 *
 * merkle.c
 *	  The Merkle tree over the hashes of the events.
 *
 * The tree is that of RFC 6962: the hash of an event is already the hash of a
 * leaf (see encode.c), an inner node is SHA-256(0x01 || left || right), and
 * the left subtree of a node is the largest perfect one that leaves something
 * for the right.  Leaves are added at the right; all that is kept of a tree is
 * its right edge, at most 63 nodes, of which the root is computed.
 *
 * Memory: a tree is the caller's, but for a hash context of the current
 * resource owner.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "port/pg_bitutils.h"

#include "audit/merkle.h"

/*
 * The node above two nodes; it may be written over either of them.
 */
static void
hash_node(MlopsMerkle *tree, const uint8 *left, const uint8 *right, uint8 *node)
{
	uint8		bytes[1 + 2 * MLOPS_HASH_SIZE];

	bytes[0] = 0x01;
	memcpy(bytes + 1, left, MLOPS_HASH_SIZE);
	memcpy(bytes + 1 + MLOPS_HASH_SIZE, right, MLOPS_HASH_SIZE);
	if (pg_cryptohash_init(tree->sha256) < 0 ||
		pg_cryptohash_update(tree->sha256, bytes, sizeof(bytes)) < 0 ||
		pg_cryptohash_final(tree->sha256, node, MLOPS_HASH_SIZE) < 0)
		elog(ERROR, "could not compute SHA-256 hash: %s", pg_cryptohash_error(tree->sha256));
}

/*
 * An empty tree, until mlops_merkle_close() or the end of the resource owner.
 */
void
mlops_merkle_open(MlopsMerkle *tree)
{
	tree->size = 0;
	tree->sha256 = pg_cryptohash_create(PG_SHA256);
	if (tree->sha256 == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

/*
 * Release what a tree holds.
 */
void
mlops_merkle_close(MlopsMerkle *tree)
{
	pg_cryptohash_free(tree->sha256);
}

/*
 * Add a leaf at the right.
 */
void
mlops_merkle_add(MlopsMerkle *tree, const uint8 *leaf)
{
	uint8		node[MLOPS_HASH_SIZE];
	int			level = 0;

	memcpy(node, leaf, MLOPS_HASH_SIZE);
	while (tree->size & (UINT64CONST(1) << level))
	{
		hash_node(tree, tree->nodes[level], node, node);
		level++;
	}
	memcpy(tree->nodes[level], node, MLOPS_HASH_SIZE);
	tree->size++;
}

/*
 * Compute the root of the tree into root, which has MLOPS_HASH_SIZE bytes; of
 * an empty tree it is the hash of nothing.
 */
void
mlops_merkle_root(MlopsMerkle *tree, uint8 *root)
{
	int			level;

	if (tree->size == 0)
	{
		if (pg_cryptohash_init(tree->sha256) < 0 ||
			pg_cryptohash_final(tree->sha256, root, MLOPS_HASH_SIZE) < 0)
			elog(ERROR, "could not compute SHA-256 hash: %s", pg_cryptohash_error(tree->sha256));
		return;
	}
	level = pg_rightmost_one_pos64(tree->size);
	memcpy(root, tree->nodes[level], MLOPS_HASH_SIZE);
	for (level++; level < MLOPS_MERKLE_LEVELS; level++)
		if (tree->size & (UINT64CONST(1) << level))
			hash_node(tree, tree->nodes[level], root, root);
}

/*
 * The right edge of the tree, the largest subtree first, palloc'd.
 */
bytea *
mlops_merkle_edge(const MlopsMerkle *tree)
{
	bytea	   *edge = palloc(VARHDRSZ + MLOPS_MERKLE_LEVELS * MLOPS_HASH_SIZE);
	Size		size = VARHDRSZ;

	for (int level = MLOPS_MERKLE_LEVELS - 1; level >= 0; level--)
	{
		if ((tree->size & (UINT64CONST(1) << level)) == 0)
			continue;
		memcpy((char *) edge + size, tree->nodes[level], MLOPS_HASH_SIZE);
		size += MLOPS_HASH_SIZE;
	}
	SET_VARSIZE(edge, size);
	return edge;
}

/*
 * Go on with the tree of so many leaves that has this right edge.  False, and
 * the tree as it was, if it cannot be that of such a tree.
 */
bool
mlops_merkle_continue(MlopsMerkle *tree, int64 size, const bytea *edge)
{
	const char *node = VARDATA_ANY(edge);

	if (size < 0 || (int) VARSIZE_ANY_EXHDR(edge) != pg_popcount64(size) * MLOPS_HASH_SIZE)
		return false;
	tree->size = (uint64) size;
	for (int level = MLOPS_MERKLE_LEVELS - 1; level >= 0; level--)
	{
		if ((tree->size & (UINT64CONST(1) << level)) == 0)
			continue;
		memcpy(tree->nodes[level], node, MLOPS_HASH_SIZE);
		node += MLOPS_HASH_SIZE;
	}
	return true;
}
