/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "host/conf.h"
#include "lib/bitcoin/address.h"
#include "lib/bitcoin/reward.h"
#include "lib/util/hex.h"

/* From the example configurations of the Stratum V2 reference implementation. */
static const char conf_known_public[] = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";
/* Hashes in scripts that anyone can spend: of the public key whose secret is 1 (the examples of
 * BIP173 and BIP350, and of ours), and of the P2WSH script in BIP173. */
static const char *const conf_known_hashes[] = {
    "751e76e8199196d454941c45d1b3a323f1433bd6",
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    "1863143c14c5164806bd19203356da136c985678cd4d27a1b8c6329604903262",
};

static bool conf_known_payee(const char *value)
{
	char hex[2 * SCRIPT_MAX + 1];
	struct script script;
	struct error e;

	if (descriptor_script_at(value, BITCOIN_MAIN, 0, &script, &e) != ADIT_OK)
		return false;
	hex_encode(script.data, script.size, hex);
	for (size_t i = 0; i < sizeof(conf_known_hashes) / sizeof(conf_known_hashes[0]); i++) {
		if (strstr(hex, conf_known_hashes[i]) != NULL)
			return true;
	}
	return false;
}

/* The same for all of a list. */
static bool conf_known_payout(const char *value)
{
	struct reward reward;
	struct error e;
	bool known = false;

	if (reward_parse(&reward, value, BITCOIN_MAIN, &e) != ADIT_OK)
		return false;
	for (uint32_t i = 0; i < reward.count; i++)
		known = known || conf_known_payee(reward.items[i].descriptor);
	reward_free(&reward);
	return known;
}

void conf_known_secrets(const struct conf *conf, struct problems *problems)
{
	if (conf->network == NULL || strcmp(conf->network, "main") != 0)
		return;
	for (size_t i = 0; i < conf->role_count; i++) {
		const struct conf_role *role = conf->roles[i];

		for (size_t j = 0; role->enabled && j < role->setting_count; j++) {
			const struct conf_setting *s = &role->settings[j];

			if (((s->type == SCHEMA_SCRIPT || s->type == SCHEMA_ADDRESS) &&
			     conf_known_payee(s->value)) ||
			    (s->type == SCHEMA_PAYOUT && conf_known_payout(s->value)))
				problems_add(problems, s->file, s->line,
					     "%s: this address is an example whose key everybody "
					     "knows: the reward would be lost",
					     s->key);
			if (strstr(s->value, conf_known_public) != NULL)
				problems_add(problems, s->file, s->line,
					     "%s: this is a test key whose secret everybody knows",
					     s->key);
		}
	}
}
