/* SPDX-License-Identifier: MIT */
/*
 * echo.c: a plugin for tests of the host. It uses every function of the ABI, and does on demand
 * what plugins should not do. With ECHO_... macros the same source makes plugins that have to be
 * refused.
 *
 * Configuration: fail = no|init|start|config|stop|late (stop: says "not yet" for ever;
 * late: for 50 ms), listen, word,
 * count. Methods: see the table at the end.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <adit/plugin.h>

#ifndef ECHO_MAJOR
#define ECHO_MAJOR ADIT_ABI_MAJOR
#endif
#ifndef ECHO_MINOR
#define ECHO_MINOR ADIT_ABI_MINOR
#endif
#ifndef ECHO_SIZE
#define ECHO_SIZE sizeof(struct adit_plugin_descriptor)
#endif
#ifndef ECHO_NAME
#define ECHO_NAME "echo"
#endif

struct echo {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct adit_instance_info info;
	struct adit_request *held;  /* by `hold` */
	struct adit_request *asker; /* by `ask` */
	struct adit_request *tester;
	uint64_t subscription;
	uint64_t events;
	uint64_t lost;
	uint64_t last_sequence;
	bool gap; /* a sequence number that `lost` does not explain */
	int pipe[2];
	uint64_t watch;
	unsigned ticks;
	unsigned destroyed;
	bool io_seen;
	char order[64];
};

static void echo_answer(struct echo *p, struct adit_request *request, const char *json)
{
	p->api->reply(p->host, request, ADIT_OK, NULL, json, strlen(json), NULL, 0);
}

static void echo_destroyed(void *user)
{
	struct echo *p = user;

	p->destroyed++;
}

/* --- methods ------------------------------------------------------------------------------------
 */

static void echo_echo(struct echo *p, struct adit_request *request,
		      const struct adit_request_info *info)
{
	p->api->reply(p->host, request, ADIT_OK, NULL, info->json, info->json_size,
		      info->attachment, info->attachment_size);
}

static void echo_status(struct echo *p, struct adit_request *request,
			const struct adit_request_info *info)
{
	char json[512];

	(void)info;
	(void)snprintf(json, sizeof(json),
		       "{\"worker\":%u,\n\"slice\":%u,\"pid\":%d,\"events\":%llu,\"lost\":%llu,"
		       "\"gap\":%s,\"last_sequence\":%llu}",
		       p->info.worker, p->info.slice, (int)getpid(), (unsigned long long)p->events,
		       (unsigned long long)p->lost, p->gap ? "true" : "false",
		       (unsigned long long)p->last_sequence);
	echo_answer(p, request, json);
}

static void echo_crash(struct echo *p, struct adit_request *request,
		       const struct adit_request_info *info)
{
	(void)p;
	(void)request;
	(void)info;
	(void)raise(SIGSEGV);
}

static void echo_spin(struct echo *p, struct adit_request *request,
		      const struct adit_request_info *info)
{
	volatile unsigned turns = 0;

	(void)p;
	(void)request;
	(void)info;
	for (;;)
		turns++;
}

static void echo_fail(struct echo *p, struct adit_request *request,
		      const struct adit_request_info *info)
{
	(void)request;
	(void)info;
	p->api->fail(p->host, "asked to fail");
}

static void echo_exit(struct echo *p, struct adit_request *request,
		      const struct adit_request_info *info)
{
	(void)p;
	(void)request;
	(void)info;
	_exit(3);
}

/* Not a line of JSON: the host has to stand it. */
static void echo_garbage(struct echo *p, struct adit_request *request,
			 const struct adit_request_info *info)
{
	(void)info;
	echo_answer(p, request, "}\n{\"jsonrpc\":");
}

static void echo_refuse(struct echo *p, struct adit_request *request,
			const struct adit_request_info *info)
{
	(void)info;
	p->api->reply(p->host, request, ADIT_E_LIMIT, "as you\nwish", NULL, 0, NULL, 0);
}

/* Logs its parameters, and answers which levels it would log: "ewidt" are all. */
static void echo_log(struct echo *p, struct adit_request *request,
		     const struct adit_request_info *info)
{
	char levels[16] = "\"";
	size_t used = 1;

	p->api->log(p->host, ADIT_LOG_INFO, (const char *)info->json, info->json_size);
	for (int level = ADIT_LOG_ERROR; level <= ADIT_LOG_TRACE; level++) {
		if (p->api->log_enabled(p->host, level))
			levels[used++] = "ewidt"[level - ADIT_LOG_ERROR];
	}
	levels[used] = '"';
	echo_answer(p, request, levels);
}

/* Leaves the call open; the next `hold` answers the one before. */
static void echo_hold(struct echo *p, struct adit_request *request,
		      const struct adit_request_info *info)
{
	(void)info;
	if (p->held != NULL)
		echo_answer(p, p->held, "\"late\"");
	p->held = request;
}

static void echo_publish(struct echo *p, struct adit_request *request,
			 const struct adit_request_info *info)
{
	int32_t own = p->api->publish(p->host, "EchoSaid", info->json, info->json_size, NULL, 0);
	int32_t core = p->api->publish(p->host, "NewBlock", "{}", 2, NULL, 0);
	int32_t none = p->api->publish(p->host, "not a type", "{}", 2, NULL, 0);
	char json[160];

	(void)snprintf(json, sizeof(json),
		       "{\"own\":\"%s\",\"core\":\"%s\",\"none\":\"%s\",\"wanted\":%s}",
		       adit_error_name(own), adit_error_name(core), adit_error_name(none),
		       p->api->event_wanted(p->host, "EchoSaid") ? "true" : "false");
	echo_answer(p, request, json);
}

/* 200 events of 256 KiB at once. */
static void echo_flood(struct echo *p, struct adit_request *request,
		       const struct adit_request_info *info)
{
	enum { SIZE = 256 * 1024 };
	char *json = malloc(SIZE);

	(void)info;
	if (json == NULL)
		return;
	memset(json, 'x', SIZE);
	json[0] = '"';
	json[SIZE - 1] = '"';
	for (int i = 0; i < 200; i++)
		(void)p->api->publish(p->host, "EchoSaid", json, SIZE, NULL, 0);
	free(json);
	echo_answer(p, request, "true");
}

static void echo_asked(void *user, const struct adit_reply *reply)
{
	struct echo *p = user;

	if (p->asker == NULL)
		return;
	p->api->reply(p->host, p->asker, reply->error, reply->message, reply->json,
		      reply->json_size, reply->attachment, reply->attachment_size);
	p->asker = NULL;
}

/* Calls TARGET METHOD ("target method" as a JSON string) with 3 MiB of attachment, and passes the
 * answer on. The deadline is a minute; half a second for `hold`, which does not answer. */
static void echo_ask(struct echo *p, struct adit_request *request,
		     const struct adit_request_info *info)
{
	enum { SIZE = 3 * 1024 * 1024 };
	char text[128];
	char target[64];
	char method[64];
	char *attachment = calloc(1, SIZE);
	int32_t error;

	(void)snprintf(text, sizeof(text), "%.*s", (int)info->json_size, info->json);
	if (attachment == NULL || sscanf(text, "{\"to\":\"%63[^ ] %63[^\"]", target, method) != 2) {
		p->api->reply(p->host, request, ADIT_E_INVALID_ARGUMENT, "ask whom?", NULL, 0, NULL,
			      0);
		free(attachment);
		return;
	}
	p->asker = request;
	error = p->api->call(p->host, target, method, "{\"a\":1}", 7, attachment, SIZE,
			     strcmp(method, "hold") == 0 ? 500 : 60000, echo_asked, p,
			     echo_destroyed, NULL);
	free(attachment);
	if (error != ADIT_OK) {
		p->asker = NULL;
		p->api->reply(p->host, request, error, "call", NULL, 0, NULL, 0);
	}
}

/* --- the rest of the ABI, one after the other
 * ----------------------------------------------------- */

static void echo_never(void *user)
{
	struct echo *p = user;

	p->order[0] = '!';
}

static void echo_never_replied(void *user, const struct adit_reply *reply)
{
	(void)reply;
	echo_never(user);
}

static bool echo_check_configuration(struct echo *p)
{
	const char *word = p->api->config(p->host, "word");
	int64_t number = 0;
	bool truth = false;

	return word != NULL && strcmp(word, "hello") == 0 &&
	       p->api->config(p->host, "absent") == NULL &&
	       p->api->config_int(p->host, "count", &number) == ADIT_OK && number == 1500 &&
	       p->api->config_int(p->host, "absent", &number) == ADIT_E_NOT_FOUND &&
	       p->api->config_bool(p->host, "flag", &truth) == ADIT_OK && truth &&
	       p->api->config_bool(p->host, "word", &truth) == ADIT_E_INVALID_ARGUMENT;
}

static bool echo_check_listener(struct echo *p)
{
	struct adit_listener l = {.size = sizeof(l)};

	return p->api->listener(p->host, "listen", 0, &l) == ADIT_OK && l.fd > 3 && !l.is_unix &&
	       strncmp(l.address, "127.0.0.1:", 10) == 0 && strcmp(l.address, "127.0.0.1:0") != 0 &&
	       p->api->listener(p->host, "listen", 1, &l) == ADIT_OK && l.is_unix &&
	       p->api->listener(p->host, "listen", 2, &l) == ADIT_E_NOT_FOUND;
}

static bool echo_check_services(struct echo *p)
{
	return p->api->service_find(p->host, "echo/1") == p &&
	       p->api->service_find(p->host, "none/1") == NULL &&
	       p->api->service_offer(p->host, "echo/1", p) == ADIT_E_EXISTS &&
	       p->api->loop(p->host, "libevent-2") != NULL &&
	       p->api->loop(p->host, "other") == NULL;
}

/* A second timer, which the first one's callback cancels; a call that is cancelled. */
static bool echo_check_cancel(struct echo *p)
{
	uint64_t timer;
	uint64_t call;

	if (p->api->timer_add(p->host, 0, 0, echo_never, p, echo_destroyed, &timer) != ADIT_OK)
		return false;
	p->api->timer_cancel(p->host, timer);
	p->api->timer_cancel(p->host, timer);
	if (p->api->call(p->host, p->info.worker_name, "hold", "{}", 2, NULL, 0, 100,
			 echo_never_replied, p, echo_destroyed, &call) != ADIT_OK)
		return false;
	p->api->call_cancel(p->host, call);
	return p->destroyed == 2;
}

static void echo_on_io(void *user, int32_t fd, uint32_t flags)
{
	struct echo *p = user;
	char byte;

	p->io_seen = flags == ADIT_IO_READ && fd == p->pipe[0] && read(fd, &byte, 1) == 1;
	p->api->io_unwatch(p->host, p->watch); /* inside its own callback */
}

/* Third tick of a repeating timer: all has had its chance to happen. */
static void echo_on_tick(void *user)
{
	struct echo *p = user;
	char json[256];

	if (++p->ticks < 3 || p->tester == NULL)
		return;
	(void)snprintf(json, sizeof(json),
		       "{\"configuration\":%s,\"listener\":%s,\"services\":%s,\"io\":%s,"
		       "\"order\":\"%s\",\"destroyed\":%u}",
		       echo_check_configuration(p) ? "true" : "false",
		       echo_check_listener(p) ? "true" : "false",
		       echo_check_services(p) ? "true" : "false", p->io_seen ? "true" : "false",
		       p->order, p->destroyed);
	echo_answer(p, p->tester, json);
	p->tester = NULL;
}

static void echo_selftest(struct echo *p, struct adit_request *request,
			  const struct adit_request_info *info)
{
	(void)info;
	p->tester = request;
	p->destroyed = 0;
	p->ticks = 0;
	(void)snprintf(p->order, sizeof(p->order), "%s", echo_check_cancel(p) ? "good" : "bad");
	(void)p->api->io_watch(p->host, p->pipe[0], ADIT_IO_READ, echo_on_io, p, echo_destroyed,
			       &p->watch);
	if (write(p->pipe[1], "x", 1) != 1)
		p->order[0] = '?';
	(void)p->api->timer_add(p->host, 10, 20, echo_on_tick, p, echo_destroyed, NULL);
	p->api->status(p->host, "self\ntest");
}

/* --- life ---------------------------------------------------------------------------------------
 */

static const struct {
	const char *name;
	int32_t mode;
	void (*fn)(struct echo *p, struct adit_request *request,
		   const struct adit_request_info *info);
} echo_methods[] = {
    {"status", ADIT_METHOD_ALL, echo_status},     {"echo", ADIT_METHOD_ANY, echo_echo},
    {"crash", ADIT_METHOD_ANY, echo_crash},       {"spin", ADIT_METHOD_ANY, echo_spin},
    {"fail", ADIT_METHOD_ANY, echo_fail},         {"exit", ADIT_METHOD_ANY, echo_exit},
    {"garbage", ADIT_METHOD_ALL, echo_garbage},   {"refuse", ADIT_METHOD_ANY, echo_refuse},
    {"hold", ADIT_METHOD_ONE, echo_hold},         {"publish", ADIT_METHOD_ANY, echo_publish},
    {"flood", ADIT_METHOD_ANY, echo_flood},       {"ask", ADIT_METHOD_ANY, echo_ask},
    {"selftest", ADIT_METHOD_ANY, echo_selftest}, {"log", ADIT_METHOD_ANY, echo_log},
};

static void echo_on_method(void *user, struct adit_request *request,
			   const struct adit_request_info *info)
{
	for (size_t i = 0; i < sizeof(echo_methods) / sizeof(echo_methods[0]); i++) {
		if (strcmp(echo_methods[i].name, info->method) == 0) {
			echo_methods[i].fn(user, request, info);
			return;
		}
	}
}

static void echo_on_event(void *user, const struct adit_event *event)
{
	struct echo *p = user;

	p->events++;
	p->lost += event->lost;
	if (p->last_sequence > 0 && event->sequence != p->last_sequence + event->lost + 1)
		p->gap = true;
	p->last_sequence = event->sequence;
}

static int32_t echo_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	const char *fail = api->config(host, "fail");
	struct echo *p;

	if (strcmp(fail, "init") == 0 || strcmp(fail, "config") == 0) {
		api->set_error(host, "the word is wrong");
		return fail[0] == 'i' ? ADIT_E_IO : ADIT_E_CONFIG;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return ADIT_E_NO_MEMORY;
	p->api = api;
	p->host = host;
	p->info.size = sizeof(p->info);
	p->pipe[0] = -1;
	p->pipe[1] = -1;
	*instance = p;
	(void)api->info(host, &p->info);
	(void)api->service_offer(host, "echo/1", p);
	return pipe(p->pipe) == 0 ? ADIT_OK : ADIT_E_IO;
}

static int32_t echo_start(void *instance)
{
	struct echo *p = instance;

	if (strcmp(p->api->config(p->host, "fail"), "start") == 0) {
		p->api->set_error(p->host, "can't start today");
		return ADIT_E_IO;
	}
	for (size_t i = 0; i < sizeof(echo_methods) / sizeof(echo_methods[0]); i++) {
		if (p->api->register_method(p->host, echo_methods[i].name, echo_methods[i].mode,
					    echo_on_method, p, NULL) != ADIT_OK)
			return ADIT_E_INTERNAL;
	}
	p->api->status(p->host, "ready");
	if (p->api->log_enabled(p->host, ADIT_LOG_INFO))
		p->api->log(p->host, ADIT_LOG_INFO, "evil \x1b[31m\ntext", 16);
	return p->api->subscribe(p->host, "EchoSaid", echo_on_event, p, NULL, &p->subscription);
}

static void echo_on_late(void *user)
{
	struct echo *p = user;

	p->api->log(p->host, ADIT_LOG_INFO, "stopped late", 12);
	p->api->stopped(p->host);
}

static int32_t echo_stop(void *instance)
{
	struct echo *p = instance;
	const char *fail = p->api->config(p->host, "fail");

	if (strcmp(fail, "stop") == 0)
		return ADIT_E_UNAVAILABLE;
	if (strcmp(fail, "late") == 0) {
		(void)p->api->timer_add(p->host, 50, 0, echo_on_late, p, NULL, NULL);
		return ADIT_E_UNAVAILABLE;
	}
	p->api->stopped(p->host); /* at once is allowed */
	return ADIT_E_UNAVAILABLE;
}

/* "a=7 b=9 ": the sizes of its things, in their order. */
static void echo_things(struct echo *p, char *text, size_t capacity)
{
	const char *names = p->api->config(p->host, "thing");
	size_t size = 0;

	text[0] = '\0';
	while (names != NULL && *names != '\0' && size < capacity) {
		size_t span = strcspn(names, ",");
		char key[64];

		(void)snprintf(key, sizeof(key), "%.*s.size", (int)span, names);
		size += (size_t)snprintf(text + size, capacity - size, "%.*s=%s ", (int)span, names,
					 p->api->config(p->host, key));
		names += span + (names[span] == ',' ? 1 : 0);
	}
}

/* Takes a new `word` over, unless it is "restart" or "wrong". */
static int32_t echo_reload(void *instance)
{
	struct echo *p = instance;
	const char *word = p->api->config(p->host, "word");
	char text[256];

	if (strcmp(word, "restart") == 0)
		return ADIT_E_UNSUPPORTED;
	if (strcmp(word, "wrong") == 0) {
		p->api->set_error(p->host, "a wrong word");
		return ADIT_E_CONFIG;
	}
	echo_things(p, text, sizeof(text));
	p->api->status(p->host, *text != '\0' ? text : word);
	return ADIT_OK;
}

static void echo_fini(void *instance)
{
	struct echo *p = instance;

	if (p->held != NULL) /* its caller has been answered by the host */
		echo_answer(p, p->held, "1");
	(void)close(p->pipe[0]);
	(void)close(p->pipe[1]);
	free(p);
}

ADIT_EXPORT extern const struct adit_plugin_descriptor adit_plugin;
const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ECHO_MAJOR,
    .abi_minor = ECHO_MINOR,
    .size = (uint32_t)ECHO_SIZE,
    .name = ECHO_NAME,
    .version = "1.2.0",
    .init = echo_init,
    .start = echo_start,
    .reload = echo_reload,
    .stop = echo_stop,
    .fini = echo_fini,
};
