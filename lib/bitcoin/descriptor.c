/* SPDX-License-Identifier: MIT */
/* Output script descriptors (BIP380 to 386) with public keys: the script expressions. Key
 * expressions are in keyexpr.c. */
#include "config.h"

#include "lib/bitcoin/address.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/descsum.h"
#include "lib/bitcoin/keyexpr.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/taproot.h"
#include "lib/util/hex.h"
#include "lib/util/reader.h"

#define ARGUMENT_MAX ((size_t)2 * SCRIPT_MAX)
#define WITNESS_SCRIPT_MAX 1024 /* multi() with 20 keys has 687 bytes */
#define NAME_MAX_SIZE 16

/* BIP383: how many keys multi() takes where. */
#define KEYS_MAX 20
#define KEYS_MAX_IN_SH 15
#define KEYS_MAX_BARE 3

enum opcode {
	OP_0 = 0x00,
	OP_1 = 0x51,
	OP_DUP = 0x76,
	OP_EQUAL = 0x87,
	OP_EQUALVERIFY = 0x88,
	OP_HASH160 = 0xa9,
	OP_CHECKSIG = 0xac,
	OP_CHECKMULTISIG = 0xae
};

/* Where an expression stands; a set of them says where it may. */
enum place { AT_TOP = 1, IN_SH = 2, IN_WSH = 4 };

struct parser {
	const char *at;
	const char *end;
	enum bitcoin_network network;
	uint32_t index;
	struct error *e;
};

static int32_t script_expression(struct parser *p, unsigned place, struct writer *out);

static int32_t wrong(const struct parser *p, const char *text)
{
	return error_set(p->e, ADIT_E_INVALID_ARGUMENT, "%s", text);
}

static bool take(struct parser *p, char wanted)
{
	if (p->at == p->end || *p->at != wanted)
		return false;
	p->at++;
	return true;
}

/* Reads the key expression that ends before a comma or parenthesis. */
static int32_t take_key(struct parser *p, unsigned forms, struct public_key *out)
{
	struct key_place place = {forms, p->network, p->index};
	const char *start = p->at;

	while (p->at < p->end && strchr(",()", *p->at) == NULL)
		p->at++;
	return key_expression(start, (size_t)(p->at - start), &place, out, p->e);
}

/* BIP382: all keys within wsh() are compressed. */
static unsigned key_forms(unsigned place)
{
	return place == IN_WSH ? 0 : KEY_UNCOMPRESSED;
}

static void push(struct writer *out, const uint8_t *data, size_t size)
{
	writer_u8(out, (uint8_t)size);
	writer_bytes(out, data, size);
}

/* The smallest push of 1 to 127. */
static void push_number(struct writer *out, unsigned n)
{
	if (n > 16)
		writer_u8(out, 1);
	writer_u8(out, (uint8_t)(n > 16 ? n : OP_1 + n - 1));
}

static int32_t hash160(const struct parser *p, const uint8_t *data, size_t size, uint8_t out[20])
{
	uint8_t hash[32];

	sha256(data, size, hash);
	if (EVP_Digest(hash, sizeof(hash), out, NULL, EVP_ripemd160(), NULL) != 1)
		return error_set(p->e, ADIT_E_UNSUPPORTED,
				 "the OpenSSL of this machine has no RIPEMD-160");
	return ADIT_OK;
}

/* pk(KEY): <KEY> OP_CHECKSIG */
static int32_t write_pk(struct parser *p, unsigned place, struct writer *out)
{
	struct public_key key;
	int32_t rc = take_key(p, key_forms(place), &key);

	if (rc != ADIT_OK)
		return rc;
	push(out, key.data, key.size);
	writer_u8(out, OP_CHECKSIG);
	return ADIT_OK;
}

/* pkh(KEY): OP_DUP OP_HASH160 <HASH160> OP_EQUALVERIFY OP_CHECKSIG */
static int32_t write_pkh(struct parser *p, unsigned place, struct writer *out)
{
	struct public_key key;
	uint8_t hash[20];
	int32_t rc = take_key(p, key_forms(place), &key);

	if (rc == ADIT_OK)
		rc = hash160(p, key.data, key.size, hash);
	if (rc != ADIT_OK)
		return rc;
	writer_u8(out, OP_DUP);
	writer_u8(out, OP_HASH160);
	push(out, hash, sizeof(hash));
	writer_u8(out, OP_EQUALVERIFY);
	writer_u8(out, OP_CHECKSIG);
	return ADIT_OK;
}

/* wpkh(KEY): OP_0 <HASH160> */
static int32_t write_wpkh(struct parser *p, unsigned place, struct writer *out)
{
	struct public_key key;
	uint8_t hash[20];
	int32_t rc = take_key(p, 0, &key);

	(void)place;
	if (rc == ADIT_OK)
		rc = hash160(p, key.data, key.size, hash);
	if (rc != ADIT_OK)
		return rc;
	writer_u8(out, OP_0);
	push(out, hash, sizeof(hash));
	return ADIT_OK;
}

/* sh(SCRIPT): OP_HASH160 <HASH160> OP_EQUAL. A redeem script is pushed, so it has at most 520
 * bytes. */
static int32_t write_sh(struct parser *p, unsigned place, struct writer *out)
{
	uint8_t redeem[SCRIPT_MAX];
	uint8_t hash[20];
	struct writer w;
	int32_t rc;

	(void)place;
	writer_init(&w, redeem, sizeof(redeem));
	rc = script_expression(p, IN_SH, &w);
	if (rc == ADIT_OK && w.failed)
		rc = wrong(p, "the script within sh() is longer than 520 bytes");
	if (rc == ADIT_OK)
		rc = hash160(p, redeem, writer_size(&w), hash);
	if (rc != ADIT_OK)
		return rc;
	writer_u8(out, OP_HASH160);
	push(out, hash, sizeof(hash));
	writer_u8(out, OP_EQUAL);
	return ADIT_OK;
}

/* wsh(SCRIPT): OP_0 <SHA256> */
static int32_t write_wsh(struct parser *p, unsigned place, struct writer *out)
{
	uint8_t script[WITNESS_SCRIPT_MAX];
	uint8_t hash[32];
	struct writer w;
	int32_t rc;

	(void)place;
	writer_init(&w, script, sizeof(script));
	rc = script_expression(p, IN_WSH, &w);
	if (rc != ADIT_OK)
		return rc;
	sha256(script, writer_size(&w), hash);
	writer_u8(out, OP_0);
	push(out, hash, sizeof(hash));
	return ADIT_OK;
}

/* The number at the start of multi(). */
static unsigned take_threshold(struct parser *p)
{
	unsigned value = 0;

	for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
		if (value <= KEYS_MAX)
			value = value * 10 + (unsigned)(*p->at - '0');
	}
	return value;
}

static size_t keys_max(unsigned place)
{
	if (place == AT_TOP)
		return KEYS_MAX_BARE;
	return place == IN_SH ? KEYS_MAX_IN_SH : KEYS_MAX;
}

static int32_t take_keys(struct parser *p, unsigned place, struct public_key *keys, size_t *count)
{
	for (*count = 0; take(p, ','); (*count)++) {
		int32_t rc;

		if (*count == keys_max(place))
			return error_set(p->e, ADIT_E_INVALID_ARGUMENT,
					 "multi() takes at most %zu keys here", keys_max(place));
		rc = take_key(p, key_forms(place), &keys[*count]);
		if (rc != ADIT_OK)
			return rc;
	}
	return ADIT_OK;
}

/* By bytes; compressed and uncompressed keys differ in the first one. */
static int compare_keys(const void *a, const void *b)
{
	const struct public_key *left = a;
	const struct public_key *right = b;

	return memcmp(left->data, right->data, left->size < right->size ? left->size : right->size);
}

/* OP_k <KEY>... OP_n OP_CHECKMULTISIG */
static int32_t write_keys(struct parser *p, unsigned place, bool sorted, struct writer *out)
{
	unsigned threshold = take_threshold(p);
	struct public_key keys[KEYS_MAX];
	size_t count;
	int32_t rc = take_keys(p, place, keys, &count);

	if (rc != ADIT_OK)
		return rc;
	if (threshold == 0 || threshold > count)
		return wrong(p, "multi() takes first how many of its keys must sign, 1 to all");
	if (sorted)
		qsort(keys, count, sizeof(keys[0]), compare_keys);
	push_number(out, threshold);
	for (size_t i = 0; i < count; i++)
		push(out, keys[i].data, keys[i].size);
	push_number(out, (unsigned)count);
	writer_u8(out, OP_CHECKMULTISIG);
	return ADIT_OK;
}

static int32_t write_multi(struct parser *p, unsigned place, struct writer *out)
{
	return write_keys(p, place, false, out);
}

static int32_t write_sortedmulti(struct parser *p, unsigned place, struct writer *out)
{
	return write_keys(p, place, true, out);
}

/* tr(KEY): OP_1 <output key>. The internal key is an x coordinate. */
static int32_t write_tr(struct parser *p, unsigned place, struct writer *out)
{
	struct public_key key;
	uint8_t output[32];
	int32_t rc = take_key(p, KEY_X_ONLY, &key);

	(void)place;
	if (rc != ADIT_OK)
		return rc;
	if (p->at < p->end && *p->at == ',')
		return error_set(p->e, ADIT_E_UNSUPPORTED,
				 "tr() with a tree of scripts is not supported: give the address "
				 "instead");
	if (!taproot_output_key(key.data + (key.size == 33 ? 1 : 0), NULL, output))
		return wrong(p, "a public key without a taproot output key");
	writer_u8(out, OP_1);
	push(out, output, sizeof(output));
	return ADIT_OK;
}

/* The text up to the closing parenthesis. */
static int32_t take_argument(struct parser *p, char out[ARGUMENT_MAX + 1])
{
	size_t size = 0;

	for (; p->at < p->end && *p->at != ')'; p->at++) {
		if (size == ARGUMENT_MAX)
			return wrong(p, "what is in the parentheses is too long");
		out[size++] = *p->at;
	}
	out[size] = '\0';
	return ADIT_OK;
}

static int32_t write_addr(struct parser *p, unsigned place, struct writer *out)
{
	char address[ARGUMENT_MAX + 1];
	struct script script;
	int32_t rc = take_argument(p, address);

	(void)place;
	if (rc == ADIT_OK)
		rc = address_to_script(address, p->network, &script, p->e);
	if (rc == ADIT_OK)
		writer_bytes(out, script.data, script.size);
	return rc;
}

static int32_t write_raw(struct parser *p, unsigned place, struct writer *out)
{
	char digits[ARGUMENT_MAX + 1];
	uint8_t script[SCRIPT_MAX];
	int32_t rc = take_argument(p, digits);
	size_t size = rc == ADIT_OK ? strlen(digits) / 2 : 0;

	(void)place;
	if (rc == ADIT_OK && (size == 0 || !hex_decode(digits, script, size)))
		rc = error_set(p->e, ADIT_E_INVALID_ARGUMENT,
			       "raw() takes 1 to %d bytes of script as hexadecimal digits",
			       SCRIPT_MAX);
	if (rc == ADIT_OK)
		writer_bytes(out, script, size);
	return rc;
}

static int32_t refuse_combo(struct parser *p, unsigned place, struct writer *out)
{
	(void)place;
	(void)out;
	return error_set(p->e, ADIT_E_UNSUPPORTED,
			 "combo() stands for several scripts; choose one: pk(), pkh(), wpkh() or "
			 "sh(wpkh())");
}

static const struct expression {
	const char *name;
	unsigned places;
	int32_t (*write)(struct parser *p, unsigned place, struct writer *out);
} expressions[] = {
    {"addr", AT_TOP, write_addr},
    {"combo", AT_TOP, refuse_combo},
    {"multi", AT_TOP | IN_SH | IN_WSH, write_multi},
    {"pk", AT_TOP | IN_SH | IN_WSH, write_pk},
    {"pkh", AT_TOP | IN_SH | IN_WSH, write_pkh},
    {"raw", AT_TOP, write_raw},
    {"sh", AT_TOP, write_sh},
    {"sortedmulti", AT_TOP | IN_SH | IN_WSH, write_sortedmulti},
    {"tr", AT_TOP, write_tr},
    {"wpkh", AT_TOP | IN_SH, write_wpkh},
    {"wsh", AT_TOP | IN_SH, write_wsh},
};

/* Reads a name and its opening parenthesis. Names that are none are not repeated: a key may have
 * been put there. */
static const struct expression *take_name(struct parser *p)
{
	for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
		size_t size = strlen(expressions[i].name);

		if ((size_t)(p->end - p->at) > size && p->at[size] == '(' &&
		    memcmp(p->at, expressions[i].name, size) == 0) {
			p->at += size + 1;
			return &expressions[i];
		}
	}
	return NULL;
}

static int32_t script_expression(struct parser *p, unsigned place, struct writer *out)
{
	const struct expression *x = take_name(p);
	int32_t rc;

	if (x == NULL)
		return wrong(p, "expected addr(), raw(), pk(), pkh(), wpkh(), sh(), wsh(), tr(), "
				"multi() or sortedmulti()");
	if ((x->places & place) == 0)
		return error_set(p->e, ADIT_E_INVALID_ARGUMENT, "%s() is not possible in %s",
				 x->name, place == IN_SH ? "sh()" : "wsh()");
	rc = x->write(p, place, out);
	if (rc != ADIT_OK)
		return rc;
	return take(p, ')') ? ADIT_OK
			    : error_set(p->e, ADIT_E_INVALID_ARGUMENT,
					"the closing parenthesis of %s() is missing or not where "
					"it should be",
					x->name);
}

bool descriptor_is_ranged(const char *text)
{
	return memchr(text, '*', strcspn(text, "#")) != NULL;
}

int32_t descriptor_script_at(const char *text, enum bitcoin_network network, uint32_t index,
			     struct script *out, struct error *e)
{
	struct parser p = {.network = network, .index = index, .e = e};
	struct writer w;
	size_t size;
	int32_t rc;

	out->size = 0;
	if (strchr(text, '(') == NULL)
		return address_to_script(text, network, out, e);
	rc = descriptor_check_sum(text, &size, e);
	if (rc != ADIT_OK)
		return rc;
	p.at = text;
	p.end = text + size;
	writer_init(&w, out->data, sizeof(out->data));
	rc = script_expression(&p, AT_TOP, &w);
	if (rc == ADIT_OK && p.at != p.end)
		rc = wrong(&p, "something follows the closing parenthesis");
	if (rc == ADIT_OK && w.failed)
		rc = wrong(&p, "a script of more than 520 bytes");
	if (rc == ADIT_OK)
		out->size = writer_size(&w);
	return rc;
}

int32_t descriptor_to_script(const char *text, enum bitcoin_network network, struct script *out,
			     struct error *e)
{
	out->size = 0;
	if (descriptor_is_ranged(text))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "a descriptor with a star stands for many scripts; put a number "
				 "in place of the star");
	return descriptor_script_at(text, network, 0, out, e);
}
