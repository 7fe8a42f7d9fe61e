/* SPDX-License-Identifier: MIT */
/*
 * What replace.c decides: which process is started when, and which one is the worker. It runs alone
 * here; starting, stopping and freeing are written down instead.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "host/host.h"
#include "host/log.h"

#define WORKERS 3

static struct host host;
static struct group group;
static struct process *workers[WORKERS];
static struct conf_group conf;
static char name[] = "g", other_name[] = "h";
static pid_t last_pid;
static unsigned spawned, freed, stopped, told_shares;
static bool refuse; /* process_spawn() fails */

/* --- what replace.c calls -----------------------------------------------------------------------
 */

void log_line(int level, const char *source, const char *format, ...)
{
	(void)level;
	(void)source;
	(void)format;
}

struct process *process_new(struct group *g, unsigned number)
{
	struct process *p = calloc(1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	p->group = g;
	p->number = number;
	p->name = strdup("g");
	return p;
}

void process_free(struct process *p)
{
	freed++;
	free(p->name);
	free(p->last_exit);
	free(p->replace_error);
	free(p);
}

int32_t process_spawn(struct process *p, struct error *e)
{
	if (refuse)
		return error_set(e, ADIT_E_LIMIT, "no more processes");
	spawned++;
	p->pid = ++last_pid;
	p->state = PROCESS_STARTING;
	return ADIT_OK;
}

void supervisor_stop_process(struct process *p)
{
	stopped++;
	p->state = PROCESS_STOPPING;
}

void supervisor_send_shares(struct host *h)
{
	ck_assert_ptr_eq(h, &host);
	told_shares++;
}

/* --- rig ----------------------------------------------------------------------------------------
 */

static void setup(void)
{
	memset(&host, 0, sizeof(host));
	memset(&group, 0, sizeof(group));
	last_pid = 0;
	spawned = freed = stopped = told_shares = 0;
	refuse = false;
	group = (struct group){.host = &host,
			       .name = name,
			       .conf = &conf,
			       .processes = workers,
			       .process_count = WORKERS};
	host.groups = &group;
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = process_new(&group, i + 1);
		workers[i]->state = PROCESS_RUNNING;
		workers[i]->pid = ++last_pid;
	}
}

static void teardown(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		process_free(workers[i]);
	while (group.others != NULL) {
		struct process *p = group.others;

		group.others = p->next;
		process_free(p);
	}
}

/* The process that is started in place of worker I; there has to be one. */
static struct process *successor(unsigned i)
{
	struct process *s = group.others;

	ck_assert_ptr_nonnull(s);
	ck_assert_ptr_null(s->next);
	ck_assert_int_eq(s->part, PROCESS_SUCCESSOR);
	for (unsigned j = 0; j < WORKERS; j++)
		ck_assert_ptr_eq(replace_successor(workers[j]), j == i ? s : NULL);
	return s;
}

static void runs(struct process *s)
{
	s->state = PROCESS_RUNNING;
	replace_done(s);
}

/* P, which was asked to, has exited. */
static void exits(struct process *p)
{
	ck_assert_int_eq(p->state, PROCESS_STOPPING);
	replace_exited(p, p->pid, "exited with status 0", true);
	replace_advance(&group);
}

/* --- tests --------------------------------------------------------------------------------------
 */

START_TEST(one_at_a_time)
{
	for (unsigned i = 0; i < WORKERS; i++)
		replace_begin(workers[i], "at a request");
	for (unsigned i = 0; i < WORKERS; i++) {
		struct process *old = workers[i];
		struct process *s = successor(i);

		ck_assert_uint_eq(spawned, i + 1);
		ck_assert_uint_eq(told_shares, i + 1);
		ck_assert_int_eq(old->state, PROCESS_RUNNING); /* it serves until the other does */
		ck_assert_uint_eq(stopped, i);
		replace_advance(&group);
		ck_assert_uint_eq(spawned, i + 1);
		runs(s);
		ck_assert_ptr_eq(workers[i], s);
		ck_assert_int_eq(s->part, PROCESS_WORKER);
		ck_assert_uint_eq(s->restarts, 1);
		ck_assert_str_eq(s->last_exit, "replaced");
		ck_assert_int_eq(old->part, PROCESS_LEAVING);
		ck_assert_int_eq(old->state, PROCESS_STOPPING);
		ck_assert_ptr_null(replace_successor(s));
		replace_advance(&group); /* the next one waits until this one has gone */
		ck_assert_uint_eq(spawned, i + 1);
		exits(old);
	}
	ck_assert_ptr_null(group.others);
	ck_assert_uint_eq(spawned, WORKERS);
	ck_assert_uint_eq(freed, WORKERS);
}
END_TEST

START_TEST(asked_twice)
{
	replace_begin(workers[1], "at a request");
	replace_begin(workers[1], "at a request");
	ck_assert_uint_eq(spawned, 1);
	runs(successor(1));
	exits(group.others);
	ck_assert_uint_eq(spawned, 1);
	ck_assert_ptr_null(group.others);
}
END_TEST

/* The others would fail as it did: they are left alone, and say why, too. */
START_TEST(does_not_come_up)
{
	struct process *before[WORKERS];

	memcpy(before, workers, sizeof(before));
	replace_begin(workers[0], "at a request");
	replace_begin(workers[2], "at a request");
	successor(0)->state = PROCESS_FAILING;
	replace_exited(group.others, 9, "exited with status 3", false);
	replace_advance(&group);
	ck_assert_ptr_null(group.others);
	ck_assert_uint_eq(spawned, 1);
	ck_assert_uint_eq(stopped, 0);
	ck_assert_int_eq(memcmp(before, workers, sizeof(before)), 0);
	ck_assert_str_eq(workers[0]->replace_error, "exited with status 3");
	ck_assert_ptr_null(workers[1]->replace_error); /* nobody wanted it replaced */
	ck_assert_str_eq(workers[2]->replace_error, "exited with status 3");
	/* a new attempt forgets it */
	replace_begin(workers[0], "at a request");
	ck_assert_ptr_null(workers[0]->replace_error);
	(void)successor(0);
}
END_TEST

START_TEST(can_not_be_started)
{
	refuse = true;
	replace_begin(workers[0], "at a request");
	ck_assert_ptr_null(group.others);
	ck_assert_uint_eq(freed, 1);
	ck_assert_str_eq(workers[0]->replace_error, "no more processes");
	ck_assert(!workers[0]->replace);
	ck_assert_int_eq(workers[0]->state, PROCESS_RUNNING);
}
END_TEST

/* A worker that does not run is started with the new settings anyway. */
START_TEST(not_running)
{
	workers[0]->state = PROCESS_FAILING;
	replace_begin(workers[0], "at a request");
	ck_assert(!workers[0]->replace);
	replace_begin(workers[1], "at a request");
	(void)successor(1);
}
END_TEST

START_TEST(not_now)
{
	struct group former = {.host = &host, .name = name};
	struct group other = {.host = &host, .name = other_name};

	host.stopping = true;
	replace_begin(workers[0], "at a request");
	ck_assert_uint_eq(spawned, 0);
	host.stopping = false;
	group.conf = NULL; /* retired */
	replace_advance(&group);
	ck_assert_uint_eq(spawned, 0);
	group.conf = &conf;
	former.next = &other;
	group.next = &former; /* its processes are there still */
	replace_advance(&group);
	ck_assert_uint_eq(spawned, 0);
	group.next = &other;
	replace_advance(&group);
	(void)successor(0);
	ck_assert_uint_eq(spawned, 1);
}
END_TEST

/* Nobody failed: there is nothing to tell of. */
START_TEST(cancelled)
{
	struct process *before = workers[0];

	replace_begin(workers[0], "at a request");
	replace_begin(workers[1], "at a request");
	replace_cancel(&group);
	replace_cancel(&group);
	ck_assert_uint_eq(stopped, 1);
	exits(successor(0));
	ck_assert_uint_eq(spawned, 1);
	ck_assert_ptr_null(group.others);
	ck_assert_ptr_eq(workers[0], before);
	ck_assert_ptr_null(workers[0]->replace_error);
	ck_assert_ptr_null(workers[1]->replace_error);
}
END_TEST

/* Other settings came while a successor was started with those of before. */
START_TEST(renewed)
{
	struct process *first;

	replace_begin(workers[0], "at a request");
	first = successor(0);
	replace_renew(&group);
	ck_assert_int_eq(first->state, PROCESS_STOPPING);
	ck_assert_uint_eq(spawned, 1);
	exits(first);
	ck_assert_uint_eq(spawned, 2);
	ck_assert_int_eq(successor(0)->state, PROCESS_STARTING);
	ck_assert_int_eq(workers[0]->state, PROCESS_RUNNING);
	ck_assert_ptr_null(workers[0]->replace_error);
}
END_TEST

/* The worker crashes while its successor starts: that one is the worker at once. */
START_TEST(takes_over_early)
{
	struct process *old = workers[1];
	struct process *s;

	old->failures = 2;
	old->restarts = 5;
	ck_assert(!replace_early(old, "killed by signal 9"));
	replace_begin(old, "at a request");
	s = successor(1);
	ck_assert(!replace_early(workers[0], "killed by signal 9")); /* of another number */
	ck_assert(replace_early(old, "killed by signal 9"));
	ck_assert_ptr_eq(workers[1], s);
	ck_assert_int_eq(s->part, PROCESS_WORKER);
	ck_assert_int_eq(s->state, PROCESS_STARTING);
	ck_assert_uint_eq(s->failures, 3);
	ck_assert_uint_eq(s->restarts, 6);
	ck_assert_str_eq(s->last_exit, "killed by signal 9");
	ck_assert_ptr_null(group.others);
	ck_assert_uint_eq(stopped, 0);
	process_free(old);
}
END_TEST

/* One that is being stopped takes nobody's place. */
START_TEST(too_late_to_take_over)
{
	replace_begin(workers[0], "at a request");
	replace_renew(&group);
	ck_assert(!replace_early(workers[0], "killed by signal 9"));
	(void)successor(0);
}
END_TEST

/* A worker that has been replaced and crashes while it drains is no failure of its successor. */
START_TEST(leaving_crashes)
{
	struct process *old = workers[0];

	replace_begin(old, "at a request");
	runs(successor(0));
	replace_exited(old, old->pid, "killed by signal 11", false);
	ck_assert_ptr_null(group.others);
	ck_assert_ptr_null(workers[0]->replace_error);
	ck_assert_int_eq(workers[0]->state, PROCESS_RUNNING);
	ck_assert_uint_eq(freed, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("host-replace");
	TCase *c = tcase_create("replace");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, one_at_a_time);
	tcase_add_test(c, asked_twice);
	tcase_add_test(c, does_not_come_up);
	tcase_add_test(c, can_not_be_started);
	tcase_add_test(c, not_running);
	tcase_add_test(c, not_now);
	tcase_add_test(c, cancelled);
	tcase_add_test(c, renewed);
	tcase_add_test(c, takes_over_early);
	tcase_add_test(c, too_late_to_take_over);
	tcase_add_test(c, leaving_crashes);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
