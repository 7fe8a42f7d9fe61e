/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/declarator.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/bitcoin/tx.h"
#include "lib/sv2/codec.h"
#include "lib/sv2/frame.h"
#include "lib/util/clock.h"
#include "lib/util/reader.h"
#include "tests/bench/bench.h"

#define WAIT_S 60
#define USER "bench"

static struct adit_bytes text(const char *t)
{
	return (struct adit_bytes){(const uint8_t *)t, (uint32_t)strlen(t)};
}

/* --- a connection ------------------------------------------------------------------------------
 */

static void write_all(const struct declarator_line *l, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(l->fd, data, size, MSG_NOSIGNAL);

		if (n <= 0)
			bench_broken("a server closed, or does not read");
		data += n;
		size -= (size_t)n;
	}
}

static void read_all(const struct declarator_line *l, uint8_t *out, size_t size)
{
	while (size > 0) {
		ssize_t n = recv(l->fd, out, size, 0);

		if (n <= 0)
			bench_broken("a server closed, or does not answer");
		out += n;
		size -= (size_t)n;
	}
}

static void say(struct declarator_line *l, int32_t message, const void *body)
{
	struct buf frame = {0};
	size_t size = 0;
	uint8_t *plain, *sealed;

	(void)sv2_encode_frame(message, body, NULL, 0, &size);
	plain = buf_reserve(&frame, size);
	buf_clear(&l->sealed);
	if (plain == NULL || sv2_encode_frame(message, body, plain, size, &size) != ADIT_OK)
		bench_broken("a message can't be encoded");
	sealed = buf_reserve(&l->sealed, sv2_sealed_size((uint32_t)(size - SV2_HEADER_SIZE)));
	if (sealed == NULL || sv2_seal_frame(&l->send, plain, size, sealed) != ADIT_OK)
		bench_broken("a message can't be sealed");
	write_all(l, sealed, sv2_sealed_size((uint32_t)(size - SV2_HEADER_SIZE)));
	buf_free(&frame);
}

/* The next message; what BODY borrows is valid until the next call. */
static int32_t hear(struct declarator_line *l, union sv2_body *body)
{
	uint8_t chunk[SV2_SEALED_CHUNK_SIZE];
	struct sv2_header header;
	int32_t message;

	read_all(l, chunk, SV2_SEALED_HEADER_SIZE);
	if (noise_open(&l->receive, chunk, SV2_SEALED_HEADER_SIZE, chunk) != ADIT_OK)
		bench_broken("a wrong MAC");
	sv2_header_read(chunk, &header);
	buf_clear(&l->sealed);
	for (uint32_t left = header.size; left > 0;) {
		uint32_t part = left < SV2_CHUNK_SIZE ? left : SV2_CHUNK_SIZE;

		read_all(l, chunk, part + NOISE_MAC_SIZE);
		if (noise_open(&l->receive, chunk, part + NOISE_MAC_SIZE, chunk) != ADIT_OK ||
		    !buf_append(&l->sealed, chunk, part))
			bench_broken("a wrong MAC, or no memory");
		left -= part;
	}
	message = sv2_message_find(header.extension, header.type);
	if (message < 0 ||
	    sv2_decode(message, l->sealed.data, l->sealed.size, body, NULL) != ADIT_OK)
		bench_broken("a message can't be decoded");
	return message;
}

/* Others are passed over. */
static void await(struct declarator_line *l, int32_t message, int32_t error, union sv2_body *body)
{
	uint64_t until = clock_monotonic_ms() + WAIT_S * 1000;
	int32_t came;

	do {
		came = hear(l, body);
		if (came == error || clock_monotonic_ms() > until)
			bench_broken(sv2_message(message)->title);
	} while (came != message);
}

static void dial(struct declarator_line *l, uint16_t port, uint8_t protocol, uint32_t flags)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval wait = {.tv_sec = WAIT_S};
	struct adit_sv2_setup_connection m = {.protocol = protocol,
					      .min_version = 2,
					      .max_version = 2,
					      .flags = flags,
					      .endpoint_host = text("127.0.0.1"),
					      .vendor = text("adit"),
					      .hardware_version = text("bench")};
	uint8_t act1[NOISE_ACT1_SIZE], act2[NOISE_ACT2_SIZE];
	struct noise_handshake shake;
	struct error e = {0};
	union sv2_body body;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0 ||
	    connect(l->fd, (const struct sockaddr *)&at, sizeof(at)) != 0)
		bench_broken("no connection");
	if (noise_initiator_start(&shake, act1) != ADIT_OK)
		bench_broken("no handshake");
	write_all(l, act1, sizeof(act1));
	read_all(l, act2, sizeof(act2));
	if (noise_initiator_finish(&shake, act2, NULL, clock_unix(), 60, &l->send, &l->receive,
				   &e) != ADIT_OK)
		bench_broken(e.text);
	say(l, ADIT_SV2_SETUP_CONNECTION, &m);
	await(l, ADIT_SV2_SETUP_CONNECTION_SUCCESS, ADIT_SV2_SETUP_CONNECTION_ERROR, &body);
}

void declarator_hang_up(struct declarator_line *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	l->fd = -1;
	noise_cipher_fini(&l->send);
	noise_cipher_fini(&l->receive);
	buf_free(&l->sealed);
}

/* --- templates ---------------------------------------------------------------------------------
 */

static uint64_t take_template(struct declarator *d)
{
	struct adit_sv2_coinbase_output_constraints m = {.coinbase_output_max_additional_size =
							     100};
	const struct adit_sv2_new_template *t;
	union sv2_body body;
	uint64_t id;

	say(&d->templates, ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS, &m);
	await(&d->templates, ADIT_SV2_NEW_TEMPLATE, -1, &body);
	t = &body.new_template;
	id = t->template_id;
	d->template_ns = clock_monotonic_ns();
	d->work.version = t->version;
	d->work.value = t->coinbase_tx_value_remaining;
	if (!bip34_height(t->coinbase_prefix.data, t->coinbase_prefix.size, &d->work.height))
		bench_broken("a template without a height");
	await(&d->templates, ADIT_SV2_TEMPLATE_SET_NEW_PREV_HASH, -1, &body);
	memcpy(d->work.prev_hash, body.template_set_new_prev_hash.prev_hash.b, 32);
	d->work.nbits = body.template_set_new_prev_hash.n_bits;
	d->work.ntime = body.template_set_new_prev_hash.ntime_start;
	return id;
}

void declarator_template(struct declarator *d, uint16_t port)
{
	struct adit_sv2_request_transaction_data m;
	const struct adit_sv2_seq *list;
	union sv2_body body;
	struct reader r;

	dial(&d->templates, port, ADIT_SV2_TEMPLATE_DISTRIBUTION, 0);
	m.template_id = take_template(d);
	say(&d->templates, ADIT_SV2_REQUEST_TRANSACTION_DATA, &m);
	await(&d->templates, ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS,
	      ADIT_SV2_REQUEST_TRANSACTION_DATA_ERROR, &body);
	list = &body.request_transaction_data_success.transaction_list;
	reader_init(&r, list->data, list->size);
	buf_clear(&d->work.txs);
	d->work.tx_count = 0;
	for (uint32_t i = 0; i < list->count; i++) {
		uint32_t size = reader_u24(&r);

		declarer_add_tx(&d->work, reader_bytes(&r, size), size);
	}
	declarator_hang_up(&d->templates);
}

/* --- declaration -------------------------------------------------------------------------------
 */

void declarator_declaration(struct declarator *d, uint16_t port)
{
	dial(&d->declaration, port, ADIT_SV2_JOB_DECLARATION, ADIT_SV2_DECLARE_TX_DATA);
}

static void keep_token(struct declarator *d, const struct adit_bytes *token)
{
	memcpy(d->token, token->data, token->size);
	d->token_size = token->size;
}

void declarator_prepare(struct declarator *d)
{
	struct adit_sv2_allocate_mining_job_token m = {.user_identifier = text(USER),
						       .request_id = ++d->requests};
	union sv2_body body;

	say(&d->declaration, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN, &m);
	await(&d->declaration, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN_SUCCESS, -1, &body);
	keep_token(d, &body.allocate_mining_job_token_success.mining_job_token);
	declarer_pay(&d->work, &body.allocate_mining_job_token_success.coinbase_tx_outputs);
	declarer_make(&d->work);
}

static uint32_t provide(struct declarator *d, const struct adit_sv2_provide_missing_transactions *p)
{
	uint32_t count = p->unknown_tx_position_list.count;
	struct buf out = {0};
	struct adit_sv2_provide_missing_transactions_success m =
	    declarer_provide(&d->work, p->request_id, &p->unknown_tx_position_list, &out);

	say(&d->declaration, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS_SUCCESS, &m);
	buf_free(&out);
	return count;
}

void declarator_begin(struct declarator *d)
{
	struct adit_bytes token = {.data = d->token, .size = d->token_size};
	struct adit_sv2_declare_mining_job m =
	    declarer_declaration(&d->work, ++d->requests, &token);

	say(&d->declaration, ADIT_SV2_DECLARE_MINING_JOB, &m);
}

void declarator_await_asked(struct declarator *d)
{
	union sv2_body body;

	await(&d->declaration, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS,
	      ADIT_SV2_DECLARE_MINING_JOB_ERROR, &body);
}

void declarator_await_accepted(struct declarator *d)
{
	union sv2_body body;

	await(&d->declaration, ADIT_SV2_DECLARE_MINING_JOB_SUCCESS,
	      ADIT_SV2_DECLARE_MINING_JOB_ERROR, &body);
}

uint32_t declarator_declare(struct declarator *d)
{
	uint32_t asked = 0;
	union sv2_body body;
	int32_t came;

	declarator_begin(d);
	came = hear(&d->declaration, &body);
	if (came == ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS) {
		asked = provide(d, &body.provide_missing_transactions);
		came = hear(&d->declaration, &body);
	}
	if (came != ADIT_SV2_DECLARE_MINING_JOB_SUCCESS)
		bench_broken("a declaration is refused");
	keep_token(d, &body.declare_mining_job_success.new_mining_job_token);
	return asked;
}

/* --- mining ------------------------------------------------------------------------------------
 */

void declarator_mining(struct declarator *d, uint16_t port)
{
	struct adit_sv2_open_extended_mining_channel m = {
	    .request_id = ++d->requests, .user_identity = text(USER), .min_extranonce_size = 8};
	union sv2_body body;

	memset(m.max_target.b, 0xff, sizeof(m.max_target.b));
	dial(&d->mining, port, ADIT_SV2_MINING,
	     ADIT_SV2_REQUIRES_WORK_SELECTION | ADIT_SV2_REQUIRES_VERSION_ROLLING);
	say(&d->mining, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL, &m);
	await(&d->mining, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS,
	      ADIT_SV2_OPEN_MINING_CHANNEL_ERROR, &body);
	d->channel = body.open_extended_mining_channel_success.channel_id;
}

void declarator_set_job(struct declarator *d)
{
	struct adit_bytes token = {.data = d->token, .size = d->token_size};
	struct adit_sv2_set_custom_mining_job m =
	    declarer_job(&d->work, d->channel, ++d->requests, &token);
	union sv2_body body;

	say(&d->mining, ADIT_SV2_SET_CUSTOM_MINING_JOB, &m);
	await(&d->mining, ADIT_SV2_SET_CUSTOM_MINING_JOB_SUCCESS,
	      ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR, &body);
}

void declarator_free(struct declarator *d)
{
	declarator_hang_up(&d->declaration);
	declarator_hang_up(&d->mining);
	declarer_free(&d->work);
}
