/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/send.h"

#include <string.h>

#include "lib/util/buf.h"

int32_t tp_send_template(struct adit_sv2_conn *conn, const struct tp_template *t, bool future)
{
	const struct tp_snapshot *s = t->snapshot;
	uint8_t outputs[sizeof(t->output) + TP_MAX_DEMANDED];
	struct adit_sv2_new_template m = {
	    .template_id = t->id,
	    .future_template = future,
	    .version = s->version,
	    .coinbase_tx_version = s->coinbase_version,
	    .coinbase_prefix = {.data = t->prefix, .size = t->prefix_size},
	    .coinbase_tx_input_sequence = s->coinbase_sequence,
	    .coinbase_tx_value_remaining = t->value,
	    .coinbase_tx_outputs_count = 1 + s->demanded_count,
	    .coinbase_tx_outputs = {.data = outputs,
				    .size = (uint32_t)sizeof(t->output) + s->demanded_size},
	    .coinbase_tx_locktime = s->coinbase_lock_time,
	    .merkle_path = {.data = t->path[0], .size = 32 * t->depth, .count = t->depth},
	};

	memcpy(outputs, t->output, sizeof(t->output));
	memcpy(outputs + sizeof(t->output), s->demanded, s->demanded_size);
	return adit_sv2_send(conn, ADIT_SV2_NEW_TEMPLATE, &m);
}

int32_t tp_send_prev_hash(struct adit_sv2_conn *conn, const struct tp_template *t, uint64_t now_ms)
{
	const struct tp_snapshot *s = t->snapshot;
	uint32_t time = s->curtime + (uint32_t)((now_ms - s->fetched_ms) / 1000);
	struct adit_sv2_template_set_new_prev_hash m = {
	    .template_id = t->id,
	    .ntime_start = time < s->mintime ? s->mintime : time,
	    .n_bits = s->nbits,
	};

	memcpy(m.prev_hash.b, s->prev_hash, 32);
	memcpy(m.target.b, s->target, 32);
	return adit_sv2_send(conn, ADIT_SV2_TEMPLATE_SET_NEW_PREV_HASH, &m);
}

/* B0_16M elements: a length of three bytes before each transaction. */
static bool append_transactions(const struct tp_template *t, struct buf *out)
{
	const struct tp_snapshot *s = t->snapshot;

	buf_reserve(out, tp_template_data_size(t) + 3 * (size_t)t->tx_count);
	for (uint32_t i = 0; i < t->tx_count; i++) {
		const struct tp_tx *tx = &s->txs[i];

		buf_append_u16(out, (uint16_t)(tx->size & 0xffff));
		buf_append_u8(out, (uint8_t)(tx->size >> 16));
		buf_append(out, s->data + tx->offset, tx->size);
	}
	return !out->failed;
}

int32_t tp_send_transactions(struct adit_sv2_conn *conn, const struct tp_template *t)
{
	struct buf list = {0};
	int32_t r = ADIT_E_NO_MEMORY;

	if (append_transactions(t, &list)) {
		/* The reserved value of the witness is zeros, so there is nothing in excess. */
		struct adit_sv2_request_transaction_data_success m = {
		    .template_id = t->id,
		    .transaction_list = {.data = list.data,
					 .size = (uint32_t)list.size,
					 .count = t->tx_count},
		};
		r = adit_sv2_send(conn, ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS, &m);
	}
	buf_free(&list);
	return r;
}

int32_t tp_send_transactions_error(struct adit_sv2_conn *conn, uint64_t id, const char *code)
{
	struct adit_sv2_request_transaction_data_error m = {
	    .template_id = id,
	    .error_code = {.data = (const uint8_t *)code, .size = (uint32_t)strlen(code)},
	};

	return adit_sv2_send(conn, ADIT_SV2_REQUEST_TRANSACTION_DATA_ERROR, &m);
}
