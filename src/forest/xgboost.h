/*-------------------------------------------------------------------------
 *
 * xgboost.h
 *	  What the parts of the reader of XGBoost's files share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_XGBOOST_H
#define MLOPS_FOREST_XGBOOST_H

#include "forest/build.h"
#include "forest/reader.h"

extern const char *const mlops_xgboost_newer_hint;

extern bool mlops_xgboost_unknown(MlopsReader *reader, const MlopsText *key,
								  const char *where);
extern bool mlops_xgboost_missing(MlopsReader *reader, const char *what);
extern bool mlops_xgboost_word(MlopsReader *reader, char *buffer, size_t size,
							   const char *what);
extern bool mlops_xgboost_parameter(MlopsReader *reader, const char *what,
									int64 low, int64 high, int64 *value);

extern bool mlops_xgboost_trees(MlopsReader *reader, MlopsBuild *build);
extern bool mlops_xgboost_categories(MlopsReader *reader, MlopsBuild *build);
extern bool mlops_xgboost_check_categories(MlopsReader *reader, MlopsBuild *build);

#endif							/* MLOPS_FOREST_XGBOOST_H */
