/* SPDX-License-Identifier: MIT */
/* The checksum of descriptors (BIP380). */
#include "config.h"

#include "lib/bitcoin/descsum.h"

#include <string.h>

#include "lib/bitcoin/address.h"
#include "lib/bitcoin/bech32.h"

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
	for (size_t i = 0; i < DESCRIPTOR_CHECKSUM_SIZE; i++)
		sum = polymod_step(sum, 0);
	sum ^= 1;
	for (size_t i = 0; i < DESCRIPTOR_CHECKSUM_SIZE; i++)
		out[i] = BECH32_CHARSET[sum >> (5 * (DESCRIPTOR_CHECKSUM_SIZE - 1 - i)) & 31];
	out[DESCRIPTOR_CHECKSUM_SIZE] = '\0';
	return true;
}

int32_t descriptor_check_sum(const char *text, size_t *size, struct error *e)
{
	const char *given = strrchr(text, '#');
	char computed[DESCRIPTOR_CHECKSUM_SIZE + 1];

	*size = given != NULL ? (size_t)(given - text) : strlen(text);
	if (!descriptor_checksum(text, *size, computed))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "a character that no descriptor may have");
	if (given == NULL)
		return ADIT_OK;
	if (strlen(given + 1) != DESCRIPTOR_CHECKSUM_SIZE)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "a checksum of %zu characters; it has 8", strlen(given + 1));
	if (strcmp(given + 1, computed) != 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "checksum %s does not fit what is before it, which has %s",
				 given + 1, computed);
	return ADIT_OK;
}
