/*-------------------------------------------------------------------------
 *
 * number.h
 *	  Decimal numbers to float4 and back, exactly, whatever the locale.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_NUMBER_H
#define MLOPS_FOREST_NUMBER_H

#include "c.h"

/* what a number as text takes at most, with the zero at its end */
#define MLOPS_NUMBER_TEXT	24

extern const char *mlops_parse_float(const char *text, const char *end, float *value);
extern const char *mlops_parse_integer(const char *text, const char *end, int64 *value);
extern int	mlops_format_float(float value, char *text);
extern int	mlops_format_integer(int64 value, char *text);

#endif							/* MLOPS_FOREST_NUMBER_H */
