/* SPDX-License-Identifier: MIT */
/* address.h: addresses and descriptors: where the reward goes. base58check, bech32 (BIP173), bech32m
 * (BIP350); descriptors of BIP380 to 386. */
#ifndef BITCOIN_ADDRESS_H
#define BITCOIN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

enum bitcoin_network { BITCOIN_MAIN, BITCOIN_TESTNET4, BITCOIN_SIGNET, BITCOIN_REGTEST };

#define SCRIPT_MAX 520

struct script {
	uint8_t data[SCRIPT_MAX];
	size_t size;
};

/* "main", "testnet4" (also "testnet3", "test"), "signet", "regtest". */
bool network_parse(const char *name, enum bitcoin_network *out);
const char *network_name(enum bitcoin_network network);

/* The script of ADDRESS. The error text says what is wrong, and for an address of another network
 * which one it is of. */
int32_t address_to_script(const char *address, enum bitcoin_network network, struct script *out,
			  struct error *e);
/* The address of a standard script; false for others. OUT holds at least 100 bytes. */
bool script_to_address(const uint8_t *script, size_t size, enum bitcoin_network network, char *out,
		       size_t capacity);
/*
 * The script of a bare address or of a descriptor, with or without #checksum:
 *
 *   addr(ADDRESS) raw(HEX) pk(KEY) pkh(KEY) wpkh(KEY) tr(KEY) multi(k,KEY,..) sortedmulti(k,KEY,..)
 *   sh(..) and wsh(..) of pk, pkh, multi, sortedmulti; sh(wpkh(KEY)); sh(wsh(..))
 *
 * KEY is public: hexadecimal digits, or an xpub (network main) or tpub (the others) with the steps
 * that follow it. ADIT_E_UNSUPPORTED for what BIP380 and its successors have besides (combo(), script
 * trees in tr(), multipaths), ADIT_E_INVALID_ARGUMENT for everything else. No error text repeats a
 * key, so that a private one that was put here by mistake reaches no log.
 */
int32_t descriptor_to_script(const char *text, enum bitcoin_network network, struct script *out,
			     struct error *e);
/* Whether TEXT stands for one script for each index: a key of it ends in a star. Such a one is
 * nothing for descriptor_to_script(). */
bool descriptor_is_ranged(const char *text);
/* The script of TEXT at INDEX (0..2147483647). One that is not ranged has the same script at each. */
int32_t descriptor_script_at(const char *text, enum bitcoin_network network, uint32_t index,
			     struct script *out, struct error *e);
/* BIP380: the checksum of a descriptor, eight characters and a NUL; false when TEXT has a character
 * that no descriptor may have. */
bool descriptor_checksum(const char *text, size_t size, char out[9]);
/* Base58Check: payload with 4-byte double-SHA256 checksum. Decode returns the payload size or -1.
 */
int base58check_decode(const char *text, uint8_t *out, size_t capacity);
bool base58check_encode(const uint8_t *payload, size_t size, char *out, size_t capacity);

#endif
