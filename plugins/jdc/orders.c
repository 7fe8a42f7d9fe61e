/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/orders.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/mining/answers.h"
#include "lib/util/clock.h"
#include "plugins/jdc/jdc.h"
#include "plugins/jdc/pools.h"

#define ORDER_NAME "ordered"

/* --- what is asked for -------------------------------------------------------------------------
 */

/* A parameter that is text; NULL: not there. *GOOD becomes false when it is something else. */
static const char *text_param(struct json_object *params, const char *key, bool *good)
{
	struct json_object *value;

	if (!json_object_object_get_ex(params, key, &value) || value == NULL)
		return NULL;
	if (json_object_is_type(value, json_type_string))
		return json_object_get_string(value);
	*good = false;
	return NULL;
}

struct order_params {
	const char *pool_url;
	const char *pool_user;
	const char *authority_key;
	const char *jds_url;
};

static int32_t read_order(struct json_object *params, struct order_params *o, struct error *e)
{
	bool good = true;

	*o = (struct order_params){
	    .pool_url = text_param(params, "pool_url", &good),
	    .pool_user = text_param(params, "pool_user", &good),
	    .authority_key = text_param(params, "authority_key", &good),
	    .jds_url = text_param(params, "jds_url", &good),
	};
	(void)text_param(params, "pool_password", &good); /* Stratum V2 has none */
	if (!good)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "expected text for each parameter");
	if (!o->pool_url || *o->pool_url == '\0')
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "pool_url: which pool?");
	return ADIT_OK;
}

static const struct pool_settings *section_of(const struct jdc *jdc, const char *address)
{
	for (uint32_t i = 0; i < jdc->settings.pool_count; i++) {
		if (strcasecmp(jdc->settings.pools[i].pool.address, address) == 0)
			return &jdc->settings.pools[i];
	}
	return NULL;
}

/* What was not said, as the section of the same pool has it. */
static void inherit(struct pool_settings *p, const struct pool_settings *section)
{
	if (p->user[0] == '\0')
		memcpy(p->user, section->user, sizeof p->user);
	if (p->pool.key[0] == '\0') {
		memcpy(p->pool.key, section->pool.key, sizeof p->pool.key);
		memcpy(p->pool.key_file, section->pool.key_file, sizeof p->pool.key_file);
	}
	if (p->jds.address[0] == '\0')
		p->jds = section->jds;
	p->hash_rate = section->hash_rate;
	p->mode = section->mode;
}

static int32_t read_place(const struct jdc *jdc, struct pool_server *server, const char *key,
			  const char *url, struct error *e)
{
	struct error why = {0};

	/* As old pools have it. What is wrong is quoted, and logged; this is not. */
	if (strchr(url, '@') != NULL)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "%s: it has no user and no password: say pool_user", key);
	if (pool_server_parse(server, url, &why) != ADIT_OK)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "%s: %s", key, why.text);
	if (!jdc_settings_allow(&jdc->settings, server->address))
		return error_set(e, ADIT_E_PERMISSION_DENIED,
				 "%s: %s is neither in a section [jdc/NAME] nor in allow_pool", key,
				 server->address);
	return ADIT_OK;
}

static int32_t read_key(struct pool_settings *p, const struct order_params *o, struct error *e)
{
	struct error why = {0};
	uint8_t x[32];

	if (!o->authority_key || *o->authority_key == '\0')
		return ADIT_OK;
	if (strlen(o->authority_key) >= sizeof p->pool.key ||
	    noise_public_parse(o->authority_key, x, &why) != ADIT_OK)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "authority_key: %s", why.text);
	noise_public_format(x, p->pool.key);
	return ADIT_OK;
}

static int32_t make_settings(const struct jdc *jdc, const struct order_params *o,
			     struct pool_settings *p, struct error *e)
{
	const struct pool_settings *section;
	int32_t result;

	*p = (struct pool_settings){.name = ORDER_NAME, .mode = jdc->settings.mode};
	if ((result = read_place(jdc, &p->pool, "pool_url", o->pool_url, e)) != ADIT_OK ||
	    (result = read_key(p, o, e)) != ADIT_OK)
		return result;
	if (o->jds_url && *o->jds_url != '\0' &&
	    (result = read_place(jdc, &p->jds, "jds_url", o->jds_url, e)) != ADIT_OK)
		return result;
	if (o->pool_user && strlen(o->pool_user) > JDC_USER_MAX)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "pool_user: at most %d bytes",
				 JDC_USER_MAX);
	if (o->pool_user)
		memcpy(p->user, o->pool_user, strlen(o->pool_user) + 1);
	section = section_of(jdc, p->pool.address);
	if (section)
		inherit(p, section);
	if (p->user[0] == '\0')
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "pool_user: who is to be paid?");
	if (p->pool.key[0] == '\0' && p->pool.key_file[0] == '\0')
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "authority_key: the pool's authority public key is required");
	if (p->jds.address[0] == '\0' || p->mode == JDC_SOLO)
		p->mode = JDC_PROXY;
	if (p->jds.key[0] == '\0' && p->jds.key_file[0] == '\0') {
		memcpy(p->jds.key, p->pool.key, sizeof p->jds.key);
		memcpy(p->jds.key_file, p->pool.key_file, sizeof p->jds.key_file);
	}
	return ADIT_OK;
}

/* --- doing it ----------------------------------------------------------------------------------
 */

/* Who asked for what, and what became of it. */
static void audit(struct jdc *jdc, const char *caller, const struct pool_settings *p,
		  const char *result)
{
	mining_log(&jdc->mining, ADIT_LOG_WARNING,
		   "update_pool_config by %s: pool %s, user %s, job declaration server %s: %s",
		   caller, p->pool.address[0] ? p->pool.address : "-", p->user[0] ? p->user : "-",
		   p->jds.address[0] ? p->jds.address : "-", result);
}

/* An order that is under way ends as if it had not been given; the last one that held stays. */
static void roll_back(struct jdc *jdc, const char *why)
{
	struct jdc_order *o = &jdc->order;
	struct jdc_pool *pool = o->pool;

	o->pool = NULL;
	snprintf(o->result, sizeof o->result, "%s", why);
	audit(jdc, o->caller, &pool->settings, why);
	pools_remove(jdc, pool);
}

static void confirm(struct jdc *jdc)
{
	struct jdc_order *o = &jdc->order;
	struct jdc_pool *before = o->before;

	snprintf(o->result, sizeof o->result, "it gives work, and stays");
	audit(jdc, o->caller, &o->pool->settings, o->result);
	o->before = o->pool;
	o->pool = NULL;
	if (before)
		pools_remove(jdc, before);
}

static void answer_order(struct jdc *jdc, struct adit_request *request,
			 const struct pool_settings *p)
{
	static const char *const modes[] = {"full-template", "coinbase-only", "proxy", "solo"};
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(true));
	add_text(o, "pool_url", p->pool.address);
	add_text(o, "jds_url", p->jds.address[0] ? p->jds.address : NULL);
	add_text(o, "user", p->user);
	add_text(o, "mode", modes[p->mode]);
	add_text(o, "previous", jdc->active ? jdc->active->settings.pool.address : NULL);
	add_count(o, "rollback_after_ms", jdc->settings.rollback_ms);
	answer(&jdc->mining, request, o);
}

static int32_t apply(struct jdc *jdc, const struct pool_settings *p, const char *caller,
		     struct error *e)
{
	struct jdc_order *o = &jdc->order;
	struct jdc_pool *pool;

	if (!jdc->started)
		return error_set(e, ADIT_E_UNAVAILABLE, "the role has just been started");
	order_tick(jdc, clock_monotonic_ms()); /* it may have proved itself just now */
	if (o->pool)
		roll_back(jdc, "replaced by another order");
	pool = pools_add_first(jdc, p);
	if (!pool)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	o->pool = pool;
	o->until_ms = clock_monotonic_ms() + jdc->settings.rollback_ms;
	snprintf(o->caller, sizeof o->caller, "%s", caller);
	snprintf(o->result, sizeof o->result, "tried");
	audit(jdc, caller, p, o->result);
	pools_prefer(jdc, pool);
	return ADIT_OK;
}

void on_update_pool_config(void *user, struct adit_request *request,
			   const struct adit_request_info *info)
{
	struct jdc *jdc = user;
	struct json_object *params = read_params(&jdc->mining, request, info);
	struct pool_settings p = {0};
	struct order_params o;
	struct error e = {0};
	int32_t result;

	if (!params)
		return;
	result = read_order(params, &o, &e);
	if (result == ADIT_OK)
		result = make_settings(jdc, &o, &p, &e);
	if (result == ADIT_OK)
		result = apply(jdc, &p, info->caller ? info->caller : "?", &e);
	json_object_put(params);
	if (result == ADIT_OK) {
		answer_order(jdc, request, &p);
		return;
	}
	audit(jdc, info->caller ? info->caller : "?", &p, e.text);
	answer_error(&jdc->mining, request, result, e.text);
}

/* --- afterwards --------------------------------------------------------------------------------
 */

/* A job of its own, or one of ours that it acknowledged. */
static bool gives_work(const struct jdc *jdc, const struct jdc_pool *pool)
{
	return jdc->active == pool && (pool->link.has_job || pool->link.counts.known > 0);
}

void order_tick(struct jdc *jdc, uint64_t now_ms)
{
	struct jdc_order *o = &jdc->order;

	if (!o->pool)
		return;
	if (gives_work(jdc, o->pool))
		confirm(jdc);
	else if (now_ms >= o->until_ms)
		roll_back(jdc, "it gave no job in time; rolled back");
}

void order_forget(struct jdc *jdc)
{
	jdc->order = (struct jdc_order){0};
}
