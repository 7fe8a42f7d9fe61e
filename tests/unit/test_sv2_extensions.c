/* SPDX-License-Identifier: MIT */
/* Tests of extensions 0x0001 and 0x0002: TLVs, negotiation from both sides; and a conversation of
 * the job declaration protocol. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#include "lib/sv2/print.h"
#include "tests/unit/sv2_rig.h"

#define SHARE ADIT_SV2_SUBMIT_SHARES_EXTENDED
#define IDENTITY ADIT_SV2_WORKER_HASHRATE

/* --- TLVs --------------------------------------------------------------------------------------
 */

/* The extension's own example, "Worker_001": as the specification prints it (big-endian,
 * extensions/0x0002) and as deployed implementations write it. */
#define WORKER 0x57, 0x6f, 0x72, 0x6b, 0x65, 0x72, 0x5f, 0x30, 0x30, 0x31
static const uint8_t big[] = {0x00, 0x02, 0x01, 0x00, 0x0a, WORKER};
static const uint8_t little[] = {0x02, 0x00, 0x01, 0x0a, 0x00, WORKER};
/* Behind one of extension 7, two bytes long. */
static const uint8_t behind[] = {7, 0, 1, 2, 0, 'x', 'y', 0x02, 0x00, 0x01, 0x0a, 0x00, WORKER};
/* Another field type of extension 2, then two of ours: the first counts. */
static const uint8_t twice[] = {2,    0,    9,      1, 0, 'z', 0x02, 0x00, 0x01,
				0x0a, 0x00, WORKER, 2, 0, 1,   1,    0,    'q'};
/* Truncated in the header and in the value. */
static const uint8_t short_header[] = {0x02, 0x00, 0x01, 0x0a};
static const uint8_t short_value[] = {0x02, 0x00, 0x01, 0x0a, 0x00, 'W'};
static const uint8_t other_short[] = {7, 0, 1, 2, 0, 'x'};

static const struct {
	const uint8_t *area;
	size_t size;
	uint32_t extensions;
	int32_t result;
	bool found;
} areas[] = {
    {little, sizeof(little), IDENTITY, ADIT_OK, true},
    {big, sizeof(big), IDENTITY, ADIT_OK, true},
    {behind, sizeof(behind), IDENTITY, ADIT_OK, true},
    {twice, sizeof(twice), IDENTITY, ADIT_OK, true},
    {little, 0, IDENTITY, ADIT_OK, false},
    {little, sizeof(little), 0, ADIT_OK, false},
    {big, sizeof(big), 0, ADIT_OK, false},
    {little, sizeof(little), ~IDENTITY, ADIT_OK, false},
    {short_header, sizeof(short_header), IDENTITY, ADIT_E_PROTOCOL, false},
    {short_value, sizeof(short_value), IDENTITY, ADIT_E_PROTOCOL, false},
    {other_short, sizeof(other_short), IDENTITY, ADIT_E_PROTOCOL, false},
    {short_header, sizeof(short_header), 0, ADIT_OK, false},
};

START_TEST(test_tlv_area)
{
	struct adit_sv2_submit_shares_extended m = {0};

	ck_assert_int_eq(
	    sv2_decode_tlvs(SHARE, areas[_i].extensions, areas[_i].area, areas[_i].size, &m),
	    areas[_i].result);
	if (areas[_i].result != ADIT_OK)
		return;
	ck_assert(areas[_i].found == (m.user_identity.data != NULL));
	if (!areas[_i].found)
		return;
	ck_assert_uint_eq(m.user_identity.size, 10);
	ck_assert_mem_eq(m.user_identity.data, "Worker_001", 10);
}
END_TEST

/* Only the message that the extension names has the TLV. */
START_TEST(test_tlv_elsewhere)
{
	struct adit_sv2_submit_shares_standard m = {0};

	ck_assert_int_eq(sv2_decode_tlvs(ADIT_SV2_SUBMIT_SHARES_STANDARD, IDENTITY, short_value,
					 sizeof(short_value), &m),
			 ADIT_OK);
}
END_TEST

START_TEST(test_tlv_length)
{
	struct adit_sv2_submit_shares_extended m = {0};
	uint8_t area[5 + 33] = {2, 0, 1, 32, 0};
	uint8_t wire[100];
	size_t size;

	ck_assert_int_eq(sv2_decode_tlvs(SHARE, IDENTITY, area, 37, &m), ADIT_OK);
	ck_assert_uint_eq(m.user_identity.size, 32);
	ck_assert_int_eq(sv2_encode(SHARE, &m, wire, sizeof(wire), &size), ADIT_OK);
	area[3] = 33;
	ck_assert_int_eq(sv2_decode_tlvs(SHARE, IDENTITY, area, 38, &m), ADIT_E_PROTOCOL);
	m.user_identity.size = 33;
	ck_assert_int_eq(sv2_encode(SHARE, &m, wire, sizeof(wire), &size), ADIT_E_INVALID_ARGUMENT);
}
END_TEST

/* Sent little-endian, behind the fields, inside the payload; an empty value is a TLV too. */
START_TEST(test_tlv_encoding)
{
	struct adit_sv2_submit_shares_extended m = {
	    .user_identity = {(const uint8_t *)"Worker_001", 10}};
	uint8_t wire[100];
	size_t size;

	ck_assert_int_eq(sv2_encode_frame(SHARE, &m, wire, sizeof(wire), &size), ADIT_OK);
	ck_assert_uint_eq(size, 6 + 25 + 15);
	ck_assert_mem_eq(wire, "\x00\x80\x1b\x28\x00\x00", 6); /* core, channel bit, 40 bytes */
	ck_assert_mem_eq(wire + 31, little, sizeof(little));
	m.user_identity.size = 0;
	ck_assert_int_eq(sv2_encode(SHARE, &m, wire, sizeof(wire), &size), ADIT_OK);
	ck_assert_uint_eq(size, 25 + 5);
	m.user_identity.data = NULL;
	ck_assert_int_eq(sv2_encode(SHARE, &m, wire, sizeof(wire), &size), ADIT_OK);
	ck_assert_uint_eq(size, 25);
}
END_TEST

START_TEST(test_tlv_printed)
{
	struct adit_sv2_submit_shares_extended m = {
	    .user_identity = {(const uint8_t *)"Worker_001", 10}};
	struct buf out = {0};

	ck_assert(sv2_print(&out, SHARE, &m, SV2_PRINT_JSON));
	ck_assert(buf_append_u8(&out, 0));
	ck_assert_ptr_nonnull(strstr((char *)out.data, ",\"user_identity\":\"Worker_001\"}"));
	buf_clear(&out);
	m.user_identity.data = NULL;
	ck_assert(sv2_print(&out, SHARE, &m, SV2_PRINT_TEXT));
	ck_assert_ptr_null(memmem(out.data, out.size, "user_identity", 13));
	buf_free(&out);
}
END_TEST

/* --- the server's side -------------------------------------------------------------------------
 */

/* What the newest share said of its worker; "-" without TLV. */
static char worker[40];

static int32_t on_share(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_submit_shares_extended *m)
{
	struct rig *rig = context;

	(void)conn;
	strcpy(worker, "-");
	if (m->user_identity.data != NULL) {
		memcpy(worker, m->user_identity.data, m->user_identity.size);
		worker[m->user_identity.size] = '\0';
	}
	rig->messages++;
	return ADIT_OK;
}

static int serve(struct rig *rig, uint32_t supported, uint32_t required)
{
	struct sv2_server_options so = {0};

	rig_init(rig, false);
	rig->mining.supported_extensions = supported;
	rig->mining.required_extensions = required;
	rig->mining.submit_shares_extended = on_share;
	rig_serve(rig, &so);
	return rig_dial_plain(rig, ADIT_SV2_MINING);
}

/* Asks for COUNT ids; the answer's type. */
static uint8_t ask(struct rig *rig, int fd, const uint16_t *ids, uint32_t count,
		   union sv2_body *body)
{
	static uint8_t answer[512];
	uint8_t list[64];
	uint8_t frame[100];
	struct adit_sv2_request_extensions m = {
	    .request_id = 0x1234,
	    .requested_extensions = {.data = list, .size = 2 * count, .count = count}};

	for (uint32_t i = 0; i < count; i++) {
		list[2 * i] = (uint8_t)ids[i];
		list[2 * i + 1] = (uint8_t)(ids[i] >> 8);
	}
	rig_write(fd, frame, rig_frame(ADIT_SV2_REQUEST_EXTENSIONS, &m, frame, sizeof(frame)));
	ck_assert(rig_read(rig, fd, answer, 6, 2000));
	ck_assert_mem_eq(answer, "\x01\x00", 2); /* of extension 1, no channel bit */
	ck_assert(rig_read(rig, fd, answer + 6, answer[3], 2000));
	ck_assert_int_eq(
	    sv2_decode(sv2_message_find(1, answer[2]), answer + 6, answer[3], body, NULL), ADIT_OK);
	ck_assert_uint_eq(body->request_extensions_success.request_id, 0x1234);
	return answer[2];
}

static void ck_list(const struct adit_sv2_seq *list, const char *bytes, uint32_t count)
{
	ck_assert_uint_eq(list->count, count);
	ck_assert_mem_eq(list->data, bytes, (size_t)2 * count);
}

static void send_share(int fd, const uint8_t *area, size_t size)
{
	uint8_t frame[100] = {0, 0x80, 0x1b, (uint8_t)(25 + size)};

	memcpy(frame + 31, area, size);
	rig_write(fd, frame, 31 + size);
}

/* Success names the part that is supported; from then on TLVs are seen, before not. */
START_TEST(test_server_grants)
{
	static const uint16_t ids[] = {3, 2, 0x4001};
	struct rig rig;
	union sv2_body body;
	int fd = serve(&rig, IDENTITY, 0);

	send_share(fd, little, sizeof(little));
	rig_until(&rig, &rig.messages, 1, 2000);
	ck_assert_str_eq(worker, "-");
	ck_assert_uint_eq(adit_sv2_extensions(rig.conn), 0);
	ck_assert_uint_eq(ask(&rig, fd, ids, 3, &body), 0x01);
	ck_list(&body.request_extensions_success.supported_extensions, "\x02\x00", 1);
	ck_assert_uint_eq(adit_sv2_extensions(rig.conn), IDENTITY);
	send_share(fd, big, sizeof(big));
	rig_until(&rig, &rig.messages, 2, 2000);
	ck_assert_str_eq(worker, "Worker_001");
	send_share(fd, short_value, sizeof(short_value));
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert(rig_saw(&rig, "malformed SubmitSharesExtended"));
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* Nothing of what is asked is supported, or nothing is asked: Error, and the connection lives. */
START_TEST(test_server_refuses)
{
	static const uint16_t ids[] = {3, 0x4001};
	struct rig rig;
	union sv2_body body;
	int fd = serve(&rig, _i == 0 ? IDENTITY : 0, 0);

	ck_assert_uint_eq(ask(&rig, fd, ids, 2, &body), 0x02);
	ck_list(&body.request_extensions_error.unsupported_extensions, "\x03\x00\x01\x40", 2);
	ck_assert_uint_eq(body.request_extensions_error.required_extensions.count, 0);
	ck_assert_uint_eq(ask(&rig, fd, ids, 0, &body), 0x02);
	ck_assert_uint_eq(body.request_extensions_error.unsupported_extensions.count, 0);
	send_share(fd, little, sizeof(little));
	rig_until(&rig, &rig.messages, 1, 2000);
	ck_assert_str_eq(worker, "-");
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* A required extension: told which, the client may ask once more. */
START_TEST(test_server_requires)
{
	static const uint16_t ids[] = {5, 2};
	struct rig rig;
	union sv2_body body;
	int fd = serve(&rig, ADIT_SV2_EXTENSION(5), IDENTITY);

	ck_assert_uint_eq(ask(&rig, fd, ids, 1, &body), 0x02);
	ck_assert_uint_eq(body.request_extensions_error.unsupported_extensions.count, 0);
	ck_list(&body.request_extensions_error.required_extensions, "\x02\x00", 1);
	if (_i == 0) { /* the retry brings it */
		ck_assert_uint_eq(ask(&rig, fd, ids, 2, &body), 0x01);
		ck_list(&body.request_extensions_success.supported_extensions, "\x02\x00\x05\x00",
			2);
		send_share(fd, little, sizeof(little));
		rig_until(&rig, &rig.messages, 1, 2000);
		ck_assert_str_eq(worker, "Worker_001");
	} else { /* it doesn't: told again, and out */
		ck_assert_uint_eq(ask(&rig, fd, ids, 1, &body), 0x02);
		rig_until(&rig, &rig.closed, 1, 2000);
		ck_assert(rig_saw(&rig, "required extensions are not requested"));
	}
	close(fd);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_server_requires_first)
{
	struct rig rig;
	int fd = serve(&rig, 0, IDENTITY);

	send_share(fd, little, sizeof(little));
	rig_until(&rig, &rig.closed, 1, 2000);
	ck_assert(rig_saw(&rig, "required extensions are not negotiated"));
	ck_assert_uint_eq(rig.messages, 0);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* --- the client's side -------------------------------------------------------------------------
 */

/* A client that wants and requires these, in front of a plain server with those. */
static void pair(struct rig *rig, uint32_t wanted, uint32_t required, uint32_t offered)
{
	struct sv2_server_options so = {0};
	struct sv2_client_options co = {.plain = true};

	rig_init(rig, false);
	rig->mining.supported_extensions = offered;
	rig->mining.submit_shares_extended = on_share;
	rig_serve(rig, &so);
	rig->mining_client.wanted_extensions = wanted;
	rig->mining_client.required_extensions = required;
	rig_connect_mining(rig, &co);
}

/* The TLV travels when it was negotiated, else the share goes without. */
START_TEST(test_client_sends)
{
	struct rig rig;
	struct adit_sv2_submit_shares_extended m = {.user_identity = {(const uint8_t *)"abc", 3}};

	pair(&rig, IDENTITY | ADIT_SV2_EXTENSION(9), 0, _i == 0 ? IDENTITY : 0);
	rig_until(&rig, &rig.client_opened, 1, 2000);
	ck_assert_uint_eq(adit_sv2_extensions(rig.upstream), _i == 0 ? IDENTITY : 0);
	ck_assert_int_eq(adit_sv2_send(rig.upstream, SHARE, &m), ADIT_OK);
	rig_until(&rig, &rig.messages, 1, 2000);
	ck_assert_str_eq(worker, _i == 0 ? "abc" : "-");
	ck_assert_ptr_nonnull(m.user_identity.data);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_client_requires)
{
	struct rig rig;

	pair(&rig, 0, IDENTITY | ADIT_SV2_EXTENSION(9), _i == 0 ? IDENTITY : 0);
	rig_until(&rig, &rig.client_closed, 1, 2000);
	ck_assert(rig_saw(&rig, "the server lacks required extensions"));
	ck_assert_uint_eq(rig.client_opened, 0);
	rig_fini(&rig);
}
END_TEST

/* Takes the client's connection at a listener without server, answers SetupConnection and reads
 * what follows; returns the size of that, 0 when nothing comes. */
static size_t accept_as(struct rig *rig, int *fd, uint8_t *request)
{
	static const uint8_t success[] = {0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0};
	uint8_t setup[100];
	size_t have = 0;

	*fd = -1;
	for (int i = 0; i < 12000 && *fd < 0; i++) {
		rig_run(rig, 5);
		*fd = accept(rig->listener, NULL, NULL);
	}
	ck_assert_int_ge(*fd, 0);
	ck_assert(rig_read(rig, *fd, setup, 6, 2000));
	ck_assert(rig_read(rig, *fd, setup + 6, setup[3], 2000));
	rig_write(*fd, success, sizeof(success));
	for (int i = 0; i < 10 && have == 0; i++) {
		ssize_t n;

		rig_run(rig, 5);
		n = recv(*fd, request, 100, MSG_DONTWAIT);
		have = n > 0 ? (size_t)n : 0;
	}
	return have;
}

/* The server requires what the client doesn't know; or breaks the rules while it is asked. */
static const struct {
	uint8_t bytes[32];
	size_t size;
	const char *reason;
} bad_answers[] = {
    {{1, 0, 2, 8, 0, 0, 1, 0, 0, 0, 1, 0, 0x05, 0x40}, 14, "the server requires extension 0x4005"},
    {{0, 0x80, 0x21, 36, 0, 0}, 6, "out of place"},
    {{1, 0, 1, 6, 0, 0, 1, 0, 2, 0, 2, 0}, 12, "malformed RequestExtensions.Success"},
    {{1, 0, 1, 1, 4, 0}, 6, "too large"},
    {{1, 0, 0, 4, 0, 0}, 6, "out of place"},
};

START_TEST(test_client_bad_answer)
{
	struct rig rig;
	struct sv2_client_options co = {.plain = true};
	uint8_t request[100];
	int fd;

	rig_init(&rig, false);
	rig.mining_client.wanted_extensions = IDENTITY;
	rig_connect_mining(&rig, &co);
	ck_assert_uint_eq(accept_as(&rig, &fd, request), 12);
	ck_assert_mem_eq(request, "\x01\x00\x00\x06\x00\x00\x01\x00\x01\x00\x02\x00", 12);
	rig_write(fd, bad_answers[_i].bytes, bad_answers[_i].size);
	rig_until(&rig, &rig.client_closed, 1, 2000);
	ck_assert_msg(rig_saw(&rig, bad_answers[_i].reason), "%.*s", (int)rig.trace.size,
		      (char *)rig.trace.data);
	ck_assert_uint_eq(rig.client_opened, 0);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* An extension that nobody asked for is not in use. Messages of others are skipped meanwhile. */
START_TEST(test_client_unasked)
{
	static const uint8_t answer[] = {7, 0, 0x55, 0, 0, 0, 1, 0, 1, 8,
					 0, 0, 1,    0, 2, 0, 2, 0, 3, 0};
	struct rig rig;
	struct sv2_client_options co = {.plain = true};
	uint8_t request[100];
	int fd;

	rig_init(&rig, false);
	rig.mining_client.wanted_extensions = IDENTITY;
	rig_connect_mining(&rig, &co);
	ck_assert_uint_eq(accept_as(&rig, &fd, request), 12);
	rig_write(fd, answer, sizeof(answer));
	rig_until(&rig, &rig.client_opened, 1, 2000);
	ck_assert_uint_eq(adit_sv2_extensions(rig.upstream), IDENTITY);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* ChannelEndpointChanged: nothing is in use until the answer to a new request; an answer that
 * nobody asked for is out of place. */
START_TEST(test_endpoint_changed)
{
	static const uint8_t success[] = {1, 0, 1, 6, 0, 0, 1, 0, 1, 0, 2, 0};
	static const uint8_t changed[] = {0, 0x80, 3, 4, 0, 0, 1, 0, 0, 0};
	struct rig rig;
	struct sv2_client_options co = {.plain = true};
	uint8_t request[100];
	int fd;

	rig_init(&rig, false);
	rig.mining_client.wanted_extensions = IDENTITY;
	rig_connect_mining(&rig, &co);
	ck_assert_uint_eq(accept_as(&rig, &fd, request), 12);
	rig_write(fd, success, sizeof(success));
	rig_until(&rig, &rig.client_opened, 1, 2000);
	rig_write(fd, changed, sizeof(changed));
	ck_assert(rig_read(&rig, fd, request + 20, 12, 2000));
	ck_assert_mem_eq(request, request + 20, 12);
	ck_assert_uint_eq(adit_sv2_extensions(rig.upstream), 0);
	rig_write(fd, success, sizeof(success));
	for (int i = 0; i < 12000 && adit_sv2_extensions(rig.upstream) == 0; i++)
		rig_run(&rig, 5);
	ck_assert_uint_eq(adit_sv2_extensions(rig.upstream), IDENTITY);
	ck_assert_uint_eq(rig.client_opened, 1);
	rig_write(fd, success, sizeof(success));
	rig_until(&rig, &rig.client_closed, 1, 2000);
	ck_assert(rig_saw(&rig, "out of place"));
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* Asked anew after ChannelEndpointChanged, the server doesn't answer: the connection ends in time.
 */
START_TEST(test_endpoint_changed_unanswered)
{
	static const uint8_t success[] = {1, 0, 1, 6, 0, 0, 1, 0, 1, 0, 2, 0};
	static const uint8_t changed[] = {0, 0x80, 3, 4, 0, 0, 1, 0, 0, 0};
	struct rig rig;
	struct sv2_client_options co = {.plain = true, .handshake_timeout_ms = 500};
	uint8_t request[100];
	int fd;

	rig_init(&rig, false);
	rig.mining_client.wanted_extensions = IDENTITY;
	rig_connect_mining(&rig, &co);
	ck_assert_uint_eq(accept_as(&rig, &fd, request), 12);
	rig_write(fd, success, sizeof(success));
	rig_until(&rig, &rig.client_opened, 1, 2000);
	rig_write(fd, changed, sizeof(changed));
	rig_until(&rig, &rig.client_closed, 1, 5000);
	ck_assert(rig_saw(&rig, "no answer to RequestExtensions"));
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* A server that ignores the request, or closes on it: asked again on a new connection, then not any
 * more. */
START_TEST(test_client_unanswered)
{
	struct rig rig;
	struct sv2_client_options co = {.plain = true, .handshake_timeout_ms = 2000};
	uint8_t request[100];
	int fd;

	rig_init(&rig, false);
	rig.mining_client.wanted_extensions = IDENTITY;
	rig_connect_mining(&rig, &co);
	for (uint32_t i = 1; i <= 2; i++) {
		ck_assert_uint_eq(accept_as(&rig, &fd, request), 12);
		if (_i == 1)
			close(fd);
		rig_until(&rig, &rig.client_closed, i, 2500);
		ck_assert(rig_saw(&rig, _i == 1 ? "closed by the peer"
						: "no answer to RequestExtensions"));
		if (_i == 0)
			close(fd);
	}
	ck_assert_uint_eq(accept_as(&rig, &fd, request), 0);
	ck_assert_uint_eq(rig.client_opened, 1);
	ck_assert_uint_eq(adit_sv2_extensions(rig.upstream), 0);
	close(fd);
	rig_fini(&rig);
}
END_TEST

/* Reconnect instead of the answer, after an attempt that failed: the new place is tried all the
 * same. */
START_TEST(test_client_redirected)
{
	struct rig rig;
	struct rig other;
	struct sv2_client_options co = {.plain = true, .retry_min_ms = 1};
	struct adit_sv2_reconnect m = {.new_host = {(const uint8_t *)"127.0.0.1", 9}};
	uint8_t request[100];
	size_t size;
	int fd;

	rig_init(&rig, false);
	rig_init(&other, false);
	m.new_port = other.port;
	size = rig_frame(ADIT_SV2_RECONNECT, &m, request, sizeof(request));
	rig.mining_client.wanted_extensions = IDENTITY;
	rig_connect_mining(&rig, &co);
	for (int i = 0; i < 2; i++) { /* the first attempt fails */
		uint8_t answer[100];

		ck_assert_uint_eq(accept_as(&rig, &fd, answer), 12);
		if (i == 1)
			rig_write(fd, request, size);
		else
			rig_write(fd, "\x00\x00\xff\x00\x00\x00", 6);
		rig_until(&rig, &rig.client_closed, (uint32_t)i + 1, 2000);
		close(fd);
	}
	fd = -1;
	for (int i = 0; i < 12000 && fd < 0; i++) {
		rig_run(&rig, 5);
		fd = accept(other.listener, NULL, NULL);
	}
	ck_assert_int_ge(fd, 0);
	close(fd);
	rig_fini(&other);
	rig_fini(&rig);
}
END_TEST

/* --- job declaration ---------------------------------------------------------------------------
 */

static const uint8_t token[] = {1, 2, 3};

static int32_t on_allocate(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_allocate_mining_job_token *m)
{
	struct adit_sv2_allocate_mining_job_token_success answer = {
	    .request_id = m->request_id, .mining_job_token = {token, sizeof(token)}};

	(void)context;
	return adit_sv2_send(conn, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN_SUCCESS, &answer);
}

/* Asks for every second transaction. */
static int32_t on_declare(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_declare_mining_job *m)
{
	struct rig *rig = context;
	static const uint8_t places[] = {0, 0, 2, 0};
	struct adit_sv2_provide_missing_transactions answer = {
	    .request_id = m->request_id,
	    .unknown_tx_position_list = {.data = places, .size = 4, .count = 2}};

	ck_assert_uint_eq(m->wtxid_list.count, 3);
	ck_assert_uint_eq(m->wtxid_list.data[64], 'c');
	rig->messages++;
	return adit_sv2_send(conn, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS, &answer);
}

static int32_t on_token(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_allocate_mining_job_token_success *m)
{
	static uint8_t wtxids[96];
	struct adit_sv2_declare_mining_job declare = {
	    .request_id = 8,
	    .mining_job_token = m->mining_job_token,
	    .wtxid_list = {.data = wtxids, .size = 96, .count = 3}};

	(void)context;
	ck_assert_uint_eq(m->request_id, 7);
	wtxids[64] = 'c';
	return adit_sv2_send(conn, ADIT_SV2_DECLARE_MINING_JOB, &declare);
}

static int32_t on_missing(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_provide_missing_transactions *m)
{
	struct rig *rig = context;

	(void)conn;
	ck_assert_uint_eq(m->request_id, 8);
	ck_assert_uint_eq(m->unknown_tx_position_list.count, 2);
	rig->client_messages++;
	return ADIT_OK;
}

static void on_jdc_opened(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_setup_connection_success *success)
{
	struct rig *rig = context;
	struct adit_sv2_allocate_mining_job_token m = {.request_id = 7};
	struct adit_sv2_submit_shares_standard share = {0};

	ck_assert_uint_eq(success->flags, 0);
	rig->client_opened++;
	ck_assert_int_eq(adit_sv2_send(conn, ADIT_SV2_SUBMIT_SHARES_STANDARD, &share),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(adit_sv2_send(conn, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN, &m), ADIT_OK);
}

START_TEST(test_job_declaration)
{
	static const struct adit_sv2_job_declaration_server_handlers jds = {
	    .size = sizeof(jds),
	    .supported_flags = ADIT_SV2_DECLARE_TX_DATA,
	    .allocate_mining_job_token = on_allocate,
	    .declare_mining_job = on_declare};
	static const struct adit_sv2_job_declaration_client_handlers jdc = {
	    .size = sizeof(jdc),
	    .opened = on_jdc_opened,
	    .allocate_mining_job_token_success = on_token,
	    .provide_missing_transactions = on_missing};
	struct rig rig;
	struct sv2_server_options so = {.authority_secret = rig_secret()};
	struct sv2_client_options co = {.flags = ADIT_SV2_DECLARE_TX_DATA};

	rig_init(&rig, false);
	rig_serve(&rig, &so);
	ck_assert_int_eq(sv2_server_set_job_declaration(rig.server, &jds, &rig), ADIT_OK);
	ck_assert_int_eq(sv2_server_set_job_declaration(rig.server, &jds, &rig), ADIT_E_EXISTS);
	sv2_server_set_open(rig.server, ADIT_SV2_JOB_DECLARATION, true);
	co.address = rig.address;
	co.authority_x = rig.authority_x;
	rig.client = sv2_client_new_job_declaration(rig.base, &co, &jdc, &rig, NULL);
	ck_assert_ptr_nonnull(rig.client);
	rig_until(&rig, &rig.client_messages, 1, 3000);
	ck_assert_uint_eq(rig.messages, 1);
	rig_fini(&rig);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_loop_test(tcase, test_tlv_area, 0, sizeof(areas) / sizeof(areas[0]));
	tcase_add_test(tcase, test_tlv_elsewhere);
	tcase_add_test(tcase, test_tlv_length);
	tcase_add_test(tcase, test_tlv_encoding);
	tcase_add_test(tcase, test_tlv_printed);
	tcase_add_test(tcase, test_server_grants);
	tcase_add_loop_test(tcase, test_server_refuses, 0, 2);
	tcase_add_loop_test(tcase, test_server_requires, 0, 2);
	tcase_add_test(tcase, test_server_requires_first);
	tcase_add_loop_test(tcase, test_client_sends, 0, 2);
	tcase_add_loop_test(tcase, test_client_requires, 0, 2);
	tcase_add_loop_test(tcase, test_client_bad_answer, 0,
			    sizeof(bad_answers) / sizeof(bad_answers[0]));
	tcase_add_test(tcase, test_client_unasked);
	tcase_add_test(tcase, test_endpoint_changed);
	tcase_add_test(tcase, test_endpoint_changed_unanswered);
	tcase_add_loop_test(tcase, test_client_unanswered, 0, 2);
	tcase_add_test(tcase, test_client_redirected);
	tcase_add_test(tcase, test_job_declaration);
}

int main(void)
{
	Suite *suite = suite_create("sv2-extensions");
	TCase *tcase = tcase_create("extensions");
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
