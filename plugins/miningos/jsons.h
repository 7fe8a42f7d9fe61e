/* SPDX-License-Identifier: MIT */
/* jsons.h: members of JSON objects, short. */
#ifndef MININGOS_JSONS_H
#define MININGOS_JSONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* Adds a member to O. VALUE NULL is null; a number that is no finite one is null. */
void add_text(struct json_object *o, const char *key, const char *value);
void add_count(struct json_object *o, const char *key, uint64_t value);
void add_double(struct json_object *o, const char *key, double value);
void add_bool(struct json_object *o, const char *key, bool value);
/* Consumes VALUE. */
void add_object(struct json_object *o, const char *key, struct json_object *value);

/* The member KEY of O, which may be anything; NULL when there is none. */
struct json_object *get_member(const struct json_object *o, const char *key);
/* The same as a text, FALLBACK when it is none. */
const char *get_text(const struct json_object *o, const char *key, const char *fallback);
/* As a number of 0 or more (not above 2^53), FALLBACK when it is none. */
uint64_t get_count(const struct json_object *o, const char *key, uint64_t fallback);
double get_double(const struct json_object *o, const char *key, double fallback);

/* SIZE bytes of TEXT as one JSON value, at most 32 levels deep. False when they are none. */
bool parse_json(const char *text, size_t size, struct json_object **out);
/* A deep copy; NULL of NULL. */
struct json_object *copy_json(struct json_object *value);

#endif
