/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/functional/tracer.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#include "tests/functional/harness.h"

#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)
#define SYSCALL_STOP (SIGTRAP | 0x80)

static long trace(int request, pid_t pid, long address, long data)
{
	/* The request's type differs between C libraries. */
	return ptrace((enum __ptrace_request)request, pid, (void *)address, (void *)data);
}

bool tracer_permitted(void)
{
	struct ptrace_syscall_info info;
	bool good = false;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	if (pid > 0 && trace(PTRACE_SEIZE, pid, 0, OPTIONS) == 0 &&
	    trace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid &&
	    WIFSTOPPED(status))
		good = trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (long)&info) > 0;
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, __WALL);
	}
	return good;
}

void tracer_seize(pid_t pid)
{
	int status;

	must(trace(PTRACE_SEIZE, pid, 0, OPTIONS) == 0, "process %d can't be traced: %s", (int)pid,
	     strerror(errno));
	must(trace(PTRACE_INTERRUPT, pid, 0, 0) == 0, "PTRACE_INTERRUPT: %s", strerror(errno));
	must(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status),
	     "the traced process does not stop");
}

void tracer_next(pid_t pid, struct tracer_stop *stop)
{
	struct ptrace_syscall_info info;
	long signal_number = 0;
	int status;

	for (;;) {
		must(trace(PTRACE_SYSCALL, pid, 0, signal_number) == 0, "PTRACE_SYSCALL: %s",
		     strerror(errno));
		must(waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status),
		     "the traced process has ended by itself (%#x)", (unsigned)status);
		if (WSTOPSIG(status) == SYSCALL_STOP)
			break;
		signal_number = status >> 16 == 0 ? WSTOPSIG(status) : 0;
	}
	must(trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (long)&info) > 0,
	     "PTRACE_GET_SYSCALL_INFO: %s", strerror(errno));
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		stop->entry = true;
		stop->nr = (long)info.entry.nr;
		for (int i = 0; i < 6; i++)
			stop->args[i] = info.entry.args[i];
		return;
	}
	/* The number and arguments of an exit are those of the entry before. */
	stop->entry = false;
	stop->result = info.exit.rval;
}

void tracer_kill(pid_t pid)
{
	int status;

	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	must(waitpid(pid, &status, __WALL) == pid && WIFSIGNALED(status) &&
		 WTERMSIG(status) == SIGKILL,
	     "the process did not die of the signal");
}

void tracer_release(pid_t pid)
{
	must(trace(PTRACE_DETACH, pid, 0, 0) == 0, "PTRACE_DETACH: %s", strerror(errno));
}

const char *tracer_name(long nr)
{
	static const struct {
		long nr;
		const char *name;
	} names[] = {
	    {SYS_recvfrom, "recv"},
	    {SYS_read, "read"},
	    {SYS_write, "write"},
	    {SYS_sendto, "send"},
	    {SYS_sendmsg, "sendmsg"},
	    {SYS_fdatasync, "fdatasync"},
	    {SYS_openat, "openat"},
	    {SYS_close, "close"},
	    {SYS_renameat2, "rename"},
	    {SYS_epoll_pwait, "epoll_pwait"},
	    {SYS_epoll_ctl, "epoll_ctl"},
	    {SYS_writev, "writev"},
	    {SYS_brk, "brk"},
	    {SYS_mmap, "mmap"},
	    {SYS_munmap, "munmap"},
	    {SYS_readv, "readv"},
#ifdef SYS_rename
	    {SYS_rename, "rename"},
#endif
#ifdef SYS_unlink
	    {SYS_unlink, "unlink"},
#endif
#ifdef SYS_epoll_wait
	    {SYS_epoll_wait, "epoll_wait"},
#endif
	};
	static char number[16];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].nr == nr)
			return names[i].name;
	snprintf(number, sizeof(number), "#%ld", nr);
	return number;
}

void tracer_descriptor(pid_t pid, int fd, char *out, size_t capacity)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, out, capacity - 1);
	out[n > 0 ? n : 0] = '\0';
}

/* The inode of the socket bound to SERVER_PORT whose peer has CLIENT_PORT, in /proc/net/tcp. */
static unsigned long tcp_inode(uint16_t server_port, uint16_t client_port)
{
	FILE *f = fopen("/proc/net/tcp", "r");
	unsigned long inode = 0;
	char line[512];

	while (f != NULL && inode == 0 && fgets(line, sizeof(line), f) != NULL) {
		unsigned local, remote;
		unsigned long found;

		if (sscanf(line, " %*d: %*8x:%4x %*8x:%4x %*x %*x:%*x %*x:%*x %*x %*d %*d %lu",
			   &local, &remote, &found) == 3 &&
		    local == server_port && remote == client_port)
			inode = found;
	}
	if (f != NULL)
		fclose(f);
	return inode;
}

int tracer_find_tcp(pid_t pid, uint16_t server_port, uint16_t client_port)
{
	char wanted[48], found[64];

	snprintf(wanted, sizeof(wanted), "socket:[%lu]", tcp_inode(server_port, client_port));
	for (int fd = 0; fd < 1024; fd++) {
		tracer_descriptor(pid, fd, found, sizeof(found));
		if (strcmp(found, wanted) == 0)
			return fd;
	}
	must(false, "the connection is not there");
	return -1;
}

bool tracer_peek(pid_t pid, uint64_t address, void *out, size_t size)
{
	struct iovec here = {.iov_base = out, .iov_len = size};
	struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}
