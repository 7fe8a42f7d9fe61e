/* SPDX-License-Identifier: MIT */
/* mining.c: mining.def as tables, and the code that walks them. */
#include "config.h"

#include "lib/node-ipc/mining.h"

#include <stddef.h>
#include <string.h>

enum kind { BOOL, U32, I32, U64, I64, F64, DATA, TEXT, CAP, DATAS, NUMBERS, STRUCT };

struct layout;

struct field {
	uint8_t kind;
	int16_t place[2]; /* in v30; since v31 */
	uint16_t offset;  /* in the C struct */
	uint64_t value;   /* default since v31 */
	const struct layout *nested;
};

struct layout {
	const struct field *fields;
	uint16_t count;
	uint16_t size; /* of the C struct */
};

struct method {
	const char *name;
	uint64_t interface;
	int ordinal[NODE_DIALECTS];
	const struct layout *params;
	const struct layout *results;
};

/* The fields of each struct, with a macro that counts them. */
#define INTERFACE(name, id)
#define METHOD(interface, name, v30, v31, v32, params, results)
#define BEGIN(name)                                                                                \
	static const struct layout layout_##name;                                                  \
	static const struct field fields_##name[] = {
#define FIELD(in, kind, name, v30, v31, value)                                                     \
	{kind, {v30, v31}, offsetof(struct node_##in, name), value, NULL},
#define NESTED(in, type, name, v30, v31)                                                           \
	{STRUCT, {v30, v31}, offsetof(struct node_##in, name), 0, &layout_##type},
#define END(name)                                                                                  \
	}                                                                                          \
	;                                                                                          \
	static const struct layout layout_##name = {                                               \
	    fields_##name, sizeof(fields_##name) / sizeof(fields_##name[0]),                       \
	    sizeof(struct node_##name)};
#include "lib/node-ipc/mining.def"
#undef METHOD
#undef BEGIN
#undef FIELD
#undef NESTED
#undef END

#define BEGIN(name)
#define FIELD(in, kind, name, v30, v31, value)
#define NESTED(in, type, name, v30, v31)
#define END(name)
#define METHOD(interface, name, v30, v31, v32, params, results)                                    \
	{#interface "." #name,                                                                     \
	 node_interface_##interface,                                                               \
	 {v30, v31, v32},                                                                          \
	 &layout_##params,                                                                         \
	 &layout_##results},
static const struct method methods[NODE_METHOD_COUNT] = {
#include "lib/node-ipc/mining.def"
};

const char *node_dialect_name(enum node_dialect dialect)
{
	static const char *const names[NODE_DIALECTS] = {"v30", "v31", "v32"};
	return names[dialect];
}

const char *node_method_name(enum node_method method)
{
	return methods[method].name;
}

int node_method_ordinal(enum node_method method, enum node_dialect dialect)
{
	return methods[method].ordinal[dialect];
}

static int place(const struct field *f, enum node_dialect dialect)
{
	return f->place[dialect >= NODE_V31];
}

static bool is_pointer(const struct field *f)
{
	return f->kind >= DATA;
}

/* Bits of a number on the wire. */
static unsigned width(const struct field *f)
{
	static const uint8_t bits[] = {1, 32, 32, 64, 64, 64};
	return bits[f->kind];
}

/* Data words and pointers that the fields of LAYOUT take. */
static void dimensions(const struct layout *layout, enum node_dialect dialect, uint16_t *words,
		       uint16_t *pointers)
{
	*words = *pointers = 0;
	for (unsigned i = 0; i < layout->count; i++) {
		const struct field *f = &layout->fields[i];
		int at = place(f, dialect);
		if (at < 0)
			continue;
		unsigned bit = f->kind == BOOL ? (unsigned)at : (unsigned)at * 8;
		unsigned need = is_pointer(f) ? (unsigned)at + 1 : (bit + width(f) + 63) / 64;
		uint16_t *most = is_pointer(f) ? pointers : words;
		if (need > *most)
			*most = (uint16_t)need;
	}
}

/* --- writing
 * ---------------------------------------------------------------------------------------- */

static uint64_t load(const struct field *f, const uint8_t *at)
{
	uint64_t wide = 0;
	uint32_t narrow;
	if (f->kind == BOOL)
		return *(const bool *)at;
	if (width(f) == 64) {
		memcpy(&wide, at, 8);
		return wide;
	}
	memcpy(&narrow, at, 4);
	return narrow;
}

static void write_number(struct capn_ref to, const struct field *f, int at, uint64_t value)
{
	if (f->kind == BOOL)
		capn_write_bit(to, (uint32_t)at, value != 0);
	else if (width(f) == 64)
		capn_write64(to, (uint32_t)at, value);
	else
		capn_write32(to, (uint32_t)at, (uint32_t)value);
}

static void write_list(struct capn_ref to, uint32_t index, const struct node_list *list)
{
	struct capn_ref items = capn_new_list(to, index, CAPN_POINTER, list->count);
	for (uint32_t i = 0; i < list->count; i++)
		capn_set_data(items, i, list->items[i].data, list->items[i].size);
}

static void write_pointer(struct capn_call *call, struct capn_ref to, const struct field *f,
			  uint32_t at, const uint8_t *from)
{
	const struct capn_bytes *bytes = (const void *)from;
	struct capn_cap *cap;
	if (f->kind == CAP) {
		memcpy(&cap, from, sizeof(cap));
		if (cap != NULL)
			capn_call_set_cap(call, to, at, cap);
	} else if (f->kind == DATAS) {
		write_list(to, at, (const void *)from);
	} else if (f->kind == TEXT && bytes->data != NULL) {
		capn_set_text(to, at, (const char *)bytes->data, bytes->size);
	} else if (f->kind == DATA && bytes->data != NULL) {
		capn_set_data(to, at, bytes->data, bytes->size);
	}
}

static void write_struct(struct capn_call *call, struct capn_ref to, const struct layout *layout,
			 enum node_dialect dialect, const void *from)
{
	for (unsigned i = 0; i < layout->count; i++) {
		const struct field *f = &layout->fields[i];
		const uint8_t *at = (const uint8_t *)from + f->offset;
		int slot = place(f, dialect);
		uint16_t words;
		uint16_t pointers;
		if (slot < 0)
			continue;
		if (f->kind == STRUCT) {
			dimensions(f->nested, dialect, &words, &pointers);
			write_struct(call, capn_new_struct(to, (uint32_t)slot, words, pointers),
				     f->nested, dialect, at);
		} else if (is_pointer(f)) {
			write_pointer(call, to, f, (uint32_t)slot, at);
		} else {
			write_number(to, f, slot,
				     load(f, at) ^ (dialect == NODE_V30 ? 0 : f->value));
		}
	}
}

struct capn_call *node_call_as(struct capn_cap *target, enum node_method method, unsigned ordinal,
			       enum node_dialect dialect, const void *params)
{
	uint16_t words;
	uint16_t pointers;
	const struct method *m = &methods[method];
	dimensions(m->params, dialect, &words, &pointers);
	struct capn_call *call =
	    capn_call_new(target, m->interface, (uint16_t)ordinal, words, pointers);
	if (call != NULL && params != NULL)
		write_struct(call, capn_call_params(call), m->params, dialect, params);
	return call;
}

struct capn_call *node_call_new(struct capn_cap *target, enum node_method method,
				enum node_dialect dialect, const void *params)
{
	int ordinal = node_method_ordinal(method, dialect);
	return ordinal < 0 ? NULL
			   : node_call_as(target, method, (unsigned)ordinal, dialect, params);
}

static void store_number(const struct field *f, uint8_t *at, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;
	if (f->kind == BOOL)
		*(bool *)at = value != 0;
	else if (width(f) == 64)
		memcpy(at, &value, 8);
	else
		memcpy(at, &narrow, 4);
}

static void set_defaults(const struct layout *layout, uint8_t *to)
{
	memset(to, 0, layout->size);
	for (unsigned i = 0; i < layout->count; i++) {
		const struct field *f = &layout->fields[i];
		if (f->kind == STRUCT)
			set_defaults(f->nested, to + f->offset);
		else if (!is_pointer(f))
			store_number(f, to + f->offset, f->value);
	}
}

void node_defaults(enum node_method method, void *params)
{
	set_defaults(methods[method].params, params);
}

/* --- reading
 * ---------------------------------------------------------------------------------------- */

static uint64_t read_number(struct capn_ptr from, const struct field *f, int at)
{
	if (f->kind == BOOL)
		return capn_read_bit(from, (uint32_t)at);
	return width(f) == 64 ? capn_read64(from, (uint32_t)at) : capn_read32(from, (uint32_t)at);
}

static void read_pointer(const struct capn_return *result, struct capn_ptr from,
			 const struct field *f, uint32_t at, uint8_t *to)
{
	struct capn_bytes *bytes = (void *)to;
	struct node_list *list = (void *)to;
	struct capn_cap *cap;
	switch (f->kind) {
	case DATA:
		*bytes = capn_get_data(from, at);
		break;
	case TEXT:
		*bytes = capn_get_text(from, at);
		break;
	case CAP:
		cap = capn_return_cap(result, capn_getp(from, at));
		memcpy(to, &cap, sizeof(cap));
		break;
	default:
		list->read = capn_getp(from, at);
		list->count = list->read.count;
		break;
	}
}

static void read_struct(const struct capn_return *result, struct capn_ptr from,
			const struct layout *layout, enum node_dialect dialect, uint8_t *to)
{
	for (unsigned i = 0; i < layout->count; i++) {
		const struct field *f = &layout->fields[i];
		int at = place(f, dialect);
		if (at < 0)
			continue;
		if (f->kind == STRUCT)
			read_struct(result, capn_getp(from, (uint32_t)at), f->nested, dialect,
				    to + f->offset);
		else if (is_pointer(f))
			read_pointer(result, from, f, (uint32_t)at, to + f->offset);
		else
			store_number(f, to + f->offset,
				     read_number(from, f, at) ^
					 (dialect == NODE_V30 ? 0 : f->value));
	}
}

void node_results(enum node_method method, enum node_dialect dialect,
		  const struct capn_return *result, void *results)
{
	const struct layout *layout = methods[method].results;
	memset(results, 0, layout->size);
	read_struct(result, result->results, layout, dialect, results);
}

struct capn_bytes node_list_data(const struct node_list *list, uint32_t index)
{
	return capn_get_data(list->read, index);
}

uint64_t node_list_number(const struct node_list *list, uint32_t index)
{
	return capn_read64(capn_element(list->read, index), 0);
}
