/* SPDX-License-Identifier: MIT */
/* supervisor.c: which process is started, restarted and stopped when. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <event2/event.h>

#include "host/host.h"
#include "host/json_text.h"
#include "host/log.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

#define RESTART_FIRST_MS 200u
#define RESTART_MOST_MS 30000
#define HEALTHY_MS 60000   /* running for so long: the next failure is a first one */
#define STOP_MS 5000       /* allowed to a process that was asked to stop */
#define STOP_AGAIN_MS 1000 /* asked to stop again this soon is the same wish */
#define ABORT_MS 2000      /* between SIGABRT and SIGKILL */
#define CLOSED_MS 2000     /* allowed between the end of its channel and its exit */
#define TICK_LATE_MS 2000  /* a tick later than this: it was us who did not run */

static void process_on_timer(evutil_socket_t fd, short what, void *user);

static void process_set_timer(struct process *p, uint32_t ms)
{
	struct timeval wait = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	if (p->timer == NULL)
		p->timer = evtimer_new(p->group->host->base, process_on_timer, p);
	if (p->timer != NULL)
		(void)evtimer_add(p->timer, &wait);
}

static void process_clear_timer(struct process *p)
{
	if (p->timer != NULL)
		(void)evtimer_del(p->timer);
}

static void process_remember(struct process *p, const char *text)
{
	free(p->last_exit);
	p->last_exit = strdup(text);
}

void supervisor_tell(const struct process *p, const char *type, const char *error)
{
	struct host *host = p->group->host;

	for (size_t i = 0; i < p->endpoint_count; i++) {
		struct buf json = {0};

		(void)buf_printf(&json, "{\"module_name\":");
		(void)json_text_string(&json, p->endpoints[i].instance);
		(void)buf_printf(&json, ",\"worker\":");
		(void)json_text_string(&json, p->endpoints[i].name);
		if (error != NULL) {
			(void)buf_printf(&json, ",\"error\":");
			(void)json_text_string(&json, error);
		}
		(void)buf_append(&json, "}", 2);
		if (!json.failed)
			router_host_event(host, type, (const char *)json.data);
		buf_free(&json);
	}
}

/* The pause before the next attempt: doubling up to 30 s, a quarter more or less so that workers
 * that fell together don't come back together. A refused start waits the longest pause at once:
 * what it needs comes from outside. */
static uint32_t process_pause(const struct process *p, enum process_exit how)
{
	uint32_t pause = RESTART_MOST_MS;

	if (how != EXIT_REFUSED && p->failures < 9)
		pause = RESTART_FIRST_MS << (p->failures > 0 ? p->failures - 1 : 0);
	if (pause > RESTART_MOST_MS)
		pause = RESTART_MOST_MS;
	return pause - random_below(pause / 4 + 1);
}

static void process_fail(struct process *p, enum process_exit how, const char *text)
{
	uint32_t pause;

	if (clock_monotonic_ms() - p->started_ms >= HEALTHY_MS)
		p->failures = 0;
	p->failures++;
	pause = process_pause(p, how);
	process_remember(p, text);
	p->state = PROCESS_FAILING;
	log_line(ADIT_LOG_ERROR, p->name, "%s; next attempt in %u.%u s", text, pause / 1000,
		 pause % 1000 / 100);
	process_set_timer(p, pause);
}

void supervisor_send_shares(struct host *host)
{
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		struct process *p;

		for (size_t i = 0; (p = group_process(group, i)) != NULL; i++)
			process_send_shares(p);
	}
}

static void process_start(struct process *p)
{
	struct error e;

	if (p->failures > 0 || p->last_exit != NULL)
		p->restarts++;
	process_clear_timer(p);
	if (process_spawn(p, &e) != ADIT_OK)
		process_fail(p, EXIT_REFUSED, e.text);
	else
		log_line(ADIT_LOG_DEBUG, p->name, "started as process %d", (int)p->pid);
	supervisor_send_shares(p->group->host); /* it may write a new ring */
}

void supervisor_abort(struct process *p, const char *why)
{
	if (p->pid == 0 || p->aborted)
		return;
	log_line(ADIT_LOG_ERROR, p->name, "%s: process %d is aborted", why, (int)p->pid);
	free(p->refusal);
	p->refusal = strdup(why);
	p->aborted = true;
	process_kill(p, SIGABRT);
	process_set_timer(p, ABORT_MS);
}

void supervisor_closed(struct process *p, const char *reason)
{
	if (reason[0] != '\0')
		supervisor_abort(p, reason);
	else if (!p->aborted)
		process_set_timer(p, CLOSED_MS);
}

void supervisor_stop_process(struct process *p)
{
	const struct ipc_frame frame = {.kind = IPC_STOP};

	process_clear_timer(p);
	if (p->pid == 0) {
		p->state = PROCESS_STOPPED;
		return;
	}
	p->state = PROCESS_STOPPING;
	(void)ipc_send(p->channel, &frame);
	process_set_timer(p, STOP_MS);
}

static void process_on_timer(evutil_socket_t fd, short what, void *user)
{
	struct process *p = user;

	(void)fd;
	(void)what;
	if (p->pid != 0 && p->state == PROCESS_STOPPING && !p->aborted)
		log_line(ADIT_LOG_ERROR, p->name, "did not stop within %d s: it is killed",
			 STOP_MS / 1000);
	if (p->pid != 0 && (p->aborted || p->state == PROCESS_STOPPING))
		process_kill(p, SIGKILL);
	else if (p->pid != 0)
		supervisor_abort(p, "it closed its channel and did not exit");
	else if (p->state == PROCESS_FAILING)
		process_start(p);
}

/* Whether GROUP is to be started after the group with NAME. */
static bool group_is_after(const struct host *host, const struct group *group, const char *name)
{
	for (size_t i = 0; group->conf != NULL && i < group->conf->after_count; i++) {
		if (strcmp(host->conf->groups[group->conf->after[i]].name, name) == 0)
			return true;
	}
	return false;
}

/* Whether a worker of GROUP could not be started, or died since. */
static bool group_has_failed(const struct group *group)
{
	for (size_t i = 0; i < group->process_count; i++) {
		if (group->processes[i]->failures > 0)
			return true;
	}
	return false;
}

static bool group_may_start(const struct host *host, const struct group *group)
{
	if (group->conf == NULL)
		return false;
	for (size_t i = 0; i < group->conf->after_count; i++) {
		const struct group *other =
		    group_current(host, host->conf->groups[group->conf->after[i]].name);

		if (other != NULL && other->was_running)
			continue;
		if (!group->conf->loose[i] || (other != NULL && !group_has_failed(other)))
			return false;
	}
	return true;
}

/* While stopping: GROUP's turn has come when nothing that depends on it is left. */
static bool group_may_stop(const struct host *host, const struct group *group)
{
	for (const struct group *other = host->groups; other != NULL; other = other->next) {
		if (other != group && group_is_after(host, other, group->name) &&
		    !group_gone(other))
			return false;
	}
	return true;
}

void supervisor_sweep_listeners(struct host *host)
{
	for (struct listener *l = host->listeners.first; l != NULL; l = l->next) {
		l->used = false;
		for (size_t i = 0; i < host->conf->role_count; i++) {
			const struct conf_role *role = host->conf->roles[i];

			for (size_t j = 0; role->enabled && j < role->setting_count; j++) {
				char owner[160];

				(void)snprintf(owner, sizeof(owner), "%s %s", role->instance,
					       role->settings[j].key);
				if (strcmp(owner, l->owner) == 0 &&
				    strstr(role->settings[j].value, l->requested) != NULL)
					l->used = true;
			}
		}
	}
	listeners_sweep(&host->listeners);
}

/* GROUP, which has been retired, serves no longer when the new group of its name has been running.
 */
static void group_hand_over(struct group *group)
{
	const struct group *now = group_current(group->host, group->name);

	if (!group->handing_over || now == NULL || !now->was_running)
		return;
	group->handing_over = false;
	for (size_t i = 0; i < group->process_count; i++) {
		group->processes[i]->part = PROCESS_LEAVING;
		if (group->processes[i]->state != PROCESS_STOPPING)
			supervisor_stop_process(group->processes[i]);
	}
}

static void supervisor_advance_start(struct host *host)
{
	bool complete = true;

	if (groups_drop(host)) {
		supervisor_sweep_listeners(host);
		groups_add(host);
	}
	for (struct group *group = host->groups; group != NULL; group = group->next)
		group->was_running = group->was_running || group_all(group, PROCESS_RUNNING);
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		if (group_may_start(host, group)) {
			for (size_t i = 0; i < group->process_count; i++) {
				if (group->processes[i]->state == PROCESS_WAITING)
					process_start(group->processes[i]);
			}
		}
		replace_advance(group);
		group_hand_over(group);
		complete = complete && group->was_running;
	}
	if (complete && !host->announced) {
		host->announced = true;
		announce_complete(host);
	}
}

/* Stops the groups whose turn has come; true when one of them is stopped at once, having no
 * process, so that it may be another's turn. */
static bool supervisor_stop_some(struct host *host)
{
	bool again = false;

	for (struct group *group = host->groups; group != NULL; group = group->next) {
		struct process *p;

		if (!group_may_stop(host, group))
			continue;
		for (size_t i = 0; (p = group_process(group, i)) != NULL; i++) {
			if (p->state == PROCESS_STOPPING || p->state == PROCESS_STOPPED)
				continue;
			supervisor_stop_process(p);
			again = again || p->state == PROCESS_STOPPED;
		}
	}
	return again;
}

static void supervisor_advance_stop(struct host *host)
{
	while (supervisor_stop_some(host))
		;
	for (const struct group *group = host->groups; group != NULL; group = group->next) {
		if (!group_gone(group))
			return;
	}
	(void)event_base_loopexit(host->base, NULL);
}

void supervisor_advance(struct host *host)
{
	if (host->stopping)
		supervisor_advance_stop(host);
	else
		supervisor_advance_start(host);
	announce_state(host);
}

void supervisor_start(struct host *host)
{
	groups_add(host);
	supervisor_advance(host);
}

void supervisor_stop(struct host *host)
{
	if (!host->stopping) {
		host->stopping = true;
		host->stopping_ms = clock_monotonic_ms();
		log_line(ADIT_LOG_INFO, "aditd", "stopping");
		router_host_event(host, "NodeShutdown",
				  "{\"reason\":\"asked\",\"timeout_seconds\":5}");
		supervisor_advance(host);
		return;
	}
	/* Shells and timeout(1) send the same wish to process and group: one wish. */
	if (clock_monotonic_ms() - host->stopping_ms < STOP_AGAIN_MS)
		return;
	log_line(ADIT_LOG_WARNING, "aditd", "asked again: all processes are killed");
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		const struct process *p;

		for (size_t i = 0; (p = group_process(group, i)) != NULL; i++)
			process_kill(p, SIGKILL);
	}
}

bool supervisor_restart(struct process *p, const char *why)
{
	if (p->state == PROCESS_STOPPING || p->group->host->stopping || p->group->conf == NULL)
		return p->again && !p->group->host->stopping;
	if (p->pid == 0) {
		if (p->state == PROCESS_FAILING)
			process_set_timer(p, 0); /* it may do better now */
		return p->state == PROCESS_FAILING;
	}
	if (p->state == PROCESS_RUNNING && p->part == PROCESS_WORKER &&
	    group_overlaps(p->group->conf)) {
		replace_begin(p, why);
		return true;
	}
	log_line(ADIT_LOG_INFO, p->name, "is started again %s", why);
	supervisor_stop_process(p);
	p->again = true;
	return true;
}

/* Gives the changed settings of GROUP, which ran with BEFORE, to its processes. */
static void group_reload(struct group *group, const struct conf_group *before)
{
	replace_renew(group);
	for (size_t i = 0; i < group->process_count; i++) {
		struct process *p = group->processes[i];

		if (p->state != PROCESS_RUNNING) {
			(void)supervisor_restart(p, "with its new settings");
			continue;
		}
		for (size_t j = 0; j < group->conf->role_count; j++) {
			if (conf_role_change(before->roles[j], group->conf->roles[j]) == CONF_SAME)
				continue;
			if (process_reload(p, j) != ADIT_OK)
				(void)supervisor_restart(p, "with its new settings");
		}
	}
}

/* All addresses that the roles of CONF listen at are open. One that is not can be opened only when
 * a present one has been closed. */
static bool group_can_listen(const struct host *host, const struct conf_group *conf)
{
	for (size_t i = 0; i < conf->role_count; i++) {
		const struct conf_role *role = conf->roles[i];

		for (size_t j = 0; j < role->setting_count; j++) {
			if (role->settings[j].type == SCHEMA_LISTEN &&
			    !listeners_have(&host->listeners, role->instance, role->settings[j].key,
					    role->settings[j].value))
				return false;
		}
	}
	return true;
}

/* GROUP, which is retired, ends now. */
static void group_stop(struct group *group)
{
	struct process *p;

	group->handing_over = false;
	replace_cancel(group);
	for (size_t i = 0; (p = group_process(group, i)) != NULL; i++) {
		p->again = false;
		if (p->state != PROCESS_STOPPING)
			supervisor_stop_process(p);
	}
}

/* GROUP serves on until the new one, which is beside it, runs. */
static void group_begin_hand_over(struct group *group)
{
	group->handing_over = true;
	replace_cancel(group);
	for (size_t i = 0; i < group->process_count; i++) {
		group->processes[i]->again = false;
		if (group->processes[i]->pid == 0)
			group->processes[i]->state = PROCESS_STOPPED;
	}
}

static const struct conf_group *group_conf(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->group_count; i++) {
		if (strcmp(conf->groups[i].name, name) == 0)
			return &conf->groups[i];
	}
	return NULL;
}

/* Takes GROUP over into the new configuration, or retires it. */
static void group_reconfigure(struct group *group, const struct conf *old)
{
	struct host *host = group->host;
	const struct conf_group *before = group->conf;
	const struct conf_group *now = group_conf(host->conf, group->name);
	enum conf_change change = CONF_OTHER;

	if (before != NULL && now != NULL)
		change = conf_group_change(old, before, host->conf, now);
	group->conf = change != CONF_OTHER ? now : NULL;
	if (change == CONF_SETTINGS)
		group_reload(group, before);
	if (group->conf != NULL)
		return;
	if (before == NULL) { /* it was retired before; somebody must still follow it */
		if (group->handing_over && now == NULL)
			group_stop(group);
		return;
	}
	log_line(ADIT_LOG_INFO, group->name, "its configuration changed");
	if (group->was_running && group_overlaps(before) && group_overlaps(now) &&
	    group_can_listen(host, now))
		group_begin_hand_over(group);
	else
		group_stop(group);
}

void supervisor_reconfigure(struct host *host, const struct conf *old)
{
	for (struct group *group = host->groups; group != NULL; group = group->next)
		group_reconfigure(group, old);
	groups_add(host);
	host->announced = false;
	supervisor_advance(host);
}

void supervisor_started(struct process *p)
{
	if (p->state != PROCESS_STARTING)
		return;
	p->state = PROCESS_RUNNING;
	if (p->part == PROCESS_SUCCESSOR)
		replace_done(p);
	log_line(ADIT_LOG_INFO, p->name, "runs (process %d)", (int)p->pid);
	supervisor_tell(p, "ModuleStarted", NULL);
	supervisor_advance(p->group->host);
}

/* The worker P has exited after it was asked to. */
static void process_ended(struct process *p, enum process_exit how, const char *text)
{
	const struct host *host = p->group->host;
	const struct group *now = group_current(host, p->group->name);

	if (how != EXIT_ASKED)
		log_line(ADIT_LOG_WARNING, p->name, "%s while stopping", text);
	process_remember(p, text);
	p->state = p->again && !host->stopping ? PROCESS_WAITING : PROCESS_STOPPED;
	p->again = false;
	if (p->part != PROCESS_LEAVING || now == NULL || p->number > now->process_count)
		supervisor_tell(p, "ModuleStopped", NULL);
}

static void process_crashed(struct process *p, enum process_exit how, const char *text)
{
	supervisor_tell(p, "ModuleCrashed", text);
	if (replace_early(p, text)) {
		process_free(p);
	} else if (p->group->conf == NULL) { /* the new group is on its way */
		log_line(ADIT_LOG_ERROR, p->name, "%s", text);
		p->state = PROCESS_STOPPED;
	} else {
		process_fail(p, how, text);
	}
}

/* The process has exited with STATUS. */
static void process_exited(struct process *p, int status)
{
	bool stopping = p->state == PROCESS_STOPPING || p->group->host->stopping;
	pid_t pid = p->pid;
	enum process_exit how;
	char text[1400];

	p->pid = 0; /* the number may be another's from now on */
	p->state = stopping ? PROCESS_STOPPING : PROCESS_FAILING;
	if (p->channel != NULL)
		ipc_drain(p->channel); /* its last words */
	how = process_exit_text(p, status, text, sizeof(text));
	process_clear_timer(p);
	process_gone(p);
	if (p->group->processes[p->number - 1] != p)
		replace_exited(p, pid, text, how == EXIT_ASKED);
	else if (stopping)
		process_ended(p, how, text);
	else
		process_crashed(p, how, text);
}

static struct process *supervisor_find(const struct host *host, pid_t pid)
{
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		struct process *p;

		for (size_t i = 0; (p = group_process(group, i)) != NULL; i++) {
			if (p->pid == pid)
				return p;
		}
	}
	return NULL;
}

void supervisor_reap(struct host *host)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct process *p = supervisor_find(host, pid);

		if (p != NULL)
			process_exited(p, status);
	}
	supervisor_advance(host);
}

static void process_ping(struct process *p, uint64_t now)
{
	const struct ipc_frame frame = {.kind = IPC_PING};

	if (p->pid == 0 || p->channel == NULL || p->aborted || p->state == PROCESS_STOPPING)
		return;
	if (p->ping_ms == 0) {
		p->ping_ms = now;
		(void)ipc_send(p->channel, &frame);
	} else if (now - p->ping_ms >= p->group->host->conf->watchdog_ms) {
		supervisor_abort(p, "watchdog: its loop does not answer");
	}
}

void supervisor_tick(struct host *host)
{
	uint64_t now = clock_monotonic_ms();
	uint64_t late = now - host->tick_ms;

	host->tick_ms = now;
	announce_state(host);
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		struct process *p;

		for (size_t i = 0; (p = group_process(group, i)) != NULL; i++) {
			if (late > TICK_LATE_MS && p->ping_ms != 0)
				p->ping_ms = now;
			process_ping(p, now);
			process_send_shares(p); /* what its socket had no room for */
		}
	}
}

void supervisor_free(struct host *host)
{
	while (host->groups != NULL) {
		struct group *group = host->groups;

		host->groups = group->next;
		group_free(group);
	}
}
