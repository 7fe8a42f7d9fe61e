/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/rpc.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/value.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 15000

/* What Bitcoin Core calls the networks, where it keeps them and where it listens. */
static const struct network {
	const char *name;
	const char *chain;
	const char *directory;
	uint16_t port;
} networks[] = {
    {"main", "main", "", 8332},
    {"testnet4", "testnet4", "testnet4/", 48332},
    {"testnet3", "test", "testnet3/", 18332},
    {"signet", "signet", "signet/", 38332},
    {"regtest", "regtest", "regtest/", 18443},
};

static const struct network *network_find(const char *name)
{
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
		if (strcmp(networks[i].name, name) == 0)
			return &networks[i];
	return NULL;
}

/* --- configuration ------------------------------------------------------------------------------
 */

static int32_t configure_url(struct rpc *b, const struct network *network, struct error *e)
{
	const char *url = service_config(b->service, "rpc_url");
	const char *rest;

	if (url == NULL) {
		snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%u/", network->port);
		return ADIT_OK;
	}
	rest = strstr(url, "://");
	if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) || rest == NULL)
		return error_set(e, ADIT_E_CONFIG, "rpc_url: expected http://HOST:PORT/");
	if (memchr(rest, '@', strlen(rest)) != NULL)
		return error_set(e, ADIT_E_CONFIG,
				 "rpc_url: name and password belong into rpc_user and"
				 " rpc_password");
	if (strlen(url) >= sizeof(b->url))
		return error_set(e, ADIT_E_CONFIG, "rpc_url: too long");
	strcpy(b->url, url);
	return ADIT_OK;
}

/* DATADIR/.cookie, in the network's own folder but for the main network. */
static int32_t cookie_path(struct rpc *b, const struct network *network, char *out, size_t capacity,
			   struct error *e)
{
	const char *file = service_config(b->service, "rpc_cookie_file");
	const char *datadir = service_config(b->service, "rpc_datadir");
	const char *home = getenv("HOME");
	int size;

	if (datadir == NULL)
		datadir = service_config(b->service, "datadir");
	if (file != NULL)
		size = snprintf(out, capacity, "%s", file);
	else if (datadir != NULL)
		size = snprintf(out, capacity, "%s/%s.cookie", datadir, network->directory);
	else if (home != NULL && *home != '\0')
		size = snprintf(out, capacity, "%s/.bitcoin/%s.cookie", home, network->directory);
	else
		return error_set(e, ADIT_E_CONFIG,
				 "rpc_datadir or rpc_cookie_file is needed: there is no home"
				 " directory");
	if (size < 0 || (size_t)size >= capacity)
		return error_set(e, ADIT_E_CONFIG, "the path of the cookie is too long");
	return ADIT_OK;
}

static int32_t configure_auth(struct rpc *b, const struct network *network, struct error *e)
{
	const char *user = service_config(b->service, "rpc_user");
	const char *password = service_config(b->service, "rpc_password");
	char cookie[512] = "";
	int32_t result;

	if ((user == NULL) != (password == NULL))
		return error_set(e, ADIT_E_CONFIG, "rpc_user and rpc_password are needed together");
	if (user == NULL) {
		result = cookie_path(b, network, cookie, sizeof(cookie), e);
		if (result != ADIT_OK)
			return result;
	}
	return rpc_auth_init(&b->auth, cookie, user, password, e);
}

static int32_t configure(struct rpc *b, struct error *e)
{
	const struct network *network = network_find(b->service->network);
	int32_t result;

	if (network == NULL)
		return error_set(e, ADIT_E_CONFIG, "network: \"%s\" is not known",
				 b->service->network);
	b->timeout_ms = (uint32_t)service_config_int(b->service, "rpc_timeout", 30000);
	b->tip_interval_ms = (uint32_t)service_config_int(b->service, "tip_interval", 2000);
	b->template_interval_ms =
	    (uint32_t)service_config_int(b->service, "template_interval", 15000);
	result = configure_url(b, network, e);
	return result == ADIT_OK ? configure_auth(b, network, e) : result;
}

static int32_t rpc_open(struct service *s, void **self, struct error *e)
{
	struct rpc *b = calloc(1, sizeof(*b));
	int32_t result;

	if (b == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	b->service = s;
	b->mempool = calloc(1, sizeof(*b->mempool));
	result =
	    b->mempool != NULL ? configure(b, e) : error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	if (result != ADIT_OK) {
		rpc_auth_fini(&b->auth);
		free(b->mempool);
		free(b);
		return result;
	}
	*self = b;
	return ADIT_OK;
}

/* --- small things -------------------------------------------------------------------------------
 */

struct rpc_call *rpc_ask(struct rpc *b, const char *method, const char *params, uint32_t timeout_ms,
			 size_t max_bytes, rpc_answer_fn fn, void *user)
{
	struct rpc_call *call = rpc_client_call(b->client, method, params, strlen(params),
						timeout_ms, max_bytes, fn, user);

	if (call == NULL)
		service_log(b->service, ADIT_LOG_WARNING, "%s: no memory for a call", method);
	return call;
}

void rpc_timer_end(struct rpc *b, uint64_t *id)
{
	if (*id != 0)
		b->service->api->timer_cancel(b->service->host, *id);
	*id = 0;
}

void rpc_timer(struct rpc *b, uint64_t *id, uint32_t delay_ms, adit_timer_fn fn, void *user)
{
	int32_t result;

	rpc_timer_end(b, id);
	result = b->service->api->timer_add(b->service->host, delay_ms, 0, fn, user, NULL, id);
	if (result != ADIT_OK)
		b->service->api->fail(b->service->host, "no timer for the node's RPC");
}

/* --- the regular look ---------------------------------------------------------------------------
 */

static void on_look_timer(void *user)
{
	struct rpc *b = user;

	b->look_timer = 0;
	rpc_look(b);
}

static void look_later(struct rpc *b, uint32_t delay_ms)
{
	rpc_timer(b, &b->look_timer, delay_ms, on_look_timer, b);
}

/* Doubles up to a bound, with a quarter of chance so that many do not come at once. */
static void look_after_backoff(struct rpc *b)
{
	if (b->backoff_ms == 0)
		b->backoff_ms = BACKOFF_FIRST_MS;
	else if (b->backoff_ms < BACKOFF_MAX_MS)
		b->backoff_ms =
		    b->backoff_ms * 2 < BACKOFF_MAX_MS ? b->backoff_ms * 2 : BACKOFF_MAX_MS;
	look_later(b, b->backoff_ms + random_below(b->backoff_ms / 4 + 1));
}

static void stop_work(struct rpc *b)
{
	b->usable = false;
	rpc_work_stop(b);
	rpc_chain_stop(b);
	rpc_mempool_stop(b);
}

void rpc_not_ready(struct rpc *b, enum service_state state, const char *detail)
{
	b->backoff_ms = 0;
	service_set_state(b->service, state, detail);
	look_later(b, b->tip_interval_ms);
}

void rpc_trouble(struct rpc *b, const struct rpc_answer *answer)
{
	char detail[700];

	stop_work(b);
	b->version_known = false;
	if (answer->code == RPC_IN_WARMUP) {
		rpc_not_ready(b, SERVICE_STARTING, answer->message);
		return;
	}
	snprintf(detail, sizeof(detail), "%s: %s", b->url, answer->message);
	service_set_state(b->service,
			  answer->error == ADIT_E_UNAVAILABLE || answer->error == ADIT_E_TIMEOUT
			      ? SERVICE_CONNECTING
			      : SERVICE_FAILING,
			  detail);
	look_after_backoff(b);
}

static void wrong_network(struct rpc *b, const char *chain)
{
	const char *name = chain;
	char detail[400];

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
		if (strcmp(networks[i].chain, chain) == 0)
			name = networks[i].name;
	snprintf(detail, sizeof(detail), "the node at %s is on %.32s, but network = %s", b->url,
		 name, b->service->network);
	stop_work(b);
	service_set_state(b->service, SERVICE_FAILING, detail);
	look_after_backoff(b);
}

static void take_progress(struct rpc *b, struct json_object *info)
{
	struct service *s = b->service;
	struct json_object *progress;
	uint64_t headers = 0;

	(void)value_u64(info, "headers", INT32_MAX, &headers);
	s->headers = (uint32_t)headers;
	s->progress = -1;
	if (json_object_object_get_ex(info, "verificationprogress", &progress) &&
	    (json_object_is_type(progress, json_type_double) ||
	     json_object_is_type(progress, json_type_int)))
		s->progress = json_object_get_double(progress);
	/* Also true for no number at all. */
	if (!(s->progress >= 0 && s->progress <= 1))
		s->progress = s->progress > 1 ? 1 : -1;
}

static void show_download(struct rpc *b, const struct service_tip *tip)
{
	const struct service *s = b->service;
	char detail[128];

	snprintf(detail, sizeof(detail), "block %u of %u, %.2f%% verified", tip->height, s->headers,
		 s->progress > 0 ? s->progress * 100 : 0);
	stop_work(b);
	service_set_tip(b->service, tip);
	rpc_not_ready(b, SERVICE_INITIAL_DOWNLOAD, detail);
}

static void on_version(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;
	const char *text = value_text(answer->result, "subversion");

	b->version_look = NULL;
	if (answer->error != ADIT_OK || text == NULL)
		return;
	b->version_known = true;
	snprintf(b->service->version, sizeof(b->service->version), "%s", text);
	service_log(b->service, ADIT_LOG_INFO, "the node at %s is %s", b->url, text);
	rpc_features_look(b);
}

static void on_mempool(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;
	uint64_t size;

	b->mempool_look = NULL;
	if (answer->error == ADIT_OK && value_u64(answer->result, "size", UINT32_MAX, &size))
		b->service->mempool_tx = size;
}

static void look_at_the_rest(struct rpc *b)
{
	if (!b->version_known && b->version_look == NULL)
		b->version_look = rpc_ask(b, "getnetworkinfo", "[]", b->timeout_ms,
					  RPC_SMALL_ANSWER, on_version, b);
	if (b->mempool_look == NULL)
		b->mempool_look = rpc_ask(b, "getmempoolinfo", "[]", b->timeout_ms,
					  RPC_SMALL_ANSWER, on_mempool, b);
}

/* The node is usable: see that templates and tip are what they should be. */
static void at_work(struct rpc *b, const struct service_tip *tip)
{
	const struct node_template *t = b->service->template;
	bool stale = t == NULL || memcmp(t->prev_hash, tip->hash, 32) != 0;

	if (!b->usable)
		service_log(b->service, ADIT_LOG_DEBUG, "the node is there, at height %u",
			    tip->height);
	b->usable = true;
	b->backoff_ms = 0;
	if (!b->service->tip_known)
		service_set_tip(b->service, tip);
	if (b->template_call == NULL &&
	    (!b->template_known || stale ||
	     clock_monotonic_ms() - b->template_at >= b->template_interval_ms))
		rpc_template_fetch(b);
	rpc_chain_follow(b, tip->hash);
	look_later(b, b->tip_interval_ms);
}

static bool parse_info(struct json_object *info, struct service_tip *tip, bool *downloading)
{
	uint64_t height;

	if (!value_u64(info, "blocks", INT32_MAX, &height) ||
	    !value_hash(info, "bestblockhash", tip->hash) ||
	    !value_bool(info, "initialblockdownload", downloading))
		return false;
	tip->height = (uint32_t)height;
	(void)value_u32(info, "mediantime", &tip->median_time);
	(void)value_u32(info, "time", &tip->time);
	(void)value_bits(info, "bits", &tip->nbits);
	return true;
}

static void on_look(void *user, const struct rpc_answer *answer)
{
	static const struct rpc_answer strange = {
	    .error = ADIT_E_PROTOCOL,
	    .message = "getblockchaininfo: fields are missing; is it a Bitcoin node?"};
	struct rpc *b = user;
	struct service_tip tip = {0};
	const char *chain;

	b->look = NULL;
	if (answer->error != ADIT_OK || answer->code != 0) {
		rpc_trouble(b, answer);
		return;
	}
	chain = value_text(answer->result, "chain");
	if (chain == NULL || !parse_info(answer->result, &tip, &b->service->initial_download)) {
		rpc_trouble(b, &strange);
		return;
	}
	if (strcmp(chain, network_find(b->service->network)->chain) != 0) {
		wrong_network(b, chain);
		return;
	}
	take_progress(b, answer->result);
	look_at_the_rest(b);
	/* A regtest counts as downloading while its last block is old: there a block has to be
	 * mined first, and the node gives templates for it. */
	if (b->service->initial_download && strcmp(chain, "regtest") != 0)
		show_download(b, &tip);
	else
		at_work(b, &tip);
}

void rpc_look(struct rpc *b)
{
	if (b->look != NULL)
		return;
	rpc_timer_end(b, &b->look_timer);
	b->look =
	    rpc_ask(b, "getblockchaininfo", "[]", b->timeout_ms, RPC_SMALL_ANSWER, on_look, b);
	if (b->look == NULL)
		look_later(b, BACKOFF_MAX_MS);
}

/* --- life cycle ---------------------------------------------------------------------------------
 */

static int32_t rpc_start(void *self, struct error *e)
{
	struct rpc *b = self;
	struct service *s = b->service;
	struct event_base *base = s->api->loop(s->host, "libevent-2");

	if (base == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED, "this host has no libevent loop");
	b->client = rpc_client_new(base, b->url, &b->auth);
	if (b->client == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	service_log(s, ADIT_LOG_INFO, "node at %s, %s%s", b->url,
		    b->auth.cookie[0] != '\0' ? "cookie " : "rpc_user ",
		    b->auth.cookie[0] != '\0' ? b->auth.cookie : b->auth.user);
	rpc_mempool_start(b);
	rpc_look(b);
	return ADIT_OK;
}

static void rpc_close(void *self)
{
	struct rpc *b = self;

	rpc_requests_cancel(b);
	rpc_queries_cancel(b);
	rpc_finds_cancel(b);
	stop_work(b);
	rpc_mempool_close(b);
	rpc_timer_end(b, &b->look_timer);
	rpc_client_free(b->client);
	rpc_auth_fini(&b->auth);
	free(b->mempool);
	free(b);
}

const struct backend backend_rpc = {
    .name = "bitcoin-rpc",
    .open = rpc_open,
    .start = rpc_start,
    .close = rpc_close,
    .submit = rpc_submit,
    .get_block = rpc_get_block,
    .get_block_by_height = rpc_get_block_by_height,
    .get_transactions = rpc_get_transactions,
    .check_block = rpc_check_block,
    .query = rpc_query,
};
