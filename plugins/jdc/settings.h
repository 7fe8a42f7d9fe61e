/* SPDX-License-Identifier: MIT */
/* settings.h: the configuration of the role, read at init and at a reload. Keys: jdc.manifest. */
#ifndef JDC_SETTINGS_H
#define JDC_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/bitcoin/reward.h"
#include "lib/mining/mining.h"
#include "lib/sv2/upstreams.h"
#include "lib/util/error.h"
#include "plugins/jdc/pool_server.h"

#define JDC_POOLS_MAX (UPSTREAMS_MAX - 2) /* two places are for update_pool_config */
#define JDC_NAME_MAX 32
#define JDC_USER_MAX 255
#define JDC_ALLOW_MAX 64

/* Bytes of the extranonce that number the channels below. */
#define JDC_NUMBER_SIZE 2
#define JDC_ROLLABLE_MIN 4 /* least that a miner rolls */

/* What the miners' jobs are made of. */
enum jdc_mode {
	JDC_FULL_TEMPLATE, /* our templates, declared with their transactions */
	JDC_COINBASE_ONLY, /* our templates, of which the pool sees the coinbase */
	JDC_PROXY,         /* the pool's jobs */
	JDC_SOLO           /* our templates, for nobody but us; of the role alone */
};

/* One [jdc/NAME]. */
struct pool_settings {
	char name[JDC_NAME_MAX];
	struct pool_server pool;
	struct pool_server jds;
	char user[JDC_USER_MAX + 1]; /* user_identity and user_identifier */
	enum jdc_mode mode;
	float hash_rate; /* claimed at first; 0: what the miners claim */
};

struct jdc_settings {
	struct mining_config mining;
	struct reward reward; /* of solo mining; owned */
	enum jdc_mode mode;
	struct pool_settings pools[JDC_POOLS_MAX];
	uint32_t pool_count;
	char *allow[JDC_ALLOW_MAX]; /* owned */
	uint32_t allow_count;
	uint32_t answer_timeout_ms;
	uint32_t connect_timeout_ms;
	uint32_t rollback_ms;
	struct upstreams_options upstreams;
	uint32_t tokens;
	uint32_t max_declarations;
	uint32_t held_shares;
	size_t template_bytes; /* of transactions of jobs on their way */
	bool worker_identity;
};

/* ADIT_E_CONFIG with E filled: which key, what is wrong with it. S is empty then. */
int32_t jdc_settings_read(struct jdc_settings *s, const struct adit_host_api *api,
			  struct adit_host *host, const char *network, struct error *e);
void jdc_settings_fini(struct jdc_settings *s);
/* Whether a running role can go over from A to B: what is not looked at again is the same. */
bool jdc_settings_same_fixed(const struct jdc_settings *a, const struct jdc_settings *b);
bool pool_settings_same(const struct pool_settings *a, const struct pool_settings *b);
/* Whether the pools are the same, in the same order. */
bool jdc_settings_same_pools(const struct jdc_settings *a, const struct jdc_settings *b);

/* Whether update_pool_config may name ADDRESS ("HOST:PORT"): it is one of a section, or
 * `allow_pool` says so. */
bool jdc_settings_allow(const struct jdc_settings *s, const char *address);

#endif
