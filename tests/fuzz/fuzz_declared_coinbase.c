/* SPDX-License-Identifier: MIT */
/* Coinbases as miners declare them: two parts, cut at a place that the first byte chooses. What is
 * taken makes a transaction with the filled extranonce, and its outputs add up. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/declared_coinbase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void join(const struct declared_coinbase *c, const uint8_t *prefix, size_t prefix_size,
		 const uint8_t *suffix, size_t suffix_size)
{
	static const uint8_t zeros[COINBASE_EXTRANONCE_MAX];
	struct buf whole = {0};
	struct tx_output output;
	struct reader r;
	struct tx tx;

	buf_append(&whole, prefix, prefix_size);
	buf_append(&whole, zeros, c->extranonce_size);
	buf_append(&whole, suffix, suffix_size);
	reader_init(&r, whole.data, whole.size);
	require(tx_parse(&r, &tx) && reader_left(&r) == 0);
	require(tx.inputs == 1 && tx.version == c->version && tx.lock_time == c->lock_time);
	tx_outputs(&tx, &r);
	for (uint32_t i = 0; i < tx.outputs; i++)
		require(tx_next_output(&r, &output));
	buf_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t script[] = {0x51};
	struct outputs_summary summary;
	struct declared_coinbase c;
	size_t cut;
	bool input;

	if (size < 1)
		return 0;
	cut = data[0] < size - 1 ? data[0] : size - 1;
	data++;
	size--;
	if (declared_coinbase_read(data, cut, data + cut, size - cut, &c, &input) == NULL) {
		require(c.extranonce_size >= 1 && c.extranonce_size <= COINBASE_EXTRANONCE_MAX);
		join(&c, data, cut, data + cut, size - cut);
		if (outputs_summarize(c.outputs, c.outputs_size, script, sizeof(script), &summary))
			require(summary.count > 0 && summary.paid <= summary.total);
	}
	if (outputs_summarize(data, size, script, sizeof(script), &summary))
		require(summary.total <= UINT64_C(2100000000000000));
	return 0;
}
