/* SPDX-License-Identifier: MIT */
/* settings.h: the configuration of the role sv2-server. */
#ifndef SV2_SERVER_SETTINGS_H
#define SV2_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/sv2/keys.h"
#include "lib/sv2/server.h"

#define LISTEN_SIZE 4096

struct settings {
	bool listens; /* `listen` names an address */
	char listen[LISTEN_SIZE];
	struct sv2_key_files keys;
	struct sv2_server_options options; /* without key and callbacks */
};

/* Reads the configuration; E says what can't be used. */
int32_t settings_read(struct settings *s, const struct adit_host_api *api, struct adit_host *host,
		      struct error *e);

#endif
