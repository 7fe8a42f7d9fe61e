/* SPDX-License-Identifier: MIT */
/*
 * Clients that misbehave, at every layer, while an honest miner mines on another connection: the
 * bad connection is closed or its share refused with the right code, and the honest one never
 * notices.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sv2/frame.h"
#include "lib/util/random.h"
#include "tests/functional/harness.h"
#include "tests/functional/probe.h"

/* A block in half a million hashes, a share in 4,300: the probe's shares are rarely blocks. */
#define NBITS "1e1fffff"
#define POOL_KEYS "shares_per_minute = 600\nmin_difficulty = 0.000001\n"
#define HASHRATE 100000
#define MINER "cpu-miner@honest"
#define SHARE_MS HARNESS_WAIT_MS

static struct probe probe;
static struct probe_channel channel;
static char honest_channel[64];
static pid_t pids[3];

/* --- the honest miner ---------------------------------------------------------------------------
 */

/* The pool's name for the honest miner's channel: pool.1/CONNECTION/CHANNEL. */
static void honest_name(char *out, size_t capacity)
{
	struct json_object *status = harness_status();
	struct json_object *miners = json_array_member(harness_said(status, "pool"), "miners");

	out[0] = '\0';
	for (size_t i = 0; i < json_count(miners); i++)
		if (strcmp(json_text(json_element(miners, i), "user", ""), "honest") == 0)
			snprintf(out, capacity, "%s",
				 json_text(json_element(miners, i), "channel", ""));
	json_object_put(status);
}

static void take_pids(pid_t *out)
{
	out[0] = harness_pid("sv2-server");
	out[1] = harness_pid("template-provider");
	out[2] = harness_pid("node");
}

static void setup(void)
{
	harness_setup();
	probe.fd = -1;
	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure_miner("honest", "extended", HASHRATE);
	harness_start();
	harness_wait_running();
	harness_wait_number(MINER, "shares_accepted", 3, SHARE_MS);
	honest_name(honest_channel, sizeof(honest_channel));
	take_pids(pids);
}

/* It still mines, over the connection and with the processes it had. */
static void honest_goes_on(void)
{
	int64_t before = harness_number(MINER, "shares_accepted");
	pid_t now[3];
	char name[64];

	harness_wait_number(MINER, "shares_accepted", before + 3, SHARE_MS);
	honest_name(name, sizeof(name));
	must(strcmp(name, honest_channel) == 0, "the honest miner's channel was %s, is %s",
	     honest_channel, name);
	take_pids(now);
	must(memcmp(now, pids, sizeof(pids)) == 0, "a process was replaced");
}

static void teardown(void)
{
	honest_goes_on();
	probe_close(&probe);
	harness_teardown();
}

/* --- below messages -----------------------------------------------------------------------------
 */

START_TEST(garbage_instead_of_a_handshake)
{
	uint8_t garbage[4096];

	/* Any 64 bytes are an ElligatorSwift encoding: act 2 comes. What follows can't be opened.
	 */
	random_bytes(garbage, sizeof(garbage));
	probe_connect(&probe, harness.port);
	probe_send_raw(&probe, garbage, sizeof(garbage));
	probe_expect_close(&probe);
}
END_TEST

START_TEST(plain_text_instead_of_a_handshake)
{
	static const char text[] = "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n"
				   "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[]}\n";

	probe_connect(&probe, harness.port);
	probe_send_raw(&probe, text, sizeof(text) - 1);
	probe_expect_close(&probe);
}
END_TEST

/* Ends at every byte of the handshake and of the first frame. */
START_TEST(connections_that_end_early)
{
	uint8_t bytes[NOISE_ACT1_SIZE];

	random_bytes(bytes, sizeof(bytes));
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		probe_connect(&probe, harness.port);
		probe_send_raw(&probe, bytes, size);
		probe_close(&probe);
	}
	for (size_t size = 0; size < SV2_SEALED_HEADER_SIZE; size++) {
		uint8_t header[SV2_HEADER_SIZE], sealed[SV2_SEALED_HEADER_SIZE];

		probe_connect(&probe, harness.port);
		probe_handshake(&probe, NULL);
		probe_header(header, 0, 0, 100);
		ck_assert_int_eq(noise_seal(&probe.send, header, sizeof(header), sealed), ADIT_OK);
		probe_send_raw(&probe, sealed, size);
		probe_close(&probe);
	}
}
END_TEST

START_TEST(truncated_frame)
{
	uint8_t frame[SV2_HEADER_SIZE + 10] = {0};
	uint8_t sealed[64];

	/* The header promises 100 bytes, ten come, then the end. */
	probe_ready(&probe, harness.port);
	probe_header(frame, 0x8000, 0x1a, 100);
	ck_assert_int_eq(noise_seal(&probe.send, frame, SV2_HEADER_SIZE, sealed), ADIT_OK);
	probe_send_raw(&probe, sealed, SV2_SEALED_HEADER_SIZE);
	probe_send_raw(&probe, frame, 10);
	probe_close(&probe);
	/* A payload that is shorter than its message. */
	probe_ready(&probe, harness.port);
	probe_header(frame, 0x8000, 0x1a, 10);
	probe_send_frame(&probe, frame, sizeof(frame));
	probe_expect_close(&probe);
}
END_TEST

START_TEST(oversized_frames)
{
	static const uint32_t sizes[] = {129, 4096, 65519, 65520, 0xffffff};
	uint8_t header[SV2_HEADER_SIZE], sealed[SV2_SEALED_HEADER_SIZE];

	/* SubmitSharesStandard has 24 bytes; the server has to refuse at the header. */
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		probe_ready(&probe, harness.port);
		probe_header(header, 0x8000, 0x1a, sizes[i]);
		ck_assert_int_eq(noise_seal(&probe.send, header, sizeof(header), sealed), ADIT_OK);
		probe_send_raw(&probe, sealed, sizeof(sealed));
		probe_expect_close(&probe);
		probe_close(&probe);
	}
}
END_TEST

START_TEST(wrong_mac)
{
	uint8_t frame[SV2_HEADER_SIZE + 24] = {0};
	uint8_t sealed[128];
	size_t size = sv2_sealed_size(24);

	/* One flipped bit in the header, in the payload, in either tag. */
	for (size_t bit = 0; bit < size * 8; bit += 61) {
		probe_ready(&probe, harness.port);
		probe_header(frame, 0x8000, 0x1a, 24);
		ck_assert_int_eq(sv2_seal_frame(&probe.send, frame, sizeof(frame), sealed),
				 ADIT_OK);
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		probe_send_raw(&probe, sealed, size);
		probe_expect_close(&probe);
		probe_close(&probe);
	}
}
END_TEST

/* A frame that was recorded and sent again has the wrong nonce. */
START_TEST(replayed_frame)
{
	uint8_t frame[SV2_HEADER_SIZE + 24] = {0};
	uint8_t sealed[128];
	size_t size = sv2_sealed_size(24);
	union sv2_body body;

	probe_ready(&probe, harness.port);
	probe_header(frame, 0x8000, 0x1a, 24);
	ck_assert_int_eq(sv2_seal_frame(&probe.send, frame, sizeof(frame), sealed), ADIT_OK);
	probe_send_raw(&probe, sealed, size);
	probe_expect(&probe, ADIT_SV2_SUBMIT_SHARES_ERROR, &body);
	probe_send_raw(&probe, sealed, size);
	probe_expect_close(&probe);
}
END_TEST

/* --- messages -----------------------------------------------------------------------------------
 */

START_TEST(unknown_messages)
{
	uint8_t frame[SV2_HEADER_SIZE + 8] = {0};

	/* Of the core: closed. */
	probe_ready(&probe, harness.port);
	probe_header(frame, 0, 0xee, 8);
	probe_send_frame(&probe, frame, sizeof(frame));
	probe_expect_close(&probe);
	probe_close(&probe);
	/* Of an extension nobody asked for: skipped, the connection is as good as before. */
	probe_ready(&probe, harness.port);
	probe_header(frame, 0x4abc, 0xee, 8);
	must(probe_send_frame(&probe, frame, sizeof(frame)), "closed");
	probe_open_standard(&probe, &channel);
	ck_assert_ptr_null(probe_share(&probe, &channel, NULL));
}
END_TEST

START_TEST(messages_before_setup_connection)
{
	struct adit_sv2_open_standard_mining_channel open = {.request_id = 1};
	struct adit_sv2_submit_shares_standard share = {.channel_id = 1};
	uint8_t extension[SV2_HEADER_SIZE];

	probe_connect(&probe, harness.port);
	probe_handshake(&probe, NULL);
	probe_send(&probe, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL, &open);
	probe_expect_close(&probe);
	probe_close(&probe);
	probe_connect(&probe, harness.port);
	probe_handshake(&probe, NULL);
	probe_send(&probe, ADIT_SV2_SUBMIT_SHARES_STANDARD, &share);
	probe_expect_close(&probe);
	probe_close(&probe);
	probe_connect(&probe, harness.port);
	probe_handshake(&probe, NULL);
	probe_header(extension, 1, 0, 0);
	probe_send_frame(&probe, extension, sizeof(extension));
	probe_expect_close(&probe);
}
END_TEST

START_TEST(second_setup_connection)
{
	struct adit_sv2_setup_connection again = {.min_version = 2, .max_version = 2};

	probe_ready(&probe, harness.port);
	probe_send(&probe, ADIT_SV2_SETUP_CONNECTION, &again);
	probe_expect_close(&probe);
}
END_TEST

START_TEST(refused_setup_connections)
{
	static const struct {
		uint8_t protocol;
		uint16_t min_version;
		uint16_t max_version;
		uint32_t flags;
		const char *code;
	} requests[] = {
	    {ADIT_SV2_MINING, 3, 9, 0, "protocol-version-mismatch"},
	    {ADIT_SV2_MINING, 1, 1, 0, "protocol-version-mismatch"},
	    {ADIT_SV2_TEMPLATE_DISTRIBUTION, 2, 2, 0, "unsupported-protocol"},
	    {77, 2, 2, 0, "unsupported-protocol"},
	    {ADIT_SV2_MINING, 2, 2, 0x80000000u, "unsupported-feature-flags"},
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct adit_sv2_setup_connection request = {
		    .protocol = requests[i].protocol,
		    .min_version = requests[i].min_version,
		    .max_version = requests[i].max_version,
		    .flags = requests[i].flags,
		};
		union sv2_body body;

		probe_connect(&probe, harness.port);
		probe_handshake(&probe, NULL);
		probe_send(&probe, ADIT_SV2_SETUP_CONNECTION, &request);
		probe_expect(&probe, ADIT_SV2_SETUP_CONNECTION_ERROR, &body);
		must(body.setup_connection_error.error_code.size == strlen(requests[i].code) &&
			 memcmp(body.setup_connection_error.error_code.data, requests[i].code,
				strlen(requests[i].code)) == 0,
		     "request %zu: not refused with %s", i, requests[i].code);
		probe_expect_close(&probe);
		probe_close(&probe);
	}
}
END_TEST

/* A server's message, and one of another protocol. */
START_TEST(messages_in_the_wrong_place)
{
	struct adit_sv2_submit_shares_success success = {.channel_id = 1};
	struct adit_sv2_coinbase_output_constraints constraints = {0};

	probe_ready(&probe, harness.port);
	probe_send(&probe, ADIT_SV2_SUBMIT_SHARES_SUCCESS, &success);
	probe_expect_close(&probe);
	probe_close(&probe);
	probe_ready(&probe, harness.port);
	probe_send(&probe, ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS, &constraints);
	probe_expect_close(&probe);
}
END_TEST

/* Random payloads under every message type: the server may answer or close, but lives on. */
START_TEST(random_payloads)
{
	uint8_t frame[SV2_HEADER_SIZE + 300];
	union sv2_body body;

	for (unsigned type = 0; type < 0x100; type += 3) {
		uint32_t size = random_below(300);

		if (probe.fd < 0)
			probe_ready(&probe, harness.port);
		random_bytes(frame, sizeof(frame));
		probe_header(frame, (uint16_t)((type & 1) << 15), (uint8_t)type, size);
		if (!probe_send_frame(&probe, frame, SV2_HEADER_SIZE + size) ||
		    probe_receive(&probe, 5, &body) == -2)
			probe_close(&probe);
	}
}
END_TEST

/* --- shares -------------------------------------------------------------------------------------
 */

static void is_code(const char *verdict, const char *code)
{
	must(verdict != NULL && strcmp(verdict, code) == 0, "the verdict is %s, not %s",
	     verdict != NULL ? verdict : "accepted", code);
}

static void verdict_is(uint32_t sequence, const char *code)
{
	is_code(probe_verdict(&probe, &channel, sequence), code);
}

START_TEST(unknown_channel_and_job)
{
	uint32_t id;

	probe_ready(&probe, harness.port);
	probe_open_standard(&probe, &channel);
	verdict_is(probe_submit(&probe, &channel, channel.job_id + 1000000, 1), "invalid-job-id");
	verdict_is(probe_submit(&probe, &channel, UINT32_MAX, 1), "invalid-job-id");
	id = channel.id;
	channel.id = id + 1000;
	verdict_is(probe_submit(&probe, &channel, channel.job_id, 1), "invalid-channel-id");
	/* The honest miner's channel belongs to another connection. */
	channel.id = UINT32_MAX;
	verdict_is(probe_submit(&probe, &channel, channel.job_id, 1), "invalid-channel-id");
	channel.id = id;
	ck_assert_ptr_null(probe_share(&probe, &channel, NULL));
}
END_TEST

/* Shares of the other kind: the channel is not one that takes them. */
START_TEST(wrong_kind_of_share)
{
	static const uint8_t extranonce[13];
	struct adit_sv2_submit_shares_extended share = {
	    .extranonce = {.data = extranonce, .size = sizeof(extranonce)},
	};

	probe_ready(&probe, harness.port);
	probe_open_standard(&probe, &channel);
	share.channel_id = channel.id;
	share.sequence_number = ++channel.sequence;
	share.job_id = channel.job_id;
	share.ntime = channel.ntime;
	share.version = channel.version;
	must(probe_send(&probe, ADIT_SV2_SUBMIT_SHARES_EXTENDED, &share), "closed");
	verdict_is(share.sequence_number, "invalid-channel-id");
}
END_TEST

static void miss_target(struct probe_channel *work, uint32_t *nonce)
{
	*nonce = probe_mine(work, false);
}

START_TEST(difficulty_too_low)
{
	probe_ready(&probe, harness.port);
	probe_open_standard(&probe, &channel);
	is_code(probe_share(&probe, &channel, miss_target), "difficulty-too-low");
}
END_TEST

/* A new tip may come between the two: then the second is stale, and the test begins again. */
START_TEST(duplicate_share)
{
	const char *verdict = NULL;

	probe_ready(&probe, harness.port);
	probe_open_standard(&probe, &channel);
	for (int i = 0; i < 20; i++) {
		struct probe_channel work = channel;
		uint32_t nonce = probe_mine(&work, true);
		uint32_t first = probe_submit(&probe, &work, work.job_id, nonce);
		uint32_t second = probe_submit(&probe, &work, work.job_id, nonce);

		channel.sequence = work.sequence;
		verdict = probe_verdict(&probe, &channel, first);
		if (verdict != NULL && strcmp(verdict, "stale-share") == 0) {
			(void)probe_verdict(&probe, &channel, second);
			continue;
		}
		must(verdict == NULL, "the first share was refused: %s", verdict);
		verdict = probe_verdict(&probe, &channel, second);
		if (verdict != NULL && strcmp(verdict, "stale-share") != 0)
			break;
	}
	must(verdict != NULL && strcmp(verdict, "duplicate-share") == 0, "the verdict is %s",
	     verdict != NULL ? verdict : "accepted");
}
END_TEST

/* Waits for a new tip, which the honest miner finds, and sends a good share for the old one. */
START_TEST(stale_share)
{
	struct probe_channel old;
	union sv2_body body;
	uint32_t nonce, share;

	probe_ready(&probe, harness.port);
	probe_open_standard(&probe, &channel);
	old = channel;
	nonce = probe_mine(&old, true);
	while (memcmp(old.prev_hash.b, channel.prev_hash.b, 32) == 0) {
		int32_t message = probe_receive(&probe, (int)harness_limit(60000), &body);

		must(message >= 0, "no new tip came");
		probe_take(&channel, message, &body);
	}
	share = probe_submit(&probe, &old, old.job_id, nonce);
	channel.sequence = old.sequence;
	verdict_is(share, "stale-share");
	/* And one for the new tip is good. */
	ck_assert_ptr_null(probe_share(&probe, &channel, NULL));
}
END_TEST

static void roll_a_wrong_bit(struct probe_channel *work, uint32_t *nonce)
{
	(void)nonce;
	work->version ^= 1; /* not one of BIP323's bits */
}

static void before_the_tip(struct probe_channel *work, uint32_t *nonce)
{
	(void)nonce;
	work->ntime -= 100000;
}

static void a_day_ahead(struct probe_channel *work, uint32_t *nonce)
{
	(void)nonce;
	work->ntime += 100000;
}

/* A share outside of what the job allows. */
START_TEST(shares_against_the_rules)
{
	probe_ready(&probe, harness.port);
	probe_open_standard(&probe, &channel);
	is_code(probe_share(&probe, &channel, roll_a_wrong_bit),
		"invalid-non-rollable-version-bit");
	is_code(probe_share(&probe, &channel, before_the_tip), "invalid-share");
	is_code(probe_share(&probe, &channel, a_day_ahead), "invalid-share");
}
END_TEST

/* --- many at once -------------------------------------------------------------------------------
 */

#define CROWD 60

/* Connections that say nothing, some in the middle of things, all at once. */
START_TEST(idle_crowd)
{
	static struct probe crowd[CROWD];

	for (size_t i = 0; i < CROWD; i++) {
		probe_connect(&crowd[i], harness.port);
		if (i % 3 > 0)
			probe_handshake(&crowd[i], NULL);
		if (i % 3 > 1)
			probe_setup(&crowd[i]);
	}
	honest_goes_on();
	for (size_t i = 0; i < CROWD; i++)
		probe_close(&crowd[i]);
}
END_TEST

/* Asks for work without ever reading: its queue is bounded, and it ends alone. */
START_TEST(client_that_never_reads)
{
	struct adit_sv2_open_standard_mining_channel open = {.request_id = 1,
							     .nominal_hash_rate = 1};
	uint8_t frame[512];
	size_t size;

	memset(open.max_target.b, 0xff, sizeof(open.max_target.b));
	probe_ready(&probe, harness.port);
	ck_assert_int_eq(sv2_encode_frame(ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL, &open, frame,
					  sizeof(frame), &size),
			 ADIT_OK);
	for (int i = 0; i < 5000; i++)
		if (!probe_send_frame(&probe, frame, size))
			break;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hostile");
	TCase *c = tcase_create("hostile");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, garbage_instead_of_a_handshake);
	tcase_add_test(c, plain_text_instead_of_a_handshake);
	tcase_add_test(c, connections_that_end_early);
	tcase_add_test(c, truncated_frame);
	tcase_add_test(c, oversized_frames);
	tcase_add_test(c, wrong_mac);
	tcase_add_test(c, replayed_frame);
	tcase_add_test(c, unknown_messages);
	tcase_add_test(c, messages_before_setup_connection);
	tcase_add_test(c, second_setup_connection);
	tcase_add_test(c, refused_setup_connections);
	tcase_add_test(c, messages_in_the_wrong_place);
	tcase_add_test(c, random_payloads);
	tcase_add_test(c, unknown_channel_and_job);
	tcase_add_test(c, wrong_kind_of_share);
	tcase_add_test(c, difficulty_too_low);
	tcase_add_test(c, duplicate_share);
	tcase_add_test(c, stale_share);
	tcase_add_test(c, shares_against_the_rules);
	tcase_add_test(c, idle_crowd);
	tcase_add_test(c, client_that_never_reads);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
