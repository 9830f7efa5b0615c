/*-------------------------------------------------------------------------
 *
 * state.h
 *	  What launcher, schedulers and job workers know of each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_WORKER_STATE_H
#define MLOPS_WORKER_STATE_H

#include "datatype/timestamp.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

/* jobs that can run at the same time, whatever the settings */
#define MLOPS_MAX_JOB_WORKERS	256

/* databases that the launcher can serve */
#define MLOPS_MAX_DATABASES		1024

/* bgw_type of the processes, which pg_stat_activity shows as backend_type */
#define MLOPS_LAUNCHER_TYPE		"mlops launcher"
#define MLOPS_SCHEDULER_TYPE	"mlops scheduler"
#define MLOPS_JOB_TYPE			"mlops job"

typedef enum MlopsSlotState
{
	MLOPS_SLOT_ASLEEP,			/* no scheduler until next_due, or woken */
	MLOPS_SLOT_STARTING,		/* registered, not yet attached */
	MLOPS_SLOT_RUNNING,			/* its scheduler is there */
	MLOPS_SLOT_FAILED			/* it ended in another way than by itself */
} MlopsSlotState;

/* a database */
typedef struct MlopsSlot
{
	Oid			database;		/* InvalidOid if the slot is free */
	MlopsSlotState state;
	pid_t		scheduler;		/* 0 if none is attached */
	Latch	   *latch;			/* of the scheduler */
	bool		woken;			/* its tables have changed */
	TimestampTz next_due;		/* by the clock of jobs; DT_NOEND for never */
	TimestampTz since;			/* of the state */
	TimestampTz heartbeat;		/* when the scheduler last looked, by the clock of jobs */
	TimestampTz hold_until;		/* nobody may enter before */
	int			failures;		/* of schedulers, in a row */
	bool		waiting;		/* for the end of a worker of any database */
	bool		told;			/* that the database is read-only */
} MlopsSlot;

/* a job worker, from its reservation to its end */
typedef struct MlopsEntry
{
	bool		used;
	Oid			database;
	int64		run;
	pid_t		pid;			/* 0 until it has started */
	TimestampTz since;
} MlopsEntry;

typedef struct MlopsWorkerState
{
	LWLock	   *lock;			/* protects all that follows */
	pid_t		launcher;
	Latch	   *launcher_latch;
	TimestampTz launcher_heartbeat; /* by the clock of jobs */
	bool		rescan;			/* databases came or went */
	MlopsSlot	slots[MLOPS_MAX_DATABASES];
	MlopsEntry	entries[MLOPS_MAX_JOB_WORKERS];
} MlopsWorkerState;

/* NULL if the library was not preloaded */
extern MlopsWorkerState *mlops_worker_state;

extern void mlops_worker_state_init(void);

/* under the lock */
extern MlopsSlot *mlops_slot_of(Oid database);
extern void mlops_wake_launcher(void);
extern void mlops_entry_free(MlopsEntry *entry);

/* take and release the lock */
extern void mlops_wake_database(Oid database);
extern void mlops_hold_database(Oid database);
extern void mlops_release_database(Oid database);
extern void mlops_restart_scheduler(Oid database);
extern bool mlops_database_is_held(Oid database);
extern void mlops_rescan_databases(void);
extern int	mlops_entry_reserve(Oid database);
extern void mlops_entry_release(int number);

#endif							/* MLOPS_WORKER_STATE_H */
