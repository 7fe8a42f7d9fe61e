/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/provider.h"

#include <stdlib.h>
#include <string.h>

#include "plugins/template-provider/send.h"

void tp_provider_init(struct tp_provider *p, uint64_t fee_threshold, uint64_t min_interval_ms,
		      uint64_t unix_ms)
{
	*p = (struct tp_provider){
	    .fee_threshold = fee_threshold,
	    .min_interval_ms = min_interval_ms,
	    .last_id = unix_ms << 16,
	};
}

void tp_provider_fini(struct tp_provider *p)
{
	tp_store_clear(&p->store);
	tp_snapshot_unref(p->latest);
	p->latest = NULL;
}

struct tp_client *tp_provider_join(struct tp_provider *p, struct adit_sv2_conn *conn, bool remote,
				   uint64_t now_ms)
{
	struct tp_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->conn = conn;
	c->remote = remote;
	c->joined_ms = now_ms;
	c->next = p->clients;
	p->clients = c;
	p->client_count++;
	p->remote_count += remote;
	return c;
}

void tp_provider_leave(struct tp_provider *p, struct tp_client *client)
{
	struct tp_client **at = &p->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	p->client_count--;
	p->remote_count -= client->remote;
	if (client->class != NULL)
		tp_class_leave(client->class);
	free(client);
}

/* Makes the class's next template of S. It is in the store before anyone hears of it, so that a
 * fast RequestTransactionData finds it. */
static int32_t build(struct tp_provider *p, struct tp_class *class, struct tp_snapshot *s,
		     uint64_t now_ms, struct error *e)
{
	struct tp_template *t;
	int32_t r = tp_template_new(s, class->weight, class->sigops, p->last_id + 1, &t, e);

	if (r != ADIT_OK)
		return r;
	if (!tp_store_add(&p->store, t))
		return error_set(e, ADIT_E_LIMIT, "too many templates are in use");
	p->last_id++;
	t->remote = class->remote;
	class->tip_due = false;
	tp_class_set_current(class, t, now_ms);
	return ADIT_OK;
}

/* The pair that makes a template the work of now. */
static void send_pair(const struct tp_client *c, uint64_t now_ms)
{
	tp_send_template(c->conn, c->class->current, true);
	tp_send_prev_hash(c->conn, c->class->current, now_ms);
}

static int32_t count_renewal(struct tp_client *c, uint64_t now_ms, struct error *e)
{
	if (now_ms - c->renewals_since_ms >= 60000) {
		c->renewals_since_ms = now_ms;
		c->renewals = 0;
	}
	if (++c->renewals > TP_MAX_RENEWALS)
		return error_set(e, ADIT_E_LIMIT, "coinbase constraints changed too often");
	return ADIT_OK;
}

/* A client that has templates already gets one of a number that it has not seen, on the same
 * snapshot as the others of its class. When the class grew for it, the others hear of the new
 * template too. */
static int32_t answer(struct tp_provider *p, struct tp_client *c, bool renew, uint64_t now_ms,
		      struct error *e)
{
	struct tp_class *class = c->class;
	bool first = class->current == NULL;
	int32_t r = ADIT_OK;

	/* With a tip that is due the class gets its templates in a moment, all of its clients. */
	if (p->latest == NULL || class->tip_due)
		return ADIT_OK;
	if (first)
		r = build(p, class, p->latest, now_ms, e);
	else if (renew)
		r = build(p, class, class->current->snapshot, class->sent_ms, e);
	if (r != ADIT_OK)
		return r;
	send_pair(c, now_ms);
	for (const struct tp_client *o = p->clients; first && o != NULL; o = o->next) {
		if (o != c && o->class == class)
			tp_send_template(o->conn, class->current, false);
	}
	return ADIT_OK;
}

/* A class grows with the largest of its clients, and their blocks become smaller. */
static int32_t check_size(const struct tp_limits *l, uint32_t size, uint32_t sigops,
			  struct error *e)
{
	if (l->size > 0 && size > l->size)
		return error_set(e, ADIT_E_LIMIT,
				 "asks for %u bytes of coinbase outputs, at most %u are allowed "
				 "(max_coinbase)",
				 size, l->size);
	if (l->sigops > 0 && sigops > l->sigops)
		return error_set(e, ADIT_E_LIMIT,
				 "asks for %u signature operations in the coinbase, at most %u "
				 "are allowed",
				 sigops, l->sigops);
	return ADIT_OK;
}

int32_t tp_provider_constrain(struct tp_provider *p, struct tp_client *client, uint32_t size,
			      uint32_t sigops, uint64_t now_ms, struct error *e)
{
	struct tp_class *before = client->class;
	int32_t r = ADIT_OK;

	if (before != NULL)
		r = count_renewal(client, now_ms, e);
	if (r == ADIT_OK && client->remote)
		r = check_size(&p->limits, size, sigops, e);
	if (r != ADIT_OK)
		return r;
	client->class =
	    tp_classes_join(&p->classes, tp_reserved_weight(size), sigops, client->remote);
	if (before != NULL)
		tp_class_leave(before);
	return answer(p, client, before != NULL, now_ms, e);
}

/* Why CLIENT gets no transactions now; NULL: it may have them. */
static const char *over_limit(const struct tp_provider *p, struct tp_client *c, uint64_t now_ms)
{
	const struct tp_limits *l = &p->limits;

	if (now_ms - c->requests_since_ms >= 1000) {
		c->requests_since_ms = now_ms;
		c->requests = 0;
	}
	c->requests++;
	if (!c->remote)
		return NULL;
	if (l->requests > 0 && c->requests > l->requests)
		return "too-many-requests";
	if (l->outstanding > 0 && adit_sv2_pending(c->conn) >= l->outstanding)
		return "too-many-bytes-outstanding";
	return NULL;
}

int32_t tp_provider_transactions(struct tp_provider *p, struct tp_client *c, uint64_t id,
				 uint64_t now_ms)
{
	const char *refusal = over_limit(p, c, now_ms);
	const struct tp_template *t;
	bool old;

	if (refusal != NULL) {
		p->refused_requests++;
		if (c->requests / 16 > p->limits.requests)
			return ADIT_E_LIMIT;
		return tp_send_transactions_error(c->conn, id, refusal);
	}
	t = tp_store_find(&p->store, id, &old);
	if (t == NULL)
		return tp_send_transactions_error(c->conn, id, "template-id-not-found");
	if (old)
		return tp_send_transactions_error(c->conn, id, "stale-template-id");
	return tp_send_transactions(c->conn, t);
}

int32_t tp_provider_solution(struct tp_client *c, bool good)
{
	c->bad_solutions = good ? 0 : c->bad_solutions + 1;
	return c->bad_solutions > TP_MAX_BAD_SOLUTIONS ? ADIT_E_LIMIT : ADIT_OK;
}

static void each_of(struct tp_provider *p, const struct tp_class *class, bool new_tip,
		    uint64_t now_ms)
{
	for (const struct tp_client *c = p->clients; c != NULL; c = c->next) {
		if (c->class != class)
			continue;
		if (new_tip)
			send_pair(c, now_ms);
		else
			tp_send_template(c->conn, class->current, false);
	}
}

/* The class asks for more than a block of this chain can hold. */
static void drop_clients(struct tp_provider *p, const struct tp_class *class, const char *reason)
{
	for (const struct tp_client *c = p->clients; c != NULL; c = c->next) {
		if (c->class == class)
			adit_sv2_close(c->conn, reason);
	}
}

static void distribute(struct tp_provider *p, struct tp_class *class, bool new_tip, uint64_t now_ms)
{
	struct error e;

	if (build(p, class, p->latest, now_ms, &e) == ADIT_OK)
		each_of(p, class, new_tip, now_ms);
	else
		drop_clients(p, class, e.text);
}

/* On chains where the difficulty falls with time (testnet), nBits may change on the same tip: work
 * on the old value is void then, as after a new tip. */
static bool is_new_tip(const struct tp_snapshot *a, const struct tp_snapshot *b)
{
	return a == NULL || memcmp(a->prev_hash, b->prev_hash, 32) != 0 || a->nbits != b->nbits;
}

bool tp_provider_update(struct tp_provider *p, struct tp_snapshot *s, uint64_t now_ms)
{
	bool new_tip = is_new_tip(p->latest, s);

	if (!new_tip && s->partial) {
		tp_snapshot_unref(s);
		return false;
	}
	tp_snapshot_unref(p->latest);
	p->latest = s;
	if (!new_tip)
		return false;
	tp_store_retire(&p->store, now_ms);
	for (int i = 0; i < TP_CLASS_SLOTS; i++)
		p->classes.slots[i].tip_due = p->classes.slots[i].clients > 0;
	return true;
}

/* Not a matter of fees or intervals: a new tip, or the whole after an empty template. */
static bool is_due(const struct tp_provider *p, const struct tp_class *class)
{
	if (class->clients == 0 || p->latest == NULL)
		return false;
	return class->tip_due ||
	       (class->current != NULL && class->current->snapshot->partial && !p->latest->partial);
}

/* A is served before B: new tips before all else, then the pools of this machine, then the class
 * that most clients wait for. */
static bool goes_first(const struct tp_class *a, const struct tp_class *b)
{
	if (a->tip_due != b->tip_due)
		return a->tip_due;
	if (a->remote != b->remote)
		return b->remote;
	return a->clients > b->clients;
}

/* NULL: nothing is due. */
static struct tp_class *most_urgent(struct tp_provider *p)
{
	struct tp_class *best = NULL;

	for (int i = 0; i < TP_CLASS_SLOTS; i++) {
		struct tp_class *class = &p->classes.slots[i];

		if (is_due(p, class) && (best == NULL || goes_first(class, best)))
			best = class;
	}
	return best;
}

/* Serves the most urgent class; true when another one is due. */
static bool serve_one(struct tp_provider *p, uint64_t now_ms)
{
	struct tp_class *class = most_urgent(p);
	bool new_tip;

	if (class == NULL)
		return false;
	new_tip = class->tip_due;
	/* Also when it can't be built: its clients are closed then. */
	class->tip_due = false;
	distribute(p, class, new_tip, now_ms);
	return most_urgent(p) != NULL;
}

/* Sends a better template if it is time; otherwise says when it is, 0 for never. */
static uint64_t improve(struct tp_provider *p, struct tp_class *class, uint64_t now_ms)
{
	uint64_t due = class->sent_ms + p->min_interval_ms;
	uint64_t fees;

	if (class->current == NULL || class->current->snapshot == p->latest)
		return 0;
	if (tp_fit(p->latest, class->weight, class->sigops, &fees) < 0 ||
	    fees < class->current->fees + p->fee_threshold)
		return 0;
	if (now_ms < due)
		return due;
	distribute(p, class, false, now_ms);
	return 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

/* Closes those on other machines that don't say what they want: a client MUST send its constraints
 * first (specification 07 section 7.1). Returns when the next one is to be, 0: there is none. */
static uint64_t expect_constraints(const struct tp_provider *p, uint64_t now_ms)
{
	uint64_t next = 0;

	for (const struct tp_client *c = p->clients; c != NULL; c = c->next) {
		if (!c->remote || c->class != NULL)
			continue;
		if (now_ms - c->joined_ms >= TP_CONSTRAINTS_MS)
			adit_sv2_close(c->conn, "no CoinbaseOutputConstraints");
		else
			next = earlier(next, c->joined_ms + TP_CONSTRAINTS_MS);
	}
	return next;
}

uint64_t tp_provider_tick(struct tp_provider *p, uint64_t now_ms)
{
	uint64_t next;

	if (serve_one(p, now_ms))
		return now_ms;
	next = expect_constraints(p, now_ms);
	for (int i = 0; i < TP_CLASS_SLOTS; i++) {
		if (p->classes.slots[i].clients > 0)
			next = earlier(next, improve(p, &p->classes.slots[i], now_ms));
	}
	return earlier(next, tp_store_expire(&p->store, now_ms));
}
