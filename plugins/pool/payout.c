/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/payout.h"

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/tx.h"

/* BIP141: a legacy signature operation costs four. */
#define LEGACY_SIGOP_COST 4

static uint32_t compact_size_bytes(size_t value)
{
	return value < 0xfd ? 1 : 3;
}

int32_t payout_parse(struct payout *p, const char *text, const char *network, struct error *e)
{
	enum bitcoin_network net;
	int32_t result;

	if (!network_parse(network, &net))
		return error_set(e, ADIT_E_CONFIG, "unknown network \"%s\"", network);
	result = descriptor_to_script(text, net, &p->script, e);
	if (result != ADIT_OK)
		return result;
	if (p->script.size == 0)
		return error_set(e, ADIT_E_CONFIG,
				 "an empty script: anyone could spend the reward");
	p->size = 8 + compact_size_bytes(p->script.size) + (uint32_t)p->script.size;
	p->sigops =
	    (uint16_t)(LEGACY_SIGOP_COST * script_sigops(p->script.data, p->script.size, false));
	return ADIT_OK;
}

uint32_t payout_outputs(const struct payout *p, uint64_t value, struct buf *out)
{
	coinbase_add_output(out, value, p->script.data, p->script.size);
	return 1;
}
