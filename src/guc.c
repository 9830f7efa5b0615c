/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The settings of mlops: every one of them is defined here, and described
 *	  for the DBA in doc/settings.md.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <limits.h>

#include "utils/guc.h"

#include "forest/forest.h"
#include "guc.h"

/* mlops.simd: the best that the machine has */
#define SIMD_AUTO	MLOPS_NUM_SIMD

static const struct config_enum_entry simd_options[] = {
	{"auto", SIMD_AUTO, false},
	{"avx512", MLOPS_SIMD_AVX512, false},
	{"avx2", MLOPS_SIMD_AVX2, false},
	{"plain", MLOPS_SIMD_PLAIN, false},
	{NULL, 0, false}
};

int			mlops_local_cache_size = 65536;
int			mlops_shared_cache_size = 262144;
int			mlops_train_memory_limit = 4194304;
int			mlops_train_threads = 1;
int			mlops_train_nice = 5;
char	   *mlops_asserted_user = NULL;
static int	simd = SIMD_AUTO;

/*
 * Refuse an instruction set that the machine lacks.
 */
static bool
check_simd(int *newval, void **extra, GucSource source)
{
	if (*newval == SIMD_AUTO || mlops_forest_simd_supported(*newval))
		return true;
	GUC_check_errdetail("The processor of this machine has no %s.",
						*newval == MLOPS_SIMD_AVX512 ? "AVX-512 (F and BW)" : "AVX2");
	GUC_check_errhint("Available are auto, %splain.",
					  mlops_forest_simd_supported(MLOPS_SIMD_AVX2) ? "avx2, " : "");
	return false;
}

static void
assign_simd(int newval, void *extra)
{
	mlops_forest_simd_set(newval == SIMD_AUTO ? mlops_forest_simd_best() : (MlopsSimd) newval);
}

/*
 * Define the settings and reserve their prefix, so that a misspelt one is an
 * error.
 */
void
mlops_guc_init(void)
{
	DefineCustomIntVariable("mlops.local_cache_size",
							"Memory that one session may use to keep models ready for scoring.",
							"The least recently used models are dropped beyond it; the ones that a running query uses stay.",
							&mlops_local_cache_size,
							65536, 1024, INT_MAX,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlops.shared_cache_size",
							"Shared memory that all sessions together may use to keep models ready for scoring.",
							"Needs mlops in shared_preload_libraries; 0 turns it off. The least recently used models that no query uses are removed beyond it.",
							&mlops_shared_cache_size,
							262144, 0, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomEnumVariable("mlops.simd",
							 "Vector instructions that scoring of many rows uses.",
							 "All give the same scores, bit for bit; auto takes the best that the machine has.",
							 &simd,
							 SIMD_AUTO, simd_options,
							 PGC_USERSET, 0,
							 check_simd, assign_simd, NULL);

	DefineCustomIntVariable("mlops.train_memory_limit",
							"Address space that one training process may use.",
							"A training that needs more fails with an error; the server is not affected.",
							&mlops_train_memory_limit,
							4194304, 65536, INT_MAX,
							PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlops.train_threads",
							"Threads that one training process may use.",
							NULL,
							&mlops_train_threads,
							1, 1, 1024,
							PGC_SUSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlops.train_nice",
							"Nice value of training processes.",
							"A higher value leaves more of the processors to the server.",
							&mlops_train_nice,
							5, 0, 19,
							PGC_SUSET, 0,
							NULL, NULL, NULL);

	DefineCustomStringVariable("mlops.asserted_user",
							   "Person on whose behalf the application acts, as it says itself.",
							   "Recorded in the audit log beside the roles that the server knows; nothing checks it.",
							   &mlops_asserted_user,
							   "",
							   PGC_USERSET, 0,
							   NULL, NULL, NULL);

	MarkGUCPrefixReserved("mlops");
}
