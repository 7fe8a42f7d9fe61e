/* SPDX-License-Identifier: MIT */
/* server_impl.h: what server.c and limits.c know of a server. */
#ifndef SV2_SERVER_IMPL_H
#define SV2_SERVER_IMPL_H

#include "lib/noise/noise.h"
#include "lib/sv2/accept.h"
#include "lib/sv2/conn.h"
#include "lib/sv2/dispatch.h"
#include "lib/sv2/log.h"
#include "lib/sv2/server.h"
#include "lib/sv2/workers.h"

#define SV2_PROTOCOLS 3

/* Who serves a protocol. */
struct server_app {
	struct sv2_server_callbacks callbacks;
	const void *table; /* NULL: nobody */
	void *context;
	bool open;
};

struct sv2_server {
	struct sv2_loop loop;
	struct sv2_log log;
	struct sv2_server_options options;
	struct sv2_conn_options conn_options;
	struct sv2_acceptor *acceptor;
	struct noise_identity identity;
	uint8_t authority_secret[32];
	uint32_t identity_issued; /* Unix seconds */
	bool identity_given;      /* signed elsewhere */
	bool paused;
	bool accepting; /* what the other workers are told */
	struct server_app apps[SV2_PROTOCOLS];
	struct sv2_workers *workers; /* the options', or its own */
	struct sv2_workers *own_workers;
	struct event *beat; /* NULL: nobody listens */
	struct sv2_server_stats stats;
};

struct server_conn {
	struct sv2_conn c; /* first */
	struct sv2_server *server;
	struct server_app *app;  /* once open */
	uint64_t address;        /* counted with the workers; 0: not */
	bool extensions_refused; /* once: there is one more try */
	bool mines;              /* it has sent a share */
};

/* The other workers are told what this one has, and the acceptor that there may be room. */
void sv2_limits_changed(struct sv2_server *s);
/* For the acceptor. */
enum sv2_admission sv2_limits_admission(void *server, uint32_t *wait_ms);
void sv2_limits_refused(void *server);
/* A connection was accepted from FD, a socket of the network. False: its address has too many, and
 * it is counted as refused. Else *ADDRESS is what is to be given to sv2_limits_release(). */
bool sv2_limits_address(struct sv2_server *s, int fd, uint64_t *address);
void sv2_limits_release(struct sv2_server *s, uint64_t address);
/* The loop holds too many bytes: ends one connection, if that helps. */
bool sv2_limits_shed(void *server);

#endif
