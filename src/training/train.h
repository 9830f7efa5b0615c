/*-------------------------------------------------------------------------
 *
 * train.h
 *	  One training: what mlops.train() does in one go, and a search in parts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_TRAIN_H
#define MLOPS_TRAIN_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#include "forest/forest.h"
#include "training/client.h"
#include "training/matrix.h"
#include "training/options.h"

/* one training, from its arguments to its record */
typedef struct MlopsTraining
{
	MlopsTrainOptions options;
	MlopsTrainingSet *set;
	List	   *params;			/* of MlopsParam *, as the library gets them */
	MlopsTrained trained;
	MlopsForest *forest;		/* the model, until it was measured */
	char	   *arguments;		/* JSON: as they were given */
	char	   *search;			/* JSON: how the parameters were found, or NULL */
	StringInfoData metrics;		/* JSON */
	StringInfoData holdout;		/* JSON: what plots need of the test rows */
	TimestampTz started_at;
	int64		retrained_from;	/* run; 0: of no other */
	double		reading;		/* seconds */
	double		boosting;
	double		scoring;
} MlopsTraining;

extern void mlops_train_follows(int64 run);
extern void mlops_check_register(const char *model, const char *task);
extern MlopsForest *mlops_training_read(const MlopsTraining *training);
extern void mlops_training_check(MlopsTraining *training, MlopsTrainer *trainer);
extern int32 mlops_training_finish(MlopsTraining *training);
extern void mlops_training_add_data(const MlopsTraining *training, StringInfo json);
extern void mlops_training_add_software(const MlopsTraining *training, StringInfo json);

#endif							/* MLOPS_TRAIN_H */
