/* SPDX-License-Identifier: MIT */
/* test_noise.c: the handshake, its certificate and the cipher of the transport. The lists of published
 * vectors are in test_noise_vectors.c. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/noise/aead.h"
#include "lib/noise/noise.h"
#include "lib/noise/secp.h"
#include "lib/noise/symmetric.h"
#include "lib/util/hex.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * A whole handshake with fixed keys. There is no published transcript of the Sv2 handshake: this
 * one was computed with an independent implementation, whose ECDH reproduces the vectors of BIP324.
 * The secrets are 32 times 11 (initiator), 22 (responder), 33 (responder's static key), 44
 * (authority); ElligatorSwift encodings are not unique, these are part of the input.
 */
#define INITIATOR_E                                                                                \
	"801e5c88fff39cfd95700e304b96a921ea747f9db3f2598a84976835d4d6aad9"                         \
	"98e2b8d4739905b9d6dbab22aa6f6da8aa625973acfe9ed9286b4934a964a211"
#define RESPONDER_E                                                                                \
	"b8ce698868b6dbf943f8f5d13c64c8776e6e91a906745702ee7df2fc03fec65d"                         \
	"432d94c71ab5ef8df45bed56ddd8d38959b902dbeb8c3ffe3ac9f25314950a22"
#define RESPONDER_S                                                                                \
	"89120d926588f3a3afc8549e9085ccd2aae065efe192a88f5102c53378905a84"                         \
	"fef88402ae96ec9164600b3c093d0bee7f6d94561a50a98474d9713b9fc73358"
#define STATIC_X "3c72addb4fdf09af94f0c94d7fe92a386a7e70cf8a1d85916386bb2535c7b1b1"
#define AUTHORITY_X "2c0b7cf95324a07d05398b240174dc0c2be444d96b159aa6c7f7b1e668680991"
#define VALID_FROM 0x60000000u
#define NOT_VALID_AFTER 0xffffffffu
#define CERTIFICATE                                                                                \
	"000000000060ffffffff"                                                                     \
	"7a52ff4bcf5c86c19f8a6cc7f6d52ded1a4eb43a76f05d3b8485b0ba15a2c98a"                         \
	"aa9a11aaadfba50da71a47659de323fe9939ba2379d1baf0507049278dee8cf3"
#define ACT2                                                                                       \
	RESPONDER_E "0f04e36d509d376f7c2e979f84099b12e7ef3afaf22f2444959f6b3984089631"             \
		    "0951f35f7f30b3c1eb40ac9ae24992ef8967359260340ded76a606cadb638d83"             \
		    "21c15b9aa8d11b6150e1755bf1819dc4"                                             \
		    "77feb80b10f5c76b7049ad49efc3dc640725cab7e0f616d20f8bf3506191979b"             \
		    "76f9890217d12ca5324e74e160b124175637be5d19250f7511f07f56afc89ef3"             \
		    "3197f4d6ccad7856cd16aba31fef493a5b87313c80e0ffaa3de9"
#define FINAL_H "d184cd52eecb1e18bafc1db0609aad24c76ed9e93b6982b71e0a79a45fd5fca0"

static void unhex(const char *text, uint8_t *out, size_t size)
{
	ck_assert_msg(hex_decode(text, out, size), "bad hex in the test: %s", text);
}

static void assert_hex(const void *data, size_t size, const char *text)
{
	char shown[2 * NOISE_ACT2_SIZE + 1];

	ck_assert_uint_le(size, NOISE_ACT2_SIZE);
	hex_encode(data, size, shown);
	ck_assert_str_eq(shown, text);
}

/* Both sides of the fixed handshake. */
struct pair {
	uint8_t authority_secret[32];
	uint8_t authority_x[32];
	uint8_t act1[NOISE_ACT1_SIZE];
	uint8_t act2[NOISE_ACT2_SIZE];
	struct noise_identity id;
	struct noise_handshake initiator;
	struct noise_handshake responder;
	struct noise_cipher to_responder; /* the initiator sends with it */
	struct noise_cipher from_initiator;
	struct noise_cipher to_initiator;
	struct noise_cipher from_responder;
};

static void fixed_identity(struct pair *p)
{
	const uint8_t aux[32] = {0};

	memset(p->authority_secret, 0x44, 32);
	unhex(AUTHORITY_X, p->authority_x, 32);
	memset(p->id.secret, 0x33, 32);
	unhex(RESPONDER_S, p->id.ellswift, 64);
	secp_ellswift_x(p->id.ellswift, p->id.x);
	p->id.valid_from = VALID_FROM;
	p->id.not_valid_after = NOT_VALID_AFTER;
	ck_assert_int_eq(noise_certificate_sign(p->authority_secret, p->id.x, VALID_FROM,
						NOT_VALID_AFTER, aux, p->id.certificate),
			 ADIT_OK);
}

/* Everything up to act 2, which the initiator has still to read. */
static void fixed_acts(struct pair *p)
{
	uint8_t secret[32];
	uint8_t ellswift[64];
	struct error e;

	memset(p, 0, sizeof(*p));
	fixed_identity(p);
	memset(secret, 0x11, sizeof(secret));
	unhex(INITIATOR_E, ellswift, sizeof(ellswift));
	ck_assert_int_eq(noise_initiator_start_with(&p->initiator, secret, ellswift, p->act1),
			 ADIT_OK);
	memset(secret, 0x22, sizeof(secret));
	unhex(RESPONDER_E, ellswift, sizeof(ellswift));
	ck_assert_int_eq(noise_responder_with(&p->responder, &p->id, secret, ellswift, p->act1,
					      p->act2, &p->to_initiator, &p->from_initiator, &e),
			 ADIT_OK);
}

static int32_t finish(struct pair *p, uint32_t now, uint32_t skew, struct error *e)
{
	return noise_initiator_finish(&p->initiator, p->act2, p->authority_x, now, skew,
				      &p->to_responder, &p->from_responder, e);
}

static void fixed_handshake(struct pair *p)
{
	struct error e = {.text = ""};

	fixed_acts(p);
	ck_assert_msg(finish(p, VALID_FROM, 0, &e) == ADIT_OK, "%s", e.text);
}

static void pair_fini(struct pair *p)
{
	noise_cipher_fini(&p->to_responder);
	noise_cipher_fini(&p->from_responder);
	noise_cipher_fini(&p->to_initiator);
	noise_cipher_fini(&p->from_initiator);
}

START_TEST(start_values)
{
	struct noise_handshake hs;

	noise_symmetric_init(&hs);
	assert_hex(hs.ck, 32, "2eb47881208e9eee1f669f67c66ee70ea9ea88090d503fe830dc4bc83e29bf10");
	assert_hex(hs.h, 32, "922fa32e4f487c0d59caa3bed7899ce3d98db7e13dbd3b7cf2d23dd433dc6104");
}
END_TEST

START_TEST(transcript_of_the_acts)
{
	struct pair p;

	fixed_acts(&p);
	assert_hex(p.act1, NOISE_ACT1_SIZE, INITIATOR_E);
	assert_hex(p.initiator.h, 32,
		   "221a63bf761e748fb3c1248b986e6a8f670be4ad018c90a6354d148339e0c990");
	assert_hex(p.id.x, 32, STATIC_X);
	assert_hex(p.id.certificate, NOISE_CERTIFICATE_SIZE, CERTIFICATE);
	assert_hex(p.act2, NOISE_ACT2_SIZE, ACT2);
	assert_hex(p.responder.h, 32, FINAL_H);
	pair_fini(&p);
}
END_TEST

/* The two key exchanges and what they make of ck and k, from both sides. */
START_TEST(transcript_of_the_keys)
{
	static const char ee[] = "cc3f3b9dcf35b74d148c4615da3a9ecf72d54bef5e17e67ab8fb6515c1808b66";
	static const char es[] = "64a52e90f52aeee40a33801535ac0f8540715caadf8d7cdb66a0d16009fbb50e";
	uint8_t i[32], r[32], s[32], shared[32], k1[32], k2[32];
	uint8_t i_ell[64], r_ell[64], s_ell[64];
	struct noise_handshake hs;

	memset(i, 0x11, 32);
	memset(r, 0x22, 32);
	memset(s, 0x33, 32);
	unhex(INITIATOR_E, i_ell, 64);
	unhex(RESPONDER_E, r_ell, 64);
	unhex(RESPONDER_S, s_ell, 64);
	noise_symmetric_init(&hs);
	ck_assert(secp_ecdh(i, i_ell, r_ell, true, shared));
	assert_hex(shared, 32, ee);
	ck_assert(secp_ecdh(r, i_ell, r_ell, false, shared));
	assert_hex(shared, 32, ee);
	ck_assert_int_eq(noise_mix_key(&hs, shared), ADIT_OK);
	assert_hex(hs.ck, 32, "be52f5b3ac5556a1d005ce70f9b30363f93a9ced3fd67637ca1d29a86b3168b7");
	assert_hex(hs.k, 32, "8988c86b345840a4c675ff93d606fa520b31ea96a6571121dc104efb44098f01");
	ck_assert(secp_ecdh(i, i_ell, s_ell, true, shared));
	assert_hex(shared, 32, es);
	ck_assert(secp_ecdh(s, i_ell, s_ell, false, shared));
	assert_hex(shared, 32, es);
	ck_assert_int_eq(noise_mix_key(&hs, shared), ADIT_OK);
	assert_hex(hs.ck, 32, "da5a6a74d2af5815b32adb137703fbe4b0c7e929eb20f379fd13cabccc37faff");
	assert_hex(hs.k, 32, "93611854ee7d1cac6ff9466b19b5142b2bb36da73d09abcdf0cd2a33914bad75");
	ck_assert_int_eq(noise_split(&hs, k1, k2), ADIT_OK);
	assert_hex(k1, 32, "9f6cfe615868a68bc0b2803c47f8624e42f1d34dbf7f8d50f750504cd3325377");
	assert_hex(k2, 32, "f9148e83633059310b365ca3c2dfcdbfeb312d18dbc3efdf83f3d5eca6d62032");
}
END_TEST

/* Seals PLAIN with SEAL and compares; opens it with OPEN, in place. */
static void check_frame(struct noise_cipher *seal, struct noise_cipher *open, const char *plain,
			const char *sealed)
{
	uint8_t buffer[128];
	uint8_t out[128];
	size_t size = strlen(plain) / 2;

	unhex(plain, buffer, size);
	ck_assert_int_eq(noise_seal(seal, buffer, size, out), ADIT_OK);
	assert_hex(out, size + NOISE_MAC_SIZE, sealed);
	ck_assert_int_eq(noise_seal(seal, buffer, size, buffer), ADIT_OK);
	seal->nonce--;
	ck_assert_int_eq(noise_open(open, out, size + NOISE_MAC_SIZE, out), ADIT_OK);
	assert_hex(out, size, plain);
}

START_TEST(transcript_of_the_transport)
{
	struct pair p;

	fixed_handshake(&p);
	assert_hex(p.initiator.h, 32, FINAL_H);
	check_frame(&p.to_responder, &p.from_initiator, "000000520000",
		    "46416bd0c530922a4f6f1fd99d0391851727f168f27a");
	check_frame(
	    &p.to_responder, &p.from_initiator,
	    "020200020001000000"
	    "07302e302e302e306121074269746d61696e08533969203133"
	    "2e351c62726169696e732d6f732d323031382d30392d32322d312d6861736810736f6d652d64657669"
	    "63652d75756964",
	    "3596d8a3bbc27f68613b4ae8569d19f7c1c76aa9b3ed413e6d3a0827908be58670e602188c92e3e8"
	    "38130b374ed79870b3c3c685278281b694fa79994776a5be39af6c06d2daa14cd5af9c24198df54f"
	    "4eb4de0cc92e828fc4bc8d7f6c4877e4bd63");
	check_frame(&p.to_initiator, &p.from_responder, "000001060000",
		    "7cf8b7027b1eb5350f3a50b8b24ae12b3a80fde6f355");
	check_frame(&p.to_initiator, &p.from_responder, "020000000000",
		    "8630eb58493a46a2aa74176f52fead8ce97874a9e5eb");
	pair_fini(&p);
}
END_TEST

START_TEST(secrets_do_not_outlive_the_handshake)
{
	static const uint8_t zero[32];
	struct pair p;

	fixed_handshake(&p);
	ck_assert_int_eq(p.initiator.act, 3);
	ck_assert_int_eq(p.responder.act, 3);
	ck_assert_mem_eq(p.initiator.e_secret, zero, 32);
	ck_assert_mem_eq(p.initiator.ck, zero, 32);
	ck_assert_mem_eq(p.initiator.k, zero, 32);
	ck_assert_mem_eq(p.responder.e_secret, zero, 32);
	ck_assert_mem_eq(p.responder.ck, zero, 32);
	ck_assert_mem_eq(p.responder.k, zero, 32);
	pair_fini(&p);
}
END_TEST

/* With random keys on both sides, over several messages of all sizes that matter. */
START_TEST(random_handshake)
{
	static const size_t sizes[] = {0, 1, 6, 24, 1000, 65519};
	static uint8_t plain[65519], sealed[65535], opened[65519];
	struct pair p;
	struct error e;

	memset(&p, 0, sizeof(p));
	secp_generate(p.authority_secret);
	ck_assert(secp_public_x(p.authority_secret, p.authority_x));
	ck_assert_int_eq(noise_identity_issue(&p.id, p.authority_secret, 1000, 100, 10), ADIT_OK);
	ck_assert_int_eq(noise_initiator_start(&p.initiator, p.act1), ADIT_OK);
	ck_assert_int_eq(noise_responder(&p.responder, &p.id, p.act1, p.act2, &p.to_initiator,
					 &p.from_initiator, &e),
			 ADIT_OK);
	ck_assert_int_eq(finish(&p, 1000, 0, &e), ADIT_OK);
	ck_assert_mem_eq(p.initiator.h, p.responder.h, 32);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		memset(plain, (int)i + 1, sizeof(plain));
		ck_assert_int_eq(noise_seal(&p.to_responder, plain, sizes[i], sealed), ADIT_OK);
		ck_assert_int_eq(
		    noise_open(&p.from_initiator, sealed, sizes[i] + NOISE_MAC_SIZE, opened),
		    ADIT_OK);
		ck_assert(memcmp(plain, opened, sizes[i]) == 0);
	}
	ck_assert_int_eq(noise_seal(&p.to_responder, plain, 65520, sealed),
			 ADIT_E_INVALID_ARGUMENT);
	pair_fini(&p);
}
END_TEST

/* One flipped bit anywhere in act 2 ends the handshake, with an explanation and nothing left over.
 */
START_TEST(act2_flipped_bit)
{
	static const struct noise_handshake wiped;

	for (size_t i = 0; i < NOISE_ACT2_SIZE; i++) {
		struct error e = {.text = ""};
		struct pair p;

		fixed_acts(&p);
		p.act2[i] ^= (uint8_t)(1u << (i % 8));
		ck_assert_int_eq(finish(&p, VALID_FROM, 0, &e), ADIT_E_PROTOCOL);
		ck_assert_ptr_nonnull(strstr(e.text, "does not decrypt"));
		ck_assert(memcmp(&p.initiator, &wiped, sizeof(wiped)) == 0);
		ck_assert_ptr_null(p.to_responder.context);
		ck_assert_ptr_null(p.from_responder.context);
		pair_fini(&p);
	}
}
END_TEST

/* An altered act 1 leaves the responder content (every 64 bytes are a key) but with other keys. */
START_TEST(act1_flipped_bit)
{
	struct pair p;
	struct error e;

	fixed_acts(&p);
	pair_fini(&p);
	p.act1[40] ^= 1;
	ck_assert_int_eq(noise_responder(&p.responder, &p.id, p.act1, p.act2, &p.to_initiator,
					 &p.from_initiator, &e),
			 ADIT_OK);
	ck_assert_int_eq(finish(&p, VALID_FROM, 0, &e), ADIT_E_PROTOCOL);
	pair_fini(&p);
}
END_TEST

START_TEST(acts_have_an_order)
{
	struct pair p;
	struct error e;

	fixed_handshake(&p);
	pair_fini(&p);
	ck_assert_int_eq(finish(&p, VALID_FROM, 0, &e), ADIT_E_INTERNAL);
}
END_TEST

START_TEST(other_authority)
{
	uint8_t secret[32];
	struct error e = {.text = ""};
	struct pair p;

	fixed_acts(&p);
	memset(secret, 0x45, sizeof(secret));
	ck_assert(secp_public_x(secret, p.authority_x));
	ck_assert_int_eq(finish(&p, VALID_FROM, 0, &e), ADIT_E_PROTOCOL);
	ck_assert_ptr_nonnull(strstr(e.text, "not signed by the configured authority key"));
	pair_fini(&p);
}
END_TEST

START_TEST(no_authority_means_no_check)
{
	struct error e;
	struct pair p;

	fixed_acts(&p);
	ck_assert_int_eq(noise_initiator_finish(&p.initiator, p.act2, NULL, 0, 0, &p.to_responder,
						&p.from_responder, &e),
			 ADIT_OK);
	pair_fini(&p);
}
END_TEST

/* Certificates --------------------------------------------------------------------------------- */

struct moment {
	uint32_t now;
	uint32_t skew;
	bool good;
};

START_TEST(certificate_times)
{
	static const struct moment moments[] = {
	    {999, 0, false},        {1000, 0, true},   {2000, 0, true},
	    {2001, 0, false},       {989, 10, false},  {990, 10, true},
	    {2010, 10, true},       {2011, 10, false}, {0, UINT32_MAX, true},
	    {UINT32_MAX, 0, false}, {0, 999, false},   {UINT32_MAX, UINT32_MAX, true},
	};
	uint8_t certificate[NOISE_CERTIFICATE_SIZE];
	const uint8_t aux[32] = {0};
	struct pair p;

	fixed_identity(&p);
	ck_assert_int_eq(
	    noise_certificate_sign(p.authority_secret, p.id.x, 1000, 2000, aux, certificate),
	    ADIT_OK);
	for (size_t i = 0; i < COUNT(moments); i++) {
		const struct moment *m = &moments[i];
		int32_t code = noise_certificate_verify(certificate, p.id.x, p.authority_x, m->now,
							m->skew, NULL);

		ck_assert_msg(code == (m->good ? ADIT_OK : ADIT_E_PROTOCOL), "moment %zu: %d", i,
			      code);
	}
}
END_TEST

/* The text of a time failure holds what a person needs to see which clock is wrong. */
START_TEST(certificate_time_texts)
{
	uint8_t certificate[NOISE_CERTIFICATE_SIZE];
	const uint8_t aux[32] = {0};
	struct error e;
	struct pair p;

	fixed_identity(&p);
	ck_assert_int_eq(noise_certificate_sign(p.authority_secret, p.id.x, 1700000000, 1700003600,
						aux, certificate),
			 ADIT_OK);
	ck_assert_int_eq(
	    noise_certificate_verify(certificate, p.id.x, p.authority_x, 1600000000, 10, &e),
	    ADIT_E_PROTOCOL);
	ck_assert_int_eq(e.code, ADIT_E_PROTOCOL);
	ck_assert_ptr_nonnull(strstr(e.text, "is not valid yet"));
	ck_assert_ptr_nonnull(strstr(e.text, "2023-11-14 22:13:20"));
	ck_assert_ptr_nonnull(strstr(e.text, "2023-11-14 23:13:20 UTC"));
	ck_assert_ptr_nonnull(strstr(e.text, "2020-09-13 12:26:40 UTC"));
	ck_assert_ptr_nonnull(strstr(e.text, "tolerance 10 s"));
	ck_assert_int_eq(
	    noise_certificate_verify(certificate, p.id.x, p.authority_x, 1800000000, 10, &e),
	    ADIT_E_PROTOCOL);
	ck_assert_ptr_nonnull(strstr(e.text, "has expired"));
	ck_assert_ptr_nonnull(strstr(e.text, "2027-01-15 08:00:00 UTC"));
}
END_TEST

START_TEST(certificate_altered)
{
	struct pair p;

	fixed_identity(&p);
	for (size_t i = 0; i < NOISE_CERTIFICATE_SIZE; i++) {
		uint8_t certificate[NOISE_CERTIFICATE_SIZE];
		struct error e;

		memcpy(certificate, p.id.certificate, sizeof(certificate));
		certificate[i] ^= 0x80;
		ck_assert_int_eq(noise_certificate_verify(certificate, p.id.x, p.authority_x,
							  VALID_FROM, UINT32_MAX, &e),
				 ADIT_E_PROTOCOL);
		ck_assert_ptr_nonnull(strstr(e.text, i < 2 ? "has version" : "not signed"));
	}
	p.id.x[0] ^= 1; /* another static key */
	ck_assert_int_eq(
	    noise_certificate_verify(p.id.certificate, p.id.x, p.authority_x, VALID_FROM, 0, NULL),
	    ADIT_E_PROTOCOL);
}
END_TEST

START_TEST(certificate_for_bad_keys)
{
	uint8_t out[NOISE_CERTIFICATE_SIZE];
	const uint8_t zero[32] = {0};
	struct noise_identity id;
	struct error e;
	struct pair p;

	fixed_identity(&p);
	ck_assert_int_eq(noise_certificate_sign(zero, p.id.x, 0, 1, zero, out),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(noise_identity_issue(&id, zero, 0, 1, 0), ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(
	    noise_certificate_verify(p.id.certificate, p.id.x, zero, VALID_FROM, 0, &e),
	    ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(e.text, "authority key"));
}
END_TEST

START_TEST(identity_times_saturate)
{
	static const struct {
		uint32_t now, validity, skew, from, until;
	} cases[] = {
	    {1000, 100, 10, 990, 1100},
	    {5, 100, 10, 0, 105},
	    {UINT32_MAX - 5, 100, 0, UINT32_MAX - 5, UINT32_MAX},
	    {1000, UINT32_MAX, 1000, 0, UINT32_MAX},
	};
	struct pair p;

	fixed_identity(&p);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct noise_identity id;
		uint8_t x[32];

		ck_assert_int_eq(noise_identity_issue(&id, p.authority_secret, cases[i].now,
						      cases[i].validity, cases[i].skew),
				 ADIT_OK);
		ck_assert_uint_eq(id.valid_from, cases[i].from);
		ck_assert_uint_eq(id.not_valid_after, cases[i].until);
		secp_ellswift_x(id.ellswift, x);
		ck_assert_mem_eq(x, id.x, 32);
		ck_assert(secp_public_x(id.secret, x));
		ck_assert_mem_eq(x, id.x, 32);
		ck_assert_int_eq(noise_certificate_verify(id.certificate, id.x, p.authority_x,
							  cases[i].now, 0, NULL),
				 ADIT_OK);
		noise_identity_wipe(&id);
	}
}
END_TEST

/* Cipher --------------------------------------------------------------------------------------- */

/* RFC 8439, section 2.8.2. */
START_TEST(aead_rfc8439)
{
	static const char plain[] =
	    "Ladies and Gentlemen of the class of '99: If I could offer you "
	    "only one tip for the future, sunscreen would be it.";
	static const char sealed[] =
	    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
	    "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
	    "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	    "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd060"
	    "0691";
	const size_t size = sizeof(plain) - 1;
	uint8_t key[32], iv[AEAD_IV_SIZE], ad[12];
	uint8_t out[sizeof(plain) - 1 + NOISE_MAC_SIZE];
	void *context;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(0x80 + i);
	unhex("070000004041424344454647", iv, sizeof(iv));
	unhex("50515253c0c1c2c3c4c5c6c7", ad, sizeof(ad));
	context = aead_new(key);
	ck_assert_ptr_nonnull(context);
	ck_assert_int_eq(aead_seal(context, iv, ad, sizeof(ad), (const uint8_t *)plain, size, out),
			 ADIT_OK);
	assert_hex(out, sizeof(out), sealed);
	ad[0] ^= 1;
	ck_assert_int_eq(aead_open(context, iv, ad, sizeof(ad), out, sizeof(out), out),
			 ADIT_E_PROTOCOL);
	unhex(sealed, out, sizeof(out));
	ad[0] ^= 1;
	ck_assert_int_eq(aead_open(context, iv, ad, sizeof(ad), out, sizeof(out), out), ADIT_OK);
	ck_assert_mem_eq(out, plain, size);
	aead_free(context);
}
END_TEST

START_TEST(nonce_is_little_endian)
{
	uint8_t iv[AEAD_IV_SIZE];

	aead_iv(UINT64_C(0x0102030405060708), iv);
	assert_hex(iv, sizeof(iv), "000000000807060504030201");
}
END_TEST

START_TEST(wrong_mac_leaves_the_nonce)
{
	const uint8_t plain[24] = "twenty-four bytes, here";
	const uint8_t zero[24] = {0};
	uint8_t sealed[24 + NOISE_MAC_SIZE], out[24 + NOISE_MAC_SIZE];
	struct pair p;

	fixed_handshake(&p);
	ck_assert_int_eq(noise_seal(&p.to_responder, plain, 24, sealed), ADIT_OK);
	ck_assert_uint_eq(p.to_responder.nonce, 1);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		memcpy(out, sealed, sizeof(out));
		out[i] ^= 1;
		ck_assert_int_eq(noise_open(&p.from_initiator, out, sizeof(out), out),
				 ADIT_E_PROTOCOL);
		ck_assert_uint_eq(p.from_initiator.nonce, 0);
		ck_assert_mem_eq(out, zero, 24); /* nothing that was not authenticated gets out */
	}
	for (size_t size = 0; size < sizeof(sealed); size++)
		ck_assert_int_eq(noise_open(&p.from_initiator, sealed, size, out), ADIT_E_PROTOCOL);
	ck_assert_int_eq(noise_open(&p.from_initiator, sealed, sizeof(sealed), out), ADIT_OK);
	ck_assert_mem_eq(out, plain, 24);
	ck_assert_uint_eq(p.from_initiator.nonce, 1);
	/* The same bytes again: a replay. */
	ck_assert_int_eq(noise_open(&p.from_initiator, sealed, sizeof(sealed), out),
			 ADIT_E_PROTOCOL);
	/* The other direction has another key. */
	ck_assert_int_eq(noise_open(&p.from_responder, sealed, sizeof(sealed), out),
			 ADIT_E_PROTOCOL);
	pair_fini(&p);
}
END_TEST

/* Noise, section 5.1: 2^64 - 1 is reserved. */
START_TEST(nonce_exhaustion)
{
	uint8_t plain[6] = {0}, sealed[6 + NOISE_MAC_SIZE];
	struct pair p;

	fixed_handshake(&p);
	p.to_responder.nonce = UINT64_MAX - 1;
	p.from_initiator.nonce = UINT64_MAX - 1;
	ck_assert_int_eq(noise_seal(&p.to_responder, plain, 6, sealed), ADIT_OK);
	ck_assert_int_eq(noise_open(&p.from_initiator, sealed, sizeof(sealed), plain), ADIT_OK);
	ck_assert_int_eq(noise_seal(&p.to_responder, plain, 6, sealed), ADIT_E_LIMIT);
	ck_assert_int_eq(noise_open(&p.from_initiator, sealed, sizeof(sealed), plain),
			 ADIT_E_LIMIT);
	ck_assert_uint_eq(p.to_responder.nonce, UINT64_MAX);
	pair_fini(&p);
}
END_TEST

static TCase *handshake_cases(void)
{
	TCase *tcase = tcase_create("handshake");

	tcase_add_test(tcase, start_values);
	tcase_add_test(tcase, transcript_of_the_acts);
	tcase_add_test(tcase, transcript_of_the_keys);
	tcase_add_test(tcase, transcript_of_the_transport);
	tcase_add_test(tcase, secrets_do_not_outlive_the_handshake);
	tcase_add_test(tcase, random_handshake);
	tcase_add_test(tcase, act2_flipped_bit);
	tcase_add_test(tcase, act1_flipped_bit);
	tcase_add_test(tcase, acts_have_an_order);
	tcase_add_test(tcase, other_authority);
	tcase_add_test(tcase, no_authority_means_no_check);
	return tcase;
}

static TCase *certificate_cases(void)
{
	TCase *tcase = tcase_create("certificate");

	tcase_add_test(tcase, certificate_times);
	tcase_add_test(tcase, certificate_time_texts);
	tcase_add_test(tcase, certificate_altered);
	tcase_add_test(tcase, certificate_for_bad_keys);
	tcase_add_test(tcase, identity_times_saturate);
	return tcase;
}

static TCase *cipher_cases(void)
{
	TCase *tcase = tcase_create("cipher");

	tcase_add_test(tcase, aead_rfc8439);
	tcase_add_test(tcase, nonce_is_little_endian);
	tcase_add_test(tcase, wrong_mac_leaves_the_nonce);
	tcase_add_test(tcase, nonce_exhaustion);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("noise");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, handshake_cases());
	suite_add_tcase(suite, certificate_cases());
	suite_add_tcase(suite, cipher_cases());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
