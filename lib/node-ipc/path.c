/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/node-ipc/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder_of(const char *network)
{
	static const struct {
		const char *name;
		const char *folder;
	} networks[] = {{"main", ""},
			{"testnet4", "testnet4/"},
			{"testnet3", "testnet3/"},
			{"signet", "signet/"},
			{"regtest", "regtest/"}};

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		if (strcmp(networks[i].name, network) == 0)
			return networks[i].folder;
	}
	return NULL;
}

int32_t node_ipc_path(const char *network, const char *datadir, const char *socket, char *out,
		      size_t capacity, struct error *e)
{
	const char *folder = folder_of(network);
	const char *home = getenv("HOME");
	int size;

	if (folder == NULL)
		return error_set(e, ADIT_E_CONFIG, "network: \"%s\" is not known", network);
	if (socket != NULL)
		size = snprintf(out, capacity, "%s", socket);
	else if (datadir != NULL)
		size = snprintf(out, capacity, "%s/%snode.sock", datadir, folder);
	else if (home != NULL && home[0] != '\0')
		size = snprintf(out, capacity, "%s/.bitcoin/%snode.sock", home, folder);
	else
		return error_set(e, ADIT_E_CONFIG,
				 "datadir or socket is needed: there is no home directory");
	if (size < 0 || (size_t)size >= capacity || size >= NODE_IPC_PATH_MAX)
		return error_set(e, ADIT_E_CONFIG,
				 "the path of the node's socket is %d bytes long, %d are possible: "
				 "use -ipcbind=unix:PATH and the key socket",
				 size, NODE_IPC_PATH_MAX - 1);
	return ADIT_OK;
}
