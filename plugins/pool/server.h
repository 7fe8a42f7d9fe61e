/* SPDX-License-Identifier: MIT */
/* server.h: the mining protocol as miners speak it to us: the handler table for "sv2.server/1". */
#ifndef POOL_SERVER_H
#define POOL_SERVER_H

#include <adit/sv2.h>

#include "plugins/pool/channels.h"

/* Context is a struct pool; `user` of a connection its struct pool_conn. */
extern const struct adit_sv2_mining_server_handlers server_handlers;
/* Tells the client with CODE that CHANNEL ends, and frees it. */
void server_close_channel(struct channel *channel, const char *code);
/* Asks every client to connect again. */
void server_reconnect_all(struct pool *pool);

#endif
