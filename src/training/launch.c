/*-------------------------------------------------------------------------
 *
 * launch.c
 *	  From a backend to a running mlops-trainer: fork and exec.
 *
 * What the child needs is computed before the fork.  Between fork and exec
 * it calls only functions that are safe in a signal handler, as it has the
 * backend's memory in whatever state that was, and it touches nothing of the
 * server's.  It keeps four descriptors; src/trainer/README.md has them.
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
#include <unistd.h>

#include "miscadmin.h"
#include "port.h"

#include "errors.h"
#include "guc.h"
#include "trainer/protocol.h"
#include "training/launch.h"

/* what the child needs */
typedef struct Launch
{
	const char *path;
	char	   *argv[2];
	char	   *envp[8];
	pid_t		parent;
	int			socket;
	int			null;			/* /dev/null */
	int			words;
	struct rlimit memory;
	int			nice;
	int			max_fd;
} Launch;

/*
 * In the child: say what failed, and end.
 */
pg_noreturn static void
child_failed(const char *what)
{
	char		number[16];
	char	   *digit = number + sizeof(number);
	int			code = errno;
	size_t		written = 0;

	*--digit = '\n';
	do
	{
		*--digit = '0' + code % 10;
		code /= 10;
	} while (code > 0);
	written += write(STDERR_FILENO, what, strlen(what));
	written += write(STDERR_FILENO, digit, number + sizeof(number) - digit);
	_exit(written > 0 ? 127 : 126);
}

/*
 * In the child: close every descriptor from 4 on.
 */
static void
close_others(const Launch *launch)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, MLOPS_TRAINER_SOCKET + 1, ~0U, 0) == 0)
		return;
#endif
	for (int fd = MLOPS_TRAINER_SOCKET + 1; fd < launch->max_fd; fd++)
		close(fd);
}

/*
 * In the child: become the trainer.  It shares nothing with the backend but
 * the socket and the file for its last words.  All signals are blocked, and
 * only functions that are safe in a signal handler may be called.
 */
pg_noreturn static void
become_trainer(const Launch *launch)
{
	static const char most_wanted[] = "1000\n";
	struct sigaction action;
	struct rlimit none = {0, 0};
	sigset_t	empty;
	int			fds[3];
	int			fd;

	/* away from the numbers that they shall get */
	fds[0] = fcntl(launch->null, F_DUPFD, MLOPS_TRAINER_SOCKET + 1);
	fds[1] = fcntl(launch->words, F_DUPFD, MLOPS_TRAINER_SOCKET + 1);
	fds[2] = fcntl(launch->socket, F_DUPFD, MLOPS_TRAINER_SOCKET + 1);
	if (dup2(fds[1], STDERR_FILENO) < 0)
		_exit(126);
	if (dup2(fds[0], STDIN_FILENO) < 0 || dup2(fds[0], STDOUT_FILENO) < 0 ||
		dup2(fds[2], MLOPS_TRAINER_SOCKET) < 0)
		child_failed("could not arrange descriptors: error ");
	close_others(launch);

	/* die with the backend, also if it has died meanwhile */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		child_failed("could not follow the server process: error ");
	if (getppid() != launch->parent)
		_exit(0);

	/* signals to the backend's group, as of pg_cancel_backend, are not for us */
	if (setpgid(0, 0) != 0)
		child_failed("could not make a process group: error ");

	if (setrlimit(RLIMIT_AS, &launch->memory) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
		child_failed("could not limit resources: error ");
	if (setpriority(PRIO_PROCESS, 0, launch->nice) != 0)
		child_failed("could not set priority: error ");

	/* if the kernel must kill, then this; where there is no /proc it decides alone */
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
	{
		if (write(fd, most_wanted, sizeof(most_wanted) - 1) < 0)
			errno = 0;
		close(fd);
	}

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_DFL;
	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		sigaction(signal_number, &action, NULL);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);

	execve(launch->path, launch->argv, launch->envp);
	child_failed("could not execute the program: error ");
}

/*
 * The program's path, palloc'd.  Error if it is not there.
 */
static char *
find_program(void)
{
	char		directory[MAXPGPATH];
	char		path[MAXPGPATH];

	strlcpy(directory, my_exec_path, sizeof(directory));
	get_parent_directory(directory);
	join_path_components(path, directory, MLOPS_TRAINER_PROGRAM);
	if (access(path, X_OK) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINER),
				 errmsg("could not execute program \"%s\": %m", path),
				 errhint("It is part of mlops and must be installed where the server's own programs are.")));
	return pstrdup(path);
}

/*
 * Prepare what the child needs, but for the descriptors.
 */
static void
prepare_launch(Launch *launch)
{
	rlim_t		memory = (rlim_t) mlops_train_memory_limit * 1024;
	struct rlimit limit;
	int			n = 0;
	int			nice;

	launch->path = find_program();
	launch->argv[0] = MLOPS_TRAINER_PROGRAM;
	launch->argv[1] = NULL;

	launch->envp[n++] = "LC_ALL=C";
	launch->envp[n++] = psprintf("OMP_NUM_THREADS=%d", mlops_train_threads);
	/* also for who asks libxgboost for more */
	launch->envp[n++] = psprintf("OMP_THREAD_LIMIT=%d", mlops_train_threads);
	/* do not burn the server's processors while there is nothing to do */
	launch->envp[n++] = "OMP_WAIT_POLICY=passive";
	/* each of malloc's arenas takes 64 MB of the address space */
	launch->envp[n++] = "MALLOC_ARENA_MAX=2";
	launch->envp[n] = NULL;

	launch->parent = MyProcPid;
	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_max < memory)
		memory = limit.rlim_max;
	launch->memory.rlim_cur = launch->memory.rlim_max = memory;
	launch->max_fd = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX ?
		(int) limit.rlim_cur : 1024 * 1024;

	/* it cannot be lower than the server's own */
	errno = 0;
	nice = getpriority(PRIO_PROCESS, 0);
	launch->nice = errno == 0 ? Max(nice, mlops_train_nice) : mlops_train_nice;
}

/*
 * Start a trainer with this end of the socket and this file for what it writes
 * to its standard error; both stay the caller's.  Returns its pid, which the
 * caller is to reap.  Error if it cannot be started; what fails after the fork
 * is in the file.
 */
pid_t
mlops_trainer_launch(int socket, int words)
{
	Launch		launch;
	sigset_t	all;
	sigset_t	before;
	pid_t		pid;
	int			error;

	prepare_launch(&launch);
	launch.socket = socket;
	launch.words = words;
	launch.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (launch.null < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open \"%s\": %m", "/dev/null")));

	/* the backend's handlers must not run in the child */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		become_trainer(&launch);
	error = errno;
	/* on both sides, so that it is done when either goes on */
	if (pid > 0)
		setpgid(pid, pid);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(launch.null);
	errno = error;
	if (pid < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not fork a training process: %m")));
	return pid;
}
