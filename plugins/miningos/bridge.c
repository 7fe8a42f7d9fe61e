/* SPDX-License-Identifier: MIT */
/* bridge.c: the life of the child: started, watched, started anew. */
#include "config.h"

#include "plugins/miningos/bridge.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "lib/util/random.h"
#include "plugins/miningos/bridge_impl.h"

#define TICK_MS 1000u
#define CONFIGURE_MS 60000u /* a cold start on a busy machine takes seconds */
#define PING_EVERY_MS 10000u
#define PING_MS 30000u
#define STOP_MS 2000u     /* of the five that the plugin has */
#define CLOSED_MS 5000u   /* from the end of its stream to its exit */
#define SETTLED_MS 60000u /* who ran that long begins with the shortest wait again */
#define BACKOFF_MAX 60u   /* times retry_ms */

static void bridge_attempt(void *user);

void bridge_log(const struct bridge *b, int32_t level, const char *format, ...)
{
	char text[1200];
	va_list args;

	if (!b->api->log_enabled(b->host, level))
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	b->api->log(b->host, level, text, strlen(text));
}

void bridge_changed(const struct bridge *b)
{
	if (b->on_state != NULL)
		b->on_state(b->user);
}

void bridge_trouble(struct bridge *b, bool missing, const char *remedy, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(b->trouble, sizeof(b->trouble), format, args);
	va_end(args);
	b->missing = missing;
	(void)snprintf(b->remedy, sizeof(b->remedy), "%s", remedy != NULL ? remedy : "");
}

/* The trouble goes to the log once, not at each attempt. */
static void bridge_tell(struct bridge *b)
{
	if (b->trouble[0] == '\0' || strcmp(b->trouble, b->told) == 0)
		return;
	(void)snprintf(b->told, sizeof(b->told), "%s", b->trouble);
	bridge_log(b, b->missing ? ADIT_LOG_ERROR : ADIT_LOG_WARNING, "%s%s%s", b->trouble,
		   b->remedy[0] != '\0' ? "; do: " : "", b->remedy);
}

static void bridge_timer(struct bridge *b, uint64_t *timer, uint32_t delay_ms, uint32_t repeat_ms,
			 adit_timer_fn fn)
{
	if (*timer != 0)
		b->api->timer_cancel(b->host, *timer);
	*timer = 0;
	if (fn != NULL &&
	    b->api->timer_add(b->host, delay_ms, repeat_ms, fn, b, NULL, timer) != ADIT_OK)
		*timer = 0;
}

/* The next attempt: later each time, but for what an administrator mends while looking. A quarter
 * more or less, so that many do not come at the same moment. */
static void bridge_retry(struct bridge *b)
{
	uint64_t wait = b->retry_ms;

	for (uint32_t i = 0; i < b->failures && wait < (uint64_t)b->retry_ms * BACKOFF_MAX; i++)
		wait *= 2;
	if (wait > (uint64_t)b->retry_ms * BACKOFF_MAX)
		wait = (uint64_t)b->retry_ms * BACKOFF_MAX;
	if (b->missing)
		wait = (uint64_t)b->retry_ms * (BACKOFF_MAX / 2);
	wait = wait - wait / 4 + random_below((uint32_t)(wait / 2) + 1);
	b->failures++;
	b->phase = BRIDGE_WAITING;
	bridge_tell(b);
	bridge_timer(b, &b->timer_attempt, (uint32_t)wait, 0, bridge_attempt);
	bridge_changed(b);
}

/* Waits for the child, which has ended or was killed, and closes what belongs to it. */
static void bridge_end(struct bridge *b)
{
	bridge_timer(b, &b->timer_tick, 0, 0, NULL);
	if (b->watch_exit != 0)
		b->api->io_unwatch(b->host, b->watch_exit);
	b->watch_exit = 0;
	bridge_wire_close(b);
	child_wait(&b->child, b->last_exit, sizeof(b->last_exit));
}

/* The child has ended and was waited for. */
static void bridge_gone(struct bridge *b)
{
	const bool stopping = b->phase == BRIDGE_STOPPING;
	const uint64_t ran_ms = b->running_ms != 0 ? clock_monotonic_ms() - b->running_ms : 0;

	if (ran_ms >= SETTLED_MS)
		b->failures = 0;
	if (!stopping && b->trouble[0] == '\0')
		bridge_trouble(b, false, NULL, "the bridge has ended: %s", b->last_exit);
	b->running_ms = 0;
	for (size_t i = 0; i < b->rack_count; i++)
		b->racks[i].listening = false;
	b->phase = stopping ? BRIDGE_STOPPED : BRIDGE_WAITING;
	bridge_calls_fail(b, "ERR_BRIDGE_DOWN");
	if (!stopping) {
		bridge_retry(b);
	} else if (b->stopped != NULL) {
		void (*stopped)(void *) = b->stopped;

		b->stopped = NULL;
		stopped(b->stopped_user); /* may have freed it */
	}
}

/* Looks whether it has ended; the last thing that a callback does. */
static void bridge_look(struct bridge *b)
{
	if (b->child.pid == 0)
		return;
	if (!child_ended(&b->child))
		return;
	bridge_wire_drain(b); /* its last words */
	bridge_end(b);
	bridge_gone(b);
}

static void bridge_on_exit(void *user, int32_t fd, uint32_t flags)
{
	(void)fd;
	(void)flags;
	bridge_look(user);
}

static void bridge_on_pong(void *user, const char *error, const struct json_object *result)
{
	struct bridge *b = user;

	(void)result;
	if (error != NULL && strcmp(error, "ERR_BRIDGE_TIMEOUT") == 0)
		bridge_break(b, "it does not answer");
}

static void bridge_on_tick(void *user)
{
	struct bridge *b = user;
	const uint64_t now = clock_monotonic_ms();

	bridge_calls_expire(b, now);
	if (b->closed_ms != 0 && now - b->closed_ms > CLOSED_MS)
		bridge_break(b, "it does not exit");
	if (b->phase == BRIDGE_STOPPING && now - b->pinged_ms > STOP_MS)
		bridge_break(b, "it does not end");
	if (b->phase == BRIDGE_RUNNING && !b->broken && now - b->pinged_ms > PING_EVERY_MS) {
		b->pinged_ms = now;
		bridge_ask(b, "\"method\":\"ping\"", "", 0, PING_MS, false, bridge_on_pong, b);
	}
	bridge_look(b);
}

static const char *result_text(const struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static bool result_key(const struct json_object *o, const char *name, char *out)
{
	uint8_t key[32];

	if (!hex_decode(result_text(o, name), key, sizeof(key)))
		return false;
	hex_encode(key, sizeof(key), out);
	return true;
}

/* The keys, from the answer to `configure`. */
static bool bridge_take_keys(struct bridge *b, const struct json_object *result)
{
	struct json_object *racks;
	size_t found = 0;

	if (!result_key(result, "client_key", b->client_key) ||
	    !json_object_object_get_ex(result, "racks", &racks) ||
	    !json_object_is_type(racks, json_type_array))
		return false;
	(void)snprintf(b->node_version, sizeof(b->node_version), "%s",
		       result_text(result, "node_version"));
	for (size_t i = 0; i < json_object_array_length(racks); i++) {
		const struct json_object *rack = json_object_array_get_idx(racks, i);

		for (size_t j = 0; j < b->rack_count; j++) {
			if (strcmp(result_text(rack, "id"), b->racks[j].id) == 0 &&
			    result_key(rack, "rpc_public_key", b->racks[j].key))
				found++;
		}
	}
	return found == b->rack_count;
}

static void bridge_refused(struct bridge *b, const char *error)
{
	char why[sizeof(b->trouble)];
	char remedy[sizeof(b->remedy)];

	(void)snprintf(why, sizeof(why), "%s", b->trouble); /* what it said */
	if (strcmp(error, "ERR_MODULES_MISSING") == 0) {
		(void)snprintf(remedy, sizeof(remedy), "(cd '%.400s' && npm ci --omit=dev)",
			       b->folder);
		bridge_trouble(b, true, remedy, "modules of the bridge are missing: %.300s", why);
	} else if (strcmp(error, "ERR_NODE_TOO_OLD") == 0) {
		bridge_trouble(b, true, NULL, "%.300s", why);
	} else {
		bridge_trouble(b, false, NULL, "the bridge can't start: %.300s",
			       why[0] != '\0' ? why : error);
	}
}

static void bridge_on_configured(void *user, const char *error, const struct json_object *result)
{
	struct bridge *b = user;

	if (b->phase != BRIDGE_STARTING)
		return;
	if (error != NULL) {
		bridge_refused(b, error);
		b->closed_ms = clock_monotonic_ms(); /* it is about to exit, or has to */
		return;
	}
	if (!bridge_take_keys(b, result)) {
		bridge_break(b, "it does not tell its keys");
		return;
	}
	b->phase = BRIDGE_RUNNING;
	b->running_ms = clock_monotonic_ms();
	b->pinged_ms = b->running_ms;
	bridge_trouble(b, false, NULL, "%s", "");
	if (b->failures > 0)
		bridge_log(b, ADIT_LOG_INFO, "the bridge runs again");
	b->told[0] = '\0';
	bridge_changed(b);
}

static void bridge_attempt(void *user)
{
	struct bridge *b = user;

	b->timer_attempt = 0;
	b->missing = false;
	if (!bridge_exec(b)) {
		bridge_retry(b);
		return;
	}
	b->phase = BRIDGE_STARTING;
	b->generation++;
	b->starts++;
	b->running_ms = 0;
	bridge_trouble(b, false, NULL, "%s", "");
	bridge_timer(b, &b->timer_tick, TICK_MS, TICK_MS, bridge_on_tick);
	if (!bridge_wire_open(b) ||
	    (b->child.exit >= 0 &&
	     b->api->io_watch(b->host, b->child.exit, ADIT_IO_READ, bridge_on_exit, b, NULL,
			      &b->watch_exit) != ADIT_OK))
		bridge_break(b, "it can't be watched");
	bridge_ask(b, "\"method\":\"configure\",\"params\":", b->configuration,
		   strlen(b->configuration), CONFIGURE_MS, false, bridge_on_configured, b);
	bridge_changed(b);
}

int32_t bridge_new(const struct bridge_options *options, struct bridge **bridge, struct error *e)
{
	struct bridge *b = calloc(1, sizeof(*b));
	int32_t error;

	if (b == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	b->api = options->api;
	b->host = options->host;
	b->on_request = options->on_request;
	b->on_state = options->on_state;
	b->user = options->user;
	b->child = (struct child){.channel = -1, .output = -1, .exit = -1};
	error = bridge_options_copy(b, options, e);
	if (error != ADIT_OK) {
		bridge_free(b);
		return error;
	}
	*bridge = b;
	return ADIT_OK;
}

void bridge_start(struct bridge *b)
{
	if (b->phase != BRIDGE_STOPPED)
		return;
	b->phase = BRIDGE_WAITING;
	b->failures = 0;
	bridge_timer(b, &b->timer_attempt, 0, 0, bridge_attempt);
}

bool bridge_stop(struct bridge *b, void (*done)(void *user), void *user)
{
	bridge_timer(b, &b->timer_attempt, 0, 0, NULL);
	if (b->child.pid == 0) {
		b->phase = BRIDGE_STOPPED;
		bridge_calls_fail(b, "ERR_BRIDGE_DOWN");
		return false;
	}
	b->phase = BRIDGE_STOPPING;
	b->stopped = done;
	b->stopped_user = user;
	b->pinged_ms = clock_monotonic_ms();
	bridge_calls_fail(b, "ERR_BRIDGE_DOWN");
	if (!bridge_send(b, 0, "\"method\":\"stop\"", "", 0))
		bridge_break(b, "it can't be told to end");
	return true;
}

void bridge_free(struct bridge *b)
{
	uint64_t *timers[3];

	if (b == NULL)
		return;
	timers[0] = &b->timer_attempt;
	timers[1] = &b->timer_tick;
	timers[2] = &b->timer_later;
	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
		bridge_timer(b, timers[i], 0, 0, NULL);
	if (b->child.pid != 0) {
		child_kill(&b->child);
		bridge_end(b);
	}
	bridge_calls_free(b);
	bridge_options_free(b);
	free(b);
}
