/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/node-ipc/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/capnp/socket.h"
#include "lib/util/clock.h"

/* A call with its deadline. */
struct pending {
	TAILQ_ENTRY(pending) link;
	struct node_ipc *session;
	struct event *deadline;
	struct capn_call *call;
	const struct capn_cap *thread; /* of the node that it runs on; NULL: any */
	bool sent;                     /* else it waits until the thread is free */
	uint32_t timeout_ms;
	capn_return_fn *done;
	void *user;
};

struct node_ipc {
	const struct node_ipc_callbacks *callbacks;
	void *user;
	struct event_base *base;
	struct capn_socket *socket;
	struct capn_cap *init;
	struct capn_cap *thread_map;
	struct capn_cap *thread;
	struct capn_cap *mining;
	enum node_dialect dialect;
	uint32_t timeout_ms;
	char name[32];
	TAILQ_HEAD(, pending) pending; /* oldest first */
	struct event *over;            /* tells of the end, from the loop */
	struct error reason;
	bool ended;
	bool leaving; /* nothing more is asked */
};

/* --- our side: threads, in case the node asks
 * --------------------------------------------------------- */

static const char thread_name[] = "adit";

static void thread_call(void *user, struct capn_incoming *incoming, uint64_t interface,
			uint16_t method, struct capn_ptr params)
{
	(void)user;
	(void)params;
	if (interface != node_interface_Thread || method != 0) {
		capn_answer_fail(incoming, CAPN_UNIMPLEMENTED, "a thread can only tell its name");
		return;
	}
	capn_set_text(capn_answer_results(incoming, 0, 1), 0, thread_name, sizeof(thread_name) - 1);
	capn_answer_send(incoming);
}

static const struct capn_server thread_server = {thread_call, NULL};

static void thread_map_call(void *user, struct capn_incoming *incoming, uint64_t interface,
			    uint16_t method, struct capn_ptr params)
{
	struct node_ipc *s = user;
	(void)params;
	if (interface != node_interface_ThreadMap || method != 0) {
		capn_answer_fail(incoming, CAPN_UNIMPLEMENTED, "only makeThread is offered");
		return;
	}
	struct capn_cap *thread = capn_export(capn_socket_rpc(s->socket), &thread_server, NULL);
	if (thread == NULL) {
		capn_answer_fail(incoming, CAPN_OVERLOADED, "out of memory");
		return;
	}
	capn_answer_set_cap(incoming, capn_answer_results(incoming, 0, 1), 0, thread);
	capn_answer_send(incoming);
	capn_cap_unref(thread);
}

static const struct capn_server thread_map_server = {thread_map_call, NULL};

/* --- the end
 * ------------------------------------------------------------------------------------------ */

/* The reason is kept; the owner hears of it from the loop, when nothing of ours is on the stack. */
static void end_with(struct node_ipc *s, const struct error *reason)
{
	if (s->ended)
		return;
	s->ended = true;
	s->reason = *reason;
	event_active(s->over, EV_TIMEOUT, 0);
}

/* --- calls with a deadline
 * ----------------------------------------------------------------------------
 *
 * The node runs calls on the thread that their context names. Up to v30 a thread holds one call
 * that waits while another runs, and a further one ends the whole node (an assertion in
 * libmultiprocess's Waiter::post). So there a call is sent when the one before it on the thread is
 * answered. Later nodes queue them.
 */

static void pending_free(struct pending *p)
{
	TAILQ_REMOVE(&p->session->pending, p, link);
	if (p->deadline != NULL)
		event_free(p->deadline);
	free(p);
}

/* The oldest call that is, or is not, under way. */
static struct pending *first_pending(const struct node_ipc *s, bool sent)
{
	struct pending *p;

	TAILQ_FOREACH(p, &s->pending, link)
	{
		if (p->sent == sent)
			break;
	}
	return p;
}

/* What was never sent, and with ALL what was too, when the session is over; before its calls are the
 * connection's no more. */
static void answer_waiting(struct node_ipc *s, bool all)
{
	struct capn_return result = {.type = CAPN_DISCONNECTED,
				     .reason = s->reason.text[0] != '\0' ? s->reason.text
									 : "the session is closed"};
	struct pending *p;

	while ((p = all ? TAILQ_FIRST(&s->pending) : first_pending(s, false)) != NULL) {
		capn_return_fn *done = p->done;
		void *owner = p->user;
		if (p->call != NULL)
			capn_call_cancel(p->call);
		pending_free(p);
		done(owner, &result);
	}
}

static bool is_busy(const struct node_ipc *s, const struct capn_cap *thread)
{
	const struct pending *p;
	TAILQ_FOREACH(p, &s->pending, link)
	{
		if (p->sent && p->thread == thread)
			return true;
	}
	return false;
}

static int32_t send_pending(struct pending *p, struct error *e);

/* THREAD has answered a call. */
static void send_waiting(struct node_ipc *s, const struct capn_cap *thread)
{
	struct pending *p;
	struct error e;
	if (s->ended || thread == NULL || is_busy(s, thread))
		return;
	TAILQ_FOREACH(p, &s->pending, link)
	{
		if (!p->sent && p->thread == thread)
			break;
	}
	if (p != NULL && send_pending(p, &e) != ADIT_OK)
		end_with(s, &e);
}

static void on_return(void *user, const struct capn_return *result)
{
	struct pending *p = user;
	struct node_ipc *s = p->session;
	const struct capn_cap *thread = p->thread;
	capn_return_fn *done = p->done;
	void *owner = p->user;
	pending_free(p);
	send_waiting(s, thread);
	done(owner, result);
}

static void on_deadline(evutil_socket_t fd, short what, void *user)
{
	struct pending *p = user;
	struct node_ipc *s = p->session;
	struct error e;
	(void)fd;
	(void)what;
	error_set(&e, ADIT_E_TIMEOUT, "the node has not answered for %u ms", p->timeout_ms);
	/* Closing answers this call and all others. */
	end_with(s, &e);
}

/* On an error the call is gone, and P stays, as one that was not sent. */
static int32_t send_pending(struct pending *p, struct error *e)
{
	struct timeval after = {p->timeout_ms / 1000, (p->timeout_ms % 1000) * 1000};
	struct capn_call *call = p->call;
	int32_t rc;
	p->sent = true;
	evtimer_add(p->deadline, &after);
	rc = capn_call_send(call, on_return, p, e);
	if (rc != ADIT_OK) {
		p->sent = false;
		p->call = NULL;
	}
	return rc;
}

int32_t node_ipc_call(struct node_ipc *s, struct capn_call *call, uint32_t timeout_ms,
		      capn_return_fn *done, void *user, struct error *e)
{
	if (call == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED, "the node's version has no such method");
	struct pending *p = calloc(1, sizeof(*p));
	if (p != NULL)
		p->deadline = evtimer_new(s->base, on_deadline, p);
	if (p == NULL || p->deadline == NULL || s->ended || s->leaving) {
		if (p != NULL && p->deadline != NULL)
			event_free(p->deadline);
		free(p);
		capn_call_cancel(call);
		if (s->ended)
			return error_set(e, ADIT_E_UNAVAILABLE, "%s", s->reason.text);
		return s->leaving
			   ? error_set(e, ADIT_E_UNAVAILABLE, "the session is being closed")
			   : error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	p->session = s;
	p->call = call;
	if (s->dialect == NODE_V30)
		p->thread = capn_call_first_cap(call);
	p->timeout_ms = timeout_ms;
	p->done = done;
	p->user = user;
	bool waits = p->thread != NULL && is_busy(s, p->thread);
	TAILQ_INSERT_TAIL(&s->pending, p, link);
	int32_t rc = waits ? ADIT_OK : send_pending(p, e);
	if (rc != ADIT_OK)
		pending_free(p);
	return rc;
}

static void on_over(evutil_socket_t fd, short what, void *user)
{
	struct node_ipc *s = user;
	(void)fd;
	(void)what;
	answer_waiting(s, true);
	if (s->socket != NULL)
		capn_rpc_close(capn_socket_rpc(s->socket), s->reason.text);
	s->callbacks->ended(s->user, &s->reason);
}

static void on_socket_ended(void *user, const struct error *reason)
{
	end_with(user, reason);
}

void node_ipc_leave(struct node_ipc *s, uint32_t limit_ms)
{
	uint64_t now = clock_monotonic_ms();
	uint64_t until = now + limit_ms;

	if (s->ended || s->socket == NULL)
		return;
	s->leaving = true;
	answer_waiting(s, false);
	while (!s->ended && first_pending(s, true) != NULL && now < until &&
	       capn_socket_turn(s->socket, (uint32_t)(until - now)))
		now = clock_monotonic_ms();
	/* That the answers have come, too, is said before the end. */
	if (!s->ended)
		(void)capn_socket_turn(s->socket, 0);
}

void node_ipc_close(struct node_ipc *s)
{
	struct capn_cap *caps[] = {s->mining, s->thread, s->thread_map, s->init};
	s->ended = true;
	answer_waiting(s, true);
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		capn_cap_unref(caps[i]);
	s->mining = s->thread = s->thread_map = s->init = NULL;
	if (s->socket != NULL)
		capn_socket_close(s->socket);
	if (s->over != NULL)
		event_free(s->over);
	free(s);
}

/* --- opening
 * ------------------------------------------------------------------------------------------ */

static void on_probe(void *user, const struct capn_return *result);

static bool step(struct node_ipc *s, struct capn_call *call, capn_return_fn *done)
{
	struct error e;
	if (node_ipc_call(s, call, s->timeout_ms, done, s, &e) == ADIT_OK)
		return true;
	end_with(s, &e);
	return false;
}

/* A step of the opening that the node refused. */
static void refused(struct node_ipc *s, enum node_method method, const struct capn_return *result)
{
	struct error e;
	error_set(&e, result->type == CAPN_DISCONNECTED ? ADIT_E_UNAVAILABLE : ADIT_E_PROTOCOL,
		  "%s: %s (%s)", node_method_name(method),
		  result->ok ? "the answer has no such capability" : result->reason,
		  result->ok ? "protocol" : capn_exception_name(result->type));
	end_with(s, &e);
}

/* RESULT of METHOD is a capability: kept in *CAP. */
static bool take_cap(struct node_ipc *s, enum node_method method, const struct capn_return *result,
		     struct capn_cap **cap)
{
	struct node_CapResult r;
	if (result->ok) {
		node_results(NODE_ThreadMap_makeThread, NODE_V31, result, &r);
		*cap = r.result;
	}
	if (*cap == NULL)
		refused(s, method, result);
	return *cap != NULL;
}

/* v32 has a method that v31 has not; asked for no transactions it does nothing. */
static void probe(struct node_ipc *s)
{
	struct node_Hashes none = {.context = node_ipc_context(s)};
	s->dialect = NODE_V31;
	step(s, node_call_new(s->mining, NODE_Mining_getTransactionsByTxID, NODE_V32, &none),
	     on_probe);
}

static void on_probe(void *user, const struct capn_return *result)
{
	struct node_ipc *s = user;
	if (!result->ok && result->type == CAPN_DISCONNECTED)
		return;
	if (result->ok || result->type != CAPN_UNIMPLEMENTED)
		s->dialect = NODE_V32;
	s->callbacks->ready(s->user);
}

static void on_old_mining(void *user, const struct capn_return *result)
{
	struct node_ipc *s = user;
	if (take_cap(s, NODE_Init_makeMining, result, &s->mining))
		s->callbacks->ready(s->user);
}

static void on_mining(void *user, const struct capn_return *result)
{
	struct node_ipc *s = user;
	struct node_OnlyContext params = {node_ipc_context(s)};
	if (!result->ok && result->type == CAPN_UNIMPLEMENTED) {
		s->dialect = NODE_V30;
		step(s, node_call_new(s->init, NODE_Init_makeMining, NODE_V30, &params),
		     on_old_mining);
	} else if (take_cap(s, NODE_Init_makeMining, result, &s->mining)) {
		probe(s);
	}
}

static void on_thread(void *user, const struct capn_return *result)
{
	struct node_ipc *s = user;
	if (!take_cap(s, NODE_ThreadMap_makeThread, result, &s->thread))
		return;
	struct node_OnlyContext params = {node_ipc_context(s)};
	step(s, node_call_new(s->init, NODE_Init_makeMining, NODE_V31, &params), on_mining);
}

static void on_construct(void *user, const struct capn_return *result)
{
	struct node_ipc *s = user;
	struct error e;
	if (take_cap(s, NODE_Init_construct, result, &s->thread_map) &&
	    node_ipc_make_thread(s, s->name, on_thread, s, &e) != ADIT_OK)
		end_with(s, &e);
}

static bool construct(struct node_ipc *s)
{
	struct capn_rpc *rpc = capn_socket_rpc(s->socket);
	struct capn_cap *map = capn_export(rpc, &thread_map_server, s);
	s->init = capn_bootstrap(rpc);
	if (map == NULL || s->init == NULL) {
		capn_cap_unref(map);
		return false;
	}
	struct node_ThreadMapCap params = {map};
	bool sent =
	    step(s, node_call_new(s->init, NODE_Init_construct, NODE_V31, &params), on_construct);
	capn_cap_unref(map);
	return sent;
}

struct node_ipc *node_ipc_open(struct event_base *base, const char *path, const char *name,
			       uint32_t timeout_ms, const struct node_ipc_callbacks *callbacks,
			       void *user, struct error *e)
{
	struct node_ipc *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	s->base = base;
	s->callbacks = callbacks;
	s->user = user;
	s->timeout_ms = timeout_ms;
	strncpy(s->name, name, sizeof(s->name) - 1);
	TAILQ_INIT(&s->pending);
	s->over = event_new(base, -1, 0, on_over, s);
	if (s->over != NULL)
		s->socket = capn_socket_connect(base, path, on_socket_ended, s, e);
	else
		error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	if (s->socket == NULL || !construct(s)) {
		if (s->socket != NULL)
			error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		node_ipc_close(s);
		return NULL;
	}
	return s;
}

struct capn_cap *node_ipc_mining(const struct node_ipc *s)
{
	return s->mining;
}

enum node_dialect node_ipc_dialect(const struct node_ipc *s)
{
	return s->dialect;
}

struct node_Context node_ipc_context(const struct node_ipc *s)
{
	return (struct node_Context){.thread = s->thread, .callbackThread = NULL};
}

int32_t node_ipc_make_thread(struct node_ipc *s, const char *name, capn_return_fn *done, void *user,
			     struct error *e)
{
	struct node_Name params = {{(const uint8_t *)name, strlen(name)}};
	return node_ipc_call(
	    s, node_call_new(s->thread_map, NODE_ThreadMap_makeThread, NODE_V31, &params),
	    s->timeout_ms, done, user, e);
}
