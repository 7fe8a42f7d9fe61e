/* SPDX-License-Identifier: MIT */
/* reload.c: a new configuration is built beside the old one and takes its place only when it is
 * good. */
#include "config.h"

#include <string.h>

#include "host/host.h"
#include "host/log.h"

/* Settings of [host] that a running host can't change. */
static bool reload_same_place(const struct conf *a, const struct conf *b)
{
	return strcmp(a->state_dir, b->state_dir) == 0 &&
	       strcmp(a->control_socket, b->control_socket) == 0 &&
	       strcmp(a->plugin_dir, b->plugin_dir) == 0;
}

/* What is logged changes without a restart. */
static void reload_level(struct host *host, int level)
{
	const struct ipc_frame frame = {.kind = IPC_LEVEL, .status = level};

	log_set_level(level);
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		for (size_t i = 0; i < group->process_count; i++) {
			if (group->processes[i].channel != NULL)
				(void)ipc_send(group->processes[i].channel, &frame);
		}
	}
}

void host_reload(struct host *host)
{
	struct problems problems = {0};
	bool usable;
	struct conf *old = host->conf;
	struct conf *conf;

	if (host->stopping)
		return;
	conf = conf_load(old->file, host->node_manifest, &problems, &usable);
	for (size_t i = 0; i < problems.count; i++)
		log_line(ADIT_LOG_ERROR, "aditd", "%s", problems.texts[i]);
	problems_free(&problems);
	if (conf == NULL || !usable) {
		log_line(ADIT_LOG_ERROR, "aditd",
			 "the new configuration is not used; the old one "
			 "stays in force");
		conf_free(conf);
		return;
	}
	if (!reload_same_place(old, conf)) {
		log_line(ADIT_LOG_ERROR, "aditd",
			 "state_dir, plugin_dir, run_dir and control_socket can't be changed while "
			 "aditd runs: restart it; the old configuration stays in force");
		conf_free(conf);
		return;
	}
	host->conf = conf;
	reload_level(host, conf->log_level);
	log_line(ADIT_LOG_INFO, "aditd", "the configuration was read again");
	supervisor_reconfigure(host, old);
	conf_free(old);
}
