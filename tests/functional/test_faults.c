/* SPDX-License-Identifier: MIT */
/*
 * A fault has a scope. While a thousand connections mine, others commit faults of each scope
 * (message, channel, connection): the one at fault gets the answer or the end that it has earned,
 * and none of the thousand sees an error or an end, or misses a job.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "lib/bitcoin/target.h"
#include "lib/sv2/frame.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "tests/functional/harness.h"
#include "tests/functional/probe.h"

/* A block in 65,536 hashes, a share in 60: the thousand find blocks now and then. */
#define NBITS "1f00ffff"
#define POOL_KEYS "shares_per_minute = 1000\nmin_difficulty = 0.000000001\n"
#define SERVER_KEYS "max_pending = 65536\nmax_handshakes = 100\n"
#define MINERS 1000
#define PULSE 100 /* of them mine a share at each fault, in turn */
#define STALE_MOST 20

struct miner {
	struct probe p;
	struct probe_channel c;
	uint32_t answered; /* sequence number */
	bool stale;        /* that share was */
	uint32_t shares;   /* each has a second of its own, so that none is there twice */
};

static struct miner miners[MINERS];
static size_t next_miner;
static struct probe bad;
static struct probe_channel channel;
static struct probe open_ends[4]; /* faults that go on to the end */

/* --- the thousand -------------------------------------------------------------------------------
 */

static void miner_answer(size_t i, const struct adit_sv2_submit_shares_error *m)
{
	struct miner *miner = &miners[i];

	must(m->error_code.size == 11 && memcmp(m->error_code.data, "stale-share", 11) == 0,
	     "miner %zu: %.*s", i, (int)m->error_code.size, (const char *)m->error_code.data);
	miner->stale = true;
	miner->answered = m->sequence_number;
}

/* One message, if one comes within MS. */
static bool miner_read(size_t i, int ms)
{
	struct miner *miner = &miners[i];
	union sv2_body body;
	int32_t message = probe_receive(&miner->p, ms, &body);

	must(message != -2, "miner %zu: its connection was closed", i);
	switch (message) {
	case -1:
		return false;
	case ADIT_SV2_SUBMIT_SHARES_SUCCESS:
		miner->answered = body.submit_shares_success.last_sequence_number;
		break;
	case ADIT_SV2_SUBMIT_SHARES_ERROR:
		miner_answer(i, &body.submit_shares_error);
		break;
	case ADIT_SV2_NEW_MINING_JOB:
	case ADIT_SV2_SET_NEW_PREV_HASH:
	case ADIT_SV2_SET_TARGET:
		(void)probe_take(&miner->c, message, &body);
		break;
	default:
		must(false, "miner %zu: got %s", i, sv2_message(message)->title);
	}
	return true;
}

static void miner_submit(size_t i)
{
	struct miner *miner = &miners[i];
	struct probe_channel work;

	while (miner_read(i, 0))
		;
	miner->stale = false;
	work = miner->c;
	work.ntime += ++miner->shares;
	miner->c.sequence = probe_submit(&miner->p, &work, work.job_id, probe_mine(&work, true));
}

/* Waits for the answer; a share that a new tip has made stale is followed by another. */
static void miner_settle(size_t i)
{
	struct miner *miner = &miners[i];

	for (int n = 0; n < STALE_MOST; n++) {
		while (miner->answered < miner->c.sequence)
			must(miner_read(i, (int)harness_limit(PROBE_WAIT_MS)),
			     "miner %zu: its share is not answered", i);
		if (!miner->stale)
			return;
		miner_submit(i);
	}
	must(false, "miner %zu: %d stale shares one after another", i, STALE_MOST);
}

/* COUNT of them, the next in turn, have a share accepted. */
static void mine(size_t count)
{
	size_t first = next_miner;

	for (size_t n = 0; n < count; n++)
		miner_submit((first + n) % MINERS);
	for (size_t n = 0; n < count; n++)
		miner_settle((first + n) % MINERS);
	next_miner = (first + count) % MINERS;
}

/* One of them finds a block, and all get the job that follows from it. */
static void find_block(void)
{
	struct miner *finder = &miners[next_miner];
	struct probe_channel block;
	struct adit_u256 before;

	while (miner_read(next_miner, 0))
		;
	block = finder->c;
	before = block.prev_hash;
	ck_assert(target_from_nbits(block.nbits, block.target.b));
	(void)probe_submit(&finder->p, &finder->c, block.job_id, probe_mine(&block, true));
	for (size_t i = 0; i < MINERS; i++)
		while (memcmp(miners[i].c.prev_hash.b, before.b, 32) == 0)
			must(miner_read(i, (int)harness_limit(PROBE_WAIT_MS)),
			     "miner %zu: no job after the block", i);
	miner_settle(next_miner);
}

/* --- faults -------------------------------------------------------------------------------------
 */

static void is_code(const char *verdict, const char *code)
{
	must(verdict != NULL && strcmp(verdict, code) == 0, "the verdict is %s, not %s",
	     verdict != NULL ? verdict : "accepted", code);
}

static void verdict_is(uint32_t sequence, const char *code)
{
	is_code(probe_verdict(&bad, &channel, sequence), code);
}

static void roll_a_wrong_bit(struct probe_channel *work, uint32_t *nonce)
{
	(void)nonce;
	work->version ^= 1;
}

static void miss_target(struct probe_channel *work, uint32_t *nonce)
{
	*nonce = probe_mine(work, false);
}

/* Message: shares that are refused, on a channel that is as good afterwards. */
static void bad_shares(void)
{
	probe_ready(&bad, harness.port);
	probe_open_standard(&bad, &channel);
	verdict_is(probe_submit(&bad, &channel, UINT32_MAX, 1), "invalid-job-id");
	is_code(probe_share(&bad, &channel, roll_a_wrong_bit), "invalid-non-rollable-version-bit");
	is_code(probe_share(&bad, &channel, miss_target), "difficulty-too-low");
}

/* Message: what concerns a channel that isn't there is answered; of an unknown extension, skipped.
 */
static void bad_messages(void)
{
	struct adit_sv2_update_channel update = {.channel_id = 77777, .nominal_hash_rate = 1};
	uint8_t frame[SV2_HEADER_SIZE + 9] = {0};
	union sv2_body body;

	probe_ready(&bad, harness.port);
	probe_header(frame, 0x4abc, 0xee, 9);
	must(probe_send_frame(&bad, frame, sizeof(frame)), "closed");
	must(probe_send(&bad, ADIT_SV2_UPDATE_CHANNEL, &update), "closed");
	probe_expect(&bad, ADIT_SV2_UPDATE_CHANNEL_ERROR, &body);
}

/* Channel: one that can't be opened, and shares on one that is closed; the connection's other
 * channel goes on. */
static void bad_channels(void)
{
	struct adit_sv2_open_standard_mining_channel open = {.request_id = 3,
							     .nominal_hash_rate = 1};
	struct adit_sv2_close_channel closing = {.reason_code = {(const uint8_t *)"bye", 3}};
	struct probe_channel closed;
	union sv2_body body;

	probe_ready(&bad, harness.port);
	must(probe_send(&bad, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL, &open), "closed");
	probe_expect(&bad, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR, &body);
	probe_open_standard(&bad, &closed);
	probe_open_standard(&bad, &channel);
	closing.channel_id = closed.id;
	must(probe_send(&bad, ADIT_SV2_CLOSE_CHANNEL, &closing), "closed");
	closed.sequence = channel.sequence;
	verdict_is(probe_submit(&bad, &closed, closed.job_id, 1), "invalid-channel-id");
	channel.sequence = closed.sequence;
	verdict_is(probe_submit(&bad, &channel, UINT32_MAX, 1), "invalid-job-id");
}

/* Connection: everything below ends it. */
static void garbage(void)
{
	uint8_t bytes[4096];

	random_bytes(bytes, sizeof(bytes));
	probe_connect(&bad, harness.port);
	probe_send_raw(&bad, bytes, sizeof(bytes));
	probe_expect_close(&bad);
}

static void garbage_frame(void)
{
	uint8_t frame[SV2_HEADER_SIZE + 10];

	random_bytes(frame, sizeof(frame));
	probe_header(frame, 0, 0x13, 10); /* ten bytes are no OpenExtendedMiningChannel */
	probe_ready(&bad, harness.port);
	probe_send_frame(&bad, frame, sizeof(frame));
	probe_expect_close(&bad);
}

static void bad_mac(void)
{
	uint8_t frame[SV2_HEADER_SIZE + 24] = {0};
	uint8_t sealed[128];
	size_t size = sv2_sealed_size(24);

	probe_ready(&bad, harness.port);
	probe_header(frame, 0x8000, 0x1a, 24);
	ck_assert_int_eq(sv2_seal_frame(&bad.send, frame, sizeof(frame), sealed), ADIT_OK);
	sealed[size - 1] ^= 1;
	probe_send_raw(&bad, sealed, size);
	probe_expect_close(&bad);
}

static void oversize(void)
{
	uint8_t header[SV2_HEADER_SIZE];

	probe_ready(&bad, harness.port);
	probe_header(header, 0x8000, 0x1a, 0xffffff);
	probe_send_frame(&bad, header, sizeof(header));
	probe_expect_close(&bad);
}

static void wrong_place(void)
{
	struct adit_sv2_submit_shares_success success = {.channel_id = 1};

	probe_ready(&bad, harness.port);
	probe_send(&bad, ADIT_SV2_SUBMIT_SHARES_SUCCESS, &success);
	probe_expect_close(&bad);
}

/* With a reset, in the middle of a frame, with a channel that has work. */
static void reset(void)
{
	const struct linger at_once = {.l_onoff = 1};
	uint8_t half[7] = {0};

	probe_ready(&bad, harness.port);
	probe_open_standard(&bad, &channel);
	probe_send_raw(&bad, half, sizeof(half));
	ck_assert_int_eq(setsockopt(bad.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
}

/* Those that say nothing, before and after the handshake, and in the middle of a frame. They stay.
 */
static void half_open(void)
{
	uint8_t half[30] = {0};

	for (size_t i = 0; i < 3; i++)
		probe_connect(&open_ends[i], harness.port);
	probe_send_raw(&open_ends[1], half, sizeof(half));
	probe_handshake(&open_ends[2], NULL);
	probe_setup(&open_ends[2]);
	probe_send_raw(&open_ends[2], half, 5);
}

/* Has the server answer and never reads, until it is thrown out for what waits for it. Its window
 * stays as it was announced: a system that takes less than it announced may drop the server's
 * acknowledgements with the answers, and then neither side can send until the write timeout. */
static void slow_reader(void)
{
	struct adit_sv2_update_channel update = {.channel_id = 77777, .nominal_hash_rate = 1};
	uint8_t frame[64];
	size_t size;
	bool closed = false;

	probe_ready(&bad, harness.port);
	ck_assert_int_eq(
	    sv2_encode_frame(ADIT_SV2_UPDATE_CHANNEL, &update, frame, sizeof(frame), &size),
	    ADIT_OK);
	for (int i = 0; i < 1000000 && !closed; i++)
		closed = !probe_send_frame(&bad, frame, size);
	must(closed, "the server lets a slow reader have what it wants");
}

/* As many as are allowed, and one more, that do no handshake. */
static void handshakes(void)
{
	static struct probe crowd[120];

	for (size_t i = 0; i < 120; i++)
		probe_connect(&crowd[i], harness.port);
	mine(PULSE);
	for (size_t i = 0; i < 120; i++)
		probe_close(&crowd[i]);
}

static const struct {
	const char *name;
	void (*commit)(void);
} faults[] = {
    {"message: refused shares", bad_shares},
    {"message: of nobody's channel, of no extension", bad_messages},
    {"channel: not opened, closed", bad_channels},
    {"connection: half-open", half_open},
    {"connection: garbage", garbage},
    {"connection: a malformed message", garbage_frame},
    {"connection: a wrong MAC", bad_mac},
    {"connection: an oversize frame", oversize},
    {"connection: a server's message", wrong_place},
    {"connection: reset", reset},
    {"connection: slow reader", slow_reader},
    {"connections: more than max_handshakes", handshakes},
};

/* --- the test -----------------------------------------------------------------------------------
 */

static void setup(void)
{
	struct rlimit files;

	harness_setup();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	bad.fd = -1;
	for (size_t i = 0; i < MINERS; i++)
		miners[i].p.fd = -1;
	for (size_t i = 0; i < 4; i++)
		open_ends[i].fd = -1;
	harness.server_keys = SERVER_KEYS;
	harness_configure_pool(NBITS, POOL_KEYS);
	harness_start();
	harness_wait_running();
	for (size_t i = 0; i < MINERS; i++) {
		probe_ready(&miners[i].p, harness.port);
		probe_open_standard(&miners[i].p, &miners[i].c);
	}
}

static void teardown(void)
{
	probe_close(&bad);
	for (size_t i = 0; i < MINERS; i++)
		probe_close(&miners[i].p);
	for (size_t i = 0; i < 4; i++)
		probe_close(&open_ends[i]);
	harness_teardown();
}

START_TEST(nobody_else_notices)
{
	pid_t server = harness_pid("sv2-server");
	uint64_t start = clock_monotonic_ms();

	mine(MINERS);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		uint64_t from = clock_monotonic_ms();

		mine(PULSE / 2);
		faults[i].commit();
		mine(PULSE / 2);
		probe_close(&bad);
		fprintf(stderr, "%s: %llu ms\n", faults[i].name,
			(unsigned long long)(clock_monotonic_ms() - from));
	}
	find_block();
	mine(MINERS);
	find_block();
	must(harness_pid("sv2-server") == server, "the server was started again");
	ck_assert_int_ge(harness_number("sv2-server", "connections"), MINERS);
	fprintf(stderr, "%d miners, %zu faults: %llu ms\n", MINERS,
		sizeof(faults) / sizeof(faults[0]),
		(unsigned long long)(clock_monotonic_ms() - start));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults");
	TCase *c = tcase_create("faults");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, nobody_else_notices);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
