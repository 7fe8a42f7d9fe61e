/* SPDX-License-Identifier: MIT */
/* control_admin.c: the methods `restart` and `log` of the control socket. */
#include "config.h"

#include <string.h>

#include <json-c/json.h>

#include "host/control.h"
#include "host/json_text.h"
#include "host/log.h"

#define RESTART_SIZE_MAX ((size_t)1 << 20)

/* Why nothing of that name can be restarted, and what to do. */
static void restart_nothing(struct control_request *request, const char *name)
{
	const struct conf *conf = request->client->control->host->conf;
	const struct conf_role *role = conf_find(conf, name);
	const char *nearest = role == NULL ? conf_nearest_section(conf, name) : NULL;
	struct error e;

	if (role != NULL && !role->enabled)
		(void)error_set(&e, ADIT_E_UNAVAILABLE,
				"%.80s is not enabled: `aditctl enable %.80s` starts it", name,
				name);
	else if (role != NULL && role->trouble != NULL)
		(void)error_set(&e, ADIT_E_UNAVAILABLE,
				"%.80s can't be started: %.200s; mend that, then `aditctl reload`",
				name, role->trouble);
	else if (manifests_find(&conf->manifests, name) != NULL)
		(void)error_set(&e, ADIT_E_UNAVAILABLE,
				"%.80s is installed, but no file of the configuration has a "
				"section [%.80s]: write one, then `aditctl reload`",
				name, name);
	else if (nearest != NULL)
		(void)error_set(&e, ADIT_E_NOT_FOUND,
				"there is no role `%.80s`; did you mean `%.80s`?", name, nearest);
	else
		(void)error_set(&e, ADIT_E_NOT_FOUND,
				"there is no role `%.80s`; `aditctl status` lists those that run",
				name);
	control_error(request, CONTROL_FAILED, e.text, e.code);
}

/* The workers of P with the process that is now being ended: who waits looks for another one. */
static void restart_put(struct buf *out, const struct process *p, pid_t pid)
{
	for (size_t i = 0; i < p->endpoint_count; i++) {
		(void)buf_printf(out, "%s{\"name\":", out->data[out->size - 1] == '[' ? "" : ",");
		(void)json_text_string(out, p->endpoints[i].name);
		(void)buf_printf(out, ",\"role\":");
		(void)json_text_string(out, p->endpoints[i].instance);
		(void)buf_printf(out, ",\"process\":");
		(void)json_text_string(out, p->name);
		(void)buf_printf(out, ",\"pid\":%d}", (int)pid);
		if (out->failed)
			return;
	}
}

void control_restart(struct control_request *request, struct json_object *params)
{
	struct host *host = request->client->control->host;
	const char *name = control_string(params, "role");
	struct buf out = {.limit = RESTART_SIZE_MAX};
	size_t found = 0, begun = 0;

	if (name == NULL) {
		control_error(request, CONTROL_PARAMS,
			      "restart: expected {\"role\":ROLE}, or one worker as in pool.2",
			      ADIT_E_INVALID_ARGUMENT);
		return;
	}
	(void)buf_printf(&out, "{\"restarting\":[");
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		for (size_t i = 0; i < group->process_count; i++) {
			struct process *p = group->processes[i];
			pid_t pid = p->pid;

			if (!process_is_named(p, name))
				continue;
			found++;
			if (!supervisor_restart(p, "as asked"))
				continue;
			begun++;
			if (!out.failed)
				restart_put(&out, p, pid);
		}
	}
	(void)buf_printf(&out, "]}");
	if (found == 0)
		restart_nothing(request, name);
	else if (begun == 0)
		control_error(request, CONTROL_FAILED,
			      "it is stopping, or waits for another role to start: `aditctl "
			      "status` shows what for",
			      ADIT_E_UNAVAILABLE);
	else if (out.failed)
		control_error(request, CONTROL_FAILED, "the answer is too long", ADIT_E_LIMIT);
	else
		control_answer(request, out.data, out.size);
	buf_free(&out);
	supervisor_advance(host);
}

void control_log(struct control_request *request, struct json_object *params)
{
	struct host *host = request->client->control->host;
	struct json_object *given = NULL;
	const char *level = control_string(params, "level");
	struct buf out = {0};

	if (params != NULL)
		(void)json_object_object_get_ex(params, "level", &given);
	if (given != NULL && (level == NULL || !log_level_is(level))) {
		control_error(request, CONTROL_PARAMS,
			      "level: expected error, warning, info, debug or trace",
			      ADIT_E_INVALID_ARGUMENT);
		return;
	}
	if (level != NULL && log_level_parse(level) != log_level_now()) {
		log_line(ADIT_LOG_INFO, "aditd", "the log level is %s from now on", level);
		host_set_log_level(host, log_level_parse(level));
	}
	(void)buf_printf(&out, "{\"level\":\"%s\",\"configured\":\"%s\"}",
			 log_level_name(log_level_now()), log_level_name(host->conf->log_level));
	control_answer(request, out.data, out.size);
	buf_free(&out);
}
