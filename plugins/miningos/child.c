/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_CHANNEL_FD 3
#define CHILD_EXEC_FAILED 127

/* Between fork and exec: async-signal-safe calls only. */
static _Noreturn void child_exec(int channel, int output, pid_t parent, const char *program,
				 char *const argv[], char *const envp[], const char *directory)
{
	const struct rlimit none = {0};
	sigset_t empty;
	int null;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	(void)sigemptyset(&empty);
	(void)sigprocmask(SIG_SETMASK, &empty, NULL);
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before that */
		_exit(CHILD_EXEC_FAILED);
	(void)setrlimit(RLIMIT_CORE, &none); /* there would be keys in it */
	/* out of the way of where they go */
	channel = fcntl(channel, F_DUPFD_CLOEXEC, CHILD_CHANNEL_FD + 1);
	output = fcntl(output, F_DUPFD_CLOEXEC, CHILD_CHANNEL_FD + 1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(output, STDERR_FILENO) < 0 || dup2(channel, CHILD_CHANNEL_FD) < 0 ||
	    chdir(directory) != 0)
		_exit(CHILD_EXEC_FAILED);
	if (null == STDIN_FILENO)
		(void)fcntl(null, F_SETFD, 0);
	/* all of ours are close-on-exec; this is for those of libraries that forgot it */
	(void)syscall(SYS_close_range, CHILD_CHANNEL_FD + 1, ~0U, 0);
	(void)execve(program, argv, envp);
	_exit(CHILD_EXEC_FAILED);
}

static void child_close(struct child *c)
{
	int *const all[] = {&c->channel, &c->output, &c->exit};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (*all[i] >= 0)
			(void)close(*all[i]);
		*all[i] = -1;
	}
}

static bool child_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

int32_t child_start(struct child *c, const char *program, char *const argv[], char *const envp[],
		    const char *directory, struct error *e)
{
	int channel[2];
	int output[2];
	pid_t parent = getpid();

	*c = (struct child){.channel = -1, .output = -1, .exit = -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
		return error_set(e, ADIT_E_IO, "socketpair: %s", strerror(errno));
	if (pipe2(output, O_CLOEXEC) != 0) {
		(void)close(channel[0]);
		(void)close(channel[1]);
		return error_set(e, ADIT_E_IO, "pipe: %s", strerror(errno));
	}
	c->channel = channel[0];
	c->output = output[0];
	if (child_nonblocking(c->channel) && child_nonblocking(c->output))
		c->pid = fork();
	else
		c->pid = -1;
	if (c->pid == 0)
		child_exec(channel[1], output[1], parent, program, argv, envp, directory);
	(void)close(channel[1]);
	(void)close(output[1]);
	if (c->pid < 0) {
		c->pid = 0;
		child_close(c);
		return error_set(e, ADIT_E_IO, "fork: %s", strerror(errno));
	}
	(void)setpgid(c->pid, c->pid); /* as the child does: whoever comes first */
	c->exit = (int)syscall(SYS_pidfd_open, c->pid, 0);
	return ADIT_OK;
}

void child_kill(const struct child *c)
{
	if (c->pid > 0 && kill(-c->pid, SIGKILL) != 0)
		(void)kill(c->pid, SIGKILL);
}

/* True when it has ended; it stays a zombie, so that its number remains its own. */
static bool child_look(const struct child *c, int flags)
{
	siginfo_t info = {0};
	int got;

	do
		got = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT | flags);
	while (got != 0 && errno == EINTR);
	return got != 0 || info.si_pid != 0;
}

bool child_ended(const struct child *c)
{
	return child_look(c, WNOHANG);
}

void child_wait(struct child *c, char *why, size_t size)
{
	int status = 0;

	(void)child_look(c, 0);
	(void)kill(-c->pid, SIGKILL);
	if (waitpid(c->pid, &status, 0) != c->pid)
		(void)snprintf(why, size, "waitpid: %s", strerror(errno));
	else if (WIFSIGNALED(status))
		(void)snprintf(why, size, "killed by signal %d", WTERMSIG(status));
	else
		(void)snprintf(why, size, "exit status %d", WEXITSTATUS(status));
	c->pid = 0;
	child_close(c);
}
