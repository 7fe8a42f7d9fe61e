/* SPDX-License-Identifier: MIT */
/*
 * host_methods.c: methods that the host itself answers for every role, by their names "host.X" and
 * without looking into what is sent: which workers there are, and starting them again. See
 * adit/plugin.h.
 */
#include "config.h"

#include <string.h>

#include "host/host.h"
#include "host/json_text.h"
#include "host/log.h"

#define ANSWER_MAX ((size_t)1 << 16)

bool process_is_named(const struct process *p, const char *name)
{
	if (strcmp(p->name, name) == 0 || strcmp(p->group->name, name) == 0)
		return true;
	for (size_t i = 0; i < p->endpoint_count; i++) {
		if (strcmp(p->endpoints[i].instance, name) == 0 ||
		    strcmp(p->endpoints[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Whether E is a worker of NAME: of an instance, or of all instances of a role. */
static bool is_worker_of(const struct endpoint *e, const char *name)
{
	size_t size = strlen(name);

	return strcmp(e->instance, name) == 0 || strcmp(e->name, name) == 0 ||
	       (strncmp(e->instance, name, size) == 0 && e->instance[size] == '@');
}

static void answer_error(call_reply_fn fn, void *user, uint64_t tag, int32_t error,
			 const char *text)
{
	const struct call_reply reply = {.error = error, .message = text};

	fn(user, tag, &reply);
}

static void answer_text(call_reply_fn fn, void *user, uint64_t tag, const struct buf *text)
{
	const struct call_reply reply = {
	    .message = "", .json = text->data, .json_size = text->size};

	if (text->failed)
		answer_error(fn, user, tag, ADIT_E_LIMIT, "the answer is too long");
	else
		fn(user, tag, &reply);
}

static void host_workers(const struct host *host, const char *target, call_reply_fn fn, void *user,
			 uint64_t tag)
{
	struct buf out = {.limit = ANSWER_MAX};
	size_t count = 0;

	(void)buf_printf(&out, "{\"workers\":[");
	for (const struct group *group = host->groups; group != NULL; group = group->next) {
		if (group_serving(host, group->name) != group)
			continue;
		for (size_t i = 0; i < group->process_count; i++) {
			const struct process *p = group->processes[i];

			for (size_t k = 0; k < p->endpoint_count; k++) {
				if (!is_worker_of(&p->endpoints[k], target))
					continue;
				(void)buf_printf(&out, count++ > 0 ? "," : "");
				(void)json_text_string(&out, p->endpoints[k].name);
			}
		}
	}
	(void)buf_printf(&out, "]}");
	answer_text(fn, user, tag, &out);
	buf_free(&out);
}

static void host_restart(struct host *host, const char *caller, const char *target,
			 call_reply_fn fn, void *user, uint64_t tag)
{
	struct buf out = {.limit = ANSWER_MAX};
	size_t found = 0, begun = 0;

	for (struct group *group = host->groups; group != NULL; group = group->next) {
		for (size_t i = 0; i < group->process_count; i++) {
			if (!process_is_named(group->processes[i], target))
				continue;
			found++;
			begun += supervisor_restart(group->processes[i], "as another role asked");
		}
	}
	if (found == 0 || begun == 0) {
		answer_error(fn, user, tag, found == 0 ? ADIT_E_NOT_FOUND : ADIT_E_UNAVAILABLE,
			     found == 0 ? "there is no such role"
					: "it is stopping, or waits for another role to start");
		return;
	}
	log_line(ADIT_LOG_INFO, "aditd", "%s has %s started again", caller, target);
	(void)buf_printf(&out, "{\"restarting\":%zu}", begun);
	answer_text(fn, user, tag, &out);
	buf_free(&out);
	supervisor_advance(host);
}

bool host_method(struct host *host, const char *caller, const char *target, const char *method,
		 call_reply_fn fn, void *user, uint64_t tag)
{
	if (strcmp(method, HOST_METHOD_WORKERS) == 0)
		host_workers(host, target, fn, user, tag);
	else if (strcmp(method, HOST_METHOD_RESTART) == 0)
		host_restart(host, caller, target, fn, user, tag);
	else
		return false;
	return true;
}
