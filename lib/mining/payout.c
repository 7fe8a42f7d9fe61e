/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/payout.h"

#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/tx.h"

/* BIP141: a legacy signature operation costs four. */
#define LEGACY_SIGOP_COST 4
#define SIZE_STEP 128u
#define SIGOPS_STEP 16u

/* Of one output with a script of so many bytes. */
static uint32_t output_bytes(size_t script_size)
{
	return 8 + (script_size < 0xfd ? 1u : 3u) + (uint32_t)script_size;
}

int32_t payout_make(struct payout *p, const struct reward *reward, const uint32_t *indexes,
		    const char *network, struct error *e)
{
	enum bitcoin_network net;

	*p = (struct payout){.count = reward->count, .rest = reward->rest};
	if (!network_parse(network, &net))
		return error_set(e, ADIT_E_CONFIG, "unknown network \"%s\"", network);
	for (uint32_t i = 0; i < reward->count; i++) {
		const struct reward_item *item = &reward->items[i];
		struct payout_output *out = &p->outputs[i];
		struct error why = {0};

		if (descriptor_script_at(item->descriptor, net, item->ranged ? indexes[i] : 0,
					 &out->script, &why) != ADIT_OK)
			return error_set(e, ADIT_E_CONFIG, "payout: %s", why.text);
		out->parts = item->parts;
		p->size += output_bytes(out->script.size);
		p->sigops +=
		    LEGACY_SIGOP_COST * script_sigops(out->script.data, out->script.size, false);
	}
	return ADIT_OK;
}

static uint32_t round_up(uint32_t value, uint32_t step)
{
	return (value + step - 1) / step * step;
}

struct mining_limits payout_limits(const struct payout *p, bool payees)
{
	uint32_t size = p->size + (payees ? output_bytes(PAYEE_SCRIPT_MAX) : 0);
	/* Of the scripts that addresses stand for only P2PKH has a legacy operation. */
	uint32_t sigops = p->sigops + (payees ? LEGACY_SIGOP_COST : 0);

	sigops = round_up(sigops, SIGOPS_STEP);
	return (struct mining_limits){.size = round_up(size, SIZE_STEP),
				      .sigops =
					  sigops > UINT16_MAX ? UINT16_MAX : (uint16_t)sigops};
}

/* VALUE * PARTS / WHOLE, rounded down; VALUE up to 2^64 / WHOLE times WHOLE does not overflow. */
static uint64_t part_of(uint64_t value, uint32_t parts, uint32_t whole)
{
	return value / whole * parts + value % whole * parts / whole;
}

static bool left_out(const struct payout *p, uint32_t i, uint64_t value)
{
	return i != p->rest && part_of(value, p->outputs[i].parts, REWARD_WHOLE) < PAYOUT_DUST;
}

static uint32_t own_outputs(const struct payout *p, uint64_t value, struct buf *out)
{
	uint64_t rest = value;
	uint32_t count = 0;

	for (uint32_t i = 0; i < p->count; i++) {
		if (i != p->rest && !left_out(p, i, value))
			rest -= part_of(value, p->outputs[i].parts, REWARD_WHOLE);
	}
	for (uint32_t i = 0; i < p->count; i++) {
		const struct payout_output *o = &p->outputs[i];

		if (left_out(p, i, value))
			continue;
		coinbase_add_output(out,
				    i == p->rest ? rest : part_of(value, o->parts, REWARD_WHOLE),
				    o->script.data, o->script.size);
		count++;
	}
	return count;
}

uint32_t payout_outputs(const struct payout *p, const struct payee *payee, uint64_t value,
			struct buf *out)
{
	uint64_t own = part_of(value, payee->own_percent, 100);
	uint32_t count = 0;

	if (payee->own_percent == 100)
		return own_outputs(p, value, out);
	if (own >= PAYOUT_DUST)
		count = own_outputs(p, own, out);
	else
		own = 0;
	coinbase_add_output(out, value - own, payee->script, payee->script_size);
	return count + 1;
}
