/* SPDX-License-Identifier: MIT */
/* frame.c: segments to and from a stream ("Serialization Over a Stream"): their number less one and
 * the words of each as 32-bit numbers, padded to whole words, then the segments. */
#include "config.h"

#include "lib/capnp/capnp.h"
#include "lib/capnp/wire.h"

static uint64_t head_size(uint32_t segments)
{
	return (4 + (uint64_t)segments * 4 + 7) & ~(uint64_t)7;
}

uint64_t capn_frame_size(const uint8_t *data, size_t size, uint64_t limit)
{
	if (size < 4)
		return 0;
	uint64_t segments = wire_load(data, 4) + 1;
	if (segments > CAPN_SEGMENTS_MAX)
		return UINT64_MAX;
	uint64_t total = head_size((uint32_t)segments);
	if (size < total)
		return 0;
	for (uint32_t i = 0; i < segments; i++)
		total += wire_load(data + 4 + i * 4, 4) * 8;
	return total > limit ? UINT64_MAX : total;
}

int32_t capn_message_init(struct capn_message *m, const uint8_t *data, size_t size, struct error *e)
{
	m->count = 0;
	m->traversal = CAPN_TRAVERSAL;
	m->failure = NULL;
	if (capn_frame_size(data, size, size) != size || size == 0)
		return error_set(
		    e, ADIT_E_PROTOCOL,
		    "the sizes in the head of a Cap'n Proto message don't add up to its %zu bytes",
		    size);
	uint32_t count = (uint32_t)wire_load(data, 4) + 1;
	const uint8_t *at = data + head_size(count);
	for (uint32_t i = 0; i < count; i++) {
		m->segment[i] = at;
		m->words[i] = (uint32_t)wire_load(data + 4 + i * 4, 4);
		at += (size_t)m->words[i] * 8;
	}
	m->count = count;
	return ADIT_OK;
}

int32_t capn_frame(const struct capn_builder *b, struct buf *out)
{
	if (b->failed || b->count == 0)
		return ADIT_E_NO_MEMORY;
	if (buf_reserve(out, (size_t)(head_size(b->count) + b->words * 8)) == NULL)
		return ADIT_E_NO_MEMORY;
	buf_append_u32(out, b->count - 1);
	for (uint32_t i = 0; i < b->count; i++)
		buf_append_u32(out, b->segments[i].used);
	if (b->count % 2 == 0)
		buf_append_u32(out, 0);
	for (uint32_t i = 0; i < b->count; i++)
		buf_append(out, b->segments[i].data, (size_t)b->segments[i].used * 8);
	return out->failed ? ADIT_E_NO_MEMORY : ADIT_OK;
}
