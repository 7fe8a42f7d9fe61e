/* SPDX-License-Identifier: MIT */
/* announce.c: what is told of the whole: that everything runs, and to the service manager. */
#include "config.h"

#include <stdio.h>

#include "host/host.h"
#include "host/json_text.h"
#include "host/log.h"
#include "lib/util/clock.h"

/* Roles that are enabled and can't be started, for want of a plugin, say. */
static size_t announce_left_out(const struct conf *conf)
{
	size_t count = 0;

	for (size_t i = 0; i < conf->role_count; i++)
		count += conf->roles[i]->enabled && conf->roles[i]->trouble != NULL ? 1 : 0;
	return count;
}

void announce_complete(struct host *host)
{
	unsigned long long ms = clock_monotonic_ms() - host->started_ms;
	size_t left_out = announce_left_out(host->conf);
	struct buf json = {0};
	const char *separator = "";

	if (left_out == 0 && !host->started)
		log_line(ADIT_LOG_INFO, "aditd", "all roles run, %llu ms after the start", ms);
	else if (left_out == 0)
		log_line(ADIT_LOG_INFO, "aditd", "all roles run with the new configuration");
	else
		log_line(
		    ADIT_LOG_WARNING, "aditd",
		    "%zu of the enabled roles can't be started, the others run: `aditctl status` "
		    "says why",
		    left_out);
	host->started = true;
	(void)buf_printf(&json, "{\"duration_ms\":%llu,\"components\":[", ms);
	for (const struct group *group = host->groups; group != NULL; group = group->next) {
		for (size_t i = 0; group->conf != NULL && i < group->conf->role_count; i++) {
			(void)buf_printf(&json, "%s", separator);
			(void)json_text_string(&json, group->conf->roles[i]->instance);
			separator = ",";
		}
	}
	(void)buf_append(&json, "]}", 3);
	if (!json.failed)
		router_host_event(host, "NodeStartupCompleted", (const char *)json.data);
	buf_free(&json);
}

/* Whether GROUP's way is known: each worker runs, or was tried and failed, or waits for a group of
 * which the same holds. */
static bool announce_group_settled(const struct group *group)
{
	const struct process *p;

	if (group == NULL)
		return false; /* it comes when the former one of its name has gone */
	for (size_t i = 0; (p = group_process(group, i)) != NULL; i++) {
		if (p->part == PROCESS_LEAVING)
			continue;
		if (p->part == PROCESS_SUCCESSOR || p->replace || p->state == PROCESS_STARTING ||
		    p->state == PROCESS_STOPPING)
			return false;
	}
	return true;
}

static bool announce_settled(const struct host *host)
{
	for (size_t i = 0; i < host->conf->group_count; i++) {
		if (!announce_group_settled(group_current(host, host->conf->groups[i].name)))
			return false;
	}
	return true;
}

static bool announce_fails(const struct conf_role *role, const struct group *group)
{
	if (role->trouble != NULL)
		return true;
	for (size_t i = 0; group != NULL && i < group->process_count; i++) {
		if (group->processes[i]->state == PROCESS_FAILING)
			return true;
	}
	return false;
}

/* "6 roles run"; "4 of 6 roles run; failing: pool, jdc". */
static void announce_text(const struct host *host, char *out, size_t size)
{
	size_t enabled = 0, running = 0, used = 0;
	char failing[200] = "";

	for (size_t i = 0; i < host->conf->role_count; i++) {
		const struct conf_role *role = host->conf->roles[i];
		const struct group *group =
		    role->enabled ? group_serving(host, role->process) : NULL;

		if (!role->enabled)
			continue;
		enabled++;
		if (announce_fails(role, group) && used < sizeof(failing))
			used += (size_t)snprintf(failing + used, sizeof(failing) - used, "%s%s",
						 used > 0 ? ", " : "; failing: ", role->instance);
		else if (role->trouble == NULL && group != NULL &&
			 group_all(group, PROCESS_RUNNING))
			running++;
	}
	if (running == enabled)
		(void)snprintf(out, size, running == 1 ? "%zu role runs" : "%zu roles run",
			       running);
	else
		(void)snprintf(out, size, "%zu of %zu roles run%s", running, enabled, failing);
}

void announce_state(struct host *host)
{
	char text[NOTIFY_STATUS_MAX];

	if (host->stopping) {
		notify_state(&host->notify, NOTIFY_STOPPING, "stopping");
		return;
	}
	announce_text(host, text, sizeof(text));
	notify_state(&host->notify, announce_settled(host) ? NOTIFY_READY : host->notify.phase,
		     text);
}
