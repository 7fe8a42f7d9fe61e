/* SPDX-License-Identifier: MIT */
/* settings.h: the configuration of the role, read at init and at a reload. Keys: pool.manifest. */
#ifndef POOL_SETTINGS_H
#define POOL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/bitcoin/reward.h"
#include "lib/sv2/vardiff.h"
#include "lib/util/error.h"
#include "plugins/pool/custom.h"
#include "plugins/pool/identity.h"

#define POOL_PROVIDERS_MAX 8
#define POOL_TAG_MAX 75 /* one push */

struct pool_config {
	struct reward reward; /* owned */
	enum bitcoin_network network;
	enum identity_policy identities;
	uint32_t max_payouts; /* classes besides the pool's own */
	char tag[POOL_TAG_MAX + 1];
	char *providers[POOL_PROVIDERS_MAX]; /* addresses in order of preference, owned */
	uint32_t provider_count;
	uint32_t provider_patience_ms;
	uint32_t provider_return_ms;
	struct vardiff_options vardiff;
	uint8_t extranonce_rollable;
	uint32_t max_channels;         /* a connection, those that wait to be opened among them */
	uint32_t max_pending_opens;    /* a connection */
	uint32_t max_total_channels;   /* of all workers */
	uint32_t open_rate;            /* channels a second, of all workers; 0: no limit */
	uint32_t max_share_rate;       /* shares a second on a connection; 0: no limit */
	uint32_t max_total_share_rate; /* of all workers; 0: no limit */
	uint32_t max_workers;          /* that are counted one by one */
	size_t duplicates_bytes;
	bool version_rolling;
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
