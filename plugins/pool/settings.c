/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/settings.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mining/keys.h"
#include "lib/mining/settings.h"

#define NUMBER_SIZE 3    /* of a channel, in the extranonce */
#define LEAST_ROLLABLE 8 /* bytes */

static int32_t read_identities(struct pool_config *c, const struct keys *s, struct error *e)
{
	static const char *const words[] = {
	    [IDENTITY_ANY] = "any", [IDENTITY_POOL] = "pool", [IDENTITY_SOLO] = "solo"};
	const char *text = keys_text(s, "identities");
	int64_t payouts;

	if (keys_int(s, "max_payouts", 0, 100000, &payouts, e) != ADIT_OK)
		return ADIT_E_CONFIG;
	c->mining.max_classes = (uint32_t)payouts;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		c->identities = (enum identity_policy)i;
		return ADIT_OK;
	}
	return error_set(e, ADIT_E_CONFIG, "identities: expected any, pool or solo, not \"%s\"",
			 text);
}

static int32_t read_custom(struct pool_config *c, const struct keys *s, struct error *e)
{
	static const char *const words[] = {
	    [CUSTOM_NONE] = "none", [CUSTOM_DECLARED] = "full-template", [CUSTOM_ANY] = "any"};
	const char *text = keys_text(s, "custom_jobs");
	const char *share = keys_text(s, "pool_share");
	size_t i = 0;
	char *end;

	while (i < sizeof words / sizeof words[0] && strcmp(text, words[i]) != 0)
		i++;
	if (i == sizeof words / sizeof words[0])
		return error_set(e, ADIT_E_CONFIG,
				 "custom_jobs: expected none, full-template or any, not \"%s\"",
				 text);
	c->custom_jobs = (enum custom_policy)i;
	c->mining.custom_work = c->custom_jobs != CUSTOM_NONE;
	c->pool_share = strtod(share, &end);
	if (end == share || *end != '\0' || !(c->pool_share >= 0 && c->pool_share <= 100))
		return error_set(e, ADIT_E_CONFIG, "pool_share: expected 0..100, not \"%s\"",
				 share);
	c->token_key = strdup(keys_text(s, "token_key"));
	return c->token_key ? ADIT_OK : error_set(e, ADIT_E_NO_MEMORY, "out of memory");
}

int32_t settings_read(struct pool_config *c, const struct adit_host_api *api,
		      struct adit_host *host, const char *network, struct error *e)
{
	struct keys s = {api, host};
	int32_t result;

	*c = (struct pool_config){0};
	if ((result = mining_settings_read(&c->mining, api, host, NUMBER_SIZE, LEAST_ROLLABLE,
					   e)) != ADIT_OK ||
	    (result = keys_payout(&s, network, &c->network, &c->reward, e)) != ADIT_OK ||
	    (result = read_identities(c, &s, e)) != ADIT_OK)
		return result;
	return read_custom(c, &s, e);
}

bool settings_same_fixed(const struct pool_config *a, const struct pool_config *b)
{
	return mining_settings_same_fixed(&a->mining, &b->mining) &&
	       a->custom_jobs == b->custom_jobs && strcmp(a->token_key, b->token_key) == 0;
}

void settings_fini(struct pool_config *c)
{
	reward_free(&c->reward);
	free(c->token_key);
	c->token_key = NULL;
	mining_settings_fini(&c->mining);
}
