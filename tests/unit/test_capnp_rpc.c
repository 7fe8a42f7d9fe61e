/* SPDX-License-Identifier: MIT */
/* Two ends of one conversation in memory; and one end against bytes that no honest peer sends. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/capnp/rpc.h"
#include "lib/capnp/rpc_schema.h"

#define INTERFACE 0x1234567890abcdefULL
/* Methods of the test object, by number. */
enum { ADD, MAKE, LATER, FAIL, TAKE, GIVE_BACK, SELF };

struct end {
	struct capn_rpc *rpc;
	bool ended;
	struct error reason;
};

/* An object: adds what it is told. */
struct counter {
	uint64_t sum;
	uint32_t calls;
	struct capn_incoming *later; /* not answered yet */
	struct capn_cap *taken;
	struct capn_rpc *rpc;
	uint64_t order[16];
};

static unsigned destroyed;

static void on_ready(void *user)
{
	(void)user;
}

static void on_ended(void *user, const struct error *reason)
{
	struct end *end = user;
	end->ended = true;
	end->reason = *reason;
}

static const struct capn_rpc_callbacks callbacks = {on_ready, on_ended};

static void counter_destroy(void *user)
{
	struct counter *c = user;
	capn_cap_unref(c->taken);
	destroyed++;
	free(c);
}

static void counter_call(void *user, struct capn_incoming *incoming, uint64_t interface,
			 uint16_t method, struct capn_ptr params);
static const struct capn_server counter_server = {counter_call, counter_destroy};

static struct capn_cap *counter_new(struct capn_rpc *rpc, struct counter **out)
{
	struct counter *c = calloc(1, sizeof(*c));
	ck_assert_ptr_nonnull(c);
	c->rpc = rpc;
	if (out != NULL)
		*out = c;
	return capn_export(rpc, &counter_server, c);
}

static void answer_number(struct capn_incoming *incoming, uint64_t value)
{
	capn_write64(capn_answer_results(incoming, 1, 1), 0, value);
	capn_answer_send(incoming);
}

static void answer_cap(struct capn_incoming *incoming, struct capn_cap *cap)
{
	struct capn_ref results = capn_answer_results(incoming, 1, 1);
	capn_answer_set_cap(incoming, results, 0, cap);
	capn_answer_send(incoming);
}

static void counter_call(void *user, struct capn_incoming *incoming, uint64_t interface,
			 uint16_t method, struct capn_ptr params)
{
	struct counter *c = user;
	struct capn_cap *cap;
	if (interface != INTERFACE) {
		capn_answer_fail(incoming, CAPN_UNIMPLEMENTED, "another interface");
		return;
	}
	switch (method) {
	case ADD:
		c->order[c->calls++ % 16] = capn_read64(params, 0);
		c->sum += capn_read64(params, 0);
		answer_number(incoming, c->sum);
		break;
	case MAKE:
		cap = counter_new(c->rpc, NULL);
		answer_cap(incoming, cap);
		capn_cap_unref(cap);
		break;
	case LATER:
		c->later = incoming;
		break;
	case TAKE:
		capn_cap_unref(c->taken);
		c->taken = capn_incoming_cap(incoming, capn_getp(params, 0));
		answer_number(incoming, c->taken != NULL);
		break;
	case GIVE_BACK:
		answer_cap(incoming, c->taken);
		break;
	case FAIL:
		capn_answer_fail(incoming, CAPN_FAILED, "as asked\n");
		break;
	default:
		capn_answer_fail(incoming, CAPN_UNIMPLEMENTED, "no such method");
		break;
	}
}

/* What a call came to. */
struct outcome {
	unsigned times;
	bool ok;
	uint64_t number;
	enum capn_exception type;
	char reason[64];
	struct capn_cap *cap;
};

static void on_return(void *user, const struct capn_return *result)
{
	struct outcome *o = user;
	o->times++;
	o->ok = result->ok;
	o->type = result->type;
	snprintf(o->reason, sizeof(o->reason), "%s", result->reason);
	if (!result->ok)
		return;
	o->number = capn_read64(result->results, 0);
	o->cap = capn_return_cap(result, capn_getp(result->results, 0));
}

static struct capn_call *call_with(struct capn_cap *target, uint16_t method, uint64_t number,
				   struct capn_cap *cap, struct outcome *o)
{
	struct error e;
	struct capn_call *call = capn_call_new(target, INTERFACE, method, 1, 1);
	ck_assert_ptr_nonnull(call);
	capn_write64(capn_call_params(call), 0, number);
	if (cap != NULL)
		capn_call_set_cap(call, capn_call_params(call), 0, cap);
	memset(o, 0, sizeof(*o));
	ck_assert_msg(capn_call_send(call, on_return, o, &e) == ADIT_OK, "%s", e.text);
	return call;
}

/* Moves all that A has to say to B; true when there was something. Bytes go by PIECE. */
static bool move(struct capn_rpc *a, struct capn_rpc *b, size_t piece)
{
	struct buf *out = capn_rpc_flush(a);
	bool some = out->size > 0;
	while (out->size > 0) {
		uint8_t bytes[4096];
		size_t n = out->size < piece ? out->size : piece;
		memcpy(bytes, out->data, n);
		buf_drain(out, n);
		capn_rpc_input(b, bytes, n);
	}
	return some;
}

struct pair {
	struct end a; /* calls */
	struct end b; /* has the bootstrap object */
	struct counter *counter;
	struct capn_cap *boot; /* as a has it */
};

static void settle(struct pair *p)
{
	for (bool more = true; more;) {
		more = move(p->a.rpc, p->b.rpc, 4096);
		more = move(p->b.rpc, p->a.rpc, 7) || more;
	}
}

static void pair_up(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	destroyed = 0;
	p->a.rpc = capn_rpc_new(&callbacks, &p->a);
	p->b.rpc = capn_rpc_new(&callbacks, &p->b);
	struct capn_cap *cap = counter_new(p->b.rpc, &p->counter);
	capn_set_bootstrap(p->b.rpc, cap);
	capn_cap_unref(cap);
	p->boot = capn_bootstrap(p->a.rpc);
	ck_assert_ptr_nonnull(p->boot);
}

static void assert_counts(struct capn_rpc *rpc, uint32_t questions, uint32_t answers,
			  uint32_t imports, uint32_t exports)
{
	struct capn_rpc_counts n = capn_rpc_count(rpc);
	ck_assert_uint_eq(n.questions, questions);
	ck_assert_uint_eq(n.answers, answers);
	ck_assert_uint_eq(n.imports, imports);
	ck_assert_uint_eq(n.exports, exports);
}

/* Nothing is left of what was done, then of anything. */
static void part(struct pair *p)
{
	ck_assert(!p->a.ended && !p->b.ended);
	capn_cap_unref(p->boot);
	settle(p);
	assert_counts(p->a.rpc, 0, 0, 0, 0);
	assert_counts(p->b.rpc, 0, 0, 0, 0);
	capn_rpc_free(p->a.rpc);
	capn_rpc_free(p->b.rpc);
}

START_TEST(bootstrap_call_answer)
{
	struct pair p;
	struct outcome o;
	pair_up(&p);
	/* Sent before the bootstrap was answered. */
	call_with(p.boot, ADD, 5, NULL, &o);
	settle(&p);
	ck_assert(o.times == 1 && o.ok);
	ck_assert_uint_eq(o.number, 5);
	call_with(p.boot, ADD, 6, NULL, &o);
	settle(&p);
	ck_assert_uint_eq(o.number, 11);
	assert_counts(p.a.rpc, 0, 0, 1, 0);
	assert_counts(p.b.rpc, 0, 0, 0, 1);
	part(&p);
	ck_assert_uint_eq(destroyed, 1);
}
END_TEST

START_TEST(exceptions)
{
	struct pair p;
	struct outcome o;
	struct capn_call *call;
	pair_up(&p);
	call_with(p.boot, FAIL, 0, NULL, &o);
	settle(&p);
	ck_assert(o.times == 1 && !o.ok && o.type == CAPN_FAILED);
	ck_assert_str_eq(o.reason, "as asked ");
	call_with(p.boot, 99, 0, NULL, &o);
	settle(&p);
	ck_assert(!o.ok && o.type == CAPN_UNIMPLEMENTED);
	call = capn_call_new(p.boot, INTERFACE + 1, 0, 0, 0);
	ck_assert_int_eq(capn_call_send(call, on_return, &o, NULL), ADIT_OK);
	settle(&p);
	ck_assert(!o.ok && o.type == CAPN_UNIMPLEMENTED);
	part(&p);
}
END_TEST

START_TEST(no_bootstrap_object)
{
	struct pair p;
	struct outcome o;
	pair_up(&p);
	capn_set_bootstrap(p.b.rpc, NULL);
	call_with(p.boot, ADD, 1, NULL, &o);
	settle(&p);
	ck_assert(o.times == 1 && !o.ok && o.type == CAPN_UNIMPLEMENTED);
	struct error e;
	struct capn_call *call = capn_call_new(p.boot, INTERFACE, ADD, 1, 0);
	ck_assert_int_eq(capn_call_send(call, on_return, &o, &e), ADIT_E_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(e.text, "no bootstrap object"));
	part(&p);
}
END_TEST

/* Calls on what an unanswered call will return, on what that will return, and so on. */
START_TEST(pipelines)
{
	static const uint16_t first = 0;
	struct pair p;
	struct outcome o[5];
	struct capn_cap *cap[4];
	struct capn_cap *target;
	pair_up(&p);
	target = p.boot;
	for (int i = 0; i < 4; i++) {
		struct capn_call *call = call_with(target, MAKE, 0, NULL, &o[i]);
		target = cap[i] = capn_call_promise(call, &first, 1);
	}
	call_with(target, ADD, 9, NULL, &o[4]);
	settle(&p);
	for (int i = 0; i < 5; i++)
		ck_assert(o[i].times == 1 && o[i].ok);
	ck_assert_uint_eq(o[4].number, 9);
	/* What was promised and what was returned is the same object. */
	call_with(o[3].cap, ADD, 1, NULL, &o[4]);
	settle(&p);
	ck_assert_uint_eq(o[4].number, 10);
	assert_counts(p.a.rpc, 0, 0, 5, 0);
	for (int i = 0; i < 4; i++) {
		capn_cap_unref(cap[i]);
		capn_cap_unref(o[i].cap);
	}
	settle(&p);
	ck_assert_uint_eq(destroyed, 4);
	part(&p);
}
END_TEST

/* The peer answers late; meanwhile calls on the promised result wait with it, in order. */
START_TEST(pipelines_that_wait)
{
	static const uint16_t first = 0;
	struct pair p;
	struct outcome later;
	struct outcome o[3];
	struct counter *made;
	pair_up(&p);
	struct capn_call *call = call_with(p.boot, LATER, 0, NULL, &later);
	struct capn_cap *cap = capn_call_promise(call, &first, 1);
	for (uint64_t i = 0; i < 3; i++)
		call_with(cap, ADD, i + 1, NULL, &o[i]);
	settle(&p);
	ck_assert(o[0].times == 0 && p.counter->later != NULL);
	struct capn_cap *object = counter_new(p.b.rpc, &made);
	answer_cap(p.counter->later, object);
	capn_cap_unref(object);
	settle(&p);
	ck_assert(later.ok && o[2].ok);
	ck_assert_uint_eq(o[2].number, 6);
	ck_assert_uint_eq(made->order[0], 1);
	ck_assert_uint_eq(made->order[2], 3);
	capn_cap_unref(cap);
	capn_cap_unref(later.cap);
	part(&p);
	ck_assert_uint_eq(destroyed, 2);
}
END_TEST

START_TEST(cancelled_calls)
{
	static const uint16_t first = 0;
	struct pair p;
	struct outcome o;
	struct outcome waits;
	pair_up(&p);
	struct capn_call *call = call_with(p.boot, LATER, 0, NULL, &o);
	struct capn_cap *cap = capn_call_promise(call, &first, 1);
	call_with(cap, ADD, 1, NULL, &waits);
	settle(&p);
	capn_call_cancel(call);
	settle(&p);
	ck_assert_uint_eq(o.times, 0);
	ck_assert(waits.times == 1 && !waits.ok);
	assert_counts(p.a.rpc, 0, 0, 1, 0);
	/* The object answers all the same: nobody hears it. */
	answer_cap(p.counter->later,
		   capn_cap_ref(p.counter->taken != NULL ? p.counter->taken : cap));
	settle(&p);
	ck_assert_uint_eq(o.times, 0);
	capn_cap_unref(cap);
	capn_cap_unref(cap);

	/* Answer and finish cross. */
	call = call_with(p.boot, MAKE, 0, NULL, &o);
	move(p.a.rpc, p.b.rpc, 4096);
	capn_call_cancel(call);
	settle(&p);
	ck_assert_uint_eq(o.times, 0);
	ck_assert_uint_eq(destroyed, 1);

	/* Not even sent. */
	call = capn_call_new(p.boot, INTERFACE, ADD, 1, 0);
	capn_call_cancel(call);
	part(&p);
}
END_TEST

/* An object of a goes to b, which calls it through a capability that came back. */
START_TEST(objects_both_ways)
{
	struct pair p;
	struct outcome o;
	struct counter *mine;
	pair_up(&p);
	struct capn_cap *cap = counter_new(p.a.rpc, &mine);
	call_with(p.boot, TAKE, 0, cap, &o);
	settle(&p);
	ck_assert_uint_eq(o.number, 1);
	assert_counts(p.a.rpc, 0, 0, 1, 1);
	struct outcome back;
	call_with(p.counter->taken, ADD, 3, NULL, &back);
	settle(&p);
	ck_assert(back.ok);
	ck_assert_uint_eq(mine->sum, 3);

	/* Returned to its owner it is the object itself: a call does not leave the house. */
	call_with(p.boot, GIVE_BACK, 0, NULL, &o);
	settle(&p);
	struct outcome local;
	call_with(o.cap, ADD, 4, NULL, &local);
	ck_assert_uint_eq(local.times, 0);
	capn_rpc_flush(p.a.rpc);
	capn_rpc_flush(p.a.rpc);
	ck_assert(local.times == 1 && local.ok);
	ck_assert_uint_eq(mine->sum, 7);
	capn_cap_unref(o.cap);
	capn_cap_unref(cap);
	call_with(p.boot, TAKE, 0, NULL, &o);
	settle(&p);
	ck_assert_uint_eq(destroyed, 1);
	part(&p);
}
END_TEST

/* A promise that turns out to be the caller's own object: what was called before arrives before
 * what is called after (rpc.capnp, Disembargo). */
START_TEST(embargo)
{
	static const uint16_t first = 0;
	struct pair p;
	struct outcome o;
	struct outcome took;
	struct outcome calls[6];
	struct counter *mine;
	pair_up(&p);
	struct capn_cap *cap = counter_new(p.a.rpc, &mine);
	call_with(p.boot, TAKE, 0, cap, &took);
	struct capn_call *call = call_with(p.boot, GIVE_BACK, 0, NULL, &o);
	struct capn_cap *promise = capn_call_promise(call, &first, 1);
	for (uint64_t i = 0; i < 3; i++)
		call_with(promise, ADD, i, NULL, &calls[i]);
	move(p.a.rpc, p.b.rpc, 4096);
	move(p.b.rpc, p.a.rpc, 4096);
	ck_assert(o.ok);
	for (uint64_t i = 3; i < 6; i++)
		call_with(promise, ADD, i, NULL, &calls[i]);
	settle(&p);
	for (int i = 0; i < 10; i++)
		capn_rpc_flush(p.a.rpc);
	settle(&p);
	ck_assert_uint_eq(mine->calls, 6);
	for (uint64_t i = 0; i < 6; i++) {
		ck_assert(calls[i].times == 1 && calls[i].ok);
		ck_assert_uint_eq(mine->order[i], i);
	}
	capn_cap_unref(promise);
	capn_cap_unref(o.cap);
	capn_cap_unref(cap);
	call_with(p.boot, TAKE, 0, NULL, &took);
	part(&p);
}
END_TEST

START_TEST(end_of_the_conversation)
{
	static const uint16_t first = 0;
	struct pair p;
	struct outcome o[3];
	struct error e;
	pair_up(&p);
	struct capn_call *call = call_with(p.boot, LATER, 0, NULL, &o[0]);
	struct capn_cap *cap = capn_call_promise(call, &first, 1);
	call_with(cap, ADD, 0, NULL, &o[1]);
	settle(&p);
	call_with(p.boot, ADD, 0, NULL, &o[2]);
	capn_rpc_close(p.a.rpc, "power cut");
	for (int i = 0; i < 3; i++) {
		ck_assert(o[i].times == 1 && !o[i].ok && o[i].type == CAPN_DISCONNECTED);
		ck_assert_str_eq(o[i].reason, "power cut");
	}
	call = capn_call_new(p.boot, INTERFACE, ADD, 1, 0);
	ck_assert_int_eq(capn_call_send(call, on_return, &o[0], &e), ADIT_E_UNAVAILABLE);
	ck_assert_ptr_null(capn_bootstrap(p.a.rpc));
	capn_rpc_free(p.a.rpc);
	/* The other end still has to answer what it owes; then it goes. */
	struct capn_incoming *later = p.counter->later;
	capn_rpc_free(p.b.rpc);
	capn_answer_fail(later, CAPN_FAILED, "too late");
	ck_assert_uint_eq(destroyed, 1);
	/* What the program still has is harmless. */
	call = capn_call_new(cap, INTERFACE, ADD, 1, 0);
	ck_assert_int_eq(capn_call_send(call, on_return, &o[0], &e), ADIT_E_UNAVAILABLE);
	capn_cap_unref(cap);
	capn_cap_unref(p.boot);
}
END_TEST

static void free_in_callback(void *user, const struct capn_return *result)
{
	(void)result;
	capn_rpc_free(user);
}

START_TEST(freed_in_a_callback)
{
	struct pair p;
	pair_up(&p);
	struct capn_call *call = capn_call_new(p.boot, INTERFACE, ADD, 1, 0);
	ck_assert_int_eq(capn_call_send(call, free_in_callback, p.a.rpc, NULL), ADIT_OK);
	move(p.a.rpc, p.b.rpc, 4096);
	struct buf *out = capn_rpc_flush(p.b.rpc);
	capn_rpc_input(p.a.rpc, out->data, out->size);
	capn_cap_unref(p.boot);
	capn_rpc_free(p.b.rpc);
}
END_TEST

START_TEST(bounds)
{
	struct pair p;
	static struct outcome o[CAPN_CALLS_MAX];
	struct error e;
	pair_up(&p);
	settle(&p);
	for (unsigned i = 0; i < CAPN_CALLS_MAX; i++)
		call_with(p.boot, ADD, 1, NULL, &o[i]);
	struct capn_call *call = capn_call_new(p.boot, INTERFACE, ADD, 1, 0);
	ck_assert_int_eq(capn_call_send(call, on_return, &o[0], &e), ADIT_E_LIMIT);
	settle(&p);
	ck_assert_uint_eq(p.counter->sum, CAPN_CALLS_MAX);

	call = capn_call_new(p.boot, INTERFACE, ADD, 1, 1);
	struct capn_ref big =
	    capn_new_list(capn_call_params(call), 0, CAPN_BYTE, CAPN_MESSAGE_MAX + 1);
	ck_assert_ptr_null(big.builder);
	ck_assert_int_eq(capn_call_send(call, on_return, &o[0], &e), ADIT_E_NO_MEMORY);
	part(&p);
}
END_TEST

/* --- bytes of a bad peer
 * ------------------------------------------------------------------------------ */

/* Gives the end A one message that FILL makes. */
static void feed(struct capn_rpc *rpc, void (*fill)(struct capn_builder *b))
{
	struct capn_builder b = {0};
	struct buf bytes = {0};
	fill(&b);
	ck_assert_int_eq(capn_frame(&b, &bytes), ADIT_OK);
	capn_rpc_input(rpc, bytes.data, bytes.size);
	capn_builder_free(&b);
	buf_free(&bytes);
}

static struct capn_ref message(struct capn_builder *b, uint16_t which, uint16_t data,
			       uint16_t pointers)
{
	struct capn_ref root = capn_new_root(b, SIZE_MESSAGE);
	capn_write16(root, 0, which);
	return capn_new_struct(root, 0, data, pointers);
}

static void return_unknown(struct capn_builder *b)
{
	capn_write32(message(b, MESSAGE_RETURN, SIZE_RETURN), 0, 99);
}

static void release_unknown(struct capn_builder *b)
{
	capn_write32(message(b, MESSAGE_RELEASE, SIZE_RELEASE), RELEASE_COUNT, 1);
}

static void call_unknown(struct capn_builder *b)
{
	struct capn_ref call = message(b, MESSAGE_CALL, SIZE_CALL);
	capn_write32(capn_new_struct(call, CALL_TARGET, SIZE_TARGET), 0, 7);
}

static void call_itself(struct capn_builder *b)
{
	struct capn_ref call = message(b, MESSAGE_CALL, SIZE_CALL);
	capn_write32(call, 0, 5);
	struct capn_ref target = capn_new_struct(call, CALL_TARGET, SIZE_TARGET);
	capn_write16(target, TARGET_WHICH, TARGET_ANSWER);
	capn_write32(capn_new_struct(target, 0, SIZE_ANSWER), 0, 5);
}

static void call_with_foreign_cap(struct capn_builder *b)
{
	struct capn_ref call = message(b, MESSAGE_CALL, SIZE_CALL);
	struct capn_ref payload = capn_new_struct(call, CALL_PARAMS, SIZE_PAYLOAD);
	struct capn_ref caps = capn_new_composite(payload, PAYLOAD_CAPS, 1, SIZE_DESCRIPTOR);
	capn_write16(capn_ref_element(caps, 0), 0, DESCRIPTOR_RECEIVER_HOSTED);
	capn_write32(capn_ref_element(caps, 0), DESCRIPTOR_ID, 1000);
}

static void disembargo_unknown(struct capn_builder *b)
{
	capn_write16(message(b, MESSAGE_DISEMBARGO, SIZE_DISEMBARGO), DISEMBARGO_WHICH,
		     DISEMBARGO_RECEIVER_LOOPBACK);
}

static void disembargo_of_ours(struct capn_builder *b)
{
	message(b, MESSAGE_DISEMBARGO, SIZE_DISEMBARGO);
}

static void abort_it(struct capn_builder *b)
{
	capn_set_text(message(b, MESSAGE_ABORT, SIZE_EXCEPTION), 0, "so long", 7);
}

static void (*const faults[])(struct capn_builder *) = {
    return_unknown, release_unknown,       call_unknown,       call_itself,
    abort_it,       call_with_foreign_cap, disembargo_unknown, disembargo_of_ours};

START_TEST(faults_of_the_peer)
{
	struct pair p;
	struct outcome o;
	pair_up(&p);
	call_with(p.boot, LATER, 0, NULL, &o);
	settle(&p);
	struct capn_incoming *later = p.counter->later;
	feed(p.a.rpc, faults[_i]);
	ck_assert(p.a.ended);
	ck_assert(o.times == 1 && !o.ok && o.type == CAPN_DISCONNECTED);
	/* The peer is told, unless it was the one who told us. */
	struct buf *out = capn_rpc_flush(p.a.rpc);
	capn_rpc_input(p.b.rpc, out->data, out->size);
	ck_assert(p.b.ended == (faults[_i] != abort_it));
	if (p.b.ended)
		ck_assert_ptr_nonnull(strstr(p.b.reason.text, "ended the conversation"));
	capn_rpc_free(p.a.rpc);
	capn_rpc_free(p.b.rpc);
	/* An object answers also when nobody is left who asked. */
	capn_answer_fail(later, CAPN_FAILED, "");
	capn_cap_unref(p.boot);
}
END_TEST

static void join(struct capn_builder *b)
{
	struct capn_ref body = message(b, 12, 1, 2);
	capn_write32(body, 0, 4711);
	capn_set_text(body, 1, "whatever", 8);
}

/* A kind of message that nobody speaks comes back as it was. */
START_TEST(unknown_messages)
{
	struct end end = {0};
	struct capn_message m;
	end.rpc = capn_rpc_new(&callbacks, &end);
	feed(end.rpc, join);
	struct buf *out = capn_rpc_flush(end.rpc);
	ck_assert_int_eq(capn_message_init(&m, out->data, out->size, NULL), ADIT_OK);
	ck_assert_uint_eq(capn_read16(capn_root(&m), 0), MESSAGE_UNIMPLEMENTED);
	struct capn_ptr back = capn_getp(capn_root(&m), 0);
	ck_assert_uint_eq(capn_read16(back, 0), 12);
	ck_assert_uint_eq(capn_read32(capn_getp(back, 0), 0), 4711);
	ck_assert_mem_eq(capn_get_text(capn_getp(back, 0), 1).data, "whatever", 9);
	ck_assert(!end.ended);
	capn_rpc_free(end.rpc);
}
END_TEST

START_TEST(garbage)
{
	struct end end = {0};
	uint8_t bytes[64];
	end.rpc = capn_rpc_new(&callbacks, &end);
	memset(bytes, 0xff, sizeof(bytes));
	capn_rpc_input(end.rpc, bytes, sizeof(bytes));
	ck_assert(end.ended);
	capn_rpc_input(end.rpc, bytes, sizeof(bytes));
	capn_rpc_free(end.rpc);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("capnp-rpc");
	TCase *tcase = tcase_create("conversation");
	tcase_add_test(tcase, bootstrap_call_answer);
	tcase_add_test(tcase, exceptions);
	tcase_add_test(tcase, no_bootstrap_object);
	tcase_add_test(tcase, pipelines);
	tcase_add_test(tcase, pipelines_that_wait);
	tcase_add_test(tcase, cancelled_calls);
	tcase_add_test(tcase, objects_both_ways);
	tcase_add_test(tcase, embargo);
	tcase_add_test(tcase, end_of_the_conversation);
	tcase_add_test(tcase, freed_in_a_callback);
	tcase_add_test(tcase, bounds);
	tcase_add_loop_test(tcase, faults_of_the_peer, 0, sizeof(faults) / sizeof(faults[0]));
	tcase_add_test(tcase, unknown_messages);
	tcase_add_test(tcase, garbage);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
