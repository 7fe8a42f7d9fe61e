/* SPDX-License-Identifier: MIT */
/* secp_context.h: the one libsecp256k1 context of this process (of each plugin, more exactly). */
#ifndef BITCOIN_SECP_CONTEXT_H
#define BITCOIN_SECP_CONTEXT_H

#include <secp256k1.h>

/* Made and randomised at the first call; never NULL. For one thread. */
const secp256k1_context *secp_context(void);

#endif
