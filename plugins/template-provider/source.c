/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/source.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include <adit/node.h>

#include "lib/util/clock.h"

#define CALL_DEADLINE_MS 10000u
#define RETRY_MIN_MS 250u
#define RETRY_MAX_MS 10000u
#define POLL_MS 30000u
#define MAX_EVENT_JSON 65536u

static void ask(struct tp_source *s);

static void on_timer(void *user)
{
	struct tp_source *s = user;

	s->waiting = false;
	ask(s);
}

static void wait_ms(struct tp_source *s, uint32_t ms)
{
	const struct tp_host *h = s->host;

	if (s->waiting)
		h->api->timer_cancel(h->handle, s->timer);
	s->waiting = h->api->timer_add(h->handle, ms, 0, on_timer, s, NULL, &s->timer) == ADIT_OK;
}

static void set_state(struct tp_source *s, const char *text)
{
	if (strncmp(s->state, text, sizeof(s->state) - 1) == 0)
		return;
	snprintf(s->state, sizeof(s->state), "%s", text);
	s->on_state(s->user, s->state);
}

static void failed(struct tp_source *s, const char *text)
{
	set_state(s, text);
	wait_ms(s, s->delay_ms);
	s->delay_ms = s->delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : s->delay_ms * 2;
}

/* For news on the same tip. */
static uint32_t until_due(const struct tp_source *s)
{
	uint64_t passed = clock_monotonic_ms() - s->answered_ms;

	return passed < s->min_interval_ms ? (uint32_t)(s->min_interval_ms - passed) : 0;
}

static void on_reply(void *user, const struct adit_reply *reply)
{
	struct tp_source *s = user;
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
	s->on_snapshot(s->user, snapshot);
	wait_ms(s, s->again ? until_due(s) : POLL_MS);
}

static void ask(struct tp_source *s)
{
	const struct tp_host *h = s->host;
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
static void take_empty(struct tp_source *s, struct json_object *o)
{
	struct json_object *count, *empty;
	struct tp_snapshot *snapshot;
	struct error e;
	const char *text;
	size_t size;

	if (s->empty_first == 0 || !json_object_object_get_ex(o, "tx_count", &count) ||
	    json_object_get_int64(count) < (int64_t)s->empty_first ||
	    !json_object_object_get_ex(o, "empty", &empty))
		return;
	text = json_object_to_json_string_length(empty, JSON_C_TO_STRING_PLAIN, &size);
	/* No harm when it can't be used: the whole template is asked for already. */
	if (text == NULL ||
	    tp_snapshot_parse(text, size, NULL, 0, clock_monotonic_ms(), &snapshot, &e) != ADIT_OK)
		return;
	snapshot->partial = true;
	s->on_snapshot(s->user, snapshot);
}

static void ask_at_once(struct tp_source *s)
{
	const struct tp_host *h = s->host;

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
	struct tp_source *s = user;
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
	struct tp_source *s = user;

	(void)event;
	s->delay_ms = RETRY_MIN_MS;
	if (s->waiting)
		wait_ms(s, 0);
}

static int32_t subscribe(struct tp_source *s, const char *type, adit_event_fn fn)
{
	const struct tp_host *h = s->host;
	uint64_t *id = &s->subscriptions[s->subscription_count];
	int32_t r = h->api->subscribe(h->handle, type, fn, s, NULL, id);

	if (r == ADIT_OK)
		s->subscription_count++;
	return r;
}

int32_t tp_source_start(struct tp_source *s, const struct tp_host *host,
			tp_source_snapshot_fn on_snapshot, tp_source_state_fn on_state, void *user)
{
	int32_t r;

	*s = (struct tp_source){
	    .host = host,
	    .on_snapshot = on_snapshot,
	    .on_state = on_state,
	    .user = user,
	    .delay_ms = RETRY_MIN_MS,
	    .min_interval_ms = s->min_interval_ms,
	    .empty_first = s->empty_first,
	};
	r = subscribe(s, "BlockTemplateUpdated", on_update);
	if (r == ADIT_OK)
		r = subscribe(s, "SyncStateChanged", on_sync_state);
	if (r == ADIT_OK)
		wait_ms(s, 0);
	return r;
}

void tp_source_stop(struct tp_source *s)
{
	const struct tp_host *h = s->host;

	if (h == NULL)
		return;
	if (s->calling)
		h->api->call_cancel(h->handle, s->call);
	if (s->waiting)
		h->api->timer_cancel(h->handle, s->timer);
	for (size_t i = 0; i < s->subscription_count; i++)
		h->api->unsubscribe(h->handle, s->subscriptions[i]);
	s->host = NULL;
}
