/*-------------------------------------------------------------------------
 *
 * folds.h
 *	  Which fold of a cross-validation each row is in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_TRAINING_FOLDS_H
#define MLOPS_TRAINING_FOLDS_H

#include "postgres.h"

#include "executor/tuptable.h"

#include "registry/feature.h"
#include "training/memfile.h"

/* most folds; a mask of them has 64 bits */
#define MLOPS_FOLDS_MAX		50

/* memory that a row takes for its fold, but for the key */
#define MLOPS_FOLD_ROW_BYTES	40

/* how rows come into folds */
typedef enum MlopsFoldKind
{
	MLOPS_FOLD_HASH,			/* of the key or the content */
	MLOPS_FOLD_GROUP,			/* rows of a group are in one fold */
	MLOPS_FOLD_STRATIFY,		/* each fold has the same share of each value */
	MLOPS_FOLD_TIME				/* fold 0 is the past of all others */
} MlopsFoldKind;

/* what a row's fold is made of */
typedef struct MlopsFoldRow
{
	uint64		hash;			/* of the key or the content */
	uint64		value;			/* of the column: its hash, or the time */
} MlopsFoldRow;

typedef struct MlopsFolds
{
	/* what is asked for */
	int			count;			/* folds that are held out in turn */
	MlopsFoldKind kind;
	char	   *column;			/* of the query; NULL: MLOPS_FOLD_HASH */
	bool		keep_keys;		/* of the rows, for who wants a score of each */

	/* while the rows are read, in the order of the query */
	int			number;			/* of the column in the tuple */
	MlopsConversion conversion;
	MemoryContext context;
	MlopsFoldRow *rows;
	int64		num_rows;
	int64		allocated;
	int			key;			/* number of the key's column */
	Oid			key_type;
	int16		key_len;
	bool		key_byval;
	Datum	   *keys;

	/* once all were read, in the order of the training part */
	uint8	   *folds;
	MlopsMemfile *file;			/* the same, for the training process */
	int64	   *held_out;		/* numbers of the rows of the first fold, then ... */
	int64	   *starts;			/* where each fold's begin; one more: the end */
	int64	   *trained;		/* rows that are trained with, by fold */
	uint64	  **known;			/* by feature and category, a mask of the folds that have it */
} MlopsFolds;

struct MlopsTrainingSet;
struct MlopsTrainOptions;

/* the first fold that is held out, and one behind the last one */
#define MlopsFirstFold(folds)	((folds)->kind == MLOPS_FOLD_TIME ? 1 : 0)
#define MlopsEndFold(folds)		(MlopsFirstFold(folds) + (folds)->count)

extern void mlops_folds_begin(MlopsFolds *folds, TupleDesc tupdesc, int key);
extern void mlops_folds_add(MlopsFolds *folds, const TupleTableSlot *slot, uint64 hash);
extern void mlops_folds_finish(MlopsFolds *folds, struct MlopsTrainingSet *set,
							   const struct MlopsTrainOptions *options);
extern void mlops_folds_forget(const MlopsFolds *folds, int fold,
							   const struct MlopsTrainingSet *set, float *features);

#endif							/* MLOPS_TRAINING_FOLDS_H */
