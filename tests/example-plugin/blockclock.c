/* SPDX-License-Identifier: MIT */
/*
 * blockclock.c: a plugin for adit, the example of adit-plugin(7). It
 * looks at the time between blocks, and publishes the event BlockLate
 * when one takes longer than the key `late_after` says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <adit/plugin.h>

struct blockclock {
	const struct adit_host_api *api;
	struct adit_host *host;
	int64_t late_after_ms;
	uint64_t last_block_ms; /* on the monotonic clock */
	int64_t height;         /* -1: not known yet */
	uint64_t timer;
	unsigned late; /* events published since the last block */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 +
	       (uint64_t)t.tv_nsec / 1000000;
}

/* The number behind "KEY": in a JSON object as the host's own roles
 * write it; -1 when there is none. A plugin with more to read links a
 * JSON library. */
static int64_t json_number(const char *json, size_t size,
			   const char *key)
{
	char text[4096];
	char wanted[64];
	const char *at;

	if (size >= sizeof(text))
		return -1;
	memcpy(text, json, size); /* it need not end in a NUL */
	text[size] = '\0';
	snprintf(wanted, sizeof(wanted), "\"%s\":", key);
	at = strstr(text, wanted);
	return at != NULL ? strtoll(at + strlen(wanted), NULL, 10) : -1;
}

static void say(const struct blockclock *p, int32_t level,
		const char *text)
{
	p->api->log(p->host, level, text, strlen(text));
}

/* --- late blocks --- */

static void on_late(void *user)
{
	struct blockclock *p = user;
	char json[96];

	p->late++;
	if (!p->api->event_wanted(p->host, "BlockLate"))
		return; /* nobody is subscribed: build nothing */
	snprintf(json, sizeof(json),
		 "{\"height\":%lld,\"age_ms\":%llu}",
		 (long long)p->height,
		 (unsigned long long)(now_ms() - p->last_block_ms));
	p->api->publish(p->host, "BlockLate", json, strlen(json), NULL,
			0);
}

/* A block came at this moment: the clock starts anew. */
static int32_t wind(struct blockclock *p)
{
	p->last_block_ms = now_ms();
	p->late = 0;
	/* A number that is not in use is ignored. */
	p->api->timer_cancel(p->host, p->timer);
	return p->api->timer_add(p->host, (uint32_t)p->late_after_ms,
				 (uint32_t)p->late_after_ms, on_late, p,
				 NULL, &p->timer);
}

static void on_new_block(void *user, const struct adit_event *event)
{
	struct blockclock *p = user;

	p->height =
	    json_number(event->json, event->json_size, "height");
	if (event->lost > 0)
		say(p, ADIT_LOG_WARNING, "some blocks were missed");
	if (wind(p) != ADIT_OK)
		p->api->fail(p->host, "no timer");
}

/* --- calls --- */

/* What the node answered to `get_status`. */
static void on_node_status(void *user, const struct adit_reply *reply)
{
	struct blockclock *p = user;

	if (reply->error != ADIT_OK)
		say(p, ADIT_LOG_WARNING, reply->message);
	else if (p->height < 0)
		p->height = json_number(reply->json, reply->json_size,
					"height");
}

static void answer(const struct blockclock *p,
		   struct adit_request *request, const char *json)
{
	p->api->reply(p->host, request, ADIT_OK, NULL, json,
		      strlen(json), NULL, 0);
}

static void on_status(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	const struct blockclock *p = user;
	char json[128];

	(void)info;
	snprintf(json, sizeof(json),
		 "{\"height\":%lld,\"age_ms\":%llu,\"late\":%s}",
		 (long long)p->height,
		 (unsigned long long)(now_ms() - p->last_block_ms),
		 p->late > 0 ? "true" : "false");
	answer(p, request, json);
}

static void on_wind(void *user, struct adit_request *request,
		    const struct adit_request_info *info)
{
	struct blockclock *p = user;
	int32_t error = wind(p);

	(void)info;
	if (error == ADIT_OK)
		answer(p, request, "{}");
	else
		p->api->reply(p->host, request, error,
			      "the timer could not be set", NULL, 0,
			      NULL, 0);
}

/* --- life --- */

static int32_t blockclock_init(const struct adit_host_api *api,
			       struct adit_host *host, void **instance)
{
	struct blockclock *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ADIT_E_NO_MEMORY;
	p->api = api;
	p->host = host;
	p->height = -1;
	/* Checked, and with the default filled in. */
	api->config_int(host, "late_after", &p->late_after_ms);
	*instance = p;
	return ADIT_OK;
}

static int32_t blockclock_start(void *instance)
{
	struct blockclock *p = instance;
	const struct adit_host_api *api = p->api;
	int32_t error = api->register_method(
	    p->host, "status", ADIT_METHOD_ALL, on_status, p, NULL);

	if (error == ADIT_OK)
		error = api->register_method(
		    p->host, "wind", ADIT_METHOD_ANY, on_wind, p, NULL);
	if (error == ADIT_OK)
		error = api->subscribe(p->host, "NewBlock",
				       on_new_block, p, NULL, NULL);
	if (error == ADIT_OK)
		error = wind(p);
	if (error == ADIT_OK)
		error = api->call(p->host, "node", "get_status", "{}",
				  2, NULL, 0, 5000, on_node_status, p,
				  NULL, NULL);
	if (error == ADIT_E_PERMISSION_DENIED)
		api->set_error(p->host,
			       "a capability of blockclock.manifest "
			       "was not granted");
	return error;
}

static int32_t blockclock_reload(void *instance)
{
	struct blockclock *p = instance;

	p->api->config_int(p->host, "late_after", &p->late_after_ms);
	return wind(p);
}

static int32_t blockclock_stop(void *instance)
{
	(void)instance; /* nothing to wait for */
	return ADIT_OK;
}

static void blockclock_fini(void *instance)
{
	free(instance);
}

const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "blockclock",
    .version = "1.0",
    .init = blockclock_init,
    .start = blockclock_start,
    .reload = blockclock_reload,
    .stop = blockclock_stop,
    .fini = blockclock_fini,
};
