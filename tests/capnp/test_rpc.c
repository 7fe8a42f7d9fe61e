/* SPDX-License-Identifier: MIT */
/* Conversations with the reference implementation: the program peer.cc at the other end of a
 * socket. */
#include "config.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/capnp/socket.h"
#include "tests/capnp/trial.h"

#define BULK ((size_t)3 << 20)

static struct event_base *base;
static struct capn_socket *conversation;
static struct capn_cap *trial; /* the peer's bootstrap object */
static pid_t peer;
static bool ended;

/* What came back from one call. */
struct outcome {
	bool done;
	bool ok;
	enum capn_exception type;
	char reason[128];
	uint64_t value; /* first word of the results */
	struct capn_cap *cap;
	unsigned order; /* of all answers */
};

static unsigned answers;

static void on_ended(void *user, const struct error *reason)
{
	(void)user;
	(void)reason;
	ended = true;
	event_base_loopbreak(base);
}

static void setup(void)
{
	int pair[2];
	struct error e;
	char fd[16];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	base = event_base_new();
	peer = fork();
	if (peer == 0) {
		close(pair[0]);
		snprintf(fd, sizeof(fd), "%d", pair[1]);
		execl(CAPNP_PEER, CAPNP_PEER, fd, (char *)NULL);
		_exit(127);
	}
	ck_assert_int_gt(peer, 0);
	close(pair[1]);
	conversation = capn_socket_adopt(base, pair[0], on_ended, NULL, &e);
	ck_assert_msg(conversation != NULL, "%s", e.text);
	trial = capn_bootstrap(capn_socket_rpc(conversation));
	ck_assert_ptr_nonnull(trial);
}

/* The peer ends by itself, with all of its objects destroyed, when the conversation does. */
static void teardown(void)
{
	int status;

	capn_cap_unref(trial);
	capn_socket_close(conversation);
	event_base_free(base);
	ck_assert_int_eq(waitpid(peer, &status, 0), peer);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void on_answer(void *user, const struct capn_return *r)
{
	struct outcome *o = user;

	ck_assert(!o->done);
	o->done = true;
	o->ok = r->ok;
	o->type = r->type;
	o->order = ++answers;
	snprintf(o->reason, sizeof(o->reason), "%s", r->reason);
	if (r->ok) {
		o->value = capn_read64(r->results, 0);
		o->cap = capn_return_cap(r, capn_getp(r->results, 0));
	}
	event_base_loopbreak(base);
}

static void wait_for(const struct outcome *o)
{
	while (!o->done && !ended)
		event_base_dispatch(base);
	ck_assert(o->done);
}

static void send_call(struct capn_call *call, struct outcome *o)
{
	struct error e;

	memset(o, 0, sizeof(*o));
	ck_assert_msg(capn_call_send(call, on_answer, o, &e) == ADIT_OK, "%s", e.text);
}

static struct capn_call *start(struct capn_cap *target, uint64_t interface, uint16_t method,
			       struct outcome *o)
{
	struct capn_call *call = capn_call_new(target, interface, method, 0, 0);

	send_call(call, o);
	return call;
}

static uint64_t next(struct capn_cap *counter)
{
	struct outcome o;

	start(counter, COUNTER, COUNTER_NEXT, &o);
	wait_for(&o);
	ck_assert_msg(o.ok, "%s", o.reason);
	return o.value;
}

static void seen(uint32_t *cancelled, uint32_t *counters)
{
	struct outcome o;

	start(trial, TRIAL, TRIAL_SEEN, &o);
	wait_for(&o);
	ck_assert_msg(o.ok, "%s", o.reason);
	*cancelled = (uint32_t)o.value;
	*counters = (uint32_t)(o.value >> 32);
}

static struct capn_call *make_counter(uint64_t first, struct outcome *o)
{
	struct capn_call *call = capn_call_new(trial, TRIAL, TRIAL_COUNTER, 1, 0);

	capn_write64(capn_call_params(call), 0, first);
	send_call(call, o);
	return call;
}

/* --- calls --------------------------------------------------------------------------------------
 */

static uint8_t bulk[BULK];
static bool echoed;

static void on_echo(void *user, const struct capn_return *r)
{
	struct capn_bytes text = capn_get_text(r->results, 0), data = capn_get_data(r->results, 1);

	(void)user;
	ck_assert_msg(r->ok, "%s", r->reason);
	ck_assert_uint_eq(text.size, 5);
	ck_assert_mem_eq(text.data, "hello", 5);
	ck_assert_uint_eq(data.size, BULK);
	ck_assert_int_eq(memcmp(data.data, bulk, BULK), 0);
	echoed = true;
	event_base_loopbreak(base);
}

/* Megabytes both ways, in pieces as the socket takes them. */
START_TEST(bulk_data)
{
	struct capn_call *call = capn_call_new(trial, TRIAL, TRIAL_ECHO, 0, 2);
	struct error e;

	for (size_t i = 0; i < BULK; i++)
		bulk[i] = (uint8_t)(i * 31 >> 3);
	capn_set_text(capn_call_params(call), 0, "hello", 5);
	capn_set_data(capn_call_params(call), 1, bulk, BULK);
	ck_assert_int_eq(capn_call_send(call, on_echo, NULL, &e), ADIT_OK);
	while (!echoed && !ended)
		event_base_dispatch(base);
	ck_assert(echoed);
}
END_TEST

START_TEST(objects_of_the_peer)
{
	uint32_t cancelled, counters;
	struct outcome a, b;

	make_counter(5, &a);
	make_counter(90, &b);
	wait_for(&a);
	wait_for(&b);
	ck_assert_uint_eq(next(a.cap), 5);
	ck_assert_uint_eq(next(b.cap), 90);
	ck_assert_uint_eq(next(a.cap), 6);
	seen(&cancelled, &counters);
	ck_assert_uint_eq(counters, 2);
	capn_cap_unref(a.cap);
	seen(&cancelled, &counters);
	ck_assert_uint_eq(counters, 1);
	capn_cap_unref(b.cap);
	seen(&cancelled, &counters);
	ck_assert_uint_eq(counters, 0);
}
END_TEST

/* Calls on a result that is not there yet: they go out at once. */
START_TEST(pipelined)
{
	static const uint16_t path[] = {0, 0};
	struct capn_call *call;
	struct capn_cap *counter, *inner;
	struct outcome made, one, two, outer, three;

	call = make_counter(5, &made);
	counter = capn_call_promise(call, path, 1);
	start(counter, COUNTER, COUNTER_NEXT, &one);
	start(counter, COUNTER, COUNTER_NEXT, &two);
	call = start(trial, TRIAL, TRIAL_NESTED, &outer);
	inner = capn_call_promise(call, path, 2);
	start(inner, COUNTER, COUNTER_NEXT, &three);
	ck_assert_uint_eq(capn_rpc_count(capn_socket_rpc(conversation)).questions, 6);
	wait_for(&three);
	wait_for(&two);
	ck_assert(made.done && made.order < one.order && one.order < two.order);
	ck_assert_uint_eq(one.value, 5);
	ck_assert_uint_eq(two.value, 6);
	ck_assert_uint_eq(three.value, 70);
	ck_assert_uint_eq(next(counter), 7);
	capn_cap_unref(made.cap);
	capn_cap_unref(outer.cap);
	ck_assert_uint_eq(next(counter), 8);
	capn_cap_unref(counter);
	capn_cap_unref(inner);
}
END_TEST

/* --- failures -----------------------------------------------------------------------------------
 */

START_TEST(exceptions)
{
	struct capn_call *call = capn_call_new(trial, TRIAL, TRIAL_FAIL, 1, 1);
	struct outcome o;

	capn_write16(capn_call_params(call), 0, (uint16_t)_i);
	capn_set_text(capn_call_params(call), 0, "so it is", 8);
	send_call(call, &o);
	wait_for(&o);
	ck_assert(!o.ok);
	ck_assert_int_eq((int)o.type, _i);
	ck_assert_msg(strstr(o.reason, "so it is") != NULL, "%s", o.reason);
	ck_assert(!ended);
}
END_TEST

START_TEST(what_the_peer_has_not)
{
	struct outcome method, number, interface;

	start(trial, TRIAL, TRIAL_MISSING, &method);
	start(trial, TRIAL, 99, &number);
	start(trial, TRIAL + 77, 0, &interface);
	wait_for(&interface);
	wait_for(&number);
	wait_for(&method);
	ck_assert_int_eq(method.type, CAPN_UNIMPLEMENTED);
	ck_assert_int_eq(number.type, CAPN_UNIMPLEMENTED);
	ck_assert_int_eq(interface.type, CAPN_UNIMPLEMENTED);
}
END_TEST

START_TEST(a_call_given_up)
{
	uint32_t cancelled, counters;
	struct outcome o;
	struct capn_call *call = start(trial, TRIAL, TRIAL_HANG, &o);

	seen(&cancelled, &counters);
	ck_assert_uint_eq(cancelled, 0);
	capn_call_cancel(call);
	seen(&cancelled, &counters);
	ck_assert_uint_eq(cancelled, 1);
	ck_assert(!o.done);
}
END_TEST

/* The conversation ends with a call open: it is answered. */
START_TEST(closed_with_a_call_open)
{
	uint32_t cancelled, counters;
	struct outcome o;

	start(trial, TRIAL, TRIAL_HANG, &o);
	seen(&cancelled, &counters);
	capn_rpc_close(capn_socket_rpc(conversation), "enough");
	ck_assert(o.done && !o.ok);
	ck_assert_int_eq(o.type, CAPN_DISCONNECTED);
	ck_assert_str_eq(o.reason, "enough");
}
END_TEST

/* --- objects of ours ----------------------------------------------------------------------------
 */

struct sink {
	unsigned calls;
	uint64_t values[128];
	bool gone;
	bool slow; /* answers when the test says */
	struct capn_incoming *held[2];
	unsigned held_count;
};

static void sink_call(void *user, struct capn_incoming *incoming, uint64_t interface,
		      uint16_t method, struct capn_ptr params)
{
	struct sink *s = user;

	if (s->slow) {
		ck_assert_uint_lt(s->held_count, 2);
		s->held[s->held_count++] = incoming;
		event_base_loopbreak(base);
		return;
	}
	/* It is a counter as well: those have no parameters. */
	ck_assert(interface == SINK || interface == COUNTER);
	ck_assert_uint_eq(method, 0);
	ck_assert_uint_lt(s->calls, 128);
	s->values[s->calls] = capn_read64(params, 0);
	capn_write64(capn_answer_results(incoming, 1, 0), 0,
		     interface == SINK ? 2 * s->values[s->calls] : s->calls);
	s->calls++;
	capn_answer_send(incoming);
}

static void sink_destroy(void *user)
{
	struct sink *s = user;

	s->gone = true;
	event_base_loopbreak(base);
}

static const struct capn_server sink_server = {sink_call, sink_destroy};

START_TEST(called_back)
{
	struct capn_call *call = capn_call_new(trial, TRIAL, TRIAL_CALL_BACK, 1, 1);
	struct sink s = {0};
	struct capn_cap *cap = capn_export(capn_socket_rpc(conversation), &sink_server, &s);
	struct outcome o;

	capn_write32(capn_call_params(call), 0, 100);
	capn_call_set_cap(call, capn_call_params(call), 0, cap);
	capn_cap_unref(cap);
	send_call(call, &o);
	wait_for(&o);
	ck_assert_msg(o.ok, "%s", o.reason);
	ck_assert_uint_eq(s.calls, 100);
	ck_assert_uint_eq(s.values[99], 99);
	ck_assert_uint_eq(o.value, 2 * 99 * 100 / 2);
	while (!s.gone && !ended)
		event_base_dispatch(base);
	ck_assert(s.gone);
}
END_TEST

/* Given away for good, and given back. */
START_TEST(kept_and_dropped)
{
	struct capn_call *call = capn_call_new(trial, TRIAL, TRIAL_KEEP, 0, 1);
	struct sink s = {0};
	struct capn_cap *cap = capn_export(capn_socket_rpc(conversation), &sink_server, &s);
	uint32_t cancelled, counters;
	struct outcome o;

	capn_call_set_cap(call, capn_call_params(call), 0, cap);
	capn_cap_unref(cap);
	send_call(call, &o);
	wait_for(&o);
	ck_assert(o.ok);
	seen(&cancelled, &counters);
	ck_assert(!s.gone);
	start(trial, TRIAL, TRIAL_DROP, &o);
	wait_for(&o);
	while (!s.gone && !ended)
		event_base_dispatch(base);
	ck_assert(s.gone);
}
END_TEST

static void resolve(struct capn_cap *to, struct outcome *o)
{
	struct capn_call *call = capn_call_new(trial, TRIAL, TRIAL_RESOLVE, 0, 1);

	capn_call_set_cap(call, capn_call_params(call), 0, to);
	send_call(call, o);
}

/* A capability that is decided on later, for an object of the peer's. */
START_TEST(resolved_there)
{
	struct outcome later, made, resolved, one, two;

	start(trial, TRIAL, TRIAL_LATER, &later);
	wait_for(&later);
	start(later.cap, COUNTER, COUNTER_NEXT, &one);
	make_counter(30, &made);
	wait_for(&made);
	ck_assert(!one.done);
	resolve(made.cap, &resolved);
	start(later.cap, COUNTER, COUNTER_NEXT, &two);
	wait_for(&resolved);
	wait_for(&one);
	wait_for(&two);
	ck_assert_uint_eq(one.value, 30);
	ck_assert_uint_eq(two.value, 31);
	ck_assert_uint_eq(next(later.cap), 32);
	capn_cap_unref(later.cap);
	capn_cap_unref(made.cap);
}
END_TEST

/* ... and for one of ours: what was sent before takes the way through the peer, what is sent after
 * must not overtake it (Disembargo). */
START_TEST(resolved_here)
{
	struct outcome later, resolved, before[8], after[8];
	static struct sink s;
	struct capn_cap *cap = capn_export(capn_socket_rpc(conversation), &sink_server, &s);

	start(trial, TRIAL, TRIAL_LATER, &later);
	wait_for(&later);
	for (int i = 0; i < 8; i++)
		start(later.cap, COUNTER, COUNTER_NEXT, &before[i]);
	resolve(cap, &resolved);
	wait_for(&resolved);
	for (int i = 0; i < 8; i++)
		start(later.cap, COUNTER, COUNTER_NEXT, &after[i]);
	for (int i = 0; i < 8; i++)
		wait_for(&after[i]);
	for (int i = 0; i < 8; i++) {
		wait_for(&before[i]);
		ck_assert_msg(before[i].ok && after[i].ok, "%s", after[i].reason);
		ck_assert_uint_eq(before[i].value, (uint64_t)i);
		ck_assert_uint_eq(after[i].value, (uint64_t)i + 8);
	}
	capn_cap_unref(later.cap);
	capn_cap_unref(cap);
}
END_TEST

/* A call of ours that came back to us is given up while our own object still thinks about it. */
START_TEST(given_up_while_it_is_here)
{
	uint32_t cancelled, counters;
	struct outcome later, resolved, o, again;
	struct capn_call *call;
	static struct sink s = {.slow = true}; /* outlives the test: the peer keeps it */
	struct capn_cap *cap = capn_export(capn_socket_rpc(conversation), &sink_server, &s);

	start(trial, TRIAL, TRIAL_LATER, &later);
	wait_for(&later);
	call = start(later.cap, COUNTER, COUNTER_NEXT, &o);
	start(later.cap, COUNTER, COUNTER_NEXT, &again);
	resolve(cap, &resolved);
	wait_for(&resolved);
	while (s.held_count < 2 && !ended)
		event_base_dispatch(base);
	seen(&cancelled, &counters);
	capn_call_cancel(call);
	seen(&cancelled, &counters);
	for (unsigned i = 0; i < s.held_count; i++)
		capn_answer_send(s.held[i]);
	wait_for(&again);
	ck_assert_msg(again.ok, "%s", again.reason);
	seen(&cancelled, &counters);
	ck_assert(!o.done && !ended);
	capn_cap_unref(later.cap);
	capn_cap_unref(cap);
}
END_TEST

/* Many at a time, and the tables are empty after it. */
START_TEST(a_thousand_calls)
{
	static struct outcome outcomes[1000];
	uint32_t cancelled, counters;

	for (int i = 0; i < 1000; i++)
		make_counter((uint64_t)i, &outcomes[i]);
	for (int i = 0; i < 1000; i++)
		wait_for(&outcomes[i]);
	for (int i = 0; i < 1000; i += 100)
		ck_assert_uint_eq(next(outcomes[i].cap), (uint64_t)i);
	seen(&cancelled, &counters);
	ck_assert_uint_eq(counters, 1000);
	for (int i = 0; i < 1000; i++)
		capn_cap_unref(outcomes[i].cap);
	seen(&cancelled, &counters);
	ck_assert_uint_eq(counters, 0);
	ck_assert_uint_eq(capn_rpc_count(capn_socket_rpc(conversation)).questions, 0);
	ck_assert_uint_eq(capn_rpc_count(capn_socket_rpc(conversation)).imports, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("capnp and the reference implementation");
	TCase *c = tcase_create("rpc");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, bulk_data);
	tcase_add_test(c, objects_of_the_peer);
	tcase_add_test(c, pipelined);
	tcase_add_loop_test(c, exceptions, 0, 4);
	tcase_add_test(c, what_the_peer_has_not);
	tcase_add_test(c, a_call_given_up);
	tcase_add_test(c, closed_with_a_call_open);
	tcase_add_test(c, called_back);
	tcase_add_test(c, kept_and_dropped);
	tcase_add_test(c, resolved_there);
	tcase_add_test(c, resolved_here);
	tcase_add_test(c, given_up_while_it_is_here);
	tcase_add_test(c, a_thousand_calls);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
