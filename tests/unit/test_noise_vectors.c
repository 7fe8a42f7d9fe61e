/* SPDX-License-Identifier: MIT */
/* test_noise_vectors.c: the published vectors of what the handshake is made of: ElligatorSwift and
 * its ECDH (BIP324), Schnorr signatures (BIP340), ChaCha20-Poly1305 (RFC 8439). */
#include "config.h"

#include <check.h>
#include <secp256k1_schnorrsig.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/secp_context.h"
#include "lib/noise/aead.h"
#include "lib/noise/noise.h"
#include "lib/noise/secp.h"
#include "lib/util/hex.h"
#include "vectors.h"

static void unhex(const char *text, uint8_t *out, size_t size)
{
	ck_assert_msg(hex_decode(text, out, size), "not %zu bytes of hex: %s", size, text);
}

static void assert_hex(const void *data, size_t size, const char *text)
{
	uint8_t expected[512];

	ck_assert_uint_le(size, sizeof(expected));
	unhex(text, expected, size);
	ck_assert_mem_eq(data, expected, size);
}

/* ellswift_decode_test_vectors.csv: ellswift, x, comment. */
START_TEST(ellswift_decode)
{
	struct vectors v;
	int count = 0;

	vectors_open(&v, "ellswift_decode_test_vectors.csv", ',');
	ck_assert(vectors_next(&v)); /* names of the columns */
	for (; vectors_next(&v); count++) {
		uint8_t ellswift[64];
		uint8_t x[32];

		ck_assert_uint_ge(v.count, 2);
		unhex(v.fields[0], ellswift, sizeof(ellswift));
		secp_ellswift_x(ellswift, x);
		assert_hex(x, sizeof(x), v.fields[1]);
	}
	ck_assert_int_eq(count, 76);
}
END_TEST

/* xswiftec_inv_test_vectors.csv: u, x, then t for each of the eight cases, empty where that case
 * has no solution. We do not choose encodings ourselves, but each of these stands for x. */
START_TEST(ellswift_inverse)
{
	struct vectors v;
	int count = 0;
	int encodings = 0;

	vectors_open(&v, "xswiftec_inv_test_vectors.csv", ',');
	ck_assert(vectors_next(&v));
	for (; vectors_next(&v); count++) {
		uint8_t ellswift[64];
		uint8_t x[32];

		ck_assert_uint_ge(v.count, 10);
		unhex(v.fields[0], ellswift, 32);
		for (size_t i = 2; i < 10; i++) {
			if (v.fields[i][0] == '\0')
				continue;
			unhex(v.fields[i], ellswift + 32, 32);
			secp_ellswift_x(ellswift, x);
			assert_hex(x, sizeof(x), v.fields[1]);
			encodings++;
		}
	}
	ck_assert_int_eq(count, 32);
	ck_assert_int_eq(encodings, 98);
}
END_TEST

/* Columns of packet_encoding_test_vectors.csv. What comes after the shared secret is the transport
 * of BIP324, which is not ours. */
enum packet_column {
	OUR_SECRET = 1,
	OURS = 2,
	THEIRS = 3,
	INITIATING = 4,
	OUR_X = 9,
	THEIR_X = 10,
	SHARED = 12
};

static void check_exchange(const struct vectors *v)
{
	uint8_t secret[32], ours[64], theirs[64], x[32], shared[32];
	bool initiating = strcmp(v->fields[INITIATING], "1") == 0;

	unhex(v->fields[OUR_SECRET], secret, 32);
	unhex(v->fields[OURS], ours, 64);
	unhex(v->fields[THEIRS], theirs, 64);
	secp_ellswift_x(ours, x);
	assert_hex(x, 32, v->fields[OUR_X]);
	secp_ellswift_x(theirs, x);
	assert_hex(x, 32, v->fields[THEIR_X]);
	ck_assert(secp_ecdh(secret, initiating ? ours : theirs, initiating ? theirs : ours,
			    initiating, shared));
	assert_hex(shared, 32, v->fields[SHARED]);
}

START_TEST(ellswift_exchange)
{
	struct vectors v;
	int count = 0;

	vectors_open(&v, "packet_encoding_test_vectors.csv", ',');
	ck_assert(vectors_next(&v));
	ck_assert_str_eq(v.fields[OUR_X], "mid_x_ours");
	ck_assert_str_eq(v.fields[SHARED], "mid_shared_secret");
	for (; vectors_next(&v); count++)
		check_exchange(&v);
	ck_assert_int_eq(count, 7);
}
END_TEST

START_TEST(no_exchange_without_a_secret)
{
	uint8_t secret[32], ellswift[64], out[32];

	secp_generate_ellswift(secret, ellswift);
	ck_assert(secp_ecdh(secret, ellswift, ellswift, true, out));
	memset(secret, 0, sizeof(secret));
	ck_assert(!secp_ecdh(secret, ellswift, ellswift, true, out));
}
END_TEST

/* Columns of bip340_test_vectors.csv. */
enum schnorr_column { SECRET = 1, PUBLIC = 2, AUX = 3, MESSAGE = 4, SIGNATURE = 5, RESULT = 6 };

static void check_signing(const struct vectors *v, const uint8_t message[32])
{
	uint8_t secret[32], x[32], aux[32], signature[64];

	unhex(v->fields[SECRET], secret, 32);
	unhex(v->fields[AUX], aux, 32);
	ck_assert(secp_public_x(secret, x));
	assert_hex(x, 32, v->fields[PUBLIC]);
	ck_assert(secp_sign(secret, message, aux, signature));
	assert_hex(signature, 64, v->fields[SIGNATURE]);
}

/* What we sign is always a hash of 32 bytes. Messages of other sizes go to libsecp256k1. */
static bool verify(const uint8_t x[32], const uint8_t *message, size_t size,
		   const uint8_t signature[64])
{
	secp256k1_xonly_pubkey key;

	if (size == 32)
		return secp_verify(x, message, signature);
	return secp256k1_xonly_pubkey_parse(secp_context(), &key, x) == 1 &&
	       secp256k1_schnorrsig_verify(secp_context(), signature, message, size, &key) == 1;
}

START_TEST(schnorr)
{
	struct vectors v;
	int count = 0, signed_here = 0;

	vectors_open(&v, "bip340_test_vectors.csv", ',');
	ck_assert(vectors_next(&v));
	for (; vectors_next(&v); count++) {
		uint8_t x[32], message[128], signature[64];
		size_t size = strlen(v.fields[MESSAGE]) / 2;

		ck_assert_uint_le(size, sizeof(message));
		unhex(v.fields[PUBLIC], x, 32);
		unhex(v.fields[MESSAGE], message, size);
		unhex(v.fields[SIGNATURE], signature, 64);
		ck_assert_msg(verify(x, message, size, signature) ==
				  (strcmp(v.fields[RESULT], "TRUE") == 0),
			      "row %s", v.fields[0]);
		if (v.fields[SECRET][0] != '\0' && size == 32) {
			check_signing(&v, message);
			signed_here++;
		}
	}
	ck_assert_int_eq(count, 19);
	ck_assert_int_eq(signed_here, 4);
}
END_TEST

/* RFC 8439, appendix A.5. Its nonce is one of Noise (four zero bytes, a number), its associated
 * data is not empty. */
START_TEST(aead_a5)
{
	static const char sealed_text[] =
	    "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2"
	    "4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf"
	    "332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855"
	    "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4"
	    "b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e"
	    "af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a"
	    "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10"
	    "49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29"
	    "a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38";
	static const char plain[] =
	    "Internet-Drafts are draft documents valid for a maximum of six months and may be "
	    "updated, replaced, or obsoleted by other documents at any time. It is inappropriate "
	    "to use Internet-Drafts as reference material or to cite them other than as "
	    "/\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
	const size_t size = sizeof(plain) - 1;
	uint8_t key[32], ad[12], iv[AEAD_IV_SIZE];
	uint8_t sealed[sizeof(plain) - 1 + NOISE_MAC_SIZE], out[sizeof(sealed)];
	void *context;

	unhex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0", key, 32);
	unhex("f33388860000000000004e91", ad, sizeof(ad));
	unhex(sealed_text, sealed, sizeof(sealed));
	aead_iv(UINT64_C(0x0807060504030201), iv);
	assert_hex(iv, sizeof(iv), "000000000102030405060708");
	context = aead_new(key);
	ck_assert_ptr_nonnull(context);
	ck_assert_int_eq(aead_open(context, iv, ad, sizeof(ad), sealed, sizeof(sealed), out),
			 ADIT_OK);
	ck_assert_mem_eq(out, plain, size);
	ck_assert_int_eq(aead_seal(context, iv, ad, sizeof(ad), (const uint8_t *)plain, size, out),
			 ADIT_OK);
	ck_assert_mem_eq(out, sealed, sizeof(sealed));
	aead_free(context);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("noise vectors");
	TCase *tcase = tcase_create("vectors");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, ellswift_decode);
	tcase_add_test(tcase, ellswift_inverse);
	tcase_add_test(tcase, ellswift_exchange);
	tcase_add_test(tcase, no_exchange_without_a_secret);
	tcase_add_test(tcase, schnorr);
	tcase_add_test(tcase, aead_a5);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
