/* SPDX-License-Identifier: MIT */
/* cipher.c: one direction of the transport: the AEAD with a counter as nonce. */
#include "config.h"

#include "lib/noise/noise.h"

#include "lib/noise/aead.h"

int32_t noise_cipher_init(struct noise_cipher *c, const uint8_t key[32])
{
	c->nonce = 0;
	c->context = aead_new(key);
	return c->context == NULL ? ADIT_E_NO_MEMORY : ADIT_OK;
}

void noise_cipher_fini(struct noise_cipher *c)
{
	aead_free(c->context);
	c->context = NULL;
	c->nonce = 0;
}

/* The last value of the counter is reserved (Noise, revision 34, section 5.1). */
static int32_t next_iv(const struct noise_cipher *c, uint8_t iv[AEAD_IV_SIZE])
{
	if (c->nonce == UINT64_MAX)
		return ADIT_E_LIMIT;
	aead_iv(c->nonce, iv);
	return ADIT_OK;
}

int32_t noise_seal(struct noise_cipher *c, const uint8_t *plain, size_t size, uint8_t *out)
{
	uint8_t iv[AEAD_IV_SIZE];
	int32_t code = next_iv(c, iv);

	if (code == ADIT_OK)
		code = aead_seal(c->context, iv, NULL, 0, plain, size, out);
	if (code == ADIT_OK)
		c->nonce++;
	return code;
}

int32_t noise_open(struct noise_cipher *c, const uint8_t *sealed, size_t size, uint8_t *out)
{
	uint8_t iv[AEAD_IV_SIZE];
	int32_t code = next_iv(c, iv);

	if (code == ADIT_OK)
		code = aead_open(c->context, iv, NULL, 0, sealed, size, out);
	if (code == ADIT_OK)
		c->nonce++;
	return code;
}
