/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/declarer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/declared_coinbase.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/reader.h"

/* Tests and the benchmarks, which know nothing of check, have this in common. */
#define need(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #condition);        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

void declarer_free(struct declarer *d)
{
	buf_free(&d->pool_output);
	buf_free(&d->txs);
	buf_free(&d->prefix);
	buf_free(&d->suffix);
	buf_free(&d->declared_prefix);
	buf_free(&d->declared_suffix);
	buf_free(&d->outputs);
	buf_free(&d->wtxids);
}

void declarer_pay(struct declarer *d, const struct adit_bytes *outputs)
{
	struct tx_output output;
	struct reader r;

	reader_init(&r, outputs->data, outputs->size);
	need(reader_compact_size(&r) == 1);
	need(tx_next_output(&r, &output));
	need(reader_left(&r) == 0);
	need(output.value == 0);
	buf_clear(&d->pool_output);
	buf_append(&d->pool_output, output.script, output.script_size);
}

void declarer_add_tx(struct declarer *d, const uint8_t *tx, size_t size)
{
	need(d->tx_count < DECLARER_TXS_MAX);
	d->tx_at[d->tx_count] = d->txs.size;
	d->tx_size[d->tx_count++] = size;
	need(buf_append(&d->txs, tx, size));
}

static void parse(const struct declarer *d, uint32_t i, struct tx *tx)
{
	struct reader r;

	reader_init(&r, d->txs.data + d->tx_at[i], d->tx_size[i]);
	need(tx_parse(&r, tx));
}

/* Ids of the transactions, the path, and the witness commitment's script. */
static void make_trees(struct declarer *d, uint8_t commitment[38])
{
	uint8_t(*txids)[32] = calloc(d->tx_count + 1, 32);
	uint8_t(*wtxids)[32] = calloc(d->tx_count + 1, 32);
	uint8_t root[32];

	need(txids != NULL && wtxids != NULL);
	buf_clear(&d->wtxids);
	for (uint32_t i = 0; i < d->tx_count; i++) {
		struct tx tx;

		parse(d, i, &tx);
		tx_txid(&tx, txids[i]);
		tx_wtxid(&tx, wtxids[i + 1]);
		buf_append(&d->wtxids, wtxids[i + 1], 32);
	}
	d->depth = (uint32_t)merkle_path(txids, d->tx_count, d->path);
	merkle_root(wtxids, d->tx_count + 1, root);
	bip141_commitment(root, commitment);
	free(txids);
	free(wtxids);
}

void declarer_make(struct declarer *d)
{
	uint8_t height[6];
	uint8_t commitment[38];
	struct buf own = {0};
	struct buf last = {0};
	struct coinbase_spec spec = {
	    .tx_version = 2,
	    .script_prefix = height,
	    .script_prefix_size = bip34_push(d->height, height),
	    .tag = (const uint8_t *)"jdc",
	    .tag_size = 3,
	    .extranonce_size = DECLARER_EXTRANONCE,
	    .sequence = 0xfffffffe,
	    .lock_time = d->height - 1,
	    .outputs_count = 1,
	    .template_outputs_count = 1,
	};
	struct error e = {0};

	make_trees(d, commitment);
	coinbase_add_output(&own, d->value, d->pool_output.data, d->pool_output.size);
	coinbase_add_output(&last, 0, commitment, sizeof(commitment));
	spec.outputs = own.data;
	spec.outputs_size = own.size;
	spec.template_outputs = last.data;
	spec.template_outputs_size = last.size;
	need(coinbase_split(&spec, &d->prefix, &d->suffix, &e) == ADIT_OK);
	buf_clear(&d->declared_prefix);
	buf_clear(&d->declared_suffix);
	need(declared_coinbase_write(d->prefix.data, d->prefix.size, d->suffix.data, d->suffix.size,
				     &d->declared_prefix, &d->declared_suffix));
	buf_clear(&d->outputs);
	buf_append_u8(&d->outputs, 2);
	buf_append(&d->outputs, own.data, own.size);
	buf_append(&d->outputs, last.data, last.size);
	buf_free(&own);
	buf_free(&last);
}

static struct adit_bytes bytes_of(const struct buf *b)
{
	return (struct adit_bytes){.data = b->data, .size = (uint32_t)b->size};
}

struct adit_sv2_declare_mining_job
declarer_declaration(const struct declarer *d, uint32_t request_id, const struct adit_bytes *token)
{
	return (struct adit_sv2_declare_mining_job){
	    .request_id = request_id,
	    .mining_job_token = *token,
	    .version = d->version,
	    .coinbase_tx_prefix = bytes_of(&d->declared_prefix),
	    .coinbase_tx_suffix = bytes_of(&d->declared_suffix),
	    .wtxid_list = {.data = d->wtxids.data,
			   .size = (uint32_t)d->wtxids.size,
			   .count = d->tx_count},
	};
}

struct adit_sv2_set_custom_mining_job declarer_job(const struct declarer *d, uint32_t channel_id,
						   uint32_t request_id,
						   const struct adit_bytes *token)
{
	struct declared_coinbase c;
	bool input;
	struct adit_sv2_set_custom_mining_job m = {
	    .channel_id = channel_id,
	    .request_id = request_id,
	    .mining_job_token = *token,
	    .version = d->version,
	    .ntime_start = d->ntime,
	    .nbits = d->nbits,
	    .coinbase_tx_outputs = bytes_of(&d->outputs),
	    .merkle_path = {.data = &d->path[0][0], .size = d->depth * 32, .count = d->depth},
	};

	need(NULL == declared_coinbase_read(d->declared_prefix.data, d->declared_prefix.size,
					    d->declared_suffix.data, d->declared_suffix.size, &c,
					    &input));
	memcpy(m.prev_hash.b, d->prev_hash, 32);
	m.coinbase_tx_version = c.version;
	m.coinbase_prefix = (struct adit_bytes){.data = c.script, .size = (uint32_t)c.script_size};
	m.coinbase_tx_input_n_sequence = c.sequence;
	m.coinbase_tx_locktime = c.lock_time;
	return m;
}

struct adit_sv2_provide_missing_transactions_success
declarer_provide(const struct declarer *d, uint32_t request_id,
		 const struct adit_sv2_seq *positions, struct buf *out)
{
	buf_clear(out);
	for (uint32_t i = 0; i < positions->count; i++) {
		uint32_t at = positions->data[2 * i] | (uint32_t)positions->data[2 * i + 1] << 8;
		size_t size;

		need(at < d->tx_count);
		size = d->tx_size[at];
		buf_append_u16(out, (uint16_t)size);
		buf_append_u8(out, (uint8_t)(size >> 16));
		buf_append(out, d->txs.data + d->tx_at[at], size);
	}
	return (struct adit_sv2_provide_missing_transactions_success){
	    .request_id = request_id,
	    .transaction_list = {.data = out->data,
				 .size = (uint32_t)out->size,
				 .count = positions->count},
	};
}

void declarer_solve(const struct declarer *d, const uint8_t extranonce[DECLARER_EXTRANONCE],
		    const uint8_t target[32], uint32_t *nonce, uint8_t hash[32])
{
	struct block_header h = {.version = d->version, .time = d->ntime, .nbits = d->nbits};
	uint8_t header[80];
	uint8_t txid[32];

	memcpy(h.prev_hash, d->prev_hash, 32);
	coinbase_txid(d->prefix.data, d->prefix.size, extranonce, DECLARER_EXTRANONCE, NULL, 0,
		      d->suffix.data, d->suffix.size, txid);
	merkle_fold(txid, &d->path[0][0], d->depth, h.merkle_root);
	h.nonce = *nonce;
	do {
		h.nonce++;
		block_header_write(&h, header);
		sha256d_header(header, hash);
	} while (!target_met(hash, target));
	*nonce = h.nonce;
}
