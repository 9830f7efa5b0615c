/*-------------------------------------------------------------------------
 *
 * booster.h
 *	  Training, asking and saving a model.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_BOOSTER_H
#define MLOPS_BOOSTER_H

#include "matrix.h"

/* a trained model; booster is NULL if there is none */
typedef struct Model
{
	BoosterHandle booster;
	uint32_t	rounds;			/* trained */
	uint32_t	best_round;		/* from 0; the model ends with it */
} Model;

extern bool model_train(Model *model, const Data *data, const Command *command,
						Failure *failure);
extern bool model_predict(const Model *model, const Data *data, const Command *command,
						  Failure *failure);
extern bool model_send(const Model *model, Failure *failure);
extern void model_release(Model *model);

#endif							/* MLOPS_BOOSTER_H */
