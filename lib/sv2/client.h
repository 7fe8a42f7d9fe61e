/* SPDX-License-Identifier: MIT */
/*
 * client.h: the client side of Stratum V2: connects, does Noise and SetupConnection, dispatches to
 * a handler table, and connects again with back-off (1 s doubling to 30 s, with jitter) until it is
 * freed. Runs on a libevent loop; names are resolved without blocking.
 */
#ifndef SV2_CLIENT_H
#define SV2_CLIENT_H

#include <event2/event.h>

#include <adit/sv2.h>

#include "lib/sv2/server.h"

struct sv2_client;

struct sv2_client_options {
	const char *address;        /* "host:port", "[v6]:port" or "unix:/path"; copied */
	bool plain;                 /* no Noise: only sensible with unix: or loopback */
	const uint8_t *authority_x; /* 32 bytes; NULL: unauthenticated, warned of */
	uint32_t certificate_skew;  /* tolerated clock difference in seconds, 0: 60 */
	uint32_t flags;             /* SetupConnection.flags */
	const char *vendor;         /* copied; NULL: "adit" */
	const char *hardware_version;
	const char *firmware;
	const char *device_id;
	uint32_t connect_timeout_ms;   /* 0: 5000 */
	uint32_t handshake_timeout_ms; /* connect to SetupConnection.Success, 0: 10000 */
	uint32_t idle_timeout_ms;      /* 0: never */
	uint32_t write_timeout_ms;     /* as of struct sv2_server_options, 0: 30000 */
	size_t max_pending;            /* 0: 4 MiB */
	uint32_t retry_min_ms;         /* 0: 1000 */
	uint32_t retry_max_ms;         /* 0: 30000 */
	sv2_log_fn log;
	void *log_user;
};

/* HANDLERS, the client's table of PROTOCOL (enum adit_sv2_protocol), is kept by reference. The
 * first attempt is made from the loop. NULL with E filled when the address can't be parsed.
 * Extensions that HANDLERS want are asked for after SetupConnection.Success (extension 0x0001). A
 * server that doesn't answer is connected to twice more: once to ask again, then without asking,
 * unless HANDLERS require an extension. Without handlers for them, Reconnect is followed (same
 * authority key, same encryption; back to ADDRESS when the new place can't be reached) and
 * ChannelEndpointChanged ignored. */
struct sv2_client *sv2_client_new(struct event_base *base, const struct sv2_client_options *options,
				  uint8_t protocol, const void *handlers, void *context,
				  struct error *e);
/* The same with the type checked. */
struct sv2_client *sv2_client_new_mining(struct event_base *base,
					 const struct sv2_client_options *options,
					 const struct adit_sv2_mining_client_handlers *handlers,
					 void *context, struct error *e);
struct sv2_client *
sv2_client_new_job_declaration(struct event_base *base, const struct sv2_client_options *options,
			       const struct adit_sv2_job_declaration_client_handlers *handlers,
			       void *context, struct error *e);
struct sv2_client *sv2_client_new_template(struct event_base *base,
					   const struct sv2_client_options *options,
					   const struct adit_sv2_template_client_handlers *handlers,
					   void *context, struct error *e);
/* Closes; `closed` is called if a connection was open. May be called from a handler. */
void sv2_client_free(struct sv2_client *c);
/* The connection while it is set up, else NULL. */
struct adit_sv2_conn *sv2_client_conn(struct sv2_client *c);
/* As sv2_server_trace(). */
uint32_t sv2_client_trace(struct sv2_client *c, uint32_t id, const struct sv2_tracer *tracer);

#endif
