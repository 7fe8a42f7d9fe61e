/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/conf_probe_node.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/node-ipc/link.h"

#define PROBE_NODE_MS 2000u /* of each of the node's answers */
#define PROBE_NODE_ALL_S 10 /* of all */

/* --- RPC ----------------------------------------------------------------------------------------
 */

/* Where the data of the node is, as far as it is said. */
static const char *probe_node_datadir(const struct conf_role *node)
{
	const char *directory = conf_role_value(node, "rpc_datadir");

	return directory != NULL ? directory : conf_role_value(node, "datadir");
}

/* Whether the settings ask for RPC: always but for bitcoin-ipc, which can do without. */
static bool probe_node_has_rpc(const struct conf_role *node, const char *backend)
{
	static const char *const keys[] = {"rpc_url", "rpc_datadir", "rpc_cookie_file", "rpc_user"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (conf_role_value(node, keys[i]) != NULL)
			return true;
	}
	return strcmp(backend, "bitcoin-rpc") == 0;
}

/* Where the node's cookie is expected; false when the settings name no place. */
static bool probe_cookie_path(const struct conf_role *node, const char *network, char *path,
			      size_t capacity)
{
	const char *cookie = conf_role_value(node, "rpc_cookie_file");
	const char *directory = probe_node_datadir(node);
	const char *sub = strcmp(network, "main") == 0 ? "" : network;

	if (cookie != NULL)
		return (size_t)snprintf(path, capacity, "%s", cookie) < capacity;
	if (directory == NULL)
		return false;
	return (size_t)snprintf(path, capacity, "%s/%s%s.cookie", directory, sub,
				sub[0] != '\0' ? "/" : "") < capacity;
}

static void probe_rpc(const struct conf *conf, const struct conf_role *node,
		      struct problems *problems)
{
	const char *directory = probe_node_datadir(node);
	char path[4096];
	struct stat st;

	if (conf_role_value(node, "rpc_user") != NULL)
		return;
	if (directory != NULL && stat(directory, &st) != 0) {
		problems_warn(problems, node->file, node->line, "the node's directory %s: %s",
			      directory, strerror(errno));
		return;
	}
	if (probe_cookie_path(node, conf->network, path, sizeof(path)) && access(path, R_OK) != 0)
		problems_warn(problems, node->file, node->line, "the node's cookie %s: %s; %s",
			      path, strerror(errno),
			      errno == ENOENT ? "is the node running, on this network?"
					      : "aditd needs a user or group that may read it "
						"(rpccookieperms=group in bitcoin.conf)");
}

/* --- IPC ----------------------------------------------------------------------------------------
 *
 * As the role will do it, up to the answer that says whether it is the right node.
 */

struct ipc_probe {
	struct node_link link; /* first */
	char complaint[384];   /* "": none */
};

static void on_opened(void *user, const char *text)
{
	(void)user;
	(void)text;
}

static void on_check(void *user)
{
	struct ipc_probe *probe = user;

	(void)event_base_loopbreak(probe->link.loop);
}

static void on_down(void *user, bool wrong_node, const char *text)
{
	struct ipc_probe *probe = user;

	(void)wrong_node;
	(void)snprintf(probe->complaint, sizeof(probe->complaint), "%s", text);
	(void)event_base_loopbreak(probe->link.loop);
}

static const struct node_link_type link_types[] = {
    {.name = "adit-check",
     .where = "datadir and ipc_socket",
     .runs_as = "which aditd would have to run as",
     .retry_max_ms = PROBE_NODE_MS,
     .opened = on_opened,
     .check = on_check,
     .down = on_down},
    {.name = "adit-check",
     .where = "datadir and socket",
     .runs_as = "which aditd would have to run as",
     .retry_max_ms = PROBE_NODE_MS,
     .opened = on_opened,
     .check = on_check,
     .down = on_down},
};

static void talk(struct ipc_probe *probe, const struct node_link_type *type)
{
	struct event_base *loop = event_base_new();
	struct timeval all = {PROBE_NODE_ALL_S, 0};
	struct error e;

	if (loop == NULL)
		return;
	if (node_link_start(&probe->link, type, loop, probe, &e) == ADIT_OK) {
		(void)event_base_loopexit(loop, &all);
		(void)event_base_dispatch(loop);
	}
	node_link_close(&probe->link);
	event_base_free(loop);
}

/* SOCKET is the value of the key that TYPE names. */
static void probe_ipc(const char *network, const struct conf_role *role, const char *socket,
		      const struct node_link_type *type, struct problems *problems)
{
	struct ipc_probe probe = {.link = {.network = network, .timeout_ms = PROBE_NODE_MS}};
	struct error e;

	if (node_ipc_path(network, conf_role_value(role, "datadir"), socket, probe.link.path,
			  sizeof(probe.link.path), &e) == ADIT_OK)
		talk(&probe, type);
	else
		(void)snprintf(probe.complaint, sizeof(probe.complaint), "%s", e.text);
	if (probe.complaint[0] != '\0')
		problems_warn(problems, role->file, role->line, "bitcoin-ipc: %s", probe.complaint);
}

/* --- which --------------------------------------------------------------------------------------
 */

void conf_probe_node(const struct conf *conf, struct problems *problems)
{
	const struct conf_role *node = conf_find(conf, "node");
	const char *backend = node != NULL ? conf_role_value(node, "backend") : NULL;

	if (backend == NULL || strncmp(backend, "bitcoin-", 8) != 0)
		return;
	if (probe_node_has_rpc(node, backend))
		probe_rpc(conf, node, problems);
	if (strcmp(backend, "bitcoin-ipc") == 0)
		probe_ipc(conf->network, node, conf_role_value(node, "ipc_socket"), &link_types[0],
			  problems);
}

void conf_probe_templates(const struct conf *conf, const struct conf_role *role,
			  struct problems *problems)
{
	const char *source = conf_role_value(role, "source");
	const char *network = conf_role_value(role, "network");

	if (source != NULL && strstr(source, "bitcoin-ipc") != NULL)
		probe_ipc(network != NULL ? network : conf->network, role,
			  conf_role_value(role, "socket"), &link_types[1], problems);
}
