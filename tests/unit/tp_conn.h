/* SPDX-License-Identifier: MIT */
/* tp_conn.h: a connection that only notes what is sent on it. */
#ifndef TP_CONN_H
#define TP_CONN_H

#include <adit/sv2.h>

#include "lib/util/buf.h"

#define TP_CONN_MAX_SENT 64

struct sent {
	int32_t message;
	union {
		struct adit_sv2_new_template new_template;
		struct adit_sv2_template_set_new_prev_hash prev_hash;
		struct adit_sv2_request_transaction_data_success transactions;
		struct adit_sv2_request_transaction_data_error error;
	} body;
	struct buf list; /* copy of the transaction list */
	char code[64];
};

struct tp_conn {
	struct adit_sv2_conn base; /* first: the interface's view */
	void *user;
	bool closed;
	size_t pending; /* what the test says that it is */
	uint32_t count;
	struct sent sent[TP_CONN_MAX_SENT];
};

void tp_conn_init(struct tp_conn *c);
/* Forgets what was sent; frees copies. */
void tp_conn_clear(struct tp_conn *c);
/* What was sent as short text, e.g. "F7 P7 N8": future and present template, previous hash, D and E
 * for transaction data and its error, each with the template's number less BASE. */
const char *tp_conn_trace(const struct tp_conn *c, uint64_t base);

#endif
