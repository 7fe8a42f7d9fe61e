/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/keyexpr.h"

#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <string.h>

#include "lib/bitcoin/bip32.h"
#include "lib/bitcoin/secp_context.h"
#include "lib/util/hex.h"
#include "lib/util/random.h"

#define KEY_TEXT_MAX 130 /* an uncompressed key; extended keys have 111 characters */
#define FINGERPRINT_DIGITS 8

struct cursor {
	const char *at;
	const char *end;
	struct error *e;
};

static bool take(struct cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static int32_t wrong(struct cursor *c, const char *text)
{
	return error_set(c->e, ADIT_E_INVALID_ARGUMENT, "%s", text);
}

/* NUM, NUMh or NUM'. (BIP380's text allows H, its test vectors do not; nor does Bitcoin Core.) */
static bool take_step(struct cursor *c, uint32_t *index, bool *hardened)
{
	const char *start = c->at;
	uint64_t value = 0;

	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		value = value * 10 + (uint64_t)(*c->at - '0');
		if (value >= BIP32_HARDENED)
			return false;
	}
	if (c->at == start)
		return false;
	*index = (uint32_t)value;
	*hardened = take(c, 'h') || take(c, '\'');
	return true;
}

static bool is_hex_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* [fingerprint/path]: where the key comes from. Of no use here, but it has to be in order. */
static int32_t skip_origin(struct cursor *c)
{
	uint32_t index;
	bool hardened;

	if (!take(c, '['))
		return ADIT_OK;
	for (size_t i = 0; i < FINGERPRINT_DIGITS; i++) {
		if (c->at == c->end || !is_hex_digit(*c->at))
			return wrong(c, "a key origin begins with 8 hexadecimal digits");
		c->at++;
	}
	while (take(c, '/')) {
		if (!take_step(c, &index, &hardened))
			return wrong(c, "a step of a key origin is no number, NUMh or NUM'");
	}
	return take(c, ']') ? ADIT_OK : wrong(c, "a key origin that does not end with ]");
}

/* WIF is 0x80 (0xef on test networks), the key and, for compressed public keys, 0x01. */
bool key_is_private(const char *text)
{
	uint8_t payload[BIP32_SIZE];
	int size = base58check_decode(text, payload, sizeof(payload));
	bool is_private =
	    size == 33 || size == 34 ? payload[0] == 0x80 || payload[0] == 0xef : false;

	if (size == BIP32_SIZE)
		is_private = bip32_version_is_private(payload);
	secure_wipe(payload, sizeof(payload));
	return is_private || (text[0] != '\0' && strncmp(text + 1, "prv", 3) == 0);
}

static int32_t hex_key(struct cursor *c, const char *text, size_t digits,
		       const struct key_place *place, struct public_key *out)
{
	const secp256k1_context *ctx = secp_context();
	secp256k1_xonly_pubkey x_only;
	secp256k1_pubkey point;
	bool good;

	out->size = digits / 2;
	(void)hex_decode(text, out->data, out->size);
	if (out->size == 65 && (place->forms & KEY_UNCOMPRESSED) == 0)
		return wrong(c, "an uncompressed public key, where only compressed ones may be");
	if (out->size == 32 && (place->forms & KEY_X_ONLY) == 0)
		return wrong(c, "a public key of 32 bytes, which only tr() takes");
	if (out->size == 32)
		good = secp256k1_xonly_pubkey_parse(ctx, &x_only, out->data) == 1;
	else /* libsecp256k1 also reads hybrid keys (06, 07), which BIP380 does not have */
		good = out->data[0] <= 4 &&
		       secp256k1_ec_pubkey_parse(ctx, &point, out->data, out->size) == 1;
	if (!good)
		return wrong(c, "a public key that is no point on the curve");
	return c->at == c->end ? ADIT_OK
			       : wrong(c, "something follows the public key; only extended keys "
					  "(xpub, tpub) take a path");
}

/* The steps after an extended key. */
static int32_t derive(struct cursor *c, uint32_t star, struct bip32_key *key)
{
	int32_t rc = ADIT_OK;

	while (rc == ADIT_OK && take(c, '/')) {
		bool is_last = take(c, '*');
		bool hardened = is_last && (take(c, 'h') || take(c, '\''));
		uint32_t index = star;

		if (c->at < c->end && *c->at == '<')
			return error_set(c->e, ADIT_E_UNSUPPORTED,
					 "paths like <0;1> (BIP389) are not supported: give one "
					 "descriptor for one path");
		if (!is_last && !take_step(c, &index, &hardened))
			return wrong(c, "a step after an extended key is neither a number below "
					"2147483648 nor a star");
		if (hardened)
			return wrong(c, "a hardened step after an extended public key: that takes "
					"the private key; give the public key that follows it");
		rc = bip32_child(key, index, key, c->e);
		if (is_last)
			break;
	}
	if (rc != ADIT_OK || c->at == c->end)
		return rc;
	return wrong(c, "something follows the path of an extended key");
}

static int32_t extended_key(struct cursor *c, const char *text, const struct key_place *place,
			    struct public_key *out)
{
	struct bip32_key key;
	int32_t rc = bip32_parse(text, place->network, &key, c->e);

	if (rc == ADIT_OK)
		rc = derive(c, place->index, &key);
	if (rc != ADIT_OK)
		return rc;
	memcpy(out->data, key.point, sizeof(key.point));
	out->size = sizeof(key.point);
	return ADIT_OK;
}

static bool is_hex_key(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!is_hex_digit(text[i]))
			return false;
	}
	return size == 64 || size == 66 || size == 130;
}

int32_t key_expression(const char *text, size_t size, const struct key_place *place,
		       struct public_key *out, struct error *e)
{
	struct cursor c = {text, text + size, e};
	char key[KEY_TEXT_MAX + 1] = "";
	size_t key_size = 0;
	int32_t rc = skip_origin(&c);

	if (rc != ADIT_OK)
		return rc;
	for (; c.at < c.end && *c.at != '/'; c.at++) {
		if (key_size == KEY_TEXT_MAX)
			return wrong(&c, "no key: it is too long");
		key[key_size++] = *c.at;
	}
	if (key_is_private(key))
		rc = wrong(&c, "a private key: give the public one instead (xpub, tpub or "
			       "hexadecimal digits)");
	else if (is_hex_key(key, key_size))
		rc = hex_key(&c, key, key_size, place, out);
	else
		rc = extended_key(&c, key, place, out);
	secure_wipe(key, sizeof(key)); /* it may have been a private one */
	return rc;
}
