/* SPDX-License-Identifier: MIT */
/* bridge_message.h: one line of the bridge, see bridge/README. The bridge is our own program, but
 * what it hands on comes from anywhere, so nothing in a line is believed. */
#ifndef MININGOS_BRIDGE_MESSAGE_H
#define MININGOS_BRIDGE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

struct json_object;

enum bridge_message_kind {
	BRIDGE_REQUEST, /* `id`, `rack`, `method`, `peer`, `value`: its params */
	BRIDGE_NOTE,    /* `method`, `value`: no answer is wanted */
	BRIDGE_ANSWER   /* `id`, and `error` with `text`, or `value` */
};

struct bridge_message {
	enum bridge_message_kind kind;
	uint32_t id;              /* 1..2^31-1; 0 of a note */
	struct json_object *root; /* owns all that follows */
	const char *rack;
	const char *method;        /* 1..64 bytes */
	const char *peer;          /* 64 hex digits, or "" */
	const char *error;         /* NULL: none */
	const char *text;          /* "" when there is none */
	struct json_object *value; /* NULL: null */
};

/* Nesting of a line, at most. */
#define BRIDGE_DEPTH 40

/* Fills *M, which bridge_message_free() empties. ADIT_E_PROTOCOL and the reason in E. */
int32_t bridge_message_parse(const char *line, size_t size, struct bridge_message *m,
			     struct error *e);
void bridge_message_free(struct bridge_message *m);

#endif
