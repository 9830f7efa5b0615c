/*-------------------------------------------------------------------------
 *
 * library.h
 *	  libxgboost's errors and messages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_LIBRARY_H
#define MLOPS_LIBRARY_H

#include "wire.h"

extern void library_init(void);
extern void library_begin(void);
extern bool library_failed(Failure *failure);
extern bool library_check_unused(Failure *failure);

#endif							/* MLOPS_LIBRARY_H */
