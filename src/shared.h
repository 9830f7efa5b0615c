/*-------------------------------------------------------------------------
 *
 * shared.h
 *	  The memory that all processes of the cluster share, if preloaded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_SHARED_H
#define MLOPS_SHARED_H

#include "postgres.h"

#include "lib/dshash.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"

/* while the postmaster loads the library, in every process in the same order */
extern void mlops_shared_init(void);
extern int	mlops_shared_add_table(Size key_size, Size entry_size);

/* any time; false if the library was not preloaded, or at the end of a process */
extern bool mlops_shared_attach(void);

/* after mlops_shared_attach() was true */
extern dshash_table *mlops_shared_table(int number);
extern dsa_area *mlops_shared_bulk(void);
extern LWLock *mlops_shared_bulk_lock(void);
extern bool mlops_shared_try(void (*work) (void *arg), void *arg);

#endif							/* MLOPS_SHARED_H */
