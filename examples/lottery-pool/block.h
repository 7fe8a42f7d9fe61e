/* SPDX-License-Identifier: MIT */
/*
 * block.h: the Bitcoin that lottery.c needs, and nothing of Stratum but the template itself:
 * coinbase, merkle root, addresses. Numbers are little-endian, hashes as they stand in a block.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <string.h>

#include <openssl/sha.h>

#include <adit/sv2.h>

enum { EXTRANONCE = 8, SCRIPT_MAX = 42, PREFIX_MAX = 8, OUTPUTS_MAX = 1024, PATH_MAX_DEPTH = 32 };
enum { COINBASE_MAX = OUTPUTS_MAX + 256 };

struct job {
	uint32_t id, tip; /* TIP: which one it belongs to, counted; 0: a future one */
	struct adit_sv2_new_template template; /* its byte runs point into BYTES */
	uint8_t bytes[PREFIX_MAX + OUTPUTS_MAX + PATH_MAX_DEPTH * 32];
};

struct payee { /* who is paid, and what makes the coinbases of two miners differ */
	uint8_t script[SCRIPT_MAX], extranonce[EXTRANONCE];
	size_t script_size;
};

static inline struct adit_bytes text_bytes(const char *text)
{
	return (struct adit_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

static inline uint8_t *put(uint8_t *at, const void *data, size_t size)
{
	return size > 0 ? (uint8_t *)memcpy(at, data, size) + size : at;
}

static inline uint8_t *put_le(uint8_t *at, uint64_t value, int size)
{
	for (; size > 0; size--, value >>= 8)
		*at++ = (uint8_t)value;
	return at;
}

/* J becomes job ID made from T. A message is borrowed: what it points to is copied. */
static inline bool job_keep(struct job *j, uint32_t id, const struct adit_sv2_new_template *t)
{
	uint8_t *at = j->bytes;

	if (t->coinbase_prefix.size > PREFIX_MAX || t->coinbase_tx_outputs.size > OUTPUTS_MAX ||
	    t->coinbase_tx_outputs_count > 100 || t->merkle_path.count > PATH_MAX_DEPTH)
		return false;
	*j = (struct job){.id = id, .template = *t};
	j->template.coinbase_prefix.data = at;
	at = put(at, t->coinbase_prefix.data, t->coinbase_prefix.size);
	j->template.coinbase_tx_outputs.data = at;
	at = put(at, t->coinbase_tx_outputs.data, t->coinbase_tx_outputs.size);
	j->template.merkle_path.data = at;
	(void)put(at, t->merkle_path.data, t->merkle_path.size);
	return true;
}

static inline void sha256d(const uint8_t *data, size_t size, uint8_t out[32])
{
	SHA256(SHA256(data, size, out), 32, out);
}

/* The coinbase of T that pays TO; WITNESS: as it stands in the block, else as its txid has it. */
static inline size_t coinbase(const struct adit_sv2_new_template *t, const struct payee *to,
			      bool witness, uint8_t *out)
{
	static const uint8_t zero[32];
	uint8_t *at = put(put_le(out, t->coinbase_tx_version, 4), "\0\1\1", witness ? 2 : 0);

	at = put_le(put(put_le(at, 1, 1), zero, 32), UINT32_MAX, 4); /* one input, out of nothing */
	at = put_le(at, t->coinbase_prefix.size + 1 + EXTRANONCE, 1);
	at = put_le(put(at, t->coinbase_prefix.data, t->coinbase_prefix.size), EXTRANONCE, 1);
	at = put_le(put(at, to->extranonce, EXTRANONCE), t->coinbase_tx_input_sequence, 4);
	at = put_le(put_le(at, t->coinbase_tx_outputs_count + 1, 1), t->coinbase_tx_value_remaining,
		    8);
	at = put(put_le(at, to->script_size, 1), to->script, to->script_size);
	at = put(at, t->coinbase_tx_outputs.data, t->coinbase_tx_outputs.size);
	if (witness) /* BIP141: one item of 32 bytes */
		at = put(put(at, "\1\40", 2), zero, 32);
	return (size_t)(put_le(at, t->coinbase_tx_locktime, 4) - out);
}

static inline void merkle_root(const struct adit_sv2_new_template *t, const struct payee *to,
			       uint8_t root[32])
{
	uint8_t tx[COINBASE_MAX], pair[64];

	sha256d(tx, coinbase(t, to, false, tx), root);
	for (uint32_t i = 0; i < t->merkle_path.count; i++) {
		put(put(pair, root, 32), t->merkle_path.data + (size_t)i * 32, 32);
		sha256d(pair, 64, root);
	}
}

/* The hash of the block that share S would make. */
static inline void block_hash(const struct adit_sv2_new_template *t, const struct payee *to,
			      const struct adit_sv2_template_set_new_prev_hash *tip,
			      const struct adit_sv2_submit_shares_standard *s,
			      struct adit_u256 *hash)
{
	uint8_t header[80], *at = put(put_le(header, s->version, 4), tip->prev_hash.b, 32);

	merkle_root(t, to, at);
	put_le(put_le(put_le(at + 32, s->ntime, 4), tip->n_bits, 4), s->nonce, 4);
	sha256d(header, sizeof(header), hash->b);
}

static inline bool above(const struct adit_u256 *a, const struct adit_u256 *b) /* a > b */
{
	int i = 31;

	while (i > 0 && a->b[i] == b->b[i])
		i--;
	return a->b[i] > b->b[i];
}

static inline uint32_t bech32_step(uint32_t sum, uint32_t value)
{
	static const uint32_t factors[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
					   0x2a1462b3};
	uint32_t top = sum >> 25;

	sum = (sum & 0x1ffffff) << 5 ^ value;
	for (int i = 0; i < 5; i++)
		sum ^= (top >> i & 1) ? factors[i] : 0;
	return sum;
}

/* The script of a segwit address in lower case (BIP173, BIP350); 0: it is none of NETWORK. */
static inline size_t script_of(const char *address, const char *network, uint8_t script[SCRIPT_MAX])
{
	static const char letters[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
	const char *hrp = !strcmp(network, "main")      ? "bc"
			  : !strcmp(network, "regtest") ? "bcrt"
							: "tb";
	size_t start = strlen(hrp), size = strlen(address), n = 0;
	uint32_t sum = 1, bits = 0, held = 0, version = 0;

	if (size < start + 8 || strncmp(address, hrp, start) != 0 || address[start] != '1')
		return 0;
	for (size_t i = 0; i < start; i++)
		sum = bech32_step(sum, (uint32_t)hrp[i] >> 5);
	sum = bech32_step(sum, 0);
	for (size_t i = 0; i < start; i++)
		sum = bech32_step(sum, (uint32_t)hrp[i] & 31);
	for (size_t i = start + 1; i < size; i++) {
		const char *letter = strchr(letters, address[i]);
		uint32_t value = letter != NULL ? (uint32_t)(letter - letters) : 0;

		if (letter == NULL)
			return 0;
		sum = bech32_step(sum, value);
		if (i == start + 1)
			version = value;
		if (i == start + 1 || i + 6 >= size) /* the last six are the checksum */
			continue;
		held = (held << 5 | value) & 0xfff;
		bits += 5;
		if (bits >= 8 && n == SCRIPT_MAX - 2)
			return 0;
		if (bits >= 8)
			script[2 + n++] = (uint8_t)(held >> (bits -= 8));
	}
	if (sum != (version == 0 ? 1 : 0x2bc830a3) || version > 16 || bits > 4 || n < 2 ||
	    (held & ((1u << bits) - 1)) != 0 || (version == 0 && n != 20 && n != 32))
		return 0;
	script[0] = (uint8_t)(version == 0 ? 0 : 0x50 + version);
	script[1] = (uint8_t)n;
	return 2 + n;
}

#endif
