/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/taproot.h"

#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <string.h>

#include "lib/bitcoin/secp_context.h"

bool taproot_output_key(const uint8_t internal[32], const uint8_t *root, uint8_t out[32])
{
	static const char tag[] = "TapTweak";
	const secp256k1_context *ctx = secp_context();
	secp256k1_xonly_pubkey key;
	secp256k1_pubkey tweaked;
	uint8_t message[64];
	uint8_t tweak[32];

	memcpy(message, internal, 32);
	if (root != NULL)
		memcpy(message + 32, root, 32);
	return secp256k1_tagged_sha256(ctx, tweak, (const uint8_t *)tag, sizeof(tag) - 1, message,
				       root != NULL ? 64 : 32) == 1 &&
	       secp256k1_xonly_pubkey_parse(ctx, &key, internal) == 1 &&
	       secp256k1_xonly_pubkey_tweak_add(ctx, &tweaked, &key, tweak) == 1 &&
	       secp256k1_xonly_pubkey_from_pubkey(ctx, &key, NULL, &tweaked) == 1 &&
	       secp256k1_xonly_pubkey_serialize(ctx, out, &key) == 1;
}
