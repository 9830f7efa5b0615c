/*-------------------------------------------------------------------------
 *
 * command.c
 *	  Running the command that takes checkpoints out of the database.
 *
 * mlops.checkpoint_command is a shell command, as archive_command is one: the
 * server's configuration names it, it runs as the account of the server, and
 * success is exit status 0.  The checkpoint is its standard input; what it
 * writes goes where the server's standard error goes.
 *
 * The wait for its end can be cancelled, and then the command and all that it
 * started are killed.  It dies with the backend, too.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/wait_event.h"

#include "audit/audit.h"
#include "audit/command.h"
#include "guc.h"

PG_FUNCTION_INFO_V1(mlops_send_checkpoint);

/* milliseconds between two looks at the command */
#define FIRST_DELAY		5
#define LAST_DELAY		100

/*
 * In the child: become the shell.  All signals are blocked, and only functions
 * that are safe in a signal handler may be called.
 */
pg_noreturn static void
become_shell(char *const *argv, int input, pid_t parent, int max_fd)
{
	struct sigaction action;
	sigset_t	empty;

	if (dup2(input, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		_exit(126);
#ifdef SYS_close_range
	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0)
#endif
		for (int fd = STDERR_FILENO + 1; fd < max_fd; fd++)
			close(fd);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || setpgid(0, 0) != 0)
		_exit(126);

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_DFL;
	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		sigaction(signal_number, &action, NULL);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	execv("/bin/sh", argv);
	_exit(127);
}

/*
 * Start the shell with one end of a pipe as its standard input; returns its
 * pid, which the caller is to reap.
 */
static pid_t
start_shell(const char *command, int input)
{
	char	   *argv[] = {"sh", "-c", unconstify(char *, command), NULL};
	struct rlimit limit;
	int			max_fd = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX ?
		(int) limit.rlim_cur : 1024 * 1024;
	pid_t		parent = MyProcPid;
	sigset_t	all;
	sigset_t	before;
	pid_t		pid;
	int			error;

	/* the backend's handlers must not run in the child */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		become_shell(argv, input, parent, max_fd);
	error = errno;
	/* on both sides, so that it is done when either goes on */
	if (pid > 0)
		setpgid(pid, pid);
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return pid;
}

/*
 * Wait for the end of a process, and return its status.  It is killed if the
 * wait is cancelled.
 */
static int
wait_for(pid_t pid)
{
	volatile int status = 0;

	PG_TRY();
	{
		long		delay = FIRST_DELAY;
		int			result;
		int			wait_status;

		while ((result = waitpid(pid, &wait_status, WNOHANG)) == 0 ||
			   (result < 0 && errno == EINTR))
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 delay, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
			delay = Min(2 * delay, LAST_DELAY);
		}
		if (result < 0)
			ereport(ERROR,
					(errcode(ERRCODE_SYSTEM_ERROR),
					 errmsg("could not wait for the checkpoint command: %m")));
		status = wait_status;
	}
	PG_CATCH();
	{
		kill(-pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		PG_RE_THROW();
	}
	PG_END_TRY();
	return status;
}

/*
 * Run a shell command with a short text, of less than a page, as its standard
 * input.  Error if it does not end with status 0.
 */
void
mlops_run_command(const char *command, const char *input)
{
	int			ends[2];
	int			status;
	pid_t		pid;

	if (pipe(ends) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not create a pipe: %m")));
	pid = start_shell(command, ends[0]);
	if (pid < 0)
	{
		int			error = errno;

		close(ends[0]);
		close(ends[1]);
		errno = error;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not fork for the checkpoint command: %m")));
	}
	close(ends[0]);
	/* it fits into the pipe; a command that does not read it says so by its status */
	if (write(ends[1], input, strlen(input)) < 0 && errno != EPIPE)
		elog(LOG, "could not write to the checkpoint command: %m");
	close(ends[1]);

	status = wait_for(pid);
	if (status != 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("checkpoint command failed: %s", wait_result_to_str(status)),
				 errdetail_log("The command was: %s", command),
				 errhint("The server's log has the command and what it wrote. The checkpoint was not recorded as issued.")));
}

/*
 * SQL: hand a checkpoint to mlops.checkpoint_command, in which %f stands for a
 * name of a file and %% for a percent sign.  For the private function that
 * records it; error if there is no command or it fails.
 */
Datum
mlops_send_checkpoint(PG_FUNCTION_ARGS)
{
	char	   *checkpoint = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	StringInfoData command;

	if (mlops_checkpoint_command[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no command for checkpoints"),
				 errhint("Set mlops.checkpoint_command in the configuration of the server, or store what mlops.audit_checkpoint() returns by other means.")));
	initStringInfo(&command);
	for (const char *c = mlops_checkpoint_command; *c != '\0'; c++)
	{
		if (c[0] == '%' && c[1] == 'f')
		{
			appendStringInfoString(&command, name);
			c++;
		}
		else
		{
			appendStringInfoChar(&command, *c);
			if (c[0] == '%' && c[1] == '%')
				c++;
		}
	}

	/* what leaves the database must be there after a crash */
	mlops_audit_flush();
	ereport(LOG,
			(errmsg("checkpoint of the audit log: %s", name),
			 errdetail("%s", checkpoint)));
	mlops_run_command(command.data, checkpoint);
	PG_RETURN_VOID();
}
