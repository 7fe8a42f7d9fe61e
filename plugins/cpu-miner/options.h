/* SPDX-License-Identifier: MIT */
/* options.h: the configuration of the CPU miner. */
#ifndef MINER_OPTIONS_H
#define MINER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"
#include "plugins/cpu-miner/host.h"

struct miner_options {
	char upstream[280];      /* host:port */
	bool has_authority;      /* authority_x is set */
	uint8_t authority_x[32]; /* what the server's certificate has to be signed with */
	char key_file[4096];     /* where to find it otherwise; "" for none */
	char user[256];
	uint32_t threads;
	uint64_t rate; /* hashes a second at most, 0: no limit */
	bool extended;
	bool header_only;
	double nominal_hash_rate; /* 0: the limit, or what was measured */
	uint32_t min_extranonce_size;
};

/* ADIT_E_CONFIG with a text that names the key. */
int32_t miner_options_read(const struct miner_host *host, struct miner_options *o, struct error *e);
/* A and B, as they were read, want the same connection and channel. */
bool miner_options_same_upstream(const struct miner_options *a, const struct miner_options *b);
/* "host:port", or stratum2+tcp://host:port/KEY, which brings the authority's key with it. */
int32_t miner_options_upstream(struct miner_options *o, const char *text, struct error *e);
/* Reads the public key from key_file. ADIT_E_NOT_FOUND while there is no such file. */
int32_t miner_options_load_key(struct miner_options *o, struct error *e);

#endif
