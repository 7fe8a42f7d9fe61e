/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/target.h"
#include "lib/mining/extranonce.h"
#include "lib/mining/keys.h"
#include "lib/mining/templates.h"

static int32_t read_double(const struct keys *s, const char *key, double *out, struct error *e)
{
	const char *text = keys_text(s, key);
	char *end;

	*out = strtod(text, &end);
	if (end == text || *end != '\0' || !isfinite(*out) || *out <= 0)
		return error_set(e, ADIT_E_CONFIG, "%s: expected a number above 0, not \"%s\"", key,
				 text);
	return ADIT_OK;
}

static int32_t read_tag(struct mining_config *c, const struct keys *s, struct error *e)
{
	const char *text = keys_text(s, "tag");
	size_t size = strlen(text);
	size_t full = EXTRANONCE_OWN_BASE + (size_t)c->number_size + c->rollable;
	size_t script = TEMPLATE_SCRIPT_MAX + (size ? 1 + size : 0) + 1 + full;

	if (size > MINING_TAG_MAX || script > COINBASE_SCRIPT_MAX)
		return error_set(
		    e, ADIT_E_CONFIG,
		    "tag: %zu bytes are too long: with an extranonce of %zu bytes at most "
		    "%zu fit into the coinbase's scriptSig",
		    size, full, COINBASE_SCRIPT_MAX - TEMPLATE_SCRIPT_MAX - 2 - full);
	memcpy(c->tag, text, size + 1);
	return ADIT_OK;
}

static int32_t read_providers(struct mining_config *c, const struct keys *s, struct error *e)
{
	const char *at = keys_text(s, "template_provider");
	int64_t patience;
	int64_t back;

	if (keys_int(s, "provider_patience", 0, 600000, &patience, e) != ADIT_OK ||
	    keys_int(s, "provider_return", 0, 3600000, &back, e) != ADIT_OK)
		return ADIT_E_CONFIG;
	c->provider_patience_ms = (uint32_t)patience;
	c->provider_return_ms = (uint32_t)back;
	while (*at != '\0') {
		size_t size = strcspn(at, ",");

		if (c->provider_count == MINING_PROVIDERS_MAX)
			return error_set(e, ADIT_E_CONFIG,
					 "template_provider: more than %d addresses",
					 MINING_PROVIDERS_MAX);
		while (size > 0 && (*at == ' ' || *at == '\t')) {
			at++;
			size--;
		}
		c->providers[c->provider_count] = strndup(at, size);
		if (!c->providers[c->provider_count++])
			return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		at += size + (at[size] == ',');
	}
	if (c->provider_count == 0)
		return error_set(e, ADIT_E_CONFIG,
				 "template_provider: expected an address such as unix:tdp.sock");
	return ADIT_OK;
}

/* A difficulty as work, or 0, which is "none". */
static int32_t read_optional(const struct keys *s, const char *key, double *work, struct error *e)
{
	const char *text = keys_text(s, key);
	double difficulty;
	char *end;

	*work = 0;
	if (*text != '\0' && strtod(text, &end) == 0 && *end == '\0')
		return ADIT_OK;
	if (read_double(s, key, &difficulty, e) != ADIT_OK)
		return ADIT_E_CONFIG;
	*work = target_difficulty_work(difficulty);
	return ADIT_OK;
}

static int32_t read_difficulties(struct mining_config *c, const struct keys *s, struct error *e)
{
	struct vardiff_options *v = &c->vardiff;
	double low;
	double high;

	if (read_double(s, "shares_per_minute", &v->shares_per_minute, e) != ADIT_OK ||
	    read_double(s, "min_difficulty", &low, e) != ADIT_OK ||
	    read_double(s, "max_difficulty", &high, e) != ADIT_OK ||
	    read_optional(s, "start_difficulty", &v->start_work, e) != ADIT_OK ||
	    read_optional(s, "fixed_difficulty", &v->fixed_work, e) != ADIT_OK)
		return ADIT_E_CONFIG;
	if (low > high)
		return error_set(e, ADIT_E_CONFIG, "min_difficulty: %g is above max_difficulty, %g",
				 low, high);
	v->min_work = target_difficulty_work(low);
	v->max_work = target_difficulty_work(high);
	return ADIT_OK;
}

/* The keys that are counts. */
static int32_t read_counts(struct mining_config *c, const struct keys *s, struct error *e)
{
	const struct keys_count counts[] = {
	    {"max_channels", 1, 1000000, &c->max_channels},
	    {"max_pending_opens", 0, 1000000, &c->max_pending_opens},
	    {"max_total_channels", 1, 10000000, &c->max_total_channels},
	    {"open_rate", 0, 1000000, &c->open_rate},
	    {"max_share_rate", 0, 10000000, &c->max_share_rate},
	    {"max_total_share_rate", 0, 100000000, &c->max_total_share_rate},
	    {"max_workers", 0, 1000000, &c->max_workers},
	};

	return keys_counts(s, counts, sizeof counts / sizeof counts[0], e);
}

static int32_t read_limits(struct mining_config *c, const struct keys *s, uint8_t least_rollable,
			   struct error *e)
{
	int64_t most_rollable = EXTRANONCE_MAX - EXTRANONCE_OWN_BASE - c->number_size;
	int64_t extranonce;
	int64_t mebibytes;

	if (read_counts(c, s, e) != ADIT_OK ||
	    keys_int(s, "extranonce_size", least_rollable, most_rollable, &extranonce, e) !=
		ADIT_OK ||
	    keys_int(s, "share_memory", 1, 4096, &mebibytes, e) != ADIT_OK)
		return ADIT_E_CONFIG;
	c->rollable = (uint8_t)extranonce;
	c->duplicates_bytes = (size_t)mebibytes << 20;
	return keys_bool(s, "version_rolling", &c->version_rolling, e);
}

int32_t mining_settings_read(struct mining_config *c, const struct adit_host_api *api,
			     struct adit_host *host, uint8_t number_size, uint8_t least_rollable,
			     struct error *e)
{
	struct keys s = {api, host};
	int32_t result;

	*c = (struct mining_config){.number_size = number_size};
	if ((result = read_limits(c, &s, least_rollable, e)) != ADIT_OK ||
	    (result = read_tag(c, &s, e)) != ADIT_OK ||
	    (result = read_difficulties(c, &s, e)) != ADIT_OK)
		return result;
	return read_providers(c, &s, e);
}

bool mining_settings_same_fixed(const struct mining_config *a, const struct mining_config *b)
{
	if (a->rollable != b->rollable || a->duplicates_bytes != b->duplicates_bytes ||
	    a->max_workers != b->max_workers || a->version_rolling != b->version_rolling ||
	    a->provider_count != b->provider_count)
		return false;
	for (uint32_t i = 0; i < a->provider_count; i++) {
		if (strcmp(a->providers[i], b->providers[i]) != 0)
			return false;
	}
	return true;
}

void mining_settings_fini(struct mining_config *c)
{
	for (uint32_t i = 0; i < c->provider_count; i++)
		free(c->providers[i]);
	c->provider_count = 0;
}
