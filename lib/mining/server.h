/* SPDX-License-Identifier: MIT */
/* server.h: the mining protocol as miners speak it to us: the handler table for "sv2.server/1". */
#ifndef MINING_SERVER_H
#define MINING_SERVER_H

#include <adit/sv2.h>

#include "lib/mining/channels.h"

/* Context is a struct mining; `user` of a connection its struct mining_conn. */
extern const struct adit_sv2_mining_server_handlers server_handlers;
/* What is wrong with REQUEST (error_code of OpenMiningChannel.Error), or NULL. */
const char *server_check_open(const struct mining_conn *conn, const struct open_request *request);
int32_t server_refuse_open(struct mining_conn *conn, const struct open_request *request,
			   const char *code);
/* Opens the channel and gives it its first job, or refuses it. What a handler returns. */
int32_t server_open(struct mining_conn *conn, const struct open_request *request);
/* Tells the client with CODE that CHANNEL ends, and frees it. */
void server_close_channel(struct channel *channel, const char *code);
/* Asks every client to connect again. */
void server_reconnect_all(struct mining *mining);

#endif
