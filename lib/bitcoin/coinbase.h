/* SPDX-License-Identifier: MIT */
/*
 * coinbase.h: the coinbase transaction of a job, cut where the extranonce goes.
 *
 *   prefix: version | 00 01 (marker, flag) | 01 | 32 x 00 | ffffffff | scriptSig length |
 *           template's coinbase_prefix | push(tag) | push opcode of the extranonce
 *   <extranonce prefix><rolled extranonce>
 *   suffix: sequence | output count | own outputs | template's outputs | 01 20 32 x 00 | locktime
 *
 * "stripped" leaves out marker, flag and witness: what NewExtendedMiningJob carries and what the
 * txid is made of.
 */
#ifndef BITCOIN_COINBASE_H
#define BITCOIN_COINBASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/buf.h"
#include "lib/util/error.h"

#define COINBASE_SCRIPT_MAX 100 /* consensus: scriptSig of 2..100 bytes */

struct coinbase_spec {
	uint32_t tx_version;
	const uint8_t *script_prefix; /* from the template: the BIP34 height push */
	size_t script_prefix_size;
	const uint8_t *tag;     /* pool tag without its push opcode; may be empty */
	size_t tag_size;        /* at most 75 */
	size_t extranonce_size; /* prefix + rolled, 1..32 */
	uint32_t sequence;
	const uint8_t *outputs; /* own outputs, serialized, without count */
	size_t outputs_size;
	uint32_t outputs_count;
	const uint8_t *template_outputs; /* go last */
	size_t template_outputs_size;
	uint32_t template_outputs_count;
	uint32_t lock_time;
};

/* Both parts in stripped form, cleared first. ADIT_E_LIMIT when the scriptSig would exceed 100
 * bytes. */
int32_t coinbase_split(const struct coinbase_spec *spec, struct buf *prefix, struct buf *suffix,
		       struct error *e);
/* The suffix alone, cleared first; of SPEC `sequence`, `lock_time` and the outputs are looked at.
 * False when there is no memory. For coinbases that differ in their outputs only. */
bool coinbase_suffix(const struct coinbase_spec *spec, struct buf *suffix);
/* The whole coinbase with witness (one stack item of 32 zero bytes), from stripped parts and the
 * full extranonce, appended to OUT. */
int32_t coinbase_join_witness(const uint8_t *prefix, size_t prefix_size, const uint8_t *extranonce,
			      size_t extranonce_size, const uint8_t *suffix, size_t suffix_size,
			      struct buf *out);
/* txid of the coinbase from stripped parts; nothing is allocated. EXTRANONCE in two pieces, prefix
 * and rolled part (may be empty). */
void coinbase_txid(const uint8_t *prefix, size_t prefix_size, const uint8_t *extranonce_prefix,
		   size_t extranonce_prefix_size, const uint8_t *extranonce, size_t extranonce_size,
		   const uint8_t *suffix, size_t suffix_size, uint8_t out[32]);
/* Appends one serialized output. */
void coinbase_add_output(struct buf *out, uint64_t value, const uint8_t *script,
			 size_t script_size);

#endif
