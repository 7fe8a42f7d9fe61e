/* SPDX-License-Identifier: MIT */
/*
 * mining.h: the downstream half of every role that gives work to miners: connections, channels and
 * their jobs, template providers, shares, found blocks. What a role does differently it says by a
 * configuration and a table of hooks; engine.h has the state.
 *
 * All runs on the loop of the role's process, and so are the hooks called. A hook that is NULL does
 * nothing, unless it says what is done without it. Hooks must not free the channel, connection or
 * job that they are called with, and close no channel; where a hook has to send to miners itself,
 * it says so.
 */
#ifndef MINING_MINING_H
#define MINING_MINING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>
#include <adit/sv2.h>

#include "lib/mining/stats.h"
#include "lib/sv2/vardiff.h"
#include "lib/util/error.h"

#define MINING_PROVIDERS_MAX 8
#define MINING_TAG_MAX 75 /* one push */

struct buf;
struct channel;
struct coinbase;
struct job;
struct mining;
struct mining_conn;
struct payee;
struct provider;
struct share;
struct template;
struct tip;

/* Limits "of all workers" are divided among the processes of the role. */
struct mining_config {
	char tag[MINING_TAG_MAX + 1];          /* text in the coinbase; may be empty */
	char *providers[MINING_PROVIDERS_MAX]; /* template providers in order of preference; looked
						  at by mining_start() alone */
	uint32_t provider_count;               /* may be 0 */
	uint32_t provider_patience_ms;
	uint32_t provider_return_ms;
	struct vardiff_options vardiff;
	uint8_t number_size;   /* bytes of the channel's number in the extranonce: 2 or 3 */
	uint8_t rollable;      /* bytes of the extranonce that an extended channel's client rolls */
	uint32_t max_classes;  /* payout classes besides the role's own */
	uint32_t max_channels; /* a connection, those that wait to be opened among them */
	uint32_t max_pending_opens;    /* a connection */
	uint32_t max_total_channels;   /* of all workers */
	uint32_t open_rate;            /* channels a second, of all workers; 0: no limit */
	uint32_t max_share_rate;       /* shares a second on a connection; 0: no limit */
	uint32_t max_total_share_rate; /* of all workers; 0: no limit */
	uint32_t max_workers;          /* behind extended channels, counted one by one */
	size_t duplicates_bytes;
	bool version_rolling; /* clients may change the BIP323 bits */
	bool custom_work;     /* REQUIRES_WORK_SELECTION is admitted; needs the hook custom_job */
};

/* A share that was examined. Borrowed, for the time of the call. */
struct judged_share {
	struct mining_conn *conn;
	uint32_t channel_id;       /* as the message says it */
	struct channel *channel;   /* NULL: there is none */
	struct job *job;           /* NULL: there is none */
	const struct share *share; /* the message's fields; shares.h */
	enum share_result result;
	const uint8_t *header; /* 80 bytes; NULL: it did not come to hashing */
	const uint8_t *hash;   /* 32 bytes, little-endian; NULL likewise */
	double difficulty;     /* of the hash; 0 likewise */
};

struct mining_hooks {
	/* One line for the log. */
	void (*log)(void *context, int32_t level, const char *text, size_t size);
	/* What the state line shows may be another: work, template providers, journal. */
	void (*changed)(void *context);
	/* Each second; monotonic milliseconds. */
	void (*tick)(void *context, uint64_t now_ms);

	/* A client sets up a connection. RESULT is filled as the engine would answer; the hook may
	 * add flags or an error. */
	void (*setup)(void *context, const struct adit_sv2_setup_connection *request,
		      struct adit_sv2_setup_result *result);
	/* Who is USER (user_identity of a channel that is asked for)? NULL and *PAYEE filled, or
	 * the error_code of OpenMiningChannel.Error. Called again when a request has waited.
	 * Without it everybody is admitted and of the role's own class. */
	const char *(*identify)(void *context, const struct adit_bytes *user, struct payee *payee);
	/* CHANNEL is there, nothing was sent yet; the hook may set channel->role. USER are the
	 * bytes of its user_identity. False: no memory; it is refused without channel_closed(). */
	bool (*channel_opened)(void *context, struct channel *channel,
			       const struct adit_bytes *user);
	/* CHANNEL ends; for the hook to free channel->role. */
	void (*channel_closed)(void *context, struct channel *channel);
	/* SetCustomMiningJob; returns what the message's handler returns. */
	int32_t (*custom_job)(void *context, struct mining_conn *conn,
			      const struct adit_sv2_set_custom_mining_job *m);

	/* Appends the outputs, without a count, that divide VALUE satoshi for PAYEE (of the role's
	 * own class: own_percent 100) and returns how many. A buf that failed says "no memory".
	 * Required as soon as there are templates of template providers. */
	uint32_t (*outputs)(void *context, const struct payee *payee, uint64_t value,
			    struct buf *out);
	/* C was made of a template: once for each template, class and edition of the outputs,
	 * before its job goes out. The hook may set c->role. Not called for what
	 * mining_upstream_job() or the role itself makes. */
	void (*coinbase_made)(void *context, struct coinbase *c);
	/* C goes, no job has it any more; for the hook to free c->role, also that of
	 * mining_upstream_job(). Called for those whose role is not NULL. */
	void (*coinbase_freed)(void *context, struct coinbase *c);

	/* Future work T has gone out to the channels: under a new job id each time it is called. */
	void (*announced)(void *context, struct template *t);
	/* T is mined now and has gone out to the channels. NEW_TIP: another previous hash than
	 * BEFORE, or the first one. BEFORE: what was mined on, NULL: nothing. May send custom jobs.
	 */
	void (*adopted)(void *context, struct template *t, const struct tip *before, bool new_tip);

	/* A share was judged, before it is answered; accepted (SHARE_ACCEPTED, SHARE_BLOCK) or
	 * refused. In the hot path: nothing may be allocated or logged. For a block: after block().
	 */
	void (*share)(void *context, const struct judged_share *s);
	/* A share is a block. One of a template provider is in the journal and on its way to the
	 * provider; for any other (s->job->template->provider is NULL) it's all the role's to do.
	 */
	void (*block)(void *context, const struct judged_share *s);

	/* THERE: a template provider has work after there was none that had. Else: none has any
	 * more; what is mined goes on until the role says otherwise. */
	void (*templates)(void *context, bool there);
	/* RequestTransactionData of the role's, on provider->conn, is answered. */
	int32_t (*transactions)(void *context, struct provider *provider,
				const struct adit_sv2_request_transaction_data_success *m);
	int32_t (*no_transactions)(void *context, struct provider *provider,
				   const struct adit_sv2_request_transaction_data_error *m);
};

/* --- life --------------------------------------------------------------------------------------
 */

/* At the role's init. CONFIG is copied but for the providers' addresses, HOOKS must live as long as
 * M. Fills m->info. */
int32_t mining_init(struct mining *m, const struct adit_host_api *api, struct adit_host *host,
		    const struct mining_config *config, const struct mining_hooks *hooks,
		    void *context, struct error *e);
/* At its start: the journal is read, miners are served as soon as there is work, template providers
 * are connected to. After an error mining_stop() undoes what was done. */
int32_t mining_start(struct mining *m, struct error *e);
/* Nobody new is let in and all are asked to connect elsewhere (Reconnect). True when there is
 * anybody: a moment later it is time for mining_stop(). */
bool mining_drain(struct mining *m);
/* Ends service and providers; connections were closed by the server before or are then. */
void mining_stop(struct mining *m);
/* What a role's `stop` does and returns: drains and calls END, which is to call mining_stop(), with
 * the hooks' context: at once (ADIT_OK), or a moment later when there was anybody
 * (ADIT_E_UNAVAILABLE); then the host hears from here that the role has stopped. */
int32_t mining_leave(struct mining *m, void (*end)(void *context));
void mining_fini(struct mining *m);
/* Takes over the bounds of difficulty, limits, times, tag (of templates to come) and max_classes;
 * the rest stays as it was at init. */
void mining_reload(struct mining *m, const struct mining_config *config);
/* Template providers leave room for outputs of SIZE bytes and SIGOPS of cost. Before
 * mining_start(), or later: they are told. */
void mining_set_limits(struct mining *m, uint32_t size, uint16_t sigops);

/* One line for the log. */
void mining_log(struct mining *m, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- where work comes from ---------------------------------------------------------------------
 *
 * Templates of template providers are mined, unless the role says otherwise. A change of the source
 * goes out as the specification wants (05 section 5.3.20): as a job on the same tip, else as a
 * future job and SetNewPrevHash. Until the new source has work the old one's goes on.
 */

/* Templates of the providers, again. */
void mining_use_templates(struct mining *m);
/* What mining_upstream_job() and mining_upstream_tip() bring from now on; jobs of an upstream
 * before are forgotten. Providers stay connected, and their templates are kept for later. */
void mining_use_upstream(struct mining *m);
/* Nothing: no channel is opened any more and no connection accepted. Jobs that are out can still
 * yield shares. */
void mining_use_nothing(struct mining *m);
/* JOB of the upstream, for all channels: a future one (ntime_start not present) goes out at once,
 * and is mined when mining_upstream_tip() names it; one with ntime_start is mined at once, on the
 * upstream's tip. ROLE becomes the role pointer of its coinbase, which comes back by the hook
 * coinbase_freed(), maybe within this call. An error with E, and ROLE is the caller's still:
 * ADIT_E_PROTOCOL when it can't be mined or there is no tip, ADIT_E_UNAVAILABLE when work comes
 * from elsewhere, ADIT_E_NO_MEMORY. */
int32_t mining_upstream_job(struct mining *m, const struct adit_sv2_new_extended_mining_job *job,
			    void *role, struct error *e);
/* ADIT_E_PROTOCOL when it names no future job, or its nBits are no target. */
int32_t mining_upstream_tip(struct mining *m, const struct adit_sv2_set_new_prev_hash *tip,
			    struct error *e);

/* --- what an upstream demands ------------------------------------------------------------------
 */

/* The first part of every extranonce, extranonce.h. */
struct mining_base {
	uint8_t bytes[32]; /* the extranonce_prefix that the upstream gave */
	uint8_t size;
	uint8_t room; /* bytes after them that are ours (extranonce_size); 0: as many as needed */
	uint8_t rollable; /* that clients roll; 0: as it is. Another size only without channels */
	const char *tag;  /* in coinbases of templates; NULL: as configured */
};

/* Every channel gets SetExtranoncePrefix, and coinbases of templates are made anew; jobs that are
 * out keep theirs. To be followed by new work, mining_refresh() at the latest. Jobs of an upstream
 * were for the base before: none of them goes out any more, and channels that are asked for wait
 * for others. A base that is the same as before changes nothing but that. BASE NULL: this process's
 * own (server_id and slice). ADIT_E_LIMIT with E, and nothing has changed, when it leaves too
 * little room, or the coinbase's script would be too long. */
int32_t mining_set_base(struct mining *m, const struct mining_base *base, struct error *e);
/* No channel gets a target harder than TARGET (little-endian; NULL: no such bound), so that no
 * share is lost that the upstream would pay, unless its client takes nothing easier, or it would
 * send more than 10 times shares_per_minute, see vardiff_flood_hashrate(). Channels for which that
 * is another target get it at once. */
void mining_set_bound(struct mining *m, const uint8_t target[32]);
/* What the hook outputs() says is another thing now: coinbases made before are for past jobs only.
 * To be followed by new work, mining_refresh() at the latest. Raises the edition. */
void mining_outputs_changed(struct mining *m);
/* What is mined and announced goes out once more as new jobs. */
void mining_refresh(struct mining *m);

/* --- for hooks ---------------------------------------------------------------------------------
 */

/* The coinbase of T that pays the role's own outputs, made if there is none: a reference for the
 * caller, coinbase_unref(). NULL: no memory. */
struct coinbase *mining_coinbase(struct mining *m, struct template *t);
/* The extranonce of S without the first part that mining_set_base() gave: what a share to that
 * upstream says. Returns its size; 0 without a job. */
size_t mining_share_extranonce(const struct judged_share *s, uint8_t out[32]);
/* All channels are closed with CODE (reason_code of CloseChannel), those that wait are refused. Not
 * from a hook. */
void mining_close_channels(struct mining *m, const char *code);

#endif
