/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/http/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/util/buf.h"

/* --- parts --------------------------------------------------------------------------------------
 */

/* False when the part is there but too long. */
static bool part(CURLU *handle, CURLUPart what, unsigned flags, char *out, size_t room)
{
	char *text = NULL;
	bool ok = true;

	out[0] = '\0';
	if (curl_url_get(handle, what, &text, flags) != CURLUE_OK)
		return true;
	if (strlen(text) < room)
		strcpy(out, text);
	else
		ok = false;
	curl_free(text);
	return ok;
}

static bool has(CURLU *handle, CURLUPart what)
{
	char *text = NULL;
	bool there = curl_url_get(handle, what, &text, 0) == CURLUE_OK;

	curl_free(text);
	return there;
}

static int32_t take_parts(CURLU *handle, struct http_url *url, struct error *e)
{
	char port[8];

	if (has(handle, CURLUPART_USER) || has(handle, CURLUPART_PASSWORD))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "user and password have no place in an address");
	if (has(handle, CURLUPART_QUERY) || has(handle, CURLUPART_FRAGMENT))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "nothing may follow the path, neither \"?\" nor \"#\"");
	if (!part(handle, CURLUPART_SCHEME, 0, url->scheme, sizeof(url->scheme)) ||
	    !part(handle, CURLUPART_HOST, 0, url->host, sizeof(url->host)) ||
	    !part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port)) ||
	    !part(handle, CURLUPART_PATH, 0, url->path, sizeof(url->path)))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "the address is too long");
	if (strcmp(url->scheme, "http") != 0 && strcmp(url->scheme, "https") != 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "expected http:// or https://");
	if (url->host[0] == '\0')
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "there is no host in it");
	url->port = (uint16_t)strtoul(port, NULL, 10);
	if (url->port == 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "port 0 is none");
	if (url->path[0] == '\0')
		strcpy(url->path, "/");
	snprintf(url->origin, sizeof(url->origin), "%s://%s:%u", url->scheme, url->host,
		 (unsigned)url->port);
	return ADIT_OK;
}

int32_t http_url_parse(const char *text, struct http_url *url, struct error *e)
{
	CURLU *handle = curl_url();
	int32_t result;

	memset(url, 0, sizeof(*url));
	if (handle == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	/* libcurl takes spaces and control characters out of some addresses. */
	if (text[strcspn(text, " \t\r\n\v\f\\")] != '\0' ||
	    curl_url_set(handle, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		result =
		    error_set(e, ADIT_E_INVALID_ARGUMENT, "\"%.100s\" is no web address", text);
	else
		result = take_parts(handle, url, e);
	curl_url_cleanup(handle);
	return result;
}

bool http_url_is_loopback(const struct http_url *url)
{
	struct in_addr v4;

	if (strcasecmp(url->host, "localhost") == 0 || strcmp(url->host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, url->host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

/* --- percent ------------------------------------------------------------------------------------
 */

static bool unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void http_url_encode(struct buf *out, const void *text, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	const unsigned char *at = text;

	for (size_t i = 0; i < size; i++) {
		if (unreserved(at[i])) {
			buf_append_u8(out, at[i]);
			continue;
		}
		buf_append_u8(out, '%');
		buf_append_u8(out, (uint8_t)digits[at[i] >> 4]);
		buf_append_u8(out, (uint8_t)digits[at[i] & 15]);
	}
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool http_url_decode(const char *text, size_t size, char *out)
{
	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (size - i < 3 || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
				return false;
			c = (char)(digit(text[i + 1]) << 4 | digit(text[i + 2]));
			i += 2;
		}
		if (c == '\0')
			return false;
		*out++ = c;
	}
	*out = '\0';
	return true;
}

bool http_query_value(const char *query, size_t size, const char *name, char *out, size_t room)
{
	size_t length = strlen(name);
	const char *end = query + size;
	bool found = false;

	out[0] = '\0';
	for (const char *at = query; at < end;) {
		const char *stop = memchr(at, '&', (size_t)(end - at));
		size_t here = (size_t)((stop != NULL ? stop : end) - at);

		if (here > length && memcmp(at, name, length) == 0 && at[length] == '=') {
			size_t value = here - length - 1;

			if (found || value >= room ||
			    !http_url_decode(at + length + 1, value, out)) {
				out[0] = '\0';
				return false;
			}
			found = true;
		}
		at += here + 1;
	}
	return found;
}

/* --- base64url ----------------------------------------------------------------------------------
 */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void http_base64url_encode(const void *data, size_t size, char *out)
{
	const uint8_t *in = data;
	uint32_t bits = 0;
	unsigned count = 0;

	for (size_t i = 0; i < size; i++) {
		bits = bits << 8 | in[i];
		count += 8;
		while (count >= 6) {
			count -= 6;
			*out++ = alphabet[bits >> count & 63];
		}
	}
	if (count > 0)
		*out++ = alphabet[bits << (6 - count) & 63];
	*out = '\0';
}

bool http_base64url_decode(const char *text, size_t size, void *out, size_t room, size_t *got)
{
	uint8_t *to = out;
	uint32_t bits = 0;
	unsigned count = 0;

	*got = 0;
	if (size % 4 == 1)
		return false;
	for (size_t i = 0; i < size; i++) {
		const char *at = text[i] != '\0' ? strchr(alphabet, text[i]) : NULL;

		if (at == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(at - alphabet);
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if (*got == room)
			return false;
		to[(*got)++] = (uint8_t)(bits >> count);
	}
	/* Bits that are left over have to be zero. */
	return (bits & ((1u << count) - 1)) == 0;
}
