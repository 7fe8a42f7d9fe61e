/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/ipc_source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util/clock.h"

#define RETRY_MIN_MS 250u
#define RETRY_MAX_MS 2000u
#define PATIENCE_MS 10000u /* a session that lasted longer begins with a short pause again */
#define BEAT_MS 5000u
#define READY_POLL_MS 1000u

static void connect_node(struct ipc_source *s);
static void ask_ready(struct ipc_source *s);

static void arm(struct event *e, uint32_t ms)
{
	struct timeval after = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	event_add(e, &after);
}

/* --- state --------------------------------------------------------------------------------------
 */

static void set_state(struct ipc_source *s, const char *text)
{
	if (s->told && strncmp(s->state, text, sizeof(s->state) - 1) == 0)
		return;
	s->told = true;
	snprintf(s->state, sizeof(s->state), "%s", text);
	s->head.callbacks->state(s->head.user, s->state);
}

void ipc_is_well(struct ipc_source *s)
{
	set_state(s, "");
}

void ipc_drop(struct ipc_source *s, const char *format, ...)
{
	char text[256];
	va_list args;

	if (s->down)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	s->down = true;
	event_del(s->beat);
	event_del(s->pace);
	event_active(s->closer, EV_TIMEOUT, 0);
	if (clock_monotonic_ms() - s->opened_ms > PATIENCE_MS && s->session != NULL)
		s->delay_ms = RETRY_MIN_MS;
	arm(s->retry, s->delay_ms);
	s->delay_ms = s->delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : s->delay_ms * 2;
	set_state(s, text);
}

static void close_session(struct ipc_source *s)
{
	struct node_ipc *session = s->session;

	s->down = true;
	/* Until node_ipc_close() returns it answers calls, and what they answer to looks at it. */
	if (session != NULL)
		node_ipc_close(session);
	s->session = NULL;
	ipc_feed_stop(s);
	capn_cap_unref(s->wait_thread);
	capn_cap_unref(s->submit_thread);
	s->wait_thread = s->submit_thread = NULL;
}

static void on_closer(evutil_socket_t fd, short what, void *user)
{
	struct ipc_source *s = user;

	(void)fd;
	(void)what;
	if (s->down)
		close_session(s);
}

/* --- calls --------------------------------------------------------------------------------------
 */

bool ipc_ask(struct ipc_source *s, struct capn_call *call, uint32_t timeout_ms,
	     capn_return_fn *done, void *user)
{
	struct error e;

	if (node_ipc_call(s->session, call, timeout_ms, done, user, &e) == ADIT_OK)
		return true;
	ipc_drop(s, "%s", e.text);
	return false;
}

bool ipc_answered(struct ipc_source *s, enum node_method method, const struct capn_return *result)
{
	if (s->down)
		return false;
	if (result->ok)
		return true;
	if (result->type == CAPN_DISCONNECTED)
		ipc_drop(s, "%s", result->reason);
	else
		ipc_drop(s, "%s: %s", node_method_name(method), result->reason);
	return false;
}

static struct capn_call *call_of_mining(const struct ipc_source *s, enum node_method method)
{
	struct node_OnlyContext params = {node_ipc_context(s->session)};

	return node_call_new(node_ipc_mining(s->session), method, node_ipc_dialect(s->session),
			     &params);
}

/* --- is it the right node, and ready? -----------------------------------------------------------
 */

static void on_download_tip(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;
	struct node_TipResult tip;

	if (!ipc_answered(s, NODE_Mining_getTip, result))
		return;
	node_results(NODE_Mining_getTip, node_ipc_dialect(s->session), result, &tip);
	char text[64];

	snprintf(text, sizeof(text), "initial block download: height %d",
		 tip.hasResult ? tip.result.height : 0);
	set_state(s, text);
	arm(s->retry, READY_POLL_MS);
}

static void on_download(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;
	struct node_BoolResult loading;

	if (!ipc_answered(s, NODE_Mining_isInitialBlockDownload, result))
		return;
	node_results(NODE_Mining_isInitialBlockDownload, node_ipc_dialect(s->session), result,
		     &loading);
	if (loading.result) {
		ipc_ask(s, call_of_mining(s, NODE_Mining_getTip), s->timeout_ms, on_download_tip,
			s);
		return;
	}
	arm(s->beat, BEAT_MS);
	ipc_feed_start(s);
}

/* A regtest whose last block is old has nobody else to wait for. */
static void ask_ready(struct ipc_source *s)
{
	if (strcmp(s->network, "regtest") != 0) {
		ipc_ask(s, call_of_mining(s, NODE_Mining_isInitialBlockDownload), s->timeout_ms,
			on_download, s);
		return;
	}
	arm(s->beat, BEAT_MS);
	ipc_feed_start(s);
}

static bool take_thread(struct ipc_source *s, const struct capn_return *result,
			struct capn_cap **thread)
{
	struct node_CapResult made;

	if (!ipc_answered(s, NODE_ThreadMap_makeThread, result))
		return false;
	node_results(NODE_ThreadMap_makeThread, node_ipc_dialect(s->session), result, &made);
	*thread = made.result;
	if (made.result == NULL)
		ipc_drop(s, "%s: no thread", node_method_name(NODE_ThreadMap_makeThread));
	return made.result != NULL;
}

static void on_submit_thread(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;

	if (take_thread(s, result, &s->submit_thread))
		ask_ready(s);
}

static void on_wait_thread(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;
	struct error e;

	if (take_thread(s, result, &s->wait_thread) &&
	    node_ipc_make_thread(s->session, "adit-submit", on_submit_thread, s, &e) != ADIT_OK)
		ipc_drop(s, "%s", e.text);
}

static void on_test_chain(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;
	bool wanted = strcmp(s->network, "main") != 0;
	struct node_BoolResult test;
	struct error e;

	if (!ipc_answered(s, NODE_Mining_isTestChain, result))
		return;
	node_results(NODE_Mining_isTestChain, node_ipc_dialect(s->session), result, &test);
	if (test.result != wanted)
		ipc_drop(s, "the node at %s is on %s, but network = %s", s->path,
			 test.result ? "a test network" : "the main network", s->network);
	else if (node_ipc_make_thread(s->session, "adit-wait", on_wait_thread, s, &e) != ADIT_OK)
		ipc_drop(s, "%s", e.text);
}

/* --- the session --------------------------------------------------------------------------------
 */

static void on_ready(void *user)
{
	struct ipc_source *s = user;
	enum node_dialect dialect;

	if (s->down)
		return;
	/* A node that is tried again and again says it once. */
	dialect = node_ipc_dialect(s->session);
	tp_log(s->head.host, s->known_dialect == (int)dialect ? ADIT_LOG_DEBUG : ADIT_LOG_INFO,
	       "bitcoin-ipc: connected to %s, which speaks %s", s->path,
	       node_dialect_name(dialect));
	s->known_dialect = (int)dialect;
	ipc_ask(s, call_of_mining(s, NODE_Mining_isTestChain), s->timeout_ms, on_test_chain, s);
}

static void on_ended(void *user, const struct error *reason)
{
	ipc_drop(user, "%s", reason->text);
}

static const struct node_ipc_callbacks session_callbacks = {on_ready, on_ended};

static void explain(struct ipc_source *s, const struct error *e)
{
	if (e->code == ADIT_E_NOT_FOUND)
		ipc_drop(s,
			 "no socket %s: is the node running with -ipcbind=unix, and are network, "
			 "datadir and socket right?",
			 s->path);
	else if (e->code == ADIT_E_UNAVAILABLE)
		ipc_drop(s, "nobody listens on %s: the node is not running", s->path);
	else if (e->code == ADIT_E_PERMISSION_DENIED)
		ipc_drop(s,
			 "%s may not be opened: it is for the node's own user, which this role "
			 "would have to run as",
			 s->path);
	else
		ipc_drop(s, "%s", e->text);
}

static void connect_node(struct ipc_source *s)
{
	struct stat st;
	struct error e;

	s->down = false;
	s->session_number++;
	s->opened_ms = clock_monotonic_ms();
	if (stat(s->path, &st) == 0) {
		s->device = st.st_dev;
		s->inode = st.st_ino;
	}
	s->session =
	    node_ipc_open(s->loop, s->path, "adit", s->timeout_ms, &session_callbacks, s, &e);
	if (s->session == NULL)
		explain(s, &e);
}

static void on_retry(evutil_socket_t fd, short what, void *user)
{
	struct ipc_source *s = user;

	(void)fd;
	(void)what;
	if (s->down || s->session == NULL) {
		close_session(s);
		connect_node(s);
	} else {
		ask_ready(s);
	}
}

/* --- pulse --------------------------------------------------------------------------------------
 */

/* waitNext is to tell of each tip; a node in which it has got stuck shows it here. */
static void on_pulse(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;
	struct node_TipResult tip;

	if (!ipc_answered(s, NODE_Mining_getTip, result))
		return;
	node_results(NODE_Mining_getTip, node_ipc_dialect(s->session), result, &tip);
	arm(s->beat, BEAT_MS);
	if (!s->has_tip || s->fetch != NULL || !tip.hasResult ||
	    tip.result.hash.size != sizeof(s->tip) ||
	    memcmp(tip.result.hash.data, s->tip, sizeof(s->tip)) == 0)
		s->missed = 0;
	else if (++s->missed == 2)
		ipc_drop(s, "%s did not tell of a new tip",
			 node_method_name(NODE_BlockTemplate_waitNext));
}

static void on_beat(evutil_socket_t fd, short what, void *user)
{
	struct ipc_source *s = user;
	struct stat st;

	(void)fd;
	(void)what;
	if (stat(s->path, &st) == 0 && (st.st_dev != s->device || st.st_ino != s->inode)) {
		ipc_drop(s, "%s is another socket now: connecting to that", s->path);
		return;
	}
	ipc_ask(s, call_of_mining(s, NODE_Mining_getTip), s->timeout_ms, on_pulse, s);
}

static void on_pace(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	ipc_feed_wait(user);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static int32_t configure(struct ipc_source *s, const struct tp_host *h, struct error *e)
{
	struct adit_instance_info info = {.size = sizeof(info)};
	const char *network = h->api->config(h->handle, "network");
	int64_t timeout;

	if (network == NULL && h->api->info(h->handle, &info) == ADIT_OK)
		network = info.network;
	if (network == NULL || strlen(network) >= sizeof(s->network))
		return error_set(e, ADIT_E_CONFIG, "network: no value");
	if (h->api->config_int(h->handle, "node_timeout", &timeout) != ADIT_OK)
		return error_set(e, ADIT_E_CONFIG, "node_timeout: no value");
	strcpy(s->network, network);
	s->timeout_ms = (uint32_t)timeout;
	return node_ipc_path(network, h->api->config(h->handle, "datadir"),
			     h->api->config(h->handle, "socket"), s->path, sizeof(s->path), e);
}

static int32_t ipc_check(const struct tp_host *host, struct error *e)
{
	struct ipc_source s;

	if (host->api->loop(host->handle, "libevent-2") == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED, "the host's loop is not libevent 2");
	return configure(&s, host, e);
}

static void ipc_close(struct tp_source *source)
{
	struct ipc_source *s = (struct ipc_source *)source;
	struct event *events[] = {s->closer, s->retry, s->beat, s->pace};

	close_session(s);
	ipc_templates_detach(s);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i] != NULL)
			event_free(events[i]);
	}
	free(s);
}

static struct tp_source *ipc_open(const struct tp_source *head, struct error *e)
{
	struct ipc_source *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		error_set(e, ADIT_E_NO_MEMORY, "no memory for a source");
		return NULL;
	}
	s->head = *head;
	s->delay_ms = RETRY_MIN_MS;
	s->down = true;
	s->known_dialect = -1;
	LIST_INIT(&s->templates);
	if (configure(s, head->host, e) != ADIT_OK) {
		free(s);
		return NULL;
	}
	s->loop = head->host->api->loop(head->host->handle, "libevent-2");
	s->closer = event_new(s->loop, -1, 0, on_closer, s);
	s->retry = evtimer_new(s->loop, on_retry, s);
	s->beat = evtimer_new(s->loop, on_beat, s);
	s->pace = evtimer_new(s->loop, on_pace, s);
	if (s->closer == NULL || s->retry == NULL || s->beat == NULL || s->pace == NULL) {
		error_set(e, ADIT_E_NO_MEMORY, "no memory for a source");
		ipc_close(&s->head);
		return NULL;
	}
	arm(s->retry, 0);
	return &s->head;
}

const struct tp_source_type tp_ipc_source = {
    .name = "bitcoin-ipc",
    .check = ipc_check,
    .open = ipc_open,
    .close = ipc_close,
};
