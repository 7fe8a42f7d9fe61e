/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/bech32.h"

#include <string.h>

#define CHECKSUM_SIZE 6
#define BECH32_CONSTANT 1u
#define BECH32M_CONSTANT 0x2bc830a3u

static const char charset[] = BECH32_CHARSET;

/* One step of the BCH code over GF(32): VALUE is the next symbol. */
static uint32_t polymod_step(uint32_t sum, uint8_t value)
{
	static const uint32_t generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
					      0x2a1462b3};
	uint32_t top = sum >> 25;

	sum = (sum & 0x1ffffff) << 5 ^ value;
	for (size_t i = 0; i < 5; i++)
		sum ^= (top >> i & 1) != 0 ? generator[i] : 0;
	return sum;
}

static uint32_t polymod_hrp(const char *hrp)
{
	uint32_t sum = 1;

	for (const char *c = hrp; *c != '\0'; c++)
		sum = polymod_step(sum, (uint8_t)*c >> 5);
	sum = polymod_step(sum, 0);
	for (const char *c = hrp; *c != '\0'; c++)
		sum = polymod_step(sum, (uint8_t)*c & 31);
	return sum;
}

static uint32_t constant_of(uint8_t version)
{
	return version == 0 ? BECH32_CONSTANT : BECH32M_CONSTANT;
}

/* Regroups five-bit symbols to bytes; what is left over must be less than a symbol, and zero. */
static bool symbols_to_bytes(const uint8_t *in, size_t size, uint8_t *out, size_t *out_size)
{
	uint32_t bits = 0;
	unsigned held = 0;

	*out_size = 0;
	for (size_t i = 0; i < size; i++) {
		bits = bits << 5 | in[i];
		held += 5;
		if (held >= 8) {
			held -= 8;
			out[(*out_size)++] = (uint8_t)(bits >> held);
		}
	}
	return held < 5 && (bits & ((1u << held) - 1)) == 0;
}

/* Lower case into OUT (BECH32_SIZE_MAX + 1 bytes). */
static const char *fold_case(const char *text, size_t size, char *out)
{
	bool lower = false;
	bool upper = false;

	if (size > BECH32_SIZE_MAX)
		return "longer than 90 characters";
	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (c < 33 || c > 126)
			return "a character that no address has";
		lower = lower || (c >= 'a' && c <= 'z');
		upper = upper || (c >= 'A' && c <= 'Z');
		out[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	out[size] = '\0';
	return lower && upper ? "upper and lower case mixed" : NULL;
}

/* Symbols of what comes after the separator. */
static const char *read_symbols(const char *text, uint8_t *out, size_t *size)
{
	for (*size = 0; *text != '\0'; text++) {
		const char *at = strchr(charset, *text);

		if (at == NULL)
			return "a character that bech32 does not have (1, b, i, o or a sign)";
		out[(*size)++] = (uint8_t)(at - charset);
	}
	return *size < CHECKSUM_SIZE ? "too short" : NULL;
}

const char *bech32_decode(const char *text, struct bech32_text *out)
{
	char folded[BECH32_SIZE_MAX + 1];
	const char *wrong = fold_case(text, strlen(text), folded);
	const char *separator;
	uint32_t sum;

	if (wrong != NULL)
		return wrong;
	separator = strrchr(folded, '1');
	if (separator == NULL || separator == folded || separator - folded > BECH32_HRP_MAX)
		return "no network prefix";
	memset(out, 0, sizeof(*out));
	memcpy(out->hrp, folded, (size_t)(separator - folded));
	wrong = read_symbols(separator + 1, out->symbols, &out->size);
	if (wrong != NULL)
		return wrong;
	sum = polymod_hrp(out->hrp);
	for (size_t i = 0; i < out->size; i++)
		sum = polymod_step(sum, out->symbols[i]);
	if (sum != BECH32_CONSTANT && sum != BECH32M_CONSTANT)
		return "wrong checksum";
	out->is_bech32m = sum == BECH32M_CONSTANT;
	out->size -= CHECKSUM_SIZE;
	return NULL;
}

static const char *check_program(const struct segwit_address *a)
{
	if (a->version > 16)
		return "a witness version above 16";
	if (a->size < 2 || a->size > 40)
		return "a witness program that is not 2 to 40 bytes long";
	if (a->version == 0 && a->size != 20 && a->size != 32)
		return "a witness program of version 0 that is neither 20 nor 32 bytes long";
	return NULL;
}

const char *segwit_decode(const char *text, struct segwit_address *out)
{
	struct bech32_text decoded;
	uint8_t bytes[BECH32_SIZE_MAX];
	const char *wrong = bech32_decode(text, &decoded);

	if (wrong != NULL)
		return wrong;
	if (decoded.size == 0)
		return "too short";
	memset(out, 0, sizeof(*out));
	memcpy(out->hrp, decoded.hrp, sizeof(out->hrp));
	out->version = decoded.symbols[0];
	if (decoded.is_bech32m != (out->version != 0))
		return out->version == 0 ? "version 0 with a bech32m checksum"
					 : "version 1 or above with a bech32 checksum";
	if (!symbols_to_bytes(decoded.symbols + 1, decoded.size - 1, bytes, &out->size))
		return "wrong padding";
	if (out->size <= sizeof(out->program))
		memcpy(out->program, bytes, out->size);
	return check_program(out);
}

/* The program as symbols, the last one filled up with zero bits. */
static size_t bytes_to_symbols(const uint8_t *in, size_t size, uint8_t *out)
{
	uint32_t bits = 0;
	unsigned held = 0;
	size_t count = 0;

	for (size_t i = 0; i < size; i++) {
		bits = bits << 8 | in[i];
		for (held += 8; held >= 5; held -= 5)
			out[count++] = bits >> (held - 5) & 31;
	}
	if (held > 0)
		out[count++] = (uint8_t)(bits << (5 - held) & 31);
	return count;
}

bool segwit_encode(const struct segwit_address *address, char *out)
{
	uint8_t symbols[1 + 64 + CHECKSUM_SIZE];
	size_t hrp_size = strlen(address->hrp);
	uint32_t sum = polymod_hrp(address->hrp);
	size_t size;

	if (check_program(address) != NULL)
		return false;
	symbols[0] = address->version;
	size = 1 + bytes_to_symbols(address->program, address->size, symbols + 1);
	if (hrp_size + 1 + size + CHECKSUM_SIZE > BECH32_SIZE_MAX)
		return false;
	for (size_t i = 0; i < size; i++)
		sum = polymod_step(sum, symbols[i]);
	for (size_t i = 0; i < CHECKSUM_SIZE; i++)
		sum = polymod_step(sum, 0);
	sum ^= constant_of(address->version);
	for (unsigned i = 0; i < CHECKSUM_SIZE; i++)
		symbols[size++] = sum >> (5 * (CHECKSUM_SIZE - 1 - i)) & 31;
	memcpy(out, address->hrp, hrp_size);
	out[hrp_size] = '1';
	for (size_t i = 0; i < size; i++)
		out[hrp_size + 1 + i] = charset[symbols[i]];
	out[hrp_size + 1 + size] = '\0';
	return true;
}
