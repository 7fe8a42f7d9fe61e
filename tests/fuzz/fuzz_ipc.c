/* SPDX-License-Identifier: MIT */
/* Frames between host and role processes, the start message, and JSON text that is passed on. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/ipc.h"
#include "host/json_text.h"
#include "host/start.h"
#include "lib/util/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was decoded has the same bytes when it is encoded again. */
static void check_round_trip(const uint8_t *data, size_t size, const struct ipc_frame *frame)
{
	uint8_t header[IPC_HEADER];
	size_t total;

	if (ipc_encode_header(frame, header) != ADIT_OK || memcmp(header, data, IPC_HEADER) != 0 ||
	    ipc_frame_size(header, &total) != ADIT_OK || total != size)
		abort();
}

/* A value that is passed on stays one line and valid. */
static void check_json(const char *text, size_t size)
{
	struct buf out = {.limit = 4096 + 6 * size};

	(void)json_text_embed(&out, text, size);
	if (out.failed || memchr(out.data, '\n', out.size) != NULL ||
	    !json_text_valid((const char *)out.data, out.size))
		abort();
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipc_strings strings;
	struct ipc_frame frame;
	size_t total;

	if (size >= IPC_HEADER)
		(void)ipc_frame_size(data, &total);
	if (ipc_decode(data, size, &frame, &strings) == ADIT_OK) {
		check_round_trip(data, size, &frame);
		if (frame.kind == IPC_START)
			start_free(start_decode(frame.json, frame.json_size));
		check_json(frame.json, frame.json_size);
	}
	check_json((const char *)data, size);
	return 0;
}
