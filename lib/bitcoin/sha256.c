/* SPDX-License-Identifier: MIT */
/*
 * The one file that knows the compression function (FIPS 180-4 section 6.2): the CPU's SHA
 * instructions where present, otherwise OpenSSL's low-level core. That core is deprecated in
 * OpenSSL 3 because it bypasses providers; nothing else gives access to midstates.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "config.h"

#include "lib/bitcoin/sha256.h"

#include <stdatomic.h>
#include <string.h>

#include <openssl/sha.h>

#if defined(__x86_64__) || defined(__i386__)
#define WITH_SHA_NI 1
#include <cpuid.h>
#include <immintrin.h>
#else
#define WITH_SHA_NI 0
#endif

/* Sizes in bits, which end a message's last block; the first padding bit as a word. */
#define HEADER_BITS 640
#define HASH_BITS 256
#define PADDING_WORD 0x80000000u

struct implementation {
	const char *name;
	void (*compress)(uint32_t h[8], const uint8_t *data, size_t blocks);
	void (*header_tail)(const struct sha256_midstate *mid, const uint8_t tail[16],
			    uint8_t out[32]);
	void (*pair)(const uint8_t left[32], const uint8_t right[32], uint8_t out[32]);
	/* As sha256d_scan(), but stops at the first hash whose most significant 32 bits are at or
	 * below TOP. */
	bool (*scan)(const struct sha256_midstate *mid, const uint8_t tail[16], uint32_t first,
		     uint32_t count, uint32_t top, uint32_t *nonce);
};

static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
				    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static uint32_t read_le32(const uint8_t *in)
{
	return (uint32_t)in[3] << 24 | (uint32_t)in[2] << 16 | (uint32_t)in[1] << 8 | in[0];
}

static void write_be32(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)(value >> 24);
	out[1] = (uint8_t)(value >> 16);
	out[2] = (uint8_t)(value >> 8);
	out[3] = (uint8_t)value;
}

static void write_le32(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)value;
	out[1] = (uint8_t)(value >> 8);
	out[2] = (uint8_t)(value >> 16);
	out[3] = (uint8_t)(value >> 24);
}

static void write_state(const uint32_t h[8], uint8_t out[32])
{
	for (size_t i = 0; i < 8; i++)
		write_be32(out + 4 * i, h[i]);
}

/* --- OpenSSL ------------------------------------------------------------------------- */

static void openssl_compress(uint32_t h[8], const uint8_t *data, size_t blocks)
{
	SHA256_CTX context;

	memcpy(context.h, h, sizeof(context.h));
	for (; blocks > 0; blocks--, data += 64)
		SHA256_Transform(&context, data);
	memcpy(h, context.h, sizeof(context.h));
}

/* A block that holds a message of SIZE bytes, to be written at its start, and what ends it. */
static void block_init(uint8_t block[64], size_t size, uint32_t bits)
{
	memset(block + size, 0, 64 - size);
	write_be32(block + size, PADDING_WORD);
	write_be32(block + 60, bits);
}

/* Replaces the state by that of the 32 bytes it stands for; BLOCK is set up for these. */
static void openssl_hash_again(SHA256_CTX *context, uint8_t block[64])
{
	write_state(context->h, block);
	memcpy(context->h, initial, sizeof(context->h));
	SHA256_Transform(context, block);
}

static void openssl_header_tail(const struct sha256_midstate *mid, const uint8_t tail[16],
				uint8_t out[32])
{
	uint8_t header[64];
	uint8_t hash[64];
	SHA256_CTX context;

	block_init(header, 16, HEADER_BITS);
	block_init(hash, 32, HASH_BITS);
	memcpy(header, tail, 16);
	memcpy(context.h, mid->h, sizeof(context.h));
	SHA256_Transform(&context, header);
	openssl_hash_again(&context, hash);
	write_state(context.h, out);
}

static void openssl_pair(const uint8_t left[32], const uint8_t right[32], uint8_t out[32])
{
	uint8_t both[64];
	uint8_t end[64];
	uint8_t hash[64];
	SHA256_CTX context;

	memcpy(both, left, 32);
	memcpy(both + 32, right, 32);
	block_init(end, 0, 2 * HASH_BITS);
	block_init(hash, 32, HASH_BITS);
	memcpy(context.h, initial, sizeof(context.h));
	SHA256_Transform(&context, both);
	SHA256_Transform(&context, end);
	openssl_hash_again(&context, hash);
	write_state(context.h, out);
}

static bool openssl_scan(const struct sha256_midstate *mid, const uint8_t tail[16], uint32_t first,
			 uint32_t count, uint32_t top, uint32_t *nonce)
{
	uint8_t header[64];
	uint8_t hash[64];
	SHA256_CTX context;

	block_init(header, 16, HEADER_BITS);
	block_init(hash, 32, HASH_BITS);
	memcpy(header, tail, 12);
	for (uint32_t i = 0; i < count; i++) {
		write_le32(header + 12, first + i);
		memcpy(context.h, mid->h, sizeof(context.h));
		SHA256_Transform(&context, header);
		openssl_hash_again(&context, hash);
		if (__builtin_bswap32(context.h[7]) <= top) {
			*nonce = first + i;
			return true;
		}
	}
	return false;
}

static const struct implementation openssl = {
    .name = "openssl",
    .compress = openssl_compress,
    .header_tail = openssl_header_tail,
    .pair = openssl_pair,
    .scan = openssl_scan,
};

/* --- SHA instructions of x86 --------------------------------------------------------- */

#if WITH_SHA_NI
#define SHA_NI __attribute__((target("sha,sse4.1")))
#define SHA_NI_INLINE static inline __attribute__((target("sha,sse4.1"), always_inline))

/* FIPS 180-4 section 4.2.2. */
static const uint32_t constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* The working variables as the instructions want them, and the last 16 words of the schedule. */
struct lane {
	__m128i abef; /* a is the highest word */
	__m128i cdgh;
	__m128i w[4];
};

SHA_NI_INLINE __m128i vector(uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3)
{
	return _mm_set_epi32((int)w3, (int)w2, (int)w1, (int)w0);
}

SHA_NI_INLINE void lane_load(struct lane *l, const uint32_t h[8])
{
	__m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)h), 0xb1);
	__m128i fehg =
	    _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(h + 4)), 0xb1);

	l->abef = _mm_unpacklo_epi64(fehg, badc);
	l->cdgh = _mm_unpackhi_epi64(fehg, badc);
}

/* The working variables in their plain order. */
SHA_NI_INLINE __m128i lane_abcd(const struct lane *l)
{
	return _mm_shuffle_epi32(_mm_unpackhi_epi64(l->abef, l->cdgh), 0xb1);
}

SHA_NI_INLINE __m128i lane_efgh(const struct lane *l)
{
	return _mm_shuffle_epi32(_mm_unpacklo_epi64(l->abef, l->cdgh), 0xb1);
}

/* Rounds 4 * QUAD and the one after. The new a, b, e, f are then in `cdgh`, the old in `abef`. */
SHA_NI_INLINE __m128i lane_half_quad(struct lane *l, int quad)
{
	const __m128i *k = (const __m128i *)(const void *)constants;
	__m128i wk = _mm_add_epi32(l->w[quad & 3], _mm_load_si128(k + quad));

	l->cdgh = _mm_sha256rnds2_epu32(l->cdgh, l->abef, wk);
	return wk;
}

/* Rounds 4 * QUAD to 4 * QUAD + 3; the words of the schedule that they used give way to those
 * needed sixteen rounds later. */
SHA_NI_INLINE void lane_quad(struct lane *l, int quad)
{
	__m128i *w = l->w;
	__m128i wk = lane_half_quad(l, quad);

	l->abef = _mm_sha256rnds2_epu32(l->abef, l->cdgh, _mm_shuffle_epi32(wk, 0x0e));
	if (quad < 12) {
		__m128i newest = w[(quad + 3) & 3];
		__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[quad & 3], w[(quad + 1) & 3]),
					    _mm_alignr_epi8(newest, w[(quad + 2) & 3], 4));

		w[quad & 3] = _mm_sha256msg2_epu32(sum, newest);
	}
}

/* Four words of a message; the same turns working variables to bytes. */
SHA_NI_INLINE __m128i swap_words(__m128i v)
{
	return _mm_shuffle_epi8(v, _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203));
}

SHA_NI_INLINE __m128i load_words(const uint8_t *in)
{
	return swap_words(_mm_loadu_si128((const __m128i *)(const void *)in));
}

SHA_NI_INLINE void lane_block(struct lane *l)
{
	__m128i abef = l->abef;
	__m128i cdgh = l->cdgh;

#pragma GCC unroll 16
	for (int quad = 0; quad < 16; quad++)
		lane_quad(l, quad);
	l->abef = _mm_add_epi32(l->abef, abef);
	l->cdgh = _mm_add_epi32(l->cdgh, cdgh);
}

/* Makes the state a message of 32 bytes, and the state the initial one. */
SHA_NI_INLINE void lane_restart(struct lane *l)
{
	l->w[0] = lane_abcd(l);
	l->w[1] = lane_efgh(l);
	l->w[2] = vector(PADDING_WORD, 0, 0, 0);
	l->w[3] = vector(0, 0, 0, HASH_BITS);
	lane_load(l, initial);
}

SHA_NI_INLINE void lane_store(const struct lane *l, uint8_t out[32])
{
	_mm_storeu_si128((__m128i *)(void *)out, swap_words(lane_abcd(l)));
	_mm_storeu_si128((__m128i *)(void *)(out + 16), swap_words(lane_efgh(l)));
}

SHA_NI static void sha_ni_compress(uint32_t h[8], const uint8_t *data, size_t blocks)
{
	struct lane l;

	lane_load(&l, h);
	for (; blocks > 0; blocks--, data += 64) {
		for (size_t i = 0; i < 4; i++)
			l.w[i] = load_words(data + 16 * i);
		lane_block(&l);
	}
	_mm_storeu_si128((__m128i *)(void *)h, lane_abcd(&l));
	_mm_storeu_si128((__m128i *)(void *)(h + 4), lane_efgh(&l));
}

/* The second block of a header, of which WORDS are the first 16 bytes. */
SHA_NI_INLINE void lane_header(struct lane *l, const struct sha256_midstate *mid, __m128i words)
{
	lane_load(l, mid->h);
	l->w[0] = words;
	l->w[1] = vector(PADDING_WORD, 0, 0, 0);
	l->w[2] = _mm_setzero_si128();
	l->w[3] = vector(0, 0, 0, HEADER_BITS);
}

SHA_NI static void sha_ni_header_tail(const struct sha256_midstate *mid, const uint8_t tail[16],
				      uint8_t out[32])
{
	struct lane l;

	lane_header(&l, mid, load_words(tail));
	lane_block(&l);
	lane_restart(&l);
	lane_block(&l);
	lane_store(&l, out);
}

SHA_NI static void sha_ni_pair(const uint8_t left[32], const uint8_t right[32], uint8_t out[32])
{
	struct lane l;

	lane_load(&l, initial);
	l.w[0] = load_words(left);
	l.w[1] = load_words(left + 16);
	l.w[2] = load_words(right);
	l.w[3] = load_words(right + 16);
	lane_block(&l);
	l.w[0] = vector(PADDING_WORD, 0, 0, 0);
	l.w[1] = l.w[2] = _mm_setzero_si128();
	l.w[3] = vector(0, 0, 0, 2 * HASH_BITS);
	lane_block(&l);
	lane_restart(&l);
	lane_block(&l);
	lane_store(&l, out);
}

/* The last word (h) of the double hashes of two headers that differ in their first words only. Two
 * lanes hide the latency of the round instruction. */
SHA_NI_INLINE void sha_ni_two_headers(const struct lane *start, __m128i words_a, __m128i words_b,
				      uint32_t *last_a, uint32_t *last_b)
{
	struct lane a = *start;
	struct lane b = *start;

	a.w[0] = words_a;
	b.w[0] = words_b;
#pragma GCC unroll 16
	for (int quad = 0; quad < 16; quad++) {
		lane_quad(&a, quad);
		lane_quad(&b, quad);
	}
	a.abef = _mm_add_epi32(a.abef, start->abef);
	a.cdgh = _mm_add_epi32(a.cdgh, start->cdgh);
	b.abef = _mm_add_epi32(b.abef, start->abef);
	b.cdgh = _mm_add_epi32(b.cdgh, start->cdgh);

	lane_restart(&a);
	lane_restart(&b);
#pragma GCC unroll 15
	for (int quad = 0; quad < 15; quad++) {
		lane_quad(&a, quad);
		lane_quad(&b, quad);
	}
	/* What is f after 62 rounds is h after 64. */
	(void)lane_half_quad(&a, 15);
	(void)lane_half_quad(&b, 15);
	*last_a = (uint32_t)_mm_cvtsi128_si32(a.cdgh) + initial[7];
	*last_b = (uint32_t)_mm_cvtsi128_si32(b.cdgh) + initial[7];
}

SHA_NI static bool sha_ni_scan(const struct sha256_midstate *mid, const uint8_t tail[16],
			       uint32_t first, uint32_t count, uint32_t top, uint32_t *nonce)
{
	__m128i words = load_words(tail);
	struct lane start;

	lane_header(&start, mid, words);
	for (uint32_t i = 0; i < count; i += 2) {
		uint32_t at = first + i;
		uint32_t a;
		uint32_t b;

		sha_ni_two_headers(&start, _mm_insert_epi32(words, (int)__builtin_bswap32(at), 3),
				   _mm_insert_epi32(words, (int)__builtin_bswap32(at + 1), 3), &a,
				   &b);
		if (__builtin_bswap32(a) <= top) {
			*nonce = at;
			return true;
		}
		if (__builtin_bswap32(b) <= top && count - i > 1) {
			*nonce = at + 1;
			return true;
		}
		if (count - i == 1) /* i + 2 may be past 2^32 */
			break;
	}
	return false;
}

static const struct implementation sha_ni = {
    .name = "sha-ni",
    .compress = sha_ni_compress,
    .header_tail = sha_ni_header_tail,
    .pair = sha_ni_pair,
    .scan = sha_ni_scan,
};

/* Intel SDM volume 2, CPUID: leaf 1 ECX bits 9 (SSSE3) and 19 (SSE4.1), leaf 7 EBX bit 29 (SHA). */
static bool sha_ni_present(void)
{
	unsigned int a;
	unsigned int b;
	unsigned int c;
	unsigned int d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & 1u << 9) == 0 || (c & 1u << 19) == 0)
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29) != 0;
}
#endif

/* --- choice -------------------------------------------------------------------------- */

static _Atomic(const struct implementation *) chosen;

static const struct implementation *fastest(void)
{
#if WITH_SHA_NI
	if (sha_ni_present())
		return &sha_ni;
#endif
	return &openssl;
}

/* Threads that come here at the same time all store the same. */
static const struct implementation *choose(void)
{
	const struct implementation *now = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (now == NULL) {
		now = fastest();
		atomic_store_explicit(&chosen, now, memory_order_relaxed);
	}
	return now;
}

const char *sha256_implementation(void)
{
	return choose()->name;
}

bool sha256_select(const char *name)
{
	const struct implementation *wanted = fastest();

	if (name != NULL && strcmp(name, wanted->name) != 0) {
		if (strcmp(name, openssl.name) != 0)
			return false;
		wanted = &openssl;
	}
	atomic_store_explicit(&chosen, wanted, memory_order_relaxed);
	return true;
}

/* --- messages ------------------------------------------------------------------------ */

void sha256_start(struct sha256_stream *s)
{
	memcpy(s->h, initial, sizeof(s->h));
	s->size = 0;
}

void sha256_add(struct sha256_stream *s, const void *data, size_t size)
{
	const struct implementation *with = choose();
	const uint8_t *at = data;
	size_t used = s->size % 64;

	if (size == 0)
		return;
	s->size += size;
	if (used > 0) {
		size_t part = size < 64 - used ? size : 64 - used;

		memcpy(s->block + used, at, part);
		at += part;
		size -= part;
		if (used + part < 64)
			return;
		with->compress(s->h, s->block, 1);
	}
	with->compress(s->h, at, size / 64);
	if (size % 64 > 0)
		memcpy(s->block, at + size / 64 * 64, size % 64);
}

/* FIPS 180-4 section 5.1.1. */
static void stream_close(struct sha256_stream *s)
{
	const struct implementation *with = choose();
	size_t used = s->size % 64;
	uint64_t bits = s->size * 8;

	s->block[used++] = 0x80;
	if (used > 56) {
		memset(s->block + used, 0, 64 - used);
		with->compress(s->h, s->block, 1);
		used = 0;
	}
	memset(s->block + used, 0, 56 - used);
	write_be32(s->block + 56, (uint32_t)(bits >> 32));
	write_be32(s->block + 60, (uint32_t)bits);
	with->compress(s->h, s->block, 1);
}

void sha256_finish(struct sha256_stream *s, uint8_t out[32])
{
	stream_close(s);
	write_state(s->h, out);
}

void sha256d_finish(struct sha256_stream *s, uint8_t out[32])
{
	sha256_finish(s, out);
	sha256(out, 32, out);
}

void sha256(const void *data, size_t size, uint8_t out[32])
{
	struct sha256_stream s;

	sha256_start(&s);
	sha256_add(&s, data, size);
	sha256_finish(&s, out);
}

void sha256d(const void *data, size_t size, uint8_t out[32])
{
	struct sha256_stream s;

	sha256_start(&s);
	sha256_add(&s, data, size);
	sha256d_finish(&s, out);
}

void sha256d_pair(const uint8_t left[32], const uint8_t right[32], uint8_t out[32])
{
	choose()->pair(left, right, out);
}

/* --- headers ------------------------------------------------------------------------- */

void sha256_midstate(const uint8_t block[64], struct sha256_midstate *out)
{
	memcpy(out->h, initial, sizeof(out->h));
	choose()->compress(out->h, block, 1);
}

void sha256d_header_tail(const struct sha256_midstate *mid, const uint8_t tail[16], uint8_t out[32])
{
	choose()->header_tail(mid, tail, out);
}

void sha256d_header(const uint8_t header[80], uint8_t out[32])
{
	struct sha256_midstate mid;

	sha256_midstate(header, &mid);
	sha256d_header_tail(&mid, header + 64, out);
}

/* Both least significant byte first. */
static bool at_or_below(const uint8_t hash[32], const uint8_t target[32])
{
	for (size_t i = 32; i > 0; i--) {
		if (hash[i - 1] != target[i - 1])
			return hash[i - 1] < target[i - 1];
	}
	return true;
}

int sha256d_scan(const struct sha256_midstate *mid, const uint8_t tail[16], uint32_t first,
		 uint32_t count, const uint8_t target[32], uint32_t *nonce, uint8_t hash[32])
{
	const struct implementation *with = choose();
	uint32_t top = read_le32(target + 28);
	uint8_t bytes[16];
	uint8_t found[32];
	uint32_t at;

	memcpy(bytes, tail, sizeof(bytes));
	while (with->scan(mid, bytes, first, count, top, &at)) {
		write_le32(bytes + 12, at);
		sha256d_header_tail(mid, bytes, found);
		if (at_or_below(found, target)) {
			*nonce = at;
			memcpy(hash, found, 32);
			return 1;
		}
		count -= at - first + 1;
		first = at + 1;
	}
	return 0;
}
