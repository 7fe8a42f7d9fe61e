/* SPDX-License-Identifier: MIT */
/* lib/http: the client against a server that does everything wrong, and addresses. */
#include "config.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <adit/error.h>

#include "http_script.h"
#include "lib/http/client.h"
#include "lib/http/url.h"
#include "lib/util/buf.h"
#include "lib/util/clock.h"

#define PATIENCE_MS 60000

/* --- the client ---------------------------------------------------------------------------------
 */

static struct event_base *base;
static struct script_server server;
static struct http_client *client;
static struct {
	unsigned count;
	int32_t error;
	long status;
	char message[256];
	char body[4096];
	char location[512];
	char type[128];
	int64_t date;
} got;
static void (*scripted)(struct script_request *request);

static void on_request(void *user, struct script_request *request)
{
	(void)user;
	scripted(request);
}

static void setup(void)
{
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
	script_server_init(&server, base, on_request, NULL);
	client = http_client_new(base, 4, NULL);
	ck_assert_ptr_nonnull(client);
	memset(&got, 0, sizeof(got));
}

static void teardown(void)
{
	http_client_free(client);
	script_server_free(&server);
	event_base_free(base);
}

static void on_answer(void *user, const struct http_answer *answer)
{
	(void)user;
	got.count++;
	got.error = answer->error;
	got.status = answer->status;
	got.date = answer->date;
	snprintf(got.message, sizeof(got.message), "%s", answer->message);
	snprintf(got.location, sizeof(got.location), "%s", answer->location);
	snprintf(got.type, sizeof(got.type), "%s", answer->type);
	snprintf(got.body, sizeof(got.body), "%.*s", (int)answer->body->size,
		 (const char *)answer->body->data);
}

static void wait_answers(unsigned count)
{
	uint64_t until = clock_monotonic_ms() + PATIENCE_MS;

	while (got.count < count) {
		ck_assert_uint_lt(clock_monotonic_ms(), until);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

static struct http_call *send_request(struct http_request *request)
{
	static char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/path?x=1", (unsigned)server.port);
	if (request->url == NULL)
		request->url = url;
	if (request->method == NULL)
		request->method = "GET";
	if (request->timeout_ms == 0)
		request->timeout_ms = PATIENCE_MS;
	if (request->max_bytes == 0)
		request->max_bytes = 100000;
	return http_client_send(client, request, on_answer, NULL);
}

/* Sends, waits, and expects that error. */
static void expect(void (*script)(struct script_request *), uint32_t timeout_ms, int32_t error)
{
	struct http_request request = {.timeout_ms = timeout_ms};

	scripted = script;
	got.count = 0;
	ck_assert_ptr_nonnull(send_request(&request));
	wait_answers(1);
	ck_assert_msg(got.error == error, "%s, not %s: %s", adit_error_name(got.error),
		      adit_error_name(error), got.message);
	ck_assert_int_eq(got.message[0] != '\0', error != ADIT_OK);
}

static char seen[4096];

static void echo(struct script_request *request)
{
	size_t size = 0;

	size +=
	    (size_t)snprintf(seen, sizeof(seen), "%.8s %.200s|", request->method, request->target);
	size += (size_t)snprintf(seen + size, sizeof(seen) - size, "%.20s|%.200s|",
				 script_header(request, "content-length"), request->body);
	size += (size_t)snprintf(seen + size, sizeof(seen) - size, "%.200s|",
				 script_header(request, "x-own"));
	snprintf(seen + size, sizeof(seen) - size, "%.200s",
		 script_header(request, "authorization"));
	script_answer(request, 200, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "{}");
}

START_TEST(sends_what_it_is_asked)
{
	static const char *const headers[] = {"X-Own: 5", NULL};
	static const char *const methods[] = {"POST", "PUT", "DELETE"};
	struct http_request get = {.headers = headers};

	expect(echo, 0, ADIT_OK);
	ck_assert_str_eq(seen, "GET /path?x=1||||");
	ck_assert_int_eq(got.status, 200);
	ck_assert_str_eq(got.body, "{}");
	ck_assert_str_eq(got.type, "application/json");
	ck_assert_int_eq(got.date, 784111777); /* the example of RFC 9110 section 5.6.7 */
	ck_assert_ptr_nonnull(send_request(&get));
	wait_answers(2);
	ck_assert_str_eq(seen, "GET /path?x=1|||5|");
	for (unsigned i = 0; i < 3; i++) {
		struct http_request request = {.method = methods[i],
					       .body = "{\"a\":1}",
					       .size = 7,
					       .user = "me",
					       .password = "pw",
					       .secret = true};
		char expected[128];

		got.count = 0;
		ck_assert_ptr_nonnull(send_request(&request));
		wait_answers(1);
		snprintf(expected, sizeof(expected),
			 "%s /path?x=1|7|{\"a\":1}||Basic bWU6cHc=", methods[i]);
		ck_assert_str_eq(seen, expected);
	}
	/* One connection is enough for all of that. */
	ck_assert_uint_eq(server.connections, 1);
}
END_TEST

START_TEST(body_may_be_empty_or_none)
{
	struct http_request none = {.method = "DELETE"};
	struct http_request empty = {.method = "POST", .body = "", .size = 0};

	scripted = echo;
	ck_assert_ptr_nonnull(send_request(&none));
	wait_answers(1);
	ck_assert_str_eq(seen, "DELETE /path?x=1||||");
	ck_assert_ptr_nonnull(send_request(&empty));
	wait_answers(2);
	ck_assert_str_eq(seen, "POST /path?x=1|0|||");
}
END_TEST

static void chunked(struct script_request *request)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n";

	script_raw(request, text, sizeof(text) - 1, false);
}

static void truncated(struct script_request *request)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1,2";

	script_raw(request, text, sizeof(text) - 1, true);
}

static void truncated_chunks(struct script_request *request)
{
	static const char text[] =
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n";

	script_raw(request, text, sizeof(text) - 1, true);
}

static void hang_up(struct script_request *request)
{
	script_raw(request, "H", 1, true);
}

static void no_http(struct script_request *request)
{
	script_raw(request, "SSH-2.0-OpenSSH_9.2\r\n", 21, true);
}

static void big(struct script_request *request)
{
	script_flood(request, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 100u << 20);
}

static void big_and_said(struct script_request *request)
{
	script_flood(request, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", 100u << 20);
}

static void big_headers(struct script_request *request)
{
	static char text[200000];
	size_t size = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n");

	while (size < sizeof(text) - 64)
		size += (size_t)snprintf(text + size, 64, "X-Filler: %030d\r\n", 0);
	script_raw(request, text, size, true);
}

static void slow(struct script_request *request)
{
	script_drip(request, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
}

static void elsewhere(struct script_request *request)
{
	script_answer(request, 302, "Location: http://198.51.100.7/?stolen\r\n", "");
}

static void refused(struct script_request *request)
{
	script_answer(request, 401, "WWW-Authenticate: Basic realm=x\r\n", "{\"statusCode\":401}");
}

START_TEST(bad_answers_are_told_apart)
{
	expect(chunked, 0, ADIT_OK);
	ck_assert_str_eq(got.body, "[1,2]");
	expect(truncated, 0, ADIT_E_UNAVAILABLE);
	expect(truncated_chunks, 0, ADIT_E_UNAVAILABLE);
	expect(hang_up, 0, ADIT_E_UNAVAILABLE);
	expect(no_http, 0, ADIT_E_PROTOCOL);
	expect(refused, 0, ADIT_OK);
	ck_assert_int_eq(got.status, 401);
	ck_assert_str_eq(got.body, "{\"statusCode\":401}");
	expect(slow, 200, ADIT_E_TIMEOUT);
	expect(script_hang, 200, ADIT_E_TIMEOUT);
}
END_TEST

START_TEST(too_much_ends_the_call)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	expect(big, 0, ADIT_E_LIMIT);
	expect(big_and_said, 0, ADIT_E_LIMIT);
	expect(big_headers, 0, ADIT_E_LIMIT);
	getrusage(RUSAGE_SELF, &after);
	/* Neither was taken to its end; kilobytes. */
	ck_assert_uint_lt(server.sent, 100u << 20);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 64 * 1024);
}
END_TEST

START_TEST(redirects_are_not_followed)
{
	expect(elsewhere, 0, ADIT_OK);
	ck_assert_int_eq(got.status, 302);
	ck_assert_str_eq(got.location, "http://198.51.100.7/?stolen");
	ck_assert_uint_eq(server.requests, 1);
}
END_TEST

START_TEST(nobody_is_there)
{
	struct http_request request = {.url = "http://127.0.0.1:1/"};
	struct http_request file = {.url = "file:///etc/passwd"};

	ck_assert_ptr_nonnull(send_request(&request));
	wait_answers(1);
	ck_assert_int_eq(got.error, ADIT_E_UNAVAILABLE);
	ck_assert_ptr_nonnull(send_request(&file));
	wait_answers(2);
	ck_assert_int_ne(got.error, ADIT_OK);
}
END_TEST

START_TEST(calls_are_bounded_and_can_be_cancelled)
{
	struct http_request request = {0};
	struct http_call *calls[4];

	scripted = script_hang;
	for (size_t i = 0; i < 4; i++) {
		calls[i] = send_request(&request);
		ck_assert_ptr_nonnull(calls[i]);
	}
	ck_assert_ptr_null(send_request(&request));
	while (server.requests < 4)
		event_base_loop(base, EVLOOP_ONCE);
	for (size_t i = 0; i < 3; i++)
		http_client_cancel(calls[i]);
	while (server.open > 1)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(got.count, 0);
	/* The fourth goes with the client. */
}
END_TEST

static struct http_call *own;

static void on_answer_cancel(void *user, const struct http_answer *answer)
{
	http_client_cancel(own);
	on_answer(user, answer);
}

START_TEST(answered_call_can_be_cancelled)
{
	struct http_request request = {
	    .method = "GET", .timeout_ms = PATIENCE_MS, .max_bytes = 100};
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)server.port);
	request.url = url;
	scripted = echo;
	own = http_client_send(client, &request, on_answer_cancel, NULL);
	wait_answers(1);
	ck_assert_int_eq(got.error, ADIT_OK);
}
END_TEST

/* --- addresses ----------------------------------------------------------------------------------
 */

static const struct {
	const char *text;
	const char *origin; /* NULL: none */
	const char *path;
	bool loopback;
} addresses[] = {
    {"http://localhost:3000", "http://localhost:3000", "/", true},
    {"HTTP://LocalHost:3000/a/b", "http://LocalHost:3000", "/a/b", true},
    {"https://app.example.org", "https://app.example.org:443", "/", false},
    {"http://127.8.9.1/x", "http://127.8.9.1:80", "/x", true},
    {"http://[::1]:8080/", "http://[::1]:8080", "/", true},
    {"http://localhost.example.org/", "http://localhost.example.org:80", "/", false},
    {"http://128.0.0.1/", "http://128.0.0.1:80", "/", false},
    {"ftp://localhost/", NULL, NULL, false},
    {"localhost:3000", NULL, NULL, false},
    {"http://", NULL, NULL, false},
    {"", NULL, NULL, false},
    {"http://user:pw@localhost/", NULL, NULL, false},
    {"http://user@localhost/", NULL, NULL, false},
    {"http://localhost/?a", NULL, NULL, false},
    {"http://localhost/#a", NULL, NULL, false},
    {"http://localhost:70000/", NULL, NULL, false},
    {"http://localhost:0/", NULL, NULL, false},
    {"http://local host/", NULL, NULL, false},
    {"http://localhost/\r\nX: y", NULL, NULL, false},
    {"http://localhost\\@198.51.100.7/", NULL, NULL, false},
};

START_TEST(addresses_are_taken_apart)
{
	struct http_url url;
	struct error e = {0};
	int32_t result = http_url_parse(addresses[_i].text, &url, &e);

	if (addresses[_i].origin == NULL) {
		ck_assert_msg(result == ADIT_E_INVALID_ARGUMENT, "%s", addresses[_i].text);
		ck_assert_int_ne(e.text[0], '\0');
		return;
	}
	ck_assert_msg(result == ADIT_OK, "%s: %s", addresses[_i].text, e.text);
	ck_assert_str_eq(url.origin, addresses[_i].origin);
	ck_assert_str_eq(url.path, addresses[_i].path);
	ck_assert_int_eq(http_url_is_loopback(&url), addresses[_i].loopback);
}
END_TEST

START_TEST(long_address_is_refused)
{
	static char text[4096];
	struct http_url url;
	struct error e = {0};

	strcpy(text, "http://localhost/");
	memset(text + strlen(text), 'a', sizeof(text) - 64);
	ck_assert_int_eq(http_url_parse(text, &url, &e), ADIT_E_INVALID_ARGUMENT);
}
END_TEST

START_TEST(text_is_encoded_and_decoded)
{
	static const char text[] = "{\"a\":[1, \"\xc3\xa9&=+%\"]}";
	static const char code[] = "%7B%22a%22%3A%5B1%2C%20%22%C3%A9%26%3D%2B%25%22%5D%7D";
	struct buf out = {0};
	char back[64];

	http_url_encode(&out, text, sizeof(text) - 1);
	ck_assert_uint_eq(out.size, strlen(code));
	ck_assert_mem_eq(out.data, code, out.size);
	ck_assert(http_url_decode((const char *)out.data, out.size, back));
	ck_assert_str_eq(back, text);
	buf_free(&out);
	ck_assert(http_url_decode("a+b%2b", 6, back));
	ck_assert_str_eq(back, "a b+");
	ck_assert(!http_url_decode("%", 1, back));
	ck_assert(!http_url_decode("%4", 2, back));
	ck_assert(!http_url_decode("%4g", 3, back));
	ck_assert(!http_url_decode("a%00b", 5, back));
	ck_assert(!http_url_decode("a\0b", 3, back));
}
END_TEST

static bool value(const char *query, const char *name, char out[16])
{
	return http_query_value(query, strlen(query), name, out, 16);
}

START_TEST(values_are_found_in_queries)
{
	char out[16];

	ck_assert(value("code=a%20b&state=xyz", "state", out));
	ck_assert_str_eq(out, "xyz");
	ck_assert(value("code=a%20b&state=xyz", "code", out));
	ck_assert_str_eq(out, "a b");
	ck_assert(value("code=&state=xyz", "code", out));
	ck_assert_str_eq(out, "");
	ck_assert(value("&&a=1&", "a", out));
	ck_assert(!value("code=a", "cod", out));
	ck_assert(!value("xcode=a", "code", out));
	ck_assert(!value("code", "code", out));
	ck_assert(!value("", "code", out));
	ck_assert(!value("code=a&code=b", "code", out));
	ck_assert(!value("code=%zz", "code", out));
	ck_assert(!value("code=0123456789abcdef", "code", out));
	ck_assert(value("code=0123456789abcde", "code", out));
}
END_TEST

/* RFC 4648 section 10, without padding; and the two characters that are others here. */
static const struct {
	const char *data;
	const char *text;
} base64[] = {
    {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
    {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};

START_TEST(base64url_both_ways)
{
	const char *data = base64[_i].data;
	const char *text = base64[_i].text;
	char out[16];
	size_t size;

	http_base64url_encode(data, strlen(data), out);
	ck_assert_str_eq(out, text);
	ck_assert(http_base64url_decode(text, strlen(text), out, sizeof(out), &size));
	ck_assert_uint_eq(size, strlen(data));
	ck_assert_mem_eq(out, data, size);
}
END_TEST

START_TEST(base64url_refuses)
{
	static const char *const bad[] = {"Z", "Zg==", "Zm+v", "Zm/v", "Z g", "Zh", "Zm9"};
	char out[4];
	size_t size;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!http_base64url_decode(bad[i], strlen(bad[i]), out, 4, &size), "%s",
			      bad[i]);
	ck_assert(!http_base64url_decode("Zm9vYmE", 7, out, 4, &size));
}
END_TEST

static Suite *http_suite(void)
{
	Suite *suite = suite_create("http");
	TCase *tc = tcase_create("client");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, sends_what_it_is_asked);
	tcase_add_test(tc, body_may_be_empty_or_none);
	tcase_add_test(tc, bad_answers_are_told_apart);
	tcase_add_test(tc, too_much_ends_the_call);
	tcase_add_test(tc, redirects_are_not_followed);
	tcase_add_test(tc, nobody_is_there);
	tcase_add_test(tc, calls_are_bounded_and_can_be_cancelled);
	tcase_add_test(tc, answered_call_can_be_cancelled);
	suite_add_tcase(suite, tc);
	tc = tcase_create("url");
	tcase_add_loop_test(tc, addresses_are_taken_apart, 0,
			    sizeof(addresses) / sizeof(addresses[0]));
	tcase_add_test(tc, long_address_is_refused);
	tcase_add_test(tc, text_is_encoded_and_decoded);
	tcase_add_test(tc, values_are_found_in_queries);
	tcase_add_loop_test(tc, base64url_both_ways, 0, sizeof(base64) / sizeof(base64[0]));
	tcase_add_test(tc, base64url_refuses);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(http_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
