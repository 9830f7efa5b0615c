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

#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "audit/checkpoint.h"
#include "forest/forest.h"
#include "guc.h"
#include "worker/clock.h"
#include "worker/state.h"

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
int			mlops_train_max_processes = 4;
char	   *mlops_experiment = NULL;
char	   *mlops_asserted_user = NULL;
bool		mlops_protect_records = true;
char	   *mlops_checkpoint_command = NULL;
char	   *mlops_checkpoint_origin = NULL;
int			mlops_checkpoint_max_age = 0;
bool		mlops_preloaded = false;
int			mlops_required_approvals = 0;
char	   *mlops_protected_aliases = NULL;
int			mlops_approval_lifetime = 7 * SECS_PER_DAY;
bool		mlops_require_change_ref = false;
int			mlops_ratification_period = SECS_PER_DAY;
bool		mlops_allow_session_authorization = false;
bool		mlops_scheduler = true;
int			mlops_max_running_jobs = 4;
int			mlops_max_running_jobs_per_database = 4;
int			mlops_crash_delay = 300;
int			mlops_job_run_retention = 90 * 24 * 60;
bool		mlops_superuser_jobs = true;
static int	silent_after = 3;
static int	simd = SIMD_AUTO;

/* known to clock.c alone, by its assign hook */
static char *debug_clock = NULL;

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

	DefineCustomIntVariable("mlops.train_max_processes",
							"Training processes that may run at the same time in all databases together.",
							"Other trainings wait for their turn.",
							&mlops_train_max_processes,
							4, 1, 1024,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomStringVariable("mlops.asserted_user",
							   "Person on whose behalf the application acts, as it says itself.",
							   "Recorded in the audit log beside the roles that the server knows; nothing checks it.",
							   &mlops_asserted_user,
							   "",
							   PGC_USERSET, 0,
							   NULL, NULL, NULL);

	DefineCustomBoolVariable("mlops.protect_records",
							 "Refuses statements, also of superusers, that would change records or take their guards away.",
							 "Needs mlops in shared_preload_libraries.",
							 &mlops_protect_records,
							 true,
							 process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("mlops.checkpoint_command",
							   "Shell command to which mlops.push_checkpoint() gives a checkpoint of the audit log.",
							   "The checkpoint is its standard input; %f stands for a name for a file.",
							   &mlops_checkpoint_command,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("mlops.checkpoint_origin",
							   "What the origin line of the checkpoints of the audit log begins with.",
							   NULL,
							   &mlops_checkpoint_origin,
							   "mlops",
							   PGC_SIGHUP, 0,
							   mlops_check_checkpoint_origin, NULL, NULL);

	DefineCustomIntVariable("mlops.checkpoint_max_age",
							"Time after which mlops.verify_audit() reports events that no checkpoint covers.",
							"0 is never.",
							&mlops_checkpoint_max_age,
							0, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);

	/*
	 * What the settings below say holds for all databases and users, so that
	 * no session can have it otherwise for itself.  But for the last one, whose
	 * default is the strict one, src/governance/settings.c reads them.
	 */
	mlops_preloaded = process_shared_preload_libraries_in_progress;
	DefineCustomIntVariable("mlops.required_approvals",
							"Approvals that a change of a protected alias needs, unless a policy says otherwise.",
							"0 lets everybody who may manage a model promote alone.",
							&mlops_required_approvals,
							0, 0, 20,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomStringVariable("mlops.protected_aliases",
							   "Aliases whose changes need mlops.required_approvals, unless a policy says otherwise.",
							   "A list with commas; * is every alias.",
							   &mlops_protected_aliases,
							   MLOPS_PROTECTED_ALIASES,
							   PGC_SIGHUP, 0,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("mlops.approval_lifetime",
							"Time from the opening of a request after which it and its approvals expire, unless a policy says otherwise.",
							NULL,
							&mlops_approval_lifetime,
							7 * SECS_PER_DAY, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("mlops.require_change_ref",
							 "Whether a promotion to a protected alias must name a change number, unless a policy says otherwise.",
							 NULL,
							 &mlops_require_change_ref,
							 false,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("mlops.ratification_period",
							"Time in which a rollback or suspension that one person made is to be ratified by another.",
							"After it mlops.safety_actions shows it as overdue.",
							&mlops_ratification_period,
							SECS_PER_DAY, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("mlops.allow_session_authorization",
							 "Whether a session whose user was set by SET SESSION AUTHORIZATION may approve.",
							 "Off, only a role that has logged in itself may. On is for application servers that log in as a superuser and set the user of each session.",
							 &mlops_allow_session_authorization,
							 false,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("mlops.experiment",
							   "Experiment that runs of this session become part of.",
							   "It is created by the first of them; empty is none.",
							   &mlops_experiment,
							   "",
							   PGC_USERSET, 0,
							   NULL, NULL, NULL);

	DefineCustomBoolVariable("mlops.scheduler",
							 "Starts the jobs that are due.",
							 "Turned off, no new run begins in any database; what runs is not stopped.",
							 &mlops_scheduler,
							 true,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("mlops.max_running_jobs",
							"Jobs that may run at the same time in all databases together.",
							"Each takes one of max_worker_processes, as do the launcher and each scheduler.",
							&mlops_max_running_jobs,
							4, 1, MLOPS_MAX_JOB_WORKERS,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlops.max_running_jobs_per_database",
							"Jobs that may run at the same time in one database.",
							NULL,
							&mlops_max_running_jobs_per_database,
							4, 1, MLOPS_MAX_JOB_WORKERS,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlops.crash_delay",
							"Shortest time after which a run that may have crashed the server is tried again.",
							"It leaves time to disable the job.",
							&mlops_crash_delay,
							300, 0, 86400,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlops.job_run_retention",
							"Time for which finished runs of jobs are kept.",
							"0 keeps them for ever. The last run of a job is always kept.",
							&mlops_job_run_retention,
							90 * 24 * 60, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MIN,
							NULL, NULL, NULL);

	/* read in SQL, by _silent_at() */
	DefineCustomIntVariable("mlops.silent_after",
							"Scheduled times without a success after which a job is reported as silent.",
							"0 is never.",
							&silent_after,
							3, 0, 1000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("mlops.superuser_jobs",
							 "Runs jobs whose owner is a superuser.",
							 NULL,
							 &mlops_superuser_jobs,
							 true,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("mlops.debug_clock",
							   "Time at which the clock of the scheduler stands, for tests.",
							   "Empty lets it go; otherwise a time of the form YYYY-MM-DD HH:MM:SS in UTC.",
							   &debug_clock,
							   "",
							   PGC_SUSET, GUC_NOT_IN_SAMPLE,
							   mlops_clock_check, mlops_clock_assign, NULL);

	MarkGUCPrefixReserved("mlops");
}
