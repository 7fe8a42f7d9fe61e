/* SPDX-License-Identifier: MIT */
/* The role cpu-miner: mines for a Stratum V2 server with the CPU. */
#include "config.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/plugin.h>

#include "lib/bitcoin/sha256.h"
#include "lib/util/clock.h"
#include "plugins/cpu-miner/hasher.h"
#include "plugins/cpu-miner/options.h"
#include "plugins/cpu-miner/session.h"

#define SECOND_MS 1000u
/* The hash rate shown is that of about the last ten seconds. */
#define RATE_WINDOW_S 10.0
/* What the server is told comes from this many seconds of uninterrupted work. */
#define REPORT_S 30u
/* As the manifest has it for hashrate_limit. */
#define HASHRATE_MAX 1e15

struct miner_plugin {
	struct miner_host host;
	struct miner_options configured; /* as it was read */
	struct miner_options options;    /* with the authority's key, once it is known */
	uint64_t hashes_before;          /* by hashers that are gone */
	struct miner_hasher *hasher;
	struct miner_session *session; /* NULL until the authority's key is known */
	uint64_t timer;                /* valid while ticking */
	bool ticking;
	bool key_missed; /* was said once */
	bool paused;     /* by the method of that name */
	uint64_t last_us;
	uint64_t last_hashes;
	double rate;            /* hashes a second, smoothed, times rate_weight */
	double rate_weight;     /* grows to 1: how much of the window has been seen */
	uint32_t report_s;      /* seconds of work in the window */
	uint64_t report_hashes; /* at its begin */
};

/* --- hash rate --- */

static uint64_t all_hashes(const struct miner_plugin *p)
{
	return p->hashes_before + miner_hasher_hashes(p->hasher);
}

static void measure(struct miner_plugin *p)
{
	uint64_t now = clock_monotonic_us();
	uint64_t hashes = all_hashes(p);
	double seconds = (double)(now - p->last_us) / 1e6;
	double keep;

	if (seconds <= 0)
		return;
	keep = exp(-seconds / RATE_WINDOW_S);
	p->rate = p->rate * keep + (double)(hashes - p->last_hashes) / seconds * (1 - keep);
	p->rate_weight = p->rate_weight * keep + (1 - keep);
	p->last_us = now;
	p->last_hashes = hashes;
}

static double shown_rate(const struct miner_plugin *p)
{
	return p->rate_weight > 0 ? round(p->rate / p->rate_weight) : 0;
}

static void report(struct miner_plugin *p)
{
	uint64_t hashes = all_hashes(p);

	if (!miner_session_stats(p->session)->mining || p->report_s == 0) {
		p->report_s = miner_session_stats(p->session)->mining ? 1 : 0;
		p->report_hashes = hashes;
		return;
	}
	if (p->report_s++ < REPORT_S)
		return;
	miner_session_measured(p->session, (double)(hashes - p->report_hashes) / REPORT_S);
	p->report_s = 0;
}

/* --- start of the session --- */

static double first_rate(const struct miner_options *o)
{
	double rate;

	if (o->nominal_hash_rate > 0)
		return o->nominal_hash_rate;
	rate = miner_hasher_measure() * o->threads;
	return o->rate > 0 && rate > (double)o->rate ? (double)o->rate : rate;
}

/* A server beside us writes the file at its first start, which may come after ours. */
static int32_t find_key(struct miner_plugin *p, struct error *e)
{
	int32_t r;

	if (p->options.has_authority)
		return ADIT_OK;
	r = miner_options_load_key(&p->options, e);
	if (r != ADIT_OK && !p->key_missed) {
		miner_log(&p->host, ADIT_LOG_INFO, "waiting for the key of the server: %s",
			  e->text);
		miner_state(&p->host, "waiting for the key of the server: %s", e->text);
	}
	p->key_missed = r != ADIT_OK;
	return r;
}

static int32_t connect_upstream(struct miner_plugin *p, struct error *e)
{
	if (find_key(p, e) != ADIT_OK)
		return ADIT_OK;
	p->session =
	    miner_session_new(&p->host, &p->options, p->hasher, first_rate(&p->options), e);
	if (p->session == NULL)
		return e->code;
	miner_session_hold(p->session, p->paused);
	return ADIT_OK;
}

static void on_second(void *user)
{
	struct miner_plugin *p = user;
	struct error e;

	measure(p);
	if (p->session != NULL)
		report(p);
	else if (connect_upstream(p, &e) != ADIT_OK)
		p->host.api->fail(p->host.handle, e.text);
}

/* --- the method `status` --- */

static void add_u64(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void add_session(struct json_object *o, const struct miner_plugin *p)
{
	static const struct miner_stats none;
	const struct miner_stats *stats =
	    p->session != NULL ? miner_session_stats(p->session) : &none;
	struct json_object *rejects = json_object_new_object();

	json_object_object_add(o, "connected", json_object_new_boolean(stats->connected));
	json_object_object_add(o, "local_address",
			       stats->local[0] != '\0' ? json_object_new_string(stats->local)
						       : NULL);
	add_u64(o, "shares_submitted", stats->submitted);
	add_u64(o, "shares_accepted", stats->accepted);
	add_u64(o, "shares_rejected", stats->rejected);
	add_u64(o, "shares_dropped", stats->dropped);
	add_u64(o, "blocks", stats->blocks);
	for (uint32_t i = 0; i < stats->reject_count; i++)
		add_u64(rejects, stats->rejects[i].code, stats->rejects[i].count);
	json_object_object_add(o, "rejects", rejects);
}

static void on_status(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct miner_plugin *p = user;
	struct json_object *o = json_object_new_object();
	const char *json;
	size_t size;

	(void)info;
	json_object_object_add(o, "upstream", json_object_new_string(p->options.upstream));
	json_object_object_add(
	    o, "channel", json_object_new_string(p->options.extended ? "extended" : "standard"));
	add_session(o, p);
	json_object_object_add(o, "user", json_object_new_string(p->options.user));
	json_object_object_add(o, "paused", json_object_new_boolean(p->paused));
	add_u64(o, "hashrate_limit", p->options.rate);
	json_object_object_add(o, "hashrate", json_object_new_double(shown_rate(p)));
	add_u64(o, "hashes", all_hashes(p));
	add_u64(o, "threads", p->options.threads);
	json_object_object_add(o, "implementation",
			       json_object_new_string(sha256_implementation()));
	json = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &size);
	p->host.api->reply(p->host.handle, request, ADIT_OK, "", json, size, NULL, 0);
	json_object_put(o);
}

/* --- threads and their rate --- */

static void replace_hasher(struct miner_plugin *p, struct miner_hasher *hasher)
{
	if (p->session != NULL)
		miner_session_set_hasher(p->session, hasher);
	p->hashes_before += miner_hasher_hashes(p->hasher);
	miner_hasher_free(p->hasher);
	p->hasher = hasher;
}

/* Threads and rate as O has them; nothing when they are so already. */
static int32_t change_work(struct miner_plugin *p, const struct miner_options *o, struct error *e)
{
	struct miner_hasher *hasher;

	if (o->threads == p->options.threads && o->rate == p->options.rate)
		return ADIT_OK;
	hasher = miner_hasher_new(o->threads, o->rate, e);
	if (hasher == NULL)
		return e->code;
	replace_hasher(p, hasher);
	p->options.threads = o->threads;
	p->options.rate = o->rate;
	p->report_s = 0;
	if (p->session != NULL)
		miner_session_measured(p->session, first_rate(&p->options));
	return ADIT_OK;
}

/* --- orders ---

   They hold until the configuration is read again or the role starts anew; the file says how it is
   to be. */

static void on_pause(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct miner_plugin *p = user;
	static const char answer[] = "{\"paused\":true}";

	(void)info;
	p->paused = true;
	p->report_s = 0;
	if (p->session != NULL)
		miner_session_hold(p->session, true);
	miner_log(&p->host, ADIT_LOG_INFO, "paused, as %s asked", info->caller);
	p->host.api->reply(p->host.handle, request, ADIT_OK, "", answer, strlen(answer), NULL, 0);
}

static void on_resume(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct miner_plugin *p = user;
	static const char answer[] = "{\"paused\":false}";

	(void)info;
	p->paused = false;
	if (p->session != NULL)
		miner_session_hold(p->session, false);
	miner_log(&p->host, ADIT_LOG_INFO, "resumed, as %s asked", info->caller);
	p->host.api->reply(p->host.handle, request, ADIT_OK, "", answer, strlen(answer), NULL, 0);
}

/* {"hashrate": a number from 1 on, or null for what is configured}; false: neither. */
static bool read_hashrate(const struct miner_plugin *p, const struct adit_request_info *info,
			  uint64_t *rate)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *o = NULL, *value = NULL;
	bool good = false;

	if (tokener != NULL && info->json_size < 1024)
		o = json_tokener_parse_ex(tokener, info->json, (int)info->json_size);
	if (json_object_is_type(o, json_type_object) &&
	    json_object_object_get_ex(o, "hashrate", &value)) {
		double number = json_object_get_double(value);

		good = value == NULL || ((json_object_is_type(value, json_type_int) ||
					  json_object_is_type(value, json_type_double)) &&
					 number >= 1 && number <= HASHRATE_MAX);
		*rate = value == NULL ? p->configured.rate : (uint64_t)number;
	}
	json_object_put(o);
	if (tokener != NULL)
		json_tokener_free(tokener);
	return good;
}

static void on_set_hashrate(void *user, struct adit_request *request,
			    const struct adit_request_info *info)
{
	struct miner_plugin *p = user;
	struct miner_options options = p->options;
	struct error e = {.code = ADIT_E_INVALID_ARGUMENT,
			  .text = "hashrate: expected hashes a second from 1 on, or null for "
				  "what is configured"};
	char answer[64];

	if (!read_hashrate(p, info, &options.rate) || change_work(p, &options, &e) != ADIT_OK) {
		p->host.api->reply(p->host.handle, request, e.code, e.text, "", 0, NULL, 0);
		return;
	}
	miner_log(&p->host, ADIT_LOG_INFO, "at most %llu hashes a second, as %s asked",
		  (unsigned long long)options.rate, info->caller);
	snprintf(answer, sizeof(answer), "{\"hashrate_limit\":%llu}",
		 (unsigned long long)options.rate);
	p->host.api->reply(p->host.handle, request, ADIT_OK, "", answer, strlen(answer), NULL, 0);
}

static int32_t register_methods(struct miner_plugin *p, struct error *e)
{
	static const struct {
		const char *name;
		int32_t mode;
		adit_method_fn fn;
	} methods[] = {
	    {"status", ADIT_METHOD_ALL, on_status},
	    {"pause", ADIT_METHOD_ALL, on_pause},
	    {"resume", ADIT_METHOD_ALL, on_resume},
	    {"set_hashrate", ADIT_METHOD_ALL, on_set_hashrate},
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		int32_t r = p->host.api->register_method(p->host.handle, methods[i].name,
							 methods[i].mode, methods[i].fn, p, NULL);

		if (r != ADIT_OK)
			return error_set(e, r, "the method %s can't be registered",
					 methods[i].name);
	}
	return ADIT_OK;
}

/* --- life cycle --- */

static int32_t miner_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct miner_plugin *p = calloc(1, sizeof(*p));
	struct error e;
	int32_t r;

	if (p == NULL)
		return ADIT_E_NO_MEMORY;
	p->host = (struct miner_host){.api = api, .handle = host};
	r = miner_options_read(&p->host, &p->configured, &e);
	p->options = p->configured;
	if (r != ADIT_OK) {
		api->set_error(host, e.text);
		free(p);
		return r;
	}
	*instance = p;
	return ADIT_OK;
}

static int32_t start_parts(struct miner_plugin *p, struct error *e)
{
	const struct miner_host *h = &p->host;
	int32_t r;

	p->hasher = miner_hasher_new(p->options.threads, p->options.rate, e);
	if (p->hasher == NULL)
		return e->code;
	p->last_us = clock_monotonic_us();
	r = connect_upstream(p, e);
	if (r != ADIT_OK)
		return r;
	r = register_methods(p, e);
	if (r != ADIT_OK)
		return r;
	r = h->api->timer_add(h->handle, SECOND_MS, SECOND_MS, on_second, p, NULL, &p->timer);
	if (r != ADIT_OK)
		return error_set(e, r, "no timer");
	p->ticking = true;
	return ADIT_OK;
}

static int32_t miner_start(void *instance)
{
	struct miner_plugin *p = instance;
	struct error e;
	int32_t r = start_parts(p, &e);

	if (r != ADIT_OK)
		p->host.api->set_error(p->host.handle, e.text);
	return r;
}

/* --- reload --- */

/* Another connection takes the place of the present one, with its accounts. */
static int32_t replace_session(struct miner_plugin *p, const struct miner_options *o,
			       struct error *e)
{
	struct miner_session *old = p->session;
	struct miner_options before = p->options;
	int32_t r;

	p->options = *o;
	p->session = NULL;
	p->key_missed = false;
	r = connect_upstream(p, e);
	if (r != ADIT_OK) {
		p->session = old;
		p->options = before;
		return r;
	}
	if (p->session != NULL && old != NULL)
		miner_session_set_accounts(p->session, miner_session_stats(old));
	miner_session_free(old);
	return ADIT_OK;
}

/* All or nothing. */
static int32_t take_over(struct miner_plugin *p, const struct miner_options *o, struct error *e)
{
	bool work = o->threads != p->options.threads || o->rate != p->options.rate;
	bool rate = work || o->nominal_hash_rate != p->options.nominal_hash_rate;
	bool upstream = !miner_options_same_upstream(&p->configured, o);
	struct miner_hasher *hasher = work ? miner_hasher_new(o->threads, o->rate, e) : NULL;

	if (work && hasher == NULL)
		return e->code;
	if (upstream && replace_session(p, o, e) != ADIT_OK) {
		miner_hasher_free(hasher);
		return e->code;
	}
	if (hasher != NULL)
		replace_hasher(p, hasher);
	p->options.threads = o->threads;
	p->options.rate = o->rate;
	p->options.nominal_hash_rate = o->nominal_hash_rate;
	p->report_s = 0;
	if (rate && !upstream && p->session != NULL)
		miner_session_measured(p->session, first_rate(&p->options));
	return ADIT_OK;
}

/* All of it is taken over as it runs. Threads and rate leave the connection alone; what the server
 * has to know of anew takes another one. */
static int32_t miner_reload(void *instance)
{
	struct miner_plugin *p = instance;
	struct miner_options options;
	struct error e;
	int32_t r = miner_options_read(&p->host, &options, &e);

	if (r == ADIT_OK)
		r = take_over(p, &options, &e);
	if (r != ADIT_OK) {
		p->host.api->set_error(p->host.handle, e.text);
		return ADIT_E_CONFIG;
	}
	p->configured = options;
	p->paused = false;
	if (p->session != NULL)
		miner_session_hold(p->session, false);
	return ADIT_OK;
}

static int32_t miner_stop(void *instance)
{
	struct miner_plugin *p = instance;

	if (p->ticking)
		p->host.api->timer_cancel(p->host.handle, p->timer);
	p->ticking = false;
	miner_session_free(p->session);
	p->session = NULL;
	return ADIT_OK;
}

static void miner_fini(void *instance)
{
	struct miner_plugin *p = instance;

	miner_stop(p);
	miner_hasher_free(p->hasher);
	free(p);
}

ADIT_EXPORT extern const struct adit_plugin_descriptor adit_plugin;

const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "cpu-miner",
    .version = PACKAGE_VERSION,
    .init = miner_init,
    .start = miner_start,
    .reload = miner_reload,
    .stop = miner_stop,
    .fini = miner_fini,
};
