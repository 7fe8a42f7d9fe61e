/* SPDX-License-Identifier: MIT */
/* rest_impl.h: what the parts of the REST client share. */
#ifndef MININGOS_REST_IMPL_H
#define MININGOS_REST_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/miningos/rest.h"

struct event;
struct event_base;
struct http_client;
struct oauth;
struct rest_endpoint;

struct rest {
	struct event_base *base;
	struct http_client *http;
	struct oauth *oauth;
	struct rest_owner owner;
	uint32_t timeout_ms;
	size_t max_bytes;
	struct rest_call *calls; /* newest first */
	size_t count;
	struct rest_pages *pages;
	bool stopped;
	struct event *wake; /* what waits is looked at in the next turn of the loop */

	/* rest_register() */
	const struct adit_host_api *api;
	struct adit_host *host;
	struct rest_pending *pending;
};

/* rest_pages.c: ends all without a callback. */
void rest_pages_end(struct rest *r);
/* rest_methods.c: answers all requests that are open. */
void rest_methods_end(struct rest *r);

#endif
