/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CRASH_FRAMES 48

#if defined(__SANITIZE_ADDRESS__)
#define CRASH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CRASH_SANITIZER 1
#endif
#endif

static char crash_name[64];
static char crash_line[256];
static size_t crash_size;

/* All of this runs in the signal handler: async-signal-safe calls only. (backtrace() allocates when
 * it is called for the first time, which crash_install() has done.) */
static void crash_put(const char *text)
{
	while (*text != '\0' && crash_size < sizeof(crash_line))
		crash_line[crash_size++] = *text++;
}

/* In one call, since several processes that die at once share the log. */
static void crash_write_line(void)
{
	if (write(STDERR_FILENO, crash_line, crash_size) < 0)
		return;
}

static const char *crash_signal_name(int number)
{
	switch (number) {
	case SIGSEGV:
		return "SIGSEGV";
	case SIGBUS:
		return "SIGBUS";
	case SIGILL:
		return "SIGILL";
	case SIGFPE:
		return "SIGFPE";
	case SIGABRT:
		return "SIGABRT";
	default:
		return "signal";
	}
}

static void crash_put_hex(uintptr_t value)
{
	char digits[2 + 2 * sizeof(value) + 1];
	char *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do {
		*--at = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value != 0);
	*--at = 'x';
	*--at = '0';
	crash_put(at);
}

static void crash_handle(int number, siginfo_t *info, void *context)
{
	void *frames[CRASH_FRAMES];
	int count;

	(void)context;
	crash_size = 0;
	crash_put("fatal ");
	crash_put(crash_name);
	crash_put(": ");
	crash_put(crash_signal_name(number));
	if (number != SIGABRT) {
		crash_put(" at address ");
		crash_put_hex((uintptr_t)info->si_addr);
	}
	crash_put("\n");
	crash_write_line();
	count = backtrace(frames, CRASH_FRAMES);
	backtrace_symbols_fd(frames, count, STDERR_FILENO);
	(void)raise(number); /* SA_RESETHAND: the default action this time */
}

void crash_install(const char *name)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	struct sigaction action;
	void *frame[1];

	(void)snprintf(crash_name, sizeof(crash_name), "%s", name);
#ifdef CRASH_SANITIZER
	return; /* its own report says more */
#endif
	(void)backtrace(frame, 1);
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = crash_handle;
	action.sa_flags = SA_SIGINFO | (int)SA_RESETHAND | SA_NODEFER;
	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaction(signals[i], &action, NULL);
}
