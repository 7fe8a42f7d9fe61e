/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/identity.h"

#include <string.h>

/* BIP173: 90 characters; the base58 forms are shorter. */
#define ADDRESS_SIZE_MAX 90

#define INVALID "invalid-user-identity"
#define NOT_ADMITTED "unknown-user"

static const struct payee to_pool = {.own_percent = 100};

/* A borrowed piece of the identity. */
struct word {
	const uint8_t *data;
	size_t size;
};

enum address_kind { ADDRESS_NONE, ADDRESS_OURS, ADDRESS_FOREIGN };

static bool word_is(const struct word *w, const char *text)
{
	return w->size == strlen(text) && memcmp(w->data, text, w->size) == 0;
}

/* Takes the piece before the next SEPARATOR off *REST; with it *REST ends when there is none. */
static struct word take_word(struct word *rest, char separator, bool *more)
{
	const uint8_t *end;
	struct word first = *rest;

	*more = false;
	if (rest->size == 0)
		return first;
	end = memchr(rest->data, separator, rest->size);
	*more = end != NULL;
	if (end)
		first.size = (size_t)(end - rest->data);
	rest->size -= first.size + (end ? 1 : 0);
	rest->data = first.data + first.size + (end ? 1 : 0);
	return first;
}

static enum address_kind read_address(const struct word *w, enum bitcoin_network network,
				      struct payee *payee)
{
	static const enum bitcoin_network all[] = {BITCOIN_MAIN, BITCOIN_TESTNET4, BITCOIN_SIGNET,
						   BITCOIN_REGTEST};
	char text[ADDRESS_SIZE_MAX + 1];
	struct script script;
	struct error why;

	if (w->size == 0 || w->size > ADDRESS_SIZE_MAX || memchr(w->data, 0, w->size))
		return ADDRESS_NONE;
	memcpy(text, w->data, w->size);
	text[w->size] = '\0';
	if (address_to_script(text, network, &script, &why) == ADIT_OK) {
		if (script.size > PAYEE_SCRIPT_MAX)
			return ADDRESS_NONE;
		payee->script_size = (uint8_t)script.size;
		memcpy(payee->script, script.data, script.size);
		return ADDRESS_OURS;
	}
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (address_to_script(text, all[i], &script, &why) == ADIT_OK)
			return ADDRESS_FOREIGN;
	}
	return ADDRESS_NONE;
}

/* 1..99; 0 for anything else. */
static uint8_t read_percent(const struct word *w)
{
	unsigned value = 0;

	if (w->size == 0 || w->size > 2)
		return 0;
	for (size_t i = 0; i < w->size; i++) {
		if (w->data[i] < '0' || w->data[i] > '9')
			return 0;
		value = value * 10 + (unsigned)(w->data[i] - '0');
	}
	return (uint8_t)value;
}

/* What follows "sri/". */
static const char *read_pattern(struct word rest, enum bitcoin_network network, struct payee *payee)
{
	bool more;
	struct word kind = take_word(&rest, '/', &more);
	struct word second = take_word(&rest, '/', &more);

	if (word_is(&kind, "solo")) {
		payee->own_percent = 0;
		return read_address(&second, network, payee) == ADDRESS_OURS ? NULL : INVALID;
	}
	if (!word_is(&kind, "donate"))
		return INVALID;
	if (!more) /* no second word, or it is the worker */
		return NULL;
	payee->own_percent = read_percent(&second);
	second = take_word(&rest, '/', &more);
	if (payee->own_percent == 0 || read_address(&second, network, payee) != ADDRESS_OURS)
		return INVALID;
	return NULL;
}

const char *identity_parse(const struct adit_bytes *text, enum bitcoin_network network,
			   enum identity_policy policy, struct payee *payee)
{
	struct word rest = {text->data, text->size};
	struct word first = rest;
	const char *code = NULL;
	bool more;

	*payee = to_pool;
	if (rest.size >= 4 && memcmp(rest.data, "sri/", 4) == 0) {
		rest = (struct word){text->data + 4, text->size - 4};
		code = read_pattern(rest, network, payee);
	} else if (policy != IDENTITY_POOL) {
		first = take_word(&rest, '.', &more);
		switch (read_address(&first, network, payee)) {
		case ADDRESS_OURS:
			payee->own_percent = 0;
			break;
		case ADDRESS_FOREIGN:
			code = INVALID;
			break;
		case ADDRESS_NONE:
			break;
		}
	}
	if (code)
		return code;
	if (policy == IDENTITY_POOL && payee->own_percent != 100)
		return NOT_ADMITTED;
	if (policy == IDENTITY_SOLO && payee->own_percent == 100)
		return NOT_ADMITTED;
	return NULL;
}
