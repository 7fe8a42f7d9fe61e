/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/target.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

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

/* VALUE, which is in 0..2^255, rounded down. Each step is exact: it takes off the highest bits. */
static struct number number_from_double(double value)
{
	struct number n;

	for (size_t i = 4; i > 0; i--) {
		double unit = ldexp(1, 64 * (int)(i - 1));

		n.w[i - 1] = (uint64_t)(value / unit);
		value -= (double)n.w[i - 1] * unit;
	}
	return n;
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

static bool number_below(const struct number *a, const struct number *b)
{
	for (size_t i = 4; i > 0; i--) {
		if (a->w[i - 1] != b->w[i - 1])
			return a->w[i - 1] < b->w[i - 1];
	}
	return false;
}

static void number_increment(struct number *n)
{
	for (size_t i = 0; i < 4 && ++n->w[i] == 0; i++)
		;
}

/* A - B; B is not above A. */
static void number_subtract(struct number *a, const struct number *b)
{
	uint64_t borrow = 0;

	for (size_t i = 0; i < 4; i++) {
		uint64_t before = a->w[i];

		a->w[i] = before - b->w[i] - borrow;
		borrow = before < b->w[i] || (before == b->w[i] && borrow != 0);
	}
}

/* NUMERATOR * 2^SHIFT / DIVISOR, rounded down; false when that passes 256 bits. NUMERATOR is below
 * DIVISOR, and DIVISOR at most 2^255, so that twice a remainder fits. */
static bool number_divide(uint64_t numerator, unsigned shift, const struct number *divisor,
			  struct number *out)
{
	struct number remainder = {{numerator}};

	*out = (struct number){{0}};
	for (; shift > 0; shift--) {
		bool bit;

		(void)number_push_bit(&remainder, 0);
		bit = !number_below(&remainder, divisor);
		if (bit)
			number_subtract(&remainder, divisor);
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
	static const struct number one = {{1}};
	double work = hashrate * 60 / shares_per_minute;
	struct number divisor;
	struct number n;

	if (!(work >= 1)) { /* also when not a number */
		memset(out, 0xff, 32);
		return;
	}
	/* (2^256 - 1 - W) / (W + 1) = 2^256 / (W + 1) - 1, and W is at least 1. */
	divisor = number_from_double(fmin(work, 0x1p254));
	number_increment(&divisor);
	(void)number_divide(1, 256, &divisor, &n);
	number_subtract(&n, &one);
	number_write(&n, out);
}

void target_from_difficulty(double difficulty, uint8_t out[32])
{
	struct number divisor;
	struct number n = {{0}};
	double mantissa;
	int exponent;

	if (!(difficulty > 0)) { /* also when not a number */
		memset(out, 0xff, 32);
		return;
	}
	/* difficulty = (mantissa * 2^53) * 2^(exponent - 53), and diff1 is smaller than 2^224. */
	mantissa = frexp(fmin(difficulty, 0x1p300), &exponent);
	divisor = number_from_double(mantissa * 0x1p53);
	if (exponent <= 224 &&
	    !number_divide(0xffff, (unsigned)(208 + 53 - exponent), &divisor, &n))
		memset(&n, 0xff, sizeof(n));
	number_write(&n, out);
}

double target_difficulty_work(double difficulty)
{
	uint8_t target[32];

	target_from_difficulty(difficulty, target);
	return target_work(target);
}
