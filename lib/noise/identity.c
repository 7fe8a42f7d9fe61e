/* SPDX-License-Identifier: MIT */
/* identity.c: static keys and certificates in files, for an authority on another machine. */
#include "config.h"

#include "lib/noise/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/noise/keyfile.h"
#include "lib/noise/keys.h"
#include "lib/noise/secp.h"
#include "lib/util/hex.h"
#include "lib/util/random.h"
#include "lib/util/reader.h"

#define CERTIFICATE_HEX (2 * NOISE_CERTIFICATE_SIZE + 1)
#define CERTIFICATE_TEXT_MAX 1024
#define PUBLIC_MODE (S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH)

int32_t noise_request_create(const char *key_path, const char *request_path, uint8_t static_x[32],
			     struct error *e)
{
	uint8_t secret[32];
	int32_t code = noise_key_load_or_create(key_path, secret, e);

	if (code == ADIT_OK && noise_key_public(secret, static_x) != ADIT_OK)
		code = error_set(e, ADIT_E_CONFIG, "%s: not a key", key_path);
	secure_wipe(secret, sizeof(secret));
	return code == ADIT_OK ? noise_public_store(request_path, static_x, e) : code;
}

static int32_t certificate_store(const char *path, const uint8_t authority_x[32],
				 const struct noise_identity *id, struct error *e)
{
	char authority[NOISE_KEY_TEXT_SIZE];
	char key[NOISE_KEY_TEXT_SIZE];
	char hex[CERTIFICATE_HEX];
	char text[CERTIFICATE_TEXT_MAX];

	noise_public_format(authority_x, authority);
	noise_public_format(id->x, key);
	hex_encode(id->certificate, sizeof(id->certificate), hex);
	(void)snprintf(text, sizeof(text), "authority %s\nstatic %s\ncertificate %s", authority,
		       key, hex);
	return keyfile_replace(path, PUBLIC_MODE, text, e);
}

int32_t noise_request_sign(const uint8_t authority_secret[32], const char *request_path,
			   const char *certificate_path, uint32_t now, uint32_t validity,
			   uint32_t skew, struct noise_identity *id, struct error *e)
{
	uint8_t authority_x[32], aux[32];
	int32_t code = noise_public_load(request_path, id->x, e);

	if (code != ADIT_OK)
		return code;
	if (noise_key_public(authority_secret, authority_x) != ADIT_OK)
		return error_set(e, ADIT_E_CONFIG, "the authority's secret is no key");
	if (memcmp(authority_x, id->x, sizeof(authority_x)) == 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "%s: this is the authority's own public key; the request comes "
				 "from the server: `aditctl keys request` makes it",
				 request_path);
	id->valid_from = now > skew ? now - skew : 0;
	id->not_valid_after = validity < UINT32_MAX - now ? now + validity : UINT32_MAX;
	random_bytes(aux, sizeof(aux));
	code = noise_certificate_sign(authority_secret, id->x, id->valid_from, id->not_valid_after,
				      aux, id->certificate);
	secure_wipe(aux, sizeof(aux));
	if (code != ADIT_OK)
		return error_set(e, code, "the authority's secret can't sign");
	return certificate_store(certificate_path, authority_x, id, e);
}

/* One that is too long is cut, and then is no certificate. */
static int32_t read_text(const char *path, char text[CERTIFICATE_TEXT_MAX], struct error *e)
{
	int32_t code = keyfile_read(path, 0, text, CERTIFICATE_TEXT_MAX, NULL, e);

	if (code == ADIT_E_NOT_FOUND)
		return error_set(e, code, "%s: %s: the authority makes it with `aditctl keys sign`",
				 path, strerror(ENOENT));
	return code;
}

/* Takes the line "NAME VALUE" off *AT; NULL when it is another one. */
static const char *take_line(char **at, const char *name)
{
	size_t size = strlen(name);
	char *value = *at + size + 1;
	size_t length;

	if (strncmp(*at, name, size) != 0 || (*at)[size] != ' ')
		return NULL;
	length = strcspn(value, "\r\n");
	*at = value + length;
	*at += strspn(*at, "\r\n");
	value[length] = '\0';
	return value;
}

static int32_t certificate_load(const char *path, uint8_t authority_x[32], uint8_t static_x[32],
				uint8_t certificate[NOISE_CERTIFICATE_SIZE], struct error *e)
{
	char text[CERTIFICATE_TEXT_MAX];
	const char *authority, *key, *hex;
	struct error why;
	char *at = text;
	int32_t code = read_text(path, text, e);

	if (code != ADIT_OK)
		return code;
	authority = take_line(&at, "authority");
	key = authority != NULL ? take_line(&at, "static") : NULL;
	hex = key != NULL ? take_line(&at, "certificate") : NULL;
	if (hex == NULL || *at != '\0' ||
	    noise_public_parse(authority, authority_x, &why) != ADIT_OK ||
	    noise_public_parse(key, static_x, &why) != ADIT_OK ||
	    !hex_decode(hex, certificate, NOISE_CERTIFICATE_SIZE))
		return error_set(e, ADIT_E_CONFIG,
				 "%s: not a certificate: the authority makes it with `aditctl keys "
				 "sign`",
				 path);
	return ADIT_OK;
}

/* Takes the times out of the certificate, and makes an encoding of the key. */
static int32_t identity_complete(struct noise_identity *id, const char *key_path, struct error *e)
{
	struct reader r;

	reader_init(&r, id->certificate, sizeof(id->certificate));
	(void)reader_u16(&r);
	id->valid_from = reader_u32(&r);
	id->not_valid_after = reader_u32(&r);
	if (!secp_ellswift(id->secret, id->ellswift))
		return error_set(e, ADIT_E_CONFIG, "%s: not a key", key_path);
	secp_ellswift_x(id->ellswift, id->x);
	return ADIT_OK;
}

int32_t noise_identity_load(struct noise_identity *id, uint8_t authority_x[32],
			    const char *key_path, const char *certificate_path, uint32_t now,
			    struct error *e)
{
	uint8_t static_x[32];
	struct error why;
	int32_t code = noise_key_load(key_path, id->secret, e);

	if (code == ADIT_E_NOT_FOUND)
		(void)error_set(e, code, "%s: not found: make it with `aditctl keys request`",
				key_path);
	if (code == ADIT_OK)
		code =
		    certificate_load(certificate_path, authority_x, static_x, id->certificate, e);
	if (code == ADIT_OK)
		code = identity_complete(id, key_path, e);
	if (code == ADIT_OK && memcmp(static_x, id->x, sizeof(static_x)) != 0)
		code = error_set(e, ADIT_E_CONFIG,
				 "%s: signed for another key than %s: have the request of this "
				 "key signed (aditctl keys request)",
				 certificate_path, key_path);
	if (code == ADIT_OK &&
	    noise_certificate_verify(id->certificate, id->x, authority_x, now, 0, &why) != ADIT_OK)
		code = error_set(e, ADIT_E_CONFIG, "%.120s: %.380s", certificate_path, why.text);
	if (code != ADIT_OK)
		noise_identity_wipe(id);
	return code;
}
