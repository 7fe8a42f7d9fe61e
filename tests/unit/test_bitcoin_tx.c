/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test_bitcoin.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"

/* The transaction of block 0 of the main network. */
static const char genesis_tx[] = "01000000010000000000000000000000000000000000000000000000000000000"
				 "000000000ffffffff4d04ffff001d01"
				 "04455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6"
				 "f72206f6e206272696e6b206f662073"
				 "65636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a0"
				 "1000000434104678afdb0fe55482719"
				 "67f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35"
				 "504e51ec112de5c384df7ba0b8d578a"
				 "4c702b6bf11d5fac00000000";
/* Main network, txid f5864806e3565c34d1b41e716f72609d00b55ea5eac5b924c9719a842ef42206: spends
 * P2WPKH. */
static const char segwit_tx[] = "02000000000101595895ea20179de87052b4046dfe6fd515860505d6511a9004cf"
				"12a1f93cac7c0100000000ffffffff"
				"01deb807000000000017a9140f3444e271620c736808aa7b33e370bd87cb5a0787"
				"02483045022100fb60dad8df4af284"
				"1adc0346638c16d0b8035f5e3f3753b88db122e70c79f9370220756e6633b17fd2"
				"710e626347d28d60b0a2d6cbb41de5"
				"1740644b9fb3ba7751040121028fa937ca8cba2197a37c007176ed8941055d3bcb"
				"8627d085e94553e62f057dcc000000"
				"00";
/* BIP143, "Native P2WPKH": two inputs, the first one without witness. txid and wtxid were computed
 * from the fields that the BIP lists. */
static const char two_inputs_tx[] = "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf4"
				    "33541db4e4ad969f000000004948304502"
				    "21008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5c"
				    "dd30be022040529b194ba3f9281a99f2b1"
				    "c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc"
				    "89d182d279655c3aa89e815b1b309fe287"
				    "d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a914"
				    "8280b37df378db99f66f85c95a783a76ac"
				    "7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2"
				    "f0167faa815988ac000247304402203609"
				    "e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a02"
				    "20573a954c4518331561406f90300e8f33"
				    "58f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e29"
				    "2e7acafcdb3566bb0ad253f62fc70f07ae"
				    "ee635711000000";
/* Block 1263442 of testnet3, from Bitcoin Core's src/test/data/blockfilters.json (BIP158): a
 * coinbase and a transaction with witness. */
static const char testnet_block[] =
    "000000201c8d1a529c39a396db2db234d5ec152fa651a2872966daccbde028b400000000083f14492679151dbfaa1a"
    "82"
    "5ef4c18518e780c1f91044180280a7d33f4a98ff5f45765aaddc001d38333b9a020100000000010100000000000000"
    "00"
    "000000000000000000000000000000000000000000000000ffffffff230352471300fe5f45765afe94690a00096367"
    "6d"
    "696e6572343208000000000000000000ffffffff024423a804000000001976a914f2c25ac3d59f3d674b1d1d0a25c2"
    "73"
    "39aaac0ba688ac0000000000000000266a24aa21a9edcb26cb3052426b9ebb4d19c819ef87c19677bbf3a7c46ef085"
    "5b"
    "d1b2abe834910120000000000000000000000000000000000000000000000000000000000000000000000000020000"
    "00"
    "000101d20978463906ba4ff5e7192494b88dd5eb0de85d900ab253af909106faa22cc5010000000004000000014777"
    "ff"
    "000000000016001446c29eabe8208a33aa1023c741fa79aa92e881ff0347304402207d7ca96134f2bcfdd6b536536f"
    "dd"
    "39ad17793632016936f777ebb32c22943fda02206014d2fb8a6aa58279797f861042ba604ebd2f8f61e5bddbd9d3be"
    "5a"
    "245047b201004b632103eeaeba7ce5dc2470221e9517fb498e8d6bd4e73b85b8be655196972eb9ccd5566754b27521"
    "03"
    "a40b74d43df244799d041f32ce1ad515a6cd99501701540e38750d883ae21d3a68ac00000000";

static const struct {
	const char *hex;
	const char *txid;
	const char *wtxid;
	size_t stripped_size;
	uint32_t version;
	uint32_t inputs;
	uint32_t outputs;
	uint32_t lock_time;
	uint64_t sigops;
} transactions[] = {
    {genesis_tx, "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
     "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b", 204, 1, 1, 1, 0, 1},
    {segwit_tx, "f5864806e3565c34d1b41e716f72609d00b55ea5eac5b924c9719a842ef42206",
     "80b7d8a82d5d5bf92905b06f2014dd699e03837ca172e3a59d51426ebbe3e7f5", 83, 2, 1, 1, 0, 0},
    {two_inputs_tx, "e8151a2af31c368a35053ddd4bdb285a8595c769a3ad83e0fa02314a602d4609",
     "c36c38370907df2324d9ce9d149d191192f338b37665a82e78e76a12c909b762", 233, 1, 2, 2, 17, 2},
};

static bool parse(const uint8_t *data, size_t size, struct tx *tx)
{
	struct reader r;

	reader_init(&r, data, size);
	return tx_parse(&r, tx) && reader_left(&r) == 0;
}

START_TEST(known_transactions)
{
	uint8_t data[1024];
	size_t size = unhex(transactions[_i].hex, data, sizeof(data));
	uint8_t hash[32];
	struct tx tx;

	ck_assert(parse(data, size, &tx));
	ck_assert_uint_eq(tx.version, transactions[_i].version);
	ck_assert_uint_eq(tx.inputs, transactions[_i].inputs);
	ck_assert_uint_eq(tx.outputs, transactions[_i].outputs);
	ck_assert_uint_eq(tx.lock_time, transactions[_i].lock_time);
	ck_assert_uint_eq(tx_sigops(&tx), transactions[_i].sigops);
	ck_assert_uint_eq(tx.size, size);
	ck_assert_uint_eq(tx.stripped_size, transactions[_i].stripped_size);
	ck_assert_uint_eq(tx_weight(&tx), 3 * transactions[_i].stripped_size + size);
	ck_assert(tx.has_witness == (tx.size != tx.stripped_size));
	tx_txid(&tx, hash);
	assert_hash(hash, transactions[_i].txid);
	tx_wtxid(&tx, hash);
	assert_hash(hash, transactions[_i].wtxid);
}
END_TEST

START_TEST(inputs_and_outputs)
{
	uint8_t data[1024];
	size_t size = unhex(two_inputs_tx, data, sizeof(data));
	struct tx_input in;
	struct tx_output out;
	struct reader r;
	struct tx tx;

	ck_assert(parse(data, size, &tx));
	tx_inputs(&tx, &r);
	ck_assert(tx_next_input(&r, &in));
	assert_hash(in.prev_txid,
		    "9f96ade4b41d5433f4eda31e1738ec2b36f6e7d1420d94a6af99801a88f7f7ff");
	ck_assert_uint_eq(in.prev_index, 0);
	ck_assert_uint_eq(in.script_size, 0x49);
	ck_assert_uint_eq(in.sequence, 0xffffffee);
	ck_assert(tx_next_input(&r, &in));
	ck_assert_uint_eq(in.prev_index, 1);
	ck_assert_uint_eq(in.script_size, 0);
	ck_assert_uint_eq(in.sequence, 0xffffffff);
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert(!tx_next_input(&r, &in));
	tx_outputs(&tx, &r);
	ck_assert(tx_next_output(&r, &out));
	ck_assert_uint_eq(out.value, 112340000);
	assert_hex(out.script, out.script_size,
		   "76a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac");
	ck_assert(tx_next_output(&r, &out));
	ck_assert_uint_eq(out.value, 223450000);
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert(!tx_next_output(&r, &out));
}
END_TEST

/* In a block of memory that ends where the data does, so that AddressSanitizer and valgrind see a
 * read past the end. */
START_TEST(every_truncation_fails)
{
	uint8_t data[1024];
	size_t size = unhex(transactions[_i].hex, data, sizeof(data));

	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *exact = malloc(cut > 0 ? cut : 1);
		struct reader r;
		struct tx tx;

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, data, cut);
		reader_init(&r, exact, cut);
		ck_assert(!tx_parse(&r, &tx));
		ck_assert(r.failed);
		free(exact);
	}
}
END_TEST

static const struct {
	const char *what;
	const char *hex;
} malformed[] = {
    {"no inputs", "01000000"
		  "00"
		  "00"
		  "00000000"},
    {"no inputs, marker and flag", "01000000"
				   "0001"
				   "00"
				   "00"
				   "00000000"},
    {"flag 0", "01000000"
	       "0000"
	       "01"
	       "0000000000000000"
	       "00"
	       "00000000"},
    {"flag 2", "01000000"
	       "0002"
	       "01"
	       "0000000000000000000000000000000000000000000000000000000000000000"
	       "ffffffff"
	       "00"
	       "ffffffff"
	       "01"
	       "0000000000000000"
	       "00"
	       "01"
	       "00"
	       "00000000"},
    {"empty witness", "01000000"
		      "0001"
		      "01"
		      "0000000000000000000000000000000000000000000000000000000000000000"
		      "ffffffff"
		      "00"
		      "ffffffff"
		      "01"
		      "0000000000000000"
		      "00"
		      "00"
		      "00000000"},
    {"count not canonical", "01000000"
			    "fd0100"
			    "0000000000000000000000000000000000000000000000000000000000000000"
			    "ffffffff"
			    "00"
			    "ffffffff"
			    "01"
			    "0000000000000000"
			    "00"
			    "00000000"},
    {"2^32 inputs", "01000000"
		    "ff0000000001000000"
		    "00000000000000000000000000000000000000000000000000"},
    {"more inputs than bytes", "01000000"
			       "feffffffff"
			       "00000000000000000000000000000000000000000000000000"},
    {"script of 2^64 - 1 bytes", "01000000"
				 "01"
				 "0000000000000000000000000000000000000000000000000000000000000000"
				 "ffffffff"
				 "ffffffffffffffffff"
				 "ffffffff"
				 "00"
				 "00000000"},
};

START_TEST(malformed_transactions)
{
	uint8_t data[256];
	size_t size = unhex(malformed[_i].hex, data, sizeof(data));
	struct reader r;
	struct tx tx;

	reader_init(&r, data, size);
	ck_assert_msg(!tx_parse(&r, &tx) && r.failed, "%s was taken", malformed[_i].what);
}
END_TEST

/* What is malformed above, made good: shows that only the named thing is wrong there. */
START_TEST(smallest_witness)
{
	static const char hex[] = "01000000"
				  "0001"
				  "01"
				  "0000000000000000000000000000000000000000000000000000000000000000"
				  "ffffffff"
				  "00"
				  "ffffffff"
				  "01"
				  "0000000000000000"
				  "00"
				  "01"
				  "00"
				  "00000000";
	uint8_t data[256];
	size_t size = unhex(hex, data, sizeof(data));
	struct tx tx;

	ck_assert(parse(data, size, &tx));
	ck_assert_uint_eq(tx.stripped_size, size - 4);
}
END_TEST

/* Header hash, merkle root and witness commitment of a real block. */
START_TEST(block_with_witness)
{
	uint8_t data[1024];
	size_t size = unhex(testnet_block, data, sizeof(data));
	uint8_t txids[2][32];
	uint8_t wtxids[2][32] = {{0}}; /* BIP141: the coinbase's counts as zero */
	uint8_t hash[32];
	uint8_t script[38];
	struct block_header header;
	struct tx_output out;
	struct reader r;
	struct tx_input in;
	struct tx tx[2];

	sha256d_header(data, hash);
	assert_hash(hash, "000000006f27ddfe1dd680044a34548f41bed47eba9e6f0b310da21423bc5f33");
	block_header_read(data, &header);
	reader_init(&r, data + 80, size - 80);
	ck_assert_uint_eq(reader_compact_size(&r), 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert(tx_parse(&r, &tx[i]));
		tx_txid(&tx[i], txids[i]);
	}
	ck_assert_uint_eq(reader_left(&r), 0);
	merkle_root(txids, 2, hash);
	ck_assert_mem_eq(hash, header.merkle_root, 32);

	tx_wtxid(&tx[1], wtxids[1]);
	merkle_root(wtxids, 2, hash);
	bip141_commitment(hash, script);
	tx_outputs(&tx[0], &r);
	ck_assert(tx_next_output(&r, &out) && tx_next_output(&r, &out));
	ck_assert_uint_eq(out.script_size, sizeof(script));
	ck_assert_mem_eq(out.script, script, sizeof(script));
	ck_assert_ptr_eq(tx_witness_commitment(&tx[0]), out.script + 6);
	ck_assert_ptr_null(tx_witness_commitment(&tx[1]));
	ck_assert(tx_is_coinbase(&tx[0], &in) && !tx_is_coinbase(&tx[1], &in));
}
END_TEST

/* A coinbase by hand: outputs whose scripts are a commitment, a longer one, and two that only look
 * like one: too short, another tag. */
static size_t make_coinbase(uint8_t *out)
{
	static const uint8_t sizes[] = {38, 40, 37, 38};
	static const uint8_t start[] = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
	size_t size = 0;

	memset(out, 0, 256); /* 240 are used */
	out[0] = 1;
	out[4] = 1;
	memset(out + 37, 0xff, 4);
	memset(out + 42, 0xff, 4);
	out[46] = COUNT(sizes);
	size = 47;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		out[size + 8] = sizes[i];
		memset(out + size + 9, (int)i + 1, sizes[i]);
		memcpy(out + size + 9, start, sizeof(start));
		if (i == 3)
			out[size + 9 + 5] ^= 1;
		size += 9u + sizes[i];
	}
	return size + 4;
}

START_TEST(last_commitment_counts)
{
	uint8_t expected[32];
	uint8_t data[256];
	const uint8_t *found;
	struct tx tx;

	memset(expected, 2, sizeof(expected));
	ck_assert(parse(data, make_coinbase(data), &tx));
	found = tx_witness_commitment(&tx);
	ck_assert_ptr_nonnull(found);
	ck_assert_mem_eq(found, expected, sizeof(expected));
}
END_TEST

START_TEST(what_a_coinbase_is)
{
	static const struct {
		size_t at; /* byte that is changed */
		bool coinbase;
	} cases[] = {{0, true}, {42, true}, {5, false}, {36, false}, {37, false}, {40, false}};
	uint8_t data[512];
	size_t size = make_coinbase(data);
	struct tx_input in;
	struct tx tx;

	for (size_t i = 0; i < COUNT(cases); i++) {
		data[cases[i].at] ^= 0x10;
		ck_assert(parse(data, size, &tx));
		ck_assert_msg(tx_is_coinbase(&tx, &in) == cases[i].coinbase, "byte %zu",
			      cases[i].at);
		data[cases[i].at] ^= 0x10;
	}
	/* The same input twice. */
	memmove(data + 46 + 41, data + 46, size - 46);
	memcpy(data + 46, data + 5, 41);
	data[4] = 2;
	ck_assert(parse(data, size + 41, &tx));
	ck_assert(!tx_is_coinbase(&tx, &in));
	ck_assert_uint_eq(in.prev_index, UINT32_MAX);
}
END_TEST

START_TEST(header_fields)
{
	uint8_t data[1024];
	uint8_t again[80];
	struct block_header header;

	(void)unhex(testnet_block, data, sizeof(data));
	block_header_read(data, &header);
	ck_assert_uint_eq(header.version, 0x20000000);
	assert_hash(header.prev_hash,
		    "00000000b428e0bdccda662987a251a62f15ecd534b22ddb96a3399c521a8d1c");
	ck_assert_uint_eq(header.time, 1517700447);
	ck_assert_uint_eq(header.nbits, 0x1d00dcad);
	ck_assert_uint_eq(header.nonce, 0x9a3b3338);
	block_header_write(&header, again);
	ck_assert_mem_eq(again, data, 80);
}
END_TEST

Suite *tx_suite(void)
{
	Suite *suite = suite_create("tx");
	TCase *tcase = tcase_create("tx");
	int count = (int)COUNT(transactions);

	tcase_add_loop_test(tcase, known_transactions, 0, count);
	tcase_add_loop_test(tcase, every_truncation_fails, 0, count);
	tcase_add_test(tcase, inputs_and_outputs);
	tcase_add_loop_test(tcase, malformed_transactions, 0, (int)COUNT(malformed));
	tcase_add_test(tcase, smallest_witness);
	tcase_add_test(tcase, block_with_witness);
	tcase_add_test(tcase, last_commitment_counts);
	tcase_add_test(tcase, what_a_coinbase_is);
	tcase_add_test(tcase, header_fields);
	suite_add_tcase(suite, tcase);
	return suite;
}
