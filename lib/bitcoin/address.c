/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/address.h"

#include <string.h>
#include <strings.h>

#include "lib/bitcoin/bech32.h"
#include "lib/bitcoin/keyexpr.h"

enum opcode {
	OP_0 = 0x00,
	OP_1 = 0x51,
	OP_16 = 0x60,
	OP_DUP = 0x76,
	OP_EQUAL = 0x87,
	OP_EQUALVERIFY = 0x88,
	OP_HASH160 = 0xa9,
	OP_CHECKSIG = 0xac
};

struct network {
	const char *name;
	const char *hrp;
	uint8_t key_version;    /* first byte of a P2PKH address */
	uint8_t script_version; /* first byte of a P2SH address */
};

static const struct network networks[] = {
    [BITCOIN_MAIN] = {"main", "bc", 0, 5},
    [BITCOIN_TESTNET4] = {"testnet4", "tb", 111, 196},
    [BITCOIN_SIGNET] = {"signet", "tb", 111, 196},
    [BITCOIN_REGTEST] = {"regtest", "bcrt", 111, 196},
};

#define NETWORKS (sizeof(networks) / sizeof(networks[0]))

bool network_parse(const char *name, enum bitcoin_network *out)
{
	if (strcmp(name, "testnet3") == 0 || strcmp(name, "test") == 0)
		name = networks[BITCOIN_TESTNET4].name;
	for (size_t i = 0; i < NETWORKS; i++) {
		if (strcmp(name, networks[i].name) == 0) {
			*out = (enum bitcoin_network)i;
			return true;
		}
	}
	return false;
}

const char *network_name(enum bitcoin_network network)
{
	return (size_t)network < NETWORKS ? networks[network].name : "unknown";
}

/* The networks whose addresses begin with HRP, for people; NULL when there is none. */
static const char *networks_of_hrp(const char *hrp)
{
	if (strcmp(hrp, networks[BITCOIN_MAIN].hrp) == 0)
		return "main";
	if (strcmp(hrp, networks[BITCOIN_TESTNET4].hrp) == 0)
		return "testnet4 or signet";
	if (strcmp(hrp, networks[BITCOIN_REGTEST].hrp) == 0)
		return "regtest";
	return NULL;
}

static void script_append(struct script *s, const void *data, size_t size)
{
	memcpy(s->data + s->size, data, size);
	s->size += size;
}

static void script_append_op(struct script *s, unsigned op)
{
	s->data[s->size++] = (uint8_t)op;
}

/* Is TEXT, up to its last '1', the prefix of one of our networks? */
static bool has_known_prefix(const char *text)
{
	for (size_t i = 0; i < NETWORKS; i++) {
		size_t size = strlen(networks[i].hrp);

		if (strncasecmp(text, networks[i].hrp, size) == 0 && text[size] == '1')
			return true;
	}
	return false;
}

static int32_t segwit_to_script(const char *text, const struct segwit_address *a,
				const struct network *network, struct script *out, struct error *e)
{
	const char *owner = networks_of_hrp(a->hrp);

	if (owner == NULL)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "%.90s: %s is not a prefix of Bitcoin",
				 text, a->hrp);
	if (strcmp(a->hrp, network->hrp) != 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "%.90s: an address of %s; the network is %s", text, owner,
				 network->name);
	out->size = 0;
	script_append_op(out, a->version == 0 ? OP_0 : OP_1 + a->version - 1u);
	script_append_op(out, (unsigned)a->size);
	script_append(out, a->program, a->size);
	return ADIT_OK;
}

/* 21 bytes: version and HASH160. */
static int32_t hash_to_script(const char *text, const uint8_t payload[21],
			      const struct network *network, struct script *out, struct error *e)
{
	const struct network *main_net = &networks[BITCOIN_MAIN];
	const struct network *test_net = &networks[BITCOIN_TESTNET4];
	uint8_t version = payload[0];

	out->size = 0;
	if (version == network->key_version) {
		script_append_op(out, OP_DUP);
		script_append_op(out, OP_HASH160);
		script_append_op(out, 20);
		script_append(out, payload + 1, 20);
		script_append_op(out, OP_EQUALVERIFY);
		script_append_op(out, OP_CHECKSIG);
		return ADIT_OK;
	}
	if (version == network->script_version) {
		script_append_op(out, OP_HASH160);
		script_append_op(out, 20);
		script_append(out, payload + 1, 20);
		script_append_op(out, OP_EQUAL);
		return ADIT_OK;
	}
	if (version == main_net->key_version || version == main_net->script_version)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "%.90s: an address of main; the network is %s", text,
				 network->name);
	if (version == test_net->key_version || version == test_net->script_version)
		return error_set(
		    e, ADIT_E_INVALID_ARGUMENT,
		    "%.90s: an address of a test network (testnet4, signet or regtest); the "
		    "network is %s",
		    text, network->name);
	return error_set(e, ADIT_E_INVALID_ARGUMENT,
			 "%.90s: base58 with version %u, which is no address of Bitcoin", text,
			 version);
}

int32_t address_to_script(const char *address, enum bitcoin_network network, struct script *out,
			  struct error *e)
{
	const struct network *net = &networks[network];
	struct segwit_address segwit;
	uint8_t payload[128];
	const char *wrong = segwit_decode(address, &segwit);
	int size;

	out->size = 0;
	if (wrong == NULL)
		return segwit_to_script(address, &segwit, net, out, e);
	if (has_known_prefix(address))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "%.90s: %s", address, wrong);
	/* What is no address may be a key that was pasted here, so the text stays out of the
	 * message. */
	if (key_is_private(address))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "a private key: give the address, or a descriptor with the public "
				 "key");
	size = base58check_decode(address, payload, sizeof(payload));
	if (size < 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "not an address: wrong checksum or characters");
	if (size != 21)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "not an address: base58 of %d bytes, where an address has 21",
				 size);
	return hash_to_script(address, payload, net, out, e);
}

static bool is_key_hash(const uint8_t *s, size_t size)
{
	return size == 25 && s[0] == OP_DUP && s[1] == OP_HASH160 && s[2] == 20 &&
	       s[23] == OP_EQUALVERIFY && s[24] == OP_CHECKSIG;
}

static bool is_script_hash(const uint8_t *s, size_t size)
{
	return size == 23 && s[0] == OP_HASH160 && s[1] == 20 && s[22] == OP_EQUAL;
}

/* BIP141: a version opcode and one direct push of 2 to 40 bytes. */
static bool is_witness_program(const uint8_t *s, size_t size)
{
	return size >= 4 && size <= 42 && (s[0] == OP_0 || (s[0] >= OP_1 && s[0] <= OP_16)) &&
	       (size_t)s[1] + 2 == size;
}

static bool hash_to_address(uint8_t version, const uint8_t hash[20], char *out, size_t capacity)
{
	uint8_t payload[21];

	payload[0] = version;
	memcpy(payload + 1, hash, 20);
	return base58check_encode(payload, sizeof(payload), out, capacity);
}

static bool program_to_address(const uint8_t *script, size_t size, const struct network *network,
			       char *out, size_t capacity)
{
	struct segwit_address a = {.size = size - 2};

	if (capacity <= BECH32_SIZE_MAX)
		return false;
	a.version = (uint8_t)(script[0] == OP_0 ? 0 : script[0] - OP_1 + 1);
	memcpy(a.hrp, network->hrp, strlen(network->hrp));
	memcpy(a.program, script + 2, size - 2);
	return segwit_encode(&a, out);
}

bool script_to_address(const uint8_t *script, size_t size, enum bitcoin_network network, char *out,
		       size_t capacity)
{
	const struct network *net = &networks[network];

	if (is_key_hash(script, size))
		return hash_to_address(net->key_version, script + 3, out, capacity);
	if (is_script_hash(script, size))
		return hash_to_address(net->script_version, script + 2, out, capacity);
	if (is_witness_program(script, size))
		return program_to_address(script, size, net, out, capacity);
	return false;
}
