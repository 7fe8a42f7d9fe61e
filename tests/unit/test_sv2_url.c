/* SPDX-License-Identifier: MIT */
/* test_sv2_url.c: pools as people write them. KEY is the specification's example (04 section 4.7).
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/noise/keys.h"
#include "lib/sv2/url.h"

#define KEY "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh"

struct good {
	const char *text;
	enum sv2_url_scheme scheme;
	const char *host;
	uint16_t port;
	bool has_key;
};

static const struct good good[] = {
    {"pool.example:3333", SV2_URL_NO_SCHEME, "pool.example", 3333, false},
    {"192.0.2.1:1", SV2_URL_NO_SCHEME, "192.0.2.1", 1, false},
    {"[2001:db8::1]:65535", SV2_URL_NO_SCHEME, "2001:db8::1", 65535, false},
    {"pool.example:3333/" KEY, SV2_URL_NO_SCHEME, "pool.example", 3333, true},
    {"stratum+tcp://pool.example:3333", SV2_URL_STRATUM, "pool.example", 3333, false},
    {"stratum+tcp://pool.example:3333/", SV2_URL_STRATUM, "pool.example", 3333, false},
    {"STRATUM2+TCP://pool.example:34254/" KEY, SV2_URL_STRATUM2, "pool.example", 34254, true},
    {"stratum2+tcp://[2001:db8::1]:34254/" KEY, SV2_URL_STRATUM2, "2001:db8::1", 34254, true},
};

START_TEST(what_people_write_is_read)
{
	const struct good *g = &good[_i];
	struct sv2_url url;
	struct error e = {0};
	uint8_t key[32];

	ck_assert_msg(sv2_url_parse(g->text, strlen(g->text), &url, &e) == ADIT_OK, "%s: %s",
		      g->text, e.text);
	ck_assert_int_eq(url.scheme, g->scheme);
	ck_assert(!url.address.is_unix);
	ck_assert_str_eq(url.address.host, g->host);
	ck_assert_uint_eq(url.address.port, g->port);
	ck_assert_int_eq(url.has_key, g->has_key);
	if (!g->has_key)
		return;
	ck_assert_int_eq(noise_public_parse(KEY, key, &e), ADIT_OK);
	ck_assert_mem_eq(url.authority_x, key, 32);
}
END_TEST

/* And a part of the text that must be in the answer. */
static const char *const bad[][2] = {
    {"", "HOST:PORT"},
    {"pool.example", "HOST:PORT"},
    {"pool.example:", "HOST:PORT"},
    {"pool.example:0", "HOST:PORT"},
    {"pool.example:65536", "HOST:PORT"},
    {":3333", "HOST:PORT"},
    {"[2001][2001]:3", "HOST:PORT"},
    {"[pool.example]:3333", "HOST:PORT"},
    {"[]:3333", "HOST:PORT"},
    {"2001:db8::1:3333", "HOST:PORT"},
    {"pool example:3333", "printable"},
    {"pool.example:3333\n", "printable"},
    {"pool.ex\xc3\xa4mple:3333", "printable"},
    {"unix:/run/pool.sock", "HOST:PORT"},
    {"stratum2+tcp://", "HOST:PORT"},
    {"stratum2+tcp://unix:/run/pool.sock", "HOST:PORT"},
    {"stratum+ssl://pool.example:3333", "stratum2+tcp://"},
    {"http://pool.example:3333", "stratum2+tcp://"},
    {"stratum2+tcp://user@pool.example:x", "HOST:PORT"},
    {"stratum2+tcp://pool.example:3333/nokey", "key"},
    {"stratum2+tcp://pool.example:3333/" KEY "1", "key"},
    {"stratum2+tcp://pool.example:3333/" KEY "/", "key"},
};

START_TEST(what_is_not_is_refused_with_what_was_expected)
{
	struct sv2_url url;
	struct error e = {0};

	ck_assert_int_eq(sv2_url_parse(bad[_i][0], strlen(bad[_i][0]), &url, &e), ADIT_E_CONFIG);
	ck_assert_msg(strstr(e.text, bad[_i][1]) != NULL, "%s: %s", bad[_i][0], e.text);
}
END_TEST

START_TEST(it_is_bounded)
{
	char text[1024];
	struct sv2_url url;
	struct error e = {0};

	memset(text, 'a', sizeof text);
	memcpy(text + 300, ":3333", 5);
	ck_assert_int_eq(sv2_url_parse(text, 305, &url, &e), ADIT_E_CONFIG);
	ck_assert_int_eq(sv2_url_parse(text, sizeof text, &url, &e), ADIT_E_CONFIG);
	memcpy(text + 200, ":3333", 5); /* and then rubbish that does not belong to it */
	ck_assert_int_eq(sv2_url_parse(text, 205, &url, &e), ADIT_OK);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sv2 url");
	TCase *t = tcase_create("url");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, what_people_write_is_read, 0, (int)(sizeof good / sizeof good[0]));
	tcase_add_loop_test(t, what_is_not_is_refused_with_what_was_expected, 0,
			    (int)(sizeof bad / sizeof bad[0]));
	tcase_add_test(t, it_is_bounded);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
