/* SPDX-License-Identifier: MIT */
/*
 * What the bridge to MiningOS says to its role. The first byte chooses the size of the pieces in
 * which the rest arrives; the lines are the same however they are cut, and each is read as a
 * message.
 */
#include "config.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/bridge_message.h"
#include "plugins/miningos/lines.h"

#define LINE_MAX_HERE 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_message(const char *line, size_t size)
{
	struct bridge_message m;
	struct error e = {0};

	if (bridge_message_parse(line, size, &m, &e) != ADIT_OK) {
		require(e.text[0] != '\0' && m.root == NULL);
		return;
	}
	require((m.kind == BRIDGE_NOTE) == (m.id == 0));
	require(m.id <= INT32_MAX && m.text != NULL && m.peer != NULL);
	if (m.kind == BRIDGE_REQUEST)
		require(m.rack != NULL && m.method != NULL && m.method[0] != '\0' &&
			(strlen(m.peer) == 64 || m.peer[0] == '\0'));
	if (m.kind == BRIDGE_ANSWER)
		require(m.error == NULL || m.value == NULL);
	bridge_message_free(&m);
	require(m.root == NULL);
}

/* The next line by hand, of what is left at *AT. */
static void check_same(const uint8_t *data, size_t size, size_t *at, const char *line,
		       size_t length)
{
	require(length <= size - *at && memcmp(data + *at, line, length) == 0);
	*at += length;
	require(*at < size && data[*at] == '\n');
	*at += 1;
}

/* Gives out what there is; false after a line that is too long. */
static bool take(struct lines *l, const uint8_t *data, size_t size, size_t *seen)
{
	const char *line;
	size_t length;
	enum lines_result result;

	while ((result = lines_next(l, &line, &length)) == LINES_LINE) {
		check_same(data, size, seen, line, length);
		check_message(line, length);
	}
	require(result != LINES_NO_MEMORY);
	return result == LINES_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines l = {.max = LINE_MAX_HERE};
	size_t step = size > 0 ? (size_t)data[0] + 1 : 1;
	size_t seen = 0;
	bool good = true;

	data += size > 0;
	size -= size > 0;
	for (size_t at = 0; at < size && good; at += step) {
		const size_t n = step < size - at ? step : size - at;
		uint8_t *room = lines_room(&l);

		require(room != NULL);
		memcpy(room, data + at, n);
		lines_added(&l, n);
		good = take(&l, data, size, &seen);
	}
	/* nothing is left over but the beginning of a line */
	if (good)
		require(size - seen <= LINE_MAX_HERE &&
			(size == seen || memchr(data + seen, '\n', size - seen) == NULL));
	lines_free(&l);
	return 0;
}
