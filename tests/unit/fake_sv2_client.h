/* SPDX-License-Identifier: MIT */
/*
 * fake_sv2_client.h: the service "sv2.client/1" without sockets. The test plays the servers: it
 * decides what becomes of each attempt, calls the handlers, and looks at what was sent.
 */
#ifndef FAKE_SV2_CLIENT_H
#define FAKE_SV2_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "tests/unit/fake_sv2.h"

#define FAKE_CLIENTS_MAX 256

/* A client that was created. It stays readable after it was freed. */
struct adit_sv2_client {
	uint8_t protocol;
	const void *handlers;
	void *context;
	uint32_t flags;
	char address[512];
	char authority[128];
	bool freed;
	struct fake_conn *conn; /* while connected */
	struct fake_conn *last; /* the last one; owned */
};

struct fake_clients {
	struct adit_sv2_client_service service;
	struct adit_sv2_client *items[FAKE_CLIENTS_MAX]; /* in the order of their creation */
	size_t count;
	uint32_t grants; /* extensions that servers support */
	int32_t verdict; /* of create() */
};

void fake_clients_init(struct fake_clients *f);
/* Everything; clients have to be freed before by whoever created them. */
void fake_clients_fini(struct fake_clients *f);
/* The last client of PROTOCOL to ADDRESS (NULL: any) that lives; NULL: there is none. */
struct adit_sv2_client *fake_client_find(struct fake_clients *f, uint8_t protocol,
					 const char *address);
/* How many live. */
size_t fake_clients_live(const struct fake_clients *f);
/* The attempt succeeds: SetupConnection.Success with FLAGS. */
struct fake_conn *fake_client_open(struct fake_clients *f, struct adit_sv2_client *c,
				   uint32_t flags);
/* The attempt fails, or the connection ends. */
void fake_client_close(struct adit_sv2_client *c, const char *reason);

#endif
