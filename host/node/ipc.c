/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/ipc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/rpc.h"
#include "lib/util/clock.h"

#define WAIT_MS 30000u      /* for a tip, then it is asked again */
#define WAIT_RUSH_MS 50u    /* an answer without news that comes sooner ... */
#define WAIT_PAUSE_MS 1000u /* ... is followed by this pause */
#define RETRY_MAX_MS 5000u
#define NO_RPC                                                                                     \
	"the backend bitcoin-ipc can't tell this without RPC: set rpc_url or rpc_datadir in "      \
	"[node]"

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

	snprintf(text, sizeof(text), "%s, dialect %s", b->link.path,
		 node_dialect_name(node_ipc_dialect(b->link.session)));
	tell(b, SERVICE_READY, text);
}

/* --- calls --------------------------------------------------------------------------------------
 */

bool ipc_can(const struct ipc *b, enum node_method method)
{
	return b->connected && !b->link.down &&
	       node_method_ordinal(method, node_ipc_dialect(b->link.session)) >= 0;
}

bool ipc_ask(struct ipc *b, enum node_method method, const void *params, capn_return_fn *done,
	     void *user)
{
	return node_link_ask(&b->link, method, params, b->link.timeout_ms, done, user);
}

struct node_Context ipc_submit_context(const struct ipc *b)
{
	return (struct node_Context){.thread = b->link.submit_thread, .callbackThread = NULL};
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

	node_results(method, node_ipc_dialect(b->link.session), result, &r);
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

	if (!node_link_answered(&b->link, NODE_Mining_waitTipChanged, result))
		return;
	memcpy(old, b->tip, 32);
	if (!take_tip(b, NODE_Mining_waitTipChanged, result)) {
		node_link_drop(&b->link, "the node is shutting down");
		return;
	}
	if (memcmp(old, b->tip, 32) == 0 && clock_monotonic_ms() - b->wait_began_ms < WAIT_RUSH_MS)
		arm(b->pause, WAIT_PAUSE_MS);
	else
		wait_tip(b);
}

static void wait_tip(struct ipc *b)
{
	bool v30 = node_ipc_dialect(b->link.session) == NODE_V30;
	uint32_t wait = v30 ? NODE_LINK_V30_WAIT_MS : WAIT_MS;
	struct node_WaitTip params;

	node_defaults(NODE_Mining_waitTipChanged, &params);
	params.context.thread = b->link.wait_thread;
	params.currentTip = (struct capn_bytes){b->tip, 32};
	params.timeout = wait;
	b->wait_began_ms = clock_monotonic_ms();
	(void)node_link_ask(&b->link, NODE_Mining_waitTipChanged, &params,
			    wait + b->link.timeout_ms, on_tip_changed, b);
}

/* --- is it the right node, and ready? -----------------------------------------------------------
 */

static void on_first_tip(void *user, const struct capn_return *result)
{
	struct ipc *b = user;

	if (!node_link_answered(&b->link, NODE_Mining_getTip, result))
		return;
	if (!take_tip(b, NODE_Mining_getTip, result)) {
		tell(b, SERVICE_STARTING, "the node has no tip yet");
		node_link_ask_again(&b->link);
		return;
	}
	b->connected = true;
	b->service->initial_download = false;
	tell_connected(b);
	node_link_watch(&b->link);
	wait_tip(b);
	ipc_requests_resume(b);
}

static void on_download_tip(void *user, const struct capn_return *result)
{
	struct ipc *b = user;
	struct node_TipResult tip;
	char text[64];

	if (!node_link_answered(&b->link, NODE_Mining_getTip, result))
		return;
	node_results(NODE_Mining_getTip, node_ipc_dialect(b->link.session), result, &tip);
	snprintf(text, sizeof(text), "initial block download, block %d",
		 tip.hasResult ? tip.result.height : 0);
	tell(b, SERVICE_INITIAL_DOWNLOAD, text);
	node_link_ask_again(&b->link);
}

static void on_download(void *user, const struct capn_return *result)
{
	struct ipc *b = user;
	struct node_BoolResult loading;

	if (!node_link_answered(&b->link, NODE_Mining_isInitialBlockDownload, result))
		return;
	node_results(NODE_Mining_isInitialBlockDownload, node_ipc_dialect(b->link.session), result,
		     &loading);
	/* A regtest whose last block is old has nobody to wait for. */
	if (loading.result && strcmp(b->service->network, "regtest") != 0) {
		b->service->initial_download = true;
		node_link_ask_plain(&b->link, NODE_Mining_getTip, on_download_tip);
	} else {
		node_link_ask_plain(&b->link, NODE_Mining_getTip, on_first_tip);
	}
}

static void check(void *user)
{
	struct ipc *b = user;

	node_link_ask_plain(&b->link, NODE_Mining_isInitialBlockDownload, on_download);
}

/* --- the session --------------------------------------------------------------------------------
 */

static void on_opened(void *user, const char *text)
{
	struct ipc *b = user;

	service_log(b->service, ADIT_LOG_INFO, "bitcoin-ipc: %s", text);
}

static void on_pulse(void *user, const struct capn_return *result)
{
	(void)take_tip(user, NODE_Mining_getTip, result);
}

static void on_down(void *user, bool wrong_node, const char *text)
{
	struct ipc *b = user;

	b->connected = false;
	event_del(b->pause);
	tell(b, wrong_node ? SERVICE_FAILING : SERVICE_CONNECTING, text);
}

static void on_interrupted(void *user, const struct capn_return *result)
{
	(void)user;
	(void)result;
}

/* Ends waitTipChanged, where the node's version can. */
static void on_leaving(void *user)
{
	struct ipc *b = user;
	enum node_dialect dialect = node_ipc_dialect(b->link.session);
	struct node_Nothing none = {0};
	struct error e;

	if (node_ipc_mining(b->link.session) == NULL ||
	    node_method_ordinal(NODE_Mining_interrupt, dialect) < 0)
		return;
	(void)node_ipc_call(
	    b->link.session,
	    node_call_new(node_ipc_mining(b->link.session), NODE_Mining_interrupt, dialect, &none),
	    b->link.timeout_ms, on_interrupted, NULL, &e);
}

static const struct node_link_type link_type = {
    .name = "adit-node",
    .where = "datadir and ipc_socket of [node]",
    .runs_as = "as which aditd would have to run",
    .retry_max_ms = RETRY_MAX_MS,
    .opened = on_opened,
    .check = check,
    .pulse = on_pulse,
    .down = on_down,
    .leaving = on_leaving,
};

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
	if (b->pause != NULL)
		event_free(b->pause);
	if (b->rpc != NULL)
		backend_rpc.close(b->rpc);
	free(b);
}

static int32_t configure(struct ipc *b, struct error *e)
{
	struct service *s = b->service;
	int32_t result;

	b->link.timeout_ms = (uint32_t)service_config_int(s, "ipc_timeout", 10000);
	result =
	    node_ipc_path(s->network, service_config(s, "datadir"), service_config(s, "ipc_socket"),
			  b->link.path, sizeof(b->link.path), e);
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
	b->link.network = s->network;
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
	struct event_base *loop = s->api->loop(s->host, "libevent-2");
	int32_t result;

	if (loop == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED, "this host has no libevent loop");
	b->pause = evtimer_new(loop, on_pause, b);
	if (b->pause == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	service_log(s, ADIT_LOG_INFO, "node at %s, %s", b->link.path,
		    b->rpc != NULL ? "and by RPC" : "without RPC");
	result = node_link_start(&b->link, &link_type, loop, b, e);
	if (result != ADIT_OK)
		return result;
	return b->rpc != NULL ? backend_rpc.start(b->rpc, e) : ADIT_OK;
}

static void ipc_close(void *self)
{
	struct ipc *b = self;

	b->closing = true;
	b->connected = false;
	node_link_close(&b->link);
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
