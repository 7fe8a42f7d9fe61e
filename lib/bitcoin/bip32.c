/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/bip32.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <secp256k1.h>
#include <string.h>

#include "lib/bitcoin/secp_context.h"

/* BIP32, "Serialization format". */
enum offset { OFFSET_DEPTH = 4, OFFSET_FINGERPRINT = 5, OFFSET_CHAIN_CODE = 13, OFFSET_POINT = 45 };

static const uint8_t main_public[4] = {0x04, 0x88, 0xb2, 0x1e};
static const uint8_t main_private[4] = {0x04, 0x88, 0xad, 0xe4};
static const uint8_t test_public[4] = {0x04, 0x35, 0x87, 0xcf};
static const uint8_t test_private[4] = {0x04, 0x35, 0x83, 0x94};

bool bip32_version_is_private(const uint8_t version[4])
{
	return memcmp(version, main_private, 4) == 0 || memcmp(version, test_private, 4) == 0;
}

static int32_t check_version(const uint8_t version[4], enum bitcoin_network network,
			     struct error *e)
{
	bool is_main = memcmp(version, main_public, 4) == 0;

	if (!is_main && memcmp(version, test_public, 4) != 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "an extended key that begins neither with xpub nor with tpub");
	if (is_main != (network == BITCOIN_MAIN))
		return error_set(
		    e, ADIT_E_INVALID_ARGUMENT, "an extended key of %s; the network is %s",
		    is_main ? "main (xpub)" : "the test networks (tpub)", network_name(network));
	return ADIT_OK;
}

/* A master key has neither a parent nor a child number. */
static bool is_consistent(const uint8_t payload[BIP32_SIZE])
{
	static const uint8_t none[8];

	return payload[OFFSET_DEPTH] != 0 ||
	       memcmp(payload + OFFSET_FINGERPRINT, none, sizeof(none)) == 0;
}

int32_t bip32_parse(const char *text, enum bitcoin_network network, struct bip32_key *out,
		    struct error *e)
{
	uint8_t payload[BIP32_SIZE];
	secp256k1_pubkey point;
	int32_t rc;

	if (base58check_decode(text, payload, sizeof(payload)) != BIP32_SIZE)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "neither a public key in hexadecimal digits nor an extended "
				 "public key (xpub, tpub)");
	rc = check_version(payload, network, e);
	if (rc != ADIT_OK)
		return rc;
	if (!is_consistent(payload) ||
	    secp256k1_ec_pubkey_parse(secp_context(), &point, payload + OFFSET_POINT, 33) != 1)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "an extended public key with impossible contents");
	out->depth = payload[OFFSET_DEPTH];
	memcpy(out->chain_code, payload + OFFSET_CHAIN_CODE, 32);
	memcpy(out->point, payload + OFFSET_POINT, 33);
	return ADIT_OK;
}

/* I = HMAC-SHA512(chain code, point || index in big-endian). */
static bool child_hmac(const struct bip32_key *parent, uint32_t index, uint8_t out[64])
{
	uint8_t message[37];

	memcpy(message, parent->point, 33);
	for (size_t i = 0; i < 4; i++)
		message[33 + i] = (uint8_t)(index >> (24 - 8 * i));
	return HMAC(EVP_sha512(), parent->chain_code, 32, message, sizeof(message), out, NULL) !=
	       NULL;
}

/* The child's point is parse256(I_L) * G + parent; its chain code I_R. That I_L is not below the
 * group order, or the sum at infinity, has a probability of about 2^-127. */
int32_t bip32_child(const struct bip32_key *parent, uint32_t index, struct bip32_key *out,
		    struct error *e)
{
	const secp256k1_context *ctx = secp_context();
	size_t size = sizeof(out->point);
	secp256k1_pubkey point;
	uint8_t hmac[64];

	if (index >= BIP32_HARDENED)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "index %u of a child key is above 2147483647", index);
	if (parent->depth == UINT8_MAX)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "more than 255 steps below the master key");
	if (!child_hmac(parent, index, hmac))
		return error_set(e, ADIT_E_INTERNAL, "HMAC-SHA512 failed");
	if (secp256k1_ec_pubkey_parse(ctx, &point, parent->point, 33) != 1 ||
	    secp256k1_ec_pubkey_tweak_add(ctx, &point, hmac) != 1 ||
	    secp256k1_ec_pubkey_serialize(ctx, out->point, &size, &point,
					  SECP256K1_EC_COMPRESSED) != 1)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "there is no child key %u", index);
	memcpy(out->chain_code, hmac + 32, 32);
	out->depth = (uint8_t)(parent->depth + 1);
	return ADIT_OK;
}
