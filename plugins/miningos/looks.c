/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/looks.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/share_log.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

#define PAGE 500
#define CALL_MS 10000u
#define SOON_MS 1000u
#define SOON_MANY_MS 10000u /* with thousands of channels */
#define MANY 2000u

#define HASHES_PER_DIFFICULTY 4294967296.0

static void look(struct miningos *m);
static void finish_look(struct miningos *m);
static void ask(struct source *s, const char *target, const char *method,
		struct json_object *params, adit_reply_fn fn, void *user);

/* --- what a worker said ------------------------------------------------------------------------
 */

static bool has_ring(const struct looks *looks, const char *worker)
{
	for (size_t i = 0; i < looks->logged_count; i++) {
		if (strcmp(looks->logged[i], worker) == 0)
			return true;
	}
	return false;
}

/* Shares of a role that writes none to the log, from what its counters have grown by. */
static void count_growth(struct chan *chan, const struct share_counts *now, bool first)
{
	struct share_counts grown = {0};

	if (first || now->accepted < chan->total.accepted)
		return;
	grown.accepted = now->accepted - chan->total.accepted;
	grown.rejected =
	    now->rejected > chan->total.rejected ? now->rejected - chan->total.rejected : 0;
	grown.stale = now->stale > chan->total.stale ? now->stale - chan->total.stale : 0;
	chan_shares(chan, &grown, (double)grown.accepted * chan->difficulty * HASHES_PER_DIFFICULTY,
		    mos_now_ms(), true);
}

static void take_channel(struct source *s, const char *worker, struct json_object *o)
{
	struct miningos *m = s->m;
	const char *name = get_text(o, "channel", "");
	const char *user = get_text(o, "user", "");
	const char *endpoint = get_text(o, "endpoint", "");
	struct share_counts now = {.accepted = get_count(o, "accepted", 0),
				   .rejected = get_count(o, "rejected", 0),
				   .stale = get_count(o, "stale", 0)};
	struct chan *chan;

	if (name[0] == '\0' || user[0] == '\0')
		return;
	chan = chans_open(m, name, s->role, user);
	if (chan == NULL)
		return; /* more than there is room for: they are no things */
	if (!has_ring(&m->looks, worker))
		count_growth(chan, &now, !chan->counted);
	chan->difficulty = get_double(o, "difficulty", 0);
	chan->total = now;
	chan->counted = true;
	snprintf(chan->endpoint, sizeof(chan->endpoint), "%s", endpoint);
}

static void on_page(void *user, const struct adit_reply *reply);

static struct json_object *first_page(void)
{
	struct json_object *params = json_object_new_object();

	json_object_object_add(params, "limit", json_object_new_int(PAGE));
	return params;
}

static void take_page(struct source *s, const char *worker, struct json_object *page)
{
	struct json_object *list = get_member(page, "channels");
	const char *next = get_text(page, "next", NULL);
	struct json_object *params;

	if (!json_object_is_type(list, json_type_array)) {
		s->failed = true;
		return;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++)
		take_channel(s, worker, json_object_array_get_idx(list, i));
	if (next == NULL || json_object_array_length(list) == 0)
		return;
	params = first_page();
	add_text(params, "after", next);
	ask(s, worker, "list_channels", params, on_page, s);
}

/* The worker's own name is before the first slash of its channels'. */
static void worker_of(struct json_object *page, const char *role, char *out, size_t size)
{
	struct json_object *list = get_member(page, "channels");
	const char *name = "";

	if (json_object_is_type(list, json_type_array) && json_object_array_length(list) > 0)
		name = get_text(json_object_array_get_idx(list, 0), "channel", "");
	if (strchr(name, '/') == NULL)
		name = role;
	snprintf(out, size, "%.*s", (int)strcspn(name, "/"), name);
}

/* Whether a server that sees ENDPOINT sees the client with the address LOCAL: one that listens on
 * IPv6 sees IPv4 addresses in their mapped form. */
static bool is_same_end(const char *endpoint, const char *local)
{
	char mapped[96];
	const char *colon = strrchr(local, ':');

	if (colon == NULL)
		return false;
	snprintf(mapped, sizeof(mapped), "[::ffff:%.*s]%s", (int)(colon - local), local, colon);
	return strcmp(endpoint, local) == 0 || strcmp(endpoint, mapped) == 0;
}

static void take_device(struct source *s, const char *worker, struct json_object *status)
{
	const char *address = get_text(status, "local_address", "");
	struct things *things = &s->m->things;

	for (size_t i = 0; i < things->count; i++) {
		struct thing *t = things->list[i];
		bool here = t->chan != NULL && is_same_end(t->chan->endpoint, address);

		if (here)
			snprintf(t->device, sizeof(t->device), "%s", worker);
		else if (strcmp(t->device, worker) == 0 && t->chan != NULL)
			t->device[0] = '\0'; /* another machine connects as it did */
		if (strcmp(t->device, worker) != 0)
			continue;
		t->device_paused = json_object_get_boolean(get_member(status, "paused")) != 0;
		t->device_limit = get_count(status, "hashrate_limit", 0);
		t->device_hashrate = get_double(status, "hashrate", 0);
	}
}

/* --- calls -------------------------------------------------------------------------------------
 */

const struct source *looks_source(const struct looks *looks, const char *role)
{
	for (size_t i = 0; i < looks->count; i++) {
		if (strcmp(looks->sources[i].role, role) == 0)
			return &looks->sources[i];
	}
	return NULL;
}

/* Of the upstreams in a role's status the one that is mined for. */
static void take_upstream(struct source *s, struct json_object *status)
{
	struct json_object *list = get_member(status, "upstreams");

	for (size_t i = 0;
	     json_object_is_type(list, json_type_array) && i < json_object_array_length(list);
	     i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (!json_object_get_boolean(get_member(one, "active")))
			continue;
		snprintf(s->pool_url, sizeof(s->pool_url), "stratum2+tcp://%s",
			 get_text(one, "address", ""));
		snprintf(s->pool_user, sizeof(s->pool_user), "%s",
			 get_text(one, "user_identity", ""));
	}
}

/* A source's status, of one worker or the list of all of them. */
static void on_upstream(void *user, const struct adit_reply *reply)
{
	struct source *s = user;
	struct json_object *answer = NULL;

	if (reply->error == ADIT_OK && parse_json(reply->json, reply->json_size, &answer)) {
		s->pool_url[0] = '\0';
		take_upstream(s, answer);
		for (size_t i = 0; json_object_is_type(answer, json_type_array) &&
				   i < json_object_array_length(answer);
		     i++)
			take_upstream(s,
				      get_member(json_object_array_get_idx(answer, i), "result"));
	}
	json_object_put(answer);
	s->open--;
	if (--s->m->looks.open == 0)
		finish_look(s->m);
}

/* A look has three turns: which instances there are, their channels, and the devices. */
enum turn { TURN_INSTANCES, TURN_CHANNELS, TURN_DEVICES, TURN_OVER };

/* Asks all that have a part in TURN. */
static void begin_turn(struct miningos *m, enum turn turn)
{
	struct looks *looks = &m->looks;
	size_t count = looks->count;

	looks->turn = (int)turn;
	looks->open = 1; /* until all are asked */
	for (size_t i = 0; i < count; i++) {
		struct source *s = &looks->sources[i];

		if (turn == TURN_INSTANCES && s->whole)
			ask(s, s->role, "host.workers", NULL, on_page, s);
		else if (turn == TURN_CHANNELS && !s->device)
			ask(s, s->role, "list_channels", first_page(), on_page, s);
		if (turn == TURN_CHANNELS && !s->device)
			ask(s, s->role, "status", NULL, on_upstream, s);
		else if (turn == TURN_DEVICES && s->device)
			ask(s, s->role, "status", NULL, on_page, s);
	}
	looks->open--;
}

static void end_turn(struct miningos *m)
{
	struct looks *looks = &m->looks;

	if (looks->turn != TURN_CHANNELS)
		return;
	looks_read_shares(m);
	for (size_t i = 0; i < looks->count; i++) {
		if (!looks->sources[i].device && !looks->sources[i].failed)
			chans_close_role(m, looks->sources[i].role, m->chans.round);
	}
	chans_attach(m, mos_now_ms());
}

static void finish_look(struct miningos *m)
{
	struct looks *looks = &m->looks;

	while (looks->open == 0 && looks->turn < TURN_OVER) {
		end_turn(m);
		begin_turn(m, (enum turn)(looks->turn + 1));
	}
	if (looks->open > 0)
		return;
	looks->looked_ms = mos_now_ms();
	snaps_take(m, looks->looked_ms);
	if (looks->again) {
		looks->again = false;
		looks_soon(m);
	}
}

static void ask(struct source *s, const char *target, const char *method,
		struct json_object *params, adit_reply_fn fn, void *user)
{
	struct miningos *m = s->m;
	const char *json = params != NULL ? json_object_to_json_string(params) : "{}";

	m->looks.open++;
	s->open++;
	if (m->api->call(m->host, target, method, json, strlen(json), NULL, 0, CALL_MS, fn, user,
			 NULL, NULL) != ADIT_OK) {
		m->looks.open--;
		s->open--;
		s->failed = true;
	}
	json_object_put(params);
}

/* WORKER is one of an instance of a role that is looked at; it becomes a source of its own. */
static void add_instance(const struct source *whole, const char *worker)
{
	struct looks *looks = &whole->m->looks;
	const char *dot = worker != NULL ? strrchr(worker, '.') : NULL;
	size_t size = dot != NULL ? (size_t)(dot - worker) : 0;
	struct source *s = &looks->sources[looks->count];

	if (size == 0 || size >= sizeof(s->role) || looks->count == 4 * SOURCES_MAX)
		return;
	for (size_t i = 0; i < looks->count; i++) {
		if (strlen(looks->sources[i].role) == size &&
		    memcmp(looks->sources[i].role, worker, size) == 0)
			return;
	}
	*s = (struct source){.m = whole->m, .device = whole->device};
	memcpy(s->role, worker, size);
	looks->count++;
}

static void take_answer(struct source *s, const char *worker, struct json_object *answer)
{
	struct json_object *workers = get_member(answer, "workers");
	char name[72];

	if (s->m->looks.turn == TURN_INSTANCES) {
		for (size_t i = 0; json_object_is_type(workers, json_type_array) &&
				   i < json_object_array_length(workers);
		     i++)
			add_instance(s,
				     json_object_get_string(json_object_array_get_idx(workers, i)));
		return;
	}
	if (s->device) {
		take_device(s, worker, answer);
		return;
	}
	worker_of(answer, worker, name, sizeof(name));
	take_page(s, name, answer);
}

/* All workers' answers, or one's. */
static void take_reply(struct source *s, struct json_object *answer)
{
	if (!json_object_is_type(answer, json_type_array)) {
		take_answer(s, s->role, answer);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(answer); i++) {
		struct json_object *one = json_object_array_get_idx(answer, i);
		struct json_object *result = get_member(one, "result");

		if (result != NULL)
			take_answer(s, get_text(one, "worker", s->role), result);
		else
			s->failed = true;
	}
}

static void on_page(void *user, const struct adit_reply *reply)
{
	struct source *s = user;
	struct miningos *m = s->m;
	struct json_object *answer = NULL;

	/* A role that is not there has no channels. */
	if (reply->error == ADIT_OK && parse_json(reply->json, reply->json_size, &answer))
		take_reply(s, answer);
	else if (reply->error != ADIT_E_NOT_FOUND && reply->error != ADIT_E_UNAVAILABLE)
		s->failed = true;
	json_object_put(answer);
	s->open--;
	if (--m->looks.open == 0)
		finish_look(m);
}

static void look(struct miningos *m)
{
	struct looks *looks = &m->looks;

	if (looks->open > 0) {
		looks->again = true;
		return;
	}
	m->chans.round++;
	for (size_t i = 0; i < looks->count; i++)
		looks->sources[i].failed = false;
	begin_turn(m, TURN_INSTANCES);
	finish_look(m);
}

/* --- the share log -----------------------------------------------------------------------------
 */

static void take_share(struct miningos *m, const char *producer, const struct adit_share *share)
{
	char name[CHAN_NAME_MAX + 1], user[ADIT_SHARE_USER_MAX + 1], role[CHAN_ROLE_MAX + 1];
	struct share_counts one = {.accepted = share->result == ADIT_SHARE_ACCEPTED,
				   .stale = share->result == ADIT_SHARE_STALE};
	bool recent = share->time_ms >= m->started_ms;
	struct chan *chan;

	if (share->result == ADIT_SHARE_UNKNOWN_CHANNEL ||
	    share->time_ms + 1800000 < m->started_ms || share->user_size > ADIT_SHARE_USER_MAX)
		return;
	one.rejected = !one.accepted && !one.stale;
	snprintf(name, sizeof(name), "%s/%u/%u", producer, share->connection, share->channel);
	chan = chans_find(&m->chans, name);
	/* One that a look has not seen yet; of an earlier time it may be gone. */
	if (chan == NULL && recent) {
		memcpy(user, share->user, share->user_size);
		user[share->user_size] = '\0';
		snprintf(role, sizeof(role), "%.*s", (int)strcspn(producer, "."), producer);
		chan = user[0] != '\0' ? chans_open(m, name, role, user) : NULL;
		looks_soon(m);
	}
	if (chan != NULL)
		chan_shares(chan, &one,
			    one.accepted ? share->difficulty * HASHES_PER_DIFFICULTY : 0,
			    share->time_ms, recent);
	if (recent && chan != NULL)
		shares_count(m, &one);
}

static void note_ring(struct looks *looks, const char *producer)
{
	if (has_ring(looks, producer) || looks->logged_count == SOURCES_MAX)
		return;
	snprintf(looks->logged[looks->logged_count++], sizeof(looks->logged[0]), "%s", producer);
}

/* Whether PRODUCER is a worker of one of the sources. */
static bool is_source(const struct looks *looks, const char *producer)
{
	size_t size = strcspn(producer, ".");

	for (size_t i = 0; i < looks->count; i++) {
		if (!looks->sources[i].device && strlen(looks->sources[i].role) == size &&
		    memcmp(looks->sources[i].role, producer, size) == 0)
			return true;
	}
	return false;
}

void looks_read_shares(struct miningos *m)
{
	struct adit_share_ring ring = {.size = sizeof(ring)};
	struct adit_share shares[32];
	uint32_t count;
	uint64_t lost;

	for (uint32_t i = 0; m->api->share_log_ring(m->host, i, &ring) == ADIT_OK; i++) {
		if (!is_source(&m->looks, ring.producer))
			continue;
		note_ring(&m->looks, ring.producer);
		while (m->api->share_log_read(m->host, i, shares, 32, &count, &lost) == ADIT_OK &&
		       (count > 0 || lost > 0)) {
			m->looks.shares_lost += lost;
			for (uint32_t k = 0; k < count; k++)
				take_share(m, ring.producer, &shares[k]);
		}
	}
}

/* --- when --------------------------------------------------------------------------------------
 */

static void on_soon(void *user)
{
	struct miningos *m = user;

	m->looks.soon = false;
	look(m);
}

void looks_soon(struct miningos *m)
{
	uint32_t wait = m->chans.count > MANY ? SOON_MANY_MS : SOON_MS;

	if (m->looks.soon)
		return;
	m->looks.soon =
	    m->api->timer_add(m->host, wait, 0, on_soon, m, NULL, &m->looks.soon_timer) == ADIT_OK;
}

static void on_interval(void *user)
{
	look(user);
}

static void on_second(void *user)
{
	looks_read_shares(user);
}

static void add_sources(struct miningos *m, const char *list, bool device)
{
	struct looks *looks = &m->looks;
	size_t most = device ? 2 * SOURCES_MAX : SOURCES_MAX;

	while (*list != '\0' && looks->count < most) {
		size_t size = strcspn(list, ", ");
		struct source *s = &looks->sources[looks->count];

		if (size > 0 && size < sizeof(s->role)) {
			*s = (struct source){.m = m, .device = device, .whole = true};
			memcpy(s->role, list, size);
			looks->count++;
		}
		list += size;
		list += strspn(list, ", ");
	}
}

int32_t looks_begin(struct miningos *m, struct error *e)
{
	uint32_t interval = m->settings.things_update_interval_seconds * 1000;
	int32_t r;

	add_sources(m, m->settings.sources, false);
	add_sources(m, m->settings.devices, true);
	r = m->api->timer_add(m->host, interval, interval, on_interval, m, NULL, NULL);
	if (r == ADIT_OK && ADIT_HAS(m->api, share_log_seek))
		r = m->api->timer_add(m->host, 1000, 1000, on_second, m, NULL, NULL);
	if (r != ADIT_OK)
		return error_set(e, r, "no timer");
	looks_soon(m);
	return ADIT_OK;
}
