/* SPDX-License-Identifier: MIT */
/*
 * crowd PORT COUNT: opens COUNT standard channels, at most 1,000 on a connection, of users crowd.1,
 * crowd.2 ..., on the Stratum V2 server on 127.0.0.1:PORT. Says "open" when all are, and holds them
 * until its standard input ends. For the scenario of many things.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/functional/harness.h"
#include "tests/functional/probe.h"

#define PER_CONNECTION 1000u
#define MOST_CONNECTIONS 100u

static struct probe crowd[MOST_CONNECTIONS];
static unsigned port, count;

static void ask_for_channel(struct probe *p, unsigned number)
{
	struct adit_sv2_open_standard_mining_channel request = {
	    .request_id = number,
	    .nominal_hash_rate = 1e6F,
	};
	char user[32];

	request.user_identity.data = (const uint8_t *)user;
	request.user_identity.size = (uint32_t)snprintf(user, sizeof(user), "crowd.%u", number);
	memset(request.max_target.b, 0xff, sizeof(request.max_target.b));
	must(probe_send(p, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL, &request), "closed");
}

/* Channels FIRST to LAST on one connection. */
static void open_channels(struct probe *p, unsigned first, unsigned last)
{
	union sv2_body body;

	probe_connect(p, (uint16_t)port);
	probe_handshake(p, NULL);
	probe_setup_flags(p, 0);
	for (unsigned i = first; i <= last; i++)
		ask_for_channel(p, i);
	for (unsigned i = first; i <= last; i++)
		probe_expect(p, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL_SUCCESS, &body);
}

/* Takes what comes until standard input ends: a server lets go of who does not read. */
static void hold(size_t connections)
{
	struct pollfd watch[MOST_CONNECTIONS + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
	union sv2_body body;

	for (size_t i = 0; i < connections; i++)
		watch[i + 1] = (struct pollfd){.fd = crowd[i].fd, .events = POLLIN};
	for (;;) {
		must(poll(watch, connections + 1, -1) > 0, "poll failed");
		if (watch[0].revents != 0)
			return;
		for (size_t i = 0; i < connections; i++)
			if (watch[i + 1].revents != 0)
				must(probe_receive(&crowd[i], (int)harness_limit(PROBE_WAIT_MS),
						   &body) != -2,
				     "the server closed connection %zu", i);
	}
}

START_TEST(many_channels)
{
	size_t connections = 0;

	for (unsigned first = 1; first <= count; first += PER_CONNECTION) {
		unsigned last = first + PER_CONNECTION - 1;

		open_channels(&crowd[connections++], first, last < count ? last : count);
	}
	puts("open");
	fflush(stdout);
	hold(connections);
	for (size_t i = 0; i < connections; i++)
		probe_close(&crowd[i]);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("crowd");
	TCase *tcase = tcase_create("crowd");
	SRunner *runner;
	int failed;

	port = argc == 3 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	count = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	if (port == 0 || port > UINT16_MAX || count == 0 ||
	    count > PER_CONNECTION * MOST_CONNECTIONS) {
		fputs("usage: crowd PORT COUNT\n", stderr);
		return 2;
	}
	/* The functions of the probe are for tests, so this is one; in this process, for its input.
	 */
	tcase_add_test(tcase, many_channels);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_MINIMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
