/* SPDX-License-Identifier: MIT */
/*
 * certificate.c: SIGNATURE_NOISE_MESSAGE (Stratum V2 specification, section 4.5.3), the proof that
 * an authority vouches for a server's static key: version u16, valid_from u32, not_valid_after u32
 * (Unix seconds), BIP340 signature; all little-endian.
 */
#include "config.h"

#include "lib/noise/noise.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <string.h>
#include <time.h>

#include "lib/noise/keys.h"
#include "lib/noise/secp.h"
#include "lib/util/random.h"
#include "lib/util/reader.h"

#define SIGNED_FIELDS_SIZE 10 /* version and both times */
#define TIME_TEXT_SIZE 32

/* What is signed: SHA-256 over the first ten bytes of the certificate and the static key's x. */
static void digest(const uint8_t fields[SIGNED_FIELDS_SIZE], const uint8_t static_x[32],
		   uint8_t out[32])
{
	uint8_t both[SIGNED_FIELDS_SIZE + 32];

	memcpy(both, fields, SIGNED_FIELDS_SIZE);
	memcpy(both + SIGNED_FIELDS_SIZE, static_x, 32);
	(void)SHA256(both, sizeof(both), out);
}

int32_t noise_certificate_sign(const uint8_t authority_secret[32], const uint8_t static_x[32],
			       uint32_t valid_from, uint32_t not_valid_after, const uint8_t aux[32],
			       uint8_t out[NOISE_CERTIFICATE_SIZE])
{
	struct writer w;
	uint8_t message[32];

	writer_init(&w, out, NOISE_CERTIFICATE_SIZE);
	writer_u16(&w, 0);
	writer_u32(&w, valid_from);
	writer_u32(&w, not_valid_after);
	digest(out, static_x, message);
	if (!secp_sign(authority_secret, message, aux, out + SIGNED_FIELDS_SIZE))
		return ADIT_E_INVALID_ARGUMENT;
	return ADIT_OK;
}

static void format_utc(uint32_t seconds, char out[TIME_TEXT_SIZE])
{
	time_t when = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(out, TIME_TEXT_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		out[0] = '\0';
}

/* A server that has just signed with a clock slightly ahead of ours is not to be turned away, so
 * both ends give way by SKEW. */
static int32_t check_time(uint32_t from, uint32_t until, uint32_t now, uint32_t skew,
			  struct error *e)
{
	char from_text[TIME_TEXT_SIZE];
	char until_text[TIME_TEXT_SIZE];
	char now_text[TIME_TEXT_SIZE];
	bool early = (uint64_t)now + skew < from;
	bool late = now > (uint64_t)until + skew;

	if (!early && !late)
		return ADIT_OK;
	format_utc(from, from_text);
	format_utc(until, until_text);
	format_utc(now, now_text);
	return error_set(
	    e, ADIT_E_PROTOCOL,
	    "the server's certificate %s: it is valid from %s to %s UTC, this machine's "
	    "clock says %s UTC (tolerance %" PRIu32 " s): check both clocks%s",
	    early ? "is not valid yet" : "has expired", from_text, until_text, now_text, skew,
	    early ? "" : ", or renew the certificate");
}

int32_t noise_certificate_verify(const uint8_t certificate[NOISE_CERTIFICATE_SIZE],
				 const uint8_t static_x[32], const uint8_t authority_x[32],
				 uint32_t now, uint32_t skew, struct error *e)
{
	struct reader r;
	uint8_t message[32];
	char authority[NOISE_KEY_TEXT_SIZE];
	uint16_t version;
	uint32_t from;
	uint32_t until;

	reader_init(&r, certificate, NOISE_CERTIFICATE_SIZE);
	version = reader_u16(&r);
	from = reader_u32(&r);
	until = reader_u32(&r);
	if (version != 0)
		return error_set(e, ADIT_E_PROTOCOL,
				 "the server's certificate has version %u, only 0 is known",
				 version);
	if (!secp_x_valid(authority_x))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "the authority key is not a point of the curve");
	digest(certificate, static_x, message);
	/* Before the times, so that only times the authority has signed are shown. */
	if (!secp_verify(authority_x, message, certificate + SIGNED_FIELDS_SIZE)) {
		noise_public_format(authority_x, authority);
		return error_set(
		    e, ADIT_E_PROTOCOL,
		    "the server's certificate is not signed by the configured authority key "
		    "%s: compare it with the server's",
		    authority);
	}
	return check_time(from, until, now, skew, e);
}

int32_t noise_identity_issue(struct noise_identity *id, const uint8_t authority_secret[32],
			     uint32_t now, uint32_t validity, uint32_t skew)
{
	uint8_t aux[32];
	int32_t code;

	secp_generate_ellswift(id->secret, id->ellswift);
	secp_ellswift_x(id->ellswift, id->x);
	id->valid_from = now > skew ? now - skew : 0;
	id->not_valid_after = validity < UINT32_MAX - now ? now + validity : UINT32_MAX;
	random_bytes(aux, sizeof(aux));
	code = noise_certificate_sign(authority_secret, id->x, id->valid_from, id->not_valid_after,
				      aux, id->certificate);
	secure_wipe(aux, sizeof(aux));
	if (code != ADIT_OK)
		noise_identity_wipe(id);
	return code;
}

void noise_identity_wipe(struct noise_identity *id)
{
	secure_wipe(id, sizeof(*id));
}
