/* SPDX-License-Identifier: MIT */
/* reload.c: a new configuration is built beside the old one and takes its place only when it is
 * good and its addresses could be opened. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/host.h"
#include "host/json_text.h"
#include "host/log.h"

/* Settings of [host] that a running host can't change. */
static bool reload_same_place(const struct conf *a, const struct conf *b)
{
	return strcmp(a->state_dir, b->state_dir) == 0 &&
	       strcmp(a->control_socket, b->control_socket) == 0 &&
	       strcmp(a->plugin_dir, b->plugin_dir) == 0;
}

void host_set_log_level(struct host *host, int level)
{
	const struct ipc_frame frame = {.kind = IPC_LEVEL, .status = level};

	log_set_level(level);
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		const struct process *p;

		for (size_t i = 0; (p = group_process(group, i)) != NULL; i++) {
			if (p->channel != NULL)
				(void)ipc_send(p->channel, &frame);
		}
	}
}

/* Whether an open listener may be what keeps ADDRESS from being opened: then it is opened when that
 * one has been closed, just before its role starts. */
static bool reload_in_our_way(const struct host *host, const char *address)
{
	const char *port = strrchr(address, ':');

	for (const struct listener *l = host->listeners.first; l != NULL; l = l->next) {
		const char *taken = strrchr(l->address, ':');

		if (strcmp(l->requested, address) == 0 ||
		    (!l->is_unix && taken != NULL && port != NULL && strcmp(taken, port) == 0))
			return true;
	}
	return false;
}

/* Opens what SETTING of ROLE asks for and is not open yet. */
static void reload_listen(struct host *host, const struct conf_role *role,
			  const struct conf_setting *setting, struct problems *problems)
{
	char owner[160];
	char *list = strdup(setting->value);
	char *at = NULL;

	(void)snprintf(owner, sizeof(owner), "%s %s", role->instance, setting->key);
	for (char *item = list != NULL ? strtok_r(list, ",", &at) : NULL; item != NULL;
	     item = strtok_r(NULL, ",", &at)) {
		const struct listener *l;
		struct error e;

		if (listeners_open(&host->listeners, owner, item, &l, &e) != ADIT_OK &&
		    !reload_in_our_way(host, item))
			problems_add(problems, setting->file != NULL ? setting->file : role->file,
				     setting->file != NULL ? setting->line : role->line, "%s: %s",
				     setting->key, e.text);
	}
	free(list);
}

/* Opens the listeners of CONF beside the present ones: nobody is refused while roles change over.
 * False, with all as it was, when one can't be opened. */
static bool reload_listeners(struct host *host, const struct conf *conf, struct problems *problems)
{
	size_t before = problems_errors(problems);

	for (size_t i = 0; i < conf->role_count; i++) {
		const struct conf_role *role = conf->roles[i];

		for (size_t j = 0; j < role->setting_count; j++) {
			if (role->enabled && role->trouble == NULL &&
			    role->settings[j].type == SCHEMA_LISTEN)
				reload_listen(host, role, &role->settings[j], problems);
		}
	}
	if (problems_errors(problems) == before)
		return true;
	supervisor_sweep_listeners(host);
	return false;
}

static bool reload_good(struct host *host, const struct conf *conf, bool usable,
			struct problems *problems)
{
	if (conf == NULL || !usable)
		return false;
	if (!reload_same_place(host->conf, conf)) {
		problems_add(problems, conf->file, 0,
			     "state_dir, plugin_dir, run_dir and control_socket can't be changed "
			     "while aditd runs: restart it");
		return false;
	}
	return reload_listeners(host, conf, problems);
}

static bool reload_differs(const struct conf_role *a, const struct conf_role *b)
{
	if (a->enabled != b->enabled || a->workers != b->workers ||
	    strcmp(a->process, b->process) != 0)
		return true;
	if (a->manifest == NULL || b->manifest == NULL)
		return a->manifest != b->manifest;
	return conf_role_change(a, b) != CONF_SAME;
}

/* The event ConfigLoaded, with the sections that differ from before, came or went. */
static void reload_announce(struct host *host, const struct conf *old)
{
	const struct conf *const both[] = {host->conf, old};
	struct buf json = {0};
	const char *separator = "";

	(void)buf_printf(&json, "{\"changed_sections\":[");
	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < both[i]->role_count; j++) {
			const struct conf_role *role = both[i]->roles[j];
			const struct conf_role *other = conf_find(both[1 - i], role->instance);

			/* of those in both, each once */
			if (other != NULL && (i == 1 || !reload_differs(role, other)))
				continue;
			(void)buf_printf(&json, "%s", separator);
			(void)json_text_string(&json, role->instance);
			separator = ",";
		}
	}
	(void)buf_append(&json, "]}", 3);
	if (!json.failed)
		router_host_event(host, "ConfigLoaded", (const char *)json.data);
	buf_free(&json);
}

bool host_reload(struct host *host, struct problems *problems)
{
	bool usable;
	struct conf *old = host->conf;
	struct conf *conf;
	bool good;

	if (host->stopping) {
		problems_add(problems, NULL, 0, "aditd is stopping");
		return false;
	}
	if (host->notify.phase == NOTIFY_READY)
		notify_state(&host->notify, NOTIFY_RELOADING, "reads its configuration");
	conf = conf_load(old->file, host->node_manifest, problems, &usable);
	good = reload_good(host, conf, usable, problems);
	for (size_t i = 0; i < problems->count; i++)
		log_line(good ? ADIT_LOG_WARNING : ADIT_LOG_ERROR, "aditd", "%s",
			 problems->texts[i]);
	if (!good) {
		log_line(ADIT_LOG_ERROR, "aditd",
			 "the new configuration is not used; the old one "
			 "stays in force");
		conf_free(conf);
		announce_state(host);
		return false;
	}
	host->conf = conf;
	host_set_log_level(host, conf->log_level);
	log_line(ADIT_LOG_INFO, "aditd", "the configuration was read again");
	reload_announce(host, old);
	supervisor_reconfigure(host, old);
	conf_free(old);
	return true;
}
