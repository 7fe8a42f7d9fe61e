/* SPDX-License-Identifier: MIT */
/* template.h: a summary of the present block template, from events and from the node on a timer. */
#ifndef MININGOS_TEMPLATE_H
#define MININGOS_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"

struct json_object;
struct miningos;

struct template_state {
	struct json_object *now; /* NULL: none yet */
	uint64_t asked_ms;       /* Unix: when the node was asked last */
	uint64_t value_height;   /* of `value` */
	uint64_t value;          /* of its coinbase, in satoshi, with all fees */
	bool asking;
};

int32_t template_begin(struct miningos *m, struct error *e);
void template_end(struct miningos *m);
/* Of BlockTemplateUpdated; DATA is borrowed. */
void template_event(struct miningos *m, struct json_object *data);
/* Asks the node, unless it was asked within cache_duration_seconds and FORCE is false. Then
 * publishes MiningOSTemplateUpdated. */
void template_refresh(struct miningos *m, bool force);
/* {version, previousblockhash, transactions (how many), coinbasevalue, target, mintime, curtime,
 * bits, height, id}; a new object, {} before the first. */
struct json_object *template_json(const struct miningos *m);

#endif
