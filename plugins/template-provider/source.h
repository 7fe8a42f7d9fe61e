/* SPDX-License-Identifier: MIT */
/* source.h: where snapshots come from. Each kind of source is one struct tp_source_type:
 * node_source.c asks the role `node`, ipc_source.c Bitcoin Core itself. sources.h chooses among
 * them. */
#ifndef TP_SOURCE_H
#define TP_SOURCE_H

#include "plugins/template-provider/host.h"
#include "plugins/template-provider/snapshot.h"

/* The keys of the role that sources heed; they may change at any time. */
struct tp_source_settings {
	uint64_t fee_threshold;   /* satoshi that are worth a template on the same tip */
	uint32_t min_interval_ms; /* between templates on the same tip */
	uint32_t
	    empty_first; /* transactions from which on an empty template goes ahead; 0: never */
};

struct tp_source_callbacks {
	/* Takes over the reference to S. */
	void (*snapshot)(void *user, struct tp_snapshot *s);
	/* The source gives templates (TEXT empty), or does not for the reason TEXT. Called when
	 * that changes; before the first call nothing is known. */
	void (*state)(void *user, const char *text);
};

/* The head of each source's own struct. */
struct tp_source {
	const struct tp_source_type *type;
	const struct tp_host *host;
	const struct tp_source_settings *settings;
	const struct tp_source_callbacks *callbacks;
	void *user;
};

struct tp_source_type {
	const char *name; /* as in the key `source` */
	/* Whether it could be opened as things are configured; ADIT_E_CONFIG and the like with E.
	 */
	int32_t (*check)(const struct tp_host *host, struct error *e);
	/* HEAD is copied, what it points to is borrowed for the source's life. No callback is run
	 * inside. NULL with E. */
	struct tp_source *(*open)(const struct tp_source *head, struct error *e);
	/* No callback comes after it. */
	void (*close)(struct tp_source *s);
	/* The settings have changed. May be NULL. */
	void (*changed)(struct tp_source *s);
	/* A way for whole blocks: a tp_way_fn (submit.h). An attempt that is open when the source
	 * is closed ends then. May be NULL. */
	struct tp_attempt *(*submit)(struct tp_source *s, const uint8_t *block, size_t size,
				     void (*done)(void *user, enum tp_verdict verdict,
						  const char *text),
				     void *user);
	/* Somebody waits for the answer to such an attempt: not to be closed for a want of
	 * templates. NULL: never. */
	bool (*is_busy)(const struct tp_source *s);
};

extern const struct tp_source_type tp_node_source;
extern const struct tp_source_type tp_ipc_source;

#endif
