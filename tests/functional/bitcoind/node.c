/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/functional/bitcoind/node.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "host/aditctl/json.h"

#define COIN 100000000
#define ANSWER_MAX (16u << 20)

/* --- bitcoin-cli --------------------------------------------------------------------------------
 */

static char *read_all(FILE *from)
{
	size_t size = 0;
	char *text = malloc(ANSWER_MAX + 1);

	ck_assert_ptr_nonnull(text);
	size = fread(text, 1, ANSWER_MAX, from);
	while (size > 0 && text[size - 1] == '\n')
		size--;
	text[size] = '\0';
	return text;
}

__attribute__((format(printf, 1, 0))) static char *run_cli(const char *format, va_list arguments)
{
	const char *cli = getenv("BITCOIN_CLI");
	char *rest;
	char *line;
	char *text;
	FILE *from;
	int status;

	ck_assert_msg(cli != NULL, "BITCOIN_CLI is not set: run this through with-node");
	ck_assert_int_ge(vasprintf(&rest, format, arguments), 0);
	ck_assert_int_ge(asprintf(&line, "%s %s 2>&1", cli, rest), 0);
	from = popen(line, "re");
	ck_assert_ptr_nonnull(from);
	text = read_all(from);
	status = pclose(from);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "bitcoin-cli %s: %s", rest,
		      text);
	free(rest);
	free(line);
	return text;
}

char *node_text(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = run_cli(format, arguments);
	va_end(arguments);
	return text;
}

int64_t node_number(const char *format, ...)
{
	va_list arguments;
	int64_t number;
	char *text;
	char *end;

	va_start(arguments, format);
	text = run_cli(format, arguments);
	va_end(arguments);
	number = strtoll(text, &end, 10);
	ck_assert_msg(end != text && *end == '\0', "%s is not a number", text);
	free(text);
	return number;
}

struct json_object *node_cli(const char *format, ...)
{
	struct json_object *o;
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = run_cli(format, arguments);
	va_end(arguments);
	o = json_tokener_parse(text);
	if (o == NULL)
		o = json_object_new_string(text);
	free(text);
	return o;
}

/* bitcoind writes eight decimals, which json-c keeps as they are. */
int64_t node_amount(struct json_object *amount)
{
	const char *text = json_object_get_string(amount);
	long long whole;
	char decimals[9];

	ck_assert_msg(text != NULL && sscanf(text, "%lld.%8[0-9]", &whole, decimals) == 2 &&
			  strlen(decimals) == 8,
		      "%s is not an amount", text != NULL ? text : "nothing");
	return whole * COIN + atoll(decimals);
}

/* --- blocks and transactions --------------------------------------------------------------------
 */

void node_generate(unsigned count, unsigned tag)
{
	/* OP_TRUE, or a number for a false start of another branch, with a checksum by the node. */
	struct json_object *info = node_cli("getdescriptorinfo 'raw(%02x)'", 0x51 + tag);

	json_object_put(
	    node_cli("generatetodescriptor %u '%s'", count, json_text(info, "descriptor", "")));
	json_object_put(info);
}

/* The address of a script that anyone can spend with the witness OP_TRUE. */
static void true_address(char out[128])
{
	struct json_object *o = node_cli("decodescript 51");
	const char *address = json_text(json_object_member(o, "segwit"), "address", NULL);

	ck_assert_ptr_nonnull(address);
	snprintf(out, 128, "%s", address);
	json_object_put(o);
}

/* Spends output 0 of TXID (VALUE satoshi) but for a FEE; the new transaction's id goes to SPENT_BY,
 * the value of its output is returned. */
static int64_t spend(const char *txid, int64_t value, int64_t fee, bool witness, char spent_by[65])
{
	int64_t rest = value - fee;
	char address[128];
	char *raw;
	char *id;

	true_address(address);
	raw = node_text("createrawtransaction '[{\"txid\":\"%s\",\"vout\":0}]'"
			" '[{\"%s\":%" PRId64 ".%08" PRId64 "}]'",
			txid, address, rest / COIN, rest % COIN);
	if (witness) {
		size_t size = strlen(raw);

		/* BIP144: marker and flag after the version; a stack of one item, OP_TRUE, before
		 * the lock time. */
		id = node_text("sendrawtransaction %.8s0001%.*s010151%s 0", raw, (int)size - 16,
			       raw + 8, raw + size - 8);
	} else {
		id = node_text("sendrawtransaction %s 0", raw);
	}
	ck_assert_uint_eq(strlen(id), 64);
	memcpy(spent_by, id, 65);
	free(raw);
	free(id);
	return rest;
}

/* The next coinbase that can be spent; false when there is none. */
static bool next_coinbase(char txid[65], int64_t *value)
{
	static unsigned height;

	while (node_number("getblockcount") >= height + 101) {
		char *hash = node_text("getblockhash %u", ++height);
		struct json_object *block = node_cli("getblock %s 1", hash);
		struct json_object *output;

		snprintf(txid, 65, "%s",
			 json_object_get_string(json_element(json_array_member(block, "tx"), 0)));
		output = node_cli("gettxout %s 0", txid);
		*value = json_object_is_type(output, json_type_object)
			     ? node_amount(json_member(output, "value"))
			     : 0;
		/* Only what the node itself mined has this script. */
		if (strcmp(json_text(json_object_member(output, "scriptPubKey"), "hex", ""),
			   "51") != 0)
			*value = 0;
		json_object_put(output);
		json_object_put(block);
		free(hash);
		if (*value > 0)
			return true;
	}
	return false;
}

bool node_add_transactions(void)
{
	static int64_t more;
	char coinbase[65];
	char first[65];
	char second[65];
	char third[65];
	int64_t value;

	if (!next_coinbase(coinbase, &value))
		return false;
	more += 111;
	value = spend(coinbase, value, 10000 + more, false, first);
	value = spend(first, value, 20000 + more, true, second);
	(void)spend(second, value, 1000, true, third);
	return true;
}

int64_t node_check_payout(int64_t height, const char *script)
{
	char *hash = node_text("getblockhash %lld", (long long)height);
	struct json_object *block = node_cli("getblock %s 2", hash);
	struct json_object *stats = node_cli("getblockstats %lld", (long long)height);
	struct json_object *coinbase = json_element(json_array_member(block, "tx"), 0);
	struct json_object *outputs = json_array_member(coinbase, "vout");
	int64_t fees = json_integer(stats, "totalfee", -1);
	int64_t due = json_integer(stats, "subsidy", -1) + fees;
	int64_t paid = 0;

	for (size_t i = 0; i < json_count(outputs); i++) {
		struct json_object *output = json_element(outputs, i);
		int64_t value = node_amount(json_member(output, "value"));

		if (value == 0)
			continue;
		ck_assert_str_eq(
		    json_text(json_object_member(output, "scriptPubKey"), "hex", ""), script);
		paid += value;
	}
	ck_assert_msg(paid == due, "block %lld pays %lld, not %lld", (long long)height,
		      (long long)paid, (long long)due);
	json_object_put(stats);
	json_object_put(block);
	free(hash);
	return fees;
}

int64_t node_version(void)
{
	struct json_object *info = node_cli("getnetworkinfo");
	int64_t version = json_integer(info, "version", 0);

	json_object_put(info);
	return version;
}

/* The process that with-node started last. */
pid_t node_pid(void)
{
	char path[256];
	long pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/../pid", getenv("BITCOIN_DATADIR"));
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%ld", &pid) != 1)
		pid = 0;
	fclose(f);
	return (pid_t)pid;
}

void node_restart(void)
{
	pid_t old = node_pid();
	int patience = 1500;

	ck_assert_int_ne(old, 0);
	free(node_text("stop"));
	while (node_pid() == 0 || node_pid() == old) {
		ck_assert_msg(--patience > 0, "the node does not come back");
		poll(NULL, 0, 20);
	}
	free(node_text("-rpcwait -rpcwaittimeout=30 getblockcount"));
}
