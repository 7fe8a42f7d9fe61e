/* SPDX-License-Identifier: MIT */
/* keys.c: authority keys and their text form (Stratum V2 specification, section 4.7). */
#include "config.h"

#include "lib/noise/keys.h"

#include <string.h>

#include "lib/bitcoin/address.h"
#include "lib/noise/secp.h"
#include "lib/util/random.h"

#define VERSION_SIZE 2 /* u16, little-endian, 1 */
#define SECRET_SIZE 32
#define PUBLIC_SIZE (VERSION_SIZE + 32)

int32_t noise_key_generate(uint8_t secret[32], uint8_t public_x[32])
{
	secp_generate(secret);
	return noise_key_public(secret, public_x);
}

int32_t noise_key_public(const uint8_t secret[32], uint8_t public_x[32])
{
	return secp_public_x(secret, public_x) ? ADIT_OK : ADIT_E_INVALID_ARGUMENT;
}

int32_t noise_public_parse(const char *text, uint8_t public_x[32], struct error *e)
{
	uint8_t payload[PUBLIC_SIZE];
	int size = base58check_decode(text, payload, sizeof(payload));
	bool secret = size == SECRET_SIZE;

	if (size == PUBLIC_SIZE && payload[0] == 1 && payload[1] == 0) {
		if (!secp_x_valid(payload + VERSION_SIZE))
			return error_set(e, ADIT_E_INVALID_ARGUMENT,
					 "authority public key: not a point of the curve");
		memcpy(public_x, payload + VERSION_SIZE, 32);
		return ADIT_OK;
	}
	secure_wipe(payload, sizeof(payload));
	if (secret) /* it stays out of the text, which may be logged */
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "authority public key: this is a secret key; give the public one");
	if (size == PUBLIC_SIZE)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "authority public key: of an unknown version, only 1 is known");
	return error_set(
	    e, ADIT_E_INVALID_ARGUMENT,
	    "authority public key: not Base58Check of 34 bytes (a character is missing or "
	    "mistyped?)");
}

void noise_public_format(const uint8_t public_x[32], char out[NOISE_KEY_TEXT_SIZE])
{
	uint8_t payload[PUBLIC_SIZE] = {1, 0};

	memcpy(payload + VERSION_SIZE, public_x, 32);
	(void)base58check_encode(payload, sizeof(payload), out, NOISE_KEY_TEXT_SIZE); /* it fits */
}

int32_t noise_secret_parse(const char *text, uint8_t secret[32], struct error *e)
{
	uint8_t payload[PUBLIC_SIZE];
	uint8_t public_x[32];
	int size = base58check_decode(text, payload, sizeof(payload));
	int32_t code = ADIT_E_INVALID_ARGUMENT;

	if (size == PUBLIC_SIZE) {
		(void)error_set(e, code,
				"authority secret key: this is a public key; give the secret one");
	} else if (size != SECRET_SIZE) {
		(void)error_set(
		    e, code,
		    "authority secret key: not Base58Check of 32 bytes (a character is missing "
		    "or mistyped?)");
	} else if (!secp_public_x(payload, public_x)) {
		(void)error_set(e, code,
				"authority secret key: zero, or not below the curve's order");
	} else {
		memcpy(secret, payload, SECRET_SIZE);
		code = ADIT_OK;
	}
	secure_wipe(payload, sizeof(payload));
	return code;
}

void noise_secret_format(const uint8_t secret[32], char out[NOISE_KEY_TEXT_SIZE])
{
	(void)base58check_encode(secret, SECRET_SIZE, out, NOISE_KEY_TEXT_SIZE); /* it fits */
}
