/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/sv2_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>

#include "lib/util/clock.h"
#include "lib/util/hex.h"

#define PATIENCE_MS 60000

/* --- the server's application ------------------------------------------------------------------
 */

static void on_opened(void *context, struct adit_sv2_conn *conn)
{
	struct rig *rig = context;

	rig->conn = conn;
	rig->opened++;
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct rig *rig = context;

	if (rig->conn == conn)
		rig->conn = NULL;
	rig->closed++;
	(void)buf_printf(&rig->trace, "[%s]", reason);
}

static void on_batch_end(void *context, struct adit_sv2_conn *conn)
{
	struct rig *rig = context;

	(void)conn;
	rig->batches++;
}

static int32_t on_share(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_submit_shares_standard *m)
{
	struct rig *rig = context;

	(void)conn;
	rig->messages++;
	rig->sum += m->nonce;
	return rig->verdict;
}

static int32_t on_open_channel(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_open_standard_mining_channel *m)
{
	struct rig *rig = context;
	struct adit_sv2_open_standard_mining_channel_success answer = {
	    .request_id = m->request_id, .channel_id = 7, .target = m->max_target};

	rig->messages++;
	return adit_sv2_send(conn, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL_SUCCESS, &answer);
}

static int32_t on_solution(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_submit_solution *m)
{
	struct rig *rig = context;

	(void)conn;
	rig->messages++;
	rig->sum += m->coinbase_tx.size;
	return rig->verdict;
}

/* --- the client's application ------------------------------------------------------------------
 */

static void on_client_opened(void *context, struct adit_sv2_conn *conn,
			     const struct adit_sv2_setup_connection_success *success)
{
	struct rig *rig = context;

	(void)success;
	rig->upstream = conn;
	rig->client_opened++;
}

static void on_client_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct rig *rig = context;

	(void)conn;
	rig->upstream = NULL;
	rig->client_closed++;
	(void)buf_printf(&rig->trace, "{%s}", reason);
}

static int32_t on_channel(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_open_standard_mining_channel_success *m)
{
	struct rig *rig = context;

	(void)conn;
	rig->client_messages++;
	rig->sum += m->channel_id;
	return ADIT_OK;
}

static int32_t on_transactions(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_request_transaction_data_success *m)
{
	struct rig *rig = context;

	(void)conn;
	rig->client_messages++;
	for (uint32_t i = 0; i < m->transaction_list.size; i++)
		rig->sum += m->transaction_list.data[i];
	return ADIT_OK;
}

/* --- setting up --------------------------------------------------------------------------------
 */

const uint8_t *rig_secret(void)
{
	static uint8_t secret[32];

	memset(secret, RIG_SECRET_BYTE, sizeof(secret));
	return secret;
}

static void listen_tcp(struct rig *rig)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rig->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(rig->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(getsockname(rig->listener, (struct sockaddr *)&at, &size), 0);
	rig->port = ntohs(at.sin_port);
	(void)snprintf(rig->address, sizeof(rig->address), "127.0.0.1:%u", rig->port);
}

static void listen_unix(struct rig *rig)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)snprintf(rig->path, sizeof(rig->path), "/tmp/test-sv2.%ld.sock", (long)getpid());
	(void)unlink(rig->path);
	memcpy(at.sun_path, rig->path, strlen(rig->path) + 1);
	rig->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(rig->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	(void)snprintf(rig->address, sizeof(rig->address), "unix:%s", rig->path);
}

void rig_init(struct rig *rig, bool is_unix)
{
	memset(rig, 0, sizeof(*rig));
	rig->base = event_base_new();
	ck_assert_ptr_nonnull(rig->base);
	if (is_unix)
		listen_unix(rig);
	else
		listen_tcp(rig);
	ck_assert_int_eq(listen(rig->listener, 64), 0);
	/* x of the secret 32 x 0x44; sv2-protocol digest section 15.1 */
	ck_assert(hex_decode("2c0b7cf95324a07d05398b240174dc0c2be444d96b159aa6c7f7b1e668680991",
			     rig->authority_x, 32));
	rig->mining = (struct adit_sv2_mining_server_handlers){
	    .size = sizeof(rig->mining),
	    .supported_flags = ADIT_SV2_REQUIRES_STANDARD_JOBS,
	    .opened = on_opened,
	    .closed = on_closed,
	    .batch_end = on_batch_end,
	    .open_standard_mining_channel = on_open_channel,
	    .submit_shares_standard = on_share};
	rig->tp = (struct adit_sv2_template_server_handlers){.size = sizeof(rig->tp),
							     .opened = on_opened,
							     .closed = on_closed,
							     .submit_solution = on_solution};
	rig->mining_client = (struct adit_sv2_mining_client_handlers){
	    .size = sizeof(rig->mining_client),
	    .opened = on_client_opened,
	    .closed = on_client_closed,
	    .open_standard_mining_channel_success = on_channel};
	rig->tp_client = (struct adit_sv2_template_client_handlers){
	    .size = sizeof(rig->tp_client),
	    .opened = on_client_opened,
	    .closed = on_client_closed,
	    .request_transaction_data_success = on_transactions};
}

void rig_serve(struct rig *rig, const struct sv2_server_options *options)
{
	rig->server = sv2_server_new(rig->base, options);
	ck_assert_ptr_nonnull(rig->server);
	ck_assert_int_eq(sv2_server_listen(rig->server, rig->listener, rig->port == 0), ADIT_OK);
	ck_assert_int_eq(sv2_server_set_mining(rig->server, &rig->mining, rig), ADIT_OK);
	ck_assert_int_eq(sv2_server_set_template(rig->server, &rig->tp, rig), ADIT_OK);
	sv2_server_set_open(rig->server, ADIT_SV2_MINING, true);
	sv2_server_set_open(rig->server, ADIT_SV2_TEMPLATE_DISTRIBUTION, true);
}

static void client_options(struct rig *rig, struct sv2_client_options *options)
{
	if (options->address == NULL)
		options->address = rig->address;
	if (!options->plain && options->authority_x == NULL)
		options->authority_x = rig->authority_x;
	if (options->retry_min_ms == 0)
		options->retry_min_ms = options->retry_max_ms = 20;
}

void rig_connect_mining(struct rig *rig, struct sv2_client_options *options)
{
	client_options(rig, options);
	rig->client = sv2_client_new_mining(rig->base, options, &rig->mining_client, rig, NULL);
	ck_assert_ptr_nonnull(rig->client);
}

void rig_connect_template(struct rig *rig, struct sv2_client_options *options)
{
	client_options(rig, options);
	rig->client = sv2_client_new_template(rig->base, options, &rig->tp_client, rig, NULL);
	ck_assert_ptr_nonnull(rig->client);
}

void rig_fini(struct rig *rig)
{
	sv2_client_free(rig->client);
	sv2_server_free(rig->server);
	ck_assert_uint_eq(rig->opened, rig->closed);
	/* A look-up that was given up calls back once more, from the loop. */
	for (int i = 0; i < 3; i++)
		(void)event_base_loop(rig->base, EVLOOP_NONBLOCK);
	close(rig->listener);
	if (rig->path[0] != '\0')
		(void)unlink(rig->path);
	event_base_free(rig->base);
	buf_free(&rig->trace);
}

/* --- running -----------------------------------------------------------------------------------
 */

/* One turn of the loop, at most 5 ms long. */
static void rig_turn(struct rig *rig)
{
	struct timeval slice = {.tv_usec = 5000};

	(void)event_base_loopexit(rig->base, &slice);
	(void)event_base_loop(rig->base, EVLOOP_ONCE);
}

/* When to give up what takes MS on an idle machine. */
static uint64_t patience(uint32_t ms)
{
	return clock_monotonic_ms() + (ms > PATIENCE_MS ? ms : PATIENCE_MS);
}

void rig_until(struct rig *rig, const uint32_t *count, uint32_t at_least, uint32_t ms)
{
	uint64_t end = patience(ms);

	while (*count < at_least && clock_monotonic_ms() < end)
		rig_turn(rig);
	ck_assert_uint_ge(*count, at_least);
}

void rig_run(struct rig *rig, uint32_t ms)
{
	uint64_t end = clock_monotonic_ms() + ms;

	while (clock_monotonic_ms() < end)
		rig_turn(rig);
}

void rig_until_empty(struct rig *rig, uint32_t ms)
{
	uint64_t end = patience(ms);
	struct sv2_server_stats stats;

	do {
		rig_turn(rig);
		sv2_server_stats(rig->server, &stats);
	} while (stats.connections > 0 && clock_monotonic_ms() < end);
	ck_assert_uint_eq(stats.connections, 0);
}

/* --- raw peers ---------------------------------------------------------------------------------
 */

static int dial_unix(const struct rig *rig)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(at.sun_path, rig->path, strlen(rig->path) + 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

int rig_dial(const struct rig *rig)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd;

	if (rig->port == 0)
		return dial_unix(rig);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons(rig->port);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

void rig_write(int fd, const void *data, size_t size)
{
	ck_assert_int_eq(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

bool rig_read(struct rig *rig, int fd, void *out, size_t size, uint32_t ms)
{
	uint64_t end = patience(ms);
	size_t have = 0;

	while (have < size) {
		ssize_t n;

		ck_assert_msg(clock_monotonic_ms() < end, "%zu of %zu bytes came", have, size);
		rig_turn(rig);
		n = recv(fd, (char *)out + have, size - have, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		if (n > 0)
			have += (size_t)n;
	}
	return true;
}

size_t rig_frame(int32_t message, const void *body, uint8_t *out, size_t capacity)
{
	size_t size;

	ck_assert_int_eq(sv2_encode_frame(message, body, out, capacity, &size), ADIT_OK);
	return size;
}

struct adit_sv2_setup_connection rig_setup(uint8_t protocol, uint32_t flags)
{
	return (struct adit_sv2_setup_connection){
	    .protocol = protocol, .min_version = 2, .max_version = 2, .flags = flags};
}

int rig_dial_plain(struct rig *rig, uint8_t protocol)
{
	struct adit_sv2_setup_connection m = rig_setup(protocol, 0);
	uint8_t frame[64];
	size_t size = rig_frame(ADIT_SV2_SETUP_CONNECTION, &m, frame, sizeof(frame));
	int fd = rig_dial(rig);

	rig_write(fd, frame, size);
	ck_assert(rig_read(rig, fd, frame, 12, 2000));
	ck_assert_uint_eq(frame[2], 0x01);
	return fd;
}

size_t rig_read_end(struct rig *rig, int fd, uint8_t out[100], uint32_t ms)
{
	size_t have = 0;

	while (have < 100 && rig_read(rig, fd, out + have, 1, ms))
		have++;
	return have;
}

bool rig_saw(struct rig *rig, const char *text)
{
	return rig->trace.size > 0 &&
	       memmem(rig->trace.data, rig->trace.size, text, strlen(text)) != NULL;
}

void rig_dial_sealed(struct rig *rig, struct rig_sealed *peer)
{
	struct noise_handshake hs;
	uint8_t act1[NOISE_ACT1_SIZE];
	uint8_t act2[NOISE_ACT2_SIZE];

	peer->fd = rig_dial(rig);
	ck_assert_int_eq(noise_initiator_start(&hs, act1), ADIT_OK);
	rig_write(peer->fd, act1, sizeof(act1));
	ck_assert(rig_read(rig, peer->fd, act2, sizeof(act2), 2000));
	ck_assert_int_eq(noise_initiator_finish(&hs, act2, rig->authority_x, clock_unix(), 10,
						&peer->send, &peer->receive, NULL),
			 ADIT_OK);
}

void rig_write_sealed(struct rig_sealed *peer, const uint8_t *frame, size_t size, int flip)
{
	uint8_t wire[1024];
	size_t wire_size = sv2_sealed_size((uint32_t)size - SV2_HEADER_SIZE);

	ck_assert_uint_le(wire_size, sizeof(wire));
	ck_assert_int_eq(sv2_seal_frame(&peer->send, frame, size, wire), ADIT_OK);
	if (flip >= 0)
		wire[flip] ^= 1;
	rig_write(peer->fd, wire, wire_size);
}

void rig_close_sealed(struct rig_sealed *peer)
{
	close(peer->fd);
	noise_cipher_fini(&peer->send);
	noise_cipher_fini(&peer->receive);
}
