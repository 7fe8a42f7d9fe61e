/* SPDX-License-Identifier: MIT */
/* source.h: where snapshots come from: the role `node`. Asks at the start, at each
 * BlockTemplateUpdated, now and then in case one was missed, and with back-off after an error. A
 * new tip is asked for at once; other news are worth one question in `min_interval_ms`, since
 * clients would not hear of them sooner.
 *
 * The event of a new tip says itself what an empty block needs. When the template has at least
 * `empty_first` transactions that becomes a partial snapshot, and the answer follows it. */
#ifndef TP_SOURCE_H
#define TP_SOURCE_H

#include "plugins/template-provider/host.h"
#include "plugins/template-provider/snapshot.h"

/* Takes over the reference to S. */
typedef void (*tp_source_snapshot_fn)(void *user, struct tp_snapshot *s);
/* The node answers (TEXT empty), or does not for the reason TEXT. Called when that changes. */
typedef void (*tp_source_state_fn)(void *user, const char *text);

/* Zero-initialise, then tp_source_start(). */
struct tp_source {
	const struct tp_host *host;
	tp_source_snapshot_fn on_snapshot;
	tp_source_state_fn on_state;
	void *user;
	uint64_t call;  /* valid while calling */
	uint64_t timer; /* valid while waiting */
	bool calling;
	bool waiting;
	bool again; /* ask once more when the answer is there */
	uint32_t delay_ms;
	uint32_t min_interval_ms;
	uint32_t empty_first; /* 0: never */
	uint64_t answered_ms; /* when the last snapshot came */
	uint32_t subscription_count;
	uint64_t subscriptions[2];
	char state[256]; /* what on_state was told last */
};

/* Sets everything but `min_interval_ms` and `empty_first`, which are the caller's, at any time. */
int32_t tp_source_start(struct tp_source *s, const struct tp_host *host,
			tp_source_snapshot_fn on_snapshot, tp_source_state_fn on_state, void *user);
/* No callback comes after it. */
void tp_source_stop(struct tp_source *s);

#endif
