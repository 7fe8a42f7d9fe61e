/* SPDX-License-Identifier: MIT */
/*
 * The handlers of the role jds as a whole: clients that allocate, declare, provide, push and leave,
 * in any order and with anything in it, while the node answers well, badly, late or not at all.
 * The input is a program: a byte that says who (bits 6 and 7) does what, then what that takes.
 * After each step: every declaration has one answer or is under way, and the bounds hold. When all
 * clients have gone nothing of them is left.
 *
 * Each run's first tip is number 1; the height of tip N is 100 + N.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/traffic.h"
#include "lib/sv2/dispatch.h"
#include "lib/util/reader.h"
#include "plugins/jds/clients.h"
#include "plugins/jds/jobs.h"
#include "tests/fuzz/jds_host.h"
#include "tests/unit/declarer.h"
#include "tests/unit/fake_sv2.h"

#define CLIENTS 3
#define TXS 8 /* transactions that there are */
#define STEPS_MAX 600
#define NBITS 0x207fffffu /* every other hash is a block */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct client {
	struct fake_conn *conn; /* NULL: not connected */
	uint64_t declared;      /* declarations that were taken */
	uint8_t listed[TXS];    /* transactions of the last one */
	uint32_t requests;
};

static struct jds *jds;
static struct traffic_tx txs[TXS];
static struct client clients[CLIENTS];
static uint8_t tip;
static uint32_t connections;

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* --- the node -----------------------------------------------------------------------------------
 */

static void answer_tip(size_t call)
{
	char json[256];

	snprintf(json, sizeof(json),
		 "{\"hash\":\"%062d%02x\",\"height\":%u,\"next_bits\":\"207fffff\","
		 "\"median_time\":1700000000}",
		 0, tip, 100u + tip);
	jds_host_answer(call, ADIT_OK, json, NULL, 0);
}

/* Of the transactions that CALL asks for those in the bits of KNOWN. */
static void answer_found(size_t call, uint8_t known, uint8_t spoil)
{
	const struct jds_call *c = jds_host_call(call);
	struct buf out = {0};

	for (size_t at = 0; at + 32 <= c->attachment_size; at += 32) {
		const struct traffic_tx *tx = NULL;

		for (size_t i = 0; i < TXS; i++) {
			if (known >> i & 1 && memcmp(txs[i].wtxid, c->attachment + at, 32) == 0)
				tx = &txs[i];
		}
		buf_append_u32(&out, tx != NULL ? tx->size : 0);
		if (tx != NULL)
			buf_append(&out, tx->data, tx->size);
	}
	if (spoil > 0 && out.size > 0)
		out.data[spoil % out.size] ^= spoil;
	jds_host_answer(call, ADIT_OK, "{}", out.data, out.size);
	buf_free(&out);
}

static void answer_well(size_t call, uint8_t how)
{
	static const char *const verdicts[] = {"{\"valid\":true}",
					       "{\"valid\":false,\"reason\":\"bad-cb-height\"}",
					       "{\"valid\":false,\"reason\":\"bad-txns\"}",
					       "{\"valid\":false}",
					       "{}",
					       "nonsense",
					       "",
					       "{\"valid\":{\"valid\":true},\"reason\":7}"};
	const char *method = jds_host_call(call)->method;

	if (strcmp(method, "get_chain_info") == 0)
		answer_tip(call);
	else if (strcmp(method, "get_transactions_by_wtxid") == 0)
		answer_found(call, how, 0);
	else if (strcmp(method, "check_block") == 0)
		jds_host_answer(call, ADIT_OK, verdicts[how % 8], NULL, 0);
	else
		jds_host_answer(call, ADIT_OK, how % 2 ? "{\"accepted\":true}" : "{}", NULL, 0);
}

static void node_step(struct reader *r)
{
	static const int32_t errors[] = {ADIT_E_LIMIT, ADIT_E_UNSUPPORTED, ADIT_E_UNAVAILABLE,
					 ADIT_E_TIMEOUT};
	size_t count = jds_host_calls();
	uint8_t kind = reader_u8(r);
	uint8_t how = reader_u8(r);
	size_t call = count > 0 ? (kind >> 4) % count : 0;

	if (count == 0)
		return;
	if (kind % 4 < 2)
		answer_well(call, how);
	else if (kind % 4 == 2)
		jds_host_answer(call, errors[how % 4], "", NULL, 0);
	else if (strcmp(jds_host_call(call)->method, "get_transactions_by_wtxid") == 0)
		answer_found(call, 0xff, how);
	else
		jds_host_answer(call, ADIT_OK, "{\"hash\":\"00\",\"height\":-1}", NULL, 0);
}

/* --- clients ------------------------------------------------------------------------------------
 */

static void join(struct client *c, uint8_t flags)
{
	struct adit_sv2_setup_connection request = {.protocol = ADIT_SV2_JOB_DECLARATION,
						    .flags = flags & ADIT_SV2_DECLARE_TX_DATA};
	struct adit_sv2_setup_result result = {0};

	if (c->conn != NULL)
		return;
	*c = (struct client){.conn = fake_conn_new(++connections, request.flags)};
	client_handlers.setup(jds, &c->conn->head, &request, &result);
	require(result.error_code == NULL);
	client_handlers.opened(jds, &c->conn->head);
}

static void leave(struct client *c)
{
	client_handlers.closed(jds, &c->conn->head, "gone");
	fake_conn_free(c->conn);
	c->conn = NULL;
}

/* As the server does it: who breaks the protocol goes. */
static void receive(struct client *c, int32_t message, const void *body)
{
	bool handled;
	int32_t result = sv2_dispatch(SV2_SCOPE_JOB_DECLARATION, SV2_SERVER, &client_handlers, jds,
				      &c->conn->head, message, body, &handled);

	require(handled);
	if (result != ADIT_OK)
		leave(c);
	else if (message == ADIT_SV2_DECLARE_MINING_JOB)
		c->declared++;
}

/* The last record of MESSAGE that was sent to C, or NULL. */
static const struct sent *last_sent(const struct client *c, int32_t message)
{
	for (size_t i = c->conn->count; i > 0; i--) {
		if (c->conn->sent[i - 1]->message == message)
			return c->conn->sent[i - 1];
	}
	return NULL;
}

static void allocate(struct client *c)
{
	struct adit_sv2_allocate_mining_job_token m = {.request_id = ++c->requests};

	receive(c, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN, &m);
}

static void spoil(const struct buf *b, uint8_t at, uint8_t by)
{
	if (b->size > 0)
		b->data[at % b->size] ^= by;
}

/* A declaration as an honest client makes it of the transactions in LISTED, or nearly so. */
static void make_job(struct client *c, struct declarer *d, uint8_t listed, uint8_t height)
{
	const struct sent *token = last_sent(c, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN_SUCCESS);

	*d = (struct declarer){.height = 100u + tip + height % 4,
			       .value = 5000000000,
			       .version = 0x20000000,
			       .nbits = NBITS,
			       .ntime = 1700000100};
	if (token != NULL)
		declarer_pay(d, &token->body.allocate_mining_job_token_success.coinbase_tx_outputs);
	memset(c->listed, 0, sizeof(c->listed));
	for (uint8_t i = 0; i < TXS; i++) {
		if (!(listed >> i & 1))
			continue;
		c->listed[d->tx_count] = i;
		declarer_add_tx(d, txs[i].data, txs[i].size);
	}
	declarer_make(d);
}

static void declare(struct client *c, struct reader *r)
{
	const struct sent *allocated = last_sent(c, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN_SUCCESS);
	const struct sent *declared = last_sent(c, ADIT_SV2_DECLARE_MINING_JOB_SUCCESS);
	struct adit_bytes token = {0};
	struct adit_sv2_declare_mining_job m;
	uint8_t how = reader_u8(r);
	uint8_t listed = reader_u8(r);
	uint8_t at = reader_u8(r);
	uint8_t by = reader_u8(r);
	struct declarer d;

	if (how & 1 && declared != NULL)
		token = declared->body.declare_mining_job_success.new_mining_job_token;
	else if (allocated != NULL)
		token = allocated->body.allocate_mining_job_token_success.mining_job_token;
	make_job(c, &d, listed, how >> 6);
	if (how & 2)
		spoil(&d.declared_prefix, at, by);
	if (how & 4)
		spoil(&d.declared_suffix, at, by);
	if (how & 8)
		spoil(&d.wtxids, at, by);
	m = declarer_declaration(&d, ++c->requests, &token);
	if (how & 16)
		m.coinbase_tx_prefix.size -= at % (m.coinbase_tx_prefix.size + 1);
	if (how & 32)
		m.coinbase_tx_suffix.size -= at % (m.coinbase_tx_suffix.size + 1);
	receive(c, ADIT_SV2_DECLARE_MINING_JOB, &m);
	declarer_free(&d);
}

static void provide(struct client *c, struct reader *r)
{
	const struct sent *s = last_sent(c, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);
	uint8_t how = reader_u8(r);
	const struct adit_sv2_provide_missing_transactions *asked;
	struct adit_sv2_provide_missing_transactions_success m = {0};
	struct buf out = {0};

	if (s == NULL)
		return;
	asked = &s->body.provide_missing_transactions;
	m.request_id = asked->request_id;
	m.transaction_list.count = asked->unknown_tx_position_list.count - (how == 1);
	for (uint32_t i = 0; i < m.transaction_list.count; i++) {
		uint8_t position = asked->unknown_tx_position_list.data[2 * (size_t)i];
		const struct traffic_tx *tx = &txs[c->listed[position % TXS]];

		buf_append_u16(&out, (uint16_t)tx->size);
		buf_append_u8(&out, 0);
		buf_append(&out, tx->data, tx->size);
	}
	if (how > 1)
		spoil(&out, how, how); /* may be a length: the handler has to see to it */
	m.transaction_list.data = out.data;
	m.transaction_list.size = (uint32_t)out.size;
	receive(c, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS_SUCCESS, &m);
	buf_free(&out);
}

static void push(struct client *c, struct reader *r)
{
	static const uint8_t extranonce[32];
	uint8_t how = reader_u8(r);
	struct adit_sv2_push_solution m = {
	    .extranonce = {.data = extranonce, .size = how & 1 ? how >> 3 : DECLARER_EXTRANONCE},
	    .nonce = reader_u8(r),
	    .ntime = 1700000100,
	    .nbits = how & 2 ? 0x01003456 : NBITS,
	    .version = 0x20000000,
	};

	m.prev_hash.b[0] = tip;
	receive(c, ADIT_SV2_PUSH_SOLUTION, &m);
}

/* A payload that the input has all of. */
static void raw(struct client *c, struct reader *r)
{
	static const int32_t messages[] = {
	    ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN, ADIT_SV2_DECLARE_MINING_JOB,
	    ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS_SUCCESS, ADIT_SV2_PUSH_SOLUTION};
	int32_t message = messages[reader_u8(r) % 4];
	size_t size = reader_u16(r);
	const uint8_t *payload;
	union sv2_body body;

	if (size > reader_left(r))
		size = reader_left(r);
	payload = reader_bytes(r, size);
	if (payload != NULL && sv2_decode(message, payload, size, &body, NULL) == ADIT_OK)
		receive(c, message, &body);
}

/* --- runs ---------------------------------------------------------------------------------------
 */

static void check(struct client *c)
{
	uint64_t answers = 0;
	const struct jds_client *known;

	if (c->conn != NULL && c->conn->closed)
		leave(c);
	if (c->conn == NULL)
		return;
	known = adit_sv2_user(&c->conn->head);
	for (size_t i = 0; i < c->conn->count; i++) {
		int32_t message = c->conn->sent[i]->message;

		answers += message == ADIT_SV2_DECLARE_MINING_JOB_SUCCESS ||
			   message == ADIT_SV2_DECLARE_MINING_JOB_ERROR;
	}
	require(known->pending + answers == c->declared);
	require(known->pending <= JDS_PENDING_MAX && known->declared <= JDS_DECLARED_MAX);
}

static void step(struct reader *r)
{
	uint8_t op = reader_u8(r);
	struct client *c = &clients[(op >> 6) % CLIENTS];

	op &= 0x3f;
	if (op % 10 == 0)
		node_step(r);
	else if (op % 10 == 1)
		(void)jds_host_fire(reader_u8(r) % 8);
	else if (op % 10 == 2)
		tip++, jds_host_new_block();
	else if (c->conn == NULL)
		join(c, reader_u8(r));
	else if (op % 10 == 3)
		leave(c);
	else if (op % 10 == 4)
		allocate(c);
	else if (op % 10 == 5)
		provide(c, r);
	else if (op % 10 == 6)
		push(c, r);
	else if (op % 10 == 7)
		raw(c, r);
	else
		declare(c, r);
	for (size_t i = 0; i < CLIENTS; i++)
		check(&clients[i]);
	require(jds->pending <= jds->settings.memory / 2);
	require(jds->txs.bytes + jds->held <= jds->settings.memory);
}

/* Answers and timers until none is left. */
static void settle(void)
{
	while (jds_host_calls() > 0 || jds_host_fire(0)) {
		if (jds_host_calls() > 0)
			answer_well(0, 0);
	}
}

static void start_once(void)
{
	uint64_t number = 0;

	if (jds != NULL)
		return;
	for (size_t i = 0; i < TXS; i++) {
		do
			traffic_make(number++, &txs[i]);
		while (txs[i].parents_count > 0);
	}
	jds = jds_host_start();
	settle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r;

	tip = 1;
	start_once();
	jds_host_new_block();
	settle();
	require(jds->has_tip && jds->tip.hash[0] == 1);
	reader_init(&r, data, size);
	for (int i = 0; i < STEPS_MAX && reader_left(&r) > 0; i++)
		step(&r);
	for (size_t i = 0; i < CLIENTS; i++) {
		if (clients[i].conn != NULL)
			leave(&clients[i]);
	}
	require(jds->client_count == 0 && jds->pending == 0 && jds->node_calls == 0);
	require(jds->txs.count == 0 && jds->txs.bytes + jds->held == 0);
	require(TAILQ_EMPTY(&jds->line));
	settle();
	return 0;
}
