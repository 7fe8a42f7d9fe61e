/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/aead.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "tests/bench/bench.h"

void aead_floor_init(struct aead_floor *a)
{
	static const uint8_t key[32] = {1};

	a->nonce = 0;
	a->seal = EVP_CIPHER_CTX_new();
	a->open = EVP_CIPHER_CTX_new();
	if (a->seal == NULL || a->open == NULL ||
	    EVP_EncryptInit_ex(a->seal, EVP_chacha20_poly1305(), NULL, key, NULL) != 1 ||
	    EVP_DecryptInit_ex(a->open, EVP_chacha20_poly1305(), NULL, key, NULL) != 1)
		bench_broken("OpenSSL has no ChaCha20-Poly1305");
}

void aead_floor_fini(struct aead_floor *a)
{
	EVP_CIPHER_CTX_free(a->seal);
	EVP_CIPHER_CTX_free(a->open);
}

static void next_iv(struct aead_floor *a, uint8_t iv[12])
{
	memset(iv, 0, 4);
	memcpy(iv + 4, &a->nonce, 8);
	a->nonce++;
}

/* The MAC as a parameter: the cheapest of OpenSSL's ways, so that the floor is one. */
static void mac_parameter(OSSL_PARAM parameters[2], uint8_t *mac)
{
	parameters[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, mac, 16);
	parameters[1] = OSSL_PARAM_construct_end();
}

void aead_floor_seal(struct aead_floor *a, uint8_t *data, size_t size)
{
	OSSL_PARAM mac[2];
	uint8_t iv[12];
	int n;

	next_iv(a, iv);
	mac_parameter(mac, data + size);
	if (EVP_EncryptInit_ex2(a->seal, NULL, NULL, iv, NULL) != 1 ||
	    EVP_EncryptUpdate(a->seal, data, &n, data, (int)size) != 1 ||
	    EVP_EncryptFinal_ex(a->seal, data + n, &n) != 1 ||
	    EVP_CIPHER_CTX_get_params(a->seal, mac) != 1)
		bench_broken("sealing failed");
}

void aead_floor_open(struct aead_floor *a, uint8_t *data, size_t size)
{
	OSSL_PARAM mac[2];
	uint8_t iv[12];
	int n;

	next_iv(a, iv);
	mac_parameter(mac, data + size);
	if (EVP_DecryptInit_ex2(a->open, NULL, NULL, iv, mac) != 1 ||
	    EVP_DecryptUpdate(a->open, data, &n, data, (int)size) != 1)
		bench_broken("opening failed");
	(void)EVP_DecryptFinal_ex(a->open, data + n, &n);
}
