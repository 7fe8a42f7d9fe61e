/* SPDX-License-Identifier: MIT */
/*
 * conn.h: one Stratum V2 connection on a socket, either side: Noise, frames in and out, deadlines.
 * What a message means is the owner's business (server.c, client.c).
 *
 * Reading: one read a wake-up into the loop's storage, where frames are opened and decoded in
 * place. A connection keeps bytes of its own only while a frame is incomplete. Writing: messages
 * are encoded and sealed into the connection's queue and leave in one write when the flush event
 * runs (or sv2_conn_push() is called); what the socket doesn't take waits until it is writable. Ending: sv2_conn_end() marks; the
 * flush event calls `closed`, writes what is queued (for a bounded time), says end of file and
 * waits for the peer's, so that last words are not lost to a reset.
 */
#ifndef SV2_CONN_H
#define SV2_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/noise/noise.h"
#include "lib/sv2/codec.h"
#include "lib/sv2/frame.h"
#include "lib/sv2/loop.h"
#include "lib/util/buf.h"

/* A reason for people; the longest is that of a wrong certificate. */
#define SV2_REASON_SIZE 192

enum sv2_side { SV2_SERVER, SV2_CLIENT };

enum sv2_phase {
	SV2_HANDSHAKE,  /* Noise */
	SV2_SETUP,      /* SetupConnection and its answer */
	SV2_EXTENSIONS, /* client: RequestExtensions is sent; its answer by `deadline` */
	SV2_OPEN,
	SV2_ENDING,  /* marked; `closed` is to be called */
	SV2_DRAINING /* `closed` was called; last bytes are on their way */
};

/* Why a connection ended. */
enum sv2_end {
	SV2_END_LOCAL,    /* this side wanted it */
	SV2_END_PEER,     /* the peer closed, or the network did */
	SV2_END_PROTOCOL, /* the peer broke the protocol */
	SV2_END_NOISE,    /* the handshake failed */
	SV2_END_TIMEOUT,
	SV2_END_LIMIT,   /* the peer doesn't read */
	SV2_END_REFUSED, /* SetupConnection.Error, sent or received */
	SV2_END_INTERNAL /* out of memory and the like */
};

/* The same for all connections of an owner; outlives them. */
struct sv2_conn_options {
	bool plain;
	const struct noise_identity *identity; /* server */
	const uint8_t *authority_x;            /* client: 32 bytes or NULL */
	uint32_t certificate_skew;             /* client: seconds */
	uint32_t handshake_timeout_ms;         /* until open */
	uint32_t idle_timeout_ms;              /* 0: never */
	uint32_t write_timeout_ms;
	size_t max_pending;
};

struct sv2_conn_ops {
	/* Noise is done (or there is none): the client sends SetupConnection. May be NULL. */
	void (*ready)(struct sv2_conn *c);
	/* A message that fits phase, protocol and direction. An error ends the connection. */
	int32_t (*message)(struct sv2_conn *c, int32_t message, const void *body);
	/* All messages of one read have been handled. */
	void (*batch_end)(struct sv2_conn *c);
	/* From the loop, once, whatever phase the connection was in. */
	void (*closed)(struct sv2_conn *c, const char *reason);
	/* Last call: frees C itself. */
	void (*release)(struct sv2_conn *c);
};

struct sv2_conn {
	struct adit_sv2_conn head; /* first: what applications see */
	TAILQ_ENTRY(sv2_conn) link;
	TAILQ_ENTRY(sv2_conn) flush_link;
	struct sv2_loop *loop;
	const struct sv2_conn_ops *ops;
	const struct sv2_conn_options *options;
	void *user; /* the application's */
	struct event *read_event;
	struct event *write_event;
	int fd;
	uint32_t id;
	uint32_t flags;      /* of SetupConnection */
	uint32_t extensions; /* negotiated: a mask */
	uint8_t side;        /* enum sv2_side */
	uint8_t phase;       /* enum sv2_phase */
	uint8_t scope;       /* enum sv2_scope, once open */
	uint8_t end;         /* enum sv2_end, once ending */
	bool sealed;         /* ciphers are in use */
	bool opened;         /* was open once */
	bool flush_queued;
	bool write_armed;
	bool traced;          /* see trace.h */
	bool asks_extensions; /* client: RequestExtensions has no answer yet */
	bool told_reconnect;  /* server: Reconnect was sent */
	bool drop;            /* do not bother to write what is queued */
	bool reset;           /* nor to have the system deliver what it holds */
	bool counted;         /* the system tells what the peer has taken of what it was given */
	bool owes;            /* the write timeout runs */
	bool eof_out;         /* end of file was sent */
	bool eof_in;          /* and received */
	/* receiving */
	bool batch; /* the application has seen a message of this read */
	bool in_payload;
	bool skip;             /* payload of an unknown extension */
	int32_t message;       /* whose payload is being received */
	uint32_t left;         /* payload bytes that are not yet opened */
	uint32_t payload_size; /* of the frame being received */
	struct buf unit;       /* an incomplete header, chunk or handshake act */
	struct buf payload;    /* opened chunks of a payload that has several */
	size_t held;           /* memory of both, as the loop counts it */
	struct noise_cipher receive;
	/* sending */
	struct noise_cipher send;
	struct buf out;
	size_t out_at;    /* bytes of `out` that have been written */
	uint64_t written; /* bytes that were ever given to the socket */
	uint64_t owed;    /* up to here the peer has to take them within the write timeout */
	/* monotonic ms */
	uint64_t started;
	uint64_t last_read;
	uint64_t owed_since; /* start of the write timeout, if it runs; see `owed` */
	uint64_t deadline;   /* of the ending, or of the answer to RequestExtensions */
	struct noise_handshake handshake;
	char peer[80];
	char reason[SV2_REASON_SIZE];
};

/* Starts C, whose memory is the owner's, on the connected non-blocking socket FD, which it owns
 * from now on, also when it fails. A client's first bytes are queued. */
int32_t sv2_conn_start(struct sv2_conn *c, struct sv2_loop *loop, int fd, enum sv2_side side,
		       const struct sv2_conn_ops *ops, const struct sv2_conn_options *options);
/* From SETUP to EXTENSIONS: an answer is expected within MS. */
void sv2_conn_await_extensions(struct sv2_conn *c, uint32_t ms);
/* From SETUP or EXTENSIONS to OPEN with the messages of SCOPE. */
void sv2_conn_open(struct sv2_conn *c, enum sv2_scope scope);
/* Queues a message in phase SETUP, EXTENSIONS or OPEN; errors as adit_sv2_send(). */
int32_t sv2_conn_send(struct sv2_conn *c, int32_t message, const void *body);
/* Marks C as ending; the first call counts. REASON is copied. */
void sv2_conn_end(struct sv2_conn *c, enum sv2_end end, const char *reason);
/* The same, and `closed` is called before this returns. The rest still happens from the loop. */
void sv2_conn_end_now(struct sv2_conn *c, enum sv2_end end, const char *reason);
/* Frees everything at once; `closed` is not called. */
void sv2_conn_destroy(struct sv2_conn *c);
/* The connection that an application holds. */
struct sv2_conn *sv2_conn_of(struct adit_sv2_conn *conn);

/* Between loop.c, conn.c, conn_in.c and conn_out.c. */
void sv2_conn_flush(struct sv2_conn *c);
void sv2_conn_check_deadlines(struct sv2_conn *c, uint64_t now);
/* Takes SIZE bytes from the socket; DATA is overwritten. */
void sv2_conn_receive(struct sv2_conn *c, uint8_t *data, size_t size);
/* Queues SIZE bytes as they are (handshake acts). */
int32_t sv2_conn_queue_raw(struct sv2_conn *c, const uint8_t *data, size_t size);
/* Queues a plain frame of SIZE bytes, sealing it if need be. */
int32_t sv2_conn_queue_frame(struct sv2_conn *c, const uint8_t *frame, size_t size);
/* Writes once; waits for the socket with what is left. */
void sv2_conn_write(struct sv2_conn *c);
/* The same before the flush event, unless C is ending or the socket is full: calls nobody. */
void sv2_conn_push(struct sv2_conn *c);
/* Whether the peer has not taken within the write timeout what it should. One that has is owed
 * anew, or no longer. */
bool sv2_conn_stalls(struct sv2_conn *c, uint64_t now);
/* Whether the system holds bytes that the peer has not taken. */
bool sv2_conn_unsent(const struct sv2_conn *c);
size_t sv2_conn_pending(const struct sv2_conn *c);
/* Our own end's address, as the peer sees it: "192.0.2.1:50112"; "" when it has none. OUT has 80 bytes. */
void sv2_conn_local(const struct sv2_conn *c, char *out);

#endif
