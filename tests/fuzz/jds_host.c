/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/fuzz/jds_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY 256

struct timer {
	uint64_t id;
	adit_timer_fn fn;
	void *user;
};

static char directory[] = "/tmp/fuzz-jds-XXXXXX";
static char key_path[64];
static uint64_t last_id;
static struct timer timers[MANY];
static size_t timer_count;
static struct jds_call calls[MANY];
static size_t call_count;
static adit_event_fn event_fn;
static void *event_user;
static int served;

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* --- the table ----------------------------------------------------------------------------------
 */

static int32_t info(struct adit_host *host, struct adit_instance_info *out)
{
	(void)host;
	*out = (struct adit_instance_info){.size = sizeof(*out),
					   .worker = 1,
					   .workers = 1,
					   .role = "jds",
					   .instance = "jds",
					   .worker_name = "jds",
					   .state_dir = directory,
					   .network = "regtest"};
	return ADIT_OK;
}

static void say(struct adit_host *host, int32_t level, const char *text, size_t size)
{
	(void)host;
	(void)level;
	require(strlen(text) == size);
}

static bool log_enabled(struct adit_host *host, int32_t level)
{
	(void)host;
	(void)level;
	return true;
}

static const char *config(struct adit_host *host, const char *key)
{
	static const char *const values[][2] = {
	    {"payout", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"},
	    {"modes", "any"},
	    {"token_key", key_path},
	    {"pool_share", "100"},
	};

	(void)host;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strcmp(values[i][0], key) == 0)
			return values[i][1];
	}
	return NULL;
}

static int32_t config_int(struct adit_host *host, const char *key, int64_t *value)
{
	static const struct {
		const char *key;
		int64_t value;
	} values[] = {{"token_lifetime", 86400000},
		      {"token_rotation", 0},
		      {"answer_timeout", 10000},
		      {"memory", 16}};

	(void)host;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strcmp(values[i].key, key) != 0)
			continue;
		*value = values[i].value;
		return ADIT_OK;
	}
	return ADIT_E_NOT_FOUND;
}

static void say_text(struct adit_host *host, const char *text)
{
	(void)host;
	require(text[0] != '\0');
}

static int32_t subscribe(struct adit_host *host, const char *type, adit_event_fn fn, void *user,
			 adit_destroy_fn destroy, uint64_t *id)
{
	(void)host;
	(void)destroy;
	(void)id;
	if (strcmp(type, "NewBlock") == 0) {
		event_fn = fn;
		event_user = user;
	}
	return ADIT_OK;
}

static int32_t call(struct adit_host *host, const char *target, const char *method,
		    const char *json, size_t json_size, const void *attachment,
		    size_t attachment_size, uint32_t deadline_ms, adit_reply_fn fn, void *user,
		    adit_destroy_fn destroy, uint64_t *id)
{
	struct jds_call *c = &calls[call_count];

	(void)host;
	(void)target;
	(void)json;
	(void)json_size;
	(void)deadline_ms;
	if (call_count == MANY)
		return ADIT_E_LIMIT;
	*c = (struct jds_call){.id = ++last_id,
			       .method = method,
			       .fn = fn,
			       .user = user,
			       .destroy = destroy,
			       .attachment = malloc(attachment_size + 1),
			       .attachment_size = attachment_size};
	require(c->attachment != NULL);
	if (attachment_size > 0)
		memcpy(c->attachment, attachment, attachment_size);
	call_count++;
	if (id != NULL)
		*id = c->id;
	return ADIT_OK;
}

static struct jds_call take_call(size_t i)
{
	struct jds_call c = calls[i];

	memmove(&calls[i], &calls[i + 1], (--call_count - i) * sizeof(c));
	return c;
}

static void call_cancel(struct adit_host *host, uint64_t id)
{
	(void)host;
	for (size_t i = 0; i < call_count; i++) {
		if (calls[i].id != id)
			continue;
		free(take_call(i).attachment);
		return;
	}
	abort();
}

static int32_t register_method(struct adit_host *host, const char *method, int32_t mode,
			       adit_method_fn fn, void *user, adit_destroy_fn destroy)
{
	(void)host;
	(void)method;
	(void)mode;
	(void)fn;
	(void)user;
	(void)destroy;
	return ADIT_OK;
}

static int32_t timer_add(struct adit_host *host, uint32_t delay_ms, uint32_t repeat_ms,
			 adit_timer_fn fn, void *user, adit_destroy_fn destroy, uint64_t *id)
{
	(void)host;
	(void)delay_ms;
	(void)destroy;
	if (timer_count == MANY)
		return ADIT_E_LIMIT;
	if (id != NULL)
		*id = last_id + 1;
	if (repeat_ms == 0)
		timers[timer_count++] = (struct timer){++last_id, fn, user};
	return ADIT_OK;
}

static struct timer take_timer(size_t i)
{
	struct timer t = timers[i];

	memmove(&timers[i], &timers[i + 1], (--timer_count - i) * sizeof(t));
	return t;
}

static void timer_cancel(struct adit_host *host, uint64_t id)
{
	(void)host;
	for (size_t i = 0; i < timer_count; i++) {
		if (timers[i].id != id)
			continue;
		(void)take_timer(i);
		return;
	}
	abort();
}

static int32_t serve(void *server, uint8_t protocol, const void *handlers, void *context)
{
	(void)server;
	(void)protocol;
	(void)handlers;
	(void)context;
	served++;
	return ADIT_OK;
}

static void set_open(void *server, uint8_t protocol, bool open)
{
	(void)server;
	(void)protocol;
	require(open);
}

static const void *service_find(struct adit_host *host, const char *name)
{
	static const struct adit_sv2_server_service service = {
	    .size = sizeof(service), .version = 1, .serve = serve, .set_open = set_open};

	(void)host;
	(void)name;
	return &service;
}

static const struct adit_host_api api = {
    .magic = ADIT_HOST_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(api),
    .info = info,
    .log = say,
    .log_enabled = log_enabled,
    .config = config,
    .config_int = config_int,
    .set_error = say_text,
    .subscribe = subscribe,
    .call = call,
    .call_cancel = call_cancel,
    .register_method = register_method,
    .timer_add = timer_add,
    .timer_cancel = timer_cancel,
    .service_find = service_find,
    .status = say_text,
};

/* --- for the target -----------------------------------------------------------------------------
 */

static void clean_up(void)
{
	char lock[80];

	snprintf(lock, sizeof(lock), "%s.lock", key_path);
	(void)unlink(lock);
	(void)unlink(key_path);
	(void)rmdir(directory);
}

struct jds *jds_host_start(void)
{
	void *instance;

	require(mkdtemp(directory) != NULL);
	snprintf(key_path, sizeof(key_path), "%s/token.key", directory);
	(void)atexit(clean_up);
	require(adit_plugin.init(&api, NULL, &instance) == ADIT_OK);
	require(adit_plugin.start(instance) == ADIT_OK && served == 1);
	return instance;
}

size_t jds_host_calls(void)
{
	return call_count;
}

const struct jds_call *jds_host_call(size_t index)
{
	return &calls[index];
}

void jds_host_answer(size_t index, int32_t error, const char *json, const void *attachment,
		     size_t attachment_size)
{
	struct jds_call c = take_call(index);
	struct adit_reply reply = {.size = sizeof(reply),
				   .error = error,
				   .message = error == ADIT_OK ? "" : "the node says no",
				   .json = json,
				   .json_size = strlen(json),
				   .attachment = attachment,
				   .attachment_size = attachment_size};

	c.fn(c.user, &reply);
	if (c.destroy != NULL)
		c.destroy(c.user);
	free(c.attachment);
}

bool jds_host_fire(size_t index)
{
	struct timer t;

	if (index >= timer_count)
		return false;
	t = take_timer(index);
	t.fn(t.user);
	return true;
}

void jds_host_new_block(void)
{
	struct adit_event event = {
	    .size = sizeof(event), .type = "NewBlock", .json = "{}", .json_size = 2};

	event_fn(event_user, &event);
}
