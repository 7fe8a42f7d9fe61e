/* SPDX-License-Identifier: MIT */
/*
 * abi_beggar.c: a plugin that tries everything for which a capability is needed, starts whatever
 * the answers are, and says them in its state line: "publish=permission-denied subscribe=ok ...".
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/plugin.h>

#define BEGGAR_CALLS 4

static const struct {
	const char *label;
	const char *target;
	const char *method;
	const char *json;
} beggar_calls[BEGGAR_CALLS] = {
    {"call", "nobody", "anything", "{}"},
    {"read", "node", "get_chain_tip", "{}"},
    {"submit", "node", "submit_block", "{}"},
    {"send", "node", "send_transaction", "{}"},
};

struct beggar;

struct beggar_call {
	struct beggar *p;
	size_t index;
};

struct beggar {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct beggar_call calls[BEGGAR_CALLS];
	const char *answers[BEGGAR_CALLS];
	size_t answered;
	char line[240];
};

static void beggar_say(struct beggar *p, const char *what, const char *answer)
{
	size_t used = strlen(p->line);

	(void)snprintf(p->line + used, sizeof(p->line) - used, "%s%s=%s", used > 0 ? " " : "", what,
		       answer);
	p->api->status(p->host, p->line);
}

static void beggar_on_reply(void *user, const struct adit_reply *reply)
{
	struct beggar_call *call = user;
	struct beggar *p = call->p;
	char text[1200];

	(void)snprintf(text, sizeof(text), "%s: %s", beggar_calls[call->index].label,
		       reply->message);
	p->api->log(p->host, ADIT_LOG_INFO, text, strlen(text));
	p->answers[call->index] = adit_error_name(reply->error);
	p->answered++;
	for (size_t i = 0; p->answered == BEGGAR_CALLS && i < BEGGAR_CALLS; i++)
		beggar_say(p, beggar_calls[i].label, p->answers[i]);
}

static void beggar_on_event(void *user, const struct adit_event *event)
{
	(void)user;
	(void)event;
}

static void beggar_on_method(void *user, struct adit_request *request,
			     const struct adit_request_info *info)
{
	struct beggar *p = user;

	(void)info;
	p->api->reply(p->host, request, ADIT_OK, NULL, "{}", 2, NULL, 0);
}

static int32_t beggar_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct beggar *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ADIT_E_NO_MEMORY;
	p->api = api;
	p->host = host;
	*instance = p;
	return ADIT_OK;
}

static int32_t beggar_start(void *instance)
{
	struct beggar *p = instance;
	const struct adit_host_api *api = p->api;

	beggar_say(p, "subscribe",
		   adit_error_name(
		       api->subscribe(p->host, "BeggarAsked", beggar_on_event, p, NULL, NULL)));
	beggar_say(p, "publish",
		   adit_error_name(api->publish(p->host, "BeggarAsked", "{}", 2, NULL, 0)));
	beggar_say(p, "core", adit_error_name(api->publish(p->host, "NewBlock", "{}", 2, NULL, 0)));
	beggar_say(p, "register",
		   adit_error_name(api->register_method(p->host, "status", ADIT_METHOD_ALL,
							beggar_on_method, p, NULL)));
	for (size_t i = 0; i < BEGGAR_CALLS; i++) {
		int32_t error;

		p->calls[i] = (struct beggar_call){p, i};
		error = api->call(p->host, beggar_calls[i].target, beggar_calls[i].method,
				  beggar_calls[i].json, strlen(beggar_calls[i].json), NULL, 0,
				  10000, beggar_on_reply, &p->calls[i], NULL, NULL);
		if (error != ADIT_OK)
			return error;
	}
	return ADIT_OK;
}

static int32_t beggar_stop(void *instance)
{
	(void)instance;
	return ADIT_OK;
}

static void beggar_fini(void *instance)
{
	free(instance);
}

const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = 0,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "abi-beggar",
    .version = "1.0",
    .init = beggar_init,
    .start = beggar_start,
    .stop = beggar_stop,
    .fini = beggar_fini,
};
