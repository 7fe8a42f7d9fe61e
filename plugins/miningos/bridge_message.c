/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/bridge_message.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/util/hex.h"

#define RACK_MAX 128
#define METHOD_MAX 64
#define WORD_MAX 256 /* an error's */

/* The member KEY when it is a string of 0..MAX bytes without a NUL inside, else NULL. */
static const char *message_text(struct json_object *root, const char *key, size_t max)
{
	struct json_object *o;
	const char *text;

	if (!json_object_object_get_ex(root, key, &o) ||
	    !json_object_is_type(o, json_type_string) ||
	    (size_t)json_object_get_string_len(o) > max)
		return NULL;
	text = json_object_get_string(o);
	return strlen(text) == (size_t)json_object_get_string_len(o) ? text : NULL;
}

static int32_t message_id(struct bridge_message *m, struct error *e)
{
	struct json_object *o;

	if (!json_object_object_get_ex(m->root, "id", &o) ||
	    !json_object_is_type(o, json_type_int) || json_object_get_int64(o) < 0 ||
	    json_object_get_int64(o) > INT32_MAX)
		return error_set(e, ADIT_E_PROTOCOL, "`id` is no integer from 0 to 2147483647");
	m->id = (uint32_t)json_object_get_int64(o);
	return ADIT_OK;
}

static int32_t message_request(struct bridge_message *m, struct error *e)
{
	uint8_t key[32];

	m->method = message_text(m->root, "method", METHOD_MAX);
	if (m->method == NULL || m->method[0] == '\0')
		return error_set(e, ADIT_E_PROTOCOL, "`method` is no name");
	(void)json_object_object_get_ex(m->root, "params", &m->value);
	m->kind = m->id == 0 ? BRIDGE_NOTE : BRIDGE_REQUEST;
	if (m->kind == BRIDGE_NOTE)
		return ADIT_OK;
	m->rack = message_text(m->root, "rack", RACK_MAX);
	m->peer = message_text(m->root, "peer", 64);
	if (m->rack == NULL)
		return error_set(e, ADIT_E_PROTOCOL, "`rack` is no name");
	if (m->peer == NULL || (m->peer[0] != '\0' && !hex_decode(m->peer, key, sizeof(key))))
		return error_set(e, ADIT_E_PROTOCOL, "`peer` is no key");
	return ADIT_OK;
}

static int32_t message_answer(struct bridge_message *m, struct error *e)
{
	struct json_object *o;

	m->kind = BRIDGE_ANSWER;
	if (m->id == 0)
		return error_set(e, ADIT_E_PROTOCOL, "an answer to nothing");
	if (!json_object_object_get_ex(m->root, "error", &o)) {
		if (!json_object_object_get_ex(m->root, "result", &m->value))
			return error_set(e, ADIT_E_PROTOCOL, "neither method nor answer");
		return ADIT_OK;
	}
	m->error = message_text(m->root, "error", WORD_MAX);
	m->text = message_text(m->root, "message", SIZE_MAX);
	if (m->text == NULL)
		m->text = "";
	if (m->error == NULL || m->error[0] == '\0')
		return error_set(e, ADIT_E_PROTOCOL, "`error` is no word");
	return ADIT_OK;
}

static struct json_object *message_json(const char *line, size_t size)
{
	struct json_tokener *t = size <= INT32_MAX ? json_tokener_new_ex(BRIDGE_DEPTH) : NULL;
	struct json_object *o;

	if (t == NULL)
		return NULL;
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, line, (int)size);
	if (json_tokener_get_error(t) != json_tokener_success ||
	    json_tokener_get_parse_end(t) != size) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(t);
	return o;
}

int32_t bridge_message_parse(const char *line, size_t size, struct bridge_message *m,
			     struct error *e)
{
	int32_t error;

	*m = (struct bridge_message){.root = message_json(line, size), .text = "", .peer = ""};
	if (!json_object_is_type(m->root, json_type_object))
		error = error_set(e, ADIT_E_PROTOCOL, "no JSON object");
	else
		error = message_id(m, e);
	if (error == ADIT_OK)
		error = json_object_object_get_ex(m->root, "method", NULL) ? message_request(m, e)
									   : message_answer(m, e);
	if (error != ADIT_OK)
		bridge_message_free(m);
	return error;
}

void bridge_message_free(struct bridge_message *m)
{
	json_object_put(m->root);
	*m = (struct bridge_message){0};
}
