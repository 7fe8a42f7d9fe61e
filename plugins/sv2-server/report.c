/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/sv2-server/report.h"

#include <string.h>

#include <json-c/json.h>

#include "lib/sv2/codec.h"

static void add_count(struct json_object *o, const char *key, uint64_t value)
{
	(void)json_object_object_add(o, key, json_object_new_uint64(value));
}

static struct json_object *listen_list(const struct instance *in)
{
	struct json_object *list = json_object_new_array();
	struct adit_listener l = {.size = sizeof(l)};

	for (uint32_t i = 0; in->api->listener(in->host, "listen", i, &l) == ADIT_OK; i++)
		(void)json_object_array_add(list, json_object_new_string(l.address));
	return list;
}

/* What each limit has done. */
static void add_limits(struct json_object *o, const struct sv2_server_stats *stats)
{
	add_count(o, "refused_connections", stats->refused_connections);
	add_count(o, "refused_handshakes", stats->refused_handshakes);
	add_count(o, "refused_address", stats->refused_address);
	add_count(o, "refused_memory", stats->refused_memory);
	add_count(o, "accept_delays", stats->accept_delays);
	add_count(o, "accept_yields", stats->accept_yields);
	add_count(o, "shed_handshakes", stats->shed_handshakes);
	add_count(o, "shed_idle", stats->shed_idle);
	add_count(o, "shed_mining", stats->shed_mining);
	add_count(o, "bytes_queued", stats->bytes_queued);
	add_count(o, "bytes_unfinished", stats->bytes_unfinished);
}

static struct json_object *status_object(const struct instance *in)
{
	struct json_object *o = json_object_new_object();
	struct sv2_server_stats stats = {0};

	if (in->server != NULL)
		sv2_server_stats(in->server, &stats);
	(void)json_object_object_add(o, "listen", listen_list(in));
	(void)json_object_object_add(o, "authority_public_key",
				     json_object_new_string(in->public_text));
	add_count(o, "certificate_expires", stats.certificate_until);
	(void)json_object_object_add(o, "certificate_renewed",
				     json_object_new_boolean(in->certificate_until == 0));
	(void)json_object_object_add(o, "accepting", json_object_new_boolean(stats.accepting));
	add_count(o, "connections", stats.connections);
	add_count(o, "handshakes", stats.handshakes);
	add_count(o, "accepted", stats.accepted);
	add_count(o, "refused", stats.refused_limit + stats.refused_setup);
	add_limits(o, &stats);
	add_count(o, "handshakes_failed", stats.handshakes_failed);
	add_count(o, "protocol_errors", stats.protocol_errors);
	add_count(o, "messages_in", stats.messages_in);
	add_count(o, "messages_out", stats.messages_out);
	add_count(o, "bytes_in", stats.bytes_in);
	add_count(o, "bytes_out", stats.bytes_out);
	add_count(o, "clients", in->clients.count);
	(void)json_object_object_add(o, "tracing", json_object_new_boolean(in->trace.on));
	return o;
}

void report_status(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	const struct instance *in = user;
	struct json_object *o = status_object(in);
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);

	(void)info;
	in->api->reply(in->host, request, ADIT_OK, NULL, text, strlen(text), NULL, 0);
	(void)json_object_put(o);
}

static void publish(const struct instance *in, const char *type, struct json_object *o)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);

	(void)in->api->publish(in->host, type, text, strlen(text), NULL, 0);
	(void)json_object_put(o);
}

static struct json_object *endpoint_object(const struct adit_sv2_conn *conn)
{
	struct json_object *o = json_object_new_object();

	(void)json_object_object_add(o, "endpoint", json_object_new_string(adit_sv2_peer(conn)));
	return o;
}

void report_connected(void *observer, struct adit_sv2_conn *conn)
{
	const struct instance *in = observer;
	struct json_object *o;

	if (!in->api->event_wanted(in->host, "StratumClientConnected"))
		return;
	o = endpoint_object(conn);
	(void)json_object_object_add(o, "protocol_version", json_object_new_int(SV2_VERSION));
	publish(in, "StratumClientConnected", o);
}

void report_disconnected(void *observer, struct adit_sv2_conn *conn, const char *reason)
{
	const struct instance *in = observer;
	struct json_object *o;

	if (!in->api->event_wanted(in->host, "StratumClientDisconnected"))
		return;
	o = endpoint_object(conn);
	(void)json_object_object_add(o, "reason", json_object_new_string(reason));
	publish(in, "StratumClientDisconnected", o);
}
