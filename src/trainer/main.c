/*-------------------------------------------------------------------------
 *
 * main.c
 *	  mlops-trainer: trains models for a server process, which started it and
 *	  talks to it through a socket.  README.md has the conversation.
 *
 * It reads that socket and the files that come through it, and nothing else.
 * Its own limits (memory, processor time's priority, no core file)
 * were set by the server before this program was executed.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "booster.h"
#include "folds.h"
#include "library.h"
#include "quantile.h"

/*
 * The server process is gone.  Status 0, as everywhere where we end because
 * of that: see wire.c.
 */
static void
server_gone(int signal_number)
{
	_exit(0);
}

/*
 * Arrange to end together with the server process.  Until here the kernel
 * would have killed us; the signal now is one that we can answer with a
 * status that nobody takes for a crash.  If we are stopped, it waits, but the
 * kernel then wakes us, as a process group that nobody can continue, with
 * SIGHUP.
 */
static void
follow_server(void)
{
	struct sigaction action = {.sa_handler = server_gone};

	if (sigaction(SIGTERM, &action, NULL) != 0 ||
		sigaction(SIGHUP, &action, NULL) != 0 ||
		prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
		wire_die(MLOPS_FAILURE_SYSTEM, "could not follow the server process: %s",
				 strerror(errno));
}

/*
 * Is our descriptor the socket that the server gives us?
 */
static bool
have_socket(void)
{
	int			type;
	socklen_t	size = sizeof(type);

	return getsockopt(MLOPS_TRAINER_SOCKET, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
		type == SOCK_STREAM;
}

/*
 * Exchange versions.
 */
static void
greet(void)
{
	Command		command;
	MlopsWireCursor cursor;
	uint32_t	version = 0;
	int			library[3];
	uint32_t	greeting[4];

	wire_receive(&command);
	cursor.next = command.body;
	cursor.end = command.body + command.length;
	if (command.type != MLOPS_WIRE_HELLO ||
		!mlops_wire_get(&cursor, &version, sizeof(version)))
		wire_die(MLOPS_FAILURE_PROTOCOL, "the server did not say hello");
	command_release(&command);

	XGBoostVersion(&library[0], &library[1], &library[2]);
	greeting[0] = MLOPS_PROTOCOL_VERSION;
	for (int i = 0; i < 3; i++)
		greeting[i + 1] = (uint32_t) library[i];
	wire_send(MLOPS_WIRE_GREETING, greeting, sizeof(greeting));

	/* our greeting has told the server why */
	if (version != MLOPS_PROTOCOL_VERSION)
		_exit(1);
}

/*
 * Report a failure; only what was refused leaves us fit for another command.
 */
static void
report(const Failure *failure)
{
	wire_send_failure(failure);
	if (failure->kind != MLOPS_FAILURE_REFUSED)
		_exit(1);
}

/*
 * Take commands until the server quits.
 */
static void
serve(void)
{
	Data		data = {0};
	Model		model = {0};

	for (;;)
	{
		Command		command;
		Failure		failure;

		wire_receive(&command);
		switch (command.type)
		{
			case MLOPS_WIRE_LOAD:
				model_release(&model);
				data_release(&data);
				if (data_load(&data, &command, &failure))
					wire_send(MLOPS_WIRE_LOADED, NULL, 0);
				else
				{
					data_release(&data);
					report(&failure);
				}
				break;

			case MLOPS_WIRE_QUANTISE:
				model_release(&model);
				data_release(&data);
				if (quantile_load(&data, &command, &failure))
					wire_send(MLOPS_WIRE_LOADED, NULL, 0);
				else
				{
					data_release(&data);
					report(&failure);
				}
				break;

			case MLOPS_WIRE_KEEP:
				model_release(&model);
				data_release(&data);
				if (folds_load(&data, &command, &failure))
					wire_send(MLOPS_WIRE_LOADED, NULL, 0);
				else
				{
					data_release(&data);
					report(&failure);
				}
				break;

			case MLOPS_WIRE_FOLD:
				if (data.folds == NULL)
					wire_die(MLOPS_FAILURE_PROTOCOL, "no rows are kept to choose folds of");
				model_release(&model);
				if (folds_choose(&data, &command, &failure))
					wire_send(MLOPS_WIRE_LOADED, NULL, 0);
				else
					report(&failure);
				break;

			case MLOPS_WIRE_TRAIN:
				if (data.train == NULL)
					wire_die(MLOPS_FAILURE_PROTOCOL, "nothing is loaded to train on");
				model_release(&model);
				if (model_train(&model, &data, &command, &failure))
				{
					uint32_t	result[] = {model.rounds, model.best_round};

					wire_send(MLOPS_WIRE_TRAINED, result, sizeof(result));
				}
				else
				{
					model_release(&model);
					report(&failure);
				}
				break;

			case MLOPS_WIRE_PREDICT:
				if (model.booster == NULL)
					wire_die(MLOPS_FAILURE_PROTOCOL, "nothing is trained to predict with");
				if (!model_predict(&model, &data, &command, &failure))
					report(&failure);
				break;

			case MLOPS_WIRE_SAVE:
				if (model.booster == NULL)
					wire_die(MLOPS_FAILURE_PROTOCOL, "nothing is trained to save");
				if (!model_send(&model, &failure))
					report(&failure);
				break;

			case MLOPS_WIRE_QUIT:
				/* what there is to free, the kernel frees faster */
				_exit(0);

			default:
				wire_die(MLOPS_FAILURE_PROTOCOL, "unexpected command \"%c\"",
						 (char) command.type);
		}
		command_release(&command);
	}
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
	{
		int			library[3];

		XGBoostVersion(&library[0], &library[1], &library[2]);
		printf("mlops-trainer (mlops) %s, libxgboost %d.%d.%d\n", MLOPS_VERSION,
			   library[0], library[1], library[2]);
		return 0;
	}
	if (argc > 1 || !have_socket())
	{
		fprintf(stderr, "%s: this program trains models for PostgreSQL, which starts it when it is needed\n",
				argv[0]);
		return 2;
	}
	follow_server();
	library_init();
	greet();
	serve();
}
