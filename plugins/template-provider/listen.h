/* SPDX-License-Identifier: MIT */
/* listen.h: the two servers: on Unix sockets for the clients of this machine, which speak without
 * encryption; on TCP with Noise for those of others. They have their own limits, so that nobody
 * from outside takes the place of the pool inside. */
#ifndef TP_LISTEN_H
#define TP_LISTEN_H

#include <json-c/json.h>

#include <adit/sv2.h>

#include "lib/sv2/keys.h"
#include "lib/sv2/server.h"
#include "plugins/template-provider/host.h"
#include "plugins/template-provider/provider.h"

#define TP_LISTEN_SIZE 4096

struct tp_settings {
	char listen[TP_LISTEN_SIZE];
	uint32_t max_clients;             /* of each server */
	struct sv2_key_files keys;        /* the rest is for other machines: */
	struct sv2_server_options remote; /* without keys */
	struct tp_limits limits;
};

/* ADIT_E_CONFIG with E filled. */
int32_t tp_settings_read(struct tp_settings *s, const struct tp_host *h, struct error *e);

/* Zero-initialise. */
struct tp_listen {
	const struct tp_host *host;
	struct tp_settings settings;
	struct sv2_server *local;  /* NULL: no Unix socket is configured */
	struct sv2_server *remote; /* NULL: no TCP address is */
	char public_text[NOISE_KEY_TEXT_SIZE];
	uint32_t certificate_from; /* Unix seconds; 0: it is renewed here */
	uint32_t certificate_until;
};

/* Opens both on what the host listens at, with HANDLERS, whose context is LOCAL or REMOTE. E tells
 * what can't be used. LOG is given to the servers with LOG_USER. */
int32_t tp_listen_open(struct tp_listen *l, const struct tp_host *h,
		       const struct adit_sv2_template_server_handlers *handlers, void *local,
		       void *remote, sv2_log_fn log, void *log_user, struct error *e);
/* Takes over S, and what the key files hold now, for connections to come. ADIT_E_UNSUPPORTED: the
 * role has to be started again. */
int32_t tp_listen_configure(struct tp_listen *l, const struct tp_settings *s, struct error *e);
/* Closes all; `closed` is called for each client. */
void tp_listen_close(struct tp_listen *l);

/* For `status`: what goes on at the TCP addresses; NULL when there are none. */
struct json_object *tp_listen_json(const struct tp_listen *l);

#endif
