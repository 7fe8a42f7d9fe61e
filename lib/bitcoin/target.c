/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/target.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

__extension__ typedef unsigned __int128 uint128;

/* As four words, least significant first. */
struct number {
	uint64_t w[4];
};

static struct number number_read(const uint8_t in[32])
{
	struct number n = {{0}};

	for (size_t i = 32; i > 0; i--)
		n.w[(i - 1) / 8] = n.w[(i - 1) / 8] << 8 | in[i - 1];
	return n;
}

static void number_write(const struct number *n, uint8_t out[32])
{
	for (size_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(n->w[i / 8] >> (8 * (i % 8)));
}

static double number_to_double(const struct number *n)
{
	double value = 0;

	for (size_t i = 4; i > 0; i--)
		value = value * 0x1p64 + (double)n->w[i - 1];
	return value;
}

/* Twice N plus BIT; false when that passes 256 bits. */
static bool number_push_bit(struct number *n, unsigned bit)
{
	bool fits = n->w[3] >> 63 == 0;

	for (size_t i = 3; i > 0; i--)
		n->w[i] = n->w[i] << 1 | n->w[i - 1] >> 63;
	n->w[0] = n->w[0] << 1 | bit;
	return fits;
}

/* NUMERATOR * 2^SHIFT / DIVISOR, rounded down; false when that passes 256 bits. DIVISOR is in
 * 1..2^127, so that twice a remainder fits. */
static bool number_divide(uint64_t numerator, unsigned shift, uint128 divisor, struct number *out)
{
	uint128 remainder = numerator % divisor;

	*out = (struct number){{(uint64_t)(numerator / divisor)}};
	for (; shift > 0; shift--) {
		unsigned bit;

		remainder <<= 1;
		bit = remainder >= divisor;
		if (bit != 0)
			remainder -= divisor;
		if (!number_push_bit(out, bit))
			return false;
	}
	return true;
}

int target_compare(const uint8_t a[32], const uint8_t b[32])
{
	for (size_t i = 32; i > 0; i--) {
		if (a[i - 1] != b[i - 1])
			return a[i - 1] < b[i - 1] ? -1 : 1;
	}
	return 0;
}

/* Bits 24..31: how many bytes the number has, bit 23: sign, bits 0..22: its three highest bytes. */
bool target_from_nbits(uint32_t nbits, uint8_t out[32])
{
	uint32_t size = nbits >> 24;
	uint32_t word = nbits & 0x007fffff;

	memset(out, 0, 32);
	if (size < 3)
		word >>= 8 * (3 - size);
	if (word == 0 || (nbits & 0x00800000) != 0)
		return false;
	for (uint32_t at = size < 3 ? 0 : size - 3; word > 0; at++, word >>= 8) {
		if (at >= 32) {
			memset(out, 0, 32);
			return false;
		}
		out[at] = (uint8_t)word;
	}
	return true;
}

uint32_t target_to_nbits(const uint8_t target[32])
{
	uint32_t size = 32;
	uint32_t word = 0;

	while (size > 0 && target[size - 1] == 0)
		size--;
	for (uint32_t i = 0; i < 3; i++)
		word = word << 8 | (size > i ? target[size - 1 - i] : 0);
	if ((word & 0x00800000) != 0) { /* that bit is the sign */
		word >>= 8;
		size++;
	}
	return size << 24 | word;
}

double target_difficulty(const uint8_t target[32])
{
	struct number n = number_read(target);

	return ldexp(0xffff, 208) / number_to_double(&n);
}

double target_work(const uint8_t target[32])
{
	struct number n = number_read(target);

	return 0x1p256 / (number_to_double(&n) + 1);
}

void target_from_hashrate(double hashrate, double shares_per_minute, uint8_t out[32])
{
	double work = hashrate * 60 / shares_per_minute;
	struct number n;

	if (!(work >= 1)) { /* also when not a number */
		memset(out, 0xff, 32);
		return;
	}
	/* (2^256 - 1 - W) / (W + 1) = 2^256 / (W + 1) - 1; with W > 0 neither step overflows. */
	(void)number_divide(1, 256, (uint128)fmin(work, 0x1p126) + 1, &n);
	for (size_t i = 0; i < 4 && n.w[i]-- == 0; i++)
		;
	number_write(&n, out);
}

void target_from_difficulty(double difficulty, uint8_t out[32])
{
	struct number n = {{0}};
	int exponent;
	double mantissa = frexp(difficulty, &exponent);

	if (!(difficulty > 0)) { /* also when not a number */
		memset(out, 0xff, 32);
		return;
	}
	/* difficulty = (mantissa * 2^53) * 2^(exponent - 53), and diff1 is smaller than 2^224. */
	if (!isinf(difficulty) && exponent <= 224 &&
	    !number_divide(0xffff, (unsigned)(208 + 53 - exponent), (uint128)(mantissa * 0x1p53),
			   &n))
		memset(&n, 0xff, sizeof(n));
	number_write(&n, out);
}
