/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/block.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"

#define WEIGHT_MAX 4000000u
#define SIGOPS_MAX 80000u
#define HEADER_SIZE 80
#define COINBASE_WITNESS 36 /* marker, flag, one item of 32 bytes */

/* The coinbase with EXTRANONCE, appended to OUT and parsed. It was read before, so it parses. */
static bool make_coinbase(const struct jds_job *job, const uint8_t *extranonce, struct buf *out,
			  struct tx *tx)
{
	size_t start = out->size;
	struct reader r;

	buf_append(out, job->prefix, job->prefix_size);
	buf_append(out, extranonce, job->coinbase.extranonce_size);
	buf_append(out, job->suffix, job->suffix_size);
	if (out->failed)
		return false;
	reader_init(&r, out->data + start, out->size - start);
	return tx_parse(&r, tx);
}

const char *block_limits(const struct jds_job *job)
{
	size_t count_size = job->count + 1 < 0xfd ? 1 : 3;
	/* As declared: behind the version stands the marker, or the count of inputs. */
	size_t witness = job->prefix[4] == 0 ? COINBASE_WITNESS : 0;
	size_t coinbase = job->prefix_size + job->coinbase.extranonce_size + job->suffix_size;
	uint64_t weight = 4 * (HEADER_SIZE + count_size + coinbase) - 3 * witness;
	struct outputs_summary outputs;
	uint64_t sigops = 0;

	if (outputs_summarize(job->coinbase.outputs, job->coinbase.outputs_size, NULL, 0, &outputs))
		sigops = outputs.sigops;
	for (uint32_t i = 0; i < job->count; i++) {
		weight += job->txs[i]->weight;
		sigops += job->txs[i]->sigops;
	}
	if (weight > WEIGHT_MAX)
		return "heavier than a block may be";
	return sigops > SIGOPS_MAX ? "more signature operations than a block may have" : NULL;
}

bool block_path(struct jds_job *job)
{
	uint8_t(*leaves)[32] = calloc(job->count > 0 ? job->count : 1, 32);

	if (leaves == NULL)
		return false;
	for (uint32_t i = 0; i < job->count; i++)
		memcpy(leaves[i], job->txs[i]->txid, 32);
	job->depth = (uint32_t)merkle_path(leaves, job->count, job->path);
	free(leaves);
	return true;
}

static bool witness_root(const struct jds_job *job, uint8_t root[32])
{
	uint8_t(*leaves)[32] = calloc((size_t)job->count + 1, 32);

	if (leaves == NULL)
		return false;
	for (uint32_t i = 0; i < job->count; i++)
		memcpy(leaves[i + 1], job->txs[i]->wtxid, 32);
	merkle_root(leaves, (size_t)job->count + 1, root);
	free(leaves);
	return true;
}

const char *block_commitment(const struct jds_job *job)
{
	static const uint8_t zeros[COINBASE_EXTRANONCE_MAX];
	struct buf bytes = {0};
	const char *wrong = NULL;
	const uint8_t *commitment;
	uint8_t root[32];
	struct tx tx;

	if (!make_coinbase(job, zeros, &bytes, &tx)) {
		buf_free(&bytes);
		return "out of memory";
	}
	commitment = tx_witness_commitment(&tx);
	if (commitment == NULL) {
		for (uint32_t i = 0; i < job->count; i++)
			if (memcmp(job->txs[i]->txid, job->txs[i]->wtxid, 32) != 0)
				wrong = "witnesses, but no commitment to them";
	} else if (!tx.has_witness) {
		wrong = "a commitment to witnesses, but the coinbase has no reserved value";
	} else if (!witness_root(job, root)) {
		wrong = "out of memory";
	} else {
		/* Its one witness item of 32 bytes. */
		sha256d_pair(root, tx.witness_at + 2, root);
		if (memcmp(root, commitment, 32) != 0)
			wrong = "the commitment is not to these witnesses";
	}
	buf_free(&bytes);
	return wrong;
}

bool block_root(const struct jds_job *job, const uint8_t *extranonce, uint8_t root[32])
{
	struct buf bytes = {0};
	uint8_t txid[32];
	struct tx tx;
	bool made = make_coinbase(job, extranonce, &bytes, &tx);

	if (made) {
		tx_txid(&tx, txid);
		merkle_fold(txid, &job->path[0][0], job->depth, root);
	}
	buf_free(&bytes);
	return made;
}

bool block_make(const struct jds_job *job, struct block_header *header, const uint8_t *extranonce,
		struct buf *out)
{
	uint8_t bytes[80];
	struct tx tx;

	if (!block_root(job, extranonce, header->merkle_root))
		return false;
	block_header_write(header, bytes);
	buf_append(out, bytes, sizeof(bytes));
	buf_append_compact_size(out, (uint64_t)job->count + 1);
	if (!make_coinbase(job, extranonce, out, &tx))
		return false;
	for (uint32_t i = 0; i < job->count; i++)
		buf_append(out, job->txs[i]->data, job->txs[i]->size);
	return !out->failed;
}
