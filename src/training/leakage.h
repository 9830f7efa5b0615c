/*-------------------------------------------------------------------------
 *
 * leakage.h
 *	  Rules by which a feature is suspected to tell the label.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_LEAKAGE_H
#define MLOPS_LEAKAGE_H

#include "postgres.h"

/* AUC of a feature alone, or correlation with a label that is a number */
#define MLOPS_LEAKAGE_LIMIT		0.95

/* with more distinct values the mean label of each says nothing */
#define MLOPS_LEAKAGE_VALUES	100

/* NULL in one class alone is reported if chance would give it less often */
#define MLOPS_LEAKAGE_CHANCE	0.001

extern bool mlops_leakage_nulls(const int64 *rows, const int64 *nulls);

#endif							/* MLOPS_LEAKAGE_H */
