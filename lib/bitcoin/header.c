/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/tx.h"

void block_header_write(const struct block_header *h, uint8_t out[80])
{
	struct writer w;

	writer_init(&w, out, 80);
	writer_u32(&w, h->version);
	writer_bytes(&w, h->prev_hash, 32);
	writer_bytes(&w, h->merkle_root, 32);
	writer_u32(&w, h->time);
	writer_u32(&w, h->nbits);
	writer_u32(&w, h->nonce);
}

void block_header_read(const uint8_t in[80], struct block_header *h)
{
	struct reader r;

	reader_init(&r, in, 80);
	h->version = reader_u32(&r);
	reader_copy(&r, h->prev_hash, 32);
	reader_copy(&r, h->merkle_root, 32);
	h->time = reader_u32(&r);
	h->nbits = reader_u32(&r);
	h->nonce = reader_u32(&r);
}
