/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/keys.h"

const char *keys_text(const struct keys *k, const char *key)
{
	const char *value = k->api->config(k->host, key);

	return value ? value : "";
}

int32_t keys_int(const struct keys *k, const char *key, int64_t low, int64_t high, int64_t *out,
		 struct error *e)
{
	if (k->api->config_int(k->host, key, out) != ADIT_OK || *out < low || *out > high)
		return error_set(e, ADIT_E_CONFIG, "%s: expected %lld..%lld, not \"%s\"", key,
				 (long long)low, (long long)high, keys_text(k, key));
	return ADIT_OK;
}

int32_t keys_counts(const struct keys *k, const struct keys_count *counts, size_t count,
		    struct error *e)
{
	for (size_t i = 0; i < count; i++) {
		const struct keys_count *c = &counts[i];
		int64_t value;

		if (keys_int(k, c->key, c->low, c->high, &value, e) != ADIT_OK)
			return ADIT_E_CONFIG;
		*c->out = (uint32_t)value;
	}
	return ADIT_OK;
}

int32_t keys_bool(const struct keys *k, const char *key, bool *out, struct error *e)
{
	if (k->api->config_bool(k->host, key, out) == ADIT_OK)
		return ADIT_OK;
	return error_set(e, ADIT_E_CONFIG, "%s: expected true or false", key);
}

int32_t keys_payout(const struct keys *k, const char *network, enum bitcoin_network *parsed,
		    struct reward *reward, struct error *e)
{
	const char *text = keys_text(k, "payout");
	struct error why = {0};

	if (!network_parse(network, parsed))
		return error_set(e, ADIT_E_CONFIG, "unknown network \"%s\"", network);
	if (reward_parse(reward, text, *parsed, &why) != ADIT_OK)
		return error_set(e, ADIT_E_CONFIG, "payout: \"%.120s\": %s", text, why.text);
	return ADIT_OK;
}
