/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/template-provider/ipc_source.h"

/* A full block verifies in a second or two. */
#define SUBMIT_MS 30000u
#define HEADER_SIZE 80u
#define STEPS_MAX 3

/* A block on its way: by each of the node's calls that might take it, until one does. */
struct ipc_attempt {
	struct tp_attempt attempt;     /* first */
	struct ipc_template *template; /* a reference */
	const uint8_t *block;          /* borrowed while somebody waits for the answer */
	size_t size;
	struct block_header header;
	struct capn_bytes coinbase; /* within the block */
	int ordinals[STEPS_MAX];    /* of submitSolution; -1: Mining.submitBlock */
	uint32_t steps;
	uint32_t step;
	bool refused; /* by the node, but without a reason */
	char text[IPC_REASON_MAX];
};

static void next_step(struct ipc_attempt *a);

/* --- references ---------------------------------------------------------------------------------
 */

static bool is_alive(const struct ipc_template *t)
{
	const struct ipc_source *s = t->source;

	return s != NULL && !s->link.down && s->link.session != NULL &&
	       s->link.number == t->session;
}

static void on_destroyed(void *user, const struct capn_return *result)
{
	(void)user;
	(void)result;
}

/* Dropping the capability would have it destroyed as well, only later. */
static void destroy(struct ipc_template *t)
{
	struct ipc_source *s = t->source;
	struct node_OnlyContext params = {node_ipc_context(s->link.session)};
	struct error e;

	node_ipc_call(s->link.session,
		      node_call_new(t->cap, NODE_BlockTemplate_destroy,
				    node_ipc_dialect(s->link.session), &params),
		      s->link.timeout_ms, on_destroyed, NULL, &e);
}

struct ipc_template *ipc_template_ref(struct ipc_template *t)
{
	t->refs++;
	return t;
}

void ipc_template_unref(struct ipc_template *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	if (is_alive(t))
		destroy(t);
	if (t->source != NULL)
		LIST_REMOVE(t, link);
	capn_cap_unref(t->cap);
	free(t);
}

void ipc_templates_detach(struct ipc_source *s)
{
	struct ipc_template *t;

	while ((t = LIST_FIRST(&s->templates)) != NULL) {
		LIST_REMOVE(t, link);
		t->source = NULL;
	}
}

static void release(struct tp_origin *o)
{
	ipc_template_unref((struct ipc_template *)o);
}

/* --- solutions ----------------------------------------------------------------------------------
 */

static void attempt_end(struct ipc_attempt *a, enum tp_verdict verdict, const char *text)
{
	if (a->attempt.done != NULL)
		a->attempt.done(a->attempt.user, verdict, text);
	ipc_template_unref(a->template);
	free(a);
}

/* What the node says goes to logs and terminals. */
static void take_reason(const struct node_Verdict *v, char text[IPC_REASON_MAX])
{
	snprintf(text, IPC_REASON_MAX, "%.*s%s%.*s", (int)v->reason.size,
		 (const char *)v->reason.data, v->debug.size > 0 ? ": " : "", (int)v->debug.size,
		 (const char *)v->debug.data);
	for (char *c = text; *c != '\0'; c++) {
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	}
}

enum tp_verdict ipc_verdict(const struct capn_return *result, char text[IPC_REASON_MAX])
{
	struct node_Verdict v = {0};

	if (!result->ok) {
		snprintf(text, IPC_REASON_MAX, "%s", result->reason);
		return TP_NO_ANSWER;
	}
	node_results(NODE_Mining_submitBlock, NODE_V32, result, &v);
	text[0] = '\0';
	if (v.reason.size > 0)
		take_reason(&v, text);
	return v.result || strcmp(text, "duplicate") == 0 ? TP_ACCEPTED : TP_REFUSED;
}

static void on_verdict(void *user, const struct capn_return *result)
{
	struct ipc_attempt *a = user;
	enum tp_verdict verdict = ipc_verdict(result, a->text);

	a->step++;
	if (verdict == TP_ACCEPTED) {
		attempt_end(a, TP_ACCEPTED, "");
		return;
	}
	if (result->ok)
		a->refused = true;
	if (result->ok && a->text[0] != '\0')
		attempt_end(a, TP_REFUSED, a->text);
	else
		next_step(a);
}

static struct capn_call *make_call(const struct ipc_attempt *a)
{
	const struct ipc_source *s = a->template->source;
	struct node_Context context = {.thread = s->link.submit_thread};
	struct node_Solution solution = {.context = context,
					 .version = a->header.version,
					 .timestamp = a->header.time,
					 .nonce = a->header.nonce,
					 .coinbase = a->coinbase};
	struct node_Block whole = {.context = context, .block = {a->block, a->size}};
	int ordinal = a->ordinals[a->step];

	if (ordinal < 0)
		return node_call_new(node_ipc_mining(s->link.session), NODE_Mining_submitBlock,
				     node_ipc_dialect(s->link.session), &whole);
	return node_call_as(a->template->cap, NODE_BlockTemplate_submitSolution, (unsigned)ordinal,
			    node_ipc_dialect(s->link.session), &solution);
}

static bool send_step(struct ipc_attempt *a)
{
	struct ipc_source *s = a->template->source;
	struct error e;

	if (node_ipc_call(s->link.session, make_call(a), SUBMIT_MS, on_verdict, a, &e) == ADIT_OK)
		return true;
	snprintf(a->text, sizeof(a->text), "%.190s", e.text);
	return false;
}

static void next_step(struct ipc_attempt *a)
{
	/* Who gave up took the block back. */
	while (a->attempt.done != NULL && a->step < a->steps && is_alive(a->template)) {
		if (send_step(a))
			return;
		a->step++;
	}
	attempt_end(a, a->refused ? TP_REFUSED : TP_NO_ANSWER, a->text);
}

/* A number means another thing in another dialect, so only those are tried that at worst raise an
 * exception: v31 and v32 differ in nothing else that could be mistaken for it. */
static void plan_steps(struct ipc_attempt *a, enum node_dialect dialect, bool whole)
{
	enum node_dialect other = dialect == NODE_V31 ? NODE_V32 : NODE_V31;

	if (whole) {
		a->ordinals[a->steps++] =
		    node_method_ordinal(NODE_BlockTemplate_submitSolution, dialect);
		if (dialect != NODE_V30)
			a->ordinals[a->steps++] =
			    node_method_ordinal(NODE_BlockTemplate_submitSolution, other);
	}
	if (node_method_ordinal(NODE_Mining_submitBlock, dialect) >= 0)
		a->ordinals[a->steps++] = -1;
}

bool ipc_split_block(const uint8_t *block, size_t size, struct block_header *h, struct tx *coinbase)
{
	struct reader r;
	uint8_t header[HEADER_SIZE];

	reader_init(&r, block, size);
	reader_copy(&r, header, sizeof(header));
	(void)reader_compact_size(&r);
	if (r.failed || !tx_parse(&r, coinbase))
		return false;
	block_header_read(header, h);
	return true;
}

static struct tp_attempt *
submit(struct tp_origin *o, const uint8_t *block, size_t size, bool whole,
       void (*done)(void *user, enum tp_verdict verdict, const char *text), void *user)
{
	struct ipc_template *t = (struct ipc_template *)o;
	struct ipc_attempt *a = is_alive(t) ? calloc(1, sizeof(*a)) : NULL;
	struct tx coinbase;

	if (a == NULL)
		return NULL;
	a->attempt = (struct tp_attempt){.done = done, .user = user};
	a->block = block;
	a->size = size;
	a->template = ipc_template_ref(t);
	plan_steps(a, node_ipc_dialect(t->source->link.session), whole);
	if (a->steps > 0 && ipc_split_block(block, size, &a->header, &coinbase)) {
		a->coinbase = (struct capn_bytes){coinbase.data, coinbase.size};
		if (send_step(a))
			return &a->attempt;
	}
	ipc_template_unref(t);
	free(a);
	return NULL;
}

struct ipc_template *ipc_template_new(struct ipc_source *s, struct capn_cap *cap)
{
	struct ipc_template *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		capn_cap_unref(cap);
		return NULL;
	}
	t->origin.release = release;
	t->origin.submit = submit;
	t->source = s;
	t->session = s->link.number;
	t->cap = cap;
	t->refs = 1;
	LIST_INSERT_HEAD(&s->templates, t, link);
	return t;
}
