/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/json_text.h"

#include <stdint.h>
#include <string.h>

#include "host/log.h"

#define JSON_DEPTH 64

struct json_cursor {
	const char *at;
	const char *end;
};

static void json_space(struct json_cursor *c)
{
	while (c->at < c->end &&
	       (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
		c->at++;
}

static bool json_take(struct json_cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static bool json_word(struct json_cursor *c, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(c->end - c->at) < size || memcmp(c->at, word, size) != 0)
		return false;
	c->at += size;
	return true;
}

static bool json_hex4(struct json_cursor *c)
{
	for (int i = 0; i < 4; i++) {
		if (c->at == c->end || strchr("0123456789abcdefABCDEF", *c->at) == NULL ||
		    *c->at == '\0')
			return false;
		c->at++;
	}
	return true;
}

static bool json_string(struct json_cursor *c)
{
	if (!json_take(c, '"'))
		return false;
	while (c->at < c->end) {
		unsigned char byte = (unsigned char)*c->at++;

		if (byte == '"')
			return true;
		if (byte < 0x20)
			return false;
		if (byte != '\\')
			continue;
		if (c->at == c->end)
			return false;
		byte = (unsigned char)*c->at++;
		if (byte == 'u' ? !json_hex4(c)
				: byte == '\0' || strchr("\"\\/bfnrt", byte) == NULL)
			return false;
	}
	return false;
}

static bool json_digits(struct json_cursor *c)
{
	const char *from = c->at;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return c->at > from;
}

static bool json_number(struct json_cursor *c)
{
	(void)json_take(c, '-');
	if (!json_take(c, '0') && !json_digits(c))
		return false;
	if (json_take(c, '.') && !json_digits(c))
		return false;
	if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
		c->at++;
		if (!json_take(c, '+'))
			(void)json_take(c, '-');
		return json_digits(c);
	}
	return true;
}

static bool json_scalar(struct json_cursor *c)
{
	if (c->at == c->end)
		return false;
	if (*c->at == '"')
		return json_string(c);
	return json_word(c, "true") || json_word(c, "false") || json_word(c, "null") ||
	       json_number(c);
}

/* `"key":` of a member. */
static bool json_member(struct json_cursor *c)
{
	json_space(c);
	if (!json_string(c))
		return false;
	json_space(c);
	return json_take(c, ':');
}

/* After a value: closes what ends here, or goes on to the next value of the innermost array or
 * object. *DEPTH 0: the whole value is complete. */
static bool json_after(struct json_cursor *c, const char *closers, size_t *depth)
{
	while (*depth > 0) {
		char closer = closers[*depth - 1];

		json_space(c);
		if (json_take(c, ','))
			return closer == ']' || json_member(c);
		if (!json_take(c, closer))
			return false;
		(*depth)--;
	}
	return true;
}

bool json_text_valid(const char *text, size_t size)
{
	struct json_cursor c = {text, text + size};
	char closers[JSON_DEPTH];
	size_t depth = 0;

	for (;;) {
		char opener;

		json_space(&c);
		opener = c.at < c.end ? *c.at : '\0';
		if (opener == '[' || opener == '{') {
			c.at++;
			json_space(&c);
			if (depth == JSON_DEPTH)
				return false;
			closers[depth++] = opener == '[' ? ']' : '}';
			if (!json_take(&c, closers[depth - 1])) {
				if (opener == '{' && !json_member(&c))
					return false;
				continue;
			}
			depth--;
		} else if (!json_scalar(&c)) {
			return false;
		}
		if (!json_after(&c, closers, &depth))
			return false;
		if (depth == 0)
			break;
	}
	json_space(&c);
	return c.at == c.end;
}

bool json_text_string(struct buf *out, const char *text)
{
	(void)buf_append(out, "\"", 1);
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			(void)buf_printf(out, "\\%c", byte);
		else if (byte < 0x20)
			(void)buf_printf(out, "\\u%04x", byte);
		else
			(void)buf_append_u8(out, byte);
	}
	return buf_append(out, "\"", 1);
}

bool json_text_embed(struct buf *out, const char *text, size_t size)
{
	size_t from = out->size;

	if (!json_text_valid(text, size))
		return buf_append(out, "null", 4);
	if (!buf_append(out, text, size))
		return false;
	/* outside of strings, where they can't be, line ends are mere space */
	for (size_t i = from; i < out->size; i++) {
		if (out->data[i] == '\n' || out->data[i] == '\r')
			out->data[i] = ' ';
	}
	return true;
}
