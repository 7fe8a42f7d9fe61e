/* SPDX-License-Identifier: MIT */
/* keys.c: `keys`: authority keys. Needs no aditd, and none needs to run. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/noise/identity.h"
#include "lib/noise/keys.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

#define BACKDATED_S 3600u /* for clients whose clock is slow */
#define VALIDITY_MAX_S (3650ull * 86400)

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

/* On the server: makes its own key, unless it is there, and the request. */
static int keys_request(const struct options *o)
{
	uint8_t x[32];
	struct error e;

	if (noise_request_create(o->arguments[1], o->arguments[2], x, &e) != ADIT_OK)
		return keys_failed(&e);
	if (!o->json)
		printf("take %s to the authority, and bring back what `aditctl keys sign` makes "
		       "of it\n",
		       o->arguments[2]);
	return EXIT_OK;
}

/* "90m", "24h", "365d" as seconds; false for anything else, less than a minute or over ten years.
 */
static bool keys_validity(const char *text, uint32_t *out)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);
	unsigned long long unit = *end == 'm' ? 60 : *end == 'h' ? 3600 : *end == 'd' ? 86400 : 0;

	if (*text < '0' || *text > '9' || unit == 0 || end[1] != '\0' || number == 0 ||
	    number > VALIDITY_MAX_S / unit)
		return false;
	*out = (uint32_t)(number * unit);
	return true;
}

/* At the authority: vouches for the key of a request. */
static int keys_sign(const struct options *o)
{
	struct noise_identity id = {0};
	uint8_t secret[32];
	uint32_t validity;
	char until[64] = "";
	time_t end;
	struct tm tm;
	struct error e;
	int32_t code;

	if (!keys_validity(o->arguments[4], &validity)) {
		fprintf(stderr,
			"aditctl: %s: expected how long the certificate is valid, at most "
			"3650d: 90m, 24h, 365d\n",
			o->arguments[4]);
		return EXIT_USAGE;
	}
	code = noise_key_load(o->arguments[1], secret, &e);
	if (code == ADIT_OK)
		code = noise_request_sign(secret, o->arguments[2], o->arguments[3], clock_unix(),
					  validity, BACKDATED_S, &id, &e);
	secure_wipe(secret, sizeof(secret));
	if (code != ADIT_OK)
		return keys_failed(&e);
	end = (time_t)id.not_valid_after;
	if (gmtime_r(&end, &tm) != NULL)
		(void)strftime(until, sizeof(until), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (o->json)
		printf("{\"valid_from\":%" PRIu32 ",\"not_valid_after\":%" PRIu32 "}\n",
		       id.valid_from, id.not_valid_after);
	else
		printf("valid until %s\n", until);
	return EXIT_OK;
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
	    {"request", 2, keys_request},
	    {"sign", 4, keys_sign},
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, o->arguments[0]) == 0 &&
		    o->argument_count == verbs[i].arguments + 1)
			return verbs[i].run(o);
	}
	fputs("aditctl: keys: expected `generate FILE`, `public FILE`, `request KEY REQUEST` or "
	      "`sign "
	      "AUTHORITY REQUEST CERTIFICATE VALIDITY`\n",
	      stderr);
	return EXIT_USAGE;
}
