/* SPDX-License-Identifier: MIT */
/* The role miningos: its life cycle. */
#include "config.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/plugin.h>

#include "lib/util/clock.h"
#include "plugins/miningos/miningos.h"

#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

void mos_log(const struct miningos *m, int32_t level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!m->api->log_enabled(m->host, level))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	m->api->log(m->host, level, text, strlen(text));
}

void mos_publish(const struct miningos *m, const char *type, struct json_object *object)
{
	size_t size;
	const char *text;

	if (object == NULL)
		return;
	text = json_object_to_json_string_length(object, JSON_FLAGS, &size);
	if (text != NULL)
		m->api->publish(m->host, type, text, size, NULL, 0);
	json_object_put(object);
}

void mos_answer(const struct miningos *m, struct adit_request *request, struct json_object *result)
{
	size_t size;
	const char *text = json_object_to_json_string_length(result, JSON_FLAGS, &size);

	if (text != NULL)
		m->api->reply(m->host, request, ADIT_OK, "", text, size, NULL, 0);
	else
		m->api->reply(m->host, request, ADIT_E_NO_MEMORY, "out of memory", "", 0, NULL, 0);
	json_object_put(result);
}

/* --- life cycle --- */

static int32_t mos_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct miningos *m = calloc(1, sizeof(*m));
	struct error e = {0};
	int32_t r;

	if (m == NULL)
		return ADIT_E_NO_MEMORY;
	m->api = api;
	m->host = host;
	m->info.size = sizeof(m->info);
	m->started_ms = clock_unix_ms();
	rack_begin(m);
	r = api->info(host, &m->info);
	if (r == ADIT_OK)
		r = mos_settings_read(&m->settings, api, host, &e);
	if (r != ADIT_OK) {
		api->set_error(host, e.text);
		free(m);
		return r;
	}
	*instance = m;
	return ADIT_OK;
}

static int32_t mos_start(void *instance)
{
	(void)instance;
	return ADIT_OK;
}

static int32_t mos_stop(void *instance)
{
	struct miningos *m = instance;

	rack_end(m);
	return ADIT_OK;
}

static void mos_fini(void *instance)
{
	struct miningos *m = instance;

	mos_stop(m);
	free(m);
}

const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "miningos",
    .version = PACKAGE_VERSION,
    .init = mos_init,
    .start = mos_start,
    .stop = mos_stop,
    .fini = mos_fini,
};
