/* SPDX-License-Identifier: MIT */
/* role_api.c: struct adit_host_api, and its functions that need no file of their own. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "host/exit_codes.h"
#include "host/log.h"
#include "host/rights.h"
#include "host/role.h"

int32_t role_may(struct adit_host *host, uint32_t capability, const char *what)
{
	const struct start_instance *start = host->start;
	char text[RIGHTS_TEXT_MAX];

	if ((start->capabilities & capability) != 0)
		return ADIT_OK;
	if ((host->told & capability) == 0) {
		rights_refusal(capability, start->requested, start->remedy, text, sizeof(text));
		log_line(ADIT_LOG_WARNING, start->worker_name, "permission-denied: %s: %s", what,
			 text);
	}
	host->told |= capability;
	return ADIT_E_PERMISSION_DENIED;
}

static int32_t role_info(struct adit_host *host, struct adit_instance_info *info)
{
	const struct start *start = host->role->start;
	const struct adit_instance_info full = {
	    .size = info->size,
	    .worker = start->worker,
	    .workers = start->workers,
	    .server_id = start->server_id,
	    .slice = host->start->slice,
	    .role = host->start->role,
	    .instance = host->start->instance,
	    .worker_name = host->start->worker_name,
	    .state_dir = host->start->state_dir,
	    .network = start->network,
	};

	if (info->size < sizeof(info->size))
		return ADIT_E_INVALID_ARGUMENT;
	memcpy(info, &full, info->size < sizeof(full) ? info->size : sizeof(full));
	return ADIT_OK;
}

static void role_log(struct adit_host *host, int32_t level, const char *text, size_t size)
{
	if (level < ADIT_LOG_ERROR)
		level = ADIT_LOG_ERROR;
	if (log_enabled(level))
		log_text(level, host->start->worker_name, text, size);
}

static bool role_log_enabled(struct adit_host *host, int32_t level)
{
	(void)host;
	return log_enabled(level);
}

static const char *role_config(struct adit_host *host, const char *key)
{
	for (size_t i = 0; i < host->start->setting_count; i++) {
		if (strcmp(host->start->settings[i].key, key) == 0)
			return host->start->settings[i].value;
	}
	return NULL;
}

static int32_t role_config_int(struct adit_host *host, const char *key, int64_t *value)
{
	const char *text = role_config(host, key);
	char *end;
	long long number;

	if (text == NULL)
		return ADIT_E_NOT_FOUND;
	number = strtoll(text, &end, 10);
	if (end == text || *end != '\0')
		return ADIT_E_INVALID_ARGUMENT;
	*value = number;
	return ADIT_OK;
}

static int32_t role_config_bool(struct adit_host *host, const char *key, bool *value)
{
	const char *text = role_config(host, key);

	if (text == NULL)
		return ADIT_E_NOT_FOUND;
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return ADIT_E_INVALID_ARGUMENT;
	*value = strcmp(text, "true") == 0;
	return ADIT_OK;
}

static void role_set_error(struct adit_host *host, const char *text)
{
	(void)error_set(&host->error, ADIT_E_INTERNAL, "%s", text);
}

static int32_t role_listener(struct adit_host *host, const char *key, uint32_t index,
			     struct adit_listener *listener)
{
	uint32_t at = 0;

	if (listener->size < sizeof(listener->size))
		return ADIT_E_INVALID_ARGUMENT;
	for (size_t i = 0; i < host->start->listener_count; i++) {
		const struct start_listener *l = &host->start->listeners[i];
		const struct adit_listener full = {
		    .size = listener->size,
		    .fd = l->fd,
		    .address = l->address,
		    .is_unix = l->is_unix ? 1 : 0,
		};

		if (strcmp(l->key, key) != 0 || at++ != index)
			continue;
		memcpy(listener, &full,
		       listener->size < sizeof(full) ? listener->size : sizeof(full));
		return ADIT_OK;
	}
	return ADIT_E_NOT_FOUND;
}

static int32_t role_service_offer(struct adit_host *host, const char *name, const void *table)
{
	struct service *service;

	if (name[0] == '\0' || table == NULL)
		return ADIT_E_INVALID_ARGUMENT;
	for (service = host->role->services; service != NULL; service = service->next) {
		if (strcmp(service->name, name) == 0)
			return ADIT_E_EXISTS;
	}
	service = calloc(1, sizeof(*service));
	if (service == NULL || (service->name = strdup(name)) == NULL) {
		free(service);
		return ADIT_E_NO_MEMORY;
	}
	service->table = table;
	service->owner = host;
	service->next = host->role->services;
	host->role->services = service;
	return ADIT_OK;
}

static const void *role_service_find(struct adit_host *host, const char *name)
{
	for (const struct service *s = host->role->services; s != NULL; s = s->next) {
		if (strcmp(s->name, name) == 0)
			return s->table;
	}
	return NULL;
}

static void *role_raw_loop(struct adit_host *host, const char *kind)
{
	return strcmp(kind, "libevent-2") == 0 ? host->role->base : NULL;
}

static void role_fail(struct adit_host *host, const char *reason)
{
	const struct ipc_frame frame = {
	    .kind = IPC_FAIL, .source = host->start->id, .text = reason};

	(void)ipc_send(host->role->channel, &frame);
	role_exit(host->role, HOST_EXIT_FAILED);
}

static void role_status(struct adit_host *host, const char *text)
{
	char clean[256];
	const struct ipc_frame frame = {
	    .kind = IPC_STATUS, .source = host->start->id, .text = clean};

	log_sanitise(clean, sizeof(clean), text, strlen(text));
	(void)ipc_send(host->role->channel, &frame);
}

const struct adit_host_api role_api = {
    .magic = ADIT_HOST_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_host_api),
    .info = role_info,
    .log = role_log,
    .log_enabled = role_log_enabled,
    .config = role_config,
    .config_int = role_config_int,
    .config_bool = role_config_bool,
    .set_error = role_set_error,
    .event_wanted = role_event_wanted,
    .publish = role_publish,
    .subscribe = role_subscribe,
    .unsubscribe = role_unsubscribe,
    .call = role_call,
    .call_cancel = role_call_cancel,
    .register_method = role_register_method,
    .reply = role_reply,
    .timer_add = role_timer_add,
    .timer_cancel = role_timer_cancel,
    .io_watch = role_io_watch,
    .io_unwatch = role_io_unwatch,
    .listener = role_listener,
    .service_offer = role_service_offer,
    .service_find = role_service_find,
    .loop = role_raw_loop,
    .stopped = role_instance_stopped,
    .fail = role_fail,
    .status = role_status,
    .share_log_writer = role_share_log_writer,
    .share_log_append = role_share_log_append,
    .share_log_ring = role_share_log_ring,
    .share_log_read = role_share_log_read,
    .share_log_seek = role_share_log_seek,
};
