/* SPDX-License-Identifier: MIT */
/* settings.h: the configuration of the role. Keys: jds.manifest. */
#ifndef JDS_SETTINGS_H
#define JDS_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/sv2/token.h"
#include "lib/util/error.h"

enum jds_modes { JDS_ANY, JDS_FULL_TEMPLATE, JDS_COINBASE_ONLY };

struct jds_settings {
	uint8_t pay[JOB_TOKEN_SCRIPT_MAX]; /* script of the pool's output */
	uint8_t pay_size;
	enum jds_modes modes;
	char token_key[4096];
	uint64_t token_lifetime; /* seconds */
	uint64_t token_rotation; /* 0: never */
	double pool_share;       /* percent */
	uint32_t answer_timeout_ms;
	size_t memory; /* bytes */
};

/* ADIT_E_CONFIG with E filled: which key, what is wrong with it. */
int32_t settings_read(struct jds_settings *s, const struct adit_host_api *api,
		      struct adit_host *host, const char *network, struct error *e);

#endif
