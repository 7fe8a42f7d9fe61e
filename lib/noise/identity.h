/* SPDX-License-Identifier: MIT */
/*
 * identity.h: a server's static key whose certificate an authority signs on another machine, so
 * that the authority's secret never comes near the server. Three files:
 *
 *   key          the static secret, as in keys.h; mode 0600, never leaves the server
 *   request      the text form of its public half, for the authority
 *   certificate  what the authority answers: lines "authority PUBLIC", "static PUBLIC" (text forms
 *                of keys.h) and "certificate HEX"; no secret
 */
#ifndef NOISE_IDENTITY_H
#define NOISE_IDENTITY_H

#include <stdint.h>

#include "lib/noise/noise.h"

/* Makes the key unless it is there, and writes the request. STATIC_X receives the public half. */
int32_t noise_request_create(const char *key_path, const char *request_path, uint8_t static_x[32],
			     struct error *e);

/* Signs the key of REQUEST_PATH for VALIDITY seconds from NOW on, back-dated by SKEW seconds, and
 * writes the certificate, replacing an older one. ID (may not be NULL) receives all of an identity
 * but the secret. */
int32_t noise_request_sign(const uint8_t authority_secret[32], const char *request_path,
			   const char *certificate_path, uint32_t now, uint32_t validity,
			   uint32_t skew, struct noise_identity *id, struct error *e);

/* Loads key and certificate, which have to belong together, to be signed by the authority that the
 * certificate names, and to be valid at NOW; AUTHORITY_X receives that authority. E says which
 * command mends what is wrong. */
int32_t noise_identity_load(struct noise_identity *id, uint8_t authority_x[32],
			    const char *key_path, const char *certificate_path, uint32_t now,
			    struct error *e);

#endif
