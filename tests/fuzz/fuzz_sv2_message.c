/* SPDX-License-Identifier: MIT */
/* Every message: the first byte chooses which, the others are its payload. What decodes must encode
 * again to as many bytes, and those must mean the same; both printers must cope with it. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sv2/codec.h"
#include "lib/sv2/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void print(int32_t message, const union sv2_body *body, struct buf *out)
{
	require(sv2_print(out, message, body, SV2_PRINT_TEXT));
	require(buf_append_u8(out, '\n'));
	require(sv2_print(out, message, body, SV2_PRINT_JSON));
}

/* BODY came from USED bytes; it is the same after another round. */
static void check_again(int32_t message, const union sv2_body *body, size_t used)
{
	uint8_t *bytes = malloc(used > 0 ? used : 1);
	struct buf before = {0};
	struct buf after = {0};
	union sv2_body again;
	size_t size;

	require(bytes != NULL);
	require(sv2_encode(message, body, bytes, used, &size) == ADIT_OK && size == used);
	require(sv2_decode(message, bytes, size, &again, &size) == ADIT_OK && size == used);
	print(message, body, &before);
	print(message, &again, &after);
	require(before.size == after.size && memcmp(before.data, after.data, before.size) == 0);
	buf_free(&before);
	buf_free(&after);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union sv2_body body;
	int32_t message;
	size_t used;

	if (size == 0)
		return 0;
	message = data[0] % ADIT_SV2_MESSAGE_COUNT;
	if (sv2_decode(message, data + 1, size - 1, &body, &used) != ADIT_OK)
		return 0;
	require(used <= size - 1);
	check_again(message, &body, used);
	return 0;
}
