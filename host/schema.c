/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/schema.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/address.h"
#include "lib/bitcoin/address.h"
#include "lib/bitcoin/reward.h"
#include "lib/noise/keys.h"
#include "lib/sv2/url.h"
#include "lib/util/buf.h"

static const char *const schema_types[] = {
    "string", "int",     "float",   "bool", "enum",   "path", "duration", "listen",
    "script", "address", "connect", "list", "payout", "pool", "key",
};

const char *schema_type_name(enum schema_type type)
{
	return schema_types[type];
}

const struct schema_key *schema_find(const struct schema *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->keys[i].name, name) == 0)
			return &s->keys[i];
	}
	return NULL;
}

static bool schema_parse_int(const char *text, int64_t *value)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0')
		return false;
	*value = number;
	return true;
}

static bool schema_parse_float(const char *text, double *value)
{
	char *end;

	errno = 0;
	*value = strtod(text, &end);
	return errno == 0 && end != text && *end == '\0' && isfinite(*value) &&
	       strpbrk(text, "xXpP") == NULL;
}

static bool schema_parse_duration(const char *text, int64_t *ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	char *end;
	double number;

	errno = 0;
	number = strtod(text, &end);
	if (errno != 0 || end == text || !(number >= 0 && number < 1e12) ||
	    (size_t)(end - text) != strspn(text, "0123456789."))
		return false;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) == 0) {
			*ms = (int64_t)llround(number * (double)units[i].ms);
			return true;
		}
	}
	*ms = 0;
	return number == 0 && *end == '\0';
}

static bool schema_parse_bool(const char *text, bool *value)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "1", "0"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i]) == 0) {
			*value = i % 2 == 0;
			return true;
		}
	}
	return false;
}

bool schema_in_list(const char *words, const char *word)
{
	size_t size = strlen(word);

	while (*words != '\0') {
		size_t span = strcspn(words, ",");
		const char *from = words + strspn(words, " ,");
		size_t length = from < words + span ? (size_t)(words + span - from) : 0;

		while (length > 0 && from[length - 1] == ' ')
			length--;
		if (length == size && size > 0 && memcmp(from, word, size) == 0)
			return true;
		words += span + (words[span] == ',' ? 1 : 0);
	}
	return false;
}

/* Words of the range in the order of TEXT, none twice. */
static int32_t schema_list(const struct schema_key *key, const char *text, struct buf *out,
			   struct error *e)
{
	char word[64];
	const char *at = text + strspn(text, ", \t");

	for (; *at != '\0'; at += strspn(at, ", \t")) {
		size_t size = strcspn(at, ", \t");
		const char *so_far;

		snprintf(word, sizeof(word), "%.*s", (int)(size < sizeof(word) ? size : 0), at);
		if (!schema_in_list(key->range, word))
			return error_set(e, ADIT_E_INVALID_ARGUMENT,
					 "expected some of %s, not `%.*s`", key->range,
					 (int)(size < 60 ? size : 60), at);
		(void)buf_append_u8(out, 0);
		so_far = (const char *)out->data;
		if (out->size > 1 && schema_in_list(so_far, word))
			return error_set(e, ADIT_E_INVALID_ARGUMENT, "%s is named twice", word);
		out->size--;
		(void)buf_printf(out, "%s%s", out->size > 0 ? "," : "", word);
		at += size;
	}
	return out->size > 0
		   ? ADIT_OK
		   : error_set(e, ADIT_E_INVALID_ARGUMENT, "expected some of %s", key->range);
}

static int32_t schema_int(const struct schema_key *key, const char *text, struct buf *out,
			  struct error *e)
{
	int64_t value;

	if (!schema_parse_int(text, &value))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "expected a whole number, not `%.60s`",
				 text);
	if (key->ranged && (value < key->least || value > key->most))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "expected %s, not %lld", key->range,
				 (long long)value);
	(void)buf_printf(out, "%lld", (long long)value);
	return ADIT_OK;
}

static int32_t schema_float(const struct schema_key *key, const char *text, struct buf *out,
			    struct error *e)
{
	double value;

	if (!schema_parse_float(text, &value))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "expected a number, not `%.60s`",
				 text);
	if (key->ranged && (value < key->least_float || value > key->most_float))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "expected %s, not %s", key->range,
				 text);
	(void)buf_printf(out, "%s", text);
	return ADIT_OK;
}

static int32_t schema_duration(const struct schema_key *key, const char *text, struct buf *out,
			       struct error *e)
{
	int64_t ms;

	if (!schema_parse_duration(text, &ms))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "expected a duration like 500ms, 5s, 2m or 1h, not `%.60s`", text);
	if (key->ranged && (ms < key->least || ms > key->most))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "expected %s, not %s", key->range,
				 text);
	(void)buf_printf(out, "%lld", (long long)ms);
	return ADIT_OK;
}

static int32_t schema_string(const struct schema_key *key, const char *text, struct buf *out,
			     struct error *e)
{
	int64_t size = (int64_t)strlen(text);

	if (key->ranged && (size < key->least || size > key->most))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "expected %s bytes, not %lld",
				 key->range, (long long)size);
	(void)buf_printf(out, "%s", text);
	return ADIT_OK;
}

/* An absolute path without `.` components and doubled slashes. */
static void schema_path(const char *text, const char *base, struct buf *out)
{
	const char *parts[2] = {text[0] == '/' ? "" : base, text};

	for (size_t i = 0; i < 2 && text[0] != '\0'; i++) {
		const char *at = parts[i];

		while (*at != '\0') {
			size_t span = strcspn(at, "/");

			if (span > 0 && (span != 1 || at[0] != '.'))
				(void)buf_printf(out, "/%.*s", (int)span, at);
			at += span + (at[span] == '/' ? 1 : 0);
		}
	}
	if (out->size == 0 && text[0] != '\0')
		(void)buf_printf(out, "/");
}

/* Comma list of addresses. */
static int32_t schema_addresses(const struct schema_key *key, const char *text, const char *base,
				struct buf *out, struct error *e)
{
	if (*text == '\0' && key->type == SCHEMA_CONNECT)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "expected a comma-separated list of addresses, not nothing");
	while (*text != '\0') {
		size_t span = strcspn(text, ",");
		const char *from = text + strspn(text, " \t");
		char item[ADDRESS_TEXT_MAX];
		size_t length = from < text + span ? (size_t)(text + span - from) : 0;
		int32_t error;

		while (length > 0 && (from[length - 1] == ' ' || from[length - 1] == '\t'))
			length--;
		if (length == 0 || length >= sizeof(item))
			return error_set(
			    e, ADIT_E_INVALID_ARGUMENT,
			    "expected a comma-separated list of addresses, not `%.60s`", text);
		memcpy(item, from, length);
		item[length] = '\0';
		if (out->size > 0)
			(void)buf_append(out, ",", 1);
		error = address_normal(item, base, key->type == SCHEMA_CONNECT, out, e);
		if (error != ADIT_OK)
			return error;
		text += span + (text[span] == ',' ? 1 : 0);
	}
	return ADIT_OK;
}

/* Where money goes: addresses or descriptors of PLACE's network. */
static int32_t schema_payee(const struct schema_key *key, const char *text,
			    const struct schema_place *place, struct buf *out, struct error *e)
{
	enum bitcoin_network network;
	struct reward reward;
	struct script script;
	int32_t error = schema_string(key, text, out, e);

	if (error != ADIT_OK || place->network == NULL || !network_parse(place->network, &network))
		return error;
	if (key->type == SCHEMA_PAYOUT) {
		error = reward_parse(&reward, text, network, e);
		reward_free(&reward);
		return error;
	}
	return key->type == SCHEMA_ADDRESS ? address_to_script(text, network, &script, e)
					   : descriptor_to_script(text, network, &script, e);
}

/* A pool, or its authority's key: as written. */
static int32_t schema_upstream(const struct schema_key *key, const char *text, struct buf *out,
			       struct error *e)
{
	struct sv2_url url;
	uint8_t x[32];
	int32_t error = key->type == SCHEMA_POOL ? sv2_url_parse(text, strlen(text), &url, e)
						 : noise_public_parse(text, x, e);

	if (error != ADIT_OK)
		return e->code = ADIT_E_INVALID_ARGUMENT;
	(void)buf_printf(out, "%s", text);
	return ADIT_OK;
}

bool schema_wants_key(const struct schema_key *key, const char *value)
{
	struct sv2_url url;
	struct error e;

	return key->type == SCHEMA_POOL && key->range[0] != '\0' &&
	       sv2_url_parse(value, strlen(value), &url, &e) == ADIT_OK && !url.has_key;
}

static int32_t schema_convert(const struct schema_key *key, const char *text,
			      const struct schema_place *place, struct buf *out, struct error *e)
{
	bool flag;

	switch (key->type) {
	case SCHEMA_STRING:
		return schema_string(key, text, out, e);
	case SCHEMA_INT:
		return schema_int(key, text, out, e);
	case SCHEMA_FLOAT:
		return schema_float(key, text, out, e);
	case SCHEMA_DURATION:
		return schema_duration(key, text, out, e);
	case SCHEMA_BOOL:
		if (!schema_parse_bool(text, &flag))
			return error_set(e, ADIT_E_INVALID_ARGUMENT,
					 "expected true or false, not `%.60s`", text);
		(void)buf_printf(out, "%s", flag ? "true" : "false");
		return ADIT_OK;
	case SCHEMA_ENUM:
		if (!schema_in_list(key->range, text))
			return error_set(e, ADIT_E_INVALID_ARGUMENT,
					 "expected one of %s, not `%.60s`", key->range, text);
		(void)buf_printf(out, "%s", text);
		return ADIT_OK;
	case SCHEMA_LIST:
		return schema_list(key, text, out, e);
	case SCHEMA_PATH:
		schema_path(text, place->base, out);
		return ADIT_OK;
	case SCHEMA_LISTEN:
	case SCHEMA_CONNECT:
		return schema_addresses(key, text, place->base, out, e);
	case SCHEMA_PAYOUT:
	case SCHEMA_SCRIPT:
	case SCHEMA_ADDRESS:
		return schema_payee(key, text, place, out, e);
	case SCHEMA_POOL:
	case SCHEMA_KEY:
		return schema_upstream(key, text, out, e);
	}
	return error_set(e, ADIT_E_INTERNAL, "no such type");
}

int32_t schema_value(const struct schema_key *key, const char *text,
		     const struct schema_place *place, char **out, struct error *e)
{
	struct buf value = {.limit = 65536};
	int32_t error = schema_convert(key, text, place, &value, e);

	if (error == ADIT_OK && !buf_append_u8(&value, 0))
		error = error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	if (error != ADIT_OK) {
		buf_free(&value);
		return error;
	}
	*out = (char *)value.data;
	return ADIT_OK;
}

/* "least..most" in the type's own notation. */
static bool schema_range(struct schema_key *key)
{
	char least[64];
	const char *dots = strstr(key->range, "..");
	const char *most = dots != NULL ? dots + 2 : NULL;

	if (dots == NULL || (size_t)(dots - key->range) >= sizeof(least))
		return false;
	memcpy(least, key->range, (size_t)(dots - key->range));
	least[dots - key->range] = '\0';
	key->ranged = true;
	if (key->type == SCHEMA_FLOAT)
		return schema_parse_float(least, &key->least_float) &&
		       schema_parse_float(most, &key->most_float) &&
		       key->least_float <= key->most_float;
	if (key->type == SCHEMA_DURATION)
		return schema_parse_duration(least, &key->least) &&
		       schema_parse_duration(most, &key->most) && key->least <= key->most;
	return schema_parse_int(least, &key->least) && schema_parse_int(most, &key->most) &&
	       key->least <= key->most;
}

/* Copies the next of the columns of *AT, the last one with all that is left. */
static char *schema_column(const char **at, bool last)
{
	const char *from = *at + strspn(*at, " \t");
	size_t span = last ? strlen(from) : strcspn(from, "|");
	size_t size = span;

	*at = from + span + (from[span] == '|' ? 1 : 0);
	while (size > 0 && (from[size - 1] == ' ' || from[size - 1] == '\t'))
		size--;
	return strndup(from, size);
}

static void schema_key_free(struct schema_key *key)
{
	free(key->name);
	free(key->fallback);
	free(key->range);
	free(key->help);
}

static int32_t schema_set_type(struct schema_key *key, const char *name, struct error *e)
{
	if (strncmp(name, "secret ", 7) == 0) {
		key->secret = true;
		name += 7 + strspn(name + 7, " ");
	}
	for (size_t i = 0; i < sizeof(schema_types) / sizeof(schema_types[0]); i++) {
		if (strcmp(schema_types[i], name) == 0) {
			key->type = (enum schema_type)i;
			return ADIT_OK;
		}
	}
	return error_set(e, ADIT_E_INVALID_ARGUMENT,
			 "`%.60s` is no type; expected string, int, float, bool, enum, path, "
			 "duration, listen, script, address, connect, list, payout, pool or key",
			 name);
}

/* Understands the columns default and range, which stand in KEY as written. */
static int32_t schema_key_finish(struct schema_key *key, struct error *e)
{
	static const struct schema_place nowhere = {"/", NULL};
	char *value;
	int32_t error;

	if (strcmp(key->range, "-") == 0)
		key->range[0] = '\0';
	bool words = key->type == SCHEMA_ENUM || key->type == SCHEMA_LIST;

	if (words && key->range[0] == '\0')
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "%s %s needs its words as range",
				 key->type == SCHEMA_ENUM ? "an" : "a",
				 schema_type_name(key->type));
	if (!words && key->type != SCHEMA_POOL && key->range[0] != '\0' &&
	    (key->type == SCHEMA_KEY || !schema_range(key)))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "`%.60s` is no range of type %s",
				 key->range, schema_type_name(key->type));
	key->required = strcmp(key->fallback, "required") == 0;
	if (key->required || strcmp(key->fallback, "-") == 0) {
		free(key->fallback);
		key->fallback = NULL;
		return ADIT_OK;
	}
	error = schema_value(key, key->fallback, &nowhere, &value, e);
	if (error == ADIT_OK)
		free(value);
	return error;
}

int32_t schema_add(struct schema *s, const char *name, const char *definition, unsigned line,
		   struct error *e)
{
	struct schema_key key = {.line = line};
	struct schema_key *keys;
	char *type;
	int32_t error;

	if (schema_find(s, name) != NULL)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "this key was defined before");
	type = schema_column(&definition, false);
	key.fallback = schema_column(&definition, false);
	key.range = schema_column(&definition, false);
	key.help = schema_column(&definition, true);
	key.name = strdup(name);
	keys = realloc(s->keys, (s->count + 1) * sizeof(*keys));
	if (keys != NULL)
		s->keys = keys;
	if (type == NULL || key.fallback == NULL || key.range == NULL || key.help == NULL ||
	    key.name == NULL || keys == NULL)
		error = error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	else if (key.fallback[0] == '\0' || key.range[0] == '\0')
		error = error_set(e, ADIT_E_INVALID_ARGUMENT,
				  "expected `type | default | range | help`, with `-` for none");
	else
		error = schema_set_type(&key, type, e);
	if (error == ADIT_OK)
		error = schema_key_finish(&key, e);
	free(type);
	if (error != ADIT_OK) {
		schema_key_free(&key);
		return error;
	}
	s->keys[s->count++] = key;
	return ADIT_OK;
}

void schema_free(struct schema *s)
{
	for (size_t i = 0; i < s->count; i++)
		schema_key_free(&s->keys[i]);
	free(s->keys);
	s->keys = NULL;
	s->count = 0;
}
