/* SPDX-License-Identifier: MIT */
/* settings.h: the keys that all roles with miners have in common, read at init and at a reload. */
#ifndef MINING_SETTINGS_H
#define MINING_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/mining/mining.h"
#include "lib/util/error.h"

/* Fills C but for max_classes and custom_work. The number of a channel takes NUMBER_SIZE bytes of
 * the extranonce; clients roll at least LEAST_ROLLABLE. ADIT_E_CONFIG with E: which key, what is
 * wrong with it. mining_settings_fini() in any case. Keys, all of which the role's manifest has:
 * template_provider, provider_patience, provider_return, tag, shares_per_minute, min_difficulty,
 * max_difficulty, start_difficulty, fixed_difficulty, extranonce_size, max_channels,
 * max_total_channels, open_rate, max_pending_opens, max_share_rate, max_total_share_rate,
 * max_workers, version_rolling, share_memory. */
int32_t mining_settings_read(struct mining_config *c, const struct adit_host_api *api,
			     struct adit_host *host, uint8_t number_size, uint8_t least_rollable,
			     struct error *e);
/* Whether what mining_reload() can't change is the same in A and B. */
bool mining_settings_same_fixed(const struct mining_config *a, const struct mining_config *b);
void mining_settings_fini(struct mining_config *c);

#endif
