/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/templates.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/mining/engine.h"
#include "lib/util/reader.h"

#define MONEY_MAX UINT64_C(2100000000000000) /* satoshi */

/* The outputs must be exactly as many as the message says, or the block would not parse. */
static bool outputs_well_formed(const struct adit_sv2_new_template *m)
{
	struct reader r;
	struct tx_output output;

	reader_init(&r, m->coinbase_tx_outputs.data, m->coinbase_tx_outputs.size);
	for (uint32_t i = 0; i < m->coinbase_tx_outputs_count; i++) {
		if (!tx_next_output(&r, &output))
			return false;
	}
	return reader_left(&r) == 0;
}

/* A job's second half and a solution's coinbase are a B0_64K each. */
#define COINBASE_MAX 65535u
/* What a coinbase has besides its outputs, at most: version, marker, flag, counts, input with a
 * script of 100 bytes, witness of 34, lock time. */
#define COINBASE_BESIDE 256u

static int32_t check_message(const struct adit_sv2_new_template *m,
			     const struct coinbase_parts *parts, struct error *e)
{
	if (m->coinbase_tx_value_remaining > MONEY_MAX)
		return error_set(e, ADIT_E_PROTOCOL, "more satoshi than there are");
	if (m->merkle_path.count > MERKLE_MAX_DEPTH)
		return error_set(e, ADIT_E_PROTOCOL, "a merkle path of %u elements",
				 m->merkle_path.count);
	if (m->coinbase_tx_outputs.size + parts->outputs_size > COINBASE_MAX - COINBASE_BESIDE)
		return error_set(e, ADIT_E_PROTOCOL,
				 "%u bytes of coinbase outputs leave no room for others",
				 m->coinbase_tx_outputs.size);
	if (!outputs_well_formed(m))
		return error_set(e, ADIT_E_PROTOCOL, "its coinbase outputs are malformed");
	return ADIT_OK;
}

static int32_t make_prefix(struct template *t, const struct adit_sv2_new_template *m,
			   const struct coinbase_parts *parts, struct error *e)
{
	struct buf suffix = {0};
	struct coinbase_spec spec = {
	    .tx_version = m->coinbase_tx_version,
	    .script_prefix = m->coinbase_prefix.data,
	    .script_prefix_size = m->coinbase_prefix.size,
	    .tag = (const uint8_t *)parts->tag,
	    .tag_size = strlen(parts->tag),
	    .extranonce_size = parts->extranonce_size,
	};
	int32_t result = coinbase_split(&spec, &t->prefix, &suffix, e);

	buf_free(&suffix);
	if (result != ADIT_OK)
		return result;
	buf_append(&t->outputs, m->coinbase_tx_outputs.data, m->coinbase_tx_outputs.size);
	if (t->outputs.failed)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	t->outputs_count = m->coinbase_tx_outputs_count;
	t->sequence = m->coinbase_tx_input_sequence;
	t->lock_time = m->coinbase_tx_locktime;
	return ADIT_OK;
}

struct template *template_new(const struct adit_sv2_new_template *m,
			      const struct coinbase_parts *parts, struct error *e)
{
	struct template *t;

	if (check_message(m, parts, e) != ADIT_OK)
		return NULL;
	t = calloc(1, sizeof *t);
	if (!t) {
		error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	t->refs = 1;
	t->id = m->template_id;
	t->version = m->version;
	t->value = m->coinbase_tx_value_remaining;
	t->depth = m->merkle_path.count;
	if (t->depth)
		memcpy(t->path, m->merkle_path.data, (size_t)t->depth * 32);
	if (!bip34_height(m->coinbase_prefix.data, m->coinbase_prefix.size, &t->height))
		t->height = 0;
	if (make_prefix(t, m, parts, e) != ADIT_OK) {
		template_unref(t);
		return NULL;
	}
	return t;
}

struct template *template_ref(struct template *t)
{
	t->refs++;
	return t;
}

void template_unref(struct template *t)
{
	if (!t || --t->refs > 0)
		return;
	if (t->account)
		*t->account -= t->account_size;
	buf_free(&t->prefix);
	buf_free(&t->outputs);
	free(t);
}

int32_t tip_read(struct tip *tip, const struct adit_sv2_template_set_new_prev_hash *m,
		 struct error *e)
{
	static const uint8_t zero[32];
	uint8_t limit[32];

	if (!target_from_nbits(m->n_bits, limit))
		return error_set(e, ADIT_E_PROTOCOL, "nBits %08x are no target", m->n_bits);
	memcpy(tip->prev_hash, m->prev_hash.b, 32);
	tip->nbits = m->n_bits;
	tip->min_ntime = m->ntime_start;
	/* The target may be harder than nBits say, never easier; zero would hide every block. */
	if (target_compare(m->target.b, limit) > 0 || memcmp(m->target.b, zero, 32) == 0)
		memcpy(tip->target, limit, 32);
	else
		memcpy(tip->target, m->target.b, 32);
	tip->hashes = target_work(tip->target);
	return ADIT_OK;
}

/* --- coinbases ---------------------------------------------------------------------------------
 */

static bool make_suffix(const struct mining *mining, struct coinbase *c, const struct payee *payee)
{
	const struct template *t = c->template;
	struct buf outputs = {0};
	uint32_t count = mining->hooks->outputs(mining->context, payee, t->value, &outputs);
	struct coinbase_spec spec = {
	    .sequence = t->sequence,
	    .outputs = outputs.data,
	    .outputs_size = outputs.size,
	    .outputs_count = count,
	    .template_outputs = t->outputs.data,
	    .template_outputs_size = t->outputs.size,
	    .template_outputs_count = t->outputs_count,
	    .lock_time = t->lock_time,
	};
	bool made = !outputs.failed && coinbase_suffix(&spec, &c->suffix);

	buf_free(&outputs);
	return made;
}

struct coinbase *coinbase_take(struct mining *mining, struct template *t,
			       struct payout_class *class)
{
	struct coinbase *c;

	LIST_FOREACH(c, &class->coinbases, link)
	{
		if (c->template == t)
			return coinbase_ref(c);
	}
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->refs = 1;
	c->template = template_ref(t);
	c->pays_own = class->payee.own_percent > 0;
	c->edition = mining->edition;
	if (!make_suffix(mining, c, &class->payee)) {
		coinbase_unref(c);
		return NULL;
	}
	c->class = class;
	LIST_INSERT_HEAD(&class->coinbases, c, link);
	if (mining->hooks->coinbase_made)
		mining->hooks->coinbase_made(mining->context, c);
	return c;
}

struct coinbase *coinbase_ref(struct coinbase *c)
{
	c->refs++;
	return c;
}

static void free_role(struct coinbase *c)
{
	const struct mining *mining = c->template->mining;

	if (c->role && mining && mining->hooks->coinbase_freed)
		mining->hooks->coinbase_freed(mining->context, c);
}

void coinbase_unref(struct coinbase *c)
{
	if (!c || --c->refs > 0)
		return;
	if (c->class)
		LIST_REMOVE(c, link);
	free_role(c);
	template_unref(c->template);
	buf_free(&c->suffix);
	free(c);
}

void coinbase_merkle_root(const struct coinbase *c, const uint8_t *extranonce_prefix,
			  size_t extranonce_prefix_size, const uint8_t *extranonce,
			  size_t extranonce_size, uint8_t out[32])
{
	const struct template *t = c->template;
	uint8_t txid[32];

	coinbase_txid(t->prefix.data, t->prefix.size, extranonce_prefix, extranonce_prefix_size,
		      extranonce, extranonce_size, c->suffix.data, c->suffix.size, txid);
	merkle_fold(txid, &t->path[0][0], t->depth, out);
}
