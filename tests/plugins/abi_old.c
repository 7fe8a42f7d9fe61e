/* SPDX-License-Identifier: MIT */
/*
 * abi_old.c: a plugin as it was built for version 1.0 of the plugin interface. It does not include
 * <adit/plugin.h>: what it knows of the interface is written out here, as it was, and stays so. It
 * has to be loaded and to work with every host of major version 1.
 */
#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OLD_PLUGIN_MAGIC 0x54494441u
#define OLD_HOST_MAGIC 0x54534f48u
#define OLD_METHOD_ALL 1
#define OLD_INTERNAL (-1)

struct old_host;
struct old_request;

struct old_request_info {
	uint32_t size;
	const char *method;
	const char *caller;
	const char *json;
	size_t json_size;
	const void *attachment;
	size_t attachment_size;
};

struct old_event {
	uint32_t size;
	const char *type;
	const char *source;
	uint64_t sequence;
	uint64_t lost;
	const char *json;
	size_t json_size;
	const void *attachment;
	size_t attachment_size;
};

struct old_info {
	uint32_t size;
	uint32_t worker;
	uint32_t workers;
	uint16_t server_id;
	uint16_t slice;
	const char *role;
	const char *instance;
	const char *worker_name;
	const char *state_dir;
	const char *network;
};

typedef void (*old_destroy_fn)(void *user);
typedef void (*old_event_fn)(void *user, const struct old_event *event);
typedef void (*old_method_fn)(void *user, struct old_request *request,
			      const struct old_request_info *info);
typedef void (*old_timer_fn)(void *user);

/* The functions that this plugin does not call are pointers of no particular type. */
struct old_api {
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t size;
	uint32_t reserved;
	int32_t (*info)(struct old_host *host, struct old_info *info);
	void (*log)(struct old_host *host, int32_t level, const char *text, size_t size);
	bool (*log_enabled)(struct old_host *host, int32_t level);
	const char *(*config)(struct old_host *host, const char *key);
	void (*config_int)(void);
	void (*config_bool)(void);
	void (*set_error)(struct old_host *host, const char *text);
	bool (*event_wanted)(struct old_host *host, const char *type);
	int32_t (*publish)(struct old_host *host, const char *type, const char *json,
			   size_t json_size, const void *attachment, size_t attachment_size);
	int32_t (*subscribe)(struct old_host *host, const char *type, old_event_fn fn, void *user,
			     old_destroy_fn destroy, uint64_t *id);
	void (*unsubscribe)(struct old_host *host, uint64_t id);
	void (*call)(void);
	void (*call_cancel)(void);
	int32_t (*register_method)(struct old_host *host, const char *method, int32_t mode,
				   old_method_fn fn, void *user, old_destroy_fn destroy);
	void (*reply)(struct old_host *host, struct old_request *request, int32_t error,
		      const char *message, const char *json, size_t json_size,
		      const void *attachment, size_t attachment_size);
	int32_t (*timer_add)(struct old_host *host, uint32_t delay_ms, uint32_t repeat_ms,
			     old_timer_fn fn, void *user, old_destroy_fn destroy, uint64_t *id);
	void (*timer_cancel)(struct old_host *host, uint64_t id);
	void (*io_watch)(void);
	void (*io_unwatch)(void);
	void (*listener)(void);
	void (*service_offer)(void);
	void (*service_find)(void);
	void *(*loop)(struct old_host *host, const char *kind);
	void (*stopped)(struct old_host *host);
	void (*fail)(struct old_host *host, const char *reason);
	void (*status)(struct old_host *host, const char *text);
};

struct old_descriptor {
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t size;
	uint32_t reserved;
	const char *name;
	const char *version;
	int32_t (*init)(const struct old_api *api, struct old_host *host, void **instance);
	int32_t (*start)(void *instance);
	int32_t (*reload)(void *instance);
	int32_t (*stop)(void *instance);
	void (*fini)(void *instance);
};

struct old_plugin {
	const struct old_api *api;
	struct old_host *host;
	unsigned events;
	unsigned ticks;
};

static struct old_plugin old_instance;

static int32_t old_init(const struct old_api *api, struct old_host *host, void **instance)
{
	struct old_info info = {.size = sizeof(info)};
	const char *word;

	if (api->magic != OLD_HOST_MAGIC || api->major != 1 || api->size < sizeof(*api))
		return OLD_INTERNAL;
	word = api->config(host, "word");
	if (api->info(host, &info) != 0 || strcmp(info.role, "abi-old") != 0 || info.worker != 1 ||
	    word == NULL || strcmp(word, "old") != 0) {
		api->set_error(host, "the host's answers are wrong");
		return OLD_INTERNAL;
	}
	old_instance = (struct old_plugin){api, host, 0, 0};
	*instance = &old_instance;
	return 0;
}

static void old_event(void *user, const struct old_event *event)
{
	struct old_plugin *p = user;

	if (event->json_size == 2 && memcmp(event->json, "{}", 2) == 0)
		p->events++;
	if (p->events == 1)
		p->api->status(p->host, "has seen an event");
}

static void old_tick(void *user)
{
	struct old_plugin *p = user;

	p->ticks++;
	if (p->events == 0)
		(void)p->api->publish(p->host, "AbiOld", "{}", 2, NULL, 0);
}

static void old_status(void *user, struct old_request *request, const struct old_request_info *info)
{
	const struct old_plugin *p = user;
	const char *answer = p->events > 0 && p->ticks > 0 && info->json_size == 2
				 ? "{\"good\":true}"
				 : "{\"good\":false}";

	p->api->reply(p->host, request, 0, NULL, answer, strlen(answer), NULL, 0);
}

static int32_t old_start(void *instance)
{
	const struct old_plugin *p = instance;
	int32_t error = p->api->subscribe(p->host, "AbiOld", old_event, instance, NULL, NULL);

	if (error == 0)
		error = p->api->timer_add(p->host, 1, 20, old_tick, instance, NULL, NULL);
	if (error == 0)
		error = p->api->register_method(p->host, "status", OLD_METHOD_ALL, old_status,
						instance, NULL);
	return error;
}

static int32_t old_stop(void *instance)
{
	(void)instance;
	return 0;
}

static void old_fini(void *instance)
{
	(void)instance;
}

__attribute__((visibility("default"))) extern const struct old_descriptor adit_plugin;
const struct old_descriptor adit_plugin = {
    .magic = OLD_PLUGIN_MAGIC,
    .major = 1,
    .minor = 0,
    .size = sizeof(struct old_descriptor),
    .name = "abi-old",
    .version = "1.0",
    .init = old_init,
    .start = old_start,
    .stop = old_stop,
    .fini = old_fini,
};
