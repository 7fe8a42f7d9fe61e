/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mining/keys.h"
#include "lib/mining/settings.h"

/* The next item of a list with commas between, without blanks around it; NULL past the last. */
static const char *next_item(const char **at, size_t *size)
{
	const char *item;

	*at += strspn(*at, ", \t");
	item = *at;
	*size = strcspn(item, ",");
	*at += *size;
	while (*size > 0 && (item[*size - 1] == ' ' || item[*size - 1] == '\t'))
		--*size;
	return *size > 0 ? item : NULL;
}

static int32_t read_list(const struct keys *s, const char *key, char **items, uint32_t most,
			 uint32_t *count, struct error *e)
{
	const char *at = keys_text(s, key);
	const char *item;
	size_t size;

	while ((item = next_item(&at, &size)) != NULL) {
		if (*count == most)
			return error_set(e, ADIT_E_CONFIG, "%s: more than %u of them", key, most);
		items[*count] = strndup(item, size);
		if (items[(*count)++] == NULL)
			return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	return ADIT_OK;
}

/* --- pools -------------------------------------------------------------------------------------
 */

static bool parse_mode(const char *text, enum jdc_mode *mode)
{
	static const char *const words[] = {[JDC_FULL_TEMPLATE] = "full-template",
					    [JDC_COINBASE_ONLY] = "coinbase-only",
					    [JDC_PROXY] = "proxy",
					    [JDC_SOLO] = "solo"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*mode = (enum jdc_mode)i;
		return true;
	}
	return false;
}

/* A value of the section [jdc/NAME]. */
static const char *part_of(const struct keys *s, const char *name, const char *key)
{
	char full[JDC_NAME_MAX + 64];

	snprintf(full, sizeof full, "%s.%s", name, key);
	return keys_text(s, full);
}

struct server_keys {
	const char *address;
	const char *key;
	const char *key_file;
};

static int32_t read_server(const struct keys *s, const char *name, const struct server_keys *k,
			   struct pool_server *server, struct error *e)
{
	const char *address = part_of(s, name, k->address);
	const char *key = part_of(s, name, k->key);
	const char *file = part_of(s, name, k->key_file);
	uint8_t x[32];
	struct error why = {0};

	if (strlen(key) >= sizeof server->key || strlen(file) >= sizeof server->key_file)
		return error_set(e, ADIT_E_CONFIG, "%s: %s: too long", name, k->key);
	if (*key != '\0' && noise_public_parse(key, x, &why) != ADIT_OK)
		return error_set(e, ADIT_E_CONFIG, "%s: %s: %s", name, k->key, why.text);
	memcpy(server->key, key, strlen(key) + 1);
	memcpy(server->key_file, file, strlen(file) + 1);
	if (pool_server_parse(server, address, &why) != ADIT_OK)
		return error_set(e, ADIT_E_CONFIG, "%s: %s: %s", name, k->address, why.text);
	return ADIT_OK;
}

/* Without a key of its own the job declaration server has the pool's. */
static void inherit_key(struct pool_settings *p)
{
	if (p->jds.key[0] != '\0' || p->jds.key_file[0] != '\0')
		return;
	memcpy(p->jds.key, p->pool.key, sizeof p->jds.key);
	memcpy(p->jds.key_file, p->pool.key_file, sizeof p->jds.key_file);
}

static int32_t read_servers(struct pool_settings *p, const struct keys *s, struct error *e)
{
	static const struct server_keys pool = {"address", "authority_key", "authority_key_file"};
	static const struct server_keys jds = {"jds_address", "jds_authority_key",
					       "jds_authority_key_file"};
	bool declares = *part_of(s, p->name, jds.address) != '\0';
	int32_t result = read_server(s, p->name, &pool, &p->pool, e);

	if (result == ADIT_OK && declares)
		result = read_server(s, p->name, &jds, &p->jds, e);
	if (result != ADIT_OK)
		return result;
	if (p->pool.key[0] == '\0' && p->pool.key_file[0] == '\0')
		return error_set(e, ADIT_E_CONFIG,
				 "%s: authority_key: the key that the pool shows (or "
				 "authority_key_file, or address = stratum2+tcp://HOST:PORT/KEY)",
				 p->name);
	inherit_key(p);
	if (!declares)
		p->mode = JDC_PROXY;
	return ADIT_OK;
}

static int32_t read_pool(struct jdc_settings *to, const struct keys *s, const char *name,
			 size_t size, struct error *e)
{
	struct pool_settings *p = &to->pools[to->pool_count];
	const char *mode, *user;
	char *end;

	if (to->pool_count == JDC_POOLS_MAX)
		return error_set(e, ADIT_E_CONFIG, "upstream: more than %d of them", JDC_POOLS_MAX);
	if (size >= sizeof p->name)
		return error_set(e, ADIT_E_CONFIG, "%.*s: a name of at most %zu characters",
				 (int)size, name, sizeof p->name - 1);
	*p = (struct pool_settings){.mode = to->mode};
	memcpy(p->name, name, size);
	user = part_of(s, p->name, "user_identity");
	mode = part_of(s, p->name, "mode");
	if (*user == '\0' || strlen(user) > JDC_USER_MAX)
		return error_set(e, ADIT_E_CONFIG, "%s: user_identity: expected 1..%d bytes",
				 p->name, JDC_USER_MAX);
	memcpy(p->user, user, strlen(user) + 1);
	if (*mode != '\0' && (!parse_mode(mode, &p->mode) || p->mode == JDC_SOLO))
		return error_set(e, ADIT_E_CONFIG,
				 "%s: mode: expected full-template, coinbase-only or proxy, not "
				 "\"%s\"",
				 p->name, mode);
	p->hash_rate = strtof(part_of(s, p->name, "hash_rate"), &end);
	if (!isfinite(p->hash_rate) || p->hash_rate < 0 || *end != '\0')
		return error_set(e, ADIT_E_CONFIG, "%s: hash_rate: expected hashes a second",
				 p->name);
	if (read_servers(p, s, e) != ADIT_OK)
		return ADIT_E_CONFIG;
	to->pool_count++;
	return ADIT_OK;
}

static int32_t read_pools(struct jdc_settings *to, const struct keys *s, struct error *e)
{
	const char *at = keys_text(s, "upstream");
	const char *name;
	size_t size;

	while ((name = next_item(&at, &size)) != NULL) {
		if (read_pool(to, s, name, size, e) != ADIT_OK)
			return ADIT_E_CONFIG;
	}
	return ADIT_OK;
}

/* --- all of it ---------------------------------------------------------------------------------
 */

static int32_t read_upstreams(struct jdc_settings *to, const struct keys *s, struct error *e)
{
	struct upstreams_options *o = &to->upstreams;
	uint32_t mebibytes = 0;
	const struct keys_count counts[] = {
	    {"answer_timeout", 100, 600000, &to->answer_timeout_ms},
	    {"connect_timeout", 100, 60000, &to->connect_timeout_ms},
	    {"upstream_return", 0, 3600000, &o->return_ms},
	    {"upstream_cooling", 100, 3600000, &o->cool_min_ms},
	    {"solo_after", 100, 60000, &o->solo_ms},
	    {"rollback_after", 1000, 600000, &to->rollback_ms},
	    {"tokens", 1, 64, &to->tokens},
	    {"max_declarations", 1, 64, &to->max_declarations},
	    {"held_shares", 0, 100000, &to->held_shares},
	    {"template_memory", 8, 4096, &mebibytes},
	};

	if (keys_counts(s, counts, sizeof counts / sizeof counts[0], e) != ADIT_OK)
		return ADIT_E_CONFIG;
	if (o->return_ms == 0)
		o->return_ms = 1; /* 0 stands for the default */
	if (o->cool_min_ms > 600000)
		o->cool_max_ms = o->cool_min_ms;
	o->attempt_ms = to->connect_timeout_ms + to->answer_timeout_ms;
	to->template_bytes = (size_t)mebibytes << 20;
	return keys_bool(s, "worker_identity", &to->worker_identity, e);
}

static int32_t read_all(struct jdc_settings *to, const struct keys *s, const char *network,
			struct error *e)
{
	enum bitcoin_network net;
	int32_t result;

	if (!parse_mode(keys_text(s, "mode"), &to->mode))
		return error_set(e, ADIT_E_CONFIG, "mode: \"%s\" is none", keys_text(s, "mode"));
	if ((result = keys_payout(s, network, &net, &to->reward, e)) != ADIT_OK ||
	    (result = mining_settings_read(&to->mining, s->api, s->host, JDC_NUMBER_SIZE,
					   JDC_ROLLABLE_MIN, e)) != ADIT_OK ||
	    (result = read_upstreams(to, s, e)) != ADIT_OK ||
	    (result = read_list(s, "allow_pool", to->allow, JDC_ALLOW_MAX, &to->allow_count, e)) !=
		ADIT_OK)
		return result;
	return read_pools(to, s, e);
}

int32_t jdc_settings_read(struct jdc_settings *to, const struct adit_host_api *api,
			  struct adit_host *host, const char *network, struct error *e)
{
	struct keys s = {api, host};
	int32_t result;

	*to = (struct jdc_settings){0};
	result = read_all(to, &s, network, e);
	if (result != ADIT_OK)
		jdc_settings_fini(to);
	return result;
}

void jdc_settings_fini(struct jdc_settings *s)
{
	reward_free(&s->reward);
	mining_settings_fini(&s->mining);
	for (uint32_t i = 0; i < s->allow_count; i++)
		free(s->allow[i]);
	s->allow_count = s->pool_count = 0;
}

bool jdc_settings_same_fixed(const struct jdc_settings *a, const struct jdc_settings *b)
{
	return mining_settings_same_fixed(&a->mining, &b->mining) &&
	       a->held_shares == b->held_shares &&
	       memcmp(&a->upstreams, &b->upstreams, sizeof a->upstreams) == 0;
}

static bool same_server(const struct pool_server *a, const struct pool_server *b)
{
	return strcmp(a->address, b->address) == 0 && strcmp(a->key, b->key) == 0 &&
	       strcmp(a->key_file, b->key_file) == 0;
}

bool pool_settings_same(const struct pool_settings *a, const struct pool_settings *b)
{
	return strcmp(a->name, b->name) == 0 && same_server(&a->pool, &b->pool) &&
	       same_server(&a->jds, &b->jds) && strcmp(a->user, b->user) == 0 &&
	       a->mode == b->mode && memcmp(&a->hash_rate, &b->hash_rate, sizeof a->hash_rate) == 0;
}

bool jdc_settings_same_pools(const struct jdc_settings *a, const struct jdc_settings *b)
{
	if (a->mode != b->mode || a->pool_count != b->pool_count)
		return false;
	for (uint32_t i = 0; i < a->pool_count; i++) {
		if (!pool_settings_same(&a->pools[i], &b->pools[i]))
			return false;
	}
	return true;
}

/* --- which pools may be named ------------------------------------------------------------------
 */

/* PATTERN is HOST, HOST:PORT, *.DOMAIN or *.DOMAIN:PORT. */
static bool pattern_matches(const char *pattern, const char *address)
{
	const char *end = strrchr(address, ':');
	size_t host = end ? (size_t)(end - address) : strlen(address);
	const char *bracket = strrchr(pattern, ']');
	const char *colon = strrchr(pattern, ':');
	size_t size;

	if (colon && bracket && colon < bracket)
		colon = NULL;
	if (colon && (!end || strcmp(colon, end) != 0))
		return false;
	size = colon ? (size_t)(colon - pattern) : strlen(pattern);
	if (size > 2 && pattern[0] == '*' && pattern[1] == '.')
		return host > size - 1 &&
		       strncasecmp(address + host - (size - 1), pattern + 1, size - 1) == 0;
	return host == size && strncasecmp(address, pattern, size) == 0;
}

bool jdc_settings_allow(const struct jdc_settings *s, const char *address)
{
	for (uint32_t i = 0; i < s->pool_count; i++) {
		if (strcasecmp(s->pools[i].pool.address, address) == 0 ||
		    strcasecmp(s->pools[i].jds.address, address) == 0)
			return true;
	}
	for (uint32_t i = 0; i < s->allow_count; i++) {
		if (pattern_matches(s->allow[i], address))
			return true;
	}
	return false;
}
