/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"

#define FAMILY 8

/* The output that names a transaction: OP_RETURN, push of 12 bytes: these four and the number. */
static const uint8_t name_tag[4] = {'a', 'd', 'i', 't'};
#define NAME_SIZE 14

enum spend { SPEND_LEGACY, SPEND_SEGWIT, SPEND_TAPROOT };

/* A member of a family: how it spends, how many payments it makes, and its inputs: an earlier
 * member's output, or -1 for one out of nowhere. */
struct member {
	enum spend spend;
	uint8_t payments;
	uint8_t inputs;
	struct {
		int8_t parent;
		uint8_t output;
	} from[TRAFFIC_MAX_PARENTS];
};

static const struct member members[FAMILY] = {
    {SPEND_LEGACY, 2, 1, {{-1, 0}, {-1, 0}}},  {SPEND_SEGWIT, 2, 1, {{-1, 0}, {-1, 0}}},
    {SPEND_TAPROOT, 2, 1, {{-1, 0}, {-1, 0}}}, {SPEND_SEGWIT, 1, 1, {{2, 0}, {-1, 0}}},
    {SPEND_LEGACY, 2, 1, {{3, 0}, {-1, 0}}},   {SPEND_SEGWIT, 2, 2, {{-1, 0}, {-1, 1}}},
    {SPEND_TAPROOT, 2, 2, {{5, 0}, {2, 1}}},   {SPEND_LEGACY, 20, 2, {{-1, 0}, {-1, 1}}},
};

/* 32 bytes that depend on NUMBER and PURPOSE. */
static void derive(uint64_t number, uint64_t purpose, uint8_t out[32])
{
	uint8_t bytes[20];
	struct writer w;

	writer_init(&w, bytes, sizeof(bytes));
	writer_bytes(&w, name_tag, sizeof(name_tag));
	writer_u64(&w, number);
	writer_u64(&w, purpose);
	sha256(bytes, sizeof(bytes), out);
}

static uint64_t derive_u32(uint64_t number, uint64_t purpose)
{
	uint8_t bytes[32];
	struct reader r;

	derive(number, purpose, bytes);
	reader_init(&r, bytes, sizeof(bytes));
	return reader_u32(&r);
}

enum purpose {
	PURPOSE_VALUE = 1,
	PURPOSE_FEERATE = 2,
	PURPOSE_SOURCE = 0x100,
	PURPOSE_SIGNATURE = 0x200,
	PURPOSE_KEY = 0x300,
	PURPOSE_SCRIPT = 0x400
};

/* The value of an output out of nowhere: 0.01 to 1.01 coins. */
static uint64_t source_value(uint64_t number, uint32_t input)
{
	return 1000000 + derive_u32(number, PURPOSE_VALUE + 0x10 * input) % 100000000;
}

static uint64_t family_member(uint64_t number, int8_t index)
{
	return number - number % FAMILY + (uint64_t)index;
}

static uint64_t payment_value(uint64_t number, uint32_t output);

static uint64_t input_value(uint64_t number, uint32_t input)
{
	const struct member *m = &members[number % FAMILY];

	if (m->from[input].parent < 0)
		return source_value(number, input);
	return payment_value(family_member(number, m->from[input].parent), m->from[input].output);
}

static uint64_t inputs_value(uint64_t number)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < members[number % FAMILY].inputs; i++)
		sum += input_value(number, i);
	return sum;
}

/* Sizes in virtual bytes, near enough to make fee rates of 1 to 40 satoshi a byte. */
static uint64_t member_fee(uint64_t number)
{
	const struct member *m = &members[number % FAMILY];
	uint64_t vsize =
	    40 + m->inputs * (m->spend == SPEND_LEGACY ? 148u : 68u) + m->payments * 34u;

	return vsize * (1 + derive_u32(number, PURPOSE_FEERATE) % 40);
}

/* All payments are alike. What does not divide is fee. */
static uint64_t payment_value(uint64_t number, uint32_t output)
{
	(void)output;
	return (inputs_value(number) - member_fee(number)) / members[number % FAMILY].payments;
}

/* --- serialization ------------------------------------------------------------------------------
 */

static void write_source(struct writer *w, uint64_t number, uint32_t input)
{
	const struct member *m = &members[number % FAMILY];
	uint8_t txid[32];

	if (m->from[input].parent < 0) {
		derive(number, PURPOSE_SOURCE, txid);
		writer_bytes(w, txid, 32);
		writer_u32(w, input);
	} else {
		struct traffic_tx parent;

		traffic_make(family_member(number, m->from[input].parent), &parent);
		writer_bytes(w, parent.txid, 32);
		writer_u32(w, m->from[input].output);
	}
}

/* Something of the form of a DER signature over secp256k1: 71 bytes. */
static void write_signature(struct writer *w, uint64_t number, uint32_t input)
{
	uint8_t part[32];

	writer_u16(w, 0x4430); /* sequence of 68 bytes */
	for (uint32_t i = 0; i < 2; i++) {
		writer_u16(w, 0x2002); /* integer of 32 bytes */
		derive(number, PURPOSE_SIGNATURE + 2 * input + i, part);
		part[0] = (part[0] & 0x7f) | 1; /* positive and minimal */
		writer_bytes(w, part, 32);
	}
	writer_u8(w, 1); /* SIGHASH_ALL */
}

static void write_key(struct writer *w, uint64_t number, uint32_t input)
{
	uint8_t key[32];

	derive(number, PURPOSE_KEY + input, key);
	writer_u8(w, 2);
	writer_bytes(w, key, 32);
}

static void write_input(struct writer *w, uint64_t number, uint32_t input)
{
	write_source(w, number, input);
	if (members[number % FAMILY].spend == SPEND_LEGACY) {
		writer_u8(w, 1 + 71 + 1 + 33);
		writer_u8(w, 71);
		write_signature(w, number, input);
		writer_u8(w, 33);
		write_key(w, number, input);
	} else {
		writer_u8(w, 0);
	}
	writer_u32(w, 0xfffffffd);
}

static void write_witness(struct writer *w, uint64_t number, uint32_t input)
{
	uint8_t part[32];

	if (members[number % FAMILY].spend == SPEND_SEGWIT) {
		writer_u8(w, 2);
		writer_u8(w, 71);
		write_signature(w, number, input);
		writer_u8(w, 33);
		write_key(w, number, input);
		return;
	}
	/* BIP340: 64 bytes. */
	writer_u8(w, 1);
	writer_u8(w, 64);
	for (uint32_t i = 0; i < 2; i++) {
		derive(number, PURPOSE_SIGNATURE + 2 * input + i, part);
		writer_bytes(w, part, 32);
	}
}

/* To a key hash: P2PKH, P2WPKH; to a key: P2TR; in turn. */
static void write_payment(struct writer *w, uint64_t number, uint32_t output)
{
	uint8_t key[32];

	derive(number, PURPOSE_SCRIPT + output, key);
	writer_u64(w, payment_value(number, output));
	switch ((number + output) % 3) {
	case 0:
		writer_u8(w, 25);
		writer_u24(w, 0x14a976); /* OP_DUP OP_HASH160, push of 20 */
		writer_bytes(w, key, 20);
		writer_u16(w, 0xac88); /* OP_EQUALVERIFY OP_CHECKSIG */
		break;
	case 1:
		writer_u8(w, 22);
		writer_u16(w, 0x1400); /* OP_0, push of 20 */
		writer_bytes(w, key, 20);
		break;
	default:
		writer_u8(w, 34);
		writer_u16(w, 0x2051); /* OP_1, push of 32 */
		writer_bytes(w, key, 32);
		break;
	}
}

static void write_name(struct writer *w, uint64_t number)
{
	writer_u64(w, 0);
	writer_u8(w, NAME_SIZE);
	writer_u16(w, 0x0c6a); /* OP_RETURN, push of 12 */
	writer_bytes(w, name_tag, sizeof(name_tag));
	writer_u64(w, number);
}

static size_t write_tx(uint64_t number, uint8_t *out, size_t capacity)
{
	const struct member *m = &members[number % FAMILY];
	struct writer w;

	writer_init(&w, out, capacity);
	writer_u32(&w, 2);
	if (m->spend != SPEND_LEGACY)
		writer_u16(&w, 0x0100); /* BIP144 marker and flag */
	writer_u8(&w, m->inputs);
	for (uint32_t i = 0; i < m->inputs; i++)
		write_input(&w, number, i);
	writer_u8(&w, (uint8_t)(m->payments + 1));
	for (uint32_t i = 0; i < m->payments; i++)
		write_payment(&w, number, i);
	write_name(&w, number);
	for (uint32_t i = 0; i < m->inputs && m->spend != SPEND_LEGACY; i++)
		write_witness(&w, number, i);
	writer_u32(&w, 0);
	return w.failed ? 0 : writer_size(&w);
}

/* Legacy operations cost four (BIP141), a P2WPKH spend one, a taproot key spend nothing. */
static uint32_t sigops_cost(const struct member *m, const struct tx *tx)
{
	uint32_t cost = m->spend == SPEND_SEGWIT ? m->inputs : 0;
	struct tx_output output;
	struct reader r;

	tx_outputs(tx, &r);
	for (uint32_t i = 0; i < tx->outputs && tx_next_output(&r, &output); i++)
		cost += 4 * script_sigops(output.script, output.script_size, false);
	return cost;
}

void traffic_make(uint64_t number, struct traffic_tx *out)
{
	const struct member *m = &members[number % FAMILY];
	struct reader r;
	struct tx tx;

	memset(out, 0, sizeof(*out));
	out->number = number;
	out->size = (uint32_t)write_tx(number, out->data, sizeof(out->data));
	reader_init(&r, out->data, out->size);
	if (!tx_parse(&r, &tx))
		abort(); /* TRAFFIC_MAX_SIZE is too small for a member: our own mistake */
	out->weight = (uint32_t)tx_weight(&tx);
	out->sigops = sigops_cost(m, &tx);
	out->fee = inputs_value(number) - payment_value(number, 0) * m->payments;
	tx_txid(&tx, out->txid);
	tx_wtxid(&tx, out->wtxid);
	for (uint32_t i = 0; i < m->inputs; i++)
		if (m->from[i].parent >= 0)
			out->parents[out->parents_count++] =
			    family_member(number, m->from[i].parent);
}

/* The number that the last output claims. */
static bool claimed_number(const struct tx *tx, uint64_t *number)
{
	struct tx_output output = {0};
	struct reader r;

	tx_outputs(tx, &r);
	for (uint32_t i = 0; i < tx->outputs; i++)
		if (!tx_next_output(&r, &output))
			return false;
	if (output.script_size != NAME_SIZE || output.script[0] != 0x6a || output.script[1] != 12 ||
	    memcmp(output.script + 2, name_tag, sizeof(name_tag)) != 0)
		return false;
	reader_init(&r, output.script + 2 + sizeof(name_tag), 8);
	*number = reader_u64(&r);
	return true;
}

bool traffic_identify(const struct tx *tx, struct traffic_tx *out)
{
	uint64_t number;

	if (tx->size > TRAFFIC_MAX_SIZE || tx->outputs > 32 || !claimed_number(tx, &number))
		return false;
	traffic_make(number, out);
	return out->size == tx->size && memcmp(out->data, tx->data, tx->size) == 0;
}

/* --- the set ------------------------------------------------------------------------------------
 */

bool traffic_set_has(const struct traffic_set *set, uint64_t number)
{
	return number < set->next && (set->bits[number / 8] >> (number % 8) & 1) != 0;
}

bool traffic_set_add(struct traffic_set *set, uint64_t number)
{
	uint64_t limit = set->limit;
	uint8_t *bits;

	while (number >= limit)
		limit = limit > 0 ? limit * 2 : 4096;
	if (limit > set->limit) {
		bits = realloc(set->bits, limit / 8);
		if (bits == NULL)
			return false;
		memset(bits + set->limit / 8, 0, (limit - set->limit) / 8);
		set->bits = bits;
		set->limit = limit;
	}
	set->bits[number / 8] |= (uint8_t)(1u << number % 8);
	if (number >= set->next)
		set->next = number + 1;
	while (traffic_set_has(set, set->floor))
		set->floor++;
	return true;
}

void traffic_set_remove(struct traffic_set *set, uint64_t number)
{
	if (!traffic_set_has(set, number))
		return;
	set->bits[number / 8] &= (uint8_t) ~(1u << number % 8);
	if (number < set->floor)
		set->floor = number;
	while (set->next > 0 && !traffic_set_has(set, set->next - 1))
		set->next--;
}

void traffic_set_free(struct traffic_set *set)
{
	free(set->bits);
	memset(set, 0, sizeof(*set));
}
