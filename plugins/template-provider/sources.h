/* SPDX-License-Identifier: MIT */
/*
 * sources.h: the sources of the key `source`, in order of preference. The first is always open, the
 * others while it gives no templates. The first gets its place back as soon as it has a template of
 * a tip that is not below the one that is served.
 *
 * What is served is never taken back: while no source has a template the last one stays, and a
 * source whose tip is below it has to wait until the one it stands in for has been away for a
 * while.
 */
#ifndef TP_SOURCES_H
#define TP_SOURCES_H

#include "plugins/template-provider/source.h"

#define TP_SOURCES_MAX 2u
/* How long a lower tip of a stand-in is not believed. */
#define TP_SOURCES_PATIENCE_MS 30000u

struct tp_sources;

/* One source's place. */
struct tp_sources_entry {
	struct tp_sources *owner;
	const struct tp_source_type *type;
	struct tp_source *source; /* NULL: not open */
	bool well;                /* gives templates */
	char state[256];          /* why not, "" before anything is known */
};

/* Zero-initialise, set `settings`, then tp_sources_start(). */
struct tp_sources {
	struct tp_source_settings settings; /* the caller's, at any time */
	const struct tp_host *host;
	const struct tp_source_callbacks *callbacks;
	void *user;
	struct tp_sources_entry entries[TP_SOURCES_MAX];
	uint32_t count;
	uint32_t active;  /* whose snapshots are served */
	bool serving;     /* there was a snapshot */
	uint32_t height;  /* of the last one */
	uint64_t lost_ms; /* since when the active source is not well; 0: it is */
	char state[600];  /* what was told last */
	char *keys;       /* the configuration that it was opened with */
};

/* Opens what the configuration says. CALLBACKS (borrowed): `state` gets a text for people about all
 * sources, "" when the preferred one is well. ADIT_E_CONFIG and the like with E. */
int32_t tp_sources_start(struct tp_sources *s, const struct tp_host *host,
			 const struct tp_source_callbacks *callbacks, void *user, struct error *e);
/* No callback comes after it. Harmless when nothing was started. */
void tp_sources_stop(struct tp_sources *s);
/* Whether the configuration now says other than what was opened: that takes a new start. */
bool tp_sources_changed(const struct tp_sources *s);
/* The source that is served from, as in the key `source`. */
const char *tp_sources_active(const struct tp_sources *s);
/* Whether that one is well. */
bool tp_sources_well(const struct tp_sources *s);
/* A tp_way_fn (submit.h), SOURCES a struct tp_sources: to the source that takes blocks, which is
 * opened for that and stays open until it has answered. */
struct tp_attempt *
tp_sources_submit(void *sources, const uint8_t *block, size_t size,
		  void (*done)(void *user, enum tp_verdict verdict, const char *text), void *user);

#endif
