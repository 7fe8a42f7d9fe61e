/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/merkle.h"

#include <string.h>

#include "lib/bitcoin/sha256.h"

/* A level with an odd number of nodes has its last one twice. */
void merkle_root(uint8_t (*leaves)[32], size_t count, uint8_t out[32])
{
	if (count == 0) {
		memset(out, 0, 32);
		return;
	}
	for (; count > 1; count = count / 2 + count % 2) {
		for (size_t i = 0; i < count; i += 2) {
			size_t right = i + 1 < count ? i + 1 : i;

			sha256d_pair(leaves[i], leaves[right], leaves[i / 2]);
		}
	}
	memcpy(out, leaves[0], 32);
}

/* Node 0 of each level is missing from LEAVES, so nodes 2i and 2i + 1 are at 2i - 1 and 2i. */
size_t merkle_path(uint8_t (*leaves)[32], size_t count, uint8_t path[MERKLE_MAX_DEPTH][32])
{
	size_t depth = 0;

	for (; count > 0 && depth < MERKLE_MAX_DEPTH; count /= 2) {
		memcpy(path[depth++], leaves[0], 32);
		for (size_t i = 1; i < count; i += 2) {
			size_t right = i + 1 < count ? i + 1 : i;

			sha256d_pair(leaves[i], leaves[right], leaves[i / 2]);
		}
	}
	return depth;
}

void merkle_fold(const uint8_t leaf[32], const uint8_t *path, size_t depth, uint8_t out[32])
{
	uint8_t node[32];

	memcpy(node, leaf, 32);
	for (size_t i = 0; i < depth; i++)
		sha256d_pair(node, path + 32 * i, node);
	memcpy(out, node, 32);
}
