/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/rpc.h"

#include <stdio.h>
#include <string.h>

#include "lib/util/clock.h"

#define LONGPOLL_MS                                                                                \
	900000u /* then it is asked again: nothing changed, or the connection is dead              \
		 */
#define LONGPOLL_PAUSE_MS 1000 /* after one that failed or told nothing new */
#define LONGPOLL_QUICK_MS 200  /* sooner than this was at once */
#define LONGPOLL_QUICK_MAX 10  /* so many of them are no accident */
#define RPC_CLIENT_NOT_CONNECTED (-9)
#define RPC_CLIENT_IN_INITIAL_DOWNLOAD (-10)

static void longpoll(struct rpc *b);

static void on_longpoll_timer(void *user)
{
	struct rpc *b = user;

	b->longpoll_timer = 0;
	longpoll(b);
}

/* A node that can't make templates says why. Anything but a lack of peers or blocks is a fault. */
static void refused(struct rpc *b, const struct rpc_answer *answer)
{
	static const struct rpc_answer ending = {.error = ADIT_E_UNAVAILABLE,
						 .message = "the node is shutting down"};
	char detail[400];

	if (answer->code == RPC_IN_WARMUP) {
		rpc_trouble(b, answer);
		return;
	}
	/* How bitcoind ends a long poll when it stops; the code is the one for a lack of peers. */
	if (answer->code == RPC_CLIENT_NOT_CONNECTED &&
	    strcmp(answer->message, "Shutting down") == 0) {
		rpc_trouble(b, &ending);
		return;
	}
	snprintf(detail, sizeof(detail), "getblocktemplate: %s", answer->message);
	b->template_known = false;
	if (answer->code == RPC_CLIENT_NOT_CONNECTED)
		rpc_not_ready(b, SERVICE_STARTING, detail);
	else if (answer->code == RPC_CLIENT_IN_INITIAL_DOWNLOAD)
		rpc_not_ready(b, SERVICE_INITIAL_DOWNLOAD, detail);
	else
		rpc_not_ready(b, SERVICE_FAILING, detail);
}

/* False after trouble. */
static bool take_template(struct rpc *b, const struct rpc_answer *answer)
{
	struct rpc_answer trouble = {0};
	struct error e = {0};
	struct node_template *t;

	if (answer->error == ADIT_OK && answer->code != 0) {
		refused(b, answer);
		return false;
	}
	if (answer->error != ADIT_OK) {
		rpc_trouble(b, answer);
		return false;
	}
	t = rpc_template_parse(answer->result, b->longpollid, &e);
	if (t == NULL) {
		trouble.error = e.code;
		trouble.message = e.text;
		rpc_trouble(b, &trouble);
		return false;
	}
	b->template_at = clock_monotonic_ms();
	b->template_known = true;
	rpc_chain_follow(b, t->prev_hash);
	service_set_template(b->service, t);
	service_set_state(b->service, SERVICE_READY, "");
	return true;
}

static void on_template(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;

	b->template_call = NULL;
	if (!take_template(b, answer))
		return;
	if (b->template_again) {
		b->template_again = false;
		rpc_template_fetch(b);
	}
	if (b->longpoll_call == NULL && b->longpoll_timer == 0)
		longpoll(b);
}

/* Signet's rule is asked for where it is needed only: other networks do not know it. */
static const char *rules(const struct rpc *b)
{
	return strcmp(b->service->network, "signet") == 0 ? "\"segwit\",\"signet\"" : "\"segwit\"";
}

void rpc_template_fetch(struct rpc *b)
{
	char params[128];

	if (b->template_call != NULL) {
		b->template_again = true;
		return;
	}
	snprintf(params, sizeof(params), "[{\"rules\":[%s]}]", rules(b));
	b->template_call = rpc_ask(b, "getblocktemplate", params, b->timeout_ms,
				   RPC_TEMPLATE_ANSWER, on_template, b);
}

/* True when the node answers without waiting, which would become a storm of questions. An answer at
 * once is right when there was better work already, and then it has another id. */
static bool is_no_long_poll(struct rpc *b)
{
	if (clock_monotonic_ms() - b->longpoll_at >= LONGPOLL_QUICK_MS)
		b->longpoll_quick = 0;
	else
		b->longpoll_quick++;
	return b->longpoll_quick > LONGPOLL_QUICK_MAX ||
	       (b->longpoll_quick > 0 && strcmp(b->longpollid, b->longpoll_asked) == 0);
}

/* A long poll may end without news or break: the regular look tells how the node is, so that is no
 * trouble by itself. */
static void on_longpoll(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;

	b->longpoll_call = NULL;
	if (answer->error == ADIT_E_UNAVAILABLE || answer->error == ADIT_E_TIMEOUT) {
		rpc_timer(b, &b->longpoll_timer, LONGPOLL_PAUSE_MS, on_longpoll_timer, b);
		rpc_look(b);
		return;
	}
	/* An answer that is under way on the other connection may be of before the news. */
	rpc_client_cancel(b->template_call);
	b->template_call = NULL;
	b->template_again = false;
	if (!take_template(b, answer))
		return;
	if (is_no_long_poll(b))
		rpc_timer(b, &b->longpoll_timer, LONGPOLL_PAUSE_MS, on_longpoll_timer, b);
	else
		longpoll(b);
}

/* BIP22: answered when there is better work than the one LONGPOLLID names. Polling alone will do
 * for a node that gives none. */
static void longpoll(struct rpc *b)
{
	char params[RPC_LONGPOLLID_MAX + 128];

	if (!b->usable || b->longpollid[0] == '\0' || b->longpoll_call != NULL)
		return;
	strcpy(b->longpoll_asked, b->longpollid);
	snprintf(params, sizeof(params), "[{\"rules\":[%s],\"longpollid\":\"%s\"}]", rules(b),
		 b->longpoll_asked);
	b->longpoll_at = clock_monotonic_ms();
	b->longpoll_call = rpc_ask(b, "getblocktemplate", params, LONGPOLL_MS, RPC_TEMPLATE_ANSWER,
				   on_longpoll, b);
}

void rpc_work_stop(struct rpc *b)
{
	rpc_client_cancel(b->template_call);
	rpc_client_cancel(b->longpoll_call);
	rpc_timer_end(b, &b->longpoll_timer);
	b->template_call = NULL;
	b->longpoll_call = NULL;
	b->template_again = false;
	b->template_known = false;
}
