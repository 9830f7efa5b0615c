/*-------------------------------------------------------------------------
 *
 * search.h
 *	  What cross-validation and searches record of their runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SEARCH_H
#define MLOPS_SEARCH_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "training/validate.h"

extern char *mlops_find_experiment(const char *experiment, const char *otherwise);
extern int64 mlops_record_run(const char *kind, const char *model, const char *experiment,
							  const char *name, int64 parent, const char *metrics, const char *record);
extern char *mlops_record_arguments(Jsonb *params, Jsonb *split, Jsonb *class_weight, const char *positive);
extern void mlops_record_folds(StringInfo json, const MlopsFolds *folds);
extern void mlops_record_validated(StringInfo json, const MlopsTrainOptions *options,
								   const MlopsValidated *validated);
extern char *mlops_metrics_json(const MlopsValidated *validated, const List *metrics);

#endif							/* MLOPS_SEARCH_H */
