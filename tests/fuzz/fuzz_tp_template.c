/* SPDX-License-Identifier: MIT */
/* The node's template: JSON up to the first zero byte, then the transactions. What is accepted must
 * make templates that agree with themselves at any reservation. */
#include "config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/template-provider/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_snapshot(const struct tp_snapshot *s)
{
	size_t offset = 0;

	for (uint32_t i = 0; i < s->tx_count; i++) {
		require(s->txs[i].offset == offset && s->txs[i].size > 0);
		offset += s->txs[i].size;
	}
	require(offset == s->data_size);
}

static void check_template(struct tp_snapshot *s, uint64_t weight, uint32_t sigops)
{
	struct tp_template *t;
	struct error e;
	uint64_t used = weight;

	if (tp_template_new(s, weight, sigops, 1, &t, &e) != ADIT_OK) {
		require(weight > s->weight_limit || sigops > s->sigop_limit);
		return;
	}
	for (uint32_t i = 0; i < t->tx_count; i++)
		used += s->txs[i].weight;
	require(used <= s->weight_limit);
	require(t->tx_count <= s->tx_count && tp_template_data_size(t) <= s->data_size);
	require(t->value <= s->coinbase_value && t->fees <= t->value);
	require(t->prefix_size >= 1 && t->prefix_size <= 6 && t->depth <= MERKLE_MAX_DEPTH);
	tp_template_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = memchr(data, 0, size);
	size_t json_size = zero != NULL ? (size_t)(zero - data) : size;
	size_t rest = zero != NULL ? size - json_size - 1 : 0;
	struct tp_snapshot *s;
	struct error e;

	if (tp_snapshot_parse((const char *)data, json_size, zero != NULL ? zero + 1 : NULL, rest,
			      0, &s, &e) != ADIT_OK)
		return 0;
	check_snapshot(s);
	check_template(s, 2000, 0);
	check_template(s, s->weight_limit / 2, s->sigop_limit);
	check_template(s, s->weight_limit, 100);
	check_template(s, (uint64_t)s->weight_limit + 1, 0);
	tp_snapshot_unref(s);
	return 0;
}
