/* SPDX-License-Identifier: MIT */
/*
 * dispatch.h: from a decoded message to the handler of an application's table. The six tables are
 * generated (adit/sv2_messages.h); each call goes through the handler's own type.
 */
#ifndef SV2_DISPATCH_H
#define SV2_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/sv2/codec.h"
#include "lib/sv2/conn.h"

/* The part that all tables of a side begin with. */
struct sv2_server_callbacks {
	uint32_t size;
	ADIT_SV2_SERVER_CALLBACKS
};

struct sv2_client_callbacks {
	uint32_t size;
	ADIT_SV2_CLIENT_CALLBACKS
};

struct sv2_server_callbacks
sv2_callbacks_mining_server(const struct adit_sv2_mining_server_handlers *h);
struct sv2_server_callbacks
sv2_callbacks_job_declaration_server(const struct adit_sv2_job_declaration_server_handlers *h);
struct sv2_server_callbacks
sv2_callbacks_template_server(const struct adit_sv2_template_server_handlers *h);
struct sv2_client_callbacks
sv2_callbacks_mining_client(const struct adit_sv2_mining_client_handlers *h);
struct sv2_client_callbacks
sv2_callbacks_job_declaration_client(const struct adit_sv2_job_declaration_client_handlers *h);
struct sv2_client_callbacks
sv2_callbacks_template_client(const struct adit_sv2_template_client_handlers *h);

/* Calls the handler of MESSAGE in TABLE, which is the table of SCOPE and SIDE. Returns what the
 * handler returned; *HANDLED is false, and the result ADIT_E_PROTOCOL, when there is none. */
int32_t sv2_dispatch(enum sv2_scope scope, enum sv2_side side, const void *table, void *context,
		     struct adit_sv2_conn *conn, int32_t message, const void *body, bool *handled);

#endif
