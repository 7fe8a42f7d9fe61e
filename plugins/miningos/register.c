/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/register.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "lib/util/random.h"

#define RETRY_MS 5000u
#define RETRY_MAX 10u /* times retry_ms */
#define CHECK_MS 60000u
#define CALL_MS 15000u

struct registrar_rack {
	struct registrar *registrar;
	char *id;
	char *type;
	char key[BRIDGE_KEY_TEXT]; /* it is registered with; "" when it is not */
	char asking[BRIDGE_KEY_TEXT];
	bool busy;         /* a call is open */
	bool told;         /* how to register it by hand was logged */
	uint64_t next_ms;  /* monotonic: the next call, not before */
	uint64_t since_ms; /* Unix; 0 */
	uint64_t attempts;
	uint32_t failures; /* in a row */
	char error[160];
};

struct registrar {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct bridge *bridge;
	char ork[BRIDGE_KEY_TEXT];
	bool automatic;
	uint32_t retry_ms;
	uint32_t check_ms;
	registrar_fn on_registered;
	void *user;
	uint64_t timer;
	struct registrar_rack racks[BRIDGE_RACKS_MAX];
	size_t rack_count;
	char text[512];
};

static void registrar_turn(struct registrar *r);

static void registrar_log(const struct registrar *r, int32_t level, const char *text)
{
	r->api->log(r->host, level, text, strlen(text));
}

/* What registerRack takes: {id, type, info: {rpcPublicKey}}. */
static struct json_object *rack_object(const struct registrar_rack *rack, const char *key)
{
	struct json_object *o = json_object_new_object();
	struct json_object *info = json_object_new_object();

	json_object_object_add(info, "rpcPublicKey", json_object_new_string(key));
	json_object_object_add(o, "id", json_object_new_string(rack->id));
	json_object_object_add(o, "type", json_object_new_string(rack->type));
	json_object_object_add(o, "info", info);
	return o;
}

static const char *object_text(struct json_object *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						     JSON_C_TO_STRING_NOSLASHESCAPE);
}

static void rack_by_hand(struct registrar_rack *rack, const char *key)
{
	struct json_object *o = rack_object(rack, key);
	char text[600];

	rack->told = true;
	(void)snprintf(text, sizeof(text), "%s: register the rack %s at the ork: registerRack %s",
		       rack->registrar->automatic ? "no ork is configured" : "auto_register is off",
		       rack->id, object_text(o));
	registrar_log(rack->registrar, ADIT_LOG_INFO, text);
	json_object_put(o);
}

/* --- answers --- */

static void rack_failed(struct registrar_rack *rack, const char *what, const char *error)
{
	struct registrar *r = rack->registrar;
	uint64_t wait = r->retry_ms;
	char text[sizeof(rack->error)];
	char line[400];

	for (uint32_t i = 0; i < rack->failures && wait < (uint64_t)r->retry_ms * RETRY_MAX; i++)
		wait *= 2;
	if (wait > (uint64_t)r->retry_ms * RETRY_MAX)
		wait = (uint64_t)r->retry_ms * RETRY_MAX;
	rack->failures++;
	wait = wait - wait / 4 + random_below((uint32_t)(wait / 2) + 1);
	rack->next_ms = clock_monotonic_ms() + wait;
	(void)snprintf(text, sizeof(text), "%s: %.120s", what, error);
	for (char *c = text; *c != '\0'; c++) { /* the ork's words go to logs and terminals */
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	}
	if (strcmp(text, rack->error) != 0) { /* not at each attempt */
		(void)snprintf(line, sizeof(line), "rack %s: %s; trying again", rack->id, text);
		registrar_log(r, ADIT_LOG_WARNING, line);
	}
	memcpy(rack->error, text, sizeof(text));
}

static void rack_good(struct registrar_rack *rack)
{
	rack->failures = 0;
	rack->error[0] = '\0';
	rack->next_ms = clock_monotonic_ms() + rack->registrar->check_ms;
}

static void on_registered(void *user, const char *error, const struct json_object *result)
{
	struct registrar_rack *rack = user;
	struct registrar *r = rack->registrar;
	char text[300];

	rack->busy = false;
	if (error != NULL) {
		rack_failed(rack, "registerRack", error);
	} else if (!json_object_is_type(result, json_type_int) ||
		   json_object_get_int(result) != 1) {
		rack_failed(rack, "registerRack", "the ork did not answer 1");
	} else {
		rack_good(rack);
		memcpy(rack->key, rack->asking, sizeof(rack->key));
		rack->since_ms = clock_unix_ms();
		(void)snprintf(text, sizeof(text), "rack %s is registered at the ork", rack->id);
		registrar_log(r, ADIT_LOG_DEBUG, text);
		if (r->on_registered != NULL)
			r->on_registered(r->user, rack->id, rack->type, rack->key);
	}
	registrar_turn(r);
}

enum listed { LISTED, LISTED_OTHER_KEY, LISTED_NOT };

static enum listed rack_listed(const struct registrar_rack *rack, const struct json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		struct json_object *o;

		if (!json_object_object_get_ex(one, "id", &o) ||
		    !json_object_is_type(o, json_type_string) ||
		    strcmp(json_object_get_string(o), rack->id) != 0)
			continue;
		/* an ork need not tell keys */
		if (!json_object_object_get_ex(one, "info", &o) ||
		    !json_object_object_get_ex(o, "rpcPublicKey", &o) ||
		    !json_object_is_type(o, json_type_string) ||
		    strcasecmp(json_object_get_string(o), rack->key) == 0)
			return LISTED;
		return LISTED_OTHER_KEY;
	}
	return LISTED_NOT;
}

static void on_listed(void *user, const char *error, const struct json_object *result)
{
	struct registrar_rack *rack = user;
	char text[300];
	enum listed listed;

	rack->busy = false;
	if (error != NULL) {
		rack_failed(rack, "listRacks", error);
	} else if (!json_object_is_type(result, json_type_array)) {
		rack_failed(rack, "listRacks", "the ork answered no list");
	} else {
		listed = rack_listed(rack, result);
		rack_good(rack);
		if (listed != LISTED) {
			(void)snprintf(text, sizeof(text), "rack %s: the ork %s", rack->id,
				       listed == LISTED_NOT ? "does not know it any more"
							    : "has another key for it");
			registrar_log(rack->registrar, ADIT_LOG_WARNING, text);
			rack->key[0] = '\0';
			rack->next_ms = 0;
		}
	}
	registrar_turn(rack->registrar);
}

/* --- calls --- */

static void rack_register(struct registrar_rack *rack, const char *key)
{
	struct json_object *o = rack_object(rack, key);

	rack->busy = true;
	rack->attempts++;
	(void)snprintf(rack->asking, sizeof(rack->asking), "%s", key);
	bridge_call(rack->registrar->bridge, rack->registrar->ork, "registerRack", object_text(o),
		    CALL_MS, on_registered, rack);
	json_object_put(o);
}

static void rack_check(struct registrar_rack *rack)
{
	struct json_object *o = json_object_new_object();

	rack->busy = true;
	json_object_object_add(o, "type", json_object_new_string(rack->type));
	json_object_object_add(o, "keys", json_object_new_boolean(true));
	bridge_call(rack->registrar->bridge, rack->registrar->ork, "listRacks", object_text(o),
		    CALL_MS, on_listed, rack);
	json_object_put(o);
}

static void on_timer(void *user)
{
	struct registrar *r = user;

	r->timer = 0;
	registrar_turn(r);
}

/* Does what is due, and comes back for what will be. */
static void registrar_turn(struct registrar *r)
{
	const uint64_t now = clock_monotonic_ms();
	uint64_t next = UINT64_MAX;

	if (r->timer != 0)
		r->api->timer_cancel(r->host, r->timer);
	r->timer = 0;
	for (size_t i = 0; i < r->rack_count; i++) {
		struct registrar_rack *rack = &r->racks[i];
		const char *key = bridge_rack_key(r->bridge, rack->id);

		if (key[0] == '\0' || rack->busy)
			continue; /* comes back by registrar_kick(), or with the answer */
		if (r->automatic && r->ork[0] != '\0' && !bridge_listening(r->bridge, rack->id))
			continue; /* the ork could not reach it */
		if (!r->automatic || r->ork[0] == '\0') {
			if (!rack->told)
				rack_by_hand(rack, key);
			continue;
		}
		if (rack->key[0] != '\0' && strcmp(rack->key, key) != 0)
			rack->key[0] = '\0'; /* the bridge has got other keys */
		if (rack->next_ms > now)
			next = rack->next_ms < next ? rack->next_ms : next;
		else if (rack->key[0] == '\0')
			rack_register(rack, key);
		else
			rack_check(rack);
	}
	if (next != UINT64_MAX && r->api->timer_add(r->host, (uint32_t)(next - now), 0, on_timer, r,
						    NULL, &r->timer) != ADIT_OK)
		r->timer = 0;
}

/* --- the registrar --- */

int32_t registrar_new(const struct registrar_options *options, struct registrar **registrar,
		      struct error *e)
{
	struct registrar *r = calloc(1, sizeof(*r));
	const char *ork = options->ork_key != NULL ? options->ork_key : "";
	uint8_t key[32];

	if (r == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	if (ork[0] != '\0' && !hex_decode(ork, key, sizeof(key))) {
		free(r);
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "the ork's key \"%.80s\" is not 64 hex digits", ork);
	}
	if (ork[0] != '\0')
		hex_encode(key, sizeof(key), r->ork);
	r->api = options->api;
	r->host = options->host;
	r->bridge = options->bridge;
	r->automatic = options->automatic;
	r->retry_ms = options->retry_ms != 0 ? options->retry_ms : RETRY_MS;
	r->check_ms = options->check_ms != 0 ? options->check_ms : CHECK_MS;
	r->on_registered = options->on_registered;
	r->user = options->user;
	for (size_t i = 0; i < options->rack_count && i < BRIDGE_RACKS_MAX; i++) {
		struct registrar_rack *rack = &r->racks[r->rack_count++];

		rack->registrar = r;
		rack->id = strdup(options->racks[i].id);
		rack->type = strdup(options->racks[i].type);
		if (rack->id == NULL || rack->type == NULL) {
			registrar_free(r);
			return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		}
	}
	*registrar = r;
	return ADIT_OK;
}

void registrar_kick(struct registrar *r)
{
	registrar_turn(r);
}

void registrar_free(struct registrar *r)
{
	if (r == NULL)
		return;
	if (r->timer != 0)
		r->api->timer_cancel(r->host, r->timer);
	for (size_t i = 0; i < r->rack_count; i++) {
		bridge_forget(r->bridge, &r->racks[i]);
		free(r->racks[i].id);
		free(r->racks[i].type);
	}
	free(r);
}

const char *registrar_text(struct registrar *r)
{
	for (size_t i = 0; i < r->rack_count; i++) {
		const struct registrar_rack *rack = &r->racks[i];

		if (rack->key[0] != '\0')
			continue;
		if (r->automatic && r->ork[0] != '\0')
			(void)snprintf(r->text, sizeof(r->text), "%.80s is not registered%s%s",
				       rack->id, rack->error[0] != '\0' ? ": " : " yet",
				       rack->error);
		else
			(void)snprintf(r->text, sizeof(r->text),
				       "register %.80s at the ork, its rpcPublicKey is %s",
				       rack->id, bridge_rack_key(r->bridge, rack->id));
		return r->text;
	}
	return "registered";
}

bool registrar_done(const struct registrar *r, const char *rack_id)
{
	for (size_t i = 0; i < r->rack_count; i++) {
		if (strcmp(r->racks[i].id, rack_id) == 0)
			return r->racks[i].key[0] != '\0';
	}
	return false;
}

static struct json_object *rack_state(const struct registrar_rack *rack)
{
	const char *key = bridge_rack_key(rack->registrar->bridge, rack->id);
	struct json_object *o = json_object_new_object();
	struct json_object *call = NULL;

	if (key[0] != '\0') {
		call = json_object_new_object();
		json_object_object_add(call, "method", json_object_new_string("registerRack"));
		json_object_object_add(call, "params", rack_object(rack, key));
	}
	json_object_object_add(o, "id", json_object_new_string(rack->id));
	json_object_object_add(o, "registered", json_object_new_boolean(rack->key[0] != '\0'));
	json_object_object_add(o, "since", json_object_new_uint64(rack->since_ms));
	json_object_object_add(o, "attempts", json_object_new_uint64(rack->attempts));
	json_object_object_add(o, "last_error",
			       rack->error[0] != '\0' ? json_object_new_string(rack->error) : NULL);
	json_object_object_add(o, "call", call);
	return o;
}

struct json_object *registrar_state(const struct registrar *r)
{
	struct json_object *o = json_object_new_object();
	struct json_object *racks = json_object_new_array();

	for (size_t i = 0; i < r->rack_count; i++)
		json_object_array_add(racks, rack_state(&r->racks[i]));
	json_object_object_add(o, "ork", r->ork[0] != '\0' ? json_object_new_string(r->ork) : NULL);
	json_object_object_add(o, "automatic", json_object_new_boolean(r->automatic));
	json_object_object_add(o, "racks", racks);
	return o;
}
