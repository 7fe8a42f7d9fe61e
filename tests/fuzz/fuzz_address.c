/* SPDX-License-Identifier: MIT */
/* Addresses and descriptors: whatever is taken has one script, which its own address leads to
 * again; whatever is refused says why. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/address.h"
#include "lib/bitcoin/keyexpr.h"

#define TEXT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool same(const struct script *a, const struct script *b)
{
	return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

static void check_back(const struct script *script, enum bitcoin_network network)
{
	char address[100];
	struct script back;

	require(script->size > 0 && script->size <= SCRIPT_MAX);
	if (!script_to_address(script->data, script->size, network, address, sizeof(address)))
		return;
	require(address_to_script(address, network, &back, NULL) == ADIT_OK);
	require(same(script, &back));
}

/* With a checksum in place of whatever it had, the text means the same. */
static void check_with_checksum(const char *text, const struct script *script,
				enum bitcoin_network network, uint32_t index)
{
	size_t size = strcspn(text, "#");
	char summed[TEXT_MAX + 16];
	struct script again;
	char sum[9];

	if (strchr(text, '(') == NULL)
		return;
	require(descriptor_checksum(text, size, sum));
	(void)snprintf(summed, sizeof(summed), "%.*s#%s", (int)size, text, sum);
	require(descriptor_script_at(summed, network, index, &again, NULL) == ADIT_OK);
	require(same(script, &again));
}

static void check(const char *text, enum bitcoin_network network, uint32_t index)
{
	struct script script;
	struct script other;
	struct error e = {0};
	int32_t rc = descriptor_script_at(text, network, index, &script, &e);

	if (rc != ADIT_OK) {
		require(script.size == 0 && e.text[0] != '\0');
		require(descriptor_to_script(text, network, &other, NULL) != ADIT_OK);
		return;
	}
	require(!key_is_private(text));
	check_back(&script, network);
	check_with_checksum(text, &script, network, index);
	if (descriptor_is_ranged(text))
		return;
	require(descriptor_to_script(text, network, &other, NULL) == ADIT_OK);
	require(same(&script, &other));
}

/* The first byte chooses the network and the index. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t indices[] = {0, 1, 2147483647, 2147483648};
	char text[TEXT_MAX + 1];

	if (size < 1 || size > TEXT_MAX)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	check(text, (enum bitcoin_network)(data[0] & 3), indices[data[0] >> 2 & 3]);
	return 0;
}
