/* SPDX-License-Identifier: MIT */
/*
 * adit-events(7) is true and complete: every event of a running pool is described there, with its
 * publisher and exactly its fields, and every event that is described there happens when its cause
 * does.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util/clock.h"
#include "tests/functional/harness.h"

#define PAGE_MAX 64
#define WORDS_MAX 12
#define WAIT_MS HARNESS_WAIT_MS

/* An event of the page. */
struct entry {
	char type[64];
	char publisher[32]; /* "aditd": the host */
	char words[WORDS_MAX][32];
	size_t word_count;
	unsigned seen; /* since forget() */
	bool ever;
};

static struct entry page[PAGE_MAX];
static size_t page_count;

/* --- the page -----------------------------------------------------------------------------------
 */

static struct entry *page_find(const char *type)
{
	for (size_t i = 0; i < page_count; i++)
		if (strcmp(page[i].type, type) == 0)
			return &page[i];
	return NULL;
}

/* The names of ".It Cm A , B": entries from FIRST on. */
static void page_names(const char *text, const char *publisher)
{
	char *copy = strdup(text), *at = NULL;

	for (char *name = strtok_r(copy, " ,\n", &at); name != NULL;
	     name = strtok_r(NULL, " ,\n", &at)) {
		struct entry *e = &page[page_count++];

		ck_assert_uint_lt(page_count, PAGE_MAX);
		snprintf(e->type, sizeof(e->type), "%s", name);
		snprintf(e->publisher, sizeof(e->publisher), "%s",
			 strcmp(publisher, "the host") == 0 ? "aditd" : publisher);
	}
	free(copy);
}

/* The fields of ".Cm a , b", which begin with a small letter, for entries from FIRST on. */
static void page_fields(const char *text, size_t first)
{
	char *copy = strdup(text), *at = NULL;

	for (char *word = strtok_r(copy, " ,.:\n", &at); word != NULL;
	     word = strtok_r(NULL, " ,.:\n", &at)) {
		if (word[0] < 'a' || word[0] > 'z')
			continue;
		for (size_t i = first; i < page_count; i++) {
			struct entry *e = &page[i];

			ck_assert_uint_lt(e->word_count, WORDS_MAX);
			snprintf(e->words[e->word_count++], sizeof(e->words[0]), "%s", word);
		}
	}
	free(copy);
}

/* A line of the list of all names under PUBLISHER, which agrees with the sections. Returns how
 * many. */
static size_t page_list(const char *line, const char *publisher)
{
	char *copy = strdup(line), *at = NULL;
	size_t count = 0;

	for (char *name = strtok_r(copy, " ,.", &at); name != NULL;
	     name = strtok_r(NULL, " ,.", &at)) {
		const struct entry *e = page_find(name);
		const char *owner = e == NULL ? "none" : e->publisher;

		ck_assert_msg(strcmp(publisher, strcmp(owner, "aditd") == 0 ? "host" : owner) == 0,
			      "%s: %s, in the list %s", name, owner, publisher);
		count++;
	}
	free(copy);
	return count;
}

static void page_read(void)
{
	FILE *f = fopen(ADIT_EVENTS_PAGE, "r");
	char line[512], publisher[64] = "", list[32] = "";
	size_t first = 0, names = 0;
	bool in_list = false;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, ".Ss ", 4) == 0)
			snprintf(publisher, sizeof(publisher), "%.40s",
				 strncmp(line, ".Ss Published by ", 17) == 0 ? line + 17 : "");
		if (strncmp(line, ".It Cm ", 7) == 0 && *publisher != '\0') {
			first = page_count;
			page_names(line + 7, publisher);
		} else if (strncmp(line, ".Cm ", 4) == 0 && page_count > first &&
			   *publisher != '\0') {
			page_fields(line + 4, first);
		}
		if (strncmp(line, ".Ss ", 4) == 0)
			in_list = strcmp(line, ".Ss All names") == 0;
		if (in_list && strncmp(line, ".It ", 4) == 0)
			snprintf(list, sizeof(list), "%.30s", line + 4);
		else if (in_list && *list != '\0' && line[0] != '.')
			names += page_list(line, list);
		if (strncmp(line, ".El", 3) == 0)
			first = page_count;
	}
	fclose(f);
	ck_assert_uint_ge(page_count, 15);
	ck_assert_uint_ge(names, 122);
}

/* --- events -------------------------------------------------------------------------------------
 */

static struct control follower;

static bool names_word(const struct entry *e, const char *key)
{
	for (size_t i = 0; i < e->word_count; i++)
		if (strcmp(e->words[i], key) == 0)
			return true;
	return false;
}

static void check_event(struct json_object *params)
{
	const char *type = json_text(params, "type", ""), *source = json_text(params, "source", "");
	struct json_object *data = json_object_member(params, "data");
	struct entry *e = page_find(type);
	size_t size, keys = 0;

	must(e != NULL, "%s of %s is not in adit-events(7)", type, source);
	size = strlen(e->publisher);
	must(strncmp(source, e->publisher, size) == 0 && strchr("@.", source[size]) != NULL,
	     "%s comes from %s, not from %s", type, source, e->publisher);
	must(json_integer(params, "lost", -1) == 0, "%s: the test did not keep up", type);
	e->seen++;
	e->ever = true;
	json_object_object_foreach(data, key, value)
	{
		(void)value;
		must(names_word(e, key), "%s: the field %s is not in adit-events(7)", type, key);
		keys++;
	}
	/* the end of a trace has fewer */
	must(keys == e->word_count || strcmp(json_text(data, "direction", ""), "off") == 0,
	     "%s has %zu fields, adit-events(7) %zu", type, keys, e->word_count);
}

/* Takes events until TYPE has been seen N times. */
static void until_seen(const char *type, unsigned n)
{
	uint64_t end = clock_monotonic_ms() + harness_limit(WAIT_MS);
	const struct entry *e = page_find(type);

	must(e != NULL, "%s is not in adit-events(7)", type);
	while (e->seen < n) {
		struct json_object *message = NULL;
		struct error error;
		int32_t code = control_receive(&follower, 100, &message, &error);

		must(code == ADIT_OK || code == ADIT_E_TIMEOUT, "waiting for %s: %s", type,
		     error.text);
		must(clock_monotonic_ms() < end, "gave up waiting for %s", type);
		if (strcmp(json_text(message, "method", ""), "event") == 0)
			check_event(json_object_member(message, "params"));
		json_object_put(message);
	}
}

static void forget(void)
{
	for (size_t i = 0; i < page_count; i++)
		page[i].seen = 0;
}

static void follow(void)
{
	struct json_object *result = NULL;
	struct error e;

	ck_assert_int_eq(control_open(&follower, harness.socket, &e), ADIT_OK);
	must(control_request(&follower, "events", NULL, (int)harness_limit(WAIT_MS), &result, &e) ==
		 ADIT_OK,
	     "%s", e.text);
	json_object_put(result);
}

static void call(const char *target, const char *method, const char *json)
{
	struct json_object *params = json_object_new_object();

	json_object_object_add(params, "target", json_object_new_string(target));
	json_object_object_add(params, "method", json_object_new_string(method));
	json_object_object_add(params, "params", json_tokener_parse(json));
	json_object_put(harness_request("call", params));
	json_object_put(params);
}

/* A file of its own for the second miner. */
static void second_miner(const char *enabled)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf.d", harness.directory);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/conf.d/miner.conf", harness.directory);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f,
		"[cpu-miner@two]\nupstream = 127.0.0.1:%u\n"
		"authority_key_file = sv2-server/authority.pub\nuser = two\nthreads = 1\n"
		"hashrate_limit = 1000\nenabled = %s\n",
		harness.port, enabled);
	ck_assert_int_eq(fclose(f), 0);
	json_object_put(harness_request("reload", NULL));
}

/* The embedded chain has one difficulty for ever: the test of the pool alone changes it. jdc and
 * MiningOS's ork, which has to have the rack, have tests of their own. */
static bool comes_elsewhere(const struct entry *e)
{
	return strcmp(e->type, "MiningDifficultyChanged") == 0 ||
	       strcmp(e->type, "MiningOSRegistered") == 0 || strcmp(e->publisher, "jdc") == 0;
}

START_TEST(events_are_as_described)
{
	pid_t pid;

	page_read();
	harness_configure_pool("1f00ffff", "shares_per_minute = 600\nmin_difficulty = 0.000001\n");
	harness_configure_miner("one", "standard", 100000);
	harness_configure("\n[miningos]\np2p_enabled = no\nhttp_enabled = no\n"
			  "collection_interval_seconds = 1\n");
	harness_start();
	follow();
	harness_wait_running();
	until_seen("MiningOSStatsUpdated", 1);
	until_seen("MiningOSTemplateUpdated", 1);
	/* Nobody here takes another pool; that it failed is told. */
	call("miningos", "trigger_action",
	     "{\"action_type\":\"updatePoolConfig\",\"pool_url\":\"127.0.0.1:1\"}");
	until_seen("MiningOSActionExecuted", 1);
	until_seen("ShareSubmitted", 1);
	until_seen("BlockFound", 1);
	until_seen("BlockMined", 1);
	until_seen("NewBlock", 2);
	until_seen("MiningJobCreated", 2);
	until_seen("BlockTemplateUpdated", 2);
	until_seen("NewTransaction", 1);
	until_seen("MempoolTransactionAdded", 1);
	until_seen("MempoolTransactionRemoved", 1);
	call("sv2-server.1", "trace_start", "{\"connection\":\"all\",\"messages\":5}");
	until_seen("Sv2Trace", 1);
	call("node", "reorganise", "{\"depth\":1}");
	until_seen("BlockDisconnected", 1);
	until_seen("ChainReorg", 1);
	forget();
	second_miner("true");
	until_seen("ConfigLoaded", 1);
	until_seen("ModuleStarted", 1);
	until_seen("NodeStartupCompleted", 1);
	until_seen("StratumClientConnected", 1);
	forget();
	second_miner("false");
	until_seen("ModuleStopped", 1);
	until_seen("StratumClientDisconnected", 1);
	forget();
	pid = harness_pid("node");
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	until_seen("ModuleCrashed", 1);
	until_seen("ModuleStarted", 1);
	until_seen("SyncStateChanged", 1);
	json_object_put(harness_request("stop", NULL));
	until_seen("NodeShutdown", 1);
	control_close(&follower);
	harness_await_end();
	for (size_t i = 0; i < page_count; i++)
		ck_assert_msg(page[i].ever || comes_elsewhere(&page[i]), "%s was never seen",
			      page[i].type);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *c = tcase_create("events");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, harness_setup, harness_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, events_are_as_described);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
