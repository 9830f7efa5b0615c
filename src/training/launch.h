/*-------------------------------------------------------------------------
 *
 * launch.h
 *	  From a backend to a running mlops-trainer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_LAUNCH_H
#define MLOPS_LAUNCH_H

#include <sys/types.h>

/* file name of the program, which is where the server's own programs are */
#define MLOPS_TRAINER_PROGRAM	"mlops-trainer"

extern pid_t mlops_trainer_launch(int socket, int words);

#endif							/* MLOPS_LAUNCH_H */
