/* SPDX-License-Identifier: MIT */
/* router.c: frames from role processes, routed by header and name. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/host.h"
#include "host/log.h"

#define EVENT_QUEUE_MAX                                                                            \
	((size_t)8 << 20) /* bytes queued to a process, above which it misses events */
#define DEADLINE_MAX_MS 600000

static struct endpoint *router_endpoint(const struct process *p, uint32_t id)
{
	for (size_t i = 0; i < p->endpoint_count; i++) {
		if (p->endpoints[i].id == id)
			return &p->endpoints[i];
	}
	return NULL;
}

void router_wanted(void *user, const char *type, bool wanted)
{
	const struct ipc_frame frame = {.kind = IPC_WANTED, .name = type, .status = wanted ? 1 : 0};
	struct host *host = user;

	for (struct group *group = host->groups; group != NULL; group = group->next) {
		const struct process *p;

		for (size_t i = 0; (p = group_process(group, i)) != NULL; i++) {
			if (p->channel != NULL)
				(void)ipc_send(p->channel, &frame);
		}
	}
}

/* A role's endpoint as subscriber. */
static bool router_deliver(void *user, const struct bus_event *event, uint64_t lost)
{
	const struct endpoint *e = user;
	struct ipc_channel *channel = e->process->channel;
	const struct ipc_frame frame = {
	    .kind = IPC_EVENT,
	    .target = e->id,
	    .name = event->type,
	    .text = event->source,
	    .correlation = event->sequence,
	    .extra = lost,
	    .json = event->json,
	    .json_size = event->json_size,
	    .attachment = event->attachment,
	    .attachment_size = event->attachment_size,
	};

	if (channel == NULL || ipc_pending(channel) > EVENT_QUEUE_MAX)
		return false;
	return ipc_send(channel, &frame) == ADIT_OK;
}

/* Whether E may do WHAT. The first refusal is logged: the role process has answered its plugin, and
 * comes here all the same only when it is not what we have started. */
static bool router_may(struct endpoint *e, uint32_t capability, const char *what)
{
	char text[RIGHTS_TEXT_MAX];

	if ((e->capabilities & capability) != 0)
		return true;
	if ((e->told & capability) == 0) {
		rights_refusal(capability, e->requested, e->remedy, text, sizeof(text));
		log_line(ADIT_LOG_WARNING, e->name, "permission-denied: %s: %s", what, text);
	}
	e->told |= capability;
	return false;
}

static void router_subscribe(struct host *host, struct endpoint *e, const struct ipc_frame *frame)
{
	if (!router_may(e, CAPABILITY_SUBSCRIBE_EVENTS, frame->name))
		return;
	if (frame->kind == IPC_UNSUBSCRIBE) {
		bus_unsubscribe(&host->bus, &e->subscriber, frame->name);
		return;
	}
	if (e->subscriber.deliver == NULL || e->subscriber.count == 0) {
		bus_leave(&host->bus, &e->subscriber);
		bus_join(&host->bus, &e->subscriber, router_deliver, e);
	}
	if (bus_subscribe(&host->bus, &e->subscriber, frame->name) != ADIT_OK)
		log_line(ADIT_LOG_WARNING, e->name, "can't subscribe to `%s`", frame->name);
}

static void router_publish(struct host *host, struct endpoint *e, const struct ipc_frame *frame)
{
	struct bus_event event = {
	    .type = frame->name,
	    .source = e->name,
	    .json = frame->json,
	    .json_size = frame->json_size,
	    .attachment = frame->attachment,
	    .attachment_size = frame->attachment_size,
	};

	if (!router_may(e, CAPABILITY_PUBLISH_EVENTS, frame->name))
		return;
	if (!bus_type_valid(frame->name) || !bus_may_publish(e->role, frame->name)) {
		log_line(ADIT_LOG_WARNING, e->name, "may not publish `%s`", frame->name);
		return;
	}
	if (bus_publish(&host->bus, e->source, &event) != ADIT_OK)
		log_line(ADIT_LOG_WARNING, e->name, "publishes too many types of event");
}

void router_host_event(struct host *host, const char *type, const char *json)
{
	struct bus_event event = {
	    .type = type, .source = "aditd", .json = json, .json_size = strlen(json)};

	(void)bus_publish(&host->bus, &host->source, &event);
}

static void router_method(struct endpoint *e, const struct ipc_frame *frame)
{
	struct method *methods;

	if (!router_may(e, CAPABILITY_REGISTER_MODULE_API, frame->name) ||
	    e->method_count >= METHODS_MAX || strlen(frame->name) > METHOD_NAME_MAX)
		return;
	methods = realloc(e->methods, (e->method_count + 1) * sizeof(*methods));
	if (methods == NULL)
		return;
	e->methods = methods;
	methods += e->method_count++;
	(void)snprintf(methods->name, sizeof(methods->name), "%s", frame->name);
	methods->mode = frame->status & ~ADIT_METHOD_LOOKS;
	methods->looks = (frame->status & ADIT_METHOD_LOOKS) != 0;
}

static const struct method *router_find_method(const struct endpoint *e, const char *name)
{
	for (size_t i = 0; i < e->method_count; i++) {
		if (strcmp(e->methods[i].name, name) == 0)
			return &e->methods[i];
	}
	return NULL;
}

/* The endpoints that a target names, and what is known of them. */
struct router_targets {
	struct endpoint *list[CALLS_TARGETS_MAX];
	size_t count; /* running and with the method */
	size_t known; /* of that name at all */
	size_t running;
	bool worker; /* the target was one worker */
	bool looks;  /* the method is ADIT_METHOD_LOOKS with all of them */
	int mode;
};

static void router_resolve(const struct host *host, const char *target, const char *method,
			   struct router_targets *t)
{
	memset(t, 0, sizeof(*t));
	for (const struct group *group = host->groups; group != NULL; group = group->next) {
		size_t endpoints = group->processes[0]->endpoint_count;

		/* A replacement is called from the moment it runs, and what it replaces up to
		 * then; see adit-plugin(7). */
		if (group_serving(host, group->name) != group)
			continue;
		for (size_t i = 0; i < group->process_count * endpoints; i++) {
			const struct process *p = group->processes[i / endpoints];
			struct endpoint *e = &p->endpoints[i % endpoints];
			const struct method *m;

			if (strcmp(e->instance, target) != 0 && strcmp(e->name, target) != 0)
				continue;
			t->worker = strcmp(e->instance, target) != 0;
			t->known++;
			if (p->state != PROCESS_RUNNING && p->state != PROCESS_STARTING)
				continue;
			t->running++;
			m = router_find_method(e, method);
			if (m == NULL || t->count >= CALLS_TARGETS_MAX)
				continue;
			t->looks = m->looks && (t->looks || t->count == 0);
			t->mode = m->mode;
			t->list[t->count++] = e;
		}
	}
}

/* TARGET is no role, but perhaps another name of one, as NAME or NAME.WORKER. Of several roles that
 * have this name in their manifest, the first in the configuration that has METHOD answers. */
static void router_resolve_alias(const struct host *host, const char *target, const char *method,
				 struct router_targets *t)
{
	size_t size = strcspn(target, ".");
	struct router_targets found;
	char name[IPC_NAME_MAX + 1];

	for (size_t i = 0; i < host->conf->role_count; i++) {
		const struct conf_role *role = host->conf->roles[i];

		if (!role->enabled || role->manifest == NULL ||
		    !manifest_has_alias(role->manifest, target, size))
			continue;
		(void)snprintf(name, sizeof(name), "%s%s", role->instance, target + size);
		router_resolve(host, name, method, &found);
		if (t->known == 0 || (t->count == 0 && found.count > 0))
			*t = found;
	}
}

static void router_find(const struct host *host, const char *target, const char *method,
			struct router_targets *t)
{
	router_resolve(host, target, method, t);
	if (t->known == 0)
		router_resolve_alias(host, target, method, t);
}

bool router_only_looks(const struct host *host, const char *target, const char *method)
{
	struct router_targets t;

	router_find(host, target, method, &t);
	return t.count > 0 && t.looks;
}

/* Of several workers the one with the fewest calls under way. */
static struct endpoint *router_least_busy(const struct host *host, const struct router_targets *t)
{
	struct endpoint *best = t->list[0];
	size_t least = calls_open(host->calls, best->id);

	for (size_t i = 1; i < t->count; i++) {
		size_t open = calls_open(host->calls, t->list[i]->id);

		if (open < least) {
			least = open;
			best = t->list[i];
		}
	}
	return best;
}

/* Why a call can't be made; ADIT_OK when it can. */
static int32_t router_check(const struct router_targets *t, const char *target, const char *method,
			    struct error *e)
{
	if (t->known == 0)
		return error_set(e, ADIT_E_NOT_FOUND,
				 "there is no role `%.80s`; `aditctl roles` lists them", target);
	if (t->running == 0)
		return error_set(e, ADIT_E_UNAVAILABLE, "%.80s does not run at present", target);
	if (t->count == 0)
		return error_set(
		    e, ADIT_E_NOT_FOUND,
		    "%.80s has no method `%.80s`; `aditctl describe ROLE` lists those of "
		    "a role",
		    target, method);
	if (t->mode == ADIT_METHOD_ONE && !t->worker && t->known > 1)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "%.80s: `%.80s` is for one worker, name it as in %.80s.1", target,
				 method, target);
	return ADIT_OK;
}

static int32_t router_send_call(const struct endpoint *e, const struct ipc_frame *frame)
{
	struct ipc_frame own = *frame;

	own.target = e->id;
	return e->process->channel != NULL ? ipc_send(e->process->channel, &own)
					   : ADIT_E_UNAVAILABLE;
}

void router_call(struct host *host, const void *caller, const char *caller_name, call_reply_fn fn,
		 void *user, uint64_t tag, const char *target, const char *method, const void *json,
		 size_t json_size, const void *attachment, size_t attachment_size,
		 uint32_t deadline_ms)
{
	struct ipc_frame frame = {
	    .kind = IPC_CALL,
	    .name = method,
	    .text = caller_name,
	    .json = json,
	    .json_size = json_size,
	    .attachment = attachment,
	    .attachment_size = attachment_size,
	    .extra = deadline_ms,
	};
	struct call_target targets[CALLS_TARGETS_MAX];
	struct router_targets t;
	struct error e = {.text = "too many calls are under way"};
	int32_t error;

	if (deadline_ms == 0 || deadline_ms > DEADLINE_MAX_MS)
		deadline_ms = DEADLINE_MAX_MS;
	router_find(host, target, method, &t);
	error = router_check(&t, target, method, &e);
	if (error == ADIT_OK && (t.mode != ADIT_METHOD_ALL || t.worker)) {
		t.list[0] = router_least_busy(host, &t);
		t.count = 1;
	}
	for (size_t i = 0; i < t.count; i++)
		targets[i] =
		    (struct call_target){.endpoint = t.list[i]->id, .name = t.list[i]->name};
	if (error == ADIT_OK)
		error = calls_begin(host->calls, caller, fn, user, tag, targets, t.count,
				    t.mode == ADIT_METHOD_ALL && !t.worker, deadline_ms,
				    &frame.correlation);
	if (error != ADIT_OK) {
		const struct call_reply reply = {.error = error, .message = e.text};

		fn(user, tag, &reply);
		return;
	}
	for (size_t i = 0; i < t.count; i++) {
		const struct call_reply reply = {.error = ADIT_E_UNAVAILABLE,
						 .message = "it does not take calls at present"};

		if (router_send_call(t.list[i], &frame) != ADIT_OK)
			(void)calls_answer(host->calls, frame.correlation, t.list[i]->id, &reply);
	}
}

/* Brings an answer to the process that called. */
static void router_answer_process(void *user, uint64_t tag, const struct call_reply *reply)
{
	const struct process *p = user;
	struct ipc_frame frame = {
	    .kind = IPC_REPLY,
	    .correlation = tag,
	    .status = reply->error,
	    .text = reply->message,
	    .json = reply->json,
	    .json_size = reply->json_size,
	    .attachment = reply->attachment,
	    .attachment_size = reply->attachment_size,
	};

	if (p->channel == NULL || ipc_send(p->channel, &frame) == ADIT_OK)
		return;
	frame.status = ADIT_E_LIMIT;
	frame.text = "the answer did not fit into the queue";
	frame.json_size = 0;
	frame.attachment_size = 0;
	(void)ipc_send(p->channel, &frame);
}

/* The capability that a call needs: blocks are read and submitted, and transactions sent, with
 * rights of their own. */
static uint32_t router_needed(const char *target, const char *method)
{
	if (strcmp(method, HOST_METHOD_RESTART) == 0)
		return CAPABILITY_RESTART_ROLES;
	if (strcmp(method, HOST_METHOD_WORKERS) == 0)
		return CAPABILITY_CALL_MODULE;
	if (strcmp(target, "node") == 0 &&
	    (strcmp(method, "submit_block") == 0 || strcmp(method, "queue_received_block") == 0))
		return CAPABILITY_SUBMIT_BLOCK;
	if (strcmp(target, "node") == 0 && strcmp(method, "send_transaction") == 0)
		return CAPABILITY_SEND_TRANSACTIONS;
	if (strcmp(target, "node") == 0 && strcmp(method, "get_status") != 0)
		return CAPABILITY_READ_BLOCKCHAIN;
	return CAPABILITY_CALL_MODULE;
}

static void router_call_frame(struct process *p, struct endpoint *e, const struct ipc_frame *frame)
{
	uint32_t needed = router_needed(frame->text, frame->name);

	if (!router_may(e, needed, frame->name)) {
		char text[RIGHTS_TEXT_MAX];
		const struct call_reply reply = {.error = ADIT_E_PERMISSION_DENIED,
						 .message = text};

		rights_refusal(needed, e->requested, e->remedy, text, sizeof(text));
		router_answer_process(p, frame->correlation, &reply);
		return;
	}
	if (host_method(p->group->host, e->name, frame->text, frame->name, router_answer_process, p,
			frame->correlation))
		return;
	router_call(p->group->host, p, e->name, router_answer_process, p, frame->correlation,
		    frame->text, frame->name, frame->json, frame->json_size, frame->attachment,
		    frame->attachment_size,
		    frame->extra > DEADLINE_MAX_MS ? DEADLINE_MAX_MS : (uint32_t)frame->extra);
}

static void router_reply_frame(struct host *host, const struct endpoint *e,
			       const struct ipc_frame *frame)
{
	const struct call_reply reply = {
	    .error = frame->status > 0 ? ADIT_E_INTERNAL : frame->status,
	    .message = frame->text,
	    .json = frame->json,
	    .json_size = frame->json_size,
	    .attachment = frame->attachment,
	    .attachment_size = frame->attachment_size,
	};

	/* an unknown number: the caller has gone or its deadline has passed */
	(void)calls_answer(host->calls, frame->correlation, e->id, &reply);
}

/* How far an instance has read a ring of the share log. */
static void router_shares(const struct host *host, struct endpoint *e,
			  const struct ipc_frame *frame)
{
	if (!router_may(e, CAPABILITY_READ_SHARE_LOG, "share log") ||
	    frame->target >= host->share_log.count)
		return;
	if (frame->target >= e->share_count) {
		size_t count = host->share_log.count;
		struct share_log_reader *shares = realloc(e->shares, count * sizeof(*shares));

		if (shares == NULL)
			return;
		memset(shares + e->share_count, 0, (count - e->share_count) * sizeof(*shares));
		e->shares = shares;
		e->share_count = count;
	}
	e->shares[frame->target] = (struct share_log_reader){
	    .read = frame->correlation, .lost = frame->extra, .known = true};
}

/* Frames that concern the process as a whole. False: not one of them. */
static bool router_process_frame(struct process *p, const struct ipc_frame *frame)
{
	switch (frame->kind) {
	case IPC_STARTED:
		supervisor_started(p);
		return true;
	case IPC_PONG:
		p->ping_ms = 0;
		return true;
	case IPC_RELOADED:
		if (frame->status != ADIT_OK && frame->status != ADIT_E_CONFIG)
			(void)supervisor_restart(p, "with its new settings");
		return true;
	case IPC_CANCEL:
		calls_cancel(p->group->host->calls, p, frame->correlation);
		return true;
	case IPC_FAILED:
	case IPC_FAIL:
		free(p->refusal);
		p->refusal = strdup(frame->text);
		return true;
	default:
		return false;
	}
}

void router_frame(void *user, const struct ipc_frame *frame)
{
	struct process *p = user;
	struct host *host = p->group->host;
	struct endpoint *e = router_endpoint(p, frame->source);

	if (router_process_frame(p, frame))
		return;
	if (frame->kind == IPC_LOG) {
		log_text(frame->status, e != NULL ? e->name : p->name, frame->json,
			 frame->json_size);
		return;
	}
	if (e == NULL) {
		supervisor_abort(p, "a frame from an unknown endpoint");
		return;
	}
	if (frame->kind == IPC_PUBLISH) {
		router_publish(host, e, frame);
	} else if (frame->kind == IPC_SUBSCRIBE || frame->kind == IPC_UNSUBSCRIBE) {
		router_subscribe(host, e, frame);
	} else if (frame->kind == IPC_METHOD) {
		router_method(e, frame);
	} else if (frame->kind == IPC_CALL) {
		router_call_frame(p, e, frame);
	} else if (frame->kind == IPC_REPLY) {
		router_reply_frame(host, e, frame);
	} else if (frame->kind == IPC_SHARES) {
		router_shares(host, e, frame);
	} else if (frame->kind == IPC_STATUS) {
		free(e->text);
		e->text = strdup(frame->text);
	} else {
		supervisor_abort(p, "a frame that only the host sends");
	}
}
