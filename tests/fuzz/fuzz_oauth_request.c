/* SPDX-License-Identifier: MIT */
/* What comes to the loopback listener of a login, and addresses that people paste. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/url.h"
#include "lib/util/buf.h"
#include "plugins/miningos/oauth_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_result(const char *query, size_t size)
{
	static struct oauth_result result;

	if (!oauth_result_read(query, size, &result))
		return;
	require((result.token[0] != '\0') + (result.code[0] != '\0') + (result.error[0] != '\0') ==
		1);
	require(result.token[0] == '\0' || oauth_token_is_good(result.token, strlen(result.token)));
}

static void check_encoding(const uint8_t *data, size_t size)
{
	struct buf code = {0};
	char back[256];

	if (size >= sizeof(back) || memchr(data, '\0', size) != NULL)
		return;
	http_url_encode(&code, data, size);
	require(http_url_decode((const char *)code.data, code.size, back));
	require(strlen(back) == size && memcmp(back, data, size) == 0);
	buf_free(&code);
}

static void check_url(const uint8_t *data, size_t size)
{
	struct http_url url;
	struct http_url again;
	struct error e = {0};
	char text[600];

	if (size >= sizeof(text))
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (http_url_parse(text, &url, &e) != ADIT_OK) {
		require(e.text[0] != '\0');
		return;
	}
	require(url.port != 0 && url.host[0] != '\0' && url.path[0] == '/');
	require(http_url_parse(url.origin, &again, &e) == ADIT_OK);
	require(strcmp(again.origin, url.origin) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct oauth_request request;
	const char *text = (const char *)data;
	int status = oauth_request_read(text, size, &request);

	require(status == 0 || (status >= 400 && status < 500));
	if (status == 0) {
		require(request.path[0] == '/' && request.host[0] != '\0');
		check_result(request.query, strlen(request.query));
	}
	check_result(text, size);
	check_encoding(data, size);
	check_url(data, size);
	return 0;
}
