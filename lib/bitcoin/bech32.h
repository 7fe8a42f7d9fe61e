/* SPDX-License-Identifier: MIT */
/* bech32.h: segwit addresses (BIP173, BIP350) and the encoding they are made of. */
#ifndef BITCOIN_BECH32_H
#define BITCOIN_BECH32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BECH32_HRP_MAX 83
#define BECH32_SIZE_MAX 90
#define BECH32_CHARSET "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

struct bech32_text {
	char hrp[BECH32_HRP_MAX + 1]; /* human-readable part, lower case */
	bool is_bech32m;              /* BIP350's checksum; otherwise BIP173's */
	uint8_t symbols[BECH32_SIZE_MAX];
	size_t size; /* symbols without the checksum, may be 0 */
};

/* NULL when TEXT is bech32 or bech32m, whatever it stands for, otherwise what is wrong with it. */
const char *bech32_decode(const char *text, struct bech32_text *out);

struct segwit_address {
	char hrp[BECH32_HRP_MAX + 1]; /* human-readable part, lower case */
	uint8_t version;              /* 0..16 */
	uint8_t program[40];
	size_t size; /* of the program, 2..40 */
};

/* NULL when TEXT is such an address, otherwise what is wrong with it. */
const char *segwit_decode(const char *text, struct segwit_address *out);
/* OUT holds BECH32_SIZE_MAX + 1 bytes; false when ADDRESS is not valid. */
bool segwit_encode(const struct segwit_address *address, char *out);

#endif
