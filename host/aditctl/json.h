/* SPDX-License-Identifier: MIT */
/*
 * json.h: reading JSON that someone else wrote. Every getter checks the type, so that a document of
 * any shape is safe; what is missing or of another type yields the default.
 */
#ifndef ADITCTL_JSON_H
#define ADITCTL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

#include "lib/util/error.h"

#define JSON_DEPTH_MAX 128 /* aditd passes values on to a depth of 64 */

/* Parses exactly one document of SIZE bytes that end with a NUL (TEXT[SIZE] == 0). *OUT is the
 * caller's (json_object_put). The value `null` is a success with *OUT == NULL. ADIT_E_PROTOCOL with
 * E filled otherwise. */
int32_t json_parse(const char *text, size_t size, struct json_object **out, struct error *e);

/* Members of OBJECT (which may be NULL or no object). Results are borrowed. */
struct json_object *json_member(struct json_object *object, const char *key);
struct json_object *json_object_member(struct json_object *object, const char *key);
struct json_object *json_array_member(struct json_object *object, const char *key);
const char *json_text(struct json_object *object, const char *key, const char *otherwise);
int64_t json_integer(struct json_object *object, const char *key, int64_t otherwise);
double json_number(struct json_object *object, const char *key, double otherwise);
bool json_truth(struct json_object *object, const char *key, bool otherwise);

/* Elements of an array; 0 and NULL for anything else. */
size_t json_count(struct json_object *array);
struct json_object *json_element(struct json_object *array, size_t index);

/* Writes VALUE as one line of JSON. Characters that would control a terminal are written as \u
 * escapes: the document means the same. */
void json_print(FILE *out, struct json_object *value);

#endif
