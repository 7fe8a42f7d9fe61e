/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/txid_list.h"

#include <string.h>

#include "lib/util/hex.h"

static const char member[] = "\"result\"";

static void skip_blanks(struct txid_list *l)
{
	while (l->at < l->size && (l->text[l->at] == ' ' || l->text[l->at] == '\n' ||
				   l->text[l->at] == '\r' || l->text[l->at] == '\t'))
		l->at++;
}

/* The character that comes next is passed when it is C. */
static bool take(struct txid_list *l, char c)
{
	skip_blanks(l);
	if (l->at == l->size || l->text[l->at] != c)
		return false;
	l->at++;
	return true;
}

/* To the place after the list's bracket. */
static bool find_list(struct txid_list *l)
{
	const char *found = memmem(l->text, l->size, member, sizeof(member) - 1);

	if (found == NULL)
		return false;
	l->at = (size_t)(found - l->text) + sizeof(member) - 1;
	return take(l, ':') && take(l, '[');
}

void txid_list_init(struct txid_list *l, const char *text, size_t size)
{
	memset(l, 0, sizeof(*l));
	l->text = text;
	l->size = size;
	if (!find_list(l))
		l->failed = true;
	else if (take(l, ']'))
		l->ended = true;
}

/* A hash between quotation marks, and what follows it. */
static bool read_one(struct txid_list *l, uint8_t txid[32])
{
	char digits[65];

	if (!take(l, '"') || l->size - l->at < 65)
		return false;
	memcpy(digits, l->text + l->at, 64);
	digits[64] = '\0';
	l->at += 64;
	if (l->text[l->at++] != '"' || !hex_decode_reversed(digits, txid, 32))
		return false;
	if (take(l, ']'))
		l->ended = true;
	else if (!take(l, ','))
		return false;
	return true;
}

bool txid_list_next(struct txid_list *l, uint8_t txid[32])
{
	if (l->ended || l->failed)
		return false;
	l->failed = !read_one(l, txid);
	return !l->failed;
}
