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
#include "lib/util/hex.h"
#include "lib/util/random.h"
#include "plugins/miningos/feed.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/link.h"
#include "plugins/miningos/miningos.h"

#define SAVE_MS 60000u
#define SAVE_SOON_MS 5000u
#define SAVE_MANY 500u
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

struct json_object *mos_params(struct miningos *m, struct adit_request *request,
			       const struct adit_request_info *info)
{
	struct json_object *o = NULL;

	if (info->json_size == 0)
		return json_object_new_object();
	if (parse_json(info->json, info->json_size, &o) && json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	m->api->reply(m->host, request, ADIT_E_INVALID_ARGUMENT,
		      "the parameters are to be a JSON object", "", 0, NULL, 0);
	return NULL;
}

uint64_t mos_now_ms(void)
{
	return clock_unix_ms();
}

void mos_random_id(char *out)
{
	uint8_t bytes[32];
	char name[65];

	random_bytes(bytes, sizeof(bytes));
	hex_encode(bytes, sizeof(bytes), name);
	thing_make_id(name, out);
}

void mos_ignore(void *ctx, struct json_object *result, const char *error, const char *text)
{
	(void)ctx;
	(void)result;
	(void)error;
	(void)text;
}

/* --- files --- */

static void state_file(const struct miningos *m, const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", m->info.state_dir, name);
}

void mos_save_things(struct miningos *m, bool now)
{
	bool many = m->things.count > SAVE_MANY;
	uint64_t at = mos_now_ms();
	uint64_t wait = now ? (many ? SAVE_SOON_MS : 0) : (many ? SAVE_MS : SAVE_SOON_MS);
	char path[4096];
	struct error e;

	/* What people write is safe at once, but not a file of megabytes for each of a thousand. */
	if (!m->things.dirty || (at < m->save_ms + wait && at >= m->save_ms))
		return;
	state_file(m, "things.json", path, sizeof(path));
	if (things_save(&m->things, path, &e) != ADIT_OK)
		mos_log(m, ADIT_LOG_ERROR, "%s", e.text);
	m->save_ms = at;
}

static int32_t load_files(struct miningos *m, struct error *e)
{
	char path[4096];
	struct error why;
	size_t bad;
	int32_t r;

	state_file(m, "things.json", path, sizeof(path));
	r = things_load(&m->things, path, &bad, e);
	if (r != ADIT_OK)
		return r;
	if (bad > 0)
		mos_log(m, ADIT_LOG_WARNING, "%s: %zu lines that are no things are left out", path,
			bad);
	state_file(m, "logs.json", path, sizeof(path));
	if (logs_load(&m->logs, path, &why) != ADIT_OK)
		mos_log(m, ADIT_LOG_WARNING, "%s", why.text);
	settings_file_load(m);
	return ADIT_OK;
}

static void save_files(struct miningos *m)
{
	char path[4096];
	struct error e;

	m->save_ms = 0;
	mos_save_things(m, false);
	state_file(m, "logs.json", path, sizeof(path));
	if (logs_save(&m->logs, path, &e) != ADIT_OK)
		mos_log(m, ADIT_LOG_WARNING, "%s", e.text);
}

/* --- life cycle --- */

static void free_all(struct miningos *m)
{
	link_free(m);
	node_stats_end(m);
	template_end(m);
	pool_config_end(m);
	chans_fini(&m->chans);
	if (m->history != NULL)
		history_fini(m->history);
	if (m->api_state != NULL)
		api_end(m);
	logs_fini(&m->logs);
	things_fini(&m->things);
	json_object_put(m->rack_settings);
	free(m->history);
	free(m->api_state);
	free(m);
}

static int32_t prepare(struct miningos *m, struct error *e)
{
	int32_t r = mos_settings_read(&m->settings, m->api, m->host, e);

	if (r != ADIT_OK)
		return r;
	m->history = calloc(1, sizeof(*m->history));
	m->api_state = calloc(1, sizeof(*m->api_state));
	if (m->history == NULL || m->api_state == NULL ||
	    !things_init(&m->things, m->settings.max_things) ||
	    !chans_init(&m->chans, 4 * (size_t)m->settings.max_things))
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	return load_files(m, e);
}

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
	m->started_ms = mos_now_ms();
	TAILQ_INIT(&m->actions);
	rack_begin(m);
	r = api->info(host, &m->info);
	if (r == ADIT_OK)
		r = prepare(m, &e);
	if (r != ADIT_OK) {
		api->set_error(host, e.text);
		free_all(m);
		return r;
	}
	*instance = m;
	return ADIT_OK;
}

static int32_t mos_start(void *instance)
{
	static int32_t (*const parts[])(struct miningos * m, struct error * e) = {
	    api_begin,        series_begin,   looks_begin, feed_begin,
	    node_stats_begin, template_begin, link_begin,
	};
	struct miningos *m = instance;
	struct error e = {0};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int32_t r = parts[i](m, &e);

		if (r != ADIT_OK) {
			m->api->set_error(m->host, e.text);
			return r;
		}
	}
	m->running = true;
	return ADIT_OK;
}

static int32_t mos_stop(void *instance)
{
	struct miningos *m = instance;

	actions_end(m);
	rack_end(m);
	if (m->running)
		save_files(m);
	m->running = false;
	return link_stop(m) ? ADIT_E_UNAVAILABLE : ADIT_OK;
}

static void mos_fini(void *instance)
{
	struct miningos *m = instance;

	actions_end(m);
	rack_end(m);
	free_all(m);
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
