/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/noise/symmetric.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#include "lib/noise/aead.h"
#include "lib/util/random.h"

/* Stratum V2 specification, section 4.5.2: the name is longer than a hash, so ck is its SHA-256. */
static const char protocol_name[] = "Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256";

void noise_symmetric_init(struct noise_handshake *hs)
{
	memset(hs, 0, sizeof(*hs));
	(void)SHA256((const uint8_t *)protocol_name, sizeof(protocol_name) - 1, hs->ck);
	memcpy(hs->h, hs->ck, sizeof(hs->h));
	noise_mix_hash(hs, NULL, 0); /* the empty prologue */
}

void noise_mix_hash(struct noise_handshake *hs, const uint8_t *data, size_t size)
{
	uint8_t both[sizeof(hs->h) + NOISE_PIECE_MAX];

	memcpy(both, hs->h, sizeof(hs->h));
	if (size > 0)
		memcpy(both + sizeof(hs->h), data, size);
	(void)SHA256(both, sizeof(hs->h) + size, hs->h);
}

static int32_t hmac(const uint8_t key[32], const uint8_t *data, size_t size, uint8_t out[32])
{
	unsigned int written;

	if (HMAC(EVP_sha256(), key, 32, data, size, out, &written) == NULL)
		return ADIT_E_NO_MEMORY;
	return ADIT_OK;
}

/* HKDF of RFC 5869 with two outputs, ck as salt and no info (Noise, section 4.3). The outputs may
 * be CK. */
static int32_t hkdf(const uint8_t ck[32], const uint8_t *ikm, size_t size, uint8_t out1[32],
		    uint8_t out2[32])
{
	uint8_t temporary[32];
	uint8_t block[33];
	uint8_t second[32];
	int32_t code = hmac(ck, ikm, size, temporary);

	block[0] = 1;
	if (code == ADIT_OK)
		code = hmac(temporary, block, 1, out1);
	if (code == ADIT_OK) {
		memcpy(block, out1, 32);
		block[32] = 2;
		code = hmac(temporary, block, 33, second);
	}
	if (code == ADIT_OK)
		memcpy(out2, second, 32);
	secure_wipe(temporary, sizeof(temporary));
	secure_wipe(block, sizeof(block));
	secure_wipe(second, sizeof(second));
	return code;
}

int32_t noise_mix_key(struct noise_handshake *hs, const uint8_t ikm[32])
{
	return hkdf(hs->ck, ikm, 32, hs->ck, hs->k);
}

int32_t noise_encrypt_and_hash(struct noise_handshake *hs, const uint8_t *plain, size_t size,
			       uint8_t *out)
{
	static const uint8_t iv[AEAD_IV_SIZE];
	void *context = aead_new(hs->k);
	int32_t code;

	if (context == NULL)
		return ADIT_E_NO_MEMORY;
	code = aead_seal(context, iv, hs->h, sizeof(hs->h), plain, size, out);
	aead_free(context);
	if (code == ADIT_OK)
		noise_mix_hash(hs, out, size + NOISE_MAC_SIZE);
	return code;
}

int32_t noise_decrypt_and_hash(struct noise_handshake *hs, const uint8_t *sealed, size_t size,
			       uint8_t *out)
{
	static const uint8_t iv[AEAD_IV_SIZE];
	void *context = aead_new(hs->k);
	int32_t code;

	if (context == NULL)
		return ADIT_E_NO_MEMORY;
	code = aead_open(context, iv, hs->h, sizeof(hs->h), sealed, size, out);
	aead_free(context);
	if (code == ADIT_OK)
		noise_mix_hash(hs, sealed, size);
	return code;
}

int32_t noise_split(const struct noise_handshake *hs, uint8_t k1[32], uint8_t k2[32])
{
	return hkdf(hs->ck, NULL, 0, k1, k2);
}
