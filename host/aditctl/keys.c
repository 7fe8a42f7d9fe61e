/* SPDX-License-Identifier: MIT */
/* keys.c: `keys`: authority keys. Needs no aditd, and none needs to run. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <string.h>

#include "lib/noise/keys.h"
#include "lib/util/random.h"

static int keys_failed(const struct error *e)
{
	fprintf(stderr, "aditctl: %s\n", e->text);
	return EXIT_REFUSED;
}

static int keys_print(const struct options *o, const uint8_t public_x[32])
{
	char text[NOISE_KEY_TEXT_SIZE];

	noise_public_format(public_x, text);
	printf(o->json ? "{\"authority_public_key\":\"%s\"}\n" : "%s\n", text);
	return EXIT_OK;
}

/* Makes a secret key in a new file; prints the public one, which clients are given. */
static int keys_generate(const struct options *o)
{
	uint8_t secret[32], public_x[32];
	struct error e;
	int32_t code = noise_key_create(o->arguments[1], secret, &e);

	if (code == ADIT_OK)
		code = noise_key_public(secret, public_x);
	secure_wipe(secret, sizeof(secret));
	return code == ADIT_OK ? keys_print(o, public_x) : keys_failed(&e);
}

static int keys_public(const struct options *o)
{
	uint8_t secret[32], public_x[32];
	struct error e;
	int32_t code = noise_key_load(o->arguments[1], secret, &e);

	if (code == ADIT_OK && noise_key_public(secret, public_x) != ADIT_OK)
		code = error_set(&e, ADIT_E_CONFIG, "%s: not a key", o->arguments[1]);
	secure_wipe(secret, sizeof(secret));
	return code == ADIT_OK ? keys_print(o, public_x) : keys_failed(&e);
}

int command_keys(const struct options *o)
{
	static const struct {
		const char *name;
		int arguments;
		int (*run)(const struct options *o);
	} verbs[] = {
	    {"generate", 1, keys_generate},
	    {"public", 1, keys_public},
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, o->arguments[0]) == 0 &&
		    o->argument_count == verbs[i].arguments + 1)
			return verbs[i].run(o);
	}
	fputs("aditctl: keys: expected `generate FILE` or `public FILE`\n", stderr);
	return EXIT_USAGE;
}
