/* SPDX-License-Identifier: MIT */
/* Tests of connections with peers that stop, repeat, trickle or announce too much. What a single
 * payload can do wrong is in test_sv2_codec.c. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#include "lib/sv2/conn.h"
#include "lib/util/clock.h"
#include "tests/unit/sv2_rig.h"

static struct sv2_server_stats stats_of(const struct rig *rig)
{
	struct sv2_server_stats stats;

	sv2_server_stats(rig->server, &stats);
	return stats;
}

static size_t setup_frame(uint8_t *out, size_t capacity)
{
	struct adit_sv2_setup_connection m = rig_setup(ADIT_SV2_MINING, 0);

	return rig_frame(ADIT_SV2_SETUP_CONNECTION, &m, out, capacity);
}

static size_t share_frame(uint32_t nonce, uint8_t *out, size_t capacity)
{
	struct adit_sv2_submit_shares_standard m = {.channel_id = 1, .nonce = nonce};

	return rig_frame(ADIT_SV2_SUBMIT_SHARES_STANDARD, &m, out, capacity);
}

/* --- a handshake that stops --------------------------------------------------------------------
 */

#define SETUP_SEALED (22 + 16 + 16)

/* A client falls silent after each byte of act 1 and of its sealed SetupConnection. */
START_TEST(test_server_handshake_stops)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = rig_secret(),
					.handshake_timeout_ms = 1500};
	struct noise_handshake hs;
	uint8_t act1[NOISE_ACT1_SIZE];
	uint8_t plain[100];
	uint8_t sealed[SETUP_SEALED];
	static struct rig_sealed peers[SETUP_SEALED];
	int silent[NOISE_ACT1_SIZE];

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	ck_assert_int_eq(noise_initiator_start(&hs, act1), ADIT_OK);
	for (size_t n = 0; n < NOISE_ACT1_SIZE; n++) {
		silent[n] = rig_dial(&rig);
		rig_write(silent[n], act1, n);
		rig_run(&rig, 1);
	}
	for (size_t n = 0; n < SETUP_SEALED; n++) {
		size_t size = setup_frame(plain, sizeof(plain));

		ck_assert_uint_eq(sv2_sealed_size((uint32_t)size - 6), SETUP_SEALED);
		rig_dial_sealed(&rig, &peers[n]);
		ck_assert_int_eq(sv2_seal_frame(&peers[n].send, plain, size, sealed), ADIT_OK);
		rig_write(peers[n].fd, sealed, n);
	}
	rig_until_empty(&rig, 6000);
	ck_assert_uint_eq(stats_of(&rig).accepted, NOISE_ACT1_SIZE + SETUP_SEALED);
	ck_assert_uint_eq(stats_of(&rig).handshakes_failed, NOISE_ACT1_SIZE + SETUP_SEALED);
	ck_assert_uint_eq(stats_of(&rig).handshakes, 0);
	ck_assert_uint_eq(rig.opened, 0);
	for (size_t n = 0; n < NOISE_ACT1_SIZE; n++)
		close(silent[n]);
	for (size_t n = 0; n < SETUP_SEALED; n++)
		rig_close_sealed(&peers[n]);
	noise_handshake_wipe(&hs);
	rig_fini(&rig);
}
END_TEST

#define SUCCESS_SEALED (22 + 6 + 16)
#define SERVER_BYTES (NOISE_ACT2_SIZE + SUCCESS_SEALED)

/* Takes a client's connection and sends the first N bytes of act 2 and SetupConnection.Success. */
static int answer_partly(struct rig *rig, const struct noise_identity *id, size_t n)
{
	static const uint8_t success[] = {0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0};
	struct noise_handshake hs;
	struct noise_cipher send;
	struct noise_cipher receive;
	uint8_t act1[NOISE_ACT1_SIZE];
	uint8_t bytes[SERVER_BYTES];
	int fd = -1;

	for (int i = 0; i < 12000 && fd < 0; i++) {
		rig_run(rig, 1);
		fd = accept(rig->listener, NULL, NULL);
	}
	ck_assert(rig_read(rig, fd, act1, sizeof(act1), 2000));
	ck_assert_int_eq(noise_responder(&hs, id, act1, bytes, &send, &receive, NULL), ADIT_OK);
	ck_assert_int_eq(sv2_seal_frame(&send, success, sizeof(success), bytes + NOISE_ACT2_SIZE),
			 ADIT_OK);
	rig_write(fd, bytes, n);
	noise_cipher_fini(&send);
	noise_cipher_fini(&receive);
	noise_handshake_wipe(&hs);
	return fd;
}

/* A server falls silent after each byte up to the last one of SetupConnection.Success. */
START_TEST(test_client_handshake_stops)
{
	struct rig rig;
	struct sv2_client_options co = {
	    .handshake_timeout_ms = 1500, .retry_min_ms = 60000, .retry_max_ms = 60000};
	struct noise_identity id;
	static struct sv2_client *clients[SERVER_BYTES];
	static int fds[SERVER_BYTES];

	rig_init(&rig, false);
	ck_assert_int_eq(noise_identity_issue(&id, rig_secret(), clock_unix(), 3600, 60), ADIT_OK);
	for (size_t n = 0; n < SERVER_BYTES; n++) {
		rig_connect_mining(&rig, &co);
		clients[n] = rig.client;
		fds[n] = answer_partly(&rig, &id, n);
	}
	rig_until(&rig, &rig.client_closed, SERVER_BYTES, 6000);
	ck_assert_uint_eq(rig.client_opened, 0);
	rig.client = NULL;
	for (size_t n = 0; n < SERVER_BYTES; n++) {
		sv2_client_free(clients[n]);
		close(fds[n]);
	}
	noise_identity_wipe(&id);
	rig_fini(&rig);
}
END_TEST

/* --- replay ------------------------------------------------------------------------------------
 */

static void sealed_rig(struct rig *rig, struct rig_sealed *peer)
{
	struct sv2_server_options so = {.authority_secret = rig_secret()};
	uint8_t frame[100];

	rig_init(rig, false);
	rig_serve(rig, &so);
	rig_dial_sealed(rig, peer);
	rig_write_sealed(peer, frame, setup_frame(frame, sizeof(frame)), -1);
	rig_until(rig, &rig->opened, 1, 2000);
}

/* The sealed bytes of a share come again, or come after the next one: their MAC is of another
 * nonce. */
START_TEST(test_replay)
{
	struct rig rig;
	struct rig_sealed peer;
	uint8_t frame[64];
	uint8_t sealed[2][128];
	size_t size = share_frame(1, frame, sizeof(frame));
	size_t wire = sv2_sealed_size((uint32_t)size - SV2_HEADER_SIZE);
	bool again = _i == 0;

	sealed_rig(&rig, &peer);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(sv2_seal_frame(&peer.send, frame, size, sealed[i]), ADIT_OK);
	rig_write(peer.fd, sealed[again ? 0 : 1], wire);
	rig_write(peer.fd, sealed[0], wire);
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert(rig_saw(&rig, "wrong MAC"));
	ck_assert_uint_eq(rig.messages, again ? 1 : 0);
	rig_close_sealed(&peer);
	rig_fini(&rig);
}
END_TEST

/* What one connection sealed says nothing on another one, and a recorded act 1 leads nowhere: the
 * server's keys are fresh. */
START_TEST(test_replay_elsewhere)
{
	struct rig rig;
	struct rig_sealed peer;
	struct noise_handshake hs;
	uint8_t act1[NOISE_ACT1_SIZE];
	uint8_t act2[2][NOISE_ACT2_SIZE];
	uint8_t recorded[SETUP_SEALED];
	uint8_t frame[100];
	size_t size = setup_frame(frame, sizeof(frame));
	int fd[2];

	sealed_rig(&rig, &peer);
	ck_assert_int_eq(noise_initiator_start(&hs, act1), ADIT_OK);
	for (int i = 0; i < 2; i++) {
		fd[i] = rig_dial(&rig);
		rig_write(fd[i], act1, sizeof(act1));
		ck_assert(rig_read(&rig, fd[i], act2[i], NOISE_ACT2_SIZE, 2000));
	}
	ck_assert(memcmp(act2[0], act2[1], NOISE_ACT2_SIZE) != 0);
	noise_cipher_fini(&peer.send);
	noise_cipher_fini(&peer.receive);
	ck_assert_int_eq(noise_initiator_finish(&hs, act2[0], rig.authority_x, clock_unix(), 10,
						&peer.send, &peer.receive, NULL),
			 ADIT_OK);
	ck_assert_int_eq(sv2_seal_frame(&peer.send, frame, size, recorded), ADIT_OK);
	rig_write(fd[0], recorded, sizeof(recorded));
	rig_until(&rig, &rig.opened, 2, 2000);
	rig_write(fd[1], recorded, sizeof(recorded));
	for (int i = 0; i < 12000 && stats_of(&rig).protocol_errors == 0; i++)
		rig_run(&rig, 5);
	ck_assert_uint_eq(stats_of(&rig).protocol_errors, 1);
	ck_assert_uint_eq(rig.opened, 2);
	close(fd[0]);
	close(fd[1]);
	rig_close_sealed(&peer);
	rig_fini(&rig);
}
END_TEST

/* --- nonces ------------------------------------------------------------------------------------
 */

/* The last nonce is never used: a frame that needs it isn't sent, not even in part. */
START_TEST(test_send_nonces_end)
{
	struct rig rig;
	struct rig_sealed peer;
	struct adit_sv2_set_target m = {0};
	uint8_t rest[SV2_SEALED_HEADER_SIZE + 100];

	sealed_rig(&rig, &peer);
	ck_assert(rig_read(&rig, peer.fd, rest, 22 + 6 + 16, 2000)); /* SetupConnection.Success */
	sv2_conn_of(rig.conn)->send.nonce = UINT64_MAX - 1;          /* enough for the header */
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_SET_TARGET, &m), ADIT_E_LIMIT);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_SET_TARGET, &m), ADIT_E_UNAVAILABLE);
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert(rig_saw(&rig, "could not be sealed"));
	ck_assert_uint_eq(rig_read_end(&rig, peer.fd, rest, 2000), 0);
	rig_close_sealed(&peer);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_receive_nonces_end)
{
	struct rig rig;
	struct rig_sealed peer;
	uint8_t frame[64];

	sealed_rig(&rig, &peer);
	sv2_conn_of(rig.conn)->receive.nonce = UINT64_MAX;
	rig_write_sealed(&peer, frame, share_frame(1, frame, sizeof(frame)), -1);
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert_uint_eq(rig.messages, 0);
	rig_close_sealed(&peer);
	rig_fini(&rig);
}
END_TEST

/* --- announced sizes ---------------------------------------------------------------------------
 */

static void jds_opened(void *context, struct adit_sv2_conn *conn)
{
	struct rig *rig = context;

	rig->conn = conn;
	rig->opened++;
}

static void jds_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct rig *rig = context;

	(void)conn;
	(void)buf_append(&rig->trace, reason, strlen(reason));
	rig->closed++;
}

/* A plain connection on which MESSAGE may be sent to the server. */
static int dial_for(struct rig *rig, int32_t message)
{
	static const struct adit_sv2_job_declaration_server_handlers jds = {
	    .size = sizeof(jds), .opened = jds_opened, .closed = jds_closed};
	struct sv2_server_options so = {0};
	uint8_t scope = sv2_message(message)->scope;

	rig_init(rig, false);
	rig_serve(rig, &so);
	ck_assert_int_eq(sv2_server_set_job_declaration(rig->server, &jds, rig), ADIT_OK);
	sv2_server_set_open(rig->server, ADIT_SV2_JOB_DECLARATION, true);
	if (scope == SV2_SCOPE_JOB_DECLARATION)
		return rig_dial_plain(rig, ADIT_SV2_JOB_DECLARATION);
	return rig_dial_plain(rig, scope == SV2_SCOPE_TEMPLATE ? ADIT_SV2_TEMPLATE_DISTRIBUTION
							       : ADIT_SV2_MINING);
}

static bool to_open_server(const struct sv2_message *m)
{
	return (m->direction & SV2_C2S) != 0 && m->scope != SV2_SCOPE_COMMON;
}

static void write_header(int fd, int32_t message, uint32_t size)
{
	uint8_t header[SV2_HEADER_SIZE];

	sv2_header_write(message, size, header);
	rig_write(fd, header, sizeof(header));
}

/* One byte more than the message's bound: refused by the header alone. */
START_TEST(test_announces_too_much)
{
	const struct sv2_message *m = sv2_message(_i);
	struct rig rig;
	int fd;

	if (!to_open_server(m) || m->max_payload == SV2_MAX_PAYLOAD)
		return;
	fd = dial_for(&rig, _i);
	write_header(fd, _i, m->max_payload + 1);
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert(rig_saw(&rig, "message too large"));
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* The largest payload is announced and ten bytes of it come: they alone are kept. */
START_TEST(test_announces_and_waits)
{
	const struct sv2_message *m = sv2_message(_i);
	const struct sv2_conn *c;
	struct rig rig;
	int fd;

	if (!to_open_server(m))
		return;
	fd = dial_for(&rig, _i);
	c = sv2_conn_of(rig.conn);
	write_header(fd, _i, m->max_payload);
	rig_write(fd, "0123456789", 10);
	for (int i = 0; i < 12000 && c->unit.size < 10; i++)
		rig_run(&rig, 2);
	ck_assert_uint_eq(c->unit.size, 10);
	ck_assert_uint_le(c->unit.capacity, 1024);
	ck_assert_uint_eq(c->payload.capacity, 0);
	ck_assert_uint_eq(rig.closed, 0);
	close(fd);
	rig_until(&rig, &rig.closed, 1, 2000);
	rig_fini(&rig);
}
END_TEST

/* --- a trickle ---------------------------------------------------------------------------------
 */

static int32_t send_template(struct adit_sv2_conn *conn)
{
	static const uint8_t outputs[60000];
	struct adit_sv2_new_template m = {.coinbase_tx_outputs = {outputs, sizeof(outputs)}};

	return adit_sv2_send(conn, ADIT_SV2_NEW_TEMPLATE, &m);
}

/* The peer always takes something, but far too little: that is a stall as well. (How a reader of
 * one byte a second looks from here depends on its window: nothing for long, or a little now and
 * then.) */
START_TEST(test_trickling_reader)
{
	struct rig rig;
	struct sv2_server_options so = {.max_pending = (size_t)64 << 20, .write_timeout_ms = 1000};
	static char sink[8192];
	int small = 8192;
	size_t taken = 0;
	uint64_t end;
	int fd;

	rig_init(&rig, true);
	rig_serve(&rig, &so);
	fd = rig_dial_plain(&rig, ADIT_SV2_TEMPLATE_DISTRIBUTION);
	ck_assert_int_eq(
	    setsockopt(sv2_conn_of(rig.conn)->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 400; i++)
		ck_assert_int_eq(send_template(rig.conn), ADIT_OK);
	end = clock_monotonic_ms() + 60000;
	while (rig.closed == 0 && clock_monotonic_ms() < end) {
		ssize_t n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);

		taken += n > 0 ? (size_t)n : 0;
		rig_run(&rig, 250);
	}
	ck_assert_uint_eq(rig.closed, 1);
	ck_assert(rig_saw(&rig, "does not read"));
	ck_assert_uint_gt(taken, 2 * sizeof(sink)); /* it did take bytes all the time */
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* A slow peer that takes enough is served to the end. */
START_TEST(test_slow_but_steady)
{
	struct rig rig;
	struct sv2_server_options so = {.max_pending = (size_t)64 << 20, .write_timeout_ms = 2000};
	static char sink[32768];
	size_t left = (size_t)60 * (SV2_HEADER_SIZE + 41 + 60000);
	uint64_t end;
	int fd;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	fd = rig_dial_plain(&rig, ADIT_SV2_TEMPLATE_DISTRIBUTION);
	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(send_template(rig.conn), ADIT_OK);
	end = clock_monotonic_ms() + 60000;
	while (left > 0 && clock_monotonic_ms() < end) {
		ssize_t n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);

		left -= n > 0 ? (size_t)n : 0;
		rig_run(&rig, 30);
	}
	ck_assert_uint_eq(left, 0);
	ck_assert_uint_eq(rig.closed, 0);
	close(fd);
	rig_until(&rig, &rig.closed, 1, 2000);
	rig_fini(&rig);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, test_server_handshake_stops);
	tcase_add_test(tcase, test_client_handshake_stops);
	tcase_add_loop_test(tcase, test_replay, 0, 2);
	tcase_add_test(tcase, test_replay_elsewhere);
	tcase_add_test(tcase, test_send_nonces_end);
	tcase_add_test(tcase, test_receive_nonces_end);
	tcase_add_loop_test(tcase, test_announces_too_much, 0, ADIT_SV2_MESSAGE_COUNT);
	tcase_add_loop_test(tcase, test_announces_and_waits, 0, ADIT_SV2_MESSAGE_COUNT);
	tcase_add_test(tcase, test_trickling_reader);
	tcase_add_test(tcase, test_slow_but_steady);
}

int main(void)
{
	Suite *suite = suite_create("sv2-hostile");
	TCase *tcase = tcase_create("hostile");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
