/* SPDX-License-Identifier: MIT */
/*
 * declare.h: DeclareMiningJob from its arrival to its answer:
 *
 *   coinbase and token are read -> transactions are looked for: here, at the node, at the client ->
 *   the block is put together -> the node checks it -> a token that says what was declared
 *
 * Each declaration gets exactly one answer, unless its client leaves before.
 */
#ifndef JDS_DECLARE_H
#define JDS_DECLARE_H

#include <adit/sv2.h>

#include "plugins/jds/jobs.h"

/* Both return what the message handler returns. */
int32_t declare_job(struct jds_client *client, const struct adit_sv2_declare_mining_job *m);
int32_t declare_provided(struct jds_client *client,
			 const struct adit_sv2_provide_missing_transactions_success *m);
/* JOB may call the node now. */
void declare_turn(struct jds_job *job);
/* The tip is another one: for whom that was early goes on. */
void declare_new_tip(struct jds *jds);

#endif
