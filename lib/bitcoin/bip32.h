/* SPDX-License-Identifier: MIT */
/* bip32.h: extended public keys and the public derivation of their children (BIP32, CKDpub).
 * Internal. */
#ifndef BITCOIN_BIP32_H
#define BITCOIN_BIP32_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bitcoin/address.h"
#include "lib/util/error.h"

#define BIP32_HARDENED UINT32_C(0x80000000) /* indices from here on need the private key */
#define BIP32_SIZE 78                       /* of a serialized extended key */

/* What derivation needs of an extended public key. */
struct bip32_key {
	uint8_t depth;
	uint8_t chain_code[32];
	uint8_t point[33]; /* compressed */
};

/* Whether these are the four version bytes of an extended private key (xprv, tprv). */
bool bip32_version_is_private(const uint8_t version[4]);
/* Reads an xpub (network main) or tpub (the others). Error texts do not repeat TEXT. */
int32_t bip32_parse(const char *text, enum bitcoin_network network, struct bip32_key *out,
		    struct error *e);
/* The child INDEX, below BIP32_HARDENED, of PARENT; OUT may be PARENT. */
int32_t bip32_child(const struct bip32_key *parent, uint32_t index, struct bip32_key *out,
		    struct error *e);

#endif
