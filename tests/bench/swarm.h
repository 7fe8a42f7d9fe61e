/* SPDX-License-Identifier: MIT */
/*
 * swarm.h: the load generator: many clients on one epoll loop, from source addresses all over
 * 127.0.0.x, that connect, shake hands, open a channel each, submit shares that are never the same
 * twice, and close by reset, so that no port waits for its time to pass. Bare clients send and
 * expect bytes of the same size without meaning: for the floors.
 *
 * It does what it is told within bounds of count and time. A server that closes, refuses to set up
 * or stays silent for too long ends the program; refused shares are counted.
 */
#ifndef BENCH_SWARM_H
#define BENCH_SWARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/noise/noise.h"
#include "lib/sv2/codec.h"
#include "lib/sv2/frame.h"
#include "lib/util/buf.h"

enum swarm_kind {
	SWARM_SETUP,    /* no channel */
	SWARM_STANDARD, /* one standard channel, REQUIRES_STANDARD_JOBS */
	SWARM_EXTENDED, /* one extended channel */
	SWARM_BARE      /* no protocol at all */
};

enum swarm_phase { SWARM_SHAKING, SWARM_SETTING_UP, SWARM_OPENING, SWARM_READY };

struct swarm_client {
	int fd;          /* -1: closed */
	uint8_t phase;   /* enum swarm_phase */
	bool has_header; /* of the frame that is coming */
	struct sv2_header header;
	struct noise_handshake handshake;
	struct noise_cipher send;
	struct noise_cipher receive;
	struct buf in; /* of an incomplete frame; bare: not used */
	size_t got;    /* bare: bytes of the answer */
	/* the channel and its work */
	uint32_t channel;
	uint32_t extranonce_size;
	uint32_t job;
	uint32_t version;
	uint32_t ntime;
	uint32_t nbits;
	uint32_t levels;              /* of the merkle path of an extended job */
	uint32_t coinbase_size;       /* likewise, without the extranonce */
	struct adit_u256 merkle_root; /* of a standard job */
	struct adit_u256 prev_hash;
	uint32_t nonce;
	uint32_t sequence;
	uint32_t unanswered; /* shares */
	uint64_t tip_ns;     /* when the newest SetNewPrevHash came, monotonic */
	uint64_t job_ns;     /* when the newest job for the present tip came */
};

/* Sums over all clients. */
struct swarm_counts {
	uint64_t accepted; /* shares; bare: answers */
	uint64_t refused;
	uint64_t acknowledgements;
	uint64_t frames; /* received */
	uint64_t bytes;  /* received */
	uint64_t tips;   /* SetNewPrevHash */
	uint64_t jobs;   /* for the present tip */
	uint64_t levels; /* of the merkle paths of all accepted shares */
};

struct swarm {
	enum swarm_kind kind;
	uint16_t port;
	size_t request; /* bare: bytes of a request and of its answer */
	size_t answer;
	int epoll;
	size_t count;
	struct swarm_client *clients;
	size_t ready;
	size_t batch; /* shares that are sent at once; 0: none */
	size_t next;  /* client that sends when another one is answered */
	uint64_t unanswered;
	struct swarm_counts counts;
	char refusal[64]; /* the last error code */
};

/* Connects COUNT clients to 127.0.0.1:PORT and waits until each is ready: has work where there is a
 * channel. */
void swarm_open(struct swarm *s, enum swarm_kind kind, uint16_t port, size_t count);
/* COUNT bare clients, of requests of REQUEST bytes and answers of ANSWER. */
void swarm_open_bare(struct swarm *s, uint16_t port, size_t count, size_t request, size_t answer);
/* Resets all connections and frees what there is. */
void swarm_close(struct swarm *s);

/* WINDOW clients send BATCH shares each, in one write. When all of a client's are answered it is
 * the next client's turn, round and round, until MOST were accepted or MS have passed. Returns when
 * all are answered; nanoseconds by the clock. */
uint64_t swarm_submit(struct swarm *s, size_t window, size_t batch, uint64_t most, uint32_t ms);
/* Receives until COUNTER, one of S->counts, has reached TARGET. */
void swarm_await(struct swarm *s, const uint64_t *counter, uint64_t target);
/* Receives for MS. */
void swarm_rest(struct swarm *s, uint32_t ms);
/* Receives until nothing comes for MS. */
void swarm_settle(struct swarm *s, uint32_t ms);
/* Connects as many clients at a time as swarm_open() would, COUNT in all, each of which is reset as
 * soon as it is ready. Nanoseconds by the clock. S is empty before and after. */
uint64_t swarm_churn(struct swarm *s, enum swarm_kind kind, uint16_t port, size_t count);
/* Searches a block on the work of client 0, which has a standard channel, and submits it. */
void swarm_mine_block(struct swarm *s);

/* For swarm.c and swarm_sv2.c. */
void swarm_send(struct swarm_client *c, const uint8_t *data, size_t size);
/* A client is connected: its first bytes. */
void swarm_begin(struct swarm *s, struct swarm_client *c);
/* Takes SIZE bytes; DATA is overwritten. */
void swarm_receive(struct swarm *s, struct swarm_client *c, uint8_t *data, size_t size);
/* A client has become ready. */
void swarm_is_ready(struct swarm *s, struct swarm_client *c);
/* All of a client's shares are answered. */
void swarm_next_batch(struct swarm *s);
/* Sends S->batch shares. */
void swarm_send_shares(struct swarm *s, struct swarm_client *c);

#endif
