/* SPDX-License-Identifier: MIT */
/* Pools as people and fleet managers write them: what is taken can be written and read again, and
 * whoever is refused is told why. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sv2/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv2_url url;
	struct sv2_url again;
	struct error e = {0};
	char text[300];

	if (sv2_url_parse((const char *)data, size, &url, &e) != ADIT_OK) {
		require(e.text[0] != '\0');
		return 0;
	}
	require(url.address.port != 0 && url.address.host[0] != '\0' && !url.address.is_unix);
	sv2_address_format(&url.address, text, sizeof text);
	require(sv2_url_parse(text, strlen(text), &again, &e) == ADIT_OK);
	require(strcmp(again.address.host, url.address.host) == 0);
	require(again.address.port == url.address.port);
	return 0;
}
