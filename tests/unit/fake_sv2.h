/* SPDX-License-Identifier: MIT */
/*
 * fake_sv2.h: a Stratum V2 connection that records what is sent on it, and the service
 * "sv2.server/1" without sockets. The test plays the peer: it calls the handlers and looks at the
 * records, which went through the real encoder and decoder.
 */
#ifndef FAKE_SV2_H
#define FAKE_SV2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/sv2/codec.h"

/* A message that was sent, as the peer decodes it: `body` by its name in messages.def. */
struct sent {
	int32_t message; /* enum adit_sv2_message */
	bool by_frame;   /* through encode and send_frame */
	union sv2_body body;
	uint8_t frame[]; /* what `body` points into */
};

#define FAKE_SENT_MAX 4096

struct fake_conn {
	struct adit_sv2_conn head; /* first: this is the connection */
	uint32_t id;
	uint32_t flags;
	uint32_t extensions; /* negotiated; a mask */
	void *user;
	bool closed;
	size_t flushed; /* records when it was flushed last */
	char reason[128];
	size_t count;
	size_t read; /* first record that fake_conn_next() has not shown */
	struct sent *sent[FAKE_SENT_MAX];
};

struct fake_conn *fake_conn_new(uint32_t id, uint32_t flags);
void fake_conn_free(struct fake_conn *c);
/* The next record of MESSAGE, skipping others; NULL when there is none (nothing is skipped then).
 */
const struct sent *fake_conn_next(struct fake_conn *c, int32_t message);
/* Records of MESSAGE that were not shown yet. */
size_t fake_conn_count(const struct fake_conn *c, int32_t message);
/* Forgets what was not shown yet. */
void fake_conn_skip(struct fake_conn *c);
bool sent_text_is(const struct adit_bytes *bytes, const char *text);

/* The service. One application serves mining; connections are the test's. */
struct fake_server {
	struct adit_sv2_server_service service;
	const struct adit_sv2_mining_server_handlers *handlers;
	void *context;
	bool open;
	uint32_t opened_times;
	uint32_t withdrawn;
	struct fake_conn *conns[16];
	size_t conn_count;
};

void fake_server_init(struct fake_server *s);
/* Sets up a connection as the server does: flags are checked, `setup` and `opened` called. NULL
 * when it was refused. The server owns it until it is closed; free it with fake_conn_free() after
 * that. */
struct fake_conn *fake_server_connect(struct fake_server *s, uint32_t id, uint32_t flags,
				      struct adit_sv2_setup_result *result);
/* The peer goes away. */
void fake_server_disconnect(struct fake_server *s, struct fake_conn *c);

#endif
