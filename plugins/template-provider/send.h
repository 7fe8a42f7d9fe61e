/* SPDX-License-Identifier: MIT */
/* send.h: templates as messages of the Template Distribution Protocol (specification 07). */
#ifndef TP_SEND_H
#define TP_SEND_H

#include <stdbool.h>

#include <adit/sv2.h>

#include "plugins/template-provider/template.h"

/* NewTemplate. */
int32_t tp_send_template(struct adit_sv2_conn *conn, const struct tp_template *t, bool future);
/* SetNewPrevHash that makes T the work of now. NOW_MS (monotonic) ages the node's clock. */
int32_t tp_send_prev_hash(struct adit_sv2_conn *conn, const struct tp_template *t, uint64_t now_ms);
/* RequestTransactionData.Success and .Error. */
int32_t tp_send_transactions(struct adit_sv2_conn *conn, const struct tp_template *t);
int32_t tp_send_transactions_error(struct adit_sv2_conn *conn, uint64_t id, const char *code);

#endif
