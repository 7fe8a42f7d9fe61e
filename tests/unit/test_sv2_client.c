/* SPDX-License-Identifier: MIT */
/* Tests of client.h and socket.h over real sockets. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#include <adit/plugin.h>

#include "lib/sv2/socket.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "tests/unit/sv2_rig.h"

static void plain_pair(struct rig *rig)
{
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true};

	rig_init(rig, false);
	rig_serve(rig, &so);
	rig_connect_mining(rig, &co);
	rig_until(rig, &rig->client_opened, 1, 2000);
}

static void ck_saw(struct rig *rig, const char *text)
{
	ck_assert_msg(rig_saw(rig, text), "%s is not in %.*s", text, (int)rig->trace.size,
		      (char *)rig->trace.data);
}

/* --- connecting again --------------------------------------------------------------------------
 */

START_TEST(test_reconnects)
{
	struct rig rig;

	plain_pair(&rig);
	for (uint32_t i = 1; i <= 3; i++) {
		ck_assert_ptr_eq(sv2_client_conn(rig.client), rig.upstream);
		adit_sv2_close(rig.conn, "again");
		rig_until(&rig, &rig.client_closed, i, 2000);
		ck_assert_ptr_null(sv2_client_conn(rig.client));
		rig_until(&rig, &rig.client_opened, i + 1, 2000);
	}
	ck_saw(&rig, "{closed by the peer}");
	rig_fini(&rig);
}
END_TEST

/* Nobody listens at first: failures are reported without a connection, then it gets through. */
START_TEST(test_server_comes_late)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true, .address = "unix:/nonexistent/tdp.sock"};
	uint32_t failures;

	rig_init(&rig, false);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_closed, 3, 2000);
	ck_assert_uint_eq(rig.client_opened, 0);
	ck_saw(&rig, "{No such file or directory}");
	sv2_client_free(rig.client);
	co.address = rig.address;
	rig_connect_mining(&rig, &co);
	failures = rig.client_closed;
	rig_serve(&rig, &so);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	ck_assert_uint_eq(rig.client_closed, failures);
	rig_fini(&rig);
}
END_TEST

/* The waits double up to the bound, with jitter: between half and all of 40, 80, 160, 160 ms. */
START_TEST(test_back_off)
{
	struct rig rig;
	struct sv2_client_options co = {.plain = true,
					.address = "unix:/nonexistent/tdp.sock",
					.retry_min_ms = 40,
					.retry_max_ms = 160};
	uint64_t start = clock_monotonic_ms();
	uint64_t took;

	rig_init(&rig, false);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_closed, 5, 3000);
	took = clock_monotonic_ms() - start;
	ck_assert_uint_ge(took, (40 + 80 + 160 + 160) / 2 - 5);
	ck_assert_uint_le(took, 40 + 80 + 160 + 160 + 1500);
	rig_fini(&rig);
}
END_TEST

/* --- refusals ----------------------------------------------------------------------------------
 */

START_TEST(test_refused)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true, .flags = ADIT_SV2_REQUIRES_WORK_SELECTION};

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_closed, 2, 2000);
	ck_saw(&rig, "{refused: unsupported-feature-flags (flags 0x2)}");
	ck_assert_uint_eq(rig.client_opened, 0);
	rig_fini(&rig);
}
END_TEST

/* A server that another authority vouches for is not spoken to. */
START_TEST(test_wrong_authority)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = rig_secret()};
	struct sv2_client_options co = {0};
	uint8_t other[32];

	rig_init(&rig, false);
	/* the demonstration key of the digest's section 3.7 */
	ck_assert(hex_decode("24ee3c3804a1aaa4c03b80ea19f7a5863c916e8994b7db94a3bad7ee092b6ce7",
			     other, 32));
	co.authority_x = other;
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_closed, 1, 2000);
	ck_assert_uint_eq(rig.client_opened, 0);
	ck_assert_uint_eq(rig.opened, 0);
	ck_saw(&rig, "certificate");
	/* whole, to the end of its advice */
	ck_saw(&rig, ": compare it with the server's");
	rig_fini(&rig);
}
END_TEST

static void count_warnings(void *user, int32_t level, const char *text)
{
	uint32_t *count = user;

	if (level <= 1 && strstr(text, "no authority key") != NULL)
		(*count)++;
}

/* Without a key it connects, and says what that is worth. */
START_TEST(test_no_authority)
{
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = rig_secret()};
	struct sv2_client_options co = {.log = count_warnings, .retry_min_ms = 10};
	uint32_t warnings = 0;

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	co.address = rig.address;
	co.log_user = &warnings;
	rig.client = sv2_client_new_mining(rig.base, &co, &rig.mining_client, &rig, NULL);
	ck_assert_ptr_nonnull(rig.client);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	ck_assert_uint_eq(warnings, 1);
	rig_fini(&rig);
}
END_TEST

/* --- servers that misbehave --------------------------------------------------------------------
 */

/* The client's connection at a listener without server; its SetupConnection has been read. */
static int fake_accept(struct rig *rig)
{
	uint8_t setup[100];
	int fd = -1;

	for (int i = 0; i < 12000 && fd < 0; i++) {
		rig_run(rig, 5);
		fd = accept(rig->listener, NULL, NULL);
	}
	ck_assert_int_ge(fd, 0);
	ck_assert(rig_read(rig, fd, setup, 6, 2000));
	ck_assert_uint_eq(setup[2], 0);
	ck_assert(rig_read(rig, fd, setup + 6, setup[3], 2000));
	return fd;
}

static const struct {
	uint8_t bytes[32];
	size_t size;
	const char *reason;
	uint32_t opened;
} answers[] = {
    {{0, 0, 1, 6, 0, 0, 3, 0, 0, 0, 0, 0}, 12, "unknown version", 0},
    {{0, 0, 1, 2, 0, 0, 2, 0}, 8, "malformed SetupConnection.Success", 0},
    {{0, 0x80, 0x21, 36, 0, 0}, 6, "before SetupConnection", 0},
    {{0, 0, 0, 20, 0, 0}, 6, "before SetupConnection", 0},
    {{0, 0, 2, 9, 0, 0, 0, 0, 0, 0, 4, 'a', 0x1b, '\n', 'b'}, 15, "refused: a??b", 0},
    {{0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0x80, 0x1a, 24, 0, 0}, 18, "out of place", 1},
    {{0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x71, 24, 0, 0}, 18, "out of place", 1},
    {{0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x01, 6, 0, 0}, 18, "out of place", 1},
    {{0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x99, 6, 0, 0}, 18, "unknown message", 1},
    {{0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0x80, 0x21, 0xff, 0xff, 0xff}, 18, "too large", 1},
    {{0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0x80, 0x18, 5, 0, 0, 1, 0, 0, 0, 0},
     23,
     "CloseChannel is not expected",
     1},
};

START_TEST(test_bad_server)
{
	struct rig rig;
	struct sv2_client_options co = {.plain = true};
	int fd;

	rig_init(&rig, false);
	rig_connect_mining(&rig, &co);
	fd = fake_accept(&rig);
	rig_write(fd, answers[_i].bytes, answers[_i].size);
	rig_until(&rig, &rig.client_closed, 1, 2000);
	ck_saw(&rig, answers[_i].reason);
	ck_assert_uint_eq(rig.client_opened, answers[_i].opened);
	close(fd);
	close(fake_accept(&rig)); /* it tries again */
	rig_fini(&rig);
}
END_TEST

/* Connections that are set up and then broken off over a fault are failures in a row. */
START_TEST(test_back_off_after_faults)
{
	struct rig rig;
	struct sv2_client_options co = {.plain = true, .retry_min_ms = 40, .retry_max_ms = 160};
	const uint8_t fault[] = {0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x99, 6, 0, 0};
	uint64_t start = clock_monotonic_ms();

	rig_init(&rig, false);
	rig_connect_mining(&rig, &co);
	for (uint32_t i = 1; i <= 5; i++) {
		int fd = fake_accept(&rig);

		rig_write(fd, fault, sizeof(fault));
		rig_until(&rig, &rig.client_closed, i, 2000);
		ck_assert_uint_eq(rig.client_opened, i);
		close(fd);
	}
	ck_assert_uint_ge(clock_monotonic_ms() - start, (40 + 80 + 160 + 160) / 2 - 5);
	rig_fini(&rig);
}
END_TEST

/* So are those that the server closes at once. */
START_TEST(test_back_off_after_hanging_up)
{
	struct rig rig;
	struct sv2_client_options co = {.plain = true, .retry_min_ms = 40, .retry_max_ms = 160};
	const uint8_t success[] = {0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0};
	uint64_t start = clock_monotonic_ms();

	rig_init(&rig, false);
	rig_connect_mining(&rig, &co);
	for (uint32_t i = 1; i <= 5; i++) {
		int fd = fake_accept(&rig);

		rig_write(fd, success, sizeof(success));
		rig_until(&rig, &rig.client_opened, i, 2000);
		close(fd);
		rig_until(&rig, &rig.client_closed, i, 2000);
	}
	ck_assert_uint_ge(clock_monotonic_ms() - start, (40 + 80 + 160 + 160) / 2 - 5);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_handshake_timeout)
{
	struct rig rig;
	struct sv2_client_options co = {.handshake_timeout_ms = 100};

	rig_init(&rig, false);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_closed, 1, 2000);
	ck_saw(&rig, "handshake timed out");
	rig_fini(&rig);
}
END_TEST

/* Bytes that are no act 2. */
START_TEST(test_noise_garbage)
{
	struct rig rig;
	struct sv2_client_options co = {0};
	uint8_t garbage[234];
	int fd = -1;

	memset(garbage, 0x5a, sizeof(garbage));
	rig_init(&rig, false);
	rig_connect_mining(&rig, &co);
	while (fd < 0) {
		rig_run(&rig, 5);
		fd = accept(rig.listener, NULL, NULL);
	}
	rig_write(fd, garbage, sizeof(garbage));
	rig_until(&rig, &rig.client_closed, 1, 2000);
	ck_assert_uint_eq(rig.client_opened, 0);
	close(fd);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_idle_timeout)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true, .idle_timeout_ms = 100};

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_closed, 1, 2000);
	ck_saw(&rig, "{idle for too long}");
	rig_until(&rig, &rig.client_opened, 2, 2000);
	rig_fini(&rig);
}
END_TEST

/* Something is queued and the server takes nothing for the write timeout. */
START_TEST(test_write_stall)
{
	static const uint8_t success[] = {0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0};
	static const uint8_t coinbase[60000];
	const struct adit_sv2_submit_solution m = {.coinbase_tx = {coinbase, sizeof(coinbase)}};
	struct rig rig;
	struct sv2_client_options co = {
	    .plain = true, .max_pending = (size_t)64 << 20, .write_timeout_ms = 200};
	int fd;

	rig_init(&rig, false);
	rig_connect_template(&rig, &co);
	fd = fake_accept(&rig);
	rig_write(fd, success, sizeof(success));
	rig_until(&rig, &rig.client_opened, 1, 2000);
	for (int i = 0; i < 400; i++)
		ck_assert_int_eq(adit_sv2_send(rig.upstream, ADIT_SV2_SUBMIT_SOLUTION, &m),
				 ADIT_OK);
	ck_assert_uint_eq(rig.client_closed, 0);
	rig_until(&rig, &rig.client_closed, 1, 3000);
	ck_saw(&rig, "does not read");
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* --- Reconnect ---------------------------------------------------------------------------------
 */

static int32_t send_reconnect(struct adit_sv2_conn *conn, const char *host, uint16_t port)
{
	struct adit_sv2_reconnect m = {.new_host = {(const uint8_t *)host, (uint32_t)strlen(host)},
				       .new_port = port};

	return adit_sv2_send(conn, ADIT_SV2_RECONNECT, &m);
}

/* To another server of the same authority; when that one is gone, back to the configured address.
 */
START_TEST(test_reconnect_elsewhere)
{
	struct rig first;
	struct rig second;
	struct sv2_server_options so = {.authority_secret = rig_secret()};
	struct sv2_client_options co = {0};
	struct event_base *own;

	rig_init(&first, false);
	rig_serve(&first, &so);
	rig_init(&second, false);
	own = second.base; /* both servers on one loop */
	second.base = first.base;
	rig_serve(&second, &so);
	rig_connect_mining(&first, &co);
	rig_until(&first, &first.client_opened, 1, 2000);
	ck_assert_int_eq(send_reconnect(first.conn, "localhost", second.port), ADIT_OK);
	rig_until(&first, &first.client_opened, 2, 3000);
	ck_assert_uint_eq(second.opened, 1);
	ck_saw(&first, "{the server asked to reconnect}");
	sv2_server_free(second.server);
	second.server = NULL;
	close(second.listener);
	second.listener = dup(0);
	rig_until(&first, &first.client_opened, 3, 3000);
	ck_assert_uint_eq(first.opened, 2);
	second.base = own;
	rig_fini(&second);
	rig_fini(&first);
}
END_TEST

/* Empty host and port 0: the same server. */
START_TEST(test_reconnect_same)
{
	struct rig rig;

	plain_pair(&rig);
	ck_assert_int_eq(send_reconnect(rig.conn, "", 0), ADIT_OK);
	rig_until(&rig, &rig.client_opened, 2, 2000);
	ck_assert_uint_eq(rig.opened, 2);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_reconnect_bad_host)
{
	struct rig rig;

	plain_pair(&rig);
	ck_assert_int_eq(send_reconnect(rig.conn, "evil\nhost", 1), ADIT_OK);
	rig_until(&rig, &rig.client_closed, 1, 2000);
	ck_saw(&rig, "Reconnect refused: protocol");
	rig_until(&rig, &rig.client_opened, 2, 2000);
	ck_assert_uint_eq(rig.opened, 2);
	rig_fini(&rig);
}
END_TEST

static int32_t on_reconnect(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_reconnect *m)
{
	struct rig *rig = context;

	(void)conn;
	rig->client_messages++;
	rig->sum = m->new_port;
	return ADIT_OK;
}

/* An application that handles it decides itself. */
START_TEST(test_reconnect_handler)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true};

	rig_init(&rig, false);
	rig.mining_client.reconnect = on_reconnect;
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	ck_assert_int_eq(send_reconnect(rig.conn, "elsewhere", 4711), ADIT_OK);
	rig_until(&rig, &rig.client_messages, 1, 2000);
	rig_run(&rig, 30);
	ck_assert_uint_eq(rig.sum, 4711);
	ck_assert_uint_eq(rig.client_closed, 0);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_endpoint_changed_ignored)
{
	struct rig rig;
	struct adit_sv2_channel_endpoint_changed m = {.channel_id = 1};

	plain_pair(&rig);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_CHANNEL_ENDPOINT_CHANGED, &m), ADIT_OK);
	rig_run(&rig, 50);
	ck_assert_uint_eq(rig.client_closed, 0);
	rig_fini(&rig);
}
END_TEST

static int32_t on_endpoint_changed(void *context, struct adit_sv2_conn *conn,
				   const struct adit_sv2_channel_endpoint_changed *m)
{
	struct rig *rig = context;

	(void)conn;
	rig->client_messages++;
	rig->sum = m->channel_id;
	return ADIT_OK;
}

/* Delivered to who asks for it, in both protocols. */
START_TEST(test_endpoint_changed_handler)
{
	const struct adit_sv2_channel_endpoint_changed m = {.channel_id = 21};
	struct rig rig;
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true};

	rig_init(&rig, false);
	rig.mining_client.channel_endpoint_changed = on_endpoint_changed;
	rig.tp_client.channel_endpoint_changed = on_endpoint_changed;
	rig_serve(&rig, &so);
	if (_i == 0)
		rig_connect_mining(&rig, &co);
	else
		rig_connect_template(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	ck_assert_int_eq(adit_sv2_send(rig.conn, ADIT_SV2_CHANNEL_ENDPOINT_CHANGED, &m), ADIT_OK);
	rig_until(&rig, &rig.client_messages, 1, 2000);
	ck_assert_uint_eq(rig.sum, 21);
	ck_assert_uint_eq(rig.client_closed, 0);
	rig_fini(&rig);
}
END_TEST

/* --- freeing -----------------------------------------------------------------------------------
 */

static void free_client(struct rig *rig)
{
	sv2_client_free(rig->client);
	rig->client = NULL;
}

static void opened_frees(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_setup_connection_success *success)
{
	struct rig *rig = context;

	(void)conn;
	(void)success;
	rig->client_opened++;
	free_client(rig);
	ck_assert_uint_eq(rig->client_closed, 1);
}

static void closed_frees(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct rig *rig = context;

	(void)conn;
	(void)reason;
	rig->client_closed++;
	free_client(rig);
}

static int32_t channel_frees(void *context, struct adit_sv2_conn *conn,
			     const struct adit_sv2_open_standard_mining_channel_success *m)
{
	(void)conn;
	(void)m;
	free_client(context);
	return ADIT_OK;
}

START_TEST(test_free_in_opened)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true};

	rig_init(&rig, false);
	rig.mining_client.opened = opened_frees;
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	rig_until(&rig, &rig.closed, 1, 2000);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_free_in_closed)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true};

	rig_init(&rig, false);
	rig.mining_client.closed = closed_frees;
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.opened, 1, 2000);
	adit_sv2_close(rig.conn, "now");
	rig_until(&rig, &rig.client_closed, 1, 2000);
	rig_run(&rig, 50);
	ck_assert_uint_eq(rig.client_closed, 1);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_free_in_handler)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true};
	struct adit_sv2_open_standard_mining_channel m = {.request_id = 1};

	rig_init(&rig, false);
	rig.mining_client.open_standard_mining_channel_success = channel_frees;
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	ck_assert_int_eq(adit_sv2_send(rig.upstream, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL, &m),
			 ADIT_OK);
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert_uint_eq(rig.client_closed, 1);
	rig_fini(&rig);
}
END_TEST

/* What was sent right before leaves. */
START_TEST(test_free_flushes)
{
	struct rig rig;
	struct adit_sv2_submit_shares_standard m = {.nonce = 3};

	plain_pair(&rig);
	ck_assert_int_eq(adit_sv2_send(rig.upstream, ADIT_SV2_SUBMIT_SHARES_STANDARD, &m), ADIT_OK);
	free_client(&rig);
	rig_until(&rig, &rig.messages, 1, 2000);
	rig_fini(&rig);
}
END_TEST

/* A block does not wait for what else this wake-up brings, which on a busy server are thousands of
 * shares. */
START_TEST(test_block_leaves_at_once)
{
	static const uint8_t coinbase[200];
	const struct adit_sv2_submit_solution m = {.coinbase_tx = {coinbase, sizeof(coinbase)}};
	struct sv2_server_options so = {.authority_secret = _i == 0 ? rig_secret() : NULL};
	struct sv2_client_options co = {.plain = _i == 1};
	struct rig rig;

	rig_init(&rig, _i == 1);
	rig_serve(&rig, &so);
	rig_connect_template(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	ck_assert_int_eq(adit_sv2_send(rig.upstream, ADIT_SV2_SUBMIT_SOLUTION, &m), ADIT_OK);
	ck_assert_uint_eq(adit_sv2_pending(rig.upstream), 0);
	rig_until(&rig, &rig.messages, 1, 2000);
	ck_assert_uint_eq(rig.sum, sizeof(coinbase));
	rig_fini(&rig);
}
END_TEST

/* Freed before its first attempt, and while it waits for the next. */
START_TEST(test_free_early)
{
	struct rig rig;
	struct sv2_client_options co = {.plain = true, .address = "unix:/nonexistent/tdp.sock"};

	rig_init(&rig, false);
	rig_connect_mining(&rig, &co);
	free_client(&rig);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_closed, 1, 2000);
	free_client(&rig);
	rig_run(&rig, 50);
	ck_assert_uint_eq(rig.client_closed, 1);
	rig_fini(&rig);
}
END_TEST

/* --- addresses ---------------------------------------------------------------------------------
 */

static const struct {
	const char *text;
	const char *host;
	uint16_t port;
	const char *path;
} good_addresses[] = {
    {"127.0.0.1:3333", "127.0.0.1", 3333, NULL},
    {"pool.example.org:1", "pool.example.org", 1, NULL},
    {"[::1]:65535", "::1", 65535, NULL},
    {"[fe80::1%lo]:5", "fe80::1%lo", 5, NULL},
    {"unix:/run/adit/tdp.sock", "", 0, "/run/adit/tdp.sock"},
};

START_TEST(test_address)
{
	struct sv2_address a;
	char back[300];

	ck_assert_int_eq(sv2_address_parse(good_addresses[_i].text, &a, NULL), ADIT_OK);
	ck_assert_str_eq(a.host, good_addresses[_i].host);
	ck_assert_uint_eq(a.port, good_addresses[_i].port);
	ck_assert_str_eq(a.path, good_addresses[_i].path != NULL ? good_addresses[_i].path : "");
	sv2_address_format(&a, back, sizeof(back));
	ck_assert_str_eq(back, good_addresses[_i].text);
}
END_TEST

START_TEST(test_bad_address)
{
	static const char *const bad[] = {
	    "",         "host", ":3333", "host:",     "host:0", "host:65536", "host:12x", "host:+1",
	    "::1:3333", "[]:1", "[::1]", "[::1]3333", "unix:",  "unix:rel",   "host: 1"};
	struct rig rig;
	struct error e = {0};
	struct sv2_client_options co = {.plain = true};

	rig_init(&rig, false);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		co.address = bad[i];
		e.text[0] = '\0';
		ck_assert_msg(sv2_client_new_mining(rig.base, &co, &rig.mining_client, &rig, &e) ==
				  NULL,
			      "%s", bad[i]);
		ck_assert_int_eq(e.code, ADIT_E_CONFIG);
		ck_assert_ptr_nonnull(strstr(e.text, "expected"));
	}
	rig_fini(&rig);
}
END_TEST

/* Names come from /etc/hosts without blocking. */
START_TEST(test_name)
{
	struct rig rig;
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true};
	char address[64];

	rig_init(&rig, false);
	(void)snprintf(address, sizeof(address), "localhost:%u", rig.port);
	co.address = address;
	rig_serve(&rig, &so);
	rig_connect_mining(&rig, &co);
	rig_until(&rig, &rig.client_opened, 1, 4000);
	rig_fini(&rig);
}
END_TEST

/* A name that nobody knows, or no name server at all: the attempt fails, the loop goes on. */
START_TEST(test_unknown_name)
{
	struct rig rig;
	struct sv2_client_options co = {
	    .plain = true, .address = "no-such-name.invalid:3333", .connect_timeout_ms = 300};
	uint64_t last, longest = 0;

	rig_init(&rig, false);
	rig_connect_mining(&rig, &co);
	last = clock_monotonic_ms();
	for (int i = 0; i < 12000 && rig.client_closed == 0; i++) {
		rig_run(&rig, 5);
		if (clock_monotonic_ms() - last > longest)
			longest = clock_monotonic_ms() - last;
		last = clock_monotonic_ms();
	}
	ck_assert_uint_ge(rig.client_closed, 1);
	ck_assert_uint_lt(longest, 250); /* not the time-out, let alone a resolver's */
	ck_saw(&rig, "no-such-name.invalid");
	rig_fini(&rig);
}
END_TEST

static void count_plain(void *user, int32_t level, const char *text)
{
	*(uint32_t *)user += level == ADIT_LOG_WARNING && strstr(text, "not encrypted") != NULL;
}

/* Without encryption beyond this machine: warned of at each start. */
START_TEST(test_plain_far)
{
	static const struct {
		const char *address;
		uint32_t warnings;
	} cases[] = {{"192.0.2.1:1", 1},  {"[2001:db8::1]:1", 1}, {"pool.example:1", 1},
		     {"127.0.0.1:1", 0},  {"[::1]:1", 0},         {"localhost:1", 0},
		     {"unix:/nowhere", 0}};
	struct rig rig;

	rig_init(&rig, false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t warnings = 0;
		struct sv2_client_options co = {.plain = true,
						.address = cases[i].address,
						.log = count_plain,
						.log_user = &warnings};

		rig_connect_mining(&rig, &co);
		sv2_client_free(rig.client); /* before it dials */
		rig.client = NULL;
		ck_assert_msg(warnings == cases[i].warnings, "%s", cases[i].address);
	}
	rig_fini(&rig);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, test_reconnects);
	tcase_add_test(tcase, test_server_comes_late);
	tcase_add_test(tcase, test_back_off);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_wrong_authority);
	tcase_add_test(tcase, test_no_authority);
	tcase_add_loop_test(tcase, test_bad_server, 0, (int)(sizeof(answers) / sizeof(answers[0])));
	tcase_add_test(tcase, test_back_off_after_faults);
	tcase_add_test(tcase, test_back_off_after_hanging_up);
	tcase_add_test(tcase, test_handshake_timeout);
	tcase_add_test(tcase, test_noise_garbage);
	tcase_add_test(tcase, test_idle_timeout);
	tcase_add_test(tcase, test_write_stall);
	tcase_add_test(tcase, test_reconnect_elsewhere);
	tcase_add_test(tcase, test_reconnect_same);
	tcase_add_test(tcase, test_reconnect_bad_host);
	tcase_add_test(tcase, test_reconnect_handler);
	tcase_add_test(tcase, test_endpoint_changed_ignored);
	tcase_add_loop_test(tcase, test_endpoint_changed_handler, 0, 2);
	tcase_add_test(tcase, test_free_in_opened);
	tcase_add_test(tcase, test_free_in_closed);
	tcase_add_test(tcase, test_free_in_handler);
	tcase_add_test(tcase, test_free_flushes);
	tcase_add_loop_test(tcase, test_block_leaves_at_once, 0, 2);
	tcase_add_test(tcase, test_free_early);
	tcase_add_loop_test(tcase, test_address, 0,
			    (int)(sizeof(good_addresses) / sizeof(good_addresses[0])));
	tcase_add_test(tcase, test_bad_address);
	tcase_add_test(tcase, test_name);
	tcase_add_test(tcase, test_unknown_name);
	tcase_add_test(tcase, test_plain_far);
}

int main(void)
{
	Suite *suite = suite_create("sv2-client");
	TCase *tcase = tcase_create("client");
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
