/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/ipc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/node/rpc.h"
#include "lib/util/clock.h"

#define RETRY_MIN_MS 250u
#define RETRY_MAX_MS 5000u
#define PATIENCE_MS 10000u /* a session that lasted longer begins with a short pause again */
#define BEAT_MS 5000u
#define READY_POLL_MS 1000u
#define WAIT_MS 30000u      /* for a tip, then it is asked again */
#define WAIT_RUSH_MS 50u    /* an answer without news that comes sooner ... */
#define WAIT_PAUSE_MS 1000u /* ... is followed by this pause */
#define NO_RPC                                                                                     \
	"the backend bitcoin-ipc can't tell this without RPC: set rpc_url or rpc_datadir in "      \
	"[node]"

static void connect_node(struct ipc *b);
static void wait_tip(struct ipc *b);

static void arm(struct event *e, uint32_t ms)
{
	struct timeval after = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	event_add(e, &after);
}

/* --- states -------------------------------------------------------------------------------------
 */

/* With RPC the state is what RPC says, and this a line beside it. */
static void tell(struct ipc *b, enum service_state state, const char *text)
{
	struct service *s = b->service;

	if (strncmp(s->ipc, text, sizeof(s->ipc) - 1) != 0 && b->rpc != NULL)
		service_log(s, ADIT_LOG_INFO, "bitcoin-ipc: %s", text);
	snprintf(s->ipc, sizeof(s->ipc), "%s", text);
	if (b->rpc == NULL)
		service_set_state(s, state, state == SERVICE_READY ? "" : text);
}

static void tell_connected(struct ipc *b)
{
	char text[sizeof(b->service->ipc)];

	snprintf(text, sizeof(text), "%s, dialect %s", b->path,
		 node_dialect_name(node_ipc_dialect(b->session)));
	tell(b, SERVICE_READY, text);
}

static void drop_as(struct ipc *b, enum service_state state, const char *text)
{
	if (b->down)
		return;
	b->down = true;
	b->connected = false;
	event_del(b->beat);
	event_del(b->pause);
	event_active(b->closer, EV_TIMEOUT, 0);
	if (clock_monotonic_ms() - b->opened_ms > PATIENCE_MS && b->session != NULL)
		b->delay_ms = RETRY_MIN_MS;
	arm(b->retry, b->delay_ms);
	b->delay_ms = b->delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : b->delay_ms * 2;
	tell(b, state, text);
}

void ipc_drop(struct ipc *b, const char *format, ...)
{
	char text[384];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	drop_as(b, SERVICE_CONNECTING, text);
}

static void close_session(struct ipc *b)
{
	struct node_ipc *session = b->session;

	b->down = true;
	b->connected = false;
	/* Until it returns it answers calls, and what they answer to looks at these. */
	if (session != NULL)
		node_ipc_close(session);
	b->session = NULL;
	capn_cap_unref(b->wait_thread);
	capn_cap_unref(b->submit_thread);
	b->wait_thread = b->submit_thread = NULL;
}

static void on_closer(evutil_socket_t fd, short what, void *user)
{
	struct ipc *b = user;

	(void)fd;
	(void)what;
	if (b->down)
		close_session(b);
}

/* --- calls --------------------------------------------------------------------------------------
 */

bool ipc_can(const struct ipc *b, enum node_method method)
{
	return b->connected && !b->down &&
	       node_method_ordinal(method, node_ipc_dialect(b->session)) >= 0;
}

static bool send_call(struct ipc *b, enum node_method method, const void *params,
		      uint32_t timeout_ms, capn_return_fn *done, void *user)
{
	struct error e = {0};

	if (node_ipc_call(b->session,
			  node_call_new(node_ipc_mining(b->session), method,
					node_ipc_dialect(b->session), params),
			  timeout_ms, done, user, &e) == ADIT_OK)
		return true;
	ipc_drop(b, "%s: %s", node_method_name(method), e.text);
	return false;
}

bool ipc_ask(struct ipc *b, enum node_method method, const void *params, capn_return_fn *done,
	     void *user)
{
	return send_call(b, method, params, b->timeout_ms, done, user);
}

struct node_Context ipc_submit_context(const struct ipc *b)
{
	return (struct node_Context){.thread = b->submit_thread, .callbackThread = NULL};
}

/* A question with no parameters but the session's thread. */
static void ask_plain(struct ipc *b, enum node_method method, capn_return_fn *done)
{
	struct node_OnlyContext params = {node_ipc_context(b->session)};

	(void)ipc_ask(b, method, &params, done, b);
}

/* Whether RESULT of METHOD is one that is still wanted; ends the session when the call failed. */
static bool answered(struct ipc *b, enum node_method method, const struct capn_return *result)
{
	if (b->down)
		return false;
	if (result->ok)
		return true;
	if (result->type == CAPN_DISCONNECTED)
		ipc_drop(b, "%s", result->reason);
	else
		ipc_drop(b, "%s: %s", node_method_name(method), result->reason);
	return false;
}

/* --- the tip ------------------------------------------------------------------------------------
 */

/* Takes back the newest block that was told as part of the chain. */
static void disconnect_last(struct ipc *b)
{
	const struct service_tip *last = &b->recent[--b->recent_count];

	service_block_disconnected(b->service, last->hash, last->height);
}

static void connect_block(struct ipc *b, const struct service_tip *tip)
{
	if (b->recent_count == IPC_RECENT)
		memmove(b->recent, b->recent + 1, --b->recent_count * sizeof(b->recent[0]));
	b->recent[b->recent_count++] = *tip;
}

static bool is_recent(const struct ipc *b, const uint8_t hash[32])
{
	for (size_t i = b->recent_count; i > 0; i--)
		if (memcmp(b->recent[i - 1].hash, hash, 32) == 0)
			return true;
	return false;
}

/* Without RPC only tips are seen: the blocks between two of them can't be had. What is no higher
 * than a block that was told took its place for certain; a higher one is taken for a successor. */
static void report_tip(struct ipc *b, const struct service_tip *tip)
{
	struct service *s = b->service;
	struct service_tip old = s->tip;
	bool known = is_recent(b, tip->hash);
	bool reorganised = false;

	if (s->tip_known && memcmp(old.hash, tip->hash, 32) == 0)
		return;
	while (b->recent_count > 0 &&
	       (known ? memcmp(b->recent[b->recent_count - 1].hash, tip->hash, 32) != 0
		      : b->recent[b->recent_count - 1].height >= tip->height)) {
		disconnect_last(b);
		reorganised = true;
	}
	if (!known)
		connect_block(b, tip);
	if (known || !s->tip_known)
		service_set_tip(s, tip);
	else
		service_block_connected(s, tip);
	if (reorganised)
		service_reorganised(s, old.hash, tip->hash);
}

/* False when RESULT has no tip. waitTipChanged has no member that says so, only no hash then. */
static bool take_tip(struct ipc *b, enum node_method method, const struct capn_return *result)
{
	struct node_TipResult r;
	struct service_tip tip = {0};

	node_results(method, node_ipc_dialect(b->session), result, &r);
	if ((method == NODE_Mining_getTip && !r.hasResult) || r.result.hash.size != 32 ||
	    r.result.height < 0)
		return false;
	b->tip_known = true;
	memcpy(b->tip, r.result.hash.data, 32);
	memcpy(tip.hash, b->tip, 32);
	tip.height = (uint32_t)r.result.height;
	if (b->rpc == NULL)
		report_tip(b, &tip);
	else if (!b->service->tip_known || memcmp(b->service->tip.hash, b->tip, 32) != 0)
		rpc_look(b->rpc);
	return true;
}

static void on_pause(evutil_socket_t fd, short what, void *user)
{
	struct ipc *b = user;

	(void)fd;
	(void)what;
	if (b->connected)
		wait_tip(b);
}

static void on_tip_changed(void *user, const struct capn_return *result)
{
	struct ipc *b = user;
	uint8_t old[32];

	if (!answered(b, NODE_Mining_waitTipChanged, result))
		return;
	memcpy(old, b->tip, 32);
	if (!take_tip(b, NODE_Mining_waitTipChanged, result)) {
		ipc_drop(b, "the node is shutting down");
		return;
	}
	if (memcmp(old, b->tip, 32) == 0 && clock_monotonic_ms() - b->wait_began_ms < WAIT_RUSH_MS)
		arm(b->pause, WAIT_PAUSE_MS);
	else
		wait_tip(b);
}

static void wait_tip(struct ipc *b)
{
	struct node_WaitTip params;

	node_defaults(NODE_Mining_waitTipChanged, &params);
	params.context.thread = b->wait_thread;
	params.currentTip = (struct capn_bytes){b->tip, 32};
	params.timeout = WAIT_MS;
	b->wait_began_ms = clock_monotonic_ms();
	(void)send_call(b, NODE_Mining_waitTipChanged, &params, WAIT_MS + b->timeout_ms,
			on_tip_changed, b);
}

/* --- is it the right node, and ready? -----------------------------------------------------------
 */

static void on_first_tip(void *user, const struct capn_return *result)
{
	struct ipc *b = user;

	if (!answered(b, NODE_Mining_getTip, result))
		return;
	if (!take_tip(b, NODE_Mining_getTip, result)) {
		tell(b, SERVICE_STARTING, "the node has no tip yet");
		arm(b->retry, READY_POLL_MS);
		return;
	}
	b->connected = true;
	b->service->initial_download = false;
	tell_connected(b);
	arm(b->beat, BEAT_MS);
	wait_tip(b);
	ipc_requests_resume(b);
}

static void on_download_tip(void *user, const struct capn_return *result)
{
	struct ipc *b = user;
	struct node_TipResult tip;
	char text[64];

	if (!answered(b, NODE_Mining_getTip, result))
		return;
	node_results(NODE_Mining_getTip, node_ipc_dialect(b->session), result, &tip);
	snprintf(text, sizeof(text), "initial block download, block %d",
		 tip.hasResult ? tip.result.height : 0);
	tell(b, SERVICE_INITIAL_DOWNLOAD, text);
	arm(b->retry, READY_POLL_MS);
}

static void on_download(void *user, const struct capn_return *result)
{
	struct ipc *b = user;
	struct node_BoolResult loading;

	if (!answered(b, NODE_Mining_isInitialBlockDownload, result))
		return;
	node_results(NODE_Mining_isInitialBlockDownload, node_ipc_dialect(b->session), result,
		     &loading);
	/* A regtest whose last block is old has nobody to wait for. */
	if (loading.result && strcmp(b->service->network, "regtest") != 0) {
		b->service->initial_download = true;
		ask_plain(b, NODE_Mining_getTip, on_download_tip);
	} else {
		ask_plain(b, NODE_Mining_getTip, on_first_tip);
	}
}

static bool take_thread(struct ipc *b, const struct capn_return *result, struct capn_cap **thread)
{
	struct node_CapResult made;

	if (!answered(b, NODE_ThreadMap_makeThread, result))
		return false;
	node_results(NODE_ThreadMap_makeThread, node_ipc_dialect(b->session), result, &made);
	*thread = made.result;
	if (made.result == NULL)
		ipc_drop(b, "%s: no thread", node_method_name(NODE_ThreadMap_makeThread));
	return made.result != NULL;
}

static void on_submit_thread(void *user, const struct capn_return *result)
{
	struct ipc *b = user;

	if (take_thread(b, result, &b->submit_thread))
		ask_plain(b, NODE_Mining_isInitialBlockDownload, on_download);
}

static void on_wait_thread(void *user, const struct capn_return *result)
{
	struct ipc *b = user;
	struct error e = {0};

	if (take_thread(b, result, &b->wait_thread) &&
	    node_ipc_make_thread(b->session, "adit-submit", on_submit_thread, b, &e) != ADIT_OK)
		ipc_drop(b, "%s", e.text);
}

static void on_test_chain(void *user, const struct capn_return *result)
{
	struct ipc *b = user;
	bool wanted = strcmp(b->service->network, "main") != 0;
	struct node_BoolResult test;
	struct error e = {0};
	char text[320];

	if (!answered(b, NODE_Mining_isTestChain, result))
		return;
	node_results(NODE_Mining_isTestChain, node_ipc_dialect(b->session), result, &test);
	if (test.result != wanted) {
		snprintf(text, sizeof(text), "the node at %s is on %s, but network = %s", b->path,
			 test.result ? "a test network" : "the main network", b->service->network);
		drop_as(b, SERVICE_FAILING, text);
	} else if (node_ipc_make_thread(b->session, "adit-wait", on_wait_thread, b, &e) !=
		   ADIT_OK) {
		ipc_drop(b, "%s", e.text);
	}
}

/* --- the session --------------------------------------------------------------------------------
 */

static void on_ready(void *user)
{
	struct ipc *b = user;

	if (b->down)
		return;
	service_log(b->service, ADIT_LOG_INFO, "bitcoin-ipc: connected to %s, which speaks %s",
		    b->path, node_dialect_name(node_ipc_dialect(b->session)));
	ask_plain(b, NODE_Mining_isTestChain, on_test_chain);
}

static void on_ended(void *user, const struct error *reason)
{
	ipc_drop(user, "%s", reason->text);
}

static const struct node_ipc_callbacks session_callbacks = {on_ready, on_ended};

static void explain(struct ipc *b, const struct error *e)
{
	if (e->code == ADIT_E_NOT_FOUND)
		ipc_drop(b,
			 "no socket %s: is the node running with -ipcbind=unix, and are network,"
			 " datadir and ipc_socket of [node] right?",
			 b->path);
	else if (e->code == ADIT_E_UNAVAILABLE)
		ipc_drop(b, "nobody listens on %s: the node is not running", b->path);
	else if (e->code == ADIT_E_PERMISSION_DENIED)
		ipc_drop(b,
			 "%s may not be opened: it is for the node's own user, as which aditd would"
			 " have to run",
			 b->path);
	else
		ipc_drop(b, "%s", e->text);
}

static void connect_node(struct ipc *b)
{
	struct stat st;
	struct error e = {0};

	b->down = false;
	b->opened_ms = clock_monotonic_ms();
	if (stat(b->path, &st) == 0) {
		b->device = st.st_dev;
		b->inode = st.st_ino;
	}
	b->session =
	    node_ipc_open(b->loop, b->path, "adit-node", b->timeout_ms, &session_callbacks, b, &e);
	if (b->session == NULL)
		explain(b, &e);
}

static void on_retry(evutil_socket_t fd, short what, void *user)
{
	struct ipc *b = user;

	(void)fd;
	(void)what;
	if (b->down || b->session == NULL) {
		close_session(b);
		connect_node(b);
	} else {
		ask_plain(b, NODE_Mining_isInitialBlockDownload, on_download);
	}
}

static void on_pulse(void *user, const struct capn_return *result)
{
	struct ipc *b = user;

	if (!answered(b, NODE_Mining_getTip, result))
		return;
	(void)take_tip(b, NODE_Mining_getTip, result);
	arm(b->beat, BEAT_MS);
}

static void on_beat(evutil_socket_t fd, short what, void *user)
{
	struct ipc *b = user;
	struct stat st;

	(void)fd;
	(void)what;
	if (stat(b->path, &st) == 0 && (st.st_dev != b->device || st.st_ino != b->inode))
		ipc_drop(b, "%s is another socket now: connecting to that", b->path);
	else
		ask_plain(b, NODE_Mining_getTip, on_pulse);
}

/* --- life cycle ---------------------------------------------------------------------------------
 */

static bool rpc_is_configured(struct service *s)
{
	return service_config(s, "rpc_url") != NULL || service_config(s, "rpc_datadir") != NULL ||
	       service_config(s, "rpc_cookie_file") != NULL ||
	       service_config(s, "rpc_user") != NULL;
}

static void ipc_free(struct ipc *b)
{
	struct event *events[] = {b->closer, b->retry, b->beat, b->pause};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	if (b->rpc != NULL)
		backend_rpc.close(b->rpc);
	free(b);
}

static int32_t configure(struct ipc *b, struct error *e)
{
	struct service *s = b->service;
	int32_t result;

	b->timeout_ms = (uint32_t)service_config_int(s, "ipc_timeout", 10000);
	result = node_ipc_path(s->network, service_config(s, "datadir"),
			       service_config(s, "ipc_socket"), b->path, sizeof(b->path), e);
	if (result == ADIT_OK && rpc_is_configured(s))
		result = backend_rpc.open(s, &b->rpc, e);
	else if (result == ADIT_OK)
		s->no_template =
		    "the backend bitcoin-ipc has no templates without RPC: let template-provider"
		    " take them itself (source = bitcoin-ipc), or set rpc_url or rpc_datadir in"
		    " [node]";
	return result;
}

static int32_t ipc_open(struct service *s, void **self, struct error *e)
{
	struct ipc *b = calloc(1, sizeof(*b));
	int32_t result;

	if (b == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	b->service = s;
	b->delay_ms = RETRY_MIN_MS;
	b->down = true;
	LIST_INIT(&b->requests);
	result = configure(b, e);
	if (result != ADIT_OK) {
		ipc_free(b);
		return result;
	}
	*self = b;
	return ADIT_OK;
}

static int32_t ipc_start(void *self, struct error *e)
{
	struct ipc *b = self;
	struct service *s = b->service;

	b->loop = s->api->loop(s->host, "libevent-2");
	if (b->loop == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED, "this host has no libevent loop");
	b->closer = event_new(b->loop, -1, 0, on_closer, b);
	b->retry = evtimer_new(b->loop, on_retry, b);
	b->beat = evtimer_new(b->loop, on_beat, b);
	b->pause = evtimer_new(b->loop, on_pause, b);
	if (b->closer == NULL || b->retry == NULL || b->beat == NULL || b->pause == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	service_log(s, ADIT_LOG_INFO, "node at %s, %s", b->path,
		    b->rpc != NULL ? "and by RPC" : "without RPC");
	arm(b->retry, 0);
	return b->rpc != NULL ? backend_rpc.start(b->rpc, e) : ADIT_OK;
}

static void ipc_close(void *self)
{
	struct ipc *b = self;

	b->closing = true;
	close_session(b);
	ipc_requests_cancel(b);
	ipc_free(b);
}

/* --- what only RPC can tell ---------------------------------------------------------------------
 */

static void ipc_get_block(void *self, const uint8_t hash[32], struct service_request *request)
{
	struct ipc *b = self;

	if (b->rpc != NULL)
		backend_rpc.get_block(b->rpc, hash, request);
	else
		service_failed(request, ADIT_E_UNSUPPORTED, NO_RPC);
}

static void ipc_get_block_by_height(void *self, uint32_t height, struct service_request *request)
{
	struct ipc *b = self;

	if (b->rpc != NULL)
		backend_rpc.get_block_by_height(b->rpc, height, request);
	else
		service_failed(request, ADIT_E_UNSUPPORTED, NO_RPC);
}

static void ipc_query(void *self, const struct query *query, struct service_request *request)
{
	struct ipc *b = self;

	if (b->rpc != NULL)
		backend_rpc.query(b->rpc, query, request);
	else
		service_failed(request, ADIT_E_UNSUPPORTED, NO_RPC);
}

const struct backend backend_ipc = {
    .name = "bitcoin-ipc",
    .open = ipc_open,
    .start = ipc_start,
    .close = ipc_close,
    .submit = ipc_submit,
    .get_block = ipc_get_block,
    .get_block_by_height = ipc_get_block_by_height,
    .get_transactions = ipc_get_transactions,
    .check_block = ipc_check_block,
    .query = ipc_query,
};
