/*-------------------------------------------------------------------------
 *
 * matrix.h
 *	  From a query to the rows that a model is trained and tested with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_MATRIX_H
#define MLOPS_MATRIX_H

#include "postgres.h"

#include "training/label.h"
#include "training/memfile.h"
#include "training/options.h"

/*
 * Rows of one part, as client.h describes them.  In the label's place stands
 * the code of the class unless it is a regression.
 */
typedef struct MlopsRows
{
	MlopsMemfile *file;			/* NULL: the split has no such part */
	int64		num_rows;
} MlopsRows;

typedef struct MlopsTrainingSet
{
	MlopsSignature signature;
	MlopsLabel *label;
	MlopsRows	parts[MLOPS_NUM_PARTS];
	int64		rows_read;
	char	   *data_hash;		/* of the rows of all parts */
	int64		rows_without_label;
	int64		rows_without_part;	/* but with a label */
	int64		rows_left_out;	/* of the training part, by the sample */
	List	   *constant_features;	/* of char *: one value in all training rows */
	List	   *relations;		/* of char *: read by the query, qualified */
	List	   *constraints;	/* of MlopsParam *, for the library */
	int64	   *order;			/* numbers that training rows had in the query, if in folds */
	struct MlopsProfile *profile;	/* of features and label in training rows */
} MlopsTrainingSet;

/* floats in a row: the features, the label and the weight */
#define MlopsRowWidth(set)	((Size) (set)->signature.num_features + 2)

extern MlopsTrainingSet *mlops_training_set_read(const MlopsTrainOptions *options);

#endif							/* MLOPS_MATRIX_H */
