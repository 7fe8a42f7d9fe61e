/* SPDX-License-Identifier: MIT */
/* node_source.c: snapshots of the role `node`. Asks at the start, at each BlockTemplateUpdated, now
 * and then in case one was missed, and with back-off after an error. A new tip is asked for at
 * once; other news are worth one question in `min_interval_ms`, since clients would not hear of
 * them sooner.
 *
 * The event of a new tip says itself what an empty block needs. When the template has at least
 * `empty_first` transactions that becomes a partial snapshot, and the answer follows it. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/node.h>

#include "lib/util/clock.h"
#include "plugins/template-provider/source.h"

#define CALL_DEADLINE_MS 10000u
#define RETRY_MIN_MS 250u
#define RETRY_MAX_MS 10000u
#define POLL_MS 30000u
#define MAX_EVENT_JSON 65536u

struct node_source {
	struct tp_source head;
	uint64_t call;  /* valid while calling */
	uint64_t timer; /* valid while waiting */
	bool calling;
	bool waiting;
	bool again; /* ask once more when the answer is there */
	uint32_t delay_ms;
	uint64_t answered_ms; /* when the last snapshot came */
	uint32_t subscription_count;
	uint64_t subscriptions[2];
	char state[256]; /* what was said last */
};

static void ask(struct node_source *s);

static void on_timer(void *user)
{
	struct node_source *s = user;

	s->waiting = false;
	ask(s);
}

static void wait_ms(struct node_source *s, uint32_t ms)
{
	const struct tp_host *h = s->head.host;

	if (s->waiting)
		h->api->timer_cancel(h->handle, s->timer);
	s->waiting = h->api->timer_add(h->handle, ms, 0, on_timer, s, NULL, &s->timer) == ADIT_OK;
}

static void set_state(struct node_source *s, const char *text)
{
	if (strncmp(s->state, text, sizeof(s->state) - 1) == 0)
		return;
	snprintf(s->state, sizeof(s->state), "%s", text);
	s->head.callbacks->state(s->head.user, s->state);
}

static void failed(struct node_source *s, const char *text)
{
	set_state(s, text);
	wait_ms(s, s->delay_ms);
	s->delay_ms = s->delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : s->delay_ms * 2;
}

/* For news on the same tip. */
static uint32_t until_due(const struct node_source *s)
{
	uint64_t passed = clock_monotonic_ms() - s->answered_ms;

	return passed < s->head.settings->min_interval_ms
		   ? (uint32_t)(s->head.settings->min_interval_ms - passed)
		   : 0;
}

static void on_reply(void *user, const struct adit_reply *reply)
{
	struct node_source *s = user;
	struct tp_snapshot *snapshot;
	struct error e;

	s->calling = false;
	if (reply->error != ADIT_OK) {
		failed(s,
		       reply->message[0] != '\0' ? reply->message : adit_error_name(reply->error));
		return;
	}
	if (tp_snapshot_parse(reply->json, reply->json_size, reply->attachment,
			      reply->attachment_size, clock_monotonic_ms(), &snapshot,
			      &e) != ADIT_OK) {
		failed(s, e.text);
		return;
	}
	s->delay_ms = RETRY_MIN_MS;
	s->answered_ms = snapshot->fetched_ms;
	set_state(s, "");
	s->head.callbacks->snapshot(s->head.user, snapshot);
	wait_ms(s, s->again ? until_due(s) : POLL_MS);
}

static void ask(struct node_source *s)
{
	const struct tp_host *h = s->head.host;
	int32_t r;

	s->again = false;
	r = h->api->call(h->handle, ADIT_NODE_ROLE, "get_block_template", "{}", 2, NULL, 0,
			 CALL_DEADLINE_MS, on_reply, s, NULL, &s->call);
	if (r == ADIT_OK)
		s->calling = true;
	else
		failed(s, adit_error_name(r));
}

/* What BlockTemplateUpdated says; NULL when it can't be read. */
static struct json_object *parse_event(const struct adit_event *event)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o = NULL;

	if (t != NULL && event->json_size <= MAX_EVENT_JSON)
		o = json_tokener_parse_ex(t, event->json, (int)event->json_size);
	if (t != NULL)
		json_tokener_free(t);
	return o;
}

static bool says_new_tip(struct json_object *o)
{
	struct json_object *v;

	return json_object_object_get_ex(o, "new_tip", &v) && json_object_get_boolean(v);
}

/* The partial snapshot of a new tip, if it is worth one. */
static void take_empty(struct node_source *s, struct json_object *o)
{
	struct json_object *count, *empty;
	struct tp_snapshot *snapshot;
	struct error e;
	const char *text;
	size_t size;

	if (s->head.settings->empty_first == 0 ||
	    !json_object_object_get_ex(o, "tx_count", &count) ||
	    json_object_get_int64(count) < (int64_t)s->head.settings->empty_first ||
	    !json_object_object_get_ex(o, "empty", &empty))
		return;
	text = json_object_to_json_string_length(empty, JSON_C_TO_STRING_PLAIN, &size);
	/* No harm when it can't be used: the whole template is asked for already. */
	if (text == NULL ||
	    tp_snapshot_parse(text, size, NULL, 0, clock_monotonic_ms(), &snapshot, &e) != ADIT_OK)
		return;
	snapshot->partial = true;
	s->head.callbacks->snapshot(s->head.user, snapshot);
}

static void ask_at_once(struct node_source *s)
{
	const struct tp_host *h = s->head.host;

	if (s->calling)
		h->api->call_cancel(h->handle, s->call);
	if (s->waiting)
		h->api->timer_cancel(h->handle, s->timer);
	s->calling = s->waiting = false;
	ask(s);
}

/* An answer that is under way may be older than the event. For a new tip it isn't waited for; nor
 * is it when events were lost, since one of them may have been a new tip. */
static void on_update(void *user, const struct adit_event *event)
{
	struct node_source *s = user;
	struct json_object *o = parse_event(event);
	bool failing = s->state[0] != '\0';
	bool new_tip = says_new_tip(o);

	if (event->lost > 0 || new_tip || (failing && !s->calling))
		ask_at_once(s);
	else if (s->calling)
		s->again = true;
	else
		wait_ms(s, until_due(s));
	if (new_tip)
		take_empty(s, o);
	json_object_put(o);
}

/* The node became ready: no need to sit out the back-off. */
static void on_sync_state(void *user, const struct adit_event *event)
{
	struct node_source *s = user;

	(void)event;
	s->delay_ms = RETRY_MIN_MS;
	if (s->waiting)
		wait_ms(s, 0);
}

static int32_t subscribe(struct node_source *s, const char *type, adit_event_fn fn)
{
	const struct tp_host *h = s->head.host;
	uint64_t *id = &s->subscriptions[s->subscription_count];
	int32_t r = h->api->subscribe(h->handle, type, fn, s, NULL, id);

	if (r == ADIT_OK)
		s->subscription_count++;
	return r;
}

static void node_close(struct tp_source *source)
{
	struct node_source *s = (struct node_source *)source;
	const struct tp_host *h = s->head.host;

	if (s->calling)
		h->api->call_cancel(h->handle, s->call);
	if (s->waiting)
		h->api->timer_cancel(h->handle, s->timer);
	for (size_t i = 0; i < s->subscription_count; i++)
		h->api->unsubscribe(h->handle, s->subscriptions[i]);
	free(s);
}

static int32_t node_check(const struct tp_host *host, struct error *e)
{
	(void)host;
	(void)e;
	return ADIT_OK;
}

static struct tp_source *node_open(const struct tp_source *head, struct error *e)
{
	struct node_source *s = calloc(1, sizeof(*s));
	int32_t r = ADIT_E_NO_MEMORY;

	if (s != NULL) {
		s->head = *head;
		s->delay_ms = RETRY_MIN_MS;
		r = subscribe(s, "BlockTemplateUpdated", on_update);
	}
	if (r == ADIT_OK)
		r = subscribe(s, "SyncStateChanged", on_sync_state);
	if (r == ADIT_OK) {
		wait_ms(s, 0);
		return &s->head;
	}
	error_set(e, r, "source node: %s", adit_error_name(r));
	if (s != NULL)
		node_close(&s->head);
	return NULL;
}

const struct tp_source_type tp_node_source = {
    .name = "node",
    .check = node_check,
    .open = node_open,
    .close = node_close,
};
