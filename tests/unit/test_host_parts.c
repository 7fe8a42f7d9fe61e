/* SPDX-License-Identifier: MIT */
/* The host's parts: frames, channels, bus, calls, JSON text, numbers, log lines, sockets. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>
#include <event2/event.h>

#include "host/bus.h"
#include "host/calls.h"
#include "host/handles.h"
#include "host/ipc.h"
#include "host/json_text.h"
#include "host/listeners.h"
#include "host/log.h"
#include "host/slices.h"
#include "host/start.h"
#include "lib/util/buf.h"

/* --- frames -------------------------------------------------------------------------------------
 */

static const struct ipc_frame sample = {
    .kind = IPC_CALL,
    .flags = 0x1234,
    .source = 7,
    .target = 9,
    .correlation = 0x1122334455667788,
    .extra = 500,
    .status = -3,
    .name = "method",
    .text = "node",
    .json = "{}",
    .json_size = 2,
    .attachment = "abc",
    .attachment_size = 3,
};

static void encode(struct buf *out, const struct ipc_frame *f)
{
	uint8_t header[IPC_HEADER];

	ck_assert_int_eq(ipc_encode_header(f, header), ADIT_OK);
	(void)buf_append(out, header, sizeof(header));
	(void)buf_append(out, f->name, f->name != NULL ? strlen(f->name) : 0);
	(void)buf_append(out, f->text, f->text != NULL ? strlen(f->text) : 0);
	(void)buf_append(out, f->json, f->json_size);
	(void)buf_append(out, f->attachment, f->attachment_size);
}

START_TEST(test_ipc_round_trip)
{
	struct buf b = {0};
	struct ipc_frame f;
	struct ipc_strings s;
	size_t size;

	encode(&b, &sample);
	ck_assert_int_eq(ipc_frame_size(b.data, &size), ADIT_OK);
	ck_assert_uint_eq(size, b.size);
	ck_assert_int_eq(ipc_decode(b.data, b.size, &f, &s), ADIT_OK);
	ck_assert_uint_eq(f.kind, sample.kind);
	ck_assert_uint_eq(f.flags, sample.flags);
	ck_assert_uint_eq(f.source, 7);
	ck_assert_uint_eq(f.target, 9);
	ck_assert(f.correlation == sample.correlation && f.extra == 500 && f.status == -3);
	ck_assert_str_eq(f.name, "method");
	ck_assert_str_eq(f.text, "node");
	ck_assert(f.json_size == 2 && memcmp(f.json, "{}", 2) == 0);
	ck_assert(f.attachment_size == 3 && memcmp(f.attachment, "abc", 3) == 0);
	buf_free(&b);
}
END_TEST

START_TEST(test_ipc_truncated)
{
	struct buf b = {0};
	struct ipc_frame f;
	struct ipc_strings s;

	encode(&b, &sample);
	for (size_t size = 0; size < b.size; size++) {
		uint8_t *exact = malloc(size > 0 ? size : 1);

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, b.data, size);
		ck_assert_int_eq(ipc_decode(exact, size, &f, &s), ADIT_E_PROTOCOL);
		free(exact);
	}
	(void)buf_append_u8(&b, 0);
	ck_assert_int_eq(ipc_decode(b.data, b.size, &f, &s), ADIT_E_PROTOCOL);
	buf_free(&b);
}
END_TEST

START_TEST(test_ipc_hostile)
{
	/* offset and value of one altered byte of the header */
	static const uint8_t altered[][2] = {
	    {0, 0}, /* magic */
	    {4, 0}, /* no kind */
	    {4, IPC_KIND_COUNT},
	    {5, 2} /* version */,
	    {36, 128}, /* name of 128 bytes */
	    {37, 1},
	    {39, 4},    /* text of 1024 bytes and more */
	    {42, 0x81}, /* 8 MiB and more of JSON */
	    {43, 1},
	    {47, 0xff}, /* 4 GiB of attachment */
	};
	struct buf b = {0};
	size_t size;

	encode(&b, &sample);
	for (size_t i = 0; i < sizeof(altered) / sizeof(altered[0]); i++) {
		uint8_t before = b.data[altered[i][0]];

		b.data[altered[i][0]] = altered[i][1];
		ck_assert_msg(ipc_frame_size(b.data, &size) == ADIT_E_PROTOCOL, "byte %u",
			      altered[i][0]);
		b.data[altered[i][0]] = before;
	}
	ck_assert_int_eq(ipc_frame_size(b.data, &size), ADIT_OK);
	b.data[IPC_HEADER] = 0; /* a NUL in the name */
	ck_assert_int_eq(
	    ipc_decode(b.data, b.size, &(struct ipc_frame){0}, &(struct ipc_strings){0}),
	    ADIT_E_PROTOCOL);
	buf_free(&b);
}
END_TEST

START_TEST(test_ipc_limits)
{
	uint8_t header[IPC_HEADER];
	struct ipc_frame f = sample;
	char name[IPC_NAME_MAX + 2];

	f.json_size = IPC_JSON_MAX;
	f.attachment_size = IPC_ATTACHMENT_MAX;
	ck_assert_int_eq(ipc_encode_header(&f, header), ADIT_OK);
	f.json_size++;
	ck_assert_int_eq(ipc_encode_header(&f, header), ADIT_E_LIMIT);
	f.json_size--;
	f.attachment_size++;
	ck_assert_int_eq(ipc_encode_header(&f, header), ADIT_E_LIMIT);
	f.attachment_size = 0;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	f.name = name;
	ck_assert_int_eq(ipc_encode_header(&f, header), ADIT_E_LIMIT);
}
END_TEST

/* --- channels -----------------------------------------------------------------------------------
 */

struct peer {
	struct event_base *base;
	struct ipc_channel *channel;
	int fd; /* the other end */
	unsigned frames;
	size_t bytes;
	char closed[64];
	bool free_at_frame;
};

static void peer_frame(void *user, const struct ipc_frame *frame)
{
	struct peer *p = user;

	p->frames++;
	p->bytes += frame->attachment_size;
	if (p->free_at_frame) {
		ipc_channel_free(p->channel);
		p->channel = NULL;
	}
}

static void peer_closed(void *user, const char *reason)
{
	struct peer *p = user;

	(void)snprintf(p->closed, sizeof(p->closed), "closed:%s", reason);
}

static void peer_open(struct peer *p)
{
	int pair[2];

	memset(p, 0, sizeof(*p));
	p->base = event_base_new();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	p->channel = ipc_channel_new(p->base, pair[0], peer_frame, peer_closed, p);
	p->fd = pair[1];
	ck_assert_ptr_nonnull(p->channel);
}

static void peer_close(struct peer *p)
{
	ipc_channel_free(p->channel);
	if (p->fd >= 0)
		(void)close(p->fd);
	event_base_free(p->base);
	libevent_global_shutdown();
}

static void turn(struct peer *p)
{
	for (int i = 0; i < 20; i++)
		(void)event_base_loop(p->base, EVLOOP_NONBLOCK);
}

START_TEST(test_channel_pieces)
{
	struct peer p;
	struct buf b = {0};

	peer_open(&p);
	encode(&b, &sample);
	encode(&b, &sample);
	for (size_t i = 0; i < b.size; i++) { /* byte by byte */
		ck_assert_int_eq((int)write(p.fd, b.data + i, 1), 1);
		(void)event_base_loop(p.base, EVLOOP_NONBLOCK);
	}
	ck_assert_uint_eq(p.frames, 2);
	for (int i = 0; i < 998; i++) /* more than one wake-up takes, in one write */
		encode(&b, &sample);
	ck_assert_int_eq((int)write(p.fd, b.data, b.size), (int)b.size);
	(void)close(p.fd);
	p.fd = -1;
	turn(&p);
	ck_assert_uint_eq(p.frames, 1002);
	ck_assert_str_eq(p.closed, "closed:");
	buf_free(&b);
	peer_close(&p);
}
END_TEST

START_TEST(test_channel_malformed)
{
	struct peer p;
	char rubbish[256];

	peer_open(&p);
	memset(rubbish, 'x', sizeof(rubbish));
	ck_assert_int_eq((int)write(p.fd, rubbish, sizeof(rubbish)), (int)sizeof(rubbish));
	turn(&p);
	ck_assert_str_eq(p.closed, "closed:a malformed frame");
	ck_assert_int_eq(ipc_send(p.channel, &sample), ADIT_E_UNAVAILABLE);
	peer_close(&p);
}
END_TEST

START_TEST(test_channel_freed_in_callback)
{
	struct peer p;
	struct buf b = {0};

	peer_open(&p);
	p.free_at_frame = true;
	encode(&b, &sample);
	encode(&b, &sample);
	ck_assert_int_eq((int)write(p.fd, b.data, b.size), (int)b.size);
	turn(&p);
	ck_assert_uint_eq(p.frames, 1);
	buf_free(&b);
	peer_close(&p);
}
END_TEST

START_TEST(test_channel_queue)
{
	struct peer p;
	struct ipc_frame f = sample;
	char *attachment = calloc(1, IPC_ATTACHMENT_MAX);
	int sent = 0;

	peer_open(&p);
	ck_assert_ptr_nonnull(attachment);
	f.attachment = attachment;
	f.attachment_size = IPC_ATTACHMENT_MAX;
	while (sent < 10 && ipc_send(p.channel, &f) == ADIT_OK)
		sent++;
	ck_assert_int_eq(sent, 3); /* the fourth would not fit into 128 MiB with its header */
	ck_assert_int_eq(ipc_send(p.channel, &sample), ADIT_OK);
	free(attachment);
	peer_close(&p);
}
END_TEST

/* Two channels, the largest frame there is. */
START_TEST(test_channel_large)
{
	struct peer p;
	struct peer q = {0};
	struct ipc_frame f = sample;
	char *attachment = calloc(1, IPC_ATTACHMENT_MAX);

	peer_open(&p);
	q.channel = ipc_channel_new(p.base, p.fd, peer_frame, peer_closed, &q);
	p.fd = -1;
	ck_assert_ptr_nonnull(attachment);
	f.attachment = attachment;
	f.attachment_size = IPC_ATTACHMENT_MAX;
	ck_assert_int_eq(ipc_send(p.channel, &f), ADIT_OK);
	for (int i = 0; i < 100000 && q.frames == 0; i++)
		(void)event_base_loop(p.base, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(q.bytes, IPC_ATTACHMENT_MAX);
	ck_assert_uint_eq(ipc_pending(p.channel), 0);
	ipc_channel_free(q.channel);
	free(attachment);
	peer_close(&p);
}
END_TEST

/* --- bus ----------------------------------------------------------------------------------------
 */

struct listener_log {
	char text[512];
	bool full;
};

static bool take(void *user, const struct bus_event *e, uint64_t lost)
{
	struct listener_log *l = user;
	size_t size = strlen(l->text);

	if (l->full)
		return false;
	(void)snprintf(l->text + size, sizeof(l->text) - size, "%s/%llu+%llu ", e->type,
		       (unsigned long long)e->sequence, (unsigned long long)lost);
	return true;
}

static void wanted_log(void *user, const char *type, bool wanted)
{
	char *text = user;
	size_t size = strlen(text);

	(void)snprintf(text + size, 256 - size, "%s%s ", wanted ? "+" : "-", type);
}

static void publish(struct bus *bus, struct bus_source *source, const char *type)
{
	struct bus_event e = {.type = type, .source = "s", .json = "{}", .json_size = 2};

	ck_assert_int_eq(bus_publish(bus, source, &e), ADIT_OK);
}

START_TEST(test_bus)
{
	char wanted[256] = "";
	struct bus bus = {.on_wanted = wanted_log, .user = wanted};
	struct bus_source source = {0};
	struct bus_source other = {0};
	struct bus_subscriber a = {0};
	struct bus_subscriber b = {0};
	struct listener_log log_a = {0};
	struct listener_log log_b = {0};

	bus_join(&bus, &a, take, &log_a);
	bus_join(&bus, &b, take, &log_b);
	ck_assert_int_eq(bus_subscribe(&bus, &a, "A"), ADIT_OK);
	ck_assert_int_eq(bus_subscribe(&bus, &a, "A"), ADIT_OK);
	ck_assert_int_eq(bus_subscribe(&bus, &b, "*"), ADIT_OK);
	ck_assert_int_eq(bus_subscribe(&bus, &b, "a"), ADIT_E_INVALID_ARGUMENT);
	publish(&bus, &source, "A");
	publish(&bus, &source, "B");
	publish(&bus, &other, "A");
	log_a.full = true;
	publish(&bus, &source, "A");
	publish(&bus, &source, "A");
	log_a.full = false;
	publish(&bus, &source, "A");
	publish(&bus, &source, "A");
	ck_assert_str_eq(log_a.text, "A/1+0 A/1+0 A/4+2 A/5+0 ");
	ck_assert_str_eq(log_b.text, "A/1+0 B/1+0 A/1+0 A/2+0 A/3+0 A/4+0 A/5+0 ");
	bus_unsubscribe(&bus, &a, "A");
	bus_leave(&bus, &b);
	bus_leave(&bus, &a);
	ck_assert_str_eq(wanted, "+A +* -A -* ");
	bus_source_free(&source);
	bus_source_free(&other);
}
END_TEST

START_TEST(test_bus_limits)
{
	char wanted[256] = "";
	struct bus bus = {.on_wanted = wanted_log, .user = wanted};
	struct bus_subscriber a = {0};
	struct bus_source source = {0};
	struct bus_event e = {.source = "s"};
	char type[16];
	int subscribed = 0;
	int published = 0;

	bus_join(&bus, &a, take, NULL);
	for (int i = 0; i < 300; i++) {
		(void)snprintf(type, sizeof(type), "T%d", i);
		subscribed += bus_subscribe(&bus, &a, type) == ADIT_OK;
	}
	bus_leave(&bus, &a);
	for (int i = 0; i < 300; i++) {
		(void)snprintf(type, sizeof(type), "T%d", i);
		e.type = type;
		published += bus_publish(&bus, &source, &e) == ADIT_OK;
	}
	ck_assert_int_eq(subscribed, BUS_TYPES_PER_SUBSCRIBER);
	ck_assert_int_eq(published, BUS_TYPES_PER_SOURCE);
	bus_source_free(&source);
}
END_TEST

START_TEST(test_bus_owners)
{
	ck_assert(bus_may_publish("node", "NewBlock"));
	ck_assert(!bus_may_publish("pool", "NewBlock"));
	ck_assert(!bus_may_publish("pool", "ModuleCrashed"));
	ck_assert(bus_may_publish("", "ModuleCrashed"));
	ck_assert(bus_may_publish("pool", "BlockFound"));
	ck_assert(bus_type_valid("ShareSubmitted") && !bus_type_valid("share") &&
		  !bus_type_valid("") && !bus_type_valid("A b"));
}
END_TEST

/* --- calls --------------------------------------------------------------------------------------
 */

struct caller {
	char text[2048];
	unsigned ends;
	struct calls *calls; /* not NULL: cancel all of this caller's calls in the callback */
};

static void called(void *user, uint64_t tag, const struct call_reply *reply)
{
	struct caller *c = user;

	c->ends++;
	(void)snprintf(c->text, sizeof(c->text), "%llu %s %s%.*s", (unsigned long long)tag,
		       adit_error_name(reply->error), reply->message, (int)reply->json_size,
		       reply->json != NULL ? (const char *)reply->json : "");
	if (c->calls != NULL)
		calls_caller_gone(c->calls, c);
}

static uint64_t begin(struct calls *calls, struct caller *c, uint64_t tag, size_t count,
		      bool gather, uint32_t deadline)
{
	static const struct call_target targets[] = {{1, "a.1"}, {2, "a.2"}, {3, "a.3"}};
	uint64_t id;

	ck_assert_int_eq(
	    calls_begin(calls, c, called, c, tag, targets, count, gather, deadline, &id), ADIT_OK);
	return id;
}

START_TEST(test_calls_single)
{
	struct event_base *base = event_base_new();
	struct calls *calls = calls_new(base);
	struct caller c = {0};
	const struct call_reply good = {.message = "", .json = "5", .json_size = 1};
	uint64_t id = begin(calls, &c, 77, 1, false, 1000);

	ck_assert_uint_eq(calls_open(calls, 1), 1);
	ck_assert(!calls_answer(calls, id, 2, &good)); /* not the one that was asked */
	ck_assert(!calls_answer(calls, id + 1, 1, &good));
	ck_assert(calls_answer(calls, id, 1, &good));
	ck_assert_str_eq(c.text, "77 ok 5");
	ck_assert(!calls_answer(calls, id, 1, &good)); /* once */
	ck_assert_uint_eq(c.ends, 1);
	ck_assert_uint_eq(calls_open(calls, 1), 0);
	id = begin(calls, &c, 78, 1, false, 1000);
	calls_endpoint_gone(calls, 1, "gone");
	ck_assert_str_eq(c.text, "78 unavailable gone");
	id = begin(calls, &c, 79, 1, false, 1000);
	calls_cancel(calls, &c, 79);
	ck_assert(!calls_answer(calls, id, 1, &good));
	id = begin(calls, &c, 80, 1, false, 1000);
	calls_caller_gone(calls, &c);
	ck_assert(!calls_answer(calls, id, 1, &good));
	ck_assert_uint_eq(c.ends, 2);
	calls_free(calls);
	event_base_free(base);
}
END_TEST

START_TEST(test_calls_gather)
{
	struct event_base *base = event_base_new();
	struct calls *calls = calls_new(base);
	struct caller c = {0};
	const struct call_reply good = {.message = "", .json = "{\"x\":\n1}", .json_size = 8};
	const struct call_reply garbage = {.message = "", .json = "}{", .json_size = 2};
	uint64_t id = begin(calls, &c, 1, 3, true, 1000);

	ck_assert(calls_answer(calls, id, 2, &good));
	ck_assert(calls_answer(calls, id, 3, &garbage));
	ck_assert(!calls_answer(calls, id, 3, &garbage));
	ck_assert_uint_eq(c.ends, 0);
	calls_endpoint_gone(calls, 1, "a \"gone\"");
	ck_assert_str_eq(
	    c.text, "1 ok [{\"worker\":\"a.1\",\"error\":{\"code\":\"unavailable\",\"message\":"
		    "\"a \\\"gone\\\"\"}},{\"worker\":\"a.2\",\"result\":{\"x\": 1}},"
		    "{\"worker\":\"a.3\",\"result\":null}]");
	calls_free(calls);
	event_base_free(base);
}
END_TEST

START_TEST(test_calls_deadline)
{
	struct event_base *base = event_base_new();
	struct calls *calls = calls_new(base);
	struct caller c = {0};
	struct caller d = {0};
	const struct call_reply good = {.message = "", .json = "1", .json_size = 1};
	uint64_t id = begin(calls, &c, 1, 2, true, 20);

	(void)begin(calls, &d, 2, 1, false, 10);
	ck_assert(calls_answer(calls, id, 1, &good));
	(void)event_base_dispatch(base);
	ck_assert_str_eq(d.text, "2 timeout no answer in time");
	ck_assert_str_eq(c.text,
			 "1 ok [{\"worker\":\"a.1\",\"result\":1},{\"worker\":\"a.2\",\"error\":"
			 "{\"code\":\"timeout\",\"message\":\"no answer in time\"}}]");
	ck_assert_uint_eq(c.ends + d.ends, 2);
	calls_free(calls);
	event_base_free(base);
}
END_TEST

/* A caller may end all its calls while one is told. */
START_TEST(test_calls_reentrant)
{
	struct event_base *base = event_base_new();
	struct calls *calls = calls_new(base);
	struct caller c = {0};

	for (uint64_t i = 0; i < 50; i++)
		(void)begin(calls, &c, i, 1, false, 1000);
	c.calls = calls;
	calls_endpoint_gone(calls, 1, "gone");
	ck_assert_uint_eq(c.ends, 1);
	ck_assert_uint_eq(calls_open(calls, 1), 0);
	calls_free(calls);
	event_base_free(base);
}
END_TEST

START_TEST(test_calls_limits)
{
	struct event_base *base = event_base_new();
	struct calls *calls = calls_new(base);
	struct caller c = {0};
	const struct call_target target = {1, "a.1"};
	char *long_json = malloc(IPC_JSON_MAX);
	uint64_t id;

	ck_assert_ptr_nonnull(long_json);
	for (int i = 0; i < CALLS_PER_CALLER; i++)
		(void)begin(calls, &c, 1, 1, false, 1000);
	ck_assert_int_eq(calls_begin(calls, &c, called, &c, 1, &target, 1, false, 1000, &id),
			 ADIT_E_LIMIT);
	calls_caller_gone(calls, &c);
	id = begin(calls, &c, 1, 2, true, 1000);
	memset(long_json, '7', IPC_JSON_MAX);
	for (uint32_t i = 1; i <= 2; i++) {
		const struct call_reply reply = {
		    .message = "", .json = long_json, .json_size = IPC_JSON_MAX - 1000};

		ck_assert(calls_answer(calls, id, i, &reply));
	}
	ck_assert_uint_eq(c.ends, 1); /* one of the two was left out */
	free(long_json);
	calls_free(calls);
	event_base_free(base);
}
END_TEST

/* --- JSON text ----------------------------------------------------------------------------------
 */

START_TEST(test_json_valid)
{
	static const char *const good[] = {
	    "1",
	    "-0.5e+10",
	    "\"\"",
	    "\"a\\u00e9\\n\\\"\"",
	    "true",
	    " null ",
	    "[]",
	    "{}",
	    "[1,[2,{}],{\"a\":[]}]",
	    "{\"a\":1,\"b\":{\"c\":null}}",
	    "\n[ 1 , 2 ]\t",
	    "0",
	    "-0",
	};
	static const char *const bad[] = {
	    "",      " ",          "01",     "1.",         "-",           "+1",      "1e",
	    "tru",   "nulll",      "[1,]",   "[1 2]",      "[,]",         "{\"a\"}", "{\"a\":}",
	    "{a:1}", "{\"a\":1,}", "\"\n\"", "\"\\x\"",    "\"\\u12g4\"", "\"",      "[",
	    "{",     "]",          "1 2",    "{\"a\":1}}", "[1}",         "\"\\",    "\"\\u12",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(json_text_valid(good[i], strlen(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!json_text_valid(bad[i], strlen(bad[i])), "%s", bad[i]);
	ck_assert(!json_text_valid("1\0", 2));
}
END_TEST

START_TEST(test_json_depth)
{
	char text[200];

	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	ck_assert(json_text_valid(text, 128));
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	ck_assert(!json_text_valid(text, 130));
}
END_TEST

START_TEST(test_json_write)
{
	struct buf b = {0};

	(void)json_text_string(&b, "a\"\\\n\x01\xc3\xa9");
	(void)json_text_embed(&b, "[1,\n2]", 6);
	(void)json_text_embed(&b, "[1", 2);
	(void)buf_append_u8(&b, 0);
	ck_assert_str_eq((const char *)b.data, "\"a\\\"\\\\\\u000a\\u0001\xc3\xa9\"[1, 2]null");
	buf_free(&b);
}
END_TEST

/* --- the rest -----------------------------------------------------------------------------------
 */

START_TEST(test_handles)
{
	struct handles h = {0};
	int things[100];
	uint64_t numbers[100];

	for (int i = 0; i < 100; i++) {
		numbers[i] = handles_add(&h, &things[i]);
		ck_assert(numbers[i] != 0);
	}
	for (int i = 0; i < 100; i++)
		ck_assert_ptr_eq(handles_get(&h, numbers[i]), &things[i]);
	handles_remove(&h, numbers[5]);
	handles_remove(&h, numbers[5]);
	ck_assert_ptr_null(handles_get(&h, numbers[5]));
	ck_assert(handles_add(&h, &things[5]) != numbers[5]);
	ck_assert_ptr_null(handles_get(&h, numbers[5])); /* the slot is another's now */
	ck_assert_ptr_null(handles_get(&h, 0));
	ck_assert_ptr_null(handles_get(&h, UINT64_MAX));
	handles_free(&h);
}
END_TEST

START_TEST(test_start)
{
	struct start_setting settings[] = {{(char[]){"k"}, (char[]){"v \"x\""}}};
	struct start_listener sockets[] = {{(char[]){"listen"}, (char[]){"127.0.0.1:1"}, 9, false},
					   {(char[]){"listen"}, (char[]){"unix:/s"}, 10, true}};
	struct start_instance instance = {5,
					  65535,
					  3,
					  7,
					  (char[]){"ask \"root\""},
					  (char[]){"pool"},
					  (char[]){"pool@x"},
					  (char[]){"pool@x.2"},
					  (char[]){"/p.so"},
					  (char[]){"/s"},
					  settings,
					  1,
					  sockets,
					  2,
					  11};
	const struct start start = {
	    (char[]){"mining.2"}, (char[]){"main"}, 2, 3, 65535, 4, 12, &instance, 1};
	struct buf b = {0};
	struct start *got;

	ck_assert(start_encode(&start, &b));
	got = start_decode((const char *)b.data, b.size);
	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got->process, "mining.2");
	ck_assert(got->worker == 2 && got->workers == 3 && got->server_id == 65535);
	ck_assert_uint_eq(got->instance_count, 1);
	ck_assert_str_eq(got->instances[0].settings[0].value, "v \"x\"");
	ck_assert(got->instances[0].slice == 65535 && got->instances[0].id == 5);
	ck_assert_uint_eq(got->instances[0].capabilities, 3);
	ck_assert_uint_eq(got->instances[0].requested, 7);
	ck_assert_str_eq(got->instances[0].remedy, "ask \"root\"");
	ck_assert_int_eq(got->instances[0].listeners[1].fd, 10);
	ck_assert(got->instances[0].share_ring == 11 && got->share_socket == 12);
	ck_assert(got->instances[0].listeners[1].is_unix &&
		  !got->instances[0].listeners[0].is_unix);
	start_free(got);
	ck_assert_ptr_null(start_decode("{", 1));
	buf_free(&b);
}
END_TEST

START_TEST(test_log_sanitise)
{
	static const char *const pairs[][2] = {
	    {"plain", "plain"},
	    {"a\x1b[31m\nb\x7f", "a?[31m?b?"},
	    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
	    {"\xc0\xaf\xed\xa0\x80\xc3", "??????"}, /* overlong, surrogate, cut */
	    {"\xc2\x9b"
	     "31m",
	     "??31m"}, /* CSI as one C1 character */
	};
	char out[64];

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		log_sanitise(out, sizeof(out), pairs[i][0], strlen(pairs[i][0]));
		ck_assert_str_eq(out, pairs[i][1]);
	}
	log_sanitise(out, 4, "\xe2\x82\xac\xe2\x82\xac", 6); /* never half a character */
	ck_assert_str_eq(out, "\xe2\x82\xac");
}
END_TEST

START_TEST(test_slices)
{
	char directory[] = "/tmp/adit-slice-XXXXXX";
	char path[64];
	struct slices s;
	struct error e;
	uint16_t first;
	uint16_t slice;
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/slice", directory);
	ck_assert_int_eq(slices_open(&s, directory, &e), ADIT_OK);
	ck_assert_int_eq(slices_next(&s, &first, &e), ADIT_OK);
	for (int i = 1; i < 200; i++) {
		ck_assert_int_eq(slices_next(&s, &slice, &e), ADIT_OK);
		ck_assert_uint_eq(slice, (uint16_t)(first + i));
	}
	slices_close(&s);
	ck_assert_int_eq(slices_open(&s, directory, &e), ADIT_OK); /* as after a crash */
	ck_assert_int_eq(slices_next(&s, &slice, &e), ADIT_OK);
	ck_assert_uint_ge(slice, 200);
	slices_close(&s);
	f = fopen(path, "w");
	ck_assert_int_gt(fprintf(f, "65530\n"), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(slices_open(&s, directory, &e), ADIT_OK);
	for (int i = 0; i < 7; i++)
		ck_assert_int_eq(slices_next(&s, &slice, &e), ADIT_OK);
	ck_assert_uint_eq(slice, 0); /* round */
	slices_close(&s);
	f = fopen(path, "w");
	ck_assert_int_gt(fprintf(f, "rubbish\n"), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(slices_open(&s, directory, &e), ADIT_E_IO);
	slices_close(&s);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(test_listeners)
{
	char directory[] = "/tmp/adit-listen-XXXXXX";
	char address[64];
	struct listeners all = {0};
	struct listeners others = {0};
	const struct listener *l;
	const struct listener *again;
	struct error e;
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	(void)snprintf(address, sizeof(address), "unix:%s/s", directory);
	ck_assert_int_eq(listeners_open(&all, "a listen", address, &l, &e), ADIT_OK);
	ck_assert_int_eq(stat(address + 5, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	ck_assert_int_eq(listeners_open(&all, "a listen", address, &again, &e), ADIT_OK);
	ck_assert_ptr_eq(l, again); /* kept */
	/* somebody listens there */
	ck_assert_int_eq(listeners_open(&others, "b listen", address, &again, &e), ADIT_E_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "another process listens there"));
	/* a socket file that nobody listens at any more is replaced */
	ck_assert_int_eq(dup2(STDERR_FILENO, l->fd), l->fd);
	ck_assert_int_eq(listeners_open(&others, "b listen", address, &again, &e), ADIT_OK);
	listeners_free(&others);
	ck_assert_int_ne(stat(address + 5, &st), 0);
	ck_assert_int_eq(listeners_open(&others, "b listen", "127.0.0.1:0", &again, &e), ADIT_OK);
	ck_assert_str_ne(again->address, "127.0.0.1:0");
	(void)snprintf(address, sizeof(address), "%s", again->address);
	ck_assert_int_eq(listeners_open(&others, "c listen", address, &again, &e), ADIT_E_IO);
	ck_assert_ptr_nonnull(strstr(e.text, address));
	listeners_free(&others);
	listeners_free(&all);
	/* a file that is no socket stays */
	(void)snprintf(address, sizeof(address), "unix:%s/file", directory);
	ck_assert_int_eq(fclose(fopen(address + 5, "w")), 0);
	ck_assert_int_eq(listeners_open(&all, "a listen", address, &l, &e), ADIT_E_IO);
	ck_assert_int_eq(unlink(address + 5), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    test_ipc_round_trip,
	    test_ipc_truncated,
	    test_ipc_hostile,
	    test_ipc_limits,
	    test_channel_pieces,
	    test_channel_malformed,
	    test_channel_queue,
	    test_channel_large,
	    test_channel_freed_in_callback,
	    test_bus,
	    test_bus_limits,
	    test_bus_owners,
	    test_calls_single,
	    test_calls_gather,
	    test_calls_deadline,
	    test_calls_reentrant,
	    test_calls_limits,
	    test_json_valid,
	    test_json_depth,
	    test_json_write,
	    test_handles,
	    test_start,
	    test_log_sanitise,
	    test_slices,
	    test_listeners,
	};
	Suite *suite = suite_create("host-parts");
	TCase *c = tcase_create("parts");
	SRunner *runner;
	int failed;

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	tcase_set_timeout(c, 30);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
