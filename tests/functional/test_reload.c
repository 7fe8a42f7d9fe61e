/* SPDX-License-Identifier: MIT */
/*
 * A changed configuration comes into force: what can take it live does, what can't is started
 * again, the others notice nothing; a broken one changes nothing. And aditctl's part: config,
 * enable, disable, reload.
 */
#include "config.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/exit_codes.h"
#include "lib/noise/identity.h"
#include "lib/noise/keys.h"
#include "lib/util/clock.h"
#include "tests/functional/harness.h"
#include "tests/functional/probe.h"

#define NBITS "207fffff"
#define POOL_KEYS "shares_per_minute = 600\nmin_difficulty = 0.00000001\n"
/* 2,000 hashes a second at 600 shares a minute are a difficulty of 4.7e-8, and at 0.1 of 2.8e-4.
 * The pool's estimate of the hash rate depends on luck and on how busy the machine is, but not by
 * so much that the one could come beyond this and the other below. */
#define FAST "shares_per_minute = 600"
#define SLOW "shares_per_minute = 0.1"
#define BETWEEN 0.000001
#define MS HARNESS_WAIT_MS

static char *output;

/* Runs aditctl with the ARGUMENTS of a shell line; its exit status, and in `output` what it wrote.
 */
static int aditctl(const char *arguments)
{
	free(output);
	return harness_aditctl(arguments, &output);
}

static void says(const char *text)
{
	must(strstr(output, text) != NULL, "'%s' is not in:\n%s", text, output);
}

static void read_file(const char *path, char *out, size_t capacity)
{
	FILE *f = fopen(path, "r");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(out, 1, capacity - 1, f);
	out[n] = '\0';
	fclose(f);
}

/* Replaces FROM, once, by TO in adit.conf. */
static void edit(const char *from, const char *to)
{
	char text[8192];
	char *at;
	FILE *f;

	read_file(harness.config, text, sizeof(text));
	at = strstr(text, from);
	ck_assert_msg(at != NULL, "no '%s' in the configuration", from);
	f = fopen(harness.config, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	ck_assert_int_eq(fclose(f), 0);
}

static void begin(void)
{
	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure_miner("one", "standard", 2000);
	harness_start();
	harness_wait_running();
	harness_wait_number("cpu-miner@one", "shares_accepted", 1, MS);
}

/* The same with the authority's key in PATH. */
static void begin_with_key(const char *path)
{
	char key[300];

	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure_miner("one", "standard", 2000);
	snprintf(key, sizeof(key), "authority_key_file = %s", path);
	edit("authority_key_file = sv2-server/authority.pub", key);
	harness_start();
	harness_wait_running();
	harness_wait_number("cpu-miner@one", "shares_accepted", 1, MS);
}

/* Has the server's key in the test's directory signed by SECRET for LIFE seconds. */
static void sign(const uint8_t secret[32], uint32_t life, struct noise_identity *id)
{
	char key[256], request[256], certificate[256];
	uint8_t static_x[32];
	struct error e = {0};

	snprintf(key, sizeof(key), "%s/static.key", harness.directory);
	snprintf(request, sizeof(request), "%s/request", harness.directory);
	snprintf(certificate, sizeof(certificate), "%s/certificate", harness.directory);
	ck_assert_msg(noise_request_create(key, request, static_x, &e) == ADIT_OK, "%s", e.text);
	ck_assert_msg(noise_request_sign(secret, request, certificate, clock_unix(), life, 60, id,
					 &e) == ADIT_OK,
		      "%s", e.text);
}

static void setup(void)
{
	output = NULL;
	harness_setup();
}

static void teardown(void)
{
	free(output);
	output = NULL;
	harness_teardown();
}

static double difficulty_now(void)
{
	struct json_object *status = harness_status();
	struct json_object *miners = json_array_member(harness_said(status, "pool"), "miners");
	double d = json_number(json_element(miners, 0), "difficulty", -1);

	json_object_put(status);
	return d;
}

static bool is_easy(void *user)
{
	double d = difficulty_now();

	(void)user;
	return d > 0 && d < BETWEEN;
}

static bool is_hard(void *user)
{
	(void)user;
	return difficulty_now() > BETWEEN;
}

static bool is_faster(void *user)
{
	struct json_object *status = harness_status();
	double rate = json_number(harness_said(status, "cpu-miner@one"), "hashrate", -1);

	json_object_put(status);
	return rate > *(double *)user;
}

/* The miner takes its limit, its threads and another user as it runs. */
START_TEST(miner_changes_live)
{
	pid_t pool, miner;
	double rate = 3000;

	begin();
	pool = harness_pid("pool");
	miner = harness_pid("cpu-miner@one");
	edit("hashrate_limit = 2000", "hashrate_limit = 6000");
	edit("threads = 1", "threads = 2");
	must(aditctl("reload") == 0, "%s", output);
	harness_wait(MS, is_faster, &rate, "the miner is faster");
	ck_assert_int_eq(harness_number("cpu-miner@one", "threads"), 2);
	edit("user = one", "user = another");
	must(aditctl("reload") == 0, "%s", output);
	harness_wait_number("cpu-miner@one", "shares_accepted",
			    harness_number("cpu-miner@one", "shares_accepted") + 2, MS);
	ck_assert_int_eq(aditctl("config cpu-miner@one"), 0);
	says("another");
	must(harness_pid("pool") == pool, "the pool was started again");
	must(harness_pid("cpu-miner@one") == miner, "the miner was started again");
}
END_TEST

/* A limit of the server changes under its connections: the one that is there stays, another is
 * refused. */
START_TEST(server_changes_live)
{
	struct probe probe = {.fd = -1};
	pid_t server;
	int64_t accepted;

	begin();
	server = harness_pid("sv2-server");
	accepted = harness_number("sv2-server", "accepted");
	must(aditctl("config set sv2-server max_connections 1") == 0, "%s", output);
	must(aditctl("config set sv2-server idle_timeout 1h") == 0, "%s", output);
	probe_connect(&probe, harness.port);
	probe_expect_close(&probe);
	probe_close(&probe);
	ck_assert_int_eq(harness_number("sv2-server", "refused_connections"), 1);
	must(aditctl("config set sv2-server max_connections 2") == 0, "%s", output);
	probe_ready(&probe, harness.port);
	probe_close(&probe);
	ck_assert_int_eq(harness_number("sv2-server", "accepted"), accepted + 1);
	must(harness_pid("sv2-server") == server, "the server was started again");
}
END_TEST

/* A renewed certificate is taken over by `aditctl reload`, though no line of the configuration has
 * changed, and the miner stays connected. */
START_TEST(certificate_is_renewed)
{
	char keys[512], path[256];
	uint8_t secret[32], x[32];
	struct noise_identity id;
	struct error e = {0};
	int64_t accepted;

	snprintf(keys, sizeof(keys), "static_key = %s/static.key\ncertificate = %s/certificate\n",
		 harness.directory, harness.directory);
	harness.server_keys = keys;
	ck_assert_int_eq(noise_key_generate(secret, x), ADIT_OK);
	sign(secret, 100000, &id);
	snprintf(path, sizeof(path), "%s/authority.pub", harness.directory);
	ck_assert_int_eq(noise_public_store(path, x, &e), ADIT_OK);
	begin_with_key(path);
	accepted = harness_number("sv2-server", "accepted");
	sign(secret, 200000, &id);
	must(aditctl("reload") == 0, "%s", output);
	harness_wait_number("sv2-server", "certificate_expires", (int64_t)id.not_valid_after, MS);
	harness_wait_number("cpu-miner@one", "shares_accepted",
			    harness_number("cpu-miner@one", "shares_accepted") + 2, MS);
	ck_assert_int_eq(harness_number("sv2-server", "accepted"), accepted);
	ck_assert_int_eq(harness_number("sv2-server", "connections"), 1);
}
END_TEST

START_TEST(share_rate_changes_live)
{
	pid_t pool, miner;

	begin();
	pool = harness_pid("pool");
	miner = harness_pid("cpu-miner@one");
	harness_wait(MS, is_easy, NULL, "shares are easy");
	edit(FAST, SLOW);
	must(aditctl("reload") == 0, "%s", output);
	harness_wait(MS, is_hard, NULL, "shares are hard");
	edit(SLOW, FAST);
	must(aditctl("reload") == 0, "%s", output);
	harness_wait(MS, is_easy, NULL, "shares are easy again");
	must(harness_pid("pool") == pool, "the pool was started again");
	must(harness_pid("cpu-miner@one") == miner, "the miner was started again");
}
END_TEST

static bool provider_is_new(void *user)
{
	pid_t pid = harness_pid("template-provider");

	return pid > 0 && pid != *(pid_t *)user;
}

/* One key that the template provider takes over, and one for which it is started again; the pool
 * comes back to it. */
START_TEST(template_provider)
{
	pid_t templates, pool;

	begin();
	pool = harness_pid("pool");
	templates = harness_pid("template-provider");
	must(aditctl("config set template-provider min_interval 200ms") == 0, "%s", output);
	harness_wait_number("pool", "blocks_found", harness_number("pool", "blocks_found") + 2, MS);
	must(harness_pid("template-provider") == templates, "it was started again");
	must(aditctl("config set template-provider node_timeout 11s") == 0, "%s", output);
	harness_wait(MS, provider_is_new, &templates, "it was started again");
	harness_wait_number("pool", "blocks_found", harness_number("pool", "blocks_found") + 2, MS);
	must(harness_pid("pool") == pool, "the pool was started again");
}
END_TEST

/* What only the pool can see to be wrong is refused by the pool, which goes on. */
START_TEST(refused_by_the_pool)
{
	pid_t pool;

	begin();
	pool = harness_pid("pool");
	edit("min_difficulty = 0.00000001", "min_difficulty = 5\nmax_difficulty = 1");
	must(aditctl("reload") == 0, "%s", output);
	harness_wait_number("cpu-miner@one", "shares_accepted",
			    harness_number("cpu-miner@one", "shares_accepted") + 2, MS);
	must(harness_pid("pool") == pool, "the pool was started again");
	harness_wait_log("it goes on with its old settings");
}
END_TEST

START_TEST(broken_file_changes_nothing)
{
	pid_t pool, miner;
	char place[160];

	begin();
	pool = harness_pid("pool");
	miner = harness_pid("cpu-miner@one");
	edit("hashrate_limit = 2000", "hashrate_limit = 3000\nthreadz = 1");
	edit(FAST, "shares_per_minute = never");
	ck_assert_int_eq(aditctl("reload"), 1);
	snprintf(place, sizeof(place), "%s:29: shares_per_minute: expected", harness.config);
	says(place);
	says("threadz: unknown key in [cpu-miner@one]; did you mean `threads`?");
	says("nothing was changed");
	ck_assert_int_eq(aditctl("config cpu-miner@one"), 0);
	says("2000");
	must(harness_pid("pool") == pool && harness_pid("cpu-miner@one") == miner,
	     "a process was started again");
	ck_assert_int_eq(aditctl("--json reload"), 1);
	says("\"reloaded\":false");
}
END_TEST

static int connects_to(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	result = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	close(fd);
	return result;
}

static bool is_closed(void *user)
{
	return connects_to(*(uint16_t *)user) != 0;
}

/* A new address is there at once; one that can't be opened is an error that changes nothing. */
START_TEST(listeners)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	uint16_t old = harness.port;
	uint16_t new = harness_free_port();
	char from[64], to[64];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pool;

	begin();
	pool = harness_pid("pool");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	snprintf(from, sizeof(from), "listen = 127.0.0.1:%u", old);
	snprintf(to, sizeof(to), "listen = 127.0.0.1:%u", ntohs(address.sin_port));
	edit(from, to);
	ck_assert_int_eq(aditctl("reload"), 1);
	says("Address already in use");
	must(harness_pid("pool") == pool && connects_to(old) == 0, "something changed");

	/* the check sees the same, and knows what is aditd's own */
	free(output);
	ck_assert_int_eq(harness_run("--check", &output), HOST_EXIT_CONFIG);
	says("is in use by another program");
	edit(to, from);
	free(output);
	must(harness_run("--check", &output) == 0, "%s", output);

	snprintf(to, sizeof(to), "listen = 127.0.0.1:%u", new);
	edit(from, to);
	must(aditctl("reload") == 0, "%s", output);
	ck_assert_int_eq(connects_to(new), 0);
	harness_wait(MS, is_closed, &old, "the old address is closed");
	harness_wait_running();
	close(fd);
}
END_TEST

START_TEST(overrides)
{
	pid_t pool;
	char path[160], text[2048];
	struct stat st;
	FILE *f;

	begin();
	pool = harness_pid("pool");
	harness_wait(MS, is_easy, NULL, "shares are easy");
	ck_assert_int_eq(aditctl("config pool"), 0);
	says("adit.conf:29");
	ck_assert_int_eq(aditctl("config set pool shares_per_minute lots"), 1);
	says("shares_per_minute: expected a number, not `lots`");
	ck_assert_int_eq(aditctl("config set pool share_per_minute 60"), 1);
	says("did you mean `shares_per_minute`?");
	ck_assert_int_eq(aditctl("config set poool shares_per_minute 60"), 1);
	says("did you mean `pool`?");
	must(aditctl("config set pool shares_per_minute 0.1") == 0, "%s", output);
	harness_wait(MS, is_hard, NULL, "shares are hard");
	snprintf(path, sizeof(path), "%s/state/overrides.conf", harness.directory);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	read_file(path, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "\n[pool]\nshares_per_minute = 0.1\n"));
	ck_assert_int_eq(aditctl("config pool"), 0);
	says("overrides.conf:4 (override)");
	ck_assert_int_eq(aditctl("--json config pool"), 0);
	says("\"origin\":\"override\"");
	ck_assert_int_eq(aditctl("config reset pool tag"), 1);
	says("[pool] tag is not overridden");
	/* what was written by hand meanwhile stays, and counts */
	f = fopen(path, "a");
	ck_assert_ptr_nonnull(f);
	fputs("# by hand\ntag = /hand/\n", f);
	ck_assert_int_eq(fclose(f), 0);
	must(aditctl("config set host log_level info") == 0, "%s", output);
	read_file(path, text, sizeof(text));
	ck_assert_ptr_nonnull(
	    strstr(text, "\n[pool]\nshares_per_minute = 0.1\n# by hand\ntag = /hand/\n\n[host]\n"
			 "log_level = info\n"));
	ck_assert_int_eq(aditctl("config pool"), 0);
	says("/hand/");
	must(aditctl("config reset pool tag") == 0, "%s", output);
	must(aditctl("config reset host") == 0, "%s", output);
	must(aditctl("config reset pool shares_per_minute") == 0, "%s", output);
	harness_wait(MS, is_easy, NULL, "shares are easy again");
	ck_assert_int_eq(aditctl("config pool"), 0);
	must(strstr(output, "override") == NULL, "%s", output);
	must(harness_pid("pool") == pool, "the pool was started again");
	ck_assert_int_eq(aditctl("config set host run_dir /"), 1);
	ck_assert_int_eq(aditctl("config set pool"), 2);
	ck_assert_int_eq(aditctl("config nobody"), 1);
}
END_TEST

START_TEST(secrets_are_not_shown)
{
	begin();
	must(aditctl("config set node rpc_password hush-hush") == 0, "%s", output);
	ck_assert_int_eq(aditctl("config"), 0);
	says("(secret)");
	must(strstr(output, "hush") == NULL, "%s", output);
	ck_assert_int_eq(aditctl("--json config node"), 0);
	says("\"value\":null");
	must(strstr(output, "hush") == NULL, "%s", output);
}
END_TEST

static bool miner_has_state(void *user)
{
	struct json_object *status = harness_status();
	const char *state = json_text(harness_role(status, "cpu-miner@two"), "state", "");
	bool good = strcmp(state, user) == 0;

	json_object_put(status);
	return good;
}

/* All of the file stays but the one value. */
START_TEST(enable_and_disable)
{
	static const char before[] = "# two\r\n\n  [cpu-miner@two] ; here\n\n"
				     "enabled\t=  no   ; for now\nchannel=standard\n"
				     "user = two\n#enabled = no\n";
	static const char after[] = "# two\r\n\n  [cpu-miner@two] ; here\n\n"
				    "enabled\t=  yes   ; for now\nchannel=standard\n"
				    "user = two\n#enabled = no\n";
	char path[160], text[2048], keys[300];
	char running[] = "running", disabled[] = "disabled";
	pid_t pool;
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf.d", harness.directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/conf.d/two.conf", harness.directory);
	snprintf(keys, sizeof(keys),
		 "upstream = 127.0.0.1:%u\nauthority_key_file = sv2-server/authority.pub",
		 harness.port);
	f = fopen(path, "w");
	fprintf(f, "%s%s", before, keys);
	fclose(f);
	ck_assert_int_eq(chmod(path, 0640), 0);
	begin();
	pool = harness_pid("pool");
	must(aditctl("enable cpu-miner@two") == 0, "%s", output);
	says("cpu-miner@two is now enabled");
	harness_wait(MS, miner_has_state, running, "the miner runs");
	read_file(path, text, sizeof(text));
	ck_assert_int_eq(strncmp(text, after, strlen(after)), 0);
	ck_assert_str_eq(text + strlen(after), keys);
	must(aditctl("enable cpu-miner@two") == 0, "%s", output);
	says("was already enabled");
	must(aditctl("disable cpu-miner@two") == 0, "%s", output);
	harness_wait(MS, miner_has_state, disabled, "the miner is disabled");
	read_file(path, text, sizeof(text));
	ck_assert_int_eq(strncmp(text, before, strlen(before)), 0);
	ck_assert_str_eq(text + strlen(before), keys);
	must(harness_pid("pool") == pool, "the pool was started again");
	ck_assert_int_eq(aditctl("enable cpu-miner@three"), 1);
	says("write a file with [cpu-miner@three] into conf.d");
	ck_assert_int_eq(aditctl("disable node"), 2);
	ck_assert_int_eq(aditctl("disable pool/one"), 2);
	says("is a part of a role");
}
END_TEST

/* What aditd refuses is put back. */
START_TEST(enable_what_is_broken)
{
	char text[8192], again[8192];

	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure("[cpu-miner]\nenabled = no\nthreads = 0\nupstream = x:1\n");
	harness_start();
	harness_wait_running();
	read_file(harness.config, text, sizeof(text));
	ck_assert_int_eq(aditctl("enable cpu-miner"), 1);
	says("threads: expected 1..256, not 0");
	says("is as it was");
	read_file(harness.config, again, sizeof(again));
	ck_assert_str_eq(text, again);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reload");
	TCase *c = tcase_create("reload");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, miner_changes_live);
	tcase_add_test(c, server_changes_live);
	tcase_add_test(c, certificate_is_renewed);
	tcase_add_test(c, share_rate_changes_live);
	tcase_add_test(c, template_provider);
	tcase_add_test(c, refused_by_the_pool);
	tcase_add_test(c, broken_file_changes_nothing);
	tcase_add_test(c, listeners);
	tcase_add_test(c, overrides);
	tcase_add_test(c, secrets_are_not_shown);
	tcase_add_test(c, enable_and_disable);
	tcase_add_test(c, enable_what_is_broken);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
