/*-------------------------------------------------------------------------
 *
 * command.h
 *	  Running the command that takes checkpoints out of the database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_AUDIT_COMMAND_H
#define MLOPS_AUDIT_COMMAND_H

extern void mlops_run_command(const char *command, const char *input);

#endif							/* MLOPS_AUDIT_COMMAND_H */
