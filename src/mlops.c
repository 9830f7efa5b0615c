/*-------------------------------------------------------------------------
 *
 * mlops.c
 *	  The module: magic block and start of every area.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"

#include "audit/audit.h"
#include "audit/guard.h"
#include "forest/forest.h"
#include "guc.h"
#include "progress.h"
#include "registry/shared_cache.h"
#include "scoring/stat_models.h"
#include "shared.h"
#include "worker/hooks.h"
#include "worker/launcher.h"
#include "worker/state.h"

MLOPS_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/*
 * What a long batch of scores calls now and then.
 */
static void
check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * Called once in each process that loads the library.  No catalogue can be
 * read here: in the postmaster there is none.
 */
void
_PG_init(void)
{
	mlops_guc_init();
	mlops_audit_init();
	mlops_forest_check_set(check_interrupts);

	if (!process_shared_preload_libraries_in_progress)
		return;
	mlops_guard_init();
	mlops_shared_init();
	mlops_shared_cache_init();
	mlops_stat_models_init();
	mlops_progress_init();

	/* pg_upgrade brings up servers in which nothing may run by itself */
	if (IsBinaryUpgrade)
		return;
	mlops_worker_state_init();
	mlops_worker_hooks_init();
	mlops_launcher_init();
}
