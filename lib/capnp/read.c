/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/capnp/capnp.h"
#include "lib/capnp/wire.h"

/* Where a pointer leads: its own last word and the word from which offsets count. */
struct target {
	uint64_t pointer;
	uint32_t segment;
	int64_t base;
};

static struct capn_ptr nothing(struct capn_message *m, const char *failure)
{
	if (failure != NULL && m->failure == NULL)
		m->failure = failure;
	return (struct capn_ptr){.message = m, .type = CAPN_NULL};
}

bool capn_failed(const struct capn_message *m)
{
	return m->failure != NULL;
}

/* WORDS more are visited; false when that is too many. */
static bool charge(struct capn_message *m, uint64_t words)
{
	if (words > m->traversal)
		return false;
	m->traversal -= words;
	return true;
}

static bool inside(const struct capn_message *m, uint32_t segment, int64_t at, uint64_t words)
{
	return at >= 0 && (uint64_t)at <= m->words[segment] &&
	       words <= m->words[segment] - (uint64_t)at;
}

static uint64_t word(const struct capn_message *m, uint32_t segment, int64_t at)
{
	return wire_load64(m->segment[segment] + at * 8);
}

/* Follows the far pointer in T to its landing pad: one word, the real pointer, or two, a far
 * pointer to the content and a tag that describes it. NULL or what is wrong. */
static const char *follow_far(const struct capn_message *m, struct target *t)
{
	uint32_t segment = wire_high(t->pointer);
	int64_t at = wire_far_offset(t->pointer);
	bool twice = wire_far_double(t->pointer);
	if (segment >= m->count || !inside(m, segment, at, twice ? 2 : 1))
		return "a far pointer leads outside of the message";
	if (!twice) {
		*t = (struct target){word(m, segment, at), segment, at + 1};
		return wire_kind(t->pointer) == WIRE_FAR ? "a landing pad is a far pointer" : NULL;
	}
	uint64_t far = word(m, segment, at);
	uint64_t tag = word(m, segment, at + 1);
	if (wire_kind(far) != WIRE_FAR || wire_far_double(far) || wire_kind(tag) == WIRE_FAR ||
	    (wire_kind(tag) != WIRE_OTHER && wire_offset(tag) != 0))
		return "a double landing pad is malformed";
	if (wire_high(far) >= m->count)
		return "a landing pad leads outside of the message";
	*t = (struct target){tag, wire_high(far), wire_far_offset(far)};
	return NULL;
}

static struct capn_ptr read_struct(struct capn_message *m, const struct target *t, uint8_t depth)
{
	int64_t at = t->base + wire_offset(t->pointer);
	uint64_t words = (uint64_t)wire_data_words(t->pointer) + wire_pointers(t->pointer);
	if (!inside(m, t->segment, at, words))
		return nothing(m, "a struct lies outside of its segment");
	if (!charge(m, words))
		return nothing(m, "the message makes a reader visit too much");
	return (struct capn_ptr){.message = m,
				 .data = m->segment[t->segment] + at * 8,
				 .segment = t->segment,
				 .data_size = wire_data_words(t->pointer) * 8u,
				 .pointer_count = wire_pointers(t->pointer),
				 .type = CAPN_STRUCT,
				 .depth = depth};
}

/* The elements of a composite list follow a tag word like a struct pointer, its offset their count.
 */
static struct capn_ptr read_composite(struct capn_message *m, const struct target *t, int64_t at,
				      struct capn_ptr list)
{
	uint64_t tag = word(m, t->segment, at);
	uint64_t count = (uint32_t)tag >> 2;
	uint64_t step = (uint64_t)wire_data_words(tag) + wire_pointers(tag);
	if (wire_kind(tag) != WIRE_STRUCT || count * step > wire_count(t->pointer) ||
	    count > WIRE_COUNT_MAX)
		return nothing(m, "the tag of a list contradicts its size");
	/* Elements without size would cost a hostile sender nothing. */
	if (step == 0 && !charge(m, count))
		return nothing(m, "the message makes a reader visit too much");
	list.data = m->segment[t->segment] + (at + 1) * 8;
	list.count = (uint32_t)count;
	list.step = (uint32_t)step * 8;
	list.data_size = wire_data_words(tag) * 8u;
	list.pointer_count = wire_pointers(tag);
	return list;
}

static struct capn_ptr read_list(struct capn_message *m, const struct target *t, uint8_t depth)
{
	int64_t at = t->base + wire_offset(t->pointer);
	unsigned element = wire_element(t->pointer);
	uint64_t count = wire_count(t->pointer);
	uint64_t words =
	    element == CAPN_COMPOSITE ? count + 1 : (count * wire_element_bits(element) + 63) / 64;
	if (!inside(m, t->segment, at, words))
		return nothing(m, "a list lies outside of its segment");
	if (!charge(m, element == CAPN_VOID ? count : words))
		return nothing(m, "the message makes a reader visit too much");
	struct capn_ptr list = {.message = m,
				.data = m->segment[t->segment] + at * 8,
				.segment = t->segment,
				.count = (uint32_t)count,
				.step = wire_element_bits(element) / 8,
				.type = CAPN_LIST,
				.element = (uint8_t)element,
				.depth = depth};
	if (element == CAPN_COMPOSITE)
		return read_composite(m, t, at, list);
	if (element == CAPN_POINTER)
		list.pointer_count = 1;
	else
		list.data_size = list.step;
	return list;
}

/* The pointer in word AT of SEGMENT, which is there. */
static struct capn_ptr resolve(struct capn_message *m, uint32_t segment, int64_t at, unsigned depth)
{
	struct target t = {word(m, segment, at), segment, at + 1};
	if (t.pointer == 0)
		return nothing(m, NULL);
	if (depth >= CAPN_NESTING)
		return nothing(m, "the message nests too deep");
	if (wire_kind(t.pointer) == WIRE_FAR) {
		const char *failure = follow_far(m, &t);
		if (failure != NULL || t.pointer == 0)
			return nothing(m, failure);
	}
	switch (wire_kind(t.pointer)) {
	case WIRE_STRUCT:
		return read_struct(m, &t, (uint8_t)(depth + 1));
	case WIRE_LIST:
		return read_list(m, &t, (uint8_t)(depth + 1));
	default:
		break;
	}
	if ((uint32_t)t.pointer != WIRE_OTHER)
		return nothing(m, "a pointer of an unknown kind");
	return (struct capn_ptr){.message = m, .type = CAPN_CAP, .cap = wire_high(t.pointer)};
}

struct capn_ptr capn_root(struct capn_message *m)
{
	if (m->count == 0 || m->words[0] == 0)
		return nothing(m, "the message has no root");
	return resolve(m, 0, 0, 0);
}

struct capn_ptr capn_getp(struct capn_ptr p, uint32_t index)
{
	if (p.type == CAPN_LIST) {
		if (p.element != CAPN_POINTER || index >= p.count)
			return nothing(p.message, NULL);
		return resolve(p.message, p.segment,
			       (p.data - p.message->segment[p.segment]) / 8 + index, p.depth);
	}
	if (p.type != CAPN_STRUCT || index >= p.pointer_count)
		return nothing(p.message, NULL);
	const uint8_t *at = p.data + p.data_size + (size_t)index * 8;
	return resolve(p.message, p.segment, (at - p.message->segment[p.segment]) / 8, p.depth);
}

struct capn_ptr capn_element(struct capn_ptr list, uint32_t index)
{
	if (list.type != CAPN_LIST || index >= list.count)
		return nothing(list.message, NULL);
	if (list.element == CAPN_BIT)
		return nothing(list.message, "a list of bits where structs were expected");
	struct capn_ptr p = list;
	p.type = CAPN_STRUCT;
	p.data = list.data + (size_t)index * list.step;
	p.count = 0;
	return p;
}

static uint64_t read_number(struct capn_ptr p, uint32_t offset, unsigned size)
{
	if (p.type != CAPN_STRUCT || offset > p.data_size || size > p.data_size - offset)
		return 0;
	return wire_load(p.data + offset, size);
}

uint8_t capn_read8(struct capn_ptr p, uint32_t offset)
{
	return (uint8_t)read_number(p, offset, 1);
}

uint16_t capn_read16(struct capn_ptr p, uint32_t offset)
{
	return (uint16_t)read_number(p, offset, 2);
}

uint32_t capn_read32(struct capn_ptr p, uint32_t offset)
{
	return (uint32_t)read_number(p, offset, 4);
}

uint64_t capn_read64(struct capn_ptr p, uint32_t offset)
{
	return read_number(p, offset, 8);
}

bool capn_read_bit(struct capn_ptr p, uint32_t index)
{
	bool list = p.type == CAPN_LIST && p.element == CAPN_BIT && index < p.count;
	if (!list && (p.type != CAPN_STRUCT || index / 8 >= p.data_size))
		return false;
	return p.data[index / 8] >> index % 8 & 1;
}

/* Pointer INDEX as a list of bytes; CAPN_NULL when there is none. */
static struct capn_ptr get_bytes(struct capn_ptr p, uint32_t index)
{
	struct capn_ptr list = capn_getp(p, index);
	if (list.type == CAPN_NULL || (list.type == CAPN_LIST && list.element == CAPN_BYTE))
		return list;
	return nothing(p.message, "bytes were expected and something else is there");
}

struct capn_bytes capn_get_data(struct capn_ptr p, uint32_t index)
{
	struct capn_ptr list = get_bytes(p, index);
	if (list.type == CAPN_NULL)
		return (struct capn_bytes){NULL, 0};
	return (struct capn_bytes){list.data, list.count};
}

struct capn_bytes capn_get_text(struct capn_ptr p, uint32_t index)
{
	struct capn_ptr list = get_bytes(p, index);
	if (list.type == CAPN_NULL)
		return (struct capn_bytes){NULL, 0};
	if (list.count == 0 || list.data[list.count - 1] != 0) {
		nothing(p.message, "a text does not end in NUL");
		return (struct capn_bytes){NULL, 0};
	}
	return (struct capn_bytes){list.data, list.count - 1};
}
