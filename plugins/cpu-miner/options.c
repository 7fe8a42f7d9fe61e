/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/cpu-miner/options.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/noise/keys.h"
#include "plugins/cpu-miner/hasher.h"

#define SCHEME "stratum2+tcp://"

static int32_t parse_key(struct miner_options *o, const char *text, struct error *e)
{
	struct error why;

	if (noise_public_parse(text, o->authority_x, &why) != ADIT_OK)
		return error_set(e, ADIT_E_CONFIG, "authority key: %s", why.text);
	o->has_authority = true;
	return ADIT_OK;
}

int32_t miner_options_upstream(struct miner_options *o, const char *text, struct error *e)
{
	const char *at = text;
	size_t size = strlen(text);
	const char *slash;

	if (strncmp(text, SCHEME, strlen(SCHEME)) == 0) {
		at = text + strlen(SCHEME);
		slash = strchr(at, '/');
		if (slash == NULL)
			return error_set(e, ADIT_E_CONFIG,
					 "upstream: expected " SCHEME "HOST:PORT/AUTHORITY_KEY");
		int32_t r = parse_key(o, slash + 1, e);
		if (r != ADIT_OK)
			return r;
		size = (size_t)(slash - at);
	}
	if (size == 0 || size >= sizeof(o->upstream))
		return error_set(e, ADIT_E_CONFIG, "upstream: expected HOST:PORT");
	memcpy(o->upstream, at, size);
	o->upstream[size] = '\0';
	return ADIT_OK;
}

static const char *text_of(const struct miner_host *h, const char *key)
{
	const char *text = h->api->config(h->handle, key);

	return text != NULL ? text : "";
}

static int32_t read_int(const struct miner_host *h, const char *key, uint64_t max, uint64_t *out,
			struct error *e)
{
	int64_t n;

	if (h->api->config_int(h->handle, key, &n) != ADIT_OK || n < 0 || (uint64_t)n > max)
		return error_set(e, ADIT_E_CONFIG, "%s: expected a number up to %llu", key,
				 (unsigned long long)max);
	*out = (uint64_t)n;
	return ADIT_OK;
}

static int32_t read_numbers(const struct miner_host *h, struct miner_options *o, struct error *e)
{
	const char *nominal = text_of(h, "nominal_hash_rate");
	uint64_t threads = 0, rate = 0, size = 0;
	char *end;
	int32_t r = read_int(h, "threads", MINER_MAX_THREADS, &threads, e);

	if (r == ADIT_OK)
		r = read_int(h, "hashrate_limit", INT64_MAX, &rate, e);
	if (r == ADIT_OK)
		r = read_int(h, "min_extranonce_size", MINER_EXTRANONCE_MAX, &size, e);
	if (r != ADIT_OK)
		return r;
	o->nominal_hash_rate = strtod(nominal, &end);
	if (*end != '\0' || !isfinite(o->nominal_hash_rate) || o->nominal_hash_rate < 0)
		return error_set(e, ADIT_E_CONFIG, "nominal_hash_rate: expected hashes a second");
	o->threads = threads > 0 ? (uint32_t)threads : 1;
	o->rate = rate;
	o->min_extranonce_size = (uint32_t)size;
	return ADIT_OK;
}

/* A key is demanded: without it anyone on the way could take the work over. */
static int32_t read_authority(const struct miner_host *h, struct miner_options *o, struct error *e)
{
	const char *key = text_of(h, "authority_public_key");
	const char *file = text_of(h, "authority_key_file");

	if (key[0] != '\0')
		return parse_key(o, key, e);
	if (o->has_authority)
		return ADIT_OK;
	if (file[0] == '\0' || strlen(file) >= sizeof(o->key_file))
		return error_set(
		    e, ADIT_E_CONFIG,
		    "authority_public_key: the key that the server shows at its start (or "
		    "authority_key_file, or upstream = " SCHEME "HOST:PORT/KEY)");
	snprintf(o->key_file, sizeof(o->key_file), "%s", file);
	return ADIT_OK;
}

int32_t miner_options_read(const struct miner_host *host, struct miner_options *o, struct error *e)
{
	const char *user = text_of(host, "user");
	int32_t r;

	*o = (struct miner_options){0};
	if (strlen(user) >= sizeof(o->user))
		return error_set(e, ADIT_E_CONFIG, "user: at most 255 bytes");
	snprintf(o->user, sizeof(o->user), "%s", user);
	o->extended = strcmp(text_of(host, "channel"), "extended") == 0;
	o->header_only = strcmp(text_of(host, "header_only"), "true") == 0;
	r = miner_options_upstream(o, text_of(host, "upstream"), e);
	if (r == ADIT_OK)
		r = read_authority(host, o, e);
	if (r == ADIT_OK)
		r = read_numbers(host, o, e);
	return r;
}

bool miner_options_same_upstream(const struct miner_options *a, const struct miner_options *b)
{
	return strcmp(a->upstream, b->upstream) == 0 && a->has_authority == b->has_authority &&
	       memcmp(a->authority_x, b->authority_x, sizeof(a->authority_x)) == 0 &&
	       strcmp(a->key_file, b->key_file) == 0 && strcmp(a->user, b->user) == 0 &&
	       a->extended == b->extended && a->header_only == b->header_only &&
	       a->min_extranonce_size == b->min_extranonce_size;
}

int32_t miner_options_load_key(struct miner_options *o, struct error *e)
{
	char text[2 * NOISE_KEY_TEXT_SIZE];
	int fd = open(o->key_file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return error_set(e, errno == ENOENT ? ADIT_E_NOT_FOUND : ADIT_E_IO, "%s: %s",
				 o->key_file, strerror(errno));
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return error_set(e, ADIT_E_IO, "%s: nothing to read", o->key_file);
	text[n] = '\0';
	text[strcspn(text, " \t\r\n")] = '\0';
	return parse_key(o, text, e);
}
