/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/ipc_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MAX_MS 2000u

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

/* --- is the node ready? -------------------------------------------------------------------------
 */

static void on_download_tip(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;
	struct node_TipResult tip;

	if (!node_link_answered(&s->link, NODE_Mining_getTip, result))
		return;
	node_results(NODE_Mining_getTip, node_ipc_dialect(s->link.session), result, &tip);
	char text[64];

	snprintf(text, sizeof(text), "initial block download: height %d",
		 tip.hasResult ? tip.result.height : 0);
	set_state(s, text);
	node_link_ask_again(&s->link);
}

static void on_download(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;
	struct node_BoolResult loading;

	if (!node_link_answered(&s->link, NODE_Mining_isInitialBlockDownload, result))
		return;
	node_results(NODE_Mining_isInitialBlockDownload, node_ipc_dialect(s->link.session), result,
		     &loading);
	if (loading.result) {
		node_link_ask_plain(&s->link, NODE_Mining_getTip, on_download_tip);
		return;
	}
	node_link_watch(&s->link);
	ipc_feed_start(s);
}

/* A regtest whose last block is old has nobody else to wait for. */
static void check(void *user)
{
	struct ipc_source *s = user;

	ipc_blocks_send(s);
	if (s->link.down)
		return;
	if (strcmp(s->network, "regtest") != 0) {
		node_link_ask_plain(&s->link, NODE_Mining_isInitialBlockDownload, on_download);
		return;
	}
	node_link_watch(&s->link);
	ipc_feed_start(s);
}

/* --- pulse --------------------------------------------------------------------------------------
 */

/* waitNext is to tell of each tip; a node in which it has got stuck shows it here. */
static void on_pulse(void *user, const struct capn_return *result)
{
	struct ipc_source *s = user;
	struct node_TipResult tip;

	node_results(NODE_Mining_getTip, node_ipc_dialect(s->link.session), result, &tip);
	if (!s->has_tip || s->fetch != NULL || !tip.hasResult ||
	    tip.result.hash.size != sizeof(s->tip) ||
	    memcmp(tip.result.hash.data, s->tip, sizeof(s->tip)) == 0)
		s->missed = 0;
	else if (++s->missed == 2)
		node_link_drop(&s->link, "%s did not tell of a new tip",
			       node_method_name(NODE_BlockTemplate_waitNext));
}

/* --- the session --------------------------------------------------------------------------------
 */

static void on_opened(void *user, const char *text)
{
	struct ipc_source *s = user;
	int dialect = (int)node_ipc_dialect(s->link.session);

	/* A node that is tried again and again says it once. */
	tp_log(s->head.host, s->known_dialect == dialect ? ADIT_LOG_DEBUG : ADIT_LOG_INFO,
	       "bitcoin-ipc: %s", text);
	s->known_dialect = dialect;
}

static void on_down(void *user, bool wrong_node, const char *text)
{
	struct ipc_source *s = user;

	(void)wrong_node;
	event_del(s->pace);
	set_state(s, text);
}

static void on_leaving(void *user)
{
	ipc_feed_interrupt(user);
}

static void on_closed(void *user)
{
	ipc_feed_stop(user);
}

static const struct node_link_type link_type = {
    .name = "adit",
    .where = "datadir and socket",
    .runs_as = "which this role would have to run as",
    .retry_max_ms = RETRY_MAX_MS,
    .opened = on_opened,
    .check = check,
    .pulse = on_pulse,
    .down = on_down,
    .leaving = on_leaving,
    .closed = on_closed,
};

static void on_pace(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	ipc_feed_wait(user);
}

static void on_mail(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	ipc_blocks_send(user);
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
	s->link.network = s->network;
	s->link.timeout_ms = (uint32_t)timeout;
	return node_ipc_path(network, h->api->config(h->handle, "datadir"),
			     h->api->config(h->handle, "socket"), s->link.path,
			     sizeof(s->link.path), e);
}

static bool ipc_is_busy(const struct tp_source *source)
{
	return ipc_blocks_wait((const struct ipc_source *)source);
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

	node_link_close(&s->link);
	ipc_blocks_end(s);
	ipc_templates_detach(s);
	if (s->pace != NULL)
		event_free(s->pace);
	if (s->mail != NULL)
		event_free(s->mail);
	free(s);
}

static struct tp_source *ipc_open(const struct tp_source *head, struct error *e)
{
	struct ipc_source *s = calloc(1, sizeof(*s));
	struct event_base *loop;

	if (s == NULL) {
		error_set(e, ADIT_E_NO_MEMORY, "no memory for a source");
		return NULL;
	}
	s->head = *head;
	s->known_dialect = -1;
	LIST_INIT(&s->templates);
	TAILQ_INIT(&s->blocks);
	if (configure(s, head->host, e) != ADIT_OK) {
		free(s);
		return NULL;
	}
	loop = head->host->api->loop(head->host->handle, "libevent-2");
	s->pace = evtimer_new(loop, on_pace, s);
	s->mail = event_new(loop, -1, 0, on_mail, s);
	if (s->pace == NULL || s->mail == NULL ||
	    node_link_start(&s->link, &link_type, loop, s, e) != ADIT_OK) {
		error_set(e, ADIT_E_NO_MEMORY, "no memory for a source");
		ipc_close(&s->head);
		return NULL;
	}
	return &s->head;
}

const struct tp_source_type tp_ipc_source = {
    .name = "bitcoin-ipc",
    .check = ipc_check,
    .open = ipc_open,
    .close = ipc_close,
    .submit = ipc_block_submit,
    .is_busy = ipc_is_busy,
};
