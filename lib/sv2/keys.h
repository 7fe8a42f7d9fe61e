/* SPDX-License-Identifier: MIT */
/*
 * keys.h: who a server is, from files: either the authority's secret, made at the first start, with
 * which the server signs its own certificates; or a key whose certificate an authority on another
 * machine has signed (lib/noise/identity.h). For every role that has listeners with encryption; the
 * keys of its configuration are authority_key, static_key and certificate.
 */
#ifndef SV2_KEYS_H
#define SV2_KEYS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/noise/keys.h"
#include "lib/noise/noise.h"
#include "lib/sv2/server.h"

struct sv2_key_files {
	char secret[PATH_MAX];      /* the authority's */
	char public_half[PATH_MAX]; /* beside it */
	char static_key[PATH_MAX];  /* "": the authority's secret is here */
	char certificate[PATH_MAX]; /* of an authority elsewhere */
};

/* Fills F from the values of the configuration, each of which may be NULL or "". Without
 * AUTHORITY_KEY the secret is STATE_DIR/authority.key; its public half is in x.pub beside x.key.
 * ADIT_E_CONFIG: E says which key is wrong. */
int32_t sv2_key_files_set(struct sv2_key_files *f, const char *authority_key,
			  const char *static_key, const char *certificate, const char *state_dir,
			  struct error *e);

struct sv2_keys {
	uint8_t secret[32];       /* the authority's, or */
	struct noise_identity id; /* what it has signed elsewhere */
	char public_text[NOISE_KEY_TEXT_SIZE];
	uint32_t certificate_from; /* Unix seconds; 0: it is renewed here */
	uint32_t certificate_until;
};

/* Loads KEYS of F, makes an authority's secret (mode 0600) that isn't there, leaves its public half
 * beside it, and points OPTIONS to KEYS, which are to be wiped once the server has copied them. E
 * says which file is wrong, and what mends it. */
int32_t sv2_keys_load(const struct sv2_key_files *f, struct sv2_keys *keys,
		      struct sv2_server_options *options, struct error *e);
void sv2_keys_wipe(struct sv2_keys *keys);

/* What is to be said at time NOW of a certificate that was signed elsewhere and is valid from FROM
 * until UNTIL: OUT gets a line, and the log level is returned; -1 when there is nothing to be said,
 * because it is renewed here (UNTIL 0) or its end is far. */
int32_t sv2_certificate_expiry(uint32_t from, uint32_t until, uint32_t now, char *out,
			       size_t capacity);

#endif
