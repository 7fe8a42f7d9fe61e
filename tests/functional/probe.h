/* SPDX-License-Identifier: MIT */
/*
 * probe.h: a blocking Stratum V2 client for tests that may misbehave at every layer: raw bytes,
 * sealed frames with any content, messages in any order. It can also mine: it hashes on one thread
 * until a header is good, or bad, enough.
 */
#ifndef FUNCTIONAL_PROBE_H
#define FUNCTIONAL_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/noise/noise.h"
#include "lib/sv2/codec.h"
#include "lib/util/buf.h"

#define PROBE_WAIT_MS 60000 /* how long the server may take for an answer */

struct probe {
	int fd; /* -1: closed */
	bool encrypted;
	struct noise_cipher send;
	struct noise_cipher receive;
	struct buf frame; /* of the newest message: its body points into it */
};

/* A standard channel with the job that is to be mined now. */
struct probe_channel {
	uint32_t id;
	struct adit_u256 target;      /* of shares of the job */
	struct adit_u256 next_target; /* of shares of later jobs */
	uint32_t sequence;            /* of the newest share */
	uint32_t job_id;
	uint32_t version;
	struct adit_u256 merkle_root;
	struct adit_u256 prev_hash;
	uint32_t ntime;
	uint32_t nbits;
};

/* Each function fails the test unless its comment says otherwise. */
void probe_connect(struct probe *p, uint16_t port);
void probe_close(struct probe *p);
/* Noise as initiator. AUTHORITY_X may be NULL. */
void probe_handshake(struct probe *p, const uint8_t *authority_x);
/* SetupConnection for the mining protocol and its success. */
void probe_setup(struct probe *p);
/* The same with other flags than REQUIRES_STANDARD_JOBS. */
void probe_setup_flags(struct probe *p, uint32_t flags);
/* All of the above. */
void probe_ready(struct probe *p, uint16_t port);

/* Writes bytes as they are. False when the server has closed. */
bool probe_send_raw(struct probe *p, const void *data, size_t size);
/* Seals FRAME, header and payload as they are (the header may lie), and writes it. False as above.
 */
bool probe_send_frame(struct probe *p, const uint8_t *frame, size_t size);
/* Encodes and sends a message. False as above. */
bool probe_send(struct probe *p, int32_t message, const void *body);
/* A frame header with any content. */
void probe_header(uint8_t out[6], uint16_t extension, uint8_t type, uint32_t size);

/* The next message: its number, -1 when nothing came within MS, -2 at the end of the connection.
 * BODY borrows from P until the next call. */
int32_t probe_receive(struct probe *p, int ms, union sv2_body *body);
/* Skips messages until MESSAGE comes. */
void probe_expect(struct probe *p, int32_t message, union sv2_body *body);
/* Reads (and drops) until the server closes; fails when it doesn't within PROBE_WAIT_MS. */
void probe_expect_close(struct probe *p);

/* Opens a standard channel and waits for its first job. */
void probe_open_standard(struct probe *p, struct probe_channel *c);
/* Takes a message of a channel (new job, new tip, target) into C; true when the work has changed.
 */
bool probe_take(struct probe_channel *c, int32_t message, const union sv2_body *body);
/* Searches a nonce whose header hash is (GOOD) or is not at or below C's target. */
uint32_t probe_mine(const struct probe_channel *c, bool good);
/* Sends a share with a fresh sequence number, which it returns. */
uint32_t probe_submit(struct probe *p, struct probe_channel *c, uint32_t job_id, uint32_t nonce);
/* Waits for the answer to share SEQUENCE, following changes of the work on the way: NULL when it
 * was accepted, else the error code (static storage). */
const char *probe_verdict(struct probe *p, struct probe_channel *c, uint32_t sequence);
/* Sends a share for the present work, a good one or what SPOIL makes of that work, and returns the
 * verdict; after one that a new tip made stale, another. For shares that are not to be stale. */
const char *probe_share(struct probe *p, struct probe_channel *c,
			void (*spoil)(struct probe_channel *work, uint32_t *nonce));

#endif
