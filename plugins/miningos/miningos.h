/* SPDX-License-Identifier: MIT */
/* miningos.h: an instance of the role miningos, as its parts see it. */
#ifndef MININGOS_MININGOS_H
#define MININGOS_MININGOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/util/error.h"
#include "plugins/miningos/rack_call.h"
#include "plugins/miningos/settings.h"

struct json_object;

struct miningos {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct adit_instance_info info;
	struct mos_settings settings;
	uint64_t started_ms; /* Unix time of the start */
	struct rack_state rack;
};

/* One line for the log; never a token or a password. */
void mos_log(const struct miningos *m, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Publishes OBJECT, which is consumed (NULL: nothing), as an event of TYPE; ask
 * api->event_wanted() before it is built. */
void mos_publish(const struct miningos *m, const char *type, struct json_object *object);

/* Answers REQUEST with RESULT, which is consumed. */
void mos_answer(const struct miningos *m, struct adit_request *request, struct json_object *result);

#endif
