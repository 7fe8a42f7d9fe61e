/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/noise/secp.h"

#include <secp256k1.h>
#include <secp256k1_ellswift.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>
#include <stdlib.h>

#include "lib/bitcoin/secp_context.h"
#include "lib/util/random.h"

static void serialize_x(const secp256k1_xonly_pubkey *key, uint8_t x[32])
{
	(void)secp256k1_xonly_pubkey_serialize(secp_context(), x, key);
}

bool secp_public_x(const uint8_t secret[32], uint8_t x[32])
{
	secp256k1_keypair pair;
	secp256k1_xonly_pubkey key;
	bool ok = secp256k1_keypair_create(secp_context(), &pair, secret) == 1 &&
		  secp256k1_keypair_xonly_pub(secp_context(), &key, NULL, &pair) == 1;

	if (ok)
		serialize_x(&key, x);
	secure_wipe(&pair, sizeof(pair));
	return ok;
}

bool secp_x_valid(const uint8_t x[32])
{
	secp256k1_xonly_pubkey key;

	return secp256k1_xonly_pubkey_parse(secp_context(), &key, x) == 1;
}

/* All but about 2^-128 of the 32-byte strings are valid keys: the loops run once. */
void secp_generate(uint8_t secret[32])
{
	do
		random_bytes(secret, 32);
	while (secp256k1_ec_seckey_verify(secp_context(), secret) != 1);
}

void secp_generate_ellswift(uint8_t secret[32], uint8_t ellswift[64])
{
	uint8_t aux[32];

	do {
		random_bytes(secret, 32);
		random_bytes(aux, sizeof(aux));
	} while (secp256k1_ellswift_create(secp_context(), ellswift, secret, aux) != 1);
	secure_wipe(aux, sizeof(aux));
}

bool secp_ellswift(const uint8_t secret[32], uint8_t ellswift[64])
{
	uint8_t aux[32];
	bool ok;

	random_bytes(aux, sizeof(aux));
	ok = secp256k1_ellswift_create(secp_context(), ellswift, secret, aux) == 1;
	secure_wipe(aux, sizeof(aux));
	return ok;
}

void secp_ellswift_x(const uint8_t ellswift[64], uint8_t x[32])
{
	secp256k1_pubkey point;
	secp256k1_xonly_pubkey key;

	/* Neither can fail: both are defined for every encoding. */
	if (secp256k1_ellswift_decode(secp_context(), &point, ellswift) != 1 ||
	    secp256k1_xonly_pubkey_from_pubkey(secp_context(), &key, NULL, &point) != 1)
		abort();
	serialize_x(&key, x);
}

bool secp_ecdh(const uint8_t secret[32], const uint8_t a[64], const uint8_t b[64], bool we_are_a,
	       uint8_t out[32])
{
	return secp256k1_ellswift_xdh(secp_context(), out, a, b, secret, we_are_a ? 0 : 1,
				      secp256k1_ellswift_xdh_hash_function_bip324, NULL) == 1;
}

bool secp_sign(const uint8_t secret[32], const uint8_t message[32], const uint8_t aux[32],
	       uint8_t signature[64])
{
	secp256k1_keypair pair;
	bool ok = secp256k1_keypair_create(secp_context(), &pair, secret) == 1 &&
		  secp256k1_schnorrsig_sign32(secp_context(), signature, message, &pair, aux) == 1;

	secure_wipe(&pair, sizeof(pair));
	return ok;
}

bool secp_verify(const uint8_t x[32], const uint8_t message[32], const uint8_t signature[64])
{
	secp256k1_xonly_pubkey key;

	return secp256k1_xonly_pubkey_parse(secp_context(), &key, x) == 1 &&
	       secp256k1_schnorrsig_verify(secp_context(), signature, message, 32, &key) == 1;
}
