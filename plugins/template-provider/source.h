/* SPDX-License-Identifier: MIT */
/* source.h: where snapshots come from: the role `node`. Asks at the start, at each
 * BlockTemplateUpdated, now and then in case one was missed, and with back-off after an error. A
 * new tip is asked for at once; other news are worth one question in MIN_INTERVAL_MS, since clients
 * would not hear of them sooner. */
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
	uint64_t answered_ms; /* when the last snapshot came */
	uint32_t subscription_count;
	uint64_t subscriptions[2];
	char state[256]; /* what on_state was told last */
};

int32_t tp_source_start(struct tp_source *s, const struct tp_host *host, uint32_t min_interval_ms,
			tp_source_snapshot_fn on_snapshot, tp_source_state_fn on_state, void *user);
/* No callback comes after it. */
void tp_source_stop(struct tp_source *s);

#endif
