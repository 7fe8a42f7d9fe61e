/* SPDX-License-Identifier: MIT */
/* keyexpr.h: key expressions of descriptors (BIP380): public keys in hexadecimal digits, extended
 * public keys with a derivation path, each with or without its origin. Private keys are refused.
 * Internal. */
#ifndef BITCOIN_KEYEXPR_H
#define BITCOIN_KEYEXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/bitcoin/address.h"
#include "lib/util/error.h"

/* Forms that not every place allows. */
#define KEY_UNCOMPRESSED 1u /* 65 bytes */
#define KEY_X_ONLY 2u       /* 32 bytes, BIP386 */

struct public_key {
	uint8_t data[65];
	size_t size; /* 33, 65 or 32 */
};

/* Where a key expression stands. */
struct key_place {
	unsigned forms; /* KEY_... besides compressed keys */
	enum bitcoin_network network;
	uint32_t index; /* what a final star stands for */
};

/* Reads the key expression of SIZE characters at TEXT. Error texts do not repeat it. */
int32_t key_expression(const char *text, size_t size, const struct key_place *place,
		       struct public_key *out, struct error *e);
/* Whether TEXT is a private key (WIF, xprv, tprv), or one with a slip of the pen. */
bool key_is_private(const char *text);

#endif
