/* SPDX-License-Identifier: MIT */
/*
 * capnp.h: Cap'n Proto messages, read in place and written by segments (encoding specification,
 * capnproto.org/encoding.html). Remote calls are in rpc.h. Names follow c-capnproto where both have
 * the thing. Needs nothing but lib/util; knows no schema: who calls names sizes and places, which
 * tables like lib/node-ipc/mining.def collect.
 *
 * Reading: every byte is believed to be hostile. A pointer that leads outside its segment, nests
 * too deep or makes the reader traverse more words than allowed yields CAPN_NULL and marks the
 * message as failed: read everything, ask capn_failed() once. A field that the sender did not have
 * reads as zero or CAPN_NULL, which is the rule for schemas that grew. Default values of a schema
 * are exclusive-ored by the caller: capn_read32(p, 4) ^ DEFAULT.
 *
 * Offsets of numbers are bytes within the data section, of bits bits, of pointers indices.
 * Messages may lie unaligned in memory. Nothing here is thread-safe, nothing blocks.
 */
#ifndef CAPNP_CAPNP_H
#define CAPNP_CAPNP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/buf.h"
#include "lib/util/error.h"

#define CAPN_SEGMENTS_MAX 512
/* Of a message that is read: structs and lists within one another, and words that may be visited.
 */
#define CAPN_NESTING 64u
#define CAPN_TRAVERSAL (8u * 1024 * 1024)

enum capn_type { CAPN_NULL, CAPN_STRUCT, CAPN_LIST, CAPN_CAP };

/* Element sizes of lists as they stand on the wire. */
enum capn_element {
	CAPN_VOID,
	CAPN_BIT,
	CAPN_BYTE,
	CAPN_TWO_BYTES,
	CAPN_FOUR_BYTES,
	CAPN_EIGHT_BYTES,
	CAPN_POINTER,
	CAPN_COMPOSITE
};

/* --- reading ------------------------------------------------------------------------------------
 */

struct capn_message {
	const uint8_t *segment[CAPN_SEGMENTS_MAX]; /* borrowed */
	uint32_t words[CAPN_SEGMENTS_MAX];
	uint32_t count;
	uint64_t traversal;  /* words that may still be visited */
	const char *failure; /* what is wrong with it; NULL: nothing so far */
};

/* A struct, list or capability in a message; a value, valid as long as the message's bytes. */
struct capn_ptr {
	struct capn_message *message;
	const uint8_t *data; /* of a struct: its data section; of a list: its first element */
	uint32_t segment;
	uint32_t count;         /* elements of a list */
	uint32_t step;          /* bytes from one element to the next; bits are found otherwise */
	uint32_t cap;           /* CAPN_CAP: index into the table of capabilities */
	uint32_t data_size;     /* bytes of the data section of the struct or of each element */
	uint16_t pointer_count; /* pointers of the struct or of each element */
	uint8_t type;           /* enum capn_type */
	uint8_t element;        /* enum capn_element of a list */
	uint8_t depth;
};

struct capn_bytes {
	const uint8_t *data; /* borrowed from the message; NULL when absent */
	size_t size;
};

/* How many bytes the message that begins at DATA has, head included: 0 when fewer than its head are
 * there; UINT64_MAX when it can't be one (too many segments, more than LIMIT bytes). Works on any
 * prefix, so that a stream's reader knows how much to wait for. */
uint64_t capn_frame_size(const uint8_t *data, size_t size, uint64_t limit);
/* Finds the segments of the framed message that fills DATA exactly; the bytes stay the caller's.
 * ADIT_E_PROTOCOL when they are no message. */
int32_t capn_message_init(struct capn_message *m, const uint8_t *data, size_t size,
			  struct error *e);
/* True when something in M was malformed or beyond a limit, as far as it was read. */
bool capn_failed(const struct capn_message *m);

/* The first pointer of the message. */
struct capn_ptr capn_root(struct capn_message *m);
/* Pointer INDEX of a struct, or element INDEX of a list of pointers. */
struct capn_ptr capn_getp(struct capn_ptr p, uint32_t index);
/* Element INDEX of a list as a struct. Works for lists of numbers as well (a struct of that
 * number), which is how a schema may change one into the other; not for bits. CAPN_NULL past the
 * end. */
struct capn_ptr capn_element(struct capn_ptr list, uint32_t index);
/* Numbers of a struct, little-endian on the wire; 0 past its data section. */
uint8_t capn_read8(struct capn_ptr p, uint32_t offset);
uint16_t capn_read16(struct capn_ptr p, uint32_t offset);
uint32_t capn_read32(struct capn_ptr p, uint32_t offset);
uint64_t capn_read64(struct capn_ptr p, uint32_t offset);
/* Bit INDEX of a struct's data section, or element INDEX of a list of bits. */
bool capn_read_bit(struct capn_ptr p, uint32_t index);
/* Pointer INDEX as Data: any bytes; as Text: UTF-8 without its final NUL, which must be there.
 * Absent, and of another kind (which fails the message), are both {NULL, 0}; empty is not NULL. */
struct capn_bytes capn_get_data(struct capn_ptr p, uint32_t index);
struct capn_bytes capn_get_text(struct capn_ptr p, uint32_t index);

/* --- writing ------------------------------------------------------------------------------------
 */

struct capn_segment {
	uint8_t *data; /* zeros until written */
	uint32_t used; /* words */
	uint32_t capacity;
};

/* A message being written. Zero-initialised it is empty and valid. */
struct capn_builder {
	struct capn_segment *segments;
	uint32_t count;
	uint32_t segment_words; /* least size of the next new one; 0: 512 */
	uint64_t words;         /* of all segments */
	uint64_t limit;         /* bytes of all segments; 0: 64 MiB */
	bool failed; /* sticky: out of memory or beyond a limit; what is refused is dropped */
};

/* A struct or list in a builder; a value, valid until the builder is freed. A failed allocation
 * yields one whose builder is NULL: writing to it does nothing. */
struct capn_ref {
	struct capn_builder *builder;
	uint32_t segment;
	uint32_t at; /* word where it begins in its segment */
	uint32_t count;
	uint16_t data_words;
	uint16_t pointer_count;
	uint8_t type;
	uint8_t element;
};

void capn_builder_free(struct capn_builder *b);
/* The root: a struct of DATA_WORDS and POINTERS. To be called once, first. */
struct capn_ref capn_new_root(struct capn_builder *b, uint16_t data_words, uint16_t pointers);
/* A new struct or list to which pointer INDEX of PARENT (a struct or a list of pointers) leads. */
struct capn_ref capn_new_struct(struct capn_ref parent, uint32_t index, uint16_t data_words,
				uint16_t pointers);
struct capn_ref capn_new_list(struct capn_ref parent, uint32_t index, enum capn_element element,
			      uint32_t count);
struct capn_ref capn_new_composite(struct capn_ref parent, uint32_t index, uint32_t count,
				   uint16_t data_words, uint16_t pointers);
/* Element INDEX of a composite list. */
struct capn_ref capn_ref_element(struct capn_ref list, uint32_t index);
void capn_write8(struct capn_ref r, uint32_t offset, uint8_t value);
void capn_write16(struct capn_ref r, uint32_t offset, uint16_t value);
void capn_write32(struct capn_ref r, uint32_t offset, uint32_t value);
void capn_write64(struct capn_ref r, uint32_t offset, uint64_t value);
void capn_write_bit(struct capn_ref r, uint32_t index, bool value);
/* Element INDEX of a list of numbers. */
void capn_set64(struct capn_ref list, uint32_t index, uint64_t value);
void capn_set_data(struct capn_ref parent, uint32_t index, const void *data, size_t size);
void capn_set_text(struct capn_ref parent, uint32_t index, const char *text, size_t size);
/* Pointer INDEX leads to capability CAP of the table that travels with the message. */
void capn_set_cap(struct capn_ref parent, uint32_t index, uint32_t cap);
/* Pointer INDEX of PARENT leads to OBJECT too, which was made elsewhere in the same builder. */
void capn_link(struct capn_ref parent, uint32_t index, struct capn_ref object);
/* A deep copy of SOURCE at pointer INDEX of PARENT. Capability indices are copied as they are. What
 * SOURCE may cost is bounded by its message's limits. */
void capn_copy(struct capn_ref parent, uint32_t index, struct capn_ptr source);

/* Appends the framed message. ADIT_E_NO_MEMORY when the builder has failed or OUT can't grow. */
int32_t capn_frame(const struct capn_builder *b, struct buf *out);

#endif
