/* SPDX-License-Identifier: MIT */
/*
 * bench_bus_plugin.c: the role that adit-bench runs twice, as sides a and b in processes of their
 * own, to measure what the bus costs. Method `calls` makes calls to the other side, one after the
 * other; `events` publishes batches that the other side confirms, some batches ahead.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <adit/plugin.h>
#include <json-c/json.h>

#define ROUNDS_MAX 200000

struct side {
	const struct adit_host_api *api;
	struct adit_host *host;
	bool is_b;
	struct adit_request *request; /* the measurement under way */
	char payload[65];
	uint32_t *times; /* nanoseconds of each round, ROUNDS_MAX */
	uint32_t rounds;
	uint32_t done;
	uint32_t batch;  /* events a batch */
	uint32_t window; /* batches that may be unconfirmed */
	uint32_t sent;   /* batches */
	uint64_t lost;
	uint64_t start;
	uint64_t round_start;
	uint32_t received; /* side b: events of the present batch */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Answers `calls` or `events`. */
static void finish(struct side *s, int32_t error)
{
	char json[160];
	uint64_t total = now_ns() - s->start;
	struct adit_request *request = s->request;

	s->request = NULL;
	if (error != ADIT_OK) {
		s->api->reply(s->host, request, error, "the other side failed", NULL, 0, NULL, 0);
		return;
	}
	qsort(s->times, s->done, sizeof(s->times[0]), by_size);
	(void)snprintf(json, sizeof(json), "{\"p50\":%u,\"p99\":%u,\"total\":%llu,\"lost\":%llu}",
		       s->times[s->done / 2], s->times[(uint64_t)s->done * 99 / 100],
		       (unsigned long long)total, (unsigned long long)s->lost);
	s->api->reply(s->host, request, ADIT_OK, "", json, strlen(json), NULL, 0);
}

static void round_over(struct side *s)
{
	uint64_t now = now_ns();

	s->times[s->done++] = (uint32_t)(now - s->round_start);
	s->round_start = now;
}

static void call_next(struct side *s);

static void on_reply(void *user, const struct adit_reply *reply)
{
	struct side *s = user;

	if (s->request == NULL)
		return;
	if (reply->error != ADIT_OK) {
		finish(s, reply->error);
		return;
	}
	round_over(s);
	if (s->done == s->rounds)
		finish(s, ADIT_OK);
	else
		call_next(s);
}

static void call_next(struct side *s)
{
	int32_t r = s->api->call(s->host, "bench-bus@b", "echo", s->payload, strlen(s->payload),
				 NULL, 0, 5000, on_reply, s, NULL, NULL);

	if (r != ADIT_OK)
		finish(s, r);
}

static uint32_t parameter(struct json_object *o, const char *key, uint32_t most)
{
	struct json_object *v;
	int64_t n;

	if (!json_object_object_get_ex(o, key, &v))
		return 1;
	n = json_object_get_int64(v);
	return n < 1 ? 1 : n > most ? most : (uint32_t)n;
}

/* Takes the parameters of a measurement; false: one is under way already. */
static bool begin(struct side *s, struct adit_request *request,
		  const struct adit_request_info *info)
{
	struct json_tokener *parser = json_tokener_new();
	struct json_object *o = NULL;

	if (s->request != NULL) {
		json_tokener_free(parser);
		s->api->reply(s->host, request, ADIT_E_EXISTS, "one is under way", NULL, 0, NULL,
			      0);
		return false;
	}
	if (parser != NULL)
		o = json_tokener_parse_ex(parser, info->json, (int)info->json_size);
	s->rounds = parameter(o, "rounds", ROUNDS_MAX);
	s->batch = parameter(o, "batch", 1000);
	s->window = parameter(o, "window", 1000);
	json_object_put(o);
	json_tokener_free(parser);
	s->request = request;
	s->done = s->sent = 0;
	s->lost = 0;
	s->start = s->round_start = now_ns();
	return true;
}

static void on_calls(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	if (begin(user, request, info))
		call_next(user);
}

static void publish_batches(struct side *s)
{
	while (s->sent < s->rounds && s->sent - s->done < s->window) {
		for (uint32_t i = 0; i < s->batch; i++)
			(void)s->api->publish(s->host, "BenchEvent", s->payload, strlen(s->payload),
					      NULL, 0);
		s->sent++;
	}
}

static void on_events(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct side *s = user;
	char json[64];

	if (!begin(s, request, info))
		return;
	(void)snprintf(json, sizeof(json), "{\"batch\":%u}", s->batch);
	(void)s->api->publish(s->host, "BenchBatch", json, strlen(json), NULL, 0);
	publish_batches(s);
}

static void on_ack(void *user, const struct adit_event *event)
{
	struct side *s = user;

	if (s->request == NULL)
		return;
	s->lost += event->lost;
	round_over(s);
	if (s->done == s->rounds)
		finish(s, ADIT_OK);
	else
		publish_batches(s);
}

static void on_batch(void *user, const struct adit_event *event)
{
	struct side *s = user;
	unsigned batch;

	if (event->json_size < 60 && sscanf(event->json, "{\"batch\":%u}", &batch) == 1)
		s->batch = batch;
	s->received = 0;
}

static void on_event(void *user, const struct adit_event *event)
{
	struct side *s = user;

	(void)event;
	if (++s->received < s->batch)
		return;
	s->received = 0;
	(void)s->api->publish(s->host, "BenchAck", s->payload, strlen(s->payload), NULL, 0);
}

static void on_echo(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct side *s = user;

	s->api->reply(s->host, request, ADIT_OK, "", info->json, info->json_size, NULL, 0);
}

static int32_t bench_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct side *s = calloc(1, sizeof(*s));
	const char *side = api->config(host, "side");

	if (s == NULL)
		return ADIT_E_NO_MEMORY;
	s->times = calloc(ROUNDS_MAX, sizeof(s->times[0]));
	if (s->times == NULL) {
		free(s);
		return ADIT_E_NO_MEMORY;
	}
	s->api = api;
	s->host = host;
	s->is_b = side != NULL && strcmp(side, "b") == 0;
	(void)snprintf(s->payload, sizeof(s->payload), "{\"pad\":\"%052d\"}", 7);
	*instance = s;
	return ADIT_OK;
}

static int32_t bench_start(void *instance)
{
	struct side *s = instance;
	const struct adit_host_api *api = s->api;
	int32_t r;

	if (s->is_b) {
		r = api->register_method(s->host, "echo", ADIT_METHOD_ANY, on_echo, s, NULL);
		if (r == ADIT_OK)
			r = api->subscribe(s->host, "BenchEvent", on_event, s, NULL, NULL);
		return r != ADIT_OK
			   ? r
			   : api->subscribe(s->host, "BenchBatch", on_batch, s, NULL, NULL);
	}
	r = api->register_method(s->host, "calls", ADIT_METHOD_ANY, on_calls, s, NULL);
	if (r == ADIT_OK)
		r = api->register_method(s->host, "events", ADIT_METHOD_ANY, on_events, s, NULL);
	return r != ADIT_OK ? r : api->subscribe(s->host, "BenchAck", on_ack, s, NULL, NULL);
}

static int32_t bench_stop(void *instance)
{
	(void)instance;
	return ADIT_OK;
}

static void bench_fini(void *instance)
{
	struct side *s = instance;

	free(s->times);
	free(s);
}

ADIT_EXPORT const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(adit_plugin),
    .name = "bench-bus",
    .version = "0.1.0",
    .init = bench_init,
    .start = bench_start,
    .stop = bench_stop,
    .fini = bench_fini,
};
