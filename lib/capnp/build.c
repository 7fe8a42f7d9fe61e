/* SPDX-License-Identifier: MIT */
/*
 * build.c: writing messages. Segments never move or grow, a full one is followed by another: an
 * object in another segment than its pointer is reached through a landing pad that was put before
 * it (far pointer), an older object without such a pad through two words elsewhere (double far).
 */
#include "config.h"

#include <stdlib.h>

#include "lib/capnp/capnp.h"
#include "lib/capnp/wire.h"

#define SEGMENT_WORDS 512u
#define LIMIT_BYTES ((uint64_t)64 << 20)

/* A place in a builder. */
struct place {
	uint32_t segment;
	uint32_t at;
};

void capn_builder_free(struct capn_builder *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		free(b->segments[i].data);
	free(b->segments);
	*b = (struct capn_builder){.segment_words = b->segment_words, .limit = b->limit};
}

static bool fail(struct capn_builder *b)
{
	b->failed = true;
	return false;
}

static bool add_segment(struct capn_builder *b, uint64_t words)
{
	uint64_t least = b->segment_words > 0 ? b->segment_words : SEGMENT_WORDS;
	uint64_t capacity = words > least ? words : least;
	if (b->count == CAPN_SEGMENTS_MAX || capacity > WIRE_COUNT_MAX)
		return fail(b);
	struct capn_segment *segments =
	    realloc(b->segments, (b->count + 1) * sizeof(struct capn_segment));
	if (segments == NULL)
		return fail(b);
	b->segments = segments;
	uint8_t *data = calloc((size_t)capacity, 8);
	if (data == NULL)
		return fail(b);
	b->segments[b->count++] = (struct capn_segment){data, 0, (uint32_t)capacity};
	return true;
}

static bool take(struct capn_builder *b, uint32_t segment, uint64_t words, struct place *out)
{
	struct capn_segment *s = &b->segments[segment];
	if (words > s->capacity - s->used)
		return false;
	*out = (struct place){segment, s->used};
	s->used += (uint32_t)words;
	b->words += words;
	return true;
}

/* WORDS of zeros, in segment NEAR when they fit there; else in the newest or a new one, with a word
 * for a landing pad before them. */
static bool allocate(struct capn_builder *b, uint32_t near, uint64_t words, struct place *out)
{
	uint64_t limit = b->limit > 0 ? b->limit : LIMIT_BYTES;
	if (b->failed || words > limit / 8 || b->words + words + 1 > limit / 8)
		return fail(b);
	if (near < b->count && take(b, near, words, out))
		return true;
	if ((b->count == 0 || !take(b, b->count - 1, words + 1, out)) &&
	    (!add_segment(b, words + 1) || !take(b, b->count - 1, words + 1, out)))
		return false;
	out->at++;
	return true;
}

static uint8_t *address(const struct capn_builder *b, struct place p)
{
	return b->segments[p.segment].data + (size_t)p.at * 8;
}

/* The word of pointer INDEX of PARENT. */
static bool pointer_place(struct capn_ref parent, uint32_t index, struct place *out)
{
	if (parent.builder == NULL)
		return false;
	uint32_t pointers = parent.type == CAPN_LIST ? parent.count : parent.pointer_count;
	if (index >= pointers || (parent.type == CAPN_LIST && parent.element != CAPN_POINTER))
		return fail(parent.builder);
	*out = (struct place){parent.segment, parent.at + parent.data_words + index};
	return true;
}

/* POINTER, still without offset, is stored at FROM so that it leads to TO. PADDED: the word before
 * TO is free for a landing pad. */
static void store_pointer(struct capn_builder *b, struct place from, struct place to,
			  uint64_t pointer, bool padded)
{
	struct place pad;
	if (from.segment == to.segment) {
		int64_t offset = (int64_t)to.at - from.at - 1;
		wire_store(address(b, from), pointer | (uint64_t)((uint32_t)offset << 2), 8);
	} else if (padded) {
		pad = (struct place){to.segment, to.at - 1};
		wire_store(address(b, pad), pointer, 8);
		wire_store(address(b, from), wire_far(false, pad.at, pad.segment), 8);
	} else if (take(b, to.segment, 1, &pad)) {
		int64_t offset = (int64_t)to.at - pad.at - 1;
		wire_store(address(b, pad), pointer | (uint64_t)((uint32_t)offset << 2), 8);
		wire_store(address(b, from), wire_far(false, pad.at, pad.segment), 8);
	} else if (allocate(b, from.segment, 2, &pad)) {
		wire_store(address(b, pad), wire_far(false, to.at, to.segment), 8);
		wire_store(address(b, pad) + 8, pointer, 8);
		wire_store(address(b, from), wire_far(true, pad.at, pad.segment), 8);
	}
}

/* Allocates WORDS for an object to which pointer INDEX of PARENT leads, as POINTER describes it. */
static bool attach(struct capn_ref parent, uint32_t index, uint64_t words, uint64_t pointer,
		   struct place *out)
{
	struct place from;
	if (!pointer_place(parent, index, &from) ||
	    !allocate(parent.builder, from.segment, words, out))
		return false;
	store_pointer(parent.builder, from, *out, pointer, true);
	return true;
}

static struct capn_ref struct_ref(struct capn_builder *b, struct place p, uint16_t data_words,
				  uint16_t pointers)
{
	return (struct capn_ref){.builder = b,
				 .segment = p.segment,
				 .at = p.at,
				 .data_words = data_words,
				 .pointer_count = pointers,
				 .type = CAPN_STRUCT};
}

struct capn_ref capn_new_root(struct capn_builder *b, uint16_t data_words, uint16_t pointers)
{
	struct place root;
	struct place content;
	/* The pointer to the root is the first word of the first segment. */
	if (b->count != 0 || !add_segment(b, 1u + data_words + pointers) || !take(b, 0, 1, &root) ||
	    !take(b, 0, (uint64_t)data_words + pointers, &content)) {
		b->failed = true;
		return (struct capn_ref){.builder = NULL};
	}
	store_pointer(b, root, content, wire_struct(0, data_words, pointers), false);
	return struct_ref(b, content, data_words, pointers);
}

struct capn_ref capn_new_struct(struct capn_ref parent, uint32_t index, uint16_t data_words,
				uint16_t pointers)
{
	struct place p;
	uint64_t words = (uint64_t)data_words + pointers;
	/* A struct without size would look like a null pointer; its offset of -1 tells them apart,
	 * for which it needs no place (encoding specification, "Structs"). */
	if (words == 0) {
		if (pointer_place(parent, index, &p))
			wire_store(address(parent.builder, p), wire_struct(-1, 0, 0), 8);
		return (struct capn_ref){.builder = NULL};
	}
	if (!attach(parent, index, words, wire_struct(0, data_words, pointers), &p))
		return (struct capn_ref){.builder = NULL};
	return struct_ref(parent.builder, p, data_words, pointers);
}

struct capn_ref capn_new_list(struct capn_ref parent, uint32_t index, enum capn_element element,
			      uint32_t count)
{
	struct place p;
	uint64_t words = ((uint64_t)count * wire_element_bits(element) + 63) / 64;
	if (parent.builder == NULL)
		return (struct capn_ref){.builder = NULL};
	if (count > WIRE_COUNT_MAX || element == CAPN_COMPOSITE) {
		fail(parent.builder);
		return (struct capn_ref){.builder = NULL};
	}
	if (!attach(parent, index, words, wire_list(0, element, count), &p))
		return (struct capn_ref){.builder = NULL};
	return (struct capn_ref){.builder = parent.builder,
				 .segment = p.segment,
				 .at = p.at,
				 .count = count,
				 .type = CAPN_LIST,
				 .element = (uint8_t)element};
}

struct capn_ref capn_new_composite(struct capn_ref parent, uint32_t index, uint32_t count,
				   uint16_t data_words, uint16_t pointers)
{
	struct place p;
	uint64_t words = (uint64_t)count * ((uint64_t)data_words + pointers);
	if (parent.builder == NULL)
		return (struct capn_ref){.builder = NULL};
	if (words > WIRE_COUNT_MAX || count > WIRE_COUNT_MAX) {
		fail(parent.builder);
		return (struct capn_ref){.builder = NULL};
	}
	if (!attach(parent, index, words + 1, wire_list(0, CAPN_COMPOSITE, (uint32_t)words), &p))
		return (struct capn_ref){.builder = NULL};
	wire_store(address(parent.builder, p), wire_struct(count, data_words, pointers), 8);
	return (struct capn_ref){.builder = parent.builder,
				 .segment = p.segment,
				 .at = p.at + 1,
				 .count = count,
				 .data_words = data_words,
				 .pointer_count = pointers,
				 .type = CAPN_LIST,
				 .element = CAPN_COMPOSITE};
}

struct capn_ref capn_ref_element(struct capn_ref list, uint32_t index)
{
	if (list.builder == NULL || list.type != CAPN_LIST || list.element != CAPN_COMPOSITE ||
	    index >= list.count) {
		if (list.builder != NULL)
			fail(list.builder);
		return (struct capn_ref){.builder = NULL};
	}
	uint32_t step = (uint32_t)list.data_words + list.pointer_count;
	struct place p = {list.segment, list.at + index * step};
	return struct_ref(list.builder, p, list.data_words, list.pointer_count);
}

static void write_number(struct capn_ref r, uint64_t offset, uint64_t value, unsigned size)
{
	if (r.builder == NULL)
		return;
	uint64_t room = r.type == CAPN_LIST ? (uint64_t)r.count * wire_element_bits(r.element) / 8
					    : (uint64_t)r.data_words * 8;
	if (offset > room || size > room - offset) {
		fail(r.builder);
		return;
	}
	wire_store(address(r.builder, (struct place){r.segment, r.at}) + offset, value, size);
}

void capn_write8(struct capn_ref r, uint32_t offset, uint8_t value)
{
	write_number(r, offset, value, 1);
}

void capn_write16(struct capn_ref r, uint32_t offset, uint16_t value)
{
	write_number(r, offset, value, 2);
}

void capn_write32(struct capn_ref r, uint32_t offset, uint32_t value)
{
	write_number(r, offset, value, 4);
}

void capn_write64(struct capn_ref r, uint32_t offset, uint64_t value)
{
	write_number(r, offset, value, 8);
}

void capn_set64(struct capn_ref list, uint32_t index, uint64_t value)
{
	write_number(list, (uint64_t)index * 8, value, 8);
}

void capn_write_bit(struct capn_ref r, uint32_t index, bool value)
{
	if (r.builder == NULL)
		return;
	uint64_t room = r.type == CAPN_LIST ? (r.element == CAPN_BIT ? r.count : 0)
					    : (uint64_t)r.data_words * 64;
	if (index >= room) {
		fail(r.builder);
		return;
	}
	uint8_t *at = address(r.builder, (struct place){r.segment, r.at}) + index / 8;
	*at = (uint8_t)((*at & ~(1u << index % 8)) | (unsigned)value << index % 8);
}

static void set_bytes(struct capn_ref parent, uint32_t index, const void *bytes, size_t size,
		      size_t extra)
{
	if (parent.builder == NULL)
		return;
	if (size >= WIRE_COUNT_MAX) {
		fail(parent.builder);
		return;
	}
	struct capn_ref list = capn_new_list(parent, index, CAPN_BYTE, (uint32_t)(size + extra));
	if (list.builder != NULL && size > 0)
		memcpy(address(list.builder, (struct place){list.segment, list.at}), bytes, size);
}

void capn_set_data(struct capn_ref parent, uint32_t index, const void *data, size_t size)
{
	set_bytes(parent, index, data, size, 0);
}

void capn_set_text(struct capn_ref parent, uint32_t index, const char *text, size_t size)
{
	set_bytes(parent, index, text, size, 1);
}

void capn_set_cap(struct capn_ref parent, uint32_t index, uint32_t cap)
{
	struct place from;
	if (pointer_place(parent, index, &from))
		wire_store(address(parent.builder, from), wire_cap(cap), 8);
}

void capn_link(struct capn_ref parent, uint32_t index, struct capn_ref object)
{
	struct place from;
	struct place to = {object.segment, object.at};
	if (object.builder == NULL || object.builder != parent.builder ||
	    !pointer_place(parent, index, &from))
		return;
	uint64_t pointer = wire_list(0, object.element, object.count);
	if (object.type == CAPN_STRUCT) {
		pointer = wire_struct(0, object.data_words, object.pointer_count);
	} else if (object.element == CAPN_COMPOSITE) {
		uint32_t step = (uint32_t)object.data_words + object.pointer_count;
		pointer = wire_list(0, CAPN_COMPOSITE, object.count * step);
		to.at--; /* the tag */
	}
	store_pointer(parent.builder, from, to, pointer, false);
}
