/*-------------------------------------------------------------------------
 *
 * execute.h
 *	  Execution of a command as if a client had sent it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_WORKER_EXECUTE_H
#define MLOPS_WORKER_EXECUTE_H

#include "tcop/cmdtag.h"

/* what the last statement of a command did */
typedef struct MlopsExecuted
{
	CommandTag	tag;
	bool		has_rows;		/* it is of a kind that counts rows: */
	uint64		rows;
} MlopsExecuted;

extern void mlops_execute(const char *command, MlopsExecuted *executed);

#endif							/* MLOPS_WORKER_EXECUTE_H */
