/* SPDX-License-Identifier: MIT */
/* Who is paid in the chain: miners whose identity names an address, donors, accounts of the pool;
 * and a payout that changes while they mine. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/address.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/buf.h"
#include "tests/functional/harness.h"

#define NBITS "1f00ffff"
#define POOL_KEYS "shares_per_minute = 600\nmin_difficulty = 0.000001\n"
#define HASHRATE 50000
#define BLOCKS_MS 120000

/* P2PKH and P2TR addresses of regtest, made of 20 bytes 0x07 and of BIP350's example program. */
#define SOLO_SCRIPT "76a914070707070707070707070707070707070707070788ac"
#define DONOR_SCRIPT "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
#define POOL_SCRIPT "0014751e76e8199196d454941c45d1b3a323f1433bd6"
#define NEXT_SCRIPT "00140909090909090909090909090909090909090909"

static struct script script_of(const char *hex)
{
	struct script s;
	struct error e = {0};
	char raw[200];

	snprintf(raw, sizeof(raw), "raw(%s)", hex);
	ck_assert_int_eq(descriptor_to_script(raw, BITCOIN_REGTEST, &s, &e), ADIT_OK);
	return s;
}

static const char *address_of(const char *hex)
{
	static char text[4][100];
	static int next;
	struct script s = script_of(hex);

	next = (next + 1) % 4;
	ck_assert(script_to_address(s.data, s.size, BITCOIN_REGTEST, text[next], 100));
	return text[next];
}

/* --- the chain ---------------------------------------------------------------------------------
 */

/* The coinbase's own outputs: those that are worth something. */
struct payment {
	uint32_t count;
	uint64_t value[4];
	struct script script[4];
};

static void read_payment(struct reader *r, struct payment *p)
{
	struct tx_output o;
	struct reader at;
	struct tx tx;

	*p = (struct payment){0};
	ck_assert(tx_parse(r, &tx));
	tx_outputs(&tx, &at);
	for (uint32_t i = 0; i < tx.outputs && p->count < 4; i++) {
		ck_assert(tx_next_output(&at, &o));
		if (o.value == 0)
			continue;
		p->value[p->count] = o.value;
		p->script[p->count].size = o.script_size;
		memcpy(p->script[p->count].data, o.script, o.script_size);
		p->count++;
	}
}

/* Calls FN for each block of the node's file: "ABLK", size, block. */
static void each_payment(void (*fn)(const struct payment *p, void *user), void *user)
{
	char path[160];
	struct buf block = {0};
	uint8_t head[8];
	FILE *f;

	snprintf(path, sizeof(path), "%s/state/node/blocks.dat", harness.directory);
	f = fopen(path, "r");
	if (f == NULL || fread(head, 1, 8, f) != 8)
		return;
	while (fread(head, 1, 8, f) == 8) {
		uint32_t size = (uint32_t)head[4] | (uint32_t)head[5] << 8 |
				(uint32_t)head[6] << 16 | (uint32_t)head[7] << 24;
		struct payment p;
		struct reader r;

		buf_clear(&block);
		if (memcmp(head, "ABLK", 4) != 0 || size > 4000000 ||
		    fread(buf_reserve(&block, size), 1, size, f) != size)
			break;
		reader_init(&r, block.data, size);
		reader_bytes(&r, 80);
		reader_compact_size(&r);
		read_payment(&r, &p);
		fn(&p, user);
	}
	fclose(f);
	buf_free(&block);
}

static bool pays(const struct payment *p, uint32_t i, const struct script *script)
{
	return p->script[i].size == script->size &&
	       memcmp(p->script[i].data, script->data, script->size) == 0;
}

/* --- miners ------------------------------------------------------------------------------------
 */

static void add_miner(const char *name, const char *channel, const char *user)
{
	harness_configure("\n[cpu-miner@%s]\n"
			  "upstream = 127.0.0.1:%u\n"
			  "authority_key_file = sv2-server/authority.pub\n"
			  "user = %s\n"
			  "threads = 1\n"
			  "channel = %s\n"
			  "hashrate_limit = %u\n",
			  name, harness.port, user, channel, HASHRATE);
}

struct found {
	struct script solo;
	struct script donor;
	struct script pool;
	unsigned blocks;
	unsigned solos;
	unsigned donations;
	unsigned pools;
	unsigned others;
};

static void sort_payment(const struct payment *p, void *user)
{
	struct found *f = user;
	uint64_t sum = p->count == 2 ? p->value[0] + p->value[1] : 0;

	f->blocks++;
	if (p->count == 1 && pays(p, 0, &f->solo))
		f->solos++;
	else if (p->count == 1 && pays(p, 0, &f->pool))
		f->pools++;
	else if (p->count == 2 && pays(p, 0, &f->pool) && pays(p, 1, &f->donor) &&
		 p->value[0] == sum / 100 * 30 + sum % 100 * 30 / 100)
		f->donations++;
	else
		f->others++;
}

static void look(struct found *f)
{
	*f = (struct found){.solo = script_of(SOLO_SCRIPT),
			    .donor = script_of(DONOR_SCRIPT),
			    .pool = script_of(POOL_SCRIPT)};
	each_payment(sort_payment, f);
}

static bool all_kinds_found(void *user)
{
	struct found f;

	(void)user;
	look(&f);
	return f.solos > 0 && f.donations > 0 && f.pools > 0;
}

START_TEST(each_is_paid)
{
	char user[200];
	struct found f;

	harness_configure_pool(NBITS, POOL_KEYS);
	snprintf(user, sizeof(user), "sri/solo/%s/rig", address_of(SOLO_SCRIPT));
	add_miner("solo", "extended", user);
	snprintf(user, sizeof(user), "sri/donate/30/%s/rig", address_of(DONOR_SCRIPT));
	add_miner("donor", "standard", user);
	add_miner("account", "extended", "alice.rig");
	harness_start();
	harness_wait_running();
	harness_wait(BLOCKS_MS, all_kinds_found, NULL, "a block of each miner is in the chain");
	harness_stop();
	look(&f);
	ck_assert_uint_eq(f.others, 0); /* every block of the chain pays one of the three */
	must(!harness_log_has(" error "), "an error was logged");
}
END_TEST

/* --- a change ----------------------------------------------------------------------------------
 */

/* Puts TO in place of FROM in adit.conf and has it read. */
static void change(const char *from, const char *to)
{
	char text[8192] = "";
	FILE *f = fopen(harness.config, "r");
	size_t size = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
	char *at = strstr(text, from);

	ck_assert_uint_gt(size, 0);
	fclose(f);
	ck_assert_ptr_nonnull(at);
	f = fopen(harness.config, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	fclose(f);
	json_object_put(harness_request("reload", NULL));
}

/* Whether a block pays it. */
struct wanted {
	struct script script;
	bool found;
};

static void find_payment(const struct payment *p, void *user)
{
	struct wanted *w = user;

	w->found = w->found || (p->count == 1 && pays(p, 0, &w->script));
}

static bool is_paid(void *user)
{
	struct wanted *w = user;

	w->found = false;
	each_payment(find_payment, w);
	return w->found;
}

/* BIP32 test vector 1, chain m, as the test networks write it. */
static void ranged_payout(char *out, size_t capacity)
{
	static const char xpub[] =
	    "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqse"
	    "fD265TMg7usUDFdp6W1EGMcet8";
	uint8_t payload[78];
	char key[150];

	ck_assert_int_eq(base58check_decode(xpub, payload, sizeof(payload)), 78);
	memcpy(payload, "\x04\x35\x87\xcf", 4);
	ck_assert(base58check_encode(payload, sizeof(payload), key, sizeof(key)));
	snprintf(out, capacity, "wpkh(%s/0/*)", key);
}

START_TEST(payout_changes_while_mining)
{
	struct wanted w = {.script = script_of(NEXT_SCRIPT)};
	char descriptor[200];
	struct error e;
	pid_t pid;
	int64_t sent;

	harness_configure_pool(NBITS, POOL_KEYS);
	add_miner("one", "extended", "alice.rig");
	harness_start();
	harness_wait_running();
	harness_wait_number("node", "blocks_accepted", 1, BLOCKS_MS);
	pid = harness_pid("pool");
	sent = harness_number("pool", "shares_accepted");
	change("payout = " HARNESS_ADDRESS, "payout = raw(" NEXT_SCRIPT ")");
	harness_wait(BLOCKS_MS, is_paid, &w, "a block pays the new script");
	/* One script after the other, from the file's index on. */
	ranged_payout(descriptor, sizeof(descriptor));
	change("raw(" NEXT_SCRIPT ")", descriptor);
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_int_eq(
		    descriptor_script_at(descriptor, BITCOIN_REGTEST, i, &w.script, &e), ADIT_OK);
		harness_wait(BLOCKS_MS, is_paid, &w, "a block pays the next script");
	}
	ck_assert_int_eq(harness_pid("pool"), pid);
	ck_assert_int_gt(harness_number("pool", "shares_accepted"), sent);
	ck_assert_int_eq(harness_number("pool", "connections"), 1);
	harness_stop();
	must(!harness_log_has(" error "), "an error was logged");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("payout");
	TCase *c = tcase_create("payout");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(c, harness_setup, harness_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, each_is_paid);
	tcase_add_test(c, payout_changes_while_mining);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
