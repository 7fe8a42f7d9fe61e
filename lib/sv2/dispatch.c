/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/dispatch.h"

#include <stddef.h>

typedef int32_t (*call_fn)(const void *table, void *context, struct adit_sv2_conn *conn,
			   const void *body, bool *handled);

/* True when the table that PTR points to is large enough to hold FIELD: it may come from a plugin
 * that was built with an older header. */
#define COVERS(ptr, field)                                                                         \
	((ptr)->size >= offsetof(__typeof__(*(ptr)), field) + sizeof((ptr)->field))

/* clang-format off */

/* call_KIND_MESSAGE(): calls a handler of a struct adit_sv2_KIND_handlers. */
#define CALL(kind, s) \
	static int32_t call_##kind##_##s(const void *table, void *context, struct adit_sv2_conn *conn, \
	                                 const void *body, bool *handled) \
	{ \
		const struct adit_sv2_##kind##_handlers *t = table; \
		*handled = COVERS(t, s) && t->s != NULL; \
		return *handled ? t->s(context, conn, body) : ADIT_E_PROTOCOL; \
	}

/* Which tables a message appears in, by protocol and direction. */
#define TABLES_COMMON_C2S(DO, constant, s)
#define TABLES_COMMON_S2C(DO, constant, s)
#define TABLES_MINING_C2S(DO, constant, s) DO(mining_server, constant, s)
#define TABLES_MINING_S2C(DO, constant, s) DO(mining_client, constant, s)
#define TABLES_MINING_BOTH(DO, constant, s) \
	DO(mining_server, constant, s) DO(mining_client, constant, s)
#define TABLES_JOB_DECLARATION_C2S(DO, constant, s) DO(job_declaration_server, constant, s)
#define TABLES_JOB_DECLARATION_S2C(DO, constant, s) DO(job_declaration_client, constant, s)
#define TABLES_TEMPLATE_C2S(DO, constant, s) DO(template_server, constant, s)
#define TABLES_TEMPLATE_S2C(DO, constant, s) DO(template_client, constant, s)
/* The negotiation of extensions is not the application's business. */
#define TABLES_EXTENSIONS_C2S(DO, constant, s)
#define TABLES_EXTENSIONS_S2C(DO, constant, s)

#define DEFINE(kind, constant, s) CALL(kind, s)
#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	TABLES_##scope##_##direction(DEFINE, constant, s)
#include "lib/sv2/messages.def"
CALL(mining_client, reconnect)
CALL(mining_client, channel_endpoint_changed)
CALL(job_declaration_client, reconnect)
CALL(job_declaration_client, channel_endpoint_changed)
CALL(template_client, reconnect)
CALL(template_client, channel_endpoint_changed)

enum table_kind {
	mining_server, mining_client,
	job_declaration_server, job_declaration_client,
	template_server, template_client,
	table_kinds
};

static const call_fn calls[table_kinds][ADIT_SV2_MESSAGE_COUNT] = {
#define ENTRY(kind, constant, s) [kind][ADIT_SV2_##constant] = call_##kind##_##s,
#define MESSAGE(constant, s, title, extension, type, channel_msg, scope, direction, max, section, help) \
	TABLES_##scope##_##direction(ENTRY, constant, s)
#include "lib/sv2/messages.def"
	ENTRY(mining_client, RECONNECT, reconnect)
	ENTRY(mining_client, CHANNEL_ENDPOINT_CHANGED, channel_endpoint_changed)
	ENTRY(job_declaration_client, RECONNECT, reconnect)
	ENTRY(job_declaration_client, CHANNEL_ENDPOINT_CHANGED, channel_endpoint_changed)
	ENTRY(template_client, RECONNECT, reconnect)
	ENTRY(template_client, CHANNEL_ENDPOINT_CHANGED, channel_endpoint_changed)
};
/* clang-format on */

static enum table_kind table_of(enum sv2_scope scope, enum sv2_side side)
{
	bool server = side == SV2_SERVER;

	if (scope == SV2_SCOPE_MINING)
		return server ? mining_server : mining_client;
	if (scope == SV2_SCOPE_JOB_DECLARATION)
		return server ? job_declaration_server : job_declaration_client;
	return server ? template_server : template_client;
}

int32_t sv2_dispatch(enum sv2_scope scope, enum sv2_side side, const void *table, void *context,
		     struct adit_sv2_conn *conn, int32_t message, const void *body, bool *handled)
{
	call_fn call = calls[table_of(scope, side)][message];

	*handled = false;
	return call != NULL ? call(table, context, conn, body, handled) : ADIT_E_PROTOCOL;
}

#define SERVER_CALLBACKS(h)                                                                        \
	(struct sv2_server_callbacks)                                                              \
	{                                                                                          \
		.size = (h)->size, .supported_flags = (h)->supported_flags,                        \
		.supported_extensions = (h)->supported_extensions,                                 \
		.required_extensions = (h)->required_extensions, .setup = (h)->setup,              \
		.opened = (h)->opened, .closed = (h)->closed, .batch_end = (h)->batch_end          \
	}

#define CLIENT_CALLBACKS(h)                                                                        \
	(struct sv2_client_callbacks)                                                              \
	{                                                                                          \
		.size = (h)->size, .wanted_extensions = (h)->wanted_extensions,                    \
		.required_extensions = (h)->required_extensions, .opened = (h)->opened,            \
		.closed = (h)->closed, .batch_end = (h)->batch_end                                 \
	}

struct sv2_server_callbacks
sv2_callbacks_mining_server(const struct adit_sv2_mining_server_handlers *h)
{
	return SERVER_CALLBACKS(h);
}

struct sv2_server_callbacks
sv2_callbacks_job_declaration_server(const struct adit_sv2_job_declaration_server_handlers *h)
{
	return SERVER_CALLBACKS(h);
}

struct sv2_server_callbacks
sv2_callbacks_template_server(const struct adit_sv2_template_server_handlers *h)
{
	return SERVER_CALLBACKS(h);
}

struct sv2_client_callbacks
sv2_callbacks_mining_client(const struct adit_sv2_mining_client_handlers *h)
{
	return CLIENT_CALLBACKS(h);
}

struct sv2_client_callbacks
sv2_callbacks_job_declaration_client(const struct adit_sv2_job_declaration_client_handlers *h)
{
	return CLIENT_CALLBACKS(h);
}

struct sv2_client_callbacks
sv2_callbacks_template_client(const struct adit_sv2_template_client_handlers *h)
{
	return CLIENT_CALLBACKS(h);
}
