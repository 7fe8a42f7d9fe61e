/* SPDX-License-Identifier: MIT */
/*
 * keys.h: values of a role's configuration, with one text for each way to be wrong. At init and at
 * a reload. All return ADIT_E_CONFIG with E (which key, what was expected, what is there) unless
 * they say otherwise.
 */
#ifndef MINING_KEYS_H
#define MINING_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/bitcoin/reward.h"
#include "lib/util/error.h"

/* Whose configuration it is. */
struct keys {
	const struct adit_host_api *api;
	struct adit_host *host;
};

/* A key that is a count. */
struct keys_count {
	const char *key;
	int64_t low;
	int64_t high; /* at most UINT32_MAX */
	uint32_t *out;
};

/* The value as text, "" without one; the host's. */
const char *keys_text(const struct keys *k, const char *key);
int32_t keys_int(const struct keys *k, const char *key, int64_t low, int64_t high, int64_t *out,
		 struct error *e);
int32_t keys_counts(const struct keys *k, const struct keys_count *counts, size_t count,
		    struct error *e);
int32_t keys_bool(const struct keys *k, const char *key, bool *out, struct error *e);
/* The key `payout` on NETWORK ("main", "testnet4", "signet", "regtest"), which is parsed into
 * *PARSED; REWARD is to be freed, reward_free(). */
int32_t keys_payout(const struct keys *k, const char *network, enum bitcoin_network *parsed,
		    struct reward *reward, struct error *e);

#endif
