/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/secp_context.h"

#include <secp256k1_preallocated.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/util/random.h"

/* The library calls this when one of our calls breaks its rules, or when it finds itself broken: a
 * programmer's mistake, never a peer's doing. */
static void misused(const char *text, void *data)
{
	(void)data;
	(void)fprintf(stderr, "libsecp256k1: %s\n", text);
	abort();
}

/* In static storage, so that a plugin that is unloaded leaves nothing behind. Randomising it blinds
 * the multiplications with secrets against side channels. */
const secp256k1_context *secp_context(void)
{
	static alignas(max_align_t) unsigned char storage[1024];
	static secp256k1_context *ctx;
	uint8_t seed[32];

	if (ctx != NULL)
		return ctx;
	if (secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE) <= sizeof(storage))
		ctx = secp256k1_context_preallocated_create(storage, SECP256K1_CONTEXT_NONE);
	else
		ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	if (ctx == NULL)
		abort(); /* no memory in the first moments of the process */
	secp256k1_context_set_illegal_callback(ctx, misused, NULL);
	secp256k1_context_set_error_callback(ctx, misused, NULL);
	random_bytes(seed, sizeof(seed));
	if (secp256k1_context_randomize(ctx, seed) != 1)
		abort();
	secure_wipe(seed, sizeof(seed));
	return ctx;
}
