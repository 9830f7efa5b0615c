/*-------------------------------------------------------------------------
 *
 * tally.h
 *	  Counts by key, for aggregates over texts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_TALLY_H
#define MLOPS_TALLY_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "metrics/sum.h"

typedef struct MlopsTallyKey
{
	const char *data;			/* bytes; a zero follows in an entry */
	int			len;
} MlopsTallyKey;

/* what is counted of one key: rows of two kinds, and a sum */
typedef struct MlopsTallyEntry
{
	MlopsTallyKey key;
	uint32		hash;
	char		status;
	int64		rows[2];
	MlopsSum	sum;
} MlopsTallyEntry;

typedef struct MlopsTally MlopsTally;

extern MlopsTally *mlops_tally_create(MemoryContext context);
extern MlopsTallyEntry *mlops_tally_at(MlopsTally *tally, const char *key, int len);
extern void mlops_tally_merge(MlopsTally *tally, const MlopsTally *other);
extern void mlops_tally_free(MlopsTally *tally);

/* it has a part of the memory only, as one of so many */
extern void mlops_tally_share(MlopsTally *tally, int count);

/* does it take more memory than a hash table of a query may? */
extern bool mlops_tally_is_full(const MlopsTally *tally);

/* error 54000 if it does */
extern void mlops_tally_check(const MlopsTally *tally);
extern int	mlops_tally_count(const MlopsTally *tally);

/* entries by ascending key, as bytes; a palloc'ed array of pointers */
extern MlopsTallyEntry **mlops_tally_sorted(const MlopsTally *tally);

extern Size mlops_tally_send_size(const MlopsTally *tally);
extern void mlops_tally_send(StringInfo buf, const MlopsTally *tally);
extern void mlops_tally_recv(StringInfo buf, MlopsTally *tally);

#endif							/* MLOPS_TALLY_H */
