/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/tp_conn.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static int32_t note(struct adit_sv2_conn *conn, int32_t message, const void *body)
{
	struct tp_conn *c = (struct tp_conn *)conn;
	struct sent *s = &c->sent[c->count++];

	ck_assert_uint_le(c->count, TP_CONN_MAX_SENT);
	memset(s, 0, sizeof(*s));
	s->message = message;
	switch (message) {
	case ADIT_SV2_NEW_TEMPLATE:
		s->body.new_template = *(const struct adit_sv2_new_template *)body;
		break;
	case ADIT_SV2_TEMPLATE_SET_NEW_PREV_HASH:
		s->body.prev_hash = *(const struct adit_sv2_template_set_new_prev_hash *)body;
		break;
	case ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS:
		s->body.transactions =
		    *(const struct adit_sv2_request_transaction_data_success *)body;
		buf_append(&s->list, s->body.transactions.transaction_list.data,
			   s->body.transactions.transaction_list.size);
		break;
	case ADIT_SV2_REQUEST_TRANSACTION_DATA_ERROR:
		s->body.error = *(const struct adit_sv2_request_transaction_data_error *)body;
		snprintf(s->code, sizeof(s->code), "%.*s", (int)s->body.error.error_code.size,
			 (const char *)s->body.error.error_code.data);
		break;
	default:
		ck_abort_msg("message %d is not the server's to send", message);
	}
	return ADIT_OK;
}

static void note_close(struct adit_sv2_conn *conn, const char *reason)
{
	(void)reason;
	((struct tp_conn *)conn)->closed = true;
}

static size_t note_pending(const struct adit_sv2_conn *conn)
{
	return ((const struct tp_conn *)conn)->pending;
}

static const struct adit_sv2_conn_api api = {.size = sizeof(api),
					     .version = 1,
					     .send = note,
					     .close = note_close,
					     .pending = note_pending};

void tp_conn_init(struct tp_conn *c)
{
	memset(c, 0, sizeof(*c));
	c->base.api = &api;
}

void tp_conn_clear(struct tp_conn *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		buf_free(&c->sent[i].list);
	c->count = 0;
}

static unsigned long long describe(const struct sent *s, char *letter)
{
	switch (s->message) {
	case ADIT_SV2_NEW_TEMPLATE:
		*letter = s->body.new_template.future_template ? 'F' : 'N';
		return s->body.new_template.template_id;
	case ADIT_SV2_TEMPLATE_SET_NEW_PREV_HASH:
		*letter = 'P';
		return s->body.prev_hash.template_id;
	case ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS:
		*letter = 'D';
		return s->body.transactions.template_id;
	default:
		*letter = 'E';
		return s->body.error.template_id;
	}
}

const char *tp_conn_trace(const struct tp_conn *c, uint64_t base)
{
	static char text[TP_CONN_MAX_SENT * 24];
	size_t at = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < c->count; i++) {
		char letter;
		unsigned long long id = describe(&c->sent[i], &letter);

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%c%llu", i > 0 ? " " : "",
				       letter, id - base);
	}
	return text;
}
