/*-------------------------------------------------------------------------
 *
 * matrix.h
 *	  From memory files to libxgboost's matrices.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_MATRIX_H
#define MLOPS_MATRIX_H

#include <xgboost/c_api.h>

#include "wire.h"

/* the loaded data; validation is NULL if there is none */
typedef struct Data
{
	DMatrixHandle train;
	DMatrixHandle validation;
	uint32_t	num_features;
	char	  **names;			/* of the features */
	const char **types;			/* "q" or "c" */
	bool		categorical;	/* is any of them "c"? */
	struct Folds *folds;		/* that the matrices are made of, or NULL */
} Data;

extern bool data_describe(const Data *data, DMatrixHandle matrix, Failure *failure);
extern bool data_read_sizes(Data *data, MlopsWireCursor *cursor, int num_fds, uint64_t *num_rows,
							Failure *failure);
extern bool data_read_features(Data *data, MlopsWireCursor *cursor, Failure *failure);
extern bool data_make_matrix(const Data *data, const float *rows, uint64_t num_rows,
							 DMatrixHandle *matrix, Failure *failure);
extern bool data_load(Data *data, Command *command, Failure *failure);
extern void data_release(Data *data);

#endif							/* MLOPS_MATRIX_H */
