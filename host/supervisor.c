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

const char *process_state_name(enum process_state state)
{
	static const char *const names[] = {"starting", "starting", "running",
					    "stopping", "stopped",  "failing"};

	return names[state];
}

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

/* Announces what happened to each role of P: ModuleStarted, ModuleStopped, ModuleCrashed. */
static void process_announce(struct process *p, const char *type, const char *error)
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

static void process_stop(struct process *p)
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

/* All processes of GROUP are in STATE. */
static bool group_all(const struct group *group, enum process_state state)
{
	for (size_t i = 0; i < group->process_count; i++) {
		if (group->processes[i].state != state)
			return false;
	}
	return true;
}

static struct group *group_find(const struct host *host, const char *name)
{
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		if (strcmp(group->name, name) == 0)
			return group;
	}
	return NULL;
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

static bool group_may_start(const struct host *host, const struct group *group)
{
	if (group->conf == NULL)
		return false;
	for (size_t i = 0; i < group->conf->after_count; i++) {
		const struct group *other =
		    group_find(host, host->conf->groups[group->conf->after[i]].name);

		if (other == NULL || !other->was_running)
			return false;
	}
	return true;
}

/* While stopping: GROUP's turn has come when nothing that depends on it is left. */
static bool group_may_stop(const struct host *host, const struct group *group)
{
	for (const struct group *other = host->groups; other != NULL; other = other->next) {
		if (other != group && group_is_after(host, other, group->name) &&
		    !group_all(other, PROCESS_STOPPED))
			return false;
	}
	return true;
}

static void group_free(struct group *group)
{
	for (size_t i = 0; i < group->process_count; i++)
		process_free(&group->processes[i]);
	free(group->processes);
	free(group->name);
	free(group);
}

static struct group *group_new(struct host *host, const struct conf_group *conf)
{
	struct group *group = calloc(1, sizeof(*group));

	if (group == NULL)
		return NULL;
	group->host = host;
	group->conf = conf;
	group->name = strdup(conf->name);
	group->processes = calloc(conf->workers, sizeof(*group->processes));
	for (unsigned i = 0; group->processes != NULL && i < conf->workers; i++) {
		group->process_count++;
		if (!process_init(&group->processes[i], group, i + 1)) {
			group_free(group);
			return NULL;
		}
	}
	return group;
}

/* Appends groups of the configuration that have none yet; a retired one of the same name must have
 * gone first, since both would want its sockets and directories. */
static void supervisor_add_groups(struct host *host)
{
	struct group **at;

	for (size_t i = 0; i < host->conf->group_count; i++) {
		const struct conf_group *conf = &host->conf->groups[i];

		if (group_find(host, conf->name) != NULL)
			continue;
		for (at = &host->groups; *at != NULL; at = &(*at)->next)
			;
		*at = group_new(host, conf);
		if (*at == NULL)
			log_line(ADIT_LOG_ERROR, "aditd", "out of memory: %s is not started",
				 conf->name);
	}
}

/* Frees retired groups whose processes have gone. */
static bool supervisor_drop_retired(struct host *host)
{
	struct group **at = &host->groups;
	bool dropped = false;

	while (*at != NULL) {
		struct group *group = *at;

		if (group->conf != NULL || !group_all(group, PROCESS_STOPPED)) {
			at = &group->next;
			continue;
		}
		*at = group->next;
		group_free(group);
		dropped = true;
	}
	return dropped;
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

/* Roles that are enabled and can't be started, for want of a plugin, say. */
static size_t supervisor_left_out(const struct conf *conf)
{
	size_t count = 0;

	for (size_t i = 0; i < conf->role_count; i++)
		count += conf->roles[i]->enabled && conf->roles[i]->trouble != NULL ? 1 : 0;
	return count;
}

/* Everything that can be started runs. */
static void supervisor_announce(struct host *host)
{
	unsigned long long ms = clock_monotonic_ms() - host->started_ms;
	size_t left_out = supervisor_left_out(host->conf);
	struct buf json = {0};
	const char *separator = "";

	if (left_out == 0)
		log_line(ADIT_LOG_INFO, "aditd", "all roles run, %llu ms after the start", ms);
	else
		log_line(
		    ADIT_LOG_WARNING, "aditd",
		    "%zu of the enabled roles can't be started, the others run: `aditctl status` "
		    "says why",
		    left_out);
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

static void supervisor_advance_start(struct host *host)
{
	bool complete = true;

	if (supervisor_drop_retired(host)) {
		supervisor_sweep_listeners(host);
		supervisor_add_groups(host);
	}
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		if (group_all(group, PROCESS_RUNNING))
			group->was_running = true;
		if (group_may_start(host, group)) {
			for (size_t i = 0; i < group->process_count; i++) {
				if (group->processes[i].state == PROCESS_WAITING)
					process_start(&group->processes[i]);
			}
		}
		complete = complete && group->was_running;
	}
	if (complete && !host->announced) {
		host->announced = true;
		supervisor_announce(host);
	}
}

/* Stops the groups whose turn has come; true when one of them is stopped at once, having no
 * process, so that it may be another's turn. */
static bool supervisor_stop_some(struct host *host)
{
	bool again = false;

	for (struct group *group = host->groups; group != NULL; group = group->next) {
		if (!group_may_stop(host, group))
			continue;
		for (size_t i = 0; i < group->process_count; i++) {
			struct process *p = &group->processes[i];

			if (p->state == PROCESS_STOPPING || p->state == PROCESS_STOPPED)
				continue;
			process_stop(p);
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
		if (!group_all(group, PROCESS_STOPPED))
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
}

void supervisor_start(struct host *host)
{
	supervisor_add_groups(host);
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
		for (size_t i = 0; i < group->process_count; i++)
			process_kill(&group->processes[i], SIGKILL);
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
	log_line(ADIT_LOG_INFO, p->name, "is started again %s", why);
	process_stop(p);
	p->again = true;
	return true;
}

/* Gives the changed settings of GROUP, which ran with BEFORE, to its processes. */
static void group_reload(struct group *group, const struct conf_group *before)
{
	for (size_t i = 0; i < group->process_count; i++) {
		struct process *p = &group->processes[i];

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

/* Takes GROUP over into the new configuration, or retires it. */
static void group_reconfigure(struct group *group, const struct conf *old)
{
	struct host *host = group->host;
	const struct conf_group *before = group->conf;
	enum conf_change change = CONF_OTHER;

	group->conf = NULL;
	for (size_t i = 0; before != NULL && i < host->conf->group_count; i++) {
		const struct conf_group *now = &host->conf->groups[i];

		if (strcmp(now->name, group->name) != 0)
			continue;
		change = conf_group_change(old, before, host->conf, now);
		if (change != CONF_OTHER)
			group->conf = now;
	}
	if (change == CONF_SETTINGS)
		group_reload(group, before);
	if (group->conf != NULL)
		return;
	log_line(ADIT_LOG_INFO, group->name, "its configuration changed");
	for (size_t i = 0; i < group->process_count; i++) {
		group->processes[i].again = false;
		if (group->processes[i].state != PROCESS_STOPPING)
			process_stop(&group->processes[i]);
	}
}

void supervisor_reconfigure(struct host *host, const struct conf *old)
{
	for (struct group *group = host->groups; group != NULL; group = group->next)
		group_reconfigure(group, old);
	supervisor_add_groups(host);
	host->announced = false;
	supervisor_advance(host);
}

void supervisor_started(struct process *p)
{
	if (p->state != PROCESS_STARTING)
		return;
	p->state = PROCESS_RUNNING;
	log_line(ADIT_LOG_INFO, p->name, "runs (process %d)", (int)p->pid);
	process_announce(p, "ModuleStarted", NULL);
	supervisor_advance(p->group->host);
}

/* The process has exited with STATUS. */
static void process_exited(struct process *p, int status)
{
	bool stopping = p->state == PROCESS_STOPPING || p->group->host->stopping;
	enum process_exit how;
	char text[1400];

	p->pid = 0; /* the number may be another's from now on */
	p->state = stopping ? PROCESS_STOPPING : PROCESS_FAILING;
	if (p->channel != NULL)
		ipc_drain(p->channel); /* its last words */
	how = process_exit_text(p, status, text, sizeof(text));
	process_clear_timer(p);
	process_gone(p);
	if (stopping) {
		if (how != EXIT_ASKED)
			log_line(ADIT_LOG_WARNING, p->name, "%s while stopping", text);
		process_remember(p, text);
		p->state =
		    p->again && !p->group->host->stopping ? PROCESS_WAITING : PROCESS_STOPPED;
		p->again = false;
		process_announce(p, "ModuleStopped", NULL);
	} else {
		process_announce(p, "ModuleCrashed", text);
		process_fail(p, how, text);
	}
}

static struct process *supervisor_find(const struct host *host, pid_t pid)
{
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		for (size_t i = 0; i < group->process_count; i++) {
			if (group->processes[i].pid == pid)
				return &group->processes[i];
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
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		for (size_t i = 0; i < group->process_count; i++) {
			struct process *p = &group->processes[i];

			if (late > TICK_LATE_MS && p->ping_ms != 0)
				p->ping_ms = now;
			process_ping(p, now);
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
