/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/service.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/clock.h"
#include "lib/util/hex.h"

void service_log(struct service *s, int32_t level, const char *format, ...)
{
	char line[512];
	va_list args;
	int size;

	if (!s->api->log_enabled(s->host, level))
		return;
	va_start(args, format);
	size = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (size < 0)
		return;
	/* What a node says may hold anything; a log line is one line. */
	for (char *c = line; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	s->api->log(s->host, level, line, strlen(line));
}

const char *service_config(struct service *s, const char *key)
{
	const char *value = s->api->config(s->host, key);

	return value != NULL && *value != '\0' ? value : NULL;
}

int64_t service_config_int(struct service *s, const char *key, int64_t absent)
{
	int64_t value;

	return s->api->config_int(s->host, key, &value) == ADIT_OK ? value : absent;
}

const char *service_state_name(enum service_state state)
{
	static const char *const names[] = {"connecting", "starting", "initial-download", "ready",
					    "failing"};

	return names[state];
}

/* --- events -------------------------------------------------------------------------------------
 */

static void publish(struct service *s, const char *type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void publish(struct service *s, const char *type, const char *format, ...)
{
	char json[512];
	va_list args;
	int size;
	int32_t result;

	va_start(args, format);
	size = vsnprintf(json, sizeof(json), format, args);
	va_end(args);
	if (size < 0 || (size_t)size >= sizeof(json))
		return;
	result = s->api->publish(s->host, type, json, (size_t)size, NULL, 0);
	if (result != ADIT_OK)
		service_log(s, ADIT_LOG_WARNING, "event %s: %s", type, adit_error_name(result));
}

static bool wanted(struct service *s, const char *type)
{
	return s->api->event_wanted(s->host, type);
}

/* The line in `aditctl status`. */
static void show_status(struct service *s)
{
	char line[512];

	if (s->state == SERVICE_READY && s->tip_known)
		snprintf(line, sizeof(line), "%s, height %u%s%s", s->backend->name, s->tip.height,
			 s->detail[0] != '\0' ? ", " : "", s->detail);
	else
		snprintf(line, sizeof(line), "%s: %s%s%s", s->backend->name,
			 service_state_name(s->state), s->detail[0] != '\0' ? ": " : "", s->detail);
	s->api->status(s->host, line);
}

void service_set_state(struct service *s, enum service_state state, const char *detail)
{
	enum service_state old = s->state;
	bool same_detail = strncmp(s->detail, detail, sizeof(s->detail) - 1) == 0;

	if (state == old && same_detail)
		return;
	s->state = state;
	snprintf(s->detail, sizeof(s->detail), "%s", detail);
	show_status(s);
	if (state != old || state != SERVICE_INITIAL_DOWNLOAD)
		service_log(s, state == SERVICE_FAILING ? ADIT_LOG_WARNING : ADIT_LOG_INFO,
			    "%s%s%s", service_state_name(state), *detail != '\0' ? ": " : "",
			    detail);
	if (state != old && wanted(s, "SyncStateChanged"))
		publish(s, "SyncStateChanged", "{\"old_state\":\"%s\",\"new_state\":\"%s\"}",
			service_state_name(old), service_state_name(state));
}

void service_set_tip(struct service *s, const struct service_tip *tip)
{
	s->tip = *tip;
	s->tip_known = true;
	show_status(s);
}

void service_block_connected(struct service *s, const struct service_tip *tip)
{
	char hash[65];

	service_set_tip(s, tip);
	hex_encode_reversed(tip->hash, 32, hash);
	service_log(s, ADIT_LOG_DEBUG, "block %s at height %u", hash, tip->height);
	if (wanted(s, "NewBlock"))
		publish(s, "NewBlock", "{\"block_hash\":\"%s\",\"height\":%u}", hash, tip->height);
}

void service_block_disconnected(struct service *s, const uint8_t hash[32], uint32_t height)
{
	char text[65];

	hex_encode_reversed(hash, 32, text);
	service_log(s, ADIT_LOG_INFO, "block %s at height %u left the best chain", text, height);
	if (wanted(s, "BlockDisconnected"))
		publish(s, "BlockDisconnected", "{\"hash\":\"%s\",\"height\":%u}", text, height);
}

void service_reorganised(struct service *s, const uint8_t old_tip[32], const uint8_t new_tip[32])
{
	char old_text[65];
	char new_text[65];

	hex_encode_reversed(old_tip, 32, old_text);
	hex_encode_reversed(new_tip, 32, new_text);
	service_log(s, ADIT_LOG_INFO, "reorganisation from %s to %s", old_text, new_text);
	if (wanted(s, "ChainReorg"))
		publish(s, "ChainReorg", "{\"old_tip\":\"%s\",\"new_tip\":\"%s\"}", old_text,
			new_text);
}

void service_transaction_seen(struct service *s, const uint8_t txid[32])
{
	char text[65];

	if (!wanted(s, "NewTransaction"))
		return;
	hex_encode_reversed(txid, 32, text);
	publish(s, "NewTransaction", "{\"tx_hash\":\"%s\"}", text);
}

/* ",\"skipped\":7", or nothing. */
static void take_skipped(uint64_t *skipped, char out[40])
{
	out[0] = '\0';
	if (*skipped > 0)
		snprintf(out, 40, ",\"skipped\":%" PRIu64, *skipped);
	*skipped = 0;
}

void service_transaction_added(struct service *s, const uint8_t txid[32], double fee_rate,
			       uint64_t *skipped)
{
	char text[65];
	char more[40];

	if (!wanted(s, "MempoolTransactionAdded"))
		return;
	hex_encode_reversed(txid, 32, text);
	take_skipped(skipped, more);
	publish(s, "MempoolTransactionAdded",
		"{\"tx_hash\":\"%s\",\"fee_rate\":%.3f,\"mempool_size\":%" PRIu64 "%s}", text,
		fee_rate, s->mempool_tx, more);
}

void service_transaction_left(struct service *s, const uint8_t txid[32], const char *reason,
			      uint64_t *skipped)
{
	char text[65];
	char more[40];

	if (!wanted(s, "MempoolTransactionRemoved"))
		return;
	hex_encode_reversed(txid, 32, text);
	take_skipped(skipped, more);
	publish(s, "MempoolTransactionRemoved",
		"{\"tx_hash\":\"%s\",\"reason\":\"%s\",\"mempool_size\":%" PRIu64 "%s}", text,
		reason, s->mempool_tx, more);
}

void service_lacks(struct service *s, const char *method)
{
	for (size_t i = 0; i < s->missing_count; i++)
		if (strcmp(s->missing[i], method) == 0)
			return;
	if (s->missing_count == SERVICE_MAX_MISSING)
		return;
	s->missing[s->missing_count++] = method;
	service_log(s, ADIT_LOG_INFO, "the node has no %s", method);
}

/* Numbers begin at the clock, so that a restarted service never uses one again. */
static uint64_t next_template_id(struct service *s)
{
	if (s->template_id == 0)
		s->template_id = clock_unix_ms();
	return ++s->template_id;
}

/* With a new tip goes all that an empty block on it needs: a full template takes a while to be
 * asked for, written, moved and read. */
static void publish_template(struct service *s, const struct node_template *t, bool new_tip)
{
	struct buf json = {0};
	char prev_hash[65];
	int32_t result = ADIT_E_NO_MEMORY;

	hex_encode_reversed(t->prev_hash, 32, prev_hash);
	buf_printf(&json,
		   "{\"prev_hash\":\"%s\",\"height\":%u,\"tx_count\":%zu,\"id\":%" PRIu64
		   ",\"new_tip\":%s",
		   prev_hash, t->height, t->tx_count, t->id, new_tip ? "true" : "false");
	if (new_tip) {
		buf_printf(&json, ",\"empty\":");
		(void)template_empty_json(t, &json);
	}
	buf_printf(&json, "}");
	if (!json.failed)
		result = s->api->publish(s->host, "BlockTemplateUpdated", (const char *)json.data,
					 json.size, NULL, 0);
	if (result != ADIT_OK)
		service_log(s, ADIT_LOG_WARNING, "event BlockTemplateUpdated: %s",
			    adit_error_name(result));
	buf_free(&json);
}

void service_set_template(struct service *s, struct node_template *t)
{
	bool new_tip = s->template == NULL || memcmp(s->template->prev_hash, t->prev_hash, 32) != 0;

	if (s->template != NULL && template_same(s->template, t)) {
		template_free(t);
		return;
	}
	template_free(s->template);
	s->template = t;
	t->id = next_template_id(s);
	if (wanted(s, "BlockTemplateUpdated"))
		publish_template(s, t, new_tip);
}

/* --- requests -----------------------------------------------------------------------------------
 */

static void request_free(struct service_request *r)
{
	struct service_request **at = &r->service->requests;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->service->request_count--;
	free(r);
}

/* True the first time that a block of our own is seen as accepted. */
static bool own_block_is_new(struct service *s, const uint8_t hash[32])
{
	size_t kept =
	    s->own_blocks_count < SERVICE_OWN_BLOCKS ? s->own_blocks_count : SERVICE_OWN_BLOCKS;

	for (size_t i = 0; i < kept; i++)
		if (memcmp(s->own_blocks[i], hash, 32) == 0)
			return false;
	memcpy(s->own_blocks[s->own_blocks_count++ % SERVICE_OWN_BLOCKS], hash, 32);
	return true;
}

static void submission_accepted(struct service *s, const uint8_t hash[32], const char *hash_text,
				uint32_t height)
{
	if (!own_block_is_new(s, hash))
		return;
	s->accepted++;
	service_log(s, ADIT_LOG_INFO, "block %s accepted at height %u", hash_text, height);
	if (wanted(s, "BlockMined"))
		publish(s, "BlockMined", "{\"block_hash\":\"%s\",\"height\":%u,\"miner_id\":null}",
			hash_text, height);
}

void service_submitted(struct service_request *r, const char *reason, bool duplicate,
		       uint32_t height)
{
	struct service *s = r->service;
	char hash[65];
	char clean[128];
	char json[320];

	hex_encode_reversed(r->hash, 32, hash);
	if (reason == NULL) {
		if (!r->foreign)
			submission_accepted(s, r->hash, hash, height);
		snprintf(json, sizeof(json), "{\"accepted\":true,%s\"hash\":\"%s\",\"height\":%u}",
			 duplicate ? "\"duplicate\":true," : "", hash, height);
	} else {
		service_clean_reason(reason, clean, sizeof(clean));
		if (!r->foreign)
			s->rejected++;
		service_log(s, ADIT_LOG_WARNING, "block %s refused: %s", hash, clean);
		snprintf(json, sizeof(json),
			 "{\"accepted\":false,\"hash\":\"%s\",\"reason\":\"%s\"}", hash, clean);
	}
	s->api->reply(s->host, r->request, ADIT_OK, NULL, json, strlen(json), NULL, 0);
	request_free(r);
}

void service_block_found(struct service_request *r, const uint8_t hash[32], uint32_t height,
			 uint64_t confirmations, const uint8_t *block, size_t size)
{
	struct service *s = r->service;
	char text[65];
	char json[256];

	hex_encode_reversed(hash, 32, text);
	snprintf(json, sizeof(json),
		 "{\"hash\":\"%s\",\"height\":%u,\"confirmations\":%" PRIu64 "}", text, height,
		 confirmations);
	s->api->reply(s->host, r->request, ADIT_OK, NULL, json, strlen(json), block, size);
	request_free(r);
}

void service_answer_with(struct service_request *r, const char *json, size_t size,
			 const void *attachment, size_t attachment_size)
{
	struct service *s = r->service;

	s->api->reply(s->host, r->request, ADIT_OK, NULL, json, size, attachment, attachment_size);
	request_free(r);
}

void service_answer(struct service_request *r, const char *json, size_t size)
{
	service_answer_with(r, json, size, NULL, 0);
}

void service_failed(struct service_request *r, int32_t error, const char *message)
{
	struct service *s = r->service;

	s->api->reply(s->host, r->request, error, message, NULL, 0, NULL, 0);
	request_free(r);
}
