/* SPDX-License-Identifier: MIT */
/* Answers of NodeAPI that several backends give. */
#include "config.h"

#include "host/node/service.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/buf.h"
#include "lib/util/hex.h"

void service_header_found(struct service_request *r, const uint8_t header[80], uint32_t height,
			  uint64_t confirmations)
{
	struct block_header h;
	uint8_t hash[32];
	char hash_text[65];
	char prev_text[65];
	char root_text[65];
	char json[512];
	int size;

	sha256d_header(header, hash);
	block_header_read(header, &h);
	hex_encode_reversed(hash, 32, hash_text);
	hex_encode_reversed(h.prev_hash, 32, prev_text);
	hex_encode_reversed(h.merkle_root, 32, root_text);
	size = snprintf(json, sizeof(json),
			"{\"hash\":\"%s\",\"height\":%u,\"confirmations\":%" PRIu64
			",\"version\":%u,\"prev_hash\":\"%s\",\"merkle_root\":\"%s\",\"time\":%u,"
			"\"bits\":\"%08x\",\"nonce\":%u}",
			hash_text, height, confirmations, h.version, prev_text, root_text, h.time,
			h.nbits, h.nonce);
	service_answer_with(r, json, (size_t)size, header, 80);
}

/* Reasons come from a node: only what a reason can consist of goes into JSON. */
void service_clean_reason(const char *reason, char *out, size_t capacity)
{
	size_t n = 0;

	for (; *reason != '\0' && n + 1 < capacity; reason++)
		if (*reason >= 0x20 && *reason < 0x7f && *reason != '"' && *reason != '\\')
			out[n++] = *reason;
	out[n] = '\0';
}

void service_checked(struct service_request *r, const char *reason)
{
	char clean[128];
	char json[192];
	int size;

	if (reason == NULL) {
		service_answer(r, "{\"valid\":true}", strlen("{\"valid\":true}"));
		return;
	}
	service_clean_reason(reason, clean, sizeof(clean));
	size = snprintf(json, sizeof(json), "{\"valid\":false,\"reason\":\"%s\"}", clean);
	service_answer(r, json, (size_t)size);
}

void service_transaction_found(struct service_request *r, const uint8_t txid[32],
			       const uint8_t *raw, size_t size, const char *extra)
{
	struct reader reader;
	struct tx tx;
	uint8_t hash[32];
	char txid_text[65];
	char wtxid_text[65];
	char json[1024];
	int length;

	reader_init(&reader, raw, size);
	if (!tx_parse(&reader, &tx) || reader_left(&reader) != 0) {
		service_failed(r, ADIT_E_PROTOCOL, "the node's answer is not a transaction");
		return;
	}
	tx_txid(&tx, hash);
	if (memcmp(hash, txid, 32) != 0) {
		service_failed(r, ADIT_E_PROTOCOL, "the node's answer is another transaction");
		return;
	}
	hex_encode_reversed(hash, 32, txid_text);
	tx_wtxid(&tx, hash);
	hex_encode_reversed(hash, 32, wtxid_text);
	length =
	    snprintf(json, sizeof(json),
		     "{\"txid\":\"%s\",\"wtxid\":\"%s\",\"size\":%zu,\"weight\":%" PRIu64 "%s}",
		     txid_text, wtxid_text, size, tx_weight(&tx), extra);
	if (length < 0 || (size_t)length >= sizeof(json))
		service_failed(r, ADIT_E_PROTOCOL, "the node's answer is too long");
	else
		service_answer_with(r, json, (size_t)length, raw, size);
}

void service_transactions(struct service_request *r, size_t count, size_t found,
			  const struct buf *data)
{
	char json[64];
	int size = snprintf(json, sizeof(json), "{\"count\":%zu,\"found\":%zu}", count, found);

	service_answer_with(r, json, (size_t)size, data->data, data->size);
}
