/*-------------------------------------------------------------------------
 *
 * turn.c
 *	  Not more than mlops.train_max_processes training processes at a time.
 *
 * There are as many places as processes may run in the whole server; each is
 * an advisory lock, of a kind that no function of SQL can ask for, which its
 * session holds as long as its training process lives.  Who finds no place
 * holds another such lock, the door, and looks again from time to time; the
 * next ones wait for the door, in the order in which they came.  So the queue
 * is in pg_locks, waiting can be cancelled, and nothing needs preload.
 *
 * Nobody who has a place waits for a lock: what is to be read is read before,
 * and what is registered is registered after.  That is why waiting for a place
 * cannot be part of a deadlock that the server would not see.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/wait_event.h"

#include "guc.h"
#include "training/turn.h"

/* fourth field of an advisory lock; SQL uses 1 and 2 */
#define PLACE_LOCK	0x4d50
#define DOOR_LOCK	0x4d51

/* ms between two looks */
#define INTERVAL	100

static void
place_tag(LOCKTAG *tag, int number)
{
	SET_LOCKTAG_ADVISORY(*tag, InvalidOid, 0, number, PLACE_LOCK);
}

/*
 * The number of a place that was free and is ours now, or -1.
 */
static int
try_places(void)
{
	for (int number = 1; number <= mlops_train_max_processes; number++)
	{
		LOCKTAG		tag;

		place_tag(&tag, number);
		switch (LockAcquire(&tag, ExclusiveLock, true, true))
		{
			case LOCKACQUIRE_NOT_AVAIL:
				break;
			case LOCKACQUIRE_OK:
				return number;
			default:
				/* this session has it for another process */
				LockRelease(&tag, ExclusiveLock, true);
				break;
		}
	}
	return -1;
}

/*
 * Wait until there is a place for another process, and take it.  It belongs to
 * the session, over commits and errors, until it is given back.
 */
int
mlops_turn_take(MlopsProgress *progress)
{
	LOCKTAG		door;
	int			number;

	SET_LOCKTAG_ADVISORY(door, InvalidOid, 0, 0, DOOR_LOCK);
	mlops_progress_phase(progress, MLOPS_PHASE_WAITING, -1);
	(void) LockAcquire(&door, ExclusiveLock, false, false);
	while ((number = try_places()) < 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 INTERVAL, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	LockRelease(&door, ExclusiveLock, false);
	mlops_progress_phase(progress, MLOPS_PHASE_PREPARING, -1);
	return number;
}

/*
 * The process has ended.  Raises nothing: it runs in the cleanup of errors.
 */
void
mlops_turn_give_back(int number)
{
	LOCKTAG		tag;

	place_tag(&tag, number);
	LockRelease(&tag, ExclusiveLock, true);
}
