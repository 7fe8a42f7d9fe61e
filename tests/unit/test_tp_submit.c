/* SPDX-License-Identifier: MIT */
/* The way of a found block to the node, and the journal. The node is a sibling in the fake host. */
#include "config.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bitcoin/sha256.h"
#include "lib/util/hex.h"
#include "lib/bitcoin/block_files.h"
#include "plugins/template-provider/submit.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/test_tp.h"

#define BLOCK_SIZE 300

/* The node as the tests want it. */
static struct {
	struct adit_host *host;
	int calls;
	int away;           /* so many calls are answered "unavailable" */
	int32_t error;      /* of those, if set */
	const char *answer; /* to the others */
	uint8_t block[BLOCK_SIZE];
	size_t size;
} node;

static struct tp_host host;
static struct tp_submitter *submitter;
static char dir[] = "/tmp/adit-test-submit-XXXXXX";
static char journal[sizeof(dir)];

static void answer(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	(void)user;
	node.calls++;
	node.size = info->attachment_size;
	memcpy(node.block, info->attachment, node.size < BLOCK_SIZE ? node.size : BLOCK_SIZE);
	if (node.away > 0) {
		node.away--;
		fake_host_api()->reply(node.host, request,
				       node.error != 0 ? node.error : ADIT_E_UNAVAILABLE,
				       "starting", "", 0, NULL, 0);
		return;
	}
	fake_host_api()->reply(node.host, request, ADIT_OK, "", node.answer, strlen(node.answer),
			       NULL, 0);
}

static void setup(void)
{
	memcpy(journal, dir, sizeof(dir));
	ck_assert_ptr_nonnull(mkdtemp(journal));
	memset(&node, 0, sizeof(node));
	node.answer = "{\"accepted\":true,\"hash\":\"00\",\"height\":8}";
	host = (struct tp_host){.api = fake_host_api(),
				.handle = fake_host_new("template-provider", NULL, NULL, NULL)};
	node.host = fake_host_new("node", NULL, NULL, host.handle);
	fake_host_api()->register_method(node.host, "submit_block", ADIT_METHOD_ANY, answer, NULL,
					 NULL);
	submitter = tp_submitter_new(&host, journal);
}

static int count_files(void)
{
	DIR *d = opendir(journal);
	struct dirent *entry;
	int n = 0;

	while ((entry = readdir(d)) != NULL)
		n += entry->d_name[0] != '.' ? 1 : 0;
	closedir(d);
	return n;
}

static void teardown(void)
{
	DIR *d = opendir(journal);
	struct dirent *entry;

	tp_submitter_free(submitter);
	fake_host_free(node.host);
	fake_host_free(host.handle);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	}
	closedir(d);
	rmdir(journal);
}

/* A block-like run of bytes; the previous hash is 32 times PREV. */
static void make_block(struct buf *b, uint8_t prev, uint8_t fill, uint8_t hash[32])
{
	uint8_t data[BLOCK_SIZE];

	memset(data, fill, sizeof(data));
	memset(data + 4, prev, 32);
	*b = (struct buf){0};
	buf_append(b, data, sizeof(data));
	sha256d_header(data, hash);
}

static void submit(uint8_t prev, uint8_t fill)
{
	struct buf b;
	uint8_t hash[32];

	make_block(&b, prev, fill, hash);
	tp_submit(submitter, hash, &b, NULL, false);
	ck_assert_ptr_null(b.data);
}

static struct tp_submit_stats stats(void)
{
	struct tp_submit_stats s;

	tp_submitter_stats(submitter, &s);
	return s;
}

static bool is_settled(void *user)
{
	(void)user;
	return stats().pending == 0;
}

static void settle(void)
{
	ck_assert(fake_host_wait(host.handle, is_settled, NULL, 5000));
}

START_TEST(accepted)
{
	submit(1, 7);
	/* It is on disk before the node has it. */
	ck_assert_int_eq(count_files(), 1);
	ck_assert_int_eq(node.calls, 0);
	settle();
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_uint_eq(stats().rejected, 0);
	ck_assert_uint_eq(node.size, BLOCK_SIZE);
	ck_assert_uint_eq(node.block[0], 7);
	ck_assert_uint_eq(node.block[4], 1);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

START_TEST(rejected)
{
	node.answer = "{\"accepted\":false,\"hash\":\"00\",\"reason\":\"bad-cb-amount\"}";
	submit(1, 7);
	settle();
	ck_assert_uint_eq(stats().accepted, 0);
	ck_assert_uint_eq(stats().rejected, 1);
	ck_assert_str_eq(stats().last_reject, "bad-cb-amount");
	ck_assert_int_eq(count_files(), 0);
	/* A request that the node can't even read is as final. */
	node.away = 1;
	node.error = ADIT_E_INVALID_ARGUMENT;
	submit(1, 8);
	settle();
	ck_assert_uint_eq(stats().rejected, 2);
	ck_assert_str_eq(stats().last_reject, "starting");
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

START_TEST(duplicates_count_once)
{
	submit(1, 7);
	submit(1, 7);
	settle();
	ck_assert_int_eq(node.calls, 1);
	node.answer = "{\"accepted\":true,\"duplicate\":true}";
	submit(1, 7);
	settle();
	ck_assert_int_eq(node.calls, 2);
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_uint_eq(stats().rejected, 0);
}
END_TEST

/* An answer that got lost was one all the same: the block counts when the node knows it already. */
START_TEST(a_lost_answer)
{
	node.away = 1;
	node.error = ADIT_E_TIMEOUT;
	node.answer = "{\"accepted\":true,\"duplicate\":true}";
	submit(1, 7);
	settle();
	ck_assert_int_eq(node.calls, 2);
	ck_assert_uint_eq(stats().accepted, 1);
}
END_TEST

/* --- the straight way --- */

static struct {
	struct tp_attempt attempt;
	bool absent;
	int tries;
	bool whole;
} straight;

static struct tp_attempt *
go_straight(struct tp_origin *o, const uint8_t *block, size_t size, bool whole,
	    void (*done)(void *user, enum tp_verdict verdict, const char *text), void *user)
{
	(void)o;
	ck_assert_uint_eq(size, BLOCK_SIZE);
	ck_assert_uint_eq(block[4], 1);
	straight.tries++;
	straight.whole = whole;
	straight.attempt = (struct tp_attempt){.done = done, .user = user};
	return straight.absent ? NULL : &straight.attempt;
}

static struct tp_origin origin = {.submit = go_straight};

/* Of a session that is over. */
static struct tp_attempt *
go_nowhere(struct tp_origin *o, const uint8_t *block, size_t size, bool whole,
	   void (*done)(void *user, enum tp_verdict verdict, const char *text), void *user)
{
	(void)o;
	(void)block;
	(void)size;
	(void)whole;
	(void)done;
	(void)user;
	return NULL;
}

static struct tp_origin dead_origin = {.submit = go_nowhere};

static void submit_straight(uint8_t fill)
{
	struct buf b;
	uint8_t hash[32];

	make_block(&b, 1, fill, hash);
	tp_submit(submitter, hash, &b, &origin, true);
}

static void straight_verdict(enum tp_verdict verdict, const char *text)
{
	ck_assert(straight.attempt.done != NULL);
	straight.attempt.done(straight.attempt.user, verdict, text);
}

/* Accepted over IPC: that is all it takes, and the role node hears of it. */
START_TEST(straight_accepted)
{
	memset(&straight, 0, sizeof(straight));
	node.answer = "{\"accepted\":false,\"reason\":\"prev-blk-not-found\"}";
	submit_straight(7);
	fake_host_run(host.handle, 50);
	ck_assert_int_eq(straight.tries, 1);
	ck_assert(straight.whole);
	ck_assert_int_eq(node.calls, 0);
	ck_assert_int_eq(count_files(), 1);
	straight_verdict(TP_ACCEPTED, "");
	ck_assert_int_eq(count_files(), 0);
	ck_assert_uint_eq(stats().accepted, 1);
	settle();
	ck_assert_int_eq(node.calls, 1);
	ck_assert_uint_eq(node.size, BLOCK_SIZE);
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_uint_eq(stats().rejected, 0);
}
END_TEST

/* Whatever else comes of it, the role node has the last word. */
START_TEST(straight_is_not_the_last_word)
{
	memset(&straight, 0, sizeof(straight));
	submit_straight(7);
	straight_verdict(TP_REFUSED, "bad-thing");
	settle();
	ck_assert_uint_eq(stats().accepted, 1);
	submit_straight(8);
	straight_verdict(TP_NO_ANSWER, "Old method, use submitSolution");
	node.answer = "{\"accepted\":true,\"duplicate\":true}";
	settle();
	ck_assert_uint_eq(stats().accepted, 2);
	node.answer = "{\"accepted\":true}";
	straight.absent = true;
	submit_straight(9);
	settle();
	ck_assert_uint_eq(stats().accepted, 3);
	ck_assert_int_eq(node.calls, 3);
	ck_assert_int_eq(straight.tries, 3);
}
END_TEST

/* Nobody contradicts a refusal: it stands, with its reason. */
START_TEST(straight_refusal_stands)
{
	memset(&straight, 0, sizeof(straight));
	node.away = 1000;
	submit_straight(7);
	straight_verdict(TP_REFUSED, "bad-cb-amount");
	settle();
	ck_assert_uint_eq(stats().rejected, 1);
	ck_assert_str_eq(stats().last_reject, "bad-cb-amount");
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

static bool is_called(void *user)
{
	(void)user;
	return node.calls > 0;
}

/* No answer within three seconds: the other way is taken too, and who takes the block first is
 * enough. */
START_TEST(straight_without_answer)
{
	memset(&straight, 0, sizeof(straight));
	submit_straight(7);
	settle();
	ck_assert_int_eq(node.calls, 1);
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert(straight.attempt.done == NULL);
}
END_TEST

/* The role node, on another chain, refuses it: the late answer is heard. */
START_TEST(straight_answer_comes_late)
{
	memset(&straight, 0, sizeof(straight));
	node.answer = "{\"accepted\":false,\"reason\":\"prev-blk-not-found\"}";
	submit_straight(7);
	ck_assert(fake_host_wait(host.handle, is_called, NULL, 10000));
	fake_host_run(host.handle, 20);
	ck_assert_uint_eq(stats().pending, 1);
	ck_assert_int_eq(count_files(), 1);
	straight_verdict(_i == 0 ? TP_ACCEPTED : TP_REFUSED, _i == 0 ? "" : "bad-cb-amount");
	settle();
	ck_assert_uint_eq(stats().accepted, _i == 0 ? 1 : 0);
	ck_assert_uint_eq(stats().rejected, (unsigned)_i);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

/* Two solutions of one template are two blocks. */
START_TEST(both_of_two)
{
	submit(1, 7);
	submit(1, 8);
	settle();
	ck_assert_int_eq(node.calls, 2);
	ck_assert_uint_eq(stats().accepted, 2);
}
END_TEST

START_TEST(the_node_is_away_for_a_while)
{
	node.away = 3;
	submit(1, 7);
	settle();
	ck_assert_int_eq(node.calls, 4);
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

START_TEST(no_such_role_yet)
{
	tp_submitter_free(submitter);
	fake_host_free(node.host);
	submitter = tp_submitter_new(&host, journal);
	submit(1, 7);
	fake_host_run(host.handle, 50);
	ck_assert_uint_eq(stats().pending, 1);
	ck_assert_int_eq(count_files(), 1);
	node.host = fake_host_new("node", NULL, NULL, host.handle);
	fake_host_api()->register_method(node.host, "submit_block", ADIT_METHOD_ANY, answer, NULL,
					 NULL);
	settle();
	ck_assert_uint_eq(stats().accepted, 1);
}
END_TEST

START_TEST(nonsense_is_no_verdict)
{
	node.answer = "[]";
	submit(1, 7);
	fake_host_run(host.handle, 50);
	ck_assert_uint_eq(stats().pending, 1);
	node.answer = "{\"accepted\":\"yes\"}";
	fake_host_run(host.handle, 150);
	ck_assert_uint_eq(stats().pending, 1);
	node.answer = "{\"accepted\":true}";
	settle();
	ck_assert_uint_eq(stats().accepted, 1);
}
END_TEST

/* No file of this process may grow past SIZE, as on a disk with so much left. */
static void leave_room(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The block goes to the node all the same, the log says what is wrong, no part of a file stays; and
 * it is noted when there is room again. */
START_TEST(a_full_disk)
{
	node.away = 1000;
	leave_room(100);
	submit(1, 7);
	ck_assert(fake_host_logged(host.handle, "could not be noted"));
	ck_assert(fake_host_logged(host.handle, journal));
	ck_assert_int_eq(count_files(), 0);
	while (node.calls < 2)
		fake_host_run(host.handle, 10);
	ck_assert_int_eq(count_files(), 0);
	leave_room(RLIM_INFINITY);
	while (node.calls < 4)
		fake_host_run(host.handle, 10);
	ck_assert_int_eq(count_files(), 1);
	node.away = 0;
	settle();
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

/* After the tip has moved there is one try more, and then it is over; the file stays. */
START_TEST(the_tip_moves)
{
	static const uint8_t other[32] = {2};
	uint8_t same[32];

	memset(same, 1, 32);
	node.away = 1000;
	submit(1, 7);
	fake_host_run(host.handle, 50);
	ck_assert_int_eq(node.calls, 1);
	tp_submitter_tip(submitter, same);
	fake_host_run(host.handle, 20);
	ck_assert_int_eq(node.calls, 1);
	tp_submitter_tip(submitter, other);
	settle();
	ck_assert_int_eq(node.calls, 2);
	ck_assert_uint_eq(stats().rejected, 1);
	ck_assert_int_eq(count_files(), 1);
}
END_TEST

START_TEST(the_last_try_may_win)
{
	static const uint8_t other[32] = {2};

	node.away = 4;
	submit(1, 7);
	while (node.calls < 4)
		fake_host_run(host.handle, 10);
	/* The fifth would be 0.8 s away. */
	tp_submitter_tip(submitter, other);
	fake_host_run(host.handle, 100);
	ck_assert_int_eq(node.calls, 5);
	settle();
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

START_TEST(too_many_at_once)
{
	node.away = 1000;
	for (uint8_t i = 0; i < TP_SUBMIT_MAX + 2; i++)
		submit(1, i);
	ck_assert_uint_eq(stats().pending, TP_SUBMIT_MAX);
	/* The journal has those that found no place. */
	ck_assert_int_eq(count_files(), TP_SUBMIT_MAX + 2);
}
END_TEST

START_TEST(a_restart_sends_again)
{
	node.away = 1000;
	submit(1, 7);
	submit(1, 8);
	fake_host_run(host.handle, 50);
	tp_submitter_free(submitter);
	ck_assert_int_eq(count_files(), 2);
	node.away = 0;
	node.calls = 0;
	submitter = tp_submitter_new(&host, journal);
	tp_submitter_resume(submitter, NULL, NULL);
	ck_assert_uint_eq(stats().pending, 2);
	settle();
	ck_assert_int_eq(node.calls, 2);
	ck_assert_uint_eq(node.size, BLOCK_SIZE);
	ck_assert_uint_eq(stats().accepted, 2);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

static struct tp_attempt *
other_way(void *user, const uint8_t *block, size_t size,
	  void (*done)(void *user, enum tp_verdict verdict, const char *text), void *done_user)
{
	ck_assert_ptr_eq(user, &straight);
	return go_straight(NULL, block, size, true, done, done_user);
}

/* A run that ended with a block under way; the next one has begun and sent it both ways. */
static void restart_with_a_block(void)
{
	memset(&straight, 0, sizeof(straight));
	node.away = 1000;
	submit(1, 7);
	fake_host_run(host.handle, 50);
	tp_submitter_free(submitter);
	node.away = 0;
	node.calls = 0;
	submitter = tp_submitter_new(&host, journal);
	tp_submitter_resume(submitter, other_way, &straight);
	ck_assert_int_eq(straight.tries, 1);
}

/* A session that ends with the block on its way, or before it: the block goes to the source again.
 */
START_TEST(a_lost_session_sends_both_ways)
{
	memset(&straight, 0, sizeof(straight));
	tp_submitter_resume(submitter, other_way, &straight);
	node.answer = "{\"accepted\":false,\"reason\":\"prev-blk-not-found\"}";
	if (_i == 0) {
		submit_straight(7);
		ck_assert_int_eq(straight.tries, 1);
		straight_verdict(TP_NO_ANSWER, "the session is over");
	} else {
		struct buf b;
		uint8_t hash[32];

		make_block(&b, 1, 7, hash);
		tp_submit(submitter, hash, &b, &dead_origin, true);
	}
	ck_assert_int_eq(straight.tries, _i == 0 ? 2 : 1);
	fake_host_run(host.handle, 50);
	ck_assert_int_eq(node.calls, 1);
	ck_assert_uint_eq(stats().pending, 1);
	straight_verdict(TP_ACCEPTED, "");
	ck_assert_uint_eq(stats().pending, 0);
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_uint_eq(stats().rejected, 0);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

/* While the role node is away each try is one by the other way too, unless that has judged. */
START_TEST(each_try_goes_both_ways)
{
	memset(&straight, 0, sizeof(straight));
	tp_submitter_resume(submitter, other_way, &straight);
	node.away = 1000;
	submit(1, 7);
	ck_assert_int_eq(straight.tries, 0);
	while (straight.tries < 1)
		fake_host_run(host.handle, 10);
	straight_verdict(TP_NO_ANSWER, "not today");
	while (straight.tries < 2)
		fake_host_run(host.handle, 10);
	straight_verdict(TP_ACCEPTED, "");
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_int_eq(count_files(), 0);
	node.away = 0;
	settle();
	ck_assert_int_eq(straight.tries, 2);
	ck_assert_uint_eq(stats().accepted, 1);
}
END_TEST

/* The role node is on another chain: its refusal is not the end. */
START_TEST(a_restart_sends_both_ways)
{
	node.answer = "{\"accepted\":false,\"reason\":\"prev-blk-not-found\"}";
	restart_with_a_block();
	fake_host_run(host.handle, 50);
	ck_assert_int_eq(node.calls, 1);
	ck_assert_uint_eq(stats().pending, 1);
	ck_assert_uint_eq(stats().rejected, 0);
	ck_assert_int_eq(count_files(), 1);
	straight_verdict(TP_ACCEPTED, "");
	ck_assert_uint_eq(stats().pending, 0);
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_uint_eq(stats().rejected, 0);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

/* In the other order, and without the role node at all. */
START_TEST(a_restart_is_done_when_one_took_it)
{
	static const uint8_t other[32] = {2};

	restart_with_a_block();
	settle();
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert(straight.attempt.done == NULL);
	ck_assert_int_eq(count_files(), 0);
	restart_with_a_block();
	node.away = 1000;
	fake_host_run(host.handle, 50);
	tp_submitter_tip(submitter, other);
	fake_host_run(host.handle, 50);
	ck_assert_uint_eq(stats().pending, 1);
	straight_verdict(TP_ACCEPTED, "");
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_uint_eq(stats().pending, 0);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

/* Nobody takes it: the reason is that of whoever judged it. */
START_TEST(a_restart_refused_both_ways)
{
	static const uint8_t other[32] = {2};

	node.answer = "{\"accepted\":false,\"reason\":\"prev-blk-not-found\"}";
	restart_with_a_block();
	straight_verdict(_i == 0 ? TP_REFUSED : TP_NO_ANSWER, "bad-cb-amount");
	settle();
	ck_assert_uint_eq(stats().rejected, 1);
	ck_assert_str_eq(stats().last_reject, "prev-blk-not-found");
	ck_assert_int_eq(count_files(), 0);
	restart_with_a_block();
	node.away = 1000;
	fake_host_run(host.handle, 50);
	tp_submitter_tip(submitter, other);
	fake_host_run(host.handle, 50);
	straight_verdict(_i == 0 ? TP_REFUSED : TP_NO_ANSWER, "bad-cb-amount");
	ck_assert_uint_eq(stats().pending, 0);
	ck_assert_uint_eq(stats().rejected, 1);
	ck_assert_str_eq(stats().last_reject, _i == 0 ? "bad-cb-amount" : "starting");
	ck_assert_int_eq(count_files(), _i);
}
END_TEST

/* What waits for the other way alone does not keep new blocks out. */
START_TEST(a_restart_makes_room)
{
	node.away = 1000;
	for (uint8_t i = 0; i < TP_SUBMIT_MAX; i++)
		submit(1, i);
	tp_submitter_free(submitter);
	node.away = 0;
	node.answer = "{\"accepted\":false,\"reason\":\"prev-blk-not-found\"}";
	submitter = tp_submitter_new(&host, journal);
	tp_submitter_resume(submitter, other_way, &straight);
	fake_host_run(host.handle, 50);
	ck_assert_uint_eq(stats().pending, TP_SUBMIT_MAX);
	node.answer = "{\"accepted\":true}";
	submit(1, 100);
	fake_host_run(host.handle, 50);
	ck_assert_uint_eq(stats().accepted, 1);
	ck_assert_uint_eq(stats().pending, TP_SUBMIT_MAX - 1);
	ck_assert_int_eq(count_files(), TP_SUBMIT_MAX);
}
END_TEST

/* --- the file itself --- */

static void file_name(const uint8_t hash[32], char out[256])
{
	char hex[65];

	hex_encode_reversed(hash, 32, hex);
	snprintf(out, 256, "%s/block-%s.hex", journal, hex);
}

START_TEST(journal_file)
{
	struct buf b;
	uint8_t hash[32];
	char path[256], text[2 * BLOCK_SIZE + 8] = "", expected[2 * BLOCK_SIZE + 2];
	struct stat st;
	struct error e = {0};
	FILE *in;

	make_block(&b, 1, 7, hash);
	ck_assert_msg(block_files_write(journal, hash, b.data, b.size, &e) == ADIT_OK, "%s", e.text);
	ck_assert_int_eq(block_files_sync(journal, hash, &e), ADIT_OK);
	file_name(hash, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	hex_encode(b.data, b.size, expected);
	strcat(expected, "\n");
	in = fopen(path, "r");
	ck_assert_uint_eq(fread(text, 1, sizeof(text) - 1, in), 2 * BLOCK_SIZE + 1);
	fclose(in);
	ck_assert_str_eq(text, expected);
	ck_assert_int_eq(count_files(), 1);
	block_files_remove(journal, hash);
	ck_assert_int_eq(count_files(), 0);
	buf_free(&b);
}
END_TEST

START_TEST(journal_without_a_directory)
{
	uint8_t hash[32] = {1}, data[100] = {0};
	struct error e = {0};

	ck_assert_int_eq(block_files_write("/nonexistent", hash, data, sizeof(data), &e), ADIT_E_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "/nonexistent"));
}
END_TEST

static void count_block(void *user, const uint8_t hash[32], const uint8_t *block, size_t size)
{
	(void)hash;
	(void)block;
	ck_assert_uint_eq(size, BLOCK_SIZE);
	++*(int *)user;
}

/* What someone else put there, or what is damaged, is left alone and counted. */
START_TEST(journal_with_strange_files)
{
	static const char *const contents[] = {"", "xx\n", "00", "\n"};
	struct buf b;
	uint8_t hash[32];
	char path[256];
	struct error e;
	int found = 0;
	size_t damaged;
	FILE *out;

	make_block(&b, 1, 7, hash);
	block_files_write(journal, hash, b.data, b.size, &e);
	hash[0] ^= 1; /* not the hash of that block */
	block_files_write(journal, hash, b.data, b.size, &e);
	for (size_t i = 0; i < 4; i++) {
		hash[1]++;
		file_name(hash, path);
		out = fopen(path, "w");
		fputs(contents[i], out);
		fclose(out);
	}
	snprintf(path, sizeof(path), "%s/block-00.hex", journal);
	fclose(fopen(path, "w"));
	ck_assert_uint_eq(block_files_load(journal, count_block, &found, &damaged), 1);
	ck_assert_int_eq(found, 1);
	ck_assert_uint_eq(damaged, 5);
	ck_assert_int_eq(count_files(), 7);
	buf_free(&b);
}
END_TEST

Suite *tp_submit_suite(void)
{
	Suite *s = suite_create("found blocks");
	TCase *c = tcase_create("found blocks");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, straight_accepted);
	tcase_add_test(c, straight_is_not_the_last_word);
	tcase_add_test(c, straight_refusal_stands);
	tcase_add_test(c, straight_without_answer);
	tcase_add_loop_test(c, straight_answer_comes_late, 0, 2);
	tcase_add_test(c, accepted);
	tcase_add_test(c, rejected);
	tcase_add_test(c, duplicates_count_once);
	tcase_add_test(c, a_lost_answer);
	tcase_add_test(c, both_of_two);
	tcase_add_test(c, the_node_is_away_for_a_while);
	tcase_add_test(c, no_such_role_yet);
	tcase_add_test(c, nonsense_is_no_verdict);
	tcase_add_test(c, the_tip_moves);
	tcase_add_test(c, the_last_try_may_win);
	tcase_add_test(c, too_many_at_once);
	tcase_add_test(c, a_full_disk);
	tcase_add_test(c, a_restart_sends_again);
	tcase_add_loop_test(c, a_lost_session_sends_both_ways, 0, 2);
	tcase_add_test(c, each_try_goes_both_ways);
	tcase_add_test(c, a_restart_sends_both_ways);
	tcase_add_test(c, a_restart_is_done_when_one_took_it);
	tcase_add_loop_test(c, a_restart_refused_both_ways, 0, 2);
	tcase_add_test(c, a_restart_makes_room);
	tcase_add_test(c, journal_file);
	tcase_add_test(c, journal_without_a_directory);
	tcase_add_test(c, journal_with_strange_files);
	suite_add_tcase(s, c);
	return s;
}
