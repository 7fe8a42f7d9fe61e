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

/* T's `prefix`, of its script, as PARTS say. */
static int32_t make_prefix(struct template *t, const struct coinbase_parts *parts, struct error *e)
{
	struct buf suffix = {0};
	struct coinbase_spec spec = {
	    .tx_version = t->tx_version,
	    .script_prefix = t->script.data,
	    .script_prefix_size = t->script.size,
	    .tag = (const uint8_t *)parts->tag,
	    .tag_size = strlen(parts->tag),
	    .extranonce_size = parts->extranonce_size,
	};
	int32_t result = coinbase_split(&spec, &t->prefix, &suffix, e);

	buf_free(&suffix);
	t->base_size = parts->base_size;
	t->version_rolling = parts->version_rolling;
	return result;
}

static int32_t copy_coinbase(struct template *t, const struct adit_sv2_new_template *m,
			     struct error *e)
{
	buf_append(&t->script, m->coinbase_prefix.data, m->coinbase_prefix.size);
	buf_append(&t->outputs, m->coinbase_tx_outputs.data, m->coinbase_tx_outputs.size);
	if (t->script.failed || t->outputs.failed)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	t->tx_version = m->coinbase_tx_version;
	t->outputs_count = m->coinbase_tx_outputs_count;
	t->sequence = m->coinbase_tx_input_sequence;
	t->lock_time = m->coinbase_tx_locktime;
	return ADIT_OK;
}

static struct template *template_alloc(struct error *e)
{
	struct template *t = calloc(1, sizeof *t);

	if (t)
		t->refs = 1;
	else
		error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	return t;
}

/* T, or NULL after it was dropped for RESULT. */
static struct template *template_made(struct template *t, int32_t result)
{
	if (result == ADIT_OK)
		return t;
	template_unref(t);
	return NULL;
}

struct template *template_new(const struct adit_sv2_new_template *m,
			      const struct coinbase_parts *parts, struct error *e)
{
	struct template *t;
	int32_t result;

	if (check_message(m, parts, e) != ADIT_OK)
		return NULL;
	t = template_alloc(e);
	if (!t)
		return NULL;
	t->id = m->template_id;
	t->version = m->version;
	t->value = m->coinbase_tx_value_remaining;
	t->depth = m->merkle_path.count;
	if (t->depth)
		memcpy(t->path, m->merkle_path.data, (size_t)t->depth * 32);
	if (!bip34_height(m->coinbase_prefix.data, m->coinbase_prefix.size, &t->height))
		t->height = 0;
	result = copy_coinbase(t, m, e);
	return template_made(t, result == ADIT_OK ? make_prefix(t, parts, e) : result);
}

struct template *template_again(const struct template *t, const struct coinbase_parts *parts,
				struct error *e)
{
	struct template *copy = template_alloc(e);

	if (!copy)
		return NULL;
	*copy = *t;
	copy->refs = 1;
	copy->prefix = (struct buf){0};
	copy->script = (struct buf){0};
	copy->outputs = (struct buf){0};
	buf_append(&copy->script, t->script.data, t->script.size);
	buf_append(&copy->outputs, t->outputs.data, t->outputs.size);
	if (copy->script.failed || copy->outputs.failed)
		return template_made(copy, error_set(e, ADIT_E_NO_MEMORY, "out of memory"));
	return template_made(copy, make_prefix(copy, parts, e));
}

/* --- an upstream's job -------------------------------------------------------------------------
 */

/* Whether the halves and FULL bytes between them are a coinbase, without witness. *HEIGHT is what
 * its script says, 0 if nothing. */
static bool is_coinbase(const struct adit_bytes *prefix, size_t full,
			const struct adit_bytes *suffix, uint32_t *height, bool *memory)
{
	static const uint8_t extranonce[32];
	struct buf all = {0};
	struct reader r;
	struct tx tx;
	struct tx_input in;
	bool is;

	buf_append(&all, prefix->data, prefix->size);
	buf_append(&all, extranonce, full);
	buf_append(&all, suffix->data, suffix->size);
	*memory = !all.failed;
	reader_init(&r, all.data, all.failed ? 0 : all.size);
	is = !all.failed && tx_parse(&r, &tx) && reader_left(&r) == 0 && !tx.has_witness &&
	     tx_is_coinbase(&tx, &in) && in.script_size <= COINBASE_SCRIPT_MAX &&
	     in.script >= all.data && in.script <= all.data + prefix->size &&
	     in.script + in.script_size >= all.data + prefix->size + full;
	if (is && !bip34_height(in.script, in.script_size, height))
		*height = 0;
	buf_free(&all);
	return is;
}

static int32_t fill_whole(struct template *t, const struct adit_sv2_new_extended_mining_job *job,
			  size_t full, struct error *e)
{
	bool memory;

	if (job->merkle_path.count > MERKLE_MAX_DEPTH)
		return error_set(e, ADIT_E_PROTOCOL, "a merkle path of %u elements",
				 job->merkle_path.count);
	if (!is_coinbase(&job->coinbase_tx_prefix, full, &job->coinbase_tx_suffix, &t->height,
			 &memory))
		return memory ? error_set(e, ADIT_E_PROTOCOL,
					  "no coinbase with an extranonce of %zu bytes", full)
			      : error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	t->id = job->job_id;
	t->version = job->version;
	t->version_rolling = job->version_rolling_allowed;
	t->depth = job->merkle_path.count;
	if (t->depth)
		memcpy(t->path, job->merkle_path.data, (size_t)t->depth * 32);
	t->only = calloc(1, sizeof *t->only);
	if (!t->only)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	t->only->template = t;
	buf_append(&t->prefix, job->coinbase_tx_prefix.data, job->coinbase_tx_prefix.size);
	buf_append(&t->only->suffix, job->coinbase_tx_suffix.data, job->coinbase_tx_suffix.size);
	if (t->prefix.failed || t->only->suffix.failed)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	return ADIT_OK;
}

struct template *template_whole(struct mining *mining,
				const struct adit_sv2_new_extended_mining_job *job, size_t full,
				uint8_t base, void *role, struct error *e)
{
	struct template *t = template_alloc(e);

	if (!t)
		return NULL;
	t->mining = mining;
	t->base_size = base;
	t = template_made(t, fill_whole(t, job, full, e));
	if (t) {
		t->only->role = role;
		t->only->edition = mining->edition;
	}
	return t;
}

/* --- references and tips -----------------------------------------------------------------------
 */

struct template *template_ref(struct template *t)
{
	t->refs++;
	return t;
}

static void coinbase_free(struct coinbase *c)
{
	const struct mining *mining = c->template->mining;

	if (c->class)
		LIST_REMOVE(c, link);
	if (c->role && mining && mining->hooks->coinbase_freed)
		mining->hooks->coinbase_freed(mining->context, c);
	buf_free(&c->suffix);
	free(c);
}

void template_unref(struct template *t)
{
	if (!t || --t->refs > 0)
		return;
	if (t->only)
		coinbase_free(t->only);
	if (t->account)
		*t->account -= t->account_size;
	buf_free(&t->prefix);
	buf_free(&t->script);
	buf_free(&t->outputs);
	free(t);
}

int32_t tip_set(struct tip *tip, const uint8_t prev_hash[32], uint32_t nbits, uint32_t min_ntime,
		struct error *e)
{
	if (!target_from_nbits(nbits, tip->target))
		return error_set(e, ADIT_E_PROTOCOL, "nBits %08x are no target", nbits);
	memcpy(tip->prev_hash, prev_hash, 32);
	tip->nbits = nbits;
	tip->min_ntime = min_ntime;
	tip->hashes = target_work(tip->target);
	return ADIT_OK;
}

int32_t tip_read(struct tip *tip, const struct adit_sv2_template_set_new_prev_hash *m,
		 struct error *e)
{
	static const uint8_t zero[32];
	int32_t result = tip_set(tip, m->prev_hash.b, m->n_bits, m->ntime_start, e);

	if (result != ADIT_OK)
		return result;
	/* The target may be harder than nBits say, never easier; zero would hide every block. */
	if (target_compare(m->target.b, tip->target) > 0 || memcmp(m->target.b, zero, 32) == 0)
		return ADIT_OK;
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

	if (t->only)
		return coinbase_ref(t->only);
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
	if (c->template->only == c)
		template_ref(c->template);
	else
		c->refs++;
	return c;
}

void coinbase_unref(struct coinbase *c)
{
	struct template *t = c ? c->template : NULL;

	if (!c || (t->only != c && --c->refs > 0))
		return;
	if (t->only != c)
		coinbase_free(c);
	template_unref(t);
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
