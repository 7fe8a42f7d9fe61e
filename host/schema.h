/* SPDX-License-Identifier: MIT */
/*
 * schema.h: the keys a configuration section may have, as a manifest's [config_schema] describes
 * them (key = type | default | range | help; `secret` may stand before the type), and the check of
 * a value against its key.
 */
#ifndef HOST_SCHEMA_H
#define HOST_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

enum schema_type {
	SCHEMA_STRING,   /* range: shortest..longest in bytes */
	SCHEMA_INT,      /* a signed 64-bit integer */
	SCHEMA_FLOAT,    /* a finite decimal number */
	SCHEMA_BOOL,     /* true yes on 1, false no off 0; becomes "true" or "false" */
	SCHEMA_ENUM,     /* range: the words, comma-separated */
	SCHEMA_PATH,     /* becomes absolute */
	SCHEMA_DURATION, /* 500ms 5s 2m 1h; becomes milliseconds */
	SCHEMA_LISTEN,   /* comma list of HOST:PORT, [V6]:PORT, unix:PATH that the host opens */
	SCHEMA_SCRIPT,   /* an address or a descriptor that stands for one script */
	SCHEMA_ADDRESS,  /* an address of the network */
	SCHEMA_CONNECT, /* comma list of the same forms, NAME:PORT too, that the plugin connects to;
			  anything may follow the address after a blank (a key) */
	SCHEMA_LIST,    /* range: words, of which the value names some, each once; becomes a,b */
	SCHEMA_PAYOUT,  /* comma list of addresses and descriptors with their percentages of a
			  reward (lib/bitcoin/reward.h) */
	SCHEMA_POOL,    /* where a pool is (lib/sv2/url.h); range: keys of the same section of which
			  one has to be given when no KEY stands behind the address */
	SCHEMA_KEY      /* an authority public key (Stratum V2 specification, section 4.7) */
};

struct schema_key {
	char *name;
	enum schema_type type;
	bool secret; /* "secret TYPE": the value is shown to nobody; of type path: what the file
			holds */
	bool required;
	bool ranged;
	int64_t least; /* int, duration (ms), string (bytes) */
	int64_t most;
	double least_float;
	double most_float;
	char *fallback; /* the default as written, NULL when there is none */
	char *range;    /* as written; "" when there is none */
	char *help;
	unsigned line;
};

struct schema {
	struct schema_key *keys;
	size_t count;
};

/* Adds key NAME from its DEFINITION "type | default | range | help". LINE is kept for messages.
 * ADIT_E_INVALID_ARGUMENT with a text that says what is wrong. */
int32_t schema_add(struct schema *s, const char *name, const char *definition, unsigned line,
		   struct error *e);
void schema_free(struct schema *s);
const struct schema_key *schema_find(const struct schema *s, const char *name);
const char *schema_type_name(enum schema_type type);

/* What values are checked against besides their key. */
struct schema_place {
	const char *base;    /* relative paths are taken from this absolute directory */
	const char *network; /* of addresses; NULL: they are not checked */
};

/* Checks TEXT and stores the form in which a plugin reads it in *OUT (owned by the caller). On
 * ADIT_E_INVALID_ARGUMENT E says what was expected. */
int32_t schema_value(const struct schema_key *key, const char *text,
		     const struct schema_place *place, char **out, struct error *e);

/* Whether VALUE, which KEY took, needs one of the keys of its range: it is a pool without a KEY. */
bool schema_wants_key(const struct schema_key *key, const char *value);
/* True when WORD is one of the comma list WORDS; blanks around a word don't count. */
bool schema_in_list(const char *words, const char *word);

#endif
