/*-------------------------------------------------------------------------
 *
 * mlops.c
 *	  The module: magic block and start of every area.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "audit/audit.h"
#include "guc.h"

MLOPS_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/*
 * Called once in each process that loads the library.  No catalogue can be
 * read here: in the postmaster there is none.
 */
void
_PG_init(void)
{
	mlops_guc_init();
	mlops_audit_init();
}
