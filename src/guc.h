/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  The settings of mlops.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_GUC_H
#define MLOPS_GUC_H

extern int	mlops_local_cache_size; /* kB */
extern int	mlops_shared_cache_size;	/* kB; 0 is off */
extern int	mlops_train_memory_limit;	/* kB */
extern int	mlops_train_threads;
extern int	mlops_train_nice;
extern int	mlops_train_max_processes;
extern char *mlops_asserted_user;
extern bool mlops_protect_records;
extern char *mlops_checkpoint_command;
extern char *mlops_checkpoint_origin;
extern int	mlops_checkpoint_max_age;	/* s */

/* what mlops.protected_aliases is if nobody sets it */
#define MLOPS_PROTECTED_ALIASES	"champion"

/* the settings below are those of all sessions only if this is true */
extern bool mlops_preloaded;
extern int	mlops_required_approvals;
extern char *mlops_protected_aliases;
extern int	mlops_approval_lifetime;	/* s */
extern bool mlops_require_change_ref;
extern int	mlops_ratification_period;	/* s */
extern bool mlops_allow_session_authorization;
extern char *mlops_experiment;

extern bool mlops_scheduler;
extern int	mlops_max_running_jobs;
extern int	mlops_max_running_jobs_per_database;
extern int	mlops_crash_delay;	/* s */
extern int	mlops_job_run_retention;	/* min; 0 keeps all */
extern bool mlops_superuser_jobs;

extern void mlops_guc_init(void);

#endif							/* MLOPS_GUC_H */
