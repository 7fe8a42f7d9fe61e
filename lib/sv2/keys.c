/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <adit/plugin.h>

#include "lib/noise/identity.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

#define EXPIRY_WARN_S (14u * 86400u) /* or the last quarter of its life, if that is shorter */

static bool is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* --- files -------------------------------------------------------------------------------------
 */

static int32_t copy_path(const char *key, const char *path, char out[PATH_MAX], struct error *e)
{
	if (strlen(path) >= PATH_MAX)
		return error_set(e, ADIT_E_CONFIG, "%s: the path is too long", key);
	(void)snprintf(out, PATH_MAX, "%s", path);
	return ADIT_OK;
}

/* x.key has x.pub, any other name gets .pub. */
static int32_t set_public(struct sv2_key_files *f, struct error *e)
{
	size_t size = strlen(f->secret);
	int n;

	if (size > 4 && strcmp(f->secret + size - 4, ".key") == 0)
		size -= 4;
	n = snprintf(f->public_half, PATH_MAX, "%.*s.pub", (int)size, f->secret);
	if (n < 0 || n >= PATH_MAX)
		return error_set(e, ADIT_E_CONFIG, "authority_key: the path is too long");
	return ADIT_OK;
}

static int32_t set_secret(struct sv2_key_files *f, const char *authority_key, const char *state_dir,
			  struct error *e)
{
	int n;

	if (is_set(authority_key))
		n = snprintf(f->secret, PATH_MAX, "%s", authority_key);
	else
		n = snprintf(f->secret, PATH_MAX, "%s/authority.key", state_dir);
	if (n < 0 || n >= PATH_MAX)
		return error_set(e, ADIT_E_CONFIG, "authority_key: the path is too long");
	return set_public(f, e);
}

int32_t sv2_key_files_set(struct sv2_key_files *f, const char *authority_key,
			  const char *static_key, const char *certificate, const char *state_dir,
			  struct error *e)
{
	int32_t r;

	*f = (struct sv2_key_files){0};
	if (is_set(static_key) != is_set(certificate))
		return error_set(e, ADIT_E_CONFIG,
				 "static_key and certificate belong together: %s is missing",
				 is_set(static_key) ? "certificate" : "static_key");
	if (is_set(static_key) && is_set(authority_key))
		return error_set(e, ADIT_E_CONFIG,
				 "authority_key and static_key: only one of them; with static_key "
				 "the authority's secret is elsewhere");
	r = set_secret(f, authority_key, state_dir, e);
	if (r == ADIT_OK && is_set(static_key))
		r = copy_path("static_key", static_key, f->static_key, e);
	if (r == ADIT_OK && is_set(certificate))
		r = copy_path("certificate", certificate, f->certificate, e);
	return r;
}

/* --- keys --------------------------------------------------------------------------------------
 */

static int32_t load_authority(const struct sv2_key_files *f, struct sv2_keys *keys, struct error *e)
{
	uint8_t x[32];
	uint8_t stored[32];
	int32_t r = noise_key_load_or_create(f->secret, keys->secret, e);

	if (r != ADIT_OK)
		return r;
	r = noise_key_public(keys->secret, x);
	if (r != ADIT_OK)
		return error_set(e, r, "%s: not a key", f->secret);
	noise_public_format(x, keys->public_text);
	if (noise_public_load(f->public_half, stored, NULL) == ADIT_OK &&
	    memcmp(stored, x, sizeof(x)) == 0)
		return ADIT_OK;
	return noise_public_store(f->public_half, x, e);
}

static int32_t load_identity(const struct sv2_key_files *f, struct sv2_keys *keys, struct error *e)
{
	uint8_t x[32];
	int32_t r =
	    noise_identity_load(&keys->id, x, f->static_key, f->certificate, clock_unix(), e);

	if (r != ADIT_OK)
		return r;
	noise_public_format(x, keys->public_text);
	keys->certificate_from = keys->id.valid_from;
	keys->certificate_until = keys->id.not_valid_after;
	return ADIT_OK;
}

int32_t sv2_keys_load(const struct sv2_key_files *f, struct sv2_keys *keys,
		      struct sv2_server_options *options, struct error *e)
{
	bool elsewhere = f->static_key[0] != '\0';

	*keys = (struct sv2_keys){0};
	options->authority_secret = elsewhere ? NULL : keys->secret;
	options->identity = elsewhere ? &keys->id : NULL;
	return elsewhere ? load_identity(f, keys, e) : load_authority(f, keys, e);
}

void sv2_keys_wipe(struct sv2_keys *keys)
{
	noise_identity_wipe(&keys->id);
	secure_wipe(keys->secret, sizeof(keys->secret));
}

int32_t sv2_certificate_expiry(uint32_t from, uint32_t until, uint32_t now, char *out,
			       size_t capacity)
{
	uint32_t life = until - from;
	uint32_t left = until > now ? until - now : 0;
	uint32_t told = left > 0 ? left : life;

	if (until == 0 || left > (life / 4 < EXPIRY_WARN_S ? life / 4 : EXPIRY_WARN_S))
		return -1;
	(void)snprintf(
	    out, capacity,
	    "the certificate %s %lu hours %lu minutes%s: have the authority sign it again "
	    "(aditctl keys sign), put the file in place, and `aditctl reload`",
	    left > 0 ? "expires in" : "has expired; it was valid for", (unsigned long)told / 3600,
	    (unsigned long)told / 60 % 60, left > 0 ? "" : ", clients refuse it");
	return left > 0 ? ADIT_LOG_WARNING : ADIT_LOG_ERROR;
}
