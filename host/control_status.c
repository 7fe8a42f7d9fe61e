/* SPDX-License-Identifier: MIT */
/* control_status.c: the methods `status`, which asks every running role, and `roles`. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/control.h"
#include "host/json_text.h"
#include "lib/util/clock.h"

#define STATUS_DEADLINE_MS 1000
#define CONTROL_STATUS_MAX 512 /* endpoints asked */
#define STATUS_SIZE_MAX ((size_t)16 << 20)

/* One worker's own status; the first one is the node's get_status. */
struct status_part {
	uint32_t endpoint; /* 0: the node */
	struct buf text;
};

struct status_job {
	size_t open;
	size_t count;
	struct status_part parts[];
};

static void status_free(void *user)
{
	struct status_job *job = user;

	for (size_t i = 0; i < job->count; i++)
		buf_free(&job->parts[i].text);
	free(job);
}

static const struct endpoint *status_endpoint(const struct process *p, const struct conf_role *role)
{
	for (size_t i = 0; i < p->endpoint_count; i++) {
		if (strcmp(p->endpoints[i].instance, role->instance) == 0)
			return &p->endpoints[i];
	}
	return NULL;
}

/* Of a group's processes the one whose state matters most to who looks. */
static const struct process *status_worst(const struct group *group)
{
	static const int weight[] = {3, 3, 0, 2, 1, 4}; /* by enum process_state */
	const struct process *worst = group->processes[0];

	for (size_t i = 1; i < group->process_count; i++) {
		if (weight[group->processes[i]->state] > weight[worst->state])
			worst = group->processes[i];
	}
	return worst;
}

static const struct process *status_not_replaced(const struct group *group)
{
	for (size_t i = 0; group != NULL && i < group->process_count; i++) {
		if (group->processes[i]->replace_error != NULL)
			return group->processes[i];
	}
	return NULL;
}

/* The line that explains the state. */
static void status_text(struct buf *out, const struct host *host, const struct conf_role *role,
			const struct group *group)
{
	const struct process *p = group != NULL ? status_worst(group) : NULL;
	const struct endpoint *e = p != NULL ? status_endpoint(p, role) : NULL;
	const struct process *kept = status_not_replaced(group);
	struct buf text = {0};

	if (role->trouble != NULL) {
		(void)json_text_string(out, role->trouble);
	} else if (p != NULL && p->state == PROCESS_FAILING && p->last_exit != NULL) {
		(void)json_text_string(out, p->last_exit);
	} else if (p != NULL && p->state == PROCESS_WAITING && group->conf != NULL) {
		(void)buf_printf(&text, "waits for");
		for (size_t i = 0; i < group->conf->after_count; i++)
			(void)buf_printf(&text, " %s",
					 host->conf->groups[group->conf->after[i]].name);
		(void)json_text_string(out, text.failed ? "" : (const char *)text.data);
	} else if (kept != NULL) {
		(void)buf_printf(&text, "what was to replace %s %s; it runs on", kept->name,
				 kept->replace_error);
		(void)json_text_string(out, text.failed ? "" : (const char *)text.data);
	} else {
		(void)json_text_string(out, e != NULL && e->text != NULL ? e->text : "");
	}
	buf_free(&text);
}

static const char *status_state(const struct conf_role *role, const struct group *group)
{
	if (!role->enabled)
		return "disabled";
	if (role->trouble != NULL)
		return "failing";
	return group != NULL ? process_state_name(status_worst(group)->state) : "stopped";
}

/* What ENDPOINT (0: the node's service) answered, or null. */
static void status_answer(struct buf *out, const struct status_job *job, uint32_t endpoint)
{
	for (size_t i = 0; i < job->count; i++) {
		const struct buf *text = &job->parts[i].text;

		if (job->parts[i].endpoint == endpoint && text->size > 0) {
			(void)json_text_embed(out, (const char *)text->data, text->size);
			return;
		}
	}
	(void)buf_printf(out, "null");
}

static void status_worker(struct buf *out, const struct process *p, const struct endpoint *e,
			  const struct status_job *job)
{
	uint64_t uptime = p->pid != 0 ? clock_monotonic_ms() - p->started_ms : 0;

	(void)buf_printf(out, "{\"name\":");
	(void)json_text_string(out, e->name);
	(void)buf_printf(out, ",\"pid\":%d,\"state\":\"%s\",\"uptime_ms\":%llu,\"restarts\":%u",
			 (int)p->pid, process_state_text(p), (unsigned long long)uptime,
			 p->restarts);
	if (p->part == PROCESS_WORKER && p->replace)
		(void)buf_printf(out, ",\"replacing\":true");
	if (p->replace_error != NULL) {
		(void)buf_printf(out, ",\"replace_error\":");
		(void)json_text_string(out, p->replace_error);
	}
	if (job != NULL) {
		(void)buf_printf(out, ",\"status\":");
		status_answer(out, job, e->id);
	}
	(void)buf_append(out, "}", 1);
}

/* The processes of GROUP, but for those that are gone. */
static void status_processes(struct buf *out, const struct conf_role *role,
			     const struct group *group, const struct status_job *job)
{
	const struct process *p;

	for (size_t i = 0; (p = group_process(group, i)) != NULL; i++) {
		const struct endpoint *e = status_endpoint(p, role);

		if (e == NULL || (p->part == PROCESS_LEAVING && p->pid == 0))
			continue;
		if (out->data[out->size - 1] != '[')
			(void)buf_append(out, ",", 1);
		status_worker(out, p, e, job);
	}
}

/* The workers of GROUP, which serves; behind these what takes their place or leaves. */
static void status_workers(struct buf *out, const struct host *host, const struct conf_role *role,
			   const struct group *group, const struct status_job *job)
{
	(void)buf_printf(out, ",\"workers\":[");
	if (group != NULL && !out->failed)
		status_processes(out, role, group, job);
	for (const struct group *other = host->groups; other != NULL; other = other->next) {
		if (group != NULL && other != group && !out->failed &&
		    strcmp(other->name, group->name) == 0)
			status_processes(out, role, other, job);
	}
	(void)buf_append(out, "]", 1);
}

static unsigned status_restarts(const struct group *group)
{
	unsigned restarts = 0;

	for (size_t i = 0; group != NULL && i < group->process_count; i++)
		restarts += group->processes[i]->restarts;
	return restarts;
}

/* The last exit of the worker that restarted most. */
static const char *status_last_exit(const struct group *group)
{
	const struct process *last = group != NULL ? group->processes[0] : NULL;

	for (size_t i = 1; group != NULL && i < group->process_count; i++) {
		if (group->processes[i]->restarts > last->restarts)
			last = group->processes[i];
	}
	return last != NULL && last->last_exit != NULL ? last->last_exit : "";
}

static void status_member(struct buf *out, const char *key, const char *value)
{
	(void)buf_printf(out, "\"%s\":", key);
	(void)json_text_string(out, value);
}

void control_put_rights(struct buf *out, const char *key, uint32_t set)
{
	char names[RIGHTS_NAMES_MAX];
	const char *separator = "";
	char *at = NULL;

	rights_names(set, names, sizeof(names));
	(void)buf_printf(out, "\"%s\":[", key);
	for (char *name = strtok_r(names, ", ", &at); name != NULL;
	     name = strtok_r(NULL, ", ", &at)) {
		(void)buf_printf(out, "%s", separator);
		(void)json_text_string(out, name);
		separator = ",";
	}
	(void)buf_append(out, "]", 1);
}

/* What the role is not allowed, and the line that would change it. */
static void status_denied(struct buf *out, const struct conf_role *role)
{
	control_put_rights(out, "denied", role->denied);
	(void)buf_append(out, ",", 1);
	status_member(out, "grant", role->grant != NULL ? role->grant : "");
	(void)buf_append(out, ",", 1);
	status_member(out, "remedy", role->remedy != NULL ? role->remedy : "");
	(void)buf_append(out, ",", 1);
}

/* What both methods say of a role. */
static void status_role(struct buf *out, const struct host *host, const struct conf_role *role,
			const struct status_job *job)
{
	const struct group *group = role->enabled ? group_serving(host, role->process) : NULL;
	const struct manifest *m = role->manifest;

	(void)buf_append(out, "{", 1);
	status_member(out, "name", role->instance);
	(void)buf_append(out, ",", 1);
	status_member(out, "plugin", role->role);
	(void)buf_append(out, ",", 1);
	status_member(out, "version", m != NULL ? m->version : "");
	(void)buf_append(out, ",", 1);
	status_member(out, "process", role->process);
	(void)buf_append(out, ",", 1);
	status_member(out, "state", status_state(role, group));
	(void)buf_printf(out, ",\"text\":");
	status_text(out, host, role, group);
	(void)buf_printf(out, ",\"restarts\":%u,", status_restarts(group));
	status_denied(out, role);
	status_member(out, "last_exit", status_last_exit(group));
	status_workers(out, host, role, group, job);
}

/* What `roles` adds: from the manifest, and the addresses that are listened at. */
static void status_manifest(struct buf *out, const struct host *host, const struct manifest *m,
			    const char *instance)
{
	const char *separator = "";

	(void)buf_append(out, ",", 1);
	status_member(out, "description", m != NULL ? m->description : "");
	(void)buf_printf(out, ",\"dependencies\":[");
	for (size_t i = 0; m != NULL && i < m->dependency_count; i++) {
		if (m->dependencies[i].optional)
			continue;
		(void)buf_printf(out, "%s", separator);
		(void)json_text_string(out, m->dependencies[i].name);
		separator = ",";
	}
	(void)buf_printf(out, "],\"listen\":[");
	separator = "";
	for (const struct listener *l = host->listeners.first; l != NULL; l = l->next) {
		size_t size = strlen(instance);

		if (strncmp(l->owner, instance, size) != 0 || l->owner[size] != ' ')
			continue;
		(void)buf_printf(out, "%s", separator);
		(void)json_text_string(out, l->address);
		separator = ",";
	}
	(void)buf_append(out, "]", 1);
}

/* The role's own capabilities, and those of the process, whose plugins can't be kept apart: as the
 * process that serves has them, which may still be of an earlier configuration; without one, as it
 * is to have them. */
static void status_rights(struct buf *out, const struct host *host, const struct conf_role *role)
{
	const struct group *group = role->enabled ? group_serving(host, role->process) : NULL;
	const struct process *p = group != NULL ? group->processes[0] : NULL;
	const struct endpoint *own = p != NULL ? status_endpoint(p, role) : NULL;
	uint32_t all = own != NULL ? 0 : role->rights;

	for (size_t i = 0; own != NULL && i < p->endpoint_count; i++)
		all |= p->endpoints[i].capabilities;
	(void)buf_append(out, ",", 1);
	control_put_rights(out, "rights", own != NULL ? own->capabilities : role->rights);
	(void)buf_append(out, ",", 1);
	control_put_rights(out, "process_rights", all);
}

/* An installed plugin without a section. */
static void status_unused(struct buf *out, const struct host *host, const struct manifest *m)
{
	(void)buf_printf(out, "{");
	status_member(out, "name", m->name);
	(void)buf_append(out, ",", 1);
	status_member(out, "plugin", m->name);
	(void)buf_append(out, ",", 1);
	status_member(out, "version", m->version);
	(void)buf_append(out, ",", 1);
	status_member(out, "process", m->name);
	(void)buf_printf(out,
			 ",\"state\":\"disabled\",\"text\":\"\",\"restarts\":0,\"last_exit\":\"\","
			 "\"workers\":[],\"denied\":[],\"grant\":\"\",\"remedy\":\"\"");
	status_manifest(out, host, m, m->name);
	(void)buf_printf(out, ",\"rights\":[],\"process_rights\":[],\"enabled\":false}");
}

static bool status_is_used(const struct conf *conf, const struct manifest *m)
{
	for (size_t i = 0; i < conf->role_count; i++) {
		if (conf->roles[i]->manifest == m)
			return true;
	}
	return false;
}

static void status_finish(struct control_request *request, struct buf *out)
{
	if (out->failed)
		control_error(request, CONTROL_FAILED, "the answer is too long", ADIT_E_LIMIT);
	else
		control_answer(request, out->data, out->size);
	buf_free(out);
}

void control_roles(struct control_request *request)
{
	const struct host *host = request->client->control->host;
	struct buf out = {.limit = STATUS_SIZE_MAX};
	const char *separator = "";

	(void)buf_printf(&out, "{\"roles\":[");
	for (size_t i = 0; i < host->conf->role_count; i++) {
		const struct conf_role *role = host->conf->roles[i];

		(void)buf_printf(&out, "%s", separator);
		status_role(&out, host, role, NULL);
		status_manifest(&out, host, role->manifest, role->instance);
		status_rights(&out, host, role);
		(void)buf_printf(&out, ",\"enabled\":%s}", role->enabled ? "true" : "false");
		separator = ",";
	}
	for (size_t i = 0; i < host->conf->manifests.count; i++) {
		const struct manifest *m = host->conf->manifests.items[i];

		if (status_is_used(host->conf, m))
			continue;
		(void)buf_printf(&out, "%s", separator);
		status_unused(&out, host, m);
		separator = ",";
	}
	(void)buf_printf(&out, "]}");
	status_finish(request, &out);
}

/* Everybody has answered, or the second is over. */
static void status_build(struct control_request *request)
{
	const struct host *host = request->client->control->host;
	const struct status_job *job = request->job;
	struct buf out = {.limit = STATUS_SIZE_MAX};

	(void)buf_printf(&out, "{");
	status_member(&out, "version", PACKAGE_VERSION);
	(void)buf_printf(&out, ",\"pid\":%d,\"uptime_ms\":%llu,", (int)getpid(),
			 (unsigned long long)(clock_monotonic_ms() - host->started_ms));
	status_member(&out, "config", host->conf->file);
	(void)buf_append(&out, ",", 1);
	status_member(&out, "network", host->conf->network);
	(void)buf_printf(&out, ",\"stopping\":%s,\"node\":", host->stopping ? "true" : "false");
	status_answer(&out, job, 0);
	(void)buf_printf(&out, ",\"roles\":[");
	for (size_t i = 0; i < host->conf->role_count; i++) {
		if (i > 0)
			(void)buf_append(&out, ",", 1);
		status_role(&out, host, host->conf->roles[i], job);
		(void)buf_append(&out, "}", 1);
	}
	(void)buf_printf(&out, "],");
	share_log_status(host, &out);
	(void)buf_append(&out, "}", 1);
	status_finish(request, &out);
}

static void status_on_reply(void *user, uint64_t tag, const struct call_reply *reply)
{
	struct control_request *request = user;
	struct status_job *job = request->job;

	if (reply->error == ADIT_OK)
		(void)buf_append(&job->parts[tag].text, reply->json, reply->json_size);
	job->open--;
	if (job->open == 0)
		status_build(request);
}

/* Every endpoint that answers `status`. */
static size_t status_collect(const struct host *host, const struct endpoint **list, size_t most)
{
	size_t count = 0;

	for (const struct group *group = host->groups; group != NULL; group = group->next) {
		for (size_t i = 0; i < group->process_count; i++) {
			const struct process *p = group->processes[i];

			if (group_serving(host, group->name) != group)
				continue;
			for (size_t j = 0; j < p->endpoint_count && count < most; j++) {
				if (p->state == PROCESS_RUNNING)
					list[count++] = &p->endpoints[j];
			}
		}
	}
	return count;
}

void control_status(struct control_request *request)
{
	struct host *host = request->client->control->host;
	const struct endpoint *list[CONTROL_STATUS_MAX];
	size_t count = status_collect(host, list, CONTROL_STATUS_MAX);
	struct status_job *job = calloc(1, sizeof(*job) + (count + 1) * sizeof(job->parts[0]));

	if (job == NULL) {
		control_error(request, CONTROL_FAILED, "out of memory", ADIT_E_NO_MEMORY);
		return;
	}
	job->count = count + 1;
	job->open = count + 2; /* one is ours, so that it is not built before all have been asked */
	for (size_t i = 0; i < count; i++)
		job->parts[i + 1].endpoint = list[i]->id;
	request->job = job;
	request->free_job = status_free;
	router_call(host, request, "control", status_on_reply, request, 0, "node", "get_status",
		    "{}", 2, NULL, 0, STATUS_DEADLINE_MS);
	for (size_t i = 0; i < count; i++)
		router_call(host, request, "control", status_on_reply, request, i + 1,
			    list[i]->name, "status", "{}", 2, NULL, 0, STATUS_DEADLINE_MS);
	job->open--;
	if (job->open == 0)
		status_build(request);
}
