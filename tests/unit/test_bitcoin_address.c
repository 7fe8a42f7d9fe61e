/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test_bitcoin.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/bitcoin/address.h"
#include "lib/util/hex.h"
#include "vectors.h"

/* BIP350 (all valid segwit addresses) with BIP173's of version 0 among them, and some of Bitcoin
 * Core's src/test/data/key_io_valid.json; all of that are in core_addresses. */
static const struct {
	const char *address;
	const char *script;
	enum bitcoin_network network;
} valid[] = {
    {"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6",
     BITCOIN_MAIN},
    {"tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
     "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262", BITCOIN_TESTNET4},
    {"bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
     "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6",
     BITCOIN_MAIN},
    {"BC1SW50QGDZ25J", "6002751e", BITCOIN_MAIN},
    {"bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323", BITCOIN_MAIN},
    {"tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
     "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433", BITCOIN_SIGNET},
    {"tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
     "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433", BITCOIN_TESTNET4},
    {"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
     "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", BITCOIN_MAIN},
    {"1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "76a914a31c06bd463e3923bc1aadbde48b16976c08071788ac",
     BITCOIN_MAIN},
    {"36j4NfKv6Akva9amjWrLG6MuSQym1GuEmm", "a914373b819a068f32b7a6b38b6b38729647cfde01c287",
     BITCOIN_MAIN},
    {"mzK2FFDEhxqHcmrJw1ysqFkVyhUULo45hZ", "76a914ce28b26c57472737f5c3561a1761185bd8589a4388ac",
     BITCOIN_TESTNET4},
    {"2NC2hEhe28ULKAJkW5MjZ3jtTMJdvXmByvK", "a914ce0bba75891ff9ec60148d4bd4a09ee2dc5c933187",
     BITCOIN_TESTNET4},
    {"mww4LvqtTMKvmeQvizPz2EQv26xTneWrbg", "76a914b4110ba93ac54afc14da3bdd19614774a2d55d2988ac",
     BITCOIN_SIGNET},
    {"n4fajahJrAuKbN7uNsKjLjQkz9Qn5ewJXQ", "76a914fdeca3b08e38af53d7c4c60e3ad208ce5066441088ac",
     BITCOIN_REGTEST},
    {"2MxFajLApXpYk4VodBSZSt7rw8y4ryABkfA", "a91436e9f191e0b75036a77f65e2eaa4752443233fbe87",
     BITCOIN_REGTEST},
    {"tb1rgv5m6uvdk3kc7qsuz0c79v88ycr5w4wa", "53104329bd718db46d8f021c13f1e2b0e726",
     BITCOIN_TESTNET4},
    {"bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9", "00146f58bac9506f9bfb821d62e69330410bb56f0085",
     BITCOIN_REGTEST},
    {"bcrt1qan8gntac7z7me2ejt4hpru42ad2f759fmy0m3ejvs98656znv7eqga4uhv",
     "0020ecce89afb8f0bdbcab325d6e11f2aaeb549f50a9d91fb8e64c814faa685367b2", BITCOIN_REGTEST},
    {"bcrt1pfwxjqvtt4tcxrtdluukfmy2dv7xd2qzdfy6kajv5nwn4yam3wxkq3553uh",
     "51204b8d20316baaf061adbfe72c9d914d678cd5004d49356ec9949ba752777171ac", BITCOIN_REGTEST},
    {"bcrt1sx6p8njlx7h9mc2agz4yg82dzne23050ncq72cneeecez2pst8mahn8xecsf8g6hzx94420",
     "6028368279cbe6f5cbbc2ba8154883a9a29e5517d1f3c03cac4f39ce3225060b3efb799cd9c412746ae2",
     BITCOIN_REGTEST},
};

START_TEST(valid_address)
{
	struct script script;
	struct error e = {0};
	char back[100];

	ck_assert_msg(address_to_script(valid[_i].address, valid[_i].network, &script, &e) ==
			  ADIT_OK,
		      "%s", e.text);
	assert_hex(script.data, script.size, valid[_i].script);
	ck_assert(
	    script_to_address(script.data, script.size, valid[_i].network, back, sizeof(back)));
	if (isupper((unsigned char)valid[_i].address[0]))
		ck_assert_int_eq(strcasecmp(back, valid[_i].address), 0);
	else
		ck_assert_str_eq(back, valid[_i].address);
}
END_TEST

/* BIP350 and BIP173, all invalid segwit addresses, with the reason those give; what BIP173 had as
 * valid of version 1 and above and BIP350 ended; then some of src/test/data/key_io_invalid.json of
 * Bitcoin Core. */
static const struct {
	const char *address;
	const char *reason;
} invalid[] = {
    {"tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut", "prefix"},
    {"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", "bech32 checksum"},
    {"tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf", "bech32 checksum"},
    {"BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL", "bech32 checksum"},
    {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "bech32m checksum"},
    {"tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47", "bech32m checksum"},
    {"bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", "a character"},
    {"BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", "above 16"},
    {"bc1pw5dgrnzv", "2 to 40"},
    {"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav", "2 to 40"},
    {"BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "20 nor 32"},
    {"tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq", "mixed"},
    {"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf", "padding"},
    {"tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j", "padding"},
    {"bc1gmk9yu", "too short"},
    {"tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty", "prefix"},
    {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "wrong checksum"},
    {"BC13W508D6QEJXTDG4Y5R3ZARVARY0C5XW7KN40WF2", "checksum"},
    {"bc1rw5uspcuh", "checksum"},
    {"bc10w508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kw5rljs90", "checksum"},
    {"bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7k7grplx", "checksum"},
    {"BC1SW50QA3JX3S", "checksum"},
    {"bc1zw508d6qejxtdg4y5r3zarvaryvg6kdaj", "checksum"},
    {"tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sL5k7", "mixed"},
    {"bc1zw508d6qejxtdg4y5r3zarvaryvqyzf3du", "checksum"},
    {"tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3pjxtptv", "padding"},
    {"", ""},
    {"x", ""},
    {"1GAdfviErV2Ew95FPtZyikz2qGP3gyCB6Hyu94sedAkPpA523m3fQwps9YKUZkKgQckGPKhRsFR", ""},
    {"37G2kMDLpmWVhimxRdzwNfE8JFvWXnJYnVcXeeGrek2qumdJuK7XArcVVpRtLLjRra3t64BEPF2", ""},
    {"8iVk9nLM3nYwRuwypjy9NK5rsuZH7BbrQRZ1pgcQmvMnjAgRXD", ""},
    {"cPTVQ1hbo4qdoysf6Jx5GthqucNmdfqt6J2pZRFeXv8Ep7Kmjqud", ""},
    {"bt1pq65rzej5glw3ra79gav6fqnx4haa0z257qr3mc8cggkefahmgvyseufhc0", "prefix"},
    {"tb13hty4qmumlwpp6chxjvcyzza4duqgtmxw3xhm3u9ahj4nyhtwz8eq7ynrj4", "above 16"},
    {"bcrt1r2qxpwuge", "2 to 40"},
    {"tb1qum6uh0pt4q253qaf520929737v63w5gf", "20 nor 32"},
    {"bcrt1q888ryfgxpvl0k7vum8zpyar2u2sexvdhkf38ue37yknmqq0ycrwpl3w48y", ""},
    {"2UVPFpGYnLHJezFzjUo42our6PMEoozzRdM", ""},
    {"2MygHQjE1U33q3LSC53p69YqFjP8PihumJAF", ""},
    {"KzNbAQ4mexfAxa6RKBzHQqfoTycaeWpv2p", ""},
    {"39TKsUQ5QpEL1wowc6GMUqak94ijirPuP69ooV3xsFmiKQX2dau", ""},
    {"AZEah8d1EK362okRBS66e8SvdtYkrE8tsX", ""},
    {"sp1qq22l5s6l9460ww6t4tkzsy2a7zejurcmzz35pt0ffrzk5erlaykdcqugecjjnjqf7ggq39vl6wexjlm00n66z94v6"
     "75n7wcux6d2krr68gcwu9kg",
     ""},
    {"1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mp", "checksum"},
    {"1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2m0", "characters"},
    {" 1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", "characters"},
};

/* On every network. */
START_TEST(invalid_address)
{
	for (int network = BITCOIN_MAIN; network <= BITCOIN_REGTEST; network++) {
		struct script script = {.size = 7};
		struct error e = {0};

		ck_assert_int_eq(address_to_script(invalid[_i].address,
						   (enum bitcoin_network)network, &script, &e),
				 ADIT_E_INVALID_ARGUMENT);
		ck_assert_msg(strstr(e.text, invalid[_i].reason) != NULL, "%s", e.text);
		ck_assert_uint_eq(script.size, 0);
	}
}
END_TEST

static struct json_object *read_json(const char *name, size_t entries)
{
	char path[4096];
	struct json_object *all;

	vectors_path(name, path, sizeof(path));
	all = json_object_from_file(path);
	ck_assert_msg(all != NULL, "%s", json_util_get_last_err());
	ck_assert_uint_eq(json_object_array_length(all), entries);
	return all;
}

static bool flag(struct json_object *about, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(about, name, &value) && json_object_get_boolean(value);
}

/* An address becomes its script, and the script the address. A private key becomes neither. */
static void check_core_entry(const char *text, const char *payload, struct json_object *about)
{
	struct json_object *chain;
	enum bitcoin_network network;
	struct script script;
	struct error e = {0};
	char other[128];
	int32_t rc;

	ck_assert(json_object_object_get_ex(about, "chain", &chain));
	ck_assert(network_parse(json_object_get_string(chain), &network));
	rc = address_to_script(text, network, &script, &e);
	if (flag(about, "isPrivkey")) {
		ck_assert_int_eq(rc, ADIT_E_INVALID_ARGUMENT);
		ck_assert_msg(strncmp(e.text, "a private key", 13) == 0, "%s", e.text);
		ck_assert_ptr_null(strstr(e.text, text));
		return;
	}
	ck_assert_msg(rc == ADIT_OK, "%s: %s", text, e.text);
	assert_hex(script.data, script.size, payload);
	ck_assert(script_to_address(script.data, script.size, network, other, sizeof(other)));
	ck_assert_str_eq(other, text);
	for (size_t i = 0; i <= strlen(text); i++) {
		char c = text[i];

		other[i] = (char)(isupper((unsigned char)c) ? tolower(c) : toupper(c));
	}
	ck_assert_int_eq(address_to_script(other, network, &script, &e),
			 flag(about, "tryCaseFlip") ? ADIT_OK : ADIT_E_INVALID_ARGUMENT);
}

/* src/test/data/key_io_valid.json of Bitcoin Core. */
START_TEST(core_addresses)
{
	struct json_object *all = read_json("key_io_valid.json", 70);

	for (size_t i = 0; i < 70; i++) {
		struct json_object *entry = json_object_array_get_idx(all, i);

		check_core_entry(json_object_get_string(json_object_array_get_idx(entry, 0)),
				 json_object_get_string(json_object_array_get_idx(entry, 1)),
				 json_object_array_get_idx(entry, 2));
	}
	json_object_put(all);
}
END_TEST

/* src/test/data/key_io_invalid.json of Bitcoin Core, on every network. */
START_TEST(core_no_addresses)
{
	struct json_object *all = read_json("key_io_invalid.json", 70);

	for (size_t i = 0; i < 4 * 70; i++) {
		struct json_object *entry = json_object_array_get_idx(all, i / 4);
		struct script script;

		ck_assert_int_eq(
		    address_to_script(json_object_get_string(json_object_array_get_idx(entry, 0)),
				      (enum bitcoin_network)(i % 4), &script, NULL),
		    ADIT_E_INVALID_ARGUMENT);
	}
	json_object_put(all);
}
END_TEST

START_TEST(wrong_network_is_named)
{
	static const struct {
		const char *address;
		enum bitcoin_network network;
		const char *text;
	} vectors[] = {
	    {"bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv", BITCOIN_REGTEST,
	     "of main; the network is regtest"},
	    {"tb1qcrh3yqn4nlleplcez2yndq2ry8h9ncg3qh7n54", BITCOIN_MAIN,
	     "of testnet4 or signet; the network is main"},
	    {"tb1qcrh3yqn4nlleplcez2yndq2ry8h9ncg3qh7n54", BITCOIN_REGTEST,
	     "of testnet4 or signet"},
	    {"bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9", BITCOIN_SIGNET,
	     "of regtest; the network is signet"},
	    {"1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo", BITCOIN_TESTNET4,
	     "of main; the network is testnet4"},
	    {"36j4NfKv6Akva9amjWrLG6MuSQym1GuEmm", BITCOIN_REGTEST,
	     "of main; the network is regtest"},
	    {"mzK2FFDEhxqHcmrJw1ysqFkVyhUULo45hZ", BITCOIN_MAIN, "test network"},
	    {"2NC2hEhe28ULKAJkW5MjZ3jtTMJdvXmByvK", BITCOIN_MAIN, "test network"},
	};

	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct script script;
		struct error e = {0};

		ck_assert_int_eq(
		    address_to_script(vectors[i].address, vectors[i].network, &script, &e),
		    ADIT_E_INVALID_ARGUMENT);
		ck_assert_msg(strstr(e.text, vectors[i].text) != NULL, "%s", e.text);
	}
}
END_TEST

START_TEST(networks_by_name)
{
	static const char *const same[] = {"main", "testnet4", "signet", "regtest"};
	enum bitcoin_network network;

	for (size_t i = 0; i < COUNT(same); i++) {
		ck_assert(network_parse(same[i], &network));
		ck_assert_uint_eq(network, i);
		ck_assert_str_eq(network_name(network), same[i]);
	}
	ck_assert(network_parse("testnet3", &network) && network == BITCOIN_TESTNET4);
	ck_assert(network_parse("test", &network) && network == BITCOIN_TESTNET4);
	ck_assert(!network_parse("mainnet", &network));
	ck_assert(!network_parse("", &network));
}
END_TEST

#define PROGRAM40 "751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6"

/* Scripts without an address: P2PK, OP_RETURN, witness programs of wrong size; and too little room.
 */
START_TEST(scripts_without_address)
{
	static const char *const scripts[] = {
	    "",
	    "6a",
	    "21025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee6357ac",
	    "0013751e76e8199196d454941c45d1b3a323f1433b",
	    "510100",
	    "4f02751e",
	    "5129" PROGRAM40 "00",
	    "5114751e76e8199196d454941c45d1b3a323f1433b",
	    "76a914a31c06bd463e3923bc1aadbde48b16976c08071788ad",
	    "a914373b819a068f32b7a6b38b6b38729647cfde01c288",
	};
	uint8_t script[64];
	char out[100];

	for (size_t i = 0; i < COUNT(scripts); i++) {
		size_t size = unhex(scripts[i], script, sizeof(script));

		ck_assert(!script_to_address(script, size, BITCOIN_MAIN, out, sizeof(out)));
	}
	(void)unhex("a914373b819a068f32b7a6b38b6b38729647cfde01c287", script, sizeof(script));
	ck_assert(!script_to_address(script, 23, BITCOIN_MAIN, out, 34));
	ck_assert(script_to_address(script, 23, BITCOIN_MAIN, out, 35));
	(void)unhex("0014751e76e8199196d454941c45d1b3a323f1433bd6", script, sizeof(script));
	ck_assert(!script_to_address(script, 22, BITCOIN_MAIN, out, 42));
}
END_TEST

/* The example of en.bitcoin.it, "Technical background of version 1 Bitcoin addresses", a WIF key of
 * Bitcoin Core's key_io_valid.json, twenty zero bytes, and an extended key of BIP32's test
 * vector 1. */
START_TEST(base58check_both_ways)
{
	static const struct {
		const char *text;
		const char *payload;
	} vectors[] = {
	    {"1PMycacnJaSqwwJqjawXBErnLsZ7RkXUAs", "00f54a5851e9372b87810a8e60cdd2e7cfd80b6e31"},
	    {"5JuW2AMDYu4xVwRG9DZW18VbzQrGcd5RCgb99sS6ehJsNQXu5b9",
	     "808f8943bf956de595665c38ffff23827e17c10cdc1c27a028caae6c9810626198"},
	    {"1111111111111111111114oLvT2", "000000000000000000000000000000000000000000"},
	    {"xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqse"
	     "fD265TMg7usUDFdp6W1EGMcet8",
	     "0488b21e000000000000000000873dff81c02f525623fd1fe5167eac3a55a049de3d314bb42ee227ffed3"
	     "7d508"
	     "0339a36013301597daef41fbe593a02cc513d0b55527ec2df1050e2e8ff49c85c2"},
	};

	for (size_t i = 0; i < COUNT(vectors); i++) {
		uint8_t payload[128];
		char text[120];
		int size = base58check_decode(vectors[i].text, payload, sizeof(payload));

		ck_assert_int_eq(size, (int)strlen(vectors[i].payload) / 2);
		assert_hex(payload, (size_t)size, vectors[i].payload);
		ck_assert_int_eq(base58check_decode(vectors[i].text, payload, (size_t)size - 1),
				 -1);
		ck_assert(base58check_encode(payload, (size_t)size, text, sizeof(text)));
		ck_assert_str_eq(text, vectors[i].text);
		ck_assert(
		    base58check_encode(payload, (size_t)size, text, strlen(vectors[i].text) + 1));
		ck_assert(
		    !base58check_encode(payload, (size_t)size, text, strlen(vectors[i].text)));
	}
}
END_TEST

/* No size of text is too much. */
START_TEST(base58check_limits)
{
	static char text[100000];
	uint8_t out[256] = {0};

	memset(text, '1', sizeof(text) - 1);
	ck_assert_int_eq(base58check_decode(text, out, sizeof(out)), -1);
	memset(text, 'z', sizeof(text) - 1);
	ck_assert_int_eq(base58check_decode(text, out, sizeof(out)), -1);
	ck_assert_int_eq(base58check_decode("", out, sizeof(out)), -1);
	ck_assert(!base58check_encode(out, 125, text, sizeof(text)));
	ck_assert(base58check_encode(out, 124, text, sizeof(text)));
	memset(out, 0xff, sizeof(out));
	ck_assert(base58check_encode(out, 124, text, sizeof(text)));
	ck_assert_int_eq(base58check_decode(text, out, sizeof(out)), 124);
}
END_TEST

/* BIP380, "Test Vectors". */
START_TEST(descriptor_checksums)
{
	static const struct {
		const char *text;
		const char *reason; /* NULL: taken */
	} vectors[] = {
	    {"raw(deadbeef)#89f8spxm", NULL},
	    {"raw(deadbeef)", NULL},
	    {"raw(deadbeef)#", "checksum of 0"},
	    {"raw(deadbeef)#89f8spxmx", "checksum of 9"},
	    {"raw(deadbeef)#89f8spx", "checksum of 7"},
	    {"raw(deedbeef)#89f8spxm", "does not fit"},
	    {"raw(deedbeef)##9f8spxm", "checksum"},
	    {"raw(\xc3\x9c)#00000000", "character"},
	};

	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct script script;
		struct error e = {0};
		int32_t rc = descriptor_to_script(vectors[i].text, BITCOIN_MAIN, &script, &e);

		if (vectors[i].reason == NULL) {
			ck_assert_msg(rc == ADIT_OK, "%s", e.text);
			assert_hex(script.data, script.size, "deadbeef");
		} else {
			ck_assert_int_eq(rc, ADIT_E_INVALID_ARGUMENT);
			ck_assert_msg(strstr(e.text, vectors[i].reason) != NULL, "%s", e.text);
		}
	}
}
END_TEST

START_TEST(descriptors)
{
	static const char address[] = "bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9";
	static const char *const wrong[] = {
	    "",
	    "addr()",
	    "addr(bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9",
	    "addr(bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv)",
	    "raw()",
	    "raw(dea)",
	    "raw(zz)",
	    "raw(deadbeef",
	    "bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9#00000000",
	};
	struct script script;
	struct error e = {0};
	char text[100];
	char sum[9];

	ck_assert_int_eq(descriptor_to_script(address, BITCOIN_REGTEST, &script, &e), ADIT_OK);
	assert_hex(script.data, script.size, "00146f58bac9506f9bfb821d62e69330410bb56f0085");
	(void)snprintf(text, sizeof(text), "addr(%s)", address);
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_REGTEST, &script, &e), ADIT_OK);
	assert_hex(script.data, script.size, "00146f58bac9506f9bfb821d62e69330410bb56f0085");
	ck_assert(descriptor_checksum(text, strlen(text), sum));
	(void)snprintf(text, sizeof(text), "addr(%s)#%s", address, sum);
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_REGTEST, &script, &e), ADIT_OK);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		e.text[0] = '\0';
		ck_assert_int_eq(descriptor_to_script(wrong[i], BITCOIN_REGTEST, &script, &e),
				 ADIT_E_INVALID_ARGUMENT);
		ck_assert_uint_eq(script.size, 0);
		ck_assert(e.text[0] != '\0');
	}
}
END_TEST

/* A key that was put where an address belongs must not show up in a log. */
START_TEST(keys_are_not_repeated)
{
	static const char *const texts[] = {
	    "5JuW2AMDYu4xVwRG9DZW18VbzQrGcd5RCgb99sS6ehJsNQXu5b9",
	    "5JuW2AMDYu4xVwRG9DZW18VbzQrGcd5RCgb99sS6ehJsNQXu5b8",
	    "addr(5JuW2AMDYu4xVwRG9DZW18VbzQrGcd5RCgb99sS6ehJsNQXu5b9)",
	    "wpkh(5JuW2AMDYu4xVwRG9DZW18VbzQrGcd5RCgb99sS6ehJsNQXu5b9)",
	    "5JuW2AMDYu4xVwRG9DZW18VbzQrGcd5RCgb99sS6ehJsNQXu5b9()",
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct script script;
		struct error e = {0};

		ck_assert_int_eq(descriptor_to_script(texts[i], BITCOIN_MAIN, &script, &e),
				 ADIT_E_INVALID_ARGUMENT);
		ck_assert_ptr_null(strstr(e.text, "bzQrGcd5RCgb"));
		ck_assert(e.text[0] != '\0');
	}
}
END_TEST

/* The reason is there however long the text is. */
START_TEST(long_addresses)
{
	char text[600];
	struct script script;
	struct error e = {0};

	memset(text, 'q', sizeof(text));
	memcpy(text, "bc1", 3);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(address_to_script(text, BITCOIN_MAIN, &script, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(e.text, "longer than 90"));
}
END_TEST

START_TEST(descriptor_sizes)
{
	static char text[4 * SCRIPT_MAX];
	struct script script;

	memset(text, 'a', sizeof(text));
	memcpy(text, "raw(", 4);
	memcpy(text + 4 + 2 * SCRIPT_MAX, ")", 2);
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_MAIN, &script, NULL), ADIT_OK);
	ck_assert_uint_eq(script.size, SCRIPT_MAX);
	memcpy(text + 4 + 2 * SCRIPT_MAX, "aa)", 4);
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_MAIN, &script, NULL),
			 ADIT_E_INVALID_ARGUMENT);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_MAIN, &script, NULL),
			 ADIT_E_INVALID_ARGUMENT);
}
END_TEST

Suite *address_suite(void)
{
	Suite *suite = suite_create("address");
	TCase *tcase = tcase_create("address");

	tcase_add_loop_test(tcase, valid_address, 0, (int)COUNT(valid));
	tcase_add_loop_test(tcase, invalid_address, 0, (int)COUNT(invalid));
	tcase_add_test(tcase, core_addresses);
	tcase_add_test(tcase, core_no_addresses);
	tcase_add_test(tcase, wrong_network_is_named);
	tcase_add_test(tcase, networks_by_name);
	tcase_add_test(tcase, scripts_without_address);
	tcase_add_test(tcase, base58check_both_ways);
	tcase_add_test(tcase, base58check_limits);
	tcase_add_test(tcase, descriptor_checksums);
	tcase_add_test(tcase, descriptors);
	tcase_add_test(tcase, keys_are_not_repeated);
	tcase_add_test(tcase, long_addresses);
	tcase_add_test(tcase, descriptor_sizes);
	suite_add_tcase(suite, tcase);
	return suite;
}
