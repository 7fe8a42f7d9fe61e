/* SPDX-License-Identifier: MIT */
/*
 * token_keys.h: the keys that seal the tokens of job declaration, in a file that all processes of
 * pool and jds share (on several machines: a copy of it). Text, mode 0600, one key a line, the
 * newest first:
 *
 *   ID MADE SECRET      8 hexadecimal digits, Unix seconds, 64 hexadecimal digits
 *
 * The first key seals, every key opens. Who rotates puts a new key in front, under a lock beside
 * the file; who meets an unknown key reads the file anew. A crash leaves the old file or the new
 * one.
 */
#ifndef SV2_TOKEN_KEYS_H
#define SV2_TOKEN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

#define TOKEN_KEYS_MAX 8

struct token_keys;

/* Loads PATH (copied); makes it with one key when it is not there. On failure *OUT is NULL:
 * ADIT_E_PERMISSION_DENIED when others could read it, ADIT_E_CONFIG when it holds something else,
 * ADIT_E_IO, ADIT_E_NO_MEMORY. NOW: Unix seconds. */
int32_t token_keys_open(struct token_keys **out, const char *path, uint64_t now, struct error *e);
/* Wipes the secrets. NULL does nothing. */
void token_keys_free(struct token_keys *k);
/* Reads the file anew when it is another one than was read last, at most once a second (NOW_MS,
 * monotonic), so that tokens with made-up keys cost little. What was there stays when the file
 * can't be used: then false, with E. */
bool token_keys_refresh(struct token_keys *k, uint64_t now_ms, struct error *e);
/* When the newest key is AGE seconds old, puts a new one in front and drops those that were
 * replaced more than KEEP seconds ago; another process may have done so already. Sets *ROTATED when
 * there is another newest key now. NOW: Unix seconds. */
int32_t token_keys_rotate(struct token_keys *k, uint64_t now, uint64_t age, uint64_t keep,
			  bool *rotated, struct error *e);

/* The key that seals; and any by its id. What aead.h calls a context, NULL when it is not there. */
void *token_keys_newest(const struct token_keys *k, uint32_t *id);
void *token_keys_find(const struct token_keys *k, uint32_t id);
size_t token_keys_count(const struct token_keys *k);

#endif
