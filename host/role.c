/* SPDX-License-Identifier: MIT */
/* role.c: the life of a role process. */
#include "config.h"

#include "host/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <event2/event.h>

#include "host/crash.h"
#include "host/exit_codes.h"
#include "host/log.h"

#define EXIT_FLUSH_MS 500

/* Log lines go to the host, which writes them in one place. */
static void role_log_to_host(void *user, int level, const char *source, const char *text,
			     size_t size)
{
	struct role *role = user;
	struct ipc_frame frame = {
	    .kind = IPC_LOG, .status = level, .json = text, .json_size = size};

	for (size_t i = 0; role->start != NULL && i < role->start->instance_count; i++) {
		if (strcmp(role->start->instances[i].worker_name, source) == 0)
			frame.source = role->start->instances[i].id;
	}
	(void)ipc_send(role->channel, &frame);
}

static void role_on_exit(evutil_socket_t fd, short what, void *user)
{
	struct role *role = user;

	(void)fd;
	(void)what;
	(void)event_base_loopbreak(role->base);
}

void role_exit(struct role *role, int code)
{
	if (role->exiting)
		return;
	role->exiting = true;
	role->exit_code = code;
	event_active(role->exit_event, EV_TIMEOUT, 0);
}

static void role_services_drop(struct adit_host *host)
{
	struct service **at = &host->role->services;

	while (*at != NULL) {
		struct service *service = *at;

		if (service->owner != host) {
			at = &service->next;
			continue;
		}
		*at = service->next;
		free(service->name);
		free(service);
	}
}

/* Ends every instance that has been initialised, last one first. One that still runs (another one's
 * start failed, or the host has gone) is stopped before; there is no time for "not yet". */
static void role_fini(struct role *role)
{
	for (size_t i = role->start->instance_count; i > 0; i--) {
		struct adit_host *host = &role->hosts[i - 1];

		if (host->state == INSTANCE_NEW)
			continue;
		if (host->state == INSTANCE_RUNNING || host->state == INSTANCE_DRAINING) {
			host->state = INSTANCE_STOPPING;
			(void)host->plugin->stop(host->instance);
		}
		host->state = INSTANCE_STOPPED;
		registrations_revoke(host);
		host->plugin->fini(host->instance);
		registrations_revoke(host); /* what fini itself may have left */
		role_requests_free(host);
		role_services_drop(host);
	}
	for (size_t i = 0; i < role->start->instance_count; i++)
		role_shares_instance_free(&role->hosts[i]);
}

/* Tells the host why the start failed, and exits. */
static void role_refuse(struct role *role, struct adit_host *host, int32_t error, const char *step)
{
	const char *text = host->error.text;
	char said[IPC_TEXT_MAX];
	const struct ipc_frame frame = {
	    .kind = IPC_FAILED, .source = host->start->id, .status = error, .text = said};
	bool config = error == ADIT_E_CONFIG || error == ADIT_E_INVALID_ARGUMENT;

	if (step[0] == '\0')
		(void)snprintf(said, sizeof(said), "%s: %s", host->start->worker_name, text);
	else
		(void)snprintf(said, sizeof(said), "%s: %s: %s", host->start->worker_name, step,
			       text[0] != '\0' ? text : adit_error_name(error));
	(void)ipc_send(role->channel, &frame);
	role_exit(role, config ? HOST_EXIT_CONFIG : HOST_EXIT_START);
}

/* Loads and initialises all plugins, then starts them; false after a failure. */
static bool role_bring_up(struct role *role)
{
	for (size_t i = 0; i < role->start->instance_count; i++) {
		struct adit_host *host = &role->hosts[i];
		int32_t error =
		    loader_open(host->start->path, host->start->role, &host->plugin, &host->error);

		if (error != ADIT_OK) {
			role_refuse(role, host, error, "");
			return false;
		}
		error = host->plugin->init(&role_api, host, &host->instance);
		if (error != ADIT_OK) {
			host->state = INSTANCE_STOPPED;
			registrations_revoke(host);
			role_services_drop(host);
			host->state = INSTANCE_NEW; /* there is nothing for fini to undo */
			role_refuse(role, host, error, "init");
			return false;
		}
		host->state = INSTANCE_READY;
	}
	for (size_t i = 0; i < role->start->instance_count; i++) {
		struct adit_host *host = &role->hosts[i];
		int32_t error = host->plugin->start(host->instance);

		if (error != ADIT_OK) {
			role_refuse(role, host, error, "start");
			return false;
		}
		host->state = INSTANCE_RUNNING;
	}
	return true;
}

static void role_start(struct role *role, const struct ipc_frame *frame)
{
	const struct ipc_frame started = {.kind = IPC_STARTED};

	if (role->start != NULL)
		return;
	role->start = start_decode(frame->json, frame->json_size);
	if (role->start == NULL) {
		role_exit(role, HOST_EXIT_SYSTEM);
		return;
	}
	role->hosts = calloc(role->start->instance_count + 1, sizeof(*role->hosts));
	if (role->hosts == NULL) {
		role_exit(role, HOST_EXIT_SYSTEM);
		return;
	}
	log_set_level(role->start->log_level);
	for (size_t i = 0; i < role->start->instance_count; i++) {
		const struct start_instance *start = &role->start->instances[i];

		role->hosts[i].role = role;
		role->hosts[i].start = start;
		for (size_t j = 0; j < start->listener_count; j++)
			(void)fcntl(start->listeners[j].fd, F_SETFD, FD_CLOEXEC);
		if (start->share_ring > 0)
			(void)fcntl(start->share_ring, F_SETFD, FD_CLOEXEC);
	}
	if (role->start->share_socket > 0)
		(void)fcntl(role->start->share_socket, F_SETFD, FD_CLOEXEC);
	if (!role_shares_start(role, role->start->share_socket))
		role_exit(role, HOST_EXIT_SYSTEM);
	else if (role_bring_up(role) && !role->exiting)
		(void)ipc_send(role->channel, &started);
}

/* New values for an instance that runs. The old strings live until its `reload` has returned, and
 * are back when it did not take the new ones. */
static int32_t role_reload_instance(struct adit_host *host, const struct ipc_frame *frame)
{
	struct start_instance *start = &host->role->start->instances[host - host->role->hosts];
	const struct start_instance old = *start;
	int32_t error;

	if (host->state != INSTANCE_RUNNING || host->plugin->reload == NULL)
		return ADIT_E_UNSUPPORTED;
	if (!start_decode_settings(start, frame->json, frame->json_size))
		return ADIT_E_PROTOCOL;
	host->error.text[0] = '\0';
	error = host->plugin->reload(host->instance);
	if (error == ADIT_OK) {
		start_settings_free(old.settings, old.setting_count);
		return ADIT_OK;
	}
	start_settings_free(start->settings, start->setting_count);
	start->settings = old.settings;
	start->setting_count = old.setting_count;
	if (error != ADIT_E_UNSUPPORTED)
		log_line(ADIT_LOG_ERROR, start->worker_name, "reload: %s%s",
			 host->error.text[0] != '\0' ? host->error.text : adit_error_name(error),
			 error == ADIT_E_CONFIG ? "; it goes on with its old settings" : "");
	return error;
}

static void role_reload(struct role *role, const struct ipc_frame *frame)
{
	for (size_t i = 0; i < role->start->instance_count; i++) {
		struct ipc_frame answer = {.kind = IPC_RELOADED, .source = frame->target};

		if (role->start->instances[i].id != frame->target)
			continue;
		answer.status = role_reload_instance(&role->hosts[i], frame);
		(void)ipc_send(role->channel, &answer);
	}
}

/* Stops the next instances; when none is left, the process ends. */
static void role_stop_next(struct role *role)
{
	while (role->draining == 0 && role->stop_next > 0) {
		struct adit_host *host = &role->hosts[role->stop_next - 1];

		if (host->state == INSTANCE_STOPPING)
			return;
		if (host->state == INSTANCE_RUNNING) {
			host->state = INSTANCE_STOPPING;
			if (host->plugin->stop(host->instance) == ADIT_E_UNAVAILABLE &&
			    host->state == INSTANCE_STOPPING)
				return; /* it will call api->stopped() */
		}
		if (host->state != INSTANCE_NEW)
			host->state = INSTANCE_STOPPED;
		registrations_revoke(host);
		role->stop_next--;
	}
	if (role->draining == 0)
		role_exit(role, HOST_EXIT_OK);
}

void role_instance_stopped(struct adit_host *host)
{
	struct role *role = host->role;

	if (host->state == INSTANCE_DRAINING) {
		host->state = INSTANCE_RUNNING;
		role->draining--;
		event_active(role->stop_event, EV_TIMEOUT, 0);
	}
	if (host->state != INSTANCE_STOPPING)
		return;
	host->state = INSTANCE_STOPPED;
	/* not from inside the plugin's call: its registrations are about to end */
	event_active(role->stop_event, EV_TIMEOUT, 0);
}

static void role_on_stop(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	role_stop_next(user);
}

/* Asks every instance that can to let nobody new in and to deal with those who are at the door,
 * while all still work. */
static void role_drain(struct role *role)
{
	for (size_t i = 0; i < role->stop_next; i++) {
		struct adit_host *host = &role->hosts[i];

		if (host->state != INSTANCE_RUNNING || !ADIT_HAS(host->plugin, drain) ||
		    host->plugin->drain == NULL)
			continue;
		host->state = INSTANCE_DRAINING;
		role->draining++;
		/* unless it has said so itself meanwhile */
		if (host->plugin->drain(host->instance) != ADIT_E_UNAVAILABLE &&
		    host->state == INSTANCE_DRAINING) {
			host->state = INSTANCE_RUNNING;
			role->draining--;
		}
	}
}

static void role_stop(struct role *role)
{
	if (role->stopping)
		return;
	role->stopping = true;
	role->stop_next =
	    role->start != NULL && role->hosts != NULL ? role->start->instance_count : 0;
	role_drain(role);
	role_stop_next(role);
}

static void role_frame(void *user, const struct ipc_frame *frame)
{
	struct role *role = user;
	const struct ipc_frame pong = {.kind = IPC_PONG};

	if (role->exiting)
		return;
	if (frame->kind == IPC_START)
		role_start(role, frame);
	else if (frame->kind == IPC_PING)
		(void)ipc_send(role->channel, &pong);
	else if (frame->kind == IPC_WANTED)
		role_bus_wanted(role, frame->name, frame->status != 0);
	else if (frame->kind == IPC_LEVEL)
		log_set_level(frame->status);
	else if (frame->kind == IPC_STOP)
		role_stop(role);
	else if (role->hosts == NULL)
		return;
	else if (frame->kind == IPC_RELOAD)
		role_reload(role, frame);
	else if (frame->kind == IPC_EVENT)
		role_bus_event(role, frame);
	else if (frame->kind == IPC_CALL)
		role_call_frame(role, frame);
	else if (frame->kind == IPC_REPLY)
		role_reply_frame(role, frame);
}

/* The host has gone: there is nobody to work for. */
static void role_closed(void *user, const char *reason)
{
	(void)reason;
	role_exit(user, HOST_EXIT_DISCONNECTED);
}

/* The process's own signals: stopping is the host's business. */
static void role_signals(const char *name)
{
	char title[16];

	(void)snprintf(title, sizeof(title), "%.15s", name);
	(void)prctl(PR_SET_NAME, title);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit is as a full disk: write() says so */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	crash_install(name);
}

static bool role_init(struct role *role)
{
	role->base = event_base_new();
	if (role->base == NULL)
		return false;
	role->exit_event = event_new(role->base, -1, 0, role_on_exit, role);
	role->stop_event = event_new(role->base, -1, 0, role_on_stop, role);
	(void)fcntl(ROLE_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
	role->channel = ipc_channel_new(role->base, ROLE_CHANNEL_FD, role_frame, role_closed, role);
	return role->exit_event != NULL && role->stop_event != NULL && role->channel != NULL;
}

static void role_free(struct role *role)
{
	for (size_t i = 0; i < role->wanted_count; i++)
		free(role->wanted[i]);
	free(role->wanted);
	role_shares_free(role);
	free(role->hosts);
	start_free(role->start);
	handles_free(&role->handles);
	ipc_channel_free(role->channel);
	if (role->exit_event != NULL)
		event_free(role->exit_event);
	if (role->stop_event != NULL)
		event_free(role->stop_event);
	if (role->base != NULL)
		event_base_free(role->base);
	libevent_global_shutdown();
}

int role_main(const char *name)
{
	struct role role = {.exit_code = HOST_EXIT_SYSTEM};

	role_signals(name);
	if (!role_init(&role)) {
		role_free(&role);
		return HOST_EXIT_SYSTEM;
	}
	log_redirect(role_log_to_host, &role);
	(void)event_base_dispatch(role.base);
	/* an instance that said it can't go on may be in any state: it is not called again */
	if (role.exit_code != HOST_EXIT_FAILED) {
		if (role.hosts != NULL)
			role_fini(&role);
		/* what was freed from the loop */
		(void)event_base_loop(role.base, EVLOOP_NONBLOCK);
	}
	log_redirect(NULL, NULL);
	ipc_flush(role.channel, EXIT_FLUSH_MS);
	if (role.exit_code == HOST_EXIT_FAILED)
		_exit(role.exit_code);
	role_free(&role);
	return role.exit_code;
}
