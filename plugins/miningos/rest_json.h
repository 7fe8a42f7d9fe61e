/* SPDX-License-Identifier: MIT */
/* rest_json.h: JSON from outside, for the REST client and its login. */
#ifndef MININGOS_REST_JSON_H
#define MININGOS_REST_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* TEXT as one JSON value of at most 32 levels; NULL when it is none. The caller puts it. */
struct json_object *rest_json_parse(const void *text, size_t size);
/* Borrowed; NULL when O is no object or KEY is no text in it. */
const char *rest_json_text(struct json_object *o, const char *key);
/* The same; false when it is no text, or not shorter than ROOM, or has a NUL in it. */
bool rest_json_copy(struct json_object *o, const char *key, char *out, size_t room);
/* A whole number of 0..MAX. */
bool rest_json_whole(struct json_object *o, const char *key, int64_t max, int64_t *out);
/* Borrowed; NULL when O is no object or KEY is not there or null. */
struct json_object *rest_json_member(struct json_object *o, const char *key);
/* TEXT of somebody else, for people: cut to ROOM, and what is not printable is "?". */
void rest_json_show(const char *text, char *out, size_t room);

#endif
