/* SPDX-License-Identifier: MIT */
/*
 * server.h: the server side of Stratum V2 on listening sockets: accepting, Noise, SetupConnection,
 * dispatch to handler tables, time-outs and limits. One per set of listeners; runs on a libevent
 * loop. Connections are struct adit_sv2_conn (include/adit/sv2.h).
 */
#ifndef SV2_SERVER_H
#define SV2_SERVER_H

#include <event2/event.h>

#include <adit/sv2.h>

#include "lib/noise/noise.h"

struct sv2_server;
struct sv2_tracer;
struct sv2_workers;

/* Sees a line that an operator may want; LEVEL is an adit_log_level. */
typedef void (*sv2_log_fn)(void *user, int32_t level, const char *text);

struct sv2_server_options {
	/* NULL: plain, for Unix sockets inside the machine; else the authority's secret, used to
	 * sign the server's certificate once per validity period. Copied. */
	const uint8_t *authority_secret;
	/* NULL, or instead of the authority's secret an identity that the authority has signed
	 * elsewhere: never renewed here. Copied. */
	const struct noise_identity *identity;
	uint32_t certificate_validity; /* seconds, 0: 86400 */
	uint32_t certificate_skew;     /* seconds valid_from is back-dated, 0: 3600 */
	uint32_t handshake_timeout_ms; /* accept to SetupConnection, 0: 10000 */
	uint32_t idle_timeout_ms;      /* nothing received, 0: never */
	/* Something waits, here or in the system, and the peer has taken (over TCP: acknowledged)
	 * neither all nor 64 KiB of it; 0: 30000 */
	uint32_t write_timeout_ms;
	size_t max_pending; /* bytes queued a connection, 0: 4 MiB; one message alone may pass it */
	/* Of all workers together: */
	uint32_t max_connections; /* 0: 1024 */
	uint32_t max_handshakes;  /* not yet set up, 0: 256 */
	uint32_t max_per_address; /* connections from an IPv4 address or IPv6 /64, 0: no limit */
	uint32_t accept_rate;     /* connections accepted a second, 0: no limit */
	size_t max_queued;        /* bytes queued on all connections, 0: 256 MiB; see limits.c */
	size_t max_unfinished;    /* bytes of messages that are incomplete, 0: 64 MiB */
	/* The workers among which this one is, borrowed for its life; NULL: it is alone. */
	struct sv2_workers *workers;
	sv2_log_fn log;
	void *log_user;
	/* May be NULL: told of every connection that is set up, and of its end. */
	void (*connected)(void *user, struct adit_sv2_conn *conn);
	void (*disconnected)(void *user, struct adit_sv2_conn *conn, const char *reason);
	void *observer;
};

struct sv2_server_stats {
	uint64_t accepted;            /* sockets */
	uint64_t refused_limit;       /* sockets closed because a limit was reached; the sum of: */
	uint64_t refused_connections; /* max_connections */
	uint64_t refused_handshakes;  /* max_handshakes */
	uint64_t refused_address;     /* max_per_address */
	uint64_t refused_memory;      /* max_queued or max_unfinished was near */
	uint64_t accept_delays;       /* times that accept_rate made connections wait */
	uint64_t accept_yields;       /* times that one was left to another worker */
	uint64_t shed_handshakes;     /* connections closed for max_queued or max_unfinished: */
	uint64_t shed_idle;           /* that had not sent a share */
	uint64_t shed_mining;         /* that had */
	uint64_t refused_setup;       /* SetupConnection.Error sent */
	uint64_t handshakes_failed;   /* Noise or time-out before SetupConnection */
	uint64_t protocol_errors;
	uint64_t messages_in;
	uint64_t messages_out;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t bytes_queued;      /* now */
	uint64_t bytes_unfinished;  /* now */
	uint32_t connections;       /* sockets that are open now */
	uint32_t handshakes;        /* of these, not set up */
	uint32_t certificate_until; /* Unix seconds; 0: plain */
	bool accepting;             /* a protocol is open, and there are descriptors */
};

struct sv2_server *sv2_server_new(struct event_base *base,
				  const struct sv2_server_options *options);
/* Takes over limits, time-outs and identity of OPTIONS (the rest of it doesn't matter) without
 * touching a connection: time-outs count for the present ones, too; the identity for handshakes to
 * come. ADIT_E_INVALID_ARGUMENT when it would be plain and wasn't, or the other way. */
int32_t sv2_server_configure(struct sv2_server *s, const struct sv2_server_options *options);
/* Closes everything; `closed` is called for each open connection. May be called from a handler. */
void sv2_server_free(struct sv2_server *s);
/* Accepts on FD, which stays the caller's. IS_UNIX only names peers. */
int32_t sv2_server_listen(struct sv2_server *s, int fd, bool is_unix);
/* Handler tables, one a protocol (enum adit_sv2_protocol, HANDLERS its server's table); kept by
 * reference. ADIT_E_EXISTS when there is one already, ADIT_E_UNSUPPORTED for a protocol that has no
 * table, ADIT_E_INVALID_ARGUMENT when the table's `size` doesn't even cover its callbacks. NULL
 * withdraws: its connections are sent Reconnect, if they were not before, and closed, `closed` is called before this returns.
 * No table: SetupConnection of it is refused with "unsupported-protocol" and all its flags. */
int32_t sv2_server_set(struct sv2_server *s, uint8_t protocol, const void *handlers, void *context);
/* The same with the type checked. */
int32_t sv2_server_set_mining(struct sv2_server *s, const struct adit_sv2_mining_server_handlers *h,
			      void *context);
int32_t sv2_server_set_job_declaration(struct sv2_server *s,
				       const struct adit_sv2_job_declaration_server_handlers *h,
				       void *context);
int32_t sv2_server_set_template(struct sv2_server *s,
				const struct adit_sv2_template_server_handlers *h, void *context);
/* Accepting pauses while no protocol is open; at first all are closed. SetupConnection of a
 * protocol that is closed while another is open is refused with "service-unavailable". */
void sv2_server_set_open(struct sv2_server *s, uint8_t protocol, bool open);
/* Stops accepting; connections stay (drain). */
void sv2_server_pause(struct sv2_server *s);
/* Traces connection ID (0: all, those to come included) until it is called with TRACER NULL; see
 * trace.h. TRACER is kept by reference. Returns how many connections are traced now. */
uint32_t sv2_server_trace(struct sv2_server *s, uint32_t id, const struct sv2_tracer *tracer);
void sv2_server_stats(const struct sv2_server *s, struct sv2_server_stats *out);
/* Calls FN for each set-up connection; FN may close it. */
void sv2_server_each(struct sv2_server *s, void (*fn)(void *user, struct adit_sv2_conn *conn),
		     void *user);

#endif
