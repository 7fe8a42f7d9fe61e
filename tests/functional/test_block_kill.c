/* SPDX-License-Identifier: MIT */
/*
 * A found block and kill -9: the process that has the share is stopped at every system call from
 * the read of the share on, and killed there. From the first call on that hands the block to the
 * kernel, it reaches the chain, whatever comes of the process. jdc has the pool's journal: it is
 * killed once, where the block is nowhere else.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/functional/farm.h"
#include "tests/functional/harness.h"
#include "tests/functional/probe.h"
#include "tests/functional/tracer.h"

#define NBITS "207fffff" /* every share is a block */
#define POOL_KEYS "min_difficulty = 0.000001\n"
#define STOPS_MAX 200 /* the paths have some 20 */
#define CHAIN_MS HARNESS_WAIT_MS
#define SKIPPED 77

/* One run: a miner with a solved block, and the process that is to be killed. */
struct run {
	struct probe miner;
	struct probe_channel channel;
	uint32_t nonce;
	int64_t height;
	pid_t pid;
	int fd;        /* where the share arrives, -1: any that brings SubmitSolution */
	bool noted;    /* the journal has the block */
	bool sent;     /* of the pool: and the first call after that was SubmitSolution's */
	bool to_note;  /* the path ends when it is noted */
	bool finished; /* the path's last call was made */
	char trail[2048];
};

static void run_begin(struct run *r, const char *role)
{
	struct sockaddr_in name;
	socklen_t size = sizeof(name);

	memset(r, 0, sizeof(*r));
	r->fd = -1;
	harness_setup();
	if (strcmp(role, "jdc") == 0)
		farm_configure(NBITS, "", "mode = solo\n");
	else
		harness_configure_pool(NBITS, POOL_KEYS);
	harness_start();
	harness_wait_running();
	probe_ready(&r->miner, harness.port);
	probe_open_standard(&r->miner, &r->channel);
	r->nonce = probe_mine(&r->channel, true);
	r->height = harness_number("node", "height");
	r->pid = harness_pid(role);
	must(r->pid > 0, "%s has no process", role);
	if (strcmp(role, "template-provider") == 0)
		return;
	ck_assert_int_eq(getsockname(r->miner.fd, (struct sockaddr *)&name, &size), 0);
	r->fd = tracer_find_tcp(r->pid, harness.port, ntohs(name.sin_port));
}

static bool block_is_in(void *user)
{
	const struct run *r = user;

	return harness_number("node", "height") > r->height;
}

static void run_end(struct run *r, bool expect_block)
{
	if (expect_block)
		harness_wait(CHAIN_MS, block_is_in, r, "the block is in the chain");
	probe_close(&r->miner);
	harness_wait_running();
	harness_teardown();
}

/* What was read on the way in: the share, or on a plain connection a SubmitSolution. */
static bool is_the_share(const struct run *r, const struct tracer_stop *s)
{
	uint8_t header[6];

	if (s->entry || s->nr != SYS_recvfrom || s->result <= 0)
		return false;
	if (r->fd >= 0)
		return (int)s->args[0] == r->fd;
	return tracer_peek(r->pid, s->args[1], header, sizeof(header)) && header[0] == 0 &&
	       header[1] == 0 && header[2] == 0x76;
}

/* Whether S has brought the block into the journal: a line of the pool, a file of the template
 * provider under its final name. */
static bool notes_block(const struct run *r, const struct tracer_stop *s)
{
	char path[256];

	if (s->entry || s->result < 0)
		return false;
	if (r->fd < 0)
		return strcmp(tracer_name(s->nr), "rename") == 0;
	if (s->nr != SYS_write)
		return false;
	tracer_descriptor(r->pid, (int)s->args[0], path, sizeof(path));
	return strstr(path, "/blocks-1.journal") != NULL;
}

/* Whether S is about to send a SubmitSolution. */
static bool sends_block(const struct run *r, const struct tracer_stop *s)
{
	uint8_t header[6];

	return s->entry && s->nr == SYS_sendto &&
	       tracer_peek(r->pid, s->args[1], header, sizeof(header)) && header[0] == 0 &&
	       header[1] == 0 && header[2] == 0x76;
}

static bool is_memory(long nr)
{
	return nr == SYS_brk || nr == SYS_mmap || nr == SYS_munmap;
}

/* A block that is noted goes out before the pool does anything else: logs it, tells the others,
 * reads what more has arrived. */
static void check_sent_first(struct run *r, const struct tracer_stop *s)
{
	if (r->fd < 0 || !r->noted || r->sent || !s->entry || is_memory(s->nr))
		return;
	r->sent = sends_block(r, s);
	must(r->sent, "%s comes before the block: %s", tracer_name(s->nr), r->trail);
}

/* The last thing that is done for a block: the pool's journal is synced; the template provider,
 * which needs no sync when the node has answered, removes its file. */
static bool ends_path(const struct run *r, const struct tracer_stop *s)
{
	if (s->entry || !r->noted)
		return false;
	if (r->to_note)
		return true;
	return r->fd < 0 ? strncmp(tracer_name(s->nr), "unlink", 6) == 0 : s->nr == SYS_fdatasync;
}

/* Sends the share and lets the process come to stop number STOP after it was read (0: the end of
 * that read), or to the end of the path. */
static void run_to(struct run *r, int stop)
{
	struct tracer_stop s = {0};
	size_t used = 0;

	tracer_seize(r->pid);
	probe_submit(&r->miner, &r->channel, r->channel.job_id, r->nonce);
	do
		tracer_next(r->pid, &s);
	while (!is_the_share(r, &s));
	for (int i = 0; i < stop && !r->finished; i++) {
		tracer_next(r->pid, &s);
		if (used < sizeof(r->trail))
			used += (size_t)snprintf(r->trail + used, sizeof(r->trail) - used, "%s%s ",
						 tracer_name(s.nr), s.entry ? "(" : ")");
		if (notes_block(r, &s))
			r->noted = true;
		check_sent_first(r, &s);
		r->finished = ends_path(r, &s);
	}
}

/* What lies between the share and its first note, as far as it is a system call. Memory is the
 * allocator's. */
static void check_nothing_before_note(const char *trail)
{
	static const char *const allowed[] = {"brk", "mmap", "munmap", "write"};
	const char *at = trail;

	while (*at != '\0' && strncmp(at, "write)", 6) != 0) {
		bool good = false;

		for (size_t i = 0; i < 4; i++)
			good = good || strncmp(at, allowed[i], strlen(allowed[i])) == 0;
		must(good, "a system call between the share and the journal: %s", trail);
		at += strcspn(at, " ");
		at += strspn(at, " ");
	}
}

/* Kills the process of ROLE at stop 0, 1, 2 ... until the path has no more. */
static void kill_everywhere(const char *role)
{
	bool last = false;
	int lost = 0;

	for (int stop = 0; !last; stop++) {
		struct run r;

		must(stop < STOPS_MAX, "the path does not end");
		run_begin(&r, role);
		run_to(&r, stop);
		tracer_kill(r.pid);
		last = r.finished;
		lost += !r.noted;
		run_end(&r, r.noted);
		if (!last)
			continue;
		fprintf(stderr, "%s: killed at %d places, before the journal at %d: recv) %s\n",
			role, stop + 1, lost, r.trail);
		if (r.fd >= 0)
			check_nothing_before_note(r.trail);
	}
}

START_TEST(pool_is_killed)
{
	kill_everywhere("pool");
}
END_TEST

START_TEST(template_provider_is_killed)
{
	kill_everywhere("template-provider");
}
END_TEST

/* The block is in the journal and was not sent: the next process sends it. */
START_TEST(jdc_is_killed)
{
	struct run r;

	run_begin(&r, "jdc");
	r.to_note = true;
	run_to(&r, STOPS_MAX);
	must(r.noted && !r.sent, "the block is not in the journal: %s", r.trail);
	check_nothing_before_note(r.trail);
	tracer_kill(r.pid);
	run_end(&r, true);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("block-kill");
	TCase *c = tcase_create("block-kill");
	TCase *farm = tcase_create("farm");
	SRunner *runner;
	int failed;

	if (!tracer_permitted()) {
		fputs("skipped: this machine does not permit ptrace\n", stderr);
		return SKIPPED;
	}
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_set_timeout(farm, HARNESS_TEST_S);
	tcase_add_test(c, pool_is_killed);
	tcase_add_test(c, template_provider_is_killed);
	tcase_add_test(farm, jdc_is_killed);
	suite_add_tcase(suite, c);
	suite_add_tcase(suite, farm);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
