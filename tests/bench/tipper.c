/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/tipper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/bench/bench.h"

#define START_MS 60000
#define PAUSE_US 20000

/* Forks with pipes to standard input and output. True in the child. */
static bool begin(struct tipper *t)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		bench_broken("no pipe");
	t->pid = fork();
	if (t->pid < 0)
		bench_broken("no process");
	if (t->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(in[0], STDIN_FILENO) < 0 || dup2(out[1], STDOUT_FILENO) < 0)
			_exit(1);
		/* Else its own copy of the other end keeps its input open for ever. */
		(void)close(in[1]);
		return true;
	}
	(void)close(in[0]);
	(void)close(out[1]);
	t->orders = in[1];
	t->answers = fdopen(out[0], "r");
	if (t->answers == NULL)
		bench_broken("no pipe");
	return false;
}

bool tipper_has_fake(void)
{
	return access(FAKE_NODE, X_OK) == 0;
}

void tipper_fake(struct tipper *t, const char *socket)
{
	uint64_t deadline = clock_monotonic_ms() + START_MS;
	struct stat st;

	if (begin(t)) {
		/* Its own work must not keep the processor from those who are measured, nor from
		 * who looks at them. */
		if (nice(10) < 0)
			_exit(1);
		(void)execl(FAKE_NODE, FAKE_NODE, socket, "v31", (char *)NULL);
		_exit(127);
	}
	while (stat(socket, &st) != 0) {
		if (clock_monotonic_ms() > deadline || waitpid(t->pid, NULL, WNOHANG) != 0)
			bench_broken("the fake node does not start");
		(void)usleep(PAUSE_US);
	}
}

/* A line on standard output when the line that came in was obeyed; none, and the end, when not. */
static _Noreturn void obey(bool (*make)(void *context), void *context)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin) != NULL && make(context)) {
		if (puts("done") < 0 || fflush(stdout) != 0)
			break;
	}
	_exit(1);
}

static bool by_order(void *context)
{
	rig_new_tip(context);
	return true;
}

void tipper_embedded(struct tipper *t, const struct rig *r)
{
	struct error e = {0};
	struct rig own = *r;

	if (!begin(t))
		return;
	own.daemon.control = (struct control){.fd = -1};
	if (control_open(&own.daemon.control, own.daemon.socket, &e) != ADIT_OK)
		_exit(1);
	obey(by_order, &own);
}

/* Its output goes to standard error: standard output is for answers. */
static bool by_command(void *context)
{
	char command[1024];
	int n = snprintf(command, sizeof(command), "{ %s; } >&2 </dev/null", (const char *)context);

	return n > 0 && (size_t)n < sizeof(command) && system(command) == 0;
}

void tipper_command(struct tipper *t, const char *command)
{
	char copy[1024];

	if (!begin(t))
		return;
	(void)snprintf(copy, sizeof(copy), "%s", command);
	obey(by_command, copy);
}

void tipper_say(const struct tipper *t, const char *line)
{
	if (dprintf(t->orders, "%s\n", line) < 0)
		bench_broken("what makes the tips is gone");
}

void tipper_answer(const struct tipper *t)
{
	char line[256];

	if (fgets(line, sizeof(line), t->answers) == NULL)
		bench_broken("no tip could be made");
}

void tipper_stop(struct tipper *t)
{
	(void)kill(t->pid, SIGKILL);
	(void)waitpid(t->pid, NULL, 0);
	(void)close(t->orders);
	(void)fclose(t->answers);
	t->pid = 0;
}
