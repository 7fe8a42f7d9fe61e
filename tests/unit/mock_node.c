/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/mock_node.h"

#include <check.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/node/traffic.h"
#include "lib/util/buf.h"
#include "lib/util/hex.h"

#define MOCK_NUMBERS 4096

static const char *const method_names[MOCK_METHODS] = {
    "getblockchaininfo", "getnetworkinfo", "getmempoolinfo", "getblocktemplate", NULL,
    "getblockheader",    "getblock",       "getblockhash",   "submitblock",
};

void mock_node_hash(uint32_t number, char out[65])
{
	snprintf(out, 65, "%056x%08x", 0xabcdef, number);
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void send_text(struct evhttp_request *req, int status, const char *text, size_t size)
{
	struct evbuffer *out = evbuffer_new();

	evbuffer_add(out, text, size);
	evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type",
			  "application/json");
	evhttp_send_reply(req, status, "status", out);
	evbuffer_free(out);
}

static void send_result(struct evhttp_request *req, const char *result)
{
	struct buf text = {0};

	buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"result\":");
	buf_append(&text, result, strlen(result));
	buf_printf(&text, ",\"id\":1}\n");
	send_text(req, 200, (const char *)text.data, text.size);
	buf_free(&text);
}

static void send_error(struct mock_node *m, struct evhttp_request *req, int code,
		       const char *message)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\"result\":null,\"error\":{\"code\":%d,\"message\":\"%s\"},\"id\":1}", code,
		 message);
	send_text(req, m->old_protocol ? 500 : 200, text, strlen(text));
}

static int height_of(struct mock_node *m, const char *hash)
{
	for (uint32_t i = 0; i <= m->height; i++) {
		char text[65];

		mock_node_hash(m->chain[i], text);
		if (strcmp(text, hash) == 0)
			return (int)i;
	}
	return -1;
}

static void send_chain_info(struct mock_node *m, struct evhttp_request *req)
{
	char hash[65];
	char text[512];

	mock_node_hash(m->chain[m->height], hash);
	snprintf(text, sizeof(text),
		 "{\"chain\":\"%s\",\"blocks\":%u,\"headers\":%u,\"bestblockhash\":\"%s\","
		 "\"bits\":\"207fffff\",\"mediantime\":1700000000,\"time\":1700000001,"
		 "\"verificationprogress\":0.5,\"initialblockdownload\":%s}",
		 m->network, m->height, m->height + 100, hash,
		 m->initial_download ? "true" : "false");
	send_result(req, text);
}

static void template_tx(struct buf *out, unsigned i)
{
	struct traffic_tx t;
	char txid[65];
	char wtxid[65];
	char data[2 * TRAFFIC_MAX_SIZE + 1];

	traffic_make(i, &t);
	hex_encode_reversed(t.txid, 32, txid);
	hex_encode_reversed(t.wtxid, 32, wtxid);
	hex_encode(t.data, t.size, data);
	buf_printf(out, "%s{\"data\":\"", i > 0 ? "," : "");
	buf_append(out, data, strlen(data));
	buf_printf(out,
		   "\",\"txid\":\"%s\",\"hash\":\"%s\",\"fee\":%llu,\"sigops\":%u,"
		   "\"weight\":%u,\"depends\":[",
		   txid, wtxid, (unsigned long long)t.fee, t.sigops, t.weight);
	for (uint32_t p = 0; p < t.parents_count; p++)
		buf_printf(out, "%s%llu", p > 0 ? "," : "", (unsigned long long)t.parents[p] + 1);
	buf_printf(out, "]}");
}

static void send_template(struct mock_node *m, struct evhttp_request *req)
{
	struct buf out = {0};
	char hash[65];

	mock_node_hash(m->chain[m->height], hash);
	buf_printf(&out,
		   "{\"version\":536870912,\"previousblockhash\":\"%s\",\"bits\":\"207fffff\","
		   "\"curtime\":1700000100,\"mintime\":1700000001,\"height\":%u,"
		   "\"coinbasevalue\":5000100000,\"sigoplimit\":80000,\"sizelimit\":4000000,"
		   "\"weightlimit\":4000000,\"longpollid\":\"%s%u-%u\","
		   "\"default_witness_commitment\":\"6a24aa21a9ed00\",\"transactions\":[",
		   hash, m->height + 1, hash, m->tx_count, m->longpoll_ids);
	if (m->longpoll_ids > 0)
		m->longpoll_ids++;
	for (unsigned i = 0; i < m->tx_count; i++)
		template_tx(&out, i);
	buf_printf(&out, "]}");
	buf_append_u8(&out, 0);
	send_result(req, (const char *)out.data);
	buf_free(&out);
}

static void send_header(struct mock_node *m, struct evhttp_request *req, const char *hash)
{
	int height = height_of(m, hash);
	char prev[65];
	char text[512];

	if (height < 0) {
		send_error(m, req, -5, "Block not found");
		return;
	}
	mock_node_hash(m->chain[height > 0 ? height - 1 : 0], prev);
	snprintf(text, sizeof(text),
		 "{\"hash\":\"%s\",\"height\":%d,\"time\":1700000000,\"mediantime\":1699999999,"
		 "\"bits\":\"207fffff\",\"confirmations\":%d%s%s%s}",
		 hash, height, (int)m->height - height + 1,
		 height > 0 ? ",\"previousblockhash\":\"" : "", height > 0 ? prev : "",
		 height > 0 ? "\"" : "");
	send_result(req, text);
}

static void send_hash(struct mock_node *m, struct evhttp_request *req, int64_t height)
{
	char hash[65];
	char text[80];

	if (height > m->height) {
		send_error(m, req, -8, "Block height out of range");
		return;
	}
	mock_node_hash(m->chain[height], hash);
	snprintf(text, sizeof(text), "\"%s\"", hash);
	send_result(req, text);
}

static void on_longpoll_closed(struct evhttp_connection *connection, void *user)
{
	struct mock_node *m = user;

	(void)connection;
	m->longpoll = NULL;
}

static void take_longpoll(struct mock_node *m, struct evhttp_request *req)
{
	if (m->longpoll_at_once) {
		send_template(m, req);
		return;
	}
	m->longpoll = req;
	evhttp_connection_set_closecb(evhttp_request_get_connection(req), on_longpoll_closed, m);
}

static void answer_longpoll(struct mock_node *m)
{
	struct evhttp_request *req = m->longpoll;

	m->longpoll = NULL;
	if (req == NULL)
		return;
	evhttp_connection_set_closecb(evhttp_request_get_connection(req), NULL, NULL);
	send_template(m, req);
}

/* --- requests -----------------------------------------------------------------------------------
 */

static void base64(const char *text, char *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t size = strlen(text);

	for (size_t i = 0; i < size; i += 3) {
		uint32_t v = (uint32_t)(uint8_t)text[i] << 16;

		if (i + 1 < size)
			v |= (uint32_t)(uint8_t)text[i + 1] << 8;
		if (i + 2 < size)
			v |= (uint8_t)text[i + 2];
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = i + 1 < size ? digits[v >> 6 & 63] : '=';
		*out++ = i + 2 < size ? digits[v & 63] : '=';
	}
	*out = '\0';
}

static bool authorized(struct mock_node *m, struct evhttp_request *req)
{
	const char *given =
	    evhttp_find_header(evhttp_request_get_input_headers(req), "Authorization");
	char expected[256] = "Basic ";

	base64(m->user_password, expected + 6);
	return given != NULL && strcmp(given, expected) == 0;
}

static int method_of(struct json_object *request, struct json_object *param)
{
	const char *name = json_object_get_string(json_object_object_get(request, "method"));

	for (int i = 0; i < MOCK_METHODS; i++) {
		if (method_names[i] == NULL || strcmp(method_names[i], name) != 0)
			continue;
		if (i == MOCK_TEMPLATE && json_object_object_get_ex(param, "longpollid", NULL))
			return MOCK_LONGPOLL;
		return i;
	}
	return MOCK_OTHER;
}

/* Transaction NUMBER; making one takes a while. */
static const struct traffic_tx *traffic(unsigned number)
{
	static struct traffic_tx made[MOCK_NUMBERS];
	static bool have[MOCK_NUMBERS];

	ck_assert_uint_lt(number, MOCK_NUMBERS);
	if (!have[number])
		traffic_make(number, &made[number]);
	have[number] = true;
	return &made[number];
}

static void put_txids(struct buf *out, const unsigned *pool, size_t count)
{
	char txid[65];

	buf_append_u8(out, '[');
	for (size_t i = 0; i < count; i++) {
		hex_encode_reversed(traffic(pool[i])->txid, 32, txid);
		buf_printf(out, "%s\"%s\"", i > 0 ? "," : "", txid);
	}
	buf_append_u8(out, ']');
}

/* As bitcoind, which says 404 with it in the older protocol. */
static void send_canned(struct mock_node *m, struct evhttp_request *req,
			struct json_object *request)
{
	const char *name = json_object_get_string(json_object_object_get(request, "method"));

	snprintf(m->last_params, sizeof(m->last_params), "%s",
		 json_object_to_json_string_ext(json_object_object_get(request, "params"),
						JSON_C_TO_STRING_PLAIN));
	if (strcmp(name, "getbestblockhash") == 0) {
		char hash[68];

		hash[0] = '"';
		mock_node_hash(m->chain[m->height], hash + 1);
		strcpy(hash + 65, "\"");
		send_result(req, hash);
		return;
	}
	if (strcmp(name, "getrawmempool") == 0 && m->pool_count > 0) {
		struct buf out = {0};

		m->lists++;
		put_txids(&out, m->pool, m->pool_count);
		buf_append_u8(&out, 0);
		send_result(req, (const char *)out.data);
		buf_free(&out);
		return;
	}
	for (size_t i = 0; i < MOCK_CANNED; i++) {
		const struct mock_canned *c = &m->canned[i];

		if (c->method == NULL || strcmp(c->method, name) != 0)
			continue;
		if (c->code != 0)
			send_error(m, req, c->code, c->result);
		else
			send_result(req, c->result);
		return;
	}
	send_error(m, req, -32601, "Method not found");
}

/* --- the mempool --------------------------------------------------------------------------------
 */

/* NULL when TXID is no transaction of the mempool. */
static const struct traffic_tx *in_pool(struct mock_node *m, const char *txid)
{
	uint8_t id[32];

	if (txid == NULL || !hex_decode_reversed(txid, id, 32))
		return NULL;
	for (size_t i = 0; i < m->pool_count; i++)
		if (memcmp(traffic(m->pool[i])->txid, id, 32) == 0)
			return traffic(m->pool[i]);
	return NULL;
}

static void put_pool_answer(struct mock_node *m, struct buf *out, const char *method,
			    const char *txid)
{
	static char hex[2 * TRAFFIC_MAX_SIZE + 1];
	const struct traffic_tx *t = in_pool(m, txid);
	char text[65];

	if (strcmp(method, "getmempoolentry") == 0 && m->no_entries) {
		buf_printf(out, "\"error\":{\"code\":-32601,\"message\":\"Method not found\"}");
	} else if (t == NULL) {
		buf_printf(out, "\"error\":{\"code\":-5,\"message\":\"not in mempool\"}");
	} else if (strcmp(method, "getmempoolentry") == 0) {
		hex_encode_reversed(t->wtxid, 32, text);
		buf_printf(out,
			   "\"result\":{\"wtxid\":\"%s\",\"vsize\":100,"
			   "\"fees\":{\"base\":0.00000250}}",
			   text);
	} else {
		hex_encode(t->data, t->size, hex);
		buf_printf(out, "\"result\":\"");
		buf_append(out, hex, 2 * (size_t)t->size);
		buf_printf(out, "\"");
	}
}

/* The last answer first, as a node may. */
static void answer_batch(struct mock_node *m, struct evhttp_request *req, struct json_object *batch)
{
	struct buf out = {0};

	m->batches++;
	buf_append_u8(&out, '[');
	for (size_t i = json_object_array_length(batch); i > 0; i--) {
		struct json_object *item = json_object_array_get_idx(batch, i - 1);
		struct json_object *param =
		    json_object_array_get_idx(json_object_object_get(item, "params"), 0);

		m->batch_calls++;
		buf_printf(&out, "{\"jsonrpc\":\"2.0\",\"id\":%lld,",
			   (long long)json_object_get_int64(json_object_object_get(item, "id")));
		put_pool_answer(m, &out,
				json_object_get_string(json_object_object_get(item, "method")),
				json_object_get_string(param));
		buf_printf(&out, "}%s", i > 1 ? "," : "");
	}
	buf_append_u8(&out, ']');
	send_text(req, 200, (const char *)out.data, out.size);
	buf_free(&out);
}

static void send_block(struct mock_node *m, struct evhttp_request *req, int64_t verbosity)
{
	struct buf out = {0};

	if (verbosity == 0) {
		send_result(req, "\"00112233\"");
		return;
	}
	buf_printf(&out, "{\"tx\":");
	put_txids(&out, m->block_pool, m->block_pool_count);
	buf_append(&out, "}", 2);
	send_result(req, (const char *)out.data);
	buf_free(&out);
}

static void send_mempool_info(struct mock_node *m, struct evhttp_request *req)
{
	char text[32];

	snprintf(text, sizeof(text), "{\"size\":%zu}", m->pool_count > 0 ? m->pool_count : 42);
	send_result(req, text);
}

static bool is_proposal(struct json_object *param)
{
	return json_object_object_get_ex(param, "mode", NULL);
}

static void answer(struct mock_node *m, struct evhttp_request *req, int method,
		   struct json_object *request, struct json_object *param)
{
	switch (method) {
	case MOCK_CHAIN_INFO:
		send_chain_info(m, req);
		break;
	case MOCK_NETWORK_INFO:
		send_result(req, "{\"subversion\":\"/Mock:1.0/\"}");
		break;
	case MOCK_MEMPOOL_INFO:
		send_mempool_info(m, req);
		break;
	case MOCK_TEMPLATE:
		if (is_proposal(param))
			send_result(req, m->submit_result);
		else
			send_template(m, req);
		break;
	case MOCK_LONGPOLL:
		take_longpoll(m, req);
		break;
	case MOCK_HEADER:
		send_header(m, req, json_object_get_string(param));
		break;
	case MOCK_BLOCK:
		send_block(m, req,
			   json_object_get_int64(json_object_array_get_idx(
			       json_object_object_get(request, "params"), 1)));
		break;
	case MOCK_BLOCK_HASH:
		send_hash(m, req, json_object_get_int64(param));
		break;
	case MOCK_OTHER:
		send_canned(m, req, request);
		break;
	default:
		m->last_submitted_size = strlen(json_object_get_string(param)) / 2;
		send_result(req, m->submit_result);
		break;
	}
}

static void drop_connection(struct evhttp_request *req)
{
	struct evhttp_connection *c = evhttp_request_get_connection(req);

	shutdown(bufferevent_getfd(evhttp_connection_get_bufferevent(c)), SHUT_RDWR);
}

/* The bytes go out in the next turns of the loop, the end after them. */
static void on_raw_sent(evutil_socket_t fd, short what, void *user)
{
	struct mock_node *m = user;

	(void)fd;
	(void)what;
	if (m->dripping == NULL)
		return;
	if (m->drip && m->raw != NULL && m->raw[m->dripped] != '\0') {
		bufferevent_write(m->dripping, m->raw + m->dripped++, 1);
		return;
	}
	if (!m->drip)
		shutdown(bufferevent_getfd(m->dripping), SHUT_RDWR);
	m->dripping = NULL;
}

static void on_dripping_closed(struct evhttp_connection *connection, void *user)
{
	struct mock_node *m = user;

	(void)connection;
	m->dripping = NULL;
}

/* One connection at a time. */
static void send_raw(struct mock_node *m, struct evhttp_request *req)
{
	struct evhttp_connection *c = evhttp_request_get_connection(req);
	struct timeval often = {0, 20000};

	if (m->dripping != NULL) {
		drop_connection(req);
		return;
	}
	m->dripping = evhttp_connection_get_bufferevent(c);
	m->dripped = 0;
	evhttp_connection_set_closecb(c, on_dripping_closed, m);
	bufferevent_enable(m->dripping, EV_WRITE);
	if (!m->drip)
		bufferevent_write(m->dripping, m->raw, strlen(m->raw));
	if (m->dripper == NULL)
		m->dripper = event_new(m->base, -1, EV_PERSIST, on_raw_sent, m);
	event_add(m->dripper, &often);
}

static void flood(struct mock_node *m, struct evhttp_request *req)
{
	char *text = malloc(m->flood);

	memset(text, ' ', m->flood);
	send_text(req, 200, text, m->flood);
	free(text);
}

/* True when something went wrong as ordered. */
static bool misbehave(struct mock_node *m, struct evhttp_request *req, int method)
{
	if (m->only >= 0 && m->only != method)
		return false;
	if (m->drop > 0) {
		m->drop--;
		drop_connection(req);
	} else if (m->raw != NULL) {
		send_raw(m, req);
	} else if (m->flood > 0) {
		flood(m, req);
	} else if (m->body != NULL) {
		send_text(req, m->http_status != 0 ? m->http_status : 200, m->body,
			  strlen(m->body));
	} else if (m->http_status != 0) {
		evhttp_send_reply(req, m->http_status, "status", NULL);
	} else if (m->rpc_error != 0) {
		send_error(m, req, m->rpc_error, m->rpc_message);
	} else {
		return m->hold;
	}
	return true;
}

static void on_request(struct evhttp_request *req, void *user)
{
	struct mock_node *m = user;
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t size = evbuffer_get_length(in);
	char *text = calloc(1, size + 1);
	struct json_object *request;
	struct json_object *param;
	int method;

	evbuffer_copyout(in, text, size);
	request = json_tokener_parse(text);
	free(text);
	ck_assert_msg(request != NULL, "the backend sent something that is not JSON");
	if (json_object_is_type(request, json_type_array)) {
		if (!authorized(m, req))
			evhttp_send_reply(req, 401, "Unauthorized", NULL);
		else if (!misbehave(m, req, MOCK_OTHER))
			answer_batch(m, req, request);
		json_object_put(request);
		return;
	}
	param = json_object_array_get_idx(json_object_object_get(request, "params"), 0);
	method = method_of(request, param);
	m->calls[method]++;
	if (!authorized(m, req))
		evhttp_send_reply(req, 401, "Unauthorized", NULL);
	else if (!misbehave(m, req, method))
		answer(m, req, method, request, param);
	json_object_put(request);
}

/* --- control ------------------------------------------------------------------------------------
 */

void mock_node_up(struct mock_node *m)
{
	struct evhttp_bound_socket *bound;
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address);

	m->http = evhttp_new(m->base);
	evhttp_set_gencb(m->http, on_request, m);
	bound = evhttp_bind_socket_with_handle(m->http, "127.0.0.1", m->port);
	ck_assert_ptr_nonnull(bound);
	ck_assert_int_eq(
	    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &size), 0);
	m->port = (uint16_t)(((uint8_t *)&address)[2] << 8 | ((uint8_t *)&address)[3]);
}

void mock_node_down(struct mock_node *m)
{
	m->longpoll = NULL;
	m->dripping = NULL;
	if (m->http != NULL)
		evhttp_free(m->http);
	m->http = NULL;
}

static struct mock_canned *canned_for(struct mock_node *m, const char *method)
{
	struct mock_canned *free_one = NULL;

	for (size_t i = 0; i < MOCK_CANNED; i++) {
		if (m->canned[i].method != NULL && strcmp(m->canned[i].method, method) == 0)
			return &m->canned[i];
		if (m->canned[i].method == NULL && free_one == NULL)
			free_one = &m->canned[i];
	}
	ck_assert_ptr_nonnull(free_one);
	return free_one;
}

void mock_node_can(struct mock_node *m, const char *method, const char *result)
{
	*canned_for(m, method) = (struct mock_canned){result != NULL ? method : NULL, 0, result};
}

void mock_node_cannot(struct mock_node *m, const char *method, int code, const char *message)
{
	*canned_for(m, method) = (struct mock_canned){method, code, message};
}

void mock_node_write_cookie(struct mock_node *m, const char *user_password)
{
	FILE *f = fopen(m->cookie, "w");

	ck_assert_ptr_nonnull(f);
	fputs(user_password, f);
	fclose(f);
}

void mock_node_heal(struct mock_node *m)
{
	m->only = -1;
	m->http_status = 0;
	m->body = NULL;
	m->raw = NULL;
	m->drip = false;
	m->flood = 0;
	m->drop = 0;
	m->rpc_error = 0;
	m->submit_result = "null";
	m->hold = false;
}

void mock_node_init(struct mock_node *m, struct event_base *base)
{
	memset(m, 0, sizeof(*m));
	m->base = base;
	m->network = "regtest";
	m->height = 2;
	m->chain[1] = 1;
	m->chain[2] = 2;
	m->tx_count = 4;
	mock_node_heal(m);
	strcpy(m->user_password, "__cookie__:first");
	strcpy(m->dir, "/tmp/adit-mock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(m->dir));
	snprintf(m->cookie, sizeof(m->cookie), "%s/.cookie", m->dir);
	mock_node_write_cookie(m, m->user_password);
	mock_node_up(m);
}

void mock_node_free(struct mock_node *m)
{
	mock_node_down(m);
	if (m->dripper != NULL)
		event_free(m->dripper);
	unlink(m->cookie);
	rmdir(m->dir);
}

void mock_node_add_block(struct mock_node *m, uint32_t number)
{
	ck_assert_uint_lt(m->height + 1, MOCK_BLOCKS);
	m->chain[++m->height] = number;
	answer_longpoll(m);
}

void mock_node_reorganise(struct mock_node *m, uint32_t count, uint32_t first)
{
	m->height -= count;
	for (uint32_t i = 0; i < count; i++)
		m->chain[++m->height] = first + i;
	mock_node_add_block(m, first + count);
}

void mock_node_add_tx(struct mock_node *m)
{
	m->tx_count++;
	answer_longpoll(m);
}
