/*-------------------------------------------------------------------------
 *
 * client.h
 *	  The server's end of the conversation with mlops-trainer.
 *
 * A trainer is a child process that lives as long as the memory context it
 * was started in and the resource owner that was current then, at most: when
 * the first of them goes, also by an error, the process is killed and reaped
 * and its descriptors are closed.  Every call waits on the latch and can be
 * cancelled.
 *
 * Texts are in the server's encoding here; the trainer and the model have
 * UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_CLIENT_H
#define MLOPS_CLIENT_H

#include "c.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "progress.h"

typedef struct MlopsTrainer MlopsTrainer;

/* one parameter of libxgboost, both sides as text */
typedef struct MlopsParam
{
	char	   *name;
	char	   *value;
} MlopsParam;

/*
 * A matrix in an anonymous file: rows of num_features + 2 float32, the
 * features (NaN is missing), then the label, then the weight.
 */
typedef struct MlopsMatrix
{
	int			fd;
	int64		num_rows;
} MlopsMatrix;

/* what train gives back; the model's bytes are UBJSON as the library saved them */
typedef struct MlopsTrained
{
	StringInfoData model;
	int			rounds;			/* trained */
	int			best_round;		/* counted from 0; the last one without early stopping */
	int			library_version[3];
	List	   *history;		/* of char *, one line of evaluation per round */
} MlopsTrained;

extern MlopsTrainer *mlops_trainer_start(MemoryContext context, MlopsProgress *progress);
extern void mlops_trainer_outlive(MlopsTrainer *trainer);
extern void mlops_trainer_load(MlopsTrainer *trainer,
							   const MlopsMatrix *train,
							   const MlopsMatrix *validation,	/* or NULL */
							   int num_features,
							   const char *const *names,
							   const bool *categorical);
extern void mlops_trainer_keep(MlopsTrainer *trainer,
							   const MlopsMatrix *rows,
							   int folds,	/* descriptor: a byte for each row */
							   int num_features,
							   const char *const *names,
							   const bool *categorical);
extern void mlops_trainer_fold(MlopsTrainer *trainer, int slot, int fold, bool past);
extern void mlops_trainer_quantise(MlopsTrainer *trainer,
								   const MlopsMatrix *train,
								   const MlopsMatrix *validation,	/* or NULL */
								   int num_features,
								   const char *const *names,
								   const bool *categorical,
								   int max_bin, bool weighted);
extern void mlops_trainer_train(MlopsTrainer *trainer,
								const MlopsParam *params, int num_params,
								int rounds, int early_stopping_rounds,
								MlopsTrained *result);
extern const float *mlops_trainer_predict(MlopsTrainer *trainer, const float *rows, int num_rows,
										  int num_features, int num_groups);
extern void mlops_trainer_stop(MlopsTrainer *trainer);

#endif							/* MLOPS_CLIENT_H */
