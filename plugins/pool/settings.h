/* SPDX-License-Identifier: MIT */
/* settings.h: the configuration of the role, read at init and at a reload. Keys: pool.manifest. */
#ifndef POOL_SETTINGS_H
#define POOL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/bitcoin/reward.h"
#include "lib/mining/mining.h"
#include "lib/util/error.h"
#include "plugins/pool/custom.h"
#include "plugins/pool/identity.h"

struct pool_config {
	struct mining_config mining; /* owns the addresses of providers */
	struct reward reward;        /* owned */
	enum bitcoin_network network;
	enum identity_policy identities;
	enum custom_policy custom_jobs;
	char *token_key;   /* file of the keys of tokens; owned */
	double pool_share; /* percentage of an undeclared coinbase that has to go to the pool */
};

/* ADIT_E_CONFIG with E filled: which key, what is wrong with it. */
int32_t settings_read(struct pool_config *config, const struct adit_host_api *api,
		      struct adit_host *host, const char *network, struct error *e);
/* Whether what a running pool can't change is the same in A and B. */
bool settings_same_fixed(const struct pool_config *a, const struct pool_config *b);
void settings_fini(struct pool_config *config);

#endif
