/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/sv2-server/settings.h"

#include <stdio.h>
#include <string.h>

static int32_t key_files(struct settings *s, const struct adit_host_api *api,
			 struct adit_host *host, struct error *e)
{
	struct adit_instance_info info = {.size = sizeof(info)};
	int32_t r = api->info(host, &info);

	if (r != ADIT_OK)
		return error_set(e, r, "the host does not say where the state directory is");
	return sv2_key_files_set(&s->keys, api->config(host, "authority_key"),
				 api->config(host, "static_key"), api->config(host, "certificate"),
				 info.state_dir, e);
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
	r = key_files(s, api, host, e);
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
