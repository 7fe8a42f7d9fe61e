/* SPDX-License-Identifier: MIT */
/* answers.h: JSON that methods answer with, and the parameters that it is asked with. */
#ifndef MINING_ANSWERS_H
#define MINING_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>

struct json_object;
struct mining;

/* Adds a member to O. VALUE NULL is null. */
void add_text(struct json_object *o, const char *key, const char *value);
void add_count(struct json_object *o, const char *key, uint64_t value);
void add_double(struct json_object *o, const char *key, double value);
/* In display order. */
void add_hash(struct json_object *o, const char *key, const uint8_t hash[32]);

/* Answers REQUEST with OBJECT, which is freed. */
void answer(struct mining *mining, struct adit_request *request, struct json_object *object);
void answer_error(struct mining *mining, struct adit_request *request, int32_t code,
		  const char *text);

/* The parameters of a call as an object, which the caller frees; no parameters are an empty one.
 * NULL after REQUEST was answered with an error. */
struct json_object *read_params(struct mining *mining, struct adit_request *request,
				const struct adit_request_info *info);

/* A connection or channel as administrators write it: "pool.1/7", "pool.1/7/2", or without the
 * worker. */
struct miner_name {
	bool own;         /* this worker's, or no worker is named */
	uint32_t conn;    /* number of the connection */
	uint32_t channel; /* 0: the connection as a whole */
};

/* False when TEXT is no such name. */
bool miner_name_parse(const struct mining *mining, const char *text, struct miner_name *name);

#endif
