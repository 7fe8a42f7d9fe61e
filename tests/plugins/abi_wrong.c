/* SPDX-License-Identifier: MIT */
/*
 * abi_wrong.c: a plugin with a good descriptor that does one wrong thing, the one that its key
 * `how` names: it fails, crashes in one of its callbacks, or does not come to an end. What happens
 * while it runs happens once: the file `once` in the state directory says that it was done, and the
 * restarted plugin then behaves well.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <adit/plugin.h>

struct wrong {
	const struct adit_host_api *api;
	struct adit_host *host;
	char how[32];
	bool done; /* in an earlier life */
	int pipe[2];
	uint64_t timer;
};

#if defined(__clang__)
#define WRONG_UNCHECKED __attribute__((noinline, no_sanitize("address", "undefined")))
#else
#define WRONG_UNCHECKED __attribute__((noinline, no_sanitize_address, no_sanitize_undefined))
#endif

static int *volatile wrong_nothing;

/* A write to where nothing is: a real fault, not a raised signal. */
WRONG_UNCHECKED static void wrong_crash(void)
{
	*wrong_nothing = 1;
}

static bool wrong_is(const struct wrong *p, const char *how)
{
	return !p->done && strcmp(p->how, how) == 0;
}

static void wrong_crash_if(const struct wrong *p, const char *how)
{
	if (wrong_is(p, how))
		wrong_crash();
}

/* Whether this is the first life; from now on it is not. */
static bool wrong_first_life(const struct wrong *p)
{
	struct adit_instance_info info = {.size = sizeof(info)};
	char path[4096];
	int fd;

	(void)p->api->info(p->host, &info);
	(void)snprintf(path, sizeof(path), "%s/once", info.state_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static int32_t wrong_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct wrong *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ADIT_E_NO_MEMORY;
	p->api = api;
	p->host = host;
	(void)snprintf(p->how, sizeof(p->how), "%s", api->config(host, "how"));
	p->pipe[0] = p->pipe[1] = -1;
	p->done = !wrong_first_life(p);
	*instance = p;
	wrong_crash_if(p, "crash-init");
	/* a start that is refused is refused each time */
	if (strcmp(p->how, "fail-init") == 0 || strcmp(p->how, "config-init") == 0) {
		bool config = p->how[0] == 'c';

		api->set_error(host, config ? "how: can't be `config-init`; say `nothing`"
					    : "the thing it needs is not there; put it there");
		free(p);
		return config ? ADIT_E_CONFIG : ADIT_E_IO;
	}
	if (strcmp(p->how, "silent-init") == 0) { /* without a text */
		free(p);
		return ADIT_E_NOT_FOUND;
	}
	return ADIT_OK;
}

/* --- callbacks ----------------------------------------------------------------------------------
 */

static void wrong_event(void *user, const struct adit_event *event)
{
	(void)event;
	wrong_crash_if(user, "crash-event");
}

static void wrong_reply(void *user, const struct adit_reply *reply)
{
	(void)reply;
	wrong_crash_if(user, "crash-reply");
}

static void wrong_io(void *user, int32_t fd, uint32_t flags)
{
	char byte;

	(void)flags;
	wrong_crash_if(user, "crash-io");
	if (read(fd, &byte, 1) < 0)
		return;
}

static void wrong_destroy(void *user)
{
	wrong_crash_if(user, "crash-destroy");
}

static void wrong_status(void *user, struct adit_request *request,
			 const struct adit_request_info *info)
{
	const struct wrong *p = user;
	char answer[64];

	(void)info;
	(void)snprintf(answer, sizeof(answer), "{\"how\":\"%s\"}", p->how);
	p->api->reply(p->host, request, ADIT_OK, NULL, answer, strlen(answer), NULL, 0);
}

static void wrong_method(void *user, struct adit_request *request,
			 const struct adit_request_info *info)
{
	const struct wrong *p = user;

	wrong_crash_if(p, "crash-method");
	p->api->reply(p->host, request, ADIT_OK, NULL, info->json, info->json_size, NULL, 0);
}

/* Makes each callback happen. */
static void wrong_timer(void *user)
{
	const struct wrong *p = user;
	struct adit_instance_info info = {.size = sizeof(info)};

	wrong_crash_if(p, "crash-timer");
	(void)p->api->info(p->host, &info);
	if (wrong_is(p, "fail"))
		p->api->fail(p->host, "the thing it works on has gone; bring it back");
	(void)p->api->publish(p->host, "AbiWrong", "{}", 2, NULL, 0);
	(void)p->api->call(p->host, info.instance, "echo", "{}", 2, NULL, 0, 5000, wrong_reply,
			   user, NULL, NULL);
	if (write(p->pipe[1], "!", 1) != 1)
		return;
	p->api->timer_cancel(p->host, p->timer); /* one with a destructor */
}

/* --- life ---------------------------------------------------------------------------------------
 */

static int32_t wrong_start(void *instance)
{
	struct wrong *p = instance;
	const struct adit_host_api *api = p->api;
	int32_t error;

	wrong_crash_if(p, "crash-start");
	if (strcmp(p->how, "fail-start") == 0) {
		api->set_error(p->host, "the other side does not answer; see whether it runs");
		return ADIT_E_UNAVAILABLE;
	}
	if (pipe2(p->pipe, O_NONBLOCK | O_CLOEXEC) != 0)
		return ADIT_E_IO;
	error = api->register_method(p->host, "status", ADIT_METHOD_ALL, wrong_status, p, NULL);
	if (error == ADIT_OK)
		error =
		    api->register_method(p->host, "echo", ADIT_METHOD_ANY, wrong_method, p, NULL);
	if (error == ADIT_OK)
		error = api->subscribe(p->host, "AbiWrong", wrong_event, p, NULL, NULL);
	if (error == ADIT_OK)
		error = api->io_watch(p->host, p->pipe[0], ADIT_IO_READ, wrong_io, p, NULL, NULL);
	if (error == ADIT_OK)
		error =
		    api->timer_add(p->host, 3600000, 0, wrong_timer, p, wrong_destroy, &p->timer);
	if (error == ADIT_OK)
		error = api->timer_add(p->host, 100, 0, wrong_timer, p, NULL, NULL);
	return error;
}

static int32_t wrong_reload(void *instance)
{
	const struct wrong *p = instance;

	if (strcmp(p->how, "crash-reload") == 0)
		wrong_crash();
	return ADIT_OK;
}

static int32_t wrong_stop(void *instance)
{
	const struct wrong *p = instance;

	if (strcmp(p->how, "crash-stop") == 0)
		wrong_crash();
	if (strcmp(p->how, "never-stopped") == 0)
		return ADIT_E_UNAVAILABLE; /* and never a call of stopped() */
	while (strcmp(p->how, "hang-stop") == 0)
		(void)usleep(1000);
	return ADIT_OK;
}

static void wrong_fini(void *instance)
{
	struct wrong *p = instance;

	if (strcmp(p->how, "crash-fini") == 0)
		wrong_crash();
	if (p->pipe[0] >= 0) {
		(void)close(p->pipe[0]);
		(void)close(p->pipe[1]);
	}
	free(p);
}

static int32_t wrong_drain(void *instance)
{
	const struct wrong *p = instance;

	if (strcmp(p->how, "crash-drain") == 0)
		wrong_crash();
	if (strcmp(p->how, "never-drained") == 0)
		return ADIT_E_UNAVAILABLE; /* and never a call of stopped() */
	return ADIT_OK;
}

const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "abi-wrong",
    .version = "1.0",
    .init = wrong_init,
    .start = wrong_start,
    .reload = wrong_reload,
    .stop = wrong_stop,
    .fini = wrong_fini,
    .drain = wrong_drain,
};
