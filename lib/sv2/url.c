/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/url.h"

#include <string.h>
#include <strings.h>

#include "lib/noise/keys.h"

#define URL_MAX 512

/* Blanks, control characters and what is not ASCII stand in no part of it. */
static bool is_plain(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return true;
}

/* What follows the scheme; NULL when it is not one of ours. */
static char *skip_scheme(char *text, enum sv2_url_scheme *scheme)
{
	static const struct {
		const char *prefix;
		enum sv2_url_scheme scheme;
	} schemes[] = {{"stratum2+tcp://", SV2_URL_STRATUM2}, {"stratum+tcp://", SV2_URL_STRATUM}};

	*scheme = SV2_URL_NO_SCHEME;
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		size_t size = strlen(schemes[i].prefix);

		if (strncasecmp(text, schemes[i].prefix, size) == 0) {
			*scheme = schemes[i].scheme;
			return text + size;
		}
	}
	return strstr(text, "://") ? NULL : text;
}

int32_t sv2_url_parse(const char *text, size_t size, struct sv2_url *url, struct error *e)
{
	char copy[URL_MAX];
	char *place;
	char *slash;

	*url = (struct sv2_url){0};
	if (size == 0 || size >= sizeof copy || !is_plain(text, size))
		return error_set(e, ADIT_E_CONFIG,
				 "expected HOST:PORT or stratum2+tcp://HOST:PORT/KEY, in at most "
				 "%d printable characters",
				 URL_MAX - 1);
	memcpy(copy, text, size);
	copy[size] = '\0';
	place = skip_scheme(copy, &url->scheme);
	if (!place)
		return error_set(e, ADIT_E_CONFIG,
				 "%s: expected stratum2+tcp:// or stratum+tcp:// before HOST:PORT",
				 copy);
	slash = strchr(place, '/');
	if (slash)
		*slash++ = '\0';
	if (strncmp(place, "unix:", 5) == 0)
		return error_set(e, ADIT_E_CONFIG, "%s: expected HOST:PORT", place);
	if (sv2_address_parse(place, &url->address, e) != ADIT_OK)
		return ADIT_E_CONFIG;
	if (!slash || *slash == '\0')
		return ADIT_OK;
	if (noise_public_parse(slash, url->authority_x, e) != ADIT_OK)
		return ADIT_E_CONFIG;
	url->has_key = true;
	return ADIT_OK;
}
