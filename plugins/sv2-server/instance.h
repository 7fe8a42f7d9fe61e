/* SPDX-License-Identifier: MIT */
/* instance.h: one instance of the role sv2-server. */
#ifndef SV2_SERVER_INSTANCE_H
#define SV2_SERVER_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/noise/keys.h"
#include "lib/sv2/server.h"
#include "lib/sv2/workers.h"
#include "plugins/sv2-server/clients.h"
#include "plugins/sv2-server/settings.h"
#include "plugins/sv2-server/trace.h"

struct instance {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct settings settings;
	struct sv2_server *server;   /* from start to fini; NULL without listeners */
	struct sv2_workers *workers; /* as long as the server */
	struct adit_sv2_server_service service;
	struct clients clients; /* service sv2.client/1 */
	struct trace trace;
	char public_text[NOISE_KEY_TEXT_SIZE];
	uint32_t certificate_from; /* Unix seconds; 0: it is renewed here */
	uint32_t certificate_until;
	uint64_t expiry_timer;
	uint64_t drain_timer;
	uint32_t drain_turns; /* that are left */
};

#endif
