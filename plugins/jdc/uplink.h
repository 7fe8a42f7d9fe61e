/* SPDX-License-Identifier: MIT */
/*
 * uplink.h: what is said to one pool: a mining connection with one extended channel and, where jobs
 * are declared, a connection to its job declaration server. It knows the protocol (specification 05
 * and 06) and nothing of miners.
 *
 *   uplink.c          connecting, time-outs, faults
 *   uplink_mining.c   the channel; the pool's own jobs (proxy)
 *   uplink_jds.c      tokens; what the declaration server says
 *   uplink_declare.c  a job on its way: transactions, token, declaration, custom job
 *   uplink_shares.c   shares and solutions
 *
 *   declaring:    need transactions -> token -> DeclareMiningJob -> SetCustomMiningJob -> known
 *   coinbase-only:                     token ---------------------> SetCustomMiningJob -> known
 *                                        ^------ refused as stale, on our tip -------'
 *
 * Each thing that goes wrong is an enum upstream_fault, told once per attempt, from the loop and
 * never from inside of a function here; nothing else is told after it. All that a pool can make
 * grow is bounded.
 */
#ifndef JDC_UPLINK_H
#define JDC_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>
#include <adit/sv2.h>

#include "lib/bitcoin/merkle.h"
#include "lib/sv2/upstreams.h"
#include "lib/util/buf.h"
#include "plugins/jdc/settings.h"

#define UPLINK_TOKENS_MAX 64
#define UPLINK_DECLARATIONS_MAX 64
#define UPLINK_OUTPUTS_MAX 4096 /* bytes of outputs that a token may demand */
#define UPLINK_FUTURES_MAX 16   /* jobs of the pool's that are known by their id */
#define UPLINK_SENT_MAX 1024    /* shares of which it is known what they were of */
#define UPLINK_REDIRECTS_MAX 3  /* Reconnects followed in one attempt */
#define UPLINK_PROVIDES_MAX 4   /* requests for transactions of one job */
#define UPLINK_CHANGES_MAX 20   /* of outputs and prefix in UPLINK_CHANGES_MS */
#define UPLINK_CHANGES_MS 10000
#define UPLINK_WORKER_MAX 32 /* bytes of a worker's name: extension 0x0002 */
#define UPLINK_AGAIN_MS 1000 /* until a job that was refused as stale is declared again */
#define TOKEN_AGE_MS 300000  /* older ones are not used: servers forget them */

struct uplink;

/* A job of ours, for the time of a call: its coinbase, stripped of BIP141, cut where the extranonce
 * goes; the path of its merkle root; its tip. */
struct uplink_work {
	uint64_t id; /* the caller's name for it, not used before */
	uint32_t version;
	struct adit_bytes prefix;
	struct adit_bytes suffix;
	const uint8_t *path;
	uint32_t depth;
	uint8_t prev_hash[32];
	uint32_t nbits;
	uint32_t min_ntime;
};

/* A share or a solution. */
struct uplink_share {
	uint32_t job_id; /* the pool's */
	uint32_t nonce;
	uint32_t ntime;
	uint32_t version;
	struct adit_bytes
	    extranonce;           /* of a share what follows the pool's prefix; of a solution all */
	struct adit_bytes worker; /* user_identity of extension 0x0002; cut to what fits */
	bool passed;              /* of a share: its job's tip is not ours any more */
};

/* What happens. Called from the loop; all may be NULL. */
struct uplink_events {
	/* There may be work now: the channel is open and, where jobs are declared, the outputs are
	 * known; in proxy mode there is a job. */
	void (*ready)(void *context, struct uplink *u);
	/* U has failed: it is to be disconnected. TEXT says what happened. */
	void (*failed)(void *context, struct uplink *u, enum upstream_fault fault,
		       const char *text);
	/* u->outputs, u->prefix or u->target is another one now, after `ready`. */
	void (*outputs)(void *context, struct uplink *u);
	void (*prefix)(void *context, struct uplink *u);
	void (*target)(void *context, struct uplink *u);
	/* The transactions of work ID are needed: uplink_transactions() or uplink_drop(). False:
	 * they can't be had now; asked again by uplink_tick(). */
	bool (*need_transactions)(void *context, struct uplink *u, uint64_t id);
	/* Work ID is known to the pool under JOB_ID, at the target u->target; shares may be sent.
	 */
	void (*known)(void *context, struct uplink *u, uint64_t id, uint32_t job_id);
	/* Work ID won't be known: it is of a tip that has passed, or there was too much of it. */
	void (*dropped)(void *context, struct uplink *u, uint64_t id);
	/* Transactions that were asked for did not come in time. */
	void (*starved)(void *context, struct uplink *u);
	/* Proxy: as mining_upstream_job() and mining_upstream_tip() want them. ADIT_E_* with E: the
	 * pool is at fault. */
	int32_t (*job)(void *context, struct uplink *u,
		       const struct adit_sv2_new_extended_mining_job *m, struct error *e);
	int32_t (*tip)(void *context, struct uplink *u, const struct adit_sv2_set_new_prev_hash *m,
		       struct error *e);
	/* Shares were accepted or refused by the pool. */
	void (*accepted)(void *context, struct uplink *u, uint32_t count, uint64_t difficulty);
	void (*refused)(void *context, struct uplink *u, const char *code);
};

/* Where it belongs; all of it is borrowed. */
struct uplink_options {
	const struct adit_host_api *api;
	struct adit_host *host;
	const struct adit_sv2_client_service *clients;
	const struct jdc_settings *settings;
	const struct pool_settings *pool;
	const struct uplink_events *events;
	void *context;
};

struct uplink_token {
	uint8_t size;
	uint8_t data[255];
	uint64_t at_ms;
};

enum declaration_state {
	DECLARATION_NONE, /* the place is free */
	DECLARATION_TRANSACTIONS,
	DECLARATION_TOKEN,
	DECLARATION_DECLARED,
	DECLARATION_SET,
	DECLARATION_REFUSED /* as stale, on our present tip: declared again, soon */
};

/* What solves a job that the declaration server has yet to accept. */
struct uplink_solution {
	bool there;
	uint32_t nonce;
	uint32_t ntime;
	uint32_t version;
	uint8_t extranonce_size;
	uint8_t extranonce[32]; /* full */
};

/* A job on its way to be known. */
struct declaration {
	enum declaration_state state;
	uint64_t id;
	uint32_t request_id; /* of the message that waits for an answer */
	uint64_t since_ms;   /* in this state */
	uint64_t stale_ms;   /* when it was refused as stale first; 0: not */
	bool declared;       /* the declaration server has accepted it */
	bool asked;          /* need_transactions() was answered with true */
	uint32_t version;
	struct buf prefix; /* stripped */
	struct buf suffix;
	uint32_t depth;
	uint8_t path[MERKLE_MAX_DEPTH][32];
	uint8_t prev_hash[32];
	uint32_t nbits;
	uint32_t min_ntime;
	uint32_t provided; /* times that transactions were asked for */
	uint32_t tx_count;
	struct buf txs; /* B0_16M each, as they came */
	struct buf excess;
	struct buf wtxids; /* 32 bytes each */
	struct uplink_solution solution;
};

/* One connection of the two. */
struct uplink_side {
	struct uplink *uplink;
	struct adit_sv2_client *client;
	struct adit_sv2_conn *conn;     /* NULL: not set up */
	char redirect[JDC_ADDRESS_MAX]; /* where a Reconnect pointed to; "": nowhere */
	bool redirected;                /* just now: for the next connection */
	bool plain_setup; /* it does not answer RequestExtensions: not asked any more */
};

struct uplink_counts {
	uint64_t tokens;   /* received */
	uint64_t declared; /* acknowledged by the declaration server */
	uint64_t known;    /* acknowledged by the pool */
	uint64_t stale;    /* refused, of a tip that had passed */
	uint64_t dropped;
	uint64_t provided; /* transactions */
	uint64_t submitted;
	uint64_t accepted;
	uint64_t refused;
	uint64_t refused_stale;
	uint64_t solutions;
	uint64_t ignored; /* messages that a pool should not send */
};

struct uplink {
	struct uplink_options o;
	enum jdc_mode mode; /* of this attempt */
	bool connected;     /* uplink_connect() was called, uplink_disconnect() not */
	bool ready;
	enum upstream_fault fault; /* of this attempt */
	char fault_text[160];      /* of the last one */
	bool fault_due;            /* to be told from the loop */
	bool fault_told;
	uint64_t fault_timer;
	uint32_t redirects;
	uint32_t changes; /* each is a job for every miner; since: */
	uint64_t changes_ms;
	bool update_refused;   /* and said */
	uint32_t last_request; /* request ids, counted over all messages */
	uint64_t stale_ms;     /* since when the pool says of shares that our tip is old; 0: not */
	uint64_t stale_job_ms; /* and of jobs, without having taken one of this tip since */
	bool has_tip;
	uint8_t tip[32]; /* our own */
	struct uplink_side mining;
	struct uplink_side jds;

	/* The channel. */
	uint64_t opening_ms; /* since when it is asked for; 0: not */
	uint32_t open_request;
	bool open;
	uint32_t channel_id;
	bool has_group;
	uint32_t group_id;
	uint8_t target[32];
	uint8_t prefix[32];
	uint8_t prefix_size;
	uint16_t extranonce_size; /* bytes after the prefix that are ours */
	float claimed;            /* hash rate as the pool was told */
	uint64_t claimed_ms;
	float wanted; /* as it should be told */

	/* The pool's jobs, in proxy mode. */
	bool has_job;
	uint32_t futures[UPLINK_FUTURES_MAX];
	uint32_t future_count;
	bool has_pool_tip;
	uint32_t tip_number; /* counts changes of the tip, whoever's */

	/* Declaring. */
	struct buf outputs; /* with count: what the coinbase has to have; the first one is paid */
	struct uplink_token tokens[UPLINK_TOKENS_MAX]; /* oldest first */
	uint32_t token_count;
	uint32_t asked_tokens[UPLINK_TOKENS_MAX]; /* request ids, oldest first */
	uint64_t asked_ms[UPLINK_TOKENS_MAX];
	uint32_t asked_count;
	struct declaration declarations[UPLINK_DECLARATIONS_MAX];
	size_t held; /* bytes of their transactions */

	/* Shares. */
	uint32_t sequence; /* of the last one */
	uint64_t unanswered;
	struct {
		uint32_t sequence;
		uint32_t tip_number;
	} sent[UPLINK_SENT_MAX]; /* by sequence */

	struct uplink_counts counts;
};

/* OPTIONS are copied; U must not move until uplink_fini(). */
void uplink_init(struct uplink *u, const struct uplink_options *options);
void uplink_fini(struct uplink *u);
/* Begins an attempt in MODE; one that goes on is ended first. What fails is told later. HASH_RATE:
 * that of the miners, for the channel. */
void uplink_connect(struct uplink *u, enum jdc_mode mode, double hash_rate);
/* Ends it, whatever has become of it. */
void uplink_disconnect(struct uplink *u);
/* Time has passed; some times a second. */
void uplink_tick(struct uplink *u, uint64_t now_ms);
/* The tip that we are on, to tell refusals that are our own fault. */
void uplink_set_tip(struct uplink *u, const uint8_t prev_hash[32]);
/* The miners' hash rate, to be told when it has changed (at most once a second). */
void uplink_hash_rate(struct uplink *u, double hash_rate);

/* Makes WORK known to the pool. Declarations of other tips that were not sent yet are dropped; when
 * there are too many, those that were not sent yet are, oldest first. False: it is dropped at once
 * (and not told of). */
bool uplink_declare(struct uplink *u, const struct uplink_work *work);
/* The transactions of work ID, as RequestTransactionData.Success has them. */
void uplink_transactions(struct uplink *u, uint64_t id, const struct adit_bytes *excess,
			 const struct adit_sv2_seq *list);
/* They can't be had: ID won't be declared. */
void uplink_drop(struct uplink *u, uint64_t id);
/* Transactions are asked for again after RequestTransactionData was lost. */
void uplink_ask_again(struct uplink *u);

/* The front of a worker's NAME that the pool is told, not cut within a UTF-8 character. */
struct adit_bytes uplink_worker_name(struct adit_bytes name);
/* SubmitSharesExtended; false when it is not connected. Nothing is allocated. */
bool uplink_submit(struct uplink *u, const struct uplink_share *share);
/* PushSolution of work ID, in full-template mode: at once, or as soon as the declaration server has
 * accepted the job, before which it could make no block of it; a job with a solution is declared
 * although its tip has passed. False when nothing comes of it. */
bool uplink_push_solution(struct uplink *u, uint64_t id, const struct uplink_share *share,
			  const uint8_t prev_hash[32], uint32_t nbits);

/* How many declarations wait for an answer or for something of ours. */
uint32_t uplink_pending(const struct uplink *u);

/* --- for the parts of it ----------------------------------------------------------------------
 */

/* The attempt is over. The first fault counts. */
void uplink_fail(struct uplink *u, enum upstream_fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void uplink_log(struct uplink *u, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Whether messages are looked at: the attempt goes on. */
bool uplink_alive(const struct uplink *u);
/* Another prefix or other outputs; false: too often, which is a fault. */
bool uplink_may_change(struct uplink *u);
/* Tells `ready` when all that is needed is there. */
void uplink_check_ready(struct uplink *u);
/* The pool refused something of the tip that we are on, as stale: it may know of a newer one, or be
 * behind, for a while. SINCE: u->stale_ms or u->stale_job_ms. */
void uplink_called_stale(uint64_t *since);
/* Whether CODE says that a tip has passed. */
bool uplink_code_stale(const struct adit_bytes *code);
/* A peer's text for people, into OUT. */
const char *uplink_text(const struct adit_bytes *bytes, char *out, size_t capacity);
/* Reconnect of SIDE; returns what the handler returns. */
int32_t uplink_redirect(struct uplink_side *side, const struct adit_sv2_reconnect *m);
void uplink_side_opened(struct uplink_side *side, struct adit_sv2_conn *conn);
void uplink_side_closed(struct uplink_side *side, const char *reason);
/* Tokens: asks for what is missing; looks whether one was not answered. */
void uplink_fill_tokens(struct uplink *u, uint64_t now_ms);
/* A token for the declaration, the oldest; false: there is none. */
bool uplink_take_token(struct uplink *u, uint64_t now_ms, struct uplink_token *token);
/* Declarations go on as far as they can; those that wait for an answer too long are a fault. */
void uplink_step(struct uplink *u, uint64_t now_ms);
void uplink_forget_declarations(struct uplink *u);
/* Those that nobody was told of are dropped: their coinbase is not what is demanded now. */
void uplink_drop_unsaid(struct uplink *u);
struct declaration *uplink_find_request(struct uplink *u, enum declaration_state state,
					uint32_t request_id);
void uplink_declaration_end(struct uplink *u, struct declaration *d, bool tell);
/* D is accepted by the declaration server. */
void uplink_declared(struct uplink *u, struct declaration *d);
/* NULL: work ID is not on its way. */
struct declaration *uplink_find_work(struct uplink *u, uint64_t id);
/* After DeclareMiningJob.Success, with its token; or in coinbase-only mode. */
void uplink_set_job(struct uplink *u, struct declaration *d, const struct adit_bytes *token,
		    uint64_t now_ms);
/* An error about D, of which CODE says why. */
void uplink_refused(struct uplink *u, struct declaration *d, const char *what,
		    const struct adit_bytes *code);

extern const struct adit_sv2_mining_client_handlers uplink_mining_handlers;
extern const struct adit_sv2_mining_client_handlers uplink_mining_plain_handlers;
extern const struct adit_sv2_job_declaration_client_handlers uplink_jds_handlers;

/* SubmitShares.Success and .Error */
int32_t uplink_on_accepted(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_submit_shares_success *m);
int32_t uplink_on_refused(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_submit_shares_error *m);

#endif
