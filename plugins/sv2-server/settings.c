/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/sv2-server/settings.h"

#include <stdio.h>
#include <string.h>

#include "lib/noise/identity.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

/* The file of the public key stands beside the secret's: x.key has x.pub, any other name gets .pub.
 */
static int32_t public_path(struct settings *s, struct error *e)
{
	size_t size = strlen(s->key_path);
	int n;

	if (size > 4 && strcmp(s->key_path + size - 4, ".key") == 0)
		size -= 4;
	n = snprintf(s->public_path, sizeof(s->public_path), "%.*s.pub", (int)size, s->key_path);
	if (n < 0 || (size_t)n >= sizeof(s->public_path))
		return error_set(e, ADIT_E_CONFIG, "authority_key: the path is too long");
	return ADIT_OK;
}

static int32_t key_path(struct settings *s, const struct adit_host_api *api, struct adit_host *host,
			struct error *e)
{
	struct adit_instance_info info = {.size = sizeof(info)};
	const char *path = api->config(host, "authority_key");
	int n;

	if (path != NULL && path[0] != '\0') {
		n = snprintf(s->key_path, sizeof(s->key_path), "%s", path);
	} else {
		int32_t r = api->info(host, &info);

		if (r != ADIT_OK)
			return error_set(e, r,
					 "the host does not say where the state directory is");
		n = snprintf(s->key_path, sizeof(s->key_path), "%s/authority.key", info.state_dir);
	}
	if (n < 0 || (size_t)n >= sizeof(s->key_path))
		return error_set(e, ADIT_E_CONFIG, "authority_key: the path is too long");
	return public_path(s, e);
}

static int32_t offline_paths(struct settings *s, const struct adit_host_api *api,
			     struct adit_host *host, struct error *e)
{
	const char *key = api->config(host, "static_key");
	const char *certificate = api->config(host, "certificate");
	const char *authority = api->config(host, "authority_key");
	bool has_key = key != NULL && key[0] != '\0';
	bool has_certificate = certificate != NULL && certificate[0] != '\0';

	if (has_key != has_certificate)
		return error_set(e, ADIT_E_CONFIG,
				 "static_key and certificate belong together: %s is missing",
				 has_key ? "certificate" : "static_key");
	if (has_key && authority != NULL && authority[0] != '\0')
		return error_set(e, ADIT_E_CONFIG,
				 "authority_key and static_key: only one of them; with static_key "
				 "the authority's secret is elsewhere");
	if (has_key && (strlen(key) >= sizeof(s->static_path) ||
			strlen(certificate) >= sizeof(s->certificate_path)))
		return error_set(e, ADIT_E_CONFIG, "static_key: the path is too long");
	(void)snprintf(s->static_path, sizeof(s->static_path), "%s", has_key ? key : "");
	(void)snprintf(s->certificate_path, sizeof(s->certificate_path), "%s",
		       has_key ? certificate : "");
	return ADIT_OK;
}

/* A non-negative number that the schema has checked; durations come as milliseconds. */
static int32_t number(const struct adit_host_api *api, struct adit_host *host, const char *key,
		      uint32_t divisor, uint32_t *out, struct error *e)
{
	int64_t value;
	int32_t r = api->config_int(host, key, &value);

	if (r != ADIT_OK || value < 0 || value / divisor > UINT32_MAX)
		return error_set(e, ADIT_E_CONFIG, "%s: no usable value", key);
	*out = (uint32_t)(value / divisor);
	return ADIT_OK;
}

static size_t from_kib(uint64_t kib)
{
	return kib < SIZE_MAX / 1024 ? (size_t)kib * 1024 : SIZE_MAX;
}

int32_t settings_read(struct settings *s, const struct adit_host_api *api, struct adit_host *host,
		      struct error *e)
{
	struct sv2_server_options *o = &s->options;
	uint32_t pending = 0;
	uint32_t queued = 0; /* KiB */
	uint32_t unfinished = 0;
	const struct {
		const char *key;
		uint32_t divisor;
		uint32_t *out;
	} numbers[] = {
	    {"certificate_validity", 1000, &o->certificate_validity},
	    {"certificate_skew", 1000, &o->certificate_skew},
	    {"handshake_timeout", 1, &o->handshake_timeout_ms},
	    {"idle_timeout", 1, &o->idle_timeout_ms},
	    {"write_timeout", 1, &o->write_timeout_ms},
	    {"max_connections", 1, &o->max_connections},
	    {"max_handshakes", 1, &o->max_handshakes},
	    {"max_per_address", 1, &o->max_per_address},
	    {"accept_rate", 1, &o->accept_rate},
	    {"max_pending", 1, &pending},
	    {"max_queued", 1024, &queued},
	    {"max_unfinished", 1024, &unfinished},
	};
	const char *listen = api->config(host, "listen");
	int32_t r;

	*s = (struct settings){0};
	r = key_path(s, api, host, e);
	if (r == ADIT_OK)
		r = offline_paths(s, api, host, e);
	s->listens = listen != NULL && listen[0] != '\0';
	if (r == ADIT_OK && listen != NULL && strlen(listen) >= sizeof(s->listen))
		r = error_set(e, ADIT_E_CONFIG, "listen: more than %zu bytes",
			      sizeof(s->listen) - 1);
	(void)snprintf(s->listen, sizeof(s->listen), "%s", listen != NULL ? listen : "");
	for (size_t i = 0; r == ADIT_OK && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		r = number(api, host, numbers[i].key, numbers[i].divisor, numbers[i].out, e);
	o->max_pending = pending;
	o->max_queued = from_kib(queued);
	o->max_unfinished = from_kib(unfinished);
	return r;
}

int32_t settings_authority(const struct settings *s, uint8_t secret[32],
			   char public_text[NOISE_KEY_TEXT_SIZE], struct error *e)
{
	uint8_t x[32];
	uint8_t stored[32];
	int32_t r = noise_key_load_or_create(s->key_path, secret, e);

	if (r != ADIT_OK)
		return r;
	r = noise_key_public(secret, x);
	if (r != ADIT_OK)
		return error_set(e, r, "%s: not a key", s->key_path);
	noise_public_format(x, public_text);
	if (noise_public_load(s->public_path, stored, NULL) == ADIT_OK &&
	    memcmp(stored, x, sizeof(x)) == 0)
		return ADIT_OK;
	return noise_public_store(s->public_path, x, e);
}

int32_t settings_identity(const struct settings *s, struct noise_identity *id,
			  char public_text[NOISE_KEY_TEXT_SIZE], struct error *e)
{
	uint8_t x[32];
	int32_t r =
	    noise_identity_load(id, x, s->static_path, s->certificate_path, clock_unix(), e);

	if (r == ADIT_OK)
		noise_public_format(x, public_text);
	return r;
}
