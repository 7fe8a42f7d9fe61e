/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/noise/aead.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <string.h>

#include "lib/noise/noise.h"

void *aead_new(const uint8_t key[32])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx != NULL && EVP_EncryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, key, NULL) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

void aead_free(void *context)
{
	EVP_CIPHER_CTX_free(context);
}

void aead_iv(uint64_t nonce, uint8_t iv[AEAD_IV_SIZE])
{
	memset(iv, 0, 4);
	for (int i = 0; i < 8; i++)
		iv[4 + i] = (uint8_t)(nonce >> (8 * i));
}

/* Sizes are at most AEAD_MESSAGE_MAX here, so an int holds them. */
static bool update(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t size)
{
	int written;

	return size == 0 || EVP_CipherUpdate(ctx, out, &written, in, (int)size) == 1;
}

/* The MAC travels as a parameter: EVP_CIPHER_CTX_ctrl costs another 0.1 microseconds, a fifth of
 * all for a small message. */
static void mac_parameter(OSSL_PARAM parameters[2], uint8_t *mac)
{
	parameters[0] =
	    OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, mac, NOISE_MAC_SIZE);
	parameters[1] = OSSL_PARAM_construct_end();
}

int32_t aead_seal(void *context, const uint8_t iv[AEAD_IV_SIZE], const uint8_t *ad, size_t ad_size,
		  const uint8_t *plain, size_t size, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = context;
	OSSL_PARAM parameters[2];
	int written;

	if (size > AEAD_MESSAGE_MAX - NOISE_MAC_SIZE || ad_size > AEAD_MESSAGE_MAX)
		return ADIT_E_INVALID_ARGUMENT;
	mac_parameter(parameters, out + size);
	if (EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) != 1 ||
	    !update(ctx, NULL, ad, ad_size) || !update(ctx, out, plain, size) ||
	    EVP_EncryptFinal_ex(ctx, out + size, &written) != 1 ||
	    EVP_CIPHER_CTX_get_params(ctx, parameters) != 1)
		return ADIT_E_INTERNAL;
	return ADIT_OK;
}

int32_t aead_open(void *context, const uint8_t iv[AEAD_IV_SIZE], const uint8_t *ad, size_t ad_size,
		  const uint8_t *sealed, size_t size, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = context;
	OSSL_PARAM parameters[2];
	uint8_t mac[NOISE_MAC_SIZE];
	size_t plain_size;
	int written;

	if (size < NOISE_MAC_SIZE)
		return ADIT_E_PROTOCOL;
	if (size > AEAD_MESSAGE_MAX || ad_size > AEAD_MESSAGE_MAX)
		return ADIT_E_INVALID_ARGUMENT;
	plain_size = size - NOISE_MAC_SIZE;
	memcpy(mac, sealed + plain_size, sizeof(mac)); /* parameters are not const */
	mac_parameter(parameters, mac);
	if (EVP_DecryptInit_ex2(ctx, NULL, NULL, iv, parameters) != 1 ||
	    !update(ctx, NULL, ad, ad_size) || !update(ctx, out, sealed, plain_size))
		return ADIT_E_INTERNAL;
	if (EVP_DecryptFinal_ex(ctx, out + plain_size, &written) == 1)
		return ADIT_OK;
	memset(out, 0, plain_size);
	return ADIT_E_PROTOCOL;
}
