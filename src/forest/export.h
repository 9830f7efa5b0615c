/*-------------------------------------------------------------------------
 *
 * export.h
 *	  Writes a model file in another format.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_EXPORT_H
#define MLOPS_FOREST_EXPORT_H

#include "forest/forest.h"

/* takes the next bytes of the text; need not return, see MlopsForestEnv */
typedef void (*MlopsExportWrite) (void *arg, const char *text, size_t len);

extern bool mlops_export_json(const void *bytes, size_t len, const MlopsForestEnv *env,
							  MlopsExportWrite write, void *arg, MlopsForestError *error);

#endif							/* MLOPS_FOREST_EXPORT_H */
