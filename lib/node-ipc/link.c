/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/node-ipc/link.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <adit/error.h>

#include "lib/util/clock.h"

#define RETRY_MIN_MS 250u
#define PATIENCE_MS 10000u /* a session that lasted longer begins with a short pause again */
#define BEAT_MS 5000u
#define READY_POLL_MS 1000u
/* Up to v31 a node that is asked for anything of Mining before it has begun to load its blocks ends
 * with an assertion; its socket is there some moments earlier. Later ones wait in makeMining. */
#define YOUNG_MS 5000

static void arm(struct event *e, uint32_t ms)
{
	struct timeval after = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	event_add(e, &after);
}

/* --- its end ------------------------------------------------------------------------------------
 */

static void drop_as(struct node_link *l, bool wrong_node, const char *text)
{
	if (l->down)
		return;
	l->down = true;
	event_del(l->beat);
	event_active(l->closer, EV_TIMEOUT, 0);
	if (clock_monotonic_ms() - l->opened_ms > PATIENCE_MS && l->session != NULL)
		l->delay_ms = RETRY_MIN_MS;
	arm(l->retry, l->delay_ms);
	l->delay_ms =
	    l->delay_ms * 2 > l->type->retry_max_ms ? l->type->retry_max_ms : l->delay_ms * 2;
	l->type->down(l->user, wrong_node, text);
}

void node_link_drop(struct node_link *l, const char *format, ...)
{
	char text[384];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	drop_as(l, false, text);
}

/* A node that is left with a call under way may end with an assertion. */
static void leave_session(struct node_link *l)
{
	if (l->type->leaving != NULL)
		l->type->leaving(l->user);
	node_ipc_leave(l->session,
		       l->timeout_ms < NODE_LINK_LEAVE_MS ? l->timeout_ms : NODE_LINK_LEAVE_MS);
}

static void close_session(struct node_link *l)
{
	struct node_ipc *session = l->session;

	l->down = true;
	/* Until node_ipc_close() returns it answers calls, and what they answer to looks at it. */
	if (session != NULL) {
		leave_session(l);
		node_ipc_close(session);
	}
	l->session = NULL;
	if (l->type->closed != NULL)
		l->type->closed(l->user);
	capn_cap_unref(l->wait_thread);
	capn_cap_unref(l->submit_thread);
	l->wait_thread = l->submit_thread = NULL;
}

static void on_closer(evutil_socket_t fd, short what, void *user)
{
	struct node_link *l = user;

	(void)fd;
	(void)what;
	if (l->down)
		close_session(l);
}

/* --- calls --------------------------------------------------------------------------------------
 */

bool node_link_call(struct node_link *l, struct capn_call *call, uint32_t timeout_ms,
		    capn_return_fn *done, void *user)
{
	struct error e = {0};

	if (node_ipc_call(l->session, call, timeout_ms, done, user, &e) == ADIT_OK)
		return true;
	node_link_drop(l, "%s", e.text);
	return false;
}

bool node_link_ask(struct node_link *l, enum node_method method, const void *params,
		   uint32_t timeout_ms, capn_return_fn *done, void *user)
{
	struct error e = {0};

	if (node_ipc_call(l->session,
			  node_call_new(node_ipc_mining(l->session), method,
					node_ipc_dialect(l->session), params),
			  timeout_ms, done, user, &e) == ADIT_OK)
		return true;
	node_link_drop(l, "%s: %s", node_method_name(method), e.text);
	return false;
}

static void ask_plain(struct node_link *l, enum node_method method, capn_return_fn *done,
		      void *user)
{
	struct node_OnlyContext params = {node_ipc_context(l->session)};

	(void)node_link_ask(l, method, &params, l->timeout_ms, done, user);
}

void node_link_ask_plain(struct node_link *l, enum node_method method, capn_return_fn *done)
{
	ask_plain(l, method, done, l->user);
}

bool node_link_answered(struct node_link *l, enum node_method method,
			const struct capn_return *result)
{
	if (l->down)
		return false;
	if (result->ok)
		return true;
	if (result->type == CAPN_DISCONNECTED)
		node_link_drop(l, "%s", result->reason);
	else
		node_link_drop(l, "%s: %s", node_method_name(method), result->reason);
	return false;
}

/* --- is it the right node? ----------------------------------------------------------------------
 */

static bool take_thread(struct node_link *l, const struct capn_return *result,
			struct capn_cap **thread)
{
	struct node_CapResult made;

	if (!node_link_answered(l, NODE_ThreadMap_makeThread, result))
		return false;
	node_results(NODE_ThreadMap_makeThread, node_ipc_dialect(l->session), result, &made);
	*thread = made.result;
	if (made.result == NULL)
		node_link_drop(l, "%s: no thread", node_method_name(NODE_ThreadMap_makeThread));
	return made.result != NULL;
}

static void on_submit_thread(void *user, const struct capn_return *result)
{
	struct node_link *l = user;

	if (take_thread(l, result, &l->submit_thread))
		l->type->check(l->user);
}

static void on_wait_thread(void *user, const struct capn_return *result)
{
	struct node_link *l = user;
	struct error e = {0};

	if (take_thread(l, result, &l->wait_thread) &&
	    node_ipc_make_thread(l->session, "adit-submit", on_submit_thread, l, &e) != ADIT_OK)
		node_link_drop(l, "%s", e.text);
}

static void on_test_chain(void *user, const struct capn_return *result)
{
	struct node_link *l = user;
	bool wanted = strcmp(l->network, "main") != 0;
	struct node_BoolResult test;
	struct error e = {0};
	char text[320];

	if (!node_link_answered(l, NODE_Mining_isTestChain, result))
		return;
	node_results(NODE_Mining_isTestChain, node_ipc_dialect(l->session), result, &test);
	if (test.result != wanted) {
		snprintf(text, sizeof(text), "the node at %s is on %s, but network = %s", l->path,
			 test.result ? "a test network" : "the main network", l->network);
		drop_as(l, true, text);
	} else if (node_ipc_make_thread(l->session, "adit-wait", on_wait_thread, l, &e) !=
		   ADIT_OK) {
		node_link_drop(l, "%s", e.text);
	}
}

/* --- connecting ---------------------------------------------------------------------------------
 */

static void ask_network(struct node_link *l)
{
	l->asked = true;
	ask_plain(l, NODE_Mining_isTestChain, on_test_chain, l);
}

static void on_ready(void *user)
{
	struct node_link *l = user;
	char text[320];
	int64_t age; /* of the socket, milliseconds */

	if (l->down)
		return;
	snprintf(text, sizeof(text), "connected to %s, which speaks %s", l->path,
		 node_dialect_name(node_ipc_dialect(l->session)));
	l->type->opened(l->user, text);
	age = (int64_t)clock_unix_ms() - l->made_ms;
	if (node_ipc_dialect(l->session) != NODE_V32 && age >= 0 && age < YOUNG_MS)
		arm(l->retry, (uint32_t)(YOUNG_MS - age));
	else
		ask_network(l);
}

static void on_ended(void *user, const struct error *reason)
{
	node_link_drop(user, "%s", reason->text);
}

static const struct node_ipc_callbacks session_callbacks = {on_ready, on_ended};

static void explain(struct node_link *l, const struct error *e)
{
	if (e->code == ADIT_E_NOT_FOUND)
		node_link_drop(l,
			       "no socket %s: is the node running with -ipcbind=unix, and are"
			       " network, %s right?",
			       l->path, l->type->where);
	else if (e->code == ADIT_E_UNAVAILABLE)
		node_link_drop(l, "nobody listens on %s: the node is not running", l->path);
	else if (e->code == ADIT_E_PERMISSION_DENIED)
		node_link_drop(l, "%s may not be opened: it is for the node's own user, %s",
			       l->path, l->type->runs_as);
	else
		node_link_drop(l, "%s", e->text);
}

static void connect_node(struct node_link *l)
{
	struct stat st;
	struct error e = {0};

	l->down = false;
	l->asked = false;
	l->number++;
	l->opened_ms = clock_monotonic_ms();
	if (stat(l->path, &st) == 0) {
		l->device = st.st_dev;
		l->inode = st.st_ino;
		l->made_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	}
	l->session = node_ipc_open(l->loop, l->path, l->type->name, l->timeout_ms,
				   &session_callbacks, l, &e);
	if (l->session == NULL)
		explain(l, &e);
}

static void on_retry(evutil_socket_t fd, short what, void *user)
{
	struct node_link *l = user;

	(void)fd;
	(void)what;
	if (l->down || l->session == NULL) {
		close_session(l);
		connect_node(l);
	} else if (!l->asked) {
		ask_network(l);
	} else {
		l->type->check(l->user);
	}
}

void node_link_ask_again(struct node_link *l)
{
	arm(l->retry, READY_POLL_MS);
}

/* --- does it live? ------------------------------------------------------------------------------
 */

static void on_pulse(void *user, const struct capn_return *result)
{
	struct node_link *l = user;

	if (!node_link_answered(l, NODE_Mining_getTip, result))
		return;
	arm(l->beat, BEAT_MS);
	l->type->pulse(l->user, result);
}

static void on_beat(evutil_socket_t fd, short what, void *user)
{
	struct node_link *l = user;
	struct stat st;

	(void)fd;
	(void)what;
	if (stat(l->path, &st) == 0 && (st.st_dev != l->device || st.st_ino != l->inode))
		node_link_drop(l, "%s is another socket now: connecting to that", l->path);
	else
		ask_plain(l, NODE_Mining_getTip, on_pulse, l);
}

void node_link_watch(struct node_link *l)
{
	arm(l->beat, BEAT_MS);
}

/* --- life ---------------------------------------------------------------------------------------
 */

int32_t node_link_start(struct node_link *l, const struct node_link_type *type,
			struct event_base *loop, void *user, struct error *e)
{
	l->type = type;
	l->user = user;
	l->loop = loop;
	l->delay_ms = RETRY_MIN_MS;
	l->down = true;
	l->closer = event_new(loop, -1, 0, on_closer, l);
	l->retry = evtimer_new(loop, on_retry, l);
	l->beat = evtimer_new(loop, on_beat, l);
	if (l->closer == NULL || l->retry == NULL || l->beat == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	arm(l->retry, 0);
	return ADIT_OK;
}

void node_link_close(struct node_link *l)
{
	struct event *events[] = {l->closer, l->retry, l->beat};

	if (l->type == NULL)
		return;
	close_session(l);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	l->closer = l->retry = l->beat = NULL;
}
