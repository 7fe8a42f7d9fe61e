/* SPDX-License-Identifier: MIT */
/* What miners say of themselves, and lists of payees: whatever is taken divides all of a reward,
 * and whoever is refused is told one of two reasons. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/reward.h"
#include "plugins/pool/identity.h"

#define TEXT_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_identity(const uint8_t *data, size_t size, enum bitcoin_network network,
			   enum identity_policy policy)
{
	struct adit_bytes text = {.data = data, .size = size > 255 ? 255 : (uint32_t)size};
	struct payee payee;
	const char *code = identity_parse(&text, network, policy, &payee);

	if (code) {
		require(strcmp(code, "invalid-user-identity") == 0 ||
			strcmp(code, "unknown-user") == 0);
		return;
	}
	require(payee.own_percent <= 100 && payee.script_size <= PAYEE_SCRIPT_MAX);
	require(payee.own_percent == 100 || payee.script_size > 0);
	require(policy != IDENTITY_POOL || payee.own_percent == 100);
	require(policy != IDENTITY_SOLO || payee.own_percent < 100);
}

static void check_reward(const uint8_t *data, size_t size, enum bitcoin_network network)
{
	char text[TEXT_MAX + 1];
	struct reward reward;
	struct error e = {0};
	uint32_t sum = 0;

	if (size > TEXT_MAX)
		size = TEXT_MAX;
	memcpy(text, data, size);
	text[size] = '\0';
	if (reward_parse(&reward, text, network, &e) != ADIT_OK) {
		require(reward.count == 0 && e.text[0] != '\0');
		return;
	}
	require(reward.count > 0 && reward.count <= REWARD_ITEMS_MAX && reward.rest < reward.count);
	for (uint32_t i = 0; i < reward.count; i++) {
		require(reward.items[i].parts > 0);
		sum += reward.items[i].parts;
	}
	require(sum == REWARD_WHOLE);
	reward_free(&reward);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum bitcoin_network network;

	if (size < 1)
		return 0;
	network = (enum bitcoin_network)(data[0] % 4);
	check_identity(data + 1, size - 1, network, (enum identity_policy)(data[0] / 4 % 3));
	check_reward(data + 1, size - 1, network);
	return 0;
}
