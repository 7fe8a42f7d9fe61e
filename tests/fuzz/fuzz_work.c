/* SPDX-License-Identifier: MIT */
/* Work that comes from outside: a template provider's NewTemplate, or (first byte odd) a job of an
 * upstream. What is accepted has a coinbase that parses, with the extranonce where it belongs,
 * under any other extranonce, too; and what belongs to the role is given back once. */
#include "config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/tx.h"
#include "lib/mining/engine.h"
#include "lib/sv2/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t freed;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static uint32_t pay(void *context, const struct payee *payee, uint64_t value, struct buf *out)
{
	static const uint8_t script[] = {0x51};

	(void)context;
	(void)payee;
	coinbase_add_output(out, value, script, sizeof script);
	return 1;
}

static void count_freed(void *context, struct coinbase *c)
{
	(void)context;
	require(c->role == &freed);
	freed++;
}

static const struct mining_hooks hooks = {.outputs = pay, .coinbase_freed = count_freed};

/* C with SIZE bytes of extranonce is a coinbase, and gives a merkle root. */
static void check_coinbase(const struct coinbase *c, size_t size)
{
	static const uint8_t extranonce[EXTRANONCE_MAX] = {0xee, 0xee, 0xee};
	const struct template *t = c->template;
	struct buf whole = {0};
	struct tx_input in;
	struct reader r;
	uint8_t root[32];
	struct tx tx;

	require(coinbase_join_witness(t->prefix.data, t->prefix.size, extranonce, size,
				      c->suffix.data, c->suffix.size, &whole) == ADIT_OK);
	reader_init(&r, whole.data, whole.size);
	require(tx_parse(&r, &tx) && reader_left(&r) == 0 && tx.has_witness);
	require(tx_is_coinbase(&tx, &in) && in.script_size <= COINBASE_SCRIPT_MAX);
	require(in.script_size >= size);
	coinbase_merkle_root(c, extranonce, size > 4 ? 4 : size, extranonce,
			     size > 4 ? size - 4 : 0, root);
	buf_free(&whole);
}

static void check_job(struct mining *mining, size_t full, const uint8_t *data, size_t size)
{
	struct adit_sv2_new_extended_mining_job m;
	struct error e = {0};
	struct template *t;
	struct coinbase *c;

	if (sv2_decode(ADIT_SV2_NEW_EXTENDED_MINING_JOB, data, size, &m, NULL) != ADIT_OK)
		return;
	freed = 0;
	t = template_whole(mining, &m, full, 4, &freed, &e);
	if (!t) {
		require(e.code == ADIT_E_PROTOCOL && freed == 0);
		return;
	}
	c = coinbase_take(mining, t, mining->classes.own);
	require(c == t->only && c->role == &freed);
	check_coinbase(c, full);
	template_unref(t);
	require(freed == 0);
	coinbase_unref(c);
	require(freed == 1);
}

static void check_made(struct mining *mining, struct template *t, size_t full)
{
	struct coinbase *c = coinbase_take(mining, t, mining->classes.own);

	require(c != NULL);
	check_coinbase(c, full);
	coinbase_unref(c);
	classes_forget_coinbases(&mining->classes);
}

static void check_template(struct mining *mining, size_t full, const uint8_t *data, size_t size)
{
	struct coinbase_parts parts = {.tag = "fuzz", .extranonce_size = 20, .base_size = 4};
	struct adit_sv2_new_template m;
	struct template *t, *again;
	struct error e = {0};

	if (sv2_decode(ADIT_SV2_NEW_TEMPLATE, data, size, &m, NULL) != ADIT_OK)
		return;
	t = template_new(&m, &parts, &e);
	if (!t)
		return;
	check_made(mining, t, parts.extranonce_size);
	parts = (struct coinbase_parts){.tag = "another", .extranonce_size = full};
	again = template_again(t, &parts, &e);
	template_unref(t);
	if (!again) {
		require(e.code == ADIT_E_LIMIT);
		return;
	}
	check_made(mining, again, full);
	template_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mining mining = {.hooks = &hooks};
	size_t full;

	if (size == 0 || classes_init(&mining.classes, 0) != ADIT_OK)
		return 0;
	full = 1 + (data[0] >> 1) % EXTRANONCE_MAX;
	if (data[0] % 2)
		check_job(&mining, full, data + 1, size - 1);
	else
		check_template(&mining, full, data + 1, size - 1);
	classes_fini(&mining.classes);
	return 0;
}
