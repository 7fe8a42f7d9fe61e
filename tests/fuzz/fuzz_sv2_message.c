/* SPDX-License-Identifier: MIT */
/*
 * Every message of messages.def, a target for each: called fuzz_sv2_NAME (a link to this program)
 * the input is a payload of message NAME; called fuzz_sv2_message the first byte chooses the
 * message. What decodes, TLVs of all extensions included, must encode again, and that must mean the
 * same; both printers must cope with it. Replaying the corpus, the name of a file's directory
 * chooses.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sv2/codec.h"
#include "lib/sv2/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
void fuzz_select(const char *name);

#define PREFIX "fuzz_sv2_"
#define ALL_EXTENSIONS UINT32_MAX

static int32_t chosen = -1;

static void require(bool condition)
{
	if (!condition)
		abort();
}

void fuzz_select(const char *name)
{
	chosen = -1;
	for (int32_t i = 0; i < ADIT_SV2_MESSAGE_COUNT; i++)
		if (strcmp(sv2_message(i)->name, name) == 0)
			chosen = i;
}

/* libFuzzer calls this first: the program's name chooses. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *base = strrchr((*argv)[0], '/');

	(void)argc;
	base = base != NULL ? base + 1 : (*argv)[0];
	if (strncmp(base, PREFIX, strlen(PREFIX)) == 0)
		fuzz_select(base + strlen(PREFIX));
	return 0;
}

/* False when the payload is no MESSAGE. */
static bool decode(int32_t message, const uint8_t *data, size_t size, union sv2_body *body)
{
	size_t used;

	if (sv2_decode(message, data, size, body, &used) != ADIT_OK)
		return false;
	require(used <= size);
	return sv2_decode_tlvs(message, ALL_EXTENSIONS, data + used, size - used, body) == ADIT_OK;
}

/* Codes that are not printable ASCII are taken, but not sent. */
static void mend_codes(int32_t message, union sv2_body *body)
{
	const struct sv2_message *m = sv2_message(message);

	for (uint8_t i = 0; i < m->field_count; i++) {
		struct adit_bytes *code = (struct adit_bytes *)((char *)body + m->fields[i].offset);

		if (m->fields[i].type != SV2_TYPE_CODE)
			continue;
		for (uint32_t k = 0; k < code->size; k++)
			if (code->data[k] < 0x20 || code->data[k] > 0x7e)
				code->size = k;
	}
}

static void print(int32_t message, const union sv2_body *body, struct buf *out)
{
	require(sv2_print(out, message, body, SV2_PRINT_TEXT));
	require(buf_append_u8(out, '\n'));
	require(sv2_print(out, message, body, SV2_PRINT_JSON));
}

/* BODY is the same after another round, without a byte left over. */
static void check_again(int32_t message, const union sv2_body *body)
{
	struct buf before = {0};
	struct buf after = {0};
	union sv2_body again;
	uint8_t *bytes;
	size_t size;
	size_t written;

	require(sv2_encoded_size(message, body, &size) == ADIT_OK);
	bytes = malloc(size > 0 ? size : 1);
	require(bytes != NULL);
	require(sv2_encode(message, body, bytes, size, &written) == ADIT_OK && written == size);
	require(decode(message, bytes, size, &again));
	print(message, body, &before);
	print(message, &again, &after);
	require(before.size == after.size && memcmp(before.data, after.data, before.size) == 0);
	buf_free(&before);
	buf_free(&after);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int32_t message = chosen;
	union sv2_body body;

	if (message < 0 && size == 0)
		return 0;
	if (message < 0) {
		message = data[0] % ADIT_SV2_MESSAGE_COUNT;
		data++;
		size--;
	}
	if (!decode(message, data, size, &body))
		return 0;
	mend_codes(message, &body);
	check_again(message, &body);
	return 0;
}
