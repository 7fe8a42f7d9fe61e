/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/clock.h"
#include "plugins/template-provider/ipc_source.h"

/* How long a wait for the next template lasts: it says too that the node's waiting thread lives. */
#define WAIT_MS 20000u
/* Waits that end at once, in a row, before they are put off. */
#define RUSH_MAX 20u
#define RUSH_MS 20u
#define RUSH_PAUSE_MS 1000u
/* Limits of proof of work: the easiest target that a network allows. */
#define NBITS_REGTEST 0x207fffffu
#define NBITS_TESTNET 0x1d00ffffu

/* The parts of a template under way. Lives until the last of its calls is answered. */
struct ipc_fetch {
	struct ipc_source *source;     /* NULL: no longer wanted */
	struct ipc_template *template; /* a reference */
	struct tp_parts parts;
	uint32_t open; /* calls without answer */
	bool partial;  /* the empty template has been given */
};

/* --- fetching -----------------------------------------------------------------------------------
 */

static void fetch_abandon(struct ipc_source *s)
{
	if (s->fetch != NULL)
		s->fetch->source = NULL;
	s->fetch = NULL;
}

static void fetch_free(struct ipc_fetch *f)
{
	if (f->source != NULL)
		f->source->fetch = NULL;
	tp_parts_free(&f->parts);
	ipc_template_unref(f->template);
	free(f);
}

/* What only another network's block could ask for; NULL when there is no contradiction. */
static const char *other_network(const char *network, uint32_t nbits)
{
	uint8_t target[32], limit[32];
	bool regtest = strcmp(network, "regtest") == 0;

	if (regtest != (nbits == NBITS_REGTEST))
		return regtest ? "another network" : "regtest";
	if (strncmp(network, "testnet", 7) != 0 || !target_from_nbits(nbits, target) ||
	    !target_from_nbits(NBITS_TESTNET, limit))
		return NULL;
	return target_compare(target, limit) > 0 ? "signet" : NULL;
}

/* The small parts are here: what of a new tip can be told before its transactions have come. */
static void give_partial(struct ipc_fetch *f)
{
	struct ipc_source *s = f->source;
	struct tp_snapshot *snapshot;
	struct block_header h;
	struct error e;

	if (f->partial || (f->parts.have & TP_PARTS_SMALL) != TP_PARTS_SMALL ||
	    s->head.settings->empty_first == 0 ||
	    f->parts.fee_count < s->head.settings->empty_first)
		return;
	f->partial = true;
	block_header_read(f->parts.header, &h);
	if (other_network(s->network, h.nbits) != NULL ||
	    (s->has_tip && memcmp(h.prev_hash, s->tip, sizeof(s->tip)) == 0) ||
	    tp_parts_partial(&f->parts, ++s->last_id, clock_monotonic_ms(), &snapshot, &e) !=
		ADIT_OK)
		return;
	s->head.callbacks->snapshot(s->head.user, snapshot);
}

static void give_whole(struct ipc_fetch *f)
{
	struct ipc_source *s = f->source;
	struct tp_snapshot *snapshot;
	struct error e;
	const char *other;

	if (tp_parts_whole(&f->parts, ++s->last_id, clock_monotonic_ms(), &snapshot, &e) !=
	    ADIT_OK) {
		node_link_drop(&s->link, "%s", e.text);
		return;
	}
	other = other_network(s->network, snapshot->nbits);
	if (other != NULL) {
		tp_snapshot_unref(snapshot);
		node_link_drop(&s->link, "the node at %s is on %s, but network = %s", s->link.path,
			       other, s->network);
		return;
	}
	snapshot->origin = &ipc_template_ref(f->template)->origin;
	memcpy(s->tip, snapshot->prev_hash, sizeof(s->tip));
	s->has_tip = true;
	s->fetch = NULL;
	f->source = NULL;
	ipc_is_well(s);
	s->head.callbacks->snapshot(s->head.user, snapshot);
}

/* After each answer: R says whether it could be used. */
static void fetch_went_on(struct ipc_fetch *f, int32_t r, const struct error *e)
{
	struct ipc_source *s = f->source;

	if (s != NULL && !s->link.down && r != ADIT_OK)
		node_link_drop(&s->link, "%s", e->text);
	else if (s != NULL && !s->link.down && f->parts.have == TP_PARTS_ALL)
		give_whole(f);
	else if (s != NULL && !s->link.down)
		give_partial(f);
	if (f->open == 0)
		fetch_free(f);
}

/* One more call is answered; false: there is nothing to take out of it. */
static bool fetch_answered(struct ipc_fetch *f, enum node_method method,
			   const struct capn_return *result, void *results)
{
	f->open--;
	if (f->source == NULL || !node_link_answered(&f->source->link, method, result)) {
		if (f->open == 0)
			fetch_free(f);
		return false;
	}
	node_results(method, node_ipc_dialect(f->source->link.session), result, results);
	return true;
}

static void on_header(void *user, const struct capn_return *result)
{
	struct ipc_fetch *f = user;
	struct node_DataResult d;
	struct error e;

	if (fetch_answered(f, NODE_BlockTemplate_getBlockHeader, result, &d))
		fetch_went_on(f, tp_parts_header(&f->parts, d.result, &e), &e);
}

static void on_coinbase(void *user, const struct capn_return *result)
{
	struct ipc_fetch *f = user;
	struct node_CoinbaseTxResult d;
	struct error e;

	if (fetch_answered(f, NODE_BlockTemplate_getCoinbaseTx, result, &d))
		fetch_went_on(f, tp_parts_coinbase(&f->parts, &d.result, &e), &e);
}

static void on_raw_coinbase(void *user, const struct capn_return *result)
{
	struct ipc_fetch *f = user;
	struct node_DataResult d;
	struct error e;

	if (fetch_answered(f, NODE_BlockTemplate_getRawCoinbaseTx, result, &d))
		fetch_went_on(f, tp_parts_raw_coinbase(&f->parts, d.result, &e), &e);
}

static void on_fees(void *user, const struct capn_return *result)
{
	struct ipc_fetch *f = user;
	struct node_NumbersResult d;
	struct error e;

	if (fetch_answered(f, NODE_BlockTemplate_getTxFees, result, &d))
		fetch_went_on(f, tp_parts_fees(&f->parts, &d.result, &e), &e);
}

static void on_sigops(void *user, const struct capn_return *result)
{
	struct ipc_fetch *f = user;
	struct node_NumbersResult d;
	struct error e;

	if (fetch_answered(f, NODE_BlockTemplate_getTxSigops, result, &d))
		fetch_went_on(f, tp_parts_sigops(&f->parts, &d.result, &e), &e);
}

static void on_block(void *user, const struct capn_return *result)
{
	struct ipc_fetch *f = user;
	struct node_DataResult d;
	struct error e;

	if (fetch_answered(f, NODE_BlockTemplate_getBlock, result, &d))
		fetch_went_on(f, tp_parts_block(&f->parts, d.result, &e), &e);
}

/* All at once, the block last: what comes before it may be of use before it is there. */
static void fetch(struct ipc_source *s)
{
	bool v30 = node_ipc_dialect(s->link.session) == NODE_V30;
	struct {
		enum node_method method;
		capn_return_fn *done;
	} calls[] = {
	    {NODE_BlockTemplate_getBlockHeader, on_header},
	    {v30 ? NODE_BlockTemplate_getRawCoinbaseTx : NODE_BlockTemplate_getCoinbaseTx,
	     v30 ? on_raw_coinbase : on_coinbase},
	    {NODE_BlockTemplate_getTxFees, on_fees},
	    {NODE_BlockTemplate_getTxSigops, on_sigops},
	    {NODE_BlockTemplate_getBlock, on_block},
	};
	struct node_OnlyContext params = {node_ipc_context(s->link.session)};
	struct ipc_fetch *f = calloc(1, sizeof(*f));

	fetch_abandon(s);
	if (f == NULL) {
		node_link_drop(&s->link, "no memory for a template");
		return;
	}
	f->source = s;
	f->template = ipc_template_ref(s->current);
	s->fetch = f;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (!node_link_call(&s->link,
				    node_call_new(f->template->cap, calls[i].method,
						  node_ipc_dialect(s->link.session), &params),
				    s->link.timeout_ms, calls[i].done, f))
			break;
		f->open++;
	}
	if (f->open == 0)
		fetch_free(f);
}

/* --- the next template --------------------------------------------------------------------------
 */

/* Takes over the reference to CAP, a new template. False: the session is dropped. */
static bool adopt(struct ipc_source *s, struct capn_cap *cap)
{
	struct ipc_template *t = ipc_template_new(s, cap);

	if (t == NULL) {
		node_link_drop(&s->link, "no memory for a template");
		return false;
	}
	ipc_template_unref(s->current);
	s->current = t;
	s->adopted_ms = clock_monotonic_ms();
	fetch(s);
	return !s->link.down;
}

/* True when waits have been ending at once for a while: a node that does so would keep us and
 * itself busy with nothing. */
static bool is_rushed(struct ipc_source *s)
{
	if (clock_monotonic_ms() - s->wait_began_ms >= RUSH_MS)
		s->wait_rushes = 0;
	else
		s->wait_rushes++;
	return s->wait_rushes >= RUSH_MAX;
}

static void on_next(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;
	struct timeval pause = {RUSH_PAUSE_MS / 1000, 0};
	struct node_CapResult next;

	ipc_template_unref(s->waited);
	s->waited = NULL;
	if (!node_link_answered(&s->link, NODE_BlockTemplate_waitNext, result))
		return;
	node_results(NODE_BlockTemplate_waitNext, node_ipc_dialect(s->link.session), result, &next);
	if (next.result != NULL && !adopt(s, next.result))
		return;
	if (is_rushed(s))
		event_add(s->pace, &pause);
	else
		ipc_feed_wait(s);
}

/* On the same tip nothing is worth a template before `min_interval_ms` has passed, so the node need
 * not look for better fees till then. A new tip always ends the wait. */
void ipc_feed_wait(struct ipc_source *s)
{
	const struct tp_source_settings *settings = s->head.settings;
	uint64_t now = clock_monotonic_ms();
	uint64_t passed = now - s->adopted_ms;
	struct node_WaitNext params;

	if (s->waited != NULL)
		return;
	node_defaults(NODE_BlockTemplate_waitNext, &params);
	params.context.thread = s->link.wait_thread;
	s->wait_ms = WAIT_MS;
	params.options.feeThreshold = (int64_t)settings->fee_threshold;
	if (passed < settings->min_interval_ms) {
		params.options.feeThreshold = (int64_t)TP_MAX_MONEY;
		if (settings->min_interval_ms - passed < WAIT_MS)
			s->wait_ms = (uint32_t)(settings->min_interval_ms - passed);
	}
	if (node_ipc_dialect(s->link.session) == NODE_V30 && s->wait_ms > NODE_LINK_V30_WAIT_MS)
		s->wait_ms = NODE_LINK_V30_WAIT_MS;
	params.options.timeout = s->wait_ms;
	s->wait_began_ms = now;
	s->waited = ipc_template_ref(s->current);
	if (!node_link_call(&s->link,
			    node_call_new(s->current->cap, NODE_BlockTemplate_waitNext,
					  node_ipc_dialect(s->link.session), &params),
			    s->wait_ms + s->link.timeout_ms, on_next, s)) {
		ipc_template_unref(s->waited);
		s->waited = NULL;
	}
}

static void on_interrupted(void *user, const struct capn_return *result)
{
	(void)user;
	(void)result;
}

void ipc_feed_interrupt(struct ipc_source *s)
{
	enum node_dialect dialect = node_ipc_dialect(s->link.session);
	struct node_Nothing none = {0};
	struct error e;

	if (s->waited == NULL || node_method_ordinal(NODE_BlockTemplate_interruptWait, dialect) < 0)
		return;
	(void)node_ipc_call(
	    s->link.session,
	    node_call_new(s->waited->cap, NODE_BlockTemplate_interruptWait, dialect, &none),
	    s->link.timeout_ms, on_interrupted, NULL, &e);
}

static void on_created(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;
	struct node_CapResult made;

	if (!node_link_answered(&s->link, NODE_Mining_createNewBlock, result))
		return;
	node_results(NODE_Mining_createNewBlock, node_ipc_dialect(s->link.session), result, &made);
	if (made.result == NULL)
		node_link_drop(&s->link, "%s: no template",
			       node_method_name(NODE_Mining_createNewBlock));
	else if (adopt(s, made.result))
		ipc_feed_wait(s);
}

void ipc_feed_start(struct ipc_source *s)
{
	struct node_CreateNewBlock params;

	node_defaults(NODE_Mining_createNewBlock, &params);
	params.context = node_ipc_context(s->link.session);
	/* Whether the node is ready was asked before; a wait of its own would look like one that
	 * hangs. */
	params.cooldown = false;
	node_link_call(&s->link,
		       node_call_new(node_ipc_mining(s->link.session), NODE_Mining_createNewBlock,
				     node_ipc_dialect(s->link.session), &params),
		       s->link.timeout_ms, on_created, s);
}

void ipc_feed_stop(struct ipc_source *s)
{
	fetch_abandon(s);
	ipc_template_unref(s->current);
	ipc_template_unref(s->waited);
	s->current = s->waited = NULL;
	s->missed = 0;
	s->wait_rushes = 0;
	s->has_tip = false;
}
