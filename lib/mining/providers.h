/* SPDX-License-Identifier: MIT */
/*
 * providers.h: the template providers, in order of preference. All are connected; preference.h says
 * whose work is mined. When none is left, the last work goes on.
 */
#ifndef MINING_PROVIDERS_H
#define MINING_PROVIDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/mining/mining.h"
#include "lib/mining/templates.h"
#include "lib/util/error.h"

#define PROVIDER_FUTURES_MAX 8

struct event_base;
struct json_object;
struct mining;
struct sv2_client;

struct provider {
	struct mining *mining;
	char *address;         /* without the key; owned */
	uint8_t authority[32]; /* x of the authority key that a HOST:PORT must prove */
	struct sv2_client *client;
	struct adit_sv2_conn *conn; /* NULL: not connected */
	bool has_tip;               /* since it connected */
	struct tip tip;
	struct template *current;                       /* newest of the tip; NULL: refused */
	struct template *futures[PROVIDER_FUTURES_MAX]; /* oldest first */
	uint32_t future_count;

	/* What it was told to leave room for; its next future template answers that. */
	uint32_t constraints_size;
	uint16_t constraints_sigops;
	bool answers_constraints;

	/* Templates that came in the window that began at: */
	uint32_t window_count;
	uint64_t window_ms;

	/* Templates that can't be used. */
	uint64_t refused;    /* how many */
	uint64_t refused_id; /* the last future one: its SetNewPrevHash brings no work */
	bool has_refused_id;
	char fault[160]; /* what was wrong last; "" while it has never done wrong */
	char away[160];  /* why it is not connected; "" while it is, or was not tried yet */

	/* preference.c */
	bool owing_told;      /* that it owes a block */
	bool doubted;         /* lost, stuck or refused, and not ready since */
	uint64_t behind_ms;   /* since when another one has a greater height; 0: not */
	uint64_t owes_ms;     /* when it was sent a block for the tip that it is on; 0: it wasn't */
	uint64_t trusted_ms;  /* from when on it may take its place back */
	uint64_t tip_ms;      /* when its tip came */
	uint64_t switches_to; /* how often it became the active one */
};

/* What CoinbaseOutputConstraints says (specification 07 section 7.1). */
struct mining_limits {
	uint32_t size; /* bytes of outputs */
	uint16_t sigops;
};

struct providers {
	struct provider items[MINING_PROVIDERS_MAX];
	uint32_t count;
	struct provider *active; /* whose work is mined; NULL: none is ready */
	bool there;              /* there is one, as the role was told */
	uint32_t patience_ms;    /* the three of preference.h */
	uint32_t return_ms;
	uint32_t owing_ms;
	uint64_t lost_ms; /* since when there is none but on an older tip; 0: there is */
	uint64_t timer;   /* of the host, valid while armed */
	bool armed;
	uint64_t armed_ms; /* for when */
};

/* Starts to connect to the configured providers. */
int32_t providers_start(struct mining *mining, struct event_base *base, struct error *e);
void providers_fini(struct mining *mining);
/* The configuration has changed: takes over times. */
void providers_reload(struct mining *mining);
/* Tells the providers how large the coinbase may become, if that is new to them. */
void providers_tell_limits(struct mining *mining);
/* The extranonce's base, or the tag, is another one: templates are made again. */
void providers_remake(struct mining *mining);
/* P was sent a block. Moves no work: may be called while a share is judged. */
void providers_sent_block(struct mining *mining, struct provider *p, const uint8_t prev_hash[32]);
/* What keeps P from being used, as a short text ("away: ...") in OUT; "" when nothing does. */
void provider_describe(const struct provider *p, char *out, size_t capacity);
/* An object for each, in order, for `status`. */
struct json_object *providers_json(const struct mining *mining);

/* The handlers of every provider's connection; context is a struct provider. */
extern const struct adit_sv2_template_client_handlers provider_handlers;

#endif
