/* SPDX-License-Identifier: MIT */
/*
 * extensions.h: the negotiation of extensions (extension 0x0001). In masks, bit n stands for the
 * extension with id n; ids from 32 on are never ours and appear on the wire alone.
 */
#ifndef SV2_EXTENSIONS_H
#define SV2_EXTENSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/sv2/conn.h"

/* The ids of a list that have a bit. */
uint32_t sv2_extensions_mask(const struct adit_sv2_seq *list);
/* The ids of MASK as a list in OUT. */
#define SV2_EXTENSIONS_LIST_SIZE 64
struct adit_sv2_seq sv2_extensions_list(uint32_t mask, uint8_t out[SV2_EXTENSIONS_LIST_SIZE]);
/* The smallest id in LIST, for a text; 0 when it is empty. */
uint16_t sv2_extensions_first(const struct adit_sv2_seq *list);

/* Server: sets C->extensions to those requested that are in SUPPORTED and answers: Success, or
 * Error when there are none or one of REQUIRED (a part of SUPPORTED) was not requested. *MET tells
 * whether REQUIRED is satisfied. */
int32_t sv2_extensions_answer(struct sv2_conn *c, const struct adit_sv2_request_extensions *m,
			      uint32_t supported, uint32_t required, bool *met);
/* Client: asks for MASK. */
int32_t sv2_extensions_request(struct sv2_conn *c, uint32_t mask);

#endif
