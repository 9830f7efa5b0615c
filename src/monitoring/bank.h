/*-------------------------------------------------------------------------
 *
 * bank.h
 *	  Weight of evidence, for the C of other areas.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_BANK_H
#define MLOPS_BANK_H

#include "c.h"

extern double mlops_weight_of_evidence(int64 bin_goods, int64 bin_bads, double goods, double bads, double *iv);

#endif							/* MLOPS_BANK_H */
