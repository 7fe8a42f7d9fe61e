/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const log_levels[] = {"error", "warning", "info", "debug", "trace"};
static int log_level = ADIT_LOG_INFO;
static log_sink_fn log_sink;
static void *log_sink_user;

const char *log_level_name(int level)
{
	return level >= 0 && level <= ADIT_LOG_TRACE ? log_levels[level] : log_levels[0];
}

bool log_level_is(const char *name)
{
	return strcmp(log_level_name(log_level_parse(name)), name) == 0;
}

int log_level_parse(const char *name)
{
	for (int i = 0; i <= ADIT_LOG_TRACE; i++) {
		if (strcmp(log_levels[i], name) == 0)
			return i;
	}
	return ADIT_LOG_INFO;
}

void log_set_level(int level)
{
	log_level = level;
}

int log_level_now(void)
{
	return log_level;
}

bool log_enabled(int level)
{
	return level <= log_level;
}

void log_redirect(log_sink_fn fn, void *user)
{
	log_sink = fn;
	log_sink_user = user;
}

/* Size of the well-formed UTF-8 sequence at TEXT (RFC 3629), 0 when there is none or it is a
 * control character. */
static size_t log_utf8(const unsigned char *text, size_t size)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = text[0] < 0x80   ? 1
			: text[0] < 0xc2 ? 0
			: text[0] < 0xe0 ? 2
			: text[0] < 0xf0 ? 3
			: text[0] < 0xf5 ? 4
					 : 0;
	uint32_t code;

	if (length == 0 || length > size)
		return 0;
	if (length == 1)
		return text[0] >= 0x20 && text[0] != 0x7f ? 1 : 0;
	code = text[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3fu);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
	    code < 0xa0) /* 0x80..0x9f are controls (C1) */
		return 0;
	return length;
}

void log_sanitise(char *out, size_t capacity, const char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < size;) {
		size_t length = log_utf8((const unsigned char *)text + i, size - i);
		size_t room = length > 0 ? length : 1;

		if (used + room >= capacity)
			break;
		if (length == 0)
			out[used] = '?';
		else
			memcpy(out + used, text + i, length);
		used += room;
		i += room;
	}
	out[used] = '\0';
}

/* Writes a line, or drops and counts it when nobody takes it: the loop must not wait for the reader
 * of a pipe (which has room for PIPE_BUF bytes, more than a line, when poll says so). */
static void log_put(const char *line, size_t size)
{
	static unsigned lost;
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	char note[64];

	if (poll(&fd, 1, 0) == 0) {
		lost++;
		return;
	}
	if (lost > 0) {
		int length = snprintf(note, sizeof(note), "(%u lines were lost here)\n", lost);

		lost = 0;
		if (write(STDERR_FILENO, note, (size_t)length) < 0)
			return;
	}
	if (write(STDERR_FILENO, line, size) < 0)
		return; /* nowhere to tell it */
}

static void log_write(int level, const char *source, const char *text)
{
	char line[LOG_TEXT_MAX + 128];
	struct timespec now;
	struct tm tm;
	int size;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	size =
	    snprintf(line, sizeof(line), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %s: %s\n",
		     tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		     (int)(now.tv_nsec / 1000000), log_level_name(level), source, text);
	if (size >= (int)sizeof(line)) {
		size = (int)sizeof(line) - 1;
		line[size - 1] = '\n';
	}
	log_put(line, (size_t)size);
}

void log_text(int level, const char *source, const char *text, size_t size)
{
	char clean[LOG_TEXT_MAX];

	if (!log_enabled(level))
		return;
	log_sanitise(clean, sizeof(clean), text, size);
	if (log_sink != NULL)
		log_sink(log_sink_user, level, source, clean, strlen(clean));
	else
		log_write(level, source, clean);
}

void log_line(int level, const char *source, const char *format, ...)
{
	char text[LOG_TEXT_MAX];
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_text(level, source, text, strlen(text));
}
