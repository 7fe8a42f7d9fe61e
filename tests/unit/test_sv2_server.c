/* SPDX-License-Identifier: MIT */
/* Tests of server.h over real sockets. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <poll.h>

#include "lib/sv2/conn.h"
#include "lib/util/clock.h"
#include "tests/unit/sv2_rig.h"

static struct sv2_server_stats stats_of(const struct rig *rig)
{
	struct sv2_server_stats stats;

	sv2_server_stats(rig->server, &stats);
	return stats;
}

/* A rig with a plain server on TCP. */
static void plain_rig(struct rig *rig)
{
	struct sv2_server_options so = {0};

	rig_init(rig, false);
	rig_serve(rig, &so);
}

static size_t share_frame(uint32_t nonce, uint8_t *out, size_t capacity)
{
	struct adit_sv2_submit_shares_standard m = {.channel_id = 1, .nonce = nonce};

	return rig_frame(ADIT_SV2_SUBMIT_SHARES_STANDARD, &m, out, capacity);
}

static void send_share(int fd, uint32_t nonce)
{
	uint8_t frame[64];
	size_t size = share_frame(nonce, frame, sizeof(frame));

	rig_write(fd, frame, size);
}

/* The server has closed FD without a word, for a reason with TEXT in it. */
static void ck_closed_silently(struct rig *rig, int fd, const char *text)
{
	uint8_t rest[100];

	ck_assert_uint_eq(rig_read_end(rig, fd, rest, 2000), 0);
	rig_until_empty(rig, 2000);
	ck_assert_uint_eq(stats_of(rig).protocol_errors, 1);
	if (text != NULL)
		ck_assert_msg(rig_saw(rig, text), "%.*s", (int)rig->trace.size,
			      (char *)rig->trace.data);
}

/* --- conversations -----------------------------------------------------------------------------
 */

static void open_channel(struct adit_sv2_conn *conn)
{
	struct adit_sv2_open_standard_mining_channel m = {.request_id = 3,
							  .nominal_hash_rate = 1e9f};

	memset(m.max_target.b, 0xff, sizeof(m.max_target.b));
	ck_assert_int_eq(adit_sv2_send(conn, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL, &m), ADIT_OK);
}

/* Plain or sealed, over TCP or a Unix socket. */
START_TEST(test_conversation)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = _i & 1 ? NULL : rig_secret()};
	struct sv2_client_options co = {.plain = _i & 1, .flags = ADIT_SV2_REQUIRES_STANDARD_JOBS};
	struct sv2_server_stats stats;

	rig_init(&rig, _i & 2);
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	ck_assert_uint_eq(adit_sv2_conn_flags(rig.conn), ADIT_SV2_REQUIRES_STANDARD_JOBS);
	ck_assert_str_eq(adit_sv2_peer(rig.upstream), rig.address);
	open_channel(rig.upstream);
	rig_until(&rig, &rig.client_messages, 1, 2000);
	ck_assert_uint_eq(rig.sum, 7);
	ck_assert_uint_eq(rig.batches, 1);
	stats = stats_of(&rig);
	ck_assert_uint_eq(stats.accepted, 1);
	ck_assert_uint_eq(stats.connections, 1);
	ck_assert_uint_eq(stats.handshakes, 0);
	ck_assert_uint_eq(stats.messages_in, 2);
	ck_assert_uint_eq(stats.messages_out, 2);
	rig_fini(&rig);
	ck_assert_uint_eq(rig.client_closed, 1);
}
END_TEST

/* Shares that arrive together are one batch; each byte alone is the same. */
START_TEST(test_batches)
{
	struct rig rig;
	uint8_t frames[400];
	size_t size = 0;
	int fd;

	plain_rig(&rig);
	fd = rig_dial_plain(&rig, ADIT_SV2_MINING);
	for (uint32_t i = 1; i <= 5; i++)
		size += share_frame(i, frames + size, sizeof(frames) - size);
	rig_write(fd, frames, size);
	rig_until(&rig, &rig.messages, 5, 2000);
	ck_assert_uint_eq(rig.batches, 1);
	ck_assert_uint_eq(rig.sum, 15);
	for (size_t i = 0; i < size; i++) {
		rig_write(fd, frames + i, 1);
		rig_run(&rig, 1);
	}
	rig_until(&rig, &rig.messages, 10, 2000);
	ck_assert_uint_eq(rig.batches, 6);
	ck_assert_uint_eq(rig.sum, 30);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* A whole sealed conversation, one byte at a time. */
START_TEST(test_byte_by_byte_sealed)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = rig_secret()};
	struct adit_sv2_setup_connection m = rig_setup(ADIT_SV2_MINING, 0);
	struct rig_sealed peer;
	uint8_t wire[512];
	uint8_t frame[64];
	size_t size;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	rig_dial_sealed(&rig, &peer);
	size = rig_frame(ADIT_SV2_SETUP_CONNECTION, &m, frame, sizeof(frame));
	ck_assert_int_eq(sv2_seal_frame(&peer.send, frame, size, wire), ADIT_OK);
	size = sv2_sealed_size((uint32_t)size - SV2_HEADER_SIZE);
	(void)share_frame(77, frame, sizeof(frame));
	ck_assert_int_eq(sv2_seal_frame(&peer.send, frame, 30, wire + size), ADIT_OK);
	size += sv2_sealed_size(24);
	for (size_t i = 0; i < size; i++) {
		rig_write(peer.fd, wire + i, 1);
		rig_run(&rig, 1);
	}
	rig_until(&rig, &rig.messages, 1, 2000);
	ck_assert_uint_eq(rig.sum, 77);
	rig_close_sealed(&peer);
	rig_fini(&rig);
}
END_TEST

/* Sends leave when the flush event runs, not before. */
START_TEST(test_sends_are_gathered)
{
	struct rig rig;
	struct adit_sv2_set_target m = {.channel_id = 1};
	uint8_t frame[64];
	uint8_t in[42 * 9];
	size_t size;
	int fd;

	plain_rig(&rig);
	fd = rig_dial_plain(&rig, ADIT_SV2_MINING);
	ck_assert_uint_eq(adit_sv2_pending(rig.conn), 0);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_SET_TARGET, &m), ADIT_OK);
	ck_assert_int_eq(
	    adit_sv2_encode(rig.conn, ADIT_SV2_SET_TARGET, &m, frame, sizeof(frame), &size),
	    ADIT_OK);
	ck_assert_int_eq(adit_sv2_send_frame(rig.conn, frame, size), ADIT_OK);
	ck_assert_uint_eq(adit_sv2_pending(rig.conn), sizeof(in));
	ck_assert_int_eq(recv(fd, in, 1, MSG_DONTWAIT), -1);
	ck_assert(rig_read(&rig, fd, in, sizeof(in), 2000));
	ck_assert_mem_eq(in, in + 42, 42);
	ck_assert_mem_eq(in + sizeof(in) - 42, frame, 42);
	ck_assert_uint_eq(adit_sv2_pending(rig.conn), 0);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* Or when the application says so; what comes after that is gathered again. */
START_TEST(test_flush)
{
	struct rig rig;
	struct adit_sv2_set_target m = {.channel_id = 1};
	struct pollfd p = {.events = POLLIN};
	uint8_t in[42];

	plain_rig(&rig);
	p.fd = rig_dial_plain(&rig, ADIT_SV2_MINING);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_SET_TARGET, &m), ADIT_OK);
	adit_sv2_flush(rig.conn);
	ck_assert_uint_eq(adit_sv2_pending(rig.conn), 0);
	/* The loop has not run. */
	ck_assert_int_eq(poll(&p, 1, 60000), 1);
	ck_assert_int_eq(recv(p.fd, in, sizeof(in), MSG_DONTWAIT), sizeof(in));
	adit_sv2_flush(rig.conn);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_SET_TARGET, &m), ADIT_OK);
	ck_assert_uint_eq(adit_sv2_pending(rig.conn), sizeof(in));
	ck_assert(rig_read(&rig, p.fd, in, sizeof(in), 2000));
	adit_sv2_close(rig.conn, "enough");
	adit_sv2_flush(rig.conn);
	close(p.fd);
	rig_fini(&rig);
}
END_TEST

/* What can't be sent is refused and harms nothing. */
START_TEST(test_bad_sends)
{
	struct rig rig;
	struct adit_sv2_submit_shares_standard share = {0};
	struct adit_sv2_submit_solution solution = {0};
	struct adit_sv2_set_extranonce_prefix prefix = {.extranonce_prefix = {rig_secret(), 33}};
	struct adit_sv2_setup_connection_success again = {.used_version = SV2_VERSION};
	struct adit_sv2_set_target target = {0};
	uint8_t frame[64];
	size_t size;
	int fd;

	plain_rig(&rig);
	fd = rig_dial_plain(&rig, ADIT_SV2_MINING);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_SUBMIT_SHARES_STANDARD, &share),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_SUBMIT_SOLUTION, &solution),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_SET_EXTRANONCE_PREFIX, &prefix),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(adit_sv2_send(rig.conn, -5, &prefix), ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_SETUP_CONNECTION_SUCCESS, &again),
			 ADIT_E_INVALID_ARGUMENT);
	size = rig_frame(ADIT_SV2_SET_TARGET, &target, frame, sizeof(frame));
	ck_assert_int_eq(adit_sv2_send_frame(rig.conn, frame, size - 1), ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(adit_sv2_send_frame(rig.conn, frame, 3), ADIT_E_INVALID_ARGUMENT);
	ck_assert_uint_eq(adit_sv2_pending(rig.conn), 0);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_SET_TARGET, &target), ADIT_OK);
	ck_assert(rig_read(&rig, fd, frame, size, 2000));
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* --- SetupConnection ---------------------------------------------------------------------------
 */

/* SETUP is answered with SetupConnection.Error, CODE and FLAGS, and the connection is closed. */
static void ck_refused(struct rig *rig, const struct adit_sv2_setup_connection *setup,
		       const char *code, uint32_t flags)
{
	uint8_t frame[100];
	union sv2_body body;
	uint64_t before = stats_of(rig).refused_setup;
	size_t size = rig_frame(ADIT_SV2_SETUP_CONNECTION, setup, frame, sizeof(frame));
	int fd = rig_dial(rig);

	rig_write(fd, frame, size);
	size = rig_read_end(rig, fd, frame, 2000);
	ck_assert_uint_gt(size, SV2_HEADER_SIZE);
	ck_assert_uint_eq(frame[2], 0x02);
	ck_assert_int_eq(sv2_decode(ADIT_SV2_SETUP_CONNECTION_ERROR, frame + SV2_HEADER_SIZE,
				    size - SV2_HEADER_SIZE, &body, NULL),
			 ADIT_OK);
	ck_assert_uint_eq(body.setup_connection_error.flags, flags);
	ck_assert_uint_eq(body.setup_connection_error.error_code.size, strlen(code));
	ck_assert_mem_eq(body.setup_connection_error.error_code.data, code, strlen(code));
	ck_assert_uint_eq(stats_of(rig).refused_setup, before + 1);
	close(fd);
	rig_until_empty(rig, 3000);
}

START_TEST(test_setup_refused)
{
	struct rig rig;
	struct adit_sv2_setup_connection m = rig_setup(ADIT_SV2_MINING, 0);

	plain_rig(&rig);
	m.min_version = m.max_version = 1;
	ck_refused(&rig, &m, "protocol-version-mismatch", 0);
	m.min_version = m.max_version = 3;
	ck_refused(&rig, &m, "protocol-version-mismatch", 0);
	m.min_version = 2;
	m.max_version = 1;
	m.flags = 0x11; /* bit 0 is supported */
	ck_refused(&rig, &m, "protocol-version-mismatch", 0x10);
	m.flags = 0;
	m.min_version = 3;
	m.max_version = 2;
	ck_refused(&rig, &m, "protocol-version-mismatch", 0);
	m = rig_setup(ADIT_SV2_MINING, 0xf0000003);
	ck_refused(&rig, &m, "unsupported-feature-flags", 0xf0000002);
	m = rig_setup(ADIT_SV2_JOB_DECLARATION, 0);
	ck_refused(&rig, &m, "unsupported-protocol", 0);
	/* none of a protocol's flags is supported when the protocol isn't */
	m = rig_setup(200, 0x80000005);
	ck_refused(&rig, &m, "unsupported-protocol", 0x80000005);
	sv2_server_set_open(rig.server, ADIT_SV2_MINING, false);
	m = rig_setup(ADIT_SV2_MINING, 0);
	ck_refused(&rig, &m, "service-unavailable", 0);
	ck_assert_uint_eq(rig.opened, 0);
	ck_assert_uint_eq(stats_of(&rig).protocol_errors, 0);
	rig_fini(&rig);
}
END_TEST

/* A table whose `size` was forgotten would never see a message. */
START_TEST(test_table_size)
{
	struct rig rig;
	struct sv2_client_options options = {.address = "127.0.0.1:1", .plain = true};
	struct adit_sv2_job_declaration_server_handlers below = {0};
	struct adit_sv2_mining_client_handlers above = {0};
	struct error e = {0};

	plain_rig(&rig);
	ck_assert_int_eq(sv2_server_set_job_declaration(rig.server, &below, NULL),
			 ADIT_E_INVALID_ARGUMENT);
	below.size = sizeof(below);
	ck_assert_int_eq(sv2_server_set_job_declaration(rig.server, &below, NULL), ADIT_OK);
	ck_assert_ptr_null(sv2_client_new_mining(rig.base, &options, &above, NULL, &e));
	ck_assert_int_eq(e.code, ADIT_E_INVALID_ARGUMENT);
	rig_fini(&rig);
}
END_TEST

static void setup_refusing(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_setup_connection *request,
			   struct adit_sv2_setup_result *result)
{
	struct adit_sv2_set_target early = {0};

	(void)context;
	(void)request;
	ck_assert_int_eq(adit_sv2_send(conn, ADIT_SV2_SET_TARGET, &early), ADIT_E_UNAVAILABLE);
	result->error_code = "not-today";
	result->error_flags = 9;
}

static void setup_requiring(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_setup_connection *request,
			    struct adit_sv2_setup_result *result)
{
	(void)context;
	(void)conn;
	ck_assert_uint_eq(request->flags, 1);
	result->flags = ADIT_SV2_REQUIRES_EXTENDED_CHANNELS;
}

static void setup_fixing(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_setup_connection *request,
			 struct adit_sv2_setup_result *result)
{
	(void)context;
	(void)conn;
	(void)request;
	result->flags = ADIT_SV2_REQUIRES_FIXED_VERSION;
}

/* An application that fixes the version of a client that requires to roll it. */
START_TEST(test_setup_contradiction)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct adit_sv2_setup_connection m =
	    rig_setup(ADIT_SV2_MINING, ADIT_SV2_REQUIRES_VERSION_ROLLING);

	rig_init(&rig, false);
	rig.mining.supported_flags = ADIT_SV2_REQUIRES_VERSION_ROLLING;
	rig.mining.setup = setup_fixing;
	rig_serve(&rig, &so);
	ck_refused(&rig, &m, "unsupported-feature-flags", ADIT_SV2_REQUIRES_VERSION_ROLLING);
	close(rig_dial_plain(&rig, ADIT_SV2_MINING)); /* with no flags */
	rig_fini(&rig);
}
END_TEST

START_TEST(test_setup_callback)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct adit_sv2_setup_connection m = rig_setup(ADIT_SV2_MINING, 1);
	uint8_t frame[64];
	size_t size = rig_frame(ADIT_SV2_SETUP_CONNECTION, &m, frame, sizeof(frame));
	int fd;

	rig_init(&rig, false);
	rig.mining.setup = setup_refusing;
	rig_serve(&rig, &so);
	ck_refused(&rig, &m, "not-today", 9);
	ck_assert_int_eq(sv2_server_set_mining(rig.server, NULL, NULL), ADIT_OK);
	rig.mining.setup = setup_requiring;
	ck_assert_int_eq(sv2_server_set_mining(rig.server, &rig.mining, &rig), ADIT_OK);
	sv2_server_set_open(rig.server, ADIT_SV2_MINING, true);
	fd = rig_dial(&rig);
	rig_write(fd, frame, size);
	ck_assert(rig_read(&rig, fd, frame, 12, 2000));
	/* the server's bits, not an echo of the client's */
	ck_assert_mem_eq(frame, "\x00\x00\x01\x06\x00\x00\x02\x00\x02\x00\x00\x00", 12);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* --- peers that break the protocol -------------------------------------------------------------
 */

START_TEST(test_message_before_setup)
{
	struct rig rig;
	int fd;

	plain_rig(&rig);
	fd = rig_dial(&rig);
	send_share(fd, 1);
	ck_closed_silently(&rig, fd, NULL);
	ck_assert_uint_eq(rig.messages, 0);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* Frames that end an open connection: header bytes, what the reason says. */
static const struct {
	uint8_t frame[16];
	size_t size;
	const char *reason;
} offences[] = {
    {{0, 0, 0x1e, 0, 0, 0}, 6, "unknown message"},
    {{0, 0x80, 0xff, 1, 0, 0}, 6, "unknown message"},
    {{0, 0x80, 0x15, 45, 0, 0}, 6, "out of place"},      /* NewMiningJob is the server's */
    {{0, 0, 0x76, 22, 0, 0}, 6, "out of place"},         /* another protocol's */
    {{0, 0, 0x00, 20, 0, 0}, 6, "out of place"},         /* a second SetupConnection */
    {{0, 0, 0x04, 3, 0, 0}, 6, "out of place"},          /* Reconnect is the server's */
    {{0, 0x80, 0x1a, 0xff, 0xff, 0xff}, 6, "too large"}, /* 16 MiB of share */
    {{1, 0, 0x01, 6, 0, 0}, 6, "out of place"},          /* RequestExtensions.Success */
    {{1, 0, 0x00, 1, 4, 0}, 6, "too large"},
    {{1, 0, 0x00, 4, 0, 0, 1, 0, 1, 0}, 10, "malformed RequestExtensions"},
    {{0, 0x80, 0x1a, 3, 0, 0, 1, 2, 3}, 9, "malformed SubmitSharesStandard"},
    {{0, 0x80, 0x1a, 0, 0, 0}, 6, "malformed SubmitSharesStandard"},
    {{0, 0x80, 0x18, 5, 0, 0, 1, 0, 0, 0, 0}, 11, "CloseChannel is not served"},
};

START_TEST(test_offence)
{
	struct rig rig;
	int good;
	int bad;

	plain_rig(&rig);
	good = rig_dial_plain(&rig, ADIT_SV2_MINING);
	bad = rig_dial_plain(&rig, ADIT_SV2_MINING);
	rig_write(bad, offences[_i].frame, offences[_i].size);
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert_msg(rig_saw(&rig, offences[_i].reason), "%.*s", (int)rig.trace.size,
		      (char *)rig.trace.data);
	ck_assert_uint_eq(stats_of(&rig).protocol_errors, 1);
	ck_assert_uint_eq(rig.messages, 0);
	/* the other connection goes on */
	send_share(good, 5);
	rig_until(&rig, &rig.messages, 1, 2000);
	close(bad);
	close(good);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_handler_error)
{
	struct rig rig;
	int fd;

	plain_rig(&rig);
	rig.verdict = ADIT_E_LIMIT;
	fd = rig_dial_plain(&rig, ADIT_SV2_MINING);
	send_share(fd, 1);
	send_share(fd, 2);
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert_uint_eq(rig.messages, 1);
	ck_assert(rig_saw(&rig, "SubmitSharesStandard refused: limit"));
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* Messages of extensions that the server doesn't speak are skipped, whatever their size and bit. */
START_TEST(test_unknown_extension)
{
	struct rig rig;
	static uint8_t frame[6 + 200000] = {0x07, 0x00, 0x33, 0x40, 0x0d, 0x03};
	uint8_t empty[6] = {0x07, 0x80, 0x00, 0, 0, 0};
	int fd;

	plain_rig(&rig);
	fd = rig_dial_plain(&rig, ADIT_SV2_MINING);
	rig_write(fd, empty, sizeof(empty));
	for (size_t at = 0; at < sizeof(frame); at += 10000) {
		size_t left = sizeof(frame) - at;

		rig_write(fd, frame + at, left < 10000 ? left : 10000);
		rig_run(&rig, 1);
	}
	send_share(fd, 11);
	rig_until(&rig, &rig.messages, 1, 2000);
	ck_assert_uint_eq(rig.sum, 11);
	close(fd);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_extension_before_setup)
{
	struct rig rig;
	uint8_t frame[6] = {0x07, 0x00, 0x00, 0, 0, 0};
	int fd;

	plain_rig(&rig);
	fd = rig_dial(&rig);
	rig_write(fd, frame, sizeof(frame));
	ck_closed_silently(&rig, fd, NULL);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* One wrong bit in header or payload ends that connection; its neighbour doesn't notice. */
START_TEST(test_wrong_mac)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = rig_secret()};
	struct sv2_client_options co = {0};
	struct adit_sv2_setup_connection m = rig_setup(ADIT_SV2_MINING, 0);
	struct rig_sealed peer;
	uint8_t frame[64];
	size_t size = rig_frame(ADIT_SV2_SETUP_CONNECTION, &m, frame, sizeof(frame));

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	rig_dial_sealed(&rig, &peer);
	rig_write_sealed(&peer, frame, size, -1);
	rig_until(&rig, &rig.opened, 2, 2000);
	size = share_frame(1, frame, sizeof(frame));
	rig_write_sealed(&peer, frame, size, _i == 0 ? 3 : 22 + 5);
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert(rig_saw(&rig, "wrong MAC"));
	ck_assert_uint_eq(rig.messages, 0);
	ck_assert_uint_eq(stats_of(&rig).protocol_errors, 1);
	open_channel(rig.upstream);
	rig_until(&rig, &rig.client_messages, 1, 2000);
	rig_close_sealed(&peer);
	rig_fini(&rig);
}
END_TEST

/* --- time and limits ---------------------------------------------------------------------------
 */

START_TEST(test_handshake_timeout)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = rig_secret(),
					.handshake_timeout_ms = 600};
	struct rig_sealed half;
	uint8_t rest[100];
	int silent;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	silent = rig_dial(&rig);
	rig_dial_sealed(&rig, &half);
	ck_assert_uint_eq(stats_of(&rig).handshakes, 2);
	ck_assert_uint_eq(rig_read_end(&rig, silent, rest, 2000), 0);
	ck_assert_uint_eq(rig_read_end(&rig, half.fd, rest, 2000), 0);
	rig_until_empty(&rig, 2000);
	ck_assert_uint_eq(stats_of(&rig).handshakes_failed, 2);
	ck_assert_uint_eq(stats_of(&rig).handshakes, 0);
	close(silent);
	rig_close_sealed(&half);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_idle_timeout)
{
	struct rig rig;
	struct sv2_server_options so = {.idle_timeout_ms = 3000};
	int busy;
	int idle;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	busy = rig_dial_plain(&rig, ADIT_SV2_MINING);
	idle = rig_dial_plain(&rig, ADIT_SV2_MINING);
	for (uint32_t i = 0; i < 1200 && rig.closed == 0; i++) {
		send_share(busy, i);
		rig_run(&rig, 50);
	}
	ck_assert_uint_gt(rig.messages, 12);
	ck_assert_uint_eq(rig.closed, 1);
	ck_assert(rig_saw(&rig, "idle for too long"));
	close(busy);
	close(idle);
	rig_fini(&rig);
}
END_TEST

static int32_t send_template(struct adit_sv2_conn *conn)
{
	static const uint8_t outputs[60000];
	struct adit_sv2_new_template m = {.coinbase_tx_outputs = {outputs, sizeof(outputs)}};

	return adit_sv2_send(conn, ADIT_SV2_NEW_TEMPLATE, &m);
}

/* Nobody reads: the queue reaches its bound, the connection ends, the server lives. */
START_TEST(test_slow_reader)
{
	struct rig rig;
	struct sv2_server_options so = {.max_pending = 1 << 20};
	int32_t r = ADIT_OK;
	int fd;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	fd = rig_dial_plain(&rig, ADIT_SV2_TEMPLATE_DISTRIBUTION);
	for (int i = 0; i < 2000 && r == ADIT_OK; i++) {
		r = send_template(rig.conn);
		ck_assert_uint_le(adit_sv2_pending(rig.conn), 1 << 20);
		if (r == ADIT_OK)
			event_base_loop(rig.base, EVLOOP_NONBLOCK);
	}
	ck_assert_int_eq(r, ADIT_E_LIMIT);
	ck_assert_uint_eq(rig.closed, 0); /* not from inside of a send */
	ck_assert_int_eq(send_template(rig.conn), ADIT_E_UNAVAILABLE);
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert(rig_saw(&rig, "reads too slowly"));
	rig_until_empty(&rig, 2000);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* Something is queued and the peer takes nothing for the write timeout. */
START_TEST(test_write_stall)
{
	struct rig rig;
	struct sv2_server_options so = {.max_pending = (size_t)64 << 20, .write_timeout_ms = 200};
	int fd;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	fd = rig_dial_plain(&rig, ADIT_SV2_TEMPLATE_DISTRIBUTION);
	for (int i = 0; i < 400; i++)
		ck_assert_int_eq(send_template(rig.conn), ADIT_OK);
	rig_until(&rig, &rig.closed, 1, 3000);
	ck_assert(rig_saw(&rig, "does not read"));
	rig_until_empty(&rig, 2000);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* A peer whose window is 4 KiB, and a server's socket that takes all it is given for it. */
static int dial_small_window(struct rig *rig)
{
	uint8_t frame[256];
	uint8_t answer[SV2_HEADER_SIZE + 6];
	struct adit_sv2_setup_connection m = rig_setup(ADIT_SV2_TEMPLATE_DISTRIBUTION, 0);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(rig->port)};
	const int window = 4096;
	const int room = 1 << 20;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window)), 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	rig_write(fd, frame, rig_frame(ADIT_SV2_SETUP_CONNECTION, &m, frame, sizeof(frame)));
	ck_assert(rig_read(rig, fd, answer, sizeof(answer), 60000));
	ck_assert_int_eq(
	    setsockopt(sv2_conn_of(rig->conn)->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	return fd;
}

/* The system has taken all that was sent, and the peer takes nothing of it: that is a stall too, as
 * it is of one whose machine is gone. What waits for it is thrown away. */
START_TEST(test_stall_in_the_system)
{
	struct rig rig;
	struct sv2_server_options so = {.write_timeout_ms = 400};
	uint8_t sink[1024];
	ssize_t n;
	int fd;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	fd = dial_small_window(&rig);
	ck_assert_int_eq(send_template(rig.conn), ADIT_OK);
	ck_assert_int_eq(send_template(rig.conn), ADIT_OK);
	rig_run(&rig, 50);
	ck_assert_uint_eq(adit_sv2_pending(rig.conn), 0);
	rig_until(&rig, &rig.closed, 1, 60000);
	ck_assert(rig_saw(&rig, "does not read"));
	rig_until_empty(&rig, 60000);
	while ((n = recv(fd, sink, sizeof(sink), 0)) > 0)
		;
	ck_assert_int_eq(n, -1);
	ck_assert_int_eq(errno, ECONNRESET);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* The same peer, which does read: nothing is held against it, however long nothing is sent. */
START_TEST(test_no_stall_once_read)
{
	struct rig rig;
	struct sv2_server_options so = {.write_timeout_ms = 400};
	static uint8_t frame[SV2_HEADER_SIZE + 41 + 60000];
	int fd;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	fd = dial_small_window(&rig);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(send_template(rig.conn), ADIT_OK);
		ck_assert(rig_read(&rig, fd, frame, sizeof(frame), 60000));
		rig_run(&rig, 1000);
	}
	ck_assert_uint_eq(rig.closed, 0);
	close(fd);
	rig_until(&rig, &rig.closed, 1, 60000);
	rig_fini(&rig);
}
END_TEST

static void until_accepted(struct rig *rig, uint64_t count)
{
	for (int i = 0; i < 12000 && stats_of(rig).accepted < count; i++)
		rig_run(rig, 10);
	ck_assert_uint_eq(stats_of(rig).accepted, count);
}

/* A full server lets peers wait for a moment, then refuses them; when there is room again it
 * accepts. */
START_TEST(test_max_connections)
{
	struct rig rig;
	struct sv2_server_options so = {.max_connections = 2};
	uint8_t rest[100];
	uint64_t begin;
	int fds[3];

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	fds[0] = rig_dial_plain(&rig, ADIT_SV2_MINING);
	fds[1] = rig_dial_plain(&rig, ADIT_SV2_MINING);
	begin = clock_monotonic_ms();
	fds[2] = rig_dial(&rig);
	rig_run(&rig, 300);
	ck_assert_uint_eq(stats_of(&rig).connections, 2);
	/* the moment is a second, which a busy machine may take */
	ck_assert(stats_of(&rig).refused_limit == 0 || clock_monotonic_ms() - begin >= 1000);
	ck_assert_uint_eq(rig_read_end(&rig, fds[2], rest, 3000), 0);
	ck_assert_uint_eq(stats_of(&rig).refused_limit, 1);
	close(fds[2]);
	close(fds[0]);
	rig_until(&rig, &rig.closed, 1, 2000);
	fds[0] = rig_dial_plain(&rig, ADIT_SV2_MINING);
	close(fds[0]);
	close(fds[1]);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_max_handshakes)
{
	struct rig rig;
	/* well below the second that the others wait for room */
	struct sv2_server_options so = {.max_handshakes = 2, .handshake_timeout_ms = 300};
	uint64_t begin;
	int fds[4];

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	begin = clock_monotonic_ms();
	for (int i = 0; i < 4; i++)
		fds[i] = rig_dial(&rig);
	rig_run(&rig, 50);
	ck_assert(stats_of(&rig).accepted == 2 || clock_monotonic_ms() - begin >= 300);
	until_accepted(&rig, 4); /* the first two time out, the others are let in */
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	rig_fini(&rig);
}
END_TEST

/* While nothing is open peers wait in the listener's queue. */
START_TEST(test_open_and_pause)
{
	struct rig rig;
	struct adit_sv2_setup_connection m = rig_setup(ADIT_SV2_MINING, 0);
	uint8_t frame[64];
	size_t size = rig_frame(ADIT_SV2_SETUP_CONNECTION, &m, frame, sizeof(frame));
	int fds[2];

	plain_rig(&rig);
	sv2_server_set_open(rig.server, ADIT_SV2_MINING, false);
	sv2_server_set_open(rig.server, ADIT_SV2_TEMPLATE_DISTRIBUTION, false);
	fds[0] = rig_dial(&rig);
	rig_write(fds[0], frame, size);
	rig_run(&rig, 100);
	ck_assert_uint_eq(stats_of(&rig).accepted, 0);
	sv2_server_set_open(rig.server, ADIT_SV2_MINING, true);
	rig_until(&rig, &rig.opened, 1, 2000);
	sv2_server_pause(rig.server);
	fds[1] = rig_dial(&rig);
	rig_run(&rig, 100);
	ck_assert_uint_eq(stats_of(&rig).accepted, 1);
	send_share(fds[0], 4);
	rig_until(&rig, &rig.messages, 1, 2000);
	close(fds[0]);
	close(fds[1]);
	rig_fini(&rig);
}
END_TEST

/* No descriptors left: the server neither spins nor stops, and goes on when there are some. */
START_TEST(test_out_of_descriptors)
{
	struct rig rig;
	struct rlimit limit;
	struct rlimit tight;
	uint64_t cpu;
	int spare;
	int fd;

	plain_rig(&rig);
	fd = rig_dial(&rig);
	spare = dup(0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	tight = limit;
	tight.rlim_cur = (rlim_t)spare;
	close(spare);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	cpu = (uint64_t)clock();
	rig_run(&rig, 500);
	cpu = (uint64_t)clock() - cpu;
	ck_assert_uint_lt(cpu, CLOCKS_PER_SEC / 10);
	ck_assert_uint_eq(stats_of(&rig).accepted, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	until_accepted(&rig, 1);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* The certificate is renewed before it ends: with one second of life each, a client that tolerates
 * one second still gets in after three. */
START_TEST(test_certificate_renewal)
{
	struct rig rig;
	struct sv2_server_options so = {
	    .authority_secret = rig_secret(), .certificate_validity = 1, .certificate_skew = 1};
	struct sv2_client_options co = {.certificate_skew = 1};

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	rig_run(&rig, 3200);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	rig_fini(&rig);
}
END_TEST

/* --- large messages ----------------------------------------------------------------------------
 */

/* 5 MiB of transactions to the client, sealed in 81 chunks or plain. */
START_TEST(test_large_message)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = _i == 0 ? rig_secret() : NULL};
	struct sv2_client_options co = {.plain = _i == 1};
	struct adit_sv2_request_transaction_data_success m = {.transaction_list = {.count = 5}};
	size_t size = (size_t)5 * (3 + (1 << 20));
	uint8_t *list = malloc(size);
	uint64_t want = 0;

	for (size_t i = 0; i < size; i++)
		list[i] = (uint8_t)(i % 253);
	for (size_t i = 0; i < 5; i++)
		memcpy(list + i * (3 + (1 << 20)), "\x00\x00\x10", 3);
	for (size_t i = 0; i < size; i++)
		want += list[i];
	m.transaction_list.data = list;
	m.transaction_list.size = (uint32_t)size;
	rig_init(&rig, _i == 1);
	rig_serve(&rig, &so);
	rig_connect_template(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS, &m),
			 ADIT_OK);
	rig_until(&rig, &rig.client_messages, 1, 10000);
	ck_assert_uint_eq(rig.sum, want);
	ck_assert_uint_eq(adit_sv2_pending(rig.conn), 0);
	free(list);
	rig_fini(&rig);
}
END_TEST

/* Two chunks to the server. */
START_TEST(test_large_to_server)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = _i == 0 ? rig_secret() : NULL};
	struct sv2_client_options co = {.plain = _i == 1};
	static uint8_t coinbase[65535];
	struct adit_sv2_submit_solution m = {.coinbase_tx = {coinbase, sizeof(coinbase)}};

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	rig_connect_template(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(adit_sv2_send(rig.upstream, ADIT_SV2_SUBMIT_SOLUTION, &m),
				 ADIT_OK);
	rig_until(&rig, &rig.messages, 3, 5000);
	ck_assert_uint_eq(rig.sum, 3 * 65535);
	rig_fini(&rig);
}
END_TEST

/* --- ending ------------------------------------------------------------------------------------
 */

/* All that was queued arrives before the end, though the peer's own bytes lie unread, or the peer
 * has closed its side. */
START_TEST(test_close_flushes)
{
	struct rig rig;
	static uint8_t in[60100];
	size_t total = 0;
	ssize_t n;
	int fd;

	plain_rig(&rig);
	fd = rig_dial_plain(&rig, ADIT_SV2_TEMPLATE_DISTRIBUTION);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(send_template(rig.conn), ADIT_OK);
	adit_sv2_close(rig.conn, "enough");
	adit_sv2_close(rig.conn, "twice");
	ck_assert_uint_eq(rig.closed, 0);
	ck_assert_int_eq(send_template(rig.conn), ADIT_E_UNAVAILABLE);
	rig_write(fd, in, 1000);
	if (_i == 1)
		ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert(rig_saw(&rig, "[enough]"));
	for (;;) {
		rig_run(&rig, 1);
		n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
		if (n == 0)
			break;
		ck_assert(n > 0 || errno == EAGAIN);
		total += n > 0 ? (size_t)n : 0;
	}
	ck_assert_uint_eq(total, 40 * (6 + 41 + 60000));
	close(fd);
	rig_until_empty(&rig, 2000);
	rig_fini(&rig);
}
END_TEST

/* A peer that never closes its side is not waited for. */
START_TEST(test_close_is_bounded)
{
	struct rig rig;
	int fd;

	plain_rig(&rig);
	fd = rig_dial_plain(&rig, ADIT_SV2_MINING);
	adit_sv2_close(rig.conn, "bye");
	rig_until(&rig, &rig.closed, 1, 2000);
	rig_until_empty(&rig, 4000);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* Withdrawn: miners are asked to reconnect, `closed` comes at once, later ones are refused. */
START_TEST(test_withdraw)
{
	struct rig rig;
	struct adit_sv2_setup_connection m = rig_setup(ADIT_SV2_MINING, 0);
	uint8_t in[100];
	int miner;
	int other;

	plain_rig(&rig);
	miner = rig_dial_plain(&rig, ADIT_SV2_MINING);
	other = rig_dial_plain(&rig, ADIT_SV2_TEMPLATE_DISTRIBUTION);
	ck_assert_int_eq(sv2_server_set_mining(rig.server, &rig.mining, &rig), ADIT_E_EXISTS);
	ck_assert_int_eq(sv2_server_set_mining(rig.server, NULL, NULL), ADIT_OK);
	ck_assert_uint_eq(rig.closed, 1);
	ck_assert_uint_eq(rig_read_end(&rig, miner, in, 2000), 9);
	ck_assert_uint_eq(in[2], 0x04);
	close(miner);
	ck_assert_int_eq(recv(other, in, 1, MSG_DONTWAIT), -1);
	close(other);
	rig_until(&rig, &rig.closed, 2, 2000);
	rig_until_empty(&rig, 2000);
	ck_refused(&rig, &m, "unsupported-protocol", 0);
	rig_fini(&rig);
}
END_TEST

/* Who was told where to go before is not told another place at the end. */
START_TEST(test_withdraw_after_reconnect)
{
	struct rig rig;
	const struct adit_sv2_reconnect m = {
	    .new_host = {(const uint8_t *)"there", 5},
	    .new_port = 3334,
	};
	uint8_t in[100];
	int miner;

	plain_rig(&rig);
	miner = rig_dial_plain(&rig, ADIT_SV2_MINING);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_RECONNECT, &m), ADIT_OK);
	if (_i == 0)
		ck_assert_int_eq(sv2_server_set_mining(rig.server, NULL, NULL), ADIT_OK);
	else
		sv2_server_free(rig.server);
	if (_i == 1)
		rig.server = NULL;
	ck_assert_uint_eq(rig.closed, 1);
	ck_assert_uint_eq(rig_read_end(&rig, miner, in, 2000), 6 + 1 + 5 + 2);
	ck_assert_uint_eq(in[2], 0x04);
	close(miner);
	rig_fini(&rig);
}
END_TEST

static int32_t share_closes(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_submit_shares_standard *m)
{
	struct rig *rig = context;

	(void)m;
	rig->messages++;
	adit_sv2_close(conn, "from inside");
	ck_assert_uint_eq(rig->closed, 0);
	return ADIT_OK;
}

static int32_t share_withdraws(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_submit_shares_standard *m)
{
	struct rig *rig = context;

	(void)m;
	(void)conn;
	rig->messages++;
	ck_assert_int_eq(sv2_server_set_mining(rig->server, NULL, NULL), ADIT_OK);
	ck_assert_uint_eq(rig->closed, 1);
	return ADIT_OK;
}

static int32_t share_frees(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_submit_shares_standard *m)
{
	struct rig *rig = context;

	(void)m;
	(void)conn;
	rig->messages++;
	sv2_server_free(rig->server);
	rig->server = NULL;
	ck_assert_uint_eq(rig->closed, 1);
	return ADIT_OK;
}

/* A handler may close its connection, withdraw its service, free the server; what else was read is
 * not handled. */
START_TEST(test_end_from_handler)
{
	int32_t (*const handlers[])(void *, struct adit_sv2_conn *,
				    const struct adit_sv2_submit_shares_standard *) = {
	    share_closes, share_withdraws, share_frees};
	struct rig rig;
	struct sv2_server_options so = {0};
	uint8_t frames[100];
	size_t size;
	int fd;

	rig_init(&rig, false);
	rig.mining.submit_shares_standard = handlers[_i];
	rig_serve(&rig, &so);
	fd = rig_dial_plain(&rig, ADIT_SV2_MINING);
	size = share_frame(1, frames, sizeof(frames));
	size += share_frame(2, frames + size, sizeof(frames) - size);
	rig_write(fd, frames, size);
	rig_until(&rig, &rig.closed, 1, 2000);
	rig_run(&rig, 20);
	ck_assert_uint_eq(rig.messages, 1);
	ck_assert_uint_eq(rig.batches, 0);
	close(fd);
	rig_fini(&rig);
}
END_TEST

static void close_each(void *user, struct adit_sv2_conn *conn)
{
	uint32_t *count = user;

	(*count)++;
	adit_sv2_close(conn, "all of you");
}

START_TEST(test_each)
{
	struct rig rig;
	uint32_t count = 0;
	int fds[4];

	plain_rig(&rig);
	for (int i = 0; i < 3; i++)
		fds[i] = rig_dial_plain(&rig, ADIT_SV2_MINING);
	fds[3] = rig_dial(&rig); /* not set up */
	rig_run(&rig, 20);
	sv2_server_each(rig.server, close_each, &count);
	ck_assert_uint_eq(count, 3);
	rig_until(&rig, &rig.closed, 3, 2000);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	rig_fini(&rig);
}
END_TEST

/* Freed with connections in every phase. */
START_TEST(test_free_in_use)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = rig_secret()};
	struct sv2_client_options co = {0};
	struct rig_sealed half;
	int silent;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	rig_dial_sealed(&rig, &half);
	silent = rig_dial(&rig);
	rig_run(&rig, 20);
	rig_fini(&rig);
	close(silent);
	rig_close_sealed(&half);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_loop_test(tcase, test_conversation, 0, 4);
	tcase_add_test(tcase, test_batches);
	tcase_add_test(tcase, test_byte_by_byte_sealed);
	tcase_add_test(tcase, test_sends_are_gathered);
	tcase_add_test(tcase, test_flush);
	tcase_add_test(tcase, test_bad_sends);
	tcase_add_test(tcase, test_setup_refused);
	tcase_add_test(tcase, test_table_size);
	tcase_add_test(tcase, test_setup_callback);
	tcase_add_test(tcase, test_setup_contradiction);
	tcase_add_test(tcase, test_message_before_setup);
	tcase_add_loop_test(tcase, test_offence, 0, (int)(sizeof(offences) / sizeof(offences[0])));
	tcase_add_test(tcase, test_handler_error);
	tcase_add_test(tcase, test_unknown_extension);
	tcase_add_test(tcase, test_extension_before_setup);
	tcase_add_loop_test(tcase, test_wrong_mac, 0, 2);
	tcase_add_test(tcase, test_handshake_timeout);
	tcase_add_test(tcase, test_idle_timeout);
	tcase_add_test(tcase, test_slow_reader);
	tcase_add_test(tcase, test_write_stall);
	tcase_add_test(tcase, test_stall_in_the_system);
	tcase_add_test(tcase, test_no_stall_once_read);
	tcase_add_test(tcase, test_max_connections);
	tcase_add_test(tcase, test_max_handshakes);
	tcase_add_test(tcase, test_open_and_pause);
	tcase_add_test(tcase, test_out_of_descriptors);
	tcase_add_test(tcase, test_certificate_renewal);
	tcase_add_loop_test(tcase, test_large_message, 0, 2);
	tcase_add_loop_test(tcase, test_large_to_server, 0, 2);
	tcase_add_loop_test(tcase, test_close_flushes, 0, 2);
	tcase_add_test(tcase, test_close_is_bounded);
	tcase_add_test(tcase, test_withdraw);
	tcase_add_loop_test(tcase, test_withdraw_after_reconnect, 0, 2);
	tcase_add_loop_test(tcase, test_end_from_handler, 0, 3);
	tcase_add_test(tcase, test_each);
	tcase_add_test(tcase, test_free_in_use);
}

int main(void)
{
	Suite *suite = suite_create("sv2-server");
	TCase *tcase = tcase_create("server");
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
