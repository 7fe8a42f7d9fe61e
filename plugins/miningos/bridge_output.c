/* SPDX-License-Identifier: MIT */
/* bridge_output.c: what the child prints goes to the log: always read, so that it never waits for
 * us, but only so much of it told. */
#include "config.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "plugins/miningos/bridge_impl.h"

#define OUTPUT_LINE_MAX ((size_t)8 << 10)
#define OUTPUT_READS 16
#define WINDOW_MS 10000u
#define WINDOW_LINES 50u

/* The level and the text of a line of ours, {"level":"info","text":"..."}; of any other (Node.js's
 * own) a warning and the line. */
static int32_t output_parse(struct json_object *o, const char **text)
{
	static const char *const levels[] = {"error", "warning", "info", "debug", "trace"};
	struct json_object *level;
	struct json_object *value;

	if (!json_object_object_get_ex(o, "level", &level) ||
	    !json_object_object_get_ex(o, "text", &value) ||
	    !json_object_is_type(value, json_type_string))
		return ADIT_LOG_WARNING;
	*text = json_object_get_string(value);
	for (int32_t i = 0; i < (int32_t)(sizeof(levels) / sizeof(levels[0])); i++) {
		if (strcmp(json_object_get_string(level), levels[i]) == 0)
			return i;
	}
	return ADIT_LOG_INFO;
}

/* A line as ASCII text, which disturbs neither a terminal nor a log. */
static void output_copy(char *out, size_t size, const char *line, size_t line_size)
{
	size_t n = line_size < size - 1 ? line_size : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = line[i] < 0x20 || line[i] > 0x7e ? '?' : line[i];
	out[n] = '\0';
}

static void output_line(struct bridge *b, const char *line, size_t size)
{
	const uint64_t now = clock_monotonic_ms();
	char raw[1024];
	char shown[1024];
	const char *text = raw;
	struct json_object *o;
	int32_t level;

	if (now - b->log_window_ms > WINDOW_MS) {
		b->log_window_ms = now;
		b->log_lines = 0;
	}
	if (size == 0 || ++b->log_lines > WINDOW_LINES)
		return;
	output_copy(raw, sizeof(raw), line, size);
	o = raw[0] == '{' ? json_tokener_parse(raw) : NULL;
	level = output_parse(o, &text);
	output_copy(shown, sizeof(shown), text, strlen(text));
	bridge_log(b, level, "bridge: %s", shown);
	json_object_put(o);
	if (b->log_lines == WINDOW_LINES)
		bridge_log(b, ADIT_LOG_WARNING,
			   "bridge: says too much, the next lines are dropped");
}

void bridge_output_read(struct bridge *b)
{
	enum lines_result result;
	const char *line;
	size_t size;
	ssize_t n = 1;

	b->output.max = OUTPUT_LINE_MAX;
	for (int i = 0; i < OUTPUT_READS && n > 0; i++) {
		uint8_t *at = lines_room(&b->output);

		n = at != NULL ? read(b->child.output, at, LINES_CHUNK) : -1;
		if (n > 0)
			lines_added(&b->output, (size_t)n);
		for (result = lines_next(&b->output, &line, &size);
		     result == LINES_LINE || result == LINES_LONG;
		     result = lines_next(&b->output, &line, &size)) {
			if (result == LINES_LINE)
				output_line(b, line, size);
			else
				lines_skip(&b->output);
		}
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 && b->watch_output != 0) { /* closed, though the child may live on */
		b->api->io_unwatch(b->host, b->watch_output);
		b->watch_output = 0;
	}
}
