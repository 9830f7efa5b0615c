/*-------------------------------------------------------------------------
 *
 * number.h
 *	  Decimal numbers to float4, exactly rounded, whatever the locale.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_NUMBER_H
#define MLOPS_FOREST_NUMBER_H

#include "c.h"

extern const char *mlops_parse_float(const char *text, const char *end, float *value);
extern const char *mlops_parse_integer(const char *text, const char *end, int64 *value);

#endif							/* MLOPS_FOREST_NUMBER_H */
