/* SPDX-License-Identifier: MIT */
/*
 * log.h: log lines "2026-11-21T09:00:00.123Z info pool.1: text". The host writes them to standard
 * error; a role process hands its own to the host (log_redirect).
 */
#ifndef HOST_LOG_H
#define HOST_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include <adit/plugin.h>

#define LOG_TEXT_MAX 2048

/* One line of process or role SOURCE. What is not printable UTF-8 is replaced by '?': texts may
 * hold a peer's bytes. */
void log_line(int level, const char *source, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_text(int level, const char *source, const char *text, size_t size);

void log_set_level(int level);
int log_level_now(void);
bool log_enabled(int level);
const char *log_level_name(int level);
bool log_level_is(const char *name);
/* The level of NAME; ADIT_LOG_INFO for a name that is none. */
int log_level_parse(const char *name);

/* From now on lines go to FN; NULL: to standard error. */
typedef void (*log_sink_fn)(void *user, int level, const char *source, const char *text,
			    size_t size);
void log_redirect(log_sink_fn fn, void *user);

/* Copies TEXT with all control characters and malformed UTF-8 replaced by '?'; at most CAPACITY - 1
 * bytes and a NUL. */
void log_sanitise(char *out, size_t capacity, const char *text, size_t size);

#endif
