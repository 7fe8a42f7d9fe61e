/* SPDX-License-Identifier: MIT */
/* common.c: what all commands share. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <stdio.h>

#include "host/aditctl/text.h"

static volatile sig_atomic_t came;
static sigset_t wait_mask;

int command_connect(const struct options *o, struct control *c)
{
	struct error e;

	if (control_open(c, o->socket, &e) == ADIT_OK)
		return EXIT_OK;
	fprintf(stderr, "aditctl: %s\n", e.text);
	return EXIT_UNREACHABLE;
}

int command_failed(const struct control *c, const struct error *e)
{
	char text[sizeof(e->text)];

	text_clean(e->text, text, sizeof(text));
	fprintf(stderr, "aditctl: %s\n", text);
	if (c->refused)
		return EXIT_REFUSED;
	return e->code == ADIT_E_PROTOCOL ? EXIT_GARBLED : EXIT_UNREACHABLE;
}

static void on_signal(int number)
{
	(void)number;
	came = 1;
}

void signals_catch(struct control *c)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;

	/* Blocked except inside ppoll(): none can slip in between the look at the flag and the
	 * wait. */
	sigemptyset(&action.sa_mask);
	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&blocked, numbers[i]);
	sigprocmask(SIG_BLOCK, &blocked, &wait_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigdelset(&wait_mask, numbers[i]);
		sigaction(numbers[i], &action, NULL);
	}
	c->wait_mask = &wait_mask;
}

bool signals_came(void)
{
	return came != 0;
}
