/* SPDX-License-Identifier: MIT */
/* Sealed tokens and their key file; coinbases as they are declared. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bitcoin/declared_coinbase.h"
#include "lib/sv2/token.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

#define NOW 1700000000u

static char directory[64];
static char path[96];

static void setup(void)
{
	snprintf(directory, sizeof(directory), "/tmp/test-job-token-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/token.key", directory);
}

static void teardown(void)
{
	char lock[112];

	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(lock);
	unlink(path);
	ck_assert_int_eq(rmdir(directory), 0);
}

static struct token_keys *keys_at(uint64_t now)
{
	struct token_keys *k;
	struct error e = {0};

	ck_assert_msg(token_keys_open(&k, path, now, &e) == ADIT_OK, "%s", e.text);
	return k;
}

static struct job_token sample(uint8_t kind)
{
	struct job_token t = {.kind = kind, .expires = NOW + 60, .id = 7, .pay_size = 42};

	job_token_user((const uint8_t *)"somebody", 8, t.user);
	memset(t.pay, 0x51, sizeof(t.pay));
	if (kind != JOB_TOKEN_DECLARED)
		return t;
	t.job = (struct declared_job){.version = 0x20000000,
				      .nbits = 0x207fffff,
				      .min_ntime = NOW,
				      .coinbase_version = 2,
				      .sequence = 0xfffffffe,
				      .lock_time = 99,
				      .extranonce_size = 20};
	memset(t.job.prev_hash, 3, 32);
	job_token_digest((const uint8_t *)"a", 1, t.job.script);
	job_token_digest((const uint8_t *)"b", 1, t.job.outputs);
	job_token_digest((const uint8_t *)"c", 1, t.job.merkle_path);
	return t;
}

/* --- tokens -------------------------------------------------------------------------------------
 */

/* What one process seals, another opens: nothing but the file is shared. */
START_TEST(sealed_here_opened_there)
{
	struct token_keys *here = keys_at(NOW);
	struct token_keys *there = keys_at(NOW);
	struct job_token t = sample((uint8_t)(_i + 1));
	struct job_token back;
	uint8_t one[JOB_TOKEN_MAX], two[JOB_TOKEN_MAX];
	size_t size = job_token_seal(here, &t, one);

	ck_assert_uint_gt(size, 0);
	ck_assert(job_token_open(there, one, size, NOW, &back));
	ck_assert_mem_eq(&back, &t, sizeof(t));
	/* the same again looks different, and opens where it was sealed, too */
	ck_assert_uint_eq(job_token_seal(here, &t, two), size);
	ck_assert(memcmp(one, two, size) != 0);
	ck_assert(job_token_open(here, two, size, NOW, &back));
	ck_assert_mem_eq(&back, &t, sizeof(t));
	token_keys_free(here);
	token_keys_free(there);
}
END_TEST

START_TEST(expiry)
{
	struct token_keys *k = keys_at(NOW);
	struct job_token t = sample(JOB_TOKEN_TO_DECLARE);
	struct job_token back;
	uint8_t token[JOB_TOKEN_MAX];
	size_t size = job_token_seal(k, &t, token);

	ck_assert(job_token_open(k, token, size, t.expires - 1, &back));
	ck_assert(!job_token_open(k, token, size, t.expires, &back));
	ck_assert_uint_eq(back.kind, 0);
	token_keys_free(k);
}
END_TEST

/* No bit can be changed, nothing left out or added. */
START_TEST(nothing_can_be_changed)
{
	struct token_keys *k = keys_at(NOW);
	struct job_token t = sample(JOB_TOKEN_DECLARED);
	struct job_token back;
	uint8_t token[JOB_TOKEN_MAX + 1] = {0};
	size_t size = job_token_seal(k, &t, token);

	for (size_t bit = 0; bit < size * 8; bit++) {
		token[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert(!job_token_open(k, token, size, NOW, &back));
		token[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < size; cut++)
		ck_assert(!job_token_open(k, token, cut, NOW, &back));
	ck_assert(!job_token_open(k, token, size + 1, NOW, &back));
	ck_assert(job_token_open(k, token, size, NOW, &back));
	token_keys_free(k);
}
END_TEST

/* --- keys ---------------------------------------------------------------------------------------
 */

START_TEST(the_file_is_nobody_elses)
{
	struct token_keys *k = keys_at(NOW);
	struct stat st;
	struct error e = {0};

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	token_keys_free(k);
	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert_int_eq(token_keys_open(&k, path, NOW, &e), ADIT_E_PERMISSION_DENIED);
	ck_assert_ptr_null(k);
	ck_assert_ptr_nonnull(strstr(e.text, "chmod 600"));
}
END_TEST

START_TEST(other_files_are_refused)
{
	static const char *const texts[] = {
	    "",
	    "\n",
	    "hello\n",
	    "00000001 5 00\n",
	    "00000001 -5 0000000000000000000000000000000000000000000000000000000000000000\n",
	    "0000001 5 0000000000000000000000000000000000000000000000000000000000000000\n",
	    "00000001 5 0000000000000000000000000000000000000000000000000000000000000000 x\n",
	};
	struct token_keys *k;
	struct error e = {0};
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(texts[_i], f);
	fclose(f);
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(token_keys_open(&k, path, NOW, &e), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, "remove it"));
}
END_TEST

/* Whoever comes first makes the key, whoever comes with it has the same. */
START_TEST(many_start_together)
{
	int fds[2];
	pid_t pids[8];
	uint32_t first = 0, id;

	ck_assert_int_eq(pipe(fds), 0);
	for (int i = 0; i < 8; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct token_keys *k;
			struct error e;

			if (token_keys_open(&k, path, NOW, &e) != ADIT_OK)
				_exit(1);
			(void)token_keys_newest(k, &id);
			_exit(write(fds[1], &id, sizeof(id)) == sizeof(id) ? 0 : 1);
		}
	}
	for (int i = 0; i < 8; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
		ck_assert_int_eq(read(fds[0], &id, sizeof(id)), sizeof(id));
		if (i == 0)
			first = id;
		ck_assert_uint_eq(id, first);
	}
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* The sealer goes on to a new key; the opener, who was not told, finds it, and still opens what the
 * old one sealed until that key is dropped. */
START_TEST(rotation)
{
	struct token_keys *sealer = keys_at(NOW);
	struct token_keys *opener = keys_at(NOW);
	struct job_token t = sample(JOB_TOKEN_TO_DECLARE);
	struct job_token back;
	struct error e = {0};
	uint8_t before[JOB_TOKEN_MAX], after[JOB_TOKEN_MAX];
	size_t size = job_token_seal(sealer, &t, before);
	bool rotated;

	ck_assert_int_eq(token_keys_rotate(sealer, NOW + 99, 100, 50, &rotated, &e), ADIT_OK);
	ck_assert(!rotated);
	ck_assert_int_eq(token_keys_rotate(sealer, NOW + 100, 100, 50, &rotated, &e), ADIT_OK);
	ck_assert(rotated);
	ck_assert_uint_eq(token_keys_count(sealer), 2);
	ck_assert_uint_eq(job_token_seal(sealer, &t, after), size);
	ck_assert(job_token_open(opener, after, size, NOW, &back));
	ck_assert(job_token_open(opener, before, size, NOW, &back));
	/* the other process has its turn: it finds that it is done */
	ck_assert_int_eq(token_keys_rotate(opener, NOW + 120, 100, 50, &rotated, &e), ADIT_OK);
	ck_assert(!rotated);
	/* the first key was replaced 100 seconds before, the second one just now */
	ck_assert_int_eq(token_keys_rotate(sealer, NOW + 200, 100, 50, &rotated, &e), ADIT_OK);
	ck_assert_uint_eq(token_keys_count(sealer), 2);
	ck_assert(!job_token_open(sealer, before, size, NOW, &back));
	ck_assert(job_token_open(sealer, after, size, NOW, &back));
	token_keys_free(sealer);
	token_keys_free(opener);
}
END_TEST

START_TEST(rotation_is_bounded)
{
	struct token_keys *k = keys_at(NOW);
	struct error e = {0};
	bool rotated;

	for (uint64_t i = 1; i < 3 * TOKEN_KEYS_MAX; i++) {
		ck_assert_int_eq(token_keys_rotate(k, NOW + i, 1, 1000, &rotated, &e), ADIT_OK);
		ck_assert(rotated);
	}
	ck_assert_uint_eq(token_keys_count(k), TOKEN_KEYS_MAX);
	token_keys_free(k);
}
END_TEST

/* Tokens of made-up keys make nobody read the file again and again, and a file that has gone takes
 * nothing away. */
START_TEST(unknown_keys_are_cheap)
{
	struct token_keys *k = keys_at(NOW);
	struct token_keys *other = keys_at(NOW);
	struct job_token t = sample(JOB_TOKEN_TO_DECLARE);
	struct job_token back;
	struct error e = {0};
	uint8_t token[JOB_TOKEN_MAX];
	size_t size;
	bool rotated;
	uint64_t now_ms = clock_monotonic_ms();

	ck_assert(token_keys_refresh(k, now_ms, &e)); /* looked just now */
	ck_assert_int_eq(token_keys_rotate(other, NOW + 9, 1, 1000, &rotated, &e), ADIT_OK);
	ck_assert(token_keys_refresh(k, now_ms + 999, &e));
	ck_assert_uint_eq(token_keys_count(k), 1);
	ck_assert(token_keys_refresh(k, now_ms + 1000, &e));
	ck_assert_uint_eq(token_keys_count(k), 2);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(!token_keys_refresh(k, now_ms + 2000, &e));
	size = job_token_seal(k, &t, token);
	ck_assert(job_token_open(k, token, size, NOW, &back));
	token_keys_free(k);
	token_keys_free(other);
}
END_TEST

/* --- declared coinbases -------------------------------------------------------------------------
 */

#define INPUT                                                                                      \
	"01"                                                                                       \
	"0000000000000000000000000000000000000000000000000000000000000000"                         \
	"ffffffff"
#define OUTPUTS                                                                                    \
	"02"                                                                                       \
	"00f2052a01000000"                                                                         \
	"160014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc"                                           \
	"0000000000000000"                                                                         \
	"266a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
#define RESERVED                                                                                   \
	"0120"                                                                                     \
	"0000000000000000000000000000000000000000000000000000000000000000"

static size_t from_hex(const char *text, uint8_t *out)
{
	size_t size = strlen(text) / 2;

	ck_assert(hex_decode(text, out, size));
	return size;
}

static const char *read_hex(const char *prefix, const char *suffix, struct declared_coinbase *c,
			    bool *input)
{
	static uint8_t a[1024], b[1024];
	size_t a_size = from_hex(prefix, a);
	size_t b_size = from_hex(suffix, b);

	return declared_coinbase_read(a, a_size, b, b_size, c, input);
}

/* The stripped parts are the reference implementation's (its server tests). */
START_TEST(a_coinbase_is_read)
{
	uint8_t stripped_prefix[256], stripped_suffix[256];
	size_t prefix_size = from_hex("02000000" INPUT "2a5200065376322f2f2f20", stripped_prefix);
	size_t suffix_size = from_hex("ffffffff" OUTPUTS "00000000", stripped_suffix);
	struct declared_coinbase c;
	struct outputs_summary s;
	struct buf prefix = {0}, suffix = {0};
	uint8_t script[22];
	bool input;

	ck_assert(declared_coinbase_write(stripped_prefix, prefix_size, stripped_suffix,
					  suffix_size, &prefix, &suffix));
	ck_assert_uint_eq(prefix.size, prefix_size + 2);
	ck_assert_uint_eq(suffix.size, suffix_size + 34);
	for (int i = 0; i < 2; i++) {
		const char *wrong =
		    i == 0 ? declared_coinbase_read(prefix.data, prefix.size, suffix.data,
						    suffix.size, &c, &input)
			   : declared_coinbase_read(stripped_prefix, prefix_size, stripped_suffix,
						    suffix_size, &c, &input);

		ck_assert_msg(wrong == NULL, "%s", wrong);
		ck_assert_uint_eq(c.version, 2);
		ck_assert_uint_eq(c.script_size, 10);
		ck_assert_uint_eq(c.script[0], 0x52);
		ck_assert_uint_eq(c.extranonce_size, 32);
		ck_assert_uint_eq(c.sequence, UINT32_MAX);
		ck_assert_uint_eq(c.lock_time, 0);
	}
	from_hex("0014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc", script);
	ck_assert(outputs_summarize(c.outputs, c.outputs_size, script, sizeof(script), &s));
	ck_assert_uint_eq(s.count, 2);
	ck_assert_uint_eq(s.total, 5000000000);
	ck_assert_uint_eq(s.paid, 5000000000);
	ck_assert_uint_eq(s.sigops, 0);
	script[5] ^= 1;
	ck_assert(outputs_summarize(c.outputs, c.outputs_size, script, sizeof(script), &s));
	ck_assert_uint_eq(s.paid, 0);
	buf_free(&prefix);
	buf_free(&suffix);
}
END_TEST

START_TEST(bad_coinbases)
{
	static const struct {
		const char *prefix, *suffix;
		bool input;
	} bad[] = {
	    {"02000000", "ffffffff" OUTPUTS "00000000", false},
	    {"020000000002" INPUT "2a52", "ffffffff" OUTPUTS RESERVED "00000000", false},
	    {"0200000000" INPUT "2a52", "ffffffff" OUTPUTS RESERVED "00000000", true},
	    /* two inputs, and one that spends something */
	    {"0200000002"
	     "0000000000000000000000000000000000000000000000000000000000000000ffffffff"
	     "2a52",
	     "ffffffff" OUTPUTS "00000000", true},
	    {"0200000001"
	     "0000000000000000000000000000000000000000000000000000000000000001ffffffff"
	     "2a52",
	     "ffffffff" OUTPUTS "00000000", true},
	    {"0200000001"
	     "000000000000000000000000000000000000000000000000000000000000000000000000"
	     "2a52",
	     "ffffffff" OUTPUTS "00000000", true},
	    /* scriptSig of 1 and 101 bytes, without room, with room for 33 */
	    {"02000000" INPUT "01", "ffffffff" OUTPUTS "00000000", true},
	    {"02000000" INPUT "6552", "ffffffff" OUTPUTS "00000000", true},
	    {"02000000" INPUT "025152", "ffffffff" OUTPUTS "00000000", true},
	    {"02000000" INPUT "2252", "ffffffff" OUTPUTS "00000000", true},
	    /* outputs: none, cut, one more than there are; ends */
	    {"02000000" INPUT "2152", "ffffffff0000000000", false},
	    {"02000000" INPUT "2152", "ffffffff0100f2052a", false},
	    {"02000000" INPUT "2152", "ffffffff" OUTPUTS "0000", false},
	    {"02000000" INPUT "2152", "ffffffff" OUTPUTS "0000000000", false},
	    {"02000000" INPUT "2152", "ffffffff" OUTPUTS RESERVED "00000000", false},
	    {"020000000001" INPUT "2152", "ffffffff" OUTPUTS "00000000", false},
	    {"020000000001" INPUT "2152", "ffffffff" OUTPUTS "0121" RESERVED "00000000", false},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct declared_coinbase c;
		bool input;

		ck_assert_msg(read_hex(bad[i].prefix, bad[i].suffix, &c, &input) != NULL,
			      "case %zu is taken", i);
		ck_assert_msg(input == bad[i].input, "case %zu", i);
	}
}
END_TEST

START_TEST(outputs_are_bounded)
{
	static const char *const bad[] = {
	    "",
	    "00",
	    "01",
	    "0100000000000000000151"
	    "00",
	    "02"
	    "0000000000000000"
	    "0151",
	    "01"
	    "0140075af0750700"
	    "0151", /* a satoshi more than 21 million coins */
	    "02"
	    "0040075af0750700"
	    "0151"
	    "0100000000000000"
	    "0151",
	    "01"
	    "ffffffffffffffff"
	    "0151",
	    "fd0100"
	    "0000000000000000"
	    "0151", /* a count that is written too long */
	};
	struct outputs_summary s;
	uint8_t bytes[128];
	size_t size;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size = from_hex(bad[i], bytes);
		ck_assert_msg(!outputs_summarize(bytes, size, NULL, 0, &s), "case %zu", i);
	}
	size = from_hex("02"
			"0040075af0750700"
			"0151"
			"0000000000000000"
			"02acac",
			bytes);
	ck_assert(outputs_summarize(bytes, size, (const uint8_t *)"\x51", 1, &s));
	ck_assert_uint_eq(s.total, UINT64_C(2100000000000000));
	ck_assert_uint_eq(s.paid, s.total);
	ck_assert_uint_eq(s.sigops, 8);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("job tokens");
	TCase *tokens = tcase_create("tokens");
	TCase *coinbases = tcase_create("coinbases");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tokens, setup, teardown);
	tcase_add_loop_test(tokens, sealed_here_opened_there, 0, 3);
	tcase_add_test(tokens, expiry);
	tcase_add_test(tokens, nothing_can_be_changed);
	tcase_add_test(tokens, the_file_is_nobody_elses);
	tcase_add_loop_test(tokens, other_files_are_refused, 0, 7);
	tcase_add_test(tokens, many_start_together);
	tcase_add_test(tokens, rotation);
	tcase_add_test(tokens, rotation_is_bounded);
	tcase_add_test(tokens, unknown_keys_are_cheap);
	tcase_add_test(coinbases, a_coinbase_is_read);
	tcase_add_test(coinbases, bad_coinbases);
	tcase_add_test(coinbases, outputs_are_bounded);
	suite_add_tcase(s, tokens);
	suite_add_tcase(s, coinbases);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
