/* SPDX-License-Identifier: MIT */
/* provider.h: who gets which template when (specification 07). Knows neither node nor loop:
 * snapshots and the time come from the caller, messages leave through struct adit_sv2_conn. */
#ifndef TP_PROVIDER_H
#define TP_PROVIDER_H

#include <adit/sv2.h>

#include "plugins/template-provider/classes.h"
#include "plugins/template-provider/store.h"

/* One client's CoinbaseOutputConstraints beyond the first, in a minute. */
#define TP_MAX_RENEWALS 16u
/* Solutions that were none, with no good one between them. */
#define TP_MAX_BAD_SOLUTIONS 100u
/* A client on another machine has so long to send its first constraints. */
#define TP_CONSTRAINTS_MS 10000u

/* What is done for a client on another machine; 0: no limit. */
struct tp_limits {
	uint32_t size;        /* bytes of outputs that it may add to the coinbase */
	uint32_t sigops;      /* and their signature operations, as cost */
	uint32_t requests;    /* RequestTransactionData in a second */
	uint64_t outstanding; /* bytes of transactions that it has not taken yet */
};

struct tp_client {
	struct tp_client *next;
	struct adit_sv2_conn *conn;
	struct tp_class *class; /* NULL: has not sent its constraints */
	uint32_t renewals;
	uint64_t renewals_since_ms;
	bool remote; /* on another machine */
	uint64_t joined_ms;
	uint32_t requests; /* RequestTransactionData, in the second that began at: */
	uint64_t requests_since_ms;
	uint32_t bad_solutions; /* since the last good one */
};

struct tp_provider {
	uint64_t fee_threshold;   /* satoshi that are worth a template on the same tip */
	uint64_t min_interval_ms; /* between templates on the same tip */
	struct tp_limits limits;  /* for clients on other machines; the caller's, at any time */
	uint64_t last_id;
	struct tp_snapshot *latest; /* NULL: none yet */
	struct tp_classes classes;
	struct tp_store store;
	struct tp_client *clients;
	uint32_t client_count;
	uint32_t remote_count; /* of these, on other machines */
	uint64_t refused_requests;
};

/* Template ids follow UNIX_MS << 16, so that they grow over restarts too. */
void tp_provider_init(struct tp_provider *p, uint64_t fee_threshold, uint64_t min_interval_ms,
		      uint64_t unix_ms);
/* All clients have left before. */
void tp_provider_fini(struct tp_provider *p);

/* REMOTE: on another machine. NULL: no memory. */
struct tp_client *tp_provider_join(struct tp_provider *p, struct adit_sv2_conn *conn, bool remote,
				   uint64_t now_ms);
void tp_provider_leave(struct tp_provider *p, struct tp_client *client);

/* CoinbaseOutputConstraints: answered with the best template at once if there is one. ADIT_E_LIMIT
 * when no block has that much room, it is more than `limits` allow, or the client changes its mind
 * too often: close it. */
int32_t tp_provider_constrain(struct tp_provider *p, struct tp_client *client, uint32_t size,
			      uint32_t sigops, uint64_t now_ms, struct error *e);
/* RequestTransactionData. Past `limits` it is answered with an error; ADIT_E_LIMIT far past them:
 * close the client. */
int32_t tp_provider_transactions(struct tp_provider *p, struct tp_client *client, uint64_t id,
				 uint64_t now_ms);
/* A solution of CLIENT was good, or was none: then ADIT_E_LIMIT says that there were too many. */
int32_t tp_provider_solution(struct tp_client *client, bool good);

/* Takes over the reference to S, the node's newest. True when the tip is new. What that makes due
 * is sent by tp_provider_tick(), to be called at once. */
bool tp_provider_update(struct tp_provider *p, struct tp_snapshot *s, uint64_t now_ms);
/* Sends what has become due and drops what has expired. Returns when to call again at the latest,
 * 0: no need.
 *
 * Of a new tip, and of the whole template that follows a partial one, one class is served a call,
 * that of the most clients first, and NOW_MS is returned while there are more: what was sent leaves
 * while the next one is built, and a tip that comes meanwhile finds nothing half done to wait for:
 * the classes that are left get the newer one. */
uint64_t tp_provider_tick(struct tp_provider *p, uint64_t now_ms);

#endif
