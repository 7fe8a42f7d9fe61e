/* SPDX-License-Identifier: MIT */
/* conf_plan.c: from roles to processes: dependencies between roles, the groups that share a
 * process, and the order in which all of it is started. */
#include "config.h"

#include "host/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARK_NONE, MARK_OPEN, MARK_DONE };
enum conf_need { NEED_NONE, NEED_MAY, NEED_MUST };

static bool conf_startable(const struct conf_role *role)
{
	return role->enabled && role->trouble == NULL && role->manifest != NULL;
}

/* Says, once, why ROLE can't be started; a problem of that role only. */
static void conf_trouble(struct conf *conf, struct conf_role *role, struct problems *problems,
			 const char *text)
{
	if (role->trouble != NULL)
		return;
	role->trouble = strdup(text);
	conf->soft_problems++;
	problems_add(problems, role->file, role->line, "[%s]: %s", role->instance, text);
}

/* Whether `process` is given by a file, not by what was changed at run time. */
static bool conf_role_says_process(const struct conf_role *role)
{
	for (size_t i = 0; i < role->common_count; i++) {
		if (strcmp(role->common[i].key, "process") == 0)
			return role->common[i].origin == CONF_FILE;
	}
	return false;
}

static const struct conf_role *conf_provider(const struct conf *conf, const char *plugin)
{
	for (size_t i = 0; i < conf->role_count; i++) {
		if (strcmp(conf->roles[i]->role, plugin) == 0 && conf_startable(conf->roles[i]))
			return conf->roles[i];
	}
	return NULL;
}

/* Checks ROLE's dependencies; true when it became troubled by this. */
static bool conf_check_needs(struct conf *conf, struct conf_role *role, struct problems *problems)
{
	const struct manifest *m = role->manifest;

	for (size_t i = 0; i < m->dependency_count; i++) {
		const struct manifest_dependency *d = &m->dependencies[i];
		const struct conf_role *provider = conf_provider(conf, d->name);
		char text[512];

		if (provider == NULL && d->optional)
			continue;
		if (provider == NULL)
			(void)snprintf(
			    text, sizeof(text),
			    "needs the role `%s` (%s:%u), which is not enabled or can't be "
			    "started",
			    d->name, m->file, d->line);
		else if (!manifest_version_meets(provider->manifest->version, d->version))
			(void)snprintf(text, sizeof(text), "needs `%s` %s (%s:%u), installed is %s",
				       d->name, d->version, m->file, d->line,
				       provider->manifest->version);
		else
			continue;
		conf_trouble(conf, role, problems, text);
		return true;
	}
	return false;
}

/* Depth first through what ROLE depends on; roles are appended to ORDER after what they need. A
 * role on a cycle is troubled. */
static void conf_visit(struct conf *conf, struct conf_role *role, struct conf_role **order,
		       size_t *count, struct problems *problems)
{
	const struct manifest *m = role->manifest;

	role->mark = MARK_OPEN;
	for (size_t i = 0; i < m->dependency_count && role->trouble == NULL; i++) {
		const struct manifest_dependency *d = &m->dependencies[i];

		for (size_t j = 0; j < conf->role_count; j++) {
			struct conf_role *other = conf->roles[j];
			char text[512];

			if (strcmp(other->role, d->name) != 0 || !conf_startable(other))
				continue;
			if (other->mark == MARK_NONE)
				conf_visit(conf, other, order, count, problems);
			if (other->mark != MARK_OPEN || d->optional)
				continue;
			(void)snprintf(text, sizeof(text),
				       "depends on `%s` (%s:%u), which depends on it in turn",
				       other->instance, m->file, d->line);
			conf_trouble(conf, role, problems, text);
			break;
		}
	}
	role->mark = MARK_DONE;
	order[(*count)++] = role;
}

static struct conf_group *conf_group_get(struct conf *conf, const char *name)
{
	struct conf_group *groups;

	for (size_t i = 0; i < conf->group_count; i++) {
		if (strcmp(conf->groups[i].name, name) == 0)
			return &conf->groups[i];
	}
	groups = realloc(conf->groups, (conf->group_count + 1) * sizeof(*groups));
	if (groups == NULL)
		return NULL;
	conf->groups = groups;
	groups[conf->group_count] = (struct conf_group){.name = strdup(name), .workers = 1};
	return &groups[conf->group_count++];
}

static bool conf_group_add(struct conf_group *group, struct conf_role *role)
{
	struct conf_role **roles =
	    realloc(group->roles, (group->role_count + 1) * sizeof(struct conf_role *));

	if (roles == NULL)
		return false;
	group->roles = roles;
	roles[group->role_count++] = role;
	return true;
}

/* `workers` of a process: what its sections say, which must not differ. */
static void conf_group_workers(struct conf_group *group, struct problems *problems)
{
	const struct conf_role *by = NULL;

	for (size_t i = 0; i < group->role_count; i++) {
		const struct conf_role *role = group->roles[i];

		if (role->workers_line == 0)
			continue;
		if (by != NULL && by->workers != role->workers)
			problems_add(problems, role->file, role->workers_line,
				     "workers: [%s] in the same process `%s` says %u (%s:%u)",
				     by->instance, group->name, by->workers, by->file,
				     by->workers_line);
		by = role;
		group->workers = role->workers;
	}
	for (size_t i = 0; by != NULL && group->workers > 1 && i < group->role_count; i++) {
		if (!group->roles[i]->manifest->many_workers)
			problems_add(problems, by->file, by->workers_line,
				     "workers: `%s`, which shares the process `%s`, can run in one "
				     "worker only",
				     group->roles[i]->role, group->name);
	}
}

/* Index of the group in which ROLE runs. */
static size_t conf_group_of(const struct conf *conf, const struct conf_role *role)
{
	for (size_t i = 0; i < conf->group_count; i++) {
		if (strcmp(conf->groups[i].name, role->process) == 0)
			return i;
	}
	return conf->group_count;
}

/* How ROLE needs group number OTHER: it may do without all but the first instance of what it
 * depends on. */
static enum conf_need conf_role_needs(const struct conf *conf, const struct conf_role *role,
				      size_t other)
{
	enum conf_need need = NEED_NONE;

	for (size_t i = 0; i < role->manifest->dependency_count; i++) {
		const struct manifest_dependency *d = &role->manifest->dependencies[i];
		const struct conf_role *first = conf_provider(conf, d->name);

		for (size_t j = 0; j < conf->role_count; j++) {
			const struct conf_role *r = conf->roles[j];

			if (strcmp(r->role, d->name) != 0 || !conf_startable(r) ||
			    conf_group_of(conf, r) != other)
				continue;
			if (r == first && !d->optional)
				return NEED_MUST;
			need = NEED_MAY;
		}
	}
	return need;
}

static enum conf_need conf_group_needs(const struct conf *conf, const struct conf_group *group,
				       size_t other)
{
	enum conf_need most = strcmp(conf->groups[other].name, "node") == 0 ? NEED_MUST : NEED_NONE;

	for (size_t i = 0; i < group->role_count; i++) {
		enum conf_need need = conf_role_needs(conf, group->roles[i], other);

		most = need > most ? need : most;
	}
	return most;
}

/* What is to run before group number INDEX is started: groups before it in the order that hold
 * what it depends on (later ones would be a circle of processes; there the order is broken), and
 * `node`. */
static bool conf_group_after(struct conf *conf, size_t index)
{
	struct conf_group *group = &conf->groups[index];

	group->after = calloc(conf->group_count, sizeof(*group->after));
	group->loose = calloc(conf->group_count, sizeof(*group->loose));
	if (group->after == NULL || group->loose == NULL)
		return false;
	for (size_t other = 0; other < index; other++) {
		enum conf_need need = conf_group_needs(conf, group, other);

		if (need == NEED_NONE)
			continue;
		group->loose[group->after_count] = need == NEED_MAY;
		group->after[group->after_count++] = other;
	}
	return true;
}

static bool conf_listen_conflict(const char *a, const char *b)
{
	/* a port 0 is another one each time */
	return strcmp(a, b) == 0 &&
	       (strncmp(a, "unix:", 5) == 0 || strcmp(strrchr(a, ':'), ":0") != 0);
}

/* One address can be listened at by one role only. */
static void conf_check_listen_pair(const struct conf_role *a, const struct conf_setting *x,
				   const struct conf_role *b, const struct conf_setting *y,
				   struct problems *problems)
{
	char *left = strdup(x->value);
	char *at = NULL;

	for (char *item = left != NULL ? strtok_r(left, ",", &at) : NULL; item != NULL;
	     item = strtok_r(NULL, ",", &at)) {
		const char *rest = y->value;

		while (*rest != '\0') {
			char other[256];
			size_t span = strcspn(rest, ",");

			(void)snprintf(other, sizeof(other), "%.*s", (int)span, rest);
			if (conf_listen_conflict(item, other))
				problems_add(problems, y->line > 0 ? y->file : b->file,
					     y->line > 0 ? y->line : b->line,
					     "%s: %s is taken by [%s] (%s:%u)", y->key, item,
					     a->instance, x->line > 0 ? x->file : a->file,
					     x->line > 0 ? x->line : a->line);
			rest += span + (rest[span] == ',' ? 1 : 0);
		}
	}
	free(left);
}

static void conf_check_listen(const struct conf *conf, struct problems *problems)
{
	const struct conf_role *roles[CONF_WORKERS_MAX * 8];
	const struct conf_setting *settings[CONF_WORKERS_MAX * 8];
	size_t count = 0;

	for (size_t i = 0; i < conf->role_count; i++) {
		const struct conf_role *role = conf->roles[i];

		for (size_t j = 0; j < role->setting_count && role->enabled; j++) {
			if (role->settings[j].type != SCHEMA_LISTEN ||
			    count >= sizeof(roles) / sizeof(roles[0]))
				continue;
			for (size_t k = 0; k < count; k++)
				conf_check_listen_pair(roles[k], settings[k], role,
						       &role->settings[j], problems);
			roles[count] = role;
			settings[count++] = &role->settings[j];
		}
	}
}

/* A plugin that is not root's shares a process, and so the rights of all in it, only when a file
 * says so in its own section: not since its name is that of a process. */
static void conf_check_foreign(struct conf *conf, struct problems *problems)
{
	for (size_t i = 0; i < conf->role_count; i++) {
		struct conf_role *role = conf->roles[i];
		char text[512];

		if (!conf_startable(role) || role->manifest->foreign == NULL ||
		    conf_role_says_process(role))
			continue;
		for (size_t j = 0; j < conf->role_count; j++) {
			const struct conf_role *other = conf->roles[j];

			if (other->manifest == role->manifest || !conf_startable(other) ||
			    strcmp(other->process, role->process) != 0)
				continue;
			(void)snprintf(
			    text, sizeof(text),
			    "its plugin is not root's and would share the process `%s` "
			    "with [%s] and have its rights: write `process = %s` here if "
			    "you want that, or else another name",
			    role->process, other->instance, role->process);
			conf_trouble(conf, role, problems, text);
			break;
		}
	}
}

bool conf_plan(struct conf *conf, struct problems *problems)
{
	struct conf_role **order = calloc(conf->role_count + 1, sizeof(struct conf_role *));
	size_t count = 0;
	bool changed = true;
	bool ok = order != NULL;

	conf_check_foreign(conf, problems);
	for (size_t i = 0; ok && i < conf->role_count; i++) {
		if (conf->roles[i]->mark == MARK_NONE && conf_startable(conf->roles[i]))
			conf_visit(conf, conf->roles[i], order, &count, problems);
	}
	while (ok && changed) { /* one that can't be started may be what others need */
		changed = false;
		for (size_t i = 0; i < conf->role_count; i++) {
			if (conf_startable(conf->roles[i]))
				changed =
				    conf_check_needs(conf, conf->roles[i], problems) || changed;
		}
	}
	for (size_t i = 0; ok && i < count; i++) {
		struct conf_group *group;

		if (!conf_startable(order[i]))
			continue;
		group = conf_group_get(conf, order[i]->process);
		ok = group != NULL && conf_group_add(group, order[i]);
	}
	for (size_t i = 0; ok && i < conf->group_count; i++) {
		conf_group_workers(&conf->groups[i], problems);
		ok = conf_group_after(conf, i);
	}
	if (ok)
		conf_check_listen(conf, problems);
	free(order);
	return ok;
}

static bool conf_role_same_plugin(const struct conf_role *a, const struct conf_role *b)
{
	const char *file_a = a->manifest->entry_point != NULL ? a->manifest->entry_point : "";
	const char *file_b = b->manifest->entry_point != NULL ? b->manifest->entry_point : "";

	return strcmp(a->instance, b->instance) == 0 &&
	       strcmp(a->manifest->version, b->manifest->version) == 0 && a->rights == b->rights &&
	       strcmp(file_a, file_b) == 0;
}

/* What the settings of A that B has not, or otherwise, make of the change. */
static enum conf_change conf_settings_change(const struct conf_role *a, const struct conf_role *b)
{
	enum conf_change change = CONF_SAME;

	for (size_t i = 0; i < a->setting_count; i++) {
		const char *other = conf_role_value(b, a->settings[i].key);

		if (other != NULL && strcmp(other, a->settings[i].value) == 0)
			continue;
		if (a->settings[i].type == SCHEMA_LISTEN)
			return CONF_OTHER;
		change = CONF_SETTINGS;
	}
	return change;
}

enum conf_change conf_role_change(const struct conf_role *a, const struct conf_role *b)
{
	enum conf_change there;
	enum conf_change back;

	if (!conf_role_same_plugin(a, b))
		return CONF_OTHER;
	there = conf_settings_change(a, b);
	back = conf_settings_change(b, a);
	return there > back ? there : back;
}

enum conf_change conf_group_change(const struct conf *a, const struct conf_group *group_a,
				   const struct conf *b, const struct conf_group *group_b)
{
	enum conf_change most = CONF_SAME;

	if (group_a->workers != group_b->workers || group_a->role_count != group_b->role_count ||
	    a->server_id != b->server_id || strcmp(a->network, b->network) != 0 ||
	    strcmp(a->state_dir, b->state_dir) != 0)
		return CONF_OTHER;
	for (size_t i = 0; i < group_a->role_count; i++) {
		enum conf_change change = conf_role_change(group_a->roles[i], group_b->roles[i]);

		if (change > most)
			most = change;
	}
	return most;
}
