/* SPDX-License-Identifier: MIT */
/* sv2_rig.h: what the tests of connections share: a loop, a server on a listening socket with
 * handlers that write down what they see, and peers that speak raw bytes. */
#ifndef SV2_RIG_H
#define SV2_RIG_H

#include <event2/event.h>

#include "lib/sv2/client.h"
#include "lib/sv2/codec.h"
#include "lib/sv2/frame.h"
#include "lib/sv2/server.h"
#include "lib/util/buf.h"

#define RIG_SECRET_BYTE 0x44

/* Everything that happened, as text: one word an event, e.g. "S:open S:msg=26 S:end". */
struct rig {
	struct event_base *base;
	struct sv2_server *server;
	struct sv2_client *client;
	struct buf trace;
	int listener;
	uint16_t port; /* 0: Unix socket at PATH */
	char path[64];
	char address[96];
	struct adit_sv2_mining_server_handlers mining;
	struct adit_sv2_template_server_handlers tp;
	struct adit_sv2_mining_client_handlers mining_client;
	struct adit_sv2_template_client_handlers tp_client;
	struct adit_sv2_conn *conn;     /* newest at the server */
	struct adit_sv2_conn *upstream; /* the client's, while open */
	uint32_t opened;
	uint32_t closed;
	uint32_t client_opened;
	uint32_t client_closed;
	uint32_t messages; /* at the server's handlers */
	uint32_t batches;
	uint32_t client_messages;
	uint64_t sum;    /* of what the messages carried */
	int32_t verdict; /* what the server's handlers return */
	uint8_t authority_x[32];
};

/* A listening socket (TCP on 127.0.0.1, or Unix), and tables in RIG that count. No server yet. */
void rig_init(struct rig *rig, bool is_unix);
/* A server of both protocols, open. */
void rig_serve(struct rig *rig, const struct sv2_server_options *options);
/* OPTIONS with the rig's address and key filled in; sealed unless OPTIONS->plain. */
void rig_connect_mining(struct rig *rig, struct sv2_client_options *options);
void rig_connect_template(struct rig *rig, struct sv2_client_options *options);
void rig_fini(struct rig *rig);
/* The authority's secret key. */
const uint8_t *rig_secret(void);

/* Whatever is waited for here may take MS, and on a busy machine up to a minute. */
/* Runs the loop until *COUNT reaches AT_LEAST; fails the test after that. */
void rig_until(struct rig *rig, const uint32_t *count, uint32_t at_least, uint32_t ms);
void rig_run(struct rig *rig, uint32_t ms);
/* Runs until the server has no connection left, or fails. */
void rig_until_empty(struct rig *rig, uint32_t ms);

/* A connected blocking socket to the rig's listener. */
int rig_dial(const struct rig *rig);
void rig_write(int fd, const void *data, size_t size);
/* Runs the loop until the peer FD has SIZE bytes (then true) or end of file (false). */
bool rig_read(struct rig *rig, int fd, void *out, size_t size, uint32_t ms);
/* A frame of MESSAGE; returns its size. */
size_t rig_frame(int32_t message, const void *body, uint8_t *out, size_t capacity);
/* A mining SetupConnection with FLAGS. */
struct adit_sv2_setup_connection rig_setup(uint8_t protocol, uint32_t flags);
/* Opens a plain connection and reads SetupConnection.Success. */
int rig_dial_plain(struct rig *rig, uint8_t protocol);
/* The server closed FD: reads up to end of file, at most 100 bytes, and returns how many came. */
size_t rig_read_end(struct rig *rig, int fd, uint8_t out[100], uint32_t ms);
/* True when the trace of reasons contains TEXT. */
bool rig_saw(struct rig *rig, const char *text);

/* A peer that speaks Noise. */
struct rig_sealed {
	int fd;
	struct noise_cipher send;
	struct noise_cipher receive;
};
/* Up to the end of the handshake. */
void rig_dial_sealed(struct rig *rig, struct rig_sealed *peer);
/* Seals and sends a plain frame; FLIP >= 0 spoils that byte of what is sent. */
void rig_write_sealed(struct rig_sealed *peer, const uint8_t *frame, size_t size, int flip);
void rig_close_sealed(struct rig_sealed *peer);

#endif
