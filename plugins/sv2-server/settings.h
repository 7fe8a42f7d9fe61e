/* SPDX-License-Identifier: MIT */
/* settings.h: the configuration of the role sv2-server and its authority key. */
#ifndef SV2_SERVER_SETTINGS_H
#define SV2_SERVER_SETTINGS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/noise/keys.h"
#include "lib/sv2/server.h"

#define LISTEN_SIZE 4096

struct settings {
	bool listens; /* `listen` names an address */
	char listen[LISTEN_SIZE];
	char key_path[PATH_MAX];
	char public_path[PATH_MAX];
	char static_path[PATH_MAX];        /* "": the authority's secret is here */
	char certificate_path[PATH_MAX];   /* of an authority elsewhere */
	struct sv2_server_options options; /* without key and callbacks */
};

/* Reads the configuration; E says what can't be used. */
int32_t settings_read(struct settings *s, const struct adit_host_api *api, struct adit_host *host,
		      struct error *e);

/* Loads the authority's secret, making it at the first start, and leaves the public key beside it.
 */
int32_t settings_authority(const struct settings *s, uint8_t secret[32],
			   char public_text[NOISE_KEY_TEXT_SIZE], struct error *e);

/* Instead of that, with `static_key` and `certificate`: the identity that an authority elsewhere
 * has signed. */
int32_t settings_identity(const struct settings *s, struct noise_identity *id,
			  char public_text[NOISE_KEY_TEXT_SIZE], struct error *e);

#endif
