/* SPDX-License-Identifier: MIT */
/* miningos.h: an instance of the role miningos, as its parts see it. */
#ifndef MININGOS_MININGOS_H
#define MININGOS_MININGOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/util/error.h"
#include "plugins/miningos/actions.h"
#include "plugins/miningos/api.h"
#include "plugins/miningos/chans.h"
#include "plugins/miningos/history.h"
#include "plugins/miningos/logs.h"
#include "plugins/miningos/looks.h"
#include "plugins/miningos/minerpool.h"
#include "plugins/miningos/node_stats.h"
#include "plugins/miningos/pool_config.h"
#include "plugins/miningos/rack_call.h"
#include "plugins/miningos/series.h"
#include "plugins/miningos/settings.h"
#include "plugins/miningos/template.h"
#include "plugins/miningos/things.h"

struct json_object;

struct miningos {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct adit_instance_info info;
	struct mos_settings settings;
	bool running;
	uint64_t started_ms; /* Unix time of the start */
	struct rack_state rack;
	struct things things;
	struct chans chans;
	struct looks looks;
	struct series series;
	struct logs logs;
	struct history *history;
	struct node_stats node_stats;
	struct template_state template;
	struct minerpool minerpool;
	struct action_runs actions;
	struct api *api_state;
	struct pool_update pool_update;
	bool pool_update_open;
	struct json_object *pool_config;   /* the last that was set, without secrets; NULL: none */
	struct json_object *rack_settings; /* NULL: none */
	char reboot_user[128];
	uint32_t calls_numbered; /* those that no vote numbers */
	uint64_t save_ms; /* Unix: when things were written last */
	struct link *link;
};

/* One line for the log; never a token or a password. */
void mos_log(const struct miningos *m, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Publishes OBJECT, which is consumed (NULL: nothing), as an event of TYPE; ask
 * api->event_wanted() before it is built. */
void mos_publish(const struct miningos *m, const char *type, struct json_object *object);

/* Answers REQUEST with RESULT, which is consumed. */
void mos_answer(const struct miningos *m, struct adit_request *request, struct json_object *result);

/* The parameters of a call as an object, which the caller frees; none are an empty one. NULL after
 * REQUEST was answered with an error. */
struct json_object *mos_params(struct miningos *m, struct adit_request *request,
			       const struct adit_request_info *info);

/* Unix time in ms. */
uint64_t mos_now_ms(void);
/* 15 random base62 characters. */
void mos_random_id(char *out);
/* Writes the things if they differ from the file: NOW, or when the last time was a while ago. */
void mos_save_things(struct miningos *m, bool now);
/* For actions whose end nobody waits for. */
void mos_ignore(void *ctx, struct json_object *result, const char *error, const char *text);

/* Adds a comment, if it is not too long; rack_comments.c. */
void comment_add(struct thing *t, const char *comment, const char *user, const char *pos,
		 uint64_t ts);
/* Reads what saveWrkSettings stored; rack_conf.c. */
void settings_file_load(struct miningos *m);

#endif
