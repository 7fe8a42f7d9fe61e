/* SPDX-License-Identifier: MIT */
/*
 * fake_sv2.h: a Stratum V2 connection that records what is sent on it, and the service "sv2.server/1"
 * without sockets. The test plays the peer: it calls the handlers and looks at the records.
 */
#ifndef FAKE_SV2_H
#define FAKE_SV2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/sv2.h>

/* A message that was sent; byte runs are copies. */
struct sent {
	int32_t message; /* enum adit_sv2_message */
	bool by_frame;   /* through encode and send_frame */
	union {
		struct adit_sv2_reconnect reconnect;
		struct adit_sv2_open_standard_mining_channel_success standard_success;
		struct adit_sv2_open_extended_mining_channel_success extended_success;
		struct adit_sv2_open_mining_channel_error open_error;
		struct adit_sv2_new_mining_job job;
		struct adit_sv2_new_extended_mining_job extended_job;
		struct adit_sv2_update_channel_error update_error;
		struct adit_sv2_close_channel close;
		struct adit_sv2_submit_shares_success success;
		struct adit_sv2_submit_shares_error error;
		struct adit_sv2_set_new_prev_hash prev_hash;
		struct adit_sv2_set_target target;
		struct adit_sv2_set_custom_mining_job_error custom_error;
		struct adit_sv2_coinbase_output_constraints constraints;
		struct adit_sv2_submit_solution solution;
	} body;
	void *owned[4];
};

#define FAKE_SENT_MAX 4096

struct fake_conn {
	struct adit_sv2_conn head; /* first: this is the connection */
	uint32_t id;
	uint32_t flags;
	void *user;
	bool closed;
	char reason[128];
	size_t count;
	size_t read; /* first record that fake_conn_next() has not shown */
	struct sent *sent[FAKE_SENT_MAX];
};

struct fake_conn *fake_conn_new(uint32_t id, uint32_t flags);
void fake_conn_free(struct fake_conn *c);
/* The next record of MESSAGE, skipping others; NULL when there is none (nothing is skipped then). */
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
/* Sets up a connection as the server does: flags are checked, `setup` and `opened` called. NULL when it
 * was refused. The server owns it until it is closed; free it with fake_conn_free() after that. */
struct fake_conn *fake_server_connect(struct fake_server *s, uint32_t id, uint32_t flags,
                                      struct adit_sv2_setup_result *result);
/* The peer goes away. */
void fake_server_disconnect(struct fake_server *s, struct fake_conn *c);

#endif
