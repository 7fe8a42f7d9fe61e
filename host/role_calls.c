/* SPDX-License-Identifier: MIT */
/* role_calls.c: calls to other roles, and answers to theirs. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "host/log.h"
#include "host/rights.h"
#include "host/role.h"

#define CALL_GRACE_MS 500 /* our own deadline is only for a host that has lost the call */
#define CALL_DEADLINE_MAX 600000
#define REQUESTS_MAX 4096

static void role_call_end(struct registration *r, const struct adit_reply *reply)
{
	if (!registration_enter(r))
		return;
	registration_end(r); /* before the plugin hears of it: it may call again or cancel */
	r->fn.reply(r->user, reply);
	registration_leave(r);
}

static void role_on_call_deadline(evutil_socket_t fd, short what, void *user)
{
	const struct adit_reply reply = {
	    .size = sizeof(reply),
	    .error = ADIT_E_TIMEOUT,
	    .message = "no answer in time",
	    .json = "",
	};

	(void)fd;
	(void)what;
	role_call_end(user, &reply);
}

static int32_t role_call_send(const struct registration *r, const char *target, const char *method,
			      const char *json, size_t json_size, const void *attachment,
			      size_t attachment_size, uint32_t deadline_ms)
{
	const struct ipc_frame frame = {
	    .kind = IPC_CALL,
	    .source = r->host->start->id,
	    .correlation = r->id,
	    .name = method,
	    .text = target,
	    .extra = deadline_ms,
	    .json = json,
	    .json_size = json_size,
	    .attachment = attachment,
	    .attachment_size = attachment_size,
	};

	return ipc_send(r->host->role->channel, &frame);
}

int32_t role_call(struct adit_host *host, const char *target, const char *method, const char *json,
		  size_t json_size, const void *attachment, size_t attachment_size,
		  uint32_t deadline_ms, adit_reply_fn fn, void *user, adit_destroy_fn destroy,
		  uint64_t *id)
{
	struct registration *r;
	struct timeval wait;
	int32_t error;

	if (fn == NULL || target[0] == '\0' || strlen(target) > IPC_NAME_MAX || method[0] == '\0' ||
	    strlen(method) > IPC_NAME_MAX || deadline_ms == 0 || deadline_ms > CALL_DEADLINE_MAX)
		return ADIT_E_INVALID_ARGUMENT;
	/* which capability a call needs is checked by the host, and answered like any refusal */
	r = registration_new(host, REGISTRATION_CALL, user, NULL);
	if (r == NULL)
		return registration_refusal(host);
	r->event = evtimer_new(host->role->base, role_on_call_deadline, r);
	error = r->event == NULL ? ADIT_E_NO_MEMORY
				 : role_call_send(r, target, method, json, json_size, attachment,
						  attachment_size, deadline_ms);
	if (error != ADIT_OK) {
		registration_end(r);
		return error;
	}
	wait.tv_sec = (deadline_ms + CALL_GRACE_MS) / 1000;
	wait.tv_usec = (suseconds_t)((deadline_ms + CALL_GRACE_MS) % 1000) * 1000;
	(void)evtimer_add(r->event, &wait);
	r->destroy = destroy;
	r->fn.reply = fn;
	if (id != NULL)
		*id = r->id;
	return ADIT_OK;
}

void role_call_cancel(struct adit_host *host, uint64_t id)
{
	struct registration *r = registration_find(host, id, REGISTRATION_CALL);
	const struct ipc_frame frame = {
	    .kind = IPC_CANCEL, .source = host->start->id, .correlation = id};

	if (r == NULL)
		return;
	(void)ipc_send(host->role->channel, &frame);
	registration_end(r);
}

void role_reply_frame(struct role *role, const struct ipc_frame *frame)
{
	const struct adit_reply reply = {
	    .size = sizeof(reply),
	    .error = frame->status,
	    .message = frame->text,
	    .json = frame->status == ADIT_OK && frame->json_size > 0 ? frame->json : "",
	    .json_size = frame->status == ADIT_OK ? frame->json_size : 0,
	    .attachment = frame->attachment,
	    .attachment_size = frame->attachment_size,
	};
	struct registration *r = handles_get(&role->handles, frame->correlation);

	/* none: it was cancelled, or its instance has ended */
	if (r != NULL && r->kind == REGISTRATION_CALL)
		role_call_end(r, &reply);
}

int32_t role_register_method(struct adit_host *host, const char *method, int32_t mode,
			     adit_method_fn fn, void *user, adit_destroy_fn destroy)
{
	const struct ipc_frame frame = {
	    .kind = IPC_METHOD, .source = host->start->id, .name = method, .status = mode};
	struct registration *r;
	int32_t error;

	if (fn == NULL || method[0] == '\0' || strlen(method) > 63 || mode < ADIT_METHOD_ANY ||
	    (mode & ~ADIT_METHOD_LOOKS) > ADIT_METHOD_ONE)
		return ADIT_E_INVALID_ARGUMENT;
	if (role_may(host, CAPABILITY_REGISTER_MODULE_API, method) != ADIT_OK)
		return ADIT_E_PERMISSION_DENIED;
	for (r = host->registrations; r != NULL; r = r->next) {
		if (r->kind == REGISTRATION_METHOD && strcmp(r->name, method) == 0)
			return ADIT_E_EXISTS;
	}
	r = registration_new(host, REGISTRATION_METHOD, user, NULL);
	if (r == NULL)
		return registration_refusal(host);
	r->name = strdup(method);
	error = r->name != NULL ? ipc_send(host->role->channel, &frame) : ADIT_E_NO_MEMORY;
	if (error != ADIT_OK) {
		registration_end(r);
		return error;
	}
	r->destroy = destroy;
	r->fn.method = fn;
	return ADIT_OK;
}

static void role_answer(const struct adit_host *host, uint64_t correlation, int32_t error,
			const char *message, const char *json, size_t json_size,
			const void *attachment, size_t attachment_size)
{
	struct ipc_frame frame = {
	    .kind = IPC_REPLY,
	    .source = host->start->id,
	    .correlation = correlation,
	    .status = error,
	    .text = message,
	    .json = json,
	    .json_size = json_size,
	    .attachment = attachment,
	    .attachment_size = attachment_size,
	};
	int32_t result = ipc_send(host->role->channel, &frame);

	if (result != ADIT_E_LIMIT)
		return;
	log_line(ADIT_LOG_WARNING, host->start->worker_name, "an answer is too long");
	frame.status = ADIT_E_LIMIT;
	frame.text = "the answer is too long";
	frame.json_size = 0;
	frame.attachment_size = 0;
	(void)ipc_send(host->role->channel, &frame);
}

static void role_request_free(struct adit_request *request)
{
	if (request->previous != NULL)
		request->previous->next = request->next;
	else
		request->host->requests = request->next;
	if (request->next != NULL)
		request->next->previous = request->previous;
	free(request);
}

void role_reply(struct adit_host *host, struct adit_request *request, int32_t error,
		const char *message, const char *json, size_t json_size, const void *attachment,
		size_t attachment_size)
{
	if (request == NULL || request->host != host)
		return;
	if (!request->answered && error == ADIT_OK)
		role_answer(host, request->correlation, ADIT_OK, "", json, json_size, attachment,
			    attachment_size);
	else if (!request->answered)
		role_answer(host, request->correlation, error < 0 ? error : ADIT_E_INTERNAL,
			    message != NULL ? message : "", NULL, 0, NULL, 0);
	role_request_free(request);
}

static struct adit_request *role_request_new(struct adit_host *host, uint64_t correlation)
{
	struct adit_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->host = host;
	request->correlation = correlation;
	request->next = host->requests;
	if (request->next != NULL)
		request->next->previous = request;
	host->requests = request;
	return request;
}

static void role_request(struct adit_host *host, struct registration *r,
			 const struct ipc_frame *frame)
{
	const struct adit_request_info info = {
	    .size = sizeof(info),
	    .method = frame->name,
	    .caller = frame->text,
	    .json = frame->json_size > 0 ? frame->json : "",
	    .json_size = frame->json_size,
	    .attachment = frame->attachment,
	    .attachment_size = frame->attachment_size,
	};
	struct adit_request *request = role_request_new(host, frame->correlation);

	if (request == NULL) {
		role_answer(host, frame->correlation, ADIT_E_NO_MEMORY, "out of memory", NULL, 0,
			    NULL, 0);
		return;
	}
	if (!registration_enter(r))
		return; /* the end of the instance answers it */
	r->fn.method(r->user, request, &info);
	registration_leave(r);
}

static size_t role_requests_open(const struct adit_host *host)
{
	size_t count = 0;

	for (const struct adit_request *r = host->requests; r != NULL; r = r->next)
		count++;
	return count;
}

void role_call_frame(struct role *role, const struct ipc_frame *frame)
{
	for (size_t i = 0; i < role->start->instance_count; i++) {
		struct adit_host *host = &role->hosts[i];
		struct registration *r;

		if (host->start->id != frame->target)
			continue;
		r = host->registrations;
		while (r != NULL &&
		       (r->kind != REGISTRATION_METHOD || strcmp(r->name, frame->name) != 0))
			r = r->next;
		if (r == NULL)
			role_answer(host, frame->correlation, ADIT_E_UNAVAILABLE, "it is stopping",
				    NULL, 0, NULL, 0);
		else if (role_requests_open(host) >= REQUESTS_MAX)
			role_answer(host, frame->correlation, ADIT_E_LIMIT,
				    "too many calls are open", NULL, 0, NULL, 0);
		else
			role_request(host, r, frame);
		return;
	}
}

void role_requests_end(struct adit_host *host)
{
	for (struct adit_request *r = host->requests; r != NULL; r = r->next) {
		if (!r->answered)
			role_answer(host, r->correlation, ADIT_E_UNAVAILABLE, "it has stopped",
				    NULL, 0, NULL, 0);
		r->answered = true;
	}
}

void role_requests_free(struct adit_host *host)
{
	while (host->requests != NULL)
		role_request_free(host->requests);
}
