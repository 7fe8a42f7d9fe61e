/* SPDX-License-Identifier: MIT */
/* clients.h: the service sv2.client/1: clients that other plugins of the process have created. */
#ifndef SV2_SERVER_CLIENTS_H
#define SV2_SERVER_CLIENTS_H

#include <stdint.h>
#include <sys/queue.h>

#include <adit/sv2.h>

struct instance;
struct sv2_tracer;

TAILQ_HEAD(client_list, adit_sv2_client);

struct clients {
	struct instance *in;
	struct adit_sv2_client_service service;
	struct client_list list;
	uint32_t count;
};

void clients_init(struct clients *all, struct instance *in);
/* Those that their plugins have not freed. */
void clients_free_all(struct clients *all);
/* As sv2_server_trace(), for every client. */
uint32_t clients_trace(struct clients *all, uint32_t id, const struct sv2_tracer *tracer);

#endif
