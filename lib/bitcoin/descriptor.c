/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/address.h"

#include <string.h>

#include "lib/bitcoin/bech32.h"
#include "lib/util/hex.h"

#define CHECKSUM_SIZE 8
#define TEXT_MAX ((size_t)2 * SCRIPT_MAX)

/* BIP380: one step of its BCH code. */
static uint64_t polymod_step(uint64_t sum, unsigned value)
{
	static const uint64_t generator[5] = {0xf5dee51989, 0xa9fdca3312, 0x1bab10e32d,
					      0x3706b1677a, 0x644d626ffd};
	uint64_t top = sum >> 35;

	sum = (sum & 0x7ffffffff) << 5 ^ value;
	for (size_t i = 0; i < 5; i++)
		sum ^= (top >> i & 1) != 0 ? generator[i] : 0;
	return sum;
}

/* A character counts with its low five bits at once; the groups of three characters give one symbol
 * of their high bits. */
bool descriptor_checksum(const char *text, size_t size, char out[9])
{
	static const char characters[] = "0123456789()[],'/*abcdefgh@:$%{}"
					 "IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~"
					 "ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
	uint64_t sum = 1;
	unsigned group = 0;

	for (size_t i = 0; i < size; i++) {
		const char *at = text[i] != '\0' ? strchr(characters, text[i]) : NULL;

		if (at == NULL)
			return false;
		sum = polymod_step(sum, (unsigned)(at - characters) & 31);
		group = group * 3 + ((unsigned)(at - characters) >> 5);
		if (i % 3 == 2) {
			sum = polymod_step(sum, group);
			group = 0;
		}
	}
	if (size % 3 > 0)
		sum = polymod_step(sum, group);
	for (size_t i = 0; i < CHECKSUM_SIZE; i++)
		sum = polymod_step(sum, 0);
	sum ^= 1;
	for (size_t i = 0; i < CHECKSUM_SIZE; i++)
		out[i] = BECH32_CHARSET[sum >> (5 * (CHECKSUM_SIZE - 1 - i)) & 31];
	out[CHECKSUM_SIZE] = '\0';
	return true;
}

/* Checks the #checksum of TEXT, if it has one; SIZE is then that of what is before it. */
static int32_t check_checksum(const char *text, size_t *size, struct error *e)
{
	const char *given = strrchr(text, '#');
	char computed[CHECKSUM_SIZE + 1];

	*size = given != NULL ? (size_t)(given - text) : strlen(text);
	if (!descriptor_checksum(text, *size, computed))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "a character that no descriptor may have");
	if (given == NULL)
		return ADIT_OK;
	if (strlen(given + 1) != CHECKSUM_SIZE)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "a checksum of %zu characters; it has 8", strlen(given + 1));
	if (strcmp(given + 1, computed) != 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "checksum %s does not fit what is before it, which has %s",
				 given + 1, computed);
	return ADIT_OK;
}

static int32_t raw_to_script(const char *hex, struct script *out, struct error *e)
{
	size_t size = strlen(hex) / 2;

	out->size = 0;
	if (size == 0 || size > sizeof(out->data) || !hex_decode(hex, out->data, size))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "raw() takes 1 to %d bytes of script as hexadecimal digits",
				 SCRIPT_MAX);
	out->size = size;
	return ADIT_OK;
}

/* Copies what is between NAME( and the closing parenthesis; false when TEXT is not of that form. */
static bool arguments_of(const char *text, size_t size, const char *name, char *out)
{
	size_t skip = strlen(name);

	if (size < skip + 2 || strncmp(text, name, skip) != 0 || text[skip] != '(' ||
	    text[size - 1] != ')' || size - skip - 2 > TEXT_MAX)
		return false;
	memcpy(out, text + skip + 1, size - skip - 2);
	out[size - skip - 2] = '\0';
	return true;
}

int32_t descriptor_to_script(const char *text, enum bitcoin_network network, struct script *out,
			     struct error *e)
{
	size_t name_size = strcspn(text, "(");
	char inner[TEXT_MAX + 1];
	size_t size;
	int32_t rc;

	out->size = 0;
	if (text[name_size] == '\0')
		return address_to_script(text, network, out, e);
	rc = check_checksum(text, &size, e);
	if (rc != ADIT_OK)
		return rc;
	if (arguments_of(text, size, "addr", inner))
		return address_to_script(inner, network, out, e);
	if (arguments_of(text, size, "raw", inner))
		return raw_to_script(inner, out, e);
	/* The name alone: what is in the parentheses may be a private key. */
	return error_set(e, ADIT_E_INVALID_ARGUMENT,
			 "expected an address, addr(ADDRESS) or raw(HEX), got %.*s(...",
			 (int)(name_size < 20 ? name_size : 20), text);
}
