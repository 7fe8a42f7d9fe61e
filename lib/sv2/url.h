/* SPDX-License-Identifier: MIT */
/*
 * url.h: where a pool is, as people and fleet managers write it:
 *
 *	HOST:PORT
 *	stratum2+tcp://HOST:PORT/KEY    KEY: the authority public key (specification 04 section 4.7)
 *	stratum+tcp://HOST:PORT         says nothing of the version: tools write it for both
 */
#ifndef SV2_URL_H
#define SV2_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/sv2/socket.h"

enum sv2_url_scheme { SV2_URL_NO_SCHEME, SV2_URL_STRATUM, SV2_URL_STRATUM2 };

struct sv2_url {
	enum sv2_url_scheme scheme;
	struct sv2_address address; /* never a Unix socket */
	bool has_key;
	uint8_t authority_x[32]; /* when has_key */
};

/* Reads SIZE bytes of TEXT, which need not be terminated and may be anything. ADIT_E_CONFIG with a
 * text that says what was expected; it quotes at most what is printable. */
int32_t sv2_url_parse(const char *text, size_t size, struct sv2_url *url, struct error *e);

#endif
