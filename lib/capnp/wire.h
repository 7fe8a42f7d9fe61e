/* SPDX-License-Identifier: MIT */
/*
 * wire.h: the 64-bit pointers of the encoding (encoding specification, "Structs", "Lists",
 * "Inter-Segment Pointers", "Capabilities"). All little-endian:
 *
 *   struct      offset 30 signed << 2 | 0    data words 16 << 32, pointers 16 << 48
 *   list        offset 30 signed << 2 | 1    element 3 << 32, count 29 << 35
 *   far         offset 29 << 3 | double << 2 | 2    segment 32 << 32
 *   capability  0 << 2 | 3    index 32 << 32
 *
 * Offsets of structs and lists count words from the end of the pointer, those of far pointers from
 * the begin of the segment.
 */
#ifndef CAPNP_WIRE_H
#define CAPNP_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { WIRE_STRUCT = 0, WIRE_LIST = 1, WIRE_FAR = 2, WIRE_OTHER = 3 };

/* Numbers are put together from bytes: messages may lie unaligned, hosts may be big-endian. */
static inline uint64_t wire_load(const uint8_t *at, unsigned size)
{
	uint64_t v = 0;
	while (size > 0)
		v = v << 8 | at[--size];
	return v;
}

static inline void wire_store(uint8_t *at, uint64_t v, unsigned size)
{
	for (unsigned i = 0; i < size; i++, v >>= 8)
		at[i] = (uint8_t)v;
}

static inline uint64_t wire_load64(const uint8_t *at)
{
	return wire_load(at, 8);
}

static inline unsigned wire_kind(uint64_t p)
{
	return (unsigned)(p & 3);
}

/* Signed words of a struct or list pointer. */
static inline int64_t wire_offset(uint64_t p)
{
	return (int64_t)(int32_t)(uint32_t)p >> 2;
}

static inline uint16_t wire_data_words(uint64_t p)
{
	return (uint16_t)(p >> 32);
}

static inline uint16_t wire_pointers(uint64_t p)
{
	return (uint16_t)(p >> 48);
}

static inline uint8_t wire_element(uint64_t p)
{
	return (uint8_t)(p >> 32 & 7);
}

/* Elements of a list; of a composite one, its words without the tag. */
static inline uint32_t wire_count(uint64_t p)
{
	return (uint32_t)(p >> 35);
}

static inline bool wire_far_double(uint64_t p)
{
	return (p & 4) != 0;
}

static inline uint32_t wire_far_offset(uint64_t p)
{
	return (uint32_t)p >> 3;
}

static inline uint32_t wire_high(uint64_t p)
{
	return (uint32_t)(p >> 32);
}

static inline uint64_t wire_struct(int64_t offset, uint16_t data_words, uint16_t pointers)
{
	return (uint64_t)((uint32_t)offset << 2) | (uint64_t)data_words << 32 |
	       (uint64_t)pointers << 48;
}

static inline uint64_t wire_list(int64_t offset, unsigned element, uint32_t count)
{
	return (uint64_t)((uint32_t)offset << 2) | WIRE_LIST | (uint64_t)element << 32 |
	       (uint64_t)count << 35;
}

static inline uint64_t wire_far(bool twice, uint32_t offset, uint32_t segment)
{
	return (uint64_t)(offset << 3) | (twice ? 4u : 0u) | WIRE_FAR | (uint64_t)segment << 32;
}

static inline uint64_t wire_cap(uint32_t index)
{
	return WIRE_OTHER | (uint64_t)index << 32;
}

/* Bits of one element of a list, CAPN_COMPOSITE excepted; indexed by enum capn_element. */
static inline uint32_t wire_element_bits(unsigned element)
{
	static const uint8_t bits[8] = {0, 1, 8, 16, 32, 64, 64, 0};
	return bits[element & 7];
}

#define WIRE_COUNT_MAX ((1u << 29) - 1)

#endif
