/* SPDX-License-Identifier: MIT */
/*
 * test_upstreams.c: lib/sv2/upstreams.c on simulated time, against simulated upstreams: each edge
 * of its diagram, then 2,000 seeds of upstreams that come and go, with the promises that hold in
 * all.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sv2/upstreams.h"

#define N 4
#define SEEDS 100 /* in each of 10 tests */
#define NEVER UINT64_MAX

/* --- a world of upstreams ----------------------------------------------------------------------
 */

enum behaviour {
	UP,         /* gives work LATENCY after it is asked */
	REFUSES,    /* the port is closed: known at once */
	BLACK_HOLE, /* known after BLACK_HOLE_MS */
	HOSTILE     /* refuses the channel */
};

#define LATENCY_MS 120
#define BLACK_HOLE_MS 2000

struct peer {
	struct upstream u; /* first */
	enum behaviour behaviour;
	uint64_t answer_ms; /* when what it does to an attempt is known; NEVER: no attempt */
	uint32_t connects;
	bool connected; /* connect() without disconnect() */
};

static struct world {
	struct upstreams all;
	struct peer peers[N];
	uint64_t now;
	uint32_t switches;
	struct upstream *to;
	uint64_t switched_ms;
} w;

/* ck_assert() writes to a pipe each time, which is much for what is looked at in every step. */
static void must_hold(bool holds, const char *what)
{
	if (!holds)
		ck_abort_msg("%s, at %llu ms", what, (unsigned long long)w.now);
}
#define must(what) must_hold(what, #what)

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 33) % bound);
}

static void do_connect(void *context, struct upstream *u)
{
	struct peer *p = (struct peer *)u;

	must(context == &w);
	must(!p->connected);
	p->connected = true;
	p->connects++;
	p->answer_ms = w.now + LATENCY_MS;
	if (p->behaviour == REFUSES)
		p->answer_ms = w.now + 1;
	if (p->behaviour == BLACK_HOLE)
		p->answer_ms = w.now + BLACK_HOLE_MS;
}

static void do_disconnect(void *context, struct upstream *u)
{
	struct peer *p = (struct peer *)u;

	must(context == &w);
	p->connected = false;
	p->answer_ms = NEVER;
}

static void do_switched(void *context, struct upstream *from, struct upstream *to)
{
	must(context == &w);
	if (from)
		must(((struct peer *)from)->connected);
	if (to)
		must(((struct peer *)to)->connected);
	w.switches++;
	w.to = to;
	w.switched_ms = w.now;
}

static const struct upstreams_actions actions = {.connect = do_connect,
						 .disconnect = do_disconnect,
						 .switched = do_switched,
						 .random_below = random_below};

static void answer(struct peer *p)
{
	p->answer_ms = NEVER;
	if (p->behaviour == UP)
		upstreams_ready(&w.all, &p->u, w.now);
	else if (p->behaviour == HOSTILE)
		upstreams_failed(&w.all, &p->u, UPSTREAM_CHANNEL_REFUSED, w.now);
	else
		upstreams_failed(&w.all, &p->u, UPSTREAM_NOT_REACHED, w.now);
}

/* What must hold at any time. */
static void check_world(void)
{
	uint32_t active = 0;

	for (int i = 0; i < N; i++) {
		const struct peer *p = &w.peers[i];

		active += p->u.state == UPSTREAM_ACTIVE;
		must(p->connected == (p->u.state >= UPSTREAM_TRYING));
		if (p->u.state == UPSTREAM_ACTIVE)
			must(w.all.active == &p->u);
	}
	must(active == (w.all.active ? 1 : 0));
	must((w.all.active ? 1 : 0) + w.all.solo + w.all.seeking == 1);
	must(w.all.solo ? w.to == NULL : true);
	must(w.all.active ? w.to == w.all.active : true);
}

/* Lets MS pass, ticking when it is asked for and not oftener. */
static void pass(uint64_t ms)
{
	uint64_t end = w.now + ms;

	while (w.now < end) {
		uint32_t wait = upstreams_tick(&w.all, w.now);
		uint64_t next = w.now + wait;

		must(wait >= 1);
		must(wait <= 60000);
		check_world();
		for (int i = 0; i < N; i++) {
			if (w.peers[i].answer_ms < next)
				next = w.peers[i].answer_ms;
		}
		w.now = next < end ? next : end;
		for (int i = 0; i < N; i++) {
			if (w.peers[i].answer_ms <= w.now)
				answer(&w.peers[i]);
		}
		check_world();
	}
	upstreams_tick(&w.all, w.now);
}

static void begin(int count, bool templates)
{
	static const struct upstreams_options defaults;

	memset(&w, 0, sizeof w);
	w.now = 1000000;
	upstreams_init(&w.all, &defaults, &actions, &w);
	for (int i = 0; i < N; i++)
		w.peers[i].answer_ms = NEVER;
	for (int i = 0; i < count; i++) {
		w.peers[i].u.declares = true;
		ck_assert(upstreams_add(&w.all, &w.peers[i].u, UPSTREAMS_MAX, w.now));
	}
	upstreams_start(&w.all, templates, w.now);
}

static enum upstream_state state(int i)
{
	return w.peers[i].u.state;
}

/* The connection of peer I ends; or another FAULT. */
static void fails(int i, enum behaviour from_now_on, enum upstream_fault fault)
{
	w.peers[i].behaviour = from_now_on;
	upstreams_failed(&w.all, &w.peers[i].u, fault, w.now);
	check_world();
}

/* --- the start ---------------------------------------------------------------------------------
 */

START_TEST(no_upstream_is_solo_at_once)
{
	begin(0, true);
	ck_assert(w.all.solo);
	ck_assert_uint_eq(w.switches, 1);
	pass(100000);
	ck_assert_uint_eq(w.switches, 1);
}
END_TEST

START_TEST(the_first_is_taken_and_the_others_left_alone)
{
	begin(3, true);
	pass(60000);
	ck_assert_ptr_eq(w.to, &w.peers[0].u);
	ck_assert_uint_eq(w.switched_ms, 1000000 + LATENCY_MS);
	ck_assert_uint_eq(w.peers[0].connects, 1);
	ck_assert_uint_eq(w.peers[1].connects + w.peers[2].connects, 0);
	ck_assert(w.peers[0].u.with_templates);
}
END_TEST

START_TEST(all_closed_is_solo_at_once_and_none_is_given_up)
{
	begin(3, true);
	for (int i = 0; i < 3; i++)
		w.peers[i].behaviour = REFUSES;
	fails(0, REFUSES, UPSTREAM_NOT_REACHED);
	pass(100);
	ck_assert(w.all.solo);
	pass(600000);
	for (int i = 0; i < 3; i++) /* 1 + 2 + 4 ... 30 s: some 20 in 10 minutes */
		ck_assert(w.peers[i].connects >= 18 && w.peers[i].connects <= 40);
	w.peers[2].behaviour = UP;
	pass(31000);
	ck_assert_ptr_eq(w.to, &w.peers[2].u);
}
END_TEST

START_TEST(black_holes_lead_to_solo_in_time)
{
	begin(N, true);
	for (int i = 0; i < N; i++) {
		w.peers[i].behaviour = BLACK_HOLE;
		if (w.peers[i].answer_ms != NEVER)
			w.peers[i].answer_ms = NEVER; /* not even an error */
	}
	pass(3999);
	ck_assert(w.all.seeking);
	pass(2);
	ck_assert(w.all.solo);
	ck_assert_uint_le(w.switched_ms - 1000000, 4001);
}
END_TEST

START_TEST(a_black_hole_before_a_good_one_costs_the_stagger)
{
	begin(0, true);
	upstreams_stop(&w.all, w.now);
	w.peers[0].behaviour = w.peers[1].behaviour = BLACK_HOLE;
	for (int i = 0; i < 3; i++)
		upstreams_add(&w.all, &w.peers[i].u, UPSTREAMS_MAX, w.now);
	upstreams_start(&w.all, true, w.now);
	pass(3000);
	ck_assert_ptr_eq(w.to, &w.peers[2].u);
	ck_assert_uint_eq(w.switched_ms - 1000000, 500 + 500 + LATENCY_MS);
}
END_TEST

/* --- failures ----------------------------------------------------------------------------------
 */

START_TEST(a_lost_one_that_was_well_is_tried_again_first)
{
	begin(2, true);
	pass(20000);
	fails(0, UP, UPSTREAM_LOST);
	ck_assert_int_eq(state(0), UPSTREAM_TRYING);
	pass(1000);
	ck_assert_ptr_eq(w.to, &w.peers[0].u);
	ck_assert_uint_eq(w.switches, 2);
	ck_assert_uint_eq(w.peers[1].connects, 0);
}
END_TEST

START_TEST(one_that_is_lost_at_once_cools)
{
	begin(2, true);
	pass(LATENCY_MS + 1000);
	fails(0, UP, UPSTREAM_LOST);
	ck_assert_int_eq(state(0), UPSTREAM_COOLING);
	pass(LATENCY_MS + 1);
	ck_assert_ptr_eq(w.to, &w.peers[1].u);
}
END_TEST

/* Each fault that is misbehaviour: the next one's work in under 2 s, and the way back. */
START_TEST(misbehaviour_cools_and_is_forgiven)
{
	enum upstream_fault fault = (enum upstream_fault)_i;
	uint64_t trigger;

	begin(2, true);
	pass(20000);
	trigger = w.now;
	fails(0, UP, fault);
	ck_assert_int_eq(state(0), UPSTREAM_COOLING);
	ck_assert_int_eq(w.peers[0].u.fault, fault);
	ck_assert_str_ne(upstream_fault_name(fault), "");
	pass(2000);
	ck_assert_ptr_eq(w.to, &w.peers[1].u);
	ck_assert_uint_eq(w.switched_ms - trigger, LATENCY_MS);
	pass(20000);
	ck_assert_int_eq(state(0), UPSTREAM_COOLING);
	pass(9000);
	ck_assert_int_eq(state(0), UPSTREAM_STANDBY);
	ck_assert_ptr_eq(w.to, &w.peers[1].u);
	pass(11000);
	ck_assert_ptr_eq(w.to, &w.peers[0].u);
	ck_assert_int_eq(state(1), UPSTREAM_WAITING);
}
END_TEST

START_TEST(cooling_doubles_to_its_bound_and_ends_with_proof)
{
	uint32_t longest = 0;

	begin(1, true);
	for (int i = 0; i < 12; i++) {
		pass(700);
		if (state(0) == UPSTREAM_ACTIVE)
			fails(0, UP, UPSTREAM_SHARE_REFUSED);
		longest = (uint32_t)(w.peers[0].u.at_ms - w.now);
		ck_assert(w.all.solo);
		pass(longest);
	}
	ck_assert_uint_ge(longest, 450000);
	ck_assert_uint_le(longest, 600000);
	pass(1000);
	ck_assert_ptr_eq(w.to, &w.peers[0].u);
	ck_assert_uint_gt(w.peers[0].u.coolings, 3);
	pass(661000);
	ck_assert_uint_eq(w.peers[0].u.coolings, 0);
}
END_TEST

START_TEST(one_alone_goes_solo_and_comes_back)
{
	begin(1, true);
	pass(20000);
	fails(0, REFUSES, UPSTREAM_LOST);
	pass(10);
	ck_assert(w.all.solo);
	w.peers[0].behaviour = UP;
	pass(5000);
	ck_assert_ptr_eq(w.to, &w.peers[0].u);
}
END_TEST

START_TEST(an_attempt_without_an_end_is_ended)
{
	begin(1, true);
	w.peers[0].answer_ms = NEVER;
	pass(9990);
	ck_assert_int_eq(state(0), UPSTREAM_TRYING);
	pass(20);
	ck_assert_int_eq(state(0), UPSTREAM_WAITING);
	ck_assert_int_eq(w.peers[0].u.fault, UPSTREAM_NOT_REACHED);
}
END_TEST

START_TEST(what_is_known_to_be_down_has_no_head_start)
{
	begin(3, true);
	w.peers[0].behaviour = w.peers[1].behaviour = BLACK_HOLE;
	w.peers[0].answer_ms = w.now + BLACK_HOLE_MS;
	pass(20000);
	ck_assert_ptr_eq(w.to, &w.peers[2].u);
	w.peers[0].answer_ms = w.peers[1].answer_ms = NEVER;
	for (int i = 0; i < 2; i++) {
		if (state(i) == UPSTREAM_TRYING)
			fails(i, BLACK_HOLE, UPSTREAM_NOT_REACHED);
	}
	fails(2, UP, UPSTREAM_LOST);
	pass(LATENCY_MS + 1);
	ck_assert_ptr_eq(w.to, &w.peers[2].u);
}
END_TEST

START_TEST(a_standby_that_is_lost_does_not_matter)
{
	begin(2, true);
	pass(20000);
	fails(0, UP, UPSTREAM_UNANSWERED);
	pass(31000);
	ck_assert_int_eq(state(0), UPSTREAM_STANDBY);
	fails(0, UP, UPSTREAM_LOST);
	ck_assert_int_eq(state(0), UPSTREAM_COOLING);
	ck_assert_ptr_eq(w.all.active, &w.peers[1].u);
	ck_assert_uint_eq(w.switches, 2);
}
END_TEST

START_TEST(a_standby_is_there_when_the_active_one_fails)
{
	begin(2, true);
	pass(20000);
	fails(0, UP, UPSTREAM_UNANSWERED);
	pass(31000);
	ck_assert_int_eq(state(0), UPSTREAM_STANDBY);
	fails(1, UP, UPSTREAM_DECLARATION_REFUSED);
	ck_assert_ptr_eq(w.to, &w.peers[0].u);
	ck_assert_uint_eq(w.switched_ms, w.now);
}
END_TEST

/* --- templates ---------------------------------------------------------------------------------
 */

START_TEST(without_templates_the_same_pool_gives_its_own_jobs)
{
	begin(2, true);
	pass(20000);
	upstreams_templates(&w.all, false, w.now);
	ck_assert_int_eq(state(0), UPSTREAM_TRYING);
	ck_assert(!w.peers[0].u.with_templates);
	pass(LATENCY_MS + 1);
	ck_assert_ptr_eq(w.to, &w.peers[0].u);
	ck_assert_uint_eq(w.peers[1].connects, 0);
	pass(5000);
	upstreams_templates(&w.all, true, w.now);
	upstreams_templates(&w.all, true, w.now);
	pass(LATENCY_MS + 1);
	ck_assert_ptr_eq(w.to, &w.peers[0].u);
	ck_assert(w.peers[0].u.with_templates);
	ck_assert_uint_eq(w.peers[0].connects, 3);
	ck_assert_uint_eq(w.peers[0].u.coolings, 0);
}
END_TEST

START_TEST(a_second_pool_is_renewed_itself_and_not_the_first)
{
	begin(2, true);
	pass(20000);
	fails(0, REFUSES, UPSTREAM_LOST);
	pass(5000);
	ck_assert_ptr_eq(w.to, &w.peers[1].u);
	w.peers[0].behaviour = BLACK_HOLE;
	upstreams_templates(&w.all, false, w.now);
	pass(LATENCY_MS + 1);
	ck_assert_ptr_eq(w.to, &w.peers[1].u);
	ck_assert_uint_eq(w.switched_ms + 1, w.now);
}
END_TEST

START_TEST(templates_may_go_and_come_in_any_state)
{
	begin(2, false);
	ck_assert(!w.peers[0].u.with_templates);
	upstreams_templates(&w.all, true, w.now); /* during the search */
	check_world();
	pass(5000);
	ck_assert_ptr_eq(w.to, &w.peers[0].u);
	ck_assert(w.peers[0].u.with_templates);
	fails(0, REFUSES, UPSTREAM_BROKE_PROTOCOL);
	fails(1, REFUSES, UPSTREAM_LOST);
	pass(5000);
	ck_assert(w.all.solo);
	upstreams_templates(&w.all, false, w.now);
	check_world();
	ck_assert(w.all.solo);
}
END_TEST

/* --- orders ------------------------------------------------------------------------------------
 */

START_TEST(a_new_one_that_is_asked_for_is_taken_at_once)
{
	begin(1, true);
	pass(20000);
	w.peers[1].u.declares = false;
	ck_assert(upstreams_add(&w.all, &w.peers[1].u, 0, w.now));
	upstreams_prefer(&w.all, &w.peers[1].u, w.now);
	pass(LATENCY_MS + 1);
	ck_assert_ptr_eq(w.to, &w.peers[1].u);
	ck_assert(!w.peers[1].u.with_templates);
	ck_assert_int_eq(state(0), UPSTREAM_WAITING);
	upstreams_remove(&w.all, &w.peers[1].u, w.now);
	check_world();
	pass(LATENCY_MS + 1);
	ck_assert_ptr_eq(w.to, &w.peers[0].u);
	upstreams_remove(&w.all, &w.peers[1].u, w.now); /* not there any more */
	ck_assert_uint_eq(w.all.count, 1);
}
END_TEST

START_TEST(one_that_is_asked_for_and_fails_changes_nothing)
{
	begin(1, true);
	pass(20000);
	w.peers[1].behaviour = HOSTILE;
	upstreams_add(&w.all, &w.peers[1].u, 0, w.now);
	upstreams_prefer(&w.all, &w.peers[1].u, w.now);
	pass(1000);
	ck_assert_int_eq(state(1), UPSTREAM_COOLING);
	ck_assert_ptr_eq(w.all.active, &w.peers[0].u);
	upstreams_prefer(&w.all, &w.peers[0].u, w.now); /* is it already */
	ck_assert_uint_eq(w.switches, 1);
	w.peers[1].behaviour = UP;
	upstreams_prefer(&w.all, &w.peers[1].u, w.now); /* although it cools */
	pass(LATENCY_MS + 1);
	ck_assert_ptr_eq(w.to, &w.peers[1].u);
}
END_TEST

START_TEST(no_more_than_fit)
{
	static struct upstream many[UPSTREAMS_MAX + 1];

	begin(0, true);
	for (uint32_t i = 0; i < UPSTREAMS_MAX; i++)
		ck_assert(upstreams_add(&w.all, &many[i], 0, w.now));
	ck_assert(!upstreams_add(&w.all, &many[UPSTREAMS_MAX], 0, w.now));
	ck_assert_ptr_eq(w.all.items[0], &many[UPSTREAMS_MAX - 1]);
}
END_TEST

START_TEST(after_the_stop_nothing_happens)
{
	begin(2, true);
	pass(20000);
	upstreams_stop(&w.all, w.now);
	ck_assert(!w.peers[0].connected);
	ck_assert_uint_eq(w.switches, 1);
	upstreams_failed(&w.all, &w.peers[0].u, UPSTREAM_LOST, w.now);
	upstreams_ready(&w.all, &w.peers[0].u, w.now);
	upstreams_prefer(&w.all, &w.peers[1].u, w.now);
	upstreams_templates(&w.all, false, w.now);
	ck_assert_uint_eq(upstreams_tick(&w.all, w.now + 100000), 60000);
	ck_assert_uint_eq(w.peers[0].connects, 1);
	ck_assert_uint_eq(w.peers[1].connects, 0);
}
END_TEST

/* --- anything ----------------------------------------------------------------------------------
 */

static void something_happens(void)
{
	struct peer *p = &w.peers[random_below(N)];

	switch (random_below(4)) {
	case 0:
		p->behaviour = (enum behaviour)random_below(4);
		if (p->behaviour != UP && p->u.state > UPSTREAM_TRYING)
			upstreams_failed(&w.all, &p->u, UPSTREAM_LOST, w.now);
		break;
	case 1:
		upstreams_failed(&w.all, &p->u,
				 (enum upstream_fault)(1 + random_below(UPSTREAM_BROKE_PROTOCOL)),
				 w.now);
		break;
	case 2:
		upstreams_templates(&w.all, random_below(2), w.now);
		break;
	default:
		upstreams_prefer(&w.all, &p->u, w.now);
		break;
	}
	check_world();
}

/* After 50 events at random times: whoever is up and best is active at last. */
static void end_at_the_best(uint64_t seed)
{
	random_state = seed * 77773 + 1;
	begin(N, true);
	for (int i = 0; i < 50; i++) {
		something_happens();
		pass(1 + random_below(20000));
		if (w.all.seeking)
			ck_assert_uint_le(w.now - w.all.seeking_ms, 4000);
	}
	pass(1300000); /* the longest cooling, twice */
	for (int i = 0; i < N; i++) {
		if (w.peers[i].behaviour != UP)
			continue;
		ck_assert_ptr_eq(w.all.active, &w.peers[i].u);
		return;
	}
	ck_assert(w.all.solo);
}

START_TEST(any_seed_ends_at_the_best_that_is_up)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		end_at_the_best((uint64_t)_i * SEEDS + seed);
}
END_TEST

/* With one that is up: from the active one's end to other work in under 2 s, whatever the other
 * three do, unless that one cools. */
static void work_again(uint64_t seed)
{
	random_state = seed * 31337 + 7;
	begin(N, true);
	pass(30000);
	for (int i = 1; i < N - 1; i++)
		w.peers[i].behaviour = (enum behaviour)random_below(4);
	fails(0, (enum behaviour)(1 + random_below(3)),
	      random_below(2) ? UPSTREAM_LOST : UPSTREAM_UNANSWERED);
	pass(1999);
	ck_assert_ptr_nonnull(w.all.active);
}

START_TEST(any_seed_has_work_again_in_two_seconds)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		work_again((uint64_t)_i * SEEDS + seed);
}
END_TEST

START_TEST(states_have_names)
{
	for (int s = UPSTREAM_WAITING; s <= UPSTREAM_ACTIVE; s++)
		ck_assert_str_ne(upstream_state_name((enum upstream_state)s), "");
	ck_assert_str_eq(upstream_fault_name(UPSTREAM_NO_FAULT), "");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("upstreams");
	TCase *t = tcase_create("edges");
	SRunner *sr;
	int failed;

	tcase_add_test(t, no_upstream_is_solo_at_once);
	tcase_add_test(t, the_first_is_taken_and_the_others_left_alone);
	tcase_add_test(t, all_closed_is_solo_at_once_and_none_is_given_up);
	tcase_add_test(t, black_holes_lead_to_solo_in_time);
	tcase_add_test(t, a_black_hole_before_a_good_one_costs_the_stagger);
	tcase_add_test(t, a_lost_one_that_was_well_is_tried_again_first);
	tcase_add_test(t, one_that_is_lost_at_once_cools);
	tcase_add_loop_test(t, misbehaviour_cools_and_is_forgiven, UPSTREAM_SETUP_REFUSED,
			    UPSTREAM_BROKE_PROTOCOL + 1);
	tcase_add_test(t, cooling_doubles_to_its_bound_and_ends_with_proof);
	tcase_add_test(t, one_alone_goes_solo_and_comes_back);
	tcase_add_test(t, an_attempt_without_an_end_is_ended);
	tcase_add_test(t, what_is_known_to_be_down_has_no_head_start);
	tcase_add_test(t, a_standby_that_is_lost_does_not_matter);
	tcase_add_test(t, a_standby_is_there_when_the_active_one_fails);
	tcase_add_test(t, without_templates_the_same_pool_gives_its_own_jobs);
	tcase_add_test(t, a_second_pool_is_renewed_itself_and_not_the_first);
	tcase_add_test(t, templates_may_go_and_come_in_any_state);
	tcase_add_test(t, a_new_one_that_is_asked_for_is_taken_at_once);
	tcase_add_test(t, one_that_is_asked_for_and_fails_changes_nothing);
	tcase_add_test(t, no_more_than_fit);
	tcase_add_test(t, after_the_stop_nothing_happens);
	tcase_add_test(t, states_have_names);
	suite_add_tcase(s, t);
	t = tcase_create("seeds");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, any_seed_ends_at_the_best_that_is_up, 0, 10);
	tcase_add_loop_test(t, any_seed_has_work_again_in_two_seconds, 0, 10);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
