/* SPDX-License-Identifier: MIT */
/* group.c: the groups of processes: making, finding, what state they are in. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "host/host.h"
#include "host/log.h"

struct process *group_process(const struct group *group, size_t index)
{
	struct process *p = group->others;

	if (index < group->process_count)
		return group->processes[index];
	for (index -= group->process_count; p != NULL && index > 0; index--)
		p = p->next;
	return p;
}

bool group_all(const struct group *group, enum process_state state)
{
	for (size_t i = 0; i < group->process_count; i++) {
		if (group->processes[i]->state != state)
			return false;
	}
	return true;
}

bool group_gone(const struct group *group)
{
	return group->others == NULL && group_all(group, PROCESS_STOPPED);
}

bool group_overlaps(const struct conf_group *conf)
{
	for (size_t i = 0; conf != NULL && i < conf->role_count; i++) {
		if (!conf->roles[i]->manifest->many_workers)
			return false;
	}
	return conf != NULL;
}

struct group *group_current(const struct host *host, const char *name)
{
	for (struct group *group = host->groups; group != NULL; group = group->next) {
		if (group->conf != NULL && strcmp(group->name, name) == 0)
			return group;
	}
	return NULL;
}

struct group *group_serving(const struct host *host, const char *name)
{
	struct group *found = NULL;

	for (struct group *group = host->groups; group != NULL; group = group->next) {
		if (strcmp(group->name, name) != 0)
			continue;
		if (group->handing_over)
			return group;
		if (found == NULL || group->conf != NULL)
			found = group;
	}
	return found;
}

void group_free(struct group *group)
{
	for (size_t i = 0; i < group->process_count; i++)
		process_free(group->processes[i]);
	while (group->others != NULL) {
		struct process *p = group->others;

		group->others = p->next;
		process_free(p);
	}
	for (size_t i = 0; group->sources != NULL && i < group->source_count; i++)
		bus_source_free(&group->sources[i]);
	free(group->sources);
	free((void *)group->processes);
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
	group->processes = calloc(conf->workers, sizeof(struct process *));
	group->source_count = (size_t)conf->workers * conf->role_count;
	group->sources = calloc(group->source_count, sizeof(*group->sources));
	for (unsigned i = 0;
	     group->processes != NULL && group->sources != NULL && i < conf->workers; i++) {
		group->processes[i] = process_new(group, i + 1);
		if (group->processes[i] != NULL)
			group->process_count++;
	}
	if (group->name != NULL && group->process_count == conf->workers)
		return group;
	group_free(group);
	return NULL;
}

/* Whether a retired group of NAME has to be waited for. */
static bool group_in_the_way(const struct host *host, const char *name)
{
	for (const struct group *group = host->groups; group != NULL; group = group->next) {
		if (strcmp(group->name, name) == 0 && !group->handing_over)
			return true;
	}
	return false;
}

void groups_add(struct host *host)
{
	struct group **at;

	for (size_t i = 0; i < host->conf->group_count; i++) {
		const struct conf_group *conf = &host->conf->groups[i];

		if (group_in_the_way(host, conf->name))
			continue; /* or it is the current one */
		for (at = &host->groups; *at != NULL; at = &(*at)->next)
			;
		*at = group_new(host, conf);
		if (*at == NULL)
			log_line(ADIT_LOG_ERROR, "aditd", "out of memory: %s is not started",
				 conf->name);
	}
}

bool groups_drop(struct host *host)
{
	struct group **at = &host->groups;
	bool dropped = false;

	while (*at != NULL) {
		struct group *group = *at;

		if (group->conf != NULL || !group_gone(group)) {
			at = &group->next;
			continue;
		}
		*at = group->next;
		group_free(group);
		dropped = true;
	}
	return dropped;
}
