/* SPDX-License-Identifier: MIT */
/* value.h: typed reads from a JSON object of unknown origin. All take a NULL object, and leave *OUT
 * as it is when they return false. */
#ifndef NODE_VALUE_H
#define NODE_VALUE_H

#include <json-c/json_types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TEXT as one JSON value of bounded depth; NULL when it is none. Release with json_object_put(). */
struct json_object *value_parse(const char *text, size_t size);
/* A whole number of 0..MAX. */
bool value_u64(struct json_object *o, const char *key, uint64_t max, uint64_t *out);
bool value_u32(struct json_object *o, const char *key, uint32_t *out);
/* An amount in coins (0.00001000) as satoshi; up to all there will be. */
bool value_amount(struct json_object *o, const char *key, uint64_t *satoshi);
bool value_bool(struct json_object *o, const char *key, bool *out);
/* Borrowed from the object; NULL when there is no text. */
const char *value_text(struct json_object *o, const char *key);
/* 64 digits in display order, into internal order. */
bool value_hash(struct json_object *o, const char *key, uint8_t out[32]);
/* Exactly 8 digits: a number with its most significant digit first ("207fffff"). */
bool value_bits(struct json_object *o, const char *key, uint32_t *out);
/* Borrowed; NULL when KEY is no array. */
struct json_object *value_array(struct json_object *o, const char *key);

#endif
