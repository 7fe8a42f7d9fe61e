/* SPDX-License-Identifier: MIT */
/*
 * abi_descriptor.c: a plugin whose descriptor can be spoilt when it is compiled: by -D of one of
 * the macros below. Without any it is a good plugin that answers `status` and does nothing else.
 * -DABI_ROLE is the name that its manifest has.
 */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include <adit/plugin.h>

#ifdef ABI_NUMBER /* `adit_plugin` is there, but nothing more than a number */
#define ABI_SYMBOL "another_symbol"
ADIT_EXPORT extern const uint32_t abi_number __asm__("adit_plugin");
const uint32_t abi_number = ADIT_PLUGIN_MAGIC;
#endif
#ifndef ABI_SYMBOL
#define ABI_SYMBOL "adit_plugin"
#endif
#ifndef ABI_MAGIC
#define ABI_MAGIC ADIT_PLUGIN_MAGIC
#endif
#ifndef ABI_MAJOR
#define ABI_MAJOR ADIT_ABI_MAJOR
#endif
#ifndef ABI_MINOR
#define ABI_MINOR ADIT_ABI_MINOR
#endif
#ifndef ABI_SIZE
#define ABI_SIZE sizeof(struct abi_descriptor)
#endif
#ifndef ABI_NAME
#define ABI_NAME ABI_ROLE /* the name in its manifest */
#endif
#ifndef ABI_STOP
#define ABI_STOP abi_stop
#endif

struct abi_plugin {
	const struct adit_host_api *api;
	struct adit_host *host;
};

static struct abi_plugin abi_instance; /* one instance a process is enough here */

#ifdef ABI_UNDEFINED /* a function that nobody has */
int32_t abi_nowhere(void);
#endif

static int32_t abi_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	abi_instance = (struct abi_plugin){api, host};
	*instance = &abi_instance;
#ifdef ABI_UNDEFINED
	return abi_nowhere();
#else
	return ADIT_OK;
#endif
}

static void abi_status(void *user, struct adit_request *request,
		       const struct adit_request_info *info)
{
	const struct abi_plugin *p = user;
	static const char answer[] = "{\"good\":true}";

	(void)info;
	p->api->reply(p->host, request, ADIT_OK, NULL, answer, strlen(answer), NULL, 0);
}

static int32_t abi_start(void *instance)
{
	const struct abi_plugin *p = instance;

	return p->api->register_method(p->host, "status", ADIT_METHOD_ALL, abi_status, instance,
				       NULL);
}

int32_t abi_stop(void *instance);

int32_t abi_stop(void *instance)
{
	(void)instance;
	return ADIT_OK;
}

static void abi_fini(void *instance)
{
	(void)instance;
}

struct abi_descriptor {
	struct adit_plugin_descriptor known;
#ifdef ABI_LONGER /* fields of a later header, which this host does not know */
	void (*later)(void *instance);
	uint64_t more;
#endif
};

ADIT_EXPORT extern const struct abi_descriptor abi_descriptor __asm__(ABI_SYMBOL);
const struct abi_descriptor abi_descriptor = {
    .known =
	{
	    .magic = ABI_MAGIC,
	    .abi_major = ABI_MAJOR,
	    .abi_minor = ABI_MINOR,
	    .size = (uint32_t)(ABI_SIZE),
	    .name = ABI_NAME,
	    .version = "1.0",
	    .init = abi_init,
	    .start = abi_start,
	    .stop = ABI_STOP,
	    .fini = abi_fini,
	},
};
