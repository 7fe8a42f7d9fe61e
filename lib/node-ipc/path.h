/* SPDX-License-Identifier: MIT */
/* path.h: where Bitcoin Core's node listens for IPC when it runs with -ipcbind=unix. */
#ifndef NODE_IPC_PATH_H
#define NODE_IPC_PATH_H

#include <stddef.h>

#include "lib/util/error.h"

/* What a Unix socket's address holds, with its NUL: sockaddr_un.sun_path. */
#define NODE_IPC_PATH_MAX 108

/* Writes the path to OUT (CAPACITY bytes, NODE_IPC_PATH_MAX are enough): SOCKET if it is not NULL;
 * else node.sock in DATADIR, in the folder of NETWORK there ("main", "testnet4", "testnet3",
 * "signet", "regtest"); without DATADIR in .bitcoin of the home directory. ADIT_E_CONFIG: an
 * unknown network, no home directory, or a path longer than a socket's address can be. */
int32_t node_ipc_path(const char *network, const char *datadir, const char *socket, char *out,
		      size_t capacity, struct error *e);

#endif
