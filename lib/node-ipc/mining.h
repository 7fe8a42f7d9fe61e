/* SPDX-License-Identifier: MIT */
/*
 * mining.h: the node's schema (mining.def) for C: a struct `node_NAME` for each struct of the table,
 * a number NODE_INTERFACE_METHOD for each method, and three functions that turn them into calls.
 */
#ifndef NODE_IPC_MINING_H
#define NODE_IPC_MINING_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/capnp/rpc.h"

/* Which table of ordinals a node answers to; see mining.def. */
enum node_dialect { NODE_V30, NODE_V31, NODE_V32, NODE_DIALECTS };
/* "v30", "v31", "v32". */
const char *node_dialect_name(enum node_dialect dialect);

/* A list: to be written ITEMS, which are borrowed; as it was read `read`, valid as long as the
 * message (see node_list_data(), node_list_number()). */
struct node_list {
	uint32_t count;
	const struct capn_bytes *items;
	struct capn_ptr read;
};

/* Bytes are borrowed, both ways. A capability that is written is borrowed, one that is read is a
 * reference of the caller's. */
#define NODE_TYPE_BOOL bool
#define NODE_TYPE_U32 uint32_t
#define NODE_TYPE_I32 int32_t
#define NODE_TYPE_U64 uint64_t
#define NODE_TYPE_I64 int64_t
#define NODE_TYPE_F64 double
#define NODE_TYPE_DATA struct capn_bytes
#define NODE_TYPE_TEXT struct capn_bytes
#define NODE_TYPE_CAP struct capn_cap *
#define NODE_TYPE_DATAS struct node_list
#define NODE_TYPE_NUMBERS struct node_list

#define INTERFACE(name, id)
#define METHOD(interface, name, v30, v31, v32, params, results)
#define BEGIN(name) struct node_##name {
#define FIELD(in, kind, name, v30, v31, value) NODE_TYPE_##kind name;
#define NESTED(in, type, name, v30, v31) struct node_##type name;
#define END(name) };
#include "lib/node-ipc/mining.def"
#undef METHOD
#undef BEGIN
#undef FIELD
#undef NESTED
#undef END

#define METHOD(interface, name, v30, v31, v32, params, results) NODE_##interface##_##name,
#define BEGIN(name)
#define FIELD(in, kind, name, v30, v31, value)
#define NESTED(in, type, name, v30, v31)
#define END(name)
enum node_method {
#include "lib/node-ipc/mining.def"
	NODE_METHOD_COUNT
};
#undef INTERFACE
#undef METHOD

/* The interfaces' ids. */
#define INTERFACE(name, id) static const uint64_t node_interface_##name = id;
#define METHOD(interface, name, v30, v31, v32, params, results)
#include "lib/node-ipc/mining.def"
#undef INTERFACE
#undef METHOD
#undef BEGIN
#undef FIELD
#undef NESTED
#undef END

/* "Mining.getTip". */
const char *node_method_name(enum node_method method);
/* The number that DIALECT has for METHOD; -1: it has none. */
int node_method_ordinal(enum node_method method, enum node_dialect dialect);

/* A call of METHOD on TARGET in DIALECT with PARAMS, the struct that mining.def names for it (with the
 * defaults that node_defaults() gives, unless they are set). NULL: the dialect has no such method, or
 * out of memory. */
struct capn_call *node_call_new(struct capn_cap *target, enum node_method method,
				enum node_dialect dialect, const void *params);
/* The same with METHOD's number given: what another dialect has there. */
struct capn_call *node_call_as(struct capn_cap *target, enum node_method method, unsigned ordinal,
			       enum node_dialect dialect, const void *params);
/* Sets PARAMS of METHOD to what the schema says where nothing is said. */
void node_defaults(enum node_method method, void *params);
/* Reads RESULT, which is ok, into RESULTS, the struct that mining.def names for METHOD. Absent fields
 * are zero. */
void node_results(enum node_method method, enum node_dialect dialect,
		  const struct capn_return *result, void *results);
struct capn_bytes node_list_data(const struct node_list *list, uint32_t index);
uint64_t node_list_number(const struct node_list *list, uint32_t index);

#endif
