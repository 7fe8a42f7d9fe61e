/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/base58.h"

#include <string.h>

#include "lib/bitcoin/address.h"
#include "lib/bitcoin/sha256.h"

#define TEXT_MAX 180
#define CHECKSUM_SIZE 4

static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/* NUMBER = NUMBER * 58 + DIGIT, most significant byte last; false when it outgrows
 * BASE58_BYTES_MAX. */
static bool multiply_add(uint8_t *number, size_t *size, unsigned digit)
{
	unsigned carry = digit;

	for (size_t i = 0; i < *size; i++) {
		carry += 58u * number[i];
		number[i] = (uint8_t)carry;
		carry >>= 8;
	}
	if (carry == 0)
		return true;
	if (*size == BASE58_BYTES_MAX)
		return false;
	number[(*size)++] = (uint8_t)carry;
	return true;
}

/* Each leading '1' is a leading zero byte. */
int base58_decode(const char *text, uint8_t out[BASE58_BYTES_MAX])
{
	uint8_t number[BASE58_BYTES_MAX];
	size_t zeros = strspn(text, "1");
	size_t size = 0;

	if (zeros > BASE58_BYTES_MAX)
		return -1;
	for (const char *c = text + zeros; *c != '\0'; c++) {
		const char *at = strchr(alphabet, *c);

		if (at == NULL || !multiply_add(number, &size, (unsigned)(at - alphabet)))
			return -1;
	}
	if (zeros + size > BASE58_BYTES_MAX)
		return -1;
	memset(out, 0, zeros);
	for (size_t i = 0; i < size; i++)
		out[zeros + i] = number[size - 1 - i];
	return (int)(zeros + size);
}

int base58check_decode(const char *text, uint8_t *out, size_t capacity)
{
	uint8_t bytes[BASE58_BYTES_MAX];
	uint8_t checksum[32];
	int size = base58_decode(text, bytes);
	size_t payload;

	if (size < CHECKSUM_SIZE)
		return -1;
	payload = (size_t)size - CHECKSUM_SIZE;
	sha256d(bytes, payload, checksum);
	if (memcmp(checksum, bytes + payload, CHECKSUM_SIZE) != 0 || payload > capacity)
		return -1;
	memcpy(out, bytes, payload);
	return (int)payload;
}

/* Divides NUMBER, most significant byte first, by 58 and returns the remainder. */
static unsigned divide(uint8_t *number, size_t size)
{
	unsigned remainder = 0;

	for (size_t i = 0; i < size; i++) {
		remainder = remainder << 8 | number[i];
		number[i] = (uint8_t)(remainder / 58);
		remainder %= 58;
	}
	return remainder;
}

bool base58_encode(const uint8_t *data, size_t size, char *out, size_t capacity)
{
	uint8_t number[BASE58_BYTES_MAX];
	char digits[TEXT_MAX];
	size_t count = 0;
	size_t zeros = 0;

	if (size > sizeof(number))
		return false;
	memcpy(number, data, size);
	while (zeros < size && number[zeros] == 0)
		zeros++;
	for (size_t start = zeros; start < size;) {
		digits[count++] = alphabet[divide(number + start, size - start)];
		while (start < size && number[start] == 0)
			start++;
	}
	if (zeros + count >= capacity)
		return false;
	memset(out, alphabet[0], zeros);
	for (size_t i = 0; i < count; i++)
		out[zeros + i] = digits[count - 1 - i];
	out[zeros + count] = '\0';
	return true;
}

bool base58check_encode(const uint8_t *payload, size_t size, char *out, size_t capacity)
{
	uint8_t bytes[BASE58_BYTES_MAX];
	uint8_t checksum[32];

	if (size > BASE58_BYTES_MAX - CHECKSUM_SIZE)
		return false;
	memcpy(bytes, payload, size);
	sha256d(payload, size, checksum);
	memcpy(bytes + size, checksum, CHECKSUM_SIZE);
	return base58_encode(bytes, size + CHECKSUM_SIZE, out, capacity);
}
